/* forecast: how a connector would fare in production: what the platform decided over the hours of one
 * scenario, and what became of its events.
 *
 * It is read from the journal's notices and its tally. Without a tally the run ended early: then it is what
 * the notices and answers until then tell. */
#ifndef PIMSIM_FORECAST_H
#define PIMSIM_FORECAST_H

#include "base.h"
#include "intern.h"
#include "json.h"

#define FORECAST_POINTS_MAX 100

/* Why a subscription was suspended. */
enum cause { CAUSE_NONE, CAUSE_UNKNOWN, CAUSE_NOT_FOUND, CAUSE_REDIRECT, CAUSE_SUCCESS_RATE };
const char *cause_name(enum cause cause);     /* the journal's: "not-found"; NULL for CAUSE_NONE */
const char *cause_sentence(enum cause cause); /* behind "because": "a delivery was answered with 404" */

/* Moments are the platform's, since the start of the scenario. Rates are requests a second. */
struct forecast {
    const char *scenario;
    bool complete; /* it has a tally */
    bool outage;   /* the scenario itself kept requests from the connector */
    uint64_t virtual_us, duration_us;

    /* What became of the events; after_retries: of those that were acknowledged. */
    uint64_t events, acknowledged, dropped, discarded, withheld, lost, pending;
    uint64_t after_retries;

    uint64_t requests, retries, throttled;
    uint64_t rate, rate_max, rate_max_us; /* at the end, and the highest; 0: there is no such law */
    struct forecast_point {
        uint64_t at_us, rate;
    } points[FORECAST_POINTS_MAX]; /* the throughput as it changed, evenly thinned out */
    size_t point_count;
    uint64_t point_gap_us;

    uint64_t pauses, paused_us, first_pause_us; /* for its quota, of a minute or more each */

    uint64_t suspensions;
    enum cause cause; /* of the first, CAUSE_NONE: never */
    uint64_t suspended_us;
    bool resumed; /* after it … */
    uint64_t resumed_us;

    /* Success of a rolling hour in parts of a million: what is asked for (0: nothing), and the worst. */
    uint64_t success_min_ppm, success_worst_ppm, success_worst_us;

    struct interns retried; /* the ids of events that were sent again after a failure */
    bool begun;             /* something was sent … */
    uint64_t begun_us;      /* … by the clock of the run */
};

/* Into a forecast that began zeroed, in the order of the journal. The tally replaces what was counted. */
void forecast_count_request(struct forecast *forecast, uint64_t at_us, uint64_t virtual_us);
void forecast_count_answer(struct forecast *forecast, uint64_t at_us);
/* id: of the first of the events. again: not at the first attempt. */
void forecast_count_acknowledged(struct forecast *forecast, uint64_t events, const char *id, bool again);
void forecast_read_notice(struct forecast *forecast, const struct json_doc *record);
void forecast_read_tally(struct forecast *forecast, const struct json_doc *record);
void forecast_reset(struct forecast *forecast);

/* How far the worst hour stayed from suspension, in parts of a million; below 0: it did not. False where
 * nothing is asked for. */
bool forecast_margin(const struct forecast *forecast, int64_t *ppm);
void forecast_put_moment(uint64_t us, struct buf *text); /* "02:07:10" */
void forecast_put_span(uint64_t us, struct buf *text);   /* "24 h", "7 min 30 s" */
void forecast_put_margin(const struct forecast *f,
                         struct buf *text); /* "1.7 points above the limit of 90 %" */

#endif
