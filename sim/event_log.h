/* event_log: the log of a run as the PIM shows it for a connection with the Events API: a line for each
 * request that was sent, each event that was not, and each time that the quota was used up.
 *
 * Lines, messages and contexts are those of events-documentation, subscription, "Debugging events". Moments
 * are the platform's: waits that were skipped lie between them. Every function takes NULL for a log. */
#ifndef PIMSIM_EVENT_LOG_H
#define PIMSIM_EVENT_LOG_H

#include "base.h"
#include "deliver.h"
#include "message.h"
#include "plan.h"
#include "platform.h"

struct event_log;

/* Replaces the file; "-" is stdout. */
bool event_log_open(struct event_log **log, const char *path, struct err *err) MUST_USE;
/* Fails if not every line was written. */
bool event_log_close(struct event_log *log, struct err *err) MUST_USE;

/* What the lines that follow are about: a scenario that starts. All is borrowed. */
struct event_log_scene {
    const struct plan *plan;
    const struct settings *settings;
    const char *url; /* as it may be shown */
    uint64_t deadline_us;
    int64_t wall_start_us;
};
void event_log_begin(struct event_log *log, const struct event_log_scene *scene);

/* What came of a delivery, at a moment of the platform's. */
void event_log_answered(struct event_log *log, const struct delivery *delivery, const struct message *message,
                        const struct answer *answer, uint64_t at_us);
void event_log_notice(struct event_log *log, const struct notice *notice);

#endif
