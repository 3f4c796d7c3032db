/* effects: what a stream did to a connector's state, without knowing its schema.
 *
 * A stream is played in three universes, each with ids of its own: A and A' undisturbed, B with the
 * scenario's faults. A snapshot of the state, any JSON or text, is cut into records that belong to one
 * universe; ids are renamed to neutral ones; what differs between A and A' is the connector's own noise;
 * what A and A' agree on, and B does not, is the effect of the fault. docs/effects.md has the algorithm
 * and what it cannot see. Pure: no clock, no I/O. */
#ifndef PIMSIM_EFFECTS_H
#define PIMSIM_EFFECTS_H

#include "idents.h"

/* ---- cutting -------------------------------------------------------------------------------- */

/* Stands in a record's text for a list inside it that has an entry for each event. */
#define EFFECT_HISTORY "<history>"

/* One maximal part of the state that speaks of one universe. Renamed, keys sorted, one line. */
struct effect_record {
    enum universe universe;
    char *place;  /* where it stood: "state-url 1: /products/[]", array indices as [], ids renamed */
    char *about;  /* neutral names of the entities it mentions, sorted: "product 3" */
    char *text;   /* its value: JSON, or a line of text */
    bool history; /* stands where there is one for each event: kept on purpose, and not compared */
};

struct effect_records {
    struct effect_record *items;
    size_t count, cap;
};

/* Cut a snapshot: a JSON document, or else lines, each JSON or text; never fails. source is a name for
 * `place`. Appends. */
void effects_cut(const struct idents *idents, const char *source, struct span snapshot,
                 struct effect_records *records);
/* The same for a snapshot that comes in pages, each a document like that: their records have the same places.
 */
void effects_cut_pages(const struct idents *idents, const char *source, const struct span *pages,
                       size_t count, struct effect_records *records);
void effect_records_add(struct effect_records *records, enum universe universe, struct span place,
                        struct span about, struct span text, bool history); /* copies: from a journal */
void effect_records_reset(struct effect_records *records);

/* ---- comparing ------------------------------------------------------------------------------ */

#define EFFECT_ALSO_MAX 5
#define EFFECT_KEY      "the key" /* a path: of the map that the record stands in */

struct effect {
    char *about;                 /* "product 3" */
    char *place;                 /* "state-url 1: /products/[]" */
    char *path;                  /* within the record, "/price"; "" when records are missing or too many */
    char *expected;              /* in A and A': a value, or "1 record" */
    char *found;                 /* in B */
    char *record_a, *record_b;   /* whole records for the report, cut at 2000 bytes; "" where there is none */
    char *also[EFFECT_ALSO_MAX]; /* other paths at which these records differ, the plainest … */
    size_t also_count, also_more; /* … and how many more there are */
    bool nameless;                /* under terms: what A names by identifier there, B does not */
};

struct effects {
    struct effect *items; /* at most one for each entity and place, or one nameless and one that is not */
    size_t count, cap;
    size_t compared; /* records of A that had a counterpart in A': 0 means nothing could be seen */
    size_t noisy;    /* records that could not be compared, because A and A' disagree about them */
    char **noise;    /* paths that are the connector's own noise, "/products/[] : /updated_at" */
    size_t noise_count, noise_cap;
};

/* B is another program than A and A', or other code: what it has where they have nothing (null, "", [], {},
 * no such path, no such place) is no effect, nor is the order of a list. By what id an entity is known
 * counts, also where it is the key of a map. */
struct effect_terms {
    /* Appends a text with one spelling for what the two call by different names. */
    void (*respell)(struct span text, struct buf *out);
    /* May both be right, as when each counts its own events of the entity? */
    bool (*may_count)(const void *arg, const char *about, uint64_t expected, uint64_t found);
    const void *arg;
};

/* terms: NULL for what is the same program. */
void effects_compare(const struct effect_records *records, const struct effect_terms *terms,
                     struct effects *effects);
void effects_reset(struct effects *effects);

/* ---- two looks ------------------------------------------------------------------------------ */

/* Told of each path, generalised, at which an entity of some universe is another than it was, at a place;
 * NULL: it has more or fewer records there. entities: how many there are at such places, of all universes. */
typedef void effect_change_fn(void *arg, const char *place, const char *path, size_t entities);
void effects_changes(const struct effect_records *before, const struct effect_records *after,
                     effect_change_fn *tell, void *arg);

#endif
