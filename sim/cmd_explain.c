/* cmd_explain: pimsim explain [RULE]: all there is to know about a rule for whoever must make it hold. */
#include <string.h>

#include "cmd.h"
#include "connector.h"
#include "judge.h"
#include "scenario.h"

#define EXPLAIN_BYTES_MAX (1u << 20)
#define LABEL_COLUMNS     12
#define TEXT_COLUMNS      80

static bool judges(const struct scenario *scenario, const struct rule *rule)
{
    for (size_t i = 0; i < scenario->rule_count; i++)
        if (strcmp(scenario->rules[i], rule->id) == 0)
            return true;
    return false;
}

/* ---- how it is judged ------------------------------------------------------------------------------ */

#define SEE     "--state-url, --state-cmd or --sink"
#define RESTART "--exec"

static bool restarts(const struct scenario *s)
{
    for (size_t i = 0; i < s->fault_count; i++)
        if (s->faults[i].kind == FAULT_RESTART)
            return true;
    return false;
}

/* One of the scenario's requests must not have an effect, or the rule says why. */
static bool forbids_effects(const struct scenario *s, const struct rule *rule)
{
    for (size_t i = 0; i < s->fault_count; i++)
        for (size_t k = 0; k < s->faults[i].how_count; k++) {
            const struct variant_row *variant = variant_get(s->faults[i].hows[k]);
            if (variant->expect == EXPECT_REFUSE && strcmp(variant->rule, rule->id) == 0)
                return true;
        }
    return false;
}

/* What judges a rule, and which options a run needs for that. */
struct judging {
    const char *by, *needs; /* NULL: nothing */
};

static struct judging judging_of(const struct rule *rule, const struct suite *suite)
{
    bool by_state = category_at(category_of(rule))->judged_by == BY_STATE, state = false, restart = false;
    bool port = false;
    for (size_t i = 0; i < suite->count; i++) {
        const struct scenario *s = suite->scenarios[i];
        bool own = s->effects && strcmp(s->effects, rule->id) == 0;
        state |= own || (s->effects && forbids_effects(s, rule));
        restart |= own && restarts(s);
        port |= s->migration && judges(s, rule);
    }
    if (port)
        return (struct judging){"the connector's state: every change happens to three products, two of which "
                                "are told through the "
                                "Events API and the third through AEP; where the third ends otherwise than "
                                "the other two, it speaks "
                                "against the port (docs/migration.md)",
                                "--url-events-api, --url-aep and --pim; " SEE};
    if (by_state)
        return (struct judging){
            "the connector's state: every change happens to three products, twice undisturbed and once with "
            "the fault; where the third ends otherwise than the other two, it speaks against the connector "
            "(docs/effects.md)",
            restart ? SEE "; and " RESTART : SEE};
    return (struct judging){state
                                ? "how the connector answers; and by the state that it is left in, given " SEE
                                : "how the connector answers",
                            NULL};
}

/* ---- the page -------------------------------------------------------------------------------------- */

static bool is(const char *found, const struct rule *rule)
{
    return found && strcmp(found, rule->id) == 0;
}

/* What a run without names leaves out: the scenario that shows the rule, if no other does. */
static const char *only_when_named(const struct suite *suite, const struct rule *rule)
{
    const char *name = NULL;
    for (size_t i = 0; i < suite->count; i++) {
        if (!judges(suite->scenarios[i], rule))
            continue;
        if (!suite->scenarios[i]->flow && !suite->scenarios[i]->migration)
            return NULL;
        name = name ? name : suite->scenarios[i]->name;
    }
    return name;
}

/* The command that shows the rule being broken; false if this bug does not break it. */
static bool put_command(const struct connector_bug_row *bug, const struct rule *rule,
                        const struct suite *suite, struct buf *out)
{
    const char *named = only_when_named(suite, rule);
    bool aep = is(bug->rule_aep, rule), events_api = is(bug->rule_events_api, rule);
    if (aep || events_api)
        buf_printf(out, "pimsim demo --bug %s%s%s%s", bug->name, named ? " " : "", named ? named : "",
                   aep ? "" : " --platform events-api");
    return aep || events_api;
}

static void put_field(struct buf *out, const char *label, const char *text)
{
    buf_printf(out, "%-*s", LABEL_COLUMNS, label);
    cmd_put_text(out, text, LABEL_COLUMNS, TEXT_COLUMNS);
}

static void put_text(const struct rule *rule, const struct suite *suite, const char *platforms,
                     struct buf *out)
{
    buf_printf(out, "%s (%s; %s)\n", rule->id, level_names[rule->level], platforms);
    cmd_put_text(out, rule->holds, 0, TEXT_COLUMNS);
    buf_putc(out, '\n');
    struct judging judging = judging_of(rule, suite);
    put_field(out, "Otherwise", rule->why);
    put_field(out, "Fix", rule->fix);
    put_field(out, "Clause", rule->clause);
    put_field(out, "Judged by", judging.by);
    if (judging.needs)
        put_field(out, "Needs", judging.needs);
    const char *label = "Judged in";
    for (size_t i = 0; i < suite->count; i++)
        if (judges(suite->scenarios[i], rule)) {
            put_field(out, label, suite->scenarios[i]->name);
            label = "";
        }
    label = "See it fail";
    for (size_t i = 0; i < connector_bug_count(); i++) {
        struct buf command;
        buf_init(&command, EXPLAIN_BYTES_MAX);
        if (put_command(connector_bug_at(i), rule, suite, &command)) {
            put_field(out, label, buf_text(&command));
            label = "";
        }
        buf_reset(&command);
    }
}

static void put_json(const struct rule *rule, const struct suite *suite, const char *platforms,
                     struct buf *out)
{
    struct json_writer w;
    struct judging judging = judging_of(rule, suite);
    json_begin(&w, out, true);
    json_open(&w, NULL, '{');
    json_put(&w, "rule", rule->id);
    json_put(&w, "level", level_names[rule->level]);
    json_put(&w, "platforms", platforms);
    json_put(&w, "holds", rule->holds);
    json_put(&w, "why", rule->why);
    json_put(&w, "fix", rule->fix);
    json_put(&w, "clause", rule->clause);
    json_put(&w, "judged_by", judging.by);
    json_put(&w, "needs", judging.needs);
    json_open(&w, "scenarios", '[');
    for (size_t i = 0; i < suite->count; i++)
        if (judges(suite->scenarios[i], rule))
            json_put(&w, NULL, suite->scenarios[i]->name);
    json_close(&w, ']');
    json_open(&w, "commands", '[');
    for (size_t i = 0; i < connector_bug_count(); i++) {
        struct buf command;
        buf_init(&command, EXPLAIN_BYTES_MAX);
        if (put_command(connector_bug_at(i), rule, suite, &command))
            json_put(&w, NULL, buf_text(&command));
        buf_reset(&command);
    }
    json_close(&w, ']');
    json_close(&w, '}');
    buf_putc(out, '\n');
}

static const struct rule *find(const char *id, struct err *err)
{
    const char *nearest = NULL;
    if (rule_known(id, &nearest))
        return rule_find(id);
    if (nearest)
        err_set(err, "%s: unknown rule (did you mean %s?)", id, nearest);
    else
        err_set(err, "%s: unknown rule; pimsim list rules shows them", id);
    return NULL;
}

bool cmd_explain(const struct options *options, enum exit_code *code, struct err *err)
{
    if (options->args.count == 0) {
        const char *rules[] = {"rules"};
        struct options listing = *options;
        listing.args = (struct text_list){.items = rules, .count = 1};
        return cmd_list(&listing, code, err);
    }
    const struct rule *rule = find(options->args.items[0], err);
    if (!rule)
        return false;
    struct data *data = NULL;
    struct suite suite = {0};
    struct buf platforms, out;
    buf_init(&platforms, EXPLAIN_BYTES_MAX);
    buf_init(&out, EXPLAIN_BYTES_MAX);
    bool ok = data_open(&data, options->data, err) && suite_load(&suite, data, NULL, 0, rule_known, err);
    if (ok) {
        bool json = strcmp(options->format, "json") == 0;
        cmd_put_platforms(rule->platforms, &platforms);
        (json ? put_json : put_text)(rule, &suite, buf_text(&platforms), &out);
        cmd_print(&out);
        *code = EXIT_CONFORMS;
    }
    buf_reset(&out);
    buf_reset(&platforms);
    suite_reset(&suite);
    data_close(data);
    return ok;
}
