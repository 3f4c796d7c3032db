/* rules: what must hold for a connector, and the categories that a report groups it by. rules.def is the
 * one list. */
#ifndef PIMSIM_RULES_H
#define PIMSIM_RULES_H

#include "base.h"

enum level { LEVEL_MUST, LEVEL_SHOULD };
extern const char *const level_names[]; /* "must", "should" */

enum rule_id {
#define CATEGORY(...)
#define RULE(id, ...) RULE_##id,
#include "rules.def"
#undef CATEGORY
#undef RULE
    RULE_COUNT,
    RULE_NONE = RULE_COUNT,
};

/* One row of rules.def. */
struct rule {
    const char *id; /* "ack/deadline": category, slash, name */
    enum level level;
    unsigned platforms; /* PLATFORM_BITs */
    const char *holds;  /* "every valid delivery is acknowledged with 2xx within the deadline" */
    const char *clause; /* where the platform's documents ask for it */
    const char *why;    /* what happens in production otherwise */
    const char *fix;    /* one sentence for the connector's author */
};

size_t rule_count(void);
const struct rule *rule_at(size_t index);              /* by enum rule_id */
const struct rule *rule_find(const char *id);          /* NULL if unknown */
bool rule_known(const char *id, const char **nearest); /* a scenario_rule_fn */

/* What shows whether a rule holds: how the connector answers, or the state that it is left in (trial.h),
 * which can speak against the others as well. */
enum judged_by { BY_ANSWERS, BY_STATE };

struct category {
    const char *name, *title; /* "ack", "Acknowledgement" */
    enum judged_by judged_by;
};
size_t category_count(void);
const struct category *category_at(size_t index); /* in the order of reports */
size_t category_of(const struct rule *rule);

#endif
