/* record: what a run writes into its journal: one function for each kind of record that docs/formats.md
 * describes, in the order in which a run needs them. */
#ifndef PIMSIM_RECORD_H
#define PIMSIM_RECORD_H

#include "deliver.h"
#include "journal.h"
#include "observe.h"
#include "platform.h"

struct recorder {
    struct journal *journal;
    uint64_t started_us; /* clock_mono_us: moments are recorded since then */
};

struct record_run {
    const struct profile *profile;
    const char *url, *command; /* as they may be shown */
    uint64_t seed, deadline_us;
};
void record_run(const struct recorder *r, const struct record_run *run);

/* skipped: why it is not played; NULL: it is. */
void record_scenario(const struct recorder *r, const struct scenario *scenario, const char *skipped);
/* What the platform decided, and what became of the events in the end. */
void record_notice(const struct recorder *r, const struct plan *plan, const struct notice *notice);
struct record_tally {
    struct tally tally;
    const struct flow *flow;
    uint64_t rate_max, virtual_us;
    bool outage; /* the scenario kept requests from the connector */
};
void record_tally(const struct recorder *r, const struct record_tally *t);
void record_settled(const struct recorder *r, const struct scenario *scenario, bool given_up);

/* A request that is handed to the network, with its body. */
struct record_send {
    uint32_t number;
    const struct plan *plan;
    const struct delivery *delivery;
    const struct message *message;
    uint64_t scheduled_us, sent_us; /* clock_mono_us */
    uint64_t virtual_us;            /* where the platform's laws are in force; else 0 */
    bool diagnosis;
    const char *mistake; /* of a diagnosis */
};
void record_send(const struct recorder *r, const struct record_send *send);
/* The same of a notification: of send, what no plan is needed for. */
void record_notification(const struct recorder *r, const struct record_send *send, const char *type);
/* A call of the connector to our PIM. */
void record_call(const struct recorder *r, const char *method, const char *target, unsigned status);
void record_answer(const struct recorder *r, const struct record_send *send, const struct answer *answer);

/* failed: why it did not come back; NULL: it did. */
void record_restart(const struct recorder *r, uint32_t delivery, uint64_t killed_us, const char *failed);
/* A look at the state, with all that it held. */
void record_snapshot(const struct recorder *r, const struct observation *observation);

void record_end(const struct recorder *r, const char *reason);

#endif
