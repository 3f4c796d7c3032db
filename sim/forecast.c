/* forecast: see forecast.h. */
#include "forecast.h"

#include <string.h>

#define PPM_PERCENT  10000
#define PAUSE_US_MIN (UINT64_C(60) * 1000000)

static const struct {
    const char *name, *sentence;
} causes[] = {
    [CAUSE_NONE] = {NULL, "of nothing"},
    [CAUSE_UNKNOWN] = {"unknown", "of something that this version does not know"},
    [CAUSE_NOT_FOUND] = {"not-found", "a delivery was answered with 404"},
    [CAUSE_REDIRECT] = {"redirect", "a delivery was answered with a redirect"},
    [CAUSE_SUCCESS_RATE] = {"success-rate", "too few of an hour's deliveries succeeded"},
};

const char *cause_name(enum cause cause)
{
    return causes[cause].name;
}

const char *cause_sentence(enum cause cause)
{
    return causes[cause].sentence;
}

static enum cause cause_of(const struct json_doc *record, const char *key)
{
    uint32_t node = json_get(record, JSON_ROOT, key);
    for (int i = CAUSE_UNKNOWN + 1; i < (int)COUNT_OF(causes); i++)
        if (json_string_is(record, node, causes[i].name))
            return (enum cause)i;
    return node == JSON_NONE ? CAUSE_NONE : CAUSE_UNKNOWN;
}

static uint64_t count_of(const struct json_doc *record, const char *key)
{
    int64_t n = json_i64(record, json_get(record, JSON_ROOT, key));
    return n > 0 ? (uint64_t)n : 0;
}

/* ---- notices ------------------------------------------------------------------------------ */

static void on_retry(struct forecast *f, const struct json_doc *record)
{
    struct buf id;
    buf_init(&id, UUID_SIZE);
    intern(&f->retried, json_string(record, json_get(record, JSON_ROOT, "event_id"), &id));
    buf_reset(&id);
}

static void on_dropped(struct forecast *f, const struct json_doc *record)
{
    f->dropped += count_of(record, "events");
}

static void on_discarded(struct forecast *f, const struct json_doc *record)
{
    f->discarded += count_of(record, "events");
}

static void on_withheld(struct forecast *f, const struct json_doc *record)
{
    f->withheld += count_of(record, "events");
}

static void on_lost(struct forecast *f, const struct json_doc *record)
{
    f->lost += count_of(record, "events");
}

/* While the quota is used up, room comes request by request: what counts is when none came for long. */
static void on_paused(struct forecast *f, const struct json_doc *record)
{
    uint64_t at_us = count_of(record, "at_us"), until_us = count_of(record, "until_us");
    if (until_us < at_us + PAUSE_US_MIN)
        return;
    if (!f->pauses++)
        f->first_pause_us = at_us;
    f->paused_us += until_us - at_us;
}

/* When there are too many points, every second one goes, and from then on they stand twice as far apart. */
static void on_rate(struct forecast *f, const struct json_doc *record)
{
    struct forecast_point point = {count_of(record, "at_us"), count_of(record, "rate")};
    f->rate = point.rate;
    if (point.rate > f->rate_max) {
        f->rate_max = point.rate;
        f->rate_max_us = point.at_us;
    }
    if (f->point_count && point.at_us < f->points[f->point_count - 1].at_us + f->point_gap_us)
        return;
    if (f->point_count == FORECAST_POINTS_MAX) {
        f->point_count /= 2;
        for (size_t i = 1; i < f->point_count; i++)
            f->points[i] = f->points[2 * i];
        f->point_gap_us = (point.at_us - f->points[0].at_us) / f->point_count;
    }
    f->points[f->point_count++] = point;
}

static void on_suspended(struct forecast *f, const struct json_doc *record)
{
    if (f->suspensions++)
        return;
    f->cause = cause_of(record, "cause");
    f->suspended_us = count_of(record, "at_us");
}

static void on_resumed(struct forecast *f, const struct json_doc *record)
{
    if (f->resumed)
        return;
    f->resumed = true;
    f->resumed_us = count_of(record, "at_us");
}

void forecast_read_notice(struct forecast *f, const struct json_doc *record)
{
    static const struct {
        const char *kind;
        void (*read)(struct forecast *f, const struct json_doc *record);
    } kinds[] = {
        {"rate", on_rate},           {"retry", on_retry},         {"lost", on_lost},
        {"dropped", on_dropped},     {"discarded", on_discarded}, {"withheld", on_withheld},
        {"suspended", on_suspended}, {"resumed", on_resumed},     {"paused", on_paused},
    };
    uint32_t kind = json_get(record, JSON_ROOT, "kind");
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        if (json_string_is(record, kind, kinds[i].kind)) {
            kinds[i].read(f, record);
            return;
        }
}

/* ---- what is counted by the way --------------------------------------------------------------- */

void forecast_count_request(struct forecast *f, uint64_t at_us, uint64_t virtual_us)
{
    if (!f->begun)
        f->begun_us = at_us;
    f->begun = true;
    f->requests++;
    f->virtual_us = virtual_us;
}

void forecast_count_answer(struct forecast *f, uint64_t at_us)
{
    if (f->begun && at_us > f->begun_us + f->duration_us)
        f->duration_us = at_us - f->begun_us;
}

void forecast_count_acknowledged(struct forecast *f, uint64_t events, const char *id, bool again)
{
    f->acknowledged += events;
    if (again && intern_find(&f->retried, span_of(id)) != INTERN_NONE)
        f->after_retries += events;
}

/* ---- the tally ---------------------------------------------------------------------------- */

static uint64_t ppm_of(const struct json_doc *record, const char *key)
{
    double percent;
    struct err ignored;
    uint32_t node = json_get(record, JSON_ROOT, key);
    if (node == JSON_NONE || !json_read_real(record, node, 0, 100, &percent, &ignored))
        return 0;
    return (uint64_t)(percent * PPM_PERCENT + 0.5);
}

void forecast_read_tally(struct forecast *f, const struct json_doc *record)
{
    const struct {
        const char *key;
        uint64_t *member;
    } members[] = {
        {"events", &f->events},
        {"acknowledged", &f->acknowledged},
        {"dropped", &f->dropped},
        {"discarded", &f->discarded},
        {"withheld", &f->withheld},
        {"lost", &f->lost},
        {"pending", &f->pending},
        {"requests", &f->requests},
        {"retries", &f->retries},
        {"throttled", &f->throttled},
        {"rate", &f->rate},
        {"rate_max", &f->rate_max},
        {"virtual_us", &f->virtual_us},
        {"success_worst_us", &f->success_worst_us},
    };
    for (size_t i = 0; i < COUNT_OF(members); i++)
        *members[i].member = count_of(record, members[i].key);
    f->complete = true;
    f->outage = json_is_true(record, json_get(record, JSON_ROOT, "outage"));
    f->success_min_ppm = ppm_of(record, "success_min");
    f->success_worst_ppm = ppm_of(record, "success_worst");
}

void forecast_reset(struct forecast *f)
{
    interns_reset(&f->retried);
    *f = (struct forecast){0};
}

/* ---- words -------------------------------------------------------------------------------- */

bool forecast_margin(const struct forecast *f, int64_t *ppm)
{
    *ppm = (int64_t)f->success_worst_ppm - (int64_t)f->success_min_ppm;
    return f->success_min_ppm > 0;
}

void forecast_put_moment(uint64_t us, struct buf *text)
{
    unsigned long long s = us / 1000000;
    buf_printf(text, "%02llu:%02llu:%02llu", s / 3600, s / 60 % 60, s % 60);
}

void forecast_put_span(uint64_t us, struct buf *text)
{
    static const struct {
        unsigned long long s;
        const char *unit;
    } units[] = {{3600, "h"}, {60, "min"}, {1, "s"}};
    unsigned long long left = us / 1000000 + (us % 1000000 >= 500000);
    unsigned shown = 0;
    for (size_t i = 0; i < COUNT_OF(units) && shown < 2; i++) {
        unsigned long long n = left / units[i].s;
        left %= units[i].s;
        if (n || (!shown && units[i].s == 1))
            buf_printf(text, "%s%llu %s", shown ? " " : "", n, units[i].unit);
        shown += n || shown;
    }
}

/* A narrow margin needs another digit. */
void forecast_put_margin(const struct forecast *f, struct buf *text)
{
    int64_t ppm;
    if (!forecast_margin(f, &ppm))
        return;
    double points = (double)(ppm < 0 ? -ppm : ppm) / PPM_PERCENT;
    buf_printf(text, "%.*f points %s the limit of %g %%", points < 0.1 ? 2 : 1, points,
               ppm < 0 ? "below" : "above", (double)f->success_min_ppm / PPM_PERCENT);
}
