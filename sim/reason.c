/* reason: see reason.h. */
#include "reason.h"

#include <string.h>

#include "blame.h"
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

/* ---- one attempt -------------------------------------------------------------------------- */

void reason_request(const struct transcript *t, const struct attempt *a, struct buf *text)
{
    buf_printf(text, "delivery %u: ", a->delivery);
    buf_puts(text, a->kind == KIND_REACHABILITY ? "the reachability check" : t->names[a->event_name]);
    if (a->events > 1)
        buf_printf(text, " and %u more", a->events - 1);
    if (a->variant != VARIANT_NONE)
        buf_printf(text, ", %s", variant_get(a->variant)->summary);
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
        put_span(text, t->deadline_us);
    }
}

void reason_came(const struct transcript *t, const struct attempt *a, struct buf *text)
{
    if (attempt_answered(a)) {
        put_status(text, a);
        buf_printf(text, " after %.1f ms", (double)a->latency_us / 1000);
    } else if (a->outcome == OUTCOME_TIMEOUT) {
        buf_puts(text, "no answer within ");
        put_span(text, t->deadline_us);
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

/* When a wrong signature was taken in the place of the right one, the mistake is known. A connector that
 * takes right signatures too makes only a mistake that depends on the body; one that takes several kinds
 * of wrong ones makes none of them. */
static const struct attempt *diagnosis(const struct transcript *t, enum rule_id rule)
{
    const struct attempt *found = NULL;
    bool signature_taken = false;
    if (rule != RULE_SIG_VALID && rule != RULE_SIG_RAW_BYTES)
        return NULL;
    for (size_t i = 0; i < t->attempt_count; i++)
        signature_taken |= attempt_plain(&t->attempts[i]) && attempt_acknowledged(&t->attempts[i]);
    for (size_t i = 0; i < t->attempt_count; i++) {
        const struct attempt *a = &t->attempts[i];
        bool of_body = sign_mistake_is_spelling((enum sign_mistake)a->mistake);
        if (a->kind != KIND_DIAGNOSIS || !attempt_acknowledged(a) || (signature_taken && !of_body))
            continue;
        if (a->mistake == MISTAKE_OTHER_HEADERS && found)
            continue; /* made for both platforms: the other mistake explains more */
        bool weak = found && found->mistake == MISTAKE_OTHER_HEADERS;
        if (found && !weak && found->mistake != a->mistake && !of_body)
            return NULL;
        if (!found || weak)
            found = a;
    }
    return found;
}

static void put_first(const struct transcript *t, const struct tally *tally, struct buf *text)
{
    const struct attempt *a = tally->first_failed;
    buf_puts(text, tally->failed == 1 ? ": it " : "; the first ");
    if (attempt_answered(a)) {
        buf_puts(text, "was answered ");
        put_status(text, a);
        if (attempt_redirected(a) && a->note)
            buf_printf(text, ", to %s", a->note);
        return;
    }
    if (a->outcome == OUTCOME_TIMEOUT) {
        buf_puts(text, "got no answer within ");
        put_span(text, t->deadline_us);
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
    buf_printf(text, "%llu of %llu %s %s %s", failed, judged, sentences[rule].subject,
               failed == 1 ? "was" : "were", what_happened(rule, tally->first_failed));
    put_first(t, tally, text);
    if (tally->failed > 1 && tally->same_event && tally->other_event)
        buf_printf(text, "; all of them were %s", t->names[tally->first_failed->event_name]);
}

void reason_failed(const struct transcript *t, enum rule_id rule, const struct tally *tally, bool unchecked,
                   struct buf *text)
{
    const struct attempt *mistaken = diagnosis(t, rule);
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
}

const char *reason_fix(const struct transcript *t, enum rule_id rule)
{
    const struct attempt *mistaken = diagnosis(t, rule);
    return mistaken ? sign_mistake_fix(mistaken->mistake) : NULL;
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
