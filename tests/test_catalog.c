/* Tests of catalog.c: states are known from their number, and a delta is what leads from one to the
 * next. cJSON applies the deltas, so that the differ is not its own witness. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "catalog.h"
#include "clock.h"

static const struct entity ann = {"0c1f0a6e-6f4b-4d0e-9a57-3f2b6c9d1e84", "ANN/É"};

static struct item *make(const char *resource, const char *attributes, const struct json_style *style)
{
    struct err err;
    struct item *item;
    if (!item_new(&item, "f.json", span_of(resource), span_of(attributes), style, &err))
        fail_msg("%s", err.text);
    return item;
}

static char *state_text(const struct item *item, const struct entity *entity, uint32_t version)
{
    struct buf out;
    buf_init(&out, 1 << 20);
    item_state(item, entity, version, 1769817600000000, 1769850839000000, &out);
    assert_true(buf_ok(&out));
    return buf_take(&out);
}

static char *delta_text(const struct item *item, uint32_t version)
{
    struct buf out;
    buf_init(&out, 1 << 20);
    item_delta(item, version, &out);
    assert_true(buf_ok(&out));
    return buf_take(&out);
}

static void assert_state(const struct item *item, uint32_t version, const char *expected)
{
    char *text = state_text(item, &ann, version);
    assert_string_equal(text, expected);
    free(text);
}

static void assert_delta(const struct item *item, uint32_t version, const char *expected)
{
    char *text = delta_text(item, version);
    assert_string_equal(text, expected);
    free(text);
}

/* ---- the built-in catalogue -------------------------------------------------------------------- */

static void each_item(const struct json_style *style, bool steady, void (*check)(const struct item *item))
{
    struct err err;
    struct data *data;
    struct catalog *catalog;
    if (!data_open(&data, NULL, &err) || !catalog_load(&catalog, data, style, steady, &err))
        fail_msg("%s", err.text);
    assert_true(catalog_count(catalog, ENTITY_PRODUCT) + catalog_count(catalog, ENTITY_PRODUCT_MODEL) >= 30);
    assert_int_equal(catalog_count(catalog, ENTITY_OTHER), 0);
    for (int kind = ENTITY_PRODUCT; kind <= ENTITY_PRODUCT_MODEL; kind++)
        for (size_t i = 0; i < catalog_count(catalog, (enum entity_kind)kind); i++)
            check(catalog_item(catalog, (enum entity_kind)kind, i));
    catalog_free(catalog);
    data_close(data);
}

#define VERSIONS 60

static void check_states_differ(const struct item *item)
{
    char *states[VERSIONS];
    for (uint32_t v = 0; v < VERSIONS; v++) {
        states[v] = state_text(item, &ann, v);
        char *again = state_text(item, &ann, v);
        assert_string_equal(states[v], again);
        free(again);
        for (uint32_t u = 0; u < v; u++)
            assert_string_not_equal(states[u], states[v]);
    }
    for (uint32_t v = 0; v < VERSIONS; v++)
        free(states[v]);
}

static void test_every_version_of_an_item_is_a_state_of_its_own(void **state)
{
    (void)state;
    each_item(&JSON_STYLE_PHP, false, check_states_differ);
    each_item(&JSON_STYLE_PHP, true, check_states_differ);
}

/* ---- deltas applied by an independent reader ----------------------------------------------------- */

static void replace(cJSON *object, const char *key, const cJSON *value)
{
    assert_true(cJSON_ReplaceItemInObject(object, key, cJSON_Duplicate(value, true)));
}

static void apply_set(cJSON *list, const cJSON *change)
{
    const cJSON *code;
    cJSON_ArrayForEach(code, cJSON_GetObjectItem(change, "removed"))
    {
        int at = 0;
        while (at < cJSON_GetArraySize(list) && !cJSON_Compare(cJSON_GetArrayItem(list, at), code, true))
            at++;
        assert_true(at < cJSON_GetArraySize(list));
        cJSON_DeleteItemFromArray(list, at);
    }
    cJSON_ArrayForEach(code, cJSON_GetObjectItem(change, "added"))
        cJSON_AddItemToArray(list, cJSON_Duplicate(code, true));
}

static cJSON *find_value(cJSON *list, const cJSON *entry)
{
    cJSON *value;
    cJSON_ArrayForEach(value,
                       list) if (cJSON_Compare(cJSON_GetObjectItem(value, "locale"),
                                               cJSON_GetObjectItem(entry, "locale"), true) &&
                                 cJSON_Compare(cJSON_GetObjectItem(value, "scope"),
                                               cJSON_GetObjectItem(entry, "scope"), true)) return value;
    return NULL;
}

static bool same(const cJSON *a, const cJSON *b)
{
    return cJSON_Compare(a, b, true);
}

/* What a delta calls "previous" must be what is there, unless older deltas were passed over. */
static void apply_entry(cJSON *value, const cJSON *entry, bool next)
{
    const cJSON *new = cJSON_GetObjectItem(entry, "new"), *old = cJSON_GetObjectItem(entry, "previous");
    const char *type = cJSON_GetStringValue(cJSON_GetObjectItem(entry, "type"));
    cJSON *data = cJSON_GetObjectItem(value, "data"), *price;
    if (strcmp(type, "pim_catalog_price") == 0) {
        cJSON_ArrayForEach(price, data) if (cJSON_Compare(cJSON_GetObjectItem(price, "currency"),
                                                          cJSON_GetObjectItem(new, "currency"), true)) break;
        assert_true(!next || same(cJSON_GetObjectItem(price, "amount"), cJSON_GetObjectItem(old, "amount")));
        replace(price, "amount", cJSON_GetObjectItem(new, "amount"));
    } else if (strcmp(type, "pim_catalog_metric") == 0) {
        assert_true(!next || same(cJSON_GetObjectItem(data, "amount"), cJSON_GetObjectItem(old, "data")));
        replace(data, "amount", cJSON_GetObjectItem(new, "data"));
    } else {
        assert_true(!next || same(data, old));
        replace(value, "data", new);
    }
}

static size_t apply(cJSON *resource, const cJSON *changes, bool next)
{
    size_t count = 0;
    const cJSON *change, *list, *entry;
    cJSON_ArrayForEach(change, changes)
    {
        cJSON *member = cJSON_GetObjectItem(resource, change->string);
        if (strcmp(change->string, "values") == 0) {
            cJSON_ArrayForEach(list, change) cJSON_ArrayForEach(entry, list)
            {
                apply_entry(find_value(cJSON_GetObjectItem(member, list->string), entry), entry, next);
                count++;
            }
            continue;
        }
        if (cJSON_IsArray(member))
            apply_set(member, change);
        else
            replace(resource, change->string, cJSON_GetObjectItem(change, "new"));
        count++;
    }
    return count;
}

/* The delta of a version leads from an older state to its own. How many changes it tells. */
static size_t assert_leads(const struct item *item, uint32_t from, uint32_t version)
{
    char *before = state_text(item, &ann, from), *after = state_text(item, &ann, version);
    char *delta = delta_text(item, version);
    cJSON *old = cJSON_Parse(before), *new = cJSON_Parse(after), *changes = cJSON_Parse(delta);
    assert_true(old && new &&changes);
    size_t count = apply(old, changes, from + 1 == version);
    if (!same(old, new))
        fail_msg("version %u: %s does not lead from %s to %s", version, delta, before, after);
    cJSON_Delete(old);
    cJSON_Delete(new);
    cJSON_Delete(changes);
    free(before);
    free(after);
    free(delta);
    return count;
}

static void check_deltas(const struct item *item)
{
    for (uint32_t v = 1; v < VERSIONS; v++)
        assert_int_equal(assert_leads(item, v - 1, v), 1);
}

/* Whatever was passed over before the newest. */
static void check_steady_deltas(const struct item *item)
{
    for (uint32_t v = 1; v < VERSIONS; v++) {
        size_t count = assert_leads(item, v - 1, v);
        assert_true(count >= 1);
        assert_int_equal(assert_leads(item, 0, v), count);
        assert_int_equal(assert_leads(item, v / 2, v), count);
    }
}

static void test_delta_leads_from_each_state_to_the_next(void **state)
{
    (void)state;
    each_item(&JSON_STYLE_PHP, false, check_deltas);
}

static void test_of_a_steady_item_the_newest_delta_tells_all(void **state)
{
    (void)state;
    each_item(&JSON_STYLE_PHP, true, check_steady_deltas);
}

/* ---- items of the user's ------------------------------------------------------------------------- */

static void test_version_0_is_the_resource_but_for_its_identity(void **state)
{
    (void)state;
    struct item *item = make("{ \"uuid\": \"u\", \"identifier\": \"i\", \"n\": 800.0000, \"o\": {},"
                             " \"created\": \"c\", \"updated\": \"u\" }",
                             "", &JSON_STYLE_PLAIN);
    assert_state(
        item, 0,
        "{\"uuid\":\"0c1f0a6e-6f4b-4d0e-9a57-3f2b6c9d1e84\",\"identifier\":\"ANN/É\",\"n\":800.0000,"
        "\"o\":{},\"created\":\"2026-01-31T00:00:00+00:00\",\"updated\":\"2026-01-31T09:13:59+00:00\"}");
    item_free(item);
}

static void test_an_entity_without_uuid_has_no_such_member(void **state)
{
    (void)state;
    static const struct entity old = {"", "SKU"};
    static const char *const resources[][2] = {
        {"{\"uuid\":\"u\",\"identifier\":\"i\"}", "{\"identifier\":\"SKU\"}"},
        {"{\"identifier\":\"i\",\"uuid\":\"u\"}", "{\"identifier\":\"SKU\"}"},
        {"{\"identifier\":\"i\",\"uuid\":\"u\",\"family\":null}", "{\"identifier\":\"SKU\",\"family\":null}"},
        {"{\"uuid\":\"u\"}", "{}"},
    };
    for (size_t i = 0; i < COUNT_OF(resources); i++) {
        struct item *item = make(resources[i][0], "", &JSON_STYLE_PLAIN);
        char *text = state_text(item, &old, 0);
        assert_string_equal(text, resources[i][1]);
        free(text);
        item_free(item);
    }
}

static void test_numbers_change_without_losing_their_spelling(void **state)
{
    (void)state;
    struct item *item =
        make("{\"values\":{\"a\":[{\"locale\":null,\"scope\":null,\"data\":800.0000}],"
             "\"b\":[{\"locale\":null,\"scope\":null,\"data\":9007199254740993}],"
             "\"c\":[{\"locale\":null,\"scope\":null,\"data\":1e3}],"
             "\"d\":[{\"locale\":null,\"scope\":null,\"data\":{\"amount\":\"-09.50\",\"unit\":\"GRAM\"}}]}}",
             "", &JSON_STYLE_PLAIN);
    assert_state(
        item, 4,
        "{\"values\":{\"a\":[{\"locale\":null,\"scope\":null,\"data\":801.0000}],"
        "\"b\":[{\"locale\":null,\"scope\":null,\"data\":9007199254740995}],"
        "\"c\":[{\"locale\":null,\"scope\":null,\"data\":4e3}],"
        "\"d\":[{\"locale\":null,\"scope\":null,\"data\":{\"amount\":\"-13.50\",\"unit\":\"GRAM\"}}]}}");
    assert_delta(item, 2,
                 "{\"values\":{\"b\":[{\"previous\":9007199254740993,\"new\":9007199254740995,"
                 "\"type\":\"pim_catalog_number\",\"locale\":null,\"scope\":null}]}}");
    item_free(item);
}

static void test_first_versions_touch_a_price_a_text_a_measure_and_a_category(void **state)
{
    (void)state;
    struct item *item = make(
        "{\"code\":\"c\",\"categories\":[],\"enabled\":true,\"values\":{"
        "\"t\":[{\"locale\":\"fr_FR\",\"scope\":null,\"data\":\"Été à la mer\"},"
        "{\"locale\":\"en_US\",\"scope\":null,\"data\":\"Summer at sea\"}],"
        "\"w\":[{\"locale\":null,\"scope\":null,\"data\":{\"amount\":\"1.00\",\"unit\":\"KILOGRAM\"}}],"
        "\"p\":[{\"locale\":null,\"scope\":null,\"data\":[{\"amount\":\"9.90\",\"currency\":\"EUR\"}]}]}}",
        "{\"p\":\"pim_catalog_price_collection\",\"t\":\"pim_catalog_text\",\"w\":\"pim_catalog_metric\"}",
        &JSON_STYLE_PHP);
    static const char *const expected[] = {
        "\"p\"",       "\"Été à la mer (rev. 2)\"",  "\"w\"",    "[\"featured_4\"]",
        "\"enabled\"", "\"Summer at sea (rev. 6)\"", "\"10.90\""};
    for (uint32_t v = 1; v <= COUNT_OF(expected); v++) {
        char *delta = delta_text(item, v);
        if (!strstr(delta, expected[v - 1]))
            fail_msg("version %u: %s is not in %s", v, expected[v - 1], delta);
        free(delta);
    }
    item_free(item);
}

static void test_codes_stay_what_they_are(void **state)
{
    (void)state;
    struct item *item =
        make("{\"identifier\":\"A-1\",\"values\":{"
             "\"sku\":[{\"locale\":null,\"scope\":null,\"data\":\"A-1\"}],"
             "\"ean\":[{\"locale\":null,\"scope\":null,\"data\":\"3760123456789\"}],"
             "\"photo\":[{\"locale\":null,\"scope\":null,\"data\":\"a/b c.jpg\",\"_links\":{}}]}}",
             "", &JSON_STYLE_PLAIN);
    assert_state(item, 7,
                 "{\"identifier\":\"ANN/É\",\"values\":{"
                 "\"sku\":[{\"locale\":null,\"scope\":null,\"data\":\"ANN/É\"}],"
                 "\"ean\":[{\"locale\":null,\"scope\":null,\"data\":\"3760123456789\"}],"
                 "\"photo\":[{\"locale\":null,\"scope\":null,\"data\":\"a/b c.jpg\",\"_links\":{}}]}}");
    assert_delta(item, 7, "{}");
    item_free(item);
}

static void test_bare_resources_change_by_enabled_and_categories(void **state)
{
    (void)state;
    struct item *item = make("{\"code\":\"c\",\"enabled\":true,\"values\":[]}", "", &JSON_STYLE_PHP);
    assert_delta(item, 1, "{\"enabled\":{\"previous\":true,\"new\":false}}");
    assert_delta(item, 2, "{\"enabled\":{\"previous\":false,\"new\":true}}");
    item_free(item);
    item = make("{\"code\":\"c\",\"categories\":[\"a\"]}", "", &JSON_STYLE_PHP);
    assert_delta(item, 1, "{\"categories\":{\"added\":[\"featured_1\"],\"removed\":[]}}");
    assert_delta(item, 2, "{\"categories\":{\"added\":[\"featured_2\"],\"removed\":[\"featured_1\"]}}");
    assert_state(item, 2, "{\"code\":\"ANN\\/\\u00c9\",\"categories\":[\"a\",\"featured_2\"]}");
    item_free(item);
}

static void test_a_resource_that_is_no_object_is_refused(void **state)
{
    (void)state;
    struct err err;
    struct item *item;
    assert_false(item_new(&item, "f.json", span_of("[1]"), span_of(""), &JSON_STYLE_PHP, &err));
    assert_string_equal(err.text, "f.json: expected an object, found an array");
    assert_null(item);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_version_of_an_item_is_a_state_of_its_own),
        cmocka_unit_test(test_delta_leads_from_each_state_to_the_next),
        cmocka_unit_test(test_of_a_steady_item_the_newest_delta_tells_all),
        cmocka_unit_test(test_version_0_is_the_resource_but_for_its_identity),
        cmocka_unit_test(test_an_entity_without_uuid_has_no_such_member),
        cmocka_unit_test(test_numbers_change_without_losing_their_spelling),
        cmocka_unit_test(test_first_versions_touch_a_price_a_text_a_measure_and_a_category),
        cmocka_unit_test(test_codes_stay_what_they_are),
        cmocka_unit_test(test_bare_resources_change_by_enabled_and_categories),
        cmocka_unit_test(test_a_resource_that_is_no_object_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
