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

/* Programs run one after the other, as mr_block_run has them; the next ones are announced or not.
 */
static void what_is_foreseen_is_what_would_be_made(void **state)
{
    (void)state;
    enum { PROGRAMS = 12, MESSAGES = 20 };
    static mr_dispatch dispatches[PROGRAMS][MESSAGES];
    const mr_dispatch *pointers[PROGRAMS][MESSAGES];
    mr_foreseeable messages[PROGRAMS];
    uint64_t random = 7;
    mr_habits habits[PROGRAMS] = {0};
    mr_foresight foresight = {0};
    uint32_t foreseen = 0;
    for (int turn = 0; turn < TURNS; turn++) {
        const bool many = test_below(&random, 2) != 0;
        for (size_t p = 0; p < PROGRAMS; p++) {
            messages[p] = (mr_foreseeable){
                pointers[p], 1 + test_below(&random, many ? MESSAGES : MR_FORESEEN_FEW + 1),
                &habits[p]};
            for (size_t i = 0; i < messages[p].count; i++) {
                make(&dispatches[p][i], &random);
                pointers[p][i] = &dispatches[p][i];
            }
        }
        for (uint32_t p = 0; p < PROGRAMS; p++) {
            const uint32_t told = test_below(&random, 4) == 0 ? 0 : MR_FORESEEN_NEXT + 1;
            for (uint32_t d = 1; d <= told && p + d < PROGRAMS; d++)
                mr_foresee_next(&foresight, d, &messages[p + d]);
            mr_foreseen *seen = NULL;
            for (size_t i = 0; i < messages[p].count; i++, seen++) {
                const mr_habits before = habits[p];
                const mr_foreseeable left = {&pointers[p][i], messages[p].count - i, &habits[p]};
                if (i % MR_FORESEEN_AT_ONCE == 0)
                    seen = mr_foresee(&foresight, &left);
                assert_ptr_equal(seen->message, &dispatches[p][i].message.id);
                assert_memory_equal(&before, &habits[p], sizeof before);
                foreseen += seen->has_reply;
                const bool usual = test_below(&random, 4) != 0;
                const uint32_t sent = usual ? 2 : (uint32_t)test_below(&random, SENT_MOST);
                ask(seen, &dispatches[p][i], sent, usual, &random);
                mr_foreseen_learn(seen, &dispatches[p][i], &habits[p]);
            }
        }
    }
    assert_true(foreseen > TURNS);
}

/* The first to the next programs are foreseen with what runs now, by their habits, up to a program
 * with many. */
static void the_next_programs_are_foreseen(void **state)
{
    (void)state;
    enum { COUNT = 7 };
    static const uint32_t programs[] = {1, 2, 1, 3};
    uint64_t random = 5;
    mr_foresight foresight = {0};
    const mr_habits talks = {.of = {3, 3, 3, 3}}, hears = {.of = {3, 3, 0, 0}};
    mr_dispatch messages[COUNT];
    const mr_dispatch *at[COUNT];
    mr_foreseeable of[4];
    for (size_t i = 0; i < COUNT; i++) {
        make(&messages[i], &random);
        messages[i].message.kind = i == 2 ? MR_KIND_REPLY : MR_KIND_HANDLE;
        at[i] = &messages[i];
    }
    for (uint32_t p = 0, i = 0; p < 4; i += programs[p], p++) {
        of[p] = (mr_foreseeable){&at[i], programs[p], p == 1 ? &hears : &talks};
        if (p > 0)
            mr_foresee_next(&foresight, p, &of[p]);
    }
    const mr_foreseen *slots = mr_foresee(&foresight, &of[0]);
    for (size_t i = 0; i < 4; i++) {
        const mr_id *id = &messages[i].message.id;
        assert_ptr_equal(slots[i].message, id);
        assert_int_equal(slots[i].has_reply, i != 2);
        assert_int_equal(slots[i].sent_count, i != 2);
        if (i == 2)
            continue;
        assert_same(slots[i].reply, mr_id_of_reply(id));
        assert_same(slots[i].sent[0], mr_id_of_outgoing(id, 0));
    }
    assert_int_equal(foresight.end, 4);
    assert_ptr_equal(mr_foresee(&foresight, &of[1]), &slots[1]);
    assert_ptr_equal(mr_foresee(&foresight, &of[2]), &slots[3]);
    assert_ptr_equal(mr_foresee(&foresight, &of[3]), &slots[0]); /* none was left */
    assert_ptr_equal(slots[2].message, &messages[6].message.id);
    /* What was announced and has not come is not taken for another. */
    mr_foresee_next(&foresight, 1, &of[1]);
    (void)mr_foresee(&foresight, &of[0]);
    assert_ptr_equal(mr_foresee(&foresight, &of[2])->message, &messages[3].message.id);
}

static void habits_are_of_each_sort(void **state)
{
    (void)state;
    uint64_t random = 3;
    mr_habits habits = {0};
    mr_foresight foresight = {0};
    mr_dispatch user, reply;
    make(&user, &random);
    make(&reply, &random);
    user.message.kind = MR_KIND_HANDLE, user.from_program = false;
    reply.message.kind = MR_KIND_REPLY, reply.from_program = true;
    const mr_dispatch *both[] = {&user, &reply};
    const mr_foreseeable messages = {both, 2, &habits};
    mr_foreseen *slots = mr_foresee(&foresight, &messages);
    assert_false(slots[0].has_reply);
    assert_int_equal(slots[0].sent_count, 0);
    (void)mr_foreseen_reply(&slots[0], &user.message.id);
    for (uint32_t i = 0; i < 3; i++)
        (void)mr_foreseen_sent(&slots[1], &reply.message.id, i);
    mr_foreseen_learn(&slots[0], &user, &habits);
    mr_foreseen_learn(&slots[1], &reply, &habits);
    slots = mr_foresee(&foresight, &messages);
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
        cmocka_unit_test(the_next_programs_are_foreseen),
        cmocka_unit_test(habits_are_of_each_sort),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
