/* flow: how a platform behaves over hours, as numbers: quota, throughput, retries, suspension.
 *
 * A profile has its own numbers, each with its clause; a scenario or an option may set others. flow.def is
 * the one list of them. */
#ifndef PIMSIM_FLOW_H
#define PIMSIM_FLOW_H

#include "base.h"

#define FLOW_RETRIES_MAX 8
#define FLOW_SECOND_US   UINT64_C(1000000)
#define FLOW_MINUTE_US   (60 * FLOW_SECOND_US)
#define FLOW_HOUR_US     (60 * FLOW_MINUTE_US)
#define FLOW_DAY_US      (24 * FLOW_HOUR_US)
#define FLOW_PER_SECOND                                                                                      \
    UINT64_C(1000000) /* rates are in millionths of a request a second: whole numbers,                       \
                       * the same on every machine */

/* The members mean what flow.def says; all are uint64_t. All 0: a sender without any of this. */
struct flow {
    uint64_t quota, quota_window_us, stale_us, withhold_own;
    uint64_t rate_max, rate_min, rate_rise, rate_fall, throttled_us;
    uint64_t retry_us[FLOW_RETRIES_MAX]; /* up to the first 0 */
    uint64_t suspend_at_once, success_min, success_window_us, success_answers, resume_us;
};

/* What is set, over what is the platform's own. */
void flow_unset(struct flow *flow); /* nothing is set */
/* Set a member by its key from text: "4000", "0.5", "10m", "5m,10m,20m"; "0" or "none" for none. */
bool flow_set(struct flow *flow, const char *key, const char *value, struct err *err) MUST_USE;
/* The same from "KEY=VALUE"; what is wrong with the value is said with the key. */
bool flow_assign(struct flow *flow, const char *assignment, struct err *err) MUST_USE;
/* What `above` sets, over what flow sets. */
void flow_override(struct flow *flow, const struct flow *above);
/* wanted may be NULL. Fails when the two do not go together, such as a rate's bounds. */
bool flow_resolve(struct flow *flow, const struct flow *own, const struct flow *wanted,
                  struct err *err) MUST_USE;

/* The list of the keys. */
enum {
#define FLOW(...) +1
    FLOW_KEY_COUNT =
#include "flow.def"
#undef FLOW
};
const char *flow_key_at(size_t index);

#endif
