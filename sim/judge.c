/* judge: see judge.h. A rule fails where it is blamed, and passes where a scenario asked for it and it was
 * shown; it passes nowhere else, and what is excused counts for nothing. */
#include "judge.h"

#include <stdlib.h>
#include <string.h>

#include "blame.h"
#include "limits.h"
#include "reason.h"
#include "transcript.h"
#include "trial.h"

const char *const verdict_names[] = {"pass", "fail", "inconclusive", "not-observed", "not-applicable"};
const char *const conformance_names[] = {"conforms", "fails", "inconclusive"};

#define REASON_BYTES_MAX 4096
#define SHOWN_BYTES_MAX  2000 /* of what the connector's state held */
#define HOUR_US          (UINT64_C(3600) * 1000000)

/* The judgement with everything that it borrows. */
struct owned {
    struct judgement judgement;
    struct transcript transcript;
    struct trials trials;
    const char **scenario_names;
    const struct forecast **forecasts;
    char **texts;
    size_t text_count, text_cap;
};

static const char *keep(struct owned *owned, struct buf *text)
{
    owned->texts = mem_grow(owned->texts, &owned->text_cap, owned->text_count, sizeof(char *));
    return owned->texts[owned->text_count++] = buf_take(text);
}

/* ---- what an attempt says about a rule ----------------------------------------------------- */

/* The rule is judged by this attempt, whatever came of it. */
static bool concerns(const struct transcript *t, enum rule_id rule, const struct attempt *a)
{
    bool valid = a->kind == KIND_EVENTS && attempt_expects(a) == EXPECT_ACK;
    bool load = t->played[a->scenario].load;
    switch (rule) {
    case RULE_ACK_DEADLINE:
    case RULE_ACK_STATUS:
        return valid && !load;
    case RULE_ACK_HEADROOM: /* a body that trickles in takes as long as we make it take */
        return valid && !load && a->variant != VARIANT_SLOW_BODY_TRICKLE;
    case RULE_ACK_LOAD:
        return valid && load;
    case RULE_SIG_VALID:
        return attempt_plain(a);
    case RULE_FORM_BATCH:
        return attempt_plain(a) && a->events > 1;
    case RULE_REACH_TEST:
    case RULE_REACH_HEAD:
        return a->kind == KIND_REACHABILITY;
    case RULE_FLOW_NOTIFICATION:
        return a->kind == KIND_NOTIFICATION;
    case RULE_REACH_REDIRECT:
        return a->kind == KIND_EVENTS || a->kind == KIND_REACHABILITY;
    case RULE_FLOW_SUSPENSION:
        return attempt_plain(a);
    case RULE_FLOW_BACKPRESSURE: /* at its capacity, and told so */
        return attempt_plain(a) && (load || t->played[a->scenario].forecast) && a->excuse == EXCUSE_THROTTLED;
    default:
        return a->kind == KIND_EVENTS && !attempt_plain(a) && a->rule == rule;
    }
}

static bool fails(const struct transcript *t, enum rule_id rule, const struct attempt *a)
{
    if (rule == RULE_ACK_STATUS)
        return concerns(t, rule, a) && attempt_acknowledged(a) && a->status != 200;
    return a->blame == rule;
}

static bool passes(const struct transcript *t, enum rule_id rule, const struct attempt *a)
{
    switch (rule) {
    case RULE_REACH_REDIRECT:
    case RULE_FLOW_SUSPENSION:
    case RULE_FLOW_BACKPRESSURE:
        return attempt_answered(a);
    case RULE_ACK_STATUS:
        return attempt_acknowledged(a);
    case RULE_ACK_HEADROOM:
        return attempt_acknowledged(a) && a->late_us < t->deadline_us / 10;
    default:
        return attempt_met(t, a) && !a->excuse;
    }
}

/* What latency is judged by: ack/headroom does without whatever was our own doing. */
static uint64_t latency_of(enum rule_id rule, const struct attempt *a)
{
    uint64_t behind_us = a->at_us > a->scheduled_us ? a->at_us - a->scheduled_us : 0;
    uint64_t ours_us = rule == RULE_ACK_HEADROOM ? a->late_us + behind_us : 0;
    return a->latency_us > ours_us ? a->latency_us - ours_us : 0;
}

/* ---- evidence ----------------------------------------------------------------------------- */

/* The failed attempts that are shown: one of each sort before a second of any. */
struct picks {
    const struct attempt *attempts[EVIDENCE_MAX];
    size_t count;
};

static bool same_sort(const struct attempt *a, const struct attempt *b)
{
    return a->variant == b->variant && a->outcome == b->outcome && a->status == b->status;
}

static bool has_sort(const struct picks *p, const struct attempt *a, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (same_sort(p->attempts[i], a))
            return true;
    return false;
}

static void pick(struct picks *p, const struct attempt *a)
{
    if (p->count == EVIDENCE_MAX) {
        size_t i = EVIDENCE_MAX;
        if (has_sort(p, a, p->count))
            return;
        while (i > 0 && !has_sort(p, p->attempts[i - 1], i - 1))
            i--;
        if (i == 0)
            return;
        p->count--;
        memmove(&p->attempts[i - 1], &p->attempts[i], (p->count - (i - 1)) * sizeof *p->attempts);
    }
    p->attempts[p->count++] = a;
}

static void add_evidence(struct owned *owned, struct finding *f, enum rule_id rule, const struct picks *p)
{
    const struct transcript *t = &owned->transcript;
    struct buf text;
    buf_init(&text, REASON_BYTES_MAX);
    for (size_t i = 0; i < p->count; i++) {
        const struct attempt *a = p->attempts[i];
        struct evidence *e = &f->evidence[f->evidence_count++];
        e->delivery = a->delivery;
        e->event_id = a->event_id;
        reason_request(t, a, &text);
        e->request = keep(owned, &text);
        reason_expected(t, rule, a, &text);
        e->expected = keep(owned, &text);
        reason_came(t, a, &text);
        e->came = keep(owned, &text);
    }
}

/* ---- evidence of the connector's state ---------------------------------------------------- */

/* All deliveries of B about the subject, in order; where there are too many, the last. */
static void add_deliveries(struct owned *owned, const struct exhibit *x, struct difference *d)
{
    const struct transcript *t = &owned->transcript;
    const struct played *p = &t->played[x->trial->scenario];
    const struct attempt *led[COUNT_OF(d->deliveries)] = {NULL}, *last = NULL;
    size_t count = 0;
    struct buf text;
    buf_init(&text, REASON_BYTES_MAX);
    for (size_t i = 0; i < p->about_count; i++) {
        const struct about *about = &t->abouts[p->about_first + i];
        const struct attempt *a = &t->attempts[about->attempt];
        if (about->entity != x->subject || a->universe != UNIVERSE_B || a == last)
            continue;
        led[count++ % COUNT_OF(led)] = last = a;
    }
    d->deliveries_count = count < COUNT_OF(led) ? count : COUNT_OF(led);
    d->deliveries_before = count - d->deliveries_count;
    for (size_t i = 0; i < d->deliveries_count; i++) {
        reason_delivery(t, led[(d->deliveries_before + i) % COUNT_OF(led)], &text);
        d->deliveries[i] = keep(owned, &text);
    }
}

/* A text of the connector's, or of whoever wrote the journal: as much of it as anybody reads. */
static const char *clip(struct owned *owned, const char *text)
{
    struct buf cut;
    if (strlen(text) <= SHOWN_BYTES_MAX)
        return text;
    buf_init(&cut, SHOWN_BYTES_MAX);
    buf_put(&cut, text, SHOWN_BYTES_MAX);
    return keep(owned, &cut);
}

static void add_exhibit(struct owned *owned, struct finding *f, const struct exhibit *x)
{
    const struct transcript *t = &owned->transcript;
    const struct attempt *suspect = exhibit_suspect(t, x);
    const struct effect *effect = x->effect;
    struct evidence *e = &f->evidence[f->evidence_count++];
    struct buf text;
    buf_init(&text, REASON_BYTES_MAX);
    e->delivery = suspect ? suspect->delivery : 0;
    e->event_id = suspect ? suspect->event_id : "";
    e->request = "no delivery is about it";
    if (suspect) {
        reason_request(t, suspect, &text);
        e->request = keep(owned, &text);
    }
    reason_held(effect, effect->expected, &text);
    e->expected = keep(owned, &text);
    reason_held(effect, effect->found, &text);
    e->came = keep(owned, &text);
    struct sides sides = reason_sides(&t->played[x->trial->scenario]);
    e->difference = (struct difference){
        .about = clip(owned, effect->about),
        .place = clip(owned, effect->place),
        .path = clip(owned, effect->path),
        .expected = clip(owned, effect->expected),
        .found = clip(owned, effect->found),
        .without = effect->record_a,
        .with = effect->record_b,
        .words_without = sides.without,
        .words_with = sides.with,
        .also_count = effect->also_count,
        .also_more = effect->also_more,
    };
    for (size_t i = 0; i < effect->also_count; i++)
        e->difference.also[i] = clip(owned, effect->also[i]);
    add_deliveries(owned, x, &e->difference);
}

static void add_death(struct owned *owned, struct finding *f, const struct trial *trial)
{
    const struct transcript *t = &owned->transcript;
    const struct played *p = &t->played[trial->scenario];
    const struct attempt *a = attempt_get(t, p->killed_at);
    struct evidence *e = &f->evidence[f->evidence_count++];
    struct buf text;
    buf_init(&text, REASON_BYTES_MAX);
    e->delivery = p->killed_at;
    e->event_id = a ? a->event_id : "";
    e->request = "the connector was killed";
    if (a) {
        reason_request(t, a, &text);
        e->request = keep(owned, &text);
    }
    e->expected = "a connector that answers again after it was started";
    e->came = p->not_back;
}

/* ---- findings ----------------------------------------------------------------------------- */

static int by_value(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return a < b ? -1 : a > b;
}

/* Of a hundred values the slowest one does not count, nor of fewer. */
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

static void count_failed(struct tally *tally, const struct attempt *a)
{
    if (!tally->failed++) {
        tally->first_failed = a;
        tally->same_event = true;
    }
    tally->same_event &= a->event_name == tally->first_failed->event_name;
}

static void count_excused(struct tally *tally, const struct attempt *a)
{
    if (!tally->unfinished && a->excuse)
        tally->unfinished = a;
    if (!tally->excused[a->excuse]++ && !a->excuse)
        tally->elsewhere = (enum rule_id)a->blame;
}

/* Failures count wherever they are seen, passes only where the scenario asked. Answers alone do not pass
 * flow/suspension: there they say of how many the others failed. */
static bool may_pass(const struct transcript *t, enum rule_id rule, const struct attempt *a)
{
    return (t->played[a->scenario].asked[rule] || rule == RULE_FLOW_SUSPENSION) && concerns(t, rule, a);
}

static void count_attempts(const struct transcript *t, enum rule_id rule, struct finding *f,
                           struct tally *tally, struct picks *picks, uint64_t *latencies)
{
    size_t timed = 0;
    const struct attempt *passed = NULL;
    for (size_t i = 0; i < t->attempt_count; i++) {
        const struct attempt *a = &t->attempts[i];
        if (fails(t, rule, a)) {
            count_failed(tally, a);
            pick(picks, a);
        } else if (!may_pass(t, rule, a)) {
            continue;
        } else if (passes(t, rule, a)) {
            passed = passed ? passed : a;
            tally->other_event |= tally->failed && a->event_name != tally->first_failed->event_name;
        } else {
            count_excused(tally, a);
            continue;
        }
        tally->judged++;
        if (attempt_answered(a))
            latencies[timed++] = latency_of(rule, a);
    }
    const struct attempt *shown = tally->failed ? tally->first_failed : passed;
    f->scenario = shown ? t->played[shown->scenario].name : "";
    f->judged = tally->judged;
    f->failed = tally->failed;
    f->ack = summarise(latencies, timed);
}

static bool asked_for(const struct transcript *t, enum rule_id rule)
{
    for (size_t i = 0; i < t->played_count; i++)
        if (t->played[i].asked[rule])
            return true;
    return false;
}

/* ack/headroom is about all acknowledgements together. */
static void judge_headroom(struct owned *owned, struct finding *f)
{
    uint64_t deadline_us = owned->transcript.deadline_us;
    struct buf text;
    if (f->ack.p99_us < deadline_us / 2)
        return;
    buf_init(&text, REASON_BYTES_MAX);
    buf_printf(&text,
               "the 99th percentile of the time to acknowledge is %.1f ms, and half of the deadline %g ms",
               (double)f->ack.p99_us / 1000, (double)deadline_us / 2000);
    f->verdict = VERDICT_FAIL;
    f->failed = f->judged;
    f->reason = keep(owned, &text);
}

/* A scenario that would have shown the rule, and was not played; NULL: none. */
static const struct played *skipped_for(const struct transcript *t, enum rule_id rule)
{
    for (size_t i = 0; i < t->played_count; i++)
        if (t->played[i].skipped && t->played[i].asked[rule])
            return &t->played[i];
    return NULL;
}

/* Why a rule of hours was not seen. */
static const char *unseen_in_hours(const struct transcript *t, enum rule_id rule)
{
    for (size_t i = 0; i < t->played_count; i++)
        if (t->played[i].asked[rule] && !t->played[i].skipped)
            return rule == RULE_FLOW_BACKPRESSURE
                       ? "it was never over its capacity"
                       : "what kept the requests from the connector was the scenario itself";
    return "no scenario of this run is about it; pimsim run hours has some";
}

static const char *why_unseen(const struct transcript *t, enum rule_id rule)
{
    if (rule == RULE_FLOW_SUSPENSION || rule == RULE_FLOW_BACKPRESSURE)
        return unseen_in_hours(t, rule);
    if (rule >= RULE_PORT_STATE && rule <= RULE_PORT_SWITCHOVER)
        return "no scenario of this run is about it; pimsim run migration has some";
    return category_at(category_of(rule_at(rule)))->judged_by == BY_STATE
               ? "no scenario of this run is about it"
               : "no delivery of this run shows it";
}

static void judge_unseen(struct owned *owned, enum rule_id rule, const struct tally *tally,
                         const struct charge *charge, struct finding *f)
{
    const struct transcript *t = &owned->transcript;
    const struct played *skipped = skipped_for(t, rule);
    uint64_t attempts = 0;
    struct buf text;
    buf_init(&text, REASON_BYTES_MAX);
    for (size_t i = 0; i < EXCUSE_COUNT; i++)
        attempts += tally->excused[i];
    f->verdict = VERDICT_INCONCLUSIVE;
    if (attempts) {
        reason_unseen(t, tally, &text);
        f->reason = keep(owned, &text);
    } else if (charge->open_in) {
        f->scenario = t->played[charge->open_in->scenario].name;
        reason_open(t, charge->open_in, &text);
        f->reason = keep(owned, &text);
    } else if (skipped) {
        f->verdict = VERDICT_NOT_OBSERVED;
        f->reason = skipped->skipped;
    } else if (t->interrupted && asked_for(t, rule)) {
        f->reason = "the run ended before it could be judged";
    } else {
        f->verdict = VERDICT_NOT_OBSERVED;
        f->reason = why_unseen(t, rule);
    }
}

static void judge_answers(struct owned *owned, enum rule_id rule, const struct tally *tally,
                          const struct picks *picks, bool unchecked, struct finding *f)
{
    struct buf text;
    buf_init(&text, REASON_BYTES_MAX);
    reason_failed(&owned->transcript, rule, tally, unchecked, &text);
    f->verdict = VERDICT_FAIL;
    f->reason = keep(owned, &text);
    f->fix = reason_fix(&owned->transcript, rule, tally->first_failed);
    add_evidence(owned, f, rule, picks);
}

/* The state speaks against the rule, or the connector did not come back to have one. */
static void judge_state(struct owned *owned, enum rule_id rule, const struct charge *charge,
                        struct finding *f)
{
    const struct transcript *t = &owned->transcript;
    struct exhibit shown[EVIDENCE_MAX];
    size_t count = trials_show(&owned->trials, rule, shown);
    struct buf text;
    buf_init(&text, REASON_BYTES_MAX);
    f->verdict = VERDICT_FAIL;
    f->scenario = t->played[charge->failed_in->scenario].name;
    f->judged = charge->judged;
    f->failed = charge->failed;
    if (charge->failed_in->end == TRIAL_NOT_BACK) {
        f->fix = reason_fix_death();
        add_death(owned, f, charge->failed_in);
        reason_death(t, charge->failed_in, &text);
    } else {
        const char *fix = reason_fix_effect(t, &shown[0]);
        f->fix = fix ? fix : f->fix;
        reason_differs(t, rule, charge, &shown[0], &text);
    }
    f->reason = keep(owned, &text);
    for (size_t i = 0; i < count && f->evidence_count < EVIDENCE_MAX; i++)
        add_exhibit(owned, f, &shown[i]);
}

/* What became of the subscription in the scenarios that ask for it. */
struct subscriptions {
    uint64_t judged, failed;
    const struct forecast *failed_in, *redirected_in, *narrowest; /* the first two: the first of them */
};

static struct subscriptions survey_subscriptions(const struct transcript *t)
{
    struct subscriptions s = {0};
    for (size_t i = 0; i < t->played_count; i++) {
        const struct forecast *f = t->played[i].forecast;
        int64_t margin, narrowest;
        if (!f || !t->played[i].asked[RULE_FLOW_SUSPENSION] ||
            (f->outage && f->cause == CAUSE_SUCCESS_RATE) || (!f->suspensions && !f->complete))
            continue;
        if (f->cause == CAUSE_REDIRECT) { /* reach/redirect is about that */
            s.redirected_in = s.redirected_in ? s.redirected_in : f;
            continue;
        }
        s.judged++;
        s.failed += f->suspensions > 0;
        if (f->suspensions && !s.failed_in)
            s.failed_in = f;
        forecast_margin(f, &margin);
        if (!s.narrowest || (forecast_margin(s.narrowest, &narrowest) && margin < narrowest))
            s.narrowest = f;
    }
    return s;
}

/* What failed in the hour before a subscription was suspended. */
static void pick_before_suspension(const struct transcript *t, const struct forecast *f, struct picks *picks)
{
    for (size_t i = 0; i < t->attempt_count; i++) {
        const struct attempt *a = &t->attempts[i];
        if (t->played[a->scenario].forecast == f && attempt_plain(a) && a->ended && !attempt_met(t, a) &&
            a->excuse != EXCUSE_THROTTLED && a->virtual_us <= f->suspended_us &&
            a->virtual_us + HOUR_US > f->suspended_us)
            pick(picks, a);
    }
}

/* False when nothing can be said. No delivery was answered with 404. */
static bool judge_subscriptions(struct owned *owned, struct finding *f)
{
    const struct transcript *t = &owned->transcript;
    struct subscriptions s = survey_subscriptions(t);
    const struct forecast *shown = s.failed ? s.failed_in : s.judged ? s.narrowest : s.redirected_in;
    struct picks picks = {0};
    struct buf text;
    f->judged = s.judged;
    f->failed = s.failed;
    f->ack = (struct latency){0};
    f->scenario = shown ? shown->scenario : "";
    if (!shown)
        return false;
    buf_init(&text, REASON_BYTES_MAX);
    if (shown->suspensions) {
        reason_suspended(t, shown, &text);
        f->verdict = s.failed ? VERDICT_FAIL : VERDICT_INCONCLUSIVE;
        if (s.failed) {
            pick_before_suspension(t, shown, &picks);
            add_evidence(owned, f, RULE_FLOW_SUSPENSION, &picks);
        }
    } else {
        reason_active(shown, &text);
        f->verdict = VERDICT_PASS;
    }
    f->reason = keep(owned, &text);
    return true;
}

static void judge_rule(struct owned *owned, enum rule_id rule, bool unchecked, struct finding *f,
                       uint64_t *latencies)
{
    const struct transcript *t = &owned->transcript;
    struct tally tally = {.elsewhere = RULE_NONE};
    struct picks picks = {0};
    f->rule = rule_at(rule);
    f->fix = f->rule->fix;
    if (!(f->rule->platforms & PLATFORM_BIT(t->platform))) {
        f->verdict = VERDICT_NOT_APPLICABLE;
        f->reason = "this platform has nothing of the kind";
        f->scenario = "";
        return;
    }
    count_attempts(t, rule, f, &tally, &picks, latencies);
    struct charge charge = trials_charge(&owned->trials, t, rule);
    if (tally.failed) {
        judge_answers(owned, rule, &tally, &picks, unchecked, f);
    } else if (charge.failed) {
        judge_state(owned, rule, &charge, f);
    } else if (rule == RULE_FLOW_SUSPENSION) {
        if (!judge_subscriptions(owned, f))
            judge_unseen(owned, rule, &(struct tally){0}, &charge, f);
    } else if (tally.judged || charge.judged) {
        f->verdict = VERDICT_PASS;
        f->reason = f->rule->holds;
        if (rule == RULE_ACK_HEADROOM)
            judge_headroom(owned, f);
        if (!tally.judged) {
            f->scenario = t->played[charge.passed_in->scenario].name;
            f->judged = charge.judged;
        }
    } else {
        judge_unseen(owned, rule, &tally, &charge, f);
    }
}

/* What breaks the second rule of a row shows as a difference in the scenarios of the first as well. */
static const struct {
    enum rule_id rule, presupposed;
} presuppositions[] = {
    {RULE_IDEM_BATCH, RULE_FORM_BATCH},           {RULE_IDEM_BATCH, RULE_IDEM_STATE},
    {RULE_IDEM_OVERLAP, RULE_IDEM_STATE},         {RULE_IDEM_LOST_ACK, RULE_IDEM_STATE},
    {RULE_IDEM_RESTART, RULE_IDEM_STATE},         {RULE_IDEM_RESTART, RULE_DURABLE_ACK},
    {RULE_IDEM_LOST_ACK, RULE_IDEM_OVERLAP},      {RULE_ORDER_DELETE, RULE_ORDER_STALE},
    {RULE_ORDER_DELETE, RULE_ORDER_LATE_CREATE},  {RULE_ORDER_LATE_CREATE, RULE_ORDER_STALE},
    {RULE_PORT_DELTA, RULE_PORT_STATE},           {RULE_PORT_DELTA, RULE_PORT_IDENTIFIER},
    {RULE_PORT_REMOVED, RULE_PORT_STATE},         {RULE_PORT_REMOVED, RULE_PORT_IDENTIFIER},
    {RULE_PORT_OWN_EVENTS, RULE_PORT_STATE},      {RULE_PORT_OWN_EVENTS, RULE_PORT_IDENTIFIER},
    {RULE_PORT_HANDOVER, RULE_PORT_STATE},        {RULE_PORT_HANDOVER, RULE_PORT_IDENTIFIER},
    {RULE_PORT_HANDOVER, RULE_PORT_REMOVED},      {RULE_PORT_SWITCHOVER, RULE_PORT_STATE},
    {RULE_PORT_SWITCHOVER, RULE_PORT_IDENTIFIER}, {RULE_PORT_SWITCHOVER, RULE_PORT_HANDOVER},
};

/* One cause, one rule: what another rule that failed may have caused is not held against this one. */
static void withdraw(struct owned *owned, struct finding *findings)
{
    for (size_t i = 0; i < COUNT_OF(presuppositions); i++) {
        struct finding *f = &findings[presuppositions[i].rule];
        const struct finding *cause = &findings[presuppositions[i].presupposed];
        bool differs = f->verdict == VERDICT_FAIL && f->evidence[0].difference.about;
        struct buf text;
        if (!differs || (cause->verdict != VERDICT_FAIL && cause->verdict != VERDICT_INCONCLUSIVE))
            continue;
        buf_init(&text, REASON_BYTES_MAX);
        buf_printf(&text, "%s %s, which this rule builds on: what differs here may well come from that",
                   cause->rule->id, cause->verdict == VERDICT_FAIL ? "fails" : "could not be judged");
        *f = (struct finding){.rule = f->rule,
                              .verdict = VERDICT_INCONCLUSIVE,
                              .scenario = f->scenario,
                              .reason = keep(owned, &text),
                              .fix = f->rule->fix};
    }
}

/* Forged requests of several sorts were sent, and not one was refused. */
static bool signatures_unchecked(const struct transcript *t)
{
    bool taken[VARIANT_COUNT] = {false};
    unsigned sorts = 0;
    for (size_t i = 0; i < t->attempt_count; i++) {
        const struct attempt *a = &t->attempts[i];
        if (a->kind != KIND_EVENTS || variant_get(a->variant)->fault != FAULT_FORGE ||
            attempt_expects(a) != EXPECT_REFUSE || a->rule == RULE_SIG_STALE || a->excuse)
            continue;
        if (!attempt_acknowledged(a))
            return false;
        sorts += !taken[a->variant];
        taken[a->variant] = true;
    }
    return sorts > 1 && taken[VARIANT_FORGE_RANDOM];
}

/* ---- the sum ------------------------------------------------------------------------------ */

static unsigned weight(const struct rule *rule)
{
    return rule->level == LEVEL_MUST ? 3 : 1;
}

/* Weights of the judged rules, and of those that passed. */
struct sum {
    unsigned passed, judged;
};

static int percent(struct sum sum)
{
    return sum.judged ? (int)(100 * sum.passed / sum.judged) : -1;
}

static void add(struct sum *sum, const struct finding *f)
{
    if (f->verdict == VERDICT_PASS)
        sum->passed += weight(f->rule);
    if (f->verdict == VERDICT_PASS || f->verdict == VERDICT_FAIL)
        sum->judged += weight(f->rule);
}

static void sum_scores(struct judgement *out)
{
    struct sum all = {0};
    out->category_count = category_count();
    out->categories = mem_alloc(out->category_count * sizeof *out->categories);
    for (size_t i = 0; i < out->category_count; i++) {
        struct category_score *c = &out->categories[i];
        struct sum sum = {0};
        c->name = category_at(i)->name;
        c->title = category_at(i)->title;
        for (size_t k = 0; k < out->finding_count; k++) {
            const struct finding *f = &out->findings[k];
            unsigned *counts[] = {&c->passed, &c->failed, &c->inconclusive, &c->not_observed,
                                  &c->not_applicable};
            if (category_of(f->rule) != i)
                continue;
            ++*counts[f->verdict];
            add(&sum, f);
            add(&all, f);
        }
        c->score = percent(sum);
    }
    out->score = percent(all);
}

static bool is_required(const struct judge_options *o, const char *id)
{
    for (size_t i = 0; i < o->require_count; i++)
        if (strcmp(o->require[i], id) == 0)
            return true;
    return false;
}

static enum conformance conclude(struct judgement *out, const struct judge_options *o)
{
    bool open = out->interrupted || out->score < 0 || out->deliveries == 0;
    bool fails = out->score >= 0 && out->score < o->fail_under;
    for (size_t i = 0; i < out->finding_count; i++) {
        struct finding *f = &out->findings[i];
        bool must = f->rule->level == LEVEL_MUST || o->strict;
        f->owed = is_required(o, f->rule->id) && f->verdict != VERDICT_PASS && f->verdict != VERDICT_FAIL;
        fails |= must && f->verdict == VERDICT_FAIL;
        open |= f->owed || (must && f->verdict == VERDICT_INCONCLUSIVE);
    }
    return fails ? FAILS : open ? INCONCLUSIVE : CONFORMS;
}

static void count_all(const struct transcript *t, struct judgement *out, uint64_t *latencies)
{
    size_t timed = 0;
    out->deliveries = t->attempt_count;
    for (size_t i = 0; i < t->attempt_count; i++) {
        const struct attempt *a = &t->attempts[i];
        bool timeout = a->ended && a->outcome == OUTCOME_TIMEOUT;
        out->events += a->events;
        out->answered += attempt_answered(a);
        out->acknowledged += attempt_acknowledged(a);
        out->timeouts += timeout;
        out->unreachable += a->ended && !attempt_answered(a) && !timeout && a->outcome != OUTCOME_GAVE_UP &&
                            a->outcome != OUTCOME_OUTAGE;
        if (a->late_us > out->late_max_us)
            out->late_max_us = a->late_us;
        if (a->kind == KIND_EVENTS && attempt_acknowledged(a))
            latencies[timed++] = a->latency_us;
    }
    out->ack = summarise(latencies, timed);
}

static void describe_run(struct owned *owned)
{
    struct judgement *out = &owned->judgement;
    const struct transcript *t = &owned->transcript;
    size_t played = 0, forecasts = 0;
    owned->forecasts = mem_alloc((t->played_count + 1) * sizeof *owned->forecasts);
    for (size_t i = 0; i < t->played_count; i++)
        if (t->played[i].forecast)
            owned->forecasts[forecasts++] = t->played[i].forecast;
    owned->scenario_names = mem_alloc((t->played_count + 1) * sizeof(char *));
    for (size_t i = 0; i < t->played_count; i++)
        if (!t->played[i].skipped)
            owned->scenario_names[played++] = t->played[i].name;
    *out = (struct judgement){
        .pimsim = t->pimsim,
        .platform = t->platform_name,
        .url = t->url,
        .command = t->command,
        .seed = t->seed,
        .deadline_us = t->deadline_us,
        .started_us = t->started_us,
        .interrupted = t->interrupted,
        .scenarios = owned->scenario_names,
        .scenario_count = played,
        .forecasts = owned->forecasts,
        .forecast_count = forecasts,
        .bytes = t->bytes,
        .duration_us = t->duration_us,
    };
}

static void judge_all(struct owned *owned)
{
    struct transcript *t = &owned->transcript;
    struct judgement *out = &owned->judgement;
    uint64_t *latencies = mem_alloc((t->attempt_count + 1) * sizeof *latencies);
    describe_run(owned);
    blame_assign(t);
    trials_hold(&owned->trials, t);
    bool unchecked = signatures_unchecked(t);
    out->finding_count = RULE_COUNT;
    out->findings = mem_alloc(RULE_COUNT * sizeof *out->findings);
    for (int i = 0; i < RULE_COUNT; i++)
        judge_rule(owned, (enum rule_id)i, unchecked, &out->findings[i], latencies);
    withdraw(owned, out->findings);
    count_all(t, out, latencies);
    sum_scores(out);
    free(latencies);
}

bool judge_journal(struct judgement **judgement, int fd, const char *name,
                   const struct judge_options *options, struct err *err)
{
    struct owned *owned = mem_alloc(sizeof *owned);
    *judgement = &owned->judgement;
    if (!transcript_read(&owned->transcript, fd, name, err)) {
        judgement_free(*judgement);
        *judgement = NULL;
        return false;
    }
    judge_all(owned);
    owned->judgement.verdict = conclude(&owned->judgement, options);
    return true;
}

void judgement_free(struct judgement *judgement)
{
    if (!judgement)
        return;
    struct owned *owned = (struct owned *)judgement;
    for (size_t i = 0; i < owned->text_count; i++)
        free(owned->texts[i]);
    free(owned->texts);
    free(owned->scenario_names);
    free(owned->forecasts);
    trials_reset(&owned->trials);
    transcript_reset(&owned->transcript);
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
