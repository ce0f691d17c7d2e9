/* SPDX-License-Identifier: Apache-2.0 */
/* settle: what follows from a dispatch, as the files settle*.c share it. All of it runs on the
 * worker that has the program; everybody else is reached by emitting messages alone. */
#ifndef MR_ENGINE_SETTLE_H
#define MR_ENGINE_SETTLE_H

#include "engine/engine_internal.h"

/* One dispatch being settled. */
typedef struct mr_settling {
    mr_stream *stream;
    mr_block *block;
    mr_round *round;
    mr_program *program;
    mr_dispatch *dispatch;
    mr_user_entry **users_end; /* where the next message to a user is hung up */
    mr_program **created;      /* of each committed draft: the program it makes, or NULL; or NULL */
    mr_dispatch *waiter;       /* the message that this reply belongs to, or NULL */
    uint64_t drawn;            /* gas it took from that message */
    uint64_t home;             /* gas it gives to that message */
    uint64_t sponsored;        /* of what is refunded, the first of it goes to the sponsor */
    uint64_t gas_sent;         /* that went on with messages to programs */
    uint64_t rent_of_woken;    /* of the rent, what is of messages it woke */
    uint32_t until;            /* when it waits: at most to this height */
    uint32_t position;
} mr_settling;

/* A message about to leave the dispatch. */
typedef struct mr_outgoing {
    mr_id id;
    mr_id to;
    mr_program *program; /* destination, or NULL: a user */
    mr_kind kind;
    mr_value value;
    uint64_t gas;
    uint64_t deposit;
    const mr_id *payer;   /* NULL: that of the dispatch */
    const mr_id *sponsor; /* or NULL */
    uint64_t sponsored;
    mr_span payload;
    uint32_t nonce;
    uint32_t delay;
    union {
        uint8_t code[4]; /* of a reply */
        uint32_t signal; /* of a signal */
    };
} mr_outgoing;

/* ---- settle_send.c ---- */

void mr_settle_fail(mr_stream *stream, mr_status status);

/* mr_settle_credit adds to a user's account when the block ends. */
void mr_settle_credit(mr_stream *stream, const mr_id *account, mr_value amount);

/* mr_settle_refund gives gas back to who bought it. */
void mr_settle_refund(mr_stream *stream, const mr_id *payer, uint64_t gas);

/* mr_settle_give_back refunds gas of the dispatch, to its sponsor first, and then to its payer. */
void mr_settle_give_back(mr_settling *at, uint64_t gas);

/* mr_settle_resolve returns the program of `id` that exists for messages of `generation`, or NULL:
 * a user. */
mr_program *mr_settle_resolve(mr_stream *stream, const mr_id *id, uint32_t generation);

/* mr_settle_keep copies bytes that live as long as the dispatch into memory that lives longer. */
mr_span mr_settle_keep(mr_stream *stream, mr_arena *arena, mr_span span);

/* mr_settle_emit puts a dispatch into the output, mr_settle_task a task. */
void mr_settle_emit(mr_settling *at, mr_dispatch *dispatch);
mr_task *mr_settle_task(mr_settling *at, mr_task_kind kind, uint32_t due, const mr_id *owner,
                        const mr_id *subject);

/* mr_settle_send sends a message: to a program, to a user, or later. */
void mr_settle_send(mr_settling *at, const mr_outgoing *out);

/* ---- trace.c ---- */

/* What the numbers were before a dispatch. */
typedef struct mr_trace_start {
    uint64_t gas, refunded, rent;
} mr_trace_start;

/* mr_trace_begin and mr_trace_end stand around a dispatch when traces are kept, and hang what
 * happened in it up in its notes. mr_trace_sent notes a message it sends, when they are kept. */
void mr_trace_begin(const mr_settling *at, mr_trace_start *out);
void mr_trace_sent(mr_stream *stream, const mr_id *message);
void mr_trace_end(mr_settling *at, const mr_trace_start *start);

/* ---- settle_wait.c ---- */

/* mr_settle_waiter finds the message that a reply belongs to, and returns what it may draw. */
uint64_t mr_settle_waiter(mr_settling *at);

/* mr_settle_waiter_gas applies `drawn` and `home` to that message's gas, before anything is woken;
 * mr_settle_waiter_until finds its end again, afterwards. */
void mr_settle_waiter_gas(mr_settling *at);
void mr_settle_waiter_until(mr_settling *at);

/* mr_settle_wake wakes the messages the dispatch wanted to wake. */
void mr_settle_wake(mr_settling *at, const mr_execution *execution);

/* mr_settle_wait puts the message on the waitlist, with `gas`. */
void mr_settle_wait(mr_settling *at, const mr_execution *execution, uint64_t gas);

/* mr_settle_reservations takes over what the dispatch did to the program's reservations. */
void mr_settle_reservations(mr_settling *at, const mr_execution *execution);

/* mr_settle_end ends all reservations of a program that is no more, and wakes what waits in it. */
void mr_settle_end(mr_settling *at);

#endif
