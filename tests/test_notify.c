/* Tests of notify.c: what a notification says, how it is signed, when it comes again, and what is recorded,
 * with a real server in the same loop. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "clock.h"
#include "httpd.h"
#include "notify.h"
#include "planning.h"

#define SECRET "a-shared-secret-of-its-own"
#define S      UINT64_C(1000000)

#define TWO_TYPES                                                                                            \
    SCENARIO("\"flow\":{},\"stream\":[{\"event\":\"product.created\",\"entities\":2},"                       \
             "{\"event\":\"product.updated\"},{\"event\":\"product.updated\"}]")

static struct err err;

struct stage {
    struct loop *loop;
    struct httpd *httpd;
    struct planning planning;
    struct flow flow;
    struct journal *journal;
    struct recorder recorder;
    struct notify *notify;
    uint32_t deliveries;
    const unsigned *statuses; /* what is answered in turn; then 200 */
    size_t status_count, calls;
    char bodies[8][1024], signatures[8][80], others[8][160];
};

static void on_request(void *arg, struct httpd_request *request)
{
    struct stage *s = arg;
    size_t call = s->calls++;
    struct span body = httpd_body(request);
    const char *secondary = httpd_header(request, "X-AKENEO-SIGNATURE-SECONDARY");
    assert_true(call < 8 && body.len < sizeof s->bodies[call]);
    assert_string_equal(httpd_method(request), "POST");
    assert_string_equal(httpd_path(request), "/told");
    memcpy(s->bodies[call], body.data, body.len);
    snprintf(s->signatures[call], sizeof s->signatures[call], "%s",
             httpd_header(request, "X-AKENEO-SIGNATURE-PRIMARY"));
    snprintf(s->others[call], sizeof s->others[call], "%s, %s, %s, %s",
             httpd_header(request, "X-AKENEO-SIGNATURE-ALGORITHM"), httpd_header(request, "Content-Type"),
             httpd_header(request, "User-Agent"), secondary ? secondary : "no secondary");
    httpd_answer(request, call < s->status_count ? s->statuses[call] : 200, NULL, 0, span_of(""));
}

static void begin(struct stage *s, const unsigned *statuses, size_t status_count)
{
    char url[64];
    *s = (struct stage){.planning = planning_of(TWO_TYPES, PLATFORM_AEP, 1),
                        .flow = profile_aep.flow,
                        .deliveries = 41,
                        .statuses = statuses,
                        .status_count = status_count};
    struct httpd_options server = {
        .address = "127.0.0.1", .body_bytes_max = 4096, .handler = on_request, .arg = s};
    assert_true(loop_new(&s->loop, &err) && httpd_open(&s->httpd, s->loop, &server, &err));
    snprintf(url, sizeof url, "http://127.0.0.1:%u/told", httpd_port(s->httpd));
    struct notify_options options = {.deliver.url = url, .secret = span_of(SECRET)};
    assert_true(notify_new(&s->notify, s->loop, &options, &err) && journal_open(&s->journal, NULL, &err));
    s->recorder = (struct recorder){s->journal, clock_mono_us()};
    notify_begin(s->notify, &(struct notify_scene){.plan = s->planning.plan,
                                                   .settings = &s->planning.settings,
                                                   .destination = "https://…@shop.example/hook",
                                                   .flow = &s->flow});
}

static void finish(struct stage *s)
{
    notify_free(s->notify);
    httpd_close(s->httpd);
    loop_free(s->loop);
    assert_true(journal_close(s->journal, &err));
    planning_reset(&s->planning);
}

static void tell(struct stage *s, const struct notice *notice)
{
    notify_take(s->notify, notice);
    assert_true(notify_waits(s->notify));
    if (!notify_send(s->notify, &s->recorder, &s->deliveries, &err))
        fail_msg("%s", err.text);
    assert_false(notify_waits(s->notify));
}

/* ---- what it says --------------------------------------------------------------------------------- */

/* The body, without the moment that it was made at. */
static void assert_says(struct stage *s, size_t call, const char *type, const char *reason)
{
    char expected[1024], before[128];
    int64_t at_us;
    const char *at = strstr(s->bodies[call], "\"timestamp\":\"");
    assert_non_null(at);
    snprintf(before, sizeof before, "%.20s", at + 13);
    assert_true(clock_parse(before, &at_us, &err));
    assert_true(llabs(clock_wall_us() - at_us) < 60 * (int64_t)S);
    snprintf(expected, sizeof expected,
             "{\"notification_type\":\"%s\",\"timestamp\":\"%s\","
             "\"subscription_id\":\"0196a1f4-5d1c-7c3e-8f21-9b7de0c4a612\","
             "\"subscriber_id\":\"0196a1f4-1b60-7d05-9a4e-62f0c3d7e8b1\","
             "\"destination\":\"https://…@shop.example/hook\","
             "\"events\":[\"com.akeneo.pim.v1.product.created\",\"com.akeneo.pim.v1.product.updated\"],"
             "%s\"subject\":\"https://pim.maison-verdure.example/\"}",
             type, before, reason);
    assert_string_equal(s->bodies[call], expected);
}

static void test_it_says_what_happened_and_why(void **state)
{
    (void)state;
    struct stage s;
    begin(&s, NULL, 0);
    tell(&s, &(struct notice){.kind = NOTICE_SUSPENDED, .cause = SUSPENSION_SUCCESS_RATE});
    tell(&s, &(struct notice){.kind = NOTICE_SUSPENDED, .cause = SUSPENSION_NOT_FOUND});
    tell(&s, &(struct notice){.kind = NOTICE_SUSPENDED, .cause = SUSPENSION_REDIRECT});
    tell(&s, &(struct notice){.kind = NOTICE_RESUMED});
    assert_int_equal(s.calls, 4);
    assert_says(&s, 0, "subscription.suspended.system", "\"reason\":\"Success rate dropped below 90%\",");
    assert_says(&s, 1, "subscription.suspended.system",
                "\"reason\":\"The endpoint answered 404 Not Found\",");
    assert_says(&s, 2, "subscription.suspended.system",
                "\"reason\":\"The endpoint answered with a redirection\",");
    assert_says(&s, 3, "subscription.resumed", "");
    finish(&s);
}

static void test_the_subscription_is_the_one_of_the_events(void **state)
{
    (void)state;
    struct stage s;
    begin(&s, NULL, 0);
    s.planning.settings.subject = "my-subscription";
    tell(&s, &(struct notice){.kind = NOTICE_RESUMED});
    assert_non_null(strstr(s.bodies[0], "\"subscription_id\":\"my-subscription\""));
    finish(&s);
}

static void test_it_is_signed_with_its_own_secret_over_the_raw_body(void **state)
{
    (void)state;
    struct stage s;
    struct signer *signer;
    char hex[SIGN_HEX_SIZE];
    begin(&s, NULL, 0);
    tell(&s, &(struct notice){.kind = NOTICE_RESUMED});
    assert_true(sign_new(&signer, span_of(SECRET), &err));
    struct span body = span_of(s.bodies[0]);
    sign_hex(signer, &body, 1, hex);
    assert_string_equal(s.signatures[0], hex);
    assert_string_equal(s.others[0], "HmacSHA256, application/json, akeneo/event-platform, no secondary");
    sign_free(signer);
    finish(&s);
}

static void test_other_decisions_are_nobody_s_news(void **state)
{
    (void)state;
    static const enum notice_kind kinds[] = {NOTICE_RETRY, NOTICE_DROPPED, NOTICE_LOST, NOTICE_RATE,
                                             NOTICE_PAUSED};
    struct stage s;
    begin(&s, NULL, 0);
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        notify_take(s.notify, &(struct notice){.kind = kinds[i]});
    assert_false(notify_waits(s.notify));
    finish(&s);
}

static void test_nobody_is_told_where_there_is_nobody_to_tell(void **state)
{
    (void)state;
    notify_begin(NULL, &(struct notify_scene){0});
    notify_take(NULL, &(struct notice){.kind = NOTICE_SUSPENDED});
    assert_false(notify_waits(NULL));
    notify_free(NULL);
}

/* ---- when it comes again ---------------------------------------------------------------------------- */

/* The members of each "send" and "answer" that tests look at: "42#1@7000000 503 43#2@8000000 200 ". */
static bool note(void *arg, struct span kind, const struct json_doc *r, struct err *e)
{
    (void)e;
    if (span_equals(kind, "send")) {
        assert_true(json_string_is(r, json_get(r, JSON_ROOT, "kind"), "notification"));
        buf_printf(arg, "%lld#%lld@%lld ", (long long)json_i64(r, json_get(r, JSON_ROOT, "delivery")),
                   (long long)json_i64(r, json_get(r, JSON_ROOT, "attempt")),
                   (long long)json_i64(r, json_get(r, JSON_ROOT, "virtual_us")) / 1000000);
    } else if (span_equals(kind, "answer")) {
        buf_printf(arg, "%lld ", (long long)json_i64(r, json_get(r, JSON_ROOT, "status")));
    }
    return true;
}

static void assert_recorded(struct stage *s, const char *expected)
{
    struct buf text;
    buf_init(&text, 4096);
    assert_true(journal_flush(s->journal, &err));
    assert_true(journal_read(journal_fd(s->journal), "j", NULL, note, &text, &err));
    assert_string_equal(buf_text(&text), expected);
    buf_reset(&text);
}

static const struct {
    unsigned statuses[3];
    const char *recorded;
} stories[] = {
    {{200}, "42#1@7 200 "},
    {{204}, "42#1@7 204 "},
    {{503, 200}, "42#1@7 503 43#2@8 200 "},
    {{429, 500, 202}, "42#1@7 429 43#2@8 500 44#3@10 202 "},
    {{500, 502, 503}, "42#1@7 500 43#2@8 502 44#3@10 503 "},
    {{500, 400}, "42#1@7 500 43#2@8 400 "},
    {{401}, "42#1@7 401 "},
    {{404}, "42#1@7 404 "},
    {{302}, "42#1@7 302 "},
};

static void test_it_comes_three_times_at_most_and_only_where_that_may_help(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(stories); i++) {
        struct stage s;
        begin(&s, stories[i].statuses, 3);
        uint64_t from_us = clock_mono_us();
        tell(&s, &(struct notice){.kind = NOTICE_SUSPENDED, .cause = SUSPENSION_NOT_FOUND, .at_us = 7 * S});
        assert_true(clock_mono_us() - from_us < S); /* waits are virtual */
        assert_recorded(&s, stories[i].recorded);
        for (size_t call = 1; call < s.calls; call++) {
            assert_string_equal(s.bodies[call], s.bodies[0]);
            assert_string_equal(s.signatures[call], s.signatures[0]);
        }
        assert_int_equal(s.deliveries, 41 + s.calls);
        finish(&s);
    }
}

static void test_a_server_that_is_not_there_is_tried_three_times(void **state)
{
    (void)state;
    struct stage s;
    begin(&s, NULL, 0);
    httpd_close(s.httpd);
    tell(&s, &(struct notice){.kind = NOTICE_RESUMED});
    assert_recorded(&s, "42#1@0 0 43#2@1 0 44#3@3 0 ");
    s.httpd = NULL;
    notify_free(s.notify);
    loop_free(s.loop);
    assert_true(journal_close(s.journal, &err));
    planning_reset(&s.planning);
}

static void test_waits_are_real_where_time_is(void **state)
{
    (void)state;
    struct stage s;
    begin(&s, (const unsigned[]){500, 500, 500}, 3);
    notify_begin(s.notify, &(struct notify_scene){.plan = s.planning.plan,
                                                  .settings = &s.planning.settings,
                                                  .destination = "http://127.0.0.1/",
                                                  .flow = &s.flow,
                                                  .speed = 100});
    uint64_t from_us = clock_mono_us();
    tell(&s, &(struct notice){.kind = NOTICE_RESUMED});
    assert_true(clock_mono_us() - from_us >= 30000); /* three seconds, a hundred times as fast */
    assert_int_equal(s.calls, 3);
    finish(&s);
}

static void test_what_waits_is_sent_in_its_order(void **state)
{
    (void)state;
    struct stage s;
    begin(&s, (const unsigned[]){503}, 1);
    notify_take(s.notify, &(struct notice){.kind = NOTICE_SUSPENDED, .cause = SUSPENSION_NOT_FOUND});
    notify_take(s.notify, &(struct notice){.kind = NOTICE_RESUMED, .at_us = 60 * S});
    assert_true(notify_send(s.notify, &s.recorder, &s.deliveries, &err));
    assert_recorded(&s, "42#1@0 503 43#2@1 200 44#1@60 200 ");
    assert_non_null(strstr(s.bodies[2], "resumed"));
    finish(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_says_what_happened_and_why),
        cmocka_unit_test(test_the_subscription_is_the_one_of_the_events),
        cmocka_unit_test(test_it_is_signed_with_its_own_secret_over_the_raw_body),
        cmocka_unit_test(test_other_decisions_are_nobody_s_news),
        cmocka_unit_test(test_nobody_is_told_where_there_is_nobody_to_tell),
        cmocka_unit_test(test_it_comes_three_times_at_most_and_only_where_that_may_help),
        cmocka_unit_test(test_a_server_that_is_not_there_is_tried_three_times),
        cmocka_unit_test(test_waits_are_real_where_time_is),
        cmocka_unit_test(test_what_waits_is_sent_in_its_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
