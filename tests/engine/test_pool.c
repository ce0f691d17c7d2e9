/* SPDX-License-Identifier: Apache-2.0 */
/* mr-test: timeout=120
 * Goal: the pool's rules, one by one: who goes first, what is refused and replaced; and that none
 * of them can be made slow or wrong by what is added. Method: small pools with exact expectations;
 * many and extreme transactions, which would take hours if anything walked them all. */
#include "tests/engine/pool.h"

/* ---- Order ---- */

static void the_best_paying_head_goes_first_and_each_sender_keeps_its_order(void **state)
{
    (void)state;
    mr_pool *pool = open_pool((mr_pool_options){0});
    const uint64_t a1 = add_one(pool, 1, 5), a2 = add_one(pool, 1, 100), b1 = add_one(pool, 2, 7);
    const uint64_t b2 = add_one(pool, 2, 1), c1 = add_one(pool, 3, 6), a3 = add_one(pool, 1, 0);
    const uint64_t order[] = {b1, c1, a1, a2, b2, a3};
    assert_taken(pool, &everything, order, 6);
    mr_pool_free(pool); /* with the batch still out */
}

static void equal_tips_go_by_age(void **state)
{
    (void)state;
    mr_pool *pool = open_pool((mr_pool_options){0});
    uint64_t order[40];
    for (uint64_t i = 0; i < 40; i++)
        order[i] = add_one(pool, i * 7 % 10, 3);
    assert_taken(pool, &everything, order, 40);
    mr_pool_free(pool);
}

/* 1000 for 100,000 gas is as much as 2000 for 200,000; a byte of payload or salt counts as 20 gas,
 * of an upload as 2020. */
static void the_measure_is_the_tip_by_the_gas_that_is_paid_for(void **state)
{
    (void)state;
    static const uint8_t bytes[5000];
    mr_pool *pool = open_pool((mr_pool_options){0});
    mr_transaction twice = transaction_of(1, 2000), payload = transaction_of(2, 1999);
    twice.gas_limit = 190000;
    payload.payload = mr_span_of(bytes, 5000);
    mr_transaction salt = transaction_of(3, 1998), upload = transaction_of(4, 1997);
    salt.kind = MR_TRANSACTION_CREATE;
    salt.salt = mr_span_of(bytes, 5000);
    upload.kind = MR_TRANSACTION_UPLOAD;
    upload.gas_limit = 0;
    upload.payload = mr_span_of(bytes, 94); /* 199,880 */
    const mr_transaction less = transaction_of(5, 998), more = transaction_of(6, 1001);
    const uint64_t tickets[] = {add(pool, &less),    add(pool, &upload), add(pool, &salt),
                                add(pool, &payload), add(pool, &twice),  add(pool, &more)};
    const uint64_t order[] = {tickets[5], tickets[4], tickets[3],
                              tickets[1], tickets[2], tickets[0]};
    assert_taken(pool, &everything, order, 6);
    mr_pool_free(pool);
}

/* Where floating point or 128 bits would not tell. */
static void the_largest_tips_are_compared_exactly(void **state)
{
    (void)state;
    const mr_schedule schedule = free_of_charge();
    mr_pool *pool = open_pool((mr_pool_options){.schedule = &schedule});
    const mr_value half = (mr_value)1 << 127;
    const uint64_t least = add_one(pool, 1, half - 1), second = add_one(pool, 2, half);
    const uint64_t first = add_one(pool, 3, half + 1), top = add_one(pool, 4, most);
    mr_transaction large = transaction_of(5, most), larger = transaction_of(6, most);
    large.gas_limit = ((uint64_t)1 << 62) - 1;
    larger.gas_limit = (uint64_t)1 << 62;
    const uint64_t last = add(pool, &larger), before_last = add(pool, &large);
    const uint64_t order[] = {top, first, second, least, before_last, last};
    assert_taken(pool, &everything, order, 6);
    mr_pool_free(pool);
}

static void what_weighs_nothing_is_ranked_all_the_same(void **state)
{
    (void)state;
    mr_schedule schedule = free_of_charge();
    schedule.post = schedule.post_byte = 0;
    mr_pool *pool = open_pool((mr_pool_options){.schedule = &schedule});
    mr_transaction none = transaction_of(1, 5), more = transaction_of(2, 6);
    none.gas_limit = more.gas_limit = 0;
    mr_transaction one = transaction_of(3, 4);
    one.gas_limit = 1;
    const uint64_t third = add(pool, &one), second = add(pool, &none), first = add(pool, &more);
    const uint64_t order[] = {first, second, third};
    assert_taken(pool, &everything, order, 3);
    mr_pool_free(pool);
}

static void without_accounts_tips_count_for_nothing(void **state)
{
    (void)state;
    mr_pool *pool;
    assert_int_equal(mr_pool_new(&(mr_pool_options){.transactions_max = 3}, &pool), MR_OK);
    const uint64_t order[] = {add_one(pool, 1, 0), add_one(pool, 2, most), add_one(pool, 3, 5)};
    assert_int_equal(try_one(pool, 4, most), MR_FULL);
    assert_taken(pool, &everything, order, 3);
    mr_pool_free(pool);
}

/* ---- What is refused ---- */

static void the_pool_refuses_by_the_rules_of_admission(void **state)
{
    (void)state;
    static const uint8_t bytes[1001];
    mr_schedule schedule = mr_schedule_default();
    schedule.payload_bytes_max = 1000;
    schedule.code_bytes_max = 500;
    mr_pool *pool = open_pool(
        (mr_pool_options){.schedule = &schedule, .gas_limit = 90000, .bytes_max = 128 + 1400});
    const mr_span large = mr_span_of(bytes, 1001), most_bytes = mr_span_of(bytes, 1000);
    const struct {
        mr_transaction transaction;
        mr_status status;
        const char *text;
    } cases[] = {
        {{.kind = (mr_transaction_kind)6}, MR_INVALID, "the transaction is of an unknown kind"},
        {{.kind = MR_TRANSACTION_UPLOAD, .value = 1},
         MR_INVALID,
         "an upload carries neither value nor gas"},
        {{.kind = MR_TRANSACTION_TRANSFER, .gas_limit = 1},
         MR_INVALID,
         "a transfer carries neither gas nor payload"},
        {{.kind = MR_TRANSACTION_CLAIM, .payload = mr_span_of(bytes, 1)},
         MR_INVALID,
         "a claim carries neither value nor gas nor payload"},
        {{.kind = MR_TRANSACTION_SEND, .salt = mr_span_of(bytes, 1)},
         MR_INVALID,
         "only the creation of a program takes a salt"},
        {{.kind = MR_TRANSACTION_SEND, .payload = large}, MR_LIMIT, "the payload is too large"},
        {{.kind = MR_TRANSACTION_CREATE, .salt = large}, MR_LIMIT, "the payload is too large"},
        {{.kind = MR_TRANSACTION_UPLOAD, .payload = mr_span_of(bytes, 501)},
         MR_LIMIT,
         "the payload is too large"},
        {{.kind = MR_TRANSACTION_SEND, .gas_limit = 90001},
         MR_LIMIT,
         "the gas limit is too large: it is more than the block's"},
        {{.kind = MR_TRANSACTION_SEND, .gas_limit = ((uint64_t)1 << 62) + 1},
         MR_LIMIT,
         "the gas limit is too large: no message has more than 2^62"},
        {{.kind = MR_TRANSACTION_CREATE, .payload = most_bytes, .salt = mr_span_of(bytes, 401)},
         MR_LIMIT,
         "the transaction is larger than the pool"},
        {{.kind = MR_TRANSACTION_TRANSFER, .value = most, .tip = 1},
         MR_INVALID,
         "nobody can pay value, tip, gas limit and fee together"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint64_t ticket = 4711;
        mr_error error = {0};
        assert_int_equal(mr_pool_add(pool, &cases[i].transaction, &ticket, &error),
                         cases[i].status);
        assert_string_equal(error.text, cases[i].text);
        assert_int_equal(ticket, 4711);
    }
    assert_int_equal(info_of(pool).transactions_count, 0);
    const mr_transaction fits = {.kind = MR_TRANSACTION_CREATE,
                                 .payload = most_bytes,
                                 .salt = mr_span_of(bytes, 400),
                                 .gas_limit = 90000};
    (void)add(pool, &fits);
    mr_pool_free(pool);
}

static void a_duplicate_is_one_that_differs_by_its_tip_at_most(void **state)
{
    (void)state;
    mr_pool *pool = open_pool((mr_pool_options){0});
    const mr_transaction first = {.kind = MR_TRANSACTION_CREATE,
                                  .payload = mr_span_text("ab"),
                                  .salt = mr_span_text("c"),
                                  .gas_limit = 5,
                                  .value = 6,
                                  .tip = 7};
    mr_transaction others[8] = {first, first, first, first, first, first, first, first};
    others[0].from.bytes[31] = 1;
    others[1].to.bytes[31] = 1;
    others[2].payload = mr_span_text("a"); /* where the payload ends makes a difference, too */
    others[2].salt = mr_span_text("bc");
    others[3].salt = mr_span_text("d");
    others[4].gas_limit = 6;
    others[5].value = 7;
    others[6].kind = MR_TRANSACTION_SEND;
    others[6].salt.size = 0;
    others[7].payload = mr_span_text("abc");
    others[7].salt.size = 0;
    const uint64_t ticket = add(pool, &first);
    mr_transaction again = first;
    again.tip = 8;
    uint64_t found = 0, unused;
    assert_int_equal(mr_pool_add(pool, &again, &unused, NULL), MR_EXISTS);
    assert_int_equal(mr_pool_find(pool, &again, &found), MR_OK);
    assert_int_equal(found, ticket);
    for (size_t i = 0; i < 8; i++) {
        assert_int_equal(mr_pool_find(pool, &others[i], &found), MR_NOT_FOUND);
        (void)add(pool, &others[i]);
    }
    mr_pool_batch batch;
    assert_int_equal(mr_pool_take(pool, &everything, &batch), MR_OK);
    assert_int_equal(mr_pool_add(pool, &again, &unused, NULL), MR_EXISTS); /* taken, but there */
    assert_int_equal(mr_pool_done(pool, NULL, 0, 0), MR_OK);
    (void)add(pool, &again);
    mr_pool_free(pool);
}

static void duplicates_are_taken_when_they_are_wanted(void **state)
{
    (void)state;
    mr_pool *pool = open_pool((mr_pool_options){.duplicates = true});
    const mr_transaction transaction = transaction_of(1, 5);
    const uint64_t order[] = {add(pool, &transaction), add(pool, &transaction),
                              add(pool, &transaction)};
    uint64_t found = 0;
    assert_int_equal(mr_pool_find(pool, &transaction, &found), MR_OK);
    assert_int_equal(found, order[0]);
    assert_int_equal(mr_pool_remove(pool, order[0]), MR_OK);
    assert_int_equal(mr_pool_find(pool, &transaction, &found), MR_OK);
    assert_int_equal(found, order[1]);
    assert_taken(pool, &everything, order + 1, 2);
    mr_pool_free(pool);
}

static mr_pool_sender_info sender_info(mr_pool *pool, uint64_t sender)
{
    const mr_transaction transaction = transaction_of(sender, 0);
    mr_pool_sender_info info;
    mr_pool_sender_get(pool, &transaction.from, &info);
    return info;
}

/* What one account is to pay is there to be compared with its balance. */
static void what_a_sender_is_to_pay_is_summed_up(void **state)
{
    (void)state;
    const mr_schedule schedule = free_of_charge();
    mr_pool *pool = open_pool((mr_pool_options){.schedule = &schedule});
    const uint64_t ticket = add_one(pool, 1, most - 10);
    (void)add_one(pool, 1, 10);
    assert_int_equal(try_one(pool, 1, 1), MR_INVALID);
    assert_int_equal(try_one(pool, 2, 1), MR_OK);
    mr_pool_sender_info info = sender_info(pool, 1);
    assert_int_equal(info.transactions_count, 2);
    assert_true(info.cost == most);
    assert_int_equal(mr_pool_remove(pool, ticket), MR_OK);
    info = sender_info(pool, 1);
    assert_true(info.cost == 10);
    info = sender_info(pool, 3);
    assert_int_equal(info.transactions_count, 0);
    assert_true(info.cost == 0);
    mr_pool_free(pool);
}

static void options_that_make_no_sense_are_refused(void **state)
{
    (void)state;
    mr_schedule schedule = mr_schedule_default();
    schedule.post = UINT64_MAX;
    mr_pool *pool = NULL;
    assert_int_equal(mr_pool_new(&(mr_pool_options){.schedule = &schedule}, &pool), MR_INVALID);
    assert_int_equal(
        mr_pool_new(&(mr_pool_options){.transactions_max = MR_POOL_TRANSACTIONS_MAX + 1ull}, &pool),
        MR_INVALID);
    assert_int_equal(mr_pool_new(&(mr_pool_options){.transactions_max = UINT64_MAX}, &pool),
                     MR_INVALID);
    assert_null(pool);
    mr_pool_free(NULL);
}

/* ---- Replacing, removing, copies ---- */

static void a_replaced_transaction_keeps_its_place(void **state)
{
    (void)state;
    mr_pool *pool = open_pool((mr_pool_options){0});
    const mr_transaction first = transaction_of(1, 5);
    const uint64_t a1 = add(pool, &first), b1 = add_one(pool, 2, 50), a2 = add_one(pool, 1, 90);
    mr_transaction better = first;
    mr_error error = {0};
    assert_int_equal(mr_pool_replace(pool, a1, &better, &error), MR_INVALID); /* the same tip */
    assert_string_equal(error.text, "the tip is no higher than before");
    better.tip = 60;
    better.payload = mr_span_text("and a payload");
    assert_int_equal(mr_pool_replace(pool, a1, &better, NULL), MR_OK);
    uint64_t unused;
    assert_int_equal(mr_pool_find(pool, &first, &unused), MR_NOT_FOUND);
    better.from.bytes[0] = 2;
    better.tip = 1000;
    assert_int_equal(mr_pool_replace(pool, a1, &better, NULL), MR_INVALID); /* another sender */
    const uint64_t order[] = {a1, a2, b1};
    mr_pool_batch batch;
    assert_int_equal(mr_pool_take(pool, &everything, &batch), MR_OK);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(batch.tickets[i], order[i]);
    assert_true(mr_span_equal(batch.transactions[0].payload, mr_span_text("and a payload")));
    assert_int_equal(mr_pool_replace(pool, b1, &better, NULL), MR_STATE);
    assert_int_equal(mr_pool_remove(pool, b1), MR_STATE);
    assert_int_equal(mr_pool_replace(pool, 99, &better, NULL), MR_NOT_FOUND);
    assert_int_equal(mr_pool_remove(pool, 99), MR_NOT_FOUND);
    mr_pool_free(pool);
}

static void payload_and_salt_are_copied(void **state)
{
    (void)state;
    mr_pool *pool = open_pool((mr_pool_options){0});
    uint8_t bytes[] = {1, 2, 3, 4, 5};
    mr_transaction create = transaction_of(1, 5);
    create.kind = MR_TRANSACTION_CREATE;
    create.payload = mr_span_of(bytes, 2);
    create.salt = mr_span_of(bytes + 2, 3);
    (void)add(pool, &create);
    const mr_transaction empty = transaction_of(2, 4);
    (void)add(pool, &empty);
    memset(bytes, 9, sizeof bytes);
    mr_pool_batch batch;
    assert_int_equal(mr_pool_take(pool, &everything, &batch), MR_OK);
    static const uint8_t wanted[] = {1, 2, 3, 4, 5};
    assert_true(mr_span_equal(batch.transactions[0].payload, mr_span_of(wanted, 2)));
    assert_true(mr_span_equal(batch.transactions[0].salt, mr_span_of(wanted + 2, 3)));
    assert_int_equal(batch.transactions[1].payload.size, 0);
    assert_int_equal(batch.transactions[1].salt.size, 0);
    mr_pool_free(pool);
}

/* ---- Many ---- */

static void one_sender_may_have_all(void **state)
{
    (void)state;
    enum { COUNT = 100000 };
    mr_pool *pool = open_pool(
        (mr_pool_options){.transactions_max = COUNT, .sender_max = COUNT, .duplicates = true});
    const mr_transaction same = transaction_of(1, 1);
    for (unsigned i = 0; i < COUNT / 2; i++)
        (void)add(pool, &same);
    for (unsigned i = 0; i < COUNT / 2; i++)
        (void)add_one(pool, 1, i);
    for (unsigned round = 0; round < 100; round++) {
        mr_pool_batch batch;
        assert_int_equal(mr_pool_take(pool, &(mr_pool_wish){.transactions_max = 500}, &batch),
                         MR_OK);
        assert_int_equal(batch.count, 500);
        assert_int_equal(batch.tickets[0], 1 + round * 500);
        assert_int_equal(mr_pool_done(pool, NULL, 0, 0), MR_OK);
    }
    for (unsigned i = 0; i < COUNT / 4;
         i++) /* the other half, one by one, from its end and in it */
        assert_int_equal(mr_pool_remove(pool, i % 2 == 0 ? COUNT - i / 2 : COUNT / 2 + 1 + i),
                         MR_OK);
    mr_pool_check(pool);
    mr_pool_free(pool);
}

static void many_senders_with_ids_alike_find_their_own(void **state)
{
    (void)state;
    enum { COUNT = 100000 };
    mr_pool *pool = open_pool((mr_pool_options){.transactions_max = COUNT});
    for (uint64_t i = 0; i < COUNT; i++) {
        mr_transaction transaction = transaction_of(0, 1 + i % 3);
        mr_store_be64(transaction.from.bytes + 24, i);
        (void)add(pool, &transaction);
    }
    assert_int_equal(info_of(pool).senders_count, COUNT);
    for (uint64_t i = 0; i < COUNT / 2; i++) {
        mr_transaction better = transaction_of(0, 10);
        mr_store_be64(better.from.bytes + 24, COUNT + i);
        (void)add(pool, &better);
    }
    assert_int_equal(info_of(pool).evicted_count, COUNT / 2);
    mr_pool_batch batch;
    assert_int_equal(mr_pool_take(pool, &everything, &batch), MR_OK);
    assert_int_equal(batch.count, COUNT);
    for (size_t i = 0; i < COUNT; i++)
        assert_true(batch.transactions[i].tip == (i < COUNT / 2               ? 10u
                                                  : i < COUNT / 2 + COUNT / 3 ? 3u
                                                                              : 2u));
    mr_pool_undo(pool);
    mr_pool_check(pool);
    mr_pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_best_paying_head_goes_first_and_each_sender_keeps_its_order),
        cmocka_unit_test(equal_tips_go_by_age),
        cmocka_unit_test(the_measure_is_the_tip_by_the_gas_that_is_paid_for),
        cmocka_unit_test(the_largest_tips_are_compared_exactly),
        cmocka_unit_test(what_weighs_nothing_is_ranked_all_the_same),
        cmocka_unit_test(without_accounts_tips_count_for_nothing),
        cmocka_unit_test(the_pool_refuses_by_the_rules_of_admission),
        cmocka_unit_test(a_duplicate_is_one_that_differs_by_its_tip_at_most),
        cmocka_unit_test(duplicates_are_taken_when_they_are_wanted),
        cmocka_unit_test(what_a_sender_is_to_pay_is_summed_up),
        cmocka_unit_test(options_that_make_no_sense_are_refused),
        cmocka_unit_test(a_replaced_transaction_keeps_its_place),
        cmocka_unit_test(payload_and_salt_are_copied),
        cmocka_unit_test(one_sender_may_have_all),
        cmocka_unit_test(many_senders_with_ids_alike_find_their_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
