/* Tests of platform.c: every event of a plan is sent once, in requests that the platform would make,
 * however long the answers take. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "limits.h"
#include "planning.h"
#include "platform.h"
#include "rng.h"

#define S UINT64_C(1000000)

#define UPDATES(entities, pace)                                                                              \
    SCENARIO("\"stream\":[{\"event\":\"product.updated\",\"entities\":" #entities "}],\"pace\":" pace)

/* What is in flight, the oldest first. */
static struct delivery flying[IN_FLIGHT_MAX];
static size_t flying_count;

static bool take(struct platform *platform, uint64_t now_us, struct delivery *d)
{
    if (flying_count && platform_in_flight(platform) == 0)
        flying_count = 0; /* another test's */
    if (!platform_next(platform, now_us, d))
        return false;
    flying[flying_count++] = *d;
    return true;
}

static void end_oldest(struct platform *platform)
{
    platform_ended(platform, &flying[0]);
    memmove(flying, flying + 1, --flying_count * sizeof *flying);
}

static struct delivery next(struct platform *platform, uint64_t now_us)
{
    struct delivery d;
    if (!take(platform, now_us, &d))
        fail_msg("nothing is due at %llu us", (unsigned long long)now_us);
    return d;
}

static void assert_nothing_due(struct platform *platform, uint64_t now_us)
{
    struct delivery d;
    assert_false(take(platform, now_us, &d));
    assert_true(platform_due_us(platform, now_us) > now_us);
}

/* ---- requests ------------------------------------------------------------------------------------- */

static void assert_batches(const char *scenario, enum platform_id id, const size_t *expected, size_t count)
{
    struct planning p = planning_of(scenario, id, 1);
    struct platform *platform = platform_new(p.plan);
    for (size_t i = 0; i < count; i++) {
        struct delivery d = next(platform, 0);
        if (d.count != expected[i])
            fail_msg("request %zu holds %zu events, not %zu", i, d.count, expected[i]);
        end_oldest(platform);
    }
    assert_true(platform_done(platform));
    platform_free(platform);
    planning_reset(&p);
}

#define ASSERT_BATCHES(scenario, id, ...)                                                                    \
    assert_batches(scenario, id, (const size_t[]){__VA_ARGS__}, COUNT_OF(((const size_t[]){__VA_ARGS__})))

static void test_requests_are_filled_up_to_the_batch(void **state)
{
    (void)state;
    ASSERT_BATCHES(UPDATES(25, "{\"batch\":10}"), PLATFORM_EVENTS_API, 10, 10, 5);
    ASSERT_BATCHES(UPDATES(7, "{\"batch\":3}"), PLATFORM_EVENTS_API, 3, 3, 1);
    ASSERT_BATCHES(UPDATES(3, "{}"), PLATFORM_EVENTS_API, 1, 1, 1);
}

static void test_aep_sends_events_one_by_one(void **state)
{
    (void)state;
    ASSERT_BATCHES(UPDATES(3, "{\"batch\":10}"), PLATFORM_AEP, 1, 1, 1);
}

static void test_reachability_checks_travel_alone(void **state)
{
    (void)state;
    ASSERT_BATCHES(SCENARIO("\"stream\":[{\"event\":\"product.created\",\"entities\":3},"
                            "{\"check\":\"reachability\"},{\"check\":\"reachability\"},"
                            "{\"event\":\"product.created\",\"entities\":12}],\"pace\":{\"batch\":10}"),
                   PLATFORM_EVENTS_API, 3, 1, 1, 10, 2);
}

static void test_events_of_different_moments_travel_apart(void **state)
{
    (void)state;
    struct planning p = planning_of(UPDATES(6, "{\"rate\":20,\"batch\":2}"), PLATFORM_EVENTS_API, 1);
    struct platform *platform = platform_new(p.plan);
    p.plan->items[3].at_us++; /* a microsecond is enough */
    static const size_t expected[] = {2, 1, 1, 2};
    for (size_t i = 0; i < COUNT_OF(expected); i++)
        assert_int_equal(next(platform, S).count, expected[i]);
    platform_free(platform);
    planning_reset(&p);
}

/* What happens to a request happens to all of it: events that differ in that do not share one. */
static void test_requests_never_mix_variants(void **state)
{
    (void)state;
    static const char scenario[] =
        SCENARIO("\"stream\":[{\"event\":\"product.updated\",\"entities\":300}],\"pace\":{\"batch\":10},"
                 "\"faults\":[{\"forge\":{\"share\":0.3,\"how\":[\"random\",\"missing\"]}},"
                 "{\"slow-body\":{\"share\":0.2,\"over\":\"1ms\"}},"
                 "{\"slow-body\":{\"share\":0.2,\"over\":\"2ms\"}}]");
    size_t biggest = 0;
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct planning p = planning_of(scenario, PLATFORM_EVENTS_API, seed);
        struct platform *platform = platform_new(p.plan);
        struct delivery d;
        while (take(platform, 0, &d)) {
            assert_in_range(d.count, 1, EVENTS_API_EVENTS_PER_REQUEST_MAX);
            biggest = d.count > biggest ? d.count : biggest;
            for (size_t i = 1; i < d.count; i++) {
                assert_int_equal(p.plan->items[d.first + i].variant, p.plan->items[d.first].variant);
                assert_int_equal(p.plan->items[d.first + i].spec, p.plan->items[d.first].spec);
            }
            end_oldest(platform);
        }
        platform_free(platform);
        planning_reset(&p);
    }
    assert_true(biggest > 1);
}

static void test_deliveries_are_numbered_in_the_order_of_sending(void **state)
{
    (void)state;
    struct planning p = planning_of(UPDATES(5, "{\"concurrency\":2}"), PLATFORM_AEP, 1);
    struct platform *platform = platform_new(p.plan);
    for (uint32_t i = 0; i < 5; i++) {
        struct delivery d = next(platform, i);
        assert_int_equal(d.id, i + 1);
        assert_int_equal(d.attempt, 1);
        assert_int_equal(d.first, i);
        end_oldest(platform);
    }
    platform_free(platform);
    planning_reset(&p);
}

/* ---- when ------------------------------------------------------------------------------------------ */

static void test_without_a_rate_an_answer_makes_room_for_the_next(void **state)
{
    (void)state;
    struct planning p = planning_of(UPDATES(4, "{\"concurrency\":2}"), PLATFORM_AEP, 1);
    struct platform *platform = platform_new(p.plan);
    assert_int_equal(platform_due_us(platform, 100), 100); /* now */
    next(platform, 100);
    next(platform, 100);
    assert_int_equal(platform_in_flight(platform), 2);
    assert_int_equal(platform_due_us(platform, 100), UINT64_MAX); /* until an answer comes */
    assert_nothing_due(platform, 5 * S);
    end_oldest(platform);
    assert_int_equal(platform_in_flight(platform), 1);
    /* It was not held up by anybody but the connector's pace: it counts from now. */
    assert_int_equal(next(platform, 6 * S).scheduled_us, 6 * S);
    assert_nothing_due(platform, 6 * S);
    platform_free(platform);
    planning_reset(&p);
}

static void test_without_a_rate_a_late_event_still_waits_for_its_moment(void **state)
{
    (void)state;
    struct planning p = planning_of(
        SCENARIO("\"stream\":[{\"event\":\"product.updated\"}],\"faults\":[{\"delay\":{\"after\":\"3s\"}}]"),
        PLATFORM_AEP, 1);
    struct platform *platform = platform_new(p.plan);
    assert_int_equal(platform_due_us(platform, 0), 3 * S);
    assert_nothing_due(platform, 3 * S - 1);
    assert_int_equal(next(platform, 3 * S).scheduled_us, 3 * S);
    platform_free(platform);
    planning_reset(&p);
}

/* Latency counts from the moment that the plan says, however late we are or busy the connector is. */
static void test_with_a_rate_moments_are_the_plans(void **state)
{
    (void)state;
    struct planning p = planning_of(UPDATES(20, "{\"rate\":10}"), PLATFORM_AEP, 1);
    struct platform *platform = platform_new(p.plan);
    for (uint64_t i = 0; i < 10; i++) { /* one at a time, on time, nothing ever answered */
        assert_int_equal(platform_due_us(platform, i * S / 10), i * S / 10);
        assert_int_equal(next(platform, i * S / 10).scheduled_us, i * S / 10);
        assert_nothing_due(platform, i * S / 10);
        assert_int_equal(platform_due_us(platform, i * S / 10), (i + 1) * S / 10);
    }
    for (uint64_t i = 10; i < 20; i++) /* then we slept for an hour */
        assert_int_equal(next(platform, 3600 * S).scheduled_us, i * S / 10);
    assert_int_equal(platform_in_flight(platform), 20);
    assert_int_equal(platform_due_us(platform, 3600 * S), UINT64_MAX);
    platform_free(platform);
    planning_reset(&p);
}

static void test_with_a_rate_only_our_own_limit_holds_requests_back(void **state)
{
    (void)state;
    struct planning p = planning_of(UPDATES(1200, "{\"rate\":100000}"), PLATFORM_AEP, 1);
    struct platform *platform = platform_new(p.plan);
    for (unsigned i = 0; i < IN_FLIGHT_MAX; i++)
        next(platform, S);
    assert_nothing_due(platform, S);
    end_oldest(platform);
    assert_int_equal(next(platform, 2 * S).scheduled_us, IN_FLIGHT_MAX * 10); /* its own, long past */
    platform_free(platform);
    planning_reset(&p);
}

static void test_platform_is_done_when_all_is_sent_and_answered(void **state)
{
    (void)state;
    struct planning p = planning_of(UPDATES(2, "{\"concurrency\":2}"), PLATFORM_AEP, 1);
    struct platform *platform = platform_new(p.plan);
    assert_false(platform_done(platform));
    next(platform, 0);
    end_oldest(platform);
    assert_false(platform_done(platform)); /* nothing in flight, but not all is sent */
    next(platform, 0);
    assert_false(platform_done(platform)); /* all is sent, but not answered */
    end_oldest(platform);
    assert_true(platform_done(platform));
    assert_nothing_due(platform, S);
    platform_free(platform);
    planning_reset(&p);
}

static void test_a_plan_without_events_is_done_at_once(void **state)
{
    (void)state;
    struct planning p = planning_of(
        SCENARIO("\"stream\":[{\"event\":\"product.updated\"}],\"faults\":[{\"drop\":{}}]"), PLATFORM_AEP, 1);
    struct platform *platform = platform_new(p.plan);
    assert_true(platform_done(platform));
    assert_int_equal(platform_due_us(platform, 7), UINT64_MAX);
    assert_nothing_due(platform, 7);
    platform_free(platform);
    planning_reset(&p);
}

/* ---- universes, copies, barriers --------------------------------------------------------------------- */

/* A plan made by hand. */
struct hand {
    struct scenario scenario;
    struct plan plan;
    struct plan_source source;
    struct plan_item items[32];
};

/* One character an item: a, ', b: an event in A, A', B; t, d, o: its copy, together, apart, overlapping;
 * r: the connector is killed after it; f: forged; s: a snapshot; c: a check. */
static void hand(struct hand *h, const char *text, uint32_t batch, uint32_t concurrency)
{
    static const struct {
        char key;
        enum universe universe;
        enum fault_variant variant;
        uint16_t source;
    } kinds[] = {{'a', UNIVERSE_A, VARIANT_NONE, 0},
                 {'\'', UNIVERSE_A2, VARIANT_NONE, 0},
                 {'b', UNIVERSE_B, VARIANT_NONE, 0},
                 {'t', UNIVERSE_B, VARIANT_DUPLICATE_TOGETHER, 0},
                 {'d', UNIVERSE_B, VARIANT_DUPLICATE_APART, 0},
                 {'o', UNIVERSE_B, VARIANT_OVERLAP_COPY, 0},
                 {'r', UNIVERSE_B, VARIANT_RESTART_AGAIN, 0},
                 {'f', UNIVERSE_B, VARIANT_FORGE_RANDOM, 0},
                 {'s', UNIVERSE_A, VARIANT_NONE, PLAN_SNAPSHOT},
                 {'c', UNIVERSE_A, VARIANT_NONE, PLAN_REACHABILITY}};
    *h = (struct hand){.scenario.pace = {.concurrency = concurrency}, .source.pool = "product"};
    h->plan = (struct plan){
        .scenario = &h->scenario, .batch = batch, .universes = 3, .items = h->items, .sources = &h->source};
    for (; *text; text++)
        for (size_t i = 0; i < COUNT_OF(kinds); i++)
            if (kinds[i].key == *text) {
                struct plan_item *item = &h->items[h->plan.count++];
                bool copy = strchr("tdo", *text);
                uint32_t event = (uint32_t)h->plan.count;
                *item = (struct plan_item){.event = copy ? event - 1 : event,
                                           .order = copy ? event - 1 : event,
                                           .entity = 3 * (copy ? event - 1 : event) + kinds[i].universe,
                                           .variant = (uint8_t)kinds[i].variant,
                                           .source = kinds[i].source,
                                           .copy = copy};
            }
}

/* What is sent when everything is answered one at a time: requests apart by a blank. */
static void assert_requests(const char *text, uint32_t batch, const char *expected)
{
    struct hand h;
    hand(&h, text, batch, 1);
    struct platform *platform = platform_new(&h.plan);
    char found[100] = "";
    for (struct delivery d; take(platform, 0, &d); end_oldest(platform))
        snprintf(found + strlen(found), sizeof found - strlen(found), "%s%.*s", *found ? " " : "",
                 (int)d.count, text + d.first);
    assert_string_equal(found, expected);
    assert_true(platform_done(platform));
    platform_free(platform);
}

static void test_only_universe_b_shares_requests(void **state)
{
    (void)state;
    assert_requests("aaa\'\'\'bbb", 10, "a a a \' \' \' bbb");
    assert_requests("bbbbb", 2, "bb bb b");
    assert_requests("ba\'b", 10, "b a \' b");
    assert_requests("cbbsbb", 10, "c bb s bb");
}

static void test_a_copy_that_comes_together_is_in_the_request_of_its_original(void **state)
{
    (void)state;
    assert_requests("bbtb", 10, "bbtb");
    assert_requests("bbbt", 3, "bb bt"); /* rather two requests than a copy that comes apart */
    assert_requests("btbtbt", 3, "bt bt bt");
    assert_requests("bt", 1, "b t");
    assert_requests("bbtfb", 10, "bbt f b"); /* the forged one is alone in being forged */
    assert_requests("btdb", 10, "bt d b");
}

static void test_a_request_is_what_happens_to_all_of_it(void **state)
{
    (void)state;
    struct hand h;
    hand(&h, "bbtbfbbtrs", 4, 1);
    static const enum fault_variant expected[] = {VARIANT_DUPLICATE_TOGETHER, VARIANT_FORGE_RANDOM,
                                                  VARIANT_DUPLICATE_TOGETHER, VARIANT_RESTART_AGAIN,
                                                  VARIANT_NONE};
    struct platform *platform = platform_new(&h.plan);
    for (size_t i = 0; i < COUNT_OF(expected); i++) {
        assert_int_equal(next(platform, 0).variant, expected[i]);
        end_oldest(platform);
    }
    assert_true(platform_done(platform));
    platform_free(platform);
}

static void test_an_overlapping_copy_leaves_with_its_original_when_all_is_full(void **state)
{
    (void)state;
    struct hand h;
    hand(&h, "abob", 10, 2);
    struct platform *platform = platform_new(&h.plan);
    next(platform, 0);
    next(platform, 0);
    assert_int_equal(platform_due_us(platform, 5), 5);
    assert_int_equal(next(platform, 5).variant, VARIANT_OVERLAP_COPY);
    assert_nothing_due(platform, S);
    end_oldest(platform);
    assert_nothing_due(platform, S);
    end_oldest(platform);
    next(platform, S);
    platform_free(platform);
}

static void test_what_comes_again_waits_for_the_end_of_its_original(void **state)
{
    (void)state;
    struct hand h;
    hand(&h, "babd", 10, 10);
    struct platform *platform = platform_new(&h.plan);
    next(platform, 0);
    next(platform, 0);
    next(platform, 0);
    end_oldest(platform);
    end_oldest(platform);
    assert_nothing_due(platform, S);
    end_oldest(platform);
    assert_int_equal(next(platform, S).variant, VARIANT_DUPLICATE_APART);
    platform_free(platform);
}

static void test_where_states_are_judged_an_entity_has_one_event_in_flight(void **state)
{
    (void)state;
    struct hand h;
    hand(&h, "ba'b", 1, 10);
    h.items[3].entity = h.items[0].entity;
    struct platform *platform = platform_new(&h.plan);
    next(platform, 0);
    next(platform, 0);
    next(platform, 0);
    assert_nothing_due(platform, S);
    end_oldest(platform);
    assert_int_equal(next(platform, S).first, 3);
    platform_free(platform);
}

static void test_a_copy_does_not_overtake_its_event(void **state)
{
    (void)state;
    struct hand h;
    hand(&h, "ddd", 1, 10); /* copies of the events before them, of which the first is not there */
    h.plan.universes = 1;
    h.items[0].copy = 0;
    h.items[0].variant = VARIANT_NONE;
    h.items[1].event = h.items[0].event;
    struct platform *platform = platform_new(&h.plan);
    next(platform, 0);
    assert_nothing_due(platform, S);
    end_oldest(platform);
    next(platform, S);
    next(platform, S); /* of another event */
    platform_free(platform);
}

/* Snapshots and restarts: everything before them has ended, nothing after them has begun. */
static void assert_barrier(const char *text)
{
    struct hand h;
    hand(&h, text, 10, 10);
    struct platform *platform = platform_new(&h.plan);
    next(platform, 0);
    next(platform, 0);
    assert_nothing_due(platform, S);
    end_oldest(platform);
    assert_nothing_due(platform, S);
    end_oldest(platform);
    assert_int_equal(platform_due_us(platform, 2 * S), 2 * S);
    struct delivery barrier = next(platform, 2 * S);
    assert_int_equal(barrier.count, 1);
    assert_int_equal(barrier.first, 2);
    assert_nothing_due(platform, 3 * S);
    assert_false(platform_done(platform));
    end_oldest(platform);
    next(platform, 4 * S);
    next(platform, 4 * S);
    assert_int_equal(platform_in_flight(platform), 2);
    platform_free(platform);
}

static void test_nothing_is_in_flight_around_a_barrier(void **state)
{
    (void)state;
    assert_barrier("aasaa");
    assert_barrier("aaraa");
    assert_barrier("aasbo"); /* not even an overlapping copy */
    assert_barrier("aarda");
}

static void test_barriers_one_after_another_and_at_both_ends(void **state)
{
    (void)state;
    assert_requests("srrs", 10, "s r r s");
}

/* What we held back ourselves is no lateness of the connector. */
static void test_with_a_rate_what_a_barrier_held_back_counts_from_then(void **state)
{
    (void)state;
    struct hand h;
    hand(&h, "arbb", 1, 0);
    h.scenario.pace.rate = 1;
    for (size_t i = 0; i < h.plan.count; i++)
        h.items[i].at_us = i * S;
    struct platform *platform = platform_new(&h.plan);
    assert_int_equal(next(platform, 1).scheduled_us, 0);
    assert_nothing_due(platform, 4 * S / 3); /* the barrier is due at 1 s, and waits */
    end_oldest(platform);
    assert_int_equal(next(platform, 3 * S / 2).scheduled_us, 3 * S / 2);
    end_oldest(platform);
    assert_int_equal(next(platform, 5 * S / 2).scheduled_us, 5 * S / 2);
    assert_int_equal(platform_due_us(platform, 5 * S / 2), 3 * S);
    assert_int_equal(next(platform, 4 * S).scheduled_us, 3 * S);
    platform_free(platform);
}

/* ---- whatever the answers do ------------------------------------------------------------------------ */

/* A scenario drawn from a seed. */
static void draw_scenario(struct rng *r, char *text, size_t size)
{
    static const char *const rates[] = {"\"rate\":40", "\"rate\":\"top\"", "\"rate\":100,\"ramp\":\"1s\""};
    char concurrency[32];
    snprintf(concurrency, sizeof concurrency, "\"concurrency\":%u", (unsigned)rng_range(r, 1, 12));
    size_t rate = rng_below(r, COUNT_OF(rates) + 1);
    bool paced = rate < COUNT_OF(rates);
    snprintf(
        text, size,
        SCENARIO("\"stream\":[{\"check\":\"reachability\"},{\"event\":\"product.created\",\"entities\":%u},"
                 "{\"event\":\"product.updated\",\"times\":%u},{\"event\":\"product.removed\"}],"
                 "\"pace\":{%s,\"batch\":%u},\"faults\":[{\"duplicate\":{\"share\":0.3}},"
                 "{\"reorder\":{\"share\":0.2}},{\"drop\":{\"share\":0.1}},{\"delay\":{\"share\":0.1}},"
                 "{\"forge\":{\"share\":0.2}}%s]"),
        (unsigned)rng_range(r, 1, 30), (unsigned)rng_range(r, 1, 4), paced ? rates[rate] : concurrency,
        (unsigned)rng_range(r, 1, 10), paced ? ",{\"burst\":{\"share\":0.3,\"window\":9}}" : "");
}

/* Send and answer in a random order over virtual time; count how often each item is sent. */
static void play(const struct plan *plan, struct rng *r, unsigned char *sent)
{
    struct platform *platform = platform_new(plan);
    const struct pace *pace = &plan->scenario->pace;
    bool paced = pace->rate > 0 || pace->rate_top;
    uint32_t limit = paced ? IN_FLIGHT_MAX : pace->concurrency, open = 0, deliveries = 0;
    uint64_t now_us = 0;
    while (!platform_done(platform)) {
        struct delivery d;
        uint64_t due_us = platform_due_us(platform, now_us);
        assert_true(due_us >= now_us);
        assert_true(due_us != UINT64_MAX || open > 0); /* else it would wait for ever */
        bool answer = open && (due_us == UINT64_MAX || rng_below(r, 3) == 0);
        if (answer) {
            end_oldest(platform);
            open--;
            now_us += rng_below(r, 5000);
            continue;
        }
        if (due_us > now_us)
            assert_nothing_due(platform, due_us - 1);
        now_us = due_us + (paced ? rng_below(r, 1000) : 0);
        d = next(platform, now_us);
        assert_int_equal(d.id, ++deliveries);
        assert_in_range(d.count, 1, plan->batch);
        assert_true(d.scheduled_us <= now_us);
        assert_true(plan->items[d.first].at_us <= now_us);
        for (size_t i = 0; i < d.count; i++)
            sent[d.first + i]++;
        assert_int_equal(platform_in_flight(platform), ++open);
        assert_true(open <= limit);
    }
    assert_int_equal(open, 0);
    platform_free(platform);
}

static void test_every_planned_event_is_sent_exactly_once(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 200; seed++) {
        char text[2048];
        struct rng r;
        rng_init(&r, seed, "platform");
        draw_scenario(&r, text, sizeof text);
        struct planning p = planning_of(text, (enum platform_id)(seed % PLATFORM_COUNT), seed);
        unsigned char *sent = mem_alloc(p.plan->count);
        play(p.plan, &r, sent);
        for (size_t i = 0; i < p.plan->count; i++)
            if (sent[i] != 1)
                fail_msg("seed %u: item %zu was sent %u times", (unsigned)seed, i, sent[i]);
        free(sent);
        planning_reset(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests_are_filled_up_to_the_batch),
        cmocka_unit_test(test_aep_sends_events_one_by_one),
        cmocka_unit_test(test_reachability_checks_travel_alone),
        cmocka_unit_test(test_events_of_different_moments_travel_apart),
        cmocka_unit_test(test_requests_never_mix_variants),
        cmocka_unit_test(test_deliveries_are_numbered_in_the_order_of_sending),
        cmocka_unit_test(test_without_a_rate_an_answer_makes_room_for_the_next),
        cmocka_unit_test(test_without_a_rate_a_late_event_still_waits_for_its_moment),
        cmocka_unit_test(test_with_a_rate_moments_are_the_plans),
        cmocka_unit_test(test_with_a_rate_only_our_own_limit_holds_requests_back),
        cmocka_unit_test(test_platform_is_done_when_all_is_sent_and_answered),
        cmocka_unit_test(test_a_plan_without_events_is_done_at_once),
        cmocka_unit_test(test_only_universe_b_shares_requests),
        cmocka_unit_test(test_a_copy_that_comes_together_is_in_the_request_of_its_original),
        cmocka_unit_test(test_a_request_is_what_happens_to_all_of_it),
        cmocka_unit_test(test_an_overlapping_copy_leaves_with_its_original_when_all_is_full),
        cmocka_unit_test(test_what_comes_again_waits_for_the_end_of_its_original),
        cmocka_unit_test(test_where_states_are_judged_an_entity_has_one_event_in_flight),
        cmocka_unit_test(test_a_copy_does_not_overtake_its_event),
        cmocka_unit_test(test_nothing_is_in_flight_around_a_barrier),
        cmocka_unit_test(test_barriers_one_after_another_and_at_both_ends),
        cmocka_unit_test(test_with_a_rate_what_a_barrier_held_back_counts_from_then),
        cmocka_unit_test(test_every_planned_event_is_sent_exactly_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
