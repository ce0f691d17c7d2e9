/* SPDX-License-Identifier: Apache-2.0 */
/* dispatch: a message on its way to a program, and what became of it there. It lives as long as its
 * block, for receipts are read from it; its payload may be gone once it has run. A message that
 * waits and goes on is a new dispatch each time, for each of its runs has a receipt. Those left in
 * the queue or on the waitlist at the end of a block are kept on the heap, and in the store. */
#ifndef MR_ENGINE_DISPATCH_H
#define MR_ENGINE_DISPATCH_H

#include "base/arena.h"
#include "engine/codec.h"
#include "engine/execution.h"
#include "engine/program.h"

struct mr_task;

/* A message to a user: what the receipt of the dispatch that sent it does not say. */
typedef struct mr_user_entry {
    mr_id to;
    mr_value value;
    mr_span payload;
    struct mr_user_entry *next; /* of the same dispatch */
    uint32_t nonce;             /* handle it was sent under; not of a reply */
    uint32_t until;             /* a letter: height at which it expires; else 0 */
    uint8_t code[4];            /* of a reply */
    bool is_reply;
} mr_user_entry;

/* What few dispatches have, those with texts to show or printed lines; or all, when traces are
 * kept. */
typedef struct mr_notes {
    mr_span text; /* of the receipt */
    mr_debug_text *debug;
    const mr_trace *trace; /* when traces are kept; or NULL */
} mr_notes;

/* What few messages have. docs/SEMANTICS.md has what each means. */
typedef struct mr_extra {
    const mr_id *origin;  /* or NULL */
    const mr_id *sponsor; /* or NULL */
    uint64_t sponsored;
    uint64_t deposit;
    mr_context context; /* when it has waited */
    bool waited;
    bool removed; /* from the waitlist: it fails when its turn comes */

    /* On the waitlist. */
    bool waiting;
    uint32_t since, wish, until; /* heights; a wish of UINT32_MAX is none */
    struct mr_task *task;        /* that ends the waiting, when this block made it; else NULL, */
    uint64_t task_sequence;      /* and its number */
} mr_extra;

typedef struct mr_dispatch {
    mr_message message;
    mr_program *program; /* destination; not to be followed once the block is committed */
    mr_program *sender;  /* when a program sent it; NULL: a user did. Likewise */
    const mr_id *payer;  /* the user who bought its gas, and gets back what is left */
    const struct mr_dispatch *parent; /* that sent or woke it in this block, or NULL */
    mr_extra *extra;                  /* or NULL */

    /* The receipt, set when it is run. */
    const mr_id *program_id;
    uint64_t gas_limit; /* that it might have burned; its message's is what others may add to */
    uint64_t gas_burned;
    uint64_t gas_drawn;    /* of the limit, what is another message's */
    mr_user_entry *users;  /* messages to users, in order */
    const mr_notes *notes; /* or NULL */
    uint32_t sent;
    uint32_t generation; /* of the queue, within the block */
    uint8_t outcome;     /* mr_outcome */
    bool automatic;      /* last of all it sent an automatic reply, empty, to its source, a user */
    bool from_program;   /* a program sent it; `sender` is found again when it is needed */
    bool elder;          /* an earlier block made it, or the agenda */
    bool queued;         /* the head of an mr_queued */
} mr_dispatch;

/* A dispatch that outlives its block. Its pointers to ids, extra and payload lead into itself. */
typedef struct mr_queued {
    mr_dispatch dispatch;
    uint64_t sequence;   /* place in the stored queue; MR_SEQUENCE_NONE when not stored there */
    uint64_t gas_before; /* gas limit when the block began: replies may add to it or draw on it */
    uint64_t extra_gas;  /* deposit and system reservation */
    struct mr_queued *next_gone; /* kept for the receipts of a block */
    bool remains;                /* left over by the candidate block too */
    mr_id source, payer, reply_to, origin, sponsor;
    mr_extra extra;
    uint8_t bytes[]; /* ids of created programs, then the payload */
} mr_queued;

#define MR_SEQUENCE_NONE UINT64_MAX

static_assert(offsetof(mr_queued, dispatch) == 0,
              "a queued dispatch is turned back into its whole");

/* mr_queued_of returns the whole of a dispatch that is queued. */
static inline mr_queued *mr_queued_of(mr_dispatch *dispatch)
{
    return (mr_queued *)dispatch;
}

/* mr_dispatch_gas returns all gas that the message carries. */
static inline uint64_t mr_dispatch_gas(const mr_dispatch *dispatch)
{
    const mr_extra *extra = dispatch->extra;
    return dispatch->message.gas_limit +
           (extra != NULL ? extra->deposit + extra->context.system_gas : 0);
}

/* mr_dispatch_value returns the value it brings: one that has waited has brought it. */
static inline mr_value mr_dispatch_value(const mr_dispatch *dispatch)
{
    return dispatch->extra != NULL && dispatch->extra->waited ? 0 : dispatch->message.value;
}

/* mr_dispatch_origin returns the id of its origin, or NULL. */
static inline const mr_id *mr_dispatch_origin(const mr_dispatch *dispatch)
{
    return dispatch->extra != NULL ? dispatch->extra->origin : NULL;
}

/* mr_queued_new copies a dispatch, ids, extra and payload included. Errors: MR_NO_MEMORY. */
mr_status mr_queued_new(const mr_dispatch *dispatch, mr_queued **out);
void mr_queued_free(mr_queued *queued);

/* mr_dispatch_write appends a message as it stands in the records of queue, waitlist and tasks.
 * `destination` is where it goes: dispatch->program need not be set. */
void mr_dispatch_write(mr_writer *writer, const mr_dispatch *dispatch, const mr_id *destination);

/* What mr_dispatch_read fills: a dispatch whose pointers lead here and into the record. Its
 * programs are for the caller to set. */
typedef struct mr_dispatch_record {
    mr_dispatch dispatch;
    mr_extra extra;
    mr_id destination, source, payer, reply_to, origin, sponsor;
} mr_dispatch_record;

/* mr_dispatch_read reads what mr_dispatch_write wrote. False when it makes no sense. */
bool mr_dispatch_read(mr_reader *reader, mr_dispatch_record *out);

/* mr_queued_encode and mr_queued_decode are the records of the queue. Decoding makes a dispatch
 * whose programs the caller sets: program is that of *destination, sender that of the source if it
 * is from a program. Errors: MR_CORRUPT; MR_NO_MEMORY. */
mr_status mr_queued_encode(const mr_queued *queued, mr_buffer *out);
mr_status mr_queued_decode(mr_span record, mr_queued **out, mr_id *destination);

#endif
