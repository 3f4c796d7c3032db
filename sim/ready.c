/* ready: see ready.h. */
#include "ready.h"

#include <stdio.h>

#include "clock.h"

#define KNOCK_EVERY_US 20000

struct knock {
    bool ended, answered, hopeless;
    char why[300];
};

static void on_knock(void *arg, const struct answer *a)
{
    struct knock *knock = arg;
    knock->ended = true;
    knock->answered = a->outcome == OUTCOME_ANSWERED;
    knock->hopeless = a->outcome == OUTCOME_TLS; /* it is up, and its certificate will not change */
    snprintf(knock->why, sizeof knock->why, "%s%s%s", outcome_sentence(a->outcome), *a->detail ? ": " : "",
             a->detail);
}

bool ready_wait(const struct deliver_options *options, const char *shown, struct loop *loop,
                uint64_t timeout_us, bool (*give_up)(void *arg), void *arg, struct err *err)
{
    uint64_t until_us = clock_mono_us() + timeout_us;
    struct knock knock = {.why = "nothing came"};
    struct message message;
    struct deliver *deliver;
    if (!deliver_new(&deliver, loop, options, err))
        return false;
    message_init(&message);
    message.method = "HEAD";
    bool ok = true, over = false;
    while (ok && !over && !knock.answered) {
        knock.ended = false;
        ok = deliver_send(deliver, &message, &(struct wire){0}, on_knock, &knock, err);
        while (ok && !over && !knock.ended) {
            ok = loop_turn(loop, KNOCK_EVERY_US, err);
            over = give_up(arg) || loop_interrupted(loop) || clock_mono_us() > until_us;
        }
        over = over || knock.hopeless;
        if (ok && !over && !knock.answered)
            ok = loop_turn(loop, KNOCK_EVERY_US, err); /* not faster than a server can start */
    }
    if (ok && !knock.answered)
        ok = err_env(err, "%s did not answer: %s", shown, knock.why);
    deliver_free(deliver);
    message_reset(&message);
    return ok;
}
