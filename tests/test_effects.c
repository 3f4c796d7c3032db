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
            idents_add_entity(idents, u, name, buf_text(&id));
            buf_clear(&id);
            put_code(&id, u, n);
            idents_add_entity(idents, u, name, buf_text(&id));
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
    effects_compare(&records, &effects);
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
     "{\"rows\":[[\"$-A1\",150],[\"$-X1\",150],[\"$-B1\",100]]}", "product 1", "s: /rows/[]", "/[]", "150",
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
     "product 1", "s: /d/t/[]", "/m/x/y/[]/z", "true", "false"},
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
     "s: /[]", "", "größe\n<product 1>é", "größe\n<product 1>"},
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_sound_state_has_no_effect),
        cmocka_unit_test(test_an_unsound_state_has_exactly_its_effect),
    };
    return cmocka_run_group_tests_name("effects", tests, NULL, NULL);
}
