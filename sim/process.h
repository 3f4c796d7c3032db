/* process: a child in a process group of its own, its output kept: the connector under test (--exec, demo),
 * or a command that prints its state.
 *
 * Between us and it stands a keeper, a fork of ourselves that leads the group: it tells us when the child
 * ends, and kills the whole group when we are gone. So the group does not outlive us, whatever happens to
 * us. */
#ifndef PIMSIM_PROCESS_H
#define PIMSIM_PROCESS_H

#include "base.h"
#include "loop.h"

struct process;

/* argv is NULL-ended. A shell command is {"/bin/sh", "-c", command, NULL}. Environment variables whose
 * names start with `without` are not passed on; NULL: all are. */
bool process_start(struct process **process, struct loop *loop, const char *const *argv, const char *without,
                   struct err *err) MUST_USE;
/* A command of the shell, for the sake of its standard output: that is appended to `out`, whole, and what
 * does not fit is the group's end. process_output has its standard error alone. */
bool process_start_for_output(struct process **process, struct loop *loop, const char *command,
                              struct buf *out, struct err *err) MUST_USE;
/* Turn the loop until the child has written a whole line; the line, without its newline. */
bool process_read_line(struct process *process, uint64_t timeout_us, struct buf *line,
                       struct err *err) MUST_USE;
bool process_exited(const struct process *process);    /* told by the loop; what it started may live on */
bool process_succeeded(const struct process *process); /* exited, with status 0 */
/* How it exited: "ended with status 1", "was killed by signal 11 (Segmentation fault)". */
void process_put_end(const struct process *process, struct buf *out);
/* What it wrote last (stdout and stderr together, the last 4 KiB). */
struct span process_output(const struct process *process);
/* SIGKILL to the whole group, at once and from anywhere; process_stop waits until they are gone, and frees.
 */
void process_kill(struct process *process);
/* End the whole group: SIGTERM, and SIGKILL to those who are left two seconds later. Then none is left;
 * frees. */
void process_stop(struct process *process);

#endif
