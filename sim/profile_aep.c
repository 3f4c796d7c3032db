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
};
