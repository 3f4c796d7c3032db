/* capture: a captured HTTP/1.1 request, split into request line, headers and body.
 *
 * For people's own captures (netcat, a proxy's log, an editor), so it is lenient: CRLF or LF, names in any
 * case, the request line may be missing. It does what `pimsim verify` needs and no more: no folded header
 * lines, no content codings, one request, at most CAPTURE_HEADERS_MAX headers. What it had to decide about
 * the body's end stands in `note`. Spans borrow the text, which must outlive the capture. */
#ifndef PIMSIM_CAPTURE_H
#define PIMSIM_CAPTURE_H

#include "base.h"

#define CAPTURE_HEADERS_MAX 100

struct capture {
    struct span method, target; /* empty without a request line */
    struct {
        struct span name, value; /* the value without white space around it */
    } headers[CAPTURE_HEADERS_MAX];
    size_t header_count;
    struct span body;
    struct buf unchunked; /* the body's memory when it came in chunks */
    char note[160];       /* "" when there is nothing to say */
};

/* name is for messages: a file's name. body: what was captured apart from the headers, or NULL when it
 * follows them in the text. capture_reset is needed only after success. */
bool capture_parse(struct capture *capture, const char *name, struct span text, const struct span *body,
                   struct err *err) MUST_USE;
void capture_reset(struct capture *capture);
/* The first header of that name, in any case; NULL when there is none. */
const struct span *capture_header(const struct capture *capture, const char *name);

#endif
