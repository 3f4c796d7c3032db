/* reason: what was sent, what came, and why it matters, in words for a connector's author. */
#ifndef PIMSIM_REASON_H
#define PIMSIM_REASON_H

#include "transcript.h"
#include "trial.h"

/* What the attempts that concern a rule came to. */
struct tally {
    uint64_t judged, failed;
    const struct attempt *first_failed;
    bool same_event;                  /* all that failed began with the same event … */
    bool other_event;                 /* … and others passed */
    uint64_t excused[EXCUSE_COUNT];   /* by excuse; [EXCUSE_NONE]: blamed on another rule … */
    enum rule_id elsewhere;           /* … the first time on this one */
    const struct attempt *unfinished; /* the first that was excused */
};

/* "delivery 17: product.updated and 9 more, a copy of an event that came before" */
void reason_request(const struct transcript *transcript, const struct attempt *attempt, struct buf *text);
/* "2xx within 500 ms" */
void reason_expected(const struct transcript *transcript, enum rule_id rule, const struct attempt *attempt,
                     struct buf *text);
/* "409 Conflict after 2.1 ms: duplicate key" */
void reason_came(const struct transcript *transcript, const struct attempt *attempt, struct buf *text);
/* The same as one of several: "17 product.updated and 9 more (a copy of an event that came before)" */
void reason_delivery(const struct transcript *transcript, const struct attempt *attempt, struct buf *text);

/* Why a rule failed. unchecked: no forged signature of the run was ever refused. */
void reason_failed(const struct transcript *transcript, enum rule_id rule, const struct tally *tally,
                   bool unchecked, struct buf *text);
/* What its author can do about it: the rule's fix, or a nearer one where the answers tell. */
const char *reason_fix(const struct transcript *transcript, enum rule_id rule,
                       const struct attempt *first_failed);
/* Why nothing can be said although there were attempts. */
void reason_unseen(const struct transcript *transcript, const struct tally *tally, struct buf *text);

/* ---- the subscription --------------------------------------------------------------------- */

/* "suspended at 02:07:10, because …: 30 events were lost (see ack/deadline)" */
void reason_suspended(const struct transcript *transcript, const struct forecast *forecast, struct buf *text);
/* "not suspended in 24 h: the worst hour stayed 1.7 points above the limit of 90 %" */
void reason_active(const struct forecast *forecast, struct buf *text);

/* ---- the connector's state ---------------------------------------------------------------- */

/* What brought about what B has, and what the others have. */
struct sides {
    const char *without, *with; /* "without the fault", "with the fault" */
};
struct sides reason_sides(const struct played *played);
/* "2 of 10 products differ after events that came again: /price of product 3 is 9, and 10 without the fault"
 */
void reason_differs(const struct transcript *transcript, enum rule_id rule, const struct charge *charge,
                    const struct exhibit *first, struct buf *text);
/* What to do about it, where that is nearer than the rule's fix; else NULL. */
const char *reason_fix_effect(const struct transcript *transcript, const struct exhibit *first);
/* "/price 10", "no record": what one side has, in effect->expected or effect->found */
void reason_held(const struct effect *effect, const char *value, struct buf *text);
/* It was killed and did not come back; and what to do about it. */
void reason_death(const struct transcript *transcript, const struct trial *trial, struct buf *text);
const char *reason_fix_death(void);
/* Why a trial says nothing. */
void reason_open(const struct transcript *transcript, const struct trial *trial, struct buf *text);

#endif
