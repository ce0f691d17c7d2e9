/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: numbered accepts exactly the sequences in order, and counts what it sends across failures;
 * a test program that accepted anything would test nothing. */
#include "tools/guest/examples/numbered.c"

#include "tests/guest/programs.h"

static int setup(void **state_)
{
    (void)state_;
    host_reset();
    HOST_STATE(own_number);
    HOST_STATE(senders_max);
    HOST_STATE(peers_count);
    HOST_STATE(last);
    HOST_STATE(sent);
    HOST_STATE(peers);
    struct GEAR_PACKED {
        uint32_t own_number, senders_max;
        gear_id peers[2];
    } options = {1, 3, {host_id(50), host_id(51)}};
    assert_runs(init, host_id(0), &options, sizeof options);
    return 0;
}

static host_outcome receive(uint32_t sender, uint64_t sequence, uint8_t hops)
{
    const numbered_message m = {NUMBERED, sender, sequence, hops};
    return send_bytes(handle, host_id(40 + sender), &m, sizeof m);
}

static void expect_answer(uint8_t kind, uint32_t index, uint64_t answer)
{
    message m = {0};
    m.question.kind = kind;
    m.question.index = index;
    assert_runs(handle, host_id(0), &m, sizeof m.question);
    assert_bytes(host_reply, &answer, sizeof answer);
}

static void only_the_next_number_of_each_sender_is_accepted(void **state_)
{
    (void)state_;
    assert_int_equal(receive(0, 0, 0), HOST_PANIC);
    assert_string_equal(host_text, "numbered: out of order");
    assert_int_equal(receive(0, 2, 0), HOST_PANIC);
    assert_int_equal(receive(0, 1, 0), HOST_OK);
    assert_int_equal(receive(0, 1, 0), HOST_PANIC);
    assert_int_equal(receive(2, 1, 0), HOST_OK);
    assert_int_equal(receive(0, 2, 0), HOST_OK);
    assert_int_equal(receive(3, 1, 0), HOST_PANIC);
    assert_string_equal(host_text, "numbered: malformed message");
    expect_answer(LAST, 0, 2);
    expect_answer(LAST, 1, 0);
    expect_answer(LAST, 2, 1);
}

static void expect_sent(uint32_t index, uint32_t to, uint64_t sequence, uint8_t hops)
{
    const numbered_message m = {NUMBERED, 1, sequence, hops};
    assert_true(gear_id_equal(&host_outbox[index].to, &(gear_id[]){host_id(to)}[0]));
    assert_bytes(host_outbox[index].payload, &m, sizeof m);
}

static void sequences_go_on_where_a_failed_dispatch_never_was(void **state_)
{
    (void)state_;
    message m = {0};
    m.send.kind = SEND;
    m.send.k = 2;
    m.send.hops = 9;
    assert_runs(handle, host_id(0), &m, sizeof m.send);
    assert_int_equal(host_outbox_count, 4);
    expect_sent(0, 50, 1, 9);
    expect_sent(1, 51, 1, 9);
    expect_sent(2, 50, 2, 9);
    expect_sent(3, 51, 2, 9);
    m.send.fail = 1;
    assert_panics(handle, host_id(0), &m, sizeof m.send, "numbered: told to fail");
    assert_int_equal(host_outbox_count, 0);
    m.send.fail = 0;
    assert_runs(handle, host_id(0), &m, sizeof m.send);
    expect_sent(0, 50, 3, 9);
    expect_answer(SENT, 1, 4);
    m.send.k = 513;
    assert_panics(handle, host_id(0), &m, sizeof m.send, "error 301");
    expect_answer(SENT, 1, 4);
}

static void hops_count_down_and_stop_at_zero(void **state_)
{
    (void)state_;
    assert_int_equal(receive(0, 1, 2), HOST_OK);
    assert_int_equal(host_outbox_count, 2);
    expect_sent(0, 50, 1, 1);
    expect_sent(1, 51, 1, 1);
    assert_int_equal(receive(0, 2, 0), HOST_OK);
    assert_int_equal(host_outbox_count, 0);
}

static void malformed_messages_panic(void **state_)
{
    (void)state_;
    const uint32_t sizes[] = {14, 7, 5, 5};
    const uint8_t zeros[64] = {0};
    for (uint8_t kind = 0; kind < 5; kind++) {
        uint8_t bytes[64] = {kind};
        for (uint32_t size = 1; size <= sizeof(message); size++) {
            if (kind == 4 || size != sizes[kind])
                assert_panics(handle, host_id(0), bytes, size, "numbered: malformed message");
        }
    }
    assert_panics(handle, host_id(0), ((const uint8_t[]){SEND, 0, 0, 0, 0, 0, 2}), 7,
                  "numbered: malformed message");
    assert_panics(handle, host_id(0), ((const uint8_t[]){SENT, 2, 0, 0, 0}), 5,
                  "numbered: malformed message");
    assert_panics(init, host_id(0), zeros, 8, "numbered: malformed init");
    assert_panics(init, host_id(0), zeros, 7, "numbered: malformed init");
    assert_panics(init, host_id(0), ((const uint8_t[]){0, 0, 0, 0, 1, 0, 0, 0, 0}), 9,
                  "numbered: malformed init");
    assert_panics(init, host_id(0), ((const uint8_t[]){0, 0, 0, 0, 1, 0, 1, 0}), 8,
                  "numbered: malformed init");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(only_the_next_number_of_each_sender_is_accepted, setup),
        cmocka_unit_test_setup(sequences_go_on_where_a_failed_dispatch_never_was, setup),
        cmocka_unit_test_setup(hops_count_down_and_stop_at_zero, setup),
        cmocka_unit_test_setup(malformed_messages_panic, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
