/* connector: see connector.h.
 *
 * A request goes through receive(): authenticate, parse, read, store, acknowledge. What a step refuses ends
 * there with a reply. Everything slow happens afterwards, on a timer. (Some bugs put off storing, too.) */
#include "connector.h"

#include <cjson/cJSON.h>
#include <ctype.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "clock.h"
#include "httpd.h"
#include "inbox.h"
#include "limits.h"

#define DEFAULT_SECRET         "pimsim"
#define OWN_CLIENT_ID          "pimsim-connector" /* events that this author caused are ours: dropped */
#define TIMESTAMP_WINDOW_S     300
#define INBOX_EVENTS_MAX       50000
#define APPLY_EVERY_US         5000
#define APPLY_AFTER_FAILURE_US 1000000
#define MAC_BYTES              32
#define SECRETS_MAX            3
#define CACHED_SIGNATURES      4096    /* BUG_SIG_CACHED */
#define QUIET_US               50000   /* has_time() */
#define BUSY_US                2000000 /* has_time() */

enum sender { EVENTS_API, AEP };

struct connector {
    enum connector_bug bug;
    struct loop *loop;
    struct httpd *httpd;
    struct inbox *inbox;
    struct ask *ask; /* NULL: there is no PIM to ask */
    struct loop_timer apply_timer;
    EVP_MAC_CTX *mac;
    char *secrets[SECRETS_MAX]; /* any of them will do */
    size_t secret_count;
    size_t removal_count;     /* of the bugs: */
    int64_t minute;           /* BUG_OVERLOAD_503: of the latest event … */
    size_t in_minute;         /* … and how many there were of it */
    uint64_t serial_until_us; /* BUG_LOAD_SERIAL: when the work in hand is done */
    unsigned char (*cached)[MAC_BYTES];
    size_t cached_count;
    struct delivery *put_off;
    uint64_t active_us, busy_since_us; /* has_time() */
};

/* A request's events. What they consist of belongs to `root`. */
struct delivery {
    struct connector *connector;
    enum sender sender;
    cJSON *root;
    struct inbox_event *events;
    size_t count;
    struct httpd_request *request; /* of a bug that puts it off: to be answered then, or NULL */
    struct loop_timer timer;       /* not armed: it is not put off */
    struct delivery *next;
};

/* What to answer; status 0: nothing yet, go on. */
struct reply {
    unsigned status;
    const char *why; /* NULL: all is well */
    uint64_t delay_us;
};

#define GO_ON                ((struct reply){0})
#define REFUSE(code, reason) ((struct reply){.status = (code), .why = (reason)})

/* ---- the bugs ---------------------------------------------------------------------------- */

static const struct connector_bug_row bug_rows[] = {
#define BUG(id, name, rule_events_api, rule_aep, summary)                                                    \
    {BUG_##id, name, rule_events_api, rule_aep, summary},
#include "bugs.def"
#undef BUG
};

/* The bugs that are about what is kept are the inbox's. */
static const enum inbox_flaw inbox_flaws[BUG_END] = {
    [BUG_NO_DEDUP] = INBOX_NO_DEDUP,
    [BUG_COUNTS_TWICE] = INBOX_COUNTS_TWICE,
    [BUG_DEDUP_WINDOW] = INBOX_DEDUP_WINDOW,
    [BUG_DEDUP_REQUEST] = INBOX_DEDUP_REQUEST,
    [BUG_DEDUP_MEMORY] = INBOX_DEDUP_MEMORY,
    [BUG_MARK_FIRST] = INBOX_TRUSTS_LOOK_UP,
    [BUG_BATCH_LOOKUP] = INBOX_TRUSTS_LOOK_UP,
    [BUG_CHECK_THEN_INSERT] = INBOX_TRUSTS_LOOK_UP,
    [BUG_LAST_ARRIVAL] = INBOX_LAST_ARRIVAL,
    [BUG_RESURRECT] = INBOX_RESURRECT,
    [BUG_LATE_CREATE] = INBOX_LATE_CREATE,
    [BUG_PORT_IDENTIFIER] = INBOX_OWN_IDENTIFIER,
    [BUG_PORT_DELTA] = INBOX_TRUSTS_PAYLOAD,
    [BUG_PORT_TWICE] = INBOX_KEEPS_APART,
    [BUG_PORT_NEWCOMERS] = INBOX_OWN_CREATIONS,
};

size_t connector_bug_count(void)
{
    return COUNT_OF(bug_rows);
}

const struct connector_bug_row *connector_bug_at(size_t index)
{
    return &bug_rows[index];
}

bool connector_bug_find(const char *name, enum connector_bug *bug, struct err *err)
{
    const char *names[COUNT_OF(bug_rows)];
    for (size_t i = 0; i < COUNT_OF(bug_rows); i++) {
        names[i] = bug_rows[i].name;
        if (strcmp(name, names[i]) == 0) {
            *bug = bug_rows[i].bug;
            return true;
        }
    }
    const char *nearest = word_nearest(name, names, COUNT_OF(names));
    return nearest ? err_set(err, "no bug is called \"%s\"; did you mean \"%s\"?", name, nearest)
                   : err_set(err, "no bug is called \"%s\": pimsim list bugs", name);
}

/* ---- authenticity ------------------------------------------------------------------------ */

static const char *const signature_headers[][2] = {
    [EVENTS_API] = {"X-Akeneo-Request-Signature", NULL},
    [AEP] = {"X-AKENEO-SIGNATURE-PRIMARY", "X-AKENEO-SIGNATURE-SECONDARY"},
};
static const char timestamp_header[] = "X-Akeneo-Request-Timestamp";

static enum sender find_sender(const struct httpd_request *request)
{
    return httpd_header(request, signature_headers[EVENTS_API][0]) || httpd_header(request, timestamp_header)
               ? EVENTS_API
               : AEP;
}

/* Exactly 64 hex digits, in either case. */
static bool read_signature(const char *text, unsigned char mac[MAC_BYTES])
{
    static const char digits[] = "0123456789abcdef";
    if (strlen(text) != 2 * MAC_BYTES)
        return false;
    for (size_t i = 0; i < 2 * MAC_BYTES; i++) {
        const char *digit = strchr(digits, tolower((unsigned char)text[i]));
        if (!digit)
            return false;
        mac[i / 2] = (unsigned char)(mac[i / 2] << 4 | (digit - digits));
    }
    return true;
}

static bool timestamp_is_recent(const char *text)
{
    char *end;
    long long then_s = strtoll(text, &end, 10), now_s = clock_wall_us() / 1000000;
    bool digits = isdigit((unsigned char)*text) && *end == '\0';
    return digits && then_s >= now_s - TIMESTAMP_WINDOW_S && then_s <= now_s + TIMESTAMP_WINDOW_S;
}

/* What the platform signed: three pieces, one after the other. */
struct signed_text {
    struct span pieces[3];
};

static bool verify(struct connector *connector, const struct signed_text *text,
                   const unsigned char claimed[MAC_BYTES])
{
    size_t compared = connector->bug == BUG_SIG_PREFIX ? MAC_BYTES / 2 : MAC_BYTES;
    for (size_t s = 0; s < connector->secret_count; s++) {
        const char *secret = connector->secrets[s];
        unsigned char mac[MAC_BYTES];
        bool ok = EVP_MAC_init(connector->mac, (const unsigned char *)secret, strlen(secret), NULL) == 1;
        for (size_t i = 0; ok && i < COUNT_OF(text->pieces); i++)
            ok = EVP_MAC_update(connector->mac, (const unsigned char *)text->pieces[i].data,
                                text->pieces[i].len) == 1;
        if (ok && EVP_MAC_final(connector->mac, mac, NULL, sizeof mac) == 1 &&
            CRYPTO_memcmp(mac, claimed, compared) == 0)
            return true;
    }
    return false;
}

/* BUG_SIG_CACHED: a signature that was right once is right for ever. */
static bool verify_cached(struct connector *connector, const struct signed_text *text,
                          const unsigned char claimed[MAC_BYTES])
{
    size_t kept = connector->cached_count < CACHED_SIGNATURES ? connector->cached_count : CACHED_SIGNATURES;
    for (size_t i = 0; i < kept; i++)
        if (memcmp(connector->cached[i], claimed, MAC_BYTES) == 0)
            return true;
    if (!verify(connector, text, claimed))
        return false;
    memcpy(connector->cached[connector->cached_count++ % CACHED_SIGNATURES], claimed, MAC_BYTES);
    return true;
}

/* One of the signatures must be right for one of the secrets: so secrets can be changed in flight. */
static struct reply check_signatures(struct connector *connector, struct httpd_request *request,
                                     enum sender sender, const struct signed_text *text)
{
    bool present = false, odd = false;
    size_t looked_at = connector->bug == BUG_SIG_PRIMARY_ONLY ? 1 : COUNT_OF(signature_headers[sender]);
    for (size_t i = 0; i < looked_at && signature_headers[sender][i]; i++) {
        const char *signature = httpd_header(request, signature_headers[sender][i]);
        unsigned char claimed[MAC_BYTES] = {0};
        if (!signature)
            continue;
        present = true;
        if (!read_signature(signature, claimed))
            odd = true;
        else if (connector->cached ? verify_cached(connector, text, claimed)
                                   : verify(connector, text, claimed))
            return GO_ON;
    }
    if (!present)
        return connector->bug == BUG_SIG_OPTIONAL ? GO_ON : REFUSE(401, "there is no signature");
    if (odd && connector->bug == BUG_SIG_ODD)
        return REFUSE(500, "a signature is not 64 hex digits");
    return REFUSE(401, "no signature is right");
}

/* BUG_STORED_ANYWAY */
static bool has_signature(const struct httpd_request *request, enum sender sender)
{
    for (size_t i = 0; i < COUNT_OF(signature_headers[sender]) && signature_headers[sender][i]; i++)
        if (httpd_header(request, signature_headers[sender][i]))
            return true;
    return false;
}

/* BUG_SIG_RESERIALISE: what comes out when a body is parsed and printed again; NULL: it is no JSON. */
static char *reserialise(struct span body)
{
    cJSON *parsed = cJSON_ParseWithLength(body.data, body.len);
    char *printed = parsed ? cJSON_PrintUnformatted(parsed) : NULL;
    cJSON_Delete(parsed);
    return printed;
}

static struct reply authenticate(struct connector *connector, struct httpd_request *request,
                                 enum sender sender)
{
    struct span body = httpd_body(request);
    struct signed_text text = {{span_of(""), span_of(""), body}};
    char *printed = connector->bug == BUG_SIG_RESERIALISE ? reserialise(body) : NULL;
    bool recent = true;
    if (printed)
        text.pieces[2] = span_of(printed);
    if (sender == EVENTS_API) {
        const char *timestamp = httpd_header(request, timestamp_header);
        text.pieces[0] = span_of(timestamp);
        text.pieces[1] = span_of(connector->bug == BUG_SIG_NO_DOT ? "" : ".");
        recent = timestamp && (timestamp_is_recent(timestamp) || connector->bug == BUG_SIG_STALE);
    }
    struct reply reply = recent ? check_signatures(connector, request, sender, &text)
                                : REFUSE(401, "there is no timestamp of the last five minutes");
    free(printed);
    return reply;
}

/* ---- events ------------------------------------------------------------------------------ */

/* cJSON takes any bytes inside strings; JSON is UTF-8 (RFC 8259, 8.1). */
static bool is_utf8(struct span s)
{
    const unsigned char *p = (const unsigned char *)s.data, *end = p + s.len;
    while (p < end) {
        unsigned char c = *p++;
        int more = c < 0x80                ? 0
                   : c >= 0xc2 && c < 0xe0 ? 1
                   : c >= 0xe0 && c < 0xf0 ? 2
                   : c >= 0xf0 && c < 0xf5 ? 3
                                           : -1;
        if (more < 0 || end - p < more)
            return false;
        /* over-long forms, surrogates and what lies above U+10FFFF show in the second byte */
        if ((c == 0xe0 && *p < 0xa0) || (c == 0xed && *p > 0x9f) || (c == 0xf0 && *p < 0x90) ||
            (c == 0xf4 && *p > 0x8f))
            return false;
        for (; more; more--)
            if ((*p++ & 0xc0) != 0x80)
                return false;
    }
    return true;
}

static cJSON *parse(struct span body)
{
    const char *end = NULL;
    cJSON *root = is_utf8(body) ? cJSON_ParseWithLengthOpts(body.data, body.len, &end, false) : NULL;
    while (root && end < body.data + body.len)
        if (!memchr(" \t\r\n", *end++, 4)) {
            cJSON_Delete(root);
            return NULL;
        }
    return root;
}

static const char *text_of(const cJSON *object, const char *member)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, member));
}

static const char *first_text_of(const cJSON *object, const char *const *members, size_t count)
{
    const char *text = NULL;
    for (size_t i = 0; i < count && !text; i++)
        text = text_of(object, members[i]);
    return text;
}

/* A moment with or without fractions of a second; now, if it cannot be read. */
static int64_t read_time(const char *text)
{
    char whole[CLOCK_TEXT_SIZE];
    struct err ignored;
    int64_t time_us, part_us = 0, unit_us = 100000;
    size_t before = strcspn(text ? text : "", ".");
    const char *rest = text ? text + before : "";
    if (*rest == '.')
        for (rest++; isdigit((unsigned char)*rest); rest++, unit_us /= 10)
            part_us += (*rest - '0') * unit_us;
    int len = snprintf(whole, sizeof whole, "%.*s%s", (int)before, text ? text : "", rest);
    if (len >= (int)sizeof whole || !clock_parse(whole, &time_us, &ignored))
        return clock_wall_us();
    return time_us + part_us;
}

/* "product_model" of "product_model.updated" and of "com.akeneo.pim.v1.product-model.updated.delta". */
static void read_kind(const char *type, char kind[INBOX_KIND_SIZE])
{
    static const char aep[] = "com.akeneo.pim.v1.";
    if (strncmp(type, aep, strlen(aep)) == 0)
        type += strlen(aep);
    snprintf(kind, INBOX_KIND_SIZE, "%.*s", (int)strcspn(type, "."), type);
    for (char *dash; (dash = strchr(kind, '-'));)
        *dash = '_';
}

static bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text), end_len = strlen(end);
    return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

/* BUG_UNKNOWN_TYPE and BUG_UNKNOWN_FIELD: what their author knew of. */
static bool is_foreign(const struct connector *connector, const cJSON *object, const char *type)
{
    static const char *const changes[] = {".created",        ".updated",         ".removed",
                                          ".deleted",        ".delta",           ".completed",
                                          ".status-changed", ".became-complete", ".became-incomplete"};
    static const char members[] =
        " action event_id event_datetime author author_type pim_source data specversion"
        " id source type subject datacontenttype dataschema time ";
    if (connector->bug == BUG_UNKNOWN_TYPE) {
        for (size_t i = 0; i < COUNT_OF(changes); i++)
            if (ends_with(type, changes[i]))
                return false;
        return true;
    }
    const cJSON *member;
    cJSON_ArrayForEach(member, object)
    {
        char word[INBOX_KIND_SIZE];
        snprintf(word, sizeof word, " %s ", member->string);
        if (!strstr(members, word))
            return true;
    }
    return false;
}

/* What is kept. With a PIM to ask, that is what the entity is: an event of the Events API has it, one of AEP
 * about a product or a model has nothing of it. */
static void read_payload(const struct connector *connector, const char *type, const cJSON *data,
                         const cJSON *entity, struct inbox_event *event)
{
    bool whole = cJSON_GetObjectItemCaseSensitive(data, "resource");
    bool light = !whole && (strcmp(event->kind, "product") == 0 || strcmp(event->kind, "product_model") == 0);
    const cJSON *kept = connector->ask ? entity : data;
    if (connector->ask && light) {
        event->ask = connector->bug != BUG_PORT_HOLLOW;
        if (connector->bug != BUG_PORT_DELTA || !ends_with(type, ".delta"))
            return;
        kept = cJSON_GetObjectItemCaseSensitive(entity, "changes");
    }
    event->payload = cJSON_PrintUnformatted(kept);
}

/* Both platforms' spellings at once: an event has one or the other. What is missing does not matter but
 * for the id; what is not known is kept in mind by its id alone. */
static struct reply read_event(const struct connector *connector, const cJSON *object,
                               struct inbox_event *event)
{
    const char *id = first_text_of(object, (const char *const[]){"event_id", "id"}, 2);
    const char *type = first_text_of(object, (const char *const[]){"action", "type"}, 2);
    const char *time = first_text_of(object, (const char *const[]){"event_datetime", "time"}, 2);
    if (!id || !type)
        return REFUSE(connector->bug == BUG_MALFORMED_500 ? 500 : 400, "an event has no id or no type");
    if ((connector->bug == BUG_UNKNOWN_TYPE || connector->bug == BUG_UNKNOWN_FIELD) &&
        is_foreign(connector, object, type))
        return REFUSE(422, "an event is of an unknown type or has an unknown member");
    *event = (struct inbox_event){
        .id = id,
        .time_us = read_time(time),
        .created = ends_with(type, ".created"),
        .deleted = ends_with(type, ".removed") ||
                   (ends_with(type, ".deleted") && connector->bug != BUG_PORT_REMOVED),
    };
    read_kind(type, event->kind);
    const cJSON *data = cJSON_GetObjectItemCaseSensitive(object, "data");
    const cJSON *entity = cJSON_GetObjectItemCaseSensitive(data, "resource");
    if (!entity)
        entity = cJSON_GetObjectItemCaseSensitive(data, event->kind);
    event->key = first_text_of(entity, (const char *const[]){"uuid", "identifier", "code"}, 3);
    const char *author = text_of(cJSON_GetObjectItemCaseSensitive(data, "author"), "identifier");
    bool own = author && strcmp(author, OWN_CLIENT_ID) == 0;
    event->applies = event->key && (!own || connector->bug == BUG_PORT_OWN_EVENTS);
    if (event->applies)
        read_payload(connector, type, data, entity, event);
    return GO_ON;
}

/* ---- answers ----------------------------------------------------------------------------- */

static void answer(struct httpd_request *request, struct reply reply)
{
    char body[256] = "", location[1024];
    const char *path = httpd_path(request);
    const char *headers[2] = {"Content-Type: application/json", location};
    if (reply.why)
        snprintf(body, sizeof body, "{\"error\":\"%s\"}\n", reply.why);
    if (reply.status == 308)
        snprintf(location, sizeof location, "Location: %s/x", strcmp(path, "/") == 0 ? "" : path);
    if (reply.delay_us)
        httpd_answer_later(request, reply.delay_us, reply.status, span_of(body));
    else
        httpd_answer(request, reply.status, headers, reply.status == 308 ? 2 : 1, span_of(body));
}

static struct reply trouble(const char *why, const struct err *err)
{
    fprintf(stderr, "pimsim connector: %s\n", err->text);
    return REFUSE(500, why);
}

/* ---- deliveries -------------------------------------------------------------------------- */

/* The slow bugs do the work of a removal before they answer: none comes under load, and runs stay short. */
static struct reply acknowledge(const struct delivery *delivery)
{
    static const uint64_t too_late_us[] = {[EVENTS_API] = 700000, [AEP] = 3400000};
    static const uint64_t rather_late_us[] = {[EVENTS_API] = 300000, [AEP] = 1800000};
    struct connector *connector = delivery->connector;
    enum sender sender = delivery->sender;
    struct reply reply = {.status = connector->bug == BUG_ACK_202 ? 202 : 200};
    bool removal = delivery->count && delivery->events[0].deleted;
    uint64_t now_us = clock_mono_us();
    connector->removal_count += removal;
    for (size_t i = 0; connector->bug == BUG_DUP_409 && i < delivery->count; i++)
        if (delivery->events[i].known)
            return REFUSE(409, "an event is known already");
    if (connector->bug == BUG_REDIRECT)
        return REFUSE(308, "moved");
    if (connector->bug == BUG_ACK_SLOW && removal && connector->removal_count % 8 == 1)
        reply.delay_us = too_late_us[sender];
    if (connector->bug == BUG_NO_HEADROOM && removal && connector->removal_count % 2 == 1)
        reply.delay_us = rather_late_us[sender];
    if (connector->bug == BUG_LOAD_SERIAL && sender == AEP) {
        if (connector->serial_until_us < now_us)
            connector->serial_until_us = now_us;
        connector->serial_until_us += 15000;
        reply.delay_us = connector->serial_until_us - now_us;
    }
    return reply;
}

static void apply(void *arg)
{
    struct connector *connector = arg;
    struct err err;
    uint64_t pause_us = APPLY_EVERY_US;
    if (!inbox_apply(connector->inbox, &err)) {
        fprintf(stderr, "pimsim connector: %s\n", err.text);
        pause_us = APPLY_AFTER_FAILURE_US;
    }
    if (inbox_waiting(connector->inbox))
        loop_timer_set(connector->loop, &connector->apply_timer, clock_mono_us() + pause_us, apply,
                       connector);
    if (connector->ask)
        ask_wake(connector->ask);
}

/* BUG_OVERLOAD_503: it goes by the events' own clock, on which an import is as fast however quickly it is
 * played. */
static bool is_overloaded(struct connector *connector, const struct inbox_event *event)
{
    int64_t minute = event->time_us / 60000000;
    connector->in_minute = minute == connector->minute ? connector->in_minute + 1 : 1;
    connector->minute = minute;
    return connector->in_minute > 10000 && connector->in_minute <= 20000 && connector->in_minute % 25 == 0;
}

/* BUG_NOT_FOUND: as if a removal were a request for something. */
static struct reply find(struct connector *connector, const struct inbox_event *event)
{
    bool known = true;
    struct err err;
    if (event->applies && event->deleted && !inbox_knows(connector->inbox, event, &known, &err))
        return trouble("the product cannot be looked up", &err);
    return known ? GO_ON : REFUSE(404, "there is no such product");
}

static struct reply store(struct delivery *delivery)
{
    struct connector *connector = delivery->connector;
    size_t count = delivery->count;
    struct reply reply = GO_ON;
    struct err err;
    if (connector->bug == BUG_OVERLOAD_503 && count && is_overloaded(connector, &delivery->events[0]))
        return REFUSE(503, "the server is too busy");
    for (size_t i = 0; connector->bug == BUG_NOT_FOUND && i < count && !reply.status; i++)
        reply = find(connector, &delivery->events[i]);
    if (reply.status)
        return reply;
    if (connector->bug == BUG_FIRST_OF_BATCH && count > 1)
        count = 1;
    if (inbox_waiting(connector->inbox) + count > INBOX_EVENTS_MAX)
        return REFUSE(429, "the inbox is full");
    if (!inbox_store(connector->inbox, delivery->events, count, &err))
        return trouble("the events cannot be stored", &err);
    if (inbox_waiting(connector->inbox) && !connector->apply_timer.slot)
        loop_timer_set(connector->loop, &connector->apply_timer, clock_mono_us() + APPLY_EVERY_US, apply,
                       connector);
    return acknowledge(delivery);
}

/* {"events":[…]} holds several events; anything else is one. */
static struct delivery *delivery_new(struct connector *connector, enum sender sender, cJSON *root)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(root, "events");
    struct delivery *delivery = mem_alloc(sizeof *delivery);
    *delivery = (struct delivery){.connector = connector, .sender = sender, .root = root};
    delivery->count = cJSON_IsArray(list) ? (size_t)cJSON_GetArraySize(list) : 1;
    delivery->events = mem_alloc(delivery->count * sizeof *delivery->events);
    return delivery;
}

static void delivery_free(struct delivery *delivery)
{
    for (size_t i = 0; i < delivery->count; i++)
        cJSON_free(delivery->events[i].payload);
    free(delivery->events);
    cJSON_Delete(delivery->root);
    free(delivery);
}

static struct reply read_events(struct delivery *delivery)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(delivery->root, "events");
    const cJSON *object = cJSON_IsArray(list) ? list->child : delivery->root;
    struct reply reply = GO_ON;
    if (delivery->connector->bug == BUG_BATCH_LIMIT && delivery->count > 5)
        return REFUSE(413, "there are more than five events");
    for (size_t i = 0; i < delivery->count && !reply.status; i++, object = object->next)
        reply = read_event(delivery->connector, object, &delivery->events[i]);
    return reply;
}

/* ---- the bugs of time -------------------------------------------------------------------- */

/* How long they leave a delivery lying before they store it. */
static const uint64_t put_off_us[BUG_END] = {
    [BUG_MARK_FIRST] = 50000,
    [BUG_CHECK_THEN_INSERT] = 5000,
    [BUG_ABANDONED] = 20000,
    [BUG_ACK_FIRST] = 30000,
};

/* Those that let somebody wait do so in the two seconds after a pause or the start: there a scenario begins
 * whose effects are looked at, none comes under load, and runs stay short. */
static bool has_time(struct connector *connector)
{
    uint64_t now_us = clock_mono_us();
    if (now_us > connector->active_us + QUIET_US)
        connector->busy_since_us = now_us;
    connector->active_us = now_us;
    return now_us < connector->busy_since_us + BUSY_US;
}

static void go_on(void *arg)
{
    struct delivery *delivery = arg, **link;
    struct connector *connector = delivery->connector;
    struct reply reply;
    struct err err;
    connector->active_us = clock_mono_us();
    if (connector->bug != BUG_ABANDONED || !httpd_abandoned(delivery->request))
        reply = store(delivery);
    else if (inbox_look_up(connector->inbox, delivery->events, delivery->count, true, &err))
        reply = REFUSE(500, "nobody waits for an answer");
    else
        reply = trouble("the events cannot be marked", &err);
    if (delivery->request)
        answer(delivery->request, reply);
    for (link = &connector->put_off; *link != delivery;)
        link = &(*link)->next;
    *link = delivery->next;
    delivery_free(delivery);
}

/* What bugs do before the events are stored: look them up, answer, or put the rest off. */
static struct reply begin(struct delivery *delivery, struct httpd_request *request)
{
    struct connector *connector = delivery->connector;
    enum connector_bug bug = connector->bug;
    bool ok = true;
    struct err err;
    if (bug == BUG_MARK_FIRST || bug == BUG_CHECK_THEN_INSERT)
        ok = inbox_look_up(connector->inbox, delivery->events, delivery->count, bug == BUG_MARK_FIRST, &err);
    for (size_t i = 0; bug == BUG_BATCH_LOOKUP && ok && i < delivery->count; i++)
        ok = inbox_look_up(connector->inbox, &delivery->events[i], 1, false, &err);
    if (!ok)
        return trouble("the events cannot be looked up", &err);
    if (put_off_us[bug] && (bug == BUG_ACK_FIRST || has_time(connector))) {
        delivery->request = bug == BUG_ACK_FIRST ? NULL : request;
        delivery->next = connector->put_off;
        connector->put_off = delivery;
        loop_timer_set(connector->loop, &delivery->timer, clock_mono_us() + put_off_us[bug], go_on, delivery);
    }
    return bug == BUG_ACK_FIRST ? acknowledge(delivery) : GO_ON;
}

/* ---- requests ---------------------------------------------------------------------------- */

static struct reply receive_body(struct connector *connector, struct httpd_request *request,
                                 enum sender sender)
{
    cJSON *root = parse(httpd_body(request));
    if (!root)
        return REFUSE(connector->bug == BUG_MALFORMED_500 ? 500 : 400, "the body is not JSON");
    if (sender == AEP && text_of(root, "notification_type") && connector->bug != BUG_NOTIFICATION_400) {
        cJSON_Delete(root); /* it is about the subscription */
        return (struct reply){.status = 200};
    }
    struct delivery *delivery = delivery_new(connector, sender, root);
    struct reply reply = read_events(delivery);
    if (!reply.status)
        reply = begin(delivery, request);
    if (delivery->timer.slot)
        return reply;
    if (!reply.status)
        reply = store(delivery);
    delivery_free(delivery);
    return reply;
}

static struct reply receive(struct connector *connector, struct httpd_request *request)
{
    enum sender sender = find_sender(request);
    size_t body_bytes = httpd_body(request).len;
    struct reply reply = authenticate(connector, request, sender);
    if (reply.status) {
        if (connector->bug == BUG_STORED_ANYWAY && !has_signature(request, sender))
            receive_body(connector, request, sender);
        return reply;
    }
    if (connector->bug == BUG_BODY_LIMIT && body_bytes > 256 << 10)
        return REFUSE(413, "the body is over 256 KiB");
    if (sender == EVENTS_API && body_bytes == 0) { /* the Test button */
        if (connector->bug == BUG_TEST_CRASH)
            return REFUSE(500, "Cannot read properties of undefined (reading 'events')");
        return (struct reply){.status = 200};
    }
    return receive_body(connector, request, sender);
}

static void answer_state(struct connector *connector, struct httpd_request *request)
{
    static const char *const json = "Content-Type: application/json";
    struct buf state;
    struct err err;
    buf_init(&state, FILE_BYTES_MAX);
    if (inbox_state(connector->inbox, &state, &err) && buf_ok(&state)) {
        httpd_answer(request, 200, &json, 1, buf_span(&state));
    } else {
        fprintf(stderr, "pimsim connector: %s\n",
                buf_ok(&state) ? err.text : "the state is too large to show");
        answer(request, REFUSE(500, "the state cannot be read"));
    }
    buf_reset(&state);
}

static void handle(void *arg, struct httpd_request *request)
{
    struct connector *connector = arg;
    const char *method = httpd_method(request);
    if (strcmp(method, "POST") == 0) {
        struct reply reply = receive(connector, request);
        if (reply.status)
            answer(request, reply);
    } else if (strcmp(method, "HEAD") == 0) /* AEP asks so before it accepts a subscription */
        answer(request, (struct reply){.status = connector->bug == BUG_HEAD_405 ? 405 : 200});
    else if (strcmp(method, "GET") == 0 && strcmp(httpd_path(request), "/state") == 0)
        answer_state(connector, request);
    else
        answer(request, REFUSE(405, "events are sent with POST"));
}

/* ---- life -------------------------------------------------------------------------------- */

static bool mac_new(EVP_MAC_CTX **mac, struct err *err)
{
    EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    OSSL_PARAM digest[] = {OSSL_PARAM_construct_utf8_string("digest", (char[]){"SHA256"}, 0),
                           OSSL_PARAM_construct_end()};
    *mac = hmac ? EVP_MAC_CTX_new(hmac) : NULL;
    EVP_MAC_free(hmac);
    if (!*mac || EVP_MAC_CTX_set_params(*mac, digest) != 1)
        return err_env(err, "OpenSSL has no HMAC-SHA256");
    return true;
}

static bool add_secret(struct connector *connector, const char *secret, struct err *err)
{
    if (!*secret)
        return err_set(err, "the secret is empty");
    connector->secrets[connector->secret_count++] = mem_text(secret);
    return true;
}

bool connector_open(struct connector **connector, struct loop *loop, const struct connector_options *options,
                    struct err *err)
{
    struct connector *made = mem_alloc(sizeof *made);
    struct httpd_options server = {.address = "127.0.0.1",
                                   .port = options->port,
                                   .body_bytes_max = BODY_BYTES_MAX,
                                   .handler = handle,
                                   .arg = made};
    made->loop = loop;
    made->bug = options->bug;
    bool ok = add_secret(made, options->secret ? options->secret : DEFAULT_SECRET, err) &&
              (!options->secret_secondary || add_secret(made, options->secret_secondary, err)) &&
              mac_new(&made->mac, err) &&
              inbox_open(&made->inbox, made->bug == BUG_MEMORY_ONLY ? NULL : options->db,
                         inbox_flaws[made->bug], options->pim_url, err) &&
              (!options->pim_url || ask_open(&made->ask, loop, options->pim_url, made->inbox, err)) &&
              httpd_open(&made->httpd, loop, &server, err);
    if (!ok) {
        connector_close(made);
        return false;
    }
    if (made->bug == BUG_SIG_EMPTY_SECRET)
        made->secrets[made->secret_count++] = mem_text("");
    if (made->bug == BUG_SIG_CACHED)
        made->cached = mem_alloc(CACHED_SIGNATURES * sizeof *made->cached);
    if (inbox_waiting(made->inbox) || made->ask) /* left from the last time */
        loop_timer_set(loop, &made->apply_timer, 0, apply, made);
    *connector = made;
    return true;
}

void connector_close(struct connector *connector)
{
    if (!connector)
        return;
    httpd_close(connector->httpd);
    for (struct delivery *delivery; (delivery = connector->put_off);) {
        connector->put_off = delivery->next;
        loop_timer_stop(connector->loop, &delivery->timer);
        delivery_free(delivery);
    }
    loop_timer_stop(connector->loop, &connector->apply_timer);
    ask_close(connector->ask);
    inbox_close(connector->inbox);
    EVP_MAC_CTX_free(connector->mac);
    for (size_t i = 0; i < connector->secret_count; i++)
        free(connector->secrets[i]);
    free(connector->cached);
    free(connector);
}

uint16_t connector_port(const struct connector *connector)
{
    return httpd_port(connector->httpd);
}

bool connector_serve(const struct connector_options *options, struct err *err)
{
    const bool never = false;
    struct loop *loop = NULL;
    struct connector *connector = NULL;
    bool ok = false;
    if (!loop_new(&loop, err) || !loop_catch_signals(loop, err) ||
        !connector_open(&connector, loop, options, err))
        goto out;
    printf("listening on http://127.0.0.1:%u/\n", connector_port(connector));
    fflush(stdout);
    ok = loop_run(loop, &never, err);
out:
    connector_close(connector);
    loop_free(loop);
    return ok;
}
