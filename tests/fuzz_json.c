/* What parses can be spelled in every style, parses again, and comes back the same. */
#include <stdlib.h>
#include <string.h>

#include "json.h"

#define BYTES_MAX (8u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct json_style styles[] = {
    {0},
    {.escape_slash = true, .escape_unicode = true, .php_arrays = true},
    {.escape_unicode = true, .upper_hex = true, .spaces = true},
    {.reverse_keys = true},
};

/* Spelled, read, and spelled plainly. */
static void round_trip(const struct json_doc *doc, const struct json_style *style, struct buf *plain)
{
    struct json_doc again = {0};
    struct err err;
    struct buf spelled;
    buf_init(&spelled, BYTES_MAX);
    if (!json_respell(doc, JSON_ROOT, style, &spelled, &err) ||
        !json_parse(&again, "again", buf_span(&spelled), JSON_STRICT, &err) ||
        !json_respell(&again, JSON_ROOT, &(struct json_style){.reverse_keys = style->reverse_keys}, plain,
                      &err))
        abort();
    json_reset(&again);
    buf_reset(&spelled);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct json_doc doc = {0};
    struct err err;
    struct span text = {(const char *)data, size};
    if (json_parse(&doc, "fuzz", text, JSON_STRICT, &err)) {
        struct buf first;
        buf_init(&first, BYTES_MAX);
        for (size_t i = 0; i < COUNT_OF(styles); i++) {
            struct buf plain;
            buf_init(&plain, BYTES_MAX);
            round_trip(&doc, &styles[i], i ? &plain : &first);
            /* an empty object that was written as PHP writes it is an array from then on */
            if (i && !styles[i].php_arrays && !span_same(buf_span(&plain), buf_span(&first)))
                abort();
            buf_reset(&plain);
        }
        buf_reset(&first);
    }
    if (json_parse(&doc, "fuzz", text, JSON_COMMENTS, &err))
        for (uint32_t node = json_first(&doc, JSON_ROOT); node != JSON_NONE; node = json_next(&doc, node))
            free(json_string_dup(&doc, node));
    json_reset(&doc);
    return 0;
}
