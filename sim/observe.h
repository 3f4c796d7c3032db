/* observe: the connector's state, seen from outside: URLs, commands, and a sink that plays the shop it
 * writes to. See docs/effects.md.
 *
 * Nothing here judges: a state is fetched until it has settled, and cut into records. */
#ifndef PIMSIM_OBSERVE_H
#define PIMSIM_OBSERVE_H

#include "base.h"
#include "effects.h"
#include "loop.h"

struct observe_options {
    const char *const *urls; /* --state-url: http or https, loopback unless allow_remote */
    size_t url_count;
    const char *const *commands; /* --state-cmd: run by /bin/sh; their standard output is the state */
    size_t command_count;
    const char *const *headers; /* "Name: value", with every URL */
    size_t header_count;
    bool sink;
    uint16_t sink_port;              /* on 127.0.0.1; 0: any free port */
    const char *const *sink_answers; /* "[METHOD ]PATH STATUS [BODY]", the first that fits; else 200 {} */
    size_t sink_answer_count;
    const char *const *sink_sets; /* "[METHOD ]PATH": such a call sets, as PUT does */
    size_t sink_sets_count;
    bool insecure, allow_remote;
    const char *cacert;
    uint64_t timeout_us; /* for one URL or command */
    uint64_t settle_us;  /* unchanged for so long is settled; 0: see observe_settle */
    uint64_t give_up_us; /* when it does not settle; 0: after half a minute, or a minute if looks are slow */
};

struct observe;
/* What can be wrong with the options is found here; their texts must outlive it. Fails also when the sink's
 * port is taken. */
bool observe_open(struct observe **observe, struct loop *loop, const struct observe_options *options,
                  struct err *err) MUST_USE;
void observe_close(struct observe *observe);
uint16_t observe_sink_port(const struct observe *observe); /* 0: no sink */

/* What was seen of one state. */
struct observation {
    enum observed { OBSERVED_SETTLED, OBSERVED_UNSETTLED, OBSERVED_FAILED, OBSERVED_INTERRUPTED } end;
    struct effect_records records; /* as last seen; of a failure, none */
    char why[512];                 /* what kept changing, or which source failed and how */
    uint64_t took_us;
    unsigned looks;
    uint64_t bytes; /* of the last look */
};

/* How much of the stream was sent, and so what the state should show by now. */
enum observe_stage {
    OBSERVE_MIDWAY,   /* some: somebody */
    OBSERVE_BEFORE_B, /* all of A and A': something that they have in common */
    OBSERVE_LAST, /* all: besides, that B is no other. What the sink has received is forgotten afterwards */
};

/* Turn the loop and look, again and again, until the records of these idents have not changed for a while:
 * options.settle_us, or by default a second and twice the connector's lag (the longest that any change came
 * after the call, in this run), and longer while the state does not show yet what it should at that stage.
 * Fails only when the loop does. */
bool observe_settle(struct observe *observe, const struct idents *idents, enum observe_stage stage,
                    struct observation *observation, struct err *err) MUST_USE;
void observation_reset(struct observation *observation);

#endif
