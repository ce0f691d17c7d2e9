/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: pages are given first fit, taken back clear, paid for, and undone with the dispatch.
 * Method: the actor allocates and frees as told; page numbers and memory sizes are compared with
 * those of the heap drawn beside the test. */
#include "tests/engine/actor.h"

enum { OUT = 0x1000 /* results, 8 bytes apart */, STATIC = ACTOR_PAGES, NONE = -1 };

/* A script of calls whose results are numbered. */
typedef struct calls {
    script script;
    unsigned count;
} calls;

static calls calls_new(void)
{
    return (calls){.script = script_new()};
}

static void alloc(calls *c, uint32_t pages)
{
    STEP_FOR(&c->script, OUT + 8 * c->count++, "alloc", pages);
}

static void release(calls *c, uint32_t page)
{
    STEP_FOR(&c->script, OUT + 8 * c->count++, "free", page);
}

static void release_range(calls *c, uint32_t first, uint32_t last)
{
    STEP_FOR(&c->script, OUT + 8 * c->count++, "free_range", first, last);
}

static void run(fixture *f, const mr_id *actor, const calls *c, const int *expected)
{
    script_run_ok(f, actor, &c->script);
    for (unsigned i = 0; i < c->count; i++) {
        const int result = (int)fixture_u32(f, actor, OUT + 8 * i);
        if (result != expected[i])
            fail_msg("call %u: %d, not %d", i, result, expected[i]);
    }
}

static uint32_t pages_of(const fixture *f, const mr_id *actor)
{
    return fixture_program_info(f, actor).pages;
}

static void pages_are_given_first_fit(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, NULL);
    const mr_id actor = actor_new(&f);
    calls c = calls_new();
    alloc(&c, 1); /* 4 */
    alloc(&c, 3); /* 5 6 7 */
    alloc(&c, 2); /* 8 9 */
    release(&c, 6);
    alloc(&c, 2); /* the hole of one is too small: 10 11 */
    alloc(&c, 1); /* 6 again */
    release_range(&c, 5, 8);
    alloc(&c, 4); /* 5..8: the hole fits exactly */
    release_range(&c, 5, 7);
    alloc(&c, 2); /* 5 6: the beginning of the hole */
    alloc(&c, 1); /* 7: its end */
    alloc(&c, 1); /* 12 */
    run(&f, &actor, &c, (int[]){4, 5, 8, 0, 10, 6, 0, 5, 0, 5, 7, 12});
    assert_int_equal(pages_of(&f, &actor), 13);
    /* The next dispatch goes on with the same heap. */
    c = calls_new();
    release(&c, 9);
    alloc(&c, 1);
    alloc(&c, 1);
    run(&f, &actor, &c, (int[]){0, 9, 13});
    assert_int_equal(pages_of(&f, &actor), 14);
    fixture_close(&f);
}

static void nothing_is_allocated_at_the_start_of_the_heap(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, NULL);
    const mr_id actor = actor_new(&f);
    calls c = calls_new();
    alloc(&c, 0);
    alloc(&c, 2);
    alloc(&c, 0);
    release_range(&c, 4, 5);
    run(&f, &actor, &c, (int[]){4, 4, 4, 0});
    assert_int_equal(pages_of(&f, &actor), 4);
    fixture_close(&f);
}

static void what_is_not_owned_cannot_be_freed(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, NULL);
    const mr_id actor = actor_new(&f);
    calls c = calls_new();
    alloc(&c, 2);   /* 4 5 */
    release(&c, 0); /* static */
    release(&c, 3);
    release(&c, 6); /* never allocated */
    release(&c, 32767);
    release(&c, 32768); /* beyond the largest program, but a page number */
    release(&c, 65535);
    release(&c, 4);
    release(&c, 4);          /* not any more */
    release_range(&c, 3, 5); /* begins in the static pages: nothing happens */
    release_range(&c, 5, 4); /* ends before it begins */
    release_range(&c, 4, 32768);
    release_range(&c, 65535, 65535);
    release(&c, 5);              /* still there */
    release_range(&c, 4, 32767); /* owns nothing of it: good all the same */
    release_range(&c, 4, 4);
    run(&f, &actor, &c, (int[]){4, 1, 1, 1, 1, 1, 1, 0, 1, 1, 1, 1, 1, 0, 0, 0});
    assert_int_equal(pages_of(&f, &actor), 4);
    fixture_close(&f);
}

static void a_page_number_beyond_any_memory_traps(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, NULL);
    const mr_id actor = actor_new(&f);
    static const uint32_t pairs[][2] = {
        {65536, 0}, {UINT32_MAX, 0}, {4, 65536}, {65536, 4}, {4, UINT32_MAX},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        calls c = calls_new();
        alloc(&c, 1);
        if (i < 2)
            release(&c, pairs[i][0]);
        else
            release_range(&c, pairs[i][0], pairs[i][1]);
        const mr_receipt receipt = script_run(&f, &actor, &c.script);
        assert_int_equal(receipt.outcome, MR_OUTCOME_TRAP);
        assert_code(fixture_message(&f, 0), 1, 0, 4); /* as Gear: not that of a bad pointer */
        assert_int_equal(pages_of(&f, &actor), 4);
    }
    fixture_close(&f);
}

static void too_many_pages_are_refused_and_cost_the_call_alone(void **state)
{
    (void)state;
    mr_schedule schedule = mr_schedule_default();
    schedule.pages_max = 8;
    fixture f;
    fixture_open(&f, &(mr_engine_options){.schedule = &schedule});
    const mr_id actor = actor_new(&f);
    calls c = calls_new();
    alloc(&c, 5);
    alloc(&c, UINT32_MAX);
    alloc(&c, 65537);
    alloc(&c, 4); /* 4..7: all there are */
    alloc(&c, 1);
    alloc(&c, 0);
    release(&c, 6);
    alloc(&c, 2);
    alloc(&c, 1);            /* 6 */
    release_range(&c, 4, 8); /* 8 is no page of any program */
    run(&f, &actor, &c, (int[]){NONE, NONE, NONE, 4, NONE, 4, 0, NONE, 6, 1});
    assert_int_equal(pages_of(&f, &actor), 8);
    fixture_close(&f);
}

static void static_pages_may_fill_all_memory(void **state)
{
    (void)state;
    mr_schedule schedule = mr_schedule_default();
    schedule.pages_max = ACTOR_PAGES;
    fixture f;
    fixture_open(&f, &(mr_engine_options){.schedule = &schedule});
    const mr_id actor = actor_new(&f);
    calls c = calls_new();
    alloc(&c, 1);
    alloc(&c, 0);
    release(&c, 4);
    release_range(&c, 4, 4);
    run(&f, &actor, &c, (int[]){NONE, NONE, 1, 1});
    fixture_close(&f);
}

static void a_freed_page_is_clear_at_once_and_afterwards(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, NULL);
    const mr_id actor = actor_new(&f);
    calls c = calls_new();
    alloc(&c, 3); /* 4 5 6 */
    for (uint32_t i = 0; i < 3; i++)
        STEP(&c.script, "store", (4 + i) * PAGE + 8, 0x1111111111111111 * (i + 1));
    run(&f, &actor, &c, (int[]){4});
    assert_int_equal(fixture_u64(&f, &actor, 5 * PAGE + 8), 0x2222222222222222);
    const uint32_t units = fixture_program_info(&f, &actor).units;
    /* Freed and allocated again in one dispatch: the old content is gone. */
    c = calls_new();
    release(&c, 5);
    alloc(&c, 1);
    for (unsigned i = 0; i < 3; i++)
        STEP(&c.script, "load", 0); /* a script in as many units as the first */
    run(&f, &actor, &c, (int[]){0, 5});
    assert_int_equal(fixture_u64(&f, &actor, 5 * PAGE + 8), 0);
    assert_int_equal(fixture_u64(&f, &actor, 6 * PAGE + 8), 0x3333333333333333);
    assert_int_equal(fixture_program_info(&f, &actor).units, units - 1);
    /* A hole stays inside memory, may be written, and is state like any other. */
    c = calls_new();
    release(&c, 4);
    STEP(&c.script, "load", 4 * PAGE + 8);
    STEP(&c.script, "store", 4 * PAGE + 16, 7);
    run(&f, &actor, &c, (int[]){0});
    assert_int_equal(fixture_u64(&f, &actor, 4 * PAGE + 8), 0);
    assert_int_equal(pages_of(&f, &actor), 7);
    fixture_close(&f);
}

static void memory_shrinks_to_the_last_page_for_the_next_message(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, NULL);
    const mr_id actor = actor_new(&f);
    calls c = calls_new();
    alloc(&c, 4); /* 4..7 */
    STEP(&c.script, "store", 7 * PAGE, 99);
    run(&f, &actor, &c, (int[]){4});
    assert_int_equal(pages_of(&f, &actor), 8);
    c = calls_new();
    release_range(&c, 6, 7);
    STEP(&c.script, "store", 7 * PAGE, 5); /* still there in the dispatch that frees it */
    run(&f, &actor, &c, (int[]){0});
    assert_int_equal(pages_of(&f, &actor), 6);
    uint8_t byte;
    assert_int_equal(mr_engine_memory(f.engine, &actor, 6 * PAGE, &byte, 1), MR_LIMIT);
    script s = script_new();
    STEP(&s, "load", 6 * PAGE - 8);
    script_run_ok(&f, &actor, &s);
    STEP(&s, "load", 6 * PAGE - 7);
    assert_int_equal(script_run(&f, &actor, &s).outcome, MR_OUTCOME_TRAP);
    assert_code(fixture_message(&f, 0), 1, 0, 4);
    /* When it comes back it is clear, though it was written after it was freed. */
    c = calls_new();
    alloc(&c, 2);
    run(&f, &actor, &c, (int[]){6});
    assert_int_equal(fixture_u64(&f, &actor, 7 * PAGE), 0);
    fixture_close(&f);
}

/* Allocated and freed in the same dispatch leaves no trace in the state. */
static void pages_that_come_and_go_leave_the_memory_as_it_was(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, NULL);
    const mr_id program = fixture_program_of(
        &f, 1,
        "(func (export \"handle\") (local $p i32) (local.set $p (call $alloc (i32.const 5)))"
        "(i32.store (i32.mul (local.get $p) (i32.const 65536)) (i32.const 77))"
        "(drop (call $free_range (local.get $p) (i32.add (local.get $p) (i32.const 4)))))");
    const mr_program_info before = fixture_program_info(&f, &program);
    assert_int_equal(fixture_send(&f, &program, (mr_span){0}).outcome, MR_OUTCOME_OK);
    const mr_program_info after = fixture_program_info(&f, &program);
    assert_memory_equal(&before, &after, sizeof before);
    fixture_close(&f);
}

static void allocating_and_freeing_are_undone_with_the_dispatch(void **state)
{
    (void)state;
    static const char *const endings[] = {"unreachable", "gr_oom_panic", "spin", "recurse"};
    static const mr_outcome outcomes[] = {MR_OUTCOME_TRAP, MR_OUTCOME_MEMORY, MR_OUTCOME_OUT_OF_GAS,
                                          MR_OUTCOME_STACK};
    fixture f;
    fixture_open(&f, NULL);
    const mr_id actor = actor_new(&f);
    calls c = calls_new();
    alloc(&c, 6); /* 4..9 */
    for (uint32_t i = 4; i < 10; i++)
        STEP(&c.script, "store", i * PAGE, i);
    release(&c, 6);
    run(&f, &actor, &c, (int[]){4, 0});
    const mr_program_info before = fixture_program_info(&f, &actor);
    for (size_t i = 0; i < 4; i++) {
        c = calls_new();
        release(&c, 5);
        release_range(&c, 8, 9);
        alloc(&c, 1);
        alloc(&c, 20);
        STEP(&c.script, "store", 5 * PAGE, 1);
        STEP(&c.script, "store", 27 * PAGE, 1);
        STEP(&c.script, endings[i]);
        assert_int_equal(script_run(&f, &actor, &c.script).outcome, outcomes[i]);
        const mr_program_info after = fixture_program_info(&f, &actor);
        assert_memory_equal(&before, &after, sizeof before);
        for (uint32_t p = 4; p < 10; p++)
            assert_int_equal(fixture_u64(&f, &actor, p * PAGE), p == 6 ? 0 : p);
    }
    c = calls_new();
    alloc(&c, 1);
    alloc(&c, 1);
    run(&f, &actor, &c, (int[]){6, 10});
    fixture_close(&f);
}

static void a_discarded_block_undoes_the_heap(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, NULL);
    const mr_id actor = actor_new(&f);
    calls c = calls_new();
    alloc(&c, 3);
    run(&f, &actor, &c, (int[]){4});
    const mr_program_info before = fixture_program_info(&f, &actor);
    c = calls_new();
    release(&c, 5);
    alloc(&c, 9);
    STEP(&c.script, "store", 15 * PAGE, 1);
    const mr_transaction sends[] = {fixture_send_of(&f, &actor, script_span(&c.script)),
                                    fixture_send_of(&f, &actor, script_span(&c.script))};
    mr_block_discard(fixture_execute(&f, sends, 2));
    const mr_program_info after = fixture_program_info(&f, &actor);
    assert_memory_equal(&before, &after, sizeof before);
    c = calls_new();
    alloc(&c, 1);
    run(&f, &actor, &c, (int[]){7});
    fixture_close(&f);
}

/* Beyond 2 GiB addresses look negative to whoever forgets that they are not. */
static void pages_beyond_two_gibibytes_are_memory_like_any_other(void **state)
{
    (void)state;
    mr_schedule schedule = mr_schedule_default();
    schedule.pages_max = 32768;
    fixture f;
    fixture_open(&f, &(mr_engine_options){.schedule = &schedule});
    const mr_id actor = actor_new(&f);
    f.gas = 10000000000;
    calls c = calls_new();
    alloc(&c, 32768 - STATIC);
    alloc(&c, 1);
    const uint64_t top = (uint64_t)32768 * PAGE;
    STEP(&c.script, "store", top - 8, 0x0123456789abcdef);
    STEP(&c.script, "store", (uint64_t)16384 * PAGE - 4, UINT64_MAX);
    STEP(&c.script, "gr_size", top - 16);
    run(&f, &actor, &c, (int[]){STATIC, NONE});
    assert_int_equal(pages_of(&f, &actor), 32768);
    assert_int_equal(fixture_u64(&f, &actor, top - 8), 0x0123456789abcdef);
    assert_int_equal(fixture_u64(&f, &actor, (uint64_t)16384 * PAGE - 4), UINT64_MAX);
    assert_int_equal(fixture_u32(&f, &actor, top - 16), script_span(&c.script).size);
    /* One byte beyond the end: from the code, and from a host function. */
    script s = script_new();
    STEP(&s, "load", top - 7);
    assert_int_equal(script_run(&f, &actor, &s).outcome, MR_OUTCOME_TRAP);
    s = script_new();
    STEP(&s, "gr_size", top - 3);
    assert_int_equal(script_run(&f, &actor, &s).outcome, MR_OUTCOME_TRAP);
    c = calls_new();
    release_range(&c, STATIC + 1, 32767);
    run(&f, &actor, &c, (int[]){0});
    assert_int_equal(pages_of(&f, &actor), STATIC + 1);
    fixture_close(&f);
}

/* Gas of one call, from its burn less that of the same script without it. */
static void the_heap_costs_what_the_schedule_says(void **state)
{
    (void)state;
    static const struct {
        const char *call;
        uint64_t instructions, host;
    } cases[] = {
        {"(drop (call $alloc (i32.const 0)))", 2, 2000},
        {"(drop (call $alloc (i32.const 3)))", 2, 2000 + 3 * 64000},
        {"(drop (call $alloc (i32.const 99999)))", 2, 2000},
        {"(drop (call $alloc (i32.const 3))) (drop (call $free (i32.const 2)))", 4,
         2000 + 3 * 64000 + 2000 + 16000},
        {"(drop (call $alloc (i32.const 3))) (drop (call $free_range (i32.const 2) (i32.const 9)))",
         5, 2000 + 3 * 64000 + 2000 + 2 * 16000},
        {"(drop (call $free (i32.const 0)))", 2, 2000},
        {"(drop (call $free_range (i32.const 1) (i32.const 32767)))", 3, 2000},
    };
    fixture f;
    fixture_open(&f, NULL);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        wat_text body = {0};
        text_add(&body, "(func (export \"handle\") %s)", cases[i].call);
        const mr_id program = fixture_program_of(&f, 1, body.at);
        text_fini(&body);
        const uint64_t expected = 10000 + 1000 + cases[i].instructions * 1000 + cases[i].host;
        mr_receipt receipt = fixture_send(&f, &program, (mr_span){0});
        assert_int_equal(receipt.outcome, MR_OUTCOME_OK);
        assert_int_equal(receipt.gas_burned, expected);
        /* Loading is paid by the pages there are when the dispatch begins. */
        const uint32_t pages = pages_of(&f, &program);
        const mr_id again = program;
        f.gas = 10000 + 1000 * pages - 1;
        receipt = fixture_send(&f, &again, (mr_span){0});
        assert_int_equal(receipt.outcome, MR_OUTCOME_OUT_OF_GAS);
        assert_int_equal(receipt.gas_burned, f.gas);
        f.gas = PLENTY;
    }
    fixture_close(&f);
}

/* Without the gas for its pages alloc ends the dispatch: it does not return -1. */
static void alloc_without_gas_ends_the_dispatch(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, NULL);
    const mr_id program =
        fixture_program_of(&f, 1, "(func (export \"handle\") (drop (call $alloc (i32.const 3))))");
    const uint64_t cost = 10000 + 1000 + 2 * 1000 + 2000 + 3 * 64000;
    f.gas = cost - 1;
    mr_receipt receipt = fixture_send(&f, &program, (mr_span){0});
    assert_int_equal(receipt.outcome, MR_OUTCOME_OUT_OF_GAS);
    assert_int_equal(receipt.gas_burned, cost - 1);
    assert_int_equal(pages_of(&f, &program), 1);
    f.gas = cost;
    receipt = fixture_send(&f, &program, (mr_span){0});
    assert_int_equal(receipt.outcome, MR_OUTCOME_OK);
    assert_int_equal(pages_of(&f, &program), 4);
    fixture_close(&f);
}

/* A page of the shadow stack is neither state nor paid for. */
static void the_shadow_stack_costs_nothing_and_is_clear_in_every_dispatch(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, NULL);
    const mr_id program =
        fixture_program_of(&f, 3,
                           "(global (export \"__gear_stack_end\") i32 (i32.const 131072))"
                           "(func (export \"handle\")"
                           "(i64.store (i32.const 131072) (i64.load (i32.const 131064)))"
                           "(i64.store (i32.const 131064) (i64.const -1)))");
    const mr_receipt first = fixture_send(&f, &program, (mr_span){0});
    const mr_receipt second = fixture_send(&f, &program, (mr_span){0});
    assert_int_equal(second.outcome, MR_OUTCOME_OK);
    assert_int_equal(fixture_u64(&f, &program, 131072), 0);
    assert_int_equal(fixture_u64(&f, &program, 131064), 0);
    assert_int_equal(first.gas_burned, 10000 + 1000 + 7 * 1000);
    assert_int_equal(second.gas_burned, first.gas_burned);
    assert_int_equal(fixture_program_info(&f, &program).units, 0);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_are_given_first_fit),
        cmocka_unit_test(nothing_is_allocated_at_the_start_of_the_heap),
        cmocka_unit_test(what_is_not_owned_cannot_be_freed),
        cmocka_unit_test(a_page_number_beyond_any_memory_traps),
        cmocka_unit_test(too_many_pages_are_refused_and_cost_the_call_alone),
        cmocka_unit_test(static_pages_may_fill_all_memory),
        cmocka_unit_test(a_freed_page_is_clear_at_once_and_afterwards),
        cmocka_unit_test(memory_shrinks_to_the_last_page_for_the_next_message),
        cmocka_unit_test(pages_that_come_and_go_leave_the_memory_as_it_was),
        cmocka_unit_test(allocating_and_freeing_are_undone_with_the_dispatch),
        cmocka_unit_test(a_discarded_block_undoes_the_heap),
        cmocka_unit_test(pages_beyond_two_gibibytes_are_memory_like_any_other),
        cmocka_unit_test(the_heap_costs_what_the_schedule_says),
        cmocka_unit_test(alloc_without_gas_ends_the_dispatch),
        cmocka_unit_test(the_shadow_stack_costs_nothing_and_is_clear_in_every_dispatch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
