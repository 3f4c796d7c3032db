/* Tests of the judge: what the connector's state says, in journals written by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "book.h"

/* ---- scenarios with effects ----------------------------------------------------------------- */

#define IN(u)       .universe = (u)
#define PRODUCTS    10 /* in a scenario, if nothing else is said */
#define PLACE       "state-url 1: /products/[]"
#define UNDISTURBED "{\"price\":10}"

static const char *const universes[] = {"A", "A'", "B"};

static void effects_scenario(struct book *b, const char *effects, const char *rules)
{
    char more[100];
    snprintf(more, sizeof more, ",\"effects\":\"%s\"", effects);
    scenario_with(b, effects, rules, more);
}

/* Created and updated in each universe, and acknowledged. */
static void play_products(struct book *b, unsigned count)
{
    for (unsigned n = 1; n <= count; n++)
        for (size_t u = 0; u < COUNT_OF(universes); u++) {
            PLAY(b, IN(universes[u]), .about = n, .event = "product.created");
            PLAY(b, IN(universes[u]), .about = n);
        }
}

static void snapshot(struct book *b, const char *more)
{
    buf_printf(&b->text, "{\"record\":\"snapshot\",\"at_us\":1,\"took_us\":1,\"looks\":2,\"bytes\":9%s}\n",
               more);
}

/* text is JSON whose strings are in single quotes. */
static void state_of(struct book *b, const char *universe, const char *about, const char *text)
{
    buf_printf(&b->text,
               "{\"record\":\"state\",\"universe\":\"%s\",\"place\":\"" PLACE
               "\",\"about\":\"%s\",\"text\":\"",
               universe, about);
    for (; *text; text++)
        buf_printf(&b->text, *text == '"' || *text == '\\' ? "\\%c" : "%c", *text);
    line(b, "\"}");
}

static void state(struct book *b, const char *universe, unsigned product, const char *text)
{
    char about[40];
    snprintf(about, sizeof about, "product %u", product);
    state_of(b, universe, about, text);
}

/* One record of each product and universe; those of B from `odd` to `last` hold `text` (NULL: there is none).
 */
static void look(struct book *b, unsigned odd, unsigned last, const char *text)
{
    snapshot(b, "");
    for (unsigned n = 1; n <= PRODUCTS; n++)
        for (size_t u = 0; u < COUNT_OF(universes); u++) {
            bool is_odd = n >= odd && n <= last && universes[u][0] == 'B';
            if (!is_odd || text)
                state(b, universes[u], n, is_odd ? text : UNDISTURBED);
        }
}

static void look_alike(struct book *b)
{
    look(b, 1, 0, NULL);
}

static void look_different(struct book *b, unsigned odd, unsigned last)
{
    look(b, odd, last, "{\"price\":9}");
}

static void settled(struct book *b)
{
    line(b, "{\"record\":\"settled\",\"name\":\"s\"}");
}

/* ---- every rule that the state shows, passed and failed -------------------------------------- */

/* What B's products suffer, one each. */
struct shown {
    const char *rule, *platform, *presupposed[2];
    struct turn fault;
};

static const struct shown shows[] = {
    {"idem/state", "aep", {NULL}, {FAULT("duplicate", "apart")}},
    {"idem/batch", "events-api", {"idem/state", "form/batch"}, {FAULT("duplicate", "together"), .events = 2}},
    {"idem/overlap", "aep", {"idem/state"}, {FAULT("overlap", "copy")}},
    {"idem/restart", "aep", {"idem/state", "durable/ack"}, {FAULT("restart", "again")}},
    {"idem/lost-ack", "aep", {"idem/state"}, {FAULT("duplicate", "apart")}},
    {"order/stale", "aep", {NULL}, {FAULT("reorder", "swap")}},
    {"order/delete", "aep", {"order/stale", "order/late-create"}, {FAULT("delay", "late")}},
    {"order/late-create", "aep", {"order/stale"}, {FAULT("delay", "late"), .event = "product.created"}},
    {"durable/ack", "aep", {NULL}, {FAULT("restart", "acked")}},
};

static void suffer(struct book *b, struct turn fault, unsigned from, unsigned to)
{
    for (unsigned n = from; n <= to; n++) {
        fault.universe = "B";
        fault.about = n;
        play(b, fault);
    }
}

static void play_shown(struct book *b, const struct shown *s, unsigned odd, unsigned last)
{
    effects_scenario(b, s->rule, s->rule);
    play_products(b, PRODUCTS);
    suffer(b, s->fault, 1, PRODUCTS - 1); /* with company of one: the last is not left out */
    look_different(b, odd, last);
    settled(b);
}

static void test_every_rule_passes_when_the_universes_are_alike(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < COUNT_OF(shows); i++) {
        struct book b;
        begin(&b, shows[i].platform);
        play_shown(&b, &shows[i], 1, 0);
        judge(&b);
        expect(&b, shows[i].rule, VERDICT_PASS);
        assert_int_equal(found(&b, shows[i].rule)->judged, PRODUCTS);
        assert_string_equal(found(&b, shows[i].rule)->scenario, shows[i].rule);
        assert_int_equal(b.judgement->verdict, CONFORMS);
        finish(&b);
    }
}

static void test_every_rule_fails_alone_when_b_differs(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < COUNT_OF(shows); i++) {
        struct book b;
        begin(&b, shows[i].platform);
        play_shown(&b, &shows[i], 3, 4);
        judge(&b);
        expect_only(&b, shows[i].rule);
        const struct finding *f = found(&b, shows[i].rule);
        assert_int_equal(f->judged, PRODUCTS);
        assert_int_equal(f->failed, 2);
        assert_int_equal(f->evidence_count, 2);
        expect_reason(&b, shows[i].rule, "2 of 10 products differ after ");
        expect_reason(&b, shows[i].rule, ": /price of product 3 is 9, and 10 without the fault");
        assert_null(strstr(f->reason, "after the fault")); /* it has words of its own */
        finish(&b);
    }
}

static void test_a_rule_is_not_failed_by_what_another_explains(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < COUNT_OF(shows); i++)
        for (size_t k = 0; k < 2 && shows[i].presupposed[k]; k++) {
            struct book b;
            const char *cause = shows[i].presupposed[k];
            begin(&b, shows[i].platform);
            play_shown(&b, &shows[i], 3, 4);
            struct shown other = {.rule = cause, .fault = {FAULT("duplicate", "apart"), .events = 2}};
            play_shown(&b, &other, 3, 4);
            judge(&b);
            expect_only(&b, cause);
            expect(&b, shows[i].rule, VERDICT_INCONCLUSIVE);
            expect_reason(&b, shows[i].rule, cause);
            assert_int_equal(found(&b, shows[i].rule)->judged, 0);
            assert_int_equal(found(&b, shows[i].rule)->evidence_count, 0);
            finish(&b);
        }
}

static void test_a_rule_passes_though_another_that_it_builds_on_fails(void **unused)
{
    (void)unused;
    struct book b;
    begin(&b, "aep");
    play_shown(&b, &shows[0], 3, 4);
    play_shown(&b, &shows[2], 1, 0);
    judge(&b);
    expect_only(&b, "idem/state");
    expect(&b, "idem/overlap", VERDICT_PASS);
    finish(&b);
}

static void test_every_rule_of_the_state_is_shown_here(void **unused)
{
    (void)unused;
    static const char *const categories[] = {"idem", "order", "durable"};
    for (size_t r = 0; r < rule_count(); r++)
        for (size_t c = 0; c < COUNT_OF(categories); c++) {
            bool here = strcmp(category_at(category_of(rule_at(r)))->name, categories[c]) != 0;
            for (size_t i = 0; i < COUNT_OF(shows); i++)
                here |= strcmp(shows[i].rule, rule_at(r)->id) == 0;
            if (!here)
                fail_msg("%s has no test", rule_at(r)->id);
        }
}

/* ---- whom a difference is held against ------------------------------------------------------- */

/* B's products 3 and 4 get one request each that must be refused. */
static void play_forged(struct book *b, struct turn fault)
{
    effects_scenario(b, "idem/state", "idem/state sig/forged sig/tampered sig/stale form/malformed sig/odd");
    play_products(b, PRODUCTS);
    suffer(b, (struct turn){FAULT("duplicate", "apart")}, 5, PRODUCTS);
    suffer(b, fault, 3, 4);
}

static void test_what_was_refused_and_had_an_effect_is_its_own_rules(void **unused)
{
    (void)unused;
    static const struct {
        const char *rule;
        struct turn fault;
    } rows[] = {
        {"sig/forged", {FAULT("forge", "random"), .status = 401}},
        {"sig/tampered", {FAULT("forge", "tampered"), .status = 401}},
        {"sig/stale", {FAULT("forge", "stale"), .status = 403}},
        {"sig/odd", {FAULT("forge", "upper-case"), .status = 401}},
        {"form/malformed", {FAULT("malform", "wrong-type"), .status = 400}},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct book b;
        begin(&b, "events-api");
        play_forged(&b, rows[i].fault);
        look_different(&b, 3, 3);
        settled(&b);
        judge(&b);
        expect_only(&b, rows[i].rule);
        expect_reason(
            &b, rows[i].rule,
            "1 of 2 products differs after requests that must have no effect: /price of product 3 is "
            "9, and 10 without them");
        assert_non_null(strstr(found(&b, rows[i].rule)->fix, "before any of it is stored"));
        expect(&b, "idem/state", VERDICT_PASS);
        assert_int_equal(found(&b, "idem/state")->judged, PRODUCTS - 2);
        const struct evidence *e = &found(&b, rows[i].rule)->evidence[0];
        assert_int_equal(e->delivery, 6 * PRODUCTS + 6 + 1);
        finish(&b);
    }
}

static void test_a_forgery_that_was_taken_fails_by_its_answer(void **unused)
{
    (void)unused;
    struct book b;
    begin(&b, "aep");
    play_forged(&b, (struct turn){FAULT("forge", "random")});
    look_different(&b, 3, 4);
    settled(&b);
    judge(&b);
    expect_only(&b, "sig/forged");
    expect_reason(&b, "sig/forged", "2 of 2 requests with a wrong signature were not refused");
    assert_null(found(&b, "sig/forged")->evidence[0].difference.about);
    finish(&b);
}

static void test_of_two_refusable_requests_the_one_that_was_taken_is_at_fault(void **unused)
{
    (void)unused;
    struct book b;
    begin(&b, "aep");
    play_forged(&b, (struct turn){FAULT("forge", "random"), .status = 401});
    suffer(&b, (struct turn){FAULT("forge", "tampered")}, 3, 3);
    look_different(&b, 3, 3);
    settled(&b);
    judge(&b);
    expect_only(&b, "sig/tampered");
    expect(&b, "sig/forged", VERDICT_PASS);
    finish(&b);
}

static void test_what_a_connector_is_free_to_take_is_not_held_against_it(void **unused)
{
    (void)unused;
    static const struct turn faults[] = {{FAULT("forge", "upper-case")},
                                         {FAULT("malform", "not-utf8")},
                                         {FAULT("malform", "unknown-type")},
                                         {FAULT("disconnect", "give-up"), .outcome = "gave-up"},
                                         {FAULT("gravity", "off")}};
    for (size_t i = 0; i < COUNT_OF(faults); i++) {
        struct book b;
        begin(&b, "aep");
        play_forged(&b, faults[i]);
        look_different(&b, 3, 4);
        settled(&b);
        judge(&b);
        expect_no_failure(&b);
        expect(&b, "idem/state", VERDICT_PASS);
        assert_int_equal(found(&b, "idem/state")->judged, PRODUCTS - 2);
        finish(&b);
    }
}

static void test_a_batch_that_loses_events_is_form_batch(void **unused)
{
    (void)unused;
    struct book b;
    begin(&b, "events-api");
    effects_scenario(&b, "form/batch", "form/batch");
    for (size_t u = 0; u < 2; u++)
        for (unsigned n = 1; n <= PRODUCTS; n++)
            PLAY(&b, IN(universes[u]), .about = n);
    PLAY(&b, IN("B"), .about = 1, .events = PRODUCTS);
    look(&b, 2, PRODUCTS, NULL);
    settled(&b);
    judge(&b);
    expect_only(&b, "form/batch");
    expect_reason(&b, "form/batch",
                  "9 of 10 products differ after requests with several events: product 2 has no record at "
                  "state-url 1: /products/[], and 1 record without the fault");
    const struct evidence *e = &found(&b, "form/batch")->evidence[0];
    assert_string_equal(e->expected, "1 record");
    assert_string_equal(e->came, "no record");
    assert_string_equal(e->request, "delivery 21: product.updated and 9 more");
    finish(&b);
}

static void test_a_record_about_two_is_held_against_one(void **unused)
{
    (void)unused;
    struct book b;
    begin(&b, "aep");
    play_forged(&b, (struct turn){FAULT("forge", "random"), .status = 401});
    look_alike(&b);
    for (size_t u = 0; u < COUNT_OF(universes); u++)
        state_of(&b, universes[u], "product 1, product 3", u == 2 ? "{\"n\":2}" : "{\"n\":1}");
    settled(&b);
    judge(&b);
    expect_only(&b, "sig/forged");
    assert_int_equal(found(&b, "sig/forged")->failed, 1);
    assert_string_equal(found(&b, "sig/forged")->evidence[0].difference.about, "product 1, product 3");
    finish(&b);
}

/* ---- what is nobody's fault ------------------------------------------------------------------ */

static void test_a_product_whose_events_were_not_acknowledged_does_not_count(void **unused)
{
    (void)unused;
    static const struct turn failures[] = {
        {IN("B"), .status = 500},
        {IN("B"), .status = 429},
        {IN("B"), .outcome = "timeout", .ms = 3000},
        {IN("B"), FAULT("duplicate", "apart"), .status = 500},
        {IN("A"), .status = 500},
        {IN("A'"), .status = 503},
    };
    for (size_t i = 0; i < COUNT_OF(failures); i++) {
        struct book b;
        struct turn failure = failures[i];
        begin(&b, "aep");
        effects_scenario(&b, "idem/state", "idem/state");
        play_products(&b, PRODUCTS);
        suffer(&b, (struct turn){FAULT("duplicate", "apart")}, 1, PRODUCTS);
        failure.about = 3;
        play(&b, failure);
        look_different(&b, 3, 3);
        settled(&b);
        judge(&b);
        expect(&b, "idem/state", VERDICT_PASS);
        assert_int_equal(found(&b, "idem/state")->judged, PRODUCTS - 1);
        finish(&b);
    }
}

static void test_a_connector_that_acknowledges_no_copy_shows_nothing(void **unused)
{
    (void)unused;
    struct book b;
    begin(&b, "aep");
    effects_scenario(&b, "idem/state", "ack/duplicate idem/state");
    play_products(&b, PRODUCTS);
    suffer(&b, (struct turn){FAULT("duplicate", "apart"), .status = 500}, 1, 5);
    look_different(&b, 3, 3);
    settled(&b);
    judge(&b);
    expect_only(&b, "ack/duplicate");
    expect(&b, "idem/state", VERDICT_INCONCLUSIVE);
    expect_reason(&b, "idem/state", "5 of 10 products had deliveries that were not acknowledged");
    expect_reason(&b, "idem/state", "(see ack/duplicate)");
    finish(&b);
}

static void test_a_scenario_whose_fault_struck_nobody_shows_nothing(void **unused)
{
    (void)unused;
    struct book b;
    begin(&b, "aep");
    effects_scenario(&b, "idem/state", "idem/state");
    play_products(&b, PRODUCTS);
    look_alike(&b);
    settled(&b);
    judge(&b);
    expect(&b, "idem/state", VERDICT_INCONCLUSIVE);
    expect_reason(&b, "idem/state", "no delivery of its scenario had the fault");
    finish(&b);
}

static void test_the_acknowledgement_that_counts_is_the_copys(void **unused)
{
    (void)unused;
    static const struct turn cuts[] = {{FAULT("lost-ack", "cut"), .outcome = "gave-up"},
                                       {FAULT("restart", "in-flight"), .outcome = "reset"}};
    for (size_t i = 0; i < COUNT_OF(cuts); i++)
        for (unsigned status = 200; status <= 500; status += 300) {
            struct book b;
            begin(&b, "aep");
            effects_scenario(&b, "idem/lost-ack", "idem/lost-ack");
            play_products(&b, PRODUCTS);
            suffer(&b, cuts[i], 3, 3);
            suffer(&b, (struct turn){FAULT("duplicate", "apart"), .status = status}, 3, 3);
            look_different(&b, 3, 3);
            settled(&b);
            judge(&b);
            expect(&b, "idem/lost-ack", status == 200 ? VERDICT_FAIL : VERDICT_INCONCLUSIVE);
            finish(&b);
        }
}

/* ---- looks that say nothing ------------------------------------------------------------------ */

static void begin_with_copies(struct book *b)
{
    begin(b, "aep");
    effects_scenario(b, "idem/state", "idem/state");
    play_products(b, PRODUCTS);
    suffer(b, (struct turn){FAULT("duplicate", "apart")}, 1, PRODUCTS);
}

static void expect_open(struct book *b, const char *words)
{
    judge(b);
    expect_no_failure(b);
    expect(b, "idem/state", VERDICT_INCONCLUSIVE);
    expect_reason(b, "idem/state", words);
    assert_string_equal(found(b, "idem/state")->scenario, "idem/state");
    assert_int_equal(judgement_exit_code(b->judgement), EXIT_INCONCLUSIVE);
    finish(b);
}

static void test_a_state_that_never_settled_says_nothing(void **unused)
{
    (void)unused;
    struct book b;
    begin_with_copies(&b);
    look_different(&b, 3, 3);
    snapshot(&b, ",\"unsettled\":\"state-url 1: /jobs/[] kept changing\"");
    look_different(&b, 3, 3);
    settled(&b);
    expect_open(&b, "the connector's state never settled: state-url 1: /jobs/[] kept changing");
}

static void test_a_state_that_could_not_be_looked_at_says_nothing(void **unused)
{
    (void)unused;
    struct book b;
    begin_with_copies(&b);
    snapshot(&b, ",\"failed\":\"state-url 1: 502 Bad Gateway\"");
    settled(&b);
    expect_open(&b, "the connector's state could not be looked at: state-url 1: 502 Bad Gateway");
}

static void test_a_scenario_without_a_look_says_nothing(void **unused)
{
    (void)unused;
    struct book b;
    begin_with_copies(&b);
    state(&b, "B", 1, "{}");
    settled(&b);
    expect_open(&b, "the connector's state was not looked at");
}

static void test_a_state_without_the_products_says_nothing(void **unused)
{
    (void)unused;
    struct book b;
    begin_with_copies(&b);
    snapshot(&b, "");
    settled(&b);
    expect_open(&b, "shows nothing that was sent");
}

static void test_a_state_of_b_alone_says_nothing(void **unused)
{
    (void)unused;
    struct book b;
    begin_with_copies(&b);
    snapshot(&b, "");
    state(&b, "B", 1, "{}");
    settled(&b);
    expect_open(&b, "shows nothing of A and A'");
}

static void test_universes_that_are_never_alike_say_nothing(void **unused)
{
    (void)unused;
    struct book b;
    begin_with_copies(&b);
    snapshot(&b, "");
    state(&b, "A", 1, "{}");
    state(&b, "B", 1, "{}");
    settled(&b);
    expect_open(&b, "differs between A and A' too");
}

static void test_a_state_that_is_nothing_but_a_history_says_nothing(void **unused)
{
    (void)unused;
    struct book b;
    begin_with_copies(&b);
    snapshot(&b, "");
    for (size_t u = 0; u < COUNT_OF(universes); u++)
        buf_printf(&b.text,
                   "{\"record\":\"state\",\"universe\":\"%s\",\"place\":\"" PLACE
                   "\",\"about\":\"product 1\",\"text\":\"{}\",\"history\":true}\n",
                   universes[u]);
    settled(&b);
    expect_open(&b, "is a history, with an entry for each event");
}

static void test_a_state_that_shows_what_came_says_nothing_of_order(void **unused)
{
    (void)unused;
    struct book b;
    begin(&b, "aep");
    effects_scenario(&b, "order/stale", "order/stale");
    play_products(&b, PRODUCTS);
    suffer(&b, (struct turn){FAULT("delay", "late")}, 1, PRODUCTS);
    snapshot(&b, "");
    state(&b, "A", 1, "{}");
    state(&b, "B", 1, "{}");
    settled(&b);
    judge(&b);
    expect(&b, "order/stale", VERDICT_INCONCLUSIVE);
    expect_reason(&b, "order/stale", "depends on which events came");
    finish(&b);
}

static void test_a_state_that_nothing_reached_is_explained_by_the_answers(void **unused)
{
    (void)unused;
    struct book b;
    begin(&b, "aep");
    effects_scenario(&b, "idem/state", "idem/state");
    for (size_t u = 0; u < COUNT_OF(universes); u++)
        PLAY(&b, IN(universes[u]), .about = 1, .status = 401);
    snapshot(&b, "");
    settled(&b);
    judge(&b);
    expect_only(&b, "sig/valid");
    expect_reason(&b, "idem/state", "1 of 1 product had deliveries that were not acknowledged");
    expect_reason(&b, "idem/state", "(see sig/valid)");
    finish(&b);
}

static void test_a_connector_that_fell_silent_says_nothing(void **unused)
{
    (void)unused;
    struct book b;
    begin_with_copies(&b);
    look_different(&b, 3, 3);
    line(&b, "{\"record\":\"settled\",\"name\":\"s\",\"given_up\":true}");
    expect_open(&b, "fell silent");
}

static void test_an_interrupted_scenario_says_nothing(void **unused)
{
    (void)unused;
    struct book b;
    begin_with_copies(&b);
    look_different(&b, 3, 3);
    assert_true(judge_text(&b, &(struct judge_options){0}));
    assert_true(b.judgement->interrupted);
    expect_no_failure(&b);
    expect(&b, "idem/state", VERDICT_INCONCLUSIVE);
    expect_reason(&b, "idem/state", "the run ended before");
    finish(&b);
}

static void test_one_scenario_that_says_something_is_enough(void **unused)
{
    (void)unused;
    struct book b;
    begin_with_copies(&b);
    snapshot(&b, ",\"failed\":\"gone\"");
    settled(&b);
    play_shown(&b, &shows[0], 1, 0);
    judge(&b);
    expect(&b, "idem/state", VERDICT_PASS);
    finish(&b);
}

/* ---- scenarios that were not played, or only the first half ------------------------------------ */

static void test_a_skipped_scenario_says_what_to_give(void **unused)
{
    (void)unused;
    struct book b;
    begin(&b, "aep");
    scenario(&b, "first", "ack/deadline");
    PLAY(&b, PLAIN);
    settled(&b);
    scenario_with(&b, "second", "idem/state idem/overlap",
                  ",\"effects\":\"idem/state\",\"skipped\":\"no way to look: give --state-url\"");
    settled(&b);
    judge(&b);
    expect(&b, "idem/state", VERDICT_NOT_OBSERVED);
    expect_reason(&b, "idem/state", "no way to look: give --state-url");
    expect_reason(&b, "idem/overlap", "no way to look: give --state-url");
    expect(&b, "order/stale", VERDICT_NOT_OBSERVED);
    expect_reason(&b, "order/stale", "no scenario of this run is about it");
    assert_int_equal(b.judgement->verdict, CONFORMS);
    assert_int_equal(b.judgement->scenario_count, 1);
    finish(&b);
}

static void test_a_connector_that_does_not_come_back_fails(void **unused)
{
    (void)unused;
    struct book b;
    begin(&b, "aep");
    effects_scenario(&b, "durable/ack", "durable/ack idem/restart");
    play_products(&b, 1);
    suffer(&b, (struct turn){FAULT("restart", "acked")}, 1, 1);
    line(&b, "{\"record\":\"restart\",\"delivery\":7,\"at_us\":1,\"took_us\":1,\"failed\":\"it ended with "
             "exit code 1: database is locked\"}");
    line(&b, "{\"record\":\"settled\",\"name\":\"s\",\"given_up\":true}");
    line(&b, "{\"record\":\"end\",\"reason\":\"given-up\",\"duration_us\":1}");
    assert_true(judge_text(&b, &(struct judge_options){0}));
    expect_only(&b, "durable/ack");
    expect_reason(&b, "durable/ack",
                  "the connector did not come back after it was killed: it ended with exit");
    const struct finding *f = found(&b, "durable/ack");
    assert_int_equal(f->evidence_count, 1);
    assert_int_equal(f->evidence[0].delivery, 7);
    assert_string_equal(f->evidence[0].request,
                        "delivery 7: product.updated, killed after it acknowledged this");
    assert_non_null(strstr(f->fix, "lock"));
    finish(&b);
}

static void test_a_restart_that_went_well_is_no_failure(void **unused)
{
    (void)unused;
    struct book b;
    begin(&b, "aep");
    effects_scenario(&b, "durable/ack", "durable/ack");
    play_products(&b, PRODUCTS);
    suffer(&b, (struct turn){FAULT("restart", "acked")}, 1, 1);
    line(&b, "{\"record\":\"restart\",\"delivery\":61,\"at_us\":1,\"took_us\":1}");
    look_alike(&b);
    settled(&b);
    judge(&b);
    expect(&b, "durable/ack", VERDICT_PASS);
    finish(&b);
}

/* A product that is there twice after a kill, or knows more: no loss, but not the same either. */
static void test_more_than_was_is_no_loss(void **unused)
{
    (void)unused;
    static const char *const rules[] = {"durable/ack", "idem/restart"};
    static const char *const more[] = {UNDISTURBED, "{\"price\":10,\"again\":true}"};
    for (size_t i = 0; i < COUNT_OF(rules) * COUNT_OF(more); i++) {
        struct book b;
        begin(&b, "aep");
        effects_scenario(&b, rules[i / 2], rules[i / 2]);
        play_products(&b, PRODUCTS);
        suffer(&b, (struct turn){FAULT("restart", "again")}, 1, 1);
        if (i % 2) {
            look(&b, 1, 1, more[1]);
        } else {
            look_alike(&b);
            state(&b, "B", 1, more[0]);
        }
        settled(&b);
        judge(&b);
        expect(&b, rules[i / 2], i < 2 ? VERDICT_PASS : VERDICT_FAIL);
        finish(&b);
    }
}

static void test_of_two_looks_the_first_has_a_and_the_last_has_b(void **unused)
{
    (void)unused;
    struct book b;
    begin(&b, "aep");
    effects_scenario(&b, "durable/ack", "durable/ack");
    play_products(&b, 1);
    suffer(&b, (struct turn){FAULT("restart", "acked")}, 1, 1);
    snapshot(&b, "");
    state(&b, "A", 1, "{\"price\":10}");
    state(&b, "A'", 1, "{\"price\":10}");
    state(&b, "B", 1, "{\"price\":1}");
    snapshot(&b, "");
    state(&b, "A", 1, "{\"price\":11}");
    state(&b, "A'", 1, "{\"price\":11}");
    state(&b, "B", 1, "{\"price\":9}");
    settled(&b);
    judge(&b);
    expect_reason(&b, "durable/ack", "/price of product 1 is 9, and 10 without the fault");
    finish(&b);
}

/* ---- evidence and words ---------------------------------------------------------------------- */

static void test_evidence_of_the_state_tells_all(void **unused)
{
    (void)unused;
    struct book b;
    begin_with_copies(&b);
    look_different(&b, 3, 3);
    settled(&b);
    judge(&b);
    const struct finding *f = found(&b, "idem/state");
    assert_string_equal(f->reason,
                        "1 of 10 products differs after events that came again: /price of product 3 "
                        "is 9, and 10 without the fault");
    const struct evidence *e = &f->evidence[0];
    assert_int_equal(e->delivery, 63);
    assert_string_equal(e->event_id, "018e197c-dfe2-70f8-9346-000000000063");
    assert_string_equal(e->request, "delivery 63: product.updated, a copy of an event that came before");
    assert_string_equal(e->expected, "/price 10");
    assert_string_equal(e->came, "/price 9");
    const struct difference *d = &e->difference;
    assert_string_equal(d->about, "product 3");
    assert_string_equal(d->place, PLACE);
    assert_string_equal(d->path, "/price");
    assert_string_equal(d->expected, "10");
    assert_string_equal(d->found, "9");
    assert_string_equal(d->without, "{\"price\":10}");
    assert_string_equal(d->with, "{\"price\":9}");
    assert_int_equal(d->deliveries_count, 3);
    assert_int_equal(d->deliveries_before, 0);
    assert_string_equal(d->deliveries[0], "17 product.created");
    assert_string_equal(d->deliveries[1], "18 product.updated");
    assert_string_equal(d->deliveries[2], "63 product.updated (a copy of an event that came before)");
    finish(&b);
}

static void test_evidence_is_of_as_many_products_and_sorts_as_there_are(void **unused)
{
    (void)unused;
    struct book b;
    begin_with_copies(&b);
    look_different(&b, 1, 8);
    for (size_t u = 0; u < COUNT_OF(universes); u++) {
        state_of(&b, universes[u], "product 9", u == 2 ? "{\"stock\":1}" : "{\"stock\":2}");
        if (u == 2) /* one too many */
            state_of(&b, universes[u], "product 8", UNDISTURBED);
    }
    settled(&b);
    judge(&b);
    const struct finding *f = found(&b, "idem/state");
    static const char *const abouts[] = {"product 1", "product 2", "product 3", "product 8", "product 9"};
    assert_int_equal(f->failed, 9);
    assert_int_equal(f->evidence_count, COUNT_OF(abouts));
    for (size_t i = 0; i < COUNT_OF(abouts); i++)
        assert_string_equal(f->evidence[i].difference.about, abouts[i]);
    finish(&b);
}

static void test_many_deliveries_are_told_from_the_end(void **unused)
{
    (void)unused;
    struct book b;
    begin_with_copies(&b);
    for (unsigned i = 0; i < 20; i++)
        suffer(&b, (struct turn){PLAIN}, 3, 3);
    look_different(&b, 3, 3);
    settled(&b);
    judge(&b);
    const struct difference *d = &found(&b, "idem/state")->evidence[0].difference;
    assert_int_equal(d->deliveries_count, COUNT_OF(d->deliveries));
    assert_int_equal(d->deliveries_before, 23 - COUNT_OF(d->deliveries));
    assert_string_equal(d->deliveries[COUNT_OF(d->deliveries) - 1], "90 product.updated");
    finish(&b);
}

static void test_what_is_missing_and_what_is_too_much_is_said(void **unused)
{
    (void)unused;
    static const struct {
        const char *undisturbed, *found, *words;
    } rows[] = {
        {"{\"a\":1}", "{\"a\":1,\"b\":2}", "/b of product 1 is 2, and missing without the fault"},
        {"{\"a\":1,\"b\":2}", "{\"a\":1}", "/b of product 1 is missing, and 2 without the fault"},
        {"{\"a\":\"x\"}", "{\"a\":\"é\"}", "/a of product 1 is \"é\", and \"x\" without the fault"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct book b;
        begin_with_copies(&b);
        snapshot(&b, "");
        state(&b, "A", 1, rows[i].undisturbed);
        state(&b, "A'", 1, rows[i].undisturbed);
        state(&b, "B", 1, rows[i].found);
        settled(&b);
        judge(&b);
        expect_reason(&b, "idem/state", rows[i].words);
        finish(&b);
    }
}

/* ---- hostile journals ------------------------------------------------------------------------ */

static void test_states_that_lie_do_no_harm(void **unused)
{
    (void)unused;
    struct book b;
    begin_with_copies(&b);
    line(&b,
         "{\"record\":\"state\",\"universe\":\"A\",\"place\":\"p\",\"about\":\"product 1\",\"text\":\"1\"}");
    snapshot(&b, ",\"looks\":-1");
    line(&b, "{\"record\":\"state\"}");
    line(&b,
         "{\"record\":\"state\",\"universe\":\"C\",\"place\":\"p\",\"about\":\"product 1\",\"text\":\"1\"}");
    line(&b, "{\"record\":\"state\",\"universe\":[],\"place\":{},\"about\":7,\"text\":null}");
    for (size_t u = 0; u < COUNT_OF(universes); u++) {
        buf_printf(&b.text, "{\"record\":\"state\",\"universe\":\"%s\"}\n", universes[u]);
        state_of(&b, universes[u], "product 77, , product 1, nobody,", u == 2 ? "[" : "{");
        state_of(&b, universes[u], ", ", u == 2 ? "a=1 b=<product" : "a=1 b=2");
    }
    line(&b, "{\"record\":\"restart\",\"delivery\":-5,\"failed\":7}");
    line(&b, "{\"record\":\"settled\"}");
    judge(&b);
    assert_true(b.judgement->finding_count == rule_count());
    finish(&b);
}

static void test_sends_that_lie_about_universes_do_no_harm(void **unused)
{
    (void)unused;
    static const char *const members[] = {
        "\"universe\":\"C\",\"about\":[\"product 1\"]", "\"universe\":\"B\",\"about\":\"product 1\"",
        "\"universe\":\"B\",\"about\":[1,null,[\"product 1\"],{\"product 1\":2}]",
        "\"about\":[\"product 1\"]", "\"universe\":\"B\",\"about\":{\"a\":\"product 1\"}"};
    struct book b;
    begin_with_copies(&b);
    for (size_t i = 0; i < COUNT_OF(members); i++)
        buf_printf(&b.text, "{\"record\":\"send\",\"delivery\":%u,\"kind\":\"events\",%s}\n", ++b.deliveries,
                   members[i]);
    look_alike(&b);
    settled(&b);
    judge(&b);
    assert_int_equal(b.judgement->deliveries, b.deliveries);
    finish(&b);
}

static void test_long_texts_are_cut(void **unused)
{
    (void)unused;
    char *text = mem_alloc((1 << 20) + 1);
    memset(text, 'x', 1 << 20);
    struct book b;
    begin_with_copies(&b);
    snapshot(&b, "");
    text[0] = '1';
    state_of(&b, "A", "product 1", text);
    state_of(&b, "A'", "product 1", text);
    text[0] = '2';
    state_of(&b, "B", "product 1", text);
    for (size_t u = 0; u < COUNT_OF(universes); u++)
        state_of(&b, universes[u], text, u == 2 ? "1" : "2");
    settled(&b);
    judge(&b);
    const struct finding *f = found(&b, "idem/state");
    assert_int_equal(f->verdict, VERDICT_FAIL);
    assert_true(strlen(f->reason) < 4096);
    for (size_t i = 0; i < f->evidence_count; i++) {
        const struct difference *d = &f->evidence[i].difference;
        assert_true(strlen(d->about) <= 2000 && strlen(d->expected) <= 2000 && strlen(d->with) <= 2000);
    }
    free(text);
    finish(&b);
}

/* Quadratic time would show as minutes. */
static void test_many_states_and_snapshots_cost_no_time(void **unused)
{
    (void)unused;
    struct book b;
    begin_with_copies(&b);
    look_alike(&b);
    for (unsigned i = 0; i < 100000; i++) {
        if (i % 2 == 0)
            snapshot(&b, "");
        state(&b, universes[i % 3], i, UNDISTURBED);
    }
    snapshot(&b, "");
    settled(&b);
    for (unsigned i = 0; i < 20000; i++) {
        effects_scenario(&b, "idem/state", "idem/state");
        PLAY(&b, IN("B"), .about = i);
        settled(&b);
    }
    judge(&b);
    assert_int_equal(found(&b, "idem/state")->failed, PRODUCTS);
    finish(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_rule_passes_when_the_universes_are_alike),
        cmocka_unit_test(test_every_rule_fails_alone_when_b_differs),
        cmocka_unit_test(test_a_rule_is_not_failed_by_what_another_explains),
        cmocka_unit_test(test_a_rule_passes_though_another_that_it_builds_on_fails),
        cmocka_unit_test(test_every_rule_of_the_state_is_shown_here),
        cmocka_unit_test(test_what_was_refused_and_had_an_effect_is_its_own_rules),
        cmocka_unit_test(test_a_forgery_that_was_taken_fails_by_its_answer),
        cmocka_unit_test(test_of_two_refusable_requests_the_one_that_was_taken_is_at_fault),
        cmocka_unit_test(test_what_a_connector_is_free_to_take_is_not_held_against_it),
        cmocka_unit_test(test_a_batch_that_loses_events_is_form_batch),
        cmocka_unit_test(test_a_record_about_two_is_held_against_one),
        cmocka_unit_test(test_a_product_whose_events_were_not_acknowledged_does_not_count),
        cmocka_unit_test(test_a_connector_that_acknowledges_no_copy_shows_nothing),
        cmocka_unit_test(test_a_scenario_whose_fault_struck_nobody_shows_nothing),
        cmocka_unit_test(test_the_acknowledgement_that_counts_is_the_copys),
        cmocka_unit_test(test_a_state_that_never_settled_says_nothing),
        cmocka_unit_test(test_a_state_that_could_not_be_looked_at_says_nothing),
        cmocka_unit_test(test_a_scenario_without_a_look_says_nothing),
        cmocka_unit_test(test_a_state_without_the_products_says_nothing),
        cmocka_unit_test(test_a_state_of_b_alone_says_nothing),
        cmocka_unit_test(test_universes_that_are_never_alike_say_nothing),
        cmocka_unit_test(test_a_state_that_is_nothing_but_a_history_says_nothing),
        cmocka_unit_test(test_a_state_that_shows_what_came_says_nothing_of_order),
        cmocka_unit_test(test_a_state_that_nothing_reached_is_explained_by_the_answers),
        cmocka_unit_test(test_a_connector_that_fell_silent_says_nothing),
        cmocka_unit_test(test_an_interrupted_scenario_says_nothing),
        cmocka_unit_test(test_one_scenario_that_says_something_is_enough),
        cmocka_unit_test(test_a_skipped_scenario_says_what_to_give),
        cmocka_unit_test(test_a_connector_that_does_not_come_back_fails),
        cmocka_unit_test(test_a_restart_that_went_well_is_no_failure),
        cmocka_unit_test(test_more_than_was_is_no_loss),
        cmocka_unit_test(test_of_two_looks_the_first_has_a_and_the_last_has_b),
        cmocka_unit_test(test_evidence_of_the_state_tells_all),
        cmocka_unit_test(test_evidence_is_of_as_many_products_and_sorts_as_there_are),
        cmocka_unit_test(test_many_deliveries_are_told_from_the_end),
        cmocka_unit_test(test_what_is_missing_and_what_is_too_much_is_said),
        cmocka_unit_test(test_states_that_lie_do_no_harm),
        cmocka_unit_test(test_sends_that_lie_about_universes_do_no_harm),
        cmocka_unit_test(test_long_texts_are_cut),
        cmocka_unit_test(test_many_states_and_snapshots_cost_no_time),
    };
    return cmocka_run_group_tests_name("trial", tests, NULL, NULL);
}
