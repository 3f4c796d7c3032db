/* bench_plan: a scenario's plan built, and every delivery of it taken: time and resident memory.
 * Usage: bench_plan SCENARIO-FILE. Prints {"events", "us", "bytes"}; bytes is the peak, less what was
 * there before. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "judge.h"
#include "plan.h"
#include "platform.h"
#include "scenario.h"

/* Not getrusage's: that starts from what our parent had. */
static long peak_bytes(void)
{
    struct err err;
    struct buf text;
    buf_init(&text, 1 << 16);
    const char *line =
        buf_read_file(&text, "/proc/self/status", &err) ? strstr(buf_text(&text), "VmHWM:") : NULL;
    long bytes = line ? atol(line + strlen("VmHWM:")) * 1024 : 0;
    buf_reset(&text);
    return bytes;
}

static bool measure(struct data *data, const struct scenario *scenario, struct err *err)
{
    struct settings settings = {.secret = span_of("a plan signs nothing")};
    struct plan *plan;
    long before = peak_bytes();
    uint64_t from_ns = bench_ns();
    if (!plan_build(&plan, scenario, &profile_aep, &settings, data, 1, err))
        return false;
    struct platform *platform = platform_new(plan);
    struct delivery delivery;
    uint64_t now_us = 0;
    while (!platform_done(platform)) {
        now_us = platform_due_us(platform, now_us);
        if (platform_next(platform, now_us, &delivery))
            platform_ended(platform, &delivery);
    }
    printf("{\"events\": %zu, \"us\": %llu, \"bytes\": %ld}\n", plan->count,
           (unsigned long long)(bench_ns() - from_ns) / 1000, peak_bytes() - before);
    platform_free(platform);
    plan_free(plan);
    return true;
}

int main(int argc, char **argv)
{
    struct err err;
    struct data *data = NULL;
    struct suite suite = {0};
    const char *const path = argc == 2 ? argv[1] : "";
    bool ok = data_open(&data, NULL, &err) && suite_load(&suite, data, &path, 1, rule_known, &err) &&
              measure(data, suite.scenarios[0], &err);
    if (!ok)
        fprintf(stderr, "bench_plan: %s\n", err.text);
    suite_reset(&suite);
    data_close(data);
    return ok ? 0 : 3;
}
