/* law: see law.h. */
#include "law.h"

#include <stdlib.h>
#include <string.h>

/* ---- quota -------------------------------------------------------------------------------- */

void quota_init(struct quota *q, size_t max, uint64_t window_us)
{
    *q = (struct quota){.max = max, .window_us = window_us};
    if (max)
        q->spent_us = mem_alloc(max * sizeof *q->spent_us);
}

void quota_reset(struct quota *q)
{
    free(q->spent_us);
    *q = (struct quota){0};
}

uint64_t quota_free_us(const struct quota *q)
{
    return q->max && q->count == q->max ? q->spent_us[q->oldest] + q->window_us : 0;
}

void quota_spend(struct quota *q, uint64_t now_us)
{
    if (!q->max)
        return;
    if (q->count < q->max) {
        q->spent_us[q->count++] = now_us;
    } else {
        q->spent_us[q->oldest] = now_us;
        q->oldest = (q->oldest + 1) % q->max;
    }
}

/* ---- throughput --------------------------------------------------------------------------- */

#define MILLION UINT64_C(1000000)

void throttle_init(struct throttle *t, uint64_t min, uint64_t max, uint64_t rise, uint64_t fall)
{
    *t = (struct throttle){.min = min, .max = max, .rise = rise, .fall = fall, .rate = min};
}

uint64_t throttle_free_us(const struct throttle *t)
{
    return t->free_us;
}

/* From the moment of sending, and rounded up: late is never made good by haste. */
void throttle_spend(struct throttle *t, uint64_t now_us)
{
    if (t->max)
        t->free_us = now_us + (MILLION * MILLION + t->rate - 1) / t->rate;
}

void throttle_raise(struct throttle *t)
{
    if (!t->max)
        return;
    t->rate += t->rise * MILLION / t->rate;
    if (t->rate > t->max)
        t->rate = t->max;
}

void throttle_lower(struct throttle *t)
{
    t->rate = t->rate > t->min + t->fall ? t->rate - t->fall : t->min;
}

/* ---- success ------------------------------------------------------------------------------ */

void success_init(struct success *s, uint64_t window_us)
{
    memset(s, 0, sizeof *s);
    s->slot_us = window_us > SUCCESS_SLOTS ? window_us / SUCCESS_SLOTS : 1;
}

/* Forget the slots that the window has left behind. */
static void advance(struct success *s, uint64_t slot)
{
    uint64_t steps = slot - s->newest;
    if (steps > SUCCESS_SLOTS)
        steps = SUCCESS_SLOTS;
    for (uint64_t i = 1; i <= steps; i++) {
        size_t at = (slot - steps + i) % SUCCESS_SLOTS;
        s->good -= s->slots[at].good;
        s->bad -= s->slots[at].bad;
        s->slots[at].good = s->slots[at].bad = 0;
    }
    s->newest = slot;
}

void success_add(struct success *s, uint64_t now_us, bool good)
{
    advance(s, now_us / s->slot_us);
    size_t at = s->newest % SUCCESS_SLOTS;
    if (good)
        s->slots[at].good++, s->good++;
    else
        s->slots[at].bad++, s->bad++;
}
