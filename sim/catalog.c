/* catalog: see catalog.h.
 *
 * An item is its resource's bytes and a sorted list of slots: the places that name the entity, and the
 * leaves that versions change. Leaf i of n changes at the versions u with (u - 1) % n == i, so a state
 * is known from its number alone. A steady item's leaves count as one. */
#include "catalog.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "delta.h"
#include "limits.h"

enum slot_kind {
    SLOT_UUID,
    SLOT_UUID_FRAME, /* the rest of the member: goes when the uuid goes */
    SLOT_CODE,
    SLOT_CREATED,
    SLOT_UPDATED,
    SLOT_DIGITS, /* from here on leaves: the whole part of a number */
    SLOT_TEXT,   /* the end of a string */
    SLOT_LIST,   /* the end of a list of codes */
    SLOT_FLAG,
};

/* Versions take one leaf of each group, then the second of each group, and so on: the first few
 * versions of any item touch a price, a text, a measure, … */
enum group { GROUP_PRICE, GROUP_TEXT, GROUP_MEASURE, GROUP_CATEGORY, GROUP_FLAG, GROUP_COUNT };

struct slot {
    uint32_t start, end; /* bytes of the text that are written anew */
    uint32_t turn;       /* leaves: 0 .. leaf_count-1 */
    enum slot_kind kind;
};

struct item {
    char *name, *text, *attributes_text;
    size_t len;
    struct json_style style;
    struct json_doc attributes;
    struct slot *slots; /* by start */
    size_t slot_count, slot_cap;
    uint32_t leaf_count;
    uint32_t group_counts[GROUP_COUNT];
};

/* ---- leaves ------------------------------------------------------------------------------- */

static void add_slot(struct item *item, enum slot_kind kind, uint32_t start, uint32_t end, uint32_t turn)
{
    item->slots = mem_grow(item->slots, &item->slot_cap, item->slot_count, sizeof *item->slots);
    item->slots[item->slot_count++] = (struct slot){start, end, turn, kind};
}

static void add_leaf(struct item *item, enum slot_kind kind, enum group group, uint32_t start, uint32_t end)
{
    add_slot(item, kind, start, end, item->group_counts[group]++ * GROUP_COUNT + group);
    item->leaf_count++;
}

/* A number or a string that holds one: its first run of digits, unless sums could overflow. */
static void find_digits(struct item *item, const struct json_doc *doc, uint32_t node, enum group group)
{
    struct span raw = json_raw(doc, node);
    size_t at = 0, len = 0;
    if (json_type(doc, node) != JSON_NUMBER && json_type(doc, node) != JSON_STRING)
        return;
    while (at < raw.len && (raw.data[at] < '0' || raw.data[at] > '9'))
        at++;
    while (at + len < raw.len && raw.data[at + len] >= '0' && raw.data[at + len] <= '9')
        len++;
    if (len > 0 && len <= 18) {
        uint32_t start = doc->nodes[node].start + (uint32_t)at;
        add_leaf(item, SLOT_DIGITS, group, start, start + (uint32_t)len);
    }
}

static void find_number(struct item *item, const struct json_doc *doc, uint32_t data)
{
    find_digits(item, doc, data, GROUP_MEASURE);
}

static void find_metric(struct item *item, const struct json_doc *doc, uint32_t data)
{
    find_digits(item, doc, json_get(doc, data, "amount"), GROUP_MEASURE);
}

static void find_prices(struct item *item, const struct json_doc *doc, uint32_t data)
{
    for (uint32_t n = json_first(doc, data); n != JSON_NONE; n = json_next(doc, n))
        find_digits(item, doc, json_get(doc, n, "amount"), GROUP_PRICE);
}

static void find_flag(struct item *item, const struct json_doc *doc, uint32_t node)
{
    enum json_type type = json_type(doc, node);
    if (type == JSON_TRUE || type == JSON_FALSE)
        add_leaf(item, SLOT_FLAG, GROUP_FLAG, doc->nodes[node].start, doc->nodes[node].end);
}

/* Words, as opposed to a code or an EAN, which stay what they are. */
static bool is_prose(struct span raw)
{
    for (size_t i = 0; i < raw.len; i++)
        if (raw.data[i] == ' ' || raw.data[i] & 0x80 ||
            (raw.data[i] == '\\' && i + 1 < raw.len && raw.data[i + 1] == 'u'))
            return true;
    return false;
}

static void find_text(struct item *item, const struct json_doc *doc, uint32_t data)
{
    if (json_type(doc, data) == JSON_STRING && is_prose(json_raw(doc, data)))
        add_leaf(item, SLOT_TEXT, GROUP_TEXT, doc->nodes[data].end - 1, doc->nodes[data].end - 1);
}

static void find_list(struct item *item, const struct json_doc *doc, uint32_t node)
{
    if (json_type(doc, node) == JSON_ARRAY)
        add_leaf(item, SLOT_LIST, GROUP_CATEGORY, doc->nodes[node].end - 1, doc->nodes[node].end - 1);
}

static void find_code(struct item *item, const struct json_doc *doc, uint32_t node)
{
    if (json_type(doc, node) == JSON_STRING)
        add_slot(item, SLOT_CODE, doc->nodes[node].start, doc->nodes[node].end, 0);
}

/* How a value of each form changes; the forms that are not here never do. */
static void (*const finders[VALUE_FORM_COUNT])(struct item *item, const struct json_doc *doc,
                                               uint32_t data) = {
    [VALUE_TEXT] = find_text,     [VALUE_NUMBER] = find_number, [VALUE_METRIC] = find_metric,
    [VALUE_PRICES] = find_prices, [VALUE_FLAG] = find_flag,     [VALUE_IDENTIFIER] = find_code,
};

/* ---- making an item -------------------------------------------------------------------------- */

static void find_values(struct item *item, const struct json_doc *doc)
{
    struct buf key, scratch;
    buf_init(&key, item->len);
    buf_init(&scratch, item->len);
    uint32_t values = json_get(doc, JSON_ROOT, "values");
    for (uint32_t list = json_first(doc, values); list != JSON_NONE; list = json_next(doc, list)) {
        buf_clear(&key);
        buf_clear(&scratch);
        buf_put_span(&key, json_key(doc, list, &scratch));
        for (uint32_t value = json_first(doc, list); value != JSON_NONE; value = json_next(doc, value)) {
            enum value_form form = value_form(&item->attributes, buf_text(&key), doc, value);
            if (finders[form])
                finders[form](item, doc, json_get(doc, value, "data"));
        }
    }
    buf_reset(&key);
    buf_reset(&scratch);
}

/* The uuid, and around it what must go with it: its name and a comma. */
static void find_uuid(struct item *item, const struct json_doc *doc)
{
    uint32_t uuid = json_get(doc, JSON_ROOT, "uuid"), before = JSON_NONE;
    if (json_type(doc, uuid) != JSON_STRING)
        return;
    for (uint32_t n = json_first(doc, JSON_ROOT); n != uuid; n = json_next(doc, n))
        before = n;
    const struct json_node *node = &doc->nodes[uuid];
    uint32_t start = node->key_start, end = node->end;
    if (node->next != JSON_NONE)
        end = doc->nodes[node->next].key_start;
    else if (before != JSON_NONE)
        start = doc->nodes[before].end;
    add_slot(item, SLOT_UUID_FRAME, start, node->start, 0);
    add_slot(item, SLOT_UUID, node->start, node->end, 0);
    add_slot(item, SLOT_UUID_FRAME, node->end, end, 0);
}

static void find_slots(struct item *item, const struct json_doc *doc)
{
    static const struct {
        const char *key;
        enum slot_kind kind;
    } dates[] = {{"created", SLOT_CREATED}, {"updated", SLOT_UPDATED}};
    find_uuid(item, doc);
    find_code(item, doc, json_get(doc, JSON_ROOT, "identifier"));
    find_code(item, doc, json_get(doc, JSON_ROOT, "code"));
    for (size_t i = 0; i < COUNT_OF(dates); i++) {
        uint32_t node = json_get(doc, JSON_ROOT, dates[i].key);
        if (json_type(doc, node) == JSON_STRING)
            add_slot(item, dates[i].kind, doc->nodes[node].start, doc->nodes[node].end, 0);
    }
    find_values(item, doc);
    find_list(item, doc, json_get(doc, JSON_ROOT, "categories"));
    find_flag(item, doc, json_get(doc, JSON_ROOT, "enabled"));
}

static int compare_turns(const void *a, const void *b)
{
    const struct slot *x = a, *y = b;
    bool x_leaf = x->kind >= SLOT_DIGITS, y_leaf = y->kind >= SLOT_DIGITS;
    return x_leaf != y_leaf ? x_leaf - y_leaf : (x->turn > y->turn) - (x->turn < y->turn);
}

static int compare_places(const void *a, const void *b)
{
    const struct slot *x = a, *y = b;
    return x->start != y->start ? (x->start > y->start) - (x->start < y->start)
                                : (x->end > y->end) - (x->end < y->end);
}

/* Number the leaves from 0 in the order of their groups, then order all slots by place. */
static void sort_slots(struct item *item)
{
    if (item->slot_count == 0)
        return;
    size_t first = item->slot_count - item->leaf_count;
    qsort(item->slots, item->slot_count, sizeof *item->slots, compare_turns);
    for (size_t i = first; i < item->slot_count; i++)
        item->slots[i].turn = (uint32_t)(i - first);
    qsort(item->slots, item->slot_count, sizeof *item->slots, compare_places);
}

/* All leaves take the same turn, every time. Lists and flags go: what is added to a list stays in it when the
 * delta that removes it is passed over, and a flag is soon what it was. False when nothing is left. */
static bool make_steady(struct item *item)
{
    size_t kept = 0;
    item->leaf_count = 0;
    for (size_t i = 0; i < item->slot_count; i++) {
        struct slot slot = item->slots[i];
        if (slot.kind == SLOT_LIST || slot.kind == SLOT_FLAG)
            continue;
        if (slot.kind >= SLOT_DIGITS)
            item->leaf_count = 1;
        slot.turn = 0;
        item->slots[kept++] = slot;
    }
    item->slot_count = kept;
    return item->leaf_count > 0;
}

static bool respell(const char *name, struct span text, const struct json_style *style, struct span *spelled,
                    struct err *err)
{
    struct json_doc doc = {0};
    struct buf out;
    buf_init(&out, FILE_BYTES_MAX);
    bool ok = json_parse(&doc, name, text, JSON_STRICT, err) &&
              json_expect(&doc, JSON_ROOT, JSON_OBJECT, err) &&
              json_respell(&doc, JSON_ROOT, style, &out, err);
    spelled->len = out.len;
    spelled->data = ok ? buf_take(&out) : NULL;
    buf_reset(&out);
    json_reset(&doc);
    return ok;
}

bool item_new(struct item **item, const char *name, struct span resource, struct span attributes,
              const struct json_style *style, struct err *err)
{
    bool ok = false;
    struct json_doc doc = {0};
    struct item *it = mem_alloc(sizeof *it);
    struct span text = {0};
    it->name = mem_text(name);
    it->style = *style;
    it->attributes_text = mem_text_n(attributes.data, attributes.len);
    if (attributes.len && !json_parse(&it->attributes, it->name,
                                      (struct span){it->attributes_text, attributes.len}, JSON_STRICT, err))
        goto out;
    if (!respell(it->name, resource, style, &text, err))
        goto out;
    it->text = (char *)text.data;
    it->len = text.len;
    if (!json_parse(&doc, it->name, text, JSON_STRICT, err))
        goto out;
    find_slots(it, &doc);
    sort_slots(it);
    ok = true;
out:
    json_reset(&doc);
    if (!ok) {
        item_free(it);
        it = NULL;
    }
    *item = it;
    return ok;
}

void item_free(struct item *item)
{
    if (!item)
        return;
    json_reset(&item->attributes);
    free(item->attributes_text);
    free(item->slots);
    free(item->text);
    free(item->name);
    free(item);
}

/* ---- states ----------------------------------------------------------------------------------- */

struct moment {
    const struct entity *entity;
    uint32_t version;
    int64_t created_us, updated_us;
};

static void put_time(const struct item *item, int64_t time_us, struct buf *out)
{
    char text[CLOCK_TEXT_SIZE];
    clock_format_offset(time_us, text);
    json_put_string(out, &item->style, span_of(text));
}

/* The digits of a slot plus n, no shorter than they were. */
static void put_sum(const struct item *item, const struct slot *slot, uint32_t n, struct buf *out)
{
    uint64_t sum = 0;
    for (uint32_t i = slot->start; i < slot->end; i++)
        sum = sum * 10 + (uint64_t)(item->text[i] - '0');
    buf_printf(out, "%0*" PRIu64, (int)(slot->end - slot->start), sum + n);
}

/* A leaf as version u, at which it last changed, left it. */
static void put_leaf(const struct item *item, const struct slot *slot, uint32_t u, struct buf *out)
{
    switch (slot->kind) {
    case SLOT_DIGITS:
        put_sum(item, slot, u, out);
        break;
    case SLOT_TEXT:
        buf_puts(out, " (rev. ");
        buf_put_u64(out, u);
        buf_putc(out, ')');
        break;
    case SLOT_LIST:
        if (item->text[slot->start - 1] != '[')
            buf_puts(out, item->style.spaces ? ", " : ",");
        buf_puts(out, "\"featured_");
        buf_put_u64(out, u);
        buf_putc(out, '"');
        break;
    default: { /* a flag: every change turns it over */
        bool was = item->text[slot->start] == 't', turned = (u - 1) / item->leaf_count % 2 == 0;
        buf_puts(out, was != turned ? "true" : "false");
    }
    }
}

/* Write what stands in a slot; false when that is what the item has there. */
static bool put_slot(const struct item *item, const struct slot *slot, const struct moment *now,
                     struct buf *out)
{
    switch (slot->kind) {
    case SLOT_UUID:
        if (now->entity->uuid[0])
            json_put_string(out, &item->style, span_of(now->entity->uuid));
        return true;
    case SLOT_UUID_FRAME:
        return !now->entity->uuid[0];
    case SLOT_CODE:
        json_put_string(out, &item->style, span_of(now->entity->code));
        return true;
    case SLOT_CREATED:
        put_time(item, now->created_us, out);
        return true;
    case SLOT_UPDATED:
        put_time(item, now->updated_us, out);
        return true;
    default:
        if (now->version <= slot->turn)
            return false;
        put_leaf(item, slot, now->version - (now->version - 1 - slot->turn) % item->leaf_count, out);
        return true;
    }
}

void item_state(const struct item *item, const struct entity *entity, uint32_t version, int64_t created_us,
                int64_t updated_us, struct buf *out)
{
    const struct moment now = {entity, version, created_us, updated_us};
    uint32_t at = 0;
    for (size_t i = 0; i < item->slot_count; i++) {
        const struct slot *slot = &item->slots[i];
        buf_put(out, item->text + at, slot->start - at);
        if (!put_slot(item, slot, &now, out))
            buf_put(out, item->text + slot->start, slot->end - slot->start);
        at = slot->end;
    }
    buf_put(out, item->text + at, item->len - at);
}

void item_delta(const struct item *item, uint32_t version, struct buf *out)
{
    static const struct entity nobody;
    struct err err;
    struct json_doc docs[2] = {0};
    struct buf states[2];
    bool ok = true;
    for (uint32_t i = 0; i < 2; i++) {
        buf_init(&states[i], FILE_BYTES_MAX);
        item_state(item, &nobody, version && i == 0 ? version - 1 : version, 0, 0, &states[i]);
        ok = ok && json_parse(&docs[i], item->name, buf_span(&states[i]), JSON_STRICT, &err);
    }
    if (ok)
        delta_put(&item->attributes, &docs[0], &docs[1], out);
    else
        out->full = true; /* a state was cut off at its maximum */
    for (size_t i = 0; i < 2; i++) {
        json_reset(&docs[i]);
        buf_reset(&states[i]);
    }
}

/* ---- the catalogue --------------------------------------------------------------------------------- */

struct catalog {
    struct list {
        struct item **items;
        size_t count, cap;
    } lists[ENTITY_KIND_COUNT];
};

static bool add_items(struct catalog *catalog, const struct json_doc *doc, enum entity_kind kind,
                      const char *key, const struct json_style *style, bool steady, struct err *err)
{
    struct list *list = &catalog->lists[kind];
    struct span attributes = json_raw(doc, json_get(doc, JSON_ROOT, "attributes"));
    uint32_t resources = json_get(doc, JSON_ROOT, key);
    for (uint32_t n = json_first(doc, resources); n != JSON_NONE; n = json_next(doc, n)) {
        list->items = mem_grow(list->items, &list->cap, list->count, sizeof *list->items);
        if (!item_new(&list->items[list->count], doc->name, json_raw(doc, n), attributes, style, err))
            return false;
        if (steady && !make_steady(list->items[list->count]))
            item_free(list->items[list->count]);
        else
            list->count++;
    }
    return true;
}

static bool is_family(const char *path)
{
    static const char folder[] = "fixtures/catalog/";
    return strncmp(path, folder, sizeof folder - 1) == 0 && strstr(path, ".json");
}

static bool add_family(struct catalog *catalog, struct data *data, const char *path,
                       const struct json_style *style, bool steady, struct err *err)
{
    struct json_doc doc = {0};
    struct span text;
    bool ok = data_read(data, path, &text, err) && json_parse(&doc, path, text, JSON_STRICT, err) &&
              json_expect(&doc, JSON_ROOT, JSON_OBJECT, err) &&
              add_items(catalog, &doc, ENTITY_PRODUCT_MODEL, "product_models", style, steady, err) &&
              add_items(catalog, &doc, ENTITY_PRODUCT, "products", style, steady, err);
    json_reset(&doc);
    return ok;
}

bool catalog_load(struct catalog **catalog, struct data *data, const struct json_style *style, bool steady,
                  struct err *err)
{
    *catalog = mem_alloc(sizeof **catalog);
    for (size_t i = 0; i < data_count(data); i++)
        if (is_family(data_path(data, i)) &&
            !add_family(*catalog, data, data_path(data, i), style, steady, err)) {
            catalog_free(*catalog);
            *catalog = NULL;
            return false;
        }
    return true;
}

void catalog_free(struct catalog *catalog)
{
    if (!catalog)
        return;
    for (size_t kind = 0; kind < ENTITY_KIND_COUNT; kind++) {
        for (size_t i = 0; i < catalog->lists[kind].count; i++)
            item_free(catalog->lists[kind].items[i]);
        free(catalog->lists[kind].items);
    }
    free(catalog);
}

size_t catalog_count(const struct catalog *catalog, enum entity_kind kind)
{
    return catalog->lists[kind].count;
}

const struct item *catalog_item(const struct catalog *catalog, enum entity_kind kind, size_t index)
{
    return catalog->lists[kind].items[index];
}
