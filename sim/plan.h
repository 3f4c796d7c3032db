/* plan: what happens inside the PIM, and when: a sorted, immutable list of changes and faults.
 *
 * (scenario, platform, seed) decide it completely, on every machine. Pure: no clock, no I/O. */
#ifndef PIMSIM_PLAN_H
#define PIMSIM_PLAN_H

#include "base.h"
#include "idents.h"
#include "profile.h"
#include "scenario.h"

/* One event on its way to the connector. 40 bytes: a million of them are 40 MB. */
struct plan_item {
    uint64_t at_us;      /* when it is due at the sender, virtual, from the scenario's start */
    uint64_t changed_us; /* when the PIM was changed; the event may come much later */
    uint32_t order;      /* breaks ties of at_us: the place in the stream */
    uint32_t event;      /* which event: its id follows from this number */
    uint32_t entity;     /* which entity of its source's pool; of its universe: entity / universes */
    uint32_t version;    /* the entity's state after the change */
    uint16_t source;     /* index into plan->sources, or PLAN_REACHABILITY or PLAN_SNAPSHOT */
    uint8_t copy;        /* 0: the event itself; 1: its copy */
    uint8_t variant;     /* enum fault_variant; VARIANT_NONE: undisturbed */
    uint8_t spec;        /* which of the scenario's faults that variant is of */
    bool copied;         /* a copy of it is planned too */
};

/* Not events: the reachability check; and two moments when nothing is in flight. PLAN_SNAPSHOT: look at the
 * state, where B comes after A and A' (a restart), between the two; the look after the last item is not
 * planned. PLAN_SETTLE: go on when the state stands still. */
#define PLAN_REACHABILITY UINT16_MAX
#define PLAN_SNAPSHOT     (UINT16_MAX - 1)
#define PLAN_SETTLE       (UINT16_MAX - 2)

static inline bool plan_is_event(const struct plan_item *item)
{
    return item->source < PLAN_SETTLE;
}

/* What an event is made from: a fixture, the entities it is about, and whose values they have. */
struct plan_source {
    struct fixture *fixture;
    const char *event; /* as the scenario calls it; a delta goes by the name of the update before it */
    const char *pool;  /* names the entities: steps with the same pool speak of the same ones */
    bool catalog;      /* values from the catalogue, not from the fixture */
    bool own;          /* the connector itself caused the changes */
};

struct plan {
    const struct scenario *scenario; /* borrowed */
    const struct profile *profile;
    uint64_t seed;      /* of this scenario: from the run's seed, its name and the platform */
    uint32_t batch;     /* events a request: the scenario's, at most the platform's */
    unsigned universes; /* 1, or 3 where effects are judged: every change happens in each (effects.h) */
    struct plan_source *sources;
    size_t source_count, source_cap;
    struct catalog *catalog; /* NULL unless a source wants it */
    struct plan_item *items; /* by at_us, then order, then copy; behind them, those that were dropped */
    size_t count, cap;
    uint32_t event_count; /* distinct events, dropped ones included */
    uint32_t dropped;     /* by a fault, or not this platform's part of a migration */
    uint64_t age_us; /* how old the first change is when the scenario starts; the newest is a second old */
};

bool plan_build(struct plan **plan, const struct scenario *scenario, const struct profile *profile,
                const struct settings *settings, struct data *data, uint64_t seed, struct err *err) MUST_USE;
void plan_free(struct plan *plan);

/* Append the event of an item, as its platform spells it; wall_start_us is when the scenario started. */
void plan_render(const struct plan *plan, const struct plan_item *item, const struct settings *settings,
                 int64_t wall_start_us, struct buf *out);
/* When the PIM was changed, by the wall clock: before the run, or a receiver would meet an event from the
 * future. */
int64_t plan_wall_us(const struct plan *plan, uint64_t changed_us, int64_t wall_start_us);
/* Append the item's product or product model as the PIM shows it after the change: as the Events API does. */
void plan_put_resource(const struct plan *plan, const struct plan_item *item, int64_t wall_start_us,
                       struct buf *out);
/* The item's event id, the same whenever the plan is played, and the name of its entity. */
void plan_event_id(const struct plan *plan, const struct plan_item *item, char id[UUID_SIZE]);
void plan_entity(const struct plan *plan, const struct plan_item *item, struct entity *entity);
/* Which universe the item belongs to: with one only, B. Faults strike B alone. */
enum universe plan_universe(const struct plan *plan, const struct plan_item *item);
/* Append the neutral name of the item's entity, the same in every universe: "product 3". */
void plan_about(const struct plan *plan, const struct plan_item *item, struct buf *out);
/* Add the ids of all entities and events, dropped ones included. */
void plan_add_idents(const struct plan *plan, struct idents *idents);
/* The neutral name of the item's event, "product.updated". */
const char *plan_event_name(const struct plan *plan, const struct plan_item *item);
/* One NDJSON line about the item, without its newline; the same bytes for the same seed. */
void plan_print(const struct plan *plan, const struct plan_item *item, struct buf *out);

#endif
