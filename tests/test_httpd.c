/* The HTTP server over real sockets: whole requests in, answers now, later or never. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "httpd.h"
#include "talk.h"

#define BODY_MAX 100000

/* What the handler saw and is to do. */
struct server {
    struct loop *loop;
    struct httpd *httpd;
    unsigned calls;
    char seen[256];
    struct buf body, target;
    uint64_t delay_us;
    bool hold;
    struct httpd_request *held;
};

static void handler(void *arg, struct httpd_request *request)
{
    struct server *server = arg;
    const char *header = httpd_header(request, "x-test");
    server->calls++;
    snprintf(server->seen, sizeof server->seen, "%s %s %s", httpd_method(request), httpd_path(request),
             header ? header : "-");
    buf_clear(&server->target);
    httpd_put_target(request, &server->target);
    buf_clear(&server->body);
    buf_put_span(&server->body, httpd_body(request));
    if (server->hold && !server->held)
        server->held = request;
    else if (server->delay_us)
        httpd_answer_later(request, server->delay_us, 202, span_of("later"));
    else
        httpd_answer(request, 200, (const char *const[]){"X-One: 1", "Content-Type: text/plain"}, 2,
                     span_of("now"));
}

static void server_open(struct server *server)
{
    struct err err;
    *server = (struct server){0};
    buf_init(&server->body, BODY_MAX);
    buf_init(&server->target, BODY_MAX);
    assert_true(loop_new(&server->loop, &err));
    struct httpd_options options = {
        .address = "127.0.0.1", .body_bytes_max = BODY_MAX, .handler = handler, .arg = server};
    assert_true(httpd_open(&server->httpd, server->loop, &options, &err));
    assert_int_not_equal(httpd_port(server->httpd), 0);
}

static void server_close(struct server *server)
{
    httpd_close(server->httpd);
    loop_free(server->loop);
    buf_reset(&server->body);
    buf_reset(&server->target);
}

static void test_httpd_hands_over_a_whole_request_and_keeps_the_connection(void **state)
{
    (void)state;
    struct server server;
    struct talk talk;
    server_open(&server);
    talk_open(&talk, server.loop, httpd_port(server.httpd));
    for (unsigned i = 1; i <= 3; i++) {
        assert_int_equal(talk_request(&talk, "POST", "/a/b?c=d", "X-TEST: yes\r\n", span_of("body \xc3\xa9")),
                         200);
        assert_int_equal(server.calls, i);
        assert_string_equal(server.seen, "POST /a/b yes");
        assert_true(span_equals(buf_span(&server.body), "body \xc3\xa9"));
        assert_true(span_equals((struct span){talk.body, talk.body_bytes}, "now"));
        assert_non_null(strstr(buf_text(&talk.answer), "X-One: 1\r\n"));
        assert_non_null(strstr(buf_text(&talk.answer), "Content-Type: text/plain\r\n"));
    }
    assert_int_equal(talk_request(&talk, "HEAD", "/", "", span_of("")), 200);
    assert_string_equal(server.seen, "HEAD / -");
    assert_int_equal(talk_request(&talk, "POST", "/", "", span_of("")), 200); /* an empty body is one, too */
    assert_int_equal(server.body.len, 0);
    talk_close(&talk);
    server_close(&server);
}

static void test_httpd_target_is_the_path_with_its_query_decoded(void **state)
{
    (void)state;
    static const char *const table[][2] = {
        {"/a%20b", "/a b"},
        {"/a?", "/a"},
        {"/a?b=c%2Dd&e&f=", "/a?b=c-d&e&f="},
        {"/a?b=1?2", "/a?b=1?2"},
    };
    struct server server;
    struct talk talk;
    server_open(&server);
    talk_open(&talk, server.loop, httpd_port(server.httpd));
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        assert_int_equal(talk_request(&talk, "PURGE", table[i][0], "", span_of("")), 200);
        assert_string_equal(buf_text(&server.target), table[i][1]);
    }
    talk_close(&talk);
    server_close(&server);
}

static void test_httpd_refuses_a_body_over_the_maximum_and_takes_one_at_it(void **state)
{
    (void)state;
    struct server server;
    struct talk talk;
    server_open(&server);
    talk_open(&talk, server.loop, httpd_port(server.httpd));
    char *bytes = mem_alloc(20 * BODY_MAX);
    memset(bytes, 'x', 20 * BODY_MAX);
    assert_int_equal(talk_request(&talk, "POST", "/", "", (struct span){bytes, BODY_MAX}), 200);
    assert_int_equal(server.body.len, BODY_MAX);
    assert_int_equal(talk_request(&talk, "POST", "/", "", (struct span){bytes, BODY_MAX + 1}), 413);
    assert_int_equal(talk_request(&talk, "POST", "/", "", (struct span){bytes, 20 * BODY_MAX}), 413);
    assert_int_equal(server.calls, 1);
    assert_int_equal(talk_request(&talk, "POST", "/", "", span_of("small")),
                     200); /* on the same connection */
    free(bytes);
    talk_close(&talk);
    server_close(&server);
}

static void test_httpd_takes_a_chunked_body(void **state)
{
    (void)state;
    struct server server;
    struct talk talk;
    server_open(&server);
    talk_open(&talk, server.loop, httpd_port(server.httpd));
    talk_send(&talk, span_of("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                             "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"));
    assert_int_equal(talk.status, 200);
    assert_true(span_equals(buf_span(&server.body), "abcde"));
    talk_close(&talk);
    server_close(&server);
}

static void test_httpd_answers_later_without_holding_up_others(void **state)
{
    (void)state;
    struct server server;
    struct talk slow, quick;
    server_open(&server);
    talk_open(&slow, server.loop, httpd_port(server.httpd));
    talk_open(&quick, server.loop, httpd_port(server.httpd));
    server.delay_us = 50000;
    uint64_t start_us = clock_mono_us();
    struct span request = span_of("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi");
    request = talk_push(&slow, request);
    assert_int_equal(request.len, 0);
    struct err err;
    while (server.calls == 0)
        assert_true(loop_turn(server.loop, 500, &err));
    server.delay_us = 0;
    assert_int_equal(talk_request(&quick, "POST", "/", "", span_of("x")), 200);
    talk_send(&slow, request);
    assert_int_equal(slow.status, 202);
    assert_true(clock_mono_us() - start_us >= 50000);
    assert_int_equal(talk_request(&slow, "POST", "/", "", span_of("again")), 200);
    talk_close(&slow);
    talk_close(&quick);
    server_close(&server);
}

static void test_httpd_answers_a_request_that_its_handler_held(void **state)
{
    (void)state;
    struct server server;
    struct talk held, other;
    server_open(&server);
    server.hold = true;
    talk_open(&held, server.loop, httpd_port(server.httpd));
    talk_open(&other, server.loop, httpd_port(server.httpd));
    struct span none = talk_push(&held, span_of("GET /held HTTP/1.1\r\nHost: a\r\n\r\n"));
    assert_int_equal(none.len, 0);
    struct err err;
    while (!server.held)
        assert_true(loop_turn(server.loop, 500, &err));
    assert_int_equal(talk_request(&other, "GET", "/", "", span_of("")), 200);
    httpd_answer(server.held, 204, NULL, 0, span_of(""));
    talk_send(&held, none);
    assert_int_equal(held.status, 204);
    talk_close(&held);
    talk_close(&other);
    server_close(&server);
}

static void test_httpd_closes_with_requests_open(void **state)
{
    (void)state;
    struct server server;
    struct talk talks[4];
    server_open(&server);
    server.hold = true;
    server.delay_us = 60000000;
    for (unsigned i = 0; i < COUNT_OF(talks); i++)
        talk_open(&talks[i], server.loop, httpd_port(server.httpd));
    /* one held, one delayed, one with half a body, one silent */
    talk_push(&talks[0], span_of("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
    talk_push(&talks[1], span_of("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
    talk_push(&talks[2], span_of("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf"));
    struct err err;
    while (server.calls < 2)
        assert_true(loop_turn(server.loop, 500, &err));
    server_close(&server);
    for (unsigned i = 0; i < COUNT_OF(talks); i++)
        talk_close(&talks[i]);
}

static void test_httpd_survives_a_client_that_leaves(void **state)
{
    (void)state;
    struct server server;
    struct talk leaver, stayer;
    server_open(&server);
    server.delay_us = 5000;
    talk_open(&leaver, server.loop, httpd_port(server.httpd));
    talk_push(&leaver, span_of("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
    struct err err;
    while (server.calls == 0)
        assert_true(loop_turn(server.loop, 500, &err));
    talk_close(&leaver); /* its answer is due in 5 ms */
    talk_open(&stayer, server.loop, httpd_port(server.httpd));
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(talk_request(&stayer, "GET", "/", "", span_of("")), 202);
    talk_close(&stayer);
    server_close(&server);
}

static void test_httpd_says_why_it_cannot_listen(void **state)
{
    (void)state;
    struct server server;
    server_open(&server);
    struct httpd_options options = {
        .address = "127.0.0.1", .port = httpd_port(server.httpd), .handler = handler};
    struct httpd *second;
    struct err err;
    assert_false(httpd_open(&second, server.loop, &options, &err));
    assert_int_equal(err.code, EXIT_ENVIRONMENT);
    assert_non_null(strstr(err.text, "Address already in use"));
    server_close(&server);
}

static void test_httpd_is_idle_when_nothing_happens(void **state)
{
    (void)state;
    struct server server;
    struct talk talk;
    struct err err;
    server_open(&server);
    talk_open(&talk, server.loop, httpd_port(server.httpd));
    assert_int_equal(talk_request(&talk, "GET", "/", "", span_of("")), 200);
    unsigned turns = 0;
    for (uint64_t end_us = clock_mono_us() + 100000; clock_mono_us() < end_us; turns++)
        assert_true(loop_turn(server.loop, 50000, &err));
    assert_true(turns < 20);
    talk_close(&talk);
    server_close(&server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_httpd_hands_over_a_whole_request_and_keeps_the_connection),
        cmocka_unit_test(test_httpd_target_is_the_path_with_its_query_decoded),
        cmocka_unit_test(test_httpd_refuses_a_body_over_the_maximum_and_takes_one_at_it),
        cmocka_unit_test(test_httpd_takes_a_chunked_body),
        cmocka_unit_test(test_httpd_answers_later_without_holding_up_others),
        cmocka_unit_test(test_httpd_answers_a_request_that_its_handler_held),
        cmocka_unit_test(test_httpd_closes_with_requests_open),
        cmocka_unit_test(test_httpd_survives_a_client_that_leaves),
        cmocka_unit_test(test_httpd_says_why_it_cannot_listen),
        cmocka_unit_test(test_httpd_is_idle_when_nothing_happens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
