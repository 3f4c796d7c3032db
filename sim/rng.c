/* rng: see rng.h. SplitMix64 throughout: small, well mixed, and a hash as well as a generator. */
#include "rng.h"

#include <stdio.h>
#include <sys/random.h>

static uint64_t mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

uint64_t rng_hash(uint64_t seed, const char *stream, uint64_t n)
{
    uint64_t h = mix(seed + 0x9e3779b97f4a7c15u);
    for (; *stream; stream++)
        h = mix(h ^ (unsigned char)*stream);
    return mix(h + (n + 1) * 0x9e3779b97f4a7c15u);
}

void rng_init(struct rng *r, uint64_t seed, const char *stream)
{
    r->state = rng_hash(seed, stream, 0);
}

uint64_t rng_u64(struct rng *r)
{
    r->state += 0x9e3779b97f4a7c15u;
    return mix(r->state);
}

uint64_t rng_below(struct rng *r, uint64_t limit)
{
    /* The high half of a 128-bit product: no modulo bias worth the name. */
    return limit ? (uint64_t)(((unsigned __int128)rng_u64(r) * limit) >> 64) : 0;
}

uint64_t rng_range(struct rng *r, uint64_t min, uint64_t max)
{
    return min >= max ? min : min + rng_below(r, max - min + 1);
}

static void uuid_print(uint64_t hi, uint64_t lo, unsigned version, char text[UUID_SIZE])
{
    hi = (hi & ~UINT64_C(0xf000)) | (uint64_t)version << 12;
    lo = (lo & ~(UINT64_C(3) << 62)) | UINT64_C(1) << 63;
    static const char digits[] = "0123456789abcdef";
    char *p = text;
    for (int i = 0; i < 32; i++) {
        if (i == 8 || i == 12 || i == 16 || i == 20)
            *p++ = '-';
        uint64_t half = i < 16 ? hi : lo;
        *p++ = digits[half >> (60 - 4 * (i & 15)) & 15];
    }
    *p = '\0';
}

void rng_uuid4(uint64_t seed, const char *stream, uint64_t n, char text[UUID_SIZE])
{
    uint64_t hi = rng_hash(seed, stream, n);
    uuid_print(hi, mix(hi ^ 0x5851f42d4c957f2du), 4, text);
}

void rng_uuid7(uint64_t seed, const char *stream, uint64_t n, int64_t wall_us, char text[UUID_SIZE])
{
    uint64_t hash = rng_hash(seed, stream, n);
    uint64_t hi = (uint64_t)(wall_us / 1000) << 16 | (hash & 0xffff);
    uuid_print(hi, mix(hash ^ 0x5851f42d4c957f2du), 7, text);
}

uint64_t rng_seed_fresh(void)
{
    uint64_t seed = 0;
    if (getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed)
        seed = (uint64_t)(uintptr_t)&seed; /* no entropy at boot: any number will do */
    return seed >> 11;
}
