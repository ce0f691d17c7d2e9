/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: the block's gas limit closes destinations and keeps order as docs/SEMANTICS.md says, and
 * what does not run stands in the queue for the next block. What draws on what waits is in
 * test_block_gas.c.
 * Method: exact examples of gas limits; programs that write down in which order they ran. */
#include "tests/engine/fixture.h"

/* A program that writes down the digits it is sent, the newest last. */
static mr_id burner(fixture *f)
{
    return fixture_program_of(
        f, 1,
        "(func (export \"handle\") (call $gr_read (i32.const 0) (i32.const 1) (i32.const 8)"
        "(i32.const 16)) (i64.store (i32.const 0) (i64.add (i64.mul (i64.load (i32.const 0))"
        "(i64.const 10)) (i64.load8_u (i32.const 8)))))");
}

enum { BURNER_COST = 11000 + 14 * 1000 + 2000 + 10 };

static mr_transaction send_digit(const fixture *f, const mr_id *to, const uint8_t *digit,
                                 uint64_t gas)
{
    mr_transaction send = fixture_send_of(f, to, mr_span_of(digit, 1));
    send.gas_limit = gas;
    return send;
}

static const uint8_t digits[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};

static void assert_order(const fixture *f, const mr_id *program, uint64_t order)
{
    assert_int_equal(fixture_u64(f, program, 0), order);
}

static void a_message_that_does_not_fit_closes_its_destination_and_no_other(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, NULL);
    const mr_id a = burner(&f), b = burner(&f), c = burner(&f);
    const mr_transaction sends[] = {
        send_digit(&f, &a, &digits[1], 400000), /* runs: 1000000 left */
        send_digit(&f, &b, &digits[1], 990000), /* 1000000 - burned is too little: closes b */
        send_digit(&f, &a, &digits[2], 400000), /* runs */
        send_digit(&f, &b, &digits[2], 30000),  /* would fit, but b is closed */
        send_digit(&f, &c, &digits[1], 900000), /* fits what is truly left */
        send_digit(&f, &a, &digits[3], 930000), /* does not: closes a */
        send_digit(&f, &c, &digits[2], 30000),  send_digit(&f, &a, &digits[4], 30000),
    };
    f.params.gas_limit = 1000000;
    fixture_run(&f, sends, 8);
    fixture_accepted(&f);
    assert_int_equal(fixture_info(&f).receipts_count, 4);
    assert_int_equal(fixture_info(&f).gas_burned, 4 * BURNER_COST);
    assert_int_equal(fixture_info(&f).queue_count, 4);
    assert_order(&f, &a, 12);
    assert_order(&f, &b, 0);
    assert_order(&f, &c, 12);
    /* The next block takes up what was left, in order. */
    fixture_run(&f, NULL, 0);
    assert_int_equal(fixture_info(&f).queue_count, 0);
    assert_order(&f, &a, 1234);
    assert_order(&f, &b, 12);
    fixture_close(&f);
}

static void a_limit_is_met_exactly(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, NULL);
    const mr_id a = burner(&f);
    const mr_transaction sends[] = {send_digit(&f, &a, &digits[1], BURNER_COST),
                                    send_digit(&f, &a, &digits[2], BURNER_COST)};
    f.params.gas_limit = 2 * BURNER_COST - 1;
    fixture_run(&f, sends, 2);
    assert_int_equal(fixture_info(&f).receipts_count, 1);
    f.params.gas_limit = BURNER_COST;
    fixture_run(&f, NULL, 0);
    assert_int_equal(fixture_info(&f).receipts_count, 1);
    assert_order(&f, &a, 12);
    f.params.gas_limit = 2 * BURNER_COST;
    fixture_run(&f, sends, 2);
    assert_int_equal(fixture_info(&f).receipts_count, 2);
    fixture_close(&f);
}

/* Old messages go before new ones, block after block, for each destination. */
static void what_was_left_keeps_its_place(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, NULL);
    const mr_id a = burner(&f), b = burner(&f);
    f.params.gas_limit = 100000; /* three at a time: the fourth's limit does not fit */
    for (unsigned block = 0; block < 4; block++) {
        mr_transaction sends[4];
        for (unsigned i = 0; i < 4; i++)
            sends[i] =
                send_digit(&f, i % 2 == 0 ? &a : &b, &digits[1 + (block * 2 + i / 2) % 9], 40000);
        fixture_run(&f, sends, 4);
    }
    while (fixture_info(&f).queue_count > 0)
        fixture_run(&f, NULL, 0);
    assert_order(&f, &a, 12345678);
    assert_order(&f, &b, 12345678);
    fixture_close(&f);
}

typedef struct listed {
    mr_queued_message messages[8];
    size_t count;
} listed;

static bool list(void *arg, const mr_queued_message *message)
{
    listed *to = arg;
    assert_true(to->count < 8);
    to->messages[to->count++] = *message;
    return true;
}

/* Burns all it gets: with the block's limit it leaves nothing for others. */
static mr_id spinner(fixture *f)
{
    return fixture_program_of(f, 1, "(func (export \"handle\") (loop (br 0)))");
}

static void the_queue_tells_what_is_left(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, NULL);
    const mr_id a = burner(&f), b = burner(&f);
    f.value = 9;
    const mr_id spin = spinner(&f);
    const mr_transaction sends[] = {send_digit(&f, &spin, &digits[0], 600000),
                                    send_digit(&f, &a, &digits[1], 500001),
                                    send_digit(&f, &b, &digits[2], 500002)};
    const mr_transaction later = send_digit(&f, &a, &digits[1], 400000);
    f.params.gas_limit = 600000;
    fixture_run(&f, sends, 3);
    f.params.gas_limit = 500000; /* a and b are closed */
    fixture_run(&f, &later, 1);
    listed now = {0};
    assert_int_equal(mr_engine_queue(f.engine, list, &now), MR_OK);
    assert_int_equal(now.count, 3);
    for (size_t i = 0; i < 3; i++) {
        const mr_queued_message *message = &now.messages[i];
        assert_int_equal(message->sequence, i);
        assert_id_equal(message->program, i == 1 ? b : a);
        assert_id_equal(message->source, f.from);
        assert_int_equal(message->kind, MR_KIND_HANDLE);
        assert_int_equal(message->gas_limit, i == 2 ? 400000 : 500001 + i);
        assert_value_equal(message->value, 9);
        assert_int_equal(message->payload.size, 1);
    }
    f.params.gas_limit = 0; /* none */
    fixture_run(&f, NULL, 0);
    assert_int_equal(fixture_info(&f).queue_count, 0);
    assert_order(&f, &a, 11);
    fixture_close(&f);
}

static void a_gas_limit_above_the_blocks_is_refused(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, NULL);
    const mr_id a = burner(&f);
    const mr_transaction sends[] = {send_digit(&f, &a, &digits[1], 500001),
                                    send_digit(&f, &a, &digits[2], 500000)};
    f.params.gas_limit = 500000;
    mr_error error = {0};
    mr_block *block;
    assert_int_equal(mr_block_execute(f.engine, &f.params, sends, 2, &block, &error), MR_OK);
    mr_transaction_result result;
    assert_true(mr_block_transaction(block, 0, &result));
    assert_int_equal(result.admission, MR_ADMISSION_GAS_LIMIT);
    assert_true(mr_block_transaction(block, 1, &result));
    assert_int_equal(result.admission, MR_ADMISSION_ACCEPTED);
    mr_block_info info;
    mr_block_info_get(block, &info);
    assert_int_equal(info.receipts_count, 1);
    assert_int_equal(info.queue_count, 0);
    mr_block_discard(block);
    fixture_close(&f);
}

/* A discarded block leaves the queue as it was, sequence numbers and all. */
static void a_discarded_block_leaves_the_queue(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, NULL);
    const mr_id a = burner(&f), b = burner(&f);
    const mr_id spin = spinner(&f);
    const mr_transaction sends[] = {
        send_digit(&f, &spin, &digits[0], 400000), send_digit(&f, &a, &digits[1], 400000),
        send_digit(&f, &b, &digits[2], 50000), send_digit(&f, &a, &digits[3], 50000)};
    f.params.gas_limit = 400000;
    fixture_run(&f, sends, 4);
    mr_engine_info before, after;
    mr_engine_info_get(f.engine, &before);
    f.params.gas_limit = 100000; /* b runs, a stays, more comes */
    mr_block_discard(fixture_execute(&f, sends + 2, 2));
    mr_engine_info_get(f.engine, &after);
    assert_memory_equal(&before, &after, sizeof before);
    listed now = {0};
    assert_int_equal(mr_engine_queue(f.engine, list, &now), MR_OK);
    assert_int_equal(now.count, 3);
    f.params.gas_limit = 0;
    fixture_run(&f, NULL, 0);
    assert_order(&f, &a, 13);
    assert_order(&f, &b, 2);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_that_does_not_fit_closes_its_destination_and_no_other),
        cmocka_unit_test(a_limit_is_met_exactly),
        cmocka_unit_test(what_was_left_keeps_its_place),
        cmocka_unit_test(the_queue_tells_what_is_left),
        cmocka_unit_test(a_gas_limit_above_the_blocks_is_refused),
        cmocka_unit_test(a_discarded_block_leaves_the_queue),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
