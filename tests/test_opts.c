/* opts: every type from every place, who beats whom, and what the messages say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "opts.h"

static char folder[] = "/tmp/pimsim-opts-XXXXXX";
static const char *const variables[] = {"PIMSIM_URL",    "PIMSIM_SEED",   "PIMSIM_STRICT",
                                        "PIMSIM_HEADER", "PIMSIM_FORMAT", "PIMSIM_ACK_DEADLINE",
                                        "PIMSIM_BUG",    "PIMSIM_CONFIG", "PIMSIM_FLOW"};

static int enter_folder(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(variables); i++)
        unsetenv(variables[i]);
    strcpy(folder + strlen(folder) - 6, "XXXXXX");
    return mkdtemp(folder) && chdir(folder) == 0 ? 0 : -1;
}

static int leave_folder(void **state)
{
    (void)state;
    unlink("pimsim.json");
    unlink("other.json");
    return chdir("/") == 0 && rmdir(folder) == 0 ? 0 : -1;
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

#define ARGS(...)                                                                                            \
    (int)(sizeof((char *[]){NULL, ##__VA_ARGS__}) / sizeof(char *)) - 1, (char *[]){NULL, ##__VA_ARGS__} + 1

static struct options parse(enum command_bit command, int argc, char **argv)
{
    struct options options;
    struct err err = {0};
    if (!opts_parse(&options, command, argc, argv, &err)) {
        opts_reset(&options);
        fail_msg("%s", err.text);
    }
    return options;
}

static void assert_refused(const char *text, enum command_bit command, int argc, char **argv)
{
    struct options options;
    struct err err = {0};
    bool ok = opts_parse(&options, command, argc, argv, &err);
    opts_reset(&options);
    assert_false(ok);
    assert_string_equal(err.text, text);
    assert_int_equal(err.code, EXIT_USAGE);
}

static void test_opts_reads_every_type_from_flags(void **state)
{
    (void)state;
    struct options o =
        parse(CMD_RUN, ARGS("core", "-u", "http://a/", "--seed=9007199254740992", "--ack-deadline", "250ms",
                            "--strict", "-HA: 1", "--header", "B: 2", "--format", "json", "-qv", "late"));
    assert_string_equal(o.url, "http://a/");
    assert_true(o.seed == UINT64_C(1) << 53 && o.seed_set);
    assert_true(o.ack_deadline_us == 250000);
    assert_true(o.strict && o.quiet && o.verbose && !o.insecure);
    assert_int_equal(o.header.count, 2);
    assert_string_equal(o.header.items[0], "A: 1");
    assert_string_equal(o.header.items[1], "B: 2");
    assert_string_equal(o.format, "json");
    assert_int_equal(o.args.count, 2);
    assert_string_equal(o.args.items[0], "core");
    assert_string_equal(o.args.items[1], "late");
    opts_reset(&o);
}

static void test_opts_reads_every_type_from_the_environment(void **state)
{
    (void)state;
    setenv("PIMSIM_URL", "http://env/", 1);
    setenv("PIMSIM_SEED", "7", 1);
    setenv("PIMSIM_STRICT", "1", 1);
    setenv("PIMSIM_HEADER", "A: 1\nB: 2", 1);
    setenv("PIMSIM_ACK_DEADLINE", "2s", 1);
    setenv("PIMSIM_FORMAT", "", 1);        /* empty: unset */
    setenv("PIMSIM_BUG", "of-another", 1); /* another command's */
    struct options o = parse(CMD_RUN, ARGS());
    assert_string_equal(o.url, "http://env/");
    assert_true(o.seed == 7 && o.seed_set && o.strict);
    assert_int_equal(o.header.count, 2);
    assert_string_equal(o.header.items[1], "B: 2");
    assert_true(o.ack_deadline_us == 2000000);
    assert_string_equal(o.format, "text");
    assert_null(o.bug);
    opts_reset(&o);
}

static void test_opts_reads_every_type_from_pimsim_json(void **state)
{
    (void)state;
    write_file("pimsim.json",
               "// ours\n{\"$schema\": \"x\", \"url\": \"http://file/\", \"seed\": 5, /* no\n */"
               "\"strict\": true, \"header\": [\"A: \\u00e9\", \"B: 2\"], \"require\": \"ack/load\","
               "\"ack-deadline\": \"1s\", \"format\": \"json\", \"bug\": \"of-another\"}");
    struct options o = parse(CMD_RUN, ARGS());
    assert_string_equal(o.url, "http://file/");
    assert_true(o.seed == 5 && o.seed_set && o.strict);
    assert_int_equal(o.header.count, 2);
    assert_string_equal(o.header.items[0], "A: é");
    assert_int_equal(o.require.count, 1);
    assert_true(o.ack_deadline_us == 1000000);
    assert_string_equal(o.format, "json");
    assert_null(o.bug);
    opts_reset(&o);
}

static void test_opts_flag_beats_environment_beats_file(void **state)
{
    (void)state;
    write_file("pimsim.json", "{\"url\": \"file\", \"seed\": 1, \"header\": [\"A: file\", \"B: file\"],"
                              "\"strict\": true, \"format\": \"json\"}");
    setenv("PIMSIM_URL", "environment", 1);
    setenv("PIMSIM_HEADER", "A: environment", 1);
    setenv("PIMSIM_SEED", "2", 1);
    struct options o = parse(CMD_RUN, ARGS("--url", "flag", "--strict=false"));
    assert_string_equal(o.url, "flag");
    assert_true(o.seed == 2);
    assert_int_equal(o.header.count, 1); /* lists are replaced, not joined */
    assert_string_equal(o.header.items[0], "A: environment");
    assert_false(o.strict);
    assert_string_equal(o.format, "json"); /* the file beats the default */
    opts_reset(&o);
}

static void test_opts_flow_is_a_list_from_all_three_places(void **state)
{
    (void)state;
    write_file("pimsim.json", "{\"flow\": [\"retry=1m,2m\", \"resume=30m\"]}");
    struct options o = parse(CMD_RUN, ARGS());
    assert_int_equal(o.flow.count, 2);
    assert_string_equal(o.flow.items[0], "retry=1m,2m"); /* a comma parts the waits, not the list */
    assert_string_equal(o.flow.items[1], "resume=30m");
    opts_reset(&o);
    setenv("PIMSIM_FLOW", "quota=5\nstale=none", 1);
    o = parse(CMD_DEMO, ARGS());
    assert_int_equal(o.flow.count, 2);
    assert_string_equal(o.flow.items[1], "stale=none");
    opts_reset(&o);
    o = parse(CMD_RUN, ARGS("--flow", "retry=5m", "--flow=quota=1"));
    assert_int_equal(o.flow.count, 2);
    assert_string_equal(o.flow.items[0], "retry=5m");
    assert_string_equal(o.flow.items[1], "quota=1");
    opts_reset(&o);
    assert_refused("--flow: not an option of this command, but of run, demo", CMD_PLAN,
                   ARGS("--flow", "quota=1"));
}

static void test_opts_defaults_and_what_was_set(void **state)
{
    (void)state;
    struct options o = parse(CMD_SIGN, ARGS());
    assert_string_equal(o.as, "http");
    assert_string_equal(o.sign_url, "http://localhost:3000/");
    assert_null(o.platform);
    assert_true(!o.seed_set && o.seed == 0);
    opts_reset(&o);
    o = parse(CMD_SIGN, ARGS("--seed", "0", "--timestamp", "0"));
    assert_true(o.seed_set);
    opts_reset(&o);
    o = parse(CMD_RUN, ARGS());
    assert_true(o.exec_timeout_us == 30000000);
    opts_reset(&o);
}

static void test_opts_last_value_wins(void **state)
{
    (void)state;
    struct options o = parse(CMD_RUN, ARGS("--seed", "1", "--seed", "2", "-u", "a", "-ub"));
    assert_true(o.seed == 2);
    assert_string_equal(o.url, "b");
    opts_reset(&o);
}

static void test_opts_leaves_dashes_that_are_no_options(void **state)
{
    (void)state;
    struct options o = parse(CMD_SIGN, ARGS("--body", "-", "-", "--secret", "--odd", "--", "--as"));
    assert_string_equal(o.body, "-");
    assert_string_equal(o.secret, "--odd"); /* a value may look like anything */
    assert_int_equal(o.args.count, 2);
    assert_string_equal(o.args.items[0], "-");
    assert_string_equal(o.args.items[1], "--as");
    opts_reset(&o);
}

static void test_opts_names_wrong_flags(void **state)
{
    (void)state;
    assert_refused("--ur: unknown option (did you mean --url?)", CMD_RUN, ARGS("--ur=x"));
    assert_refused("--elephants: unknown option", CMD_RUN, ARGS("--elephants"));
    assert_refused("-x: unknown option", CMD_RUN, ARGS("-qx"));
    assert_refused("--bug: not an option of this command, but of demo, connector", CMD_RUN,
                   ARGS("--bug", "b"));
    assert_refused("--url: its value is missing: --url URL", CMD_RUN, ARGS("-u"));
    assert_refused("--url: its value is missing: --url URL", CMD_RUN, ARGS("--url"));
}

static void test_opts_names_wrong_values(void **state)
{
    (void)state;
    assert_refused("--seed: \"9007199254740993\" is not a whole number from 0 to 9007199254740992", CMD_RUN,
                   ARGS("--seed", "9007199254740993"));
    assert_refused("--seed: \"99999999999999999999\" is not a whole number from 0 to 9007199254740992",
                   CMD_RUN, ARGS("--seed", "99999999999999999999"));
    assert_refused("--seed: \"-1\" is not a whole number from 0 to 9007199254740992", CMD_RUN,
                   ARGS("--seed", "-1"));
    assert_refused("--fail-under: \"101\" is not a whole number from 0 to 100", CMD_RUN,
                   ARGS("--fail-under=101"));
    assert_refused("--count: \"0\" is not a whole number from 1 to 9007199254740992", CMD_SIGN, ARGS("-n0"));
    assert_refused("--port: \"\" is not a whole number from 0 to 65535", CMD_CONNECTOR, ARGS("--port="));
    assert_refused("--ack-deadline: \"3\" is not a duration such as 500ms, 3s or 10m", CMD_RUN,
                   ARGS("--ack-deadline", "3"));
    assert_refused("--format: \"jsno\" is not one of text|json (did you mean json?)", CMD_RUN,
                   ARGS("--format", "jsno"));
    assert_refused("--strict: \"maybe\" is neither true nor false", CMD_RUN, ARGS("--strict=maybe"));
    setenv("PIMSIM_ACK_DEADLINE", "soon", 1);
    assert_refused("PIMSIM_ACK_DEADLINE: \"soon\" is not a duration such as 500ms, 3s or 10m", CMD_RUN,
                   ARGS());
}

static void assert_config_refused(const char *json, const char *part)
{
    struct options options;
    struct err err = {0};
    write_file("pimsim.json", json);
    bool ok = opts_parse(&options, CMD_RUN, ARGS(), &err);
    opts_reset(&options);
    assert_false(ok);
    assert_int_equal(err.code, EXIT_USAGE);
    if (strncmp(err.text, "pimsim.json:", 12) != 0 || !strstr(err.text, part))
        fail_msg("\"%s\" does not say \"%s\"", err.text, part);
}

static void test_opts_names_what_is_wrong_in_pimsim_json(void **state)
{
    (void)state;
    assert_config_refused("{\"sede\": 1}", "seed"); /* the nearest key */
    assert_config_refused("{\"config\": \"x\"}", "config");
    assert_config_refused("{\"seed\": \"1\"}", "seed: ");
    assert_config_refused("{\"seed\": 1.5}", "pimsim.json: seed: \"1.5\" is not a whole number");
    assert_config_refused("{\"strict\": \"true\"}", "strict: ");
    assert_config_refused("{\"url\": 3000}", "url: ");
    assert_config_refused("{\"header\": [\"A: 1\", 2]}", "header[1]");
    assert_config_refused("{\"format\": \"xml\"}", "pimsim.json: format: \"xml\" is not one of text|json");
    assert_config_refused("{\"ack-deadline\": \"3\"}", "ack-deadline: \"3\" is not a duration");
    assert_config_refused("[]", "object");
    assert_config_refused("{", "");
}

static void test_opts_config_chooses_the_file(void **state)
{
    (void)state;
    write_file("pimsim.json", "{\"seed\": 1}");
    write_file("other.json", "{\"seed\": 2}");
    struct options o = parse(CMD_RUN, ARGS("--config", "other.json"));
    assert_true(o.seed == 2);
    opts_reset(&o);
    setenv("PIMSIM_CONFIG", "other.json", 1);
    o = parse(CMD_RUN, ARGS());
    assert_true(o.seed == 2);
    opts_reset(&o);
    o = parse(CMD_RUN, ARGS("--config=/dev/null")); /* no settings at all */
    assert_false(o.seed_set);
    opts_reset(&o);
    assert_refused("none.json: No such file or directory", CMD_RUN, ARGS("--config=none.json"));
}

static void test_opts_help_needs_nothing_else_to_be_right(void **state)
{
    (void)state;
    write_file("pimsim.json", "{broken");
    setenv("PIMSIM_SEED", "x", 1);
    struct options o = parse(CMD_RUN, ARGS("-h"));
    assert_true(o.help);
    opts_reset(&o);
    o = parse(CMD_INIT, ARGS("--force")); /* init repairs what is broken, so does not read it */
    assert_true(o.force);
    opts_reset(&o);
}

static void assert_repeats(char *exec, const char *shown)
{
    struct options o = parse(CMD_RUN, ARGS("--secret", "test", "--exec", exec));
    struct buf line;
    char expected[200];
    buf_init(&line, 1 << 16);
    opts_command_line(&o, CMD_RUN, 7, &line);
    snprintf(expected, sizeof expected, "pimsim run --exec %s --seed 7", shown);
    assert_string_equal(buf_text(&line), expected);
    buf_reset(&line);
    opts_reset(&o);
}

static void test_the_line_that_repeats_a_run_holds_no_secret(void **state)
{
    (void)state;
    assert_repeats((char[]){"SECRET=test npm test"}, "'SECRET=… npm test'");
    assert_repeats((char[]){"run --secret \"test\""}, "'run --secret \"…\"'");
    assert_repeats((char[]){"npm test"}, "'npm test'"); /* a word like any other */
}

static void test_a_url_is_shown_without_its_password(void **state)
{
    (void)state;
    static const char *const table[][2] = {
        {"http://me:hunter2@h:1/x?y=@z", "http://…@h:1/x?y=@z"},
        {"http://me:a@hunter2@h/", "http://…@h/"},
        {"me:hunter2@h", "…@h"},
        {"http://h/@x", "http://h/@x"},
        {"", ""},
    };
    struct buf shown;
    buf_init(&shown, 100);
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        buf_clear(&shown);
        opts_put_url(&shown, table[i][0]);
        assert_string_equal(buf_text(&shown), table[i][1]);
    }
    buf_reset(&shown);
}

static void test_opts_help_fits_80_columns_and_a_screen(void **state)
{
    (void)state;
    for (unsigned i = 0; i < COMMAND_COUNT; i++) {
        struct buf help;
        buf_init(&help, 1 << 20);
        opts_help(1u << i, &help);
        size_t lines = 0;
        for (const char *line = buf_text(&help); *line; line = strchr(line, '\n') + 1, lines++)
            if (strcspn(line, "\n") > 80)
                fail_msg("too wide: %.*s", (int)strcspn(line, "\n"), line);
        assert_true(lines > 0 && lines <= 50);
        buf_reset(&help);
    }
}

static void test_opts_help_shows_letters_words_and_defaults(void **state)
{
    (void)state;
    struct buf help;
    buf_init(&help, 1 << 20);
    opts_help(CMD_RUN, &help);
    assert_non_null(
        strstr(buf_text(&help), "\n  -p, --platform WORD       the sender: aep (default), events-api\n"));
    assert_non_null(strstr(buf_text(&help),
                           "\n      --exec-timeout TIME   how long until its URL answers (default 30s)\n"));
    assert_non_null(strstr(buf_text(&help), "\n  -h, --help                this help\n"));
    assert_null(strstr(buf_text(&help), "--bug"));
    buf_reset(&help);
}

int main(void)
{
#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, enter_folder, leave_folder)
    const struct CMUnitTest tests[] = {
        IN_FOLDER(test_opts_reads_every_type_from_flags),
        IN_FOLDER(test_opts_reads_every_type_from_the_environment),
        IN_FOLDER(test_opts_reads_every_type_from_pimsim_json),
        IN_FOLDER(test_opts_flag_beats_environment_beats_file),
        IN_FOLDER(test_opts_flow_is_a_list_from_all_three_places),
        IN_FOLDER(test_opts_defaults_and_what_was_set),
        IN_FOLDER(test_opts_last_value_wins),
        IN_FOLDER(test_opts_leaves_dashes_that_are_no_options),
        IN_FOLDER(test_opts_names_wrong_flags),
        IN_FOLDER(test_opts_names_wrong_values),
        IN_FOLDER(test_opts_names_what_is_wrong_in_pimsim_json),
        IN_FOLDER(test_opts_config_chooses_the_file),
        IN_FOLDER(test_opts_help_needs_nothing_else_to_be_right),
        IN_FOLDER(test_the_line_that_repeats_a_run_holds_no_secret),
        cmocka_unit_test(test_a_url_is_shown_without_its_password),
        cmocka_unit_test(test_opts_help_fits_80_columns_and_a_screen),
        cmocka_unit_test(test_opts_help_shows_letters_words_and_defaults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
