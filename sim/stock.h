/* stock: what a PIM holds of a plan: its products and product models, as they are at a moment. Each universe
 * has a clock of its own, for one may be told all before another hears of anything.
 *
 * An entity is as its last change left it that has happened by then; it is not there before it was created,
 * nor after it was removed. Changes count that no event tells of (dropped ones), copies do not. What nobody
 * asks for costs nothing. */
#ifndef PIMSIM_STOCK_H
#define PIMSIM_STOCK_H

#include "base.h"
#include "plan.h"

enum stock_name { STOCK_UUID, STOCK_CODE, STOCK_NAME_COUNT }; /* a product's code is its identifier */

struct stock_entry {
    const char *names[STOCK_NAME_COUNT];
    const char *key;        /* the one that they are sorted by: a product's uuid, a model's code */
    struct plan_item state; /* its last change, for plan_put_resource */
    bool there;
};

struct stock;

/* Of a plan, borrowed; nothing has happened yet but, in the universes of `past` (a bit 1 << universe for
 * each), everything. */
struct stock *stock_new(const struct plan *plan, unsigned past);
void stock_free(struct stock *stock); /* NULL is fine here; below, it holds nothing */
/* Every change of the universe up to this moment (plan_item.changed_us) has happened. It never goes back. */
void stock_advance(struct stock *stock, enum universe universe, uint64_t changed_us);

/* Entries are good until the stock is freed, and say how it is until it is asked again. */
const struct stock_entry *stock_find(struct stock *stock, enum entity_kind kind, enum stock_name name,
                                     const char *text); /* NULL: it is not there */
/* All by their keys, those included that are not there. */
struct stock_entry *const *stock_list(struct stock *stock, enum entity_kind kind, size_t *count);

#endif
