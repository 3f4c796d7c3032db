/* intern: see intern.h. Open addressing, at most half full. */
#include "intern.h"

#include <stdlib.h>
#include <string.h>

static uint64_t hash_of(struct span text)
{
    uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a */
    for (size_t i = 0; i < text.len; i++)
        hash = (hash ^ (unsigned char)text.data[i]) * 0x100000001b3u;
    return hash ^ hash >> 29;
}

static uint32_t *slot_of(const struct interns *interns, struct span text)
{
    size_t at = hash_of(text) & (interns->slot_count - 1);
    while (interns->slots[at] && !span_equals(text, interns->texts[interns->slots[at] - 1]))
        at = (at + 1) & (interns->slot_count - 1);
    return &interns->slots[at];
}

static void grow(struct interns *interns)
{
    interns->slot_count = interns->slot_count ? interns->slot_count * 2 : 64;
    free(interns->slots);
    interns->slots = mem_alloc(interns->slot_count * sizeof *interns->slots);
    for (size_t i = 0; i < interns->count; i++)
        *slot_of(interns, span_of(interns->texts[i])) = (uint32_t)i + 1;
}

uint32_t intern(struct interns *interns, struct span text)
{
    if (interns->count * 2 >= interns->slot_count)
        grow(interns);
    uint32_t *slot = slot_of(interns, text);
    if (!*slot) {
        interns->texts = mem_grow(interns->texts, &interns->cap, interns->count, sizeof *interns->texts);
        interns->texts[interns->count] = mem_text_n(text.data, text.len);
        *slot = (uint32_t)++interns->count;
    }
    return *slot - 1;
}

uint32_t intern_find(const struct interns *interns, struct span text)
{
    return interns->slot_count ? *slot_of(interns, text) - 1 : INTERN_NONE; /* a free slot: 0 - 1 */
}

const char *intern_text(const struct interns *interns, uint32_t number)
{
    return interns->texts[number];
}

void interns_reset(struct interns *interns)
{
    for (size_t i = 0; i < interns->count; i++)
        free(interns->texts[i]);
    free(interns->texts);
    free(interns->slots);
    *interns = (struct interns){0};
}
