/* SPDX-License-Identifier: Apache-2.0 */
/* mr-test: timeout=120 tiers=own
 * Goal: what is easily done in another way by compiled code than by the interpreter comes to the
 * same end. Method: programs made for the purpose, run in every way. */
#include "tests/vm/spec.h"

/* Two stores of four bytes at offsets of a base, with something in between. Memory is a page. */
static void begin_stores(spec_module *m, uint32_t base, int32_t first, const char *between,
                         int32_t second)
{
    mr_buffer text = {0};
    spec_add(&text,
             "(module (import \"env\" \"memory\" (memory 1))\n" SPEC_IMPORTS
             "  (func (export \"handle\") (local $base i32)\n"
             "    (local.set $base (i32.const %u))\n"
             "    (i32.store (i32.add (local.get $base) (i32.const %d)) (i32.const -1))\n"
             "    %s\n"
             "    (i32.store (i32.add (local.get $base) (i32.const %d)) (i32.const -1))))\n",
             base, first, between, second);
    spec_begin_buffer(m, &text);
}

static void assert_no_marks(const mr_vm_worker *worker)
{
    const mr_run *run = worker->idle_runs;
    for (uint32_t i = 0; i < MR_MARKS_BYTES; i++) {
        if (run->marks[i] != 0)
            fail_msg("mark %u is left", i);
    }
}

/* Wherever the second store is, before memory or behind it, the first is undone, and no mark is
 * left for whoever runs next. */
static void a_store_that_shares_marks_with_one_out_of_bounds_is_undone(void **state)
{
    (void)state;
    static const struct {
        uint32_t base;
        int32_t first, second;
    } cases[] = {
        {65532, 0, 4},   {65532, 0, 8},   {65532, 0, 100}, {65528, 0, 6},    {65528, 4, 8},
        {65300, 0, 234}, {65281, 0, 254}, {65536, -4, 0},  {65536, -250, 0}, {0, 0, -4},
        {0, 0, -8},      {0, 0, -100},    {4, 0, -6},      {0, 250, -2},     {0, 0, -16},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        spec_module m;
        begin_stores(&m, cases[i].base, cases[i].first, "", cases[i].second);
        for (uint32_t w = 0; w < SPEC_WAYS; w++) {
            spec_host host = {0};
            mr_run *run = spec_run_begin(&m, w);
            assert_int_equal(spec_call(run, &host), MR_TRAP_OUT_OF_BOUNDS);
            mr_run_rollback(run);
            mr_memory_check(&m.memories[w]);
            assert_no_marks(spec_machines[w].worker);
        }
        spec_end(&m);
    }
}

/* What is between the stores is done before the second one fails, or in place of it. */
static void marks_are_not_shared_over_what_may_end_a_call(void **state)
{
    (void)state;
    static const struct {
        const char *between;
        size_t outs;
        int end;
    } cases[] = {
        {"(call $out (i64.const 1))", 1, MR_TRAP_OUT_OF_BOUNDS},
        {"(drop (i32.div_u (i32.const 1) (i32.const 0)))", 0, MR_TRAP_DIVIDE_BY_ZERO},
        {"(drop (i64.rem_s (i64.const 1) (i64.const 0)))", 0, MR_TRAP_DIVIDE_BY_ZERO},
        {"(br_if 0 (i32.const 1))", 0, SPEC_DONE},
        {"(if (i32.const 1) (then (return)))", 0, SPEC_DONE},
        {"(if (local.get $base) (then (call $out (i64.const 1))))", 1, MR_TRAP_OUT_OF_BOUNDS},
        {"(if (i32.const 1) (then unreachable))", 0, MR_TRAP_UNREACHABLE},
        {"(loop (call $out (i64.const 1)))", 1, MR_TRAP_OUT_OF_BOUNDS},
        {"(block (br_if 0 (i32.const 1)) unreachable)", 0, MR_TRAP_OUT_OF_BOUNDS},
        {"(block (block (br_table 0 1 1 (i32.const 0))) (call $out (i64.const 1)))", 1,
         MR_TRAP_OUT_OF_BOUNDS},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        spec_module m;
        begin_stores(&m, 65532, 0, cases[i].between, 4);
        spec_expect(&m, cases[i].between, NULL, (const uint64_t[]){1}, cases[i].outs, cases[i].end);
        for (uint32_t w = 0; w < SPEC_WAYS; w++)
            mr_memory_check(&m.memories[w]);
        spec_end(&m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_store_that_shares_marks_with_one_out_of_bounds_is_undone),
        cmocka_unit_test(marks_are_not_shared_over_what_may_end_a_call),
    };
    return cmocka_run_group_tests(tests, spec_set_up, spec_tear_down);
}
