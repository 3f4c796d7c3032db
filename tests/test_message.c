/* Tests of message.c: the bytes of every request, right or spoiled. The signatures were computed with
 * `openssl dgst -sha256 -hmac` (with the empty secret: PHP's hash_hmac). */
#include "message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "limits.h"
#include "planning.h"
#include "sign.h"

#define SECRET  "topsecret"
#define SECOND  "nextsecret"
#define WALL_US 1769850839123456 /* 2026-01-31T09:13:59Z and a bit */
#define STAMP   "1769850839"

#define EVENT                                                                                                \
    "{\"action\":\"product.updated\",\"event_id\":\"5d30d0f6-87a6-45ad-ba6b-3a302b0d328c\","                 \
    "\"event_datetime\":\"2026-01-31T09:13:59+00:00\",\"author\":\"julia\",\"author_type\":\"ui\","          \
    "\"pim_source\":\"demo\",\"data\":{\"resource\":{\"uuid\":\"0c1f0a6e-6f4b-4d0e-9a57-3f2b6c9d1e84\","     \
    "\"values\":{\"name\":[{\"locale\":null,\"scope\":null,\"data\":\"Caf\\u00e9 10\\/12\"}],"               \
    "\"weight\":[{\"locale\":null,\"scope\":null,\"data\":{\"amount\":\"800.0000\",\"unit\":\"GRAM\"}}]},"   \
    "\"associations\":[]}}}"
#define REQUEST "{\"events\":[" EVENT "]}"

#define CLOUD_EVENT                                                                                          \
    "{\"specversion\":\"1.0\",\"id\":\"01947a9d-3b52-7c1a-8f0e-5d6c7b8a9f01\",\"source\":\"pim\","           \
    "\"type\":\"com.akeneo.pim.v1.product.updated.delta\",\"subject\":\"0194-sub\","                         \
    "\"datacontenttype\":\"application/json\",\"dataschema\":\"https://event.prd.sdk.akeneo.cloud/spec/"     \
    "com.akeneo.pim.v1.product.updated.delta.schema.json\",\"time\":\"2026-01-31T09:13:59Z\","               \
    "\"data\":{\"product\":{\"uuid\":\"0c1f0a6e-6f4b-4d0e-9a57-3f2b6c9d1e84\",\"changes\":{\"values\":"      \
    "{\"name\":[{\"previous\":\"Caf\xc3\xa9\",\"new\":\"Caf\xc3\xa9 10/12\","                                \
    "\"type\":\"pim_catalog_text\",\"locale\":null,\"scope\":null}]}}},"                                     \
    "\"author\":{\"identifier\":\"julia\",\"type\":\"user\"}}}"

#define EVENT_HEX       "acbd088d9588776a1d1020850b3f1e4bad95e6111be0902ec734096e6f82a057"
#define TEN_HEX         "9ee2295f53a7b641c32a0c19cc318ef28f69aac211a1519f23485cbe66def1e3"
#define TEST_HEX        "4e184c9f4b5d80ffb3119add9c1b5409cb28a35805b9337b84e820b183c3f322"
#define CLOUD_HEX       "7a31cbd59e28f2b2600557f1f3611fc52feae4c25a64e790f801ce627c2067e8"
#define CLOUD_2ND_HEX   "26faab4f9171f251ecb46980a2ebdc3a895d70e766b8420cc69047439cfdb3b0"
#define CLOUD_OTHER_HEX "d7a66530d8dd56a52a860a9335f430361bdefe92b5eb3317464a95cb658e5349" /* nobody's */
#define SIXTY_FOUR_Z    "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz"

/* ---- making messages ------------------------------------------------------------------------------ */

struct made {
    struct composer *composer;
    struct message message;
};

static struct made made_with(const struct settings *settings, enum platform_id platform)
{
    struct made m;
    struct err err;
    if (!composer_new(&m.composer, profile_get(platform), settings, &err))
        fail_msg("%s", err.text);
    message_init(&m.message);
    return m;
}

static struct made made_for(enum platform_id platform, bool rotating)
{
    return made_with(
        &(struct settings){.secret = span_of(SECRET), .secret_secondary = span_of(rotating ? SECOND : NULL)},
        platform);
}

static void reset(struct made *m)
{
    message_reset(&m->message);
    composer_free(m->composer);
}

static const char *event_of(enum platform_id platform)
{
    return platform == PLATFORM_AEP ? CLOUD_EVENT : EVENT;
}

/* A body with some copies of one event. */
static void put_events(struct made *m, const char *event, size_t count)
{
    message_begin(m->composer, &m->message);
    for (size_t i = 0; i < count; i++)
        buf_puts(message_event(m->composer, &m->message), event);
    message_end(m->composer, &m->message);
}

static void spoil(struct made *m, enum fault_variant variant)
{
    struct err err;
    if (!message_spoil(m->composer, &m->message, variant, &err))
        fail_msg("%s: %s", variant_get(variant)->name, err.text);
}

/* The whole of what a run does to make a request of one event. */
static void make(struct made *m, enum fault_variant variant)
{
    put_events(m, event_of(composer_profile(m->composer)->id), 1);
    spoil(m, variant);
    message_sign(m->composer, &m->message, variant, WALL_US);
}

static const char *body_of(struct made *m)
{
    return buf_text(&m->message.body);
}

static bool has_header(const struct made *m, const char *name, const char **value)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < m->message.header_count; i++) {
        const char *line = message_header(&m->message, i);
        if (strncmp(line, name, len) == 0 && line[len] == ':') {
            *value = line + len + 2;
            return true;
        }
    }
    return false;
}

/* expected NULL: there is no such header. */
static void assert_header(const struct made *m, const char *what, const char *name, const char *expected)
{
    const char *value;
    if (!has_header(m, name, &value)) {
        if (expected)
            fail_msg("%s: no %s", what, name);
    } else if (!expected || strcmp(value, expected) != 0) {
        fail_msg("%s: %s is \"%.80s\", not \"%.80s\"", what, name, value, expected ? expected : "(absent)");
    }
}

static void assert_headers(const struct made *m, const char *const *lines, size_t count)
{
    for (size_t i = 0; i < count && i < m->message.header_count; i++)
        assert_string_equal(message_header(&m->message, i), lines[i]);
    assert_int_equal(m->message.header_count, count);
}

#define ASSERT_HEADERS(m, ...)                                                                               \
    assert_headers(m, (const char *const[]){__VA_ARGS__}, COUNT_OF(((const char *const[]){__VA_ARGS__})))

/* ---- as the platforms send ------------------------------------------------------------------------- */

static void test_events_api_request_is_the_documented_one(void **state)
{
    (void)state;
    for (int rotating = 0; rotating < 2; rotating++) { /* it has no secondary secret */
        struct made m = made_for(PLATFORM_EVENTS_API, rotating);
        make(&m, VARIANT_NONE);
        assert_string_equal(m.message.method, "POST");
        assert_string_equal(body_of(&m), REQUEST);
        ASSERT_HEADERS(&m, "Content-Type: application/json", "User-Agent: AkeneoPIM/7.0",
                       "X-Akeneo-Request-Signature: " EVENT_HEX, "X-Akeneo-Request-Timestamp: " STAMP);
        reset(&m);
    }
}

static void test_aep_request_is_the_documented_one(void **state)
{
    (void)state;
    struct made m = made_for(PLATFORM_AEP, false);
    make(&m, VARIANT_NONE);
    assert_string_equal(m.message.method, "POST");
    assert_string_equal(body_of(&m), CLOUD_EVENT);
    ASSERT_HEADERS(&m, "Content-Type: application/json", "User-Agent: akeneo/event-platform",
                   "X-AKENEO-SIGNATURE-PRIMARY: " CLOUD_HEX, "X-AKENEO-SIGNATURE-ALGORITHM: HmacSHA256");
    reset(&m);
}

static void test_aep_request_with_a_secondary_secret_is_signed_twice(void **state)
{
    (void)state;
    struct made m = made_for(PLATFORM_AEP, true);
    make(&m, VARIANT_NONE);
    ASSERT_HEADERS(&m, "Content-Type: application/json", "User-Agent: akeneo/event-platform",
                   "X-AKENEO-SIGNATURE-PRIMARY: " CLOUD_HEX, "X-AKENEO-SIGNATURE-SECONDARY: " CLOUD_2ND_HEX,
                   "X-AKENEO-SIGNATURE-ALGORITHM: HmacSHA256");
    reset(&m);
}

static void test_ten_events_are_one_body_signed_as_sent(void **state)
{
    (void)state;
    struct made m = made_for(PLATFORM_EVENTS_API, false);
    struct buf expected;
    buf_init(&expected, 1 << 20);
    for (int i = 0; i < 10; i++)
        buf_printf(&expected, "%s%s", i ? "," : "{\"events\":[", EVENT);
    buf_puts(&expected, "]}");
    put_events(&m, EVENT, 10);
    message_sign(m.composer, &m.message, VARIANT_NONE, WALL_US);
    assert_true(span_same(buf_span(&m.message.body), buf_span(&expected)));
    assert_header(&m, "ten events", "X-Akeneo-Request-Signature", TEN_HEX);
    buf_reset(&expected);
    reset(&m);
}

static void test_the_test_button_posts_nothing_signed(void **state)
{
    (void)state;
    struct made m = made_for(PLATFORM_EVENTS_API, false);
    make(&m, VARIANT_NONE);
    message_reachability(m.composer, &m.message, WALL_US);
    assert_string_equal(m.message.method, "POST");
    assert_int_equal(m.message.body.len, 0);
    ASSERT_HEADERS(&m, "Content-Type: application/json", "User-Agent: AkeneoPIM/7.0",
                   "X-Akeneo-Request-Signature: " TEST_HEX, "X-Akeneo-Request-Timestamp: " STAMP);
    reset(&m);
}

static void test_aep_knocks_with_a_head_request_unsigned(void **state)
{
    (void)state;
    struct made m = made_for(PLATFORM_AEP, true);
    make(&m, VARIANT_NONE);
    message_reachability(m.composer, &m.message, WALL_US);
    assert_string_equal(m.message.method, "HEAD");
    assert_int_equal(m.message.body.len, 0);
    ASSERT_HEADERS(&m, "User-Agent: akeneo/event-platform");
    make(&m, VARIANT_NONE); /* and afterwards all is as before */
    assert_string_equal(m.message.method, "POST");
    assert_string_equal(body_of(&m), CLOUD_EVENT);
    assert_int_equal(m.message.header_count, 5);
    reset(&m);
}

static void test_custom_headers_come_last_in_every_request(void **state)
{
    (void)state;
    static const char *const custom[] = {"X-Tenant: shop-1", "X-Key: a b: c"};
    const struct settings settings = {.secret = span_of(SECRET), .headers = custom, .header_count = 2};
    struct made m = made_with(&settings, PLATFORM_AEP);
    make(&m, VARIANT_NONE);
    assert_int_equal(m.message.header_count, 6);
    assert_string_equal(message_header(&m.message, 4), custom[0]);
    assert_string_equal(message_header(&m.message, 5), custom[1]);
    message_reachability(m.composer, &m.message, WALL_US);
    ASSERT_HEADERS(&m, "User-Agent: akeneo/event-platform", custom[0], custom[1]);
    reset(&m);
    m = made_with(&settings, PLATFORM_EVENTS_API);
    make(&m, VARIANT_FORGE_MISSING);
    ASSERT_HEADERS(&m, "Content-Type: application/json", "User-Agent: AkeneoPIM/7.0",
                   "X-Akeneo-Request-Timestamp: " STAMP, custom[0], custom[1]);
    reset(&m);
}

static void test_the_content_type_is_a_setting(void **state)
{
    (void)state;
    struct made m = made_with(
        &(struct settings){.secret = span_of(SECRET), .content_type = "application/cloudevents+json"},
        PLATFORM_AEP);
    make(&m, VARIANT_NONE);
    assert_string_equal(message_header(&m.message, 0), "Content-Type: application/cloudevents+json");
    assert_header(&m, "the body", "X-AKENEO-SIGNATURE-PRIMARY", CLOUD_HEX); /* as if nothing was */
    reset(&m);
}

static void test_a_secret_without_end_is_refused(void **state)
{
    (void)state;
    static char endless[SECRET_BYTES_MAX + 1];
    memset(endless, 'x', sizeof endless);
    struct span secrets[][2] = {{{endless, sizeof endless}, span_of(NULL)},
                                {span_of(SECRET), {endless, sizeof endless}}};
    for (size_t i = 0; i < COUNT_OF(secrets); i++) {
        struct composer *composer;
        struct err err;
        const struct settings settings = {.secret = secrets[i][0], .secret_secondary = secrets[i][1]};
        assert_false(composer_new(&composer, &profile_aep, &settings, &err));
        assert_null(composer);
    }
}

/* ---- forged signatures -------------------------------------------------------------------------------- */

static char over_long[4097]; /* filled by main */

/* What a variant sends in the signature headers; NULL: nothing. */
struct forgery {
    enum fault_variant variant;
    const char *primary, *secondary, *timestamp;
};

static void assert_forgery(enum platform_id platform, bool rotating, const struct forgery *f)
{
    bool aep = platform == PLATFORM_AEP;
    const char *what = variant_get(f->variant)->name;
    struct made m = made_for(platform, rotating);
    make(&m, f->variant);
    assert_header(&m, what, "Content-Type", "application/json");
    assert_header(&m, what, "X-Akeneo-Request-Signature", aep ? NULL : f->primary);
    assert_header(&m, what, "X-Akeneo-Request-Timestamp", f->timestamp);
    assert_header(&m, what, "X-AKENEO-SIGNATURE-PRIMARY", aep ? f->primary : NULL);
    assert_header(&m, what, "X-AKENEO-SIGNATURE-SECONDARY", f->secondary);
    assert_header(&m, what, "X-AKENEO-SIGNATURE-ALGORITHM", aep && f->primary ? "HmacSHA256" : NULL);
    if (f->variant != VARIANT_FORGE_TAMPERED)
        assert_string_equal(body_of(&m), aep ? CLOUD_EVENT : REQUEST);
    reset(&m);
}

static void test_events_api_forgeries(void **state)
{
    (void)state;
    static const struct forgery forgeries[] = {
        {VARIANT_NONE, EVENT_HEX, NULL, STAMP},
        {VARIANT_FORGE_RANDOM, "c71a4bb7941999c2918c4dbb983215d0e16f116bf66b5f8a912c696439507b2b", NULL,
         STAMP},
        {VARIANT_FORGE_LAST_DIGIT, "acbd088d9588776a1d1020850b3f1e4bad95e6111be0902ec734096e6f82a050", NULL,
         STAMP},
        {VARIANT_FORGE_MISSING, NULL, NULL, STAMP},
        {VARIANT_FORGE_OTHER_SECRET, "c2eb2f9f6836fcee7a1f7f29066b453e16f5de06742a5f70f788a0beb942a93c", NULL,
         STAMP},
        {VARIANT_FORGE_EMPTY_SECRET, "14d06a722b082903e2bf0c02fcc9769b813c12a74d94beb82b5a0ccb5fd3cd13", NULL,
         STAMP},
        {VARIANT_FORGE_TAMPERED, EVENT_HEX, NULL, STAMP},
        {VARIANT_FORGE_STALE, "979fa9775a8d613871f305a01fac35f2e7f7395b3037019d109d8fe79465cb99", NULL,
         "1769847239"},
        {VARIANT_FORGE_EMPTY, "", NULL, STAMP},
        {VARIANT_FORGE_TRUNCATED, "acbd088d9588776a1d1020850b3f1e4", NULL, STAMP},
        {VARIANT_FORGE_OVER_LONG, over_long, NULL, STAMP},
        {VARIANT_FORGE_NON_HEX, SIXTY_FOUR_Z, NULL, STAMP},
        {VARIANT_FORGE_UPPER_CASE, "ACBD088D9588776A1D1020850B3F1E4BAD95E6111BE0902EC734096E6F82A057", NULL,
         STAMP},
        {VARIANT_ROTATE_SECONDARY, EVENT_HEX, NULL, STAMP}, /* has no secrets to rotate */
        {VARIANT_ROTATE_ADDED, EVENT_HEX, NULL, STAMP},
        {VARIANT_ROTATE_REMOVED, EVENT_HEX, NULL, STAMP},
    };
    assert_int_equal(strlen(over_long), 4096);
    for (size_t i = 0; i < COUNT_OF(forgeries); i++)
        assert_forgery(PLATFORM_EVENTS_API, false, &forgeries[i]);
}

/* With two secrets both signatures are forged, or a connector would rightly accept the other one. */
static void test_aep_forgeries(void **state)
{
    (void)state;
    static const char other[] = CLOUD_OTHER_HEX;
    static const char empty[] = "916090071633060a7df4d9ea2a70b2a311e4139c3a4b75a2e50d4636c4ebfe5c";
    static const struct forgery forgeries[] = {
        {VARIANT_NONE, CLOUD_HEX, CLOUD_2ND_HEX, NULL},
        {VARIANT_FORGE_RANDOM, "d12fb2fddbc8c40f02b91b7509baa8d3d9ce9c899b5a4915009888164b096e7a",
         "7897bffefd00339181fb18fac48baa7e650da0177b20363f79fa33ef8b1622e3", NULL},
        {VARIANT_FORGE_LAST_DIGIT, "7a31cbd59e28f2b2600557f1f3611fc52feae4c25a64e790f801ce627c2067e0",
         "26faab4f9171f251ecb46980a2ebdc3a895d70e766b8420cc69047439cfdb3b1", NULL},
        {VARIANT_FORGE_MISSING, NULL, NULL, NULL},
        {VARIANT_FORGE_OTHER_SECRET, other, other, NULL},
        {VARIANT_FORGE_EMPTY_SECRET, empty, empty, NULL},
        {VARIANT_FORGE_TAMPERED, CLOUD_HEX, CLOUD_2ND_HEX, NULL},
        {VARIANT_FORGE_STALE, CLOUD_HEX, CLOUD_2ND_HEX, NULL}, /* has no timestamp to be stale */
        {VARIANT_FORGE_EMPTY, "", "", NULL},
        {VARIANT_FORGE_TRUNCATED, "7a31cbd59e28f2b2600557f1f3611fc", "26faab4f9171f251ecb46980a2ebdc3", NULL},
        {VARIANT_FORGE_OVER_LONG, over_long, over_long, NULL},
        {VARIANT_FORGE_NON_HEX, SIXTY_FOUR_Z, SIXTY_FOUR_Z, NULL},
        {VARIANT_FORGE_UPPER_CASE, "7A31CBD59E28F2B2600557F1F3611FC52FEAE4C25A64E790F801CE627C2067E8",
         "26FAAB4F9171F251ECB46980A2EBDC3A895D70E766B8420CC69047439CFDB3B0", NULL},
    };
    for (size_t i = 0; i < COUNT_OF(forgeries); i++) {
        struct forgery alone = forgeries[i];
        alone.secondary = NULL;
        assert_forgery(PLATFORM_AEP, true, &forgeries[i]);
        assert_forgery(PLATFORM_AEP, false, &alone);
    }
}

/* The new primary secret is one that the connector was not given; the one that it knows comes second. So it
 * is where it knows two, or one that looks at the first signature alone would pass. */
static void test_rotation_leaves_only_the_secondary_signature_to_verify(void **state)
{
    (void)state;
    const struct forgery rotated = {VARIANT_ROTATE_SECONDARY, CLOUD_OTHER_HEX, CLOUD_HEX, NULL};
    assert_forgery(PLATFORM_AEP, false, &rotated);
    assert_forgery(PLATFORM_AEP, true, &rotated);
}

/* Without a second secret the next one is nobody's: the first signature is still right. */
static void test_rotation_begins_with_another_signature_beside_the_right_one(void **state)
{
    (void)state;
    assert_forgery(PLATFORM_AEP, false,
                   &(struct forgery){VARIANT_ROTATE_ADDED, CLOUD_HEX, CLOUD_OTHER_HEX, NULL});
    assert_forgery(PLATFORM_AEP, true,
                   &(struct forgery){VARIANT_ROTATE_ADDED, CLOUD_HEX, CLOUD_2ND_HEX, NULL});
}

/* (A run skips this where there is no second secret.) */
static void test_rotation_ends_with_the_next_secret_alone(void **state)
{
    (void)state;
    assert_forgery(PLATFORM_AEP, true, &(struct forgery){VARIANT_ROTATE_REMOVED, CLOUD_2ND_HEX, NULL, NULL});
    assert_forgery(PLATFORM_AEP, false,
                   &(struct forgery){VARIANT_ROTATE_REMOVED, CLOUD_OTHER_HEX, NULL, NULL});
}

/* Request after request, as the secrets are changed: what one leaves behind does not show in the next. */
static void test_every_stage_of_a_rotation_is_undone_by_the_next(void **state)
{
    (void)state;
    static const struct forgery stages[] = {
        {VARIANT_NONE, CLOUD_HEX, CLOUD_2ND_HEX, NULL},
        {VARIANT_ROTATE_ADDED, CLOUD_HEX, CLOUD_2ND_HEX, NULL},
        {VARIANT_ROTATE_SECONDARY, CLOUD_OTHER_HEX, CLOUD_HEX, NULL},
        {VARIANT_ROTATE_REMOVED, CLOUD_2ND_HEX, NULL, NULL},
        {VARIANT_NONE, CLOUD_HEX, CLOUD_2ND_HEX, NULL},
    };
    struct made m = made_for(PLATFORM_AEP, true);
    for (size_t i = 0; i < COUNT_OF(stages); i++) {
        make(&m, stages[i].variant);
        assert_header(&m, "rotating", "X-AKENEO-SIGNATURE-PRIMARY", stages[i].primary);
        assert_header(&m, "rotating", "X-AKENEO-SIGNATURE-SECONDARY", stages[i].secondary);
        assert_string_equal(body_of(&m), CLOUD_EVENT);
    }
    reset(&m);
}

static void test_every_forgery_is_among_those_tested(void **state)
{
    (void)state;
    assert_int_equal(VARIANT_FORGE_UPPER_CASE - VARIANT_FORGE_RANDOM + 1, 12);
    assert_int_equal(variant_get(VARIANT_FORGE_RANDOM - 1)->fault, FAULT_SLOW_BODY);
    assert_int_equal(variant_get(VARIANT_FORGE_UPPER_CASE + 1)->fault, FAULT_ROTATE);
}

static void test_tampering_changes_one_digit_of_the_event_id(void **state)
{
    (void)state;
    for (enum platform_id platform = 0; platform < PLATFORM_COUNT; platform++) {
        bool aep = platform == PLATFORM_AEP;
        const char *honest = aep ? CLOUD_EVENT : REQUEST;
        const char *id =
            aep ? "01947a9d-3b52-7c1a-8f0e-5d6c7b8a9f01" : "5d30d0f6-87a6-45ad-ba6b-3a302b0d328c";
        struct made m = made_for(platform, false);
        make(&m, VARIANT_FORGE_TAMPERED);
        size_t last = (size_t)(strstr(honest, id) - honest) + strlen(id) - 1, different = 0;
        assert_int_equal(m.message.body.len, strlen(honest));
        for (size_t i = 0; i < strlen(honest); i++)
            different += m.message.body.data[i] != honest[i];
        assert_int_equal(different, 1);
        assert_int_equal(m.message.body.data[last], '0');
        reset(&m);
    }
}

static void test_tampering_changes_even_a_body_without_an_event_id(void **state)
{
    (void)state;
    static const char *const bodies[] = {"not JSON", "{\"events\":[]}", "{\"id\":\"\"}", "{\"id\":7}", "{}",
                                         ""};
    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        struct made m = made_for(PLATFORM_AEP, false);
        message_begin(m.composer, &m.message);
        buf_puts(message_event(m.composer, &m.message), bodies[i]);
        message_end(m.composer, &m.message);
        message_sign(m.composer, &m.message, VARIANT_FORGE_TAMPERED, WALL_US);
        assert_int_equal(m.message.body.len, strlen(bodies[i]) + 1);
        assert_memory_equal(m.message.body.data, bodies[i], strlen(bodies[i]));
        reset(&m);
    }
}

static void test_a_mistaken_signature_stands_in_for_the_right_one(void **state)
{
    (void)state;
    for (enum platform_id platform = 0; platform < PLATFORM_COUNT; platform++) {
        const struct profile *profile = profile_get(platform);
        struct made m = made_for(platform, true);
        unsigned applied = 0;
        for (enum sign_mistake mistake = 0; mistake < MISTAKE_COUNT; mistake++) {
            char text[SIGN_MISTAKEN_SIZE];
            put_events(&m, event_of(platform), 1);
            if (mistake == MISTAKE_OTHER_HEADERS || mistake == MISTAKE_TIMESTAMP_AHEAD ||
                mistake == MISTAKE_TIMESTAMP_MS) { /* about the headers around a right signature */
                bool sent = message_sign_mistaken(m.composer, &m.message, mistake, WALL_US);
                assert_int_equal(sent, mistake == MISTAKE_OTHER_HEADERS || platform == PLATFORM_EVENTS_API);
                continue;
            }
            bool applies = sign_mistaken(mistake, profile->scheme, span_of(SECRET), span_of(SECOND), STAMP,
                                         buf_span(&m.message.body), text);
            bool about_headers = mistake == MISTAKE_OTHER_HEADERS || mistake == MISTAKE_TIMESTAMP_AHEAD ||
                                 mistake == MISTAKE_TIMESTAMP_MS;
            if (about_headers) /* see below */
                continue;
            assert_int_equal(message_sign_mistaken(m.composer, &m.message, mistake, WALL_US), applies);
            if (!applies)
                continue;
            applied++;
            const char *what = sign_mistake_name(mistake);
            assert_header(&m, what, profile->signature_header, text);
            assert_header(&m, what, "X-AKENEO-SIGNATURE-SECONDARY", NULL);
            assert_header(&m, what, "X-Akeneo-Request-Timestamp", platform == PLATFORM_AEP ? NULL : STAMP);
            assert_string_equal(body_of(&m), platform == PLATFORM_AEP ? CLOUD_EVENT : REQUEST);
        }
        assert_true(applied >= 7);
        reset(&m);
    }
}

static void test_a_connector_for_the_other_platform_is_sent_its_headers(void **state)
{
    (void)state;
    struct made m = made_for(PLATFORM_EVENTS_API, false);
    put_events(&m, EVENT, 1);
    assert_true(message_sign_mistaken(m.composer, &m.message, MISTAKE_OTHER_HEADERS, WALL_US));
    ASSERT_HEADERS(
        &m, "Content-Type: application/json", "User-Agent: akeneo/event-platform",
        "X-AKENEO-SIGNATURE-PRIMARY: 5eac1e3cb48280b6e5d691ee270ba2c3bd7a4975afd26e7a013a1801cc9c8836",
        "X-AKENEO-SIGNATURE-ALGORITHM: HmacSHA256");
    assert_string_equal(body_of(&m), REQUEST);
    make(&m, VARIANT_NONE); /* and only that one */
    assert_header(&m, "the next", "X-Akeneo-Request-Signature", EVENT_HEX);
    reset(&m);
    m = made_for(PLATFORM_AEP, true);
    put_events(&m, CLOUD_EVENT, 1);
    assert_true(message_sign_mistaken(m.composer, &m.message, MISTAKE_OTHER_HEADERS, WALL_US));
    ASSERT_HEADERS(
        &m, "Content-Type: application/json", "User-Agent: AkeneoPIM/7.0",
        "X-Akeneo-Request-Signature: ac312baccc19b5fc5372b18716a98abc363c8aa7f4b368e4ee1deb544ada7fc2",
        "X-Akeneo-Request-Timestamp: " STAMP);
    reset(&m);
}

static void test_connectors_with_other_clocks_are_sent_their_time(void **state)
{
    (void)state;
    static const struct {
        enum sign_mistake mistake;
        const char *timestamp, *signature;
    } cases[] = {
        {MISTAKE_TIMESTAMP_AHEAD, "1769850841",
         "1eee25b80f1697b0a6c5f3e2e167a3e7635b8f28390d880f1fbaeedf399f5b91"},
        {MISTAKE_TIMESTAMP_MS, "1769850839123",
         "34799d2d007a33967d6c0029a3092b617fac30ad37105f903bfec13da186d0b1"},
    };
    struct made m = made_for(PLATFORM_EVENTS_API, false), aep = made_for(PLATFORM_AEP, false);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        put_events(&m, EVENT, 1);
        put_events(&aep, CLOUD_EVENT, 1);
        assert_true(message_sign_mistaken(m.composer, &m.message, cases[i].mistake, WALL_US));
        assert_header(&m, "another clock", "X-Akeneo-Request-Timestamp", cases[i].timestamp);
        assert_header(&m, "another clock", "X-Akeneo-Request-Signature", cases[i].signature);
        assert_false(message_sign_mistaken(aep.composer, &aep.message, cases[i].mistake, WALL_US));
    }
    reset(&m);
    reset(&aep);
}

/* ---- spoiled bodies ------------------------------------------------------------------------------------ */

/* Rightly signed: whatever the body is, the signature is that of its bytes. */
static void assert_signed_as_sent(const struct made *m, const char *what)
{
    struct signer *signer;
    struct err err;
    char hex[SIGN_HEX_SIZE];
    const struct profile *profile = composer_profile(m->composer);
    assert_true(sign_new(&signer, span_of(SECRET), &err));
    sign_request(signer, profile->scheme, STAMP, buf_span(&m->message.body), hex);
    sign_free(signer);
    assert_header(m, what, profile->signature_header, hex);
}

static cJSON *parse(const char *what, struct span text)
{
    cJSON *json = cJSON_ParseWithLength(text.data, text.len);
    if (!json)
        fail_msg("%s: not JSON: %.200s", what, text.data);
    return json;
}

/* The first event of a body. */
static cJSON *first_event(cJSON *body)
{
    cJSON *events = cJSON_GetObjectItem(body, "events");
    return events ? cJSON_GetArrayItem(events, 0) : body;
}

/* Take a member out of the first object, from the top, that has it. */
static bool take_out(cJSON *json, const char *name)
{
    if (cJSON_IsObject(json) && cJSON_HasObjectItem(json, name)) {
        cJSON_DeleteItemFromObjectCaseSensitive(json, name);
        return true;
    }
    for (cJSON *child = json->child; child; child = child->next)
        if (take_out(child, name))
            return true;
    return false;
}

/* The body says what the original says, but for one member more. */
static void assert_one_member_more(const char *what, struct span body, struct span original, const char *name)
{
    cJSON *now = parse(what, body), *then = parse(what, original);
    if (!take_out(now, name))
        fail_msg("%s: no \"%s\" in %.200s", what, name, body.data);
    if (!cJSON_Compare(now, then, true))
        fail_msg("%s: more than \"%s\" has changed", what, name);
    cJSON_Delete(now);
    cJSON_Delete(then);
}

static void assert_other_bytes(const char *what, struct span body, struct span original, bool may_be_same)
{
    cJSON *now = parse(what, body), *then = parse(what, original);
    if (!cJSON_Compare(now, then, true))
        fail_msg("%s: another value: %.300s", what, body.data);
    if (span_same(body, original) && !may_be_same)
        fail_msg("%s: the same bytes", what);
    cJSON_Delete(now);
    cJSON_Delete(then);
}

static bool has_any(struct span text, const char *bytes)
{
    for (size_t i = 0; i < text.len; i++)
        if (strchr(bytes, text.data[i]))
            return true;
    return false;
}

static bool is_ascii(struct span text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.data[i] >= 0x80)
            return false;
    return true;
}

static bool contains(struct span text, const char *part)
{
    return memmem(text.data, text.len, part, strlen(part)) != NULL;
}

static void assert_type_unknown(const char *what, struct span body, struct span original,
                                enum platform_id platform)
{
    cJSON *now = parse(what, body), *then = parse(what, original);
    const char *member = profile_get(platform)->type_member;
    cJSON *type = cJSON_DetachItemFromObjectCaseSensitive(first_event(now), member);
    cJSON_DeleteItemFromObjectCaseSensitive(first_event(then), member);
    assert_non_null(cJSON_GetStringValue(type));
    assert_null(event_type_find(cJSON_GetStringValue(type)));
    assert_true(cJSON_Compare(now, then, true));
    cJSON_Delete(type);
    cJSON_Delete(now);
    cJSON_Delete(then);
}

/* Not UTF-8, and nothing else wrong with it. */
static void assert_not_utf8(const char *what, struct span body, struct span original)
{
    assert_false(json_is_utf8(body));
    struct buf repaired;
    buf_init(&repaired, BODY_BYTES_MAX);
    buf_put_span(&repaired, body);
    const char *bad = memmem(repaired.data, repaired.len, "caf\xe9 \xff\xfe", 7);
    assert_non_null(bad);
    memset(repaired.data + (bad - repaired.data), 'x', 7);
    assert_true(json_is_utf8(buf_span(&repaired)));
    assert_one_member_more(what, buf_span(&repaired), original, "note");
    buf_reset(&repaired);
}

static void check_malformed(const char *what, struct span body, struct span original,
                            enum platform_id platform, enum fault_variant variant)
{
    cJSON *json;
    switch (variant) {
    case VARIANT_MALFORM_CUT:
        assert_int_equal(body.len, original.len * 2 / 3);
        assert_memory_equal(body.data, original.data, body.len);
        assert_null(cJSON_ParseWithLength(body.data, body.len));
        break;
    case VARIANT_MALFORM_EMPTY:
        assert_int_equal(body.len, 0);
        break;
    case VARIANT_MALFORM_WRONG_TYPE:
        json = parse(what, body);
        assert_true(cJSON_IsString(json));
        cJSON_Delete(json);
        break;
    case VARIANT_MALFORM_DEEP:
        assert_int_equal(body.len, 20000);
        for (size_t i = 0; i < body.len; i++)
            assert_int_equal(body.data[i], i < 10000 ? '[' : ']');
        break;
    case VARIANT_MALFORM_NOT_UTF8:
        assert_not_utf8(what, body, original);
        break;
    case VARIANT_MALFORM_UNKNOWN_TYPE:
        assert_type_unknown(what, body, original, platform);
        break;
    case VARIANT_MALFORM_UNKNOWN_FIELD:
        assert_one_member_more(what, body, original, "tenant");
        break;
    case VARIANT_MALFORM_LARGE:
        assert_in_range(body.len, 1 << 20, (1 << 20) + 1000);
        assert_one_member_more(what, body, original, "care_instructions");
        break;
    default:
        fail_msg("%s is not tested", what);
    }
}

static void check_bytes(const char *what, struct span body, struct span original, enum platform_id platform,
                        enum fault_variant variant)
{
    bool aep = platform == PLATFORM_AEP;
    switch (variant) {
    case VARIANT_BYTES_SLASHES:
        assert_other_bytes(what, body, original, !has_any(original, "/"));
        assert_int_equal(contains(body, "\\/"), aep && has_any(original, "/"));
        break;
    case VARIANT_BYTES_UNICODE:
        assert_other_bytes(what, body, original, aep ? is_ascii(original) : !contains(original, "\\u"));
        assert_true(aep ? is_ascii(body) : !contains(body, "\\u"));
        break;
    case VARIANT_BYTES_SPACES:
        assert_other_bytes(what, body, original, false);
        assert_true(contains(body, "\": ") && contains(body, ", \""));
        break;
    case VARIANT_BYTES_KEY_ORDER:
        assert_other_bytes(what, body, original, false);
        break;
    case VARIANT_BYTES_NUMBERS:
        assert_one_member_more(what, body, original, "dimensions");
        assert_true(contains(body, "[1.0,1e3,9007199254740993,0.10]"));
        break;
    default:
        fail_msg("%s is not tested", what);
    }
}

static void check_variant(struct made *m, struct span original, enum fault_variant variant)
{
    enum platform_id platform = composer_profile(m->composer)->id;
    const char *what = variant_get(variant)->name;
    message_begin(m->composer, &m->message);
    buf_clear(&m->message.body);
    buf_put_span(&m->message.body, original);
    spoil(m, variant);
    message_sign(m->composer, &m->message, variant, WALL_US);
    struct span body = buf_span(&m->message.body);
    if (variant_get(variant)->fault == FAULT_MALFORM)
        check_malformed(what, body, original, platform, variant);
    else if (variant_get(variant)->fault == FAULT_BYTES)
        check_bytes(what, body, original, platform, variant);
    else if (variant != VARIANT_FORGE_TAMPERED)
        assert_true(span_same(body, original));
    if (variant_get(variant)->fault == FAULT_MALFORM || variant_get(variant)->fault == FAULT_BYTES)
        assert_signed_as_sent(m, what);
    assert_false(contains(body, SECRET) || contains(body, SECOND));
    assert_false(contains(buf_span(&m->message.lines), SECRET) ||
                 contains(buf_span(&m->message.lines), SECOND));
}

/* Every event that we ship, in every request size that its platform has, spoiled in every way. */
static void check_all(enum platform_id platform, const char *scenario, size_t events)
{
    struct planning p = planning_of(scenario, platform, 1);
    struct made m = made_for(platform, true), original = made_for(platform, true);
    for (size_t i = 0; i < p.plan->count; i++) {
        message_begin(original.composer, &original.message);
        for (size_t n = 0; n < events; n++)
            plan_render(p.plan, &p.plan->items[i], &p.settings, WALL_US,
                        message_event(original.composer, &original.message));
        message_end(original.composer, &original.message);
        for (enum fault_variant v = VARIANT_NONE; v < VARIANT_COUNT; v++)
            check_variant(&m, buf_span(&original.message.body), v);
    }
    reset(&m);
    reset(&original);
    planning_reset(&p);
}

static void test_every_fixture_is_spoiled_as_its_variant_says(void **state)
{
    (void)state;
    static const char fixtures[] = SCENARIO("\"stream\":[{\"event\":\"*\",\"times\":2}]");
    check_all(PLATFORM_EVENTS_API, fixtures, 1);
    check_all(PLATFORM_EVENTS_API, fixtures, 3);
    check_all(PLATFORM_AEP, fixtures, 1);
}

static void test_every_catalogue_item_is_spoiled_as_its_variant_says(void **state)
{
    (void)state;
    check_all(PLATFORM_EVENTS_API,
              SCENARIO("\"stream\":[{\"event\":\"product.updated\",\"entities\":5,\"catalog\":true},"
                       "{\"event\":\"product_model.created\",\"entities\":2,\"catalog\":true}]"),
              10);
    check_all(PLATFORM_AEP,
              SCENARIO("\"platforms\":[\"aep\"],\"stream\":[{\"event\":"
                       "\"com.akeneo.pim.v1.product.updated.delta\",\"entities\":20,"
                       "\"catalog\":true}]"),
              1);
}

static void test_respelled_bodies_are_these(void **state)
{
    (void)state;
    static const struct {
        enum platform_id platform;
        enum fault_variant variant;
        const char *event, *expected;
    } cases[] = {
        {PLATFORM_EVENTS_API, VARIANT_BYTES_SLASHES, "{\"a\":\"\\/\\u00e9\",\"b\":[]}",
         "{\"events\":[{\"a\":\"/\\u00e9\",\"b\":[]}]}"},
        {PLATFORM_EVENTS_API, VARIANT_BYTES_UNICODE, "{\"a\":\"\\/\\u00e9\\ud83d\\ude00\"}",
         "{\"events\":[{\"a\":\"\\/\xc3\xa9\xf0\x9f\x98\x80\"}]}"},
        {PLATFORM_AEP, VARIANT_BYTES_SLASHES, "{\"a\":\"/\xc3\xa9\"}", "{\"a\":\"\\/\xc3\xa9\"}"},
        {PLATFORM_AEP, VARIANT_BYTES_UNICODE, "{\"a\":\"/\xc3\xa9\"}", "{\"a\":\"/\\u00e9\"}"},
        {PLATFORM_AEP, VARIANT_BYTES_SPACES, "{\"a\":[1.50,{}],\"b\":null}",
         "{\"a\": [1.50, {}], \"b\": null}"},
        {PLATFORM_AEP, VARIANT_BYTES_KEY_ORDER, "{\"a\":[1,2],\"b\":{\"c\":3,\"d\":4}}",
         "{\"b\":{\"d\":4,\"c\":3},\"a\":[1,2]}"},
        {PLATFORM_EVENTS_API, VARIANT_BYTES_KEY_ORDER, "{\"a\":{},\"b\":[]}",
         "{\"events\":[{\"b\":[],\"a\":{}}]}"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct made m = made_for(cases[i].platform, false);
        put_events(&m, cases[i].event, 1);
        spoil(&m, cases[i].variant);
        assert_string_equal(body_of(&m), cases[i].expected);
        reset(&m);
    }
}

/* A captured event need not look like ours. */
static void test_members_join_events_of_any_shape(void **state)
{
    (void)state;
    static const char *const events[] = {"{}",
                                         "{\"data\":{}}",
                                         "{\"data\":[]}",
                                         "{\"data\":7}",
                                         "{\"data\":{\"resource\":{\"values\":{}}}}",
                                         "{\"data\":{\"resource\":{\"values\":[]}}}",
                                         "{\"data\":{\"product\":{\"changes\":{\"values\":{}}}}}"};
    for (enum platform_id platform = 0; platform < PLATFORM_COUNT; platform++)
        for (size_t i = 0; i < COUNT_OF(events); i++) {
            struct made m = made_for(platform, false), original = made_for(platform, false);
            put_events(&original, events[i], 1);
            struct span body = buf_span(&original.message.body);
            check_variant(&m, body, VARIANT_MALFORM_UNKNOWN_FIELD);
            check_variant(&m, body, VARIANT_MALFORM_NOT_UTF8);
            check_variant(&m, body, VARIANT_MALFORM_LARGE);
            check_variant(&m, body, VARIANT_BYTES_NUMBERS);
            reset(&m);
            reset(&original);
        }
}

static void test_an_event_without_a_type_keeps_its_body(void **state)
{
    (void)state;
    struct made m = made_for(PLATFORM_AEP, false);
    put_events(&m, "{\"id\":\"1\"}", 1);
    spoil(&m, VARIANT_MALFORM_UNKNOWN_TYPE);
    assert_string_equal(body_of(&m), "{\"id\":\"1\"}");
    reset(&m);
}

static void test_a_body_that_is_not_json_cannot_be_spoiled(void **state)
{
    (void)state;
    struct made m = made_for(PLATFORM_AEP, false);
    put_events(&m, "not JSON", 1);
    for (enum fault_variant v = VARIANT_NONE; v < VARIANT_COUNT; v++) {
        struct err err;
        enum fault_kind fault = variant_get(v)->fault;
        bool in_the_body = fault == FAULT_MALFORM || fault == FAULT_BYTES;
        assert_int_equal(message_spoil(m.composer, &m.message, v, &err), !in_the_body);
        assert_string_equal(body_of(&m), "not JSON");
    }
    reset(&m);
}

static void test_a_body_that_outgrows_its_maximum_is_an_error(void **state)
{
    (void)state;
    static const enum fault_variant variants[] = {VARIANT_BYTES_SLASHES, VARIANT_BYTES_NUMBERS,
                                                  VARIANT_MALFORM_UNKNOWN_FIELD};
    struct buf event;
    buf_init(&event, BODY_BYTES_MAX);
    buf_puts(&event, "{\"data\":{\"path\":\"");
    memset(buf_extend(&event, BODY_BYTES_MAX - 40), '/', BODY_BYTES_MAX - 40);
    buf_puts(&event, "\"}}");
    for (size_t i = 0; i < COUNT_OF(variants); i++) {
        struct made m = made_for(PLATFORM_AEP, false);
        struct err err;
        put_events(&m, buf_text(&event), 1);
        assert_true(buf_ok(&m.message.body));
        assert_false(message_spoil(m.composer, &m.message, variants[i], &err));
        reset(&m);
    }
    buf_reset(&event);
}

/* ---- for the journal ------------------------------------------------------------------------------------
 */

static void assert_put(struct span body, const char *expected)
{
    struct message message;
    struct buf out;
    struct json_writer w;
    message_init(&message);
    buf_put_span(&message.body, body);
    buf_init(&out, 1000);
    json_begin(&w, &out, false);
    json_open(&w, NULL, '{');
    message_put_body(&message, &w);
    json_close(&w, '}');
    assert_string_equal(buf_text(&out), expected);
    buf_reset(&out);
    message_reset(&message);
}

static void test_bodies_are_recorded_as_text_or_else_in_base64(void **state)
{
    (void)state;
    assert_put(span_of("{\"a\":\"\xc3\xa9\\/\"}"), "{\"body\":\"{\\\"a\\\":\\\"\xc3\xa9\\\\/\\\"}\"}");
    assert_put(span_of("caf\xe9"), "{\"body_base64\":\"Y2Fm6Q==\"}");
    assert_put(span_of(""), "{\"body\":\"\"}");
}

int main(void)
{
    memset(over_long, 'a', sizeof over_long - 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_events_api_request_is_the_documented_one),
        cmocka_unit_test(test_aep_request_is_the_documented_one),
        cmocka_unit_test(test_aep_request_with_a_secondary_secret_is_signed_twice),
        cmocka_unit_test(test_ten_events_are_one_body_signed_as_sent),
        cmocka_unit_test(test_the_test_button_posts_nothing_signed),
        cmocka_unit_test(test_aep_knocks_with_a_head_request_unsigned),
        cmocka_unit_test(test_custom_headers_come_last_in_every_request),
        cmocka_unit_test(test_the_content_type_is_a_setting),
        cmocka_unit_test(test_a_secret_without_end_is_refused),
        cmocka_unit_test(test_events_api_forgeries),
        cmocka_unit_test(test_aep_forgeries),
        cmocka_unit_test(test_rotation_leaves_only_the_secondary_signature_to_verify),
        cmocka_unit_test(test_rotation_begins_with_another_signature_beside_the_right_one),
        cmocka_unit_test(test_rotation_ends_with_the_next_secret_alone),
        cmocka_unit_test(test_every_stage_of_a_rotation_is_undone_by_the_next),
        cmocka_unit_test(test_every_forgery_is_among_those_tested),
        cmocka_unit_test(test_tampering_changes_one_digit_of_the_event_id),
        cmocka_unit_test(test_tampering_changes_even_a_body_without_an_event_id),
        cmocka_unit_test(test_a_mistaken_signature_stands_in_for_the_right_one),
        cmocka_unit_test(test_a_connector_for_the_other_platform_is_sent_its_headers),
        cmocka_unit_test(test_connectors_with_other_clocks_are_sent_their_time),
        cmocka_unit_test(test_every_fixture_is_spoiled_as_its_variant_says),
        cmocka_unit_test(test_every_catalogue_item_is_spoiled_as_its_variant_says),
        cmocka_unit_test(test_respelled_bodies_are_these),
        cmocka_unit_test(test_members_join_events_of_any_shape),
        cmocka_unit_test(test_an_event_without_a_type_keeps_its_body),
        cmocka_unit_test(test_a_body_that_is_not_json_cannot_be_spoiled),
        cmocka_unit_test(test_a_body_that_outgrows_its_maximum_is_an_error),
        cmocka_unit_test(test_bodies_are_recorded_as_text_or_else_in_base64),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
