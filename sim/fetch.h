/* fetch: requests whose answers are read whole, one at a time: to look at a state, to ask a PIM.
 *
 * Knows nothing of platforms and signatures. deliver.h is for what is measured and signed. */
#ifndef PIMSIM_FETCH_H
#define PIMSIM_FETCH_H

#include "base.h"
#include "loop.h"

struct fetch_options {
    const char *url; /* http or https, loopback unless allow_remote; a user and password in it are sent */
    uint64_t timeout_us;
    size_t body_bytes_max; /* of an answer */
    bool insecure, allow_remote;
    const char *cacert;
};

struct fetched {
    unsigned status;   /* 0: no answer that can be used, and why says so */
    struct span body;  /* borrowed, for the call */
    struct span links; /* the values of its Link headers, comma-separated; the same */
    const char *why;   /* in half a sentence: "it gave no answer within 10 s" */
};
typedef void fetch_done_fn(void *arg, const struct fetched *fetched);

struct fetch;
bool fetch_open(struct fetch **fetch, struct loop *loop, const struct fetch_options *options,
                struct err *err) MUST_USE;
void fetch_close(struct fetch *fetch); /* an open request is dropped, its caller not told */
/* Send; `reference` is relative to the URL (NULL: the URL itself) and must stay on its server. header lines
 * are "Name: value"; all texts are copied. `done` comes from the loop, never from here. */
bool fetch_send(struct fetch *fetch, const char *method, const char *reference, const char *const *headers,
                size_t header_count, struct span body, fetch_done_fn *done, void *arg,
                struct err *err) MUST_USE;

#endif
