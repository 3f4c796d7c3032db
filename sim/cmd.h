/* cmd: the subcommands: one file each, one table in main.c.
 *
 * A command reads its options, prints its result on stdout and diagnostics on stderr, and returns the
 * exit code. On an error it returns false and main prints it and exits with err->code. */
#ifndef PIMSIM_CMD_H
#define PIMSIM_CMD_H

#include "event.h"
#include "opts.h"

#define PIMSIM_VERSION "0.1.0"

typedef bool cmd_fn(const struct options *options, enum exit_code *code, struct err *err);

struct command {
    const char *name;
    enum command_bit bit;
    cmd_fn *fn;
    const char *usage;   /* "run [SCENARIO|SUITE|FILE…]" */
    const char *summary; /* one line */
    const char *detail;  /* a paragraph or two and an example, for `pimsim help NAME` */
};

cmd_fn cmd_run, cmd_demo, cmd_sign, cmd_verify, cmd_plan, cmd_judge, cmd_connector, cmd_list, cmd_explain,
    cmd_init, cmd_help;

size_t command_count(void);
const struct command *command_at(size_t index);

/* What several commands need. */
bool cmd_platform(const struct options *options, enum platform_id *platform, struct err *err) MUST_USE;

#endif
