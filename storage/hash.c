/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/hash.h"

/* The low-level calls are deprecated in OpenSSL 3 in favour of EVP, which looks an algorithm up and
 * allocates: SHA256() takes 330 ns for 64 bytes, Init, Update and Final take 92 ns. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>

#include "base/assert.h"
#include "storage/hash_internal.h"

static_assert(sizeof(mr_hash) == SHA256_DIGEST_LENGTH, "a digest is one SHA-256");
static_assert(sizeof(SHA_LONG) == sizeof(uint32_t), "libcrypto keeps states as 32-bit words");

enum { BLOCK_BYTES = 64, RUN_STATES = 7 };

/* All set before main() and constant from then on. */
uint32_t mr_hash_pair_states[MR_HASH_KINDS][8];
static uint32_t run_states[RUN_STATES][8]; /* of runs of 64 << i bytes */
static const mr_hash_ops *ops;

static void first_state(uint32_t *words, const uint8_t *block)
{
    SHA256_CTX context;
    (void)SHA256_Init(&context);
    SHA256_Transform(&context, block);
    memcpy(words, context.h, sizeof context.h);
}

static void first_state_of_run(uint32_t *words, size_t run_bytes)
{
    uint8_t block[BLOCK_BYTES] = "millrace run v1";
    mr_store_be64(block + BLOCK_BYTES - 8, run_bytes);
    first_state(words, block);
}

__attribute__((constructor)) static void prepare(void)
{
    for (uint32_t kind = 0; kind < MR_HASH_KINDS; kind++) {
        uint8_t block[BLOCK_BYTES] = "millrace tree v1";
        block[BLOCK_BYTES - 2] = (uint8_t)(kind >> 8);
        block[BLOCK_BYTES - 1] = (uint8_t)kind;
        first_state(mr_hash_pair_states[kind], block);
    }
    for (size_t i = 0; i < RUN_STATES; i++)
        first_state_of_run(run_states[i], (size_t)BLOCK_BYTES << i);
    ops = mr_hash_shani();
    if (ops == NULL)
        ops = &mr_hash_portable;
}

mr_hash mr_hash_bytes(mr_span bytes)
{
    return mr_hash_spans(&bytes, 1);
}

mr_hash mr_hash_spans(const mr_span *spans, size_t count)
{
    SHA256_CTX context;
    (void)SHA256_Init(&context);
    for (size_t i = 0; i < count; i++)
        (void)SHA256_Update(&context, spans[i].data, spans[i].size);
    mr_hash digest;
    (void)SHA256_Final(digest.bytes, &context);
    return digest;
}

static void store_state(const SHA256_CTX *context, mr_hash *digest)
{
    for (size_t word = 0; word < 8; word++)
        mr_store_be32(digest->bytes + 4 * word, context->h[word]);
}

static void portable_runs(const uint32_t *first, const uint8_t *const *runs, size_t run_bytes,
                          mr_hash *digests, size_t count)
{
    size_t rest = run_bytes % BLOCK_BYTES;
    for (size_t i = 0; i < count; i++) {
        SHA256_CTX context;
        memcpy(context.h, first, sizeof context.h);
        for (size_t at = 0; at + BLOCK_BYTES <= run_bytes; at += BLOCK_BYTES)
            SHA256_Transform(&context, runs[i] + at);
        if (rest > 0) {
            uint8_t last[BLOCK_BYTES] = {0};
            memcpy(last, runs[i] + (run_bytes - rest), rest);
            SHA256_Transform(&context, last);
        }
        store_state(&context, &digests[i]);
    }
}

static void portable_pairs(const mr_hash_pair_job *jobs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        SHA256_CTX context;
        memcpy(context.h, mr_hash_pair_states[jobs[i].kind], sizeof context.h);
        uint8_t block[BLOCK_BYTES];
        memcpy(block, jobs[i].left->bytes, 32);
        memcpy(block + 32, jobs[i].right->bytes, 32);
        SHA256_Transform(&context, block);
        store_state(&context, jobs[i].out);
    }
}

const mr_hash_ops mr_hash_portable = {.pairs = portable_pairs, .runs = portable_runs};

void mr_hash_runs(const uint8_t *const *runs, size_t run_bytes, mr_hash *digests, size_t count)
{
    for (size_t i = 0; i < RUN_STATES; i++) {
        if (run_bytes == (size_t)BLOCK_BYTES << i) {
            ops->runs(run_states[i], runs, run_bytes, digests, count);
            return;
        }
    }
    uint32_t first[8];
    first_state_of_run(first, run_bytes);
    ops->runs(first, runs, run_bytes, digests, count);
}

void mr_hash_pairs(const mr_hash_pair_job *jobs, size_t count)
{
    ops->pairs(jobs, count);
}

mr_hash mr_hash_pair(uint32_t kind, const mr_hash *left, const mr_hash *right)
{
    MR_ASSERT(kind < MR_HASH_KINDS);
    mr_hash digest;
    mr_hash_pair_job job = {.left = left, .right = right, .out = &digest, .kind = kind};
    ops->pairs(&job, 1);
    return digest;
}
