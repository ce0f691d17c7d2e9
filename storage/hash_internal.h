/* SPDX-License-Identifier: Apache-2.0 */
/* hash_internal: the two ways in which hash.c runs the compression function. Private to storage/
 * and its tests. */
#ifndef MR_STORAGE_HASH_INTERNAL_H
#define MR_STORAGE_HASH_INTERNAL_H

#include "storage/hash.h"

/* States are the words A .. H of FIPS 180-4. */
extern uint32_t mr_hash_pair_states[MR_HASH_KINDS][8];

typedef struct mr_hash_ops {
    void (*pairs)(const mr_hash_pair_job *jobs, size_t count);
    /* `first` is the state after the block that tells run_bytes. */
    void (*runs)(const uint32_t *first, const uint8_t *const *runs, size_t run_bytes,
                 mr_hash *digests, size_t count);
} mr_hash_ops;

/* Through libcrypto, on any machine. */
extern const mr_hash_ops mr_hash_portable;

/* mr_hash_shani returns the functions that use the SHA instructions of x86 on two messages at a
 * time, or NULL when this CPU has none. */
const mr_hash_ops *mr_hash_shani(void);

#endif
