/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: a profile says exactly which function burned what. Method: a module whose instructions are
 * counted by hand, and one beyond each limit. */
#include "tests/vm/profile.h"

#include "vm/memory_heap.h"

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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
