/* Tests of the judge: journals written by hand, and what is found in them. */
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

/* ---- every rule that answers show, passed and failed ---------------------------------------- */

/* What shows a rule; what a sound connector answers, and what fails it. The rest of the scenario is plain
 * deliveries that are acknowledged. */
struct shown {
    const char *rule, *platform;
    struct turn good, bad;
};

static const struct shown shows[] = {
    {"ack/deadline", "aep", {.status = 200}, {.outcome = "timeout"}},
    {"ack/status", "aep", {.status = 200}, {.status = 202}},
    {"ack/headroom", "aep", {.ms = 1400}, {.ms = 1600}},
    {"ack/duplicate", "aep", {FAULT("duplicate", "apart")}, {FAULT("duplicate", "apart"), .status = 409}},
    {"reach/test", "events-api", {.kind = "reachability"}, {.kind = "reachability", .status = 500}},
    {"reach/head", "aep", {.kind = "reachability"}, {.kind = "reachability", .status = 405}},
    {"reach/redirect", "aep", {.status = 200}, {.status = 302}},
    {"sig/valid", "aep", {.status = 200}, {.status = 401}},
    {"sig/forged", "aep", {FAULT("forge", "random"), .status = 401}, {FAULT("forge", "random")}},
    {"sig/missing", "aep", {FAULT("forge", "missing"), .status = 400}, {FAULT("forge", "missing")}},
    {"sig/other-secret",
     "aep",
     {FAULT("forge", "empty-secret"), .status = 403},
     {FAULT("forge", "empty-secret")}},
    {"sig/tampered", "aep", {FAULT("forge", "tampered"), .status = 401}, {FAULT("forge", "tampered")}},
    {"sig/raw-bytes", "aep", {FAULT("bytes", "slashes")}, {FAULT("bytes", "slashes"), .status = 401}},
    {"sig/rotation", "aep", {FAULT("rotate", "secondary")}, {FAULT("rotate", "secondary"), .status = 401}},
    {"sig/stale", "events-api", {FAULT("forge", "stale"), .status = 401}, {FAULT("forge", "stale")}},
    {"sig/odd",
     "aep",
     {FAULT("forge", "non-hex"), .status = 401},
     {FAULT("forge", "non-hex"), .status = 500}},
    {"form/batch", "events-api", {.events = 10}, {.events = 10, .status = 413}},
    {"form/unknown-type",
     "aep",
     {FAULT("malform", "unknown-type")},
     {FAULT("malform", "unknown-type"), .status = 422}},
    {"form/unknown-field",
     "aep",
     {FAULT("malform", "unknown-field")},
     {FAULT("malform", "unknown-field"), .status = 400}},
    {"form/malformed",
     "aep",
     {FAULT("malform", "cut"), .status = 400},
     {FAULT("malform", "cut"), .status = 500}},
    {"form/large", "aep", {FAULT("malform", "large")}, {FAULT("malform", "large"), .status = 413}},
    {"flow/notification", "aep", {.kind = "notification"}, {.kind = "notification", .status = 429}},
};

static void test_every_rule_passes_when_it_is_shown(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(shows); i++) {
        struct book b;
        begin(&b, shows[i].platform);
        scenario(&b, "s", shows[i].rule);
        TIMES(&b, 5, PLAIN);
        times(&b, 5, shows[i].good);
        judge(&b);
        expect(&b, shows[i].rule, VERDICT_PASS);
        assert_string_equal(found(&b, shows[i].rule)->scenario, "s");
        assert_int_equal(b.judgement->verdict, CONFORMS);
        assert_int_equal(b.judgement->score, 100);
        finish(&b);
    }
}

static void test_every_rule_fails_alone_and_with_evidence(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(shows); i++) {
        struct book b;
        begin(&b, shows[i].platform);
        scenario(&b, "s", shows[i].rule);
        TIMES(&b, 5, PLAIN);
        times(&b, 5, shows[i].bad);
        judge(&b);
        expect_only(&b, shows[i].rule);
        const struct finding *f = found(&b, shows[i].rule);
        assert_true(f->failed <= f->judged);
        assert_true(strcmp(shows[i].rule, "ack/headroom") == 0 || f->evidence_count == 5);
        finish(&b);
    }
}

static void test_every_rule_is_inconclusive_without_an_acknowledged_delivery(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(shows); i++) {
        struct book b;
        if (!shows[i].good.fault)
            continue;
        begin(&b, shows[i].platform);
        scenario(&b, "s", shows[i].rule);
        TIMES(&b, 5, .status = 401);
        times(&b, 5, shows[i].bad);
        judge(&b);
        if (shows[i].bad.status) { /* what is acknowledged against expectation speaks for itself */
            expect(&b, shows[i].rule, VERDICT_INCONCLUSIVE);
            expect_only(&b, "sig/valid");
        }
        finish(&b);
    }
}

static void test_every_rule_is_not_observed_unless_asked_for(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(shows); i++) {
        struct book b;
        begin(&b, shows[i].platform);
        scenario(&b, "s", "");
        TIMES(&b, 5, PLAIN);
        times(&b, 5, shows[i].good);
        judge(&b);
        expect(&b, shows[i].rule, VERDICT_NOT_OBSERVED);
        assert_int_equal(b.judgement->score, -1);
        assert_int_equal(b.judgement->verdict, INCONCLUSIVE);
        finish(&b);
    }
}

static void test_rules_of_the_other_platform_are_not_applicable(void **state)
{
    (void)state;
    static const char *const other[][3] = {{"events-api", "reach/head", "sig/rotation"},
                                           {"aep", "reach/test", "sig/stale"}};
    for (size_t i = 0; i < COUNT_OF(other); i++) {
        struct book b;
        begin(&b, other[i][0]);
        scenario(&b, "s", "ack/deadline reach/head reach/test sig/rotation sig/stale");
        PLAY(&b, PLAIN);
        judge(&b);
        expect(&b, other[i][1], VERDICT_NOT_APPLICABLE);
        expect(&b, other[i][2], VERDICT_NOT_APPLICABLE);
        finish(&b);
    }
}

static void test_every_rule_of_the_table_is_shown_here(void **state)
{
    (void)state;
    static const char *const by_state[] = {"idem", "order", "durable",
                                           "port"}; /* test_trial.c, test_port.c */
    for (size_t r = 0; r < rule_count(); r++) {
        const char *category = category_at(category_of(rule_at(r)))->name;
        bool here = strcmp(rule_at(r)->id, "ack/load") == 0 || /* have their own tests */
                    strcmp(category, "flow") == 0;
        for (size_t i = 0; i < COUNT_OF(by_state); i++)
            here |= strcmp(category, by_state[i]) == 0;
        for (size_t i = 0; i < COUNT_OF(shows); i++)
            here |= strcmp(shows[i].rule, rule_at(r)->id) == 0;
        if (!here)
            fail_msg("%s has no test", rule_at(r)->id);
    }
}

/* ---- controls ------------------------------------------------------------------------------- */

static void test_a_refusal_is_no_merit_when_everything_is_refused(void **state)
{
    (void)state;
    struct book b;
    begin(&b, "aep");
    scenario(&b, "s", "sig/forged");
    TIMES(&b, 5, .status = 401);
    TIMES(&b, 5, FAULT("forge", "random"), .status = 401);
    judge(&b);
    expect_only(&b, "sig/valid");
    expect(&b, "sig/forged", VERDICT_INCONCLUSIVE);
    expect_reason(&b, "sig/forged", "(see sig/valid)");
    finish(&b);
}

static void test_the_control_is_of_the_same_scenario(void **state)
{
    (void)state;
    struct book b;
    begin(&b, "aep");
    scenario(&b, "first", "ack/deadline");
    TIMES(&b, 5, PLAIN);
    scenario(&b, "second", "form/unknown-type");
    TIMES(&b, 5, .status = 500);
    TIMES(&b, 5, FAULT("malform", "unknown-type"), .status = 500);
    judge(&b);
    expect_only(&b, "ack/deadline");
    expect(&b, "form/unknown-type", VERDICT_INCONCLUSIVE);
    assert_string_equal(found(&b, "ack/deadline")->scenario, "second");
    finish(&b);
}

static void test_a_scenario_without_plain_deliveries_asks_for_some(void **state)
{
    (void)state;
    struct book b;
    begin(&b, "aep");
    scenario(&b, "s", "sig/forged");
    TIMES(&b, 5, FAULT("forge", "random"));
    judge(&b);
    expect_no_failure(&b);
    expect(&b, "sig/forged", VERDICT_INCONCLUSIVE);
    expect_reason(&b, "sig/forged", "smaller share");
    finish(&b);
}

static void test_moments_and_order_are_controls_as_well(void **state)
{
    (void)state;
    struct book b;
    begin(&b, "aep");
    scenario(&b, "s", "form/unknown-type");
    TIMES(&b, 5, FAULT("burst", "heap"));
    TIMES(&b, 5, FAULT("malform", "unknown-type"), .status = 400);
    judge(&b);
    expect_only(&b, "form/unknown-type");
    finish(&b);
}

static void test_a_wrong_path_is_one_failure(void **state)
{
    (void)state;
    static const char *const owners[][2] = {{"aep", "flow/suspension"}, {"events-api", "ack/deadline"}};
    for (size_t i = 0; i < COUNT_OF(owners); i++) {
        struct book b;
        begin(&b, owners[i][0]);
        scenario(&b, "s", "ack/deadline sig/valid sig/forged form/malformed");
        TIMES(&b, 10, .status = 404);
        TIMES(&b, 5, FAULT("forge", "random"), .status = 404);
        TIMES(&b, 5, FAULT("malform", "cut"), .status = 404);
        judge(&b);
        expect_only(&b, owners[i][1]);
        expect(&b, "sig/forged", VERDICT_INCONCLUSIVE);
        expect(&b, "sig/valid", VERDICT_INCONCLUSIVE);
        expect_reason(&b, "sig/valid", owners[i][1]);
        expect_reason(
            &b, owners[i][1],
            "10 of 10 valid deliveries were not acknowledged; the first was answered 404 Not Found");
        assert_non_null(strstr(found(&b, owners[i][1])->fix, "Give the URL with the path"));
        finish(&b);
    }
}

/* ---- our own lateness, and our own failures --------------------------------------------------- */

static void test_silence_while_we_were_late_is_nobodys_fault(void **state)
{
    (void)state;
    struct book b;
    begin(&b, "aep");
    scenario(&b, "s", "ack/deadline");
    TIMES(&b, 3, .outcome = "timeout", .late_ms = 300);
    judge(&b);
    expect(&b, "ack/deadline", VERDICT_INCONCLUSIVE);
    expect_reason(&b, "ack/deadline", "overloaded");
    assert_int_equal(b.judgement->verdict, INCONCLUSIVE);
    assert_int_equal(judgement_exit_code(b.judgement), 4);
    assert_int_equal(b.judgement->late_max_us, 300000);
    finish(&b);
}

static void test_silence_is_blamed_when_we_were_late_by_little(void **state)
{
    (void)state;
    struct book b;
    begin(&b, "aep");
    scenario(&b, "s", "ack/deadline");
    TIMES(&b, 3, .outcome = "timeout", .late_ms = 299);
    judge(&b);
    expect_only(&b, "ack/deadline");
    finish(&b);
}

static void test_an_end_of_the_connection_is_blamed_unless_we_were_very_late(void **state)
{
    (void)state;
    struct book b;
    begin(&b, "events-api");
    scenario(&b, "s", "form/large ack/deadline");
    TIMES(&b, 3, PLAIN);
    PLAY(&b, .outcome = "reset", .late_ms = 500);
    PLAY(&b, FAULT("malform", "large"), .outcome = "reset", .late_ms = 499);
    judge(&b);
    expect_only(&b, "form/large");
    expect(&b, "ack/deadline", VERDICT_PASS);
    finish(&b);
}

static void test_a_wrong_answer_is_blamed_however_late_we_were(void **state)
{
    (void)state;
    struct book b;
    begin(&b, "aep");
    scenario(&b, "s", "ack/deadline");
    TIMES(&b, 3, .status = 500, .late_ms = 900);
    judge(&b);
    expect_only(&b, "ack/deadline");
    finish(&b);
}

static void test_headroom_leaves_out_our_lateness(void **state)
{
    (void)state;
    struct book b;
    begin(&b, "events-api");
    scenario(&b, "s", "ack/headroom");
    TIMES(&b, 50, .ms = 270, .late_ms = 40); /* 230 ms are the connector's */
    TIMES(&b, 50, .ms = 400, .late_ms = 60); /* a tenth of the deadline: says nothing */
    judge(&b);
    expect(&b, "ack/headroom", VERDICT_PASS);
    assert_int_equal(found(&b, "ack/headroom")->judged, 50);
    assert_int_equal(found(&b, "ack/headroom")->ack.max_us, 230000);
    finish(&b);
}

static void test_headroom_counts_from_when_we_sent(void **state)
{
    (void)state;
    struct book b;
    begin(&b, "events-api");
    scenario(&b, "s", "ack/headroom");
    buf_puts(&b.text, "{\"record\":\"send\",\"delivery\":1,\"kind\":\"events\",\"at_us\":100000,"
                      "\"scheduled_us\":0,\"events\":1}\n");
    answer_to(&b, 1, (struct turn){.ms = 300});
    judge(&b);
    assert_int_equal(found(&b, "ack/headroom")->ack.max_us, 200000);
    expect(&b, "ack/headroom", VERDICT_PASS);
    finish(&b);
}

static void test_headroom_forgives_one_in_a_hundred(void **state)
{
    (void)state;
    for (unsigned slow = 1; slow <= 2; slow++) {
        struct book b;
        begin(&b, "aep");
        scenario(&b, "s", "ack/headroom");
        TIMES(&b, 100 - slow, PLAIN);
        TIMES(&b, slow, .ms = 2000);
        judge(&b);
        expect(&b, "ack/headroom", slow == 1 ? VERDICT_PASS : VERDICT_FAIL);
        finish(&b);
    }
}

static void test_headroom_leaves_out_bodies_that_we_send_slowly(void **state)
{
    (void)state;
    struct book b;
    begin(&b, "events-api");
    scenario(&b, "s", "ack/headroom");
    TIMES(&b, 10, PLAIN);
    TIMES(&b, 10, FAULT("slow-body", "trickle"), .ms = 400);
    judge(&b);
    expect(&b, "ack/headroom", VERDICT_PASS);
    finish(&b);
}

static void test_a_request_that_we_could_not_make_is_nobodys_fault(void **state)
{
    (void)state;
    struct book b;
    begin(&b, "aep");
    scenario(&b, "s", "ack/deadline");
    TIMES(&b, 3, .outcome = "failed", .more = ",\"detail\":\"Out of memory\"");
    judge(&b);
    expect_no_failure(&b);
    expect_reason(&b, "ack/deadline", "Out of memory");
    finish(&b);
}

/* ---- silence -------------------------------------------------------------------------------- */

static void test_silence_now_and_then_is_the_pace(void **state)
{
    (void)state;
    struct book b;
    begin(&b, "aep");
    scenario(&b, "s", "form/unknown-type ack/deadline");
    TIMES(&b, 20, PLAIN);
    TIMES(&b, 3, .outcome = "timeout", .ms = 3000);
    TIMES(&b, 5, FAULT("malform", "unknown-type"));
    TIMES(&b, 1, FAULT("malform", "unknown-type"), .outcome = "timeout", .ms = 3000);
    judge(&b);
    expect_only(&b, "ack/deadline");
    expect(&b, "form/unknown-type", VERDICT_PASS);
    assert_int_equal(found(&b, "ack/deadline")->failed, 4);
    finish(&b);
}

static void test_silence_that_always_follows_a_fault_is_the_faults(void **state)
{
    (void)state;
    struct book b;
    begin(&b, "aep");
    scenario(&b, "s", "form/unknown-type ack/deadline");
    TIMES(&b, 20, PLAIN);
    TIMES(&b, 5, FAULT("malform", "unknown-type"), .outcome = "timeout", .ms = 3000);
    judge(&b);
    expect_only(&b, "form/unknown-type");
    expect_reason(
        &b, "form/unknown-type",
        "5 of 5 events of an unknown type were not acknowledged; the first got no answer within 3 s");
    finish(&b);
}

static void test_silence_that_chance_explains_is_not_the_faults(void **state)
{
    (void)state;
    struct book b;
    begin(&b, "aep");
    scenario(&b, "s", "form/unknown-type ack/deadline");
    TIMES(&b, 10, PLAIN);
    TIMES(&b, 10, .outcome = "timeout", .ms = 3000);
    TIMES(&b, 2, FAULT("malform", "unknown-type"), .outcome = "timeout", .ms = 3000);
    judge(&b);
    expect_only(&b, "ack/deadline");
    finish(&b);
}

static void test_sporadic_silence_to_a_forgery_passes_by_the_others(void **state)
{
    (void)state;
    struct book b;
    begin(&b, "aep");
    scenario(&b, "s", "sig/forged");
    TIMES(&b, 5, PLAIN);
    TIMES(&b, 4, FAULT("forge", "random"), .status = 401);
    PLAY(&b, FAULT("forge", "random"), .outcome = "reset");
    judge(&b);
    expect_no_failure(&b);
    expect(&b, "sig/forged", VERDICT_PASS);
    assert_int_equal(found(&b, "sig/forged")->judged, 4);
    finish(&b);
}

static void test_errors_now_and_then_are_not_the_faults(void **state)
{
    (void)state;
    struct book b;
    begin(&b, "aep");
    scenario(&b, "s", "form/unknown-type sig/forged");
    TIMES(&b, 8, PLAIN);
    TIMES(&b, 2, .status = 503);
    TIMES(&b, 4, FAULT("malform", "unknown-type"));
    TIMES(&b, 1, FAULT("malform", "unknown-type"), .status = 503);
    TIMES(&b, 4, FAULT("forge", "random"), .status = 401);
    TIMES(&b, 1, FAULT("forge", "random"), .status = 503);
    judge(&b);
    expect_only(&b, "ack/deadline");
    assert_int_equal(found(&b, "ack/deadline")->failed, 3);
    finish(&b);
}

static void test_errors_that_only_a_fault_brings_are_the_faults(void **state)
{
    (void)state;
    struct book b;
    begin(&b, "aep");
    scenario(&b, "s", "sig/odd");
    TIMES(&b, 10, PLAIN);
    TIMES(&b, 4, FAULT("forge", "non-hex"), .status = 401);
    TIMES(&b, 1, FAULT("forge", "non-hex"), .status = 500);
    judge(&b);
    expect_only(&b, "sig/odd");
    expect_reason(&b, "sig/odd",
                  "1 of 5 requests with an odd signature was not refused with 4xx: it was answered 500");
    finish(&b);
}

static void test_a_mood_is_no_variants_fault(void **state)
{
    (void)state;
    struct book b;
    begin(&b, "aep");
    scenario(&b, "s", "ack/duplicate form/unknown-type");
    TIMES(&b, 10, PLAIN);
    TIMES(&b, 3, .event = "product.created", .status = 401);
    TIMES(&b, 3, FAULT("duplicate", "apart"));
    TIMES(&b, 5, FAULT("duplicate", "apart"), .event = "product.created", .status = 401);
    TIMES(&b, 3, .status = 409);
    TIMES(&b, 5, FAULT("malform", "unknown-type"));
    TIMES(&b, 3, FAULT("malform", "unknown-type"), .status = 409);
    judge(&b);
    expect(&b, "ack/duplicate", VERDICT_PASS);
    expect(&b, "form/unknown-type", VERDICT_PASS);
    assert_int_equal(found(&b, "sig/valid")->failed, 8);
    assert_int_equal(found(&b, "ack/deadline")->failed, 6);
    finish(&b);
}

static void test_what_mostly_follows_a_variant_is_no_mood(void **state)
{
    (void)state;
    struct book b;
    begin(&b, "aep");
    scenario(&b, "s", "form/unknown-type");
    TIMES(&b, 10, PLAIN);
    PLAY(&b, .status = 500);
    TIMES(&b, 1, FAULT("malform", "unknown-type"));
    TIMES(&b, 4, FAULT("malform", "unknown-type"), .status = 500);
    judge(&b);
    assert_int_equal(found(&b, "form/unknown-type")->failed, 4);
    assert_int_equal(found(&b, "ack/deadline")->failed, 1);
    finish(&b);
}

static void test_a_crash_is_not_blamed_on_the_requests_beside_it(void **state)
{
    (void)state;
    struct book b;
    begin(&b, "aep");
    scenario(&b, "s", "sig/odd ack/deadline");
    TIMES(&b, 5, PLAIN);
    send_only(&b, (struct turn){0}); /* open when the connector dies */
    send_only(&b, (struct turn){FAULT("forge", "over-long")});
    send_only(&b, (struct turn){0});
    for (unsigned i = 6; i <= 8; i++)
        answer_to(&b, i, (struct turn){.outcome = "reset", .ms = 5});
    send_only(&b, (struct turn){0});
    answer_to(&b, 9, (struct turn){0}); /* just before */
    b.at_us += 10000;
    TIMES(&b, 3, .outcome = "refused"); /* until it is up again */
    TIMES(&b, 5, PLAIN);
    judge(&b);
    expect_only(&b, "sig/odd");
    expect_reason(&b, "sig/odd", "it got no answer: the connection was closed or reset before");
    assert_int_equal(found(&b, "sig/odd")->failed, 1);
    expect(&b, "ack/deadline", VERDICT_PASS);
    finish(&b);
}

static void test_a_connector_that_stays_dead_fails_once(void **state)
{
    (void)state;
    struct book b;
    begin(&b, "aep");
    scenario(&b, "one", "sig/odd");
    TIMES(&b, 5, PLAIN);
    PLAY(&b, FAULT("forge", "non-hex"), .outcome = "reset");
    TIMES(&b, 5, .outcome = "refused");
    TIMES(&b, 5, FAULT("forge", "empty"), .outcome = "refused");
    scenario(&b, "two", "ack/deadline form/unknown-type reach/head");
    PLAY(&b, .kind = "reachability", .outcome = "refused");
    TIMES(&b, 5, .outcome = "refused");
    TIMES(&b, 5, FAULT("malform", "unknown-type"), .outcome = "refused");
    judge(&b);
    expect_only(&b, "sig/odd");
    assert_int_equal(found(&b, "sig/odd")->failed, 1);
    expect(&b, "ack/deadline", VERDICT_INCONCLUSIVE);
    expect_reason(&b, "reach/head", "broke down at another request");
    finish(&b);
}

static void test_a_connector_that_dies_by_itself_fails(void **state)
{
    (void)state;
    struct book b;
    begin(&b, "aep");
    scenario(&b, "s", "sig/forged ack/deadline");
    TIMES(&b, 5, PLAIN);
    PLAY(&b, FAULT("forge", "random"), .status = 401);
    PLAY(&b, FAULT("forge", "random"), .outcome = "refused");
    TIMES(&b, 5, .outcome = "refused");
    judge(&b);
    expect_only(&b, "ack/deadline");
    assert_int_equal(found(&b, "ack/deadline")->failed, 1);
    finish(&b);
}

static void test_a_refused_connection_is_never_the_requests_fault(void **state)
{
    (void)state;
    struct book b;
    begin(&b, "aep");
    scenario(&b, "s", "form/unknown-type");
    TIMES(&b, 5, PLAIN);
    TIMES(&b, 5, FAULT("malform", "unknown-type"), .outcome = "refused");
    judge(&b);
    expect_only(&b, "ack/deadline");
    finish(&b);
    begin(&b, "aep");
    scenario(&b, "s", "form/unknown-type");
    TIMES(&b, 5, PLAIN);
    TIMES(&b, 5, FAULT("malform", "unknown-type"), .outcome = "timeout", .ms = 3000);
    b.at_us += 1000000;
    PLAY(&b, FAULT("malform", "unknown-type"), .outcome = "refused");
    judge(&b);
    assert_int_equal(found(&b, "form/unknown-type")->failed, 5);
    finish(&b);
}

static void test_a_hang_is_not_blamed_on_the_requests_behind_it(void **state)
{
    (void)state;
    struct book b;
    begin(&b, "aep");
    scenario(&b, "s", "form/malformed ack/deadline");
    TIMES(&b, 30, PLAIN);
    for (unsigned i = 0; i < 4; i++) {
        send_only(&b, (struct turn){FAULT("malform", "deep"), .gap_ms = 4000});
        send_only(&b, (struct turn){.gap_ms = 1});
        answer_to(&b, b.deliveries - 1, (struct turn){.outcome = "timeout", .ms = 3000});
        answer_to(&b, b.deliveries, (struct turn){.outcome = "timeout", .ms = 3000});
    }
    judge(&b);
    expect_only(&b, "form/malformed");
    expect(&b, "ack/deadline", VERDICT_PASS);
    finish(&b);
}

static void test_a_sender_that_hangs_up_expects_nothing(void **state)
{
    (void)state;
    struct book b;
    begin(&b, "aep");
    scenario(&b, "s", "ack/deadline");
    TIMES(&b, 5, PLAIN);
    TIMES(&b, 5, FAULT("disconnect", "give-up"), .outcome = "gave-up");
    TIMES(&b, 5, FAULT("disconnect", "give-up"), .status = 500);
    judge(&b);
    expect(&b, "ack/deadline", VERDICT_PASS);
    assert_int_equal(found(&b, "ack/deadline")->judged, 5);
    assert_int_equal(b.judgement->unreachable, 0);
    finish(&b);
}

/* ---- notifications ------------------------------------------------------------------------------ */

static void test_notifications_speak_of_nothing_but_themselves(void **state)
{
    (void)state;
    static const struct turn told[] = {{.kind = "notification", .status = 302},
                                       {.kind = "notification", .status = 401},
                                       {.kind = "notification", .status = 404},
                                       {.kind = "notification", .outcome = "refused"},
                                       {.kind = "notification", .outcome = "reset"},
                                       {.kind = "notification", .outcome = "timeout", .ms = 5000}};
    for (size_t i = 0; i < COUNT_OF(told); i++) {
        struct book b;
        begin(&b, "aep");
        scenario(&b, "s", "ack/deadline sig/valid flow/notification reach/redirect");
        TIMES(&b, 5, PLAIN);
        play(&b, told[i]);
        TIMES(&b, 5, PLAIN);
        judge(&b);
        expect_only(&b, "flow/notification");
        assert_int_equal(found(&b, "ack/deadline")->judged, 10);
        assert_int_equal(found(&b, "flow/notification")->judged, 1);
        finish(&b);
    }
}

static void test_a_connector_that_is_gone_is_not_excused_by_a_notification(void **state)
{
    (void)state;
    struct book b;
    begin(&b, "aep");
    scenario(&b, "s", "ack/deadline");
    TIMES(&b, 5, PLAIN);
    PLAY(&b, .kind = "notification", .outcome = "refused");
    TIMES(&b, 2, .outcome = "refused");
    judge(&b);
    expect(&b, "ack/deadline", VERDICT_FAIL);
    finish(&b);
}

/* ---- redirects, throttling, reachability ------------------------------------------------------ */

static void test_redirects_are_one_failure_with_their_target(void **state)
{
    (void)state;
    struct book b;
    begin(&b, "aep");
    scenario(&b, "s", "reach/head reach/redirect ack/deadline sig/forged");
    PLAY(&b, .kind = "reachability", .status = 301);
    TIMES(&b, 5, .status = 308, .more = ",\"location\":\"http://127.0.0.1:1/x\"");
    TIMES(&b, 5, FAULT("forge", "random"), .status = 308);
    judge(&b);
    expect_only(&b, "reach/redirect");
    expect(&b, "reach/head", VERDICT_INCONCLUSIVE);
    expect(&b, "ack/deadline", VERDICT_INCONCLUSIVE);
    expect_reason(&b, "ack/deadline", "(see reach/redirect)");
    assert_string_equal(found(&b, "reach/redirect")->evidence[1].came,
                        "308 Permanent Redirect after 1.0 ms, to http://127.0.0.1:1/x");
    finish(&b);
}

static void test_forgers_sent_to_a_login_page_are_redirected(void **state)
{
    (void)state;
    struct book b;
    begin(&b, "aep");
    scenario(&b, "s", "sig/forged");
    TIMES(&b, 5, PLAIN);
    TIMES(&b, 5, FAULT("forge", "random"), .status = 302);
    judge(&b);
    expect_only(&b, "reach/redirect");
    expect_reason(&b, "sig/forged", "(see reach/redirect)");
    finish(&b);
}

static void test_aep_may_be_told_to_wait(void **state)
{
    (void)state;
    struct book b;
    begin(&b, "aep");
    scenario(&b, "s", "ack/deadline");
    TIMES(&b, 5, PLAIN);
    TIMES(&b, 5, .status = 429);
    judge(&b);
    expect(&b, "ack/deadline", VERDICT_PASS);
    assert_int_equal(found(&b, "ack/deadline")->judged, 5);
    finish(&b);
}

static void test_who_only_ever_says_wait_does_not_conform(void **state)
{
    (void)state;
    struct book b;
    begin(&b, "aep");
    scenario(&b, "s", "ack/deadline");
    TIMES(&b, 5, .status = 429);
    judge(&b);
    expect_only(&b, "ack/deadline");
    finish(&b);
}

static void test_the_events_api_does_not_wait(void **state)
{
    (void)state;
    struct book b;
    begin(&b, "events-api");
    scenario(&b, "s", "ack/deadline");
    TIMES(&b, 5, PLAIN);
    TIMES(&b, 5, .status = 429);
    judge(&b);
    expect_only(&b, "ack/deadline");
    finish(&b);
}

static void test_throttling_a_forger_is_not_refusing_him(void **state)
{
    (void)state;
    struct book b;
    begin(&b, "events-api");
    scenario(&b, "s", "sig/forged");
    TIMES(&b, 5, PLAIN);
    TIMES(&b, 5, FAULT("forge", "random"), .status = 429);
    judge(&b);
    expect_no_failure(&b);
    expect(&b, "sig/forged", VERDICT_INCONCLUSIVE);
    expect_reason(&b, "sig/forged", "429");
    finish(&b);
}

static void test_aep_wants_exactly_200_to_head_and_nothing_of_events(void **state)
{
    (void)state;
    struct book b;
    begin(&b, "aep");
    scenario(&b, "s", "reach/head");
    PLAY(&b, .kind = "reachability", .status = 204);
    TIMES(&b, 5, .status = 204);
    judge(&b);
    expect(&b, "reach/head", VERDICT_FAIL);
    assert_int_equal(found(&b, "reach/head")->judged, 1);
    expect_reason(&b, "reach/head", "1 of 1 HEAD requests was not answered with 200: it was answered 204");
    finish(&b);
}

static void test_the_test_button_takes_any_2xx(void **state)
{
    (void)state;
    struct book b;
    begin(&b, "events-api");
    scenario(&b, "s", "reach/test");
    PLAY(&b, .kind = "reachability", .status = 204);
    judge(&b);
    expect(&b, "reach/test", VERDICT_PASS);
    finish(&b);
}

static void test_a_test_button_refused_like_all_else_is_the_signatures_fault(void **state)
{
    (void)state;
    struct book b;
    begin(&b, "events-api");
    scenario(&b, "s", "reach/test");
    PLAY(&b, .kind = "reachability", .status = 401);
    TIMES(&b, 5, .status = 401);
    judge(&b);
    expect_only(&b, "sig/valid");
    finish(&b);
}

static void test_a_head_that_is_refused_is_its_own_fault(void **state)
{
    (void)state;
    struct book b;
    begin(&b, "aep");
    scenario(&b, "s", "reach/head");
    PLAY(&b, .kind = "reachability", .status = 401); /* it bears no signature */
    TIMES(&b, 5, PLAIN);
    judge(&b);
    expect_only(&b, "reach/head");
    finish(&b);
}

static void test_a_check_that_is_as_silent_as_all_else_is_no_failure_of_its_own(void **state)
{
    (void)state;
    struct book b;
    begin(&b, "events-api");
    scenario(&b, "s", "reach/test ack/deadline");
    TIMES(&b, 5, .outcome = "timeout", .ms = 500);
    PLAY(&b, .kind = "reachability", .outcome = "timeout", .ms = 500);
    TIMES(&b, 5, PLAIN);
    judge(&b);
    expect_only(&b, "ack/deadline");
    expect(&b, "reach/test", VERDICT_INCONCLUSIVE);
    expect_reason(&b, "reach/test", "(see ack/deadline)");
    finish(&b);
}

static void test_a_check_that_silences_those_beside_it_is_what_fails(void **state)
{
    (void)state;
    struct book b;
    begin(&b, "events-api");
    scenario(&b, "s", "reach/test ack/deadline");
    send_only(&b, (struct turn){.kind = "reachability"});
    send_only(&b, (struct turn){0});
    answer_to(&b, 1, (struct turn){.outcome = "timeout", .ms = 500});
    answer_to(&b, 2, (struct turn){.outcome = "timeout", .ms = 500});
    b.at_us += 1000000;
    TIMES(&b, 5, PLAIN);
    judge(&b);
    expect_only(&b, "reach/test");
    expect(&b, "ack/deadline", VERDICT_PASS);
    finish(&b);
}

/* ---- copies ----------------------------------------------------------------------------------- */

/* Ten events, and a copy of each while it is on its way. The connector dislikes whichever comes second: here
 * that is the original. */
static void test_an_original_that_its_copy_overtook_is_what_came_again(void **state)
{
    (void)state;
    struct book b;
    begin(&b, "aep");
    scenario(&b, "s", "ack/duplicate ack/deadline");
    for (unsigned i = 0; i < 10; i++) {
        send_only(&b, (struct turn){.gap_ms = 4000});
        send_only(&b, (struct turn){FAULT("duplicate", "apart"), .copy_of = b.deliveries});
        answer_to(&b, b.deliveries, (struct turn){0});
        answer_to(&b, b.deliveries - 1, (struct turn){.outcome = "timeout", .ms = 3000});
    }
    judge(&b);
    expect_only(&b, "ack/duplicate");
    expect_reason(&b, "ack/duplicate", "10 of 10 events that came again were not acknowledged");
    expect(&b, "ack/deadline", VERDICT_PASS);
    finish(&b);
}

static void test_an_original_that_had_ended_was_not_overtaken(void **state)
{
    (void)state;
    struct book b;
    begin(&b, "aep");
    scenario(&b, "s", "ack/duplicate ack/deadline");
    TIMES(&b, 5, PLAIN);
    PLAY(&b, .status = 500);
    PLAY(&b, FAULT("duplicate", "apart"), .copy_of = 6);
    judge(&b);
    expect_only(&b, "ack/deadline");
    expect(&b, "ack/duplicate", VERDICT_PASS);
    finish(&b);
}

/* ---- batches and load ------------------------------------------------------------------------- */

static void test_a_batch_too_many_is_blamed_on_batches_everywhere(void **state)
{
    (void)state;
    struct book b;
    begin(&b, "events-api");
    scenario(&b, "s", "form/batch ack/deadline");
    TIMES(&b, 5, PLAIN);
    TIMES(&b, 5, .events = 5);
    TIMES(&b, 5, .events = 6, .status = 413);
    load_scenario(&b);
    TIMES(&b, 5, PLAIN);
    TIMES(&b, 5, .events = 10, .status = 413);
    judge(&b);
    expect_only(&b, "form/batch");
    assert_int_equal(found(&b, "form/batch")->failed, 10);
    finish(&b);
}

static void test_batches_that_are_all_refused_are_blamed_with_nothing_smaller(void **state)
{
    (void)state;
    struct book b;
    begin(&b, "events-api");
    scenario(&b, "s", "form/batch");
    TIMES(&b, 5, .events = 10, .status = 413);
    judge(&b);
    expect_only(&b, "form/batch");
    finish(&b);
    begin(&b, "events-api");
    scenario(&b, "s", "form/batch");
    TIMES(&b, 5, .events = 10, .status = 404);
    PLAY(&b, .status = 404);
    judge(&b);
    expect_only(&b, "ack/deadline");
    finish(&b);
}

static void test_a_batch_like_others_that_were_taken_is_not_too_many(void **state)
{
    (void)state;
    struct book b;
    begin(&b, "events-api");
    scenario(&b, "s", "form/batch ack/deadline");
    TIMES(&b, 5, .events = 10);
    TIMES(&b, 5, .events = 10, .status = 500);
    judge(&b);
    expect_only(&b, "ack/deadline");
    expect(&b, "form/batch", VERDICT_PASS);
    finish(&b);
}

static void test_a_batch_that_takes_too_long_is_slow(void **state)
{
    (void)state;
    struct book b;
    begin(&b, "events-api");
    scenario(&b, "s", "form/batch ack/deadline");
    TIMES(&b, 5, PLAIN);
    TIMES(&b, 5, .events = 10, .outcome = "timeout", .ms = 500);
    judge(&b);
    expect_only(&b, "ack/deadline");
    expect_reason(&b, "form/batch", "(see ack/deadline)");
    finish(&b);
}

static void test_load_passes_and_fails_by_itself(void **state)
{
    (void)state;
    for (int bad = 0; bad < 2; bad++) {
        struct book b;
        begin(&b, "aep");
        scenario(&b, "s", "ack/deadline");
        TIMES(&b, 5, PLAIN);
        load_scenario(&b);
        TIMES(&b, 50, PLAIN);
        if (bad) {
            TIMES(&b, 5, .outcome = "timeout", .ms = 3000);
            TIMES(&b, 5, .status = 503);
        }
        judge(&b);
        expect(&b, "ack/load", bad ? VERDICT_FAIL : VERDICT_PASS);
        assert_int_equal(found(&b, "ack/load")->judged, bad ? 60 : 50);
        if (bad)
            expect_only(&b, "ack/load");
        finish(&b);
    }
}

static void test_what_load_does_not_explain_is_not_blamed_on_it(void **state)
{
    (void)state;
    struct book b;
    begin(&b, "aep");
    load_scenario(&b);
    TIMES(&b, 50, PLAIN);
    TIMES(&b, 5, .status = 401);
    judge(&b);
    expect_only(&b, "sig/valid");
    finish(&b);
    begin(&b, "aep");
    load_scenario(&b);
    TIMES(&b, 50, PLAIN);
    TIMES(&b, 5, .status = 404);
    judge(&b);
    expect_only(&b, "flow/suspension");
    finish(&b);
}

static void test_load_that_is_never_answered_is_no_load(void **state)
{
    (void)state;
    struct book b;
    begin(&b, "aep");
    load_scenario(&b);
    TIMES(&b, 30, .outcome = "timeout");
    judge(&b);
    expect_only(&b, "ack/deadline");
    expect(&b, "ack/load", VERDICT_INCONCLUSIVE);
    finish(&b);
}

static void test_a_copy_that_is_slow_under_load_is_the_loads(void **state)
{
    (void)state;
    struct book b;
    begin(&b, "aep");
    load_scenario(&b);
    TIMES(&b, 10, PLAIN);
    TIMES(&b, 10, .outcome = "timeout", .ms = 3000);
    TIMES(&b, 5, FAULT("duplicate", "apart"));
    TIMES(&b, 5, FAULT("duplicate", "apart"), .outcome = "timeout", .ms = 3000);
    judge(&b);
    expect_only(&b, "ack/load");
    finish(&b);
}

/* ---- signatures and diagnosis ------------------------------------------------------------------ */

static void test_the_mistake_is_named_that_was_accepted(void **state)
{
    (void)state;
    struct book b;
    begin(&b, "events-api");
    scenario(&b, "s", "sig/valid");
    TIMES(&b, 5, .status = 401);
    PLAY(&b, .kind = "diagnosis", .mistake = "no-timestamp", .status = 401);
    PLAY(&b, .kind = "diagnosis", .mistake = "no-dot");
    judge(&b);
    expect_only(&b, "sig/valid");
    expect_reason(&b, "sig/valid", "your connector verifies HMAC(timestamp + body) without the dot");
    assert_string_equal(found(&b, "sig/valid")->fix, "sign the timestamp, a dot and the body");
    assert_int_equal(found(&b, "sig/valid")->judged, 5);
    finish(&b);
}

static void test_a_connector_that_takes_anything_in_diagnosis_makes_no_mistake(void **state)
{
    (void)state;
    struct book b;
    begin(&b, "events-api");
    scenario(&b, "s", "sig/valid");
    TIMES(&b, 5, .status = 403);
    PLAY(&b, .kind = "diagnosis", .mistake = "no-dot");
    PLAY(&b, .kind = "diagnosis", .mistake = "base64");
    judge(&b);
    expect_only(&b, "sig/valid");
    expect_reason(&b, "sig/valid", "5 of 5 rightly signed requests were refused; the first was answered 403");
    finish(&b);
}

static void test_upper_case_is_no_mistake_of_who_takes_lower_case_too(void **state)
{
    (void)state;
    struct book b;
    begin(&b, "aep");
    scenario(&b, "s", "sig/valid");
    TIMES(&b, 5, PLAIN);
    TIMES(&b, 1, .event = "product.created", .status = 403);
    PLAY(&b, .kind = "diagnosis", .mistake = "upper-case");
    judge(&b);
    expect_reason(&b, "sig/valid",
                  "1 of 6 rightly signed requests was refused: it was answered 403 Forbidden");
    finish(&b);
}

static void test_reserialised_bytes_are_diagnosed_beside_accepted_ones(void **state)
{
    (void)state;
    struct book b;
    begin(&b, "aep");
    scenario(&b, "s", "sig/raw-bytes sig/valid");
    TIMES(&b, 5, PLAIN);
    TIMES(&b, 2, .event = "product.created", .status = 401); /* has a slash: the bytes decide */
    TIMES(&b, 5, FAULT("bytes", "slashes"), .status = 401);
    PLAY(&b, .kind = "diagnosis", .mistake = "reserialised");
    judge(&b);
    expect_only(&b, "sig/raw-bytes");
    expect_reason(&b, "sig/raw-bytes", "JSON.stringify");
    finish(&b);
}

static void test_no_signature_check_at_all_is_called_so(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"random", "sig/forged"},     {"missing", "sig/missing"}, {"other-secret", "sig/other-secret"},
        {"tampered", "sig/tampered"}, {"non-hex", "sig/odd"},     {"stale", "sig/stale"}};
    struct book b;
    begin(&b, "events-api");
    scenario(&b, "s", "sig/forged sig/missing sig/other-secret sig/tampered sig/odd sig/stale");
    TIMES(&b, 5, PLAIN);
    for (size_t i = 0; i < COUNT_OF(pairs); i++)
        TIMES(&b, 2, FAULT("forge", pairs[i][0]));
    judge(&b);
    for (size_t i = 0; i < COUNT_OF(pairs); i++)
        expect(&b, pairs[i][1], VERDICT_FAIL);
    expect_reason(&b, "sig/forged", "your connector checks no signature at all");
    for (size_t i = 1; i < COUNT_OF(pairs); i++)
        expect_reason(&b, pairs[i][1], "no signature is checked at all (see sig/forged)");
    finish(&b);
}

static void test_a_check_that_has_a_hole_is_not_called_none(void **state)
{
    (void)state;
    struct book b;
    begin(&b, "aep");
    scenario(&b, "s", "sig/forged sig/missing");
    TIMES(&b, 5, PLAIN);
    TIMES(&b, 5, FAULT("forge", "random"), .status = 401);
    TIMES(&b, 5, FAULT("forge", "missing"));
    judge(&b);
    expect_only(&b, "sig/missing");
    expect_reason(
        &b, "sig/missing",
        "5 of 5 requests without a signature were not refused with 4xx; the first was answered 200 OK");
    finish(&b);
}

static void test_one_hole_alone_is_not_called_no_check(void **state)
{
    (void)state;
    static const char *const holes[][2] = {{"random", "random"}, {"missing", "empty"}};
    for (size_t i = 0; i < COUNT_OF(holes); i++) {
        struct book b;
        begin(&b, "aep");
        scenario(&b, "s", "sig/forged sig/missing");
        TIMES(&b, 5, PLAIN);
        TIMES(&b, 5, FAULT("forge", holes[i][0]));
        TIMES(&b, 5, FAULT("forge", holes[i][1]));
        judge(&b);
        assert_null(strstr(found(&b, i ? "sig/missing" : "sig/forged")->reason, "at all"));
        finish(&b);
    }
}

/* ---- evidence and words ---------------------------------------------------------------------- */

static void test_evidence_shows_each_sort_before_a_second_of_any(void **state)
{
    (void)state;
    static const char *const variants[] = {"empty", "truncated", "over-long", "non-hex"};
    struct book b;
    begin(&b, "aep");
    scenario(&b, "s", "sig/odd");
    TIMES(&b, 5, PLAIN);
    TIMES(&b, 10, FAULT("forge", variants[0]));
    for (size_t i = 1; i < 4; i++)
        TIMES(&b, 10, FAULT("forge", variants[i]), .status = 500);
    judge(&b);
    const struct finding *f = found(&b, "sig/odd");
    static const uint32_t deliveries[] = {6, 7, 16, 26, 36};
    assert_int_equal(f->evidence_count, 5);
    assert_int_equal(f->failed, 40);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(f->evidence[i].delivery, deliveries[i]);
    finish(&b);
}

static void test_evidence_says_what_was_sent_expected_and_came(void **state)
{
    (void)state;
    struct book b;
    begin(&b, "events-api");
    scenario(&b, "s", "ack/duplicate");
    PLAY(&b, .events = 3);
    PLAY(&b, FAULT("duplicate", "apart"), .event = "product.created", .events = 3, .status = 409, .ms = 2,
         .more = ",\"excerpt\":\"duplicate key\\r\\n\"");
    judge(&b);
    const struct evidence *e = &found(&b, "ack/duplicate")->evidence[0];
    assert_int_equal(e->delivery, 2);
    assert_string_equal(e->event_id, "018e197c-dfe2-70f8-9346-000000000002");
    assert_string_equal(e->request,
                        "delivery 2: product.created and 2 more, a copy of an event that came before");
    assert_string_equal(e->expected, "2xx within 500 ms");
    assert_string_equal(e->came, "409 Conflict after 2.0 ms: duplicate key");
    expect_reason(&b, "ack/duplicate",
                  "1 of 1 events that came again was not acknowledged: it was answered 409 Conflict");
    finish(&b);
}

static void test_a_type_that_alone_fails_is_named(void **state)
{
    (void)state;
    struct book b;
    begin(&b, "aep");
    scenario(&b, "s", "ack/deadline");
    TIMES(&b, 3, .event = "product.removed", .status = 500);
    TIMES(&b, 5, PLAIN);
    judge(&b);
    expect_reason(&b, "ack/deadline", "; all of them were product.removed");
    finish(&b);
}

/* ---- the sum: score, --require, --strict, --fail-under ---------------------------------------- */

/* Two MUST rules and one SHOULD rule are judged; one MUST or the SHOULD fails. */
static const struct judgement *judge_sum(struct book *b, bool must_fails, bool should_fails,
                                         const struct judge_options *options)
{
    begin(b, "aep");
    scenario(b, "s", "ack/deadline ack/status sig/forged sig/rotation");
    TIMES(b, 5, .status = should_fails ? 202 : 200);
    TIMES(b, 5, FAULT("forge", "random"), .status = must_fails ? 200 : 401);
    return judge_with(b, options);
}

static const struct category_score *category(const struct judgement *j, const char *name)
{
    for (size_t i = 0; i < j->category_count; i++)
        if (strcmp(j->categories[i].name, name) == 0)
            return &j->categories[i];
    fail_msg("no category %s", name);
    return NULL;
}

static void test_score_weighs_must_three_and_should_one(void **state)
{
    (void)state;
    struct book b;
    const struct judgement *j = judge_sum(&b, false, true, &(struct judge_options){0});
    assert_int_equal(j->score, 100 * 6 / 7);
    assert_int_equal(category(j, "ack")->score, 75);
    assert_int_equal(category(j, "ack")->failed, 1);
    assert_int_equal(category(j, "sig")->score, 100);
    assert_int_equal(category(j, "reach")->score, -1);
    assert_int_equal(category(j, "reach")->not_applicable, 1);
    assert_int_equal(j->verdict, CONFORMS);
    assert_int_equal(judgement_exit_code(j), 0);
    finish(&b);
    j = judge_sum(&b, true, false, &(struct judge_options){0});
    assert_int_equal(j->score, 100 * 4 / 7);
    assert_int_equal(j->verdict, FAILS);
    assert_int_equal(judgement_exit_code(j), 1);
    finish(&b);
}

static void test_strict_lets_should_rules_fail_the_run(void **state)
{
    (void)state;
    struct book b;
    assert_int_equal(judge_sum(&b, false, true, &(struct judge_options){.strict = true})->verdict, FAILS);
    finish(&b);
}

static void test_fail_under_is_a_limit_that_passes_itself(void **state)
{
    (void)state;
    struct book b;
    assert_int_equal(judge_sum(&b, false, true, &(struct judge_options){.fail_under = 85})->verdict,
                     CONFORMS);
    finish(&b);
    assert_int_equal(judge_sum(&b, false, true, &(struct judge_options){.fail_under = 86})->verdict, FAILS);
    finish(&b);
}

static void test_require_makes_what_is_unseen_inconclusive(void **state)
{
    (void)state;
    static const char *const rules[] = {"ack/status", "sig/rotation", "sig/stale"};
    static const enum conformance want[] = {CONFORMS, INCONCLUSIVE, INCONCLUSIVE};
    for (size_t i = 0; i < COUNT_OF(rules); i++) {
        struct book b;
        struct judge_options options = {.require = &rules[i], .require_count = 1};
        assert_int_equal(judge_sum(&b, false, true, &options)->verdict, want[i]);
        finish(&b);
    }
}

static void test_a_failure_outweighs_what_is_open(void **state)
{
    (void)state;
    static const char *const rule = "sig/rotation";
    struct book b;
    struct judge_options options = {.require = &rule, .require_count = 1};
    assert_int_equal(judge_sum(&b, true, false, &options)->verdict, FAILS);
    finish(&b);
}

static void test_a_run_without_deliveries_is_never_a_success(void **state)
{
    (void)state;
    struct book b;
    begin(&b, "aep");
    scenario(&b, "s", "ack/deadline");
    const struct judgement *j = judge(&b);
    assert_int_equal(j->score, -1);
    assert_int_equal(judgement_exit_code(j), 4);
    expect(&b, "ack/deadline", VERDICT_NOT_OBSERVED);
    finish(&b);
}

static void test_what_was_counted_is_told(void **state)
{
    (void)state;
    struct book b;
    begin(&b, "events-api");
    scenario(&b, "one", "ack/deadline");
    TIMES(&b, 8, .events = 2, .ms = 10);
    PLAY(&b, .outcome = "timeout", .ms = 500);
    scenario(&b, "two", "ack/deadline");
    PLAY(&b, .outcome = "reset");
    const struct judgement *j = judge(&b);
    assert_int_equal(j->deliveries, 10);
    assert_int_equal(j->events, 18);
    assert_int_equal(j->answered, 8);
    assert_int_equal(j->acknowledged, 8);
    assert_int_equal(j->timeouts, 1);
    assert_int_equal(j->unreachable, 1);
    assert_int_equal(j->bytes, 100);
    assert_int_equal(j->ack.count, 8);
    assert_int_equal(j->ack.p99_us, 10000);
    assert_int_equal(j->duration_us, 5000);
    assert_true(j->seed == UINT64_MAX);
    assert_int_equal(j->scenario_count, 2);
    assert_string_equal(j->scenarios[1], "two");
    assert_false(j->interrupted);
    finish(&b);
}

/* ---- interrupted, cut, foreign and hostile journals -------------------------------------------- */

static void test_a_killed_run_is_judged_for_what_it_holds(void **state)
{
    (void)state;
    struct book b;
    begin(&b, "aep");
    scenario(&b, "s", "ack/deadline sig/forged");
    TIMES(&b, 5, PLAIN);
    send_only(&b, (struct turn){0});
    send_only(&b, (struct turn){FAULT("forge", "random")});
    buf_puts(&b.text, "{\"record\":\"answer\",\"deliv"); /* cut here */
    assert_true(judge_text(&b, &(struct judge_options){0}));
    expect(&b, "ack/deadline", VERDICT_PASS);
    assert_int_equal(found(&b, "ack/deadline")->judged, 5);
    expect(&b, "sig/forged", VERDICT_INCONCLUSIVE);
    expect_reason(&b, "sig/forged", "the run ended before");
    assert_true(b.judgement->interrupted);
    assert_int_equal(judgement_exit_code(b.judgement), 4);
    finish(&b);
}

static void test_a_killed_run_without_a_failure_is_not_a_success(void **state)
{
    (void)state;
    struct book b;
    begin(&b, "aep");
    scenario(&b, "s", "ack/deadline sig/stale ack/status");
    TIMES(&b, 5, PLAIN);
    line(&b, "{\"record\":\"end\",\"reason\":\"interrupted\",\"duration_us\":1}");
    assert_true(judge_text(&b, &(struct judge_options){0}));
    assert_int_equal(b.judgement->score, 100);
    assert_int_equal(b.judgement->verdict, INCONCLUSIVE);
    finish(&b);
}

static void test_a_failure_stands_in_a_killed_run_too(void **state)
{
    (void)state;
    struct book b;
    begin(&b, "aep");
    scenario(&b, "s", "ack/deadline");
    TIMES(&b, 5, .status = 500);
    assert_true(judge_text(&b, &(struct judge_options){0}));
    assert_int_equal(b.judgement->verdict, FAILS);
    finish(&b);
}

static void test_what_a_later_version_adds_is_passed_over(void **state)
{
    (void)state;
    struct book b;
    begin(&b, "aep");
    scenario_with(&b, "s", "ack/deadline sig/of-the-future sig/forged", ",\"more\":{\"a\":[1]}");
    line(&b, "{\"record\":\"weather\",\"of\":\"tomorrow\",\"delivery\":1}");
    TIMES(&b, 5, PLAIN);
    TIMES(&b, 5, FAULT("forge", "quantum"), .status = 401);
    TIMES(&b, 5, FAULT("gravity", "off"), .status = 500);
    TIMES(&b, 5, .kind = "telepathy", .status = 500);
    TIMES(&b, 5, .outcome = "quantum");
    PLAY(&b, .kind = "diagnosis", .mistake = "unheard-of");
    judge(&b);
    expect_no_failure(&b);
    expect(&b, "ack/deadline", VERDICT_PASS);
    assert_int_equal(found(&b, "ack/deadline")->judged, 5);
    expect(&b, "sig/forged", VERDICT_NOT_OBSERVED);
    finish(&b);
}

static void expect_refused(struct book *b, const char *words)
{
    assert_false(judge_text(b, &(struct judge_options){0}));
    assert_null(b->judgement);
    if (!strstr(b->err.text, words))
        fail_msg("\"%s\" does not say \"%s\"", b->err.text, words);
    assert_int_equal(b->err.code, EXIT_USAGE);
    finish(b);
}

static void test_what_is_no_journal_is_refused(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"", "run.ndjson: an empty journal"},
        {"\n", "line 1"},
        {"hello\n", "line 1"},
        {"{\"a\":1}\n", "line 1: not a record"},
        {"[]\n", "not a record"},
        {"{\"record\":7}\n", "not a record"},
        {"{\"record\":\"send\",\"delivery\":1}\n", "does not start with a \"run\" record"},
        {"{\"record\":\"run\"}\n", "journal version 0"},
        {"{\"record\":\"run\",\"journal\":2}\n", "journal version 2; this pimsim reads version 1"},
        {"{\"record\":\"run\",\"journal\":99999999999999999999999}\n", "journal version"},
        {"{\"record\":\"run\",\"journal\":1}\n", "unknown platform \"\""},
        {"{\"record\":\"run\",\"journal\":1,\"platform\":\"aep\"}\n", "deadline_us"},
        {"{\"record\":\"run\",\"journal\":1,\"platform\":\"aep\",\"deadline_us\":-5}\n", "deadline_us"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct book b = {0};
        buf_init(&b.text, 1 << 20);
        buf_puts(&b.text, rows[i][0]);
        expect_refused(&b, rows[i][1]);
    }
}

static void test_gaps_and_mixtures_are_refused(void **state)
{
    (void)state;
    struct book b;
    begin(&b, "aep");
    scenario(&b, "s", "");
    PLAY(&b, PLAIN);
    b.deliveries++;
    PLAY(&b, PLAIN);
    expect_refused(&b, "delivery 3 does not follow delivery 1");
    begin(&b, "aep");
    PLAY(&b, PLAIN);
    expect_refused(&b, "before the first scenario");
    begin(&b, "aep");
    scenario(&b, "s", "");
    struct book other;
    begin(&other, "aep");
    buf_put_span(&b.text, buf_span(&other.text));
    buf_reset(&other.text);
    expect_refused(&b, "two journals");
    begin(&b, "aep");
    buf_put(&b.text, "{\"record\":\"scen\0ario\"}\n", 23);
    expect_refused(&b, "line 2");
}

static void test_absurd_members_do_no_harm(void **state)
{
    (void)state;
    struct book b;
    begin(&b, "aep");
    line(&b, "{\"record\":\"scenario\"}");
    line(&b, "{\"record\":\"scenario\",\"name\":7,\"rules\":{\"a\":\"ack/deadline\"},\"load\":\"yes\"}");
    line(&b, "{\"record\":\"scenario\",\"name\":\"a\\u0000b\",\"rules\":[null,[],\"ack/deadline\",\"ack/"
             "deadline\"]}");
    line(&b, "{\"record\":\"send\",\"delivery\":1}");
    line(&b, "{\"record\":\"answer\",\"delivery\":1}");
    line(&b, "{\"record\":\"answer\",\"delivery\":1,\"outcome\":\"answered\",\"status\":65736}");
    line(&b, "{\"record\":\"answer\",\"delivery\":1,\"outcome\":\"answered\",\"status\":200}");
    line(&b, "{\"record\":\"answer\",\"delivery\":0,\"outcome\":\"answered\",\"status\":500}");
    line(&b, "{\"record\":\"answer\",\"delivery\":77,\"outcome\":\"answered\",\"status\":500}");
    line(&b, "{\"record\":\"answer\",\"delivery\":-1,\"outcome\":[],\"status\":500}");
    line(&b, "{\"record\":\"send\",\"delivery\":2,\"kind\":\"events\",\"events\":99999999999999999999,"
             "\"at_us\":9223372036854775807,\"bytes\":9223372036854775807,\"event\":{},\"event_id\":[]}");
    line(&b, "{\"record\":\"answer\",\"delivery\":2,\"outcome\":\"answered\",\"status\":-200,"
             "\"latency_us\":9223372036854775807,\"total_us\":9223372036854775807,\"late_us\":1e300,"
             "\"excerpt\":\"\\u0000\\ud83d\\ude00\"}");
    line(&b, "{\"record\":\"send\",\"delivery\":3,\"fault\":\"forge\",\"variant\":\""
             "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}");
    line(&b, "{\"record\":\"end\"}");
    assert_true(judge_text(&b, &(struct judge_options){0}));
    assert_int_equal(b.judgement->deliveries, 3);
    assert_int_equal(b.judgement->acknowledged, 0);
    assert_true(b.judgement->interrupted);
    finish(&b);
}

static void test_many_event_names_cost_no_time(void **state)
{
    (void)state;
    struct book b;
    begin(&b, "aep");
    scenario(&b, "s", "ack/deadline");
    for (unsigned i = 0; i < 50000; i++) {
        char name[32];
        snprintf(name, sizeof name, "event.%u", i);
        PLAY(&b, .event = name, .status = i == 49999 ? 500 : 200);
    }
    judge(&b);
    assert_int_equal(found(&b, "ack/deadline")->judged, 50000);
    assert_string_equal(found(&b, "ack/deadline")->evidence[0].request, "delivery 50000: an event");
    finish(&b);
}

static void test_the_small_journal_of_the_manual_is_judged(void **state)
{
    (void)state;
    struct book b = {0};
    buf_init(&b.text, 1 << 20);
    assert_true(buf_read_file(&b.text, "tests/journals/small.ndjson", &b.err));
    assert_true(judge_text(&b, &(struct judge_options){0}));
    assert_int_equal(b.judgement->verdict, CONFORMS);
    assert_int_equal(b.judgement->score, 100);
    finish(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_rule_passes_when_it_is_shown),
        cmocka_unit_test(test_every_rule_fails_alone_and_with_evidence),
        cmocka_unit_test(test_every_rule_is_inconclusive_without_an_acknowledged_delivery),
        cmocka_unit_test(test_every_rule_is_not_observed_unless_asked_for),
        cmocka_unit_test(test_rules_of_the_other_platform_are_not_applicable),
        cmocka_unit_test(test_every_rule_of_the_table_is_shown_here),
        cmocka_unit_test(test_a_refusal_is_no_merit_when_everything_is_refused),
        cmocka_unit_test(test_the_control_is_of_the_same_scenario),
        cmocka_unit_test(test_a_scenario_without_plain_deliveries_asks_for_some),
        cmocka_unit_test(test_moments_and_order_are_controls_as_well),
        cmocka_unit_test(test_a_wrong_path_is_one_failure),
        cmocka_unit_test(test_silence_while_we_were_late_is_nobodys_fault),
        cmocka_unit_test(test_silence_is_blamed_when_we_were_late_by_little),
        cmocka_unit_test(test_an_end_of_the_connection_is_blamed_unless_we_were_very_late),
        cmocka_unit_test(test_a_wrong_answer_is_blamed_however_late_we_were),
        cmocka_unit_test(test_headroom_leaves_out_our_lateness),
        cmocka_unit_test(test_headroom_counts_from_when_we_sent),
        cmocka_unit_test(test_headroom_forgives_one_in_a_hundred),
        cmocka_unit_test(test_headroom_leaves_out_bodies_that_we_send_slowly),
        cmocka_unit_test(test_a_request_that_we_could_not_make_is_nobodys_fault),
        cmocka_unit_test(test_silence_now_and_then_is_the_pace),
        cmocka_unit_test(test_silence_that_always_follows_a_fault_is_the_faults),
        cmocka_unit_test(test_silence_that_chance_explains_is_not_the_faults),
        cmocka_unit_test(test_sporadic_silence_to_a_forgery_passes_by_the_others),
        cmocka_unit_test(test_errors_now_and_then_are_not_the_faults),
        cmocka_unit_test(test_errors_that_only_a_fault_brings_are_the_faults),
        cmocka_unit_test(test_a_mood_is_no_variants_fault),
        cmocka_unit_test(test_what_mostly_follows_a_variant_is_no_mood),
        cmocka_unit_test(test_a_crash_is_not_blamed_on_the_requests_beside_it),
        cmocka_unit_test(test_a_connector_that_stays_dead_fails_once),
        cmocka_unit_test(test_a_connector_that_dies_by_itself_fails),
        cmocka_unit_test(test_a_refused_connection_is_never_the_requests_fault),
        cmocka_unit_test(test_a_hang_is_not_blamed_on_the_requests_behind_it),
        cmocka_unit_test(test_a_sender_that_hangs_up_expects_nothing),
        cmocka_unit_test(test_notifications_speak_of_nothing_but_themselves),
        cmocka_unit_test(test_a_connector_that_is_gone_is_not_excused_by_a_notification),
        cmocka_unit_test(test_redirects_are_one_failure_with_their_target),
        cmocka_unit_test(test_forgers_sent_to_a_login_page_are_redirected),
        cmocka_unit_test(test_aep_may_be_told_to_wait),
        cmocka_unit_test(test_who_only_ever_says_wait_does_not_conform),
        cmocka_unit_test(test_the_events_api_does_not_wait),
        cmocka_unit_test(test_throttling_a_forger_is_not_refusing_him),
        cmocka_unit_test(test_aep_wants_exactly_200_to_head_and_nothing_of_events),
        cmocka_unit_test(test_the_test_button_takes_any_2xx),
        cmocka_unit_test(test_a_test_button_refused_like_all_else_is_the_signatures_fault),
        cmocka_unit_test(test_a_head_that_is_refused_is_its_own_fault),
        cmocka_unit_test(test_a_check_that_is_as_silent_as_all_else_is_no_failure_of_its_own),
        cmocka_unit_test(test_a_check_that_silences_those_beside_it_is_what_fails),
        cmocka_unit_test(test_an_original_that_its_copy_overtook_is_what_came_again),
        cmocka_unit_test(test_an_original_that_had_ended_was_not_overtaken),
        cmocka_unit_test(test_a_batch_too_many_is_blamed_on_batches_everywhere),
        cmocka_unit_test(test_batches_that_are_all_refused_are_blamed_with_nothing_smaller),
        cmocka_unit_test(test_a_batch_like_others_that_were_taken_is_not_too_many),
        cmocka_unit_test(test_a_batch_that_takes_too_long_is_slow),
        cmocka_unit_test(test_load_passes_and_fails_by_itself),
        cmocka_unit_test(test_what_load_does_not_explain_is_not_blamed_on_it),
        cmocka_unit_test(test_load_that_is_never_answered_is_no_load),
        cmocka_unit_test(test_a_copy_that_is_slow_under_load_is_the_loads),
        cmocka_unit_test(test_the_mistake_is_named_that_was_accepted),
        cmocka_unit_test(test_a_connector_that_takes_anything_in_diagnosis_makes_no_mistake),
        cmocka_unit_test(test_upper_case_is_no_mistake_of_who_takes_lower_case_too),
        cmocka_unit_test(test_reserialised_bytes_are_diagnosed_beside_accepted_ones),
        cmocka_unit_test(test_no_signature_check_at_all_is_called_so),
        cmocka_unit_test(test_a_check_that_has_a_hole_is_not_called_none),
        cmocka_unit_test(test_one_hole_alone_is_not_called_no_check),
        cmocka_unit_test(test_evidence_shows_each_sort_before_a_second_of_any),
        cmocka_unit_test(test_evidence_says_what_was_sent_expected_and_came),
        cmocka_unit_test(test_a_type_that_alone_fails_is_named),
        cmocka_unit_test(test_score_weighs_must_three_and_should_one),
        cmocka_unit_test(test_strict_lets_should_rules_fail_the_run),
        cmocka_unit_test(test_fail_under_is_a_limit_that_passes_itself),
        cmocka_unit_test(test_require_makes_what_is_unseen_inconclusive),
        cmocka_unit_test(test_a_failure_outweighs_what_is_open),
        cmocka_unit_test(test_a_run_without_deliveries_is_never_a_success),
        cmocka_unit_test(test_what_was_counted_is_told),
        cmocka_unit_test(test_a_killed_run_is_judged_for_what_it_holds),
        cmocka_unit_test(test_a_killed_run_without_a_failure_is_not_a_success),
        cmocka_unit_test(test_a_failure_stands_in_a_killed_run_too),
        cmocka_unit_test(test_what_a_later_version_adds_is_passed_over),
        cmocka_unit_test(test_what_is_no_journal_is_refused),
        cmocka_unit_test(test_gaps_and_mixtures_are_refused),
        cmocka_unit_test(test_absurd_members_do_no_harm),
        cmocka_unit_test(test_many_event_names_cost_no_time),
        cmocka_unit_test(test_the_small_journal_of_the_manual_is_judged),
    };
    return cmocka_run_group_tests_name("judge", tests, NULL, NULL);
}
