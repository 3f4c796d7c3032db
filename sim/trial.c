/* trial: see trial.h. */
#include "trial.h"

#include <stdlib.h>
#include <string.h>

#include "blame.h"
#include "port.h"

static const struct played *played_of(const struct transcript *t, const struct trial *trial)
{
    return &t->played[trial->scenario];
}

/* ---- what happened to each ---------------------------------------------------------------- */

/* Its entity's state says nothing: it should have been acknowledged and was not, or leaves the connector a
 * choice. What comes again by itself is judged by how it ends. */
static bool leaves_open(const struct transcript *t, const struct attempt *a)
{
    if (a->kind == KIND_BASELINE)
        return !attempt_acknowledged(a);
    switch (attempt_expects(a)) {
    case EXPECT_ACK:
        return !attempt_acknowledged(a) || a->variant == VARIANT_MALFORM_UNKNOWN_TYPE;
    case EXPECT_TAKEN:
        return attempt_acknowledged(a) || !attempt_met(t, a);
    case EXPECT_ANY:
        return a->variant != VARIANT_LOST_ACK_CUT && a->variant != VARIANT_RESTART_IN_FLIGHT;
    default:
        return false;
    }
}

static bool refusable(const struct attempt *a)
{
    enum expect expects = attempt_expects(a);
    return expects == EXPECT_REFUSE || expects == EXPECT_TAKEN;
}

/* It had the fault that the scenario is about: for form/batch, company. To a port all that comes is new. */
static bool struck(const struct played *p, const struct attempt *a)
{
    bool faulty = p->migration                    ? a->kind == KIND_EVENTS
                  : p->effects == RULE_FORM_BATCH ? a->events > 1
                                                  : a->variant != VARIANT_NONE;
    return faulty && attempt_expects(a) == EXPECT_ACK && attempt_acknowledged(a);
}

static void survey(const struct transcript *t, struct trial *trial, const struct about *about)
{
    const struct attempt *a = &t->attempts[about->attempt];
    struct subject *s = &trial->subjects[about->entity];
    if (leaves_open(t, a)) {
        s->open = s->open ? s->open : a;
        trial->open = trial->open ? trial->open : a;
    }
    if (a->kind == KIND_BASELINE) {
        trial->told = trial->told ? trial->told : a;
        trial->told_count++;
        trial->heard |= attempt_acknowledged(a);
    }
    if (a->universe != UNIVERSE_COUNT)
        s->told[a->universe] += attempt_acknowledged(a);
    if (a->universe != UNIVERSE_B)
        return;
    s->in_b = true;
    trial->killed |= variant_get(a->variant)->fault == FAULT_RESTART;
    if (refusable(a) && (!s->refusable || (attempt_acknowledged(a) && !attempt_acknowledged(s->refusable))))
        s->refusable = a;
    if (struck(played_of(t, trial), a))
        s->struck = a;
}

/* A lost identifier is a rule of its own there. */
static bool asks_for_names(const struct played *p)
{
    return p->migration && p->asked[RULE_PORT_IDENTIFIER] && p->effects != RULE_PORT_IDENTIFIER;
}

/* The rule that what an entity is otherwise speaks against. */
static enum rule_id rule_of(const struct transcript *t, const struct trial *trial, const struct subject *s)
{
    return (enum rule_id)(s->refusable ? s->refusable->rule : played_of(t, trial)->effects);
}

static void survey_all(const struct transcript *t, struct trial *trial)
{
    const struct played *p = played_of(t, trial);
    trial->subject_count = p->entities.count + 1;
    trial->subjects = mem_alloc(trial->subject_count * sizeof *trial->subjects);
    for (size_t i = 0; i < p->about_count; i++)
        survey(t, trial, &t->abouts[p->about_first + i]);
    trial->subjects[p->entities.count].open = trial->open;
    for (size_t i = 0; i < trial->subject_count; i++) {
        enum rule_id rule = rule_of(t, trial, &trial->subjects[i]);
        if (rule != RULE_NONE)
            trial->concerns[rule] = true;
    }
    trial->concerns[RULE_PORT_IDENTIFIER] |= asks_for_names(p);
}

/* ---- whom an effect is held against --------------------------------------------------------- */

/* The first of those whom it is about, or the first that had to be refused. False when one of them is open.
 */
static bool charge(const struct transcript *t, const struct trial *trial, struct exhibit *x)
{
    const struct played *p = played_of(t, trial);
    const struct subject *subjects = trial->subjects, *charged = NULL;
    for (const char *name = x->effect->about, *end; name; name = *end ? end + 2 : NULL) {
        end = strstr(name, ", ");
        end = end ? end : name + strlen(name);
        uint32_t number = intern_find(&p->entities, (struct span){name, (size_t)(end - name)});
        const struct subject *s = &subjects[number == INTERN_NONE ? p->entities.count : number];
        if (s->open)
            return false;
        if (!charged || (s->refusable && !charged->refusable))
            charged = s;
    }
    x->subject = (uint32_t)(charged - subjects);
    return true;
}

static int by_subject(const void *left, const void *right)
{
    const struct exhibit *x = left, *y = right;
    if (x->trial != y->trial)
        return x->trial < y->trial ? -1 : 1;
    if (x->subject != y->subject)
        return x->subject < y->subject ? -1 : 1;
    return x->effect < y->effect ? -1 : x->effect > y->effect;
}

static bool provoked(const struct trial *trial, const struct subject *s)
{
    return trial->killed || s->struck || s->refusable;
}

/* What no fault struck differs too, and not much more seldom: it is how the connector is, and says nothing
 * about the fault. */
static bool is_restless(const struct trial *trial)
{
    size_t count[2] = {0}, differ[2] = {0};
    for (size_t i = 0; i + 1 < trial->subject_count; i++) {
        const struct subject *s = &trial->subjects[i];
        if (s->open || !(s->in_b || s->differs))
            continue;
        count[provoked(trial, s)]++;
        differ[provoked(trial, s)] += s->differs;
    }
    return differ[false] && differ[true] * count[false] <= 2 * differ[false] * count[true];
}

/* B has what A has not: a value, or a record more. */
static bool is_surplus(const struct effect *e)
{
    return *e->path ? strcmp(e->expected, "none") == 0
                    : strtoul(e->found, NULL, 10) > strtoul(e->expected, NULL, 10);
}

/* Nothing stands where the identifier stood; no uuid, either. */
static bool is_gone(const char *found)
{
    return strcmp(found, "none") == 0 || strcmp(found, "null") == 0 || strcmp(found, "\"\"") == 0;
}

/* Where more than the identifier is gone, the product never came. */
static void charge_one(const struct transcript *t, struct trial *trial, const struct effect *effect)
{
    const struct played *p = played_of(t, trial);
    struct exhibit x = {.trial = trial, .effect = effect};
    bool name = effect->nameless && asks_for_names(p);
    /* Twice is no loss: whoever was killed at work may have had to begin again. */
    if ((p->effects == RULE_DURABLE_ACK && is_surplus(effect)) || !charge(t, trial, &x))
        return;
    struct subject *s = &trial->subjects[x.subject];
    if (name && s->differs && is_gone(effect->found))
        return;
    *(name ? &s->nameless : &s->differs) = true;
    x.rule = name ? RULE_PORT_IDENTIFIER : rule_of(t, trial, s);
    if (provoked(trial, s))
        trial->exhibits[trial->exhibit_count++] = x;
}

static void charge_all(const struct transcript *t, struct trial *trial)
{
    trial->exhibits = mem_alloc((trial->effects.count + 1) * sizeof *trial->exhibits);
    for (int nameless = 0; nameless < 2; nameless++)
        for (size_t i = 0; i < trial->effects.count; i++)
            if (trial->effects.items[i].nameless == nameless)
                charge_one(t, trial, &trial->effects.items[i]);
    if (is_restless(trial))
        trial->end = TRIAL_RESTLESS;
    qsort(trial->exhibits, trial->exhibit_count, sizeof *trial->exhibits, by_subject);
}

/* ---- a port --------------------------------------------------------------------------------- */

struct audience {
    const struct played *played;
    const struct trial *trial;
};

/* A terms' may_count: A has counted some of the events that it was told, and B as many more as it was told
 * more. */
static bool may_count(const void *arg, const char *about, uint64_t expected, uint64_t found)
{
    const struct audience *audience = arg;
    uint32_t number = intern_find(&audience->played->entities, span_of(about));
    if (number == INTERN_NONE)
        return false;
    const uint32_t *told = audience->trial->subjects[number].told;
    return expected <= told[UNIVERSE_A] && found + told[UNIVERSE_A] == expected + told[UNIVERSE_B];
}

static void compare(const struct transcript *t, struct trial *trial)
{
    const struct played *p = played_of(t, trial);
    size_t calm = p->undisturbed.count, disturbed = p->disturbed.count;
    struct effect_records all = {.count = calm + disturbed};
    all.items = mem_alloc((all.count + 1) * sizeof *all.items);
    if (calm)
        memcpy(all.items, p->undisturbed.items, calm * sizeof *all.items);
    if (disturbed)
        memcpy(all.items + calm, p->disturbed.items, disturbed * sizeof *all.items);
    struct audience audience = {p, trial};
    struct effect_terms port = {.respell = port_respell, .may_count = may_count, .arg = &audience};
    char **places = p->migration ? port_join(&all) : NULL;
    effects_compare(&all, p->migration ? &port : NULL, &trial->effects);
    port_part(places, all.count);
    free(all.items);
}

static enum trial_end end_of(const struct played *p)
{
    if (p->not_back)
        return TRIAL_NOT_BACK;
    if (!p->settled)
        return TRIAL_CUT;
    if (p->given_up)
        return TRIAL_GIVEN_UP;
    return p->snapshots && !p->look_trouble ? TRIAL_COMPARED : TRIAL_UNLOOKED;
}

void trials_hold(struct trials *trials, const struct transcript *t)
{
    trials->items = mem_alloc((t->played_count + 1) * sizeof *trials->items);
    for (size_t i = 0; i < t->played_count; i++) {
        const struct played *p = &t->played[i];
        if (p->effects == RULE_NONE || p->skipped)
            continue;
        struct trial *trial = &trials->items[trials->count++];
        *trial = (struct trial){.scenario = (uint32_t)i, .end = end_of(p)};
        survey_all(t, trial);
        if (trial->end == TRIAL_COMPARED && trial->told && !trial->heard)
            trial->end = TRIAL_UNTOLD;
        if (trial->end != TRIAL_COMPARED)
            continue;
        compare(t, trial);
        if (trial->effects.compared)
            charge_all(t, trial);
        else
            trial->end = TRIAL_BLIND;
    }
}

void trials_reset(struct trials *trials)
{
    for (size_t i = 0; i < trials->count; i++) {
        effects_reset(&trials->items[i].effects);
        free(trials->items[i].exhibits);
        free(trials->items[i].subjects);
    }
    free(trials->items);
    *trials = (struct trials){0};
}

/* ---- what is held against a rule ------------------------------------------------------------ */

static bool is_of_names(const struct transcript *t, const struct trial *trial, enum rule_id rule)
{
    return rule == RULE_PORT_IDENTIFIER && asks_for_names(played_of(t, trial));
}

/* A product; models have their codes on both platforms. */
static bool has_identifier(const struct played *p, size_t entity)
{
    static const char product[] = "product ";
    return entity < p->entities.count &&
           strncmp(intern_text(&p->entities, (uint32_t)entity), product, sizeof product - 1) == 0;
}

/* Whether an entity kept its identifier can be seen where it is there at all. */
static bool speaks_of(const struct transcript *t, const struct trial *trial, size_t entity, enum rule_id rule)
{
    const struct played *p = played_of(t, trial);
    const struct subject *s = &trial->subjects[entity];
    return (s->in_b || s->differs) && !s->open &&
           (!is_of_names(t, trial, rule) ? rule_of(t, trial, s) == rule
                                         : s->nameless || (!s->differs && has_identifier(p, entity)));
}

/* One trial; judged is 0 when it says nothing. */
static struct charge charge_of(const struct transcript *t, const struct trial *trial, enum rule_id rule)
{
    struct charge c = {0};
    bool any_struck = false, of_names = is_of_names(t, trial, rule);
    bool own = played_of(t, trial)->effects == rule || of_names;
    uint64_t refusable = 0;
    if (own && trial->end == TRIAL_NOT_BACK)
        return (struct charge){.judged = 1, .failed = 1};
    for (size_t i = 0; i < trial->subject_count && trial->end == TRIAL_COMPARED; i++) {
        const struct subject *s = &trial->subjects[i];
        if (!speaks_of(t, trial, i, rule))
            continue;
        c.judged++;
        c.failed += (of_names ? s->nameless : s->differs) && provoked(trial, s);
        refusable += s->refusable != NULL;
        any_struck |= s->struck != NULL;
    }
    /* A signature that is taken is taken always, and there are at most four sorts to a rule. */
    if (refusable == c.judged && c.failed * 4 < c.judged)
        return (struct charge){0};
    return c.failed || (own && any_struck) ? c : (struct charge){0};
}

struct charge trials_charge(const struct trials *trials, const struct transcript *t, enum rule_id rule)
{
    struct charge sum = {0};
    for (size_t i = 0; i < trials->count; i++) {
        const struct trial *trial = &trials->items[i];
        if (!trial->concerns[rule])
            continue;
        struct charge c = charge_of(t, trial, rule);
        const struct trial **first = c.failed ? &sum.failed_in : c.judged ? &sum.passed_in : &sum.open_in;
        *first = *first ? *first : trial;
        sum.judged += c.judged;
        sum.failed += c.failed;
    }
    return sum;
}

/* ---- what is shown -------------------------------------------------------------------------- */

static bool same_sort(const struct effect *x, const struct effect *y)
{
    return strcmp(x->path, y->path) == 0 && (*x->record_a == '\0') == (*y->record_a == '\0') &&
           (*x->record_b == '\0') == (*y->record_b == '\0');
}

/* Another of the same entity, or, while sorts are looked for, of a sort that is there. */
static bool is_shown(const struct exhibit *shown, size_t count, const struct exhibit *x, bool new_sort)
{
    for (size_t i = 0; i < count; i++)
        if ((shown[i].trial == x->trial && shown[i].subject == x->subject) ||
            (new_sort && same_sort(shown[i].effect, x->effect)))
            return true;
    return false;
}

static size_t show_more(const struct trials *trials, enum rule_id rule, bool new_sort, struct exhibit *shown,
                        size_t count)
{
    for (size_t i = 0; i < trials->count; i++) {
        const struct trial *trial = &trials->items[i];
        for (size_t k = 0; k < trial->exhibit_count && count < EVIDENCE_MAX; k++) {
            const struct exhibit *x = &trial->exhibits[k];
            if (trial->end == TRIAL_COMPARED && x->rule == rule && !is_shown(shown, count, x, new_sort))
                shown[count++] = *x;
        }
    }
    return count;
}

size_t trials_show(const struct trials *trials, enum rule_id rule, struct exhibit shown[EVIDENCE_MAX])
{
    size_t count = show_more(trials, rule, true, shown, 0);
    count = show_more(trials, rule, false, shown, count);
    if (count)
        qsort(shown, count, sizeof *shown, by_subject);
    return count;
}

bool exhibit_lacks(const struct exhibit *x)
{
    const struct effect *e = x->effect;
    return *e->path ? is_gone(e->found) : strtoul(e->found, NULL, 10) < strtoul(e->expected, NULL, 10);
}

const struct attempt *exhibit_suspect(const struct transcript *t, const struct exhibit *x)
{
    const struct subject *s = &x->trial->subjects[x->subject];
    const struct played *p = played_of(t, x->trial);
    const struct attempt *suspect = s->refusable ? s->refusable : s->struck;
    for (size_t i = p->about_count; i > 0 && !suspect; i--) {
        const struct about *about = &t->abouts[p->about_first + i - 1];
        if (about->entity == x->subject && t->attempts[about->attempt].universe == UNIVERSE_B)
            suspect = &t->attempts[about->attempt];
    }
    return suspect;
}
