/* SPDX-License-Identifier: Apache-2.0 */
/* blake2b: BLAKE2b-256 of short messages, which identifiers are made of: of several side by side,
 * one in each lane of a vector register, which costs hardly more than one and comes in where ids
 * are known to be needed in numbers; or of one alone, in the same registers row by row. What is
 * longer is libsodium's business.
 *
 * Source: RFC 7693. Threads: any, for all functions. */
#ifndef MR_ENGINE_BLAKE2B_H
#define MR_ENGINE_BLAKE2B_H

#include "engine/millrace.h"

enum { MR_BLAKE2B_LANES = 8, MR_BLAKE2B_SHORT_MAX = 128 /* bytes: one block of the hash */ };

/* mr_blake2b_lanes hashes MR_BLAKE2B_LANES messages of sizes[i] bytes, each at most
 * MR_BLAKE2B_SHORT_MAX. */
void mr_blake2b_lanes(const uint8_t *const messages[MR_BLAKE2B_LANES],
                      const size_t sizes[MR_BLAKE2B_LANES], mr_id *const digests[MR_BLAKE2B_LANES]);

/* mr_blake2b_short hashes one message of at most MR_BLAKE2B_SHORT_MAX bytes. */
void mr_blake2b_short(const uint8_t *message, size_t size, mr_id *digest);

#endif
