/* source: see source.h. */
#include "source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "clock.h"
#include "fetch.h"
#include "intern.h"
#include "json.h"
#include "limits.h"
#include "process.h"
#include "sink.h"

#define TIMEOUT_US     10000000 /* for one URL or command, when the options say nothing */
#define PAGES_US_MAX   60000000 /* all pages of a URL together */
#define STATE_MIB_MAX  (STATE_BYTES_MAX >> 20)
#define NEXT_BYTES_MAX 4096 /* a longer link is none */

struct source {
    struct loop *loop;
    enum source_kind kind;
    char name[32];
    const char *what; /* the URL, or the command */
    uint64_t timeout_us;
    struct look look;

    /* a URL */
    struct fetch *fetch;
    const char *headers[FETCH_HEADERS_MAX];
    size_t header_count;
    struct buf next; /* the page after the one that was answered last; empty: none */
    bool answered;

    /* the sink */
    struct sink *sink;
    uint64_t calls; /* how many it had at the last look */
    bool was_seen;
};

/* ---- failures ------------------------------------------------------------------------------- */

/* How much a failure counts: one that may pass by itself, one that hardly will or took long, one that stays.
 */
enum weight { PASSING = 1, STUBBORN = 2, LASTING = LOOK_FAILURES_MAX };

static void fail(struct source *s, enum weight weight, const char *fmt, ...) PRINTF_LIKE(3, 4);

static void fail(struct source *s, enum weight weight, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(s->look.failure, sizeof s->look.failure, fmt, args);
    va_end(args);
    s->look.failures = weight;
}

static bool failed(const struct source *s)
{
    return *s->look.failure != '\0';
}

static void end_page(void *arg)
{
    struct source *s = arg;
    struct look *look = &s->look;
    look->page_ends = mem_grow(look->page_ends, &look->page_cap, look->page_count, sizeof *look->page_ends);
    look->page_ends[look->page_count++] = look->bytes.len;
}

/* ---- the next page -------------------------------------------------------------------------- */

/* Where a JSON page may name the next one: a string. */
static const char *const next_pointers[] = {
    "/next",        "/links/next",      "/_links/next/href", /* HAL, and Akeneo's own */
    "/_links/next", "/links/next/href", "/meta/next",        "/pagination/next",
    "/paging/next", "/next_page_url", /* Laravel */
    "/next_url",    "/nextLink",        "/@odata.nextLink",
};

/* Does the list of words, quoted or not, hold "next"? Parameters are "rel=next; title=…". */
static bool is_rel_next(struct span params)
{
    const char *at = params.data, *end = at + params.len;
    while (at < end) {
        at += strspn(at, ";, \t");
        struct span name = {at, strcspn(at, "=;,")};
        at += name.len;
        if (*at != '=')
            continue;
        bool quoted = *++at == '"';
        at += quoted;
        struct span value = {at, strcspn(at, quoted ? "\"" : ";,")};
        at += value.len + (quoted && at[value.len]);
        if (name.len != 3 || strncasecmp(name.data, "rel", 3) != 0)
            continue;
        for (size_t i = 0, len; i < value.len; i += len + 1) {
            len = strcspn(value.data + i, " \";,");
            if (len == 4 && strncasecmp(value.data + i, "next", 4) == 0)
                return true;
        }
    }
    return false;
}

/* Link: <https://…?page=1>; rel="prev", <https://…?page=3>; rel="next" */
static void put_next_of_links(const char *links, struct buf *next)
{
    for (const char *open = strchr(links, '<'); open; open = strchr(open + 1, '<')) {
        const char *close = strchr(open, '>');
        if (!close)
            return;
        const char *stop = strchr(close, '<');
        struct span params = {close + 1, stop ? (size_t)(stop - close - 1) : strlen(close + 1)};
        if (is_rel_next(params)) {
            buf_put(next, open + 1, (size_t)(close - open - 1));
            return;
        }
    }
}

/* A number or a cursor is no link. */
static bool is_link(struct span text)
{
    return text.len && (memchr(text.data, '/', text.len) || memchr(text.data, '?', text.len)) &&
           !memchr(text.data, ' ', text.len);
}

static void put_next_of_page(struct span page, struct buf *next)
{
    struct json_doc doc = {0};
    struct buf scratch;
    struct err err;
    size_t at = 0;
    while (at < page.len && strchr(" \t\r\n", page.data[at]) && page.data[at])
        at++;
    if (at == page.len || page.data[at] != '{' || !memmem(page.data, page.len, "next", 4) ||
        !json_parse(&doc, "page", page, JSON_STRICT, &err)) {
        json_reset(&doc);
        return;
    }
    buf_init(&scratch, STATE_BYTES_MAX);
    for (size_t i = 0; next->len == 0 && i < COUNT_OF(next_pointers); i++) {
        struct span link = json_string(&doc, json_pointer(&doc, next_pointers[i]), &scratch);
        if (is_link(link))
            buf_put_span(next, link);
        buf_clear(&scratch);
    }
    buf_reset(&scratch);
    json_reset(&doc);
}

/* ---- URLs ----------------------------------------------------------------------------------- */

static void on_answer(void *arg, const struct fetched *f)
{
    struct source *s = arg;
    bool refused = f->status >= 300 && f->status < 500 && f->status != 429;
    s->answered = true;
    put_next_of_links(f->links, &s->next);
    if (*f->why)
        fail(s, !buf_ok(&s->look.bytes) ? LASTING : f->late || refused ? STUBBORN : PASSING, "%s", f->why);
}

static bool fetch(struct source *s, struct err *err)
{
    s->answered = false;
    buf_clear(&s->next);
    if (!fetch_send(s->fetch, s->headers, s->header_count, (struct span){0}, on_answer, s, err))
        return false;
    while (!s->answered && !loop_interrupted(s->loop))
        if (!loop_turn(s->loop, UINT64_MAX, err))
            return false;
    if (!s->answered)
        fail(s, LASTING, "it was interrupted");
    return true;
}

/* Turn to a page that was not seen in this look; a failure says why that is not possible. */
static void turn_to_page(struct source *s, const char *reference, struct interns *seen, uint64_t until_us)
{
    struct err err;
    struct buf url;
    buf_init(&url, 1 << 20);
    size_t pages = s->look.page_count;
    if (!fetch_turn_to(s->fetch, reference, &url, &err)) {
        fail(s, LASTING, "the next page after page %zu cannot be read: %.300s", pages, err.text);
    } else if (intern_find(seen, buf_span(&url)) != INTERN_NONE) {
        fail(s, LASTING, "its pages lead in a circle: page %zu names page %u as the next", pages,
             intern_find(seen, buf_span(&url)) + 1);
    } else if (pages == STATE_PAGES_MAX) {
        fail(s, LASTING, "it has more than %u pages", STATE_PAGES_MAX);
    } else if (clock_mono_us() > until_us) {
        fail(s, LASTING, "its pages took longer than %u s: %zu came, %zu bytes", PAGES_US_MAX / 1000000,
             pages, s->look.bytes.len);
    }
    intern(seen, buf_span(&url));
    buf_reset(&url);
}

static bool look_at_url(struct source *s, const struct idents *idents, struct err *err)
{
    (void)idents;
    uint64_t until_us = clock_mono_us() + PAGES_US_MAX;
    struct interns seen = {0};
    bool ok = true;
    buf_clear(&s->next);
    buf_puts(&s->next, s->what);
    while (ok && s->next.len) {
        size_t start = s->look.bytes.len;
        turn_to_page(s, buf_text(&s->next), &seen, until_us);
        if (failed(s))
            break;
        ok = fetch(s, err);
        end_page(s);
        if (failed(s))
            break;
        if (s->next.len == 0)
            put_next_of_page((struct span){s->look.bytes.data + start, s->look.bytes.len - start}, &s->next);
    }
    interns_reset(&seen);
    return ok;
}

/* "Name: value", as HTTP has it; our own Accept comes last, unless the user has one. */
static bool take_headers(struct source *s, const struct observe_options *o, struct err *err)
{
    bool accept = false;
    if (o->header_count >= FETCH_HEADERS_MAX)
        return err_set(err, "--state-header: at most %d", FETCH_HEADERS_MAX - 1);
    for (size_t i = 0; i < o->header_count; i++) {
        const char *line = o->headers[i];
        size_t name = strcspn(line, ": \t\r\n");
        if (name == 0 || line[name] != ':' || line[strcspn(line, "\r\n")])
            return err_set(err, "--state-header: \"%s\" is not \"Name: value\"", line);
        accept = accept || strncasecmp(line, "Accept:", 7) == 0;
        s->headers[s->header_count++] = line;
    }
    if (!accept)
        s->headers[s->header_count++] = "Accept: application/json, */*;q=0.5";
    return true;
}

static bool open_url(struct source *s, const struct observe_options *o, size_t index, struct err *err)
{
    const struct fetch_options options = {
        .url = o->urls[index],
        .timeout_us = s->timeout_us,
        .body = &s->look.bytes,
        .insecure = o->insecure,
        .allow_remote = o->allow_remote,
        .cacert = o->cacert,
    };
    s->what = o->urls[index];
    return take_headers(s, o, err) &&
           (fetch_open(&s->fetch, s->loop, &options, err) || err_wrap(err, "--state-url"));
}

/* ---- commands ------------------------------------------------------------------------------- */

/* The last line that says something. */
static void put_last_line(struct span text, struct buf *out)
{
    while (text.len && strchr(" \r\n", text.data[text.len - 1]))
        text.len--;
    const char *newline = text.len ? memrchr(text.data, '\n', text.len) : NULL;
    const char *start = newline ? newline + 1 : text.data;
    size_t len = (size_t)(text.data + text.len - start);
    if (len)
        buf_printf(out, ": %.*s", (int)(len < 200 ? len : 200), start);
}

static void note_end(struct source *s, const struct process *process)
{
    struct buf end;
    if (process_succeeded(process))
        return;
    buf_init(&end, 1024);
    process_put_end(process, &end);
    put_last_line(process_output(process), &end);
    fail(s, PASSING, "it %s", buf_text(&end));
    buf_reset(&end);
}

static bool look_at_command(struct source *s, const struct idents *idents, struct err *err)
{
    (void)idents;
    uint64_t now_us = clock_mono_us(), until_us = now_us + s->timeout_us;
    struct process *process;
    bool ok = process_start_for_output(&process, s->loop, s->what, &s->look.bytes, err);
    for (; ok && !process_exited(process) && now_us < until_us && !loop_interrupted(s->loop);
         now_us = clock_mono_us())
        ok = loop_turn(s->loop, until_us - now_us, err);
    if (!process)
        return false;
    if (loop_interrupted(s->loop))
        fail(s, LASTING, "it was interrupted");
    else if (!buf_ok(&s->look.bytes))
        fail(s, LASTING, "it printed more than %u MiB and was killed", STATE_MIB_MAX);
    else if (!process_exited(process))
        fail(s, STUBBORN, "it did not end within %.1f s and was killed", (double)s->timeout_us / 1e6);
    else
        note_end(s, process);
    process_kill(process); /* and what it may have left */
    process_stop(process);
    end_page(s);
    return ok;
}

static bool open_command(struct source *s, const struct observe_options *o, size_t index, struct err *err)
{
    s->what = o->commands[index];
    return s->what[strspn(s->what, " \t\n")] || err_set(err, "--state-cmd: there is no command");
}

/* ---- the sink ------------------------------------------------------------------------------- */

static bool look_at_sink(struct source *s, const struct idents *idents, struct err *err)
{
    (void)err;
    if (sink_is_full(s->sink))
        fail(s, LASTING, "it received more than %u MiB", STATE_MIB_MAX);
    else
        sink_put_state(s->sink, idents, &s->look.bytes, end_page, s);
    if (!buf_ok(&s->look.bytes))
        fail(s, LASTING, "it holds more than %u MiB", STATE_MIB_MAX);
    return true;
}

static bool open_sink(struct source *s, const struct observe_options *o, size_t index, struct err *err)
{
    (void)index;
    struct sink_options options = {.port = o->sink_port,
                                   .answers = o->sink_answers,
                                   .answer_count = o->sink_answer_count,
                                   .sets = o->sink_sets,
                                   .set_count = o->sink_sets_count};
    return sink_open(&s->sink, s->loop, &options, err);
}

/* ---- all kinds ------------------------------------------------------------------------------ */

static const struct {
    const char *name;
    bool (*open)(struct source *source, const struct observe_options *options, size_t index, struct err *err);
    bool (*look)(struct source *source, const struct idents *idents, struct err *err);
} kinds[SOURCE_KIND_COUNT] = {
    [SOURCE_URL] = {"state-url", open_url, look_at_url},
    [SOURCE_COMMAND] = {"state-cmd", open_command, look_at_command},
    [SOURCE_SINK] = {"sink", open_sink, look_at_sink},
};

bool source_open(struct source **source, struct loop *loop, const struct observe_options *options,
                 enum source_kind kind, size_t index, struct err *err)
{
    struct source *s = mem_alloc(sizeof *s);
    *s = (struct source){.loop = loop, .kind = kind};
    s->timeout_us = options->timeout_us ? options->timeout_us : TIMEOUT_US;
    snprintf(s->name, sizeof s->name, kind == SOURCE_SINK ? "%s" : "%s %zu", kinds[kind].name, index + 1);
    buf_init(&s->look.bytes, STATE_BYTES_MAX);
    buf_init(&s->next, NEXT_BYTES_MAX);
    *source = s;
    if (kinds[kind].open(s, options, index, err))
        return true;
    source_close(s);
    *source = NULL;
    return false;
}

void source_close(struct source *s)
{
    if (!s)
        return;
    fetch_close(s->fetch);
    sink_close(s->sink);
    buf_reset(&s->next);
    buf_reset(&s->look.bytes);
    free(s->look.page_ends);
    free(s);
}

const char *source_name(const struct source *source)
{
    return source->name;
}

uint16_t source_port(const struct source *source)
{
    return source->sink ? sink_port(source->sink) : 0;
}

bool source_look(struct source *s, const struct idents *idents, struct look **look, struct err *err)
{
    *look = &s->look;
    s->look.unchanged = s->sink && s->was_seen && s->calls == sink_calls(s->sink);
    if (s->look.unchanged)
        return true;
    s->look.failure[0] = '\0';
    s->look.failures = 0;
    s->look.page_count = 0;
    buf_clear(&s->look.bytes);
    s->calls = s->sink ? sink_calls(s->sink) : 0;
    s->was_seen = true;
    return kinds[s->kind].look(s, idents, err);
}

void source_rest(struct source *s, bool forget)
{
    buf_reset(&s->look.bytes);
    s->was_seen = false;
    if (s->sink && forget)
        sink_forget(s->sink);
}
