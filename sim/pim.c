/* pim: see pim.h. The routes, what is asked and what is answered; what there is comes from stock.c. One
 * thread: every request is answered from within its handler. */
#include "pim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "clock.h"
#include "httpd.h"
#include "intern.h"
#include "json.h"
#include "limits.h"
#include "rng.h"
#include "stock.h"

#define TARGET_BYTES_MAX  512   /* told of a call */
#define LIMIT_DEFAULT     10    /* rest-api, "Pagination" */
#define LIMIT_MAX         100   /* the same */
#define OFFSET_MAX        10000 /* the same, "Limitation" */
#define TOKEN_LASTS_S     3600  /* rest-api, "Authentication" */
#define MESSAGE_BYTES_MAX 512

struct pim {
    struct httpd *httpd;
    pim_call_fn *called;
    void *called_arg;
    struct rng rng;
    struct interns tokens, refresh_tokens; /* those handed out */
    const struct plan *plan;
    int64_t wall_start_us;
    struct stock *stock; /* NULL: nothing is shown */
};

/* ---- calls --------------------------------------------------------------------------------- */

struct route;

struct call {
    struct pim *pim;
    struct httpd_request *request;
    const struct route *route;
    const char *key; /* which entity; NULL: all */
    unsigned status;
    struct buf body;
};

struct route {
    const char *path;
    bool (*answer)(struct call *call);
    enum entity_kind kind;
    enum stock_name key;
    const char *entity; /* in messages; NULL: there is none */
};

/* Always false. */
PRINTF_LIKE(3, 4) static bool refuse(struct call *call, unsigned status, const char *fmt, ...)
{
    char message[MESSAGE_BYTES_MAX];
    struct json_writer w;
    va_list args;
    va_start(args, fmt);
    vsnprintf(message, sizeof message, fmt, args);
    va_end(args);
    call->status = status;
    buf_clear(&call->body);
    json_begin(&w, &call->body, false);
    json_open(&w, NULL, '{');
    json_put_u64(&w, "code", status);
    json_put(&w, "message", message);
    json_close(&w, '}');
    return false;
}

/* A member "_links" or of it: {"href": …}. The address is the one that we were called by. */
static void put_link(const struct call *call, struct json_writer *w, const char *name, const char *path_rest,
                     struct span query)
{
    struct buf href;
    const char *host = httpd_header(call->request, "Host");
    buf_init(&href, BODY_BYTES_MAX);
    buf_printf(&href, "http://%s%s", host ? host : "127.0.0.1", call->route->path);
    if (path_rest) {
        buf_putc(&href, '/');
        buf_put_escaped(&href, path_rest);
    }
    buf_put_span(&href, query);
    json_open(w, name, '{');
    json_put_bytes(w, "href", buf_span(&href));
    json_close(w, '}');
    buf_reset(&href);
}

/* ---- search -------------------------------------------------------------------------------- */

enum subject { SUBJECT_UUID = STOCK_UUID, SUBJECT_CODE = STOCK_CODE, SUBJECT_CREATED, SUBJECT_UPDATED };

/* Those whose name is one of these, whose time is within these seconds; or all others. */
struct filter {
    enum subject subject;
    bool negated;
    struct interns names;
    int64_t from_s, to_s;
};

#define PRODUCTS (1u << ENTITY_PRODUCT)
#define MODELS   (1u << ENTITY_PRODUCT_MODEL)

static const struct property {
    const char *name;
    unsigned kinds;
    enum subject subject;
} properties[] = {
    {"uuid", PRODUCTS, SUBJECT_UUID},
    {"identifier", PRODUCTS | MODELS, SUBJECT_CODE}, /* so the PIM calls a model's code here */
    {"code", MODELS, SUBJECT_CODE},
    {"created", PRODUCTS | MODELS, SUBJECT_CREATED},
    {"updated", PRODUCTS | MODELS, SUBJECT_UPDATED},
};

static bool read_name(const struct json_doc *doc, uint32_t node, struct filter *filter)
{
    if (json_type(doc, node) != JSON_STRING)
        return false;
    struct buf scratch;
    buf_init(&scratch, BODY_BYTES_MAX);
    intern(&filter->names, json_string(doc, node, &scratch));
    buf_reset(&scratch);
    return true;
}

static bool read_names(const struct json_doc *doc, uint32_t node, struct filter *filter)
{
    if (json_type(doc, node) != JSON_ARRAY)
        return false;
    for (uint32_t name = json_first(doc, node); name != JSON_NONE; name = json_next(doc, name))
        if (!read_name(doc, name, filter))
            return false;
    return true;
}

/* "2026-01-31 09:13:59", in UTC. */
static bool read_time(const struct json_doc *doc, uint32_t node, int64_t *time_s)
{
    char text[] = "YYYY-MM-DDThh:mm:ssZ";
    struct span raw = json_raw(doc, node);
    struct err err;
    int64_t time_us;
    if (json_type(doc, node) != JSON_STRING || raw.len != strlen(text) + 1 || raw.data[11] != ' ')
        return false;
    memcpy(text, raw.data + 1, strlen(text) - 1);
    text[10] = 'T';
    bool ok = clock_parse(text, &time_us, &err);
    *time_s = ok ? time_us / 1000000 : 0;
    return ok;
}

static bool read_at(const struct json_doc *doc, uint32_t node, struct filter *filter)
{
    bool ok = read_time(doc, node, &filter->from_s);
    filter->to_s = filter->from_s;
    return ok;
}

static bool read_before(const struct json_doc *doc, uint32_t node, struct filter *filter)
{
    bool ok = read_time(doc, node, &filter->to_s);
    filter->to_s--;
    return ok;
}

static bool read_after(const struct json_doc *doc, uint32_t node, struct filter *filter)
{
    bool ok = read_time(doc, node, &filter->from_s);
    filter->from_s++;
    return ok;
}

static bool read_between(const struct json_doc *doc, uint32_t node, struct filter *filter)
{
    uint32_t from = json_first(doc, node);
    return json_type(doc, node) == JSON_ARRAY && json_count(doc, node) == 2 &&
           read_time(doc, from, &filter->from_s) && read_time(doc, json_next(doc, from), &filter->to_s);
}

static bool read_days(const struct json_doc *doc, uint32_t node, struct filter *filter)
{
    uint64_t days;
    struct err err;
    if (!json_read_u64(doc, node, 0, 100000, &days, &err))
        return false;
    filter->from_s = clock_wall_us() / 1000000 - (int64_t)days * 86400;
    return true;
}

static const struct condition {
    const char *name;
    bool of_time, negated;
    bool (*read)(const struct json_doc *doc, uint32_t value, struct filter *filter);
    const char *expects;
} conditions[] = {
    {"IN", false, false, read_names, "a list of texts"},
    {"NOT IN", false, true, read_names, "a list of texts"},
    {"=", false, false, read_name, "a text"},
    {"=", true, false, read_at, "a time such as \"2026-01-31 09:13:59\""},
    {"!=", true, true, read_at, "a time such as \"2026-01-31 09:13:59\""},
    {"<", true, false, read_before, "a time such as \"2026-01-31 09:13:59\""},
    {">", true, false, read_after, "a time such as \"2026-01-31 09:13:59\""},
    {"BETWEEN", true, false, read_between, "two times such as \"2026-01-31 09:13:59\""},
    {"NOT BETWEEN", true, true, read_between, "two times such as \"2026-01-31 09:13:59\""},
    {"SINCE LAST N DAYS", true, false, read_days, "a number of days"},
};

static const struct property *find_property(const struct call *call, const char *name)
{
    for (size_t i = 0; i < COUNT_OF(properties); i++)
        if (strcmp(properties[i].name, name) == 0 && properties[i].kinds & 1u << call->route->kind)
            return &properties[i];
    return NULL;
}

static const struct condition *find_condition(const struct property *property, const char *name)
{
    bool of_time = property && property->subject >= SUBJECT_CREATED;
    for (size_t i = 0; property && i < COUNT_OF(conditions); i++)
        if (strcmp(conditions[i].name, name) == 0 && conditions[i].of_time == of_time)
            return &conditions[i];
    return NULL;
}

/* What a list's call asks for. */
struct list {
    size_t limit, page;
    bool by_cursor, with_count;
    const char *after;
    struct filter *filters;
    size_t filter_count, filter_cap;
};

static bool read_filter(struct call *call, const struct json_doc *doc, uint32_t node, const char *name,
                        struct list *list)
{
    char *operator_name = json_string_dup(doc, json_get(doc, node, "operator"));
    if (!operator_name)
        return refuse(call, 422, "Operator is missing for the property \"%.100s\".", name);
    const struct property *property = find_property(call, name);
    const struct condition *condition = find_condition(property, operator_name);
    if (!condition)
        refuse(call, 422,
               "Filter on property \"%.100s\" is not supported or does not support operator \"%.100s\"", name,
               operator_name);
    free(operator_name);
    if (!condition)
        return false;
    list->filters = mem_grow(list->filters, &list->filter_cap, list->filter_count, sizeof *list->filters);
    struct filter *filter = &list->filters[list->filter_count++];
    *filter = (struct filter){property->subject, condition->negated, {0}, INT64_MIN, INT64_MAX};
    return condition->read(doc, json_get(doc, node, "value"), filter) ||
           refuse(call, 422, "Property \"%s\" with operator \"%s\" expects %s as value.", name,
                  condition->name, condition->expects);
}

static bool read_filters(struct call *call, const struct json_doc *doc, uint32_t property, struct list *list)
{
    struct buf scratch, name;
    buf_init(&scratch, BODY_BYTES_MAX);
    buf_init(&name, BODY_BYTES_MAX);
    buf_put_span(&name, json_key(doc, property, &scratch));
    bool ok = (json_type(doc, property) == JSON_ARRAY && json_count(doc, property)) ||
              refuse(call, 422,
                     "Structure of filter \"%.100s\" should be {\"%.100s\":[{\"operator\":…,\"value\":…}]}",
                     buf_text(&name), buf_text(&name));
    for (uint32_t node = json_first(doc, property); ok && node != JSON_NONE; node = json_next(doc, node))
        ok = read_filter(call, doc, node, buf_text(&name), list);
    buf_reset(&scratch);
    buf_reset(&name);
    return ok;
}

static bool read_search(struct call *call, struct list *list)
{
    const char *text = httpd_query(call->request, "search");
    if (!text)
        return true;
    struct json_doc doc = {0};
    struct err err;
    bool ok = json_parse(&doc, "search", span_of(text), JSON_STRICT, &err) ||
              refuse(call, 400, "Search query parameter should be valid JSON.");
    /* PHP writes [] where it has no filters. */
    ok = ok && (json_type(&doc, JSON_ROOT) == JSON_OBJECT ||
                (json_type(&doc, JSON_ROOT) == JSON_ARRAY && !json_count(&doc, JSON_ROOT)) ||
                refuse(call, 422, "Search query parameter has to be an object of filters by property."));
    for (uint32_t n = ok ? json_first(&doc, JSON_ROOT) : JSON_NONE; ok && n != JSON_NONE;
         n = json_next(&doc, n))
        ok = read_filters(call, &doc, n, list);
    json_reset(&doc);
    return ok;
}

static bool passes(const struct pim *pim, const struct filter *filter, const struct stock_entry *entry)
{
    bool in;
    if (filter->subject < SUBJECT_CREATED) {
        in = intern_find(&filter->names, span_of(entry->names[filter->subject])) != INTERN_NONE;
    } else {
        uint64_t changed_us = filter->subject == SUBJECT_UPDATED ? entry->state.changed_us : 0;
        int64_t time_s = plan_wall_us(pim->plan, changed_us, pim->wall_start_us) / 1000000;
        in = filter->from_s <= time_s && time_s <= filter->to_s;
    }
    return in != filter->negated;
}

static bool passes_all(const struct pim *pim, const struct list *list, const struct stock_entry *entry)
{
    bool ok = entry->there;
    for (size_t i = 0; ok && i < list->filter_count; i++)
        ok = passes(pim, &list->filters[i], entry);
    return ok;
}

/* ---- lists --------------------------------------------------------------------------------- */

static bool read_count(struct call *call, const char *name, size_t *n)
{
    const char *text = httpd_query(call->request, name);
    if (!text)
        return true;
    size_t len = strlen(text);
    if (!len || len > 9 || strspn(text, "0123456789") != len || !(*n = strtoul(text, NULL, 10)))
        return refuse(call, 422, "\"%.100s\" is not a valid %s number.", text, name);
    return true;
}

static bool read_list(struct call *call, struct list *list)
{
    const char *type = httpd_query(call->request, "pagination_type");
    const char *with_count = httpd_query(call->request, "with_count");
    list->limit = LIMIT_DEFAULT;
    list->page = 1;
    list->by_cursor = type && strcmp(type, "search_after") == 0;
    list->after = list->by_cursor ? httpd_query(call->request, "search_after") : NULL;
    list->with_count = !list->by_cursor && with_count && strcmp(with_count, "true") == 0;
    if (type && !list->by_cursor && strcmp(type, "page") != 0)
        return refuse(call, 422, "Pagination type \"%.100s\" does not exist.", type);
    if (!read_count(call, "limit", &list->limit) ||
        (!list->by_cursor && !read_count(call, "page", &list->page)))
        return false;
    if (list->limit > LIMIT_MAX)
        return refuse(call, 422, "You cannot request more than %d items.", LIMIT_MAX);
    if (list->page > OFFSET_MAX / list->limit)
        return refuse(
            call, 422,
            "There is no page %zu with the \"page\" pagination type, which ends after %d items. Use "
            "\"search_after\".",
            list->page, OFFSET_MAX);
    return read_search(call, list);
}

/* What of it is on the page. */
struct page {
    const struct stock_entry *entries[LIMIT_MAX];
    size_t count, matching; /* matching: all of them only when they are to be counted */
    const char *last;       /* the key of the last: the cursor to what follows */
    bool more;
};

/* The first entry whose key comes after the cursor. */
static size_t first_after(struct stock_entry *const *sorted, size_t count, const char *cursor)
{
    size_t low = 0, high = cursor ? count : 0;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(sorted[middle]->key, cursor) > 0)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static void find_page(const struct call *call, const struct list *list, struct page *page)
{
    size_t count, skipped = (list->page - 1) * list->limit;
    struct stock_entry *const *sorted = stock_list(call->pim->stock, call->route->kind, &count);
    *page = (struct page){0};
    for (size_t i = first_after(sorted, count, list->after); i < count; i++) {
        if (!passes_all(call->pim, list, sorted[i]) || page->matching++ < skipped)
            continue;
        if (page->count == list->limit) {
            page->more = true;
        } else {
            page->entries[page->count++] = sorted[i];
            page->last = sorted[i]->key;
        }
        if (page->more && !list->with_count)
            return;
    }
}

/* A list's link: what was asked for, from another place on. */
static void put_list_link(const struct call *call, struct json_writer *w, const char *name,
                          const char *place_name, const char *place)
{
    static const char *const kept[] = {"search",     "scope",           "locales", "attributes",
                                       "with_count", "pagination_type", "limit"};
    struct buf query;
    buf_init(&query, BODY_BYTES_MAX);
    if (place)
        buf_printf(&query, "?%s=", place_name), buf_put_escaped(&query, place);
    for (size_t i = 0; i < COUNT_OF(kept); i++) {
        const char *value = httpd_query(call->request, kept[i]);
        if (value)
            buf_printf(&query, "%c%s=", query.len ? '&' : '?', kept[i]), buf_put_escaped(&query, value);
    }
    put_link(call, w, name, NULL, buf_span(&query));
    buf_reset(&query);
}

static void put_page_link(const struct call *call, struct json_writer *w, const char *name, size_t page)
{
    char number[24];
    snprintf(number, sizeof number, "%zu", page);
    put_list_link(call, w, name, "page", number);
}

static void put_links(const struct call *call, struct json_writer *w, const struct list *list,
                      const struct page *page)
{
    json_open(w, "_links", '{');
    if (list->by_cursor) {
        put_list_link(call, w, "self", "search_after", list->after);
        put_list_link(call, w, "first", "search_after", NULL);
        if (page->more)
            put_list_link(call, w, "next", "search_after", page->last);
    } else {
        put_page_link(call, w, "self", list->page);
        put_page_link(call, w, "first", 1);
        if (list->page > 1)
            put_page_link(call, w, "previous", list->page - 1);
        if (page->more)
            put_page_link(call, w, "next", list->page + 1);
    }
    json_close(w, '}');
}

/* An item of a list: its resource, and a link to it in front. */
static void put_item(const struct call *call, struct json_writer *w, const struct stock_entry *entry)
{
    struct buf resource;
    buf_init(&resource, FILE_BYTES_MAX);
    plan_put_resource(call->pim->plan, &entry->state, call->pim->wall_start_us, &resource);
    json_open(w, NULL, '{');
    json_open(w, "_links", '{');
    put_link(call, w, "self", entry->names[call->route->key], span_of(""));
    json_close(w, '}');
    buf_putc(w->out, ','); /* an entity has a name at least */
    buf_put(w->out, resource.data + 1, resource.len - 2);
    json_close(w, '}');
    buf_reset(&resource);
}

static void put_list(struct call *call, const struct list *list, const struct page *page)
{
    struct json_writer w;
    json_begin(&w, &call->body, false);
    json_open(&w, NULL, '{');
    put_links(call, &w, list, page);
    if (!list->by_cursor)
        json_put_u64(&w, "current_page", list->page);
    if (list->with_count)
        json_put_u64(&w, "items_count", page->matching);
    json_open(&w, "_embedded", '{');
    json_open(&w, "items", '[');
    for (size_t i = 0; i < page->count; i++)
        put_item(call, &w, page->entries[i]);
    json_close(&w, ']');
    json_close(&w, '}');
    json_close(&w, '}');
}

static bool answer_list(struct call *call)
{
    struct list list = {0};
    bool ok = read_list(call, &list);
    if (ok) {
        struct page page;
        find_page(call, &list, &page);
        put_list(call, &list, &page);
    }
    for (size_t i = 0; i < list.filter_count; i++)
        interns_reset(&list.filters[i].names);
    free(list.filters);
    return ok;
}

static bool answer_one(struct call *call)
{
    const struct pim *pim = call->pim;
    const struct stock_entry *entry = stock_find(pim->stock, call->route->kind, call->route->key, call->key);
    if (!entry)
        return refuse(call, 404, "%s \"%.200s\" does not exist or you do not have permission to access it.",
                      call->route->entity, call->key);
    plan_put_resource(pim->plan, &entry->state, pim->wall_start_us, &call->body);
    return true;
}

/* ---- tokens -------------------------------------------------------------------------------- */

/* What follows the scheme in the header Authorization; NULL: another scheme, or none. */
static const char *credentials(const struct call *call, const char *scheme)
{
    const char *header = httpd_header(call->request, "Authorization");
    size_t len = strlen(scheme);
    if (!header || strncasecmp(header, scheme, len) != 0 || header[len] != ' ')
        return NULL;
    return header + len + strspn(header + len, " ");
}

static bool is_base64(const char *text)
{
    size_t len = text ? strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=") : 0;
    return len && !text[len];
}

static bool has_type(const struct call *call, const char *type)
{
    const char *header = httpd_header(call->request, "Content-Type");
    return header && strncasecmp(header, type, strlen(type)) == 0;
}

static void put_token(struct pim *pim, struct json_writer *w, const char *key, struct interns *handed_out)
{
    struct buf token;
    buf_init(&token, 128);
    for (size_t i = 0; i < 5; i++)
        buf_printf(&token, "%016llx", (unsigned long long)rng_u64(&pim->rng));
    intern(handed_out, buf_span(&token));
    json_put_bytes(w, key, buf_span(&token));
    buf_reset(&token);
}

static void put_tokens(struct call *call)
{
    struct json_writer w;
    json_begin(&w, &call->body, false);
    json_open(&w, NULL, '{');
    put_token(call->pim, &w, "access_token", &call->pim->tokens);
    json_put_u64(&w, "expires_in", TOKEN_LASTS_S);
    json_put(&w, "token_type", "bearer");
    json_put(&w, "scope", NULL);
    put_token(call->pim, &w, "refresh_token", &call->pim->refresh_tokens);
    json_close(&w, '}');
}

enum field { FIELD_GRANT, FIELD_USER, FIELD_PASSWORD, FIELD_REFRESH, FIELD_COUNT };

/* What each field says; "" where it is missing. */
static bool read_fields(struct call *call, char *fields[FIELD_COUNT])
{
    static const char *const names[FIELD_COUNT] = {"grant_type", "username", "password", "refresh_token"};
    struct json_doc doc = {0};
    struct err err;
    bool form = has_type(call, "application/x-www-form-urlencoded");
    bool ok = form || json_parse(&doc, "body", httpd_body(call->request), JSON_STRICT, &err) ||
              refuse(call, 400, "Invalid json message received");
    for (size_t i = 0; ok && i < FIELD_COUNT; i++) {
        fields[i] = form ? httpd_field(call->request, names[i])
                         : json_string_dup(&doc, json_get(&doc, JSON_ROOT, names[i]));
        if (!fields[i])
            fields[i] = mem_text("");
    }
    json_reset(&doc);
    return ok;
}

static bool check_grant(struct call *call, char *const fields[FIELD_COUNT])
{
    if (strcmp(fields[FIELD_GRANT], "refresh_token") == 0)
        return intern_find(&call->pim->refresh_tokens, span_of(fields[FIELD_REFRESH])) != INTERN_NONE ||
               refuse(call, 422, "Refresh token is invalid or has expired");
    return (strcmp(fields[FIELD_GRANT], "password") == 0 && *fields[FIELD_USER] && *fields[FIELD_PASSWORD]) ||
           refuse(call, 422,
                  "Parameter \"grant_type\", \"username\" or \"password\" is missing, empty or invalid");
}

static bool answer_token(struct call *call)
{
    char *fields[FIELD_COUNT] = {NULL};
    if (strcmp(httpd_method(call->request), "POST") != 0)
        return refuse(call, 405, "Method Not Allowed (Allow: POST)");
    if (!has_type(call, "application/json") && !has_type(call, "application/x-www-form-urlencoded"))
        return refuse(call, 415,
                      "The 'Content-type' header has to be 'application/json' or "
                      "'application/x-www-form-urlencoded'.");
    if (!is_base64(credentials(call, "Basic")))
        return refuse(
            call, 422,
            "Parameter \"client_id\" is missing or does not match any client, or secret is invalid");
    bool ok = read_fields(call, fields) && check_grant(call, fields);
    if (ok)
        put_tokens(call);
    for (size_t i = 0; i < FIELD_COUNT; i++)
        free(fields[i]);
    return ok;
}

/* ---- routes -------------------------------------------------------------------------------- */

static bool is_allowed(struct call *call)
{
    const char *token = credentials(call, "Bearer"), *method = httpd_method(call->request);
    if (!token)
        return refuse(call, 401, "Authentication is required");
    if (intern_find(&call->pim->tokens, span_of(token)) == INTERN_NONE)
        return refuse(call, 401, "The access token provided is invalid.");
    return strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0 ||
           refuse(call, 403, "Access forbidden. This PIM can only be read.");
}

static bool answer_entities(struct call *call)
{
    return is_allowed(call) && (call->key ? answer_one(call) : answer_list(call));
}

static const struct route routes[] = {
    {"/api/oauth/v1/token", answer_token, ENTITY_OTHER, STOCK_NAME_COUNT, NULL},
    {"/api/rest/v1/products-uuid", answer_entities, ENTITY_PRODUCT, STOCK_UUID, "Product"},
    {"/api/rest/v1/products", answer_entities, ENTITY_PRODUCT, STOCK_CODE, "Product"},
    {"/api/rest/v1/product-models", answer_entities, ENTITY_PRODUCT_MODEL, STOCK_CODE, "Product model"},
};

static bool find_route(struct call *call)
{
    const char *path = httpd_path(call->request);
    for (size_t i = 0; i < COUNT_OF(routes); i++) {
        size_t len = strlen(routes[i].path);
        if (strncmp(path, routes[i].path, len) != 0)
            continue;
        bool one = path[len] == '/' && path[len + 1] && routes[i].entity;
        if (path[len] && !one)
            continue;
        call->route = &routes[i];
        call->key = one ? path + len + 1 : NULL;
        return true;
    }
    return refuse(call, 404, "No route found for \"%s %.200s\"", httpd_method(call->request), path);
}

static void tell(const struct call *call)
{
    struct buf target;
    buf_init(&target, BODY_BYTES_MAX);
    httpd_put_target(call->request, &target);
    if (target.len > TARGET_BYTES_MAX) {
        size_t end = TARGET_BYTES_MAX; /* or before the character that is cut there */
        while (end && (target.data[end] & 0xc0) == 0x80)
            end--;
        target.data[end] = '\0';
    }
    call->pim->called(call->pim->called_arg, httpd_method(call->request), buf_text(&target), call->status);
    buf_reset(&target);
}

static void handle(void *arg, struct httpd_request *request)
{
    struct pim *pim = arg;
    struct call call = {.pim = pim, .request = request, .status = 200};
    buf_init(&call.body, FILE_BYTES_MAX);
    if (find_route(&call) && call.route->answer(&call) && !buf_ok(&call.body)) {
        buf_reset(&call.body);
        refuse(&call, 500, "The answer has more than %u bytes.", FILE_BYTES_MAX);
    }
    if (pim->called)
        tell(&call);
    httpd_answer(request, call.status, (const char *const[]){"Content-Type: application/json"}, 1,
                 buf_span(&call.body));
    buf_reset(&call.body);
}

/* ---- life ---------------------------------------------------------------------------------- */

bool pim_open(struct pim **pim, struct loop *loop, uint16_t port, struct err *err)
{
    struct pim *made = mem_alloc(sizeof *made);
    const struct httpd_options options = {.address = "127.0.0.1",
                                          .port = port,
                                          .body_bytes_max = BODY_BYTES_MAX,
                                          .handler = handle,
                                          .arg = made};
    rng_init(&made->rng, rng_seed_fresh(), "pim tokens");
    *pim = NULL;
    if (!httpd_open(&made->httpd, loop, &options, err)) {
        free(made);
        return err_wrap(err, "the PIM");
    }
    *pim = made;
    return true;
}

void pim_close(struct pim *pim)
{
    if (!pim)
        return;
    httpd_close(pim->httpd);
    stock_free(pim->stock);
    interns_reset(&pim->tokens);
    interns_reset(&pim->refresh_tokens);
    free(pim);
}

uint16_t pim_port(const struct pim *pim)
{
    return pim ? httpd_port(pim->httpd) : 0;
}

void pim_on_call(struct pim *pim, pim_call_fn *called, void *arg)
{
    if (!pim)
        return;
    pim->called = called;
    pim->called_arg = arg;
}

void pim_show(struct pim *pim, const struct plan *plan, unsigned past, int64_t wall_start_us)
{
    if (!pim)
        return;
    stock_free(pim->stock);
    pim->stock = plan ? stock_new(plan, past) : NULL;
    pim->plan = plan;
    pim->wall_start_us = wall_start_us;
}

void pim_advance(struct pim *pim, enum universe universe, uint64_t changed_us)
{
    if (pim)
        stock_advance(pim->stock, universe, changed_us);
}
