/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: async adds up what it is told, all at once or in turn, and fails when one does. */
#include "tools/guest/examples/async.c"

#include "tests/guest/programs.h"

static int setup(void **state_)
{
    (void)state_;
    host_reset();
    HOST_STATE(number);
    HOST_STATE(peers_count);
    HOST_STATE(peers);
    return 0;
}

static void begin_with(uint32_t count)
{
    struct GEAR_PACKED {
        uint64_t number;
        gear_id peers[PEERS_MAX + 1];
    } text = {1000, {{{0}}}};
    for (uint32_t i = 0; i <= PEERS_MAX; i++)
        text.peers[i] = host_id(50 + i);
    assert_runs(init, host_id(0), &text, 8 + count * sizeof(gear_id));
}

static void answer(gear_id sent, uint64_t part)
{
    assert_int_equal(reply_bytes(handle_reply, sent, GEAR_CODE_REPLY, &part, sizeof part), HOST_OK);
}

static void assert_replied(uint64_t total)
{
    assert_bytes(host_reply, &total, sizeof total);
    assert_int_equal(host_waiting_count, 0);
    assert_int_equal(gear_async_.count, 0);
}

static void alone_it_replies_at_once(void **state_)
{
    (void)state_;
    begin_with(0);
    for (uint8_t how = ALL_AT_ONCE; how <= IN_TURN; how++) {
        assert_runs(handle, host_id(1), &how, 1);
        assert_replied(1000);
    }
}

static void it_asks_all_at_once(void **state_)
{
    (void)state_;
    begin_with(3);
    assert_waits(handle, host_id(1), "\0", 1);
    assert_int_equal(host_outbox_count, 3);
    gear_id sent[3];
    for (uint32_t i = 0; i < 3; i++) {
        sent[i] = host_outbox[i].id;
        assert_ids_equal(host_outbox[i].to, host_id(50 + i));
        assert_bytes(host_outbox[i].payload, "\0", 1);
        assert_true(host_outbox[i].has_gas);
        assert_int_equal(host_outbox[i].gas, (host_gas - gas_kept) / 3);
    }
    answer(sent[2], 1);
    answer(sent[0], 20);
    assert_nobody_is_woken();
    answer(sent[1], 300);
    assert_int_equal(run_woken(), HOST_OK);
    assert_replied(1321);
}

static void it_asks_one_after_the_other(void **state_)
{
    (void)state_;
    begin_with(PEERS_MAX);
    assert_waits(handle, host_id(1), "\1", 1);
    for (uint32_t i = 0; i < PEERS_MAX; i++) {
        assert_int_equal(host_outbox_count, 1);
        assert_ids_equal(host_outbox[0].to, host_id(50 + i));
        answer(host_outbox[0].id, 1);
        assert_int_equal(run_woken(), i < PEERS_MAX - 1 ? HOST_WAITING : HOST_OK);
    }
    assert_replied(1000 + PEERS_MAX);
}

static void failures_and_silence_are_told_apart(void **state_)
{
    (void)state_;
    begin_with(1);
    assert_waits(handle, host_id(1), "\1", 1);
    assert_int_equal(reply_bytes(handle_reply, host_outbox[0].id, GEAR_CODE_PANIC, "no", 2),
                     HOST_OK);
    assert_int_equal(run_woken(), HOST_PANIC);
    assert_string_equal(host_text, "async: one failed");
    assert_waits(handle, host_id(1), "\1", 1);
    for (uint32_t i = 0; i < BLOCKS; i++)
        host_next_block();
    assert_int_equal(run_woken(), HOST_PANIC);
    assert_string_equal(host_text, "async: no answer");
}

static void nonsense_is_refused(void **state_)
{
    (void)state_;
    static const uint8_t zeros[8 + (PEERS_MAX + 1) * sizeof(gear_id)];
    assert_panics(init, host_id(0), zeros, 7, "async: malformed");
    assert_panics(init, host_id(0), zeros, 9, "async: malformed");
    assert_panics(init, host_id(0), zeros, sizeof zeros, "async: malformed");
    begin_with(1);
    assert_panics(handle, host_id(1), "", 0, "async: malformed");
    assert_panics(handle, host_id(1), "\2", 1, "async: malformed");
    host_gas = gas_kept;
    assert_panics(handle, host_id(1), "\0", 1, "async: too little gas");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(alone_it_replies_at_once, setup),
        cmocka_unit_test_setup(it_asks_all_at_once, setup),
        cmocka_unit_test_setup(it_asks_one_after_the_other, setup),
        cmocka_unit_test_setup(failures_and_silence_are_told_apart, setup),
        cmocka_unit_test_setup(nonsense_is_refused, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
