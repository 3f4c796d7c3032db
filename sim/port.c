/* port: see port.h. */
#include "port.h"

#include <stdlib.h>
#include <string.h>

#include "event.h"
#include "intern.h"

/* ---- names of events ------------------------------------------------------------------------ */

static const char prefix[] = "com.akeneo.pim.v1.";

struct span port_name(struct span name)
{
    const struct event_type *type = NULL;
    for (size_t i = 0; i < event_type_count() && !type; i++)
        if (span_equals(name, event_type_at(i)->name))
            type = event_type_at(i);
    const char *wire = type ? type->wire[PLATFORM_AEP] : NULL;
    return wire ? span_of(wire + strlen(prefix)) : name;
}

/* The Events API's name of what an AEP type tells, with or without the types' common beginning; NULL: it has
 * none. */
static const char *common_name(struct span name)
{
    const struct event_type *aep = NULL;
    for (size_t i = 0; i < event_type_count() && !aep; i++) {
        const char *wire = event_type_at(i)->wire[PLATFORM_AEP];
        if (wire && (span_equals(name, wire) || span_equals(name, wire + strlen(prefix))))
            aep = event_type_at(i);
    }
    for (size_t i = 0; i < event_type_count() && aep; i++) {
        const struct event_type *type = event_type_at(i);
        if (type->wire[PLATFORM_EVENTS_API] && type->kind == aep->kind && type->change == aep->change)
            return type->wire[PLATFORM_EVENTS_API];
    }
    return NULL;
}

void port_respell(struct span text, struct buf *out)
{
    static const char word[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    for (size_t at = 0, len; at < text.len; at += len) {
        for (len = 0; at + len < text.len && memchr(word, text.data[at + len], sizeof word - 1);)
            len++;
        bool dotted = len && memchr(text.data + at, '.', len);
        const char *name = dotted ? common_name((struct span){text.data + at, len}) : NULL;
        len = len ? len : 1;
        if (name)
            buf_puts(out, name);
        else
            buf_put(out, text.data + at, len);
    }
}

/* ---- two programs --------------------------------------------------------------------------- */

/* "state-url 1" of "state-url 1: /products/[]" */
static size_t source_len(const char *place)
{
    return strcspn(place, ":");
}

/* The old program and the new one may each show a state of its own: no place to look at has both what came
 * through the Events API and what came through AEP. */
static bool stand_apart(const struct effect_records *all)
{
    const unsigned b = 1u << UNIVERSE_B;
    struct interns sources = {0};
    unsigned *universes = mem_alloc((all->count + 1) * sizeof *universes); /* by source */
    bool both = false, b_alone = false;
    for (size_t i = 0; i < all->count; i++) {
        const char *place = all->items[i].place;
        universes[intern(&sources, (struct span){place, source_len(place)})] |= 1u << all->items[i].universe;
    }
    for (size_t i = 0; i < sources.count; i++) {
        both |= universes[i] & b && universes[i] != b;
        b_alone |= universes[i] == b;
    }
    free(universes);
    interns_reset(&sources);
    return b_alone && !both;
}

char **port_join(struct effect_records *all)
{
    if (!stand_apart(all))
        return NULL;
    char **places = mem_alloc(all->count * sizeof *places);
    for (size_t i = 0; i < all->count; i++) {
        struct buf place;
        const char *rest = all->items[i].place + source_len(all->items[i].place);
        buf_init(&place, strlen(rest) + 64);
        buf_printf(&place, "state%s", rest);
        all->items[i].place = places[i] = buf_take(&place);
    }
    return places;
}

void port_part(char **places, size_t count)
{
    for (size_t i = 0; places && i < count; i++)
        free(places[i]);
    free(places);
}
