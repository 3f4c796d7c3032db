/* run: see run.h. One scenario at a time; everything that happens comes from the loop. */
#include "run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "limits.h"
#include "message.h"
#include "plan.h"
#include "platform.h"
#include "record.h"
#include "rng.h"
#include "sign.h"

/* A scenario is given up after so many requests in a row without an answer, or after fewer that took many
 * deadlines, or after so many timeouts altogether: more would tell no more. The run is given up after so many
 * scenarios in a row without any answer, or after one when there was never an answer. */
#define SILENT_MAX           30
#define SILENT_MIN           4
#define SILENT_DEADLINES_MAX 4
#define GIVEN_UP_MAX         2

/* We wake before a request is due, and make it: a request is ready when its moment comes, and nothing that
 * takes time lies between. Short enough that an answer that comes meanwhile is not measured wrong. */
#define AHEAD_US 150

/* So many requests leave in one go; then answers and signals are looked at. */
#define IN_ONE_GO_MAX 1000

#define KNOCK_EVERY_US 20000

/* A request on its way. Flights are kept for the next one: their buffers are warm. */
struct flight {
    struct run *run;
    struct flight *next;     /* in the list of idle ones */
    struct flight *next_all; /* in the list of all */
    struct message message;
    uint32_t number; /* in the journal */
    struct delivery delivery;
    uint64_t scheduled_us; /* real, clock_mono_us */
    uint64_t sent_us;      /* the same */
    uint64_t virtual_us;
    bool diagnosis;
};

/* Why the stream stands still: something that takes time is to be done while nothing is in flight. */
enum halt { HALT_NONE, HALT_SNAPSHOT, HALT_RESTART, HALT_NOTIFY };

/* A restart of the connector: over when it was killed and the request that it goes with has ended. */
struct restart {
    struct loop_timer timer; /* when it is killed */
    uint32_t delivery;
    uint64_t killed_us; /* clock_mono_us; 0: not yet */
    bool ended;         /* the request */
};

/* What a scenario may ask for and we lack. */
enum lack { LACK_SIGHT, LACK_RESTART, LACK_SECRET, LACK_COUNT, LACK_NOTHING = LACK_COUNT };
static const char *const lacks[LACK_COUNT] = {
    [LACK_SIGHT] = "no way to look at the connector's state: give --state-url, --state-cmd or --sink",
    [LACK_RESTART] = "no way to restart the connector: give --exec",
    [LACK_SECRET] = "no second secret that the connector knows: give --secret-secondary",
};

/* What a diagnosis starts from: a valid delivery that was refused. Those with 401 or 403 say that it is about
 * the signature, and come first; but some connectors answer 400, or throw. */
enum { REFUSED_PLAIN, REFUSED_BYTES, REFUSED_OTHERWISE, REFUSED_COUNT };
struct refused {
    bool seen, done;
    struct delivery delivery;
};

struct run {
    const struct run_options *options;
    struct loop *loop;
    struct recorder recorder;
    struct deliver *deliver;
    struct composer *composer;
    struct notify *notify; /* or NULL */
    struct data *data;
    struct flight *idle, *all;
    uint32_t deliveries;          /* in the whole run */
    bool ever_answered, absent;   /* absent: no connection could be made, ever */
    bool unsendable;              /* a request could not even be made: that is our end, not the connector's */
    unsigned given_up_in_row;     /* scenarios */
    bool gone;                    /* it was killed, as a scenario asked, and did not come back */
    unsigned skipped[LACK_COUNT]; /* scenarios */
    char why[300];                /* what came of the last request that was not answered */
    bool done;                    /* what the loop is to wait for has happened */
    struct err err;
    bool failed; /* err is set: stop */
    struct refused refused[REFUSED_COUNT];

    /* the scenario that is being played */
    struct plan *plan;
    struct platform *platform;
    struct vclock clock;
    int64_t wall_start_us;
    struct loop_timer timer;
    enum halt halt;
    struct delivery halted; /* what the stream stands still for */
    struct restart restart;
    struct flow flow;  /* the laws in force, if the scenario has any */
    uint64_t rate_max; /* the highest throughput reached, as in flow.h */
    uint32_t silent_in_row, timeouts, answers;
    uint64_t silent_since_us; /* when the first of those was sent */
    bool given_up, answered;
    uint64_t drawn_us; /* when the progress bar was last drawn */
};

static void fail(struct run *run)
{
    run->failed = true;
    run->done = true;
}

static unsigned speed_of(const struct run *run)
{
    return run->options->speed ? run->options->speed : 1;
}

static void flush_journal(void *arg)
{
    struct run *run = arg;
    if (!run->failed && !journal_flush(run->recorder.journal, &run->err))
        fail(run);
}

/* ---- progress on stderr ------------------------------------------------------------------- */

static void draw_bar(struct run *run, bool last)
{
    enum { WIDTH = 30 };
    if (run->options->progress != PROGRESS_BAR)
        return;
    uint64_t now_us = clock_mono_us();
    if (!last && now_us - run->drawn_us < 100000)
        return;
    run->drawn_us = now_us;
    size_t total = run->plan->count ? run->plan->count : 1;
    size_t sent = last ? total : run->answers < total ? run->answers : total;
    int filled = (int)(WIDTH * sent / total);
    fprintf(stderr, "\r\033[K%.*s%.*s %s", filled, "##############################", WIDTH - filled,
            "..............................", run->plan->scenario->name);
    if (last)
        fputs("\r\033[K", stderr);
    fflush(stderr);
}

static void print_line(const struct run *run, uint64_t took_us)
{
    if (run->options->progress == PROGRESS_LINES)
        fprintf(stderr, "%-28s %6u requests %8.1f s%s\n", run->plan->scenario->name, run->answers,
                (double)took_us / 1e6,
                !run->given_up  ? ""
                : run->answered ? "  given up: too few answers"
                                : "  given up: no answers");
}

/* ---- flights ------------------------------------------------------------------------------ */

static struct flight *flight_take(struct run *run)
{
    struct flight *f = run->idle;
    if (f) {
        run->idle = f->next;
        return f;
    }
    f = mem_alloc(sizeof *f);
    f->run = run;
    f->next_all = run->all;
    run->all = f;
    message_init(&f->message);
    return f;
}

static void flight_give(struct run *run, struct flight *f)
{
    f->next = run->idle;
    run->idle = f;
}

/* The body of a delivery, spoiled as its variant says. */
static bool compose(struct run *run, struct flight *f)
{
    const struct plan_item *items = run->plan->items + f->delivery.first;
    message_begin(run->composer, &f->message);
    for (size_t i = 0; i < f->delivery.count; i++)
        plan_render(run->plan, &items[i], &run->options->settings, run->wall_start_us,
                    message_event(run->composer, &f->message));
    message_end(run->composer, &f->message);
    if (!buf_ok(&f->message.body))
        return err_set(&run->err, "%s: a request body is larger than %u bytes", run->plan->scenario->name,
                       BODY_BYTES_MAX);
    return message_spoil(run->composer, &f->message, f->delivery.variant, &run->err);
}

/* The moment within the fault's `after`, the same whenever the plan is played. */
static uint64_t draw_after_us(const struct run *run, const struct plan_item *item, const char *stream)
{
    const struct fault_spec *spec = &run->plan->scenario->faults[item->spec];
    uint64_t span_us = spec->after_max_us - spec->after_min_us + 1;
    return spec->after_min_us + rng_hash(run->plan->seed, stream, item->order) % span_us;
}

static struct wire wire_of(const struct run *run, const struct delivery *delivery)
{
    const struct plan_item *item = &run->plan->items[delivery->first];
    struct wire wire = {.variant = delivery->variant};
    if (wire.variant == VARIANT_DISCONNECT_GIVE_UP || wire.variant == VARIANT_LOST_ACK_CUT)
        wire.close_after_us = 1 + draw_after_us(run, item, "disconnect");
    if (wire.variant == VARIANT_SLOW_BODY_TRICKLE)
        wire.over_us = run->plan->scenario->faults[item->spec].over_us;
    return wire;
}

static bool fell_silent(const struct run *run)
{
    uint64_t silent_us = clock_mono_us() - run->silent_since_us;
    return run->silent_in_row >= SILENT_MAX ||
           (run->silent_in_row >= SILENT_MIN &&
            silent_us >= SILENT_DEADLINES_MAX * run->options->deliver.deadline_us);
}

static void note_silence(struct run *run, const struct answer *a)
{
    if (a->outcome == OUTCOME_ANSWERED) {
        run->ever_answered = run->answered = true;
        run->silent_in_row = 0;
    } else if (a->outcome != OUTCOME_GAVE_UP && !run->unsendable) {
        if (run->silent_in_row++ == 0)
            run->silent_since_us = a->started_us;
        run->timeouts += a->outcome == OUTCOME_TIMEOUT;
        snprintf(run->why, sizeof run->why, "%s%s%s", outcome_sentence(a->outcome), *a->detail ? ": " : "",
                 a->detail);
    }
    run->unsendable |= a->outcome == OUTCOME_FAILED;
    /* A connector that is not there is told by its first answer; one that fell silent, by many. */
    run->absent = !run->ever_answered &&
                  (run->unsendable || a->outcome == OUTCOME_REFUSED || a->outcome == OUTCOME_TLS);
    bool silent = run->absent || fell_silent(run) || run->timeouts >= SILENT_MAX;
    if (run->unsendable || (silent && !run->plan->scenario->flow)) /* with laws, that is the story */
        run->given_up = true;
}

/* Remember a valid delivery that was refused: its signature may be what was wrong. */
static void note_refusal(struct run *run, const struct flight *f, const struct answer *a)
{
    const struct plan_item *item = &run->plan->items[f->delivery.first];
    bool bytes = variant_get(f->delivery.variant)->fault == FAULT_BYTES;
    bool unauthorised = a->status == 401 || a->status == 403;
    struct refused *refused = &run->refused[bytes          ? REFUSED_BYTES
                                            : unauthorised ? REFUSED_PLAIN
                                                           : REFUSED_OTHERWISE];
    if (item->source == PLAN_REACHABILITY || (f->delivery.variant != VARIANT_NONE && !bytes))
        return;
    if (a->outcome == OUTCOME_ANSWERED && a->status >= 400 && a->status != 429 && !refused->seen) {
        refused->seen = true;
        refused->delivery = f->delivery;
    }
}

static void pump(struct run *run, uint64_t ahead_us);

/* ---- over hours --------------------------------------------------------------------------- */

static void on_notice(void *arg, const struct notice *notice)
{
    struct run *run = arg;
    if (notice->kind == NOTICE_RATE && notice->rate > run->rate_max)
        run->rate_max = notice->rate;
    record_notice(&run->recorder, run->plan, notice);
    event_log_notice(run->options->event_log, notice);
    notify_take(run->notify, notice);
}

bool run_flow(const struct run_options *o, const struct scenario *scenario, struct flow *flow,
              struct err *err)
{
    struct flow wanted = *scenario->flow;
    flow_override(&wanted, &o->flow);
    return flow_resolve(flow, &o->profile->flow, &wanted, err) || err_wrap(err, "%s: flow", scenario->name);
}

static bool regulate(struct run *run, struct err *err)
{
    const struct run_options *o = run->options;
    if (!run_flow(o, run->plan->scenario, &run->flow, err))
        return false;
    run->rate_max = run->flow.rate_max ? run->flow.rate_min : 0;
    platform_regulate(run->platform, &run->flow, on_notice, run);
    notify_begin(run->notify, &(struct notify_scene){.plan = run->plan,
                                                     .settings = &o->settings,
                                                     .destination = o->url,
                                                     .flow = &run->flow,
                                                     .speed = o->speed});
    return true;
}

static void tally(struct run *run)
{
    record_tally(&run->recorder,
                 &(struct record_tally){.tally = platform_tally(run->platform),
                                        .flow = &run->flow,
                                        .rate_max = run->rate_max,
                                        .virtual_us = vclock_now_us(&run->clock),
                                        .outage = scenario_has(run->plan->scenario, FAULT_OUTAGE)});
}

/* What keeps a request from the connector at this moment, VARIANT_NONE if nothing does. */
static enum fault_variant outage_at(const struct run *run, uint64_t virtual_us)
{
    const struct scenario *s = run->plan->scenario;
    for (size_t i = 0; i < s->fault_count; i++) {
        const struct fault_spec *spec = &s->faults[i];
        if (spec->kind == FAULT_OUTAGE && fault_covers(spec, virtual_us))
            return spec->hows[0];
    }
    return VARIANT_NONE;
}

/* ---- what is written down ----------------------------------------------------------------- */

static struct record_send sent_of(const struct flight *f, const char *mistake)
{
    return (struct record_send){.number = f->number,
                                .plan = f->run->plan,
                                .delivery = &f->delivery,
                                .message = &f->message,
                                .scheduled_us = f->scheduled_us,
                                .sent_us = f->sent_us,
                                .virtual_us = f->virtual_us,
                                .diagnosis = f->diagnosis,
                                .mistake = mistake};
}

static void note_in_log(struct run *run, const struct flight *f, const struct answer *answer)
{
    event_log_answered(run->options->event_log, &f->delivery, &f->message, answer,
                       vclock_now_us(&run->clock));
}

/* ---- restarts ----------------------------------------------------------------------------- */

static void halt(struct run *run, enum halt halt)
{
    run->halt = halt;
    run->done = true;
}

static bool restarts(const struct delivery *delivery)
{
    return variant_get(delivery->variant)->fault == FAULT_RESTART;
}

static void on_kill(void *arg)
{
    struct run *run = arg;
    run->restart.killed_us = clock_mono_us();
    run->options->restart->kill(run->options->restart->arg);
    if (run->restart.ended)
        halt(run, HALT_RESTART);
}

/* The connector is killed so long after now. */
static void arm_kill(struct run *run, const struct plan_item *item)
{
    uint64_t after_us = draw_after_us(run, item, "restart");
    loop_timer_set(run->loop, &run->restart.timer, clock_mono_us() + after_us, on_kill, run);
}

static void begin_restart(struct run *run, const struct flight *f, const struct plan_item *item)
{
    run->restart = (struct restart){.delivery = f->number};
    run->halted = f->delivery;
    if (item->variant == VARIANT_RESTART_IN_FLIGHT)
        arm_kill(run, item);
}

static void note_restart_answer(struct run *run, const struct plan_item *item)
{
    run->restart.ended = true;
    if (item->variant != VARIANT_RESTART_IN_FLIGHT)
        arm_kill(run, item);
    else if (run->restart.killed_us)
        halt(run, HALT_RESTART);
}

/* ---- deliveries --------------------------------------------------------------------------- */

static void on_answer(void *arg, const struct answer *answer)
{
    struct flight *f = arg;
    struct run *run = f->run;
    const struct plan_item *item = &run->plan->items[f->delivery.first];
    bool diagnosis = f->diagnosis, restart = restarts(&f->delivery);
    struct record_send sent = sent_of(f, NULL);
    record_answer(&run->recorder, &sent, answer);
    run->answers++;
    note_silence(run, answer);
    if (!diagnosis) {
        note_in_log(run, f, answer);
        if (run->plan->scenario->flow)
            platform_answered(run->platform, &f->delivery, answer->outcome, answer->status,
                              vclock_now_us(&run->clock));
        note_refusal(run, f, answer);
    }
    flight_give(run, f);
    if (diagnosis) {
        run->done = true;
    } else if (restart) { /* it has ended when the connector is back */
        note_restart_answer(run, item);
    } else {
        platform_ended(run->platform, &f->delivery);
        pump(run, 0);
    }
}

/* Sent, then recorded: nothing is answered before we are back in the loop, and the moment of sending is the
 * one that others measure. */
static bool hand_over(struct run *run, struct flight *f, const struct wire *wire, const char *mistake,
                      struct err *err)
{
    f->sent_us = clock_mono_us();
    bool ok = deliver_send(run->deliver, &f->message, wire, on_answer, f, err);
    struct record_send sent = sent_of(f, mistake);
    record_send(&run->recorder, &sent);
    return ok;
}

/* Nothing gets through: the platform sees what it would see, the connector nothing. */
static void keep_back(struct run *run, struct flight *f, enum fault_variant outage)
{
    bool proxy = outage == VARIANT_OUTAGE_BAD_GATEWAY;
    struct answer answer = {.outcome = OUTCOME_OUTAGE, .status = proxy ? 502 : 0};
    struct delivery delivery = f->delivery;
    f->sent_us = answer.started_us = clock_mono_us();
    f->delivery.variant = outage;
    struct record_send sent = sent_of(f, NULL);
    record_send(&run->recorder, &sent);
    record_answer(&run->recorder, &sent, &answer);
    note_in_log(run, f, &answer);
    run->answers++;
    flight_give(run, f);
    platform_answered(run->platform, &delivery, proxy ? OUTCOME_ANSWERED : OUTCOME_REFUSED, answer.status,
                      vclock_now_us(&run->clock));
    platform_ended(run->platform, &delivery);
}

static void send_delivery(struct run *run, const struct delivery *delivery)
{
    struct flight *f = flight_take(run);
    const struct plan_item *item = &run->plan->items[delivery->first];
    f->delivery = *delivery;
    f->diagnosis = false;
    f->number = ++run->deliveries;
    if (item->source == PLAN_REACHABILITY) {
        message_reachability(run->composer, &f->message, clock_wall_us());
    } else {
        if (!compose(run, f)) {
            flight_give(run, f);
            fail(run);
            return;
        }
        message_sign(run->composer, &f->message, delivery->variant, clock_wall_us());
    }
    struct wire wire = wire_of(run, delivery);
    while (vclock_now_us(&run->clock) < delivery->scheduled_us) /* for AHEAD_US at most */
        continue;
    uint64_t behind_us = vclock_now_us(&run->clock) - delivery->scheduled_us;
    f->scheduled_us = clock_mono_us() - behind_us / speed_of(run);
    f->virtual_us = vclock_now_us(&run->clock);
    enum fault_variant outage = outage_at(run, f->virtual_us);
    if (outage != VARIANT_NONE) {
        keep_back(run, f, outage);
        return;
    }
    if (restarts(delivery))
        begin_restart(run, f, item);
    if (!hand_over(run, f, &wire, NULL, &run->err))
        fail(run);
}

static void on_due(void *arg);

/* Send what is due; wait, or jump, to what is due next. The first may be due in ahead_us. */
static void pump(struct run *run, uint64_t ahead_us)
{
    struct delivery delivery;
    unsigned sent = 0;
    while (!run->failed && !run->given_up && !notify_waits(run->notify)) {
        uint64_t now_us = vclock_now_us(&run->clock);
        uint64_t due_us = platform_due_us(run->platform, now_us);
        if (due_us == UINT64_MAX)
            break;
        if (due_us > now_us && platform_in_flight(run->platform) == 0)
            vclock_jump(&run->clock, due_us);
        now_us = vclock_now_us(&run->clock);
        if (sent == IN_ONE_GO_MAX) { /* an outage answers at once, and need not end */
            loop_timer_set(run->loop, &run->timer, clock_mono_us(), on_due, run);
            break;
        }
        if (due_us > now_us + ahead_us) {
            uint64_t wait_us = vclock_wait_us(&run->clock, due_us);
            loop_timer_set(run->loop, &run->timer, clock_mono_us() + wait_us - AHEAD_US, on_due, run);
            break;
        }
        if (!platform_next(run->platform, due_us > now_us ? due_us : now_us, &delivery))
            continue; /* what was due was lost or too old: time has passed */
        if (run->plan->items[delivery.first].source == PLAN_SNAPSHOT) {
            run->halted = delivery;
            halt(run, HALT_SNAPSHOT);
        } else {
            send_delivery(run, &delivery);
        }
        sent++;
        ahead_us = 0; /* answers are looked at between two */
    }
    draw_bar(run, false);
    if (notify_waits(run->notify) && !run->given_up && platform_in_flight(run->platform) == 0)
        halt(run, HALT_NOTIFY);
    else if (platform_done(run->platform) || (run->given_up && platform_in_flight(run->platform) == 0))
        run->done = true;
}

static void on_due(void *arg)
{
    struct run *run = arg;
    pump(run, AHEAD_US * speed_of(run));
}

static bool wait_done(struct run *run, struct err *err)
{
    if (!loop_run(run->loop, &run->done, &run->err))
        run->failed = true;
    if (run->failed)
        *err = run->err;
    return !run->failed;
}

/* ---- diagnosis ---------------------------------------------------------------------------- */

/* Valid requests were refused: send the same one signed in each of the known wrong ways. The judge
 * reads from the journal which one was accepted. */
static bool diagnose(struct run *run, struct refused *refused, struct err *err)
{
    if (!refused->seen || refused->done)
        return true;
    refused->done = true;
    for (int i = 0; i < MISTAKE_COUNT && !loop_interrupted(run->loop); i++) {
        enum sign_mistake mistake = (enum sign_mistake)i;
        struct flight *f = flight_take(run);
        f->delivery = refused->delivery;
        f->diagnosis = true;
        if (!compose(run, f)) {
            flight_give(run, f);
            *err = run->err;
            return false;
        }
        if (!message_sign_mistaken(run->composer, &f->message, mistake, clock_wall_us())) {
            flight_give(run, f);
            continue;
        }
        f->number = ++run->deliveries;
        f->scheduled_us = clock_mono_us();
        f->virtual_us = vclock_now_us(&run->clock);
        run->done = false;
        if (!hand_over(run, f, &(struct wire){0}, sign_mistake_name(mistake), err) || !wait_done(run, err))
            return false;
    }
    return true;
}

/* ---- the connector's state ---------------------------------------------------------------- */

/* Moments of the run are no news to a connector that notes them: from its oldest event to the end of our
 * look. */
#define LOOK_US_MAX (INT64_C(600) * 1000000)

static bool look(struct run *run, bool with_b, struct err *err)
{
    struct observation seen = {0};
    struct idents *idents = idents_new();
    plan_add_idents(run->plan, idents);
    idents_set_window(idents, run->wall_start_us - (int64_t)run->plan->age_us - 1000000,
                      clock_wall_us() + LOOK_US_MAX);
    bool ok = observe_settle(run->options->observe, idents, with_b, &seen, err);
    if (ok && seen.end != OBSERVED_INTERRUPTED)
        record_snapshot(&run->recorder, &seen);
    observation_reset(&seen);
    idents_free(idents);
    return ok;
}

/* It was killed: start it again. One that does not come back is a finding, and the end of the run. */
static void restart_connector(struct run *run)
{
    struct err why;
    bool ok = run->options->restart->start(run->options->restart->arg, &why);
    if (!ok && loop_interrupted(run->loop))
        return;
    record_restart(&run->recorder, run->restart.delivery, run->restart.killed_us, ok ? NULL : why.text);
    if (!ok) {
        snprintf(run->why, sizeof run->why, "%.*s", (int)sizeof run->why - 1, why.text);
        run->gone = run->given_up = true;
    }
}

/* ---- scenarios ---------------------------------------------------------------------------- */

/* The whole stream, with the halts in it. What a halt takes does not count. */
static bool play_stream(struct run *run, struct err *err)
{
    pump(run, 0);
    while (wait_done(run, err)) {
        enum halt halt = run->halt;
        uint64_t from_us = clock_mono_us();
        if (halt == HALT_NONE || loop_interrupted(run->loop))
            return true;
        run->halt = HALT_NONE;
        run->done = false;
        loop_timer_stop(run->loop, &run->timer);
        if (halt == HALT_RESTART)
            restart_connector(run);
        else if (halt == HALT_NOTIFY ? !notify_send(run->notify, &run->recorder, &run->deliveries, err)
                                     : !look(run, false, err))
            return false;
        vclock_forget(&run->clock, clock_mono_us() - from_us);
        if (halt != HALT_NOTIFY)
            platform_ended(run->platform, &run->halted);
        pump(run, 0);
    }
    return false;
}

static bool is_load(const struct scenario *scenario)
{
    return scenario->pace.rate_top;
}

static enum lack lack_of(const struct scenario *s, const struct run_means *means)
{
    if (s->effects && !means->sight)
        return LACK_SIGHT;
    for (size_t i = 0; i < s->fault_count; i++) {
        if (s->faults[i].kind == FAULT_RESTART && !means->restart)
            return LACK_RESTART;
        if (fault_uses(&s->faults[i], VARIANT_ROTATE_REMOVED) && !means->secret)
            return LACK_SECRET;
    }
    return LACK_NOTHING;
}

const char *run_lacks(const struct scenario *scenario, const struct run_means *means)
{
    enum lack lack = lack_of(scenario, means);
    return lack == LACK_NOTHING ? NULL : lacks[lack];
}

static void skip(struct run *run, const struct scenario *scenario, enum lack lack)
{
    record_scenario(&run->recorder, scenario, lacks[lack]);
    record_settled(&run->recorder, scenario, false);
    run->skipped[lack]++;
}

static void print_skipped(const struct run *run)
{
    for (int i = 0; i < LACK_COUNT && run->options->progress != PROGRESS_NONE; i++)
        if (run->skipped[i])
            fprintf(stderr, "%u scenario%s skipped: %s\n", run->skipped[i], run->skipped[i] == 1 ? "" : "s",
                    lacks[i]);
}

static bool play(struct run *run, const struct scenario *scenario, struct err *err)
{
    const struct run_options *o = run->options;
    uint64_t from_us = clock_mono_us();
    if (!plan_build(&run->plan, scenario, o->profile, &o->settings, run->data, o->seed, err))
        return false;
    run->platform = platform_new(run->plan);
    run->wall_start_us = clock_wall_us();
    run->silent_in_row = run->timeouts = run->answers = 0;
    run->given_up = run->done = run->answered = false;
    for (int i = 0; i < REFUSED_COUNT; i++)
        run->refused[i].seen = false;
    record_scenario(&run->recorder, scenario, NULL);
    event_log_begin(o->event_log, &(struct event_log_scene){.plan = run->plan,
                                                            .settings = &o->settings,
                                                            .url = o->url,
                                                            .deadline_us = o->deliver.deadline_us,
                                                            .wall_start_us = run->wall_start_us});
    vclock_init(&run->clock, o->speed);
    bool ok = (!scenario->flow || regulate(run, err)) && play_stream(run, err);
    loop_timer_stop(run->loop, &run->timer);
    loop_timer_stop(run->loop, &run->restart.timer);
    if (ok && scenario->effects && !run->given_up && !loop_interrupted(run->loop))
        ok = look(run, true, err);
    for (int i = 0; i < REFUSED_COUNT && ok && !run->given_up; i++)
        ok = diagnose(run, &run->refused[i], err);
    draw_bar(run, true);
    print_line(run, clock_mono_us() - from_us);
    if (scenario->flow)
        tally(run);
    if (!loop_interrupted(run->loop))
        record_settled(&run->recorder, scenario, run->given_up);
    platform_free(run->platform);
    plan_free(run->plan);
    return ok;
}

static bool play_all(struct run *run, const struct suite *suite, enum run_end *end, struct err *err)
{
    const struct run_options *o = run->options;
    const struct run_means means = {o->observe, o->restart, o->settings.secret_secondary.len};
    for (int load = 0; load < 2; load++)
        for (size_t i = 0; i < suite->count; i++) {
            const struct scenario *s = suite->scenarios[i];
            if (!(s->platforms & PLATFORM_BIT(run->options->profile->id)) || is_load(s) != load)
                continue;
            enum lack lack = lack_of(s, &means);
            if (lack != LACK_NOTHING) {
                skip(run, s, lack);
                continue;
            }
            if (!play(run, s, err))
                return false;
            if (loop_interrupted(run->loop)) {
                *end = RUN_INTERRUPTED;
                return true;
            }
            if (run->unsendable && run->ever_answered)
                return err_env(err, "%s: %s", run->options->url, run->why);
            run->given_up_in_row = run->given_up && !run->answered ? run->given_up_in_row + 1 : 0;
            if (run->absent)
                *end = RUN_UNREACHABLE;
            else if (run->gone || run->given_up_in_row == GIVEN_UP_MAX ||
                     (run->given_up && !run->ever_answered))
                *end = RUN_GIVEN_UP;
            if (*end != RUN_COMPLETE)
                return true;
        }
    return true;
}

static void close_run(struct run *run)
{
    notify_free(run->notify);
    deliver_free(run->deliver);
    composer_free(run->composer);
    while (run->all) {
        struct flight *f = run->all;
        run->all = f->next_all;
        message_reset(&f->message);
        free(f);
    }
}

static const char *const end_names[] = {
    [RUN_COMPLETE] = "complete",
    [RUN_INTERRUPTED] = "interrupted",
    [RUN_UNREACHABLE] = "unreachable",
    [RUN_GIVEN_UP] = "given-up",
};

bool run_suite(const struct run_options *options, const struct suite *suite, struct data *data,
               struct loop *loop, struct journal *journal, enum run_end *end, char why[300], struct err *err)
{
    struct run run = {.options = options, .loop = loop, .recorder = {journal, clock_mono_us()}, .data = data};
    *end = RUN_COMPLETE;
    bool ok = composer_new(&run.composer, options->profile, &options->settings, err) &&
              deliver_new(&run.deliver, loop, &options->deliver, err) &&
              (!options->notify.deliver.url || notify_new(&run.notify, loop, &options->notify, err));
    if (ok) {
        loop_before_wait(loop, flush_journal, &run);
        record_run(&run.recorder, &(struct record_run){.profile = options->profile,
                                                       .url = options->url,
                                                       .command = options->command,
                                                       .seed = options->seed,
                                                       .deadline_us = options->deliver.deadline_us});
        ok = play_all(&run, suite, end, err);
        print_skipped(&run);
        loop_before_wait(loop, NULL, NULL);
        if (ok)
            record_end(&run.recorder, end_names[*end]);
        struct err flush_err;
        if (!journal_flush(journal, &flush_err) && ok) {
            *err = flush_err;
            ok = false;
        }
    }
    snprintf(why, 300, "%s", run.why);
    close_run(&run);
    return ok;
}

/* ---- waiting for the connector ------------------------------------------------------------- */

struct knock {
    bool ended, answered, hopeless;
    char why[300];
};

static void on_knock(void *arg, const struct answer *a)
{
    struct knock *knock = arg;
    knock->ended = true;
    knock->answered = a->outcome == OUTCOME_ANSWERED;
    knock->hopeless = a->outcome == OUTCOME_TLS; /* it is up, and its certificate will not change */
    snprintf(knock->why, sizeof knock->why, "%s%s%s", outcome_sentence(a->outcome), *a->detail ? ": " : "",
             a->detail);
}

bool run_wait_ready(const struct run_options *options, struct loop *loop, uint64_t timeout_us,
                    bool (*give_up)(void *arg), void *arg, struct err *err)
{
    uint64_t until_us = clock_mono_us() + timeout_us;
    struct knock knock = {.why = "nothing came"};
    struct message message;
    struct deliver *deliver;
    if (!deliver_new(&deliver, loop, &options->deliver, err))
        return false;
    message_init(&message);
    message.method = "HEAD";
    bool ok = true, over = false;
    while (ok && !over && !knock.answered) {
        knock.ended = false;
        ok = deliver_send(deliver, &message, &(struct wire){0}, on_knock, &knock, err);
        while (ok && !over && !knock.ended) {
            ok = loop_turn(loop, KNOCK_EVERY_US, err);
            over = give_up(arg) || loop_interrupted(loop) || clock_mono_us() > until_us;
        }
        over = over || knock.hopeless;
        if (ok && !over && !knock.answered)
            ok = loop_turn(loop, KNOCK_EVERY_US, err); /* not faster than a server can start */
    }
    if (ok && !knock.answered)
        ok = err_env(err, "%s did not answer: %s", options->url, knock.why);
    deliver_free(deliver);
    message_reset(&message);
    return ok;
}
