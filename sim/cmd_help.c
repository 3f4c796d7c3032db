/* cmd_help: pimsim help [COMMAND], and what --help prints. */
#include "cmd.h"

#define HELP_BYTES_MAX (1u << 20)

static void put_program_help(struct buf *out)
{
    buf_puts(out, "Usage: pimsim COMMAND [OPTION...] [ARGUMENT...]\n\n"
                  "Play Akeneo's event senders, the Events API and the Event Platform (AEP),\n"
                  "against a connector under development, with the faults that production will\n"
                  "bring, and score the connector.\n\n");
    for (size_t i = 0; i < command_count(); i++)
        buf_printf(out, "  %-10s  %s\n", command_at(i)->name, command_at(i)->summary);
    buf_puts(out, "\n`pimsim run --help` shows a command's options. A flag (--secret) beats the\n"
                  "environment (PIMSIM_SECRET), which beats ./pimsim.json (\"secret\").\n"
                  "`pimsim demo` shows a whole run; `pimsim init` is the way to your own.\n");
}

void cmd_put_help(const struct command *command, struct buf *out)
{
    if (!command) {
        put_program_help(out);
        return;
    }
    buf_printf(out, "Usage: pimsim %s [OPTION...]\n\n", command->usage);
    if (*command->detail)
        buf_printf(out, "%s\n", command->detail);
    opts_help(command->bit, out);
}

bool cmd_help(const struct options *options, enum exit_code *code, struct err *err)
{
    (void)code; /* `pimsim` alone shows this too, and is a wrong usage */
    const struct command *command = NULL;
    if (options->args.count && !(command = command_find(options->args.items[0], err)))
        return false;
    struct buf help;
    buf_init(&help, HELP_BYTES_MAX);
    cmd_put_help(command, &help);
    cmd_print(&help);
    buf_reset(&help);
    return true;
}
