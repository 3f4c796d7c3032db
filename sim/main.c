/* main: finds the command, reads its options, runs it, and turns the end into an exit code.
 *
 * commands.def is the table. What a command fails with is printed here, in one form. A result that did
 * not reach stdout is never a success. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"

static const struct command commands[] = {
#define COMMAND(id, name, args_max, usage, summary, detail)                                                  \
    {#name, CMD_##id, cmd_##name, args_max, usage, summary, detail},
#define ARGS_ANY SIZE_MAX
#include "commands.def"
#undef COMMAND
};

size_t command_count(void)
{
    return COUNT_OF(commands);
}

const struct command *command_at(size_t index)
{
    return &commands[index];
}

const struct command *command_find(const char *name, struct err *err)
{
    const char *names[COUNT_OF(commands)];
    for (size_t i = 0; i < COUNT_OF(commands); i++) {
        names[i] = commands[i].name;
        if (strcmp(name, names[i]) == 0)
            return &commands[i];
    }
    const char *nearest = word_nearest(name, names, COUNT_OF(names));
    if (nearest)
        err_set(err, "%s: unknown command (did you mean %s?)", name, nearest);
    else
        err_set(err, "%s: unknown command; pimsim help lists them", name);
    return NULL;
}

/* Our own files and sockets must not land on a standard descriptor that the caller closed. Writing to
 * the stand-in fails, as writing to the closed one would have. */
static void fill_standard_descriptors(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
            _exit(EXIT_ENVIRONMENT);
}

static bool run_command(const struct command *command, int argc, char **argv, enum exit_code *code,
                        struct err *err)
{
    struct options options;
    bool ok = false;
    if (!opts_parse(&options, command->bit, argc, argv, err))
        goto out;
    if (options.help) {
        struct buf help;
        buf_init(&help, 1 << 20);
        cmd_put_help(command, &help);
        cmd_print(&help);
        buf_reset(&help);
        ok = true;
        goto out;
    }
    if (options.args.count > command->args_max) {
        err_set(err, "%s: unexpected argument; usage: pimsim %s", options.args.items[command->args_max],
                command->usage);
        goto out;
    }
    ok = command->fn(&options, code, err);
out:
    opts_reset(&options);
    return ok;
}

/* Whoever read stdout through a pipe is gone (`pimsim list events | head -1`). */
static bool reader_left(void)
{
    struct pollfd out = {.fd = STDOUT_FILENO};
    return poll(&out, 1, 0) == 1 && (out.revents & POLLERR);
}

/* A result that did not get out is a failure; a reader that left knows, and needs no message. */
static int finish(enum exit_code code)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return (int)code;
    if (!reader_left())
        fputs("pimsim: could not write to standard output\n", stderr);
    return EXIT_ENVIRONMENT;
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "help"; /* shown, but nothing was asked for: not a success */
    enum exit_code code = argc > 1 ? EXIT_CONFORMS : EXIT_USAGE;
    struct err err = {0};
    fill_standard_descriptors();
    signal(SIGPIPE, SIG_IGN);
    if (strcmp(name, "--version") == 0) {
        puts("pimsim " PIMSIM_VERSION);
        return finish(code);
    }
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        name = "help";
    const struct command *command = command_find(name, &err);
    if (!command || !run_command(command, argc > 2 ? argc - 2 : 0, argv + 2, &code, &err)) {
        fprintf(stderr, "pimsim%s%s: %s\n", command ? " " : "", command ? name : "", err.text);
        code = err.code;
    }
    return finish(code);
}
