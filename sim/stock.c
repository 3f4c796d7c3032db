/* stock: see stock.h. The changes of each universe stand in a list, by time; who asks makes those happen that
 * are due by then. An entity is an entry of its kind's shelf. */
#include "stock.h"

#include <stdlib.h>
#include <string.h>

#include "intern.h"

/* All products, or all models. A name's number is its entry's. */
struct shelf {
    struct interns names[STOCK_NAME_COUNT];
    struct stock_entry *entries;
    size_t count, cap;
    struct stock_entry **sorted;
};

/* What happens in a universe, by time. */
struct course {
    const struct plan_item **changes;
    size_t count, cap;
    size_t happened; /* so many of them */
    uint64_t due_us; /* those before this have */
};

struct stock {
    const struct plan *plan;
    bool indexed;
    struct course courses[UNIVERSE_COUNT];
    struct shelf shelves[ENTITY_OTHER];
};

/* ---- the index ----------------------------------------------------------------------------- */

static const struct event_type *type_of(const struct stock *stock, const struct plan_item *item)
{
    return fixture_type(stock->plan->sources[item->source].fixture);
}

/* Not of a check, of a copy, or of an attribute. */
static bool is_change(const struct stock *stock, const struct plan_item *item)
{
    return item->source < stock->plan->source_count && !item->copy &&
           type_of(stock, item)->kind < ENTITY_OTHER;
}

static struct stock_entry *find_entry(const struct shelf *shelf, enum stock_name kind, const char *name)
{
    uint32_t number = intern_find(&shelf->names[kind], span_of(name));
    return number == INTERN_NONE ? NULL : &shelf->entries[number];
}

/* What it was before its first change: nothing, if that creates it. */
static void set_before(struct stock_entry *entry, const struct plan_item *first, enum change change)
{
    entry->state = *first;
    entry->state.changed_us = 0;
    if (change == CHANGE_UPDATED && first->version)
        entry->state.version--;
    entry->there = change != CHANGE_CREATED;
}

static struct stock_entry *entry_of(struct stock *stock, const struct plan_item *item)
{
    const struct event_type *type = type_of(stock, item);
    struct shelf *shelf = &stock->shelves[type->kind];
    struct entity entity;
    plan_entity(stock->plan, item, &entity);
    struct stock_entry *entry = find_entry(shelf, STOCK_CODE, entity.code);
    if (entry)
        return entry;
    const char *const names[STOCK_NAME_COUNT] = {[STOCK_UUID] = entity.uuid, [STOCK_CODE] = entity.code};
    shelf->entries = mem_grow(shelf->entries, &shelf->cap, shelf->count, sizeof *shelf->entries);
    entry = &shelf->entries[shelf->count++];
    for (size_t i = 0; i < STOCK_NAME_COUNT; i++)
        entry->names[i] = intern_text(&shelf->names[i], intern(&shelf->names[i], span_of(names[i])));
    entry->key = entry->names[type->kind == ENTITY_PRODUCT ? STOCK_UUID : STOCK_CODE];
    set_before(entry, item, type->change);
    return entry;
}

static void happen(struct stock *stock, const struct plan_item *change)
{
    struct stock_entry *entry = entry_of(stock, change);
    entry->state = *change;
    entry->there = type_of(stock, change)->change != CHANGE_REMOVED;
}

static int by_time(const void *left, const void *right)
{
    const struct plan_item *a = *(const struct plan_item *const *)left;
    const struct plan_item *b = *(const struct plan_item *const *)right;
    if (a->changed_us != b->changed_us)
        return a->changed_us < b->changed_us ? -1 : 1;
    return a->event < b->event ? -1 : a->event > b->event;
}

static int by_key(const void *left, const void *right)
{
    const struct stock_entry *a = *(struct stock_entry *const *)left,
                             *b = *(struct stock_entry *const *)right;
    return strcmp(a->key, b->key);
}

static void sort_shelf(struct shelf *shelf)
{
    shelf->sorted = mem_alloc((shelf->count + 1) * sizeof *shelf->sorted);
    for (size_t i = 0; i < shelf->count; i++)
        shelf->sorted[i] = &shelf->entries[i];
    qsort(shelf->sorted, shelf->count, sizeof *shelf->sorted, by_key);
}

static void collect_changes(struct stock *stock)
{
    const struct plan *plan = stock->plan;
    for (size_t i = 0; i < plan->count + plan->dropped; i++) {
        if (!is_change(stock, &plan->items[i]))
            continue;
        struct course *course = &stock->courses[plan_universe(plan, &plan->items[i])];
        course->changes = mem_grow(course->changes, &course->cap, course->count, sizeof *course->changes);
        course->changes[course->count++] = &plan->items[i];
    }
}

static void index_plan(struct stock *stock)
{
    collect_changes(stock);
    for (size_t u = 0; u < UNIVERSE_COUNT; u++) {
        struct course *course = &stock->courses[u];
        if (course->count)
            qsort(course->changes, course->count, sizeof *course->changes, by_time);
        for (size_t i = 0; i < course->count; i++)
            entry_of(stock, course->changes[i]);
    }
    for (size_t i = 0; i < COUNT_OF(stock->shelves); i++)
        sort_shelf(&stock->shelves[i]);
    stock->indexed = true;
}

static void catch_up(struct stock *stock)
{
    if (!stock->indexed)
        index_plan(stock);
    for (struct course *c = stock->courses; c < stock->courses + UNIVERSE_COUNT; c++)
        while (c->happened < c->count && c->changes[c->happened]->changed_us < c->due_us)
            happen(stock, c->changes[c->happened++]);
}

/* ---- asking -------------------------------------------------------------------------------- */

const struct stock_entry *stock_find(struct stock *stock, enum entity_kind kind, enum stock_name name,
                                     const char *text)
{
    if (!stock)
        return NULL;
    catch_up(stock);
    const struct stock_entry *entry = find_entry(&stock->shelves[kind], name, text);
    return entry && entry->there ? entry : NULL;
}

struct stock_entry *const *stock_list(struct stock *stock, enum entity_kind kind, size_t *count)
{
    *count = 0;
    if (!stock)
        return NULL;
    catch_up(stock);
    *count = stock->shelves[kind].count;
    return stock->shelves[kind].sorted;
}

void stock_advance(struct stock *stock, enum universe universe, uint64_t changed_us)
{
    struct course *course = stock ? &stock->courses[universe] : NULL;
    if (course && course->due_us <= changed_us)
        course->due_us = changed_us + (changed_us < UINT64_MAX);
}

/* ---- life ---------------------------------------------------------------------------------- */

struct stock *stock_new(const struct plan *plan, unsigned past)
{
    struct stock *stock = mem_alloc(sizeof *stock);
    stock->plan = plan;
    for (unsigned u = 0; u < UNIVERSE_COUNT; u++)
        stock->courses[u].due_us = past & 1u << u ? UINT64_MAX : 0;
    return stock;
}

void stock_free(struct stock *stock)
{
    if (!stock)
        return;
    for (size_t i = 0; i < COUNT_OF(stock->shelves); i++) {
        struct shelf *shelf = &stock->shelves[i];
        for (size_t name = 0; name < STOCK_NAME_COUNT; name++)
            interns_reset(&shelf->names[name]);
        free(shelf->entries);
        free(shelf->sorted);
    }
    for (size_t u = 0; u < UNIVERSE_COUNT; u++)
        free(stock->courses[u].changes);
    free(stock);
}
