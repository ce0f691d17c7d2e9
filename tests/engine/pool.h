/* SPDX-License-Identifier: Apache-2.0 */
/* pool: small pools whose every transaction is known by its ticket. */
#ifndef MR_TESTS_ENGINE_POOL_H
#define MR_TESTS_ENGINE_POOL_H

#include "engine/pool_internal.h"
#include "tests/engine/fixture.h"

static const mr_value most = ~(mr_value)0;
static const mr_pool_wish everything = {0};

static inline mr_pool *open_pool(mr_pool_options options)
{
    options.accounts = true;
    mr_pool *pool;
    assert_int_equal(mr_pool_new(&options, &pool), MR_OK);
    return pool;
}

/* Transactions cost what they say: a price of 0 lets tips be anything. */
static inline mr_schedule free_of_charge(void)
{
    mr_schedule schedule = mr_schedule_default();
    schedule.value_per_gas = 0;
    return schedule;
}

/* With the usual posting fee, 10000, a gas limit of 90000 makes a round weight: 100000. */
static inline mr_transaction transaction_of(uint64_t sender, mr_value tip)
{
    mr_transaction transaction = {.kind = MR_TRANSACTION_SEND, .gas_limit = 90000, .tip = tip};
    mr_store_le64(transaction.from.bytes, sender);
    return transaction;
}

static inline uint64_t add(mr_pool *pool, const mr_transaction *transaction)
{
    uint64_t ticket;
    mr_error error = {0};
    if (mr_pool_add(pool, transaction, &ticket, &error) != MR_OK)
        fail_msg("%s: %s", mr_status_name(error.status), error.text);
    return ticket;
}

/* Adds one of `sender`, unlike all others by its destination. */
static inline uint64_t add_one(mr_pool *pool, uint64_t sender, mr_value tip)
{
    static uint64_t number;
    mr_transaction transaction = transaction_of(sender, tip);
    mr_store_le64(transaction.to.bytes, ++number);
    return add(pool, &transaction);
}

static inline mr_status try_one(mr_pool *pool, uint64_t sender, mr_value tip)
{
    static uint64_t number = (uint64_t)1 << 40;
    mr_transaction transaction = transaction_of(sender, tip);
    mr_store_le64(transaction.to.bytes, ++number);
    uint64_t ticket;
    mr_error error = {0};
    return mr_pool_add(pool, &transaction, &ticket, &error);
}

static inline void assert_taken(mr_pool *pool, const mr_pool_wish *wish, const uint64_t *tickets,
                                size_t count)
{
    mr_pool_batch batch;
    assert_int_equal(mr_pool_take(pool, wish, &batch), MR_OK);
    assert_int_equal(batch.count, count);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(batch.tickets[i], tickets[i]);
    mr_pool_check(pool);
}

static inline mr_pool_info info_of(mr_pool *pool)
{
    mr_pool_info info;
    mr_pool_info_get(pool, &info);
    return info;
}

static inline bool is_there(mr_pool *pool, uint64_t ticket)
{
    bool taken;
    return mr_pool_get(pool, ticket, &taken) == MR_OK;
}

#endif
