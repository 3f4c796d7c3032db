/* The shape of every fixture is the shape of the published example, as tests/fixture_paths.txt lists
 * it: every path, with its JSON type, and no path more. cJSON reads, so that our own reader is not
 * its own witness. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>
#include <cmocka.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base.h"
#include "event.h"
#include "json.h"

static struct buf read_whole(const char *path)
{
    struct err err;
    struct buf text;
    buf_init(&text, 1 << 24);
    if (!buf_read_file(&text, path, &err))
        fail_msg("%s", err.text);
    buf_putc(&text, '\0');
    return text;
}

/* ---- shapes ------------------------------------------------------------------------------ */

struct lines {
    char **items;
    size_t count, cap;
};

static int compare_lines(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void lines_add(struct lines *lines, const char *text)
{
    for (size_t i = 0; i < lines->count; i++)
        if (strcmp(lines->items[i], text) == 0)
            return;
    lines->items = mem_grow(lines->items, &lines->cap, lines->count, sizeof *lines->items);
    lines->items[lines->count++] = mem_text(text);
}

static void lines_reset(struct lines *lines)
{
    for (size_t i = 0; i < lines->count; i++)
        free(lines->items[i]);
    free(lines->items);
    *lines = (struct lines){0};
}

static const char *type_word(const cJSON *value)
{
    return cJSON_IsObject(value)   ? "object"
           : cJSON_IsArray(value)  ? "array"
           : cJSON_IsString(value) ? "string"
           : cJSON_IsBool(value)   ? "boolean"
           : cJSON_IsNumber(value) ? "number"
                                   : "null";
}

static bool ends_with(const char *text, const char *end)
{
    return strlen(text) >= strlen(end) && strcmp(text + strlen(text) - strlen(end), end) == 0;
}

/* A member's name, or the class it stands for where the names are the user's own. */
static void segment(const char *path, const cJSON *member, char *text, size_t size)
{
    const cJSON *type = cJSON_GetObjectItem(cJSON_GetArrayItem(member, 0), "type");
    if (ends_with(path, "/changes/values"))
        snprintf(text, size, "{%s}", cJSON_GetStringValue(type) ? cJSON_GetStringValue(type) : "?");
    else if (ends_with(path, "/changes/associations") || ends_with(path, "/changes/quantified_associations"))
        snprintf(text, size, "{}");
    else
        snprintf(text, size, "%s", member->string);
}

static void walk(const cJSON *value, const char *path, struct lines *lines)
{
    char text[640], name[128];
    snprintf(text, sizeof text, "%s %s", *path ? path : "/", type_word(value));
    lines_add(lines, text);
    for (const cJSON *child = value->child; child; child = child->next) {
        snprintf(name, sizeof name, "[]");
        if (cJSON_IsObject(value))
            segment(path, child, name, sizeof name);
        snprintf(text, sizeof text, "%s/%s", path, name);
        char *below = mem_text(text);
        walk(child, below, lines);
        free(below);
    }
}

static struct lines expected_shape(const char *list, const char *file)
{
    struct lines lines = {0};
    char line[640], start[256];
    snprintf(start, sizeof start, "%s ", file);
    for (const char *at = list; *at; at += strcspn(at, "\n") + 1) {
        snprintf(line, sizeof line, "%.*s", (int)strcspn(at, "\n"), at);
        if (strncmp(line, start, strlen(start)) == 0)
            lines_add(&lines, line + strlen(start));
    }
    return lines;
}

static void assert_shape(const char *list, const char *file)
{
    char path[300];
    snprintf(path, sizeof path, "fixtures/%s", file);
    struct buf text = read_whole(path);
    cJSON *json = cJSON_Parse(text.data);
    if (!json)
        fail_msg("%s is not JSON", path);
    struct lines have = {0}, want = expected_shape(list, file);
    walk(json, "", &have);
    if (want.count == 0)
        fail_msg("%s is not listed in fixture_paths.txt", file);
    qsort(have.items, have.count, sizeof *have.items, compare_lines);
    qsort(want.items, want.count, sizeof *want.items, compare_lines);
    for (size_t i = 0; i < have.count || i < want.count; i++) {
        const char *h = i < have.count ? have.items[i] : "~", *w = i < want.count ? want.items[i] : "~";
        if (strcmp(h, w) != 0)
            fail_msg("%s: %s %s", file,
                     strcmp(h, w) < 0 ? "not in the example:" : "missing:", strcmp(h, w) < 0 ? h : w);
    }
    lines_reset(&have);
    lines_reset(&want);
    cJSON_Delete(json);
    buf_reset(&text);
}

static void test_every_fixture_has_the_shape_of_the_published_example(void **state)
{
    (void)state;
    struct buf list = read_whole("tests/fixture_paths.txt");
    size_t seen = 0;
    for (size_t i = 0; i < event_type_count(); i++)
        for (size_t platform = 0; platform < PLATFORM_COUNT; platform++) {
            const char *wire = event_type_at(i)->wire[platform];
            char file[200];
            snprintf(file, sizeof file, "%s/%s.json", platform_names[platform], wire ? wire : "");
            if (wire) {
                assert_shape(list.data, file);
                seen++;
            }
        }
    assert_int_equal(seen, 6 + 38);
    buf_reset(&list);
}

static void test_no_fixture_is_without_an_event_type(void **state)
{
    (void)state;
    size_t files = 0;
    for (size_t platform = 0; platform < PLATFORM_COUNT; platform++) {
        char folder[64];
        snprintf(folder, sizeof folder, "fixtures/%s", platform_names[platform]);
        DIR *dir = opendir(folder);
        assert_non_null(dir);
        for (struct dirent *entry; (entry = readdir(dir));)
            files += entry->d_name[0] != '.';
        closedir(dir);
    }
    assert_int_equal(files, 6 + 38);
}

/* ---- the catalogue ------------------------------------------------------------------------- */

static bool has_model(const cJSON *family, const char *code)
{
    const cJSON *model;
    cJSON_ArrayForEach(
        model,
        cJSON_GetObjectItem(
            family, "product_models")) if (strcmp(cJSON_GetStringValue(cJSON_GetObjectItem(model, "code")),
                                                  code) == 0) return true;
    return false;
}

static void check_resource(const cJSON *family, const cJSON *resource)
{
    const cJSON *attributes = cJSON_GetObjectItem(family, "attributes"), *list;
    const char *parent = cJSON_GetStringValue(cJSON_GetObjectItem(resource, "parent"));
    assert_true(!parent || has_model(family, parent));
    assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(resource, "family")),
                        cJSON_GetStringValue(cJSON_GetObjectItem(family, "family")));
    cJSON_ArrayForEach(
        list, cJSON_GetObjectItem(resource, "values")) if (!cJSON_GetObjectItem(attributes, list->string))
        fail_msg("attribute %s has no type", list->string);
}

static void test_catalogue_holds_together(void **state)
{
    (void)state;
    static const char *const families[] = {"shoes", "garden_tools", "tents"};
    int products = 0, models = 0;
    for (size_t i = 0; i < COUNT_OF(families); i++) {
        char path[100];
        snprintf(path, sizeof path, "fixtures/catalog/%s.json", families[i]);
        struct buf text = read_whole(path);
        cJSON *family = cJSON_Parse(text.data), *resource;
        assert_non_null(family);
        cJSON_ArrayForEach(resource, cJSON_GetObjectItem(family, "products"))
            check_resource(family, resource);
        cJSON_ArrayForEach(resource, cJSON_GetObjectItem(family, "product_models"))
            check_resource(family, resource);
        products += cJSON_GetArraySize(cJSON_GetObjectItem(family, "products"));
        models += cJSON_GetArraySize(cJSON_GetObjectItem(family, "product_models"));
        cJSON_Delete(family);
        buf_reset(&text);
    }
    assert_true(models >= 10);
    assert_true(products + models >= 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_fixture_has_the_shape_of_the_published_example),
        cmocka_unit_test(test_no_fixture_is_without_an_event_type),
        cmocka_unit_test(test_catalogue_holds_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
