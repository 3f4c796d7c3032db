/* transcript: a journal as the judge sees it: the scenarios that were played, and every attempt.
 *
 * What a later version may have added to the format is passed over, and never taken for something else. */
#ifndef PIMSIM_TRANSCRIPT_H
#define PIMSIM_TRANSCRIPT_H

#include "base.h"
#include "event.h"
#include "fault.h"
#include "journal.h"
#include "rules.h"

enum attempt_kind {
    KIND_EVENTS,
    KIND_REACHABILITY,
    KIND_DIAGNOSIS,
    KIND_UNKNOWN, /* of a later version, or with a fault of one: nothing is expected of it */
};

/* Why an attempt speaks neither for nor against a connector. */
enum excuse {
    EXCUSE_NONE,
    EXCUSE_UNENDED,   /* in flight when the run was killed */
    EXCUSE_LATE,      /* no answer, and our own loop was away for a time that matters */
    EXCUSE_UNMADE,    /* the request could not be made: our own failure */
    EXCUSE_REFUSED,   /* undisturbed deliveries of the same scenario were not acknowledged either */
    EXCUSE_ALONE,     /* the scenario has no undisturbed delivery to compare with */
    EXCUSE_THROTTLED, /* 429, where the platform allows it or where it hides what would have come */
    EXCUSE_BYSTANDER, /* no answer, because the connector broke down at another request */
    EXCUSE_SPORADIC,  /* no answer now and then: not what the fault does */
    EXCUSE_COUNT
};

struct attempt {
    uint32_t delivery, scenario, events;
    uint32_t event_name; /* index into names */
    uint16_t status;
    uint8_t kind, variant, mistake, outcome;
    uint8_t rule;          /* enum rule_id: who judges the answer */
    bool ended;            /* has an answer record */
    uint8_t blame, excuse; /* enum rule_id, enum excuse: see blame.h */
    uint64_t at_us, scheduled_us, latency_us, total_us, late_us;
    char event_id[UUID_SIZE];
    char *note; /* curl's words, where a redirect leads, or how a refusal reads; often NULL */
};

struct played {
    char *name;
    bool asked[RULE_COUNT];
    bool load;
};

struct transcript {
    char *pimsim, *platform_name, *url, *command;
    enum platform_id platform;
    uint64_t seed, deadline_us, duration_us, bytes;
    int64_t started_us;
    bool interrupted; /* no end record, or one that says so */
    struct played *played;
    size_t played_count, played_cap;
    struct attempt *attempts;
    size_t attempt_count, attempt_cap;
    char **names;
    size_t name_count, name_cap;
};

/* Into a zeroed transcript; after a failure too, reset it. */
bool transcript_read(struct transcript *transcript, int fd, const char *name, struct err *err) MUST_USE;
void transcript_reset(struct transcript *transcript);

#endif
