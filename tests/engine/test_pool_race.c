/* SPDX-License-Identifier: Apache-2.0 */
/* mr-test: label=race timeout=120 */
/* Goal: threads add, replace, remove and look while another takes blocks and ends them; nothing is
 * lost or taken twice, and each sender's transactions come in the order in which it added them.
 * Method: each thread is one sender and numbers what it adds; the taker compares the numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>

#include "engine/pool_internal.h"
#include "tests/model/random.h"

enum { ADDERS = 3, EACH = 4000, LIMIT = 300 };

typedef struct race {
    mr_pool *pool;
    _Atomic unsigned working;
    atomic_bool failed;
} race;

typedef struct adder {
    race *race;
    uint64_t number, added, removed;
    pthread_t thread;
} adder;

static mr_transaction numbered(const adder *a, uint64_t number, mr_value tip)
{
    mr_transaction transaction = {.kind = MR_TRANSACTION_SEND, .gas_limit = 1000, .tip = tip};
    mr_store_le64(transaction.from.bytes, a->number);
    mr_store_le64(transaction.to.bytes, number);
    return transaction;
}

static void *add_on(void *arg)
{
    adder *a = arg;
    race *r = a->race;
    mr_random random = {.state = a->number};
    mr_pool_info info;
    while (a->added < EACH && !atomic_load(&r->failed)) {
        mr_transaction transaction = numbered(a, a->added, mr_random_below(&random, 1000));
        uint64_t ticket;
        bool taken;
        const mr_status status = mr_pool_add(r->pool, &transaction, &ticket, NULL);
        if (status == MR_FULL) { /* the taker will make room */
            (void)sched_yield();
            continue;
        }
        if (status != MR_OK)
            atomic_store(&r->failed, true);
        a->added++;
        const uint64_t dice = mr_random_below(&random, 10);
        if (dice == 0 && mr_pool_remove(r->pool, ticket) == MR_OK)
            a->removed++;
        transaction.tip++;
        if (dice > 7)
            (void)!mr_pool_replace(r->pool, ticket, &transaction, NULL);
        (void)!mr_pool_get(r->pool, ticket, &taken);
        (void)!mr_pool_find(r->pool, &transaction, &ticket);
        mr_pool_info_get(r->pool, &info);
    }
    atomic_fetch_sub(&r->working, 1);
    return NULL;
}

/* Compares a batch with what came before; `next` is the least number a sender's next one may have.
 */
static void compare(const mr_pool_batch *batch, uint64_t next[ADDERS])
{
    for (size_t i = 0; i < batch->count; i++) {
        const uint64_t sender = mr_load_le64(batch->transactions[i].from.bytes);
        const uint64_t number = mr_load_le64(batch->transactions[i].to.bytes);
        assert_true(sender < ADDERS);
        assert_true(number >= next[sender]);
        next[sender] = number + 1;
    }
}

static void threads_add_while_blocks_are_taken(void **state)
{
    (void)state;
    race r = {.working = ADDERS};
    /* None gives way: who is refused tries again. */
    const mr_pool_options options = {.transactions_max = ADDERS * LIMIT, .sender_max = LIMIT};
    assert_int_equal(mr_pool_new(&options, &r.pool), MR_OK);
    adder adders[ADDERS];
    for (uint64_t i = 0; i < ADDERS; i++) {
        adders[i] = (adder){.race = &r, .number = i};
        assert_int_equal(pthread_create(&adders[i].thread, NULL, add_on, &adders[i]), 0);
    }
    uint64_t next[ADDERS] = {0}, taken = 0;
    mr_random random = {.state = 1};
    bool last = false;
    for (;;) {
        mr_pool_batch batch;
        const bool over = atomic_load(&r.working) == 0;
        const mr_pool_wish wish = {.transactions_max = over ? 0 : mr_random_below(&random, 100)};
        assert_int_equal(mr_pool_take(r.pool, &wish, &batch), MR_OK);
        if (!over && mr_random_chance(&random, 30)) {
            uint64_t copy[ADDERS] = {next[0], next[1], next[2]};
            compare(&batch, copy);
            mr_pool_undo(r.pool);
            continue;
        }
        compare(&batch, next);
        taken += batch.count;
        mr_pool_check(r.pool);
        assert_int_equal(mr_pool_done(r.pool, NULL, 0, 0), MR_OK);
        if (last)
            break;
        last = over;
    }
    uint64_t added = 0;
    for (size_t i = 0; i < ADDERS; i++) {
        assert_int_equal(pthread_join(adders[i].thread, NULL), 0);
        added += adders[i].added - adders[i].removed;
    }
    assert_false(atomic_load(&r.failed));
    assert_int_equal(taken, added);
    mr_pool_info info;
    mr_pool_info_get(r.pool, &info);
    assert_int_equal(info.transactions_count, 0);
    assert_int_equal(info.evicted_count, 0);
    mr_pool_free(r.pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_add_while_blocks_are_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
