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

#include "connector.h"
#include "talk.h"

#define NEXT_SECRET "the next one"

/* ---- requests ---------------------------------------------------------------------------- */

struct desk {
    struct loop *loop;
    struct connector *connector;
    struct talk talk;
};

static void desk_open(struct desk *desk, enum connector_bug bug, const char *db)
{
    struct err err;
    struct connector_options options = {.bug = bug, .secret_secondary = NEXT_SECRET, .db = db};
    assert_true(loop_new(&desk->loop, &err));
    assert_true(connector_open(&desk->connector, desk->loop, &options, &err));
    talk_open(&desk->talk, desk->loop, connector_port(desk->connector));
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

static unsigned post(struct desk *desk, enum platform platform, enum signing signing, struct span body)
{
    const char *secret = signing == OTHER_SECRET ? "other" : signing == EMPTY_SECRET ? "" : "pimsim";
    char moment[32], dotted[40], hex[65], headers[512] = "";
    snprintf(moment, sizeof moment, "%lld",
             (long long)(clock_wall_us() / 1000000) - (signing == STALE ? 3600 : 0));
    snprintf(dotted, sizeof dotted, "%s.", moment);
    sign(secret, platform == AEP ? "" : dotted, body, hex);
    spoil(signing, hex);
    size_t len = 0;
    if (platform == EVENTS_API)
        len = (size_t)snprintf(headers, sizeof headers, "X-Akeneo-Request-Timestamp: %s\r\n", moment);
    const char *name = platform == EVENTS_API ? "X-Akeneo-Request-Signature"
                       : signing == SECONDARY ? "X-AKENEO-SIGNATURE-SECONDARY"
                                              : "X-AKENEO-SIGNATURE-PRIMARY";
    if (signing == SECONDARY && platform == AEP)
        len = (size_t)snprintf(headers, sizeof headers, "X-AKENEO-SIGNATURE-PRIMARY: %064d\r\n", 0);
    if (signing != MISSING)
        snprintf(headers + len, sizeof headers - len, "%s: %s\r\n", name, hex);
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

static void test_connector_remembers_what_it_acknowledged(void **state)
{
    (void)state;
    char folder[] = "/tmp/pimsim-test-XXXXXX", file[64];
    assert_non_null(mkdtemp(folder));
    snprintf(file, sizeof file, "%s/inbox.db", folder);
    struct desk desk;
    struct buf body;
    buf_init(&body, 1 << 20);
    desk_open(&desk, BUG_NONE, file);
    assert_int_equal(post(&desk, EVENTS_API, RIGHT, body_of(&body, EVENTS_API, 1, 10, "updated", "")), 200);
    desk_close(&desk); /* before any of them was applied */
    desk_open(&desk, BUG_DUP_409, file);
    assert_non_null(strstr(settled_state(&desk), "\"n\":10"));
    assert_int_equal(post(&desk, EVENTS_API, RIGHT, body_of(&body, EVENTS_API, 10, 1, "updated", "")), 409);
    assert_int_equal(post(&desk, EVENTS_API, RIGHT, body_of(&body, EVENTS_API, 11, 1, "updated", "")), 200);
    desk_close(&desk);
    buf_reset(&body);
    unlink(file);
    rmdir(folder);
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

static void test_connector_refuses_an_empty_secret_and_a_file_that_is_no_database(void **state)
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
        cmocka_unit_test(test_connector_bugs_leave_a_plain_delivery_alone),
        cmocka_unit_test(test_connector_bug_redirect_names_the_place),
        cmocka_unit_test(test_connector_bug_cached_takes_another_body_with_a_signature_that_was_right),
        cmocka_unit_test(test_connector_bug_body_limit_refuses_large_bodies),
        cmocka_unit_test(test_connector_bugs_of_time_answer_some_removals_late),
        cmocka_unit_test(test_connector_bug_load_serial_works_on_one_delivery_at_a_time),
        cmocka_unit_test(test_connector_bugs_are_found_by_name),
        cmocka_unit_test(test_connector_refuses_an_empty_secret_and_a_file_that_is_no_database),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
