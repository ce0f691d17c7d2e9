/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: a trace tells what a message was, where the program failed, and where its gas went, to the
 * last; and is kept only when it is asked for. Method: small programs whose gas is known from
 * receipts and accounts; each figure is compared with one that was come by otherwise. */
#include "tests/engine/keeper.h"

#include "base/bytes.h"

enum { RICH = 1 }; /* in 2^100 */

static void open_traced(fixture *f, bool accounts)
{
    const mr_balance genesis = {.account = mr_id_of_name("alice"),
                                .balance = (mr_value)RICH << 100};
    fixture_open(f, &(mr_engine_options){.keep_traces = true,
                                         .accounts = accounts,
                                         .genesis = accounts ? &genesis : NULL,
                                         .genesis_count = accounts});
}

static mr_trace trace_of(const fixture *f, uint64_t i)
{
    mr_trace trace;
    assert_true(mr_block_trace(f->block, i, &trace));
    const mr_receipt receipt = fixture_receipt(f, i);
    assert_int_equal(trace.gas_in + trace.gas_drawn, receipt.gas_burned + trace.gas_sent +
                                                         trace.gas_home + trace.gas_refunded +
                                                         trace.gas_rent + (uint64_t)trace.gas_held);
    return trace;
}

static mr_value balance_of(const fixture *f)
{
    mr_value balance;
    assert_int_equal(mr_engine_account(f->engine, &f->from, &balance), MR_OK);
    return balance;
}

static void what_is_refunded_is_what_comes_back_to_the_account(void **state)
{
    (void)state;
    fixture f;
    open_traced(&f, true);
    const mr_id keeper = fixture_program(&f, keeper_text);
    static const unsigned all[] = {
        0, KEEPER_WAIT, KEEPER_WAKE, KEEPER_RESERVE, KEEPER_LETTER, KEEPER_TRAP, KEEPER_SPIN};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        const mr_transaction send = fixture_send_of(&f, &keeper, keeper_payload(all[i]));
        mr_value cost;
        assert_true(mr_transaction_cost(&f.schedule, &send, &cost));
        const mr_value before = balance_of(&f);
        fixture_run(&f, &send, 1);
        fixture_accepted(&f);
        uint64_t refunded = 0;
        for (uint64_t j = 0; j < fixture_info(&f).receipts_count; j++)
            refunded += trace_of(&f, j).gas_refunded;
        const mr_value back = balance_of(&f) + cost - before;
        assert_value_equal(back, (mr_value)refunded * f.schedule.value_per_gas);
    }
    fixture_close(&f);
}

static void what_is_kept_is_what_the_engine_holds(void **state)
{
    (void)state;
    fixture f;
    open_traced(&f, false);
    const mr_id keeper = fixture_program(&f, keeper_text);
    static const unsigned keeping[] = {KEEPER_WAIT, KEEPER_RESERVE, KEEPER_LETTER, KEEPER_DELAY};
    for (size_t i = 0; i < sizeof keeping / sizeof keeping[0]; i++) {
        mr_engine_info before, after;
        mr_engine_info_get(f.engine, &before);
        (void)fixture_send(&f, &keeper, keeper_payload(keeping[i]));
        mr_engine_info_get(f.engine, &after);
        const mr_trace trace = trace_of(&f, 0);
        assert_true(trace.gas_held > 0);
        assert_int_equal(trace.gas_held, after.gas_held - before.gas_held);
    }
    fixture_close(&f);
}

static void a_woken_message_has_the_gas_it_kept_less_the_rent(void **state)
{
    (void)state;
    fixture f;
    open_traced(&f, false);
    const mr_id keeper = fixture_program(&f, keeper_text);
    (void)fixture_send(&f, &keeper, keeper_payload(KEEPER_WAIT));
    const mr_trace waits = trace_of(&f, 0);
    const uint32_t began = (uint32_t)fixture_info(&f).height;
    assert_int_equal(fixture_receipt(&f, 0).outcome, MR_OUTCOME_WAITING);
    assert_int_equal(waits.until, began + KEEPER_BLOCKS);
    assert_false(waits.waited);
    fixture_run(&f, NULL, 0);
    (void)fixture_send(&f, &keeper, keeper_payload(KEEPER_WAKE));
    const mr_trace waker = trace_of(&f, 0), woken = trace_of(&f, 1);
    assert_true(woken.waited);
    assert_int_equal(woken.until, 0);
    assert_int_equal(woken.gas_in, (uint64_t)waits.gas_held - 2 * f.schedule.rent);
    /* The waker has nothing to do with the rent of whom it wakes, nor with its gas. */
    assert_int_equal(waker.gas_rent, 0);
    assert_int_equal(waker.gas_held, 0);
    assert_int_equal(waker.gas_sent, 0);
    fixture_close(&f);
}

static void a_message_has_the_gas_that_was_sent_on(void **state)
{
    (void)state;
    fixture f;
    open_traced(&f, false);
    const mr_id echo = fixture_program_of(&f, 1,
                                          "(func (export \"init\")) (func (export \"handle\"))"
                                          "(func (export \"handle_reply\"))");
    wat_text body = {0};
    text_add(&body, "(data (i32.const 64) \"");
    for (size_t i = 0; i < sizeof echo.bytes; i++)
        text_add(&body, "\\%02x", echo.bytes[i]);
    text_add(&body, "\") (func (export \"init\"))\n"
                    "(func (export \"handle\") (call $gr_send (i32.const 64) (i32.const 0)\n"
                    "(i32.const 300) (i32.const 0) (i32.const 900)))\n"
                    "(func (export \"handle_reply\"))");
    const mr_id sender = fixture_program_of(&f, 1, body.at);
    text_fini(&body);
    (void)fixture_send(&f, &sender, (mr_span){0});
    assert_int_equal(fixture_info(&f).receipts_count, 3);
    const mr_trace sent = trace_of(&f, 0), echoed = trace_of(&f, 1), replied = trace_of(&f, 2);
    assert_true(sent.gas_sent > 0);
    assert_int_equal(sent.gas_sent, echoed.gas_in);
    assert_int_equal(echoed.gas_sent, replied.gas_in);
    assert_int_equal(replied.gas_refunded, replied.gas_in - fixture_receipt(&f, 2).gas_burned);
    /* Payloads are cut. */
    assert_int_equal(echoed.payload_bytes, 300);
    assert_int_equal(echoed.payload.size, MR_TRACE_PAYLOAD_BYTES_MAX);
    const mr_receipt asked = fixture_receipt(&f, 1);
    assert_memory_equal(&replied.reply_to, &asked.message, sizeof asked.message);
    /* Each names what it sent to a program, and who has paid all of it. */
    const mr_receipt answered = fixture_receipt(&f, 2);
    assert_int_equal(sent.sent_count, 1);
    assert_memory_equal(&sent.sent[0], &asked.message, sizeof asked.message);
    assert_int_equal(echoed.sent_count, 1);
    assert_memory_equal(&echoed.sent[0], &answered.message, sizeof answered.message);
    assert_int_equal(replied.sent_count, 0);
    assert_memory_equal(&replied.payer, &f.from, sizeof f.from);
    fixture_close(&f);
}

static bool note_send(void *arg, const mr_task_info *task)
{
    if (task->task == MR_TASK_SEND)
        *(mr_id *)arg = task->subject;
    return true;
}

static void a_delayed_message_is_named_by_who_sent_it(void **state)
{
    (void)state;
    fixture f;
    open_traced(&f, false);
    const mr_id keeper = fixture_program(&f, keeper_text);
    (void)fixture_send(&f, &keeper, keeper_payload(KEEPER_DELAY));
    mr_id due = {{0}};
    assert_int_equal(mr_engine_tasks(f.engine, 0, note_send, &due), MR_OK);
    const mr_trace trace = trace_of(&f, 0);
    assert_int_equal(trace.sent_count, 1);
    assert_memory_equal(&trace.sent[0], &due, sizeof due);
    fixture_close(&f);
}

static void a_failure_is_told_with_its_functions(void **state)
{
    (void)state;
    fixture f;
    open_traced(&f, false);
    const mr_id keeper = fixture_program(&f, keeper_text);
    assert_int_equal(fixture_send(&f, &keeper, keeper_payload(KEEPER_TRAP)).outcome,
                     MR_OUTCOME_TRAP);
    assert_text(trace_of(&f, 0).backtrace,
                "executed unreachable\n    in inner\n    in outer\n    in handle\n");
    (void)fixture_send(&f, &keeper, keeper_payload(KEEPER_SPIN));
    assert_text(trace_of(&f, 0).backtrace, "out of gas\n    in handle\n");
    /* One that never ran has none, not even of the one before. */
    f.gas = 5000;
    assert_int_equal(fixture_send(&f, &keeper, keeper_payload(KEEPER_SPIN)).outcome,
                     MR_OUTCOME_OUT_OF_GAS);
    assert_int_equal(trace_of(&f, 0).backtrace.size, 0);
    f.gas = PLENTY;
    (void)fixture_send(&f, &keeper, (mr_span){0});
    assert_int_equal(trace_of(&f, 0).backtrace.size, 0);
    fixture_close(&f);
}

static void nothing_is_kept_unless_it_is_asked_for_and_results_are_the_same(void **state)
{
    (void)state;
    mr_id roots[2];
    for (int traced = 0; traced < 2; traced++) {
        fixture f;
        fixture_open(&f, &(mr_engine_options){.keep_traces = traced != 0});
        const mr_id keeper = fixture_program(&f, keeper_text);
        for (unsigned what = 0; what <= KEEPER_SPIN; what++) {
            mr_trace trace;
            (void)fixture_send(&f, &keeper, keeper_payload(what));
            assert_int_equal(mr_block_trace(f.block, 0, &trace), traced != 0);
            assert_false(mr_block_trace(f.block, fixture_info(&f).receipts_count, &trace));
        }
        roots[traced] = fixture_info(&f).root;
        fixture_close(&f);
    }
    assert_memory_equal(&roots[0], &roots[1], sizeof roots[0]);
}

static void a_message_to_a_user_knows_the_receipt_it_came_with(void **state)
{
    (void)state;
    fixture f;
    open_traced(&f, false);
    const mr_id keeper = fixture_program(&f, keeper_text);
    const mr_transaction sends[] = {
        fixture_send_of(&f, &keeper, (mr_span){0}),
        fixture_send_of(&f, &keeper, keeper_payload(KEEPER_LETTER)),
        fixture_send_of(&f, &keeper, keeper_payload(KEEPER_DELAY)),
    };
    fixture_run(&f, sends, 3);
    /* Its letter and three automatic replies. */
    static const uint64_t receipts[] = {0, 1, 1, 2};
    mr_stored_block *stored;
    mr_error error = {0};
    assert_int_equal(mr_engine_block(f.engine, fixture_info(&f).height, &stored, &error), MR_OK);
    for (uint64_t i = 0; i < 4; i++) {
        mr_user_message again;
        assert_int_equal(fixture_message(&f, i).receipt, receipts[i]);
        assert_true(mr_stored_block_user_message(stored, i, &again));
        assert_int_equal(again.receipt, receipts[i]);
    }
    mr_stored_block_free(stored);
    for (unsigned i = 0; i < KEEPER_BLOCKS; i++)
        fixture_run(&f, NULL, 0);
    assert_int_equal(fixture_message(&f, 0).receipt, MR_RECEIPT_NONE);
    fixture_close(&f);
}

static void a_receipt_has_the_value_that_came_with_the_message_stored_ones_too(void **state)
{
    (void)state;
    fixture f;
    open_traced(&f, false);
    const mr_id keeper = fixture_program(&f, keeper_text);
    f.value = ((mr_value)3 << 64) + 5;
    (void)fixture_send(&f, &keeper, keeper_payload(KEEPER_WAIT));
    assert_value_equal(fixture_receipt(&f, 0).value, f.value);
    f.value = 0;
    (void)fixture_send(&f, &keeper, keeper_payload(KEEPER_WAKE));
    const uint64_t height = fixture_info(&f).height;
    for (uint64_t back = 0; back < 2; back++) {
        mr_stored_block *stored;
        mr_error error = {0};
        mr_receipt receipt;
        assert_int_equal(mr_engine_block(f.engine, height - back, &stored, &error), MR_OK);
        assert_true(mr_stored_block_receipt(stored, 0, &receipt));
        assert_value_equal(receipt.value, back == 0 ? 0 : ((mr_value)3 << 64) + 5);
        if (back == 0) { /* woken: it brought its value before */
            assert_true(mr_stored_block_receipt(stored, 1, &receipt));
            assert_value_equal(receipt.value, 0);
        }
        mr_stored_block_free(stored);
    }
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_refunded_is_what_comes_back_to_the_account),
        cmocka_unit_test(what_is_kept_is_what_the_engine_holds),
        cmocka_unit_test(a_woken_message_has_the_gas_it_kept_less_the_rent),
        cmocka_unit_test(a_message_has_the_gas_that_was_sent_on),
        cmocka_unit_test(a_delayed_message_is_named_by_who_sent_it),
        cmocka_unit_test(a_failure_is_told_with_its_functions),
        cmocka_unit_test(nothing_is_kept_unless_it_is_asked_for_and_results_are_the_same),
        cmocka_unit_test(a_message_to_a_user_knows_the_receipt_it_came_with),
        cmocka_unit_test(a_receipt_has_the_value_that_came_with_the_message_stored_ones_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
