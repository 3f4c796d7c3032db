/* The reference connector over real sockets: what it takes and refuses, what it keeps, and that every bug
 * breaks the answer that its rule looks at. Known signatures were computed with `openssl dgst -hmac`. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ctype.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sys/wait.h>

#include "connector.h"
#include "httpd.h"
#include "talk.h"

#define NEXT_SECRET "the next one"

/* ---- requests ---------------------------------------------------------------------------- */

struct desk {
    struct loop *loop;
    struct connector *connector;
    struct talk talk;
};

static void desk_begin(struct desk *desk, enum connector_bug bug, const char *db, const char *pim_url)
{
    struct err err;
    struct connector_options options = {
        .bug = bug, .secret_secondary = NEXT_SECRET, .db = db, .pim_url = pim_url};
    if (!connector_open(&desk->connector, desk->loop, &options, &err))
        fail_msg("%s", err.text);
    talk_open(&desk->talk, desk->loop, connector_port(desk->connector));
}

static void desk_open(struct desk *desk, enum connector_bug bug, const char *db)
{
    struct err err;
    assert_true(loop_new(&desk->loop, &err));
    desk_begin(desk, bug, db, NULL);
}

static void desk_close(struct desk *desk)
{
    talk_close(&desk->talk);
    connector_close(desk->connector);
    loop_free(desk->loop);
}

static void sign(const char *secret, const char *before, struct span body, char hex[65])
{
    struct buf text;
    unsigned char mac[32];
    buf_init(&text, 64 << 20);
    buf_puts(&text, before);
    buf_put_span(&text, body);
    buf_putc(&text, '\0');
    assert_non_null(
        HMAC(EVP_sha256(), secret, (int)strlen(secret), (unsigned char *)text.data, text.len - 1, mac, NULL));
    for (size_t i = 0; i < sizeof mac; i++)
        snprintf(hex + 2 * i, 3, "%02x", mac[i]);
    buf_reset(&text);
}

enum platform { EVENTS_API, AEP };

/* How a request's signature is made; the rest of it is right. */
enum signing {
    RIGHT,
    SECONDARY,
    OTHER_SECRET,
    EMPTY_SECRET,
    LAST_DIGIT,
    UPPER,
    SHORT,
    EMPTY,
    MISSING,
    STALE
};

static void spoil(enum signing signing, char hex[65])
{
    if (signing == LAST_DIGIT)
        hex[63] = hex[63] == '0' ? '1' : '0';
    if (signing == SHORT || signing == EMPTY)
        hex[signing == SHORT ? 31 : 0] = '\0';
    for (char *p = hex; signing == UPPER && *p; p++)
        *p = (char)toupper((unsigned char)*p);
}

#define HEADERS_SIZE 512

static void sign_request(enum platform platform, enum signing signing, struct span body,
                         char headers[HEADERS_SIZE])
{
    const char *secret = signing == OTHER_SECRET ? "other" : signing == EMPTY_SECRET ? "" : "pimsim";
    char moment[32], dotted[40], hex[65];
    snprintf(moment, sizeof moment, "%lld",
             (long long)(clock_wall_us() / 1000000) - (signing == STALE ? 3600 : 0));
    snprintf(dotted, sizeof dotted, "%s.", moment);
    sign(secret, platform == AEP ? "" : dotted, body, hex);
    spoil(signing, hex);
    size_t len = 0;
    headers[0] = '\0';
    if (platform == EVENTS_API)
        len = (size_t)snprintf(headers, HEADERS_SIZE, "X-Akeneo-Request-Timestamp: %s\r\n", moment);
    const char *name = platform == EVENTS_API ? "X-Akeneo-Request-Signature"
                       : signing == SECONDARY ? "X-AKENEO-SIGNATURE-SECONDARY"
                                              : "X-AKENEO-SIGNATURE-PRIMARY";
    if (signing == SECONDARY && platform == AEP)
        len = (size_t)snprintf(headers, HEADERS_SIZE, "X-AKENEO-SIGNATURE-PRIMARY: %064d\r\n", 0);
    if (signing != MISSING)
        snprintf(headers + len, HEADERS_SIZE - len, "%s: %s\r\n", name, hex);
}

static unsigned post(struct desk *desk, enum platform platform, enum signing signing, struct span body)
{
    char headers[HEADERS_SIZE];
    sign_request(platform, signing, body, headers);
    return talk_request(&desk->talk, "POST", "/", headers, body);
}

/* One event. serial makes its id; time is its moment, in minutes. */
static void put_event(struct buf *out, enum platform platform, unsigned serial, const char *change,
                      const char *uuid, unsigned minute, const char *more)
{
    if (platform == AEP)
        buf_printf(out,
                   "{\"specversion\":\"1.0\",\"id\":\"0190fe8a-6213-76ce-8a9b-%012u\",\"source\":\"pim\","
                   "\"type\":\"com.akeneo.pim.v1.product.%s\",\"subject\":\"s\","
                   "\"datacontenttype\":\"application/json\",\"time\":\"2026-02-22T17:%02u:00.250Z\","
                   "\"data\":{\"product\":{\"uuid\":\"%s\"},\"n\":%u,"
                   "\"author\":{\"identifier\":\"julia\",\"type\":\"user\"}}%s}",
                   serial, change, minute, uuid, serial, more);
    else
        buf_printf(out,
                   "{\"action\":\"product.%s\",\"event_id\":\"c306eb6c-8e27-4f4c-8f4a-%012u\","
                   "\"event_datetime\":\"2026-02-22T17:%02u:00+00:00\",\"author\":\"julia\","
                   "\"author_type\":\"ui\",\"pim_source\":\"https:\\/\\/pim.example.com\","
                   "\"data\":{\"resource\":{\"uuid\":\"%s\",\"identifier\":\"bag\",\"n\":%u}}%s}",
                   change, serial, minute, uuid, serial, more);
}

/* A request's body; `count` events, of which the first is `serial`. */
static struct span body_of(struct buf *out, enum platform platform, unsigned serial, unsigned count,
                           const char *change, const char *more)
{
    buf_clear(out);
    if (platform == EVENTS_API)
        buf_puts(out, "{\"events\":[");
    for (unsigned i = 0; i < count; i++) {
        if (i)
            buf_putc(out, ',');
        put_event(out, platform, serial + i, change, "6a9f8486-2c36-4680-b87f-6f5f8f01b6cf", 10, more);
    }
    if (platform == EVENTS_API)
        buf_puts(out, "]}");
    return buf_span(out);
}

/* ---- known answers ----------------------------------------------------------------------- */

static const char aep_body[] =
    "{\"specversion\":\"1.0\",\"id\":\"0190fe8a-6213-76ce-8a9b-ba36a5ee555a\",\"source\":\"pim\","
    "\"type\":\"com.akeneo.pim.v1.product.created\",\"subject\":\"s\",\"datacontenttype\":\"application/"
    "json\","
    "\"time\":\"2024-02-22T17:31:00Z\",\"data\":{\"product\":{\"uuid\":\"6a9f8486-2c36-4680-b87f-"
    "6f5f8f01b6cf\"},"
    "\"author\":{\"identifier\":\"julia\",\"type\":\"user\"}}}";
static const char events_api_body[] =
    "{\"events\":[{\"action\":\"product.updated\",\"event_id\":\"c306eb6c-8e27-4f4c-8f4a-3a7a39a4e1a0\","
    "\"event_datetime\":\"2026-01-31T09:13:59+00:00\",\"author\":\"julia\",\"author_type\":\"ui\","
    "\"pim_source\":\"https:\\/\\/pim.example.com\",\"data\":{\"resource\":"
    "{\"uuid\":\"6a9f8486-2c36-4680-b87f-6f5f8f01b6cf\",\"identifier\":\"bag\",\"values\":[]}}}]}";

static void test_connector_accepts_known_signatures_of_aep(void **state)
{
    (void)state;
    struct desk desk;
    desk_open(&desk, BUG_NONE, NULL);
    const char *primary =
        "X-AKENEO-SIGNATURE-PRIMARY: e67384338a15cf088248bb723e841ff65c9d396be3ceac331417876fa27f80fc\r\n";
    const char *next =
        "x-akeneo-signature-primary: d0bb559c71bb010f2e16378ebb6d069050209a70062e6263abe42f770651e608\r\n";
    assert_int_equal(talk_request(&desk.talk, "POST", "/", primary, span_of(aep_body)), 200);
    assert_int_equal(talk_request(&desk.talk, "POST", "/", next, span_of(aep_body)), 200);
    assert_int_equal(talk_request(&desk.talk, "POST", "/", primary, span_of(events_api_body)), 401);
    desk_close(&desk);
}

static void test_connector_accepts_known_signatures_of_the_events_api_unless_they_are_old(void **state)
{
    (void)state;
    const char *event =
        "X-Akeneo-Request-Timestamp: 1769850839\r\n"
        "X-Akeneo-Request-Signature: 79a9e29f5b8a077075d51bb322ff5a7d14ca497ece7e9354438a8945caf27fba\r\n";
    const char *test =
        "X-Akeneo-Request-Timestamp: 1769850839\r\n"
        "X-Akeneo-Request-Signature: f2b2fe2141403faa01c08c4e3ceedd3a3d1310dc56bd468c46aa47d5b09396af\r\n";
    const struct {
        enum connector_bug bug;
        unsigned status;
    } cases[] = {{BUG_SIG_STALE, 200}, {BUG_NONE, 401}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct desk desk;
        desk_open(&desk, cases[i].bug, NULL);
        assert_int_equal(talk_request(&desk.talk, "POST", "/", event, span_of(events_api_body)),
                         cases[i].status);
        assert_int_equal(talk_request(&desk.talk, "POST", "/", test, span_of("")), cases[i].status);
        assert_int_equal(talk_request(&desk.talk, "POST", "/", event, span_of("")), 401);
        desk_close(&desk);
    }
}

/* ---- what it takes and refuses ----------------------------------------------------------- */

static void test_connector_decides_by_the_signature(void **state)
{
    (void)state;
    const struct {
        enum signing signing;
        unsigned events_api, aep;
    } cases[] = {
        {RIGHT, 200, 200},        {SECONDARY, 200, 200},  {UPPER, 200, 200}, {OTHER_SECRET, 401, 401},
        {EMPTY_SECRET, 401, 401}, {LAST_DIGIT, 401, 401}, {SHORT, 401, 401}, {EMPTY, 401, 401},
        {MISSING, 401, 401},      {STALE, 401, 200},
    };
    struct desk desk;
    struct buf body;
    buf_init(&body, 1 << 20);
    desk_open(&desk, BUG_NONE, NULL);
    for (unsigned i = 0; i < COUNT_OF(cases); i++) {
        assert_int_equal(
            post(&desk, EVENTS_API, cases[i].signing, body_of(&body, EVENTS_API, i, 1, "updated", "")),
            cases[i].events_api);
        assert_int_equal(post(&desk, AEP, cases[i].signing, body_of(&body, AEP, i, 1, "updated", "")),
                         cases[i].aep);
    }
    buf_reset(&body);
    desk_close(&desk);
}

static void test_connector_decides_by_the_body(void **state)
{
    (void)state;
    const struct {
        const char *body;
        unsigned events_api, aep;
    } cases[] = {
        {"", 200, 400},
        {"{", 400, 400},
        {"{} x", 400, 400},
        {"\"events\"", 400, 400},
        {"[]", 400, 400},
        {"[[[\"id\"]]]", 400, 400},
        {"null", 400, 400},
        {"{\"events\":[5]}", 400, 400},
        {"{\"events\":{}}", 400, 400},
        {"{\"id\":7,\"type\":\"t\"}", 400, 400},
        {"{\"id\":\"caf\xe9\",\"type\":\"t\"}", 400, 400},
        {"{\"id\":\"\xed\xa0\x80\",\"type\":\"t\"}", 400, 400},
        {"{\"id\":\"caf\xc3\xa9 \xf0\x9f\x91\x9c\",\"type\":\"t\"} \r\n", 200, 200},
        {"{\"id\":\"1\",\"type\":\"\",\"data\":[]}", 200, 200},
        {"{\"id\":\"2\",\"type\":\"a.b\",\"time\":\"soon.\",\"data\":{\"a\":{\"code\":\"c\"}}}", 200, 200},
        {"{\"notification_type\":\"subscription.resumed\"}", 400, 200},
        {"{\"notification_type\":7}", 400, 400},
        {"{\"events\":[{\"event_id\":\"3\",\"action\":\"product.reviewed\",\"new\":{}}]}", 200, 200},
    };
    struct desk desk;
    desk_open(&desk, BUG_NONE, NULL);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_int_equal(post(&desk, EVENTS_API, RIGHT, span_of(cases[i].body)), cases[i].events_api);
        assert_int_equal(post(&desk, AEP, RIGHT, span_of(cases[i].body)), cases[i].aep);
    }
    desk_close(&desk);
}

static void test_connector_bears_deep_and_large_bodies(void **state)
{
    (void)state;
    struct desk desk;
    struct buf body, more;
    buf_init(&body, 64 << 20);
    buf_init(&more, 64 << 20);
    desk_open(&desk, BUG_NONE, NULL);
    char *deep = buf_extend(&body, 20000);
    memset(deep, '[', 10000);
    memset(deep + 10000, ']', 10000);
    assert_int_equal(post(&desk, AEP, RIGHT, buf_span(&body)), 400);
    buf_puts(&more, ",\"more\":\"");
    char *large = buf_extend(&more, 1 << 20);
    memset(large, 'x', 1 << 20);
    buf_putc(&more, '"');
    assert_int_equal(post(&desk, AEP, RIGHT, body_of(&body, AEP, 1, 1, "updated", buf_text(&more))), 200);
    buf_clear(&body);
    char *huge = buf_extend(&body, 17 << 20);
    memset(huge, ' ', 17 << 20);
    assert_int_equal(post(&desk, AEP, RIGHT, buf_span(&body)), 413);
    assert_int_equal(post(&desk, AEP, RIGHT, body_of(&body, AEP, 2, 1, "updated", "")), 200);
    buf_reset(&body);
    buf_reset(&more);
    desk_close(&desk);
}

static void test_connector_answers_429_rather_than_store_more_than_its_inbox_holds(void **state)
{
    (void)state;
    struct desk desk;
    struct buf body;
    buf_init(&body, 16 << 20);
    desk_open(&desk, BUG_NONE, NULL);
    buf_puts(&body, "{\"events\":[");
    for (unsigned i = 0; i <= 50000; i++)
        buf_printf(&body, "%s{\"id\":\"%u\",\"type\":\"t\"}", i ? "," : "", i);
    buf_puts(&body, "]}");
    assert_int_equal(post(&desk, AEP, RIGHT, buf_span(&body)), 429);
    buf_reset(&body);
    desk_close(&desk);
}

static void test_connector_answers_other_methods(void **state)
{
    (void)state;
    struct desk desk;
    desk_open(&desk, BUG_NONE, NULL);
    assert_int_equal(talk_request(&desk.talk, "HEAD", "/", "", span_of("")), 200);
    assert_int_equal(talk_request(&desk.talk, "GET", "/", "", span_of("")), 405);
    assert_int_equal(talk_request(&desk.talk, "GET", "/state", "", span_of("")), 200);
    assert_int_equal(desk.talk.body_bytes, strlen("{\"waiting\":0,\"entities\":[]}"));
    desk_close(&desk);
}

/* ---- what it keeps ----------------------------------------------------------------------- */

/* The state, once everything that came has been applied. */
static const char *settled_state(struct desk *desk)
{
    uint64_t patience_us = clock_mono_us() + TALK_PATIENCE_US;
    do {
        assert_int_equal(talk_request(&desk->talk, "GET", "/state", "", span_of("")), 200);
        assert_true(clock_mono_us() < patience_us);
    } while (!strstr(desk->talk.body, "{\"waiting\":0,"));
    return desk->talk.body;
}

static void tell(struct desk *desk, unsigned serial, const char *change, const char *uuid, unsigned minute)
{
    struct buf body;
    buf_init(&body, 1 << 20);
    put_event(&body, AEP, serial, change, uuid, minute, "");
    assert_int_equal(post(desk, AEP, RIGHT, buf_span(&body)), 200);
    buf_reset(&body);
}

static void test_connector_keeps_the_newest_whatever_the_order(void **state)
{
    (void)state;
    struct desk desk;
    desk_open(&desk, BUG_NONE, NULL);
    tell(&desk, 1, "updated", "aa", 30);
    tell(&desk, 2, "created", "aa", 10);
    tell(&desk, 3, "deleted", "bb", 40);
    settled_state(&desk); /* what follows comes to an inbox that was emptied */
    tell(&desk, 4, "updated", "bb", 20);
    tell(&desk, 5, "updated", "bb", 40);
    tell(&desk, 1, "updated", "aa", 30); /* a duplicate */
    tell(&desk, 6, "updated", "aa", 29);
    const char *kept = settled_state(&desk);
    const char *a = strstr(kept, "\"key\":\"aa\""), *b = strstr(kept, "\"key\":\"bb\"");
    assert_true(a && b && a < b);
    assert_non_null(strstr(a, "\"deleted\":false,\"events\":3,"));
    assert_non_null(strstr(b, "\"deleted\":true,\"events\":3,"));
    assert_non_null(strstr(a, "\"n\":1,"));
    assert_true(strstr(a, "\"deleted\":false") < b);
    assert_non_null(strstr(b, "\"deleted\":true"));
    assert_non_null(strstr(b, "\"n\":3,"));
    assert_non_null(strstr(kept, "\"time_us\":1771781400250000")); /* 17:30:00.250 */
    desk_close(&desk);
}

static void test_connector_drops_events_that_it_caused_itself(void **state)
{
    (void)state;
    struct desk desk;
    desk_open(&desk, BUG_NONE, NULL);
    const char *own = "{\"id\":\"1\",\"type\":\"com.akeneo.pim.v1.product.updated\",\"data\":{\"product\":"
                      "{\"uuid\":\"aa\"},\"author\":{\"identifier\":\"pimsim-connector\",\"type\":\"api\"}}}";
    assert_int_equal(post(&desk, AEP, RIGHT, span_of(own)), 200);
    assert_null(strstr(settled_state(&desk), "aa"));
    desk_close(&desk);
}

/* A file for one database. */
struct place {
    char folder[32], file[64];
};

static void place_make(struct place *place)
{
    snprintf(place->folder, sizeof place->folder, "/tmp/pimsim-test-XXXXXX");
    assert_non_null(mkdtemp(place->folder));
    snprintf(place->file, sizeof place->file, "%s/inbox.db", place->folder);
}

static void place_remove(struct place *place)
{
    static const char *const ends[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < COUNT_OF(ends); i++) {
        char file[80];
        snprintf(file, sizeof file, "%s%s", place->file, ends[i]);
        unlink(file);
    }
    rmdir(place->folder);
}

static void test_connector_remembers_what_it_acknowledged(void **state)
{
    (void)state;
    struct place place;
    struct desk desk;
    struct buf body;
    place_make(&place);
    buf_init(&body, 1 << 20);
    desk_open(&desk, BUG_NONE, place.file);
    assert_int_equal(post(&desk, EVENTS_API, RIGHT, body_of(&body, EVENTS_API, 1, 10, "updated", "")), 200);
    desk_close(&desk); /* before any of them was applied */
    desk_open(&desk, BUG_DUP_409, place.file);
    assert_non_null(strstr(settled_state(&desk), "\"n\":10"));
    assert_int_equal(post(&desk, EVENTS_API, RIGHT, body_of(&body, EVENTS_API, 10, 1, "updated", "")), 409);
    assert_int_equal(post(&desk, EVENTS_API, RIGHT, body_of(&body, EVENTS_API, 11, 1, "updated", "")), 200);
    desk_close(&desk);
    buf_reset(&body);
    place_remove(&place);
}

/* ---- bugs -------------------------------------------------------------------------------- */

/* The request that shows a bug: the answer of a sound connector, and of one with the bug. */
struct proof {
    enum connector_bug bug;
    enum platform platform;
    enum signing signing;
    const char *method, *change, *more; /* change NULL: no body; "cut": half of one */
    unsigned events, sound, broken;
};

static const struct proof proofs[] = {
    {BUG_ACK_202, AEP, RIGHT, "POST", "updated", "", 1, 200, 202},
    {BUG_REDIRECT, AEP, RIGHT, "POST", "updated", "", 1, 200, 308},
    {BUG_TEST_CRASH, EVENTS_API, RIGHT, "POST", NULL, "", 0, 200, 500},
    {BUG_HEAD_405, AEP, RIGHT, "HEAD", NULL, "", 0, 200, 405},
    {BUG_SIG_NO_DOT, EVENTS_API, RIGHT, "POST", "updated", "", 1, 200, 401},
    {BUG_SIG_RESERIALISE, EVENTS_API, RIGHT, "POST", "updated", "", 1, 200, 401},
    {BUG_SIG_RESERIALISE, AEP, RIGHT, "POST", "updated", ",\"x\":1.0", 1, 200, 401},
    {BUG_SIG_PREFIX, AEP, LAST_DIGIT, "POST", "updated", "", 1, 401, 200},
    {BUG_SIG_OPTIONAL, AEP, MISSING, "POST", "updated", "", 1, 401, 200},
    {BUG_SIG_OPTIONAL, EVENTS_API, MISSING, "POST", "updated", "", 1, 401, 200},
    {BUG_SIG_EMPTY_SECRET, AEP, EMPTY_SECRET, "POST", "updated", "", 1, 401, 200},
    {BUG_SIG_PRIMARY_ONLY, AEP, SECONDARY, "POST", "updated", "", 1, 200, 401},
    {BUG_SIG_STALE, EVENTS_API, STALE, "POST", "updated", "", 1, 401, 200},
    {BUG_SIG_ODD, AEP, SHORT, "POST", "updated", "", 1, 401, 500},
    {BUG_SIG_ODD, AEP, EMPTY, "POST", "updated", "", 1, 401, 500},
    {BUG_NOT_FOUND, AEP, RIGHT, "POST", "deleted", "", 1, 200, 404},
    {BUG_NOT_FOUND, EVENTS_API, RIGHT, "POST", "removed", "", 2, 200, 404},
    {BUG_BATCH_LIMIT, EVENTS_API, RIGHT, "POST", "updated", "", 6, 200, 413},
    {BUG_UNKNOWN_TYPE, AEP, RIGHT, "POST", "reviewed", "", 1, 200, 422},
    {BUG_UNKNOWN_FIELD, EVENTS_API, RIGHT, "POST", "updated", ",\"tenant\":1", 1, 200, 422},
    {BUG_MALFORMED_500, AEP, RIGHT, "POST", "cut", "", 1, 400, 500},
};

static unsigned try(struct desk *desk, const struct proof *proof)
{
    struct buf body;
    buf_init(&body, 1 << 20);
    if (strcmp(proof->method, "POST") != 0)
        return talk_request(&desk->talk, proof->method, "/", "", span_of(""));
    if (proof->change)
        body_of(&body, proof->platform, 7, proof->events, proof->change, proof->more);
    struct span bytes = buf_span(&body);
    if (proof->change && strcmp(proof->change, "cut") == 0)
        bytes.len /= 2;
    unsigned status = post(desk, proof->platform, proof->signing, bytes);
    buf_reset(&body);
    return status;
}

static void test_connector_bugs_change_the_answer_that_they_are_about(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(proofs); i++) {
        const enum connector_bug bugs[] = {BUG_NONE, proofs[i].bug};
        for (size_t b = 0; b < COUNT_OF(bugs); b++) {
            struct desk desk;
            desk_open(&desk, bugs[b], NULL);
            unsigned status = try(&desk, &proofs[i]), wanted = b ? proofs[i].broken : proofs[i].sound;
            if (status != wanted)
                fail_msg("proof %zu: %u instead of %u %s the bug", i, status, wanted, b ? "with" : "without");
            desk_close(&desk);
        }
    }
}

static void test_connector_bug_not_found_takes_the_removal_of_what_it_knows(void **state)
{
    (void)state;
    struct desk desk;
    struct buf body;
    buf_init(&body, 1 << 20);
    desk_open(&desk, BUG_NOT_FOUND, NULL);
    assert_int_equal(post(&desk, AEP, RIGHT, body_of(&body, AEP, 1, 1, "created", "")), 200);
    assert_int_equal(post(&desk, AEP, RIGHT, body_of(&body, AEP, 2, 1, "deleted", "")), 200);
    assert_int_equal(post(&desk, AEP, RIGHT, body_of(&body, AEP, 3, 1, "deleted", "")), 200); /* once more */
    buf_reset(&body);
    desk_close(&desk);
}

static void test_connector_bug_notification_refuses_notifications(void **state)
{
    (void)state;
    const struct span body = span_of("{\"notification_type\":\"subscription.resumed\"}");
    static const enum connector_bug bugs[] = {BUG_NONE, BUG_NOTIFICATION_400};
    for (size_t i = 0; i < COUNT_OF(bugs); i++) {
        struct desk desk;
        desk_open(&desk, bugs[i], NULL);
        assert_int_equal(post(&desk, AEP, RIGHT, body), bugs[i] ? 400 : 200);
        assert_int_equal(post(&desk, AEP, OTHER_SECRET, body), 401);
        desk_close(&desk);
    }
}

/* A bug leaves alone what it is not about: a plain delivery, sent once, is taken at once. */
static void test_connector_bugs_leave_a_plain_delivery_alone(void **state)
{
    (void)state;
    for (size_t i = 0; i < connector_bug_count(); i++) {
        const struct connector_bug_row *row = connector_bug_at(i);
        struct desk desk;
        struct buf body;
        bool about_it = row->bug == BUG_ACK_202 || row->bug == BUG_REDIRECT;
        buf_init(&body, 1 << 20);
        desk_open(&desk, row->bug, NULL);
        assert_true(row->rule_events_api || row->rule_aep);
        if (!about_it)
            assert_int_equal(post(&desk, AEP, RIGHT, body_of(&body, AEP, 1, 1, "updated", "")), 200);
        if (!about_it && row->bug != BUG_SIG_NO_DOT && row->bug != BUG_SIG_RESERIALISE)
            assert_int_equal(post(&desk, EVENTS_API, RIGHT, body_of(&body, EVENTS_API, 1, 2, "updated", "")),
                             200);
        assert_int_equal(post(&desk, AEP, OTHER_SECRET, body_of(&body, AEP, 2, 1, "updated", "")), 401);
        buf_reset(&body);
        desk_close(&desk);
    }
}

/* ---- bugs that show in what is kept ------------------------------------------------------ */

#define KEY "6a9f8486-2c36-4680-b87f-6f5f8f01b6cf"

/* What is kept of the one entity: "2 events, n 1, deleted", or "nothing"; n says whose values it has. */
static const char *look(struct desk *desk)
{
    static char kept[80];
    const char *entity = strstr(settled_state(desk), "\"key\":\"" KEY "\"");
    if (!entity)
        return "nothing";
    snprintf(kept, sizeof kept, "%lu events, n %lu%s", strtoul(strstr(entity, "\"events\":") + 9, NULL, 10),
             strtoul(strstr(entity, "\"n\":") + 4, NULL, 10),
             strstr(entity, "\"deleted\":true") ? ", deleted" : "");
    return kept;
}

static unsigned events_kept(struct desk *desk)
{
    return (unsigned)strtoul(look(desk), NULL, 10);
}

/* What a connector is told, and what it then keeps: a sound one, and one with the bug. "c1@9 u2@8": the
 * creation of :09 is event 1, an update of :08 event 2 (d: a removal); "+" is in one request with the one
 * before. */
struct story {
    enum connector_bug bug;
    enum platform platform;
    const char *told, *sound, *broken;
};

static const struct story stories[] = {
    /* a copy comes later; of one moment, the later one to come wins */
    {BUG_NO_DEDUP, AEP, "u1@9 u2@9 u1@9", "2 events, n 2", "3 events, n 1"},
    {BUG_NO_DEDUP, EVENTS_API, "u1@9 u2@9 u1@9", "2 events, n 2", "3 events, n 1"},
    {BUG_COUNTS_TWICE, AEP, "u1@9 u2@9 u1@9", "2 events, n 2", "3 events, n 2"},
    {BUG_COUNTS_TWICE, AEP, "c1@8 d2@9 d2@9", "2 events, n 2, deleted", "3 events, n 2, deleted"},
    {BUG_DEDUP_WINDOW, AEP, "u1@1 u2@2 u3@3 u4@4 u5@5 u6@6 u1@1", "6 events, n 6", "7 events, n 6"},
    {BUG_DEDUP_WINDOW, AEP, "u1@1 u2@2 u3@3 u4@4 u5@5 u1@1", "5 events, n 5", "5 events, n 5"},
    {BUG_DEDUP_REQUEST, AEP, "u1@9 u1@9", "1 events, n 1", "2 events, n 1"},
    {BUG_DEDUP_REQUEST, EVENTS_API, "u1@9 +u1@9", "1 events, n 1", "1 events, n 1"},
    /* a copy in the same request */
    {BUG_BATCH_LOOKUP, EVENTS_API, "u1@9 +u1@9", "1 events, n 1", "2 events, n 1"},
    {BUG_BATCH_LOOKUP, EVENTS_API, "u1@9 u1@9", "1 events, n 1", "1 events, n 1"},
    {BUG_CHECK_THEN_INSERT, EVENTS_API, "u1@9 +u1@9 u1@9", "1 events, n 1", "1 events, n 1"},
    {BUG_MARK_FIRST, EVENTS_API, "u1@9 +u1@9 u1@9", "1 events, n 1", "1 events, n 1"},
    {BUG_FIRST_OF_BATCH, EVENTS_API, "u1@8 +u2@9", "2 events, n 2", "1 events, n 1"},
    /* an older one comes later, or, applied with the newer one, behind it */
    {BUG_LAST_ARRIVAL, AEP, "u1@9 u2@8", "2 events, n 1", "2 events, n 2"},
    {BUG_LAST_ARRIVAL, EVENTS_API, "u1@9 +u2@8", "2 events, n 1", "2 events, n 2"},
    {BUG_LAST_ARRIVAL, AEP, "u1@9 c2@8", "2 events, n 1", "2 events, n 1"},
    {BUG_LAST_ARRIVAL, AEP, "d1@9 u2@8", "2 events, n 1, deleted", "2 events, n 1, deleted"},
    {BUG_RESURRECT, AEP, "d1@9 u2@8", "2 events, n 1, deleted", "2 events, n 2"},
    {BUG_RESURRECT, EVENTS_API, "d1@9 +u2@8", "2 events, n 1, deleted", "2 events, n 2"},
    {BUG_RESURRECT, AEP, "d1@9 c2@8", "2 events, n 1, deleted", "2 events, n 1, deleted"},
    {BUG_RESURRECT, AEP, "u1@9 u2@8", "2 events, n 1", "2 events, n 1"},
    {BUG_LATE_CREATE, AEP, "u1@9 c2@8", "2 events, n 1", "2 events, n 2"},
    {BUG_LATE_CREATE, EVENTS_API, "u1@9 +c2@8", "2 events, n 1", "2 events, n 2"},
    {BUG_LATE_CREATE, AEP, "d1@9 c2@8", "2 events, n 1, deleted", "2 events, n 1, deleted"},
    {BUG_LATE_CREATE, AEP, "u1@9 u2@8", "2 events, n 1", "2 events, n 1"},
};

static void put_told(struct buf *body, const struct story *story, const char *told)
{
    unsigned serial, minute;
    assert_int_equal(sscanf(told + 1, "%u@%u", &serial, &minute), 2);
    const char *change = *told == 'c' ? "created" : *told == 'u' ? "updated" : "removed";
    if (story->platform == AEP && *told == 'd')
        change = "deleted";
    put_event(body, story->platform, serial, change, KEY, minute, "");
}

static void tell_story(struct desk *desk, const struct story *story)
{
    struct buf body;
    buf_init(&body, 1 << 20);
    for (const char *told = story->told; told;) {
        buf_clear(&body);
        buf_puts(&body, story->platform == AEP ? "" : "{\"events\":[");
        put_told(&body, story, told);
        while ((told = strchr(told, ' ')) && *++told == '+') {
            buf_putc(&body, ',');
            put_told(&body, story, ++told);
        }
        buf_puts(&body, story->platform == AEP ? "" : "]}");
        assert_int_equal(post(desk, story->platform, RIGHT, buf_span(&body)), 200);
    }
    buf_reset(&body);
}

static void test_connector_bugs_change_what_is_kept(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(stories); i++) {
        const enum connector_bug bugs[] = {BUG_NONE, stories[i].bug};
        for (size_t b = 0; b < COUNT_OF(bugs); b++) {
            struct desk desk;
            desk_open(&desk, bugs[b], NULL);
            tell_story(&desk, &stories[i]);
            const char *kept = look(&desk), *wanted = b ? stories[i].broken : stories[i].sound;
            if (strcmp(kept, wanted) != 0)
                fail_msg("story %zu: \"%s\" instead of \"%s\" %s the bug", i, kept, wanted,
                         b ? "with" : "without");
            desk_close(&desk);
        }
    }
}

static void test_connector_bug_stored_anyway_keeps_what_it_refused_for_its_missing_signature(void **state)
{
    (void)state;
    const enum connector_bug bugs[] = {BUG_NONE, BUG_STORED_ANYWAY};
    for (size_t b = 0; b < COUNT_OF(bugs); b++)
        for (enum platform platform = EVENTS_API; platform <= AEP; platform++) {
            struct desk desk;
            struct buf body;
            buf_init(&body, 1 << 20);
            desk_open(&desk, bugs[b], NULL);
            body_of(&body, platform, 1, 1, "updated", "");
            assert_int_equal(post(&desk, platform, OTHER_SECRET, buf_span(&body)), 401);
            assert_int_equal(events_kept(&desk), 0);
            assert_int_equal(post(&desk, platform, MISSING, buf_span(&body)), 401);
            assert_int_equal(events_kept(&desk), b);
            buf_reset(&body);
            desk_close(&desk);
        }
}

/* ---- bugs that show when something comes in between -------------------------------------- */

#define TRIES 20 /* for what shows within some milliseconds, on a machine that may be busy elsewhere */

/* The one event, on a connection of its own; nobody waits for the answer yet. */
static void begin_event(struct desk *desk, struct talk *talk, unsigned serial)
{
    char headers[HEADERS_SIZE];
    struct buf body, bytes;
    buf_init(&body, 1 << 20);
    buf_init(&bytes, 1 << 20);
    put_event(&body, AEP, serial, "updated", KEY, 9, "");
    sign_request(AEP, RIGHT, buf_span(&body), headers);
    buf_printf(&bytes, "POST / HTTP/1.1\r\nHost: localhost\r\n%sContent-Length: %zu\r\n\r\n", headers,
               body.len);
    buf_put_span(&bytes, buf_span(&body));
    talk_open(talk, desk->loop, connector_port(desk->connector));
    assert_int_equal(talk_push(talk, buf_span(&bytes)).len, 0);
    buf_reset(&body);
    buf_reset(&bytes);
}

/* Until what was begun has certainly been read. */
static void turn_some(struct desk *desk)
{
    for (int i = 0; i < 3; i++)
        assert_int_equal(talk_request(&desk->talk, "HEAD", "/", "", span_of("")), 200);
}

/* How many events are kept when the same one comes on two connections at once. */
static unsigned overlap(enum connector_bug bug)
{
    struct desk desk;
    struct talk one, other;
    desk_open(&desk, bug, NULL);
    begin_event(&desk, &one, 1);
    begin_event(&desk, &other, 1);
    talk_send(&one, span_of(""));
    talk_send(&other, span_of(""));
    assert_int_equal(one.status, 200);
    assert_int_equal(other.status, 200);
    unsigned events = events_kept(&desk);
    talk_close(&one);
    talk_close(&other);
    desk_close(&desk);
    return events;
}

/* How many when the sender hangs up, and sends it again. */
static unsigned lose_ack(enum connector_bug bug)
{
    struct desk desk;
    struct talk lost;
    desk_open(&desk, bug, NULL);
    begin_event(&desk, &lost, 1);
    talk_close(&lost);
    turn_some(&desk);
    tell(&desk, 1, "updated", KEY, 9);
    unsigned events = events_kept(&desk);
    desk_close(&desk);
    return events;
}

static void test_connector_bugs_show_when_a_copy_comes_in_between(void **state)
{
    (void)state;
    const enum connector_bug sound[] = {BUG_NONE, BUG_MARK_FIRST, BUG_BATCH_LOOKUP};
    unsigned tries = 0;
    for (size_t i = 0; i < COUNT_OF(sound); i++) {
        assert_int_equal(overlap(sound[i]), 1);
        assert_int_equal(lose_ack(sound[i]), 1);
    }
    assert_int_equal(overlap(BUG_ABANDONED), 1);
    while (overlap(BUG_CHECK_THEN_INSERT) != 2)
        assert_true(++tries < TRIES);
    while (lose_ack(BUG_ABANDONED) != 0)
        assert_true(++tries < TRIES);
}

/* How many events are kept when the connector ends right after its acknowledgement, and starts again;
 * `again`: the event then comes once more. */
static unsigned end_acked(enum connector_bug bug, bool again)
{
    struct place place;
    struct desk desk;
    place_make(&place);
    desk_open(&desk, bug, place.file);
    tell(&desk, 1, "updated", KEY, 9);
    desk_close(&desk); /* nothing that waits is done any more */
    desk_open(&desk, bug, place.file);
    if (again)
        tell(&desk, 1, "updated", KEY, 9);
    unsigned events = events_kept(&desk);
    desk_close(&desk);
    place_remove(&place);
    return events;
}

/* How many when it ends while it works on the event, which then comes again. */
static unsigned end_in_flight(enum connector_bug bug)
{
    struct place place;
    struct desk desk;
    struct talk cut;
    place_make(&place);
    desk_open(&desk, bug, place.file);
    begin_event(&desk, &cut, 1);
    turn_some(&desk);
    talk_close(&cut);
    desk_close(&desk);
    desk_open(&desk, bug, place.file);
    tell(&desk, 1, "updated", KEY, 9);
    unsigned events = events_kept(&desk);
    desk_close(&desk);
    place_remove(&place);
    return events;
}

static void test_connector_bugs_show_when_it_ends_in_between(void **state)
{
    (void)state;
    const enum connector_bug sound[] = {BUG_NONE, BUG_CHECK_THEN_INSERT, BUG_ABANDONED};
    unsigned tries = 0;
    for (size_t i = 0; i < COUNT_OF(sound); i++) {
        assert_int_equal(end_acked(sound[i], false), 1);
        assert_int_equal(end_acked(sound[i], true), 1);
        assert_int_equal(end_in_flight(sound[i]), 1);
    }
    assert_int_equal(end_acked(BUG_DEDUP_MEMORY, false), 1);
    assert_int_equal(end_acked(BUG_DEDUP_MEMORY, true), 2);
    assert_int_equal(end_acked(BUG_MARK_FIRST, true), 1);
    while (end_in_flight(BUG_MARK_FIRST) != 0)
        assert_true(++tries < TRIES);
    assert_int_equal(end_acked(BUG_MEMORY_ONLY, false), 0);
    while (end_acked(BUG_ACK_FIRST, false) != 0)
        assert_true(++tries < TRIES);
}

/* The child of a fork: a connector that serves until it is killed; its port goes to `port_fd`. */
static void serve_forever(int port_fd, const char *file)
{
    struct desk desk;
    struct err err;
    bool never = false;
    desk_open(&desk, BUG_NONE, file);
    uint16_t port = connector_port(desk.connector);
    if (write(port_fd, &port, sizeof port) == sizeof port && loop_run(desk.loop, &never, &err))
        _exit(0);
    _exit(1);
}

static void test_connector_keeps_what_it_acknowledged_when_it_is_killed(void **state)
{
    (void)state;
    struct place place;
    struct desk desk = {0};
    struct err err;
    int pipe_fds[2], status;
    uint16_t port;
    place_make(&place);
    assert_int_equal(pipe(pipe_fds), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        serve_forever(pipe_fds[1], place.file);
    assert_int_equal(read(pipe_fds[0], &port, sizeof port), sizeof port);
    assert_true(loop_new(&desk.loop, &err));
    talk_open(&desk.talk, desk.loop, port);
    for (unsigned serial = 1; serial <= 40; serial++)
        tell(&desk, serial, "updated", KEY, serial);
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    talk_close(&desk.talk);
    loop_free(desk.loop);
    desk_open(&desk, BUG_NONE, place.file);
    assert_string_equal(look(&desk), "40 events, n 40");
    desk_close(&desk);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    place_remove(&place);
}

/* ---- a port: products as the PIM has them ------------------------------------------------- */

#define LIST_MAX 100

/* A PIM in the same loop: each product and model that it is asked about has this n. */
struct pim {
    struct httpd *httpd;
    char url[64];
    unsigned n;                        /* 0: it has none */
    unsigned refusals;                 /* so many calls to come are answered with … */
    unsigned refusal;                  /* … this status */
    const char *answer;                /* NULL: a good one */
    bool holds;                        /* answers to questions are kept back … */
    struct httpd_request *held;        /* … the last one here */
    unsigned tokens, questions, asked; /* so many; entities, of the last question */
    char target[120];                  /* of the last one: its beginning */
};

/* The values of the list in the query, as items. */
static void put_items(struct pim *pim, const char *target, struct buf *out)
{
    const char *at = strstr(target, "\"value\":["), *member = strstr(target, "uuid\"") ? "uuid" : "code";
    assert_non_null(at);
    pim->asked = 0;
    buf_puts(out, "{\"_links\":{},\"_embedded\":{\"items\":[");
    for (at += strlen("\"value\":["); *at == '"' || *at == ','; at = strchr(at, '"') + 1) {
        at += *at == ',' ? 2 : 1;
        int len = (int)strcspn(at, "\"");
        buf_printf(out, pim->asked++ ? "," : "");
        buf_printf(out, "{\"_links\":{\"self\":{\"href\":\"x\"}},\"%s\":\"%.*s\",", member, len, at);
        buf_printf(out, "%s\"n\":%u,\"size\":1.50}", *member == 'u' ? "\"identifier\":\"bag\"," : "", pim->n);
    }
    buf_puts(out, "]}}");
}

static void answer_question(struct pim *pim, struct httpd_request *request)
{
    struct buf target, body;
    char token[40];
    buf_init(&target, 1 << 20);
    buf_init(&body, 1 << 20);
    httpd_put_target(request, &target);
    snprintf(pim->target, sizeof pim->target, "%s", buf_text(&target));
    snprintf(token, sizeof token, "Bearer token-%u", pim->tokens);
    assert_string_equal(httpd_header(request, "Authorization"), token);
    put_items(pim, buf_text(&target), &body);
    if (pim->n == 0)
        buf_clear(&body), buf_puts(&body, "{\"_embedded\":{\"items\":[]}}");
    httpd_answer(request, 200, NULL, 0, pim->answer ? span_of(pim->answer) : buf_span(&body));
    buf_reset(&target);
    buf_reset(&body);
}

static void on_call(void *arg, struct httpd_request *request)
{
    struct pim *pim = arg;
    char token[64];
    bool wants_token = strcmp(httpd_path(request), "/api/oauth/v1/token") == 0;
    pim->tokens += wants_token;
    pim->questions += !wants_token;
    snprintf(token, sizeof token, "{\"access_token\":\"token-%u\"}", pim->tokens);
    if (pim->refusals) {
        pim->refusals--;
        httpd_answer(request, pim->refusal, NULL, 0, span_of("no"));
    } else if (wants_token) {
        assert_string_equal(httpd_method(request), "POST");
        assert_non_null(strstr(httpd_header(request, "Authorization"), "Basic "));
        httpd_answer(request, 200, NULL, 0, span_of(token));
    } else if (pim->holds) {
        pim->held = request;
    } else {
        answer_question(pim, request);
    }
}

static void port_open(struct desk *desk, struct pim *pim, enum connector_bug bug, const char *db)
{
    struct err err;
    struct httpd_options options = {
        .address = "127.0.0.1", .body_bytes_max = 4096, .handler = on_call, .arg = pim};
    *pim = (struct pim){.n = 1};
    assert_true(loop_new(&desk->loop, &err));
    assert_true(httpd_open(&pim->httpd, desk->loop, &options, &err));
    snprintf(pim->url, sizeof pim->url, "http://127.0.0.1:%u", httpd_port(pim->httpd));
    desk_begin(desk, bug, db, pim->url);
}

static void port_close(struct desk *desk, struct pim *pim)
{
    talk_close(&desk->talk);
    connector_close(desk->connector);
    httpd_close(pim->httpd);
    loop_free(desk->loop);
}

/* One event of a story: "Eu2@9" is the Events API's update of :09, event 2, and "A" AEP's; c: created,
 * d: removed, D: a delta, o: an own update, m: the update of a model. */
static void put_change(struct buf *body, const char *told)
{
    static const struct {
        char letter;
        const char *type[2], *entity[2], *author;
    } kinds[] = {
#define BAG   "{\"uuid\":\"" KEY "\",\"identifier\":\"bag\",\"n\":%u,\"size\":1.5}"
#define LIGHT "{\"uuid\":\"" KEY "\"}"
        {'c', {"product.created", "product.created"}, {BAG, LIGHT}, "julia"},
        {'u', {"product.updated", "product.updated"}, {BAG, LIGHT}, "julia"},
        {'D',
         {NULL, "product.updated.delta"},
         {NULL, "{\"uuid\":\"" KEY "\",\"changes\":{\"n\":%u}}"},
         "julia"},
        {'d',
         {"product.removed", "product.deleted"},
         {"{\"uuid\":\"" KEY "\",\"identifier\":\"bag\"}", LIGHT},
         "julia"},
        {'o', {NULL, "product.updated"}, {NULL, LIGHT}, "pimsim-connector"},
        {'m',
         {"product_model.updated", "product-model.updated"},
         {"{\"code\":\"" KEY "\",\"n\":%u,\"size\":1.5}", "{\"code\":\"" KEY "\"}"},
         "julia"},
    };
    enum platform platform = *told == 'A' ? AEP : EVENTS_API;
    unsigned serial, minute;
    char entity[200];
    size_t k = 0;
    while (kinds[k].letter != told[1])
        k++;
    assert_int_equal(sscanf(told + 2, "%u@%u", &serial, &minute), 2);
    snprintf(entity, sizeof entity, kinds[k].entity[platform], serial);
    if (platform == AEP)
        buf_printf(body,
                   "{\"id\":\"aep-%u\",\"type\":\"com.akeneo.pim.v1.%s\",\"time\":\"2026-02-22T17:%02u:00Z\","
                   "\"data\":{\"%s\":%s,\"author\":{\"identifier\":\"%s\"}}}",
                   serial, kinds[k].type[platform], minute, told[1] == 'm' ? "product_model" : "product",
                   entity, kinds[k].author);
    else
        buf_printf(body,
                   "{\"events\":[{\"event_id\":\"api-%u\",\"action\":\"%s\",\"event_datetime\":\"2026-02-"
                   "22T17:%02u:00+00:00\","
                   "\"data\":{\"resource\":%s}}]}",
                   serial, kinds[k].type[platform], minute, entity);
}

/* Tell the story, "A… E…"; "|": wait until all is settled. The PIM has what the newest event so far says. */
static void tell_changes(struct desk *desk, struct pim *pim, const char *told)
{
    struct buf body;
    buf_init(&body, 1 << 20);
    for (; told; told = strchr(told, ' ') ? strchr(told, ' ') + 1 : NULL) {
        if (*told == '|') {
            settled_state(desk);
            continue;
        }
        unsigned n = (unsigned)strtoul(told + 2, NULL, 10);
        pim->n = told[1] == 'd' ? 0 : n > pim->n ? n : pim->n;
        buf_clear(&body);
        put_change(&body, told);
        assert_int_equal(post(desk, *told == 'A' ? AEP : EVENTS_API, RIGHT, buf_span(&body)), 200);
    }
    buf_reset(&body);
}

/* What the state says of its rows, but for moments and numbers of events: "product bag {…}"; "-" for null. */
static const char *rows(struct desk *desk)
{
    static char text[1000];
    const char *at = settled_state(desk);
    text[0] = '\0';
    while ((at = strstr(at, "{\"kind\":\""))) {
        const char *identifier = strstr(at, "\"identifier\":"), *resource = strstr(at, "\"resource\":");
        const char *deleted = strstr(at, "\"deleted\":");
        size_t len = strcspn(resource + 11, "}");
        assert_true(identifier && deleted && resource);
        at += 9;
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%.*s %.*s%s %.*s", *text ? "; " : "",
                 (int)strcspn(at, "\""), at, (int)strcspn(identifier + 13, ","), identifier + 13,
                 strncmp(deleted + 10, "true", 4) == 0 ? " deleted" : "", (int)(len + (resource[11] == '{')),
                 resource + 11);
    }
    return text;
}

#define ROW_N(n)   "product \"bag\" {\"uuid\":\"" KEY "\",\"identifier\":\"bag\",\"n\":" n ",\"size\":1.5}"
#define GONE       "product null deleted null"
#define MODEL_N(n) "product_model null {\"code\":\"" KEY "\",\"n\":" n ",\"size\":1.5}"

static void test_connector_has_the_same_of_a_product_whichever_platform_told_it(void **state)
{
    (void)state;
    static const struct {
        const char *told, *rows;
    } table[] = {
        {"Ec1@1", ROW_N("1")},
        {"Ac1@1", ROW_N("1")},
        {"Ec1@1 Eu2@2", ROW_N("2")},
        {"Ac1@1 Au2@2", ROW_N("2")},
        {"Ac1@1 | Au2@2 AD3@2", ROW_N("3")},
        {"AD2@2", ROW_N("2")},
        {"Em2@2", MODEL_N("2")},
        {"Am2@2", MODEL_N("2")},
        {"Em1@1 Am2@2", MODEL_N("2")},
        /* removals */
        {"Ec1@1 Ed2@2", GONE},
        {"Ac1@1 | Ad2@2", GONE},
        {"Ac1@1 Ad2@2", GONE},
        {"Ad2@2", GONE},
        {"Ad2@2 Ac1@1", GONE},
        {"Ac1@1 | Ed2@2", GONE},
        {"Ec1@1 Ad2@2 Ed3@2", GONE},
        {"Ac1@1 Ad2@2 Au3@3", ROW_N("3")}, /* it is back */
        {"Ec1@1 Ed2@2 Eu3@3", ROW_N("3")},
        /* both: one after the other, and what is older later */
        {"Ec1@1 Eu2@2 Ac1@1 Au2@2", ROW_N("2")},
        {"Ac1@1 Au2@2 | Ec1@1 Eu2@2", ROW_N("2")},
        {"Au2@2 Eu1@1", ROW_N("2")},
        {"Eu2@2 Au1@1", ROW_N("2")},
        {"Eu2@2 Eu1@1", ROW_N("2")},
        /* AEP goes on with what the Events API began */
        {"Ec1@1 | Au2@2", ROW_N("2")},
        {"Ec1@1 | AD2@2 | AD3@3", ROW_N("3")},
        {"Ec1@1 Eu2@2 | Ad3@3", GONE},
        {"Ec1@1 | Au2@2 | Ad3@3", GONE},
        /* the PIM was ahead of what is told: event 3 comes first */
        {"Au3@1 | Eu2@2", ROW_N("3")},
        /* its own */
        {"Ec1@1 Ao2@2", ROW_N("1")},
        {"Ac1@1 | Ao2@2", ROW_N("1")},
    };
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        struct desk desk;
        struct pim pim;
        port_open(&desk, &pim, BUG_NONE, NULL);
        tell_changes(&desk, &pim, table[i].told);
        if (strcmp(rows(&desk), table[i].rows) != 0)
            fail_msg("%s: \"%s\" instead of \"%s\"", table[i].told, rows(&desk), table[i].rows);
        port_close(&desk, &pim);
    }
}

static void test_connector_shows_moments_events_and_resources_of_a_port(void **state)
{
    (void)state;
    struct desk desk;
    struct pim pim;
    port_open(&desk, &pim, BUG_NONE, NULL);
    tell_changes(&desk, &pim, "Ac1@1 Au2@2 Au2@2 Em3@3");
    const char *kept = settled_state(&desk);
    assert_non_null(strstr(kept, "\"time_us\":1771779720000000,\"deleted\":false,\"events\":2,"));
    assert_null(strstr(kept, "_links"));
    assert_null(strstr(kept, "payload"));
    port_close(&desk, &pim);
}

static void test_connector_asks_for_many_at_once_with_one_token(void **state)
{
    (void)state;
    struct desk desk;
    struct pim pim;
    port_open(&desk, &pim, BUG_NONE, NULL);
    pim.holds = true;
    tell(&desk, 1, "created", "the first", 1);
    while (!pim.held)
        assert_int_equal(talk_request(&desk.talk, "HEAD", "/", "", span_of("")), 200);
    for (unsigned i = 2; i <= 151; i++) {
        char key[40];
        snprintf(key, sizeof key, "a \xc3\xa9&%%+#%u", i); /* codes may be anything */
        tell(&desk, i, "updated", key, 2);
    }
    assert_int_equal(pim.questions, 1);
    pim.holds = false;
    answer_question(&pim, pim.held);
    assert_string_equal(pim.target, "/api/rest/v1/products-uuid?limit=100&search="
                                    "{\"uuid\":[{\"operator\":\"IN\",\"value\":[\"the first\"]}]}");
    settled_state(&desk);
    assert_in_range(pim.questions, 3, 4); /* the first; and 150 in at least two */
    assert_int_equal(pim.tokens, 1);
    assert_null(strstr(settled_state(&desk), "\"resource\":null"));
    port_close(&desk, &pim);
}

static void test_connector_asks_again_when_an_event_comes_while_it_asks(void **state)
{
    (void)state;
    struct desk desk;
    struct pim pim;
    port_open(&desk, &pim, BUG_NONE, NULL);
    pim.holds = true;
    tell_changes(&desk, &pim, "Ac1@1");
    while (!pim.held)
        assert_int_equal(talk_request(&desk.talk, "HEAD", "/", "", span_of("")), 200);
    tell_changes(&desk, &pim, "Au2@2 Eu3@3");
    while (!strstr(desk.talk.body, "\"events\":3"))
        assert_int_equal(talk_request(&desk.talk, "GET", "/state", "", span_of("")), 200);
    pim.n = 1; /* it answers as of then */
    pim.holds = false;
    answer_question(&pim, pim.held);
    pim.n = 3;
    assert_string_equal(rows(&desk), ROW_N("3"));
    assert_int_equal(pim.questions, 2);
    port_close(&desk, &pim);
}

static void test_connector_leaves_what_the_pim_does_not_have(void **state)
{
    (void)state;
    struct desk desk;
    struct pim pim;
    port_open(&desk, &pim, BUG_NONE, NULL);
    tell_changes(&desk, &pim, "Ac1@1 |");
    pim.n = 0;
    struct buf body;
    buf_init(&body, 4096);
    put_change(&body, "Au2@2");
    assert_int_equal(post(&desk, AEP, RIGHT, buf_span(&body)), 200);
    assert_string_equal(rows(&desk), ROW_N("1"));
    assert_int_equal(pim.questions, 2);
    buf_reset(&body);
    port_close(&desk, &pim);
}

static void test_connector_asks_again_after_a_failure(void **state)
{
    (void)state;
    static const struct {
        unsigned refusals, status;
        const char *answer;
        unsigned tokens, seconds; /* of pause */
    } table[] = {
        {1, 401, NULL, 2, 0}, /* a token that was good: at once */
        {1, 500, NULL, 1, 1}, {1, 429, NULL, 1, 1},        {2, 401, NULL, 3, 1},
        {0, 200, "{", 1, 1},  {0, 200, "{\"n\":1}", 1, 1}, {0, 200, "", 1, 1},
    };
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        struct desk desk;
        struct pim pim;
        port_open(&desk, &pim, BUG_NONE, NULL);
        tell_changes(&desk, &pim, "Ac1@1 |");
        pim.refusals = table[i].refusals;
        pim.refusal = table[i].status;
        pim.answer = table[i].answer;
        uint64_t start_us = clock_mono_us();
        unsigned questions = pim.questions;
        tell_changes(&desk, &pim, "Au2@2");
        while (pim.questions == questions)
            assert_int_equal(talk_request(&desk.talk, "GET", "/state", "", span_of("")), 200);
        pim.answer = NULL;
        assert_string_equal(rows(&desk), ROW_N("2"));
        assert_int_equal(pim.tokens, table[i].tokens);
        assert_int_equal(clock_mono_us() - start_us >= 1000000,
                         table[i].seconds); /* or more: a busy machine */
        port_close(&desk, &pim);
    }
}

static void test_connector_asks_after_a_restart_for_what_it_wanted_before(void **state)
{
    (void)state;
    struct place place;
    struct desk desk;
    struct pim pim;
    place_make(&place);
    port_open(&desk, &pim, BUG_NONE, place.file);
    pim.holds = true;
    tell_changes(&desk, &pim, "Ac1@1");
    while (!pim.held)
        assert_int_equal(talk_request(&desk.talk, "GET", "/state", "", span_of("")), 200);
    assert_non_null(strstr(desk.talk.body, "{\"waiting\":1,"));
    port_close(&desk, &pim);
    port_open(&desk, &pim, BUG_NONE, place.file);
    assert_string_equal(rows(&desk), ROW_N("1"));
    port_close(&desk, &pim);
    place_remove(&place);
}

static void test_connector_without_a_pim_keeps_what_events_say(void **state)
{
    (void)state;
    struct desk desk;
    struct buf body;
    buf_init(&body, 4096);
    desk_open(&desk, BUG_NONE, NULL);
    put_change(&body, "Ac1@1");
    assert_int_equal(post(&desk, AEP, RIGHT, buf_span(&body)), 200);
    assert_non_null(
        strstr(settled_state(&desk), "\"payload\":{\"product\":{\"uuid\":\"" KEY "\"},\"author\""));
    buf_reset(&body);
    desk_close(&desk);
}

/* What each bug of a port makes of a story, where it differs: "" is as a sound one. The last rows of each are
 * the other bugs' stories. */
static void test_connector_bugs_of_a_port_show_in_their_story_alone(void **state)
{
    (void)state;
#define NAMELESS(n) "product null {\"uuid\":\"" KEY "\",\"identifier\":null,\"n\":" n ",\"size\":1.5}"
#define CHANGES(n)  "product null {\"n\":" n "}"
    static const enum connector_bug bugs[] = {BUG_PORT_HOLLOW,   BUG_PORT_IDENTIFIER, BUG_PORT_DELTA,
                                              BUG_PORT_REMOVED,  BUG_PORT_OWN_EVENTS, BUG_PORT_TWICE,
                                              BUG_PORT_NEWCOMERS};
    static const struct {
        const char *told, *broken[COUNT_OF(bugs)]; /* NULL: as a sound one */
    } tales[] = {
        {"Ec1@1 Eu2@2", {NULL}}, /* nothing of a port */
        {"Em1@1 Ed2@2", {NULL}},
        {"Ac1@1 | Au2@2", {"product null null", NAMELESS("2")}},
        {"Am2@2", {"product_model null null", NULL, NULL, NULL, NULL, NULL, ""}},
        {"Am2@2 | Am3@3", {"product_model null null", NULL, NULL, NULL, NULL, NULL, ""}},
        {"Ac1@1 | Au2@2 AD3@2", {"product null null", NAMELESS("3"), CHANGES("3")}},
        {"Ac1@1 | AD3@2 Au2@2", {"product null null", NAMELESS("3"), CHANGES("3")}},
        /* the creation makes up for what was passed over */
        {"AD3@2 Ac1@1", {"product null null", NAMELESS("3"), CHANGES("3")}},
        {"Ac1@1 | Ad2@2", {NULL, NULL, NULL, ROW_N("1")}},
        {"Ec1@1 Eu2@2 Ao3@3", {NULL, NULL, NULL, NULL, ROW_N("3")}},
        {"Ec1@1 Eu2@2 Ac1@1 Au2@2", {NULL, NULL, NULL, NULL, NULL, ROW_N("2") "; " ROW_N("2")}},
        {"Em2@2 Am2@2", {NULL}},
        /* a handover: those that get AEP's events wrong at all show in it too */
        {"Ec1@1 | Au2@2", {ROW_N("1"), NULL, NULL, NULL, NULL, NULL, ROW_N("1")}},
        {"Ec1@1 | AD2@2", {ROW_N("1"), NULL, CHANGES("2"), NULL, NULL, NULL, ROW_N("1")}},
        {"Ec1@1 | Ad2@2", {NULL, NULL, NULL, ROW_N("1"), NULL, NULL, ROW_N("1")}},
        {"Ec1@1 Ac1@1 | Au2@2", {ROW_N("1"), NULL, NULL, NULL, NULL, ROW_N("1") "; " ROW_N("2")}},
        {"Em1@1 | Am2@2", {MODEL_N("1"), NULL, NULL, NULL, NULL, NULL, MODEL_N("1")}},
    };
    for (size_t i = 0; i < COUNT_OF(tales); i++) {
        struct desk desk;
        struct pim pim;
        char sound[1000];
        port_open(&desk, &pim, BUG_NONE, NULL);
        tell_changes(&desk, &pim, tales[i].told);
        snprintf(sound, sizeof sound, "%s", rows(&desk));
        port_close(&desk, &pim);
        for (size_t b = 0; b < COUNT_OF(bugs); b++) {
            const char *wanted = tales[i].broken[b] ? tales[i].broken[b] : sound;
            port_open(&desk, &pim, bugs[b], NULL);
            tell_changes(&desk, &pim, tales[i].told);
            if (strcmp(rows(&desk), wanted) != 0)
                fail_msg("%s, bug %zu: \"%s\" instead of \"%s\"", tales[i].told, b, rows(&desk), wanted);
            port_close(&desk, &pim);
        }
    }
}

/* ---- bugs, one by one -------------------------------------------------------------------- */

static void test_connector_bug_redirect_names_the_place(void **state)
{
    (void)state;
    struct desk desk;
    struct buf body;
    buf_init(&body, 1 << 20);
    desk_open(&desk, BUG_REDIRECT, NULL);
    assert_int_equal(post(&desk, AEP, RIGHT, body_of(&body, AEP, 1, 1, "updated", "")), 308);
    assert_non_null(strstr(buf_text(&desk.talk.answer), "Location: /x\r\n"));
    buf_reset(&body);
    desk_close(&desk);
}

static void test_connector_bug_cached_takes_another_body_with_a_signature_that_was_right(void **state)
{
    (void)state;
    const enum connector_bug bugs[] = {BUG_NONE, BUG_SIG_CACHED};
    for (size_t b = 0; b < COUNT_OF(bugs); b++) {
        struct desk desk;
        desk_open(&desk, bugs[b], NULL);
        const char *signature = "X-AKENEO-SIGNATURE-PRIMARY: "
                                "e67384338a15cf088248bb723e841ff65c9d396be3ceac331417876fa27f80fc\r\n";
        char other[sizeof aep_body];
        memcpy(other, aep_body, sizeof aep_body);
        strstr(other, "ee555a")[0] = 'f';
        assert_int_equal(talk_request(&desk.talk, "POST", "/", signature, span_of(other)), 401);
        assert_int_equal(talk_request(&desk.talk, "POST", "/", signature, span_of(aep_body)), 200);
        assert_int_equal(talk_request(&desk.talk, "POST", "/", signature, span_of(other)), b ? 200 : 401);
        desk_close(&desk);
    }
}

static void test_connector_bug_body_limit_refuses_large_bodies(void **state)
{
    (void)state;
    struct desk desk;
    struct buf body, more;
    buf_init(&body, 1 << 20);
    buf_init(&more, 1 << 20);
    buf_printf(&more, ",\"more\":\"%0262144d\"", 0);
    desk_open(&desk, BUG_BODY_LIMIT, NULL);
    assert_int_equal(post(&desk, AEP, RIGHT, body_of(&body, AEP, 1, 1, "updated", buf_text(&more))), 413);
    buf_reset(&body);
    buf_reset(&more);
    desk_close(&desk);
}

/* How long the nth delivery took. */
static uint64_t took_us(struct desk *desk, enum platform platform, unsigned n, const char *change)
{
    struct buf body;
    buf_init(&body, 1 << 20);
    uint64_t start_us = clock_mono_us();
    assert_int_equal(post(desk, platform, RIGHT, body_of(&body, platform, n, 1, change, "")), 200);
    buf_reset(&body);
    return clock_mono_us() - start_us;
}

static void test_connector_bugs_of_time_answer_some_removals_late(void **state)
{
    (void)state;
    const struct {
        enum connector_bug bug;
        uint64_t us;
    } cases[] = {{BUG_ACK_SLOW, 700000}, {BUG_NO_HEADROOM, 300000}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct desk desk;
        desk_open(&desk, cases[i].bug, NULL);
        assert_true(took_us(&desk, EVENTS_API, 1, "updated") < cases[i].us);
        assert_true(took_us(&desk, EVENTS_API, 2, "removed") >= cases[i].us);
        assert_true(took_us(&desk, EVENTS_API, 3, "removed") < cases[i].us);
        desk_close(&desk);
    }
}

static void test_connector_bug_load_serial_works_on_one_delivery_at_a_time(void **state)
{
    (void)state;
    struct desk desk;
    desk_open(&desk, BUG_LOAD_SERIAL, NULL);
    assert_true(took_us(&desk, AEP, 1, "updated") >= 15000);
    desk_close(&desk);
}

static void test_connector_bugs_are_found_by_name(void **state)
{
    (void)state;
    struct err err;
    enum connector_bug bug;
    for (size_t i = 0; i < connector_bug_count(); i++) {
        assert_true(connector_bug_find(connector_bug_at(i)->name, &bug, &err));
        assert_int_equal(bug, connector_bug_at(i)->bug);
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(connector_bug_at(i)->name, connector_bug_at(j)->name);
    }
    assert_false(connector_bug_find("ack-slwo", &bug, &err));
    assert_string_equal(err.text, "no bug is called \"ack-slwo\"; did you mean \"ack-slow\"?");
    assert_int_equal(err.code, EXIT_USAGE);
}

static void test_connector_refuses_options_that_it_cannot_work_with(void **state)
{
    (void)state;
    struct err err;
    struct loop *loop;
    struct connector *connector;
    assert_true(loop_new(&loop, &err));
    assert_false(connector_open(&connector, loop, &(struct connector_options){.secret = ""}, &err));
    assert_string_equal(err.text, "the secret is empty");
    assert_false(connector_open(&connector, loop, &(struct connector_options){.db = "Makefile"}, &err));
    assert_string_equal(err.text, "Makefile: file is not a database");
    assert_false(
        connector_open(&connector, loop, &(struct connector_options){.pim_url = "http://example.com"}, &err));
    assert_non_null(strstr(err.text, "--pim-url: http://example.com: example.com is not a loopback address"));
    loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_connector_accepts_known_signatures_of_aep),
        cmocka_unit_test(test_connector_accepts_known_signatures_of_the_events_api_unless_they_are_old),
        cmocka_unit_test(test_connector_decides_by_the_signature),
        cmocka_unit_test(test_connector_decides_by_the_body),
        cmocka_unit_test(test_connector_bears_deep_and_large_bodies),
        cmocka_unit_test(test_connector_answers_429_rather_than_store_more_than_its_inbox_holds),
        cmocka_unit_test(test_connector_answers_other_methods),
        cmocka_unit_test(test_connector_keeps_the_newest_whatever_the_order),
        cmocka_unit_test(test_connector_drops_events_that_it_caused_itself),
        cmocka_unit_test(test_connector_remembers_what_it_acknowledged),
        cmocka_unit_test(test_connector_bugs_change_the_answer_that_they_are_about),
        cmocka_unit_test(test_connector_bug_not_found_takes_the_removal_of_what_it_knows),
        cmocka_unit_test(test_connector_bug_notification_refuses_notifications),
        cmocka_unit_test(test_connector_bugs_leave_a_plain_delivery_alone),
        cmocka_unit_test(test_connector_bugs_change_what_is_kept),
        cmocka_unit_test(test_connector_bug_stored_anyway_keeps_what_it_refused_for_its_missing_signature),
        cmocka_unit_test(test_connector_bugs_show_when_a_copy_comes_in_between),
        cmocka_unit_test(test_connector_bugs_show_when_it_ends_in_between),
        cmocka_unit_test(test_connector_keeps_what_it_acknowledged_when_it_is_killed),
        cmocka_unit_test(test_connector_has_the_same_of_a_product_whichever_platform_told_it),
        cmocka_unit_test(test_connector_shows_moments_events_and_resources_of_a_port),
        cmocka_unit_test(test_connector_asks_for_many_at_once_with_one_token),
        cmocka_unit_test(test_connector_asks_again_when_an_event_comes_while_it_asks),
        cmocka_unit_test(test_connector_leaves_what_the_pim_does_not_have),
        cmocka_unit_test(test_connector_asks_again_after_a_failure),
        cmocka_unit_test(test_connector_asks_after_a_restart_for_what_it_wanted_before),
        cmocka_unit_test(test_connector_without_a_pim_keeps_what_events_say),
        cmocka_unit_test(test_connector_bugs_of_a_port_show_in_their_story_alone),
        cmocka_unit_test(test_connector_bug_redirect_names_the_place),
        cmocka_unit_test(test_connector_bug_cached_takes_another_body_with_a_signature_that_was_right),
        cmocka_unit_test(test_connector_bug_body_limit_refuses_large_bodies),
        cmocka_unit_test(test_connector_bugs_of_time_answer_some_removals_late),
        cmocka_unit_test(test_connector_bug_load_serial_works_on_one_delivery_at_a_time),
        cmocka_unit_test(test_connector_bugs_are_found_by_name),
        cmocka_unit_test(test_connector_refuses_options_that_it_cannot_work_with),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
