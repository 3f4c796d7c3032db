/* rules: see rules.h. */
#include "rules.h"

#include <string.h>

#include "event.h"

const char *const level_names[] = {"must", "should"};

static const struct rule rules[RULE_COUNT] = {
#define CATEGORY(...)
#define RULE(id, name, level, platforms, holds, clause, why, fix)                                            \
    [RULE_##id] = {name, level, platforms, holds, clause, why, fix},
#include "rules.def"
#undef CATEGORY
#undef RULE
};

static const struct category categories[] = {
#define CATEGORY(id, name, title, judged_by) {name, title, judged_by},
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
