/* record: see record.h. */
#include "record.h"

#include <stdio.h>

#include "clock.h"

void record_run(const struct recorder *r, const struct record_run *run)
{
    struct json_writer *w = journal_begin(r->journal, "run");
    json_put_u64(w, "journal", JOURNAL_VERSION);
    json_put(w, "pimsim", PIMSIM_VERSION);
    json_put(w, "platform", platform_names[run->profile->id]);
    json_put(w, "url", run->url);
    json_put_u64(w, "seed", run->seed);
    json_put_u64(w, "deadline_us", run->deadline_us);
    json_put_i64(w, "started_us", clock_wall_us() - (int64_t)(clock_mono_us() - r->started_us));
    json_put(w, "command", run->command);
    journal_end(r->journal);
}

void record_end(const struct recorder *r, const char *reason)
{
    struct json_writer *w = journal_begin(r->journal, "end");
    json_put(w, "reason", reason);
    json_put_u64(w, "duration_us", clock_mono_us() - r->started_us);
    journal_end(r->journal);
}

/* ---- scenarios ---------------------------------------------------------------------------- */

void record_scenario(const struct recorder *r, const struct scenario *s, const char *skipped)
{
    struct json_writer *w = journal_begin(r->journal, "scenario");
    json_put(w, "name", s->name);
    json_put(w, "title", s->title);
    json_open(w, "rules", '[');
    for (size_t i = 0; i < s->rule_count; i++)
        json_put(w, NULL, s->rules[i]);
    json_close(w, ']');
    if (s->pace.rate_top)
        json_put_bool(w, "load", true);
    if (s->effects)
        json_put(w, "effects", s->effects);
    if (s->migration)
        json_put(w, "migration", migration_names[s->migration]);
    if (s->flow)
        json_put_bool(w, "flow", true);
    if (skipped)
        json_put(w, "skipped", skipped);
    journal_end(r->journal);
}

void record_settled(const struct recorder *r, const struct scenario *s, bool given_up)
{
    struct json_writer *w = journal_begin(r->journal, "settled");
    json_put(w, "name", s->name);
    if (given_up)
        json_put_bool(w, "given_up", true);
    journal_end(r->journal);
}

/* ---- deliveries --------------------------------------------------------------------------- */

static uint64_t since_start_us(const struct recorder *r, uint64_t mono_us)
{
    return mono_us > r->started_us ? mono_us - r->started_us : 0;
}

static void put_first_event(const struct plan *plan, const struct plan_item *item, struct json_writer *w)
{
    char id[UUID_SIZE];
    struct entity entity;
    plan_event_id(plan, item, id);
    plan_entity(plan, item, &entity);
    json_put(w, "event", plan_event_name(plan, item));
    json_put(w, "event_id", id);
    json_put(w, "entity", entity.uuid);
    json_put_u64(w, "copy", item->copy);
}

/* Which universe a request belongs to, and what each of its events is about. */
static void put_universe(const struct plan *plan, const struct plan_item *items, size_t count,
                         struct json_writer *w)
{
    struct buf about;
    buf_init(&about, ENTITY_CODE_SIZE);
    json_put(w, "universe", universe_names[plan_universe(plan, items)]);
    json_open(w, "about", '[');
    for (size_t i = 0; i < count; i++) {
        buf_clear(&about);
        plan_about(plan, &items[i], &about);
        json_put(w, NULL, buf_text(&about));
    }
    json_close(w, ']');
    buf_reset(&about);
}

static void record_body(const struct recorder *r, const struct record_send *send)
{
    struct json_writer *w = journal_begin(r->journal, "body");
    json_put_u64(w, "delivery", send->number);
    message_put_body(send->message, w);
    journal_end(r->journal);
}

void record_send(const struct recorder *r, const struct record_send *send)
{
    const struct delivery *d = send->delivery;
    const struct plan_item *items = &send->plan->items[d->first];
    bool reachability = items->source == PLAN_REACHABILITY;
    struct json_writer *w = journal_begin(r->journal, "send");
    json_put_u64(w, "delivery", send->number);
    json_put(w, "kind", reachability ? "reachability" : send->diagnosis ? "diagnosis" : "events");
    if (send->plan->scenario->migration)
        json_put(w, "platform", platform_names[send->plan->profile->id]);
    json_put_u64(w, "attempt", d->attempt);
    json_put_u64(w, "at_us", since_start_us(r, send->sent_us));
    json_put_u64(w, "scheduled_us", since_start_us(r, send->scheduled_us));
    json_put_u64(w, "events", reachability ? 0 : d->count);
    if (!reachability)
        put_first_event(send->plan, items, w);
    if (send->plan->universes > 1)
        put_universe(send->plan, items, d->count, w);
    if (d->variant != VARIANT_NONE) {
        const struct variant_row *variant = variant_get(d->variant);
        json_put(w, "fault", fault_get(variant->fault)->name);
        json_put(w, "variant", variant->name);
    }
    if (send->mistake)
        json_put(w, "mistake", send->mistake);
    if (send->plan->scenario->flow)
        json_put_u64(w, "virtual_us", send->virtual_us);
    json_put_u64(w, "bytes", send->message->body.len);
    journal_end(r->journal);
    if (send->message->body.len)
        record_body(r, send);
}

void record_notification(const struct recorder *r, const struct record_send *send, const char *type)
{
    struct json_writer *w = journal_begin(r->journal, "send");
    json_put_u64(w, "delivery", send->number);
    json_put(w, "kind", "notification");
    json_put(w, "notification", type);
    json_put_u64(w, "attempt", send->delivery->attempt);
    json_put_u64(w, "at_us", since_start_us(r, send->sent_us));
    json_put_u64(w, "scheduled_us", since_start_us(r, send->scheduled_us));
    json_put_u64(w, "events", 0);
    json_put_u64(w, "virtual_us", send->virtual_us);
    json_put_u64(w, "bytes", send->message->body.len);
    journal_end(r->journal);
    record_body(r, send);
}

void record_answer(const struct recorder *r, const struct record_send *send, const struct answer *a)
{
    /* To the answer's first byte; without an answer, to the end. */
    uint64_t ended_us = a->started_us + (a->outcome == OUTCOME_ANSWERED ? a->first_byte_us : a->total_us);
    struct json_writer *w = journal_begin(r->journal, "answer");
    json_put_u64(w, "delivery", send->number);
    json_put_u64(w, "attempt", send->delivery->attempt);
    json_put(w, "outcome", outcome_name(a->outcome));
    json_put_u64(w, "status", a->status);
    json_put_u64(w, "ack_us", a->ack_us);
    json_put_u64(w, "latency_us", ended_us > send->scheduled_us ? ended_us - send->scheduled_us : 0);
    json_put_u64(w, "total_us", a->total_us);
    json_put_u64(w, "late_us", a->late_us);
    json_put_u64(w, "connect_us", a->connect_us);
    json_put_u64(w, "tls_us", a->tls_us);
    if (*a->detail)
        json_put(w, "detail", a->detail);
    if (*a->location)
        json_put(w, "location", a->location);
    if (a->excerpt_bytes && (a->status < 200 || a->status >= 300))
        json_put_bytes(w, "excerpt", (struct span){a->excerpt, a->excerpt_bytes});
    journal_end(r->journal);
}

void record_call(const struct recorder *r, const char *method, const char *target, unsigned status)
{
    struct json_writer *w = journal_begin(r->journal, "call");
    json_put_u64(w, "at_us", since_start_us(r, clock_mono_us()));
    json_put(w, "method", method);
    json_put_bytes(w, "target", span_of(target));
    json_put_u64(w, "status", status);
    journal_end(r->journal);
}

/* ---- the platform's decisions ------------------------------------------------------------- */

static const char *const notice_names[] = {
    [NOTICE_RETRY] = "retry",       [NOTICE_DROPPED] = "dropped",     [NOTICE_DISCARDED] = "discarded",
    [NOTICE_WITHHELD] = "withheld", [NOTICE_LOST] = "lost",           [NOTICE_PAUSED] = "paused",
    [NOTICE_RATE] = "rate",         [NOTICE_SUSPENDED] = "suspended", [NOTICE_RESUMED] = "resumed",
};

static const char *const cause_names[] = {[SUSPENSION_NOT_FOUND] = "not-found",
                                          [SUSPENSION_REDIRECT] = "redirect",
                                          [SUSPENSION_SUCCESS_RATE] = "success-rate"};

void record_notice(const struct recorder *r, const struct plan *plan, const struct notice *notice)
{
    char id[UUID_SIZE];
    struct json_writer *w = journal_begin(r->journal, "notice");
    json_put(w, "kind", notice_names[notice->kind]);
    json_put_u64(w, "at_us", notice->at_us);
    if (notice->kind == NOTICE_RETRY || notice->kind == NOTICE_PAUSED)
        json_put_u64(w, "until_us", notice->until_us);
    if (notice->count) {
        plan_event_id(plan, &plan->items[notice->first], id);
        json_put_u64(w, "events", notice->count);
        json_put(w, "event_id", id);
    }
    if (notice->kind == NOTICE_RETRY || notice->kind == NOTICE_DROPPED)
        json_put_u64(w, "attempt", notice->attempt);
    if (notice->kind == NOTICE_RATE)
        json_put_u64(w, "rate", notice->rate / FLOW_PER_SECOND);
    if (notice->kind == NOTICE_SUSPENDED)
        json_put(w, "cause", cause_names[notice->cause]);
    journal_end(r->journal);
}

/* Parts of a million as percent: 91.67. */
static void put_percent(struct json_writer *w, const char *key, uint64_t ppm)
{
    char text[32];
    int len = snprintf(text, sizeof text, "%u.%02u", (unsigned)(ppm / 10000), (unsigned)(ppm / 100 % 100));
    json_put_raw(w, key, (struct span){text, (size_t)len});
}

void record_tally(const struct recorder *r, const struct record_tally *t)
{
    const struct tally *n = &t->tally;
    struct json_writer *w = journal_begin(r->journal, "tally");
    json_put_u64(w, "events",
                 n->acknowledged + n->dropped + n->discarded + n->withheld + n->lost + n->pending);
    json_put_u64(w, "acknowledged", n->acknowledged);
    json_put_u64(w, "dropped", n->dropped);
    json_put_u64(w, "discarded", n->discarded);
    json_put_u64(w, "withheld", n->withheld);
    json_put_u64(w, "lost", n->lost);
    json_put_u64(w, "pending", n->pending);
    json_put_u64(w, "requests", n->requests);
    json_put_u64(w, "retries", n->retries);
    json_put_u64(w, "throttled", n->throttled);
    json_put_u64(w, "rate", n->rate / FLOW_PER_SECOND);
    json_put_u64(w, "rate_max", t->rate_max / FLOW_PER_SECOND);
    if (n->suspended)
        json_put(w, "suspended", cause_names[n->suspended]);
    json_put_u64(w, "suspensions", n->suspensions);
    json_put_u64(w, "success_min", t->flow->success_min);
    put_percent(w, "success_worst", n->worst_ppm);
    json_put_u64(w, "success_worst_us", n->worst_us);
    if (t->outage)
        json_put_bool(w, "outage", true);
    json_put_u64(w, "virtual_us", t->virtual_us);
    journal_end(r->journal);
}

/* ---- restarts and looks ------------------------------------------------------------------- */

void record_restart(const struct recorder *r, uint32_t delivery, uint64_t killed_us, const char *failed)
{
    struct json_writer *w = journal_begin(r->journal, "restart");
    json_put_u64(w, "delivery", delivery);
    json_put_u64(w, "at_us", since_start_us(r, killed_us));
    json_put_u64(w, "took_us", clock_mono_us() - killed_us);
    if (failed)
        json_put(w, "failed", failed);
    journal_end(r->journal);
}

void record_snapshot(const struct recorder *r, const struct observation *o)
{
    struct json_writer *w = journal_begin(r->journal, "snapshot");
    json_put_u64(w, "at_us", since_start_us(r, clock_mono_us()));
    json_put_u64(w, "took_us", o->took_us);
    json_put_u64(w, "looks", o->looks);
    json_put_u64(w, "bytes", o->bytes);
    if (o->end != OBSERVED_SETTLED)
        json_put(w, o->end == OBSERVED_UNSETTLED ? "unsettled" : "failed", o->why);
    journal_end(r->journal);
    for (size_t i = 0; i < o->records.count; i++) {
        const struct effect_record *record = &o->records.items[i];
        w = journal_begin(r->journal, "state");
        json_put(w, "universe", universe_names[record->universe]);
        json_put(w, "place", record->place);
        json_put(w, "about", record->about);
        json_put(w, "text", record->text);
        if (record->history)
            json_put_bool(w, "history", true);
        journal_end(r->journal);
    }
}
