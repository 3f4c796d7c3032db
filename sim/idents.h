/* idents: whose ids are whose, and where they stand in a text.
 *
 * A scenario's entities and events exist in three universes, each with ids of its own. Ids are found in any
 * letter case, with or without dashes (UUIDs), and inside longer strings such as URLs. */
#ifndef PIMSIM_IDENTS_H
#define PIMSIM_IDENTS_H

#include "base.h"

enum universe { UNIVERSE_A, UNIVERSE_A2, UNIVERSE_B, UNIVERSE_COUNT };
extern const char *const universe_names[UNIVERSE_COUNT]; /* "A", "A'", "B" */

struct idents;
struct idents *idents_new(void);
void idents_free(struct idents *idents);
/* By which of its ids an entity is mentioned, where it has two. */
enum ident_form { FORM_ONLY, FORM_UUID, FORM_IDENTIFIER };
/* An entity's uuid or code; `name` is its neutral name, the same in every universe: "product 3". An id
 * shorter than 8 characters is not taken, nor one that was added before. */
void idents_add_entity(struct idents *idents, enum universe universe, const char *name, enum ident_form form,
                       const char *id);
/* An event's id: masked, never compared; marks a row as history when there is one for each event. */
void idents_add_event(struct idents *idents, enum universe universe, const char *id);
/* Moments from … to (Unix, µs) are "now" to the connector: its own timestamps, which are masked in any
 * usual spelling (ISO 8601, Unix seconds to nanoseconds, as mail and JavaScript have it). A time of day alone
 * is none. */
void idents_set_window(struct idents *idents, int64_t from_us, int64_t to_us);

/* From now on names are written with their form: "<product 3 by uuid>", "<product 3 by identifier>". */
void idents_tell_forms(struct idents *idents);

/* How many events there are for each entity, on average, rounded up. */
size_t idents_events_each(const struct idents *idents);

/* ---- finding and renaming ------------------------------------------------------------------- */

struct mention {
    size_t start, end;
    enum universe universe;
    const char *name; /* borrowed; NULL for an event */
    enum ident_form form;
    uint32_t ident; /* equal for mentions of the same id */
};

struct mentions {
    struct mention *items;
    size_t count, cap;
};

/* Appends every mention in text, in order, none overlapping another. The text may be raw JSON. */
void idents_find(const struct idents *idents, struct span text, struct mentions *mentions);
/* Appends text with entities as "<product 3>", events as "<event>", moments in the window as "<now>". */
void idents_rename(const struct idents *idents, struct span text, struct buf *out);
/* Appends a renamed text with "<>" for every name: what is the same for all entities. */
void idents_generalise(struct span renamed, struct buf *out);
/* Appends a renamed text without the forms of its names: "<product 3>". */
void idents_drop_forms(struct span renamed, struct buf *out);
/* Does a renamed text name an entity in this form, FORM_UUID or FORM_IDENTIFIER? */
bool idents_have_form(struct span renamed, enum ident_form form);

#endif
