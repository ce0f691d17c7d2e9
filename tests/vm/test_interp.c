/* SPDX-License-Identifier: Apache-2.0 */
/* mr-test: timeout=180
 * Goal: the interpreter behaves as a tier must, whatever programs do to it: no stack of WABT's ends
 * a call early, traps leave nothing behind, calls may be nested, instances come and go.
 * Method: small modules; memory of the process before and after. MR_TRAPS sets the number of traps.
 */
#include "fixture.h"

#include <unistd.h>

typedef struct context {
    mr_vm_worker *worker;
    mr_memory *inner; /* what "nested" runs */
    uint64_t args[8];
    int calls;
    mr_vm_outcome inner_outcome;
} context;

static mr_host_action host_eight(void *ctx, mr_run *run, const uint64_t *args, uint64_t *result)
{
    (void)run;
    context *c = ctx;
    c->calls++;
    memcpy(c->args, args, sizeof c->args);
    assert_int_equal(*result, 0);
    *result = UINT64_MAX - 4; /* for an i32, only the low half counts */
    return MR_HOST_CONTINUE;
}

static mr_host_action host_overcharge(void *ctx, mr_run *run, const uint64_t *args,
                                      uint64_t *result)
{
    (void)args;
    (void)result;
    context *c = ctx;
    c->calls++;
    assert_false(mr_run_charge(run, UINT64_MAX));
    assert_int_equal(mr_run_gas(run), 0);
    return MR_HOST_CONTINUE; /* as a careless host function would */
}

static mr_host_action host_nested(void *ctx, mr_run *run, const uint64_t *args, uint64_t *result)
{
    (void)run;
    (void)result;
    context *c = ctx;
    context inner = {.worker = c->worker, .inner = NULL};
    uint64_t left;
    mr_run *inner_run = fixture_begin(c->worker, c->inner);
    c->inner_outcome = mr_run_call(inner_run, (uint32_t)args[0], 1000000, &inner, &left);
    if (c->inner_outcome == MR_VM_DONE)
        assert_int_equal(mr_run_commit(inner_run), MR_OK);
    else
        mr_run_rollback(inner_run);
    return MR_HOST_CONTINUE;
}

static mr_host_action host_stop(void *ctx, mr_run *run, const uint64_t *args, uint64_t *result)
{
    (void)ctx;
    (void)run;
    (void)args;
    (void)result;
    return MR_HOST_STOP;
}

static const mr_import_rule imports[] = {
    {"eight", "iliillii:i"}, {"overcharge", ""}, {"nested", "i"}, {"stop", ""}};
static mr_host_fn *const functions[] = {host_eight, host_overcharge, host_nested, host_stop};
static const char *const entries[] = {"handle", "deep", "trap", "deep_trap", "other"};
enum { HANDLE, DEEP, TRAP, DEEP_TRAP, OTHER };

static mr_module_rules rules(void)
{
    mr_module_rules r = fixture_rules;
    r.imports = imports;
    r.imports_count = 4;
    r.entries = entries;
    r.entries_count = 5;
    r.entries_required = 1;
    return r;
}
static mr_module_rules the_rules;

static mr_code *code_of(const char *functions_text)
{
    static char text[20000];
    mr_buffer module = {0};
    mr_error error = {0};
    mr_code *code = NULL;
    snprintf(text, sizeof text,
             "(module (type $v (func)) (import \"env\" \"memory\" (memory 1))"
             " (import \"env\" \"eight\""
             "   (func $eight (param i32 i64 i32 i32 i64 i64 i32 i32) (result i32)))"
             " (import \"env\" \"overcharge\" (func $overcharge))"
             " (import \"env\" \"nested\" (func $nested (param i32)))"
             " (import \"env\" \"stop\" (func $stop)) %s)",
             functions_text);
    if (mr_code_from_text(mr_span_text(text), "test", &module, &error) != MR_OK ||
        mr_code_new(&the_rules, &fixture_prices, mr_buffer_span(&module), &code, &error) != MR_OK)
        fail_msg("%s", error.text);
    mr_buffer_fini(&module);
    return code;
}

static fixture new_fixture(uint64_t instance_bytes_max)
{
    return fixture_open(&(mr_vm_options){.rules = &the_rules,
                                         .functions = functions,
                                         .tier = MR_TIER_INTERP,
                                         .prices = &fixture_prices,
                                         .instance_bytes_max = instance_bytes_max,
                                         .live_bytes_max = UINT64_MAX});
}

static mr_vm_outcome call(fixture *f, mr_memory *memory, uint32_t entry, uint64_t gas, context *c)
{
    uint64_t left;
    c->worker = f->worker;
    mr_run *run = fixture_begin(f->worker, memory);
    mr_vm_outcome outcome = mr_run_call(run, entry, gas, c, &left);
    mr_run_rollback(run);
    return outcome;
}

static size_t resident(void)
{
    size_t pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%*u %zu", &pages), 1);
    fclose(file);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* ---- Host calls ---- */

static void arguments_arrive_as_they_were_given(void **state)
{
    (void)state;
    fixture f = new_fixture(1 << 20);
    mr_code *code = code_of("(func (export \"handle\")"
                            " (if (i32.ne (i32.const -5) (call $eight"
                            "   (i32.const -1) (i64.const -2) (i32.const -2147483648)"
                            "   (i32.const 3) (i64.const 0x123456789abcdef0) (i64.const 5)"
                            "   (i32.const -6) (i32.const 7))) (then unreachable)))");
    mr_memory memory;
    mr_memory_init(&memory, code);
    context c = {0};
    assert_int_equal(call(&f, &memory, HANDLE, 100000, &c), MR_VM_DONE);
    const uint64_t expected[8] = {0xffffffff, UINT64_MAX - 1, 0x80000000, 3, 0x123456789abcdef0,
                                  5,          0xfffffffa,     7};
    for (int i = 0; i < 8; i++)
        assert_int_equal(c.args[i], expected[i]);
    mr_memory_fini(&memory, f.pool);
    mr_code_put(code);
    fixture_free(&f);
}

static void no_host_function_is_called_once_gas_has_run_out(void **state)
{
    (void)state;
    fixture f = new_fixture(1 << 20);
    mr_code *code =
        code_of("(func (export \"handle\") call $overcharge call $overcharge unreachable)"
                "(func (export \"trap\") call $overcharge i32.const 0 i32.load drop unreachable)"
                "(func (export \"other\") call $overcharge)");
    mr_memory memory;
    mr_memory_init(&memory, code);
    const uint32_t all[] = {HANDLE, TRAP, OTHER};
    for (int i = 0; i < 3; i++) {
        context c = {0};
        assert_int_equal(call(&f, &memory, all[i], 100000, &c), MR_VM_OUT_OF_GAS);
        assert_int_equal(c.calls, 1);
    }
    mr_memory_fini(&memory, f.pool);
    mr_code_put(code);
    fixture_free(&f);
}

static void a_stop_keeps_the_gas_that_is_left(void **state)
{
    (void)state;
    fixture f = new_fixture(1 << 20);
    mr_code *code = code_of("(func (export \"handle\") call $stop unreachable)");
    mr_memory memory;
    mr_memory_init(&memory, code);
    uint64_t left = 0;
    mr_run *run = fixture_begin(f.worker, &memory);
    assert_int_equal(mr_run_call(run, HANDLE, 100000, NULL, &left), MR_VM_STOPPED);
    assert_true(left > 99900 && left < 100000);
    mr_run_rollback(run);
    mr_memory_fini(&memory, f.pool);
    mr_code_put(code);
    fixture_free(&f);
}

/* The host function begins, calls and ends a run of the same code, and that one another. */
static void a_call_may_run_within_a_call(void **state)
{
    (void)state;
    fixture f = new_fixture(1 << 20);
    mr_code *code = code_of(
        "(global $g (mut i32) (i32.const 5))"
        "(func $down (param i32) (result i32) (if (result i32) (local.get 0)"
        "  (then (i32.add (call $down (i32.sub (local.get 0) (i32.const 1))) (i32.const 1)))"
        "  (else (call $nested (i32.const 4)) (i32.const 0))))"
        "(func (export \"handle\") (i32.store (i32.const 8) (i32.const 1))"
        "  (global.set $g (i32.const 6)) (drop (call $down (i32.const 100)))"
        "  (i32.store (i32.const 12) (global.get $g)))"
        "(func (export \"trap\") (call $nested (i32.const 3)) (i32.store (i32.const 16)"
        "  (i32.const 9)))"
        "(func (export \"deep_trap\") (i32.store (i32.const 8) (i32.const 7)) unreachable)"
        "(func (export \"other\") (i32.store (i32.const 8) (global.get $g)))");
    mr_memory outer;
    mr_memory inner;
    mr_memory_init(&outer, code);
    mr_memory_init(&inner, code);
    uint64_t left;
    for (int i = 0; i < 3; i++) {
        context c = {.worker = f.worker, .inner = &inner};
        mr_run *run = fixture_begin(f.worker, &outer);
        assert_int_equal(mr_run_call(run, i < 2 ? HANDLE : TRAP, 1000000, &c, &left), MR_VM_DONE);
        assert_int_equal(c.inner_outcome, i < 2 ? MR_VM_DONE : MR_VM_UNREACHABLE);
        assert_int_equal(mr_run_commit(run), MR_OK);
        mr_memory_check(&outer);
        mr_memory_check(&inner);
    }
    uint32_t words[3];
    assert_int_equal(mr_memory_read(&outer, 8, words, sizeof words), MR_OK);
    assert_int_equal(words[0], 1);
    assert_int_equal(words[1], 6);
    assert_int_equal(words[2], 9);
    assert_int_equal(mr_memory_read(&inner, 8, words, sizeof words), MR_OK);
    assert_int_equal(words[0], 5);
    assert_int_equal(words[1], 0);
    mr_memory_fini(&outer, f.pool);
    mr_memory_fini(&inner, f.pool);
    mr_code_put(code);
    fixture_free(&f);
}

/* ---- Stacks ---- */

static const char deep_text[] =
    "(func (export \"handle\"))"
    "(table 1 funcref) (elem (i32.const 0) $down_indirect)"
    "(func $down (param i32) (if (local.get 0)"
    "  (then (call $down (i32.sub (local.get 0) (i32.const 1))))))"
    "(func $down_trap (param i32) (if (local.get 0)"
    "  (then (call $down_trap (i32.sub (local.get 0) (i32.const 1)))) (else unreachable)))"
    "(func $down_indirect (call_indirect (type $v) (i32.const 0)))"
    "(func (export \"deep\") (call $down (i32.const 4000)))"
    "(func (export \"deep_trap\") (call $down_trap (i32.const 4000)))"
    "(func (export \"trap\") unreachable)"
    "(func (export \"other\") (call $down_indirect))";

static void calls_go_as_deep_as_the_code_allows_not_as_deep_as_wabt_does(void **state)
{
    (void)state;
    fixture f = new_fixture(1 << 20);
    mr_code *code = code_of(deep_text);
    mr_memory memory;
    mr_memory_init(&memory, code);
    context c = {0};
    assert_int_equal(call(&f, &memory, DEEP, 10000000, &c), MR_VM_DONE);
    assert_int_equal(call(&f, &memory, DEEP_TRAP, 10000000, &c), MR_VM_UNREACHABLE);
    assert_int_equal(call(&f, &memory, OTHER, 10000000, &c), MR_VM_STACK_LIMIT);
    assert_int_equal(call(&f, &memory, DEEP, 10000000, &c), MR_VM_DONE);
    mr_memory_fini(&memory, f.pool);
    mr_code_put(code);
    fixture_free(&f);
}

static void traps_do_not_add_up(void **state)
{
    (void)state;
    const char *text = getenv("MR_TRAPS");
    long traps = text != NULL ? atol(text) : 50000;
    fixture f = new_fixture(1 << 20);
    mr_code *code = code_of(deep_text);
    mr_memory memory;
    mr_memory_init(&memory, code);
    context c = {0};
    size_t before = 0;
    for (long i = 0; i < traps; i++) {
        if (i == traps / 10)
            before = resident();
        uint32_t entry = i % 100 == 7 ? DEEP_TRAP : TRAP;
        assert_int_equal(call(&f, &memory, entry, 10000000, &c), MR_VM_UNREACHABLE);
    }
    size_t after = resident();
    print_message("%ld traps: %zd KiB more\n", traps, ((ssize_t)after - (ssize_t)before) / 1024);
#ifndef MR_SANITIZED /* whose allocator keeps what is freed */
    assert_true(after < before + (2 << 20));
#endif
    mr_memory_fini(&memory, f.pool);
    mr_code_put(code);
    fixture_free(&f);
}

/* ---- Instances ---- */

static void instances_beyond_the_budget_make_room_for_others(void **state)
{
    (void)state;
    enum { CODES = 30, ROUNDS = 20 };
    fixture f = new_fixture(200 << 10);
    mr_code *codes[CODES];
    mr_memory memories[CODES];
    for (int i = 0; i < CODES; i++) {
        codes[i] = code_of(deep_text);
        mr_memory_init(&memories[i], codes[i]);
    }
    size_t before = 0;
    context c = {0};
    for (int round = 0; round < ROUNDS; round++) {
        if (round == 2)
            before = resident();
        for (int i = 0; i < CODES; i++) {
            /* The second call finds the instance of the first. */
            assert_int_equal(call(&f, &memories[i], HANDLE, 1000, &c), MR_VM_DONE);
            assert_int_equal(call(&f, &memories[i], TRAP, 1000, &c), MR_VM_UNREACHABLE);
        }
    }
    mr_vm_counters counters;
    mr_vm_worker_counters(f.worker, &counters);
    assert_in_range(counters.instances_made, CODES * ROUNDS, 2 * CODES * ROUNDS); /* one a tier */
    size_t after = resident();
    print_message("%d instances: %zd KiB more\n", CODES * ROUNDS,
                  ((ssize_t)after - (ssize_t)before) / 1024);
#ifndef MR_SANITIZED
    assert_true(after < before + (2 << 20));
#endif
    for (int i = 0; i < CODES; i++) {
        mr_memory_fini(&memories[i], f.pool);
        mr_code_put(codes[i]);
    }
    fixture_free(&f);
}

int main(void)
{
    the_rules = rules();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arguments_arrive_as_they_were_given),
        cmocka_unit_test(no_host_function_is_called_once_gas_has_run_out),
        cmocka_unit_test(a_stop_keeps_the_gas_that_is_left),
        cmocka_unit_test(a_call_may_run_within_a_call),
        cmocka_unit_test(calls_go_as_deep_as_the_code_allows_not_as_deep_as_wabt_does),
        cmocka_unit_test(traps_do_not_add_up),
        cmocka_unit_test(instances_beyond_the_budget_make_room_for_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
