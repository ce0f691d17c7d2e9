/* SPDX-License-Identifier: Apache-2.0 */
/* mr-test: label=model timeout=300
 * Goal: messages wait, are woken and removed, and replies draw and bring home gas, as
 * docs/SEMANTICS.md says.
 * Method: scripted programs (scripted.h) under prices with which the numbers can be added up by
 * hand: a dispatch that runs burns 1000 gas, a block of rent is 10, the mailbox threshold 300. What
 * is expected is written as these sums. What the reference did the engine must do, too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/model/rules.h"

/* ---- Waiting ---- */

static void a_message_that_waits_for_blocks_is_woken_at_its_wish(void **state)
{
    (void)state;
    scripted s;
    scripted_open(&s);
    const op ops[] = {{.entry = HANDLE, .run = 0, .what = WAIT_FOR, .n = 5}};
    const mr_id program = scripted_make(&s, ops, COUNT(ops));
    const mr_id message = scripted_send(&s, &program, 5000, NULL, 0);
    const uint32_t since = height(&s);
    expect_receipt(&s, 0, MR_KIND_HANDLE, MR_OUTCOME_WAITING, 5000, 1000);
    expect_block(&s, 1, 0, 0);
    assert_int_equal(s.block->gas_held, 4000);
    assert_int_equal(s.block->info.user_messages_count, 0);
    const mr_reference_wait wait = only_waiting(&s);
    assert_same_id(wait.message, message);
    assert_int_equal(wait.since, since);
    assert_int_equal(wait.wish, since + 5);
    assert_int_equal(wait.until, since + 5); /* 4000 / 10 would be longer */
    assert_int_equal(wait.gas, 4000);
    assert_int_equal(only_task(&s).height, since + 5);
    assert_int_equal(scripted_program(&s, &program).waiting, 1);

    scripted_until(&s, since + 4);
    assert_int_equal(s.block->info.receipts_count, 0);
    scripted_until(&s, since + 5);
    assert_int_equal(s.block->info.tasks_count, 1);
    expect_receipt(&s, 0, MR_KIND_HANDLE, MR_OUTCOME_OK, 4000 - 5 * 10, 1000);
    expect_block(&s, 1, 50, 2950);
    expect_reply(&s, 0, 0, 0, 0);
    assert_int_equal(tasks_count(&s), 0);
    assert_int_equal(s.block->gas_held, 0);
    scripted_close(&s);
}

static void a_message_whose_gas_runs_out_while_it_waits_is_removed(void **state)
{
    (void)state;
    scripted s;
    scripted_open(&s);
    const op ops[] = {{.entry = HANDLE, .run = ANY_RUN, .what = WAIT}};
    const mr_id program = scripted_make(&s, ops, COUNT(ops));
    (void)scripted_send(&s, &program, 1035, NULL, 0);
    const mr_reference_wait wait = only_waiting(&s);
    assert_int_equal(wait.wish, UINT32_MAX);
    assert_int_equal(wait.gas, 35);
    assert_int_equal(wait.until, wait.since + 3);
    scripted_until(&s, wait.until);
    expect_receipt(&s, 0, MR_KIND_HANDLE, MR_OUTCOME_REMOVED, 5, 0);
    expect_block(&s, 1, 30, 5);
    expect_reply(&s, 0, 1, 3, 0);
    assert_int_equal(s.block->info.failures_count, 1);
    scripted_close(&s);
}

static void waiting_is_out_of_gas_when_its_rent_is_not_covered(void **state)
{
    (void)state;
    scripted s;
    scripted_open(&s);
    const mr_id program = scripted_make(&s, NULL, 0);
    const op wait_for[] = {{.entry = HANDLE, .run = ANY_RUN, .what = WAIT_FOR, .n = 5}};
    const op up_to[] = {{.entry = HANDLE, .run = ANY_RUN, .what = WAIT_UP_TO, .n = 5}};
    const op wait[] = {{.entry = HANDLE, .run = ANY_RUN, .what = WAIT}};
    (void)scripted_send(&s, &program, 1049, wait_for, 1);
    expect_receipt(&s, 0, MR_KIND_HANDLE, MR_OUTCOME_OUT_OF_GAS, 1049, 1049);
    expect_reply(&s, 0, 1, 0, 0);
    (void)scripted_send(&s, &program, 1009, up_to, 1);
    expect_receipt(&s, 0, MR_KIND_HANDLE, MR_OUTCOME_OUT_OF_GAS, 1009, 1009);
    (void)scripted_send(&s, &program, 1009, wait, 1);
    expect_receipt(&s, 0, MR_KIND_HANDLE, MR_OUTCOME_OUT_OF_GAS, 1009, 1009);
    (void)scripted_send(&s, &program, 1049, up_to, 1);
    expect_receipt(&s, 0, MR_KIND_HANDLE, MR_OUTCOME_WAITING, 1049, 1000);
    const mr_reference_wait waiting = only_waiting(&s);
    assert_int_equal(waiting.gas, 49);
    assert_int_equal(waiting.wish, waiting.since + 5);
    assert_int_equal(waiting.until, waiting.since + 4);
    scripted_close(&s);
}

static void a_message_that_waits_cannot_have_replied_nor_wait_for_nothing(void **state)
{
    (void)state;
    scripted s;
    scripted_open(&s);
    const mr_id program = scripted_make(&s, NULL, 0);
    const op replied[] = {{.entry = HANDLE, .run = ANY_RUN, .what = REPLY},
                          {.entry = HANDLE, .run = ANY_RUN, .what = WAIT}};
    (void)scripted_send(&s, &program, 5000, replied, 2);
    expect_receipt(&s, 0, MR_KIND_HANDLE, MR_OUTCOME_TRAP, 5000, 1000);
    expect_reply(&s, 0, 1, 0, 2);
    const op nought[] = {{.entry = HANDLE, .run = ANY_RUN, .what = WAIT_FOR, .n = 0}};
    (void)scripted_send(&s, &program, 5000, nought, 1);
    expect_receipt(&s, 0, MR_KIND_HANDLE, MR_OUTCOME_TRAP, 5000, 1000);
    scripted_close(&s);
}

static void a_message_that_waits_keeps_a_64th_and_replies_bring_gas_home(void **state)
{
    (void)state;
    scripted s;
    scripted_open(&s);
    const mr_id silent = scripted_make_silent(&s);
    const op ops[] = {
        {.entry = HANDLE, .run = 0, .what = SEND, .slot = 0, .id = silent},
        {.entry = HANDLE, .run = 0, .what = SEND, .slot = 1, .id = silent},
        {.entry = HANDLE, .run = 0, .what = SEND, .slot = 2, .id = silent},
        {.entry = HANDLE, .run = 0, .what = WAIT_FOR, .n = 2},
    };
    const mr_id program = scripted_make(&s, ops, COUNT(ops));
    const mr_id message = scripted_send(&s, &program, 10000, NULL, 0);
    /* 10000 - 1000 burned - 3 * 300 set aside - 20 reserve = 8080; a 64th is 126; 7954 + 900 are
     * three times 2951 and 1. */
    expect_receipt(&s, 0, MR_KIND_HANDLE, MR_OUTCOME_WAITING, 10000, 1000);
    assert_int_equal(s.block->receipts[0].sent, 3);
    expect_receipt(&s, 1, MR_KIND_HANDLE, MR_OUTCOME_OK, 2951, 1000);
    expect_receipt(&s, 3, MR_KIND_HANDLE, MR_OUTCOME_OK, 2951, 1000);
    assert_same_id(s.block->receipts[1].parent, message);
    /* It waits with 20 + 126 + 1 = 147. Replies have 1951, and may draw 147 - 20, and what came
     * home before them. */
    expect_receipt(&s, 4, MR_KIND_REPLY, MR_OUTCOME_OK, 1951 + 127, 1000);
    expect_receipt(&s, 5, MR_KIND_REPLY, MR_OUTCOME_OK, 1951 + 127 + 951, 1000);
    expect_receipt(&s, 6, MR_KIND_REPLY, MR_OUTCOME_OK, 1951 + 127 + 2 * 951, 1000);
    expect_block(&s, 7, 0, 0);
    assert_int_equal(s.block->info.replies_count, 3);
    const mr_reference_wait wait = only_waiting(&s);
    assert_int_equal(wait.gas, 147 + 3 * 951);
    assert_int_equal(wait.until, wait.since + 2);
    scripted_close(&s);
}

static void a_reply_without_gas_draws_on_the_message_it_belongs_to(void **state)
{
    (void)state;
    scripted s;
    scripted_open(&s);
    const mr_id silent = scripted_make_silent(&s);
    const mr_id program = scripted_make(&s, NULL, 0);
    const op timed[] = {
        {.entry = HANDLE, .run = 0, .what = SEND_GAS, .gas = 1000, .id = silent},
        {.entry = HANDLE, .run = 0, .what = WAIT_FOR, .n = 2},
    };
    (void)scripted_send(&s, &program, 10000, timed, 2);
    /* 10000 - 1000 - 1000 wait; until = wish: all but two blocks may be drawn. */
    expect_receipt(&s, 2, MR_KIND_REPLY, MR_OUTCOME_OK, 8000 - 20, 1000);
    assert_int_equal(only_waiting(&s).gas, 7000);
    assert_int_equal(only_waiting(&s).until, height(&s) + 2);
    scripted_until(&s, height(&s) + 2);

    const op untimed[] = {
        {.entry = HANDLE, .run = 2, .what = SEND_GAS, .gas = 1000, .id = silent},
        {.entry = HANDLE, .run = 2, .what = WAIT},
    };
    (void)scripted_send(&s, &program, 10000, untimed, 2);
    /* No wish: all but the block to the next one. */
    expect_receipt(&s, 2, MR_KIND_REPLY, MR_OUTCOME_OK, 8000 - 10, 1000);
    assert_int_equal(only_waiting(&s).gas, 7000);
    assert_int_equal(only_waiting(&s).until, height(&s) + 700);
    const mr_reference_due moved = only_task(&s);
    assert_int_equal(moved.height, height(&s) + 700);
    scripted_close(&s);
}

static void a_reply_wakes_its_message_and_may_draw_all_of_one_that_was_woken(void **state)
{
    (void)state;
    scripted s;
    scripted_open(&s);
    const mr_id silent = scripted_make_silent(&s);
    /* The message is sent two blocks after this, its program made in the next one. */
    const mr_id message = mr_id_of_user_message(height(&s) + 2, &s.alice, 0);
    const op ops[] = {
        {.entry = HANDLE, .run = 0, .what = SEND_GAS, .slot = 0, .gas = 1000, .id = silent},
        {.entry = HANDLE, .run = 0, .what = SEND_GAS, .slot = 1, .gas = 1000, .id = silent},
        {.entry = HANDLE, .run = 0, .what = WAIT},
        {.entry = ON_REPLY, .run = 0, .what = WAKE, .slot = 2, .id = message},
    };
    const mr_id program = scripted_make(&s, ops, COUNT(ops));
    assert_same_id(scripted_send(&s, &program, 10000, NULL, 0), message);
    /* Waits with 7000. The first reply draws 1000 and wakes it: it is behind the second reply,
     * which may draw all 6000 of it and takes 1000. It goes on with 5000. */
    expect_receipt(&s, 3, MR_KIND_REPLY, MR_OUTCOME_OK, 7000 - 10, 1000);
    expect_receipt(&s, 4, MR_KIND_REPLY, MR_OUTCOME_OK, 6000, 1000);
    expect_receipt(&s, 5, MR_KIND_HANDLE, MR_OUTCOME_OK, 5000, 1000);
    assert_same_id(s.block->receipts[5].message, message);
    assert_same_id(s.block->receipts[5].parent, s.block->receipts[3].message);
    expect_block(&s, 6, 0, 4000);
    assert_int_equal(tasks_count(&s), 0);
    scripted_close(&s);
}

/* What would make it more than the block's gas does not go home, though waking it costs rent. */
static void gas_goes_home_before_the_message_is_woken(void **state)
{
    (void)state;
    enum { LIMIT = 20000, BLOCKS = 3 };
    scripted s;
    scripted_open(&s);
    const mr_id waits = mr_id_of_user_message(height(&s) + 2, &s.alice, 0);
    const op ops[] = {
        {.entry = HANDLE, .run = 0, .what = SEND_GAS, .slot = 1, .gas = 700, .id = s.alice},
        {.entry = HANDLE, .run = 0, .what = WAIT},
        {.entry = ON_REPLY, .run = 0, .what = WAKE, .slot = 2, .id = waits},
    };
    const mr_id program = scripted_make(&s, ops, COUNT(ops));
    assert_same_id(scripted_send(&s, &program, 5000, NULL, 0), waits);
    scripted_until(&s, height(&s) + BLOCKS - 1);
    assert_int_equal(only_waiting(&s).gas, 3300);
    s.params.gas_limit = LIMIT;
    const mr_id letter = only_letter(&s).message;
    const mr_transaction reply = take_letter(MR_TRANSACTION_REPLY, &s.alice, &letter, LIMIT);
    (void)scripted_block(&s, &reply, 1);
    expect_receipt(&s, 0, MR_KIND_REPLY, MR_OUTCOME_OK, LIMIT, 1000);
    assert_int_equal(s.block->info.queue_count, 1);
    assert_int_equal(s.block->queue[0].gas_limit, LIMIT - BLOCKS * RENT);
    /* Of the letter's gas the rest, and of the reply's what was no room for. */
    expect_block(&s, 1, 2 * BLOCKS * RENT, 700 - BLOCKS * RENT + 3300 - 1000);
    s.params.gas_limit = 0;
    scripted_close(&s);
}

static void handles_go_on_counting_and_value_is_brought_once(void **state)
{
    (void)state;
    scripted s;
    scripted_open(&s);
    const mr_id silent = scripted_make_silent(&s);
    const op ops[] = {
        {.entry = HANDLE, .run = ANY_RUN, .what = SEND_GAS, .slot = 0, .gas = 1000, .id = silent},
        {.entry = HANDLE, .run = 0, .what = WAIT_FOR, .n = 1},
        {.entry = HANDLE, .run = 1, .what = PANIC},
    };
    const mr_id program = scripted_make(&s, ops, COUNT(ops));
    mr_transaction send = scripted_message(&s, &program, 20000, NULL, 0);
    send.value = 7;
    (void)scripted_block(&s, &send, 1);
    const mr_id message = s.block->transactions[0].id;
    assert_int_equal(scripted_program(&s, &program).balance, 7);
    assert_same_id(s.block->receipts[1].message, mr_id_of_outgoing(&message, 0));
    scripted_until(&s, height(&s) + 1);
    /* It waited with 18000, of which the reply drew 1000. The failure sends nothing of what its run
     * sent, and the value stays. */
    expect_receipt(&s, 0, MR_KIND_HANDLE, MR_OUTCOME_PANIC, 17000 - 10, 1000);
    expect_reply(&s, 0, 1, 0, 3);
    assert_int_equal(s.block->user_messages[0].value, 0);
    assert_int_equal(scripted_program(&s, &program).balance, 7);

    const op again[] = {
        {.entry = HANDLE, .run = ANY_RUN, .what = SEND_GAS, .slot = 0, .gas = 1000, .id = silent},
        {.entry = HANDLE, .run = 1, .what = WAIT_FOR, .n = 1},
        {.entry = HANDLE, .run = 2, .what = WAIT_FOR, .n = 1},
    };
    const mr_id second = scripted_send(&s, &program, 20000, again, 3);
    scripted_until(&s, height(&s) + 1);
    assert_same_id(s.block->receipts[1].message, mr_id_of_outgoing(&second, 1));
    scripted_until(&s, height(&s) + 1);
    assert_same_id(s.block->receipts[1].message, mr_id_of_outgoing(&second, 2));
    scripted_close(&s);
}

static void only_messages_of_the_same_program_are_woken_and_late_wakes_are_tasks(void **state)
{
    (void)state;
    scripted s;
    scripted_open(&s);
    const op wait[] = {{.entry = HANDLE, .run = 0, .what = WAIT}};
    const mr_id program = scripted_make(&s, wait, 1);
    const mr_id other = scripted_make(&s, NULL, 0);
    const mr_id message = scripted_send(&s, &program, 3000, NULL, 0);
    const uint32_t since = height(&s);
    const op wake[] = {{.entry = HANDLE, .run = ANY_RUN, .what = WAKE, .id = message}};
    (void)scripted_send(&s, &other, 3000, wake, 1);
    expect_receipt(&s, 0, MR_KIND_HANDLE, MR_OUTCOME_OK, 3000, 1000);
    assert_int_equal(only_waiting(&s).gas, 2000);

    const op late[] = {{.entry = HANDLE, .run = ANY_RUN, .what = WAKE, .n = 4, .id = message}};
    (void)scripted_send(&s, &program, 3000, late, 1);
    expect_block(&s, 1, 4 * 10, 2000 - 40);
    assert_int_equal(tasks_count(&s), 2);
    const uint32_t due = height(&s) + 4;
    scripted_until(&s, due);
    assert_int_equal(s.block->info.tasks_count, 1);
    expect_receipt(&s, 0, MR_KIND_HANDLE, MR_OUTCOME_OK, 2000 - 10 * (due - since), 1000);
    assert_int_equal(tasks_count(&s), 0);

    const op short_of[] = {{.entry = HANDLE, .run = ANY_RUN, .what = WAKE, .n = 4, .slot = 3}};
    (void)scripted_send(&s, &program, 1039, short_of, 1);
    assert_int_equal(scripted_code(&s, &program, 3), 100);
    scripted_close(&s);
}

/* ---- Signals ---- */

static void a_message_that_fails_after_it_waited_signals_on_its_system_reservation(void **state)
{
    (void)state;
    scripted s;
    scripted_open(&s);
    const op ops[] = {
        {.entry = HANDLE, .run = 0, .what = SYSTEM, .gas = 2000},
        {.entry = HANDLE, .run = 0, .what = WAIT_FOR, .n = 1},
        {.entry = HANDLE, .run = 1, .what = UNREACHABLE},
        {.entry = ON_SIGNAL, .run = 0, .what = TELL_SIGNAL, .slot = 2},
    };
    const mr_id program = scripted_make(&s, ops, COUNT(ops));
    const mr_id message = scripted_send(&s, &program, 5000, NULL, 0);
    assert_int_equal(only_waiting(&s).gas, 2000);
    assert_int_equal(only_waiting(&s).system_gas, 2000);
    assert_int_equal(s.block->gas_held, 4000);
    scripted_until(&s, height(&s) + 1);
    expect_receipt(&s, 0, MR_KIND_HANDLE, MR_OUTCOME_TRAP, 1990, 1000);
    assert_int_equal(s.block->receipts[0].sent, 2);
    expect_receipt(&s, 1, MR_KIND_SIGNAL, MR_OUTCOME_OK, 2000, 1000);
    assert_same_id(s.block->receipts[1].message, mr_id_of_signal(&message));
    assert_same_id(s.block->receipts[1].source, mr_id_system);
    assert_same_id(s.block->receipts[1].program, program);
    assert_int_equal(scripted_answer(&s, &program, 2), 104);
    expect_block(&s, 2, 10, 990 + 1000);
    scripted_close(&s);
}

/* Gas comes home to what waits, so it can reserve more than it has ever had at once. */
static void a_system_reservation_has_2_to_the_62_at_most(void **state)
{
    (void)state;
    scripted s;
    scripted_open(&s);
    const uint64_t most = (uint64_t)1 << 62;
    const op ops[] = {
        {.entry = HANDLE, .run = 0, .what = SEND_GAS, .slot = 1, .gas = 700, .id = s.alice},
        {.entry = HANDLE, .run = 0, .what = SYSTEM, .slot = 2, .gas = most - 5000},
        {.entry = HANDLE, .run = 0, .what = WAIT_FOR, .n = 2},
        {.entry = HANDLE, .run = 1, .what = SYSTEM, .slot = 3, .gas = 5001},
        {.entry = HANDLE, .run = 1, .what = SYSTEM, .slot = 4, .gas = 4000},
        {.entry = HANDLE, .run = 1, .what = SYSTEM, .slot = 5, .gas = 1001},
        {.entry = HANDLE, .run = 1, .what = SYSTEM, .slot = 6, .gas = 1000},
        {.entry = HANDLE, .run = 1, .what = SYSTEM, .slot = 7, .gas = 1},
        {.entry = HANDLE, .run = 1, .what = WAIT_FOR, .n = 1},
        {.entry = HANDLE, .run = 2, .what = UNREACHABLE},
    };
    const mr_id program = scripted_make(&s, ops, COUNT(ops));
    (void)scripted_send(&s, &program, most, NULL, 0);
    const uint32_t since = height(&s);
    assert_int_equal(only_waiting(&s).system_gas, most - 5000);
    const mr_id letter = only_letter(&s).message;
    const mr_transaction reply = take_letter(MR_TRANSACTION_REPLY, &s.alice, &letter, most);
    (void)scripted_block(&s, &reply, 1);
    assert_int_equal(only_waiting(&s).gas, most);
    scripted_until(&s, since + 2);
    static const uint32_t codes[] = {0, 100, 0, 100, 0, 100};
    for (unsigned i = 0; i < COUNT(codes); i++)
        assert_int_equal(scripted_code(&s, &program, 2 + i), codes[i]);
    assert_int_equal(only_waiting(&s).system_gas, most);
    scripted_until(&s, since + 3);
    expect_receipt(&s, 1, MR_KIND_SIGNAL, MR_OUTCOME_OK, most, 1000);
    scripted_close(&s);
}

static void a_removed_message_signals_too_and_a_success_gives_the_reservation_back(void **state)
{
    (void)state;
    scripted s;
    scripted_open(&s);
    const op tell[] = {{.entry = ON_SIGNAL, .run = 0, .what = TELL_SIGNAL, .slot = 2}};
    const mr_id program = scripted_make(&s, tell, 1);
    const op ops[] = {
        {.entry = HANDLE, .run = ANY_RUN, .what = SYSTEM, .gas = 1700},
        {.entry = HANDLE, .run = ANY_RUN, .what = WAIT},
    };
    (void)scripted_send(&s, &program, 1000 + 1700 + 25, ops, 2);
    scripted_until(&s, height(&s) + 2);
    expect_receipt(&s, 0, MR_KIND_HANDLE, MR_OUTCOME_REMOVED, 5, 0);
    expect_receipt(&s, 1, MR_KIND_SIGNAL, MR_OUTCOME_OK, 1700, 1000);
    expect_block(&s, 2, 20, 5 + 700);
    assert_int_equal(scripted_answer(&s, &program, 2), 200);

    (void)scripted_send(&s, &program, 5000, ops, 1);
    expect_block(&s, 1, 0, 4000);
    const op once[] = {
        ops[0],
        {.entry = HANDLE,
         .height = (uint8_t)(height(&s) + 1),
         .run = ANY_RUN,
         .what = WAIT_FOR,
         .n = 1},
    };
    (void)scripted_send(&s, &program, 9000, once, 2);
    scripted_until(&s, height(&s) + 1);
    /* 6300 - 10 wait; the second run reserves once more, and all of it is left. */
    expect_receipt(&s, 0, MR_KIND_HANDLE, MR_OUTCOME_OK, 6290, 1000);
    expect_block(&s, 1, 10, 5290 + 1700);
    scripted_close(&s);
}

static void a_woken_message_with_too_little_gas_to_begin_signals(void **state)
{
    (void)state;
    scripted s;
    scripted_open(&s);
    const mr_id program = scripted_make(&s, NULL, 0);
    const op ops[] = {
        {.entry = HANDLE, .run = ANY_RUN, .what = SYSTEM, .gas = 1700},
        {.entry = HANDLE, .run = ANY_RUN, .what = WAIT_FOR, .n = 1},
    };
    (void)scripted_send(&s, &program, 1000 + 1700 + 25, ops, 2);
    scripted_until(&s, height(&s) + 1);
    expect_receipt(&s, 0, MR_KIND_HANDLE, MR_OUTCOME_OUT_OF_GAS, 15, 15);
    expect_receipt(&s, 1, MR_KIND_SIGNAL, MR_OUTCOME_OK, 1700, 1000);
    scripted_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_that_waits_for_blocks_is_woken_at_its_wish),
        cmocka_unit_test(a_message_whose_gas_runs_out_while_it_waits_is_removed),
        cmocka_unit_test(waiting_is_out_of_gas_when_its_rent_is_not_covered),
        cmocka_unit_test(a_message_that_waits_cannot_have_replied_nor_wait_for_nothing),
        cmocka_unit_test(a_message_that_waits_keeps_a_64th_and_replies_bring_gas_home),
        cmocka_unit_test(a_reply_without_gas_draws_on_the_message_it_belongs_to),
        cmocka_unit_test(a_reply_wakes_its_message_and_may_draw_all_of_one_that_was_woken),
        cmocka_unit_test(gas_goes_home_before_the_message_is_woken),
        cmocka_unit_test(handles_go_on_counting_and_value_is_brought_once),
        cmocka_unit_test(only_messages_of_the_same_program_are_woken_and_late_wakes_are_tasks),
        cmocka_unit_test(a_message_that_fails_after_it_waited_signals_on_its_system_reservation),
        cmocka_unit_test(a_system_reservation_has_2_to_the_62_at_most),
        cmocka_unit_test(a_removed_message_signals_too_and_a_success_gives_the_reservation_back),
        cmocka_unit_test(a_woken_message_with_too_little_gas_to_begin_signals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
