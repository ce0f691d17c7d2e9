/* SPDX-License-Identifier: Apache-2.0 */
/* fixture: a virtual machine, and a program that does what a script tells it: stores of every size,
 * loads, traps. The host side of the script (writes, growth, clearing) runs between its steps. */
#ifndef MR_TESTS_VM_FIXTURE_H
#define MR_TESTS_VM_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "vm/vm.h"

typedef enum step_kind {
    /* Done by the program; the numbers are those its code compares with. */
    STEP_END = 0,
    STEP_STORE8 = 1,
    STEP_STORE16 = 2,
    STEP_STORE32 = 3,
    STEP_STORE64 = 4,
    STEP_LOAD8 = 5, /* reports the byte at the address */
    STEP_UNREACHABLE = 6,
    STEP_GLOBAL = 7, /* reports a global, then sets it */
    STEP_RECURSE = 8,
    STEP_LOOP = 9,
    STEP_DIVIDE = 10,
    STEP_OVERFLOW = 11,
    STEP_INDIRECT = 12,  /* calls table element `address` as () -> () */
    STEP_SIZE = 13,      /* reports memory.size */
    STEP_STORE64_8 = 14, /* i64.store8 with offset 1000 */
    STEP_LAST_OF_PROGRAM = STEP_STORE64_8,
    /* Done by the host. */
    STEP_WRITE, /* `size` bytes, each `value` */
    STEP_GROW,  /* by `value` pages */
    STEP_CLEAR, /* `value` pages from page `address` */
    STEP_CHARGE,
    STEP_STOP,
} step_kind;

typedef struct step {
    step_kind kind;
    uint32_t address;
    uint64_t value;
    uint32_t size;
} step;

enum { SCRIPT_STEPS_MAX = 64, SCRIPT_REPORTS_MAX = 64 };

/* The context of a call. */
typedef struct script {
    const step *steps; /* ends with STEP_END */
    size_t at;
    size_t reports_count;
    uint64_t reports[SCRIPT_REPORTS_MAX];
    size_t host_calls;
    mr_status grow_status;
    bool write_done;
} script;

static inline mr_host_action host_op(void *context, mr_run *run, const uint64_t *args,
                                     uint64_t *result)
{
    (void)args;
    script *s = context;
    s->host_calls++;
    for (;; s->at++) {
        const step *now = &s->steps[s->at];
        switch (now->kind) {
        case STEP_WRITE: {
            uint8_t *bytes = malloc(now->size + 1);
            memset(bytes, (int)now->value, now->size);
            s->write_done = mr_run_write(run, now->address, bytes, now->size);
            free(bytes);
            break;
        }
        case STEP_GROW:
            s->grow_status = mr_run_grow(run, (uint32_t)now->value);
            break;
        case STEP_CLEAR:
            mr_run_clear(run, now->address, (uint32_t)now->value);
            break;
        case STEP_CHARGE:
            if (!mr_run_charge(run, now->value))
                return MR_HOST_STOP;
            break;
        case STEP_STOP:
            return MR_HOST_STOP;
        default:
            *result = now->kind;
            return MR_HOST_CONTINUE;
        }
    }
}

static inline mr_host_action host_address(void *context, mr_run *run, const uint64_t *args,
                                          uint64_t *result)
{
    (void)run;
    (void)args;
    script *s = context;
    *result = s->steps[s->at].address;
    return MR_HOST_CONTINUE;
}

/* Called last for a step of the program, so it moves on. */
static inline mr_host_action host_value(void *context, mr_run *run, const uint64_t *args,
                                        uint64_t *result)
{
    (void)run;
    (void)args;
    script *s = context;
    *result = s->steps[s->at++].value;
    return MR_HOST_CONTINUE;
}

static inline mr_host_action host_report(void *context, mr_run *run, const uint64_t *args,
                                         uint64_t *result)
{
    (void)run;
    (void)result;
    script *s = context;
    if (s->reports_count < SCRIPT_REPORTS_MAX)
        s->reports[s->reports_count++] = args[0];
    return MR_HOST_CONTINUE;
}

static const mr_import_rule fixture_imports[] = {
    {"op", ":i"},
    {"address", ":i"},
    {"value", ":l"},
    {"report", "l"},
};
static mr_host_fn *const fixture_functions[] = {host_op, host_address, host_value, host_report};
static const char *const fixture_entries[] = {"init", "handle"};

enum { ENTRY_INIT, ENTRY_HANDLE };

static const mr_module_rules fixture_rules = {
    .import_module = "env",
    .memory_name = "memory",
    .imports = fixture_imports,
    .imports_count = 4,
    .entries = fixture_entries,
    .entries_count = 2,
    .entries_required = 1u << ENTRY_HANDLE,
    .stack_end_export = "__gear_stack_end",
    .code_bytes_max = 1 << 20,
    .static_pages_max = 32768,
    .type_section_bytes_max = 20 << 10,
    .data_segments_max = 1024,
    .params_max = 128,
    .locals_max = 1000,
    .globals_max = 1000,
    .table_elements_max = 10000,
    .br_table_targets_max = 256,
};

static const mr_code_prices fixture_prices = {.instruction = 1, .stack_height_max = 65536};

/* `%u` static pages, stack end `%u`, then data segments. */
static const char fixture_text[] =
    "(module\n"
    "  (type $v (func))\n"
    "  (import \"env\" \"memory\" (memory %u))\n"
    "  (import \"env\" \"op\" (func $op (result i32)))\n"
    "  (import \"env\" \"address\" (func $address (result i32)))\n"
    "  (import \"env\" \"value\" (func $value (result i64)))\n"
    "  (import \"env\" \"report\" (func $report (param i64)))\n"
    "  (global (export \"__gear_stack_end\") i32 (i32.const %u))\n"
    "  (global $g (mut i64) (i64.const 42))\n"
    "  (table 4 funcref)\n"
    "  (elem (i32.const 0) $empty $other)\n"
    "  (func $empty)\n"
    "  (func $other (param i32))\n"
    "  (func $recurse (param i32) (result i32)\n"
    "    local.get 0  i32.const 1  i32.add  call $recurse  i32.const 1  i32.add)\n"
    "  (func (export \"init\"))\n"
    "  (func (export \"handle\") (local $op i32)\n"
    "    (loop $next\n"
    "      (local.set $op (call $op))\n"
    "      (if (i32.eqz (local.get $op)) (then return))\n"
    "      (if (i32.eq (local.get $op) (i32.const 1))\n"
    "        (then (i32.store8 (call $address) (i32.wrap_i64 (call $value)))))\n"
    "      (if (i32.eq (local.get $op) (i32.const 2))\n"
    "        (then (i32.store16 (call $address) (i32.wrap_i64 (call $value)))))\n"
    "      (if (i32.eq (local.get $op) (i32.const 3))\n"
    "        (then (i32.store (call $address) (i32.wrap_i64 (call $value)))))\n"
    "      (if (i32.eq (local.get $op) (i32.const 4))\n"
    "        (then (i64.store (call $address) (call $value))))\n"
    "      (if (i32.eq (local.get $op) (i32.const 5))\n"
    "        (then (call $report (i64.load8_u (call $address))) (drop (call $value))))\n"
    "      (if (i32.eq (local.get $op) (i32.const 6)) (then unreachable))\n"
    "      (if (i32.eq (local.get $op) (i32.const 7))\n"
    "        (then (call $report (global.get $g)) (global.set $g (call $value))))\n"
    "      (if (i32.eq (local.get $op) (i32.const 8))\n"
    "        (then (drop (call $recurse (i32.const 0)))))\n"
    "      (if (i32.eq (local.get $op) (i32.const 9)) (then (loop $forever (br $forever))))\n"
    "      (if (i32.eq (local.get $op) (i32.const 10))\n"
    "        (then (drop (i32.div_u (i32.const 1) (i32.wrap_i64 (call $value))))))\n"
    "      (if (i32.eq (local.get $op) (i32.const 11))\n"
    "        (then (drop (i32.div_s (i32.const -2147483648) (i32.wrap_i64 (call $value))))))\n"
    "      (if (i32.eq (local.get $op) (i32.const 12))\n"
    "        (then (call_indirect (type $v) (call $address)) (drop (call $value))))\n"
    "      (if (i32.eq (local.get $op) (i32.const 13))\n"
    "        (then (call $report (i64.extend_i32_u (memory.size))) (drop (call $value))))\n"
    "      (if (i32.eq (local.get $op) (i32.const 14))\n"
    "        (then (i64.store8 offset=1000 (call $address) (call $value))))\n"
    "      (br $next)))\n"
    "  %s)\n";

static inline mr_code *fixture_code(uint32_t pages, uint32_t stack_end, const char *more)
{
    char *text = malloc(sizeof fixture_text + strlen(more) + 64);
    sprintf(text, fixture_text, pages, stack_end, more);
    mr_buffer module = {0};
    mr_error error = {0};
    if (mr_code_from_text(mr_span_text(text), "fixture.wat", &module, &error) != MR_OK)
        fail_msg("%s", error.text);
    free(text);
    mr_code *code = NULL;
    if (mr_code_new(&fixture_rules, &fixture_prices, mr_buffer_span(&module), &code, &error) !=
        MR_OK)
        fail_msg("%s", error.text);
    mr_buffer_fini(&module);
    return code;
}

typedef struct fixture {
    mr_vm *vm;
    mr_vm_worker *worker;
    mr_unit_pool *pool;
} fixture;

static inline fixture fixture_open(const mr_vm_options *options)
{
    fixture f = {0};
    mr_error error = {0};
    if (mr_vm_new(options, &f.vm, &error) != MR_OK ||
        mr_vm_worker_new(f.vm, &f.worker, &error) != MR_OK)
        fail_msg("%s", error.text);
    f.pool = mr_vm_worker_pool(f.worker);
    return f;
}

static inline fixture fixture_new(uint64_t live_bytes_max)
{
    return fixture_open(&(mr_vm_options){.rules = &fixture_rules,
                                         .functions = fixture_functions,
                                         .tier = MR_TIER_INTERP,
                                         .prices = &fixture_prices,
                                         .instance_bytes_max = 16 << 20,
                                         .live_bytes_max = live_bytes_max});
}

static inline void fixture_free(fixture *f)
{
    mr_vm_worker_free(f->worker);
    mr_vm_free(f->vm);
}

static inline mr_run *fixture_begin(mr_vm_worker *worker, mr_memory *memory)
{
    mr_run *run = NULL;
    mr_error error = {0};
    if (mr_run_begin(worker, memory, &run, &error) != MR_OK)
        fail_msg("%s", error.text);
    return run;
}

enum { FIXTURE_GAS = 10000000 };

static inline mr_vm_outcome fixture_call(mr_run *run, script *s)
{
    uint64_t left;
    return mr_run_call(run, ENTRY_HANDLE, FIXTURE_GAS, s, &left);
}

/* Runs a script and commits when it ends well, else rolls back. */
static inline mr_vm_outcome fixture_run(mr_vm_worker *worker, mr_memory *memory, const step *steps)
{
    script s = {.steps = steps};
    mr_run *run = fixture_begin(worker, memory);
    mr_vm_outcome outcome = fixture_call(run, &s);
    if (outcome == MR_VM_DONE)
        assert_int_equal(mr_run_commit(run), MR_OK);
    else
        mr_run_rollback(run);
    return outcome;
}

static inline uint64_t fixture_seed(void)
{
    const char *text = getenv("MR_SEED");
    uint64_t seed = text != NULL ? strtoull(text, NULL, 0) : 0x5eed;
    print_message("MR_SEED=%llu\n", (unsigned long long)seed);
    return seed * 2 + 1;
}

static inline uint64_t fixture_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state * 0x2545f4914f6cdd1du >> 11;
}

#endif
