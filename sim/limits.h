/* limits: every limit of the two protocols and of this program, each with its source.
 *
 * "Events API" facts: api.akeneo.com/events-documentation and the PIM's own sender;
 * "AEP" facts: api.akeneo.com/event-platform. Ours are marked "pimsim". */
#ifndef PIMSIM_LIMITS_H
#define PIMSIM_LIMITS_H

/* Events API: limits-and-scalability; GuzzleWebhookClient. */
#define EVENTS_API_EVENTS_PER_REQUEST_MAX 10
#define EVENTS_API_DEADLINE_MS            500
#define EVENTS_API_REQUESTS_PER_HOUR      4000

/* AEP: overview ("200 status code within 3 seconds"); the newest pages say 5 s, and a connector
 * that meets 3 s meets both. Throughput: 1 to 100 events a second. */
#define AEP_DEADLINE_MS           3000
#define AEP_EVENTS_PER_SECOND_MIN 1
#define AEP_EVENTS_PER_SECOND_MAX 100
#define CUSTOM_HEADERS_MAX        5

/* AEP: notification-webhooks, "Delivery and fallback", "Configuration". */
#define NOTIFICATION_DEADLINE_MS      5000
#define NOTIFICATION_SECRET_BYTES_MIN 16
#define NOTIFICATION_SECRET_BYTES_MAX 256

/* pimsim: what one request, answer, file or run may hold. */
#define BODY_BYTES_MAX         (16u << 20) /* a request body, ten large products included */
#define ANSWER_BYTES_MAX       (1u << 20)  /* read no more of an answer than this */
#define ANSWER_EXCERPT_BYTES   512         /* kept of an answer's body as evidence */
#define FILE_BYTES_MAX         (64u << 20) /* a scenario, fixture or captured request */
#define JOURNAL_LINE_BYTES_MAX (32u << 20)
#define PLAN_EVENTS_MAX        10000000u
#define IN_FLIGHT_MAX          1000u        /* open requests at once */
#define EVIDENCE_MAX           5            /* pieces of evidence shown for a finding */
#define STATE_BYTES_MAX        (256u << 20) /* what one source may show of a connector's state */
#define STATE_PAGES_MAX        10000u
#define SECRET_BYTES_MAX       4096

#endif
