/* delta: see delta.h. Two parsed resources go in; values are compared as they are spelled. */
#include "delta.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "limits.h"

/* ---- attribute types ------------------------------------------------------------------------ */

struct attribute_type {
    const char *name; /* as the PIM has it */
    enum value_form form;
    const char *delta; /* as deltas name it, where that differs */
};

static const struct attribute_type attribute_types[] = {
    {"pim_catalog_text", VALUE_TEXT, NULL},
    {"pim_catalog_textarea", VALUE_TEXT, NULL},
    {"pim_catalog_number", VALUE_NUMBER, NULL},
    {"pim_catalog_metric", VALUE_METRIC, NULL},
    {"pim_catalog_price_collection", VALUE_PRICES, "pim_catalog_price"},
    {"pim_catalog_boolean", VALUE_FLAG, NULL},
    {"pim_catalog_date", VALUE_DATE, NULL},
    {"pim_catalog_file", VALUE_FILE, NULL},
    {"pim_catalog_image", VALUE_FILE, NULL},
    {"pim_catalog_identifier", VALUE_IDENTIFIER, NULL},
    {"pim_catalog_table", VALUE_TABLE, NULL},
};

#define TYPE_NAME_SIZE 64

/* The type that a value looks like. */
static const char *guess_type(const struct json_doc *doc, uint32_t value)
{
    uint32_t data = json_get(doc, value, "data"), first = json_first(doc, data);
    struct span raw = json_raw(doc, data);
    switch (json_type(doc, data)) {
    case JSON_TRUE:
    case JSON_FALSE:
        return "pim_catalog_boolean";
    case JSON_NUMBER:
        return "pim_catalog_number";
    case JSON_OBJECT:
        return json_get(doc, data, "unit") != JSON_NONE ? "pim_catalog_metric" : "pim_catalog_product_link";
    case JSON_ARRAY:
        if (json_type(doc, first) != JSON_OBJECT)
            return "pim_catalog_multiselect";
        return json_get(doc, first, "currency") != JSON_NONE ? "pim_catalog_price_collection"
                                                             : "pim_catalog_table";
    case JSON_STRING:
        if (json_get(doc, value, "_links") != JSON_NONE)
            return "pim_catalog_image";
        if (span_same(raw, json_raw(doc, json_get(doc, JSON_ROOT, "identifier"))))
            return "pim_catalog_identifier";
        if (raw.len == sizeof "\"2026-03-15T00:00:00+00:00\"" - 1 && raw.data[5] == '-' &&
            raw.data[11] == 'T')
            return "pim_catalog_date";
        return "pim_catalog_text";
    case JSON_NULL:
        break;
    }
    return "pim_catalog_text";
}

/* The type of a value: as the attributes say, as the value says (newer PIMs do), or as it looks. Sets
 * the name that deltas use. */
static enum value_form type_of(const struct json_doc *attributes, const char *attribute,
                               const struct json_doc *doc, uint32_t value, char name[TYPE_NAME_SIZE])
{
    const struct json_doc *where = attributes;
    uint32_t said = attributes->count ? json_get(attributes, JSON_ROOT, attribute) : JSON_NONE;
    if (said == JSON_NONE) {
        where = doc;
        said = json_get(doc, value, "attribute_type");
    }
    struct span raw = json_raw(where, said);
    if (json_type(where, said) == JSON_STRING)
        snprintf(name, TYPE_NAME_SIZE, "%.*s", raw.len < TYPE_NAME_SIZE ? (int)raw.len - 2 : 0, raw.data + 1);
    else
        snprintf(name, TYPE_NAME_SIZE, "%s", guess_type(doc, value));
    for (size_t i = 0; i < COUNT_OF(attribute_types); i++) {
        const struct attribute_type *type = &attribute_types[i];
        if (strcmp(type->name, name) == 0) {
            if (type->delta)
                snprintf(name, TYPE_NAME_SIZE, "%s", type->delta);
            return type->form;
        }
    }
    return VALUE_PLAIN;
}

enum value_form value_form(const struct json_doc *attributes, const char *attribute,
                           const struct json_doc *resource, uint32_t value)
{
    char name[TYPE_NAME_SIZE];
    return type_of(attributes, attribute, resource, value, name);
}

/* ---- values -------------------------------------------------------------------------------- */

/* The two states, a writer, and the value at hand. */
struct diff {
    const struct json_doc *attributes, *before, *after;
    struct json_writer w;
    struct buf attribute, key, scratch, raw;
    enum value_form form;
    char type_name[TYPE_NAME_SIZE];
    const struct json_doc *value_doc; /* after, or before when the value went */
    uint32_t value;
};

/* A value in plain spelling; null where there is none. */
static void put_value(struct diff *d, const char *key, const struct json_doc *doc, uint32_t node)
{
    struct err err;
    buf_clear(&d->raw);
    if (node == JSON_NONE)
        json_put(&d->w, key, NULL);
    else if (json_respell(doc, node, &JSON_STYLE_PLAIN, &d->raw, &err))
        json_put_raw(&d->w, key, buf_span(&d->raw));
    else
        d->w.out->full = true;
}

static struct span text_of(struct diff *d, const struct json_doc *doc, uint32_t node)
{
    buf_clear(&d->scratch);
    return json_string(doc, node, &d->scratch);
}

/* "9/9/c/c/<hash>_boots.jpg": the name is what follows the hash. */
static void put_file(struct diff *d, const char *key, const struct json_doc *doc, uint32_t data)
{
    struct span path = text_of(d, doc, data), name = path;
    const char *slash = memrchr(path.data, '/', path.len);
    if (slash)
        name = (struct span){slash + 1, path.len - (size_t)(slash + 1 - path.data)};
    const char *bar = memchr(name.data, '_', name.len);
    if (bar)
        name = (struct span){bar + 1, name.len - (size_t)(bar + 1 - name.data)};
    json_open(&d->w, key, '{');
    json_put_bytes(&d->w, "file_name", name);
    json_put_bytes(&d->w, "key", path);
    json_close(&d->w, '}');
}

/* What the PIM converts a unit to. A unit that is not here counts as its own base. */
static const struct unit {
    const char *code, *base, *family;
    double factor;
} units[] = {
    {"GRAM", "KILOGRAM", "Weight", 0.001},
    {"KILOGRAM", "KILOGRAM", "Weight", 1},
    {"MILLIMETER", "METER", "Length", 0.001},
    {"CENTIMETER", "METER", "Length", 0.01},
    {"METER", "METER", "Length", 1},
    {"SQUARE_METER", "SQUARE_METER", "Area", 1},
    {"MILLILITER", "CUBIC_METER", "Volume", 0.000001},
    {"LITER", "CUBIC_METER", "Volume", 0.001},
    {"WATT", "WATT", "Power", 1},
    {"KILOWATT", "WATT", "Power", 1000},
};

static const struct unit *unit_of(const struct json_doc *doc, uint32_t data)
{
    for (size_t i = 0; i < COUNT_OF(units); i++)
        if (json_string_is(doc, json_get(doc, data, "unit"), units[i].code))
            return &units[i];
    return NULL;
}

static void put_metric(struct diff *d, const char *key, const struct json_doc *doc, uint32_t data)
{
    uint32_t amount = json_get(doc, data, "amount"), code = json_get(doc, data, "unit");
    const struct unit *unit = unit_of(doc, data);
    json_open(&d->w, key, '{');
    put_value(d, "data", doc, amount);
    put_value(d, "unit", doc, code);
    if (unit) {
        struct span text =
            json_type(doc, amount) == JSON_STRING ? text_of(d, doc, amount) : json_raw(doc, amount);
        char number[64];
        snprintf(number, sizeof number, "%.*s", (int)(text.len < 63 ? text.len : 63), text.data);
        snprintf(number, sizeof number, "%.12f", strtod(number, NULL) * unit->factor);
        json_put(&d->w, "base_data", number);
        json_put(&d->w, "base_unit", unit->base);
    } else {
        put_value(d, "base_data", doc, amount);
        put_value(d, "base_unit", doc, code);
    }
    if (strcmp(key, "previous") == 0) /* the published example repeats it here, and only here */
        json_put(&d->w, "family", unit ? unit->family : NULL);
    json_close(&d->w, '}');
}

static void put_price(struct diff *d, const char *key, const struct json_doc *doc, uint32_t price)
{
    json_open(&d->w, key, '{');
    put_value(d, "amount", doc, json_get(doc, price, "amount"));
    put_value(d, "currency", doc, json_get(doc, price, "currency"));
    json_close(&d->w, '}');
}

/* "2026-03-15T00:00:00+00:00", as PHP's json_encode shows a DateTime. */
static void put_date(struct diff *d, const char *key, const struct json_doc *doc, uint32_t data)
{
    struct span date = text_of(d, doc, data);
    if (date.len < 20) {
        put_value(d, key, doc, data);
        return;
    }
    char day[32];
    snprintf(day, sizeof day, "%.10s %.8s.000000", date.data, date.data + 11);
    json_open(&d->w, key, '{');
    json_put(&d->w, "date", day);
    json_put_bytes(&d->w, "timezone", (struct span){date.data + 19, date.len - 19});
    json_close(&d->w, '}');
}

static void put_identifier(struct diff *d, const char *key, const struct json_doc *doc, uint32_t data)
{
    json_open(&d->w, key, '{');
    put_value(d, "data", doc, data);
    json_put_bool(&d->w, "is_main_identifier", true);
    json_close(&d->w, '}');
}

static const char *key_text(struct diff *d, struct buf *text, const struct json_doc *doc, uint32_t node)
{
    buf_clear(&d->scratch);
    buf_clear(text);
    buf_put_span(text, json_key(doc, node, &d->scratch));
    return buf_text(text);
}

static void put_table(struct diff *d, const char *key, const struct json_doc *doc, uint32_t data)
{
    json_open(&d->w, key, '{');
    json_open(&d->w, "rows", '[');
    for (uint32_t row = json_first(doc, data); row != JSON_NONE; row = json_next(doc, row)) {
        json_open(&d->w, NULL, '{');
        json_open(&d->w, "cells", '[');
        for (uint32_t cell = json_first(doc, row); cell != JSON_NONE; cell = json_next(doc, cell)) {
            json_open(&d->w, NULL, '{');
            json_put(&d->w, "cell", key_text(d, &d->key, doc, cell));
            put_value(d, "data", doc, cell);
            json_close(&d->w, '}');
        }
        json_close(&d->w, ']');
        json_close(&d->w, '}');
    }
    json_close(&d->w, ']');
    json_close(&d->w, '}');
}

static void (*const putters[VALUE_FORM_COUNT])(struct diff *d, const char *key, const struct json_doc *doc,
                                               uint32_t data) = {
    [VALUE_PLAIN] = put_value,   [VALUE_TEXT] = put_value,   [VALUE_NUMBER] = put_value,
    [VALUE_METRIC] = put_metric, [VALUE_PRICES] = put_price, [VALUE_FLAG] = put_value,
    [VALUE_DATE] = put_date,     [VALUE_FILE] = put_file,    [VALUE_IDENTIFIER] = put_identifier,
    [VALUE_TABLE] = put_table,
};

/* ---- differences ----------------------------------------------------------------------------- */

/* A container that is not written at all when nothing is put into it. */
struct section {
    struct json_writer w;
    size_t start, empty;
};

static struct section section_open(struct diff *d, const char *key, char bracket)
{
    struct section s = {.w = d->w, .start = d->w.out->len};
    json_open(&d->w, key, bracket);
    s.empty = d->w.out->len;
    return s;
}

static void section_close(struct diff *d, const struct section *s, char bracket)
{
    if (d->w.out->len > s->empty) {
        json_close(&d->w, bracket);
    } else {
        d->w = s->w;
        d->w.out->len = s->start;
        if (d->w.out->data)
            d->w.out->data[s->start] = '\0';
    }
}

static void diff_scalar(struct diff *d, const char *key, uint32_t before, uint32_t after)
{
    json_open(&d->w, key, '{');
    put_value(d, "previous", d->before, before);
    put_value(d, "new", d->after, after);
    json_close(&d->w, '}');
}

static bool holds(const struct json_doc *doc, uint32_t list, struct span raw)
{
    for (uint32_t n = json_first(doc, list); n != JSON_NONE; n = json_next(doc, n))
        if (span_same(json_raw(doc, n), raw))
            return true;
    return false;
}

/* The elements of one list that the other has not. */
static void put_missing(struct diff *d, const char *key, const struct json_doc *doc, uint32_t list,
                        const struct json_doc *other, uint32_t other_list)
{
    json_open(&d->w, key, '[');
    for (uint32_t n = json_first(doc, list); n != JSON_NONE; n = json_next(doc, n))
        if (!holds(other, other_list, json_raw(doc, n)))
            put_value(d, NULL, doc, n);
    json_close(&d->w, ']');
}

static void diff_set(struct diff *d, const char *key, uint32_t before, uint32_t after)
{
    json_open(&d->w, key, '{');
    put_missing(d, "added", d->after, after, d->before, before);
    put_missing(d, "removed", d->before, before, d->after, after);
    json_close(&d->w, '}');
}

static bool same_member(const struct json_doc *doc, uint32_t element, const struct json_doc *other,
                        uint32_t other_element, const char *key)
{
    return span_same(json_raw(doc, json_get(doc, element, key)),
                     json_raw(other, json_get(other, other_element, key)));
}

/* The element of a list that two members tell to be the same as an element elsewhere. */
static uint32_t counterpart(const struct json_doc *doc, uint32_t list, const char *const keys[2],
                            const struct json_doc *other, uint32_t element)
{
    uint32_t n = json_first(doc, list);
    while (n != JSON_NONE &&
           !(same_member(doc, n, other, element, keys[0]) && same_member(doc, n, other, element, keys[1])))
        n = json_next(doc, n);
    return n;
}

/* Call `visit` for what differs between two lists whose elements are told apart by two members:
 * the element before and the one after, JSON_NONE where there is none. */
static void diff_lists(struct diff *d, uint32_t before, uint32_t after, const char *const keys[2],
                       void (*visit)(struct diff *d, uint32_t before, uint32_t after))
{
    for (uint32_t n = json_first(d->after, after); n != JSON_NONE; n = json_next(d->after, n)) {
        uint32_t old = counterpart(d->before, before, keys, d->after, n);
        if (!span_same(json_raw(d->before, old), json_raw(d->after, n)))
            visit(d, old, n);
    }
    for (uint32_t n = json_first(d->before, before); n != JSON_NONE; n = json_next(d->before, n))
        if (counterpart(d->after, after, keys, d->before, n) == JSON_NONE)
            visit(d, n, JSON_NONE);
}

static void put_side(struct diff *d, const char *key, const struct json_doc *doc, uint32_t data)
{
    if (json_type(doc, data) == JSON_NULL)
        json_put(&d->w, key, NULL);
    else
        putters[d->form](d, key, doc, data);
}

/* One entry of a delta: the value at hand, or one currency of it. */
static void diff_data(struct diff *d, uint32_t before, uint32_t after)
{
    json_open(&d->w, NULL, '{');
    put_side(d, "previous", d->before, before);
    put_side(d, "new", d->after, after);
    json_put(&d->w, "type", d->type_name);
    put_value(d, "locale", d->value_doc, json_get(d->value_doc, d->value, "locale"));
    put_value(d, "scope", d->value_doc, json_get(d->value_doc, d->value, "scope"));
    if (d->form == VALUE_METRIC) {
        const struct unit *unit = unit_of(d->value_doc, json_get(d->value_doc, d->value, "data"));
        json_put(&d->w, "family", unit ? unit->family : NULL);
    }
    json_close(&d->w, '}');
}

static void diff_value(struct diff *d, uint32_t before, uint32_t after)
{
    static const char *const currency[] = {"currency", "currency"};
    d->value = after != JSON_NONE ? after : before;
    d->value_doc = after != JSON_NONE ? d->after : d->before;
    d->form = type_of(d->attributes, buf_text(&d->attribute), d->value_doc, d->value, d->type_name);
    uint32_t data = json_get(d->before, before, "data"), new_data = json_get(d->after, after, "data");
    if (d->form == VALUE_PRICES)
        diff_lists(d, data, new_data, currency, diff_data);
    else if (!span_same(json_raw(d->before, data), json_raw(d->after, new_data)))
        diff_data(d, data, new_data);
}

static void diff_attribute(struct diff *d, uint32_t before, uint32_t after)
{
    static const char *const place[] = {"locale", "scope"};
    struct section entries = section_open(d, buf_text(&d->attribute), '[');
    diff_lists(d, before, after, place, diff_value);
    section_close(d, &entries, ']');
}

static void diff_values(struct diff *d, const char *key, uint32_t before, uint32_t after)
{
    struct section values = section_open(d, key, '{');
    for (uint32_t n = json_first(d->after, after); n != JSON_NONE; n = json_next(d->after, n)) {
        const char *attribute = key_text(d, &d->attribute, d->after, n);
        diff_attribute(d, json_get(d->before, before, attribute), n);
    }
    for (uint32_t n = json_first(d->before, before); n != JSON_NONE; n = json_next(d->before, n)) {
        const char *attribute = key_text(d, &d->attribute, d->before, n);
        if (json_get(d->after, after, attribute) == JSON_NONE)
            diff_attribute(d, n, JSON_NONE);
    }
    section_close(d, &values, '}');
}

static void put_changes(struct diff *d)
{
    static const struct {
        const char *key;
        void (*put)(struct diff *d, const char *key, uint32_t before, uint32_t after);
    } members[] = {
        {"enabled", diff_scalar}, {"categories", diff_set}, {"family", diff_scalar},
        {"groups", diff_set},     {"parent", diff_scalar},  {"values", diff_values},
    };
    json_open(&d->w, NULL, '{');
    for (size_t i = 0; i < COUNT_OF(members); i++) {
        uint32_t before = json_get(d->before, JSON_ROOT, members[i].key);
        uint32_t after = json_get(d->after, JSON_ROOT, members[i].key);
        if (!span_same(json_raw(d->before, before), json_raw(d->after, after)))
            members[i].put(d, members[i].key, before, after);
    }
    json_close(&d->w, '}');
}

void delta_put(const struct json_doc *attributes, const struct json_doc *before, const struct json_doc *after,
               struct buf *out)
{
    struct diff d = {.attributes = attributes, .before = before, .after = after};
    struct buf *const buffers[] = {&d.attribute, &d.key, &d.scratch, &d.raw};
    for (size_t i = 0; i < COUNT_OF(buffers); i++)
        buf_init(buffers[i], FILE_BYTES_MAX);
    json_begin(&d.w, out, false);
    put_changes(&d);
    for (size_t i = 0; i < COUNT_OF(buffers); i++)
        buf_reset(buffers[i]);
}
