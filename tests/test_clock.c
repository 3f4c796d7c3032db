/* Tests of clock.c: times are read and written as the platforms spell them; virtual waits cost no time. */
#include "clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define SECOND_US INT64_C(1000000)

/* ---- real time -------------------------------------------------------------------------------- */

static void test_monotonic_time_does_not_go_back(void **state)
{
    (void)state;
    uint64_t before_us = clock_mono_us();
    for (int i = 0; i < 1000; i++) {
        uint64_t now_us = clock_mono_us();
        assert_true(now_us >= before_us);
        before_us = now_us;
    }
}

static void test_times_are_spelled_as_each_platform_does(void **state)
{
    (void)state;
    char text[CLOCK_TEXT_SIZE];
    clock_format_z(1769850839 * SECOND_US + 999999, text);
    assert_string_equal(text, "2026-01-31T09:13:59Z");
    clock_format_offset(1769850839 * SECOND_US, text);
    assert_string_equal(text, "2026-01-31T09:13:59+00:00");
    clock_format_z(0, text);
    assert_string_equal(text, "1970-01-01T00:00:00Z");
    clock_format_z(1709164800 * SECOND_US, text);
    assert_string_equal(text, "2024-02-29T00:00:00Z");
}

static void test_times_are_read_in_either_spelling(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t us;
    } cases[] = {
        {"0", 0},
        {"1769850839", 1769850839 * SECOND_US},
        {"2026-01-31T09:13:59Z", 1769850839 * SECOND_US},
        {"2026-01-31T09:13:59", 1769850839 * SECOND_US},
        {"2026-01-31T09:13:59+00:00", 1769850839 * SECOND_US},
        {"2026-01-31T14:43:59+05:30", 1769850839 * SECOND_US},
        {"2026-01-31T01:13:59-08:00", 1769850839 * SECOND_US},
        {"2026-01-31T09:13:59.5Z", 1769850839 * SECOND_US + 500000},
        {"2026-01-31T09:13:59.123456789Z", 1769850839 * SECOND_US + 123456},
        {"2026-01-31T10:13:59.000001+01:00", 1769850839 * SECOND_US + 1},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct err err;
        int64_t us;
        if (!clock_parse(cases[i].text, &us, &err))
            fail_msg("%s", err.text);
        if (us != cases[i].us)
            fail_msg("%s was read as %lld", cases[i].text, (long long)us);
    }
}

static void test_what_is_no_time_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "yesterday",
        "-1",
        "1769850839.5",
        "253402300800",
        "2026-01-31",
        "2026-13-01T00:00:00Z",
        "2026-01-31T09:13:59 UTC",
        "2026-01-31T09:13:59+ab:cd",
        "2026-01-31T09:13:59+0530",
        "2026-01-31T09:13:59+05:30x",
        "2026-01-31T09:13:59Zx",
    };
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct err err;
        int64_t us;
        if (clock_parse(texts[i], &us, &err))
            fail_msg("\"%s\" was read as %lld", texts[i], (long long)us);
        assert_non_null(strstr(err.text, "is neither Unix seconds nor a time such as"));
    }
}

static void test_what_is_written_is_read_again(void **state)
{
    (void)state;
    for (int64_t us = 0; us < 253402300800 * SECOND_US; us += 987654321098765) {
        char text[CLOCK_TEXT_SIZE];
        struct err err;
        int64_t again_us;
        clock_format_offset(us, text);
        assert_true(clock_parse(text, &again_us, &err));
        assert_int_equal(again_us, us / SECOND_US * SECOND_US);
    }
}

/* ---- virtual time ------------------------------------------------------------------------------ */

/* A clock that was started so long ago: no test has to wait. */
static struct vclock started_ago(unsigned speed, uint64_t ago_us)
{
    struct vclock v;
    vclock_init(&v, speed);
    v.real_start_us -= ago_us;
    return v;
}

static void assert_about(uint64_t us, uint64_t expected_us)
{
    /* The clock runs on while we look: up to a minute, on a machine that sleeps. */
    if (us < expected_us || us > expected_us + 60 * (uint64_t)SECOND_US)
        fail_msg("%llu is not just after %llu", (unsigned long long)us, (unsigned long long)expected_us);
}

static void test_vclock_runs_with_the_real_one(void **state)
{
    (void)state;
    struct vclock v = started_ago(1, 5000 * (uint64_t)SECOND_US);
    assert_about(vclock_now_us(&v), 5000 * (uint64_t)SECOND_US);
    assert_int_equal(vclock_wait_us(&v, 4000 * (uint64_t)SECOND_US), 0);
    assert_about(6000 * (uint64_t)SECOND_US - vclock_wait_us(&v, 6000 * (uint64_t)SECOND_US),
                 5000 * (uint64_t)SECOND_US);
}

static void test_vclock_with_a_speed_waits_a_fraction(void **state)
{
    (void)state;
    struct vclock v = started_ago(1000, 5 * (uint64_t)SECOND_US);
    uint64_t now_us = vclock_now_us(&v), due_us = 100000 * (uint64_t)SECOND_US;
    assert_true(now_us >= 5000 * (uint64_t)SECOND_US);
    uint64_t wait_us = vclock_wait_us(&v, due_us);
    assert_true(wait_us > 0 && wait_us <= 95 * (uint64_t)SECOND_US);
}

static void test_vclock_never_wakes_before_the_moment(void **state)
{
    (void)state;
    struct vclock v = {.real_start_us = clock_mono_us(), .speed = 7};
    uint64_t now_us = vclock_now_us(&v), due_us = now_us + 70000001;
    uint64_t wait_us = vclock_wait_us(&v, due_us), later_us = vclock_now_us(&v);
    assert_true(wait_us * 7 + later_us >= due_us); /* rounded up */
}

static void test_vclock_jumps_when_it_may(void **state)
{
    (void)state;
    struct vclock v = started_ago(SPEED_MAX, 0);
    uint64_t hour_us = 3600 * (uint64_t)SECOND_US;
    vclock_jump(&v, hour_us);
    assert_about(vclock_now_us(&v), hour_us);
    assert_int_equal(vclock_wait_us(&v, hour_us), 0);
    vclock_jump(&v, hour_us / 2); /* never back */
    assert_about(vclock_now_us(&v), hour_us);
    vclock_jump(&v, 2 * hour_us);
    assert_about(vclock_now_us(&v), 2 * hour_us);
}

static void test_vclock_with_a_speed_does_not_jump(void **state)
{
    (void)state;
    struct vclock v = started_ago(1, 0);
    vclock_jump(&v, 3600 * (uint64_t)SECOND_US);
    assert_about(vclock_now_us(&v), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_monotonic_time_does_not_go_back),
        cmocka_unit_test(test_times_are_spelled_as_each_platform_does),
        cmocka_unit_test(test_times_are_read_in_either_spelling),
        cmocka_unit_test(test_what_is_no_time_is_refused),
        cmocka_unit_test(test_what_is_written_is_read_again),
        cmocka_unit_test(test_vclock_runs_with_the_real_one),
        cmocka_unit_test(test_vclock_with_a_speed_waits_a_fraction),
        cmocka_unit_test(test_vclock_never_wakes_before_the_moment),
        cmocka_unit_test(test_vclock_jumps_when_it_may),
        cmocka_unit_test(test_vclock_with_a_speed_does_not_jump),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
