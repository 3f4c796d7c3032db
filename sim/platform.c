/* platform: see platform.h. */
#include "platform.h"

#include <stdlib.h>

#include "limits.h"

struct platform {
    const struct plan *plan;
    size_t cursor; /* the first item that no delivery carries yet */
    uint32_t in_flight, deliveries;
    bool paced; /* items have their own due moments; how many are in flight does not matter */
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

/* Events travel together when they are due together and the same thing happens to them. */
static bool rides_with(const struct plan_item *first, const struct plan_item *item)
{
    return item->source != PLAN_REACHABILITY && first->source != PLAN_REACHABILITY &&
           item->at_us == first->at_us && item->variant == first->variant && item->spec == first->spec;
}

uint64_t platform_due_us(const struct platform *p, uint64_t now_us)
{
    if (p->cursor == p->plan->count || full(p))
        return UINT64_MAX;
    uint64_t at_us = p->plan->items[p->cursor].at_us;
    return at_us > now_us ? at_us : now_us;
}

bool platform_next(struct platform *p, uint64_t now_us, struct delivery *delivery)
{
    if (platform_due_us(p, now_us) > now_us)
        return false;
    const struct plan_item *items = p->plan->items, *first = &items[p->cursor];
    size_t count = 1;
    while (count < p->plan->batch && p->cursor + count < p->plan->count && rides_with(first, first + count))
        count++;
    *delivery = (struct delivery){
        .id = ++p->deliveries,
        .attempt = 1,
        .first = p->cursor,
        .count = count,
        .scheduled_us = p->paced ? first->at_us : now_us,
    };
    p->cursor += count;
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
