/* planning: a scenario's text made into a plan, for tests. */
#ifndef PIMSIM_TESTS_PLANNING_H
#define PIMSIM_TESTS_PLANNING_H

#include "plan.h"

/* A scenario from the members after its title and story: "\"stream\": [...], \"pace\": ...". */
#define SCENARIO(members) "{\"title\":\"t\",\"story\":\"s\",\"rules\":[\"ack/deadline\"]," members "}"

/* The same in three universes. */
#define EFFECTS(members) SCENARIO("\"effects\":\"ack/deadline\"," members)

struct planning {
    struct data *data;
    struct scenario *scenario;
    struct settings settings;
    struct plan *plan;
};

static inline bool planning_knows_any_rule(const char *id, const char **nearest)
{
    (void)id, (void)nearest;
    return true;
}

/* Build the plan of a scenario; false, with the reason, when it cannot be built. */
static inline bool planning_try(struct planning *p, const char *text, enum platform_id platform,
                                uint64_t seed, struct err *err)
{
    *p = (struct planning){.settings = {.secret = span_of("secret"), .pim_version = PIM_SERENITY}};
    return data_open(&p->data, NULL, err) &&
           scenario_parse(&p->scenario, "scenarios/tests/plan.json", span_of(text), planning_knows_any_rule,
                          err) &&
           plan_build(&p->plan, p->scenario, profile_get(platform), &p->settings, p->data, seed, err);
}

static inline void planning_reset(struct planning *p)
{
    plan_free(p->plan);
    scenario_free(p->scenario);
    data_close(p->data);
}

static inline struct planning planning_of(const char *text, enum platform_id platform, uint64_t seed)
{
    struct planning p;
    struct err err;
    if (!planning_try(&p, text, platform, seed, &err))
        fail_msg("%s", err.text);
    return p;
}

#endif
