/* SPDX-License-Identifier: Apache-2.0 */
/* fixture: an engine in memory, one block after the other, and programs given as text. Whatever is
 * not what a test needs is asserted here: blocks execute and commit, codes upload, inits succeed.
 */
#ifndef MR_TESTS_ENGINE_FIXTURE_H
#define MR_TESTS_ENGINE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "engine/millrace.h"

/* The imports of this version's ABI, stated a second time: X(name, type as in vm/code.h). */
#define ABI_MAP(X)                                                                                 \
    X(alloc, "i:i")                                                                                \
    X(free, "i:i")                                                                                 \
    X(free_range, "ii:i")                                                                          \
    X(gr_read, "iiii:")                                                                            \
    X(gr_size, "i:")                                                                               \
    X(gr_source, "i:")                                                                             \
    X(gr_value, "i:")                                                                              \
    X(gr_message_id, "i:")                                                                         \
    X(gr_program_id, "i:")                                                                         \
    X(gr_reply_to, "i:")                                                                           \
    X(gr_reply_code, "i:")                                                                         \
    X(gr_block_height, "i:")                                                                       \
    X(gr_block_timestamp, "i:")                                                                    \
    X(gr_gas_available, "i:")                                                                      \
    X(gr_value_available, "i:")                                                                    \
    X(gr_env_vars, "ii:")                                                                          \
    X(gr_random, "ii:")                                                                            \
    X(gr_signal_from, "i:")                                                                        \
    X(gr_signal_code, "i:")                                                                        \
    X(gr_send, "iiiii:")                                                                           \
    X(gr_send_wgas, "iiilii:")                                                                     \
    X(gr_send_init, "i:")                                                                          \
    X(gr_send_push, "iiii:")                                                                       \
    X(gr_send_push_input, "iiii:")                                                                 \
    X(gr_send_commit, "iiii:")                                                                     \
    X(gr_send_commit_wgas, "iilii:")                                                               \
    X(gr_send_input, "iiiii:")                                                                     \
    X(gr_send_input_wgas, "iiilii:")                                                               \
    X(gr_reservation_send, "iiiii:")                                                               \
    X(gr_reservation_send_commit, "iiii:")                                                         \
    X(gr_create_program, "iiiiiii:")                                                               \
    X(gr_create_program_wgas, "iiiiilii:")                                                         \
    X(gr_reply, "iiii:")                                                                           \
    X(gr_reply_wgas, "iilii:")                                                                     \
    X(gr_reply_push, "iii:")                                                                       \
    X(gr_reply_push_input, "iii:")                                                                 \
    X(gr_reply_commit, "ii:")                                                                      \
    X(gr_reply_commit_wgas, "lii:")                                                                \
    X(gr_reply_input, "iiii:")                                                                     \
    X(gr_reply_input_wgas, "iilii:")                                                               \
    X(gr_reservation_reply, "iiii:")                                                               \
    X(gr_reservation_reply_commit, "ii:")                                                          \
    X(gr_reply_deposit, "ili:")                                                                    \
    X(gr_wait, ":")                                                                                \
    X(gr_wait_for, "i:")                                                                           \
    X(gr_wait_up_to, "i:")                                                                         \
    X(gr_wake, "iii:")                                                                             \
    X(gr_reserve_gas, "lii:")                                                                      \
    X(gr_unreserve_gas, "ii:")                                                                     \
    X(gr_system_reserve_gas, "li:")                                                                \
    X(gr_debug, "ii:")                                                                             \
    X(gr_panic, "ii:")                                                                             \
    X(gr_oom_panic, ":")                                                                           \
    X(gr_leave, ":")                                                                               \
    X(gr_exit, "i:")

typedef struct abi_function {
    const char *name;
    const char *type;
} abi_function;

static const abi_function abi_functions[] = {
#define ABI_FUNCTION(name, type) {#name, type},
    ABI_MAP(ABI_FUNCTION)
#undef ABI_FUNCTION
};

enum { ABI_FUNCTIONS_COUNT = sizeof abi_functions / sizeof abi_functions[0] };

enum { PLENTY = 2000000000, PAGE = 65536 };

/* ---- Text that grows ---- */

typedef struct wat_text {
    char *at;
    size_t size, capacity;
} wat_text;

__attribute__((format(printf, 2, 3))) static inline void text_add(wat_text *to, const char *format,
                                                                  ...)
{
    for (;;) {
        va_list args;
        va_start(args, format);
        size_t room = to->capacity - to->size;
        int needed = vsnprintf(to->at == NULL ? NULL : to->at + to->size, room, format, args);
        va_end(args);
        assert_true(needed >= 0);
        if ((size_t)needed < room) {
            to->size += (size_t)needed;
            return;
        }
        to->capacity = to->capacity * 2 + (size_t)needed + 1;
        to->at = realloc(to->at, to->capacity);
        assert_non_null(to->at);
    }
}

static inline void text_fini(wat_text *of)
{
    free(of->at);
    *of = (wat_text){0};
}

/* ---- The engine ---- */

typedef struct fixture {
    mr_engine *engine;
    mr_block *block;        /* the last one, committed; readable until the next */
    mr_block_params params; /* of the next block */
    mr_id from;             /* who sends */
    uint64_t gas;           /* of the next messages */
    mr_value value;         /* of the next messages */
    uint32_t salts;         /* programs made */
    mr_schedule schedule;
    const mr_engine_options *reopens; /* the database is closed and opened before each block */
    bool again;                       /* each block is executed and discarded first */
} fixture;

static inline mr_status fixture_try_open(fixture *f, const mr_engine_options *wanted,
                                         mr_error *error)
{
    mr_engine_options options = wanted != NULL ? *wanted : (mr_engine_options){0};
    options.no_pin = true;
    options.check = true;
    if (options.streams == 0)
        options.streams = 2;
    *f = (fixture){
        .from = mr_id_of_name("alice"),
        .gas = PLENTY,
        .params = {.timestamp_ms = 1000},
        .schedule = options.schedule != NULL ? *options.schedule : mr_schedule_default(),
    };
    return mr_engine_open(&options, &f->engine, error);
}

static inline void fixture_open(fixture *f, const mr_engine_options *wanted)
{
    mr_error error = {0};
    if (fixture_try_open(f, wanted, &error) != MR_OK)
        fail_msg("%s", error.text);
}

static inline void fixture_close(fixture *f)
{
    mr_block_free(f->block);
    f->block = NULL;
    mr_error error = {0};
    if (mr_engine_close(f->engine, &error) != MR_OK)
        fail_msg("%s", error.text);
}

static inline void fixture_reopen(fixture *f)
{
    mr_engine_options options = *f->reopens;
    mr_error error = {0};
    options.create = false;
    options.no_pin = options.check = true;
    mr_block_free(f->block);
    f->block = NULL;
    if (mr_engine_close(f->engine, &error) != MR_OK ||
        mr_engine_open(&options, &f->engine, &error) != MR_OK)
        fail_msg("%s", error.text);
}

/* Executes a block and keeps it as the candidate. */
static inline mr_block *fixture_execute(fixture *f, const mr_transaction *transactions,
                                        size_t count)
{
    mr_block *block;
    mr_error error = {0};
    if (f->reopens != NULL)
        fixture_reopen(f);
    mr_block_free(f->block);
    f->block = NULL;
    if (mr_block_execute(f->engine, &f->params, transactions, count, &block, &error) != MR_OK)
        fail_msg("%s", error.text);
    return block;
}

/* Executes and commits a block of any transactions, refused ones too. */
static inline void fixture_run(fixture *f, const mr_transaction *transactions, size_t count)
{
    mr_block_info first = {0}, second;
    if (f->again) {
        mr_block *block = fixture_execute(f, transactions, count);
        mr_block_info_get(block, &first);
        mr_block_discard(block);
    }
    mr_block *block = fixture_execute(f, transactions, count);
    mr_block_info_get(block, &second);
    if (f->again)
        assert_memory_equal(&first, &second, sizeof first);
    mr_error error = {0};
    if (mr_block_commit(block, MR_COMMIT_WAIT, &error) != MR_OK)
        fail_msg("%s", error.text);
    f->block = block;
}

static inline mr_block_info fixture_info(const fixture *f)
{
    mr_block_info info;
    mr_block_info_get(f->block, &info);
    return info;
}

static inline mr_transaction_result fixture_result(const fixture *f, uint64_t i)
{
    mr_transaction_result result;
    assert_true(mr_block_transaction(f->block, i, &result));
    return result;
}

static inline mr_receipt fixture_receipt(const fixture *f, uint64_t i)
{
    mr_receipt receipt;
    assert_true(mr_block_receipt(f->block, i, &receipt));
    return receipt;
}

static inline mr_user_message fixture_message(const fixture *f, uint64_t i)
{
    mr_user_message message;
    assert_true(mr_block_user_message(f->block, i, &message));
    return message;
}

static inline void fixture_accepted(const fixture *f)
{
    const mr_block_info info = fixture_info(f);
    for (uint64_t i = 0; i < info.transactions_count; i++) {
        const mr_transaction_result result = fixture_result(f, i);
        if (result.admission != MR_ADMISSION_ACCEPTED)
            fail_msg("transaction %u: %s: %s", (unsigned)i, mr_admission_text(result.admission),
                     result.text);
    }
}

static inline mr_transaction fixture_upload_of(const fixture *f, mr_span module)
{
    return (mr_transaction){.kind = MR_TRANSACTION_UPLOAD, .from = f->from, .payload = module};
}

static inline mr_transaction fixture_send_of(const fixture *f, const mr_id *to, mr_span payload)
{
    return (mr_transaction){
        .kind = MR_TRANSACTION_SEND,
        .from = f->from,
        .to = *to,
        .payload = payload,
        .gas_limit = f->gas,
        .value = f->value,
    };
}

/* Turns text into a module; the caller frees it with mr_buffer_fini. */
static inline mr_buffer fixture_module(const char *wat)
{
    mr_buffer module = {0};
    mr_error error = {0};
    if (mr_module_from_text(mr_span_text(wat), "test.wat", &module, &error) != MR_OK)
        fail_msg("%s\n%s", error.text, wat);
    return module;
}

static inline mr_id fixture_upload(fixture *f, const char *wat)
{
    mr_buffer module = fixture_module(wat);
    const mr_transaction upload = fixture_upload_of(f, mr_buffer_span(&module));
    fixture_run(f, &upload, 1);
    const mr_transaction_result result = fixture_result(f, 0);
    if (result.admission != MR_ADMISSION_ACCEPTED && result.admission != MR_ADMISSION_CODE_EXISTS)
        fail_msg("%s: %s", mr_admission_text(result.admission), result.text);
    const mr_id code = mr_id_of_code(mr_buffer_span(&module));
    mr_buffer_fini(&module);
    return code;
}

/* Makes a program of an uploaded code; the outcome of its init is that of receipt 0. */
static inline mr_id fixture_create(fixture *f, const mr_id *code, mr_span payload)
{
    const uint32_t salt = f->salts++;
    const mr_transaction create = {
        .kind = MR_TRANSACTION_CREATE,
        .from = f->from,
        .to = *code,
        .salt = mr_span_of(&salt, sizeof salt),
        .payload = payload,
        .gas_limit = f->gas,
        .value = f->value,
    };
    fixture_run(f, &create, 1);
    fixture_accepted(f);
    return fixture_result(f, 0).id;
}

/* Uploads `wat` and makes a program of it, whose init must succeed. */
static inline mr_id fixture_program(fixture *f, const char *wat)
{
    const mr_id code = fixture_upload(f, wat);
    const mr_id program = fixture_create(f, &code, (mr_span){0});
    assert_int_equal(fixture_receipt(f, 0).outcome, MR_OUTCOME_OK);
    return program;
}

/* All imports and `pages` pages of memory, then `body`: most programs of these tests. Functions are
 * named $gr_send and so on. */
static inline void fixture_wrap(wat_text *to, uint32_t pages, const char *body)
{
    text_add(to, "(module (import \"env\" \"memory\" (memory %u))\n", pages);
    for (size_t i = 0; i < ABI_FUNCTIONS_COUNT; i++) {
        const char *type = abi_functions[i].type;
        text_add(to, "(import \"env\" \"%s\" (func $%s", abi_functions[i].name,
                 abi_functions[i].name);
        for (; *type != ':'; type++)
            text_add(to, " (param %s)", *type == 'i' ? "i32" : "i64");
        text_add(to, "%s))\n", type[1] == 'i' ? " (result i32)" : "");
    }
    text_add(to, "%s)\n", body);
}

static inline mr_id fixture_program_of(fixture *f, uint32_t pages, const char *body)
{
    wat_text wat = {0};
    fixture_wrap(&wat, pages, body);
    const mr_id program = fixture_program(f, wat.at);
    text_fini(&wat);
    return program;
}

/* Sends one message in a block of its own and returns its receipt. */
static inline mr_receipt fixture_send(fixture *f, const mr_id *to, mr_span payload)
{
    const mr_transaction send = fixture_send_of(f, to, payload);
    fixture_run(f, &send, 1);
    fixture_accepted(f);
    return fixture_receipt(f, 0);
}

/* ---- Looking ---- */

static inline mr_program_info fixture_program_info(const fixture *f, const mr_id *program)
{
    mr_program_info info;
    assert_int_equal(mr_engine_program(f->engine, program, &info), MR_OK);
    return info;
}

static inline void fixture_memory(const fixture *f, const mr_id *program, uint64_t address,
                                  void *out, size_t size)
{
    assert_int_equal(mr_engine_memory(f->engine, program, address, out, size), MR_OK);
}

static inline uint32_t fixture_u32(const fixture *f, const mr_id *program, uint64_t address)
{
    uint32_t value;
    fixture_memory(f, program, address, &value, sizeof value);
    return value;
}

static inline uint64_t fixture_u64(const fixture *f, const mr_id *program, uint64_t address)
{
    uint64_t value;
    fixture_memory(f, program, address, &value, sizeof value);
    return value;
}

static inline mr_value fixture_u128(const fixture *f, const mr_id *program, uint64_t address)
{
    mr_value value;
    fixture_memory(f, program, address, &value, sizeof value);
    return value;
}

static inline mr_id fixture_id(const fixture *f, const mr_id *program, uint64_t address)
{
    mr_id id;
    fixture_memory(f, program, address, &id, sizeof id);
    return id;
}

#define assert_id_equal(a, b)                                                                      \
    do {                                                                                           \
        const mr_id assert_a_ = (a), assert_b_ = (b);                                              \
        assert_memory_equal(&assert_a_, &assert_b_, sizeof(mr_id));                                \
    } while (0)

#define assert_code(message, first, second, third)                                                 \
    do {                                                                                           \
        const mr_user_message assert_m_ = (message);                                               \
        assert_true(assert_m_.is_reply);                                                           \
        assert_memory_equal(assert_m_.code, ((uint8_t[]){(first), (second), (third), 0}), 4);      \
    } while (0)

#define assert_text(span, expected)                                                                \
    do {                                                                                           \
        const mr_span assert_s_ = (span);                                                          \
        assert_int_equal(assert_s_.size, strlen(expected));                                        \
        assert_memory_equal(assert_s_.data, (expected), strlen(expected));                         \
    } while (0)

#define assert_value_equal(a, b)                                                                   \
    do {                                                                                           \
        const mr_value assert_a_ = (a), assert_b_ = (b);                                           \
        assert_int_equal((uint64_t)assert_a_, (uint64_t)assert_b_);                                \
        assert_int_equal((uint64_t)(assert_a_ >> 64), (uint64_t)(assert_b_ >> 64));                \
    } while (0)

#endif
