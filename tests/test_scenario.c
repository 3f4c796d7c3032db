/* Scenarios: what is read, what is refused and with which words, what a suite's name means, and that
 * the published schema speaks the tables' words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "json.h"
#include "scenario.h"

static const struct {
    const char *id, *holds;
} rules[] = {
#define CATEGORY(...)
#define RULE(id, name, level, platforms, holds, clause, why, fix) {name, holds},
#include "rules.def"
#undef CATEGORY
#undef RULE
};

static bool rule_is_listed(const char *id, const char **nearest)
{
    const char *ids[COUNT_OF(rules)];
    for (size_t i = 0; i < COUNT_OF(rules); i++) {
        ids[i] = rules[i].id;
        if (strcmp(id, ids[i]) == 0)
            return true;
    }
    *nearest = word_nearest(id, ids, COUNT_OF(ids));
    return false;
}

static struct scenario *parse(const char *text)
{
    struct scenario *s;
    struct err err;
    if (!scenario_parse(&s, "scenarios/mine/late.json", span_of(text), rule_is_listed, &err))
        fail_msg("%s", err.text);
    return s;
}

#define HEAD               "{\"title\": \"t\", \"story\": \"s\", "
#define STREAM             "\"stream\": [{\"event\": \"product.updated\"}], "
#define RULES              "\"rules\": [\"ack/deadline\"]}"
#define WITH(extra)        HEAD STREAM extra ", " RULES
#define EFFECTS            "\"effects\": \"ack/deadline\""
#define AEP                "\"platforms\": [\"aep\"], "
#define FLOW_WITH(members) WITH("\"flow\": {" members "}")
/* What one fault or another asks for. */
#define ALL_MEANS EFFECTS ", \"flow\": {}, \"pace\": {\"rate\": 1}"

/* ---- reading ------------------------------------------------------------------------------------ */

static void test_scenario_of_the_required_keys_has_the_documented_defaults(void **state)
{
    (void)state;
    struct scenario *s = parse(HEAD STREAM RULES);
    assert_string_equal(s->name, "mine/late");
    assert_string_equal(s->title, "t");
    assert_string_equal(s->story, "s");
    assert_int_equal(s->platforms, PLATFORMS_ALL);
    assert_int_equal(s->step_count, 1);
    assert_string_equal(s->steps[0].event, "product.updated");
    assert_int_equal(s->steps[0].entities, 0);
    assert_int_equal(s->steps[0].times, 1);
    assert_false(s->steps[0].catalog || s->steps[0].own || s->steps[0].delta || s->steps[0].check);
    assert_true(s->pace.rate == 0 && !s->pace.rate_top);
    assert_int_equal(s->pace.concurrency, 10);
    assert_int_equal(s->pace.batch, 1);
    assert_int_equal(s->fault_count, 0);
    assert_int_equal(s->rule_count, 1);
    assert_null(s->effects);
    assert_null(s->flow);
    scenario_free(s);
}

static void test_scenario_reads_every_key(void **state)
{
    (void)state;
    struct scenario *s = parse(
        "{ // a comment\n"
        "\"$schema\": \"x\", \"title\": \"Late \\u00e9vents\", \"story\": \"s\", \"platforms\": [\"aep\"],"
        "\"stream\": [{\"check\": \"reachability\"}, {\"event\": \"*\", \"entities\": 20, \"times\": 3,"
        " \"catalog\": true}, {\"event\": \"./mine.json\"}],"
        "\"pace\": {\"rate\": 12.5, \"batch\": 10, \"ramp\": \"10s\"},"
        "\"faults\": [{\"duplicate\": {\"share\": 0.25, \"after\": \"1ms..2s\"}}, {\"delay\": {\"after\": "
        "\"3s\"}},"
        " {\"slow-body\": {\"over\": \"400ms\"}}, {\"burst\": {\"window\": 7}},"
        " {\"forge\": {\"how\": [\"missing\", \"random\"]}}, {\"malform\": {\"how\": \"deep\"}}, {\"drop\": "
        "{}}],"
        "\"rules\": [\"ack/deadline\", \"sig/missing\"]}");
    assert_string_equal(s->title, "Late évents");
    assert_int_equal(s->platforms, PLATFORM_BIT(PLATFORM_AEP));
    assert_int_equal(s->step_count, 3);
    assert_int_equal(s->steps[0].check, CHECK_REACHABILITY);
    assert_null(s->steps[0].event);
    assert_string_equal(s->steps[1].event, "*");
    assert_int_equal(s->steps[1].entities, 20);
    assert_int_equal(s->steps[1].times, 3);
    assert_true(s->steps[1].catalog);
    assert_string_equal(s->steps[2].event, "./mine.json");
    assert_true(s->pace.rate > 12.4 && s->pace.rate < 12.6);
    assert_int_equal(s->pace.batch, 10);
    assert_int_equal(s->pace.ramp_us, 10000000);
    const struct fault_spec *f = s->faults;
    assert_int_equal(s->fault_count, 7);
    assert_int_equal(f[0].kind, FAULT_DUPLICATE);
    assert_true(f[0].share > 0.24 && f[0].share < 0.26);
    assert_int_equal(f[0].after_min_us, 1000);
    assert_int_equal(f[0].after_max_us, 2000000);
    assert_int_equal(f[1].after_min_us, 3000000);
    assert_int_equal(f[1].after_max_us, 3000000);
    assert_int_equal(f[2].over_us, 400000);
    assert_int_equal(f[3].window, 7);
    assert_int_equal(f[4].how_count, 2);
    assert_int_equal(f[4].hows[0], VARIANT_FORGE_MISSING);
    assert_int_equal(f[4].hows[1], VARIANT_FORGE_RANDOM);
    assert_int_equal(f[5].how_count, 1);
    assert_int_equal(f[5].hows[0], VARIANT_MALFORM_DEEP);
    assert_int_equal(f[6].kind, FAULT_DROP);
    assert_string_equal(s->rules[1], "sig/missing");
    scenario_free(s);
}

static void test_scenario_reads_what_effects_need(void **state)
{
    (void)state;
    struct scenario *s = parse(
        HEAD
        "\"effects\": \"idem/batch\", \"rules\": [\"ack/deadline\", \"idem/batch\"],"
        "\"stream\": [{\"event\": \"product_model.updated\", \"delta\": true}],"
        "\"pace\": {\"batch\": 2},"
        "\"faults\": [{\"duplicate\": {\"event\": \"product.created\", \"how\": [\"together\", "
        "\"apart\"]}}, {\"overlap\": {\"event\": \"./mine.json\"}}, {\"lost-ack\": {\"after\": \"3ms\"}},"
        " {\"restart\": {\"how\": \"again\", \"after\": \"1ms..2ms\"}}, {\"restart\": {}}]}");
    assert_string_equal(s->effects, "idem/batch");
    assert_true(s->steps[0].delta);
    const struct fault_spec *f = s->faults;
    assert_int_equal(s->fault_count, 5);
    assert_string_equal(f[0].event, "product.created");
    assert_int_equal(f[0].how_count, 2);
    assert_int_equal(f[0].hows[0], VARIANT_DUPLICATE_TOGETHER);
    assert_int_equal(f[0].hows[1], VARIANT_DUPLICATE_APART);
    assert_string_equal(f[1].event, "./mine.json");
    assert_int_equal(f[2].after_min_us, 3000);
    assert_int_equal(f[2].after_max_us, 3000);
    assert_null(f[2].event);
    assert_int_equal(f[3].how_count, 1);
    assert_int_equal(f[3].hows[0], VARIANT_RESTART_AGAIN);
    assert_int_equal(f[3].after_max_us, 2000);
    assert_int_equal(f[4].how_count, 3);
    assert_int_equal(f[4].after_max_us, 5000);
    scenario_free(s);
}

static void test_scenario_reads_what_happens_over_hours(void **state)
{
    (void)state;
    struct scenario *s = parse(
        HEAD "\"stream\": [{\"event\": \"product.updated\", \"own\": true}, {\"event\": \"*\"}],"
             "\"faults\": [{\"outage\": {}}, {\"outage\": {\"from\": \"10m\", \"for\": \"1h\", \"how\": "
             "\"bad-gateway\"}}, {\"delay\": {\"from\": \"2h\"}}, {\"rotate\": {\"for\": \"1us\", \"how\": "
             "[\"removed\", \"added\"]}}],"
             "\"flow\": {\"quota\": 40, \"rate-min\": 2.5, \"rate-max\": \"5e1\", \"retry\": \"1s,2m\","
             "\"resume\": \"30m\", \"stale\": 0, \"success-min\": \"none\"}, " RULES);
    assert_true(s->steps[0].own && !s->steps[1].own);
    const struct flow *flow = s->flow;
    assert_int_equal(flow->quota, 40);
    assert_int_equal(flow->rate_min, 2500000);
    assert_int_equal(flow->rate_max, 50000000);
    assert_int_equal(flow->retry_us[1], 2 * FLOW_MINUTE_US);
    assert_int_equal(flow->retry_us[2], 0);
    assert_int_equal(flow->resume_us, 30 * FLOW_MINUTE_US);
    assert_int_equal(flow->stale_us, 0);
    assert_int_equal(flow->success_min, 0);
    assert_int_equal(flow->success_window_us, UINT64_MAX); /* not set */
    const struct fault_spec *f = s->faults;
    assert_int_equal(f[0].kind, FAULT_OUTAGE);
    assert_true(f[0].from_us == 0 && f[0].for_us == 0);
    assert_int_equal(f[0].hows[0], VARIANT_OUTAGE_DOWN);
    assert_int_equal(f[1].from_us, 10 * FLOW_MINUTE_US);
    assert_int_equal(f[1].for_us, FLOW_HOUR_US);
    assert_int_equal(f[1].how_count, 1);
    assert_int_equal(f[1].hows[0], VARIANT_OUTAGE_BAD_GATEWAY);
    assert_true(f[2].from_us == 2 * FLOW_HOUR_US && f[2].for_us == 0);
    assert_true(f[3].from_us == 0 && f[3].for_us == 1);
    assert_int_equal(f[3].how_count, 2);
    assert_int_equal(f[3].hows[0], VARIANT_ROTATE_REMOVED);
    assert_int_equal(f[3].hows[1], VARIANT_ROTATE_ADDED);
    scenario_free(s);
}

/* The laws are in force, and all are the platform's own. */
static void test_scenario_may_set_nothing_of_the_flow(void **state)
{
    (void)state;
    struct scenario *s = parse(FLOW_WITH(""));
    struct flow flow;
    flow_unset(&flow);
    assert_memory_equal(s->flow, &flow, sizeof flow);
    scenario_free(s);
}

static void test_scenario_sets_every_key_of_the_flow(void **state)
{
    (void)state;
    for (size_t i = 0; i < FLOW_KEY_COUNT; i++) {
        char text[256];
        struct flow flow;
        struct err err;
        flow_unset(&flow);
        assert_true(flow_set(&flow, flow_key_at(i), "0", &err));
        for (size_t spelling = 0; spelling < 3; spelling++) {
            static const char *const none[] = {"0", "\"0\"", "\"none\""};
            snprintf(text, sizeof text, FLOW_WITH("\"%s\": %s"), flow_key_at(i), none[spelling]);
            struct scenario *s = parse(text);
            assert_memory_equal(s->flow, &flow, sizeof flow);
            scenario_free(s);
        }
    }
}

static void test_scenario_rate_top_is_no_number(void **state)
{
    (void)state;
    struct scenario *s = parse(WITH("\"pace\": {\"rate\": \"top\"}"));
    assert_true(s->pace.rate_top);
    assert_true(s->pace.rate == 0);
    scenario_free(s);
}

/* plan and message rely on it: without `how`, every variant in turn, whatever the fault. But not every
 * platform can send a duplicate together with the first, not every connector knows the next secret, and an
 * outage is of one kind. */
static void test_scenario_fault_without_how_uses_all_its_variants(void **state)
{
    (void)state;
    static const bool must_be_asked_for[VARIANT_COUNT] = {[VARIANT_DUPLICATE_TOGETHER] = true,
                                                          [VARIANT_ROTATE_ADDED] = true,
                                                          [VARIANT_ROTATE_REMOVED] = true,
                                                          [VARIANT_OUTAGE_BAD_GATEWAY] = true};
    for (int kind = FAULT_NONE + 1; kind < FAULT_COUNT; kind++) {
        char text[512];
        snprintf(text, sizeof text, WITH(ALL_MEANS ", \"faults\": [{\"%s\": {}}]"),
                 fault_get((enum fault_kind)kind)->name);
        struct scenario *s = parse(text);
        size_t expected = 0;
        for (int v = VARIANT_NONE + 1; v < VARIANT_COUNT; v++)
            if ((int)variant_get((enum fault_variant)v)->fault == kind && !must_be_asked_for[v])
                assert_int_equal(s->faults[0].hows[expected++], v);
        assert_int_equal(s->faults[0].kind, kind);
        assert_int_equal(s->faults[0].how_count, expected);
        scenario_free(s);
    }
}

static void test_scenario_is_named_after_its_file(void **state)
{
    (void)state;
    static const struct {
        const char *file, *name;
    } rows[] = {
        {"scenarios/core/duplicates.json", "core/duplicates"},
        {"/home/me/shop/scenarios/mine.json", "mine"},
        {"./scenarios/deep/er/x.json", "deep/er/x"},
        {"late.json", "late"},
        {"./tests/late.json", "tests/late"},
        {"myscenarios/late.json", "myscenarios/late"},
        {"-", "-"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct scenario *s;
        struct err err;
        assert_true(scenario_parse(&s, rows[i].file, span_of(HEAD STREAM RULES), rule_is_listed, &err));
        assert_string_equal(s->name, rows[i].name);
        scenario_free(s);
    }
}

/* ---- refusing ------------------------------------------------------------------------------------- */

static void test_scenario_refusals_name_file_path_and_reason(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } rows[] = {
        {WITH("\"faluts\": []"), "x.json: \"faluts\" is not a known key; did you mean \"faults\"?"},
        {HEAD RULES, "x.json: \"stream\" is missing"},
        {HEAD STREAM "\"pace\": {}}", "x.json: \"rules\" is missing"},
        {"{\"title\": \"\", \"story\": \"s\", " STREAM RULES, "x.json: title: this is empty"},
        {"{\"title\": \"a\\nb\", \"story\": \"s\", " STREAM RULES, "x.json: title: a control character"},
        {"{\"title\": 1, \"story\": \"s\", " STREAM RULES,
         "x.json: title: expected a string, found a number"},
        {WITH("\"platforms\": [\"apo\"]"), "platforms[0]: \"apo\" is not known; did you mean \"aep\"?"},
        {WITH("\"platforms\": []"), "platforms: this is empty"},
        {WITH("\"platforms\": [\"aep\", \"aep\", \"aep\"]"), "platforms: 3 entries are more than 2"},
        {WITH("\"platforms\": [\"aep\", \"aep\"]"), "platforms[1]: aep comes twice"},
        {HEAD "\"stream\": [], " RULES, "stream: this is empty"},
        {HEAD "\"stream\": [{}], " RULES, "stream[0]: \"event\" is missing"},
        {HEAD "\"stream\": [{\"check\": \"reachabilty\"}], " RULES, "did you mean \"reachability\"?"},
        {HEAD "\"stream\": [{\"event\": \"x\", \"entities\": 0}], " RULES,
         "stream[0].entities: 0 is not between 1 and 1000000"},
        {HEAD "\"stream\": [{\"event\": \"x\", \"times\": 1.5}], " RULES,
         "stream[0].times: 1.5 is not a whole number"},
        {HEAD "\"stream\": [{\"event\": \"com.akeneo.pim.v1.family.created\"}], " RULES,
         "stream[0].event: events-api has no event \"com.akeneo.pim.v1.family.created\""},
        {HEAD "\"platforms\": [\"aep\"], \"stream\": [{\"event\": \"com.akeneo.pim.v1.family.created\", "
              "\"catalog\": true}], " RULES,
         "stream[0].catalog: the catalogue holds products and product models"},
        {WITH("\"pace\": {\"rate\": 5, \"concurrency\": 5}"), "pace: \"rate\" and \"concurrency\" exclude"},
        {WITH("\"pace\": {\"ramp\": \"5s\"}"), "pace: \"ramp\" leads up to a \"rate\""},
        {WITH("\"pace\": {\"rate\": \"tip\"}"), "pace.rate: \"tip\" is not known; did you mean \"top\"?"},
        {WITH("\"pace\": {\"rate\": 0}"), "pace.rate: 0 is not between 0.01 and 100000"},
        {WITH("\"pace\": {\"rate\": 5, \"ramp\": \"25h\"}"), "pace.ramp: \"25h\" is longer than 24h"},
        {WITH("\"faults\": [{}]"), "faults[0]: expected one fault, found 0"},
        {WITH("\"faults\": [{\"drop\": {}, \"delay\": {}}]"), "faults[0]: expected one fault, found 2"},
        {WITH("\"faults\": [{\"duplicat\": {}}]"),
         "faults[0]: \"duplicat\" is not a known key; did you mean \"duplicate\"?"},
        {WITH("\"faults\": [{\"drop\": {\"share\": 1.5}}]"),
         "faults[0].drop.share: 1.5 is not between 0 and 1"},
        {WITH("\"faults\": [{\"drop\": {\"after\": \"1s\"}}]"),
         "faults[0].drop: \"after\" is not a known key"},
        {WITH("\"faults\": [{\"delay\": {\"after\": \"2s..1s\"}}]"),
         "faults[0].delay.after: 2s is longer than 1s"},
        {WITH("\"faults\": [{\"delay\": {\"after\": \"1s..\"}}]"),
         "faults[0].delay.after: \"\" is not a duration"},
        {WITH("\"faults\": [{\"delay\": {\"after\": \"5 minutes\"}}]"), "\"5 minutes\" is not a duration"},
        {WITH("\"faults\": [{\"reorder\": {\"window\": 1}}]"),
         "faults[0].reorder.window: 1 is not between 2"},
        {WITH("\"faults\": [{\"burst\": {}}]"), "faults[0]: a burst breaks the pace"},
        {WITH("\"faults\": [{\"forge\": {\"how\": \"randm\"}}]"),
         "faults[0].forge.how: \"randm\" is not known; did you mean \"random\"?"},
        {WITH("\"faults\": [{\"forge\": {\"how\": []}}]"), "faults[0].forge.how: this is empty"},
        {WITH("\"faults\": [{\"forge\": {\"how\": [\"stale\", \"stale\"]}}]"),
         "faults[0].forge.how[1]: \"stale\" comes twice"},
        {WITH("\"faults\": [{\"malform\": {\"how\": \"stale\"}}]"),
         "faults[0].malform.how: \"stale\" is not known"},
        {HEAD STREAM "\"rules\": []}", "rules: this is empty"},
        {HEAD STREAM "\"rules\": [\"ack/dedline\"]}",
         "rules[0]: \"ack/dedline\" is not a rule; did you mean \"ack/deadline\"?"},
        {HEAD STREAM "\"rules\": [\"ack/load\", \"ack/load\"]}", "rules[1]: \"ack/load\" comes twice"},
        {WITH("\"effects\": \"idem/stat\""),
         "x.json: effects: \"idem/stat\" is not a rule; did you mean \"idem/state\"?"},
        {WITH("\"effects\": \"idem/state\""),
         "x.json: effects: \"idem/state\" is not among this scenario's \"rules\""},
        {WITH("\"effects\": true"), "x.json: effects: expected a string, found true or false"},
        {HEAD EFFECTS ", \"stream\": [{\"event\": \"x\"}, {\"check\": \"reachability\"}], " RULES,
         "x.json: stream[1]: a check has no effects"},
        {HEAD "\"stream\": [{\"event\": \"x\"}, {\"check\": \"settled\"}], " RULES,
         "x.json: stream[1]: the state is looked at in scenarios with \"effects\" only"},
        {HEAD EFFECTS ", \"faults\": [{\"restart\": {}}], \"stream\": [{\"event\": \"x\"}, "
                      "{\"check\": \"settled\"}], " RULES,
         "x.json: stream[1]: a scenario with a restart settles"},
        {HEAD STREAM "\"migration\": \"instead\", " EFFECTS ", " RULES,
         "x.json: migration: what is judged is AEP: \"platforms\": [\"aep\"]"},
        {WITH(AEP "\"migration\": \"instead\""), "x.json: migration: \"effects\" is missing"},
        {WITH(AEP EFFECTS ", \"migration\": \"insted\""), "did you mean \"instead\"?"},
        {WITH(AEP EFFECTS ", \"migration\": true"), "x.json: migration: expected a string"},
        {WITH(AEP EFFECTS ", \"migration\": \"handover\""),
         "x.json: migration: a handover is at the first \"settled\""},
        {WITH(AEP EFFECTS ", \"migration\": \"besides\", \"faults\": [{\"drop\": {}}]"),
         "x.json: migration: a migration has neither \"faults\" nor \"flow\""},
        {WITH(AEP EFFECTS ", \"migration\": \"besides\", \"flow\": {}"), "neither \"faults\" nor \"flow\""},
        {HEAD AEP EFFECTS ", \"migration\": \"instead\", \"stream\": [{\"event\": \"*\"}], " RULES,
         "x.json: stream[0].event: the Events API has no \"*\" to compare with"},
        {HEAD AEP EFFECTS ", \"migration\": \"instead\", \"stream\": [{\"event\": \"product.created\"}, "
                          "{\"event\": \"com.akeneo.pim.v1.product.updated.delta\"}], " RULES,
         "x.json: stream[1].event: the Events API has no \"com.akeneo.pim.v1.product.updated.delta\""},
        {HEAD "\"stream\": [{\"event\": \"product.updated\", \"delta\": 1}], " RULES,
         "stream[0].delta: expected"},
        {HEAD "\"stream\": [{\"event\": \"product.created\", \"delta\": true}], " RULES,
         "stream[0].delta: only product.updated and product_model.updated are followed by a delta"},
        {HEAD "\"stream\": [{\"event\": \"*\", \"delta\": true}], " RULES,
         "stream[0].delta: only product.updated"},
        {HEAD "\"stream\": [{\"event\": \"mine.json\", \"delta\": true}], " RULES,
         "stream[0].delta: only product.updated"},
        {HEAD "\"platforms\": [\"aep\"], \"stream\": [{\"event\": "
              "\"com.akeneo.pim.v1.product.updated.delta\", \"delta\": true}], " RULES,
         "stream[0].delta: only product.updated"},
        {WITH("\"faults\": [{\"drop\": {\"event\": \"com.akeneo.pim.v1.family.created\"}}]"),
         "faults[0].drop.event: events-api has no event \"com.akeneo.pim.v1.family.created\""},
        {WITH("\"faults\": [{\"drop\": {\"event\": \"\"}}]"), "faults[0].drop.event: this is empty"},
        {WITH("\"faults\": [{\"restart\": {}}]"),
         "faults[0]: a restart is judged by the state that it leaves: \"effects\" is missing"},
        {WITH("\"faults\": [{\"duplicate\": {\"how\": [\"apart\", \"together\"]}}]"),
         "faults[0]: duplicates come together in one request: \"pace\" needs a \"batch\""},
        {WITH("\"faults\": [{\"duplicate\": {\"how\": \"copy\"}}]"),
         "faults[0].duplicate.how: \"copy\" is not"},
        {WITH("\"faults\": [{\"overlap\": {\"after\": \"1s\"}}]"),
         "faults[0].overlap: \"after\" is not a known key"},
        {WITH("\"flow\": true"), "x.json: flow: expected an object, found true or false"},
        {FLOW_WITH("\"quotas\": 1"), "x.json: flow: \"quotas\" is not a known key; did you mean \"quota\"?"},
        {FLOW_WITH("\"quota\": 1, \"quota\": 1"), "x.json: flow.quota: this key comes twice"},
        {FLOW_WITH("\"quota\": true"), "x.json: flow.quota: this is neither a number nor a string"},
        {FLOW_WITH("\"quota\": -1"), "x.json: flow.quota: \"-1\" is not a number"},
        {FLOW_WITH("\"quota\": 1.5"), "x.json: flow.quota: 1.5 is not a whole number"},
        {FLOW_WITH("\"success-min\": 101"), "x.json: flow.success-min: 101 is not between 0 and 100"},
        {FLOW_WITH("\"rate-min\": 1e-7"), "x.json: flow.rate-min: 1e-7 is not between 0.001 and 10000"},
        {FLOW_WITH("\"stale\": 7200"), "x.json: flow.stale: \"7200\" is not a duration"},
        {FLOW_WITH("\"success-window\": \"10ms\""), "x.json: flow.success-window: 10ms is not between 1s"},
        {FLOW_WITH("\"retry\": [\"5m\"]"), "x.json: flow.retry: this is neither a number nor a string"},
        {FLOW_WITH("\"retry\": \"5m, 10m\""), "x.json: flow.retry: \" 10m\" is not a duration"},
        {FLOW_WITH("\"retry\": \"5m,0\""), "x.json: flow.retry: \"5m,0\" holds a wait of nothing"},
        {WITH("\"faults\": [{\"outage\": {\"for\": \"1h\"}}]"),
         "x.json: faults[0]: an outage is for the platform to cope with: \"flow\" is missing"},
        {FLOW_WITH("}, \"faults\": [{\"outage\": {\"share\": 0.5}}], \"pace\": {"),
         "faults[0].outage: \"share\" is not a known key"},
        {FLOW_WITH("}, \"faults\": [{\"outage\": {\"event\": \"product.updated\"}}], \"pace\": {"),
         "faults[0].outage: \"event\" is not a known key"},
        {FLOW_WITH("}, \"faults\": [{\"outage\": {\"how\": \"502\"}}], \"pace\": {"),
         "faults[0].outage.how: \"502\" is not known"},
        {FLOW_WITH("}, \"faults\": [{\"outage\": {\"how\": [\"down\"]}}], \"pace\": {"),
         "faults[0].outage.how: expected a string, found an array"},
        {WITH("\"faults\": [{\"drop\": {\"from\": 10}}]"), "faults[0].drop.from: expected a string, found"},
        {WITH("\"faults\": [{\"drop\": {\"from\": \"25h\"}}]"),
         "faults[0].drop.from: \"25h\" is longer than 24h"},
        {WITH("\"faults\": [{\"drop\": {\"for\": \"0s\"}}]"), "faults[0].drop.for: this is no time at all"},
        {WITH("\"faults\": [{\"drop\": {\"until\": \"1h\"}}]"),
         "faults[0].drop: \"until\" is not a known key"},
        {WITH("\"faults\": [{\"rotate\": {\"how\": \"promoted\"}}]"),
         "faults[0].rotate.how: \"promoted\" is not known"},
        {HEAD "\"stream\": [{\"event\": \"x\", \"own\": 1}], " RULES, "stream[0].own: expected"},
        {HEAD "\"stream\": [{\"check\": \"reachability\", \"own\": true}], " RULES,
         "stream[0]: \"own\" is not a known key"},
        {"[]", "x.json: expected an object, found an array"},
        {"", "x.json:"},
        {HEAD STREAM "\"rules\": [\"ack/deadline\"]", "x.json:"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct scenario *s;
        struct err err = {0};
        if (scenario_parse(&s, "x.json", span_of(rows[i].text), rule_is_listed, &err))
            fail_msg("accepted: %s", rows[i].text);
        assert_null(s);
        assert_int_equal(err.code, EXIT_USAGE);
        if (strncmp(err.text, "x.json:", 7) != 0 || !strstr(err.text, rows[i].message))
            fail_msg("%s\n  expected: %s", err.text, rows[i].message);
    }
}

static void test_scenario_cut_anywhere_is_refused(void **state)
{
    (void)state;
    static const char whole[] = WITH(
        "\"flow\": {\"retry\": \"1m\", \"quota\": 5}, \"faults\": [{\"forge\": {\"how\": [\"stale\"]}}]");
    for (size_t len = 0; len < strlen(whole); len++) {
        struct scenario *s;
        struct err err;
        char *cut =
            malloc(len ? len : 1); /* no more than its size, so that a sanitizer sees a read past the end */
        memcpy(cut, whole, len);
        assert_false(scenario_parse(&s, "x", (struct span){cut, len}, rule_is_listed, &err));
        free(cut);
    }
}

/* ---- suites ------------------------------------------------------------------------------------- */

/* A folder with scenarios of our own, over the built-in ones. */
struct shelf {
    char folder[64], home[256];
    struct data *data;
};

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static int make_shelf(void **state)
{
    struct shelf *shelf = calloc(1, sizeof *shelf);
    struct err err;
    strcpy(shelf->folder, "/tmp/pimsim-scenario-XXXXXX");
    assert_non_null(mkdtemp(shelf->folder));
    assert_non_null(getcwd(shelf->home, sizeof shelf->home));
    assert_int_equal(chdir(shelf->folder), 0);
    assert_int_equal(mkdir("scenarios", 0700) | mkdir("scenarios/mine", 0700) | mkdir("loose", 0700), 0);
    assert_int_equal(mkdir("empty", 0700), 0);
    write_file("scenarios/mine/late.json", HEAD STREAM RULES);
    write_file("scenarios/mine/duplicates.json", HEAD STREAM RULES);
    write_file("scenarios/core.schema.json", "{}");
    write_file("loose/b.json", HEAD STREAM RULES);
    write_file("loose/a.json", HEAD STREAM RULES);
    write_file("loose/own.schema.json", "{}");
    write_file("loose/.hidden.json", "{}");
    write_file("bad.json", "{\"titel\": 1}");
    assert_true(data_open(&shelf->data, shelf->folder, &err));
    *state = shelf;
    return 0;
}

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *place)
{
    (void)st, (void)kind, (void)place;
    return remove(path);
}

static int drop_shelf(void **state)
{
    struct shelf *shelf = *state;
    data_close(shelf->data);
    assert_int_equal(chdir(shelf->home), 0);
    assert_int_equal(nftw(shelf->folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS), 0);
    free(shelf);
    return 0;
}

/* The names of what is loaded, with spaces between; or the error's message. */
static const char *load(struct data *data, const char *const *names, size_t count)
{
    static char text[2048];
    struct suite suite;
    struct err err;
    *text = '\0';
    if (!suite_load(&suite, data, names, count, rule_is_listed, &err)) {
        assert_int_equal(suite.count, 0);
        assert_int_equal(err.code, EXIT_USAGE);
        return strcpy(text, err.text);
    }
    for (size_t i = 0; i < suite.count; i++) {
        strcat(text, i ? " " : "");
        strcat(text, suite.scenarios[i]->name);
    }
    suite_reset(&suite);
    return text;
}

static void test_suite_names_mean_scenarios_suites_files_and_folders(void **state)
{
    struct shelf *shelf = *state;
    static const struct {
        const char *names[3], *loaded;
    } rows[] = {
        {{"core/duplicates"}, "core/duplicates"},
        {{"mine"}, "mine/duplicates mine/late"},
        {{"mine/"}, "mine/duplicates mine/late"},
        {{"late"}, "mine/late"},
        {{"forged", "late", "core/duplicates"}, "core/duplicates mine/late signatures/forged"},
        {{"mine", "late", "mine/late"}, "mine/duplicates mine/late"},
        {{"loose"}, "loose/a loose/b"},
        {{"./loose/"}, "loose/a loose/b"},
        {{"loose/b.json"}, "loose/b"},
        {{"scenarios/mine/late.json"}, "mine/late"},
        {{"duplicates"}, "\"duplicates\" is in several suites; say which, as SUITE/duplicates"},
        {{"core/duplicats"},
         "\"core/duplicats\" is no scenario, suite, file or folder; did you mean "
         "\"core/duplicates\"?"},
        {{"signature"}, "\"signature\" is no scenario, suite, file or folder; did you mean \"signatures\"?"},
        {{"tamperd"}, "\"tamperd\" is no scenario, suite, file or folder; did you mean \"tampered\"?"},
        {{"nothing-like-it-anywhere"}, "\"nothing-like-it-anywhere\" is no scenario, suite, file or folder"},
        {{""}, "\"\" is no scenario, suite, file or folder"},
        {{"empty"}, "empty: no scenario in this folder"},
        {{"bad.json"}, "bad.json: \"titel\" is not a known key; did you mean \"title\"?"},
        {{"late", "bad.json"}, "bad.json: \"titel\" is not a known key; did you mean \"title\"?"},
        {{"late", "loose", "./scenarios/mine/late.json"},
         "two scenarios are called \"mine/late\": in ./scenarios/mine/late.json and in "
         "scenarios/mine/late.json"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        size_t count = 0;
        while (count < COUNT_OF(rows[i].names) && rows[i].names[count])
            count++;
        const char *loaded = load(shelf->data, rows[i].names, count);
        if (strcmp(loaded, rows[i].loaded) != 0)
            fail_msg("%s loads \"%s\", not \"%s\"", rows[i].names[0], loaded, rows[i].loaded);
    }
}

static void test_suite_without_names_is_everything_with_the_folder_laid_over(void **state)
{
    struct shelf *shelf = *state;
    const char *all = load(shelf->data, NULL, 0);
    assert_non_null(strstr(all, "core/batches"));
    assert_non_null(strstr(all, "mine/late"));
    assert_non_null(strstr(all, "signatures/tampered"));
    assert_null(strstr(all, "schema"));
}

/* ---- what we ship --------------------------------------------------------------------------------- */

struct shipped {
    struct data *data;
    struct suite suite;
    struct json_doc schema;
};

static int open_shipped(void **state)
{
    struct shipped *s = calloc(1, sizeof *s);
    struct span bytes;
    struct err err = {0};
    if (!data_open(&s->data, NULL, &err) || !suite_load(&s->suite, s->data, NULL, 0, rule_is_listed, &err) ||
        !data_read(s->data, "scenarios/scenario.schema.json", &bytes, &err) ||
        !json_parse(&s->schema, "scenario.schema.json", bytes, JSON_STRICT, &err))
        fail_msg("%s", err.text);
    *state = s;
    return 0;
}

static int close_shipped(void **state)
{
    struct shipped *s = *state;
    json_reset(&s->schema);
    suite_reset(&s->suite);
    data_close(s->data);
    free(s);
    return 0;
}

static void test_shipped_scenarios_give_every_rule_something_to_judge(void **state)
{
    const struct shipped *shipped = *state;
    assert_true(shipped->suite.count >= 20);
    for (size_t r = 0; r < COUNT_OF(rules); r++) {
        size_t found = 0;
        for (size_t i = 0; i < shipped->suite.count; i++)
            for (size_t k = 0; k < shipped->suite.scenarios[i]->rule_count; k++)
                found += strcmp(shipped->suite.scenarios[i]->rules[k], rules[r].id) == 0;
        if (!found)
            fail_msg("no scenario judges %s", rules[r].id);
    }
}

static void test_shipped_scenarios_use_every_variant_and_judge_it(void **state)
{
    const struct shipped *shipped = *state;
    bool used[VARIANT_COUNT] = {[VARIANT_NONE] = true};
    for (size_t i = 0; i < shipped->suite.count; i++) {
        const struct scenario *s = shipped->suite.scenarios[i];
        for (size_t f = 0; f < s->fault_count; f++)
            for (size_t h = 0; h < s->faults[f].how_count; h++) {
                enum fault_variant v = s->faults[f].hows[h];
                bool judged = variant_get(v)->expect == EXPECT_ANY || s->effects;
                for (size_t k = 0; k < s->rule_count; k++) /* ack/load judges its own bursts */
                    judged |= strcmp(s->rules[k], variant_get(v)->rule) == 0 ||
                              strcmp(s->rules[k], "ack/load") == 0;
                if (!judged)
                    fail_msg("%s: nobody judges \"%s\"", s->name, variant_get(v)->name);
                used[v] = true;
            }
    }
    for (int v = 0; v < VARIANT_COUNT; v++)
        if (!used[v])
            fail_msg("no scenario uses \"%s\"", variant_get((enum fault_variant)v)->name);
}

/* A refusal counts only if the same request without the fault is accepted in the same scenario. Where effects
 * are judged, two universes are undisturbed. What has a window leaves the rest of the stream. */
static double disturbed_by(const struct fault_spec *f)
{
    return f->kind == FAULT_BURST || f->kind == FAULT_OUTAGE || f->from_us || f->for_us ? 0 : f->share;
}

static void test_shipped_faults_leave_undisturbed_deliveries_as_control(void **state)
{
    const struct shipped *shipped = *state;
    for (size_t i = 0; i < shipped->suite.count; i++) {
        const struct scenario *s = shipped->suite.scenarios[i];
        double share = 0;
        for (size_t f = 0; f < s->fault_count; f++)
            share += disturbed_by(&s->faults[f]);
        if (share > 0.6 && !s->effects)
            fail_msg("%s: only %.0f %% are left undisturbed", s->name, 100 * (1 - share));
    }
}

/* ---- the schema's and the README's words are the tables'
 * ------------------------------------------------------------- */

static uint32_t at(const struct json_doc *schema, const char *pointer)
{
    uint32_t node = json_pointer(schema, pointer);
    if (node == JSON_NONE)
        fail_msg("the schema has no %s", pointer);
    return node;
}

static void expect_word(const struct json_doc *schema, uint32_t *node, const char *word, const char *where)
{
    if (*node == JSON_NONE || !json_string_is(schema, *node, word))
        fail_msg("%s: \"%s\" is missing or out of place in the schema", where, word);
    *node = json_next(schema, *node);
}

static void test_schema_has_the_faults_and_their_variants(void **state)
{
    const struct json_doc *schema = &((struct shipped *)*state)->schema;
    uint32_t faults = at(schema, "/properties/faults/items/properties");
    assert_int_equal(json_count(schema, faults), FAULT_COUNT - 1);
    for (int kind = FAULT_NONE + 1; kind < FAULT_COUNT; kind++) {
        const struct fault_row *row = fault_get((enum fault_kind)kind);
        uint32_t fault = json_get(schema, faults, row->name);
        uint32_t said = json_get(schema, fault, "description");
        expect_word(schema, &said, row->summary, row->name);
        if (json_get(schema, json_get(schema, fault, "properties"), "how") == JSON_NONE)
            continue;
        char pointer[80];
        snprintf(pointer, sizeof pointer, "/$defs/%s-how/enum", row->name);
        uint32_t name = json_first(schema, at(schema, pointer));
        snprintf(pointer, sizeof pointer, "/$defs/%s-how/enumDescriptions", row->name);
        uint32_t summary = json_first(schema, at(schema, pointer));
        for (int v = VARIANT_NONE + 1; v < VARIANT_COUNT; v++) {
            const struct variant_row *variant = variant_get((enum fault_variant)v);
            if ((int)variant->fault != kind)
                continue;
            expect_word(schema, &name, variant->name, row->name);
            expect_word(schema, &summary, variant->summary, row->name);
        }
        assert_true(name == JSON_NONE && summary == JSON_NONE);
    }
}

static void test_schema_has_the_rules(void **state)
{
    const struct json_doc *schema = &((struct shipped *)*state)->schema;
    uint32_t id = json_first(schema, at(schema, "/$defs/rule/enum"));
    uint32_t holds = json_first(schema, at(schema, "/$defs/rule/enumDescriptions"));
    for (size_t i = 0; i < COUNT_OF(rules); i++) {
        expect_word(schema, &id, rules[i].id, "rules");
        expect_word(schema, &holds, rules[i].holds, "rules");
    }
    assert_true(id == JSON_NONE && holds == JSON_NONE);
}

static void test_schema_has_the_events(void **state)
{
    const struct json_doc *schema = &((struct shipped *)*state)->schema;
    uint32_t both = json_first(schema, at(schema, "/$defs/event-step/properties/event/anyOf/0/enum"));
    uint32_t product = json_first(schema, at(schema, "/$defs/aep-product-event/enum"));
    uint32_t other = json_first(schema, at(schema, "/$defs/aep-other-event/enum"));
    expect_word(schema, &both, "*", "events");
    for (size_t i = 0; i < event_type_count(); i++) {
        const struct event_type *type = event_type_at(i);
        uint32_t *list = type->wire[PLATFORM_EVENTS_API] ? &both
                         : type->kind == ENTITY_OTHER    ? &other
                                                         : &product;
        expect_word(schema, list, type->name, "events");
    }
    assert_true(both == JSON_NONE && product == JSON_NONE && other == JSON_NONE);
}

static void test_schema_has_the_platforms(void **state)
{
    const struct json_doc *schema = &((struct shipped *)*state)->schema;
    uint32_t name = json_first(schema, at(schema, "/properties/platforms/items/enum"));
    for (size_t i = 0; i < PLATFORM_COUNT; i++)
        expect_word(schema, &name, platform_names[i], "platforms");
    assert_true(name == JSON_NONE);
}

/* The keys in their order, each with what it says, and the bounds of those that are numbers. */
static void test_schema_has_the_laws_over_hours(void **state)
{
    enum unit { COUNT, DURATION, DURATIONS, PER_SECOND };
    static const struct {
        const char *key, *summary;
        enum unit unit;
        double min, max;
    } laws[] = {
#define FLOW(member, key, unit, min, max, summary) {key, summary, unit, (double)(min), (double)(max)},
#include "flow.def"
#undef FLOW
    };
    static const char *const durations[] = {[DURATION] = "#/$defs/wait", [DURATIONS] = "#/$defs/waits"};
    const struct json_doc *schema = &((struct shipped *)*state)->schema;
    uint32_t keys = at(schema, "/properties/flow/properties");
    assert_int_equal(json_count(schema, keys), COUNT_OF(laws));
    for (size_t i = 0; i < COUNT_OF(laws); i++) {
        uint32_t law = json_get(schema, keys, laws[i].key);
        uint32_t said = json_get(schema, law, "description"), reference = json_get(schema, law, "$ref");
        expect_word(schema, &said, laws[i].summary, laws[i].key);
        if (laws[i].unit == DURATION || laws[i].unit == DURATIONS) {
            expect_word(schema, &reference, durations[laws[i].unit], laws[i].key);
            continue;
        }
        uint32_t number = json_first(schema, json_get(schema, law, "anyOf"));
        if (json_get(schema, number, "const") != JSON_NONE) /* 0 is outside the bounds, and allowed */
            number = json_next(schema, number);
        uint32_t type = json_get(schema, number, "type");
        double min, max;
        struct err err;
        expect_word(schema, &type, laws[i].unit == COUNT ? "integer" : "number", laws[i].key);
        assert_true(json_read_real(schema, json_get(schema, number, "minimum"), 0, 1, &min, &err));
        assert_true(json_read_real(schema, json_get(schema, number, "maximum"), 0, 1e9, &max, &err));
        assert_true(max == laws[i].max && (min == laws[i].min || (laws[i].unit == COUNT && min == 0)));
    }
}

/* A fault with the schema's defaults written out is the fault with nothing written. */
static void test_schema_defaults_are_the_parsers(void **state)
{
    const struct json_doc *schema = &((struct shipped *)*state)->schema;
    for (int kind = FAULT_NONE + 1; kind < FAULT_COUNT; kind++) {
        const char *name = fault_get((enum fault_kind)kind)->name;
        char pointer[80], bare[512], text[512], members[256] = "";
        snprintf(pointer, sizeof pointer, "/properties/faults/items/properties/%s/properties", name);
        uint32_t key = json_first(schema, at(schema, pointer));
        for (; key != JSON_NONE; key = json_next(schema, key)) {
            struct buf scratch;
            buf_init(&scratch, 64);
            struct span word = json_key(schema, key, &scratch);
            struct span value = json_raw(schema, json_get(schema, key, "default"));
            if (span_equals(word, "share"))
                value = json_raw(schema, at(schema, "/$defs/share/default"));
            else if (span_equals(word, "from"))
                value = json_raw(schema, at(schema, "/$defs/from/default"));
            else if (json_get(schema, key, "default") == JSON_NONE)
                value.len = 0;
            size_t len = strlen(members);
            if (value.len)
                snprintf(members + len, sizeof members - len, "%s\"%.*s\": %.*s", len ? ", " : "",
                         (int)word.len, word.data, (int)value.len, value.data);
            buf_reset(&scratch);
        }
        snprintf(bare, sizeof bare, WITH(ALL_MEANS ", \"faults\": [{\"%s\": {}}]"), name);
        snprintf(text, sizeof text, WITH(ALL_MEANS ", \"faults\": [{\"%s\": {%s}}]"), name, members);
        struct scenario *a = parse(bare), *b = parse(text);
        if (memcmp(&a->faults[0], &b->faults[0], sizeof a->faults[0]) != 0)
            fail_msg("%s: {%s} is not the default", name, members);
        scenario_free(a);
        scenario_free(b);
    }
}

static void read_readme(struct buf *text)
{
    struct err err;
    buf_init(text, 1 << 20);
    if (!buf_read_file(text, "scenarios/README.md", &err))
        fail_msg("%s", err.text);
}

static void test_readme_examples_are_scenarios(void **state)
{
    (void)state;
    static const char fence[] = "```json\n";
    struct buf text;
    unsigned examples = 0;
    read_readme(&text);
    for (char *at = strstr(buf_text(&text), fence), *end; at; at = strstr(end + 1, fence), examples++) {
        at += strlen(fence);
        end = strstr(at, "```");
        assert_non_null(end);
        *end = '\0';
        scenario_free(parse(at));
    }
    assert_int_equal(examples, 3);
    buf_reset(&text);
}

static void test_readme_names_every_fault_and_variant(void **state)
{
    (void)state;
    struct buf text;
    char row[80];
    read_readme(&text);
    for (int kind = FAULT_NONE + 1; kind < FAULT_COUNT; kind++) {
        const struct fault_row *fault = fault_get((enum fault_kind)kind);
        snprintf(row, sizeof row, "| `%s` | %s", fault->name, fault->summary);
        if (!strstr(buf_text(&text), row))
            fail_msg("the README has no row \"%s\"", row);
    }
    const char *hows = strstr(buf_text(&text), "| fault | `how` |");
    assert_non_null(hows);
    for (int v = VARIANT_NONE + 1; v < VARIANT_COUNT; v++) {
        const struct variant_row *variant = variant_get((enum fault_variant)v);
        snprintf(row, sizeof row, "| `%s` | ", fault_get(variant->fault)->name);
        const char *line = strstr(hows, row), *end = line ? strchr(line, '\n') : NULL;
        snprintf(row, sizeof row, "`%s`", variant->name);
        const char *word = line ? strstr(line, row) : NULL;
        if (line && (!word || word > end))
            fail_msg("the README's row of %s has no %s", fault_get(variant->fault)->name, row);
    }
    buf_reset(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scenario_of_the_required_keys_has_the_documented_defaults),
        cmocka_unit_test(test_scenario_reads_every_key),
        cmocka_unit_test(test_scenario_reads_what_effects_need),
        cmocka_unit_test(test_scenario_reads_what_happens_over_hours),
        cmocka_unit_test(test_scenario_may_set_nothing_of_the_flow),
        cmocka_unit_test(test_scenario_sets_every_key_of_the_flow),
        cmocka_unit_test(test_scenario_rate_top_is_no_number),
        cmocka_unit_test(test_scenario_fault_without_how_uses_all_its_variants),
        cmocka_unit_test(test_scenario_is_named_after_its_file),
        cmocka_unit_test(test_scenario_refusals_name_file_path_and_reason),
        cmocka_unit_test(test_scenario_cut_anywhere_is_refused),
        cmocka_unit_test_setup_teardown(test_suite_names_mean_scenarios_suites_files_and_folders, make_shelf,
                                        drop_shelf),
        cmocka_unit_test_setup_teardown(test_suite_without_names_is_everything_with_the_folder_laid_over,
                                        make_shelf, drop_shelf),
        cmocka_unit_test(test_readme_examples_are_scenarios),
        cmocka_unit_test(test_readme_names_every_fault_and_variant),
    };
    const struct CMUnitTest shipped[] = {
        cmocka_unit_test(test_shipped_scenarios_give_every_rule_something_to_judge),
        cmocka_unit_test(test_shipped_scenarios_use_every_variant_and_judge_it),
        cmocka_unit_test(test_shipped_faults_leave_undisturbed_deliveries_as_control),
        cmocka_unit_test(test_schema_has_the_faults_and_their_variants),
        cmocka_unit_test(test_schema_has_the_laws_over_hours),
        cmocka_unit_test(test_schema_has_the_rules),
        cmocka_unit_test(test_schema_has_the_events),
        cmocka_unit_test(test_schema_has_the_platforms),
        cmocka_unit_test(test_schema_defaults_are_the_parsers),
    };
    int failed = cmocka_run_group_tests_name("scenario", tests, NULL, NULL);
    return failed + cmocka_run_group_tests_name("shipped", shipped, open_shipped, close_shipped);
}
