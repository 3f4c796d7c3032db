/* What stands still, and what never will: looks at a few products, written by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "effects.h"
#include "still.h"

#define PLACE       "s: /[]"
#define EVENTS_EACH 2
#define ENTITIES    4
#define LOOK_US     1000

struct stage {
    struct still still;
    struct effect_records before;
    unsigned looks;
};

static void add(struct effect_records *records, unsigned product, const char *text)
{
    char about[40];
    snprintf(about, sizeof about, "product %u", product);
    effect_records_add(records, UNIVERSE_A, span_of(PLACE), span_of(about), span_of(text), false);
}

/* Look once more. Takes the records. */
static void see(struct stage *s, struct effect_records *now)
{
    uint64_t began_us = ++s->looks * LOOK_US;
    still_mask(&s->still, now);
    if (s->looks > 1 && still_note(&s->still, &s->before, now,
                                   (struct sight){s->looks, began_us, began_us + 10}, EVENTS_EACH))
        still_mask(&s->still, now);
    effect_records_reset(&s->before);
    s->before = *now;
}

/* Each of the products, as the format has it, filled in with a number of its own. */
static void see_all(struct stage *s, const char *format, unsigned first)
{
    struct effect_records now = {0};
    for (unsigned i = 0; i < ENTITIES; i++) {
        char text[200];
        snprintf(text, sizeof text, format, first + i);
        add(&now, i + 1, text);
    }
    see(s, &now);
}

static void finish(struct stage *s)
{
    effect_records_reset(&s->before);
    still_reset(&s->still);
}

static void test_a_value_that_changes_at_every_look_is_volatile_wherever_it_stands(void **state)
{
    (void)state;
    static const char *const formats[][2] = {
        {"{\"price\":1,\"etag\":\"%u\"}", "{\"price\":1,\"etag\":\"<volatile>\"}"},
        {"[{\"<product 1>\":%u},{}]", "[{\"<product 1>\":\"<volatile>\"},{}]"},
        {"{\"doc\":\"{\\\"p\\\":[1,%u]}\",\"n\":null}",
         "{\"doc\":\"{\\\"p\\\":[\\\"<volatile>\\\",\\\"<volatile>\\\"]}\",\"n\":null}"},
        {"<product 1> price=10 etag=%u", "<product 1> price=10 etag=<volatile>"},
        {"<product 1>|%u|a", "<product 1>|<volatile>|a"},
        {"a\t{\"n\":%u}", "a\t{\"n\":\"<volatile>\"}"},
        {"%u", "\"<volatile>\""},
    };
    for (size_t i = 0; i < COUNT_OF(formats); i++) {
        struct stage s = {0};
        for (unsigned n = 0; n < 30; n++)
            see_all(&s, formats[i][0], n * 100);
        assert_string_equal(s.before.items[0].text, formats[i][1]);
        assert_int_equal(still_last(&s.still).number, 0);
        finish(&s);
    }
}

static void test_a_clock_of_seconds_is_volatile_too(void **state)
{
    (void)state;
    struct stage s = {0};
    unsigned looks = 0;
    for (; !s.still.volatiles.count && looks < 1000; looks++)
        see_all(&s, "{\"ttl\":%u}", looks / 4 * 10);
    assert_in_range(looks / 4, EVENTS_EACH + 2, EVENTS_EACH + 10);
    assert_string_equal(s.still.volatiles.texts[0], "s: /[] : /ttl");
    finish(&s);
}

static void test_what_is_volatile_stays_so_for_the_next_state(void **state)
{
    (void)state;
    struct stage s = {0};
    for (unsigned n = 0; n < 30; n++)
        see_all(&s, "{\"etag\":%u}", n * 100);
    still_begin(&s.still);
    see_all(&s, "{\"etag\":%u}", 7);
    assert_string_equal(s.before.items[0].text, "{\"etag\":\"<volatile>\"}");
    finish(&s);
}

/* One after the other, each as often as it had events: the last change counts. */
static void test_a_connector_at_work_is_waited_for(void **state)
{
    (void)state;
    struct stage s = {0};
    unsigned versions[ENTITIES] = {0};
    for (unsigned n = 0; n <= ENTITIES * EVENTS_EACH; n++) {
        struct effect_records now = {0};
        for (unsigned i = 0; i < ENTITIES; i++) {
            char text[60];
            snprintf(text, sizeof text, "{\"version\":%u}", versions[i]);
            add(&now, i + 1, text);
        }
        see(&s, &now);
        assert_int_equal(still_last(&s.still).number, n ? s.looks : 0);
        versions[n % ENTITIES]++;
    }
    assert_int_equal(s.still.volatiles.count, 0);
    finish(&s);
}

/* In a hurry: all of them at once, with each round of events. */
static void test_rounds_of_changes_are_waited_for(void **state)
{
    (void)state;
    struct stage s = {0};
    for (unsigned n = 0; n <= EVENTS_EACH; n++)
        see_all(&s, "{\"version\":%u}", n);
    struct sight last = still_last(&s.still);
    assert_int_equal(last.number, EVENTS_EACH + 1);
    assert_int_equal(last.began_us, last.number * LOOK_US);
    assert_int_equal(last.ended_us, last.began_us + 10);
    finish(&s);
}

/* The price changed last at the fifth look; the tag, which is then known, at all of them. */
static void test_changes_before_a_path_was_known_to_be_volatile_do_not_count(void **state)
{
    (void)state;
    struct stage s = {0};
    for (unsigned n = 1; n <= 30; n++) {
        char format[60];
        snprintf(format, sizeof format, "{\"price\":%u,\"etag\":%%u}", n < 5 ? 1 : 2);
        see_all(&s, format, n * 100);
    }
    assert_int_equal(still_last(&s.still).number, 5);
    finish(&s);
}

static void test_records_that_come_and_go_always_count(void **state)
{
    (void)state;
    struct stage s = {0};
    for (unsigned n = 0; n < 200; n++) {
        struct effect_records now = {0};
        for (unsigned i = 0; i <= n % 2; i++)
            add(&now, i + 1, "{}");
        see(&s, &now);
        assert_int_equal(still_last(&s.still).number, n ? s.looks : 0);
    }
    finish(&s);
}

/* A value of one product that never rests is no habit of the path. */
static void test_one_product_among_many_is_no_clock(void **state)
{
    (void)state;
    struct stage s = {0};
    for (unsigned n = 0; n <= EVENTS_EACH * ENTITIES; n++) {
        struct effect_records now = {0};
        char text[40];
        snprintf(text, sizeof text, "{\"seen\":%u}", n);
        for (unsigned i = 0; i < ENTITIES; i++)
            add(&now, i + 1, i ? "{\"seen\":1}" : text);
        see(&s, &now);
    }
    assert_int_equal(still_last(&s.still).number, s.looks);
    finish(&s);
}

/* Several of an entity, in another order each time. */
static void test_the_order_of_rows_and_lists_does_not_count(void **state)
{
    (void)state;
    struct stage s = {0};
    for (unsigned n = 0; n < 3; n++) {
        struct effect_records now = {0};
        add(&now, 1, n % 2 ? "{\"l\":[1,2]}" : "{\"l\":[3]}");
        add(&now, 1, n % 2 ? "{\"l\":[3]}" : "{\"l\":[2,1]}");
        see(&s, &now);
    }
    assert_int_equal(still_last(&s.still).number, 0);
    finish(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_value_that_changes_at_every_look_is_volatile_wherever_it_stands),
        cmocka_unit_test(test_a_clock_of_seconds_is_volatile_too),
        cmocka_unit_test(test_what_is_volatile_stays_so_for_the_next_state),
        cmocka_unit_test(test_a_connector_at_work_is_waited_for),
        cmocka_unit_test(test_rounds_of_changes_are_waited_for),
        cmocka_unit_test(test_changes_before_a_path_was_known_to_be_volatile_do_not_count),
        cmocka_unit_test(test_records_that_come_and_go_always_count),
        cmocka_unit_test(test_one_product_among_many_is_no_clock),
        cmocka_unit_test(test_the_order_of_rows_and_lists_does_not_count),
    };
    return cmocka_run_group_tests_name("still", tests, NULL, NULL);
}
