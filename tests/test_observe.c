/* Looking at a connector's state until it stands still: real servers in the same loop, real commands. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base.h"
#include "clock.h"
#include "effects.h"
#include "httpd.h"
#include "idents.h"
#include "limits.h"
#include "loop.h"
#include "observe.h"
#include "talk.h"

#define SETTLE_US 30000
#define ROW_A     "{\"sku\":\"hammer-a1\",\"price\":10}"
#define ROW_A2    "{\"sku\":\"hammer-x1\",\"price\":10}"
#define ROW_B     "{\"sku\":\"hammer-b1\",\"price\":10}"
#define ROWS      "[" ROW_A "," ROW_A2 "," ROW_B "]"

static struct err err;

/* ---- a connector that shows a state -------------------------------------------------------- */

struct stage;
typedef void reply_fn(struct stage *stage, struct httpd_request *request, const char *target);

struct stage {
    struct loop *loop;
    struct httpd *httpd;
    struct observe *observe;
    struct idents *idents;
    struct observation seen;
    reply_fn *reply;
    char url[64], login[64];
    const char *urls[2];
    const char *commands[2];
    struct observe_options options;
    unsigned calls;
    uint64_t first_us; /* when the first came */
    char headers[256]; /* of the last request: some */
    struct buf body;
};

static void answer(struct httpd_request *request, unsigned status, const char *body)
{
    httpd_answer(request, status, NULL, 0, span_of(body));
}

static void on_request(void *arg, struct httpd_request *request)
{
    struct stage *s = arg;
    struct buf target;
    buf_init(&target, 1 << 16);
    httpd_put_target(request, &target);
    const char *const *names = (const char *const[]){"Accept", "X-Key", "Authorization"};
    s->calls++;
    s->headers[0] = '\0';
    for (size_t i = 0; i < 3; i++)
        snprintf(s->headers + strlen(s->headers), sizeof s->headers - strlen(s->headers), "%s;",
                 httpd_header(request, names[i]) ? httpd_header(request, names[i]) : "-");
    assert_string_equal(httpd_method(request), "GET");
    assert_int_equal(httpd_body(request).len, 0);
    s->reply(s, request, buf_text(&target));
    buf_reset(&target);
}

static void begin(struct stage *s, reply_fn *reply)
{
    memset(s, 0, sizeof *s);
    assert_true(loop_new(&s->loop, &err));
    struct httpd_options options = {.address = "127.0.0.1", .handler = on_request, .arg = s};
    assert_true(httpd_open(&s->httpd, s->loop, &options, &err));
    s->reply = reply;
    snprintf(s->url, sizeof s->url, "http://127.0.0.1:%u/state", httpd_port(s->httpd));
    snprintf(s->login, sizeof s->login, "http://me:secret@127.0.0.1:%u/state?page=1", httpd_port(s->httpd));
    s->urls[0] = s->url;
    s->options = (struct observe_options){.urls = s->urls,
                                          .url_count = reply != NULL,
                                          .commands = s->commands,
                                          .timeout_us = 5000000,
                                          .settle_us = SETTLE_US,
                                          .give_up_us = 10000000};
    s->idents = idents_new();
    idents_add_entity(s->idents, UNIVERSE_A, "product 1", FORM_ONLY, "hammer-a1");
    idents_add_entity(s->idents, UNIVERSE_A2, "product 1", FORM_ONLY, "hammer-x1");
    idents_add_entity(s->idents, UNIVERSE_B, "product 1", FORM_ONLY, "hammer-b1");
    buf_init(&s->body, STATE_BYTES_MAX);
}

static void look(struct stage *s)
{
    if (!s->observe && !observe_open(&s->observe, s->loop, &s->options, &err))
        fail_msg("%s", err.text);
    observation_reset(&s->seen);
    if (!observe_settle(s->observe, s->idents, OBSERVE_LAST, &s->seen, &err))
        fail_msg("%s", err.text);
}

static void finish(struct stage *s)
{
    observation_reset(&s->seen);
    observe_close(s->observe);
    httpd_close(s->httpd);
    loop_free(s->loop);
    idents_free(s->idents);
    buf_reset(&s->body);
}

static void assert_end(const struct stage *s, enum observed end, const char *why)
{
    if (s->seen.end != end || (why && !strstr(s->seen.why, why)))
        fail_msg("ended %d, \"%s\" instead of %d, \"%s\"", s->seen.end, s->seen.why, end, why ? why : "");
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* All records, one a line, sorted: "A state-url 1: /[] {…}". */
static void assert_records(const struct stage *s, const char *wanted)
{
    size_t count = s->seen.records.count;
    char **lines = mem_alloc(count * sizeof *lines);
    struct buf all;
    buf_init(&all, 1 << 20);
    for (size_t i = 0; i < count; i++) {
        const struct effect_record *r = &s->seen.records.items[i];
        struct buf line;
        buf_init(&line, 1 << 16);
        buf_printf(&line, "%s %s %s\n", universe_names[r->universe], r->place, r->text);
        lines[i] = buf_take(&line);
    }
    if (count)
        qsort(lines, count, sizeof *lines, by_text);
    for (size_t i = 0; i < count; i++) {
        buf_puts(&all, lines[i]);
        free(lines[i]);
    }
    free(lines);
    if (strcmp(buf_text(&all), wanted) != 0)
        fail_msg("\n%s instead of\n%s", buf_text(&all), wanted);
    buf_reset(&all);
}

/* The same row of the hammer, in the three universes. */
#define ALL_THREE(place, text) "A " place " " text "\nA' " place " " text "\nB " place " " text "\n"
#define HAMMERS                ALL_THREE("state-url 1: /[]", "{\"price\":10,\"sku\":\"<product 1>\"}")

/* ---- URLs ---------------------------------------------------------------------------------- */

static void reply_rows(struct stage *s, struct httpd_request *request, const char *target)
{
    (void)s, (void)target;
    answer(request, 200, ROWS);
}

static void test_observe_cuts_what_a_url_shows_into_records(void **state)
{
    (void)state;
    struct stage s;
    begin(&s, reply_rows);
    look(&s);
    assert_end(&s, OBSERVED_SETTLED, "");
    assert_records(&s, HAMMERS);
    assert_int_equal(s.seen.bytes, strlen(ROWS));
    assert_true(s.seen.looks >= 2 && s.seen.took_us >= SETTLE_US);
    finish(&s);
}

static void test_observe_sends_the_headers_and_the_password_of_the_url(void **state)
{
    (void)state;
    struct stage s;
    begin(&s, reply_rows);
    s.urls[0] = s.login;
    s.options.headers = (const char *const[]){"X-Key: 7"};
    s.options.header_count = 1;
    look(&s);
    assert_string_equal(s.headers, "application/json, */*;q=0.5;7;Basic bWU6c2VjcmV0;");
    finish(&s);

    begin(&s, reply_rows);
    s.options.headers = (const char *const[]){"accept: text/csv"};
    s.options.header_count = 1;
    look(&s);
    assert_string_equal(s.headers, "text/csv;-;-;");
    finish(&s);
}

/* Texts of other kinds, in one table: the body, and the records that are cut from it. */
static const char *shown;
static size_t shown_bytes;

static void reply_shown(struct stage *s, struct httpd_request *request, const char *target)
{
    (void)s, (void)target;
    httpd_answer(request, 200, NULL, 0, (struct span){shown, shown_bytes});
}

static void test_observe_takes_any_text_as_it_is(void **state)
{
    (void)state;
#define TEXT(text) text, sizeof text - 1
    static const struct {
        const char *body;
        size_t bytes;
        const char *records;
    } table[] = {
        {TEXT(""), ""},
        {TEXT(" \n"), ""},
        {TEXT("[]"), ""},
        {TEXT("<html><body>It works!</body></html>"), ""},
        {TEXT(ROW_A "\n" ROW_A2 "\n" ROW_B "\n"), HAMMERS},
        {TEXT("hammer-a1 10\r\nhammer-x1 10\r\nhammer-b1 10"),
         ALL_THREE("state-url 1: /[]", "<product 1> 10")},
        {TEXT("\xef\xbb\xbf" ROWS), HAMMERS},
        {TEXT("{\"n\":\"M\xfcller\",\"rows\":" ROWS "}"),
         ALL_THREE("state-url 1: /rows/[]", "{\"price\":10,\"sku\":\"<product 1>\"}")},
        {TEXT("{\"rows\":[{\"s\":\"hammer-a1\",\"n\":\"M\xc3\xbcller\xff\xe2\x82\"}]}"),
         "A state-url 1: /rows/[] {\"n\":\"Müller???\",\"s\":\"<product 1>\"}\n"},
        {TEXT("hammer-a1\0x\nhammer-x1\0x\n\0"),
         "A state-url 1: /[] <product 1>\nA' state-url 1: /[] <product 1>\n"},
        {TEXT("[" ROW_A ",\n" ROW_A2 "]\n[{\"id\":1},\n" ROW_B "]\n"), HAMMERS},
    };
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        struct stage s;
        begin(&s, reply_shown);
        shown = table[i].body;
        shown_bytes = table[i].bytes;
        look(&s);
        assert_end(&s, OBSERVED_SETTLED, "");
        assert_records(&s, table[i].records);
        finish(&s);
    }
}

/* ---- pages --------------------------------------------------------------------------------- */

/* Three pages; %s is how a page names the next one. The target decides which it is. */
static const char *link_header, *link_member;

static void reply_pages(struct stage *s, struct httpd_request *request, const char *target)
{
    static const char *const rows[] = {ROW_A, ROW_A2, ROW_B};
    size_t page = strstr(target, "page=") ? strtoul(strstr(target, "page=") + 5, NULL, 10) : 1;
    char next[100], header[400], body[400];
    assert_in_range(page, 1, 3);
    snprintf(next, sizeof next, "page=%zu", page + 1);
    snprintf(header, sizeof header, link_header, next, next);
    buf_clear(&s->body);
    if (page < 3)
        snprintf(body, sizeof body, link_member, next);
    buf_printf(&s->body, "{%s\"rows\":[%s]}", page < 3 ? body : "", rows[page - 1]);
    const char *const headers[] = {header};
    httpd_answer(request, 200, headers, page < 3 && *link_header, buf_span(&s->body));
}

static void test_observe_follows_the_next_link_wherever_it_stands(void **state)
{
    (void)state;
    static const struct {
        const char *header, *member;
    } table[] = {
        {"Link: </state?%s>; rel=\"next\"", ""},
        {"Link: </state?page=1>; rel=\"prev\", </state?%s>; title=\"a, b; c\"; rel=\"last next\"", ""},
        {"link: <?%s>;rel=next", ""},
        {"", "\"next\":\"?%s\","},
        {"", "\"next\":\"/state?%s\","},
        {"", "\"next\":\"state?%s\","},
        {"", "\"next\":null,\"links\":{\"self\":\"/x\",\"next\":\"/state?%s\"},"},
        {"", "\"_links\":{\"self\":{\"href\":\"/x\"},\"next\":{\"href\":\"/state?%s\"}},"},
        {"", "\"next\":\"17\",\"meta\":{\"next\":\"/state?%s\"},"},
        {"", "\"pagination\":{\"next\":\"\\/state?%s\"},"},
        {"", "\"next_page_url\":\"/state?%s\","},
        {"", "\"@odata.nextLink\":\"/state?%s\","},
    };
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        struct stage s;
        begin(&s, reply_pages);
        link_header = table[i].header;
        link_member = table[i].member;
        look(&s);
        assert_end(&s, OBSERVED_SETTLED, "");
        assert_records(&s, ALL_THREE("state-url 1: /rows/[]", "{\"price\":10,\"sku\":\"<product 1>\"}"));
        assert_int_equal(s.calls, s.seen.looks * 3);
        finish(&s);
    }
}

/* Page by page: what there is of everybody's history tells what a history is. */
static const char *const *page_rows;

static void reply_rows_by_page(struct stage *s, struct httpd_request *request, const char *target)
{
    size_t page = strstr(target, "page=") ? strtoul(strstr(target, "page=") + 5, NULL, 10) : 0;
    buf_clear(&s->body);
    buf_printf(&s->body, "{\"rows\":[%s]", page_rows[page]);
    if (page_rows[page + 1])
        buf_printf(&s->body, ",\"next\":\"?page=%zu\"", page + 1);
    buf_puts(&s->body, "}");
    httpd_answer(request, 200, NULL, 0, buf_span(&s->body));
}

static void test_observe_reads_pages_as_one_state(void **state)
{
    (void)state;
#define ROW(sku, event) "{\"sku\":\"hammer-" sku "\",\"event\":\"event-id-" event "\"}"
    static const struct {
        const char *rows[8];
        bool history;
    } table[] = {
        {{ROW("a1", "1"), ROW("x1", "2"), ROW("b1", "3")}, false}, /* the last event of each */
        {{ROW("a1", "1"), ROW("x1", "2"), ROW("b1", "3"), ROW("a1", "4"), ROW("x1", "5"), ROW("b1", "6")},
         true},
    };
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        struct stage s;
        begin(&s, reply_rows_by_page);
        page_rows = table[i].rows;
        for (unsigned n = 1; n <= 6; n++) {
            char id[] = {'e', 'v', 'e', 'n', 't', '-', 'i', 'd', '-', (char)('0' + n), '\0'};
            idents_add_event(s.idents, (enum universe)((n - 1) % 3), id);
        }
        look(&s);
        assert_end(&s, OBSERVED_SETTLED, "");
        assert_int_equal(s.seen.records.count, i == 0 ? 3 : 6);
        for (size_t j = 0; j < s.seen.records.count; j++)
            assert_int_equal(s.seen.records.items[j].history, table[i].history);
        finish(&s);
    }
}

static void reply_absolute(struct stage *s, struct httpd_request *request, const char *target)
{
    (void)target;
    buf_clear(&s->body);
    buf_printf(&s->body, "{\"next\":\"http://LOCALHOST%s?page=2\",\"rows\":" ROWS "}",
               strchr(s->url + 7, ':'));
    httpd_answer(request, 200, NULL, 0, buf_span(&s->body));
}

static void test_observe_follows_absolute_links_on_this_machine(void **state)
{
    (void)state;
    struct stage s;
    begin(&s, reply_absolute);
    s.urls[0] = s.login;
    look(&s);
    assert_end(&s, OBSERVED_FAILED,
               "state-url 1: its pages lead in a circle: page 2 names page 2 as the next");
    assert_string_equal(s.headers, "application/json, */*;q=0.5;-;Basic bWU6c2VjcmV0;");
    finish(&s);
}

static void reply_fixed(struct stage *s, struct httpd_request *request, const char *target)
{
    (void)s;
    answer(request, 200, strstr(target, "page=2") ? "{\"next\":\"/state\"}" : shown);
}

static void test_observe_does_not_follow_links_that_lead_nowhere(void **state)
{
    (void)state;
    static const struct {
        const char *body, *why;
    } table[] = {
        {"{\"next\":\"/state?page=2\"}", "its pages lead in a circle: page 2 names page 1 as the next"},
        {"{\"next\":\"/state\"}", "its pages lead in a circle: page 1 names page 1 as the next"},
        {"{\"next\":\"http://example.com/state?page=2\"}",
         "the next page after page 1 cannot be read: \"http://example.com/state?page=2\" is on another "
         "server"},
        {"{\"next\":\"http://127.0.0.1:1/state?page=2\"}", "is on another server"},
        {"{\"next\":\"ftp://127.0.0.1/state?page=2\"}", "is on another server"},
    };
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        struct stage s;
        begin(&s, reply_fixed);
        shown = table[i].body;
        look(&s);
        assert_end(&s, OBSERVED_FAILED, table[i].why);
        assert_int_equal(s.seen.looks, 1);
        finish(&s);
    }
}

static void reply_endless(struct stage *s, struct httpd_request *request, const char *target)
{
    (void)target;
    buf_clear(&s->body);
    buf_printf(&s->body, "{\"next\":\"?page=%u\"}", s->calls);
    httpd_answer(request, 200, NULL, 0, buf_span(&s->body));
}

static void test_observe_gives_up_on_pages_without_end(void **state)
{
    (void)state;
    struct stage s;
    begin(&s, reply_endless);
    look(&s);
    assert_end(&s, OBSERVED_FAILED, "state-url 1: it has more than 10000 pages");
    assert_int_equal(s.calls, STATE_PAGES_MAX);
    finish(&s);
}

/* ---- failures ------------------------------------------------------------------------------ */

static void reply_after_two_failures(struct stage *s, struct httpd_request *request, const char *target)
{
    (void)target;
    answer(request, s->calls <= 2 ? 503 : 200, s->calls <= 2 ? "starting" : ROWS);
}

static void test_observe_looks_again_after_a_passing_failure(void **state)
{
    (void)state;
    struct stage s;
    begin(&s, reply_after_two_failures);
    look(&s);
    assert_end(&s, OBSERVED_SETTLED, "");
    assert_records(&s, HAMMERS);
    finish(&s);
}

static void reply_500(struct stage *s, struct httpd_request *request, const char *target)
{
    (void)s, (void)target;
    answer(request, 500, "no such table: products\nat …");
}

static void reply_302(struct stage *s, struct httpd_request *request, const char *target)
{
    (void)s, (void)target;
    httpd_answer(request, 302, (const char *const[]){"Location: /login"}, 1, span_of(""));
}

static void reply_404(struct stage *s, struct httpd_request *request, const char *target)
{
    (void)s, (void)target;
    answer(request, 404, "<html>not here</html>");
}

static void reply_late(struct stage *s, struct httpd_request *request, const char *target)
{
    (void)s, (void)target;
    httpd_answer_later(request, 1000000, 200, span_of(ROWS));
}

static void test_observe_names_what_failed(void **state)
{
    (void)state;
    static const struct {
        reply_fn *reply;
        const char *why;
    } table[] = {
        {reply_500, "state-url 1: it answered 500: no such table: products"},
        {reply_302, "state-url 1: it answered 302 and points to http://127.0.0.1:"},
        {reply_404, "state-url 1: it answered 404"},
        {reply_late, "state-url 1: it did not answer within 0.1 s"},
    };
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        struct stage s;
        begin(&s, table[i].reply);
        if (table[i].reply == reply_late)
            s.options.timeout_us = 100000;
        look(&s);
        assert_end(&s, OBSERVED_FAILED, table[i].why);
        assert_int_equal(s.seen.records.count, 0);
        finish(&s);
    }
}

static void test_observe_names_who_is_not_there(void **state)
{
    (void)state;
    struct stage s;
    begin(&s, reply_rows); /* and close: a port that was free a moment ago */
    httpd_close(s.httpd);
    s.httpd = NULL;
    look(&s);
    assert_end(&s, OBSERVED_FAILED, "state-url 1: the connection was refused");
    assert_in_range(s.seen.looks, 3, 6);
    finish(&s);
}

static void test_observe_open_finds_what_is_wrong_with_the_options(void **state)
{
    (void)state;
    static const struct {
        const char *url, *header, *why;
    } table[] = {
        {"ftp://127.0.0.1/", "A: b", "--state-url: ftp://127.0.0.1/: neither http nor https"},
        {"http://example.com/", "A: b", "--state-url: http://example.com/: example.com is not a loopback"},
        {"http://127.0.0.1/", "A b", "--state-header: \"A b\" is not \"Name: value\""},
        {"http://127.0.0.1/", "A: b\r\nC: d", "is not \"Name: value\""},
        {"http://127.0.0.1/", ": d", "is not \"Name: value\""},
    };
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        struct stage s;
        begin(&s, reply_rows);
        s.urls[0] = table[i].url;
        s.options.headers = &table[i].header;
        s.options.header_count = 1;
        assert_false(observe_open(&s.observe, s.loop, &s.options, &err));
        assert_null(s.observe);
        assert_non_null(strstr(err.text, table[i].why));
        finish(&s);
    }
}

/* ---- standing still ------------------------------------------------------------------------ */

/* The price changes with every call, up to a number of calls. */
static unsigned changes_max;

static void reply_changing(struct stage *s, struct httpd_request *request, const char *target)
{
    (void)target;
    buf_clear(&s->body);
    buf_printf(&s->body, "{\"calls\":%u,\"rows\":[{\"sku\":\"hammer-a1\",\"price\":%u}]}", s->calls,
               s->calls < changes_max ? s->calls : changes_max);
    httpd_answer(request, 200, NULL, 0, buf_span(&s->body));
}

static void test_observe_waits_until_records_stand_still(void **state)
{
    (void)state;
    struct stage s;
    begin(&s, reply_changing);
    changes_max = 5;
    look(&s); /* "calls" changes for ever, but is no record */
    assert_end(&s, OBSERVED_SETTLED, "");
    assert_records(&s, "A state-url 1: /rows/[] {\"price\":5,\"sku\":\"<product 1>\"}\n");
    assert_true(s.seen.looks >= 6);
    finish(&s);
}

static void test_observe_says_what_kept_changing(void **state)
{
    (void)state;
    struct stage s;
    begin(&s, reply_changing);
    changes_max = UINT32_MAX;
    s.options.give_up_us = 100000;
    look(&s);
    assert_end(&s, OBSERVED_UNSETTLED, "state-url 1: /rows/[] of product 1 kept changing: /price was ");
    unsigned before, after;
    assert_int_equal(sscanf(strstr(s.seen.why, "was "), "was %u, then %u", &before, &after), 2);
    assert_int_equal(after, before + 1);
    assert_int_equal(s.seen.records.count, 1);
    finish(&s);
}

/* Each answer has a tag of its own; the price comes with the third. */
static void reply_tagged(struct stage *s, struct httpd_request *request, const char *target)
{
    (void)target;
    buf_clear(&s->body);
    buf_printf(&s->body, "[{\"sku\":\"hammer-a1\",\"tag\":\"a%u\",\"price\":%d}]", s->calls,
               s->calls < 3 ? 1 : 2);
    httpd_answer(request, 200, NULL, 0, buf_span(&s->body));
}

static void test_observe_does_not_wait_for_what_never_stands_still(void **state)
{
    (void)state;
    struct stage s;
    begin(&s, reply_tagged);
    look(&s);
    assert_end(&s, OBSERVED_SETTLED, "");
    assert_records(&s, "A state-url 1: /[] {\"price\":2,\"sku\":\"<product 1>\",\"tag\":\"<volatile>\"}\n");
    look(&s); /* known by now */
    assert_end(&s, OBSERVED_SETTLED, "");
    assert_in_range(s.seen.looks, 2, 4);
    finish(&s);
}

/* A queue of two, in which there is always one. */
static void reply_queue(struct stage *s, struct httpd_request *request, const char *target)
{
    (void)target;
    answer(request, 200, s->calls % 2 ? "[" ROW_A "]" : "[" ROW_A2 "]");
}

static void test_observe_waits_for_records_that_come_and_go(void **state)
{
    (void)state;
    struct stage s;
    begin(&s, reply_queue);
    s.options.give_up_us = 2000000;
    look(&s);
    assert_end(&s, OBSERVED_UNSETTLED, "state-url 1: /[] of product 1 kept changing");
    finish(&s);
}

static void reply_shuffled(struct stage *s, struct httpd_request *request, const char *target)
{
    (void)target;
    answer(request, 200, s->calls % 2 ? ROWS : "[" ROW_B "," ROW_A "," ROW_A2 "]");
}

static void test_observe_does_not_mind_the_order_of_rows(void **state)
{
    (void)state;
    struct stage s;
    begin(&s, reply_shuffled);
    look(&s);
    assert_end(&s, OBSERVED_SETTLED, "");
    finish(&s);
}

/* With the defaults: a second for a state that looks right, longer for one that does not. */
static void test_observe_waits_longer_while_the_state_looks_wrong(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        uint64_t from_us, to_us;
    } table[] = {
        {ROWS, 1000000, 2400000},
        {"[" ROW_A "," ROW_A2 ",{\"sku\":\"hammer-b1\",\"price\":9}]", 2500000, 4000000},
    };
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        struct stage s;
        begin(&s, reply_shown);
        shown = table[i].body;
        shown_bytes = strlen(shown);
        s.options.settle_us = s.options.give_up_us = 0;
        look(&s);
        assert_end(&s, OBSERVED_SETTLED, "");
        assert_in_range(s.seen.took_us, table[i].from_us, table[i].to_us);
        finish(&s);
    }
}

/* The price comes 0.6 s after the first look. */
static void reply_lagging(struct stage *s, struct httpd_request *request, const char *target)
{
    (void)target;
    uint64_t now_us = clock_mono_us();
    s->first_us = s->first_us ? s->first_us : now_us;
    answer(request, 200, now_us - s->first_us < 600000 ? "[" ROW_A "," ROW_A2 "]" : ROWS);
}

static void test_observe_learns_how_long_the_connector_takes(void **state)
{
    (void)state;
    struct stage s;
    begin(&s, reply_lagging);
    s.options.settle_us = s.options.give_up_us = 0;
    look(&s);
    assert_end(&s, OBSERVED_SETTLED, "");
    assert_records(&s, HAMMERS);
    assert_in_range(s.seen.took_us, 600000 + 1200000, 3000000);
    look(&s); /* nothing changes, and it is waited for all the same */
    assert_in_range(s.seen.took_us, 1200000, 2300000);
    finish(&s);
}

static void test_observe_ends_when_it_is_interrupted(void **state)
{
    (void)state;
    struct stage s;
    begin(&s, reply_late);
    s.commands[0] = "sleep 1000";
    s.options.command_count = 1;
    assert_true(loop_catch_signals(s.loop, &err));
    raise(SIGINT);
    for (unsigned i = 0; i < 2; i++) { /* in the middle of a look, and before one */
        look(&s);
        assert_end(&s, OBSERVED_INTERRUPTED, NULL);
        assert_true(s.seen.took_us < 900000);
    }
    finish(&s);
}

static void test_observe_looks_at_several_sources(void **state)
{
    (void)state;
    struct stage s;
    begin(&s, reply_rows);
    s.urls[1] = s.url;
    s.options.url_count = 2;
    look(&s);
    assert_records(&s, "A state-url 1: /[] {\"price\":10,\"sku\":\"<product 1>\"}\n"
                       "A state-url 2: /[] {\"price\":10,\"sku\":\"<product 1>\"}\n"
                       "A' state-url 1: /[] {\"price\":10,\"sku\":\"<product 1>\"}\n"
                       "A' state-url 2: /[] {\"price\":10,\"sku\":\"<product 1>\"}\n"
                       "B state-url 1: /[] {\"price\":10,\"sku\":\"<product 1>\"}\n"
                       "B state-url 2: /[] {\"price\":10,\"sku\":\"<product 1>\"}\n");
    finish(&s);
}

/* ---- commands ------------------------------------------------------------------------------ */

static void begin_command(struct stage *s, const char *command)
{
    begin(s, NULL);
    s->commands[0] = command;
    s->options.command_count = 1;
}

static void test_observe_takes_what_a_command_prints(void **state)
{
    (void)state;
    struct stage s;
    begin_command(&s, "echo oops >&2; printf '%s\\n' '" ROWS "'");
    look(&s);
    assert_end(&s, OBSERVED_SETTLED, "");
    assert_records(&s, ALL_THREE("state-cmd 1: /[]", "{\"price\":10,\"sku\":\"<product 1>\"}"));
    finish(&s);
}

static void test_observe_names_the_command_that_failed_and_how(void **state)
{
    (void)state;
    static const struct {
        const char *command, *why;
    } table[] = {
        {"echo one; echo first >&2; echo 'no such table: products' >&2; echo >&2; exit 3",
         "state-cmd 1: it ended with status 3: no such table: products"},
        {"/nowhere/at/all", "state-cmd 1: it ended with status 127: "},
        {"kill -SEGV $$", "state-cmd 1: it was killed by signal 11 (Segmentation fault)"},
        {"exec 2>&-; exit 1", "state-cmd 1: it ended with status 1"},
        {"sleep 1000", "state-cmd 1: it did not end within 0.2 s and was killed"},
        {"sleep 1000 & yes >&2", "state-cmd 1: it did not end within 0.2 s and was killed"},
    };
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        struct stage s;
        begin_command(&s, table[i].command);
        if (strstr(table[i].why, "0.2 s"))
            s.options.timeout_us = 200000;
        look(&s);
        assert_end(&s, OBSERVED_FAILED, table[i].why);
        assert_in_range(s.seen.looks, 1, 4);
        finish(&s);
    }
}

static void test_observe_kills_a_command_that_floods(void **state)
{
    (void)state;
    struct stage s;
    begin_command(&s, "yes 'hammer-a1 and no end of it'");
    s.options.timeout_us = 60000000;
    look(&s);
    assert_end(&s, OBSERVED_FAILED, "state-cmd 1: it printed more than 256 MiB and was killed");
    assert_int_equal(s.seen.looks, 1);
    finish(&s);
}

static void test_observe_takes_a_command_again_that_failed_once(void **state)
{
    (void)state;
    struct stage s;
    char file[] = "/tmp/observe-XXXXXX", command[200];
    int fd = mkstemp(file);
    assert_true(fd >= 0);
    close(fd);
    snprintf(command, sizeof command, "test -e %s && rm %s && exit 1; printf '%%s' '%s'", file, file, ROWS);
    begin_command(&s, command);
    look(&s);
    assert_end(&s, OBSERVED_SETTLED, "");
    assert_int_equal(s.seen.records.count, 3);
    finish(&s);
}

static void test_observe_open_wants_a_command(void **state)
{
    (void)state;
    struct stage s;
    begin_command(&s, " ");
    assert_false(observe_open(&s.observe, s.loop, &s.options, &err));
    assert_string_equal(err.text, "--state-cmd: there is no command");
    finish(&s);
}

/* ---- the sink ------------------------------------------------------------------------------ */

static void begin_sink(struct stage *s, struct talk *talk)
{
    begin(s, NULL);
    s->options.sink = true;
    if (!observe_open(&s->observe, s->loop, &s->options, &err))
        fail_msg("%s", err.text);
    assert_int_not_equal(observe_sink_port(s->observe), 0);
    talk_open(talk, s->loop, observe_sink_port(s->observe));
}

/* "METHOD PATH BODY" */
static unsigned call(struct talk *talk, const char *text, const char *headers)
{
    char method[16], path[200];
    int at = 0;
    assert_true(sscanf(text, "%15s %199s%n", method, path, &at) == 2);
    const char *body = text[at] ? text + at + 1 : "";
    struct buf bytes;
    buf_init(&bytes, 1 << 20);
    buf_printf(&bytes, "%s %s HTTP/1.1\r\nHost: localhost\r\n%sContent-Length: %zu\r\n\r\n%s", method, path,
               headers, strlen(body), body);
    talk_send(talk, buf_span(&bytes));
    buf_reset(&bytes);
    return talk->status;
}

#define A1      "hammer-a1"
#define SET     "sink: PUT /products/<product 1> "
#define ELEMENT "sink: PUT /products/[] "

static void test_observe_tells_what_the_shop_holds_after_the_calls(void **state)
{
    (void)state;
    static const struct {
        const char *calls[6], *records;
    } table[] = {
        /* what is set */
        {{"PUT /products/" A1 " {\"p\":1}"}, "A " SET "{\"p\":1}\n"},
        {{"PUT /products/" A1 " {\"p\":1}", "PUT /products/" A1 " {\"p\":1}"}, "A " SET "{\"p\":1}\n"},
        {{"PUT /products/" A1 " {\"p\":1}", "PUT /products/" A1 " {\"q\":2}"}, "A " SET "{\"q\":2}\n"},
        {{"PATCH /products/" A1 " {\"p\":1,\"v\":{\"a\":1}}",
          "PATCH /products/" A1 " {\"q\":2,\"v\":{\"b\":null}}"},
         "A " SET "{\"p\":1,\"q\":2,\"v\":{\"a\":1,\"b\":null}}\n"},
        {{"PATCH /products/" A1 " {\"p\":1}", "PATCH /products/" A1 " {}"}, "A " SET "{\"p\":1}\n"},
        {{"PATCH /products/" A1 " [1]", "PATCH /products/" A1 " {\"p\":2}"}, "A " SET "{\"p\":2}\n"},
        {{"PUT /products?sku=" A1 " {}"}, "A sink: PUT /products?sku=<product 1> {}\n"},
        {{"PUT /products/HAMMER%2Da1 {}"}, "A " SET "{}\n"},
        {{"PUT /products/" A1}, "A " SET "null\n"},
        {{"PUT /products/" A1 " sku=" A1 "&p=1"}, "A " SET "sku=<product 1>&p=1\n"},
        {{"PUT /shops/17/" A1 " 1", "PUT /shops/18/hammer-x1 1"},
         "A sink: PUT /shops/*/<product 1> 1\nA' sink: PUT /shops/*/<product 1> 1\n"},
        /* lists */
        {{"PATCH /products [" ROW_A "," ROW_B "]", "PATCH /products [" ROW_A "]"},
         "A " ELEMENT "{\"price\":10,\"sku\":\"<product 1>\"}\nB " ELEMENT
         "{\"price\":10,\"sku\":\"<product 1>\"}\n"},
        {{"PUT /products {\"rows\":[" ROW_A "],\"n\":1}"},
         "A " ELEMENT "{\"price\":10,\"sku\":\"<product 1>\"}\n"},
        {{"PATCH /products " ROW_A "\n" ROW_B "\n"},
         "A " ELEMENT "{\"price\":10,\"sku\":\"<product 1>\"}\nB " ELEMENT
         "{\"price\":10,\"sku\":\"<product 1>\"}\n"},
        {{"PUT /products/17 " ROW_A, "PUT /products/18 " ROW_A2},
         "A sink: PUT /products/*/[] {\"price\":10,\"sku\":\"<product 1>\"}\n"
         "A' sink: PUT /products/*/[] {\"price\":10,\"sku\":\"<product 1>\"}\n"},
        {{"PUT /products {\"id\":\"" A1 "\",\"rows\":[{\"id\":\"" A1 "\"}]}"},
         "A " ELEMENT "{\"id\":\"<product 1>\",\"rows\":[{\"id\":\"<product 1>\"}]}\n"},
        /* what is added */
        {{"POST /orders " ROW_A}, "A sink: POST /orders/[] {\"price\":10,\"sku\":\"<product 1>\"}\n"},
        {{"POST /orders " ROW_A, "POST /orders " ROW_A},
         "A sink: POST /orders/[] {\"price\":10,\"sku\":\"<product 1>\"}\n"
         "A sink: POST /orders/[] {\"price\":10,\"sku\":\"<product 1>\"}\n"},
        {{"PURGE /cache/" A1}, "A sink: PURGE /cache/<product 1> [null]\n"},
        {{"POST /graphql {\"query\":\"query { product(sku: \\\"" A1 "\\\") { id } }\"}",
          "POST /graphql {\"query\":\"mutation { set(sku: \\\"" A1 "\\\") }\"}"},
         "A sink: POST /graphql/[] {\"query\":\"mutation { set(sku: \\\"<product 1>\\\") }\"}\n"},
        /* what is removed */
        {{"PUT /products/" A1 " 1", "PUT /products/" A1 "/prices 1", "DELETE /products/" A1}, ""},
        {{"PUT /products/" A1 " 1", "DELETE /products/" A1, "PATCH /products/" A1 " {\"p\":2}"},
         "A " SET "{\"p\":2}\n"},
        {{"POST /products " ROW_A, "PATCH /products [" ROW_A "," ROW_B "]", "DELETE /products/" A1},
         "B " ELEMENT "{\"price\":10,\"sku\":\"<product 1>\"}\n"},
        {{"PATCH /products [" ROW_A "," ROW_B "]", "DELETE /products {\"ids\":[\"hammer-b1\"]}"},
         "A " ELEMENT "{\"price\":10,\"sku\":\"<product 1>\"}\n"},
        {{"PUT /products/17 " ROW_A, "PUT /products/1 " ROW_B, "DELETE /products/1"},
         "A sink: PUT /products/*/[] {\"price\":10,\"sku\":\"<product 1>\"}\n"},
        {{"PUT /products/" A1 " 1", "DELETE /products/hammer-b1", "DELETE /stock/" A1}, "A " SET "1\n"},
        /* what leaves no trace */
        {{"GET /products/" A1, "HEAD /products/" A1, "DELETE /products/" A1, "OPTIONS /" A1}, ""},
        {{"PUT /health {\"ok\":true}", "POST /log started"}, ""},
    };
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        struct stage s;
        struct talk talk;
        begin_sink(&s, &talk);
        for (size_t j = 0; j < COUNT_OF(table[i].calls) && table[i].calls[j]; j++)
            assert_int_equal(call(&talk, table[i].calls[j], ""), 200);
        look(&s);
        assert_end(&s, OBSERVED_SETTLED, "");
        assert_records(&s, table[i].records);
        talk_close(&talk);
        finish(&s);
    }
}

static void test_observe_counts_a_call_with_an_idempotency_key_once(void **state)
{
    (void)state;
    struct stage s;
    struct talk talk;
    begin_sink(&s, &talk);
    call(&talk, "POST /orders " ROW_A, "Idempotency-Key: 1\r\n");
    call(&talk, "POST /orders " ROW_A, "Idempotency-Key: 1\r\n");
    call(&talk, "POST /orders " ROW_B, "Idempotency-Key: 2\r\n");
    call(&talk, "POST /sales " ROW_A, "Idempotency-Key: 1\r\n");
    look(&s);
    assert_int_equal(s.seen.records.count, 3);
    talk_close(&talk);
    finish(&s);
}

static void test_observe_sink_answers_as_it_was_told(void **state)
{
    (void)state;
    struct stage s;
    struct talk talk;
    begin(&s, NULL);
    s.options.sink = true;
    s.options.sink_answers = (const char *const[]){"POST /products 201 {\"id\": 7}", "/products/* 204",
                                                   "PUT /down* 503 not now", "* 404"};
    s.options.sink_answer_count = 4;
    assert_true(observe_open(&s.observe, s.loop, &s.options, &err));
    talk_open(&talk, s.loop, observe_sink_port(s.observe));
    static const struct {
        const char *call;
        unsigned status;
        const char *body;
    } table[] = {
        {"POST /products " ROW_A, 201, "{\"id\": 7}"}, {"PUT /products " ROW_A, 404, ""},
        {"PUT /products/" A1 " 1", 204, ""},           {"GET /products/x", 204, ""},
        {"PUT /down/" A1 " 1", 503, "not now"},        {"GET /else", 404, ""},
    };
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        assert_int_equal(call(&talk, table[i].call, ""), table[i].status);
        assert_true(span_equals((struct span){talk.body, talk.body_bytes}, table[i].body));
    }
    look(&s); /* what was refused had no effect */
    assert_records(&s, "A sink: POST /products/[] {\"price\":10,\"sku\":\"<product 1>\"}\nA " SET "1\n");
    talk_close(&talk);
    finish(&s);
}

static void test_observe_sink_sets_by_post_where_it_is_told_so(void **state)
{
    (void)state;
    struct stage s;
    struct talk talk;
    begin(&s, NULL);
    s.options.sink = true;
    s.options.sink_sets = (const char *const[]){"POST /products/b*"};
    s.options.sink_sets_count = 1;
    assert_true(observe_open(&s.observe, s.loop, &s.options, &err));
    talk_open(&talk, s.loop, observe_sink_port(s.observe));
    for (int i = 0; i < 2; i++) {
        call(&talk, "POST /products/batch [" ROW_A "]", "");
        call(&talk, "POST /products " ROW_A, "");
    }
    look(&s);
    assert_records(&s, "A sink: POST /products/[] {\"price\":10,\"sku\":\"<product 1>\"}\n"
                       "A sink: POST /products/[] {\"price\":10,\"sku\":\"<product 1>\"}\n"
                       "A sink: PUT /products/batch/[] {\"price\":10,\"sku\":\"<product 1>\"}\n");
    talk_close(&talk);
    finish(&s);
}

static void test_observe_open_refuses_calls_that_set_without_a_path(void **state)
{
    (void)state;
    static const char *const table[] = {"", "POST", "POST /x y"};
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        struct stage s;
        begin(&s, NULL);
        s.options.sink = true;
        s.options.sink_sets = &table[i];
        s.options.sink_sets_count = 1;
        assert_false(observe_open(&s.observe, s.loop, &s.options, &err));
        assert_non_null(strstr(err.text, "is not [METHOD ]PATH"));
        finish(&s);
    }
}

static void test_observe_open_finds_what_is_wrong_with_the_sink(void **state)
{
    (void)state;
    static const char *const table[] = {"",       "GET",       "/x",        "/x 99",
                                        "/x 700", "GET /x 20", "GET /x ok", "GET 200 {}"};
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        struct stage s;
        begin(&s, NULL);
        s.options.sink = true;
        s.options.sink_answers = &table[i];
        s.options.sink_answer_count = 1;
        assert_false(observe_open(&s.observe, s.loop, &s.options, &err));
        assert_non_null(strstr(err.text, "is not [METHOD ]PATH STATUS [BODY]"));
        assert_int_equal(err.code, EXIT_USAGE);
        finish(&s);
    }
    struct stage s;
    begin(&s, NULL);
    s.options.sink = true;
    s.options.sink_port = httpd_port(s.httpd);
    assert_false(observe_open(&s.observe, s.loop, &s.options, &err));
    assert_non_null(strstr(err.text, "--sink: cannot listen on 127.0.0.1 port"));
    assert_int_equal(err.code, EXIT_ENVIRONMENT);
    finish(&s);
}

static void test_observe_forgets_calls_after_the_last_look_of_a_scenario(void **state)
{
    (void)state;
    struct stage s;
    struct talk talk;
    begin_sink(&s, &talk);
    call(&talk, "PUT /products/" A1 " 1", "");
    assert_true(observe_settle(s.observe, s.idents, OBSERVE_BEFORE_B, &s.seen, &err));
    assert_int_equal(s.seen.records.count, 1);
    look(&s);
    assert_int_equal(s.seen.records.count, 1);
    look(&s);
    assert_int_equal(s.seen.records.count, 0);
    call(&talk, "PUT /products/" A1 " 1", "");
    look(&s);
    assert_int_equal(s.seen.records.count, 1);
    talk_close(&talk);
    finish(&s);
}

/* Fifty thousand rows of others, and ours among them. */
static void reply_large(struct stage *s, struct httpd_request *request, const char *target)
{
    (void)target;
    if (s->body.len == 0) {
        buf_puts(&s->body, "{\"rows\":[");
        for (unsigned i = 0; i < 50000; i++)
            buf_printf(&s->body, "{\"id\":%u,\"sku\":\"other-%u\",\"name\":\"%0400u\"},\n", i, i, i);
        buf_puts(&s->body, ROW_A "," ROW_A2 "," ROW_B "]}");
    }
    httpd_answer(request, 200, NULL, 0, buf_span(&s->body));
}

static void test_observe_takes_a_large_state(void **state)
{
    (void)state;
    struct stage s;
    begin(&s, reply_large);
    s.options.timeout_us = 30000000;
    s.options.give_up_us = 60000000;
    look(&s);
    assert_end(&s, OBSERVED_SETTLED, "");
    assert_true(s.seen.bytes > 20 << 20);
    assert_records(&s, ALL_THREE("state-url 1: /rows/[]", "{\"price\":10,\"sku\":\"<product 1>\"}"));
    finish(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_observe_cuts_what_a_url_shows_into_records),
        cmocka_unit_test(test_observe_sends_the_headers_and_the_password_of_the_url),
        cmocka_unit_test(test_observe_takes_any_text_as_it_is),
        cmocka_unit_test(test_observe_follows_the_next_link_wherever_it_stands),
        cmocka_unit_test(test_observe_reads_pages_as_one_state),
        cmocka_unit_test(test_observe_follows_absolute_links_on_this_machine),
        cmocka_unit_test(test_observe_does_not_follow_links_that_lead_nowhere),
        cmocka_unit_test(test_observe_gives_up_on_pages_without_end),
        cmocka_unit_test(test_observe_looks_again_after_a_passing_failure),
        cmocka_unit_test(test_observe_names_what_failed),
        cmocka_unit_test(test_observe_names_who_is_not_there),
        cmocka_unit_test(test_observe_open_finds_what_is_wrong_with_the_options),
        cmocka_unit_test(test_observe_waits_until_records_stand_still),
        cmocka_unit_test(test_observe_says_what_kept_changing),
        cmocka_unit_test(test_observe_does_not_wait_for_what_never_stands_still),
        cmocka_unit_test(test_observe_waits_for_records_that_come_and_go),
        cmocka_unit_test(test_observe_does_not_mind_the_order_of_rows),
        cmocka_unit_test(test_observe_waits_longer_while_the_state_looks_wrong),
        cmocka_unit_test(test_observe_learns_how_long_the_connector_takes),
        cmocka_unit_test(test_observe_ends_when_it_is_interrupted),
        cmocka_unit_test(test_observe_looks_at_several_sources),
        cmocka_unit_test(test_observe_takes_what_a_command_prints),
        cmocka_unit_test(test_observe_names_the_command_that_failed_and_how),
        cmocka_unit_test(test_observe_kills_a_command_that_floods),
        cmocka_unit_test(test_observe_takes_a_command_again_that_failed_once),
        cmocka_unit_test(test_observe_open_wants_a_command),
        cmocka_unit_test(test_observe_tells_what_the_shop_holds_after_the_calls),
        cmocka_unit_test(test_observe_counts_a_call_with_an_idempotency_key_once),
        cmocka_unit_test(test_observe_sink_answers_as_it_was_told),
        cmocka_unit_test(test_observe_sink_sets_by_post_where_it_is_told_so),
        cmocka_unit_test(test_observe_open_refuses_calls_that_set_without_a_path),
        cmocka_unit_test(test_observe_open_finds_what_is_wrong_with_the_sink),
        cmocka_unit_test(test_observe_forgets_calls_after_the_last_look_of_a_scenario),
        cmocka_unit_test(test_observe_takes_a_large_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
