/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: a call that failed says why, and which functions were active, by the names and numbers of
 * the uploaded module; and no result depends on whether it does.
 * Method: one module with a function for every way to fail, each called through others. */
#include "fixture.h"

static mr_host_action host_stop(void *ctx, mr_run *run, const uint64_t *args, uint64_t *result)
{
    (void)ctx;
    (void)run;
    (void)args;
    (void)result;
    return MR_HOST_STOP;
}

static mr_host_action host_charge(void *ctx, mr_run *run, const uint64_t *args, uint64_t *result)
{
    (void)ctx;
    (void)result;
    return mr_run_charge(run, args[0]) ? MR_HOST_CONTINUE : MR_HOST_STOP;
}

/* Runs "unreachable" of another memory and keeps what its backtrace says. */
typedef struct nest {
    mr_vm_worker *worker;
    mr_memory *memory;
    mr_backtrace inner;
} nest;

enum { UNREACHABLE = 1 }; /* entry */

static mr_host_action host_nest(void *ctx, mr_run *run, const uint64_t *args, uint64_t *result)
{
    (void)run;
    (void)args;
    (void)result;
    nest *n = ctx;
    uint64_t left;
    mr_run *inner = fixture_begin(n->worker, n->memory);
    assert_int_equal(mr_run_call(inner, UNREACHABLE, 10000, NULL, &left), MR_VM_UNREACHABLE);
    n->inner = *mr_run_backtrace(inner);
    mr_run_rollback(inner);
    return MR_HOST_STOP;
}

static const mr_import_rule imports[] = {
    {"unused", ""}, {"stop", ""}, {"charge", "l"}, {"nest", ""}};
static mr_host_fn *const functions[] = {host_stop, host_stop, host_charge, host_nest};

/* Ways to end, an entry each: what it is called like, and what must be found. */
typedef struct way {
    const char *entry;
    mr_vm_outcome outcome;
    mr_trap trap;
    const char *text; /* of the backtrace, NULL when there is none */
} way;

static const way ways[] = {
    {"handle", MR_VM_DONE, MR_TRAP_HOST, NULL},
    {"unreachable", MR_VM_UNREACHABLE, MR_TRAP_UNREACHABLE,
     "executed unreachable\n    in app::fail\n    in function 10\n    in entry\n"},
    {"outside", MR_VM_OUT_OF_BOUNDS, MR_TRAP_OUT_OF_BOUNDS,
     "access outside memory\n    in function 11\n"},
    {"divide", MR_VM_INTEGER, MR_TRAP_DIVIDE_BY_ZERO,
     "integer division by zero\n    in function 12\n"},
    {"overflow", MR_VM_INTEGER, MR_TRAP_OVERFLOW,
     "integer overflow in a division\n    in function 13\n"},
    {"beyond", MR_VM_INDIRECT, MR_TRAP_NO_ELEMENT,
     "indirect call beyond the end of the table\n    in pick\n    in function 14\n"},
    {"empty", MR_VM_INDIRECT, MR_TRAP_EMPTY_ELEMENT,
     "indirect call of no function\n    in pick\n    in function 15\n"},
    {"type", MR_VM_INDIRECT, MR_TRAP_ELEMENT_TYPE,
     "indirect call of a function of another type\n    in pick\n    in function 16\n"},
    {"stop", MR_VM_STOPPED, MR_TRAP_HOST,
     "stopped by a host function\n    in stop\n    in function 17\n"},
    {"stop_table", MR_VM_STOPPED, MR_TRAP_HOST,
     "stopped by a host function\n    in stop\n    in pick\n    in function 18\n"},
    {"loop", MR_VM_OUT_OF_GAS, MR_TRAP_GAS, "out of gas\n    in function 19\n"},
    {"charge", MR_VM_OUT_OF_GAS, MR_TRAP_GAS, "out of gas\n    in charge\n    in function 20\n"},
    {"late", MR_VM_OUT_OF_GAS, MR_TRAP_GAS, "out of gas\n    in function 21\n"},
    {"deep", MR_VM_STACK_LIMIT, MR_TRAP_STACK, NULL},
};
enum { WAYS = sizeof ways / sizeof *ways };

static const char *entries[WAYS + 1]; /* "nest" is the last */
static mr_module_rules rules;

/* Functions 0 to 3 are imported, without "unused" before them. The dead code is pruned. */
static const char module_text[] =
    "(module"
    " (type $v (func)) (type $i (func (param i32)))"
    " (import \"env\" \"memory\" (memory 1))"
    " (import \"env\" \"nest\" (func $nest_import))"
    " (import \"env\" \"stop\" (func $_ZN4gsys4stop17h0123456789abcdefE))"
    " (import \"env\" \"charge\" (func $charge_import (param i64)))"
    " (table 4 funcref)"
    " (elem (i32.const 0) $leaf $takes $_ZN4gsys4stop17h0123456789abcdefE)"
    " (func $leaf)"                                                     /* 3 */
    " (func $takes (param i32))"                                        /* 4 */
    " (func $pick (param i32) (call_indirect (type $v) (local.get 0)))" /* 5 */
    " (func $_ZN3app4fail17h0123456789abcdefE (call $leaf) unreachable" /* 6 */
    "   (call $takes (i32.const 1)) (call $leaf))"
    " (func $down (param i32) (call $down (i32.add (local.get 0) (i32.const 1))))" /* 7 */
    " (func (export \"handle\") (call $leaf) return (call $leaf))"                 /* 8 */
    " (func $entry (export \"unreachable\") (call 10))"                            /* 9 */
    " (func (call $_ZN3app4fail17h0123456789abcdefE))"                             /* 10 */
    " (func (export \"outside\") (call $leaf) (drop (i32.load (i32.const -4))))"   /* 11 */
    " (func (export \"divide\") (drop (i32.rem_u (i32.const 1) (i32.const 0))))"   /* 12 */
    " (func (export \"overflow\")"                                                 /* 13 */
    "   (drop (i64.div_s (i64.const 0x8000000000000000) (i64.const -1))))"
    " (func (export \"beyond\") (call $pick (i32.const 4)))"                /* 14 */
    " (func (export \"empty\") (call $pick (i32.const 3)))"                 /* 15 */
    " (func (export \"type\") (call $pick (i32.const 1)))"                  /* 16 */
    " (func (export \"stop\") (call $_ZN4gsys4stop17h0123456789abcdefE))"   /* 17 */
    " (func (export \"stop_table\") (call $pick (i32.const 2)))"            /* 18 */
    " (func (export \"loop\") (call $leaf) (loop (br 0)))"                  /* 19 */
    " (func (export \"charge\") (call $charge_import (i64.const 1000000)))" /* 20 */
    " (func (export \"late\") (if (i32.eqz (i32.const 0)) (then"            /* 21 */
    "   (drop (i32.add (i32.const 1) (i32.const 2))))))"
    " (func (export \"deep\") (call $down (i32.const 0)))"   /* 22 */
    " (func $nests (export \"nest\") (call $nest_import)))"; /* 23 */

enum { GAS = 10000, GAS_LATE = 4 /* two instructions are paid on entry, five come to it */ };

typedef struct machine {
    fixture f;
    mr_code *code;
    mr_memory memory;
} machine;

static machine machine_new(void)
{
    static const mr_native_options native = {.frames = true};
    machine m = {0};
    mr_error error = {0};
    mr_buffer module = {0};
    mr_vm_options options = {.rules = &rules,
                             .functions = functions,
                             .prices = &fixture_prices,
                             .native = &native,
                             .instance_bytes_max = 1 << 20,
                             .live_bytes_max = 1 << 20};
    if (mr_vm_new(&options, &m.f.vm, &error) != MR_OK ||
        mr_vm_worker_new(m.f.vm, &m.f.worker, &error) != MR_OK ||
        mr_code_from_text(mr_span_text(module_text), "test.wat", &module, &error) != MR_OK ||
        mr_code_new(&rules, &fixture_prices, mr_buffer_span(&module), &m.code, &error) != MR_OK)
        fail_msg("%s", error.text);
    m.f.pool = mr_vm_worker_pool(m.f.worker);
    mr_buffer_fini(&module);
    return m;
}

static void machine_free(machine *m)
{
    mr_memory_fini(&m->memory, m->f.pool);
    mr_code_put(m->code);
    fixture_free(&m->f);
}

static uint64_t gas_of(const way *w)
{
    return strcmp(w->entry, "late") == 0   ? GAS_LATE
           : strcmp(w->entry, "deep") == 0 ? 10000000
                                           : GAS;
}

static void every_way_to_fail_is_named_and_placed(void **state)
{
    (void)state;
    machine m = machine_new();
    mr_memory_init(&m.memory, m.code);
    mr_vm_worker_set_backtrace(m.f.worker, true);
    for (uint32_t i = 0; i < WAYS; i++) {
        uint64_t left;
        mr_run *run = fixture_begin(m.f.worker, &m.memory);
        assert_null(mr_run_backtrace(run));
        assert_int_equal(mr_run_call(run, i, gas_of(&ways[i]), NULL, &left), ways[i].outcome);
        const mr_backtrace *found = mr_run_backtrace(run);
        if (ways[i].outcome == MR_VM_DONE) {
            assert_null(found);
        } else {
            assert_non_null(found);
            assert_int_equal(found->trap, ways[i].trap);
        }
        if (ways[i].text != NULL) {
            mr_buffer text = {0};
            assert_int_equal(mr_backtrace_print(found, m.code, &text), MR_OK);
            assert_int_equal(mr_buffer_append(&text, mr_span_of("", 1)), MR_OK);
            assert_string_equal((const char *)text.data, ways[i].text);
            assert_int_equal(found->left_out, 0);
            mr_buffer_fini(&text);
        }
        mr_run_rollback(run);
    }
    machine_free(&m);
}

static void a_deep_recursion_shows_its_innermost_functions_and_counts_the_others(void **state)
{
    (void)state;
    machine m = machine_new();
    mr_memory_init(&m.memory, m.code);
    mr_vm_worker_set_backtrace(m.f.worker, true);
    uint64_t left;
    mr_run *run = fixture_begin(m.f.worker, &m.memory);
    assert_int_equal(mr_run_call(run, WAYS - 1, 10000000, NULL, &left), MR_VM_STACK_LIMIT);
    const mr_backtrace *found = mr_run_backtrace(run);
    assert_int_equal(found->frames_count, MR_BACKTRACE_FRAMES_MAX);
    for (uint32_t i = 0; i < found->frames_count; i++)
        assert_int_equal(found->frames[i], 7);
    /* `down` has a parameter and two operands; the entry one operand. */
    uint32_t depth = (65536 - 1 - MR_CODE_FRAME_VALUES) / (3 + MR_CODE_FRAME_VALUES);
    assert_in_range(found->left_out, depth + 2 - 32 - 1, depth + 2 - 32 + 1);
    mr_buffer text = {0};
    char last[64];
    assert_int_equal(mr_backtrace_print(found, m.code, &text), MR_OK);
    int size = snprintf(last, sizeof last, "    in down\n    and %u more\n", found->left_out);
    assert_memory_equal(text.data + text.size - (size_t)size, last, (size_t)size);
    mr_buffer_fini(&text);
    mr_run_rollback(run);
    machine_free(&m);
}

static void outcome_and_gas_are_the_same_without(void **state)
{
    (void)state;
    machine m = machine_new();
    mr_memory_init(&m.memory, m.code);
    for (uint32_t i = 0; i < WAYS; i++) {
        uint64_t left[2];
        for (int on = 0; on < 2; on++) {
            mr_vm_worker_set_backtrace(m.f.worker, on == 1);
            mr_run *run = fixture_begin(m.f.worker, &m.memory);
            assert_int_equal(mr_run_call(run, i, gas_of(&ways[i]), NULL, &left[on]),
                             ways[i].outcome);
            assert_true(on == 1 || mr_run_backtrace(run) == NULL);
            mr_run_rollback(run);
        }
        assert_int_equal(left[0], left[1]);
    }
    machine_free(&m);
}

static void runs_within_runs_have_their_own(void **state)
{
    (void)state;
    machine m = machine_new();
    mr_memory other;
    mr_memory_init(&m.memory, m.code);
    mr_memory_init(&other, m.code);
    mr_vm_worker_set_backtrace(m.f.worker, true);
    nest n = {.worker = m.f.worker, .memory = &other};
    uint64_t left;
    mr_run *run = fixture_begin(m.f.worker, &m.memory);
    assert_int_equal(mr_run_call(run, WAYS, GAS, &n, &left), MR_VM_STOPPED);
    const mr_backtrace *outer = mr_run_backtrace(run);
    const uint32_t outer_frames[] = {0, 23}, inner_frames[] = {6, 10, 9};
    assert_int_equal(outer->trap, MR_TRAP_HOST);
    assert_int_equal(outer->frames_count, 2);
    assert_memory_equal(outer->frames, outer_frames, sizeof outer_frames);
    assert_int_equal(n.inner.trap, MR_TRAP_UNREACHABLE);
    assert_int_equal(n.inner.frames_count, 3);
    assert_memory_equal(n.inner.frames, inner_frames, sizeof inner_frames);
    mr_run_rollback(run);
    mr_memory_fini(&other, m.f.pool);
    machine_free(&m);
}

static void functions_are_called_what_their_authors_call_them(void **state)
{
    (void)state;
    machine m = machine_new();
    mr_memory_init(&m.memory, m.code);
    static const char *const texts[] = {"nest", "stop",      "charge", "leaf",       "takes",
                                        "pick", "app::fail", "down",   "function 8", "entry"};
    char out[MR_FUNCTION_TEXT_BYTES];
    assert_int_equal(mr_code_functions_count(m.code), 24);
    for (uint32_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        assert_string_equal(mr_code_function_text(m.code, i, out), texts[i]);
        if (i < 3)
            assert_string_equal(mr_code_import_name(m.code, i), texts[i]);
        else
            assert_null(mr_code_import_name(m.code, i));
    }
    assert_string_equal(mr_code_function_text(m.code, UINT32_MAX, out), "function 4294967295");
    assert_int_equal(mr_code_entry_function(m.code, 0), 8);
    assert_int_equal(mr_code_entry_function(m.code, WAYS), 23);
    machine_free(&m);
}

int main(void)
{
    for (int i = 0; i < WAYS; i++)
        entries[i] = ways[i].entry;
    entries[WAYS] = "nest";
    rules = fixture_rules;
    rules.imports = imports;
    rules.imports_count = sizeof imports / sizeof *imports;
    rules.entries = entries;
    rules.entries_count = WAYS + 1;
    rules.entries_required = 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_way_to_fail_is_named_and_placed),
        cmocka_unit_test(a_deep_recursion_shows_its_innermost_functions_and_counts_the_others),
        cmocka_unit_test(outcome_and_gas_are_the_same_without),
        cmocka_unit_test(runs_within_runs_have_their_own),
        cmocka_unit_test(functions_are_called_what_their_authors_call_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
