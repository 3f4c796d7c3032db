/* process: the connector under test as a child: its own process group, its output kept.
 *
 * Started with a shell command (--exec) or our own program (demo). Whatever happens to us, the group does
 * not outlive us: it is ended by process_stop, and killed by the kernel when we are killed. */
#ifndef PIMSIM_PROCESS_H
#define PIMSIM_PROCESS_H

#include "base.h"
#include "loop.h"

struct process;

/* argv is NULL-ended. A shell command is {"/bin/sh", "-c", command, NULL}. */
bool process_start(struct process **process, struct loop *loop, const char *const *argv,
                   struct err *err) MUST_USE;
/* Turn the loop until the child has written a whole line on stdout; the line, without its newline. */
bool process_read_line(struct process *process, uint64_t timeout_us, struct buf *line,
                       struct err *err) MUST_USE;
bool process_exited(const struct process *process); /* told by the loop */
/* What it wrote last (stdout and stderr together, the last 4 KiB). */
struct span process_output(const struct process *process);
/* End the whole group: SIGTERM, and SIGKILL two seconds later; frees. */
void process_stop(struct process *process);

#endif
