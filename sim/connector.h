/* connector: the built-in reference receiver: what a good connector does, in one file, for both platforms.
 *
 * It verifies over the raw bytes, stores each event once, answers, and works afterwards. With a PIM to ask it
 * keeps what products and models are, whichever platform says that they changed. It shares no code
 * with the sender (no sign, profile, platform, event or json), so that the two cannot agree on the same
 * mistake. A bug from bugs.def breaks it in exactly one way, to prove that the rules find it. */
#ifndef PIMSIM_CONNECTOR_H
#define PIMSIM_CONNECTOR_H

#include "base.h"
#include "loop.h"

enum connector_bug {
    BUG_NONE,
#define BUG(id, name, rule_events_api, rule_aep, summary) BUG_##id,
#include "bugs.def"
#undef BUG
    BUG_END
};

struct connector_bug_row {
    enum connector_bug bug;
    const char *name;
    const char *rule_events_api, *rule_aep; /* which rule finds it; NULL: it does not show there */
    const char *summary;
};

size_t connector_bug_count(void);
const struct connector_bug_row *connector_bug_at(size_t index);
/* By name; an error names the nearest. */
bool connector_bug_find(const char *name, enum connector_bug *bug, struct err *err) MUST_USE;

struct connector_options {
    uint16_t port;                /* on 127.0.0.1; 0: any free port */
    const char *secret;           /* NULL: "pimsim" */
    const char *secret_secondary; /* NULL: none */
    const char *db;               /* SQLite file; NULL: in memory */
    const char *pim_url;          /* whom to ask for what AEP's events do not say; NULL: nobody */
    enum connector_bug bug;
};

struct connector;
bool connector_open(struct connector **connector, struct loop *loop, const struct connector_options *options,
                    struct err *err) MUST_USE;
void connector_close(struct connector *connector);
uint16_t connector_port(const struct connector *connector);

/* Open one in a loop of its own, print "listening on http://127.0.0.1:PORT/" as the only line on stdout,
 * and serve until SIGINT or SIGTERM. */
bool connector_serve(const struct connector_options *options, struct err *err) MUST_USE;

#endif
