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

/* An id that follows from a message's: that of its reply, of its signal, or of what it sends as its
 * nonce-th. */
typedef enum mr_id_kind { MR_ID_REPLY, MR_ID_SIGNAL, MR_ID_OUTGOING } mr_id_kind;
typedef struct mr_id_wish {
    const mr_id *message;
    mr_id *out;
    uint32_t nonce;
    mr_id_kind kind;
} mr_id_wish;

/* mr_id_make makes any number of such ids. Eight together cost as much as MR_IDS_WORTH_LANES one by
 * one. */
enum { MR_IDS_WORTH_LANES = 3 };
void mr_id_make(const mr_id_wish *wishes, size_t count);

mr_id mr_id_of_reservation(const mr_id *origin, uint64_t nonce);

/* mr_id_of_child returns the id of the program of `code` that the message `origin` creates. */
mr_id mr_id_of_child(const mr_id *origin, const mr_id *code, mr_span salt);

/* The address that signals come from and nobody may send to: the letters "gear" eight times. */
extern const mr_id mr_id_system;

static inline bool mr_id_equal(const mr_id *a, const mr_id *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

/* mr_id_order is below, equal to or above 0 as `a` comes before, is, or comes after `b`. */
static inline int mr_id_order(const mr_id *a, const mr_id *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes);
}

static inline bool mr_id_is_zero(const mr_id *id)
{
    static const mr_id zero;
    return mr_id_equal(id, &zero);
}

/* Secret of mr_id_bucket, drawn once per process. */
extern uint64_t mr_id_salt[4];

/* mr_id_bucket returns bits of the id that spread it over hash tables. Users choose their ids, and
 * can search for programs' ids; without the secret nobody can choose ids that meet in one bucket.
 * Results must not depend on it: it differs from process to process. */
static inline uint64_t mr_id_bucket(const mr_id *id)
{
    __extension__ typedef unsigned __int128 wide;
    const wide front = (wide)(mr_load_le64(id->bytes) ^ mr_id_salt[0]) *
                       (mr_load_le64(id->bytes + 8) ^ mr_id_salt[1]);
    const wide back = (wide)(mr_load_le64(id->bytes + 16) ^ mr_id_salt[2]) *
                      (mr_load_le64(id->bytes + 24) ^ mr_id_salt[3]);
    const uint64_t sum =
        (uint64_t)front ^ (uint64_t)(front >> 64) ^ (uint64_t)back ^ (uint64_t)(back >> 64);
    return sum * 0x9e3779b97f4a7c15u;
}

static inline mr_span mr_id_span(const mr_id *id)
{
    return mr_span_of(id->bytes, sizeof id->bytes);
}

#endif
