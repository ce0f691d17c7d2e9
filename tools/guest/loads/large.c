/* SPDX-License-Identifier: Apache-2.0 */
/* large: a module of some 50 KB, as large as a real program; how long does its first message take,
 * and how long until it is compiled?
 *
 *   handle  u32 n: calls function n, counted modulo their number, and replies its result, u64.
 *           Empty: calls function 0.
 *
 * Panics: "large: malformed message". */
#include "gear.h"

static uint64_t table[64];

/* No two functions are the same, so that no tool can make one of them. */
#define FUNCTION(n)                                                                                \
    __attribute__((noinline)) static uint64_t function_##n(uint64_t x)                             \
    {                                                                                              \
        for (uint32_t i = 0; i < 1##n % 7 + 2; i++) {                                              \
            x = (x ^ x >> (1##n % 29 + 3)) * (UINT64_C(0x9e3779b97f4a7c15) + 1##n##1##n);          \
            if ((x & (1##n % 13 + 1)) == 0)                                                        \
                x += table[(x >> 5) % 64] + 1##n;                                                  \
            else                                                                                   \
                table[(x >> 9) % 64] = x ^ 1##n;                                                   \
        }                                                                                          \
        switch (x % 5) {                                                                           \
        case 0:                                                                                    \
            return x + 1##n;                                                                       \
        case 1:                                                                                    \
            return x ^ table[1##n % 64];                                                           \
        case 2:                                                                                    \
            table[1##n % 61] += x;                                                                 \
            return ~x;                                                                             \
        default:                                                                                   \
            return x * (1##n | 1);                                                                 \
        }                                                                                          \
    }
#define CASE(n)                                                                                    \
    case 1##n - 1000:                                                                              \
        return function_##n(x);

/* 0 .. 99, each as three digits. */
#define TEN(X, t) X(t##0) X(t##1) X(t##2) X(t##3) X(t##4) X(t##5) X(t##6) X(t##7) X(t##8) X(t##9)
#define HUNDRED(X, h)                                                                              \
    TEN(X, h##0)                                                                                   \
    TEN(X, h##1)                                                                                   \
    TEN(X, h##2)                                                                                   \
    TEN(X, h##3)                                                                                   \
    TEN(X, h##4)                                                                                   \
    TEN(X, h##5)                                                                                   \
    TEN(X, h##6)                                                                                   \
    TEN(X, h##7)                                                                                   \
    TEN(X, h##8)                                                                                   \
    TEN(X, h##9)
enum { FUNCTIONS = 100 };

HUNDRED(FUNCTION, 0)

static uint64_t call(uint32_t n, uint64_t x)
{
    switch (n) {
        HUNDRED(CASE, 0)
    default:
        return 0;
    }
}

GEAR_HANDLE
{
    uint32_t n = 0;
    const uint32_t size = gear_size();
    gear_require(size == 0 || size == sizeof n, "large: malformed message");
    if (size > 0)
        gear_read(0, &n, sizeof n);
    const uint64_t result = call(n % FUNCTIONS, table[n % 64] + n);
    gear_reply(&result, sizeof result);
}
