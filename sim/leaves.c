/* leaves: see leaves.h. */
#include "leaves.h"

#include <stdlib.h>
#include <string.h>

#include "idents.h"

#define VOLATILE "<volatile>"

uint32_t leaves_general(struct interns *words, struct span text)
{
    struct buf general;
    buf_init(&general, SIZE_MAX / 2);
    idents_generalise(text, &general);
    uint32_t number = intern(words, buf_span(&general));
    buf_reset(&general);
    return number;
}

/* JSON that is kept as text, in a column or a string, is read like any other. */
static bool is_nested(struct json_doc *doc, struct span text)
{
    struct err err;
    return text.len && (*text.data == '{' || *text.data == '[') &&
           json_parse(doc, "nested", text, JSON_STRICT, &err);
}

/* ---- a line's fields ------------------------------------------------------------------------ */

/* Between the first of these separators that the line has. */
struct fields {
    const char *at, *end;
    char separator; /* '\0': the line is one field */
    size_t number;
};

static struct fields fields_of(struct span line)
{
    const char *separator = "\t|;, ";
    while (*separator && line.len && !memchr(line.data, *separator, line.len))
        separator++;
    return (struct fields){line.data, line.data + line.len, *separator, 0};
}

/* The next separator, but none within a name: "<product 3>" is one word. */
static const char *field_end(const char *at, const char *end, char separator)
{
    for (; at < end && *at != separator; at++) {
        const char *close = *at == '<' ? memchr(at, '>', (size_t)(end - at)) : NULL;
        at = close ? close : at;
    }
    return at;
}

/* The next field: "name=value" is known by its name, others by their number from 1. Its step is appended to
 * the path; false behind the last. */
static bool next_field(struct fields *fields, struct buf *path, struct span *value)
{
    const char *at = fields->at;
    if (at > fields->end)
        return false;
    const char *stop = fields->separator ? field_end(at, fields->end, fields->separator) : fields->end;
    const char *equals = at < stop ? memchr(at, '=', (size_t)(stop - at)) : NULL;
    buf_putc(path, '/');
    if (equals)
        buf_put(path, at, (size_t)(equals - at));
    else
        buf_put_u64(path, ++fields->number);
    at = equals ? equals + 1 : at;
    *value = (struct span){at, (size_t)(stop - at)};
    fields->at = stop + 1;
    return true;
}

/* The steps to a node's children: "/name", "/[]", or in a row "/[0]": values of several types are the columns
 * of a row rather than the elements of a list. */
struct steps {
    bool list, row;
    size_t column;
};

static struct steps steps_of(const struct json_doc *doc, uint32_t node)
{
    unsigned types = 0;
    bool list = json_type(doc, node) == JSON_ARRAY;
    for (uint32_t n = json_first(doc, node); list && n != JSON_NONE; n = json_next(doc, n)) {
        enum json_type type = json_type(doc, n) == JSON_FALSE ? JSON_TRUE : json_type(doc, n);
        types |= type == JSON_NULL ? 0 : 1u << type;
    }
    return (struct steps){.list = list, .row = types & (types - 1)};
}

static void put_step(struct steps *steps, const struct json_doc *doc, uint32_t child, struct buf *path)
{
    struct buf scratch;
    buf_init(&scratch, SIZE_MAX / 2);
    buf_putc(path, '/');
    if (steps->row)
        buf_printf(path, "[%zu]", steps->column++);
    else if (steps->list)
        buf_puts(path, "[]");
    else
        buf_put_span(path, json_key(doc, child, &scratch));
    buf_reset(&scratch);
}

/* ---- reading -------------------------------------------------------------------------------- */

struct reading {
    struct interns *words;
    struct leaves *leaves;
    struct buf path;
};

static void add_leaf(struct reading *r, struct span value)
{
    struct leaves *leaves = r->leaves;
    struct span path = buf_span(&r->path);
    leaves->items = mem_grow(leaves->items, &leaves->cap, leaves->count, sizeof *leaves->items);
    leaves->items[leaves->count++] =
        (struct leaf){intern(r->words, path), intern(r->words, value), leaves_general(r->words, path)};
}

static void add_json(struct reading *r, const struct json_doc *doc, uint32_t node);

static bool add_nested(struct reading *r, struct span text)
{
    struct json_doc doc = {0};
    bool nested = is_nested(&doc, text);
    if (nested)
        add_json(r, &doc, JSON_ROOT);
    json_reset(&doc);
    return nested;
}

static void add_json(struct reading *r, const struct json_doc *doc, uint32_t node)
{
    size_t len = r->path.len;
    struct steps steps = steps_of(doc, node);
    struct buf scratch;
    buf_init(&scratch, SIZE_MAX / 2);
    if (json_count(doc, node) == 0 && !add_nested(r, json_string(doc, node, &scratch)))
        add_leaf(r, json_raw(doc, node));
    buf_reset(&scratch);
    for (uint32_t n = json_first(doc, node); n != JSON_NONE; n = json_next(doc, n)) {
        put_step(&steps, doc, n, &r->path);
        add_json(r, doc, n);
        r->path.len = len;
    }
}

void leaves_read(struct interns *words, struct json_doc *doc, struct span text, struct leaves *leaves)
{
    struct reading r = {.words = words, .leaves = leaves};
    struct span value;
    struct err err;
    buf_init(&r.path, SIZE_MAX / 2);
    if (json_parse(doc, "record", text, JSON_STRICT, &err)) {
        add_json(&r, doc, JSON_ROOT);
    } else {
        for (struct fields fields = fields_of(text); next_field(&fields, &r.path, &value);) {
            if (!add_nested(&r, value))
                add_leaf(&r, value);
            buf_clear(&r.path);
        }
    }
    buf_reset(&r.path);
}

/* ---- masking -------------------------------------------------------------------------------- */

struct masking {
    const struct interns *paths;
    struct buf path; /* begins with the prefix */
    struct buf *out;
};

static bool is_masked(const struct masking *m)
{
    struct buf general;
    buf_init(&general, SIZE_MAX / 2);
    idents_generalise(buf_span(&m->path), &general);
    bool masked = intern_find(m->paths, buf_span(&general)) != INTERN_NONE;
    buf_reset(&general);
    return masked;
}

static void put_masked_json(struct masking *m, const struct json_doc *doc, uint32_t node);

/* JSON in a string or a field, as text; false when it is none. */
static bool put_masked_nested(struct masking *m, struct span text)
{
    struct json_doc doc = {0};
    bool nested = is_nested(&doc, text);
    if (nested)
        put_masked_json(m, &doc, JSON_ROOT);
    json_reset(&doc);
    return nested;
}

static void put_masked_leaf(struct masking *m, const struct json_doc *doc, uint32_t node)
{
    struct buf scratch, inner, *out = m->out;
    buf_init(&scratch, SIZE_MAX / 2);
    buf_init(&inner, SIZE_MAX / 2);
    m->out = &inner;
    bool nested = put_masked_nested(m, json_string(doc, node, &scratch));
    m->out = out;
    if (nested)
        json_put_string(out, &JSON_STYLE_PLAIN, buf_span(&inner));
    else if (is_masked(m))
        json_put_string(out, &JSON_STYLE_PLAIN, span_of(VOLATILE));
    else
        buf_put_span(out, json_raw(doc, node));
    buf_reset(&scratch);
    buf_reset(&inner);
}

static void put_masked_json(struct masking *m, const struct json_doc *doc, uint32_t node)
{
    size_t len = m->path.len;
    struct steps steps = steps_of(doc, node);
    bool map = json_type(doc, node) == JSON_OBJECT;
    if (json_count(doc, node) == 0) {
        put_masked_leaf(m, doc, node);
        return;
    }
    char before = map ? '{' : '[';
    for (uint32_t n = json_first(doc, node); n != JSON_NONE; n = json_next(doc, n)) {
        const struct json_node *member = &doc->nodes[n];
        buf_putc(m->out, before);
        buf_put(m->out, doc->text.data + member->key_start, member->key_end - member->key_start);
        buf_puts(m->out, map ? ":" : "");
        put_step(&steps, doc, n, &m->path);
        put_masked_json(m, doc, n);
        m->path.len = len;
        before = ',';
    }
    buf_putc(m->out, map ? '}' : ']');
}

void leaves_mask(const struct interns *paths, const char *prefix, struct span text, struct buf *out)
{
    struct masking m = {.paths = paths, .out = out};
    struct json_doc doc = {0};
    struct span value;
    struct err err;
    buf_init(&m.path, SIZE_MAX / 2);
    buf_puts(&m.path, prefix);
    size_t len = m.path.len;
    const char *done = text.data;
    if (json_parse(&doc, "record", text, JSON_STRICT, &err)) {
        put_masked_json(&m, &doc, JSON_ROOT);
        done = text.data + text.len;
    } else {
        for (struct fields fields = fields_of(text); next_field(&fields, &m.path, &value); m.path.len = len) {
            buf_put(out, done, (size_t)(value.data - done));
            if (!put_masked_nested(&m, value))
                buf_put_span(out, is_masked(&m) ? span_of(VOLATILE) : value);
            done = value.data + value.len;
        }
    }
    buf_put(out, done, (size_t)(text.data + text.len - done));
    buf_reset(&m.path);
    json_reset(&doc);
}
