/* catalog: PIM entities and their states.
 *
 * An item is a product or product model whose state at version v is a function of v alone: version 0
 * is the item as written, every further version changes one thing (a price, a text, a category, a
 * metric, whether it is enabled, …). A delta is the real difference between two states. States are
 * spliced from the item's bytes, never printed from parsed values. */
#ifndef PIMSIM_CATALOG_H
#define PIMSIM_CATALOG_H

#include "base.h"
#include "data.h"
#include "json.h"

enum entity_kind { ENTITY_PRODUCT, ENTITY_PRODUCT_MODEL, ENTITY_OTHER, ENTITY_KIND_COUNT };

/* What names one entity; a copy of an item lives under ids of its own. */
#define ENTITY_CODE_SIZE 64
struct entity {
    char uuid[UUID_SIZE];        /* products */
    char code[ENTITY_CODE_SIZE]; /* a product's identifier, a model's code, any other entity's code */
};

struct item;

/* resource: a product or product model as the Events API shows it (data.resource), spelled in
 * `style` from here on. attributes: a JSON object {code: type}; empty where unknown: values then tell
 * their types by their looks. */
bool item_new(struct item **item, const char *name, struct span resource, struct span attributes,
              const struct json_style *style, struct err *err) MUST_USE;
void item_free(struct item *item);

/* Append the resource at a version. Version 0 is the resource as written, but for the entity's names
 * (an entity without a uuid: the member is left out), "created" and "updated". */
void item_state(const struct item *item, const struct entity *entity, uint32_t version, int64_t created_us,
                int64_t updated_us, struct buf *out);
/* Append the "changes" object of AEP's *.updated.delta: the difference between version-1 and version
 * ({} at version 0), always in plain style. */
void item_delta(const struct item *item, uint32_t version, struct buf *out);

/* The built-in catalogue, in a style: fixtures/catalog/FAMILY.json. In a steady catalogue each version
 * changes everything that any changes: whoever knows the newest, as a state or as a delta, knows all. */
struct catalog;
bool catalog_load(struct catalog **catalog, struct data *data, const struct json_style *style, bool steady,
                  struct err *err) MUST_USE;
void catalog_free(struct catalog *catalog);
size_t catalog_count(const struct catalog *catalog, enum entity_kind kind);
const struct item *catalog_item(const struct catalog *catalog, enum entity_kind kind, size_t index);

#endif
