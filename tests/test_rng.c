/* Tests of rng.c: the same numbers on every machine, fair, and identities that do not meet. */
#include "rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- numbers ---------------------------------------------------------------------------------- */

/* The first outputs of the published splitmix64.c from state 1234567. */
static void test_rng_is_splitmix64(void **state)
{
    (void)state;
    static const uint64_t expected[] = {6457827717110365317u, 3203168211198807973u, 9817491932198370423u,
                                        4593380528125082431u, 16408922859458223821u};
    struct rng r = {.state = 1234567};
    for (size_t i = 0; i < COUNT_OF(expected); i++)
        assert_int_equal(rng_u64(&r), expected[i]);
}

static void test_rng_streams_do_not_move_each_other(void **state)
{
    (void)state;
    struct rng a, again, b, other;
    rng_init(&a, 1, "fault 0");
    rng_init(&again, 1, "fault 0");
    rng_init(&b, 1, "fault 1");
    rng_init(&other, 2, "fault 0");
    for (int i = 0; i < 100; i++) {
        uint64_t n = rng_u64(&a);
        assert_int_equal(n, rng_u64(&again));
        assert_int_not_equal(n, rng_u64(&b));
        assert_int_not_equal(n, rng_u64(&other));
    }
}

static void test_rng_below_stays_below_and_reaches_everything(void **state)
{
    (void)state;
    struct rng r;
    rng_init(&r, 42, "below");
    unsigned seen[10] = {0};
    for (int i = 0; i < 10000; i++) {
        uint64_t n = rng_below(&r, COUNT_OF(seen));
        assert_true(n < COUNT_OF(seen));
        seen[n]++;
    }
    for (size_t i = 0; i < COUNT_OF(seen); i++)
        assert_in_range(seen[i], 850, 1150);
    assert_int_equal(rng_below(&r, 0), 0);
    assert_int_equal(rng_below(&r, 1), 0);
}

static void test_rng_range_includes_both_ends(void **state)
{
    (void)state;
    struct rng r;
    rng_init(&r, 42, "range");
    bool low = false, high = false;
    for (int i = 0; i < 200; i++) {
        uint64_t n = rng_range(&r, 5, 8);
        assert_in_range(n, 5, 8);
        low |= n == 5;
        high |= n == 8;
    }
    assert_true(low && high);
    assert_int_equal(rng_range(&r, 7, 7), 7);
    assert_int_equal(rng_range(&r, 7, 3), 7);
}

static void test_rng_hash_depends_on_all_it_is_given(void **state)
{
    (void)state;
    uint64_t hash = rng_hash(1, "event", 2);
    assert_int_equal(hash, rng_hash(1, "event", 2));
    assert_int_not_equal(hash, rng_hash(2, "event", 2));
    assert_int_not_equal(hash, rng_hash(1, "events", 2));
    assert_int_not_equal(hash, rng_hash(1, "event", 3));
}

/* Recorded once: what a seed means may never change. */
static void test_rng_means_the_same_for_ever(void **state)
{
    (void)state;
    char id[UUID_SIZE];
    assert_int_equal(rng_hash(1, "event", 0), 1038260440061502594u);
    rng_uuid4(1, "event", 0, id);
    assert_string_equal(id, "0e68a45e-8a34-4482-9083-ffa3456f986c");
    rng_uuid7(1, "event", 0, 1767225600000000, id);
    assert_string_equal(id, "019b76da-a800-7482-9083-ffa3456f986c");
}

/* ---- identities ------------------------------------------------------------------------------- */

static void assert_well_formed(const char *id, char version)
{
    assert_int_equal(strlen(id), UUID_SIZE - 1);
    for (size_t i = 0; i < UUID_SIZE - 1; i++) {
        bool hyphen = i == 8 || i == 13 || i == 18 || i == 23;
        if (hyphen ? id[i] != '-' : !strchr("0123456789abcdef", id[i]))
            fail_msg("%s is no UUID", id);
    }
    assert_int_equal(id[14], version);
    assert_non_null(strchr("89ab", id[19]));
}

static void test_uuid4_is_well_formed(void **state)
{
    (void)state;
    char id[UUID_SIZE];
    for (uint64_t n = 0; n < 10000; n++) {
        rng_uuid4(7, "event", n, id);
        assert_well_formed(id, '4');
    }
}

static void test_uuid7_is_well_formed_and_tells_its_milliseconds(void **state)
{
    (void)state;
    char id[UUID_SIZE];
    for (int64_t n = 0; n < 10000; n++) {
        int64_t wall_us = 1767225600000000 + n * 1234567;
        rng_uuid7(7, "event", (uint64_t)n, wall_us, id);
        assert_well_formed(id, '7');
        char digits[13] = {0};
        memcpy(digits, id, 8);
        memcpy(digits + 8, id + 9, 4);
        assert_int_equal(strtoll(digits, NULL, 16), wall_us / 1000);
    }
}

/* The last 16 digits: 62 random bits in both versions. */
static uint64_t low_half(const char *id)
{
    char digits[17] = {0};
    memcpy(digits, id + 19, 4);
    memcpy(digits + 4, id + 24, 12);
    return strtoull(digits, NULL, 16);
}

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void test_a_million_ids_are_all_different(void **state)
{
    (void)state;
    enum { COUNT = 1000000 };
    uint64_t *halves = malloc(sizeof *halves * COUNT);
    assert_non_null(halves);
    for (unsigned version = 4; version <= 7; version += 3) {
        char id[UUID_SIZE];
        for (uint64_t n = 0; n < COUNT; n++) {
            if (version == 4)
                rng_uuid4(1, "event", n, id);
            else /* all within the same millisecond */
                rng_uuid7(1, "event", n, 1767225600000000, id);
            halves[n] = low_half(id);
        }
        qsort(halves, COUNT, sizeof *halves, by_number);
        for (size_t i = 1; i < COUNT; i++)
            assert_true(halves[i] != halves[i - 1]);
    }
    free(halves);
}

/* ---- seeds ------------------------------------------------------------------------------------ */

static void test_fresh_seeds_survive_json(void **state)
{
    (void)state;
    uint64_t first = rng_seed_fresh(), different = 0;
    for (int i = 0; i < 10; i++) {
        uint64_t seed = rng_seed_fresh();
        assert_true(seed < UINT64_C(1) << 53);
        different += seed != first;
    }
    assert_true(different > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rng_is_splitmix64),
        cmocka_unit_test(test_rng_streams_do_not_move_each_other),
        cmocka_unit_test(test_rng_below_stays_below_and_reaches_everything),
        cmocka_unit_test(test_rng_range_includes_both_ends),
        cmocka_unit_test(test_rng_hash_depends_on_all_it_is_given),
        cmocka_unit_test(test_rng_means_the_same_for_ever),
        cmocka_unit_test(test_uuid4_is_well_formed),
        cmocka_unit_test(test_uuid7_is_well_formed_and_tells_its_milliseconds),
        cmocka_unit_test(test_a_million_ids_are_all_different),
        cmocka_unit_test(test_fresh_seeds_survive_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
