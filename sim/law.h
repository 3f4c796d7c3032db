/* law: what a sender may do next: three accounts over virtual time, each of one limit.
 *
 * Pure; moments never go back. */
#ifndef PIMSIM_LAW_H
#define PIMSIM_LAW_H

#include "base.h"

/* A quota: never more than `max` requests within any window_us. The moments of the last `max` requests, in a
 * ring: 8 bytes each. */
struct quota {
    uint64_t *spent_us, window_us;
    size_t max, count, oldest;
};

void quota_init(struct quota *q, size_t max, uint64_t window_us); /* max 0: no limit */
void quota_reset(struct quota *q);
uint64_t quota_free_us(const struct quota *q); /* from when on a request may leave */
void quota_spend(struct quota *q, uint64_t now_us);

/* A throughput between two bounds, in millionths of a request a second. At its rate, requests are evenly
 * apart. While all is well it rises by `rise` each second (rise / rate at each answer); each 429 takes `fall`
 * away. A receiver that takes no more than c a second therefore holds it near c + rise / fall, without a
 * sawtooth; one that takes nothing brings it down by a factor e in 1 / fall seconds. */
struct throttle {
    uint64_t min, max, rise, fall;
    uint64_t rate, free_us;
};

void throttle_init(struct throttle *t, uint64_t min, uint64_t max, uint64_t rise, uint64_t fall);
uint64_t throttle_free_us(const struct throttle *t); /* max 0: no limit */
void throttle_spend(struct throttle *t, uint64_t now_us);
void throttle_raise(struct throttle *t);
void throttle_lower(struct throttle *t);

/* How many of the answers of the last window_us were good. Counted by 3600ths of the window: 28,800 bytes,
 * however many answers there are. */
#define SUCCESS_SLOTS 3600
struct success {
    struct {
        uint32_t good, bad;
    } slots[SUCCESS_SLOTS];
    uint64_t slot_us, newest; /* newest: the slot of the last answer, counted from moment 0 */
    uint64_t good, bad;       /* in the whole window */
};

void success_init(struct success *s, uint64_t window_us);
void success_add(struct success *s, uint64_t now_us, bool good);

#endif
