/* SPDX-License-Identifier: Apache-2.0 */
/* dispatch: a message on its way to a program. Most live in a round's arena and die with it; those
 * left in the queue at the end of a block are held on the heap, and in the store. */
#ifndef MR_ENGINE_DISPATCH_H
#define MR_ENGINE_DISPATCH_H

#include "engine/execution.h"
#include "engine/program.h"

enum { MR_SEQUENCE_NONE = -1 };

typedef struct mr_dispatch {
    mr_message message;
    mr_program *program; /* destination */
    mr_program *sender;  /* when a program sent it; NULL: a user did */
    mr_id payer;         /* the user who bought its gas, and gets back what is left */
    int64_t sequence;    /* place in the stored queue; MR_SEQUENCE_NONE when not stored */
    bool held;           /* on the heap, of mr_dispatch_hold or _decode */
    bool remains;        /* held, and left over by the candidate block too */
} mr_dispatch;

/* mr_dispatch_hold makes a copy on the heap, payload included. Errors: MR_NO_MEMORY. */
mr_status mr_dispatch_hold(const mr_dispatch *dispatch, mr_dispatch **out);

/* mr_dispatch_release frees a held dispatch. Accepts NULL. */
void mr_dispatch_release(mr_dispatch *dispatch);

/* mr_dispatch_encode appends the stored form. Errors: MR_NO_MEMORY. */
mr_status mr_dispatch_encode(const mr_dispatch *dispatch, mr_buffer *out);

/* mr_dispatch_decode makes a held dispatch whose pointers the caller sets: program is that of
 * *destination, sender that of message.source if *from_program. Errors: MR_CORRUPT; MR_NO_MEMORY. */
mr_status mr_dispatch_decode(mr_span record, mr_dispatch **out, mr_id *destination,
                             bool *from_program);

#endif
