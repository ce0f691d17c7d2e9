/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: what compiler and linker make is ready for upload once packed, and what cannot be is told.
 * Method: tests/vm/packed.c as built by clang and wasm-ld in the way the documentation says, and
 * small texts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "tests/vm/compare.h"

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

static void what_cannot_be_packed_is_told(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *words;
    } cases[] = {
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
        cmocka_unit_test(what_cannot_be_packed_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
