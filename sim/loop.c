/* loop: see loop.h.
 *
 * Watches stand in an array by descriptor. A watch has a generation that epoll hands back with each event: an
 * event that was fetched before its descriptor was unwatched, closed or used again is recognised and dropped.
 * Timers stand in a binary heap of borrowed pointers; each knows its place. */
#include "loop.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "clock.h"

#define BATCH_MAX   64   /* events handled before timers are looked at again */
#define LATE_US_MIN 1000 /* shorter absences are not remembered … */
#define LATES_MAX   64   /* … nor more of them than this */

struct watch {
    unsigned events; /* 0: not watched */
    uint32_t generation;
    loop_fd_fn *fn;
    void *arg;
};

struct hook {
    loop_fn *fn;
    void *arg;
};

struct late {
    uint64_t moment_us, late_us;
};

struct loop {
    int epoll_fd, signal_fd; /* -1: none */
    sigset_t mask_before;
    bool interrupted;
    int watch_errno; /* of an epoll_ctl that failed; the next turn reports it */
    struct watch *watches;
    size_t watch_cap;
    struct loop_timer **heap; /* from 1 */
    size_t timer_count, heap_cap;
    struct hook before_wait;      /* its fn may be NULL */
    uint64_t woke_us;             /* when the last wait ended; 0: never waited */
    struct late lates[LATES_MAX]; /* by moment, each shorter than the one before */
    size_t late_count;
};

/* ---- descriptors ------------------------------------------------------------------------- */

static struct watch *watch_at(struct loop *loop, int fd)
{
    size_t index = (size_t)fd, cap_before = loop->watch_cap;
    while (index >= loop->watch_cap)
        loop->watches = mem_grow(loop->watches, &loop->watch_cap, loop->watch_cap, sizeof *loop->watches);
    memset(loop->watches + cap_before, 0, (loop->watch_cap - cap_before) * sizeof *loop->watches);
    return &loop->watches[index];
}

void loop_watch(struct loop *loop, int fd, unsigned events, loop_fd_fn *fn, void *arg)
{
    struct watch *watch = watch_at(loop, fd);
    bool watched = watch->events != 0;
    watch->events = events;
    if (events == 0) {
        watch->generation++;
        if (watched)
            epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, fd, NULL); /* fails if it is closed already: as good */
        return;
    }
    watch->fn = fn;
    watch->arg = arg;
    struct epoll_event event = {
        .events =
            (events & LOOP_READ ? (unsigned)EPOLLIN : 0u) | (events & LOOP_WRITE ? (unsigned)EPOLLOUT : 0u),
        .data.u64 = (uint64_t)watch->generation << 32 | (uint32_t)fd,
    };
    if (watched && epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, fd, &event) == 0)
        return;
    if (watched) /* it was closed behind our back, and its number used again */
        event.data.u64 = (uint64_t)++watch->generation << 32 | (uint32_t)fd;
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
        loop->watch_errno = errno;
}

static void handle_event(struct loop *loop, const struct epoll_event *event)
{
    int fd = (int)(uint32_t)event->data.u64;
    struct watch watch = loop->watches[fd]; /* a copy: the handler may watch more, and move the array */
    if (watch.generation != event->data.u64 >> 32)
        return;
    unsigned events = (event->events & EPOLLIN ? (unsigned)LOOP_READ : 0u) |
                      (event->events & EPOLLOUT ? (unsigned)LOOP_WRITE : 0u);
    if (event->events & (EPOLLERR | EPOLLHUP))
        events = LOOP_READ | LOOP_WRITE; /* whoever reads or writes finds out */
    if (events & watch.events)
        watch.fn(watch.arg, fd, events & watch.events);
}

/* ---- timers ------------------------------------------------------------------------------ */

static void heap_put(struct loop *loop, size_t slot, struct loop_timer *timer)
{
    loop->heap[slot] = timer;
    timer->slot = slot;
}

/* Move the timer from a slot to where it belongs. */
static void heap_settle(struct loop *loop, size_t slot, struct loop_timer *timer)
{
    for (; slot > 1 && timer->due_us < loop->heap[slot / 2]->due_us; slot /= 2)
        heap_put(loop, slot, loop->heap[slot / 2]);
    for (size_t child; (child = slot * 2) <= loop->timer_count; slot = child) {
        if (child < loop->timer_count && loop->heap[child + 1]->due_us < loop->heap[child]->due_us)
            child++;
        if (timer->due_us <= loop->heap[child]->due_us)
            break;
        heap_put(loop, slot, loop->heap[child]);
    }
    heap_put(loop, slot, timer);
}

void loop_timer_set(struct loop *loop, struct loop_timer *timer, uint64_t due_us, loop_fn *fn, void *arg)
{
    if (!timer->slot) {
        size_t slot = ++loop->timer_count;
        loop->heap = mem_grow(loop->heap, &loop->heap_cap, slot, sizeof *loop->heap);
        heap_put(loop, slot, timer);
    }
    timer->due_us = due_us;
    timer->fn = fn;
    timer->arg = arg;
    heap_settle(loop, timer->slot, timer);
}

void loop_timer_stop(struct loop *loop, struct loop_timer *timer)
{
    size_t slot = timer->slot;
    if (!slot)
        return;
    timer->slot = 0;
    struct loop_timer *last = loop->heap[loop->timer_count--];
    if (last != timer)
        heap_settle(loop, slot, last);
}

static void run_due_timers(struct loop *loop, uint64_t now_us)
{
    /* At most as many as there are: a timer that sets itself for now comes again after the descriptors. */
    for (size_t n = loop->timer_count; n && loop->timer_count && loop->heap[1]->due_us <= now_us; n--) {
        struct loop_timer *timer = loop->heap[1];
        loop_timer_stop(loop, timer);
        timer->fn(timer->arg);
    }
}

/* ---- lateness ---------------------------------------------------------------------------- */

static void late_record(struct loop *loop, uint64_t moment_us, uint64_t late_us)
{
    if (late_us < LATE_US_MIN)
        return;
    while (loop->late_count && loop->lates[loop->late_count - 1].late_us <= late_us)
        loop->late_count--; /* no later question can have it as its answer */
    if (loop->late_count == LATES_MAX)
        memmove(loop->lates, loop->lates + 1, --loop->late_count * sizeof *loop->lates);
    loop->lates[loop->late_count++] = (struct late){moment_us, late_us};
}

uint64_t loop_late_us(const struct loop *loop, uint64_t since_us)
{
    uint64_t longest_us = 0, from_us = since_us > loop->woke_us ? since_us : loop->woke_us;
    uint64_t now_us = clock_mono_us();
    if (loop->woke_us && now_us > from_us)
        longest_us = now_us - from_us; /* away at this moment: we are called by a handler */
    for (size_t i = loop->late_count; i > 0 && loop->lates[i - 1].moment_us >= since_us; i--)
        if (loop->lates[i - 1].late_us > longest_us)
            longest_us = loop->lates[i - 1].late_us;
    return longest_us;
}

/* ---- turns ------------------------------------------------------------------------------- */

void loop_before_wait(struct loop *loop, loop_fn *fn, void *arg)
{
    loop->before_wait = (struct hook){fn, arg};
}

/* Wait until something is ready, a timer is due or wait_us is over; the number of events, or -1. */
static int wait_ready(struct loop *loop, uint64_t wait_us, struct epoll_event ready[BATCH_MAX])
{
    uint64_t now_us = clock_mono_us();
    uint64_t until_us = wait_us < UINT64_MAX - now_us ? now_us + wait_us : UINT64_MAX;
    uint64_t due_us = loop->timer_count ? loop->heap[1]->due_us : UINT64_MAX;
    if (loop->woke_us)
        late_record(loop, now_us, now_us - loop->woke_us);
    if (due_us < until_us)
        until_us = due_us;
    uint64_t span_us = until_us > now_us ? until_us - now_us : 0;
    struct timespec span = {(time_t)(span_us / 1000000), (long)(span_us % 1000000) * 1000};
    int count = epoll_pwait2(loop->epoll_fd, ready, BATCH_MAX, until_us == UINT64_MAX ? NULL : &span, NULL);
    int why = errno;
    loop->woke_us = clock_mono_us();
    /* What was due before the wait was late because we were away, and that has been noted. */
    if (due_us > now_us && loop->woke_us > due_us)
        late_record(loop, loop->woke_us, loop->woke_us - due_us);
    errno = why;
    return count;
}

bool loop_turn(struct loop *loop, uint64_t wait_us, struct err *err)
{
    if (loop->before_wait.fn)
        loop->before_wait.fn(loop->before_wait.arg);
    if (loop->watch_errno)
        return err_env(err, "epoll_ctl: %s", strerror(loop->watch_errno));
    struct epoll_event ready[BATCH_MAX];
    int count = wait_ready(loop, wait_us, ready);
    if (count < 0 && errno != EINTR)
        return err_env(err, "epoll_pwait2: %s", strerror(errno));
    /* What is due goes out before answers are taken in: pacing is what others measure us by. */
    run_due_timers(loop, loop->woke_us);
    for (int i = 0; i < count; i++)
        handle_event(loop, &ready[i]);
    return true;
}

bool loop_run(struct loop *loop, const bool *done, struct err *err)
{
    while (!*done && !loop->interrupted)
        if (!loop_turn(loop, UINT64_MAX, err))
            return false;
    return true;
}

/* ---- signals ----------------------------------------------------------------------------- */

/* Once the first was seen, signals have their usual effect again: a second one ends the program even if
 * the way out hangs. */
static void signals_release(struct loop *loop)
{
    if (loop->signal_fd < 0)
        return;
    loop_watch(loop, loop->signal_fd, 0, NULL, NULL);
    close(loop->signal_fd);
    loop->signal_fd = -1;
    sigprocmask(SIG_SETMASK, &loop->mask_before, NULL);
}

static void signal_ready(void *arg, int fd, unsigned events)
{
    (void)events;
    struct loop *loop = arg;
    struct signalfd_siginfo info;
    while (read(fd, &info, sizeof info) == (ssize_t)sizeof info)
        loop->interrupted = true;
    if (loop->interrupted)
        signals_release(loop);
}

bool loop_catch_signals(struct loop *loop, struct err *err)
{
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGINT);
    sigaddset(&mask, SIGTERM);
    int fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0)
        return err_env(err, "signalfd: %s", strerror(errno));
    sigprocmask(SIG_BLOCK, &mask, &loop->mask_before);
    loop->signal_fd = fd;
    loop_watch(loop, fd, LOOP_READ, signal_ready, loop);
    return true;
}

bool loop_interrupted(const struct loop *loop)
{
    return loop->interrupted;
}

/* ---- life -------------------------------------------------------------------------------- */

bool loop_new(struct loop **loop, struct err *err)
{
    int fd = epoll_create1(EPOLL_CLOEXEC);
    if (fd < 0)
        return err_env(err, "epoll_create1: %s", strerror(errno));
    prctl(PR_SET_TIMERSLACK, 1); /* the default lets the kernel wake us 50 us late */
    struct loop *made = mem_alloc(sizeof *made);
    made->epoll_fd = fd;
    made->signal_fd = -1;
    *loop = made;
    return true;
}

void loop_free(struct loop *loop)
{
    if (!loop)
        return;
    signals_release(loop);
    close(loop->epoll_fd);
    free(loop->watches);
    free(loop->heap);
    free(loop);
}
