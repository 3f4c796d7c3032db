/* Captured requests as people have them. */
#include "capture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct capture parse(const char *text, size_t len)
{
    struct capture capture;
    struct err err;
    assert_true(capture_parse(&capture, "file", (struct span){text, len}, NULL, &err));
    return capture;
}
#define PARSE(text) parse(text, sizeof(text) - 1)

static void assert_span(struct span span, const char *expected)
{
    assert_int_equal(span.len, strlen(expected));
    assert_memory_equal(span.data, expected, span.len);
}

static void test_capture_splits_a_request(void **state)
{
    (void)state;
    struct capture c =
        PARSE("POST http://h:1/hook?a=b HTTP/1.1\r\nHost: h:1\r\nX-A:  two words \r\n\r\n{\"a\":1}");
    assert_span(c.method, "POST");
    assert_span(c.target, "http://h:1/hook?a=b");
    assert_int_equal(c.header_count, 2);
    assert_span(*capture_header(&c, "host"), "h:1");
    assert_span(*capture_header(&c, "x-a"), "two words");
    assert_null(capture_header(&c, "x-b"));
    assert_span(c.body, "{\"a\":1}");
    assert_string_equal(c.note, "");
    capture_reset(&c);
}

static void test_capture_takes_bare_line_feeds_and_no_request_line(void **state)
{
    (void)state;
    struct capture c = PARSE("x-a: 1\nX-B:\n\nbody\n");
    assert_int_equal(c.method.len, 0);
    assert_span(*capture_header(&c, "X-A"), "1");
    assert_span(*capture_header(&c, "X-B"), "");
    assert_span(c.body, "body\n"); /* nothing says that the line end is not the sender's */
    capture_reset(&c);
}

static void test_capture_takes_headers_alone(void **state)
{
    (void)state;
    struct capture c = PARSE("X-A: 1\r\nX-B: 2");
    assert_int_equal(c.header_count, 2);
    assert_span(*capture_header(&c, "X-B"), "2");
    assert_int_equal(c.body.len, 0);
    capture_reset(&c);
}

static void test_capture_respects_content_length(void **state)
{
    (void)state;
    struct capture c = PARSE("Content-Length: 4\n\nbody\r\n\n");
    assert_span(c.body, "body");
    assert_string_equal(c.note, "");
    c = PARSE("Content-Length: 4\n\nbodyPOST / HTTP/1.1");
    assert_span(c.body, "body");
    assert_non_null(strstr(c.note, "4 bytes, the capture holds 19"));
    c = PARSE("Content-Length: 40\n\nbody");
    assert_span(c.body, "body");
    assert_non_null(strstr(c.note, "40 bytes, the capture holds 4"));
    c = PARSE("Content-Length: many\n\nbody");
    assert_span(c.body, "body");
    assert_non_null(strstr(c.note, "no number"));
    capture_reset(&c);
}

static void test_capture_takes_the_body_from_elsewhere(void **state)
{
    (void)state;
    struct capture c;
    struct err err;
    struct span body = span_of("body\n");
    assert_true(capture_parse(&c, "file", span_of("Content-Length: 4\n\n"), &body, &err));
    assert_span(c.body, "body");
    capture_reset(&c);
}

static void test_capture_keeps_nul_bytes(void **state)
{
    (void)state;
    struct capture c = PARSE("Content-Length: 5\r\n\r\na\0b\0c");
    assert_int_equal(c.body.len, 5);
    assert_memory_equal(c.body.data, "a\0b\0c", 5);
    capture_reset(&c);
}

static void test_capture_joins_chunks(void **state)
{
    (void)state;
    struct capture c =
        PARSE("Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\nA;x=y\r\n0123\r\n6789\r\n0\r\n\r\n");
    assert_span(c.body, "body0123\r\n6789");
    assert_non_null(strstr(c.note, "joined"));
    capture_reset(&c);
    c = PARSE("Transfer-Encoding: chunked\r\n\r\n{\"a\":1}");
    assert_span(c.body, "{\"a\":1}");
    assert_non_null(strstr(c.note, "already"));
    capture_reset(&c);
    c = PARSE("Transfer-Encoding: chunked\r\n\r\nff\r\ncut");
    assert_span(c.body, "ff\r\ncut");
    capture_reset(&c);
}

static void test_capture_names_what_is_no_request(void **state)
{
    (void)state;
    struct capture c;
    struct err err;
    assert_false(capture_parse(&c, "file", span_of("X-A: 1\n{\"a\":1}\n"), NULL, &err));
    assert_non_null(strstr(err.text, "file: line 2"));
    assert_false(capture_parse(&c, "file", span_of("HTTP/1.1 200 OK\n\n"), NULL, &err));
    assert_non_null(strstr(err.text, "an answer"));
    char many[2048] = "";
    for (size_t i = 0; i <= CAPTURE_HEADERS_MAX; i++)
        strcat(many, "X: y\n");
    assert_false(capture_parse(&c, "file", span_of(many), NULL, &err));
    assert_non_null(strstr(err.text, "100 headers"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_capture_splits_a_request),
        cmocka_unit_test(test_capture_takes_bare_line_feeds_and_no_request_line),
        cmocka_unit_test(test_capture_takes_headers_alone),
        cmocka_unit_test(test_capture_respects_content_length),
        cmocka_unit_test(test_capture_takes_the_body_from_elsewhere),
        cmocka_unit_test(test_capture_keeps_nul_bytes),
        cmocka_unit_test(test_capture_joins_chunks),
        cmocka_unit_test(test_capture_names_what_is_no_request),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
