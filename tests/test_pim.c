/* The fake PIM over real sockets: what it holds at which moment, how it lists and filters, and what it
 * refuses. What a product is like is compared with the events of the same plan. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "json.h"
#include "limits.h"
#include "pim.h"
#include "planning.h"
#include "talk.h"

#define WALL_START_US (INT64_C(1780000000) * 1000000) /* 2026-05-28T20:26:40Z */
#define UUIDS         "/api/rest/v1/products-uuid"
#define IDENTIFIERS   "/api/rest/v1/products"
#define MODELS        "/api/rest/v1/product-models"
#define TOKEN         "/api/oauth/v1/token"
#define JSON          "Content-Type: application/json\r\n"
#define FORM          "Content-Type: application/x-www-form-urlencoded\r\n"
#define BASIC         "Authorization: Basic aWQ6c2VjcmV0\r\n"

/* Created, changed twice, gone. */
#define LIFE                                                                                                 \
    "\"stream\":[{\"event\":\"product.created\",\"entities\":1,\"catalog\":true},"                           \
    "{\"event\":\"product.updated\",\"times\":2,\"catalog\":true},"                                          \
    "{\"event\":\"product.removed\",\"catalog\":true}]"
#define MANY       "\"stream\":[{\"event\":\"product.created\",\"entities\":25,\"catalog\":true}]"
#define EVERYTHING UINT64_MAX

struct desk {
    struct loop *loop;
    struct pim *pim;
    struct talk talk;
    struct planning planning;
    struct json_doc doc;
    char bearer[256]; /* the header's whole line */
    unsigned calls, status;
    char target[1024], method[16];
};

static void note_call(void *arg, const char *method, const char *target, unsigned status)
{
    struct desk *desk = arg;
    desk->calls++;
    desk->status = status;
    snprintf(desk->method, sizeof desk->method, "%s", method);
    snprintf(desk->target, sizeof desk->target, "%s", target);
}

/* ---- asking -------------------------------------------------------------------------------- */

/* A member of the last answer as it is spelled, without quotes; "" where there is none. */
static const char *answered(struct desk *desk, const char *pointer)
{
    static char text[4096];
    struct err err;
    struct span body = {desk->talk.body, desk->talk.body_bytes};
    if (!json_parse(&desk->doc, "answer", body, JSON_STRICT, &err))
        fail_msg("%s", err.text);
    uint32_t node = json_pointer(&desk->doc, pointer);
    struct span raw = json_raw(&desk->doc, node);
    bool quoted = json_type(&desk->doc, node) == JSON_STRING;
    snprintf(text, sizeof text, "%.*s", (int)raw.len - 2 * quoted, raw.len ? raw.data + quoted : "");
    return text;
}

static unsigned post(struct desk *desk, const char *headers, const char *body)
{
    return talk_request(&desk->talk, "POST", TOKEN, headers, span_of(body));
}

static unsigned get(struct desk *desk, const char *path)
{
    return talk_request(&desk->talk, "GET", path, desk->bearer, span_of(""));
}

static void put_escaped(struct buf *out, const char *text)
{
    for (; *text; text++)
        buf_printf(out, "%%%02X", (unsigned char)*text);
}

static unsigned get_search(struct desk *desk, const char *path, const char *search, const char *rest)
{
    struct buf target;
    buf_init(&target, 1 << 20);
    buf_printf(&target, "%s?search=", path);
    put_escaped(&target, search);
    buf_puts(&target, rest);
    unsigned status = get(desk, buf_text(&target));
    buf_reset(&target);
    return status;
}

/* How many items the search finds. */
static size_t found(struct desk *desk, const char *path, const char *search)
{
    if (get_search(desk, path, search, "&limit=100") != 200)
        fail_msg("%s", desk->talk.body);
    answered(desk, "");
    return json_count(&desk->doc, json_pointer(&desk->doc, "/_embedded/items"));
}

static void refuses(struct desk *desk, const char *path, unsigned status, const char *in_message)
{
    char code[16];
    snprintf(code, sizeof code, "%u", status);
    assert_int_equal(get(desk, path), status);
    assert_string_equal(answered(desk, "/code"), code);
    if (!strstr(answered(desk, "/message"), in_message))
        fail_msg("%s: %s", path, desk->talk.body);
}

static void refuses_search(struct desk *desk, const char *path, const char *search, unsigned status,
                           const char *in_message)
{
    assert_int_equal(get_search(desk, path, search, ""), status);
    if (!strstr(answered(desk, "/message"), in_message))
        fail_msg("%s: %s", search, desk->talk.body);
}

/* ---- opening ------------------------------------------------------------------------------- */

static void desk_open(struct desk *desk, const char *scenario, enum platform_id platform)
{
    struct err err;
    *desk = (struct desk){.planning = planning_of(scenario, platform, 7)};
    assert_true(loop_new(&desk->loop, &err));
    assert_true(pim_open(&desk->pim, desk->loop, 0, &err));
    pim_on_call(desk->pim, note_call, desk);
    pim_show(desk->pim, desk->planning.plan, 0, WALL_START_US);
    talk_open(&desk->talk, desk->loop, pim_port(desk->pim));
    assert_int_equal(
        post(desk, JSON BASIC, "{\"grant_type\":\"password\",\"username\":\"u\",\"password\":\"p\"}"), 200);
    snprintf(desk->bearer, sizeof desk->bearer, "Authorization: Bearer %s\r\n",
             answered(desk, "/access_token"));
}

static void desk_close(struct desk *desk)
{
    talk_close(&desk->talk);
    pim_close(desk->pim);
    loop_free(desk->loop);
    json_reset(&desk->doc);
    planning_reset(&desk->planning);
}

/* Where the entity of the plan's n-th item is. */
static const char *place_of(const struct desk *desk, const char *path, size_t n)
{
    static char place[256];
    struct entity entity;
    plan_entity(desk->planning.plan, &desk->planning.plan->items[n], &entity);
    snprintf(place, sizeof place, "%s/%s", path, strcmp(path, UUIDS) == 0 ? entity.uuid : entity.code);
    return place;
}

/* ---- what it holds --------------------------------------------------------------------------- */

/* The same value, whatever way it is spelled. */
static void assert_same_json(struct span a, struct span b)
{
    struct span texts[2] = {a, b};
    struct buf spelled[2];
    for (size_t i = 0; i < 2; i++) {
        struct json_doc doc = {0};
        struct err err;
        buf_init(&spelled[i], FILE_BYTES_MAX);
        assert_true(json_parse(&doc, "text", texts[i], JSON_STRICT, &err));
        assert_true(json_respell(&doc, JSON_ROOT, &JSON_STYLE_PLAIN, &spelled[i], &err));
        json_reset(&doc);
    }
    assert_string_equal(buf_text(&spelled[0]), buf_text(&spelled[1]));
    buf_reset(&spelled[0]);
    buf_reset(&spelled[1]);
}

/* The PIM says of the entity what the event of the change says. */
static void assert_as_event(struct desk *desk, size_t n)
{
    struct planning *p = &desk->planning;
    struct json_doc doc = {0};
    struct err err;
    struct buf event;
    buf_init(&event, FILE_BYTES_MAX);
    plan_render(p->plan, &p->plan->items[n], &p->settings, WALL_START_US, &event);
    assert_true(json_parse(&doc, "event", buf_span(&event), JSON_STRICT, &err));
    assert_int_equal(get(desk, place_of(desk, UUIDS, n)), 200);
    assert_same_json((struct span){desk->talk.body, desk->talk.body_bytes},
                     json_raw(&doc, json_pointer(&doc, "/data/resource")));
    json_reset(&doc);
    buf_reset(&event);
}

static void test_pim_moves_from_change_to_change(void **state)
{
    (void)state;
    struct desk desk;
    desk_open(&desk, SCENARIO(LIFE), PLATFORM_EVENTS_API);
    const struct plan *plan = desk.planning.plan;
    refuses(&desk, place_of(&desk, UUIDS, 0), 404, "does not exist");
    for (size_t i = 0; i < 3; i++) {
        pim_advance(desk.pim, UNIVERSE_B, plan->items[i].changed_us);
        assert_as_event(&desk, i);
    }
    pim_advance(desk.pim, UNIVERSE_B, plan->items[0].changed_us); /* it never goes back */
    assert_as_event(&desk, 2);
    assert_int_equal(found(&desk, UUIDS, "{}"), 1);
    pim_advance(desk.pim, UNIVERSE_B, plan->items[3].changed_us);
    refuses(&desk, place_of(&desk, UUIDS, 0), 404, "does not exist");
    refuses(&desk, place_of(&desk, IDENTIFIERS, 0), 404, "does not exist");
    assert_int_equal(found(&desk, UUIDS, "{}"), 0);
    desk_close(&desk);
}

static void test_pim_knows_a_product_by_uuid_and_identifier(void **state)
{
    (void)state;
    struct desk desk;
    desk_open(&desk, SCENARIO(LIFE), PLATFORM_AEP);
    struct entity entity;
    plan_entity(desk.planning.plan, desk.planning.plan->items, &entity);
    pim_advance(desk.pim, UNIVERSE_B, 0);
    assert_int_equal(get(&desk, place_of(&desk, UUIDS, 0)), 200);
    assert_string_equal(answered(&desk, "/uuid"), entity.uuid);
    assert_string_equal(answered(&desk, "/identifier"), entity.code);
    assert_int_equal(get(&desk, place_of(&desk, IDENTIFIERS, 0)), 200);
    assert_string_equal(answered(&desk, "/uuid"), entity.uuid);
    refuses(&desk, "/api/rest/v1/products-uuid/nobody", 404, "nobody");
    desk_close(&desk);
}

static void test_pim_had_what_is_first_updated_or_removed(void **state)
{
    (void)state;
    struct desk desk;
    desk_open(&desk,
              SCENARIO("\"stream\":[{\"event\":\"product.updated\",\"entities\":1,\"catalog\":true},"
                       "{\"event\":\"product_model.removed\",\"entities\":1}]"),
              PLATFORM_AEP);
    assert_int_equal(get(&desk, place_of(&desk, UUIDS, 0)), 200);
    char before[64];
    snprintf(before, sizeof before, "%s", answered(&desk, "/updated"));
    assert_string_equal(before, answered(&desk, "/created"));
    assert_int_equal(found(&desk, MODELS, "{}"), 1);
    assert_int_equal(get(&desk, place_of(&desk, MODELS, 1)), 200);
    pim_advance(desk.pim, UNIVERSE_B, EVERYTHING);
    assert_int_equal(found(&desk, UUIDS, "{}"), 1);
    refuses(&desk, place_of(&desk, MODELS, 1), 404, "Product model");
    desk_close(&desk);
}

static void test_pim_holds_the_past_of_a_universe_at_once(void **state)
{
    (void)state;
    struct desk desk;
    desk_open(&desk, EFFECTS(MANY), PLATFORM_AEP);
    assert_int_equal(found(&desk, UUIDS, "{}"), 0);
    pim_show(desk.pim, desk.planning.plan, 1u << UNIVERSE_A | 1u << UNIVERSE_A2, WALL_START_US);
    assert_int_equal(found(&desk, UUIDS, "{}"), 50);
    pim_advance(desk.pim, UNIVERSE_B, EVERYTHING);
    assert_int_equal(found(&desk, UUIDS, "{}"), 75);
    pim_show(desk.pim, NULL, 0, 0);
    assert_int_equal(found(&desk, UUIDS, "{}"), 0);
    desk_close(&desk);
}

static void test_pim_has_a_clock_for_each_universe(void **state)
{
    (void)state;
    struct desk desk;
    desk_open(&desk, EFFECTS(LIFE), PLATFORM_AEP);
    pim_show(desk.pim, desk.planning.plan, 1u << UNIVERSE_A, WALL_START_US);
    assert_int_equal(found(&desk, UUIDS, "{}"), 0); /* A is gone by then, the others are not yet made */
    pim_advance(desk.pim, UNIVERSE_B, 0);
    assert_int_equal(found(&desk, UUIDS, "{}"), 1);
    pim_advance(desk.pim, UNIVERSE_B, EVERYTHING); /* B is gone, and A' begins */
    pim_advance(desk.pim, UNIVERSE_A2, 0);
    assert_int_equal(found(&desk, UUIDS, "{}"), 1);
    desk_close(&desk);
}

static void test_pim_holds_what_no_event_tells_of(void **state)
{
    (void)state;
    struct desk desk;
    desk_open(&desk, SCENARIO(MANY ",\"faults\":[{\"drop\":{\"share\":1}}]"), PLATFORM_AEP);
    assert_int_equal(desk.planning.plan->count, 0);
    pim_advance(desk.pim, UNIVERSE_B, EVERYTHING);
    assert_int_equal(found(&desk, UUIDS, "{}"), 25);
    desk_close(&desk);
}

static void test_pim_serves_entities_without_a_catalogue(void **state)
{
    (void)state;
    static const char text[] = SCENARIO("\"stream\":[{\"event\":\"product.created\",\"entities\":1},"
                                        "{\"event\":\"product_model.created\",\"entities\":1}]");
    for (enum platform_id platform = 0; platform < PLATFORM_COUNT; platform++) {
        struct desk desk;
        desk_open(&desk, text, platform);
        pim_advance(desk.pim, UNIVERSE_B, EVERYTHING);
        assert_int_equal(get(&desk, place_of(&desk, UUIDS, 0)), 200);
        assert_int_equal(strlen(answered(&desk, "/uuid")), UUID_SIZE - 1);
        assert_string_equal(answered(&desk, "/created"), "2026-05-28T20:26:38+00:00");
        assert_int_equal(get(&desk, place_of(&desk, MODELS, 1)), 200);
        assert_string_not_equal(answered(&desk, "/code"), "");
        assert_int_equal(found(&desk, MODELS, "{}"), 1);
        desk_close(&desk);
    }
}

/* ---- lists ----------------------------------------------------------------------------------- */

/* The path and query of a link, "" where there is none. */
static const char *link_to(struct desk *desk, const char *name)
{
    static char target[4096];
    char pointer[64], base[64];
    snprintf(pointer, sizeof pointer, "/_links/%s/href", name);
    snprintf(target, sizeof target, "%s", answered(desk, pointer));
    snprintf(base, sizeof base, "http://localhost/");
    if (!*target)
        return "";
    assert_int_equal(strncmp(target, base, strlen(base)), 0);
    return target + strlen(base) - 1;
}

/* Follow the links "next" and count; every key is greater than the one before, over all pages. */
static size_t walk(struct desk *desk, const char *first, size_t *pages)
{
    char target[4096], last[64] = "";
    size_t count = 0;
    snprintf(target, sizeof target, "%s", first);
    for (*pages = 0; *target; ++*pages) {
        assert_int_equal(get(desk, target), 200);
        answered(desk, "");
        uint32_t items = json_pointer(&desk->doc, "/_embedded/items");
        for (uint32_t n = json_first(&desk->doc, items); n != JSON_NONE; n = json_next(&desk->doc, n)) {
            char *uuid = json_string_dup(&desk->doc, json_get(&desk->doc, n, "uuid"));
            assert_true(strcmp(uuid, last) > 0);
            snprintf(last, sizeof last, "%s", uuid);
            free(uuid);
            count++;
        }
        snprintf(target, sizeof target, "%s", link_to(desk, "next"));
    }
    return count;
}

static void test_pim_lists_page_by_page(void **state)
{
    (void)state;
    struct desk desk;
    size_t pages;
    desk_open(&desk, SCENARIO(MANY), PLATFORM_AEP);
    pim_advance(desk.pim, UNIVERSE_B, EVERYTHING);
    assert_int_equal(walk(&desk, UUIDS, &pages), 25);
    assert_int_equal(pages, 3);
    assert_int_equal(walk(&desk, UUIDS "?limit=5&pagination_type=page", &pages), 25);
    assert_int_equal(pages, 5);
    assert_int_equal(walk(&desk, UUIDS "?limit=5&pagination_type=search_after", &pages), 25);
    assert_int_equal(pages, 5);
    assert_int_equal(walk(&desk, IDENTIFIERS "?limit=100", &pages), 25);
    assert_int_equal(pages, 1);
    desk_close(&desk);
}

static void test_pim_tells_where_a_page_stands(void **state)
{
    (void)state;
    struct desk desk;
    desk_open(&desk, SCENARIO(MANY), PLATFORM_AEP);
    pim_advance(desk.pim, UNIVERSE_B, EVERYTHING);
    assert_int_equal(get_search(&desk, UUIDS, "{\"uuid\":[{\"operator\":\"NOT IN\",\"value\":[\"ä b\"]}]}",
                                "&page=2&limit=10&with_count=true"),
                     200);
    assert_string_equal(answered(&desk, "/current_page"), "2");
    assert_string_equal(answered(&desk, "/items_count"), "25");
    assert_non_null(strstr(link_to(&desk, "self"), "?page=2&search=%7B%22uuid%22%3A%5B"));
    assert_non_null(strstr(link_to(&desk, "self"), "%C3%A4%20b"));
    assert_non_null(strstr(link_to(&desk, "self"), "&with_count=true&limit=10"));
    assert_non_null(strstr(link_to(&desk, "first"), "page=1&"));
    assert_non_null(strstr(link_to(&desk, "previous"), "page=1&"));
    assert_non_null(strstr(link_to(&desk, "next"), "page=3&"));
    assert_int_equal(get(&desk, link_to(&desk, "next")), 200);
    assert_string_equal(link_to(&desk, "next"), "");
    answered(&desk, "");
    assert_int_equal(json_count(&desk.doc, json_pointer(&desk.doc, "/_embedded/items")), 5);

    assert_int_equal(get(&desk, UUIDS "?page=9"), 200); /* past the end: nothing */
    answered(&desk, "");
    assert_int_equal(json_count(&desk.doc, json_pointer(&desk.doc, "/_embedded/items")), 0);

    assert_int_equal(get(&desk, UUIDS "?pagination_type=search_after&with_count=true"), 200);
    assert_string_equal(answered(&desk, "/current_page"), "");
    assert_string_equal(answered(&desk, "/items_count"), "");
    desk_close(&desk);
}

static void test_pim_links_each_item_to_itself(void **state)
{
    (void)state;
    struct desk desk;
    desk_open(&desk, SCENARIO(LIFE), PLATFORM_AEP);
    pim_advance(desk.pim, UNIVERSE_B, 0);
    for (size_t i = 0; i < 2; i++) {
        const char *path = i ? IDENTIFIERS : UUIDS;
        char expected[512];
        snprintf(expected, sizeof expected, "http://localhost%s", place_of(&desk, path, 0));
        assert_int_equal(get(&desk, path), 200);
        assert_string_equal(answered(&desk, "/_embedded/items/0/_links/self/href"), expected);
        assert_int_equal(strlen(answered(&desk, "/_embedded/items/0/uuid")), UUID_SIZE - 1);
    }
    desk_close(&desk);
}

/* ---- search ---------------------------------------------------------------------------------- */

#define FILTER(property, operator, value)                                                                    \
    "{\"" property "\":[{\"operator\":\"" operator"\",\"value\":" value "}]}"

static void test_pim_finds_by_name(void **state)
{
    (void)state;
    struct desk desk;
    struct entity a, b;
    char search[1024];
    desk_open(&desk, SCENARIO(MANY), PLATFORM_AEP);
    pim_advance(desk.pim, UNIVERSE_B, EVERYTHING);
    plan_entity(desk.planning.plan, &desk.planning.plan->items[3], &a);
    plan_entity(desk.planning.plan, &desk.planning.plan->items[4], &b);
    snprintf(search, sizeof search, FILTER("uuid", "IN", "[\"%s\",\"%s\",\"no\"]"), a.uuid, b.uuid);
    assert_int_equal(found(&desk, UUIDS, search), 2);
    assert_int_equal(found(&desk, IDENTIFIERS, search), 2);
    snprintf(search, sizeof search, FILTER("uuid", "NOT IN", "[\"%s\"]"), a.uuid);
    assert_int_equal(found(&desk, UUIDS, search), 24);
    snprintf(search, sizeof search, FILTER("identifier", "=", "\"%s\""), a.code);
    assert_int_equal(found(&desk, UUIDS, search), 1);
    assert_string_equal(answered(&desk, "/_embedded/items/0/uuid"), a.uuid);
    snprintf(search, sizeof search,
             "{\"uuid\":[{\"operator\":\"IN\",\"value\":[\"%s\",\"%s\"]},"
             "{\"operator\":\"NOT IN\",\"value\":[\"%s\"]}],"
             "\"identifier\":[{\"operator\":\"IN\",\"value\":[\"%s\",\"%s\"]}]}",
             a.uuid, b.uuid, a.uuid, a.code, b.code);
    assert_int_equal(found(&desk, UUIDS, search), 1);
    assert_string_equal(answered(&desk, "/_embedded/items/0/uuid"), b.uuid);
    assert_int_equal(found(&desk, UUIDS, FILTER("uuid", "IN", "[]")), 0);
    assert_int_equal(found(&desk, UUIDS, "[]"), 25);
    desk_close(&desk);
}

static void test_pim_finds_models_by_code(void **state)
{
    (void)state;
    struct desk desk;
    struct entity a;
    char search[512];
    desk_open(&desk,
              SCENARIO("\"stream\":[{\"event\":\"product_model.created\",\"entities\":5,\"catalog\":true}]"),
              PLATFORM_EVENTS_API);
    pim_advance(desk.pim, UNIVERSE_B, EVERYTHING);
    plan_entity(desk.planning.plan, &desk.planning.plan->items[2], &a);
    snprintf(search, sizeof search, FILTER("code", "IN", "[\"%s\"]"), a.code);
    assert_int_equal(found(&desk, MODELS, search), 1);
    assert_string_equal(answered(&desk, "/_embedded/items/0/code"), a.code);
    snprintf(search, sizeof search, FILTER("identifier", "NOT IN", "[\"%s\"]"), a.code);
    assert_int_equal(found(&desk, MODELS, search), 4);
    refuses_search(&desk, MODELS, FILTER("uuid", "IN", "[]"), 422, "uuid");
    desk_close(&desk);
}

/* Two products were created at 20:26:38; one that had been there was changed a second later. */
static void test_pim_finds_by_time(void **state)
{
    (void)state;
    static const struct {
        const char *search;
        size_t count;
    } cases[] = {
        {FILTER("updated", ">", "\"2026-05-28 20:26:38\""), 1},
        {FILTER("updated", ">", "\"2026-05-28 20:26:37\""), 3},
        {FILTER("updated", "<", "\"2026-05-28 20:26:38\""), 0},
        {FILTER("updated", "<", "\"2026-05-28 20:26:39\""), 2},
        {FILTER("updated", "=", "\"2026-05-28 20:26:39\""), 1},
        {FILTER("updated", "!=", "\"2026-05-28 20:26:39\""), 2},
        {FILTER("created", "=", "\"2026-05-28 20:26:38\""), 3},
        {FILTER("created", ">", "\"2026-05-28 20:26:38\""), 0},
        {FILTER("updated", "BETWEEN", "[\"2026-05-28 20:26:38\",\"2026-05-28 20:26:39\"]"), 3},
        {FILTER("updated", "NOT BETWEEN", "[\"2026-05-28 20:26:38\",\"2026-05-28 20:26:38\"]"), 1},
        {FILTER("updated", "SINCE LAST N DAYS", "36500"), 3},
    };
    struct desk desk;
    desk_open(&desk,
              SCENARIO("\"stream\":[{\"event\":\"product.created\",\"entities\":2,\"catalog\":true},"
                       "{\"event\":\"product.updated\",\"entities\":1,\"catalog\":true}]"),
              PLATFORM_AEP);
    pim_advance(desk.pim, UNIVERSE_B, EVERYTHING);
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        if (found(&desk, UUIDS, cases[i].search) != cases[i].count)
            fail_msg("%s", cases[i].search);
    pim_show(desk.pim, desk.planning.plan, 0, 0);
    pim_advance(desk.pim, UNIVERSE_B, EVERYTHING);
    assert_int_equal(found(&desk, UUIDS, FILTER("updated", "SINCE LAST N DAYS", "1")), 0);
    desk_close(&desk);
}

/* ---- refusals -------------------------------------------------------------------------------- */

static void test_pim_refuses_a_search_that_it_cannot_do(void **state)
{
    (void)state;
    static const struct {
        const char *search;
        unsigned status;
        const char *in_message;
    } cases[] = {
        {"", 400, "valid JSON"},
        {"{\"uuid\":", 400, "valid JSON"},
        {"\xff\xfe", 400, "valid JSON"},
        {"\"uuid\"", 422, "object"},
        {"[1]", 422, "object"},
        {"null", 422, "object"},
        {"{\"uuid\":\"x\"}", 422, "uuid"},
        {"{\"uuid\":[]}", 422, "uuid"},
        {"{\"uuid\":{\"operator\":\"IN\",\"value\":[]}}", 422, "uuid"},
        {"{\"uuid\":[7]}", 422, "Operator is missing"},
        {"{\"uuid\":[{\"value\":[]}]}", 422, "Operator is missing"},
        {"{\"uuid\":[{\"operator\":3,\"value\":[]}]}", 422, "Operator is missing"},
        {FILTER("no\\u0000such \xf0\x9f\x8c\xbf", "IN", "[]"), 422, "no"},
        {FILTER("price", "IN", "[]"), 422, "price"},
        {FILTER("code", "IN", "[]"), 422, "code"}, /* a model's */
        {FILTER("uuid", "CONTAINS", "\"a\""), 422, "CONTAINS"},
        {FILTER("updated", "IN", "[]"), 422, "IN"},
        {FILTER("uuid", "IN", "\"a\""), 422, "a list of texts"},
        {FILTER("uuid", "IN", "[\"a\",1]"), 422, "a list of texts"},
        {FILTER("identifier", "=", "[]"), 422, "a text"},
        {"{\"uuid\":[{\"operator\":\"IN\"}]}", 422, "a list of texts"},
        {FILTER("updated", ">", "\"yesterday\""), 422, "a time"},
        {FILTER("updated", ">", "\"2026-05-28T20:26:38\""), 422, "a time"},
        {FILTER("updated", ">", "\"2026-13-41 20:26:38\""), 422, "a time"},
        {FILTER("updated", ">", "1"), 422, "a time"},
        {FILTER("updated", "BETWEEN", "[\"2026-05-28 20:26:38\"]"), 422, "two times"},
        {FILTER("updated", "BETWEEN", "{}"), 422, "two times"},
        {FILTER("updated", "SINCE LAST N DAYS", "\"4\""), 422, "a number"},
        {FILTER("updated", "SINCE LAST N DAYS", "-1"), 422, "a number"},
        {FILTER("updated", "SINCE LAST N DAYS", "1e99"), 422, "a number"},
    };
    struct desk desk;
    desk_open(&desk, SCENARIO(LIFE), PLATFORM_AEP);
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        refuses_search(&desk, UUIDS, cases[i].search, cases[i].status, cases[i].in_message);
    desk_close(&desk);
}

static void test_pim_survives_a_search_that_is_huge_or_deep(void **state)
{
    (void)state;
    struct desk desk;
    struct buf search;
    desk_open(&desk, SCENARIO(MANY), PLATFORM_AEP);
    pim_advance(desk.pim, UNIVERSE_B, EVERYTHING);
    buf_init(&search, 1 << 20);
    for (size_t i = 0; i < 5000; i++)
        buf_putc(&search, '[');
    refuses_search(&desk, UUIDS, buf_text(&search), 400, "valid JSON");
    buf_clear(&search);
    buf_puts(&search, "{\"uuid\":[{\"operator\":\"NOT IN\",\"value\":[\"\"");
    for (unsigned i = 0; i < 100; i++)
        buf_printf(&search, ",\"00000000-0000-4000-8000-%012u\"", i);
    buf_puts(&search, "]}]}");
    assert_int_equal(found(&desk, UUIDS, buf_text(&search)), 25);
    for (size_t i = 0; i < 100000; i++)
        buf_putc(&search, ' ');
    assert_true(get_search(&desk, UUIDS, buf_text(&search), "") >= 400);
    buf_reset(&search);
    desk_close(&desk);
}

static void test_pim_refuses_a_page_that_there_cannot_be(void **state)
{
    (void)state;
    struct desk desk;
    desk_open(&desk, SCENARIO(MANY), PLATFORM_AEP);
    refuses(&desk, UUIDS "?limit=abc", 422, "abc");
    refuses(&desk, UUIDS "?limit=0", 422, "limit");
    refuses(&desk, UUIDS "?limit=-1", 422, "limit");
    refuses(&desk, UUIDS "?limit=99999999999999999999", 422, "limit");
    refuses(&desk, UUIDS "?limit=101", 422, "100 items");
    refuses(&desk, UUIDS "?page=0", 422, "page");
    refuses(&desk, UUIDS "?page=", 422, "page");
    refuses(&desk, UUIDS "?page=1.5", 422, "page");
    refuses(&desk, UUIDS "?page=101&limit=100", 422, "search_after");
    refuses(&desk, UUIDS "?pagination_type=all", 422, "all");
    assert_int_equal(get(&desk, UUIDS "?page=100&limit=100"), 200);
    assert_int_equal(get(&desk, UUIDS "?pagination_type=search_after&page=0&search_after=%ff"), 200);
    desk_close(&desk);
}

static void test_pim_is_for_those_who_have_a_token(void **state)
{
    (void)state;
    static const char *const wrong[] = {"", "Authorization: Bearer\r\n", BASIC,
                                        "Authorization: Bearer 0123456789\r\n", "Authorization: Bearer \r\n"};
    struct desk desk;
    char bearer[256];
    desk_open(&desk, SCENARIO(LIFE), PLATFORM_AEP);
    snprintf(bearer, sizeof bearer, "%s", desk.bearer);
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        snprintf(desk.bearer, sizeof desk.bearer, "%s", wrong[i]);
        assert_int_equal(get(&desk, UUIDS), 401);
        assert_string_equal(answered(&desk, "/code"), "401");
    }
    *desk.bearer = '\0';
    refuses(&desk, MODELS "/x", 401, "Authentication is required");
    snprintf(desk.bearer, sizeof desk.bearer, "%s", bearer);
    assert_int_equal(get(&desk, UUIDS), 200);
    memcpy(desk.bearer, "AUTHORIZATION: bearer ", 22);
    assert_int_equal(get(&desk, UUIDS), 200);
    desk_close(&desk);
}

static void test_pim_refreshes_a_token(void **state)
{
    (void)state;
    struct desk desk;
    char body[512], first[256];
    desk_open(&desk, SCENARIO(LIFE), PLATFORM_AEP);
    snprintf(first, sizeof first, "%s", desk.bearer);
    assert_string_equal(answered(&desk, "/expires_in"), "3600");
    assert_string_equal(answered(&desk, "/token_type"), "bearer");
    assert_string_equal(answered(&desk, "/scope"), "null");
    snprintf(body, sizeof body, "grant_type=refresh_token&refresh_token=%s",
             answered(&desk, "/refresh_token"));
    assert_int_equal(post(&desk, FORM BASIC, body), 200);
    snprintf(desk.bearer, sizeof desk.bearer, "Authorization: Bearer %s\r\n",
             answered(&desk, "/access_token"));
    assert_string_not_equal(desk.bearer, first);
    assert_int_equal(get(&desk, UUIDS), 200);
    assert_int_equal(post(&desk, FORM BASIC, "grant_type=refresh_token&refresh_token=another"), 422);
    assert_int_equal(post(&desk, FORM BASIC, "grant_type=refresh_token"), 422);
    snprintf(desk.bearer, sizeof desk.bearer, "%s", first); /* the first is as good as before */
    assert_int_equal(get(&desk, UUIDS), 200);
    desk_close(&desk);
}

static void test_pim_reads_a_form_as_it_is_escaped(void **state)
{
    (void)state;
    struct desk desk;
    desk_open(&desk, SCENARIO(LIFE), PLATFORM_AEP);
    assert_int_equal(post(&desk, FORM BASIC, "username=%C3%A9+1&password=%26%3D&grant_type=p%61ssword"), 200);
    assert_int_equal(post(&desk, FORM BASIC, "&&=&username=u&password=&grant_type=password"), 422);
    assert_int_equal(post(&desk, FORM BASIC, "username=u&password=p&my_grant_type=password"), 422);
    assert_int_equal(post(&desk, FORM BASIC, ""), 422);
    desk_close(&desk);
}

static void test_pim_gives_no_token_for_less(void **state)
{
    (void)state;
    static const char good[] = "{\"grant_type\":\"password\",\"username\":\"u\",\"password\":\"p\"}";
    struct desk desk;
    desk_open(&desk, SCENARIO(LIFE), PLATFORM_AEP);
    assert_int_equal(post(&desk, JSON, good), 422);
    assert_non_null(strstr(answered(&desk, "/message"), "client_id"));
    assert_int_equal(post(&desk, JSON "Authorization: Basic id:secret\r\n", good), 422);
    assert_int_equal(post(&desk, BASIC, good), 415);
    assert_int_equal(post(&desk, BASIC "Content-Type: text/plain\r\n", good), 415);
    assert_int_equal(post(&desk, JSON BASIC, "{\"grant_type\":"), 400);
    assert_int_equal(post(&desk, JSON BASIC, "[]"), 422);
    assert_int_equal(post(&desk, JSON BASIC, "{\"grant_type\":7,\"username\":{},\"password\":[]}"), 422);
    assert_int_equal(post(&desk, JSON BASIC, "{\"grant_type\":\"password\",\"username\":\"u\"}"), 422);
    assert_int_equal(post(&desk, JSON BASIC, "{\"grant_type\":\"client_credentials\"}"), 422);
    refuses(&desk, TOKEN, 405, "POST");
    desk_close(&desk);
}

static void test_pim_can_only_be_read(void **state)
{
    (void)state;
    static const char *const methods[] = {"POST", "PATCH", "PUT", "DELETE"};
    struct desk desk;
    desk_open(&desk, SCENARIO(LIFE), PLATFORM_AEP);
    for (size_t i = 0; i < COUNT_OF(methods); i++) {
        assert_int_equal(talk_request(&desk.talk, methods[i], UUIDS, desk.bearer, span_of("{}")), 403);
        assert_non_null(strstr(answered(&desk, "/message"), "read"));
    }
    assert_int_equal(talk_request(&desk.talk, "HEAD", UUIDS, desk.bearer, span_of("")), 200);
    refuses(&desk, "/api/rest/v1/categories", 404, "No route found");
    refuses(&desk, "/api/rest/v1/products-uuid/", 404, "No route found");
    refuses(&desk, "/", 404, "No route found");
    refuses(&desk, TOKEN "/x", 404, "No route found");
    desk_close(&desk);
}

/* ---- what it tells --------------------------------------------------------------------------- */

static void test_pim_tells_of_each_call(void **state)
{
    (void)state;
    struct desk desk;
    desk_open(&desk, SCENARIO(LIFE), PLATFORM_AEP);
    assert_int_equal(desk.calls, 1);
    assert_string_equal(desk.method, "POST");
    assert_string_equal(desk.target, TOKEN);
    assert_int_equal(get(&desk, UUIDS "?search=%7B%7D&limit=3"), 200);
    assert_string_equal(desk.target, UUIDS "?search={}&limit=3");
    assert_int_equal(desk.status, 200);
    struct buf path;
    buf_init(&path, 4096);
    buf_puts(&path, IDENTIFIERS "/aa"); /* 24 bytes: the character at 512 starts at 510 */
    for (size_t i = 0; i < 300; i++)
        buf_puts(&path, "%E2%82%AC");
    assert_int_equal(get(&desk, buf_text(&path)), 404);
    assert_int_equal(desk.calls, 3);
    assert_int_equal(desk.status, 404);
    assert_int_equal(strlen(desk.target), 510);
    assert_true(json_is_utf8(span_of(desk.target)));
    pim_on_call(desk.pim, NULL, NULL);
    assert_int_equal(get(&desk, UUIDS), 200);
    assert_int_equal(desk.calls, 3);
    buf_reset(&path);
    desk_close(&desk);
}

static void test_pim_says_that_its_port_is_taken(void **state)
{
    (void)state;
    struct desk desk;
    struct pim *other;
    struct err err;
    desk_open(&desk, SCENARIO(LIFE), PLATFORM_AEP);
    assert_false(pim_open(&other, desk.loop, pim_port(desk.pim), &err));
    assert_null(other);
    assert_non_null(strstr(err.text, "cannot listen"));
    pim_show(NULL, NULL, 0, 0);
    pim_advance(NULL, UNIVERSE_B, 1);
    pim_close(NULL);
    assert_int_equal(pim_port(NULL), 0);
    desk_close(&desk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pim_moves_from_change_to_change),
        cmocka_unit_test(test_pim_knows_a_product_by_uuid_and_identifier),
        cmocka_unit_test(test_pim_had_what_is_first_updated_or_removed),
        cmocka_unit_test(test_pim_holds_the_past_of_a_universe_at_once),
        cmocka_unit_test(test_pim_has_a_clock_for_each_universe),
        cmocka_unit_test(test_pim_holds_what_no_event_tells_of),
        cmocka_unit_test(test_pim_serves_entities_without_a_catalogue),
        cmocka_unit_test(test_pim_lists_page_by_page),
        cmocka_unit_test(test_pim_tells_where_a_page_stands),
        cmocka_unit_test(test_pim_links_each_item_to_itself),
        cmocka_unit_test(test_pim_finds_by_name),
        cmocka_unit_test(test_pim_finds_models_by_code),
        cmocka_unit_test(test_pim_finds_by_time),
        cmocka_unit_test(test_pim_refuses_a_search_that_it_cannot_do),
        cmocka_unit_test(test_pim_survives_a_search_that_is_huge_or_deep),
        cmocka_unit_test(test_pim_refuses_a_page_that_there_cannot_be),
        cmocka_unit_test(test_pim_is_for_those_who_have_a_token),
        cmocka_unit_test(test_pim_refreshes_a_token),
        cmocka_unit_test(test_pim_reads_a_form_as_it_is_escaped),
        cmocka_unit_test(test_pim_gives_no_token_for_less),
        cmocka_unit_test(test_pim_can_only_be_read),
        cmocka_unit_test(test_pim_tells_of_each_call),
        cmocka_unit_test(test_pim_says_that_its_port_is_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
