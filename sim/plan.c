/* plan: see plan.h. A stream of changes is laid out in order, then every fault goes over it once,
 * drawing from a random stream of its own, and the result is sorted. No event is struck by two faults:
 * what the first made of it (a copy that comes later, say) the second could undo.
 *
 * Of three universes, change c of entity e is in universe u the event 3c + u of entity 3e + u. */
#include "plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "limits.h"
#include "rng.h"

/* Event ids carry a time (UUID v7). It is the plan's, so that a seed gives the same ids for ever. */
#define ID_EPOCH_US       (INT64_C(1767225600) * 1000000) /* 2026-01-01T00:00:00Z */
#define TAMPERED_AFTER_US 20000 /* the honest request comes first; its signature is then reused */

/* An entity, and what has happened to it so far. Changes are counted from 1; 0: none. */
struct member {
    uint32_t version;          /* how often it was updated */
    uint32_t updated, removed; /* the newest change of that kind */
    bool late;                 /* it was created, but B hears of that after its updates */
};

struct pool {
    const char *name;
    struct member *members;
    size_t count, cap;
};

struct builder {
    struct plan *plan;
    const struct settings *settings;
    struct data *data;
    struct pool *pools;
    size_t pool_count, pool_cap;
    double at_us;       /* where the stream is */
    uint32_t changes;   /* so far; each is an event in every universe */
    uint32_t round;     /* which change of an entity this is */
    uint64_t looked_us; /* the first look of the stream, as changed_us; 0: none */
};

/* ---- the stream --------------------------------------------------------------------------- */

static struct plan_item *add_item(struct plan *plan)
{
    plan->items = mem_grow(plan->items, &plan->cap, plan->count, sizeof *plan->items);
    struct plan_item *item = &plan->items[plan->count++];
    *item = (struct plan_item){.order = (uint32_t)plan->count};
    return item;
}

static double events_per_second(const struct plan *plan)
{
    const struct pace *pace = &plan->scenario->pace;
    return pace->rate_top ? plan->profile->requests_per_second_top * plan->batch : pace->rate;
}

/* Move the stream's clock on after some changes. The events of a request are due together. */
static void advance(struct builder *b)
{
    uint64_t ramp_us = b->plan->scenario->pace.ramp_us, at_us = (uint64_t)b->at_us;
    double rate = events_per_second(b->plan);
    if (rate <= 0 || b->changes % b->plan->batch)
        return;
    /* In whole numbers: a compiler that fused a multiplication and an addition would plan otherwise. */
    if (at_us < ramp_us)
        rate *= (double)(ramp_us + 9 * at_us) / (double)(10 * ramp_us);
    b->at_us += 1e6 * b->plan->batch * b->plan->universes / rate;
}

static struct pool *find_pool(struct builder *b, const char *name)
{
    for (size_t i = 0; i < b->pool_count; i++)
        if (strcmp(b->pools[i].name, name) == 0)
            return &b->pools[i];
    b->pools = mem_grow(b->pools, &b->pool_cap, b->pool_count, sizeof *b->pools);
    b->pools[b->pool_count] = (struct pool){.name = name};
    return &b->pools[b->pool_count++];
}

/* The entities of a step: new ones when it asks for them, else those that are there. With `apart` each has
 * gone its own way before it was created, so that what changes next is not the same of all. */
static void choose_entities(struct pool *pool, uint32_t wanted, bool apart, uint32_t *first, uint32_t *count)
{
    bool fresh = wanted || pool->count == 0;
    *first = fresh ? (uint32_t)pool->count : 0;
    *count = fresh ? (wanted ? wanted : 1) : (uint32_t)pool->count;
    while (pool->count < (size_t)*first + *count) {
        pool->members = mem_grow(pool->members, &pool->cap, pool->count, sizeof *pool->members);
        pool->members[pool->count] = (struct member){.version = apart ? (uint32_t)pool->count : 0};
        pool->count++;
    }
}

static void add_event(struct builder *b, uint16_t source, uint32_t change, uint32_t entity, unsigned universe,
                      uint32_t version)
{
    struct plan *plan = b->plan;
    struct plan_item *item = add_item(plan);
    item->at_us = (uint64_t)b->at_us;
    item->changed_us = item->at_us + b->round * UINT64_C(1000000);
    item->event = change * plan->universes + universe;
    item->entity = entity * plan->universes + universe;
    item->version = version;
    item->source = source;
}

static void note_change(struct member *member, enum change change, uint32_t number)
{
    if (change == CHANGE_UPDATED)
        member->updated = number;
    if (change == CHANGE_REMOVED)
        member->removed = number;
}

/* One change of each entity. As many as fill a request happen together: in A, then in A', then in B. */
static void add_round(struct builder *b, uint16_t source, const struct pool *pool, uint32_t first,
                      uint32_t count)
{
    struct plan *plan = b->plan;
    enum change change = fixture_type(plan->sources[source].fixture)->change;
    for (uint32_t done = 0, size; done < count; done += size) {
        size = plan->batch - b->changes % plan->batch;
        if (size > count - done)
            size = count - done;
        for (unsigned universe = 0; universe < plan->universes; universe++)
            for (uint32_t i = 0, entity = first + done; i < size; i++, entity++)
                add_event(b, source, b->changes + i, entity, universe, pool->members[entity].version);
        for (uint32_t i = 0; i < size; i++)
            note_change(&pool->members[first + done + i], change, b->changes + i + 1);
        b->changes += size;
        advance(b);
    }
    plan->event_count = b->changes * plan->universes;
    b->round++;
}

/* The changes of a step. Those of its second source follow those of its first: they tell more about them. */
static bool add_changes(struct builder *b, const struct step *step, uint16_t source, uint16_t source_count,
                        struct err *err)
{
    struct plan *plan = b->plan;
    struct pool *pool = find_pool(b, plan->sources[source].pool);
    bool updates = fixture_type(plan->sources[source].fixture)->change == CHANGE_UPDATED;
    uint32_t first, count;
    choose_entities(pool, step->entities, plan->scenario->migration, &first, &count);
    if ((uint64_t)count * step->times * source_count * plan->universes + plan->count > PLAN_EVENTS_MAX)
        return err_set(err, "more than %u events", PLAN_EVENTS_MAX);
    for (uint32_t time = 0; time < step->times; time++) {
        for (uint32_t entity = first; updates && entity < first + count; entity++)
            pool->members[entity].version++;
        for (uint16_t i = 0; i < source_count; i++)
            add_round(b, (uint16_t)(source + i), pool, first, count);
    }
    return true;
}

/* What an event is called whether the platform's name or the neutral one was given; a fixture: as given. */
static const char *neutral_name(const char *event)
{
    const struct event_type *type = event_type_find(event);
    return type ? type->name : event;
}

static bool add_source(struct builder *b, const struct step *step, const char *name, const char *event,
                       struct err *err)
{
    struct plan *plan = b->plan;
    struct fixture *fixture;
    if (!fixture_load(&fixture, b->data, name, plan->profile->id, b->settings->pim_version, err))
        return false;
    const struct event_type *type = fixture_type(fixture);
    plan->sources = mem_grow(plan->sources, &plan->source_cap, plan->source_count, sizeof *plan->sources);
    plan->sources[plan->source_count++] = (struct plan_source){
        .fixture = fixture,
        .event = neutral_name(event),
        .pool = type->kind == ENTITY_PRODUCT         ? "product"
                : type->kind == ENTITY_PRODUCT_MODEL ? "model"
                : type->entity                       ? type->entity
                                                     : "other",
        .catalog = (step->catalog || plan->scenario->migration) && type->kind != ENTITY_OTHER,
        .own = step->own,
    };
    return true;
}

static bool add_events(struct builder *b, const struct step *step, const char *event, struct err *err)
{
    struct plan *plan = b->plan;
    size_t first = plan->source_count;
    if (!add_source(b, step, event, event, err))
        return false;
    if (step->delta && plan->profile->id == PLATFORM_AEP) {
        char delta[128];
        snprintf(delta, sizeof delta, "%s.delta",
                 fixture_type(plan->sources[first].fixture)->wire[PLATFORM_AEP]);
        if (!add_source(b, step, delta, event, err))
            return false;
    }
    return add_changes(b, step, (uint16_t)first, (uint16_t)(plan->source_count - first), err);
}

static bool add_step(struct builder *b, const struct step *step, struct err *err)
{
    if (step->check != CHECK_NONE) {
        struct plan_item *item = add_item(b->plan);
        item->at_us = (uint64_t)b->at_us;
        item->source = step->check == CHECK_SETTLED ? PLAN_SETTLE : PLAN_REACHABILITY;
        if (step->check == CHECK_SETTLED && !b->looked_us)
            b->looked_us = item->at_us + b->round * UINT64_C(1000000);
        return true;
    }
    if (strcmp(step->event, "*") != 0)
        return add_events(b, step, step->event, err);
    for (size_t i = 0; i < event_type_count(); i++) {
        const struct event_type *type = event_type_at(i);
        if (type->wire[b->plan->profile->id] && !add_events(b, step, type->name, err))
            return false;
    }
    return true;
}

/* ---- the faults --------------------------------------------------------------------------- */

/* What one fault needs while it goes over the stream. */
struct fault_pass {
    struct plan *plan;
    const struct fault_spec *spec;
    uint8_t index;
    const char *event; /* the neutral name of those that it strikes; NULL: of any */
    struct rng rng;
    size_t first, stream_end; /* the items of the stream; behind them stand the copies */
    uint64_t start_us;        /* when the stream starts */
    unsigned used;            /* how often it struck: its variants take turns */
    double credit;            /* the share of the events passed that is still to be struck */
};

static bool is_free(const struct plan_item *item)
{
    return plan_is_event(item) && item->variant == VARIANT_NONE && !item->copied;
}

static bool is_called(const struct plan_source *source, const char *event)
{
    return strcmp(source->event, event) == 0 || strcmp(fixture_type(source->fixture)->name, event) == 0;
}

/* Whether it is due while the fault goes on. */
static bool is_within(const struct fault_pass *f, const struct plan_item *item)
{
    return item->at_us >= f->start_us && fault_covers(f->spec, item->at_us - f->start_us);
}

/* Whether the fault is about such an event: its share is of these. */
static bool is_meant(const struct fault_pass *f, const struct plan_item *item)
{
    return is_within(f, item) && (!f->event || is_called(&f->plan->sources[item->source], f->event));
}

static void mark(const struct fault_pass *f, struct plan_item *item, enum fault_variant variant)
{
    item->variant = (uint8_t)variant;
    item->spec = f->index;
}

/* Another event than the one whose turn it is: it is passed and struck in the same moment. */
static void mark_another(struct fault_pass *f, struct plan_item *item, enum fault_variant variant)
{
    mark(f, item, variant);
    if (is_meant(f, item))
        f->credit += f->spec->share - 1;
}

static enum fault_variant next_how(const struct fault_pass *f)
{
    return f->spec->hows[f->used % f->spec->how_count];
}

static uint64_t draw_after_us(struct fault_pass *f)
{
    return rng_range(&f->rng, f->spec->after_min_us, f->spec->after_max_us);
}

static void add_copy(struct fault_pass *f, size_t at, uint64_t after_us, enum fault_variant variant)
{
    struct plan_item *copy = add_item(f->plan), *original = &f->plan->items[at];
    *copy = *original;
    copy->at_us += after_us;
    copy->copy = 1;
    mark(f, copy, variant);
    original->copied = true;
}

/* An event and its copy can come together only where a request has room for two. */
static void strike_duplicate(struct fault_pass *f, size_t at)
{
    if (next_how(f) == VARIANT_DUPLICATE_APART)
        add_copy(f, at, draw_after_us(f), VARIANT_DUPLICATE_APART);
    else if (f->plan->batch > 1)
        add_copy(f, at, 0, VARIANT_DUPLICATE_TOGETHER);
}

static void strike_overlap(struct fault_pass *f, size_t at)
{
    add_copy(f, at, 0, VARIANT_OVERLAP_COPY);
}

static void strike_lost_ack(struct fault_pass *f, size_t at)
{
    mark(f, &f->plan->items[at], VARIANT_LOST_ACK_CUT);
    add_copy(f, at, 0, VARIANT_DUPLICATE_APART);
}

static void strike_restart(struct fault_pass *f, size_t at)
{
    enum fault_variant variant = next_how(f);
    mark(f, &f->plan->items[at], variant);
    if (variant != VARIANT_RESTART_ACKED)
        add_copy(f, at, 0, VARIANT_DUPLICATE_APART);
}

/* Both are out of order then. An event may find none to change places with: the stream's last, say. */
static void strike_reorder(struct fault_pass *f, size_t at)
{
    size_t other = at + 1 + rng_below(&f->rng, f->spec->window - 1);
    if (other >= f->stream_end)
        other = f->stream_end - 1;
    while (other > at && !(is_free(&f->plan->items[other]) && is_within(f, &f->plan->items[other])))
        other--;
    if (other == at)
        return;
    struct plan_item *a = &f->plan->items[at], *b = &f->plan->items[other];
    uint64_t at_us = a->at_us;
    uint32_t order = a->order;
    a->at_us = b->at_us, a->order = b->order;
    b->at_us = at_us, b->order = order;
    mark(f, a, VARIANT_REORDER_SWAP);
    mark_another(f, b, VARIANT_REORDER_SWAP);
}

static void strike_drop(struct fault_pass *f, size_t at)
{
    mark(f, &f->plan->items[at], VARIANT_DROP_LOST);
}

static void strike_delay(struct fault_pass *f, size_t at)
{
    f->plan->items[at].at_us += draw_after_us(f);
    mark(f, &f->plan->items[at], VARIANT_DELAY_LATE);
}

/* The events are held back until the last of them has happened. */
static void strike_burst(struct fault_pass *f, size_t at)
{
    struct plan_item *items = f->plan->items;
    size_t end = at + f->spec->window < f->stream_end ? at + f->spec->window : f->stream_end;
    uint64_t last_us = 0;
    for (size_t i = at; i < end; i++)
        if (is_free(&items[i]) && is_meant(f, &items[i]) && items[i].at_us > last_us)
            last_us = items[i].at_us;
    items[at].at_us = last_us;
    mark(f, &items[at], VARIANT_BURST_HEAP);
    for (size_t i = at + 1; i < end; i++)
        if (is_free(&items[i]) && is_meant(f, &items[i])) {
            items[i].at_us = last_us;
            mark_another(f, &items[i], VARIANT_BURST_HEAP);
        }
}

static void strike_request(struct fault_pass *f, size_t at)
{
    enum fault_variant variant = next_how(f);
    if (variant == VARIANT_FORGE_TAMPERED)
        add_copy(f, at, TAMPERED_AFTER_US, variant);
    else
        mark(f, &f->plan->items[at], variant);
}

static void (*const strikes[FAULT_COUNT])(struct fault_pass *f, size_t at) = {
    [FAULT_DUPLICATE] = strike_duplicate, [FAULT_REORDER] = strike_reorder,
    [FAULT_DROP] = strike_drop,           [FAULT_DELAY] = strike_delay,
    [FAULT_BURST] = strike_burst,         [FAULT_FORGE] = strike_request,
    [FAULT_DISCONNECT] = strike_request,  [FAULT_SLOW_BODY] = strike_request,
    [FAULT_ROTATE] = strike_request,      [FAULT_MALFORM] = strike_request,
    [FAULT_BYTES] = strike_request,       [FAULT_OVERLAP] = strike_overlap,
    [FAULT_LOST_ACK] = strike_lost_ack,   [FAULT_RESTART] = strike_restart,
};

/* Inside 0 … 1, and far enough from both ends that no rounding of the credit counts. */
static double draw_place(struct rng *rng)
{
    return ((double)rng_below(rng, 1000) + 0.5) / 1000;
}

/* Half of the events, say, are struck: not each by the toss of a coin, which could spare all of them,
 * but one in every stretch of two, at a place in it that is drawn. */
static void apply_fault(struct fault_pass f, uint8_t index)
{
    f.index = index;
    f.spec = &f.plan->scenario->faults[index];
    f.event = f.spec->event ? neutral_name(f.spec->event) : NULL;
    if (!strikes[f.spec->kind]) /* an outage meets whatever is sent meanwhile */
        return;
    char stream[32];
    snprintf(stream, sizeof stream, "fault %u", index);
    rng_init(&f.rng, f.plan->seed, stream);
    double place = draw_place(&f.rng);
    for (size_t at = f.first; at < f.stream_end; at++) {
        if (!is_free(&f.plan->items[at]) || !is_meant(&f, &f.plan->items[at]))
            continue;
        f.credit += f.spec->share;
        if (f.credit < place)
            continue;
        f.credit -= 1;
        strikes[f.spec->kind](&f, at);
        f.used++;
        place = draw_place(&f.rng);
    }
}

static bool check_events(const struct plan *plan, struct err *err)
{
    const struct scenario *s = plan->scenario;
    for (size_t i = 0; i < s->fault_count; i++) {
        const char *event = s->faults[i].event;
        bool found = !event;
        for (size_t k = 0; k < plan->source_count && !found; k++)
            found = is_called(&plan->sources[k], neutral_name(event));
        if (!found)
            return err_set(err, "%s: faults[%zu]: no step of the stream is \"%s\"", s->name, i, event);
    }
    return true;
}

/* Puts the items of a universe, and of those after it, behind the others. The first of them. */
static size_t set_apart(struct plan *plan, enum universe universe)
{
    struct plan_item *apart = mem_alloc(plan->count * sizeof *apart);
    size_t others = 0, count = 0;
    for (size_t i = 0; i < plan->count; i++)
        if (plan_universe(plan, &plan->items[i]) >= universe)
            apart[count++] = plan->items[i];
        else
            plan->items[others++] = plan->items[i];
    memcpy(plan->items + others, apart, count * sizeof *apart);
    free(apart);
    return others;
}

/* The items from `first` on come after all others, and after a look at what those have left. */
static void hold_back(struct plan *plan, size_t first, uint64_t until_us, uint16_t look)
{
    uint32_t last = (uint32_t)plan->count;
    for (size_t i = first; i < last; i++) {
        plan->items[i].at_us += until_us;
        plan->items[i].order += last + 1;
    }
    struct plan_item *between = add_item(plan);
    between->at_us = until_us;
    between->source = look;
}

/* In a migration A is over before A' begins, as both are before B: what the connector makes of the time, or
 * of what comes together, differs between them then, and is known for noise. */
static void hold_a2_back(struct plan *plan, uint64_t stream_end_us)
{
    size_t first = set_apart(plan, UNIVERSE_A2);
    for (size_t i = 0; i < first; i++)
        if (!plan_is_event(&plan->items[i])) { /* a look, for both */
            struct plan_item look = plan->items[i];
            *add_item(plan) = look;
        }
    hold_back(plan, first, stream_end_us, PLAN_SETTLE);
}

static void apply_faults(struct builder *b)
{
    struct plan *plan = b->plan;
    size_t first = plan->universes > 1 ? set_apart(plan, UNIVERSE_B) : 0; /* faults strike B alone … */
    struct fault_pass f = {.plan = plan, .first = first, .stream_end = plan->count};
    if (scenario_has(plan->scenario, FAULT_RESTART)) /* … but a restart all: A and A' are over by then */
        hold_back(plan, first, f.start_us = (uint64_t)b->at_us, PLAN_SNAPSHOT);
    for (size_t i = 0; i < plan->scenario->fault_count; i++)
        apply_fault(f, (uint8_t)i);
}

static int by_time(const void *left, const void *right)
{
    const struct plan_item *a = left, *b = right;
    if (a->at_us != b->at_us)
        return a->at_us < b->at_us ? -1 : 1;
    if (a->order != b->order)
        return a->order < b->order ? -1 : 1;
    return a->copy - b->copy;
}

/* What a sound connector refuses, may refuse, or cannot know the meaning of, or never sees. */
static bool takes_no_effect(const struct plan_item *item)
{
    enum expect expect = variant_get(item->variant)->expect;
    return item->variant == VARIANT_DROP_LOST || item->variant == VARIANT_MALFORM_UNKNOWN_TYPE ||
           expect == EXPECT_REFUSE || expect == EXPECT_TAKEN;
}

static uint32_t number_of(const struct plan *plan, const struct plan_item *item)
{
    return item->event / plan->universes + 1;
}

static struct member *member_of(struct builder *b, const struct plan_item *item)
{
    return &find_pool(b, b->plan->sources[item->source].pool)->members[item->entity / b->plan->universes];
}

static enum change change_of(const struct plan *plan, const struct plan_item *item)
{
    return fixture_type(plan->sources[item->source].fixture)->change;
}

/* A later change leaves nothing of it: one who hears of it too late may do as if it had never been. */
static bool is_superseded(struct builder *b, const struct plan_item *item)
{
    const struct member *m = member_of(b, item);
    uint32_t number = number_of(b->plan, item);
    return m->removed > number || (change_of(b->plan, item) == CHANGE_UPDATED && m->updated > number);
}

static bool is_late(const struct plan_item *item)
{
    return !item->copy && (item->variant == VARIANT_DELAY_LATE || item->variant == VARIANT_REORDER_SWAP);
}

enum lack { LACKS_A = 1, LACKS_A2 = 2 };

/* Which of A and A' do without the sibling of an event of B. Both, when it takes no effect in B: if it does,
 * it shows. A', when B hears of it too late: a connector may discard it, or have applied what it was in time,
 * and where that makes a difference (how often something was changed, what a removed product was like) A and
 * A' differ as well. A late creation leaves its values to the updates: there, A' does without one of these.
 */
static uint8_t lack_of(struct builder *b, const struct plan_item *item)
{
    if (!item->copy && takes_no_effect(item))
        return LACKS_A | LACKS_A2;
    if (!is_late(item))
        return 0;
    if (is_superseded(b, item))
        return LACKS_A2;
    member_of(b, item)->late |= change_of(b->plan, item) == CHANGE_CREATED;
    return 0;
}

/* In a migration each platform has its part: the Events API what A and A' are told, and it does not send what
 * the connector did itself; AEP what B is told. After a handover B is told by the other. */
static bool is_others_part(const struct builder *b, const struct plan_item *item)
{
    const struct plan *plan = b->plan;
    enum migration migration = plan->scenario->migration;
    if (!migration || !plan_is_event(item))
        return false;
    bool of_b = plan_universe(plan, item) == UNIVERSE_B;
    bool before = migration == MIGRATION_HANDOVER && item->changed_us < b->looked_us;
    if (plan->profile->id == PLATFORM_AEP)
        return !of_b || before;
    return (of_b && !before && migration != MIGRATION_BESIDES) ||
           (plan->profile->flow.withhold_own && plan->sources[item->source].own);
}

static bool is_dropped(struct builder *b, const struct plan_item *item, const uint8_t *lacks)
{
    if (is_others_part(b, item))
        return true;
    enum universe universe = plan_is_event(item) ? plan_universe(b->plan, item) : UNIVERSE_B;
    uint8_t lack = universe == UNIVERSE_B ? 0 : lacks[number_of(b->plan, item)];
    if (universe == UNIVERSE_B)
        return item->variant == VARIANT_DROP_LOST;
    if (universe == UNIVERSE_A)
        return lack & LACKS_A;
    if (lack || change_of(b->plan, item) != CHANGE_UPDATED || !is_superseded(b, item))
        return lack & LACKS_A2;
    bool late = member_of(b, item)->late;
    member_of(b, item)->late = false;
    return late;
}

/* What a fault dropped, and what A and A' do without. */
static void remove_dropped(struct builder *b)
{
    struct plan *plan = b->plan;
    struct plan_item *items = plan->items;
    uint8_t *lacks = mem_alloc(b->changes + 2); /* by number */
    for (size_t i = 0; i < plan->count && plan->universes > 1; i++)
        if (plan_is_event(&items[i]) && plan_universe(plan, &items[i]) == UNIVERSE_B)
            lacks[number_of(plan, &items[i])] |= lack_of(b, &items[i]);
    size_t kept = 0;
    for (size_t i = 0; i < plan->count; i++) {
        struct plan_item item = items[i];
        if (is_dropped(b, &item, lacks))
            continue;
        items[i] = items[kept];
        items[kept++] = item;
    }
    free(lacks);
    plan->dropped = (uint32_t)(plan->count - kept);
    plan->count = kept;
}

/* One stream was laid out in order: only what a fault touched can be out of place. That alone is sorted, and
 * merged with the rest. */
static void sort_items(struct plan *plan)
{
    if (plan->universes > 1) {
        qsort(plan->items, plan->count, sizeof *plan->items, by_time);
        return;
    }
    struct plan_item *items = plan->items, *touched = mem_alloc(plan->count * sizeof *touched);
    size_t in_place = 0, touched_count = 0;
    for (size_t i = 0; i < plan->count; i++)
        if (items[i].variant == VARIANT_NONE)
            items[in_place++] = items[i];
        else
            touched[touched_count++] = items[i];
    qsort(touched, touched_count, sizeof *touched, by_time);
    for (size_t to = plan->count; touched_count;) {
        bool later = in_place && by_time(&items[in_place - 1], &touched[touched_count - 1]) > 0;
        items[--to] = later ? items[--in_place] : touched[--touched_count];
    }
    free(touched);
}

/* ---- the whole ---------------------------------------------------------------------------- */

static bool load_catalog(struct builder *b, struct err *err)
{
    struct plan *plan = b->plan;
    /* Where B misses changes or gets them late, all must be about one thing; a port gets all, in order. */
    bool steady = plan->universes > 1 && !plan->scenario->migration;
    for (size_t i = 0; i < plan->source_count; i++) {
        if (!plan->sources[i].catalog)
            continue;
        if (!plan->catalog && !catalog_load(&plan->catalog, b->data, plan->profile->style, steady, err))
            return false;
        const struct event_type *type = fixture_type(plan->sources[i].fixture);
        if (!catalog_count(plan->catalog, type->kind))
            return err_set(err, "%s: the catalogue has nothing for %s", plan->scenario->name, type->name);
    }
    return true;
}

static bool build(struct builder *b, struct err *err)
{
    struct plan *plan = b->plan;
    const struct scenario *s = plan->scenario;
    for (size_t i = 0; i < s->step_count; i++)
        if (!add_step(b, &s->steps[i], err))
            return err_wrap(err, "%s: stream[%zu]", s->name, i);
    for (size_t i = 0; i < plan->count; i++)
        if (plan->items[i].changed_us > plan->age_us)
            plan->age_us = plan->items[i].changed_us;
    plan->age_us += 1000000;
    if (!load_catalog(b, err) || !check_events(plan, err))
        return false;
    if (s->migration && plan->profile->id != PLATFORM_AEP)
        hold_a2_back(plan, (uint64_t)b->at_us);
    apply_faults(b);
    remove_dropped(b);
    sort_items(plan);
    return true;
}

bool plan_build(struct plan **plan, const struct scenario *scenario, const struct profile *profile,
                const struct settings *settings, struct data *data, uint64_t seed, struct err *err)
{
    struct plan *p = mem_alloc(sizeof *p);
    p->scenario = scenario;
    p->profile = profile;
    /* Both platforms of a migration speak of the same entities. */
    p->seed = rng_hash(seed, scenario->name, scenario->migration ? (unsigned)PLATFORM_COUNT : profile->id);
    p->universes = scenario->effects ? UNIVERSE_COUNT : 1;
    p->batch = scenario->pace.batch < profile->events_per_request_max ? scenario->pace.batch
                                                                      : profile->events_per_request_max;
    struct builder b = {.plan = p, .settings = settings, .data = data};
    bool ok = build(&b, err);
    for (size_t i = 0; i < b.pool_count; i++)
        free(b.pools[i].members);
    free(b.pools);
    if (!ok) {
        plan_free(p);
        p = NULL;
    }
    *plan = p;
    return ok;
}

void plan_free(struct plan *plan)
{
    if (!plan)
        return;
    for (size_t i = 0; i < plan->source_count; i++)
        fixture_free(plan->sources[i].fixture);
    free(plan->sources);
    catalog_free(plan->catalog);
    free(plan->items);
    free(plan);
}

/* ---- what an item means ------------------------------------------------------------------- */

enum universe plan_universe(const struct plan *plan, const struct plan_item *item)
{
    return plan->universes > 1 ? (enum universe)(item->entity % plan->universes) : UNIVERSE_B;
}

void plan_about(const struct plan *plan, const struct plan_item *item, struct buf *out)
{
    static const char data[] = "/data/"; /* an AEP pointer: the next word says what it is */
    const char *word = plan->sources[item->source].pool;
    if (strncmp(word, data, strlen(data)) == 0)
        word += strlen(data);
    buf_printf(out, "%.*s %u", (int)strcspn(word, "/"), word, item->entity / plan->universes + 1);
}

const char *plan_event_name(const struct plan *plan, const struct plan_item *item)
{
    return fixture_type(plan->sources[item->source].fixture)->name;
}

void plan_event_id(const struct plan *plan, const struct plan_item *item, char id[UUID_SIZE])
{
    if (plan->profile->id == PLATFORM_EVENTS_API)
        rng_uuid4(plan->seed, "event", item->event, id);
    else
        rng_uuid7(plan->seed, "event", item->event, ID_EPOCH_US + (int64_t)item->changed_us, id);
}

void plan_entity(const struct plan *plan, const struct plan_item *item, struct entity *entity)
{
    const char *pool = plan->sources[item->source].pool;
    rng_uuid4(plan->seed, pool, item->entity, entity->uuid);
    /* All 64 bits, or of a million entities a hundred would share their code with another. */
    snprintf(entity->code, sizeof entity->code, "%s-%016llx", *pool == '/' ? "item" : pool,
             (unsigned long long)rng_hash(plan->seed, pool, item->entity));
}

int64_t plan_wall_us(const struct plan *plan, uint64_t changed_us, int64_t wall_start_us)
{
    return wall_start_us - (int64_t)plan->age_us + (int64_t)changed_us;
}

/* Whose values an entity has; NULL: the fixture's own. */
static const struct item *catalog_item_of(const struct plan *plan, const struct plan_item *item)
{
    const struct plan_source *source = &plan->sources[item->source];
    enum entity_kind kind = fixture_type(source->fixture)->kind;
    if (!source->catalog)
        return NULL;
    return catalog_item(plan->catalog, kind,
                        item->entity / plan->universes % catalog_count(plan->catalog, kind));
}

/* A fixture of AEP shows no values. */
static void put_bare_resource(enum entity_kind kind, const struct entity *entity, int64_t created_us,
                              int64_t updated_us, struct buf *out)
{
    char created[CLOCK_TEXT_SIZE], updated[CLOCK_TEXT_SIZE];
    struct json_writer w;
    clock_format_offset(created_us, created);
    clock_format_offset(updated_us, updated);
    json_begin(&w, out, false);
    json_open(&w, NULL, '{');
    if (kind == ENTITY_PRODUCT)
        json_put(&w, "uuid", entity->uuid);
    json_put(&w, kind == ENTITY_PRODUCT ? "identifier" : "code", entity->code);
    json_put(&w, "family", NULL);
    json_put(&w, "parent", NULL);
    json_put_raw(&w, "categories", span_of("[]"));
    json_put_raw(&w, "values", span_of("{}"));
    json_put(&w, "created", created);
    json_put(&w, "updated", updated);
    json_close(&w, '}');
}

void plan_put_resource(const struct plan *plan, const struct plan_item *item, int64_t wall_start_us,
                       struct buf *out)
{
    const struct fixture *fixture = plan->sources[item->source].fixture;
    const struct item *values = catalog_item_of(plan, item);
    int64_t created_us = plan_wall_us(plan, 0, wall_start_us);
    int64_t updated_us = plan_wall_us(plan, item->changed_us, wall_start_us);
    struct entity entity;
    plan_entity(plan, item, &entity);
    if (!values)
        values = fixture_item(fixture);
    if (values)
        item_state(values, &entity, item->version, created_us, updated_us, out);
    else
        put_bare_resource(fixture_type(fixture)->kind, &entity, created_us, updated_us, out);
}

void plan_render(const struct plan *plan, const struct plan_item *item, const struct settings *settings,
                 int64_t wall_start_us, struct buf *out)
{
    const struct plan_source *source = &plan->sources[item->source];
    bool aep = plan->profile->id == PLATFORM_AEP;
    const char *own_author = aep && settings->client_id ? settings->client_id : plan->profile->own_author;
    struct event_identity identity = {
        .time_us = plan_wall_us(plan, item->changed_us, wall_start_us),
        .created_us = plan_wall_us(plan, 0, wall_start_us),
        .subject = settings->subject,
        .source = settings->source,
        .author = source->own ? own_author : NULL,
        .author_type = source->own ? "api" : NULL,
        .version = item->version,
        .identified = aep && settings->send_identifier,
    };
    plan_event_id(plan, item, identity.id);
    plan_entity(plan, item, &identity.entity);
    event_render(source->fixture, catalog_item_of(plan, item), &identity, out);
}

void plan_add_idents(const struct plan *plan, struct idents *idents)
{
    struct buf about;
    buf_init(&about, 256);
    for (size_t i = 0; i < plan->count + plan->dropped; i++) {
        const struct plan_item *item = &plan->items[i];
        if (!plan_is_event(item) || item->copy)
            continue;
        enum universe universe = plan_universe(plan, item);
        struct entity entity;
        char id[UUID_SIZE];
        plan_entity(plan, item, &entity);
        plan_event_id(plan, item, id);
        buf_clear(&about);
        plan_about(plan, item, &about);
        bool two = fixture_type(plan->sources[item->source].fixture)->kind == ENTITY_PRODUCT;
        idents_add_entity(idents, universe, buf_text(&about), two ? FORM_UUID : FORM_ONLY, entity.uuid);
        idents_add_entity(idents, universe, buf_text(&about), two ? FORM_IDENTIFIER : FORM_ONLY, entity.code);
        idents_add_event(idents, universe, id);
    }
    buf_reset(&about);
}

static void print_event(const struct plan *plan, const struct plan_item *item, struct json_writer *w)
{
    struct entity entity;
    char id[UUID_SIZE];
    plan_entity(plan, item, &entity);
    plan_event_id(plan, item, id);
    if (plan->universes > 1) {
        struct buf about;
        buf_init(&about, 256);
        plan_about(plan, item, &about);
        json_put(w, "universe", universe_names[plan_universe(plan, item)]);
        json_put_bytes(w, "about", buf_span(&about));
        buf_reset(&about);
    }
    json_put(w, "event", plan_event_name(plan, item));
    json_put(w, "event_id", id);
    json_put(w, "uuid", entity.uuid);
    json_put(w, "code", entity.code);
    json_put_u64(w, "version", item->version);
    json_put_u64(w, "copy", item->copy);
}

static const char *const check_names[] = {[UINT16_MAX - PLAN_REACHABILITY] = "reachability",
                                          [UINT16_MAX - PLAN_SNAPSHOT] = "snapshot",
                                          [UINT16_MAX - PLAN_SETTLE] = "settled"};

void plan_print(const struct plan *plan, const struct plan_item *item, struct buf *out)
{
    struct json_writer w;
    json_begin(&w, out, false);
    json_open(&w, NULL, '{');
    json_put(&w, "scenario", plan->scenario->name);
    if (plan->scenario->migration)
        json_put(&w, "platform", platform_names[plan->profile->id]);
    json_put_u64(&w, "at_us", item->at_us);
    if (plan_is_event(item))
        print_event(plan, item, &w);
    else
        json_put(&w, "check", check_names[UINT16_MAX - item->source]);
    if (item->variant != VARIANT_NONE) {
        const struct variant_row *variant = variant_get(item->variant);
        json_put(&w, "fault", fault_get(variant->fault)->name);
        json_put(&w, "variant", variant->name);
    }
    json_close(&w, '}');
}
