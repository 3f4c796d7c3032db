/* Tests of law.c: each account against a table worked out by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "law.h"
#include "rng.h"

#define S    UINT64_C(1000000)
#define HOUR (3600 * S)
#define RATE UINT64_C(1000000)

/* ---- quota ------------------------------------------------------------------------------------------ */

static void test_a_quota_lets_go_when_the_oldest_request_leaves_the_window(void **state)
{
    (void)state;
    static const struct {
        uint64_t free_us, spent_us;
    } table[] = {{0, 0},
                 {0, 10 * S},
                 {0, 20 * S},
                 {HOUR, HOUR},
                 {HOUR + 10 * S, HOUR + 15 * S},
                 {HOUR + 20 * S, 5 * HOUR},
                 {2 * HOUR, 5 * HOUR},
                 {2 * HOUR + 15 * S, 5 * HOUR},
                 {6 * HOUR, 6 * HOUR}};
    struct quota q;
    quota_init(&q, 3, HOUR);
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        assert_int_equal(quota_free_us(&q), table[i].free_us);
        quota_spend(&q, table[i].spent_us);
    }
    quota_reset(&q);
}

static void test_without_a_quota_a_request_may_always_leave(void **state)
{
    (void)state;
    struct quota q;
    quota_init(&q, 0, 0);
    quota_spend(&q, 5);
    assert_int_equal(quota_free_us(&q), 0);
    quota_reset(&q);
}

/* ---- throughput --------------------------------------------------------------------------------------- */

static void test_throughput_rises_by_its_share_at_each_answer(void **state)
{
    (void)state;
    /* 1; 1 + 1/1; 2 + 1/2; 2.5 + 1/2.5; 2.9 + 1/2.9 … in millionths, rounded down */
    static const uint64_t table[] = {1000000, 2000000, 2500000, 2900000, 3244827, 3553009};
    struct throttle t;
    throttle_init(&t, 1 * RATE, 100 * RATE, 1 * RATE, RATE / 2);
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        assert_int_equal(t.rate, table[i]);
        throttle_raise(&t);
    }
}

static void test_throughput_stays_between_its_bounds(void **state)
{
    (void)state;
    struct throttle t;
    throttle_init(&t, 1 * RATE, 100 * RATE, 1 * RATE, RATE / 2);
    for (int i = 0; i < 100000; i++) {
        throttle_raise(&t);
        assert_in_range(t.rate, RATE, 100 * RATE);
    }
    assert_int_equal(t.rate, 100 * RATE);
    throttle_lower(&t);
    assert_int_equal(t.rate, 99 * RATE + RATE / 2);
    for (int i = 0; i < 1000; i++)
        throttle_lower(&t);
    assert_int_equal(t.rate, RATE);
}

static void test_throughput_needs_about_a_hundred_seconds_to_the_top(void **state)
{
    (void)state;
    struct throttle t;
    throttle_init(&t, 1 * RATE, 100 * RATE, 1 * RATE, RATE / 2);
    uint64_t now_us = 0;
    while (t.rate < 100 * RATE) {
        throttle_spend(&t, now_us);
        throttle_raise(&t);
        now_us = throttle_free_us(&t);
    }
    assert_in_range(now_us, 95 * S, 105 * S);
}

static void test_requests_are_evenly_apart_and_late_ones_are_not_made_good(void **state)
{
    (void)state;
    struct throttle t;
    throttle_init(&t, 3 * RATE, 3 * RATE, 0, 0);
    throttle_spend(&t, 0);
    assert_int_equal(throttle_free_us(&t), 333334); /* never sooner than a third of a second */
    throttle_spend(&t, 10 * S);
    assert_int_equal(throttle_free_us(&t), 10 * S + 333334);
}

/* A receiver that takes `capacity` a second and answers 429 to the rest. */
static void assert_settles(uint64_t capacity, uint64_t min, uint64_t max)
{
    struct throttle t;
    throttle_init(&t, 1 * RATE, 100 * RATE, 1 * RATE, RATE / 2);
    uint64_t now_us = 0, second = 0, taken = 0, widest = 0, last = 0;
    while (now_us < 1200 * S) {
        throttle_spend(&t, now_us);
        if (now_us / S != second) {
            second = now_us / S;
            taken = 0;
        }
        if (taken++ < capacity)
            throttle_raise(&t);
        else
            throttle_lower(&t);
        if (now_us > 600 * S) {
            assert_in_range(t.rate, min * RATE, max * RATE);
            widest = last > t.rate && last - t.rate > widest ? last - t.rate : widest;
        }
        last = t.rate;
        now_us = throttle_free_us(&t);
    }
    assert_true(widest <= RATE / 2); /* smooth */
}

static void test_throughput_settles_at_what_the_receiver_takes(void **state)
{
    (void)state;
    assert_settles(2, 1, 6);
    assert_settles(20, 18, 24);
    assert_settles(70, 68, 74);
    assert_settles(1000, 100, 100);
}

static void test_without_bounds_there_is_no_throughput_law(void **state)
{
    (void)state;
    struct throttle t;
    throttle_init(&t, 0, 0, 0, 0);
    throttle_spend(&t, 5 * S);
    throttle_raise(&t);
    throttle_lower(&t);
    assert_int_equal(throttle_free_us(&t), 0);
}

/* ---- success --------------------------------------------------------------------------------------------
 */

static void test_success_forgets_what_the_window_left_behind(void **state)
{
    (void)state;
    static const struct {
        uint64_t at_us;
        bool answer;
        uint64_t good, bad;
    } table[] = {{0, true, 1, 0},         {S / 2, false, 1, 1},    {S, true, 2, 1},
                 {HOUR - 1, true, 3, 1},  {HOUR, true, 3, 0}, /* the first second has left */
                 {HOUR + S, false, 2, 1}, {2 * HOUR, false, 0, 2}, {100 * HOUR, true, 1, 0}};
    struct success *s = mem_alloc(sizeof *s);
    success_init(s, HOUR);
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        success_add(s, table[i].at_us, table[i].answer);
        assert_int_equal(s->good, table[i].good);
        assert_int_equal(s->bad, table[i].bad);
    }
    free(s);
}

/* Against a list of all answers. */
static void test_success_counts_what_a_list_would(void **state)
{
    (void)state;
    struct success *s = mem_alloc(sizeof *s);
    struct rng r;
    rng_init(&r, 1, "success");
    static uint64_t seconds[3000];
    static bool answers[3000];
    uint64_t now_us = 0;
    success_init(s, HOUR);
    for (size_t i = 0; i < COUNT_OF(seconds); i++) {
        now_us += rng_below(&r, 50) ? rng_below(&r, 5 * S) : rng_below(&r, 2 * HOUR);
        seconds[i] = now_us / S;
        answers[i] = rng_below(&r, 2);
        success_add(s, now_us, answers[i]);
        uint64_t good = 0, bad = 0;
        for (size_t j = 0; j <= i; j++)
            if (seconds[j] + 3600 > seconds[i])
                *(answers[j] ? &good : &bad) += 1;
        assert_int_equal(s->good, good);
        assert_int_equal(s->bad, bad);
    }
    free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_quota_lets_go_when_the_oldest_request_leaves_the_window),
        cmocka_unit_test(test_without_a_quota_a_request_may_always_leave),
        cmocka_unit_test(test_throughput_rises_by_its_share_at_each_answer),
        cmocka_unit_test(test_throughput_stays_between_its_bounds),
        cmocka_unit_test(test_throughput_needs_about_a_hundred_seconds_to_the_top),
        cmocka_unit_test(test_requests_are_evenly_apart_and_late_ones_are_not_made_good),
        cmocka_unit_test(test_throughput_settles_at_what_the_receiver_takes),
        cmocka_unit_test(test_without_bounds_there_is_no_throughput_law),
        cmocka_unit_test(test_success_forgets_what_the_window_left_behind),
        cmocka_unit_test(test_success_counts_what_a_list_would),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
