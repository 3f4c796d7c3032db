/* Answers read whole, over real sockets: the server stands in the same loop, and does what a hostile one
 * does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base.h"
#include "clock.h"
#include "fetch.h"
#include "loop.h"

#define BODY_MAX   (2u << 20)
#define TIMEOUT_US 200000
#define PEERS_MAX  8
#define OK_HEAD    "HTTP/1.1 200 OK\r\n"

static struct err err;

/* ---- a server that says what it is told to --------------------------------------------------- */

struct stage;

struct peer {
    struct stage *stage;
    int fd;
};

struct stage {
    struct loop *loop;
    struct fetch *fetch;
    struct buf body;
    char url[64];
    int listener;
    struct span reply; /* nothing: it stays silent */
    bool hangs_up;     /* behind the reply */
    struct peer peers[PEERS_MAX];
    unsigned peer_count, answers;
    struct buf request; /* the last one, as it came */
    struct fetched fetched;
    char why[512], links[256];
};

static void hang_up(struct peer *peer)
{
    loop_watch(peer->stage->loop, peer->fd, 0, NULL, NULL);
    close(peer->fd);
    peer->fd = -1;
}

static bool is_whole(struct buf *request)
{
    const char *text = buf_text(request), *end = strstr(text, "\r\n\r\n");
    const char *length = strstr(text, "Content-Length: ");
    return end && request->len >= (size_t)(end + 4 - text) + (length ? strtoul(length + 16, NULL, 10) : 0);
}

static void on_readable(void *arg, int fd, unsigned events)
{
    (void)events;
    struct peer *peer = arg;
    struct stage *s = peer->stage;
    char chunk[1 << 16];
    ssize_t got = recv(fd, chunk, sizeof chunk, 0);
    if (got <= 0) {
        hang_up(peer);
        return;
    }
    buf_put(&s->request, chunk, (size_t)got);
    if (!is_whole(&s->request))
        return;
    for (size_t sent = 0; sent < s->reply.len;) {
        ssize_t n = send(fd, s->reply.data + sent, s->reply.len - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0) /* a long one: who reads it is in the same loop, and need not read all */
            break;
        sent += (size_t)n;
    }
    if (s->hangs_up)
        hang_up(peer);
}

static void on_connection(void *arg, int fd, unsigned events)
{
    (void)events;
    struct stage *s = arg;
    assert_in_range(s->peer_count, 0, PEERS_MAX - 1);
    struct peer *peer = &s->peers[s->peer_count++];
    *peer = (struct peer){s, accept(fd, NULL, NULL)};
    int room = 4 << 20;
    setsockopt(peer->fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room);
    loop_watch(s->loop, peer->fd, LOOP_READ, on_readable, peer);
}

static void begin(struct stage *s, const char *login)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof address;
    *s = (struct stage){.listener = socket(AF_INET, SOCK_STREAM, 0)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(s->listener, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(s->listener, PEERS_MAX), 0);
    assert_int_equal(getsockname(s->listener, (struct sockaddr *)&address, &len), 0);
    snprintf(s->url, sizeof s->url, "http://%s127.0.0.1:%u/api/list", login, ntohs(address.sin_port));
    buf_init(&s->body, BODY_MAX);
    buf_init(&s->request, 4 << 20);
    assert_true(loop_new(&s->loop, &err));
    loop_watch(s->loop, s->listener, LOOP_READ, on_connection, s);
    const struct fetch_options options = {.url = s->url, .timeout_us = TIMEOUT_US, .body = &s->body};
    assert_true(fetch_open(&s->fetch, s->loop, &options, &err));
}

static void finish(struct stage *s)
{
    fetch_close(s->fetch);
    for (unsigned i = 0; i < s->peer_count; i++)
        if (s->peers[i].fd >= 0)
            hang_up(&s->peers[i]);
    close(s->listener);
    loop_free(s->loop);
    buf_reset(&s->body);
    buf_reset(&s->request);
}

static void on_fetched(void *arg, const struct fetched *fetched)
{
    struct stage *s = arg;
    s->answers++;
    s->fetched = *fetched;
    snprintf(s->why, sizeof s->why, "%s", fetched->why);
    snprintf(s->links, sizeof s->links, "%s", fetched->links);
}

static void await(struct stage *s)
{
    uint64_t patience_us = clock_mono_us() + 10000000;
    for (unsigned before = s->answers; s->answers == before;) {
        assert_true(loop_turn(s->loop, 10000, &err));
        assert_true(clock_mono_us() < patience_us);
    }
}

static void get(struct stage *s, struct span reply)
{
    s->reply = reply;
    buf_clear(&s->body);
    buf_clear(&s->request);
    assert_true(fetch_send(s->fetch, NULL, 0, (struct span){0}, on_fetched, s, &err));
    await(s);
}

/* ---- what it says ---------------------------------------------------------------------------- */

static void test_fetch_reads_an_answer_whole(void **state)
{
    (void)state;
    struct stage s;
    begin(&s, "");
    get(&s, span_of(OK_HEAD "Link: </a>; rel=\"next\"\r\nLink: <b>\r\nContent-Length: 5\r\n\r\nwhole"));
    assert_int_equal(s.fetched.status, 200);
    assert_string_equal(s.why, "");
    assert_string_equal(s.links, "</a>; rel=\"next\", <b>");
    assert_string_equal(buf_text(&s.body), "whole");
    get(&s,
        span_of(
            "HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nin\r\n3\r\n it\r\n0\r\n\r\n"));
    assert_int_equal(s.fetched.status, 201);
    assert_string_equal(s.links, "");
    assert_string_equal(buf_text(&s.body), "in it");
    get(&s, span_of("HTTP/1.1 204 No Content\r\n\r\n"));
    assert_int_equal(s.fetched.status, 204);
    assert_int_equal(s.body.len, 0);
    finish(&s);
}

static void test_fetch_sends_headers_the_password_and_the_body(void **state)
{
    (void)state;
    struct stage s;
    char name[] = "X-Key: 7";
    const char *const headers[] = {"Content-Type: text/plain", name};
    begin(&s, "me:secret@");
    s.reply = span_of(OK_HEAD "Content-Length: 0\r\n\r\n");
    assert_true(fetch_send(s.fetch, headers, 2, span_of("hello"), on_fetched, &s, &err));
    name[0] = '!'; /* it was copied */
    await(&s);
    const char *request = buf_text(&s.request);
    assert_non_null(strstr(request, "POST /api/list HTTP/1.1\r\n"));
    assert_non_null(strstr(request, "\r\nContent-Type: text/plain\r\nX-Key: 7\r\n"));
    assert_non_null(strstr(request, "Authorization: Basic bWU6c2VjcmV0\r\n"));
    assert_non_null(strstr(request, "\r\n\r\nhello"));
    get(&s, s.reply);
    request = buf_text(&s.request);
    assert_non_null(strstr(request, "GET /api/list HTTP/1.1\r\n"));
    assert_null(strstr(request, "X-Key"));
    assert_null(strstr(request, "hello"));
    finish(&s);
}

static void send_next(void *arg, const struct fetched *fetched)
{
    struct stage *s = arg;
    on_fetched(arg, fetched);
    if (s->answers < 3)
        assert_true(fetch_send(s->fetch, NULL, 0, (struct span){0}, send_next, s, &err));
}

static void test_fetch_sends_the_next_request_from_the_answer_to_one(void **state)
{
    (void)state;
    struct stage s;
    begin(&s, "");
    s.reply = span_of(OK_HEAD "Content-Length: 1\r\n\r\nx");
    assert_true(fetch_send(s.fetch, NULL, 0, (struct span){0}, send_next, &s, &err));
    assert_int_equal(s.answers, 0); /* from the loop alone */
    for (unsigned i = 1; i <= 3; i++) {
        await(&s);
        buf_clear(&s.request);
    }
    assert_string_equal(buf_text(&s.body), "xxx"); /* appended, until the owner clears it */
    finish(&s);
}

/* ---- what goes wrong ------------------------------------------------------------------------- */

static void test_fetch_says_what_went_wrong(void **state)
{
    (void)state;
    static const struct {
        const char *reply;
        bool hangs_up;
        unsigned status;
        const char *why;
    } table[] = {
        {"", false, 0, "it did not answer within 0.2 s"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nsome", false, 0, "it did not answer within 0.2 s"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nsome", true, 0, "the connection was closed or reset"},
        {"", true, 0, "the connection was closed or reset before an answer came"},
        {"SSH-2.0-OpenSSH_9.2\r\n", true, 0, "what came back was not HTTP"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", true, 0,
         "the connection was closed or reset before an answer came: Illegal"},
        {"HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n", false, 302,
         "it answered 302 and points to http://127.0.0.1:"},
        {"HTTP/1.1 302 Found\r\nLocation: http://pim.example.com/\r\nContent-Length: 0\r\n\r\n", false, 302,
         "it answered 302 and points to http://pim.example.com/"},
        {"HTTP/1.1 401 Unauthorized\r\nContent-Length: 12\r\n\r\nno entry\nyet", false, 401,
         "it answered 401: no entry"},
        {"HTTP/1.1 500 Oops\r\nContent-Length: 6\r\n\r\n<html>", false, 500, "it answered 500"},
        {"HTTP/1.1 503 Later\r\nContent-Length: 0\r\n\r\n", false, 503, "it answered 503"},
    };
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        struct stage s;
        begin(&s, "");
        s.hangs_up = table[i].hangs_up;
        get(&s, span_of(table[i].reply));
        if (s.fetched.status != table[i].status || strncmp(s.why, table[i].why, strlen(table[i].why)) != 0)
            fail_msg("row %zu: %u, \"%s\" instead of %u, \"%s\"", i, s.fetched.status, s.why, table[i].status,
                     table[i].why);
        assert_int_equal(s.fetched.late, strstr(s.why, "within") != NULL);
        assert_int_equal(s.answers, 1); /* a redirect is not followed */
        finish(&s);
    }
}

/* An answer of so many bytes of head, and of body. */
static struct span large(struct buf *reply, size_t head, size_t body)
{
    buf_clear(reply);
    buf_printf(reply, OK_HEAD "Content-Length: %zu\r\n", body);
    for (size_t i = 0; i < head / 1000; i++)
        buf_printf(reply, "X-%06zu: %0990d\r\n", i, 0);
    buf_puts(reply, "\r\n");
    memset(buf_extend(reply, body), 'x', body);
    return buf_span(reply);
}

static void test_fetch_reads_no_more_than_its_owner_has_room_for(void **state)
{
    (void)state;
    struct stage s;
    struct buf reply;
    begin(&s, "");
    buf_init(&reply, 16 << 20);
    get(&s, large(&reply, 0, 1 << 20));
    assert_int_equal(s.fetched.status, 200);
    assert_int_equal(s.body.len, 1 << 20);
    get(&s, large(&reply, 0, BODY_MAX + 1));
    assert_int_equal(s.fetched.status, 0);
    assert_string_equal(s.why, "it shows more than 2 MiB");
    assert_false(s.fetched.late);
    get(&s, large(&reply, 2 << 20, 5));
    assert_int_equal(s.fetched.status, 0);
    assert_true(*s.why);
    get(&s, large(&reply, 0, 5)); /* and is as before */
    assert_int_equal(s.fetched.status, 200);
    buf_reset(&reply);
    finish(&s);
}

static void test_fetch_names_who_is_not_there(void **state)
{
    (void)state;
    struct stage s;
    begin(&s, "");
    loop_watch(s.loop, s.listener, 0, NULL, NULL);
    close(s.listener);
    get(&s, span_of(""));
    assert_int_equal(s.fetched.status, 0);
    assert_string_equal(s.why, "the connection was refused");
    s.listener = -1;
    finish(&s);
}

static void test_fetch_drops_an_open_request_when_it_is_closed(void **state)
{
    (void)state;
    struct stage s;
    begin(&s, "");
    assert_true(fetch_send(s.fetch, NULL, 0, (struct span){0}, on_fetched, &s, &err));
    while (s.request.len == 0)
        assert_true(loop_turn(s.loop, 10000, &err));
    fetch_close(s.fetch);
    s.fetch = NULL;
    for (int i = 0; i < 3; i++)
        assert_true(loop_turn(s.loop, 0, &err));
    assert_int_equal(s.answers, 0);
    finish(&s);
}

/* ---- where it goes --------------------------------------------------------------------------- */

static void test_fetch_turns_to_other_places_of_its_server_alone(void **state)
{
    (void)state;
    static const struct {
        const char *reference, *target; /* NULL: it refuses */
    } table[] = {
        {"?page=2", "GET /api/list?page=2 "},
        {"other", "GET /api/other "},
        {"/", "GET / "},
        {"/x#y", "GET /x "},
        {"http://example.com/", NULL},
        {"//example.com/", NULL},
        {"http://127.0.0.1:1/", NULL},
        {"https://127.0.0.1/", NULL},
        {"file:///etc/passwd", NULL},
        {"http://[", NULL},
    };
    struct stage s;
    struct buf url;
    begin(&s, "me:secret@");
    buf_init(&url, 4096);
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        buf_clear(&url);
        bool turned = fetch_turn_to(s.fetch, table[i].reference, &url, &err);
        assert_int_equal(turned, table[i].target != NULL);
        get(&s, span_of(OK_HEAD "Content-Length: 0\r\n\r\n"));
        assert_non_null(strstr(buf_text(&s.request), turned ? table[i].target : "GET /x "));
        assert_non_null(strstr(buf_text(&s.request), "Basic bWU6c2VjcmV0"));
        assert_int_equal(url.len > 0, turned);
    }
    buf_reset(&url);
    finish(&s);
}

static void test_fetch_open_finds_what_is_wrong_with_the_options(void **state)
{
    (void)state;
    static const struct {
        const char *url, *cacert, *why;
    } table[] = {
        {"ftp://127.0.0.1/", NULL, "neither http nor https"},
        {"http://example.com/", NULL, "example.com is not a loopback address"},
        {"http://", NULL, "not a URL"},
        {"https://127.0.0.1/", "/nowhere.pem", "--cacert: /nowhere.pem: No such file"},
    };
    struct loop *loop;
    struct buf body;
    assert_true(loop_new(&loop, &err));
    buf_init(&body, 10);
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        const struct fetch_options options = {
            .url = table[i].url, .cacert = table[i].cacert, .timeout_us = 1, .body = &body};
        struct fetch *fetch;
        assert_false(fetch_open(&fetch, loop, &options, &err));
        assert_null(fetch);
        assert_non_null(strstr(err.text, table[i].why));
        assert_int_equal(err.code, EXIT_USAGE);
    }
    loop_free(loop);
}

static void test_fetch_refuses_more_headers_than_it_has_room_for(void **state)
{
    (void)state;
    struct stage s;
    const char *headers[FETCH_HEADERS_MAX + 1];
    for (size_t i = 0; i < COUNT_OF(headers); i++)
        headers[i] = "A: b";
    begin(&s, "");
    assert_false(fetch_send(s.fetch, headers, FETCH_HEADERS_MAX + 1, span_of(""), on_fetched, &s, &err));
    assert_non_null(strstr(err.text, "more than 24 headers"));
    finish(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fetch_reads_an_answer_whole),
        cmocka_unit_test(test_fetch_sends_headers_the_password_and_the_body),
        cmocka_unit_test(test_fetch_sends_the_next_request_from_the_answer_to_one),
        cmocka_unit_test(test_fetch_says_what_went_wrong),
        cmocka_unit_test(test_fetch_reads_no_more_than_its_owner_has_room_for),
        cmocka_unit_test(test_fetch_names_who_is_not_there),
        cmocka_unit_test(test_fetch_drops_an_open_request_when_it_is_closed),
        cmocka_unit_test(test_fetch_turns_to_other_places_of_its_server_alone),
        cmocka_unit_test(test_fetch_open_finds_what_is_wrong_with_the_options),
        cmocka_unit_test(test_fetch_refuses_more_headers_than_it_has_room_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
