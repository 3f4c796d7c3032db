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
        for (size_t j = 0; j < effect->also_count; j++)
            free(effect->also[j]);
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

/* Numbers of words that were noted, each for a section or a group alone. */
struct notes {
    uint32_t *stamps; /* by number: of whom it was last noted, plus 1 */
    size_t cap;
};

static bool is_noted(const struct notes *notes, uint32_t number, uint32_t stamp)
{
    return number < notes->cap && notes->stamps[number] == stamp + 1;
}

/* False when it was noted before. */
static bool note(struct notes *notes, const struct interns *words, uint32_t number, uint32_t stamp)
{
    if (is_noted(notes, number, stamp))
        return false;
    if (number >= notes->cap) {
        size_t cap = words->count * 2;
        uint32_t *stamps = mem_alloc(cap * sizeof *stamps);
        if (notes->cap)
            memcpy(stamps, notes->stamps, notes->cap * sizeof *stamps);
        free(notes->stamps);
        *notes = (struct notes){stamps, cap};
    }
    notes->stamps[number] = stamp + 1;
    return true;
}

/* How closely a place can be compared, as A and A' show. */
enum strictness {
    IN_ORDER,  /* leaf by leaf */
    ANY_ORDER, /* a record's leaves in any order: lists come in an order of the connector's own */
    ALL_IN_ALL /* the leaves of all records of an entity together */
};

struct comparison {
    struct interns words; /* places, names, paths and values */
    uint32_t section;     /* the one that is being compared … */
    uint32_t group;       /* … and the group in it, numbered through all sections */
    struct notes noise;   /* generalised paths, by section */
    struct notes allowed; /* paths at which the terms allow for what differs, by group */
    bool counts_vary;     /* A and A' have other numbers of records in this section */
    bool taught;          /* and for some entity they have as many */
    enum strictness strictness;
    const struct effect_terms *terms;
    struct effects *effects;
};

/* ---- noise ---------------------------------------------------------------------------------- */

static bool is_noisy_path(const struct comparison *c, struct span path)
{
    return is_noted(&c->noise, intern_find(&c->words, path), c->section);
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
    if (!note(&c->noise, &c->words, general, c->section))
        return;
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

/* A row's leaves without noise, and without what is allowed for. */
static void add_quiet(const struct comparison *c, const struct row *row, struct leaves *out)
{
    for (size_t i = 0; i < row->leaves.count; i++) {
        const struct leaf *leaf = &row->leaves.items[i];
        if (is_noise(c, leaf) || is_noted(&c->allowed, leaf->path, c->group))
            continue;
        out->items = mem_grow(out->items, &out->cap, out->count, sizeof *out->items);
        out->items[out->count++] = *leaf;
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

/* The leaves of two sorted bags at one path. */
struct run {
    const struct leaf *items;
    size_t count;
};
struct parting {
    struct run a, b;
};

static const struct leaf *any_of(const struct parting *p)
{
    return p->a.count ? p->a.items : p->b.items;
}

static struct run run_of(const struct leaves *bag, size_t first, uint32_t path)
{
    size_t end = first;
    while (end < bag->count && bag->items[end].path == path)
        end++;
    return (struct run){end > first ? &bag->items[first] : NULL, end - first};
}

static bool same_values(struct run x, struct run y)
{
    bool same = x.count == y.count;
    for (size_t i = 0; same && i < x.count; i++)
        same = x.items[i].value == y.items[i].value;
    return same;
}

/* The next path at which two sorted bags differ; false at their end. */
static bool next_parting(const struct leaves *a, const struct leaves *b, size_t *i, size_t *j,
                         struct parting *p)
{
    while (*i < a->count || *j < b->count) {
        bool of_a = *j == b->count || (*i < a->count && a->items[*i].path < b->items[*j].path);
        uint32_t path = of_a ? a->items[*i].path : b->items[*j].path;
        *p = (struct parting){run_of(a, *i, path), run_of(b, *j, path)};
        *i += p->a.count;
        *j += p->b.count;
        if (!same_values(p->a, p->b))
            return true;
    }
    return false;
}

/* The next value of x that y does not have; NULL behind the last. Of both the cursors start at 0. */
static const struct leaf *next_lone(const struct run *x, const struct run *y, size_t *i, size_t *j)
{
    while (*i < x->count) {
        const struct leaf *leaf = &x->items[(*i)++];
        while (*j < y->count && y->items[*j].value < leaf->value)
            ++*j;
        if (*j == y->count || y->items[*j].value != leaf->value)
            return leaf;
        ++*j;
    }
    return NULL;
}

/* ---- terms ---------------------------------------------------------------------------------- */

/* Under terms: there is nothing here that could be lost. */
static bool is_nothing(const struct comparison *c, uint32_t value)
{
    static const char *const nothings[] = {"null", "\"\"", "[]", "{}", ""};
    bool nothing = false;
    for (size_t i = 0; c->terms && i < COUNT_OF(nothings); i++)
        nothing = nothing || strcmp(intern_text(&c->words, value), nothings[i]) == 0;
    return nothing;
}

static bool has_something(const struct comparison *c, struct run run)
{
    bool something = !c->terms;
    for (size_t i = 0; !something && i < run.count; i++)
        something = !is_nothing(c, run.items[i].value);
    return something;
}

static bool is_whole(const char *text, uint64_t *number)
{
    size_t len = strlen(text);
    *number = strtoull(text, NULL, 10);
    return len && len < 19 && strspn(text, "0123456789") == len;
}

static bool may_both_be(const struct comparison *c, const char *about, uint32_t expected, uint32_t found)
{
    uint64_t x, y;
    return c->terms && is_whole(intern_text(&c->words, expected), &x) &&
           is_whole(intern_text(&c->words, found), &y) && c->terms->may_count(c->terms->arg, about, x, y);
}

/* What A and B differ in where they part; false when the terms allow for all of it. */
static bool differs(const struct comparison *c, const char *about, const struct parting *p,
                    struct difference *d)
{
    bool something = has_something(c, p->a);
    size_t nothings = 0, i = 0, j = 0, k = 0, l = 0;
    for (;;) {
        const struct leaf *x = next_lone(&p->a, &p->b, &i, &j), *y;
        for (; x && is_nothing(c, x->value); nothings++)
            x = next_lone(&p->a, &p->b, &i, &j);
        y = next_lone(&p->b, &p->a, &k, &l);
        if (!x && (!y || !something))
            return false;
        if (!x && nothings) {
            nothings--;
            continue;
        }
        if (x && y && may_both_be(c, about, x->value, y->value))
            continue;
        *d = (struct difference){any_of(p)->path, any_of(p)->general, x ? x->value : INTERN_NONE,
                                 y ? y->value : INTERN_NONE};
        return true;
    }
}

static bool has_form(const struct comparison *c, uint32_t word, enum ident_form form)
{
    return c->terms && word != INTERN_NONE && idents_have_form(span_of(intern_text(&c->words, word)), form);
}

static bool has_identifier(const struct comparison *c, uint32_t word)
{
    return has_form(c, word, FORM_IDENTIFIER);
}

static bool is_id(const struct comparison *c, uint32_t word)
{
    return has_form(c, word, FORM_UUID) || has_identifier(c, word);
}

/* Under terms: A names an entity by its identifier there, and B does not. */
static bool is_nameless(const struct comparison *c, const struct difference *d)
{
    bool named = has_identifier(c, d->expected) ||
                 (d->expected != INTERN_NONE && d->found == INTERN_NONE && has_identifier(c, d->path));
    return named && !has_identifier(c, d->found);
}

/* ---- what differs --------------------------------------------------------------------------- */

/* What people should see first: something that A has, under terms rather no id, near the top. */
static bool is_plainer(const struct comparison *c, const struct difference *x, const struct difference *y)
{
    bool x_new = x->expected == INTERN_NONE, y_new = y->expected == INTERN_NONE;
    bool x_id = is_id(c, x->expected), y_id = is_id(c, y->expected);
    if (x_new != y_new || x_id != y_id)
        return x_new != y_new ? y_new : y_id;
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

/* The differences of a group whose sides are of equal count: how many, the plainest first, and the plainest
 * of each sort: [1] of names. */
struct findings {
    struct difference first[1 + EFFECT_ALSO_MAX], plainest[2];
    size_t count;
    bool found[2];
};

static void find(const struct comparison *c, struct findings *f, const struct difference *d)
{
    bool sort = is_nameless(c, d);
    if (!f->found[sort] || is_plainer(c, d, &f->plainest[sort]))
        f->plainest[sort] = *d;
    f->found[sort] = true;
    size_t at = f->count < COUNT_OF(f->first) ? f->count : COUNT_OF(f->first);
    for (; at && is_plainer(c, d, &f->first[at - 1]); at--)
        if (at < COUNT_OF(f->first))
            f->first[at] = f->first[at - 1];
    if (at < COUNT_OF(f->first))
        f->first[at] = *d;
    f->count++;
}

static struct findings find_differences(struct comparison *c, struct side a, struct side b)
{
    struct leaves x = bag_of(c, a), y = bag_of(c, b);
    struct findings f = {0};
    struct parting p;
    struct difference d;
    for (size_t i = 0, j = 0; next_parting(&x, &y, &i, &j, &p);)
        if (differs(c, a.rows[0].record->about, &p, &d))
            find(c, &f, &d);
        else
            note(&c->allowed, &c->words, any_of(&p)->path, c->group);
    free(x.items);
    free(y.items);
    if (!f.found[0] && !f.found[1] && !same_rows(c, a, b, c->strictness, &d))
        find(c, &f, &d);
    return f;
}

/* ---- learning from A and A' ----------------------------------------------------------------- */

static void learn_noise(struct comparison *c, const struct group *group)
{
    struct leaves a = bag_of(c, group->sides[UNIVERSE_A]), a2 = bag_of(c, group->sides[UNIVERSE_A2]);
    struct parting p;
    for (size_t i = 0, j = 0; next_parting(&a, &a2, &i, &j, &p);)
        add_noise(c, any_of(&p)->general);
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
    c->strictness = c->terms ? ANY_ORDER : IN_ORDER;
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

static void add_effect(struct comparison *c, const struct group *group, struct effect effect)
{
    struct side a = group->sides[UNIVERSE_A], b = group->sides[UNIVERSE_B];
    const struct effect_record *any = (a.count ? a : b).rows[0].record;
    effect.about = mem_text(any->about);
    effect.place = mem_text(any->place);
    struct effects *e = c->effects;
    e->items = mem_grow(e->items, &e->cap, e->count, sizeof *e->items);
    e->items[e->count++] = effect;
}

/* Records are missing or too many. */
static void add_count(struct comparison *c, const struct group *group)
{
    struct side a = group->sides[UNIVERSE_A], b = group->sides[UNIVERSE_B];
    add_effect(c, group,
               (struct effect){
                   .path = mem_text(""),
                   .expected = count_text(a.count),
                   .found = count_text(b.count),
                   .record_a = shown(a, 0),
                   .record_b = shown(b, b.count), /* the last: nearer to the one too many */
               });
}

static void add_difference(struct comparison *c, const struct group *group, const struct findings *f,
                           const struct difference *d)
{
    struct side a = group->sides[UNIVERSE_A], b = group->sides[UNIVERSE_B];
    struct effect effect = {
        .path = mem_text(intern_text(&c->words, d->path)),
        .expected = value_text(c, d->expected),
        .found = value_text(c, d->found),
        .record_a = shown(a, row_with(a, d->path, d->expected)),
        .record_b = shown(b, row_with(b, d->path, d->found)),
        .nameless = is_nameless(c, d),
    };
    for (size_t i = 0; i < f->count && i < COUNT_OF(f->first) && effect.also_count < EFFECT_ALSO_MAX; i++)
        if (f->first[i].path != d->path)
            effect.also[effect.also_count++] = mem_text(intern_text(&c->words, f->first[i].path));
    effect.also_more = f->count - 1 - effect.also_count;
    add_effect(c, group, effect);
}

static void judge(struct comparison *c, const struct group *group)
{
    struct side a = group->sides[UNIVERSE_A], b = group->sides[UNIVERSE_B];
    c->group++;
    if (is_vague(c, group) || !is_comparable(c, a, group->sides[UNIVERSE_A2], b))
        return;
    if (a.count != b.count) {
        if (!c->counts_vary)
            add_count(c, group);
    } else if (a.count) {
        struct findings f = find_differences(c, a, b);
        for (size_t sort = 0; sort < COUNT_OF(f.found); sort++)
            if (f.found[sort])
                add_difference(c, group, &f, &f.plainest[sort]);
    }
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

/* Under terms: an entity's place says by which id it is known there, like any other value. */
static void add_key(struct comparison *c, struct row *row)
{
    struct leaves *leaves = &row->leaves;
    const char *place = row->record->place, *colon = strstr(place, ": ");
    if (row->place == intern(&c->words, span_of(place)))
        return;
    uint32_t path = intern(&c->words, span_of(EFFECT_KEY));
    leaves->items = mem_grow(leaves->items, &leaves->cap, leaves->count, sizeof *leaves->items);
    leaves->items[leaves->count++] =
        (struct leaf){path, intern(&c->words, span_of(colon ? colon + 2 : place)), path};
}

static void read_row(struct comparison *c, struct json_doc *doc, struct buf *scratch, struct row *row)
{
    struct span text = span_of(row->record->text);
    if (!c->terms) {
        leaves_read(&c->words, doc, text, &row->leaves);
        return;
    }
    buf_clear(scratch);
    c->terms->respell(text, scratch);
    leaves_read(&c->words, doc, buf_span(scratch), &row->leaves);
    add_key(c, row);
}

/* Under terms: a place that only B has is none of its duties. */
static bool is_of_b(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (rows[i].side != UNIVERSE_B)
            return false;
    return true;
}

static void compare_section(struct comparison *c, struct row *rows, size_t count)
{
    struct json_doc doc = {0};
    struct buf scratch;
    if (is_history(rows, count) || (c->terms && is_of_b(rows, count)))
        return;
    buf_init(&scratch, SIZE_MAX / 2);
    for (size_t i = 0; i < count; i++)
        read_row(c, &doc, &scratch, &rows[i]);
    json_reset(&doc);
    buf_reset(&scratch);
    struct group *groups = mem_alloc(count * sizeof *groups);
    size_t group_count = group_rows(rows, count, groups);
    c->section = rows[0].section;
    learn(c, groups, group_count);
    for (size_t i = 0; i < group_count; i++)
        judge(c, &groups[i]);
    c->group++; /* who learns next knows nothing of it */
    free(groups);
    for (size_t i = 0; i < count; i++)
        free(rows[i].leaves.items);
}

/* The same place by whichever id. */
static uint32_t formless(struct interns *words, struct span place)
{
    struct buf text;
    buf_init(&text, SIZE_MAX / 2);
    idents_drop_forms(place, &text);
    uint32_t number = intern(words, buf_span(&text));
    buf_reset(&text);
    return number;
}

void effects_compare(const struct effect_records *records, const struct effect_terms *terms,
                     struct effects *effects)
{
    effects_reset(effects);
    struct comparison c = {.effects = effects, .terms = terms};
    struct row *rows = mem_alloc(records->count * sizeof *rows);
    for (size_t i = 0; i < records->count; i++) {
        rows[i] = row_of(&c.words, &records->items[i]);
        rows[i].place = terms ? formless(&c.words, span_of(records->items[i].place)) : rows[i].place;
    }
    qsort(rows, records->count, sizeof *rows, by_row);
    for (size_t i = 0, end; i < records->count; i = end) {
        end = section_end(rows, i, records->count);
        compare_section(&c, rows + i, end - i);
    }
    if (effects->count)
        qsort(effects->items, effects->count, sizeof *effects->items, by_effect);
    free(rows);
    free(c.noise.stamps);
    free(c.allowed.stamps);
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
    struct parting p;
    for (size_t i = 0, j = 0; next_parting(&x, &y, &i, &j, &p);)
        t->tell(t->arg, place, intern_text(&t->words, any_of(&p)->general), entities);
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
