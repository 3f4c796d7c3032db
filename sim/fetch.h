/* fetch: requests whose answers are read whole, one at a time: to look at a state, to ask a PIM.
 *
 * Knows nothing of platforms and signatures. deliver.h is for what is measured and signed. */
#ifndef PIMSIM_FETCH_H
#define PIMSIM_FETCH_H

#include "base.h"
#include "loop.h"

#define FETCH_HEADERS_MAX 24

struct fetch_options {
    const char *url;     /* http or https, loopback unless allow_remote; a user and password in it are sent */
    uint64_t timeout_us; /* for one answer */
    struct buf *body;    /* bodies of answers are appended here, whole or not; its maximum is theirs */
    bool insecure, allow_remote;
    const char *cacert;
};

struct fetched {
    unsigned status;   /* 0: no whole answer came */
    bool late;         /* because the time was over */
    const char *links; /* the values of its Link headers, comma-separated */
    const char *why;   /* what is wrong, in half a sentence: "it answered 404: Not Found"; "": a whole 2xx */
};
typedef void fetch_done_fn(void *arg, const struct fetched *fetched);

/* The texts of the options must outlive it. */
struct fetch;
bool fetch_open(struct fetch **fetch, struct loop *loop, const struct fetch_options *options,
                struct err *err) MUST_USE;
void fetch_close(struct fetch *fetch); /* an open request is dropped, its caller not told; NULL is fine */
/* Later requests go there: a URL, or a reference relative to the one before, on the same server (all names
 * of this machine are one). The URL that it means is appended to `url`. */
bool fetch_turn_to(struct fetch *fetch, const char *reference, struct buf *url, struct err *err) MUST_USE;
/* POST the body; GET, where its data is NULL. Header lines are "Name: value"; all is copied. One request at
 * a time; `done`, which may send the next one, comes from the loop, never from here. */
bool fetch_send(struct fetch *fetch, const char *const *headers, size_t header_count, struct span body,
                fetch_done_fn *done, void *arg, struct err *err) MUST_USE;

#endif
