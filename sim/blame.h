/* blame: every attempt that did not go as it should is blamed on exactly one rule, or excused.
 *
 * That is why a finding names one cause, and not all that follows from it. A fault is held against a
 * connector only if undisturbed deliveries of the same scenario were acknowledged, and what our own
 * lateness may have caused never is. */
#ifndef PIMSIM_BLAME_H
#define PIMSIM_BLAME_H

#include "transcript.h"

/* The probe that tells which known mistake the connector makes when it verifies; NULL when none does. */
const struct attempt *blame_mistake(const struct transcript *transcript, unsigned *tried);

/* Set blame and excuse of every attempt, and of each scenario over hours fails_from: where deliveries failed
 * from some load on, and below it never, they are blamed on the load. */
void blame_assign(struct transcript *transcript);

bool attempt_answered(const struct attempt *attempt);
bool attempt_acknowledged(const struct attempt *attempt); /* 2xx */
bool attempt_redirected(const struct attempt *attempt);
/* No fault, or one that changes the moment alone: right for every connector. */
bool attempt_plain(const struct attempt *attempt);
enum expect attempt_expects(const struct attempt *attempt);
/* The answer is one that a sound connector may give. */
bool attempt_met(const struct transcript *transcript, const struct attempt *attempt);

#endif
