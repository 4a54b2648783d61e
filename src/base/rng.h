/* SPDX-License-Identifier: Apache-2.0 */
/* rng.h - small seeded generator (splitmix64) for simulations, tests and scattering; not secret.
 * Threads: the owner of the Rng. Equal seeds give equal sequences on every machine. */
#ifndef MAGGIE_RNG_H
#define MAGGIE_RNG_H

#include <stdint.h>

typedef struct Rng {
    uint64_t state;
} Rng;

static inline void rng_init(Rng *rng, uint64_t seed) { rng->state = seed; }

static inline uint64_t rng_next(Rng *rng)
{
    uint64_t z = (rng->state += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

/* A number in [0, n), n > 0. The bias is below n / 2^32: fine for choices, not for lotteries. */
static inline uint32_t rng_below(Rng *rng, uint32_t n)
{
    return (uint32_t)(((rng_next(rng) >> 32) * n) >> 32);
}

#endif
