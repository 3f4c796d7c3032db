/* Tests of base.c: buffers keep their maximum, errors grow outwards, words are read strictly. */
#include "base.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- errors --------------------------------------------------------------------------------- */

static void test_err_grows_outwards_and_keeps_its_code(void **state)
{
    (void)state;
    struct err err;
    assert_false(err_env(&err, "port %d is taken", 80));
    assert_false(err_wrap(&err, "faults[%d]", 1));
    assert_false(err_wrap(&err, "late.json"));
    assert_string_equal(err.text, "late.json: faults[1]: port 80 is taken");
    assert_int_equal(err.code, EXIT_ENVIRONMENT);
    assert_false(err_set(&err, "no"));
    assert_string_equal(err.text, "no");
    assert_int_equal(err.code, EXIT_USAGE);
}

static void test_err_longer_than_its_room_is_cut(void **state)
{
    (void)state;
    struct err err;
    char context[700];
    memset(context, 'x', sizeof context);
    context[sizeof context - 1] = '\0';
    err_set(&err, "%s", context);
    err_wrap(&err, "%s", context);
    err_wrap(&err, "%s", context);
    assert_int_equal(strlen(err.text), sizeof err.text - 1);
}

/* ---- spans and buffers ------------------------------------------------------------------------ */

static void test_spans_compare_by_their_bytes(void **state)
{
    (void)state;
    assert_true(span_equals(span_of("abc"), "abc"));
    assert_false(span_equals(span_of("abc"), "abd"));
    assert_false(span_equals(span_of("abc"), "ab"));
    assert_true(span_equals(span_of(NULL), ""));
    assert_true(span_same((struct span){NULL, 0}, span_of("")));
    assert_true(span_same((struct span){"a\0b", 3}, (struct span){"a\0b", 3}));
    assert_false(span_same((struct span){"a\0b", 3}, (struct span){"a\0c", 3}));
}

static void test_buf_holds_what_was_put(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 1000);
    assert_string_equal(buf_text(&b), "");
    buf_puts(&b, "one");
    buf_putc(&b, ' ');
    buf_put(&b, "two-", 3);
    buf_put_span(&b, span_of(" three "));
    buf_put_u64(&b, 0);
    buf_put_u64(&b, UINT64_MAX);
    buf_printf(&b, " %s=%d", "x", -5);
    assert_string_equal(buf_text(&b), "one two three 018446744073709551615 x=-5");
    assert_int_equal(buf_span(&b).len, strlen(buf_text(&b)));
    buf_clear(&b);
    assert_string_equal(buf_text(&b), "");
    char *empty = buf_take(&b);
    assert_string_equal(empty, "");
    free(empty);
    buf_reset(&b);
}

static void test_buf_takes_bytes_up_to_its_maximum_and_no_more(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 10);
    buf_puts(&b, "0123456789");
    assert_true(buf_ok(&b));
    buf_putc(&b, 'x');
    assert_false(buf_ok(&b));
    assert_string_equal(buf_text(&b), "0123456789");
    buf_clear(&b);
    assert_true(buf_ok(&b));
    buf_puts(&b, "01234567890");
    assert_false(buf_ok(&b));
    assert_int_equal(b.len, 0);
    buf_puts(&b, "a"); /* would fit, but a gap before it would go unnoticed */
    assert_int_equal(b.len, 0);
    assert_null(buf_extend(&b, 1));
    buf_reset(&b);
    assert_true(buf_ok(&b));
    assert_int_equal(b.max, 10);
}

static void test_buf_printf_at_the_maximum_writes_all_or_nothing(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 5);
    buf_printf(&b, "%s", "12345");
    assert_true(buf_ok(&b));
    assert_string_equal(buf_text(&b), "12345");
    buf_clear(&b);
    buf_printf(&b, "%d", 123456);
    assert_false(buf_ok(&b));
    assert_string_equal(buf_text(&b), "");
    buf_reset(&b);
}

static void test_buf_escapes_for_a_url(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 100);
    buf_put_escaped(&buf, "aZ09-._~ {\"é\"}&=/%+");
    assert_string_equal(buf_text(&buf), "aZ09-._~%20%7B%22%C3%A9%22%7D%26%3D%2F%25%2B");
    buf_reset(&buf);
}

static void test_buf_take_hands_over_the_memory(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 100);
    buf_put(&b, "a\0b", 3);
    char *taken = buf_take(&b);
    assert_memory_equal(taken, "a\0b", 4);
    assert_int_equal(b.len, 0);
    assert_null(b.data);
    buf_puts(&b, "again");
    assert_string_equal(buf_text(&b), "again");
    free(taken);
    buf_reset(&b);
}

static void test_buf_reads_a_file_up_to_its_maximum(void **state)
{
    (void)state;
    char path[] = "/tmp/pimsim-test-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "a\0bcd", 5), 5);
    close(fd);
    struct buf b;
    struct err err;
    buf_init(&b, 5);
    assert_true(buf_read_file(&b, path, &err));
    assert_int_equal(b.len, 5);
    assert_memory_equal(b.data, "a\0bcd", 5);
    buf_reset(&b);
    buf_init(&b, 4);
    assert_false(buf_read_file(&b, path, &err));
    assert_non_null(strstr(err.text, "larger than 4 bytes"));
    buf_reset(&b);
    unlink(path);
}

static void test_buf_read_file_ends_at_an_endless_file(void **state)
{
    (void)state;
    struct buf b;
    struct err err;
    buf_init(&b, 1 << 20);
    assert_false(buf_read_file(&b, "/dev/zero", &err));
    assert_string_equal(err.text, "/dev/zero: larger than 1048576 bytes");
    buf_reset(&b);
}

static void test_buf_read_file_names_what_it_cannot_read(void **state)
{
    (void)state;
    struct buf b;
    struct err err;
    buf_init(&b, 100);
    assert_false(buf_read_file(&b, "/nowhere/at-all.json", &err));
    assert_string_equal(err.text, "/nowhere/at-all.json: No such file or directory");
    assert_false(buf_read_file(&b, "/tmp", &err));
    assert_string_equal(err.text, "/tmp: Is a directory");
    buf_reset(&b);
}

static void test_mem_grow_keeps_the_items_and_doubles(void **state)
{
    (void)state;
    size_t cap = 0;
    uint32_t *items = NULL;
    for (uint32_t i = 0; i < 1000; i++) {
        items = mem_grow(items, &cap, i, sizeof *items);
        assert_true(cap > i && cap <= (i < 16 ? 16 : 2 * (size_t)i));
        items[i] = i;
    }
    for (uint32_t i = 0; i < 1000; i++)
        assert_int_equal(items[i], i);
    free(items);
}

/* ---- words ------------------------------------------------------------------------------------ */

static void assert_nearest(const char *word, const char *expected)
{
    static const char *const words[] = {"duplicate", "reorder", "drop", "delay", "burst", "slow-body"};
    const char *nearest = word_nearest(word, words, COUNT_OF(words));
    if (expected)
        assert_string_equal(nearest ? nearest : "(none)", expected);
    else
        assert_null(nearest);
}

static void test_word_nearest_forgives_typos(void **state)
{
    (void)state;
    assert_nearest("duplciate", "duplicate"); /* neighbours that changed places */
    assert_nearest("duplicates", "duplicate");
    assert_nearest("drp", "drop");
    assert_nearest("delays", "delay");
    assert_nearest("brust", "burst");
    assert_nearest("slow_body", "slow-body");
    assert_nearest("reorder", "reorder");
}

static void test_word_nearest_does_not_guess_wildly(void **state)
{
    (void)state;
    char endless[400];
    memset(endless, 'z', sizeof endless);
    endless[sizeof endless - 1] = '\0';
    assert_nearest("compression", NULL);
    assert_nearest("", NULL);
    assert_nearest(endless, NULL);
    assert_null(word_nearest("drop", NULL, 0));
}

static void test_word_nearest_takes_the_nearest_and_then_the_first(void **state)
{
    (void)state;
    static const char *const words[] = {"stale", "state", "slate"};
    assert_string_equal(word_nearest("state", words, 3), "state");
    assert_string_equal(word_nearest("stame", words, 3), "stale");
}

static void test_durations_are_read_in_every_unit(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t us;
    } cases[] = {
        {"0", 0},           {"0s", 0},           {"7us", 7},        {"500ms", 500000},    {"3s", 3000000},
        {"10m", 600000000}, {"2h", 7200000000u}, {"007s", 7000000}, {"90m", 5400000000u},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct err err;
        uint64_t us = 1;
        if (!word_duration_us(cases[i].text, &us, &err))
            fail_msg("%s", err.text);
        assert_int_equal(us, cases[i].us);
    }
}

static void test_durations_without_unit_sign_or_sense_are_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "5",
        "s",
        "-3s",
        "+3s",
        " 3s",
        "3 s",
        "3S",
        "3.5s",
        "3sec",
        "1e3ms",
        "0x10s",
        "3s ",
        "99999999999999999999s",
        "9999999999999999h",
    };
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct err err;
        uint64_t us;
        if (word_duration_us(texts[i], &us, &err))
            fail_msg("\"%s\" was taken for %llu us", texts[i], (unsigned long long)us);
        assert_non_null(strstr(err.text, "is not a duration such as 500ms, 3s or 10m"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_err_grows_outwards_and_keeps_its_code),
        cmocka_unit_test(test_err_longer_than_its_room_is_cut),
        cmocka_unit_test(test_spans_compare_by_their_bytes),
        cmocka_unit_test(test_buf_holds_what_was_put),
        cmocka_unit_test(test_buf_takes_bytes_up_to_its_maximum_and_no_more),
        cmocka_unit_test(test_buf_printf_at_the_maximum_writes_all_or_nothing),
        cmocka_unit_test(test_buf_escapes_for_a_url),
        cmocka_unit_test(test_buf_take_hands_over_the_memory),
        cmocka_unit_test(test_buf_reads_a_file_up_to_its_maximum),
        cmocka_unit_test(test_buf_read_file_ends_at_an_endless_file),
        cmocka_unit_test(test_buf_read_file_names_what_it_cannot_read),
        cmocka_unit_test(test_mem_grow_keeps_the_items_and_doubles),
        cmocka_unit_test(test_word_nearest_forgives_typos),
        cmocka_unit_test(test_word_nearest_does_not_guess_wildly),
        cmocka_unit_test(test_word_nearest_takes_the_nearest_and_then_the_first),
        cmocka_unit_test(test_durations_are_read_in_every_unit),
        cmocka_unit_test(test_durations_without_unit_sign_or_sense_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
