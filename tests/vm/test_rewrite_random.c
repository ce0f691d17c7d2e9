/* SPDX-License-Identifier: Apache-2.0 */
/* mr-test: label=model timeout=240
 *
 * Goal: rewriting changes nothing but gas, height and marks, and gas is exact on every path.
 * Method: random valid modules run as uploaded, every instruction counted by itself, and rewritten;
 * see tests/vm/compare.h. MR_SEED replays, MR_CASES sets how many. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "tests/vm/compare.h"
#include "tests/vm/number.h"
#include "tests/vm/random_module.h"

static void random_modules_do_the_same_when_rewritten(void **state)
{
    (void)state;
    uint64_t seed = number_from("MR_SEED", 1), cases = number_from("MR_CASES", 1500);
    mr_code_prices prices = {.instruction = 1, .stack_height_max = 20000};
    uint32_t ends[BARE_OTHER + 1] = {0};
    for (uint64_t i = 0; i < cases; i++) {
        mr_buffer module = {0};
        mr_error error = {0};
        mr_code *code = NULL;
        bare_end end = BARE_OTHER;
        random_module(seed + i, &module);
        if (mr_code_new(&bare_rules, &prices, mr_buffer_span(&module), &code, &error) != MR_OK)
            fail_msg("MR_SEED=%llu: refused: %s", (unsigned long long)(seed + i), error.text);
        const char *text = compare_module(mr_buffer_span(&module), code, 20000, &end);
        if (text != NULL)
            fail_msg("MR_SEED=%llu: %s", (unsigned long long)(seed + i), text);
        ends[end]++;
        mr_code_put(code);
        mr_buffer_fini(&module);
    }
    print_message("MR_SEED=%llu: %llu modules; done %u, unreachable %u, bounds %u, integer %u, "
                  "indirect %u, stopped %u, too long %u, too deep %u\n",
                  (unsigned long long)seed, (unsigned long long)cases, ends[BARE_DONE],
                  ends[BARE_UNREACHABLE], ends[BARE_BOUNDS], ends[BARE_INTEGER],
                  ends[BARE_INDIRECT], ends[BARE_STOPPED], ends[BARE_COUNT], ends[BARE_DEPTH]);
    assert_int_equal(ends[BARE_OTHER], 0);
    assert_true(cases < 1000 || ends[BARE_DONE] > cases / 10);
}

/* The rewritten bytes are part of the rules that all machines share. If this digest must change for
 * another reason than other modules from random_module.h, MR_CODE_VERSION goes up. */
static void the_rewriting_is_that_of_its_version(void **state)
{
    (void)state;
    mr_code_prices prices = {.instruction = 1000, .stack_height_max = 36743};
    uint64_t digest = 0xcbf29ce484222325u;
    for (uint64_t seed = 0; seed < 200; seed++) {
        mr_buffer module = {0};
        mr_error error = {0};
        mr_code *code = NULL;
        random_module(seed, &module);
        if (mr_code_new(&bare_rules, &prices, mr_buffer_span(&module), &code, &error) != MR_OK)
            fail_msg("%s", error.text);
        mr_span rewritten = mr_code_rewritten(code);
        for (size_t i = 0; i < rewritten.size; i++)
            digest = (digest ^ rewritten.data[i]) * 0x100000001b3u;
        mr_code_put(code);
        mr_buffer_fini(&module);
    }
    assert_int_equal(MR_CODE_VERSION, 1);
    if (MR_UNIT_SHIFT == 8)
        assert_int_equal(digest, 0x0a237f7d530dcfbcu);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_rewriting_is_that_of_its_version),
        cmocka_unit_test(random_modules_do_the_same_when_rewritten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
