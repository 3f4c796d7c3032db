/* port: what tells the two platforms apart and is nobody's fault, when a port's state is compared with what
 * the Events API made of the same changes. */
#ifndef PIMSIM_PORT_H
#define PIMSIM_PORT_H

#include "effects.h"

/* What AEP calls an event, in short: "product.deleted" for "product.removed". */
struct span port_name(struct span name);

/* Append text with events by one name, "product.removed" for "com.akeneo.pim.v1.product.deleted": an
 * effect_terms' respell. */
void port_respell(struct span text, struct buf *out);

/* The old program and the new one may each show a state of its own. Then all places to look at become one,
 * "state: /products/[]": the records' places are others, which port_part frees. NULL: nothing was changed. */
char **port_join(struct effect_records *records);
void port_part(char **places, size_t count);

#endif
