/* book: journals written by hand, judged, and what is found in them, for tests. */
#ifndef PIMSIM_TESTS_BOOK_H
#define PIMSIM_TESTS_BOOK_H

#include <stdio.h>
#include <string.h>

#include "event.h"
#include "judge.h"

/* One delivery and its end. Left out: a plain product.updated, answered 200 after a millisecond. */
struct turn {
    const char *kind, *fault, *variant, *event, *mistake;
    const char *platform; /* NULL: it is not said */
    const char *universe; /* with it, the events are about product `about` and those behind it */
    unsigned about;
    unsigned copy_of; /* the delivery that brings the same event; 0: no other does */
    unsigned events;
    unsigned attempt;    /* 0: the first */
    unsigned wait_ms;    /* of the platform's clock since the one before, in a scenario over hours */
    const char *outcome; /* NULL: "answered", or "" for none at all */
    unsigned status;
    unsigned ms, late_ms, gap_ms; /* how long it took; our own lateness; how long after the one before */
    const char *more;             /* members of the answer */
};

struct book {
    struct buf text;
    unsigned deliveries;
    uint64_t at_us, virtual_us;
    bool flow; /* the scenario is over hours */
    struct judgement *judgement;
    struct err err;
};

static inline void line(struct book *b, const char *text)
{
    buf_puts(&b->text, text);
    buf_putc(&b->text, '\n');
}

static inline void begin(struct book *b, const char *platform)
{
    *b = (struct book){.at_us = 1000};
    buf_init(&b->text, 64 << 20);
    buf_printf(&b->text,
               "{\"record\":\"run\",\"journal\":1,\"pimsim\":\"0.1.0\",\"platform\":\"%s\","
               "\"url\":\"http://127.0.0.1:1/\",\"seed\":18446744073709551615,\"deadline_us\":%u,"
               "\"started_us\":1700000000000000,\"command\":\"pimsim run\"}\n",
               platform, strcmp(platform, "aep") == 0 ? 3000000 : 500000);
}

/* rules: "\"sig/valid\",\"ack/deadline\"" without the quotes: "sig/valid ack/deadline". */
static inline void scenario_with(struct book *b, const char *name, const char *rules, const char *more)
{
    buf_printf(&b->text, "{\"record\":\"scenario\",\"name\":\"%s\",\"title\":\"t\",\"rules\":[", name);
    while (*rules) {
        size_t len = strcspn(rules, " ");
        buf_printf(&b->text, "\"%.*s\"%s", (int)len, rules, rules[len] ? "," : "");
        rules += len + (rules[len] == ' ');
    }
    buf_printf(&b->text, "]%s}\n", more);
    b->flow = false;
}

static inline void scenario(struct book *b, const char *name, const char *rules)
{
    scenario_with(b, name, rules, "");
}

static inline void load_scenario(struct book *b)
{
    scenario_with(b, "load", "ack/load", ",\"load\":true");
}

static inline void hours_scenario(struct book *b, const char *name, const char *rules)
{
    scenario_with(b, name, rules, ",\"flow\":true");
    b->flow = true;
    b->virtual_us = 0;
}

static inline void put_member(struct book *b, const char *name, const char *value)
{
    if (value)
        buf_printf(&b->text, ",\"%s\":\"%s\"", name, value);
}

static inline void send_only(struct book *b, struct turn turn)
{
    b->deliveries++;
    b->at_us += turn.gap_ms * 1000;
    buf_printf(&b->text,
               "{\"record\":\"send\",\"delivery\":%u,\"kind\":\"%s\",\"attempt\":%u,\"at_us\":%llu,"
               "\"scheduled_us\":%llu,\"events\":%u,\"event\":\"%s\","
               "\"event_id\":\"018e197c-dfe2-70f8-9346-%012u\",\"bytes\":10",
               b->deliveries, turn.kind ? turn.kind : "events", turn.attempt ? turn.attempt : 1,
               (unsigned long long)b->at_us, (unsigned long long)b->at_us, turn.events ? turn.events : 1,
               turn.event ? turn.event : "product.updated", turn.copy_of ? turn.copy_of : b->deliveries);
    b->virtual_us += turn.wait_ms * UINT64_C(1000);
    if (b->flow)
        buf_printf(&b->text, ",\"virtual_us\":%llu", (unsigned long long)b->virtual_us);
    put_member(b, "fault", turn.fault);
    put_member(b, "variant", turn.variant);
    put_member(b, "mistake", turn.mistake);
    put_member(b, "platform", turn.platform);
    put_member(b, "universe", turn.universe);
    for (unsigned i = 0; turn.universe && i < (turn.events ? turn.events : 1); i++)
        buf_printf(&b->text, "%s\"product %u\"", i ? "," : ",\"about\":[", turn.about + i);
    line(b, turn.universe ? "]}" : "}");
}

static inline void answer_to(struct book *b, unsigned delivery, struct turn turn)
{
    unsigned status = turn.status ? turn.status : 200, us = (turn.ms ? turn.ms : 1) * 1000;
    if (turn.outcome)
        status = 0;
    buf_printf(&b->text,
               "{\"record\":\"answer\",\"delivery\":%u,\"attempt\":1,\"outcome\":\"%s\",\"status\":%u,"
               "\"ack_us\":%u,\"latency_us\":%u,\"total_us\":%u,\"late_us\":%u%s}\n",
               delivery, turn.outcome ? turn.outcome : "answered", status, us, us, us, turn.late_ms * 1000,
               turn.more ? turn.more : "");
}

/* One after the other. */
static inline void play(struct book *b, struct turn turn)
{
    send_only(b, turn);
    answer_to(b, b->deliveries, turn);
    b->at_us += (turn.ms ? turn.ms : 1) * 1000 + 1;
}

static inline void times(struct book *b, unsigned count, struct turn turn)
{
    for (unsigned i = 0; i < count; i++)
        play(b, turn);
}

#define PLAY(b, ...)         play(b, (struct turn){__VA_ARGS__})
#define TIMES(b, count, ...) times(b, count, (struct turn){__VA_ARGS__})
#define PLAIN                .kind = "events"
#define FAULT(f, v)          .fault = (f), .variant = (v)

static inline bool judge_text(struct book *b, const struct judge_options *options)
{
    FILE *file = tmpfile();
    assert_non_null(file);
    assert_int_equal(fwrite(buf_span(&b->text).data, 1, b->text.len, file), b->text.len);
    fflush(file);
    bool ok = judge_journal(&b->judgement, fileno(file), "run.ndjson", options, &b->err);
    fclose(file);
    return ok;
}

static inline const struct judgement *judge_with(struct book *b, const struct judge_options *options)
{
    line(b, "{\"record\":\"end\",\"reason\":\"complete\",\"duration_us\":5000}");
    if (!judge_text(b, options))
        fail_msg("%s", b->err.text);
    return b->judgement;
}

static inline const struct judgement *judge(struct book *b)
{
    return judge_with(b, &(struct judge_options){0});
}

static inline void finish(struct book *b)
{
    judgement_free(b->judgement);
    buf_reset(&b->text);
}

static inline const struct finding *found(const struct book *b, const char *rule)
{
    for (size_t i = 0; i < b->judgement->finding_count; i++)
        if (strcmp(b->judgement->findings[i].rule->id, rule) == 0)
            return &b->judgement->findings[i];
    fail_msg("no finding of %s", rule);
    return NULL;
}

static inline void expect(const struct book *b, const char *rule, enum verdict verdict)
{
    const struct finding *f = found(b, rule);
    if (f->verdict != verdict)
        fail_msg("%s: %s (%s), not %s", rule, verdict_names[f->verdict], f->reason, verdict_names[verdict]);
}

static inline void expect_reason(const struct book *b, const char *rule, const char *words)
{
    const struct finding *f = found(b, rule);
    if (!strstr(f->reason, words))
        fail_msg("%s: \"%s\" does not say \"%s\"", rule, f->reason, words);
}

/* The rule fails, and no other does. */
static inline void expect_only(const struct book *b, const char *rule)
{
    expect(b, rule, VERDICT_FAIL);
    for (size_t i = 0; i < b->judgement->finding_count; i++) {
        const struct finding *f = &b->judgement->findings[i];
        if (f->verdict == VERDICT_FAIL && strcmp(f->rule->id, rule) != 0)
            fail_msg("%s fails as well: %s", f->rule->id, f->reason);
    }
}

static inline void expect_no_failure(const struct book *b)
{
    for (size_t i = 0; i < b->judgement->finding_count; i++)
        if (b->judgement->findings[i].verdict == VERDICT_FAIL)
            fail_msg("%s fails: %s", b->judgement->findings[i].rule->id, b->judgement->findings[i].reason);
}

#endif
