/* edit: set members of a JSON text by "/pointer=value", splicing bytes: the rest keeps its spelling. */
#ifndef PIMSIM_EDIT_H
#define PIMSIM_EDIT_H

#include "base.h"
#include "json.h"

struct edit {
    char *pointer;    /* RFC 6901 */
    struct buf value; /* spelled in the style */
};

struct edits {
    struct json_style style;
    struct edit *items;
    size_t count, cap;
    struct json_doc doc; /* of the text as it is; its memory is kept */
    struct buf scratch;
};

void edits_init(struct edits *edits, const struct json_style *style);
void edits_reset(struct edits *edits);
/* "/pointer=value": the value is JSON if it parses, else text; numbers keep their spelling. */
bool edits_add(struct edits *edits, const char *text, struct err *err) MUST_USE;
/* Do them all, in order. A pointer to a missing member of an object adds it; the error about any other
 * says how far the pointer leads and what it perhaps meant. */
bool edits_apply(struct edits *edits, struct buf *text, struct err *err) MUST_USE;

#endif
