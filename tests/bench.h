/* bench.h: what one piece of work costs. */
#ifndef PIMSIM_BENCH_H
#define PIMSIM_BENCH_H

#include <stdint.h>
#include <time.h>

/* Processor time: what neighbours take does not count. */
static inline uint64_t bench_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* Nanoseconds of one piece, the best of many stretches of so many pieces. */
static inline double bench_best_ns(void (*work)(void *arg, unsigned n), void *arg, unsigned pieces)
{
    double best = 1e18;
    for (int stretch = 0; stretch < 40; stretch++) {
        uint64_t from_ns = bench_ns();
        for (unsigned n = 0; n < pieces; n++)
            work(arg, n);
        double ns = (double)(bench_ns() - from_ns) / pieces;
        best = ns < best ? ns : best;
    }
    return best;
}

#endif
