/* Tests of what is made of hours: forecasts, flow/suspension and flow/backpressure. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "book.h"

#define TALLY(b, members) line(b, "{\"record\":\"tally\"," members "}")
#define NOTICE(b, kind, members)                                                                             \
    line(b, "{\"record\":\"notice\",\"kind\":\"" kind "\",\"at_us\":" members "}")
#define SUSPENDED(b, at_s, cause) NOTICE(b, "suspended", at_s "000000,\"cause\":\"" cause "\"")
#define WELL                                                                                                 \
    "\"events\":100,\"acknowledged\":100,\"requests\":100,\"success_min\":90,\"success_worst\":100.00,"      \
    "\"virtual_us\":3600000000"

static const struct forecast *forecast(const struct book *b)
{
    assert_int_equal(b->judgement->forecast_count, 1);
    return b->judgement->forecasts[0];
}

/* ---- the subscription ----------------------------------------------------------------------- */

static void test_a_subscription_that_stays_active_passes_with_its_margin(void **state)
{
    (void)state;
    struct book b;
    begin(&b, "aep");
    hours_scenario(&b, "hours/first", "flow/suspension");
    TIMES(&b, 20, .wait_ms = 60000);
    TALLY(&b, WELL);
    hours_scenario(&b, "hours/second", "flow/suspension");
    TIMES(&b, 20, .wait_ms = 60000);
    TALLY(&b, "\"events\":20,\"success_min\":90,\"success_worst\":91.67,\"virtual_us\":86400000000");
    judge(&b);
    expect(&b, "flow/suspension", VERDICT_PASS);
    expect_reason(&b, "flow/suspension",
                  "not suspended in 24 h: the worst hour stayed 1.7 points above the limit of 90 %");
    assert_string_equal(found(&b, "flow/suspension")->scenario, "hours/second");
    assert_int_equal(found(&b, "flow/suspension")->judged, 2);
    finish(&b);
}

static void test_a_suspension_fails_with_what_failed_in_the_hour_before(void **state)
{
    (void)state;
    struct book b;
    begin(&b, "aep");
    hours_scenario(&b, "hours/day", "flow/suspension");
    PLAY(&b, .status = 500); /* hours ago */
    TIMES(&b, 180, .wait_ms = 60000);
    TIMES(&b, 7, .wait_ms = 60000, .outcome = "timeout", .ms = 3000);
    SUSPENDED(&b, "11220", "success-rate");
    NOTICE(&b, "lost", "11280000000,\"events\":5");
    TALLY(&b, "\"events\":193,\"lost\":5,\"suspended\":\"success-rate\",\"suspensions\":1,\"success_min\":90,"
              "\"success_worst\":88.33,\"success_worst_us\":11220000000,\"virtual_us\":11520000000");
    judge(&b);
    expect(&b, "flow/suspension", VERDICT_FAIL);
    expect_reason(
        &b, "flow/suspension",
        "the subscription was suspended at 03:07:00, because too few of an hour's deliveries succeeded "
        "(88.3 %, 1.7 points below the limit of 90 %), and 5 events were lost (see ack/deadline)");
    const struct finding *f = found(&b, "flow/suspension");
    assert_int_equal(f->judged, 1);
    assert_int_equal(f->failed, 1);
    assert_int_equal(f->evidence_count, 5);
    for (size_t i = 0; i < f->evidence_count; i++)
        assert_non_null(strstr(f->evidence[i].came, "no answer within 3 s"));
    assert_string_equal(f->evidence[0].request, "delivery 182: product.updated, at 03:01:00");
    finish(&b);
}

static void test_a_404_fails_by_itself_and_says_what_it_did(void **state)
{
    (void)state;
    struct book b;
    begin(&b, "aep");
    hours_scenario(&b, "hours/day", "flow/suspension ack/deadline");
    TIMES(&b, 39, .wait_ms = 60000);
    PLAY(&b, .wait_ms = 60000, .status = 404, .event = "product.removed");
    SUSPENDED(&b, "2400", "not-found");
    TALLY(&b,
          "\"events\":41,\"acknowledged\":39,\"lost\":1,\"dropped\":1,\"suspensions\":1,\"success_min\":90,"
          "\"success_worst\":97.50,\"virtual_us\":2460000000");
    judge(&b);
    expect_only(&b, "flow/suspension");
    expect_reason(
        &b, "flow/suspension",
        "1 of 40 valid deliveries was not acknowledged: it was answered 404 Not Found; a 404 suspends "
        "the subscription at once: in hours/day at 00:40:00, and 1 event was lost");
    assert_non_null(strstr(found(&b, "flow/suspension")->fix, "404 says that the endpoint is gone"));
    expect(&b, "ack/deadline", VERDICT_PASS);
    finish(&b);
}

static void test_a_404_fails_where_no_hours_are_played(void **state)
{
    (void)state;
    struct book b;
    begin(&b, "aep");
    scenario(&b, "s", "ack/deadline");
    TIMES(&b, 20, PLAIN);
    PLAY(&b, .status = 404);
    judge(&b);
    expect_only(&b, "flow/suspension");
    expect_reason(&b, "flow/suspension", "1 of 21 valid deliveries");
    finish(&b);
}

static void test_a_404_to_a_disturbed_delivery_is_its_own_rules(void **state)
{
    (void)state;
    struct book b;
    begin(&b, "aep");
    scenario(&b, "s", "form/unknown-type");
    TIMES(&b, 5, PLAIN);
    TIMES(&b, 5, FAULT("malform", "unknown-type"), .status = 404);
    judge(&b);
    expect_only(&b, "form/unknown-type");
    finish(&b);
}

static void test_a_suspension_for_a_redirect_is_the_redirects(void **state)
{
    (void)state;
    struct book b;
    begin(&b, "aep");
    hours_scenario(&b, "hours/day", "flow/suspension");
    TIMES(&b, 20, .wait_ms = 1000);
    PLAY(&b, .status = 302, .wait_ms = 1000);
    SUSPENDED(&b, "21", "redirect");
    TALLY(&b, "\"events\":30,\"suspensions\":1,\"success_min\":90,\"success_worst\":95.23");
    judge(&b);
    expect_only(&b, "reach/redirect");
    expect(&b, "flow/suspension", VERDICT_INCONCLUSIVE);
    expect_reason(&b, "flow/suspension", "at 00:00:21, because a delivery was answered with a redirect");
    expect_reason(&b, "flow/suspension", "(see reach/redirect)");
    finish(&b);
}

static void test_an_outage_of_the_scenarios_own_speaks_against_nobody(void **state)
{
    (void)state;
    struct book b;
    begin(&b, "aep");
    hours_scenario(&b, "hours/outage", "flow/suspension ack/deadline reach/head");
    TIMES(&b, 20, .wait_ms = 60000);
    TIMES(&b, 5, .wait_ms = 60000, FAULT("outage", "down"), .outcome = "outage");
    PLAY(&b, .kind = "reachability", .outcome = "outage");
    SUSPENDED(&b, "1500", "success-rate");
    TALLY(&b, "\"events\":25,\"suspensions\":1,\"success_min\":90,\"success_worst\":80.00,\"outage\":true");
    judge(&b);
    expect_no_failure(&b);
    expect(&b, "flow/suspension", VERDICT_NOT_OBSERVED);
    expect_reason(&b, "flow/suspension", "the scenario itself");
    expect(&b, "ack/deadline", VERDICT_PASS);
    assert_int_equal(found(&b, "ack/deadline")->judged, 20);
    assert_int_equal(b.judgement->unreachable, 0);
    finish(&b);
}

static void test_a_run_without_hours_says_where_they_are(void **state)
{
    (void)state;
    struct book b;
    begin(&b, "aep");
    scenario(&b, "s", "ack/deadline");
    TIMES(&b, 5, PLAIN);
    judge(&b);
    assert_int_equal(b.judgement->forecast_count, 0);
    assert_int_equal(b.judgement->verdict, CONFORMS);
    expect(&b, "flow/suspension", VERDICT_NOT_OBSERVED);
    expect_reason(&b, "flow/suspension", "pimsim run hours");
    expect_reason(&b, "flow/backpressure", "pimsim run hours");
    finish(&b);
}

static void test_the_events_api_suspends_nobody(void **state)
{
    (void)state;
    struct book b;
    begin(&b, "events-api");
    hours_scenario(&b, "hours/quota", "flow/suspension flow/backpressure ack/deadline");
    TIMES(&b, 5, PLAIN);
    TALLY(&b, "\"events\":5,\"acknowledged\":5");
    judge(&b);
    expect(&b, "flow/suspension", VERDICT_NOT_APPLICABLE);
    expect(&b, "flow/backpressure", VERDICT_NOT_APPLICABLE);
    finish(&b);
}

/* ---- over capacity -------------------------------------------------------------------------- */

/* A throughput that rises as long as it is answered 200: 3000 deliveries, up to 77 a second. */
static void ramp(struct book *b, unsigned fails_at, unsigned every, struct turn failure)
{
    for (unsigned i = 1; i <= 3000; i++) {
        unsigned rate = 1;
        while ((rate + 1) * (rate + 1) <= 2 * i)
            rate++;
        bool fails = rate >= fails_at && i % every == 0;
        struct turn turn = fails ? failure : (struct turn){0};
        turn.wait_ms = 1000 / rate;
        play(b, turn);
    }
}

static const struct {
    struct turn answer;
    enum verdict verdict;
    const char *rule; /* that fails; NULL: none */
} overloads[] = {
    {{.status = 503}, VERDICT_FAIL, "flow/backpressure"},
    {{.status = 500}, VERDICT_FAIL, "flow/backpressure"},
    {{.outcome = "timeout"}, VERDICT_FAIL, "flow/backpressure"},
    {{.outcome = "reset"}, VERDICT_FAIL, "flow/backpressure"},
    {{.status = 429}, VERDICT_PASS, NULL},
    {{.status = 401}, VERDICT_NOT_OBSERVED, "sig/valid"},
    {{.status = 404}, VERDICT_NOT_OBSERVED, "flow/suspension"},
    {{.outcome = "refused"}, VERDICT_NOT_OBSERVED, "ack/deadline"},
};

static void test_what_comes_over_capacity_is_judged(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(overloads); i++) {
        struct book b;
        begin(&b, "aep");
        hours_scenario(&b, "hours/import", "flow/backpressure flow/suspension ack/deadline");
        ramp(&b, 60, 30, overloads[i].answer);
        TALLY(&b, WELL);
        judge(&b);
        expect(&b, "flow/backpressure", overloads[i].verdict);
        if (overloads[i].rule)
            expect_only(&b, overloads[i].rule);
        else
            expect_no_failure(&b);
        if (overloads[i].verdict == VERDICT_NOT_OBSERVED)
            expect_reason(&b, "flow/backpressure", "it was never over its capacity");
        finish(&b);
    }
}

static void test_an_overload_says_from_which_load_on(void **state)
{
    (void)state;
    struct book b;
    begin(&b, "aep");
    hours_scenario(&b, "hours/import", "flow/backpressure");
    ramp(&b, 60, 30, (struct turn){.status = 503});
    judge(&b);
    expect_reason(&b, "flow/backpressure",
                  "41 deliveries failed, at 56 requests a second and more, and none below; the first was "
                  "answered 503 Service Unavailable");
    finish(&b);
}

static void test_errors_at_any_load_are_no_overload(void **state)
{
    (void)state;
    static const unsigned every[] = {2, 10, 100};
    for (size_t i = 0; i < COUNT_OF(every); i++) {
        struct book b;
        begin(&b, "aep");
        hours_scenario(&b, "hours/import", "flow/backpressure ack/deadline");
        ramp(&b, 1, every[i], (struct turn){.status = 503});
        judge(&b);
        expect_only(&b, "ack/deadline");
        finish(&b);
    }
}

static void test_errors_at_a_steady_load_are_no_overload(void **state)
{
    (void)state;
    struct book b;
    begin(&b, "aep");
    hours_scenario(&b, "hours/day", "flow/backpressure ack/deadline");
    TIMES(&b, 1000, .wait_ms = 60000);
    TIMES(&b, 100, .wait_ms = 60000, .status = 503);
    judge(&b);
    expect_only(&b, "ack/deadline");
    finish(&b);
}

static void test_where_load_is_judged_an_overload_is_loads(void **state)
{
    (void)state;
    for (int wait = 0; wait < 2; wait++) {
        struct book b;
        begin(&b, "aep");
        scenario_with(&b, "load", "ack/load flow/backpressure", ",\"load\":true");
        TIMES(&b, 50, PLAIN);
        TIMES(&b, 10, .status = wait ? 429 : 503);
        judge(&b);
        if (wait)
            expect(&b, "flow/backpressure", VERDICT_PASS);
        else
            expect_only(&b, "ack/load");
        finish(&b);
    }
}

/* ---- forecasts ------------------------------------------------------------------------------ */

static void test_a_forecast_is_what_tally_and_notices_say(void **state)
{
    (void)state;
    struct book b;
    begin(&b, "aep");
    hours_scenario(&b, "hours/day", "ack/deadline");
    PLAY(&b, .ms = 2);
    PLAY(&b, .status = 503);
    NOTICE(&b, "retry",
           "1000000,\"until_us\":301000000,\"events\":1,\"attempt\":2,"
           "\"event_id\":\"018e197c-dfe2-70f8-9346-000000000002\"");
    PLAY(&b, .status = 429);
    PLAY(&b, .copy_of = 3, .attempt = 2); /* throttled: no retry */
    PLAY(&b, .copy_of = 2, .attempt = 2, .wait_ms = 301000);
    NOTICE(&b, "rate", "1000000,\"rate\":2");
    NOTICE(&b, "rate", "4000000,\"rate\":7");
    NOTICE(&b, "rate", "5000000,\"rate\":6");
    SUSPENDED(&b, "400", "not-found");
    NOTICE(&b, "resumed", "500000000");
    SUSPENDED(&b, "600", "redirect");
    NOTICE(&b, "paused", "100000000,\"until_us\":100280000");
    NOTICE(&b, "paused", "110000000,\"until_us\":410000000");
    TALLY(&b, "\"events\":10,\"acknowledged\":3,\"dropped\":1,\"discarded\":2,\"withheld\":1,\"lost\":2,"
              "\"pending\":1,\"requests\":5,\"retries\":1,\"throttled\":1,\"rate\":6,\"rate_max\":7,"
              "\"suspended\":\"redirect\",\"suspensions\":2,\"success_min\":90,\"success_worst\":66.66,"
              "\"success_worst_us\":7000000,\"virtual_us\":700000000");
    judge(&b);
    const struct forecast *f = forecast(&b);
    assert_string_equal(f->scenario, "hours/day");
    assert_true(f->complete);
    assert_false(f->outage);
    assert_int_equal(f->events, 10);
    assert_int_equal(f->acknowledged, 3);
    assert_int_equal(f->after_retries, 1);
    assert_int_equal(f->dropped + f->discarded + f->withheld + f->lost + f->pending, 7);
    assert_int_equal(f->requests, 5);
    assert_int_equal(f->rate_max, 7);
    assert_int_equal(f->rate_max_us, 4000000);
    assert_int_equal(f->point_count, 3);
    assert_int_equal(f->points[2].rate, 6);
    assert_int_equal(f->pauses, 1);
    assert_int_equal(f->paused_us, 300000000);
    assert_int_equal(f->suspensions, 2);
    assert_int_equal(f->cause, CAUSE_NOT_FOUND);
    assert_int_equal(f->suspended_us, 400000000);
    assert_true(f->resumed);
    assert_int_equal(f->resumed_us, 500000000);
    assert_int_equal(f->success_worst_ppm, 666600);
    assert_int_equal(f->virtual_us, 700000000);
    assert_int_equal(f->duration_us, 6004); /* five deliveries, one of them of 2 ms */
    finish(&b);
}

static void test_a_forecast_without_a_tally_is_what_was_seen(void **state)
{
    (void)state;
    struct book b;
    begin(&b, "aep");
    hours_scenario(&b, "hours/day", "flow/suspension");
    TIMES(&b, 8, .wait_ms = 60000);
    NOTICE(&b, "discarded", "480000000,\"events\":2");
    NOTICE(&b, "dropped", "480000000,\"events\":3");
    NOTICE(&b, "withheld", "480000000,\"events\":4");
    NOTICE(&b, "lost", "480000000,\"events\":5");
    judge_text(&b, &(struct judge_options){0});
    const struct forecast *f = forecast(&b);
    assert_false(f->complete);
    assert_int_equal(f->acknowledged, 8);
    assert_int_equal(f->discarded, 2);
    assert_int_equal(f->dropped, 3);
    assert_int_equal(f->withheld, 4);
    assert_int_equal(f->lost, 5);
    assert_int_equal(f->virtual_us, 480000000);
    expect(&b, "flow/suspension", VERDICT_INCONCLUSIVE);
    expect_reason(&b, "flow/suspension", "the run ended before");
    finish(&b);
}

static void test_a_suspension_stands_in_a_killed_run_too(void **state)
{
    (void)state;
    struct book b;
    begin(&b, "aep");
    hours_scenario(&b, "hours/day", "flow/suspension");
    TIMES(&b, 8, .wait_ms = 60000);
    TIMES(&b, 2, .wait_ms = 60000, .status = 500);
    SUSPENDED(&b, "600", "success-rate");
    judge_text(&b, &(struct judge_options){0});
    expect(&b, "flow/suspension", VERDICT_FAIL);
    expect_reason(
        &b, "flow/suspension",
        "suspended at 00:10:00, because too few of an hour's deliveries succeeded (see ack/deadline)");
    finish(&b);
}

static void test_many_changes_of_the_throughput_are_thinned_out(void **state)
{
    (void)state;
    struct book b;
    begin(&b, "aep");
    hours_scenario(&b, "hours/day", "ack/deadline");
    for (unsigned i = 0; i < 10000; i++)
        buf_printf(&b.text, "{\"record\":\"notice\",\"kind\":\"rate\",\"at_us\":%u,\"rate\":%u}\n", i * 1000,
                   1 + i % 99);
    TALLY(&b, WELL);
    judge(&b);
    const struct forecast *f = forecast(&b);
    assert_true(f->point_count > FORECAST_POINTS_MAX / 4 && f->point_count <= FORECAST_POINTS_MAX);
    assert_int_equal(f->points[0].at_us, 0);
    assert_true(f->points[f->point_count - 1].at_us > 9000000);
    for (size_t i = 1; i < f->point_count; i++)
        assert_true(f->points[i].at_us > f->points[i - 1].at_us);
    finish(&b);
}

static void test_what_is_foreign_in_notices_and_tallies_does_no_harm(void **state)
{
    (void)state;
    struct book b;
    begin(&b, "aep");
    line(&b, "{\"record\":\"notice\",\"kind\":\"rate\",\"rate\":5}"); /* before any scenario */
    line(&b, "{\"record\":\"tally\"}");
    scenario(&b, "s", "ack/deadline"); /* has no flow */
    line(&b, "{\"record\":\"notice\",\"kind\":\"suspended\"}");
    TALLY(&b, WELL);
    hours_scenario(&b, "hours/day", "flow/suspension");
    NOTICE(&b, "epiphany", "7");
    line(&b, "{\"record\":\"notice\",\"kind\":7,\"at_us\":\"x\"}");
    line(&b, "{\"record\":\"notice\"}");
    NOTICE(&b, "rate", "-1,\"rate\":-5");
    NOTICE(&b, "retry", "1,\"event_id\":[]");
    NOTICE(&b, "paused", "18446744073709551615,\"until_us\":1");
    SUSPENDED(&b, "1", "a-bad-mood");
    PLAY(&b, PLAIN);
    TALLY(&b, "\"success_min\":\"90\",\"success_worst\":1e99,\"events\":-1,\"suspensions\":1");
    judge(&b);
    assert_int_equal(forecast(&b)->events, 0);
    assert_int_equal(forecast(&b)->pauses, 0);
    expect(&b, "flow/suspension", VERDICT_FAIL);
    expect_reason(&b, "flow/suspension", "because of something that this version does not know");
    finish(&b);
}

static void test_a_skipped_scenario_has_no_forecast(void **state)
{
    (void)state;
    struct book b;
    begin(&b, "aep");
    scenario_with(&b, "hours/rotation", "sig/rotation flow/suspension",
                  ",\"flow\":true,\"skipped\":\"give --secret-secondary\"");
    scenario(&b, "s", "ack/deadline");
    PLAY(&b, PLAIN);
    judge(&b);
    assert_int_equal(b.judgement->forecast_count, 0);
    expect_reason(&b, "flow/suspension", "give --secret-secondary");
    finish(&b);
}

/* ---- words ---------------------------------------------------------------------------------- */

static void test_spans_and_moments_are_short(void **state)
{
    (void)state;
    static const struct {
        uint64_t s;
        const char *span, *moment;
    } rows[] = {
        {0, "0 s", "00:00:00"},
        {59, "59 s", "00:00:59"},
        {60, "1 min", "00:01:00"},
        {449, "7 min 29 s", "00:07:29"},
        {3600, "1 h", "01:00:00"},
        {3605, "1 h", "01:00:05"},
        {86399, "23 h 59 min", "23:59:59"},
        {360000, "100 h", "100:00:00"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct buf text;
        buf_init(&text, 100);
        forecast_put_span(rows[i].s * 1000000, &text);
        assert_string_equal(buf_text(&text), rows[i].span);
        buf_clear(&text);
        forecast_put_moment(rows[i].s * 1000000, &text);
        assert_string_equal(buf_text(&text), rows[i].moment);
        buf_reset(&text);
    }
}

static void test_a_narrow_margin_has_two_digits(void **state)
{
    (void)state;
    static const struct {
        uint64_t worst_ppm;
        const char *words;
    } rows[] = {
        {1000000, "10.0 points above the limit of 90 %"}, {916700, "1.7 points above the limit of 90 %"},
        {900400, "0.04 points above the limit of 90 %"},  {899900, "0.01 points below the limit of 90 %"},
        {100000, "80.0 points below the limit of 90 %"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct forecast f = {.success_min_ppm = 900000, .success_worst_ppm = rows[i].worst_ppm};
        struct buf text;
        buf_init(&text, 100);
        forecast_put_margin(&f, &text);
        assert_string_equal(buf_text(&text), rows[i].words);
        buf_reset(&text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_subscription_that_stays_active_passes_with_its_margin),
        cmocka_unit_test(test_a_suspension_fails_with_what_failed_in_the_hour_before),
        cmocka_unit_test(test_a_404_fails_by_itself_and_says_what_it_did),
        cmocka_unit_test(test_a_404_fails_where_no_hours_are_played),
        cmocka_unit_test(test_a_404_to_a_disturbed_delivery_is_its_own_rules),
        cmocka_unit_test(test_a_suspension_for_a_redirect_is_the_redirects),
        cmocka_unit_test(test_an_outage_of_the_scenarios_own_speaks_against_nobody),
        cmocka_unit_test(test_a_run_without_hours_says_where_they_are),
        cmocka_unit_test(test_the_events_api_suspends_nobody),
        cmocka_unit_test(test_what_comes_over_capacity_is_judged),
        cmocka_unit_test(test_an_overload_says_from_which_load_on),
        cmocka_unit_test(test_errors_at_any_load_are_no_overload),
        cmocka_unit_test(test_errors_at_a_steady_load_are_no_overload),
        cmocka_unit_test(test_where_load_is_judged_an_overload_is_loads),
        cmocka_unit_test(test_a_forecast_is_what_tally_and_notices_say),
        cmocka_unit_test(test_a_forecast_without_a_tally_is_what_was_seen),
        cmocka_unit_test(test_a_suspension_stands_in_a_killed_run_too),
        cmocka_unit_test(test_many_changes_of_the_throughput_are_thinned_out),
        cmocka_unit_test(test_what_is_foreign_in_notices_and_tallies_does_no_harm),
        cmocka_unit_test(test_a_skipped_scenario_has_no_forecast),
        cmocka_unit_test(test_spans_and_moments_are_short),
        cmocka_unit_test(test_a_narrow_margin_has_two_digits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
