/* opts: options from three places: the command line beats the environment beats pimsim.json.
 *
 * options.def is the one list: each row makes the flag, its PIMSIM_ twin in the environment, its key
 * in pimsim.json, its check and its line of help. commands.def lists the commands. */
#ifndef PIMSIM_OPTS_H
#define PIMSIM_OPTS_H

#include "base.h"

enum command_id {
#define COMMAND(id, name, args_max, usage, summary, detail) COMMAND_##id,
#include "commands.def"
#undef COMMAND
    COMMAND_COUNT
};

enum command_bit {
#define COMMAND(id, name, args_max, usage, summary, detail) CMD_##id = 1 << COMMAND_##id,
#include "commands.def"
#undef COMMAND
};

/* Repeatable options and positional arguments. */
struct text_list {
    const char **items;
    size_t count, cap;
};

/* Every option of the program; a command reads those that options.def gives it. All text is owned by
 * the struct. Unset: NULL, 0, false, or the default that options.def states. */
struct options {
#define OPT(field, name, letter, type, arg, commands, preset, help) OPT_TYPE_##type field;
#define OPT_TYPE_TEXT                                               const char *
#define OPT_TYPE_WORD                                               const char *
#define OPT_TYPE_FLAG                                               bool
#define OPT_TYPE_U64                                                uint64_t
#define OPT_TYPE_DURATION                                           uint64_t /* microseconds */
#define OPT_TYPE_LIST                                               struct text_list
#include "options.def"
#undef OPT
#undef OPT_TYPE_TEXT
#undef OPT_TYPE_WORD
#undef OPT_TYPE_FLAG
#undef OPT_TYPE_U64
#undef OPT_TYPE_DURATION
#undef OPT_TYPE_LIST
    struct text_list args; /* positional */
    bool seed_set;
    struct text_list owned; /* memory */
};

/* Fill `options` for a command from argv (without program and command names), the environment and
 * pimsim.json (here, or --config FILE); opts_reset is due in any case. "--" ends options; "-x value",
 * "-xvalue", "-xyz", "--name value", "--name=value" and "--flag=false" are understood. A list comes
 * whole from one place; in the environment its items stand on lines of their own, and an empty variable
 * counts as unset. With --help nothing but argv is read. Errors name the place ("pimsim.json: seed: …",
 * "PIMSIM_SEED: …", "--sed: unknown option (did you mean --seed?)"). */
bool opts_parse(struct options *options, enum command_bit command, int argc, char *const *argv,
                struct err *err) MUST_USE;
void opts_reset(struct options *options);
/* The help of a command's options: two columns, 80 wide. */
void opts_help(enum command_bit command, struct buf *out);

/* The command line that repeats a run with this seed: every option that decides how it goes, none that
 * is secret. `out` can be pasted into a POSIX shell. */
void opts_command_line(const struct options *options, enum command_bit command, uint64_t seed,
                       struct buf *out);
/* A URL without the user and password that it may hold. */
void opts_put_url(struct buf *out, const char *url);
/* One word of a POSIX shell, quoted where it must be. */
void opts_put_word(struct buf *out, struct span word);

#endif
