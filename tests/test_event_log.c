/* Tests of event_log.c: each of the documented messages to the last byte, at its level, with its context. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "event_log.h"
#include "planning.h"

#define START_US (INT64_C(1769850839) * 1000000) /* 2026-01-31T09:13:59Z */
#define HOUR_US  UINT64_C(3600000000)

#define TWO_PRODUCTS SCENARIO("\"stream\":[{\"event\":\"product.updated\",\"entities\":2}]")

/* An event of that plan, as the log tells it. */
#define UPDATED                                                                                              \
    "{\"action\":\"product.updated\",\"event_id\":\"%s\",\"event_datetime\":\"2026-01-31T09:13:58+00:00\","  \
    "\"author\":\"am\\u00e9lie.duval\",\"author_type\":\"ui\",\"product_identifier\":\"%s\"}"

struct bench {
    struct planning planning;
    struct message message;
    struct event_log *log;
    char path[32];
};

static void setup(struct bench *b, const char *scenario)
{
    struct err err;
    *b = (struct bench){.planning = planning_of(scenario, PLATFORM_EVENTS_API, 1),
                        .path = "/tmp/test_event_log.XXXXXX"};
    int fd = mkstemp(b->path);
    assert_true(fd >= 0);
    close(fd);
    message_init(&b->message);
    assert_true(event_log_open(&b->log, b->path, &err));
    event_log_begin(b->log, &(struct event_log_scene){.plan = b->planning.plan,
                                                      .settings = &b->planning.settings,
                                                      .url = "http://127.0.0.1:3000/hook?x=1",
                                                      .deadline_us = 500000,
                                                      .wall_start_us = START_US});
}

/* Close the log; its whole text. */
static const char *text_of(struct bench *b, struct buf *text)
{
    struct err err;
    assert_true(event_log_close(b->log, &err));
    buf_init(text, 1 << 20);
    assert_true(buf_read_file(text, b->path, &err));
    return buf_text(text);
}

static void teardown(struct bench *b, struct buf *text)
{
    unlink(b->path);
    buf_reset(text);
    message_reset(&b->message);
    planning_reset(&b->planning);
}

static void put_header(struct message *m, const char *line)
{
    buf_put(&m->lines, line, strlen(line) + 1);
    m->header_count++;
}

/* The event of an item, as the log is to tell it. */
static const char *told(const struct bench *b, size_t index, char text[512])
{
    char id[UUID_SIZE];
    struct entity entity;
    plan_event_id(b->planning.plan, &b->planning.plan->items[index], id);
    plan_entity(b->planning.plan, &b->planning.plan->items[index], &entity);
    snprintf(text, 512, UPDATED, id, entity.code);
    return text;
}

static void answer_with(struct bench *b, size_t count, const struct answer *answer, uint64_t at_us)
{
    struct delivery delivery = {.id = 1, .attempt = 1, .first = 0, .count = count};
    event_log_answered(b->log, &delivery, &b->message, answer, at_us);
}

static void assert_line(struct bench *b, const char *expected)
{
    struct buf text;
    assert_string_equal(text_of(b, &text), expected);
    teardown(b, &text);
}

/* ---- requests ------------------------------------------------------------------------------------- */

static void test_a_request_that_was_sent_shows_the_headers_of_its_answer(void **state)
{
    (void)state;
    static const char head[] =
        "Content-Type: text/plain\0Set-Cookie: a=1\0X-\xc3\x9c: \"/\"\0set-cookie: b=2";
    struct bench b;
    char expected[2048], one[512], two[512];
    setup(&b, TWO_PRODUCTS);
    answer_with(&b, 2,
                &(struct answer){.outcome = OUTCOME_ANSWERED, .status = 202, .head = {head, sizeof head}},
                1999999);
    snprintf(expected, sizeof expected,
             "2026/01/31 09:14:00 INFO The API event request was sent. "
             "{\"event_subscription_url\":\"http:\\/\\/127.0.0.1:3000\\/hook?x=1\",\"status_code\":202,"
             "\"headers\":{\"Content-Type\":[\"text\\/plain\"],\"Set-Cookie\":[\"a=1\",\"b=2\"],"
             "\"X-\\u00dc\":[\"\\\"\\/\\\"\"]},\"events\":[%s,%s]}\n",
             told(&b, 0, one), told(&b, 1, two));
    assert_line(&b, expected);
}

static void test_a_redirect_was_sent_and_no_headers_are_an_empty_array(void **state)
{
    (void)state;
    struct bench b;
    char expected[1024], one[512];
    setup(&b, TWO_PRODUCTS);
    answer_with(&b, 1, &(struct answer){.outcome = OUTCOME_ANSWERED, .status = 302}, 0);
    snprintf(expected, sizeof expected,
             "2026/01/31 09:13:59 INFO The API event request was sent. "
             "{\"event_subscription_url\":\"http:\\/\\/127.0.0.1:3000\\/hook?x=1\",\"status_code\":302,"
             "\"headers\":[],\"events\":[%s]}\n",
             told(&b, 0, one));
    assert_line(&b, expected);
}

static void test_an_error_shows_the_headers_of_the_request(void **state)
{
    (void)state;
    struct bench b;
    char expected[1024], one[512];
    setup(&b, TWO_PRODUCTS);
    put_header(&b.message, "Content-Type: application/json");
    put_header(&b.message, "X-Akeneo-Request-Timestamp: 1769850839");
    answer_with(&b, 1, &(struct answer){.outcome = OUTCOME_ANSWERED, .status = 500, .head = {"A: b", 5}},
                15 * HOUR_US);
    snprintf(expected, sizeof expected,
             "2026/02/01 00:13:59 ERROR The endpoint returned an error. "
             "{\"event_subscription_url\":\"http:\\/\\/127.0.0.1:3000\\/hook?x=1\",\"status_code\":500,"
             "\"headers\":{\"Host\":[\"127.0.0.1:3000\"],\"Content-Type\":[\"application\\/json\"],"
             "\"X-Akeneo-Request-Timestamp\":[\"1769850839\"]},\"events\":[%s]}\n",
             told(&b, 0, one));
    assert_line(&b, expected);
}

static void test_silence_of_any_kind_is_a_failure_to_answer_in_time(void **state)
{
    (void)state;
    static const enum outcome outcomes[] = {OUTCOME_TIMEOUT, OUTCOME_REFUSED, OUTCOME_RESET, OUTCOME_GARBAGE,
                                            OUTCOME_TLS,     OUTCOME_GAVE_UP, OUTCOME_OUTAGE};
    for (size_t i = 0; i < COUNT_OF(outcomes); i++) {
        struct bench b;
        char expected[1024], one[512];
        unsigned begun = outcomes[i] == OUTCOME_TIMEOUT ? 200 : 0; /* of an answer that did not end */
        setup(&b, TWO_PRODUCTS);
        answer_with(&b, 1, &(struct answer){.outcome = outcomes[i], .status = begun}, 0);
        snprintf(expected, sizeof expected,
                 "2026/01/31 09:13:59 ERROR The endpoint failed to answer under 500 ms. "
                 "{\"event_subscription_url\":\"http:\\/\\/127.0.0.1:3000\\/hook?x=1\",\"events\":[%s]}\n",
                 told(&b, 0, one));
        assert_line(&b, expected);
    }
}

static void test_what_a_proxy_answers_in_an_outage_is_an_error(void **state)
{
    (void)state;
    struct bench b;
    struct buf text;
    setup(&b, TWO_PRODUCTS);
    answer_with(&b, 1, &(struct answer){.outcome = OUTCOME_OUTAGE, .status = 502}, 0);
    const char *line = text_of(&b, &text);
    assert_non_null(strstr(line, " ERROR The endpoint returned an error. {"));
    assert_non_null(strstr(line, "\"status_code\":502,"));
    teardown(&b, &text);
}

static void test_a_product_model_goes_by_its_code(void **state)
{
    (void)state;
    struct bench b;
    struct buf text;
    struct entity entity;
    char member[128];
    setup(&b, SCENARIO("\"stream\":[{\"event\":\"product_model.removed\"}]"));
    answer_with(&b, 1, &(struct answer){.outcome = OUTCOME_ANSWERED, .status = 200}, 0);
    plan_entity(b.planning.plan, &b.planning.plan->items[0], &entity);
    snprintf(member, sizeof member, ",\"product_model_code\":\"%s\"}]}\n", entity.code);
    const char *line = text_of(&b, &text);
    assert_non_null(strstr(line, member));
    assert_null(strstr(line, "product_identifier"));
    teardown(&b, &text);
}

static void test_the_test_button_leaves_no_line(void **state)
{
    (void)state;
    struct bench b;
    setup(&b, SCENARIO("\"stream\":[{\"check\":\"reachability\"}]"));
    answer_with(&b, 1, &(struct answer){.outcome = OUTCOME_ANSWERED, .status = 200}, 0);
    assert_line(&b, "");
}

/* ---- decisions ------------------------------------------------------------------------------------- */

static void test_a_used_up_quota_is_a_warning_without_context(void **state)
{
    (void)state;
    struct bench b;
    setup(&b, TWO_PRODUCTS);
    event_log_notice(b.log,
                     &(struct notice){.kind = NOTICE_PAUSED, .at_us = HOUR_US, .until_us = 2 * HOUR_US});
    assert_line(&b,
                "2026/01/31 10:13:59 WARNING The maximum number of requests per hour has been reached. []\n");
}

static void test_pauses_less_than_a_minute_apart_are_one(void **state)
{
    (void)state;
    struct bench b;
    setup(&b, TWO_PRODUCTS);
    uint64_t pauses[][2] = {{0, HOUR_US},
                            {HOUR_US + 1, HOUR_US + 2},
                            {HOUR_US + 60000001, HOUR_US + 60000002},
                            {2 * HOUR_US, 2 * HOUR_US + 5}};
    for (size_t i = 0; i < COUNT_OF(pauses); i++)
        event_log_notice(
            b.log, &(struct notice){.kind = NOTICE_PAUSED, .at_us = pauses[i][0], .until_us = pauses[i][1]});
    assert_line(&b,
                "2026/01/31 09:13:59 WARNING The maximum number of requests per hour has been reached. []\n"
                "2026/01/31 11:13:59 WARNING The maximum number of requests per hour has been reached. []\n");
}

static void test_every_event_of_the_connection_s_own_is_a_notice(void **state)
{
    (void)state;
    struct bench b;
    char expected[2048], id[2][UUID_SIZE];
    struct entity entity[2];
    setup(&b,
          SCENARIO("\"flow\":{},\"stream\":[{\"event\":\"product.created\",\"entities\":2,\"own\":true}]"));
    for (size_t i = 0; i < 2; i++) {
        plan_event_id(b.planning.plan, &b.planning.plan->items[i], id[i]);
        plan_entity(b.planning.plan, &b.planning.plan->items[i], &entity[i]);
    }
    event_log_notice(b.log, &(struct notice){.kind = NOTICE_WITHHELD, .at_us = 1000000, .count = 2});
#define WITHHELD                                                                                             \
    "2026/01/31 09:14:00 NOTICE The event was not sent because it was raised by the same connection. "       \
    "{\"event\":{\"action\":\"product.created\",\"event_id\":\"%s\","                                        \
    "\"event_datetime\":\"2026-01-31T09:13:58+00:00\",\"author\":\"connector_0000\","                        \
    "\"author_type\":\"api\",\"product_identifier\":\"%s\"}}\n"
    snprintf(expected, sizeof expected, WITHHELD WITHHELD, id[0], entity[0].code, id[1], entity[1].code);
    assert_line(&b, expected);
}

static void test_other_decisions_leave_no_line(void **state)
{
    (void)state;
    static const enum notice_kind kinds[] = {NOTICE_RETRY, NOTICE_DROPPED, NOTICE_DISCARDED, NOTICE_RATE};
    struct bench b;
    setup(&b, TWO_PRODUCTS);
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        event_log_notice(b.log, &(struct notice){.kind = kinds[i], .count = 1});
    assert_line(&b, "");
}

/* ---- the file -------------------------------------------------------------------------------------- */

static void test_a_line_that_cannot_be_written_is_an_error_in_the_end(void **state)
{
    (void)state;
    struct bench b;
    struct err err;
    struct buf text;
    struct event_log *full;
    setup(&b, TWO_PRODUCTS);
    assert_true(event_log_open(&full, "/dev/full", &err));
    event_log_begin(full, &(struct event_log_scene){.wall_start_us = START_US});
    event_log_notice(full, &(struct notice){.kind = NOTICE_PAUSED});
    event_log_notice(full, &(struct notice){.kind = NOTICE_PAUSED});
    assert_false(event_log_close(full, &err));
    assert_string_equal(err.text, "/dev/full: No space left on device");
    assert_int_equal(err.code, EXIT_ENVIRONMENT);
    text_of(&b, &text);
    teardown(&b, &text);
}

static void test_a_file_that_cannot_be_opened_is_an_error(void **state)
{
    (void)state;
    struct event_log *log;
    struct err err;
    assert_false(event_log_open(&log, "/nowhere/at/all", &err));
    assert_string_equal(err.text, "/nowhere/at/all: No such file or directory");
    assert_null(log);
    assert_true(event_log_close(log, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_request_that_was_sent_shows_the_headers_of_its_answer),
        cmocka_unit_test(test_a_redirect_was_sent_and_no_headers_are_an_empty_array),
        cmocka_unit_test(test_an_error_shows_the_headers_of_the_request),
        cmocka_unit_test(test_silence_of_any_kind_is_a_failure_to_answer_in_time),
        cmocka_unit_test(test_what_a_proxy_answers_in_an_outage_is_an_error),
        cmocka_unit_test(test_a_product_model_goes_by_its_code),
        cmocka_unit_test(test_the_test_button_leaves_no_line),
        cmocka_unit_test(test_a_used_up_quota_is_a_warning_without_context),
        cmocka_unit_test(test_pauses_less_than_a_minute_apart_are_one),
        cmocka_unit_test(test_every_event_of_the_connection_s_own_is_a_notice),
        cmocka_unit_test(test_other_decisions_leave_no_line),
        cmocka_unit_test(test_a_line_that_cannot_be_written_is_an_error_in_the_end),
        cmocka_unit_test(test_a_file_that_cannot_be_opened_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
