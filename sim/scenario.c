/* scenario: see scenario.h. Every object of the format is a table of members, which says who reads a
 * member, into which field and within which bounds. */
#include "scenario.h"

#include <errno.h>
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "json.h"
#include "limits.h"

#define STEPS_MAX       1000
#define STEP_COUNT_MAX  1000000
#define RATE_MIN        0.01
#define RATE_MAX        100000
#define BATCH_MAX       EVENTS_API_EVENTS_PER_REQUEST_MAX
#define DURATION_US_MAX (24u * 3600 * UINT64_C(1000000))

struct parser {
    struct json_doc doc;
    struct scenario *scenario;
    scenario_rule_fn *rule_known;
};

struct member;
typedef bool read_fn(struct parser *p, uint32_t node, const struct member *m, void *field, struct err *err);

struct member {
    const char *key;
    read_fn *read;
    size_t offset; /* of the field that is read into */
    double min, max;
    bool required;
    uint32_t faults; /* which faults take the key; 0: all */
};

#define MEMBERS_MAX     11
#define AT(type, field) .offset = offsetof(struct type, field)
#define WHOLE           .offset = 0 /* the reader fills several fields */

static bool read_object(struct parser *p, uint32_t object, const struct member *members, size_t count,
                        void *into, struct err *err)
{
    const char *keys[MEMBERS_MAX] = {0};
    for (size_t i = 0; i < count; i++)
        keys[i] = members[i].key;
    if (!json_check_keys(&p->doc, object, keys, count, err))
        return false;
    for (size_t i = 0; i < count; i++) {
        const struct member *m = &members[i];
        uint32_t node = json_get(&p->doc, object, m->key);
        if (node == JSON_NONE && m->required)
            return json_error(&p->doc, object, err, "\"%s\" is missing", m->key);
        if (node != JSON_NONE && !m->read(p, node, m, (char *)into + m->offset, err))
            return false;
    }
    return true;
}

/* ---- readers of single values ------------------------------------------------------------------ */

static bool read_u32(struct parser *p, uint32_t node, const struct member *m, void *field, struct err *err)
{
    uint64_t n;
    if (!json_read_u64(&p->doc, node, (uint64_t)m->min, (uint64_t)m->max, &n, err))
        return false;
    *(uint32_t *)field = (uint32_t)n;
    return true;
}

static bool read_real(struct parser *p, uint32_t node, const struct member *m, void *field, struct err *err)
{
    return json_read_real(&p->doc, node, m->min, m->max, field, err);
}

static bool read_flag(struct parser *p, uint32_t node, const struct member *m, void *field, struct err *err)
{
    (void)m;
    return json_read_bool(&p->doc, node, field, err);
}

/* Text that is shown in one line: not empty, no control characters. */
static bool read_line(struct parser *p, uint32_t node, const struct member *m, void *field, struct err *err)
{
    (void)m;
    if (!json_expect(&p->doc, node, JSON_STRING, err))
        return false;
    struct buf scratch;
    buf_init(&scratch, FILE_BYTES_MAX);
    struct span text = json_string(&p->doc, node, &scratch);
    bool ok = text.len > 0 || json_error(&p->doc, node, err, "this is empty");
    for (size_t i = 0; ok && i < text.len; i++)
        if ((unsigned char)text.data[i] < ' ')
            ok = json_error(&p->doc, node, err, "a control character (a line break, a tab) stands in this");
    if (ok)
        *(char **)field = mem_text_n(text.data, text.len);
    buf_reset(&scratch);
    return ok;
}

static bool read_schema_name(struct parser *p, uint32_t node, const struct member *m, void *field,
                             struct err *err)
{
    (void)m, (void)field;
    return json_expect(&p->doc, node, JSON_STRING, err);
}

static bool parse_duration(struct parser *p, uint32_t node, const char *text, uint64_t *us, struct err *err)
{
    struct err inner;
    if (!word_duration_us(text, us, &inner))
        return json_error(&p->doc, node, err, "%s", inner.text);
    return *us <= DURATION_US_MAX || json_error(&p->doc, node, err, "\"%s\" is longer than 24h", text);
}

static bool read_duration(struct parser *p, uint32_t node, const struct member *m, void *field,
                          struct err *err)
{
    char *text = NULL;
    bool ok = read_line(p, node, m, &text, err) && parse_duration(p, node, text, field, err);
    free(text);
    return ok;
}

/* A stretch of time. */
static bool read_stretch(struct parser *p, uint32_t node, const struct member *m, void *field,
                         struct err *err)
{
    return read_duration(p, node, m, field, err) &&
           (*(uint64_t *)field || json_error(&p->doc, node, err, "this is no time at all"));
}

/* "200ms" or "0ms..200ms", into the two fields of a fault. */
static bool read_after(struct parser *p, uint32_t node, const struct member *m, void *field, struct err *err)
{
    struct fault_spec *spec = field;
    char *text = NULL;
    if (!read_line(p, node, m, &text, err))
        return false;
    char *dots = strstr(text, "..");
    if (dots)
        *dots = '\0';
    bool ok = parse_duration(p, node, text, &spec->after_min_us, err) &&
              parse_duration(p, node, dots ? dots + 2 : text, &spec->after_max_us, err);
    if (ok && spec->after_min_us > spec->after_max_us)
        ok = json_error(&p->doc, node, err, "%s is longer than %s", text, dots + 2);
    free(text);
    return ok;
}

/* An array with at least one and at most max elements. */
static bool expect_list(struct parser *p, uint32_t node, size_t max, struct err *err)
{
    if (!json_expect(&p->doc, node, JSON_ARRAY, err))
        return false;
    size_t count = json_count(&p->doc, node);
    if (count == 0)
        return json_error(&p->doc, node, err, "this is empty");
    return count <= max || json_error(&p->doc, node, err, "%zu entries are more than %zu", count, max);
}

/* ---- platforms, stream, pace ------------------------------------------------------------------- */

static bool read_platforms(struct parser *p, uint32_t node, const struct member *m, void *field,
                           struct err *err)
{
    (void)m;
    unsigned platforms = 0;
    if (!expect_list(p, node, PLATFORM_COUNT, err))
        return false;
    for (uint32_t n = json_first(&p->doc, node); n != JSON_NONE; n = json_next(&p->doc, n)) {
        size_t id;
        if (!json_read_word(&p->doc, n, platform_names, PLATFORM_COUNT, &id, err))
            return false;
        if (platforms & PLATFORM_BIT(id))
            return json_error(&p->doc, n, err, "%s comes twice", platform_names[id]);
        platforms |= PLATFORM_BIT(id);
    }
    *(unsigned *)field = platforms;
    return true;
}

/* Names of fixtures are checked when they are loaded; here, what the platforms know of a type. */
static bool read_event(struct parser *p, uint32_t node, const struct member *m, void *field, struct err *err)
{
    if (!read_line(p, node, m, field, err))
        return false;
    const char *name = *(char **)field;
    const struct event_type *type = event_type_find(name);
    for (size_t id = 0; type && id < PLATFORM_COUNT; id++)
        if (p->scenario->platforms & PLATFORM_BIT(id) && !type->wire[id])
            return json_error(&p->doc, node, err, "%s has no event \"%s\"; leave it out of \"platforms\"",
                              platform_names[id], name);
    return true;
}

static bool check_event(struct parser *p, uint32_t node, const struct step *step, struct err *err)
{
    const struct event_type *type = event_type_find(step->event);
    if (step->catalog && type && type->kind == ENTITY_OTHER)
        return json_error(&p->doc, json_get(&p->doc, node, "catalog"), err,
                          "the catalogue holds products and product models, nothing for \"%s\"", step->event);
    /* Both platforms have the updates that a delta can follow, and AEP alone the deltas. */
    bool followed = type && type->change == CHANGE_UPDATED && type->wire[PLATFORM_EVENTS_API];
    if (step->delta && !followed)
        return json_error(&p->doc, json_get(&p->doc, node, "delta"), err,
                          "only product.updated and product_model.updated are followed by a delta");
    return true;
}

static bool read_check(struct parser *p, uint32_t node, const struct member *m, void *field, struct err *err)
{
    static const char *const checks[] = {"reachability", "settled"};
    (void)m;
    size_t index;
    if (!json_read_word(&p->doc, node, checks, COUNT_OF(checks), &index, err))
        return false;
    *(enum check *)field = index ? CHECK_SETTLED : CHECK_REACHABILITY;
    return true;
}

static const struct member event_members[] = {
    {"event", read_event, AT(step, event), .required = true},
    {"entities", read_u32, AT(step, entities), .min = 1, .max = STEP_COUNT_MAX},
    {"times", read_u32, AT(step, times), .min = 1, .max = STEP_COUNT_MAX},
    {"catalog", read_flag, AT(step, catalog)},
    {"own", read_flag, AT(step, own)},
    {"delta", read_flag, AT(step, delta)},
};

static const struct member check_members[] = {
    {"check", read_check, AT(step, check)},
};

static bool read_step(struct parser *p, uint32_t node, struct step *step, struct err *err)
{
    step->times = 1;
    if (json_get(&p->doc, node, "check") != JSON_NONE)
        return read_object(p, node, check_members, COUNT_OF(check_members), step, err);
    return read_object(p, node, event_members, COUNT_OF(event_members), step, err) &&
           check_event(p, node, step, err);
}

static bool read_stream(struct parser *p, uint32_t node, const struct member *m, void *field, struct err *err)
{
    (void)m;
    struct scenario *s = field;
    if (!expect_list(p, node, STEPS_MAX, err))
        return false;
    s->steps = mem_alloc(json_count(&p->doc, node) * sizeof *s->steps);
    for (uint32_t n = json_first(&p->doc, node); n != JSON_NONE; n = json_next(&p->doc, n))
        if (!read_step(p, n, &s->steps[s->step_count++], err))
            return false;
    return true;
}

static bool read_rate(struct parser *p, uint32_t node, const struct member *m, void *field, struct err *err)
{
    static const char *const words[] = {"top"};
    struct pace *pace = field;
    size_t index;
    pace->rate_top = json_type(&p->doc, node) == JSON_STRING;
    return pace->rate_top ? json_read_word(&p->doc, node, words, COUNT_OF(words), &index, err)
                          : json_read_real(&p->doc, node, m->min, m->max, &pace->rate, err);
}

static const struct member pace_members[] = {
    {"rate", read_rate, WHOLE, .min = RATE_MIN, .max = RATE_MAX},
    {"concurrency", read_u32, AT(pace, concurrency), .min = 1, .max = IN_FLIGHT_MAX},
    {"batch", read_u32, AT(pace, batch), .min = 1, .max = BATCH_MAX},
    {"ramp", read_duration, AT(pace, ramp_us)},
};

static bool read_pace(struct parser *p, uint32_t node, const struct member *m, void *field, struct err *err)
{
    (void)m;
    struct pace *pace = field;
    if (!read_object(p, node, pace_members, COUNT_OF(pace_members), pace, err))
        return false;
    bool rated = pace->rate_top || pace->rate > 0;
    if (rated && json_get(&p->doc, node, "concurrency") != JSON_NONE)
        return json_error(&p->doc, node, err,
                          "\"rate\" and \"concurrency\" exclude each other: a rate waits for no answer");
    if (!rated && json_get(&p->doc, node, "ramp") != JSON_NONE)
        return json_error(&p->doc, node, err, "\"ramp\" leads up to a \"rate\", which is missing");
    return true;
}

/* ---- the laws over hours ------------------------------------------------------------------------ */

/* A number or a text, as it would stand on the command line. */
static bool set_flow(struct parser *p, uint32_t node, struct flow *flow, struct err *err)
{
    bool string = json_type(&p->doc, node) == JSON_STRING;
    if (!string && json_type(&p->doc, node) != JSON_NUMBER)
        return json_error(&p->doc, node, err, "this is neither a number nor a string");
    struct buf scratch;
    struct err why;
    buf_init(&scratch, FILE_BYTES_MAX);
    struct span name = json_key(&p->doc, node, &scratch);
    char *key = mem_text_n(name.data, name.len);
    buf_clear(&scratch);
    struct span text = string ? json_string(&p->doc, node, &scratch) : json_raw(&p->doc, node);
    char *value = mem_text_n(text.data, text.len);
    bool ok = flow_set(flow, key, value, &why) || json_error(&p->doc, node, err, "%s", why.text);
    free(value);
    free(key);
    buf_reset(&scratch);
    return ok;
}

static bool read_flow(struct parser *p, uint32_t node, const struct member *m, void *field, struct err *err)
{
    (void)m;
    const char *keys[FLOW_KEY_COUNT];
    for (size_t i = 0; i < FLOW_KEY_COUNT; i++)
        keys[i] = flow_key_at(i);
    if (!json_check_keys(&p->doc, node, keys, FLOW_KEY_COUNT, err))
        return false;
    struct flow *flow = *(struct flow **)field = mem_alloc(sizeof *flow);
    flow_unset(flow);
    for (uint32_t n = json_first(&p->doc, node); n != JSON_NONE; n = json_next(&p->doc, n))
        if (!set_flow(p, n, flow, err))
            return false;
    return true;
}

/* ---- faults and rules -------------------------------------------------------------------------- */

static bool add_how(struct fault_spec *spec, enum fault_variant variant)
{
    if (fault_uses(spec, variant) || spec->how_count == COUNT_OF(spec->hows))
        return false;
    spec->hows[spec->how_count++] = variant;
    return true;
}

static bool read_how(struct parser *p, uint32_t node, struct fault_spec *spec, struct err *err)
{
    const char *names[VARIANT_COUNT];
    enum fault_variant variants[VARIANT_COUNT];
    size_t count = 0, index;
    for (enum fault_variant v = VARIANT_NONE + 1; v < VARIANT_COUNT; v++)
        if (variant_get(v)->fault == spec->kind) {
            names[count] = variant_get(v)->name;
            variants[count++] = v;
        }
    if (!json_read_word(&p->doc, node, names, count, &index, err))
        return false;
    return add_how(spec, variants[index]) ||
           json_error(&p->doc, node, err, "\"%s\" comes twice", names[index]);
}

static bool read_hows(struct parser *p, uint32_t node, const struct member *m, void *field, struct err *err)
{
    (void)m;
    struct fault_spec *spec = field;
    if (json_type(&p->doc, node) == JSON_STRING || spec->kind == FAULT_OUTAGE) /* that has no turns to take */
        return read_how(p, node, spec, err);
    if (!expect_list(p, node, COUNT_OF(spec->hows), err))
        return false;
    for (uint32_t n = json_first(&p->doc, node); n != JSON_NONE; n = json_next(&p->doc, n))
        if (!read_how(p, n, spec, err))
            return false;
    return true;
}

#define ON(id) (UINT32_C(1) << FAULT_##id)

static const struct member fault_members[] = {
    {"event", read_event, AT(fault_spec, event), .faults = ~ON(OUTAGE)},
    {"share", read_real, AT(fault_spec, share), .min = 0, .max = 1, .faults = ~ON(OUTAGE)},
    {"after", read_after, WHOLE,
     .faults = ON(DUPLICATE) | ON(DELAY) | ON(DISCONNECT) | ON(LOST_ACK) | ON(RESTART)},
    {"over", read_duration, AT(fault_spec, over_us), .faults = ON(SLOW_BODY)},
    {"window", read_u32, AT(fault_spec, window), .min = 2, .max = 1000, .faults = ON(REORDER) | ON(BURST)},
    {"how", read_hows, WHOLE,
     .faults = ON(DUPLICATE) | ON(RESTART) | ON(FORGE) | ON(MALFORM) | ON(BYTES) | ON(ROTATE) | ON(OUTAGE)},
    {"from", read_duration, AT(fault_spec, from_us)},
    {"for", read_stretch, AT(fault_spec, for_us)},
};

static const struct fault_spec fault_defaults[FAULT_COUNT] = {
    [FAULT_DUPLICATE] = {.after_max_us = 1000000}, [FAULT_REORDER] = {.window = 10},
    [FAULT_DELAY] = {.after_max_us = 1000000},     [FAULT_BURST] = {.window = 50},
    [FAULT_SLOW_BODY] = {.over_us = 100000},       [FAULT_LOST_ACK] = {.after_max_us = 2000},
    [FAULT_RESTART] = {.after_max_us = 5000},
};

/* Without `how`: all the variants, or the first of those that do not go with every platform or connector, or
 * exclude each other. */
static void default_hows(struct fault_spec *spec)
{
    bool first = spec->kind == FAULT_DUPLICATE || spec->kind == FAULT_ROTATE || spec->kind == FAULT_OUTAGE;
    for (enum fault_variant v = VARIANT_NONE + 1; v < VARIANT_COUNT; v++)
        if (variant_get(v)->fault == spec->kind && !(first && spec->how_count))
            add_how(spec, v);
}

static bool read_fault(struct parser *p, uint32_t node, struct fault_spec *spec, struct err *err)
{
    const char *names[FAULT_COUNT];
    for (enum fault_kind kind = FAULT_NONE + 1; kind < FAULT_COUNT; kind++)
        names[kind - 1] = fault_get(kind)->name;
    if (!json_check_keys(&p->doc, node, names, FAULT_COUNT - 1, err))
        return false;
    if (json_count(&p->doc, node) != 1)
        return json_error(&p->doc, node, err, "expected one fault, found %zu", json_count(&p->doc, node));

    enum fault_kind kind = FAULT_NONE + 1;
    while (json_get(&p->doc, node, names[kind - 1]) == JSON_NONE)
        kind++;
    *spec = fault_defaults[kind];
    spec->kind = kind;
    spec->share = 1;

    struct member members[COUNT_OF(fault_members)];
    size_t count = 0;
    for (size_t i = 0; i < COUNT_OF(fault_members); i++)
        if (!fault_members[i].faults || fault_members[i].faults & (UINT32_C(1) << kind))
            members[count++] = fault_members[i];
    if (!read_object(p, json_first(&p->doc, node), members, count, spec, err))
        return false;
    if (spec->how_count == 0)
        default_hows(spec);
    return true;
}

/* What a fault asks of the rest of the scenario. */
static bool check_fault(struct parser *p, uint32_t node, const struct fault_spec *spec, struct err *err)
{
    const struct pace *pace = &p->scenario->pace;
    if (spec->kind == FAULT_BURST && !pace->rate_top && pace->rate <= 0)
        return json_error(&p->doc, node, err, "a burst breaks the pace: \"pace\" needs a \"rate\"");
    if (fault_uses(spec, VARIANT_DUPLICATE_TOGETHER) && pace->batch < 2)
        return json_error(&p->doc, node, err,
                          "duplicates come together in one request: \"pace\" needs a \"batch\" of 2 or more");
    if (spec->kind == FAULT_RESTART && json_get(&p->doc, JSON_ROOT, "effects") == JSON_NONE)
        return json_error(&p->doc, node, err,
                          "a restart is judged by the state that it leaves: \"effects\" is missing");
    if (spec->kind == FAULT_OUTAGE && !p->scenario->flow)
        return json_error(&p->doc, node, err,
                          "an outage is for the platform to cope with: \"flow\" is missing");
    return true;
}

static bool read_faults(struct parser *p, uint32_t node, const struct member *m, void *field, struct err *err)
{
    (void)m;
    struct scenario *s = field;
    if (!expect_list(p, node, SCENARIO_FAULTS_MAX, err))
        return false;
    for (uint32_t n = json_first(&p->doc, node); n != JSON_NONE; n = json_next(&p->doc, n)) {
        struct fault_spec *spec = &s->faults[s->fault_count++];
        if (!read_fault(p, n, spec, err) || !check_fault(p, n, spec, err))
            return false;
    }
    return true;
}

/* The id of a rule that exists; *place: where the scenario's rules have it, or NULL. */
static bool read_rule_id(struct parser *p, uint32_t node, char **id, char ***place, struct err *err)
{
    const struct scenario *s = p->scenario;
    const char *nearest = NULL;
    *place = NULL;
    if (!read_line(p, node, NULL, id, err))
        return false;
    if (!p->rule_known(*id, &nearest))
        return json_error(&p->doc, node, err, "\"%.60s\" is not a rule%s%s%s", *id,
                          nearest ? "; did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
    for (size_t i = 0; i < s->rule_count; i++)
        if (strcmp(s->rules[i], *id) == 0)
            *place = &s->rules[i];
    return true;
}

static bool read_rule(struct parser *p, uint32_t node, struct scenario *s, struct err *err)
{
    char *id = NULL, **before;
    bool ok = read_rule_id(p, node, &id, &before, err);
    if (ok && before)
        ok = json_error(&p->doc, node, err, "\"%s\" comes twice", id);
    if (ok)
        s->rules[s->rule_count++] = id;
    else
        free(id);
    return ok;
}

static bool read_rules(struct parser *p, uint32_t node, const struct member *m, void *field, struct err *err)
{
    (void)m;
    struct scenario *s = field;
    if (!expect_list(p, node, SIZE_MAX, err))
        return false;
    s->rules = mem_alloc(json_count(&p->doc, node) * sizeof *s->rules);
    for (uint32_t n = json_first(&p->doc, node); n != JSON_NONE; n = json_next(&p->doc, n))
        if (!read_rule(p, n, s, err))
            return false;
    return true;
}

/* ---- effects ----------------------------------------------------------------------------------- */

/* A reachability check has no entity, and belongs to no universe; nothing settles where nobody looks, and a
 * restart waits for that by itself. */
static bool check_steps(struct parser *p, struct err *err)
{
    const struct scenario *s = p->scenario;
    uint32_t n = json_first(&p->doc, json_get(&p->doc, JSON_ROOT, "stream"));
    for (size_t i = 0; i < s->step_count; i++, n = json_next(&p->doc, n)) {
        if (s->effects && s->steps[i].check == CHECK_REACHABILITY)
            return json_error(&p->doc, n, err, "a check has no effects: put it into a scenario of its own");
        if (!s->effects && s->steps[i].check == CHECK_SETTLED)
            return json_error(&p->doc, n, err, "the state is looked at in scenarios with \"effects\" only");
        if (s->steps[i].check == CHECK_SETTLED && scenario_has(s, FAULT_RESTART))
            return json_error(&p->doc, n, err, "a scenario with a restart settles before it by itself");
    }
    return true;
}

static bool read_effects(struct parser *p, uint32_t node, const struct member *m, void *field,
                         struct err *err)
{
    (void)m;
    char *id = NULL, **rule;
    bool ok = read_rule_id(p, node, &id, &rule, err);
    if (ok && rule)
        *(const char **)field = *rule;
    else if (ok)
        ok = json_error(&p->doc, node, err, "\"%s\" is not among this scenario's \"rules\"", id);
    free(id);
    return ok;
}

/* ---- migration --------------------------------------------------------------------------------- */

const char *const migration_names[] = {
    [MIGRATION_INSTEAD] = "instead", [MIGRATION_BESIDES] = "besides", [MIGRATION_HANDOVER] = "handover"};

static bool has_look(const struct scenario *s)
{
    for (size_t i = 0; i < s->step_count; i++)
        if (s->steps[i].check == CHECK_SETTLED)
            return true;
    return false;
}

static bool check_migration_step(struct parser *p, uint32_t node, const struct step *step, struct err *err)
{
    const struct event_type *type = step->event ? event_type_find(step->event) : NULL;
    if (step->event && (strcmp(step->event, "*") == 0 || (type && !type->wire[PLATFORM_EVENTS_API])))
        return json_error(&p->doc, json_get(&p->doc, node, "event"), err,
                          "the Events API has no \"%s\" to compare with", step->event);
    return true;
}

/* B is told otherwise than A: that is all that is wrong with it. */
static bool read_migration(struct parser *p, uint32_t node, const struct member *m, void *field,
                           struct err *err)
{
    (void)m;
    const struct scenario *s = p->scenario;
    size_t index;
    if (!json_read_word(&p->doc, node, migration_names + 1, COUNT_OF(migration_names) - 1, &index, err))
        return false;
    *(enum migration *)field = (enum migration)(index + 1);
    if (s->platforms != PLATFORM_BIT(PLATFORM_AEP))
        return json_error(&p->doc, node, err, "what is judged is AEP: \"platforms\": [\"aep\"]");
    if (!s->effects)
        return json_error(&p->doc, node, err, "\"effects\" is missing: which rule is it about?");
    if (s->fault_count || s->flow)
        return json_error(&p->doc, node, err, "a migration has neither \"faults\" nor \"flow\"");
    if (index + 1 == MIGRATION_HANDOVER && !has_look(s))
        return json_error(&p->doc, node, err,
                          "a handover is at the first \"settled\" check, and there is none");
    uint32_t n = json_first(&p->doc, json_get(&p->doc, JSON_ROOT, "stream"));
    for (size_t i = 0; i < s->step_count; i++, n = json_next(&p->doc, n))
        if (!check_migration_step(p, n, &s->steps[i], err))
            return false;
    return true;
}

/* ---- the whole --------------------------------------------------------------------------------- */

/* Read in this order: the stream's events are checked against the platforms, the faults against the pace, the
 * rule of the effects against the rules, the migration against all of these. */
static const struct member scenario_members[] = {
    {"$schema", read_schema_name, WHOLE},
    {"title", read_line, AT(scenario, title), .required = true},
    {"story", read_line, AT(scenario, story), .required = true},
    {"platforms", read_platforms, AT(scenario, platforms)},
    {"stream", read_stream, WHOLE, .required = true},
    {"pace", read_pace, AT(scenario, pace)},
    {"flow", read_flow, AT(scenario, flow)},
    {"faults", read_faults, WHOLE},
    {"rules", read_rules, WHOLE, .required = true},
    {"effects", read_effects, AT(scenario, effects)},
    {"migration", read_migration, AT(scenario, migration)},
};
_Static_assert(COUNT_OF(scenario_members) <= MEMBERS_MAX, "read_object holds every key");

/* What follows the last "scenarios/" of a path, or the path itself, without ".json". */
static char *name_of(const char *file)
{
    static const char folder[] = "scenarios/";
    const char *name = strncmp(file, "./", 2) == 0 ? file + 2 : file;
    for (const char *at = name; (at = strstr(at, folder)); at++)
        if (at == file || at[-1] == '/')
            name = at + strlen(folder);
    size_t len = strlen(name);
    return mem_text_n(name, len > 5 && strcmp(name + len - 5, ".json") == 0 ? len - 5 : len);
}

bool scenario_parse(struct scenario **scenario, const char *file, struct span bytes,
                    scenario_rule_fn *rule_known, struct err *err)
{
    struct scenario *s = mem_alloc(sizeof *s);
    struct parser p = {.scenario = s, .rule_known = rule_known};
    s->name = name_of(file);
    s->platforms = PLATFORMS_ALL;
    s->pace = (struct pace){.concurrency = 10, .batch = 1};
    bool ok = json_parse(&p.doc, file, bytes, JSON_COMMENTS, err) &&
              read_object(&p, JSON_ROOT, scenario_members, COUNT_OF(scenario_members), s, err) &&
              check_steps(&p, err);
    json_reset(&p.doc);
    if (!ok) {
        scenario_free(s);
        s = NULL;
    }
    *scenario = s;
    return ok;
}

bool fault_uses(const struct fault_spec *spec, enum fault_variant variant)
{
    for (size_t i = 0; i < spec->how_count; i++)
        if (spec->hows[i] == variant)
            return true;
    return false;
}

bool fault_covers(const struct fault_spec *spec, uint64_t at_us)
{
    return at_us >= spec->from_us && (!spec->for_us || at_us - spec->from_us < spec->for_us);
}

bool scenario_has(const struct scenario *scenario, enum fault_kind kind)
{
    for (size_t i = 0; i < scenario->fault_count; i++)
        if (scenario->faults[i].kind == kind)
            return true;
    return false;
}

void scenario_free(struct scenario *scenario)
{
    if (!scenario)
        return;
    for (size_t i = 0; i < scenario->step_count; i++)
        free(scenario->steps[i].event);
    for (size_t i = 0; i < scenario->fault_count; i++)
        free(scenario->faults[i].event);
    for (size_t i = 0; i < scenario->rule_count; i++)
        free(scenario->rules[i]);
    free(scenario->steps);
    free(scenario->flow);
    free(scenario->rules);
    free(scenario->name);
    free(scenario->title);
    free(scenario->story);
    free(scenario);
}

/* ---- suites ------------------------------------------------------------------------------------ */

static const char root[] = "scenarios/";

/* The files that the names mean, each once; and, while they are read, the scenarios in them. */
struct source {
    char *file;
    bool on_disk; /* else one of data's */
    struct scenario *scenario;
};

struct sources {
    struct source *items;
    size_t count, cap;
};

static bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text), end_len = strlen(end);
    return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

static bool is_scenario(const char *path)
{
    return ends_with(path, ".json") && !ends_with(path, ".schema.json");
}

static void add_source(struct sources *all, const char *file, bool on_disk)
{
    for (size_t i = 0; i < all->count; i++)
        if (all->items[i].on_disk == on_disk && strcmp(all->items[i].file, file) == 0)
            return;
    all->items = mem_grow(all->items, &all->cap, all->count, sizeof *all->items);
    all->items[all->count++] = (struct source){mem_text(file), on_disk, NULL};
}

/* Whether data's file is the scenario called name, one of the suite called name, or (bare) a scenario
 * called name in some suite. */
static bool means(const char *path, const char *name, bool bare)
{
    size_t len = strlen(name);
    const char *own = path + strlen(root);
    if (bare)
        own = strrchr(path, '/') + 1;
    return strncmp(own, name, len) == 0 && (strcmp(own + len, ".json") == 0 || (!bare && own[len] == '/'));
}

static size_t add_from_data(struct sources *all, const struct data *data, const char *name, bool bare)
{
    size_t found = 0;
    for (size_t i = 0; i < data_count(data); i++) {
        const char *path = data_path(data, i);
        if (strncmp(path, root, strlen(root)) != 0 || !is_scenario(path))
            continue;
        if (!name || means(path, name, bare)) {
            add_source(all, path, false);
            found++;
        }
    }
    return found;
}

static bool add_folder(struct sources *all, const char *folder, struct err *err)
{
    char *const roots[] = {(char *)folder, NULL};
    size_t found = 0;
    FTS *tree = fts_open(roots, FTS_LOGICAL | FTS_NOCHDIR, NULL);
    if (!tree)
        return err_env(err, "%s: %s", folder, strerror(errno));
    for (FTSENT *entry; (entry = fts_read(tree));) {
        if (entry->fts_level > 0 && entry->fts_name[0] == '.')
            fts_set(tree, entry, FTS_SKIP);
        else if (entry->fts_info == FTS_F && is_scenario(entry->fts_name)) {
            add_source(all, entry->fts_path, true);
            found++;
        }
    }
    fts_close(tree);
    return found || err_set(err, "%s: no scenario in this folder", folder);
}

/* Everything a user may have meant: each scenario's name with and without its suite, and the suites. */
static bool unknown_name(const struct data *data, const char *name, struct err *err)
{
    struct sources known = {0};
    add_from_data(&known, data, NULL, false);
    char **words = mem_alloc(3 * known.count * sizeof *words);
    size_t count = 0;
    for (size_t i = 0; i < known.count; i++) {
        char *full = name_of(known.items[i].file), *slash = strrchr(full, '/');
        words[count++] = full;
        if (slash) {
            words[count++] = mem_text(slash + 1);
            words[count++] = mem_text_n(full, (size_t)(slash - full));
        }
        free(known.items[i].file);
    }
    const char *nearest = word_nearest(name, (const char *const *)words, count);
    err_set(err, "\"%s\" is no scenario, suite, file or folder%s%s%s", name,
            nearest ? "; did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
    for (size_t i = 0; i < count; i++)
        free(words[i]);
    free(words);
    free(known.items);
    return false;
}

static bool add_from_disk(struct sources *all, const char *path, bool *found, struct err *err)
{
    struct stat st;
    *found = stat(path, &st) == 0;
    if (*found && S_ISDIR(st.st_mode))
        return add_folder(all, path, err);
    if (*found)
        add_source(all, path, true);
    return true;
}

static bool add_named(struct sources *all, const struct data *data, const char *name, struct err *err)
{
    bool found = add_from_data(all, data, name, false) > 0;
    if (!found && !add_from_disk(all, name, &found, err))
        return false;
    if (found)
        return true;
    size_t suites = add_from_data(all, data, name, true);
    if (suites > 1)
        return err_set(err, "\"%s\" is in several suites; say which, as SUITE/%s", name, name);
    return suites == 1 || unknown_name(data, name, err);
}

/* The name without the slashes that a shell's completion leaves at its end. */
static bool add_argument(struct sources *all, const struct data *data, const char *argument, struct err *err)
{
    size_t len = strlen(argument);
    while (len > 1 && argument[len - 1] == '/')
        len--;
    char *name = mem_text_n(argument, len);
    bool ok = add_named(all, data, name, err);
    free(name);
    return ok;
}

static bool read_source(struct source *source, struct data *data, scenario_rule_fn *rule_known,
                        struct err *err)
{
    struct buf text;
    struct span bytes;
    buf_init(&text, FILE_BYTES_MAX);
    bool ok = source->on_disk ? buf_read_file(&text, source->file, err)
                              : data_read(data, source->file, &bytes, err);
    if (source->on_disk)
        bytes = buf_span(&text);
    ok = ok && scenario_parse(&source->scenario, source->file, bytes, rule_known, err);
    buf_reset(&text);
    return ok;
}

static int by_name(const void *a, const void *b)
{
    const struct source *x = a, *y = b;
    int order = strcmp(x->scenario->name, y->scenario->name);
    return order ? order : strcmp(x->file, y->file);
}

static bool sort_sources(struct sources *all, struct err *err)
{
    if (all->count)
        qsort(all->items, all->count, sizeof *all->items, by_name);
    for (size_t i = 1; i < all->count; i++)
        if (strcmp(all->items[i - 1].scenario->name, all->items[i].scenario->name) == 0)
            return err_set(err, "two scenarios are called \"%s\": in %s and in %s",
                           all->items[i].scenario->name, all->items[i - 1].file, all->items[i].file);
    return true;
}

bool suite_load(struct suite *suite, struct data *data, const char *const *names, size_t count,
                scenario_rule_fn *rule_known, struct err *err)
{
    struct sources all = {0};
    bool ok = true;
    *suite = (struct suite){0};
    if (count == 0)
        add_from_data(&all, data, NULL, false);
    for (size_t i = 0; ok && i < count; i++)
        ok = add_argument(&all, data, names[i], err);
    for (size_t i = 0; ok && i < all.count; i++)
        ok = read_source(&all.items[i], data, rule_known, err);
    ok = ok && sort_sources(&all, err);
    suite->scenarios = mem_alloc(all.count * sizeof(struct scenario *));
    for (size_t i = 0; i < all.count; i++) {
        if (all.items[i].scenario)
            suite->scenarios[suite->count++] = all.items[i].scenario;
        free(all.items[i].file);
    }
    free(all.items);
    if (!ok)
        suite_reset(suite);
    return ok;
}

void suite_reset(struct suite *suite)
{
    for (size_t i = 0; i < suite->count; i++)
        scenario_free(suite->scenarios[i]);
    free(suite->scenarios);
    *suite = (struct suite){0};
}
