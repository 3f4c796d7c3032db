/* platform: what a sender makes of the plan: which events go into which request, and when.
 *
 * A step function over virtual time without I/O: it runs the same on sockets and in a unit test. */
#ifndef PIMSIM_PLATFORM_H
#define PIMSIM_PLATFORM_H

#include "base.h"
#include "plan.h"

struct platform;

/* One HTTP request to be made: plan->items[first .. first + count). Or, when that is a PLAN_SNAPSHOT, the
 * moment to look at the state. A snapshot, and an item after which the connector is restarted, is a barrier:
 * nothing else is in flight from before it until platform_ended is called for it. */
struct delivery {
    uint32_t id;      /* from 1, in the order of sending */
    uint32_t attempt; /* from 1 */
    size_t first, count;
    enum fault_variant variant; /* what happens to the request as a whole */
    uint64_t scheduled_us;      /* virtual: the moment from which latency counts */
};

struct platform *platform_new(const struct plan *plan);
void platform_free(struct platform *platform);
/* The next delivery that is due by now_us, if any. */
bool platform_next(struct platform *platform, uint64_t now_us, struct delivery *delivery);
/* When platform_next will next have one, if nothing is answered before: UINT64_MAX if never. */
uint64_t platform_due_us(const struct platform *platform, uint64_t now_us);
/* A delivery ended, with or without an answer; a barrier, when all is done that belongs to it. */
void platform_ended(struct platform *platform, const struct delivery *delivery);
bool platform_done(const struct platform *platform); /* nothing to send, nothing in flight */
uint32_t platform_in_flight(const struct platform *platform);

#endif
