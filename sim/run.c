/* run: see run.h. */
#include "run.h"

#include <stdio.h>
#include <string.h>

/* The run is given up after so many scenarios in a row without any answer, or after one when there was never
 * an answer. */
#define GIVEN_UP_MAX 2

/* What a scenario may ask for and we lack: bits. */
enum lack { LACK_SIGHT, LACK_RESTART, LACK_SECRET, LACK_BASELINE, LACK_PIM, LACK_COUNT };
static const struct {
    const char *what, *give;
} lacks[LACK_COUNT] = {
    [LACK_SIGHT] = {"no way to look at the connector's state", "--state-url, --state-cmd or --sink"},
    [LACK_RESTART] = {"no way to restart the connector", "--exec"},
    [LACK_SECRET] = {"no second secret that the connector knows", "--secret-secondary"},
    [LACK_BASELINE] = {"no endpoint of the Events API to compare with", "--url-events-api"},
    [LACK_PIM] = {"no PIM that the connector could ask", "--pim"},
};

static const char *const end_names[] = {
    [RUN_COMPLETE] = "complete",
    [RUN_INTERRUPTED] = "interrupted",
    [RUN_UNREACHABLE] = "unreachable",
    [RUN_GIVEN_UP] = "given-up",
};

static unsigned lacks_of(const struct scenario *s, const struct run_means *means)
{
    unsigned lack = 0;
    if (s->effects && !means->sight)
        lack |= 1u << LACK_SIGHT;
    if (s->migration && !means->baseline)
        lack |= 1u << LACK_BASELINE;
    if (s->migration && !means->pim)
        lack |= 1u << LACK_PIM;
    for (size_t i = 0; i < s->fault_count; i++) {
        if (s->faults[i].kind == FAULT_RESTART && !means->restart)
            lack |= 1u << LACK_RESTART;
        if (fault_uses(&s->faults[i], VARIANT_ROTATE_REMOVED) && !means->secret)
            lack |= 1u << LACK_SECRET;
    }
    return lack;
}

static void put_lacks(unsigned lack, struct buf *out)
{
    const char *between = "";
    for (int i = 0; i < LACK_COUNT; i++)
        if (lack & 1u << i) {
            buf_printf(out, "%s%s: give %s", between, lacks[i].what, lacks[i].give);
            between = "; ";
        }
}

bool run_lacks(const struct scenario *scenario, const struct run_means *means, struct buf *out)
{
    unsigned lack = lacks_of(scenario, means);
    put_lacks(lack, out);
    return lack;
}

static struct run_means means_of(const struct play_options *o)
{
    return (struct run_means){
        .sight = o->observe,
        .restart = o->restart,
        .secret = !o->target.profile->secondary_header || o->target.settings.secret_secondary.len,
        .baseline = o->baseline.deliver.url,
        .pim = o->pim,
    };
}

/* One pass over the suite: what loads the connector, or all the rest. */
struct pass {
    const struct play_options *options;
    const struct suite *suite;
    struct loop *loop;
    struct player *player;
    bool load;
    unsigned skipped[1u << LACK_COUNT]; /* scenarios, by what they lack */
    unsigned silent_in_row;             /* the same, without any answer */
    struct run_result *result;
};

/* What a scenario that was played means for the rest. */
static enum run_end end_after(struct pass *p, const struct played_out *out)
{
    p->silent_in_row = out->given_up && !out->answered ? p->silent_in_row + 1 : 0;
    p->result->url = out->url;
    snprintf(p->result->why, sizeof p->result->why, "%s", out->why);
    if (loop_interrupted(p->loop))
        return RUN_INTERRUPTED;
    if (out->absent)
        return RUN_UNREACHABLE;
    bool over = out->gone || p->silent_in_row == GIVEN_UP_MAX || (out->given_up && !out->ever);
    return over ? RUN_GIVEN_UP : RUN_COMPLETE;
}

static void skip(struct pass *p, const struct scenario *scenario, unsigned lack)
{
    struct buf why;
    buf_init(&why, 1024);
    put_lacks(lack, &why);
    player_skip(p->player, scenario, buf_text(&why));
    buf_reset(&why);
    p->skipped[lack]++;
}

static bool play_pass(struct pass *p, struct err *err)
{
    const struct run_means means = means_of(p->options);
    for (size_t i = 0; i < p->suite->count && p->result->end == RUN_COMPLETE; i++) {
        const struct scenario *s = p->suite->scenarios[i];
        if (!(s->platforms & PLATFORM_BIT(p->options->target.profile->id)) || s->pace.rate_top != p->load)
            continue;
        unsigned lack = lacks_of(s, &means);
        if (lack) {
            skip(p, s, lack);
            continue;
        }
        struct played_out out;
        if (!player_play(p->player, s, &out, err))
            return false;
        p->result->end = end_after(p, &out);
    }
    return true;
}

static void print_skipped(const struct pass *p)
{
    struct buf why;
    buf_init(&why, 1024);
    for (unsigned lack = 1; lack < COUNT_OF(p->skipped) && p->options->progress != PROGRESS_NONE; lack++) {
        if (!p->skipped[lack])
            continue;
        buf_clear(&why);
        put_lacks(lack, &why);
        fprintf(stderr, "%u scenario%s skipped: %s\n", p->skipped[lack], p->skipped[lack] == 1 ? "" : "s",
                buf_text(&why));
    }
    buf_reset(&why);
}

bool run_suite(const struct play_options *options, const struct suite *suite, struct data *data,
               struct loop *loop, struct journal *journal, struct run_result *result, struct err *err)
{
    struct pass pass = {.options = options, .suite = suite, .loop = loop, .result = result};
    *result = (struct run_result){.end = RUN_COMPLETE, .url = options->target.url};
    if (!player_new(&pass.player, options, data, loop, journal, err))
        return false;
    bool ok = play_pass(&pass, err);
    pass.load = true;
    ok = ok && play_pass(&pass, err);
    print_skipped(&pass);
    ok = ok && player_end(pass.player, end_names[result->end], err);
    player_free(pass.player);
    return ok;
}
