/* cut: effects_cut of effects.h. A snapshot becomes records, each of one universe.
 *
 * A snapshot that is not JSON is made so: an array of its lines. Every node then learns whom it mentions,
 * and a walk from the root takes the largest items of lists and maps that mention one universe alone. */
#include <stdlib.h>
#include <string.h>

#include "effects.h"
#include "intern.h"
#include "json.h"

#define TABLE_ROWS 6 /* so many members of one universe each make a map a table, whatever its keys */
#define SHARDS_MIN 6 /* so few members that are alike were put apart on purpose */

struct mark {           /* whom a value and its key mention */
    unsigned universes; /* a bit for each */
    uint32_t key_event; /* the first event that the key mentions: its ident, plus 1 */
    uint32_t event;     /* the first event that key and value mention */
};

struct cut {
    const struct idents *idents;
    struct json_doc doc;
    struct mentions mentions;
    struct mark *marks;  /* one for each node */
    struct buf place;    /* of the node that is being visited, renamed */
    struct interns open; /* places, generalised, that have records of several universes inside */
    bool taking;         /* the second walk, which knows `open` */
    struct effect_records *records;
    uint32_t *events; /* of each record of this cut, its first */
    size_t event_count, event_cap;
};

/* ---- marks ---------------------------------------------------------------------------------- */

static bool is_one(unsigned universes)
{
    return universes && !(universes & (universes - 1));
}

/* Adds the mentions that start before `end`; the first event's id goes to *event. */
static size_t mark_until(const struct cut *cut, size_t next, uint32_t end, struct mark *mark, uint32_t *event)
{
    for (; next < cut->mentions.count && cut->mentions.items[next].start < end; next++) {
        const struct mention *mention = &cut->mentions.items[next];
        mark->universes |= 1u << mention->universe;
        if (!mention->name && !*event)
            *event = mention->ident + 1;
    }
    return next;
}

static void mark_nodes(struct cut *cut)
{
    const struct json_doc *doc = &cut->doc;
    cut->marks = mem_alloc(doc->count * sizeof *cut->marks);
    size_t next = 0;
    for (size_t i = 0; i < doc->count; i++) {
        const struct json_node *node = &doc->nodes[i];
        struct mark *mark = &cut->marks[i];
        next = mark_until(cut, next, node->key_end, mark, &mark->key_event);
        mark->event = mark->key_event;
        if (node->type != JSON_ARRAY && node->type != JSON_OBJECT)
            next = mark_until(cut, next, node->end, mark, &mark->event);
    }
    for (size_t i = doc->count; i-- > 1;) { /* children come after their parent, and give it their marks */
        struct mark *parent = &cut->marks[doc->nodes[i].parent];
        parent->universes |= cut->marks[i].universes;
        if (cut->marks[i].event && !parent->key_event)
            parent->event = cut->marks[i].event;
    }
}

/* The first mention that starts at this byte of the text or behind it. */
static size_t first_mention(const struct cut *cut, size_t start)
{
    size_t low = 0, high = cut->mentions.count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (cut->mentions.items[middle].start < start)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* ---- spelling ------------------------------------------------------------------------------- */

static void put_renamed_key(struct cut *cut, uint32_t node, struct buf *out)
{
    struct buf scratch;
    buf_init(&scratch, SIZE_MAX / 2);
    idents_rename(cut->idents, json_key(&cut->doc, node, &scratch), out);
    buf_reset(&scratch);
}

static void put_renamed_string(struct cut *cut, struct span text, struct buf *out)
{
    struct buf renamed;
    buf_init(&renamed, SIZE_MAX / 2);
    idents_rename(cut->idents, text, &renamed);
    json_put_string(out, &JSON_STYLE_PLAIN, buf_span(&renamed));
    buf_reset(&renamed);
}

/* 1.0, 1.00 and 1 are the same number, but a whole one keeps all its digits. */
static void put_number(struct cut *cut, struct span raw, struct buf *out)
{
    struct buf renamed;
    buf_init(&renamed, SIZE_MAX / 2);
    idents_rename(cut->idents, raw, &renamed);
    if (!span_same(raw, buf_span(&renamed)))
        json_put_string(out, &JSON_STYLE_PLAIN, buf_span(&renamed));
    else if (memchr(raw.data, '.', raw.len) || memchr(raw.data, 'e', raw.len) ||
             memchr(raw.data, 'E', raw.len))
        json_put_double(out, strtod(buf_text(&renamed), NULL));
    else
        buf_put_span(out, raw);
    buf_reset(&renamed);
}

static int by_number(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* Does a list, or a map by event id, hold one entry for each of several events? */
static bool is_history(const struct cut *cut, uint32_t node)
{
    const struct json_doc *doc = &cut->doc;
    size_t count = json_count(doc, node), n = 0;
    if (count < 2 || !cut->marks[node].event)
        return false;
    bool by_key = json_type(doc, node) == JSON_OBJECT, distinct = true;
    uint32_t *events = mem_alloc(count * sizeof *events);
    for (uint32_t child = json_first(doc, node); child != JSON_NONE; child = json_next(doc, child))
        events[n++] = by_key ? cut->marks[child].key_event : cut->marks[child].event;
    qsort(events, n, sizeof *events, by_number);
    for (size_t i = 0; i < n; i++)
        distinct = distinct && events[i] != (i ? events[i - 1] : 0); /* 0: mentions none */
    free(events);
    return distinct;
}

static void put_value(struct cut *cut, uint32_t node, struct buf *out);

struct member {
    char *key;
    uint32_t node;
};

static int by_member(const void *a, const void *b)
{
    const struct member *x = a, *y = b;
    int order = strcmp(x->key, y->key);
    return order ? order : (x->node > y->node) - (x->node < y->node);
}

static void put_object(struct cut *cut, uint32_t node, struct buf *out)
{
    size_t count = 0;
    struct member *members = mem_alloc(json_count(&cut->doc, node) * sizeof *members);
    for (uint32_t n = json_first(&cut->doc, node); n != JSON_NONE; n = json_next(&cut->doc, n)) {
        struct buf key;
        buf_init(&key, SIZE_MAX / 2);
        put_renamed_key(cut, n, &key);
        members[count++] = (struct member){buf_take(&key), n};
    }
    qsort(members, count, sizeof *members, by_member);
    buf_putc(out, '{');
    for (size_t i = 0; i < count; i++) {
        if (i)
            buf_putc(out, ',');
        json_put_string(out, &JSON_STYLE_PLAIN, span_of(members[i].key));
        buf_putc(out, ':');
        put_value(cut, members[i].node, out);
        free(members[i].key);
    }
    buf_putc(out, '}');
    free(members);
}

static void put_array(struct cut *cut, uint32_t node, struct buf *out)
{
    char before = '[';
    for (uint32_t n = json_first(&cut->doc, node); n != JSON_NONE; n = json_next(&cut->doc, n)) {
        buf_putc(out, before);
        put_value(cut, n, out);
        before = ',';
    }
    buf_puts(out, before == '[' ? "[]" : "]");
}

/* Renamed, members sorted by name. */
static void put_value(struct cut *cut, uint32_t node, struct buf *out)
{
    struct buf scratch;
    buf_init(&scratch, SIZE_MAX / 2);
    enum json_type type = json_type(&cut->doc, node);
    if (is_history(cut, node))
        buf_puts(out, "\"" EFFECT_HISTORY "\"");
    else if (type == JSON_OBJECT)
        put_object(cut, node, out);
    else if (type == JSON_ARRAY)
        put_array(cut, node, out);
    else if (type == JSON_STRING)
        put_renamed_string(cut, json_string(&cut->doc, node, &scratch), out);
    else if (type == JSON_NUMBER)
        put_number(cut, json_raw(&cut->doc, node), out);
    else
        buf_put_span(out, json_raw(&cut->doc, node));
    buf_reset(&scratch);
}

/* ---- taking a record ------------------------------------------------------------------------ */

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The names of the entities between two places of the text, sorted, each once. */
static void put_about(const struct cut *cut, size_t start, size_t end, struct buf *out)
{
    const struct mentions *all = &cut->mentions;
    size_t count = 0, cap = 0;
    const char **names = NULL;
    for (size_t i = first_mention(cut, start); i < all->count && all->items[i].start < end; i++) {
        if (!all->items[i].name)
            continue;
        names = mem_grow(names, &cap, count, sizeof *names);
        names[count++] = all->items[i].name;
    }
    if (count)
        qsort(names, count, sizeof *names, by_name);
    for (size_t i = 0; i < count; i++)
        if (i == 0 || strcmp(names[i], names[i - 1]) != 0)
            buf_printf(out, "%s%s", out->len ? ", " : "", names[i]);
    free(names);
}

static void take(struct cut *cut, uint32_t node)
{
    const struct json_node *n = &cut->doc.nodes[node];
    const struct mark *mark = &cut->marks[node];
    struct buf about, text, scratch;
    buf_init(&about, SIZE_MAX / 2);
    buf_init(&text, SIZE_MAX / 2);
    buf_init(&scratch, SIZE_MAX / 2);
    put_about(cut, n->key_end > n->key_start ? n->key_start : n->start, n->end, &about);
    if (n->type == JSON_STRING) /* a line of text */
        idents_rename(cut->idents, json_string(&cut->doc, node, &scratch), &text);
    else
        put_value(cut, node, &text);
    enum universe universe = mark->universes == 1u << UNIVERSE_A    ? UNIVERSE_A
                             : mark->universes == 1u << UNIVERSE_A2 ? UNIVERSE_A2
                                                                    : UNIVERSE_B;
    effect_records_add(cut->records, universe, buf_span(&cut->place), buf_span(&about), buf_span(&text),
                       false);
    cut->events = mem_grow(cut->events, &cut->event_cap, cut->event_count, sizeof *cut->events);
    cut->events[cut->event_count++] = mark->event;
    buf_reset(&about);
    buf_reset(&text);
    buf_reset(&scratch);
}

/* ---- walking -------------------------------------------------------------------------------- */

/* The connector's own row number, uuid or hash as a key: "17", "9f86d081-…". */
static bool is_row_key(struct span key)
{
    bool digit = false;
    for (size_t i = 0; i < key.len; i++) {
        if (!strchr("0123456789abcdefABCDEF-", key.data[i]) || !key.data[i])
            return false;
        digit = digit || (key.data[i] >= '0' && key.data[i] <= '9');
    }
    return digit;
}

/* A map whose members speak of one universe each, some of every universe, is keyed by something of the
 * connector's own. */
static bool is_table(const struct cut *cut, uint32_t node)
{
    unsigned seen = 0;
    size_t rows = 0;
    if (json_type(&cut->doc, node) != JSON_OBJECT)
        return false;
    for (uint32_t n = json_first(&cut->doc, node); n != JSON_NONE; n = json_next(&cut->doc, n)) {
        unsigned universes = cut->marks[n].universes;
        if (universes && !is_one(universes))
            return false;
        seen |= universes;
        rows += universes != 0;
    }
    return seen == (1u << UNIVERSE_COUNT) - 1 && rows >= TABLE_ROWS;
}

/* ---- shards --------------------------------------------------------------------------------- */

/* The member's name without its quotes, as it is spelled. */
static struct span bare_key(const struct cut *cut, uint32_t member)
{
    const struct json_node *node = &cut->doc.nodes[member];
    return (struct span){cut->doc.text.data + node->key_start + 1, node->key_end - node->key_start - 2};
}

/* May the names of these members mean nothing: "a" … "z", "00" … "ff", "0" … "127", "2026-01-31"? */
static bool are_bucket_names(const struct cut *cut, uint32_t node)
{
    bool short_ones = true, numbers = true, one_length = true;
    size_t len = bare_key(cut, json_first(&cut->doc, node)).len;
    for (uint32_t n = json_first(&cut->doc, node); n != JSON_NONE; n = json_next(&cut->doc, n)) {
        struct span key = bare_key(cut, n);
        short_ones = short_ones && key.len <= 2;
        one_length = one_length && key.len == len;
        for (size_t i = 0; i < key.len; i++)
            numbers = numbers && key.data[i] >= '0' && key.data[i] <= '9';
    }
    return short_ones || numbers || one_length;
}

/* Are the members of a map all lists, or all maps, of things of one type? */
static bool are_alike(const struct json_doc *doc, uint32_t node)
{
    enum json_type type = json_type(doc, json_first(doc, node));
    uint32_t inner = JSON_NONE;
    for (uint32_t n = json_first(doc, node); n != JSON_NONE; n = json_next(doc, n)) {
        if (json_type(doc, n) != type)
            return false;
        for (uint32_t i = json_first(doc, n); i != JSON_NONE; i = json_next(doc, i)) {
            inner = inner == JSON_NONE ? i : inner;
            if (json_type(doc, i) != json_type(doc, inner))
                return false;
        }
    }
    enum json_type things = json_type(doc, inner);
    return things == JSON_OBJECT || things == JSON_ARRAY || (type == JSON_ARRAY && things == JSON_STRING);
}

/* In which members of a map an entity stands, in A and in A'. */
struct stay {
    uint64_t members[2]; /* a digest of their numbers, from 1 */
    uint64_t last[2];    /* 0: none yet */
};

static void note_stays(const struct cut *cut, uint32_t member, uint64_t number, struct interns *names,
                       struct stay **stays, size_t *cap)
{
    const struct mentions *all = &cut->mentions;
    for (size_t i = first_mention(cut, cut->doc.nodes[member].start);
         i < all->count && all->items[i].start < cut->doc.nodes[member].end; i++) {
        const struct mention *mention = &all->items[i];
        enum universe universe = mention->universe;
        if (!mention->name || universe == UNIVERSE_B)
            continue;
        size_t known = names->count;
        uint32_t name = intern(names, span_of(mention->name));
        if (name == known) {
            *stays = mem_grow(*stays, cap, known, sizeof **stays);
            (*stays)[name] = (struct stay){0};
        }
        struct stay *stay = &(*stays)[name];
        if (stay->last[universe] != number)
            stay->members[universe] = (stay->members[universe] + number) * 0x9e3779b97f4a7c15u;
        stay->last[universe] = number;
    }
}

/* Does some entity of A stand in other members than its sibling in A'? Then it is chance who stands where. */
static bool is_mixed(const struct cut *cut, uint32_t node)
{
    struct interns names = {0};
    struct stay *stays = NULL;
    size_t cap = 0;
    uint64_t number = 0;
    bool mixed = false;
    for (uint32_t n = json_first(&cut->doc, node); n != JSON_NONE; n = json_next(&cut->doc, n))
        note_stays(cut, n, ++number, &names, &stays, &cap);
    for (size_t i = 0; i < names.count; i++)
        mixed = mixed || (stays[i].last[0] && stays[i].last[1] && stays[i].members[0] != stays[i].members[1]);
    interns_reset(&names);
    free(stays);
    return mixed;
}

/* One list or map of records that was divided into many, by a digit of a hash, say: they are one place.
 * "active" and "deleted" are not, even if there were more of them: A and A' agree about who is where. */
static bool is_sharded(const struct cut *cut, uint32_t node)
{
    if (json_type(&cut->doc, node) != JSON_OBJECT || json_count(&cut->doc, node) < SHARDS_MIN)
        return false;
    bool shared = false; /* some member speaks of several universes, and so is no record */
    for (uint32_t n = json_first(&cut->doc, node); n != JSON_NONE; n = json_next(&cut->doc, n)) {
        const struct json_node *member = &cut->doc.nodes[n];
        size_t mention = first_mention(cut, member->key_start);
        if (mention < cut->mentions.count && cut->mentions.items[mention].start < member->key_end)
            return false;
        shared = shared || (cut->marks[n].universes && !is_one(cut->marks[n].universes));
    }
    return shared && are_bucket_names(cut, node) && are_alike(&cut->doc, node) && is_mixed(cut, node);
}

enum naming { /* what the members of a map are known by */
              BY_NAME,
              BY_ROW,  /* something of the connector's own */
              BY_SHARD /* nothing */
};

static enum naming naming_of(const struct cut *cut, uint32_t node)
{
    return is_table(cut, node) ? BY_ROW : is_sharded(cut, node) ? BY_SHARD : BY_NAME;
}

/* Appends a child's step to the place; true when the child is one item of many: an element, or a member
 * that is keyed by an id. A field with a fixed name is none: "last_product" is of no universe for long. */
static bool put_step(struct cut *cut, uint32_t parent, uint32_t child, enum naming naming)
{
    buf_putc(&cut->place, '/');
    if (naming == BY_SHARD) {
        buf_putc(&cut->place, '*');
        return false;
    }
    if (json_type(&cut->doc, parent) == JSON_ARRAY) {
        buf_puts(&cut->place, "[]");
        return true;
    }
    const struct json_node *node = &cut->doc.nodes[child];
    struct span raw = {cut->doc.text.data + node->key_start, node->key_end - node->key_start};
    struct mentions found = {0};
    idents_find(cut->idents, raw, &found);
    free(found.items);
    if (!found.count && is_one(cut->marks[child].universes) &&
        (naming == BY_ROW || is_row_key(bare_key(cut, child)))) {
        buf_putc(&cut->place, '*');
        return true;
    }
    put_renamed_key(cut, child, &cut->place);
    return found.count > 0;
}

static bool is_open(const struct cut *cut)
{
    struct buf general;
    buf_init(&general, SIZE_MAX / 2);
    idents_generalise(buf_span(&cut->place), &general);
    bool open = intern_find(&cut->open, buf_span(&general)) != INTERN_NONE;
    buf_reset(&general);
    return open;
}

static void open_place(struct cut *cut)
{
    struct buf general;
    buf_init(&general, SIZE_MAX / 2);
    idents_generalise(buf_span(&cut->place), &general);
    intern(&cut->open, buf_span(&general));
    buf_reset(&general);
}

/* Visit a node whose place is in cut->place; true when there are records in it. The first walk only learns
 * which places are open: there some node of several universes has records inside, and so no node at such
 * a place is a record, not even one that happens to mention one universe alone (a batch of one). */
static bool walk(struct cut *cut, uint32_t node, bool is_item)
{
    if (!cut->marks[node].universes)
        return false;
    if (is_item && is_one(cut->marks[node].universes) && !(cut->taking && is_open(cut))) {
        if (cut->taking)
            take(cut, node);
        return true;
    }
    enum naming naming = naming_of(cut, node);
    bool found = false;
    size_t len = cut->place.len;
    for (uint32_t n = json_first(&cut->doc, node); n != JSON_NONE; n = json_next(&cut->doc, n)) {
        if (!cut->marks[n].universes)
            continue;
        found = walk(cut, n, put_step(cut, node, n, naming)) || found;
        cut->place.len = len;
    }
    if (found && !cut->taking)
        open_place(cut);
    return found;
}

/* ---- histories ------------------------------------------------------------------------------ */

struct stand { /* where a record stands */
    uint32_t place, about, event;
    enum universe universe;
    struct effect_record *record;
};

static int by_stand(const void *a, const void *b)
{
    const struct stand *x = a, *y = b;
    const uint32_t keys[][2] = {
        {x->place, y->place}, {x->universe, y->universe}, {x->about, y->about}, {x->event, y->event}};
    for (size_t i = 0; i < COUNT_OF(keys); i++)
        if (keys[i][0] != keys[i][1])
            return keys[i][0] < keys[i][1] ? -1 : 1;
    return 0;
}

/* Do the records of a place stand for one event each? In A and A' every record mentions an event, no two
 * about the same entity the same one, and some entity has several. A place that only B has, and where
 * every record mentions an event, lists what was refused or ignored. */
static bool is_history_place(const struct stand *stands, size_t count)
{
    bool several = false;
    for (size_t i = 0; i < count; i++) {
        const struct stand *s = &stands[i], *before = i ? s - 1 : NULL;
        bool only_b = stands[0].universe == UNIVERSE_B;
        if (s->universe == UNIVERSE_B && !only_b)
            break;
        bool again = before && before->about == s->about && before->universe == s->universe;
        if (!s->event || (again && before->event == s->event && !only_b))
            return false;
        several = several || again || only_b;
    }
    return several;
}

static void mark_histories(struct cut *cut)
{
    size_t count = cut->event_count;
    struct interns words = {0};
    struct stand *stands = mem_alloc(count * sizeof *stands);
    struct buf general;
    buf_init(&general, SIZE_MAX / 2);
    for (size_t i = 0; i < count; i++) {
        struct effect_record *record = &cut->records->items[cut->records->count - count + i];
        buf_clear(&general);
        idents_generalise(span_of(record->place), &general);
        stands[i] = (struct stand){intern(&words, buf_span(&general)), intern(&words, span_of(record->about)),
                                   cut->events[i], record->universe, record};
    }
    qsort(stands, count, sizeof *stands, by_stand);
    for (size_t i = 0, next; i < count; i = next) {
        for (next = i; next < count && stands[next].place == stands[i].place;)
            next++;
        bool history = is_history_place(stands + i, next - i);
        for (size_t j = i; j < next; j++)
            stands[j].record->history = history;
    }
    buf_reset(&general);
    interns_reset(&words);
    free(stands);
}

/* ---- the snapshot --------------------------------------------------------------------------- */

static bool starts_json(struct span text)
{
    size_t at = 0;
    while (at < text.len && strchr(" \t\r\n", text.data[at]) && text.data[at])
        at++;
    return at < text.len && (text.data[at] == '{' || text.data[at] == '[');
}

static bool is_json(struct json_doc *doc, struct span text)
{
    struct err err;
    return starts_json(text) && json_parse(doc, "state", text, JSON_STRICT, &err);
}

/* The string's end, behind its quote; what JSON wants escaped becomes a space. */
static char *mend_string(char *at, const char *end)
{
    for (at++; at < end && *at != '"'; at++) {
        if (*at == '\\' && at + 1 < end)
            at++;
        else if ((unsigned char)*at < ' ')
            *at = ' ';
    }
    return at < end ? at + 1 : at;
}

/* The end of a number that JSON does not have, which becomes something else of the same length; or at. */
static char *mend_number(char *at, const char *end)
{
    static const struct {
        const char *wrong, *right;
    } numbers[] = {{"NaN", "\"\" "}, {"-Infinity", "null     "}, {"Infinity", "null    "}};
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        size_t len = strlen(numbers[i].wrong);
        if ((size_t)(end - at) >= len && memcmp(at, numbers[i].wrong, len) == 0)
            return (char *)memcpy(at, numbers[i].right, len) + len;
    }
    return at;
}

/* What programs write for JSON that is none: control characters in strings, NaN and Infinity, commas before a
 * bracket. All bytes stay where they are. */
static void mend(struct buf *text)
{
    char *comma = NULL, *end = text->data + text->len;
    for (char *at = text->data, *next; at < end; at = next) {
        next = *at == '"' ? mend_string(at, end) : mend_number(at, end);
        if (next == at) {
            next = at + 1;
            if (*at && strchr(" \t\r\n", *at))
                continue;
            if (comma && (*at == ']' || *at == '}'))
                *comma = ' ';
        }
        comma = *at == ',' ? at : NULL;
    }
}

static bool is_mended_json(struct json_doc *doc, struct span text, struct buf *mended)
{
    buf_clear(mended);
    if (!starts_json(text))
        return false;
    buf_put_span(mended, text);
    mend(mended);
    return is_json(doc, buf_span(mended));
}

/* An array of the lines that mention someone: JSON as it is, text as a string. */
static void put_lines(const struct cut *cut, struct span text, struct buf *out)
{
    struct json_doc line_doc = {0};
    size_t next = 0;
    char before = '[';
    while (next < cut->mentions.count) {
        size_t start = cut->mentions.items[next].start, end = cut->mentions.items[next].end;
        while (start && text.data[start - 1] != '\n')
            start--;
        while (end < text.len && text.data[end] != '\n')
            end++;
        struct span line = {text.data + start, end - start};
        if (line.data[line.len - 1] == '\r')
            line.len--;
        buf_putc(out, before);
        if (is_json(&line_doc, line))
            buf_put_span(out, line);
        else
            json_put_string(out, &JSON_STYLE_PLAIN, line);
        before = ',';
        while (next < cut->mentions.count && cut->mentions.items[next].start < end)
            next++;
    }
    buf_putc(out, ']');
    json_reset(&line_doc);
}

/* Read a page and mark its nodes; false when it has nothing to say. */
static bool read_page(struct cut *cut, struct span page, struct buf *lines)
{
    struct err err;
    cut->mentions.count = 0;
    idents_find(cut->idents, page, &cut->mentions);
    if (!cut->mentions.count)
        return false;
    if (!is_json(&cut->doc, page) && !is_mended_json(&cut->doc, page, lines)) {
        buf_clear(lines);
        put_lines(cut, page, lines);
        cut->mentions.count = 0;
        idents_find(cut->idents, buf_span(lines), &cut->mentions);
        if (!json_parse(&cut->doc, "lines", buf_span(lines), JSON_STRICT, &err))
            return false;
    }
    free(cut->marks);
    mark_nodes(cut);
    return true;
}

void effects_cut_pages(const struct idents *idents, const char *source, const struct span *pages,
                       size_t count, struct effect_records *records)
{
    struct cut cut = {.idents = idents, .records = records};
    struct buf lines;
    bool readable = false;
    buf_init(&lines, SIZE_MAX / 2);
    buf_init(&cut.place, SIZE_MAX / 2);
    buf_printf(&cut.place, "%s: ", source);
    for (int pass = 0; pass < 2; pass++) {
        cut.taking = pass == 1;
        for (size_t i = 0; i < count; i++) {
            if (pass == 0 || count > 1) /* a single page is still there */
                readable = read_page(&cut, pages[i], &lines);
            if (readable)
                walk(&cut, JSON_ROOT, false);
        }
    }
    mark_histories(&cut);
    json_reset(&cut.doc);
    free(cut.mentions.items);
    free(cut.marks);
    free(cut.events);
    interns_reset(&cut.open);
    buf_reset(&cut.place);
    buf_reset(&lines);
}

void effects_cut(const struct idents *idents, const char *source, struct span snapshot,
                 struct effect_records *records)
{
    effects_cut_pages(idents, source, &snapshot, 1, records);
}
