/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/blake2b.h"

#include "base/assert.h"

enum { WORDS = 16, ROUNDS = 12, DIGEST_BYTES = 32 };

typedef uint64_t lanes __attribute__((vector_size(8 * MR_BLAKE2B_LANES)));

static const uint64_t iv[8] = {
    0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
    0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179,
};

static const uint8_t sigma[10][WORDS] = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
    {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
    {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4},
    {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
    {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13},
    {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
    {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11},
    {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
    {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5},
    {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0},
};

#define ROTATE(x, bits) ((x) >> (bits) | (x) << (64 - (bits)))

#define MIX(a, b, c, d, x, y)                                                                      \
    do {                                                                                           \
        a += b + (x);                                                                              \
        d = ROTATE(d ^ a, 32);                                                                     \
        c += d;                                                                                    \
        b = ROTATE(b ^ c, 24);                                                                     \
        a += b + (y);                                                                              \
        d = ROTATE(d ^ a, 16);                                                                     \
        c += d;                                                                                    \
        b = ROTATE(b ^ c, 63);                                                                     \
    } while (0)

/* Word `w` of each message, zero beyond its end. */
static inline void transpose(const uint8_t *const messages[MR_BLAKE2B_LANES],
                             const size_t sizes[MR_BLAKE2B_LANES], lanes words[WORDS])
{
    uint64_t columns[WORDS][MR_BLAKE2B_LANES] = {0};
    for (size_t lane = 0; lane < MR_BLAKE2B_LANES; lane++) {
        const size_t whole = sizes[lane] / 8, rest = sizes[lane] % 8;
        MR_ASSERT(sizes[lane] <= MR_BLAKE2B_SHORT_MAX);
        for (size_t w = 0; w < whole; w++)
            columns[w][lane] = mr_load_le64(messages[lane] + 8 * w);
        if (rest > 0)
            memcpy(&columns[whole][lane], messages[lane] + 8 * whole, rest);
    }
    memcpy(words, columns, sizeof columns);
}

/* ThreadSanitizer cannot yet run when the loader chooses among clones. */
#ifdef __SANITIZE_THREAD__
#define FOR_EACH_CPU
#else
#define FOR_EACH_CPU __attribute__((target_clones("arch=x86-64-v4", "avx2", "default")))
#endif

/* The hash's state before its first block, which is its last. */
static uint64_t start(size_t i)
{
    return i == 0 ? iv[0] ^ (0x01010000 | DIGEST_BYTES) /* no key, fan-out and depth 1 */ : iv[i];
}

FOR_EACH_CPU void mr_blake2b_lanes(const uint8_t *const messages[MR_BLAKE2B_LANES],
                                   const size_t sizes[MR_BLAKE2B_LANES],
                                   mr_id *const digests[MR_BLAKE2B_LANES])
{
    lanes words[WORDS];
    transpose(messages, sizes, words);
    const lanes zero = {0};
    lanes v[16];
    for (size_t i = 0; i < 8; i++) {
        v[i] = zero + start(i);
        v[i + 8] = zero + iv[i];
    }
    for (size_t lane = 0; lane < MR_BLAKE2B_LANES; lane++)
        v[12][lane] ^= (uint64_t)sizes[lane];
    v[14] = ~v[14]; /* the last block, which is the first */
    for (size_t r = 0; r < ROUNDS; r++) {
        const uint8_t *s = sigma[r % 10];
        MIX(v[0], v[4], v[8], v[12], words[s[0]], words[s[1]]);
        MIX(v[1], v[5], v[9], v[13], words[s[2]], words[s[3]]);
        MIX(v[2], v[6], v[10], v[14], words[s[4]], words[s[5]]);
        MIX(v[3], v[7], v[11], v[15], words[s[6]], words[s[7]]);
        MIX(v[0], v[5], v[10], v[15], words[s[8]], words[s[9]]);
        MIX(v[1], v[6], v[11], v[12], words[s[10]], words[s[11]]);
        MIX(v[2], v[7], v[8], v[13], words[s[12]], words[s[13]]);
        MIX(v[3], v[4], v[9], v[14], words[s[14]], words[s[15]]);
    }
    for (size_t i = 0; i < DIGEST_BYTES / 8; i++) {
        const lanes digest = start(i) ^ v[i] ^ v[i + 8];
        for (size_t lane = 0; lane < MR_BLAKE2B_LANES; lane++)
            mr_store_le64(digests[lane]->bytes + 8 * i, digest[lane]);
    }
}

/* A row of the hash's square: four words that are mixed side by side. */
typedef uint64_t row __attribute__((vector_size(32)));

#define TURN(v, a, b, c, d) __builtin_shuffle(v, (row){a, b, c, d})

#define PICK(s, from)                                                                              \
    ((row){w[(s)[from]], w[(s)[(from) + 2]], w[(s)[(from) + 4]], w[(s)[(from) + 6]]})

FOR_EACH_CPU void mr_blake2b_short(const uint8_t *message, size_t size, mr_id *digest)
{
    MR_ASSERT(size <= MR_BLAKE2B_SHORT_MAX);
    uint64_t w[WORDS] = {0};
    memcpy(w, message, size);
    const row first = {start(0), start(1), start(2), start(3)};
    row a = first, b = {iv[4], iv[5], iv[6], iv[7]}, c = {iv[0], iv[1], iv[2], iv[3]};
    row d = {iv[4] ^ size, iv[5], ~iv[6], iv[7]};
#pragma GCC unroll 12
    for (size_t r = 0; r < ROUNDS; r++) {
        const uint8_t *s = sigma[r % 10];
        MIX(a, b, c, d, PICK(s, 0), PICK(s, 1));
        b = TURN(b, 1, 2, 3, 0), c = TURN(c, 2, 3, 0, 1), d = TURN(d, 3, 0, 1, 2);
        MIX(a, b, c, d, PICK(s, 8), PICK(s, 9));
        b = TURN(b, 3, 0, 1, 2), c = TURN(c, 2, 3, 0, 1), d = TURN(d, 1, 2, 3, 0);
    }
    const row out = first ^ a ^ c;
    for (size_t i = 0; i < DIGEST_BYTES / 8; i++)
        mr_store_le64(digest->bytes + 8 * i, out[i]);
}
