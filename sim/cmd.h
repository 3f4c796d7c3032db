/* cmd: the subcommands: one file each, one table in main.c.
 *
 * A command reads its options, prints its result on stdout and diagnostics on stderr, and returns the
 * exit code. On an error it returns false and main prints it and exits with err->code. */
#ifndef PIMSIM_CMD_H
#define PIMSIM_CMD_H

#include "event.h"
#include "opts.h"
#include "profile.h"

typedef bool cmd_fn(const struct options *options, enum exit_code *code, struct err *err);

/* One row of commands.def. */
struct command {
    const char *name;
    enum command_bit bit;
    cmd_fn *fn;
    size_t args_max;     /* positional arguments */
    const char *usage;   /* "run [SCENARIO|SUITE|FILE...]" */
    const char *summary; /* one line */
    const char *detail;  /* whole lines, for the command's help; "" where the summary says it all */
};

cmd_fn cmd_run, cmd_demo, cmd_sign, cmd_verify, cmd_plan, cmd_judge, cmd_connector, cmd_list, cmd_explain,
    cmd_init, cmd_help;

/* In main.c. */
size_t command_count(void);
const struct command *command_at(size_t index);
/* NULL, and an error that offers the nearest name, if there is no such command. */
const struct command *command_find(const char *name, struct err *err);

/* ---- what several commands need ---- */

/* --platform; the Event Platform when it is not given. */
bool cmd_platform(const struct options *options, enum platform_id *platform, struct err *err) MUST_USE;
/* What the options say about a platform. Needs a secret; `headers` and the texts are borrowed. */
bool cmd_settings(const struct options *options, enum platform_id platform, struct settings *settings,
                  struct err *err) MUST_USE;

/* Every --require names a rule. */
bool cmd_check_required(const struct options *options, struct err *err) MUST_USE;
/* Judge a journal, print the report, write the report files that options ask for. */
bool cmd_score(const struct options *options, int journal_fd, const char *name, enum exit_code *code,
               struct err *err) MUST_USE;

/* "events-api, aep", for a set of PLATFORM_BITs. */
void cmd_put_platforms(unsigned platforms, struct buf *out);
/* Words, filled into lines between two columns; the first line is `column` wide already. */
void cmd_put_text(struct buf *out, const char *text, size_t column, size_t columns);
/* A command's help, or with NULL the program's. */
void cmd_put_help(const struct command *command, struct buf *out);
/* The buffer on stdout; main notices when that fails. */
void cmd_print(const struct buf *out);

#endif
