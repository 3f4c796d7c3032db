/* platform: see platform.h. */
#include "platform.h"

#include <stdlib.h>
#include <string.h>

#include "limits.h"

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
};

struct platform *platform_new(const struct plan *plan)
{
    struct platform *p = mem_alloc(sizeof *p);
    const struct pace *pace = &plan->scenario->pace;
    p->plan = plan;
    p->paced = pace->rate > 0 || pace->rate_top;
    return p;
}

void platform_free(struct platform *platform)
{
    if (platform)
        free(platform->flying);
    free(platform);
}

static bool full(const struct platform *p)
{
    return p->in_flight >= (p->paced ? IN_FLIGHT_MAX : p->plan->scenario->pace.concurrency);
}

static bool is_barrier(const struct plan_item *item)
{
    return item->source == PLAN_SNAPSHOT || variant_get(item->variant)->fault == FAULT_RESTART;
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

/* May the item leave now, as far as what is in flight is concerned? An overlapping copy leaves with its
 * original, whoever else waits. */
static bool has_room(const struct platform *p, const struct plan_item *item)
{
    if (p->in_flight && (p->barrier || is_barrier(item) || is_held(p, item)))
        return false;
    return !full(p) || item->variant == VARIANT_OVERLAP_COPY;
}

/* ---- which events share a request ----------------------------------------------------------- */

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
    return item->source == PLAN_REACHABILITY || is_barrier(item) || plan_universe(plan, item) != UNIVERSE_B;
}

/* Events travel together when they are due together and the same thing happens to them. */
static bool rides_with(const struct plan *plan, const struct plan_item *first, const struct plan_item *item)
{
    return !travels_alone(plan, first) && !travels_alone(plan, item) && item->at_us == first->at_us &&
           ((is_plain(first) && is_plain(item)) ||
            (item->variant == first->variant && item->spec == first->spec));
}

/* The request that starts at the cursor: as full as can be, and no copy torn from its original. */
static void fill(const struct platform *p, struct delivery *delivery)
{
    const struct plan *plan = p->plan;
    const struct plan_item *first = &plan->items[p->cursor];
    size_t left = plan->count - p->cursor, count = 1;
    while (count < left && count < plan->batch && rides_with(plan, first, &first[count]))
        count++;
    if (count > 1 && count < left && is_together(&first[count]) &&
        first[count].event == first[count - 1].event)
        count--;
    delivery->first = p->cursor;
    delivery->count = count;
    delivery->variant = first->variant;
    for (size_t i = 0; i < count; i++)
        if (is_together(&first[i]))
            delivery->variant = VARIANT_DUPLICATE_TOGETHER;
}

/* ---- when ----------------------------------------------------------------------------------- */

uint64_t platform_due_us(const struct platform *p, uint64_t now_us)
{
    if (p->cursor == p->plan->count || !has_room(p, &p->plan->items[p->cursor]))
        return UINT64_MAX;
    uint64_t at_us = p->plan->items[p->cursor].at_us;
    return at_us > now_us ? at_us : now_us;
}

bool platform_next(struct platform *p, uint64_t now_us, struct delivery *delivery)
{
    if (platform_due_us(p, now_us) > now_us)
        return false;
    const struct plan_item *item = &p->plan->items[p->cursor];
    bool held = p->barrier || is_barrier(item);
    p->barrier = is_barrier(item);
    if (held) /* by ourselves: it is nobody's lateness */
        p->held_us = now_us;
    *delivery = (struct delivery){.id = ++p->deliveries, .attempt = 1};
    fill(p, delivery);
    delivery->scheduled_us = !p->paced ? now_us : item->at_us > p->held_us ? item->at_us : p->held_us;
    p->cursor += delivery->count;
    p->flying = mem_grow(p->flying, &p->flying_cap, p->in_flight, sizeof *p->flying);
    p->flying[p->in_flight++] = (struct flying){delivery->first, delivery->count};
    return true;
}

void platform_ended(struct platform *p, const struct delivery *delivery)
{
    size_t i = 0;
    while (p->flying[i].first != delivery->first)
        i++;
    p->flying[i] = p->flying[--p->in_flight];
}

uint32_t platform_in_flight(const struct platform *p)
{
    return p->in_flight;
}

bool platform_done(const struct platform *p)
{
    return p->cursor == p->plan->count && p->in_flight == 0;
}
