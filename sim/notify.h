/* notify: AEP's notification webhooks: whoever gave a URL for it is told that the subscription was suspended,
 * or resumed (event-platform, notification webhooks).
 *
 * Notices are taken when the platform decides; the run comes to send what waits when nothing is in flight.
 * The stream stands still meanwhile. Where a notify is a pointer to const or taken from, NULL will do. */
#ifndef PIMSIM_NOTIFY_H
#define PIMSIM_NOTIFY_H

#include "base.h"
#include "deliver.h"
#include "loop.h"
#include "plan.h"
#include "platform.h"
#include "record.h"

struct notify_options {
    struct deliver_options deliver; /* to its url, which is NULL where nobody is to be told */
    struct span secret;             /* notification_webhook_secret */
};

struct notify;

bool notify_new(struct notify **notify, struct loop *loop, const struct notify_options *options,
                struct err *err) MUST_USE;
void notify_free(struct notify *notify);

/* What the subscription is: a scenario starts. All is borrowed. */
struct notify_scene {
    const struct plan *plan;
    const struct settings *settings;
    const char *destination; /* the connector's URL, as it may be shown */
    const struct flow *flow;
    unsigned speed;
};
void notify_begin(struct notify *notify, const struct notify_scene *scene);

void notify_take(struct notify *notify, const struct notice *notice);
bool notify_waits(const struct notify *notify);
/* Send what waits, with the retries; returns early, and well, when a signal came. deliveries: the number of
 * the run's last request, which goes on counting. */
bool notify_send(struct notify *notify, const struct recorder *recorder, uint32_t *deliveries,
                 struct err *err) MUST_USE;

#endif
