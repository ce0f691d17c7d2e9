/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: foreseen ids are those that would be made when asked for, whatever the habit was, and
 * habits follow what messages do. Method: messages of every sort that send random numbers of
 * messages, against ids made one by one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "engine/dispatch.h"
#include "engine/foresee.h"
#include "tests/storage/support.h"

enum { TURNS = 2000, SENT_MOST = 40 };

static void make(mr_dispatch *dispatch, uint64_t *random)
{
    static const uint8_t kinds[] = {MR_KIND_HANDLE, MR_KIND_INIT, MR_KIND_REPLY, MR_KIND_SIGNAL,
                                    MR_KIND_VALUE};
    *dispatch = (mr_dispatch){.from_program = test_below(random, 2) != 0};
    dispatch->message.kind = kinds[test_below(random, sizeof kinds)];
    for (size_t i = 0; i < sizeof(mr_id); i++)
        dispatch->message.id.bytes[i] = (uint8_t)test_below(random, 256);
}

static void assert_same(mr_id a, mr_id b)
{
    assert_memory_equal(&a, &b, sizeof a);
}

/* A message that asks for ids, of its reply at any time. */
static void ask(mr_foreseen *seen, const mr_dispatch *dispatch, uint32_t sent, bool replies,
                uint64_t *random)
{
    const mr_id *id = &dispatch->message.id;
    const uint32_t first = test_below(random, 4) == 0 ? 5 : 0; /* it has waited */
    const uint32_t at = (uint32_t)test_below(random, sent + 1);
    for (uint32_t i = 0; i <= sent; i++) {
        if (i == at && replies)
            assert_same(mr_foreseen_reply(seen, id), mr_id_of_reply(id));
        if (i < sent)
            assert_same(mr_foreseen_sent(seen, id, first + i), mr_id_of_outgoing(id, first + i));
    }
}

static void what_is_foreseen_is_what_would_be_made(void **state)
{
    (void)state;
    uint64_t random = 7;
    mr_habits habits = {0};
    mr_foreseen slots[MR_FORESEEN_AT_ONCE] = {0};
    for (int turn = 0; turn < TURNS; turn++) {
        mr_dispatch dispatches[MR_FORESEEN_AT_ONCE];
        const mr_dispatch *pointers[MR_FORESEEN_AT_ONCE];
        const size_t count = 1 + test_below(&random, MR_FORESEEN_AT_ONCE);
        for (size_t i = 0; i < count; i++) {
            make(&dispatches[i], &random);
            pointers[i] = &dispatches[i];
        }
        const mr_habits before = habits;
        mr_foresee(slots, pointers, count, &habits);
        assert_memory_equal(&before, &habits, sizeof habits);
        for (size_t i = 0; i < count; i++) {
            const bool usual = test_below(&random, 4) != 0;
            const uint32_t sent = usual ? 2 : (uint32_t)test_below(&random, SENT_MOST);
            ask(&slots[i], &dispatches[i], sent, usual, &random);
            mr_foreseen_learn(&slots[i], &dispatches[i], &habits);
        }
    }
}

static void habits_are_of_each_sort(void **state)
{
    (void)state;
    uint64_t random = 3;
    mr_habits habits = {0};
    mr_foreseen slots[MR_FORESEEN_AT_ONCE] = {0};
    mr_dispatch user, reply;
    make(&user, &random);
    make(&reply, &random);
    user.message.kind = MR_KIND_HANDLE, user.from_program = false;
    reply.message.kind = MR_KIND_REPLY, reply.from_program = true;
    const mr_dispatch *both[] = {&user, &reply};
    mr_foresee(slots, both, 2, &habits);
    assert_false(slots[0].has_reply);
    assert_int_equal(slots[0].sent_count, 0);
    (void)mr_foreseen_reply(&slots[0], &user.message.id);
    for (uint32_t i = 0; i < 3; i++)
        (void)mr_foreseen_sent(&slots[1], &reply.message.id, i);
    mr_foreseen_learn(&slots[0], &user, &habits);
    mr_foreseen_learn(&slots[1], &reply, &habits);
    mr_foresee(slots, both, 2, &habits);
    assert_true(slots[0].has_reply);
    assert_int_equal(slots[0].sent_habit, 0);
    assert_false(slots[1].has_reply);
    assert_int_equal(slots[1].sent_habit, 3);
    assert_int_equal(slots[1].sent_count, 1);
    /* Ids of another message are none of these. */
    assert_same(mr_foreseen_reply(&slots[0], &reply.message.id), mr_id_of_reply(&reply.message.id));
    assert_same(mr_foreseen_reply(NULL, &reply.message.id), mr_id_of_reply(&reply.message.id));
    assert_same(mr_foreseen_sent(&slots[1], &user.message.id, 0),
                mr_id_of_outgoing(&user.message.id, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_foreseen_is_what_would_be_made),
        cmocka_unit_test(habits_are_of_each_sort),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
