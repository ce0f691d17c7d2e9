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

/* How a dispatch failed. */
typedef struct mr_failure {
    mr_outcome outcome;
    uint8_t code[4];     /* of the error reply */
    bool signals;        /* the program is told, if it has reserved gas for that */
    mr_span payload;     /* of the error reply */
    uint64_t left;       /* of what it might burn, the system reservation not counted */
    uint64_t system_gas; /* of the system reservation */
} mr_failure;

/* mr_settle_wants_reply tells whether the dispatch is answered, by itself or automatically. */
static inline bool mr_settle_wants_reply(const mr_settling *at)
{
    const mr_kind kind = at->dispatch->message.kind;
    return kind == MR_KIND_INIT || kind == MR_KIND_HANDLE;
}

/* ---- settle_success.c ---- */

/* mr_settle_success carries out what an execution wanted that went well, or began to wait: programs
 * are made, messages leave, others are woken, and the gas that is left goes on. */
void mr_settle_success(mr_settling *at, mr_execution *execution);

/* ---- settle_failure.c ---- */

/* mr_settle_failure undoes everything: the value goes back with the error reply, and with it the
 * gas that is left. */
void mr_settle_failure(mr_settling *at, const mr_failure *why);

/* ---- settle_create.c ---- */

/* mr_settle_create makes the program of a draft that creates one; NULL when there is no such code.
 */
mr_program *mr_settle_create(mr_settling *at, const mr_draft *draft);

/* mr_settle_not_created answers a draft that creates a program of which there is no code: its
 * creator gets the answer that its init would have got. */
void mr_settle_not_created(mr_settling *at, const mr_draft *draft, uint64_t gas);

/* ---- settle_exit.c ---- */

/* mr_settle_terminate ends a program whose init failed. */
void mr_settle_terminate(mr_settling *at);

/* mr_settle_exit ends a program that wanted it: its heir gets what it owns, its messages their
 * answers. */
void mr_settle_exit(mr_settling *at, const mr_execution *execution);

/* ---- settle_gas.c; the rules of gas are in settle_gas.h ---- */

/* mr_settle_credit adds to a user's account when the block ends. */
void mr_settle_credit(mr_stream *stream, const mr_id *account, mr_value amount);

/* mr_settle_refund gives gas back to who bought it. */
void mr_settle_refund(mr_stream *stream, const mr_id *payer, uint64_t gas);

/* mr_settle_give_back refunds gas of the dispatch, to its sponsor first, and then to its payer. */
void mr_settle_give_back(mr_settling *at, uint64_t gas);

/* ---- settle_send.c ---- */

/* mr_settle_fail notes that the machine failed: the block cannot go on. */
void mr_settle_fail(mr_stream *stream, mr_status status);

/* mr_settle_destination returns the program of `id` as the dispatch knows it, which has committed
 * `drafts_count` messages, or NULL: a user. What it creates is there for it at once. */
mr_program *mr_settle_destination(mr_settling *at, const mr_id *id, uint32_t drafts_count);

/* mr_settle_keep copies bytes that live as long as the dispatch into memory that lives longer. */
mr_span mr_settle_keep(mr_stream *stream, mr_arena *arena, mr_span span);

/* mr_settle_emit puts a dispatch into the output, mr_settle_task a task. */
void mr_settle_emit(mr_settling *at, mr_dispatch *dispatch);
mr_task *mr_settle_task(mr_settling *at, mr_task_kind kind, uint32_t due, const mr_id *owner,
                        const mr_id *subject);

/* mr_settle_reply makes a reply to the dispatch's source. */
mr_outgoing mr_settle_reply(const mr_settling *at, const uint8_t code[4], mr_value value,
                            mr_span payload);

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
