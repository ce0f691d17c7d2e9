/* SPDX-License-Identifier: Apache-2.0 */
/* program: one actor: its code, memory, heap, balance, status, reservations and waiting messages,
 * and what it takes to put it back to what it was before the block. A program is run by one stream
 * at a time. */
#ifndef MR_ENGINE_PROGRAM_H
#define MR_ENGINE_PROGRAM_H

#include "base/arena.h"
#include "engine/codes.h"
#include "engine/execution.h"
#include "engine/pages.h"
#include "scheduler/scheduler.h"
#include "storage/tree.h"
#include "vm/vm.h"

/* What a program was before the block first touched it. */
typedef struct mr_program_undo {
    mr_id id; /* never changes; here for receipts, which outlive the program */
    mr_value balance;
    mr_pages heap; /* owned, when heap_saved */
    mr_hash memory_root;
    mr_reservation *reservations; /* owned, when reservations_saved */
    uint32_t reservations_count;
    uint64_t waiting;
    mr_program_status status;
    bool heap_saved;
    bool reservations_saved;
    bool created; /* it did not exist */
} mr_program_undo;

typedef struct mr_waitlist mr_waitlist;
struct mr_queued;

typedef struct mr_program {
    mr_lane lane; /* first: the scheduler hands it back */
    mr_id id;
    mr_memory memory;
    mr_module *module; /* counted by nobody: modules live as long as the engine */
    mr_value balance;
    mr_pages heap;
    mr_id *inheritor;             /* owned; set when exited */
    mr_reservation *reservations; /* owned; ascending by id */
    mr_waitlist *waitlist;        /* owned; NULL until a message waits */
    uint64_t waiting;             /* messages that wait in it */
    uint64_t waiting_stored;      /* of these, those only the store has */
    mr_unit_tree *units;          /* commitment to the memory's units; NULL until memory_loaded */
    mr_hash memory_root;          /* as of the last seal */
    mr_program_undo *undo;        /* in the block's arena; NULL while untouched by the block */
    uint64_t used_in;             /* execution number of the block that last touched or pinned it */
    uint64_t loaded_bytes;        /* what the engine's budget counts it for */
    uint64_t closed_in;           /* execution number of the block that closed it; 0 never */
    uint64_t epoch;    /* of the engine, when it was last known to be what the store has */
    uint64_t made_in;  /* execution number of the block in which a program made it; 0 none */
    uint32_t made_for; /* then: generation of the first messages that it exists for */
    uint32_t reservations_count;
    mr_habits habits; /* what its messages ask for, of no result */
    mr_program_status status;
    bool memory_loaded; /* units have been read from the store */
} mr_program;

static_assert(offsetof(mr_program, lane) == 0, "a lane is turned back into its program");

/* mr_program_new makes an uninitialized program of `module`, its memory loaded (it has none of its
 * own). Errors: MR_NO_MEMORY. */
mr_status mr_program_new(const mr_id *id, mr_module *module, mr_program **out);
void mr_program_free(mr_program *program, mr_unit_pool *pool);

/* mr_program_touch remembers what the program is, once a block. Errors: MR_NO_MEMORY. */
mr_status mr_program_touch(mr_program *program, mr_arena *arena, bool *first);

/* mr_program_set_heap replaces the heap by a copy, the old one kept for the undo.
 * Errors: MR_NO_MEMORY, unchanged. */
mr_status mr_program_set_heap(mr_program *program, const mr_pages *heap);

/* mr_program_set_reservations replaces the reservations by a copy of those that have not ended,
 * sorted. Errors: MR_NO_MEMORY, unchanged. */
mr_status mr_program_set_reservations(mr_program *program, const mr_reservation *reservations,
                                      uint32_t count);

/* mr_program_clear takes memory, heap and reservations away. Errors: MR_NO_MEMORY. */
mr_status mr_program_clear(mr_program *program, mr_unit_pool *pool);

/* mr_program_accept makes what the block changed final. What receipts may lead to is appended to
 * *gone. */
void mr_program_accept(mr_program *program, mr_unit_pool *pool, struct mr_queued **gone);

/* mr_program_reject takes back what the block changed. Without memory to do it in place, the
 * program's memory is no longer loaded. */
void mr_program_reject(mr_program *program, mr_unit_pool *pool);

/* mr_program_seal brings the memory root up to date with the block's changes, and yields these;
 * they stay valid until the memory changes. Errors: MR_NO_MEMORY. */
mr_status mr_program_seal(mr_program *program, mr_unit_pool *pool, const mr_unit_change **changes,
                          size_t *changes_count);

/* mr_program_encode appends the record, whose hash is the program's leaf in the state tree.
 * Errors: MR_NO_MEMORY. */
mr_status mr_program_encode(const mr_program *program, mr_buffer *out);

/* mr_program_decode makes a program from its record, memory not loaded. `reservations_max` is the
 * schedule's. Errors: MR_CORRUPT; MR_NO_MEMORY; MR_NOT_FOUND its code is missing: also damage. */
mr_status mr_program_decode(const mr_id *id, mr_span record, uint64_t reservations_max,
                            mr_codes *codes, mr_program **out);

/* mr_program_decode_reservations reads the reservations of a record, without making a program of
 * it. Owns: the caller frees *out. Errors: MR_CORRUPT; MR_NO_MEMORY. */
mr_status mr_program_decode_reservations(mr_span record, uint64_t reservations_max,
                                         mr_reservation **out, uint32_t *count);

/* mr_program_renew tells whether the program, untouched by a block, is still what `record` says;
 * what waits in it is to be read again then. False also when there is no memory to tell. */
bool mr_program_renew(mr_program *program, mr_span record);

/* The key of a unit in the store: program id, unit number (big endian u32). */
enum { MR_UNIT_KEY_BYTES = sizeof(mr_id) + sizeof(uint32_t) };

/* mr_program_load_memory reads the units from `table` of the store.
 * Errors: MR_CORRUPT; MR_IO; MR_NO_MEMORY. */
mr_status mr_program_load_memory(mr_program *program, mr_store *store, uint32_t table,
                                 mr_unit_pool *pool);

/* mr_program_bytes returns the memory the program holds, live memory not counted, about. */
uint64_t mr_program_bytes(const mr_program *program);

/* Hash of one unit's content, as it enters the memory root. */
static inline mr_hash mr_unit_hash(const uint8_t *bytes)
{
    mr_hash hash;
    mr_hash_runs(&bytes, MR_UNIT_BYTES, &hash, 1);
    return hash;
}

#endif
