/* SPDX-License-Identifier: Apache-2.0 */
/* rules: short forms for tests that check the reference rule by rule. */
#ifndef MR_TESTS_MODEL_RULES_H
#define MR_TESTS_MODEL_RULES_H

#include "engine/id.h"
#include "tests/model/scripted.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

#define assert_same_id(a, b)                                                                       \
    do {                                                                                           \
        const mr_id assert_a_ = (a), assert_b_ = (b);                                              \
        assert_memory_equal(&assert_a_, &assert_b_, sizeof(mr_id));                                \
    } while (0)

static inline void expect_receipt(const scripted *s, uint64_t i, mr_kind kind, mr_outcome outcome,
                                  uint64_t gas_limit, uint64_t burned)
{
    assert_true(i < s->block->info.receipts_count);
    const mr_receipt *receipt = &s->block->receipts[i];
    assert_int_equal(receipt->kind, kind);
    assert_int_equal(receipt->outcome, outcome);
    assert_int_equal(receipt->gas_limit, gas_limit);
    assert_int_equal(receipt->gas_burned, burned);
}

static inline void expect_block(const scripted *s, uint64_t receipts, uint64_t rent,
                                uint64_t refunded)
{
    assert_int_equal(s->block->info.receipts_count, receipts);
    assert_int_equal(s->block->info.gas_rent, rent);
    assert_int_equal(s->block->gas_refunded, refunded);
}

static inline void expect_reply(const scripted *s, uint64_t i, uint8_t first, uint8_t second,
                                uint8_t third)
{
    assert_true(i < s->block->info.user_messages_count);
    const mr_user_message *m = &s->block->user_messages[i];
    assert_true(m->is_reply);
    const uint8_t code[4] = {first, second, third, 0};
    assert_memory_equal(m->code, code, 4);
}

static inline mr_reference_wait only_waiting(const scripted *s)
{
    mr_reference_wait wait, other;
    assert_true(mr_reference_waiting(s->r, 0, &wait));
    assert_false(mr_reference_waiting(s->r, 1, &other));
    return wait;
}

static inline mr_reference_letter only_letter(const scripted *s)
{
    size_t count;
    const mr_reference_letter *letters = mr_reference_letters(s->r, &count);
    assert_int_equal(count, 1);
    return letters[0];
}

static inline size_t letters_count(const scripted *s)
{
    size_t count;
    (void)mr_reference_letters(s->r, &count);
    return count;
}

static inline size_t tasks_count(const scripted *s)
{
    mr_reference_due due;
    size_t count = 0;
    while (mr_reference_task(s->r, count, &due))
        count++;
    return count;
}

static inline mr_reference_due only_task(const scripted *s)
{
    mr_reference_due due;
    assert_true(mr_reference_task(s->r, 0, &due));
    assert_int_equal(tasks_count(s), 1);
    return due;
}

static inline uint32_t height(const scripted *s)
{
    return (uint32_t)mr_reference_height(s->r);
}

/* Id of the first transaction of the next block, when alice sends it. */
static inline mr_id next_id(const scripted *s)
{
    return mr_id_of_user_message(height(s) + 1, &s->alice, 0);
}

static inline mr_transaction take_letter(mr_transaction_kind kind, const mr_id *user,
                                         const mr_id *message, uint64_t gas)
{
    return (mr_transaction){.kind = kind, .from = *user, .to = *message, .gas_limit = gas};
}

#endif
