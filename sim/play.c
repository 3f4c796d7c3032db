/* play: see play.h. Everything that happens comes from the loop. */
#include "play.h"

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
 * deadlines, or after so many timeouts altogether: more would tell no more. */
#define SILENT_MAX           30
#define SILENT_MIN           4
#define SILENT_DEADLINES_MAX 4

/* We wake before a request is due, and make it: a request is ready when its moment comes, and nothing that
 * takes time lies between. Short enough that an answer that comes meanwhile is not measured wrong. */
#define AHEAD_US 150

/* So many requests leave in one go; then answers and signals are looked at. */
#define IN_ONE_GO_MAX 1000

/* A request on its way. Flights are kept for the next one: their buffers are warm. */
struct flight {
    struct player *p;
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
enum halt { HALT_NONE, HALT_SNAPSHOT, HALT_SETTLE, HALT_RESTART, HALT_NOTIFY };

/* A restart of the connector: over when it was killed and the request that it goes with has ended. */
struct restart {
    struct loop_timer timer; /* when it is killed */
    uint32_t delivery;
    uint64_t killed_us; /* clock_mono_us; 0: not yet */
    bool ended;         /* the request */
};

/* What a diagnosis starts from: a valid delivery that was refused. Those with 401 or 403 say that it is about
 * the signature, and come first; but some connectors answer 400, or throw. */
enum { REFUSED_PLAIN, REFUSED_BYTES, REFUSED_OTHERWISE, REFUSED_COUNT };
struct refused {
    bool seen, done;
    struct delivery delivery;
};

/* One of the endpoints. What it is sent in a scenario is a leg: in a migration the baseline's comes first, in
 * all others there is only the target's. */
enum { LEG_BASELINE, LEG_TARGET, LEG_COUNT };
struct leg {
    const struct endpoint *endpoint;
    struct deliver *deliver; /* NULL: there is no such endpoint */
    struct composer *composer;
    bool ever_answered;
    struct plan *plan; /* of the scenario; NULL: it has no such leg */
};

struct player {
    const struct play_options *options;
    struct loop *loop;
    struct recorder recorder;
    struct notify *notify; /* or NULL */
    struct data *data;
    struct flight *idle, *all;
    struct leg legs[LEG_COUNT];
    struct leg *leg;     /* that is being played, or the last that was */
    uint32_t deliveries; /* in the whole run */
    bool absent;         /* no connection could be made to the endpoint, ever */
    bool unsendable;     /* a request could not even be made: that is our end, not the connector's */
    bool gone;           /* it was killed, as a scenario asked, and did not come back */
    char why[300];       /* what came of the last request that was not answered */
    bool done;           /* what the loop is to wait for has happened */
    struct err err;
    bool failed; /* err is set: stop */
    struct refused refused[REFUSED_COUNT];

    /* the scenario that is being played */
    struct plan *plan; /* the leg's */
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

static void fail(struct player *p)
{
    p->failed = true;
    p->done = true;
}

static unsigned speed_of(const struct player *p)
{
    return p->options->speed ? p->options->speed : 1;
}

static void flush_journal(void *arg)
{
    struct player *p = arg;
    if (!p->failed && !journal_flush(p->recorder.journal, &p->err))
        fail(p);
}

/* ---- progress on stderr ------------------------------------------------------------------- */

static void draw_bar(struct player *p, bool last)
{
    enum { WIDTH = 30 };
    if (p->options->progress != PROGRESS_BAR)
        return;
    uint64_t now_us = clock_mono_us();
    if (!last && now_us - p->drawn_us < 100000)
        return;
    p->drawn_us = now_us;
    size_t total = p->plan->count ? p->plan->count : 1;
    size_t sent = last ? total : p->answers < total ? p->answers : total;
    int filled = (int)(WIDTH * sent / total);
    fprintf(stderr, "\r\033[K%.*s%.*s %s", filled, "##############################", WIDTH - filled,
            "..............................", p->plan->scenario->name);
    if (last)
        fputs("\r\033[K", stderr);
    fflush(stderr);
}

/* It may take half a minute. */
static void draw_settling(const struct player *p)
{
    if (p->options->progress != PROGRESS_BAR)
        return;
    fprintf(stderr, "\r\033[K%s: waiting until the connector's state stands still", p->plan->scenario->name);
    fflush(stderr);
}

static void print_line(const struct player *p, uint64_t took_us)
{
    if (p->options->progress == PROGRESS_LINES)
        fprintf(stderr, "%-28s %6u requests %8.1f s%s\n", p->plan->scenario->name, p->answers,
                (double)took_us / 1e6,
                !p->given_up  ? ""
                : p->answered ? "  given up: too few answers"
                              : "  given up: no answers");
}

/* ---- flights ------------------------------------------------------------------------------ */

static struct flight *flight_take(struct player *p)
{
    struct flight *f = p->idle;
    if (f) {
        p->idle = f->next;
        return f;
    }
    f = mem_alloc(sizeof *f);
    f->p = p;
    f->next_all = p->all;
    p->all = f;
    message_init(&f->message);
    return f;
}

static void flight_give(struct player *p, struct flight *f)
{
    f->next = p->idle;
    p->idle = f;
}

/* The body of a delivery, spoiled as its variant says. */
static bool compose(struct player *p, struct flight *f)
{
    const struct plan_item *items = p->plan->items + f->delivery.first;
    message_begin(p->leg->composer, &f->message);
    for (size_t i = 0; i < f->delivery.count; i++)
        plan_render(p->plan, &items[i], &p->leg->endpoint->settings, p->wall_start_us,
                    message_event(p->leg->composer, &f->message));
    message_end(p->leg->composer, &f->message);
    if (!buf_ok(&f->message.body))
        return err_set(&p->err, "%s: a request body is larger than %u bytes", p->plan->scenario->name,
                       BODY_BYTES_MAX);
    return message_spoil(p->leg->composer, &f->message, f->delivery.variant, &p->err);
}

/* The moment within the fault's `after`, the same whenever the plan is played. */
static uint64_t draw_after_us(const struct player *p, const struct plan_item *item, const char *stream)
{
    const struct fault_spec *spec = &p->plan->scenario->faults[item->spec];
    uint64_t span_us = spec->after_max_us - spec->after_min_us + 1;
    return spec->after_min_us + rng_hash(p->plan->seed, stream, item->order) % span_us;
}

static struct wire wire_of(const struct player *p, const struct delivery *delivery)
{
    const struct plan_item *item = &p->plan->items[delivery->first];
    struct wire wire = {.variant = delivery->variant};
    if (wire.variant == VARIANT_DISCONNECT_GIVE_UP || wire.variant == VARIANT_LOST_ACK_CUT)
        wire.close_after_us = 1 + draw_after_us(p, item, "disconnect");
    if (wire.variant == VARIANT_SLOW_BODY_TRICKLE)
        wire.over_us = p->plan->scenario->faults[item->spec].over_us;
    return wire;
}

static bool fell_silent(const struct player *p)
{
    uint64_t silent_us = clock_mono_us() - p->silent_since_us;
    return p->silent_in_row >= SILENT_MAX ||
           (p->silent_in_row >= SILENT_MIN &&
            silent_us >= SILENT_DEADLINES_MAX * p->leg->endpoint->deliver.deadline_us);
}

static void note_silence(struct player *p, const struct answer *a)
{
    if (a->outcome == OUTCOME_ANSWERED) {
        p->leg->ever_answered = p->answered = true;
        p->silent_in_row = 0;
    } else if (a->outcome != OUTCOME_GAVE_UP && !p->unsendable) {
        if (p->silent_in_row++ == 0)
            p->silent_since_us = a->started_us;
        p->timeouts += a->outcome == OUTCOME_TIMEOUT;
        snprintf(p->why, sizeof p->why, "%s%s%s", outcome_sentence(a->outcome), *a->detail ? ": " : "",
                 a->detail);
    }
    p->unsendable |= a->outcome == OUTCOME_FAILED;
    /* A connector that is not there is told by its first answer; one that fell silent, by many. */
    p->absent = !p->leg->ever_answered &&
                (p->unsendable || a->outcome == OUTCOME_REFUSED || a->outcome == OUTCOME_TLS);
    bool silent = p->absent || fell_silent(p) || p->timeouts >= SILENT_MAX;
    if (p->unsendable || (silent && !p->plan->scenario->flow)) /* with laws, that is the story */
        p->given_up = true;
}

/* Remember a valid delivery that was refused: its signature may be what was wrong. */
static void note_refusal(struct player *p, const struct flight *f, const struct answer *a)
{
    const struct plan_item *item = &p->plan->items[f->delivery.first];
    bool bytes = variant_get(f->delivery.variant)->fault == FAULT_BYTES;
    bool unauthorised = a->status == 401 || a->status == 403;
    struct refused *refused = &p->refused[bytes          ? REFUSED_BYTES
                                          : unauthorised ? REFUSED_PLAIN
                                                         : REFUSED_OTHERWISE];
    if (item->source == PLAN_REACHABILITY || (f->delivery.variant != VARIANT_NONE && !bytes) ||
        p->leg != &p->legs[LEG_TARGET])
        return;
    if (a->outcome == OUTCOME_ANSWERED && a->status >= 400 && a->status != 429 && !refused->seen) {
        refused->seen = true;
        refused->delivery = f->delivery;
    }
}

static void pump(struct player *p, uint64_t ahead_us);

/* ---- over hours --------------------------------------------------------------------------- */

static void on_notice(void *arg, const struct notice *notice)
{
    struct player *p = arg;
    if (notice->kind == NOTICE_RATE && notice->rate > p->rate_max)
        p->rate_max = notice->rate;
    record_notice(&p->recorder, p->plan, notice);
    event_log_notice(p->options->event_log, notice);
    notify_take(p->notify, notice);
}

bool play_flow(const struct play_options *o, const struct scenario *scenario, struct flow *flow,
               struct err *err)
{
    struct flow wanted = *scenario->flow;
    flow_override(&wanted, &o->flow);
    return flow_resolve(flow, &o->target.profile->flow, &wanted, err) ||
           err_wrap(err, "%s: flow", scenario->name);
}

static bool regulate(struct player *p, struct err *err)
{
    const struct play_options *o = p->options;
    if (!play_flow(o, p->plan->scenario, &p->flow, err))
        return false;
    p->rate_max = p->flow.rate_max ? p->flow.rate_min : 0;
    platform_regulate(p->platform, &p->flow, on_notice, p);
    notify_begin(p->notify, &(struct notify_scene){.plan = p->plan,
                                                   .settings = &o->target.settings,
                                                   .destination = o->target.url,
                                                   .flow = &p->flow,
                                                   .speed = o->speed});
    return true;
}

static void tally(struct player *p)
{
    record_tally(&p->recorder,
                 &(struct record_tally){.tally = platform_tally(p->platform),
                                        .flow = &p->flow,
                                        .rate_max = p->rate_max,
                                        .virtual_us = vclock_now_us(&p->clock),
                                        .outage = scenario_has(p->plan->scenario, FAULT_OUTAGE)});
}

/* What keeps a request from the connector at this moment, VARIANT_NONE if nothing does. */
static enum fault_variant outage_at(const struct player *p, uint64_t virtual_us)
{
    const struct scenario *s = p->plan->scenario;
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
                                .plan = f->p->plan,
                                .delivery = &f->delivery,
                                .message = &f->message,
                                .scheduled_us = f->scheduled_us,
                                .sent_us = f->sent_us,
                                .virtual_us = f->virtual_us,
                                .diagnosis = f->diagnosis,
                                .mistake = mistake};
}

static void note_in_log(struct player *p, const struct flight *f, const struct answer *answer)
{
    event_log_answered(p->options->event_log, &f->delivery, &f->message, answer, vclock_now_us(&p->clock));
}

/* ---- restarts ----------------------------------------------------------------------------- */

static void halt(struct player *p, enum halt halt)
{
    p->halt = halt;
    p->done = true;
}

static bool restarts(const struct delivery *delivery)
{
    return variant_get(delivery->variant)->fault == FAULT_RESTART;
}

static void on_kill(void *arg)
{
    struct player *p = arg;
    p->restart.killed_us = clock_mono_us();
    p->options->restart->kill(p->options->restart->arg);
    if (p->restart.ended)
        halt(p, HALT_RESTART);
}

/* The connector is killed so long after now. */
static void arm_kill(struct player *p, const struct plan_item *item)
{
    uint64_t after_us = draw_after_us(p, item, "restart");
    loop_timer_set(p->loop, &p->restart.timer, clock_mono_us() + after_us, on_kill, p);
}

static void begin_restart(struct player *p, const struct flight *f, const struct plan_item *item)
{
    p->restart = (struct restart){.delivery = f->number};
    p->halted = f->delivery;
    if (item->variant == VARIANT_RESTART_IN_FLIGHT)
        arm_kill(p, item);
}

static void note_restart_answer(struct player *p, const struct plan_item *item)
{
    p->restart.ended = true;
    if (item->variant != VARIANT_RESTART_IN_FLIGHT)
        arm_kill(p, item);
    else if (p->restart.killed_us)
        halt(p, HALT_RESTART);
}

/* ---- deliveries --------------------------------------------------------------------------- */

static void on_answer(void *arg, const struct answer *answer)
{
    struct flight *f = arg;
    struct player *p = f->p;
    const struct plan_item *item = &p->plan->items[f->delivery.first];
    bool diagnosis = f->diagnosis, restart = restarts(&f->delivery);
    struct record_send sent = sent_of(f, NULL);
    record_answer(&p->recorder, &sent, answer);
    p->answers++;
    note_silence(p, answer);
    if (!diagnosis) {
        note_in_log(p, f, answer);
        if (p->plan->scenario->flow)
            platform_answered(p->platform, &f->delivery, answer->outcome, answer->status,
                              vclock_now_us(&p->clock));
        note_refusal(p, f, answer);
    }
    flight_give(p, f);
    if (diagnosis) {
        p->done = true;
    } else if (restart) { /* it has ended when the connector is back */
        note_restart_answer(p, item);
    } else {
        platform_ended(p->platform, &f->delivery);
        pump(p, 0);
    }
}

/* Sent, then recorded: nothing is answered before we are back in the loop, and the moment of sending is the
 * one that others measure. */
static bool hand_over(struct player *p, struct flight *f, const struct wire *wire, const char *mistake,
                      struct err *err)
{
    f->sent_us = clock_mono_us();
    bool ok = deliver_send(p->leg->deliver, &f->message, wire, on_answer, f, err);
    struct record_send sent = sent_of(f, mistake);
    record_send(&p->recorder, &sent);
    return ok;
}

/* Nothing gets through: the platform sees what it would see, the connector nothing. */
static void keep_back(struct player *p, struct flight *f, enum fault_variant outage)
{
    bool proxy = outage == VARIANT_OUTAGE_BAD_GATEWAY;
    struct answer answer = {.outcome = OUTCOME_OUTAGE, .status = proxy ? 502 : 0};
    struct delivery delivery = f->delivery;
    f->sent_us = answer.started_us = clock_mono_us();
    f->delivery.variant = outage;
    struct record_send sent = sent_of(f, NULL);
    record_send(&p->recorder, &sent);
    record_answer(&p->recorder, &sent, &answer);
    note_in_log(p, f, &answer);
    p->answers++;
    flight_give(p, f);
    platform_answered(p->platform, &delivery, proxy ? OUTCOME_ANSWERED : OUTCOME_REFUSED, answer.status,
                      vclock_now_us(&p->clock));
    platform_ended(p->platform, &delivery);
}

static void send_delivery(struct player *p, const struct delivery *delivery)
{
    struct flight *f = flight_take(p);
    const struct plan_item *item = &p->plan->items[delivery->first];
    const struct plan_item *last = item + delivery->count - 1;
    f->delivery = *delivery;
    f->diagnosis = false;
    f->number = ++p->deliveries;
    if (item->source == PLAN_REACHABILITY) {
        message_reachability(p->leg->composer, &f->message, clock_wall_us());
    } else {
        if (!compose(p, f)) {
            flight_give(p, f);
            fail(p);
            return;
        }
        message_sign(p->leg->composer, &f->message, delivery->variant, clock_wall_us());
        pim_advance(p->options->pim, plan_universe(p->plan, last), last->changed_us);
    }
    struct wire wire = wire_of(p, delivery);
    while (vclock_now_us(&p->clock) < delivery->scheduled_us) /* for AHEAD_US at most */
        continue;
    uint64_t behind_us = vclock_now_us(&p->clock) - delivery->scheduled_us;
    f->scheduled_us = clock_mono_us() - behind_us / speed_of(p);
    f->virtual_us = vclock_now_us(&p->clock);
    enum fault_variant outage = outage_at(p, f->virtual_us);
    if (outage != VARIANT_NONE) {
        keep_back(p, f, outage);
        return;
    }
    if (restarts(delivery))
        begin_restart(p, f, item);
    if (!hand_over(p, f, &wire, NULL, &p->err))
        fail(p);
}

static void on_due(void *arg);

/* Send what is due; wait, or jump, to what is due next. The first may be due in ahead_us. */
static void pump(struct player *p, uint64_t ahead_us)
{
    struct delivery delivery;
    unsigned sent = 0;
    while (!p->failed && !p->given_up && !notify_waits(p->notify)) {
        uint64_t now_us = vclock_now_us(&p->clock);
        uint64_t due_us = platform_due_us(p->platform, now_us);
        if (due_us == UINT64_MAX)
            break;
        if (due_us > now_us && platform_in_flight(p->platform) == 0)
            vclock_jump(&p->clock, due_us);
        now_us = vclock_now_us(&p->clock);
        if (sent == IN_ONE_GO_MAX) { /* an outage answers at once, and need not end */
            loop_timer_set(p->loop, &p->timer, clock_mono_us(), on_due, p);
            break;
        }
        if (due_us > now_us + ahead_us) {
            uint64_t wait_us = vclock_wait_us(&p->clock, due_us);
            loop_timer_set(p->loop, &p->timer, clock_mono_us() + wait_us - AHEAD_US, on_due, p);
            break;
        }
        if (!platform_next(p->platform, due_us > now_us ? due_us : now_us, &delivery))
            continue; /* what was due was lost or too old: time has passed */
        uint16_t source = p->plan->items[delivery.first].source;
        if (source == PLAN_SNAPSHOT || source == PLAN_SETTLE) {
            p->halted = delivery;
            halt(p, source == PLAN_SNAPSHOT ? HALT_SNAPSHOT : HALT_SETTLE);
        } else {
            send_delivery(p, &delivery);
        }
        sent++;
        ahead_us = 0; /* answers are looked at between two */
    }
    draw_bar(p, false);
    if (notify_waits(p->notify) && !p->given_up && platform_in_flight(p->platform) == 0)
        halt(p, HALT_NOTIFY);
    else if (platform_done(p->platform) || (p->given_up && platform_in_flight(p->platform) == 0))
        p->done = true;
}

static void on_due(void *arg)
{
    struct player *p = arg;
    pump(p, AHEAD_US * speed_of(p));
}

static bool wait_done(struct player *p, struct err *err)
{
    if (!loop_run(p->loop, &p->done, &p->err))
        p->failed = true;
    if (p->failed)
        *err = p->err;
    return !p->failed;
}

/* ---- diagnosis ---------------------------------------------------------------------------- */

/* Valid requests were refused: send the same one signed in each of the known wrong ways. The judge
 * reads from the journal which one was accepted. */
static bool diagnose(struct player *p, struct refused *refused, struct err *err)
{
    if (!refused->seen || refused->done)
        return true;
    refused->done = true;
    for (int i = 0; i < MISTAKE_COUNT && !loop_interrupted(p->loop); i++) {
        enum sign_mistake mistake = (enum sign_mistake)i;
        struct flight *f = flight_take(p);
        f->delivery = refused->delivery;
        f->diagnosis = true;
        if (!compose(p, f)) {
            flight_give(p, f);
            *err = p->err;
            return false;
        }
        if (!message_sign_mistaken(p->leg->composer, &f->message, mistake, clock_wall_us())) {
            flight_give(p, f);
            continue;
        }
        f->number = ++p->deliveries;
        f->scheduled_us = clock_mono_us();
        f->virtual_us = vclock_now_us(&p->clock);
        p->done = false;
        if (!hand_over(p, f, &(struct wire){0}, sign_mistake_name(mistake), err) || !wait_done(p, err))
            return false;
    }
    return true;
}

/* ---- the connector's state ---------------------------------------------------------------- */

/* Moments of the run are no news to a connector that notes them: from its oldest event to the end of our
 * look. */
#define LOOK_US_MAX (INT64_C(600) * 1000000)

/* The ids and moments of all that the scenario is about. */
static struct idents *idents_of(const struct player *p)
{
    struct idents *idents = idents_new();
    uint64_t age_us = 0;
    for (int i = 0; i < LEG_COUNT; i++)
        if (p->legs[i].plan) {
            plan_add_idents(p->legs[i].plan, idents);
            age_us = p->legs[i].plan->age_us > age_us ? p->legs[i].plan->age_us : age_us;
        }
    idents_set_window(idents, p->wall_start_us - (int64_t)age_us - 1000000, clock_wall_us() + LOOK_US_MAX);
    if (p->plan->scenario->migration)
        idents_tell_forms(idents);
    return idents;
}

/* Wait until the state stands still; what it is then may be for the journal. */
static bool look(struct player *p, enum observe_stage stage, struct err *err)
{
    struct observation seen = {0};
    struct idents *idents = idents_of(p);
    draw_settling(p);
    bool ok = observe_settle(p->options->observe, idents, stage, &seen, err);
    if (ok && stage != OBSERVE_MIDWAY && seen.end != OBSERVED_INTERRUPTED)
        record_snapshot(&p->recorder, &seen);
    observation_reset(&seen);
    idents_free(idents);
    return ok;
}

/* It was killed: start it again. One that does not come back is a finding, and the end of the run. */
static void restart_connector(struct player *p)
{
    struct err why;
    bool ok = p->options->restart->start(p->options->restart->arg, &why);
    if (!ok && loop_interrupted(p->loop))
        return;
    record_restart(&p->recorder, p->restart.delivery, p->restart.killed_us, ok ? NULL : why.text);
    if (!ok) {
        snprintf(p->why, sizeof p->why, "%.*s", (int)sizeof p->why - 1, why.text);
        p->gone = p->given_up = true;
    }
}

/* ---- scenarios ---------------------------------------------------------------------------- */

/* The whole stream, with the halts in it. What a halt takes does not count. */
static bool play_stream(struct player *p, struct err *err)
{
    pump(p, 0);
    while (wait_done(p, err)) {
        enum halt halt = p->halt;
        uint64_t from_us = clock_mono_us();
        if (halt == HALT_NONE || loop_interrupted(p->loop))
            return true;
        p->halt = HALT_NONE;
        p->done = false;
        loop_timer_stop(p->loop, &p->timer);
        if (halt == HALT_RESTART)
            restart_connector(p);
        else if (halt == HALT_NOTIFY ? !notify_send(p->notify, &p->recorder, &p->deliveries, err)
                                     : !look(p, halt == HALT_SETTLE ? OBSERVE_MIDWAY : OBSERVE_BEFORE_B, err))
            return false;
        vclock_forget(&p->clock, clock_mono_us() - from_us);
        if (halt != HALT_NOTIFY)
            platform_ended(p->platform, &p->halted);
        pump(p, 0);
    }
    return false;
}

static bool build_plans(struct player *p, const struct scenario *scenario, struct err *err)
{
    bool ok = true;
    for (int i = scenario->migration ? LEG_BASELINE : LEG_TARGET; ok && i < LEG_COUNT; i++) {
        const struct endpoint *endpoint = p->legs[i].endpoint;
        ok = plan_build(&p->legs[i].plan, scenario, endpoint->profile, &endpoint->settings, p->data,
                        p->options->seed, err);
    }
    return ok;
}

/* What the PIM has by now, while a leg is played: A and A', and perhaps B, have been told all in the leg
 * before. */
static unsigned past_of(const struct scenario *scenario, const struct leg *leg)
{
    if (!scenario->migration || leg->endpoint->profile->id != PLATFORM_AEP)
        return 0;
    unsigned past = 1u << UNIVERSE_A | 1u << UNIVERSE_A2;
    return scenario->migration == MIGRATION_BESIDES ? past | 1u << UNIVERSE_B : past;
}

static bool play_leg(struct player *p, struct leg *leg, struct err *err)
{
    const struct play_options *o = p->options;
    const struct scenario *scenario = leg->plan->scenario;
    p->leg = leg;
    p->plan = leg->plan;
    p->platform = platform_new(p->plan);
    p->done = false;
    p->silent_in_row = p->timeouts = 0;
    event_log_begin(o->event_log, &(struct event_log_scene){.plan = p->plan,
                                                            .settings = &leg->endpoint->settings,
                                                            .url = leg->endpoint->url,
                                                            .deadline_us = leg->endpoint->deliver.deadline_us,
                                                            .wall_start_us = p->wall_start_us});
    pim_show(o->pim, p->plan, past_of(scenario, leg), p->wall_start_us);
    vclock_init(&p->clock, o->speed);
    bool ok = (!scenario->flow || regulate(p, err)) && play_stream(p, err);
    loop_timer_stop(p->loop, &p->timer);
    loop_timer_stop(p->loop, &p->restart.timer);
    if (scenario->flow)
        tally(p);
    return ok;
}

static bool play_legs(struct player *p, const struct scenario *scenario, struct err *err)
{
    bool ok = true;
    for (int i = 0; i < LEG_COUNT && ok && !p->given_up && !loop_interrupted(p->loop); i++) {
        platform_free(p->platform);
        p->platform = NULL;
        ok = !p->legs[i].plan || play_leg(p, &p->legs[i], err);
    }
    if (ok && scenario->effects && !p->given_up && !loop_interrupted(p->loop))
        ok = look(p, OBSERVE_LAST, err);
    for (int i = 0; i < REFUSED_COUNT && ok && !p->given_up; i++)
        ok = diagnose(p, &p->refused[i], err);
    return ok;
}

static void end_scenario(struct player *p, struct played_out *out)
{
    pim_show(p->options->pim, NULL, 0, 0);
    platform_free(p->platform);
    p->platform = NULL;
    p->plan = NULL;
    for (int i = 0; i < LEG_COUNT; i++) {
        plan_free(p->legs[i].plan);
        p->legs[i].plan = NULL;
    }
    *out = (struct played_out){.given_up = p->given_up,
                               .answered = p->answered,
                               .ever = p->leg->ever_answered,
                               .absent = p->absent,
                               .gone = p->gone,
                               .url = p->leg->endpoint->url};
    snprintf(out->why, sizeof out->why, "%s", p->why);
}

bool player_play(struct player *p, const struct scenario *scenario, struct played_out *out, struct err *err)
{
    uint64_t from_us = clock_mono_us();
    p->leg = &p->legs[LEG_TARGET];
    p->answers = 0;
    p->given_up = p->answered = false;
    for (int i = 0; i < REFUSED_COUNT; i++)
        p->refused[i].seen = false;
    bool ok = build_plans(p, scenario, err);
    if (ok) {
        p->wall_start_us = clock_wall_us();
        record_scenario(&p->recorder, scenario, NULL);
        ok = play_legs(p, scenario, err);
        draw_bar(p, true);
        print_line(p, clock_mono_us() - from_us);
        if (!loop_interrupted(p->loop))
            record_settled(&p->recorder, scenario, p->given_up);
    }
    end_scenario(p, out);
    if (ok && p->unsendable && out->ever && !loop_interrupted(p->loop))
        return err_env(err, "%s: %s", out->url, out->why);
    return ok;
}

void player_skip(struct player *p, const struct scenario *scenario, const char *why)
{
    record_scenario(&p->recorder, scenario, why);
    record_settled(&p->recorder, scenario, false);
}

/* ---- life ---------------------------------------------------------------------------------- */

static void on_call(void *arg, const char *method, const char *target, unsigned status)
{
    struct player *p = arg;
    if (p->plan)
        record_call(&p->recorder, method, target, status);
}

static bool open_leg(struct player *p, int number, const struct endpoint *endpoint, struct err *err)
{
    struct leg *leg = &p->legs[number];
    leg->endpoint = endpoint;
    return !endpoint->deliver.url ||
           (composer_new(&leg->composer, endpoint->profile, &endpoint->settings, err) &&
            deliver_new(&leg->deliver, p->loop, &endpoint->deliver, err));
}

bool player_new(struct player **player, const struct play_options *options, struct data *data,
                struct loop *loop, struct journal *journal, struct err *err)
{
    struct player *p = mem_alloc(sizeof *p);
    p->options = options;
    p->loop = loop;
    p->data = data;
    p->recorder = (struct recorder){journal, clock_mono_us()};
    if (!open_leg(p, LEG_TARGET, &options->target, err) ||
        !open_leg(p, LEG_BASELINE, &options->baseline, err) ||
        (options->notify.deliver.url && !notify_new(&p->notify, loop, &options->notify, err))) {
        player_free(p);
        return false;
    }
    loop_before_wait(loop, flush_journal, p);
    pim_on_call(options->pim, on_call, p);
    record_run(&p->recorder, &(struct record_run){.profile = options->target.profile,
                                                  .url = options->target.url,
                                                  .command = options->command,
                                                  .seed = options->seed,
                                                  .deadline_us = options->target.deliver.deadline_us});
    *player = p;
    return true;
}

bool player_end(struct player *p, const char *reason, struct err *err)
{
    record_end(&p->recorder, reason);
    return journal_flush(p->recorder.journal, err);
}

void player_free(struct player *p)
{
    loop_before_wait(p->loop, NULL, NULL);
    pim_on_call(p->options->pim, NULL, NULL);
    notify_free(p->notify);
    for (int i = 0; i < LEG_COUNT; i++) {
        deliver_free(p->legs[i].deliver);
        composer_free(p->legs[i].composer);
    }
    while (p->all) {
        struct flight *f = p->all;
        p->all = f->next_all;
        message_reset(&f->message);
        free(f);
    }
    free(p);
}
