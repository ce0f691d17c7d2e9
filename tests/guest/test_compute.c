/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: compute's steps are the quarter rounds of BLAKE2s in their places, and go on across
 * messages. Method: a model that names the four words of every step in a table. */
#include "tools/guest/examples/compute.c"

#include "tests/guest/programs.h"

static int setup(void **state_)
{
    (void)state_;
    host_reset();
    HOST_STATE(table);
    HOST_STATE(state);
    return 0;
}

static void model(uint32_t v[16], uint32_t n)
{
    static const uint8_t words[8][4] = {{0, 4, 8, 12},  {1, 5, 9, 13},  {2, 6, 10, 14},
                                        {3, 7, 11, 15}, {0, 5, 10, 15}, {1, 6, 11, 12},
                                        {2, 7, 8, 13},  {3, 4, 9, 14}};
    for (uint32_t i = 0; i < n; i++) {
        const uint8_t *w = words[i % 8];
        uint32_t a = v[w[0]], b = v[w[1]], c = v[w[2]], d = v[w[3]];
        a = a + b + table[c % 4096];
        d = (d ^ a) >> 16 | (d ^ a) << 16;
        c = c + d;
        b = (b ^ c) >> 12 | (b ^ c) << 20;
        a = a + b + table[d % 4096];
        d = (d ^ a) >> 8 | (d ^ a) << 24;
        c = c + d;
        b = (b ^ c) >> 7 | (b ^ c) << 25;
        v[w[0]] = a, v[w[1]] = b, v[w[2]] = c, v[w[3]] = d;
    }
}

static void steps_agree_with_the_model(void **state_)
{
    (void)state_;
    assert_runs(init, host_id(0), "seed", 4);
    uint32_t expected[16];
    memcpy(expected, table, sizeof expected);
    for (uint32_t n = 0; n < 100; n++) {
        model(expected, n);
        assert_runs(handle, host_id(0), &n, sizeof n);
        assert_bytes(host_reply, expected, 32);
        assert_memory_equal(state, expected, sizeof expected);
    }
    assert_panics(handle, host_id(0), "", 0, "compute: expected a u32");
}

static void another_seed_gives_another_table(void **state_)
{
    (void)state_;
    assert_runs(init, host_id(0), "seed", 4);
    const uint32_t word = table[0];
    assert_runs(init, host_id(0), "need", 4);
    assert_int_not_equal(table[0], word);
    assert_runs(init, host_id(0), "", 0);
    assert_int_not_equal(table[0], word);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(steps_agree_with_the_model, setup),
        cmocka_unit_test_setup(another_seed_gives_another_table, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
