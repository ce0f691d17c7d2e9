/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: what a block of the pool has room for, and what becomes of what was taken. Method: small
 * pools with exact expectations; blocks of a real engine. */
#include "tests/engine/pool.h"

/* ---- What fits ---- */

static void a_head_that_does_not_fit_holds_back_its_sender_only(void **state)
{
    (void)state;
    mr_pool *pool = open_pool((mr_pool_options){0});
    mr_transaction large = transaction_of(1, 90000);
    large.gas_limit = 300001;
    const uint64_t a1 = add(pool, &large), a2 = add_one(pool, 1, 500);
    const uint64_t b1 = add_one(pool, 2, 60), c1 = add_one(pool, 3, 50), b2 = add_one(pool, 2, 40);
    const uint64_t d1 = add_one(pool, 4, 1);
    const uint64_t order[] = {b1, c1, b2};
    assert_taken(pool, &(mr_pool_wish){.gas_limit = 300000}, order, 3);
    mr_pool_undo(pool);
    const uint64_t all[] = {a1, a2, b1, c1, b2, d1};
    assert_taken(pool, &(mr_pool_wish){.gas_limit = 300001 + 5 * 90000}, all, 6);
    mr_pool_undo(pool);
    assert_taken(pool, &(mr_pool_wish){.gas_limit = 300001 + 5 * 90000 - 1}, all, 5);
    mr_pool_undo(pool);
    assert_taken(pool, &(mr_pool_wish){.transactions_max = 2}, all, 2);
    mr_pool_free(pool);
}

static void bytes_of_a_block_count_payload_salt_and_a_fixed_part(void **state)
{
    (void)state;
    static const uint8_t bytes[300];
    mr_pool *pool = open_pool((mr_pool_options){0});
    mr_transaction with = transaction_of(1, 90000);
    with.kind = MR_TRANSACTION_CREATE;
    with.payload = mr_span_of(bytes, 300);
    with.salt = mr_span_of(bytes, 72);
    const uint64_t a = add(pool, &with), b = add_one(pool, 2, 7);
    const uint64_t order[] = {a, b};
    assert_taken(pool, &(mr_pool_wish){.bytes_max = 500 + 128}, order, 2);
    mr_pool_undo(pool);
    assert_taken(pool, &(mr_pool_wish){.bytes_max = 500 + 127}, order, 1);
    mr_pool_undo(pool);
    assert_taken(pool, &(mr_pool_wish){.bytes_max = 499}, order + 1, 1);
    mr_pool_undo(pool);
    assert_taken(pool, &(mr_pool_wish){.bytes_max = 127}, order, 0);
    mr_pool_free(pool);
}

/* Heads that fit by gas and not by bytes, and the other way round, hide what fits by both. */
static void heads_that_half_fit_do_not_hide_one_that_does(void **state)
{
    (void)state;
    enum { COUNT = 20000, BYTES = 400 };
    static const uint8_t bytes[BYTES];
    mr_pool *pool = open_pool((mr_pool_options){.transactions_max = COUNT + 2});
    for (uint64_t i = 0; i < COUNT; i++) {
        mr_transaction half = transaction_of(i, (mr_value)1 << 40);
        half.gas_limit = i % 2 == 0 ? 0 : 1000000;
        if (i % 2 == 0)
            half.payload = mr_span_of(bytes, BYTES);
        (void)add(pool, &half);
    }
    const uint64_t last = add_one(pool, COUNT, 0);
    for (unsigned again = 0; again < 3; again++) {
        assert_taken(pool, &(mr_pool_wish){.gas_limit = 900000, .bytes_max = 400}, &last, 1);
        mr_pool_undo(pool);
    }
    assert_int_equal(mr_pool_remove(pool, last), MR_OK);
    assert_taken(pool, &(mr_pool_wish){.gas_limit = 900000, .bytes_max = 400}, &last, 0);
    mr_pool_free(pool);
}

/* ---- Blocks ---- */

static void at_most_one_batch_is_out(void **state)
{
    (void)state;
    mr_pool *pool = open_pool((mr_pool_options){0});
    mr_pool_batch batch;
    assert_int_equal(mr_pool_done(pool, NULL, 0, 0), MR_STATE);
    mr_pool_undo(pool); /* of nothing */
    const uint64_t ticket = add_one(pool, 1, 0);
    assert_taken(pool, &(mr_pool_wish){.bytes_max = 1}, &ticket, 0);
    assert_int_equal(mr_pool_take(pool, &everything, &batch), MR_STATE);
    assert_int_equal(mr_pool_done(pool, NULL, 0, 0), MR_OK);
    assert_taken(pool, &everything, &ticket, 1);
    mr_pool_free(pool);
}

/* What is added while a block is made comes after what was taken, also when that comes back. */
static void undone_means_as_it_was(void **state)
{
    (void)state;
    mr_pool *pool = open_pool((mr_pool_options){0});
    const uint64_t a1 = add_one(pool, 1, 3), a2 = add_one(pool, 1, 9), b1 = add_one(pool, 2, 5);
    const uint64_t taken[] = {b1, a1, a2};
    assert_taken(pool, &everything, taken, 3);
    const uint64_t a3 = add_one(pool, 1, 100), c1 = add_one(pool, 3, 4);
    mr_pool_undo(pool);
    mr_pool_check(pool);
    const uint64_t order[] = {b1, c1, a1, a2, a3};
    assert_taken(pool, &everything, order, 5);
    mr_pool_free(pool);
}

static const char quiet[] =
    "(module (import \"env\" \"memory\" (memory 1)) (func (export \"handle\")))";

typedef struct node {
    fixture f;
    mr_pool *pool;
    mr_id program, poor;
} node;

static void open_node(node *n)
{
    const mr_balance genesis[] = {{mr_id_of_name("alice"), (mr_value)1 << 100}};
    fixture_open(&n->f,
                 &(mr_engine_options){.accounts = true, .genesis = genesis, .genesis_count = 1});
    n->program = fixture_program(&n->f, quiet);
    n->poor = mr_id_of_name("poor");
    n->pool = open_pool((mr_pool_options){.tries_max = 3, .duplicates = true});
}

static void close_node(node *n)
{
    mr_pool_free(n->pool);
    fixture_close(&n->f);
}

static uint64_t node_send(node *n, mr_id from, mr_value tip)
{
    mr_transaction send = fixture_send_of(&n->f, &n->program, (mr_span){0});
    send.from = from;
    send.tip = tip;
    send.gas_limit = 50000;
    return add(n->pool, &send);
}

/* A block of what the pool has, after `before` transactions of the node's own. */
static void node_block(node *n, uint64_t before, uint32_t keep)
{
    mr_pool_batch batch;
    assert_int_equal(mr_pool_take(n->pool, &everything, &batch), MR_OK);
    mr_transaction transactions[20];
    for (uint64_t i = 0; i < before; i++)
        transactions[i] =
            (mr_transaction){.kind = MR_TRANSACTION_TRANSFER, .from = n->f.from, .to = n->f.from};
    memcpy(transactions + before, batch.transactions, batch.count * sizeof transactions[0]);
    fixture_run(&n->f, transactions, before + batch.count);
    assert_int_equal(mr_pool_done(n->pool, n->f.block, before + 1, keep),
                     batch.count > 0 ? MR_INVALID : MR_OK);
    if (batch.count > 0)
        assert_int_equal(mr_pool_done(n->pool, n->f.block, before, keep), MR_OK);
    mr_pool_check(n->pool);
}

static void tips_of_a_block_reach_its_author(void **state)
{
    (void)state;
    node n;
    open_node(&n);
    n.f.params.author = mr_id_of_name("dave");
    for (mr_value tip = 1; tip <= 4; tip++)
        (void)node_send(&n, n.f.from, tip * 1000000000);
    node_block(&n, 0, 0);
    fixture_accepted(&n.f);
    assert_int_equal(info_of(n.pool).transactions_count, 0);
    assert_true(fixture_info(&n.f).reward == 10000000000 + 4 * (mr_value)(10000 + 11000) * 100);
    close_node(&n);
}

static void a_refusal_that_may_pass_is_tried_again_if_the_caller_says_so(void **state)
{
    (void)state;
    node n;
    open_node(&n);
    const uint32_t keep = 1u << MR_ADMISSION_BALANCE;
    const uint64_t waits = node_send(&n, n.poor, 5), good = node_send(&n, n.f.from, 4);
    node_block(&n, 2, keep);
    assert_int_equal(fixture_result(&n.f, 2).admission, MR_ADMISSION_BALANCE);
    assert_true(is_there(n.pool, waits));
    assert_false(is_there(n.pool, good));
    const mr_transaction gift = {.kind = MR_TRANSACTION_TRANSFER,
                                 .from = n.f.from,
                                 .to = n.poor,
                                 .value = (mr_value)1 << 60};
    fixture_run(&n.f, &gift, 1);
    node_block(&n, 0, keep);
    fixture_accepted(&n.f);
    assert_int_equal(fixture_info(&n.f).transactions_accepted, 1);
    assert_false(is_there(n.pool, waits));
    /* Of another reason, or none: gone. */
    const uint64_t gone = node_send(&n, mr_id_of_name("other"), 5);
    node_block(&n, 0, 1u << MR_ADMISSION_NO_PROGRAM | 1u << MR_ADMISSION_ACCEPTED);
    assert_false(is_there(n.pool, gone));
    close_node(&n);
}

/* Else one that nobody will ever pay for would be first in every block. */
static void a_transaction_is_not_tried_forever(void **state)
{
    (void)state;
    node n;
    open_node(&n);
    const uint64_t first = node_send(&n, n.poor, 5);
    uint64_t later = 0;
    for (unsigned i = 0; i < 3; i++) {
        assert_true(is_there(n.pool, first));
        node_block(&n, i, 1u << MR_ADMISSION_BALANCE);
        if (i == 0)
            later = node_send(&n, n.poor, 50); /* comes after the first all the same */
        else
            assert_int_equal(fixture_result(&n.f, i).admission, MR_ADMISSION_BALANCE);
    }
    assert_false(is_there(n.pool, first));
    assert_true(is_there(n.pool, later));
    node_block(&n, 0, 1u << MR_ADMISSION_BALANCE);
    assert_int_equal(info_of(n.pool).transactions_count, 0);
    close_node(&n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_head_that_does_not_fit_holds_back_its_sender_only),
        cmocka_unit_test(bytes_of_a_block_count_payload_salt_and_a_fixed_part),
        cmocka_unit_test(heads_that_half_fit_do_not_hide_one_that_does),
        cmocka_unit_test(at_most_one_batch_is_out),
        cmocka_unit_test(undone_means_as_it_was),
        cmocka_unit_test(tips_of_a_block_reach_its_author),
        cmocka_unit_test(a_refusal_that_may_pass_is_tried_again_if_the_caller_says_so),
        cmocka_unit_test(a_transaction_is_not_tried_forever),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
