/* profile: a platform as data and hooks. profile_events_api.c and profile_aep.c read as
 * specifications; nothing else knows how a platform spells a request. */
#ifndef PIMSIM_PROFILE_H
#define PIMSIM_PROFILE_H

#include "base.h"
#include "event.h"
#include "flow.h"
#include "sign.h"

/* What a user may set about a platform; 0 and NULL mean the platform's own value. */
struct settings {
    struct span secret, secret_secondary;
    uint64_t deadline_us;
    enum pim_version pim_version;
    const char *content_type;   /* AEP */
    const char *source;         /* AEP source, Events API pim_source */
    const char *subject;        /* AEP: subscription id */
    const char *client_id;      /* AEP: the connector itself, as the author of its own changes */
    bool send_identifier;       /* AEP: the subscription's send_product_identifier */
    const char *const *headers; /* custom headers, "Name: value" */
    size_t header_count;
};

struct profile {
    enum platform_id id;
    const char *title; /* "the Event Platform (AEP)" */
    enum sign_scheme scheme;
    const struct json_style *style;
    uint64_t deadline_us;
    uint32_t events_per_request_max;
    double requests_per_second_top; /* the highest rate it sends at */
    const char *user_agent, *content_type;
    const char *reach_method; /* the reachability check: a request without a body … */
    bool reach_signed;        /* … signed or not */
    bool event_wrapped;       /* events stand in {"events":[…]} */
    const char *signature_header, *secondary_header, *timestamp_header, *algorithm_line;
    const char *type_member; /* "action" or "type": what says which event it is */
    const char *own_author;  /* of what the connector caused itself, unless the settings say */
    struct flow flow;        /* over hours; in force where a scenario asks for it */
};

extern const struct profile profile_events_api, profile_aep;
const struct profile *profile_get(enum platform_id id);

#endif
