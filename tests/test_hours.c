/* Tests of platform.c over hours: a connector that is a function, a clock that jumps; what is sent when, and
 * what becomes of every event. The tables are worked out by hand from the platforms' documents. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "platform.h"
#include "rng.h"

#define S     UINT64_C(1000000)
#define M     (60 * S)
#define H     (60 * M)
#define NEVER UINT64_MAX

/* ---- a world: a plan made by hand, a connector, and a log ------------------------------------------------
 */

/* What a connector does: an answer's status, 0 for none, after a while. */
struct reply {
    unsigned status;
    uint64_t after_us;
};
typedef struct reply connector_fn(void *arg, const struct delivery *d, uint64_t now_us);

enum fate { PENDING, ACKNOWLEDGED, DROPPED, DISCARDED, WITHHELD, LOST };

struct open {
    struct delivery delivery;
    uint64_t ends_us;
    unsigned status;
};

struct world {
    struct scenario scenario;
    struct plan plan;
    struct plan_source sources[2]; /* others' events, and the connector's own */
    struct flow flow;
    struct platform *platform;
    connector_fn *connector;
    void *arg;
    uint64_t now_us;
    unsigned char *fates; /* of each item */
    struct open open[1100];
    size_t open_count;
    char *log; /* one line a thing that happened */
    size_t log_len;
    bool logged;
    void (*look)(struct world *w, const struct delivery *d);
};

#define LOG_MAX (1u << 20)

/* 3723 s: "1:02:03"; what is not a whole second, with its microseconds. */
static void put_time(struct world *w, uint64_t us)
{
    unsigned s = (unsigned)(us / S);
    w->log_len += (size_t)snprintf(w->log + w->log_len, LOG_MAX - w->log_len, "%u:%02u:%02u", s / 3600,
                                   s / 60 % 60, s % 60);
    if (us % S)
        w->log_len +=
            (size_t)snprintf(w->log + w->log_len, LOG_MAX - w->log_len, ".%06u", (unsigned)(us % S));
}

__attribute__((format(printf, 3, 4))) static void note(struct world *w, uint64_t at_us, const char *format,
                                                       ...)
{
    if (!w->logged)
        return;
    va_list args;
    va_start(args, format);
    put_time(w, at_us);
    w->log[w->log_len++] = ' ';
    w->log_len += (size_t)vsnprintf(w->log + w->log_len, LOG_MAX - w->log_len, format, args);
    w->log[w->log_len++] = '\n';
    w->log[w->log_len] = '\0';
    va_end(args);
    assert_true(w->log_len < LOG_MAX - 200);
}

static void end_in(struct world *w, size_t first, size_t count, enum fate fate)
{
    for (size_t i = first; i < first + count; i++) {
        if (w->fates[i] != PENDING)
            fail_msg("event %zu ends twice, as %d and as %d", i, w->fates[i], (int)fate);
        w->fates[i] = (unsigned char)fate;
    }
}

static void on_notice(void *arg, const struct notice *n)
{
    struct world *w = arg;
    static const char *const words[] = {"retry",  "dropped", "discarded", "withheld", "lost",
                                        "paused", "rate",    "suspended", "resumed"};
    static const char *const causes[] = {[SUSPENSION_NOT_FOUND] = "404",
                                         [SUSPENSION_REDIRECT] = "redirect",
                                         [SUSPENSION_SUCCESS_RATE] = "success rate"};
    static const enum fate fates[] = {[NOTICE_DROPPED] = DROPPED,
                                      [NOTICE_DISCARDED] = DISCARDED,
                                      [NOTICE_WITHHELD] = WITHHELD,
                                      [NOTICE_LOST] = LOST};
    if (n->kind >= NOTICE_DROPPED && n->kind <= NOTICE_LOST)
        end_in(w, n->first, n->count, fates[n->kind]);
    if (n->kind == NOTICE_SUSPENDED)
        note(w, n->at_us, "suspended: %s", causes[n->cause]);
    else if (n->kind == NOTICE_RESUMED || n->kind == NOTICE_PAUSED)
        note(w, n->at_us, "%s", words[n->kind]);
    else if (n->kind != NOTICE_RATE)
        note(w, n->at_us, "%s %zu+%zu", words[n->kind], n->first, n->count);
}

/* A world of `count` events at moment 0, nothing logged. */
static struct world *world_new(const struct profile *profile, size_t count, connector_fn *connector,
                               void *arg)
{
    struct world *w = mem_alloc(sizeof *w);
    w->scenario.pace = (struct pace){.concurrency = 10, .batch = 1};
    w->sources[1].own = true;
    w->plan = (struct plan){.scenario = &w->scenario,
                            .profile = profile,
                            .batch = 1,
                            .universes = 1,
                            .sources = w->sources,
                            .source_count = 2,
                            .count = count};
    w->plan.items = mem_alloc((count ? count : 1) * sizeof *w->plan.items);
    w->fates = mem_alloc(count ? count : 1);
    for (size_t i = 0; i < count; i++)
        w->plan.items[i].order = w->plan.items[i].event = (uint32_t)i;
    w->flow = profile->flow;
    w->connector = connector;
    w->arg = arg;
    w->log = mem_alloc(LOG_MAX);
    w->logged = true;
    return w;
}

static void spread(struct world *w, uint64_t every_us)
{
    w->scenario.pace.rate = 1;
    for (size_t i = 0; i < w->plan.count; i++)
        w->plan.items[i].at_us = w->plan.items[i].changed_us = i * every_us;
}

static void world_free(struct world *w)
{
    platform_free(w->platform);
    free(w->plan.items);
    free(w->fates);
    free(w->log);
    free(w);
}

/* The books balance: every event has one fate, and the tally knows it. */
static struct tally audit(const struct world *w)
{
    size_t counts[LOST + 1] = {0};
    for (size_t i = 0; i < w->plan.count; i++)
        if (w->plan.items[i].source < 2)
            counts[w->fates[i]]++;
    struct tally t = platform_tally(w->platform);
    assert_int_equal(t.acknowledged, counts[ACKNOWLEDGED]);
    assert_int_equal(t.dropped, counts[DROPPED]);
    assert_int_equal(t.discarded, counts[DISCARDED]);
    assert_int_equal(t.withheld, counts[WITHHELD]);
    assert_int_equal(t.lost, counts[LOST]);
    assert_int_equal(t.pending, counts[PENDING]);
    return t;
}

static void send(struct world *w, const struct delivery *d)
{
    struct reply reply = w->connector(w->arg, d, w->now_us);
    if (w->plan.items[d->first].source > 1)
        note(w, w->now_us, "%s", w->plan.items[d->first].source == PLAN_SNAPSHOT ? "snapshot" : "check");
    else
        note(w, w->now_us, "send %zu+%zu #%u", d->first, d->count, d->attempt);
    if (w->look)
        w->look(w, d);
    assert_true(w->open_count < COUNT_OF(w->open));
    w->open[w->open_count++] = (struct open){*d, w->now_us + reply.after_us, reply.status};
}

static void answer(struct world *w, size_t at)
{
    struct open open = w->open[at];
    w->open[at] = w->open[--w->open_count];
    if (open.status >= 200 && open.status < 300 && w->plan.items[open.delivery.first].source < 2)
        end_in(w, open.delivery.first, open.delivery.count, ACKNOWLEDGED);
    platform_answered(w->platform, &open.delivery, open.status ? OUTCOME_ANSWERED : OUTCOME_TIMEOUT,
                      open.status, w->now_us);
    platform_ended(w->platform, &open.delivery);
}

/* The request that ends first; of several, the one that was sent first. */
static size_t first_to_end(const struct world *w)
{
    size_t first = 0;
    for (size_t i = 1; i < w->open_count; i++)
        if (w->open[i].ends_us < w->open[first].ends_us ||
            (w->open[i].ends_us == w->open[first].ends_us &&
             w->open[i].delivery.id < w->open[first].delivery.id))
            first = i;
    return first;
}

static void begin(struct world *w)
{
    w->platform = platform_new(&w->plan);
    platform_regulate(w->platform, &w->flow, on_notice, w);
}

/* One thing happens: a request is sent or ends, or time passes. False: nothing will by until_us. */
static bool step(struct world *w, uint64_t until_us)
{
    uint64_t due_us = platform_due_us(w->platform, w->now_us);
    size_t at = first_to_end(w);
    assert_true(due_us >= w->now_us);
    if (w->open_count && w->open[at].ends_us <= due_us) {
        if (w->open[at].ends_us > until_us)
            return false;
        w->now_us = w->open[at].ends_us > w->now_us ? w->open[at].ends_us : w->now_us;
        answer(w, at);
        return true;
    }
    assert_true(due_us != NEVER || platform_done(w->platform)); /* else it would wait for ever */
    if (due_us > until_us)
        return false;
    struct delivery d;
    w->now_us = due_us;
    if (platform_next(w->platform, w->now_us, &d))
        send(w, &d);
    else
        assert_true(platform_due_us(w->platform, w->now_us) > w->now_us);
    return true;
}

static struct tally play(struct world *w, uint64_t until_us)
{
    if (!w->platform)
        begin(w);
    while (!platform_done(w->platform) && step(w, until_us))
        continue;
    return audit(w);
}

static void assert_log(struct world *w, const char *expected)
{
    assert_string_equal(w->log, expected);
}

/* ---- connectors
 * -------------------------------------------------------------------------------------------- */

/* Always the same status, after 0 µs. */
static struct reply always(void *arg, const struct delivery *d, uint64_t now_us)
{
    (void)d, (void)now_us;
    return (struct reply){*(unsigned *)arg, 0};
}

/* A script: from a moment on, a status; the last row that applies. */
struct row {
    uint64_t from_us;
    unsigned status;
    uint64_t after_us;
};
static struct reply scripted(void *arg, const struct delivery *d, uint64_t now_us)
{
    (void)d;
    const struct row *row = arg;
    while (row[1].status != 1 && row[1].from_us <= now_us)
        row++;
    return (struct reply){row->status, row->after_us};
}
#define SCRIPT(...) ((struct row[]){__VA_ARGS__, {0, 1, 0}})

/* Each event's own status. */
static struct reply by_event(void *arg, const struct delivery *d, uint64_t now_us)
{
    (void)now_us;
    return (struct reply){((const unsigned *)arg)[d->first], 0};
}

static unsigned ok = 200, error = 500, busy = 429, silent = 0;

/* ---- AEP: retries
 * ------------------------------------------------------------------------------------------- */

static void test_a_failing_event_is_retried_after_5_10_and_20_minutes_and_dropped(void **state)
{
    (void)state;
    unsigned *const failures[] = {&error, &silent};
    for (size_t i = 0; i < COUNT_OF(failures); i++) {
        struct world *w = world_new(&profile_aep, 1, always, failures[i]);
        struct tally t = play(w, NEVER - 1);
        assert_log(w, "0:00:00 send 0+1 #1\n0:00:00 retry 0+1\n"
                      "0:05:00 send 0+1 #2\n0:05:00 retry 0+1\n"
                      "0:15:00 send 0+1 #3\n0:15:00 retry 0+1\n"
                      "0:35:00 send 0+1 #4\n0:35:00 dropped 0+1\n");
        assert_int_equal(t.retries, 3);
        assert_int_equal(t.requests, 4);
        world_free(w);
    }
}

static void test_a_retry_counts_from_the_end_of_the_attempt_before(void **state)
{
    (void)state;
    struct world *w =
        world_new(&profile_aep, 1, scripted, SCRIPT({0, 0, 3 * S}, {5 * M, 500, 2 * S}, {6 * M, 200, S}));
    play(w, NEVER - 1);
    assert_log(w, "0:00:00 send 0+1 #1\n0:00:03 retry 0+1\n"
                  "0:05:03 send 0+1 #2\n0:05:05 retry 0+1\n"
                  "0:15:05 send 0+1 #3\n");
    assert_int_equal(w->now_us, 15 * M + 6 * S);
    world_free(w);
}

static void test_a_connector_may_come_back_at_the_last_retry(void **state)
{
    (void)state;
    struct world *w = world_new(&profile_aep, 2, scripted, SCRIPT({0, 0, 0}, {35 * M, 204, 0}));
    struct tally t = play(w, NEVER - 1);
    assert_int_equal(t.acknowledged, 2);
    assert_int_equal(t.retries, 6);
    assert_int_equal(t.dropped, 0);
    world_free(w);
    w = world_new(&profile_aep, 2, scripted, SCRIPT({0, 0, 0}, {35 * M + 1, 204, 0}));
    t = play(w, NEVER - 1); /* the second is a second behind the first */
    assert_int_equal(t.acknowledged, 1);
    assert_int_equal(t.dropped, 1);
    world_free(w);
    /* With three there are ten answers, and nine of them were failures. */
    w = world_new(&profile_aep, 3, scripted, SCRIPT({0, 0, 0}, {35 * M, 204, 0}));
    t = play(w, NEVER - 1);
    assert_int_equal(t.acknowledged, 1);
    assert_int_equal(t.lost, 2);
    assert_int_equal(t.worst_ppm, 100000);
    world_free(w);
}

static void test_what_is_refused_for_good_is_not_retried(void **state)
{
    (void)state;
    static const unsigned statuses[] = {400, 401, 403, 405, 410, 422};
    for (size_t i = 0; i < COUNT_OF(statuses); i++) {
        unsigned status = statuses[i];
        struct world *w = world_new(&profile_aep, 1, always, &status);
        play(w, NEVER - 1);
        assert_log(w, "0:00:00 send 0+1 #1\n0:00:00 dropped 0+1\n");
        world_free(w);
    }
}

static void test_retries_and_the_rest_go_in_the_order_in_which_they_are_due(void **state)
{
    (void)state;
    struct world *w = world_new(&profile_aep, 4, scripted, SCRIPT({0, 503, 0}, {S, 200, 0}));
    spread(w, 0);
    w->plan.items[1].at_us = 5 * M - 1;
    w->plan.items[2].at_us = 5 * M;
    w->plan.items[3].at_us = 5 * M + 1;
    w->flow.rate_max = 0;
    play(w, NEVER - 1);
    assert_log(w, "0:00:00 send 0+1 #1\n0:00:00 retry 0+1\n0:04:59.999999 send 1+1 #1\n"
                  "0:05:00 send 2+1 #1\n0:05:00 send 0+1 #2\n0:05:00.000001 send 3+1 #1\n");
    world_free(w);
}

/* ---- AEP: suspension
 * ------------------------------------------------------------------------------------------ */

static void test_a_404_or_a_redirect_suspends_at_once(void **state)
{
    (void)state;
    static const struct {
        unsigned status;
        const char *log;
    } table[] = {
        {404, "0:00:01 suspended: 404\n"},      {301, "0:00:01 suspended: redirect\n"},
        {302, "0:00:01 suspended: redirect\n"}, {304, "0:00:01 suspended: redirect\n"},
        {307, "0:00:01 suspended: redirect\n"},
    };
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        struct world *w =
            world_new(&profile_aep, 5, by_event, (unsigned[]){500, table[i].status, 200, 200, 200});
        spread(w, S);
        struct tally t = play(w, NEVER - 1);
        char expected[500];
        snprintf(expected, sizeof expected,
                 "0:00:00 send 0+1 #1\n0:00:00 retry 0+1\n0:00:01 send 1+1 #1\n%s0:00:01 lost 0+1\n"
                 "0:00:01 dropped 1+1\n0:00:02 lost 2+1\n0:00:03 lost 3+1\n0:00:04 lost 4+1\n",
                 table[i].log);
        assert_log(w, expected);
        assert_int_equal(t.lost, 4);
        assert_int_equal(t.suspensions, 1);
        world_free(w);
    }
}

/* Nine of ten is 90 %, and not under it; nine of eleven is. */
static void test_under_90_percent_of_the_answers_suspend(void **state)
{
    (void)state;
    unsigned statuses[20];
    for (size_t i = 0; i < COUNT_OF(statuses); i++)
        statuses[i] = i == 4 || i == 10 ? 400 : 200;
    struct world *w = world_new(&profile_aep, 12, by_event, statuses);
    spread(w, S);
    struct tally t = play(w, 9 * S);
    assert_int_equal(t.suspended, SUSPENSION_NONE);
    assert_int_equal(t.worst_ppm, 900000);
    assert_int_equal(t.worst_us, 9 * S);
    t = play(w, NEVER - 1);
    assert_int_equal(t.suspended, SUSPENSION_SUCCESS_RATE);
    assert_int_equal(t.worst_ppm, 9 * 1000000 / 11);
    assert_int_equal(t.acknowledged, 9);
    assert_int_equal(t.dropped, 2);
    assert_int_equal(t.lost, 1);
    world_free(w);
}

static void test_of_fewer_than_ten_answers_nothing_is_concluded(void **state)
{
    (void)state;
    struct world *w = world_new(&profile_aep, 9, always, (unsigned[]){400});
    struct tally t = play(w, NEVER - 1);
    assert_int_equal(t.suspensions, 0);
    assert_int_equal(t.dropped, 9);
    assert_int_equal(t.worst_ppm, 1000000);
    world_free(w);
}

/* An event a minute: after an hour, one failure of sixty; failures older than that are forgotten. */
static void test_the_hour_rolls(void **state)
{
    (void)state;
    unsigned statuses[200];
    for (size_t i = 0; i < COUNT_OF(statuses); i++)
        statuses[i] = (i >= 60 && i < 66) || (i >= 120 && i < 126) ? 400 : 200;
    struct world *w = world_new(&profile_aep, 200, by_event, statuses);
    spread(w, M);
    struct tally t = play(w, NEVER - 1);
    assert_int_equal(t.suspensions, 0); /* 6 of 60 are 10 %, and the second six push out the first */
    assert_int_equal(t.worst_ppm, 900000);
    assert_int_equal(t.worst_us, 65 * M);
    world_free(w);
    statuses[66] = 400;
    w = world_new(&profile_aep, 200, by_event, statuses);
    spread(w, M);
    t = play(w, NEVER - 1);
    assert_int_equal(t.suspended, SUSPENSION_SUCCESS_RATE);
    assert_int_equal(t.worst_us, 66 * M);
    assert_int_equal(t.acknowledged, 60);
    assert_int_equal(t.lost, 200 - 67);
    world_free(w);
}

static void test_a_connector_that_alternates_200_and_500_is_suspended(void **state)
{
    (void)state;
    unsigned statuses[30];
    for (size_t i = 0; i < COUNT_OF(statuses); i++)
        statuses[i] = i % 2 ? 500 : 200;
    struct world *w = world_new(&profile_aep, 30, by_event, statuses);
    spread(w, 10 * S);
    struct tally t = play(w, NEVER - 1);
    assert_int_equal(t.suspended, SUSPENSION_SUCCESS_RATE);
    assert_int_equal(t.worst_us, 90 * S); /* at the tenth answer */
    assert_int_equal(t.worst_ppm, 500000);
    assert_int_equal(t.acknowledged, 5);
    assert_int_equal(t.lost, 25); /* four were waiting for their retries, one had just failed */
    world_free(w);
}

static void test_a_connector_that_is_down_at_the_start_may_come_up(void **state)
{
    (void)state;
    struct world *w = world_new(&profile_aep, 200, scripted, SCRIPT({0, 0, 3 * S}, {8 * M, 200, 0}));
    spread(w, M); /* eight failures, and retries of three */
    struct tally t = play(w, NEVER - 1);
    assert_int_equal(t.suspended, SUSPENSION_SUCCESS_RATE); /* 0:00 … 0:07, then 0:05:03 … again */
    world_free(w);
    w = world_new(&profile_aep, 200, scripted, SCRIPT({0, 0, 3 * S}, {8 * M, 200, 0}));
    spread(w,
           10 * M); /* the first at 0:00, again at 0:05:03, and well at 0:15:06: too few to conclude from */
    t = play(w, NEVER - 1);
    assert_int_equal(t.acknowledged, 200);
    assert_int_equal(t.suspensions, 0);
    assert_int_equal(t.retries, 2);
    world_free(w);
}

static void test_what_is_in_flight_when_it_is_suspended_may_still_arrive(void **state)
{
    (void)state;
    struct world *w = world_new(&profile_aep, 4, always, &ok);
    spread(w, 0);
    w->flow.rate_max = 0;
    w->flow.success_min = w->flow.success_answers = 1;
    begin(w);
    struct delivery d[4];
    for (size_t i = 0; i < 4; i++)
        assert_true(platform_next(w->platform, i, &d[i]));
    end_in(w, 0, 1, ACKNOWLEDGED);
    platform_answered(w->platform, &d[0], OUTCOME_ANSWERED, 200, 9);
    platform_answered(w->platform, &d[1], OUTCOME_ANSWERED, 404, 10);
    platform_answered(w->platform, &d[2], OUTCOME_TIMEOUT, 0, 12); /* no retry: it is lost */
    platform_answered(w->platform, &d[3], OUTCOME_ANSWERED, 404, 13);
    for (size_t i = 0; i < 4; i++)
        platform_ended(w->platform, &d[i]);
    struct tally t = audit(w);
    assert_true(platform_done(w->platform));
    assert_int_equal(t.acknowledged, 1);
    assert_int_equal(t.dropped, 2);
    assert_int_equal(t.lost, 1);
    assert_int_equal(t.suspensions, 1);
    assert_int_equal(t.worst_ppm, 500000); /* what comes after the suspension speaks against nobody */
    world_free(w);
}

static void test_events_before_the_resumption_are_lost_and_those_after_it_are_not(void **state)
{
    (void)state;
    struct world *w = world_new(&profile_aep, 6, by_event, (unsigned[]){404, 0, 0, 200, 200, 200});
    spread(w, 5 * M);
    w->flow.resume_us = 12 * M;
    play(w, 12 * M); /* it is not noticed only when the next event comes */
    assert_log(w, "0:00:00 send 0+1 #1\n0:00:00 suspended: 404\n0:00:00 dropped 0+1\n"
                  "0:05:00 lost 1+1\n0:10:00 lost 2+1\n0:12:00 resumed\n");
    play(w, NEVER - 1);
    assert_int_equal(audit(w).acknowledged, 3);
    world_free(w);
    w = world_new(&profile_aep, 6, by_event, (unsigned[]){404, 0, 0, 200, 200, 200});
    spread(w, 5 * M);
    w->flow.resume_us = 15 * M; /* at the very moment of an event */
    struct tally t = play(w, NEVER - 1);
    assert_int_equal(t.lost, 2);
    assert_int_equal(t.acknowledged, 3);
    world_free(w);
}

static void test_a_resumed_subscription_starts_afresh(void **state)
{
    (void)state;
    struct world *w = world_new(&profile_aep, 40, scripted, SCRIPT({0, 400, 0}, {10 * M, 200, 0}));
    spread(w, M);
    w->flow.resume_us = 2 * M; /* suspended at 0:09 by the tenth failure */
    struct tally t = play(w, NEVER - 1);
    assert_int_equal(t.suspensions, 1);
    assert_int_equal(t.dropped, 10);
    assert_int_equal(t.lost, 1);          /* 0:10 */
    assert_int_equal(t.acknowledged, 29); /* though 29 good answers to 10 bad ones are under 90 % */
    world_free(w);
    w = world_new(&profile_aep, 5, by_event, (unsigned[]){200, 200, 200, 404, 200});
    w->plan.items[4].at_us = 10 * M;
    w->flow.resume_us = 5 * M;
    assert_true(play(w, M).rate > 2 * FLOW_PER_SECOND);
    assert_int_equal(play(w, 6 * M).rate, FLOW_PER_SECOND);
    world_free(w);
}

static void test_checks_are_made_while_the_subscription_is_suspended(void **state)
{
    (void)state;
    struct world *w = world_new(&profile_aep, 5, always, (unsigned[]){404});
    spread(w, M);
    w->plan.items[2].source = PLAN_REACHABILITY;
    w->flow.resume_us = 10 * M;
    struct tally t = play(w, NEVER - 1);
    assert_log(w, "0:00:00 send 0+1 #1\n0:00:00 suspended: 404\n0:00:00 dropped 0+1\n"
                  "0:01:00 lost 1+1\n0:02:00 check\n0:03:00 lost 3+1\n0:04:00 lost 4+1\n");
    assert_int_equal(t.lost, 3);
    world_free(w);
}

/* ---- AEP: throughput
 * ------------------------------------------------------------------------------------------- */

static void test_a_backlog_leaves_at_the_rate_that_grows_with_its_answers(void **state)
{
    (void)state;
    struct world *w = world_new(&profile_aep, 5, always, &ok);
    struct tally t = play(w, NEVER - 1);
    /* 1/s until the first answer, which comes at once: 2, 2.5, 2.9, 3.244827 a second */
    assert_log(w, "0:00:00 send 0+1 #1\n0:00:01 send 1+1 #1\n0:00:01.500000 send 2+1 #1\n"
                  "0:00:01.900000 send 3+1 #1\n0:00:02.244828 send 4+1 #1\n");
    assert_int_equal(t.rate, 3553009);
    world_free(w);
}

/* For an hour it is throttled; then each 429 is a failure, with its retries. */
static void test_429_for_ever_ends_after_an_hour_and_three_retries(void **state)
{
    (void)state;
    struct world *w = world_new(&profile_aep, 1, always, &busy);
    struct tally t = play(w, H);
    assert_int_equal(t.requests, 3601); /* one a second, the hour's last moment included */
    assert_int_equal(t.throttled, 3601);
    assert_int_equal(t.rate, FLOW_PER_SECOND);
    assert_int_equal(t.pending, 1);
    w->log_len = 0;
    t = play(w, NEVER - 1);
    assert_log(w, "1:00:01 send 0+1 #3602\n1:00:01 retry 0+1\n1:05:01 send 0+1 #3603\n1:05:01 retry 0+1\n"
                  "1:15:01 send 0+1 #3604\n1:15:01 retry 0+1\n1:35:01 send 0+1 #3605\n1:35:01 dropped 0+1\n");
    assert_int_equal(t.throttled, 3601);
    world_free(w);
}

/* Many events: none is a failure in the first hour; then they are, and the subscription is suspended. */
static void test_429_for_ever_suspends_after_an_hour(void **state)
{
    (void)state;
    struct world *w = world_new(&profile_aep, 40, always, &busy);
    w->logged = false;
    struct tally t = play(w, H);
    assert_int_equal(t.suspended, SUSPENSION_NONE);
    assert_int_equal(t.pending, 40);
    t = play(w, NEVER - 1);
    assert_int_equal(t.suspended, SUSPENSION_SUCCESS_RATE);
    assert_int_equal(t.worst_us, H + 10 * S);
    assert_int_equal(t.lost, 40);
    world_free(w);
}

static void test_a_throttled_event_takes_its_turn_behind_those_that_wait(void **state)
{
    (void)state;
    struct world *w = world_new(&profile_aep, 3, scripted, SCRIPT({0, 429, 0}, {1, 200, 0}));
    struct tally t = play(w, NEVER - 1);
    assert_log(w, "0:00:00 send 0+1 #1\n0:00:01 send 1+1 #1\n0:00:02 send 2+1 #1\n"
                  "0:00:02.500000 send 0+1 #2\n");
    assert_int_equal(t.throttled, 1);
    assert_int_equal(t.retries, 0);
    assert_int_equal(t.acknowledged, 3);
    world_free(w);
}

/* ---- Events API
 * --------------------------------------------------------------------------------------------------- */

static void test_the_events_api_never_retries(void **state)
{
    (void)state;
    static const unsigned statuses[] = {500, 0, 429, 404, 301, 400};
    for (size_t i = 0; i < COUNT_OF(statuses); i++) {
        unsigned status = statuses[i];
        struct world *w = world_new(&profile_events_api, 25, always, &status);
        w->plan.batch = 10;
        struct tally t = play(w, NEVER - 1);
        assert_log(w, "0:00:00 send 0+10 #1\n0:00:00 dropped 0+10\n0:00:00 send 10+10 #1\n"
                      "0:00:00 dropped 10+10\n0:00:00 send 20+5 #1\n0:00:00 dropped 20+5\n");
        assert_int_equal(t.dropped, 25);
        assert_int_equal(t.suspensions, 0);
        world_free(w);
    }
}

static void test_the_quota_pauses_until_the_sliding_hour_has_room(void **state)
{
    (void)state;
    struct world *w = world_new(&profile_events_api, 5, always, &ok);
    spread(w, 10 * M);
    w->flow.quota = 3;
    play(w, NEVER - 1);
    assert_log(w, "0:00:00 send 0+1 #1\n0:10:00 send 1+1 #1\n0:20:00 paused\n0:20:00 send 2+1 #1\n"
                  "1:00:00 paused\n1:00:00 send 3+1 #1\n1:10:00 send 4+1 #1\n");
    world_free(w);
    w = world_new(&profile_events_api, 5, always, &ok); /* nobody waits: no pause */
    spread(w, 20 * M);
    w->flow.quota = 3;
    play(w, NEVER - 1);
    assert_null(strstr(w->log, "paused"));
    world_free(w);
}

static void test_4000_requests_leave_in_an_hour_with_10_events_each(void **state)
{
    (void)state;
    struct world *w = world_new(&profile_events_api, 80010, always, &ok);
    w->logged = false;
    w->plan.batch = 10;
    assert_int_equal(play(w, H - 1).acknowledged, 40000);
    assert_int_equal(play(w, 2 * H - 1).acknowledged, 80000);
    struct tally t = play(w, NEVER - 1);
    assert_int_equal(t.acknowledged, 80010); /* at two hours they are just not too old */
    assert_int_equal(t.requests, 8001);
    assert_int_equal(w->now_us, 2 * H);
    world_free(w);
}

static void test_events_older_than_two_hours_at_their_turn_are_discarded(void **state)
{
    (void)state;
    struct world *w = world_new(&profile_events_api, 5, always, &ok);
    w->flow.quota = 1;
    struct tally t = play(w, NEVER - 1);
    assert_log(w, "0:00:00 paused\n0:00:00 send 0+1 #1\n1:00:00 paused\n1:00:00 send 1+1 #1\n"
                  "2:00:00 paused\n2:00:00 send 2+1 #1\n3:00:00 discarded 3+1\n3:00:00 discarded 4+1\n");
    assert_int_equal(t.discarded, 2);
    world_free(w);
}

/* Late at the sender is late, too. */
static void test_the_age_counts_from_the_change(void **state)
{
    (void)state;
    struct world *w = world_new(&profile_events_api, 2, always, &ok);
    spread(w, 0);
    w->plan.items[0].at_us = 2 * H;
    w->plan.items[1].at_us = 2 * H + 1;
    play(w, NEVER - 1);
    assert_log(w, "2:00:00 send 0+1 #1\n2:00:00.000001 discarded 1+1\n");
    world_free(w);
}

/* No platform both retries and discards; a scenario may. */
static void test_a_request_made_again_is_as_old_as_its_oldest_event(void **state)
{
    (void)state;
    struct world *w = world_new(&profile_events_api, 2, always, &error);
    w->plan.batch = 2;
    w->flow.retry_us[0] = H;
    w->flow.retry_us[1] = 1;
    spread(w, 0);
    w->plan.items[0].at_us = w->plan.items[1].at_us = w->plan.items[0].changed_us = H;
    play(w, NEVER - 1);
    assert_log(w, "1:00:00 send 0+2 #1\n1:00:00 retry 0+2\n2:00:00 send 0+2 #2\n2:00:00 retry 0+2\n"
                  "2:00:00.000001 discarded 0+2\n");
    world_free(w);
}

static void test_own_events_are_withheld_by_the_events_api_and_sent_by_aep(void **state)
{
    (void)state;
    struct world *w = world_new(&profile_events_api, 4, always, &ok);
    w->plan.batch = 10;
    w->plan.items[1].source = 1;
    struct tally t = play(w, NEVER - 1);
    assert_log(w, "0:00:00 send 0+1 #1\n0:00:00 withheld 1+1\n0:00:00 send 2+2 #1\n");
    assert_int_equal(t.withheld, 1);
    world_free(w);
    w = world_new(&profile_aep, 4, always, &ok);
    w->plan.items[1].source = 1;
    assert_int_equal(play(w, NEVER - 1).acknowledged, 4);
    world_free(w);
}

/* ---- what is not the platform's
 * ------------------------------------------------------------------------------------- */

/* A forged request that is refused is none of the platform's failures. */
static void test_what_the_scenario_spoils_is_not_held_against_the_connector(void **state)
{
    (void)state;
    struct world *w = world_new(&profile_aep, 30, by_event, NULL);
    unsigned statuses[30];
    w->arg = statuses;
    for (size_t i = 0; i < 30; i++) {
        bool forged = i % 2;
        statuses[i] = forged ? (unsigned[]){401, 404, 500}[i % 3] : 200;
        w->plan.items[i].variant = forged ? VARIANT_FORGE_RANDOM : VARIANT_NONE;
    }
    struct tally t = play(w, NEVER - 1);
    assert_int_equal(t.acknowledged, 15);
    assert_int_equal(t.dropped, 15);
    assert_int_equal(t.suspensions + t.retries, 0);
    world_free(w);
}

/* A line that was bad once need not be bad again. */
static void test_a_retry_is_spoiled_in_its_message_only(void **state)
{
    (void)state;
    static const struct {
        enum fault_variant planned, again;
    } table[] = {{VARIANT_SLOW_BODY_TRICKLE, VARIANT_NONE},
                 {VARIANT_RESTART_AGAIN, VARIANT_NONE},
                 {VARIANT_BYTES_SPACES, VARIANT_BYTES_SPACES},
                 {VARIANT_ROTATE_SECONDARY, VARIANT_ROTATE_SECONDARY}};
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        struct world *w = world_new(&profile_aep, 1, always, &error);
        w->plan.items[0].variant = (uint8_t)table[i].planned;
        begin(w);
        struct delivery d;
        assert_true(platform_next(w->platform, 0, &d));
        assert_int_equal(d.variant, table[i].planned);
        platform_answered(w->platform, &d, OUTCOME_RESET, 0, 0);
        platform_ended(w->platform, &d);
        assert_true(platform_next(w->platform, 5 * M, &d));
        assert_int_equal(d.variant, table[i].again);
        assert_int_equal(d.retry, 1);
        world_free(w);
    }
}

static void test_a_snapshot_waits_for_retries_and_holds_up_the_rest(void **state)
{
    (void)state;
    struct world *w = world_new(&profile_aep, 3, scripted, SCRIPT({0, 500, 0}, {M, 200, 0}));
    w->plan.items[1].source = PLAN_SNAPSHOT;
    struct tally t = play(w, NEVER - 1);
    assert_log(w, "0:00:00 send 0+1 #1\n0:00:00 retry 0+1\n0:05:00 send 0+1 #2\n0:05:00 snapshot\n"
                  "0:05:01 send 2+1 #1\n");
    assert_int_equal(t.acknowledged, 2);
    world_free(w);
}

/* ---- clocks
 * -----------------------------------------------------------------------------------------------------------
 */

static void test_a_clock_that_goes_back_changes_nothing(void **state)
{
    (void)state;
    struct world *w = world_new(&profile_aep, 2, always, &ok);
    begin(w);
    struct delivery d;
    assert_true(platform_next(w->platform, H, &d));
    assert_int_equal(platform_due_us(w->platform, 0), H + S);
    assert_false(platform_next(w->platform, 5, &d));
    platform_answered(w->platform, &d, OUTCOME_TIMEOUT, 0, 7);
    platform_ended(w->platform, &d);
    assert_true(platform_next(w->platform, H + S, &d));
    end_in(w, 1, 1, ACKNOWLEDGED);
    platform_answered(w->platform, &d, OUTCOME_ANSWERED, 200, 0);
    platform_ended(w->platform, &d);
    assert_int_equal(platform_due_us(w->platform, 0), H + 5 * M);
    world_free(w);
}

static void test_a_clock_that_leaps_over_a_suspension_loses_what_it_would_have(void **state)
{
    (void)state;
    struct world *w = world_new(&profile_aep, 10, always, (unsigned[]){404});
    spread(w, M);
    w->flow.resume_us = 4 * M;
    begin(w);
    struct delivery d;
    assert_true(platform_next(w->platform, 0, &d));
    platform_answered(w->platform, &d, OUTCOME_ANSWERED, 404, 0);
    platform_ended(w->platform, &d);
    assert_true(platform_next(w->platform, 24 * H, &d)); /* the connector was resumed at 0:04 */
    assert_int_equal(d.first, 4);
    struct tally t = platform_tally(w->platform);
    assert_int_equal(t.lost, 3);
    assert_int_equal(t.pending, 6);
    world_free(w);
}

static void test_a_clock_that_leaps_over_a_check_finds_it_before_the_resumption(void **state)
{
    (void)state;
    struct world *w = world_new(&profile_aep, 6, always, (unsigned[]){404});
    spread(w, M);
    w->plan.items[1].source = PLAN_REACHABILITY;
    w->flow.resume_us = 4 * M;
    begin(w);
    struct delivery d;
    assert_true(platform_next(w->platform, 0, &d));
    platform_answered(w->platform, &d, OUTCOME_ANSWERED, 404, 0);
    platform_ended(w->platform, &d);
    assert_true(platform_next(w->platform, H, &d));
    assert_int_equal(d.first, 1);
    platform_answered(w->platform, &d, OUTCOME_ANSWERED, 200, H);
    platform_ended(w->platform, &d);
    assert_true(platform_next(w->platform, H, &d));
    assert_int_equal(d.first, 4);
    assert_int_equal(platform_tally(w->platform).lost, 2);
    world_free(w);
}

/* ---- whatever is answered
 * ------------------------------------------------------------------------------------------- */

/* What a world knows of itself, kept apart from the platform, and held against it. */
struct model {
    struct rng rng;
    unsigned weights[4]; /* of 2xx, 429, failures, refusals */
    uint64_t slow_us;
    uint64_t *sent_us; /* of each request */
    size_t sent_count, sent_cap;
    struct {
        uint64_t slot;
        bool good;
    } * answers; /* since the subscription began */
    size_t answer_count, answer_cap;
    bool resumed; /* since this was last set to false */
    struct {
        uint64_t ready_us;
        uint32_t failures;
        bool in_flight;
    } * items;
};

static struct reply random_reply(void *arg, const struct delivery *d, uint64_t now_us)
{
    (void)d, (void)now_us;
    static const unsigned statuses[4][4] = {
        {200, 200, 202, 204}, {429, 429, 429, 429}, {500, 503, 0, 100}, {400, 401, 404, 302}};
    struct model *m = arg;
    if (rng_below(&m->rng, 40) == 0) /* it changes its ways */
        for (size_t i = 0; i < 4; i++)
            m->weights[i] = (unsigned)rng_below(&m->rng, 10) * (unsigned)rng_below(&m->rng, 10);
    unsigned all = m->weights[0] + m->weights[1] + m->weights[2] + m->weights[3];
    unsigned at = (unsigned)rng_below(&m->rng, all), kind = 0;
    while (kind < 3 && at >= m->weights[kind])
        at -= m->weights[kind++];
    return (struct reply){statuses[all ? kind : 0][rng_below(&m->rng, 4)], rng_below(&m->rng, m->slow_us)};
}

/* No limit is ever exceeded. */
static void check_send(struct world *w, const struct delivery *d)
{
    struct model *m = w->arg;
    const struct flow *f = &w->flow;
    const struct plan_item *items = &w->plan.items[d->first];
    if (items->source > 1)
        return;
    struct tally t = platform_tally(w->platform);
    assert_int_equal(t.suspended, SUSPENSION_NONE);
    assert_in_range(d->count, 1, w->plan.batch);
    m->sent_us = mem_grow(m->sent_us, &m->sent_cap, m->sent_count, sizeof *m->sent_us);
    m->sent_us[m->sent_count] = w->now_us;
    if (f->rate_max && m->sent_count)
        assert_true((w->now_us - m->sent_us[m->sent_count - 1]) * f->rate_max >= S * FLOW_PER_SECOND);
    if (f->rate_max)
        assert_in_range(t.rate, f->rate_min, f->rate_max);
    if (f->quota && m->sent_count >= f->quota)
        assert_true(w->now_us - m->sent_us[m->sent_count - f->quota] >= f->quota_window_us);
    m->sent_count++;
    for (size_t i = d->first; i < d->first + d->count; i++) {
        const struct plan_item *item = &w->plan.items[i];
        assert_int_equal(w->fates[i], PENDING);
        assert_false(m->items[i].in_flight);
        m->items[i].in_flight = true;
        assert_true(w->now_us >= item->at_us && w->now_us >= m->items[i].ready_us);
        assert_true(!f->stale_us || w->now_us - item->changed_us <= f->stale_us);
        assert_false(f->withhold_own && w->sources[item->source].own);
        assert_int_equal(d->retry, m->items[i].failures);
        assert_true(d->retry == 0 || f->retry_us[d->retry - 1]);
    }
}

static bool is_throttled(const struct world *w, const struct open *open)
{
    return open->status == 429 && w->flow.rate_max &&
           w->now_us - w->plan.items[open->delivery.first].at_us <= w->flow.throttled_us;
}

/* What the success rate is, counted from a list. */
static bool is_under_the_threshold(const struct world *w, bool good)
{
    struct model *m = w->arg;
    uint64_t slot_us = w->flow.success_window_us / 3600, slot = w->now_us / (slot_us ? slot_us : 1), all = 0,
             bad = 0;
    m->answers = mem_grow(m->answers, &m->answer_cap, m->answer_count, sizeof *m->answers);
    m->answers[m->answer_count].slot = slot;
    m->answers[m->answer_count++].good = good;
    for (size_t i = m->answer_count; i-- && m->answers[i].slot + 3600 > slot;) {
        all++;
        bad += !m->answers[i].good;
    }
    return all >= w->flow.success_answers && (all - bad) * 100 < w->flow.success_min * all;
}

/* What an answer must lead to. */
static void check_answer(struct world *w, size_t at)
{
    struct model *m = w->arg;
    struct open open = w->open[at];
    const struct delivery *d = &open.delivery;
    bool event = w->plan.items[d->first].source < 2, ours = variant_get(d->variant)->expect != EXPECT_ACK;
    bool active = !platform_tally(w->platform).suspended, throttled = is_throttled(w, &open);
    m->resumed = false;
    answer(w, at);
    active |= m->resumed;
    bool good = open.status >= 200 && open.status < 300, refused = open.status >= 300 && open.status < 500;
    bool failed =
        event && !ours && !throttled && !good && (!refused || (open.status == 429 && w->flow.rate_max));
    bool suspends = false;
    for (size_t i = d->first; event && i < d->first + d->count; i++) {
        m->items[i].in_flight = false;
        m->items[i].failures += failed;
        m->items[i].ready_us =
            w->now_us + (failed && d->retry < FLOW_RETRIES_MAX ? w->flow.retry_us[d->retry] : 0);
    }
    if (event && !ours && active && !throttled && w->flow.success_min)
        suspends = is_under_the_threshold(w, good);
    if (event && !ours && active && w->flow.suspend_at_once)
        suspends |= open.status == 404 || open.status == 302;
    if (active)
        assert_int_equal(platform_tally(w->platform).suspended != SUSPENSION_NONE, suspends);
    if (!event)
        return;
    enum fate fate = w->fates[d->first];
    if (good)
        assert_int_equal(fate, ACKNOWLEDGED);
    else if (ours || !(failed || throttled) || (failed && !w->flow.retry_us[d->retry]))
        assert_int_equal(fate, DROPPED);
    else
        assert_int_equal(fate, active && !suspends ? PENDING : LOST);
}

static void random_flow(struct rng *r, struct flow *f)
{
    static const char *const values[][5] = {
        {"quota", "0", "1", "7", "60"},
        {"quota-window", "1s", "10s", "10m", "1h"},
        {"stale", "0", "1s", "10m", "2h"},
        {"withhold-own", "0", "1", "0", "1"},
        {"rate-max", "0", "1", "12.5", "100"},
        {"rate-min", "0.01", "0.3", "1", "1"},
        {"rate-rise", "0", "0.1", "1", "10"},
        {"rate-fall", "0", "0.1", "1", "10"},
        {"throttled", "0", "1s", "30s", "1h"},
        {"retry", "none", "1s", "1m,1s", "5m,10m,20m,40m"},
        {"suspend-at-once", "0", "1", "0", "1"},
        {"success-min", "0", "50", "90", "100"},
        {"success-window", "1s", "7s", "3h", "1h"},
        {"success-answers", "1", "10", "3", "100"},
        {"resume", "0", "1s", "10m", "3h"},
    };
    struct flow wanted;
    struct err err;
    flow_unset(&wanted);
    for (size_t i = 0; i < COUNT_OF(values); i++)
        if (rng_below(r, 3) == 0 || i == 1 || i == 5 || i == 12) /* what the others need */
            assert_true(flow_set(&wanted, values[i][0], values[i][1 + rng_below(r, 4)], &err));
    struct flow own = *f;
    assert_true(flow_resolve(f, &own, &wanted, &err));
}

/* Clusters of events, some spoiled, some the connector's own; checks and snapshots. */
static void random_items(struct rng *r, struct world *w)
{
    static const enum fault_variant variants[] = {VARIANT_FORGE_RANDOM, VARIANT_BYTES_SPACES,
                                                  VARIANT_DISCONNECT_GIVE_UP, VARIANT_RESTART_AGAIN};
    uint64_t at_us = 0, gap_us = rng_below(r, 2) ? 2 * S : 20 * M;
    for (size_t i = 0; i < w->plan.count; i++) {
        struct plan_item *item = &w->plan.items[i];
        at_us += rng_below(r, 3) ? 0 : rng_below(r, gap_us);
        item->at_us = at_us;
        item->changed_us = rng_below(r, 10) ? at_us : at_us - rng_below(r, at_us + 1);
        item->source = rng_below(r, 8) == 0;
        if (rng_below(r, 10) == 0)
            item->variant = (uint8_t)variants[rng_below(r, COUNT_OF(variants))];
        if (rng_below(r, 40) == 0)
            item->source = rng_below(r, 2) ? PLAN_REACHABILITY : PLAN_SNAPSHOT;
    }
    w->plan.batch = (uint32_t)rng_range(r, 1, 10);
    w->scenario.pace.rate = (double)rng_below(r, 2);
    w->scenario.pace.concurrency = (uint32_t)rng_range(r, 1, 12);
}

/* As step, but that the clock leaps, forward and back. */
static bool random_step(struct world *w, uint64_t until_us)
{
    struct model *m = w->arg;
    uint64_t leap = rng_below(&m->rng, 200);
    if (leap == 0)
        w->now_us += rng_below(&m->rng, 4 * H);
    uint64_t due_us = platform_due_us(w->platform, w->now_us);
    size_t at = first_to_end(w);
    if (!w->open_count || w->open[at].ends_us > due_us)
        return step(w, until_us);
    w->now_us = w->open[at].ends_us > w->now_us ? w->open[at].ends_us : w->now_us;
    struct delivery d;
    if (due_us <= w->now_us && leap < 20 && platform_next(w->platform, w->now_us, &d)) /* late */
        send(w, &d);
    else
        check_answer(w, at);
    return w->now_us <= until_us;
}

static void on_random_notice(void *arg, const struct notice *n)
{
    struct world *w = arg;
    struct model *m = w->arg;
    if (n->kind == NOTICE_RESUMED) {
        m->answer_count = 0;
        m->resumed = true;
    }
    on_notice(arg, n);
}

static struct tally play_random(uint64_t seed)
{
    struct model m = {.weights = {1, 0, 0, 0}};
    rng_init(&m.rng, seed, "hours");
    struct rng *r = &m.rng;
    size_t count = rng_range(r, 1, 200);
    struct world *w =
        world_new(rng_below(r, 2) ? &profile_aep : &profile_events_api, count, random_reply, &m);
    w->logged = false;
    w->look = check_send;
    m.items = mem_alloc(count * sizeof *m.items);
    m.slow_us = rng_below(r, 3) * 3 * S;
    random_items(r, w);
    if (rng_below(r, 3))
        random_flow(r, &w->flow);
    w->platform = platform_new(&w->plan);
    platform_regulate(w->platform, &w->flow, on_random_notice, w);
    uint64_t until_us = rng_below(r, 3) ? NEVER - 1 : rng_below(r, 10 * H);
    for (unsigned i = 0; i < 20000 && !platform_done(w->platform) && random_step(w, until_us); i++)
        if (i % 16 == 0)
            audit(w);
    struct tally t = audit(w);
    if (platform_done(w->platform))
        assert_int_equal(t.pending, 0);
    free(m.sent_us);
    free(m.answers);
    free(m.items);
    world_free(w);
    return t;
}

static void test_no_answers_make_it_exceed_a_limit_or_lose_count(void **state)
{
    (void)state;
    struct tally all = {0};
    for (uint64_t seed = 0; seed < 1500; seed++) {
        struct tally t = play_random(seed);
        all.acknowledged += t.acknowledged;
        all.dropped += t.dropped;
        all.discarded += t.discarded;
        all.withheld += t.withheld;
        all.lost += t.lost;
        all.pending += t.pending;
        all.retries += t.retries;
        all.throttled += t.throttled;
        all.suspensions += t.suspensions;
    }
    assert_true(all.acknowledged > 1000 && all.dropped > 1000 && all.discarded > 1000 && all.withheld > 1000);
    assert_true(all.lost > 1000 && all.pending > 1000 && all.retries > 1000 && all.throttled > 1000);
    assert_true(all.suspensions > 100);
}

/* ---- size
 * ----------------------------------------------------------------------------------------------------------------
 */

static void test_a_million_events_are_accounted_for(void **state)
{
    (void)state;
    struct world *w = world_new(&profile_aep, 1000000, scripted,
                                SCRIPT({0, 200, 0}, {H, 503, S}, {H + 10 * M, 429, 0}, {H + 20 * M, 200, 0}));
    w->logged = false;
    w->scenario.pace.rate = 1; /* as many open requests as we can */
    w->flow.success_min = 0;
    struct tally t = play(w, NEVER - 1);
    assert_int_equal(t.pending, 0);
    assert_int_equal(t.acknowledged + t.dropped, 1000000);
    assert_true(t.retries > 50000);
    assert_true(w->now_us > 10000 * S && w->now_us < 20000 * S);
    world_free(w);
    w = world_new(&profile_events_api, 1000000, always, &ok);
    w->logged = false;
    w->plan.batch = 10;
    t = play(w, NEVER - 1);
    assert_int_equal(t.acknowledged, 120000); /* at 0:00, 1:00 and 2:00 */
    assert_int_equal(t.discarded, 880000);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_failing_event_is_retried_after_5_10_and_20_minutes_and_dropped),
        cmocka_unit_test(test_a_retry_counts_from_the_end_of_the_attempt_before),
        cmocka_unit_test(test_a_connector_may_come_back_at_the_last_retry),
        cmocka_unit_test(test_what_is_refused_for_good_is_not_retried),
        cmocka_unit_test(test_retries_and_the_rest_go_in_the_order_in_which_they_are_due),
        cmocka_unit_test(test_a_404_or_a_redirect_suspends_at_once),
        cmocka_unit_test(test_under_90_percent_of_the_answers_suspend),
        cmocka_unit_test(test_of_fewer_than_ten_answers_nothing_is_concluded),
        cmocka_unit_test(test_the_hour_rolls),
        cmocka_unit_test(test_a_connector_that_alternates_200_and_500_is_suspended),
        cmocka_unit_test(test_a_connector_that_is_down_at_the_start_may_come_up),
        cmocka_unit_test(test_what_is_in_flight_when_it_is_suspended_may_still_arrive),
        cmocka_unit_test(test_events_before_the_resumption_are_lost_and_those_after_it_are_not),
        cmocka_unit_test(test_a_resumed_subscription_starts_afresh),
        cmocka_unit_test(test_checks_are_made_while_the_subscription_is_suspended),
        cmocka_unit_test(test_a_backlog_leaves_at_the_rate_that_grows_with_its_answers),
        cmocka_unit_test(test_429_for_ever_ends_after_an_hour_and_three_retries),
        cmocka_unit_test(test_429_for_ever_suspends_after_an_hour),
        cmocka_unit_test(test_a_throttled_event_takes_its_turn_behind_those_that_wait),
        cmocka_unit_test(test_the_events_api_never_retries),
        cmocka_unit_test(test_the_quota_pauses_until_the_sliding_hour_has_room),
        cmocka_unit_test(test_4000_requests_leave_in_an_hour_with_10_events_each),
        cmocka_unit_test(test_events_older_than_two_hours_at_their_turn_are_discarded),
        cmocka_unit_test(test_the_age_counts_from_the_change),
        cmocka_unit_test(test_a_request_made_again_is_as_old_as_its_oldest_event),
        cmocka_unit_test(test_own_events_are_withheld_by_the_events_api_and_sent_by_aep),
        cmocka_unit_test(test_what_the_scenario_spoils_is_not_held_against_the_connector),
        cmocka_unit_test(test_a_retry_is_spoiled_in_its_message_only),
        cmocka_unit_test(test_a_snapshot_waits_for_retries_and_holds_up_the_rest),
        cmocka_unit_test(test_a_clock_that_goes_back_changes_nothing),
        cmocka_unit_test(test_a_clock_that_leaps_over_a_suspension_loses_what_it_would_have),
        cmocka_unit_test(test_a_clock_that_leaps_over_a_check_finds_it_before_the_resumption),
        cmocka_unit_test(test_no_answers_make_it_exceed_a_limit_or_lose_count),
        cmocka_unit_test(test_a_million_events_are_accounted_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
