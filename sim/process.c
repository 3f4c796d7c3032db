/* process: see process.h.
 *
 * Pipes lead here: the output of the group, its standard output apart if that is wanted, and the status pipe,
 * on which the keeper writes how the child ended; it closes when the last of the group has. The keeper adopts
 * the orphans of the group, so it knows. */
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"

#define OUTPUT_KEPT_BYTES 4096
#define OUTPUT_PIPE_BYTES (1 << 20) /* a child that writes a lot must not wait for us */
#define OUTPUT_READ_BYTES (1 << 16)
#define STOP_GRACE_US     2000000
#define STATUS_FD         3 /* in the keeper */

enum { PIPE_OUTPUT, PIPE_STATUS, PIPE_STDOUT, PIPE_COUNT };

struct process {
    struct loop *loop;
    pid_t keeper;        /* and the group's id */
    int fds[PIPE_COUNT]; /* our ends; -1: closed */
    bool exited, gone;   /* the child; everybody */
    int status;          /* of waitpid */
    struct buf output;
    struct buf *out; /* all of its standard output, or NULL: that is in `output`, too */
};

/* ---- in the child and in its keeper -------------------------------------------------------- */

static void forget_environment(const char *without)
{
    size_t len = strlen(without);
    for (char **entry = environ; *entry;)
        if (strncmp(*entry, without, len) == 0) {
            char *name = mem_text_n(*entry, strcspn(*entry, "="));
            unsetenv(name);
            free(name);
            entry = environ;
        } else {
            entry++;
        }
}

static _Noreturn void become(const char *const *argv, const char *without)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    close(STATUS_FD);
    if (without)
        forget_environment(without);
    execvp(argv[0], (char *const *)(uintptr_t)argv);
    dprintf(STDERR_FILENO, "%s: %s\n", argv[0], strerror(errno));
    _exit(127);
}

/* Wait for the child, then for the orphans; end everything when our parent is gone. */
static _Noreturn void keep(pid_t parent, const char *const *argv, const char *without)
{
    sigset_t all;
    int status;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL); /* what ends the group leaves its keeper */
    setpgid(0, 0);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    prctl(PR_SET_PDEATHSIG, SIGHUP);
    pid_t child = fork();
    if (child == 0)
        become(argv, without);
    while (getppid() == parent) {
        pid_t ended = child < 0 ? -1 : waitpid(-1, &status, WNOHANG);
        if (ended < 0)
            _exit(0);
        if (ended == child && write(STATUS_FD, &status, sizeof status) < 0)
            break; /* nobody is left to tell */
        if (ended == 0)
            sigwaitinfo(&all, NULL);
    }
    kill(0, SIGKILL);
    _exit(0);
}

/* Only the pipes go along: a connector must not hold our sockets and files. */
static _Noreturn void start(pid_t parent, int pipes[PIPE_COUNT][2], const char *const *argv,
                            const char *without)
{
    dup2(open("/dev/null", O_RDONLY), STDIN_FILENO);
    dup2(pipes[pipes[PIPE_STDOUT][1] < 0 ? PIPE_OUTPUT : PIPE_STDOUT][1], STDOUT_FILENO);
    dup2(pipes[PIPE_OUTPUT][1], STDERR_FILENO);
    dup2(pipes[PIPE_STATUS][1], STATUS_FD);
    close_range(STATUS_FD + 1, ~0u, 0);
    keep(parent, argv, without);
}

/* ---- watching it --------------------------------------------------------------------------- */

static void stop_watching(struct process *p, int *fd)
{
    if (*fd < 0)
        return;
    loop_watch(p->loop, *fd, 0, NULL, NULL);
    close(*fd);
    *fd = -1;
}

static void keep_output(struct process *p, const char *bytes, size_t len)
{
    if (len > OUTPUT_KEPT_BYTES) {
        bytes += len - OUTPUT_KEPT_BYTES;
        len = OUTPUT_KEPT_BYTES;
    }
    struct buf *kept = &p->output;
    size_t over = kept->len + len > OUTPUT_KEPT_BYTES ? kept->len + len - OUTPUT_KEPT_BYTES : 0;
    if (over) {
        memmove(kept->data, kept->data + over, kept->len - over);
        kept->len -= over;
    }
    buf_put(kept, bytes, len);
}

/* Read once; false when there is nothing (more) to read. */
static bool read_some(struct process *p, int which)
{
    char chunk[OUTPUT_READ_BYTES];
    ssize_t got = p->fds[which] < 0 ? 0 : read(p->fds[which], chunk, sizeof chunk);
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
        stop_watching(p, &p->fds[which]);
    if (got <= 0)
        return false;
    if (which == PIPE_OUTPUT) {
        keep_output(p, chunk, (size_t)got);
    } else {
        buf_put(p->out, chunk, (size_t)got);
        if (!buf_ok(p->out))
            process_kill(p);
    }
    return true;
}

static void on_output(void *arg, int fd, unsigned events)
{
    (void)events;
    struct process *p = arg;
    read_some(p, fd == p->fds[PIPE_OUTPUT] ? PIPE_OUTPUT : PIPE_STDOUT);
}

/* The last words of the child are in the pipes; what its own children write has no end. */
static void read_rest(struct process *p, int which)
{
    for (size_t bytes = 0; bytes < OUTPUT_PIPE_BYTES && read_some(p, which); bytes += OUTPUT_READ_BYTES)
        continue;
}

static void on_status(void *arg, int fd, unsigned events)
{
    (void)events;
    struct process *p = arg;
    int status;
    ssize_t got = read(fd, &status, sizeof status);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got == (ssize_t)sizeof status) {
        p->status = status;
        read_rest(p, PIPE_OUTPUT);
        read_rest(p, PIPE_STDOUT);
    } else {
        p->gone = true;
        stop_watching(p, &p->fds[PIPE_STATUS]);
    }
    p->exited = true;
}

/* ---- life ---------------------------------------------------------------------------------- */

static void close_pipes(int pipes[PIPE_COUNT][2], int end)
{
    for (int i = 0; i < PIPE_COUNT; i++)
        if (pipes[i][end] >= 0)
            close(pipes[i][end]);
}

/* The child's ends of output block, as programs expect. */
static bool open_pipes(int pipes[PIPE_COUNT][2], bool with_stdout, struct err *err)
{
    for (int i = 0; i < PIPE_COUNT; i++)
        pipes[i][0] = pipes[i][1] = -1;
    for (int i = 0; i < (with_stdout ? PIPE_COUNT : PIPE_STDOUT); i++) {
        if (pipe2(pipes[i], O_CLOEXEC | O_NONBLOCK) < 0) {
            err_env(err, "pipe: %s", strerror(errno));
            close_pipes(pipes, 0);
            close_pipes(pipes, 1);
            return false;
        }
        if (i != PIPE_STATUS) {
            fcntl(pipes[i][1], F_SETFL, 0);
            fcntl(pipes[i][1], F_SETPIPE_SZ, OUTPUT_PIPE_BYTES);
        }
    }
    return true;
}

static bool launch(struct process **process, struct loop *loop, const char *const *argv, const char *without,
                   struct buf *out, struct err *err)
{
    int pipes[PIPE_COUNT][2];
    *process = NULL;
    if (!open_pipes(pipes, out != NULL, err))
        return false;
    prctl(PR_SET_CHILD_SUBREAPER, 1); /* orphans of a killed keeper are ours to wait for */
    pid_t self = getpid(), keeper = fork();
    if (keeper == 0)
        start(self, pipes, argv, without);
    int why = errno;
    close_pipes(pipes, 1);
    if (keeper < 0) {
        close_pipes(pipes, 0);
        return err_env(err, "fork: %s", strerror(why));
    }
    setpgid(keeper, keeper); /* both sides do it, so that neither has to wait for the other */
    struct process *p = mem_alloc(sizeof *p);
    *p = (struct process){.loop = loop, .keeper = keeper, .out = out};
    buf_init(&p->output, OUTPUT_KEPT_BYTES);
    for (int i = 0; i < PIPE_COUNT; i++) {
        p->fds[i] = pipes[i][0];
        if (p->fds[i] >= 0)
            loop_watch(loop, p->fds[i], LOOP_READ, i == PIPE_STATUS ? on_status : on_output, p);
    }
    *process = p;
    return true;
}

bool process_start(struct process **process, struct loop *loop, const char *const *argv, const char *without,
                   struct err *err)
{
    return launch(process, loop, argv, without, NULL, err);
}

bool process_start_for_output(struct process **process, struct loop *loop, const char *command,
                              struct buf *out, struct err *err)
{
    return launch(process, loop, (const char *const[]){"/bin/sh", "-c", command, NULL}, NULL, out, err);
}

bool process_read_line(struct process *p, uint64_t timeout_us, struct buf *line, struct err *err)
{
    uint64_t until_us = clock_mono_us() + timeout_us;
    for (;;) {
        const char *newline = p->output.len ? memchr(p->output.data, '\n', p->output.len) : NULL;
        uint64_t now_us = clock_mono_us();
        if (p->exited)
            return err_env(err, "it ended before it was ready: %.*s", (int)p->output.len,
                           p->output.len ? p->output.data : "");
        if (newline) {
            buf_put(line, p->output.data, (size_t)(newline - p->output.data));
            return true;
        }
        if (loop_interrupted(p->loop))
            return err_env(err, "interrupted");
        if (now_us >= until_us)
            return err_env(err, "it was not ready in time");
        if (!loop_turn(p->loop, until_us - now_us, err))
            return false;
    }
}

bool process_exited(const struct process *process)
{
    return process->exited;
}

bool process_succeeded(const struct process *process)
{
    return process->exited && process->status == 0;
}

void process_put_end(const struct process *process, struct buf *out)
{
    if (WIFSIGNALED(process->status))
        buf_printf(out, "was killed by signal %d (%s)", WTERMSIG(process->status),
                   strsignal(WTERMSIG(process->status)));
    else
        buf_printf(out, "ended with status %d", WEXITSTATUS(process->status));
}

struct span process_output(const struct process *process)
{
    return buf_span(&process->output);
}

void process_kill(struct process *p)
{
    if (!p->exited)
        p->status = SIGKILL; /* the keeper, who could tell, dies with the others */
    kill(-p->keeper, SIGKILL);
}

void process_stop(struct process *p)
{
    struct err ignored;
    if (!p)
        return;
    uint64_t until_us = clock_mono_us() + STOP_GRACE_US;
    kill(-p->keeper, SIGTERM);
    while (!p->gone && clock_mono_us() < until_us)
        if (!loop_turn(p->loop, until_us - clock_mono_us(), &ignored))
            break;
    kill(-p->keeper, SIGKILL);
    while (waitpid(-p->keeper, NULL, 0) > 0 || errno == EINTR)
        continue; /* the whole group: who comes next may need its ports */
    for (int i = 0; i < PIPE_COUNT; i++)
        stop_watching(p, &p->fds[i]);
    buf_reset(&p->output);
    free(p);
}
