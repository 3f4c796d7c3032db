/* sink: a server that plays the shop the connector writes to. It takes every call, and says what the shop
 * holds after them.
 *
 * Nothing is known of the shop, but HTTP says enough: PUT and PATCH set what stands at a path, or the
 * elements of a list; DELETE removes; any other call that writes adds, unless we are told that it sets. So a
 * repeated call leaves a trace only where repeating it is not safe. */
#ifndef PIMSIM_SINK_H
#define PIMSIM_SINK_H

#include "idents.h"
#include "loop.h"

struct sink;

struct sink_options {
    uint16_t port; /* 0: any free one */
    const char *const
        *answers; /* "[METHOD ]PATH STATUS [BODY]"; the first that fits counts, else 200 and {} */
    size_t answer_count;
    const char *const *sets; /* "[METHOD ]PATH": calls that set as PUT does, though they are POSTs */
    size_t set_count;
};

/* Listens on 127.0.0.1. A PATH of the options may end with "*". A call that is not answered 2xx had no
 * effect. The options' texts must outlive it. */
bool sink_open(struct sink **sink, struct loop *loop, const struct sink_options *options,
               struct err *err) MUST_USE;
void sink_close(struct sink *sink);
uint16_t sink_port(const struct sink *sink);

uint64_t sink_calls(const struct sink *sink); /* so many writing ones came, ever */
bool sink_is_full(const struct sink *sink);   /* more came than is kept: what the shop holds is not known */
void sink_forget(struct sink *sink);          /* all calls so far */
/* Append what the shop holds of these entities, as JSON documents: one object by path of what was set there,
 * {"PUT /products/17": …}, and one for each list, {"POST /orders": […]}. document_ends is called after each.
 */
void sink_put_state(const struct sink *sink, const struct idents *idents, struct buf *out,
                    void (*document_ends)(void *arg), void *arg);

#endif
