/* SPDX-License-Identifier: Apache-2.0 */
/* waitlist: the messages of one program that wait, and those that were woken and have not run yet:
 * whoever looks for the message a reply belongs to finds either. A hash table by message id, made
 * when the program first has such a message.
 *
 * Nothing that was there before the block is changed in it: what changes is copied into the block's
 * memory first, so that a block can be taken back. Of one message the table has
 *
 *     before   as it waited before the block (heap; its record is in the store), or NULL
 *     now      as it is: waiting or in the queue; NULL: it is neither any more
 *     after    as it waits after the block (heap), once sealed
 *
 * What waits in a program that was read from the store is read when it is looked for.
 *
 * Threads: whoever runs the program. */
#ifndef MR_ENGINE_WAITLIST_H
#define MR_ENGINE_WAITLIST_H

#include "engine/dispatch.h"

typedef struct mr_wait_slot {
    mr_id id;
    mr_dispatch *now;
    mr_queued *before;
    mr_queued *after;
    struct mr_wait_slot *next; /* touched by the block, when touched; or unused */
    bool touched;
} mr_wait_slot;

/* What finding a message that waits needs. */
typedef struct mr_wait_source {
    mr_store *store; /* has those that the table has not */
    mr_arena *arena; /* of the block */
    uint64_t rent;   /* of the schedule */
    uint32_t height; /* of the block */
    bool alone; /* what should have ended is not there: nobody carries out what is due on such a
                   view */
} mr_wait_source;

/* mr_waitlist_find yields the message `id` that waits or was woken, or NULL.
 * Errors: MR_IO; MR_CORRUPT; MR_NO_MEMORY. */
mr_status mr_waitlist_find(mr_program *program, const mr_wait_source *from, const mr_id *id,
                           mr_dispatch **out);

/* mr_waitlist_put makes `dispatch`, which is in the block's memory or queued, the one of its id, of
 * which there must be none. Errors: MR_NO_MEMORY; those of mr_waitlist_find. */
mr_status mr_waitlist_put(mr_program *program, const mr_wait_source *from, mr_dispatch *dispatch);

/* mr_waitlist_remove takes the message `id` out, which is there. */
void mr_waitlist_remove(mr_program *program, const mr_id *id);

/* mr_waitlist_edit yields `dispatch`, which is in the table, as one that may be changed: itself or
 * a copy in `arena`, of the block, that takes its place. Errors: MR_NO_MEMORY. */
mr_status mr_waitlist_edit(mr_program *program, mr_arena *arena, mr_dispatch *dispatch,
                           mr_dispatch **out);

/* mr_waitlist_replace notes that `dispatch`, woken and in the table, is now `queued`, a copy. */
void mr_waitlist_replace(mr_program *program, const mr_dispatch *dispatch, mr_queued *queued);

/* mr_waitlist_all yields the messages that wait, ascending by id, in the block's memory.
 * Errors: as mr_waitlist_find. */
mr_status mr_waitlist_all(mr_program *program, const mr_wait_source *from, mr_dispatch ***out,
                          size_t *count);

/* mr_waitlist_touched returns the first slot the block touched; others follow as `next`. NULL when
 * there is none. */
mr_wait_slot *mr_waitlist_touched(const mr_program *program);

/* mr_waitlist_accept makes what the block did final, and appends to *gone what receipts may lead
 * to; mr_waitlist_reject takes it back, but for messages of the queue. */
void mr_waitlist_accept(mr_program *program, mr_queued **gone);
void mr_waitlist_reject(mr_program *program);

/* mr_waitlist_restore puts a woken message of the queue in place, as it was before the block.
 * Errors: MR_NO_MEMORY. */
mr_status mr_waitlist_restore(mr_program *program, mr_queued *queued);

/* mr_waitlist_encode appends the record of a waiting message; mr_waitlist_decode makes one from it.
 * Errors: MR_CORRUPT; MR_NO_MEMORY. */
mr_status mr_waitlist_encode(const mr_queued *waiting, mr_buffer *out);
mr_status mr_waitlist_decode(mr_program *program, const mr_wait_source *from, const mr_id *id,
                             mr_span record, mr_queued **out);

/* mr_waitlist_read reads such a record as it stands, heights included. False when it makes no
 * sense. */
bool mr_waitlist_read(mr_span record, mr_dispatch_record *out);

uint64_t mr_waitlist_bytes(const mr_program *program);
void mr_waitlist_free(mr_waitlist *waitlist);

/* The key of a waiting message in the store: program id, message id. */
enum { MR_WAIT_KEY_BYTES = 2 * sizeof(mr_id) };
static inline void mr_wait_key(const mr_id *program, const mr_id *message,
                               uint8_t out[MR_WAIT_KEY_BYTES])
{
    memcpy(out, program->bytes, sizeof *program);
    memcpy(out + sizeof *program, message->bytes, sizeof *message);
}

#endif
