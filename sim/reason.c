/* reason: see reason.h. */
#include "reason.h"

#include <stdio.h>
#include <string.h>

#include "blame.h"
#include "limits.h"
#include "sign.h"

/* ---- words -------------------------------------------------------------------------------- */

static const char *status_words(unsigned status)
{
    static const struct {
        unsigned status;
        const char *words;
    } rows[] = {
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {303, "See Other"},
        {307, "Temporary Redirect"},
        {308, "Permanent Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {411, "Length Required"},
        {413, "Payload Too Large"},
        {415, "Unsupported Media Type"},
        {422, "Unprocessable Content"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (rows[i].status == status)
            return rows[i].words;
    return NULL;
}

static void put_status(struct buf *text, const struct attempt *a)
{
    const char *words = status_words(a->status);
    buf_printf(text, "%u%s%s", a->status, words ? " " : "", words ? words : "");
}

static void put_span(struct buf *text, uint64_t us)
{
    if (us % 1000000 == 0)
        buf_printf(text, "%llu s", (unsigned long long)(us / 1000000));
    else
        buf_printf(text, "%llu ms", (unsigned long long)(us / 1000));
}

static uint64_t deadline_of(const struct transcript *t, const struct attempt *a)
{
    return a->kind == KIND_NOTIFICATION ? NOTIFICATION_DEADLINE_MS * UINT64_C(1000)
           : a->kind == KIND_BASELINE   ? EVENTS_API_DEADLINE_MS * UINT64_C(1000)
                                        : t->deadline_us;
}

#define BASELINE_WORDS " through the Events API"

/* ---- one attempt -------------------------------------------------------------------------- */

void reason_request(const struct transcript *t, const struct attempt *a, struct buf *text)
{
    buf_printf(text, "delivery %u%s: ", a->delivery, a->kind == KIND_BASELINE ? BASELINE_WORDS : "");
    buf_puts(text, a->kind == KIND_REACHABILITY ? "the reachability check" : t->names[a->event_name]);
    if (a->events > 1)
        buf_printf(text, " and %u more", a->events - 1);
    if (a->variant != VARIANT_NONE)
        buf_printf(text, ", %s", variant_get(a->variant)->summary);
    if (t->played[a->scenario].forecast) {
        buf_puts(text, a->again ? ", again at " : ", at ");
        forecast_put_moment(a->virtual_us, text);
    }
}

void reason_delivery(const struct transcript *t, const struct attempt *a, struct buf *text)
{
    buf_printf(text, "%u %s", a->delivery, t->names[a->event_name]);
    if (a->events > 1)
        buf_printf(text, " and %u more", a->events - 1);
    if (a->variant != VARIANT_NONE)
        buf_printf(text, " (%s)", variant_get(a->variant)->summary);
    buf_puts(text, a->kind == KIND_BASELINE ? BASELINE_WORDS : "");
}

void reason_expected(const struct transcript *t, enum rule_id rule, const struct attempt *a, struct buf *text)
{
    enum expect expects = attempt_expects(a);
    if (rule == RULE_REACH_REDIRECT && expects != EXPECT_ACK) {
        buf_puts(text, "no redirect");
    } else if (expects != EXPECT_ACK) {
        buf_puts(text, expects == EXPECT_REFUSE ? "4xx" : "2xx or 4xx");
    } else {
        buf_puts(text, rule == RULE_ACK_STATUS || rule == RULE_REACH_HEAD ? "200 within " : "2xx within ");
        put_span(text, deadline_of(t, a));
    }
}

void reason_came(const struct transcript *t, const struct attempt *a, struct buf *text)
{
    if (attempt_answered(a)) {
        put_status(text, a);
        buf_printf(text, " after %.1f ms", (double)a->latency_us / 1000);
    } else if (a->outcome == OUTCOME_TIMEOUT) {
        buf_puts(text, "no answer within ");
        put_span(text, deadline_of(t, a));
        buf_puts(text, "; the connection was closed");
    } else {
        buf_puts(text, outcome_sentence(a->outcome));
    }
    if (a->note)
        buf_printf(text, "%s%s", attempt_redirected(a) ? ", to " : ": ", a->note);
}

/* ---- failures ----------------------------------------------------------------------------- */

/* What a rule counts, and what happened to those that failed; NULL: it goes by what was expected. */
static const struct {
    const char *subject, *happened;
} sentences[RULE_COUNT] = {
    [RULE_ACK_DEADLINE] = {"valid deliveries", NULL},
    [RULE_ACK_STATUS] = {"acknowledgements", "not exactly 200"},
    [RULE_ACK_LOAD] = {"deliveries at the platform's top rate", NULL},
    [RULE_ACK_DUPLICATE] = {"events that came again", NULL},
    [RULE_REACH_TEST] = {"Test requests", NULL},
    [RULE_REACH_HEAD] = {"HEAD requests", "not answered with 200"},
    [RULE_REACH_REDIRECT] = {"requests", "redirected"},
    [RULE_SIG_VALID] = {"rightly signed requests", "refused"},
    [RULE_SIG_FORGED] = {"requests with a wrong signature", NULL},
    [RULE_SIG_MISSING] = {"requests without a signature", NULL},
    [RULE_SIG_OTHER_SECRET] = {"requests signed with another secret", NULL},
    [RULE_SIG_TAMPERED] = {"requests that were changed after signing", NULL},
    [RULE_SIG_RAW_BYTES] = {"rightly signed requests in other bytes", NULL},
    [RULE_SIG_ROTATION] = {"requests signed for the new secret", NULL},
    [RULE_SIG_STALE] = {"requests signed an hour ago", NULL},
    [RULE_SIG_ODD] = {"requests with an odd signature", NULL},
    [RULE_FORM_BATCH] = {"requests with several events", NULL},
    [RULE_FORM_UNKNOWN_TYPE] = {"events of an unknown type", NULL},
    [RULE_FORM_UNKNOWN_FIELD] = {"events with unknown fields", NULL},
    [RULE_FORM_MALFORMED] = {"malformed bodies", NULL},
    [RULE_FORM_LARGE] = {"bodies of 1 MiB", NULL},
    [RULE_FLOW_SUSPENSION] = {"valid deliveries", NULL},
    [RULE_FLOW_BACKPRESSURE] = {"deliveries", NULL},
    [RULE_FLOW_NOTIFICATION] = {"attempts to notify", NULL},
};

static const char *what_happened(enum rule_id rule, const struct attempt *a)
{
    static const char *const by_expectation[] = {
        [EXPECT_ACK] = "not acknowledged",
        [EXPECT_REFUSE] = "not refused with 4xx",
        [EXPECT_TAKEN] = "answered neither with 2xx nor with 4xx",
        [EXPECT_ANY] = "not answered as they should be",
    };
    return sentences[rule].happened ? sentences[rule].happened : by_expectation[attempt_expects(a)];
}

/* "was answered 404 Not Found", "got no answer within 3 s" */
static void put_end_of(const struct transcript *t, const struct attempt *a, struct buf *text)
{
    if (attempt_answered(a)) {
        buf_puts(text, "was answered ");
        put_status(text, a);
        if (attempt_redirected(a) && a->note)
            buf_printf(text, ", to %s", a->note);
        return;
    }
    if (a->outcome == OUTCOME_TIMEOUT) {
        buf_puts(text, "got no answer within ");
        put_span(text, deadline_of(t, a));
    } else {
        buf_printf(text, "got no answer: %s", outcome_sentence(a->outcome));
    }
    if (a->note)
        buf_printf(text, " (%s)", a->note);
}

static void put_counts(const struct transcript *t, enum rule_id rule, const struct tally *tally,
                       struct buf *text)
{
    unsigned long long failed = tally->failed, judged = tally->judged;
    if (rule == RULE_FLOW_BACKPRESSURE)
        buf_printf(text, "%llu deliver%s failed, at %u requests a second and more, and none below", failed,
                   failed == 1 ? "y" : "ies", t->played[tally->first_failed->scenario].fails_from);
    else
        buf_printf(text, "%llu of %llu %s %s %s", failed, judged, sentences[rule].subject,
                   failed == 1 ? "was" : "were", what_happened(rule, tally->first_failed));
    buf_puts(text, tally->failed == 1 ? ": it " : "; the first ");
    put_end_of(t, tally->first_failed, text);
    if (tally->failed > 1 && tally->same_event && tally->other_event)
        buf_printf(text, "; all of them were %s", t->names[tally->first_failed->event_name]);
}

static const struct attempt *diagnosis(const struct transcript *t, enum rule_id rule, unsigned *tried)
{
    *tried = 0;
    return rule == RULE_SIG_VALID || rule == RULE_SIG_RAW_BYTES ? blame_mistake(t, tried) : NULL;
}

/* The signature is not what it should be, and we cannot tell why: what an author can look at. */
static void put_undiagnosed(const struct transcript *t, const struct tally *tally, unsigned tried,
                            struct buf *text)
{
    bool events_api = t->platform == PLATFORM_EVENTS_API;
    buf_printf(text, "; %u known mistakes were tried, and none explains it: ", tried);
    if (tally->failed < tally->judged)
        buf_puts(text, events_api ? "what differs from those that were taken, and does a clock decide?"
                                  : "what differs from those that were taken?");
    else
        buf_printf(text, "does the connector have this very secret, is it made for %s (--platform)%s",
                   platform_names[t->platform], events_api ? ", and is its clock right?" : "?");
}

static void put_lost(const struct forecast *f, struct buf *text)
{
    if (f->lost)
        buf_printf(text, ", and %llu event%s lost", (unsigned long long)f->lost,
                   f->lost == 1 ? " was" : "s were");
}

/* Who refuses connections was there before: the first request that it did not survive. */
static void put_end(const struct transcript *t, const struct attempt *refused, struct buf *text)
{
    const struct attempt *lost = NULL;
    for (const struct attempt *a = refused; a-- > t->attempts && (!lost || a->scenario == lost->scenario);)
        if (a->blame != RULE_NONE && a->outcome == OUTCOME_RESET)
            lost = a;
    if (lost) {
        buf_puts(text, "; the connector was gone since ");
        reason_request(t, lost, text);
    }
}

/* What a 404 does; and what it did, where the platform's laws were in force. */
static void put_suspension(const struct transcript *t, struct buf *text)
{
    buf_puts(text, "; a 404 suspends the subscription at once");
    for (size_t i = 0; i < t->played_count; i++) {
        const struct forecast *f = t->played[i].forecast;
        if (!f || f->cause != CAUSE_NOT_FOUND)
            continue;
        buf_printf(text, ": in %s at ", f->scenario);
        forecast_put_moment(f->suspended_us, text);
        put_lost(f, text);
        return;
    }
}

void reason_failed(const struct transcript *t, enum rule_id rule, const struct tally *tally, bool unchecked,
                   struct buf *text)
{
    unsigned tried;
    const struct attempt *mistaken = diagnosis(t, rule, &tried);
    bool accepted = attempt_acknowledged(tally->first_failed);
    if (mistaken) {
        buf_printf(text, "your connector %s (it accepted a request that was signed so)",
                   sign_mistake_sentence(mistaken->mistake));
        return;
    }
    if (unchecked && accepted && rule == RULE_SIG_FORGED)
        buf_puts(text, "your connector checks no signature at all: ");
    else if (unchecked && accepted && attempt_expects(tally->first_failed) == EXPECT_REFUSE)
        buf_puts(text, "no signature is checked at all (see sig/forged): ");
    put_counts(t, rule, tally, text);
    if (rule == RULE_FLOW_SUSPENSION)
        put_suspension(t, text);
    if (tally->first_failed->outcome == OUTCOME_REFUSED)
        put_end(t, tally->first_failed, text);
    if (rule == RULE_SIG_VALID && tried)
        put_undiagnosed(t, tally, tried, text);
}

static bool nothing_taken(const struct transcript *t)
{
    for (size_t i = 0; i < t->attempt_count; i++)
        if (attempt_plain(&t->attempts[i]) && attempt_acknowledged(&t->attempts[i]))
            return false;
    return true;
}

const char *reason_fix(const struct transcript *t, enum rule_id rule, const struct attempt *a)
{
    static const struct {
        unsigned from, to;
        const char *fix;
    } rows[] = {
        {404, 404, "Give the URL with the path that the connector serves, and route POST there."},
        {405, 405, "Route POST on this path."},
        {413, 413, "Raise the limit of the body to 10 MB in every layer."},
        {415, 415, "Take application/json whatever its parameters; --content-type sends another."},
        {429, 429,
         "Let the platform's top rate through, and answer 429 only beyond it. pimsim skips all pauses: "
         "--speed 1 "
         "keeps the pace of the clock."},
        {400, 499,
         "Answer 200 to every genuine event, also to one that you have no use for; your log says what it "
         "disliked."},
        {500, 599,
         "Your log has the error. Store the bytes, answer 200, and parse in a worker: then no event can "
         "break "
         "the answer."},
    };
    unsigned tried;
    const struct attempt *mistaken = diagnosis(t, rule, &tried);
    bool pace = rule == RULE_ACK_DEADLINE || rule == RULE_ACK_LOAD;
    pace |= rule == RULE_FLOW_SUSPENSION && nothing_taken(t);
    if (mistaken)
        return sign_mistake_fix(mistaken->mistake);
    if (pace && a->ended && (a->outcome == OUTCOME_REFUSED || a->outcome == OUTCOME_RESET))
        return "Read what the connector wrote last: no request may end the process or its connection; catch "
               "what a handler throws.";
    for (size_t i = 0; pace && attempt_answered(a) && i < COUNT_OF(rows); i++)
        if (a->status >= rows[i].from && a->status <= rows[i].to)
            return rows[i].fix;
    return rule_at(rule)->fix;
}

/* ---- nothing to say ----------------------------------------------------------------------- */

/* The rule that undisturbed deliveries failed in the attempt's scenario. */
static enum rule_id plain_blame(const struct transcript *t, const struct attempt *disturbed)
{
    for (size_t i = 0; i < t->attempt_count; i++) {
        const struct attempt *a = &t->attempts[i];
        if (a->scenario == disturbed->scenario && attempt_plain(a) && a->blame != RULE_NONE)
            return (enum rule_id)a->blame;
    }
    return RULE_NONE;
}

static void put_see(struct buf *text, enum rule_id rule)
{
    if (rule != RULE_NONE)
        buf_printf(text, " (see %s)", rule_at(rule)->id);
}

static enum excuse most_common(const struct tally *tally)
{
    enum excuse most = EXCUSE_NONE;
    for (int e = EXCUSE_NONE; e < EXCUSE_COUNT; e++)
        if (tally->excused[e] > tally->excused[most])
            most = (enum excuse)e;
    return most;
}

void reason_unseen(const struct transcript *t, const struct tally *tally, struct buf *text)
{
    static const char *const words[EXCUSE_COUNT] = {
        [EXCUSE_NONE] = "its deliveries failed for another reason",
        [EXCUSE_UNENDED] = "the run ended before it could be judged",
        [EXCUSE_LATE] = "pimsim's own loop was late, so that silence cannot be held against the connector: "
                        "is the host overloaded?",
        [EXCUSE_UNMADE] = "pimsim could not make the requests",
        [EXCUSE_REFUSED] = "the deliveries without the fault were not acknowledged either, so that nothing "
                           "can be told",
        [EXCUSE_ALONE] = "its scenario has no delivery without the fault to compare with: give the fault a "
                         "smaller share",
        [EXCUSE_THROTTLED] = "its deliveries were answered 429 Too Many Requests",
        [EXCUSE_BYSTANDER] = "the connector broke down at another request",
        [EXCUSE_SPORADIC] = "no answer came now and then, with and without the fault",
    };
    enum excuse most = most_common(tally);
    buf_puts(text, words[most]);
    if (most == EXCUSE_NONE)
        put_see(text, tally->elsewhere);
    else if (most == EXCUSE_UNMADE && tally->unfinished && tally->unfinished->note)
        buf_printf(text, ": %s", tally->unfinished->note);
    else if (most == EXCUSE_REFUSED)
        put_see(text, plain_blame(t, tally->unfinished));
}

/* ---- the subscription --------------------------------------------------------------------- */

/* The rule that most of what failed before the suspension failed; of 3xx reach/redirect. */
static enum rule_id blamed_before(const struct transcript *t, const struct forecast *f)
{
    uint64_t blamed[RULE_COUNT + 1] = {0};
    enum rule_id most = RULE_NONE;
    for (size_t i = 0; i < t->attempt_count; i++) {
        const struct attempt *a = &t->attempts[i];
        if (t->played[a->scenario].forecast != f || a->virtual_us > f->suspended_us ||
            a->blame == RULE_NONE || (f->cause == CAUSE_REDIRECT && a->blame != RULE_REACH_REDIRECT))
            continue;
        if (++blamed[a->blame] > blamed[most] || most == RULE_NONE)
            most = (enum rule_id)a->blame;
    }
    return most;
}

void reason_suspended(const struct transcript *t, const struct forecast *f, struct buf *text)
{
    buf_puts(text, "the subscription was suspended at ");
    forecast_put_moment(f->suspended_us, text);
    buf_printf(text, ", because %s", cause_sentence(f->cause));
    if (f->cause == CAUSE_SUCCESS_RATE && f->success_min_ppm) {
        buf_printf(text, " (%.1f %%, ", (double)f->success_worst_ppm / 10000);
        forecast_put_margin(f, text);
        buf_puts(text, ")");
    }
    put_lost(f, text);
    put_see(text, blamed_before(t, f));
}

void reason_active(const struct forecast *f, struct buf *text)
{
    int64_t margin;
    buf_puts(text, "not suspended in ");
    forecast_put_span(f->virtual_us, text);
    if (!forecast_margin(f, &margin))
        return;
    buf_puts(text, ": the worst hour stayed ");
    forecast_put_margin(f, text);
}

/* ---- the connector's state ---------------------------------------------------------------- */

#define VALUE_BYTES_SHOWN 80 /* of a value in a sentence */

/* "product", or "entity" where names are of several kinds; "" for nobody. */
static struct span noun_of(const struct interns *names)
{
    struct span noun = {0};
    for (size_t i = 0; i < names->count; i++) {
        const char *name = intern_text(names, (uint32_t)i), *space = strrchr(name, ' ');
        struct span other = {name, space ? (size_t)(space - name) : strlen(name)};
        if (i && !span_same(noun, other))
            return span_of("entity");
        noun = other;
    }
    return noun.len ? noun : span_of("entity");
}

/* "1 of 10 products", "2 of 3 families" */
static void put_share(const struct played *p, uint64_t some, uint64_t all, struct buf *text)
{
    struct span noun = noun_of(&p->entities);
    bool ies = noun.data[noun.len - 1] == 'y';
    buf_printf(text, "%llu of %llu ", (unsigned long long)some, (unsigned long long)all);
    buf_put(text, noun.data, noun.len - (ies && all != 1));
    buf_puts(text, all == 1 ? "" : ies ? "ies" : "s");
}

/* A value, cut between characters when it is long. */
static void put_value(const char *value, struct buf *text)
{
    size_t len = strlen(value);
    if (len <= VALUE_BYTES_SHOWN) {
        buf_puts(text, value);
        return;
    }
    for (len = VALUE_BYTES_SHOWN; len && ((unsigned char)value[len] & 0xc0) == 0x80;)
        len--;
    buf_put(text, value, len);
    buf_puts(text, "…");
}

static bool is_none(const char *value)
{
    return strcmp(value, "none") == 0;
}

void reason_held(const struct effect *effect, const char *value, struct buf *text)
{
    if (is_none(value)) {
        buf_printf(text, "%s%s", *effect->path ? "no " : "no record", effect->path);
        return;
    }
    buf_printf(text, "%s%s", effect->path, *effect->path ? " " : "");
    put_value(value, text);
}

struct sides reason_sides(const struct played *p)
{
    static const struct sides rows[] = {
        [MIGRATION_NONE] = {"without the fault", "with the fault"},
        [MIGRATION_INSTEAD] = {"through the Events API", "through AEP"},
        [MIGRATION_BESIDES] = {"through the Events API alone", "through both"},
        [MIGRATION_HANDOVER] = {"through the Events API alone", "through the Events API, then AEP"},
    };
    return rows[p->migration];
}

/* "product 3 has 2 records at state-url 1: /products/[], and 1 record" or "/price of product 3 is 9, and 10";
 * how: what brought about what it is, " through AEP" */
static void put_effect(const struct effect *e, const char *how, struct buf *text)
{
    const char *about = *e->about ? e->about : "the state";
    if (!*e->path) {
        buf_printf(text, "%s has %s at %s%s, and %s", about, is_none(e->found) ? "no record" : e->found,
                   e->place, how, e->expected);
        return;
    }
    buf_printf(text, "%s of %s is ", e->path, about);
    put_value(is_none(e->found) ? "missing" : e->found, text);
    buf_printf(text, "%s, and ", how);
    put_value(is_none(e->expected) ? "missing" : e->expected, text);
}

/* What happened to those that differ: "after" it they do, unless there is a word for it. */
static void put_cause(enum rule_id rule, bool one, struct buf *text)
{
    static const char *const causes[RULE_COUNT] = {
        [RULE_FORM_BATCH] = "requests with several events",
        [RULE_IDEM_STATE] = "events that came again",
        [RULE_IDEM_BATCH] = "events that came twice in one request",
        [RULE_IDEM_OVERLAP] = "events that came again while the first was being worked on",
        [RULE_IDEM_RESTART] = "a kill and events that came again",
        [RULE_IDEM_LOST_ACK] = "acknowledgements that were lost, and events that came again",
        [RULE_ORDER_STALE] = "older events that came late",
        [RULE_ORDER_DELETE] = "older events that came behind a removal",
        [RULE_ORDER_LATE_CREATE] = "creations that came late",
        [RULE_DURABLE_ACK] = "a kill behind the acknowledgement",
        [RULE_PORT_DELTA] = "deltas",
        [RULE_PORT_REMOVED] = "removals",
        [RULE_PORT_OWN_EVENTS] = "the connector's own changes, which AEP alone sends back",
        [RULE_PORT_HANDOVER] = "the switch from the Events API to AEP",
        [RULE_PORT_SWITCHOVER] = "changes that both platforms told of",
    };
    if (rule == RULE_PORT_STATE)
        buf_puts(text, one ? " is not what the Events API makes of it"
                           : " are not what the Events API makes of them");
    else if (rule == RULE_PORT_IDENTIFIER)
        buf_puts(text, one ? " has lost its identifier" : " have lost their identifiers");
    else
        buf_printf(text, " %s after %s", one ? "differs" : "differ",
                   causes[rule] ? causes[rule] : "the fault");
}

/* All that differ are models, and products do not. */
static bool are_models(const struct transcript *t, const struct exhibit *first)
{
    const struct played *p = &t->played[first->trial->scenario];
    bool all = span_equals(noun_of(&p->entities), "entity");
    for (size_t i = 0; all && i < first->trial->exhibit_count; i++) {
        const struct exhibit *x = &first->trial->exhibits[i];
        all = x->rule != first->rule || strncmp(x->effect->about, "model ", strlen("model ")) == 0;
    }
    return all;
}

/* A port that shows too little may not have asked. */
static void put_calls(const struct played *p, struct buf *text)
{
    if (!p->calls)
        buf_puts(text, "; the connector made no call to the PIM");
    else if (p->calls_failed)
        buf_printf(text, "; %llu of the connector's %llu call%s to the PIM got an error, the first %s",
                   (unsigned long long)p->calls_failed, (unsigned long long)p->calls,
                   p->calls == 1 ? "" : "s", p->call_failed);
}

void reason_differs(const struct transcript *t, enum rule_id rule, const struct charge *charge,
                    const struct exhibit *first, struct buf *text)
{
    const struct played *p = &t->played[charge->failed_in->scenario];
    struct sides sides = reason_sides(p);
    bool refusable = first->trial->subjects[first->subject].refusable != NULL, one = charge->failed == 1;
    char how[40] = "";
    put_share(p, charge->failed, charge->judged, text);
    if (refusable)
        buf_printf(text, " %s after requests that must have no effect", one ? "differs" : "differ");
    else
        put_cause(rule, one, text);
    buf_puts(text, ": ");
    if (p->migration)
        snprintf(how, sizeof how, " %s", sides.with);
    put_effect(first->effect, how, text);
    buf_printf(text, " %s", refusable ? "without them" : sides.without);
    if (rule == RULE_PORT_STATE && are_models(t, first))
        buf_puts(text, "; all that differ are product models");
    if (rule == RULE_PORT_STATE || rule == RULE_PORT_IDENTIFIER)
        put_calls(p, text);
    if (rule == RULE_PORT_REMOVED && exhibit_lacks(first))
        buf_puts(text,
                 ". That is less, not more: it never came through AEP, or went and left no mark where the "
                 "Events API leaves one");
}

static bool was_refused(const struct transcript *t, const struct exhibit *first)
{
    const struct attempt *a = first->trial->subjects[first->subject].refusable;
    (void)t;
    return a && !attempt_acknowledged(a);
}

static bool has_asked(const struct transcript *t, const struct exhibit *first)
{
    const struct played *p = &t->played[first->trial->scenario];
    return p->calls && !p->calls_failed;
}

static bool is_lacking(const struct transcript *t, const struct exhibit *first)
{
    (void)t;
    return exhibit_lacks(first);
}

const char *reason_fix_effect(const struct transcript *t, const struct exhibit *first)
{
    static const struct {
        enum rule_id rule; /* RULE_NONE: any */
        bool (*applies)(const struct transcript *t, const struct exhibit *first);
        const char *fix;
    } rows[] = {
        {RULE_NONE, was_refused,
         "Check a request as a whole, its signature first, before any of it is stored or queued: this one "
         "was not accepted, and its event was applied nevertheless."},
        {RULE_PORT_STATE, are_models,
         "Do for product models what you do for products: fetch the model from the PIM by its code (GET "
         "/api/rest/v1/product-models), and map it as the old code mapped the event's resource."},
        {RULE_PORT_STATE, has_asked,
         "Map what the PIM answers as the old code mapped the event's resource, products and models alike; a "
         "list has 10 items unless `limit` says more."},
        {RULE_PORT_REMOVED, is_lacking,
         "Store what product.created and product-model.created tell, and remove as the old code did: where "
         "it kept a record and marked it, keep it and mark it."},
        {RULE_PORT_OWN_EVENTS, is_lacking,
         "Drop only what your own client id caused, by data.author.identifier (pimsim gives such changes "
         "--client-id, pimsim-connector unless you say); somebody else's change must be taken, whatever its "
         "author's type, api too."},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if ((rows[i].rule == RULE_NONE || rows[i].rule == first->rule) && rows[i].applies(t, first))
            return rows[i].fix;
    return NULL;
}

void reason_death(const struct transcript *t, const struct trial *trial, struct buf *text)
{
    buf_printf(text, "the connector did not come back after it was killed: %s",
               t->played[trial->scenario].not_back);
}

const char *reason_fix_death(void)
{
    return "Make it start again after a kill -9, by the same command: look for a lock or pid file, a socket "
           "or "
           "a half-written file that the killed process left behind.";
}

/* Whose deliveries were not acknowledged, and so on. */
static void put_open_subjects(const struct transcript *t, const struct trial *trial, struct buf *text)
{
    const struct played *p = &t->played[trial->scenario];
    bool failed = attempt_expects(trial->open) == EXPECT_ACK;
    uint64_t open = 0;
    for (size_t i = 0; i < p->entities.count; i++)
        open += trial->subjects[i].open != NULL;
    put_share(p, open, p->entities.count, text);
    buf_printf(text, " had deliveries%s that %s", trial->open->kind == KIND_BASELINE ? BASELINE_WORDS : "",
               failed ? "were not acknowledged, so that the state says nothing"
                      : "a connector may take or leave");
    put_see(text, (enum rule_id)trial->open->blame);
}

static bool is_all_history(const struct effect_records *records)
{
    for (size_t i = 0; i < records->count; i++)
        if (!records->items[i].history)
            return false;
    return records->count > 0;
}

static void put_blind(const struct played *p, struct buf *text)
{
    if (is_all_history(&p->undisturbed))
        buf_puts(text, "all that the connector's state shows is a history, with an entry for each event, "
                       "which is kept on purpose and not compared: show the products as they are");
    else if (p->undisturbed.count &&
             strncmp(rule_at((enum rule_id)p->effects)->id, "order/", strlen("order/")) == 0)
        buf_puts(text, "whatever the connector's state shows depends on which events came, as a log or a "
                       "number of changes does, and A' was spared those that came late: nothing can be told "
                       "from it");
    else if (p->undisturbed.count)
        buf_puts(text,
                 "whatever the connector's state shows differs between A and A' too, which should be alike: "
                 "nothing can be told from it");
    else if (p->disturbed.count && p->migration)
        buf_puts(text,
                 "the connector's state shows nothing of what came through the Events API, with which AEP's "
                 "part is compared: show what both endpoints made of it, as two documents if need be");
    else if (p->disturbed.count)
        buf_puts(text, "the connector's state shows nothing of A and A', where nothing went wrong");
    else
        buf_puts(text,
                 "the connector's state shows nothing that was sent, by its uuid or code: is it the right "
                 "place to look, and is it JSON, or text with a line for each product?");
}

/* There is nothing to compare a port with. */
static void put_untold(const struct transcript *t, const struct trial *trial, struct buf *text)
{
    const struct attempt *a = trial->told;
    buf_printf(text,
               "nothing came through the Events API to compare with: of %llu deliver%s to --url-events-api "
               "none was acknowledged, the first ",
               (unsigned long long)trial->told_count, trial->told_count == 1 ? "y" : "ies");
    put_end_of(t, a, text);
    buf_puts(text, ". Is that URL right, and --secret-events-api? `pimsim run -p events-api` tries it alone");
}

void reason_open(const struct transcript *t, const struct trial *trial, struct buf *text)
{
    const struct played *p = &t->played[trial->scenario];
    bool blind = trial->end == TRIAL_BLIND;
    switch (trial->end) {
    case TRIAL_CUT:
        buf_puts(text, "the run ended before it could be judged");
        break;
    case TRIAL_GIVEN_UP:
        buf_puts(text, "the connector fell silent, and the scenario was not played to its end");
        break;
    case TRIAL_RESTLESS:
        buf_puts(text,
                 "what no fault struck differs as well: your connector loses or mixes up events by itself, "
                 "and nothing can be said about the fault");
        break;
    case TRIAL_UNLOOKED:
        if (!p->look_trouble)
            buf_puts(text, "the connector's state was not looked at");
        else
            buf_printf(text, "the connector's state %s: %s",
                       p->unsettled ? "never settled" : "could not be looked at", p->look_trouble);
        break;
    case TRIAL_UNTOLD:
        put_untold(t, trial, text);
        break;
    default:
        if (trial->open)
            put_open_subjects(t, trial, text);
        else if (blind)
            put_blind(p, text);
        else if (trial->exhibit_count)
            buf_puts(text,
                     "nothing is as the Events API makes it, so that there is no identifier to look for");
        else if (p->migration)
            buf_puts(text, "no delivery of its scenario came through AEP");
        else
            buf_puts(text, "no delivery of its scenario had the fault");
    }
}
