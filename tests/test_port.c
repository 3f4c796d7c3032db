/* Tests of the judge: a port to AEP, held against what the Events API makes of the same changes, in journals
 * written by hand. Snapshots are real ones: they are cut as a run cuts them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "book.h"
#include "effects.h"

#define PRODUCTS  4
#define VIA_OLD   .platform = "events-api"
#define VIA_AEP   .platform = "aep"
#define UPDATED   "com.akeneo.pim.v1.product.updated"
#define DELETED   "com.akeneo.pim.v1.product.deleted"
#define AS_BEFORE "{'sku':'$id','uuid':null,'name':'Spade','tags':['a','b'],'last':'product.updated','n':2}"

static const char *const universes[] = {"A", "A'", "B"};

/* ---- journals ------------------------------------------------------------------------------- */

static void migration_scenario(struct book *b, const char *how, const char *effects, const char *rules)
{
    char more[100];
    snprintf(more, sizeof more, ",\"effects\":\"%s\",\"migration\":\"%s\"", effects, how);
    scenario_with(b, effects, rules, more);
}

/* Each product is created and updated, A's and A's sibling's through the Events API. */
static void play_baseline(struct book *b, unsigned status)
{
    for (unsigned n = 1; n <= PRODUCTS; n++)
        for (size_t u = 0; u < 2; u++) {
            PLAY(b, VIA_OLD, .universe = universes[u], .about = n, .event = "product.created",
                 .status = status);
            PLAY(b, VIA_OLD, .universe = universes[u], .about = n, .status = status);
        }
}

static void play_port(struct book *b)
{
    for (unsigned n = 1; n <= PRODUCTS; n++) {
        PLAY(b, VIA_AEP, .universe = "B", .about = n, .event = "product.created");
        PLAY(b, VIA_AEP, .universe = "B", .about = n);
    }
}

static void call(struct book *b, const char *target, unsigned status)
{
    buf_printf(&b->text,
               "{\"record\":\"call\",\"at_us\":1,\"method\":\"GET\",\"target\":\"%s\",\"status\":%u}\n",
               target, status);
}

static void put_uuid(struct buf *out, size_t universe, unsigned product)
{
    buf_printf(out, "018e197c-dfe2-70aa-93c%zu-1a8e016f%04x", universe, product);
}

static void put_identifier(struct buf *out, size_t universe, unsigned product)
{
    buf_printf(out, "trowel-%c-%u", "axb"[universe], product);
}

/* In what the connector shows, ' is " and $id, $uuid are the product's. */
static void put_shown(struct buf *out, const char *text, size_t universe, unsigned product)
{
    while (*text) {
        bool id = strncmp(text, "$id", 3) == 0, uuid = strncmp(text, "$uuid", 5) == 0;
        if (id)
            put_identifier(out, universe, product);
        else if (uuid)
            put_uuid(out, universe, product);
        else
            buf_putc(out, *text == '\'' ? '"' : *text);
        text += id ? 3 : uuid ? 5 : 1;
    }
}

static struct idents *known_ids(bool forms)
{
    struct idents *idents = idents_new();
    for (size_t u = 0; u < COUNT_OF(universes); u++)
        for (unsigned n = 1; n <= PRODUCTS + 2; n++) {
            struct buf id;
            char name[32];
            buf_init(&id, 100);
            snprintf(name, sizeof name, "product %u", n);
            put_uuid(&id, u, n);
            idents_add_entity(idents, (enum universe)u, name, FORM_UUID, buf_text(&id));
            buf_clear(&id);
            put_identifier(&id, u, n);
            idents_add_entity(idents, (enum universe)u, name, FORM_IDENTIFIER, buf_text(&id));
            buf_reset(&id);
        }
    if (forms)
        idents_tell_forms(idents);
    return idents;
}

static void put_records(struct book *b, const char *snapshot)
{
    struct idents *idents = known_ids(true);
    struct effect_records records = {0};
    effects_cut(idents, "state-url 1", span_of(snapshot), &records);
    line(b, "{\"record\":\"snapshot\",\"at_us\":1,\"took_us\":1,\"looks\":2,\"bytes\":9}");
    for (size_t i = 0; i < records.count; i++) {
        const struct effect_record *r = &records.items[i];
        buf_printf(&b->text,
                   "{\"record\":\"state\",\"universe\":\"%s\",\"place\":", universe_names[r->universe]);
        json_put_string(&b->text, &JSON_STYLE_PLAIN, span_of(r->place));
        buf_printf(&b->text, ",\"about\":\"%s\",\"text\":", r->about);
        json_put_string(&b->text, &JSON_STYLE_PLAIN, span_of(r->text));
        line(b, r->history ? ",\"history\":true}" : "}");
    }
    effect_records_reset(&records);
    idents_free(idents);
}

/* How the products of one universe are shown: open, the first, …, close; NULL: like the last. */
struct look {
    const char *open, *close;
    const char *old, *port[PRODUCTS];
};

static void look(struct book *b, const struct look *look)
{
    struct buf snapshot;
    buf_init(&snapshot, 1 << 20);
    put_shown(&snapshot, look->open, 0, 1);
    for (size_t u = 0; u < COUNT_OF(universes); u++) {
        const char *shown = look->old;
        for (unsigned n = 1; n <= PRODUCTS; n++) {
            shown = u == UNIVERSE_B && look->port[n - 1] ? look->port[n - 1] : shown;
            if (!*shown)
                continue;
            buf_puts(&snapshot, snapshot.len > strlen(look->open) ? "," : "");
            put_shown(&snapshot, shown, u, n);
        }
    }
    put_shown(&snapshot, look->close, 0, 1);
    put_records(b, buf_text(&snapshot));
    buf_reset(&snapshot);
}

static void settled(struct book *b)
{
    line(b, "{\"record\":\"settled\",\"name\":\"s\"}");
}

/* A whole run of migration/changes. */
static void play_changes(struct book *b, const struct look *seen)
{
    begin(b, "aep");
    migration_scenario(b, "instead", "port/state", "port/state port/identifier");
    play_baseline(b, 200);
    play_port(b);
    call(b, "/api/rest/v1/products-uuid?search=x", 200);
    look(b, seen);
    settled(b);
}

#define ROWS .open = "{'products':[", .close = "]}"

/* ---- what a port may do ---------------------------------------------------------------------- */

static void test_what_a_port_may_do_otherwise_is_no_loss(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        struct look look;
    } rows[] = {
        {"nothing", {ROWS, .old = AS_BEFORE}},
        {"a uuid where there was null",
         {ROWS, .old = AS_BEFORE,
          .port = {"{'sku':'$id','uuid':'$uuid','name':'Spade','tags':['a','b'],'last':'product.updated','n':"
                   "2}"}}},
        {"a uuid where there was nothing",
         {ROWS, .old = "{'sku':'$id','name':'Spade'}",
          .port = {"{'sku':'$id','name':'Spade','uuid':'$uuid','seen':{'at':1}}"}}},
        {"a uuid in one of two records",
         {ROWS, .old = "{'sku':'$id','uuid':null,'l':'de'},{'sku':'$id','uuid':'','l':'fr'}",
          .port = {"{'sku':'$id','uuid':'$uuid','l':'de'},{'sku':'$id','uuid':'$uuid','l':'fr'}"}}},
        {"values where lists and maps were empty",
         {ROWS, .old = "{'sku':'$id','tags':[],'extra':{}}",
          .port = {"{'sku':'$id','tags':['x'],'extra':{'a':1}}"}}},
        {"null and \"\" that are not there any more",
         {ROWS, .old = "{'sku':'$id','a':null,'b':'','n':'x'}", .port = {"{'sku':'$id','n':'x'}"}}},
        {"the names of AEP's events",
         {ROWS, .old = "{'sku':'$id','last':'product.updated','log':['product.created','product.updated']}",
          .port = {"{'sku':'$id','last':'" UPDATED
                   ".delta','log':['com.akeneo.pim.v1.product.created','" UPDATED "']}"}}},
        {"AEP's name of removed",
         {ROWS, .old = "{'sku':'$id','last':'product.removed'}",
          .port = {"{'sku':'$id','last':'" DELETED "'}"}}},
        {"the names of AEP's events as keys",
         {ROWS, .old = "{'sku':'$id','by_type':{'product.updated':3}}",
          .port = {"{'sku':'$id','by_type':{'" UPDATED "':3}}"}}},
        {"members and lists in another order, in JSON that is kept as text",
         {ROWS, .old = "{'sku':'$id','raw':'{\\'a\\':1,\\'b\\':[1,2]}'}",
          .port = {"{'sku':'$id','raw':'{\\'b\\':[2,1],\\'a\\':1}'}"}}},
        {"a table of uuids beside the products",
         {.open = "{'products':[{'sku':'trowel-a-1'},{'sku':'trowel-x-1'},{'sku':'trowel-b-1'}],'uuids':[",
          .close = "]}",
          .old = "",
          .port = {"{'uuid':'$uuid','sku':'$id'}"}}},
        {"columns of a table, by tabs",
         {.open = "", .close = "", .old = "$id\tSpade\t\n", .port = {"$id\tSpade\t$uuid\n"}}},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct book b;
        play_changes(&b, &rows[i].look);
        judge(&b);
        for (size_t k = 0; k < 2; k++) {
            const struct finding *f = found(&b, k ? "port/identifier" : "port/state");
            if (f->verdict != VERDICT_PASS)
                fail_msg("%s: %s", rows[i].what, f->reason);
            assert_int_equal(f->judged, PRODUCTS);
        }
        assert_int_equal(b.judgement->verdict, CONFORMS);
        finish(&b);
    }
}

/* ---- what it may not -------------------------------------------------------------------------- */

struct loss {
    const char *what, *rule;
    struct look look;
    const char *words;
};

static void expect_losses(const struct loss *losses, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct book b;
        play_changes(&b, &losses[i].look);
        judge(&b);
        expect_only(&b, losses[i].rule);
        expect_reason(&b, losses[i].rule, losses[i].words);
        finish(&b);
    }
}

static void test_what_the_port_loses_or_changes_is_port_state(void **state)
{
    (void)state;
    static const struct loss losses[] = {
        {"a value that became null",
         "port/state",
         {ROWS, .old = AS_BEFORE,
          .port = {"{'sku':'$id','uuid':'$uuid','name':null,'tags':['a','b'],'last':'" UPDATED "','n':2}"}},
         "4 of 4 products are not what the Events API makes of them: /name of product 1 is null through AEP, "
         "and "
         "\"Spade\" through the Events API"},
        {"a value that is not there",
         "port/state",
         {ROWS, .old = AS_BEFORE,
          .port = {AS_BEFORE, "{'sku':'$id','name':'Spade','tags':['a','b'],'n':2}", AS_BEFORE}},
         "1 of 4 products is not what the Events API makes of it: /last of product 2 is missing through AEP, "
         "and "
         "\"product.updated\" through the Events API"},
        {"another value behind one that it has in addition",
         "port/state",
         {ROWS, .old = "{'a':null,'sku':'$id','z':10}", .port = {"{'a':1,'sku':'$id','z':9}"}},
         "/z of product 1 is 9 through AEP, and 10 through the Events API"},
        {"an element less",
         "port/state",
         {ROWS, .old = "{'sku':'$id','tags':['a','b']}", .port = {"{'sku':'$id','tags':['a']}"}},
         "/tags/[] of product 1 is missing through AEP, and \"b\" through the Events API"},
        {"an element more",
         "port/state",
         {ROWS, .old = "{'sku':'$id','tags':['a','b']}", .port = {"{'sku':'$id','tags':['a','b','b']}"}},
         "/tags/[] of product 1 is \"b\" through AEP, and missing through the Events API"},
        {"values of one record in the other",
         "port/state",
         {ROWS, .old = "{'sku':'$id','u':null,'l':'de','n':1},{'sku':'$id','u':null,'l':'fr','n':2}",
          .port = {"{'sku':'$id','u':'x','l':'de','n':2},{'sku':'$id','u':'x','l':'fr','n':1}"}},
         "/n of product 1 is "},
        {"a name of another event",
         "port/state",
         {ROWS, .old = "{'sku':'$id','last':'product.updated'}",
          .port = {"{'sku':'$id','last':'" DELETED "'}"}},
         "/last of product 1 is \"product.removed\" through AEP"},
        {"a record that is missing",
         "port/state",
         {ROWS, .old = AS_BEFORE, .port = {AS_BEFORE, AS_BEFORE, "", AS_BEFORE}},
         "product 3 has no record at state-url 1: /products/[] through AEP, and 1 record through the Events "
         "API"},
        {"a record too many",
         "port/state",
         {ROWS, .old = AS_BEFORE, .port = {AS_BEFORE "," AS_BEFORE, AS_BEFORE}},
         "product 1 has 2 records at state-url 1: /products/[] through AEP, and 1 record through the Events "
         "API"},
        {"everything, the identifier too",
         "port/state",
         {ROWS, .old = AS_BEFORE, .port = {"{'sku':null,'uuid':'$uuid','name':null}"}},
         "/n of product 1 is missing"},
    };
    expect_losses(losses, COUNT_OF(losses));
}

static void test_an_identifier_that_became_a_uuid_is_port_identifier(void **state)
{
    (void)state;
    static const struct loss losses[] = {
        {"a uuid in the identifier's place",
         "port/identifier",
         {ROWS, .old = "{'sku':'$id','uuid':null,'name':'Spade'}",
          .port = {"{'sku':'$uuid','name':'Spade'}"}},
         "4 of 4 products have lost their identifiers: /sku of product 1 is \"<product 1 by uuid>\" through "
         "AEP, and "
         "\"<product 1 by identifier>\" through the Events API"},
        {"no identifier, and all the rest",
         "port/identifier",
         {ROWS, .old = AS_BEFORE,
          .port = {"{'sku':null,'uuid':'$uuid','name':'Spade','tags':['a','b'],'last':'" UPDATED "','n':2}"}},
         "/sku of product 1 is null through AEP"},
        {"a uuid in a link",
         "port/identifier",
         {ROWS, .old = "{'sku':'$id','url':'https://shop/p/$id'}",
          .port = {"{'sku':'$id','url':'https://shop/p/$uuid'}"}},
         "/url of product 1 is \"https://shop/p/<product 1 by uuid>\""},
        {"a map that is keyed otherwise",
         "port/identifier",
         {.open = "{'products':{", .close = "}}", .old = "'$id':{'n':1}", .port = {"'$uuid':{'n':1}"}},
         "the key of product 1 is /products/<product 1 by uuid> through AEP, and /products/<product 1 by "
         "identifier> "
         "through the Events API"},
        {"a map inside that is keyed otherwise",
         "port/identifier",
         {ROWS, .old = "{'sku':'$id','stock':{'$id':4}}", .port = {"{'sku':'$id','stock':{'$uuid':4}}"}},
         "/stock/<product 1 by identifier> of product 1 is missing through AEP, and 4 through the Events "
         "API"},
    };
    expect_losses(losses, COUNT_OF(losses));
}

static void test_a_port_may_lose_both_values_and_identifiers(void **state)
{
    (void)state;
    struct book b;
    play_changes(&b, &(struct look){ROWS, .old = "{'sku':'$id','name':'Spade'}",
                                    .port = {"{'sku':'$uuid','name':null}", "{'sku':'$id','name':'Spade'}"}});
    judge(&b);
    expect(&b, "port/state", VERDICT_FAIL);
    expect(&b, "port/identifier", VERDICT_FAIL);
    expect_reason(&b, "port/state",
                  "1 of 4 products is not what the Events API makes of it: /name of product 1");
    expect_reason(&b, "port/identifier", "1 of 4 products has lost its identifier: /sku of product 1");
    assert_int_equal(found(&b, "port/identifier")->evidence_count, 1);
    finish(&b);
}

static void test_without_products_there_are_no_identifiers_to_judge(void **state)
{
    (void)state;
    struct book b;
    play_changes(&b, &(struct look){ROWS, .old = AS_BEFORE, .port = {""}});
    judge(&b);
    expect_only(&b, "port/state");
    expect(&b, "port/identifier", VERDICT_INCONCLUSIVE);
    expect_reason(&b, "port/identifier", "nothing is as the Events API makes it");
    finish(&b);
}

static void test_evidence_says_which_platform_brought_what(void **state)
{
    (void)state;
    struct book b;
    play_changes(&b, &(struct look){ROWS, .old = "{'sku':'$id','name':'Spade'}",
                                    .port = {"{'sku':'$id','name':null}"}});
    judge(&b);
    const struct evidence *e = &found(&b, "port/state")->evidence[0];
    assert_string_equal(e->request, "delivery 18: product.updated");
    assert_string_equal(e->expected, "/name \"Spade\"");
    assert_string_equal(e->came, "/name null");
    assert_string_equal(e->difference.words_without, "through the Events API");
    assert_string_equal(e->difference.words_with, "through AEP");
    assert_int_equal(e->difference.deliveries_count, 2);
    assert_string_equal(e->difference.deliveries[0], "17 product.created");
    finish(&b);
}

/* ---- calls ----------------------------------------------------------------------------------- */

static void test_calls_to_the_pim_explain_what_is_lost(void **state)
{
    (void)state;
    static const struct {
        unsigned calls[3];
        const char *words;
    } rows[] = {
        {{0}, "; the connector made no call to the PIM"},
        {{200, 404, 401},
         "; 2 of the connector's 3 calls to the PIM got an error, the first GET /api/rest/v1/products/x: "
         "404"},
        {{404}, "; 1 of the connector's 1 call to the PIM got an error"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct book b;
        begin(&b, "aep");
        migration_scenario(&b, "instead", "port/state", "port/state port/identifier");
        play_baseline(&b, 200);
        play_port(&b);
        for (size_t k = 0; k < 3 && rows[i].calls[k]; k++)
            call(&b, "/api/rest/v1/products/x", rows[i].calls[k]);
        look(&b, &(struct look){ROWS, .old = "{'sku':'$id','n':1}", .port = {"{'sku':'$id','n':null}"}});
        settled(&b);
        judge(&b);
        expect_only(&b, "port/state");
        expect_reason(&b, "port/state", rows[i].words);
        finish(&b);
    }
}

/* ---- counts of events -------------------------------------------------------------------------- */

static void test_a_count_of_events_may_be_larger_by_those_that_came_besides(void **state)
{
    (void)state;
    static const struct {
        const char *old, *port;
        bool same;
    } rows[] = {
        {"{'sku':'$id','n':2}", "{'sku':'$id','n':3}", true}, /* created, updated; and a delta */
        {"{'sku':'$id','n':0}", "{'sku':'$id','n':1}", true}, /* of deltas */
        {"{'sku':'$id','n':2}", "{'sku':'$id','n':4}", false},
        {"{'sku':'$id','n':3}", "{'sku':'$id','n':4}", false}, /* more than A was told */
        {"{'sku':'$id','n':2}", "{'sku':'$id','n':1}", false},
        {"{'sku':'$id','n':2}", "{'sku':'$id','n':3.5}", false},
        {"{'sku':'$id','n':'2'}", "{'sku':'$id','n':'3'}", false},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct book b;
        begin(&b, "aep");
        migration_scenario(&b, "instead", "port/delta", "port/delta");
        play_baseline(&b, 200);
        play_port(&b);
        for (unsigned n = 1; n <= PRODUCTS; n++)
            PLAY(&b, VIA_AEP, .universe = "B", .about = n, .event = UPDATED ".delta");
        look(&b, &(struct look){ROWS, .old = rows[i].old, .port = {rows[i].port}});
        settled(&b);
        judge(&b);
        if (rows[i].same)
            expect(&b, "port/delta", VERDICT_PASS);
        else
            expect_only(&b, "port/delta");
        finish(&b);
    }
}

/* ---- the other rules ----------------------------------------------------------------------------- */

static const struct {
    const char *rule, *how, *port, *words;
} others[] = {
    {"port/delta", "instead", "{'sku':'$id','n':null}",
     "4 of 4 products differ after deltas: /n of product 1 is null through AEP, and 1 through the Events "
     "API"},
    {"port/removed", "instead", "{'sku':'$id','n':2}",
     "4 of 4 products differ after removals: /n of product 1 is 2 through AEP, and 1 through the Events API"},
    {"port/handover", "handover", "{'sku':'$id','n':1},{'sku':'$uuid','n':1}",
     "4 of 4 products differ after the switch from the Events API to AEP: product 1 has 2 records at "
     "state-url 1: "
     "/products/[] through the Events API, then AEP, and 1 record through the Events API alone"},
    {"port/switchover", "besides", "{'sku':'$id','n':1},{'sku':'$uuid','n':1}",
     "4 of 4 products differ after changes that both platforms told of: product 1 has 2 records at state-url "
     "1: "
     "/products/[] through both, and 1 record through the Events API alone"},
};

static void play_other(struct book *b, const char *rule, const char *how, const char *port)
{
    migration_scenario(b, how, rule, rule);
    play_baseline(b, 200);
    if (strcmp(how, "instead") != 0)
        PLAY(b, VIA_OLD, .universe = "B", .about = 1);
    play_port(b);
    look(b, &(struct look){ROWS, .old = "{'sku':'$id','n':1}", .port = {port}});
    settled(b);
}

static void test_every_other_rule_passes_and_fails(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        struct book b;
        begin(&b, "aep");
        play_other(&b, others[i].rule, others[i].how, NULL);
        judge(&b);
        expect(&b, others[i].rule, VERDICT_PASS);
        assert_int_equal(b.judgement->verdict, CONFORMS);
        expect(&b, "port/state", VERDICT_NOT_OBSERVED);
        expect_reason(&b, "port/state", "pimsim run migration");
        finish(&b);
        begin(&b, "aep");
        play_other(&b, others[i].rule, others[i].how, others[i].port);
        judge(&b);
        expect_only(&b, others[i].rule);
        expect_reason(&b, others[i].rule, others[i].words);
        finish(&b);
    }
}

static void test_what_the_plain_changes_lose_is_not_held_against_the_others(void **state)
{
    (void)state;
    static const char *const causes[] = {"{'sku':'$id','n':null}", "{'sku':'$uuid','n':1}"};
    for (size_t i = 0; i < COUNT_OF(others); i++)
        for (size_t k = 0; k < COUNT_OF(causes); k++) {
            struct book b;
            const char *cause = k ? "port/identifier" : "port/state";
            play_changes(&b, &(struct look){ROWS, .old = "{'sku':'$id','n':1}", .port = {causes[k]}});
            play_other(&b, others[i].rule, others[i].how, others[i].port);
            judge(&b);
            expect_only(&b, cause);
            expect(&b, others[i].rule, VERDICT_INCONCLUSIVE);
            expect_reason(&b, others[i].rule, cause);
            finish(&b);
        }
}

/* Products 5 and 6 are of the connector's own making: A is never told of them. */
static void play_own(struct book *b, const char *own)
{
    begin(b, "aep");
    migration_scenario(b, "instead", "port/own-events", "port/own-events");
    play_baseline(b, 200);
    play_port(b);
    for (unsigned n = PRODUCTS + 1; n <= PRODUCTS + 2; n++)
        PLAY(b, VIA_AEP, .universe = "B", .about = n, .event = "product.created");
    look(b, &(struct look){.open = "{'products':[", .close = own, .old = "{'sku':'$id'}"});
    settled(b);
    judge(b);
}

static void test_own_changes_must_leave_no_record(void **state)
{
    (void)state;
    struct book b;
    play_own(&b, "]}");
    expect(&b, "port/own-events", VERDICT_PASS);
    assert_int_equal(found(&b, "port/own-events")->judged, PRODUCTS + 2);
    finish(&b);
    play_own(&b, ",{'sku':'trowel-b-5'},{'sku':'trowel-b-6'}]}");
    expect_only(&b, "port/own-events");
    expect_reason(
        &b, "port/own-events",
        "2 of 6 products differ after the connector's own changes, which AEP alone sends back: product 5 has "
        "1 record at state-url 1: /products/[] through AEP, and none through the Events API");
    finish(&b);
}

/* ---- fixes ----------------------------------------------------------------------------------- */

/* The last product is a model in truth. */
static void make_last_a_model(struct book *b)
{
    static const char product[] = "product 4", model[] = "model 104";
    for (char *at = b->text.data; (at = strstr(at, product));)
        memcpy(at, model, strlen(model));
}

static void test_the_fix_goes_by_what_differs(void **state)
{
    (void)state;
    static const char same[] = "{'sku':'$id','n':1}", null[] = "{'sku':'$id','n':null}";
    static const struct {
        const char *rule;
        unsigned called; /* with this status; 0: no call */
        const char *port, *last, *fix, *words;
    } rows[] = {
        {"port/state", 0, null, null, "Take the event as news", "made no call to the PIM"},
        {"port/state", 404, null, null, "Take the event as news", "got an error"},
        {"port/state", 200, null, null, "a list has 10 items unless `limit` says more", ""},
        {"port/state", 200, same, null, "/api/rest/v1/product-models", "all that differ are product models"},
        {"port/state", 0, same, null, "/api/rest/v1/product-models", "made no call to the PIM"},
        {"port/removed", 200, "{'sku':'$id','n':2}", same, "Handle product.deleted",
         "through the Events API"},
        {"port/removed", 200, "", same, "Store what product.created", "That is less, not more"},
        {"port/own-events", 200, "{'sku':'$id','n':2}", same, "gives such changes --client-id", ""},
        {"port/own-events", 200, "", same, "somebody else's change must be taken", ""},
        {"port/own-events", 200, null, same, "(pimsim gives such changes --client-id, pimsim-connector", ""},
        {"port/delta", 200, null, same, "base_data", ""},
        {"port/handover", 200, "{'sku':'$id','n':2}", same, "look up the uuids", ""},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct book b;
        begin(&b, "aep");
        migration_scenario(&b, "instead", rows[i].rule, rows[i].rule);
        play_baseline(&b, 200);
        play_port(&b);
        if (rows[i].called)
            call(&b, "/api/rest/v1/products-uuid", rows[i].called);
        look(&b, &(struct look){ROWS, .old = same,
                                .port = {rows[i].port, rows[i].port, rows[i].port, rows[i].last}});
        settled(&b);
        make_last_a_model(&b);
        judge(&b);
        expect_only(&b, rows[i].rule);
        if (!strstr(found(&b, rows[i].rule)->fix, rows[i].fix))
            fail_msg("%s: %s", rows[i].fix, found(&b, rows[i].rule)->fix);
        expect_reason(&b, rows[i].rule, rows[i].words);
        finish(&b);
    }
}

/* ---- when nothing can be said ---------------------------------------------------------------------- */

static void test_without_the_events_api_there_is_nothing_to_compare_with(void **state)
{
    (void)state;
    struct book b;
    begin(&b, "aep");
    migration_scenario(&b, "instead", "port/state", "port/state port/identifier ack/deadline");
    play_baseline(&b, 404);
    play_port(&b);
    look(&b, &(struct look){ROWS, .old = "", .port = {AS_BEFORE}});
    settled(&b);
    judge(&b);
    expect_no_failure(&b); /* no suspension, either: it is another platform's answer */
    expect(&b, "ack/deadline", VERDICT_PASS);
    assert_int_equal(found(&b, "ack/deadline")->judged, 2 * PRODUCTS);
    for (size_t i = 0; i < 2; i++) {
        const char *rule = i ? "port/identifier" : "port/state";
        expect(&b, rule, VERDICT_INCONCLUSIVE);
        expect_reason(&b, rule,
                      "of 16 deliveries to --url-events-api none was acknowledged, the first was answered "
                      "404 Not Found");
        expect_reason(&b, rule, "pimsim run -p events-api");
    }
    finish(&b);
}

static void test_who_missed_something_of_the_events_api_is_not_compared(void **state)
{
    (void)state;
    struct book b;
    begin(&b, "aep");
    migration_scenario(&b, "instead", "port/state", "port/state");
    play_baseline(&b, 200);
    PLAY(&b, VIA_OLD, .universe = "A'", .about = 2, .outcome = "timeout", .ms = 500);
    play_port(&b);
    look(&b, &(struct look){ROWS, .old = AS_BEFORE, .port = {AS_BEFORE, "", AS_BEFORE}});
    settled(&b);
    judge(&b);
    expect(&b, "port/state", VERDICT_PASS);
    assert_int_equal(found(&b, "port/state")->judged, PRODUCTS - 1);
    expect_no_failure(&b);
    finish(&b);
}

static void test_what_aep_brought_and_was_not_acknowledged_is_ack_deadlines(void **state)
{
    (void)state;
    struct book b;
    begin(&b, "aep");
    migration_scenario(&b, "instead", "port/state", "port/state");
    play_baseline(&b, 200);
    for (unsigned n = 1; n <= PRODUCTS; n++)
        PLAY(&b, VIA_AEP, .universe = "B", .about = n, .status = 500);
    look(&b, &(struct look){ROWS, .old = AS_BEFORE, .port = {""}});
    settled(&b);
    judge(&b);
    expect_only(&b, "ack/deadline");
    expect(&b, "port/state", VERDICT_INCONCLUSIVE);
    expect_reason(&b, "port/state", "(see ack/deadline)");
    finish(&b);
}

static void test_a_state_without_the_old_part_is_explained(void **state)
{
    (void)state;
    struct book b;
    play_changes(&b, &(struct look){ROWS, .old = "", .port = {AS_BEFORE}});
    judge(&b);
    expect(&b, "port/state", VERDICT_INCONCLUSIVE);
    expect_reason(&b, "port/state", "shows nothing of what came through the Events API");
    finish(&b);
}

static void test_a_history_of_events_is_not_compared(void **state)
{
    (void)state;
    struct book b;
    begin(&b, "aep");
    migration_scenario(&b, "instead", "port/state", "port/state");
    play_baseline(&b, 200);
    play_port(&b);
    look(&b, &(struct look){ROWS, .old = AS_BEFORE});
    for (unsigned u = 0; u < 3; u++)
        for (unsigned i = 0; i < (u == UNIVERSE_B ? 3u : 2u); i++)
            buf_printf(
                &b.text,
                "{\"record\":\"state\",\"universe\":\"%s\",\"place\":\"state-url 1: /seen/[]\",\"about\":"
                "\"product 1\",\"text\":\"{\\\"event\\\":\\\"<event>\\\"}\",\"history\":true}\n",
                universes[u]);
    settled(&b);
    judge(&b);
    expect(&b, "port/state", VERDICT_PASS);
    finish(&b);
}

/* ---- words of deliveries ------------------------------------------------------------------------ */

static void test_deliveries_through_the_events_api_are_called_so(void **state)
{
    (void)state;
    struct book b;
    begin(&b, "aep");
    play_other(&b, "port/switchover", "besides", "{'sku':'$id','n':9}");
    judge(&b);
    const struct difference *d = &found(&b, "port/switchover")->evidence[0].difference;
    assert_string_equal(d->about, "product 1");
    assert_int_equal(d->deliveries_count, 3);
    assert_string_equal(d->deliveries[0], "17 product.updated through the Events API");
    assert_string_equal(d->deliveries[1], "18 product.created");
    finish(&b);
}

static void test_deliveries_of_aep_bear_its_own_names(void **state)
{
    (void)state;
    static const char *const names[][2] = {
        {"product.created", "product.created"},
        {"product.removed", "product.deleted"},
        {"product_model.updated", "product-model.updated"},
        {UPDATED ".delta", "product.updated.delta"},
        {"com.akeneo.pim.v2.product.moved", "com.akeneo.pim.v2.product.moved"},
    };
    struct book b;
    begin(&b, "aep");
    migration_scenario(&b, "handover", "port/handover", "port/handover");
    play_baseline(&b, 200);
    PLAY(&b, VIA_OLD, .universe = "B", .about = 1, .event = "product_model.removed");
    for (size_t i = 0; i < COUNT_OF(names); i++)
        PLAY(&b, VIA_AEP, .universe = "B", .about = 1, .event = names[i][0]);
    look(&b, &(struct look){ROWS, .old = "{'sku':'$id'}", .port = {"", "{'sku':'$id'}"}});
    settled(&b);
    judge(&b);
    const struct difference *d = &found(&b, "port/handover")->evidence[0].difference;
    assert_int_equal(d->deliveries_count, COUNT_OF(names) + 1);
    assert_string_equal(d->deliveries[0], "17 product_model.removed through the Events API");
    for (size_t i = 0; i < COUNT_OF(names); i++)
        assert_string_equal(strchr(d->deliveries[i + 1], ' ') + 1, names[i][1]);
    finish(&b);
}

static void test_the_baseline_has_no_part_in_the_times_to_acknowledge(void **state)
{
    (void)state;
    struct book b;
    begin(&b, "aep");
    migration_scenario(&b, "instead", "port/state", "port/state ack/deadline ack/status reach/redirect");
    TIMES(&b, 5, VIA_OLD, .universe = "A", .about = 1, .status = 302, .ms = 400);
    TIMES(&b, 5, VIA_AEP, .universe = "B", .about = 1);
    judge(&b);
    expect_no_failure(&b);
    assert_int_equal(b.judgement->ack.count, 5);
    assert_int_equal(b.judgement->ack.max_us, 1000);
    finish(&b);
}

/* ---- forms ------------------------------------------------------------------------------------- */

static void test_forms_are_told_only_when_asked_for(void **state)
{
    (void)state;
    static const char *const told[] = {"<product 2> is <product 2>",
                                       "<product 2 by identifier> is <product 2 by uuid>"};
    struct buf text, out;
    buf_init(&text, 1000);
    buf_init(&out, 1000);
    put_shown(&text, "$id is $uuid", 0, 2);
    for (int forms = 0; forms < 2; forms++) {
        struct idents *idents = known_ids(forms);
        buf_clear(&out);
        idents_rename(idents, buf_span(&text), &out);
        assert_string_equal(buf_text(&out), told[forms]);
        assert_int_equal(idents_have_form(buf_span(&out), FORM_UUID), forms);
        assert_int_equal(idents_have_form(buf_span(&out), FORM_IDENTIFIER), forms);
        struct buf plain;
        buf_init(&plain, 1000);
        idents_drop_forms(buf_span(&out), &plain);
        assert_string_equal(buf_text(&plain), told[0]);
        buf_clear(&plain);
        idents_generalise(buf_span(&out), &plain);
        assert_string_equal(buf_text(&plain), "<> is <>");
        buf_reset(&plain);
        idents_free(idents);
    }
    buf_reset(&text);
    buf_reset(&out);
}

static void test_what_only_looks_like_a_name_with_a_form_stays(void **state)
{
    (void)state;
    static const char *const texts[] = {"",           "<",        "a < b",   "<>",
                                        "< by uuid>", "by uuid>", "<event>", "<x by uuid"};
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct buf out;
        buf_init(&out, 1000);
        idents_drop_forms(span_of(texts[i]), &out);
        assert_string_equal(buf_text(&out), texts[i]);
        assert_false(idents_have_form(span_of(texts[i]), FORM_UUID));
        buf_reset(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_a_port_may_do_otherwise_is_no_loss),
        cmocka_unit_test(test_what_the_port_loses_or_changes_is_port_state),
        cmocka_unit_test(test_an_identifier_that_became_a_uuid_is_port_identifier),
        cmocka_unit_test(test_a_port_may_lose_both_values_and_identifiers),
        cmocka_unit_test(test_without_products_there_are_no_identifiers_to_judge),
        cmocka_unit_test(test_evidence_says_which_platform_brought_what),
        cmocka_unit_test(test_calls_to_the_pim_explain_what_is_lost),
        cmocka_unit_test(test_a_count_of_events_may_be_larger_by_those_that_came_besides),
        cmocka_unit_test(test_every_other_rule_passes_and_fails),
        cmocka_unit_test(test_what_the_plain_changes_lose_is_not_held_against_the_others),
        cmocka_unit_test(test_own_changes_must_leave_no_record),
        cmocka_unit_test(test_the_fix_goes_by_what_differs),
        cmocka_unit_test(test_without_the_events_api_there_is_nothing_to_compare_with),
        cmocka_unit_test(test_who_missed_something_of_the_events_api_is_not_compared),
        cmocka_unit_test(test_what_aep_brought_and_was_not_acknowledged_is_ack_deadlines),
        cmocka_unit_test(test_a_state_without_the_old_part_is_explained),
        cmocka_unit_test(test_a_history_of_events_is_not_compared),
        cmocka_unit_test(test_deliveries_through_the_events_api_are_called_so),
        cmocka_unit_test(test_deliveries_of_aep_bear_its_own_names),
        cmocka_unit_test(test_the_baseline_has_no_part_in_the_times_to_acknowledge),
        cmocka_unit_test(test_forms_are_told_only_when_asked_for),
        cmocka_unit_test(test_what_only_looks_like_a_name_with_a_form_stays),
    };
    return cmocka_run_group_tests_name("port", tests, NULL, NULL);
}
