/* event_log: see event_log.h. Lines are what PHP's sprintf and json_encode make of them. */
#include "event_log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "limits.h"

#define COUNTED_BY_US UINT64_C(60000000)

struct event_log {
    const char *path; /* borrowed */
    FILE *file;
    int trouble; /* errno of the first line that could not be written */
    struct event_log_scene scene;
    uint64_t quiet_until_us; /* a pause that begins before this is still the one that is logged */
    struct buf line, event;
    struct json_doc doc; /* of the event; its memory is kept */
};

bool event_log_open(struct event_log **log, const char *path, struct err *err)
{
    bool standard = strcmp(path, "-") == 0;
    FILE *file = standard ? stdout : fopen(path, "we");
    *log = NULL;
    if (!file)
        return err_env(err, "%s: %s", path, strerror(errno));
    setvbuf(file, NULL, _IOLBF, 0); /* it can be watched */
    struct event_log *l = mem_alloc(sizeof *l);
    l->path = standard ? "standard output" : path;
    l->file = file;
    buf_init(&l->line, BODY_BYTES_MAX);
    buf_init(&l->event, BODY_BYTES_MAX);
    *log = l;
    return true;
}

bool event_log_close(struct event_log *l, struct err *err)
{
    if (!l)
        return true;
    if ((l->file == stdout ? fflush(stdout) : fclose(l->file)) != 0 && !l->trouble)
        l->trouble = errno;
    bool ok = !l->trouble || err_env(err, "%s: %s", l->path, strerror(l->trouble));
    buf_reset(&l->line);
    buf_reset(&l->event);
    json_reset(&l->doc);
    free(l);
    return ok;
}

void event_log_begin(struct event_log *l, const struct event_log_scene *scene)
{
    if (!l)
        return;
    l->scene = *scene;
    l->quiet_until_us = 0;
}

/* ---- a line ------------------------------------------------------------------------------- */

static void begin_line(struct event_log *l, uint64_t at_us, const char *level_and_message)
{
    char t[CLOCK_TEXT_SIZE]; /* 2026-01-31T09:13:59Z */
    clock_format_z(l->scene.wall_start_us + (int64_t)at_us, t);
    buf_clear(&l->line);
    buf_printf(&l->line, "%.4s/%.2s/%.2s %.8s %s ", t, t + 5, t + 8, t + 11, level_and_message);
}

static void end_line(struct event_log *l)
{
    buf_putc(&l->line, '\n');
    size_t len = l->line.len;
    if (!l->trouble && fwrite(l->line.data, 1, len, l->file) < len)
        l->trouble = errno;
}

static void put_text(struct buf *out, struct span text)
{
    json_put_string(out, &JSON_STYLE_PHP, text);
}

/* ---- events ------------------------------------------------------------------------------- */

/* A member of the event, which is spelled in PHP's way already; nothing where there is none. */
static void put_member(struct event_log *l, const char *key, const char *pointer)
{
    uint32_t node = json_pointer(&l->doc, pointer);
    if (node == JSON_NONE)
        return;
    buf_printf(&l->line, "%s\"%s\":", l->line.data[l->line.len - 1] == '{' ? "" : ",", key);
    buf_put_span(&l->line, json_raw(&l->doc, node));
}

/* What happened in the PIM, whatever a scenario makes of the request that tells it. */
static void put_event(struct event_log *l, const struct plan_item *item)
{
    static const struct {
        const char *key, *pointer;
    } members[] = {
        {"action", "/action"},
        {"event_id", "/event_id"},
        {"event_datetime", "/event_datetime"},
        {"author", "/author"},
        {"author_type", "/author_type"},
        {"product_identifier", "/data/resource/identifier"},
        {"product_model_code", "/data/resource/code"},
    };
    struct err ignored;
    buf_clear(&l->event);
    plan_render(l->scene.plan, item, l->scene.settings, l->scene.wall_start_us, &l->event);
    buf_putc(&l->line, '{');
    bool ok = json_parse(&l->doc, "event", buf_span(&l->event), JSON_STRICT, &ignored);
    for (size_t i = 0; i < COUNT_OF(members) && ok; i++)
        put_member(l, members[i].key, members[i].pointer);
    buf_putc(&l->line, '}');
}

/* ---- requests ----------------------------------------------------------------------------- */

/* Header lines, each with a NUL at its end. */
static const char *next_header(const char *line)
{
    return line + strlen(line) + 1;
}

static bool same_name(const char *a, const char *b)
{
    size_t len = strcspn(a, ":");
    return strcspn(b, ":") == len && strncasecmp(a, b, len) == 0;
}

static bool name_seen(const char *lines, const char *line)
{
    while (lines < line && !same_name(lines, line))
        lines = next_header(lines);
    return lines < line;
}

/* {"Name":["value","value"]}, and without headers []: what PHP makes of an empty array. */
static void put_headers(struct buf *out, struct span head)
{
    const char *end = head.data + head.len;
    if (!head.len)
        buf_puts(out, "[]");
    for (const char *line = head.data; line < end; line = next_header(line)) {
        if (name_seen(head.data, line))
            continue;
        buf_putc(out, line == head.data ? '{' : ',');
        put_text(out, (struct span){line, strcspn(line, ":")});
        buf_puts(out, ":[");
        for (const char *same = line; same < end; same = next_header(same)) {
            const char *value = same + strcspn(same, ":");
            if (same_name(same, line)) {
                buf_puts(out, same == line ? "" : ",");
                put_text(out, span_of(value + strspn(value, ": ")));
            }
        }
        buf_putc(out, ']');
    }
    buf_puts(out, head.len ? "}" : "");
}

/* Those that were sent, with the one that the network library adds. */
static void put_request_headers(struct event_log *l, const struct message *message)
{
    struct buf head;
    const char *host = strstr(l->scene.url, "://");
    host = host ? host + 3 : l->scene.url;
    size_t len = strcspn(host, "/?#");
    const char *at = memchr(host, '@', len);
    buf_init(&head, 1 << 20);
    buf_printf(&head, "Host: %.*s", (int)(at ? len - (size_t)(at + 1 - host) : len), at ? at + 1 : host);
    buf_putc(&head, '\0');
    buf_put(&head, message->lines.data, message->lines.len);
    put_headers(&l->line, buf_span(&head));
    buf_reset(&head);
}

static void begin_request(struct event_log *l, uint64_t at_us, const struct answer *a)
{
    char silence[80];
    snprintf(silence, sizeof silence, "ERROR The endpoint failed to answer under %llu ms.",
             (unsigned long long)(l->scene.deadline_us / 1000));
    begin_line(l, at_us,
               !a->status         ? silence
               : a->status >= 400 ? "ERROR The endpoint returned an error."
                                  : "INFO The API event request was sent.");
    buf_puts(&l->line, "{\"event_subscription_url\":");
    put_text(&l->line, span_of(l->scene.url));
}

/* Whoever gives no answer failed to answer in time, the PIM says, whatever the reason; and what is no error
 * was sent, be it a redirect. An error shows the headers of the request. */
void event_log_answered(struct event_log *l, const struct delivery *delivery, const struct message *message,
                        const struct answer *answer, uint64_t at_us)
{
    struct answer a = *answer;
    if (!l || l->scene.plan->items[delivery->first].source == PLAN_REACHABILITY)
        return;
    if (a.outcome != OUTCOME_ANSWERED && a.outcome != OUTCOME_OUTAGE)
        a.status = 0;
    begin_request(l, at_us, &a);
    if (a.status) {
        buf_printf(&l->line, ",\"status_code\":%u,\"headers\":", a.status);
        if (a.status >= 400)
            put_request_headers(l, message);
        else
            put_headers(&l->line, a.head);
    }
    buf_puts(&l->line, ",\"events\":[");
    for (size_t i = 0; i < delivery->count; i++) {
        buf_puts(&l->line, i ? "," : "");
        put_event(l, &l->scene.plan->items[delivery->first + i]);
    }
    buf_puts(&l->line, "]}");
    end_line(l);
}

/* ---- decisions ---------------------------------------------------------------------------- */

/* The PIM counts its requests by the minute: pauses that are less than a minute apart are one. */
static void log_pause(struct event_log *l, const struct notice *notice)
{
    bool quiet = notice->at_us < l->quiet_until_us;
    l->quiet_until_us = notice->until_us + COUNTED_BY_US;
    if (quiet)
        return;
    begin_line(l, notice->at_us, "WARNING The maximum number of requests per hour has been reached.");
    buf_puts(&l->line, "[]");
    end_line(l);
}

void event_log_notice(struct event_log *l, const struct notice *notice)
{
    if (!l)
        return;
    if (notice->kind == NOTICE_PAUSED)
        log_pause(l, notice);
    for (size_t i = 0; i < notice->count && notice->kind == NOTICE_WITHHELD; i++) {
        begin_line(l, notice->at_us,
                   "NOTICE The event was not sent because it was raised by the same connection.");
        buf_puts(&l->line, "{\"event\":");
        put_event(l, &l->scene.plan->items[notice->first + i]);
        buf_putc(&l->line, '}');
        end_line(l);
    }
}
