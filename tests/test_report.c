/* Tests of report.c: short golden texts, machine formats that parse, and strings that mean harm. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "event.h"
#include "report.h"

/* ---- a judgement made by hand ----------------------------------------------------------------------- */

static const struct rule deadline = {
    "ack/deadline", LEVEL_MUST, 3, "h", "c", "w", "Answer first, work later."};
static const struct rule status = {"ack/status", LEVEL_SHOULD, 3, "h", "c", "w", "Answer 200."};
static const struct rule load = {"ack/load", LEVEL_MUST, 3, "h", "c", "w", "Use a queue."};
static const struct rule raw_bytes = {"sig/raw-bytes", LEVEL_MUST, 3, "h", "c", "w", "Verify the raw body."};
static const struct rule odd = {"sig/odd", LEVEL_MUST, 3, "h", "c", "w", "Check the length."};
static const struct rule stale = {"sig/stale", LEVEL_SHOULD, 1, "h", "c", "w", "Look at the clock."};

enum { DEADLINE, STATUS, LOAD, RAW_BYTES, ODD, STALE, FINDINGS };

struct sample {
    struct finding findings[FINDINGS];
    struct category_score categories[2];
    struct judgement judgement;
};

static struct judgement *sample_init(struct sample *s)
{
    static const char *const scenarios[] = {"core/first", "core/bytes"};
    const struct latency latency = {412, 812, 1200, 4100, 9100};
    *s = (struct sample){
        .findings =
            {
                [DEADLINE] = {.rule = &deadline,
                              .verdict = VERDICT_PASS,
                              .scenario = "core/first",
                              .reason = "all were acknowledged",
                              .judged = 412,
                              .ack = latency},
                [STATUS] = {.rule = &status,
                            .verdict = VERDICT_PASS,
                            .scenario = "core/first",
                            .reason = "all were acknowledged with 200",
                            .judged = 412,
                            .ack = latency},
                [LOAD] = {.rule = &load,
                          .verdict = VERDICT_NOT_OBSERVED,
                          .scenario = "",
                          .reason = "no scenario shows it"},
                [RAW_BYTES] = {.rule = &raw_bytes,
                               .verdict = VERDICT_FAIL,
                               .scenario = "core/bytes",
                               .reason = "your connector re-serialises the body",
                               .judged = 12,
                               .failed = 9,
                               .ack = {12, 2100, 2300, 2500, 2500},
                               .evidence_count = 1,
                               .evidence = {{.delivery = 17,
                                             .request = "delivery 17: product.updated",
                                             .event_id = "018e197c-dfe2-70f8-9346-1a8e016f5fbb",
                                             .expected = "2xx within 3 s",
                                             .came = "401 Unauthorized after 2.1 ms"}}},
                [ODD] = {.rule = &odd,
                         .verdict = VERDICT_INCONCLUSIVE,
                         .scenario = "core/signatures",
                         .reason = "the request was refused without the fault too",
                         .judged = 5},
                [STALE] = {.rule = &stale,
                           .verdict = VERDICT_NOT_APPLICABLE,
                           .scenario = NULL,
                           .reason = "aep has no timestamp"},
            },
        .categories = {{"ack", "Acknowledgement", 2, 0, 0, 1, 0, 100},
                       {"sig", "Signatures", 0, 1, 1, 0, 1, 0}},
    };
    s->judgement = (struct judgement){.pimsim = "0.1.0",
                                      .platform = "aep",
                                      .url = "http://127.0.0.1:3000/",
                                      .command = "pimsim run --url http://127.0.0.1:3000/ --seed 7",
                                      .seed = 7,
                                      .deadline_us = 3000000,
                                      .started_us = 1700000000123456,
                                      .verdict = FAILS,
                                      .score = 57,
                                      .findings = s->findings,
                                      .finding_count = FINDINGS,
                                      .categories = s->categories,
                                      .category_count = 2,
                                      .scenarios = scenarios,
                                      .scenario_count = 2,
                                      .deliveries = 429,
                                      .events = 900,
                                      .answered = 426,
                                      .acknowledged = 412,
                                      .timeouts = 2,
                                      .unreachable = 1,
                                      .bytes = 512000,
                                      .duration_us = 3200000,
                                      .ack = latency};
    for (size_t i = 0; i < FINDINGS; i++)
        s->findings[i].fix = s->findings[i].rule->fix;
    return &s->judgement;
}

static void make_status_fail(struct sample *s)
{
    s->findings[STATUS].verdict = VERDICT_FAIL;
    s->findings[STATUS].reason = "the ack was 204";
    s->findings[STATUS].failed = 412;
}

static void make_raw_bytes_pass(struct sample *s)
{
    s->findings[RAW_BYTES].verdict = VERDICT_PASS;
    s->findings[RAW_BYTES].failed = 0;
    s->findings[RAW_BYTES].evidence_count = 0;
}

static const struct difference dearer = {
    .about = "product 3",
    .place = "state-url 1: /products/[]",
    .path = "/price",
    .expected = "10",
    .found = "9",
    .without = "{\"price\":10,\"sku\":\"<product 3>\"}",
    .with = "{\"price\":9,\"sku\":\"<product 3>\"}",
    .words_without = "without the fault",
    .words_with = "with the fault",
    .also = {"/name", "/stock"},
    .also_count = 2,
    .also_more = 3,
    .deliveries = {"31 product.created", "38 product.updated (a copy of an event that came before)"},
    .deliveries_count = 2,
};

/* sig/raw-bytes stands on the connector's state. */
static void make_state_speak(struct sample *s, struct difference difference)
{
    struct finding *f = &s->findings[RAW_BYTES];
    f->failed = f->evidence_count = 1;
    f->evidence[0] = (struct evidence){.delivery = 38,
                                       .request = "delivery 38: product.updated",
                                       .event_id = "e",
                                       .expected = "/price 10",
                                       .came = "/price 9",
                                       .difference = difference};
}

/* A day with an outage, at whose end the subscription was gone; and an afternoon that was interrupted. */
static const struct forecast day = {
    .scenario = "hours/outage",
    .complete = true,
    .outage = true,
    .virtual_us = UINT64_C(86400000000),
    .duration_us = 3100000,
    .events = 1440,
    .acknowledged = 1410,
    .after_retries = 25,
    .lost = 30,
    .requests = 1500,
    .retries = 60,
    .throttled = 3,
    .rate = 12,
    .rate_max = 37,
    .rate_max_us = UINT64_C(1080000000),
    .points = {{1000000, 2}, {UINT64_C(1080000000), 37}},
    .point_count = 2,
    .suspensions = 1,
    .cause = CAUSE_NOT_FOUND,
    .suspended_us = UINT64_C(7630000000),
    .success_min_ppm = 900000,
    .success_worst_ppm = 916700,
    .success_worst_us = UINT64_C(3661000000),
};
static const struct forecast afternoon = {
    .scenario = "hours/quota",
    .virtual_us = UINT64_C(5400000000),
    .duration_us = 900000,
    .acknowledged = 1,
    .discarded = 2,
    .pauses = 2,
    .paused_us = UINT64_C(2400000000),
    .first_pause_us = UINT64_C(1110000000),
};

static void add_forecasts(struct judgement *j)
{
    static const struct forecast *const forecasts[] = {&day, &afternoon};
    j->forecasts = forecasts;
    j->forecast_count = COUNT_OF(forecasts);
}

/* What a connector may put into its answers. */
static const char HOSTILE[] = "\"quoted\" 'single' \\ \x1b[2J\x07 \xff\xc0\x80\xed\xa0\x80 <b>&amp;]]> "
                              "-->\r\n...\nok 1 - fine # SKIP\x7f\xc2\x9b\xef\xbf\xbf é";

static void make_hostile(struct sample *s)
{
    s->judgement.url = s->judgement.platform = s->judgement.command = HOSTILE;
    for (size_t i = 0; i < FINDINGS; i++) {
        s->findings[i].reason = s->findings[i].scenario = HOSTILE;
        s->findings[i].evidence_count = 1;
        s->findings[i].evidence[0] = (struct evidence){
            .delivery = 1, .request = HOSTILE, .event_id = HOSTILE, .expected = HOSTILE, .came = HOSTILE};
    }
    s->findings[RAW_BYTES].evidence[0].difference = (struct difference){.about = HOSTILE,
                                                                        .place = HOSTILE,
                                                                        .path = HOSTILE,
                                                                        .expected = HOSTILE,
                                                                        .found = HOSTILE,
                                                                        .without = HOSTILE,
                                                                        .with = HOSTILE,
                                                                        .words_without = "without",
                                                                        .words_with = "with",
                                                                        .also = {HOSTILE},
                                                                        .also_count = 1,
                                                                        .deliveries = {HOSTILE},
                                                                        .deliveries_count = 1};
    make_status_fail(s);
    s->findings[STATUS].reason = HOSTILE;
    static const struct forecast forecast = {.scenario = HOSTILE, .events = 1};
    static const struct forecast *const forecasts[] = {&forecast};
    s->judgement.forecasts = forecasts;
    s->judgement.forecast_count = 1;
}

typedef void render_fn(const struct judgement *judgement, struct buf *out);

static char *render(const struct judgement *judgement, render_fn *function)
{
    struct buf out;
    buf_init(&out, 1 << 20);
    function(judgement, &out);
    assert_true(buf_ok(&out));
    return buf_take(&out);
}

static char *render_text(const struct judgement *judgement, struct report_options options)
{
    struct buf out;
    buf_init(&out, 1 << 20);
    report_text(judgement, &options, &out);
    return buf_take(&out);
}

static void assert_has(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("\"%s\" is not in:\n%s", part, text);
}

static void assert_has_not(const char *text, const char *part)
{
    if (strstr(text, part))
        fail_msg("\"%s\" is in:\n%s", part, text);
}

/* Line feeds are the only control characters, and the UTF-8 is valid. */
static void assert_visible(const char *text)
{
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        assert_true(*p >= 0x20 || *p == '\n');
        assert_int_not_equal(*p, 0x7f);
        assert_int_not_equal(*p, 0xff);
        assert_false(p[0] == 0xc2 && p[1] < 0xa0);
        assert_false(p[0] == 0xed && p[1] >= 0xa0);
    }
}

/* ---- text ------------------------------------------------------------------------------------------- */

static void test_text_of_a_failed_run(void **state)
{
    (void)state;
    struct sample s;
    char *text = render_text(sample_init(&s), (struct report_options){0});
    assert_string_equal(
        text, "FAILS   57/100   aep   http://127.0.0.1:3000/   3 rules judged, 1 failed\n"
              "\n"
              "FAIL  sig/raw-bytes  must  core/bytes  9 of 12\n"
              "    your connector re-serialises the body\n"
              "    delivery 17: product.updated\n"
              "      event     018e197c-dfe2-70f8-9346-1a8e016f5fbb\n"
              "      expected  2xx within 3 s\n"
              "      came      401 Unauthorized after 2.1 ms\n"
              "    and 8 more\n"
              "    fix  Verify the raw body.\n"
              "\n"
              "INCONCLUSIVE  sig/odd\n"
              "    the request was refused without the fault too\n"
              "\n"
              "  category           score   passed   failed   inconclusive   not observed\n"
              "  Acknowledgement      100        2        0              0              1\n"
              "  Signatures             0        0        1              1              0\n"
              "\n"
              "  ack latency    p50 0.812 ms, p90 1.2 ms, p99 4.1 ms, max 9.1 ms; the deadline is 3 s\n"
              "  requests       429 with 900 events in 3.2 s: 426 answered, 412 of them 2xx, 2 timed out, 1 "
              "without "
              "a connection\n"
              "  not observed   ack/load: no scenario shows it\n"
              "\n"
              "To repeat it:\n"
              "  pimsim run --url http://127.0.0.1:3000/ --seed 7\n");
    free(text);
}

static void test_text_of_a_passed_run_ends_without_a_command(void **state)
{
    (void)state;
    struct sample s;
    struct judgement *j = sample_init(&s);
    make_raw_bytes_pass(&s);
    j->verdict = CONFORMS;
    j->score = 100;
    char *text = render_text(j, (struct report_options){0});
    assert_has(text, "CONFORMS   100/100   aep   http://127.0.0.1:3000/   3 rules judged, 0 failed\n");
    assert_has_not(text, "repeat");
    assert_has_not(text, "FAIL ");
    free(text);
}

/* Nothing of Acknowledgement was tried, for one reason. */
static struct judgement *sample_without_ack(struct sample *s)
{
    struct judgement *j = sample_init(s);
    for (size_t i = DEADLINE; i <= LOAD; i++) {
        s->findings[i].verdict = VERDICT_NOT_OBSERVED;
        s->findings[i].reason = "no scenario shows it";
    }
    s->categories[0] = (struct category_score){"ack", "Acknowledgement", 0, 0, 0, 3, 0, -1};
    return j;
}

static void test_text_tells_a_category_of_which_nothing_was_tried_in_a_word(void **state)
{
    (void)state;
    struct sample s;
    char *text = render_text(sample_without_ack(&s), (struct report_options){0});
    assert_has(text, "not observed   Acknowledgement: no scenario shows it\n");
    assert_has_not(text, "  Acknowledgement  ");
    assert_has(text, "  Signatures             0 ");
    free(text);
    sample_without_ack(&s);
    s.findings[STATUS].reason = "another";
    text = render_text(&s.judgement, (struct report_options){0});
    assert_has(text, "not observed   ack/deadline, ack/load: no scenario shows it\n");
    assert_has(text, "               ack/status: another\n");
    free(text);
}

static void test_text_names_what_is_owed_first(void **state)
{
    (void)state;
    struct sample s;
    struct judgement *j = sample_without_ack(&s);
    s.findings[LOAD].owed = true;
    j->verdict = INCONCLUSIVE;
    char *text = render_text(j, (struct report_options){0});
    assert_has(text, "    nothing failed, but what was asked for could not be judged\n"
                     "    --require ack/load: no scenario shows it\n");
    assert_has(text, "not observed   ack/deadline, ack/status, ack/load: no scenario shows it\n");
    free(text);
}

static void test_text_puts_must_before_should(void **state)
{
    (void)state;
    struct sample s;
    struct judgement *j = sample_init(&s);
    make_status_fail(&s);
    char *text = render_text(j, (struct report_options){0});
    assert_has(text, "3 rules judged, 2 failed (1 must, 1 should)\n");
    assert_true(strstr(text, "FAIL  sig/raw-bytes  must") < strstr(text, "FAIL  ack/status  should"));
    free(text);
}

static void test_text_quiet_is_the_verdict_alone(void **state)
{
    (void)state;
    struct sample s;
    struct judgement *j = sample_init(&s);
    j->score = -1;
    j->verdict = INCONCLUSIVE;
    char *text = render_text(j, (struct report_options){.verbose = -1});
    assert_string_equal(
        text, "INCONCLUSIVE   no score   aep   http://127.0.0.1:3000/   3 rules judged, 1 failed\n");
    free(text);
}

static void test_text_verbose_tells_every_rule_and_its_latency(void **state)
{
    (void)state;
    struct sample s;
    char *text = render_text(sample_init(&s), (struct report_options){.verbose = 1});
    assert_has(
        text,
        "  rule                level   verdict          judged       p50       p90       p99       max\n"
        "  ack/deadline        must    pass                412  0.812 ms    1.2 ms    4.1 ms    9.1 ms\n"
        "  ack/status          should  pass                412  0.812 ms    1.2 ms    4.1 ms    9.1 ms\n"
        "  ack/load            must    not-observed\n"
        "  sig/raw-bytes       must    fail                 12    2.1 ms    2.3 ms    2.5 ms    2.5 ms\n"
        "  sig/odd             must    inconclusive          5\n"
        "  sig/stale           should  not-applicable\n");
    free(text);
}

static void test_text_says_when_the_run_ended_early_or_late(void **state)
{
    (void)state;
    struct sample s;
    struct judgement *j = sample_init(&s);
    j->interrupted = true;
    j->late_max_us = 2500000;
    char *text = render_text(j, (struct report_options){0});
    assert_has(text, "1 failed\n    the run ended early: ");
    assert_has(text, "pimsim waiting up to 2.5 s;");
    free(text);
}

static void test_text_is_coloured_only_when_asked(void **state)
{
    (void)state;
    struct sample s;
    char *plain = render_text(sample_init(&s), (struct report_options){.verbose = 1});
    char *coloured = render_text(&s.judgement, (struct report_options){.verbose = 1, .colour = true});
    assert_has_not(plain, "\033");
    assert_has(coloured, "\033[1;31mFAILS\033[0m   57/100");
    free(plain);
    free(coloured);
}

static void test_text_tells_forecasts(void **state)
{
    (void)state;
    struct sample s;
    struct judgement *j = sample_init(&s);
    add_forecasts(j);
    char *text = render_text(j, (struct report_options){0});
    assert_has(
        text,
        "a connection\n"
        "  forecast       hours/outage: 24 h in 3.1 s\n"
        "                 1440 events: 1410 acknowledged, 25 of them after retries; 30 lost while "
        "suspended\n"
        "                 suspended at 02:07:10, because a delivery was answered with 404; nobody "
        "resumed it\n"
        "                 allowed up to 37 requests a second by 00:18:00, 12 at the end; 3 answered 429\n"
        "                 worst hour 91.7 % at 01:01:01, 1.7 points above the limit of 90 %, the "
        "scenario's own outage included\n"
        "  forecast       hours/quota: 1 h 30 min in 900 ms\n"
        "                 1 acknowledged; 2 discarded, too old at their turn; the run ended before the "
        "rest was known\n"
        "                 paused for its quota 2 times, first at 00:18:30, for 40 min in all\n"
        "  not observed");
    free(text);
}

static void test_text_tells_resumed_and_repeated_suspensions(void **state)
{
    (void)state;
    struct sample s;
    struct judgement *j = sample_init(&s);
    struct forecast f = day;
    const struct forecast *const forecasts[] = {&f};
    f.resumed = true;
    f.resumed_us = UINT64_C(9000000000);
    f.suspensions = 3;
    j->forecasts = forecasts;
    j->forecast_count = 1;
    char *text = render_text(j, (struct report_options){0});
    assert_has(text, "answered with 404; resumed at 02:30:00; 3 times in all\n");
    free(text);
}

static void test_text_wraps_at_spaces_with_a_hanging_indent(void **state)
{
    (void)state;
    struct sample s;
    struct judgement *j = sample_init(&s);
    s.findings[RAW_BYTES].reason = "éééééééééé bbbbbbbbb cccccccccc dddddddddd eeeeeeee fff "
                                   "https://a.word.that.is.longer.than.the.line.stays.whole.example/";
    char *text = render_text(j, (struct report_options){.columns = 50});
    assert_has(text, "\n    éééééééééé bbbbbbbbb cccccccccc dddddddddd\n    eeeeeeee fff\n"
                     "    https://a.word.that.is.longer.than.the.line.stays.whole.example/\n");
    free(text);
}

static void test_text_shows_hostile_strings_harmlessly(void **state)
{
    (void)state;
    struct sample s;
    struct judgement *j = sample_init(&s);
    make_hostile(&s);
    char *text = render_text(j, (struct report_options){.verbose = 1, .columns = 80});
    assert_visible(text);
    assert_has(text, "\\x1b[2J\\x07");
    free(text);
}

static void test_text_shows_what_differs_as_a_small_diff(void **state)
{
    (void)state;
    struct sample s;
    struct judgement *j = sample_init(&s);
    make_state_speak(&s, dearer);
    char *text = render_text(j, (struct report_options){0});
    assert_has(
        text,
        "    product 3 at state-url 1: /products/[]\n"
        "      - {\"price\":10,\"sku\":\"<product 3>\"}  without the fault\n"
        "      + {\"price\":9,\"sku\":\"<product 3>\"}   with the fault\n"
        "      /price: expected 10, found 9\n"
        "      also /name, /stock and 3 more\n"
        "      deliveries  31 product.created, 38 product.updated (a copy of an event that came before)\n"
        "    fix  Verify the raw body.\n");
    free(text);
}

static void test_text_leaves_out_the_record_that_is_not_there(void **state)
{
    (void)state;
    struct sample s;
    struct judgement *j = sample_init(&s);
    struct difference gone = dearer;
    gone.path = gone.with = "";
    gone.also_count = gone.also_more = 0;
    gone.expected = "1 record";
    gone.found = "none";
    gone.deliveries_before = 7;
    make_state_speak(&s, gone);
    char *text = render_text(j, (struct report_options){0});
    assert_has(text, "      - {\"price\":10,\"sku\":\"<product 3>\"}  without the fault\n"
                     "      expected 1 record, found none\n"
                     "      deliveries  7 before, 31 product.created, ");
    free(text);
}

static void test_text_cuts_long_records_around_what_differs(void **state)
{
    (void)state;
    struct sample s;
    struct judgement *j = sample_init(&s);
    char without[1200], with[1200];
    struct difference wide = dearer;
    for (size_t i = 0; i < 400; i++)
        memcpy(&without[2 * i], "é", 2); /* a cut must not fall into a character */
    without[800] = '\0';
    memcpy(with, without, sizeof with);
    memcpy(&without[601], "Z", 1);
    memcpy(&without[600], "Y", 1);
    wide.without = without;
    wide.with = with;
    wide.expected = with;
    make_state_speak(&s, wide);
    char *text = render_text(j, (struct report_options){0});
    assert_visible(text);
    const char *line = strstr(text, "      - …éé"), *z = line ? strstr(line, "éYZé") : NULL;
    assert_non_null(z);
    assert_true(z - line < 60);
    assert_true(strcspn(line, "\n") < 200);
    assert_has_not(text, "\xef\xbf\xbd");
    assert_has(text, "é…  without the fault\n      + …é");
    assert_has(text, "é…, found 9\n");
    free(text);
}

static void test_text_shows_the_member_that_the_path_names(void **state)
{
    (void)state;
    struct sample s;
    struct judgement *j = sample_init(&s);
    char records[2][1200];
    struct difference far = dearer;
    for (size_t i = 0; i < 2; i++)
        snprintf(records[i], sizeof records[i], "{\"at\":%zu,\"%0500d\":0,\"price\":%d,\"%0500d\":0}", i, 1,
                 i ? 9 : 10, 2);
    far.without = records[0];
    far.with = records[1];
    make_state_speak(&s, far);
    char *text = render_text(j, (struct report_options){0});
    assert_has(text, "1\":0,\"price\":10,\"000");
    assert_has(text, "1\":0,\"price\":9,\"000");
    assert_has_not(text, "\"at\"");
    free(text);
}

/* ---- JSON ------------------------------------------------------------------------------------------- */

static cJSON *at(cJSON *node, const char *key)
{
    cJSON *member = cJSON_GetObjectItemCaseSensitive(node, key);
    if (!member)
        fail_msg("no member %s", key);
    return member;
}

static const char *text_at(cJSON *node, const char *key)
{
    return cJSON_GetStringValue(at(node, key));
}

static cJSON *parse_report(const struct judgement *judgement)
{
    char *text = render(judgement, report_json);
    cJSON *root = cJSON_ParseWithOpts(text, NULL, true);
    if (!root)
        fail_msg("not JSON:\n%s", text);
    free(text);
    return root;
}

static void test_json_tells_the_run(void **state)
{
    (void)state;
    struct sample s;
    cJSON *root = parse_report(sample_init(&s));
    assert_int_equal(at(root, "report")->valueint, 1);
    assert_string_equal(text_at(root, "pimsim"), "0.1.0");
    assert_string_equal(text_at(root, "verdict"), "fails");
    assert_int_equal(at(root, "score")->valueint, 57);
    assert_int_equal(at(root, "seed")->valueint, 7);
    assert_string_equal(text_at(root, "platform"), "aep");
    assert_string_equal(text_at(root, "url"), "http://127.0.0.1:3000/");
    assert_string_equal(text_at(root, "started"), "2023-11-14T22:13:20Z");
    assert_int_equal(at(root, "duration_us")->valueint, 3200000);
    assert_true(cJSON_IsFalse(at(root, "interrupted")));
    assert_string_equal(text_at(root, "command"), s.judgement.command);
    assert_int_equal(cJSON_GetArraySize(at(root, "scenarios")), 2);
    assert_int_equal(at(at(root, "latency_us"), "p99")->valueint, 4100);
    assert_int_equal(at(at(root, "deliveries"), "sent")->valueint, 429);
    assert_int_equal(at(at(root, "deliveries"), "timeouts")->valueint, 2);
    assert_int_equal(at(at(at(root, "categories"), "ack"), "score")->valueint, 100);
    assert_int_equal(at(at(at(root, "categories"), "sig"), "not_applicable")->valueint, 1);
    cJSON_Delete(root);
}

static void test_json_tells_every_finding(void **state)
{
    (void)state;
    struct sample s;
    cJSON *root = parse_report(sample_init(&s));
    cJSON *findings = at(root, "findings");
    assert_int_equal(cJSON_GetArraySize(findings), FINDINGS);
    cJSON *f = cJSON_GetArrayItem(findings, RAW_BYTES);
    assert_string_equal(text_at(f, "rule"), "sig/raw-bytes");
    assert_string_equal(text_at(f, "level"), "must");
    assert_string_equal(text_at(f, "verdict"), "fail");
    assert_string_equal(text_at(f, "scenario"), "core/bytes");
    assert_string_equal(text_at(f, "reason"), "your connector re-serialises the body");
    assert_string_equal(text_at(f, "fix"), "Verify the raw body.");
    assert_int_equal(at(f, "judged")->valueint, 12);
    assert_int_equal(at(f, "failed")->valueint, 9);
    assert_int_equal(at(at(f, "latency_us"), "max")->valueint, 2500);
    cJSON *e = cJSON_GetArrayItem(at(f, "evidence"), 0);
    assert_int_equal(at(e, "delivery")->valueint, 17);
    assert_string_equal(text_at(e, "event_id"), "018e197c-dfe2-70f8-9346-1a8e016f5fbb");
    assert_string_equal(text_at(e, "expected"), "2xx within 3 s");
    assert_string_equal(text_at(e, "came"), "401 Unauthorized after 2.1 ms");
    f = cJSON_GetArrayItem(findings, STALE);
    assert_string_equal(text_at(f, "verdict"), "not-applicable");
    assert_true(cJSON_IsNull(at(f, "scenario")));
    assert_true(cJSON_IsNull(at(f, "latency_us")));
    cJSON_Delete(root);
}

static void test_json_tells_what_differs(void **state)
{
    (void)state;
    struct sample s;
    struct judgement *j = sample_init(&s);
    make_state_speak(&s, dearer);
    cJSON *root = parse_report(j), *f = cJSON_GetArrayItem(at(root, "findings"), RAW_BYTES);
    cJSON *d = at(cJSON_GetArrayItem(at(f, "evidence"), 0), "difference");
    assert_string_equal(text_at(d, "about"), "product 3");
    assert_string_equal(text_at(d, "place"), dearer.place);
    assert_string_equal(text_at(d, "path"), "/price");
    assert_string_equal(text_at(d, "expected"), "10");
    assert_string_equal(text_at(d, "found"), "9");
    assert_int_equal(cJSON_GetArraySize(at(d, "also")), 2);
    assert_string_equal(cJSON_GetArrayItem(at(d, "also"), 1)->valuestring, "/stock");
    assert_int_equal(at(d, "also_more")->valueint, 3);
    assert_string_equal(text_at(d, "record_without"), dearer.without);
    assert_string_equal(text_at(d, "record_with"), dearer.with);
    assert_int_equal(cJSON_GetArraySize(at(d, "deliveries")), 2);
    assert_int_equal(at(d, "deliveries_before")->valueint, 0);
    cJSON_Delete(root);
    make_state_speak(&s, (struct difference){.about = NULL});
    root = parse_report(j);
    f = cJSON_GetArrayItem(at(root, "findings"), RAW_BYTES);
    assert_true(cJSON_IsNull(at(cJSON_GetArrayItem(at(f, "evidence"), 0), "difference")));
    cJSON_Delete(root);
}

static void test_json_tells_forecasts(void **state)
{
    (void)state;
    struct sample s;
    struct judgement *j = sample_init(&s);
    add_forecasts(j);
    cJSON *root = parse_report(j), *all = at(root, "forecasts"), *f = cJSON_GetArrayItem(all, 0);
    assert_int_equal(cJSON_GetArraySize(all), 2);
    assert_string_equal(text_at(f, "scenario"), "hours/outage");
    assert_true(cJSON_IsTrue(at(f, "complete")));
    assert_true(cJSON_IsTrue(at(f, "outage")));
    assert_true(at(f, "virtual_us")->valuedouble == 86400e6);
    assert_int_equal(at(f, "events")->valueint, 1440);
    assert_int_equal(at(f, "after_retries")->valueint, 25);
    assert_int_equal(at(f, "lost")->valueint, 30);
    assert_int_equal(at(f, "suspensions")->valueint, 1);
    assert_string_equal(text_at(at(f, "suspended"), "cause"), "not-found");
    assert_true(at(at(f, "suspended"), "at_us")->valuedouble == 7630e6);
    assert_true(cJSON_IsNull(at(at(f, "suspended"), "resumed_us")));
    assert_int_equal(at(at(f, "throughput"), "max")->valueint, 37);
    assert_int_equal(cJSON_GetArraySize(at(at(f, "throughput"), "points")), 2);
    assert_true(at(at(f, "success"), "worst")->valuedouble == 91.67);
    assert_true(at(at(f, "success"), "margin")->valuedouble == 1.67);
    f = cJSON_GetArrayItem(all, 1);
    assert_true(cJSON_IsNull(at(f, "events")));
    assert_true(cJSON_IsNull(at(f, "suspended")));
    assert_true(cJSON_IsNull(at(f, "throughput")));
    assert_true(cJSON_IsNull(at(f, "success")));
    assert_int_equal(at(f, "pauses")->valueint, 2);
    cJSON_Delete(root);
}

static void test_json_has_null_where_nothing_was_judged(void **state)
{
    (void)state;
    struct sample s;
    struct judgement *j = sample_init(&s);
    j->score = s.categories[1].score = -1;
    j->ack.count = 0;
    j->seed = UINT64_MAX;
    cJSON *root = parse_report(j);
    assert_true(cJSON_IsNull(at(root, "score")));
    assert_true(cJSON_IsNull(at(root, "latency_us")));
    assert_true(cJSON_IsNull(at(at(at(root, "categories"), "sig"), "score")));
    cJSON_Delete(root);
    char *text = render(j, report_json);
    assert_has(text, "\"seed\": 18446744073709551615,");
    free(text);
}

static void test_json_carries_hostile_strings(void **state)
{
    (void)state;
    struct sample s;
    struct judgement *j = sample_init(&s);
    make_hostile(&s);
    cJSON *root = parse_report(j);
    const char *came =
        text_at(cJSON_GetArrayItem(at(cJSON_GetArrayItem(at(root, "findings"), 0), "evidence"), 0), "came");
    assert_memory_equal(came, HOSTILE, 26);
    assert_has(came, "<b>&amp;]]> -->\r\n...\nok 1 - fine # SKIP\x7f");
    cJSON_Delete(root);
}

/* ---- JUnit XML --------------------------------------------------------------------------------------- */

static const char *xml_references(const char *p, char end)
{
    for (; *p != end; p++) {
        assert_int_not_equal(*p, '\0');
        assert_int_not_equal(*p, '<');
        assert_true(*p != '>' || end == '"');
        if (*p == '&')
            assert_true(strncmp(p, "&amp;", 5) == 0 || strncmp(p, "&lt;", 4) == 0 ||
                        strncmp(p, "&gt;", 4) == 0 || strncmp(p, "&quot;", 6) == 0);
    }
    return p;
}

/* Well-formed, as far as the XML that we write goes. */
static void assert_xml(const char *p)
{
    char open[8][32];
    size_t depth = 0;
    static const char declaration[] = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
    assert_memory_equal(p, declaration, sizeof declaration - 1);
    p += sizeof declaration - 1;
    do {
        assert_int_equal(*p++, '<');
        bool closing = *p == '/';
        p += closing;
        size_t len = strspn(p, "abcdefghijklmnopqrstuvwxyz-");
        char name[32];
        snprintf(name, sizeof name, "%.*s", (int)len, p);
        for (p += len; *p == ' ';) {
            p += strcspn(p, "=");
            assert_memory_equal(p, "=\"", 2);
            p = xml_references(p + 2, '"') + 1;
        }
        if (closing)
            assert_string_equal(name, open[--depth]);
        else if (*p == '/')
            p++;
        else
            memcpy(open[depth++], name, sizeof name);
        assert_int_equal(*p++, '>');
        if (depth)
            p = xml_references(p, '<');
    } while (depth);
    assert_string_equal(p, "\n");
}

static void test_junit_is_a_suite_a_category(void **state)
{
    (void)state;
    struct sample s;
    char *text = render(sample_init(&s), report_junit);
    assert_xml(text);
    assert_has(text, "<testsuites name=\"pimsim: aep\" tests=\"6\" failures=\"1\" errors=\"0\" skipped=\"3\" "
                     "time=\"3.200000\">\n");
    assert_has(text, "  <testsuite name=\"sig\" tests=\"3\" failures=\"1\" errors=\"0\" skipped=\"2\" "
                     "timestamp=\"2023-11-14T22:13:20\" time=\"0.002500\">\n");
    assert_has(text, "    <testcase classname=\"pimsim.ack\" name=\"ack/deadline\" time=\"0.004100\"/>\n");
    assert_has(text, "      <failure type=\"must\" message=\"your connector re-serialises the body\">\n"
                     "    delivery 17: product.updated\n"
                     "      event     018e197c-dfe2-70f8-9346-1a8e016f5fbb\n");
    assert_has(text, "<skipped message=\"not-observed: no scenario shows it\"/>");
    free(text);
}

static void test_junit_is_red_exactly_when_the_run_fails(void **state)
{
    (void)state;
    struct sample s;
    struct judgement *j = sample_init(&s);
    make_status_fail(&s);
    make_raw_bytes_pass(&s);
    j->verdict = CONFORMS;
    char *text = render(j, report_junit);
    assert_xml(text);
    assert_has_not(text, "<failure");
    assert_has(text, "<skipped message=\"should: the ack was 204\"/>");
    free(text);

    j->verdict = FAILS; /* --strict */
    text = render(j, report_junit);
    assert_xml(text);
    assert_has(text, "<failure type=\"should\" message=\"the ack was 204\">");
    free(text);

    sample_init(&s);
    make_raw_bytes_pass(&s);
    j->verdict = INCONCLUSIVE;
    text = render(j, report_junit);
    assert_xml(text);
    assert_has(text, "tests=\"7\" failures=\"0\" errors=\"1\"");
    assert_has(text, "<error message=\"nothing failed, but");
    free(text);
}

static void test_junit_tells_what_differs(void **state)
{
    (void)state;
    struct sample s;
    struct judgement *j = sample_init(&s);
    make_state_speak(&s, dearer);
    char *text = render(j, report_junit);
    assert_has(text, "      + {&quot;price&quot;:9,&quot;sku&quot;:&quot;&lt;product 3&gt;&quot;}   with the "
                     "fault\n      /price: expected 10, found 9\n      also /name, /stock and 3 more\n");
    free(text);
}

static void test_junit_has_forecasts_as_properties_of_flow(void **state)
{
    (void)state;
    static const struct rule suspension = {"flow/suspension", LEVEL_MUST, 2, "h", "c", "w", "f."};
    struct sample s;
    struct judgement *j = sample_init(&s);
    add_forecasts(j);
    s.categories[1].name = "flow";
    s.findings[RAW_BYTES].rule = &suspension;
    char *xml = render(j, report_junit);
    assert_has(xml, "time=\"0.002500\">\n    <properties>\n      <property name=\"forecast: hours/outage\" "
                    "value=\"hours/outage: 24 h in 3.1 s;1440 events: 1410 acknowledged, ");
    assert_has(xml, "outage included\"/>\n      <property name=\"forecast: hours/quota\"");
    assert_has(xml, "    </properties>\n    <testcase classname=\"pimsim.flow\" name=\"flow/suspension\"");
    free(xml);
}

static void test_junit_shows_hostile_strings_harmlessly(void **state)
{
    (void)state;
    struct sample s;
    struct judgement *j = sample_init(&s);
    make_hostile(&s);
    char *text = render(j, report_junit);
    assert_xml(text);
    assert_visible(text);
    assert_has(text, "&lt;b&gt;&amp;amp;]]&gt; --&gt;\\x0d\\x0a");
    free(text);
}

/* ---- TAP 14 ------------------------------------------------------------------------------------------ */

static void test_tap_of_a_failed_run(void **state)
{
    (void)state;
    struct sample s;
    char *text = render(sample_init(&s), report_tap);
    assert_string_equal(text, "TAP version 14\n"
                              "1..6\n"
                              "ok 1 - ack/deadline\n"
                              "ok 2 - ack/status\n"
                              "ok 3 - ack/load # SKIP not-observed: no scenario shows it\n"
                              "not ok 4 - sig/raw-bytes\n"
                              "  ---\n"
                              "  level: must\n"
                              "  scenario: \"core/bytes\"\n"
                              "  reason: \"your connector re-serialises the body\"\n"
                              "  judged: 12\n"
                              "  failed: 9\n"
                              "  evidence:\n"
                              "    - request: \"delivery 17: product.updated\"\n"
                              "      event_id: \"018e197c-dfe2-70f8-9346-1a8e016f5fbb\"\n"
                              "      expected: \"2xx within 3 s\"\n"
                              "      came: \"401 Unauthorized after 2.1 ms\"\n"
                              "  fix: \"Verify the raw body.\"\n"
                              "  ...\n"
                              "ok 5 - sig/odd # SKIP inconclusive: the request was refused without the fault "
                              "too\n"
                              "ok 6 - sig/stale # SKIP not-applicable: aep has no timestamp\n");
    free(text);
}

static void test_tap_tells_what_differs(void **state)
{
    (void)state;
    struct sample s;
    struct judgement *j = sample_init(&s);
    make_state_speak(&s, dearer);
    char *text = render(j, report_tap);
    assert_has(text, "      came: \"/price 9\"\n"
                     "      about: \"product 3\"\n"
                     "      place: \"state-url 1: /products/[]\"\n"
                     "      path: \"/price\"\n"
                     "      also:\n"
                     "        - \"/name\"\n"
                     "        - \"/stock\"\n"
                     "      record_without: \"{\\\"price\\\":10,\\\"sku\\\":\\\"<product 3>\\\"}\"\n"
                     "      record_with: \"{\\\"price\\\":9,\\\"sku\\\":\\\"<product 3>\\\"}\"\n"
                     "      deliveries:\n"
                     "        - \"31 product.created\"\n"
                     "        - \"38 product.updated (a copy of an event that came before)\"\n"
                     "  fix: ");
    free(text);
}

static void test_tap_has_forecasts_as_comments(void **state)
{
    (void)state;
    struct sample s;
    struct judgement *j = sample_init(&s);
    add_forecasts(j);
    char *text = render(j, report_tap);
    assert_has(text, "\n# forecast, hours/outage: 24 h in 3.1 s\n#   1440 events: 1410 acknowledged, ");
    assert_has(text, "\n# forecast, hours/quota: 1 h 30 min in 900 ms\n#   1 acknowledged; 2 discarded");
    free(text);
}

static void test_tap_makes_a_failed_should_a_todo_unless_it_failed_the_run(void **state)
{
    (void)state;
    struct sample s;
    struct judgement *j = sample_init(&s);
    make_status_fail(&s);
    char *text = render(j, report_tap);
    assert_has(text, "not ok 2 - ack/status # TODO should: the ack was 204\n  ---\n");
    free(text);
    make_raw_bytes_pass(&s);
    text = render(j, report_tap);
    assert_has(text, "not ok 2 - ack/status\n  ---\n");
    free(text);
}

static void test_tap_bails_out_of_a_run_without_a_verdict(void **state)
{
    (void)state;
    struct sample s;
    struct judgement *j = sample_init(&s);
    j->interrupted = true;
    char *text = render(j, report_tap);
    assert_has(text, "\nBail out! the run ended early");
    free(text);
}

static void test_tap_lines_are_ours_alone(void **state)
{
    (void)state;
    struct sample s;
    struct judgement *j = sample_init(&s);
    make_hostile(&s);
    char *text = render(j, report_tap);
    assert_visible(text);
    unsigned tests = 0;
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
        tests += strncmp(line, "ok ", 3) == 0 || strncmp(line, "not ok ", 7) == 0;
    assert_int_equal(tests, FINDINGS);
    free(text);
}

/* ---- the rules --------------------------------------------------------------------------------------- */

static void test_rules_are_complete(void **state)
{
    (void)state;
#define CATEGORY(id, name, title, judged_by) name "/",
#define RULE(id, name, level, platforms, holds, clause, why, fix)
    static const char *const categories[] = {
#include "rules.def"
    };
#undef CATEGORY
#undef RULE
#define CATEGORY(...)
#define RULE(id, name, level, platforms, holds, clause, why, fix)                                            \
    {name, level, platforms, holds, clause, why, fix},
    static const struct rule rules[] = {
#include "rules.def"
    };
    for (size_t i = 0; i < COUNT_OF(rules); i++) {
        const struct rule *r = &rules[i];
        size_t known = 0;
        for (size_t c = 0; c < COUNT_OF(categories); c++)
            known += strncmp(r->id, categories[c], strlen(categories[c])) == 0;
        assert_int_equal(known, 1);
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(r->id, rules[k].id);
        assert_true(strlen(r->id) <= 18); /* the column of the verbose report */
        assert_true(r->platforms & PLATFORMS_ALL);
        assert_true(strlen(r->clause) > 0);
        assert_int_not_equal(r->holds[strlen(r->holds) - 1], '.');
        assert_int_equal(r->why[strlen(r->why) - 1], '.');
        assert_int_equal(r->fix[strlen(r->fix) - 1], '.');
    }
}

/* ---- files ------------------------------------------------------------------------------------------- */

static void test_write_writes_all_or_says_why_not(void **state)
{
    (void)state;
    struct buf text;
    struct err err = {0};
    buf_init(&text, 16);
    buf_puts(&text, "all of it\n");
    char path[] = "/tmp/test-report-XXXXXX", got[32] = {0};
    int fd = mkstemp(path);
    assert_int_equal(write(fd, "something longer that was there", 31), 31);
    assert_true(report_write(path, &text, &err));
    assert_int_equal(pread(fd, got, sizeof got, 0), 10);
    assert_string_equal(got, "all of it\n");
    close(fd);
    unlink(path);

    assert_false(report_write("/dev/full", &text, &err));
    assert_string_equal(err.text, "/dev/full: No space left on device");
    assert_int_equal(err.code, EXIT_ENVIRONMENT);
    assert_false(report_write("/nowhere/r.json", &text, &err));
    assert_string_equal(err.text, "/nowhere/r.json: No such file or directory");

    buf_puts(&text, "more than fits");
    assert_false(report_write("/dev/null", &text, &err));
    assert_has(err.text, "larger than 16 bytes");
    buf_reset(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_of_a_failed_run),
        cmocka_unit_test(test_text_of_a_passed_run_ends_without_a_command),
        cmocka_unit_test(test_text_tells_a_category_of_which_nothing_was_tried_in_a_word),
        cmocka_unit_test(test_text_names_what_is_owed_first),
        cmocka_unit_test(test_text_puts_must_before_should),
        cmocka_unit_test(test_text_quiet_is_the_verdict_alone),
        cmocka_unit_test(test_text_verbose_tells_every_rule_and_its_latency),
        cmocka_unit_test(test_text_says_when_the_run_ended_early_or_late),
        cmocka_unit_test(test_text_is_coloured_only_when_asked),
        cmocka_unit_test(test_text_tells_forecasts),
        cmocka_unit_test(test_text_tells_resumed_and_repeated_suspensions),
        cmocka_unit_test(test_text_wraps_at_spaces_with_a_hanging_indent),
        cmocka_unit_test(test_text_shows_hostile_strings_harmlessly),
        cmocka_unit_test(test_text_shows_what_differs_as_a_small_diff),
        cmocka_unit_test(test_text_leaves_out_the_record_that_is_not_there),
        cmocka_unit_test(test_text_cuts_long_records_around_what_differs),
        cmocka_unit_test(test_text_shows_the_member_that_the_path_names),
        cmocka_unit_test(test_json_tells_the_run),
        cmocka_unit_test(test_json_tells_every_finding),
        cmocka_unit_test(test_json_tells_what_differs),
        cmocka_unit_test(test_json_tells_forecasts),
        cmocka_unit_test(test_json_has_null_where_nothing_was_judged),
        cmocka_unit_test(test_json_carries_hostile_strings),
        cmocka_unit_test(test_junit_is_a_suite_a_category),
        cmocka_unit_test(test_junit_is_red_exactly_when_the_run_fails),
        cmocka_unit_test(test_junit_tells_what_differs),
        cmocka_unit_test(test_junit_has_forecasts_as_properties_of_flow),
        cmocka_unit_test(test_junit_shows_hostile_strings_harmlessly),
        cmocka_unit_test(test_tap_of_a_failed_run),
        cmocka_unit_test(test_tap_tells_what_differs),
        cmocka_unit_test(test_tap_has_forecasts_as_comments),
        cmocka_unit_test(test_tap_makes_a_failed_should_a_todo_unless_it_failed_the_run),
        cmocka_unit_test(test_tap_bails_out_of_a_run_without_a_verdict),
        cmocka_unit_test(test_tap_lines_are_ours_alone),
        cmocka_unit_test(test_rules_are_complete),
        cmocka_unit_test(test_write_writes_all_or_says_why_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
