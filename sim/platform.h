/* platform: what a sender makes of the plan: which events go into which request, when, and what becomes of
 * them.
 *
 * A step function over virtual time without I/O: it runs the same on sockets and in a unit test. Moments that
 * it is told never go back; one that does is taken as the latest before it.
 *
 * It plays in one of two ways. As it is: every event is sent once, at the plan's moment or as fast as answers
 * come. Regulated (platform_regulate): the platform's laws over hours are in force, quota, throughput,
 * retries, suspension; see flow.h. Every event of the plan ends in exactly one way then (struct tally).
 *
 * An event that waits in the plan needs no memory here, one that waits for another attempt needs 16 bytes;
 * the laws themselves 29 kB and 8 bytes for each request of the quota. */
#ifndef PIMSIM_PLATFORM_H
#define PIMSIM_PLATFORM_H

#include "base.h"
#include "flow.h"
#include "journal.h"
#include "plan.h"

struct platform;

/* One HTTP request to be made: plan->items[first .. first + count). Or, when that is a PLAN_SNAPSHOT or
 * PLAN_SETTLE, the moment to look at the state. Such a look, and an item after which the connector is
 * restarted, is a barrier: nothing else is in flight from before it until platform_ended is called for it. A
 * look waits for retries, too. */
struct delivery {
    uint32_t id;      /* from 1, in the order of sending */
    uint32_t attempt; /* from 1 */
    uint32_t retry;   /* how many of the retries after failures are used up: 0 … */
    size_t first, count;
    enum fault_variant variant; /* what happens to the request as a whole */
    uint64_t scheduled_us;      /* virtual: the moment from which latency counts */
};

struct platform *platform_new(const struct plan *plan);
void platform_free(struct platform *platform);
/* The next delivery that is due by now_us, if any. Without one, time has passed all the same (events were
 * lost or discarded), and platform_due_us is later than now_us. */
bool platform_next(struct platform *platform, uint64_t now_us, struct delivery *delivery);
/* When platform_next is next to be called, if nothing is answered before: UINT64_MAX if never. */
uint64_t platform_due_us(const struct platform *platform, uint64_t now_us);
/* A delivery ended, with or without an answer; a barrier, when all is done that belongs to it. */
void platform_ended(struct platform *platform, const struct delivery *delivery);
bool platform_done(const struct platform *platform); /* nothing to send, nothing in flight */
uint32_t platform_in_flight(const struct platform *platform);

/* ---- over hours ----------------------------------------------------------------------------- */

enum suspension { SUSPENSION_NONE, SUSPENSION_NOT_FOUND, SUSPENSION_REDIRECT, SUSPENSION_SUCCESS_RATE };

/* Something that the platform decided. */
struct notice {
    enum notice_kind {
        NOTICE_RETRY,     /* items [first, first + count) will be sent again at until_us */
        NOTICE_DROPPED,   /* they will not: refused, or the last retry failed; attempt was the last */
        NOTICE_DISCARDED, /* they were too old at their turn */
        NOTICE_WITHHELD,  /* the connector caused them itself */
        NOTICE_LOST,      /* they came, or waited, while the subscription was suspended */
        NOTICE_PAUSED,    /* the quota is used up until until_us */
        NOTICE_RATE,      /* the throughput has passed a whole number of requests a second */
        NOTICE_SUSPENDED, /* for a cause */
        NOTICE_RESUMED,
    } kind;
    uint64_t at_us, until_us;
    size_t first, count;
    uint32_t attempt;
    uint64_t rate; /* millionths of a request a second, FLOW_PER_SECOND */
    enum suspension cause;
};
typedef void platform_notice_fn(void *arg, const struct notice *notice);

/* Put the laws in force, before the first delivery; flow is copied, and must be resolved (flow.h). notice may
 * be NULL; it must not call back. */
void platform_regulate(struct platform *platform, const struct flow *flow, platform_notice_fn *notice,
                       void *arg);
/* What came of a delivery; before platform_ended. Only needed when regulated. */
void platform_answered(struct platform *platform, const struct delivery *delivery, enum outcome outcome,
                       unsigned status, uint64_t now_us);

/* What became of the events so far; the six sum up to all events of the plan, copies included. */
struct tally {
    uint64_t acknowledged, dropped, discarded, withheld, lost, pending;
    uint64_t requests, retries,
        throttled;             /* sent; of them, retries after failures; of them, answered 429 in time */
    uint64_t rate;             /* now: millionths of a request a second; 0: no law */
    enum suspension suspended; /* now, and for what */
    uint64_t suspensions;
    uint64_t worst_ppm, worst_us; /* the lowest success rate of a window in parts of a million, and when */
};
struct tally platform_tally(const struct platform *platform);

#endif
