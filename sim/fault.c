/* fault: see fault.h and fault.def. */
#include "fault.h"

#include <string.h>

static const struct fault_row faults[FAULT_COUNT] = {
    [FAULT_NONE] = {"none", STAGE_PLAN, "nothing goes wrong"},
#define FAULT(id, name, stage, summary) [FAULT_##id] = {name, stage, summary},
#define VARIANT(fault, id, name, expect, rule, summary)
#include "fault.def"
#undef FAULT
#undef VARIANT
};

static const struct variant_row variants[VARIANT_COUNT] = {
    [VARIANT_NONE] = {FAULT_NONE, "none", EXPECT_ACK, "ack/deadline", "as the platform sends it"},
#define FAULT(id, name, stage, summary)
#define VARIANT(fault, id, name, expect, rule, summary)                                                      \
    [VARIANT_##fault##_##id] = {FAULT_##fault, name, expect, rule, summary},
#include "fault.def"
#undef FAULT
#undef VARIANT
};

const struct fault_row *fault_get(enum fault_kind fault)
{
    return &faults[fault];
}

const struct variant_row *variant_get(enum fault_variant variant)
{
    return &variants[variant];
}

enum fault_kind fault_find(const char *name)
{
    for (int i = FAULT_NONE + 1; i < FAULT_COUNT; i++)
        if (strcmp(faults[i].name, name) == 0)
            return (enum fault_kind)i;
    return FAULT_NONE;
}

enum fault_variant variant_find(enum fault_kind fault, const char *name)
{
    for (int i = VARIANT_NONE + 1; i < VARIANT_COUNT; i++)
        if (variants[i].fault == fault && strcmp(variants[i].name, name) == 0)
            return (enum fault_variant)i;
    return VARIANT_NONE;
}
