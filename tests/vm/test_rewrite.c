/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: gas is exact on the paths that matter, marks are as few as the rules allow and cover every
 * store, recursion ends at the depth that its frames allow.
 * Method: small functions with what they must burn, how many marks they must have, how deep they
 * must get, all worked out by hand; each also runs against itself as uploaded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "tests/vm/compare.h"
#include "vm/vm.h"

#define HEAD                                                                                       \
    "(module (import \"env\" \"count\" (func)) (import \"env\" \"memory\" (memory 2))"             \
    "(import \"env\" \"note\" (func $note (param i32)))"                                           \
    "(import \"env\" \"stop\" (func $stop))"

static mr_code *code_of(const char *text, mr_buffer *module, uint64_t price, uint32_t height)
{
    mr_error error = {0};
    mr_code *code = NULL;
    mr_code_prices prices = {.instruction = price, .stack_height_max = height};
    if (mr_code_from_text(mr_span_text(text), "test.wat", module, &error) != MR_OK ||
        mr_code_new(&bare_rules, &prices, mr_buffer_span(module), &code, &error) != MR_OK)
        fail_msg("%s\n%s", error.text, text);
    return code;
}

static uint32_t marks_in(const mr_code *code)
{
    static const uint8_t mark[] = {0x3a, 0x40, 0x01, 0x00}; /* i32.store8 of memory 1 */
    mr_span left = mr_code_rewritten(code);
    uint32_t count = 0;
    for (size_t i = 0; i + sizeof mark <= left.size; i++)
        count += memcmp(left.data + i, mark, sizeof mark) == 0;
    return count;
}

typedef struct gas_case {
    const char *body; /* of handle, which has locals $a $b i32 and $c i64; $f squares an i32 */
    uint32_t instructions;
} gas_case;

static const gas_case gas_cases[] = {
    {"", 0},
    {"nop", 0},
    {"i32.const 1 drop", 1},
    {"return", 1},
    {"return i32.const 1 drop", 1},
    {"block end", 0},
    {"block i32.const 1 drop end i32.const 2 drop", 2},
    {"(if (i32.const 1) (then (drop (i32.const 1))))", 3},
    {"(if (i32.const 0) (then (drop (i32.const 1))))", 2},
    {"(if (i32.const 1) (then nop) (else (drop (i32.const 1))))", 2},
    {"(if (i32.const 0) (then nop) (else (drop (i32.const 1))))", 3},
    {"(if (i32.const 1) (then (drop (i32.const 1))) (else return)) (drop (i32.const 1))", 4},
    {"(if (i32.const 0) (then (drop (i32.const 1))) (else return)) (drop (i32.const 1))", 3},
    {"(if (i32.const 1) (then (if (i32.const 0) (then return) (else (drop (i32.const 1))))"
     "(drop (i32.const 1))) (else (drop (i32.eqz (i32.const 1))))) (drop (i32.const 1))",
     7},
    {"block i32.const 1 br_if 0 i32.const 1 drop i32.const 1 drop end", 2},
    {"block i32.const 0 br_if 0 i32.const 1 drop i32.const 1 drop end", 4},
    {"block block i32.const 1 br_if 1 i32.const 0 drop end i32.const 0 drop end i32.const 0 drop",
     3},
    {"block block i32.const 1 br_if 0 i32.const 0 drop end i32.const 0 drop end i32.const 0 drop",
     4},
    {"block br 0 end i32.const 0 drop", 2},
    {"(block (block (block (br_table 0 1 2 (i32.const 0))) (return)) (drop (i32.const 1)))", 3},
    {"(block (block (block (br_table 0 1 2 (i32.const 1))) (return)) (drop (i32.const 1)))", 3},
    {"(block (block (block (br_table 0 1 2 (i32.const 2))) (return)) (drop (i32.const 1)))", 2},
    {"(block (block (block (br_table 0 1 2 (i32.const -1))) (return)) (drop (i32.const 1)))", 2},
    /* 1000 times around: 7 each, and 2 before */
    {"(local.set $a (i32.const 1000)) (loop (br_if 0 (local.tee $a (i32.sub (local.get $a)"
     "(i32.const 1)))))",
     2 + 1000 * 5},
    /* left in the middle */
    {"(block (loop (local.set $a (i32.add (local.get $a) (i32.const 1)))"
     "(br_if 1 (i32.eq (local.get $a) (i32.const 5))) (drop (i32.const 1)) (br 0)))",
     5 * 8 + 4 * 2},
    /* loops in loops: 3 times (2 + 4 * 5 + 5) and 2 */
    {"(local.set $a (i32.const 3)) (loop (local.set $b (i32.const 4)) (loop (br_if 0 (local.tee $b"
     "(i32.sub (local.get $b) (i32.const 1))))) (br_if 0 (local.tee $a (i32.sub (local.get $a)"
     "(i32.const 1)))))",
     2 + 3 * (2 + 4 * 5 + 5)},
    {"(drop (call $f (i32.const 3)))", 2 + 3},
    {"(drop (call_indirect (param i32) (result i32) (i32.const 3) (i32.const 0)))", 3 + 3},
    {"(drop (call $fib (i32.const 5)))", 2 + 7 * 13 + 8 * 5},
    {"(drop (select (i32.const 1) (i32.const 2) (i32.const 0)))", 4},
    {"(drop (block (result i32) (br_if 0 (i32.const 1) (i32.const 1)) drop (i32.const 4)))", 3},
    {"(drop (block (result i32) (br_if 0 (i32.const 1) (i32.const 0)) drop (i32.const 4)))", 4},
    {"(call $note (i32.const 1)) (drop (i32.const 1))", 3},
    /* a loop that nobody repeats */
    {"(loop (drop (i32.const 1)))", 1},
    {"(loop (br_if 1 (i32.const 1)) (drop (i32.const 1)))", 2},
};

static void every_path_burns_what_it_executes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof gas_cases / sizeof *gas_cases; i++) {
        char text[4096];
        snprintf(text, sizeof text,
                 HEAD "(table 1 funcref) (elem (i32.const 0) $f)"
                      "(func $f (param i32) (result i32) local.get 0 local.get 0 i32.mul)"
                      "(func $fib (param i32) (result i32) (if (result i32) (i32.lt_u (local.get 0)"
                      "(i32.const 2)) (then (local.get 0)) (else (i32.add"
                      "(call $fib (i32.sub (local.get 0) (i32.const 1)))"
                      "(call $fib (i32.sub (local.get 0) (i32.const 2)))))))"
                      "(func (export \"handle\") (local $a i32) (local $b i32) (local $c i64) %s))",
                 gas_cases[i].body);
        for (uint64_t price = 1; price <= MR_CODE_PRICE_MAX; price *= 65536) {
            mr_buffer module = {0};
            mr_error error = {0};
            mr_code *code = code_of(text, &module, price, 1000);
            bare *b = bare_new_rewritten(code, &error);
            assert_non_null(b);
            int64_t gas = INT64_MAX / 2;
            assert_int_equal(bare_run(b, "handle", gas, 0), BARE_DONE);
            uint64_t burned = (uint64_t)(gas - bare_gas_left(b));
            if (burned != gas_cases[i].instructions * price)
                fail_msg("burned %llu, not %u times %llu: %s", (unsigned long long)burned,
                         gas_cases[i].instructions, (unsigned long long)price, gas_cases[i].body);
            bare_free(b);
            bare_end end;
            const char *differs =
                price == 1 ? compare_module(mr_buffer_span(&module), code, 100000, &end) : NULL;
            if (differs != NULL)
                fail_msg("%s: %s", differs, gas_cases[i].body);
            mr_code_put(code);
            mr_buffer_fini(&module);
        }
    }
}

static void an_endless_loop_or_recursion_runs_out_of_gas(void **state)
{
    (void)state;
    static const char *const bodies[] = {"(loop (br 0))",
                                         "(loop (loop (br 1)))",
                                         "(loop (br_if 0 (i32.const 1)) (br 0))",
                                         "(loop (br_table 0 0 (i32.const 7)))",
                                         "(loop (call $note (i32.const 1)) (br 0))",
                                         "(loop (if (i32.const 1) (then (br 1))) (return))"};
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        char text[512];
        mr_buffer module = {0};
        mr_error error = {0};
        snprintf(text, sizeof text, HEAD "(func (export \"handle\") %s))", bodies[i]);
        mr_code *code = code_of(text, &module, 1, 1000);
        bare *b = bare_new_rewritten(code, &error);
        assert_non_null(b);
        assert_int_equal(bare_run(b, "handle", 10000, 0), BARE_OUT_OF_GAS);
        assert_in_range(-bare_gas_left(b), 1, 10); /* found soon after it ran out */
        assert_int_equal(bare_run(b, "handle", -1, 0), BARE_OUT_OF_GAS);
        bare_free(b);
        mr_code_put(code);
        mr_buffer_fini(&module);
    }
}

/* Calls without recursion or loops can still take exponential time: 2^20 calls here. */
static void calls_that_double_run_out_of_gas(void **state)
{
    (void)state;
    char text[8192];
    size_t used = (size_t)snprintf(text, sizeof text, HEAD "(func $f0)");
    for (uint32_t i = 1; i <= 20; i++)
        used += (size_t)snprintf(text + used, sizeof text - used,
                                 "(func $f%u (call $f%u) (call $f%u))", i, i - 1, i - 1);
    snprintf(text + used, sizeof text - used, "(func (export \"handle\") (call $f20)))");
    mr_buffer module = {0};
    mr_error error = {0};
    mr_code *code = code_of(text, &module, 1, 1000);
    bare *b = bare_new_rewritten(code, &error);
    assert_int_equal(bare_run(b, "handle", 1000, 0), BARE_OUT_OF_GAS);
    assert_in_range(-bare_gas_left(b), 1, 10);
    bare_free(b);
    mr_code_put(code);
    mr_buffer_fini(&module);
}

typedef struct marks_case {
    const char *body; /* $p is 65536 - 4 at the start, $q 70000; $x is 0 */
    uint32_t marks;
} marks_case;

#define STORE(offset) "(i32.store offset=" #offset " (local.get $p) (i32.const 0x01010101))"

static const marks_case marks_cases[] = {
    {STORE(0), 1},
    {STORE(0) STORE(4), 1}, /* within 8 bytes */
    {STORE(0) STORE(8), 2},
    {STORE(0) STORE(252), 2}, /* within a unit's bytes */
    {STORE(252) STORE(0), 2},
    {STORE(0) STORE(253), 2 * 1}, /* not: each its own */
    {STORE(0) STORE(4) STORE(8) STORE(12) STORE(100), 2},
    {STORE(0) STORE(250) STORE(500), 3},
    {STORE(0) STORE(0) STORE(0), 1},
    {STORE(1) "(i32.store8 (local.get $p) (i32.const 1))", 1},
    {STORE(0) "(i32.store (local.get $q) (i32.const 1))" STORE(0), 2},
    /* The base changes. */
    {STORE(0) "(local.set $p (i32.add (local.get $p) (i32.const 300)))" STORE(0), 2},
    {STORE(0) "(drop (local.tee $p (i32.const 90000)))" STORE(0), 2},
    {"(i32.store (local.get $p) (local.tee $p (i32.const 90000)))", 1},
    {"(i32.store (local.tee $p (i32.const 90000)) (i32.const 7))" STORE(0), 1},
    /* A call, a division, a branch: a range may not grow over them, but what it has holds. */
    {STORE(0) "(call $note (i32.const 1))" STORE(0), 1},
    {STORE(0) "(call $note (i32.const 1))" STORE(8), 2},
    {STORE(0) "(drop (i32.div_u (i32.const 1) (i32.const 2)))" STORE(8), 2},
    {STORE(0) "(block (br_if 0 (local.get $x)) " STORE(0) STORE(8) ")", 2},
    /* What one arm marked is not marked in the other, nor after both. */
    {"(if (local.get $x) (then " STORE(0) ") (else " STORE(0) "))" STORE(0), 3},
    {"(if (local.get $x) (then " STORE(0) "))" STORE(0), 2},
    {"(if (i32.const 1) (then " STORE(0) ") (else " STORE(0) "))" STORE(0), 3},
    {STORE(0) "(if (local.get $x) (then " STORE(0) ") (else " STORE(0) "))" STORE(0), 1},
    {"(block (br_if 0 (i32.const 1)) " STORE(0) ")" STORE(0), 2},
    {"(block " STORE(0) "(br_if 0 (i32.const 1)) " STORE(0) ")" STORE(0), 2},
    {"(block " STORE(0) ")" STORE(0), 1},
    {STORE(0) "(block " STORE(4) ")" STORE(8) STORE(12), 2},
    {"(loop " STORE(0) "(br_if 0 (local.tee $x (i32.eqz (local.get $x)))))" STORE(4), 2},
    {"(loop (br_if 0 (local.tee $x (i32.eqz (local.get $x))))" STORE(0) ")" STORE(4), 2},
    {STORE(0) "(if (local.get $x) (then " STORE(4) "))", 2},
    /* A loop that moves the base behind the store. */
    {STORE(0) "(loop " STORE(0) "(local.set $p (i32.add (local.get $p) (i32.const 300)))"
                                "(br_if 0 (i32.lt_u (local.get $p) (i32.const 70000))))",
     2},
    {"(loop " STORE(0) STORE(4) "(local.set $p (i32.add (local.get $p) (i32.const 300)))"
                                "(br_if 0 (i32.lt_u (local.get $p) (i32.const 70000))))" STORE(0),
     2},
    /* Computed addresses, within each other. */
    {"(i32.store (i32.add (local.get $p) (i32.const 1)) (i32.const 1))", 1},
    {"(i32.store (i32.add (local.get $p) (i32.const 1)) (block (result i32)"
     "(i32.store (i32.add (local.get $q) (i32.const 1000)) (i32.const 7)) (i32.const 1)))",
     2},
    /* Offsets from a base may be added, too, also negative ones. */
    {STORE(8) "(i32.store (i32.add (local.get $p) (i32.const 4)) (i32.const -1))", 1},
    {STORE(0) "(i32.store (i32.add (i32.const -4) (local.get $p)) (i32.const -1))", 1},
    {STORE(0) "(i32.store offset=8 (i32.add (local.get $p) (i32.const -9)) (i32.const -1))", 1},
    {STORE(0) "(i32.store (i32.add (local.get $p) (i32.const 300)) (i32.const -1))", 2},
    {"(i32.store (i32.add (local.get $p) (local.get $x)) (i32.const -1))", 1},
    /* Constant addresses: their units are known. */
    {"(i32.store (i32.const 1024) (i32.const 1)) (i32.store (i32.const 1276) (i32.const 1))", 1},
    {"(i32.store (i32.const 1024) (i32.const 1)) (i32.store (i32.const 1277) (i32.const 1))", 2},
    {"(i32.store offset=1000 (i32.const 24) (i32.const 1))", 1},
    {"(i64.store (i32.const 1020) (i64.const -1))", 1},
    /* Narrow stores of wide values. */
    {"(i64.store8 (local.get $p) (i64.const -1))", 1},
    {"(i64.store16 offset=3 (local.get $p) (i64.const -1))", 1},
    {"(i64.store32 offset=1 (local.get $p) (i64.const -1))", 1},
    {"(i64.store offset=1 (local.get $p) (i64.const -1))", 1},
    /* Never inside memory: the store traps, and needs no mark. */
    {"(if (local.get $x) (then (i32.store offset=2147483647 (local.get $p) (i32.const 1))))", 0},
};

static void every_store_is_covered_by_few_marks(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof marks_cases / sizeof *marks_cases; i++) {
        /* Every way the base may lie to the border of a unit. */
        for (int32_t base = 65536 - 20; base <= 65536 + 4; base++) {
            char text[4096];
            mr_buffer module = {0};
            bare_end end = BARE_OTHER;
            snprintf(text, sizeof text,
                     HEAD "(func (export \"handle\") (local $p i32) (local $q i32) (local $x i32)"
                          "(local.set $p (i32.const %d)) (local.set $q (i32.const 70000)) %s))",
                     base, marks_cases[i].body);
            mr_code *code = code_of(text, &module, 1, 1000);
            if (marks_in(code) != marks_cases[i].marks)
                fail_msg("%u marks, not %u: %s", marks_in(code), marks_cases[i].marks,
                         marks_cases[i].body);
            const char *differs = compare_module(mr_buffer_span(&module), code, 100000, &end);
            if (differs != NULL)
                fail_msg("%s: base %d: %s", differs, base, marks_cases[i].body);
            assert_int_equal(end, BARE_DONE);
            mr_code_put(code);
            mr_buffer_fini(&module);
        }
    }
}

static void traps_stay_what_they_were(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        bare_end end;
    } cases[] = {
        {"(i32.store (i32.const -1) (i32.const 1))", BARE_BOUNDS},
        {"(i32.store (i32.const 131069) (i32.const 1))", BARE_BOUNDS},
        {"(local.set $p (i32.const -4)) (i64.store offset=8 (local.get $p) (i64.const 1))",
         BARE_BOUNDS},
        {"(local.set $p (i32.const 131060))" STORE(0) STORE(8) STORE(100), BARE_BOUNDS},
        {"(local.set $p (i32.const 131060))" STORE(0) "(drop (i32.div_u (i32.const 1)"
                                                      "(i32.const 0)))" STORE(100),
         BARE_INTEGER},
        {"(local.set $p (i32.const 131060))" STORE(0) "(unreachable)" STORE(100), BARE_UNREACHABLE},
        {"(local.set $p (i32.const 131060))" STORE(0) "(call $stop)" STORE(100), BARE_STOPPED},
        {"(drop (i32.div_s (i32.const -2147483648) (i32.const -1)))", BARE_INTEGER},
        {"(drop (i64.rem_u (i64.const 1) (i64.const 0)))", BARE_INTEGER},
        {"(local.set $p (i32.const 8))" STORE(
             0) "(i32.store (i32.add (local.get $p) (i32.const -10))"
                "(i32.const 1))",
         BARE_BOUNDS},
        {"(local.set $p (i32.const -8)) (i32.store (i32.add (local.get $p) (i32.const 8))"
         "(i32.const 1))",
         BARE_DONE},
        {"(i32.store offset=2147483645 (local.get $p) (i32.const 1))", BARE_BOUNDS},
        {"(i32.store offset=4294967295 (i32.const 4) (i32.const 1))", BARE_BOUNDS},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[2048];
        mr_buffer module = {0};
        bare_end end = BARE_OTHER;
        snprintf(text, sizeof text, HEAD "(func (export \"handle\") (local $p i32) %s))",
                 cases[i].body);
        mr_code *code = code_of(text, &module, 1, 1000);
        const char *differs = compare_module(mr_buffer_span(&module), code, 100000, &end);
        if (differs != NULL || end != cases[i].end)
            fail_msg("%s, ended with %d: %s", differs, end, cases[i].body);
        mr_code_put(code);
        mr_buffer_fini(&module);
    }
}

/* ---- Depth ---- */

static mr_host_action counting(void *context, mr_run *run, const uint64_t *args, uint64_t *result)
{
    (void)run;
    (void)args;
    (void)result;
    ++*(uint32_t *)context;
    return MR_HOST_CONTINUE;
}

static const mr_import_rule depth_imports[] = {{"level", ""}};
static mr_host_fn *const depth_functions[] = {counting};
static const char *const depth_entries[] = {"handle"};

/* How many times `text` calls env.level until it ends with `expected`. */
static uint32_t levels(const char *text, uint32_t height, mr_vm_outcome expected)
{
    mr_module_rules rules = bare_rules;
    rules.imports = depth_imports;
    rules.imports_count = 1;
    rules.entries = depth_entries;
    rules.entries_count = 1;
    rules.entries_required = 1;
    mr_code_prices prices = {.instruction = 1, .stack_height_max = height};
    mr_vm_options options = {.rules = &rules,
                             .functions = depth_functions,
                             .tier = MR_TIER_INTERP,
                             .prices = &prices,
                             .instance_bytes_max = 1 << 20,
                             .live_bytes_max = 1 << 20};
    mr_buffer module = {0};
    mr_error error = {0};
    mr_code *code = NULL;
    mr_vm *vm = NULL;
    mr_vm_worker *worker = NULL;
    if (mr_code_from_text(mr_span_text(text), "test.wat", &module, &error) != MR_OK ||
        mr_code_new(&rules, &prices, mr_buffer_span(&module), &code, &error) != MR_OK ||
        mr_vm_new(&options, &vm, &error) != MR_OK || mr_vm_worker_new(vm, &worker, &error) != MR_OK)
        fail_msg("%s\n%s", error.text, text);
    mr_memory memory;
    mr_run *run = NULL;
    uint32_t count = 0;
    uint64_t left = 0;
    mr_memory_init(&memory, code);
    assert_int_equal(mr_run_begin(worker, &memory, &run, &error), MR_OK);
    assert_int_equal(mr_run_call(run, 0, 100000000, &count, &left), expected);
    mr_run_rollback(run);
    mr_memory_fini(&memory, mr_vm_worker_pool(worker));
    mr_code_put(code);
    mr_vm_worker_free(worker);
    mr_vm_free(vm);
    mr_buffer_fini(&module);
    return count;
}

#define DEPTH_HEAD                                                                                 \
    "(module (import \"env\" \"memory\" (memory 1)) (import \"env\" \"level\" (func $level))"

enum { FRAME = MR_CODE_FRAME_VALUES };

static void recursion_ends_where_its_frames_say(void **state)
{
    (void)state;
    const char *simple = DEPTH_HEAD "(func $r (call $level) (call $r))"
                                    "(func (export \"handle\") (call $r)))";
    for (uint32_t height = 2 * FRAME; height < 3000; height += 97)
        assert_int_equal(levels(simple, height, MR_VM_STACK_LIMIT), (height - FRAME) / FRAME);
    /* The deepest one may be. */
    uint32_t most = 1000000;
    mr_code_prices prices = {.stack_height_max = most};
    assert_int_equal(levels(simple, most, MR_VM_STACK_LIMIT), mr_code_frames_max(&prices) - 1);
    /* 3 locals, 2 parameters, 4 operands. */
    const char *wide = DEPTH_HEAD
        "(func $r (param i64 i32) (local i32 i64 i64) (call $level) (call $r (i64.const 1)"
        "(i32.add (i32.const 1) (i32.add (i32.const 2) (i32.const 3)))))"
        "(func (export \"handle\") (call $r (i64.const 1) (i32.const 1))))";
    assert_int_equal(levels(wide, 2000, MR_VM_STACK_LIMIT),
                     (2000 - (FRAME + 2)) / (FRAME + 3 + 2 + 4));
}

static void recursion_through_others_counts_all_of_them(void **state)
{
    (void)state;
    const char *mutual = DEPTH_HEAD
        "(func $a (local i32) (call $level) (call $b)) (func $b (local i32 i32 i32) (call $a))"
        "(func (export \"handle\") (call $a)))";
    uint32_t cycle = 2 * FRAME + 4;
    assert_int_equal(levels(mutual, FRAME + 50 * cycle, MR_VM_STACK_LIMIT), 50);
    assert_int_equal(levels(mutual, FRAME + 50 * cycle + FRAME, MR_VM_STACK_LIMIT), 50);
    assert_int_equal(levels(mutual, FRAME + 50 * cycle + FRAME + 1, MR_VM_STACK_LIMIT), 51);
    const char *indirect =
        DEPTH_HEAD "(type $v (func)) (type $other (func)) (table 1 funcref) (elem (i32.const 0) $r)"
                   "(func $r (type $v) (call $level) (call_indirect (type $other) (i32.const 0)))"
                   "(func (export \"handle\") (call_indirect (type $v) (i32.const 0))))";
    assert_int_equal(levels(indirect, 1000, MR_VM_STACK_LIMIT), (1000 - (FRAME + 1)) / (FRAME + 1));
    /* The entry itself. */
    const char *entry = DEPTH_HEAD "(func $h (export \"handle\") (call $level) (call $h)))";
    assert_int_equal(levels(entry, 1000, MR_VM_STACK_LIMIT), 1000 / FRAME);
}

/* What a recursion calls on the side, it calls once at a time. */
static void a_chain_below_a_recursion_is_counted_once(void **state)
{
    (void)state;
    const char *side = DEPTH_HEAD
        "(func $leaf (local i64 i64 i64 i64 i64 i64 i64 i64 i64 i64))"
        "(func $chain (local i32 i32) (call $leaf))"
        "(func $r (call $chain) (call $level) (call $r)) (func (export \"handle\") (call $r)))";
    uint32_t below = FRAME + 10 + FRAME + 2;
    assert_int_equal(levels(side, 1000, MR_VM_STACK_LIMIT), (1000 - FRAME - below) / FRAME);
    /* The same through a table that has the recursion, too. */
    const char *table =
        DEPTH_HEAD "(type $v (func)) (table 2 funcref) (elem (i32.const 0) $r $leaf)"
                   "(func $leaf (local i64 i64 i64 i64 i64 i64 i64 i64 i64 i64))"
                   "(func $r (call $level) (call_indirect (type $v) (i32.const 0)))"
                   "(func (export \"handle\") (call $r)))";
    assert_int_equal(levels(table, 1000, MR_VM_STACK_LIMIT),
                     (1000 - FRAME - (FRAME + 10)) / (FRAME + 1));
}

/* A chain from one recursion to another is there at every level. */
static void a_chain_between_recursions_is_counted_at_every_level(void **state)
{
    (void)state;
    const char *between = DEPTH_HEAD "(func $r (call $level) (call $first) (call $r))"
                                     "(func $first (local i64 i64 i64) (call $second))"
                                     "(func $second (local i64 i64) (call $s (i32.const 3)))"
                                     "(func $s (param i32) (if (local.get 0)"
                                     "(then (call $s (i32.sub (local.get 0) (i32.const 1))))))"
                                     "(func (export \"handle\") (call $r)))";
    uint32_t r = FRAME + (FRAME + 3) + (FRAME + 3); /* $r, $first, $second with an operand */
    uint32_t s = FRAME + 3;                         /* $s with two operands */
    /* At the eleventh level there is no room for $s. */
    assert_int_equal(levels(between, FRAME + 10 * r + 4 * s, MR_VM_STACK_LIMIT), 10 + 1);
}

static void height_is_given_back_on_every_way_out(void **state)
{
    (void)state;
    const char *ways =
        DEPTH_HEAD "(func $r (param $n i32) (param $way i32) (result i32)"
                   "(call $level)"
                   "(if (i32.eqz (local.get $n)) (then (return (i32.const 7))))"
                   "(block $out (block $b (block $a (br_table $a $b $out (local.get $way)))"
                   "(return (call $r (i32.sub (local.get $n) (i32.const 1)) (local.get $way))))"
                   "(br 1 (call $r (i32.sub (local.get $n) (i32.const 1)) (local.get $way))))"
                   "(call $r (i32.sub (local.get $n) (i32.const 1)) (local.get $way)))"
                   "(func (export \"handle\") (local $i i32) (loop"
                   "(drop (call $r (i32.const 5) (i32.rem_u (local.get $i) (i32.const 3))))"
                   "(br_if 0 (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1)))"
                   "(i32.const 300))))))";
    /* Enough for 6 levels, far from enough if a way out forgot. */
    assert_int_equal(levels(ways, 200, MR_VM_DONE), 300 * 6);
}

static void no_more_recursion_than_that(void **state)
{
    (void)state;
    /* A function that calls itself never, though it could, and one in no cycle. */
    const char *text = DEPTH_HEAD "(func $a (call $level)) (func (export \"handle\") (call $a)))";
    mr_buffer module = {0};
    mr_error error = {0};
    mr_code *code = NULL;
    mr_module_rules rules = bare_rules;
    rules.imports = depth_imports;
    rules.imports_count = 1;
    mr_code_prices prices = {.instruction = 1, .stack_height_max = 2 * FRAME};
    assert_int_equal(mr_code_from_text(mr_span_text(text), "t", &module, &error), MR_OK);
    assert_int_equal(mr_code_new(&rules, &prices, mr_buffer_span(&module), &code, &error), MR_OK);
    mr_code_put(code);
    prices.stack_height_max--;
    assert_int_equal(mr_code_new(&rules, &prices, mr_buffer_span(&module), &code, &error),
                     MR_MODULE);
    assert_non_null(strstr(error.text, "take 16 values of stack without any recursion"));
    mr_buffer_fini(&module);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_path_burns_what_it_executes),
        cmocka_unit_test(an_endless_loop_or_recursion_runs_out_of_gas),
        cmocka_unit_test(calls_that_double_run_out_of_gas),
        cmocka_unit_test(every_store_is_covered_by_few_marks),
        cmocka_unit_test(traps_stay_what_they_were),
        cmocka_unit_test(recursion_ends_where_its_frames_say),
        cmocka_unit_test(recursion_through_others_counts_all_of_them),
        cmocka_unit_test(a_chain_below_a_recursion_is_counted_once),
        cmocka_unit_test(a_chain_between_recursions_is_counted_at_every_level),
        cmocka_unit_test(height_is_given_back_on_every_way_out),
        cmocka_unit_test(no_more_recursion_than_that),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
