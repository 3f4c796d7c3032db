/* cmd_judge: pimsim judge: score a recorded run again; and scoring for run and demo. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cmd.h"
#include "judge.h"
#include "report.h"

#define REPORT_BYTES_MAX (64u << 20)

static bool use_colour(const struct options *options)
{
    if (strcmp(options->color, "auto") != 0)
        return strcmp(options->color, "always") == 0;
    return isatty(STDOUT_FILENO);
}

static unsigned terminal_columns(void)
{
    struct winsize size;
    if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0)
        return 0;
    return size.ws_col;
}

static bool write_files(const struct options *options, const struct judgement *judgement, struct err *err)
{
    const struct {
        const char *path;
        void (*render)(const struct judgement *judgement, struct buf *out);
    } files[] = {{options->report_json, report_json},
                 {options->report_junit, report_junit},
                 {options->report_tap, report_tap}};
    bool ok = true;
    for (size_t i = 0; i < COUNT_OF(files) && ok; i++) {
        struct buf text;
        buf_init(&text, REPORT_BYTES_MAX);
        if (files[i].path) {
            files[i].render(judgement, &text);
            ok = report_write(files[i].path, &text, err);
        }
        buf_reset(&text);
    }
    return ok;
}

/* A report, or the event log, on stdout stands alone there, for whoever parses it. */
static bool stdout_taken(const struct options *options)
{
    const char *paths[] = {options->report_json, options->report_junit, options->report_tap,
                           options->event_log};
    for (size_t i = 0; i < COUNT_OF(paths); i++)
        if (paths[i] && strcmp(paths[i], "-") == 0)
            return true;
    return false;
}

static void print(const struct options *options, const struct judgement *judgement)
{
    struct report_options how = {
        .colour = use_colour(options),
        .verbose = options->quiet ? -1 : options->verbose,
        .columns = terminal_columns(),
    };
    struct buf text;
    buf_init(&text, REPORT_BYTES_MAX);
    if (strcmp(options->format, "json") == 0)
        report_json(judgement, &text);
    else
        report_text(judgement, &how, &text);
    cmd_print(&text);
    buf_reset(&text);
}

bool cmd_check_required(const struct options *options, struct err *err)
{
    for (size_t i = 0; i < options->require.count; i++) {
        const char *nearest, *id = options->require.items[i];
        if (!rule_known(id, &nearest))
            return err_set(err, "--require: %s: unknown rule%s%s%s", id, nearest ? " (did you mean " : "",
                           nearest ? nearest : "", nearest ? "?)" : "; pimsim list rules");
    }
    return true;
}

bool cmd_score(const struct options *options, int journal_fd, const char *name, enum exit_code *code,
               struct err *err)
{
    struct judge_options how = {
        .require = options->require.items,
        .require_count = options->require.count,
        .strict = options->strict,
        .fail_under = (int)options->fail_under,
    };
    struct judgement *judgement;
    if (!cmd_check_required(options, err) || !judge_journal(&judgement, journal_fd, name, &how, err))
        return false;
    if (!stdout_taken(options))
        print(options, judgement);
    *code = judgement_exit_code(judgement);
    bool ok = write_files(options, judgement, err);
    judgement_free(judgement);
    return ok;
}

bool cmd_judge(const struct options *options, enum exit_code *code, struct err *err)
{
    if (options->args.count != 1)
        return err_set(err, "which journal? usage: pimsim judge JOURNAL");
    const char *path = options->args.items[0];
    bool standard = strcmp(path, "-") == 0;
    int fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_set(err, "%s: %s", path, strerror(errno));
    bool ok = cmd_score(options, fd, standard ? "stdin" : path, code, err);
    if (!standard)
        close(fd);
    return ok;
}
