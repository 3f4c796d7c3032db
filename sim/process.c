/* process: see process.h. The child is watched through a pidfd, its output through a pipe. */
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"

#define OUTPUT_KEPT_BYTES 4096
#define STOP_GRACE_US     2000000

struct process {
    struct loop *loop;
    pid_t pid;
    int pid_fd, output_fd;
    int status; /* of waitpid */
    bool exited;
    struct buf output;
};

static void child(const char *const *argv, int output_fd)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int input_fd = open("/dev/null", O_RDONLY);
    dup2(input_fd, STDIN_FILENO);
    dup2(output_fd, STDOUT_FILENO);
    dup2(output_fd, STDERR_FILENO);
    execvp(argv[0], (char *const *)(uintptr_t)argv);
    dprintf(STDERR_FILENO, "%s: %s\n", argv[0], strerror(errno));
    _exit(127);
}

static void on_output(void *arg, int fd, unsigned events)
{
    (void)events;
    struct process *p = arg;
    char chunk[OUTPUT_KEPT_BYTES];
    ssize_t got = read(fd, chunk, sizeof chunk);
    if (got <= 0) {
        loop_watch(p->loop, fd, 0, NULL, NULL);
        return;
    }
    size_t over =
        p->output.len + (size_t)got > OUTPUT_KEPT_BYTES ? p->output.len + (size_t)got - OUTPUT_KEPT_BYTES : 0;
    if (over > p->output.len)
        over = p->output.len;
    if (over) {
        memmove(p->output.data, p->output.data + over, p->output.len - over);
        p->output.len -= over;
    }
    buf_put(&p->output, chunk, (size_t)got);
}

static void on_exit_seen(void *arg, int fd, unsigned events)
{
    (void)events;
    struct process *p = arg;
    if (waitpid(p->pid, &p->status, WNOHANG) == p->pid) {
        p->exited = true;
        loop_watch(p->loop, fd, 0, NULL, NULL);
    }
}

bool process_start(struct process **process, struct loop *loop, const char *const *argv, struct err *err)
{
    int pipe_fds[2];
    *process = NULL;
    if (pipe2(pipe_fds, O_CLOEXEC) < 0)
        return err_env(err, "pipe: %s", strerror(errno));
    fcntl(pipe_fds[0], F_SETFL, O_NONBLOCK);
    pid_t pid = fork();
    if (pid == 0)
        child(argv, pipe_fds[1]);
    close(pipe_fds[1]);
    if (pid < 0) {
        close(pipe_fds[0]);
        return err_env(err, "fork: %s", strerror(errno));
    }
    setpgid(pid, pid); /* both sides do it, so that neither has to wait for the other */
    struct process *p = mem_alloc(sizeof *p);
    p->loop = loop;
    p->pid = pid;
    p->output_fd = pipe_fds[0];
    p->pid_fd = (int)syscall(SYS_pidfd_open, pid, 0);
    buf_init(&p->output, OUTPUT_KEPT_BYTES);
    loop_watch(loop, p->output_fd, LOOP_READ, on_output, p);
    if (p->pid_fd < 0) {
        int why = errno;
        process_stop(p);
        return err_env(err, "pidfd_open: %s", strerror(why));
    }
    loop_watch(loop, p->pid_fd, LOOP_READ, on_exit_seen, p);
    *process = p;
    return true;
}

bool process_read_line(struct process *p, uint64_t timeout_us, struct buf *line, struct err *err)
{
    uint64_t until_us = clock_mono_us() + timeout_us;
    for (;;) {
        const char *newline = p->output.len ? memchr(p->output.data, '\n', p->output.len) : NULL;
        uint64_t now_us = clock_mono_us();
        if (newline) {
            buf_put(line, p->output.data, (size_t)(newline - p->output.data));
            return true;
        }
        if (p->exited)
            return err_env(err, "it ended before it was ready: %.*s", (int)p->output.len,
                           p->output.len ? p->output.data : "");
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

struct span process_output(const struct process *process)
{
    return buf_span(&process->output);
}

void process_stop(struct process *p)
{
    struct err ignored;
    if (!p)
        return;
    uint64_t until_us = clock_mono_us() + STOP_GRACE_US;
    kill(-p->pid, SIGTERM);
    while (!p->exited && p->pid_fd >= 0 && clock_mono_us() < until_us)
        if (!loop_turn(p->loop, until_us - clock_mono_us(), &ignored))
            break;
    kill(-p->pid, SIGKILL); /* also what the child left behind in its group */
    if (!p->exited)
        waitpid(p->pid, &p->status, 0);
    loop_watch(p->loop, p->output_fd, 0, NULL, NULL);
    close(p->output_fd);
    if (p->pid_fd >= 0) {
        loop_watch(p->loop, p->pid_fd, 0, NULL, NULL);
        close(p->pid_fd);
    }
    buf_reset(&p->output);
    free(p);
}
