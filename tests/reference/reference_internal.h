/* SPDX-License-Identifier: Apache-2.0 */
/* reference_internal: the whole state, and what the files of this folder do for each other. */
#ifndef MR_TESTS_REFERENCE_REFERENCE_INTERNAL_H
#define MR_TESTS_REFERENCE_REFERENCE_INTERNAL_H

#include "engine/abi.h"
#include "tests/reference/reference.h"

typedef struct mr_reference_code {
    mr_id id;
    mr_code *code;
} mr_reference_code;

typedef struct mr_reference_account {
    mr_id id;
    mr_value balance; /* 0: there is no such account */
    mr_value coming;  /* reaches it at the end of the block */
} mr_reference_account;

typedef struct mr_reference_actor {
    mr_id id;
    mr_id code_id;
    mr_code *code; /* of mr_reference_code */
    mr_program_status status;
    mr_id heir; /* when exited */
    mr_value balance;
    uint8_t *memory; /* owned: `pages` pages */
    uint32_t pages;
    mr_pages heap;
    mr_reservation *reservations; /* owned; ascending by id */
    size_t reservations_count;
    bool closed; /* for the rest of the block */
    /* Since when it exists, for a program that a dispatch of this block created. */
    bool is_new;
    mr_id creator; /* the message */
    uint64_t generation;
} mr_reference_actor;

/* A message wherever it is: in the queue, waiting, or in a task. */
typedef struct mr_reference_message {
    mr_message message; /* gas_limit is its own gas */
    mr_id destination;
    mr_id payer;
    bool from_program; /* else its source is a user or the system */
    bool removed;
    bool has_origin;
    mr_id origin;
    uint64_t deposit; /* 0: none */
    mr_id sponsor;
    uint64_t sponsored; /* 0: there is no sponsor */
    bool has_waited;
    mr_context context; /* when it has waited, else all zero */
    bool numbered;
    uint64_t sequence; /* when numbered */
    /* In the queue of a block that runs. */
    uint64_t generation;
    mr_id parent;
} mr_reference_message;

typedef struct mr_reference_waiting_message {
    mr_reference_message message;
    uint32_t since;
    uint32_t wish; /* UINT32_MAX for none */
    uint32_t until;
} mr_reference_waiting_message;

typedef struct mr_reference_task_entry {
    mr_reference_what what;
    uint32_t height;
    bool numbered;
    uint64_t sequence;            /* when numbered */
    mr_id owner;                  /* program; of a letter the user */
    mr_id object;                 /* message or reservation */
    mr_reference_message message; /* of SEND */
} mr_reference_task_entry;

struct mr_reference {
    mr_schedule schedule;
    mr_module_rules rules;
    mr_code_prices prices;
    bool accounts_on;
    mr_vm *vm;
    mr_vm_worker *worker;
    mr_execution execution;
    mr_environment environment;
    mr_arena kept; /* payloads and texts: they stay until the end */

    mr_reference_account *accounts;
    size_t accounts_count;
    mr_reference_code *codes;
    size_t codes_count;
    mr_reference_actor **programs;
    size_t programs_count;
    mr_reference_message *queue;
    size_t queue_count;
    size_t queue_at; /* messages before it have been looked at in this block */
    mr_reference_waiting_message *waitlist;
    size_t waitlist_count;
    mr_reference_letter *letters;
    size_t letters_count;
    mr_reference_task_entry *tasks; /* in the order in which they were made */
    size_t tasks_count;
    mr_value issued;
    mr_value burned;
    uint64_t queue_sequences; /* the next one */
    uint64_t task_sequences;  /* the next one */
    uint64_t height;

    mr_reference_block **blocks; /* all of them */
    size_t blocks_count;
    mr_reference_block *block; /* the last one */
    mr_value reward;           /* of the block */
    mr_value leaving;          /* value that leaves for users at the end of the block */
    uint64_t block_limit;      /* gas limit of the block, 0 for none */
};

/* ---- state.c: arrays, bytes, ids, looking up, accounts ---- */

/* mr_reference_room makes room for one more element. */
void *mr_reference_room(void *array, size_t count, size_t element_bytes);

#define MR_REFERENCE_ADD(array, count, element)                                                    \
    do {                                                                                           \
        (array) = mr_reference_room((array), (count), sizeof *(array));                            \
        (array)[(count)++] = (element);                                                            \
    } while (0)

/* MR_REFERENCE_CUT takes element `i` out; the others keep their order. */
#define MR_REFERENCE_CUT(array, count, i)                                                          \
    do {                                                                                           \
        (count)--;                                                                                 \
        memmove(&(array)[i], &(array)[(i) + 1], ((count) - (i)) * sizeof *(array));                \
    } while (0)

/* mr_reference_put appends bytes. */
void mr_reference_put(mr_buffer *to, const void *bytes, size_t size);

/* Copies that live as long as the reference. */
void *mr_reference_keep(mr_reference *r, const void *bytes, size_t size);
mr_span mr_reference_keep_span(mr_reference *r, mr_span span);
const mr_id *mr_reference_keep_id(mr_reference *r, const mr_id *id);

bool mr_reference_same(const mr_id *a, const mr_id *b);
mr_id mr_reference_id_of_code(mr_span module);
mr_id mr_reference_id_of_transaction(uint32_t height, const mr_id *payer, uint64_t index);
mr_id mr_reference_id_of_outgoing(const mr_id *message, uint32_t handle);
mr_id mr_reference_id_of_reply(const mr_id *message);
mr_id mr_reference_id_of_signal(const mr_id *message);
mr_id mr_reference_id_of_program(const mr_id *code, mr_span salt);

/* Finders return NULL or, for places in an array, SIZE_MAX when there is none. */
mr_reference_actor *mr_reference_find_program(const mr_reference *r, const mr_id *id);
mr_reference_code *mr_reference_find_code(const mr_reference *r, const mr_id *id);
size_t mr_reference_find_letter(const mr_reference *r, const mr_id *user, const mr_id *message);
size_t mr_reference_find_waiting(const mr_reference *r, const mr_id *program, const mr_id *message);
size_t mr_reference_find_task(const mr_reference *r, mr_reference_what what, const mr_id *owner,
                              const mr_id *object);
mr_reference_account *mr_reference_account_of(mr_reference *r, const mr_id *id);

/* mr_reference_add_program makes a program, uninitialized. */
mr_reference_actor *mr_reference_add_program(mr_reference *r, const mr_id *id,
                                             const mr_reference_code *code);

/* mr_reference_reset_memory gives a program the memory that its code starts with. */
void mr_reference_reset_memory(mr_reference_actor *program);

/* mr_reference_pay_out lets value reach a user, mr_reference_refund gas its payer, both at the end
 * of the block. */
void mr_reference_pay_out(mr_reference *r, const mr_id *user, mr_value amount);
void mr_reference_refund(mr_reference *r, const mr_id *payer, uint64_t gas);

/* mr_reference_gas_max returns the most gas that a message is given in this block, and
 * mr_reference_most as much of `gas` as that; the rest is refunded. */
uint64_t mr_reference_gas_max(const mr_reference *r);
uint64_t mr_reference_most(mr_reference *r, const mr_id *payer, uint64_t gas);

/* mr_reference_rent counts rent that is due. */
void mr_reference_rent(mr_reference *r, uint64_t gas);

/* ---- admission.c ---- */

/* mr_reference_admit takes the transaction, or refuses it. */
void mr_reference_admit(mr_reference *r, const mr_transaction *transaction, uint64_t index,
                        mr_transaction_result *result);

/* ---- agenda.c: heights, tasks, letters, waiting, reservations ---- */

/* mr_reference_later returns the height that is `blocks` blocks after `height`. */
uint32_t mr_reference_later(uint32_t height, uint64_t blocks);

/* mr_reference_paid_until returns the last height that `gas` pays from `since` on. */
uint32_t mr_reference_paid_until(const mr_reference *r, uint32_t since, uint64_t gas);

/* mr_reference_add_task makes a task, mr_reference_drop_task takes back the one there is. */
void mr_reference_add_task(mr_reference *r, const mr_reference_task_entry *task);
void mr_reference_drop_task(mr_reference *r, mr_reference_what what, const mr_id *owner,
                            const mr_id *object);

/* mr_reference_enqueue appends a message to the queue. */
void mr_reference_enqueue(mr_reference *r, const mr_reference_message *m);

/* mr_reference_tell_user sends a message to a user. Returns the gas that it did not need: all of
 * it, with the deposit, unless it becomes a letter. */
uint64_t mr_reference_tell_user(mr_reference *r, const mr_reference_message *m);

/* mr_reference_take_letter takes a letter from the mailbox: its value goes to the user, and what is
 * left of its gas is in `gas` of the letter returned. */
mr_reference_letter mr_reference_take_letter(mr_reference *r, size_t i);

/* mr_reference_answer_letter sends the automatic reply to a letter that was taken. Returns whether
 * it was sent. */
bool mr_reference_answer_letter(mr_reference *r, const mr_reference_letter *letter);

/* mr_reference_wake puts a waiting message into the queue. */
void mr_reference_wake(mr_reference *r, size_t i, bool removed, uint64_t generation,
                       const mr_id *parent);

/* mr_reference_flush wakes all that wait in a program, by their ids. */
void mr_reference_flush(mr_reference *r, const mr_id *program, uint64_t generation,
                        const mr_id *parent);

/* mr_reference_end_reservation accounts for the rent of a reservation that ends, and for its
 * amount when nobody takes it along. */
void mr_reference_end_reservation(mr_reference *r, const mr_reservation *reservation,
                                  bool amount_is_used);

/* mr_reference_drop_reservation takes a reservation and its task away from its program. */
void mr_reference_drop_reservation(mr_reference *r, mr_reference_actor *program, const mr_id *id);

/* mr_reference_agenda carries out what is due. */
void mr_reference_agenda(mr_reference *r);

/* ---- draw.c, dispatch.c ---- */

/* mr_reference_may_draw returns the gas that a message may burn beside its own. */
uint64_t mr_reference_may_draw(const mr_reference *r, const mr_reference_message *m);

/* mr_reference_dispatch dispatches a message that was taken from the queue. */
void mr_reference_dispatch(mr_reference *r, const mr_reference_message *m);

/* ---- reference.c ---- */

uint64_t mr_reference_accounts_count(const mr_reference *r);

#endif
