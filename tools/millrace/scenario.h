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
    mr_transaction_kind kind; /* SEND, REPLY or TRANSFER */
    mr_id from;
    mr_id to;        /* SEND: a program; TRANSFER: an account; REPLY: who is answered */
    uint64_t answer; /* REPLY: to the n-th message, from 0, that `from` had from `to` so far */
    mr_span payload;
    uint64_t gas;
    mr_value value;
    uint32_t line;
} mr_scenario_message;

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
};

typedef struct mr_expect_message {
    unsigned has;
    mr_id from, to;
    bool is_reply;
    mr_span payload;
    uint8_t code[4];
    mr_value value;
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

typedef struct mr_expect {
    bool messages, receipts, queue, admissions; /* which of these are expected at all */
    const mr_expect_message *message;
    size_t messages_count;
    const mr_expect_receipt *receipt;
    size_t receipts_count;
    const mr_expect_balance *balance;
    size_t balances_count;
    const mr_expect_memory *memory;
    size_t memory_count;
    const mr_admission *admission; /* one for each message of the block */
    uint64_t queue_count;
    uint32_t line, messages_line, receipts_line, queue_line, admissions_line;
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
    bool replies; /* there is a message that answers one */
} mr_scenario;

/* mr_scenario_open reads the file and the modules it names, which lie relative to it.
 * Errors:  MR_INVALID, MR_NOT_FOUND, MR_IO, MR_LIMIT, MR_MODULE, MR_NO_MEMORY; the text begins with
 *          "FILE:LINE: " wherever a line is to blame.
 * Owns:    on MR_OK the caller ends *out by mr_scenario_close. */
mr_status mr_scenario_open(const char *path, mr_scenario *out, mr_error *error);

void mr_scenario_close(mr_scenario *scenario);

#endif
