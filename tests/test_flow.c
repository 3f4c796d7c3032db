/* Tests of flow.c and of what the profiles say of hours. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "flow.h"
#include "profile.h"

static struct flow set(const char *key, const char *value)
{
    struct flow flow;
    struct err err;
    flow_unset(&flow);
    if (!flow_set(&flow, key, value, &err))
        fail_msg("%s", err.text);
    return flow;
}

static void assert_refused(const char *assignment, const char *message)
{
    struct flow flow, before;
    struct err err;
    flow_unset(&flow);
    before = flow;
    assert_false(flow_assign(&flow, assignment, &err));
    assert_string_equal(err.text, message);
    assert_memory_equal(&flow, &before, sizeof flow);
}

static void test_values_are_read_in_their_unit(void **state)
{
    (void)state;
    assert_int_equal(set("quota", "40").quota, 40);
    assert_int_equal(set("quota", "none").quota, 0);
    assert_int_equal(set("stale", "90m").stale_us, 90 * FLOW_MINUTE_US);
    assert_int_equal(set("rate-max", "2.5").rate_max, 2500000);
    assert_int_equal(set("rate-min", "0.001").rate_min, 1000);
    assert_int_equal(set("rate-max", "1e2").rate_max, 100000000);
    assert_int_equal(set("rate-rise", "0.0000001").rate_rise, 1); /* as little as can be, but not none */
    assert_int_equal(set("resume", "0").resume_us, 0);
    struct flow flow = set("retry", "1s,2m,1h");
    assert_int_equal(flow.retry_us[0], FLOW_SECOND_US);
    assert_int_equal(flow.retry_us[1], 2 * FLOW_MINUTE_US);
    assert_int_equal(flow.retry_us[2], FLOW_HOUR_US);
    assert_int_equal(flow.retry_us[3], 0);
    assert_int_equal(set("retry", "none").retry_us[0], 0);
}

static void test_bad_values_are_refused_with_their_reason(void **state)
{
    (void)state;
    assert_refused("quotas=1", "\"quotas\" is not known; did you mean \"quota\"?");
    assert_refused("xyzzy=1", "\"xyzzy\" is not known");
    assert_refused("quota=-1", "quota: \"-1\" is not a number");
    assert_refused("quota=", "quota: \"\" is not a number");
    assert_refused("quota=1.5", "quota: 1.5 is not a whole number");
    assert_refused("quota=0x10", "quota: \"0x10\" is not a number");
    assert_refused("quota=1000001", "quota: 1000001 is not between 0 and 1e+06");
    assert_refused("stale=2", "stale: \"2\" is not a duration such as 500ms, 3s or 10m");
    assert_refused("stale=25h", "stale: 25h is not between 0s and 86400s");
    assert_refused("success-min=101", "success-min: 101 is not between 0 and 100");
    assert_refused("rate-min=0.0001", "rate-min: 0.0001 is not between 0.001 and 10000");
    assert_refused("rate-min=0.0000001", "rate-min: 0.0000001 is not between 0.001 and 10000");
    assert_refused("rate-max=10001", "rate-max: 10001 is not between 0 and 10000");
    assert_refused("quota-window=999ms", "quota-window: 999ms is not between 1s and 86400s");
    assert_refused("withhold-own=2", "withhold-own: 2 is not between 0 and 1");
    assert_refused("rate-min=nan", "rate-min: \"nan\" is not a number");
    assert_refused("retry=1m,,2m", "retry: \"\" is not a duration such as 500ms, 3s or 10m");
    assert_refused("retry=1m,0", "retry: \"1m,0\" holds a wait of nothing");
    assert_refused("retry=1s,1s,1s,1s,1s,1s,1s,1s,1s", "retry: more than 8");
}

static void test_an_assignment_is_a_key_and_its_value(void **state)
{
    (void)state;
    struct flow flow;
    struct err err;
    flow_unset(&flow);
    assert_true(flow_assign(&flow, "quota=40", &err));
    assert_true(flow_assign(&flow, "retry=1s,2m", &err));
    assert_true(flow_assign(&flow, "quota=50", &err)); /* the last one counts */
    assert_int_equal(flow.quota, 50);
    assert_int_equal(flow.retry_us[1], 2 * FLOW_MINUTE_US);
    assert_int_equal(flow.stale_us, UINT64_MAX); /* not set */
    assert_refused("", "\"\" is not KEY=VALUE");
    assert_refused("quota", "\"quota\" is not KEY=VALUE");
    assert_refused("=40", "\"\" is not known");
    assert_refused("quota==40", "quota: \"=40\" is not a number");
    assert_refused("quota =40", "\"quota \" is not known; did you mean \"quota\"?");
}

/* In a scenario the key is said by the place. */
static void test_a_bad_value_of_a_key_is_told_without_the_key(void **state)
{
    (void)state;
    struct flow flow;
    struct err err;
    flow_unset(&flow);
    assert_false(flow_set(&flow, "stale", "25h", &err));
    assert_string_equal(err.text, "25h is not between 0s and 86400s");
    assert_false(flow_set(&flow, "stail", "1h", &err));
    assert_string_equal(err.text, "\"stail\" is not known; did you mean \"stale\"?");
}

static void test_what_is_set_goes_before_what_is_the_platforms_own(void **state)
{
    (void)state;
    struct flow wanted = set("retry", "1m"), flow;
    struct err err;
    assert_true(flow_set(&wanted, "success-min", "0", &err));
    assert_true(flow_resolve(&flow, &profile_aep.flow, &wanted, &err));
    assert_int_equal(flow.retry_us[0], FLOW_MINUTE_US);
    assert_int_equal(flow.retry_us[1], 0); /* a list is set as a whole */
    assert_int_equal(flow.success_min, 0);
    assert_int_equal(flow.rate_max, profile_aep.flow.rate_max);
    assert_true(flow_resolve(&flow, &profile_aep.flow, NULL, &err));
    assert_memory_equal(&flow, &profile_aep.flow, sizeof flow);
}

static void test_what_does_not_go_together_is_refused(void **state)
{
    (void)state;
    struct flow wanted = set("rate-min", "200"), flow;
    struct err err;
    assert_false(flow_resolve(&flow, &profile_aep.flow, &wanted, &err));
    assert_string_equal(err.text, "rate-min is not between 0 and rate-max");
    wanted = set("quota", "5");
    assert_false(flow_resolve(&flow, &profile_aep.flow, &wanted, &err));
    assert_string_equal(err.text, "a quota needs a quota-window");
    wanted = set("success-min", "50");
    assert_false(flow_resolve(&flow, &profile_events_api.flow, &wanted, &err));
    assert_string_equal(err.text, "success-min needs a success-window");
}

static void test_every_key_can_be_set(void **state)
{
    (void)state;
    for (size_t i = 0; i < FLOW_KEY_COUNT; i++) {
        struct flow flow;
        struct err err;
        flow_unset(&flow);
        assert_true(flow_set(&flow, flow_key_at(i), "0", &err));
    }
}

/* Both platforms' own numbers, as their documents have them. */
static void test_the_profiles_say_what_the_documents_say(void **state)
{
    (void)state;
    const struct flow *old = &profile_events_api.flow, *aep = &profile_aep.flow;
    assert_int_equal(old->quota, 4000);
    assert_int_equal(old->quota_window_us, UINT64_C(3600000000));
    assert_int_equal(old->stale_us, UINT64_C(7200000000));
    assert_int_equal(old->withhold_own, 1);
    assert_int_equal(old->retry_us[0] + old->rate_max + old->success_min + old->suspend_at_once, 0);

    assert_int_equal(aep->rate_min, 1000000);
    assert_int_equal(aep->rate_max, 100000000);
    assert_int_equal(aep->throttled_us, UINT64_C(3600000000));
    assert_int_equal(aep->retry_us[0], UINT64_C(300000000));
    assert_int_equal(aep->retry_us[1], UINT64_C(600000000));
    assert_int_equal(aep->retry_us[2], UINT64_C(1200000000));
    assert_int_equal(aep->retry_us[3], 0);
    assert_int_equal(aep->suspend_at_once, 1);
    assert_int_equal(aep->success_min, 90);
    assert_int_equal(aep->success_window_us, UINT64_C(3600000000));
    assert_int_equal(aep->quota + aep->stale_us + aep->withhold_own + aep->resume_us, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values_are_read_in_their_unit),
        cmocka_unit_test(test_bad_values_are_refused_with_their_reason),
        cmocka_unit_test(test_an_assignment_is_a_key_and_its_value),
        cmocka_unit_test(test_a_bad_value_of_a_key_is_told_without_the_key),
        cmocka_unit_test(test_what_is_set_goes_before_what_is_the_platforms_own),
        cmocka_unit_test(test_what_does_not_go_together_is_refused),
        cmocka_unit_test(test_every_key_can_be_set),
        cmocka_unit_test(test_the_profiles_say_what_the_documents_say),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
