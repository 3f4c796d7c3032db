/* The Events API: the PIM's own webhook, retired on 2026-12-31.
 *
 * Sources: api.akeneo.com/events-documentation (overview, security, limits-and-scalability,
 * subscription) and the PIM's sender (GuzzleWebhookClient, WebhookReachabilityChecker, Signature). */
#include "limits.h"
#include "profile.h"

const struct profile profile_events_api = {
    .id = PLATFORM_EVENTS_API,
    .title = "the Events API",
    .style = &JSON_STYLE_PHP, /* bodies are PHP's json_encode with default flags */

    /* limits-and-scalability: 1 to 10 events a request, answered within 500 ms, 4000 requests an hour */
    .event_wrapped = true,
    .events_per_request_max = EVENTS_API_EVENTS_PER_REQUEST_MAX,
    .deadline_us = EVENTS_API_DEADLINE_MS * 1000,
    .requests_per_second_top = EVENTS_API_REQUESTS_PER_HOUR / 3600.0,

    /* security: lower-case hex HMAC-SHA256 over "<timestamp>.<raw body>" */
    .scheme = SIGN_EVENTS_API,
    .signature_header = "X-Akeneo-Request-Signature",
    .timestamp_header = "X-Akeneo-Request-Timestamp",
    .content_type = "application/json",
    .user_agent = "AkeneoPIM/7.0", /* GuzzleWebhookClient: AkeneoPIM/<version> */

    /* WebhookReachabilityChecker: the Test button posts an empty body, signed; 2xx is well */
    .reach_method = "POST",
    .reach_signed = true,

    .type_member = "action",

    /* basics: the connection's own user, named as the PIM names them */
    .own_author = "connector_0000",

    .flow =
        {
            /* limits-and-scalability: 4000 requests an hour; then it pauses until the sliding hour has room
             * again (GetDelayUntilNextRequest, which counts by the minute; we count each request) */
            .quota = EVENTS_API_REQUESTS_PER_HOUR,
            .quota_window_us = FLOW_HOUR_US,
            /* the same: what is older than two hours when its turn comes is discarded */
            .stale_us = 2 * FLOW_HOUR_US,

            /* overview: what the connection's own user did is not sent to it */
            .withhold_own = true,

            /* overview: no retry, ever. A 429 is an error like any other, and nobody is suspended. */
            .retry_us = {0},
            .rate_max = 0,
            .suspend_at_once = false,
            .success_min = 0,
        },
};
