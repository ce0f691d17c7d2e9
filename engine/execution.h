/* SPDX-License-Identifier: Apache-2.0 */
/* execution: one dispatch run against one program's memory. A pure step: what it wants to happen
 * outside the memory (messages, reply, wakes, reservations, exit) is collected here and applied by
 * whoever called, or dropped as a whole when the dispatch fails. It knows no queue, no accounts, no
 * other program. */
#ifndef MR_ENGINE_EXECUTION_H
#define MR_ENGINE_EXECUTION_H

#include "base/arena.h"
#include "engine/foresee.h"
#include "engine/millrace.h"
#include "engine/pages.h"
#include "vm/vm.h"

/* A message as its receiver sees it. */
typedef struct mr_message {
    mr_id id;
    mr_value value;
    uint64_t gas_limit;
    mr_span payload;
    const mr_id *source;
    const mr_id *reply_to; /* REPLY: the message it answers; SIGNAL: the message that failed */
    union {
        uint8_t code[4];      /* REPLY: Gear's reply code */
        uint32_t signal;      /* SIGNAL: Gear's signal code */
        uint32_t transaction; /* others, when a transaction of this block sent it: its number */
    };
    mr_kind kind;
} mr_message;

/* What programs see of the block. */
typedef struct mr_environment {
    uint32_t height;
    uint64_t timestamp_ms;
    mr_id random;
    const mr_schedule *schedule;
    bool keep_debug;
} mr_environment;

/* No message has more gas, nor a system reservation, so that a few may be added up. */
#define MR_GAS_MAX ((uint64_t)1 << 62)

/* What a message that waits remembers of its runs so far. */
typedef struct mr_context {
    uint32_t handles;       /* made so far: the next one's number */
    uint32_t created_count; /* programs created */
    uint64_t reservations;  /* made so far: the next one's number */
    uint64_t system_gas;    /* of the system reservation, for a signal; MR_GAS_MAX at most */
    const mr_id *created;   /* their ids */
} mr_context;

/* A reservation of gas: what a program keeps for messages it sends later. */
typedef struct mr_reservation {
    mr_id id;
    mr_id payer;
    uint64_t amount;
    uint64_t sequence;    /* of its task, */
    struct mr_task *task; /* or that, when this block made it */
    uint32_t start;       /* height */
    uint32_t finish;      /* height at which it ends; start < finish */
    bool made;            /* by the dispatch that runs */
    bool ended;           /* by the dispatch that runs */
    bool used;            /* ended because a message or reply carries its amount */
} mr_reservation;

/* What few drafts have. */
typedef struct mr_draft_extra {
    uint64_t deposit; /* gas for the reply to it */
    uint32_t delay;   /* blocks; not of a reply */
    bool has_deposit;
    bool creates;     /* a program of `code` */
    bool is_reserved; /* its gas is that of a reservation of `payer` */
    mr_id code;
    mr_id payer;
} mr_draft_extra;

/* A message or reply being composed. */
typedef struct mr_draft {
    mr_id id; /* when committed; not of a reply */
    mr_id to; /* not of a reply */
    mr_value value;
    uint64_t gas;          /* explicit limit when has_gas; else set aside as a floor */
    uint8_t *payload;      /* in the arena */
    mr_draft_extra *extra; /* in the arena; or NULL */
    uint32_t payload_bytes;
    uint32_t payload_capacity;
    uint32_t nonce; /* position among all drafts of the message: the handle, and part of the id */
    bool has_gas;
    bool committed;
} mr_draft;

typedef struct mr_debug_text {
    struct mr_debug_text *next;
    mr_span text;
} mr_debug_text;

/* A message to be woken. */
typedef struct mr_waking {
    mr_id message;
    uint32_t delay; /* blocks */
} mr_waking;

/* Why a host function ended the call. */
typedef enum mr_ending {
    MR_ENDING_NONE,
    MR_ENDING_LEAVE,
    MR_ENDING_EXIT,
    MR_ENDING_WAIT,
    MR_ENDING_PANIC,
    MR_ENDING_OUT_OF_MEMORY, /* gr_oom_panic */
    MR_ENDING_FORBIDDEN,     /* a bad pointer or a call not allowed here: a trap with a text */
    MR_ENDING_UNREACHABLE,   /* a trap like that of the unreachable instruction, with a text */
} mr_ending;

/* Reused from dispatch to dispatch; all zero at first. */
typedef struct mr_execution {
    /* Inputs, set by the caller before mr_execution_run. */
    const mr_environment *environment;
    const mr_message *message;
    const mr_id *program;
    const mr_id *payer;        /* of the message */
    const mr_context *context; /* of a message that has waited; else NULL */
    uint64_t gas;     /* that it may burn, what the dispatch costs before it begins included */
    uint64_t foreign; /* of it, what somebody else than `payer` has paid for: it is burned last, and
                       * what is given, reserved or set aside is none of it */
    mr_value balance; /* of the program, the value that the message brings included */
    mr_pages *heap;   /* pages the program has allocated; only what is known of gaps changes */
    const mr_reservation *reservations; /* of the program, ascending by id */
    uint32_t reservations_count;
    mr_arena *arena;       /* what outlives the run: payloads, texts */
    bool query;            /* an entry that reads: what would change anything is a trap */
    mr_foreseen *foreseen; /* ids of the message's reply and of what it sends; or NULL */

    /* Results. All of the gas it had is: burned, or gas_left, set_aside, explicit_gas, system_gas
     * (that it added), reserved_gas, rent. After a failure all but gas_left and system_gas are 0.
     */
    mr_outcome outcome;
    uint8_t error[4]; /* reply code of a failure */
    uint64_t gas_left;
    uint64_t set_aside;    /* floors of drafts committed without a limit */
    uint64_t explicit_gas; /* limits of committed drafts, and deposits */
    uint64_t system_gas;   /* added to the system reservation */
    uint64_t reserved_gas; /* of reservations made and not ended by the run, rent included */
    uint64_t rent;         /* of delays */
    mr_draft *drafts;      /* all handles made, in order */
    uint32_t drafts_count;
    uint32_t *committed; /* indices of committed drafts, in the order of their commits */
    uint32_t committed_count;
    mr_draft reply;          /* when reply.committed */
    uint32_t handles_before; /* number of the first draft */
    mr_waking *wakings;
    uint32_t wakings_count;
    uint32_t *waking_slots;           /* their numbers + 1 by message, 0 is empty; see abi_wait.c */
    uint32_t waking_slots_count;      /* a power of two, or 0 */
    mr_reservation *reservations_new; /* the program's, those that ended included, and those made,
                                       * in that order; when reservations_changed */
    uint32_t reservations_new_count;
    bool reservations_changed;
    uint64_t reservations_made; /* in all runs of the message */
    bool exited;
    mr_id inheritor;
    uint32_t wait_blocks;  /* WAITING: for how long it wants to; UINT32_MAX: for ever */
    uint64_t wait_reserve; /* rent to be kept for it */
    mr_span text;          /* panic payload, or a sentence about the trap */
    bool heap_changed;     /* then `heap_new` replaces the heap */
    mr_pages heap_new;
    mr_debug_text *debug_first, *debug_last;
    bool has_backtrace; /* of a failure, when the worker keeps them */
    mr_backtrace backtrace;

    /* While running. */
    uint32_t drafts_capacity, committed_capacity, wakings_capacity, reservations_capacity;
    uint32_t waking_slots_capacity;
    uint64_t outgoing_bytes;
    mr_value spent; /* value of committed drafts and reply */
    mr_ending ending;
    mr_status failure; /* of the machine: the block cannot go on */
} mr_execution;

/* mr_execution_run runs `entry` of the memory's code with the gas given, which the caller has found
 * to cover `charge` (what the dispatch costs before its first instruction). Memory is committed
 * when the outcome is OK, EXITED or WAITING and it is no query, rolled back otherwise.
 * Errors: MR_NO_MEMORY, MR_MODULE: of the machine, not of the program; memory rolled back. */
mr_status mr_execution_run(mr_execution *execution, mr_vm_worker *worker, mr_memory *memory,
                           uint32_t entry, uint64_t charge);

/* mr_execution_skip makes the results those of a run that did nothing and cost nothing. */
void mr_execution_skip(mr_execution *execution);

/* mr_execution_succeeded tells whether what the run collected is to be applied. */
static inline bool mr_execution_succeeded(const mr_execution *execution)
{
    return execution->outcome == MR_OUTCOME_OK || execution->outcome == MR_OUTCOME_EXITED ||
           execution->outcome == MR_OUTCOME_WAITING;
}

/* mr_execution_fini frees what is kept between runs. */
void mr_execution_fini(mr_execution *execution);

#endif
