/* SPDX-License-Identifier: Apache-2.0 */
/* execution: one dispatch run against one program's memory. A pure step: what it wants to happen
 * outside the memory (messages, reply, exit) is collected here and applied by whoever called, or
 * dropped as a whole when the dispatch fails. It knows no queue, no accounts, no other program. */
#ifndef MR_ENGINE_EXECUTION_H
#define MR_ENGINE_EXECUTION_H

#include "base/arena.h"
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
    const mr_id *reply_to; /* REPLY: the message it answers */
    union {
        uint8_t code[4];      /* REPLY: Gear's reply code */
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

/* A message or reply being composed. */
typedef struct mr_draft {
    mr_id id; /* when committed; not of a reply */
    mr_id to; /* not of a reply */
    mr_value value;
    uint64_t gas;     /* explicit limit when has_gas; else set aside as a floor */
    uint8_t *payload; /* in the arena */
    uint32_t payload_bytes;
    uint32_t payload_capacity;
    uint32_t nonce; /* position among all drafts: the send handle, and part of the id */
    bool has_gas;
    bool committed;
} mr_draft;

typedef struct mr_debug_text {
    struct mr_debug_text *next;
    mr_span text;
} mr_debug_text;

/* Why a host function ended the call. */
typedef enum mr_ending {
    MR_ENDING_NONE,
    MR_ENDING_LEAVE,
    MR_ENDING_EXIT,
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
    mr_value balance; /* of the program, the message's value included */
    mr_pages *heap;   /* pages the program has allocated; only what is known of gaps changes */
    mr_arena *arena;  /* what outlives the run: payloads, texts */

    /* Results. */
    mr_outcome outcome;
    uint8_t error[4];  /* reply code of a failure */
    uint64_t gas_left; /* to be shared among what it sends, or returned; the explicit limits of
                        * committed drafts are not part of it, the floors of others are */
    mr_draft *drafts;  /* all handles made, in order */
    uint32_t drafts_count;
    uint32_t *committed; /* indices of committed drafts, in the order of their commits */
    uint32_t committed_count;
    mr_draft reply; /* when reply.committed */
    bool exited;
    mr_id inheritor;
    mr_span text;      /* panic payload, or a sentence about the trap */
    bool heap_changed; /* then `heap_new` replaces the heap */
    mr_pages heap_new;
    mr_debug_text *debug_first, *debug_last;

    /* While running. */
    uint32_t drafts_capacity, committed_capacity;
    uint64_t set_aside;    /* explicit limits and floors taken from the gas counter */
    uint64_t explicit_gas; /* of these, explicit limits */
    uint64_t outgoing_bytes;
    mr_value spent; /* value of committed drafts and reply */
    mr_ending ending;
    mr_status failure; /* of the machine: the block cannot go on */
} mr_execution;

/* mr_execution_run runs `entry` of the memory's code with the message's gas limit, which the caller
 * has found to cover `charge` (what the dispatch costs before its first instruction). Memory is
 * committed when the outcome is OK or EXITED, rolled back otherwise.
 * Errors: MR_NO_MEMORY, MR_MODULE: of the machine, not of the program; memory rolled back. */
mr_status mr_execution_run(mr_execution *execution, mr_vm_worker *worker, mr_memory *memory,
                           uint32_t entry, uint64_t charge);

/* mr_execution_fini frees what is kept between runs. */
void mr_execution_fini(mr_execution *execution);

#endif
