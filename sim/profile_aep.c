/* The Akeneo Event Platform, HTTPS destination.
 *
 * Sources: api.akeneo.com/event-platform (overview, concepts, available-events). */
#include "limits.h"
#include "profile.h"

const struct profile profile_aep = {
    .id = PLATFORM_AEP,
    .title = "the Event Platform (AEP)",
    .style = &JSON_STYLE_PLAIN, /* UTF-8, slashes as they are */

    /* overview: one CloudEvent 1.0 a request, 200 within 3 seconds, 1 to 100 events a second */
    .event_wrapped = false,
    .events_per_request_max = 1,
    .deadline_us = AEP_DEADLINE_MS * 1000,
    .requests_per_second_top = AEP_EVENTS_PER_SECOND_MAX,

    /* concepts, HMAC signature: lower-case hex HMAC-SHA256 over the raw body, no timestamp; the
     * secondary header only when a secondary secret is set */
    .scheme = SIGN_AEP,
    .signature_header = "X-AKENEO-SIGNATURE-PRIMARY",
    .secondary_header = "X-AKENEO-SIGNATURE-SECONDARY",
    .algorithm_line = "X-AKENEO-SIGNATURE-ALGORITHM: HmacSHA256",
    .content_type = "application/json",
    .user_agent = "akeneo/event-platform",

    /* overview, requirements: the URL must answer 200 to a HEAD request */
    .reach_method = "HEAD",
    .reach_signed = false,

    .type_member = "type",

    /* best practices: a connector knows its own changes by its client id (here: that of ours) */
    .own_author = "pimsim-connector",

    .flow =
        {
            /* key-platform-behaviors, optimized throughput: between 1 and 100 events a second, more after
             * 200, less after 429; Retry-After is ignored. By how much is not said: law.h has our law. */
            .rate_min = AEP_EVENTS_PER_SECOND_MIN * FLOW_PER_SECOND,
            .rate_max = AEP_EVENTS_PER_SECOND_MAX * FLOW_PER_SECOND,
            .rate_rise = 1 * FLOW_PER_SECOND,
            .rate_fall = FLOW_PER_SECOND / 2,
            /* the same, warning, and suspension policy: a 429 to an event that is undelivered for more than
             * an hour is a failure; before that it is none */
            .throttled_us = FLOW_HOUR_US,

            /* retry policy for transient failures: so long after the previous attempt; then it is dropped */
            .retry_us = {5 * FLOW_MINUTE_US, 10 * FLOW_MINUTE_US, 20 * FLOW_MINUTE_US},

            /* suspension policy, by criteria: a 404 or any 3xx suspends at once */
            .suspend_at_once = true,
            /* by threshold: less than 90 % success within the last rolling hour. It is not said of how many
             * answers; one failure among fewer than ten would be less than 90 % already. */
            .success_min = 90,
            .success_window_us = FLOW_HOUR_US,
            .success_answers = 10,

            /* concepts: events are lost until somebody resumes the subscription, which nobody does by itself
             */
            .resume_us = 0,

            /* best practices: a connector's own events come like all others; there is neither a quota nor an
             * age at which an event is discarded */
            .withhold_own = false,
            .quota = 0,
            .stale_us = 0,
        },
};
