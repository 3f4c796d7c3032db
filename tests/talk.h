/* talk: a small HTTP client for tests: it shares the thread with the server, whose loop it turns. */
#ifndef PIMSIM_TESTS_TALK_H
#define PIMSIM_TESTS_TALK_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base.h"
#include "clock.h"
#include "loop.h"

#define TALK_PATIENCE_US 10000000 /* a test that waits longer has failed */

struct talk {
    struct loop *loop;
    int fd;
    struct buf answer; /* the last one: head and body as they came */
    unsigned status;   /* 0: the server closed without an answer */
    const char *body;
    size_t body_bytes;
};

static inline void talk_open(struct talk *talk, struct loop *loop, uint16_t port)
{
    *talk = (struct talk){.loop = loop, .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(talk->fd, (struct sockaddr *)&address, sizeof address), 0);
    buf_init(&talk->answer, 64 << 20);
}

static inline void talk_close(struct talk *talk)
{
    close(talk->fd);
    buf_reset(&talk->answer);
}

/* Send as much as the socket takes; what is left. */
static inline struct span talk_push(struct talk *talk, struct span bytes)
{
    ssize_t sent = bytes.len ? send(talk->fd, bytes.data, bytes.len, MSG_DONTWAIT | MSG_NOSIGNAL) : 0;
    size_t done = sent > 0 ? (size_t)sent : 0;
    return (struct span){bytes.data + done, bytes.len - done};
}

static inline bool talk_answered(struct talk *talk, bool head_only)
{
    const char *text = buf_text(&talk->answer), *end = strstr(text, "\r\n\r\n");
    if (!end)
        return false;
    const char *length = strcasestr(text, "\r\nContent-Length:");
    talk->body = end + 4;
    talk->body_bytes = length && !head_only ? strtoul(length + 17, NULL, 10) : 0;
    talk->status = (unsigned)strtoul(text + 9, NULL, 10);
    return talk->answer.len >= (size_t)(talk->body - text) + talk->body_bytes;
}

/* Send bytes, turning the loop, until an answer is complete or the server closes. */
static inline void talk_send(struct talk *talk, struct span bytes)
{
    uint64_t patience_us = clock_mono_us() + TALK_PATIENCE_US;
    bool head_only = bytes.len > 4 && memcmp(bytes.data, "HEAD", 4) == 0;
    struct err err;
    buf_clear(&talk->answer);
    talk->status = 0;
    do {
        bytes = talk_push(talk, bytes);
        assert_true(loop_turn(talk->loop, 500, &err));
        char piece[4096];
        ssize_t got;
        while ((got = recv(talk->fd, piece, sizeof piece, MSG_DONTWAIT)) > 0)
            buf_put(&talk->answer, piece, (size_t)got);
        if (got == 0 || (errno != EAGAIN && errno != EWOULDBLOCK)) {
            talk_answered(talk, head_only);
            return;
        }
        assert_true(clock_mono_us() < patience_us);
    } while (!talk_answered(talk, head_only));
}

/* One request: `headers` are whole lines with their CR LF, or "". */
static inline unsigned talk_request(struct talk *talk, const char *method, const char *path,
                                    const char *headers, struct span body)
{
    struct buf bytes;
    buf_init(&bytes, 64 << 20);
    buf_printf(&bytes, "%s %s HTTP/1.1\r\nHost: localhost\r\n%s", method, path, headers);
    if (body.len || strcmp(method, "POST") == 0)
        buf_printf(&bytes, "Content-Length: %zu\r\n", body.len);
    buf_puts(&bytes, "\r\n");
    buf_put_span(&bytes, body);
    talk_send(talk, buf_span(&bytes));
    buf_reset(&bytes);
    return talk->status;
}

#endif
