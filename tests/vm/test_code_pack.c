/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: what compiler and linker make is ready for upload once packed, does the same as before, and
 * what cannot be is told.
 * Method: tests/vm/packed.c as built by clang and wasm-ld in the way the documentation says, small
 * texts, and random modules, which keep state in a mutable global. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "tests/vm/compare.h"
#include "tests/vm/random_module.h"

static const mr_code_prices prices = {.instruction = 1, .stack_height_max = 36743};

static mr_buffer file(const char *path)
{
    mr_buffer out = {0};
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    uint8_t bytes[4096];
    for (size_t size; (size = fread(bytes, 1, sizeof bytes, f)) > 0;)
        assert_int_equal(mr_buffer_append(&out, mr_span_of(bytes, size)), MR_OK);
    fclose(f);
    return out;
}

static mr_buffer binary(const char *text)
{
    mr_buffer out = {0};
    mr_error error = {0};
    if (mr_code_from_text(mr_span_text(text), "test.wat", &out, &error) != MR_OK)
        fail_msg("%s\n%s", error.text, text);
    return out;
}

static mr_buffer pack(mr_buffer *module)
{
    mr_buffer packed = {0};
    mr_error error = {0};
    if (mr_code_pack(&bare_rules, mr_buffer_span(module), &packed, &error) != MR_OK)
        fail_msg("%s", error.text);
    mr_buffer_fini(module);
    return packed;
}

static mr_code *upload(mr_buffer *module)
{
    mr_error error = {0};
    mr_code *code = NULL;
    if (mr_code_new(&bare_rules, &prices, mr_buffer_span(module), &code, &error) != MR_OK)
        fail_msg("%s", error.text);
    return code;
}

static void compilers_output_is_ready_once_packed(void **state)
{
    (void)state;
    mr_buffer built = file(PACKED_WASM);
    mr_error error = {0};
    mr_code *code = NULL;
    assert_int_equal(mr_code_new(&bare_rules, &prices, mr_buffer_span(&built), &code, &error),
                     MR_MODULE);
    assert_non_null(strstr(error.text, "export helper: no entry"));
    assert_true(built.size > 80000); /* 20000 zero words */
    mr_buffer packed = pack(&built);
    assert_true(packed.size < 2000);
    code = upload(&packed);
    assert_int_equal(mr_code_stack_end(code), 65536);
    assert_int_equal(mr_code_static_pages(code), 3);
    bool is_named = false;
    for (uint32_t i = 0; i < 8; i++) {
        const char *name = mr_code_function_name(code, i);
        is_named |= name != NULL && strcmp(name, "handle") == 0;
    }
    assert_true(is_named);
    bare *b = bare_new_rewritten(code, &error);
    assert_non_null(b);
    uint64_t first = 0;
    for (int i = 0; i < 2; i++) { /* the second time zeroes[0] is 1 */
        assert_int_equal(bare_run(b, "handle", 10000, 0), BARE_DONE);
        assert_int_not_equal(bare_notes(b), first);
        first = bare_notes(b);
    }
    bare_free(b);
    mr_code_put(code);
    /* Packing again changes nothing. */
    mr_buffer again = {0};
    assert_int_equal(mr_code_pack(&bare_rules, mr_buffer_span(&packed), &again, &error), MR_OK);
    assert_true(mr_span_equal(mr_buffer_span(&again), mr_buffer_span(&packed)));
    mr_buffer_fini(&again);
    mr_buffer_fini(&packed);
}

#define HEAD   "(module (import \"env\" \"memory\" (memory 2))"
#define HANDLE "(func (export \"handle\"))"

static uint32_t packed_stack_end(const char *text)
{
    mr_buffer built = binary(text);
    mr_buffer packed = pack(&built);
    mr_code *code = upload(&packed);
    uint32_t end = mr_code_stack_end(code);
    mr_code_put(code);
    mr_buffer_fini(&packed);
    return end;
}

static void the_stack_ends_where_its_pointer_starts(void **state)
{
    (void)state;
    assert_int_equal(packed_stack_end(HEAD HANDLE ")"), 0); /* no stack at all */
    assert_int_equal(packed_stack_end(HEAD HANDLE "(global i32 (i32.const 5))"
                                                  "(global (mut i64) (i64.const 5))"
                                                  "(global (mut i32) (i32.const 65536)))"),
                     65536);
    assert_int_equal(packed_stack_end(HEAD HANDLE "(global $other (mut i32) (i32.const 3))"
                                                  "(global $__stack_pointer (mut i32)"
                                                  "(i32.const 131072)))"),
                     131072);
}

static void zeroes_go_but_not_those_that_matter(void **state)
{
    (void)state;
    mr_buffer built = binary(HEAD HANDLE "(data (i32.const 100) \"\\00\\00a\\00b\\00\")"
                                         "(data (i32.const 200) \"\\00\\00\\00\\00\")"
                                         "(data (i32.const 300) \"c\"))");
    size_t before = built.size;
    mr_buffer packed = pack(&built);
    assert_true(packed.size < before - 3 - 9 + 2);
    mr_code *code = upload(&packed);
    assert_memory_equal(mr_code_base_unit(code, 0) + 100, "\0\0a\0b\0", 6);
    assert_int_equal(mr_code_base_unit(code, 1)[300 - 256], 'c');
    mr_code_put(code);
    mr_buffer_fini(&packed);
    /* The second segment clears what the first wrote. */
    built =
        binary(HEAD HANDLE "(data (i32.const 100) \"abcd\") (data (i32.const 101) \"\\00\\00\"))");
    packed = pack(&built);
    code = upload(&packed);
    assert_memory_equal(mr_code_base_unit(code, 0) + 100, "a\0\0d", 4);
    mr_code_put(code);
    mr_buffer_fini(&packed);
}

/* `count` and `sum` are state. Everything an instruction can have behind it is there once. */
#define COUNTER(data)                                                                              \
    "(module (import \"env\" \"memory\" (memory 2))"                                               \
    "(import \"env\" \"result\" (func $result (param i64)))"                                       \
    "(type $v (func (param i64)))"                                                                 \
    "(table 1 funcref) (elem (i32.const 0) $add)"                                                  \
    "(global $fixed i32 (i32.const 3))"                                                            \
    "(global $count (mut i32) (i32.const 7))"                                                      \
    "(global $__stack_pointer (mut i32) (i32.const 65536))"                                        \
    "(global $sum (mut i64) (i64.const -5))"                                                       \
    "(func $add (param i64) (local i64)"                                                           \
    "  (global.set $sum (i64.add (global.get $sum) (local.get 0))))"                               \
    "(func (export \"handle\") (local $old i32)"                                                   \
    "  (global.set $__stack_pointer"                                                               \
    "    (i32.sub (local.tee $old (global.get $__stack_pointer)) (i32.const 16)))"                 \
    "  (global.set $count (i32.add (global.get $count) (global.get $fixed)))"                      \
    "  (block $out (loop $again"                                                                   \
    "    (call_indirect (type $v) (i64.extend_i32_u (global.get $count)) (i32.const 0))"           \
    "    (br_table $out $again $out (i32.and (i32.const 3)"                                        \
    "      (i32.wrap_i64 (global.get $sum))))))"                                                   \
    "  (i64.store offset=8 (global.get $__stack_pointer) (global.get $sum))"                       \
    "  (call $result (i64.load offset=8 (global.get $__stack_pointer)))"                           \
    "  (global.set $__stack_pointer (local.get $old)))" data ")"

static void mutable_globals_become_memory(void **state)
{
    (void)state;
    static const char *const texts[] = {COUNTER(""), COUNTER("(data (i32.const 70000) \"x\")")};
    for (size_t t = 0; t < 2; t++) {
        mr_buffer built = binary(texts[t]), packed = {0}, again = {0};
        mr_error error = {0};
        mr_code *before = upload(&built);
        packed = pack(&built);
        mr_code *after = upload(&packed);
        assert_int_equal(mr_code_static_pages(after), 3);
        assert_int_equal(mr_code_stack_end(after), 65536);
        bare *original = bare_new_rewritten(before, &error);
        bare *moved = bare_new_rewritten(after, &error);
        for (uint32_t i = 1; i <= 3; i++) {
            assert_int_equal(bare_run(original, "handle", 10000, 0), BARE_DONE);
            assert_int_equal(bare_run(moved, "handle", 10000, 0), BARE_DONE);
            assert_int_equal(bare_results(moved), bare_results(original));
            size_t size = 0;
            const uint8_t *memory = bare_memory(moved, &size);
            assert_int_equal(mr_load_le32(memory + 131072), 7 + 3 * i);
            assert_int_equal(mr_load_le64(memory + 131080), bare_results(original));
        }
        /* No mutable global is left to move. */
        assert_int_equal(mr_code_pack(&bare_rules, mr_buffer_span(&packed), &again, &error), MR_OK);
        assert_true(mr_span_equal(mr_buffer_span(&again), mr_buffer_span(&packed)));
        bare_free(original);
        bare_free(moved);
        mr_code_put(before);
        mr_code_put(after);
        mr_buffer_fini(&packed);
        mr_buffer_fini(&again);
    }
}

/* Runs both; what they do is the same as long as the original reaches no limit: the packed one has
 * another page of memory, burns more gas and calls less deep. Returns whether it did not. */
static bool run_both(bare *original, bare *packed, uint64_t seed)
{
    for (int run = 0; run < 2; run++) {
        bare_end end = bare_run(original, "handle", 100000, 0);
        if (end == BARE_BOUNDS || end == BARE_OUT_OF_GAS || end == BARE_STACK || end == BARE_DEPTH)
            return false;
        bare_end got = bare_run(packed, "handle", 1000000, 0);
        if (got != end || bare_notes(packed) != bare_notes(original))
            fail_msg("seed %llu, run %d: ends %d, notes %llx; packed %d, %llx",
                     (unsigned long long)seed, run, (int)end,
                     (unsigned long long)bare_notes(original), (int)got,
                     (unsigned long long)bare_notes(packed));
        size_t size = 0, packed_size = 0;
        const uint8_t *memory = bare_memory(original, &size);
        const uint8_t *packed_memory = bare_memory(packed, &packed_size);
        assert_int_equal(packed_size, size + 65536);
        assert_memory_equal(packed_memory, memory, size);
    }
    return true;
}

static void random_modules_do_the_same_when_packed(void **state)
{
    (void)state;
    uint32_t compared = 0;
    for (uint64_t seed = 1; seed <= 400; seed++) {
        mr_buffer module = {0};
        random_packable_module(seed, &module);
        mr_error error = {0};
        mr_code *before = upload(&module);
        mr_buffer packed = pack(&module);
        mr_code *after = upload(&packed);
        bare *original = bare_new_rewritten(before, &error);
        bare *moved = bare_new_rewritten(after, &error);
        compared += run_both(original, moved, seed);
        bare_free(original);
        bare_free(moved);
        mr_code_put(before);
        mr_code_put(after);
        mr_buffer_fini(&packed);
    }
    assert_true(compared >= 200);
}

static void what_cannot_be_packed_is_told(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *words;
    } cases[] = {
        {"(module (import \"env\" \"memory\" (memory 32768))" HANDLE
         "(global (mut i64) (i64.const 1)))",
         "global 0 is mutable, and there is no page left to move it to"},
        {HEAD HANDLE "(global (mut i32) (i32.const 66560)))",
         "the stack ends at 66560, not a multiple of 65536: link with -z stack-size=65536"},
        {HEAD HANDLE "(global (mut i32) (i32.const 65536)) (data (i32.const 1024) \"x\"))",
         "data segment 0 starts at 1024, inside the stack, which ends at 65536: link with "
         "--stack-first"},
        {HEAD "(func (export \"main\")))", "none of the entries init, handle is exported"},
        {"(module (memory 2) " HANDLE ")", "must import it (wasm-ld --import-memory)"},
        {HEAD "(import \"env\" \"printf\" (func)) " HANDLE ")",
         "import env.printf: there is no such function"},
        {HEAD "(func (export \"handle\") (drop (f32.const 1))))", "floats are not allowed"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        mr_buffer built = binary(cases[i].text), packed = {0};
        mr_error error = {0};
        assert_int_equal(mr_code_pack(&bare_rules, mr_buffer_span(&built), &packed, &error),
                         MR_MODULE);
        if (strstr(error.text, cases[i].words) == NULL)
            fail_msg("\"%s\" lacks \"%s\"", error.text, cases[i].words);
        assert_int_equal(packed.size, 0);
        mr_buffer_fini(&built);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(compilers_output_is_ready_once_packed),
        cmocka_unit_test(the_stack_ends_where_its_pointer_starts),
        cmocka_unit_test(zeroes_go_but_not_those_that_matter),
        cmocka_unit_test(mutable_globals_become_memory),
        cmocka_unit_test(random_modules_do_the_same_when_packed),
        cmocka_unit_test(what_cannot_be_packed_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
