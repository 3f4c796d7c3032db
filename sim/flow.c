/* flow: see flow.h and flow.def. */
#include "flow.h"

#include <stdlib.h>
#include <string.h>

enum unit { COUNT, DURATION, DURATIONS, PER_SECOND };

static const struct row {
    const char *key;
    enum unit unit;
    double min, max; /* of what is not 0; durations in microseconds */
    size_t offset;
} rows[] = {
#define FLOW(member, key, unit, min, max, summary)                                                           \
    {key, unit, (double)(min), (double)(max), offsetof(struct flow, member)},
#include "flow.def"
#undef FLOW
};

/* A struct flow is an array of numbers, too. */
#define UNSET UINT64_MAX
#define WORDS (sizeof(struct flow) / sizeof(uint64_t))

const char *flow_key_at(size_t index)
{
    return rows[index].key;
}

void flow_unset(struct flow *flow)
{
    uint64_t *words = (uint64_t *)flow;
    for (size_t i = 0; i < WORDS; i++)
        words[i] = UNSET;
}

/* ---- setting ------------------------------------------------------------------------------ */

static const struct row *find_row(const char *key, struct err *err)
{
    const char *keys[COUNT_OF(rows)];
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        keys[i] = rows[i].key;
        if (strcmp(key, keys[i]) == 0)
            return &rows[i];
    }
    const char *nearest = word_nearest(key, keys, COUNT_OF(keys));
    if (nearest)
        err_set(err, "\"%s\" is not known; did you mean \"%s\"?", key, nearest);
    else
        err_set(err, "\"%s\" is not known", key);
    return NULL;
}

static bool parse_number(const char *text, enum unit unit, uint64_t *n, struct err *err)
{
    char *end = NULL;
    double real = *text >= '0' && *text <= '9' ? strtod(text, &end) : -1;
    if (real < 0 || !end || *end || real > 1e9 || strpbrk(text, "xXpP"))
        return err_set(err, "\"%s\" is not a number", text);
    *n = (uint64_t)(unit == PER_SECOND ? real * (double)FLOW_PER_SECOND + 0.5 : real);
    if (unit == COUNT && (double)*n != real)
        return err_set(err, "%s is not a whole number", text);
    if (real > 0 && !*n) /* too small to be told from none, which it does not mean */
        *n = 1;
    return true;
}

static bool parse_value(const struct row *row, const char *text, uint64_t *n, struct err *err)
{
    bool duration = row->unit == DURATION || row->unit == DURATIONS;
    if (strcmp(text, "none") == 0)
        text = "0";
    if (!(duration ? word_duration_us(text, n, err) : parse_number(text, row->unit, n, err)))
        return false;
    double value = (double)*n / (row->unit == PER_SECOND ? (double)FLOW_PER_SECOND : 1);
    if (*n && (value < row->min || value > row->max))
        return duration ? err_set(err, "%s is not between %gs and %gs", text, row->min / 1e6, row->max / 1e6)
                        : err_set(err, "%s is not between %g and %g", text, row->min, row->max);
    return true;
}

static bool parse_list(const struct row *row, const char *text, uint64_t *list, struct err *err)
{
    char *copy = mem_text(text), *rest = copy, *word;
    size_t count = 0;
    bool ok = true;
    memset(list, 0, FLOW_RETRIES_MAX * sizeof *list);
    while (ok && (word = strsep(&rest, ",")))
        ok = count == FLOW_RETRIES_MAX ? err_set(err, "more than %d", FLOW_RETRIES_MAX)
                                       : parse_value(row, word, &list[count++], err);
    for (size_t i = 0; ok && count > 1 && i < count; i++)
        if (!list[i])
            ok = err_set(err, "\"%s\" holds a wait of nothing", text);
    free(copy);
    return ok;
}

static bool set_row(struct flow *flow, const struct row *row, const char *value, struct err *err)
{
    uint64_t words[FLOW_RETRIES_MAX] = {0};
    bool list = row->unit == DURATIONS;
    if (!(list ? parse_list(row, value, words, err) : parse_value(row, value, words, err)))
        return false;
    memcpy((char *)flow + row->offset, words, (list ? FLOW_RETRIES_MAX : 1) * sizeof *words);
    return true;
}

bool flow_set(struct flow *flow, const char *key, const char *value, struct err *err)
{
    const struct row *row = find_row(key, err);
    return row && set_row(flow, row, value, err);
}

bool flow_assign(struct flow *flow, const char *assignment, struct err *err)
{
    const char *equals = strchr(assignment, '=');
    if (!equals)
        return err_set(err, "\"%s\" is not KEY=VALUE", assignment);
    char *key = mem_text_n(assignment, (size_t)(equals - assignment));
    const struct row *row = find_row(key, err);
    bool ok = row && (set_row(flow, row, equals + 1, err) || err_wrap(err, "%s", key));
    free(key);
    return ok;
}

/* ---- resolving ---------------------------------------------------------------------------- */

void flow_override(struct flow *flow, const struct flow *above)
{
    uint64_t *words = (uint64_t *)flow;
    for (size_t i = 0; i < WORDS; i++)
        if (((const uint64_t *)above)[i] != UNSET)
            words[i] = ((const uint64_t *)above)[i];
}

bool flow_resolve(struct flow *flow, const struct flow *own, const struct flow *wanted, struct err *err)
{
    *flow = *own;
    if (wanted)
        flow_override(flow, wanted);
    if (flow->rate_max && !(flow->rate_min && flow->rate_min <= flow->rate_max))
        return err_set(err, "rate-min is not between 0 and rate-max");
    if (flow->quota && !flow->quota_window_us)
        return err_set(err, "a quota needs a quota-window");
    if (flow->success_min && !flow->success_window_us)
        return err_set(err, "success-min needs a success-window");
    return true;
}
