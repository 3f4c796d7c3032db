/* leaves: a record's text as pairs of path and value.
 *
 * Text is JSON, or a line of fields between separators; JSON kept as text inside either is read like any
 * other. A path reads "/variants/[]/price"; a field has a name ("/price" of "price=10") or a number. */
#ifndef PIMSIM_LEAVES_H
#define PIMSIM_LEAVES_H

#include "base.h"
#include "intern.h"
#include "json.h"

struct leaf {
    uint32_t path, value;
    uint32_t general; /* the path with "<>" for names: the same for all entities */
};

struct leaves {
    struct leaf *items;
    size_t count, cap;
};

/* Appends the leaves, in order. Paths and values become numbers of `words`; doc is memory to use. */
void leaves_read(struct interns *words, struct json_doc *doc, struct span text, struct leaves *leaves);
/* A text with "<>" for every name. */
uint32_t leaves_general(struct interns *words, struct span text);
/* Appends the text with "<volatile>" for every value whose path, generalised, with `prefix` before it, is
 * among `paths`. */
void leaves_mask(const struct interns *paths, const char *prefix, struct span text, struct buf *out);

#endif
