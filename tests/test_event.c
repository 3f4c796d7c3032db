/* Tests of event.c: events carry the identity they are given, in the bytes of their platform. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "event.h"

#define TIME_US 1769850839000000 /* 2026-01-31T09:13:59Z */

static const struct event_identity identity = {
    .id = "8f0c1d52-6a3b-4c7e-9d10-2b5e7f8a9c01",
    .time_us = TIME_US,
    .created_us = 1769731200000000, /* 2026-01-30 */
    .author = "amélie/ö",
    .author_type = "api",
    .subject = "sub-1",
    .source = "https://pim/x",
    .entity = {"0c1f0a6e-6f4b-4d0e-9a57-3f2b6c9d1e84", "É/1"},
    .version = 1,
};

static struct data *open_data(const char *folder)
{
    struct err err;
    struct data *data;
    if (!data_open(&data, folder, &err))
        fail_msg("%s", err.text);
    return data;
}

static struct fixture *load(struct data *data, const char *name, enum platform_id platform,
                            enum pim_version version)
{
    struct err err;
    struct fixture *fixture;
    if (!fixture_load(&fixture, data, name, platform, version, &err))
        fail_msg("%s", err.text);
    return fixture;
}

static char *render(const struct fixture *fixture, const struct item *item, const struct event_identity *who)
{
    struct buf out;
    buf_init(&out, 1 << 20);
    event_render(fixture, item, who, &out);
    assert_true(buf_ok(&out));
    return buf_take(&out);
}

/* What one event looks like, by the name of its fixture. */
static cJSON *event_of(const char *name, enum platform_id platform, enum pim_version version)
{
    struct data *data = open_data(NULL);
    struct fixture *fixture = load(data, name, platform, version);
    char *text = render(fixture, NULL, &identity);
    cJSON *json = cJSON_Parse(text);
    if (!json)
        fail_msg("%s: not JSON: %s", name, text);
    free(text);
    fixture_free(fixture);
    data_close(data);
    return json;
}

static const cJSON *at(const cJSON *json, const char *pointer)
{
    char path[256], *rest = path;
    snprintf(path, sizeof path, "%s", pointer + 1);
    for (char *key; json && (key = strsep(&rest, "/"));)
        json = cJSON_GetObjectItemCaseSensitive(json, key);
    return json;
}

static void assert_text(const cJSON *json, const char *pointer, const char *expected)
{
    const char *text = cJSON_GetStringValue(at(json, pointer));
    if (!text || strcmp(text, expected) != 0)
        fail_msg("%s is %s, not %s", pointer, text ? text : "not a string", expected);
}

/* ---- the built-in fixtures ----------------------------------------------------------------------- */

static void check_events_api(const struct event_type *type)
{
    cJSON *json = event_of(type->name, PLATFORM_EVENTS_API, PIM_SERENITY);
    assert_text(json, "/action", type->wire[PLATFORM_EVENTS_API]);
    assert_text(json, "/event_id", identity.id);
    assert_text(json, "/event_datetime", "2026-01-31T09:13:59+00:00");
    assert_text(json, "/author", identity.author);
    assert_text(json, "/author_type", "api");
    assert_text(json, "/pim_source", identity.source);
    bool product = type->kind == ENTITY_PRODUCT;
    assert_text(json, product ? "/data/resource/identifier" : "/data/resource/code", identity.entity.code);
    if (product)
        assert_text(json, "/data/resource/uuid", identity.entity.uuid);
    if (type->change == CHANGE_REMOVED) {
        assert_int_equal(cJSON_GetArraySize(at(json, "/data/resource")), product ? 2 : 1);
    } else {
        assert_text(json, "/data/resource/created", "2026-01-30T00:00:00+00:00");
        assert_text(json, "/data/resource/updated", "2026-01-31T09:13:59+00:00");
        assert_non_null(at(json, "/data/resource/values/name"));
    }
    cJSON_Delete(json);
}

static void check_aep(const struct event_type *type)
{
    cJSON *json = event_of(type->name, PLATFORM_AEP, PIM_SERENITY);
    assert_text(json, "/type", type->wire[PLATFORM_AEP]);
    assert_text(json, "/specversion", "1.0");
    assert_text(json, "/id", identity.id);
    assert_text(json, "/time", "2026-01-31T09:13:59Z");
    assert_text(json, "/subject", identity.subject);
    assert_text(json, "/source", identity.source);
    bool uuid = strcmp(type->entity + strlen(type->entity) - 5, "/uuid") == 0;
    bool app = strcmp(type->entity, "/data/app/client_id") == 0; /* an app's client id is a UUID */
    assert_text(json, type->entity, uuid || app ? identity.entity.uuid : identity.entity.code);
    if (at(json, "/data/author")) {
        assert_text(json, "/data/author/identifier", identity.author);
        assert_text(json, "/data/author/type", "api");
    }
    cJSON_Delete(json);
}

static void test_every_fixture_takes_the_identity_it_is_given(void **state)
{
    (void)state;
    size_t seen[PLATFORM_COUNT] = {0};
    for (size_t i = 0; i < event_type_count(); i++) {
        const struct event_type *type = event_type_at(i);
        if (type->wire[PLATFORM_EVENTS_API])
            check_events_api(type);
        if (type->wire[PLATFORM_AEP])
            check_aep(type);
        seen[PLATFORM_EVENTS_API] += type->wire[PLATFORM_EVENTS_API] != NULL;
        seen[PLATFORM_AEP] += type->wire[PLATFORM_AEP] != NULL;
    }
    assert_int_equal(seen[PLATFORM_EVENTS_API], 6);
    assert_int_equal(seen[PLATFORM_AEP], 38);
}

static void test_types_go_by_neutral_and_wire_names(void **state)
{
    (void)state;
    const struct event_type *removed = event_type_find("product.removed");
    assert_non_null(removed);
    assert_ptr_equal(event_type_find("com.akeneo.pim.v1.product.deleted"), removed);
    assert_ptr_equal(event_type_find("com.akeneo.pim.v1.family.created")->wire[PLATFORM_EVENTS_API], NULL);
    assert_null(event_type_find("product.removed.json"));
}

static void test_uuid_goes_with_the_generation_of_the_pim(void **state)
{
    (void)state;
    static const char *const names[] = {"product.created", "product.updated", "product.removed"};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        for (int version = 0; version < PIM_VERSION_COUNT; version++) {
            cJSON *json = event_of(names[i], PLATFORM_EVENTS_API, (enum pim_version)version);
            assert_text(json, "/data/resource/identifier", identity.entity.code);
            assert_int_equal(at(json, "/data/resource/uuid") != NULL, version >= PIM_7_0);
            cJSON_Delete(json);
        }
}

static void test_what_is_not_given_stays_as_captured(void **state)
{
    (void)state;
    struct data *data = open_data(NULL);
    struct fixture *fixture = load(data, "product.updated", PLATFORM_AEP, PIM_SERENITY);
    struct event_identity who = identity;
    who.author = who.author_type = who.subject = who.source = NULL;
    char *text = render(fixture, NULL, &who);
    cJSON *json = cJSON_Parse(text);
    assert_text(json, "/source", "pim");
    assert_text(json, "/data/author/type", "user");
    cJSON_Delete(json);
    free(text);
    fixture_free(fixture);
    data_close(data);
}

static void test_numbers_of_a_fixture_keep_their_spelling(void **state)
{
    (void)state;
    struct data *data = open_data(NULL);
    struct fixture *fixture =
        load(data, "com.akeneo.pim.v1.product.updated.delta", PLATFORM_AEP, PIM_SERENITY);
    char *text = render(fixture, NULL, &identity);
    assert_non_null(strstr(text, "\"previous\":20.0,\"new\":25.50,"));
    assert_non_null(strstr(text, "\"quantity\":2.0}"));
    assert_non_null(
        strstr(text, "\"updated_at\":{\"date\":\"2026-01-31 09:13:59.000000\",\"timezone\":\"UTC\"}"));
    free(text);
    fixture_free(fixture);
    data_close(data);
}

/* ---- items ---------------------------------------------------------------------------------------- */

static void test_an_item_shows_its_state_or_its_delta(void **state)
{
    (void)state;
    struct err err;
    struct data *data = open_data(NULL);
    struct item *item;
    assert_true(item_new(&item, "i", span_of("{\"identifier\":\"i\",\"enabled\":true}"), span_of(""),
                         &JSON_STYLE_PHP, &err));
    static const struct {
        const char *name;
        enum platform_id platform;
        const char *part;
    } cases[] = {
        {"product.updated", PLATFORM_EVENTS_API,
         "\"data\":{\"resource\":{\"identifier\":\"\\u00c9\\/1\",\"enabled\":false}}"},
        {"product.removed", PLATFORM_EVENTS_API,
         "{\"resource\":{\"identifier\":\"\\u00c9\\/1\",\"uuid\":\"0c1f0a6e-6f4b-4d0e-9a57-3f2b6c9d1e84\"}}"},
        {"com.akeneo.pim.v1.product.updated.delta", PLATFORM_AEP,
         "\"changes\":{\"enabled\":{\"previous\":true,\"new\":false}}"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct fixture *fixture = load(data, cases[i].name, cases[i].platform, PIM_SERENITY);
        char *text = render(fixture, item, &identity);
        if (!strstr(text, cases[i].part))
            fail_msg("%s has no %s", text, cases[i].part);
        free(text);
        fixture_free(fixture);
    }
    item_free(item);
    data_close(data);
}

/* ---- files of the user's ---------------------------------------------------------------------------- */

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

/* Load a captured event from a file, render it, compare. Returns its fixture. */
static void assert_captured(const char *captured, enum platform_id platform, const char *expected,
                            const struct event_type *want)
{
    char folder[] = "/tmp/pimsim-test-XXXXXX", path[64], stem[64];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/captured.json", folder);
    snprintf(stem, sizeof stem, "%s/captured", folder);
    write_file(path, captured);
    struct data *data = open_data(NULL);
    const char *const names[] = {path, stem};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct fixture *fixture = load(data, names[i], platform, PIM_SERENITY);
        char *text = render(fixture, NULL, &identity);
        assert_string_equal(text, expected);
        assert_string_equal(fixture_wire_type(fixture), want->wire[platform]);
        assert_int_equal(fixture_type(fixture)->kind, want->kind);
        assert_int_equal(fixture_type(fixture)->change, want->change);
        free(text);
        fixture_free(fixture);
    }
    data_close(data);
    unlink(path);
    rmdir(folder);
}

/* The answer is PHP 8.2's: json_encode of the decoded event with the identity set and the name's text
 * in its next revision. */
static void test_captured_request_is_spelled_as_php_spells_it(void **state)
{
    (void)state;
    assert_captured(
        "{\"events\": [{\"action\": \"product.updated\", \"event_id\": \"0\", \"event_datetime\": \"t\",\n"
        " \"author\": \"zo\\u00eb\", \"author_type\": \"ui\", \"pim_source\": \"https://a/b\",\n"
        " \"data\": {\"resource\": {\"uuid\": \"u\", \"identifier\": \"SKU 1\", \"family\": null, "
        "\"groups\": [],\n"
        " \"categories\": [\"a\"], \"values\": {\"name\": [{\"locale\": \"fr_FR\", \"scope\": null,\n"
        " \"data\": \"Sécateur \\\"été\\\" 日本 🌿 a/b\\\\c\\t\\u2028\"}], \"empty\": {},\n"
        " \"ratio\": [{\"locale\": null, \"scope\": null, \"data\": 0.1}]},\n"
        " \"created\": \"x\", \"updated\": \"y\", \"associations\": {},\n"
        " \"quantified_associations\": {\"SET\": {\"products\": [{\"quantity\": 12}]}}}}}]}\n",
        PLATFORM_EVENTS_API,
        "{\"action\":\"product.updated\",\"event_id\":\"8f0c1d52-6a3b-4c7e-9d10-2b5e7f8a9c01\","
        "\"event_datetime\":\"2026-01-31T09:13:59+00:00\",\"author\":\"am\\u00e9lie\\/\\u00f6\","
        "\"author_type\":\"api\",\"pim_source\":\"https:\\/\\/pim\\/x\",\"data\":{\"resource\":{"
        "\"uuid\":\"0c1f0a6e-6f4b-4d0e-9a57-3f2b6c9d1e84\",\"identifier\":\"\\u00c9\\/1\",\"family\":null,"
        "\"groups\":[],\"categories\":[\"a\"],\"values\":{\"name\":[{\"locale\":\"fr_FR\",\"scope\":null,"
        "\"data\":\"S\\u00e9cateur \\\"\\u00e9t\\u00e9\\\" \\u65e5\\u672c \\ud83c\\udf3f "
        "a\\/b\\\\c\\t\\u2028 (rev. 1)\""
        "}],\"empty\":[],\"ratio\":[{\"locale\":null,\"scope\":null,\"data\":0.1}]},"
        "\"created\":\"2026-01-30T00:00:00+00:00\",\"updated\":\"2026-01-31T09:13:59+00:00\","
        "\"associations\":[],\"quantified_associations\":{\"SET\":{\"products\":[{\"quantity\":12}]}}}}}",
        event_type_find("product.updated"));
}

static void test_events_of_unknown_types_are_fixtures_too(void **state)
{
    (void)state;
    static const struct event_type tag = {
        .wire = {NULL, "acme.tag.tagged"}, .kind = ENTITY_OTHER, .change = CHANGE_OTHER};
    assert_captured(
        "{\"id\":1,\"type\":\"acme.tag.tagged\",\"data\":{\"author\":{\"identifier\":\"x\"},"
        "\"tag\":{\"n\":1.0,\"code\":\"a\"}},\"time\":\"t\"}",
        PLATFORM_AEP,
        "{\"id\":1,\"type\":\"acme.tag.tagged\",\"data\":{\"author\":{\"identifier\":\"amélie/ö\"},"
        "\"tag\":{\"n\":1.0,\"code\":\"É/1\"}},\"time\":\"2026-01-31T09:13:59Z\"}",
        &tag);
    static const struct event_type product = {
        .wire = {NULL, "acme.product"}, .kind = ENTITY_PRODUCT, .change = CHANGE_OTHER};
    assert_captured("{\"type\":\"acme.product\",\"data\":{\"product\":{\"identifier\":\"a\",\"uuid\":"
                    "\"6a9f8486-2c36-4680-b87f-6f5f8f01b6cf\"}}}",
                    PLATFORM_AEP,
                    "{\"type\":\"acme.product\",\"data\":{\"product\":{\"identifier\":\"É/1\",\"uuid\":"
                    "\"0c1f0a6e-6f4b-4d0e-9a57-3f2b6c9d1e84\"}}}",
                    &product);
    static const struct event_type action = {
        .wire = {"product.sold", NULL}, .kind = ENTITY_PRODUCT, .change = CHANGE_OTHER};
    assert_captured(
        "{\"action\":\"product.sold\",\"data\":{\"resource\":{\"identifier\":\"a\"}}}", PLATFORM_EVENTS_API,
        "{\"action\":\"product.sold\",\"data\":{\"resource\":{\"identifier\":\"\\u00c9\\/1\"}}}", &action);
}

static void test_a_file_of_the_data_folder_goes_by_its_stem(void **state)
{
    (void)state;
    static const char *const folders[] = {"", "/fixtures", "/fixtures/aep"};
    char folder[] = "/tmp/pimsim-test-XXXXXX", path[96];
    assert_non_null(mkdtemp(folder));
    for (size_t i = 1; i < COUNT_OF(folders); i++) {
        snprintf(path, sizeof path, "%s%s", folder, folders[i]);
        assert_int_equal(mkdir(path, 0700), 0);
    }
    snprintf(path, sizeof path, "%s/fixtures/aep/price-drop.json", folder);
    write_file(path, "{\"type\":\"com.akeneo.pim.v1.product.updated\",\"id\":\"x\"}");
    struct data *data = open_data(folder);
    struct fixture *fixture = load(data, "price-drop", PLATFORM_AEP, PIM_SERENITY);
    assert_ptr_equal(fixture_type(fixture), event_type_find("product.updated"));
    fixture_free(fixture);
    data_close(data);
    unlink(path);
    for (size_t i = COUNT_OF(folders); i--;) {
        snprintf(path, sizeof path, "%s%s", folder, folders[i]);
        rmdir(path);
    }
}

/* ---- what cannot be loaded ------------------------------------------------------------------------------
 */

static void assert_refused(const char *name, enum platform_id platform, const char *expected)
{
    struct err err;
    struct fixture *fixture;
    struct data *data = open_data(NULL);
    assert_false(fixture_load(&fixture, data, name, platform, PIM_SERENITY, &err));
    assert_null(fixture);
    assert_string_equal(err.text, expected);
    assert_int_equal(err.code, EXIT_USAGE);
    data_close(data);
}

static void test_unknown_names_meet_their_nearest(void **state)
{
    (void)state;
    assert_refused("product.upated", PLATFORM_EVENTS_API,
                   "\"product.upated\" is neither an event of events-api nor a fixture; did you mean "
                   "\"product.updated\"?");
    assert_refused(
        "com.akeneo.pim.v1.famly.updated", PLATFORM_AEP,
        "\"com.akeneo.pim.v1.famly.updated\" is neither an event of aep nor a fixture; did you mean "
        "\"com.akeneo.pim.v1.family.updated\"?");
    assert_refused("com.akeneo.pim.v1.family.updated", PLATFORM_EVENTS_API,
                   "events-api has no event \"com.akeneo.pim.v1.family.updated\"");
    assert_refused("./nowhere.json", PLATFORM_AEP, "./nowhere.json: No such file or directory");
    assert_refused("./nowhere", PLATFORM_AEP, "./nowhere: No such file or directory");
}

static void test_a_file_of_the_other_platform_says_so(void **state)
{
    (void)state;
    assert_refused(
        "./fixtures/events-api/product.created.json", PLATFORM_AEP,
        "./fixtures/events-api/product.created.json: not an event of aep: it has no text \"type\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_fixture_takes_the_identity_it_is_given),
        cmocka_unit_test(test_types_go_by_neutral_and_wire_names),
        cmocka_unit_test(test_uuid_goes_with_the_generation_of_the_pim),
        cmocka_unit_test(test_what_is_not_given_stays_as_captured),
        cmocka_unit_test(test_numbers_of_a_fixture_keep_their_spelling),
        cmocka_unit_test(test_an_item_shows_its_state_or_its_delta),
        cmocka_unit_test(test_captured_request_is_spelled_as_php_spells_it),
        cmocka_unit_test(test_events_of_unknown_types_are_fixtures_too),
        cmocka_unit_test(test_a_file_of_the_data_folder_goes_by_its_stem),
        cmocka_unit_test(test_unknown_names_meet_their_nearest),
        cmocka_unit_test(test_a_file_of_the_other_platform_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
