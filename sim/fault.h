/* fault: the one table of what can go wrong, used by scenarios, plan, message, deliver and judge.
 *
 * A fault has a stage: it changes the plan (which events, when), the message (bytes, headers) or the
 * wire (how the bytes travel). A fault's variants are its `how`; each says what a sound connector
 * answers and which rule judges it. */
#ifndef PIMSIM_FAULT_H
#define PIMSIM_FAULT_H

#include "base.h"

enum fault_stage { STAGE_PLAN, STAGE_MESSAGE, STAGE_WIRE };

/* What a sound connector answers. */
enum expect {
    EXPECT_ACK,    /* 2xx within the deadline */
    EXPECT_REFUSE, /* 4xx */
    EXPECT_TAKEN,  /* 2xx or 4xx: any decision, but no 5xx, no silence */
    EXPECT_ANY,    /* whatever it does is right */
};

enum fault_kind {
    FAULT_NONE,
#define FAULT(id, name, stage, summary) FAULT_##id,
#define VARIANT(fault, id, name, expect, rule, summary)
#include "fault.def"
#undef FAULT
#undef VARIANT
    FAULT_COUNT
};

/* Variant 0 is "no variant": an undisturbed event. */
enum fault_variant {
    VARIANT_NONE,
#define FAULT(id, name, stage, summary)
#define VARIANT(fault, id, name, expect, rule, summary) VARIANT_##fault##_##id,
#include "fault.def"
#undef FAULT
#undef VARIANT
    VARIANT_COUNT
};

struct fault_row {
    const char *name;
    enum fault_stage stage;
    const char *summary;
};

struct variant_row {
    enum fault_kind fault;
    const char *name; /* the scenario's `how` */
    enum expect expect;
    const char *rule; /* who judges the answer */
    const char *summary;
};

const struct fault_row *fault_get(enum fault_kind fault);
const struct variant_row *variant_get(enum fault_variant variant);
enum fault_kind fault_find(const char *name);                             /* FAULT_NONE: unknown */
enum fault_variant variant_find(enum fault_kind fault, const char *name); /* VARIANT_NONE: unknown */

#endif
