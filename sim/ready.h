/* ready: waiting for a connector that was started. */
#ifndef PIMSIM_READY_H
#define PIMSIM_READY_H

#include "deliver.h"

/* Wait until the URL answers HTTP at all, whatever the status; fails when `give_up` says so (it is asked
 * every turn), the time is over, or waiting would not help. shown: the URL for messages. */
bool ready_wait(const struct deliver_options *options, const char *shown, struct loop *loop,
                uint64_t timeout_us, bool (*give_up)(void *arg), void *arg, struct err *err) MUST_USE;

#endif
