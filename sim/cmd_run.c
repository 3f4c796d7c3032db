/* cmd_run: pimsim run and pimsim demo: deliver and score, against a URL or our own connector. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "cmd.h"
#include "judge.h"
#include "limits.h"
#include "rng.h"
#include "run.h"

#define DEMO_SECRET "pimsim"

/* ---- playing ------------------------------------------------------------------------------ */

static bool read_speed(const char *text, unsigned *speed, struct err *err)
{
    char *end;
    unsigned long n = strtoul(text, &end, 10);
    *speed = SPEED_MAX;
    if (strcmp(text, "max") == 0)
        return true;
    if (*text < '0' || *text > '9' || *end || n < 1 || n > 1000000)
        return err_set(err, "--speed: \"%s\" is neither max nor a whole number from 1 to 1000000", text);
    *speed = (unsigned)n;
    return true;
}

static enum run_progress progress_for(const struct options *options)
{
    if (options->quiet)
        return PROGRESS_NONE;
    return isatty(STDERR_FILENO) ? PROGRESS_BAR : PROGRESS_LINES;
}

static bool make_run_options(const struct options *options, const struct cmd_target *target,
                             struct run_options *run, struct err *err)
{
    enum platform_id platform;
    if (!cmd_platform(options, &platform, err))
        return false;
    *run = (struct run_options){
        .profile = profile_get(platform),
        .settings.secret = target->secret,
        .seed = options->seed_set ? options->seed : rng_seed_fresh(),
        .progress = progress_for(options),
    };
    if (!cmd_settings(options, platform, &run->settings, err) ||
        !read_speed(options->speed, &run->speed, err))
        return false;
    uint64_t deadline_us = options->ack_deadline_us ? options->ack_deadline_us : run->profile->deadline_us;
    run->deliver = (struct deliver_options){
        .url = target->url,
        .deadline_us = deadline_us,
        .insecure = options->insecure,
        .cacert = options->cacert,
        .allow_remote = options->allow_remote,
    };
    return true;
}

static bool has_ended(void *process)
{
    return process_exited(process);
}

/* What the child wrote explains more than what we saw from outside. */
static bool blame_child(struct process *process, struct err *err)
{
    struct span output = process ? process_output(process) : span_of("");
    if (output.len)
        fprintf(stderr, "--- the connector's output ---\n%.*s\n------------------------------\n",
                (int)output.len, output.data);
    if (process && process_exited(process))
        err_wrap(err, "the connector ended");
    return false;
}

/* Some scenario of the suite must know the platform: a run that delivers nothing is no success. */
static bool check_suite(const struct suite *suite, const struct profile *profile, struct err *err)
{
    for (size_t i = 0; i < suite->count; i++)
        if (suite->scenarios[i]->platforms & PLATFORM_BIT(profile->id))
            return true;
    return err_set(err, "none of these scenarios is for %s (--platform)", platform_names[profile->id]);
}

static bool deliver_all(const struct options *options, const struct cmd_target *target,
                        struct run_options *run, struct loop *loop, struct data *data,
                        struct journal *journal, enum run_end *end, struct err *err)
{
    struct suite suite = {0};
    char why[300] = "";
    bool ok = suite_load(&suite, data, options->args.items, options->args.count, rule_known, err) &&
              check_suite(&suite, run->profile, err);
    if (ok && target->wait_ready &&
        !run_wait_ready(run, loop, options->exec_timeout_us, has_ended, target->process, err))
        ok = blame_child(target->process, err);
    if (ok)
        ok = run_suite(run, &suite, data, loop, journal, end, why, err);
    if (ok && *end == RUN_UNREACHABLE) {
        err_env(err, "%s could not be reached: %s", target->url, why);
        ok = blame_child(target->process, err);
    } else if (ok && target->process && process_exited(target->process)) {
        struct err ended = {0};
        blame_child(target->process, &ended);
        fputs("pimsim: the connector ended during the run\n", stderr);
    }
    suite_reset(&suite);
    return ok;
}

bool cmd_play(const struct options *options, struct loop *loop, const struct cmd_target *target,
              enum exit_code *code, struct err *err)
{
    struct data *data = NULL;
    struct journal *journal = NULL;
    struct run_options run;
    struct buf command;
    struct err close_err;
    enum run_end end = RUN_COMPLETE;
    buf_init(&command, 1 << 16);
    bool ok = make_run_options(options, target, &run, err);
    if (!ok)
        goto out;
    opts_command_line(options, target->process && !options->url ? CMD_DEMO : CMD_RUN, run.seed, &command);
    run.command = buf_text(&command);
    ok = data_open(&data, options->data, err) && journal_open(&journal, options->journal, err) &&
         deliver_all(options, target, &run, loop, data, journal, &end, err) &&
         cmd_score(options, journal_fd(journal), options->journal ? options->journal : "journal", code, err);
    if (ok && end == RUN_INTERRUPTED)
        *code = EXIT_INTERRUPTED;
out:
    if (journal && !journal_close(journal, &close_err) && ok) {
        *err = close_err;
        ok = false;
    }
    data_close(data);
    buf_reset(&command);
    return ok;
}

/* ---- run ---------------------------------------------------------------------------------- */

bool cmd_run(const struct options *options, enum exit_code *code, struct err *err)
{
    struct loop *loop = NULL;
    struct process *process = NULL;
    if (!options->url)
        return err_set(
            err, "no URL: give the connector's endpoint with --url, PIMSIM_URL or \"url\" in pimsim.json "
                 "(pimsim demo needs none)");
    bool ok = loop_new(&loop, err) && loop_catch_signals(loop, err);
    if (ok && options->exec) {
        const char *const argv[] = {"/bin/sh", "-c", options->exec, NULL};
        ok = process_start(&process, loop, argv, err);
    }
    struct cmd_target target = {.url = options->url, .wait_ready = process != NULL, .process = process};
    ok = ok && cmd_play(options, loop, &target, code, err);
    process_stop(process);
    loop_free(loop);
    return ok;
}

/* ---- demo --------------------------------------------------------------------------------- */

/* Start our own connector; its first line says where it listens. */
static bool start_connector(const struct options *options, struct loop *loop, struct process **process,
                            struct buf *url, struct err *err)
{
    char self[4096];
    ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);
    if (len < 0)
        return err_env(err, "/proc/self/exe cannot be read");
    self[len] = '\0';
    const char *argv[] = {
        self,         "connector", "--config=", "--secret", DEMO_SECRET, options->bug ? "--bug" : NULL,
        options->bug, NULL};
    struct buf line;
    buf_init(&line, 4096);
    bool ok = process_start(process, loop, argv, err) &&
              process_read_line(*process, options->exec_timeout_us, &line, err);
    const char *start = ok ? strstr(buf_text(&line), "http://") : NULL;
    if (start)
        buf_puts(url, start);
    else if (ok)
        ok = err_env(err, "it said \"%s\"", buf_text(&line));
    if (!ok)
        err_wrap(err, "the reference connector");
    buf_reset(&line);
    return ok;
}

bool cmd_demo(const struct options *options, enum exit_code *code, struct err *err)
{
    struct loop *loop = NULL;
    struct process *process = NULL;
    struct buf url;
    buf_init(&url, 4096);
    bool ok = loop_new(&loop, err) && loop_catch_signals(loop, err) &&
              start_connector(options, loop, &process, &url, err);
    struct cmd_target target = {.url = buf_text(&url), .secret = span_of(DEMO_SECRET), .process = process};
    ok = ok && cmd_play(options, loop, &target, code, err);
    process_stop(process);
    loop_free(loop);
    buf_reset(&url);
    return ok;
}
