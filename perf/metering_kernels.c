/* SPDX-License-Identifier: Apache-2.0 */
/* What bench_metering runs, compiled to WebAssembly: each kernel is an entry () -> () that leaves a
 * checksum in `result`. The kernels differ in what they do per charge: hash and mix have long
 * stretches, sort and interpret branch a lot, sieve, copy, fill and update store, fib calls. */
#include <stdint.h>

#define KERNEL(name) __attribute__((export_name(#name))) void name(void)

enum { WORDS = 16384, BYTES = WORDS * 4 };

static uint32_t words[WORDS];
static uint8_t bytes[BYTES];
static uint8_t other[BYTES];
uint32_t result;

static uint32_t next(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

static void fill_words(void)
{
    uint32_t state = 12345;
    for (uint32_t i = 0; i < WORDS; i++)
        words[i] = next(&state);
}

/* FNV-1a, a byte at a time. */
KERNEL(hash)
{
    uint32_t h = 2166136261u;
    for (uint32_t round = 0; round < 8; round++) {
        for (uint32_t i = 0; i < BYTES; i++)
            h = (h ^ bytes[i]) * 16777619u;
    }
    result = h;
}

static uint32_t rotate(uint32_t x, unsigned by)
{
    return x >> by | x << (32 - by);
}

/* SHA-256's compression of 64-byte blocks. */
KERNEL(mix)
{
    uint32_t s[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    for (uint32_t block = 0; block < 200; block++) {
        uint32_t w[64];
        for (uint32_t i = 0; i < 16; i++)
            w[i] = words[(block * 16 + i) % WORDS];
        for (uint32_t i = 16; i < 64; i++) {
            uint32_t a = w[i - 15], b = w[i - 2];
            w[i] = w[i - 16] + (rotate(a, 7) ^ rotate(a, 18) ^ a >> 3) + w[i - 7] +
                   (rotate(b, 17) ^ rotate(b, 19) ^ b >> 10);
        }
        uint32_t v[8];
        for (int i = 0; i < 8; i++)
            v[i] = s[i];
        for (uint32_t i = 0; i < 64; i++) {
            uint32_t t1 = v[7] + (rotate(v[4], 6) ^ rotate(v[4], 11) ^ rotate(v[4], 25)) +
                          ((v[4] & v[5]) ^ (~v[4] & v[6])) + w[i] + i * 0x9e3779b9u;
            uint32_t t2 = (rotate(v[0], 2) ^ rotate(v[0], 13) ^ rotate(v[0], 22)) +
                          ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
            for (int k = 7; k > 0; k--)
                v[k] = v[k - 1];
            v[4] += t1;
            v[0] = t1 + t2;
        }
        for (int i = 0; i < 8; i++)
            s[i] += v[i];
    }
    result = s[0];
}

/* Heap sort. */
static void sift(uint32_t root, uint32_t count)
{
    for (;;) {
        uint32_t child = 2 * root + 1;
        if (child >= count)
            return;
        if (child + 1 < count && words[child] < words[child + 1])
            child++;
        if (words[root] >= words[child])
            return;
        uint32_t kept = words[root];
        words[root] = words[child];
        words[child] = kept;
        root = child;
    }
}

KERNEL(sort)
{
    fill_words();
    for (uint32_t i = WORDS / 2; i-- > 0;)
        sift(i, WORDS);
    for (uint32_t i = WORDS - 1; i > 0; i--) {
        uint32_t kept = words[0];
        words[0] = words[i];
        words[i] = kept;
        sift(0, i);
    }
    result = words[WORDS / 2];
}

/* Quick sort, recursive. */
static void quick(uint32_t *low, uint32_t *high)
{
    while (low < high) {
        uint32_t pivot = low[(high - low) / 2];
        uint32_t *a = low, *b = high;
        while (a <= b) {
            while (*a < pivot)
                a++;
            while (*b > pivot)
                b--;
            if (a <= b) {
                uint32_t kept = *a;
                *a++ = *b;
                *b-- = kept;
            }
        }
        quick(low, b);
        low = a;
    }
}

KERNEL(quick_sort)
{
    fill_words();
    quick(words, words + WORDS - 1);
    result = words[WORDS / 2];
}

KERNEL(sieve)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < BYTES; i++)
        bytes[i] = 1;
    for (uint32_t i = 2; i < BYTES; i++) {
        if (!bytes[i])
            continue;
        count++;
        for (uint32_t k = 2 * i; k < BYTES; k += i)
            bytes[k] = 0;
    }
    result = count;
}

/* Copies words, as memcpy of aligned memory does. */
KERNEL(copy)
{
    volatile uint32_t rounds = 10;
    for (uint32_t round = 0; round < rounds; round++) {
        const uint32_t *from = words;
        uint32_t *to = (uint32_t *)(void *)other;
        for (uint32_t i = 0; i < WORDS; i += 4) {
            to[i] = from[i];
            to[i + 1] = from[i + 1];
            to[i + 2] = from[i + 2];
            to[i + 3] = from[i + 3];
        }
    }
    result = other[7];
}

KERNEL(fill)
{
    volatile uint32_t rounds = 4;
    for (uint32_t round = 0; round < rounds; round++) {
        for (uint32_t i = 0; i < BYTES; i++)
            bytes[i] = (uint8_t)(i + round);
    }
    result = bytes[9];
}

typedef struct account {
    uint64_t balance;
    uint64_t nonce;
    uint32_t owner;
    uint32_t touched;
} account;

/* Transfers between records: several fields of one base written together. */
KERNEL(update)
{
    account *accounts = (account *)(void *)words;
    uint32_t count = BYTES / sizeof(account), state = 77;
    for (uint32_t i = 0; i < 20000; i++) {
        account *from = &accounts[next(&state) % count], *to = &accounts[next(&state) % count];
        uint64_t amount = from->balance / 3 + 1;
        from->balance -= amount;
        from->nonce++;
        from->touched = i;
        to->balance += amount;
        to->owner ^= i;
        to->touched = i;
    }
    result = (uint32_t)accounts[5].balance;
}

static uint32_t fibonacci(uint32_t n)
{
    return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

KERNEL(fib)
{
    volatile uint32_t n = 21;
    result = fibonacci(n);
}

/* A stack machine: a switch in a loop. */
KERNEL(interpret)
{
    static const uint8_t code[] = {0, 1, 2, 3, 4, 5, 1, 2, 6, 3, 7, 0, 2, 4, 5, 8};
    uint32_t stack[16], top = 0, acc = 1;
    for (uint32_t i = 0; i < 16; i++)
        stack[i] = i;
    for (uint32_t step = 0, pc = 0; step < 60000; step++) {
        switch (code[pc++]) {
        case 0:
            acc += stack[top & 15];
            break;
        case 1:
            stack[++top & 15] = acc;
            break;
        case 2:
            acc ^= acc << 3;
            break;
        case 3:
            acc -= step;
            break;
        case 4:
            top--;
            break;
        case 5:
            acc = rotate(acc, 7);
            break;
        case 6:
            if (acc & 1)
                pc += 2;
            break;
        case 7:
            stack[(top + 1) & 15] ^= acc;
            break;
        default:
            pc = 0;
            break;
        }
    }
    result = acc + stack[3];
}
