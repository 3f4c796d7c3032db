/* blame: see blame.h. First the run is surveyed, then each attempt is judged by itself, and at last those
 * are excused that only stood beside a breakdown. */
#include "blame.h"

#include <stdlib.h>
#include <string.h>

#include "limits.h"
#include "sign.h"

/* A variant that met silence is at fault for it when chance explains that less often than this. */
#define CHANCE_MIN 0.01
/* How much is sent is what left within so long: one stall of ours makes no lull. */
#define LOAD_WINDOW_S  10
#define LOAD_WINDOW_US (LOAD_WINDOW_S * UINT64_C(1000000))
#define CONTROLS_MIN   10 /* fewer that were taken at a lower load say nothing */

/* How the attempts of one variant in one scenario went; of all plain ones together in [VARIANT_NONE]. */
struct group {
    uint32_t sent, met, wrong, timeouts; /* wrong: answered as it should not be */
};

#define STATUS_COUNT 1000

struct survey {
    const struct transcript *t;
    struct group (*groups)[VARIANT_COUNT]; /* by scenario */
    struct group plain, by_rule[RULE_COUNT + 1];
    uint32_t ends[OUTCOME_COUNT];   /* how the plain ones ended */
    uint32_t batch_taken;           /* the most events of a plain request that was acknowledged */
    bool single_refused;            /* a plain request of one event was answered, and otherwise */
    const struct attempt *mistaken; /* the mistake that explains refusals, or NULL */
    bool signature_taken;           /* some plain delivery was acknowledged … */
    bool bytes_refused;             /* … and one that only spells its JSON otherwise was refused */
    bool moods[STATUS_COUNT];       /* the statuses that plain deliveries were wrongly answered with */
};

/* ---- one attempt -------------------------------------------------------------------------- */

bool attempt_answered(const struct attempt *a)
{
    return a->ended && a->outcome == OUTCOME_ANSWERED;
}

static bool answered_within(const struct attempt *a, unsigned from, unsigned to)
{
    return attempt_answered(a) && a->status >= from && a->status <= to;
}

bool attempt_acknowledged(const struct attempt *a)
{
    return answered_within(a, 200, 299);
}

bool attempt_redirected(const struct attempt *a)
{
    return answered_within(a, 300, 399);
}

bool attempt_plain(const struct attempt *a)
{
    return a->kind == KIND_EVENTS && a->rule == RULE_ACK_DEADLINE && attempt_expects(a) == EXPECT_ACK;
}

enum expect attempt_expects(const struct attempt *a)
{
    if (a->kind == KIND_UNKNOWN || a->kind == KIND_DIAGNOSIS)
        return EXPECT_ANY;
    return a->kind == KIND_EVENTS ? variant_get(a->variant)->expect : EXPECT_ACK;
}

bool attempt_met(const struct transcript *t, const struct attempt *a)
{
    if (a->kind == KIND_REACHABILITY && t->platform == PLATFORM_AEP)
        return answered_within(a, 200, 200); /* and nothing else will do */
    switch (attempt_expects(a)) {
    case EXPECT_ACK:
        return attempt_acknowledged(a);
    case EXPECT_REFUSE:
        return answered_within(a, 400, 499);
    case EXPECT_TAKEN:
        return attempt_acknowledged(a) || answered_within(a, 400, 499);
    default:
        return true;
    }
}

static bool is_denied(const struct attempt *a)
{
    return answered_within(a, 401, 401) || answered_within(a, 403, 403);
}

/* The connection was there, and ended before an answer came. */
static bool lost(const struct attempt *a)
{
    return a->ended &&
           (a->outcome == OUTCOME_RESET || a->outcome == OUTCOME_GARBAGE || a->outcome == OUTCOME_TLS);
}

static bool silent(const struct attempt *a)
{
    return lost(a) || (a->ended && (a->outcome == OUTCOME_TIMEOUT || a->outcome == OUTCOME_REFUSED));
}

static uint64_t end_us(const struct attempt *a)
{
    return a->at_us + a->total_us;
}

/* Our own lateness explains that no answer came in time; that the connection ended, only if it was very long.
 */
static bool late(const struct transcript *t, const struct attempt *a)
{
    uint64_t matters_us = a->outcome == OUTCOME_TIMEOUT ? t->deadline_us / 10 : t->deadline_us;
    return silent(a) && a->late_us >= matters_us;
}

/* ---- the known mistakes ---------------------------------------------------------------------- */

/* With the other platform's headers the body is still this one's: it may be refused, but not like the rest.
 */
static bool knew_headers(const struct transcript *t, const struct attempt *probe)
{
    if (probe->mistake != MISTAKE_OTHER_HEADERS || !attempt_answered(probe) || is_denied(probe) ||
        probe->status >= 429)
        return false;
    for (size_t i = 0; i < t->attempt_count; i++)
        if (attempt_plain(&t->attempts[i]) && attempt_answered(&t->attempts[i]))
            return is_denied(&t->attempts[i]);
    return false;
}

/* Who makes the mistake of `found` takes this request too: it is the same, or about milliseconds, which are
 * far ahead; and who was made for both platforms makes the other mistake. */
static bool explained_by(const struct attempt *found, const struct attempt *a)
{
    return a->mistake == found->mistake || a->mistake == MISTAKE_OTHER_HEADERS ||
           (found->mistake == MISTAKE_TIMESTAMP_AHEAD && a->mistake == MISTAKE_TIMESTAMP_MS);
}

/* When a wrong request was taken in the place of the right one, the mistake is known. A connector that
 * takes right signatures too makes only a mistake that depends on the body; one that takes several kinds
 * of wrong ones makes none of them. */
const struct attempt *blame_mistake(const struct transcript *t, unsigned *tried)
{
    const struct attempt *found = NULL;
    bool probed[MISTAKE_COUNT + 1] = {false};
    uint64_t taken = 0, plain = 0;
    *tried = 0;
    for (size_t i = 0; i < t->attempt_count; i++) {
        plain += attempt_plain(&t->attempts[i]);
        taken += attempt_plain(&t->attempts[i]) && attempt_acknowledged(&t->attempts[i]);
    }
    for (size_t i = 0; i < t->attempt_count; i++) {
        const struct attempt *a = &t->attempts[i];
        bool of_body = sign_mistake_is_spelling(a->mistake);
        if (a->kind != KIND_DIAGNOSIS)
            continue;
        *tried += !probed[a->mistake];
        probed[a->mistake] = true;
        if (!(attempt_acknowledged(a) || knew_headers(t, a)) || (2 * taken > plain && !of_body))
            continue;
        if (!found || found->mistake == MISTAKE_OTHER_HEADERS)
            found = a;
        else if (!explained_by(found, a) && !of_body)
            return NULL;
    }
    return found;
}

/* ---- copies --------------------------------------------------------------------------------- */

/* A copy that was sent while its original was on its way may have overtaken it. When only the copy was
 * acknowledged, that is what happened: the connector met the original as what came again. */
static void settle_overtaken(struct transcript *t, struct attempt *original)
{
    const struct attempt *end = t->attempts + t->attempt_count;
    if (end - original > IN_FLIGHT_MAX)
        end = original + IN_FLIGHT_MAX;
    for (struct attempt *a = original + 1; a < end && a->at_us <= end_us(original); a++) {
        if (a->rule != RULE_ACK_DUPLICATE || !attempt_acknowledged(a) ||
            strcmp(a->event_id, original->event_id) != 0)
            continue;
        uint8_t variant = a->variant, rule = a->rule;
        a->variant = original->variant, a->rule = original->rule;
        original->variant = variant, original->rule = rule;
        return;
    }
}

static void settle_copies(struct transcript *t)
{
    for (size_t i = 0; i < t->attempt_count; i++)
        if (attempt_plain(&t->attempts[i]) && t->attempts[i].ended && !attempt_met(t, &t->attempts[i]))
            settle_overtaken(t, &t->attempts[i]);
}

/* ---- the survey --------------------------------------------------------------------------- */

/* Refused for its signature: with 401 or 403, or however a connector refuses that takes wrong ones alone. */
static bool denied(const struct survey *s, const struct attempt *a)
{
    return is_denied(a) || (s->mistaken && answered_within(a, 400, s->signature_taken ? 499 : 599));
}

static void count(struct group *g, const struct transcript *t, const struct attempt *a)
{
    g->sent++;
    g->met += attempt_met(t, a);
    g->wrong += attempt_answered(a) && !attempt_met(t, a);
    g->timeouts += a->ended && a->outcome == OUTCOME_TIMEOUT;
}

static void survey_attempt(struct survey *s, const struct attempt *a)
{
    bool plain = attempt_plain(a);
    if (a->kind != KIND_EVENTS)
        return;
    count(&s->groups[a->scenario][plain ? VARIANT_NONE : a->variant], s->t, a);
    count(plain ? &s->plain : &s->by_rule[a->rule], s->t, a);
    if (plain && a->ended)
        s->ends[a->outcome]++;
    if (plain && attempt_acknowledged(a)) {
        s->signature_taken = true;
        if (a->events > s->batch_taken)
            s->batch_taken = a->events;
    } else if (plain && attempt_answered(a)) {
        s->moods[a->status] = true;
        s->single_refused |= a->events == 1;
    }
    s->bytes_refused |= variant_get(a->variant)->fault == FAULT_BYTES && denied(s, a);
}

/* Undisturbed deliveries of the attempt's scenario were acknowledged; or those of an earlier one, where the
 * connector did not live to acknowledge any of this. */
static bool controlled(const struct survey *s, const struct attempt *a)
{
    return s->groups[a->scenario][VARIANT_NONE].met > 0 || (lost(a) && s->signature_taken);
}

/* Silence follows this variant always, and the others too seldom for that to be chance. */
static bool silences(const struct survey *s, const struct attempt *a)
{
    const struct group *g = &s->groups[a->scenario][a->variant];
    const struct group *plain = &s->groups[a->scenario][VARIANT_NONE];
    if (g->met || a->outcome == OUTCOME_REFUSED)
        return false;
    if (lost(a))
        return true;
    double share = (double)plain->timeouts / plain->sent, chance = 1;
    for (uint32_t i = 0; i < g->timeouts && chance >= CHANCE_MIN; i++)
        chance *= share;
    return chance < CHANCE_MIN;
}

/* What undisturbed deliveries are answered with as well is the connector's mood, unless it befalls what the
 * rule judges more often than not, and more than twice as often as the others. Variants alone are too few. */
static bool moody(const struct survey *s, const struct attempt *a)
{
    const struct group *g = &s->by_rule[a->rule], *plain = &s->plain;
    bool follows = g->wrong > g->met && (double)g->wrong * plain->sent > 2.0 * plain->wrong * g->sent;
    return s->moods[a->status] && !follows;
}

/* The variant is not why this attempt failed. */
static bool sporadic(const struct survey *s, const struct attempt *a)
{
    return attempt_answered(a) ? moody(s, a) : !silences(s, a);
}

/* ---- each by itself ----------------------------------------------------------------------- */

/* 429 is in order on AEP, which then sends more slowly; and whoever is told to wait is not refused. */
static bool throttled(const struct survey *s, const struct attempt *a)
{
    return answered_within(a, 429, 429) && controlled(s, a) &&
           (s->t->platform == PLATFORM_AEP || attempt_expects(a) != EXPECT_ACK);
}

static enum excuse excuse_of(const struct survey *s, const struct attempt *a)
{
    bool shown = attempt_expects(a) == EXPECT_ACK && attempt_met(s->t, a);
    if (!a->ended)
        return EXCUSE_UNENDED;
    if (a->outcome == OUTCOME_FAILED)
        return EXCUSE_UNMADE;
    if (late(s->t, a))
        return EXCUSE_LATE;
    if (a->kind == KIND_EVENTS && !attempt_plain(a) && !shown && !controlled(s, a))
        return s->groups[a->scenario][VARIANT_NONE].sent ? EXCUSE_REFUSED : EXCUSE_ALONE;
    return throttled(s, a) ? EXCUSE_THROTTLED : EXCUSE_NONE;
}

/* Valid signatures are refused. Where only some are, and other spellings of the same JSON are too, it is
 * the bytes that decide. */
static enum rule_id blame_signature(const struct survey *s)
{
    bool other = s->mistaken && !sign_mistake_is_spelling(s->mistaken->mistake);
    return s->signature_taken && s->bytes_refused && !other ? RULE_SIG_RAW_BYTES : RULE_SIG_VALID;
}

/* No plain request of this size was ever taken, and smaller ones were, or there were none. */
static bool too_many(const struct survey *s, const struct attempt *a)
{
    return a->events > 1 && a->events > s->batch_taken && (s->batch_taken || !s->single_refused);
}

/* Silence, or an answer that speaks of the connector and not of what was sent. */
static bool strained(const struct attempt *a)
{
    return !attempt_answered(a) || a->status >= 500 || a->status == 429 || a->status == 408;
}

/* Who refuses connections is not there. */
static bool is_of_load(const struct attempt *a)
{
    return strained(a) && a->outcome != OUTCOME_REFUSED;
}

static enum rule_id blame_pace(const struct survey *s, const struct attempt *a)
{
    if (s->t->played[a->scenario].load && controlled(s, a))
        return RULE_ACK_LOAD;
    return s->t->played[a->scenario].fails_from && is_of_load(a) ? RULE_FLOW_BACKPRESSURE : RULE_ACK_DEADLINE;
}

static enum rule_id blame_plain(const struct survey *s, const struct attempt *a)
{
    if (denied(s, a))
        return blame_signature(s);
    if (s->t->platform == PLATFORM_AEP && answered_within(a, 404, 404)) /* it ends the subscription */
        return RULE_FLOW_SUSPENSION;
    if (too_many(s, a) && (attempt_answered(a) || lost(a)))
        return RULE_FORM_BATCH;
    return strained(a) ? blame_pace(s, a) : RULE_ACK_DEADLINE;
}

/* ---- over capacity -------------------------------------------------------------------------- */

/* How many requests of its scenario left within the window before an attempt, by the platform's clock. */
static void measure_loads(const struct transcript *t, uint32_t *loads)
{
    size_t oldest = 0;
    for (size_t i = 0; i < t->attempt_count; i++) {
        const struct attempt *a = &t->attempts[i];
        while (t->attempts[oldest].scenario != a->scenario ||
               t->attempts[oldest].virtual_us + LOAD_WINDOW_US <= a->virtual_us)
            oldest++;
        loads[i] = (uint32_t)(i - oldest + 1);
    }
}

static bool fails_perhaps_of_load(const struct survey *s, const struct attempt *a)
{
    return attempt_plain(a) && a->ended && !a->excuse && !attempt_met(s->t, a) && !denied(s, a) &&
           is_of_load(a);
}

/* The load from which on a scenario's deliveries failed, if it is the load that explains it: then those below
 * were taken, and more of them than chance allows for. */
static uint32_t find_limit(const struct survey *s, const uint32_t *loads, uint32_t scenario)
{
    const struct transcript *t = s->t;
    uint32_t limit = UINT32_MAX;
    uint64_t below = 0, above = 0, failed = 0;
    for (size_t i = 0; i < t->attempt_count; i++)
        if (t->attempts[i].scenario == scenario && loads[i] < limit &&
            fails_perhaps_of_load(s, &t->attempts[i]))
            limit = loads[i];
    for (size_t i = 0; i < t->attempt_count && limit != UINT32_MAX; i++) {
        const struct attempt *a = &t->attempts[i];
        if (a->scenario != scenario || !attempt_plain(a))
            continue;
        failed += fails_perhaps_of_load(s, a);
        above += loads[i] >= limit;
        below += loads[i] < limit && attempt_acknowledged(a);
    }
    double chance = 1;
    for (uint64_t i = 0; i < below && chance >= CHANCE_MIN; i++)
        chance *= 1 - (double)failed / (double)above;
    return below >= CONTROLS_MIN && chance < CHANCE_MIN ? (limit + LOAD_WINDOW_S - 1) / LOAD_WINDOW_S : 0;
}

static void survey_loads(const struct survey *s, struct transcript *t)
{
    uint32_t *loads = mem_alloc((t->attempt_count + 1) * sizeof *loads);
    measure_loads(t, loads);
    for (size_t i = 0; i < t->played_count; i++)
        if (t->platform == PLATFORM_AEP && t->played[i].forecast)
            t->played[i].fails_from = find_limit(s, loads, (uint32_t)i);
    free(loads);
}

/* Undisturbed deliveries at other moments met the same silence, more often than chance allows for. */
static bool usual(const struct survey *s, const struct attempt *a)
{
    double enough = CHANCE_MIN * s->plain.sent;
    uint32_t same = 0, all = s->ends[a->outcome];
    if (all == 0 || all < enough) /* counted first: there may be as many checks as deliveries */
        return false;
    for (size_t i = 0; i < s->t->attempt_count; i++) {
        const struct attempt *other = &s->t->attempts[i];
        bool beside = other->at_us <= end_us(a) && end_us(other) >= a->at_us;
        bool met_it = attempt_plain(other) && other->ended && other->outcome == a->outcome;
        if (met_it && !beside && ++same >= enough)
            return true;
    }
    return false;
}

/* On AEP the check is not signed. On the Events API, who takes no signature at all takes not this one. */
static enum rule_id blame_reachability(const struct survey *s, const struct attempt *a)
{
    if (silent(a) && a->outcome != OUTCOME_REFUSED && usual(s, a))
        return RULE_ACK_DEADLINE;
    if (s->t->platform == PLATFORM_AEP)
        return RULE_REACH_HEAD;
    return denied(s, a) && !s->signature_taken ? RULE_SIG_VALID : RULE_REACH_TEST;
}

static enum rule_id blame_of(const struct survey *s, struct attempt *a)
{
    bool redirected = attempt_redirected(a) && a->kind <= KIND_REACHABILITY;
    if (attempt_met(s->t, a) || (a->excuse && !redirected) || a->kind == KIND_NOTIFICATION ||
        a->kind == KIND_BASELINE)
        return RULE_NONE;
    if (redirected)
        return RULE_REACH_REDIRECT;
    if (a->kind == KIND_REACHABILITY)
        return blame_reachability(s, a);
    if (attempt_plain(a))
        return blame_plain(s, a);
    if (attempt_expects(a) == EXPECT_ACK && denied(s, a) && s->moods[a->status])
        return blame_signature(s);
    if (!sporadic(s, a))
        return (enum rule_id)a->rule;
    if (attempt_expects(a) == EXPECT_ACK)
        return blame_plain(s, a);
    a->excuse = EXCUSE_SPORADIC;
    return RULE_NONE;
}

/* ---- bystanders --------------------------------------------------------------------------- */

static bool is_pace(const struct attempt *a)
{
    return a->blame == RULE_ACK_DEADLINE || a->blame == RULE_ACK_LOAD || a->blame == RULE_FLOW_BACKPRESSURE;
}

/* A silence that is blamed on what was sent, and not on the pace: the connector crashed or hung at it. */
static bool breakdown(const struct attempt *a)
{
    return silent(a) && a->blame != RULE_NONE && !is_pace(a);
}

static void excuse(struct attempt *a)
{
    a->blame = RULE_NONE;
    a->excuse = EXCUSE_BYSTANDER;
}

static bool may_be_bystander(const struct attempt *a)
{
    return silent(a) && is_pace(a);
}

/* No answer came while the connector was breaking down at another request. */
static void excuse_neighbours(struct transcript *t)
{
    uint64_t until_us = 0, from_us = UINT64_MAX;
    for (size_t i = 0; i < t->attempt_count; i++) {
        struct attempt *a = &t->attempts[i];
        if (breakdown(a) && end_us(a) > until_us)
            until_us = end_us(a);
        else if (may_be_bystander(a) && a->at_us <= until_us)
            excuse(a);
    }
    for (size_t i = t->attempt_count; i > 0; i--) {
        struct attempt *a = &t->attempts[i - 1];
        if (breakdown(a))
            from_us = a->at_us;
        else if (may_be_bystander(a) && end_us(a) >= from_us)
            excuse(a);
    }
}

/* A connector that is gone refuses every connection until it is started again: that is one failure. Where
 * the rule that it was gone for is no more than a SHOULD, the valid deliveries that it missed stay one. */
static void excuse_absence(struct transcript *t)
{
    bool gone = false, must = true;
    uint64_t since_us = 0;
    for (size_t i = 0; i < t->attempt_count; i++) {
        struct attempt *a = &t->attempts[i];
        bool refused = a->ended && a->outcome == OUTCOME_REFUSED;
        if (a->kind == KIND_NOTIFICATION || a->kind == KIND_BASELINE)
            continue;
        if (attempt_answered(a) && a->at_us >= since_us)
            gone = false;
        else if (refused && gone && (must || !attempt_plain(a)))
            excuse(a);
        else if ((refused || lost(a)) && a->blame != RULE_NONE) {
            must = gone ? must : rule_at(a->blame)->level == LEVEL_MUST;
            gone = true;
            since_us = end_us(a);
        }
    }
}

/* They are apart: often sent to another server, and nothing else is in flight. */
static void blame_notifications(struct transcript *t)
{
    for (size_t i = 0; i < t->attempt_count; i++) {
        struct attempt *a = &t->attempts[i];
        if (a->kind != KIND_NOTIFICATION || attempt_acknowledged(a))
            continue;
        a->excuse = !a->ended                      ? EXCUSE_UNENDED
                    : a->outcome == OUTCOME_FAILED ? EXCUSE_UNMADE
                    : late(t, a)                   ? EXCUSE_LATE
                                                   : EXCUSE_NONE;
        a->blame = a->excuse ? RULE_NONE : RULE_FLOW_NOTIFICATION;
    }
}

void blame_assign(struct transcript *t)
{
    struct survey s = {.t = t, .groups = mem_alloc((t->played_count + 1) * sizeof *s.groups)};
    unsigned tried;
    settle_copies(t);
    s.mistaken = blame_mistake(t, &tried);
    for (size_t i = 0; i < t->attempt_count; i++)
        survey_attempt(&s, &t->attempts[i]);
    for (size_t i = 0; i < t->attempt_count; i++)
        t->attempts[i].excuse = (uint8_t)excuse_of(&s, &t->attempts[i]);
    survey_loads(&s, t);
    for (size_t i = 0; i < t->attempt_count; i++)
        t->attempts[i].blame = (uint8_t)blame_of(&s, &t->attempts[i]);
    excuse_neighbours(t);
    excuse_absence(t);
    blame_notifications(t);
    free(s.groups);
}
