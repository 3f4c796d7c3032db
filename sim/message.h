/* message: the bytes of one request: method, headers, body, signature, faults of the message stage.
 *
 * The one place that composes a request; sign, run and demo all send what this makes. The body is
 * signed and sent from one buffer: nothing is serialised again after signing. */
#ifndef PIMSIM_MESSAGE_H
#define PIMSIM_MESSAGE_H

#include "base.h"
#include "fault.h"
#include "json.h"
#include "profile.h"

#define MESSAGE_HEADERS_MAX 24

struct message {
    const char *method;
    struct buf body;
    struct buf lines; /* the header lines, each NUL-terminated, in order */
    size_t header_count;
};

/* What it takes to make messages for one platform: keyed signers and settings. */
struct composer;
bool composer_new(struct composer **composer, const struct profile *profile, const struct settings *settings,
                  struct err *err) MUST_USE;
void composer_free(struct composer *composer);
const struct profile *composer_profile(const struct composer *composer);

void message_init(struct message *message);
void message_reset(struct message *message);
const char *message_header(const struct message *message, size_t index); /* "Name: value" */

/* The body: begin, add each event (or a captured body), end. */
void message_begin(struct composer *composer, struct message *message);
struct buf *message_event(struct composer *composer, struct message *message); /* append an event here */
void message_end(struct composer *composer, struct message *message);
/* Spoil a complete body as a STAGE_MESSAGE variant does; others leave it alone. */
bool message_spoil(struct composer *composer, struct message *message, enum fault_variant variant,
                   struct err *err) MUST_USE;
/* Sign and write the headers. wall_us is the moment of sending (a stale variant makes it older). */
void message_sign(struct composer *composer, struct message *message, enum fault_variant variant,
                  int64_t wall_us);
/* The same with a signature that is wrong in a known way; false when the mistake does not apply. */
bool message_sign_mistaken(struct composer *composer, struct message *message, enum sign_mistake mistake,
                           int64_t wall_us) MUST_USE;
/* Write the body as a member "body", or "body_base64" when it is not UTF-8. */
void message_put_body(const struct message *message, struct json_writer *w);
/* The reachability check of the platform: no body. */
void message_reachability(struct composer *composer, struct message *message, int64_t wall_us);

#endif
