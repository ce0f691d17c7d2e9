/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: reserve sends with the gas it kept, once and in time, and counts the failures it is told.
 */
#include "tools/guest/examples/reserve.c"

#include "tests/guest/programs.h"

static int setup(void **state_)
{
    (void)state_;
    host_reset();
    HOST_STATE(all);
    HOST_STATE(kept_count);
    HOST_STATE(failures);
    return 0;
}

static void keep_some(uint32_t who, uint64_t gas, uint32_t blocks)
{
    uint8_t text[13] = {KEEP};
    memcpy(text + 1, &gas, sizeof gas);
    memcpy(text + 9, &blocks, sizeof blocks);
    assert_runs(handle, host_id(who), text, sizeof text);
}

static void what_was_reserved_is_sent_to_who_reserved_it(void **state_)
{
    (void)state_;
    keep_some(5, 40000, 3);
    assert_bytes(host_reply, "\0\0\0\0", 4);
    keep_some(6, 50000, 3);
    assert_bytes(host_reply, "\1\0\0\0", 4);
    assert_runs(handle, host_id(1), "\1\1\0\0\0well", 9);
    assert_int_equal(host_outbox_count, 1);
    assert_ids_equal(host_outbox[0].to, host_id(6));
    assert_ids_equal(host_outbox[0].reservation, host_reservations[1].id);
    assert_int_equal(host_outbox[0].gas, 50000);
    assert_bytes(host_outbox[0].payload, "well", 4);
    assert_panics(handle, host_id(1), "\1\1\0\0\0well", 9, "error 500");
    assert_runs(handle, host_id(1), "\1\0\0\0\0", 5);
    assert_ids_equal(host_outbox[0].to, host_id(5));
}

static void a_reservation_ends_with_its_blocks_or_before(void **state_)
{
    (void)state_;
    keep_some(5, 40000, 2);
    keep_some(5, 60000, 2);
    assert_runs(handle, host_id(1), "\2\0\0\0\0", 5);
    const uint64_t gas = 40000;
    assert_bytes(host_reply, &gas, sizeof gas);
    assert_panics(handle, host_id(1), "\1\0\0\0\0", 5, "error 500");
    host_next_block();
    host_next_block();
    assert_panics(handle, host_id(1), "\1\1\0\0\0", 5, "error 500");
    assert_panics(handle, host_id(1), "\2\1\0\0\0", 5, "error 500");
}

static void failures_are_counted(void **state_)
{
    (void)state_;
    const uint8_t fail_text[9] = {FAIL, 0, 0, 1};
    assert_panics(handle, host_id(1), fail_text, sizeof fail_text, "reserve: told to fail");
    assert_int_equal(host_system_gas, 65536);
    assert_int_equal(signal_failure(handle_signal, host_message_id, GEAR_SIGNAL_PANIC), HOST_OK);
    assert_int_equal(signal_failure(handle_signal, host_id(3), GEAR_SIGNAL_OUT_OF_GAS), HOST_OK);
    assert_runs(handle, host_id(1), "\4", 1);
    assert_bytes(host_reply, "\2\0\0\0\145\0\0\0", 8);
}

static void nonsense_is_refused(void **state_)
{
    (void)state_;
    static const uint8_t long_text[5 + TEXT_BYTES_MAX + 1] = {SEND};
    static const char *const bad[] = {"", "\0ab", "\1", "\1\0\0\0", "\1\1\0\0\0", "\3x", "\5"};
    static const uint32_t sizes[] = {0, 3, 1, 4, 5, 2, 1};
    for (uint32_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        assert_panics(handle, host_id(1), bad[i], sizes[i], "reserve: malformed");
    keep_some(1, 1, 1);
    assert_panics(handle, host_id(1), long_text, sizeof long_text, "reserve: malformed");
    for (uint32_t i = 1; i < KEPT_MAX; i++)
        keep_some(1, 1, 1);
    assert_panics(handle, host_id(1),
                  "\0"
                  "12345678"
                  "1234",
                  13, "reserve: too many");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(what_was_reserved_is_sent_to_who_reserved_it, setup),
        cmocka_unit_test_setup(a_reservation_ends_with_its_blocks_or_before, setup),
        cmocka_unit_test_setup(failures_are_counted, setup),
        cmocka_unit_test_setup(nonsense_is_refused, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
