/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: the counter adds what it is told, and nothing on bad input. */
#include "tools/guest/examples/counter.c"

#include "tests/guest/programs.h"

static void numbers_add_up(void **state_)
{
    (void)state_;
    host_reset();
    HOST_STATE(sum);
    uint64_t number = UINT64_C(0x123456789);
    assert_runs(handle, host_id(0), "", 0);
    assert_runs(handle, host_id(0), &number, sizeof number);
    assert_false(host_replied);
    assert_runs(handle, host_id(0), "?", 1);
    number++;
    assert_bytes(host_reply, &number, 8);
    for (uint32_t size = 2; size < 20; size++) {
        if (size != 8)
            assert_panics(handle, host_id(0), "01234567890123456789", size,
                          "counter: expected nothing, a u64 or ?");
    }
    assert_panics(handle, host_id(0), "!", 1, "counter: expected nothing, a u64 or ?");
    number = UINT64_MAX;
    assert_runs(handle, host_id(0), &number, sizeof number);
    assert_true(sum == UINT64_C(0x123456789));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_add_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
