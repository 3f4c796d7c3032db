/* cmd_list: pimsim list [events|scenarios|rules|bugs|platforms], as a table or as JSON; without a word, the
 * lists that there are. */
#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "connector.h"
#include "judge.h"
#include "profile.h"
#include "scenario.h"

#define LIST_BYTES_MAX (16u << 20)
#define COLUMNS_MAX    4

struct table {
    const char *const *columns; /* their names, which are JSON's keys too */
    size_t column_count;
    char **cells; /* row by row; NULL: nothing there */
    size_t count, cap;
};

static void add(struct table *table, const char *text)
{
    table->cells = mem_grow(table->cells, &table->cap, table->count, sizeof *table->cells);
    table->cells[table->count++] = text ? mem_text(text) : NULL;
}

static void add_platforms(struct table *table, unsigned platforms)
{
    struct buf text;
    buf_init(&text, LIST_BYTES_MAX);
    cmd_put_platforms(platforms, &text);
    add(table, buf_text(&text));
    buf_reset(&text);
}

static void add_u64(struct table *table, uint64_t n, const char *unit)
{
    struct buf text;
    buf_init(&text, LIST_BYTES_MAX);
    buf_printf(&text, "%" PRIu64 "%s", n, unit);
    add(table, buf_text(&text));
    buf_reset(&text);
}

/* ---- the lists ------------------------------------------------------------------------------------- */

static bool fill_events(struct table *table, const struct options *options, struct err *err)
{
    (void)options, (void)err;
    for (size_t i = 0; i < event_type_count(); i++) {
        const struct event_type *type = event_type_at(i);
        add(table, type->name);
        add(table, type->wire[PLATFORM_EVENTS_API]);
        add(table, type->wire[PLATFORM_AEP]);
    }
    return true;
}

static bool fill_scenarios(struct table *table, const struct options *options, struct err *err)
{
    struct data *data;
    struct suite suite = {0};
    if (!data_open(&data, options->data, err))
        return false;
    bool ok = suite_load(&suite, data, NULL, 0, rule_known, err);
    for (size_t i = 0; i < suite.count; i++) {
        add(table, suite.scenarios[i]->name);
        add_platforms(table, suite.scenarios[i]->platforms);
        add(table, suite.scenarios[i]->title);
    }
    suite_reset(&suite);
    data_close(data);
    return ok;
}

static bool fill_rules(struct table *table, const struct options *options, struct err *err)
{
    (void)options, (void)err;
    for (size_t i = 0; i < rule_count(); i++) {
        const struct rule *rule = rule_at(i);
        add(table, rule->id);
        add(table, level_names[rule->level]);
        add_platforms(table, rule->platforms);
        add(table, rule->holds);
    }
    return true;
}

static bool fill_bugs(struct table *table, const struct options *options, struct err *err)
{
    (void)options, (void)err;
    for (size_t i = 0; i < connector_bug_count(); i++) {
        const struct connector_bug_row *bug = connector_bug_at(i);
        add(table, bug->name);
        add(table, bug->rule_events_api);
        add(table, bug->rule_aep);
        add(table, bug->summary);
    }
    return true;
}

static bool fill_platforms(struct table *table, const struct options *options, struct err *err)
{
    (void)options, (void)err;
    for (size_t i = 0; i < PLATFORM_COUNT; i++) {
        const struct profile *profile = profile_get((enum platform_id)i);
        add(table, platform_names[i]);
        add_u64(table, profile->deadline_us / 1000, "ms");
        add_u64(table, profile->events_per_request_max, "");
        add(table, profile->title);
    }
    return true;
}

struct list {
    const char *name, *what;
    const char *columns[COLUMNS_MAX];
    bool (*fill)(struct table *table, const struct options *options, struct err *err);
};

static const struct list lists[] = {
    {"events", "what the PIM can tell of", {"event", "events-api", "aep"}, fill_events},
    {"scenarios", "what run and demo play", {"scenario", "platforms", "title"}, fill_scenarios},
    {"rules", "what a connector must do, or should", {"rule", "level", "platforms", "holds"}, fill_rules},
    {"bugs", "how to break the reference connector", {"bug", "events-api", "aep", "what"}, fill_bugs},
    {"platforms", "who sends", {"platform", "deadline", "batch", "title"}, fill_platforms},
};

static bool fill_lists(struct table *table, const struct options *options, struct err *err)
{
    (void)options, (void)err;
    for (size_t i = 0; i < COUNT_OF(lists); i++) {
        add(table, lists[i].name);
        add(table, lists[i].what);
    }
    return true;
}

static const struct list *find(const struct options *options, struct err *err)
{
    static const struct list contents = {NULL, NULL, {"list", "what"}, fill_lists};
    const char *names[COUNT_OF(lists)];
    const char *name = options->args.count ? options->args.items[0] : NULL;
    if (!name)
        return &contents;
    for (size_t i = 0; i < COUNT_OF(lists); i++) {
        names[i] = lists[i].name;
        if (strcmp(name, names[i]) == 0)
            return &lists[i];
    }
    const char *nearest = word_nearest(name, names, COUNT_OF(names));
    if (nearest)
        err_set(err, "%s: nothing to list (did you mean %s?)", name, nearest);
    else
        err_set(err, "%s: nothing to list; pimsim list shows what there is", name);
    return NULL;
}

/* ---- rendering ------------------------------------------------------------------------------------- */

static void put_line(const struct table *table, const size_t *widths, const char *const *cells,
                     struct buf *out)
{
    for (size_t i = 0; i < table->column_count; i++) {
        const char *cell = cells[i] ? cells[i] : "-";
        bool last = i + 1 == table->column_count;
        buf_printf(out, "%-*s%s", last ? 0 : (int)widths[i], cell, last ? "\n" : "  ");
    }
}

static void put_text(const struct table *table, struct buf *out)
{
    assert(table->column_count > 0);
    size_t widths[COLUMNS_MAX] = {0};
    for (size_t i = 0; i < table->column_count; i++)
        widths[i] = strlen(table->columns[i]);
    for (size_t i = 0; i < table->count; i++) {
        size_t *width = &widths[i % table->column_count];
        size_t len = table->cells[i] ? strlen(table->cells[i]) : 1;
        *width = len > *width ? len : *width;
    }
    put_line(table, widths, table->columns, out);
    for (size_t i = 0; i < table->count; i += table->column_count)
        put_line(table, widths, (const char *const *)&table->cells[i], out);
}

static void put_json(const struct table *table, struct buf *out)
{
    struct json_writer w;
    json_begin(&w, out, true);
    json_open(&w, NULL, '[');
    for (size_t i = 0; i < table->count; i++) {
        size_t column = i % table->column_count;
        if (column == 0)
            json_open(&w, NULL, '{');
        json_put(&w, table->columns[column], table->cells[i]);
        if (column + 1 == table->column_count)
            json_close(&w, '}');
    }
    json_close(&w, ']');
    buf_putc(out, '\n');
}

bool cmd_list(const struct options *options, enum exit_code *code, struct err *err)
{
    const struct list *list = find(options, err);
    struct buf out;
    if (!list)
        return false;
    struct table table = {.columns = list->columns};
    while (table.column_count < COLUMNS_MAX && table.columns[table.column_count])
        table.column_count++;
    buf_init(&out, LIST_BYTES_MAX);
    bool ok = list->fill(&table, options, err);
    if (ok) {
        (strcmp(options->format, "json") == 0 ? put_json : put_text)(&table, &out);
        cmd_print(&out);
        *code = EXIT_CONFORMS;
    }
    for (size_t i = 0; i < table.count; i++)
        free(table.cells[i]);
    free(table.cells);
    buf_reset(&out);
    return ok;
}
