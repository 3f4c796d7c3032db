/* message: see message.h. Bytes are composed here and nowhere else. */
#include "message.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "limits.h"

#define LARGE_BODY_BYTES (1u << 20) /* form/large: ten full products get there */
#define DEEP_LEVELS      10000
#define OVER_LONG_DIGITS 4096
#define AHEAD_US         2000000 /* what a receiver with a narrow window takes for the future */
#define STALE_S          3600    /* far outside any window that a receiver may allow */

struct composer {
    const struct profile *profile;
    struct settings settings; /* its texts are borrowed */
    struct signer *primary, *secondary, *other, *empty;
    struct json_doc doc; /* for finding places in a body; its memory is kept */
    struct buf scratch;
};

bool composer_new(struct composer **composer, const struct profile *profile, const struct settings *settings,
                  struct err *err)
{
    struct composer *c = mem_alloc(sizeof *c);
    c->profile = profile;
    c->settings = *settings;
    buf_init(&c->scratch, BODY_BYTES_MAX);
    bool ok = sign_new(&c->primary, settings->secret, err) &&
              sign_new(&c->other, span_of("a-secret-that-the-connector-was-never-given"), err) &&
              sign_new(&c->empty, span_of(""), err);
    if (ok && profile->secondary_header && settings->secret_secondary.len)
        ok = sign_new(&c->secondary, settings->secret_secondary, err);
    if (!ok) {
        composer_free(c);
        c = NULL;
    }
    *composer = c;
    return ok;
}

void composer_free(struct composer *c)
{
    if (!c)
        return;
    sign_free(c->primary);
    sign_free(c->secondary);
    sign_free(c->other);
    sign_free(c->empty);
    json_reset(&c->doc);
    buf_reset(&c->scratch);
    free(c);
}

const struct profile *composer_profile(const struct composer *composer)
{
    return composer->profile;
}

void message_init(struct message *message)
{
    *message = (struct message){.method = "POST"};
    buf_init(&message->body, BODY_BYTES_MAX);
    buf_init(&message->lines, 64 << 10);
}

void message_reset(struct message *message)
{
    buf_reset(&message->body);
    buf_reset(&message->lines);
}

const char *message_header(const struct message *message, size_t index)
{
    const char *line = message->lines.data;
    while (index--)
        line += strlen(line) + 1;
    return line;
}

/* ---- the body ----------------------------------------------------------------------------- */

static const char wrapper[] = "{\"events\":[";

void message_begin(struct composer *c, struct message *message)
{
    message->method = "POST";
    buf_clear(&message->body);
    if (c->profile->event_wrapped)
        buf_puts(&message->body, wrapper);
}

struct buf *message_event(struct composer *c, struct message *message)
{
    if (c->profile->event_wrapped && message->body.len > strlen(wrapper))
        buf_putc(&message->body, ',');
    return &message->body;
}

void message_end(struct composer *c, struct message *message)
{
    if (c->profile->event_wrapped)
        buf_puts(&message->body, "]}");
}

void message_put_body(const struct message *message, struct json_writer *w)
{
    struct span body = buf_span(&message->body);
    if (json_is_utf8(body)) {
        json_put_bytes(w, "body", body);
        return;
    }
    struct buf text;
    buf_init(&text, 2 * BODY_BYTES_MAX);
    sign_base64(body, &text);
    json_put_bytes(w, "body_base64", buf_span(&text));
    buf_reset(&text);
}

/* ---- spoiling it -------------------------------------------------------------------------- */

/* A node of the first event, by its pointer within the event. */
static uint32_t in_event(const struct composer *c, const char *pointer)
{
    char full[128];
    snprintf(full, sizeof full, "%s%s", c->profile->event_wrapped ? "/events/0" : "", pointer);
    return json_pointer(&c->doc, full);
}

/* What was made in the scratch buffer is the body now. */
static void take_scratch(struct composer *c, struct message *message)
{
    struct buf old = message->body;
    message->body = c->scratch;
    c->scratch = old;
}

/* Replace bytes start … end of the body. */
static void splice(struct composer *c, struct message *message, size_t start, size_t end, struct span with)
{
    const struct buf *body = &message->body;
    buf_clear(&c->scratch);
    buf_put(&c->scratch, body->data, start);
    buf_put_span(&c->scratch, with);
    buf_put(&c->scratch, body->data + end, body->len - end);
    take_scratch(c, message);
}

/* Add a member at the front of an object. */
static void add_member(struct composer *c, struct message *message, uint32_t object, const char *name,
                       struct span value)
{
    if (json_type(&c->doc, object) != JSON_OBJECT)
        return;
    struct buf member;
    buf_init(&member, BODY_BYTES_MAX);
    buf_printf(&member, "\"%s\":", name);
    buf_put_span(&member, value);
    if (json_count(&c->doc, object))
        buf_putc(&member, ',');
    size_t at = c->doc.nodes[object].start + 1;
    splice(c, message, at, at, buf_span(&member));
    buf_reset(&member);
}

/* Where an attribute more is none of the future: among an entity's values, if the event has any. */
static uint32_t find_values(const struct composer *c)
{
    static const char *const places[] = {"/data/resource/values", "/data/product/changes/values",
                                         "/data/product_model/changes/values", "/data"};
    for (size_t i = 0; i < COUNT_OF(places); i++) {
        uint32_t node = in_event(c, places[i]);
        if (json_type(&c->doc, node) == JSON_OBJECT)
            return node;
    }
    return in_event(c, "");
}

static void add_value(struct composer *c, struct message *message, const char *attribute, struct span data)
{
    struct buf value;
    buf_init(&value, BODY_BYTES_MAX);
    buf_puts(&value, c->profile->event_wrapped ? "[{\"locale\":null,\"scope\":null,\"data\":"
                                               : "[{\"previous\":null,\"type\":\"pim_catalog_textarea\","
                                                 "\"locale\":null,\"scope\":null,\"new\":");
    buf_put_span(&value, data);
    buf_puts(&value, "}]");
    add_member(c, message, find_values(c), attribute, buf_span(&value));
    buf_reset(&value);
}

static void add_large_value(struct composer *c, struct message *message)
{
    static const char words[] = "Double-stitched seams, tested for 10 000 openings. ";
    struct buf text;
    buf_init(&text, LARGE_BODY_BYTES + 1024);
    buf_putc(&text, '"');
    while (text.len + message->body.len < LARGE_BODY_BYTES)
        buf_puts(&text, words);
    buf_putc(&text, '"');
    add_value(c, message, "care_instructions", buf_span(&text));
    buf_reset(&text);
}

static void change_type(struct composer *c, struct message *message)
{
    char pointer[32];
    snprintf(pointer, sizeof pointer, "/%s", c->profile->type_member);
    uint32_t type = in_event(c, pointer);
    if (type != JSON_NONE)
        splice(c, message, c->doc.nodes[type].start, c->doc.nodes[type].end,
               span_of(c->profile->event_wrapped ? "\"product.reviewed\""
                                                 : "\"com.akeneo.pim.v1.product.reviewed\""));
}

static void malform(struct composer *c, struct message *message, enum fault_variant variant)
{
    struct buf *body = &message->body;
    switch (variant) {
    case VARIANT_MALFORM_CUT:
        body->len = body->len * 2 / 3;
        body->data[body->len] = '\0';
        break;
    case VARIANT_MALFORM_EMPTY:
        buf_clear(body);
        break;
    case VARIANT_MALFORM_WRONG_TYPE:
        buf_clear(body);
        buf_puts(body, "\"events\"");
        break;
    case VARIANT_MALFORM_DEEP:
        buf_clear(body);
        for (int i = 0; i < DEEP_LEVELS; i++)
            buf_putc(body, '[');
        for (int i = 0; i < DEEP_LEVELS; i++)
            buf_putc(body, ']');
        break;
    case VARIANT_MALFORM_NOT_UTF8:
        add_value(c, message, "note", span_of("\"caf\xe9 \xff\xfe\""));
        break;
    case VARIANT_MALFORM_UNKNOWN_TYPE:
        change_type(c, message);
        break;
    case VARIANT_MALFORM_UNKNOWN_FIELD:
        add_member(c, message, in_event(c, ""), "tenant", span_of("{\"region\":\"eu-west\",\"shard\":7}"));
        break;
    case VARIANT_MALFORM_LARGE:
        add_large_value(c, message);
        break;
    default:
        break;
    }
}

static bool spell_otherwise(struct composer *c, struct message *message, enum fault_variant variant,
                            struct err *err)
{
    struct json_style style = *c->profile->style;
    style.php_arrays = false; /* what is {} stays {}: only the spelling changes */
    style.escape_slash ^= variant == VARIANT_BYTES_SLASHES;
    style.escape_unicode ^= variant == VARIANT_BYTES_UNICODE;
    style.spaces = variant == VARIANT_BYTES_SPACES;
    style.reverse_keys = variant == VARIANT_BYTES_KEY_ORDER;
    buf_clear(&c->scratch);
    if (!json_respell(&c->doc, JSON_ROOT, &style, &c->scratch, err))
        return false;
    take_scratch(c, message);
    return true;
}

bool message_spoil(struct composer *c, struct message *message, enum fault_variant variant, struct err *err)
{
    enum fault_kind fault = variant_get(variant)->fault;
    if (fault != FAULT_MALFORM && fault != FAULT_BYTES)
        return true;
    if (!json_parse(&c->doc, "event", buf_span(&message->body), JSON_STRICT, err))
        return false;
    if (fault == FAULT_MALFORM)
        malform(c, message, variant);
    else if (variant == VARIANT_BYTES_NUMBERS)
        add_value(c, message, "dimensions", span_of("[1.0,1e3,9007199254740993,0.10]"));
    else if (!spell_otherwise(c, message, variant, err))
        return false;
    return buf_ok(&message->body) ||
           err_set(err, "%s makes the body larger than %u bytes", variant_get(variant)->name, BODY_BYTES_MAX);
}

/* ---- signature and headers ---------------------------------------------------------------- */

/* One signature header's value as it is sent; present says whether it is sent at all. */
struct signature {
    bool present;
    char text[OVER_LONG_DIGITS + 1];
};

/* Spoil a signature that is right so far. */
static void forge(struct composer *c, enum fault_variant variant, const char *timestamp, struct span body,
                  struct signature *s)
{
    switch (variant) {
    case VARIANT_FORGE_RANDOM:
        /* Well-formed, and nobody's: the signature of the signature. */
        sign_hex(c->other, &(struct span){s->text, strlen(s->text)}, 1, s->text);
        break;
    case VARIANT_FORGE_LAST_DIGIT:
        s->text[63] = s->text[63] == '0' ? '1' : '0';
        break;
    case VARIANT_FORGE_MISSING:
        s->present = false;
        break;
    case VARIANT_FORGE_OTHER_SECRET:
        sign_request(c->other, c->profile->scheme, timestamp, body, s->text);
        break;
    case VARIANT_FORGE_EMPTY_SECRET:
        sign_request(c->empty, c->profile->scheme, timestamp, body, s->text);
        break;
    case VARIANT_FORGE_EMPTY:
        s->text[0] = '\0';
        break;
    case VARIANT_FORGE_TRUNCATED:
        s->text[31] = '\0';
        break;
    case VARIANT_FORGE_OVER_LONG:
        memset(s->text, 'a', OVER_LONG_DIGITS);
        s->text[OVER_LONG_DIGITS] = '\0';
        break;
    case VARIANT_FORGE_NON_HEX:
        memset(s->text, 'z', 64);
        break;
    case VARIANT_FORGE_UPPER_CASE:
        for (char *p = s->text; *p; p++)
            if (*p >= 'a')
                *p = (char)(*p - 'a' + 'A');
        break;
    default:
        break;
    }
}

static void put_line(struct message *message, const char *name, const char *value)
{
    buf_puts(&message->lines, name);
    if (value) {
        buf_puts(&message->lines, ": ");
        buf_puts(&message->lines, value);
    }
    buf_putc(&message->lines, '\0');
    message->header_count++;
}

static void put_headers(const struct composer *c, const struct profile *p, struct message *message,
                        const char *timestamp, const struct signature *primary,
                        const struct signature *secondary)
{
    buf_clear(&message->lines);
    message->header_count = 0;
    put_line(message, "Content-Type", c->settings.content_type ? c->settings.content_type : p->content_type);
    put_line(message, "User-Agent", p->user_agent);
    if (primary->present)
        put_line(message, p->signature_header, primary->text);
    if (secondary->present)
        put_line(message, p->secondary_header, secondary->text);
    if (p->algorithm_line && (primary->present || secondary->present))
        put_line(message, p->algorithm_line, NULL);
    if (p->timestamp_header)
        put_line(message, p->timestamp_header, timestamp);
    for (size_t i = 0; i < c->settings.header_count; i++)
        put_line(message, c->settings.headers[i], NULL);
}

/* Change what was signed: another event id, so that it would be taken for a new event. A body that has
 * none that can be changed is one byte longer. */
static void tamper(struct composer *c, struct message *message)
{
    struct err err;
    uint32_t id = JSON_NONE;
    if (json_parse(&c->doc, "event", buf_span(&message->body), JSON_STRICT, &err))
        id = in_event(c, c->profile->event_wrapped ? "/event_id" : "/id");
    if (json_type(&c->doc, id) == JSON_STRING && json_raw(&c->doc, id).len > 2) {
        char *last = message->body.data + c->doc.nodes[id].end - 2;
        *last = *last == '0' ? '1' : '0';
    } else {
        buf_putc(&message->body, ' ');
    }
}

/* Unix seconds, as the Events API's timestamp header has them. */
static void format_timestamp(int64_t wall_us, char text[24])
{
    snprintf(text, 24, "%lld", (long long)(wall_us / 1000000));
}

/* The next secret is set as the secondary, then becomes the primary, and then the old one is removed. It is
 * the second secret; but while one that the connector knows comes second, the first is somebody else's, or
 * nothing would show whether the connector looks at both. */
static void rotate(const struct composer *c, enum fault_variant variant, const char *moment, struct span body,
                   struct signature *primary, struct signature *secondary)
{
    struct signer *next = c->secondary ? c->secondary : c->other;
    if (variant == VARIANT_ROTATE_ADDED) {
        secondary->present = true;
        sign_request(next, c->profile->scheme, moment, body, secondary->text);
    } else if (variant == VARIANT_ROTATE_SECONDARY) {
        *secondary = *primary;
        sign_request(c->other, c->profile->scheme, moment, body, primary->text);
    } else if (variant == VARIANT_ROTATE_REMOVED) {
        secondary->present = false;
        sign_request(next, c->profile->scheme, moment, body, primary->text);
    }
}

void message_sign(struct composer *c, struct message *message, enum fault_variant variant, int64_t wall_us)
{
    struct signature primary, secondary; /* not initialised: their 8 KiB would cost more than signing */
    primary.present = true;
    secondary.present = c->secondary != NULL;
    struct span body = buf_span(&message->body);
    char moment[24];
    format_timestamp(wall_us - (variant == VARIANT_FORGE_STALE ? (int64_t)STALE_S * 1000000 : 0), moment);

    sign_request(c->primary, c->profile->scheme, moment, body, primary.text);
    if (secondary.present)
        sign_request(c->secondary, c->profile->scheme, moment, body, secondary.text);
    if (c->profile->secondary_header)
        rotate(c, variant, moment, body, &primary, &secondary);
    forge(c, variant, moment, body, &primary);
    if (secondary.present)
        forge(c, variant, moment, body, &secondary);
    put_headers(c, c->profile, message, moment, &primary, &secondary);
    if (variant == VARIANT_FORGE_TAMPERED)
        tamper(c, message);
}

/* Mistakes about the headers around the signature: each request is rightly signed, for such a connector. */
static bool sign_otherwise(const struct composer *c, struct message *message, enum sign_mistake mistake,
                           int64_t wall_us)
{
    const struct profile *p = c->profile;
    struct signature primary = {.present = true}, none = {.present = false};
    char moment[24];
    format_timestamp(mistake == MISTAKE_TIMESTAMP_AHEAD ? wall_us + AHEAD_US : wall_us, moment);
    if (mistake == MISTAKE_TIMESTAMP_MS)
        snprintf(moment, sizeof moment, "%lld", (long long)(wall_us / 1000));
    if (mistake == MISTAKE_OTHER_HEADERS)
        p = profile_get(p->id == PLATFORM_AEP ? PLATFORM_EVENTS_API : PLATFORM_AEP);
    else if (!p->timestamp_header)
        return false;
    sign_request(c->primary, p->scheme, moment, buf_span(&message->body), primary.text);
    put_headers(c, p, message, moment, &primary, &none);
    return true;
}

bool message_sign_mistaken(struct composer *c, struct message *message, enum sign_mistake mistake,
                           int64_t wall_us)
{
    struct signature primary = {.present = true}, none = {.present = false};
    char moment[24];
    format_timestamp(wall_us, moment);
    if (mistake == MISTAKE_OTHER_HEADERS || mistake == MISTAKE_TIMESTAMP_MS ||
        mistake == MISTAKE_TIMESTAMP_AHEAD)
        return sign_otherwise(c, message, mistake, wall_us);
    bool applies =
        sign_mistaken(mistake, c->profile->scheme, c->settings.secret, c->settings.secret_secondary, moment,
                      buf_span(&message->body), primary.text);
    if (applies)
        put_headers(c, c->profile, message, moment, &primary, &none);
    return applies;
}

void message_reachability(struct composer *c, struct message *message, int64_t wall_us)
{
    message->method = c->profile->reach_method;
    buf_clear(&message->body);
    if (c->profile->reach_signed) {
        message_sign(c, message, VARIANT_NONE, wall_us);
        return;
    }
    buf_clear(&message->lines);
    message->header_count = 0;
    put_line(message, "User-Agent", c->profile->user_agent);
    for (size_t i = 0; i < c->settings.header_count; i++)
        put_line(message, c->settings.headers[i], NULL);
}
