/* plan: see plan.h. A stream of changes is laid out in order, then every fault goes over it once,
 * drawing from a random stream of its own, and the result is sorted. */
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

/* The entities that a pool has so far. */
struct pool {
    const char *name;
    uint32_t *versions; /* of each entity: how often it was updated */
    size_t count, cap;
};

struct builder {
    struct plan *plan;
    const struct settings *settings;
    struct data *data;
    struct pool *pools;
    size_t pool_count, pool_cap;
    double at_us;   /* where the stream is */
    uint32_t round; /* which change of an entity this is */
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
    if (!pace->rate_top)
        return pace->rate;
    uint32_t batch_max = plan->profile->events_per_request_max;
    return plan->profile->requests_per_second_top * (pace->batch < batch_max ? pace->batch : batch_max);
}

/* Move the stream's clock on by one event. The events of a request are due together. */
static void advance(struct builder *b)
{
    const struct pace *pace = &b->plan->scenario->pace;
    double rate = events_per_second(b->plan);
    if (rate <= 0 || b->plan->event_count % pace->batch)
        return;
    double ramped = pace->ramp_us ? b->at_us / (double)pace->ramp_us : 1;
    if (ramped < 1)
        rate *= 0.1 + 0.9 * ramped;
    b->at_us += 1e6 * pace->batch / rate;
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

/* The entities of a step: new ones when it asks for them, else those that are there. */
static void choose_entities(struct pool *pool, uint32_t wanted, uint32_t *first, uint32_t *count)
{
    bool fresh = wanted || pool->count == 0;
    *first = fresh ? (uint32_t)pool->count : 0;
    *count = fresh ? (wanted ? wanted : 1) : (uint32_t)pool->count;
    while (pool->count < (size_t)*first + *count) {
        pool->versions = mem_grow(pool->versions, &pool->cap, pool->count, sizeof *pool->versions);
        pool->versions[pool->count++] = 0;
    }
}

static bool add_changes(struct builder *b, const struct step *step, uint16_t source, struct err *err)
{
    struct plan *plan = b->plan;
    struct pool *pool = find_pool(b, plan->sources[source].pool);
    enum change change = fixture_type(plan->sources[source].fixture)->change;
    uint32_t first, count;
    choose_entities(pool, step->entities, &first, &count);
    if ((uint64_t)count * step->times + plan->count > PLAN_EVENTS_MAX)
        return err_set(err, "more than %u events", PLAN_EVENTS_MAX);
    for (uint32_t time = 0; time < step->times; time++) {
        for (uint32_t entity = first; entity < first + count; entity++) {
            if (change == CHANGE_UPDATED)
                pool->versions[entity]++;
            struct plan_item *item = add_item(plan);
            item->at_us = (uint64_t)b->at_us;
            item->event = plan->event_count++;
            item->entity = entity;
            item->version = pool->versions[entity];
            item->changed_ms = (uint32_t)(b->at_us / 1000) + b->round * 1000;
            item->source = source;
            advance(b);
        }
        b->round++;
    }
    return true;
}

static bool add_source(struct builder *b, const struct step *step, const char *event, struct err *err)
{
    struct plan *plan = b->plan;
    struct fixture *fixture;
    if (!fixture_load(&fixture, b->data, event, plan->profile->id, b->settings->pim_version, err))
        return false;
    const struct event_type *type = fixture_type(fixture);
    plan->sources = mem_grow(plan->sources, &plan->source_cap, plan->source_count, sizeof *plan->sources);
    plan->sources[plan->source_count] = (struct plan_source){
        .fixture = fixture,
        .pool = type->kind == ENTITY_PRODUCT         ? "product"
                : type->kind == ENTITY_PRODUCT_MODEL ? "model"
                : type->entity                       ? type->entity
                                                     : "other",
        .catalog = step->catalog && type->kind != ENTITY_OTHER,
    };
    return add_changes(b, step, (uint16_t)plan->source_count++, err);
}

static bool add_step(struct builder *b, const struct step *step, struct err *err)
{
    if (step->reachability) {
        struct plan_item *item = add_item(b->plan);
        item->at_us = (uint64_t)b->at_us;
        item->source = PLAN_REACHABILITY;
        return true;
    }
    if (strcmp(step->event, "*") != 0)
        return add_source(b, step, step->event, err);
    for (size_t i = 0; i < event_type_count(); i++) {
        const struct event_type *type = event_type_at(i);
        if (type->wire[b->plan->profile->id] && !add_source(b, step, type->name, err))
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
    struct rng rng;
    size_t stream_count; /* items before this fault added any */
    unsigned used;       /* how often it struck: its variants take turns */
    double credit;       /* the share of the events passed that is still to be struck */
};

static struct plan_item *add_copy(struct fault_pass *f, size_t at, uint64_t after_us,
                                  enum fault_variant variant)
{
    struct plan_item original = f->plan->items[at];
    struct plan_item *copy = add_item(f->plan);
    *copy = original;
    copy->at_us += after_us;
    copy->copy = (uint8_t)(original.copy + 1);
    copy->variant = (uint8_t)variant;
    copy->spec = f->index;
    return copy;
}

static void strike_duplicate(struct fault_pass *f, size_t at)
{
    add_copy(f, at, rng_range(&f->rng, f->spec->after_min_us, f->spec->after_max_us), VARIANT_DUPLICATE_COPY);
}

static void strike_reorder(struct fault_pass *f, size_t at)
{
    size_t other = at + 1 + rng_below(&f->rng, f->spec->window - 1);
    if (other >= f->stream_count)
        other = f->stream_count - 1;
    struct plan_item *a = &f->plan->items[at], *b = &f->plan->items[other];
    if (b->source == PLAN_REACHABILITY)
        return;
    uint64_t at_us = a->at_us;
    uint32_t order = a->order;
    a->at_us = b->at_us, a->order = b->order;
    b->at_us = at_us, b->order = order;
    a->variant = VARIANT_REORDER_SWAP;
    a->spec = f->index;
}

static void strike_drop(struct fault_pass *f, size_t at)
{
    f->plan->items[at].variant = VARIANT_DROP_LOST;
}

static void strike_delay(struct fault_pass *f, size_t at)
{
    struct plan_item *item = &f->plan->items[at];
    item->at_us += rng_range(&f->rng, f->spec->after_min_us, f->spec->after_max_us);
    item->variant = VARIANT_DELAY_LATE;
    item->spec = f->index;
}

static void strike_burst(struct fault_pass *f, size_t at)
{
    for (size_t i = at; i < f->stream_count && i < at + f->spec->window; i++) {
        struct plan_item *item = &f->plan->items[i];
        if (item->variant != VARIANT_NONE || item->source == PLAN_REACHABILITY)
            continue;
        item->at_us = f->plan->items[at].at_us;
        item->variant = VARIANT_BURST_HEAP;
        item->spec = f->index;
        f->credit -= i > at; /* the one at `at` is on its caller */
    }
}

static void strike_request(struct fault_pass *f, size_t at)
{
    enum fault_variant variant = f->spec->hows[f->used % f->spec->how_count];
    if (variant == VARIANT_FORGE_TAMPERED) {
        add_copy(f, at, TAMPERED_AFTER_US, variant);
        return;
    }
    f->plan->items[at].variant = (uint8_t)variant;
    f->plan->items[at].spec = f->index;
}

static void (*const strikes[FAULT_COUNT])(struct fault_pass *f, size_t at) = {
    [FAULT_DUPLICATE] = strike_duplicate, [FAULT_REORDER] = strike_reorder,   [FAULT_DROP] = strike_drop,
    [FAULT_DELAY] = strike_delay,         [FAULT_BURST] = strike_burst,       [FAULT_FORGE] = strike_request,
    [FAULT_DISCONNECT] = strike_request,  [FAULT_SLOW_BODY] = strike_request, [FAULT_ROTATE] = strike_request,
    [FAULT_MALFORM] = strike_request,     [FAULT_BYTES] = strike_request,
};

/* Half of the events, say, are struck: not each by the toss of a coin, which could spare all of them,
 * but so many of every stretch of the stream, at places that are drawn. */
static void apply_fault(struct plan *plan, const struct fault_spec *spec, uint8_t index)
{
    struct fault_pass f = {.plan = plan, .spec = spec, .index = index, .stream_count = plan->count};
    char stream[32];
    snprintf(stream, sizeof stream, "fault %u", index);
    rng_init(&f.rng, plan->seed, stream);
    f.credit = (double)rng_below(&f.rng, 1000) / 1000;
    for (size_t at = 0; at < f.stream_count; at++) {
        const struct plan_item *item = &plan->items[at];
        if (item->source == PLAN_REACHABILITY || item->variant != VARIANT_NONE)
            continue;
        f.credit += spec->share;
        if (f.credit < 1)
            continue;
        f.credit -= 1;
        strikes[spec->kind](&f, at);
        f.used++;
    }
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

static void remove_dropped(struct plan *plan)
{
    size_t kept = 0;
    for (size_t i = 0; i < plan->count; i++)
        if (plan->items[i].variant != VARIANT_DROP_LOST)
            plan->items[kept++] = plan->items[i];
    plan->dropped = (uint32_t)(plan->count - kept);
    plan->count = kept;
}

/* ---- the whole ---------------------------------------------------------------------------- */

static bool build(struct builder *b, struct err *err)
{
    struct plan *plan = b->plan;
    const struct scenario *s = plan->scenario;
    bool catalog = false;
    for (size_t i = 0; i < s->step_count; i++)
        if (!add_step(b, &s->steps[i], err))
            return err_wrap(err, "%s: stream[%zu]", s->name, i);
    plan->rounds = b->round;
    for (size_t i = 0; i < plan->source_count; i++)
        catalog |= plan->sources[i].catalog;
    if (catalog && !catalog_load(&plan->catalog, b->data, plan->profile->style, err))
        return false;
    for (size_t i = 0; i < s->fault_count; i++)
        apply_fault(plan, &s->faults[i], (uint8_t)i);
    remove_dropped(plan);
    qsort(plan->items, plan->count, sizeof *plan->items, by_time);
    return true;
}

bool plan_build(struct plan **plan, const struct scenario *scenario, const struct profile *profile,
                const struct settings *settings, struct data *data, uint64_t seed, struct err *err)
{
    struct plan *p = mem_alloc(sizeof *p);
    p->scenario = scenario;
    p->profile = profile;
    p->seed = rng_hash(seed, scenario->name, profile->id);
    struct builder b = {.plan = p, .settings = settings, .data = data};
    bool ok = build(&b, err);
    for (size_t i = 0; i < b.pool_count; i++)
        free(b.pools[i].versions);
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

const char *plan_event_name(const struct plan *plan, const struct plan_item *item)
{
    return fixture_type(plan->sources[item->source].fixture)->name;
}

void plan_event_id(const struct plan *plan, const struct plan_item *item, char id[UUID_SIZE])
{
    if (plan->profile->id == PLATFORM_EVENTS_API)
        rng_uuid4(plan->seed, "event", item->event, id);
    else
        rng_uuid7(plan->seed, "event", item->event, ID_EPOCH_US + (int64_t)item->changed_ms * 1000, id);
}

void plan_entity(const struct plan *plan, const struct plan_item *item, struct entity *entity)
{
    const char *pool = plan->sources[item->source].pool;
    rng_uuid4(plan->seed, pool, item->entity, entity->uuid);
    snprintf(entity->code, sizeof entity->code, "%s-%08x", *pool == '/' ? "item" : pool,
             (unsigned)(rng_hash(plan->seed, pool, item->entity) & 0xffffffff));
}

void plan_render(const struct plan *plan, const struct plan_item *item, const struct settings *settings,
                 int64_t wall_start_us, struct buf *out)
{
    const struct plan_source *source = &plan->sources[item->source];
    const struct event_type *type = fixture_type(source->fixture);
    /* The PIM's changes lie before the run, a second between two of the same entity. */
    int64_t first_us = wall_start_us - (int64_t)plan->rounds * 1000000;
    struct event_identity identity = {
        .time_us = first_us + (int64_t)item->changed_ms * 1000,
        .created_us = first_us,
        .subject = settings->subject,
        .source = settings->source,
        .version = item->version,
    };
    plan_event_id(plan, item, identity.id);
    plan_entity(plan, item, &identity.entity);
    const struct item *values = NULL;
    if (source->catalog)
        values =
            catalog_item(plan->catalog, type->kind, item->entity % catalog_count(plan->catalog, type->kind));
    event_render(source->fixture, values, &identity, out);
}

void plan_print(const struct plan *plan, const struct plan_item *item, struct buf *out)
{
    struct json_writer w;
    json_begin(&w, out, false);
    json_open(&w, NULL, '{');
    json_put(&w, "scenario", plan->scenario->name);
    json_put_u64(&w, "at_us", item->at_us);
    if (item->source == PLAN_REACHABILITY) {
        json_put(&w, "check", "reachability");
    } else {
        struct entity entity;
        char id[UUID_SIZE];
        plan_entity(plan, item, &entity);
        plan_event_id(plan, item, id);
        json_put(&w, "event", plan_event_name(plan, item));
        json_put(&w, "event_id", id);
        json_put(&w, "uuid", entity.uuid);
        json_put(&w, "code", entity.code);
        json_put_u64(&w, "version", item->version);
        json_put_u64(&w, "copy", item->copy);
    }
    if (item->variant != VARIANT_NONE) {
        const struct variant_row *variant = variant_get(item->variant);
        json_put(&w, "fault", fault_get(variant->fault)->name);
        json_put(&w, "variant", variant->name);
    }
    json_close(&w, '}');
}
