/* SPDX-License-Identifier: Apache-2.0 */
/* dispatch: a message on its way to a program, and what became of it there. It lives as long as its
 * block, for receipts are read from it; its payload may be gone once it has run. Those left in the
 * queue at the end of a block are kept on the heap, and in the store. */
#ifndef MR_ENGINE_DISPATCH_H
#define MR_ENGINE_DISPATCH_H

#include "engine/execution.h"
#include "engine/program.h"

/* A message to a user: what the receipt of the dispatch that sent it does not say. */
typedef struct mr_user_entry {
    mr_id to;
    mr_value value;
    mr_span payload;
    struct mr_user_entry *next; /* of the same dispatch */
    uint32_t nonce;             /* handle it was sent under; not of a reply */
    uint8_t code[4];            /* of a reply */
    bool is_reply;
    bool replyable; /* it was sent with gas, so the user may reply */
} mr_user_entry;

/* What few dispatches have. */
typedef struct mr_notes {
    mr_span text; /* of the receipt */
    mr_debug_text *debug;
} mr_notes;

typedef struct mr_dispatch {
    mr_message message;
    mr_program *program; /* destination; not to be followed once the block is committed */
    mr_program *sender;  /* when a program sent it; NULL: a user did. Likewise */
    const mr_id *payer;  /* the user who bought its gas, and gets back what is left */

    /* The receipt, set when it is run. */
    const mr_id *program_id;
    uint64_t gas_burned;
    mr_user_entry *users;  /* messages to users, in order */
    const mr_notes *notes; /* or NULL */
    uint32_t sent;
    uint8_t outcome; /* mr_outcome */
    bool automatic;  /* last of all it sent an automatic reply, empty, to its source, a user */

    bool queued; /* the head of an mr_queued */
} mr_dispatch;

/* A dispatch that waits for a later block. Its pointers to ids and payload lead into itself. */
typedef struct mr_queued {
    mr_dispatch dispatch;
    uint64_t sequence; /* place in the stored queue; MR_SEQUENCE_NONE when not stored */
    bool remains;      /* left over by the candidate block too */
    mr_id source, payer, reply_to;
    uint8_t payload[];
} mr_queued;

#define MR_SEQUENCE_NONE UINT64_MAX

static_assert(offsetof(mr_queued, dispatch) == 0,
              "a queued dispatch is turned back into its whole");

/* mr_queued_of returns the whole of a dispatch that is queued. */
static inline mr_queued *mr_queued_of(mr_dispatch *dispatch)
{
    return (mr_queued *)dispatch;
}

/* mr_queued_new copies a dispatch, ids and payload included. Errors: MR_NO_MEMORY. */
mr_status mr_queued_new(const mr_dispatch *dispatch, mr_queued **out);
void mr_queued_free(mr_queued *queued);

/* mr_queued_encode appends the stored form. Errors: MR_NO_MEMORY. */
mr_status mr_queued_encode(const mr_queued *queued, mr_buffer *out);

/* mr_queued_decode makes a dispatch whose programs the caller sets: program is that of
 * *destination, sender that of the source if *from_program. Errors: MR_CORRUPT; MR_NO_MEMORY. */
mr_status mr_queued_decode(mr_span record, mr_queued **out, mr_id *destination, bool *from_program);

#endif
