/* run: scenarios played against a connector: plan → platform → message → deliver → journal.
 *
 * Wiring, and nothing that judges. What happened is in the journal. */
#ifndef PIMSIM_RUN_H
#define PIMSIM_RUN_H

#include "base.h"
#include "data.h"
#include "deliver.h"
#include "event_log.h"
#include "journal.h"
#include "loop.h"
#include "notify.h"
#include "observe.h"
#include "profile.h"
#include "scenario.h"

/* The connector under test, when it is our child. */
struct run_restart {
    void (*kill)(void *arg);                   /* SIGKILL to all its processes, at once */
    bool (*start)(void *arg, struct err *err); /* again, and wait until it answers */
    void *arg;
};

struct run_options {
    const struct profile *profile;
    struct settings settings;
    struct deliver_options deliver;
    const char *url; /* the connector's, as it is shown: without a password */
    uint64_t seed;
    struct notify_options notify; /* its url NULL: nobody is told of suspensions */
    struct flow flow;             /* what is set stands over what scenarios say about the platform's laws */
    unsigned speed;               /* SPEED_MAX, or N times real time */
    const char *command;          /* the line that reproduces the run, for the journal */
    struct observe *observe;      /* NULL: scenarios with effects are skipped */
    struct event_log *event_log;  /* or NULL */
    const struct run_restart *restart; /* NULL: scenarios with a restart are skipped */
    enum run_progress { PROGRESS_NONE, PROGRESS_LINES, PROGRESS_BAR } progress; /* on stderr */
};

/* How the run ended: the reason in the journal's end record. */
enum run_end { RUN_COMPLETE, RUN_INTERRUPTED, RUN_UNREACHABLE, RUN_GIVEN_UP };

/* What scenarios may ask for beyond a URL. */
struct run_means {
    bool sight;   /* the connector's state can be looked at */
    bool restart; /* it can be killed and started */
    bool secret;  /* it knows a second secret */
};
/* What the scenario asks for and is not there, in the journal's words; NULL: it can be played. */
const char *run_lacks(const struct scenario *scenario, const struct run_means *means);

/* The laws that are in force in a scenario that has `flow`: the platform's own, what the scenario sets, and
 * what the user sets above all. Fails when they do not go together. */
bool run_flow(const struct run_options *options, const struct scenario *scenario, struct flow *flow,
              struct err *err) MUST_USE;

/* Play every scenario of the suite that knows the platform; those that cannot be played are recorded as
 * skipped. Load scenarios come last: what they do to a
 * connector spoils nothing else. RUN_UNREACHABLE: no connection could be made, ever. RUN_GIVEN_UP: it fell
 * silent, and the rest was not played. `why` says what came instead of the last missing answer. Fails (and
 * the journal ends there) when a plan cannot be built or the journal not written. */
bool run_suite(const struct run_options *options, const struct suite *suite, struct data *data,
               struct loop *loop, struct journal *journal, enum run_end *end, char why[300],
               struct err *err) MUST_USE;

/* Wait until the connector answers HTTP at all, whatever the status; fails when `give_up` says so (it is
 * asked every turn), the time is over, or waiting would not help. */
bool run_wait_ready(const struct run_options *options, struct loop *loop, uint64_t timeout_us,
                    bool (*give_up)(void *arg), void *arg, struct err *err) MUST_USE;

#endif
