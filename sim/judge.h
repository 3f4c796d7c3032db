/* judge: a journal in, findings out. Pure but for reading the file.
 *
 * Knows neither platform nor deliver: `pimsim judge run.ndjson` gives the same findings offline,
 * years later. What went wrong is blamed on one rule each (blame.h, trial.h); from that come the findings,
 * their evidence, and the score. */
#ifndef PIMSIM_JUDGE_H
#define PIMSIM_JUDGE_H

#include "base.h"
#include "effects.h"
#include "forecast.h"
#include "rules.h"

enum verdict {
    VERDICT_PASS,
    VERDICT_FAIL,
    VERDICT_INCONCLUSIVE,   /* it was tried, and nothing can be said: the reason says why */
    VERDICT_NOT_OBSERVED,   /* nothing in this run showed it */
    VERDICT_NOT_APPLICABLE, /* not on this platform */
};

/* "pass", "fail", "inconclusive", "not-observed", "not-applicable" */
extern const char *const verdict_names[];

/* What the connector's state held with the fault, and without it. */
struct difference {
    const char *about;                          /* "product 3"; NULL: the evidence is an answer */
    const char *place;                          /* "state-url 1: /products/[]" */
    const char *path;                           /* "/price"; "" when records are missing or too many */
    const char *expected;                       /* "10", or "1 record" */
    const char *found;                          /* "9", or "none" */
    const char *without, *with;                 /* the whole records; "" where there is none */
    const char *also[EFFECT_ALSO_MAX];          /* other paths at which they differ … */
    size_t also_count, also_more;               /* … and how many more */
    const char *words_without, *words_with;     /* "without the fault", "with the fault" */
    const char *deliveries[12];                 /* with the fault: "31 product.created"; the last ones */
    size_t deliveries_count, deliveries_before; /* before: how many more there were */
};

/* One piece of evidence: what was sent, what was expected, what came. All owned by the judgement. */
struct evidence {
    uint32_t delivery;    /* its number in the journal; 0: none */
    const char *request;  /* "delivery 17: product.updated, a copy of an event that came before" */
    const char *event_id; /* of the first event; "" if none */
    const char *expected; /* "2xx within 500 ms" */
    const char *came;     /* "409 Conflict after 2.1 ms" */
    struct difference difference;
};

struct latency {
    uint64_t count, p50_us, p90_us, p99_us, max_us;
};

struct finding {
    const struct rule *rule;
    enum verdict verdict;
    const char *scenario; /* where it was judged; of a failure, the first that failed */
    const char *reason;   /* one sentence; never NULL */
    const char *fix;      /* the rule's, or a better one where the mistake is known */
    struct evidence evidence[5];
    size_t evidence_count;
    uint64_t judged, failed; /* what the verdict stands on, and what of it failed: deliveries, or entities,
                              * or subscriptions */
    struct latency ack;      /* of the judged deliveries, from the scheduled moment */
    bool owed;               /* it was required, and neither passed nor failed */
};

struct category_score {
    const char *name, *title;
    unsigned passed, failed, inconclusive, not_observed, not_applicable;
    int score; /* 0 … 100, or -1 when nothing of it was judged */
};

enum conformance { CONFORMS, FAILS, INCONCLUSIVE };
extern const char *const conformance_names[]; /* "conforms", "fails", "inconclusive" */

struct judgement {
    /* from the run record */
    const char *pimsim, *platform, *url, *command; /* command: the line that reproduces the run */
    uint64_t seed, deadline_us;
    int64_t started_us;
    bool interrupted; /* SIGINT, or the journal has no end record */
    /* judged */
    enum conformance verdict;
    int score;                /* 0 … 100, or -1 when nothing was judged */
    struct finding *findings; /* one for each rule, in the order of rules.def */
    size_t finding_count;
    struct category_score *categories;
    size_t category_count;
    const char *const *scenarios; /* names, in the order they ran */
    size_t scenario_count;
    const struct forecast *const *forecasts; /* of the scenarios over hours, in the order they ran */
    size_t forecast_count;
    /* counted */
    uint64_t deliveries, events, answered, acknowledged, timeouts, unreachable, bytes;
    uint64_t duration_us;
    struct latency ack;
    uint64_t late_max_us; /* the worst lateness of our own loop */
};

struct judge_options {
    const char *const *require; /* rules that must be judged, or the result is inconclusive */
    size_t require_count;
    bool strict;    /* a failed SHOULD rule fails the run */
    int fail_under; /* a lower score fails the run; 0: off */
};

/* Judge the journal in fd (named for messages). */
bool judge_journal(struct judgement **judgement, int fd, const char *name,
                   const struct judge_options *options, struct err *err) MUST_USE;
void judgement_free(struct judgement *judgement);
enum exit_code judgement_exit_code(const struct judgement *judgement);

#endif
