/* play: one scenario, from its first request to the last look at the connector's state:
 * plan → platform → message → deliver → journal.
 *
 * Wiring, and nothing that judges. What happened is in the journal. */
#ifndef PIMSIM_PLAY_H
#define PIMSIM_PLAY_H

#include "base.h"
#include "data.h"
#include "deliver.h"
#include "event_log.h"
#include "journal.h"
#include "loop.h"
#include "notify.h"
#include "observe.h"
#include "pim.h"
#include "profile.h"
#include "scenario.h"

/* Where a platform sends to. */
struct endpoint {
    const struct profile *profile;
    struct settings settings;
    struct deliver_options deliver; /* its url NULL: there is none */
    const char *url;                /* as it is shown: without a password */
};

/* The connector under test, when it is our child. */
struct play_restart {
    void (*kill)(void *arg);                   /* SIGKILL to all its processes, at once */
    bool (*start)(void *arg, struct err *err); /* again, and wait until it answers */
    void *arg;
};

struct play_options {
    struct endpoint target;
    struct endpoint baseline; /* what a migration is compared with: the Events API's */
    uint64_t seed;
    struct notify_options notify; /* its url NULL: nobody is told of suspensions */
    struct flow flow;             /* what is set stands over what scenarios say about the platform's laws */
    unsigned speed;               /* SPEED_MAX, or N times real time */
    const char *command;          /* the line that reproduces the run, for the journal */
    struct observe *observe;      /* or NULL: the connector's state cannot be looked at */
    struct pim *pim;              /* that the connector asks; or NULL */
    struct event_log *event_log;  /* or NULL */
    const struct play_restart *restart; /* NULL: the connector cannot be killed and started */
    enum play_progress { PROGRESS_NONE, PROGRESS_LINES, PROGRESS_BAR } progress; /* on stderr */
};

/* The laws that are in force in a scenario that has `flow`: the platform's own, what the scenario sets, and
 * what the user sets above all. Fails when they do not go together. */
bool play_flow(const struct play_options *options, const struct scenario *scenario, struct flow *flow,
               struct err *err) MUST_USE;

/* How a scenario ended, besides what the journal says. */
struct played_out {
    bool given_up; /* the connector, or what is between, fell silent: the rest was not played */
    bool answered; /* at least once in this scenario … */
    bool ever;     /* … in the run; of the endpoint that was used last */
    bool absent;   /* no connection could be made to it, ever */
    bool gone;     /* it was killed, as the scenario asked, and did not come back */
    const char *url;
    char why[300]; /* what came instead of the last missing answer */
};

struct player;
/* All are borrowed. Everything that is played is recorded in the journal. */
bool player_new(struct player **player, const struct play_options *options, struct data *data,
                struct loop *loop, struct journal *journal, struct err *err) MUST_USE;
void player_free(struct player *player);
/* Play it; it is for the target's platform, and all that it needs is there. Fails (and the journal ends
 * there) when a plan cannot be built, a request not be made or the journal not be written. */
bool player_play(struct player *player, const struct scenario *scenario, struct played_out *out,
                 struct err *err) MUST_USE;
/* It is not played: record why. */
void player_skip(struct player *player, const struct scenario *scenario, const char *why);
/* The journal's last record: "complete". Nothing can be played after it. */
bool player_end(struct player *player, const char *reason, struct err *err) MUST_USE;

#endif
