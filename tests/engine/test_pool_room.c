/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: the pool's rules of who gives way when it is full, one by one. Method: small pools with
 * exact expectations. */
#include "tests/engine/pool.h"

static void in_a_full_pool_the_worst_gives_way_to_a_better_one(void **state)
{
    (void)state;
    mr_pool *pool = open_pool((mr_pool_options){.transactions_max = 3});
    const uint64_t a = add_one(pool, 1, 10), b = add_one(pool, 2, 20), c = add_one(pool, 3, 10);
    assert_int_equal(try_one(pool, 4, 10), MR_FULL); /* no better */
    const uint64_t d = add_one(pool, 4, 11);         /* the younger of two equal ones goes */
    assert_false(is_there(pool, c));
    assert_int_equal(info_of(pool).evicted_count, 1);
    assert_int_equal(info_of(pool).senders_count, 3);
    const uint64_t order[] = {b, d, a};
    assert_taken(pool, &everything, order, 3);
    mr_pool_free(pool);
}

/* Else a sender could keep room with worthless transactions and a tip that is never reached. */
static void a_high_tip_behind_a_low_one_protects_nothing(void **state)
{
    (void)state;
    mr_pool *pool = open_pool((mr_pool_options){.transactions_max = 4});
    const uint64_t a1 = add_one(pool, 1, 0), a2 = add_one(pool, 1, 5), a3 = add_one(pool, 1, 9999);
    const uint64_t b = add_one(pool, 2, 3);
    const uint64_t c = add_one(pool, 3, 1); /* the last of the sender goes: no gap in its order */
    assert_false(is_there(pool, a3));
    const uint64_t d = add_one(pool, 4, 1);
    assert_false(is_there(pool, a2));
    const uint64_t order[] = {b, c, d, a1};
    assert_taken(pool, &everything, order, 4);
    mr_pool_free(pool);
}

static void nobody_gives_way_to_the_sender_whose_own_is_worst(void **state)
{
    (void)state;
    mr_pool *pool = open_pool((mr_pool_options){.transactions_max = 3});
    (void)add_one(pool, 1, 0);
    (void)add_one(pool, 2, 5);
    (void)add_one(pool, 3, 5);
    assert_int_equal(try_one(pool, 1, 1000), MR_FULL);
    assert_int_equal(info_of(pool).evicted_count, 0);
    mr_pool_free(pool);
}

/* A large one with a good tip for each of its few gas would drive out much more than it brings. */
static void a_newcomer_brings_more_than_all_that_gives_way(void **state)
{
    (void)state;
    static const uint8_t bytes[3 * 128 - 1];
    mr_pool *pool = open_pool((mr_pool_options){.bytes_max = 8 * 128});
    for (uint64_t i = 0; i < 8; i++)
        (void)add_one(pool, i, 1000);
    mr_transaction large = transaction_of(9, 3000);
    large.gas_limit = 0;
    large.payload = mr_span_of(bytes, sizeof bytes - 128); /* as much as three */
    uint64_t ticket;
    assert_int_equal(mr_pool_add(pool, &large, &ticket, NULL), MR_FULL);
    assert_int_equal(info_of(pool).transactions_count, 8);
    mr_pool_check(pool);
    large.tip = 3001;
    assert_int_equal(mr_pool_add(pool, &large, &ticket, NULL), MR_OK);
    assert_int_equal(info_of(pool).transactions_count, 6);
    assert_int_equal(info_of(pool).evicted_count, 3);
    mr_pool_check(pool);
    mr_pool_free(pool);
}

static void what_is_taken_does_not_give_way(void **state)
{
    (void)state;
    mr_pool *pool = open_pool((mr_pool_options){.transactions_max = 2});
    const uint64_t order[] = {add_one(pool, 1, 0), add_one(pool, 1, 0)};
    assert_taken(pool, &everything, order, 2);
    assert_int_equal(try_one(pool, 2, 1000), MR_FULL);
    mr_pool_undo(pool);
    assert_int_equal(try_one(pool, 2, 1000), MR_OK);
    assert_false(is_there(pool, order[1]));
    mr_pool_free(pool);
}

static void a_sender_has_no_more_than_it_may(void **state)
{
    (void)state;
    mr_pool *pool = open_pool((mr_pool_options){.sender_max = 2});
    const uint64_t order[] = {add_one(pool, 1, 0), add_one(pool, 1, 0)};
    assert_int_equal(try_one(pool, 1, 1000), MR_FULL);
    assert_int_equal(try_one(pool, 2, 0), MR_OK);
    assert_taken(pool, &(mr_pool_wish){.transactions_max = 1}, order, 1);
    assert_int_equal(try_one(pool, 1, 1000), MR_FULL); /* what is taken counts */
    assert_int_equal(mr_pool_done(pool, NULL, 0, 0), MR_OK);
    assert_int_equal(try_one(pool, 1, 1000), MR_OK);
    mr_pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_a_full_pool_the_worst_gives_way_to_a_better_one),
        cmocka_unit_test(a_high_tip_behind_a_low_one_protects_nothing),
        cmocka_unit_test(nobody_gives_way_to_the_sender_whose_own_is_worst),
        cmocka_unit_test(a_newcomer_brings_more_than_all_that_gives_way),
        cmocka_unit_test(what_is_taken_does_not_give_way),
        cmocka_unit_test(a_sender_has_no_more_than_it_may),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
