/* SPDX-License-Identifier: Apache-2.0 */
/* scenario: programs, blocks of messages and what is expected of them, read from a YAML file.
 *
 * The format is described in docs/SCENARIOS.md. Reading resolves everything: names to ids, modules
 * to bytes, payloads to bytes; what is left can be executed as it stands. Numbers of lines are kept
 * for sentences about expectations that were not met. */
#ifndef MR_TOOLS_SCENARIO_H
#define MR_TOOLS_SCENARIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "engine/millrace.h"
#include "tools/millrace/names.h"

enum {
    MR_SCENARIO_PAYLOAD_BYTES_MAX = 8 * 1024 * 1024, /* of one message, as in the gas schedule */
    MR_SCENARIO_BYTES_MAX = 256 * 1024 * 1024,       /* modules and payloads together */
};

/* Gas of a message or init message that names none. */
#define MR_SCENARIO_GAS 10000000000u
/* Between the timestamps of two blocks, unless one names its own. */
#define MR_SCENARIO_BLOCK_MS 3000u

typedef struct mr_scenario_code {
    const char *name; /* NULL when it came with a program */
    mr_id from;
    mr_id id;
    mr_span module;
    uint32_t line;
} mr_scenario_code;

typedef struct mr_scenario_program {
    const char *name;
    mr_id from;
    mr_id id;
    mr_id code;
    mr_span salt, init;
    uint64_t gas;
    mr_value value;
    uint32_t line;
} mr_scenario_program;

typedef struct mr_scenario_message {
    mr_transaction_kind kind; /* SEND, REPLY, CLAIM or TRANSFER */
    mr_id from;
    mr_id to; /* SEND: a program; TRANSFER: an account; REPLY, CLAIM: who wrote, if has_to */
    bool has_to;
    uint32_t letter; /* REPLY, CLAIM: number of the letter's name, or MR_LETTER_NONE: */
    uint64_t answer; /* the n-th message, from 0, that `from` had from `to` so far */
    mr_span payload;
    uint64_t gas;
    mr_value value, tip;
    uint32_t line;
} mr_scenario_message;

/* Letters may be given names by what is expected; each name has a number. */
#define MR_LETTER_NONE UINT32_MAX

/* Keys that are left out are not compared; `has` says which are there. */
enum {
    MR_HAS_FROM = 1,
    MR_HAS_TO = 2,
    MR_HAS_KIND = 4,
    MR_HAS_PAYLOAD = 8,
    MR_HAS_CODE = 16,
    MR_HAS_VALUE = 32,
    MR_HAS_OUTCOME = 64,
    MR_HAS_GAS_BURNED = 128,
    MR_HAS_SENT = 256,
    MR_HAS_TEXT = 512,
    MR_HAS_GAS = 1024,
    MR_HAS_SINCE = 2048,
    MR_HAS_UNTIL = 4096,
    MR_HAS_HEIGHT = 8192,
    MR_HAS_TASK = 16384,
};

typedef struct mr_expect_message {
    unsigned has;
    mr_id from, to;
    bool is_reply;
    mr_span payload;
    uint8_t code[4];
    mr_value value;
    uint32_t letter; /* number of the name it is given, or MR_LETTER_NONE */
    uint32_t line;
} mr_expect_message;

typedef struct mr_expect_receipt {
    unsigned has;
    mr_id from, to;
    mr_kind kind;
    mr_outcome outcome;
    uint64_t gas_burned, sent;
    mr_span text;
    uint32_t line;
} mr_expect_receipt;

typedef struct mr_expect_balance {
    const char *name;
    mr_id id;
    bool program;
    mr_value balance;
    uint32_t line;
} mr_expect_balance;

typedef struct mr_expect_memory {
    const char *name;
    mr_id program;
    uint64_t address;
    mr_span bytes;
    uint32_t line;
} mr_expect_memory;

/* How much of something a program has. */
typedef struct mr_expect_count {
    const char *name;
    mr_id program;
    uint64_t count;
    uint32_t line;
} mr_expect_count;

typedef struct mr_expect_letter {
    unsigned has;
    mr_id from;
    mr_span payload;
    mr_value value;
    uint64_t gas, since, until;
    uint32_t letter; /* number of the name it is given, or MR_LETTER_NONE */
    uint32_t line;
} mr_expect_letter;

/* All letters of a user. */
typedef struct mr_expect_mailbox {
    const char *name;
    mr_id user;
    const mr_expect_letter *letter;
    size_t letters_count;
    uint32_t line;
} mr_expect_mailbox;

typedef struct mr_expect_task {
    unsigned has;
    uint64_t height;
    mr_task_kind task;
    mr_id of;
    uint32_t line;
} mr_expect_task;

typedef struct mr_expect {
    bool messages, receipts, queue, gas_rent, admissions; /* which are expected at all */
    bool tasks, tasks_listed;
    const mr_expect_message *message;
    size_t messages_count;
    const mr_expect_receipt *receipt;
    size_t receipts_count;
    const mr_expect_balance *balance;
    size_t balances_count;
    const mr_expect_memory *memory;
    size_t memory_count;
    const mr_admission *admission;  /* one for each message of the block */
    const mr_expect_count *waiting; /* messages that wait in a program */
    size_t waiting_count;
    const mr_expect_count *reservations; /* of a program */
    size_t reservations_count;
    const mr_expect_mailbox *mailbox;
    size_t mailboxes_count;
    const mr_expect_task *task; /* when listed */
    uint64_t tasks_count;
    uint64_t queue_count, gas_rent_burned;
    uint32_t line, messages_line, receipts_line, queue_line, gas_rent_line, admissions_line,
        tasks_line;
} mr_expect;

typedef struct mr_scenario_block {
    uint64_t gas_limit; /* 0: none */
    uint64_t repeat;
    uint64_t timestamp_ms; /* of the first of the repeated blocks */
    mr_id random;          /* all zero unless given */
    const mr_scenario_message *message;
    size_t messages_count;
    const mr_expect *expect; /* NULL: nothing is */
    uint32_t line;
} mr_scenario_block;

typedef struct mr_scenario {
    mr_arena arena;
    mr_names names;
    const char *file_name;
    const char *title; /* "" when there is none */
    bool accounts;     /* balances are kept */
    mr_balance *genesis;
    size_t genesis_count;
    mr_scenario_code *code; /* each once, in the order of first use */
    size_t codes_count;
    mr_scenario_program *program;
    size_t programs_count;
    mr_scenario_block *block;
    size_t blocks_count;
    mr_names letters; /* names that expectations give to letters; the id begins with the number */
    uint32_t letters_count;
    bool needs_inbox; /* something is said about messages that users had before */
} mr_scenario;

/* mr_scenario_open reads the file and the modules it names, which lie relative to it.
 * Errors:  MR_INVALID, MR_NOT_FOUND, MR_IO, MR_LIMIT, MR_MODULE, MR_NO_MEMORY; the text begins with
 *          "FILE:LINE: " wherever a line is to blame.
 * Owns:    on MR_OK the caller ends *out by mr_scenario_close. */
mr_status mr_scenario_open(const char *path, mr_scenario *out, mr_error *error);

void mr_scenario_close(mr_scenario *scenario);

#endif
