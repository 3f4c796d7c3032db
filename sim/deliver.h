/* deliver: signed bytes on the wire, with libcurl's multi interface; the only network output.
 *
 * Applies wire faults, enforces the deadline as the platform does (the connection is closed), measures. */
#ifndef PIMSIM_DELIVER_H
#define PIMSIM_DELIVER_H

#include "base.h"
#include "fault.h"
#include "journal.h"
#include "loop.h"
#include "message.h"

struct answer {
    enum outcome outcome;
    unsigned status;             /* 0: none came */
    uint64_t started_us;         /* clock_mono_us when the request was handed to curl */
    uint64_t connect_us, tls_us; /* how long each took; 0 on a reused connection */
    uint64_t ack_us;             /* from the request sent to the answer's first byte */
    uint64_t first_byte_us;      /* from started_us to the answer's first byte */
    uint64_t total_us;
    uint64_t late_us;      /* the longest that our own loop was late meanwhile */
    char detail[256];      /* curl's words, when there was no answer */
    char location[256];    /* of a redirect */
    char excerpt[512 + 1]; /* the answer's first bytes */
    size_t excerpt_bytes;
    struct span head;  /* its header lines, where they are kept: "Name: value" and a NUL each; borrowed */
    struct span links; /* the values of its Link headers, comma-separated, where bodies are kept; borrowed */
};

struct deliver_options {
    const char *url;
    uint64_t deadline_us;
    bool insecure; /* -k */
    const char *cacert;
    bool allow_remote;
    /* Bodies of answers are appended here, whole; one request at a time. A body that does not fit is an
     * answer with a detail. NULL: only excerpts are kept. */
    struct buf *body;
    bool head; /* keep the answers' headers */
};

struct wire {
    enum fault_variant variant; /* VARIANT_NONE, or one of a STAGE_WIRE fault */
    uint64_t close_after_us;    /* disconnect */
    uint64_t over_us;           /* slow-body */
};

typedef void deliver_done_fn(void *arg, const struct answer *answer);

/* The URL is http or https, and loopback unless allow_remote; the CA file can be read. */
bool deliver_check(const struct deliver_options *options, struct err *err) MUST_USE;

struct deliver;
bool deliver_new(struct deliver **deliver, struct loop *loop, const struct deliver_options *options,
                 struct err *err) MUST_USE;
void deliver_free(struct deliver *deliver); /* open requests are dropped, their callers not told */
/* Later requests go there: a URL, or a reference relative to the one before. It must have the same origin
 * (all names of this machine are one), and no request be open. The URL that it means is appended to `url`. */
bool deliver_turn_to(struct deliver *deliver, const char *reference, struct buf *url,
                     struct err *err) MUST_USE;
/* Send; the message must live until done is called, always from the loop and never from here. */
bool deliver_send(struct deliver *deliver, const struct message *message, const struct wire *wire,
                  deliver_done_fn *done, void *arg, struct err *err) MUST_USE;

#endif
