/* plan: what happens inside the PIM, and when: a sorted, immutable list of changes and faults.
 *
 * (scenario, platform, seed) decide it completely, on every machine. Pure: no clock, no I/O. */
#ifndef PIMSIM_PLAN_H
#define PIMSIM_PLAN_H

#include "base.h"
#include "profile.h"
#include "scenario.h"

/* One event on its way to the connector. 40 bytes: a million of them are 40 MB. */
struct plan_item {
    uint64_t at_us;      /* when it is due at the sender, virtual, from the scenario's start */
    uint32_t event;      /* which event: its id and time follow from this number */
    uint32_t entity;     /* which entity of the step's kind */
    uint32_t version;    /* the entity's state after the change */
    uint32_t changed_ms; /* when the change happened in the PIM; an event may come much later */
    uint16_t source;     /* index into plan->sources; PLAN_REACHABILITY: the reachability check */
    uint8_t copy;        /* 0: the event itself; n: its n-th duplicate */
    uint8_t variant;     /* enum fault_variant of the message or wire, or of the plan; 0: none */
    uint8_t spec;        /* index into scenario->faults of that variant */
};

#define PLAN_REACHABILITY UINT16_MAX

/* What an event is made from: one fixture, and whether its resource is the catalogue's. */
struct plan_source {
    struct fixture *fixture;
    bool catalog;
};

struct plan {
    const struct scenario *scenario; /* borrowed */
    const struct profile *profile;
    uint64_t seed;
    struct plan_source *sources;
    size_t source_count;
    struct plan_item *items; /* by at_us, then by event and copy */
    size_t count;
    uint32_t event_count; /* distinct events, dropped ones included */
    uint32_t dropped;
};

bool plan_build(struct plan **plan, const struct scenario *scenario, const struct profile *profile,
                const struct settings *settings, struct data *data, uint64_t seed, struct err *err) MUST_USE;
void plan_free(struct plan *plan);

/* The identity of an item's event; wall_start_us is when the scenario started. */
void plan_identity(const struct plan *plan, const struct plan_item *item, const struct settings *settings,
                   int64_t wall_start_us, struct event_identity *identity);
/* One NDJSON line about the item, without its newline; the same bytes for the same seed. */
void plan_print(const struct plan *plan, const struct plan_item *item, struct buf *out);

#endif
