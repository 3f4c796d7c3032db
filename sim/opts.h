/* opts: options from three places: the command line beats the environment beats pimsim.json.
 *
 * options.def is the one list: each row makes the flag, its PIMSIM_ twin in the environment, its key
 * in pimsim.json, its check and its line of help. */
#ifndef PIMSIM_OPTS_H
#define PIMSIM_OPTS_H

#include "base.h"

enum command_bit {
    CMD_RUN = 1 << 0,
    CMD_DEMO = 1 << 1,
    CMD_SIGN = 1 << 2,
    CMD_VERIFY = 1 << 3,
    CMD_PLAN = 1 << 4,
    CMD_JUDGE = 1 << 5,
    CMD_CONNECTOR = 1 << 6,
    CMD_LIST = 1 << 7,
    CMD_EXPLAIN = 1 << 8,
    CMD_INIT = 1 << 9,
    CMD_HELP = 1 << 10,
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
#define OPT_TYPE_FLAG                                               bool
#define OPT_TYPE_U64                                                uint64_t
#define OPT_TYPE_DURATION                                           uint64_t /* microseconds */
#define OPT_TYPE_LIST                                               struct text_list
#include "options.def"
#undef OPT
#undef OPT_TYPE_TEXT
#undef OPT_TYPE_FLAG
#undef OPT_TYPE_U64
#undef OPT_TYPE_DURATION
#undef OPT_TYPE_LIST
    struct text_list args; /* positional */
    bool seed_set, timestamp_set;
    struct text_list owned; /* memory */
};

/* Fill `options` for a command from pimsim.json (here, or --config FILE), the environment and argv
 * (without program and command names). "--" ends options; "-x value", "-xvalue", "--name value" and
 * "--name=value" are understood. Errors name the place ("pimsim.json: seed: …", "PIMSIM_SEED: …",
 * "--sed: unknown option, did you mean --seed?"). */
bool opts_parse(struct options *options, enum command_bit command, int argc, char *const *argv,
                struct err *err) MUST_USE;
void opts_reset(struct options *options);
/* The help of a command's options, two columns, at most 100 wide. */
void opts_help(enum command_bit command, struct buf *out);

#endif
