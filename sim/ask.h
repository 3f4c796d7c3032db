/* ask: what the reference connector asks a PIM: the products and models that its inbox wants to know, a
 * hundred at a time. A failure is tried again after a second, for as long as somebody is wanted. */
#ifndef PIMSIM_ASK_H
#define PIMSIM_ASK_H

#include "base.h"
#include "inbox.h"
#include "loop.h"

struct ask;
bool ask_open(struct ask **ask, struct loop *loop, const char *url, struct inbox *inbox,
              struct err *err) MUST_USE;
void ask_close(struct ask *ask);
void ask_wake(struct ask *ask); /* somebody may be wanted */

#endif
