/* still: see still.h. */
#include "still.h"

#include <stdlib.h>

#include "leaves.h"

/* A path is volatile when it changed so many times more often than there were events, for each entity: a
 * value that is "pending" and then "done" changes twice for some. */
#define CHANGES_MORE 6

struct noting {
    struct still *still;
    struct sight sight;
    size_t events_each;
    bool learned;
};

static void note(void *arg, const char *place, const char *path, size_t entities)
{
    struct noting *n = arg;
    struct still *s = n->still;
    if (!path) {
        s->last = n->sight;
        return;
    }
    struct buf full;
    buf_init(&full, SIZE_MAX / 2);
    buf_printf(&full, "%s : %s", place, path);
    size_t known = s->paths.count;
    uint32_t number = intern(&s->paths, buf_span(&full));
    if (number == known) {
        s->habits = mem_grow(s->habits, &s->cap, known, sizeof *s->habits);
        s->habits[number] = (struct habit){0};
    }
    struct habit *habit = &s->habits[number];
    habit->last = n->sight;
    if (++habit->changes > entities * (n->events_each + CHANGES_MORE)) {
        intern(&s->volatiles, buf_span(&full));
        n->learned = true;
    }
    buf_reset(&full);
}

bool still_note(struct still *still, const struct effect_records *before, const struct effect_records *after,
                struct sight sight, size_t events_each)
{
    struct noting noting = {still, sight, events_each, false};
    effects_changes(before, after, note, &noting);
    return noting.learned;
}

struct sight still_last(const struct still *still)
{
    struct sight last = still->last;
    for (size_t i = 0; i < still->paths.count; i++) {
        bool counts = intern_find(&still->volatiles, span_of(still->paths.texts[i])) == INTERN_NONE;
        if (counts && still->habits[i].last.number > last.number)
            last = still->habits[i].last;
    }
    return last;
}

void still_mask(const struct still *still, struct effect_records *records)
{
    struct buf prefix, masked;
    buf_init(&prefix, SIZE_MAX / 2);
    buf_init(&masked, SIZE_MAX / 2);
    for (size_t i = 0; i < records->count && still->volatiles.count; i++) {
        struct effect_record *record = &records->items[i];
        buf_clear(&prefix);
        buf_clear(&masked);
        buf_printf(&prefix, "%s : ", record->place);
        leaves_mask(&still->volatiles, buf_text(&prefix), span_of(record->text), &masked);
        free(record->text);
        record->text = mem_text_n(masked.data, masked.len);
    }
    buf_reset(&prefix);
    buf_reset(&masked);
}

void still_begin(struct still *still)
{
    interns_reset(&still->paths);
    free(still->habits);
    *still = (struct still){.volatiles = still->volatiles};
}

void still_reset(struct still *still)
{
    still_begin(still);
    interns_reset(&still->volatiles);
}
