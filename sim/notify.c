/* notify: see notify.h. */
#include "notify.h"

#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "limits.h"
#include "message.h"

/* What a subscriber has that no event shows. */
#define SUBSCRIBER_ID "0196a1f4-1b60-7d05-9a4e-62f0c3d7e8b1"
#define PIM_URL       "https://pim.maison-verdure.example/"

/* Between one attempt and the next: three attempts in all. */
static const uint64_t waits_us[] = {1000000, 2000000};

struct notify {
    struct loop *loop;
    struct deliver *deliver;
    struct composer *composer;
    struct notify_scene scene;
    struct notice *waiting;
    size_t waiting_count, waiting_cap;
    struct message message; /* the one that is being sent */
    struct answer answer;
    bool done;
};

bool notify_new(struct notify **notify, struct loop *loop, const struct notify_options *options,
                struct err *err)
{
    struct notify *n = mem_alloc(sizeof *n);
    struct deliver_options deliver = options->deliver;
    deliver.deadline_us = NOTIFICATION_DEADLINE_MS * 1000;
    n->loop = loop;
    message_init(&n->message);
    bool ok = deliver_new(&n->deliver, loop, &deliver, err) &&
              composer_new(&n->composer, &profile_aep, &(struct settings){.secret = options->secret}, err);
    if (!ok) {
        notify_free(n);
        n = NULL;
    }
    *notify = n;
    return ok;
}

void notify_free(struct notify *n)
{
    if (!n)
        return;
    deliver_free(n->deliver);
    composer_free(n->composer);
    message_reset(&n->message);
    free(n->waiting);
    free(n);
}

void notify_begin(struct notify *n, const struct notify_scene *scene)
{
    if (!n)
        return;
    n->scene = *scene;
    n->waiting_count = 0;
}

void notify_take(struct notify *n, const struct notice *notice)
{
    if (!n || (notice->kind != NOTICE_SUSPENDED && notice->kind != NOTICE_RESUMED))
        return;
    n->waiting = mem_grow(n->waiting, &n->waiting_cap, n->waiting_count, sizeof *n->waiting);
    n->waiting[n->waiting_count++] = *notice;
}

bool notify_waits(const struct notify *n)
{
    return n && n->waiting_count;
}

/* ---- the payload -------------------------------------------------------------------------- */

static const char *type_of(const struct notice *notice)
{
    return notice->kind == NOTICE_RESUMED ? "subscription.resumed" : "subscription.suspended.system";
}

/* The subscription's id, which every event has as its subject. */
static void put_subscription(const struct notify *n, struct json_writer *w)
{
    const struct plan *plan = n->scene.plan;
    struct buf event;
    struct json_doc doc = {0};
    struct err ignored;
    uint32_t subject = JSON_NONE;
    size_t i = 0;
    buf_init(&event, BODY_BYTES_MAX);
    while (i < plan->count && plan->items[i].source >= plan->source_count) /* no event */
        i++;
    if (i < plan->count)
        plan_render(plan, &plan->items[i], n->scene.settings, clock_wall_us(), &event);
    if (json_parse(&doc, "event", buf_span(&event), JSON_STRICT, &ignored))
        subject = json_get(&doc, JSON_ROOT, "subject");
    if (json_type(&doc, subject) == JSON_STRING)
        json_put_raw(w, "subscription_id", json_raw(&doc, subject));
    json_reset(&doc);
    buf_reset(&event);
}

/* The types that it is subscribed to: those that the scenario has, each once. */
static void put_types(const struct plan *plan, struct json_writer *w)
{
    json_open(w, "events", '[');
    for (size_t i = 0; i < plan->source_count; i++) {
        const char *type = fixture_wire_type(plan->sources[i].fixture);
        size_t first = 0;
        while (strcmp(fixture_wire_type(plan->sources[first].fixture), type) != 0)
            first++;
        if (first == i)
            json_put(w, NULL, type);
    }
    json_close(w, ']');
}

static void put_reason(const struct notify *n, enum suspension cause, struct json_writer *w)
{
    struct buf text;
    buf_init(&text, 128);
    if (cause == SUSPENSION_SUCCESS_RATE)
        buf_printf(&text, "Success rate dropped below %llu%%",
                   (unsigned long long)n->scene.flow->success_min);
    else
        buf_puts(&text, cause == SUSPENSION_NOT_FOUND ? "The endpoint answered 404 Not Found"
                                                      : "The endpoint answered with a redirection");
    json_put_bytes(w, "reason", buf_span(&text));
    buf_reset(&text);
}

static void compose(struct notify *n, const struct notice *notice)
{
    struct json_writer w;
    char now[CLOCK_TEXT_SIZE];
    int64_t now_us = clock_wall_us();
    clock_format_z(now_us, now);
    message_begin(n->composer, &n->message);
    json_begin(&w, message_event(n->composer, &n->message), false);
    json_open(&w, NULL, '{');
    json_put(&w, "notification_type", type_of(notice));
    json_put(&w, "timestamp", now);
    put_subscription(n, &w);
    json_put(&w, "subscriber_id", SUBSCRIBER_ID);
    json_put(&w, "destination", n->scene.destination);
    put_types(n->scene.plan, &w);
    if (notice->kind == NOTICE_SUSPENDED)
        put_reason(n, notice->cause, &w);
    json_put(&w, "subject", PIM_URL);
    json_close(&w, '}');
    message_end(n->composer, &n->message);
    message_sign(n->composer, &n->message, VARIANT_NONE, now_us);
}

/* ---- sending ------------------------------------------------------------------------------ */

static void on_answer(void *arg, const struct answer *answer)
{
    struct notify *n = arg;
    n->answer = *answer;
    n->done = true;
}

static bool attempt(struct notify *n, const struct recorder *recorder, const struct record_send *send,
                    const char *type, struct err *err)
{
    n->done = false;
    bool ok = deliver_send(n->deliver, &n->message, &(struct wire){0}, on_answer, n, err);
    record_notification(recorder, send, type);
    ok = ok && loop_run(n->loop, &n->done, err);
    if (n->done)
        record_answer(recorder, send, &n->answer);
    return ok;
}

/* It may come right by itself; other 4xx and redirects are final. */
static bool failed_for_now(const struct answer *a)
{
    return a->outcome != OUTCOME_ANSWERED || a->status >= 500 || a->status == 429;
}

static bool wait_for(struct notify *n, struct vclock *clock, uint64_t wait_us, struct err *err)
{
    uint64_t until_us = vclock_now_us(clock) + wait_us;
    vclock_jump(clock, until_us);
    while (vclock_now_us(clock) < until_us && !loop_interrupted(n->loop))
        if (!loop_turn(n->loop, vclock_wait_us(clock, until_us), err))
            return false;
    return true;
}

/* One notification: the same bytes until they are taken, or there is no attempt left. */
static bool send_one(struct notify *n, const struct notice *notice, const struct recorder *recorder,
                     uint32_t *deliveries, struct err *err)
{
    struct vclock clock;
    vclock_init(&clock, n->scene.speed);
    compose(n, notice);
    for (uint32_t i = 0; !loop_interrupted(n->loop); i++) {
        struct delivery delivery = {.attempt = i + 1};
        uint64_t now_us = clock_mono_us();
        struct record_send send = {.number = ++*deliveries,
                                   .delivery = &delivery,
                                   .message = &n->message,
                                   .scheduled_us = now_us,
                                   .sent_us = now_us,
                                   .virtual_us = notice->at_us + vclock_now_us(&clock)};
        if (!attempt(n, recorder, &send, type_of(notice), err))
            return false;
        if (i == COUNT_OF(waits_us) || !n->done || !failed_for_now(&n->answer))
            return true;
        if (!wait_for(n, &clock, waits_us[i], err))
            return false;
    }
    return true;
}

bool notify_send(struct notify *n, const struct recorder *recorder, uint32_t *deliveries, struct err *err)
{
    bool ok = true;
    for (size_t i = 0; ok && i < n->waiting_count && !loop_interrupted(n->loop); i++)
        ok = send_one(n, &n->waiting[i], recorder, deliveries, err);
    n->waiting_count = 0;
    return ok;
}
