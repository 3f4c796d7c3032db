/* Tests of plan.c: a seed decides a plan to the last byte, and every fault strikes as often as it says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "clock.h"
#include "limits.h"
#include "planning.h"

#define MS UINT64_C(1000)
#define S  UINT64_C(1000000)

_Static_assert(sizeof(struct plan_item) == 40, "a million events are 40 MB");

#define HOUR (3600 * S)

/* Everything at once. */
#define BUSY                                                                                                 \
    SCENARIO("\"stream\":[{\"check\":\"reachability\"},{\"event\":\"product.created\",\"entities\":40},"     \
             "{\"event\":\"product.updated\",\"times\":5},{\"event\":\"product_model.updated\","             \
             "\"entities\":10,\"catalog\":true},{\"check\":\"reachability\"},{\"event\":\"product_model."    \
             "removed\","                                                                                    \
             "\"entities\":3}],\"pace\":{\"rate\":70,\"batch\":3,\"ramp\":\"1s\"},\"faults\":["              \
             "{\"duplicate\":{\"share\":0.2,\"after\":\"0ms\"}},{\"reorder\":{\"share\":0.2}},"              \
             "{\"delay\":{\"share\":0.2}},{\"duplicate\":{\"share\":0.2}},{\"drop\":{\"share\":0.1}},"       \
             "{\"forge\":{\"share\":0.5,\"how\":[\"tampered\",\"random\"]}},{\"malform\":{\"share\":0.2,"    \
             "\"how\":[\"cut\",\"deep\"]}},{\"bytes\":{\"share\":0.2,\"how\":\"spaces\"}},"                  \
             "{\"burst\":{\"share\":0.2,\"window\":7}}]")

/* 100 updates of 20 products, and one fault. */
#define STRUCK(fault)                                                                                        \
    SCENARIO("\"stream\":[{\"event\":\"product.updated\",\"entities\":20,\"times\":5}],"                     \
             "\"pace\":{\"rate\":100},\"faults\":[" fault "]")

static void print_plan(const struct plan *plan, struct buf *out)
{
    buf_init(out, 64 << 20);
    for (size_t i = 0; i < plan->count; i++) {
        plan_print(plan, &plan->items[i], out);
        buf_putc(out, '\n');
    }
    assert_true(buf_ok(out));
}

static struct buf printed(const char *scenario, enum platform_id platform, uint64_t seed)
{
    struct planning p = planning_of(scenario, platform, seed);
    struct buf text;
    print_plan(p.plan, &text);
    planning_reset(&p);
    return text;
}

static unsigned count_variant(const struct plan *plan, enum fault_variant variant)
{
    unsigned count = 0;
    for (size_t i = 0; i < plan->count; i++)
        count += plan->items[i].variant == variant;
    return count;
}

/* The place of an event, or of its copy, among the items; count when it is not there. */
static size_t place_of(const struct plan *plan, uint32_t event, uint8_t copy)
{
    size_t i = 0;
    while (i < plan->count && (plan->items[i].event != event || plan->items[i].copy != copy ||
                               plan->items[i].source == PLAN_REACHABILITY))
        i++;
    return i;
}

/* ---- the same for ever -------------------------------------------------------------------------- */

static void test_plan_is_the_same_for_the_same_seed(void **state)
{
    (void)state;
    for (enum platform_id platform = 0; platform < PLATFORM_COUNT; platform++) {
        struct buf a = printed(BUSY, platform, 5), b = printed(BUSY, platform, 5);
        assert_true(span_same(buf_span(&a), buf_span(&b)));
        buf_reset(&a);
        buf_reset(&b);
    }
}

static void test_plan_differs_by_seed_and_platform(void **state)
{
    (void)state;
    struct buf a = printed(BUSY, PLATFORM_EVENTS_API, 5), b = printed(BUSY, PLATFORM_EVENTS_API, 6),
               c = printed(BUSY, PLATFORM_AEP, 5);
    assert_false(span_same(buf_span(&a), buf_span(&b)));
    assert_false(span_same(buf_span(&a), buf_span(&c)));
    buf_reset(&a);
    buf_reset(&b);
    buf_reset(&c);
}

static void test_plan_of_another_scenario_has_other_ids(void **state)
{
    (void)state;
    struct planning p = planning_of(BUSY, PLATFORM_AEP, 5);
    struct plan *other;
    struct err err;
    char id[UUID_SIZE], other_id[UUID_SIZE];
    p.scenario->name[0] = 'T';
    assert_true(plan_build(&other, p.scenario, &profile_aep, &p.settings, p.data, 5, &err));
    plan_event_id(p.plan, &p.plan->items[1], id);
    plan_event_id(other, &other->items[1], other_id);
    assert_string_not_equal(id, other_id);
    plan_free(other);
    planning_reset(&p);
}

/* Each line starts with the scenario's name; ' stands for ". */
static void assert_prints(const char *scenario, enum platform_id platform, const char *const *lines,
                          size_t count)
{
    struct buf text = printed(scenario, platform, 1), expected;
    buf_init(&expected, 1 << 20);
    for (size_t i = 0; i < count; i++)
        buf_printf(&expected, "{'scenario':'tests/plan',%s\n", lines[i]);
    for (size_t i = 0; i < expected.len; i++)
        if (expected.data[i] == '\'')
            expected.data[i] = '"';
    assert_string_equal(buf_text(&text), buf_text(&expected));
    buf_reset(&text);
    buf_reset(&expected);
}

/* The ids were computed by another program, from what rng.h says about them. Whoever changes what a
 * seed means breaks every line in a user's notes that repeats a run. */
static void test_plan_prints_known_lines(void **state)
{
    (void)state;
    static const char scenario[] =
        SCENARIO("\"stream\":[{\"check\":\"reachability\"},{\"event\":\"product.created\",\"entities\":2},"
                 "{\"event\":\"product.updated\"}],\"pace\":{\"rate\":50},"
                 "\"faults\":[{\"duplicate\":{\"share\":0.25,\"after\":\"30ms\"}}]");
    /* clang-format off */
    static const char *const events_api[] = {
        "'at_us':0,'check':'reachability'}",
        "'at_us':0,'event':'product.created','event_id':'d3f15eb8-9d63-4135-8a44-b9f5d28cc2e7',"
        "'uuid':'a9dcfaad-803f-4c90-b646-61c36ddea876','code':'product-a9dcfaad803f0c90','version':0,"
        "'copy':0}",
        "'at_us':20000,'event':'product.created','event_id':'ba0502cd-787e-44dc-9422-03e5404fd7de',"
        "'uuid':'15be5ea2-3fb1-4586-bcc2-ce36e836b420','code':'product-15be5ea23fb1a586','version':0,"
        "'copy':0}",
        "'at_us':40000,'event':'product.updated','event_id':'c7c9ce50-20f7-461b-9c67-792c24d01c16',"
        "'uuid':'a9dcfaad-803f-4c90-b646-61c36ddea876','code':'product-a9dcfaad803f0c90','version':1,"
        "'copy':0}",
        "'at_us':60000,'event':'product.updated','event_id':'852eb92b-4d27-407c-b913-ac4e89c24b3e',"
        "'uuid':'15be5ea2-3fb1-4586-bcc2-ce36e836b420','code':'product-15be5ea23fb1a586','version':1,"
        "'copy':0}",
        "'at_us':90000,'event':'product.updated','event_id':'852eb92b-4d27-407c-b913-ac4e89c24b3e',"
        "'uuid':'15be5ea2-3fb1-4586-bcc2-ce36e836b420','code':'product-15be5ea23fb1a586','version':1,"
        "'copy':1,'fault':'duplicate','variant':'apart'}",
    };
    static const char *const aep[] = {
        "'at_us':0,'check':'reachability'}",
        "'at_us':0,'event':'product.created','event_id':'019b76da-a800-75e4-8463-60603d6412da',"
        "'uuid':'e3c2e7e5-37ec-4948-b8d7-ada1d042ff5a','code':'product-e3c2e7e537ec8948','version':0,"
        "'copy':0}",
        "'at_us':20000,'event':'product.created','event_id':'019b76da-a814-713e-a1f7-b6ad03f369f0',"
        "'uuid':'b1178044-19cb-4a6b-acd1-a1034168f05a','code':'product-b117804419cbfa6b','version':0,"
        "'copy':0}",
        "'at_us':40000,'event':'product.updated','event_id':'019b76da-ac10-70ad-a6fd-87aa7262343f',"
        "'uuid':'e3c2e7e5-37ec-4948-b8d7-ada1d042ff5a','code':'product-e3c2e7e537ec8948','version':1,"
        "'copy':0}",
        "'at_us':60000,'event':'product.updated','event_id':'019b76da-ac24-7e55-9031-c80ad7d0ee84',"
        "'uuid':'b1178044-19cb-4a6b-acd1-a1034168f05a','code':'product-b117804419cbfa6b','version':1,"
        "'copy':0}",
        "'at_us':90000,'event':'product.updated','event_id':'019b76da-ac24-7e55-9031-c80ad7d0ee84',"
        "'uuid':'b1178044-19cb-4a6b-acd1-a1034168f05a','code':'product-b117804419cbfa6b','version':1,"
        "'copy':1,'fault':'duplicate','variant':'apart'}",
    };
    /* clang-format on */
    assert_prints(scenario, PLATFORM_EVENTS_API, events_api, COUNT_OF(events_api));
    assert_prints(scenario, PLATFORM_AEP, aep, COUNT_OF(aep));
}

/* FNV-1a of all lines: too many to show, but each draw of each fault is among them. */
static uint64_t hash_of(const char *scenario, enum platform_id platform)
{
    struct buf text = printed(scenario, platform, 20261231);
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < text.len; i++)
        hash = (hash ^ (unsigned char)text.data[i]) * 0x100000001b3u;
    buf_reset(&text);
    return hash;
}

static void test_plan_hashes_to_a_known_number(void **state)
{
    (void)state;
    assert_int_equal(hash_of(BUSY, PLATFORM_EVENTS_API), 0x9a5fa1aca026ba89u);
    assert_int_equal(hash_of(BUSY, PLATFORM_AEP), 0x8f5589f6e0f8324bu);
}

/* ---- order -------------------------------------------------------------------------------------- */

/* No two items may compare equal: sorts leave those in any order. */
static void assert_strictly_ordered(const struct plan *plan)
{
    for (size_t i = 1; i < plan->count; i++) {
        const struct plan_item *a = &plan->items[i - 1], *b = &plan->items[i];
        if (a->at_us > b->at_us || (a->at_us == b->at_us && a->order > b->order) ||
            (a->at_us == b->at_us && a->order == b->order && a->copy >= b->copy))
            fail_msg("%s: items %zu and %zu are out of order", plan->scenario->name, i - 1, i);
    }
}

static void test_plan_orders_ties_by_sequence(void **state)
{
    (void)state;
    struct planning p =
        planning_of(SCENARIO("\"stream\":[{\"event\":\"product.updated\",\"entities\":50,\"times\":4}]"),
                    PLATFORM_AEP, 1);
    for (uint32_t i = 0; i < p.plan->count; i++) {
        assert_int_equal(p.plan->items[i].at_us, 0);
        assert_int_equal(p.plan->items[i].event, i);
    }
    assert_strictly_ordered(p.plan);
    planning_reset(&p);
}

static void test_plan_order_is_total_whatever_the_faults(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct planning p = planning_of(BUSY, (enum platform_id)(seed % PLATFORM_COUNT), seed);
        assert_strictly_ordered(p.plan);
        planning_reset(&p);
    }
}

static void test_shipped_scenarios_have_plans_on_their_platforms(void **state)
{
    (void)state;
    struct data *data;
    struct suite suite;
    struct err err;
    struct settings settings = {.pim_version = PIM_SERENITY};
    assert_true(data_open(&data, NULL, &err));
    if (!suite_load(&suite, data, NULL, 0, planning_knows_any_rule, &err))
        fail_msg("%s", err.text);
    unsigned plans = 0;
    for (size_t i = 0; i < suite.count; i++)
        for (enum platform_id platform = 0; platform < PLATFORM_COUNT; platform++) {
            struct plan *plan;
            if (!(suite.scenarios[i]->platforms & PLATFORM_BIT(platform)))
                continue;
            if (!plan_build(&plan, suite.scenarios[i], profile_get(platform), &settings, data, 3, &err))
                fail_msg("%s", err.text);
            assert_true(plan->count > 0);
            assert_strictly_ordered(plan);
            plan_free(plan);
            plans++;
        }
    assert_true(plans >= 30);
    suite_reset(&suite);
    data_close(data);
}

/* ---- pace --------------------------------------------------------------------------------------- */

static void assert_moments(const char *pace, enum platform_id platform, const uint64_t *expected_us,
                           size_t count)
{
    char text[512];
    snprintf(text, sizeof text, SCENARIO("\"stream\":[{\"event\":\"product.updated\",\"entities\":%zu}],%s"),
             count, pace);
    struct planning p = planning_of(text, platform, 1);
    assert_int_equal(p.plan->count, count);
    for (size_t i = 0; i < count; i++)
        if (p.plan->items[i].at_us != expected_us[i])
            fail_msg("%s: event %zu is due at %llu us, not at %llu", pace, i,
                     (unsigned long long)p.plan->items[i].at_us, (unsigned long long)expected_us[i]);
    planning_reset(&p);
}

#define ASSERT_MOMENTS(pace, platform, ...)                                                                  \
    assert_moments("\"pace\":" pace, platform, (const uint64_t[]){__VA_ARGS__},                              \
                   COUNT_OF(((const uint64_t[]){__VA_ARGS__})))

static void test_pace_without_rate_is_all_at_once(void **state)
{
    (void)state;
    ASSERT_MOMENTS("{\"concurrency\":2}", PLATFORM_AEP, 0, 0, 0, 0);
}

static void test_pace_of_a_rate_is_even(void **state)
{
    (void)state;
    ASSERT_MOMENTS("{\"rate\":50}", PLATFORM_AEP, 0, 20000, 40000, 60000);
    ASSERT_MOMENTS("{\"rate\":50}", PLATFORM_EVENTS_API, 0, 20000, 40000, 60000);
    ASSERT_MOMENTS("{\"rate\":0.5}", PLATFORM_AEP, 0, 2 * S, 4 * S);
    ASSERT_MOMENTS("{\"rate\":3}", PLATFORM_AEP, 0, 333333, 666666, 1000000, 1333333);
}

static void test_pace_of_batches_is_even_over_requests(void **state)
{
    (void)state;
    ASSERT_MOMENTS("{\"rate\":30,\"batch\":3}", PLATFORM_EVENTS_API, 0, 0, 0, 100000, 100000, 100000, 200000);
    /* AEP has no batches: its events come one by one. */
    ASSERT_MOMENTS("{\"rate\":50,\"batch\":3}", PLATFORM_AEP, 0, 20000, 40000, 60000);
}

static void test_pace_top_is_the_platforms(void **state)
{
    (void)state;
    ASSERT_MOMENTS("{\"rate\":\"top\"}", PLATFORM_AEP, 0, 10000, 20000, 30000);
    ASSERT_MOMENTS("{\"rate\":\"top\",\"batch\":10}", PLATFORM_AEP, 0, 10000, 20000, 30000);
    /* 4000 requests an hour, however many events each holds */
    ASSERT_MOMENTS("{\"rate\":\"top\"}", PLATFORM_EVENTS_API, 0, 900000, 1800000);
    ASSERT_MOMENTS("{\"rate\":\"top\",\"batch\":2}", PLATFORM_EVENTS_API, 0, 0, 900000, 900000, 1800000);
}

static void test_pace_ramps_from_a_tenth_to_the_rate(void **state)
{
    (void)state;
    struct planning p = planning_of(SCENARIO("\"stream\":[{\"event\":\"product.updated\",\"entities\":1000}],"
                                             "\"pace\":{\"rate\":100,\"ramp\":\"2s\"}"),
                                    PLATFORM_AEP, 1);
    const struct plan_item *items = p.plan->items;
    uint64_t before_us = items[1].at_us - items[0].at_us;
    assert_int_equal(before_us, 100 * MS); /* 10 a second */
    for (size_t i = 2; i < p.plan->count; i++) {
        uint64_t gap_us = items[i].at_us - items[i - 1].at_us;
        assert_true(gap_us <= before_us + 1); /* whole microseconds */
        before_us = gap_us;
        if (items[i - 1].at_us >= 2 * S)
            assert_in_range(gap_us, 10 * MS - 1, 10 * MS + 1);
        else
            assert_true(gap_us > 10 * MS);
    }
    planning_reset(&p);
}

/* ---- entities and versions ------------------------------------------------------------------------ */

static void assert_item(const struct plan *plan, size_t index, const char *event, uint32_t entity,
                        uint32_t version)
{
    const struct plan_item *item = &plan->items[index];
    if (strcmp(plan_event_name(plan, item), event) != 0 || item->entity != entity || item->version != version)
        fail_msg("item %zu is %s of entity %u at version %u, not %s of %u at %u", index,
                 plan_event_name(plan, item), item->entity, item->version, event, entity, version);
}

static void test_steps_speak_of_the_same_entities_until_they_want_new_ones(void **state)
{
    (void)state;
    struct planning p = planning_of(
        SCENARIO("\"stream\":[{\"event\":\"product.created\",\"entities\":2},{\"event\":\"product.updated\","
                 "\"times\":3},{\"event\":\"product.removed\"},{\"event\":\"product.updated\","
                 "\"entities\":1},{\"event\":\"product_model.created\"},{\"event\":\"product.updated\"}]"),
        PLATFORM_EVENTS_API, 1);
    static const struct {
        const char *event;
        uint32_t entity, version;
    } expected[] = {
        {"product.created", 0, 0}, {"product.created", 1, 0}, {"product.updated", 0, 1},
        {"product.updated", 1, 1}, {"product.updated", 0, 2}, {"product.updated", 1, 2},
        {"product.updated", 0, 3}, {"product.updated", 1, 3}, {"product.removed", 0, 3},
        {"product.removed", 1, 3}, {"product.updated", 2, 1}, {"product_model.created", 0, 0},
        {"product.updated", 0, 4}, {"product.updated", 1, 4}, {"product.updated", 2, 2},
    };
    assert_int_equal(p.plan->count, COUNT_OF(expected));
    for (size_t i = 0; i < COUNT_OF(expected); i++)
        assert_item(p.plan, i, expected[i].event, expected[i].entity, expected[i].version);
    struct entity created, removed, model;
    plan_entity(p.plan, &p.plan->items[0], &created);
    plan_entity(p.plan, &p.plan->items[8], &removed);
    plan_entity(p.plan, &p.plan->items[11], &model);
    assert_string_equal(created.uuid, removed.uuid);
    assert_string_equal(created.code, removed.code);
    assert_memory_equal(created.code, "product-", 8);
    assert_memory_equal(model.code, "model-", 6);
    assert_string_not_equal(created.uuid, model.uuid);
    planning_reset(&p);
}

static void test_star_is_every_type_that_the_platform_has(void **state)
{
    (void)state;
    for (enum platform_id platform = 0; platform < PLATFORM_COUNT; platform++) {
        struct planning p = planning_of(SCENARIO("\"stream\":[{\"event\":\"*\"}]"), platform, 1);
        assert_int_equal(p.plan->count, platform == PLATFORM_AEP ? 38 : 6);
        size_t at = 0;
        for (size_t i = 0; i < event_type_count(); i++)
            if (event_type_at(i)->wire[platform])
                assert_string_equal(plan_event_name(p.plan, &p.plan->items[at++]), event_type_at(i)->name);
        planning_reset(&p);
    }
}

static void test_reachability_is_checked_where_the_stream_says(void **state)
{
    (void)state;
    struct planning p = planning_of(
        SCENARIO("\"stream\":[{\"check\":\"reachability\"},{\"event\":\"product.created\",\"entities\":2},"
                 "{\"check\":\"reachability\"}],\"pace\":{\"rate\":10},\"faults\":[{\"delay\":{}}]"),
        PLATFORM_AEP, 1);
    assert_int_equal(p.plan->count, 4);
    assert_int_equal(p.plan->event_count, 2);
    unsigned checks = 0;
    for (size_t i = 0; i < 4; i++)
        if (p.plan->items[i].source == PLAN_REACHABILITY) {
            assert_int_equal(p.plan->items[i].at_us, checks++ ? 200 * MS : 0);
            assert_int_equal(p.plan->items[i].variant, VARIANT_NONE); /* no fault strikes it */
        }
    assert_int_equal(checks, 2);
    planning_reset(&p);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void test_a_million_entities_have_names_of_their_own(void **state)
{
    (void)state;
    struct planning p =
        planning_of(SCENARIO("\"stream\":[{\"event\":\"product_model.updated\",\"entities\":1000000}]"),
                    PLATFORM_EVENTS_API, 1);
    size_t count = p.plan->count;
    assert_int_equal(count, 1000000);
    assert_true(p.plan->cap < 2 * count + 16); /* under 80 bytes an event */
    char(*codes)[32] = malloc(count * sizeof *codes);
    assert_non_null(codes);
    for (size_t i = 0; i < count; i++) {
        struct entity entity;
        plan_entity(p.plan, &p.plan->items[i], &entity);
        assert_true(strlen(entity.code) < sizeof *codes);
        memcpy(codes[i], entity.code, strlen(entity.code) + 1);
    }
    qsort(codes, count, sizeof *codes, by_text);
    for (size_t i = 1; i < count; i++)
        if (strcmp(codes[i], codes[i - 1]) == 0)
            fail_msg("%s names two models", codes[i]);
    free(codes);
    planning_reset(&p);
}

/* ---- how often faults strike ---------------------------------------------------------------------- */

static void assert_struck(const char *fault, const char *more, double share, enum fault_variant variant,
                          unsigned expected)
{
    char text[1024];
    snprintf(text, sizeof text, STRUCK("{\"%s\":{\"share\":%g%s}}"), fault, share, more);
    for (uint64_t seed = 0; seed < 5; seed++) {
        struct planning p = planning_of(text, PLATFORM_AEP, seed);
        unsigned count = variant == VARIANT_DROP_LOST ? p.plan->dropped : count_variant(p.plan, variant);
        if (count != expected)
            fail_msg("%s with share %g struck %u of 100, not %u", fault, share, count, expected);
        bool added = variant == VARIANT_DUPLICATE_APART || variant == VARIANT_FORGE_TAMPERED;
        assert_int_equal(p.plan->count, 100 + (added ? count : 0) - p.plan->dropped);
        assert_int_equal(p.plan->event_count, 100);
        planning_reset(&p);
    }
}

static void test_every_fault_strikes_its_share(void **state)
{
    (void)state;
    static const struct {
        const char *fault, *more;
        enum fault_variant variant;
    } cases[] = {
        {"duplicate", "", VARIANT_DUPLICATE_APART},
        {"drop", "", VARIANT_DROP_LOST},
        {"delay", "", VARIANT_DELAY_LATE},
        {"disconnect", "", VARIANT_DISCONNECT_GIVE_UP},
        {"slow-body", "", VARIANT_SLOW_BODY_TRICKLE},
        {"forge", ",\"how\":\"tampered\"", VARIANT_FORGE_TAMPERED},
        {"forge", ",\"how\":\"random\"", VARIANT_FORGE_RANDOM},
        {"rotate", "", VARIANT_ROTATE_SECONDARY},
        {"malform", ",\"how\":\"cut\"", VARIANT_MALFORM_CUT},
        {"bytes", ",\"how\":\"spaces\"", VARIANT_BYTES_SPACES},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_struck(cases[i].fault, cases[i].more, 0, cases[i].variant, 0);
        assert_struck(cases[i].fault, cases[i].more, 0.25, cases[i].variant, 25);
        assert_struck(cases[i].fault, cases[i].more, 0.5, cases[i].variant, 50);
        assert_struck(cases[i].fault, cases[i].more, 1, cases[i].variant, 100);
    }
}

/* They strike several at a time, and at the stream's end perhaps fewer than they would. */
static void test_bursts_and_swaps_strike_about_their_share(void **state)
{
    (void)state;
    static const struct {
        const char *share;
        unsigned expected;
    } cases[] = {{"0", 0}, {"0.25", 25}, {"0.5", 50}, {"1", 100}};
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        for (uint64_t seed = 0; seed < 20; seed++) {
            char text[512];
            unsigned expected = cases[i].expected;
            snprintf(text, sizeof text, STRUCK("{\"burst\":{\"share\":%s,\"window\":10}}"), cases[i].share);
            struct planning burst = planning_of(text, PLATFORM_AEP, seed);
            snprintf(text, sizeof text, STRUCK("{\"reorder\":{\"share\":%s}}"), cases[i].share);
            struct planning swap = planning_of(text, PLATFORM_AEP, seed);
            unsigned heaped = count_variant(burst.plan, VARIANT_BURST_HEAP);
            unsigned swapped = count_variant(swap.plan, VARIANT_REORDER_SWAP);
            bool all_or_none = expected == 0 || expected == 100;
            assert_true(heaped + (all_or_none ? 0 : 10) >= expected &&
                        heaped <= expected + (all_or_none ? 0 : 10));
            assert_true(swapped + (expected == 100 ? 9 : 2) >= expected &&
                        swapped <= expected + !all_or_none);
            planning_reset(&burst);
            planning_reset(&swap);
        }
}

/* At no point of the stream has a fault struck an event more or less than its share. */
static void test_faults_strike_all_along_the_stream(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct planning p = planning_of(STRUCK("{\"bytes\":{\"share\":0.3}}"), PLATFORM_AEP, seed);
        double struck = 0;
        for (size_t i = 0; i < p.plan->count; i++) {
            struck += p.plan->items[i].variant != VARIANT_NONE;
            double owed = 0.3 * (double)(i + 1);
            assert_true(struck > owed - 1 && struck < owed + 1);
        }
        planning_reset(&p);
    }
}

/* Twenty entities, a quarter of the events: with a fixed stride, the same five would have it all. */
static void test_faults_strike_every_entity_sooner_or_later(void **state)
{
    (void)state;
    struct planning p =
        planning_of(SCENARIO("\"stream\":[{\"event\":\"product.updated\",\"entities\":20,\"times\":100}],"
                             "\"faults\":[{\"bytes\":{\"share\":0.25}}]"),
                    PLATFORM_AEP, 1);
    unsigned struck[20] = {0};
    for (size_t i = 0; i < p.plan->count; i++)
        struck[p.plan->items[i].entity] += p.plan->items[i].variant != VARIANT_NONE;
    for (size_t i = 0; i < COUNT_OF(struck); i++)
        assert_in_range(struck[i], 10, 40);
    planning_reset(&p);
}

static void test_no_event_is_struck_by_two_faults(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct planning p = planning_of(BUSY, PLATFORM_AEP, seed);
        size_t originals = 0, copies = 0;
        for (size_t i = 0; i < p.plan->count; i++) {
            const struct plan_item *item = &p.plan->items[i];
            if (item->source == PLAN_REACHABILITY)
                continue;
            originals += item->copy == 0;
            copies += item->copy == 1;
            if (item->copied)
                assert_int_equal(item->variant, VARIANT_NONE);
            if (item->copy || item->copied) /* one without the other: lost */
                assert_true(place_of(p.plan, item->event, 0) < place_of(p.plan, item->event, 1));
        }
        assert_true(copies > 0);
        assert_int_equal(originals + p.plan->dropped, p.plan->event_count);
        planning_reset(&p);
    }
}

static void test_the_second_fault_has_what_the_first_left(void **state)
{
    (void)state;
    struct planning p = planning_of(
        STRUCK("{\"duplicate\":{\"share\":0.5}},{\"drop\":{\"share\":0.5}},{\"delay\":{\"share\":1}}"),
        PLATFORM_AEP, 1);
    assert_int_equal(count_variant(p.plan, VARIANT_DUPLICATE_APART), 50);
    assert_int_equal(p.plan->dropped, 25);
    assert_int_equal(count_variant(p.plan, VARIANT_DELAY_LATE), 25);
    planning_reset(&p);
}

static void test_variants_take_turns(void **state)
{
    (void)state;
    struct planning p = planning_of(
        STRUCK("{\"malform\":{\"share\":0.5,\"how\":[\"deep\",\"cut\",\"large\"]}}"), PLATFORM_AEP, 1);
    static const enum fault_variant turns[] = {VARIANT_MALFORM_DEEP, VARIANT_MALFORM_CUT,
                                               VARIANT_MALFORM_LARGE};
    unsigned struck = 0;
    for (size_t i = 0; i < p.plan->count; i++)
        if (p.plan->items[i].variant != VARIANT_NONE)
            assert_int_equal(p.plan->items[i].variant, turns[struck++ % 3]);
    assert_int_equal(struck, 50);
    planning_reset(&p);
}

static void test_items_know_which_fault_struck_them(void **state)
{
    (void)state;
    struct planning p = planning_of(STRUCK("{\"disconnect\":{\"share\":0.5,\"after\":\"0ms\"}},"
                                           "{\"disconnect\":{\"share\":1,\"after\":\"9ms\"}}"),
                                    PLATFORM_AEP, 1);
    unsigned of[2] = {0};
    for (size_t i = 0; i < p.plan->count; i++)
        of[p.plan->items[i].spec]++;
    assert_int_equal(of[0], 50);
    assert_int_equal(of[1], 50);
    planning_reset(&p);
}

/* ---- what they do ------------------------------------------------------------------------------- */

static void test_a_duplicate_is_its_event_again_after_a_while(void **state)
{
    (void)state;
    struct planning p =
        planning_of(STRUCK("{\"duplicate\":{\"after\":\"100ms..300ms\"}}"), PLATFORM_EVENTS_API, 1);
    uint64_t least_us = UINT64_MAX, most_us = 0;
    assert_int_equal(p.plan->count, 200);
    for (uint32_t event = 0; event < 100; event++) {
        const struct plan_item *first = &p.plan->items[place_of(p.plan, event, 0)];
        const struct plan_item *again = &p.plan->items[place_of(p.plan, event, 1)];
        uint64_t after_us = again->at_us - first->at_us;
        least_us = after_us < least_us ? after_us : least_us;
        most_us = after_us > most_us ? after_us : most_us;
        struct buf bodies[2];
        for (size_t i = 0; i < 2; i++) {
            buf_init(&bodies[i], 1 << 20);
            plan_render(p.plan, i ? again : first, &p.settings, 1769850839000000, &bodies[i]);
        }
        assert_true(span_same(buf_span(&bodies[0]), buf_span(&bodies[1]))); /* to the byte */
        buf_reset(&bodies[0]);
        buf_reset(&bodies[1]);
    }
    assert_in_range(least_us, 100 * MS, 120 * MS);
    assert_in_range(most_us, 280 * MS, 300 * MS);
    planning_reset(&p);
}

static void test_dropped_events_never_come(void **state)
{
    (void)state;
    struct planning p = planning_of(STRUCK("{\"drop\":{\"share\":0.25}}"), PLATFORM_AEP, 1);
    unsigned lost = 0;
    for (uint32_t event = 0; event < 100; event++)
        lost += place_of(p.plan, event, 0) == p.plan->count;
    assert_int_equal(lost, 25);
    assert_int_equal(p.plan->dropped, 25);
    planning_reset(&p);
}

static void test_all_events_may_be_dropped(void **state)
{
    (void)state;
    struct planning p = planning_of(STRUCK("{\"drop\":{}}"), PLATFORM_AEP, 1);
    assert_int_equal(p.plan->count, 0);
    assert_int_equal(p.plan->dropped, 100);
    planning_reset(&p);
}

static void test_reorder_really_changes_the_order(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 50; seed++) {
        struct planning p =
            planning_of(STRUCK("{\"reorder\":{\"share\":0.2,\"window\":4}}"), PLATFORM_AEP, seed);
        bool seen[100] = {false};
        unsigned overtaken = 0;
        for (uint32_t i = 0; i < p.plan->count; i++) {
            const struct plan_item *item = &p.plan->items[i];
            assert_int_equal(item->at_us, i * 10 * MS); /* the moments are the same, others use them */
            assert_false(seen[item->event]);
            seen[item->event] = true;
            overtaken += i > 0 && item->event < p.plan->items[i - 1].event;
            assert_true(i + 3 >= item->event && i <= item->event + 3); /* within the window */
            assert_int_equal(item->variant, i == item->event ? VARIANT_NONE : VARIANT_REORDER_SWAP);
        }
        assert_int_equal(p.plan->count, 100);
        assert_true(overtaken >= 10);
        planning_reset(&p);
    }
}

static void test_delayed_events_come_late(void **state)
{
    (void)state;
    struct planning p =
        planning_of(STRUCK("{\"delay\":{\"share\":0.5,\"after\":\"1s..2s\"}}"), PLATFORM_AEP, 1);
    for (size_t i = 0; i < p.plan->count; i++) {
        const struct plan_item *item = &p.plan->items[i];
        uint64_t due_us = item->event * 10 * MS;
        if (item->variant == VARIANT_DELAY_LATE)
            assert_in_range(item->at_us, due_us + S, due_us + 2 * S);
        else
            assert_int_equal(item->at_us, due_us);
    }
    planning_reset(&p);
}

static void test_bursts_are_held_back_until_the_last_has_happened(void **state)
{
    (void)state;
    struct planning p = planning_of(STRUCK("{\"burst\":{\"share\":0.5,\"window\":10}}"), PLATFORM_AEP, 1);
    unsigned heap = 0;
    for (size_t i = 0; i < p.plan->count; i++) {
        const struct plan_item *item = &p.plan->items[i];
        uint64_t due_us = item->event * 10 * MS;
        if (item->variant != VARIANT_BURST_HEAP) {
            assert_int_equal(item->at_us, due_us);
            continue;
        }
        assert_in_range(item->at_us, due_us, due_us + 90 * MS);
        heap++;
        bool ends = i + 1 == p.plan->count || p.plan->items[i + 1].at_us != item->at_us;
        if (ends) {
            assert_int_equal(item->at_us, due_us); /* the last one is on time */
            assert_int_equal(heap % 10, 0);
        }
    }
    assert_true(heap >= 40);
    planning_reset(&p);
}

static void test_tampered_copies_come_after_the_honest_request(void **state)
{
    (void)state;
    struct planning p = planning_of(
        STRUCK("{\"forge\":{\"share\":0.3,\"how\":[\"tampered\",\"random\"]}},{\"delay\":{\"share\":1}}"),
        PLATFORM_AEP, 1);
    assert_int_equal(count_variant(p.plan, VARIANT_FORGE_TAMPERED), 15);
    assert_int_equal(count_variant(p.plan, VARIANT_FORGE_RANDOM), 15);
    for (size_t i = 0; i < p.plan->count; i++) {
        const struct plan_item *copy = &p.plan->items[i];
        if (copy->variant != VARIANT_FORGE_TAMPERED)
            continue;
        size_t honest = place_of(p.plan, copy->event, 0);
        assert_true(honest < i);
        assert_int_equal(p.plan->items[honest].variant, VARIANT_NONE);
        assert_int_equal(copy->at_us, p.plan->items[honest].at_us + 20 * MS);
    }
    planning_reset(&p);
}

/* The copy of an event stands behind it, and is due at the same moment. */
static void assert_comes_again(const char *fault, enum platform_id platform, enum fault_variant first,
                               enum fault_variant again)
{
    char text[1024];
    snprintf(text, sizeof text,
             SCENARIO("\"stream\":[{\"event\":\"product.updated\",\"entities\":20,\"times\":5}],"
                      "\"pace\":{\"rate\":100,\"batch\":5},\"faults\":[%s]"),
             fault);
    struct planning p = planning_of(text, platform, 1);
    unsigned struck = 0;
    for (uint32_t event = 0; event < 100; event++) {
        size_t at = place_of(p.plan, event, 0), copy = place_of(p.plan, event, 1);
        if (copy == p.plan->count)
            continue;
        struck++;
        assert_true(p.plan->items[at].copied);
        assert_int_equal(p.plan->items[at].variant, first);
        assert_int_equal(p.plan->items[copy].variant, again);
        assert_int_equal(p.plan->items[copy].at_us, p.plan->items[at].at_us);
        assert_int_equal(copy, at + 1);
    }
    assert_int_equal(struck, 50);
    assert_int_equal(p.plan->count, 150);
    planning_reset(&p);
}

static void test_a_duplicate_together_stands_directly_behind_its_event(void **state)
{
    (void)state;
    assert_comes_again("{\"duplicate\":{\"share\":0.5,\"how\":\"together\"}}", PLATFORM_EVENTS_API,
                       VARIANT_NONE, VARIANT_DUPLICATE_TOGETHER);
}

static void test_an_overlap_is_a_copy_at_the_same_moment(void **state)
{
    (void)state;
    for (enum platform_id platform = 0; platform < PLATFORM_COUNT; platform++)
        assert_comes_again("{\"overlap\":{\"share\":0.5}}", platform, VARIANT_NONE, VARIANT_OVERLAP_COPY);
}

static void test_after_a_lost_ack_the_event_comes_again(void **state)
{
    (void)state;
    for (enum platform_id platform = 0; platform < PLATFORM_COUNT; platform++)
        assert_comes_again("{\"lost-ack\":{\"share\":0.5}}", platform, VARIANT_LOST_ACK_CUT,
                           VARIANT_DUPLICATE_APART);
}

static void test_nothing_comes_together_where_a_request_holds_one_event(void **state)
{
    (void)state;
    struct planning p = planning_of(
        SCENARIO("\"stream\":[{\"event\":\"product.updated\",\"entities\":40}],\"pace\":{\"batch\":5},"
                 "\"faults\":[{\"duplicate\":{\"how\":[\"together\",\"apart\"]}}]"),
        PLATFORM_AEP, 1);
    assert_int_equal(count_variant(p.plan, VARIANT_DUPLICATE_TOGETHER), 0);
    assert_int_equal(count_variant(p.plan, VARIANT_DUPLICATE_APART), 20);
    assert_int_equal(p.plan->count, 60);
    planning_reset(&p);
}

/* ---- faults of one event ------------------------------------------------------------------------- */

#define LIFE                                                                                                 \
    "\"stream\":[{\"event\":\"product.created\",\"entities\":20},{\"event\":\"product.updated\",\"times\":"  \
    "2,"                                                                                                     \
    "\"delta\":true},{\"event\":\"product.removed\"}],\"pace\":{\"rate\":100}"

static void assert_struck_are(const char *fault, enum platform_id platform, const char *const *names,
                              unsigned expected)
{
    char text[1024];
    snprintf(text, sizeof text, SCENARIO(LIFE ",\"faults\":[%s]"), fault);
    struct planning p = planning_of(text, platform, 1);
    unsigned struck = 0;
    for (size_t i = 0; i < p.plan->count; i++) {
        const struct plan_item *item = &p.plan->items[i];
        if (item->variant == VARIANT_NONE)
            continue;
        const char *name = plan_event_name(p.plan, item);
        bool meant = false;
        for (const char *const *n = names; *n; n++)
            meant |= strcmp(*n, name) == 0;
        if (!meant)
            fail_msg("%s struck %s", fault, name);
        struck++;
    }
    assert_int_equal(struck, expected);
    planning_reset(&p);
}

static void test_a_fault_of_one_event_strikes_its_share_of_these(void **state)
{
    (void)state;
    static const char delta[] = "com.akeneo.pim.v1.product.updated.delta";
    static const char *const created[] = {"product.created", NULL},
                             *const updated[] = {"product.updated", NULL},
                             *const both[] = {"product.updated", delta, NULL},
                             *const deltas[] = {delta, NULL};
    assert_struck_are("{\"delay\":{\"event\":\"product.created\",\"share\":0.5}}", PLATFORM_EVENTS_API,
                      created, 10);
    assert_struck_are("{\"bytes\":{\"event\":\"com.akeneo.pim.v1.product.created\",\"share\":0.5}}",
                      PLATFORM_EVENTS_API, created, 10);
    assert_struck_are("{\"delay\":{\"event\":\"product.updated\"}}", PLATFORM_EVENTS_API, updated, 40);
    assert_struck_are("{\"delay\":{\"event\":\"product.updated\",\"share\":0.5}}", PLATFORM_AEP, both, 40);
    assert_struck_are("{\"burst\":{\"event\":\"product.updated\"}}", PLATFORM_AEP, both, 80);
    struct planning p = planning_of(
        SCENARIO("\"platforms\":[\"aep\"]," LIFE
                 ",\"faults\":[{\"delay\":{\"event\":\"com.akeneo.pim.v1.product.updated.delta\"}}]"),
        PLATFORM_AEP, 1);
    assert_int_equal(count_variant(p.plan, VARIANT_DELAY_LATE), 40);
    for (size_t i = 0; i < p.plan->count; i++)
        if (p.plan->items[i].variant == VARIANT_DELAY_LATE)
            assert_string_equal(plan_event_name(p.plan, &p.plan->items[i]), deltas[0]);
    planning_reset(&p);
}

/* A creation that changes places with a creation would still come before everything else. The others that are
 * moved so are none of its share. */
static void assert_swapped(const char *share, unsigned min, unsigned max)
{
    char text[1024];
    snprintf(text, sizeof text,
             SCENARIO(LIFE ",\"faults\":[{\"reorder\":{\"event\":\"product.created\",\"window\":60,"
                           "\"share\":%s}}]"),
             share);
    struct planning p = planning_of(text, PLATFORM_EVENTS_API, 1);
    unsigned created = 0, others = 0;
    for (size_t i = 0; i < p.plan->count; i++)
        if (p.plan->items[i].variant == VARIANT_REORDER_SWAP)
            *(strcmp(plan_event_name(p.plan, &p.plan->items[i]), "product.created") ? &others : &created) +=
                1;
    assert_in_range(created, min, max);
    assert_in_range(others, max / 4, max);
    planning_reset(&p);
}

static void test_an_event_of_one_name_changes_places_with_any(void **state)
{
    (void)state;
    assert_swapped("1", 20, 20);
    assert_swapped("0.5", 9, 11);
}

/* ---- an update and its delta ----------------------------------------------------------------------- */

static void test_a_delta_follows_its_update_a_round_later(void **state)
{
    (void)state;
    static const struct {
        const char *event;
        uint32_t entity, version, round;
    } expected[] = {
        {"product.updated", 0, 1, 0},
        {"product.updated", 1, 1, 0},
        {"com.akeneo.pim.v1.product.updated.delta", 0, 1, 1},
        {"com.akeneo.pim.v1.product.updated.delta", 1, 1, 1},
        {"product.updated", 0, 2, 2},
        {"product.updated", 1, 2, 2},
        {"com.akeneo.pim.v1.product.updated.delta", 0, 2, 3},
        {"com.akeneo.pim.v1.product.updated.delta", 1, 2, 3},
        {"product_model.updated", 0, 1, 4},
        {"com.akeneo.pim.v1.product-model.updated.delta", 0, 1, 5},
    };
    static const char scenario[] =
        SCENARIO("\"stream\":[{\"event\":\"product.updated\",\"entities\":2,\"times\":2,\"delta\":true},"
                 "{\"event\":\"product_model.updated\",\"delta\":true,\"catalog\":true}]");
    struct planning p = planning_of(scenario, PLATFORM_AEP, 1);
    assert_int_equal(p.plan->count, COUNT_OF(expected));
    assert_int_equal(p.plan->event_count, COUNT_OF(expected));
    for (size_t i = 0; i < COUNT_OF(expected); i++) {
        assert_item(p.plan, i, expected[i].event, expected[i].entity, expected[i].version);
        assert_int_equal(p.plan->items[i].changed_us, expected[i].round * S);
    }
    planning_reset(&p);
}

static void test_the_events_api_has_no_deltas(void **state)
{
    (void)state;
    struct buf with =
        printed(SCENARIO("\"stream\":[{\"event\":\"product.updated\",\"times\":3,\"delta\":true}]"),
                PLATFORM_EVENTS_API, 1);
    struct buf without =
        printed(SCENARIO("\"stream\":[{\"event\":\"product.updated\",\"times\":3}]"), PLATFORM_EVENTS_API, 1);
    assert_string_equal(buf_text(&with), buf_text(&without));
    buf_reset(&with);
    buf_reset(&without);
}

/* ---- when they strike --------------------------------------------------------------------------- */

/* How many of events [first, end) of a plan were struck; no other was. Of these, event n was due n * 10 ms
 * after the stream began. */
static unsigned count_struck(const struct plan *plan, uint32_t first, uint32_t end)
{
    unsigned struck = 0;
    for (size_t i = 0; i < plan->count + plan->dropped; i++) {
        const struct plan_item *item = &plan->items[i];
        uint32_t change = item->event / plan->universes;
        if (item->variant == VARIANT_NONE)
            continue;
        if (change < first || change >= end)
            fail_msg("event %u was struck by \"%s\"", change, variant_get(item->variant)->name);
        struck++; /* of an event and its copy, only one is marked */
    }
    return struck;
}

static void test_a_fault_strikes_its_share_of_what_is_due_in_its_window(void **state)
{
    (void)state;
    static const struct {
        const char *fault, *more;
    } faults[] = {{"duplicate", ""},
                  {"overlap", ""},
                  {"drop", ""},
                  {"delay", ",\"after\":\"1h\""},
                  {"disconnect", ""},
                  {"slow-body", ""},
                  {"forge", ",\"how\":\"random\""},
                  {"rotate", ",\"how\":[\"added\",\"secondary\"]"},
                  {"malform", ",\"how\":\"cut\""},
                  {"bytes", ""}};
    static const struct {
        const char *window;
        uint32_t first, end;
    } windows[] = {
        {"\"from\":\"200ms\",\"for\":\"300ms\"", 20, 50}, /* its first moment is in, its last is not */
        {"\"from\":\"195ms\",\"for\":\"301ms\"", 20, 50},
        {"\"from\":\"200001us\",\"for\":\"300ms\"", 21, 51},
        {"\"from\":\"600ms\"", 60, 100},
        {"\"for\":\"400ms\"", 0, 40},
        {"\"from\":\"0s\",\"for\":\"24h\"", 0, 100},
        {"\"from\":\"500ms\",\"for\":\"1us\"", 50, 51},
        {"\"from\":\"1s\",\"for\":\"24h\"", 0, 0},
        {"\"from\":\"501ms\",\"for\":\"8ms\"", 0, 0},
    };
    for (size_t i = 0; i < COUNT_OF(faults); i++)
        for (size_t w = 0; w < COUNT_OF(windows); w++)
            for (unsigned half = 0; half < 2; half++) {
                char text[1024];
                snprintf(text, sizeof text, STRUCK("{\"%s\":{\"share\":%s,%s%s}}"), faults[i].fault,
                         half ? "0.5" : "1", windows[w].window, faults[i].more);
                struct planning p = planning_of(text, PLATFORM_AEP, w);
                unsigned all = windows[w].end - windows[w].first;
                unsigned struck = count_struck(p.plan, windows[w].first, windows[w].end);
                if (struck < (half ? all / 2 : all) || struck > (half ? (all + 1) / 2 : all))
                    fail_msg("%s, %s: struck %u of %u", faults[i].fault, windows[w].window, struck, all);
                assert_strictly_ordered(p.plan);
                planning_reset(&p);
            }
}

/* Neither do those that strike several at a time reach out of it. */
static void test_swaps_and_bursts_stay_in_their_window(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct planning swap = planning_of(
            STRUCK("{\"reorder\":{\"share\":0.5,\"from\":\"200ms\",\"for\":\"300ms\"}}"), PLATFORM_AEP, seed);
        struct planning burst = planning_of(
            STRUCK("{\"burst\":{\"share\":0.5,\"window\":20,\"from\":\"200ms\",\"for\":\"300ms\"}}"),
            PLATFORM_AEP, seed);
        assert_in_range(count_struck(swap.plan, 20, 50), 13, 17);
        assert_in_range(count_struck(burst.plan, 20, 50), 5, 25);
        for (size_t i = 0; i < 100; i++)
            if (burst.plan->items[i].variant == VARIANT_BURST_HEAP)
                assert_true(burst.plan->items[i].at_us < 500 * MS);
        planning_reset(&swap);
        planning_reset(&burst);
    }
}

static void test_windows_of_one_fault_follow_each_other(void **state)
{
    (void)state;
    struct planning p =
        planning_of(STRUCK("{\"rotate\":{\"how\":\"added\",\"from\":\"250ms\",\"for\":\"250ms\"}},"
                           "{\"rotate\":{\"from\":\"500ms\",\"for\":\"250ms\"}},"
                           "{\"rotate\":{\"how\":\"removed\",\"from\":\"750ms\"}}"),
                    PLATFORM_AEP, 1);
    static const enum fault_variant stages[] = {VARIANT_NONE, VARIANT_ROTATE_ADDED, VARIANT_ROTATE_SECONDARY,
                                                VARIANT_ROTATE_REMOVED};
    for (size_t i = 0; i < 100; i++)
        assert_int_equal(p.plan->items[i].variant, stages[i / 25]);
    planning_reset(&p);
}

static void test_a_window_and_an_event_both_choose(void **state)
{
    (void)state;
    struct planning p = planning_of(
        SCENARIO("\"stream\":[{\"event\":\"product.created\",\"entities\":50},"
                 "{\"event\":\"product.updated\"}],\"pace\":{\"rate\":100},\"faults\":["
                 "{\"drop\":{\"event\":\"product.updated\",\"from\":\"300ms\",\"for\":\"400ms\"}}]"),
        PLATFORM_AEP, 1);
    assert_int_equal(count_struck(p.plan, 50, 70), 20);
    planning_reset(&p);
}

/* With a restart B comes when A and A' are over; its stream begins then. */
static void test_windows_are_of_the_stream_that_is_struck(void **state)
{
    (void)state;
    struct planning p = planning_of(
        EFFECTS("\"stream\":[{\"event\":\"product.updated\",\"entities\":20}],\"pace\":{\"rate\":300},"
                "\"faults\":[{\"restart\":{\"how\":\"acked\",\"from\":\"50ms\",\"for\":\"50ms\"}}]"),
        PLATFORM_AEP, 1);
    assert_int_equal(count_struck(p.plan, 5, 10), 5);
    planning_reset(&p);
}

/* An outage meets whatever is sent meanwhile; what happens in the PIM is the same. */
static void test_an_outage_strikes_nothing_in_the_plan(void **state)
{
    (void)state;
    static const char outage[] = ",{\"outage\":{\"from\":\"100ms\",\"for\":\"1h\"}}],\"flow\":{}}";
    char text[2048];
    snprintf(text, sizeof text, "%.*s%s", (int)strlen(BUSY) - 2, BUSY, outage);
    for (enum platform_id platform = 0; platform < PLATFORM_COUNT; platform++) {
        struct buf with = printed(text, platform, 5), without = printed(BUSY, platform, 5);
        assert_string_equal(buf_text(&with), buf_text(&without));
        buf_reset(&with);
        buf_reset(&without);
    }
    struct planning p = planning_of(SCENARIO("\"stream\":[{\"event\":\"product.updated\",\"entities\":20}],"
                                             "\"flow\":{},\"faults\":[{\"outage\":{}}]"),
                                    PLATFORM_AEP, 1);
    assert_int_equal(count_struck(p.plan, 0, 0), 0);
    planning_reset(&p);
}

/* ---- whose changes ------------------------------------------------------------------------------ */

static void test_a_steps_changes_are_the_connectors_own_where_it_says_so(void **state)
{
    (void)state;
    struct planning p = planning_of(
        SCENARIO(
            "\"stream\":[{\"event\":\"product.created\",\"entities\":3},"
            "{\"event\":\"product.updated\",\"own\":true,\"delta\":true},{\"event\":\"product.updated\"},"
            "{\"event\":\"product.updated\",\"own\":false}]"),
        PLATFORM_AEP, 1);
    static const bool own[] = {false, true, true, false, false}; /* the second: an update and its delta */
    assert_int_equal(p.plan->source_count, COUNT_OF(own));
    assert_int_equal(p.plan->count, 3 * COUNT_OF(own));
    for (size_t i = 0; i < p.plan->count; i++)
        assert_int_equal(p.plan->sources[p.plan->items[i].source].own, own[i / 3]);
    planning_reset(&p);
    p = planning_of(SCENARIO("\"stream\":[{\"event\":\"*\",\"own\":true}]"), PLATFORM_EVENTS_API, 1);
    for (size_t i = 0; i < p.plan->source_count; i++)
        assert_true(p.plan->sources[i].own);
    planning_reset(&p);
}

static void test_who_caused_a_change_does_not_change_it(void **state)
{
    (void)state;
    static const char theirs[] = SCENARIO("\"stream\":[{\"event\":\"product.updated\",\"entities\":9}]");
    static const char own[] =
        SCENARIO("\"stream\":[{\"event\":\"product.updated\",\"entities\":9,\"own\":true}]");
    struct buf a = printed(theirs, PLATFORM_EVENTS_API, 1), b = printed(own, PLATFORM_EVENTS_API, 1);
    assert_string_equal(buf_text(&a), buf_text(&b));
    buf_reset(&a);
    buf_reset(&b);
}

/* ---- three universes ------------------------------------------------------------------------------- */

/* 20 products are created, updated twice and removed, in each universe. */
#define LIVES(more) EFFECTS(LIFE more)

static bool is_event(const struct plan_item *item)
{
    return item->source != PLAN_REACHABILITY && item->source != PLAN_SNAPSHOT;
}

static void assert_about(const struct plan *plan, const struct plan_item *item, const char *expected)
{
    struct buf about;
    buf_init(&about, 256);
    plan_about(plan, item, &about);
    assert_string_equal(buf_text(&about), expected);
    buf_reset(&about);
}

static void test_without_effects_there_is_one_universe(void **state)
{
    (void)state;
    struct planning p = planning_of(BUSY, PLATFORM_AEP, 1);
    assert_int_equal(p.plan->universes, 1);
    for (size_t i = 0; i < p.plan->count; i++)
        assert_int_equal(plan_universe(p.plan, &p.plan->items[i]), UNIVERSE_B);
    assert_about(p.plan, &p.plan->items[place_of(p.plan, 0, 0)], "product 1");
    planning_reset(&p);
}

static void test_every_change_happens_in_three_universes(void **state)
{
    (void)state;
    struct planning p = planning_of(LIVES(""), PLATFORM_AEP, 1);
    assert_int_equal(p.plan->universes, UNIVERSE_COUNT);
    assert_int_equal(p.plan->count, UNIVERSE_COUNT * 120);
    assert_int_equal(p.plan->event_count, UNIVERSE_COUNT * 120);
    assert_strictly_ordered(p.plan);
    for (uint32_t change = 0; change < 120; change++) {
        char ids[UNIVERSE_COUNT][UUID_SIZE], name[32];
        struct entity entities[UNIVERSE_COUNT];
        const struct plan_item *a = NULL;
        snprintf(name, sizeof name, "product %u", change % 20 + 1);
        for (unsigned u = 0; u < UNIVERSE_COUNT; u++) {
            const struct plan_item *item = &p.plan->items[place_of(p.plan, change * UNIVERSE_COUNT + u, 0)];
            a = u ? a : item;
            assert_int_equal(plan_universe(p.plan, item), u);
            assert_int_equal(item->entity, change % 20 * UNIVERSE_COUNT + u);
            assert_int_equal(item->version, a->version);
            assert_int_equal(item->changed_us, a->changed_us);
            assert_int_equal(item->at_us, a->at_us);
            assert_about(p.plan, item, name);
            plan_event_id(p.plan, item, ids[u]);
            plan_entity(p.plan, item, &entities[u]);
            for (unsigned v = 0; v < u; v++) {
                assert_string_not_equal(ids[u], ids[v]);
                assert_string_not_equal(entities[u].uuid, entities[v].uuid);
                assert_string_not_equal(entities[u].code, entities[v].code);
            }
        }
    }
    planning_reset(&p);
}

/* The letters of the universes in the plan's order, A' as a. */
static void assert_turns(const char *scenario, enum platform_id platform, const char *expected)
{
    struct planning p = planning_of(scenario, platform, 1);
    char turns[512] = "";
    assert_true(p.plan->count < sizeof turns);
    for (size_t i = 0; i < p.plan->count; i++)
        turns[i] = is_event(&p.plan->items[i]) ? "AaB"[plan_universe(p.plan, &p.plan->items[i])] : '|';
    assert_string_equal(turns, expected);
    planning_reset(&p);
}

static void test_universes_take_turns_by_requests(void **state)
{
    (void)state;
#define TURNS(more)                                                                                          \
    EFFECTS(                                                                                                 \
        "\"stream\":[{\"event\":\"product.created\",\"entities\":3},{\"event\":\"product.updated\"}]" more)
    assert_turns(TURNS(""), PLATFORM_EVENTS_API, "AaBAaBAaBAaBAaBAaB");
    assert_turns(TURNS(",\"pace\":{\"batch\":3}"), PLATFORM_EVENTS_API, "AAAaaaBBBAAAaaaBBB");
    assert_turns(TURNS(",\"pace\":{\"batch\":3}"), PLATFORM_AEP, "AaBAaBAaBAaBAaBAaB");
    assert_turns(TURNS(",\"pace\":{\"batch\":10}"), PLATFORM_EVENTS_API, "AAAaaaBBBAAAaaaBBB");
    assert_turns(TURNS(",\"faults\":[{\"restart\":{\"how\":\"acked\"}}]"), PLATFORM_AEP,
                 "AaAaAaAaAaAa|BBBBBB");
    assert_turns(TURNS(",\"pace\":{\"batch\":3,\"rate\":30},\"faults\":[{\"restart\":{\"how\":\"again\","
                       "\"share\":0.34}}]"),
                 PLATFORM_EVENTS_API, "AAAaaaAAAaaa|BBBBBBBB");
}

static void test_a_rate_counts_the_events_of_all_universes(void **state)
{
    (void)state;
    struct planning p = planning_of(
        EFFECTS("\"stream\":[{\"event\":\"product.created\",\"entities\":100}],\"pace\":{\"rate\":30}"),
        PLATFORM_AEP, 1);
    for (size_t i = 0; i < p.plan->count; i++)
        assert_int_equal(p.plan->items[i].at_us, i / UNIVERSE_COUNT * 100 * MS);
    planning_reset(&p);
}

/* Each event with its ids renamed is the same in all universes, to the byte. */
static void assert_siblings_tell_the_same(const char *scenario, enum platform_id platform)
{
    struct planning p = planning_of(scenario, platform, 1);
    struct idents *idents = idents_new();
    plan_add_idents(p.plan, idents);
    struct buf texts[UNIVERSE_COUNT], body;
    for (unsigned u = 0; u < UNIVERSE_COUNT; u++)
        buf_init(&texts[u], 1 << 20);
    buf_init(&body, 1 << 20);
    for (uint32_t change = 0; change < p.plan->event_count / UNIVERSE_COUNT; change++)
        for (unsigned u = 0; u < UNIVERSE_COUNT; u++) {
            const struct plan_item *item = &p.plan->items[place_of(p.plan, change * UNIVERSE_COUNT + u, 0)];
            buf_clear(&body);
            buf_clear(&texts[u]);
            plan_render(p.plan, item, &p.settings, 1769850839000000, &body);
            idents_rename(idents, buf_span(&body), &texts[u]);
            char name[64];
            struct buf about;
            buf_init(&about, 64);
            plan_about(p.plan, item, &about);
            snprintf(name, sizeof name, "<%s>", buf_text(&about));
            buf_reset(&about);
            assert_non_null(strstr(buf_text(&texts[u]), name));
            assert_non_null(strstr(buf_text(&texts[u]), "<event>"));
            assert_string_equal(buf_text(&texts[u]), buf_text(&texts[UNIVERSE_A]));
        }
    for (unsigned u = 0; u < UNIVERSE_COUNT; u++)
        buf_reset(&texts[u]);
    buf_reset(&body);
    idents_free(idents);
    planning_reset(&p);
}

static void test_siblings_tell_the_same_at_the_same_time(void **state)
{
    (void)state;
    static const char catalogue[] =
        EFFECTS("\"stream\":[{\"event\":\"product.updated\",\"entities\":40,\"times\":2,\"catalog\":true,"
                "\"delta\":true},{\"event\":\"product_model.updated\",\"entities\":9,\"catalog\":true,"
                "\"delta\":true},{\"event\":\"product.removed\"}],\"pace\":{\"rate\":50,\"batch\":7}");
    for (enum platform_id platform = 0; platform < PLATFORM_COUNT; platform++) {
        assert_siblings_tell_the_same(catalogue, platform);
        assert_siblings_tell_the_same(EFFECTS("\"stream\":[{\"event\":\"*\",\"entities\":2}]"), platform);
    }
}

/* The names of the values that an entity's deltas change, in one line a delta. */
static void put_changed(const struct planning *p, uint32_t entity, struct buf *out)
{
    struct buf body;
    buf_init(&body, 1 << 20);
    for (size_t i = 0; i < p->plan->count; i++) {
        const struct plan_item *item = &p->plan->items[i];
        if (item->entity != entity || strstr(plan_event_name(p->plan, item), "delta") == NULL)
            continue;
        buf_clear(&body);
        plan_render(p->plan, item, &p->settings, 0, &body);
        cJSON *json = cJSON_Parse(buf_text(&body));
        const cJSON *product = cJSON_GetObjectItem(cJSON_GetObjectItem(json, "data"), "product");
        const cJSON *value, *changes = cJSON_GetObjectItem(product, "changes");
        cJSON_ArrayForEach(value, cJSON_GetObjectItem(changes, "values"))
            buf_printf(out, "%s ", value->string);
        buf_putc(out, '\n');
        cJSON_Delete(json);
    }
    buf_reset(&body);
}

static void test_in_three_universes_the_newest_delta_tells_all(void **state)
{
    (void)state;
#define DELTAS                                                                                               \
    "\"stream\":[{\"event\":\"product.updated\",\"entities\":9,\"times\":3,\"catalog\":true,\"delta\":true}" \
    "]"
    struct planning steady = planning_of(EFFECTS(DELTAS), PLATFORM_AEP, 1),
                    changing = planning_of(SCENARIO(DELTAS), PLATFORM_AEP, 1);
    bool changed = false;
    for (uint32_t entity = 0; entity < 27; entity++) {
        struct buf text;
        buf_init(&text, 1 << 16);
        put_changed(&steady, entity, &text);
        size_t len = strcspn(buf_text(&text), "\n") + 1;
        assert_true(len > 1 && text.len == 3 * len);
        assert_memory_equal(text.data, text.data + len, len);
        assert_memory_equal(text.data, text.data + 2 * len, len);
        buf_clear(&text);
        put_changed(&changing, entity / UNIVERSE_COUNT, &text);
        len = strcspn(buf_text(&text), "\n") + 1;
        changed |= text.len < 2 * len || memcmp(text.data, text.data + len, len) != 0;
        buf_reset(&text);
    }
    assert_true(changed);
    planning_reset(&steady);
    planning_reset(&changing);
}

static void test_entities_are_named_by_what_they_are(void **state)
{
    (void)state;
    struct planning p = planning_of(
        EFFECTS("\"platforms\":[\"aep\"],\"stream\":[{\"event\":\"product_model.created\",\"entities\":2},"
                "{\"event\":\"com.akeneo.pim.v1.category.created\"},"
                "{\"event\":\"com.akeneo.pim.v1.attribute-option.deleted\"}]"),
        PLATFORM_AEP, 1);
    assert_about(p.plan, &p.plan->items[0], "model 1");
    assert_about(p.plan, &p.plan->items[5], "model 2");
    assert_about(p.plan, &p.plan->items[7], "category 1");
    assert_about(p.plan, &p.plan->items[11], "attribute_option 1");
    planning_reset(&p);
}

/* ---- faults in universe B -------------------------------------------------------------------------- */

static void assert_undisturbed(const struct plan *plan)
{
    uint32_t next[UNIVERSE_COUNT] = {0};
    uint64_t changed_us = 0;
    for (size_t i = 0; i < plan->count; i++) {
        const struct plan_item *item = &plan->items[i];
        if (!is_event(item) || plan_universe(plan, item) == UNIVERSE_B)
            continue;
        uint32_t *expected = &next[plan_universe(plan, item)];
        assert_int_equal(item->variant, VARIANT_NONE);
        assert_int_equal(item->copy, 0);
        assert_false(item->copied);
        assert_true(item->event / UNIVERSE_COUNT >= *expected); /* in order; some may be left out */
        assert_true(item->changed_us + S >= changed_us);
        changed_us = item->changed_us;
        *expected = item->event / UNIVERSE_COUNT + 1;
    }
}

static void test_faults_strike_their_share_of_universe_b_alone(void **state)
{
    (void)state;
    for (enum fault_kind kind = FAULT_NONE + 1; kind < FAULT_COUNT; kind++)
        for (enum platform_id platform = 0; platform < PLATFORM_COUNT && kind != FAULT_OUTAGE; platform++) {
            char text[1024];
            snprintf(
                text, sizeof text,
                EFFECTS("\"stream\":[{\"event\":\"product.created\",\"entities\":20},"
                        "{\"event\":\"product.updated\",\"times\":4}],\"pace\":{\"rate\":100,\"batch\":5},"
                        "\"faults\":[{\"%s\":{\"share\":0.5}}]"),
                fault_get(kind)->name);
            struct planning p = planning_of(text, platform, 1);
            unsigned struck = p.plan->dropped && kind == FAULT_DROP ? p.plan->dropped / UNIVERSE_COUNT : 0;
            for (size_t i = 0; i < p.plan->count; i++)
                struck += p.plan->items[i].variant != VARIANT_NONE &&
                          p.plan->items[i].variant != VARIANT_DUPLICATE_APART;
            if (kind == FAULT_DUPLICATE)
                struck += count_variant(p.plan, VARIANT_DUPLICATE_APART);
            assert_undisturbed(p.plan);
            assert_strictly_ordered(p.plan);
            if (struck < (kind == FAULT_BURST || kind == FAULT_REORDER ? 40 : 50) || struck > 51)
                fail_msg("%s struck %u of B's 100 events", fault_get(kind)->name, struck);
            planning_reset(&p);
        }
}

static void test_reordered_events_change_places_within_universe_b(void **state)
{
    (void)state;
    struct planning p =
        planning_of(EFFECTS("\"stream\":[{\"event\":\"product.updated\",\"entities\":10,\"times\":10}],"
                            "\"faults\":[{\"reorder\":{\"share\":0.3,\"window\":4}}]"),
                    PLATFORM_AEP, 1);
    uint32_t turn = 0;
    for (size_t i = 0; i < p.plan->count; i++) {
        const struct plan_item *item = &p.plan->items[i];
        uint32_t change = item->event / UNIVERSE_COUNT;
        if (plan_universe(p.plan, item) != UNIVERSE_B)
            continue;
        assert_true(turn + 3 >= change && turn <= change + 3);
        assert_true((turn++ == change) == (item->variant == VARIANT_NONE));
    }
    assert_int_equal(turn, 100);
    assert_in_range(count_variant(p.plan, VARIANT_REORDER_SWAP), 25, 31);
    planning_reset(&p);
}

/* How many changes of the 120 are in A, in A' and in B. The two undisturbed ones must have the same. */
static void assert_left(const char *fault, unsigned in_a, unsigned in_b)
{
    char text[1024];
    snprintf(text, sizeof text, LIVES(",\"faults\":[%s]"), fault);
    struct planning p = planning_of(text, PLATFORM_AEP, 1);
    unsigned counts[UNIVERSE_COUNT] = {0};
    for (uint32_t change = 0; change < 120; change++) {
        bool there[UNIVERSE_COUNT];
        for (unsigned u = 0; u < UNIVERSE_COUNT; u++) {
            there[u] = place_of(p.plan, change * UNIVERSE_COUNT + u, 0) < p.plan->count;
            counts[u] += there[u];
        }
        assert_int_equal(there[UNIVERSE_A], there[UNIVERSE_A2]);
        if (there[UNIVERSE_B]) {
            const struct plan_item *b = &p.plan->items[place_of(p.plan, change * 3 + UNIVERSE_B, 0)];
            assert_int_equal(there[UNIVERSE_A], b->variant == VARIANT_NONE);
        }
    }
    assert_int_equal(counts[UNIVERSE_A], in_a);
    assert_int_equal(counts[UNIVERSE_B], in_b);
    assert_int_equal(p.plan->dropped, 2 * (120 - in_a) + 120 - in_b);
    assert_undisturbed(p.plan);
    planning_reset(&p);
}

static void test_what_takes_no_effect_in_b_does_not_happen_in_a(void **state)
{
    (void)state;
    assert_left("{\"forge\":{\"share\":0.25,\"how\":[\"random\",\"missing\",\"upper-case\"]}}", 90, 120);
    assert_left("{\"malform\":{\"share\":0.5,\"how\":[\"cut\",\"deep\",\"unknown-type\"]}}", 60, 120);
    assert_left("{\"drop\":{\"share\":0.25}}", 90, 90);
    assert_left("{\"forge\":{\"share\":0.5,\"how\":\"tampered\"}}", 120,
                120); /* the honest one takes effect */
    assert_left("{\"duplicate\":{\"share\":0.5}},{\"overlap\":{}}", 120, 120);
}

/* Which universes play a change: a bit each. */
static unsigned universes_of(const struct plan *plan, uint32_t change)
{
    unsigned universes = 0;
    for (size_t i = 0; i < plan->count; i++)
        if (!plan->items[i].copy && plan->items[i].event / UNIVERSE_COUNT == change)
            universes |= 1u << plan_universe(plan, &plan->items[i]);
    return universes;
}

/* Of one product, change by change: a: A and B alone have it; ' ': all have it. What is late is `fault`'s. */
static void assert_spared(const char *steps, const char *fault, const char *expected)
{
    char text[1024];
    snprintf(text, sizeof text, EFFECTS("\"stream\":[%s],\"faults\":[%s]"), steps, fault);
    struct planning p = planning_of(text, PLATFORM_EVENTS_API, 1);
    const unsigned a_and_b = 1u << UNIVERSE_A | 1u << UNIVERSE_B, all = a_and_b | 1u << UNIVERSE_A2;
    for (uint32_t change = 0; expected[change]; change++)
        assert_int_equal(universes_of(p.plan, change), expected[change] == 'a' ? a_and_b : all);
    planning_reset(&p);
}

#define CREATED     "{\"event\":\"product.created\"},"
#define UPDATED(n)  "{\"event\":\"product.updated\",\"times\":" #n "}"
#define REMOVED     ",{\"event\":\"product.removed\"}"
#define LATE(event) "{\"delay\":{\"event\":\"product." event "\",\"after\":\"1s\"}}"

static void test_a2_does_without_what_comes_too_late_in_b(void **state)
{
    (void)state;
    assert_spared(CREATED UPDATED(3), LATE("updated"), " aa "); /* not the newest */
    assert_spared(CREATED UPDATED(2) REMOVED, LATE("updated"), " aa ");
    assert_spared(CREATED UPDATED(2), LATE("created"), " a "); /* its values are the updates' */
    assert_spared(CREATED UPDATED(1), LATE("created"), "  ");  /* or nobody's */
    assert_spared(CREATED UPDATED(2) REMOVED, LATE("created"), "a   ");
    assert_spared(CREATED UPDATED(2) REMOVED, LATE("removed"), "    ");
}

static void test_restarts_come_after_a_and_were_looked_at(void **state)
{
    (void)state;
    struct planning p = planning_of(
        LIVES(",\"faults\":[{\"restart\":{\"share\":0.1}},{\"delay\":{\"share\":0.2}}]"), PLATFORM_AEP, 1);
    size_t snapshot = 0;
    while (p.plan->items[snapshot].source != PLAN_SNAPSHOT)
        snapshot++;
    assert_in_range(snapshot, 120, 2 * 120 - 1); /* A, and A' without what comes late in B */
    assert_undisturbed(p.plan);
    assert_strictly_ordered(p.plan);
    static const enum fault_variant turns[] = {VARIANT_RESTART_ACKED, VARIANT_RESTART_AGAIN,
                                               VARIANT_RESTART_IN_FLIGHT};
    unsigned struck = 0;
    for (size_t i = 0; i < p.plan->count; i++) {
        const struct plan_item *item = &p.plan->items[i];
        if (i == snapshot)
            continue;
        assert_int_equal(plan_universe(p.plan, item) == UNIVERSE_B, i > snapshot);
        assert_true(i < snapshot || item->at_us >= p.plan->items[snapshot].at_us);
        if (variant_get(item->variant)->fault != FAULT_RESTART)
            continue;
        size_t again = place_of(p.plan, item->event, 1);
        assert_int_equal(item->variant, turns[struck++ % 3]);
        assert_int_equal(again < p.plan->count, item->variant != VARIANT_RESTART_ACKED);
        if (again < p.plan->count) {
            assert_int_equal(again, i + 1);
            assert_int_equal(p.plan->items[again].at_us, item->at_us);
            assert_int_equal(p.plan->items[again].variant, VARIANT_DUPLICATE_APART);
        }
    }
    assert_int_equal(struck, 12);
    planning_reset(&p);
}

/* Which universes a platform plays of a migration, told by its events' entities, and how many events. */
struct part {
    const char *migration;
    enum platform_id platform;
    unsigned universes;
    size_t count;
};

static void test_each_platform_has_its_part_of_a_migration(void **state)
{
    (void)state;
    static const unsigned a = 1u << UNIVERSE_A, a2 = 1u << UNIVERSE_A2, b = 1u << UNIVERSE_B;
    /* 4 products, created and updated; 2 more that the connector made itself */
    const struct part parts[] = {{"instead", PLATFORM_EVENTS_API, a | a2, 16},
                                 {"instead", PLATFORM_AEP, b, 8 + 4 + 2}, /* and four deltas */
                                 {"besides", PLATFORM_EVENTS_API, a | a2 | b, 24},
                                 {"besides", PLATFORM_AEP, b, 8 + 4 + 2}};
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        char text[600];
        snprintf(text, sizeof text,
                 EFFECTS("\"platforms\":[\"aep\"],\"migration\":\"%s\",\"stream\":["
                         "{\"event\":\"product.created\",\"entities\":4},{\"check\":\"settled\"},"
                         "{\"event\":\"product.updated\",\"delta\":true},"
                         "{\"event\":\"product.created\",\"entities\":2,\"own\":true}]"),
                 parts[i].migration);
        struct planning p = planning_of(text, parts[i].platform, 1);
        unsigned universes = 0;
        size_t settles = 0, events = 0;
        for (size_t k = 0; k < p.plan->count; k++) {
            const struct plan_item *item = &p.plan->items[k];
            settles += item->source == PLAN_SETTLE;
            if (!plan_is_event(item))
                continue;
            events++;
            universes |= 1u << plan_universe(p.plan, item);
            assert_true(p.plan->sources[item->source].catalog); /* all that it is about is known */
            assert_int_equal(settles % 2, item->changed_us >= 1000000);
            if (parts[i].platform == PLATFORM_EVENTS_API) /* A is over before the others begin */
                assert_int_equal(settles < 2, plan_universe(p.plan, item) == UNIVERSE_A);
        }
        assert_int_equal(universes, parts[i].universes);
        assert_int_equal(events, parts[i].count);
        assert_int_equal(settles, parts[i].platform == PLATFORM_AEP ? 1 : 3);
        planning_reset(&p);
    }
}

static void test_a_handover_is_at_the_first_look(void **state)
{
    (void)state;
    static const char text[] =
        EFFECTS("\"platforms\":[\"aep\"],\"migration\":\"handover\",\"stream\":["
                "{\"event\":\"product.created\",\"entities\":3},{\"check\":\"settled\"},"
                "{\"event\":\"product.updated\",\"times\":2}]");
    for (enum platform_id platform = 0; platform < PLATFORM_COUNT; platform++) {
        bool aep = platform == PLATFORM_AEP;
        struct planning p = planning_of(text, platform, 1);
        size_t counts[UNIVERSE_COUNT] = {0};
        for (size_t i = 0; i < p.plan->count; i++) {
            const struct plan_item *item = &p.plan->items[i];
            if (!plan_is_event(item))
                continue;
            counts[plan_universe(p.plan, item)]++;
            if (plan_universe(p.plan, item) == UNIVERSE_B)
                assert_int_equal(strcmp(plan_event_name(p.plan, item), "product.created") != 0, aep);
        }
        assert_int_equal(counts[UNIVERSE_A], aep ? 0 : 9);
        assert_int_equal(counts[UNIVERSE_A2], aep ? 0 : 9);
        assert_int_equal(counts[UNIVERSE_B], aep ? 6 : 3);
        if (aep)
            assert_int_equal(p.plan->items[0].source, PLAN_SETTLE); /* all that came before is there */
        planning_reset(&p);
    }
}

/* Each change is about something else, so that a port which forgets one sort of value is found. */
static void test_changes_of_a_migration_are_of_every_sort(void **state)
{
    (void)state;
    static const char *const sorts[] = {"\"enabled\":{", "\"categories\":{", "\"values\":{", "\"amount\":"};
    struct planning p = planning_of(EFFECTS("\"platforms\":[\"aep\"],\"migration\":\"instead\",\"stream\":["
                                            "{\"event\":\"product.created\",\"entities\":10},"
                                            "{\"event\":\"product.updated\",\"times\":3,\"delta\":true}]"),
                                    PLATFORM_AEP, 1);
    struct buf bodies;
    buf_init(&bodies, 1 << 24);
    for (size_t i = 0; i < p.plan->count; i++)
        plan_render(p.plan, &p.plan->items[i], &p.settings, 0, &bodies);
    for (size_t i = 0; i < COUNT_OF(sorts); i++)
        assert_non_null(strstr(buf_text(&bodies), sorts[i]));
    buf_reset(&bodies);
    planning_reset(&p);
}

static void test_both_platforms_of_a_migration_speak_of_the_same_entities(void **state)
{
    (void)state;
    static const char text[] = EFFECTS("\"platforms\":[\"aep\"],\"migration\":\"besides\",\"stream\":["
                                       "{\"event\":\"product.created\",\"entities\":3}]");
    struct planning old = planning_of(text, PLATFORM_EVENTS_API, 1), new = planning_of(text, PLATFORM_AEP, 1);
    for (size_t i = 0; i < new.plan->count; i++) {
        const struct plan_item *item = &new.plan->items[i], *same = old.plan->items;
        struct entity entity, before;
        char id[UUID_SIZE], id_before[UUID_SIZE];
        while (same->event != item->event)
            same++;
        plan_entity(new.plan, item, &entity);
        plan_entity(old.plan, same, &before);
        assert_string_equal(entity.uuid, before.uuid);
        assert_string_equal(entity.code, before.code);
        plan_event_id(new.plan, item, id);
        plan_event_id(old.plan, same, id_before);
        assert_string_not_equal(id, id_before);
    }
    planning_reset(&old);
    planning_reset(&new);
}

static void test_copies_have_their_events_id(void **state)
{
    (void)state;
    for (enum platform_id platform = 0; platform < PLATFORM_COUNT; platform++) {
        struct planning p = planning_of(LIVES(",\"faults\":[{\"duplicate\":{}}]"), platform, 1);
        for (uint32_t event = UNIVERSE_B; event < p.plan->event_count; event += UNIVERSE_COUNT) {
            char first[UUID_SIZE], again[UUID_SIZE];
            plan_event_id(p.plan, &p.plan->items[place_of(p.plan, event, 0)], first);
            plan_event_id(p.plan, &p.plan->items[place_of(p.plan, event, 1)], again);
            assert_string_equal(first, again);
        }
        planning_reset(&p);
    }
}

static unsigned count_mentions(const struct idents *idents, const char *text)
{
    struct mentions mentions = {0};
    idents_find(idents, span_of(text), &mentions);
    unsigned count = (unsigned)mentions.count;
    free(mentions.items);
    return count;
}

/* The ids of the same plan without the fault, which are all there are. */
static void test_idents_know_what_was_dropped_too(void **state)
{
    (void)state;
    struct planning all = planning_of(LIVES(""), PLATFORM_AEP, 1),
                    none = planning_of(LIVES(",\"faults\":[{\"drop\":{}}]"), PLATFORM_AEP, 1);
    struct idents *idents = idents_new();
    assert_int_equal(none.plan->count, 0);
    plan_add_idents(none.plan, idents);
    for (size_t i = 0; i < all.plan->count; i++) {
        char text[256], id[UUID_SIZE];
        struct entity entity;
        plan_entity(all.plan, &all.plan->items[i], &entity);
        plan_event_id(all.plan, &all.plan->items[i], id);
        snprintf(text, sizeof text, "%s %s %s", entity.uuid, entity.code, id);
        assert_int_equal(count_mentions(idents, text), 3);
    }
    idents_free(idents);
    planning_reset(&all);
    planning_reset(&none);
}

static void test_plan_prints_universes_and_snapshots(void **state)
{
    (void)state;
    struct buf text = printed(EFFECTS("\"stream\":[{\"event\":\"product_model.created\"}],"
                                      "\"faults\":[{\"restart\":{\"how\":\"acked\"}}]"),
                              PLATFORM_AEP, 1);
    static const char *const expected[] = {
        "\"at_us\":0,\"universe\":\"A\",\"about\":\"model 1\",\"event\":\"product_model.created\",",
        "\"at_us\":0,\"universe\":\"A'\",\"about\":\"model 1\",\"event\":\"product_model.created\",",
        "\"at_us\":0,\"check\":\"snapshot\"}",
        "\"at_us\":0,\"universe\":\"B\",\"about\":\"model 1\",\"event\":\"product_model.created\",",
        "\"copy\":0,\"fault\":\"restart\",\"variant\":\"acked\"}",
    };
    const char *at = buf_text(&text);
    for (size_t i = 0; i < COUNT_OF(expected); i++) {
        at = strstr(at, expected[i]);
        if (!at)
            fail_msg("%s is not where it should be in %s", expected[i], buf_text(&text));
        at += strlen(expected[i]);
    }
    buf_reset(&text);
}

/* ---- what is rendered ----------------------------------------------------------------------------- */

static int64_t time_of(const struct plan *plan, const struct plan_item *item, const struct settings *settings,
                       int64_t wall_start_us)
{
    struct buf body;
    buf_init(&body, 1 << 20);
    plan_render(plan, item, settings, wall_start_us, &body);
    cJSON *json = cJSON_Parse(buf_text(&body));
    assert_non_null(json);
    bool aep = plan->profile->id == PLATFORM_AEP;
    const char *time = cJSON_GetStringValue(cJSON_GetObjectItem(json, aep ? "time" : "event_datetime"));
    const char *id = cJSON_GetStringValue(cJSON_GetObjectItem(json, aep ? "id" : "event_id"));
    char expected[UUID_SIZE];
    int64_t us;
    struct err err;
    plan_event_id(plan, item, expected);
    assert_string_equal(id, expected);
    assert_true(clock_parse(time, &us, &err));
    cJSON_Delete(json);
    buf_reset(&body);
    return us;
}

/* No event tells of a change in the future, and of two changes of an entity the second is newer. */
static void test_events_tell_when_their_entity_was_changed(void **state)
{
    (void)state;
    static const char scenario[] =
        SCENARIO("\"stream\":[{\"event\":\"product.created\",\"entities\":3},{\"event\":\"product.updated\","
                 "\"times\":4},{\"event\":\"product.removed\"}],\"pace\":{\"rate\":2},"
                 "\"faults\":[{\"delay\":{\"share\":0.2}},{\"burst\":{\"share\":0.2,\"window\":3}}]");
    const int64_t start_us = 1769850839000000;
    for (enum platform_id platform = 0; platform < PLATFORM_COUNT; platform++) {
        struct planning p = planning_of(scenario, platform, 1);
        for (uint32_t entity = 0; entity < 3; entity++) {
            int64_t before_us = 0;
            for (uint32_t change = 0; change < 6; change++) {
                const struct plan_item *item = &p.plan->items[place_of(p.plan, change * 3 + entity, 0)];
                int64_t us = time_of(p.plan, item, &p.settings, start_us);
                assert_int_equal(item->entity, entity);
                assert_true(us > before_us);
                assert_true(us <= start_us + (int64_t)item->at_us);
                before_us = us;
            }
        }
        planning_reset(&p);
    }
}

/* The wire has whole seconds. */
#define START_US INT64_C(1769850839000000)

/* The times of a plan's oldest and newest event, as seconds before the scenario starts. */
struct ages {
    int64_t oldest_s, newest_s;
};

static struct ages ages_of(const char *scenario, enum platform_id platform)
{
    struct planning p = planning_of(scenario, platform, 1);
    struct ages ages = {0, INT64_MAX};
    for (size_t i = 0; i < p.plan->count; i++) {
        const struct plan_item *item = &p.plan->items[i];
        if (item->source == PLAN_REACHABILITY)
            continue;
        int64_t us = time_of(p.plan, item, &p.settings, START_US), age_us = START_US - us;
        int64_t changed_us = START_US - (int64_t)p.plan->age_us + (int64_t)item->changed_us;
        assert_in_range(changed_us - us, 0, S - 1);
        assert_int_equal(age_us % (int64_t)S, 0);
        ages.oldest_s = age_us / (int64_t)S > ages.oldest_s ? age_us / (int64_t)S : ages.oldest_s;
        ages.newest_s = age_us / (int64_t)S < ages.newest_s ? age_us / (int64_t)S : ages.newest_s;
    }
    planning_reset(&p);
    return ages;
}

/* Virtual time may be far ahead when an event comes: no receiver meets one from the future all the same. */
static void test_the_newest_change_is_a_second_old_when_the_scenario_starts(void **state)
{
    (void)state;
    static const char *const paces[] = {"{}",
                                        "{\"rate\":50}",
                                        "{\"rate\":0.01}",
                                        "{\"rate\":\"top\"}",
                                        "{\"rate\":7,\"batch\":3}",
                                        "{\"rate\":3,\"ramp\":\"1m\"}",
                                        "{\"concurrency\":1}"};
    static const char *const streams[] = {
        "{\"event\":\"product.updated\"}",
        "{\"event\":\"product.created\",\"entities\":5},{\"event\":\"product.updated\",\"times\":3}",
        "{\"check\":\"reachability\"},{\"event\":\"product.updated\",\"delta\":true}",
        "{\"event\":\"product.removed\",\"entities\":3,\"own\":true}",
    };
    static const char *const faults[] = {"\"duplicate\":{\"after\":\"2h\"}", "\"delay\":{\"after\":\"2h\"}",
                                         "\"reorder\":{}"};
    for (size_t i = 0; i < COUNT_OF(paces) * COUNT_OF(streams) * COUNT_OF(faults) * PLATFORM_COUNT; i++) {
        char text[1024];
        snprintf(text, sizeof text, SCENARIO("\"stream\":[%s],\"pace\":%s,\"faults\":[{%s}]"),
                 streams[i / COUNT_OF(paces) % COUNT_OF(streams)], paces[i % COUNT_OF(paces)],
                 faults[i / COUNT_OF(paces) / COUNT_OF(streams) % COUNT_OF(faults)]);
        struct ages ages = ages_of(text, (enum platform_id)(i % PLATFORM_COUNT));
        if (ages.newest_s != 1)
            fail_msg("%s: the newest event is %lld s old", text, (long long)ages.newest_s);
    }
}

/* Every minute an event, for a day: the first is nearly a day old, and what lies between keeps its distance.
 */
static void test_a_day_of_events_lies_behind_the_scenarios_start(void **state)
{
    (void)state;
    static const char scenario[] =
        SCENARIO("\"stream\":[{\"event\":\"product.updated\",\"entities\":1440}],\"flow\":{},"
                 "\"pace\":{\"rate\":0.01666666666666666666},\"faults\":[{\"outage\":{\"from\":\"8h\"}}]");
    for (enum platform_id platform = 0; platform < PLATFORM_COUNT; platform++) {
        struct ages ages = ages_of(scenario, platform);
        assert_int_equal(ages.newest_s, 1);
        assert_int_equal(ages.oldest_s, 1439 * 60 + 1);
        struct planning p = planning_of(scenario, platform, 1);
        assert_int_equal(p.plan->age_us / HOUR, 23);
        for (size_t i = 1; i < p.plan->count; i++) {
            const struct plan_item *item = &p.plan->items[i];
            int64_t us = time_of(p.plan, item, &p.settings, START_US);
            assert_int_equal(us - time_of(p.plan, item - 1, &p.settings, START_US), 60 * S);
            assert_int_equal(item->at_us, i * 60 * S); /* it is due when it always was */
        }
        planning_reset(&p);
    }
}

static void test_a_plan_of_nothing_but_checks_is_a_second_old(void **state)
{
    (void)state;
    struct planning p = planning_of(SCENARIO("\"stream\":[{\"check\":\"reachability\"}]"), PLATFORM_AEP, 1);
    assert_int_equal(p.plan->age_us, S);
    planning_reset(&p);
}

static void test_catalogue_events_take_turns_with_its_items(void **state)
{
    (void)state;
    struct planning p = planning_of(
        SCENARIO("\"stream\":[{\"event\":\"product.updated\",\"entities\":100,\"catalog\":true}]"),
        PLATFORM_EVENTS_API, 1);
    char family[2][64] = {"", ""};
    unsigned different = 0;
    for (size_t i = 0; i < p.plan->count; i++) {
        struct buf body;
        buf_init(&body, 1 << 20);
        plan_render(p.plan, &p.plan->items[i], &p.settings, 0, &body);
        cJSON *json = cJSON_Parse(buf_text(&body));
        const cJSON *resource = cJSON_GetObjectItem(cJSON_GetObjectItem(json, "data"), "resource");
        struct entity entity;
        plan_entity(p.plan, &p.plan->items[i], &entity);
        assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(resource, "uuid")), entity.uuid);
        assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(resource, "identifier")), entity.code);
        snprintf(family[i % 2], sizeof *family, "%s",
                 cJSON_GetStringValue(cJSON_GetObjectItem(resource, "family")));
        different += strcmp(family[0], family[1]) != 0;
        cJSON_Delete(json);
        buf_reset(&body);
    }
    assert_true(different >= 3);
    planning_reset(&p);
}

/* ---- what cannot be planned ------------------------------------------------------------------------ */

static void assert_refused(const char *scenario, enum platform_id platform, const char *expected)
{
    struct planning p;
    struct err err;
    assert_false(planning_try(&p, scenario, platform, 1, &err));
    assert_null(p.plan);
    assert_string_equal(err.text, expected);
    assert_int_equal(err.code, EXIT_USAGE);
    planning_reset(&p);
}

static void test_more_events_than_a_plan_may_hold_are_refused(void **state)
{
    (void)state;
    assert_refused(SCENARIO("\"stream\":[{\"event\":\"product.created\"},{\"event\":\"product.updated\","
                            "\"entities\":1000000,\"times\":11}]"),
                   PLATFORM_AEP, "tests/plan: stream[1]: more than 10000000 events");
    assert_int_equal(PLAN_EVENTS_MAX, 10000000);
}

static void test_universes_count_towards_the_events_of_a_plan(void **state)
{
    (void)state;
    assert_refused(EFFECTS("\"stream\":[{\"event\":\"product.updated\",\"entities\":1000000,\"times\":4}]"),
                   PLATFORM_AEP, "tests/plan: stream[0]: more than 10000000 events");
}

static void test_a_fault_of_an_event_that_never_happens_is_refused(void **state)
{
    (void)state;
    assert_refused(STRUCK("{\"drop\":{}},{\"delay\":{\"event\":\"product.removed\"}}"), PLATFORM_AEP,
                   "tests/plan: faults[1]: no step of the stream is \"product.removed\"");
    assert_refused(STRUCK("{\"delay\":{\"event\":\"product.updatd\"}}"), PLATFORM_AEP,
                   "tests/plan: faults[0]: no step of the stream is \"product.updatd\"");
}

static void test_an_event_that_the_platform_lacks_is_refused(void **state)
{
    (void)state;
    assert_refused(SCENARIO("\"platforms\":[\"aep\"],\"stream\":[{\"event\":"
                            "\"com.akeneo.pim.v1.asset.created\"}]"),
                   PLATFORM_EVENTS_API,
                   "tests/plan: stream[0]: events-api has no event \"com.akeneo.pim.v1.asset.created\"");
}

static void write_file(const char *folder, const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

/* A folder whose catalogue hides the built-in one, and has no models. */
static void test_a_catalogue_without_models_makes_no_models(void **state)
{
    (void)state;
    static const char *const files[] = {"fixtures/catalog/garden_tools.json", "fixtures/catalog/shoes.json",
                                        "fixtures/catalog/tents.json"};
    char folder[] = "/tmp/pimsim-test-XXXXXX", path[256];
    assert_non_null(mkdtemp(folder));
    for (const char *const *sub = (const char *const[]){"fixtures", "fixtures/catalog", NULL}; *sub; sub++) {
        snprintf(path, sizeof path, "%s/%s", folder, *sub);
        assert_int_equal(mkdir(path, 0700), 0);
    }
    for (size_t i = 0; i < COUNT_OF(files); i++)
        write_file(folder, files[i], "{\"attributes\":{},\"products\":[],\"product_models\":[]}");
    struct planning p = planning_of(
        SCENARIO("\"stream\":[{\"event\":\"product_model.updated\",\"catalog\":true}]"), PLATFORM_AEP, 1);
    struct data *data;
    struct plan *plan;
    struct err err;
    assert_true(data_open(&data, folder, &err));
    assert_false(plan_build(&plan, p.scenario, &profile_aep, &p.settings, data, 1, &err));
    assert_string_equal(err.text, "tests/plan: the catalogue has nothing for product_model.updated");
    data_close(data);
    planning_reset(&p);
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        snprintf(path, sizeof path, "%s/%s", folder, files[i]);
        unlink(path);
    }
    for (const char *const *sub = (const char *const[]){"fixtures/catalog", "fixtures", "", NULL}; *sub;
         sub++) {
        snprintf(path, sizeof path, "%s/%s", folder, *sub);
        rmdir(path);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plan_is_the_same_for_the_same_seed),
        cmocka_unit_test(test_plan_differs_by_seed_and_platform),
        cmocka_unit_test(test_plan_of_another_scenario_has_other_ids),
        cmocka_unit_test(test_plan_prints_known_lines),
        cmocka_unit_test(test_plan_hashes_to_a_known_number),
        cmocka_unit_test(test_plan_orders_ties_by_sequence),
        cmocka_unit_test(test_plan_order_is_total_whatever_the_faults),
        cmocka_unit_test(test_shipped_scenarios_have_plans_on_their_platforms),
        cmocka_unit_test(test_pace_without_rate_is_all_at_once),
        cmocka_unit_test(test_pace_of_a_rate_is_even),
        cmocka_unit_test(test_pace_of_batches_is_even_over_requests),
        cmocka_unit_test(test_pace_top_is_the_platforms),
        cmocka_unit_test(test_pace_ramps_from_a_tenth_to_the_rate),
        cmocka_unit_test(test_steps_speak_of_the_same_entities_until_they_want_new_ones),
        cmocka_unit_test(test_star_is_every_type_that_the_platform_has),
        cmocka_unit_test(test_reachability_is_checked_where_the_stream_says),
        cmocka_unit_test(test_a_million_entities_have_names_of_their_own),
        cmocka_unit_test(test_every_fault_strikes_its_share),
        cmocka_unit_test(test_bursts_and_swaps_strike_about_their_share),
        cmocka_unit_test(test_faults_strike_all_along_the_stream),
        cmocka_unit_test(test_faults_strike_every_entity_sooner_or_later),
        cmocka_unit_test(test_no_event_is_struck_by_two_faults),
        cmocka_unit_test(test_the_second_fault_has_what_the_first_left),
        cmocka_unit_test(test_variants_take_turns),
        cmocka_unit_test(test_items_know_which_fault_struck_them),
        cmocka_unit_test(test_a_duplicate_is_its_event_again_after_a_while),
        cmocka_unit_test(test_dropped_events_never_come),
        cmocka_unit_test(test_all_events_may_be_dropped),
        cmocka_unit_test(test_reorder_really_changes_the_order),
        cmocka_unit_test(test_delayed_events_come_late),
        cmocka_unit_test(test_bursts_are_held_back_until_the_last_has_happened),
        cmocka_unit_test(test_tampered_copies_come_after_the_honest_request),
        cmocka_unit_test(test_a_duplicate_together_stands_directly_behind_its_event),
        cmocka_unit_test(test_an_overlap_is_a_copy_at_the_same_moment),
        cmocka_unit_test(test_after_a_lost_ack_the_event_comes_again),
        cmocka_unit_test(test_nothing_comes_together_where_a_request_holds_one_event),
        cmocka_unit_test(test_a_fault_of_one_event_strikes_its_share_of_these),
        cmocka_unit_test(test_an_event_of_one_name_changes_places_with_any),
        cmocka_unit_test(test_a_delta_follows_its_update_a_round_later),
        cmocka_unit_test(test_the_events_api_has_no_deltas),
        cmocka_unit_test(test_a_fault_strikes_its_share_of_what_is_due_in_its_window),
        cmocka_unit_test(test_swaps_and_bursts_stay_in_their_window),
        cmocka_unit_test(test_windows_of_one_fault_follow_each_other),
        cmocka_unit_test(test_a_window_and_an_event_both_choose),
        cmocka_unit_test(test_windows_are_of_the_stream_that_is_struck),
        cmocka_unit_test(test_an_outage_strikes_nothing_in_the_plan),
        cmocka_unit_test(test_a_steps_changes_are_the_connectors_own_where_it_says_so),
        cmocka_unit_test(test_who_caused_a_change_does_not_change_it),
        cmocka_unit_test(test_without_effects_there_is_one_universe),
        cmocka_unit_test(test_every_change_happens_in_three_universes),
        cmocka_unit_test(test_universes_take_turns_by_requests),
        cmocka_unit_test(test_a_rate_counts_the_events_of_all_universes),
        cmocka_unit_test(test_siblings_tell_the_same_at_the_same_time),
        cmocka_unit_test(test_in_three_universes_the_newest_delta_tells_all),
        cmocka_unit_test(test_entities_are_named_by_what_they_are),
        cmocka_unit_test(test_faults_strike_their_share_of_universe_b_alone),
        cmocka_unit_test(test_reordered_events_change_places_within_universe_b),
        cmocka_unit_test(test_what_takes_no_effect_in_b_does_not_happen_in_a),
        cmocka_unit_test(test_a2_does_without_what_comes_too_late_in_b),
        cmocka_unit_test(test_restarts_come_after_a_and_were_looked_at),
        cmocka_unit_test(test_each_platform_has_its_part_of_a_migration),
        cmocka_unit_test(test_a_handover_is_at_the_first_look),
        cmocka_unit_test(test_changes_of_a_migration_are_of_every_sort),
        cmocka_unit_test(test_both_platforms_of_a_migration_speak_of_the_same_entities),
        cmocka_unit_test(test_copies_have_their_events_id),
        cmocka_unit_test(test_idents_know_what_was_dropped_too),
        cmocka_unit_test(test_plan_prints_universes_and_snapshots),
        cmocka_unit_test(test_events_tell_when_their_entity_was_changed),
        cmocka_unit_test(test_the_newest_change_is_a_second_old_when_the_scenario_starts),
        cmocka_unit_test(test_a_day_of_events_lies_behind_the_scenarios_start),
        cmocka_unit_test(test_a_plan_of_nothing_but_checks_is_a_second_old),
        cmocka_unit_test(test_catalogue_events_take_turns_with_its_items),
        cmocka_unit_test(test_more_events_than_a_plan_may_hold_are_refused),
        cmocka_unit_test(test_universes_count_towards_the_events_of_a_plan),
        cmocka_unit_test(test_a_fault_of_an_event_that_never_happens_is_refused),
        cmocka_unit_test(test_an_event_that_the_platform_lacks_is_refused),
        cmocka_unit_test(test_a_catalogue_without_models_makes_no_models),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
