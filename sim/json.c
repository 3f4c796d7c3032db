/* json: see json.h. yajl parses and validates; this file keeps where each value stands in the text. */
#include "json.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yajl/yajl_parse.h>

#define DEPTH_MAX 1024 /* respelling recurses; nothing that people write goes deeper */

/* ---- parsing ---------------------------------------------------------------------------- */

struct level {
    uint32_t node, last; /* the open container and its newest child */
};

struct builder {
    struct json_doc *doc;
    yajl_handle yajl;
    bool comments, completing, too_deep;
    size_t end;                  /* where the token before this one ended */
    uint32_t key_start, key_end; /* the name of the value to come */
    struct level levels[DEPTH_MAX];
    size_t depth;
};

static size_t skip_comment(struct span text, size_t at)
{
    const char *from = text.data + at;
    bool line = at + 1 < text.len && from[1] == '/';
    const char *end = line ? memchr(from, '\n', text.len - at) : memmem(from + 2, text.len - at - 2, "*/", 2);
    return end ? (size_t)(end - text.data) + (line ? 1 : 2) : text.len;
}

/* yajl tells where a token ends; it starts at the first byte after its predecessor that is neither
 * white space, punctuation nor comment. */
static size_t token_start(const struct builder *b)
{
    struct span text = b->doc->text;
    size_t at = b->end;
    while (at < text.len) {
        char c = text.data[at];
        if (c == '/' && b->comments)
            at = skip_comment(text, at);
        else if (c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == ',' || c == ':')
            at++;
        else
            break;
    }
    return at;
}

static size_t token_end(const struct builder *b, size_t start)
{
    if (!b->completing)
        return yajl_get_bytes_consumed(b->yajl);
    /* A number that is the whole document is only complete at its end. */
    size_t end = b->doc->text.len;
    while (end > start && strchr(" \t\r\n", b->doc->text.data[end - 1]))
        end--;
    return end;
}

static uint32_t add_node(struct builder *b, enum json_type type)
{
    struct json_doc *doc = b->doc;
    size_t start = token_start(b), end = token_end(b, start);
    uint32_t node = (uint32_t)doc->count;
    struct level *level = b->depth ? &b->levels[b->depth - 1] : NULL;
    doc->nodes = mem_grow(doc->nodes, &doc->cap, doc->count, sizeof *doc->nodes);
    doc->nodes[doc->count++] = (struct json_node){
        .start = (uint32_t)start,
        .end = (uint32_t)end,
        .key_start = b->key_start,
        .key_end = b->key_end,
        .parent = level ? level->node : JSON_NONE,
        .next = JSON_NONE,
        .first = JSON_NONE,
        .type = (uint8_t)type,
    };
    if (level) {
        if (level->last == JSON_NONE)
            doc->nodes[level->node].first = node;
        else
            doc->nodes[level->last].next = node;
        level->last = node;
        doc->nodes[level->node].count++;
    }
    b->key_start = b->key_end = 0;
    b->end = end;
    return node;
}

static int on_null(void *arg)
{
    add_node(arg, JSON_NULL);
    return 1;
}

static int on_boolean(void *arg, int value)
{
    add_node(arg, value ? JSON_TRUE : JSON_FALSE);
    return 1;
}

static int on_number(void *arg, const char *text, size_t len)
{
    (void)text, (void)len;
    add_node(arg, JSON_NUMBER);
    return 1;
}

static int on_string(void *arg, const unsigned char *text, size_t len)
{
    (void)text, (void)len;
    add_node(arg, JSON_STRING);
    return 1;
}

static int on_key(void *arg, const unsigned char *text, size_t len)
{
    (void)text, (void)len;
    struct builder *b = arg;
    b->key_start = (uint32_t)token_start(b);
    b->key_end = (uint32_t)(b->end = yajl_get_bytes_consumed(b->yajl));
    return 1;
}

static int open_container(struct builder *b, enum json_type type)
{
    if (b->depth == DEPTH_MAX) {
        b->too_deep = true;
        return 0;
    }
    uint32_t node = add_node(b, type);
    b->levels[b->depth++] = (struct level){node, JSON_NONE};
    return 1;
}

static int on_start_map(void *arg)
{
    return open_container(arg, JSON_OBJECT);
}

static int on_start_array(void *arg)
{
    return open_container(arg, JSON_ARRAY);
}

static int on_end(void *arg)
{
    struct builder *b = arg;
    b->end = yajl_get_bytes_consumed(b->yajl);
    b->doc->nodes[b->levels[--b->depth].node].end = (uint32_t)b->end;
    return 1;
}

static const yajl_callbacks callbacks = {
    .yajl_null = on_null,
    .yajl_boolean = on_boolean,
    .yajl_number = on_number,
    .yajl_string = on_string,
    .yajl_map_key = on_key,
    .yajl_start_map = on_start_map,
    .yajl_end_map = on_end,
    .yajl_start_array = on_start_array,
    .yajl_end_array = on_end,
};

static bool parse_error(const struct builder *b, struct err *err)
{
    struct span text = b->doc->text;
    size_t at = yajl_get_bytes_consumed(b->yajl);
    if (b->completing || at > text.len)
        at = text.len;
    size_t line = 1, column = 1;
    for (size_t i = 0; i < at; i++) {
        column = text.data[i] == '\n' ? 1 : column + 1;
        line += text.data[i] == '\n';
    }
    char why[160];
    if (b->too_deep) {
        snprintf(why, sizeof why, "nested deeper than %d levels", DEPTH_MAX);
    } else {
        unsigned char *words = yajl_get_error(b->yajl, 0, NULL, 0);
        snprintf(why, sizeof why, "%s", (const char *)words);
        why[strcspn(why, "\n")] = '\0';
        yajl_free_error(b->yajl, words);
    }
    return err_set(err, "%s: line %zu, column %zu: not JSON: %s", b->doc->name, line, column, why);
}

bool json_parse(struct json_doc *doc, const char *name, struct span text, enum json_flags flags,
                struct err *err)
{
    doc->name = name;
    doc->text = text;
    doc->count = 0;
    if (text.len >= UINT32_MAX)
        return err_set(err, "%s: larger than 4 GiB", name);
    struct builder b;
    b.doc = doc;
    b.comments = flags & JSON_COMMENTS;
    b.completing = b.too_deep = false;
    b.end = b.depth = 0;
    b.key_start = b.key_end = 0;
    b.yajl = yajl_alloc(&callbacks, NULL, &b);
    yajl_config(b.yajl, yajl_allow_comments, b.comments);
    yajl_status status = yajl_parse(b.yajl, (const unsigned char *)text.data, text.len);
    if (status == yajl_status_ok) {
        b.completing = true;
        status = yajl_complete_parse(b.yajl);
    }
    bool ok = status == yajl_status_ok || parse_error(&b, err);
    yajl_free(b.yajl);
    return ok;
}

void json_reset(struct json_doc *doc)
{
    free(doc->nodes);
    *doc = (struct json_doc){0};
}

/* ---- decoding strings -------------------------------------------------------------------- */

static int on_decoded(void *arg, const unsigned char *text, size_t len)
{
    buf_put(arg, text, len);
    return 1;
}

/* A string's value from its bytes, quotes included. */
static struct span decode(struct span quoted, struct buf *scratch)
{
    struct span inside = {quoted.data + 1, quoted.len - 2};
    if (inside.len == 0 || !memchr(inside.data, '\\', inside.len))
        return inside;
    static const yajl_callbacks decoding = {.yajl_string = on_decoded};
    size_t before = scratch->len;
    yajl_handle yajl = yajl_alloc(&decoding, NULL, scratch);
    yajl_parse(yajl, (const unsigned char *)quoted.data, quoted.len);
    yajl_free(yajl);
    return (struct span){scratch->data ? scratch->data + before : "", scratch->len - before};
}

static bool decodes_to(struct span quoted, const char *text)
{
    size_t len = strlen(text);
    if (!memchr(quoted.data, '\\', quoted.len))
        return quoted.len == len + 2 && memcmp(quoted.data + 1, text, len) == 0;
    struct buf scratch;
    buf_init(&scratch, quoted.len);
    bool same = span_equals(decode(quoted, &scratch), text);
    buf_reset(&scratch);
    return same;
}

static struct span key_raw(const struct json_doc *doc, uint32_t node)
{
    const struct json_node *n = &doc->nodes[node];
    return (struct span){doc->text.data + n->key_start, n->key_end - n->key_start};
}

static bool has_key(const struct json_doc *doc, uint32_t node)
{
    return node != JSON_NONE && doc->nodes[node].key_end > doc->nodes[node].key_start;
}

struct span json_key(const struct json_doc *doc, uint32_t node, struct buf *scratch)
{
    return has_key(doc, node) ? decode(key_raw(doc, node), scratch) : span_of("");
}

struct span json_string(const struct json_doc *doc, uint32_t node, struct buf *scratch)
{
    if (node == JSON_NONE || doc->nodes[node].type != JSON_STRING)
        return span_of("");
    return decode(json_raw(doc, node), scratch);
}

bool json_string_is(const struct json_doc *doc, uint32_t node, const char *text)
{
    return node != JSON_NONE && doc->nodes[node].type == JSON_STRING && decodes_to(json_raw(doc, node), text);
}

char *json_string_dup(const struct json_doc *doc, uint32_t node)
{
    if (node == JSON_NONE || doc->nodes[node].type != JSON_STRING)
        return NULL;
    struct buf scratch;
    buf_init(&scratch, doc->text.len);
    struct span text = json_string(doc, node, &scratch);
    char *copy = mem_text_n(text.data, text.len);
    buf_reset(&scratch);
    return copy;
}

/* ---- finding ------------------------------------------------------------------------------ */

enum json_type json_type(const struct json_doc *doc, uint32_t node)
{
    return node == JSON_NONE ? JSON_NULL : (enum json_type)doc->nodes[node].type;
}

uint32_t json_first(const struct json_doc *doc, uint32_t node)
{
    return node == JSON_NONE ? JSON_NONE : doc->nodes[node].first;
}

uint32_t json_next(const struct json_doc *doc, uint32_t node)
{
    return node == JSON_NONE ? JSON_NONE : doc->nodes[node].next;
}

size_t json_count(const struct json_doc *doc, uint32_t node)
{
    return node == JSON_NONE ? 0 : doc->nodes[node].count;
}

struct span json_raw(const struct json_doc *doc, uint32_t node)
{
    if (node == JSON_NONE)
        return span_of("");
    const struct json_node *n = &doc->nodes[node];
    return (struct span){doc->text.data + n->start, n->end - n->start};
}

uint32_t json_get(const struct json_doc *doc, uint32_t object, const char *key)
{
    if (json_type(doc, object) != JSON_OBJECT)
        return JSON_NONE;
    uint32_t node = json_first(doc, object);
    while (node != JSON_NONE && !decodes_to(key_raw(doc, node), key))
        node = json_next(doc, node);
    return node;
}

static uint32_t element(const struct json_doc *doc, uint32_t array, const char *index)
{
    char *end;
    unsigned long n = strtoul(index, &end, 10);
    uint32_t node = *index >= '0' && *index <= '9' && !*end ? json_first(doc, array) : JSON_NONE;
    while (node != JSON_NONE && n--)
        node = json_next(doc, node);
    return node;
}

uint32_t json_pointer(const struct json_doc *doc, const char *pointer)
{
    uint32_t node = doc->count ? JSON_ROOT : JSON_NONE;
    char token[256];
    while (node != JSON_NONE && *pointer == '/') {
        size_t len = 0;
        for (pointer++; *pointer && *pointer != '/' && len + 1 < sizeof token; pointer++) {
            char c = *pointer;
            if (c == '~' && (pointer[1] == '0' || pointer[1] == '1'))
                c = *++pointer == '0' ? '~' : '/';
            token[len++] = c;
        }
        token[len] = '\0';
        node = json_type(doc, node) == JSON_ARRAY ? element(doc, node, token) : json_get(doc, node, token);
    }
    return *pointer ? JSON_NONE : node;
}

bool json_is_true(const struct json_doc *doc, uint32_t node)
{
    return json_type(doc, node) == JSON_TRUE;
}

int64_t json_i64(const struct json_doc *doc, uint32_t node)
{
    struct span raw = json_raw(doc, node);
    bool negative = raw.len && raw.data[0] == '-';
    uint64_t n = 0;
    for (size_t i = negative; i < raw.len; i++) {
        if (raw.data[i] < '0' || raw.data[i] > '9' || n > INT64_MAX / 10 - 1)
            return 0;
        n = n * 10 + (uint64_t)(raw.data[i] - '0');
    }
    return negative ? -(int64_t)n : (int64_t)n;
}

/* ---- checked readers ---------------------------------------------------------------------- */

static void put_path(const struct json_doc *doc, uint32_t node, struct buf *out)
{
    uint32_t parent = doc->nodes[node].parent;
    if (parent == JSON_NONE)
        return;
    put_path(doc, parent, out);
    if (has_key(doc, node)) {
        struct buf scratch;
        buf_init(&scratch, doc->text.len);
        if (out->len)
            buf_putc(out, '.');
        buf_put_span(out, json_key(doc, node, &scratch));
        buf_reset(&scratch);
        return;
    }
    unsigned index = 0;
    for (uint32_t n = json_first(doc, parent); n != node; n = json_next(doc, n))
        index++;
    buf_printf(out, "[%u]", index);
}

bool json_error(const struct json_doc *doc, uint32_t node, struct err *err, const char *fmt, ...)
{
    char text[600];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    struct buf path;
    buf_init(&path, 300);
    if (node != JSON_NONE)
        put_path(doc, node, &path);
    err_set(err, path.len ? "%s: %s: %s" : "%s%s: %s", doc->name, buf_text(&path), text);
    buf_reset(&path);
    return false;
}

static const char *const type_words[] = {
    [JSON_NULL] = "null",        [JSON_FALSE] = "true or false", [JSON_TRUE] = "true or false",
    [JSON_NUMBER] = "a number",  [JSON_STRING] = "a string",     [JSON_ARRAY] = "an array",
    [JSON_OBJECT] = "an object",
};

bool json_expect(const struct json_doc *doc, uint32_t node, enum json_type type, struct err *err)
{
    if (node != JSON_NONE && json_type(doc, node) == type)
        return true;
    return json_error(doc, node, err, "expected %s, found %s", type_words[type],
                      type_words[json_type(doc, node)]);
}

/* A value as it is spelled, cut to fit a message. */
static const char *quote(const struct json_doc *doc, uint32_t node, char text[48])
{
    struct span raw = json_raw(doc, node);
    snprintf(text, 48, "%.*s%s", raw.len > 40 ? 40 : (int)raw.len, raw.data, raw.len > 40 ? "…" : "");
    return text;
}

bool json_read_real(const struct json_doc *doc, uint32_t node, double min, double max, double *x,
                    struct err *err)
{
    if (!json_expect(doc, node, JSON_NUMBER, err))
        return false;
    char text[48];
    *x = strtod(quote(doc, node, text), NULL);
    if (*x >= min && *x <= max)
        return true;
    return json_error(doc, node, err, "%s is not between %.15g and %.15g", text, min, max);
}

bool json_read_u64(const struct json_doc *doc, uint32_t node, uint64_t min, uint64_t max, uint64_t *n,
                   struct err *err)
{
    if (!json_expect(doc, node, JSON_NUMBER, err))
        return false;
    char text[48], *end;
    errno = 0;
    *n = strtoull(quote(doc, node, text), &end, 10);
    if (*end || *text == '-')
        return json_error(doc, node, err, "%s is not a whole number", text);
    if (errno || *n < min || *n > max)
        return json_error(doc, node, err, "%s is not between %llu and %llu", text, (unsigned long long)min,
                          (unsigned long long)max);
    return true;
}

bool json_read_bool(const struct json_doc *doc, uint32_t node, bool *flag, struct err *err)
{
    *flag = json_is_true(doc, node);
    return *flag || json_expect(doc, node, JSON_FALSE, err);
}

bool json_read_text(const struct json_doc *doc, uint32_t node, char **text, struct err *err)
{
    *text = NULL;
    if (!json_expect(doc, node, JSON_STRING, err))
        return false;
    *text = json_string_dup(doc, node);
    return true;
}

bool json_read_word(const struct json_doc *doc, uint32_t node, const char *const *words, size_t count,
                    size_t *index, struct err *err)
{
    char *word;
    if (!json_read_text(doc, node, &word, err))
        return false;
    for (*index = 0; *index < count; ++*index)
        if (strcmp(word, words[*index]) == 0)
            break;
    bool known = *index < count;
    if (!known) {
        const char *nearest = word_nearest(word, words, count);
        json_error(doc, node, err, "\"%.60s\" is not known%s%s%s", word, nearest ? "; did you mean \"" : "",
                   nearest ? nearest : "", nearest ? "\"?" : "");
    }
    free(word);
    return known;
}

static bool check_key(const struct json_doc *doc, uint32_t object, uint32_t node, const char *const *keys,
                      size_t count, struct err *err)
{
    size_t i = 0;
    while (i < count && !decodes_to(key_raw(doc, node), keys[i]))
        i++;
    if (i < count)
        return json_get(doc, object, keys[i]) == node || json_error(doc, node, err, "this key comes twice");
    char key[64];
    struct span raw = key_raw(doc, node);
    snprintf(key, sizeof key, "%.*s", raw.len > 62 ? 60 : (int)raw.len - 2, raw.data + 1);
    const char *nearest = word_nearest(key, keys, count);
    return json_error(doc, object, err, "\"%s\" is not a known key%s%s%s", key,
                      nearest ? "; did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
}

bool json_check_keys(const struct json_doc *doc, uint32_t object, const char *const *keys, size_t count,
                     struct err *err)
{
    if (!json_expect(doc, object, JSON_OBJECT, err))
        return false;
    for (uint32_t n = json_first(doc, object); n != JSON_NONE; n = json_next(doc, n))
        if (!check_key(doc, object, n, keys, count, err))
            return false;
    return true;
}

/* ---- spelling ------------------------------------------------------------------------------ */

const struct json_style JSON_STYLE_PHP = {.escape_slash = true, .escape_unicode = true, .php_arrays = true};
const struct json_style JSON_STYLE_PLAIN = {0};

/* One UTF-8 character from at least one byte: its length; an invalid one has length 1 and U+FFFD. */
static size_t utf8_get(const unsigned char *p, size_t len, uint32_t *code)
{
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t need = p[0] < 0xc0 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf8 ? 4 : 0;
    *code = 0xfffd;
    if (!need || need > len)
        return 1;
    uint32_t c = p[0] & (0x7fu >> need);
    for (size_t i = 1; i < need; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 1;
        c = c << 6 | (p[i] & 0x3fu);
    }
    if (c < smallest[need] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
        return 1;
    *code = c;
    return need;
}

/* Eight ASCII bytes at once, for what is nearly all ASCII. */
static bool eight_ascii(const unsigned char *p)
{
    uint64_t eight;
    memcpy(&eight, p, sizeof eight);
    return (eight & UINT64_C(0x8080808080808080)) == 0;
}

bool json_is_utf8(struct span text)
{
    const unsigned char *p = (const unsigned char *)text.data;
    uint32_t code;
    for (size_t i = 0, n; i < text.len; i += n) {
        n = 8;
        if (text.len - i >= n && eight_ascii(p + i))
            continue;
        n = utf8_get(p + i, text.len - i, &code);
        if (n == 1 && p[i] >= 0x80)
            return false;
    }
    return true;
}

#define SPELLED_BYTES_MAX 12 /* of one character: a surrogate pair */

static char *spell_u(char *at, const struct json_style *style, uint32_t unit)
{
    const char *digits = style->upper_hex ? "0123456789ABCDEF" : "0123456789abcdef";
    *at++ = '\\';
    *at++ = 'u';
    for (int shift = 12; shift >= 0; shift -= 4)
        *at++ = digits[unit >> shift & 15];
    return at;
}

static char *spell_control(char *at, const struct json_style *style, unsigned char c)
{
    static const char shorts[] = {['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};
    if (c >= sizeof shorts || !shorts[c])
        return spell_u(at, style, c);
    *at++ = '\\';
    *at++ = shorts[c];
    return at;
}

/* One character of more than one byte, which `read` is set to; U+FFFD for a byte that is none. */
static char *spell_wide(char *at, const struct json_style *style, const unsigned char *p, size_t len,
                        size_t *read)
{
    uint32_t code;
    *read = utf8_get(p, len, &code);
    if (style->escape_unicode && code >= 0x10000) {
        at = spell_u(at, style, 0xd800 + ((code - 0x10000) >> 10));
        return spell_u(at, style, 0xdc00 + ((code - 0x10000) & 0x3ff));
    }
    if (style->escape_unicode)
        return spell_u(at, style, code);
    if (code == 0xfffd)
        return (char *)memcpy(at, "\xef\xbf\xbd", 3) + 3;
    return (char *)memcpy(at, p, *read) + *read;
}

/* How many bytes an ASCII character is spelled with; 0 where it takes more than a backslash. */
static const unsigned char widths[256] = {
    [' ' ... '!'] = 1, ['"'] = 2, ['#' ... '['] = 1, ['\\'] = 2, [']' ... 0x7f] = 1,
};

/* Spell up to `len` characters that take at most a backslash; *read is how many they were. The journal
 * holds every body as a string, so much of a fast run's time goes here: no branch depends on a character,
 * for in a JSON text every other word ends in a quote, and none can be foretold. */
static char *spell_plain(char *at, const struct json_style *style, const unsigned char *p, size_t len,
                         size_t *read)
{
    const unsigned slash = style->escape_slash ? '/' : 256;
    size_t i = 0;
    for (size_t width; i < len && (width = widths[p[i]]) > 0; i++) {
        width += p[i] == slash;
        *at = '\\';
        at[width - 1] = (char)p[i];
        at += width;
    }
    *read = i;
    return at;
}

void json_put_string(struct buf *out, const struct json_style *style, struct span text)
{
    enum { STRIDE = 128 };
    const unsigned char *p = (const unsigned char *)text.data, *end = p + text.len;
    char piece[4 * STRIDE], *at = piece;
    *at++ = '"';
    while (p < end) {
        if (at > piece + sizeof piece - 2 * STRIDE - SPELLED_BYTES_MAX) {
            buf_put(out, piece, (size_t)(at - piece));
            at = piece;
        }
        size_t len = (size_t)(end - p), n;
        at = spell_plain(at, style, p, len < STRIDE ? len : STRIDE, &n);
        p += n;
        if (p == end || n == STRIDE)
            continue;
        n = 1;
        if (*p >= 0x80)
            at = spell_wide(at, style, p, (size_t)(end - p), &n);
        else
            at = spell_control(at, style, *p);
        p += n;
    }
    *at++ = '"';
    buf_put(out, piece, (size_t)(at - piece));
}

void json_put_double(struct buf *out, double x)
{
    if (!isfinite(x)) {
        buf_putc(out, '0'); /* JSON has no word for it, and PHP refuses it */
        return;
    }
    char digits[40];
    int precision = 0;
    do
        snprintf(digits, sizeof digits, "%.*e", precision, x);
    while (strtod(digits, NULL) != x && ++precision < 17);
    int exponent = atoi(strchr(digits, 'e') + 1);
    if (exponent < -4 || exponent > 16) { /* php_gcvt(x, 17): decpt = exponent + 1, -3 <= decpt <= 17 */
        *strchr(digits, 'e') = '\0';
        buf_printf(out, "%s%se%+d", digits, strchr(digits, '.') ? "" : ".0", exponent);
    } else {
        buf_printf(out, "%.*f", precision > exponent ? precision - exponent : 0, x);
    }
}

static void respell(const struct json_doc *doc, uint32_t node, const struct json_style *style,
                    struct buf *out, struct buf *scratch);

static void put_text(const struct json_style *style, struct span quoted, struct buf *out, struct buf *scratch)
{
    buf_clear(scratch);
    json_put_string(out, style, decode(quoted, scratch));
}

/* The index-th child, or the index-th from the end. */
static uint32_t child_at(const struct json_doc *doc, uint32_t node, uint32_t index, bool from_end)
{
    uint32_t child = json_first(doc, node);
    for (uint32_t i = from_end ? doc->nodes[node].count - 1 - index : index; i; i--)
        child = json_next(doc, child);
    return child;
}

static void respell_children(const struct json_doc *doc, uint32_t node, const struct json_style *style,
                             struct buf *out, struct buf *scratch)
{
    bool object = json_type(doc, node) == JSON_OBJECT;
    bool reverse = object && style->reverse_keys;
    uint32_t count = doc->nodes[node].count;
    uint32_t child = json_first(doc, node);
    buf_putc(out, object ? '{' : '[');
    for (uint32_t i = 0; i < count; i++) {
        if (reverse)
            child = child_at(doc, node, i, true);
        if (i)
            buf_puts(out, style->spaces ? ", " : ",");
        if (object) {
            put_text(style, key_raw(doc, child), out, scratch);
            buf_puts(out, style->spaces ? ": " : ":");
        }
        respell(doc, child, style, out, scratch);
        if (!reverse)
            child = json_next(doc, child);
    }
    buf_putc(out, object ? '}' : ']');
}

static void respell(const struct json_doc *doc, uint32_t node, const struct json_style *style,
                    struct buf *out, struct buf *scratch)
{
    switch (json_type(doc, node)) {
    case JSON_STRING:
        put_text(style, json_raw(doc, node), out, scratch);
        break;
    case JSON_OBJECT:
        if (style->php_arrays && json_count(doc, node) == 0) {
            buf_puts(out, "[]");
            break;
        }
        respell_children(doc, node, style, out, scratch);
        break;
    case JSON_ARRAY:
        respell_children(doc, node, style, out, scratch);
        break;
    default:
        buf_put_span(out, json_raw(doc, node));
    }
}

bool json_respell(const struct json_doc *doc, uint32_t node, const struct json_style *style, struct buf *out,
                  struct err *err)
{
    struct buf scratch;
    buf_init(&scratch, doc->text.len);
    respell(doc, node, style, out, &scratch);
    buf_reset(&scratch);
    return buf_ok(out) || err_set(err, "%s: too large", doc->name);
}

/* ---- the writer ---------------------------------------------------------------------------- */

void json_begin(struct json_writer *w, struct buf *out, bool pretty)
{
    *w = (struct json_writer){.out = out, .pretty = pretty};
}

static void new_line(struct json_writer *w)
{
    if (w->pretty)
        buf_printf(w->out, "\n%*s", (int)(2 * w->depth), "");
}

static void member(struct json_writer *w, const char *key)
{
    if (w->need_comma)
        buf_putc(w->out, ',');
    if (w->depth)
        new_line(w);
    w->need_comma = true;
    if (key) {
        buf_putc(w->out, '"');
        buf_puts(w->out, key);
        buf_puts(w->out, w->pretty ? "\": " : "\":");
    }
}

void json_open(struct json_writer *w, const char *key, char bracket)
{
    member(w, key);
    buf_putc(w->out, bracket);
    w->need_comma = false;
    w->depth++;
}

void json_close(struct json_writer *w, char bracket)
{
    w->depth--;
    if (w->need_comma)
        new_line(w);
    buf_putc(w->out, bracket);
    w->need_comma = true;
}

void json_put(struct json_writer *w, const char *key, const char *text)
{
    if (text)
        json_put_bytes(w, key, span_of(text));
    else
        json_put_raw(w, key, span_of("null"));
}

void json_put_bytes(struct json_writer *w, const char *key, struct span text)
{
    member(w, key);
    json_put_string(w->out, &JSON_STYLE_PLAIN, text);
}

void json_put_u64(struct json_writer *w, const char *key, uint64_t n)
{
    member(w, key);
    buf_put_u64(w->out, n);
}

void json_put_i64(struct json_writer *w, const char *key, int64_t n)
{
    member(w, key);
    if (n < 0)
        buf_putc(w->out, '-');
    buf_put_u64(w->out, n < 0 ? -(uint64_t)n : (uint64_t)n);
}

void json_put_bool(struct json_writer *w, const char *key, bool flag)
{
    json_put_raw(w, key, span_of(flag ? "true" : "false"));
}

void json_put_raw(struct json_writer *w, const char *key, struct span json)
{
    member(w, key);
    buf_put_span(w->out, json);
}
