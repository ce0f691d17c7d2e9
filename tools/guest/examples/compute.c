/* SPDX-License-Identifier: Apache-2.0 */
/* compute: work for the processor and little else.
 *
 *   init    any bytes, usually none; they seed the table
 *   handle  u32 n: mixes the table into the state n times, with BLAKE2s's quarter round over 16
 *           words; keeps the state and replies its first 8 words, 32 bytes.
 *
 * One step is one quarter round: about 120 instructions, among them 2 loads from the 16 KiB table.
 * Init takes about 100,000. The state of 64 bytes is all that a message changes.
 *
 * Panics: "compute: expected a u32". */
#include "gear.h"

enum { TABLE_WORDS = 4096, STATE_WORDS = 16 };

static uint32_t *table;
static uint32_t state[STATE_WORDS];

static inline uint32_t rotate_right(uint32_t word, uint32_t bits)
{
    return word >> bits | word << (32 - bits);
}

GEAR_INIT
{
    uint8_t seed[64];
    uint32_t size = gear_size();
    if (size > sizeof seed)
        size = sizeof seed;
    if (size > 0)
        gear_read(0, seed, size);
    uint64_t x = UINT64_C(0x9e3779b97f4a7c15);
    for (uint32_t i = 0; i < size; i++)
        x = (x ^ seed[i]) * UINT64_C(0x100000001b3);
    x |= 1; /* xorshift stays at 0 for ever */

    table = gear_allocate(TABLE_WORDS * (uint32_t)sizeof *table);
    for (uint32_t i = 0; i < TABLE_WORDS; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        table[i] = (uint32_t)(x >> 32);
    }
    memcpy(state, table, sizeof state);
}

GEAR_HANDLE
{
    uint32_t n;
    gear_require(gear_size() == sizeof n, "compute: expected a u32");
    gear_read(0, &n, sizeof n);

    uint32_t v[STATE_WORDS];
    memcpy(v, state, sizeof v);
    for (uint32_t i = 0; i < n; i++) {
        /* Steps 0 .. 3 of each eight mix the columns, the others the diagonals. */
        uint32_t column = i & 3, turn = i >> 2 & 1;
        uint32_t *a = &v[column];
        uint32_t *b = &v[4 + ((column + turn) & 3)];
        uint32_t *c = &v[8 + ((column + 2 * turn) & 3)];
        uint32_t *d = &v[12 + ((column + 3 * turn) & 3)];
        *a += *b + table[*c & (TABLE_WORDS - 1)];
        *d = rotate_right(*d ^ *a, 16);
        *c += *d;
        *b = rotate_right(*b ^ *c, 12);
        *a += *b + table[*d & (TABLE_WORDS - 1)];
        *d = rotate_right(*d ^ *a, 8);
        *c += *d;
        *b = rotate_right(*b ^ *c, 7);
    }
    memcpy(state, v, sizeof v);
    gear_reply(state, 32);
}
