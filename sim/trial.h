/* trial: the state that a connector was left in, held against the rules: blame.h for what is not answered.
 *
 * In every scenario with effects, what B's part of the state lacks or has too much (effects.h) is held
 * against exactly one rule: that of a request which had to be refused, where the entity had one; else the
 * scenario's, but for an identifier that a port lost, which has a rule of its own. An entity counts only
 * where everything that should have been acknowledged was. */
#ifndef PIMSIM_TRIAL_H
#define PIMSIM_TRIAL_H

#include "effects.h"
#include "limits.h"
#include "transcript.h"

/* What happened to one entity, in all three universes. */
struct subject {
    const struct attempt *open;      /* the first after which its state says nothing; NULL: none */
    const struct attempt *refusable; /* of B, that had to be refused: one that was not, if there is one */
    const struct attempt *struck;    /* of B, the last that was acknowledged and had the fault, or came to the
                                      * port */
    uint32_t told[UNIVERSE_COUNT];   /* events about it that were acknowledged */
    bool in_b, differs;
    bool nameless; /* it lost its identifier, which the scenario has a rule about: port/identifier */
};

enum trial_end {
    TRIAL_COMPARED,
    TRIAL_NOT_BACK, /* the connector was killed and did not come back */
    TRIAL_CUT,      /* the run ended before the scenario did */
    TRIAL_GIVEN_UP, /* the connector fell silent */
    TRIAL_UNLOOKED, /* nobody looked at the state, or in vain, or it never settled */
    TRIAL_BLIND,    /* A and A' have nothing in common to compare B with */
    TRIAL_RESTLESS, /* entities that no fault struck differ as well */
    TRIAL_UNTOLD,   /* nothing of what a port is compared with was acknowledged */
};

/* An effect that counts. */
struct exhibit {
    const struct trial *trial;
    const struct effect *effect;
    uint32_t subject;
    enum rule_id rule;
};

/* One scenario with effects. */
struct trial {
    uint32_t scenario;
    enum trial_end end;
    struct effects effects;
    struct subject *subjects; /* by entity, and one more for whoever no delivery is about */
    size_t subject_count;
    const struct attempt *open; /* the first of any subject */
    const struct attempt *told; /* the first of what a port is compared with … */
    uint64_t told_count;        /* … how many there were … */
    bool heard;                 /* … and some were acknowledged */
    bool killed;                /* the connector was: everything in B is struck */
    struct exhibit *exhibits;   /* as the entities came */
    size_t exhibit_count;
    bool concerns[RULE_COUNT];
};

struct trials {
    struct trial *items;
    size_t count;
};

/* After blame_assign; the trials borrow the transcript. Into zeroed trials. */
void trials_hold(struct trials *trials, const struct transcript *transcript);
void trials_reset(struct trials *trials);

/* What all trials say of one rule. */
struct charge {
    uint64_t judged, failed; /* entities; or restarts, where the connector did not come back */
    const struct trial *failed_in, *passed_in, *open_in; /* the first; open: nothing can be said */
};
struct charge trials_charge(const struct trials *trials, const struct transcript *transcript,
                            enum rule_id rule);

/* Up to EVIDENCE_MAX exhibits against a rule, of as many entities, one of each sort first. */
size_t trials_show(const struct trials *trials, enum rule_id rule, struct exhibit shown[EVIDENCE_MAX]);
/* B has less than A: no value, or fewer records. */
bool exhibit_lacks(const struct exhibit *exhibit);
/* The attempt of B that an effect is put down to; NULL: none is about the subject. */
const struct attempt *exhibit_suspect(const struct transcript *transcript, const struct exhibit *exhibit);

#endif
