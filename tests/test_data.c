/* data: a folder's files lie before the embedded ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "data.h"

#define SCHEMA "scenarios/scenario.schema.json"

static char folder[] = "/tmp/pimsim-data-XXXXXX";

static void write_file(const char *path, const char *text)
{
    char full[256];
    snprintf(full, sizeof full, "%s/%s", folder, path);
    FILE *file = fopen(full, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static void make_folder(const char *path)
{
    char full[256];
    snprintf(full, sizeof full, "%s/%s", folder, path);
    assert_int_equal(mkdir(full, 0700), 0);
}

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st, (void)kind, (void)at;
    return remove(path);
}

static int setup(void **state)
{
    (void)state;
    strcpy(folder + strlen(folder) - 6, "XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    return nftw(folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static struct data *open_data(const char *path)
{
    struct data *data;
    struct err err = {0};
    if (!data_open(&data, path, &err))
        fail_msg("%s", err.text);
    return data;
}

static void assert_reads(struct data *data, const char *path, const char *text)
{
    struct span bytes;
    struct err err = {0};
    if (!data_read(data, path, &bytes, &err))
        fail_msg("%s", err.text);
    assert_true(span_equals(bytes, text));
    assert_int_equal(bytes.data[bytes.len], '\0');
}

static void test_data_embeds_the_schema(void **state)
{
    (void)state;
    struct data *data = open_data(NULL);
    struct span bytes;
    struct err err = {0};
    assert_true(data_has(data, SCHEMA));
    assert_true(data_read(data, SCHEMA, &bytes, &err));
    assert_true(bytes.len > 2 && bytes.data[0] == '{' && bytes.data[bytes.len] == '\0');
    data_close(data);
}

static void test_data_prefers_the_folder_and_keeps_the_rest(void **state)
{
    (void)state;
    struct data *plain = open_data(NULL);
    size_t embedded = data_count(plain);
    data_close(plain);

    make_folder("scenarios");
    make_folder("scenarios/mine");
    write_file(SCHEMA, "{}");
    write_file("scenarios/mine/first.json", "[1]");
    struct data *data = open_data(folder);
    assert_int_equal(data_count(data), embedded + 1);
    assert_reads(data, SCHEMA, "{}");
    assert_reads(data, "scenarios/mine/first.json", "[1]");
    data_close(data);
}

static void test_data_lists_sorted_paths_once(void **state)
{
    (void)state;
    make_folder("fixtures");
    make_folder("fixtures/aep");
    write_file("fixtures/aep/zz.json", "1");
    write_file("fixtures/aep/aa.json", "2");
    write_file("fixtures/aep/notes.txt", "not ours");
    write_file("fixtures/aep/.hidden.json", "not ours");
    struct data *data = open_data(folder);
    for (size_t i = 1; i < data_count(data); i++)
        assert_true(strcmp(data_path(data, i - 1), data_path(data, i)) < 0);
    assert_true(data_has(data, "fixtures/aep/zz.json"));
    assert_false(data_has(data, "fixtures/aep/notes.txt"));
    assert_false(data_has(data, "fixtures/aep/.hidden.json"));
    data_close(data);
}

static void test_data_names_what_it_cannot_read(void **state)
{
    (void)state;
    struct data *data = open_data(NULL);
    struct span bytes;
    struct err err = {0};
    assert_false(data_read(data, "fixtures/none.json", &bytes, &err));
    assert_string_equal(err.text, "fixtures/none.json: no such file");
    data_close(data);

    assert_false(data_open(&data, folder, &err));
    assert_non_null(strstr(err.text, folder));
    assert_int_equal(err.code, EXIT_USAGE);
    assert_false(data_open(&data, "/nonexistent", &err));
    assert_non_null(strstr(err.text, "/nonexistent"));
    write_file("fixtures", "a file, no folder");
    assert_false(data_open(&data, folder, &err));
    assert_non_null(strstr(err.text, "fixtures: Not a directory"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_data_embeds_the_schema),
        cmocka_unit_test_setup_teardown(test_data_prefers_the_folder_and_keeps_the_rest, setup, teardown),
        cmocka_unit_test_setup_teardown(test_data_lists_sorted_paths_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_data_names_what_it_cannot_read, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
