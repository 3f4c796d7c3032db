/* httpd: HTTP servers of our own, on libmicrohttpd, inside the loop.
 *
 * Owns all use of microhttpd. A handler sees a complete request and answers at once or later. */
#ifndef PIMSIM_HTTPD_H
#define PIMSIM_HTTPD_H

#include "base.h"
#include "loop.h"

struct httpd;
struct httpd_request; /* lives until it is answered, or the server is closed */

typedef void httpd_handler_fn(void *arg, struct httpd_request *request);

struct httpd_options {
    const char *address;   /* "127.0.0.1" */
    uint16_t port;         /* 0: any free port */
    size_t body_bytes_max; /* a longer body is answered 413 */
    httpd_handler_fn *handler;
    void *arg;
};

bool httpd_open(struct httpd **httpd, struct loop *loop, const struct httpd_options *options,
                struct err *err) MUST_USE;
void httpd_close(struct httpd *httpd);
uint16_t httpd_port(const struct httpd *httpd);

const char *httpd_method(const struct httpd_request *request);
const char *httpd_path(const struct httpd_request *request);
/* The path and, when there is one, "?" and the query. Decoded. */
void httpd_put_target(const struct httpd_request *request, struct buf *out);
const char *httpd_header(const struct httpd_request *request, const char *name); /* NULL if absent */
struct span httpd_body(const struct httpd_request *request);
/* An argument of the query, decoded; NULL if absent. */
const char *httpd_query(const struct httpd_request *request, const char *name);
/* A field of the form that the body is, decoded, for the caller to free; NULL if absent. */
char *httpd_field(const struct httpd_request *request, const char *name);
bool httpd_abandoned(const struct httpd_request *request); /* the sender has hung up */

/* Answer. header lines are "Name: value", count of them; the body is copied. */
void httpd_answer(struct httpd_request *request, unsigned status, const char *const *headers, size_t count,
                  struct span body);
/* Answer after a delay; nothing else is held up. */
void httpd_answer_later(struct httpd_request *request, uint64_t delay_us, unsigned status, struct span body);

#endif
