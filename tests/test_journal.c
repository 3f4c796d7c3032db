/* Tests of journal.c: what is written can be read, what was cut can be judged, what is wrong is named. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "journal.h"

#define RUN  "{\"record\":\"run\",\"journal\":1,\"seed\":7}\n"
#define BODY "{\"record\":\"body\",\"delivery\":1,\"body\":\"{\\\"a\\\":1}\"}\n"
#define END  "{\"record\":\"end\",\"reason\":\"complete\"}\n"

/* A temporary file that holds the bytes. */
static int file_with(const void *bytes, size_t len)
{
    FILE *f = tmpfile();
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, len, f), len);
    int fd = dup(fileno(f));
    fclose(f);
    return fd;
}

/* Every record as "kind:first member's value;" in one text. */
static bool note(void *arg, struct span kind, const struct json_doc *record, struct err *err)
{
    (void)err;
    struct buf *seen = arg;
    struct span value = json_raw(record, json_next(record, json_first(record, JSON_ROOT)));
    buf_put_span(seen, kind);
    buf_putc(seen, ':');
    buf_put_span(seen, value);
    buf_putc(seen, ';');
    return true;
}

static bool read_fd(int fd, const char *const *skip, char **seen, struct err *err)
{
    struct buf text;
    buf_init(&text, 1 << 16);
    bool ok = journal_read(fd, "j.ndjson", skip, note, &text, err);
    close(fd);
    *seen = buf_take(&text);
    return ok;
}

static void assert_reads(const char *text, const char *const *skip, const char *expected)
{
    char *seen;
    struct err err = {0};
    if (!read_fd(file_with(text, strlen(text)), skip, &seen, &err))
        fail_msg("%s", err.text);
    assert_string_equal(seen, expected);
    free(seen);
}

static void assert_refused(const char *bytes, size_t len, const char *message)
{
    char *seen;
    struct err err = {0};
    assert_false(read_fd(file_with(bytes, len), NULL, &seen, &err));
    free(seen);
    if (!strstr(err.text, message))
        fail_msg("\"%s\" does not say \"%s\"", err.text, message);
}
#define assert_refused_text(text, message) assert_refused(text, sizeof(text) - 1, message)

static struct journal *open_journal(const char *path)
{
    struct journal *journal;
    struct err err;
    if (!journal_open(&journal, path, &err))
        fail_msg("%s", err.text);
    return journal;
}

static void write_record(struct journal *journal, const char *kind, const char *key, const char *text)
{
    struct json_writer *w = journal_begin(journal, kind);
    json_put(w, key, text);
    journal_end(journal);
}

static void test_outcomes_have_names_that_are_found(void **state)
{
    (void)state;
    for (int i = 0; i < OUTCOME_COUNT; i++) {
        enum outcome found = OUTCOME_COUNT;
        assert_true(outcome_find(span_of(outcome_name((enum outcome)i)), &found));
        assert_int_equal(found, i);
        assert_true(strlen(outcome_sentence((enum outcome)i)) > 0);
    }
    enum outcome outcome;
    assert_false(outcome_find(span_of("answere"), &outcome));
    assert_false(outcome_find(span_of(""), &outcome));
    assert_string_equal(outcome_name(OUTCOME_GAVE_UP), "gave-up");
}

static void test_journal_writes_one_compact_line_a_record(void **state)
{
    (void)state;
    struct journal *journal = open_journal(NULL);
    struct err err;
    struct json_writer *w = journal_begin(journal, "send");
    json_put_u64(w, "delivery", 17);
    json_put_bytes(w, "event", span_of("a\"b\n"));
    journal_end(journal);
    journal_begin(journal, "end");
    journal_end(journal);
    assert_true(journal_flush(journal, &err));

    const char *expected =
        "{\"record\":\"send\",\"delivery\":17,\"event\":\"a\\\"b\\n\"}\n{\"record\":\"end\"}\n";
    char got[200] = {0};
    assert_int_equal(pread(journal_fd(journal), got, sizeof got, 0), strlen(expected));
    assert_string_equal(got, expected);
    assert_true(journal_close(journal, &err));
}

static void test_journal_is_read_back_after_a_flush_and_goes_on(void **state)
{
    (void)state;
    struct journal *journal = open_journal(NULL);
    struct err err;
    write_record(journal, "run", "url", "u");
    assert_true(journal_flush(journal, &err));
    char *seen;
    assert_true(read_fd(dup(journal_fd(journal)), NULL, &seen, &err));
    assert_string_equal(seen, "run:\"u\";");
    free(seen);
    write_record(journal, "end", "reason", "complete");
    assert_true(journal_flush(journal, &err));
    assert_true(read_fd(dup(journal_fd(journal)), NULL, &seen, &err));
    assert_string_equal(seen, "run:\"u\";end:\"complete\";");
    free(seen);
    assert_true(journal_close(journal, &err));
}

static void test_journal_replaces_a_file(void **state)
{
    (void)state;
    char path[] = "/tmp/test-journal-XXXXXX";
    int fd = mkstemp(path);
    assert_int_equal(write(fd, "old old old old old old old old\n", 32), 32);
    struct journal *journal = open_journal(path);
    struct err err;
    write_record(journal, "run", "url", "u");
    assert_true(journal_close(journal, &err));
    char *seen;
    assert_true(read_fd(fd, NULL, &seen, &err));
    assert_string_equal(seen, "run:\"u\";");
    free(seen);
    unlink(path);
}

static void test_journal_open_names_the_path_it_cannot_have(void **state)
{
    (void)state;
    struct journal *journal;
    struct err err;
    assert_false(journal_open(&journal, "/nowhere/j.ndjson", &err));
    assert_string_equal(err.text, "/nowhere/j.ndjson: No such file or directory");
    assert_int_equal(err.code, EXIT_ENVIRONMENT);
    assert_false(journal_open(&journal, "/dev/full", &err));
    assert_non_null(strstr(err.text, "/dev/full: a journal must be a regular file"));
    struct err untouched;
    assert_true(journal_close(NULL, &untouched));
}

/* A file that may not grow past a limit fails like a full disk: a short write, then an error. */
static void test_journal_keeps_the_first_error(void **state)
{
    (void)state;
    char path[] = "/tmp/test-journal-XXXXXX";
    close(mkstemp(path));
    struct journal *journal = open_journal(path);
    struct err err = {0};
    struct rlimit old, small;
    getrlimit(RLIMIT_FSIZE, &old);
    small = (struct rlimit){40, old.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &small);
    write_record(journal, "run", "url", "u");
    write_record(journal, "send", "event", "one that does not fit any more");
    bool flushed = journal_flush(journal, &err);
    setrlimit(RLIMIT_FSIZE, &old);
    signal(SIGXFSZ, SIG_DFL);
    assert_false(flushed);
    assert_int_equal(err.code, EXIT_ENVIRONMENT);
    assert_non_null(strstr(err.text, path));
    assert_non_null(strstr(err.text, "File too large"));

    /* There is room again, but a hole in a journal would be worse than its end. */
    write_record(journal, "end", "reason", "complete");
    struct err again = {0};
    assert_false(journal_flush(journal, &again));
    assert_string_equal(again.text, err.text);
    assert_false(journal_close(journal, &again));
    assert_string_equal(again.text, err.text);
    unlink(path);
}

static void test_journal_ends_at_a_record_that_is_too_large(void **state)
{
    (void)state;
    struct journal *journal = open_journal(NULL);
    struct err err = {0};
    size_t len = (size_t)40 << 20;
    char *large = malloc(len + 1);
    memset(large, 'x', len);
    large[len] = '\0';
    write_record(journal, "run", "url", "u");
    write_record(journal, "body", "body", large);
    free(large);
    assert_false(journal_flush(journal, &err));
    assert_non_null(strstr(err.text, "too large"));
    char *seen;
    assert_true(read_fd(dup(journal_fd(journal)), NULL, &seen, &err));
    assert_string_equal(seen, "run:\"u\";");
    free(seen);
    assert_false(journal_close(journal, &err));
}

static void test_read_hands_out_records_in_order(void **state)
{
    (void)state;
    assert_reads(RUN BODY END, NULL, "run:1;body:1;end:\"complete\";");
    assert_reads("", NULL, "");
}

/* One record of every kind that docs/formats.md describes. */
static void test_read_reads_the_small_journal(void **state)
{
    (void)state;
    FILE *f = fopen("tests/journals/small.ndjson", "r");
    assert_non_null(f);
    char *seen;
    struct err err = {0};
    assert_true(read_fd(dup(fileno(f)), (const char *const[]){"body", NULL}, &seen, &err));
    fclose(f);
    assert_string_equal(seen, "run:1;scenario:\"core/first\";send:1;answer:1;send:2;answer:2;send:3;answer:3;"
                              "settled:\"core/first\";end:\"complete\";");
    free(seen);
}

static void test_read_passes_over_the_kinds_it_is_told(void **state)
{
    (void)state;
    assert_reads(RUN BODY END, (const char *const[]){"send", "body", NULL}, "run:1;end:\"complete\";");
    assert_reads(RUN BODY END, (const char *const[]){NULL}, "run:1;body:1;end:\"complete\";");
    /* Skipped is not looked into. */
    assert_reads("{\"record\":\"body\",garbage\n" END, (const char *const[]){"body", NULL},
                 "end:\"complete\";");
}

static void test_read_takes_a_record_in_another_spelling(void **state)
{
    (void)state;
    assert_reads("{ \"record\" : \"\\u0072un\", \"n\" : 2 }\r\n", NULL, "run:2;");
}

static void test_read_passes_over_a_cut_last_line(void **state)
{
    (void)state;
    const char *whole = RUN BODY;
    size_t first = strlen(RUN);
    for (size_t len = first; len < strlen(whole) - 1; len++) {
        char *seen;
        struct err err = {0};
        assert_true(read_fd(file_with(whole, len), NULL, &seen, &err));
        assert_string_equal(seen, "run:1;");
        free(seen);
    }
}

static void test_read_takes_a_last_line_that_lacks_its_line_feed(void **state)
{
    (void)state;
    assert_reads(RUN "{\"record\":\"end\",\"n\":3}", NULL, "run:1;end:3;");
}

static void test_read_names_the_line_that_is_wrong(void **state)
{
    (void)state;
    assert_refused_text(RUN "{\"record\":\"send\",}\n" END, "j.ndjson: line 2, column 19: not JSON");
    assert_refused_text(RUN "\n" END, "j.ndjson: line 2");
    assert_refused_text("{\"kind\":\"run\"}\n", "j.ndjson: line 1: not a record of a journal");
    assert_refused_text("[\"record\"]\n", "j.ndjson: line 1: not a record of a journal");
    assert_refused_text("{\"record\":4}\n", "j.ndjson: line 1: not a record of a journal");
    assert_refused_text("{\"record\":\"run\"} {}\n", "j.ndjson: line 1");
}

static void test_read_refuses_bytes_that_are_not_text(void **state)
{
    (void)state;
    assert_refused_text(RUN "{\"record\":\"se\0nd\"}\n", "j.ndjson: line 2");
    assert_refused_text(RUN "{\"record\":\"send\"\0}\n", "j.ndjson: line 2");
    assert_refused_text(RUN "{\"record\":\"send\",\"event\":\"\xff\xfe\"}\n", "j.ndjson: line 2");
    assert_refused_text("\x1f\x8b\x08\0\0\n\0\n", "j.ndjson: line 1");
    assert_refused_text(RUN "\0\0\0\0\n", "j.ndjson: line 2");
}

static void test_read_reads_a_pipe(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], RUN END, strlen(RUN END)), strlen(RUN END));
    close(ends[1]);
    char *seen;
    struct err err = {0};
    assert_true(read_fd(ends[0], NULL, &seen, &err));
    assert_string_equal(seen, "run:1;end:\"complete\";");
    free(seen);
}

static void test_read_reports_a_file_that_cannot_be_read(void **state)
{
    (void)state;
    struct err err = {0};
    assert_false(journal_read(-1, "j.ndjson", NULL, note, NULL, &err));
    assert_string_equal(err.text, "j.ndjson: Bad file descriptor");
}

static bool complain(void *arg, struct span kind, const struct json_doc *record, struct err *err)
{
    (void)arg;
    if (span_equals(kind, "run"))
        return true;
    return json_error(record, json_get(record, JSON_ROOT, "reason"), err, "is not mine");
}

static void test_read_ends_with_the_error_of_its_caller(void **state)
{
    (void)state;
    int fd = file_with(RUN END END, strlen(RUN END END));
    struct err err = {0};
    assert_false(journal_read(fd, "j.ndjson", NULL, complain, NULL, &err));
    assert_string_equal(err.text, "j.ndjson: line 2: reason: is not mine");
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_outcomes_have_names_that_are_found),
        cmocka_unit_test(test_journal_writes_one_compact_line_a_record),
        cmocka_unit_test(test_journal_is_read_back_after_a_flush_and_goes_on),
        cmocka_unit_test(test_journal_replaces_a_file),
        cmocka_unit_test(test_journal_open_names_the_path_it_cannot_have),
        cmocka_unit_test(test_journal_keeps_the_first_error),
        cmocka_unit_test(test_journal_ends_at_a_record_that_is_too_large),
        cmocka_unit_test(test_read_hands_out_records_in_order),
        cmocka_unit_test(test_read_reads_the_small_journal),
        cmocka_unit_test(test_read_passes_over_the_kinds_it_is_told),
        cmocka_unit_test(test_read_takes_a_record_in_another_spelling),
        cmocka_unit_test(test_read_passes_over_a_cut_last_line),
        cmocka_unit_test(test_read_takes_a_last_line_that_lacks_its_line_feed),
        cmocka_unit_test(test_read_names_the_line_that_is_wrong),
        cmocka_unit_test(test_read_refuses_bytes_that_are_not_text),
        cmocka_unit_test(test_read_reads_a_pipe),
        cmocka_unit_test(test_read_reports_a_file_that_cannot_be_read),
        cmocka_unit_test(test_read_ends_with_the_error_of_its_caller),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
