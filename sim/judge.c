/* judge: see judge.h.
 *
 * The journal becomes an array of attempts. Every attempt that did not go as it should is blamed on
 * exactly one rule (blame_of); a rule fails where it is blamed, and passes where a scenario asked for
 * it and it was shown. That is why a finding names one cause, and not all that follows from it. */
#include "judge.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "event.h"
#include "fault.h"
#include "journal.h"
#include "limits.h"
#include "sign.h"

const char *const verdict_names[] = {"pass", "fail", "inconclusive", "not-observed", "not-applicable"};
const char *const level_names[] = {"must", "should"};
const char *const conformance_names[] = {"conforms", "fails", "inconclusive"};

/* ---- the tables --------------------------------------------------------------------------- */

enum rule_id {
#define CATEGORY(id, name, title)
#define RULE(id, ...) RULE_##id,
#include "rules.def"
#undef CATEGORY
#undef RULE
    RULE_COUNT,
    RULE_NONE = RULE_COUNT,
};

static const struct rule rules[RULE_COUNT] = {
#define CATEGORY(id, name, title)
#define RULE(id, name, level, platforms, holds, clause, why, fix)                                            \
    [RULE_##id] = {name, level, platforms, holds, clause, why, fix},
#include "rules.def"
#undef CATEGORY
#undef RULE
};

static const struct category categories[] = {
#define CATEGORY(id, name, title) {name, title},
#define RULE(...)
#include "rules.def"
#undef CATEGORY
#undef RULE
};

size_t rule_count(void)
{
    return RULE_COUNT;
}

const struct rule *rule_at(size_t index)
{
    return &rules[index];
}

const struct rule *rule_find(const char *id)
{
    for (size_t i = 0; i < RULE_COUNT; i++)
        if (strcmp(rules[i].id, id) == 0)
            return &rules[i];
    return NULL;
}

bool rule_known(const char *id, const char **nearest)
{
    const char *ids[RULE_COUNT];
    for (size_t i = 0; i < RULE_COUNT; i++)
        ids[i] = rules[i].id;
    *nearest = word_nearest(id, ids, RULE_COUNT);
    return rule_find(id) != NULL;
}

size_t category_count(void)
{
    return COUNT_OF(categories);
}

const struct category *category_at(size_t index)
{
    return &categories[index];
}

size_t category_of(const struct rule *rule)
{
    size_t len = strcspn(rule->id, "/");
    for (size_t i = 0; i < COUNT_OF(categories); i++)
        if (strlen(categories[i].name) == len && strncmp(categories[i].name, rule->id, len) == 0)
            return i;
    return 0;
}

/* ---- what the journal says ---------------------------------------------------------------- */

enum kind { KIND_EVENTS, KIND_REACHABILITY, KIND_DIAGNOSIS };

struct attempt {
    uint32_t delivery, scenario, events;
    uint8_t kind, variant, mistake, outcome;
    uint8_t blame;     /* enum rule_id */
    bool ended;        /* has an answer record */
    bool uncontrolled; /* would be blamed, had the same request without its fault been accepted */
    uint16_t status;
    uint32_t event_name; /* index into names */
    uint64_t at_us, ack_us, latency_us, late_us;
    char event_id[UUID_SIZE];
    char *note; /* curl's words, where a redirect leads, or how a refusal reads; often NULL */
};

/* How the attempts of one variant in one scenario went. */
struct group {
    uint32_t met, missed;
};

struct played {
    char *name;
    bool asked[RULE_COUNT];
    bool load;
    bool control; /* an undisturbed delivery was acknowledged */
    struct group groups[VARIANT_COUNT];
};

struct judging {
    struct judgement *out;
    const char *name;
    struct played *played;
    size_t played_count, played_cap;
    struct attempt *attempts;
    size_t attempt_count, attempt_cap;
    char **names;
    size_t name_count, name_cap, note_count;
    bool headed;
    bool signature_taken;    /* some undisturbed delivery was acknowledged: valid signatures can be right */
    bool bytes_refused;      /* … and one that only spells its JSON otherwise was refused */
    bool single_refused;     /* some undisturbed delivery of one event was answered, but not acknowledged */
    uint32_t events_taken;   /* the most events in an undisturbed delivery that was acknowledged */
    bool plain_answers[600]; /* the statuses that undisturbed deliveries were answered with */
    size_t culprit,
        gone; /* the attempt that the connector did not outlive, and the first that found nobody */
    struct buf scratch;
};

#define NOTES_MAX 10000 /* notes are for evidence, of which few pieces are shown */

/* The judgement with everything that it borrows. */
struct owned {
    struct judgement judgement;
    struct judging judging;
    char *texts[4];
    const char **scenario_names;
    char **evidence_texts;
    size_t evidence_count, evidence_cap;
};

static uint32_t intern(struct judging *j, struct span text)
{
    for (size_t i = 0; i < j->name_count; i++)
        if (span_equals(text, j->names[i]))
            return (uint32_t)i;
    j->names = mem_grow(j->names, &j->name_cap, j->name_count, sizeof *j->names);
    j->names[j->name_count] = mem_text_n(text.data, text.len);
    return (uint32_t)j->name_count++;
}

static struct span text_of(struct judging *j, const struct json_doc *record, const char *key)
{
    buf_clear(&j->scratch);
    return json_string(record, json_get(record, JSON_ROOT, key), &j->scratch);
}

static int64_t number_of(const struct json_doc *record, const char *key)
{
    return json_i64(record, json_get(record, JSON_ROOT, key));
}

static uint64_t count_of(const struct json_doc *record, const char *key)
{
    int64_t n = number_of(record, key);
    return n > 0 ? (uint64_t)n : 0;
}

static bool read_run(struct judging *j, const struct json_doc *record, struct err *err)
{
    struct owned *owned = (struct owned *)j->out;
    static const char *const keys[] = {"pimsim", "platform", "url", "command"};
    if (number_of(record, "journal") != JOURNAL_VERSION)
        return err_set(err, "%s: journal version %lld; this pimsim reads version %d", j->name,
                       (long long)number_of(record, "journal"), JOURNAL_VERSION);
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        struct span text = text_of(j, record, keys[i]);
        free(owned->texts[i]);
        owned->texts[i] = mem_text_n(text.data, text.len);
    }
    j->out->pimsim = owned->texts[0];
    j->out->platform = owned->texts[1];
    j->out->url = owned->texts[2];
    j->out->command = owned->texts[3];
    j->out->seed = count_of(record, "seed");
    j->out->deadline_us = count_of(record, "deadline_us");
    j->out->started_us = number_of(record, "started_us");
    j->headed = true;
    return true;
}

static void read_scenario(struct judging *j, const struct json_doc *record)
{
    j->played = mem_grow(j->played, &j->played_cap, j->played_count, sizeof *j->played);
    struct played *p = &j->played[j->played_count++];
    *p = (struct played){.load = json_is_true(record, json_get(record, JSON_ROOT, "load"))};
    struct span name = text_of(j, record, "name");
    p->name = mem_text_n(name.data, name.len);
    uint32_t rule = json_first(record, json_get(record, JSON_ROOT, "rules"));
    for (; rule != JSON_NONE; rule = json_next(record, rule))
        for (size_t i = 0; i < RULE_COUNT; i++)
            if (json_string_is(record, rule, rules[i].id))
                p->asked[i] = true;
}

static enum fault_variant read_variant(struct judging *j, const struct json_doc *record)
{
    char fault[32], variant[32];
    snprintf(fault, sizeof fault, "%.31s", "");
    struct span text = text_of(j, record, "fault");
    if (!text.len || text.len >= sizeof fault)
        return VARIANT_NONE;
    snprintf(fault, sizeof fault, "%.*s", (int)text.len, text.data);
    text = text_of(j, record, "variant");
    snprintf(variant, sizeof variant, "%.*s", (int)(text.len < 31 ? text.len : 31), text.data);
    return variant_find(fault_find(fault), variant);
}

static bool read_send(struct judging *j, const struct json_doc *record, struct err *err)
{
    uint64_t delivery = count_of(record, "delivery");
    if (delivery != j->attempt_count + 1 || !j->played_count)
        return err_set(err, "%s: delivery %llu does not follow delivery %zu", j->name,
                       (unsigned long long)delivery, j->attempt_count);
    j->attempts = mem_grow(j->attempts, &j->attempt_cap, j->attempt_count, sizeof *j->attempts);
    struct attempt *a = &j->attempts[j->attempt_count++];
    *a = (struct attempt){
        .delivery = (uint32_t)delivery,
        .scenario = (uint32_t)j->played_count - 1,
        .events = (uint32_t)count_of(record, "events"),
        .variant = (uint8_t)read_variant(j, record),
        .at_us = count_of(record, "at_us"),
        .blame = RULE_NONE,
    };
    struct span kind = text_of(j, record, "kind");
    a->kind = span_equals(kind, "reachability") ? KIND_REACHABILITY
              : span_equals(kind, "diagnosis")  ? KIND_DIAGNOSIS
                                                : KIND_EVENTS;
    a->event_name = intern(j, text_of(j, record, "event"));
    struct span id = text_of(j, record, "event_id");
    snprintf(a->event_id, sizeof a->event_id, "%.*s", (int)(id.len < 36 ? id.len : 36), id.data);
    if (a->kind == KIND_DIAGNOSIS) {
        enum sign_mistake mistake = MISTAKE_COUNT;
        struct span name = text_of(j, record, "mistake");
        char *text = mem_text_n(name.data, name.len);
        if (sign_mistake_find(text, &mistake))
            a->mistake = (uint8_t)mistake;
        free(text);
    }
    j->out->bytes += count_of(record, "bytes");
    return true;
}

static void read_note(struct judging *j, const struct json_doc *record, struct attempt *a)
{
    static const char *const keys[] = {"location", "detail", "excerpt"};
    for (size_t i = 0; i < COUNT_OF(keys) && !a->note && j->note_count < NOTES_MAX; i++) {
        struct span text = text_of(j, record, keys[i]);
        while (text.len && strchr(" \t\r\n", text.data[text.len - 1]))
            text.len--;
        if (text.len) {
            a->note = mem_text_n(text.data, text.len < 200 ? text.len : 200);
            j->note_count++;
        }
    }
}

static void read_answer(struct judging *j, const struct json_doc *record)
{
    uint64_t delivery = count_of(record, "delivery");
    enum outcome outcome;
    if (!delivery || delivery > j->attempt_count || !outcome_find(text_of(j, record, "outcome"), &outcome))
        return;
    struct attempt *a = &j->attempts[delivery - 1];
    a->ended = true;
    a->outcome = (uint8_t)outcome;
    a->status = (uint16_t)count_of(record, "status");
    a->ack_us = count_of(record, "ack_us");
    a->latency_us = count_of(record, "latency_us");
    a->late_us = count_of(record, "late_us");
    read_note(j, record, a);
}

static bool read_record(void *arg, struct span kind, const struct json_doc *record, struct err *err)
{
    struct judging *j = arg;
    if (span_equals(kind, "run"))
        return read_run(j, record, err);
    if (!j->headed)
        return err_set(err, "%s: not a journal of pimsim: it does not start with a \"run\" record", j->name);
    if (span_equals(kind, "send"))
        return read_send(j, record, err);
    if (span_equals(kind, "answer"))
        read_answer(j, record);
    else if (span_equals(kind, "scenario"))
        read_scenario(j, record);
    else if (span_equals(kind, "end")) {
        j->out->interrupted = !span_equals(text_of(j, record, "reason"), "complete");
        j->out->duration_us = count_of(record, "duration_us");
    }
    return true; /* kinds that a later version may add are passed over */
}

/* ---- blame -------------------------------------------------------------------------------- */

static bool answered(const struct attempt *a)
{
    return a->ended && a->outcome == OUTCOME_ANSWERED;
}

static bool acknowledged(const struct attempt *a)
{
    return answered(a) && a->status >= 200 && a->status < 300;
}

static bool redirected(const struct attempt *a)
{
    return answered(a) && a->status >= 300 && a->status < 400;
}

static enum expect expected(const struct attempt *a)
{
    return a->kind == KIND_EVENTS ? variant_get(a->variant)->expect : EXPECT_ACK;
}

/* The answer is one that a sound connector may give. */
static bool met(const struct attempt *a)
{
    switch (expected(a)) {
    case EXPECT_ACK:
        return acknowledged(a);
    case EXPECT_REFUSE:
        return answered(a) && a->status >= 400 && a->status < 500;
    case EXPECT_TAKEN:
        return acknowledged(a) || (answered(a) && a->status >= 400 && a->status < 500);
    default:
        return true;
    }
}

/* No answer came, and our own loop was away for a time that matters: nobody is blamed. */
static bool untrusted(const struct judging *j, const struct attempt *a)
{
    return a->ended && !answered(a) && a->late_us >= j->out->deadline_us / 10;
}

static enum rule_id rule_id_of(const char *id)
{
    const struct rule *rule = rule_find(id);
    return rule ? (enum rule_id)(rule - rules) : RULE_NONE;
}

/* The rule that judges a variant's answers; RULE_ACK_DEADLINE for an undisturbed delivery. */
static enum rule_id own_rule(const struct attempt *a)
{
    return rule_id_of(variant_get(a->variant)->rule);
}

static bool undisturbed(const struct attempt *a)
{
    return a->kind == KIND_EVENTS && a->variant == VARIANT_NONE;
}

static bool refused(const struct attempt *a)
{
    return answered(a) && (a->status == 401 || a->status == 403);
}

/* Valid signatures are refused. Where only some are, and other spellings of the same JSON are too, it is
 * the bytes that decide. */
static enum rule_id blame_signature(const struct judging *j)
{
    return j->signature_taken && j->bytes_refused ? RULE_SIG_RAW_BYTES : RULE_SIG_VALID;
}

/* Requests with fewer events were taken, or there were none of them. */
static bool too_many_events(const struct judging *j, const struct attempt *a)
{
    return a->events > 1 && a->events > j->events_taken && (j->events_taken || !j->single_refused);
}

static enum rule_id blame_pace(const struct judging *j, const struct attempt *a)
{
    const struct played *p = &j->played[a->scenario];
    return p->load && p->control ? RULE_ACK_LOAD : RULE_ACK_DEADLINE;
}

/* An undisturbed delivery, or one that was only late, early or slow, was not acknowledged. */
static enum rule_id blame_plain(const struct judging *j, const struct attempt *a)
{
    if (refused(a))
        return blame_signature(j);
    return answered(a) && too_many_events(j, a) ? RULE_FORM_BATCH : blame_pace(j, a);
}

/* The variant is why this attempt failed. What undisturbed deliveries are answered with now and then is the
 * connector's mood, and so is a silence now and then; what nearly always follows a variant is its fault. */
static bool follows_variant(const struct judging *j, const struct attempt *a)
{
    const struct group *own = &j->played[a->scenario].groups[a->variant];
    const struct group *plain = &j->played[a->scenario].groups[VARIANT_NONE];
    if (answered(a) && a->status < COUNT_OF(j->plain_answers) && !j->plain_answers[a->status])
        return true;
    return own->missed > own->met && (uint64_t)own->missed * (plain->met + plain->missed) >
                                         2ull * plain->missed * (own->met + own->missed);
}

static enum rule_id blame_of(struct judging *j, struct attempt *a)
{
    const struct played *p = &j->played[a->scenario];
    /* Who refuses everything has not shown that the bad is told from the good. */
    a->uncontrolled = a->kind == KIND_EVENTS && expected(a) != EXPECT_ACK && met(a) && !j->signature_taken;
    if (!a->ended || a->kind == KIND_DIAGNOSIS || met(a) || untrusted(j, a))
        return RULE_NONE;
    if (redirected(a))
        return RULE_REACH_REDIRECT;
    if (a->kind == KIND_REACHABILITY && refused(a) && !j->signature_taken)
        return RULE_SIG_VALID; /* no signature is taken, this one like the others */
    if (a->kind == KIND_REACHABILITY)
        return strcmp(j->out->platform, platform_names[PLATFORM_AEP]) == 0 ? RULE_REACH_HEAD
                                                                           : RULE_REACH_TEST;
    if (a >= j->attempts + j->gone && a != j->attempts + j->culprit && !undisturbed(a)) {
        a->uncontrolled = true; /* nobody was there to judge it */
        return RULE_NONE;
    }
    enum rule_id own = own_rule(a);
    if (own == RULE_ACK_DEADLINE)
        return blame_plain(j, a);
    if (!p->control) {
        a->uncontrolled = true;
        return RULE_NONE;
    }
    if (a == j->attempts + j->culprit)
        return own;
    if (expected(a) == EXPECT_ACK && refused(a) && j->plain_answers[a->status])
        return blame_signature(j);
    if (!follows_variant(j, a))
        return expected(a) == EXPECT_ACK ? blame_pace(j, a) : RULE_NONE;
    return own;
}

/* The connector answered, and then nobody ever did: find since when, and what it did not survive. */
static void find_end(struct judging *j)
{
    size_t tail = j->attempt_count;
    bool absent = false;
    j->culprit = j->gone = j->attempt_count;
    while (tail && !answered(&j->attempts[tail - 1])) {
        const struct attempt *a = &j->attempts[--tail];
        if (a->ended && a->outcome != OUTCOME_REFUSED && a->outcome != OUTCOME_RESET)
            return;
        absent |= a->ended && a->outcome == OUTCOME_REFUSED;
    }
    if (!absent || !tail)
        return;
    j->gone = j->culprit = tail;
    /* Requests were under way together: of those that got no answer then, one that was not ordinary. */
    uint32_t scenario = j->attempts[tail].scenario;
    for (size_t i = j->attempt_count; i-- && j->attempts[i].scenario >= scenario;)
        if (j->attempts[i].ended && !answered(&j->attempts[i]) && !undisturbed(&j->attempts[i]) &&
            j->attempts[i].scenario == scenario)
            j->culprit = i;
}

static void assign_blame(struct judging *j)
{
    for (size_t i = 0; i < j->attempt_count; i++) {
        struct attempt *a = &j->attempts[i];
        struct played *p = &j->played[a->scenario];
        if (undisturbed(a) && acknowledged(a)) {
            p->control = j->signature_taken = true;
            j->events_taken = a->events > j->events_taken ? a->events : j->events_taken;
        } else if (undisturbed(a) && answered(a)) {
            j->plain_answers[a->status < COUNT_OF(j->plain_answers) ? a->status : 0] = true;
            j->single_refused |= a->events == 1;
        }
        j->bytes_refused |= variant_get(a->variant)->fault == FAULT_BYTES && refused(a);
        if (a->kind == KIND_EVENTS && met(a))
            p->groups[a->variant].met++;
        else if (a->kind == KIND_EVENTS && a->ended && !untrusted(j, a))
            p->groups[a->variant].missed++;
    }
    find_end(j);
    for (size_t i = 0; i < j->attempt_count; i++)
        j->attempts[i].blame = (uint8_t)blame_of(j, &j->attempts[i]);
}

/* ---- findings ----------------------------------------------------------------------------- */

/* This attempt is one that the rule is judged by, whatever came of it. */
static bool concerns(const struct judging *j, enum rule_id rule, const struct attempt *a)
{
    bool valid = a->kind == KIND_EVENTS && expected(a) == EXPECT_ACK;
    switch (rule) {
    case RULE_ACK_DEADLINE:
    case RULE_ACK_STATUS:
    case RULE_ACK_HEADROOM:
        return valid && !j->played[a->scenario].load;
    case RULE_ACK_LOAD:
        return valid && j->played[a->scenario].load;
    case RULE_SIG_VALID:
        return undisturbed(a);
    case RULE_FORM_BATCH:
        return undisturbed(a) && a->events > 1;
    case RULE_REACH_TEST:
    case RULE_REACH_HEAD:
        return a->kind == KIND_REACHABILITY;
    case RULE_REACH_REDIRECT:
        return a->kind != KIND_DIAGNOSIS;
    default:
        return a->kind == KIND_EVENTS && a->variant != VARIANT_NONE && own_rule(a) == rule;
    }
}

/* Nothing about this attempt speaks for or against the rule. */
static bool says_nothing(const struct judging *j, enum rule_id rule, const struct attempt *a)
{
    if (!a->ended || a->uncontrolled || untrusted(j, a))
        return true;
    if (rule == RULE_REACH_REDIRECT)
        return !answered(a);
    if (rule == RULE_ACK_STATUS || rule == RULE_ACK_HEADROOM)
        return !acknowledged(a);
    return !met(a) && a->blame != rule;
}

static bool fails(enum rule_id rule, const struct attempt *a)
{
    if (rule == RULE_ACK_STATUS)
        return acknowledged(a) && a->status != 200;
    return a->blame == rule;
}

/* AEP asks for exactly 200 to a HEAD request, and nothing else is well. */
static bool head_not_200(enum rule_id rule, const struct attempt *a)
{
    return rule == RULE_REACH_HEAD && a->kind == KIND_REACHABILITY && acknowledged(a) && a->status != 200;
}

static const char *keep(struct owned *owned, struct buf *text)
{
    owned->evidence_texts =
        mem_grow(owned->evidence_texts, &owned->evidence_cap, owned->evidence_count, sizeof(char *));
    return owned->evidence_texts[owned->evidence_count++] = buf_take(text);
}

static void describe_came(const struct judging *j, const struct attempt *a, struct buf *text)
{
    if (answered(a))
        buf_printf(text, "%u after %.1f ms", a->status, (double)a->ack_us / 1000);
    else if (a->outcome == OUTCOME_TIMEOUT)
        buf_printf(text, "no answer within %llu ms; the connection was closed",
                   (unsigned long long)(j->out->deadline_us / 1000));
    else
        buf_puts(text, outcome_sentence(a->outcome));
    if (a->note)
        buf_printf(text, "%s%s", redirected(a) ? ", to " : ": ", a->note);
}

static void describe_expected(const struct judging *j, enum rule_id rule, const struct attempt *a,
                              struct buf *text)
{
    unsigned long long ms = (unsigned long long)(j->out->deadline_us / 1000);
    if (rule == RULE_ACK_STATUS || (a->kind == KIND_REACHABILITY && rule == RULE_REACH_HEAD))
        buf_printf(text, "200 within %llu ms", ms);
    else if (expected(a) == EXPECT_ACK)
        buf_printf(text, "2xx within %llu ms", ms);
    else
        buf_puts(text, expected(a) == EXPECT_REFUSE ? "4xx" : "2xx or 4xx");
}

static void add_evidence(struct judging *j, struct finding *f, enum rule_id rule, const struct attempt *a)
{
    struct owned *owned = (struct owned *)j->out;
    struct buf text;
    if (f->evidence_count == COUNT_OF(f->evidence))
        return;
    struct evidence *e = &f->evidence[f->evidence_count++];
    e->delivery = a->delivery;
    e->event_id = a->event_id;
    buf_init(&text, 1024);
    buf_printf(&text, "delivery %u: ", a->delivery);
    if (a->kind == KIND_REACHABILITY)
        buf_puts(&text, "the reachability check");
    else
        buf_puts(&text, j->names[a->event_name]);
    if (a->events > 1)
        buf_printf(&text, " and %u more", a->events - 1);
    if (a->variant != VARIANT_NONE)
        buf_printf(&text, ", %s", variant_get(a->variant)->summary);
    e->request = keep(owned, &text);
    describe_expected(j, rule, a, &text);
    e->expected = keep(owned, &text);
    describe_came(j, a, &text);
    e->came = keep(owned, &text);
}

static int by_value(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return a < b ? -1 : a > b;
}

static struct latency summarise(uint64_t *values, size_t count)
{
    if (!count)
        return (struct latency){0};
    qsort(values, count, sizeof *values, by_value);
    return (struct latency){
        .count = count,
        .p50_us = values[(count - 1) * 50 / 100],
        .p90_us = values[(count - 1) * 90 / 100],
        .p99_us = values[(count - 1) * 99 / 100],
        .max_us = values[count - 1],
    };
}

/* How often the rule was shown, and why not, where it was not. */
struct tally {
    uint64_t attempts, uncontrolled, untrusted, redirected, other;
};

static void count_attempts(struct judging *j, enum rule_id rule, struct finding *f, struct tally *t,
                           uint64_t *latencies)
{
    size_t timed = 0;
    for (size_t i = 0; i < j->attempt_count; i++) {
        const struct attempt *a = &j->attempts[i];
        const struct played *p = &j->played[a->scenario];
        bool failed =
            (fails(rule, a) || head_not_200(rule, a)) && (rule != RULE_ACK_STATUS || concerns(j, rule, a));
        /* Failures count wherever they are seen, passes only where the scenario asked. */
        if (!failed && (!p->asked[rule] || !concerns(j, rule, a)))
            continue;
        t->attempts++;
        if (failed) {
            if (!f->failed++)
                f->scenario = p->name;
            add_evidence(j, f, rule, a);
        } else if (says_nothing(j, rule, a)) {
            t->uncontrolled += a->uncontrolled;
            t->untrusted += untrusted(j, a);
            t->redirected += redirected(a);
            t->other++;
            continue;
        }
        f->judged++;
        if (!f->scenario)
            f->scenario = p->name;
        if (answered(a))
            latencies[timed++] = a->latency_us;
    }
    f->ack = summarise(latencies, timed);
}

static bool asked_for(const struct judging *j, enum rule_id rule)
{
    for (size_t i = 0; i < j->played_count; i++)
        if (j->played[i].asked[rule])
            return true;
    return false;
}

/* When a wrong signature was accepted in the place of the right one, the mistake is known. */
static const char *diagnosis(const struct judging *j, enum rule_id rule)
{
    if (rule != RULE_SIG_VALID && rule != RULE_SIG_RAW_BYTES)
        return NULL;
    for (size_t i = 0; i < j->attempt_count; i++) {
        const struct attempt *a = &j->attempts[i];
        if (a->kind == KIND_DIAGNOSIS && acknowledged(a) &&
            (rule == RULE_SIG_RAW_BYTES || a->variant == VARIANT_NONE))
            return sign_mistake_sentence(a->mistake);
    }
    return NULL;
}

static void fail_with_reason(struct judging *j, enum rule_id rule, struct finding *f)
{
    const char *mistake = diagnosis(j, rule);
    struct buf text;
    buf_init(&text, 1024);
    f->verdict = VERDICT_FAIL;
    if (mistake)
        buf_printf(&text, "your connector %s (it accepted a request that was signed so)", mistake);
    else
        buf_printf(&text, "%llu of %llu deliveries: expected %s, came %s", (unsigned long long)f->failed,
                   (unsigned long long)f->judged, f->evidence[0].expected, f->evidence[0].came);
    f->reason = keep((struct owned *)j->out, &text);
}

/* ack/headroom is about all acknowledgements together. */
static void judge_headroom(struct judging *j, struct finding *f)
{
    struct buf text;
    if (f->ack.p99_us < j->out->deadline_us / 2)
        return;
    buf_init(&text, 256);
    buf_printf(&text,
               "the 99th percentile of the time to acknowledge is %.1f ms; half of the deadline is %.0f ms",
               (double)f->ack.p99_us / 1000, (double)j->out->deadline_us / 2000);
    f->verdict = VERDICT_FAIL;
    f->failed = f->judged;
    f->reason = keep((struct owned *)j->out, &text);
}

static void judge_unseen(const struct judging *j, enum rule_id rule, const struct tally *t, struct finding *f)
{
    f->verdict = VERDICT_INCONCLUSIVE;
    if (t->untrusted)
        f->reason =
            "pimsim's own loop was late, so that the connector cannot be blamed: is the host overloaded?";
    else if (t->redirected)
        f->reason = "the deliveries were answered with redirects (see reach/redirect)";
    else if (t->uncontrolled)
        f->reason = "undisturbed deliveries were not acknowledged either, so that nothing can be told "
                    "(see sig/valid and ack/deadline)";
    else if (t->other)
        f->reason = "its deliveries failed for another reason, which another rule names";
    else if (t->attempts || (asked_for(j, rule) && j->out->interrupted))
        f->reason = "the run ended before it could be judged";
    else {
        f->verdict = VERDICT_NOT_OBSERVED;
        f->reason = "no delivery of this run shows it";
    }
}

static void judge_rule(struct judging *j, enum rule_id rule, struct finding *f, uint64_t *latencies)
{
    struct tally tally = {0};
    f->rule = &rules[rule];
    unsigned platform = strcmp(j->out->platform, platform_names[PLATFORM_AEP]) == 0
                            ? PLATFORM_BIT(PLATFORM_AEP)
                            : PLATFORM_BIT(PLATFORM_EVENTS_API);
    if (!(rules[rule].platforms & platform)) {
        f->verdict = VERDICT_NOT_APPLICABLE;
        f->reason = "this platform has nothing of the kind";
        f->scenario = "";
        return;
    }
    count_attempts(j, rule, f, &tally, latencies);
    if (f->failed)
        fail_with_reason(j, rule, f);
    else if (!f->judged)
        judge_unseen(j, rule, &tally, f);
    else {
        f->verdict = VERDICT_PASS;
        f->reason = rules[rule].holds;
        if (rule == RULE_ACK_HEADROOM)
            judge_headroom(j, f);
    }
    if (!f->scenario)
        f->scenario = "";
}

/* ---- the sum ------------------------------------------------------------------------------ */

static unsigned weight(const struct rule *rule)
{
    return rule->level == LEVEL_MUST ? 3 : 1;
}

static int percent(unsigned passed, unsigned judged)
{
    return judged ? (int)(100 * passed / judged) : -1;
}

static void sum_scores(struct judgement *out)
{
    unsigned passed[COUNT_OF(categories)] = {0}, judged[COUNT_OF(categories)] = {0};
    unsigned all_passed = 0, all_judged = 0;
    for (size_t i = 0; i < out->finding_count; i++) {
        const struct finding *f = &out->findings[i];
        size_t c = category_of(f->rule);
        unsigned *counts[] = {&out->categories[c].passed, &out->categories[c].failed,
                              &out->categories[c].inconclusive, &out->categories[c].not_observed,
                              &out->categories[c].not_applicable};
        ++*counts[f->verdict];
        if (f->verdict == VERDICT_PASS) {
            passed[c] += weight(f->rule);
            all_passed += weight(f->rule);
        }
        if (f->verdict == VERDICT_PASS || f->verdict == VERDICT_FAIL) {
            judged[c] += weight(f->rule);
            all_judged += weight(f->rule);
        }
    }
    for (size_t c = 0; c < COUNT_OF(categories); c++) {
        out->categories[c].name = categories[c].name;
        out->categories[c].title = categories[c].title;
        out->categories[c].score = percent(passed[c], judged[c]);
    }
    out->score = percent(all_passed, all_judged);
}

static bool is_required(const struct judge_options *o, const char *id)
{
    for (size_t i = 0; i < o->require_count; i++)
        if (strcmp(o->require[i], id) == 0)
            return true;
    return false;
}

static enum conformance conclude(const struct judgement *out, const struct judge_options *o)
{
    bool open = out->score < 0 || out->deliveries == 0;
    for (size_t i = 0; i < out->finding_count; i++) {
        const struct finding *f = &out->findings[i];
        bool must = f->rule->level == LEVEL_MUST || o->strict;
        if (must && f->verdict == VERDICT_FAIL)
            return FAILS;
        if (must && f->verdict == VERDICT_INCONCLUSIVE)
            open = true;
        if (is_required(o, f->rule->id) && f->verdict != VERDICT_PASS && f->verdict != VERDICT_FAIL)
            open = true;
    }
    if (out->score >= 0 && out->score < o->fail_under)
        return FAILS;
    return open ? INCONCLUSIVE : CONFORMS;
}

static void count_all(struct judging *j, uint64_t *latencies)
{
    struct judgement *out = j->out;
    size_t timed = 0;
    for (size_t i = 0; i < j->attempt_count; i++) {
        const struct attempt *a = &j->attempts[i];
        out->deliveries++;
        out->events += a->events;
        out->answered += answered(a);
        out->acknowledged += acknowledged(a);
        out->timeouts += a->ended && a->outcome == OUTCOME_TIMEOUT;
        out->unreachable +=
            a->ended && !answered(a) && a->outcome != OUTCOME_TIMEOUT && a->outcome != OUTCOME_GAVE_UP;
        if (a->late_us > out->late_max_us)
            out->late_max_us = a->late_us;
        if (a->kind == KIND_EVENTS && acknowledged(a))
            latencies[timed++] = a->latency_us;
    }
    out->ack = summarise(latencies, timed);
}

static void judge_all(struct owned *owned)
{
    struct judging *j = &owned->judging;
    struct judgement *out = &owned->judgement;
    uint64_t *latencies = mem_alloc((j->attempt_count + 1) * sizeof *latencies);
    assign_blame(j);
    out->finding_count = RULE_COUNT;
    out->findings = mem_alloc(RULE_COUNT * sizeof *out->findings);
    out->category_count = COUNT_OF(categories);
    out->categories = mem_alloc(sizeof *out->categories * COUNT_OF(categories));
    for (size_t i = 0; i < RULE_COUNT; i++)
        judge_rule(j, (enum rule_id)i, &out->findings[i], latencies);
    count_all(j, latencies);
    free(latencies);
    owned->scenario_names = mem_alloc((j->played_count + 1) * sizeof(char *));
    for (size_t i = 0; i < j->played_count; i++)
        owned->scenario_names[i] = j->played[i].name;
    out->scenarios = owned->scenario_names;
    out->scenario_count = j->played_count;
    sum_scores(out);
}

bool judge_journal(struct judgement **judgement, int fd, const char *name,
                   const struct judge_options *options, struct err *err)
{
    static const char *const skip[] = {"body", "settled", NULL};
    struct owned *owned = mem_alloc(sizeof *owned);
    struct judging *j = &owned->judging;
    j->out = &owned->judgement;
    j->out->interrupted = true; /* until the end record says otherwise */
    j->name = name;
    buf_init(&j->scratch, JOURNAL_LINE_BYTES_MAX);
    bool ok = journal_read(fd, name, skip, read_record, j, err);
    if (ok && !j->headed)
        ok = err_set(err, "%s: an empty journal", name);
    if (ok) {
        judge_all(owned);
        j->out->verdict = conclude(j->out, options);
        *judgement = j->out;
    } else {
        *judgement = NULL;
        judgement_free(j->out);
    }
    return ok;
}

void judgement_free(struct judgement *judgement)
{
    if (!judgement)
        return;
    struct owned *owned = (struct owned *)judgement;
    struct judging *j = &owned->judging;
    for (size_t i = 0; i < j->played_count; i++)
        free(j->played[i].name);
    for (size_t i = 0; i < j->attempt_count; i++)
        free(j->attempts[i].note);
    for (size_t i = 0; i < j->name_count; i++)
        free(j->names[i]);
    for (size_t i = 0; i < owned->evidence_count; i++)
        free(owned->evidence_texts[i]);
    for (size_t i = 0; i < COUNT_OF(owned->texts); i++)
        free(owned->texts[i]);
    free(j->played);
    free(j->attempts);
    free(j->names);
    buf_reset(&j->scratch);
    free(owned->evidence_texts);
    free(owned->scenario_names);
    free(judgement->findings);
    free(judgement->categories);
    free(owned);
}

enum exit_code judgement_exit_code(const struct judgement *judgement)
{
    static const enum exit_code codes[] = {
        [CONFORMS] = EXIT_CONFORMS, [FAILS] = EXIT_FAILS, [INCONCLUSIVE] = EXIT_INCONCLUSIVE};
    return codes[judgement->verdict];
}
