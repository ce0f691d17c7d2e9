/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: a handler that awaits goes on where it waited, once, with the answer, whatever other
 * messages do meanwhile, and holds nothing when it is over. Method: a program that asks and awaits
 * as its message says, and logs every step it does. */
#include "tools/guest/gear_async.h"

#include "tests/guest/programs.h"

enum { STEPS_MAX = 256, ANSWERS_MAX = 8, BLOCKS = 5 };

/* What it did: a letter for each thing. State, so that failures undo it. */
static char steps[STEPS_MAX];
static uint32_t steps_count;

typedef struct frame {
    gear_answer *answers[ANSWERS_MAX];
    uint32_t i;
    char way;
    char name;
} frame;

static void step(char letter)
{
    gear_require(steps_count < STEPS_MAX - 1, "too many steps");
    steps[steps_count++] = letter;
}

static gear_answer *ask(char letter)
{
    step(letter);
    const gear_id to = host_id((uint32_t)letter);
    return gear_ask_gas(&to, &letter, 1, 1000, 0);
}

GEAR_ASYNC

static void wait_wrongly(gear_task_ *gear_task_here_, frame *my)
{
    GEAR_BEGIN;
    switch (my->way) {
    default:
        my->answers[0] = ask('x');
        GEAR_AWAIT(my->answers[0], BLOCKS);
    }
    GEAR_END;
}

/* "1": asks, awaits, says so. "2": asks two at once, awaits the second, then the first. "l": three
 * times in a loop. "a": asks three, awaits all. "s": sleeps. "f": fails behind an await. "r":
 * returns before its end. "0": does not wait. "w": an await inside a switch. */
GEAR_ASYNC_HANDLE(frame, my)
{
    char text[2];
    uint32_t size = gear_payload(text, sizeof text);
    step('(');
    if (text[0] == 'w') {
        wait_wrongly(gear_task_here_, my);
        return;
    }
    GEAR_BEGIN;
    gear_require(size == 2, "no name");
    my->way = text[0];
    my->name = text[1];
    if (my->way == '0') {
        my->answers[0] = ask('a');
        GEAR_AWAIT(my->answers[0], 0);
        step(my->answers[0]->arrived ? '+' : '-');
    }
    if (my->way == '1' || my->way == 'f' || my->way == 'r') {
        my->answers[0] = ask('a');
        GEAR_AWAIT(my->answers[0], BLOCKS);
        step(gear_answered(my->answers[0]) ? '+' : my->answers[0]->arrived ? '!' : '-');
        if (my->way == 'r')
            return;
        gear_require(my->way != 'f', "told to fail");
    }
    if (my->way == '2') {
        my->answers[0] = ask('a');
        my->answers[1] = ask('b');
        GEAR_AWAIT(my->answers[1], BLOCKS);
        step('2');
        GEAR_AWAIT(my->answers[0], BLOCKS);
        step('1');
    }
    if (my->way == 'l') {
        for (my->i = 0; my->i < 3; my->i++) {
            my->answers[0] = ask((char)('a' + my->i));
            GEAR_AWAIT(my->answers[0], BLOCKS);
            step((char)('0' + my->i));
        }
    }
    if (my->way == 'a') {
        for (my->i = 0; my->i < 3; my->i++)
            my->answers[my->i] = ask((char)('a' + my->i));
        GEAR_AWAIT_ALL(BLOCKS);
        for (my->i = 0; my->i < 3; my->i++)
            step(my->answers[my->i]->arrived ? '+' : '-');
    }
    if (my->way == 's') {
        GEAR_SLEEP(3);
        step('z');
    }
    step(my->name);
    if (my->answers[0] != NULL && my->answers[0]->arrived)
        gear_reply(my->answers[0]->bytes, my->answers[0]->size);
    GEAR_END;
    step(')');
}

static int setup(void **state_)
{
    (void)state_;
    host_reset();
    HOST_STATE(steps);
    HOST_STATE(steps_count);
    return 0;
}

static void begin(const char *text)
{
    assert_waits(handle, host_id(1), text, strlen(text));
}

static void answer(gear_id sent, const char *text)
{
    assert_int_equal(reply_bytes(handle_reply, sent, GEAR_CODE_REPLY, text, strlen(text)), HOST_OK);
}

/* Nothing waits, and everything that was taken has been given back. */
static void assert_nothing_is_held(void)
{
    assert_int_equal(host_waiting_count, 0);
    assert_int_equal(gear_async_.count, 0);
    assert_null(gear_async_.current);
}

static void it_goes_on_behind_the_await_with_the_answer(void **state_)
{
    (void)state_;
    begin("1N");
    assert_string_equal(steps, "(a");
    assert_int_equal(host_outbox_count, 1);
    assert_int_equal(host_system_gas, GEAR_ASYNC_SIGNAL_GAS);
    const gear_id sent = host_outbox[0].id;
    assert_nobody_is_woken();
    answer(sent, "hello");
    assert_int_equal(host_wakes_count, 1);
    assert_int_equal(run_woken(), HOST_OK);
    assert_string_equal(steps, "(a(+N)");
    assert_int_equal(host_outbox_count, 0);
    assert_int_equal(host_system_gas, 0);
    assert_bytes(host_reply, "hello", 5);
    assert_nothing_is_held();
}

static void failures_are_answers_with_their_code(void **state_)
{
    (void)state_;
    begin("1N");
    const gear_id sent = host_outbox[0].id;
    assert_int_equal(reply_bytes(handle_reply, sent, GEAR_CODE_PANIC, "bad", 3), HOST_OK);
    assert_int_equal(run_woken(), HOST_OK);
    assert_string_equal(steps, "(a(!N)");
    assert_bytes(host_reply, "bad", 3);
}

static void silence_ends_when_its_time_is_over(void **state_)
{
    (void)state_;
    begin("1N");
    const gear_id sent = host_outbox[0].id;
    for (uint32_t i = 1; i < BLOCKS; i++) {
        host_next_block();
        assert_nobody_is_woken();
    }
    host_next_block();
    assert_int_equal(run_woken(), HOST_OK);
    assert_string_equal(steps, "(a(-N)");
    assert_nothing_is_held();
    answer(sent, "too late");
    assert_int_equal(host_wakes_count, 0);
    assert_nothing_is_held();
}

static gear_id by_hand;

static void wake_by_hand(void)
{
    gear_wake(&by_hand);
}

static void two_are_awaited_in_any_order(void **state_)
{
    (void)state_;
    begin("2N");
    const gear_id first = host_outbox[0].id, second = host_outbox[1].id;
    answer(first, "1");
    assert_nobody_is_woken();
    answer(second, "2");
    assert_int_equal(run_woken(), HOST_OK);
    assert_string_equal(steps, "(ab(21N)");
    assert_nothing_is_held();
}

static void being_woken_in_vain_does_not_prolong_it(void **state_)
{
    (void)state_;
    begin("1N");
    by_hand = host_message_id;
    for (uint32_t i = 1; i < BLOCKS; i++) {
        host_next_block();
        assert_runs(wake_by_hand, host_id(1), "", 0);
        assert_int_equal(run_woken(), HOST_WAITING);
        assert_int_equal(host_system_gas, 0); /* reserved once */
    }
    host_next_block();
    assert_int_equal(run_woken(), HOST_OK);
    assert_string_equal(steps, "(a(((((-N)");
    assert_nothing_is_held();
}

static void awaits_in_a_loop_are_awaits_of_their_own(void **state_)
{
    (void)state_;
    begin("lN");
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(host_outbox_count, 1);
        answer(host_outbox[0].id, "so");
        assert_int_equal(run_woken(), i < 2 ? HOST_WAITING : HOST_OK);
    }
    assert_string_equal(steps, "(a(0b(1c(2N)");
    assert_nothing_is_held();
}

static void all_are_awaited_and_it_is_woken_once(void **state_)
{
    (void)state_;
    begin("aN");
    const gear_id sent[3] = {host_outbox[0].id, host_outbox[1].id, host_outbox[2].id};
    answer(sent[1], "b");
    assert_nobody_is_woken();
    answer(sent[0], "a");
    answer(sent[0], "twice");
    assert_nobody_is_woken();
    answer(sent[2], "c");
    assert_int_equal(run_woken(), HOST_OK);
    assert_nobody_is_woken();
    assert_string_equal(steps, "(abc(+++N)");
    assert_bytes(host_reply, "a", 1);
    assert_nothing_is_held();
}

static void of_all_those_that_came_in_time_are_there(void **state_)
{
    (void)state_;
    begin("aN");
    answer(host_outbox[1].id, "b");
    for (uint32_t i = 0; i < BLOCKS; i++)
        host_next_block();
    assert_int_equal(run_woken(), HOST_OK);
    assert_string_equal(steps, "(abc(-+-N)");
    assert_nothing_is_held();
}

static void sleeping_is_for_so_many_blocks(void **state_)
{
    (void)state_;
    begin("sN");
    host_next_block();
    host_next_block();
    assert_nobody_is_woken();
    host_next_block();
    assert_int_equal(run_woken(), HOST_OK);
    assert_string_equal(steps, "((zN)");
    assert_nothing_is_held();
}

static void waiting_for_no_block_is_looking(void **state_)
{
    (void)state_;
    assert_runs(handle, host_id(1), "0N", 2);
    assert_string_equal(steps, "(a-N)");
    assert_nothing_is_held();
}

static void many_wait_at_once_and_each_gets_its_own(void **state_)
{
    (void)state_;
    enum { MANY = 100 };
    gear_id sent[MANY];
    char text[3] = "1?";
    for (uint32_t i = 0; i < MANY; i++) {
        text[1] = (char)('A' + i % 26);
        begin(text);
        sent[i] = host_outbox[0].id;
    }
    assert_int_equal(gear_async_.count, 2 * MANY);
    for (uint32_t n = 0; n < MANY; n++) {
        const uint32_t i = n * 37 % MANY;
        steps_count = 0;
        memset(steps, 0, sizeof steps);
        text[1] = (char)i;
        assert_int_equal(reply_bytes(handle_reply, sent[i], GEAR_CODE_REPLY, text + 1, 1), HOST_OK);
        assert_int_equal(run_woken(), HOST_OK);
        assert_int_equal(steps[2], 'A' + i % 26);
        assert_bytes(host_reply, text + 1, 1);
    }
    assert_nothing_is_held();
}

static void memory_is_used_again(void **state_)
{
    (void)state_;
    static uint8_t large[5000];
    uintptr_t top = 0;
    for (uint32_t i = 0; i < 300; i++) {
        memset(large, (int)i, sizeof large);
        steps_count = 0;
        begin("1N");
        const gear_id sent = host_outbox[0].id;
        assert_int_equal(reply_bytes(handle_reply, sent, GEAR_CODE_REPLY, large, sizeof large),
                         HOST_OK);
        assert_int_equal(run_woken(), HOST_OK);
        assert_bytes(host_reply, large, sizeof large);
        if (i == 0)
            top = gear_heap_.top;
        assert_int_equal(gear_heap_.top, top);
    }
    assert_nothing_is_held();
}

static void who_fails_behind_an_await_is_cleaned_up_by_the_signal(void **state_)
{
    (void)state_;
    begin("fN");
    const gear_id message = host_message_id;
    answer(host_outbox[0].id, "a");
    assert_non_null(gear_async_find(&message));
    assert_int_equal(((frame *)gear_async_find(&message))->name, 'N');
    assert_int_equal(run_woken(), HOST_PANIC);
    assert_string_equal(steps, "(a");
    assert_int_equal(gear_async_.count, 2);
    assert_int_equal(signal_failure(handle_signal, host_id(4), GEAR_SIGNAL_PANIC), HOST_OK);
    assert_int_equal(gear_async_.count, 2);
    assert_int_equal(signal_failure(handle_signal, message, GEAR_SIGNAL_PANIC), HOST_OK);
    assert_nothing_is_held();
    assert_null(gear_async_find(&message));
}

static void who_is_removed_is_cleaned_up_and_its_answers_are_dropped(void **state_)
{
    (void)state_;
    begin("aN");
    const gear_id message = host_message_id, sent = host_outbox[2].id;
    answer(host_outbox[0].id, "a");
    host_remove(&message);
    assert_int_equal(signal_failure(handle_signal, message, GEAR_SIGNAL_REMOVED), HOST_OK);
    assert_nothing_is_held();
    answer(sent, "c");
    assert_int_equal(host_wakes_count, 0);
    assert_nothing_is_held();
}

static void who_fails_before_it_waits_leaves_nothing(void **state_)
{
    (void)state_;
    const uint32_t before = steps_count;
    assert_panics(handle, host_id(1), "1", 1, "no name");
    assert_int_equal(steps_count, before);
    assert_nothing_is_held();
}

static void a_return_ends_it(void **state_)
{
    (void)state_;
    begin("rN");
    answer(host_outbox[0].id, "a");
    assert_int_equal(run_woken(), HOST_OK);
    assert_string_equal(steps, "(a(+");
    assert_nothing_is_held();
}

static void an_await_inside_a_switch_panics(void **state_)
{
    (void)state_;
    begin("wN");
    answer(host_outbox[0].id, "a");
    assert_int_equal(run_woken(), HOST_PANIC);
    assert_string_equal(host_text, "an await inside a switch");
}

static void replies_nobody_awaits_are_ignored(void **state_)
{
    (void)state_;
    answer(host_id(7), "what");
    begin("1N");
    const gear_id message = host_message_id;
    answer(message, "to itself"); /* as if it had sent the message it handles */
    assert_int_equal(host_wakes_count, 0);
    assert_string_equal(steps, "(a");
}

/* Then the same id is that of an answer and of a task. */
static void a_program_may_ask_itself(void **state_)
{
    (void)state_;
    begin("1N");
    const gear_id sent = host_outbox[0].id;
    const host_message to_itself = {.id = sent, .payload = "1M", .size = 2};
    assert_int_equal(host_run(handle, &to_itself), HOST_WAITING);
    const gear_id sent_by_it = host_outbox[0].id;
    answer(sent_by_it, "inner");
    assert_int_equal(run_woken(), HOST_OK);
    assert_bytes(host_reply, "inner", 5);
    answer(sent, "outer");
    assert_int_equal(run_woken(), HOST_OK);
    assert_bytes(host_reply, "outer", 5);
    assert_string_equal(steps, "(a(a(+M)(+N)");
    assert_nothing_is_held();
}

static void expect_outside(void)
{
    (void)gear_expect(host_id(9));
}

static void nothing_is_expected_outside_of_such_a_handler(void **state_)
{
    (void)state_;
    assert_panics(expect_outside, host_id(1), "", 0, "nothing to answer to");
    begin("1N");
    assert_panics(expect_outside, host_id(1), "", 0, "nothing to answer to");
    assert_runs(handle, host_id(1), "0N", 2);
    assert_panics(expect_outside, host_id(1), "", 0, "nothing to answer to");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(it_goes_on_behind_the_await_with_the_answer, setup),
        cmocka_unit_test_setup(failures_are_answers_with_their_code, setup),
        cmocka_unit_test_setup(silence_ends_when_its_time_is_over, setup),
        cmocka_unit_test_setup(two_are_awaited_in_any_order, setup),
        cmocka_unit_test_setup(being_woken_in_vain_does_not_prolong_it, setup),
        cmocka_unit_test_setup(awaits_in_a_loop_are_awaits_of_their_own, setup),
        cmocka_unit_test_setup(all_are_awaited_and_it_is_woken_once, setup),
        cmocka_unit_test_setup(of_all_those_that_came_in_time_are_there, setup),
        cmocka_unit_test_setup(sleeping_is_for_so_many_blocks, setup),
        cmocka_unit_test_setup(waiting_for_no_block_is_looking, setup),
        cmocka_unit_test_setup(many_wait_at_once_and_each_gets_its_own, setup),
        cmocka_unit_test_setup(memory_is_used_again, setup),
        cmocka_unit_test_setup(who_fails_behind_an_await_is_cleaned_up_by_the_signal, setup),
        cmocka_unit_test_setup(who_is_removed_is_cleaned_up_and_its_answers_are_dropped, setup),
        cmocka_unit_test_setup(who_fails_before_it_waits_leaves_nothing, setup),
        cmocka_unit_test_setup(a_return_ends_it, setup),
        cmocka_unit_test_setup(an_await_inside_a_switch_panics, setup),
        cmocka_unit_test_setup(replies_nobody_awaits_are_ignored, setup),
        cmocka_unit_test_setup(a_program_may_ask_itself, setup),
        cmocka_unit_test_setup(nothing_is_expected_outside_of_such_a_handler, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
