/* bench_hours: the platform's laws over simulated days, against a connector that answers at once; processor
 * time and memory. Prints a JSON object a line: {"story", "hours", "events", "us", "bytes"}; bytes is what
 * the plan's items and the platform held at their peak. */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench.h"
#include "platform.h"

#define SECOND_US UINT64_C(1000000)
#define HOUR_US   (3600 * SECOND_US)

struct story {
    const char *name;
    const struct profile *profile;
    size_t events;
    uint64_t every_us;       /* between two */
    uint64_t down_us, up_us; /* 503 from … to */
    uint64_t success_min;    /* 0: is never suspended */
    bool fast;               /* at the highest rate, whatever is answered */
};

static const struct story stories[] = {
    {"a day, an event a minute, an hour down", &profile_aep, 1440, 60 * SECOND_US, 10 * HOUR_US, 11 * HOUR_US,
     0, false},
    {"a day, an event a second, an hour down", &profile_aep, 86400, SECOND_US, 10 * HOUR_US, 11 * HOUR_US, 0,
     false},
    {"a million events at once", &profile_aep, 1000000, 0, 0, 0, 90, false},
    {"a million events at once, an hour down", &profile_aep, 1000000, 0, 0, HOUR_US, 0, false},
    {"a million, an hour down, at the highest rate", &profile_aep, 1000000, 0, 0, HOUR_US, 0, true},
    {"a million events over two days", &profile_events_api, 1000000, SECOND_US / 6, 0, 0, 0, false},
};

static size_t heap_bytes(void)
{
    struct mallinfo2 m = mallinfo2();
    return m.uordblks + m.hblkhd;
}

static void note_peak(size_t before, size_t *most)
{
    size_t bytes = heap_bytes() - before;
    *most = bytes > *most ? bytes : *most;
}

static void measure(const struct story *story)
{
    size_t before = heap_bytes(), most = 0;
    struct scenario scenario = {.pace = {.rate = 1}};
    struct plan_source source = {0};
    struct plan plan = {.scenario = &scenario,
                        .profile = story->profile,
                        .batch = story->profile->events_per_request_max,
                        .universes = 1,
                        .sources = &source,
                        .items = mem_alloc(story->events * sizeof *plan.items),
                        .count = story->events};
    struct flow flow = story->profile->flow;
    flow.success_min = story->success_min;
    if (story->fast)
        flow.rate_min = flow.rate_max;
    for (size_t i = 0; i < plan.count; i++)
        plan.items[i].at_us = plan.items[i].changed_us = i * story->every_us;
    uint64_t from_ns = bench_ns(), now_us = 0, steps = 0;
    struct platform *platform = platform_new(&plan);
    platform_regulate(platform, &flow, NULL, NULL);
    while (!platform_done(platform)) {
        struct delivery d;
        now_us = platform_due_us(platform, now_us);
        if (!platform_next(platform, now_us, &d))
            continue;
        bool down = now_us >= story->down_us && now_us < story->up_us;
        platform_answered(platform, &d, OUTCOME_ANSWERED, down ? 503 : 200, now_us);
        platform_ended(platform, &d);
        if (++steps % 4096 == 0)
            note_peak(before, &most);
    }
    note_peak(before, &most);
    printf("{\"story\": \"%s\", \"hours\": %.1f, \"events\": %zu, \"us\": %llu, \"bytes\": %zu}\n",
           story->name, (double)now_us / (double)HOUR_US, story->events,
           (unsigned long long)(bench_ns() - from_ns) / 1000, most);
    platform_free(platform);
    free(plan.items);
}

int main(void)
{
    for (size_t i = 0; i < COUNT_OF(stories); i++)
        measure(&stories[i]);
    return 0;
}
