/* platform: see platform.h.
 *
 * Whose turn it is: the plan's next item, or the first of one of a few lines of parcels, each of which waits
 * for another attempt. Whatever joins a line waits equally long, so that each line is in order by itself. */
#include "platform.h"

#include <stdlib.h>
#include <string.h>

#include "law.h"
#include "limits.h"

/* A request that is to be made again: plan->items[first .. first + count). */
struct parcel {
    uint64_t due_us;
    uint32_t first;
    uint16_t attempts; /* so far */
    uint8_t count;
    uint8_t retry;
};

struct line {
    struct parcel *parcels;
    size_t head, end, cap; /* [head, end) are waiting */
};

/* The line of those that were throttled, then one for each retry. */
#define LINES (1 + FLOW_RETRIES_MAX)

struct platform {
    const struct plan *plan;
    size_t cursor; /* the first item that no delivery carries yet */
    struct flying {
        size_t first, count;
    } * flying; /* the items of each delivery in flight */
    size_t flying_cap;
    uint32_t in_flight, deliveries;
    bool barrier;     /* the last delivery was one */
    uint64_t held_us; /* a barrier held back what was due before */
    bool paced;       /* items have their own due moments; how many are in flight does not matter */

    /* over hours */
    struct flow flow;
    uint64_t now_us; /* the latest moment that we were told */
    struct line lines[LINES];
    size_t line_count; /* in use */
    struct quota quota;
    struct throttle throttle;
    struct success success;
    uint64_t resume_us; /* while suspended: when somebody will resume; UINT64_MAX: nobody */
    uint64_t rate_told;
    struct tally tally; /* its `pending` counts all events */
    platform_notice_fn *notice;
    void *notice_arg;
};

struct platform *platform_new(const struct plan *plan)
{
    struct platform *p = mem_alloc(sizeof *p);
    const struct pace *pace = &plan->scenario->pace;
    p->plan = plan;
    p->paced = pace->rate > 0 || pace->rate_top;
    return p;
}

void platform_free(struct platform *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < LINES; i++)
        free(p->lines[i].parcels);
    quota_reset(&p->quota);
    free(p->flying);
    free(p);
}

static void tell(struct platform *p, const struct notice *notice)
{
    if (p->notice)
        p->notice(p->notice_arg, notice);
}

/* ---- which events share a request ----------------------------------------------------------- */

/* A moment at which the state is looked at. */
static bool is_look(const struct plan_item *item)
{
    return item->source == PLAN_SNAPSHOT || item->source == PLAN_SETTLE;
}

static bool is_barrier(const struct plan_item *item)
{
    return is_look(item) || variant_get(item->variant)->fault == FAULT_RESTART;
}

static bool same_entity(const struct plan *plan, const struct plan_item *a, const struct plan_item *b)
{
    return a->entity == b->entity &&
           strcmp(plan->sources[a->source].pool, plan->sources[b->source].pool) == 0;
}

/* The item must not overtake the other, which is in flight: a copy never its original; and where the state
 * is judged, nothing another event of the same entity, for what comes of disorder is a question of its own.
 */
static bool must_follow(const struct plan *plan, const struct plan_item *item, const struct plan_item *other)
{
    if (item->variant == VARIANT_OVERLAP_COPY)
        return false;
    return plan->universes > 1 ? same_entity(plan, item, other)
                               : item->variant == VARIANT_DUPLICATE_APART && item->event == other->event;
}

static bool is_held(const struct platform *p, const struct plan_item *item)
{
    const struct plan *plan = p->plan;
    if (plan->universes == 1 && item->variant != VARIANT_DUPLICATE_APART)
        return false;
    for (size_t i = 0; i < p->in_flight; i++)
        for (size_t k = 0; k < p->flying[i].count; k++)
            if (must_follow(plan, item, &plan->items[p->flying[i].first + k]))
                return true;
    return false;
}

static bool is_together(const struct plan_item *item)
{
    return item->variant == VARIANT_DUPLICATE_TOGETHER;
}

/* Undisturbed, or a copy that comes in the request of its original. */
static bool is_plain(const struct plan_item *item)
{
    return item->variant == VARIANT_NONE || is_together(item);
}

static bool travels_alone(const struct plan *plan, const struct plan_item *item)
{
    return !plan_is_event(item) || is_barrier(item) || plan_universe(plan, item) != UNIVERSE_B;
}

/* Events travel together when they are due together and the same thing happens to them. */
static bool rides_with(const struct plan *plan, const struct plan_item *first, const struct plan_item *item)
{
    return !travels_alone(plan, first) && !travels_alone(plan, item) && item->at_us == first->at_us &&
           ((is_plain(first) && is_plain(item)) ||
            (item->variant == first->variant && item->spec == first->spec));
}

/* The connector caused it itself, and is not told. */
static bool is_withheld(const struct platform *p, const struct plan_item *item)
{
    return p->flow.withhold_own && plan_is_event(item) && p->plan->sources[item->source].own;
}

static bool is_stale(const struct platform *p, const struct plan_item *item)
{
    uint64_t born_us = item->changed_us < item->at_us ? item->changed_us : item->at_us;
    return p->flow.stale_us && plan_is_event(item) && p->now_us - born_us > p->flow.stale_us;
}

/* The request that starts at the cursor: as full as can be, and no copy torn from its original. */
static size_t fill(const struct platform *p)
{
    const struct plan_item *first = &p->plan->items[p->cursor];
    size_t left = p->plan->count - p->cursor, count = 1;
    while (count < left && count < p->plan->batch && rides_with(p->plan, first, &first[count]) &&
           !is_withheld(p, &first[count]) && !is_stale(p, &first[count]))
        count++;
    if (count > 1 && count < left && is_together(&first[count]) &&
        first[count].event == first[count - 1].event)
        count--;
    return count;
}

/* What happens to the request as a whole. What happened on the wire does not happen again. */
static enum fault_variant variant_of(const struct plan_item *first, size_t count, bool again)
{
    for (size_t i = 0; i < count; i++)
        if (is_together(&first[i]))
            return VARIANT_DUPLICATE_TOGETHER;
    return again && fault_get(variant_get(first->variant)->fault)->stage == STAGE_WIRE ? VARIANT_NONE
                                                                                       : first->variant;
}

/* ---- whose turn it is ------------------------------------------------------------------------- */

static void join(struct line *line, struct parcel parcel)
{
    if (line->end == line->cap && line->head > line->cap / 2) {
        memmove(line->parcels, line->parcels + line->head, (line->end - line->head) * sizeof parcel);
        line->end -= line->head;
        line->head = 0;
    }
    line->parcels = mem_grow(line->parcels, &line->cap, line->end, sizeof parcel);
    line->parcels[line->end++] = parcel;
}

/* The plan's item at the cursor, or the first parcel of a line. */
struct turn {
    const struct parcel *parcel; /* NULL: the plan's */
    size_t line;                 /* the parcel's */
    const struct plan_item *item;
    uint64_t due_us;
};

static bool find_turn(const struct platform *p, struct turn *turn)
{
    *turn = (struct turn){.due_us = UINT64_MAX};
    for (size_t i = 0; i < p->line_count; i++) {
        const struct line *line = &p->lines[i];
        const struct parcel *parcel = line->parcels + line->head;
        if (line->head < line->end && parcel->due_us < turn->due_us)
            *turn = (struct turn){parcel, i, &p->plan->items[parcel->first], parcel->due_us};
    }
    if (p->cursor < p->plan->count) {
        const struct plan_item *item = &p->plan->items[p->cursor];
        bool waits = turn->parcel && is_look(item);
        if (!waits && item->at_us <= turn->due_us)
            *turn = (struct turn){.item = item, .due_us = item->at_us};
    }
    return turn->item;
}

static bool full(const struct platform *p)
{
    return p->in_flight >= (p->paced ? IN_FLIGHT_MAX : p->plan->scenario->pace.concurrency);
}

/* May it leave, as far as what is in flight is concerned? An overlapping copy leaves with its original,
 * whoever else waits. */
static bool has_room(const struct platform *p, const struct turn *turn)
{
    bool planned = !turn->parcel;
    bool barrier = p->barrier || (planned && is_barrier(turn->item));
    if (p->in_flight && (barrier || is_held(p, turn->item)))
        return false;
    return !full(p) || (planned && turn->item->variant == VARIANT_OVERLAP_COPY);
}

static uint64_t later(uint64_t a_us, uint64_t b_us)
{
    return a_us > b_us ? a_us : b_us;
}

/* When it may leave, as far as the laws are concerned. */
static uint64_t lawful_us(const struct platform *p, const struct turn *turn)
{
    if (!plan_is_event(turn->item))
        return turn->due_us;
    return later(turn->due_us, later(quota_free_us(&p->quota), throttle_free_us(&p->throttle)));
}

uint64_t platform_due_us(const struct platform *p, uint64_t now_us)
{
    struct turn turn;
    now_us = later(now_us, p->now_us);
    if (!find_turn(p, &turn))
        return UINT64_MAX;
    if (p->tally.suspended && plan_is_event(turn.item)) /* to be lost */
        return later(turn.due_us < p->resume_us ? turn.due_us : p->resume_us, now_us);
    return has_room(p, &turn) ? later(lawful_us(p, &turn), now_us) : UINT64_MAX;
}

/* ---- suspension ------------------------------------------------------------------------------- */

static void lose(struct platform *p, size_t first, size_t count)
{
    if (!count)
        return;
    p->tally.lost += count;
    tell(p, &(struct notice){.kind = NOTICE_LOST, .at_us = p->now_us, .first = first, .count = count});
}

/* What the PIM says while nobody is listening. */
static void lose_due(struct platform *p, uint64_t until_us)
{
    const struct plan_item *items = p->plan->items;
    size_t first = p->cursor;
    while (p->cursor < p->plan->count && items[p->cursor].at_us <= until_us &&
           plan_is_event(&items[p->cursor]))
        p->cursor++;
    lose(p, first, p->cursor - first);
}

static void suspend(struct platform *p, enum suspension cause)
{
    if (p->tally.suspended)
        return;
    p->tally.suspended = cause;
    p->tally.suspensions++;
    p->resume_us = p->flow.resume_us ? p->now_us + p->flow.resume_us : UINT64_MAX;
    tell(p, &(struct notice){.kind = NOTICE_SUSPENDED, .at_us = p->now_us, .cause = cause});
    for (size_t i = 0; i < p->line_count; i++) {
        struct line *line = &p->lines[i];
        for (; line->head < line->end; line->head++)
            lose(p, line->parcels[line->head].first, line->parcels[line->head].count);
    }
}

/* As a new subscription: how it went before is forgotten. */
static void resume(struct platform *p)
{
    p->tally.suspended = SUSPENSION_NONE;
    p->rate_told = p->throttle.rate = p->throttle.min;
    success_init(&p->success, p->flow.success_window_us);
    tell(p, &(struct notice){.kind = NOTICE_RESUMED, .at_us = p->resume_us});
}

/* Time passes. Nobody resumes before what was due until then is lost: a check may stand before it. */
static void advance(struct platform *p, uint64_t now_us)
{
    p->now_us = later(now_us, p->now_us);
    if (!p->tally.suspended)
        return;
    bool over = p->now_us >= p->resume_us;
    lose_due(p, over ? p->resume_us - 1 : p->now_us);
    if (over && (p->cursor == p->plan->count || p->plan->items[p->cursor].at_us >= p->resume_us))
        resume(p);
}

/* ---- sending ---------------------------------------------------------------------------------- */

/* Take the turn's events out of where they wait. */
static struct delivery take(struct platform *p, const struct turn *turn)
{
    struct delivery d = {.attempt = 1, .first = (size_t)(turn->item - p->plan->items)};
    if (turn->parcel) {
        d.count = turn->parcel->count;
        d.attempt = turn->parcel->attempts + 1u;
        d.retry = turn->parcel->retry;
        p->lines[turn->line].head++;
        p->tally.retries += turn->line > 0;
    } else {
        d.count = fill(p);
        p->cursor += d.count;
    }
    d.variant = variant_of(turn->item, d.count, turn->parcel);
    return d;
}

/* Events that are not sent at their turn. A request that is made again is as old as its oldest event. */
static bool passed_over(struct platform *p, const struct turn *turn)
{
    size_t count = turn->parcel ? turn->parcel->count : 1;
    bool withheld = is_withheld(p, turn->item), stale = false;
    for (size_t i = 0; i < count; i++)
        stale |= is_stale(p, &turn->item[i]);
    if (!withheld && !stale)
        return false;
    *(turn->parcel ? &p->lines[turn->line].head : &p->cursor) += 1;
    *(withheld ? &p->tally.withheld : &p->tally.discarded) += count;
    tell(p, &(struct notice){.kind = withheld ? NOTICE_WITHHELD : NOTICE_DISCARDED,
                             .at_us = p->now_us,
                             .first = (size_t)(turn->item - p->plan->items),
                             .count = count});
    return true;
}

/* A request that counts for the laws has left. */
static void spend(struct platform *p)
{
    struct turn next;
    p->tally.requests++;
    throttle_spend(&p->throttle, p->now_us);
    quota_spend(&p->quota, p->now_us);
    uint64_t free_us = quota_free_us(&p->quota);
    if (free_us > p->now_us && find_turn(p, &next) && next.due_us < free_us)
        tell(p, &(struct notice){.kind = NOTICE_PAUSED, .at_us = p->now_us, .until_us = free_us});
}

bool platform_next(struct platform *p, uint64_t now_us, struct delivery *delivery)
{
    struct turn turn;
    advance(p, now_us);
    do {
        if (platform_due_us(p, p->now_us) > p->now_us || !find_turn(p, &turn))
            return false;
    } while (passed_over(p, &turn));
    uint64_t due_us = lawful_us(p, &turn);
    bool barrier = !turn.parcel && is_barrier(turn.item);
    if (barrier || p->barrier) /* held back by ourselves: it is nobody's lateness */
        p->held_us = p->now_us;
    p->barrier = barrier;
    *delivery = take(p, &turn);
    delivery->id = ++p->deliveries;
    delivery->scheduled_us = p->paced ? later(due_us, p->held_us) : p->now_us;
    p->flying = mem_grow(p->flying, &p->flying_cap, p->in_flight, sizeof *p->flying);
    p->flying[p->in_flight++] = (struct flying){delivery->first, delivery->count};
    if (plan_is_event(turn.item))
        spend(p);
    return true;
}

/* ---- answers ---------------------------------------------------------------------------------- */

enum verdict {
    TAKEN,     /* 2xx */
    THROTTLED, /* 429, as long as that is no failure */
    TRANSIENT, /* 5xx, silence, and so on: it may come right by itself */
    REFUSED,   /* it will not */
};

static enum verdict verdict_of(const struct platform *p, const struct delivery *d, enum outcome outcome,
                               unsigned status)
{
    if (outcome != OUTCOME_ANSWERED || status < 200 || status >= 500)
        return TRANSIENT;
    if (status == 429 && p->flow.rate_max)
        return p->now_us - p->plan->items[d->first].at_us > p->flow.throttled_us ? TRANSIENT : THROTTLED;
    return status < 300 ? TAKEN : REFUSED;
}

static void adjust_rate(struct platform *p, bool taken, bool throttled)
{
    if (taken)
        throttle_raise(&p->throttle);
    else if (throttled)
        throttle_lower(&p->throttle);
    uint64_t rate = p->throttle.rate;
    if (rate / FLOW_PER_SECOND == p->rate_told / FLOW_PER_SECOND)
        return;
    p->rate_told = rate;
    tell(p, &(struct notice){.kind = NOTICE_RATE, .at_us = p->now_us, .rate = rate});
}

/* The share of good answers in the window; suspend when it is too small. */
static void judge(struct platform *p, bool good)
{
    if (!p->flow.success_min)
        return;
    success_add(&p->success, p->now_us, good);
    uint64_t all = p->success.good + p->success.bad;
    if (all < p->flow.success_answers)
        return;
    uint64_t ppm = p->success.good * 1000000 / all;
    if (ppm < p->tally.worst_ppm) {
        p->tally.worst_ppm = ppm;
        p->tally.worst_us = p->now_us;
    }
    if (p->success.good * 100 < p->flow.success_min * all)
        suspend(p, SUSPENSION_SUCCESS_RATE);
}

static void drop(struct platform *p, const struct delivery *d)
{
    p->tally.dropped += d->count;
    tell(p, &(struct notice){.kind = NOTICE_DROPPED,
                             .at_us = p->now_us,
                             .first = d->first,
                             .count = d->count,
                             .attempt = d->attempt});
}

/* line: 0 for those that were throttled, or the number of the retry. */
static void send_again(struct platform *p, const struct delivery *d, size_t line, uint64_t due_us)
{
    struct parcel parcel = {
        .due_us = due_us,
        .first = (uint32_t)d->first,
        .attempts = d->attempt < UINT16_MAX ? (uint16_t)d->attempt : UINT16_MAX,
        .count = (uint8_t)d->count,
        .retry = (uint8_t)(line ? line : d->retry),
    };
    join(&p->lines[line], parcel);
}

static void fail(struct platform *p, const struct delivery *d)
{
    uint64_t wait_us = d->retry < FLOW_RETRIES_MAX ? p->flow.retry_us[d->retry] : 0;
    if (!wait_us) {
        drop(p, d);
    } else if (p->tally.suspended) {
        lose(p, d->first, d->count);
    } else {
        send_again(p, d, d->retry + 1, p->now_us + wait_us);
        tell(p, &(struct notice){.kind = NOTICE_RETRY,
                                 .at_us = p->now_us,
                                 .until_us = p->now_us + wait_us,
                                 .first = d->first,
                                 .count = d->count,
                                 .attempt = d->attempt + 1});
    }
}

static void settle(struct platform *p, const struct delivery *d, enum verdict verdict)
{
    if (verdict == TAKEN)
        p->tally.acknowledged += d->count;
    else if (verdict == TRANSIENT)
        fail(p, d);
    else if (verdict == REFUSED)
        drop(p, d);
    else if (p->tally.suspended)
        lose(p, d->first, d->count);
    else
        send_again(p, d, 0, p->now_us);
}

void platform_answered(struct platform *p, const struct delivery *d, enum outcome outcome, unsigned status,
                       uint64_t now_us)
{
    advance(p, now_us);
    if (!plan_is_event(&p->plan->items[d->first]))
        return;
    enum verdict verdict = verdict_of(p, d, outcome, status);
    if (variant_get(d->variant)->expect != EXPECT_ACK) { /* our doing, which the platform knows nothing of */
        settle(p, d, verdict == TAKEN ? TAKEN : REFUSED);
        return;
    }
    bool told_to_wait = outcome == OUTCOME_ANSWERED && status == 429;
    adjust_rate(p, verdict == TAKEN, told_to_wait);
    p->tally.throttled += verdict == THROTTLED;
    if (verdict != THROTTLED && !p->tally.suspended)
        judge(p, verdict == TAKEN);
    if (verdict == REFUSED && p->flow.suspend_at_once && (status < 400 || status == 404))
        suspend(p, status == 404 ? SUSPENSION_NOT_FOUND : SUSPENSION_REDIRECT);
    settle(p, d, verdict);
}

void platform_ended(struct platform *p, const struct delivery *delivery)
{
    size_t i = 0;
    while (p->flying[i].first != delivery->first)
        i++;
    p->flying[i] = p->flying[--p->in_flight];
}

/* ---- the whole -------------------------------------------------------------------------------- */

void platform_regulate(struct platform *p, const struct flow *flow, platform_notice_fn *notice, void *arg)
{
    p->flow = *flow;
    p->notice = notice;
    p->notice_arg = arg;
    p->tally.worst_ppm = 1000000;
    for (size_t i = 0; i < p->plan->count; i++)
        p->tally.pending += plan_is_event(&p->plan->items[i]);
    p->rate_told = flow->rate_min;
    p->line_count = 1;
    while (p->line_count < LINES && flow->retry_us[p->line_count - 1])
        p->line_count++;
    quota_init(&p->quota, flow->quota, flow->quota_window_us);
    throttle_init(&p->throttle, flow->rate_min, flow->rate_max, flow->rate_rise, flow->rate_fall);
    success_init(&p->success, flow->success_window_us);
}

struct tally platform_tally(const struct platform *p)
{
    struct tally t = p->tally;
    t.pending -= t.acknowledged + t.dropped + t.discarded + t.withheld + t.lost;
    t.rate = p->throttle.max ? p->throttle.rate : 0;
    return t;
}

uint32_t platform_in_flight(const struct platform *p)
{
    return p->in_flight;
}

bool platform_done(const struct platform *p)
{
    for (size_t i = 0; i < p->line_count; i++)
        if (p->lines[i].head < p->lines[i].end)
            return false;
    return p->cursor == p->plan->count && p->in_flight == 0;
}
