/* The loop: order of turns, safe changes from within handlers, timers, lateness, signals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base.h"
#include "clock.h"
#include "loop.h"
#include "rng.h"

static struct err err;

static struct loop *loop_made(void)
{
    struct loop *loop;
    assert_true(loop_new(&loop, &err));
    return loop;
}

static void pair_made(int pair[2])
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
}

/* ---- timers ------------------------------------------------------------------------------ */

#define TIMERS 500

struct alarm {
    struct loop_timer timer;
    struct alarms *all;
};

struct alarms {
    struct alarm items[TIMERS];
    uint64_t last_due_us;
    size_t fired;
    bool in_order, early;
};

static void alarm_fired(void *arg)
{
    struct alarm *alarm = arg;
    alarm->all->in_order &= alarm->timer.due_us >= alarm->all->last_due_us;
    alarm->all->early |= clock_mono_us() < alarm->timer.due_us;
    alarm->all->last_due_us = alarm->timer.due_us;
    alarm->all->fired++;
}

static void test_loop_fires_timers_in_order_of_their_moment(void **state)
{
    (void)state;
    struct loop *loop = loop_made();
    static struct alarms alarms;
    alarms = (struct alarms){.in_order = true};
    struct rng rng;
    rng_init(&rng, 7, "timers");
    uint64_t now_us = clock_mono_us();
    for (size_t round = 0; round < 2; round++) /* the second round moves every timer */
        for (size_t i = 0; i < TIMERS; i++) {
            alarms.items[i].all = &alarms;
            loop_timer_set(loop, &alarms.items[i].timer, now_us + rng_below(&rng, 20000), alarm_fired,
                           &alarms.items[i]);
        }
    for (size_t i = 0; i < TIMERS; i += 5)
        loop_timer_stop(loop, &alarms.items[i].timer);
    loop_timer_stop(loop, &alarms.items[0].timer); /* twice: nothing happens */
    while (alarms.fired < TIMERS - TIMERS / 5)
        assert_true(loop_turn(loop, 1000000, &err));
    assert_true(alarms.in_order);
    assert_false(alarms.early);
    uint64_t before_us = clock_mono_us();
    assert_true(loop_turn(loop, 2000, &err)); /* none is left */
    assert_true(clock_mono_us() - before_us >= 2000);
    assert_int_equal(alarms.fired, TIMERS - TIMERS / 5);
    loop_free(loop);
}

struct eager {
    struct loop *loop;
    struct loop_timer timer;
    unsigned fired;
};

static void set_again(void *arg)
{
    struct eager *eager = arg;
    eager->fired++;
    loop_timer_set(eager->loop, &eager->timer, 0, set_again, eager);
}

static void test_loop_returns_although_a_timer_sets_itself_for_now(void **state)
{
    (void)state;
    struct eager eager = {.loop = loop_made()};
    loop_timer_set(eager.loop, &eager.timer, 0, set_again, &eager);
    assert_true(loop_turn(eager.loop, 0, &err));
    assert_int_equal(eager.fired, 1);
    assert_true(loop_turn(eager.loop, UINT64_MAX, &err)); /* and it is due again at once */
    assert_int_equal(eager.fired, 2);
    loop_free(eager.loop);
}

/* ---- descriptors ------------------------------------------------------------------------- */

struct story {
    struct loop *loop;
    char text[32];
    int a[2], b[2], quiet[2];
    bool polite, done;
};

static void say(struct story *story, const char *word)
{
    strncat(story->text, word, sizeof story->text - strlen(story->text) - 1);
}

static void timer_says(void *arg)
{
    say(arg, "timer ");
}

static void fd_says(void *arg, int fd, unsigned events)
{
    char byte;
    assert_int_equal(events, LOOP_READ);
    assert_int_equal(read(fd, &byte, 1), 1);
    say(arg, "fd ");
}

static void test_loop_runs_what_is_due_before_what_is_ready(void **state)
{
    (void)state;
    struct story story = {.loop = loop_made()};
    int pair[2];
    pair_made(pair);
    loop_watch(story.loop, pair[0], LOOP_READ, fd_says, &story);
    assert_int_equal(write(pair[1], "x", 1), 1);
    struct loop_timer timer = {0};
    loop_timer_set(story.loop, &timer, clock_mono_us(), timer_says, &story);
    assert_true(loop_turn(story.loop, 1000000, &err));
    assert_string_equal(story.text, "timer fd ");
    close(pair[0]);
    close(pair[1]);
    loop_free(story.loop);
}

static void never(void *arg, int fd, unsigned events)
{
    (void)arg, (void)events;
    fail_msg("descriptor %d was handled for its predecessor", fd);
}

static void replace_the_other(void *arg, int fd, unsigned events)
{
    (void)events;
    struct story *story = arg;
    int other = fd == story->a[0] ? story->b[0] : story->a[0];
    say(story, "replaced ");
    loop_watch(story->loop, fd, 0, NULL, NULL);
    if (story->polite)
        loop_watch(story->loop, other, 0, NULL, NULL);
    assert_int_equal(dup2(story->quiet[0], other), other); /* closes it, and uses its number at once */
    loop_watch(story->loop, other, LOOP_READ, story->polite ? never : fd_says, story);
}

static void run_replacement(bool polite)
{
    struct story story = {.loop = loop_made(), .polite = polite};
    pair_made(story.a);
    pair_made(story.b);
    pair_made(story.quiet);
    loop_watch(story.loop, story.a[0], LOOP_READ, replace_the_other, &story);
    loop_watch(story.loop, story.b[0], LOOP_READ, replace_the_other, &story);
    assert_int_equal(write(story.a[1], "x", 1), 1);
    assert_int_equal(write(story.b[1], "x", 1), 1);
    assert_true(loop_turn(story.loop, 1000000, &err)); /* both are ready in one batch */
    assert_string_equal(story.text, "replaced ");
    if (!polite) {
        assert_int_equal(write(story.quiet[1], "x", 1), 1);
        assert_true(loop_turn(story.loop, 1000000, &err)); /* the successor is watched */
        assert_string_equal(story.text, "replaced fd ");
    }
    for (int i = 0; i < 2; i++) {
        close(story.a[i]);
        close(story.b[i]);
        close(story.quiet[i]);
    }
    loop_free(story.loop);
}

static void test_loop_drops_events_of_a_descriptor_that_was_closed_and_used_again(void **state)
{
    (void)state;
    run_replacement(true);
}

static void test_loop_watches_a_descriptor_whose_predecessor_was_closed_without_a_word(void **state)
{
    (void)state;
    run_replacement(false);
}

static void write_then_stop(void *arg, int fd, unsigned events)
{
    struct story *story = arg;
    assert_int_equal(events, LOOP_WRITE);
    say(story, "write ");
    loop_watch(story->loop, fd, 0, NULL, NULL);
    story->done = true;
}

static void test_loop_changes_what_is_watched(void **state)
{
    (void)state;
    struct story story = {.loop = loop_made()};
    pair_made(story.a);
    loop_watch(story.loop, story.a[0], LOOP_READ, fd_says, &story);
    assert_true(loop_turn(story.loop, 0, &err));
    loop_watch(story.loop, story.a[0], LOOP_READ | LOOP_WRITE, write_then_stop, &story);
    assert_true(loop_run(story.loop, &story.done, &err));
    assert_true(loop_turn(story.loop, 0, &err));
    assert_string_equal(story.text, "write ");
    close(story.a[0]);
    close(story.a[1]);
    loop_free(story.loop);
}

static void test_loop_tells_a_reader_that_the_other_end_hung_up(void **state)
{
    (void)state;
    struct story story = {.loop = loop_made()};
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    close(ends[0]);
    loop_watch(story.loop, ends[1], LOOP_WRITE, write_then_stop, &story); /* EPOLLERR as well */
    assert_true(loop_run(story.loop, &story.done, &err));
    close(ends[1]);
    loop_free(story.loop);
}

static void test_loop_fails_when_a_descriptor_cannot_be_watched(void **state)
{
    (void)state;
    struct loop *loop = loop_made();
    loop_watch(loop, 900, LOOP_READ, never, NULL);
    assert_false(loop_turn(loop, 0, &err));
    assert_int_equal(err.code, EXIT_ENVIRONMENT);
    assert_string_equal(err.text, "epoll_ctl: Bad file descriptor");
    loop_free(loop);
}

/* ---- hooks ------------------------------------------------------------------------------- */

static void hook_says(void *arg)
{
    say(arg, "hook ");
}

static void test_loop_calls_its_hooks_before_each_wait(void **state)
{
    (void)state;
    struct story story = {.loop = loop_made()};
    loop_before_wait(story.loop, hook_says, &story);
    struct loop_timer timer = {0};
    loop_timer_set(story.loop, &timer, 0, timer_says, &story);
    assert_true(loop_turn(story.loop, 0, &err));
    assert_true(loop_turn(story.loop, 0, &err));
    assert_string_equal(story.text, "hook timer hook ");
    loop_free(story.loop);
}

/* ---- lateness ---------------------------------------------------------------------------- */

struct busy {
    struct loop *loop;
    uint64_t busy_us, seen_us, began_us;
};

static void be_busy(void *arg)
{
    struct busy *busy = arg;
    busy->began_us = clock_mono_us();
    while (clock_mono_us() < busy->began_us + busy->busy_us)
        continue;
    busy->seen_us = loop_late_us(busy->loop, busy->began_us);
}

static void test_loop_knows_how_long_it_was_away(void **state)
{
    (void)state;
    struct busy busy = {.loop = loop_made(), .busy_us = 50000};
    struct loop_timer timer = {0};
    uint64_t start_us = clock_mono_us();
    assert_int_equal(loop_late_us(busy.loop, start_us), 0); /* it never waited, so it missed nothing */
    loop_timer_set(busy.loop, &timer, 0, be_busy, &busy);
    assert_true(loop_turn(busy.loop, 0, &err));
    assert_true(busy.seen_us >= 50000); /* known to the handler itself */
    assert_true(loop_turn(busy.loop, 0, &err));
    assert_true(loop_late_us(busy.loop, start_us) >= 50000); /* and afterwards, */
    busy.busy_us = 5000;
    loop_timer_set(busy.loop, &timer, 0, be_busy, &busy);
    assert_true(loop_turn(busy.loop, 0, &err));
    assert_true(loop_turn(busy.loop, 0, &err));
    assert_true(loop_late_us(busy.loop, start_us) >= 50000); /* behind a shorter one too, */
    uint64_t lately_us = loop_late_us(busy.loop, busy.began_us);
    assert_true(lately_us >= 5000 && lately_us < loop_late_us(busy.loop, start_us));
    uint64_t now_us = clock_mono_us(), since_us = loop_late_us(busy.loop, now_us);
    assert_true(since_us <= clock_mono_us() - now_us); /* but not for what began since */
    loop_free(busy.loop);
}

/* ---- signals ----------------------------------------------------------------------------- */

static void test_loop_run_stops_at_a_signal(void **state)
{
    (void)state;
    const int signals[] = {SIGINT, SIGTERM};
    for (size_t i = 0; i < COUNT_OF(signals); i++) {
        struct loop *loop = loop_made();
        assert_true(loop_catch_signals(loop, &err));
        assert_false(loop_interrupted(loop));
        raise(signals[i]);
        bool done = false;
        assert_true(loop_run(loop, &done, &err));
        assert_true(loop_interrupted(loop));
        loop_free(loop);
        sigset_t mask;
        sigprocmask(SIG_BLOCK, NULL, &mask);
        assert_false(sigismember(&mask, signals[i])); /* as it was */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_loop_fires_timers_in_order_of_their_moment),
        cmocka_unit_test(test_loop_returns_although_a_timer_sets_itself_for_now),
        cmocka_unit_test(test_loop_runs_what_is_due_before_what_is_ready),
        cmocka_unit_test(test_loop_drops_events_of_a_descriptor_that_was_closed_and_used_again),
        cmocka_unit_test(test_loop_watches_a_descriptor_whose_predecessor_was_closed_without_a_word),
        cmocka_unit_test(test_loop_changes_what_is_watched),
        cmocka_unit_test(test_loop_tells_a_reader_that_the_other_end_hung_up),
        cmocka_unit_test(test_loop_fails_when_a_descriptor_cannot_be_watched),
        cmocka_unit_test(test_loop_calls_its_hooks_before_each_wait),
        cmocka_unit_test(test_loop_knows_how_long_it_was_away),
        cmocka_unit_test(test_loop_run_stops_at_a_signal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
