/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/mark.h"

#ifdef __x86_64__
#include <immintrin.h>
#endif

/* Every run looks through the marks of its whole memory, 4 KiB of them for each 1 MiB: the largest
 * fixed cost of a message. Four steps are looked at together, so that loads are the limit. */
enum { STEPS = 4 };

/* The search, for a way `any` of telling whether one of `steps` * MR_MARK_STEP marks is set. */
#define MARKS_FIND(any)                                                                            \
    for (; at < end && at % (STEPS * MR_MARK_STEP) != 0; at += MR_MARK_STEP)                       \
        if (any(marks + at, 1))                                                                    \
            return at;                                                                             \
    while (at < end && !any(marks + at, STEPS))                                                    \
        at += STEPS * MR_MARK_STEP;                                                                \
    while (at < end && !any(marks + at, 1))                                                        \
        at += MR_MARK_STEP;                                                                        \
    return at;

static inline __attribute__((always_inline)) int any_plain(const uint8_t *marks, uint32_t steps)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < steps * MR_MARK_STEP; i += 8) {
        uint64_t word;
        memcpy(&word, marks + i, 8);
        sum |= word;
    }
    return sum != 0;
}

static uint32_t find_plain(const uint8_t *marks, uint32_t at, uint32_t end){MARKS_FIND(any_plain)}

uint32_t (*mr_marks_find)(const uint8_t *marks, uint32_t at, uint32_t end) = find_plain;

#ifdef __x86_64__
__attribute__((target("avx2"), always_inline)) static inline int any_avx2(const uint8_t *marks,
                                                                          uint32_t steps)
{
    const __m256i *v = (const __m256i *)(const void *)marks;
    __m256i sum = _mm256_load_si256(v);
#pragma GCC unroll 8
    for (uint32_t i = 1; i < steps * MR_MARK_STEP / 32; i++)
        sum = _mm256_or_si256(sum, _mm256_load_si256(v + i));
    return !_mm256_testz_si256(sum, sum);
}

__attribute__((target("avx2"))) static uint32_t find_avx2(const uint8_t *marks, uint32_t at,
                                                          uint32_t end)
{
    MARKS_FIND(any_avx2)
}

__attribute__((constructor)) static void choose(void)
{
    if (__builtin_cpu_supports("avx2"))
        mr_marks_find = find_avx2;
}
#endif
