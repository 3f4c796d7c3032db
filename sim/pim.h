/* pim: a fake PIM's REST API, which connectors call back: AEP's light events tell what changed, not how it is
 * now. Read-only: tokens, products (by uuid and by identifier) and product models, one or many.
 *
 * It holds what a plan's entities are: an entity is as its last change left it that lies not after the moment
 * its universe has reached. Source of the protocol: api.akeneo.com, rest-api (authentication, filters,
 * pagination, responses). */
#ifndef PIMSIM_PIM_H
#define PIMSIM_PIM_H

#include "base.h"
#include "loop.h"
#include "plan.h"

struct pim;

/* Told of every call that was answered: its method, its path with the query (decoded, cut at 512 bytes), and
 * the status. */
typedef void pim_call_fn(void *arg, const char *method, const char *target, unsigned status);

/* On 127.0.0.1; port 0: any free one. Fails when the port is taken. Until it is shown a plan it is empty. */
bool pim_open(struct pim **pim, struct loop *loop, uint16_t port, struct err *err) MUST_USE;
void pim_close(struct pim *pim); /* NULL is fine, here and below */
uint16_t pim_port(const struct pim *pim);
void pim_on_call(struct pim *pim, pim_call_fn *called, void *arg);

/* From now on it holds this plan's entities, which is borrowed until another (or NULL: nothing) is shown.
 * past: a bit (1 << universe) for each universe whose changes have all happened already. wall_start_us: when
 * the scenario started, as for plan_render. */
void pim_show(struct pim *pim, const struct plan *plan, unsigned past, int64_t wall_start_us);
/* Every change of the universe up to this moment of the plan (plan_item.changed_us) has happened. It never
 * goes back. */
void pim_advance(struct pim *pim, enum universe universe, uint64_t changed_us);

#endif
