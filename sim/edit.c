/* edit: see edit.h. */
#include "edit.h"

#include "limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEYS_MAX 1000u /* candidates for a "did you mean" */

void edits_init(struct edits *edits, const struct json_style *style)
{
    *edits = (struct edits){.style = *style};
    buf_init(&edits->scratch, BODY_BYTES_MAX);
}

void edits_reset(struct edits *edits)
{
    for (size_t i = 0; i < edits->count; i++) {
        free(edits->items[i].pointer);
        buf_reset(&edits->items[i].value);
    }
    free(edits->items);
    json_reset(&edits->doc);
    buf_reset(&edits->scratch);
}

bool edits_add(struct edits *edits, const char *text, struct err *err)
{
    const char *equals = strchr(text, '=');
    if (*text != '/' || !equals)
        return err_set(err, "%s: write /pointer=value", text);
    edits->items = mem_grow(edits->items, &edits->cap, edits->count, sizeof *edits->items);
    struct edit *edit = &edits->items[edits->count++];
    edit->pointer = mem_text_n(text, (size_t)(equals - text));
    buf_init(&edit->value, BODY_BYTES_MAX);
    struct json_style style = edits->style;
    style.php_arrays = false; /* who writes {} means it */
    struct span value = span_of(equals + 1);
    struct err ignored;
    if (!json_parse(&edits->doc, "value", value, JSON_STRICT, &ignored) ||
        !json_respell(&edits->doc, JSON_ROOT, &style, &edit->value, &ignored)) {
        buf_clear(&edit->value);
        json_put_string(&edit->value, &style, value);
    }
    return buf_ok(&edit->value) || err_set(err, "%s: the value is too large", edit->pointer);
}

/* A pointer's word with its ~0 and ~1 decoded. */
static void put_decoded(struct buf *out, const char *word)
{
    for (; *word && *word != '/'; word++) {
        bool escape = word[0] == '~' && (word[1] == '0' || word[1] == '1');
        buf_putc(out, !escape ? *word : word[1] == '0' ? '~' : '/');
        word += escape;
    }
}

/* Name the object's member nearest to the word, if there is one. */
static void suggest(struct edits *edits, uint32_t object, const char *word, struct err *err)
{
    char *keys[KEYS_MAX];
    size_t count = 0;
    for (uint32_t n = json_first(&edits->doc, object); n != JSON_NONE && count < KEYS_MAX;
         n = json_next(&edits->doc, n)) {
        buf_clear(&edits->scratch);
        struct span key = json_key(&edits->doc, n, &edits->scratch);
        keys[count++] = mem_text_n(key.data, key.len);
    }
    const char *nearest = word_nearest(word, (const char *const *)keys, count);
    if (nearest) {
        size_t len = strlen(err->text);
        snprintf(err->text + len, sizeof err->text - len, " (did you mean %s?)", nearest);
    }
    while (count)
        free(keys[--count]);
}

static bool no_such_place(struct edits *edits, const char *pointer, struct err *err)
{
    char *known = mem_text(pointer); /* as far as it leads */
    do
        *strrchr(known, '/') = '\0';
    while (json_pointer(&edits->doc, known) == JSON_NONE);
    uint32_t node = json_pointer(&edits->doc, known);
    struct buf word;
    buf_init(&word, BODY_BYTES_MAX);
    put_decoded(&word, pointer + strlen(known) + 1);
    err_set(err, "%s: there is no \"%s\" in %s", pointer, buf_text(&word), *known ? known : "the event");
    if (json_type(&edits->doc, node) == JSON_OBJECT)
        suggest(edits, node, buf_text(&word), err);
    buf_reset(&word);
    free(known);
    return false;
}

/* Replace bytes start … end of the text. */
static void splice(struct edits *edits, struct buf *text, size_t start, size_t end, struct span with)
{
    struct buf old = *text;
    buf_clear(&edits->scratch);
    buf_put(&edits->scratch, old.data, start);
    buf_put_span(&edits->scratch, with);
    buf_put(&edits->scratch, old.data + end, old.len - end);
    *text = edits->scratch;
    edits->scratch = old;
}

/* Add the member that the pointer's last word names. An empty object that PHP wrote as an empty array
 * becomes an object again. */
static bool add_member(struct edits *edits, const struct edit *edit, struct buf *text, struct err *err)
{
    const char *word = strrchr(edit->pointer, '/') + 1;
    char *parent = mem_text_n(edit->pointer, (size_t)(word - 1 - edit->pointer));
    uint32_t node = json_pointer(&edits->doc, parent);
    free(parent);
    enum json_type type = json_type(&edits->doc, node);
    bool empty = json_count(&edits->doc, node) == 0;
    if (type != JSON_OBJECT && !(type == JSON_ARRAY && empty && edits->style.php_arrays))
        return no_such_place(edits, edit->pointer, err);
    size_t start = edits->doc.nodes[node].start, end = edits->doc.nodes[node].end;
    struct buf key, object;
    buf_init(&key, BODY_BYTES_MAX);
    buf_init(&object, text->max);
    put_decoded(&key, word);
    buf_putc(&object, '{');
    buf_put(&object, text->data + start + 1, end - start - 2);
    buf_puts(&object, empty ? "" : ",");
    json_put_string(&object, &edits->style, buf_span(&key));
    buf_putc(&object, ':');
    buf_put_span(&object, buf_span(&edit->value));
    buf_putc(&object, '}');
    bool ok = buf_ok(&object) || err_set(err, "%s: the event becomes too large", edit->pointer);
    if (ok)
        splice(edits, text, start, end, buf_span(&object));
    buf_reset(&key);
    buf_reset(&object);
    return ok;
}

bool edits_apply(struct edits *edits, struct buf *text, struct err *err)
{
    for (size_t i = 0; i < edits->count; i++) {
        const struct edit *edit = &edits->items[i];
        if (!json_parse(&edits->doc, "event", buf_span(text), JSON_STRICT, err))
            return false;
        uint32_t node = json_pointer(&edits->doc, edit->pointer);
        if (node == JSON_NONE && !add_member(edits, edit, text, err))
            return false;
        if (node != JSON_NONE)
            splice(edits, text, edits->doc.nodes[node].start, edits->doc.nodes[node].end,
                   buf_span(&edit->value));
        if (!buf_ok(text))
            return err_set(err, "%s: the event becomes too large", edit->pointer);
    }
    return true;
}
