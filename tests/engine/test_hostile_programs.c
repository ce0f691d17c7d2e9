/* SPDX-License-Identifier: Apache-2.0 */
/* mr-test: timeout=300
 * Goal: whatever a program does, its dispatch ends in a receipt, what it costs is bounded by its
 * gas, nothing is lost, and the engine goes on.
 * Method: programs that do one bad thing without end; conservation of gas and value and the state
 * root are checked after every block. */
#include "tests/engine/actor.h"

#include <malloc.h>
#include <sys/resource.h>

#define NAME(text) (mr_span_text(text))

static mr_block_info run_all(fixture *f, const mr_transaction *transactions, size_t count)
{
    fixture_run(f, transactions, count);
    fixture_accepted(f);
    return fixture_info(f);
}

static void assert_goes_on(fixture *f)
{
    f->gas = PLENTY;
    f->params.gas_limit = 0;
    const mr_id actor = actor_new(f);
    const script nothing = script_new();
    script_run_ok(f, &actor, &nothing);
}

static uint64_t resident_bytes_max(void)
{
    struct rusage usage;
    assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
    return (uint64_t)usage.ru_maxrss * 1024;
}

/* ---- Time and stack ---- */

static void endless_work_ends_with_the_gas(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "(loop $l (br $l))",
        "(loop $l (drop (i32.const 0)) (br_if $l (i32.const 1)))",
        "(block $b (loop $l (br_table $l $b $l (i32.const 7))))",
        "(loop $l (loop $m (loop $n (br_if $n (i32.const 1))) (br $m)) (br $l))",
        "(loop $l (call $gr_size (i32.const 0)) (br $l))",
        "(loop $l (call $gr_random (i32.const 0) (i32.const 64)) (br $l))",
        "(loop $l (drop (call $alloc (i32.const 0))) (br $l))",
        "(loop $l (drop (call $alloc (i32.const 100000))) (br $l))",
        "(loop $l (drop (call $alloc (i32.const 1))) (drop (call $free (i32.const 1))) (br $l))",
        "(loop $l (drop (call $free_range (i32.const 1) (i32.const 32767))) (br $l))",
        "(loop $l (call $gr_read (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 8)) (br $l))",
        "(loop $l (call $gr_reply_push (i32.const 0) (i32.const 0) (i32.const 8)) (br $l))",
        "(loop $l (call $gr_debug (i32.const 0) (i32.const 1000)) (br $l))",
        "(loop $l (i64.store (i32.const 0) (i64.load (i32.const 3))) (br $l))",
        /* A heap in pieces of one page, searched in vain for two. */
        "(local $p i32) (if (i32.eq (call $alloc (i32.const 1500)) (i32.const 1)) (then"
        "(local.set $p (i32.const 2)) (loop $m (drop (call $free (local.get $p)))"
        "(br_if $m (i32.lt_u (local.tee $p (i32.add (local.get $p) (i32.const 2)))"
        "(i32.const 1500))))))"
        "(drop (call $alloc (i32.const 30000))) (loop $l (drop (call $alloc (i32.const 31268)))"
        "(br $l))",
    };
    fixture f;
    fixture_open(&f, NULL);
    f.gas = 200000000;
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        wat_text body = {0};
        text_add(&body, "(func (export \"handle\") %s)", bodies[i]);
        const mr_id program = fixture_program_of(&f, 1, body.at);
        text_fini(&body);
        const mr_receipt receipt = fixture_send(&f, &program, NAME("x"));
        if (receipt.outcome != MR_OUTCOME_OUT_OF_GAS)
            fail_msg("%s: %s", bodies[i], mr_outcome_name(receipt.outcome));
        assert_int_equal(receipt.gas_burned, f.gas);
        assert_text(receipt.text, "out of gas");
        assert_code(fixture_message(&f, 0), 1, 0, 0);
    }
    assert_goes_on(&f);
    fixture_close(&f);
}

static void endless_recursion_ends_at_the_same_depth_every_time(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "(func $r (call $r)) (func (export \"handle\") (call $r))",
        "(func $a (call $b)) (func $b (call $a)) (func (export \"handle\") (call $a))",
        "(func $r (param i64 i64 i64) (result i64) (i64.add (i64.const 1)"
        "(call $r (local.get 0) (local.get 1) (local.get 2))))"
        "(func (export \"handle\") (drop (call $r (i64.const 1) (i64.const 2) (i64.const 3))))",
        "(type $t (func)) (table 1 funcref) (elem (i32.const 0) $r)"
        "(func $r (call_indirect (type $t) (i32.const 0))) (func (export \"handle\") (call $r))",
        "(func $r (local i64 i64 i64 i64 i64 i64 i64 i64 i64 i64) (call $r))"
        "(func (export \"handle\") (call $r))",
    };
    fixture f;
    fixture_open(&f, NULL);
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        const mr_id program = fixture_program_of(&f, 1, bodies[i]);
        uint64_t burned = 0;
        for (unsigned again = 0; again < 3; again++) {
            const mr_receipt receipt = fixture_send(&f, &program, (mr_span){0});
            assert_int_equal(receipt.outcome, MR_OUTCOME_STACK);
            assert_code(fixture_message(&f, 0), 1, 0, 5);
            assert_true(receipt.gas_burned < PLENTY / 2);
            assert_true(burned == 0 || burned == receipt.gas_burned);
            burned = receipt.gas_burned;
        }
    }
    assert_goes_on(&f);
    fixture_close(&f);
}

/* ---- Memory ---- */

static void allocating_everything_costs_gas_not_memory(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, NULL);
    f.gas = 20000000000;
    enum { BOMBS = 3 };
    mr_id bombs[BOMBS];
    mr_transaction sends[BOMBS];
    const mr_id code = fixture_upload(
        &f, "(module (import \"env\" \"memory\" (memory 1))"
            "(import \"env\" \"alloc\" (func $alloc (param i32) (result i32)))"
            "(func (export \"handle\") (i32.store (i32.const 0) (call $alloc (i32.const 32767)))"
            "(i64.store (i32.const 0x7ffffff8) (i64.const 1))))");
    for (unsigned i = 0; i < BOMBS; i++) {
        bombs[i] = fixture_create(&f, &code, (mr_span){0});
        sends[i] = fixture_send_of(&f, &bombs[i], (mr_span){0});
    }
    const uint64_t before = resident_bytes_max();
    run_all(&f, sends, BOMBS);
    for (unsigned i = 0; i < BOMBS; i++) {
        assert_int_equal(fixture_receipt(&f, i).outcome, MR_OUTCOME_OK);
        assert_int_equal(fixture_program_info(&f, &bombs[i]).pages, 32768);
        assert_int_equal(fixture_program_info(&f, &bombs[i]).units, 2);
    }
    /* 6 GiB of pages were given, of which two units a program hold anything. */
    assert_true(resident_bytes_max() - before < (uint64_t)1 << 30);
    assert_goes_on(&f);
    fixture_close(&f);
}

/* A thousand programs, each with its own heap, all called in one block. */
static void thousands_of_programs_allocate_side_by_side(void **state)
{
    (void)state;
    enum { PROGRAMS = 3000 };
    fixture f;
    fixture_open(&f, &(mr_engine_options){.live_bytes_max = 64u << 20});
    const mr_id code =
        fixture_upload(&f, "(module (import \"env\" \"memory\" (memory 1))"
                           "(import \"env\" \"alloc\" (func $alloc (param i32) (result i32)))"
                           "(func (export \"handle\") (local $p i32)"
                           "(local.set $p (i32.mul (call $alloc (i32.const 4)) (i32.const 65536)))"
                           "(i64.store (local.get $p) (i64.const 7))"
                           "(i64.store offset=262136 (local.get $p) (i64.const 9))))");
    static mr_transaction creates[PROGRAMS], sends[PROGRAMS];
    static uint32_t salts[PROGRAMS];
    f.gas = 10000000;
    for (uint32_t i = 0; i < PROGRAMS; i++) {
        salts[i] = i;
        creates[i] = (mr_transaction){.kind = MR_TRANSACTION_CREATE,
                                      .from = f.from,
                                      .to = code,
                                      .salt = mr_span_of(&salts[i], 4)};
        const mr_id id = mr_id_of_program(&code, creates[i].salt);
        sends[i] = fixture_send_of(&f, &id, (mr_span){0});
    }
    run_all(&f, creates, PROGRAMS);
    for (unsigned again = 0; again < 2; again++) {
        run_all(&f, sends, PROGRAMS);
        for (uint32_t i = 0; i < PROGRAMS; i++)
            assert_int_equal(fixture_receipt(&f, i).outcome, MR_OUTCOME_OK);
    }
    for (uint32_t i = 0; i < PROGRAMS; i += 100) {
        assert_int_equal(fixture_program_info(&f, &sends[i].to).pages, 9);
        assert_int_equal(fixture_u64(&f, &sends[i].to, 9 * PAGE - 8), 9);
    }
    assert_goes_on(&f);
    fixture_close(&f);
}

/* Every other page freed: a heap in as many pieces as there can be. */
static void a_heap_in_thousands_of_pieces_works(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, NULL);
    f.gas = 20000000000;
    const mr_id program = fixture_program_of(
        &f, 1,
        "(func (export \"handle\") (local $p i32)"
        "(if (i32.eqz (i32.load (i32.const 0))) (then"
        "(i32.store (i32.const 0) (call $alloc (i32.const 8000)))"
        "(local.set $p (i32.const 2))"
        "(loop $l (drop (call $free (local.get $p)))"
        "(br_if $l (i32.lt_u (local.tee $p (i32.add (local.get $p) (i32.const 2)))"
        "(i32.const 8000))))))"
        "(i32.store (i32.const 4) (call $alloc (i32.const 1)))"
        "(i32.store (i32.const 8) (call $alloc (i32.const 2))))");
    assert_int_equal(fixture_send(&f, &program, (mr_span){0}).outcome, MR_OUTCOME_OK);
    assert_int_equal(fixture_u32(&f, &program, 4), 2);
    assert_int_equal(fixture_u32(&f, &program, 8), 8001);
    f.gas = PLENTY;
    assert_int_equal(fixture_send(&f, &program, (mr_span){0}).outcome, MR_OUTCOME_OK);
    assert_int_equal(fixture_u32(&f, &program, 4), 4);
    assert_int_equal(fixture_u32(&f, &program, 8), 8003);
    assert_goes_on(&f);
    fixture_close(&f);
}

/* ---- Messages ---- */

/* Each message sends as many gasless ones to its own program as it may: 64^k in round k, were it
 * not for gas. */
static const char storm[] =
    "(func (export \"handle\") (call $gr_program_id (i32.const 0))"
    "(loop $l (call $gr_send (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)"
    "(i32.const 256)) (br_if $l (i32.eqz (i32.load (i32.const 256))))))";

static void open_stormy(fixture *f)
{
    mr_schedule schedule = mr_schedule_default();
    schedule.outgoing_max = 64;
    fixture_open(f, &(mr_engine_options){.schedule = &schedule});
}

static void a_storm_of_messages_dies_with_its_gas(void **state)
{
    (void)state;
    fixture f;
    open_stormy(&f);
    const mr_id program = fixture_program_of(&f, 1, storm);
    f.gas = 13000000000;
    const mr_transaction send = fixture_send_of(&f, &program, (mr_span){0});
    const mr_block_info info = run_all(&f, &send, 1);
    const uint64_t sent = 1 + 64 + 64 * 64 + 64 * 64 * 64;
    assert_int_equal(info.receipts_count, 2 * sent - 1); /* and a reply for each but the first */
    assert_true(info.gas_burned <= f.gas);
    assert_int_equal(info.queue_count, 0);
    assert_goes_on(&f);
    fixture_close(&f);
}

/* With a block limit a storm is cut where the gas ends, and goes on in the next blocks. */
static void a_storm_under_a_block_limit_waits_in_the_queue(void **state)
{
    (void)state;
    fixture f;
    open_stormy(&f);
    const mr_id first = fixture_program_of(&f, 1, storm), second = fixture_program_of(&f, 2, storm);
    f.gas = 220000000; /* for 64 + 4096 each */
    const mr_transaction sends[] = {fixture_send_of(&f, &first, (mr_span){0}),
                                    fixture_send_of(&f, &second, (mr_span){0})};
    f.params.gas_limit = 225000000;
    mr_block_info info = run_all(&f, sends, 2);
    assert_true(info.queue_count > 1000);
    uint64_t burned = info.gas_burned, receipts = info.receipts_count;
    unsigned blocks = 1;
    while (info.queue_count > 0) {
        assert_true(info.gas_burned <= f.params.gas_limit);
        f.params.gas_limit = 20000000;
        fixture_run(&f, NULL, 0);
        info = fixture_info(&f);
        assert_true(info.receipts_count > 0); /* something always runs */
        burned += info.gas_burned;
        receipts += info.receipts_count;
        blocks++;
    }
    assert_true(blocks > 5);
    assert_true(burned <= 2 * f.gas);
    assert_int_equal(receipts, 2 * (2 * (1 + 64 + 64 * 64) - 1));
    assert_goes_on(&f);
    fixture_close(&f);
}

/* Two programs that answer each other for as long as they can pay. */
static void an_endless_conversation_dies_with_its_gas(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, &(mr_engine_options){.streams = 1}); /* each round is one message */
    const mr_id program = fixture_program_of(
        &f, 1,
        "(func (export \"handle\") (call $gr_source (i32.const 0)) (call $gr_send (i32.const 0)"
        "(i32.const 0) (i32.const 64) (i32.const 0) (i32.const 256)))"
        "(func (export \"handle_reply\") (call $gr_source (i32.const 0)) (call $gr_send"
        "(i32.const 0) (i32.const 0) (i32.const 64) (i32.const 0) (i32.const 256)))"
        "(func (export \"init\"))");
    const mr_id starter = fixture_program_of(
        &f, 1,
        "(func (export \"handle\") (call $gr_read (i32.const 0) (i32.const 32) (i32.const 0)"
        "(i32.const 256)) (call $gr_send (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)"
        "(i32.const 256)))"
        "(func (export \"handle_reply\") (call $gr_source (i32.const 0)) (call $gr_send"
        "(i32.const 0) (i32.const 0) (i32.const 64) (i32.const 0) (i32.const 256)))");
    f.gas = 3000000000;
    const mr_transaction send = fixture_send_of(&f, &starter, mr_span_of(program.bytes, 32));
    const mr_block_info info = run_all(&f, &send, 1);
    assert_true(info.rounds > 1000);
    assert_true(info.gas_burned <= f.gas);
    assert_goes_on(&f);
    fixture_close(&f);
}

/* Messages left over: the queue holds them, and gives them back in order. */
static void four_hundred_thousand_messages_wait_and_are_taken_up_again(void **state)
{
    (void)state;
    enum { SENDERS = 400, EACH = 1000 };
    fixture f;
    fixture_open(&f, NULL);
    const mr_id sink = fixture_program_of(
        &f, 1,
        "(func (export \"handle\") (call $gr_read (i32.const 0) (i32.const 4) (i32.const 8)"
        "(i32.const 16)) (if (i32.ne (i32.load (i32.const 8)) (i32.load (i32.const 0)))"
        "(then (unreachable))) (i32.store (i32.const 0) (i32.add (i32.load (i32.const 0))"
        "(i32.const 1))))");
    const mr_id spin = fixture_program_of(&f, 1, "(func (export \"handle\") (loop (br 0)))");
    static mr_transaction sends[1 + SENDERS * EACH];
    static uint32_t numbers[SENDERS * EACH];
    f.gas = 1000000;
    for (uint32_t i = 0; i < SENDERS * EACH; i++) {
        numbers[i] = i;
        sends[1 + i] = fixture_send_of(&f, &sink, mr_span_of(&numbers[i], 4));
    }
    sends[0] = fixture_send_of(&f, &spin, (mr_span){0});
    f.params.gas_limit = f.gas; /* the first burns it all */
    mr_block_info info = run_all(&f, sends, 1 + SENDERS * EACH);
    assert_int_equal(info.receipts_count, 1);
    assert_int_equal(info.queue_count, SENDERS * EACH);
    f.params.gas_limit = 5000000000;
    unsigned blocks = 0;
    while (info.queue_count > 0) {
        fixture_run(&f, NULL, 0);
        info = fixture_info(&f);
        assert_true(info.receipts_count > 0);
        blocks++;
    }
    assert_true(blocks > 1);
    assert_int_equal(fixture_u32(&f, &sink, 0), SENDERS * EACH);
    assert_goes_on(&f);
    fixture_close(&f);
}

/* ---- Bytes ---- */

/* Payloads of 8 MiB go through a line of programs, each of which passes them on. */
static void the_largest_payload_goes_through_several_programs(void **state)
{
    (void)state;
    enum { LINE = 6, BYTES = 8 << 20 };
    fixture f;
    fixture_open(&f, NULL);
    const mr_id bob = mr_id_of_name("bob");
    mr_id next = bob;
    for (unsigned i = 0; i < LINE; i++) {
        wat_text body = {0};
        text_add(&body, "(data (i32.const 0) \"");
        for (unsigned b = 0; b < 32; b++)
            text_add(&body, "\\%02x", next.bytes[b]);
        text_add(&body, "\") (func (export \"handle\") (call $gr_size (i32.const 64))"
                        "(call $gr_send_input (i32.const 0) (i32.const 0)"
                        "(i32.load (i32.const 64)) (i32.const 0) (i32.const 256)))");
        next = fixture_program_of(&f, 1, body.at);
        text_fini(&body);
    }
    uint8_t *bytes = malloc(BYTES + 1);
    assert_non_null(bytes);
    for (uint32_t i = 0; i <= BYTES; i++)
        bytes[i] = (uint8_t)(i * 2654435761u >> 24);
    f.gas = 5000000000;
    mr_transaction sends[3];
    for (unsigned i = 0; i < 3; i++)
        sends[i] = fixture_send_of(&f, &next, mr_span_of(bytes, BYTES));
    run_all(&f, sends, 3);
    for (unsigned i = 0; i < 3; i++) {
        /* Replies to the user stand between. */
        mr_user_message message = {0};
        for (uint64_t k = 0, found = 0; k < fixture_info(&f).user_messages_count; k++) {
            message = fixture_message(&f, k);
            if (!message.is_reply && found++ == i)
                break;
        }
        assert_id_equal(message.to, bob);
        assert_int_equal(message.payload.size, BYTES);
        assert_memory_equal(message.payload.data, bytes, BYTES);
    }
    const mr_transaction larger = fixture_send_of(&f, &next, mr_span_of(bytes, BYTES + 1));
    fixture_run(&f, &larger, 1);
    assert_int_equal(fixture_result(&f, 0).admission, MR_ADMISSION_PAYLOAD);
    free(bytes);
    assert_goes_on(&f);
    fixture_close(&f);
}

/* 64 MiB are sent by each of many dispatches: gas pays for every byte that is copied. */
static void a_flood_of_bytes_is_paid_for(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, NULL);
    const mr_id program = fixture_program_of(
        &f, 129,
        "(func (export \"handle\") (local $i i32)"
        "(loop $l (call $gr_send (i32.const 0) (i32.const 0) (i32.const 8388608) (i32.const 0)"
        "(i32.const 8400000)) (local.set $i (i32.add (local.get $i) (i32.const 1)))"
        "(br_if $l (i32.eqz (i32.load (i32.const 8400000)))))"
        "(i32.store (i32.const 8400100) (local.get $i)))");
    f.gas = 5000000000;
    const mr_receipt receipt = fixture_send(&f, &program, (mr_span){0});
    assert_int_equal(receipt.outcome, MR_OUTCOME_OK);
    assert_int_equal(fixture_u32(&f, &program, 8400100), 9); /* the ninth does not fit */
    assert_int_equal(fixture_u32(&f, &program, 8400000), 311);
    assert_true(receipt.gas_burned > (uint64_t)64 * 1024 * 1024 * 30);
    assert_int_equal(fixture_info(&f).user_messages_count, 9);
    f.gas = 1000000000;
    assert_int_equal(fixture_send(&f, &program, (mr_span){0}).outcome, MR_OUTCOME_OUT_OF_GAS);
    assert_goes_on(&f);
    fixture_close(&f);
}

static long resident_kib_max(void)
{
    struct rusage usage;
    assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
    return usage.ru_maxrss;
}

/* Forty messages compose 64 MiB each and fail: what they composed goes with them. */
static void what_a_failed_dispatch_composed_takes_no_memory(void **state)
{
    (void)state;
    enum { MESSAGES = 40 };
    fixture f;
    fixture_open(&f, NULL);
    const mr_id program = fixture_program_of(
        &f, 130,
        "(func (export \"handle\") (local $i i32)"
        "(loop $l (call $gr_send_init (i32.const 8400000))"
        "(call $gr_send_push (i32.load (i32.const 8400004)) (i32.const 0) (i32.const 8000000)"
        "(i32.const 8400008)) (local.set $i (i32.add (local.get $i) (i32.const 1)))"
        "(br_if $l (i32.lt_u (local.get $i) (i32.const 8)))) (unreachable))");
    f.gas = 5000000000;
    mr_transaction sends[MESSAGES];
    for (size_t i = 0; i < MESSAGES; i++)
        sends[i] = fixture_send_of(&f, &program, (mr_span){0});
    const long before = resident_kib_max();
    const mr_block_info info = run_all(&f, sends, MESSAGES);
    assert_int_equal(info.failures_count, MESSAGES);
    assert_true(info.gas_burned > (uint64_t)MESSAGES * 64000000 * 10);
    assert_true(resident_kib_max() - before < 400 * 1024);
    fixture_close(&f);
}

/* ---- Many at once, and a block with a limit ---- */

/* Loops, recursion, memory and messages without end, each several times: a block burns no more than
 * its limit, every message gets its receipt in this block or a later one, and an honest one between
 * them is served in the first. */
static void mischief_of_all_kinds_stays_within_the_limit_of_each_block(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "(func (export \"handle\") (loop $l (br $l)))",
        "(func $r (call $r)) (func (export \"handle\") (call $r))",
        "(func (export \"handle\") (local $p i32) (loop $l"
        "(local.set $p (call $alloc (i32.const 100)))"
        "(i32.store (i32.mul (local.get $p) (i32.const 65536)) (i32.const 1))"
        "(br_if $l (i32.ne (local.get $p) (i32.const -1)))))",
        "(func (export \"handle\") (call $gr_program_id (i32.const 0)) (loop $l"
        "(call $gr_send (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 256))"
        "(br $l)))",
    };
    enum { KINDS = 4, EACH = 3, LIMIT = 500000000, GAS = 150000000 };
    fixture f;
    fixture_open(&f, NULL);
    mr_id programs[KINDS];
    for (size_t i = 0; i < KINDS; i++)
        programs[i] = fixture_program_of(&f, 1, bodies[i]);
    const mr_id honest = fixture_program_of(&f, 1, "(func (export \"handle\"))");
    mr_transaction sends[KINDS * EACH + 1];
    f.gas = 20000;
    sends[0] = fixture_send_of(&f, &honest, (mr_span){0});
    f.gas = GAS;
    for (size_t i = 0; i < KINDS * EACH; i++)
        sends[i + 1] = fixture_send_of(&f, &programs[i % KINDS], (mr_span){0});
    f.params.gas_limit = LIMIT;
    mr_block_info info = run_all(&f, sends, KINDS * EACH + 1);
    assert_id_equal(fixture_receipt(&f, 0).program, honest);
    assert_int_equal(fixture_receipt(&f, 0).outcome, MR_OUTCOME_OK);
    uint64_t receipts = info.receipts_count;
    unsigned blocks = 1;
    for (; info.queue_count > 0; blocks++) {
        assert_true(info.gas_burned <= LIMIT);
        fixture_run(&f, NULL, 0);
        info = fixture_info(&f);
        assert_true(info.receipts_count > 0);
        receipts += info.receipts_count;
    }
    assert_true(blocks > 2);
    assert_int_equal(receipts, KINDS * EACH + 1); /* sends without end fail: none was sent */
    assert_goes_on(&f);
    fixture_close(&f);
}

/* ---- Persistence of mischief ---- */

/* What one message leaves in globals, stack, tables and beyond its memory is gone in the next. */
static void nothing_survives_a_dispatch_but_memory(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, NULL);
    const mr_id program = fixture_program_of(
        &f, 2,
        "(global $g (mut i64) (i64.const 5))"
        "(global (export \"__gear_stack_end\") i32 (i32.const 65536))"
        "(func (export \"handle\")"
        "(i64.store (i32.const 65536) (global.get $g))"
        "(i64.store (i32.const 65544) (i64.load (i32.const 1000)))"
        "(global.set $g (i64.const 6)) (i64.store (i32.const 1000) (i64.const 7))"
        "(call $gr_size (i32.const 65552))"
        "(if (i32.eq (i32.load (i32.const 65552)) (i32.const 1)) (then (unreachable))))");
    for (unsigned i = 0; i < 6; i++) {
        const mr_receipt receipt = fixture_send(&f, &program, i % 2 == 0 ? NAME("x") : NAME("xx"));
        assert_int_equal(receipt.outcome, i % 2 == 0 ? MR_OUTCOME_TRAP : MR_OUTCOME_OK);
        if (i % 2 == 1) {
            assert_int_equal(fixture_u64(&f, &program, 65536), 5);
            assert_int_equal(fixture_u64(&f, &program, 65544), 0);
        }
    }
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(endless_work_ends_with_the_gas),
        cmocka_unit_test(endless_recursion_ends_at_the_same_depth_every_time),
        cmocka_unit_test(allocating_everything_costs_gas_not_memory),
        cmocka_unit_test(thousands_of_programs_allocate_side_by_side),
        cmocka_unit_test(a_heap_in_thousands_of_pieces_works),
        cmocka_unit_test(a_storm_of_messages_dies_with_its_gas),
        cmocka_unit_test(a_storm_under_a_block_limit_waits_in_the_queue),
        cmocka_unit_test(an_endless_conversation_dies_with_its_gas),
        cmocka_unit_test(four_hundred_thousand_messages_wait_and_are_taken_up_again),
        cmocka_unit_test(the_largest_payload_goes_through_several_programs),
        cmocka_unit_test(what_a_failed_dispatch_composed_takes_no_memory),
        cmocka_unit_test(a_flood_of_bytes_is_paid_for),
        cmocka_unit_test(mischief_of_all_kinds_stays_within_the_limit_of_each_block),
        cmocka_unit_test(nothing_survives_a_dispatch_but_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
