/* capture: see capture.h. A reader over one span; the only memory is that of an un-chunked body. */
#include "capture.h"

#include "limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* The next line without its end; false at the end of the text. */
static bool take_line(struct span *text, struct span *line)
{
    if (text->len == 0)
        return false;
    const char *end = memchr(text->data, '\n', text->len);
    size_t len = end ? (size_t)(end - text->data) : text->len, used = end ? len + 1 : len;
    *line = (struct span){text->data, len && text->data[len - 1] == '\r' ? len - 1 : len};
    *text = (struct span){text->data + used, text->len - used};
    return true;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct span trim(struct span s)
{
    while (s.len && is_blank(s.data[s.len - 1]))
        s.len--;
    while (s.len && is_blank(s.data[0]))
        s = (struct span){s.data + 1, s.len - 1};
    return s;
}

static bool same_name(struct span a, const char *b)
{
    return a.len == strlen(b) && strncasecmp(a.data, b, a.len) == 0;
}

/* "POST /hook HTTP/1.1": three words, the last of which names the protocol. */
static bool is_request_line(struct span line, struct capture *capture)
{
    const char *end = line.data + line.len;
    const char *first = memchr(line.data, ' ', line.len), *last = memrchr(line.data, ' ', line.len);
    if (first == last || end - last < 6 || memcmp(last + 1, "HTTP/", 5) != 0)
        return false;
    capture->method = (struct span){line.data, (size_t)(first - line.data)};
    capture->target = (struct span){first + 1, (size_t)(last - first - 1)};
    return true;
}

/* A token of RFC 9110. */
static bool is_name(struct span s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.data[i] <= ' ' || s.data[i] > '~' || strchr("\"(),/:;<=>?@[\\]{}", s.data[i]))
            return false;
    return s.len > 0;
}

static bool parse_headers(struct capture *capture, const char *name, struct span *text, struct err *err)
{
    struct span line;
    for (size_t number = 1; take_line(text, &line) && line.len; number++) {
        if (number == 1 && is_request_line(line, capture))
            continue;
        const char *colon = memchr(line.data, ':', line.len);
        struct span key = {line.data, colon ? (size_t)(colon - line.data) : 0};
        if (!is_name(key))
            return err_set(err, "%s: line %zu is no header (\"Name: value\"): %.*s", name, number,
                           (int)(line.len < 60 ? line.len : 60), line.data);
        if (capture->header_count == CAPTURE_HEADERS_MAX)
            return err_set(err, "%s: more than %d headers", name, CAPTURE_HEADERS_MAX);
        size_t i = capture->header_count++;
        capture->headers[i].name = key;
        capture->headers[i].value = trim((struct span){colon + 1, line.len - key.len - 1});
    }
    return true;
}

/* False when these are no chunks. */
static bool unchunk(struct span text, struct buf *out)
{
    struct span line;
    while (take_line(&text, &line)) {
        char digits[9] = "", *end;
        memcpy(digits, line.data, line.len < 8 ? line.len : 8);
        size_t len = strtoul(digits, &end, 16);
        if (end == digits || (*end && !strchr("; \t", *end)))
            return false;
        if (len == 0)
            return true;
        if (len > text.len)
            return false;
        buf_put(out, text.data, len);
        text = (struct span){text.data + len, text.len - len};
        if (!take_line(&text, &line) || line.len)
            return false;
    }
    return false;
}

/* Where the body ends: as the headers say, where the capture can have it so. */
static void bound_body(struct capture *capture, struct span rest)
{
    const struct span *coding = capture_header(capture, "Transfer-Encoding");
    const struct span *length = capture_header(capture, "Content-Length");
    capture->body = rest;
    if (coding && same_name(*coding, "chunked")) {
        bool chunks = unchunk(rest, &capture->unchunked);
        if (chunks)
            capture->body = buf_span(&capture->unchunked);
        snprintf(capture->note, sizeof capture->note,
                 chunks ? "the body came in chunks; they were joined"
                        : "Transfer-Encoding is chunked, but the body is no chunks: taken as joined already");
        return;
    }
    if (!length)
        return;
    char digits[20] = "", *end;
    memcpy(digits, length->data, length->len < 19 ? length->len : 19);
    size_t len = strtoul(digits, &end, 10);
    if (end == digits || *end) {
        snprintf(capture->note, sizeof capture->note, "Content-Length is no number: ignored");
        return;
    }
    if (len <= rest.len)
        capture->body.len = len;
    /* A line end more is the editor's, and no news. */
    if (trim((struct span){rest.data + capture->body.len, rest.len - capture->body.len}).len ||
        len > rest.len)
        snprintf(capture->note, sizeof capture->note,
                 "Content-Length says %zu bytes, the capture holds %zu%s", len, rest.len,
                 len < rest.len ? ": the rest was left out" : ": it is cut, or was changed");
}

bool capture_parse(struct capture *capture, const char *name, struct span text, const struct span *body,
                   struct err *err)
{
    *capture = (struct capture){0};
    buf_init(&capture->unchunked, FILE_BYTES_MAX);
    if (text.len > 5 && memcmp(text.data, "HTTP/", 5) == 0)
        return err_set(err, "%s: this is an answer, not a request", name);
    if (!parse_headers(capture, name, &text, err))
        return false;
    bound_body(capture, body ? *body : text);
    return true;
}

void capture_reset(struct capture *capture)
{
    buf_reset(&capture->unchunked);
}

const struct span *capture_header(const struct capture *capture, const char *name)
{
    for (size_t i = 0; i < capture->header_count; i++)
        if (same_name(capture->headers[i].name, name))
            return &capture->headers[i].value;
    return NULL;
}
