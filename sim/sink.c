/* sink: see sink.h. Calls are kept as they came; each time somebody asks, the shop is made of them anew,
 * since only then it is known which of their words are ids. */
#include "sink.h"

#include <stdlib.h>
#include <string.h>

#include "httpd.h"
#include "intern.h"
#include "json.h"
#include "limits.h"

/* What a call does to the shop. */
enum effect { READS, SETS, CHANGES, REMOVES, ADDS };

static const struct {
    const char *method;
    enum effect effect;
} methods[] = {
    {"GET", READS}, {"HEAD", READS},    {"OPTIONS", READS},  {"TRACE", READS},
    {"PUT", SETS},  {"PATCH", CHANGES}, {"DELETE", REMOVES},
}; /* others add */

struct call {
    enum effect effect;
    char *method, *path; /* with its query */
    char *body;
    size_t body_bytes;
};

/* Which calls are meant. */
struct pattern {
    struct span method, path; /* an empty method: any */
    bool prefix;              /* the path ended with "*" */
};

struct reply {
    struct pattern to;
    unsigned status;
    struct span body;
};

struct sink {
    struct httpd *httpd;
    struct reply *replies;
    size_t reply_count;
    struct pattern *sets; /* calls that set, whatever their method */
    size_t set_count;
    struct call *calls;
    size_t count, cap, bytes;
    uint64_t ever;
    bool full;
    struct interns keys; /* paths with the Idempotency-Keys that were seen there */
};

/* ---- taking calls ---------------------------------------------------------------------------- */

static bool fits(const struct pattern *pattern, const struct httpd_request *request)
{
    const char *path = httpd_path(request);
    if (pattern->method.len && !span_equals(pattern->method, httpd_method(request)))
        return false;
    return pattern->prefix ? strncmp(path, pattern->path.data, pattern->path.len) == 0
                           : span_equals(pattern->path, path);
}

static enum effect effect_of(const struct sink *sink, const struct httpd_request *request)
{
    for (size_t i = 0; i < COUNT_OF(methods); i++)
        if (strcmp(httpd_method(request), methods[i].method) == 0)
            return methods[i].effect;
    for (size_t i = 0; i < sink->set_count; i++)
        if (fits(&sink->sets[i], request))
            return SETS;
    return ADDS;
}

/* GraphQL posts its questions, too. */
static bool is_question(struct span body)
{
    struct json_doc doc = {0};
    struct buf scratch;
    struct err err;
    bool question = false;
    buf_init(&scratch, STATE_BYTES_MAX);
    if (body.len && *body.data == '{' && memmem(body.data, body.len, "\"query\"", 7) &&
        json_parse(&doc, "call", body, JSON_STRICT, &err)) {
        struct span query = json_string(&doc, json_get(&doc, JSON_ROOT, "query"), &scratch);
        question =
            query.len && memchr(query.data, '{', query.len) && !memmem(query.data, query.len, "mutation", 8);
    }
    buf_reset(&scratch);
    json_reset(&doc);
    return question;
}

/* A call that says itself what repeats it, and was seen before. */
static bool is_known(struct sink *sink, const struct httpd_request *request, const struct buf *path)
{
    const char *key = httpd_header(request, "Idempotency-Key");
    struct buf both;
    if (!key)
        return false;
    buf_init(&both, STATE_BYTES_MAX);
    buf_printf(&both, "%s %.*s\n%s", httpd_method(request), (int)path->len, path->data, key);
    size_t before = sink->keys.count;
    bool known = intern(&sink->keys, buf_span(&both)) < before;
    buf_reset(&both);
    return known;
}

static void keep(struct sink *sink, const struct httpd_request *request)
{
    struct call call = {.effect = effect_of(sink, request)};
    struct span body = httpd_body(request);
    struct buf path;
    buf_init(&path, STATE_BYTES_MAX);
    httpd_put_target(request, &path);
    size_t bytes = sizeof call + path.len + body.len;
    if (call.effect == READS || (call.effect == ADDS && is_question(body)) ||
        is_known(sink, request, &path)) {
        buf_reset(&path);
        return;
    }
    sink->ever++;
    sink->full = sink->full || bytes > STATE_BYTES_MAX - sink->bytes;
    if (sink->full) {
        buf_reset(&path);
        return;
    }
    call.method = mem_text(httpd_method(request));
    call.path = buf_take(&path);
    call.body = mem_text_n(body.data, body.len);
    call.body_bytes = body.len;
    sink->bytes += bytes;
    sink->calls = mem_grow(sink->calls, &sink->cap, sink->count, sizeof *sink->calls);
    sink->calls[sink->count++] = call;
}

static void on_call(void *arg, struct httpd_request *request)
{
    static const struct reply usual = {.status = 200, .body = {"{}", 2}};
    static const char *const json[] = {"Content-Type: application/json"};
    struct sink *sink = arg;
    const struct reply *reply = NULL;
    for (size_t i = 0; !reply && i < sink->reply_count; i++)
        if (fits(&sink->replies[i].to, request))
            reply = &sink->replies[i];
    reply = reply ? reply : &usual;
    if (reply->status >= 200 && reply->status < 300)
        keep(sink, request);
    bool is_json = reply->body.len && strchr("{[", *reply->body.data);
    httpd_answer(request, reply->status, json, is_json, reply->body);
}

/* ---- whom a text is about -------------------------------------------------------------------- */

static int by_mention(const void *a, const void *b)
{
    const struct mention *x = a, *y = b;
    return x->universe != y->universe ? (x->universe < y->universe ? -1 : 1) : strcmp(x->name, y->name);
}

/* The entities that two texts mention: a line for each, sorted. */
static char *about(const struct idents *idents, struct span a, struct span b)
{
    struct mentions found = {0};
    struct buf lines;
    size_t count = 0;
    idents_find(idents, a, &found);
    idents_find(idents, b, &found);
    for (size_t i = 0; i < found.count; i++)
        if (found.items[i].name) /* and not an event */
            found.items[count++] = found.items[i];
    if (count)
        qsort(found.items, count, sizeof *found.items, by_mention);
    buf_init(&lines, STATE_BYTES_MAX);
    for (size_t i = 0; i < count; i++)
        if (i == 0 || by_mention(&found.items[i - 1], &found.items[i]) != 0)
            buf_printf(&lines, "%s %s\n", universe_names[found.items[i].universe], found.items[i].name);
    free(found.items);
    return buf_take(&lines);
}

/* Is every line of `few` one of `many`? Both sorted. */
static bool is_among(const char *few, const char *many)
{
    while (*few) {
        size_t len = strcspn(few, "\n") + 1;
        while (*many && strncmp(few, many, len) != 0)
            many += strcspn(many, "\n") + 1;
        if (!*many)
            return false;
        few += len;
    }
    return true;
}

/* ---- JSON values ----------------------------------------------------------------------------- */

static bool read_json(struct json_doc *doc, struct span text)
{
    struct err err;
    return text.len && json_parse(doc, "call", text, JSON_STRICT, &err);
}

/* A body as a JSON value: as it is, or as a string. */
static void put_value(struct span body, struct buf *out)
{
    struct json_doc doc = {0};
    if (body.len == 0)
        buf_puts(out, "null");
    else if (read_json(&doc, body))
        buf_put_span(out, body);
    else
        json_put_string(out, &JSON_STYLE_PLAIN, body);
    json_reset(&doc);
}

static uint32_t member(const struct json_doc *doc, uint32_t object, struct span name)
{
    struct buf scratch;
    uint32_t found = JSON_NONE;
    buf_init(&scratch, STATE_BYTES_MAX);
    for (uint32_t n = json_first(doc, object); n != JSON_NONE && found == JSON_NONE; n = json_next(doc, n)) {
        buf_clear(&scratch);
        if (span_same(json_key(doc, n, &scratch), name))
            found = n;
    }
    buf_reset(&scratch);
    return found;
}

/* What is there with what is new put over it, member by member. */
static void put_merged(const struct json_doc *old, uint32_t there, const struct json_doc *new, uint32_t here,
                       struct buf *out)
{
    if (json_type(old, there) != JSON_OBJECT || json_type(new, here) != JSON_OBJECT) {
        buf_put_span(out, json_raw(new, here));
        return;
    }
    struct buf scratch;
    const char *before = "{";
    buf_init(&scratch, STATE_BYTES_MAX);
    for (int pass = 0; pass < 2; pass++) { /* members that were there; new ones */
        const struct json_doc *doc = pass ? new : old;
        for (uint32_t n = json_first(doc, pass ? here : there); n != JSON_NONE; n = json_next(doc, n)) {
            buf_clear(&scratch);
            struct span name = json_key(doc, n, &scratch);
            uint32_t other = pass ? member(old, there, name) : member(new, here, name);
            if (pass && other != JSON_NONE)
                continue;
            buf_puts(out, before);
            json_put_string(out, &JSON_STYLE_PLAIN, name);
            buf_putc(out, ':');
            if (other == JSON_NONE)
                buf_put_span(out, json_raw(doc, n));
            else
                put_merged(old, n, new, other, out);
            before = ",";
        }
    }
    buf_puts(out, *before == '{' ? "{}" : "}");
    buf_reset(&scratch);
}

static char *merged(const char *old, struct span new)
{
    struct json_doc old_doc = {0}, new_doc = {0};
    struct buf out;
    buf_init(&out, SIZE_MAX / 2);
    if (read_json(&old_doc, span_of(old)) && read_json(&new_doc, new))
        put_merged(&old_doc, JSON_ROOT, &new_doc, JSON_ROOT, &out);
    else
        put_value(new, &out);
    json_reset(&old_doc);
    json_reset(&new_doc);
    return buf_take(&out);
}

/* ---- the shop -------------------------------------------------------------------------------- */

/* What stands somewhere. */
struct thing {
    char *place; /* what it is shown under: "PUT /products/17" */
    char *path, *about;
    char *value;  /* JSON; NULL: it was removed */
    bool element; /* one of a list */
    size_t order;
};

struct things {
    struct thing *items;
    size_t count, cap;
};

struct shop {
    const struct idents *idents;
    struct interns keys; /* path and entities of what was set, numbered as that is */
    struct things set, added;
};

/* Is this part of a path the connector's own: a row number, a hash, a UUID? */
static bool is_own_id(const struct idents *idents, struct span part)
{
    struct mentions found = {0};
    size_t digits = 0;
    for (size_t i = 0; i < part.len; i++) {
        if (!strchr("0123456789abcdefABCDEF-", part.data[i]))
            return false;
        digits += part.data[i] >= '0' && part.data[i] <= '9';
    }
    idents_find(idents, part, &found);
    free(found.items);
    return !found.count && digits && (digits == part.len || part.len >= 16);
}

/* "PUT /shops/1/products" is "PUT /shops/…/products" with a star: numbers differ from universe to universe.
 */
static char *place_of(const struct idents *idents, const char *method, const char *path)
{
    struct buf place;
    buf_init(&place, STATE_BYTES_MAX);
    buf_printf(&place, "%s ", method);
    for (size_t len; *path; path += len) {
        len = *path == '?' ? strlen(path) : strcspn(path + 1, "/?") + 1;
        if (*path == '/' && is_own_id(idents, (struct span){path + 1, len - 1}))
            buf_puts(&place, "/*");
        else
            buf_put(&place, path, len);
    }
    return buf_take(&place);
}

static struct thing *add_thing(struct shop *shop, struct things *things, const char *method, const char *path,
                               char *about)
{
    things->items = mem_grow(things->items, &things->cap, things->count, sizeof *things->items);
    struct thing *thing = &things->items[things->count];
    *thing = (struct thing){.place = place_of(shop->idents, method, path),
                            .path = mem_text(path),
                            .about = about,
                            .order = things->count++};
    return thing;
}

static void set(struct shop *shop, const char *path, char *whom, struct span value, bool merge, bool element)
{
    struct buf key, text;
    buf_init(&key, SIZE_MAX / 2);
    buf_printf(&key, "%s\n%s", path, whom);
    uint32_t number = intern(&shop->keys, buf_span(&key));
    buf_reset(&key);
    bool is_new = number == shop->set.count;
    struct thing *thing = is_new ? add_thing(shop, &shop->set, "PUT", path, whom) : &shop->set.items[number];
    if (!is_new)
        free(whom);
    char *old = thing->value;
    buf_init(&text, SIZE_MAX / 2);
    put_value(value, &text);
    thing->element = element;
    thing->value = old && merge ? merged(old, value) : mem_text(buf_text(&text));
    buf_reset(&text);
    free(old);
}

/* ---- what a call does to it ------------------------------------------------------------------ */

/* In a list for several entities, each element is set by itself. */
static void set_element(struct shop *shop, const struct call *call, struct span value)
{
    char *whom = about(shop->idents, value, span_of(""));
    if (*whom)
        set(shop, call->path, whom, value, call->effect == CHANGES, true);
    else
        free(whom);
}

/* The list in a body: the body itself, or the only member of an object that mentions anyone. */
static uint32_t list_of(const struct idents *idents, const struct json_doc *doc)
{
    uint32_t list = JSON_NONE;
    if (json_type(doc, JSON_ROOT) == JSON_ARRAY)
        return JSON_ROOT;
    for (uint32_t n = json_first(doc, JSON_ROOT); n != JSON_NONE; n = json_next(doc, n)) {
        char *whom = about(idents, json_raw(doc, n), span_of(""));
        bool mentions = *whom;
        free(whom);
        if (mentions && (list != JSON_NONE || json_type(doc, n) != JSON_ARRAY))
            return JSON_NONE;
        list = mentions ? n : list;
    }
    return list;
}

/* Lines of JSON, as Akeneo's own API takes them; false when some line is none. */
static bool set_lines(struct shop *shop, const struct call *call)
{
    struct json_doc doc = {0};
    bool ok = true;
    for (int pass = 0; ok && pass < 2; pass++) { /* check, then set */
        const char *at = call->body, *end = at + call->body_bytes;
        for (size_t len; ok && at < end; at += len + 1) {
            const char *newline = memchr(at, '\n', (size_t)(end - at));
            len = (size_t)((newline ? newline : end) - at);
            struct span line = {at, len};
            ok = len == 0 || read_json(&doc, line);
            if (ok && len && pass)
                set_element(shop, call, line);
        }
    }
    json_reset(&doc);
    return ok;
}

static void set_elements(struct shop *shop, const struct call *call)
{
    struct json_doc doc = {0};
    struct span body = {call->body, call->body_bytes};
    uint32_t list = JSON_NONE;
    if (read_json(&doc, body))
        list = list_of(shop->idents, &doc);
    else if (set_lines(shop, call))
        body.len = 0;
    for (uint32_t n = json_first(&doc, list); list != JSON_NONE && n != JSON_NONE; n = json_next(&doc, n))
        set_element(shop, call, json_raw(&doc, n));
    if (list == JSON_NONE)
        set_element(shop, call, body);
    json_reset(&doc);
}

static bool is_inside(const char *path, const char *above)
{
    size_t len = strlen(above);
    return strncmp(path, above, len) == 0 && strchr("/?", path[len]); /* or the same: its NUL is found, too */
}

/* With a path about someone, or a body about nobody: what stands there or below, and what is the same in the
 * lists above. Else the elements that the body names. */
static void remove_from(struct things *things, const struct call *call, const char *in_path,
                        const char *in_all)
{
    bool by_path = *in_path || !*in_all;
    for (size_t i = 0; i < things->count; i++) {
        struct thing *t = &things->items[i];
        bool below = is_inside(t->path, call->path), above = is_inside(call->path, t->path);
        if (by_path ? below || (above && *in_path && strcmp(t->about, in_path) == 0)
                    : (below || above) && is_among(t->about, in_all)) {
            free(t->value);
            t->value = NULL;
        }
    }
}

static void apply(struct shop *shop, const struct call *call)
{
    struct span path = span_of(call->path), body = {call->body, call->body_bytes};
    char *in_path = about(shop->idents, path, span_of("")), *in_all = about(shop->idents, path, body);
    if (call->effect == REMOVES) {
        remove_from(&shop->set, call, in_path, in_all);
        remove_from(&shop->added, call, in_path, in_all);
    } else if (call->effect == ADDS) {
        struct thing *thing = add_thing(shop, &shop->added, call->method, call->path, mem_text(in_all));
        struct buf value;
        buf_init(&value, SIZE_MAX / 2);
        put_value(body, &value);
        thing->value = buf_take(&value);
        thing->element = true;
    } else if (*in_path) {
        set(shop, call->path, mem_text(in_path), body, call->effect == CHANGES, false);
    } else {
        set_elements(shop, call);
    }
    free(in_path);
    free(in_all);
}

/* ---- showing it ------------------------------------------------------------------------------ */

static int by_place(const void *a, const void *b)
{
    const struct thing *x = *(const struct thing *const *)a, *y = *(const struct thing *const *)b;
    if (x->element != y->element)
        return x->element ? 1 : -1;
    int order = strcmp(x->place, y->place);
    return order ? order : (x->order > y->order) - (x->order < y->order);
}

/* What there is now and is about someone, by place, elements of lists last. */
static const struct thing **present(const struct shop *shop, size_t *count)
{
    const struct thing **shown = mem_alloc((shop->set.count + shop->added.count) * sizeof(struct thing *));
    *count = 0;
    for (const struct things *t = &shop->set; t; t = t == &shop->set ? &shop->added : NULL)
        for (size_t i = 0; i < t->count; i++)
            if (t->items[i].value && *t->items[i].about)
                shown[(*count)++] = &t->items[i];
    qsort(shown, *count, sizeof(struct thing *), by_place);
    return shown;
}

/* A member for what stands at one place: its value, or all of them. */
static void put_member(const struct thing *const *things, size_t count, struct buf *out)
{
    bool list = things[0]->element || count > 1;
    json_put_string(out, &JSON_STYLE_PLAIN, span_of(things[0]->place));
    buf_puts(out, list ? ":[" : ":");
    for (size_t i = 0; i < count; i++)
        buf_printf(out, "%s%s", i ? "," : "", things[i]->value);
    buf_puts(out, list ? "]" : "");
}

static void free_things(struct things *things)
{
    for (size_t i = 0; i < things->count; i++) {
        free(things->items[i].place);
        free(things->items[i].path);
        free(things->items[i].about);
        free(things->items[i].value);
    }
    free(things->items);
}

void sink_put_state(const struct sink *sink, const struct idents *idents, struct buf *out,
                    void (*document_ends)(void *arg), void *arg)
{
    struct shop shop = {.idents = idents};
    for (size_t i = 0; i < sink->count; i++)
        apply(&shop, &sink->calls[i]);
    size_t count;
    const struct thing **things = present(&shop, &count);
    bool open = false;
    for (size_t i = 0, next; i < count; i = next) {
        for (next = i; next < count && strcmp(things[next]->place, things[i]->place) == 0 &&
                       things[next]->element == things[i]->element;)
            next++;
        buf_putc(out, open ? ',' : '{');
        put_member(things + i, next - i, out);
        open = next < count && !things[next]->element;
        if (open)
            continue;
        buf_putc(out, '}');
        document_ends(arg);
    }
    free(things);
    free_things(&shop.set);
    free_things(&shop.added);
    interns_reset(&shop.keys);
}

/* ---- life ------------------------------------------------------------------------------------ */

static struct span word(const char **at)
{
    struct span found = {*at, strcspn(*at, " ")};
    *at += found.len;
    *at += strspn(*at, " ");
    return found;
}

/* "[METHOD ]PATH" */
static struct pattern read_pattern(const char **at)
{
    struct pattern pattern = {0};
    if (**at != '/' && **at != '*')
        pattern.method = word(at);
    pattern.path = word(at);
    pattern.prefix = pattern.path.len && pattern.path.data[pattern.path.len - 1] == '*';
    pattern.path.len -= pattern.prefix;
    return pattern;
}

static bool read_reply(const char *text, struct reply *reply, struct err *err)
{
    const char *at = text;
    *reply = (struct reply){.to = read_pattern(&at)};
    struct span status = word(&at);
    reply->body = span_of(at);
    reply->status = (unsigned)strtoul(status.data, NULL, 10);
    if (status.len != 3 || reply->status < 200 || reply->status > 599)
        return err_set(
            err, "--sink-answer: \"%s\" is not [METHOD ]PATH STATUS [BODY], as in PUT /products/* 204", text);
    return true;
}

static bool read_set(const char *text, struct pattern *pattern, struct err *err)
{
    const char *at = text;
    *pattern = read_pattern(&at);
    if (*at || !(pattern->path.len || pattern->prefix))
        return err_set(err, "--sink-sets: \"%s\" is not [METHOD ]PATH, as in POST /products/batch", text);
    return true;
}

bool sink_open(struct sink **sink, struct loop *loop, const struct sink_options *options, struct err *err)
{
    struct sink *made = mem_alloc(sizeof *made);
    struct httpd_options listen = {.address = "127.0.0.1",
                                   .port = options->port,
                                   .body_bytes_max = STATE_BYTES_MAX,
                                   .handler = on_call,
                                   .arg = made};
    bool ok = true;
    made->replies = mem_alloc((options->answer_count + 1) * sizeof *made->replies);
    made->sets = mem_alloc((options->set_count + 1) * sizeof *made->sets);
    for (size_t i = 0; ok && i < options->answer_count; i++)
        ok = read_reply(options->answers[i], &made->replies[made->reply_count++], err);
    for (size_t i = 0; ok && i < options->set_count; i++)
        ok = read_set(options->sets[i], &made->sets[made->set_count++], err);
    if (ok && !httpd_open(&made->httpd, loop, &listen, err))
        ok = err_wrap(err, "--sink");
    *sink = ok ? made : NULL;
    if (!ok)
        sink_close(made);
    return ok;
}

void sink_close(struct sink *sink)
{
    if (!sink)
        return;
    httpd_close(sink->httpd);
    sink_forget(sink);
    free(sink->calls);
    free(sink->replies);
    free(sink->sets);
    free(sink);
}

void sink_forget(struct sink *sink)
{
    for (size_t i = 0; i < sink->count; i++) {
        free(sink->calls[i].method);
        free(sink->calls[i].path);
        free(sink->calls[i].body);
    }
    interns_reset(&sink->keys);
    sink->count = sink->bytes = 0;
    sink->full = false;
}

uint16_t sink_port(const struct sink *sink)
{
    return httpd_port(sink->httpd);
}

uint64_t sink_calls(const struct sink *sink)
{
    return sink->ever;
}

bool sink_is_full(const struct sink *sink)
{
    return sink->full;
}
