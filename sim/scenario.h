/* scenario: a file that tells a story and what must hold, parsed and checked into one struct.
 *
 * The format is scenarios/scenario.schema.json; this parser refuses what the schema refuses, and
 * names file, path and reason. */
#ifndef PIMSIM_SCENARIO_H
#define PIMSIM_SCENARIO_H

#include "base.h"
#include "data.h"
#include "event.h"
#include "fault.h"
#include "flow.h"

/* One step of the stream: an event for some entities, or a check. */
struct step {
    enum check {
        CHECK_NONE,
        CHECK_REACHABILITY, /* what the platform sends when a connection is set up */
        CHECK_SETTLED,      /* wait until the connector's state stands still */
    } check;
    char *event;       /* an event's name, or "*": every type the platform has */
    uint32_t entities; /* new entities; 0: those the stream has (or one, if it has none) */
    uint32_t times;    /* events for each of them, at least 1 */
    bool catalog;      /* resources from the catalogue instead of the fixture's own */
    bool own;          /* the connector itself caused the changes: the Events API does not send it these */
    bool delta;        /* *.updated: on AEP the light event and then, as another change, the delta */
};

struct pace {
    double rate;   /* events a second, whatever is answered; 0: as fast as the connector acknowledges */
    bool rate_top; /* "top": the platform's highest rate of requests, each with `batch` events */
    uint32_t concurrency; /* open requests at once, when no rate is given */
    uint32_t batch;       /* events a request, at most the platform's own maximum */
    uint64_t ramp_us;     /* from a tenth of the rate to the rate; 0 without a rate */
};

struct fault_spec {
    enum fault_kind kind;
    char *event;                         /* only events of this name; NULL: of any. With a step's `delta`,
                                          * the delta goes by the step's name too */
    double share;                        /* of the events it is applied to, 0 … 1 */
    uint64_t after_min_us, after_max_us; /* duplicate, delay: how much later; disconnect, lost-ack: when the
                                          * sender closes; restart: the kill, after the ack or the sending */
    uint64_t from_us, for_us;            /* only events due in this part of the stream; for 0: to its end */
    uint64_t over_us;                    /* slow-body: how long the body takes */
    uint32_t window;                     /* reorder, burst: how many events */
    enum fault_variant hows[16];         /* the variants to use in turn */
    size_t how_count;
};

bool fault_uses(const struct fault_spec *spec, enum fault_variant variant);
bool fault_covers(const struct fault_spec *spec, uint64_t at_us); /* this part of the stream is its own */

#define SCENARIO_FAULTS_MAX 16

/* The stream is sent through the Events API to one endpoint of the connector, which is what AEP's to another
 * is compared with: A and A' by the one, B by the other … */
enum migration {
    MIGRATION_NONE,
    MIGRATION_INSTEAD,  /* … alone */
    MIGRATION_BESIDES,  /* … after it came through the Events API, too */
    MIGRATION_HANDOVER, /* … up to the first look, and by AEP from there on */
};
extern const char *const migration_names[]; /* "instead", "besides", "handover" */

struct scenario {
    char *name; /* "core/duplicates": the path without "scenarios/" and ".json" */
    char *title, *story;
    unsigned platforms; /* PLATFORM_BITs */
    struct step *steps;
    size_t step_count;
    struct pace pace;
    struct fault_spec faults[SCENARIO_FAULTS_MAX];
    size_t fault_count;
    char **rules; /* the rules that this scenario judges */
    size_t rule_count;
    const char *effects; /* which of them what is wrong in the connector's state speaks against; NULL: its
                          * state is not looked at */
    enum migration migration; /* of AEP scenarios with effects, without faults and flow */
    struct flow *flow; /* the platform's laws over hours are in force, with what this sets of them; NULL:
                        * they are not: one attempt, no quota */
};

/* Parse the bytes of a scenario. file is for messages and the name. Rule ids are checked with
 * rule_known, which belongs to a higher layer. Event names that are no known type may be fixtures and
 * are left to fixture_load. */
typedef bool scenario_rule_fn(const char *id, const char **nearest);
bool scenario_parse(struct scenario **scenario, const char *file, struct span bytes,
                    scenario_rule_fn *rule_known, struct err *err) MUST_USE;
void scenario_free(struct scenario *scenario);
bool scenario_has(const struct scenario *scenario, enum fault_kind kind);

/* Every scenario that the names mean: a scenario's name ("core/duplicates") or a suite's ("core"), a
 * file or a folder on disk, or a scenario's name without its suite when only one has it ("duplicates");
 * tried in this order. With count 0, all of data's. Sorted by name, each file once. Files called
 * *.schema.json are no scenarios. */
struct suite {
    struct scenario **scenarios;
    size_t count;
};
bool suite_load(struct suite *suite, struct data *data, const char *const *names, size_t count,
                scenario_rule_fn *rule_known, struct err *err) MUST_USE;
void suite_reset(struct suite *suite);

#endif
