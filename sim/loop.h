/* loop: the one event loop: epoll, timers, signals.
 *
 * One thread. Everything that waits is a file descriptor here. The loop measures its own lateness,
 * so that a connector is never blamed for time that we lost. */
#ifndef PIMSIM_LOOP_H
#define PIMSIM_LOOP_H

#include <signal.h>
#include <sys/types.h>

#include "base.h"

struct loop;

enum loop_events { LOOP_READ = 1, LOOP_WRITE = 2 };
typedef void loop_fd_fn(void *arg, int fd, unsigned events);
typedef void loop_fn(void *arg);

bool loop_new(struct loop **loop, struct err *err) MUST_USE;
void loop_free(struct loop *loop);

/* Watch fd, or change what is watched; events 0 stops: do that before closing it. A handler may stop, close
 * or watch any descriptor. A watch that the system refuses fails the next turn. */
void loop_watch(struct loop *loop, int fd, unsigned events, loop_fd_fn *fn, void *arg);

/* Timers: one moment each, armed and disarmed by their owner, whose memory they are. In a turn, what is due
 * comes before what is ready. */
struct loop_timer {
    uint64_t due_us; /* clock_mono_us */
    loop_fn *fn;
    void *arg;
    size_t slot; /* place in the loop's heap, from 1; 0: not armed */
};
void loop_timer_set(struct loop *loop, struct loop_timer *timer, uint64_t due_us, loop_fn *fn, void *arg);
void loop_timer_stop(struct loop *loop, struct loop_timer *timer);

/* Called before the loop waits: the moment to flush. One function; another replaces it, NULL ends it. */
void loop_before_wait(struct loop *loop, loop_fn *fn, void *arg);

/* SIGINT and SIGTERM: the first stops loop_run and is reported by loop_interrupted; a second one ends the
 * program. They are blocked meanwhile: who starts a child unblocks them there. */
bool loop_catch_signals(struct loop *loop, struct err *err) MUST_USE;
bool loop_interrupted(const struct loop *loop);

/* Run until *done is true or a signal came. Fails when epoll does. */
bool loop_run(struct loop *loop, const bool *done, struct err *err) MUST_USE;
/* One turn: wait at most wait_us, handle what is ready. */
bool loop_turn(struct loop *loop, uint64_t wait_us, struct err *err) MUST_USE;
/* How long the loop was away from waiting or woke late, the longest since the given moment
 * (clock_mono_us): what we may have added to any measurement taken meanwhile. */
uint64_t loop_late_us(const struct loop *loop, uint64_t since_us);

#endif
