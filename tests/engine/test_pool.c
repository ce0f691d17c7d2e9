/* SPDX-License-Identifier: Apache-2.0 */
/* mr-test: timeout=120
 * Goal: the pool's rules, one by one: who goes first, what fits, who gives way, what becomes of
 * what was taken; and that none of them can be made slow or wrong by what is added. Method: small
 * pools with exact expectations; blocks of a real engine; many and extreme transactions, which
 * would take hours if anything walked them all. */
#include "engine/pool_internal.h"
#include "tests/engine/fixture.h"

static const mr_value most = ~(mr_value)0;
static const mr_pool_wish everything = {0};

static mr_pool *open_pool(mr_pool_options options)
{
    options.accounts = true;
    mr_pool *pool;
    assert_int_equal(mr_pool_new(&options, &pool), MR_OK);
    return pool;
}

/* Transactions cost what they say: a price of 0 lets tips be anything. */
static mr_schedule free_of_charge(void)
{
    mr_schedule schedule = mr_schedule_default();
    schedule.value_per_gas = 0;
    return schedule;
}

/* With the usual posting fee, 10000, a gas limit of 90000 makes a round weight: 100000. */
static mr_transaction transaction_of(uint64_t sender, mr_value tip)
{
    mr_transaction transaction = {.kind = MR_TRANSACTION_SEND, .gas_limit = 90000, .tip = tip};
    mr_store_le64(transaction.from.bytes, sender);
    return transaction;
}

static uint64_t add(mr_pool *pool, const mr_transaction *transaction)
{
    uint64_t ticket;
    mr_error error = {0};
    if (mr_pool_add(pool, transaction, &ticket, &error) != MR_OK)
        fail_msg("%s: %s", mr_status_name(error.status), error.text);
    return ticket;
}

/* Adds one of `sender`, unlike all others by its destination. */
static uint64_t add_one(mr_pool *pool, uint64_t sender, mr_value tip)
{
    static uint64_t number;
    mr_transaction transaction = transaction_of(sender, tip);
    mr_store_le64(transaction.to.bytes, ++number);
    return add(pool, &transaction);
}

static mr_status try_one(mr_pool *pool, uint64_t sender, mr_value tip)
{
    static uint64_t number = (uint64_t)1 << 40;
    mr_transaction transaction = transaction_of(sender, tip);
    mr_store_le64(transaction.to.bytes, ++number);
    uint64_t ticket;
    mr_error error = {0};
    return mr_pool_add(pool, &transaction, &ticket, &error);
}

static void assert_taken(mr_pool *pool, const mr_pool_wish *wish, const uint64_t *tickets,
                         size_t count)
{
    mr_pool_batch batch;
    assert_int_equal(mr_pool_take(pool, wish, &batch), MR_OK);
    assert_int_equal(batch.count, count);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(batch.tickets[i], tickets[i]);
    mr_pool_check(pool);
}

static mr_pool_info info_of(mr_pool *pool)
{
    mr_pool_info info;
    mr_pool_info_get(pool, &info);
    return info;
}

static bool is_there(mr_pool *pool, uint64_t ticket)
{
    bool taken;
    return mr_pool_get(pool, ticket, &taken) == MR_OK;
}

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

/* ---- Who gives way ---- */

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
        cmocka_unit_test(a_head_that_does_not_fit_holds_back_its_sender_only),
        cmocka_unit_test(bytes_of_a_block_count_payload_salt_and_a_fixed_part),
        cmocka_unit_test(heads_that_half_fit_do_not_hide_one_that_does),
        cmocka_unit_test(in_a_full_pool_the_worst_gives_way_to_a_better_one),
        cmocka_unit_test(a_high_tip_behind_a_low_one_protects_nothing),
        cmocka_unit_test(nobody_gives_way_to_the_sender_whose_own_is_worst),
        cmocka_unit_test(a_newcomer_brings_more_than_all_that_gives_way),
        cmocka_unit_test(what_is_taken_does_not_give_way),
        cmocka_unit_test(a_sender_has_no_more_than_it_may),
        cmocka_unit_test(the_pool_refuses_by_the_rules_of_admission),
        cmocka_unit_test(a_duplicate_is_one_that_differs_by_its_tip_at_most),
        cmocka_unit_test(duplicates_are_taken_when_they_are_wanted),
        cmocka_unit_test(what_a_sender_is_to_pay_is_summed_up),
        cmocka_unit_test(options_that_make_no_sense_are_refused),
        cmocka_unit_test(a_replaced_transaction_keeps_its_place),
        cmocka_unit_test(payload_and_salt_are_copied),
        cmocka_unit_test(at_most_one_batch_is_out),
        cmocka_unit_test(undone_means_as_it_was),
        cmocka_unit_test(tips_of_a_block_reach_its_author),
        cmocka_unit_test(a_refusal_that_may_pass_is_tried_again_if_the_caller_says_so),
        cmocka_unit_test(a_transaction_is_not_tried_forever),
        cmocka_unit_test(one_sender_may_have_all),
        cmocka_unit_test(many_senders_with_ids_alike_find_their_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
