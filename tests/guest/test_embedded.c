/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: the embedded modules are there, sorted, and modules. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tools/guest/embedded.h"

static void programs_are_sorted_and_found_by_name(void **state)
{
    (void)state;
    assert_true(mr_embedded_programs_count >= 24);
    for (size_t i = 0; i < mr_embedded_programs_count; i++) {
        const mr_embedded_program *program = &mr_embedded_programs[i];
        if (i > 0)
            assert_true(strcmp(program[-1].name, program->name) < 0);
        const mr_span module = mr_embedded_find(program->name);
        assert_ptr_equal(module.data, program->bytes);
        assert_true(module.size > 100);
        assert_memory_equal(module.data, "\0asm\1\0\0\0", 8);
    }
    assert_int_equal(mr_embedded_find("capacitors").size, 0);
    assert_null(mr_embedded_find("").data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(programs_are_sorted_and_found_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
