/* process: the connector under test as a child: its own process group, its output kept.
 *
 * Started with a shell command (--exec) or our own program (demo). Between us and it stands a keeper, a
 * fork of ourselves that leads the group: it tells us when the child ends, and kills the whole group when
 * we are gone. So the group does not outlive us, whatever happens to us. */
#ifndef PIMSIM_PROCESS_H
#define PIMSIM_PROCESS_H

#include "base.h"
#include "loop.h"

struct process;

/* argv is NULL-ended. A shell command is {"/bin/sh", "-c", command, NULL}. Environment variables whose
 * names start with `without` are not passed on; NULL: all are. */
bool process_start(struct process **process, struct loop *loop, const char *const *argv, const char *without,
                   struct err *err) MUST_USE;
/* Turn the loop until the child has written a whole line; the line, without its newline. */
bool process_read_line(struct process *process, uint64_t timeout_us, struct buf *line,
                       struct err *err) MUST_USE;
bool process_exited(const struct process *process); /* told by the loop; what it started may live on */
/* How it exited: "ended with status 1", "was killed by signal 11 (Segmentation fault)". */
void process_put_end(const struct process *process, struct buf *out);
/* What it wrote last (stdout and stderr together, the last 4 KiB). */
struct span process_output(const struct process *process);
/* End the whole group: SIGTERM, and SIGKILL to those who are left two seconds later; frees. */
void process_stop(struct process *process);

#endif
