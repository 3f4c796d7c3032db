/* transcript: a journal as the judge sees it: the scenarios that were played, every attempt, and what the
 * connector's state held.
 *
 * What a later version may have added to the format is passed over, and never taken for something else. */
#ifndef PIMSIM_TRANSCRIPT_H
#define PIMSIM_TRANSCRIPT_H

#include "base.h"
#include "effects.h"
#include "event.h"
#include "fault.h"
#include "forecast.h"
#include "intern.h"
#include "journal.h"
#include "rules.h"
#include "scenario.h"

enum attempt_kind {
    KIND_EVENTS,
    KIND_REACHABILITY,
    KIND_DIAGNOSIS,
    KIND_NOTIFICATION,
    KIND_BASELINE, /* events, of a migration, through the platform that the port is compared with: judged by
                    * no rule */
    KIND_UNKNOWN,  /* of a later version or with a fault of one, or kept from the connector: nothing is
                    * expected of it */
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
    uint32_t event_name; /* index into names; of a notification: its type; in a migration: AEP's own */
    uint16_t status;
    uint8_t kind, variant, mistake, outcome;
    uint8_t universe;      /* enum universe; UNIVERSE_COUNT: there are none */
    uint8_t rule;          /* enum rule_id: who judges the answer */
    bool ended;            /* has an answer record */
    bool again;            /* not the first attempt */
    uint8_t blame, excuse; /* enum rule_id, enum excuse: see blame.h */
    uint64_t at_us, scheduled_us, latency_us, total_us, late_us;
    uint64_t virtual_us; /* in a scenario with a forecast: when, by the platform's clock */
    char event_id[UUID_SIZE];
    char *note; /* curl's words, where a redirect leads, or how a refusal reads; often NULL */
};

/* One event of an attempt: whom it is about, as a number in the scenario's entities. */
struct about {
    uint32_t attempt, entity; /* the attempt's index */
};

struct played {
    char *name;
    bool asked[RULE_COUNT];
    bool load;
    bool settled;    /* it was played to its end */
    bool given_up;   /* the connector fell silent */
    uint8_t effects; /* enum rule_id: what is wrong in the state speaks against it; RULE_NONE: nobody looks */
    char *skipped;   /* why it was not played; NULL: it was */
    uint32_t fails_from; /* see blame.h: requests a second from which on it failed; 0: not for the load */
    struct forecast *forecast; /* the platform's laws over hours were in force; NULL: they were not */
    /* with effects: */
    enum migration migration;
    uint64_t calls,
        calls_failed;        /* of the connector to our PIM; and those that were answered with an error … */
    char *call_failed;       /* … the first of them; NULL: none */
    struct interns entities; /* the neutral names of whom its events are about */
    size_t about_first, about_count;
    uint32_t snapshots;
    char *look_trouble; /* why the state could not be looked at, or what kept changing; NULL: all went well */
    bool unsettled;     /* the latter */
    uint32_t killed_at; /* the delivery of the restart after which the connector did not come back … */
    char *not_back;     /* … and why; NULL: it came back */
    /* Of A and A' what the first snapshot held, of B what the last one did. */
    struct effect_records undisturbed, disturbed;
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
    struct about *abouts; /* of attempts with universes, in order */
    size_t about_count, about_cap;
    char **names;
    size_t name_count, name_cap;
};

/* Into a zeroed transcript; after a failure too, reset it. */
bool transcript_read(struct transcript *transcript, int fd, const char *name, struct err *err) MUST_USE;
void transcript_reset(struct transcript *transcript);
/* By its delivery's number; NULL: there is none. */
const struct attempt *attempt_get(const struct transcript *transcript, uint32_t delivery);

#endif
