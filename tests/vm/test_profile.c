/* SPDX-License-Identifier: Apache-2.0 */
/* mr-test: label=model timeout=240
 *
 * Goal: a profile says exactly which function burned what, and calls that are watched are what they
 * are when nobody watches.
 * Method: a module whose instructions are counted by hand; random modules
 * (tests/vm/random_module.h) run with and without, on gas that often does not suffice. Sums are
 * made again from the folded call paths. MR_SEED replays, MR_CASES sets how many. */
#include "fixture.h"

#include "tests/vm/bare.h"
#include "tests/vm/random_module.h"
#include "vm/memory_heap.h"

/* ---- A machine for the functions that random modules import ---- */

typedef struct context {
    uint64_t notes; /* of all that host functions saw */
    uint64_t aside; /* gas set aside */
    mr_vm_worker *worker;
    mr_memory *inner; /* "pick" runs it, unless NULL */
} context;

static void note(context *c, uint64_t value)
{
    c->notes = (c->notes ^ value) * 0x9e3779b97f4a7c15u;
    c->notes ^= c->notes >> 29;
}

static mr_host_action host_note(void *ctx, mr_run *run, const uint64_t *args, uint64_t *result)
{
    (void)result;
    note(ctx, args[0]);
    return mr_run_charge(run, args[0] % 100) ? MR_HOST_CONTINUE : MR_HOST_STOP;
}

enum { ASK_CHARGE = 0x7fffffff };

/* Charges what is asked for, or sets something aside, or charges that. */
static mr_host_action host_ask(void *ctx, mr_run *run, const uint64_t *args, uint64_t *result)
{
    context *c = ctx;
    note(c, args[0]);
    note(c, args[1]);
    *result = c->notes;
    uint64_t amount = c->notes % 40;
    if (args[0] == ASK_CHARGE)
        return mr_run_charge(run, args[1]) ? MR_HOST_CONTINUE : MR_HOST_STOP;
    if (amount >= 20)
        return mr_run_charge(run, amount) ? MR_HOST_CONTINUE : MR_HOST_STOP;
    if (!mr_run_set_aside(run, amount))
        return MR_HOST_STOP;
    c->aside += amount;
    return MR_HOST_CONTINUE;
}

static mr_host_action host_pick(void *ctx, mr_run *run, const uint64_t *args, uint64_t *result)
{
    (void)args;
    context *c = ctx;
    *result = (c->notes >> 7) & 0xffffffff;
    if (c->inner != NULL) {
        context other = {.worker = c->worker};
        uint64_t left;
        mr_run *inner = fixture_begin(c->worker, c->inner);
        (void)mr_run_call(inner, ENTRY_HANDLE, 1000, &other, &left);
        mr_run_rollback(inner);
    }
    return mr_run_charge(run, 3) ? MR_HOST_CONTINUE : MR_HOST_STOP;
}

static mr_host_action host_stop(void *ctx, mr_run *run, const uint64_t *args, uint64_t *result)
{
    (void)run;
    (void)args;
    (void)result;
    note(ctx, 77);
    return MR_HOST_STOP;
}

static mr_host_action host_result(void *ctx, mr_run *run, const uint64_t *args, uint64_t *result)
{
    (void)run;
    (void)result;
    note(ctx, args[0]);
    return MR_HOST_CONTINUE;
}

/* As bare_rules has them: count, note, ask, pick, stop, result. */
static mr_host_fn *const functions[] = {host_stop, host_note, host_ask,
                                        host_pick, host_stop, host_result};
enum { OWN = sizeof functions / sizeof *functions /* first function of a random module's own */ };

typedef struct machine {
    mr_vm *vm;
    mr_vm_worker *worker;
    mr_profile *profile;
} machine;

static machine machine_new(void)
{
    machine m = {.profile = mr_profile_new()};
    mr_error error = {0};
    mr_vm_options options = {.rules = &bare_rules,
                             .functions = functions,
                             .instance_bytes_max = 1 << 20,
                             .live_bytes_max = 1 << 20};
    if (m.profile == NULL || mr_vm_new(&options, &m.vm, &error) != MR_OK ||
        mr_vm_worker_new(m.vm, &m.worker, &error) != MR_OK)
        fail_msg("%s", error.text);
    mr_vm_worker_set_profile(m.worker, m.profile);
    return m;
}

static void machine_free(machine *m)
{
    mr_vm_worker_free(m->worker);
    mr_vm_free(m->vm);
    mr_profile_free(m->profile);
}

static mr_code *code_of_module(mr_span module)
{
    mr_code_prices prices = {.instruction = 1, .stack_height_max = 20000};
    mr_error error = {0};
    mr_code *code = NULL;
    if (mr_code_new(&bare_rules, &prices, module, &code, &error) != MR_OK)
        fail_msg("%s", error.text);
    return code;
}

/* Imports all but count, so that "note" is function 0. */
static mr_code *code_of(const char *functions_text)
{
    static char text[20000];
    mr_buffer module = {0};
    mr_error error = {0};
    snprintf(text, sizeof text,
             "(module (type $v (func)) (import \"env\" \"memory\" (memory 1))"
             " (import \"env\" \"note\" (func $note (param i32)))"
             " (import \"env\" \"ask\" (func $ask (param i32 i64) (result i64)))"
             " (import \"env\" \"pick\" (func $pick (result i32)))"
             " (import \"env\" \"stop\" (func $stop)) %s)",
             functions_text);
    if (mr_code_from_text(mr_span_text(text), "test", &module, &error) != MR_OK)
        fail_msg("%s", error.text);
    mr_code *code = code_of_module(mr_buffer_span(&module));
    mr_buffer_fini(&module);
    return code;
}

static mr_vm_outcome call(machine *m, mr_memory *memory, uint64_t gas, context *c, uint64_t *left)
{
    *c = (context){.notes = 1, .worker = m->worker, .inner = c->inner};
    mr_run *run = fixture_begin(m->worker, memory);
    mr_vm_outcome outcome = mr_run_call(run, ENTRY_HANDLE, gas, c, left);
    mr_run_rollback(run);
    return outcome;
}

/* The only code. */
static mr_profile_code only(machine *m)
{
    size_t count;
    const mr_profile_code *list = mr_profile_list(m->profile, &count);
    assert_int_equal(count, 1);
    return list[0];
}

static mr_profile_row row_of(const mr_profile_code *code, const char *name)
{
    char text[MR_FUNCTION_TEXT_BYTES];
    for (uint32_t i = 0; i < code->rows_count; i++) {
        if (strcmp(mr_code_function_text(code->code, code->rows[i].function, text), name) == 0)
            return code->rows[i];
    }
    return (mr_profile_row){0};
}

static void assert_row(const mr_profile_code *code, const char *name, uint64_t calls, uint64_t self,
                       uint64_t host, uint64_t total)
{
    mr_profile_row row = row_of(code, name);
    assert_int_equal(row.calls, calls);
    assert_int_equal(row.self_gas, self);
    assert_int_equal(row.host_gas, host);
    assert_int_equal(row.total_gas, total);
}

static mr_status add_line(void *ctx, mr_span line)
{
    MR_TRY(mr_buffer_append(ctx, line));
    return mr_buffer_append(ctx, mr_span_text("\n"));
}

static const char *folded(const mr_profile *profile, const mr_code *code, const char *root)
{
    static mr_buffer lines;
    mr_buffer_fini(&lines);
    assert_int_equal(mr_profile_fold(profile, code, root, add_line, &lines), MR_OK);
    assert_int_equal(mr_buffer_append(&lines, mr_span_of("", 1)), MR_OK);
    return (const char *)lines.data;
}

/* ---- Counted by hand ---- */

/* leaf: 3 instructions, and note charges its argument; middle: 2 calls of leaf. */
static const char counted_text[] =
    "(func $leaf (param i32) (call $note (local.get 0)) (drop (i32.const 1)))"
    "(func $middle (call $leaf (i32.const 10)) (call $leaf (i32.const 20)))"
    "(func $_ZN12odd$u3b$name17h0123456789abcdefE (drop (i32.const 1)))"
    "(func (export \"handle\") (call $middle) (call $middle) (call $leaf (i32.const 7))"
    "  (call 6) (call $note (i32.const 5)))";

static void gas_belongs_to_the_function_that_burned_it(void **state)
{
    (void)state;
    machine m = machine_new();
    mr_code *code = code_of(counted_text);
    mr_memory memory;
    mr_memory_init(&memory, code);
    context c = {0};
    uint64_t left;
    assert_int_equal(call(&m, &memory, 10000, &c, &left), MR_VM_DONE);
    mr_profile_code found = only(&m);
    assert_ptr_equal(found.code, code);
    assert_int_equal(found.calls, 1);
    assert_int_equal(found.gas, 10000 - left);
    assert_row(&found, "note", 6, 10 + 20 + 10 + 20 + 7 + 5, 0, 72);
    assert_row(&found, "leaf", 5, 5 * 3, 67, 5 * 3 + 67);
    assert_row(&found, "middle", 2, 2 * 4, 0, 2 * (4 + 3 + 3 + 30));
    assert_row(&found, "function 7", 1, 7, 5, 10000 - left);
    assert_int_equal(found.rows_count, 5);
    assert_int_equal(found.rows[0].function, 0);
    assert_true(found.rows[0].is_host && !found.rows[1].is_host);
    assert_string_equal(folded(m.profile, code, "pro;gram"),
                        "pro,gram;function 7 7\n"
                        "pro,gram;function 7;note 5\n"
                        "pro,gram;function 7;leaf 3\n"
                        "pro,gram;function 7;leaf;note 7\n"
                        "pro,gram;function 7;middle 8\n"
                        "pro,gram;function 7;middle;leaf 12\n"
                        "pro,gram;function 7;middle;leaf;note 60\n"
                        "pro,gram;function 7;odd,name 1\n");
    mr_memory_fini(&memory, mr_vm_worker_pool(m.worker));
    mr_code_put(code);
    machine_free(&m);
}

static void a_recursion_is_counted_once(void **state)
{
    (void)state;
    machine m = machine_new();
    mr_code *code =
        code_of("(func $even (param i32) (if (local.get 0)"
                "  (then (call $odd (i32.sub (local.get 0) (i32.const 1))))))"
                "(func $odd (param i32) (call $even (i32.sub (local.get 0) (i32.const 1))))"
                "(func (export \"handle\") (call $even (i32.const 6)) (call $even (i32.const 2)))");
    mr_memory memory;
    mr_memory_init(&memory, code);
    context c = {0};
    uint64_t left;
    assert_int_equal(call(&m, &memory, 10000, &c, &left), MR_VM_DONE);
    mr_profile_code found = only(&m);
    /* even takes 2, and 4 more unless its argument is 0; odd takes 4. */
    assert_row(&found, "even", 6, 4 * 6 + 2 * 2, 0, 4 * 6 + 2 * 2 + 4 * 4);
    assert_row(&found, "odd", 4, 4 * 4, 0, (3 * 4 + 2 * 6 + 2) + (4 + 2));
    assert_row(&found, "function 6", 1, 4, 0, 10000 - left);
    mr_memory_fini(&memory, mr_vm_worker_pool(m.worker));
    mr_code_put(code);
    machine_free(&m);
}

/* In the second call of "bad", whatever ends it there. */
static void a_call_that_fails_is_counted_up_to_there(void **state)
{
    (void)state;
    static const char *const ends[] = {
        "unreachable",
        "(call $stop)",
        "(drop (i32.load (i32.const -1)))",
        "(call_indirect (type $v) (i32.const 5))",
        "(drop (call $ask (i32.const 1) (i64.const 1))) (loop (br 0))",
        "(drop (call $ask (i32.const 2) (i64.const 4))) (call $note (i32.const 99)) unreachable",
        "(drop (call $ask (i32.const 0x7fffffff) (i64.const 1000)))",
        "(call $bad (i32.const 1))"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        char text[1000];
        machine m = machine_new();
        context c = {0};
        snprintf(text, sizeof text,
                 "(table 1 funcref) (func $bad (param i32) (if (local.get 0) (then %s)))"
                 "(func $middle (call $bad (i32.const 0)) (call $bad (i32.const 1)))"
                 "(func (export \"handle\") (call $middle) (call $middle))",
                 ends[i]);
        mr_code *code = code_of(text);
        mr_memory memory;
        mr_memory_init(&memory, code);
        uint64_t left, sum = 0;
        assert_int_not_equal(call(&m, &memory, 500, &c, &left), MR_VM_DONE);
        mr_profile_code found = only(&m);
        for (uint32_t k = 0; k < found.rows_count; k++)
            sum += found.rows[k].self_gas;
        assert_int_equal(sum, 500 - left - c.aside);
        assert_int_equal(found.gas, sum);
        assert_int_equal(row_of(&found, "function 6").total_gas, sum);
        assert_int_equal(row_of(&found, "function 6").self_gas, 2);
        assert_int_equal(row_of(&found, "middle").calls, 1);
        assert_int_equal(row_of(&found, "middle").self_gas, 4);
        mr_memory_fini(&memory, mr_vm_worker_pool(m.worker));
        mr_code_put(code);
        machine_free(&m);
    }
}

static void gas_beyond_what_the_global_holds_is_counted(void **state)
{
    (void)state;
    machine m = machine_new();
    context c = {0};
    mr_code *code = code_of("(func $half (drop (call $ask (i32.const 0x7fffffff)"
                            "  (i64.const 0x7ffffffffffffff0))))"
                            "(func (export \"handle\") (call $half) (call $half))");
    mr_memory memory;
    mr_memory_init(&memory, code);
    uint64_t left;
    assert_int_equal(call(&m, &memory, UINT64_MAX, &c, &left), MR_VM_DONE);
    mr_profile_code found = only(&m);
    assert_int_equal(found.gas, UINT64_MAX - left);
    assert_row(&found, "ask", 2, 0xffffffffffffffe0, 0, 0xffffffffffffffe0);
    assert_row(&found, "half", 2, 6, 0xffffffffffffffe0, 0xffffffffffffffe6);
    mr_memory_fini(&memory, mr_vm_worker_pool(m.worker));
    mr_code_put(code);
    machine_free(&m);
}

/* Of the same code, as an entry called from within itself would be. */
static void runs_within_runs_are_calls_of_their_own(void **state)
{
    (void)state;
    machine m = machine_new();
    mr_code *code = code_of("(func (export \"handle\") (drop (call $pick)) (drop (i32.const 1)))");
    mr_memory memory, inner;
    mr_memory_init(&memory, code);
    mr_memory_init(&inner, code);
    context c = {.inner = &inner};
    uint64_t left;
    assert_int_equal(call(&m, &memory, 1000, &c, &left), MR_VM_DONE);
    mr_profile_code found = only(&m);
    assert_int_equal(found.calls, 2);
    assert_int_equal(found.gas, 2 * 5);
    assert_row(&found, "pick", 2, 2 * 3, 0, 2 * 3);
    assert_row(&found, "function 4", 2, 2 * 2, 2 * 3, 2 * 5);
    mr_memory_fini(&memory, mr_vm_worker_pool(m.worker));
    mr_memory_fini(&inner, mr_vm_worker_pool(m.worker));
    mr_code_put(code);
    machine_free(&m);
}

static void assert_profiles_equal(mr_profile *one, mr_profile *other)
{
    size_t count, other_count;
    const mr_profile_code *a = mr_profile_list(one, &count);
    const mr_profile_code *b = mr_profile_list(other, &other_count);
    assert_int_equal(count, other_count);
    for (size_t i = 0; i < count; i++) {
        assert_ptr_equal(a[i].code, b[i].code);
        assert_int_equal(a[i].calls, b[i].calls);
        assert_int_equal(a[i].gas, b[i].gas);
        assert_int_equal(a[i].rows_count, b[i].rows_count);
        for (uint32_t k = 0; k < a[i].rows_count; k++) {
            assert_int_equal(a[i].rows[k].function, b[i].rows[k].function);
            assert_int_equal(a[i].rows[k].calls, b[i].rows[k].calls);
            assert_int_equal(a[i].rows[k].self_gas, b[i].rows[k].self_gas);
            assert_int_equal(a[i].rows[k].host_gas, b[i].rows[k].host_gas);
            assert_int_equal(a[i].rows[k].total_gas, b[i].rows[k].total_gas);
        }
        char *lines = strdup(folded(one, a[i].code, "x"));
        assert_string_equal(lines, folded(other, a[i].code, "x"));
        free(lines);
    }
}

/* Many codes, called on one worker, and the same calls dealt to two, in another order. */
static void profiles_of_workers_add_up(void **state)
{
    (void)state;
    enum { CODES = 40 };
    machine one = machine_new(), left_half = machine_new(), right_half = machine_new();
    mr_profile *merged = mr_profile_new(), *all = mr_profile_new();
    mr_code *codes[CODES];
    for (int i = 0; i < CODES; i++) {
        mr_buffer module = {0};
        random_module(1000 + (uint64_t)i, &module);
        codes[i] = code_of_module(mr_buffer_span(&module));
        mr_buffer_fini(&module);
    }
    for (int i = 0; i < 4 * CODES; i++) {
        int at = (i * 7) % CODES;
        machine *machines[] = {&one, at * i % 3 == 0 ? &left_half : &right_half};
        for (int k = 0; k < 2; k++) {
            mr_memory memory;
            context c = {0};
            uint64_t gas_left;
            mr_memory_init(&memory, codes[at]);
            (void)call(machines[k], &memory, 1000 * (uint64_t)i, &c, &gas_left);
            mr_memory_fini(&memory, mr_vm_worker_pool(machines[k]->worker));
        }
    }
    assert_int_equal(mr_profile_merge(merged, right_half.profile), MR_OK);
    assert_int_equal(mr_profile_merge(merged, left_half.profile), MR_OK);
    assert_profiles_equal(one.profile, merged);
    assert_int_equal(mr_profile_merge(all, merged), MR_OK);
    assert_int_equal(mr_profile_merge(all, merged), MR_OK);
    assert_int_equal(mr_profile_merge(merged, one.profile), MR_OK);
    assert_profiles_equal(all, merged);
    size_t count;
    const mr_profile_code *list = mr_profile_list(merged, &count);
    assert_int_equal(count, CODES);
    for (size_t i = 1; i < count; i++)
        assert_true(list[i].gas <= list[i - 1].gas);
    mr_profile_free(merged);
    mr_profile_free(all);
    machine_free(&one);
    machine_free(&left_half);
    machine_free(&right_half);
    for (int i = 0; i < CODES; i++)
        mr_code_put(codes[i]);
}

/* ---- Limits ---- */

static void paths_that_are_too_long_end_with_what_is_deeper(void **state)
{
    (void)state;
    machine m = machine_new();
    context c = {0};
    mr_code *code = code_of("(func $down (param i32) (if (local.get 0)"
                            "  (then (call $down (i32.sub (local.get 0) (i32.const 1))))))"
                            "(func (export \"handle\") (call $down (i32.const 200)))");
    mr_memory memory;
    mr_memory_init(&memory, code);
    uint64_t left;
    assert_int_equal(call(&m, &memory, 10000, &c, &left), MR_VM_DONE);
    mr_profile_code found = only(&m);
    assert_row(&found, "down", 201, 201 * 6 - 4, 0, 201 * 6 - 4);
    const char *lines = folded(m.profile, code, NULL);
    size_t count = 0, longest = 0;
    for (const char *at = lines, *end; (end = strchr(at, '\n')) != NULL; at = end + 1) {
        longest = (size_t)(end - at) > longest ? (size_t)(end - at) : longest;
        count++;
    }
    /* The entry and 127 times down; of the other 74 all but the last take 6. */
    assert_int_equal(count, MR_PROFILE_DEPTH_MAX + 1);
    assert_int_equal(longest,
                     strlen("function 5") + 127 * strlen(";down") + strlen(";[deeper] 440"));
    assert_non_null(strstr(lines, ";down;[deeper] 440\n"));
    mr_memory_fini(&memory, mr_vm_worker_pool(m.worker));
    mr_code_put(code);
    machine_free(&m);
}

/* Each of 20 functions calls all 20, four deep: 20^4 paths and more. */
static mr_code *code_of_many_paths(void)
{
    static char text[40000];
    char *at = text + sprintf(text, "(table 20 funcref) (elem (i32.const 0)");
    for (int i = 0; i < 20; i++)
        at += sprintf(at, " %d", 5 + i);
    at += sprintf(at, ") (type $d (func (param i32)))"
                      " (func $all (param i32) (local i32) (if (local.get 0) (then (loop"
                      "   (call_indirect (type $d) (i32.sub (local.get 0) (i32.const 1))"
                      "     (local.get 1))"
                      "   (local.set 1 (i32.add (local.get 1) (i32.const 1)))"
                      "   (br_if 0 (i32.lt_u (local.get 1) (i32.const 20)))))))");
    for (int i = 0; i < 20; i++)
        at += sprintf(at, " (func (param i32) (call $all (local.get 0)))");
    sprintf(at, "(func (export \"handle\") (call $all (i32.const 4)))");
    return code_of(text);
}

typedef struct tally {
    uint64_t gas;
    uint32_t paths;
    uint32_t deeper; /* lines that stand for paths not kept */
} tally;

static mr_status count_line(void *ctx, mr_span line)
{
    tally *t = ctx;
    char number[24] = {0};
    const uint8_t *space = memrchr(line.data, ' ', line.size);
    bool is_deeper = space - line.data >= 8 && memcmp(space - 8, "[deeper]", 8) == 0;
    memcpy(number, space + 1, (size_t)(line.data + line.size - space) - 1);
    t->gas += strtoull(number, NULL, 10);
    *(is_deeper ? &t->deeper : &t->paths) += 1;
    return MR_OK;
}

static tally tally_of(const mr_profile *profile, const mr_code *code)
{
    tally t = {0};
    assert_int_equal(mr_profile_fold(profile, code, NULL, count_line, &t), MR_OK);
    return t;
}

static void more_paths_than_are_kept_lose_no_gas(void **state)
{
    (void)state;
    machine m = machine_new();
    context c = {0};
    mr_code *code = code_of_many_paths();
    mr_memory memory;
    mr_memory_init(&memory, code);
    uint64_t left;
    assert_int_equal(call(&m, &memory, 100000000, &c, &left), MR_VM_DONE);
    mr_profile_code found = only(&m);
    assert_int_equal(found.gas, 100000000 - left);
    tally t = tally_of(m.profile, code);
    assert_int_equal(t.gas, found.gas);
    assert_int_equal(t.paths, MR_PROFILE_PATHS_MAX - 1);
    assert_true(t.deeper > 0);
    assert_int_equal(row_of(&found, "all").calls, 1 + 20 + 400 + 8000 + 160000);
    mr_profile *merged = mr_profile_new();
    assert_int_equal(mr_profile_merge(merged, m.profile), MR_OK);
    assert_int_equal(mr_profile_merge(merged, m.profile), MR_OK);
    t = tally_of(merged, code);
    assert_int_equal(t.gas, 2 * found.gas);
    assert_int_equal(t.paths, MR_PROFILE_PATHS_MAX - 1);
    mr_profile_free(merged);
    mr_memory_fini(&memory, mr_vm_worker_pool(m.worker));
    mr_code_put(code);
    machine_free(&m);
}

/* Whichever allocation is the last: the call ends as it should, and the profile knows. */
static void without_memory_the_profile_suffers_not_the_call(void **state)
{
    (void)state;
    mr_code *code = code_of("(func $down (param i32) (if (local.get 0)"
                            "  (then (call $down (i32.sub (local.get 0) (i32.const 1))))))"
                            "(func (export \"handle\") (call $down (i32.const 200)))");
    bool was_complete = false;
    int64_t failures = 0;
    for (int64_t n = 1; !was_complete; n++) {
        machine m = machine_new();
        mr_memory memory;
        mr_memory_init(&memory, code);
        context c = {.notes = 1};
        uint64_t left;
        mr_run *run = fixture_begin(m.worker, &memory);
        mr_heap_fail_at = n;
        assert_int_equal(mr_run_call(run, ENTRY_HANDLE, 10000, &c, &left), MR_VM_DONE);
        bool all_there = mr_heap_fail_at > 1;
        mr_heap_fail_at = 0;
        mr_run_rollback(run);
        assert_int_equal(left, 10000 - (201 * 6 - 4) - 2);
        was_complete = mr_profile_is_complete(m.profile) && all_there;
        size_t count;
        const mr_profile_code *list = mr_profile_list(m.profile, &count);
        uint64_t sum = 0;
        for (uint32_t i = 0; count == 1 && i < list[0].rows_count; i++)
            sum += list[0].rows[i].self_gas;
        assert_int_equal(tally_of(m.profile, code).gas,
                         sum); /* without memory for paths, they are cut earlier */
        assert_true(count == 0 || list[0].gas == sum);
        assert_true(!mr_profile_is_complete(m.profile) || sum == 10000 - left);
        failures += !mr_profile_is_complete(m.profile);
        mr_memory_fini(&memory, mr_vm_worker_pool(m.worker));
        machine_free(&m);
    }
    assert_true(failures >= 8);
    mr_code_put(code);
}

/* ---- Random modules ---- */

static uint64_t number_from(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text != NULL ? strtoull(text, NULL, 0) : otherwise;
}

typedef struct result {
    mr_vm_outcome outcome;
    uint64_t left;
    uint64_t aside;
    uint64_t notes;
    uint8_t bytes[RM_PAGES * MR_PAGE_BYTES];
} result;

static void run_once(machine *m, mr_memory *memory, uint64_t gas, result *out)
{
    context c = {.notes = 1, .worker = m->worker};
    mr_run *run = fixture_begin(m->worker, memory);
    out->outcome = mr_run_call(run, ENTRY_HANDLE, gas, &c, &out->left);
    out->aside = c.aside;
    out->notes = c.notes;
    if (out->outcome == MR_VM_DONE)
        assert_int_equal(mr_run_commit(run), MR_OK);
    else
        mr_run_rollback(run);
    assert_int_equal(mr_memory_read(memory, 0, out->bytes, sizeof out->bytes), MR_OK);
}

/* Functions of modules without names are called "function 12", so lines can be read again. */
static uint32_t function_in(const char *name, size_t size)
{
    static const char *const imported[] = {"count", "note", "ask", "pick", "stop", "result"};
    if (size > 9 && memcmp(name, "function ", 9) == 0)
        return (uint32_t)strtoul(name + 9, NULL, 10);
    for (uint32_t i = 0; i < OWN; i++) {
        if (size == strlen(imported[i]) && memcmp(name, imported[i], size) == 0)
            return i;
    }
    fail_msg("what function is %.*s?", (int)size, name);
    return 0;
}

typedef struct sums {
    uint64_t self[OWN + RM_FUNCTIONS_MAX];
    uint64_t host[OWN + RM_FUNCTIONS_MAX];
    uint64_t total[OWN + RM_FUNCTIONS_MAX];
    uint64_t all;
    bool is_cut; /* some path was too long */
} sums;

/* A line's gas is that of its last function, and of every function on the way once. */
static mr_status sum_line(void *ctx, mr_span line)
{
    sums *s = ctx;
    char text[40 * MR_PROFILE_DEPTH_MAX];
    bool seen[OWN + RM_FUNCTIONS_MAX] = {0};
    uint32_t function = UINT32_MAX, caller = UINT32_MAX;
    assert_true(line.size < sizeof text);
    memcpy(text, line.data, line.size);
    text[line.size] = '\0';
    char *space = strrchr(text, ' ');
    uint64_t gas = strtoull(space + 1, NULL, 10);
    *space = '\0';
    s->all += gas;
    for (const char *at = text; at != NULL;) {
        const char *end = strchr(at, ';');
        size_t size = end != NULL ? (size_t)(end - at) : strlen(at);
        if (strcmp(at, "[deeper]") == 0) {
            s->is_cut = true;
            return MR_OK;
        }
        caller = function;
        function = function_in(at, size);
        s->total[function] += seen[function] ? 0 : gas;
        seen[function] = true;
        at = end != NULL ? end + 1 : NULL;
    }
    s->self[function] += gas;
    if (function < OWN)
        s->host[caller] += gas;
    return MR_OK;
}

static const char *compare(const mr_profile_code *found, const sums *s, uint32_t functions_count)
{
    uint64_t sum = 0;
    uint32_t listed = 0;
    for (uint32_t i = 0; i < found->rows_count; i++) {
        const mr_profile_row *row = &found->rows[i];
        sum += row->self_gas;
        listed++;
        if (row->function >= functions_count || row->is_host != (row->function < OWN))
            return "a row is of no function";
        if (i > 0 && row->self_gas > row[-1].self_gas)
            return "rows are not in order";
        if (s->is_cut)
            continue;
        if (row->self_gas != s->self[row->function])
            return "self gas is not that of the paths";
        if (row->total_gas != s->total[row->function])
            return "total gas is not that of the paths";
        if (row->host_gas != s->host[row->function])
            return "gas of host functions is not that of the paths";
        if (row->function == OWN && row->total_gas != found->gas)
            return "the entry's total is not all";
    }
    if (sum != found->gas)
        return "the sum over functions is not what was burned";
    if (s->all != found->gas)
        return "the sum over paths is not what was burned";
    return listed == 0 ? "nothing was called" : NULL;
}

/* Twice, as the second call finds what the first one left. */
static const char *try_module(machine *watched, machine *plain, mr_code *code, uint64_t gas,
                              uint32_t *outcomes, bool *was_cut)
{
    static result one, other;
    const char *text = NULL;
    mr_memory watched_memory, plain_memory;
    mr_memory_init(&watched_memory, code);
    mr_memory_init(&plain_memory, code);
    for (int round = 0; round < 2 && text == NULL; round++) {
        mr_profile *profile = mr_profile_new();
        assert_non_null(profile);
        mr_vm_worker_set_profile(watched->worker, profile);
        run_once(watched, &watched_memory, gas, &one);
        run_once(plain, &plain_memory, gas, &other);
        if (one.outcome != other.outcome || one.left != other.left)
            text = "outcome or gas differ when watched";
        else if (one.notes != other.notes)
            text = "host calls differ when watched";
        else if (memcmp(one.bytes, other.bytes, sizeof one.bytes) != 0)
            text = "memory differs when watched";
        size_t count;
        const mr_profile_code *list = mr_profile_list(profile, &count);
        assert_int_equal(count, 1);
        sums s = {0};
        assert_int_equal(mr_profile_fold(profile, code, NULL, sum_line, &s), MR_OK);
        if (text == NULL)
            text = compare(&list[0], &s, mr_code_functions_count(code));
        if (text == NULL && list[0].gas != gas - one.left - one.aside)
            text = "what was burned is not what is gone";
        assert_true(mr_profile_is_complete(profile));
        *was_cut |= s.is_cut;
        outcomes[one.outcome]++;
        mr_vm_worker_set_profile(watched->worker, NULL);
        mr_profile_free(profile);
    }
    mr_memory_fini(&watched_memory, mr_vm_worker_pool(watched->worker));
    mr_memory_fini(&plain_memory, mr_vm_worker_pool(plain->worker));
    return text;
}

static void random_modules_do_the_same_when_watched_and_sums_are_exact(void **state)
{
    (void)state;
    static const uint64_t amounts[] = {300000, 300000, 300000, 20000, 1000, 100};
    uint64_t seed = number_from("MR_SEED", 1), cases = number_from("MR_CASES", 1500);
    uint32_t outcomes[MR_VM_NO_MEMORY + 1] = {0}, cut = 0;
    machine watched = machine_new(), plain = machine_new();
    mr_vm_worker_set_profile(plain.worker, NULL);
    for (uint64_t i = 0; i < cases; i++) {
        mr_buffer module = {0};
        bool was_cut = false;
        uint64_t gas = amounts[(seed + i) % 6];
        random_module(seed + i, &module);
        mr_code *code = code_of_module(mr_buffer_span(&module));
        const char *text = try_module(&watched, &plain, code, gas, outcomes, &was_cut);
        if (text != NULL)
            fail_msg("MR_SEED=%llu: %s", (unsigned long long)(seed + i), text);
        cut += was_cut;
        mr_code_put(code);
        mr_buffer_fini(&module);
    }
    print_message("MR_SEED=%llu: %llu modules; with paths cut %u;", (unsigned long long)seed,
                  (unsigned long long)cases, cut);
    for (uint32_t i = 0; i <= MR_VM_NO_MEMORY; i++) {
        print_message(" %s %u;", mr_vm_outcome_text((mr_vm_outcome)i), outcomes[i]);
        assert_true(cases < 1000 || (outcomes[i] > 0) == (i != MR_VM_NO_MEMORY));
    }
    print_message("\n");
    machine_free(&watched);
    machine_free(&plain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gas_belongs_to_the_function_that_burned_it),
        cmocka_unit_test(a_recursion_is_counted_once),
        cmocka_unit_test(a_call_that_fails_is_counted_up_to_there),
        cmocka_unit_test(gas_beyond_what_the_global_holds_is_counted),
        cmocka_unit_test(runs_within_runs_are_calls_of_their_own),
        cmocka_unit_test(profiles_of_workers_add_up),
        cmocka_unit_test(paths_that_are_too_long_end_with_what_is_deeper),
        cmocka_unit_test(more_paths_than_are_kept_lose_no_gas),
        cmocka_unit_test(without_memory_the_profile_suffers_not_the_call),
        cmocka_unit_test(random_modules_do_the_same_when_watched_and_sums_are_exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
