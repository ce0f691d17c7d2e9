/* SPDX-License-Identifier: Apache-2.0 */
/* blake2b: BLAKE2b-256 of several short messages side by side, one in each lane of a vector
 * register. One message alone is libsodium's business; eight at once cost hardly more than one,
 * and the ids of a block's transactions come in thousands.
 *
 * Source: RFC 7693. */
#ifndef MR_ENGINE_BLAKE2B_H
#define MR_ENGINE_BLAKE2B_H

#include "engine/millrace.h"

enum { MR_BLAKE2B_LANES = 8, MR_BLAKE2B_SHORT_MAX = 128 /* bytes: one block of the hash */ };

/* mr_blake2b_lanes hashes MR_BLAKE2B_LANES messages of `size` bytes each, at most
 * MR_BLAKE2B_SHORT_MAX. Threads: any. */
void mr_blake2b_lanes(const uint8_t *const messages[MR_BLAKE2B_LANES], size_t size,
                      mr_id *const digests[MR_BLAKE2B_LANES]);

#endif
