/* fetch: see fetch.h. One message, sent by deliver without any fault, and what came of it in words. */
#include "fetch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "deliver.h"
#include "message.h"

_Static_assert(FETCH_HEADERS_MAX <= MESSAGE_HEADERS_MAX, "a message has room for them");

struct fetch {
    struct deliver *deliver;
    struct message message; /* what is sent */
    struct buf *body;
    uint64_t timeout_us;
    fetch_done_fn *done;
    void *arg;
    char why[512];
};

/* An error's body, its first line, when that is made for people. */
static void say_status(struct fetch *f, const struct answer *a)
{
    size_t len = strcspn(a->excerpt, "\r\n");
    bool readable = a->excerpt_bytes && *a->excerpt != '<' && len <= a->excerpt_bytes;
    if (*a->location)
        snprintf(f->why, sizeof f->why, "it answered %u and points to %s", a->status, a->location);
    else if (readable)
        snprintf(f->why, sizeof f->why, "it answered %u: %.*s", a->status, (int)(len < 100 ? len : 100),
                 a->excerpt);
    else
        snprintf(f->why, sizeof f->why, "it answered %u", a->status);
}

static void on_answer(void *arg, const struct answer *a)
{
    struct fetch *f = arg;
    bool answered = a->outcome == OUTCOME_ANSWERED, whole = answered && !*a->detail;
    f->why[0] = '\0';
    if (a->outcome == OUTCOME_TIMEOUT)
        snprintf(f->why, sizeof f->why, "it did not answer within %.1f s", (double)f->timeout_us / 1e6);
    else if (!answered)
        snprintf(f->why, sizeof f->why, "%s%s%s", outcome_sentence(a->outcome), *a->detail ? ": " : "",
                 a->detail);
    else if (!buf_ok(f->body))
        snprintf(f->why, sizeof f->why, "it shows more than %zu MiB", f->body->max >> 20);
    else if (!whole)
        snprintf(f->why, sizeof f->why, "its headers are too long");
    else if (a->status < 200 || a->status > 299)
        say_status(f, a);
    const struct fetched fetched = {.status = whole ? a->status : 0,
                                    .late = a->outcome == OUTCOME_TIMEOUT,
                                    .links = a->links.len ? a->links.data : "",
                                    .why = f->why};
    f->done(f->arg, &fetched);
}

bool fetch_turn_to(struct fetch *f, const char *reference, struct buf *url, struct err *err)
{
    return deliver_turn_to(f->deliver, reference, url, err);
}

bool fetch_send(struct fetch *f, const char *const *headers, size_t header_count, struct span body,
                fetch_done_fn *done, void *arg, struct err *err)
{
    struct message *m = &f->message;
    if (header_count > FETCH_HEADERS_MAX)
        return err_set(err, "more than %d headers", FETCH_HEADERS_MAX);
    m->method = body.data ? "POST" : "GET";
    buf_clear(&m->body);
    buf_put_span(&m->body, body);
    buf_clear(&m->lines);
    for (size_t i = 0; i < header_count; i++)
        buf_put(&m->lines, headers[i], strlen(headers[i]) + 1);
    m->header_count = header_count;
    f->done = done;
    f->arg = arg;
    return deliver_send(f->deliver, m, &(struct wire){0}, on_answer, f, err);
}

bool fetch_open(struct fetch **fetch, struct loop *loop, const struct fetch_options *options, struct err *err)
{
    const struct deliver_options deliver = {
        .url = options->url,
        .deadline_us = options->timeout_us,
        .insecure = options->insecure,
        .cacert = options->cacert,
        .allow_remote = options->allow_remote,
        .body = options->body,
    };
    struct fetch *f = mem_alloc(sizeof *f);
    *f = (struct fetch){.body = options->body, .timeout_us = options->timeout_us};
    message_init(&f->message);
    *fetch = f;
    if (deliver_check(&deliver, err) && deliver_new(&f->deliver, loop, &deliver, err))
        return true;
    fetch_close(f);
    *fetch = NULL;
    return false;
}

void fetch_close(struct fetch *f)
{
    if (!f)
        return;
    deliver_free(f->deliver);
    message_reset(&f->message);
    free(f);
}
