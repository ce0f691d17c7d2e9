/* SPDX-License-Identifier: Apache-2.0 */
/* mr-test: label=race timeout=120
 *
 * Goal: a code may be made, taken, read and dropped by any number of threads at once.
 * Method: threads that hold references of their own while others come and go; the last one out
 * frees it. Run it under the thread sanitizer. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/vm/bare.h"

enum { THREADS = 4, ROUNDS = 20000, UPLOADS = 50 };

static const char text[] =
    "(module (import \"env\" \"memory\" (memory 1)) (data (i32.const 300) \"x\")"
    "(func $go (export \"handle\") (i32.store (i32.const 8) (i32.const 1))))";
static const mr_code_prices prices = {.instruction = 1, .stack_height_max = 1000};
static mr_buffer module;

static mr_code *upload(void)
{
    mr_error error = {0};
    mr_code *code = NULL;
    if (mr_code_new(&bare_rules, &prices, mr_buffer_span(&module), &code, &error) != MR_OK)
        fail_msg("%s", error.text);
    return code;
}

static void *share(void *arg)
{
    mr_code *code = arg;
    uint64_t seen = 0;
    for (int i = 0; i < ROUNDS; i++) {
        mr_code *again = mr_code_get(code);
        seen += mr_code_base_unit(again, 1)[300 - 256];
        seen += mr_code_rewritten(again).size;
        mr_code_put(again);
    }
    mr_code_put(code);
    return (void *)(uintptr_t)seen;
}

static void references_are_counted_across_threads(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    mr_code *code = upload();
    uint64_t expected = ROUNDS * ('x' + (uint64_t)mr_code_rewritten(code).size);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, share, mr_code_get(code)), 0);
    mr_code_put(code);
    for (int i = 0; i < THREADS; i++) {
        void *seen = NULL;
        assert_int_equal(pthread_join(threads[i], &seen), 0);
        assert_int_equal((uint64_t)(uintptr_t)seen, expected);
    }
}

static void *make(void *arg)
{
    for (int i = 0; i < UPLOADS; i++) {
        mr_code *code = upload();
        *(size_t *)arg += mr_code_rewritten(code).size;
        mr_code_put(code);
    }
    return NULL;
}

static void uploads_run_side_by_side(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    size_t sums[THREADS] = {0};
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, make, &sums[i]), 0);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(sums[i], sums[0]);
    }
}

int main(void)
{
    mr_error error;
    if (mr_code_from_text(mr_span_text(text), "share.wat", &module, &error) != MR_OK)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(references_are_counted_across_threads),
        cmocka_unit_test(uploads_run_side_by_side),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    mr_buffer_fini(&module);
    return failed;
}
