/* Tests of idents.c, cut.c and effects.c: states of many shapes, each once sound and once with one fault. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "effects.h"
#include "rng.h"

/* Snapshots are written with short names for ids, which are spelled out before they are cut:
 *   $A1 $X1 $B1  uuid of product 1 in A, A', B     $a1 $x1 $b1  its code
 *   $^A1         the uuid in upper case            $-A1         without dashes
 *   $!A1         the id of event 1 in A */
#define WINDOW_FROM_US INT64_C(1769850830000000) /* 2026-01-31T09:13:50Z */
#define WINDOW_TO_US   INT64_C(1769850890000000)
#define IDS            40 /* products and events in each universe */

static enum universe universe_of(char letter)
{
    return strchr("Aa", letter) ? UNIVERSE_A : strchr("Xx", letter) ? UNIVERSE_A2 : UNIVERSE_B;
}

static void put_uuid(struct buf *out, unsigned kind, enum universe universe, unsigned number, bool dashes)
{
    buf_printf(out, dashes ? "018e197c-dfe2-7%03x-93c%x-1a8e016f%04x" : "018e197cdfe27%03x93c%x1a8e016f%04x",
               kind, (unsigned)universe, number);
}

static void put_code(struct buf *out, enum universe universe, unsigned number)
{
    buf_printf(out, "trowel-%c-%u", "axb"[universe], number);
}

static char *spelled(const char *text)
{
    struct buf out;
    buf_init(&out, 1 << 24);
    while (*text) {
        char flag = text[0] == '$' && strchr("^-!", text[1]) ? text[1] : '\0';
        const char *name = text + 1 + (flag != 0);
        if (*text != '$' || !*name || !strchr("AXBaxb", *name)) {
            buf_putc(&out, *text++);
            continue;
        }
        char *end;
        unsigned number = (unsigned)strtoul(name + 1, &end, 10);
        size_t before = out.len;
        if (strchr("axb", *name))
            put_code(&out, universe_of(*name), number);
        else
            put_uuid(&out, flag == '!' ? 0xe : 0xa, universe_of(*name), number, flag != '-');
        for (size_t i = before; flag == '^' && i < out.len; i++)
            if (out.data[i] >= 'a' && out.data[i] <= 'z')
                out.data[i] = (char)(out.data[i] - 32);
        text = end;
    }
    return buf_take(&out);
}

static struct idents *known_ids(void)
{
    struct idents *idents = idents_new();
    for (enum universe u = 0; u < UNIVERSE_COUNT; u++)
        for (unsigned n = 1; n <= IDS; n++) {
            struct buf id;
            char name[32];
            buf_init(&id, 100);
            snprintf(name, sizeof name, "product %u", n);
            put_uuid(&id, 0xa, u, n, true);
            idents_add_entity(idents, u, name, FORM_UUID, buf_text(&id));
            buf_clear(&id);
            put_code(&id, u, n);
            idents_add_entity(idents, u, name, FORM_IDENTIFIER, buf_text(&id));
            buf_clear(&id);
            put_uuid(&id, 0xe, u, n, true);
            idents_add_event(idents, u, buf_text(&id));
            buf_reset(&id);
        }
    idents_set_window(idents, WINDOW_FROM_US, WINDOW_TO_US);
    return idents;
}

static void cut(const char *snapshot, struct effect_records *records)
{
    struct idents *idents = known_ids();
    char *text = spelled(snapshot);
    effects_cut(idents, "s", span_of(text), records);
    free(text);
    idents_free(idents);
}

static struct effects compared(const char *snapshot)
{
    struct effect_records records = {0};
    struct effects effects = {0};
    cut(snapshot, &records);
    effects_compare(&records, NULL, &effects);
    effect_records_reset(&records);
    return effects;
}

static void fail_with(const char *name, const struct effects *effects)
{
    for (size_t i = 0; i < effects->count; i++) {
        const struct effect *e = &effects->items[i];
        print_error("%s: [%s] [%s] [%s] expected [%s] found [%s]\n  A %s\n  B %s\n", name, e->about, e->place,
                    e->path, e->expected, e->found, e->record_a, e->record_b);
    }
    for (size_t i = 0; i < effects->noise_count; i++)
        print_error("  noise %s\n", effects->noise[i]);
    fail_msg("%s: %zu effects, %zu compared, %zu noisy", name, effects->count, effects->compared,
             effects->noisy);
}

/* ---- shapes --------------------------------------------------------------------------------- */

struct shape {
    const char *name;
    const char *sound, *unsound;
    const char *about, *place, *path, *expected, *found; /* the one effect of the unsound one */
};

static const struct shape shapes[] = {
    {"a list of rows: a stale price",
     "[{\"uuid\":\"$A1\",\"price\":10},{\"uuid\":\"$X1\",\"price\":10},{\"uuid\":\"$B1\",\"price\":10}]",
     "[{\"uuid\":\"$A1\",\"price\":10},{\"uuid\":\"$X1\",\"price\":10},{\"uuid\":\"$B1\",\"price\":9}]",
     "product 1", "s: /[]", "/price", "10", "9"},
    {"a map by uuid: counted twice",
     "{\"products\":{\"$A1\":{\"seen\":3},\"$X1\":{\"seen\":3},\"$B1\":{\"seen\":3}}}",
     "{\"products\":{\"$A1\":{\"seen\":3},\"$X1\":{\"seen\":3},\"$B1\":{\"seen\":4}}}", "product 1",
     "s: /products/<product 1>", "/seen", "3", "4"},
    {"a map by code: a lost field",
     "{\"$a1\":{\"n\":\"Trowel\",\"c\":\"red\"},\"$x1\":{\"n\":\"Trowel\",\"c\":\"red\"},"
     "\"$b1\":{\"n\":\"Trowel\",\"c\":\"red\"}}",
     "{\"$a1\":{\"n\":\"Trowel\",\"c\":\"red\"},\"$x1\":{\"n\":\"Trowel\",\"c\":\"red\"},"
     "\"$b1\":{\"n\":\"Trowel\"}}",
     "product 1", "s: /<product 1>", "/c", "\"red\"", "none"},
    {"a map by id, of plain values", "{\"stock\":{\"$a1\":4,\"$x1\":4,\"$b1\":4}}",
     "{\"stock\":{\"$a1\":4,\"$x1\":4,\"$b1\":8}}", "product 1", "s: /stock/<product 1>", "", "4", "8"},
    {"nested by family: a second row",
     "{\"tools\":[{\"id\":\"$A1\"},{\"id\":\"$X1\"},{\"id\":\"$B1\"}],"
     "\"toys\":[{\"id\":\"$A2\"},{\"id\":\"$X2\"},{\"id\":\"$B2\"}]}",
     "{\"tools\":[{\"id\":\"$A1\"},{\"id\":\"$X1\"},{\"id\":\"$B1\"}],"
     "\"toys\":[{\"id\":\"$A2\"},{\"id\":\"$X2\"},{\"id\":\"$B2\"},{\"id\":\"$B2\"}]}",
     "product 2", "s: /toys/[]", "", "1 record", "2 records"},
    {"a model with its variants: one is lost",
     "{\"models\":[{\"code\":\"$a1\",\"variants\":[{\"uuid\":\"$A2\"},{\"uuid\":\"$A3\"}]},"
     "{\"code\":\"$x1\",\"variants\":[{\"uuid\":\"$X2\"},{\"uuid\":\"$X3\"}]},"
     "{\"code\":\"$b1\",\"variants\":[{\"uuid\":\"$B2\"},{\"uuid\":\"$B3\"}]}]}",
     "{\"models\":[{\"code\":\"$a1\",\"variants\":[{\"uuid\":\"$A2\"},{\"uuid\":\"$A3\"}]},"
     "{\"code\":\"$x1\",\"variants\":[{\"uuid\":\"$X2\"},{\"uuid\":\"$X3\"}]},"
     "{\"code\":\"$b1\",\"variants\":[{\"uuid\":\"$B2\"},{\"uuid\":\"$B3\",\"enabled\":false}]}]}",
     "product 1, product 2, product 3", "s: /models/[]", "/variants/[]/enabled", "none", "false"},
    {"associations: two entities in one row, twice",
     "[{\"from\":\"$a1\",\"to\":\"$a2\"},{\"from\":\"$x1\",\"to\":\"$x2\"},{\"from\":\"$b1\",\"to\":\"$b2\"}"
     "]",
     "[{\"from\":\"$a1\",\"to\":\"$a2\"},{\"from\":\"$x1\",\"to\":\"$x2\"},{\"from\":\"$b1\",\"to\":\"$b2\"},"
     "{\"from\":\"$b1\",\"to\":\"$b2\"}]",
     "product 1, product 2", "s: /[]", "", "1 record", "2 records"},
    {"ids inside URLs",
     "[{\"url\":\"https://shop/p/$a1?v=2\",\"t\":\"a\"},{\"url\":\"https://shop/p/$x1?v=2\",\"t\":\"a\"},"
     "{\"url\":\"https://shop/p/$b1?v=2\",\"t\":\"a\"}]",
     "[{\"url\":\"https://shop/p/$a1?v=2\",\"t\":\"a\"},{\"url\":\"https://shop/p/$x1?v=2\",\"t\":\"a\"},"
     "{\"url\":\"https://shop/p/$b1?v=1\",\"t\":\"a\"}]",
     "product 1", "s: /[]", "/url", "\"https://shop/p/<product 1>?v=2\"",
     "\"https://shop/p/<product 1>?v=1\""},
    {"upper-case uuids",
     "[{\"ID\":\"$^A1\",\"P\":\"1.50\"},{\"ID\":\"$^X1\",\"P\":\"1.50\"},{\"ID\":\"$^B1\",\"P\":\"1.50\"}]",
     "[{\"ID\":\"$^A1\",\"P\":\"1.50\"},{\"ID\":\"$^X1\",\"P\":\"1.50\"},{\"ID\":\"$^B1\",\"P\":\"1.5\"}]",
     "product 1", "s: /[]", "/P", "\"1.50\"", "\"1.5\""},
    {"uuids without dashes", "{\"rows\":[[\"$-A1\",150],[\"$-X1\",150],[\"$-B1\",150]]}",
     "{\"rows\":[[\"$-A1\",150],[\"$-X1\",150],[\"$-B1\",100]]}", "product 1", "s: /rows/[]", "/[1]", "150",
     "100"},
    {"NDJSON with numbers of its own",
     "{\"n\":1,\"sku\":\"$a1\",\"q\":5}\n{\"n\":2,\"sku\":\"$x1\",\"q\":5}\n{\"n\":3,\"sku\":\"$b1\",\"q\":5}"
     "\n",
     "{\"n\":1,\"sku\":\"$a1\",\"q\":5}\n{\"n\":2,\"sku\":\"$x1\",\"q\":5}\n{\"n\":3,\"sku\":\"$b1\",\"q\":"
     "10}\n",
     "product 1", "s: /[]", "/q", "5", "10"},
    {"CSV", "id,uuid,name,price\n1,$A1,Spade,10\n2,$X1,Spade,10\n3,$B1,Spade,10\n",
     "id,uuid,name,price\r\n1,$A1,Spade,10\r\n2,$X1,Spade,10\r\n3,$B1,Spade,8\r\n", "product 1", "s: /[]",
     "/4", "10", "8"},
    {"sqlite3's columns, with a token of the connector's own",
     "1|$A1|$a1|ef3c|1\n2|$X1|$x1|a871|1\n3|$B1|$b1|00d1|1\n4|$A2|$a2|9d01|0\n5|$X2|$x2|71cc|0\n6|$B2|$b2|"
     "d3a1|0\n",
     "1|$A1|$a1|ef3c|1\n2|$X1|$x1|a871|1\n3|$B1|$b1|00d1|1\n4|$A2|$a2|9d01|0\n5|$X2|$x2|71cc|0\n6|$B2|$b2|"
     "d3a1|1\n",
     "product 2", "s: /[]", "/5", "0", "1"},
    {"name=value text", "sku=$a1 price=10 etag=q1\nsku=$x1 price=10 etag=q2\nsku=$b1 price=10 etag=q3\n",
     "sku=$a1 price=10 etag=q1\nsku=$x1 price=10 etag=q2\nsku=$b1 price=7 etag=q3\n", "product 1", "s: /[]",
     "/price", "10", "7"},
    {"one key a line",
     "product:$a1:price 10\nproduct:$a1:name Hoe\nproduct:$x1:price 10\nproduct:$x1:name Hoe\n"
     "product:$b1:name Hoe\nproduct:$b1:price 10\n",
     "product:$a1:price 10\nproduct:$a1:name Hoe\nproduct:$x1:price 10\nproduct:$x1:name Hoe\n"
     "product:$b1:name Hoe\n",
     "product 1", "s: /[]", "", "2 records", "1 record"},
    {"calls to a sink: one too many",
     "[{\"method\":\"PUT\",\"path\":\"/p/$a1\",\"body\":{\"v\":1}},{\"method\":\"PUT\",\"path\":\"/p/"
     "$x1\",\"body\":{\"v\":1}},"
     "{\"method\":\"PUT\",\"path\":\"/p/$b1\",\"body\":{\"v\":1}}]",
     "[{\"method\":\"PUT\",\"path\":\"/p/$a1\",\"body\":{\"v\":1}},{\"method\":\"PUT\",\"path\":\"/p/"
     "$x1\",\"body\":{\"v\":1}},"
     "{\"method\":\"PUT\",\"path\":\"/p/$b1\",\"body\":{\"v\":1}},{\"method\":\"PUT\",\"path\":\"/p/"
     "$b1\",\"body\":{\"v\":1}}]",
     "product 1", "s: /[]", "", "1 record", "2 records"},
    {"counters beside a global one",
     "{\"total\":9,\"per\":[{\"id\":\"$a1\",\"n\":3},{\"id\":\"$x1\",\"n\":3},{\"id\":\"$b1\",\"n\":3}]}",
     "{\"total\":10,\"per\":[{\"id\":\"$a1\",\"n\":3},{\"id\":\"$x1\",\"n\":3},{\"id\":\"$b1\",\"n\":4}]}",
     "product 1", "s: /per/[]", "/n", "3", "4"},
    {"prices in cents, and numbers in other spellings",
     "[{\"id\":\"$a1\",\"c\":1000,\"w\":1.0},{\"id\":\"$x1\",\"c\":1000,\"w\":1},{\"id\":\"$b1\",\"c\":1000,"
     "\"w\":1e0}]",
     "[{\"id\":\"$a1\",\"c\":1000,\"w\":1.0},{\"id\":\"$x1\",\"c\":1000,\"w\":1},{\"id\":\"$b1\",\"c\":950,"
     "\"w\":1e0}]",
     "product 1", "s: /[]", "/c", "1000", "950"},
    {"deep metadata, keys in another order",
     "{\"d\":{\"t\":[{\"k\":\"$a1\",\"m\":{\"x\":{\"y\":[1,{\"z\":true}]}}},{\"m\":{\"x\":{\"y\":[1,{\"z\":"
     "true}]}},\"k\":\"$x1\"},"
     "{\"k\":\"$b1\",\"m\":{\"x\":{\"y\":[1,{\"z\":true}]}}}]}}",
     "{\"d\":{\"t\":[{\"k\":\"$a1\",\"m\":{\"x\":{\"y\":[1,{\"z\":true}]}}},{\"m\":{\"x\":{\"y\":[1,{\"z\":"
     "true}]}},\"k\":\"$x1\"},"
     "{\"k\":\"$b1\",\"m\":{\"x\":{\"y\":[1,{\"z\":false}]}}}]}}",
     "product 1", "s: /d/t/[]", "/m/x/y/[1]/z", "true", "false"},
    {"localised values",
     "[{\"i\":\"$a1\",\"name\":{\"de_DE\":\"Größe\",\"fr_FR\":\"Bêche\"}},{\"i\":\"$x1\",\"name\":{\"de_DE\":"
     "\"Größe\",\"fr_FR\":\"Bêche\"}},"
     "{\"i\":\"$b1\",\"name\":{\"de_DE\":\"Gr\\u00f6\\u00dfe\",\"fr_FR\":\"Bêche\"}}]",
     "[{\"i\":\"$a1\",\"name\":{\"de_DE\":\"Größe\",\"fr_FR\":\"Bêche\"}},{\"i\":\"$x1\",\"name\":{\"de_DE\":"
     "\"Größe\",\"fr_FR\":\"Bêche\"}},"
     "{\"i\":\"$b1\",\"name\":{\"de_DE\":\"Größe\",\"fr_FR\":\"B\"}}]",
     "product 1", "s: /[]", "/name/fr_FR", "\"Bêche\"", "\"B\""},
    {"rows for each locale, with numbers of their own",
     "[{\"id\":1,\"p\":\"$a1\",\"l\":\"de\",\"v\":\"x\"},{\"id\":2,\"p\":\"$a1\",\"l\":\"fr\",\"v\":\"y\"},"
     "{\"id\":9,\"p\":\"$x1\",\"l\":\"fr\",\"v\":\"y\"},{\"id\":10,\"p\":\"$x1\",\"l\":\"de\",\"v\":\"x\"},"
     "{\"id\":11,\"p\":\"$b1\",\"l\":\"de\",\"v\":\"x\"},{\"id\":12,\"p\":\"$b1\",\"l\":\"fr\",\"v\":\"y\"}]",
     "[{\"id\":1,\"p\":\"$a1\",\"l\":\"de\",\"v\":\"x\"},{\"id\":2,\"p\":\"$a1\",\"l\":\"fr\",\"v\":\"y\"},"
     "{\"id\":9,\"p\":\"$x1\",\"l\":\"fr\",\"v\":\"y\"},{\"id\":10,\"p\":\"$x1\",\"l\":\"de\",\"v\":\"x\"},"
     "{\"id\":11,\"p\":\"$b1\",\"l\":\"de\",\"v\":\"y\"},{\"id\":12,\"p\":\"$b1\",\"l\":\"fr\",\"v\":\"x\"}]",
     "product 1", "s: /[]", "/v", "\"x\"", "\"y\""},
    {"the same moment in A and A', a later one in B",
     "[{\"i\":\"$A1\",\"at\":\"2026-01-31T09:13:59Z\",\"u\":1769850839},{\"i\":\"$X1\",\"at\":\"2026-01-"
     "31T09:13:59Z\",\"u\":1769850839},"
     "{\"i\":\"$B1\",\"at\":\"2026-01-31T09:14:07Z\",\"u\":1769850847}]",
     "[{\"i\":\"$A1\",\"at\":\"2026-01-31T09:13:59Z\",\"u\":1769850839},{\"i\":\"$X1\",\"at\":\"2026-01-"
     "31T09:13:59Z\",\"u\":1769850839},"
     "{\"i\":\"$B1\",\"at\":null,\"u\":1769850847}]",
     "product 1", "s: /[]", "/at", "\"<now>\"", "null"},
    {"tokens of its own",
     "[{\"i\":\"$A1\",\"etag\":\"aa\",\"s\":1},{\"i\":\"$X1\",\"etag\":\"bb\",\"s\":1},{\"i\":\"$B1\","
     "\"etag\":\"cc\",\"s\":1}]",
     "[{\"i\":\"$A1\",\"etag\":\"aa\",\"s\":1},{\"i\":\"$X1\",\"etag\":\"bb\",\"s\":1},{\"i\":\"$B1\","
     "\"etag\":\"cc\",\"s\":0}]",
     "product 1", "s: /[]", "/s", "1", "0"},
    {"a history table, kept on purpose: one more in B is none of our business",
     "{\"p\":[{\"i\":\"$A1\",\"s\":1},{\"i\":\"$X1\",\"s\":1},{\"i\":\"$B1\",\"s\":1}],"
     "\"log\":[{\"e\":\"$!A1\",\"i\":\"$A1\"},{\"e\":\"$!A2\",\"i\":\"$A1\"},{\"e\":\"$!X1\",\"i\":\"$X1\"},{"
     "\"e\":\"$!X2\",\"i\":\"$X1\"},"
     "{\"e\":\"$!B1\",\"i\":\"$B1\"},{\"e\":\"$!B2\",\"i\":\"$B1\"},{\"e\":\"$!B2\",\"i\":\"$B1\"}]}",
     "{\"p\":[{\"i\":\"$A1\",\"s\":1},{\"i\":\"$X1\",\"s\":1},{\"i\":\"$B1\",\"s\":2}],"
     "\"log\":[{\"e\":\"$!A1\",\"i\":\"$A1\"},{\"e\":\"$!A2\",\"i\":\"$A1\"},{\"e\":\"$!X1\",\"i\":\"$X1\"},{"
     "\"e\":\"$!X2\",\"i\":\"$X1\"},"
     "{\"e\":\"$!B1\",\"i\":\"$B1\"},{\"e\":\"$!B2\",\"i\":\"$B1\"},{\"e\":\"$!B2\",\"i\":\"$B1\"}]}",
     "product 1", "s: /p/[]", "/s", "1", "2"},
    {"the ids of events seen, in a list and a map",
     "{\"seen\":[\"$!A1\",\"$!A2\",\"$!X1\",\"$!X2\",\"$!B1\",\"$!B2\",\"$!B2\"],\"p\":{\"$A1\":1,\"$X1\":1,"
     "\"$B1\":1},"
     "\"by\":{\"$!A1\":\"ok\",\"$!A2\":\"ok\",\"$!X1\":\"ok\",\"$!X2\":\"ok\",\"$!B1\":\"dup\",\"$!B2\":"
     "\"ok\"}}",
     "{\"seen\":[\"$!A1\",\"$!A2\",\"$!X1\",\"$!X2\",\"$!B1\",\"$!B2\"],\"p\":{\"$A1\":1,\"$X1\":1,\"$B1\":2}"
     ","
     "\"by\":{\"$!A1\":\"ok\",\"$!A2\":\"ok\",\"$!X1\":\"ok\",\"$!X2\":\"ok\",\"$!B1\":\"ok\",\"$!B2\":"
     "\"ok\"}}",
     "product 1", "s: /p/<product 1>", "", "1", "2"},
    {"a last event's id is no history",
     "[{\"i\":\"$A1\",\"last\":\"$!A2\"},{\"i\":\"$X1\",\"last\":\"$!X2\"},{\"i\":\"$B1\",\"last\":\"$!B2\"}"
     "]",
     "[{\"i\":\"$A1\",\"last\":\"$!A2\"},{\"i\":\"$X1\",\"last\":\"$!X2\"},{\"i\":\"$B1\",\"last\":\"$!B2\"},"
     "{\"i\":\"$B1\",\"last\":\"$!B2\"}]",
     "product 1", "s: /[]", "", "1 record", "2 records"},
    {"an access log: as many lines as came, which is noise",
     "POST /hook $A1 200\nPOST /hook $A1 200\nPOST /hook $X1 200\nPOST /hook $B1 200\nPOST /hook $B1 "
     "200\nPOST /hook $B1 200\n",
     "POST /hook $A1 200\nPOST /hook $X1 200\nPOST /hook $B1 500\n", "product 1", "s: /[]", "/4", "200",
     "500"},
    {"a history inside the row",
     "{\"$a1\":{\"q\":2,\"events\":[{\"e\":\"$!A1\"},{\"e\":\"$!A2\"}]},\"$x1\":{\"q\":2,\"events\":[{\"e\":"
     "\"$!X1\"},{\"e\":\"$!X2\"}]},"
     "\"$b1\":{\"q\":2,\"events\":[{\"e\":\"$!B1\"},{\"e\":\"$!B1\"},{\"e\":\"$!B2\"}]}}",
     "{\"$a1\":{\"q\":2,\"events\":[{\"e\":\"$!A1\"},{\"e\":\"$!A2\"}]},\"$x1\":{\"q\":2,\"events\":[{\"e\":"
     "\"$!X1\"},{\"e\":\"$!X2\"}]},"
     "\"$b1\":{\"q\":3,\"events\":[{\"e\":\"$!B1\"},{\"e\":\"$!B1\"},{\"e\":\"$!B2\"}]}}",
     "product 1", "s: /<product 1>", "/q", "2", "3"},
    {"tombstones: resurrected",
     "[{\"i\":\"$A1\",\"deleted\":true},{\"i\":\"$X1\",\"deleted\":true},{\"i\":\"$B1\",\"deleted\":true}]",
     "[{\"i\":\"$A1\",\"deleted\":true},{\"i\":\"$X1\",\"deleted\":true},{\"i\":\"$B1\",\"deleted\":false}]",
     "product 1", "s: /[]", "/deleted", "true", "false"},
    {"a removed one has no row: resurrected", "{\"p\":[{\"i\":\"$A2\"},{\"i\":\"$X2\"},{\"i\":\"$B2\"}]}",
     "{\"p\":[{\"i\":\"$A2\"},{\"i\":\"$X2\"},{\"i\":\"$B2\"},{\"i\":\"$B1\"}]}", "product 1", "s: /p/[]", "",
     "none", "1 record"},
    {"all were removed: one is back", "{\"p\":[]}", "{\"p\":[{\"i\":\"$B1\"}]}", "product 1", "s: /p/[]", "",
     "none", "1 record"},
    {"a row that is not there",
     "{\"p\":[{\"i\":\"$A1\"},{\"i\":\"$X1\"},{\"i\":\"$B1\"},{\"i\":\"$A2\"},{\"i\":\"$X2\"},{\"i\":\"$B2\"}"
     "]}",
     "{\"p\":[{\"i\":\"$A1\"},{\"i\":\"$X1\"},{\"i\":\"$B1\"},{\"i\":\"$A2\"},{\"i\":\"$X2\"}]}", "product 2",
     "s: /p/[]", "", "1 record", "none"},
    {"foreign rows all around, one a code that starts alike",
     "[{\"i\":\"trowel-a-100\"},{\"i\":\"spade-1\"},{\"i\":\"$a1\"},{\"i\":\"$x1\"},{\"i\":\"$b1\"},{\"i\":"
     "\"xtrowel-b-1\"},{\"i\":\"trowel-b-1.5\"}]",
     "[{\"i\":\"trowel-a-100\"},{\"i\":\"spade-1\"},{\"i\":\"$a1\"},{\"i\":\"$x1\"},{\"i\":\"$b1\"},{\"i\":"
     "\"$b1\"}]",
     "product 1", "s: /[]", "", "1 record", "2 records"},
    {"unicode and escapes around an id",
     "[{\"i\":\"größe\\n$a1\\u00e9\"},{\"i\":\"größe\\n$x1\\u00e9\"},{\"i\":\"größe\\n$b1é\"}]",
     "[{\"i\":\"größe\\n$a1\\u00e9\"},{\"i\":\"größe\\n$x1\\u00e9\"},{\"i\":\"größe\\n$b1\"}]", "product 1",
     "s: /[]", "/i", "\"größe\\n<product 1>é\"", "\"größe\\n<product 1>\""},
    {"null is not missing, and neither is an empty list",
     "[{\"i\":\"$a1\",\"n\":null,\"l\":[]},{\"i\":\"$x1\",\"n\":null,\"l\":[]},{\"i\":\"$b1\",\"n\":null,"
     "\"l\":[]}]",
     "[{\"i\":\"$a1\",\"n\":null,\"l\":[]},{\"i\":\"$x1\",\"n\":null,\"l\":[]},{\"i\":\"$b1\",\"l\":[]}]",
     "product 1", "s: /[]", "/n", "null", "none"},
    {"an emptied list",
     "[{\"i\":\"$a1\",\"t\":[\"new\"]},{\"i\":\"$x1\",\"t\":[\"new\"]},{\"i\":\"$b1\",\"t\":[\"new\"]}]",
     "[{\"i\":\"$a1\",\"t\":[\"new\"]},{\"i\":\"$x1\",\"t\":[\"new\"]},{\"i\":\"$b1\",\"t\":[]}]",
     "product 1", "s: /[]", "/t/[]", "\"new\"", "none"},
    {"a list whose order is the connector's whim",
     "[{\"i\":\"$a1\",\"t\":[1,2,3]},{\"i\":\"$x1\",\"t\":[3,1,2]},{\"i\":\"$b1\",\"t\":[2,3,1]}]",
     "[{\"i\":\"$a1\",\"t\":[1,2,3]},{\"i\":\"$x1\",\"t\":[3,1,2]},{\"i\":\"$b1\",\"t\":[2,2,3]}]",
     "product 1", "s: /[]", "/t/[]", "1", "2"},
    {"a list whose order counts",
     "[{\"i\":\"$a1\",\"t\":[1,2,3]},{\"i\":\"$x1\",\"t\":[1,2,3]},{\"i\":\"$b1\",\"t\":[1,2,3]}]",
     "[{\"i\":\"$a1\",\"t\":[1,2,3]},{\"i\":\"$x1\",\"t\":[1,2,3]},{\"i\":\"$b1\",\"t\":[1,3,2]}]",
     "product 1", "s: /[]", "/t/[]", "2", "3"},
    {"a map by the connector's own row numbers, and one by hashes",
     "{\"rows\":{\"17\":{\"i\":\"$a1\",\"q\":1},\"18\":{\"i\":\"$x1\",\"q\":1},\"19\":{\"i\":\"$b1\",\"q\":1}"
     "},"
     "\"cache\":{\"9f86d081\":{\"i\":\"$a1\"},\"84c7d659\":{\"i\":\"$x1\"},\"a2feaa0c\":{\"i\":\"$b1\"}}}",
     "{\"rows\":{\"17\":{\"i\":\"$a1\",\"q\":1},\"18\":{\"i\":\"$x1\",\"q\":1},\"19\":{\"i\":\"$b1\",\"q\":1}"
     ",\"20\":{\"i\":\"$b1\",\"q\":1}},"
     "\"cache\":{\"9f86d081\":{\"i\":\"$a1\"},\"84c7d659\":{\"i\":\"$x1\"},\"a2feaa0c\":{\"i\":\"$b1\"}}}",
     "product 1", "s: /rows/*", "", "1 record", "2 records"},
    {"a map by names of the connector's own",
     "{\"r\":{\"ox\":{\"i\":\"$a1\"},\"yak\":{\"i\":\"$x1\"},\"emu\":{\"i\":\"$b1\"},\"owl\":{\"i\":\"$a2\"},"
     "\"pig\":{\"i\":\"$x2\"},\"hen\":{\"i\":\"$b2\"}}}",
     "{\"r\":{\"ox\":{\"i\":\"$a1\"},\"yak\":{\"i\":\"$x1\"},\"emu\":{\"i\":\"$b1\"},\"owl\":{\"i\":\"$a2\"},"
     "\"pig\":{\"i\":\"$x2\"},\"hen\":{\"i\":\"$b2\",\"q\":1}}}",
     "product 2", "s: /r/*", "/q", "none", "1"},
    {"a field that speaks of whoever was last",
     "{\"last\":{\"i\":\"$b2\",\"e\":\"$!B3\"},\"p\":[{\"i\":\"$a1\"},{\"i\":\"$x1\"},{\"i\":\"$b1\"}]}",
     "{\"last\":{\"i\":\"$b2\",\"e\":\"$!B3\"},\"p\":[{\"i\":\"$a1\"},{\"i\":\"$x1\"},{\"i\":\"$b1\",\"d\":1}"
     "]}",
     "product 1", "s: /p/[]", "/d", "none", "1"},
    {"batches of any universes: a late one comes alone",
     "[{\"call\":1,\"items\":[{\"i\":\"$a1\"},{\"i\":\"$x1\"}]},{\"call\":2,\"items\":[{\"i\":\"$b1\"}]}]",
     "[{\"call\":1,\"items\":[{\"i\":\"$a1\"},{\"i\":\"$x1\"}]},{\"call\":2,\"items\":[{\"i\":\"$b1\"}]},{"
     "\"call\":3,\"items\":[{\"i\":\"$b1\"}]}]",
     "product 1", "s: /[]/items/[]", "", "1 record", "2 records"},
    {"a log of what was ignored, which only B has",
     "{\"p\":[{\"i\":\"$a1\",\"q\":1},{\"i\":\"$x1\",\"q\":1},{\"i\":\"$b1\",\"q\":1}],\"ignored\":[{\"i\":"
     "\"$b1\",\"e\":\"$!B1\"}]}",
     "{\"p\":[{\"i\":\"$a1\",\"q\":1},{\"i\":\"$x1\",\"q\":1},{\"i\":\"$b1\",\"q\":2}],\"ignored\":[{\"i\":"
     "\"$b1\",\"e\":\"$!B1\"}]}",
     "product 1", "s: /p/[]", "/q", "1", "2"},
    {"JSON kept as text, with noise inside",
     "[{\"d\":\"{\\\"i\\\":\\\"$A1\\\",\\\"r\\\":\\\"k1\\\",\\\"p\\\":10}\"},{\"d\":\"{\\\"i\\\":\\\"$X1\\\","
     "\\\"r\\\":\\\"k2\\\",\\\"p\\\":10}\"},"
     "{\"d\":\"{\\\"i\\\":\\\"$B1\\\",\\\"r\\\":\\\"k3\\\",\\\"p\\\":10}\"}]",
     "[{\"d\":\"{\\\"i\\\":\\\"$A1\\\",\\\"r\\\":\\\"k1\\\",\\\"p\\\":10}\"},{\"d\":\"{\\\"i\\\":\\\"$X1\\\","
     "\\\"r\\\":\\\"k2\\\",\\\"p\\\":10}\"},"
     "{\"d\":\"{\\\"i\\\":\\\"$B1\\\",\\\"r\\\":\\\"k3\\\",\\\"p\\\":9}\"}]",
     "product 1", "s: /[]", "/d/p", "10", "9"},
    {"entries by entity inside a record",
     "{\"carts\":[{\"lines\":{\"$a1\":2,\"$a2\":1}},{\"lines\":{\"$x2\":1,\"$x1\":2}},{\"lines\":{\"$b1\":2,"
     "\"$b2\":1}}]}",
     "{\"carts\":[{\"lines\":{\"$a1\":2,\"$a2\":1}},{\"lines\":{\"$x2\":1,\"$x1\":2}},{\"lines\":{\"$b1\":3,"
     "\"$b2\":1}}]}",
     "product 1, product 2", "s: /carts/[]", "/lines/<product 1>", "2", "3"},
};

static void test_a_sound_state_has_no_effect(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(shapes); i++) {
        struct effects effects = compared(shapes[i].sound);
        if (effects.count)
            fail_with(shapes[i].name, &effects);
        effects_reset(&effects);
    }
}

static void test_an_unsound_state_has_exactly_its_effect(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(shapes); i++) {
        const struct shape *s = &shapes[i];
        struct effects effects = compared(s->unsound);
        const struct effect *e = effects.items;
        if (effects.count != 1 || strcmp(e->about, s->about) != 0 || strcmp(e->place, s->place) != 0 ||
            strcmp(e->path, s->path) != 0 || strcmp(e->expected, s->expected) != 0 ||
            strcmp(e->found, s->found) != 0)
            fail_with(s->name, &effects);
        effects_reset(&effects);
    }
}

/* ---- ids and moments ------------------------------------------------------------------------- */

static void assert_renamed(const char *text, const char *expected)
{
    struct idents *idents = known_ids();
    char *in = spelled(text);
    struct buf out;
    buf_init(&out, 1 << 16);
    idents_rename(idents, span_of(in), &out);
    assert_string_equal(buf_text(&out), expected);
    buf_reset(&out);
    free(in);
    idents_free(idents);
}

static void test_ids_are_found_in_any_spelling(void **state)
{
    (void)state;
    assert_renamed("$A1", "<product 1>");
    assert_renamed("urn:uuid:$^X2/$-B3,$!A4", "urn:uuid:<product 2>/<product 3>,<event>");
    assert_renamed("id$-A1", "id<product 1>");
    assert_renamed("TROWEL-A-1", "<product 1>");
    assert_renamed("$A1$A2", "<product 1><product 2>");
}

static void test_a_code_is_found_only_as_a_word(void **state)
{
    (void)state;
    assert_renamed("$a1 $a12 trowel-a-123", "<product 1> <product 12> trowel-a-123");
    assert_renamed("xtrowel-a-1 trowel-a-1x trowel-a-1.5", "xtrowel-a-1 trowel-a-1x trowel-a-1.5");
    assert_renamed("(trowel-a-1)_img.jpg trowel-a-1.jpg", "(<product 1>)_img.jpg <product 1>.jpg");
}

static void test_the_longest_id_wins(void **state)
{
    (void)state;
    struct idents *idents = idents_new();
    struct buf out;
    buf_init(&out, 1000);
    idents_add_entity(idents, UNIVERSE_A, "model", FORM_ONLY, "garden-chair");
    idents_add_entity(idents, UNIVERSE_A, "variant", FORM_ONLY, "garden-chair-red");
    idents_add_entity(idents, UNIVERSE_A, "set", FORM_ONLY, "big-garden-chair-red");
    idents_add_entity(idents, UNIVERSE_A, "short", FORM_ONLY, "chair-1"); /* too short to be taken */
    idents_add_entity(idents, UNIVERSE_B, "again", FORM_ONLY, "garden-chair");
    idents_rename(idents, span_of("garden-chair garden-chair-red big-garden-chair-red chair-1"), &out);
    assert_string_equal(buf_text(&out), "<model> <variant> <set> chair-1");
    buf_reset(&out);
    idents_free(idents);
}

static void test_an_id_is_found_however_json_escapes_it(void **state)
{
    (void)state;
    struct idents *idents = idents_new();
    idents_add_entity(idents, UNIVERSE_A, "p", FORM_ONLY,
                      "sp\xc3\xa4"
                      "ten/1\"");
    static const char *const rows[] = {"[{\"i\":\"sp\xc3\xa4"
                                       "ten/1\\\"\"}]",
                                       "[{\"i\":\"sp\\u00E4ten\\/1\\\"\"}]"};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct effect_records records = {0};
        effects_cut(idents, "s", span_of(rows[i]), &records);
        assert_int_equal(records.count, 1);
        assert_string_equal(records.items[0].text, "{\"i\":\"<p>\"}");
        effect_records_reset(&records);
    }
    idents_free(idents);
}

static void test_moments_in_the_window_are_now(void **state)
{
    (void)state;
    static const char *const now[] = {
        "2026-01-31T09:13:59Z",
        "2026-01-31T09:13:59+00:00",
        "2026-01-31T10:13:59.123456+0100",
        "2026-01-31 09:13:59.5",
        "2026-01-31 14:43:59",
        "2026/01/31 09:14:00",
        "2026-01-30T23:13:59-10:00",
        "2026-01-31T09:14",
        "1769850839",
        "1769850839.25",
        "1769850839123",
        "1769850839123456",
        "1769850839123456789",
        "2026-01-31T09:13:59,250Z",
        "2026-01-31T09:13:50Z",
        "31 Jan 2026 09:13:59 GMT",
        "31 Jan 2026 10:13:59 +0100",
        "Jan 31 09:13:59 2026",
        "Jan 31 09:13:59 UTC 2026",
        "Jan 31 2026 04:13:59 GMT-0500",
        "January 31, 2026, 9:13:59 AM",
        "January 31, 2026, 9:13:59 PM",
        "31/01/2026 09:13:59",
        "31.01.2026, 09:13",
        "1/31/2026, 10:13:59 AM",
        "1/31/2026, 10:13:59\xe2\x80\xafPM",
        "2026-01-31 10:13:59 +0100",
        "2026-01-31 09:13:59 UTC",
        "20260131091359",
        "20260131T091359Z",
    };
    static const char *const not_now[] = {
        "2026-01-31T09:13:49Z",
        "2026-01-31T09:14:51Z",
        "2026-01-31T09:13:59+01:00",
        "2026-01-31 09:28:29",
        "2025-01-31T09:13:59Z",
        "1769850829",
        "1769850891",
        "17698508390",
        "x1769850839",
        "1.1769850839",
        "2026-01-31",
        "99-99-99T99",
        "31 Jan 2025 09:13:59 GMT",
        "30 Jan 2026 09:13:59 GMT",
        "31/01/2025 09:13:59",
        "Jan 31",
        "20250131091359",
        "May 2026",
        "202601310913590",
    };
    for (size_t i = 0; i < COUNT_OF(now); i++)
        assert_renamed(now[i], "<now>");
    for (size_t i = 0; i < COUNT_OF(not_now); i++)
        assert_renamed(not_now[i], not_now[i]);
    assert_renamed("at 2026-01-31T09:13:59Z, $A1", "at <now>, <product 1>");
    assert_renamed("Sat Jan 31 2026 09:13:59 GMT+0000 (Coordinated Universal Time)",
                   "Sat <now> (Coordinated Universal Time)");
    assert_renamed("Sat, 31 Jan 2026 09:13:59 GMT; Sat Jan 31 09:13:59 2026", "Sat, <now>; Sat <now>");
    assert_renamed("v1769850839 etag-1769850839-3", "v1769850839 etag-<now>-3");
}

/* ---- what is counted ------------------------------------------------------------------------- */

static void assert_counts(const char *snapshot, size_t effect_count, size_t compared_count, size_t noisy)
{
    struct effects effects = compared(snapshot);
    if (effects.count != effect_count || effects.compared != compared_count || effects.noisy != noisy)
        fail_with(snapshot, &effects);
    effects_reset(&effects);
}

static void test_nothing_to_compare_is_said(void **state)
{
    (void)state;
    assert_counts("", 0, 0, 0);
    assert_counts("   \n", 0, 0, 0);
    assert_counts("[]", 0, 0, 0);
    assert_counts("{\"products\":[{\"i\":\"someone\"}]}", 0, 0, 0);
    assert_counts("<html><h1>502 Bad Gateway</h1></html>", 0, 0, 0);
    assert_counts("{\"i\":\"$A1\"}", 0, 0, 0); /* a field, not an item of a list */
    assert_counts("[{\"i\":\"$A1\"}]", 0, 0, 1);
    assert_counts("[{\"i\":\"$B1\"}]", 1, 0, 0);
}

static void test_what_a_and_a2_disagree_about_is_not_held_against_b(void **state)
{
    (void)state;
    assert_counts("[{\"i\":\"$a1\"},{\"i\":\"$a1\"},{\"i\":\"$x1\"},{\"i\":\"$b1\"},"
                  "{\"i\":\"$a2\"},{\"i\":\"$x2\"},{\"i\":\"$b2\"},{\"i\":\"$b2\"}]",
                  0, 1, 2);
    struct effects effects = compared("[{\"i\":\"$a1\",\"r\":[{\"k\":1}]},{\"i\":\"$x1\",\"r\":[{\"k\":2}]},"
                                      "{\"i\":\"$b1\",\"r\":[]}]");
    assert_int_equal(effects.count, 0);
    assert_int_equal(effects.noise_count, 1);
    assert_string_equal(effects.noise[0], "s: /[] : /r/[]/k");
    effects_reset(&effects);
}

static void test_what_only_a2_does_without_is_compared_where_b_has_as_much_as_a(void **state)
{
    (void)state;
#define TAUGHT "{\"$a1\":{\"n\":1,\"t\":1},\"$x1\":{\"n\":1,\"t\":2},\"$b1\":{\"n\":1,\"t\":3}"
    assert_counts(TAUGHT ",\"$a2\":{\"n\":1,\"t\":1},\"$b2\":{\"n\":0,\"t\":1}}", 1, 1, 1);
    assert_counts(TAUGHT ",\"$a2\":{\"n\":1,\"t\":1},\"$b2\":{\"n\":1,\"t\":7}}", 0, 1, 1);
    assert_counts(TAUGHT ",\"$a2\":{\"n\":1,\"t\":1}}", 0, 1, 1);
    assert_counts("{\"$a2\":{\"n\":1},\"$b2\":{\"n\":0}}", 0, 0, 1); /* what is noise here is not known */
#undef TAUGHT
}

static void test_rows_that_name_their_neighbours_are_not_compared(void **state)
{
    (void)state;
#define ROW(universe, id, n, next)                                                                           \
    "{\"i\":\"$" universe #id "\",\"n\":" #n ",\"next\":\"$" universe #next "\"}"
    assert_counts("[" ROW("a", 1, 5, 2) "," ROW("x", 1, 5, 2) "," ROW("b", 2, 6, 1) "]", 1, 1, 0);
    assert_counts("[" ROW("a", 1, 5, 2) "," ROW("x", 1, 5, 2) "," ROW("b", 2, 6, 1) "," ROW("a", 3, 7, 4) "]",
                  0, 0, 1);
#undef ROW
}

static void test_columns_of_a_row_are_noise_one_by_one(void **state)
{
    (void)state;
    assert_counts("[[\"$a1\",1,true],[\"$x1\",2,true],[\"$b1\",3,true]]", 0, 1, 0);
    assert_counts("[[\"$a1\",1,true],[\"$x1\",2,true],[\"$b1\",3,false]]", 1, 1, 0);
    assert_counts("[[\"$a1\",null,[\"x\"]],[\"$x1\",7,[\"x\"]],[\"$b1\",9,[\"y\"]]]", 1, 1, 0);
}

static void test_what_b_has_left_is_no_history_where_a_has_none(void **state)
{
    (void)state;
    struct effect_records records = {0};
    struct effects effects = {0};
    cut("[{\"i\":\"$a1\",\"e\":[\"$!A1\",\"$!A2\"]},{\"i\":\"$x1\",\"e\":[\"$!X1\",\"$!X2\"]}]", &records);
    cut("[{\"i\":\"$b2\",\"e\":[\"$!B2\"]}]", &records); /* looked at later, after a restart */
    effects_compare(&records, NULL, &effects);
    assert_int_equal(effects.count, 2);
    effect_records_reset(&records);
    effects_reset(&effects);
}

static void test_noise_is_learned_for_all_entities_of_a_place(void **state)
{
    (void)state;
    assert_counts("{\"$a1\":{\"n\":1},\"$x1\":{\"n\":2},\"$b1\":{\"n\":3},\"$a2\":{\"n\":7},\"$x2\":{\"n\":7}"
                  ",\"$b2\":{\"n\":8}}",
                  0, 2, 0);
    assert_counts("{\"p\":{\"$a1\":{\"n\":1},\"$x1\":{\"n\":2},\"$b1\":{\"n\":3}},"
                  "\"q\":{\"$a2\":{\"n\":7},\"$x2\":{\"n\":7},\"$b2\":{\"n\":8}}}",
                  1, 2, 0);
}

static void test_effects_are_sorted_and_show_their_records(void **state)
{
    (void)state;
    struct effects e = compared("{\"z\":[{\"i\":\"$a1\",\"v\":1},{\"i\":\"$x1\",\"v\":1}],"
                                "\"b\":[{\"i\":\"$a2\",\"v\":1,\"w\":{\"x\":1}},{\"i\":\"$x2\",\"v\":1,\"w\":"
                                "{\"x\":1}},{\"i\":\"$b2\",\"v\":2,\"w\":{\"x\":2}}],"
                                "\"a\":[{\"i\":\"$a2\"},{\"i\":\"$x2\"},{\"i\":\"$b2\"},{\"i\":\"$b2\"}]}");
    assert_int_equal(e.count, 3);
    assert_string_equal(e.items[0].about, "product 1");
    assert_string_equal(e.items[0].found, "none");
    assert_string_equal(e.items[0].record_a, "{\"i\":\"<product 1>\",\"v\":1}");
    assert_string_equal(e.items[0].record_b, "");
    assert_string_equal(e.items[1].place, "s: /a/[]");
    assert_string_equal(e.items[2].place, "s: /b/[]");
    assert_string_equal(e.items[2].path, "/v");
    assert_string_equal(e.items[2].record_b, "{\"i\":\"<product 2>\",\"v\":2,\"w\":{\"x\":2}}");
    effects_reset(&e);
}

static void test_other_paths_that_differ_are_told_too(void **state)
{
    (void)state;
    static const char *const also[] = {"/c", "/dd", "/ee", "/ff", "/gg"};
    const char *calm = "'t':1,'a':1,'b':2,'gg':3,'ff':4,'ee':5,'dd':6,'c':7,'h':{'i':8,'j':9}}";
    struct buf text;
    buf_init(&text, 4000);
    buf_printf(&text, "[{'id':'$A1',%s,{'id':'$X1','t':2,%s,{'id':'$B1','t':3,'a':1,'b':0,'z':1},", calm,
               calm + strlen("'t':1,"));
    buf_puts(&text, "{'id':'$A2','b':1},{'id':'$X2','b':1},{'id':'$B2','b':0}]");
    for (size_t i = 0; i < text.len; i++)
        text.data[i] = text.data[i] == '\'' ? '"' : text.data[i];
    struct effects effects = compared(buf_text(&text));
    assert_int_equal(effects.count, 2);
    const struct effect *e = &effects.items[0];
    assert_string_equal(e->path, "/b");
    assert_int_equal(e->also_count, COUNT_OF(also));
    for (size_t i = 0; i < COUNT_OF(also); i++)
        assert_string_equal(e->also[i], also[i]);
    assert_int_equal(e->also_more, 3); /* /h/i, /h/j, and /z, which A has not; not the noise at /t */
    assert_int_equal(effects.items[1].also_count, 0);
    assert_int_equal(effects.items[1].also_more, 0);
    effects_reset(&effects);
    buf_reset(&text);
}

static void test_a_history_with_one_event_for_some_stays_a_history(void **state)
{
    (void)state;
    assert_counts("[{\"e\":\"$!A1\",\"i\":\"$A1\"},{\"e\":\"$!A2\",\"i\":\"$A1\"},{\"e\":\"$!X1\",\"i\":\"$"
                  "X1\"},{\"e\":\"$!X2\",\"i\":\"$X1\"},"
                  "{\"e\":\"$!A3\",\"i\":\"$A2\"},{\"e\":\"$!X3\",\"i\":\"$X2\"},{\"e\":\"$!B3\",\"i\":\"$"
                  "B2\"},{\"e\":\"$!B3\",\"i\":\"$B2\"}]",
                  0, 0, 0);
    /* Two rows of one event are no history: rows for each locale, say. */
    assert_counts("[{\"e\":\"$!A1\",\"i\":\"$A1\",\"l\":1},{\"e\":\"$!A1\",\"i\":\"$A1\",\"l\":2},"
                  "{\"e\":\"$!X1\",\"i\":\"$X1\",\"l\":1},{\"e\":\"$!X1\",\"i\":\"$X1\",\"l\":2},"
                  "{\"e\":\"$!B1\",\"i\":\"$B1\",\"l\":1},{\"e\":\"$!B1\",\"i\":\"$B1\",\"l\":3}]",
                  1, 2, 0);
}

static void test_records_of_a_journal_compare_like_fresh_ones(void **state)
{
    (void)state;
    struct effect_records fresh = {0}, copied = {0};
    cut("1,$a1,x\n2,$x1,x\n3,$b1,y\n", &fresh);
    for (size_t i = 0; i < fresh.count; i++) {
        const struct effect_record *r = &fresh.items[i];
        effect_records_add(&copied, r->universe, span_of(r->place), span_of(r->about), span_of(r->text),
                           r->history);
    }
    effect_records_reset(&fresh);
    struct effects effects = {0};
    effects_compare(&copied, NULL, &effects);
    assert_int_equal(effects.count, 1);
    assert_string_equal(effects.items[0].path, "/3");
    assert_string_equal(effects.items[0].record_b, "3,<product 1>,y");
    effect_records_reset(&copied);
    effects_reset(&effects);
}

/* ---- at random ------------------------------------------------------------------------------- */

/* A value that is the same in all universes (its stream is), with noise of its own at fixed places. */
static void put_random(struct buf *out, struct rng *same, struct rng *noise, unsigned depth, char letter,
                       unsigned number)
{
    switch (rng_below(same, depth ? 9 : 6)) {
    case 0:
        buf_printf(out, "%u", (unsigned)rng_below(same, 100));
        break;
    case 1:
        buf_printf(out, "\"w%u\"", (unsigned)rng_below(same, 5));
        break;
    case 2:
        buf_puts(out, rng_below(same, 2) ? "null" : "[]");
        break;
    case 3:
        buf_printf(out, "\"n%u\"", (unsigned)rng_below(noise, 1000000));
        break;
    case 4:
        buf_printf(out, "\"http://h/$%s%c%u/x\"", (const char *[]){"", "^", "-", "!"}[rng_below(same, 4)],
                   letter, number);
        break;
    case 5:
        buf_printf(out, "%u", 1769850831 + (unsigned)rng_below(noise, 50));
        break;
    case 6:
    case 7:
        buf_puts(out, "{\"$");
        buf_printf(out, "%c%u\":", letter, number);
        put_random(out, same, noise, depth - 1, letter, number);
        for (uint64_t i = 0, n = rng_below(same, 4); i < n; i++) {
            buf_printf(out, ",\"k%u\":", (unsigned)i);
            put_random(out, same, noise, depth - 1, letter, number);
        }
        buf_putc(out, '}');
        break;
    default:
        buf_puts(out, "[1");
        for (uint64_t i = 0, n = rng_below(same, 4); i < n; i++) {
            buf_putc(out, ',');
            put_random(out, same, noise, depth - 1, letter, number);
        }
        buf_putc(out, ']');
    }
}

/* One row of each of the three, for a few products, in any order. */
static char *random_state(uint64_t seed)
{
    struct buf rows[3 * 8], out;
    struct rng noise;
    size_t count = 0;
    rng_init(&noise, seed, "noise");
    for (unsigned number = 1; number <= 8; number++)
        for (size_t u = 0; u < UNIVERSE_COUNT; u++) {
            struct rng same;
            rng_init(&same, seed * 100 + number, "same");
            buf_init(&rows[count], 1 << 20);
            buf_printf(&rows[count],
                       "{\"row\":%u,\"id\":\"$%c%u\",\"value\":", (unsigned)rng_below(&noise, 1u << 30),
                       "AXB"[u], number);
            put_random(&rows[count], &same, &noise, 4, "AXB"[u], number);
            buf_putc(&rows[count++], '}');
        }
    buf_init(&out, 1 << 22);
    for (size_t left = count; left; left--) {
        size_t pick = (size_t)rng_below(&noise, left);
        buf_puts(&out, left == count ? "{\"all\":[" : ",");
        buf_put_span(&out, buf_span(&rows[pick]));
        buf_reset(&rows[pick]);
        rows[pick] = rows[left - 1];
    }
    buf_puts(&out, "]}");
    return buf_take(&out);
}

#define SHARDS(in_0, in_c)                                                                                   \
    "{\"0\":[" in_0 "],\"1\":[{\"i\":\"$A1\",\"p\":1},{\"i\":\"$B2\"}],\"9\":[{\"i\":\"$X1\",\"p\":1}],"     \
    "\"a\":[],\"b\":[{\"i\":\"$A2\"},{\"i\":\"$X2\"}],\"c\":[" in_c "]}"

static void test_shards_are_one_place(void **state)
{
    (void)state;
    /* Who stands where is chance; a copy in another shard is found, and so is a lost one. */
    assert_counts(SHARDS("{\"i\":\"$B1\",\"p\":1}", ""), 0, 2, 0);
    assert_counts(SHARDS("", "{\"i\":\"$B1\",\"p\":1}"), 0, 2, 0);
    struct effects effects = compared(SHARDS("{\"i\":\"$B1\",\"p\":1}", "{\"i\":\"$B1\",\"p\":1}"));
    assert_int_equal(effects.count, 1);
    assert_string_equal(effects.items[0].place, "s: /*/[]");
    assert_string_equal(effects.items[0].found, "2 records");
    effects_reset(&effects);
    assert_counts(SHARDS("{\"i\":\"$B1\",\"p\":2}", ""), 1, 2, 0);
    assert_counts(SHARDS("", ""), 1, 2, 0);
    /* Maps of records, in a map, named by numbers. */
    assert_counts(
        "{\"by\":{\"0\":{\"$A1\":[1],\"$X2\":[2]},\"1\":{\"$B1\":[1]},\"12\":{\"$X1\":[1],\"$A2\":[2]},"
        "\"3\":{},\"4\":{\"$B2\":[2]},\"5\":{}}}",
        0, 2, 0);
}

static void test_what_is_kept_apart_on_purpose_is_no_shards(void **state)
{
    (void)state;
    /* A and A' agree about who is where: B moved. */
    assert_counts(
        "{\"A\":[{\"i\":\"$A1\"},{\"i\":\"$X1\"}],\"B\":[{\"i\":\"$A2\"},{\"i\":\"$X2\"},{\"i\":\"$B2\"}],"
        "\"C\":[{\"i\":\"$B1\"}],\"D\":[],\"E\":[],\"F\":[]}",
        2, 2, 0);
    /* They do not, but names like these are no accident. */
    assert_counts("{\"active\":[{\"i\":\"$A1\"},{\"i\":\"$B1\"},{\"i\":\"$A2\"},{\"i\":\"$X2\"}],"
                  "\"queue\":[{\"i\":\"$X1\"}],\"deleted\":[{\"i\":\"$B2\"}],\"a\":[],\"b\":[],\"c\":[]}",
                  1, 1, 2);
    /* Too few. */
    assert_counts("{\"0\":[{\"i\":\"$A1\"},{\"i\":\"$B1\"},{\"i\":\"$A2\"},{\"i\":\"$X2\"}],"
                  "\"1\":[{\"i\":\"$X1\"},{\"i\":\"$B2\"}]}",
                  0, 1, 2);
    /* Lists and maps; lists of different things. */
    assert_counts(
        "{\"0\":[{\"i\":\"$A1\"},{\"i\":\"$X2\"}],\"1\":[{\"i\":\"$X1\"},{\"i\":\"$A2\"}],\"2\":{},\"3\":[],"
        "\"4\":[],\"5\":[]}",
        0, 0, 4);
    assert_counts(
        "{\"0\":[{\"i\":\"$A1\"},{\"i\":\"$X2\"}],\"1\":[{\"i\":\"$X1\"},{\"i\":\"$A2\"}],\"2\":[1],\"3\":[],"
        "\"4\":[],\"5\":[]}",
        0, 0, 4);
}

static void test_random_sound_states_have_no_effect(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        char *snapshot = random_state(seed);
        struct effects effects = compared(snapshot);
        if (effects.count || effects.compared != 8)
            fail_with(snapshot, &effects);
        effects_reset(&effects);
        free(snapshot);
    }
}

static void test_garbage_is_cut_without_harm(void **state)
{
    (void)state;
    static const char *const bits[] = {"$A1",
                                       "$x2",
                                       "$!B1",
                                       "{",
                                       "}",
                                       "[",
                                       "]",
                                       ",",
                                       ":",
                                       "\"",
                                       "\\",
                                       "\n",
                                       "|",
                                       "\xff",
                                       "\xc3",
                                       "\t",
                                       "\r",
                                       "1e99",
                                       "<",
                                       ">",
                                       "null",
                                       "1769850839",
                                       "=",
                                       "-",
                                       ".",
                                       "0",
                                       "{\"a\":",
                                       "[{\"i\":\"$b1\"}]",
                                       "2026-01-31T09:13:5",
                                       "\\u00",
                                       "$-A",
                                       "trowel-"};
    struct rng rng;
    rng_init(&rng, 7, "garbage");
    for (unsigned round = 0; round < 3000; round++) {
        struct buf text;
        buf_init(&text, 1 << 16);
        for (uint64_t i = 0, n = rng_below(&rng, 40); i < n; i++) {
            if (rng_below(&rng, 10) == 0)
                buf_putc(&text, (char)(1 + rng_below(&rng, 255)));
            else
                buf_puts(&text, bits[rng_below(&rng, COUNT_OF(bits))]);
        }
        struct effects effects = compared(buf_text(&text));
        effects_reset(&effects);
        buf_reset(&text);
    }
}

static void test_nul_bytes_are_cut_without_harm(void **state)
{
    (void)state;
    static const char text[] = "a\0trowel-a-1\0b\ntrowel-a-1|\0\0|\n[\0\"trowel-b-1\"]\0";
    struct idents *idents = known_ids();
    struct effect_records records = {0};
    effects_cut(idents, "s", (struct span){text, sizeof text}, &records);
    assert_int_equal(records.count, 3);
    effect_records_reset(&records);
    idents_free(idents);
}

static void test_a_large_state_is_cut_among_foreign_rows(void **state)
{
    (void)state;
    struct buf text;
    buf_init(&text, 1 << 26);
    buf_puts(&text, "{\"rows\":[{}");
    for (unsigned i = 0; i < 50000; i++) {
        if (i % 500 == 0)
            for (const char *u = "AXB"; *u; u++)
                buf_printf(&text, ",{\"id\":%u,\"uuid\":\"$%c%u\",\"price\":%u}", i * 4, *u,
                           1 + i / 500 % IDS, i);
        buf_printf(&text, ",{\"id\":%u,\"uuid\":\"018e197c-dfe2-7aaa-93c0-%012x\",\"price\":%u}", i * 4 + 1,
                   i, i);
    }
    buf_puts(&text, "]}");
    struct effect_records records = {0};
    struct effects effects = {0};
    cut(buf_text(&text), &records);
    assert_int_equal(records.count, 300);
    effects_compare(&records, NULL, &effects);
    assert_int_equal(effects.count, 0);
    assert_int_equal(effects.compared, 100);
    effects_reset(&effects);
    effect_records_reset(&records);
    buf_reset(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_sound_state_has_no_effect),
        cmocka_unit_test(test_an_unsound_state_has_exactly_its_effect),
        cmocka_unit_test(test_ids_are_found_in_any_spelling),
        cmocka_unit_test(test_a_code_is_found_only_as_a_word),
        cmocka_unit_test(test_the_longest_id_wins),
        cmocka_unit_test(test_an_id_is_found_however_json_escapes_it),
        cmocka_unit_test(test_moments_in_the_window_are_now),
        cmocka_unit_test(test_nothing_to_compare_is_said),
        cmocka_unit_test(test_what_a_and_a2_disagree_about_is_not_held_against_b),
        cmocka_unit_test(test_what_only_a2_does_without_is_compared_where_b_has_as_much_as_a),
        cmocka_unit_test(test_what_b_has_left_is_no_history_where_a_has_none),
        cmocka_unit_test(test_rows_that_name_their_neighbours_are_not_compared),
        cmocka_unit_test(test_columns_of_a_row_are_noise_one_by_one),
        cmocka_unit_test(test_noise_is_learned_for_all_entities_of_a_place),
        cmocka_unit_test(test_effects_are_sorted_and_show_their_records),
        cmocka_unit_test(test_other_paths_that_differ_are_told_too),
        cmocka_unit_test(test_a_history_with_one_event_for_some_stays_a_history),
        cmocka_unit_test(test_records_of_a_journal_compare_like_fresh_ones),
        cmocka_unit_test(test_shards_are_one_place),
        cmocka_unit_test(test_what_is_kept_apart_on_purpose_is_no_shards),
        cmocka_unit_test(test_random_sound_states_have_no_effect),
        cmocka_unit_test(test_garbage_is_cut_without_harm),
        cmocka_unit_test(test_nul_bytes_are_cut_without_harm),
        cmocka_unit_test(test_a_large_state_is_cut_among_foreign_rows),
    };
    return cmocka_run_group_tests_name("effects", tests, NULL, NULL);
}
