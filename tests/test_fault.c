/* Tests of the fault table: every row is complete, found by its name, and judged by a rule there is. */
#include "fault.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static bool rule_is_listed(const char *id)
{
    static const char *const ids[] = {
#define CATEGORY(...)
#define RULE(id, name, level, platforms, holds, clause, why, fix) name,
#include "rules.def"
#undef CATEGORY
#undef RULE
    };
    for (size_t i = 0; i < COUNT_OF(ids); i++)
        if (strcmp(ids[i], id) == 0)
            return true;
    return false;
}

static void test_faults_are_found_by_their_names(void **state)
{
    (void)state;
    for (enum fault_kind fault = FAULT_NONE + 1; fault < FAULT_COUNT; fault++) {
        assert_int_equal(fault_find(fault_get(fault)->name), fault);
        assert_true(*fault_get(fault)->summary);
    }
    assert_int_equal(fault_find("duplicates"), FAULT_NONE);
    assert_int_equal(fault_find(""), FAULT_NONE);
    assert_int_equal(fault_find("none"), FAULT_NONE);
}

static void test_every_fault_has_variants_and_every_variant_its_fault(void **state)
{
    (void)state;
    unsigned variants[FAULT_COUNT] = {0};
    for (enum fault_variant v = VARIANT_NONE + 1; v < VARIANT_COUNT; v++) {
        enum fault_kind fault = variant_get(v)->fault;
        assert_true(fault > FAULT_NONE && fault < FAULT_COUNT);
        variants[fault]++;
    }
    for (enum fault_kind fault = FAULT_NONE + 1; fault < FAULT_COUNT; fault++)
        assert_true(variants[fault] > 0);
    assert_int_equal(variant_get(VARIANT_NONE)->fault, FAULT_NONE);
}

static void test_variants_are_found_by_name_within_their_fault(void **state)
{
    (void)state;
    for (enum fault_variant v = VARIANT_NONE + 1; v < VARIANT_COUNT; v++)
        assert_int_equal(variant_find(variant_get(v)->fault, variant_get(v)->name), v);
    assert_int_equal(variant_find(FAULT_FORGE, "empty"), VARIANT_FORGE_EMPTY);
    assert_int_equal(variant_find(FAULT_MALFORM, "empty"), VARIANT_MALFORM_EMPTY);
    assert_int_equal(variant_find(FAULT_BYTES, "empty"), VARIANT_NONE);
    assert_int_equal(variant_find(FAULT_NONE, "none"), VARIANT_NONE);
}

static void test_every_variant_is_judged_by_a_rule(void **state)
{
    (void)state;
    for (enum fault_variant v = VARIANT_NONE; v < VARIANT_COUNT; v++) {
        if (!rule_is_listed(variant_get(v)->rule))
            fail_msg("%s: no rule %s", variant_get(v)->name, variant_get(v)->rule);
        assert_true(*variant_get(v)->summary);
    }
}

/* A forged signature is never to be accepted, but for the one that is right but for its spelling. */
static void test_forgeries_must_be_refused(void **state)
{
    (void)state;
    for (enum fault_variant v = VARIANT_NONE + 1; v < VARIANT_COUNT; v++)
        if (variant_get(v)->fault == FAULT_FORGE)
            assert_int_equal(variant_get(v)->expect,
                             v == VARIANT_FORGE_UPPER_CASE ? EXPECT_TAKEN : EXPECT_REFUSE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_faults_are_found_by_their_names),
        cmocka_unit_test(test_every_fault_has_variants_and_every_variant_its_fault),
        cmocka_unit_test(test_variants_are_found_by_name_within_their_fault),
        cmocka_unit_test(test_every_variant_is_judged_by_a_rule),
        cmocka_unit_test(test_forgeries_must_be_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
