/* SPDX-License-Identifier: Apache-2.0 */
/* reference_internal: the whole state, as the files of this folder share it. */
#ifndef MR_TESTS_REFERENCE_REFERENCE_INTERNAL_H
#define MR_TESTS_REFERENCE_REFERENCE_INTERNAL_H

#include "engine/abi.h"
#include "tests/reference/reference.h"

typedef struct mr_reference_code {
    mr_id id;
    mr_code *code;
} mr_reference_code;

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
    bool closed; /* for the rest of the block */
} mr_reference_actor;

typedef struct mr_reference_message {
    mr_message message;
    mr_id destination;
    mr_id payer;
    bool from_program; /* else a transaction made it */
    bool numbered;
    uint64_t sequence; /* when numbered */
} mr_reference_message;

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

    mr_balance *accounts; /* those of balance 0 count for nothing */
    size_t accounts_count;
    mr_reference_code *codes;
    size_t codes_count;
    mr_reference_actor *programs;
    size_t programs_count;
    mr_reference_message *queue;
    size_t queue_count;
    mr_reference_letter *letters;
    size_t letters_count;
    mr_value issued;
    mr_value burned;
    uint64_t sequences; /* the next one */
    uint64_t height;

    mr_reference_block **blocks; /* all of them */
    size_t blocks_count;
    mr_reference_block *block; /* the last one */
    mr_value reward;           /* of the block */
    uint64_t block_limit;      /* gas limit of the block, 0 for none */
};

/* mr_reference_room makes room for one more element. */
void *mr_reference_room(void *array, size_t count, size_t element_bytes);

/* mr_reference_put appends bytes. */
void mr_reference_put(mr_buffer *to, const void *bytes, size_t size);

#endif
