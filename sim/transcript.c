/* transcript: see transcript.h. */
#include "transcript.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "limits.h"
#include "port.h"
#include "sign.h"

#define NAMES_MAX      200   /* different event names kept; there are under fifty */
#define NOTES_MAX      10000 /* notes are for evidence, of which few pieces are shown */
#define NOTE_BYTES_MAX 200
#define WHY_BYTES_MAX  1000

struct reading {
    struct transcript *t;
    const char *name; /* of the file */
    enum rule_id rule_of_variant[VARIANT_COUNT];
    size_t note_count;
    bool headed;
    struct buf scratch;
};

/* ---- members ------------------------------------------------------------------------------ */

static struct span text_of(struct reading *r, const struct json_doc *record, const char *key)
{
    buf_clear(&r->scratch);
    return json_string(record, json_get(record, JSON_ROOT, key), &r->scratch);
}

static char *dup_of(struct reading *r, const struct json_doc *record, const char *key)
{
    struct span text = text_of(r, record, key);
    return mem_text_n(text.data, text.len);
}

/* Why something did not go well; NULL where there is no such member. */
static char *why_of(struct reading *r, const struct json_doc *record, const char *key)
{
    struct span why = text_of(r, record, key);
    if (json_get(record, JSON_ROOT, key) == JSON_NONE)
        return NULL;
    return mem_text_n(why.data, why.len < WHY_BYTES_MAX ? why.len : WHY_BYTES_MAX);
}

static uint64_t count_of(const struct json_doc *record, const char *key)
{
    int64_t n = json_i64(record, json_get(record, JSON_ROOT, key));
    return n > 0 ? (uint64_t)n : 0;
}

/* A member that no honest journal has above `max` is not there. */
static uint32_t small_of(const struct json_doc *record, const char *key, uint32_t max)
{
    uint64_t n = count_of(record, key);
    return n <= max ? (uint32_t)n : 0;
}

static void copy_of(struct reading *r, const struct json_doc *record, const char *key, char *text,
                    size_t size)
{
    struct span s = text_of(r, record, key);
    snprintf(text, size, "%.*s", (int)(s.len < size ? s.len : size - 1), s.len ? s.data : "");
}

/* ---- records ------------------------------------------------------------------------------ */

static bool read_run(struct reading *r, const struct json_doc *record, struct err *err)
{
    struct transcript *t = r->t;
    struct err ignored;
    uint64_t version = count_of(record, "journal");
    if (r->headed)
        return err_set(err, "%s: another run starts: these are two journals", record->name);
    if (version != JOURNAL_VERSION)
        return err_set(err, "%s: journal version %llu; this pimsim reads version %d", r->name,
                       (unsigned long long)version, JOURNAL_VERSION);
    r->headed = true;
    t->pimsim = dup_of(r, record, "pimsim");
    t->platform_name = dup_of(r, record, "platform");
    t->url = dup_of(r, record, "url");
    t->command = dup_of(r, record, "command");
    t->deadline_us = count_of(record, "deadline_us");
    t->started_us = json_i64(record, json_get(record, JSON_ROOT, "started_us"));
    if (!json_read_u64(record, json_get(record, JSON_ROOT, "seed"), 0, UINT64_MAX, &t->seed, &ignored))
        t->seed = 0;
    for (size_t i = 0; i < PLATFORM_COUNT; i++)
        if (strcmp(platform_names[i], t->platform_name) == 0) {
            t->platform = (enum platform_id)i;
            return t->deadline_us || err_set(err, "%s: a run without a deadline_us", record->name);
        }
    return err_set(err, "%s: unknown platform \"%s\"", record->name, t->platform_name);
}

static enum rule_id rule_of(const struct json_doc *record, uint32_t node)
{
    for (size_t i = 0; i < RULE_COUNT; i++)
        if (json_string_is(record, node, rule_at(i)->id))
            return (enum rule_id)i;
    return RULE_NONE;
}

static enum migration migration_of(const struct json_doc *record)
{
    uint32_t node = json_get(record, JSON_ROOT, "migration");
    for (int m = MIGRATION_NONE + 1; m <= MIGRATION_HANDOVER; m++)
        if (json_string_is(record, node, migration_names[m]))
            return (enum migration)m;
    return MIGRATION_NONE;
}

static void read_scenario(struct reading *r, const struct json_doc *record)
{
    struct transcript *t = r->t;
    t->played = mem_grow(t->played, &t->played_cap, t->played_count, sizeof *t->played);
    struct played *p = &t->played[t->played_count++];
    *p = (struct played){
        .name = dup_of(r, record, "name"),
        .load = json_is_true(record, json_get(record, JSON_ROOT, "load")),
        .effects = (uint8_t)rule_of(record, json_get(record, JSON_ROOT, "effects")),
        .skipped = why_of(r, record, "skipped"),
        .migration = migration_of(record),
        .about_first = t->about_count,
    };
    if (json_is_true(record, json_get(record, JSON_ROOT, "flow")) && !p->skipped) {
        p->forecast = mem_alloc(sizeof *p->forecast);
        p->forecast->scenario = p->name;
    }
    uint32_t rule = json_first(record, json_get(record, JSON_ROOT, "rules"));
    for (; rule != JSON_NONE; rule = json_next(record, rule))
        if (rule_of(record, rule) != RULE_NONE)
            p->asked[rule_of(record, rule)] = true;
}

/* The first name stands for all that are too many. */
static uint32_t event_name_of(struct transcript *t, struct span text)
{
    for (size_t i = 0; i < t->name_count; i++)
        if (span_equals(text, t->names[i]))
            return (uint32_t)i;
    if (t->name_count == NAMES_MAX)
        return 0;
    t->names = mem_grow(t->names, &t->name_cap, t->name_count, sizeof *t->names);
    t->names[t->name_count] = mem_text_n(text.data, text.len);
    return (uint32_t)t->name_count++;
}

static enum attempt_kind read_kind(struct reading *r, const struct json_doc *record)
{
    static const char *const kinds[] = {"events", "reachability", "diagnosis", "notification"};
    struct span kind = text_of(r, record, "kind");
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        if (span_equals(kind, kinds[i]))
            return (enum attempt_kind)i;
    return KIND_UNKNOWN;
}

/* Through the platform that the port is compared with. */
static bool is_baseline(struct reading *r, const struct json_doc *record, const struct played *p)
{
    struct span platform = text_of(r, record, "platform");
    return p->migration && platform.len && !span_equals(platform, r->t->platform_name);
}

static void read_variant(struct reading *r, const struct json_doc *record, struct attempt *a)
{
    char fault[32], variant[32];
    copy_of(r, record, "fault", fault, sizeof fault);
    copy_of(r, record, "variant", variant, sizeof variant);
    enum fault_kind kind = *fault ? fault_find(fault) : FAULT_NONE;
    a->variant = (uint8_t)(kind == FAULT_NONE ? VARIANT_NONE : variant_find(kind, variant));
    a->rule = (uint8_t)r->rule_of_variant[a->variant];
    if (*fault && a->variant == VARIANT_NONE)
        a->kind = KIND_UNKNOWN;
}

static void read_mistake(struct reading *r, const struct json_doc *record, struct attempt *a)
{
    char name[64];
    enum sign_mistake mistake;
    copy_of(r, record, "mistake", name, sizeof name);
    if (sign_mistake_find(name, &mistake))
        a->mistake = (uint8_t)mistake;
    else
        a->kind = KIND_UNKNOWN;
}

static enum universe read_universe(struct reading *r, const struct json_doc *record)
{
    struct span name = text_of(r, record, "universe");
    for (int u = 0; u < UNIVERSE_COUNT; u++)
        if (span_equals(name, universe_names[u]))
            return (enum universe)u;
    return UNIVERSE_COUNT;
}

static void read_abouts(struct reading *r, const struct json_doc *record, struct attempt *a)
{
    struct transcript *t = r->t;
    struct played *p = &t->played[a->scenario];
    a->universe = (uint8_t)read_universe(r, record);
    uint32_t node = json_first(record, json_get(record, JSON_ROOT, "about"));
    for (; node != JSON_NONE && a->universe != UNIVERSE_COUNT; node = json_next(record, node)) {
        buf_clear(&r->scratch);
        struct span name = json_string(record, node, &r->scratch);
        t->abouts = mem_grow(t->abouts, &t->about_cap, t->about_count, sizeof *t->abouts);
        t->abouts[t->about_count++] = (struct about){a->delivery - 1, intern(&p->entities, name)};
        p->about_count++;
    }
}

static bool read_send(struct reading *r, const struct json_doc *record, struct err *err)
{
    struct transcript *t = r->t;
    uint64_t delivery = count_of(record, "delivery");
    if (!t->played_count)
        return err_set(err, "%s: a delivery before the first scenario", record->name);
    if (delivery != t->attempt_count + 1 || delivery > UINT32_MAX)
        return err_set(err, "%s: delivery %llu does not follow delivery %zu", record->name,
                       (unsigned long long)delivery, t->attempt_count);
    t->attempts = mem_grow(t->attempts, &t->attempt_cap, t->attempt_count, sizeof *t->attempts);
    struct attempt *a = &t->attempts[t->attempt_count++];
    *a = (struct attempt){
        .delivery = (uint32_t)delivery,
        .scenario = (uint32_t)t->played_count - 1,
        .events = small_of(record, "events", UINT32_MAX),
        .kind = (uint8_t)read_kind(r, record),
        .at_us = count_of(record, "at_us"),
        .scheduled_us = count_of(record, "scheduled_us"),
        .virtual_us = count_of(record, "virtual_us"),
        .again = count_of(record, "attempt") > 1,
        .universe = UNIVERSE_COUNT,
        .blame = RULE_NONE,
    };
    const struct played *p = &t->played[a->scenario];
    if (is_baseline(r, record, p))
        a->kind = a->kind == KIND_EVENTS ? KIND_BASELINE : KIND_UNKNOWN;
    read_variant(r, record, a);
    if (a->kind == KIND_DIAGNOSIS)
        read_mistake(r, record, a);
    struct span name = text_of(r, record, a->kind == KIND_NOTIFICATION ? "notification" : "event");
    a->event_name = event_name_of(t, p->migration && a->kind == KIND_EVENTS ? port_name(name) : name);
    copy_of(r, record, "event_id", a->event_id, sizeof a->event_id);
    t->bytes += count_of(record, "bytes");
    if (p->effects != RULE_NONE)
        read_abouts(r, record, a);
    if (p->forecast && a->kind == KIND_EVENTS)
        forecast_count_request(p->forecast, a->at_us, a->virtual_us);
    return true;
}

static void read_note(struct reading *r, const struct json_doc *record, struct attempt *a)
{
    static const char *const keys[] = {"location", "detail", "excerpt"};
    for (size_t i = 0; i < COUNT_OF(keys) && !a->note && r->note_count < NOTES_MAX; i++) {
        struct span text = text_of(r, record, keys[i]);
        while (text.len && memchr(" \t\r\n", text.data[text.len - 1], 4))
            text.len--;
        if (text.len) {
            a->note = mem_text_n(text.data, text.len < NOTE_BYTES_MAX ? text.len : NOTE_BYTES_MAX);
            r->note_count++;
        }
    }
}

/* The first answer of a delivery stands; an outcome that we do not know says nothing. */
static void read_answer(struct reading *r, const struct json_doc *record)
{
    uint64_t delivery = count_of(record, "delivery");
    enum outcome outcome;
    if (!delivery || delivery > r->t->attempt_count || r->t->attempts[delivery - 1].ended ||
        !outcome_find(text_of(r, record, "outcome"), &outcome))
        return;
    struct attempt *a = &r->t->attempts[delivery - 1];
    a->ended = true;
    a->outcome = (uint8_t)outcome;
    a->status = (uint16_t)small_of(record, "status", 999);
    a->latency_us = count_of(record, "latency_us");
    a->total_us = count_of(record, "total_us");
    a->late_us = count_of(record, "late_us");
    if (outcome == OUTCOME_OUTAGE) /* it never got there */
        a->kind = KIND_UNKNOWN;
    read_note(r, record, a);
    struct forecast *f = r->t->played[a->scenario].forecast;
    if (!f)
        return;
    forecast_count_answer(f, a->at_us + a->total_us);
    if (a->kind == KIND_EVENTS && outcome == OUTCOME_ANSWERED && a->status >= 200 && a->status < 300)
        forecast_count_acknowledged(f, a->events, a->event_id, a->again);
}

/* The forecast of the scenario that is being played; NULL: it has none. */
static struct forecast *forecast_of(struct reading *r)
{
    struct transcript *t = r->t;
    return t->played_count ? t->played[t->played_count - 1].forecast : NULL;
}

static void read_notice(struct reading *r, const struct json_doc *record)
{
    if (forecast_of(r))
        forecast_read_notice(forecast_of(r), record);
}

static void read_tally(struct reading *r, const struct json_doc *record)
{
    if (forecast_of(r))
        forecast_read_tally(forecast_of(r), record);
}

/* The scenario that is being played, if its effects are looked at. */
static struct played *observed(struct reading *r)
{
    struct transcript *t = r->t;
    struct played *p = t->played_count ? &t->played[t->played_count - 1] : NULL;
    return p && p->effects != RULE_NONE ? p : NULL;
}

static void read_settled(struct reading *r, const struct json_doc *record)
{
    struct played *p = observed(r);
    if (!p)
        return;
    p->settled = true;
    p->given_up = json_is_true(record, json_get(record, JSON_ROOT, "given_up"));
}

static void read_restart(struct reading *r, const struct json_doc *record)
{
    struct played *p = observed(r);
    if (!p || p->not_back)
        return;
    p->not_back = why_of(r, record, "failed");
    p->killed_at = small_of(record, "delivery", UINT32_MAX);
}

static void read_snapshot(struct reading *r, const struct json_doc *record)
{
    struct played *p = observed(r);
    if (!p)
        return;
    p->snapshots++;
    effect_records_reset(&p->disturbed);
    if (p->look_trouble)
        return;
    p->look_trouble = why_of(r, record, "failed");
    if (p->look_trouble)
        return;
    p->look_trouble = why_of(r, record, "unsettled");
    p->unsettled = p->look_trouble != NULL;
}

static void read_state(struct reading *r, const struct json_doc *record)
{
    struct played *p = observed(r);
    enum universe universe = read_universe(r, record);
    bool b = universe == UNIVERSE_B;
    if (!p || !p->snapshots || universe == UNIVERSE_COUNT || (!b && p->snapshots > 1))
        return;
    char *place = dup_of(r, record, "place"), *about = dup_of(r, record, "about");
    effect_records_add(b ? &p->disturbed : &p->undisturbed, universe, span_of(place), span_of(about),
                       text_of(r, record, "text"),
                       json_is_true(record, json_get(record, JSON_ROOT, "history")));
    free(place);
    free(about);
}

static void read_call(struct reading *r, const struct json_doc *record)
{
    struct played *p = observed(r);
    uint32_t status = small_of(record, "status", 999);
    if (!p)
        return;
    p->calls++;
    p->calls_failed += status >= 400;
    if (status < 400 || p->call_failed)
        return;
    struct buf text;
    buf_init(&text, WHY_BYTES_MAX);
    buf_put_span(&text, text_of(r, record, "method"));
    buf_putc(&text, ' ');
    buf_put_span(&text, text_of(r, record, "target"));
    buf_printf(&text, ": %u", status);
    p->call_failed = buf_take(&text);
}

static void read_end(struct reading *r, const struct json_doc *record)
{
    r->t->interrupted = !span_equals(text_of(r, record, "reason"), "complete");
    r->t->duration_us = count_of(record, "duration_us");
}

static const struct {
    const char *name;
    void (*read)(struct reading *r, const struct json_doc *record);
} record_kinds[] = {
    {"answer", read_answer},   {"state", read_state},       {"scenario", read_scenario},
    {"settled", read_settled}, {"snapshot", read_snapshot}, {"restart", read_restart},
    {"notice", read_notice},   {"tally", read_tally},       {"call", read_call},
    {"end", read_end},
};

static bool read_record(void *arg, struct span kind, const struct json_doc *record, struct err *err)
{
    struct reading *r = arg;
    if (span_equals(kind, "run"))
        return read_run(r, record, err);
    if (!r->headed)
        return err_set(err, "%s: not a journal of pimsim: it does not start with a \"run\" record", r->name);
    if (span_equals(kind, "send"))
        return read_send(r, record, err);
    for (size_t i = 0; i < COUNT_OF(record_kinds); i++)
        if (span_equals(kind, record_kinds[i].name)) {
            record_kinds[i].read(r, record);
            break;
        }
    return true;
}

/* ---- the whole ---------------------------------------------------------------------------- */

bool transcript_read(struct transcript *t, int fd, const char *name, struct err *err)
{
    static const char *const skip[] = {"body", NULL};
    struct reading r = {.t = t, .name = name};
    for (int v = 0; v < VARIANT_COUNT; v++) {
        const struct rule *rule = rule_find(variant_get((enum fault_variant)v)->rule);
        r.rule_of_variant[v] = rule ? (enum rule_id)(rule - rule_at(0)) : RULE_NONE;
    }
    buf_init(&r.scratch, JOURNAL_LINE_BYTES_MAX);
    event_name_of(t, span_of("an event"));
    t->interrupted = true; /* until the end record says otherwise */
    bool ok = journal_read(fd, name, skip, read_record, &r, err);
    if (ok && !r.headed)
        ok = err_set(err, "%s: an empty journal", name);
    buf_reset(&r.scratch);
    return ok;
}

static void played_reset(struct played *p)
{
    free(p->name);
    free(p->skipped);
    free(p->look_trouble);
    free(p->not_back);
    free(p->call_failed);
    if (p->forecast)
        forecast_reset(p->forecast);
    free(p->forecast);
    interns_reset(&p->entities);
    effect_records_reset(&p->undisturbed);
    effect_records_reset(&p->disturbed);
}

void transcript_reset(struct transcript *t)
{
    for (size_t i = 0; i < t->played_count; i++)
        played_reset(&t->played[i]);
    for (size_t i = 0; i < t->attempt_count; i++)
        free(t->attempts[i].note);
    for (size_t i = 0; i < t->name_count; i++)
        free(t->names[i]);
    free(t->played);
    free(t->attempts);
    free(t->abouts);
    free(t->names);
    free(t->pimsim);
    free(t->platform_name);
    free(t->url);
    free(t->command);
    *t = (struct transcript){0};
}

const struct attempt *attempt_get(const struct transcript *t, uint32_t delivery)
{
    return delivery && delivery <= t->attempt_count ? &t->attempts[delivery - 1] : NULL;
}
