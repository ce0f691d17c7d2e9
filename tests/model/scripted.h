/* SPDX-License-Identifier: Apache-2.0 */
/* scripted: a small program that does what it was told when it was made, and a reference to run it
 * in. Prices are such that whoever reads a test can add up in the head: a dispatch costs 1000 gas,
 * everything else that runs costs nothing, but for `burn`; rent is 10 a block. */
#ifndef MR_TESTS_MODEL_SCRIPTED_H
#define MR_TESTS_MODEL_SCRIPTED_H

#include <stdlib.h>

#include "tests/model/history.h"
#include "tests/model/play.h"

/* What the program can do. Answers of host functions are kept in its slots. */
enum {
    SEND = 1,    /* id, value, n: delay */
    SEND_GAS,    /* the same, gas */
    REPLY,       /* value */
    REPLY_GAS,   /* value, gas */
    WAIT,        /* */
    WAIT_FOR,    /* n: blocks */
    WAIT_UP_TO,  /* n: blocks */
    WAKE,        /* id, n: delay */
    RESERVE,     /* gas, n: blocks */
    UNRESERVE,   /* slot: of the reservation */
    SYSTEM,      /* gas */
    SEND_FROM,   /* slot: of the reservation; id, value, n: delay */
    REPLY_FROM,  /* slot: of the reservation */
    CREATE,      /* id: of the code; value, n: delay */
    CREATE_GAS,  /* the same, gas */
    DEPOSIT,     /* slot: of the message; gas */
    PANIC,       /* */
    EXIT,        /* id: the heir */
    UNREACHABLE, /* */
    NO_MEMORY,   /* */
    BURN,        /* n: hundreds of gas */
    BAD_POINTER, /* */
    TELL_SIGNAL, /* keeps the signal code */
};

/* Entries. */
enum { INIT, HANDLE, ON_REPLY, ON_SIGNAL };

enum { ANY_HEIGHT = 0, ANY_RUN = 255 };

/* One thing to be done. */
typedef struct op {
    uint8_t entry;
    uint8_t height; /* only in the block of this height */
    uint8_t run;    /* only in the run of this number, of those of the entry that were not undone */
    uint8_t what;
    uint8_t slot;
    uint8_t pad[3];
    uint32_t n;
    uint32_t pad_2;
    mr_id reservation; /* filled in by the program */
    mr_id id;
    mr_value value;
    uint64_t gas;
    uint64_t pad_3;
} op;

static_assert(sizeof(op) == 112, "the program's text knows the layout");

/* Memory: 32 numbers of runs; 64 scratch; 1024 slots of 80 bytes; 8192 the script of the init
 * message, its size at 16; 32768 that of a message to handle. */
enum { SLOTS = 1024, SLOT_BYTES = 80 };

static const char scripted_text[] =
    "(module (import \"env\" \"memory\" (memory 2))\n"
    "(import \"env\" \"gr_size\" (func $gr_size (param i32)))\n"
    "(import \"env\" \"gr_read\" (func $gr_read (param i32 i32 i32 i32)))\n"
    "(import \"env\" \"gr_block_height\" (func $gr_block_height (param i32)))\n"
    "(import \"env\" \"gr_random\" (func $gr_random (param i32 i32)))\n"
    "(import \"env\" \"gr_send\" (func $gr_send (param i32 i32 i32 i32 i32)))\n"
    "(import \"env\" \"gr_send_wgas\" (func $gr_send_wgas (param i32 i32 i32 i64 i32 i32)))\n"
    "(import \"env\" \"gr_reply\" (func $gr_reply (param i32 i32 i32 i32)))\n"
    "(import \"env\" \"gr_reply_wgas\" (func $gr_reply_wgas (param i32 i32 i64 i32 i32)))\n"
    "(import \"env\" \"gr_wait\" (func $gr_wait))\n"
    "(import \"env\" \"gr_wait_for\" (func $gr_wait_for (param i32)))\n"
    "(import \"env\" \"gr_wait_up_to\" (func $gr_wait_up_to (param i32)))\n"
    "(import \"env\" \"gr_wake\" (func $gr_wake (param i32 i32 i32)))\n"
    "(import \"env\" \"gr_reserve_gas\" (func $gr_reserve_gas (param i64 i32 i32)))\n"
    "(import \"env\" \"gr_unreserve_gas\" (func $gr_unreserve_gas (param i32 i32)))\n"
    "(import \"env\" \"gr_system_reserve_gas\" (func $gr_system_reserve_gas (param i64 i32)))\n"
    "(import \"env\" \"gr_reservation_send\""
    " (func $gr_reservation_send (param i32 i32 i32 i32 i32)))\n"
    "(import \"env\" \"gr_reservation_reply\""
    " (func $gr_reservation_reply (param i32 i32 i32 i32)))\n"
    "(import \"env\" \"gr_create_program\""
    " (func $gr_create_program (param i32 i32 i32 i32 i32 i32 i32)))\n"
    "(import \"env\" \"gr_create_program_wgas\""
    " (func $gr_create_program_wgas (param i32 i32 i32 i32 i32 i64 i32 i32)))\n"
    "(import \"env\" \"gr_reply_deposit\" (func $gr_reply_deposit (param i32 i64 i32)))\n"
    "(import \"env\" \"gr_signal_code\" (func $gr_signal_code (param i32)))\n"
    "(import \"env\" \"gr_panic\" (func $gr_panic (param i32 i32)))\n"
    "(import \"env\" \"gr_oom_panic\" (func $gr_oom_panic))\n"
    "(import \"env\" \"gr_exit\" (func $gr_exit (param i32)))\n"
    "(func $copy_id (param $from i32) (param $to i32)\n"
    " (i64.store (local.get $to) (i64.load (local.get $from)))\n"
    " (i64.store offset=8 (local.get $to) (i64.load offset=8 (local.get $from)))\n"
    " (i64.store offset=16 (local.get $to) (i64.load offset=16 (local.get $from)))\n"
    " (i64.store offset=24 (local.get $to) (i64.load offset=24 (local.get $from))))\n"
    "(func $do (param $op i32) (local $what i32) (local $slot i32) (local $n i32)"
    " (local $gas i64) (local $to i32)\n"
    " (local.set $what (i32.load8_u offset=3 (local.get $op)))\n"
    " (local.set $slot (i32.add (i32.const 1024)"
    "  (i32.mul (i32.const 80) (i32.load8_u offset=4 (local.get $op)))))\n"
    " (local.set $n (i32.load offset=8 (local.get $op)))\n"
    " (local.set $gas (i64.load offset=96 (local.get $op)))\n"
    " (local.set $to (i32.add (local.get $op) (i32.const 48)))\n"
    " (if (i32.eq (local.get $what) (i32.const 1)) (then (call $gr_send (local.get $to)"
    "  (i32.const 0) (i32.const 0) (local.get $n) (local.get $slot))))\n"
    " (if (i32.eq (local.get $what) (i32.const 2)) (then (call $gr_send_wgas (local.get $to)"
    "  (i32.const 0) (i32.const 0) (local.get $gas) (local.get $n) (local.get $slot))))\n"
    " (if (i32.eq (local.get $what) (i32.const 3)) (then (call $gr_reply (i32.const 0)"
    "  (i32.const 0) (i32.add (local.get $op) (i32.const 80)) (local.get $slot))))\n"
    " (if (i32.eq (local.get $what) (i32.const 4)) (then (call $gr_reply_wgas (i32.const 0)"
    "  (i32.const 0) (local.get $gas) (i32.add (local.get $op) (i32.const 80))"
    "  (local.get $slot))))\n"
    " (if (i32.eq (local.get $what) (i32.const 5)) (then (call $gr_wait)))\n"
    " (if (i32.eq (local.get $what) (i32.const 6)) (then (call $gr_wait_for (local.get $n))))\n"
    " (if (i32.eq (local.get $what) (i32.const 7)) (then (call $gr_wait_up_to (local.get $n))))\n"
    " (if (i32.eq (local.get $what) (i32.const 8)) (then (call $gr_wake (local.get $to)"
    "  (local.get $n) (local.get $slot))))\n"
    " (if (i32.eq (local.get $what) (i32.const 9)) (then (call $gr_reserve_gas (local.get $gas)"
    "  (local.get $n) (local.get $slot))))\n"
    " (if (i32.eq (local.get $what) (i32.const 10)) (then"
    "  (call $copy_id (i32.add (local.get $slot) (i32.const 4)) (i32.const 64))"
    "  (call $gr_unreserve_gas (i32.const 64) (local.get $slot))))\n"
    " (if (i32.eq (local.get $what) (i32.const 11)) (then (call $gr_system_reserve_gas"
    "  (local.get $gas) (local.get $slot))))\n"
    " (if (i32.or (i32.eq (local.get $what) (i32.const 12))"
    "  (i32.eq (local.get $what) (i32.const 13))) (then"
    "  (call $copy_id (i32.add (local.get $slot) (i32.const 4))"
    "   (i32.add (local.get $op) (i32.const 16)))))\n"
    " (if (i32.eq (local.get $what) (i32.const 12)) (then (call $gr_reservation_send"
    "  (i32.add (local.get $op) (i32.const 16)) (i32.const 0) (i32.const 0) (local.get $n)"
    "  (local.get $slot))))\n"
    " (if (i32.eq (local.get $what) (i32.const 13)) (then (call $gr_reservation_reply"
    "  (i32.add (local.get $op) (i32.const 16)) (i32.const 0) (i32.const 0)"
    "  (local.get $slot))))\n"
    " (if (i32.eq (local.get $what) (i32.const 14)) (then"
    "  (call $copy_id (local.get $to) (i32.const 64))"
    "  (i64.store (i32.const 96) (i64.load offset=80 (local.get $op)))"
    "  (i64.store (i32.const 104) (i64.const 0))"
    "  (call $gr_create_program (i32.const 64) (local.get $op) (i32.const 5) (i32.const 0)"
    "   (i32.const 0) (local.get $n) (local.get $slot))))\n"
    " (if (i32.eq (local.get $what) (i32.const 15)) (then"
    "  (call $copy_id (local.get $to) (i32.const 64))"
    "  (i64.store (i32.const 96) (i64.load offset=80 (local.get $op)))"
    "  (i64.store (i32.const 104) (i64.const 0))"
    "  (call $gr_create_program_wgas (i32.const 64) (local.get $op) (i32.const 5) (i32.const 0)"
    "   (i32.const 0) (local.get $gas) (local.get $n) (local.get $slot))))\n"
    " (if (i32.eq (local.get $what) (i32.const 16)) (then (call $gr_reply_deposit"
    "  (i32.add (local.get $slot) (i32.const 4)) (local.get $gas) (i32.const 128))))\n"
    " (if (i32.eq (local.get $what) (i32.const 17)) (then (call $gr_panic (local.get $to)"
    "  (i32.const 4))))\n"
    " (if (i32.eq (local.get $what) (i32.const 18)) (then (call $gr_exit (local.get $to))))\n"
    " (if (i32.eq (local.get $what) (i32.const 19)) (then unreachable))\n"
    " (if (i32.eq (local.get $what) (i32.const 20)) (then (call $gr_oom_panic)))\n"
    " (if (i32.eq (local.get $what) (i32.const 21)) (then (loop $more"
    "  (call $gr_random (i32.const 64) (i32.const 128))"
    "  (br_if $more (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))))\n"
    " (if (i32.eq (local.get $what) (i32.const 22)) (then (call $gr_size (i32.const -2))))\n"
    " (if (i32.eq (local.get $what) (i32.const 23))"
    "  (then (call $gr_signal_code (local.get $slot)))))\n"
    "(func $play (param $entry i32) (param $at i32) (param $end i32) (param $run i32)"
    " (local $height i32)\n"
    " (call $gr_block_height (i32.const 20))\n"
    " (local.set $height (i32.load (i32.const 20)))\n"
    " (block $done (loop $next\n"
    "  (br_if $done (i32.ge_u (local.get $at) (local.get $end)))\n"
    "  (if (i32.and (i32.and\n"
    "   (i32.eq (i32.load8_u (local.get $at)) (local.get $entry))\n"
    "   (i32.or (i32.eqz (i32.load8_u offset=1 (local.get $at)))\n"
    "    (i32.eq (i32.load8_u offset=1 (local.get $at)) (local.get $height))))\n"
    "   (i32.or (i32.eq (i32.load8_u offset=2 (local.get $at)) (i32.const 255))\n"
    "    (i32.eq (i32.load8_u offset=2 (local.get $at)) (local.get $run))))\n"
    "   (then (call $do (local.get $at))))\n"
    "  (local.set $at (i32.add (local.get $at) (i32.const 112)))\n"
    "  (br $next))))\n"
    "(func $enter (param $entry i32) (param $at i32) (param $end i32) (local $counter i32)"
    " (local $run i32)\n"
    " (local.set $counter (i32.add (i32.const 32) (i32.mul (local.get $entry) (i32.const 4))))\n"
    " (local.set $run (i32.load (local.get $counter)))\n"
    " (i32.store (local.get $counter) (i32.add (local.get $run) (i32.const 1)))\n"
    " (call $play (local.get $entry) (local.get $at) (local.get $end) (local.get $run)))\n"
    "(func (export \"init\")\n"
    " (call $gr_size (i32.const 16))\n"
    " (call $gr_read (i32.const 0) (i32.load (i32.const 16)) (i32.const 8192) (i32.const 24))\n"
    " (call $enter (i32.const 0) (i32.const 8192)"
    "  (i32.add (i32.const 8192) (i32.load (i32.const 16)))))\n"
    "(func (export \"handle\")\n"
    " (call $gr_size (i32.const 28))\n"
    " (if (i32.eqz (i32.load (i32.const 28))) (then\n"
    "  (call $enter (i32.const 1) (i32.const 8192)"
    "   (i32.add (i32.const 8192) (i32.load (i32.const 16)))))\n"
    " (else\n"
    "  (call $gr_read (i32.const 0) (i32.load (i32.const 28)) (i32.const 32768)"
    "   (i32.const 24))\n"
    "  (call $enter (i32.const 1) (i32.const 32768)"
    "   (i32.add (i32.const 32768) (i32.load (i32.const 28)))))))\n"
    "(func (export \"handle_reply\") (call $enter (i32.const 2) (i32.const 8192)"
    " (i32.add (i32.const 8192) (i32.load (i32.const 16)))))\n"
    "(func (export \"handle_signal\") (call $enter (i32.const 3) (i32.const 8192)"
    " (i32.add (i32.const 8192) (i32.load (i32.const 16)))))\n"
    ")\n";

/* Has no handle_reply: replies to it burn nothing. */
static const char silent_text[] = "(module (import \"env\" \"memory\" (memory 0))"
                                  "(func (export \"init\")) (func (export \"handle\")))";

/* ---- A reference and who is in it ---- */

enum { DISPATCH = 1000, RENT = 10, THRESHOLD = 300, PRICE = 2 };

typedef struct scripted {
    mr_history *history;
    mr_reference *r;                 /* of the history */
    const mr_reference_block *block; /* the last one */
    mr_id alice, bob;
    mr_id code;   /* of the program above */
    mr_id silent; /* code */
    mr_block_params params;
    uint32_t salts;
} scripted;

static inline mr_schedule scripted_prices(void)
{
    mr_schedule s = {0};
    s.dispatch = DISPATCH;
    s.hash = 100;
    s.rent = RENT;
    s.mailbox_threshold = THRESHOLD;
    s.value_per_gas = PRICE;
    s.stack_height_max = 1000;
    s.outgoing_max = 16;
    s.outgoing_bytes_max = 1 << 20;
    s.payload_bytes_max = 1 << 16;
    s.code_bytes_max = 1 << 16;
    s.pages_max = 16;
    s.reservations_max = 4;
    return s;
}

/* Bytes that last as long as the history. */
static inline mr_span scripted_keep(scripted *s, mr_span bytes)
{
    uint8_t *copy = mr_arena_alloc(&s->history->arena, bytes.size);
    assert_non_null(copy);
    if (bytes.size > 0)
        memcpy(copy, bytes.data, bytes.size);
    return mr_span_of(copy, bytes.size);
}

/* Executes a block. */
static inline const mr_reference_block *
scripted_block(scripted *s, const mr_transaction *transactions, size_t count)
{
    mr_transaction *copies = calloc(count + 1, sizeof *copies);
    assert_non_null(copies);
    for (size_t i = 0; i < count; i++) {
        copies[i] = transactions[i];
        copies[i].payload = scripted_keep(s, transactions[i].payload);
        copies[i].salt = scripted_keep(s, transactions[i].salt);
    }
    s->block = mr_history_add(s->history, &s->params, copies, count);
    return s->block;
}

/* Executes blocks of nothing until that of `height` was executed. */
static inline void scripted_until(scripted *s, uint64_t height)
{
    while (mr_reference_height(s->r) < height)
        (void)scripted_block(s, NULL, 0);
}

static inline mr_id scripted_upload(scripted *s, const char *text)
{
    mr_buffer module = {0};
    mr_error error = {0};
    if (mr_module_from_text(mr_span_text(text), "test.wat", &module, &error) != MR_OK)
        fail_msg("%s", error.text);
    const mr_transaction upload = {
        .kind = MR_TRANSACTION_UPLOAD, .from = s->alice, .payload = mr_buffer_span(&module)};
    (void)scripted_block(s, &upload, 1);
    assert_int_equal(s->block->transactions[0].admission, MR_ADMISSION_ACCEPTED);
    mr_buffer_fini(&module);
    return s->block->transactions[0].id;
}

/* Two blocks are executed: the codes are there. */
static inline void scripted_open_with(scripted *s, const mr_reference_options *options)
{
    *s = (scripted){.alice = mr_id_of_name("alice"), .bob = mr_id_of_name("bob")};
    s->history = mr_history_begin(options);
    s->r = s->history->reference;
    s->code = scripted_upload(s, scripted_text);
    s->silent = scripted_upload(s, silent_text);
}

static inline void scripted_open(scripted *s)
{
    scripted_open_with(s, &(mr_reference_options){.schedule = scripted_prices()});
}

static inline void scripted_free(scripted *s)
{
    mr_history_free(s->history);
    *s = (scripted){0};
}

/* Ends a test. The engine must live through the same. */
static inline void scripted_close(scripted *s)
{
    static const uint32_t streams_counts[] = {1, 3};
    for (size_t i = 0; i < sizeof streams_counts / sizeof streams_counts[0]; i++) {
        const mr_play play = {.streams = streams_counts[i], .discards = i == 1, .replays = i == 0};
        mr_difference difference;
        size_t block;
        if (!mr_play_history(s->history, &play, &block, &difference))
            fail_msg("engine of %u streams, block %zu: %s", streams_counts[i], block + 1,
                     difference.text);
    }
    scripted_free(s);
}

/* A transaction that makes a program. */
static inline mr_transaction scripted_creation(scripted *s, const op *ops, size_t count,
                                               uint64_t gas)
{
    static uint32_t salts[256];
    const uint32_t i = s->salts++ % 256;
    salts[i] = s->salts;
    return (mr_transaction){
        .kind = MR_TRANSACTION_CREATE,
        .from = s->alice,
        .to = s->code,
        .salt = mr_span_of(&salts[i], sizeof salts[i]),
        .payload = mr_span_of(ops, count * sizeof *ops),
        .gas_limit = gas,
    };
}

/* Makes a program in a block of its own. */
static inline mr_id scripted_make(scripted *s, const op *ops, size_t count)
{
    const mr_transaction create = scripted_creation(s, ops, count, 5000);
    (void)scripted_block(s, &create, 1);
    assert_int_equal(s->block->receipts[0].outcome, MR_OUTCOME_OK);
    return s->block->transactions[0].id;
}

static inline mr_id scripted_make_silent(scripted *s)
{
    mr_transaction create = scripted_creation(s, NULL, 0, 5000);
    create.to = s->silent;
    (void)scripted_block(s, &create, 1);
    return s->block->transactions[0].id;
}

static inline mr_transaction scripted_message(const scripted *s, const mr_id *to, uint64_t gas,
                                              const op *ops, size_t count)
{
    return (mr_transaction){
        .kind = MR_TRANSACTION_SEND,
        .from = s->alice,
        .to = *to,
        .gas_limit = gas,
        .payload = mr_span_of(ops, count * sizeof *ops),
    };
}

/* Sends one message in a block of its own. Returns its id. */
static inline mr_id scripted_send(scripted *s, const mr_id *to, uint64_t gas, const op *ops,
                                  size_t count)
{
    const mr_transaction send = scripted_message(s, to, gas, ops, count);
    (void)scripted_block(s, &send, 1);
    assert_int_equal(s->block->transactions[0].admission, MR_ADMISSION_ACCEPTED);
    return s->block->transactions[0].id;
}

static inline size_t scripted_index(const scripted *s, const mr_id *program)
{
    mr_program_info info;
    for (size_t i = 0; mr_reference_program(s->r, i, &info); i++) {
        if (memcmp(&info.id, program, sizeof info.id) == 0)
            return i;
    }
    fail_msg("there is no such program");
    return 0;
}

static inline mr_program_info scripted_program(const scripted *s, const mr_id *program)
{
    mr_program_info info = {0};
    (void)mr_reference_program(s->r, scripted_index(s, program), &info);
    return info;
}

/* The error code in a slot of a program. */
static inline uint32_t scripted_code(const scripted *s, const mr_id *program, unsigned slot)
{
    return mr_load_le32(mr_reference_memory(s->r, scripted_index(s, program)) + SLOTS +
                        slot * SLOT_BYTES);
}

/* What stands behind it. */
static inline uint32_t scripted_answer(const scripted *s, const mr_id *program, unsigned slot)
{
    return mr_load_le32(mr_reference_memory(s->r, scripted_index(s, program)) + SLOTS +
                        slot * SLOT_BYTES + 4);
}

#endif
