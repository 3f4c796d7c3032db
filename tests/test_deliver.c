/* Deliveries over real sockets: the server stands in the same loop, and says what the test tells it to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base.h"
#include "clock.h"
#include "deliver.h"
#include "loop.h"

#define PATIENCE_US 10000000
#define OK_ANSWER   "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
#define PEERS_MAX   16

static struct err err;

/* ---- a server ------------------------------------------------------------------------------ */

enum habit { KEEP, CLOSE_AFTER, RESET_AFTER, RESET_SECOND, MUTE };

struct peer {
    struct stage *stage;
    int fd;
    unsigned requests;
    struct buf got;
};

struct stage {
    struct loop *loop;
    struct deliver *deliver;
    struct message message;
    char url[64];
    int listener;
    const char *reply;
    enum habit habit;
    struct peer peers[PEERS_MAX];
    unsigned peer_count, reads;
    struct buf last; /* the last whole request */
    unsigned requests;
    struct answer answer;
    unsigned answers;
};

static void hang_up(struct peer *peer, bool reset)
{
    struct linger linger = {.l_onoff = reset};
    loop_watch(peer->stage->loop, peer->fd, 0, NULL, NULL);
    setsockopt(peer->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    close(peer->fd);
    peer->fd = -1;
}

static bool is_whole(struct buf *got)
{
    const char *text = buf_text(got), *end = strstr(text, "\r\n\r\n");
    const char *length = strstr(text, "\r\nContent-Length: ");
    return end && got->len >= (size_t)(end + 4 - text) + (length ? strtoul(length + 18, NULL, 10) : 0);
}

static void on_readable(void *arg, int fd, unsigned events)
{
    (void)events;
    struct peer *peer = arg;
    struct stage *s = peer->stage;
    char chunk[1 << 16];
    ssize_t got = recv(fd, chunk, sizeof chunk, 0);
    if (got <= 0) {
        hang_up(peer, false);
        return;
    }
    s->reads++;
    if (s->habit == RESET_SECOND && peer->requests == 1) {
        hang_up(peer, true);
        return;
    }
    buf_put(&peer->got, chunk, (size_t)got);
    if (!is_whole(&peer->got))
        return;
    s->requests++;
    peer->requests++;
    buf_clear(&s->last);
    buf_put_span(&s->last, buf_span(&peer->got));
    buf_clear(&peer->got);
    if (s->habit == MUTE)
        return;
    assert_int_equal(send(fd, s->reply, strlen(s->reply), MSG_NOSIGNAL), (ssize_t)strlen(s->reply));
    if (s->habit == CLOSE_AFTER || s->habit == RESET_AFTER)
        hang_up(peer, s->habit == RESET_AFTER);
}

static void on_connection(void *arg, int fd, unsigned events)
{
    (void)events;
    struct stage *s = arg;
    assert_in_range(s->peer_count, 0, PEERS_MAX - 1);
    struct peer *peer = &s->peers[s->peer_count++];
    *peer = (struct peer){.stage = s, .fd = accept(fd, NULL, NULL)};
    buf_init(&peer->got, 4 << 20);
    loop_watch(s->loop, peer->fd, LOOP_READ, on_readable, peer);
}

static void listen_on(struct stage *s)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    s->listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(s->listener, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(s->listener, 100), 0);
    assert_int_equal(getsockname(s->listener, (struct sockaddr *)&address, &len), 0);
    snprintf(s->url, sizeof s->url, "http://127.0.0.1:%d/hook", ntohs(address.sin_port));
    loop_watch(s->loop, s->listener, LOOP_READ, on_connection, s);
}

/* ---- a delivery ---------------------------------------------------------------------------- */

static void put_header(struct message *m, const char *line)
{
    buf_puts(&m->lines, line);
    buf_putc(&m->lines, '\0');
    m->header_count++;
}

static void begin(struct stage *s, uint64_t deadline_us)
{
    memset(s, 0, sizeof *s);
    s->reply = OK_ANSWER;
    buf_init(&s->last, 4 << 20);
    assert_true(loop_new(&s->loop, &err));
    listen_on(s);
    struct deliver_options options = {.url = s->url, .deadline_us = deadline_us};
    assert_true(deliver_new(&s->deliver, s->loop, &options, &err));
    message_init(&s->message);
    put_header(&s->message, "Content-Type: application/json");
    put_header(&s->message, "X-Mine: 7");
    buf_puts(&s->message.body, "{\"events\":[]}");
}

static void finish(struct stage *s)
{
    deliver_free(s->deliver);
    for (unsigned i = 0; i < s->peer_count; i++) {
        if (s->peers[i].fd >= 0)
            hang_up(&s->peers[i], false);
        buf_reset(&s->peers[i].got);
    }
    loop_watch(s->loop, s->listener, 0, NULL, NULL);
    close(s->listener);
    loop_free(s->loop);
    message_reset(&s->message);
    buf_reset(&s->last);
}

static void on_done(void *arg, const struct answer *answer)
{
    struct stage *s = arg;
    s->answer = *answer;
    s->answers++;
}

static void send_as(struct stage *s, struct wire wire)
{
    unsigned before = s->answers;
    uint64_t until_us = clock_mono_us() + PATIENCE_US;
    assert_true(deliver_send(s->deliver, &s->message, &wire, on_done, s, &err));
    assert_int_equal(s->answers, before); /* never from within */
    while (s->answers == before) {
        assert_true(clock_mono_us() < until_us);
        assert_true(loop_turn(s->loop, PATIENCE_US, &err));
    }
}

static void send_one(struct stage *s)
{
    send_as(s, (struct wire){0});
}

static void assert_outcome(const struct stage *s, enum outcome outcome, unsigned status)
{
    if (s->answer.outcome != outcome || s->answer.status != status)
        fail_msg("%s %u (%s) instead of %s %u", outcome_name(s->answer.outcome), s->answer.status,
                 s->answer.detail, outcome_name(outcome), status);
}

/* ---- tests --------------------------------------------------------------------------------- */

static void test_deliver_sends_the_message_and_nothing_of_its_own(void **state)
{
    (void)state;
    struct stage s;
    char wanted[512];
    begin(&s, PATIENCE_US);
    send_one(&s);
    assert_outcome(&s, OUTCOME_ANSWERED, 200);
    snprintf(wanted, sizeof wanted,
             "POST /hook HTTP/1.1\r\nHost: %.*s\r\nContent-Type: application/json\r\nX-Mine: 7\r\n"
             "Content-Length: 13\r\n\r\n{\"events\":[]}",
             (int)strcspn(s.url + 7, "/"), s.url + 7);
    assert_string_equal(buf_text(&s.last), wanted);
    finish(&s);
}

static void test_deliver_uses_a_connection_again(void **state)
{
    (void)state;
    struct stage s;
    begin(&s, PATIENCE_US);
    send_one(&s);
    assert_true(s.answer.connect_us > 0);
    send_one(&s);
    assert_int_equal(s.answer.connect_us, 0);
    assert_int_equal(s.peer_count, 1);
    finish(&s);
}

static void test_deliver_head_and_post_take_turns_on_a_handle(void **state)
{
    (void)state;
    struct stage s;
    begin(&s, PATIENCE_US);
    for (int i = 0; i < 4; i++) {
        s.message.method = i % 2 ? "POST" : "HEAD";
        send_one(&s);
        assert_outcome(&s, OUTCOME_ANSWERED, 200);
        assert_memory_equal(buf_text(&s.last), s.message.method, 4);
        assert_int_equal(strstr(buf_text(&s.last), "{\"events\":[]}") != NULL, i % 2);
    }
    buf_clear(&s.message.body); /* the Test button's empty POST */
    send_one(&s);
    assert_non_null(strstr(buf_text(&s.last), "\r\nContent-Length: 0\r\n\r\n"));
    finish(&s);
}

static void test_deliver_sends_headers_without_values(void **state)
{
    (void)state;
    struct stage s;
    char name[200], line[256];
    begin(&s, PATIENCE_US);
    memset(name, 'N', sizeof name);
    name[sizeof name - 1] = '\0';
    snprintf(line, sizeof line, "%s:", name);
    put_header(&s.message, "X-Primary: ");
    put_header(&s.message, "X-Secondary:   ");
    put_header(&s.message, line);
    put_header(&s.message, "X-Last: 1");
    send_one(&s);
    assert_non_null(strstr(buf_text(&s.last), "\r\nX-Primary:\r\nX-Secondary:\r\nNNNN"));
    assert_non_null(strstr(buf_text(&s.last), "NNNN:\r\nX-Last: 1\r\n"));
    finish(&s);
}

static void test_deliver_keeps_the_start_of_an_answer(void **state)
{
    (void)state;
    struct stage s;
    begin(&s, PATIENCE_US);
    s.reply = "HTTP/1.1 401 No\r\nContent-Length: 9\r\n\r\nbad token";
    send_one(&s);
    assert_outcome(&s, OUTCOME_ANSWERED, 401);
    assert_int_equal(s.answer.excerpt_bytes, 9);
    assert_memory_equal(s.answer.excerpt, "bad token", 9);
    s.reply = OK_ANSWER;
    send_one(&s); /* nothing is left of the first */
    assert_outcome(&s, OUTCOME_ANSWERED, 200);
    assert_int_equal(s.answer.excerpt_bytes, 0);
    finish(&s);
}

static void test_deliver_tells_where_a_redirect_leads(void **state)
{
    (void)state;
    struct stage s;
    begin(&s, PATIENCE_US);
    s.reply = "HTTP/1.1 301 Moved\r\nLocation: /hook/\r\nContent-Length: 0\r\n\r\n";
    send_one(&s);
    assert_outcome(&s, OUTCOME_ANSWERED, 301);
    assert_non_null(strstr(s.answer.location, "/hook/"));
    assert_int_equal(s.requests, 1);
    s.reply = OK_ANSWER;
    send_one(&s);
    assert_string_equal(s.answer.location, "");
    finish(&s);
}

static void test_deliver_outcomes(void **state)
{
    (void)state;
    static const struct {
        const char *reply;
        enum habit habit;
        enum outcome outcome;
        unsigned status;
        const char *detail;
    } table[] = {
        {OK_ANSWER, CLOSE_AFTER, OUTCOME_ANSWERED, 200, ""},
        {"HTTP/1.1 100 Continue\r\n\r\n" OK_ANSWER, KEEP, OUTCOME_ANSWERED, 200, ""},
        {"", CLOSE_AFTER, OUTCOME_RESET, 0, "Empty reply"},
        {"", RESET_AFTER, OUTCOME_RESET, 0, "reset by peer"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhal", CLOSE_AFTER, OUTCOME_RESET, 200, "remaining"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhal", KEEP, OUTCOME_TIMEOUT, 200, "200 came"},
        {"HTTP/1.1 20", KEEP, OUTCOME_TIMEOUT, 0, ""},
        {"SSH-2.0-OpenSSH_9.2\r\n", KEEP, OUTCOME_GARBAGE, 0, "HTTP/0.9"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", KEEP, OUTCOME_RESET, 200, "chunk"},
        {"", MUTE, OUTCOME_TIMEOUT, 0, ""},
    };
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        struct stage s;
        begin(&s, table[i].outcome == OUTCOME_TIMEOUT ? 50000 : PATIENCE_US);
        s.reply = table[i].reply;
        s.habit = table[i].habit;
        send_one(&s);
        assert_outcome(&s, table[i].outcome, table[i].status);
        if (!strstr(s.answer.detail, table[i].detail))
            fail_msg("%s", s.answer.detail);
        finish(&s);
    }
}

static void test_deliver_to_nobody_is_refused(void **state)
{
    (void)state;
    struct stage s;
    begin(&s, PATIENCE_US);
    loop_watch(s.loop, s.listener, 0, NULL, NULL);
    close(s.listener);
    s.listener = dup(STDIN_FILENO); /* for finish */
    send_one(&s);
    assert_outcome(&s, OUTCOME_REFUSED, 0);
    assert_string_equal(s.answer.detail, "");
    finish(&s);
}

static void test_deliver_closes_at_the_deadline_and_not_before(void **state)
{
    (void)state;
    struct stage s;
    begin(&s, 100000);
    s.habit = MUTE;
    send_one(&s);
    assert_outcome(&s, OUTCOME_TIMEOUT, 0);
    assert_true(s.answer.total_us >= 100000);
    uint64_t until_us = clock_mono_us() + PATIENCE_US;
    while (s.peers[0].fd >= 0) { /* the server sees it */
        assert_true(clock_mono_us() < until_us);
        assert_true(loop_turn(s.loop, PATIENCE_US, &err));
    }
    s.habit = KEEP; /* the next one is served as if nothing had been */
    send_one(&s);
    assert_outcome(&s, OUTCOME_ANSWERED, 200);
    finish(&s);
}

static void test_deliver_gives_an_answer_the_time_that_we_lost(void **state)
{
    (void)state;
    struct stage s;
    begin(&s, 50000);
    s.habit = MUTE;
    assert_true(deliver_send(s.deliver, &s.message, &(struct wire){0}, on_done, &s, &err));
    while (!s.requests)
        assert_true(loop_turn(s.loop, PATIENCE_US, &err));
    assert_int_equal(send(s.peers[0].fd, OK_ANSWER, strlen(OK_ANSWER), MSG_NOSIGNAL), strlen(OK_ANSWER));
    for (uint64_t until_us = clock_mono_us() + 80000; clock_mono_us() < until_us;)
        ; /* we are away while the answer waits, and the deadline passes */
    while (!s.answers)
        assert_true(loop_turn(s.loop, PATIENCE_US, &err));
    assert_outcome(&s, OUTCOME_ANSWERED, 200);
    assert_true(s.answer.late_us >= 30000);
    finish(&s);
}

static void test_deliver_tries_a_kept_connection_that_was_closed_once_more(void **state)
{
    (void)state;
    static const size_t bodies[] = {10, 3 << 20}; /* seen closed while reading, and while writing */
    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        struct stage s;
        begin(&s, PATIENCE_US);
        s.habit = RESET_SECOND;
        send_one(&s);
        buf_clear(&s.message.body);
        memset(buf_extend(&s.message.body, bodies[i]), 'x', bodies[i]);
        send_one(&s);
        assert_outcome(&s, OUTCOME_ANSWERED, 200);
        assert_int_equal(s.peer_count, 2);
        s.habit = KEEP;
        send_one(&s);
        assert_int_equal(s.peer_count, 2); /* new connections are not the rule now */
        finish(&s);
    }
}

static void test_deliver_does_not_insist_on_a_connector_that_hangs_up(void **state)
{
    (void)state;
    struct stage s;
    begin(&s, PATIENCE_US);
    send_one(&s);
    s.habit = RESET_AFTER;
    s.reply = "";
    send_one(&s);
    assert_outcome(&s, OUTCOME_RESET, 0);
    assert_in_range(s.requests, 2, 3);
    finish(&s);
}

static void test_deliver_slow_body_trickles_and_arrives_whole(void **state)
{
    (void)state;
    struct stage s;
    begin(&s, PATIENCE_US);
    send_one(&s);
    s.reads = 0;
    buf_clear(&s.message.body);
    for (int i = 0; i < 1000; i++)
        buf_printf(&s.message.body, "%03d,", i);
    send_as(&s, (struct wire){.variant = VARIANT_SLOW_BODY_TRICKLE, .over_us = 50000});
    assert_outcome(&s, OUTCOME_ANSWERED, 200);
    assert_in_range(s.reads, 4, 12);
    assert_true(s.answer.total_us >= 40000);
    assert_string_equal(strstr(buf_text(&s.last), "\r\n\r\n") + 4, buf_text(&s.message.body));
    send_one(&s); /* and the handle is as before */
    assert_true(s.answer.total_us < 40000 || s.answer.late_us);
    finish(&s);
}

static void test_deliver_slow_body_survives_a_closed_connection(void **state)
{
    (void)state;
    struct stage s;
    begin(&s, PATIENCE_US);
    s.habit = RESET_SECOND;
    send_one(&s);
    send_as(&s, (struct wire){.variant = VARIANT_SLOW_BODY_TRICKLE, .over_us = 20000});
    assert_outcome(&s, OUTCOME_ANSWERED, 200);
    assert_string_equal(strstr(buf_text(&s.last), "\r\n\r\n") + 4, "{\"events\":[]}");
    finish(&s);
}

static void test_deliver_gives_up_when_told_to(void **state)
{
    (void)state;
    struct stage s;
    begin(&s, PATIENCE_US);
    s.habit = MUTE;
    send_as(&s, (struct wire){.variant = VARIANT_DISCONNECT_GIVE_UP, .close_after_us = 30000});
    assert_outcome(&s, OUTCOME_GAVE_UP, 0);
    assert_true(s.answer.total_us >= 30000 && s.answer.total_us < PATIENCE_US);
    finish(&s);
}

static void test_deliver_free_drops_what_is_open_and_tells_nobody(void **state)
{
    (void)state;
    struct stage s;
    begin(&s, PATIENCE_US);
    s.habit = MUTE;
    for (int i = 0; i < 5; i++)
        assert_true(deliver_send(s.deliver, &s.message, &(struct wire){.over_us = i % 2 ? 1000000 : 0},
                                 on_done, &s, &err));
    while (!s.requests)
        assert_true(loop_turn(s.loop, PATIENCE_US, &err));
    finish(&s);
    assert_int_equal(s.answers, 0);
}

/* ---- answers that are wanted whole ---------------------------------------------------------- */

static void begin_getting(struct stage *s, struct buf *body, size_t bytes_max)
{
    begin(s, PATIENCE_US);
    deliver_free(s->deliver);
    buf_init(body, bytes_max);
    struct deliver_options options = {.url = s->url, .deadline_us = PATIENCE_US, .body = body};
    assert_true(deliver_new(&s->deliver, s->loop, &options, &err));
    s->message.method = "GET";
    buf_clear(&s->message.body);
}

static void on_links(void *arg, const struct answer *answer)
{
    struct stage *s = arg;
    buf_clear(&s->message.body);
    buf_put_span(&s->message.body, answer->links);
    on_done(s, answer);
}

static void test_deliver_keeps_whole_bodies_when_asked(void **state)
{
    (void)state;
    struct stage s;
    struct buf body;
    begin_getting(&s, &body, 10);
    s.reply = "HTTP/1.1 200 OK\r\nLink: <a>; rel=next\r\nContent-Length: 5\r\nlink: <b>\r\n\r\nstate";
    assert_true(deliver_send(s.deliver, &s.message, &(struct wire){0}, on_links, &s, &err));
    while (s.answers == 0)
        assert_true(loop_turn(s.loop, PATIENCE_US, &err));
    assert_outcome(&s, OUTCOME_ANSWERED, 200);
    assert_string_equal(buf_text(&s.message.body), "<a>; rel=next, <b>");
    assert_memory_equal(buf_text(&s.last), "GET /hook HTTP/1.1\r\n", 20);
    assert_null(strstr(buf_text(&s.last), "Content-Length"));
    buf_clear(&s.message.body);
    send_one(&s);
    assert_string_equal(buf_text(&body), "statestate");
    assert_string_equal(s.answer.detail, "");
    assert_int_equal(s.answer.excerpt_bytes, 5);
    s.reply = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n!"; /* one byte too many */
    send_one(&s);
    assert_outcome(&s, OUTCOME_ANSWERED, 200);
    assert_string_equal(s.answer.detail, "the answer was longer than 10 bytes; the rest was not read");
    finish(&s);
    buf_reset(&body);
}

static void test_deliver_turns_to_another_page_of_the_same_server(void **state)
{
    (void)state;
    static const struct {
        const char *reference, *target; /* NULL: refused */
    } table[] = {
        {"?page=2", "/hook?page=2"},
        {"?page=3#top", "/hook?page=3"},
        {"other", "/other"},
        {"/a/b", "/a/b"},
        {"../c", "/c"},
        {"http://127.0.0.1:PORT/d", "/d"},
        {"http://localhost:PORT/e", "/e"},
        {"https://127.0.0.1:PORT/", NULL},
        {"http://127.0.0.1:1/", NULL},
        {"http://example.com:PORT/", NULL},
        {"ftp://127.0.0.1:PORT/", NULL},
        {"http://127.0.0.1:PORT:1/", NULL},
        {"http://", NULL},
    };
    struct stage s;
    struct buf body, url, reference;
    begin_getting(&s, &body, 1000);
    buf_init(&url, 1000);
    buf_init(&reference, 1000);
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        const char *port = strstr(table[i].reference, "PORT");
        buf_clear(&url);
        buf_clear(&reference);
        buf_puts(&reference, table[i].reference);
        if (port) {
            reference.len = (size_t)(port - table[i].reference);
            buf_printf(&reference, "%.*s%s", (int)strcspn(s.url + 17, "/"), s.url + 17, port + 4);
        }
        bool ok = deliver_turn_to(s.deliver, buf_text(&reference), &url, &err);
        if (ok != (table[i].target != NULL))
            fail_msg("%s: %s", table[i].reference, ok ? "accepted" : err.text);
        if (!ok)
            continue;
        send_one(&s);
        char line[100];
        snprintf(line, sizeof line, "GET %s HTTP/1.1\r\n", table[i].target);
        assert_memory_equal(buf_text(&s.last), line, strlen(line));
        assert_non_null(strstr(buf_text(&url), table[i].target));
    }
    finish(&s);
    buf_reset(&body);
    buf_reset(&url);
    buf_reset(&reference);
}

static void test_deliver_checks_where_to(void **state)
{
    (void)state;
    static const struct {
        const char *url;
        bool allow_remote;
        const char *why; /* NULL: fine */
    } table[] = {
        {"http://127.0.0.1/", false, NULL},
        {"https://127.255.0.1:8443/x?y#z", false, NULL},
        {"http://[::1]:3000/", false, NULL},
        {"http://[0:0:0:0:0:0:0:1]/", false, NULL},
        {"HTTP://LOCALHOST/", false, NULL},
        {"http://a.localhost/", false, NULL},
        {"http://user:pass@localhost/", false, NULL},
        {"http://2130706433/", false, NULL},
        {"http://example.com/", true, NULL},
        {"http://example.com/", false, "example.com is not a loopback"},
        {"http://10.0.0.1/", false, "10.0.0.1 is not"},
        {"http://0.0.0.0/", false, "0.0.0.0 is not"},
        {"http://[::]/", false, "[::] is not"},
        {"http://127.0.0.1.nip.io/", false, "nip.io is not"},
        {"http://127.0.0.1@evil.example/", false, "evil.example is not"},
        {"http://127.0.0.1:80@evil.example/", false, "evil.example is not"},
        {"http://.localhost.example/", false, "is not a loopback"},
        {"ftp://127.0.0.1/", false, "neither http nor https"},
        {"file:///etc/passwd", true, "neither http nor https"},
        {"127.0.0.1:80", false, "not a URL"},
        {"http://", false, "not a URL"},
        {"", false, "not a URL"},
    };
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        struct deliver_options options = {.url = table[i].url, .allow_remote = table[i].allow_remote};
        bool ok = deliver_check(&options, &err);
        if (ok != !table[i].why || (!ok && (!strstr(err.text, table[i].why) || err.code != EXIT_USAGE)))
            fail_msg("%s: %s", table[i].url, ok ? "accepted" : err.text);
    }
}

static void test_deliver_hides_the_password_of_a_url_that_it_refuses(void **state)
{
    (void)state;
    static const char *const urls[] = {
        "ftp://me:hunter2@127.0.0.1/", "http://me:hunter2@example.com/", "http://me:hunter2@a b/",
        "http://me:a@hunter2@[::1",    "http://me:a/hunter2@127.0.0.1",  "me:hunter2@127.0.0.1:1/",
        "//me:hunter2@127.0.0.1/",     "http:me:hunter2@127.0.0.1/",     "http:/me:hunter2@127.0.0.1:x/",
    };
    struct stage s;
    struct buf body, url;
    begin_getting(&s, &body, 1000);
    buf_init(&url, 1000);
    for (size_t i = 0; i < COUNT_OF(urls); i++) {
        struct deliver_options options = {.url = urls[i]};
        if (deliver_check(&options, &err) || strstr(err.text, "hunter2") || !strstr(err.text, "…@"))
            fail_msg("%s: %s", urls[i], err.text);
    }
    assert_false(deliver_turn_to(s.deliver, "http://me:hunter2@127.0.0.2/", &url, &err));
    assert_string_equal(err.text, "\"http://…@127.0.0.2/\" is on another server");
    finish(&s);
    buf_reset(&body);
    buf_reset(&url);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_deliver_sends_the_message_and_nothing_of_its_own),
        cmocka_unit_test(test_deliver_uses_a_connection_again),
        cmocka_unit_test(test_deliver_head_and_post_take_turns_on_a_handle),
        cmocka_unit_test(test_deliver_sends_headers_without_values),
        cmocka_unit_test(test_deliver_keeps_the_start_of_an_answer),
        cmocka_unit_test(test_deliver_tells_where_a_redirect_leads),
        cmocka_unit_test(test_deliver_outcomes),
        cmocka_unit_test(test_deliver_to_nobody_is_refused),
        cmocka_unit_test(test_deliver_closes_at_the_deadline_and_not_before),
        cmocka_unit_test(test_deliver_gives_an_answer_the_time_that_we_lost),
        cmocka_unit_test(test_deliver_tries_a_kept_connection_that_was_closed_once_more),
        cmocka_unit_test(test_deliver_does_not_insist_on_a_connector_that_hangs_up),
        cmocka_unit_test(test_deliver_slow_body_trickles_and_arrives_whole),
        cmocka_unit_test(test_deliver_slow_body_survives_a_closed_connection),
        cmocka_unit_test(test_deliver_gives_up_when_told_to),
        cmocka_unit_test(test_deliver_free_drops_what_is_open_and_tells_nobody),
        cmocka_unit_test(test_deliver_keeps_whole_bodies_when_asked),
        cmocka_unit_test(test_deliver_turns_to_another_page_of_the_same_server),
        cmocka_unit_test(test_deliver_checks_where_to),
        cmocka_unit_test(test_deliver_hides_the_password_of_a_url_that_it_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
