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
        struct plan *plan;
        if (!(suite.scenarios[i]->platforms & PLATFORM_BIT(platform)))
            continue;
        planned++;
        ok = plan_build(&plan, suite.scenarios[i], profile_get(platform), &settings, data, seed, err);
        if (ok) {
            print_plan(plan);
            plan_free(plan);
        }
    }
    if (ok && !planned)
        ok = err_set(err, "none of these scenarios is for %s (--platform)", platform_names[platform]);
    suite_reset(&suite);
    data_close(data);
    return ok;
}
