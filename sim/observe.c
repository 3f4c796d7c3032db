/* observe: see observe.h. What a source shows is cut only when its bytes have changed; what has changed is
 * told by the records alone, whatever their order.
 *
 * How long a state must stand still. A connector that is done looks like one that has not begun yet, so the
 * wait is learned: the longest that any change came after a call of observe_settle, in this run, is the
 * connector's lag, and twice that is waited for the next. Where the state looks wrong the wait is longer,
 * since a slow connector looks wrong too. What never stands still by itself, such as a clock, is known after
 * some looks (still.h). */
#include "observe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "json.h"
#include "source.h"
#include "still.h"

/* Looks. A quick state is seen every 20 ms at first; a slow one costs the connector a third of its time. */
#define PAUSE_US_MIN     20000
#define PAUSE_US_MAX     250000
#define PAUSES_OF_A_LOOK 2      /* a pause is at least so many times as long as the look before */
#define RETRY_US         100000 /* after a failure, doubled with each */
#define SLOW_LOOK_US     500000 /* who takes longer gets more time to settle */

/* Standing still. */
#define QUIET_US_MIN        1000000
#define QUIET_LAGS          2        /* so many times the lag */
#define QUIET_US_MAX        15000000 /* … but not longer */
#define QUIET_DOUBTFUL_US   2500000  /* nothing in common yet, or B differs */
#define QUIET_NEVER_SEEN_US 10000000 /* nothing in common in the whole run: the first time */
#define EQUAL_LOOKS_MIN     2

/* Giving up. A state that never settled will not now: later calls ask only briefly. */
#define GIVE_UP_US       30000000
#define GIVE_UP_SLOW_US  60000000
#define GIVE_UP_AGAIN_US 5000000
#define GIVE_UP_QUIETS   2 /* … but not before it had the time to stand still so many times */

#define CHANGES_COMPARED_MAX 200 /* records, to say what kept changing */
#define VALUE_SHOWN_MAX      60

/* A source, and what it showed last. */
struct watched {
    struct source *source;
    uint64_t bytes_digest, records_digest;
    unsigned changes;                      /* the first look is one */
    struct effect_records records, before; /* before: the last that were different */
};

struct observe {
    struct loop *loop;
    uint64_t settle_us, give_up_us; /* of the options */
    struct watched *watched;
    size_t count;
    struct still still;
    uint64_t lag_us; /* the longest of this run */
    bool gave_up;    /* some call of this run did */
    bool acquainted; /* A and A' had records in common, in some call, or we waited in vain */
};

/* One call of observe_settle. */
struct settling {
    struct observe *observe;
    const struct idents *idents;
    enum observe_stage stage;
    struct observation *seen;
    uint64_t started_us;
    struct sight first, last;       /* looks at all sources, without a failure */
    uint64_t look_us, look_took_us; /* when the last look began; how long it kept the connector busy */
    uint64_t pause_us, quiet_us;    /* how long to wait for the next look; to stand still */
    const struct watched *changed;  /* the last that changed */
    bool failed;                    /* the last look */
    unsigned failures;              /* in a row */
    bool assessed;                  /* the records were compared, and say … */
    uint64_t doubt_us;              /* … to stand still so long */
};

/* ---- digests -------------------------------------------------------------------------------- */

static uint64_t mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
    return hash ^ hash >> 32;
}

static uint64_t digest(uint64_t hash, struct span bytes)
{
    uint64_t word = 0;
    size_t at = 0;
    for (; bytes.len - at >= sizeof word; at += sizeof word) {
        memcpy(&word, bytes.data + at, sizeof word);
        hash = mix(hash, word);
    }
    word = 0;
    memcpy(&word, bytes.data + at, bytes.len - at);
    return mix(mix(hash, word), bytes.len);
}

static uint64_t digest_of_look(const struct look *look)
{
    uint64_t hash = digest(1, buf_span(&look->bytes));
    for (size_t i = 0; i < look->page_count; i++)
        hash = mix(hash, look->page_ends[i]);
    return hash;
}

static uint64_t digest_of_record(const struct effect_record *record)
{
    uint64_t hash = digest(record->universe, span_of(record->place));
    return digest(digest(hash, span_of(record->about)), span_of(record->text));
}

/* A sum: rows of a database have no order. */
static uint64_t digest_of_records(const struct effect_records *records)
{
    uint64_t sum = records->count;
    for (size_t i = 0; i < records->count; i++)
        sum += digest_of_record(&records->items[i]);
    return sum;
}

/* ---- cutting -------------------------------------------------------------------------------- */

/* Bytes that are no UTF-8 become question marks: they must not make a document unreadable. */
static void repair(struct span text, char *bytes)
{
    if (json_is_utf8(text))
        return;
    for (size_t at = 0, len; at < text.len; at += len) {
        len = 1;
        if ((unsigned char)bytes[at] < 0x80)
            continue;
        for (len = 2; len <= 4 && at + len <= text.len; len++)
            if (json_is_utf8((struct span){bytes + at, len}))
                break;
        if (len > 4 || at + len > text.len) {
            bytes[at] = '?';
            len = 1;
        }
    }
}

struct pages {
    struct span *items;
    size_t count, cap;
};

static void add_page(struct pages *pages, struct span page)
{
    pages->items = mem_grow(pages->items, &pages->cap, pages->count, sizeof *pages->items);
    pages->items[pages->count++] = page;
}

/* A page is a document, or several one after another, as sqlite3 -json prints them for several queries. No
 * JSON document holds what divides them. */
static void add_documents(struct pages *pages, struct span page)
{
    static const char mark[] = "\xef\xbb\xbf", divide[] = "]\n[{";
    if (page.len >= 3 && memcmp(page.data, mark, 3) == 0)
        page = (struct span){page.data + 3, page.len - 3};
    while (page.len && *page.data == '[') {
        const char *end = memmem(page.data, page.len, divide, 4);
        if (!end)
            break;
        size_t len = (size_t)(end - page.data) + 1;
        add_page(pages, (struct span){page.data, len});
        page = (struct span){page.data + len + 1, page.len - len - 1};
    }
    add_page(pages, page);
}

/* "sink: /PUT /products/17": keys of the sink's documents are calls, and read better without the slash. */
static void unslash(struct effect_records *records)
{
    for (size_t i = 0; i < records->count; i++) {
        char *slash = strstr(records->items[i].place, ": /") + 2;
        memmove(slash, slash + 1, strlen(slash));
    }
}

static void cut_look(const struct watched *w, const struct idents *idents, struct look *look,
                     struct effect_records *records)
{
    struct pages pages = {0};
    size_t start = 0;
    repair(buf_span(&look->bytes), look->bytes.data);
    for (size_t i = 0; i < look->page_count; i++) {
        add_documents(&pages, (struct span){look->bytes.data + start, look->page_ends[i] - start});
        start = look->page_ends[i];
    }
    effects_cut_pages(idents, source_name(w->source), pages.items, pages.count, records);
    free(pages.items);
    if (source_port(w->source))
        unslash(records);
}

static void mask_again(const struct still *still, struct watched *w)
{
    still_mask(still, &w->records);
    still_mask(still, &w->before);
    w->records_digest = digest_of_records(&w->records);
}

/* Take in what a source shows; true when its records have changed. */
static bool take_in(struct settling *s, struct watched *w, struct look *look)
{
    struct still *still = &s->observe->still;
    uint64_t bytes_digest = look->unchanged ? w->bytes_digest : digest_of_look(look);
    if (w->changes && bytes_digest == w->bytes_digest)
        return false;
    struct effect_records records = {0};
    cut_look(w, s->idents, look, &records);
    still_mask(still, &records);
    uint64_t records_digest = digest_of_records(&records);
    bool same = w->changes && records_digest == w->records_digest;
    w->bytes_digest = bytes_digest;
    w->records_digest = records_digest;
    if (same) {
        effect_records_reset(&records);
        return false;
    }
    effect_records_reset(&w->before);
    w->before = w->records;
    w->records = records;
    if (w->changes++ == 0)
        return true;
    struct sight sight = {s->last.number + 1, s->look_us, clock_mono_us()};
    if (still_note(still, &w->before, &w->records, sight, idents_events_each(s->idents)))
        mask_again(still, w);
    return true;
}

/* ---- what kept changing --------------------------------------------------------------------- */

struct known {
    uint64_t digest;
    const struct effect_record *record;
};

static int by_digest(const void *a, const void *b)
{
    const struct known *x = a, *y = b;
    return (x->digest > y->digest) - (x->digest < y->digest);
}

static struct known *known_of(const struct effect_records *records)
{
    struct known *known = mem_alloc(records->count * sizeof *known);
    for (size_t i = 0; i < records->count; i++)
        known[i] = (struct known){digest_of_record(&records->items[i]), &records->items[i]};
    qsort(known, records->count, sizeof *known, by_digest);
    return known;
}

static void add_as(struct effect_records *out, enum universe universe, const struct effect_record *record)
{
    effect_records_add(out, universe, span_of(record->place), span_of(record->about), span_of(record->text),
                       false);
}

/* What only one of two states holds, as if A and A' were the one before and B the one after. Of one
 * universe: the first that has any. */
static void put_changes(const struct effect_records *before, const struct effect_records *after,
                        struct effect_records *changes)
{
    struct known *x = known_of(before), *y = known_of(after);
    int universe = -1;
    for (size_t i = 0, j = 0;
         (i < before->count || j < after->count) && changes->count < CHANGES_COMPARED_MAX;) {
        int order = i == before->count ? 1 : j == after->count ? -1 : by_digest(&x[i], &y[j]);
        const struct effect_record *lone = order > 0 ? y[j].record : x[i].record;
        if (order && universe < 0)
            universe = (int)lone->universe;
        if (order < 0 && (int)lone->universe == universe) {
            add_as(changes, UNIVERSE_A, lone);
            add_as(changes, UNIVERSE_A2, lone);
        } else if (order > 0 && (int)lone->universe == universe) {
            add_as(changes, UNIVERSE_B, lone);
        }
        i += order <= 0;
        j += order >= 0;
    }
    free(x);
    free(y);
}

static void put_shortened(struct buf *out, const char *value)
{
    size_t len = strlen(value);
    if (len > VALUE_SHOWN_MAX) {
        len = VALUE_SHOWN_MAX;
        while (len && ((unsigned char)value[len] & 0xc0) == 0x80)
            len--;
    }
    buf_printf(out, "%.*s%s", (int)len, value, value[len] ? "…" : "");
}

/* "state-url 1: /products/[] of product 3 kept changing: /stock was 17, then 18" */
static void put_change(const struct watched *w, struct buf *out)
{
    struct effect_records changes = {0};
    struct effects effects = {0};
    put_changes(&w->before, &w->records, &changes);
    effects_compare(&changes, NULL, &effects);
    if (effects.count) {
        const struct effect *e = &effects.items[0];
        buf_printf(out, "%s of %s kept changing: %s was ", e->place, e->about, *e->path ? e->path : "it");
        put_shortened(out, e->expected);
        buf_puts(out, ", then ");
        put_shortened(out, e->found);
    } else if (changes.count) {
        buf_printf(out, "%s of %s kept changing", changes.items[0].place, changes.items[0].about);
    }
    effects_reset(&effects);
    effect_records_reset(&changes);
}

/* ---- one call ------------------------------------------------------------------------------- */

/* All records together, borrowed. */
static struct effect_records all_records(const struct observe *o)
{
    struct effect_records all = {0};
    for (size_t i = 0; i < o->count; i++)
        for (size_t j = 0; j < o->watched[i].records.count; j++) {
            all.items = mem_grow(all.items, &all.cap, all.count, sizeof *all.items);
            all.items[all.count++] = o->watched[i].records.items[j];
        }
    return all;
}

/* The records stand still; but do they look as if the connector were done? */
static void assess(struct settling *s)
{
    struct observe *o = s->observe;
    struct effect_records all = all_records(o);
    struct effects effects = {0};
    effects_compare(&all, NULL, &effects);
    bool common = effects.compared > 0, differs = s->stage == OBSERVE_LAST && effects.count > 0;
    bool done = s->stage == OBSERVE_MIDWAY ? all.count > 0 : common && !differs;
    o->acquainted = o->acquainted || common;
    s->assessed = true;
    s->doubt_us = done ? 0 : o->acquainted ? QUIET_DOUBTFUL_US : QUIET_NEVER_SEEN_US;
    effects_reset(&effects);
    free(all.items);
}

/* The first sight of what is seen now. */
static struct sight since(const struct settling *s)
{
    struct sight last = still_last(&s->observe->still);
    return last.number ? last : s->first;
}

static bool stood_still(const struct settling *s, uint64_t us)
{
    struct sight first = since(s);
    return s->last.number - first.number + 1 >= EQUAL_LOOKS_MIN && s->last.began_us - first.began_us >= us;
}

/* When the last change was seen, after the start. */
static uint64_t lag_us(const struct settling *s)
{
    struct sight last = still_last(&s->observe->still);
    return last.number ? last.ended_us - s->started_us : 0;
}

static uint64_t quiet_needed_us(struct settling *s)
{
    const struct observe *o = s->observe;
    if (o->settle_us)
        return o->settle_us;
    uint64_t us = QUIET_LAGS * (lag_us(s) > o->lag_us ? lag_us(s) : o->lag_us);
    us = us < QUIET_US_MIN ? QUIET_US_MIN : us > QUIET_US_MAX ? QUIET_US_MAX : us;
    if (!s->assessed && stood_still(s, us))
        assess(s);
    return s->assessed && s->doubt_us > us ? s->doubt_us : us;
}

static uint64_t give_up_us(const struct settling *s)
{
    if (s->observe->give_up_us)
        return s->observe->give_up_us;
    uint64_t us = s->observe->gave_up              ? GIVE_UP_AGAIN_US
                  : s->look_took_us > SLOW_LOOK_US ? GIVE_UP_SLOW_US
                                                   : GIVE_UP_US;
    return us > GIVE_UP_QUIETS * s->quiet_us ? us : GIVE_UP_QUIETS * s->quiet_us;
}

static void note_failure(struct settling *s, const struct watched *w, const struct look *look)
{
    s->failed = true;
    s->failures += look->failures;
    snprintf(s->seen->why, sizeof s->seen->why, "%s: %s", source_name(w->source), look->failure);
}

static void note_change(struct settling *s, const struct watched *w)
{
    s->changed = w->changes > 1 ? w : s->changed;
    s->assessed = false;
}

/* Look at every source; a failure is where it ends. */
static bool look_at_all(struct settling *s, struct err *err)
{
    struct observe *o = s->observe;
    struct look *look;
    s->look_us = clock_mono_us();
    s->look_took_us = 0;
    s->failed = false;
    s->seen->looks++;
    s->seen->bytes = 0;
    for (size_t i = 0; i < o->count && !s->failed; i++) {
        struct watched *w = &o->watched[i];
        uint64_t from_us = clock_mono_us();
        if (!source_look(w->source, s->idents, &look, err))
            return false;
        s->look_took_us += clock_mono_us() - from_us;
        if (*look->failure)
            note_failure(s, w, look);
        else if (take_in(s, w, look))
            note_change(s, w);
        s->seen->bytes += look->bytes.len;
    }
    if (s->failed)
        return true;
    s->failures = 0;
    s->last = (struct sight){s->last.number + 1, s->look_us, clock_mono_us()};
    s->first = s->first.number ? s->first : s->last;
    return true;
}

/* What the last look leads to; false: to another look. */
static bool is_over(struct settling *s)
{
    s->quiet_us = quiet_needed_us(s);
    if (loop_interrupted(s->observe->loop))
        s->seen->end = OBSERVED_INTERRUPTED;
    else if (s->failures >= LOOK_FAILURES_MAX)
        s->seen->end = OBSERVED_FAILED;
    else if (!s->failed && stood_still(s, s->quiet_us))
        s->seen->end = OBSERVED_SETTLED;
    else if (clock_mono_us() - s->started_us >= give_up_us(s))
        s->seen->end = OBSERVED_UNSETTLED;
    else
        return false;
    return true;
}

static bool rest(struct settling *s, struct err *err)
{
    uint64_t now_us = clock_mono_us(), still_us = since(s).began_us + s->quiet_us, wait_us = s->pause_us;
    if (s->failed) {
        wait_us = (uint64_t)RETRY_US << (s->failures - 1);
    } else {
        if (still_us > now_us && still_us - now_us < wait_us)
            wait_us = still_us - now_us;
        if (wait_us < PAUSES_OF_A_LOOK * s->look_took_us)
            wait_us = PAUSES_OF_A_LOOK * s->look_took_us;
        s->pause_us = s->pause_us * 3 / 2 < PAUSE_US_MAX ? s->pause_us * 3 / 2 : PAUSE_US_MAX;
    }
    uint64_t until_us = now_us + wait_us;
    for (; now_us < until_us && !loop_interrupted(s->observe->loop); now_us = clock_mono_us())
        if (!loop_turn(s->observe->loop, until_us - now_us, err))
            return false;
    return true;
}

static void explain_unsettled(struct settling *s)
{
    struct buf why;
    buf_init(&why, 1 << 16);
    if (s->changed)
        put_change(s->changed, &why);
    else
        buf_printf(&why, "it takes %.1f s to look at the state: too long to see it stand still",
                   (double)s->look_took_us / 1e6);
    snprintf(s->seen->why, sizeof s->seen->why, "%s", buf_text(&why));
    buf_reset(&why);
}

/* What this call teaches the next ones, and its records. */
static void conclude(struct settling *s)
{
    struct observe *o = s->observe;
    s->seen->took_us = clock_mono_us() - s->started_us;
    if (s->seen->end == OBSERVED_SETTLED) {
        s->seen->why[0] = '\0';
        o->lag_us = lag_us(s) > o->lag_us ? lag_us(s) : o->lag_us;
        o->acquainted = o->acquainted || s->assessed;
    } else if (s->seen->end == OBSERVED_UNSETTLED) {
        o->gave_up = true;
        explain_unsettled(s);
    }
    if (s->seen->end != OBSERVED_FAILED)
        s->seen->records = all_records(o);
    for (size_t i = 0; i < o->count && s->seen->end != OBSERVED_FAILED; i++) {
        free(o->watched[i].records.items); /* the array alone: what it held has been handed over */
        o->watched[i].records = (struct effect_records){0};
    }
}

/* Nothing is kept from one call to the next but what observe has learned. */
static void rest_all(struct observe *o, bool forget)
{
    still_begin(&o->still);
    for (size_t i = 0; i < o->count; i++) {
        struct watched *w = &o->watched[i];
        effect_records_reset(&w->records);
        effect_records_reset(&w->before);
        *w = (struct watched){.source = w->source};
        source_rest(w->source, forget);
    }
}

bool observe_settle(struct observe *observe, const struct idents *idents, enum observe_stage stage,
                    struct observation *observation, struct err *err)
{
    struct settling s = {.observe = observe,
                         .idents = idents,
                         .stage = stage,
                         .seen = observation,
                         .started_us = clock_mono_us(),
                         .pause_us = PAUSE_US_MIN};
    *observation = (struct observation){.end = OBSERVED_INTERRUPTED};
    bool ok = true, over = loop_interrupted(observe->loop);
    while (ok && !over) {
        ok = look_at_all(&s, err);
        over = !ok || is_over(&s);
        ok = ok && (over || rest(&s, err));
    }
    if (ok)
        conclude(&s);
    rest_all(observe, stage == OBSERVE_LAST);
    return ok;
}

void observation_reset(struct observation *observation)
{
    effect_records_reset(&observation->records);
    *observation = (struct observation){0};
}

/* ---- life ----------------------------------------------------------------------------------- */

static bool add_source(struct observe *o, const struct observe_options *options, enum source_kind kind,
                       size_t index, struct err *err)
{
    struct watched *w = &o->watched[o->count];
    if (!source_open(&w->source, o->loop, options, kind, index, err))
        return false;
    o->count++;
    return true;
}

bool observe_open(struct observe **observe, struct loop *loop, const struct observe_options *options,
                  struct err *err)
{
    struct observe *o = mem_alloc(sizeof *o);
    const size_t counts[SOURCE_KIND_COUNT] = {[SOURCE_URL] = options->url_count,
                                              [SOURCE_COMMAND] = options->command_count,
                                              [SOURCE_SINK] = options->sink};
    *o = (struct observe){.loop = loop, .settle_us = options->settle_us, .give_up_us = options->give_up_us};
    o->watched = mem_alloc((options->url_count + options->command_count + 1) * sizeof *o->watched);
    bool ok = true;
    for (int kind = 0; kind < SOURCE_KIND_COUNT; kind++)
        for (size_t i = 0; ok && i < counts[kind]; i++)
            ok = add_source(o, options, (enum source_kind)kind, i, err);
    *observe = ok ? o : NULL;
    if (!ok)
        observe_close(o);
    return ok;
}

void observe_close(struct observe *o)
{
    if (!o)
        return;
    rest_all(o, false);
    for (size_t i = 0; i < o->count; i++)
        source_close(o->watched[i].source);
    still_reset(&o->still);
    free(o->watched);
    free(o);
}

uint16_t observe_sink_port(const struct observe *observe)
{
    uint16_t port = 0;
    for (size_t i = 0; i < observe->count; i++)
        port = port ? port : source_port(observe->watched[i].source);
    return port;
}
