/* Tests of delta.c: each type of value in the shape that the published delta example gives it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "delta.h"

static void assert_delta(const char *attributes, const char *before, const char *after, const char *expected)
{
    struct json_doc docs[3] = {0};
    const char *const texts[] = {attributes, before, after};
    struct err err;
    struct buf out;
    for (size_t i = 0; i < 3; i++)
        if (!json_parse(&docs[i], "f.json", span_of(texts[i]), JSON_STRICT, &err))
            fail_msg("%s", err.text);
    buf_init(&out, 1 << 16);
    delta_put(&docs[0], &docs[1], &docs[2], &out);
    assert_string_equal(buf_text(&out), expected);
    buf_reset(&out);
    for (size_t i = 0; i < 3; i++)
        json_reset(&docs[i]);
}

/* One attribute "a" of a type whose data changes. */
static void assert_value(const char *type, const char *before, const char *after, const char *expected)
{
    struct buf texts[4];
    for (size_t i = 0; i < 4; i++)
        buf_init(&texts[i], 1 << 16);
    const char *form = "{\"values\":{\"a\":[{\"locale\":\"fr_FR\",\"scope\":null,\"data\":%s}]}}";
    buf_printf(&texts[0], "{\"a\":\"%s\"}", type);
    buf_printf(&texts[1], form, before);
    buf_printf(&texts[2], form, after);
    buf_printf(&texts[3], "{\"values\":{\"a\":[%s]}}", expected);
    assert_delta(buf_text(&texts[0]), buf_text(&texts[1]), buf_text(&texts[2]), buf_text(&texts[3]));
    for (size_t i = 0; i < 4; i++)
        buf_reset(&texts[i]);
}

#define PLACE ",\"locale\":\"fr_FR\",\"scope\":null"

static void test_delta_of_equal_resources_is_empty(void **state)
{
    (void)state;
    const char *resource =
        "{\"enabled\":true,\"values\":{\"a\":[{\"locale\":null,\"scope\":null,\"data\":1.0}]}}";
    assert_delta("{}", resource, resource, "{}");
}

static void test_delta_tells_scalars_and_sets(void **state)
{
    (void)state;
    assert_delta(
        "{}",
        "{\"family\":\"a\",\"parent\":null,\"enabled\":true,\"categories\":[\"x\",\"y\"],\"groups\":[]}",
        "{\"family\":\"b\",\"parent\":\"p\",\"enabled\":false,\"categories\":[\"y\",\"z\"],\"groups\":[\"g\"]"
        "}",
        "{\"enabled\":{\"previous\":true,\"new\":false},"
        "\"categories\":{\"added\":[\"z\"],\"removed\":[\"x\"]},"
        "\"family\":{\"previous\":\"a\",\"new\":\"b\"},"
        "\"groups\":{\"added\":[\"g\"],\"removed\":[]},"
        "\"parent\":{\"previous\":null,\"new\":\"p\"}}");
}

static void test_delta_keeps_spelling_and_drops_escapes(void **state)
{
    (void)state;
    assert_value("pim_catalog_number", "800.0000", "1e3",
                 "{\"previous\":800.0000,\"new\":1e3,\"type\":\"pim_catalog_number\"" PLACE "}");
    assert_value("pim_catalog_text", "\"a\\/b\"", "\"\\u00e9 \\ud83c\\udf3f\"",
                 "{\"previous\":\"a/b\",\"new\":\"é 🌿\",\"type\":\"pim_catalog_text\"" PLACE "}");
}

static void test_delta_of_a_metric_converts_to_the_base_unit(void **state)
{
    (void)state;
    assert_value("pim_catalog_metric", "{\"amount\":\"238.5000\",\"unit\":\"GRAM\",\"symbol\":\"g\"}",
                 "{\"amount\":\"241.0000\",\"unit\":\"GRAM\",\"symbol\":\"g\"}",
                 "{\"previous\":{\"data\":\"238.5000\",\"unit\":\"GRAM\",\"base_data\":\"0.238500000000\","
                 "\"base_unit\":\"KILOGRAM\",\"family\":\"Weight\"},"
                 "\"new\":{\"data\":\"241.0000\",\"unit\":\"GRAM\",\"base_data\":\"0.241000000000\","
                 "\"base_unit\":\"KILOGRAM\"},\"type\":\"pim_catalog_metric\"" PLACE
                 ",\"family\":\"Weight\"}");
}

static void test_delta_of_prices_tells_the_currencies_that_changed(void **state)
{
    (void)state;
    assert_value("pim_catalog_price_collection",
                 "[{\"amount\":\"10.00\",\"currency\":\"EUR\"},{\"amount\":\"9.00\",\"currency\":\"GBP\"}]",
                 "[{\"amount\":\"11.00\",\"currency\":\"EUR\"},{\"amount\":\"9.00\",\"currency\":\"GBP\"},"
                 "{\"amount\":\"12.00\",\"currency\":\"USD\"}]",
                 "{\"previous\":{\"amount\":\"10.00\",\"currency\":\"EUR\"},"
                 "\"new\":{\"amount\":\"11.00\",\"currency\":\"EUR\"},\"type\":\"pim_catalog_price\"" PLACE
                 "},"
                 "{\"previous\":null,\"new\":{\"amount\":\"12.00\",\"currency\":\"USD\"},"
                 "\"type\":\"pim_catalog_price\"" PLACE "}");
}

static void test_delta_of_structured_values(void **state)
{
    (void)state;
    assert_value("pim_catalog_image", "null", "\"9/9/c/c/99cc83_old_boot.jpg\"",
                 "{\"previous\":null,\"new\":{\"file_name\":\"old_boot.jpg\","
                 "\"key\":\"9/9/c/c/99cc83_old_boot.jpg\"},\"type\":\"pim_catalog_image\"" PLACE "}");
    assert_value("pim_catalog_date", "\"2026-03-01T00:00:00+00:00\"", "null",
                 "{\"previous\":{\"date\":\"2026-03-01 00:00:00.000000\",\"timezone\":\"+00:00\"},"
                 "\"new\":null,\"type\":\"pim_catalog_date\"" PLACE "}");
    assert_value(
        "pim_catalog_identifier", "\"A\"", "\"B\"",
        "{\"previous\":{\"data\":\"A\",\"is_main_identifier\":true},"
        "\"new\":{\"data\":\"B\",\"is_main_identifier\":true},\"type\":\"pim_catalog_identifier\"" PLACE "}");
    assert_value(
        "pim_catalog_table", "[]", "[{\"eu\":\"38\",\"mm\":240.50}]",
        "{\"previous\":{\"rows\":[]},\"new\":{\"rows\":[{\"cells\":[{\"cell\":\"eu\",\"data\":\"38\"},"
        "{\"cell\":\"mm\",\"data\":240.50}]}]},\"type\":\"pim_catalog_table\"" PLACE "}");
    assert_value("pim_catalog_multiselect", "[\"x\",\"y\"]", "[\"x\"]",
                 "{\"previous\":[\"x\",\"y\"],\"new\":[\"x\"],\"type\":\"pim_catalog_multiselect\"" PLACE
                 "}");
    assert_value("acme_hologram", "{\"k\":1}", "{\"k\":2}",
                 "{\"previous\":{\"k\":1},\"new\":{\"k\":2},\"type\":\"acme_hologram\"" PLACE "}");
}

static void test_delta_matches_values_by_locale_and_scope(void **state)
{
    (void)state;
    assert_delta(
        "{\"a\":\"pim_catalog_text\",\"b\":\"pim_catalog_text\"}",
        "{\"values\":{\"a\":[{\"locale\":\"fr_FR\",\"scope\":null,\"data\":\"un\"},"
        "{\"locale\":\"en_US\",\"scope\":null,\"data\":\"one\"}],"
        "\"b\":[{\"locale\":null,\"scope\":\"print\",\"data\":\"gone\"}]}}",
        "{\"values\":{\"a\":[{\"locale\":\"en_US\",\"scope\":null,\"data\":\"one\"},"
        "{\"locale\":\"fr_FR\",\"scope\":null,\"data\":\"deux\"}]}}",
        "{\"values\":{\"a\":[{\"previous\":\"un\",\"new\":\"deux\",\"type\":\"pim_catalog_text\"" PLACE "}],"
        "\"b\":[{\"previous\":\"gone\",\"new\":null,\"type\":\"pim_catalog_text\","
        "\"locale\":null,\"scope\":\"print\"}]}}");
}

static void test_delta_takes_the_type_from_the_value_or_its_looks(void **state)
{
    (void)state;
    assert_delta(
        "{}",
        "{\"values\":{\"a\":[{\"locale\":null,\"scope\":null,\"attribute_type\":\"pim_catalog_simpleselect\","
        "\"data\":\"red\"}],\"p\":[]}}",
        "{\"values\":{\"a\":[{\"locale\":null,\"scope\":null,\"attribute_type\":\"pim_catalog_simpleselect\","
        "\"data\":\"blue\"}],\"p\":[{\"locale\":null,\"scope\":null,"
        "\"data\":[{\"amount\":\"1\",\"currency\":\"EUR\"}]}]}}",
        "{\"values\":{\"a\":[{\"previous\":\"red\",\"new\":\"blue\",\"type\":\"pim_catalog_simpleselect\","
        "\"locale\":null,\"scope\":null}],"
        "\"p\":[{\"previous\":null,\"new\":{\"amount\":\"1\",\"currency\":\"EUR\"},"
        "\"type\":\"pim_catalog_price\",\"locale\":null,\"scope\":null}]}}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_delta_of_equal_resources_is_empty),
        cmocka_unit_test(test_delta_tells_scalars_and_sets),
        cmocka_unit_test(test_delta_keeps_spelling_and_drops_escapes),
        cmocka_unit_test(test_delta_of_a_metric_converts_to_the_base_unit),
        cmocka_unit_test(test_delta_of_prices_tells_the_currencies_that_changed),
        cmocka_unit_test(test_delta_of_structured_values),
        cmocka_unit_test(test_delta_matches_values_by_locale_and_scope),
        cmocka_unit_test(test_delta_takes_the_type_from_the_value_or_its_looks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
