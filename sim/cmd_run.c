/* cmd_run: pimsim run and pimsim demo: deliver and score, against a URL or our own connector.
 *
 * What can be wrong with the request itself is found first: before a connector is started, and before an
 * earlier journal is replaced. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "cmd.h"
#include "connector.h"
#include "judge.h"
#include "limits.h"
#include "loop.h"
#include "process.h"
#include "ready.h"
#include "rng.h"
#include "run.h"

#define DEMO_SECRET      "pimsim"
#define DEMO_NEXT_SECRET "pimsim-next"
#define DEMO_SETTLE_US   100000 /* it applies what it has stored within milliseconds */
#define DEMO_FETCH_US    500000 /* it asks the PIM in no time, but not at once */

struct play {
    const struct options *options;
    struct loop *loop;
    struct data *data;
    struct suite suite;
    struct journal *journal;
    struct process *process;     /* the connector, when it is our child; or NULL */
    struct observe *observe;     /* or NULL */
    struct pim *pim;             /* or NULL */
    struct event_log *event_log; /* or NULL */
    struct play_options run;
    struct play_restart restart;                                            /* what run points to … */
    struct buf url, shown_url, shown_baseline, state_url, pim_url, command; /* … like these */
    char folder[32]; /* of the demo's database, or "" */
};

/* ---- options ------------------------------------------------------------------------------ */

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

static enum play_progress progress_for(const struct options *options)
{
    if (options->quiet)
        return PROGRESS_NONE;
    return isatty(STDERR_FILENO) ? PROGRESS_BAR : PROGRESS_LINES;
}

static bool make_notify_options(const struct options *options, struct play_options *run, struct err *err)
{
    const char *url = options->notification_url, *secret = options->notification_secret;
    size_t len = secret ? strlen(secret) : 0;
    run->notify = (struct notify_options){.deliver = run->target.deliver,
                                          .secret = secret ? span_of(secret) : run->target.settings.secret};
    run->notify.deliver.url = url;
    if (url && run->target.profile->id != PLATFORM_AEP)
        return err_set(err, "--notification-url: only the Event Platform notifies (--platform aep)");
    if (secret && !url)
        return err_set(err, "--notification-secret: there is no --notification-url that it could go with");
    if (secret && (len < NOTIFICATION_SECRET_BYTES_MIN || len > NOTIFICATION_SECRET_BYTES_MAX))
        return err_set(err, "--notification-secret: the platform takes %d to %d characters",
                       NOTIFICATION_SECRET_BYTES_MIN, NOTIFICATION_SECRET_BYTES_MAX);
    return !url || deliver_check(&run->notify.deliver, err) || err_wrap(err, "--notification-url");
}

/* The URL that a platform sends to, as the user gave it; NULL: none. */
static const char *url_for(const struct options *options, enum platform_id platform)
{
    const char *own = platform == PLATFORM_AEP ? options->url_aep : options->url_events_api;
    return own ? own : options->url;
}

/* What a migration is compared with. Secrets and settings of AEP are not the Events API's. */
static bool make_baseline(const struct options *options, struct play_options *run, struct err *err)
{
    const struct settings *settings = &run->target.settings;
    const char *secret = options->secret_events_api;
    if (secret && !options->url_events_api)
        return err_set(err, "--secret-events-api: there is no --url-events-api that it could go with");
    if (secret && run->target.profile->id == PLATFORM_EVENTS_API)
        run->target.settings.secret = span_of(secret);
    if (run->target.profile->id == PLATFORM_EVENTS_API)
        return true;
    run->baseline = run->target;
    run->baseline.profile = &profile_events_api;
    run->baseline.settings = (struct settings){.secret = secret ? span_of(secret) : settings->secret,
                                               .pim_version = settings->pim_version,
                                               .headers = settings->headers,
                                               .header_count = settings->header_count};
    run->baseline.deliver.url = options->url_events_api;
    if (!options->ack_deadline_us)
        run->baseline.deliver.deadline_us = profile_events_api.deadline_us;
    return !options->url_events_api || deliver_check(&run->baseline.deliver, err) ||
           err_wrap(err, "--url-events-api");
}

static bool make_run_options(const struct options *options, struct span secret, struct play_options *run,
                             struct err *err)
{
    enum platform_id platform;
    if (!cmd_platform(options, &platform, err))
        return false;
    *run = (struct play_options){
        .target.profile = profile_get(platform),
        .target.settings.secret = secret,
        .seed = options->seed_set ? options->seed : rng_seed_fresh(),
        .progress = progress_for(options),
    };
    if (!cmd_settings(options, platform, &run->target.settings, err) ||
        !read_speed(options->speed, &run->speed, err))
        return false;
    if (options->event_log && platform != PLATFORM_EVENTS_API)
        return err_set(err, "--event-log: only the Events API has this log (--platform events-api)");
    flow_unset(&run->flow);
    for (size_t i = 0; i < options->flow.count; i++)
        if (!flow_assign(&run->flow, options->flow.items[i], err))
            return err_wrap(err, "--flow");
    run->target.deliver = (struct deliver_options){
        .url = url_for(options, platform),
        .deadline_us = options->ack_deadline_us ? options->ack_deadline_us : run->target.profile->deadline_us,
        .insecure = options->insecure,
        .cacert = options->cacert,
        .allow_remote = options->allow_remote,
        .head = options->event_log,
    };
    return make_baseline(options, run, err) && make_notify_options(options, run, err);
}

/* ---- looking at the connector's state ------------------------------------------------------ */

static bool read_port(const char *option, const char *text, uint16_t *port, struct err *err)
{
    char *end;
    unsigned long n = strtoul(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || n > UINT16_MAX)
        return err_set(err, "%s: \"%s\" is not a port from 0 to 65535", option, text);
    *port = (uint16_t)n;
    return true;
}

/* The connector that we start is told where the sink is. */
static void announce_sink(const struct play *play)
{
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%u", observe_sink_port(play->observe));
    setenv("PIMSIM_SINK_URL", url, true);
    if (!play->options->quiet)
        fprintf(stderr, "the sink is at %s\n", url);
}

static bool open_observe(struct play *play, const char *const *urls, size_t url_count, uint64_t settle_us,
                         struct err *err)
{
    const struct options *o = play->options;
    struct observe_options what = {
        .urls = urls,
        .url_count = url_count,
        .commands = o->state_cmd.items,
        .command_count = o->state_cmd.count,
        .headers = o->state_header.items,
        .header_count = o->state_header.count,
        .sink = o->sink,
        .sink_answers = o->sink_answer.items,
        .sink_answer_count = o->sink_answer.count,
        .sink_sets = o->sink_sets.items,
        .sink_sets_count = o->sink_sets.count,
        .insecure = o->insecure,
        .allow_remote = o->allow_remote,
        .cacert = o->cacert,
        .timeout_us = o->state_timeout_us,
        .settle_us = o->settle_us ? o->settle_us : settle_us,
    };
    if ((o->sink && !read_port("--sink", o->sink, &what.sink_port, err)) ||
        !observe_open(&play->observe, play->loop, &what, err))
        return false;
    play->run.observe = play->observe;
    if (o->sink)
        announce_sink(play);
    return true;
}

/* A setting that nothing uses is a mistake, too. */
static bool check_means(const struct options *o, struct err *err)
{
    uint16_t port;
    if ((o->sink && !read_port("--sink", o->sink, &port, err)) ||
        (o->pim && !read_port("--pim", o->pim, &port, err)))
        return false;
    if (o->state_header.count && !o->state_url.count)
        return err_set(err, "--state-header: there is no --state-url that it could go with");
    if (o->sink_answer.count && !o->sink)
        return err_set(err, "--sink-answer: there is no --sink that could give it");
    if (o->sink_sets.count && !o->sink)
        return err_set(err, "--sink-sets: there is no --sink that could be called");
    return true;
}

/* ---- what the suite needs -------------------------------------------------------------------- */

static bool has_migration(const struct suite *suite)
{
    for (size_t i = 0; i < suite->count; i++)
        if (suite->scenarios[i]->migration)
            return true;
    return false;
}

/* ---- the PIM that the connector asks -------------------------------------------------------- */

static bool open_pim(struct play *play, const char *port_text, struct err *err)
{
    uint16_t port = 0;
    if (!read_port("--pim", port_text, &port, err) || !pim_open(&play->pim, play->loop, port, err))
        return false;
    play->run.pim = play->pim;
    buf_printf(&play->pim_url, "http://127.0.0.1:%u", pim_port(play->pim));
    return true;
}

/* The connector that we start is told where it is. */
static void announce_pim(struct play *play)
{
    setenv("PIMSIM_PIM_URL", buf_text(&play->pim_url), true);
    if (!play->options->quiet)
        fprintf(stderr, "the PIM is at %s\n", buf_text(&play->pim_url));
}

/* ---- the connector as a child ------------------------------------------------------------- */

static bool has_ended(void *process)
{
    return process_exited(process);
}

/* What the child wrote explains more than what we saw from outside. */
static void show_child(const struct play *play)
{
    struct span output = play->process ? process_output(play->process) : span_of("");
    if (output.len)
        fprintf(stderr, "--- the connector's output ---\n%.*s\n------------------------------\n",
                (int)output.len, output.data);
    if (play->process && process_exited(play->process)) {
        struct buf end;
        buf_init(&end, 256);
        process_put_end(play->process, &end);
        fprintf(stderr, "pimsim: the connector %s\n", buf_text(&end));
        buf_reset(&end);
    }
}

/* Starting failed; when it was the user who ended it, say that. */
static bool not_started(const struct play *play, struct err *err)
{
    if (loop_interrupted(play->loop)) {
        err_set(err, "interrupted before the connector was ready");
        err->code = EXIT_INTERRUPTED;
    } else {
        show_child(play);
    }
    return false;
}

static bool wait_for(struct play *play, const struct endpoint *endpoint, struct err *err)
{
    return ready_wait(&endpoint->deliver, endpoint->url, play->loop, play->options->exec_timeout_us,
                      has_ended, play->process, err);
}

static bool start_exec(struct play *play, struct err *err)
{
    const struct options *options = play->options;
    const char *const argv[] = {"/bin/sh", "-c", options->exec, NULL};
    return process_start(&play->process, play->loop, argv, NULL, err) &&
           ((wait_for(play, &play->run.target, err) &&
             (!has_migration(&play->suite) || wait_for(play, &play->run.baseline, err))) ||
            not_started(play, err));
}

/* Where it listens; a password in the URL is not for everybody. */
static void set_url(struct play *play, const char *url)
{
    buf_clear(&play->url);
    buf_clear(&play->shown_url);
    buf_puts(&play->url, url);
    opts_put_url(&play->shown_url, url);
    play->run.target.deliver.url = buf_text(&play->url);
    play->run.target.url = buf_text(&play->shown_url);
}

/* The first line of our own connector says where it listens. */
static bool read_url(struct play *play, struct err *err)
{
    struct buf line;
    buf_init(&line, 4096);
    bool ok = process_read_line(play->process, play->options->exec_timeout_us, &line, err);
    const char *start = ok ? strstr(buf_text(&line), "http://") : NULL;
    if (!start && ok)
        ok = err_env(err, "it said \"%s\"", buf_text(&line));
    if (start)
        set_url(play, start);
    if (play->run.target.profile->id == PLATFORM_AEP) { /* one URL for all: notifications, both platforms */
        play->run.notify.deliver.url = play->run.target.deliver.url;
        play->run.baseline.deliver.url = play->run.target.deliver.url;
        play->run.baseline.url = play->run.target.url;
    }
    buf_reset(&line);
    return ok;
}

/* Start our own connector, again where it was if it was there before. Nothing in the environment that is
 * meant for us may reach it: PIMSIM_BUG would break it, PIMSIM_DB would give it somebody's data. */
static bool start_demo(struct play *play, struct err *err)
{
    char self[4096], db[64], port[8] = "0";
    const char *bug = play->options->bug, *colon = strrchr(buf_text(&play->url), ':');
    ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);
    if (len < 0)
        return err_env(err, "/proc/self/exe cannot be read");
    self[len] = '\0';
    snprintf(db, sizeof db, "%s/connector.db", play->folder);
    if (colon)
        snprintf(port, sizeof port, "%.*s", (int)strspn(colon + 1, "0123456789"), colon + 1);
    const char *argv[16] = {
        self,     "connector", "--config=", "--secret", DEMO_SECRET, "--secret-secondary", DEMO_NEXT_SECRET,
        "--port", port,        "--db",      db};
    size_t count = 11;
    if (play->pim) {
        argv[count++] = "--pim-url";
        argv[count++] = buf_text(&play->pim_url);
    }
    if (bug) {
        argv[count++] = "--bug";
        argv[count++] = bug;
    }
    bool ok = process_start(&play->process, play->loop, argv, "PIMSIM_", err) && read_url(play, err);
    if (!ok)
        err_wrap(err, "the reference connector");
    if (!ok && play->process)
        not_started(play, err);
    return ok;
}

static void kill_child(void *arg)
{
    struct play *play = arg;
    process_kill(play->process);
}

static bool start_child(void *arg, struct err *err)
{
    struct play *play = arg;
    process_stop(play->process);
    play->process = NULL;
    return play->options->exec ? start_exec(play, err) : start_demo(play, err);
}

/* Its database outlives its restarts, and nothing else. */
static bool make_folder(struct play *play, struct err *err)
{
    snprintf(play->folder, sizeof play->folder, "/tmp/pimsim-XXXXXX");
    if (mkdtemp(play->folder))
        return true;
    err_env(err, "%s: %s", play->folder, strerror(errno));
    *play->folder = '\0';
    return false;
}

static void remove_folder(const struct play *play)
{
    static const char *const files[] = {"connector.db", "connector.db-wal", "connector.db-shm"};
    char path[64];
    for (size_t i = 0; i < COUNT_OF(files) && *play->folder; i++) {
        snprintf(path, sizeof path, "%s/%s", play->folder, files[i]);
        unlink(path);
    }
    if (*play->folder)
        rmdir(play->folder);
}

static bool look_at_demo(struct play *play, struct err *err)
{
    buf_printf(&play->state_url, "%sstate", buf_text(&play->url));
    const char *url = buf_text(&play->state_url);
    return open_observe(play, &url, 1, play->pim ? DEMO_FETCH_US : DEMO_SETTLE_US, err);
}

static bool open_event_log(struct play *play, struct err *err)
{
    const char *path = play->options->event_log;
    if (!path)
        return true;
    bool ok = event_log_open(&play->event_log, path, err);
    play->run.event_log = play->event_log;
    return ok;
}

/* ---- what comes first ----------------------------------------------------------------------- */

static bool is_given_sight(const struct options *o)
{
    return o->state_url.count || o->state_cmd.count || o->sink;
}

/* Hours and migrations are played when they are asked for. */
static void leave_unasked_out(struct suite *suite)
{
    size_t kept = 0;
    for (size_t i = 0; i < suite->count; i++)
        if (suite->scenarios[i]->flow || suite->scenarios[i]->migration)
            scenario_free(suite->scenarios[i]);
        else
            suite->scenarios[kept++] = suite->scenarios[i];
    suite->count = kept;
}

/* Nothing can be played: why. */
static bool refuse_suite(const struct play *play, const struct buf *lacks, struct err *err)
{
    const char *platform = platform_names[play->run.target.profile->id];
    if (lacks->len)
        return err_set(err, "none of these scenarios can be played: there is %.*s", (int)lacks->len,
                       lacks->data);
    return err_set(err,
                   has_migration(&play->suite)
                       ? "a migration ends at AEP, which is what is judged: not with --platform %s"
                       : "none of these scenarios is for %s (--platform)",
                   platform);
}

/* Some scenario of the suite must be for the platform, and can be played: a run that delivers nothing is no
 * success. */
static bool check_suite(const struct play *play, const struct run_means *means, struct err *err)
{
    bool playable = false;
    struct buf lacks;
    buf_init(&lacks, 1024);
    for (size_t i = 0; i < play->suite.count && !playable; i++) {
        const struct scenario *s = play->suite.scenarios[i];
        if (!(s->platforms & PLATFORM_BIT(play->run.target.profile->id)))
            continue;
        buf_clear(&lacks);
        playable = !run_lacks(s, means, &lacks);
    }
    bool ok = playable || refuse_suite(play, &lacks, err);
    buf_reset(&lacks);
    return ok;
}

/* Before anything is sent: what the scenarios and --flow make of the platform's laws goes together. */
static bool check_flows(const struct play *play, struct err *err)
{
    struct flow flow;
    for (size_t i = 0; i < play->suite.count; i++) {
        const struct scenario *s = play->suite.scenarios[i];
        if (s->flow && s->platforms & PLATFORM_BIT(play->run.target.profile->id) &&
            !play_flow(&play->run, s, &flow, err))
            return false;
    }
    return true;
}

static bool load_suite(struct play *play, bool demo, struct err *err)
{
    const struct options *options = play->options;
    const struct run_means means = {.sight = demo || is_given_sight(options),
                                    .restart = demo || options->exec,
                                    .secret = !play->run.target.profile->secondary_header ||
                                              play->run.target.settings.secret_secondary.len,
                                    .baseline = demo || play->run.baseline.deliver.url,
                                    .pim = demo || options->pim};
    if (!suite_load(&play->suite, play->data, options->args.items, options->args.count, rule_known, err))
        return false;
    if (options->args.count == 0)
        leave_unasked_out(&play->suite);
    return check_suite(play, &means, err) && check_flows(play, err);
}

/* What the scenarios are played with, before the connector is there. */
static bool open_all(struct play *play, bool demo, struct err *err)
{
    const struct options *o = play->options;
    if (o->pim && !open_pim(play, o->pim, err))
        return false;
    if (o->pim)
        announce_pim(play);
    return (!demo || !has_migration(&play->suite) || open_pim(play, "0", err)) &&
           (!is_given_sight(o) || open_observe(play, o->state_url.items, o->state_url.count, 0, err)) &&
           open_event_log(play, err) && journal_open(&play->journal, o->journal, err);
}

static bool prepare(struct play *play, const struct options *options, enum command_bit command,
                    struct span secret, struct err *err)
{
    bool demo = command == CMD_DEMO;
    *play = (struct play){.options = options};
    buf_init(&play->url, 1 << 16);
    buf_init(&play->shown_url, 1 << 16);
    buf_init(&play->shown_baseline, 1 << 16);
    buf_init(&play->pim_url, 64);
    buf_init(&play->state_url, 4096);
    buf_init(&play->command, 1 << 16);
    if (!make_run_options(options, secret, &play->run, err) || !cmd_check_required(options, err) ||
        (!demo && !deliver_check(&play->run.target.deliver, err)) || !check_means(options, err))
        return false;
    if (!demo)
        set_url(play, play->run.target.deliver.url);
    if (options->url_events_api) {
        opts_put_url(&play->shown_baseline, options->url_events_api);
        play->run.baseline.url = buf_text(&play->shown_baseline);
    }
    opts_command_line(options, command, play->run.seed, &play->command);
    play->run.command = buf_text(&play->command);
    if (demo || options->exec) {
        play->restart = (struct play_restart){.kill = kill_child, .start = start_child, .arg = play};
        play->run.restart = &play->restart;
    }
    if (demo && play->run.target.profile->secondary_header)
        play->run.target.settings.secret_secondary = span_of(DEMO_NEXT_SECRET);
    return data_open(&play->data, options->data, err) && load_suite(play, demo, err) &&
           loop_new(&play->loop, err) && open_all(play, demo, err) && loop_catch_signals(play->loop, err);
}

/* ---- playing ------------------------------------------------------------------------------ */

static bool deliver_and_score(struct play *play, enum exit_code *code, struct err *err)
{
    const char *name = play->options->journal ? play->options->journal : "journal";
    struct run_result run;
    if (!run_suite(&play->run, &play->suite, play->data, play->loop, play->journal, &run, err))
        return false;
    bool child_ended = play->process && process_exited(play->process);
    if (run.end == RUN_UNREACHABLE || (child_ended && run.end != RUN_INTERRUPTED))
        show_child(play);
    if (run.end == RUN_UNREACHABLE)
        return err_env(err, "%s could not be reached: %s", run.url, run.why);
    if (run.end == RUN_GIVEN_UP)
        fprintf(stderr, "pimsim: %s gives no answers any more, the rest was not played: %s\n", run.url,
                run.why);
    if (!cmd_score(play->options, journal_fd(play->journal), name, code, err))
        return false;
    if (run.end == RUN_INTERRUPTED)
        *code = EXIT_INTERRUPTED;
    return true;
}

static bool finish(struct play *play, bool ok, struct err *err)
{
    struct err close_err;
    process_stop(play->process);
    remove_folder(play);
    observe_close(play->observe);
    pim_close(play->pim);
    if (!journal_close(play->journal, &close_err) && ok) {
        *err = close_err;
        ok = false;
    }
    if (!event_log_close(play->event_log, &close_err) && ok) {
        *err = close_err;
        ok = false;
    }
    loop_free(play->loop);
    suite_reset(&play->suite);
    data_close(play->data);
    buf_reset(&play->url);
    buf_reset(&play->shown_url);
    buf_reset(&play->shown_baseline);
    buf_reset(&play->pim_url);
    buf_reset(&play->state_url);
    buf_reset(&play->command);
    return ok;
}

bool cmd_run(const struct options *options, enum exit_code *code, struct err *err)
{
    struct play play;
    enum platform_id platform;
    if (!cmd_platform(options, &platform, err))
        return false;
    if (!url_for(options, platform))
        return err_set(
            err,
            "no URL: give the connector's endpoint with --url or --url-%s, PIMSIM_URL or \"url\" in "
            "pimsim.json (pimsim demo needs none)",
            platform_names[platform]);
    bool ok = prepare(&play, options, CMD_RUN, span_of(""), err) &&
              (!options->exec || start_exec(&play, err)) && deliver_and_score(&play, code, err);
    return finish(&play, ok, err);
}

bool cmd_demo(const struct options *options, enum exit_code *code, struct err *err)
{
    struct play play;
    enum connector_bug bug;
    if (options->bug && !connector_bug_find(options->bug, &bug, err))
        return err_wrap(err, "--bug");
    bool ok = prepare(&play, options, CMD_DEMO, span_of(DEMO_SECRET), err) && make_folder(&play, err) &&
              start_demo(&play, err) && look_at_demo(&play, err) && deliver_and_score(&play, code, err);
    return finish(&play, ok, err);
}
