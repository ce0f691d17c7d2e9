/* SPDX-License-Identifier: Apache-2.0 */
/* random: numbers from a seed, the same on every machine. */
#ifndef MR_TESTS_MODEL_RANDOM_H
#define MR_TESTS_MODEL_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/millrace.h"

typedef struct mr_random {
    uint64_t state;
} mr_random;

/* Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators" (SplitMix64). */
static inline uint64_t mr_random_next(mr_random *random)
{
    uint64_t z = random->state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* 0 .. below - 1 */
static inline uint64_t mr_random_below(mr_random *random, uint64_t below)
{
    return mr_random_next(random) % below;
}

/* low .. high */
static inline uint64_t mr_random_range(mr_random *random, uint64_t low, uint64_t high)
{
    return low + mr_random_below(random, high - low + 1);
}

/* True in `percent` of 100 cases. */
static inline bool mr_random_chance(mr_random *random, unsigned percent)
{
    return mr_random_below(random, 100) < percent;
}

/* low .. high, every magnitude alike. */
static inline uint64_t mr_random_magnitude(mr_random *random, uint64_t low, uint64_t high)
{
    unsigned low_bits = 64 - (unsigned)__builtin_clzll(low | 1);
    unsigned high_bits = 64 - (unsigned)__builtin_clzll(high | 1);
    unsigned bits = (unsigned)mr_random_range(random, low_bits, high_bits);
    uint64_t value = (uint64_t)1 << (bits - 1) | mr_random_below(random, (uint64_t)1 << (bits - 1));
    return value < low ? low : value > high ? high : value;
}

static inline mr_id mr_random_id(mr_random *random)
{
    mr_id id;
    for (unsigned i = 0; i < sizeof id.bytes; i++)
        id.bytes[i] = (uint8_t)mr_random_next(random);
    return id;
}

/* A seed for part `part` of what `seed` stands for. */
static inline uint64_t mr_random_part(uint64_t seed, uint64_t part)
{
    mr_random random = {.state = seed ^ (part + 1) * 0xd1342543de82ef95u};
    return mr_random_next(&random);
}

#endif
