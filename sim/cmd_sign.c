/* sign: print requests as the platform would send them.
 *
 * Everything is a function of the options and a seed, so that a sample can be had again: with --seed and
 * without --timestamp the moment is the start of 2026. Results go through stdio's buffer; main tells when
 * they did not arrive. */
#include "clock.h"
#include "cmd.h"
#include "edit.h"
#include "limits.h"
#include "message.h"
#include "rng.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEEDED_MOMENT_US INT64_C(1767225600000000) /* 2026-01-01T00:00:00Z */
#define ENTITY_AGE_US    (INT64_C(30) * 86400 * 1000000)
#define CURL_BODY_MAX    100000u /* the kernel takes 128 KiB an argument */
#define HEADER_NAME_MAX  128     /* as AEP allows for custom headers */

struct target {
    struct span host, path; /* the path may lack its first slash */
};

struct sampler {
    const struct options *options;
    const struct profile *profile;
    struct settings settings;
    struct data *data;
    struct fixture *fixture; /* NULL for --body and for the Test button */
    struct composer *composer;
    struct edits edits; /* --set */
    struct target target;
    uint64_t seed;
    int64_t wall_us;
    bool test;           /* the Test button's request */
    struct buf captured; /* --body */
    struct buf event;
    struct message message;
};

/* ---- one request -------------------------------------------------------------------------------- */

static void render_event(struct sampler *s, uint64_t index)
{
    const struct event_type *type = fixture_type(s->fixture);
    bool created = type->change == CHANGE_CREATED;
    struct event_identity identity = {
        .time_us = s->wall_us,
        .created_us = created ? s->wall_us : s->wall_us - ENTITY_AGE_US,
        .subject = s->settings.subject,
        .source = s->settings.source,
        .identified = s->profile->id == PLATFORM_AEP && s->settings.send_identifier,
        .version = created ? 0 : 1,
    };
    if (s->options->event_id)
        snprintf(identity.id, sizeof identity.id, "%s", s->options->event_id);
    else if (s->profile->id == PLATFORM_AEP)
        rng_uuid7(s->seed, "event", index, s->wall_us, identity.id);
    else
        rng_uuid4(s->seed, "event", index, identity.id);
    rng_uuid4(s->seed, "entity", index, identity.entity.uuid);
    snprintf(identity.entity.code, sizeof identity.entity.code, "sample-%08x",
             (unsigned)(rng_hash(s->seed, "entity", index) & 0xffffffff));
    buf_clear(&s->event);
    event_render(s->fixture, NULL, &identity, &s->event);
}

static bool compose(struct sampler *s, uint64_t index, struct err *err)
{
    struct message *message = &s->message;
    if (s->test) {
        message_reachability(s->composer, message, s->wall_us);
        return true;
    }
    if (s->fixture) {
        render_event(s, index);
        if (!edits_apply(&s->edits, &s->event, err))
            return err_wrap(err, "--set");
        message_begin(s->composer, message);
        buf_put_span(message_event(s->composer, message), buf_span(&s->event));
        message_end(s->composer, message);
    } else {
        buf_clear(&message->body);
        buf_put_span(&message->body, buf_span(&s->captured));
    }
    if (!buf_ok(&message->body) || !buf_ok(&s->event))
        return err_set(err, "the body is larger than %u bytes", BODY_BYTES_MAX);
    message_sign(s->composer, message, VARIANT_NONE, s->wall_us);
    return true;
}

/* ---- its forms ---------------------------------------------------------------------------------- */

static void put_lines(const struct message *message, const char *line_end, struct buf *out)
{
    for (size_t i = 0; i < message->header_count; i++) {
        buf_puts(out, message_header(message, i));
        buf_puts(out, line_end);
    }
}

static void put_http(const struct sampler *s, struct buf *out)
{
    const struct message *m = &s->message;
    buf_printf(out, "%s %s%.*s HTTP/1.1\r\nHost: %.*s\r\n", m->method,
               s->target.path.len && s->target.path.data[0] == '/' ? "" : "/", (int)s->target.path.len,
               s->target.path.data, (int)s->target.host.len, s->target.host.data);
    put_lines(m, "\r\n", out);
    buf_printf(out, "Content-Length: %zu\r\n\r\n", m->body.len);
    buf_put_span(out, buf_span(&m->body));
}

static void put_headers(const struct sampler *s, struct buf *out)
{
    put_lines(&s->message, "\n", out);
}

static void put_body(const struct sampler *s, struct buf *out)
{
    buf_put_span(out, buf_span(&s->message.body));
}

/* The command that prints this body again, for a pipe. */
static void put_again(const struct sampler *s, struct buf *out)
{
    opts_command_line(s->options, CMD_SIGN, s->seed, out);
    buf_printf(out, " --timestamp %lld --as body | ", (long long)(s->wall_us / 1000000));
}

/* curl drops a header without value, unless it ends in ";" instead of ":". */
static void put_curl_header(const char *line, struct buf *out)
{
    const char *colon = strchr(line, ':');
    bool empty = colon[1 + strspn(colon + 1, " \t")] == '\0';
    char *text = mem_text_n(line, empty ? (size_t)(colon - line + 1) : strlen(line));
    if (empty)
        text[colon - line] = ';';
    buf_puts(out, " \\\n  -H ");
    opts_put_word(out, span_of(text));
    free(text);
}

static void put_curl(const struct sampler *s, struct buf *out)
{
    struct span body = buf_span(&s->message.body);
    bool file = s->options->body && strcmp(s->options->body, "-") != 0;
    /* curl reads what starts with @ from a file, and no argument holds a NUL. */
    bool in_word =
        body.len <= CURL_BODY_MAX && !memchr(body.data, '\0', body.len) && !(body.len && *body.data == '@');
    if (!in_word && s->fixture)
        put_again(s, out);
    buf_puts(out, "curl -i ");
    opts_put_word(out, span_of(s->options->sign_url));
    for (size_t i = 0; i < s->message.header_count; i++) {
        put_curl_header(message_header(&s->message, i), out);
    }
    buf_puts(out, " \\\n  --data-binary ");
    if (in_word) {
        opts_put_word(out, body);
    } else if (file) {
        buf_putc(out, '@');
        opts_put_word(out, span_of(s->options->body));
    } else {
        buf_puts(out, "@-");
        if (!s->fixture)
            fputs("pimsim sign: the body is no argument for a shell: pipe it into this command again\n",
                  stderr);
    }
    buf_putc(out, '\n');
}

static void put_json(const struct sampler *s, struct buf *out)
{
    const struct message *m = &s->message;
    struct json_writer w;
    json_begin(&w, out, false);
    json_open(&w, NULL, '{');
    json_put(&w, "method", m->method);
    json_put(&w, "url", s->options->sign_url);
    json_open(&w, "headers", '{');
    for (size_t i = 0; i < m->header_count; i++) {
        const char *line = message_header(m, i), *colon = strchr(line, ':');
        char name[HEADER_NAME_MAX + 1];
        snprintf(name, sizeof name, "%.*s", (int)(colon - line), line);
        json_put(&w, name, colon + 1 + strspn(colon + 1, " "));
    }
    json_close(&w, '}');
    message_put_body(m, &w);
    json_close(&w, '}');
    buf_putc(out, '\n');
}

typedef void form_fn(const struct sampler *s, struct buf *out);

static form_fn *find_form(const struct options *options)
{
    static const struct {
        const char *name;
        form_fn *put;
    } forms[] = {{"http", put_http},
                 {"curl", put_curl},
                 {"headers", put_headers},
                 {"body", put_body},
                 {"json", put_json}};
    for (size_t i = 0; i < COUNT_OF(forms); i++)
        if (strcmp(options->as, forms[i].name) == 0)
            return options->count && forms[i].put == put_http ? put_json : forms[i].put;
    return NULL;
}

/* ---- the options -------------------------------------------------------------------------------- */

static bool check_usage(const struct options *o, struct err *err)
{
    bool event = o->args.count > 0, test = event && strcmp(o->args.items[0], "test") == 0;
    if (event == !!o->body)
        return err_set(err, "give an EVENT (pimsim list events) or --body FILE");
    if ((test || !event) && (o->set.count || o->event_id))
        return err_set(err, "--set and --event-id change an event, and %s is none", test ? "test" : "--body");
    if (o->count && strcmp(o->as, "http") != 0 && strcmp(o->as, "json") != 0)
        return err_set(err, "--count prints JSON: leave out --as %s", o->as);
    if (o->count && o->event_id)
        return err_set(err, "--count gives every sample an id of its own: leave out --event-id");
    if (o->event_id && strlen(o->event_id) != UUID_SIZE - 1)
        return err_set(err, "--event-id: \"%s\" is no UUID (--set takes any value)", o->event_id);
    return true;
}

static bool read_target(const char *url, struct target *target, struct err *err)
{
    const char *host = strstr(url, "://");
    if (strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0)
        return err_set(err, "--target: a URL begins with http:// or https://");
    for (const char *c = url; *c; c++)
        if (*c <= ' ' || *c > '~')
            return err_set(err, "--target: a URL holds no spaces and nothing but ASCII");
    host += 3;
    size_t len = strcspn(host, "/?#");
    const char *user_end = memrchr(host, '@', len);
    target->path = (struct span){host + len, strcspn(host + len, "#")};
    if (user_end) {
        len -= (size_t)(user_end + 1 - host);
        host = user_end + 1;
    }
    target->host = (struct span){host, len};
    return len > 0 || err_set(err, "--target: the URL names no host");
}

static bool read_settings(struct sampler *s, struct err *err)
{
    const struct options *o = s->options;
    if (strcmp(o->as, "body") == 0 && !o->secret)
        s->settings.secret = span_of("unused"); /* a body shows no signature */
    if (!cmd_settings(o, s->profile->id, &s->settings, err))
        return false;
    s->seed = o->seed_set ? o->seed : rng_seed_fresh();
    s->wall_us =
        o->seed_set ? SEEDED_MOMENT_US : clock_wall_us() / 1000000 * 1000000; /* as --timestamp can say */
    if (o->timestamp && !clock_parse(o->timestamp, &s->wall_us, err))
        return err_wrap(err, "--timestamp");
    return read_target(o->sign_url, &s->target, err);
}

static bool read_what(struct sampler *s, struct err *err)
{
    const struct options *o = s->options;
    if (s->test)
        return true;
    edits_init(&s->edits, s->profile->style);
    if (o->body)
        return buf_read_file(&s->captured, o->body, err);
    if (!data_open(&s->data, o->data, err) ||
        !fixture_load(&s->fixture, s->data, o->args.items[0], s->profile->id, s->settings.pim_version, err))
        return false;
    for (size_t i = 0; i < o->set.count; i++)
        if (!edits_add(&s->edits, o->set.items[i], err))
            return err_wrap(err, "--set");
    return true;
}

static bool read_platform(struct sampler *s, struct err *err)
{
    const struct options *o = s->options;
    enum platform_id id;
    if (!cmd_platform(o, &id, err))
        return false;
    s->test = o->args.count && strcmp(o->args.items[0], "test") == 0;
    if (s->test && !o->platform)
        id = PLATFORM_EVENTS_API;
    s->profile = profile_get(id);
    if (s->test && !s->profile->reach_signed)
        return err_set(err, "test is the Test button of the Events API; %s checks with %s, unsigned",
                       s->profile->title, s->profile->reach_method);
    return true;
}

static void free_sampler(struct sampler *s)
{
    message_reset(&s->message);
    composer_free(s->composer);
    fixture_free(s->fixture);
    data_close(s->data);
    edits_reset(&s->edits);
    buf_reset(&s->captured);
    buf_reset(&s->event);
}

bool cmd_sign(const struct options *options, enum exit_code *code, struct err *err)
{
    struct sampler s = {.options = options};
    struct buf out;
    buf_init(&s.captured, BODY_BYTES_MAX);
    buf_init(&s.event, BODY_BYTES_MAX);
    buf_init(&out, FILE_BYTES_MAX * 2u);
    message_init(&s.message);
    bool ok = check_usage(options, err) && read_platform(&s, err) && read_settings(&s, err) &&
              read_what(&s, err) && composer_new(&s.composer, s.profile, &s.settings, err);
    form_fn *put = find_form(options);
    uint64_t count = options->count ? options->count : 1;
    for (uint64_t i = 0; ok && i < count && !ferror(stdout); i++) {
        ok = compose(&s, i, err);
        if (!ok)
            break;
        buf_clear(&out);
        put(&s, &out);
        cmd_print(&out);
    }
    *code = EXIT_CONFORMS;
    buf_reset(&out);
    free_sampler(&s);
    return ok;
}
