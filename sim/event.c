/* event: see event.h.
 *
 * A fixture is its event's bytes in the platform's spelling, and a sorted list of slots: the places
 * that every event made from it fills anew. */
#include "event.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "limits.h"

const char *const platform_names[PLATFORM_COUNT] = {"events-api", "aep"};
const char *const pim_version_names[PIM_VERSION_COUNT] = {"5.0", "6.0", "7.0", "serenity"};

/* ---- the vocabulary ------------------------------------------------------------------------- */

static const struct event_type event_types[] = {
#define EVENT(name, events_api, aep, kind, entity, change) {name, {events_api, aep}, kind, entity, change},
#include "event_types.def"
#undef EVENT
};

size_t event_type_count(void)
{
    return COUNT_OF(event_types);
}

const struct event_type *event_type_at(size_t index)
{
    return &event_types[index];
}

static bool same_text(const char *a, const char *b)
{
    return a && b && strcmp(a, b) == 0;
}

const struct event_type *event_type_find(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(event_types); i++) {
        const struct event_type *type = &event_types[i];
        if (same_text(type->name, name) || same_text(type->wire[PLATFORM_EVENTS_API], name) ||
            same_text(type->wire[PLATFORM_AEP], name))
            return type;
    }
    return NULL;
}

/* ---- fixtures -------------------------------------------------------------------------------- */

enum slot_kind {
    SLOT_ID,
    SLOT_TIME,
    SLOT_AUTHOR,
    SLOT_AUTHOR_TYPE,
    SLOT_SUBJECT,
    SLOT_SOURCE,
    SLOT_UUID,
    SLOT_CODE,
    SLOT_UPDATED_AT,
    SLOT_RESOURCE,
    SLOT_CHANGES,
    SLOT_IDENTIFIER, /* of no bytes: behind the uuid, where the fixture has no identifier */
};

struct slot {
    uint32_t start, end; /* bytes of the text that are written anew */
    enum slot_kind kind;
};

#define SLOTS_MAX 16

struct fixture {
    enum platform_id platform;
    bool uuid_dropped; /* the PIM is too old for product uuids */
    const struct json_style *style;
    char *name, *text, *wire, *pointer;
    size_t len;
    struct slot slots[SLOTS_MAX]; /* by start */
    size_t slot_count;
    const struct event_type *type;
    struct event_type own_type; /* what `type` points to when the vocabulary has no such event */
    struct item *item;          /* Events API: the resource */
};

/* How each platform spells, and the member that says which event it is. */
static const struct {
    const struct json_style *style;
    const char *type_member;
} spellings[PLATFORM_COUNT] = {
    [PLATFORM_EVENTS_API] = {&JSON_STYLE_PHP, "action"},
    [PLATFORM_AEP] = {&JSON_STYLE_PLAIN, "type"},
};

/* Where the identity fields stand. The entity itself is where the event type says. */
static const struct {
    enum platform_id platform;
    enum slot_kind kind;
    enum json_type type;
    const char *pointer;
} places[] = {
    {PLATFORM_EVENTS_API, SLOT_ID, JSON_STRING, "/event_id"},
    {PLATFORM_EVENTS_API, SLOT_TIME, JSON_STRING, "/event_datetime"},
    {PLATFORM_EVENTS_API, SLOT_AUTHOR, JSON_STRING, "/author"},
    {PLATFORM_EVENTS_API, SLOT_AUTHOR_TYPE, JSON_STRING, "/author_type"},
    {PLATFORM_EVENTS_API, SLOT_SOURCE, JSON_STRING, "/pim_source"},
    {PLATFORM_EVENTS_API, SLOT_RESOURCE, JSON_OBJECT, "/data/resource"},
    {PLATFORM_AEP, SLOT_ID, JSON_STRING, "/id"},
    {PLATFORM_AEP, SLOT_TIME, JSON_STRING, "/time"},
    {PLATFORM_AEP, SLOT_SUBJECT, JSON_STRING, "/subject"},
    {PLATFORM_AEP, SLOT_SOURCE, JSON_STRING, "/source"},
    {PLATFORM_AEP, SLOT_AUTHOR, JSON_STRING, "/data/author/identifier"},
    {PLATFORM_AEP, SLOT_AUTHOR_TYPE, JSON_STRING, "/data/author/type"},
    {PLATFORM_AEP, SLOT_CODE, JSON_STRING, "/data/product/identifier"},
    {PLATFORM_AEP, SLOT_UPDATED_AT, JSON_STRING, "/data/product/updated_at/date"},
    {PLATFORM_AEP, SLOT_CHANGES, JSON_OBJECT, "/data/product/changes"},
    {PLATFORM_AEP, SLOT_UPDATED_AT, JSON_STRING, "/data/product_model/updated_at/date"},
    {PLATFORM_AEP, SLOT_CHANGES, JSON_OBJECT, "/data/product_model/changes"},
};

/* Slots stay in order; one that another already covers is left out. */
static void insert_slot(struct fixture *f, struct slot slot)
{
    size_t at = f->slot_count;
    for (; at && f->slots[at - 1].start >= slot.start; at--)
        if (f->slots[at - 1].start == slot.start)
            return;
    memmove(&f->slots[at + 1], &f->slots[at], (f->slot_count - at) * sizeof slot);
    f->slots[at] = slot;
    f->slot_count++;
}

static void add_slot(struct fixture *f, const struct json_doc *doc, uint32_t node, enum slot_kind kind)
{
    insert_slot(f, (struct slot){doc->nodes[node].start, doc->nodes[node].end, kind});
}

static bool is_uuid(struct span raw)
{
    if (raw.len != UUID_SIZE - 1 + 2)
        return false;
    for (size_t i = 0; i < UUID_SIZE - 1; i++) {
        bool hyphen = i == 8 || i == 13 || i == 18 || i == 23;
        if (hyphen ? raw.data[i + 1] != '-' : !strchr("0123456789abcdefABCDEF", raw.data[i + 1]))
            return false;
    }
    return true;
}

static void find_slots(struct fixture *f, const struct json_doc *doc)
{
    for (size_t i = 0; i < COUNT_OF(places); i++) {
        uint32_t node = places[i].platform == f->platform ? json_pointer(doc, places[i].pointer) : JSON_NONE;
        if (node != JSON_NONE && json_type(doc, node) == places[i].type)
            add_slot(f, doc, node, places[i].kind);
    }
    uint32_t entity =
        f->platform == PLATFORM_AEP && f->type->entity ? json_pointer(doc, f->type->entity) : JSON_NONE;
    if (json_type(doc, entity) == JSON_STRING)
        add_slot(f, doc, entity, is_uuid(json_raw(doc, entity)) ? SLOT_UUID : SLOT_CODE);
    uint32_t uuid = json_pointer(doc, "/data/product/uuid");
    if (f->platform == PLATFORM_AEP && json_type(doc, uuid) == JSON_STRING &&
        json_pointer(doc, "/data/product/identifier") == JSON_NONE)
        insert_slot(f, (struct slot){doc->nodes[uuid].end, doc->nodes[uuid].end, SLOT_IDENTIFIER});
}

/* AEP: the first member of "data" but the author that holds a name, and the pointer to that name. */
static char *entity_pointer(const struct json_doc *doc)
{
    static const char *const names[] = {"uuid", "code", "client_id", "identifier", "id"};
    struct buf pointer, scratch;
    buf_init(&pointer, 512);
    buf_init(&scratch, 512);
    uint32_t data = json_get(doc, JSON_ROOT, "data");
    for (uint32_t n = json_first(doc, data); n != JSON_NONE && !pointer.len; n = json_next(doc, n))
        for (size_t i = 0; i < COUNT_OF(names) && !pointer.len; i++)
            if (n != json_get(doc, data, "author") &&
                json_type(doc, json_get(doc, n, names[i])) == JSON_STRING) {
                struct span key = json_key(doc, n, &scratch);
                buf_printf(&pointer, "/data/%.*s/%s", (int)key.len, key.data, names[i]);
            }
    buf_reset(&scratch);
    if (!buf_ok(&pointer))
        buf_clear(&pointer);
    return buf_take(&pointer);
}

/* A row for an event that the vocabulary does not know, from what is in it. */
static void make_own_type(struct fixture *f, const struct json_doc *doc)
{
    f->pointer = f->platform == PLATFORM_AEP ? entity_pointer(doc) : mem_text("");
    bool product = json_pointer(doc, "/data/product/uuid") != JSON_NONE ||
                   json_pointer(doc, "/data/resource/uuid") != JSON_NONE ||
                   json_pointer(doc, "/data/resource/identifier") != JSON_NONE;
    bool model = json_pointer(doc, "/data/product_model/code") != JSON_NONE ||
                 json_pointer(doc, "/data/resource/family_variant") != JSON_NONE;
    f->own_type = (struct event_type){
        .name = f->wire,
        .kind = product ? ENTITY_PRODUCT
                : model ? ENTITY_PRODUCT_MODEL
                        : ENTITY_OTHER,
        .entity = *f->pointer ? f->pointer : NULL,
        .change = CHANGE_OTHER,
    };
    f->own_type.wire[f->platform] = f->wire;
    f->type = &f->own_type;
}

static bool find_type(struct fixture *f, const struct json_doc *doc, struct err *err)
{
    const char *member = spellings[f->platform].type_member;
    f->wire = json_string_dup(doc, json_get(doc, JSON_ROOT, member));
    if (!f->wire)
        return err_set(err, "%s: not an event of %s: it has no text \"%s\"", f->name,
                       platform_names[f->platform], member);
    for (size_t i = 0; i < COUNT_OF(event_types); i++)
        if (same_text(event_types[i].wire[f->platform], f->wire))
            f->type = &event_types[i];
    if (!f->type)
        make_own_type(f, doc);
    return true;
}

/* Read one captured event: respell it, then find out what it is and where its slots are. */
static bool read_event(struct fixture *f, struct span captured, struct err *err)
{
    struct json_doc doc = {0};
    struct buf text;
    buf_init(&text, FILE_BYTES_MAX);
    bool ok = false;
    if (!json_parse(&doc, f->name, captured, JSON_STRICT, err))
        goto out;
    uint32_t event = json_pointer(&doc, "/events/0");
    if (event == JSON_NONE)
        event = JSON_ROOT;
    if (!json_expect(&doc, event, JSON_OBJECT, err) || !json_respell(&doc, event, f->style, &text, err))
        goto out;
    f->len = text.len;
    f->text = buf_take(&text);
    if (!json_parse(&doc, f->name, (struct span){f->text, f->len}, JSON_STRICT, err) ||
        !find_type(f, &doc, err))
        goto out;
    find_slots(f, &doc);
    uint32_t resource = json_pointer(&doc, "/data/resource");
    if (f->platform == PLATFORM_EVENTS_API && json_type(&doc, resource) == JSON_OBJECT &&
        !item_new(&f->item, f->name, json_raw(&doc, resource), span_of(""), f->style, err))
        goto out;
    ok = true;
out:
    buf_reset(&text);
    json_reset(&doc);
    return ok;
}

/* ---- finding a fixture's file --------------------------------------------------------------- */

static bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text), end_len = strlen(end);
    return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

static void folder_of(enum platform_id platform, char folder[64])
{
    snprintf(folder, 64, "fixtures/%s/", platform_names[platform]);
}

static bool unknown_name(const struct data *data, const char *name, enum platform_id platform,
                         struct err *err)
{
    char folder[64];
    folder_of(platform, folder);
    char **words = mem_alloc((COUNT_OF(event_types) + data_count(data)) * sizeof *words);
    size_t count = 0;
    for (size_t i = 0; i < COUNT_OF(event_types); i++)
        if (event_types[i].wire[platform])
            words[count++] = mem_text(event_types[i].name);
    for (size_t i = 0; i < data_count(data); i++) {
        const char *path = data_path(data, i);
        if (strncmp(path, folder, strlen(folder)) == 0 && ends_with(path, ".json"))
            words[count++] =
                mem_text_n(path + strlen(folder), strlen(path + strlen(folder)) - strlen(".json"));
    }
    const char *nearest = word_nearest(name, (const char *const *)words, count);
    err_set(err, "\"%s\" is neither an event of %s nor a fixture%s%s%s", name, platform_names[platform],
            nearest ? "; did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
    while (count)
        free(words[--count]);
    free(words);
    return false;
}

/* The data file of a name, if there is one: an event type's, or a fixture's by its stem. */
static bool data_file(const struct data *data, const char *name, enum platform_id platform, char path[512])
{
    const struct event_type *type = event_type_find(name);
    char folder[64];
    folder_of(platform, folder);
    if (type && type->wire[platform])
        name = type->wire[platform];
    snprintf(path, 512, "%s%s%s", folder, name, ends_with(name, ".json") ? "" : ".json");
    return data_has(data, path);
}

static bool read_file(struct buf *text, const char *name, struct err *err)
{
    if (buf_read_file(text, name, err))
        return true;
    if (ends_with(name, ".json"))
        return false;
    struct err other; /* the stem of a file; if that fails too, the first error tells more */
    char path[4096];
    snprintf(path, sizeof path, "%s.json", name);
    buf_clear(text);
    return buf_read_file(text, path, &other);
}

static bool read_named(struct fixture *f, struct data *data, const char *name, struct err *err)
{
    char path[512];
    const struct event_type *type = event_type_find(name);
    bool ok = false;
    struct span captured;
    struct buf text;
    buf_init(&text, FILE_BYTES_MAX);
    if (data_file(data, name, f->platform, path)) {
        f->name = mem_text(path);
        ok = data_read(data, path, &captured, err) && read_event(f, captured, err);
    } else if (type) {
        err_set(err, "%s has no event \"%s\"", platform_names[f->platform], name);
    } else if (strchr(name, '/') || ends_with(name, ".json")) {
        f->name = mem_text(name);
        ok = read_file(&text, name, err) && read_event(f, buf_span(&text), err);
    } else {
        unknown_name(data, name, f->platform, err);
    }
    buf_reset(&text);
    return ok;
}

bool fixture_load(struct fixture **fixture, struct data *data, const char *name, enum platform_id platform,
                  enum pim_version version, struct err *err)
{
    struct fixture *f = mem_alloc(sizeof *f);
    f->platform = platform;
    f->style = spellings[platform].style;
    f->uuid_dropped = version < PIM_7_0;
    *fixture = f;
    if (read_named(f, data, name, err))
        return true;
    fixture_free(f);
    *fixture = NULL;
    return false;
}

void fixture_free(struct fixture *fixture)
{
    if (!fixture)
        return;
    item_free(fixture->item);
    free(fixture->pointer);
    free(fixture->wire);
    free(fixture->text);
    free(fixture->name);
    free(fixture);
}

const struct event_type *fixture_type(const struct fixture *fixture)
{
    return fixture->type;
}

const char *fixture_wire_type(const struct fixture *fixture)
{
    return fixture->wire;
}

const struct item *fixture_item(const struct fixture *fixture)
{
    return fixture->item;
}

/* ---- events ----------------------------------------------------------------------------------- */

/* A text in its slot; false when there is none and the fixture's own stays. */
static bool put_text(const struct fixture *f, const char *text, struct buf *out)
{
    if (text)
        json_put_string(out, f->style, span_of(text));
    return text != NULL;
}

static bool put_time(const struct fixture *f, int64_t time_us, struct buf *out)
{
    char text[CLOCK_TEXT_SIZE];
    if (f->platform == PLATFORM_AEP)
        clock_format_z(time_us, text);
    else
        clock_format_offset(time_us, text);
    return put_text(f, text, out);
}

/* "2026-03-09 14:31:07.000000", as PHP's json_encode shows a DateTime. */
static bool put_updated_at(const struct fixture *f, int64_t time_us, struct buf *out)
{
    char text[CLOCK_TEXT_SIZE], date[CLOCK_TEXT_SIZE];
    clock_format_z(time_us, text);
    snprintf(date, sizeof date, "%.10s %.8s.000000", text, text + 11);
    return put_text(f, date, out);
}

/* A removed event tells who is gone, never what it was: the fixture's own resource does that. */
static bool put_resource(const struct fixture *f, const struct item *item,
                         const struct event_identity *identity, struct buf *out)
{
    struct entity entity = identity->entity;
    if (f->uuid_dropped && f->type->kind == ENTITY_PRODUCT)
        entity.uuid[0] = '\0';
    item_state(item && f->type->change != CHANGE_REMOVED ? item : f->item, &entity, identity->version,
               identity->created_us, identity->time_us, out);
    return true;
}

static bool put_identifier(const struct fixture *f, const struct event_identity *identity, struct buf *out)
{
    if (!identity->identified)
        return false;
    buf_puts(out, ",\"identifier\":");
    return put_text(f, identity->entity.code, out);
}

static bool put_changes(const struct item *item, uint32_t version, struct buf *out)
{
    if (item)
        item_delta(item, version, out);
    return item != NULL;
}

/* Write what an event has in a slot; false when that is what the fixture has there. */
static bool put_slot(const struct fixture *f, enum slot_kind kind, const struct item *item,
                     const struct event_identity *identity, struct buf *out)
{
    switch (kind) {
    case SLOT_ID:
        return put_text(f, identity->id, out);
    case SLOT_TIME:
        return put_time(f, identity->time_us, out);
    case SLOT_AUTHOR:
        return put_text(f, identity->author, out);
    case SLOT_AUTHOR_TYPE:
        return put_text(f, identity->author_type, out);
    case SLOT_SUBJECT:
        return put_text(f, identity->subject, out);
    case SLOT_SOURCE:
        return put_text(f, identity->source, out);
    case SLOT_UUID:
        return put_text(f, identity->entity.uuid, out);
    case SLOT_CODE:
        return put_text(f, identity->entity.code, out);
    case SLOT_UPDATED_AT:
        return put_updated_at(f, identity->time_us, out);
    case SLOT_RESOURCE:
        return put_resource(f, item, identity, out);
    case SLOT_CHANGES:
        return put_changes(item, identity->version, out);
    case SLOT_IDENTIFIER:
        return put_identifier(f, identity, out);
    }
    return false;
}

void event_render(const struct fixture *fixture, const struct item *item,
                  const struct event_identity *identity, struct buf *out)
{
    uint32_t at = 0;
    for (size_t i = 0; i < fixture->slot_count; i++) {
        const struct slot *slot = &fixture->slots[i];
        buf_put(out, fixture->text + at, slot->start - at);
        if (!put_slot(fixture, slot->kind, item, identity, out))
            buf_put(out, fixture->text + slot->start, slot->end - slot->start);
        at = slot->end;
    }
    buf_put(out, fixture->text + at, fixture->len - at);
}
