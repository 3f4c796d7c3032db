/* cmd_plan: pimsim plan: print what would happen, as NDJSON, and send nothing. */
#include <stdio.h>

#include "cmd.h"
#include "judge.h"
#include "limits.h"
#include "plan.h"
#include "rng.h"
#include "scenario.h"

#define CHUNK_BYTES (1u << 16)

static void print_plan(const struct plan *plan)
{
    struct buf text;
    buf_init(&text, JOURNAL_LINE_BYTES_MAX);
    for (size_t i = 0; i < plan->count; i++) {
        plan_print(plan, &plan->items[i], &text);
        buf_putc(&text, '\n');
        if (text.len >= CHUNK_BYTES || i + 1 == plan->count) {
            cmd_print(&text);
            buf_clear(&text);
        }
    }
    buf_reset(&text);
}

/* A migration has two parts. */
static bool plan_all(const struct scenario *scenario, enum platform_id platform,
                     const struct settings *settings, struct data *data, uint64_t seed, struct err *err)
{
    const enum platform_id parts[] = {PLATFORM_EVENTS_API, platform};
    bool ok = true;
    for (size_t i = scenario->migration ? 0 : 1; i < COUNT_OF(parts) && ok; i++) {
        struct plan *plan;
        ok = plan_build(&plan, scenario, profile_get(parts[i]), settings, data, seed, err);
        if (ok) {
            print_plan(plan);
            plan_free(plan);
        }
    }
    return ok;
}

bool cmd_plan(const struct options *options, enum exit_code *code, struct err *err)
{
    (void)code;
    enum platform_id platform;
    struct settings settings = {.secret = span_of("a plan signs nothing")};
    struct data *data = NULL;
    struct suite suite = {0};
    uint64_t seed = options->seed_set ? options->seed : rng_seed_fresh();
    size_t planned = 0;
    if (options->args.count == 0)
        return err_set(err, "which scenario? usage: pimsim plan SCENARIO (pimsim list scenarios)");
    bool ok = cmd_platform(options, &platform, err) && cmd_settings(options, platform, &settings, err) &&
              data_open(&data, options->data, err) &&
              suite_load(&suite, data, options->args.items, options->args.count, rule_known, err);
    for (size_t i = 0; i < suite.count && ok; i++) {
        if (!(suite.scenarios[i]->platforms & PLATFORM_BIT(platform)))
            continue;
        planned++;
        ok = plan_all(suite.scenarios[i], platform, &settings, data, seed, err);
    }
    if (ok && !planned)
        ok = err_set(err, "none of these scenarios is for %s (--platform)", platform_names[platform]);
    suite_reset(&suite);
    data_close(data);
    return ok;
}
