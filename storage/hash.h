/* SPDX-License-Identifier: Apache-2.0 */
/* hash: the 32-byte digest that state commitments are made of: SHA-256, which the CPU has
 * instructions for. (Identifiers of the Gear ABI are BLAKE2b-256 and belong to the engine.)
 *
 * The instructions have a latency of twice their rate, so two independent messages take hardly
 * longer than one: whoever has many hands them over together (mr_hash_runs, mr_hash_pairs).
 * All functions may be called from any thread. */
#ifndef MR_STORAGE_HASH_H
#define MR_STORAGE_HASH_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/bytes.h"

typedef struct mr_hash {
    uint8_t bytes[32];
} mr_hash;

static inline bool mr_hash_equal(const mr_hash *a, const mr_hash *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

/* mr_hash_bytes returns the digest of one run of bytes. Source: FIPS 180-4. */
mr_hash mr_hash_bytes(mr_span bytes);

/* mr_hash_spans returns the digest of `count` runs of bytes, one after the other. */
mr_hash mr_hash_spans(const mr_span *spans, size_t count);

/* mr_hash_runs puts into digests[i] the digest R of runs[i], for `count` runs of `run_bytes` bytes:
 * the state of SHA-256 after the 64 bytes
 *     "millrace run v1", 41 zero bytes, run_bytes as 8 big-endian bytes
 * and the run, filled up with zero bytes to whole blocks; without the padding block, as the first
 * block has told the length. So 256 bytes cost four runs of the compression function, not five.
 * Not the digest of mr_hash_bytes. Source: FIPS 180-4, section 6.2.2. */
void mr_hash_runs(const uint8_t *const *runs, size_t run_bytes, mr_hash *digests, size_t count);

/* Kinds of pair: 0 .. 255 is an inner node of a tree that branches on that bit, MR_HASH_LEAF a
 * leaf. */
enum { MR_HASH_LEAF = 256, MR_HASH_KINDS = 257 };

/* mr_hash_pair returns the digest of a tree node made of two digests, P(kind, left, right): the
 * state of SHA-256 after the 128 bytes
 *     "millrace tree v1", 46 zero bytes, kind as 2 big-endian bytes, left, right
 * without the padding block, which adds nothing to messages that all have one length. The state
 * after the first 64 bytes is a constant per kind, so that a node costs one run of the
 * compression function instead of two.
 * Source: FIPS 180-4, section 6.2.2. */
mr_hash mr_hash_pair(uint32_t kind, const mr_hash *left, const mr_hash *right);

/* *out = P(kind, *left, *right) */
typedef struct mr_hash_pair_job {
    const mr_hash *left;
    const mr_hash *right;
    mr_hash *out;
    uint32_t kind; /* 0 .. MR_HASH_LEAF */
} mr_hash_pair_job;

/* mr_hash_pairs does `count` jobs, none of which may read what another writes. A job may write
 * what it reads. */
void mr_hash_pairs(const mr_hash_pair_job *jobs, size_t count);

#endif
