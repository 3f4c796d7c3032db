/* platform: see platform.h. */
#include "platform.h"

#include <stdlib.h>

#include "limits.h"

struct platform {
    const struct plan *plan;
    size_t cursor; /* the first item that no delivery carries yet */
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

/* The item is sent again because its acknowledgement got lost: it stands behind the original. */
static bool is_again(const struct plan_item *item)
{
    return item->copy && item->variant == VARIANT_DUPLICATE_APART && item[-1].event == item->event;
}

/* May the item leave now, as far as what is in flight is concerned? An overlapping copy leaves with its
 * original, whoever else waits. */
static bool has_room(const struct platform *p, const struct plan_item *item)
{
    if (p->in_flight && (p->barrier || is_barrier(item) || is_again(item)))
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
    p->in_flight++;
    return true;
}

void platform_ended(struct platform *p)
{
    p->in_flight--;
}

uint32_t platform_in_flight(const struct platform *p)
{
    return p->in_flight;
}

bool platform_done(const struct platform *p)
{
    return p->cursor == p->plan->count && p->in_flight == 0;
}
