/* source: one place to look at the connector's state: a URL with its pages, a command, or the sink.
 *
 * A look turns the loop until it is over, and keeps the bytes as they came: nothing here reads them, but for
 * the link to a next page. */
#ifndef PIMSIM_SOURCE_H
#define PIMSIM_SOURCE_H

#include "idents.h"
#include "loop.h"
#include "observe.h"

enum source_kind { SOURCE_URL, SOURCE_COMMAND, SOURCE_SINK, SOURCE_KIND_COUNT };

#define LOOK_FAILURES_MAX 4 /* in a row, and we stop trying; some count for several */

struct look {
    struct buf bytes;  /* all pages, one after another */
    size_t *page_ends; /* where each ends */
    size_t page_count, page_cap;
    char failure[400]; /* why nothing can be said, in half a sentence: "it answered 500"; "": all was seen */
    unsigned failures; /* how much it counts */
    bool unchanged;    /* nothing happened since the last look, which is left as it was */
};

struct source;

/* What can be wrong with the options is found here; their texts must outlive the source. The index counts
 * from 0. */
bool source_open(struct source **source, struct loop *loop, const struct observe_options *options,
                 enum source_kind kind, size_t index, struct err *err) MUST_USE;
void source_close(struct source *source);
const char *source_name(const struct source *source); /* "state-url 1" */
uint16_t source_port(const struct source *source);    /* of the sink; 0: another kind */

/* Look. What is seen belongs to the source, until it looks again. An interruption is a failure to see.
 * Returns false only when the loop failed. */
bool source_look(struct source *source, const struct idents *idents, struct look **look,
                 struct err *err) MUST_USE;
/* Frees what was seen; with forget, also what the sink has received. */
void source_rest(struct source *source, bool forget);

#endif
