/* Tests of json.c: spans, paths in messages, and bytes that are exact. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "json.h"

static struct json_doc parse(const char *text, enum json_flags flags)
{
    struct json_doc doc = {0};
    struct err err = {0};
    if (!json_parse(&doc, "f.json", span_of(text), flags, &err))
        fail_msg("%s", err.text);
    return doc;
}

static void assert_raw(const struct json_doc *doc, const char *pointer, const char *expected)
{
    struct span raw = json_raw(doc, json_pointer(doc, pointer));
    assert_int_equal(raw.len, strlen(expected));
    assert_memory_equal(raw.data, expected, raw.len);
}

static void assert_respelled(const char *text, const struct json_style *style, const char *expected)
{
    struct json_doc doc = parse(text, JSON_STRICT);
    struct err err;
    struct buf out;
    buf_init(&out, 4096);
    assert_true(json_respell(&doc, JSON_ROOT, style, &out, &err));
    assert_string_equal(buf_text(&out), expected);
    buf_reset(&out);
    json_reset(&doc);
}

static void test_json_knows_where_each_value_stands(void **state)
{
    (void)state;
    struct json_doc doc =
        parse(" { \"a\\/b\" : [ 800.0000 , 1e3, \"x\\n\" ], \"o\":{ },\"t\":true } ", JSON_STRICT);
    assert_raw(&doc, "/a~1b/0", "800.0000");
    assert_raw(&doc, "/a~1b/1", "1e3");
    assert_raw(&doc, "/a~1b/2", "\"x\\n\"");
    assert_raw(&doc, "/a~1b", "[ 800.0000 , 1e3, \"x\\n\" ]");
    assert_raw(&doc, "/o", "{ }");
    assert_raw(&doc, "/t", "true");
    assert_raw(&doc, "", "{ \"a\\/b\" : [ 800.0000 , 1e3, \"x\\n\" ], \"o\":{ },\"t\":true }");
    assert_true(json_pointer(&doc, "/a~1b/3") == JSON_NONE);
    assert_true(json_pointer(&doc, "/nope/deeper") == JSON_NONE);
    json_reset(&doc);
}

static void test_json_takes_a_number_as_a_whole_document(void **state)
{
    (void)state;
    struct json_doc doc = parse(" 9007199254740993 ", JSON_STRICT);
    assert_raw(&doc, "", "9007199254740993");
    assert_int_equal(json_i64(&doc, JSON_ROOT), 9007199254740993);
    json_reset(&doc);
}

static void test_json_passes_over_comments_when_allowed(void **state)
{
    (void)state;
    const char *text = "// first, a \"comment\"\n{ /* a:1, */ \"k\" // here\n : 7 }";
    struct json_doc doc = parse(text, JSON_COMMENTS);
    assert_raw(&doc, "/k", "7");
    struct err err;
    assert_false(json_parse(&doc, "f.json", span_of(text), JSON_STRICT, &err));
    json_reset(&doc);
}

static void test_json_says_where_a_text_is_not_json(void **state)
{
    (void)state;
    static const struct {
        const char *text, *place;
    } cases[] = {
        {"{\n \"a\": tru }", "f.json: line 2"},
        {"", "f.json: line 1"},
        {"{\"a\":1", "f.json: line 1"},
        {"[1] x", "f.json: line 1"},
        {"\"\xff\"", "f.json:"},
        {"[1,]", "f.json:"},
    };
    struct json_doc doc = {0};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct err err = {0};
        assert_false(json_parse(&doc, "f.json", span_of(cases[i].text), JSON_STRICT, &err));
        assert_true(strncmp(err.text, cases[i].place, strlen(cases[i].place)) == 0);
        assert_int_equal(err.code, EXIT_USAGE);
    }
    struct err err = {0};
    assert_false(json_parse(&doc, "f.json", (struct span){"[\0]", 3}, JSON_STRICT, &err));
    json_reset(&doc);
}

static void test_json_refuses_what_is_nested_too_deep(void **state)
{
    (void)state;
    char text[5000];
    memset(text, '[', sizeof text);
    struct json_doc doc = {0};
    struct err err = {0};
    assert_false(json_parse(&doc, "f.json", (struct span){text, sizeof text}, JSON_STRICT, &err));
    assert_non_null(strstr(err.text, "nested deeper"));
    json_reset(&doc);
}

static void test_json_names_the_path_of_a_bad_value(void **state)
{
    (void)state;
    struct json_doc doc = parse("{\"faults\":[{},{\"share\":1.5,\"n\":-3,\"w\":\"forgd\"}]}", JSON_STRICT);
    struct err err;
    double x;
    uint64_t n;
    size_t index;
    static const char *const words[] = {"forge", "drop"};
    assert_false(json_read_real(&doc, json_pointer(&doc, "/faults/1/share"), 0, 1, &x, &err));
    assert_string_equal(err.text, "f.json: faults[1].share: 1.5 is not between 0 and 1");
    assert_false(json_read_u64(&doc, json_pointer(&doc, "/faults/1/n"), 0, 9, &n, &err));
    assert_string_equal(err.text, "f.json: faults[1].n: -3 is not a whole number");
    assert_false(json_read_word(&doc, json_pointer(&doc, "/faults/1/w"), words, 2, &index, &err));
    assert_string_equal(err.text, "f.json: faults[1].w: \"forgd\" is not known; did you mean \"forge\"?");
    assert_false(json_expect(&doc, json_pointer(&doc, "/faults"), JSON_OBJECT, &err));
    assert_string_equal(err.text, "f.json: faults: expected an object, found an array");
    json_reset(&doc);
}

static void test_json_names_an_unknown_or_repeated_key(void **state)
{
    (void)state;
    static const char *const keys[] = {"title", "story"};
    struct err err;
    struct json_doc doc = parse("{\"titel\":1}", JSON_STRICT);
    assert_false(json_check_keys(&doc, JSON_ROOT, keys, 2, &err));
    assert_string_equal(err.text, "f.json: \"titel\" is not a known key; did you mean \"title\"?");
    json_reset(&doc);
    doc = parse("{\"title\":1,\"t\\u0069tle\":2}", JSON_STRICT);
    assert_false(json_check_keys(&doc, JSON_ROOT, keys, 2, &err));
    assert_string_equal(err.text, "f.json: title: this key comes twice");
    json_reset(&doc);
}

/* The expected bytes are what `php -r 'echo json_encode(json_decode(…));'` prints, PHP 8.2. */
static void test_json_spells_as_php_does(void **state)
{
    (void)state;
    assert_respelled(
        "{\"a/b\": \"é😀\\u007f\\u0001\\t<>&\\\"'\\\\\\b\\f\\r\\n\\u2028\", \"e\": {}, \"l\": []}",
        &JSON_STYLE_PHP,
        "{\"a\\/"
        "b\":\"\\u00e9\\ud83d\\ude00\x7f\\u0001\\t<>&\\\"'\\\\\\b\\f\\r\\n\\u2028\",\"e\":[],\"l\":[]}");
}

static void test_json_keeps_the_spelling_of_numbers(void **state)
{
    (void)state;
    static const char numbers[] = "[800.0000,1.0,9007199254740993,1e3,-0,1E+2]";
    assert_respelled("[800.0000, 1.0, 9007199254740993, 1e3, -0, 1E+2]", &JSON_STYLE_PLAIN, numbers);
    assert_respelled("[800.0000, 1.0, 9007199254740993, 1e3, -0, 1E+2]", &JSON_STYLE_PHP, numbers);
}

static void test_json_spells_in_other_legal_ways(void **state)
{
    (void)state;
    const char *text = "{\"a\":[1,{\"b\":2,\"c\":\"é/\"}],\"d\":null}";
    const struct json_style spaces = {.spaces = true}, upper = {.escape_unicode = true, .upper_hex = true};
    const struct json_style reversed = {.reverse_keys = true};
    assert_respelled(text, &spaces, "{\"a\": [1, {\"b\": 2, \"c\": \"é/\"}], \"d\": null}");
    assert_respelled(text, &upper, "{\"a\":[1,{\"b\":2,\"c\":\"\\u00E9/\"}],\"d\":null}");
    assert_respelled(text, &reversed, "{\"d\":null,\"a\":[1,{\"c\":\"é/\",\"b\":2}]}");
}

static void test_json_replaces_invalid_utf8(void **state)
{
    (void)state;
    static const char *const bad[] = {"\xff", "\xc0\x80", "\xed\xa0\x80", "\xf5\x80\x80\x80", "\xe2\x82"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct buf out;
        buf_init(&out, 100);
        json_put_string(&out, &JSON_STYLE_PLAIN, span_of(bad[i]));
        struct json_doc doc = parse(buf_text(&out), JSON_STRICT);
        assert_non_null(strstr(buf_text(&out), "\xef\xbf\xbd"));
        json_reset(&doc);
        buf_reset(&out);
    }
}

/* Known answers: php -r 'foreach ([…] as $x) echo json_encode($x), "\n";' */
/* Strings are written in stretches: a character is spelled the same wherever it stands in one. */
static void test_json_spells_a_character_the_same_at_every_place(void **state)
{
    (void)state;
    static const struct {
        const char *character, *plain, *php;
    } cases[] = {
        {"\"", "\\\"", "\\\""}, {"\\", "\\\\", "\\\\"},         {"/", "/", "\\/"},
        {"\n", "\\n", "\\n"},   {"\x01", "\\u0001", "\\u0001"}, {"\x7f", "\x7f", "\x7f"},
        {"é", "é", "\\u00e9"},  {"😀", "😀", "\\ud83d\\ude00"},
    };
    struct buf text, out, expected;
    buf_init(&text, 4096);
    buf_init(&out, 4096);
    buf_init(&expected, 4096);
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        for (size_t before = 0; before < 600; before++)
            for (int php = 0; php < 2; php++) {
                buf_clear(&text), buf_clear(&out), buf_clear(&expected);
                buf_putc(&expected, '"');
                for (size_t n = 0; n < before; n++) {
                    buf_putc(&text, 'a');
                    buf_putc(&expected, 'a');
                }
                buf_puts(&text, cases[i].character);
                buf_puts(&expected, php ? cases[i].php : cases[i].plain);
                buf_puts(&text, "z");
                buf_puts(&expected, "z\"");
                json_put_string(&out, php ? &JSON_STYLE_PHP : &JSON_STYLE_PLAIN, buf_span(&text));
                assert_string_equal(buf_text(&out), buf_text(&expected));
            }
    buf_reset(&text);
    buf_reset(&out);
    buf_reset(&expected);
}

static void test_json_writes_doubles_as_php_does(void **state)
{
    (void)state;
    static const struct {
        double x;
        const char *text;
    } cases[] = {{1e15, "1000000000000000"},
                 {1e17, "1.0e+17"},
                 {1e25, "1.0e+25"},
                 {0.1, "0.1"},
                 {10.0, "10"},
                 {1.5e-7, "1.5e-7"},
                 {0.00001, "1.0e-5"},
                 {0.0001, "0.0001"},
                 {123456789.123, "123456789.123"},
                 {-2.5, "-2.5"},
                 {0.1 + 0.2, "0.30000000000000004"}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct buf out;
        buf_init(&out, 100);
        json_put_double(&out, cases[i].x);
        assert_string_equal(buf_text(&out), cases[i].text);
        buf_reset(&out);
    }
}

static void test_json_writer_keeps_the_commas(void **state)
{
    (void)state;
    struct buf out;
    struct json_writer w;
    buf_init(&out, 1000);
    json_begin(&w, &out, false);
    json_open(&w, NULL, '{');
    json_put(&w, "a", "x\"y");
    json_open(&w, "l", '[');
    json_put_u64(&w, NULL, UINT64_MAX);
    json_put_i64(&w, NULL, INT64_MIN);
    json_close(&w, ']');
    json_open(&w, "o", '{');
    json_close(&w, '}');
    json_put_bool(&w, "b", true);
    json_put(&w, "n", NULL);
    json_close(&w, '}');
    assert_string_equal(buf_text(&out), "{\"a\":\"x\\\"y\",\"l\":[18446744073709551615,-9223372036854775808],"
                                        "\"o\":{},\"b\":true,\"n\":null}");
    buf_reset(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json_knows_where_each_value_stands),
        cmocka_unit_test(test_json_takes_a_number_as_a_whole_document),
        cmocka_unit_test(test_json_passes_over_comments_when_allowed),
        cmocka_unit_test(test_json_says_where_a_text_is_not_json),
        cmocka_unit_test(test_json_refuses_what_is_nested_too_deep),
        cmocka_unit_test(test_json_names_the_path_of_a_bad_value),
        cmocka_unit_test(test_json_names_an_unknown_or_repeated_key),
        cmocka_unit_test(test_json_spells_as_php_does),
        cmocka_unit_test(test_json_keeps_the_spelling_of_numbers),
        cmocka_unit_test(test_json_spells_in_other_legal_ways),
        cmocka_unit_test(test_json_replaces_invalid_utf8),
        cmocka_unit_test(test_json_spells_a_character_the_same_at_every_place),
        cmocka_unit_test(test_json_writes_doubles_as_php_does),
        cmocka_unit_test(test_json_writer_keeps_the_commas),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
