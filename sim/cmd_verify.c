/* verify: is a captured request signed right, and if not, which mistake explains its signature?
 *
 * It judges as a receiver would: AEP's request is valid when one of its two headers verifies. The mistakes
 * are sign_mistakes.def's, and what capturing tools and configuration files do to bodies and secrets. */
#include "capture.h"
#include "clock.h"
#include "cmd.h"
#include "limits.h"
#include "profile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STALE_S   300 /* the window that receivers usually allow */
#define NOTES_MAX 8

/* One signature header, and the secret that it should be made with. */
struct check {
    const char *header;
    struct span secret, got;
    bool present, valid;
    char expected[SIGN_HEX_SIZE];
};

struct explanation {
    const char *name, *sentence, *fix;
};

struct inquiry {
    const struct profile *profile;         /* NULL: no header tells the platform */
    const struct profile *wanted;          /* --platform's, or NULL */
    struct buf request, body_file, moment; /* what the spans below borrow */
    struct capture capture;
    const char *timestamp; /* NULL: missing */
    struct span body, secret, secondary;
    struct check checks[2];
    size_t check_count;
    bool valid;
    struct explanation why; /* name NULL: unexplained */
    char notes[NOTES_MAX][240];
    size_t note_count;
};

static void note(struct inquiry *q, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void note(struct inquiry *q, const char *fmt, ...)
{
    if (q->note_count == NOTES_MAX)
        return;
    va_list args;
    va_start(args, fmt);
    vsnprintf(q->notes[q->note_count++], sizeof q->notes[0], fmt, args);
    va_end(args);
}

/* ---- what was captured ------------------------------------------------------------------------ */

static bool check_usage(const struct options *options, struct err *err)
{
    int forms = !!options->request + !!options->headers + !!options->signature;
    if (!options->secret)
        return err_set(err, "no secret: give --secret, PIMSIM_SECRET, or \"secret\" in pimsim.json");
    if (forms != 1)
        return err_set(err, "give one of --request FILE, --headers FILE or --signature HEX");
    if (options->request && options->body)
        return err_set(err, "--request holds the body: leave out --body");
    if (!options->request && !options->body)
        return err_set(err, "--body FILE is missing (/dev/null for an empty body)");
    if (options->timestamp && !options->signature)
        return err_set(err, "--timestamp belongs to --signature; a captured request has its own");
    if (options->headers && strcmp(options->headers, "-") == 0 && strcmp(options->body, "-") == 0)
        return err_set(err, "--headers and --body cannot both be stdin");
    return true;
}

static const struct profile *profile_in(const struct capture *capture)
{
    for (enum platform_id id = 0; id < PLATFORM_COUNT; id++) {
        const struct profile *p = profile_get(id);
        if (capture_header(capture, p->signature_header) ||
            (p->secondary_header && capture_header(capture, p->secondary_header)))
            return p;
    }
    return NULL;
}

static void add_check(struct inquiry *q, const char *header, struct span secret)
{
    const struct span *got = capture_header(&q->capture, header);
    q->checks[q->check_count++] = (struct check){
        .header = header, .secret = secret, .got = got ? *got : span_of(""), .present = got != NULL};
}

static void note_algorithm(struct inquiry *q)
{
    if (!q->profile->algorithm_line)
        return;
    const char *colon = strchr(q->profile->algorithm_line, ':');
    char name[64];
    snprintf(name, sizeof name, "%.*s", (int)(colon - q->profile->algorithm_line),
             q->profile->algorithm_line);
    const struct span *algorithm = capture_header(&q->capture, name);
    if (!algorithm)
        note(q, "the header %s is missing", name);
    else if (!span_equals(*algorithm, colon + 2))
        note(q, "the header %s is not %s", name, colon + 2);
}

static bool read_capture(const struct options *options, struct inquiry *q, struct err *err)
{
    const char *path = options->request ? options->request : options->headers;
    struct span body;
    if (!buf_read_file(&q->request, path, err))
        return false;
    if (options->body && !buf_read_file(&q->body_file, options->body, err))
        return false;
    body = buf_span(&q->body_file);
    if (!capture_parse(&q->capture, path, buf_span(&q->request), options->body ? &body : NULL, err))
        return false;
    q->body = q->capture.body;
    if (q->capture.note[0])
        note(q, "%s", q->capture.note);
    const struct profile *found = profile_in(&q->capture);
    q->profile = found ? found : q->wanted;
    const struct span *moment = capture_header(&q->capture, profile_events_api.timestamp_header);
    if (moment) {
        buf_put_span(&q->moment, *moment);
        q->timestamp = buf_text(&q->moment);
    }
    if (!q->profile)
        return true;
    add_check(q, q->profile->signature_header, q->secret);
    const char *second = q->profile->secondary_header;
    if (second && capture_header(&q->capture, second))
        add_check(q, second, q->secondary.len ? q->secondary : q->secret);
    note_algorithm(q);
    return true;
}

static bool read_parts(const struct options *options, struct inquiry *q, struct err *err)
{
    if (!buf_read_file(&q->body_file, options->body, err))
        return false;
    q->body = buf_span(&q->body_file);
    q->profile = q->wanted;
    if (!q->profile) {
        q->profile = options->timestamp ? &profile_events_api : &profile_aep;
        note(q, "taken as a request of %s; --platform says otherwise", q->profile->title);
    }
    if (options->timestamp) {
        int64_t wall_us;
        if (!clock_parse(options->timestamp, &wall_us, err))
            return err_wrap(err, "--timestamp");
        buf_printf(&q->moment, "%lld", (long long)(wall_us / 1000000));
        q->timestamp = buf_text(&q->moment);
    }
    q->checks[q->check_count++] = (struct check){
        .header = "--signature", .secret = q->secret, .got = span_of(options->signature), .present = true};
    return true;
}

/* ---- judging it ------------------------------------------------------------------------------- */

static void note_time(struct inquiry *q)
{
    if (!q->profile->timestamp_header)
        return;
    int64_t wall_us;
    struct err ignored;
    if (!q->timestamp) {
        note(q, "the timestamp (%s) is missing", q->profile->timestamp_header);
    } else if (q->timestamp[strspn(q->timestamp, "0123456789")] ||
               !clock_parse(q->timestamp, &wall_us, &ignored)) {
        note(q, "the timestamp is not in Unix seconds");
    } else {
        long long age_s = (long long)((clock_wall_us() - wall_us) / 1000000);
        unsigned long long away_s = (unsigned long long)llabs(age_s);
        bool days = away_s >= 2 * 86400, minutes = away_s < 2 * 3600;
        if (away_s > STALE_S)
            note(q, "the timestamp is %llu %s %s: a receiver that guards against replays refuses it",
                 away_s / (days      ? 86400
                           : minutes ? 60
                                     : 3600),
                 days      ? "days"
                 : minutes ? "minutes"
                           : "hours",
                 age_s < 0 ? "ahead" : "old");
    }
}

static bool run_checks(struct inquiry *q, struct err *err)
{
    bool complete = !q->profile->timestamp_header || q->timestamp;
    for (size_t i = 0; i < q->check_count; i++) {
        struct check *check = &q->checks[i];
        struct signer *signer;
        if (!sign_new(&signer, check->secret, err))
            return false;
        sign_request(signer, q->profile->scheme, q->timestamp, q->body, check->expected);
        sign_free(signer);
        check->valid = complete && check->present && span_equals(check->got, check->expected);
        q->valid |= check->valid;
        if (!check->present)
            note(q, "the header %s is missing", check->header);
    }
    return true;
}

/* What stands around the body, the secret or the signature by accident. */
static const struct accident {
    struct explanation why;
    const char *secret_before, *secret_after, *body_after, *signature_before;
} accidents[] = {
    {.why = {"body-newline-lost", "signs the body with a newline at its end, which this capture lacks",
             "capture the body as it came; the platform's bodies end without one"},
     .body_after = "\n"},
    {.why = {"body-newline-lost", "signs the body with CR LF at its end, which this capture lacks",
             "capture the body as it came; the platform's bodies end without one"},
     .body_after = "\r\n"},
    {.why = {"signature-prefix", "writes sha256= before the signature", "write the hex digits alone"},
     .signature_before = "sha256="},
    {.why = {"secret-newline", "has CR LF at the end of its secret", "trim the secret where it is read"},
     .secret_after = "\r\n"},
    {.why = {"secret-space", "has a space before its secret", "trim the secret where it is read"},
     .secret_before = " "},
    {.why = {"secret-space", "has spaces around its secret", "trim the secret where it is read"},
     .secret_before = " ",
     .secret_after = " "},
    {.why = {"secret-quoted", "has double quotes around its secret",
             "take the quotes out of its configuration"},
     .secret_before = "\"",
     .secret_after = "\""},
    {.why = {"secret-quoted", "has single quotes around its secret",
             "take the quotes out of its configuration"},
     .secret_before = "'",
     .secret_after = "'"},
};

static void put_around(struct buf *out, const char *before, struct span text, const char *after)
{
    buf_puts(out, before ? before : "");
    buf_put_span(out, text);
    buf_puts(out, after ? after : "");
}

/* Is this what the header would say, had the accident happened to a sender with this secret? */
static bool explains(const struct accident *a, const struct inquiry *q, struct span secret, struct span sent,
                     struct span got)
{
    struct buf key, body, text;
    struct signer *signer = NULL;
    struct err ignored;
    buf_init(&key, SECRET_BYTES_MAX);
    buf_init(&body, FILE_BYTES_MAX + 2);
    buf_init(&text, SIGN_MISTAKEN_SIZE);
    put_around(&key, a->secret_before, secret, a->secret_after);
    put_around(&body, "", sent, a->body_after);
    bool ok = buf_ok(&key) && sign_new(&signer, buf_span(&key), &ignored);
    if (ok) {
        char hex[SIGN_HEX_SIZE];
        sign_request(signer, q->profile->scheme, q->timestamp, buf_span(&body), hex);
        put_around(&text, a->signature_before, span_of(hex), "");
        ok = span_same(got, buf_span(&text));
    }
    sign_free(signer);
    buf_reset(&key);
    buf_reset(&body);
    buf_reset(&text);
    return ok;
}

static struct explanation explain(const struct inquiry *q, const struct check *check, struct span body)
{
    char text[SIGN_MISTAKEN_SIZE];
    for (enum sign_mistake m = 0; m < MISTAKE_COUNT; m++)
        if (sign_mistaken(m, q->profile->scheme, check->secret, q->secondary, q->timestamp, body, text) &&
            span_equals(check->got, text))
            return (struct explanation){sign_mistake_name(m), sign_mistake_sentence(m), sign_mistake_fix(m)};
    for (size_t i = 0; i < COUNT_OF(accidents); i++)
        if (explains(&accidents[i], q, check->secret, body, check->got))
            return accidents[i].why;
    if (!span_same(check->secret, q->secret) &&
        explains(&(struct accident){0}, q, q->secret, body, check->got))
        return (struct explanation){"primary-secret", "makes the secondary signature with the primary secret",
                                    "swap the secrets, there or in what verify is given"};
    return (struct explanation){0};
}

/* The same for the body without the line end that an editor or a shell may have put after it. */
static struct explanation explain_without_line_end(struct inquiry *q, const struct check *check)
{
    struct span body = q->body;
    while (body.len && strchr("\r\n", body.data[body.len - 1]))
        body.len--;
    if (body.len == q->body.len)
        return (struct explanation){0};
    if (explains(&(struct accident){0}, q, check->secret, body, check->got))
        return (struct explanation){"body-newline-added",
                                    "signs the body without the line end that this capture has after it",
                                    "capture the body as it came, or keep its Content-Length"};
    struct explanation why = explain(q, check, body);
    if (why.name)
        note(q, "the body that was signed lacks the line end that this capture has after it");
    return why;
}

static bool judge(struct inquiry *q, struct err *err)
{
    if (!q->profile) {
        note(q, "no signature: neither %s (Events API) nor %s (AEP) is there",
             profile_events_api.signature_header, profile_aep.signature_header);
        return true;
    }
    if (!run_checks(q, err))
        return false;
    note_time(q);
    bool foreign = q->wanted && q->wanted != q->profile;
    if (foreign && q->valid)
        q->why = (struct explanation){"other-headers", "sends the other platform's headers and signature",
                                      "choose the platform that the connector is written for"};
    if (foreign)
        note(q, "these are the headers of %s, not of %s", q->profile->title, q->wanted->title);
    q->valid = q->valid && !foreign;
    for (size_t i = 0; i < q->check_count && !q->valid && !q->why.name; i++)
        if (q->checks[i].present) {
            q->why = explain(q, &q->checks[i], q->body);
            if (!q->why.name)
                q->why = explain_without_line_end(q, &q->checks[i]);
        }
    if (q->valid && q->check_count == 2 && !q->checks[0].valid)
        note(q, "%s does not verify: the secrets are being changed", q->checks[0].header);
    else if (q->valid && q->check_count == 2 && !q->checks[1].valid && q->secondary.len)
        note(q, "%s does not verify with the secondary secret", q->checks[1].header);
    return true;
}

/* ---- saying it --------------------------------------------------------------------------------- */

/* Text from elsewhere, fit for a terminal. */
static void put_visible(struct buf *out, struct span text)
{
    size_t max = SIGN_MISTAKEN_SIZE;
    for (size_t i = 0; i < text.len && i < max; i++)
        buf_putc(out, text.data[i] >= ' ' && text.data[i] <= '~' ? text.data[i] : '?');
    if (text.len > max)
        buf_printf(out, "... (%zu characters)", text.len);
}

static void put_text(const struct inquiry *q, struct buf *out)
{
    buf_puts(out, q->valid ? "valid" : "not valid");
    if (q->profile)
        buf_printf(out, ": a request of %s, %zu bytes of body", q->profile->title, q->body.len);
    buf_putc(out, '\n');
    for (size_t i = 0; i < q->check_count; i++) {
        const struct check *check = &q->checks[i];
        if (!check->present)
            continue;
        buf_printf(out, "  %s: %s\n", check->header, check->valid ? "right" : "wrong");
        if (check->valid)
            continue;
        buf_puts(out, "    it says   ");
        put_visible(out, check->got);
        buf_printf(out, "\n    expected  %s\n", check->expected);
    }
    if (q->why.name)
        buf_printf(out, "The signature matches a sender or connector that %s. Fix: %s.\n", q->why.sentence,
                   q->why.fix);
    else if (!q->valid && q->check_count && q->checks[0].present)
        buf_puts(out, "No known mistake explains it: another secret, or not the bytes that were signed.\n");
    for (size_t i = 0; i < q->note_count; i++)
        buf_printf(out, "note: %s\n", q->notes[i]);
}

static void put_json(const struct inquiry *q, struct buf *out)
{
    struct json_writer w;
    json_begin(&w, out, true);
    json_open(&w, NULL, '{');
    json_put_bool(&w, "valid", q->valid);
    json_put(&w, "platform", q->profile ? platform_names[q->profile->id] : NULL);
    json_open(&w, "signatures", '[');
    for (size_t i = 0; i < q->check_count; i++) {
        const struct check *check = &q->checks[i];
        json_open(&w, NULL, '{');
        json_put(&w, "header", check->header);
        json_put_bool(&w, "valid", check->valid);
        if (check->present)
            json_put_bytes(&w, "got", check->got);
        else
            json_put(&w, "got", NULL);
        json_put(&w, "expected", check->expected);
        json_close(&w, '}');
    }
    json_close(&w, ']');
    if (q->why.name) {
        json_open(&w, "mistake", '{');
        json_put(&w, "name", q->why.name);
        json_put(&w, "sentence", q->why.sentence);
        json_put(&w, "fix", q->why.fix);
        json_close(&w, '}');
    } else {
        json_put(&w, "mistake", NULL);
    }
    json_open(&w, "notes", '[');
    for (size_t i = 0; i < q->note_count; i++)
        json_put(&w, NULL, q->notes[i]);
    json_close(&w, ']');
    json_close(&w, '}');
    buf_putc(out, '\n');
}

bool cmd_verify(const struct options *options, enum exit_code *code, struct err *err)
{
    struct inquiry q = {.secret = span_of(options->secret), .secondary = span_of(options->secret_secondary)};
    struct buf out;
    buf_init(&q.request, FILE_BYTES_MAX);
    buf_init(&q.body_file, FILE_BYTES_MAX);
    buf_init(&q.moment, FILE_BYTES_MAX);
    buf_init(&out, 1 << 20);
    bool ok = false;
    if (options->platform) {
        enum platform_id id;
        if (!cmd_platform(options, &id, err))
            goto out;
        q.wanted = profile_get(id);
    }
    if (!check_usage(options, err))
        goto out;
    if (!(options->signature ? read_parts(options, &q, err) : read_capture(options, &q, err)))
        goto out;
    if (!judge(&q, err))
        goto out;
    if (strcmp(options->format, "json") == 0)
        put_json(&q, &out);
    else
        put_text(&q, &out);
    cmd_print(&out);
    *code = q.valid ? EXIT_CONFORMS : EXIT_FAILS;
    ok = true;
out:
    capture_reset(&q.capture);
    buf_reset(&q.request);
    buf_reset(&q.body_file);
    buf_reset(&q.moment);
    buf_reset(&out);
    return ok;
}
