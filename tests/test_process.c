/* The child: its end, its output, its group, its environment. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base.h"
#include "clock.h"
#include "loop.h"
#include "process.h"

#define PATIENCE_US 10000000

static struct err err;

struct stage {
    struct loop *loop;
    struct process *process;
    struct buf text;
};

static void begin(struct stage *s, const char *command, const char *without)
{
    const char *const argv[] = {"/bin/sh", "-c", command, NULL};
    buf_init(&s->text, 1 << 16);
    assert_true(loop_new(&s->loop, &err));
    assert_true(process_start(&s->process, s->loop, argv, without, &err));
}

static void finish(struct stage *s)
{
    process_stop(s->process);
    loop_free(s->loop);
    buf_reset(&s->text);
}

static void wait_exited(struct stage *s)
{
    uint64_t until_us = clock_mono_us() + PATIENCE_US;
    while (!process_exited(s->process)) {
        assert_true(clock_mono_us() < until_us);
        assert_true(loop_turn(s->loop, PATIENCE_US, &err));
    }
}

static const char *read_line(struct stage *s)
{
    buf_clear(&s->text);
    if (!process_read_line(s->process, PATIENCE_US, &s->text, &err))
        fail_msg("%s", err.text);
    return buf_text(&s->text);
}

static const char *end_of(struct stage *s)
{
    wait_exited(s);
    buf_clear(&s->text);
    process_put_end(s->process, &s->text);
    return buf_text(&s->text);
}

static void assert_output(struct stage *s, const char *wanted)
{
    buf_clear(&s->text);
    buf_put_span(&s->text, process_output(s->process));
    assert_string_equal(buf_text(&s->text), wanted);
}

/* Whether the process ended: a zombie that nobody has waited for has too. */
static bool is_gone(pid_t pid)
{
    char path[64], state = 'Z';
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *stat = fopen(path, "r");
    if (!stat)
        return true;
    if (fscanf(stat, "%*d (%*[^)]) %c", &state) != 1)
        state = 'Z';
    fclose(stat);
    return state == 'Z';
}

static void wait_gone(pid_t pid)
{
    uint64_t until_us = clock_mono_us() + PATIENCE_US;
    while (!is_gone(pid))
        assert_true(clock_mono_us() < until_us);
}

static void test_process_tells_how_the_child_ended(void **state)
{
    (void)state;
    static const char *const table[][2] = {
        {"exit 0", "ended with status 0"},
        {"exit 3", "ended with status 3"},
        {"kill -KILL $$", "was killed by signal 9 (Killed)"},
        {"kill -SEGV $$", "was killed by signal 11 (Segmentation fault)"},
    };
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        struct stage s;
        begin(&s, table[i][0], NULL);
        assert_string_equal(end_of(&s), table[i][1]);
        finish(&s);
    }
}

static void test_process_of_a_missing_program_says_so(void **state)
{
    (void)state;
    const char *const argv[] = {"/nowhere/at/all", NULL};
    struct stage s;
    buf_init(&s.text, 1 << 16);
    assert_true(loop_new(&s.loop, &err));
    assert_true(process_start(&s.process, s.loop, argv, NULL, &err));
    assert_string_equal(end_of(&s), "ended with status 127");
    assert_output(&s, "/nowhere/at/all: No such file or directory\n");
    finish(&s);
}

static void test_process_keeps_the_last_of_both_outputs(void **state)
{
    (void)state;
    struct stage s;
    begin(&s, "echo out; echo err >&2", NULL);
    wait_exited(&s);
    assert_output(&s, "out\nerr\n");
    finish(&s);

    begin(&s, "seq 1000000; echo end", NULL);
    wait_exited(&s);
    struct span output = process_output(s.process);
    assert_int_equal(output.len, 4096);
    assert_memory_equal(output.data + output.len - 12, "1000000\nend\n", 12);
    finish(&s);
}

static void test_process_lines_come_whole_and_in_time(void **state)
{
    (void)state;
    struct stage s;
    begin(&s, "printf 'ready '; echo at last; exec sleep 1000", NULL);
    assert_string_equal(read_line(&s), "ready at last");
    finish(&s);

    begin(&s, "printf 'no newline'; exec sleep 1000", NULL);
    assert_false(process_read_line(s.process, 50000, &s.text, &err));
    assert_string_equal(err.text, "it was not ready in time");
    finish(&s);

    begin(&s, "echo no port left; exit 1", NULL);
    wait_exited(&s);
    assert_false(process_read_line(s.process, PATIENCE_US, &s.text, &err));
    assert_string_equal(err.text, "it ended before it was ready: no port left\n");
    finish(&s);
}

static void test_process_stop_ends_children_of_the_child(void **state)
{
    (void)state;
    struct stage s;
    begin(&s, "(sleep 1000 & echo $!; wait); :", NULL);
    pid_t grandchild = (pid_t)atoi(read_line(&s));
    assert_true(grandchild > 1 && !is_gone(grandchild));
    finish(&s);
    wait_gone(grandchild);
}

static void test_process_stop_ends_what_an_ended_child_left(void **state)
{
    (void)state;
    struct stage s;
    begin(&s, "sleep 1000 & echo $!", NULL);
    wait_exited(&s);
    buf_put_span(&s.text, process_output(s.process));
    pid_t orphan = (pid_t)atoi(buf_text(&s.text));
    assert_true(orphan > 1 && !is_gone(orphan));
    finish(&s);
    wait_gone(orphan);
}

static void test_process_stop_waits_for_those_who_tidy_up(void **state)
{
    (void)state;
    struct stage s;
    char command[256], path[] = "/tmp/pimsim-test-XXXXXX";
    close(mkstemp(path));
    snprintf(command, sizeof command,
             "(trap 'echo tidy > %s; kill $!; exit' TERM; sleep 1000 & echo ready; wait) & wait", path);
    begin(&s, command, NULL);
    assert_string_equal(read_line(&s), "ready");
    finish(&s);
    struct buf text;
    buf_init(&text, 100);
    assert_true(buf_read_file(&text, path, &err));
    assert_string_equal(buf_text(&text), "tidy\n");
    buf_reset(&text);
    unlink(path);
}

static void test_process_environment_is_passed_but_for_a_prefix(void **state)
{
    (void)state;
    struct stage s;
    setenv("PIMSIM_TEST_A", "1", 1);
    setenv("PIMSIM_TEST_B", "2", 1);
    setenv("OTHER_PIMSIM_TEST", "3", 1);
    begin(&s, "echo $PIMSIM_TEST_A-$PIMSIM_TEST_B-$OTHER_PIMSIM_TEST; exec sleep 1000", "PIMSIM_");
    assert_string_equal(read_line(&s), "--3");
    finish(&s);
    begin(&s, "echo $PIMSIM_TEST_A-$PIMSIM_TEST_B-$OTHER_PIMSIM_TEST; exec sleep 1000", NULL);
    assert_string_equal(read_line(&s), "1-2-3");
    finish(&s);
}

static void test_process_signals_are_not_blocked_in_the_child(void **state)
{
    (void)state;
    struct stage s;
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGINT);
    sigprocmask(SIG_BLOCK, &mask, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGINT, SIG_DFL); /* whoever started this test in the background ignores it */
    begin(&s, "kill -INT $$; echo survived; exec sleep 1000", NULL);
    assert_string_equal(end_of(&s), "was killed by signal 2 (Interrupt)");
    finish(&s);
    sigprocmask(SIG_UNBLOCK, &mask, NULL);
}

/* The test forks a parent that starts a child with a child of its own, says their ids, and is killed. */
static void test_process_group_ends_with_a_killed_parent(void **state)
{
    (void)state;
    int told[2];
    pid_t ids[2] = {0};
    assert_int_equal(pipe(told), 0);
    pid_t parent = fork();
    if (parent == 0) {
        struct stage s;
        begin(&s, "sleep 1000 & echo $!; echo $$; wait", NULL);
        while (!process_output(s.process).len ||
               sscanf(process_output(s.process).data, "%d %d", &ids[0], &ids[1]) != 2)
            if (!loop_turn(s.loop, PATIENCE_US, &err))
                _exit(1);
        if (write(told[1], ids, sizeof ids) != (ssize_t)sizeof ids)
            _exit(1);
        for (;;)
            pause();
    }
    assert_int_equal(read(told[0], ids, sizeof ids), sizeof ids);
    assert_false(is_gone(ids[0]) || is_gone(ids[1]));
    kill(parent, SIGKILL);
    waitpid(parent, NULL, 0);
    wait_gone(ids[0]);
    wait_gone(ids[1]);
    close(told[0]);
    close(told[1]);
}

static void test_process_kill_ends_the_group_at_once_and_stop_waits_for_it(void **state)
{
    (void)state;
    struct stage s;
    int ids[2];
    begin(&s, "trap '' TERM; sleep 1000 & echo $! $$; wait; wait", NULL);
    assert_int_equal(sscanf(read_line(&s), "%d %d", &ids[0], &ids[1]), 2);
    uint64_t from_us = clock_mono_us();
    process_kill(s.process);
    assert_string_equal(end_of(&s), "was killed by signal 9 (Killed)");
    assert_false(process_succeeded(s.process));
    process_stop(s.process);
    assert_true(clock_mono_us() - from_us < 1000000); /* no grace */
    assert_int_equal(kill(ids[0], 0), -1);            /* not even a zombie */
    assert_int_equal(kill(ids[1], 0), -1);
    const char *const argv[] = {"/bin/sh", "-c", "echo again; exec sleep 1000", NULL};
    assert_true(process_start(&s.process, s.loop, argv, NULL, &err));
    assert_string_equal(read_line(&s), "again");
    finish(&s);
}

static void test_process_kill_does_not_change_how_the_child_had_ended(void **state)
{
    (void)state;
    struct stage s;
    begin(&s, "exit 3", NULL);
    wait_exited(&s);
    process_kill(s.process);
    assert_string_equal(end_of(&s), "ended with status 3");
    finish(&s);
}

/* ---- for its output ------------------------------------------------------------------------ */

static void begin_for_output(struct stage *s, const char *command, struct buf *out, size_t bytes_max)
{
    buf_init(&s->text, 1 << 16);
    buf_init(out, bytes_max);
    assert_true(loop_new(&s->loop, &err));
    assert_true(process_start_for_output(&s->process, s->loop, command, out, &err));
    wait_exited(s);
}

static void test_process_keeps_all_standard_output_apart_from_standard_error(void **state)
{
    (void)state;
    struct stage s;
    struct buf out;
    begin_for_output(&s, "echo one; echo oops >&2; seq 1 300000; exit 3", &out, 10 << 20);
    assert_false(process_succeeded(s.process));
    assert_string_equal(end_of(&s), "ended with status 3");
    assert_output(&s, "oops\n");
    assert_int_equal(out.len, 4 + 1988895);
    assert_memory_equal(out.data + out.len - 14, "299999\n300000\n", 14);
    finish(&s);
    buf_reset(&out);

    begin_for_output(&s, "printf 'a\\0b'", &out, 3); /* as long as may be */
    assert_true(process_succeeded(s.process) && buf_ok(&out));
    assert_true(span_same(buf_span(&out), (struct span){"a\0b", 3}));
    finish(&s);
    buf_reset(&out);
}

static void test_process_that_floods_is_killed(void **state)
{
    (void)state;
    struct stage s;
    struct buf out;
    begin_for_output(&s, "yes", &out, 1 << 20);
    assert_false(buf_ok(&out) || process_succeeded(s.process));
    assert_true(out.len <= 1 << 20);
    finish(&s);
    buf_reset(&out);
}

static void test_process_output_is_whole_when_an_orphan_keeps_writing(void **state)
{
    (void)state;
    struct stage s;
    struct buf out;
    begin_for_output(&s, "echo state; (while sleep 0.01; do echo more; done) & exit 0", &out, 1 << 20);
    assert_true(process_succeeded(s.process));
    assert_memory_equal(out.data, "state\n", 6);
    process_kill(s.process);
    finish(&s);
    buf_reset(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_process_tells_how_the_child_ended),
        cmocka_unit_test(test_process_of_a_missing_program_says_so),
        cmocka_unit_test(test_process_keeps_the_last_of_both_outputs),
        cmocka_unit_test(test_process_lines_come_whole_and_in_time),
        cmocka_unit_test(test_process_stop_ends_children_of_the_child),
        cmocka_unit_test(test_process_stop_ends_what_an_ended_child_left),
        cmocka_unit_test(test_process_stop_waits_for_those_who_tidy_up),
        cmocka_unit_test(test_process_environment_is_passed_but_for_a_prefix),
        cmocka_unit_test(test_process_signals_are_not_blocked_in_the_child),
        cmocka_unit_test(test_process_group_ends_with_a_killed_parent),
        cmocka_unit_test(test_process_kill_ends_the_group_at_once_and_stop_waits_for_it),
        cmocka_unit_test(test_process_kill_does_not_change_how_the_child_had_ended),
        cmocka_unit_test(test_process_keeps_all_standard_output_apart_from_standard_error),
        cmocka_unit_test(test_process_that_floods_is_killed),
        cmocka_unit_test(test_process_output_is_whole_when_an_orphan_keeps_writing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
