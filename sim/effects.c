/* effects: records and their comparison; see effects.h. (The cutting is in cut.c.)
 *
 * Records are sorted by place and entity; a place (with its names generalised) is judged by itself. Each
 * record is a list of leaves (leaves.h), their paths and values as numbers from one table: what follows
 * compares numbers. First A teaches, from A', what is noise here; then it is held against B. */
#include "effects.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "intern.h"
#include "json.h"
#include "leaves.h"

#define RECORD_SHOWN_MAX 2000

/* ---- records -------------------------------------------------------------------------------- */

void effect_records_add(struct effect_records *records, enum universe universe, struct span place,
                        struct span about, struct span text, bool history)
{
    records->items = mem_grow(records->items, &records->cap, records->count, sizeof *records->items);
    records->items[records->count++] = (struct effect_record){
        .universe = universe,
        .place = mem_text_n(place.data, place.len),
        .about = mem_text_n(about.data, about.len),
        .text = mem_text_n(text.data, text.len),
        .history = history,
    };
}

void effect_records_reset(struct effect_records *records)
{
    for (size_t i = 0; i < records->count; i++) {
        free(records->items[i].place);
        free(records->items[i].about);
        free(records->items[i].text);
    }
    free(records->items);
    *records = (struct effect_records){0};
}

void effects_reset(struct effects *effects)
{
    for (size_t i = 0; i < effects->count; i++) {
        struct effect *effect = &effects->items[i];
        char *const texts[] = {effect->about, effect->place,    effect->path,    effect->expected,
                               effect->found, effect->record_a, effect->record_b};
        for (size_t j = 0; j < COUNT_OF(texts); j++)
            free(texts[j]);
    }
    for (size_t i = 0; i < effects->noise_count; i++)
        free(effects->noise[i]);
    free(effects->items);
    free(effects->noise);
    *effects = (struct effects){0};
}

/* ---- rows ----------------------------------------------------------------------------------- */

struct row {
    const struct effect_record *record;
    uint32_t section, place, about; /* section: the place, generalised */
    enum universe side;             /* on which it is compared */
    struct leaves leaves;
};

static struct row row_of(struct interns *words, const struct effect_record *record)
{
    return (struct row){.record = record,
                        .section = leaves_general(words, span_of(record->place)),
                        .place = intern(words, span_of(record->place)),
                        .about = intern(words, span_of(record->about)),
                        .side = record->universe};
}

static int by_row(const void *a, const void *b)
{
    const struct row *x = a, *y = b;
    const uint32_t keys[][2] = {
        {x->section, y->section}, {x->place, y->place}, {x->about, y->about}, {x->side, y->side}};
    for (size_t i = 0; i < COUNT_OF(keys); i++)
        if (keys[i][0] != keys[i][1])
            return keys[i][0] < keys[i][1] ? -1 : 1;
    return (x->record > y->record) - (x->record < y->record);
}

/* Behind the last of the rows, sorted, that are of one section with the first. */
static size_t section_end(const struct row *rows, size_t first, size_t count)
{
    size_t end = first;
    while (end < count && rows[end].section == rows[first].section)
        end++;
    return end;
}

/* How closely a place can be compared, as A and A' show. */
enum strictness {
    IN_ORDER,  /* leaf by leaf */
    ANY_ORDER, /* a record's leaves in any order: lists come in an order of the connector's own */
    ALL_IN_ALL /* the leaves of all records of an entity together */
};

struct comparison {
    struct interns words; /* places, names, paths and values */
    uint32_t section;     /* the one that is being compared */
    uint32_t *noisy_in;   /* by number of a generalised path: the section where it was last noise, plus 1 */
    size_t noisy_cap;
    bool counts_vary; /* A and A' have other numbers of records in this section */
    bool taught;      /* and for some entity they have as many */
    enum strictness strictness;
    struct effects *effects;
};

/* ---- noise ---------------------------------------------------------------------------------- */

static bool is_noisy_path(const struct comparison *c, struct span path)
{
    uint32_t number = intern_find(&c->words, path);
    return number < c->noisy_cap && c->noisy_in[number] == c->section + 1;
}

/* Is a list or map, empty in this record, noise because of what others have in it? */
static bool is_noisy_when_empty(const struct comparison *c, const char *path)
{
    struct buf inside;
    buf_init(&inside, SIZE_MAX / 2);
    buf_printf(&inside, "%s : %s/", intern_text(&c->words, c->section), path);
    bool noise = false;
    for (size_t i = 0; !noise && i < c->effects->noise_count; i++)
        noise = strncmp(c->effects->noise[i], buf_text(&inside), inside.len) == 0;
    buf_reset(&inside);
    return noise;
}

/* Is this path, or one above it, noise? */
static bool is_noise(const struct comparison *c, const struct leaf *leaf)
{
    const char *path = intern_text(&c->words, leaf->general), *value = intern_text(&c->words, leaf->value);
    for (const char *stop = path; stop && *stop; stop = strchr(stop + 1, '/'))
        if (is_noisy_path(c, (struct span){path, (size_t)(stop - path)}))
            return true;
    bool is_empty = strcmp(value, "[]") == 0 || strcmp(value, "{}") == 0;
    return is_noisy_path(c, span_of(path)) || (is_empty && is_noisy_when_empty(c, path));
}

static void add_noise(struct comparison *c, uint32_t general)
{
    if (general >= c->noisy_cap) {
        size_t cap = c->words.count * 2;
        uint32_t *noisy_in = mem_alloc(cap * sizeof *noisy_in);
        if (c->noisy_cap)
            memcpy(noisy_in, c->noisy_in, c->noisy_cap * sizeof *noisy_in);
        free(c->noisy_in);
        c->noisy_in = noisy_in;
        c->noisy_cap = cap;
    }
    if (c->noisy_in[general] == c->section + 1)
        return;
    c->noisy_in[general] = c->section + 1;
    struct buf text;
    buf_init(&text, SIZE_MAX / 2);
    buf_printf(&text, "%s : %s", intern_text(&c->words, c->section), intern_text(&c->words, general));
    struct effects *e = c->effects;
    e->noise = mem_grow(e->noise, &e->noise_cap, e->noise_count, sizeof *e->noise);
    e->noise[e->noise_count++] = buf_take(&text);
}

/* ---- sides: what one universe says of one entity at one place -------------------------------- */

struct side {
    const struct row *rows;
    size_t count;
};

struct group {
    struct side sides[UNIVERSE_COUNT];
};

/* Rows of one section, sorted, into groups: one for each place and entity. */
static size_t group_rows(const struct row *rows, size_t count, struct group *groups)
{
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        const struct row *row = &rows[i];
        if (i == 0 || row->place != rows[i - 1].place || row->about != rows[i - 1].about)
            groups[n++] = (struct group){0};
        struct side *side = &groups[n - 1].sides[row->side];
        side->rows = side->count ? side->rows : row;
        side->count++;
    }
    return n;
}

static int by_leaf(const void *a, const void *b)
{
    const struct leaf *x = a, *y = b;
    if (x->path != y->path)
        return x->path < y->path ? -1 : 1;
    return (x->value > y->value) - (x->value < y->value);
}

/* A row's leaves without noise. */
static void add_quiet(const struct comparison *c, const struct row *row, struct leaves *out)
{
    for (size_t i = 0; i < row->leaves.count; i++) {
        if (is_noise(c, &row->leaves.items[i]))
            continue;
        out->items = mem_grow(out->items, &out->cap, out->count, sizeof *out->items);
        out->items[out->count++] = row->leaves.items[i];
    }
}

static void sort_leaves(struct leaves *leaves)
{
    if (leaves->count)
        qsort(leaves->items, leaves->count, sizeof *leaves->items, by_leaf);
}

/* All leaves of a side together, sorted. */
static struct leaves bag_of(const struct comparison *c, struct side side)
{
    struct leaves bag = {0};
    for (size_t i = 0; i < side.count; i++)
        add_quiet(c, &side.rows[i], &bag);
    sort_leaves(&bag);
    return bag;
}

/* ---- differences ---------------------------------------------------------------------------- */

struct difference {
    uint32_t path, general;
    uint32_t expected, found; /* values; INTERN_NONE: none */
};

/* The next path at which two sorted bags differ; false at their end. */
static bool next_difference(const struct leaves *a, const struct leaves *b, size_t *i, size_t *j,
                            struct difference *d)
{
    *d = (struct difference){INTERN_NONE, INTERN_NONE, INTERN_NONE, INTERN_NONE};
    while (*i < a->count || *j < b->count) {
        bool x = *i < a->count, y = *j < b->count;
        int order = x && y ? by_leaf(&a->items[*i], &b->items[*j]) : x ? -1 : 1;
        const struct leaf *lone = order < 0 ? &a->items[*i] : &b->items[*j];
        if (order && d->path != INTERN_NONE && d->path != lone->path)
            return true;
        if (order) {
            uint32_t *value = order < 0 ? &d->expected : &d->found;
            *value = *value == INTERN_NONE ? lone->value : *value;
            d->path = lone->path;
            d->general = lone->general;
        }
        *i += order <= 0;
        *j += order >= 0;
    }
    return d->path != INTERN_NONE;
}

/* What people should see first: something that A has, near the top. */
static bool is_plainer(const struct comparison *c, const struct difference *x, const struct difference *y)
{
    bool x_new = x->expected == INTERN_NONE, y_new = y->expected == INTERN_NONE;
    if (x_new != y_new)
        return y_new;
    const char *a = intern_text(&c->words, x->path), *b = intern_text(&c->words, y->path);
    size_t m = strlen(a), n = strlen(b);
    return m != n ? m < n : strcmp(a, b) < 0;
}

static int by_leaves(const void *left, const void *right)
{
    const struct leaves *a = left, *b = right;
    for (size_t i = 0; i < a->count && i < b->count; i++) {
        int order = by_leaf(&a->items[i], &b->items[i]);
        if (order)
            return order;
    }
    return (a->count > b->count) - (a->count < b->count);
}

/* Each row's quiet leaves, rows sorted: a multiset of records. */
static struct leaves *rows_of(const struct comparison *c, struct side side, enum strictness strictness)
{
    struct leaves *rows = mem_alloc(side.count * sizeof *rows);
    for (size_t i = 0; i < side.count; i++) {
        add_quiet(c, &side.rows[i], &rows[i]);
        if (strictness != IN_ORDER)
            sort_leaves(&rows[i]);
    }
    qsort(rows, side.count, sizeof *rows, by_leaves);
    return rows;
}

static void free_rows(struct leaves *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(rows[i].items);
    free(rows);
}

/* Where two rows part: at a leaf, or where the shorter ends; false when they are alike. */
static bool part(const struct leaves *a, const struct leaves *b, struct difference *d)
{
    size_t i = 0;
    while (i < a->count && i < b->count && by_leaf(&a->items[i], &b->items[i]) == 0)
        i++;
    const struct leaf *x = i < a->count ? &a->items[i] : NULL, *y = i < b->count ? &b->items[i] : NULL;
    const struct leaf *at = x ? x : y;
    if (!at)
        return false;
    bool at_y = y && at->path == y->path;
    *d =
        (struct difference){at->path, at->general, x ? x->value : INTERN_NONE, at_y ? y->value : INTERN_NONE};
    return true;
}

/* Do two sides of equal count hold the same rows? If not, d says where the first pair parts. */
static bool same_rows(const struct comparison *c, struct side a, struct side b, enum strictness strictness,
                      struct difference *d)
{
    if (strictness == ALL_IN_ALL || a.count == 0)
        return true;
    struct leaves *x = rows_of(c, a, strictness), *y = rows_of(c, b, strictness);
    bool same = true;
    for (size_t i = 0; same && i < a.count; i++)
        same = !part(&x[i], &y[i], d);
    free_rows(x, a.count);
    free_rows(y, b.count);
    return same;
}

/* The plainest difference between two sides of equal count; false when there is none. */
static bool find_difference(const struct comparison *c, struct side a, struct side b, struct difference *best)
{
    struct leaves x = bag_of(c, a), y = bag_of(c, b);
    struct difference d;
    bool found = false;
    for (size_t i = 0, j = 0; next_difference(&x, &y, &i, &j, &d); found = true)
        if (!found || is_plainer(c, &d, best))
            *best = d;
    free(x.items);
    free(y.items);
    return found || !same_rows(c, a, b, c->strictness, best);
}

/* ---- learning from A and A' ----------------------------------------------------------------- */

static void learn_noise(struct comparison *c, const struct group *group)
{
    struct leaves a = bag_of(c, group->sides[UNIVERSE_A]), a2 = bag_of(c, group->sides[UNIVERSE_A2]);
    struct difference d;
    for (size_t i = 0, j = 0; next_difference(&a, &a2, &i, &j, &d);)
        add_noise(c, d.general);
    for (const struct leaves *bag = &a; bag; bag = bag == &a ? &a2 : NULL)
        for (size_t i = 0; i < bag->count; i++)
            if (strcmp(intern_text(&c->words, bag->items[i].value), "\"" EFFECT_HISTORY "\"") == 0)
                add_noise(c, bag->items[i].general);
    free(a.items);
    free(a2.items);
}

/* Which of the entities that they mention its records are about is not known, as when rows name their
 * neighbours: then others are neighbours in A'. */
static bool is_vague(const struct comparison *c, const struct group *group)
{
    const struct side *side = group->sides;
    while (!side->count)
        side++;
    return c->counts_vary && strstr(side->rows[0].record->about, ", ");
}

static void learn(struct comparison *c, const struct group *groups, size_t count)
{
    c->counts_vary = c->taught = false;
    c->strictness = IN_ORDER;
    for (size_t i = 0; i < count; i++) {
        size_t n = groups[i].sides[UNIVERSE_A].count, n2 = groups[i].sides[UNIVERSE_A2].count;
        c->counts_vary |= n != n2;
        c->effects->noisy += n == n2 ? 0 : n > n2 ? n : n2;
    }
    for (size_t i = 0; i < count; i++) {
        size_t n = groups[i].sides[UNIVERSE_A].count, n2 = groups[i].sides[UNIVERSE_A2].count;
        if (n != n2 || is_vague(c, &groups[i]))
            continue;
        learn_noise(c, &groups[i]);
        c->effects->compared += n;
        c->taught |= n > 0;
    }
    struct difference d;
    for (size_t i = 0; i < count; i++) {
        struct side a = groups[i].sides[UNIVERSE_A], a2 = groups[i].sides[UNIVERSE_A2];
        bool vague = is_vague(c, &groups[i]);
        while (!vague && a.count == a2.count && !same_rows(c, a, a2, c->strictness, &d))
            c->strictness++;
    }
}

/* ---- judging B ------------------------------------------------------------------------------ */

/* A record for the report: cut, between characters, at RECORD_SHOWN_MAX bytes. */
static char *shown(struct side side, size_t at)
{
    if (side.count == 0)
        return mem_text("");
    const char *text = side.rows[at < side.count ? at : side.count - 1].record->text;
    size_t len = strlen(text);
    if (len > RECORD_SHOWN_MAX) {
        len = RECORD_SHOWN_MAX;
        while (len && ((unsigned char)text[len] & 0xc0) == 0x80)
            len--;
    }
    return mem_text_n(text, len);
}

/* The row that has this leaf. */
static size_t row_with(struct side side, uint32_t path, uint32_t value)
{
    for (size_t i = 0; i < side.count; i++)
        for (size_t j = 0; j < side.rows[i].leaves.count; j++) {
            const struct leaf *leaf = &side.rows[i].leaves.items[j];
            if (leaf->path == path && leaf->value == value)
                return i;
        }
    return 0;
}

static char *count_text(size_t count)
{
    char text[40];
    snprintf(text, sizeof text, count == 1 ? "%zu record" : "%zu records", count);
    return mem_text(count ? text : "none");
}

static char *value_text(const struct comparison *c, uint32_t value)
{
    return mem_text(value == INTERN_NONE ? "none" : intern_text(&c->words, value));
}

/* Where A' has nothing, what B has came of what A' was spared, and then it is as in A. */
static bool is_comparable(const struct comparison *c, struct side a, struct side a2, struct side b)
{
    return a.count == a2.count || (c->taught && a2.count == 0 && a.count == b.count);
}

static void judge(struct comparison *c, const struct group *group)
{
    struct side a = group->sides[UNIVERSE_A], b = group->sides[UNIVERSE_B];
    struct effect effect = {0};
    struct difference d = {0};
    if (is_vague(c, group) || !is_comparable(c, a, group->sides[UNIVERSE_A2], b))
        return;
    if (a.count != b.count) {
        if (c->counts_vary)
            return;
        effect.path = mem_text("");
        effect.expected = count_text(a.count);
        effect.found = count_text(b.count);
        effect.record_a = shown(a, 0);
        effect.record_b = shown(b, b.count); /* the last: nearer to the one too many */
    } else if (find_difference(c, a, b, &d)) {
        effect.path = mem_text(intern_text(&c->words, d.path));
        effect.expected = value_text(c, d.expected);
        effect.found = value_text(c, d.found);
        effect.record_a = shown(a, row_with(a, d.path, d.expected));
        effect.record_b = shown(b, row_with(b, d.path, d.found));
    } else {
        return;
    }
    const struct effect_record *any = (a.count ? a : b).rows[0].record;
    effect.about = mem_text(any->about);
    effect.place = mem_text(any->place);
    struct effects *e = c->effects;
    e->items = mem_grow(e->items, &e->cap, e->count, sizeof *e->items);
    e->items[e->count++] = effect;
}

/* ---- comparing ------------------------------------------------------------------------------ */

static int by_effect(const void *a, const void *b)
{
    const struct effect *x = a, *y = b;
    int order = strcmp(x->about, y->about);
    return order ? order : strcmp(x->place, y->place);
}

/* A and A' say whether it is one. B may have been looked at alone, and may be all that is left. */
static bool is_history(const struct row *rows, size_t count)
{
    bool calm = false, history[2] = {false, false}; /* as B has it; as A and A' have it */
    for (size_t i = 0; i < count; i++) {
        bool undisturbed = rows[i].record->universe != UNIVERSE_B;
        calm |= undisturbed;
        history[undisturbed] |= rows[i].record->history;
    }
    return history[calm];
}

static void compare_section(struct comparison *c, struct row *rows, size_t count)
{
    struct json_doc doc = {0};
    if (is_history(rows, count))
        return;
    for (size_t i = 0; i < count; i++)
        leaves_read(&c->words, &doc, span_of(rows[i].record->text), &rows[i].leaves);
    json_reset(&doc);
    struct group *groups = mem_alloc(count * sizeof *groups);
    size_t group_count = group_rows(rows, count, groups);
    c->section = rows[0].section;
    learn(c, groups, group_count);
    for (size_t i = 0; i < group_count; i++)
        judge(c, &groups[i]);
    free(groups);
    for (size_t i = 0; i < count; i++)
        free(rows[i].leaves.items);
}

void effects_compare(const struct effect_records *records, struct effects *effects)
{
    effects_reset(effects);
    struct comparison c = {.effects = effects};
    struct row *rows = mem_alloc(records->count * sizeof *rows);
    for (size_t i = 0; i < records->count; i++)
        rows[i] = row_of(&c.words, &records->items[i]);
    qsort(rows, records->count, sizeof *rows, by_row);
    for (size_t i = 0, end; i < records->count; i = end) {
        end = section_end(rows, i, records->count);
        compare_section(&c, rows + i, end - i);
    }
    if (effects->count)
        qsort(effects->items, effects->count, sizeof *effects->items, by_effect);
    free(rows);
    free(c.noisy_in);
    interns_reset(&c.words);
}

/* ---- two looks ------------------------------------------------------------------------------ */

struct telling {
    struct interns words;
    struct json_doc doc;
    effect_change_fn *tell;
    void *arg;
};

static struct leaves read_side(struct telling *t, struct side side)
{
    struct leaves bag = {0};
    for (size_t i = 0; i < side.count; i++)
        leaves_read(&t->words, &t->doc, span_of(side.rows[i].record->text), &bag);
    sort_leaves(&bag);
    return bag;
}

static void tell_group(struct telling *t, const struct group *group, size_t entities)
{
    struct side before = group->sides[UNIVERSE_A], after = group->sides[UNIVERSE_A2];
    const struct row *any = before.count ? before.rows : after.rows;
    const char *place = intern_text(&t->words, any->section);
    if (before.count != after.count) {
        t->tell(t->arg, place, NULL, entities);
        return;
    }
    if (before.count == 1 && strcmp(before.rows->record->text, after.rows->record->text) == 0)
        return;
    struct leaves x = read_side(t, before), y = read_side(t, after);
    struct difference d;
    for (size_t i = 0, j = 0; next_difference(&x, &y, &i, &j, &d);)
        t->tell(t->arg, place, intern_text(&t->words, d.general), entities);
    free(x.items);
    free(y.items);
}

/* How many entities a group is about. */
static size_t entities_of(const struct group *group)
{
    const struct side *sides = group->sides;
    const char *about =
        (sides[UNIVERSE_A].count ? sides[UNIVERSE_A] : sides[UNIVERSE_A2]).rows->record->about;
    size_t count = 1;
    while ((about = strstr(about, ", ")))
        about += 2, count++;
    return count;
}

static void tell_section(struct telling *t, const struct row *rows, size_t count)
{
    struct group *groups = mem_alloc(count * sizeof *groups);
    size_t group_count = group_rows(rows, count, groups), entities = 0;
    for (size_t i = 0; i < group_count; i++)
        entities += entities_of(&groups[i]);
    for (size_t i = 0; i < group_count; i++)
        tell_group(t, &groups[i], entities);
    free(groups);
}

void effects_changes(const struct effect_records *before, const struct effect_records *after,
                     effect_change_fn *tell, void *arg)
{
    struct telling t = {.tell = tell, .arg = arg};
    size_t count = before->count + after->count;
    struct row *rows = mem_alloc(count * sizeof *rows);
    for (size_t i = 0; i < count; i++) {
        bool old = i < before->count;
        rows[i] = row_of(&t.words, old ? &before->items[i] : &after->items[i - before->count]);
        rows[i].about = rows[i].about * UNIVERSE_COUNT + rows[i].side;
        rows[i].side = old ? UNIVERSE_A : UNIVERSE_A2;
    }
    qsort(rows, count, sizeof *rows, by_row);
    for (size_t i = 0, end; i < count; i = end) {
        end = section_end(rows, i, count);
        tell_section(&t, rows + i, end - i);
    }
    free(rows);
    json_reset(&t.doc);
    interns_reset(&t.words);
}
