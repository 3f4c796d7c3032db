/* run: a suite of scenarios played against a connector, one after the other. */
#ifndef PIMSIM_RUN_H
#define PIMSIM_RUN_H

#include "play.h"

/* What scenarios may ask for beyond a URL. */
struct run_means {
    bool sight;    /* the connector's state can be looked at */
    bool restart;  /* it can be killed and started */
    bool secret;   /* it knows a second secret */
    bool baseline; /* it has an endpoint for the Events API, to compare with */
    bool pim;      /* there is a PIM that it can ask */
};
/* Append what the scenario asks for and is not there, and what to give; false: it can be played. */
bool run_lacks(const struct scenario *scenario, const struct run_means *means, struct buf *out) MUST_USE;

struct run_result {
    /* How the run ended: the reason in the journal's end record. RUN_UNREACHABLE: no connection could be
     * made, ever. RUN_GIVEN_UP: the connector fell silent, and the rest was not played. */
    enum run_end { RUN_COMPLETE, RUN_INTERRUPTED, RUN_UNREACHABLE, RUN_GIVEN_UP } end;
    const char *url; /* where: as it is shown */
    char why[300];   /* what came instead of the last missing answer */
};

/* Play every scenario of the suite that is for the target's platform; those that cannot be played are
 * recorded as skipped. Load scenarios come last: what they do to a connector spoils nothing else. Fails as
 * player_play does. */
bool run_suite(const struct play_options *options, const struct suite *suite, struct data *data,
               struct loop *loop, struct journal *journal, struct run_result *result,
               struct err *err) MUST_USE;

#endif
