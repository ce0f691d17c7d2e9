/* SPDX-License-Identifier: Apache-2.0 */
/* id: 32-byte identifiers of codes, programs and messages, BLAKE2b-256 over fixed prefixes. They
 * depend on a message and a counter inside it, never on scheduling.
 *
 * Source: Gear's protocol, identifiers; BLAKE2b is RFC 7693. Threads: any, for all functions. */
#ifndef MR_ENGINE_ID_H
#define MR_ENGINE_ID_H

#include "engine/millrace.h"

/* mr_id_blake2b returns the digest of `count` runs of bytes, one after the other. */
mr_id mr_id_blake2b(const mr_span *spans, size_t count);

mr_id mr_id_of_user_message(uint32_t height, const mr_id *user, uint64_t nonce);

/* mr_id_of_user_messages computes eight of them at a time: those of `users` with nonces
 * first_nonce, first_nonce + 1 ... */
enum { MR_IDS_AT_ONCE = 8 };
void mr_id_of_user_messages(uint32_t height, const mr_id *const users[MR_IDS_AT_ONCE],
                            uint64_t first_nonce, mr_id *const out[MR_IDS_AT_ONCE]);

mr_id mr_id_of_outgoing(const mr_id *origin, uint32_t nonce);
mr_id mr_id_of_reply(const mr_id *origin);

static inline bool mr_id_equal(const mr_id *a, const mr_id *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

static inline bool mr_id_is_zero(const mr_id *id)
{
    static const mr_id zero;
    return mr_id_equal(id, &zero);
}

/* mr_id_bucket returns bits of the id that spread it over hash tables. Program and code ids are
 * digests; ids of users are not, so whatever holds those must mix a secret-free multiplier and
 * tolerate long chains, or bound them. */
static inline uint64_t mr_id_bucket(const mr_id *id)
{
    return (mr_load_le64(id->bytes) ^ mr_load_le64(id->bytes + 16)) * 0x9e3779b97f4a7c15u;
}

static inline mr_span mr_id_span(const mr_id *id)
{
    return mr_span_of(id->bytes, sizeof id->bytes);
}

#endif
