/* sign: HMAC-SHA256 as the two platforms use it, and as connectors get it wrong.
 *
 * Owns all use of OpenSSL's HMAC. A signer holds one EVP_MAC context that is keyed once. */
#ifndef PIMSIM_SIGN_H
#define PIMSIM_SIGN_H

#include "base.h"

#define SIGN_HEX_SIZE 65 /* 64 lower-case hex digits and a NUL */

struct signer;

bool sign_new(struct signer **signer, struct span secret, struct err *err) MUST_USE;
void sign_free(struct signer *signer);
void sign_hex(struct signer *signer, const struct span *parts, size_t count, char hex[SIGN_HEX_SIZE]);

/* What is signed. Events API: timestamp "." body [events-api/security]; AEP: body
 * [event-platform/concepts, HMAC signature]. */
enum sign_scheme { SIGN_EVENTS_API, SIGN_AEP };

/* timestamp: the header's text, for SIGN_EVENTS_API; ignored for SIGN_AEP. */
void sign_request(struct signer *signer, enum sign_scheme scheme, const char *timestamp, struct span body,
                  char hex[SIGN_HEX_SIZE]);

/* Bytes in base64, with padding. */
void sign_base64(struct span bytes, struct buf *out);

/* ---- the known mistakes ---------------------------------------------------------------------- */

enum sign_mistake {
#define MISTAKE(id, name, schemes, sentence, fix) MISTAKE_##id,
#include "sign_mistakes.def"
#undef MISTAKE
    MISTAKE_COUNT
};

#define SIGN_MISTAKEN_SIZE 160

/* The mistake's stable name ("no-dot"), what such a connector does, as the rest of a sentence that
 * starts with "your connector ", and what to do about it. */
const char *sign_mistake_name(enum sign_mistake mistake);
const char *sign_mistake_sentence(enum sign_mistake mistake);
const char *sign_mistake_fix(enum sign_mistake mistake);
bool sign_mistake_find(const char *name, enum sign_mistake *mistake);
bool sign_mistake_is_spelling(enum sign_mistake mistake); /* it depends on how the body's JSON is spelled */

/* The signature that a connector with this mistake expects. secondary may be empty. False when the
 * mistake does not apply: another platform's, no secondary secret, a body that is not JSON, or a
 * result that equals the right signature. */
bool sign_mistaken(enum sign_mistake mistake, enum sign_scheme scheme, struct span secret,
                   struct span secondary, const char *timestamp, struct span body,
                   char text[SIGN_MISTAKEN_SIZE]);

#endif
