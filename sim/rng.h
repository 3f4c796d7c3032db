/* rng: the only source of randomness: seeded, the same on every machine.
 *
 * A stream is a seed and a name, so that adding a draw in one place moves no other. Identities are
 * hashes of (seed, numbers): nobody has to remember them, and a plan of a million events stores none. */
#ifndef PIMSIM_RNG_H
#define PIMSIM_RNG_H

#include "base.h"

struct rng {
    uint64_t state;
};

void rng_init(struct rng *r, uint64_t seed, const char *stream);
uint64_t rng_u64(struct rng *r);
uint64_t rng_below(struct rng *r, uint64_t limit);             /* 0 .. limit-1; 0 when limit is 0 */
uint64_t rng_range(struct rng *r, uint64_t min, uint64_t max); /* both ends included */
uint64_t rng_hash(uint64_t seed, const char *stream, uint64_t n);
void rng_uuid4(uint64_t seed, const char *stream, uint64_t n, char text[UUID_SIZE]);
void rng_uuid7(uint64_t seed, const char *stream, uint64_t n, int64_t wall_us, char text[UUID_SIZE]);
uint64_t rng_seed_fresh(void); /* from the system, for a run without --seed; below 2^53, exact in JSON */

#endif
