/* SPDX-License-Identifier: Apache-2.0 */
/* mr-test: timeout=120 tiers=own
 * Goal: what is easily done in another way by compiled code than by the interpreter is done in the
 * same way, or to the same end. Method: programs made for the purpose, run by the interpreter, by
 * tcc's code and by gcc's. */
#include "base/log.h"
#include "tests/vm/fixture.h"
#include "vm/run.h"

typedef enum way { INTERP, TCC, GCC, WAYS } way;

static char folder[64];
static fixture machines[WAYS];

/* ---- Stores out of bounds that share their marks with others ---- */

/* `base`, and the offsets of two stores of four bytes to it. Memory is a page. */
static mr_code *code_of_stores(uint32_t base, int32_t first, int32_t second)
{
    char text[1024];
    (void)snprintf(text, sizeof text,
                   "(module (import \"env\" \"memory\" (memory 1))\n"
                   "  (func (export \"handle\") (local $base i32)\n"
                   "    (local.set $base (i32.const %u))\n"
                   "    (i32.store (i32.add (local.get $base) (i32.const %d)) (i32.const -1))\n"
                   "    (i32.store (i32.add (local.get $base) (i32.const %d)) (i32.const -1))))\n",
                   base, first, second);
    mr_buffer module = {0};
    mr_error error = {0};
    mr_code *code = NULL;
    if (mr_code_from_text(mr_span_text(text), "stores.wat", &module, &error) != MR_OK ||
        mr_code_new(&fixture_rules, &fixture_prices, mr_buffer_span(&module), &code, &error) !=
            MR_OK)
        fail_msg("%s", error.text);
    mr_buffer_fini(&module);
    return code;
}

static void assert_no_marks(const mr_vm_worker *worker)
{
    const mr_run *run = worker->idle_runs;
    for (uint32_t i = 0; i < MR_MARKS_BYTES; i++) {
        if (run->marks[i] != 0)
            fail_msg("mark %u is left", i);
    }
}

/* Wherever the second store is, before memory or behind it, the first is undone, and no mark is
 * left for whoever runs next. */
static void a_store_that_shares_marks_with_one_out_of_bounds_is_undone(void **state)
{
    (void)state;
    static const struct {
        uint32_t base;
        int32_t first, second;
    } cases[] = {
        {65532, 0, 4},   {65532, 0, 8},   {65532, 0, 100}, {65528, 0, 6},    {65528, 4, 8},
        {65300, 0, 234}, {65281, 0, 254}, {65536, -4, 0},  {65536, -250, 0}, {0, 0, -4},
        {0, 0, -8},      {0, 0, -100},    {4, 0, -6},      {0, 250, -2},     {0, 0, -16},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (uint32_t w = 0; w < WAYS; w++) {
            mr_code *code = code_of_stores(cases[i].base, cases[i].first, cases[i].second);
            mr_memory memory;
            mr_memory_init(&memory, code);
            const step none[] = {{0}};
            assert_int_equal(fixture_run(machines[w].worker, &memory, none), MR_VM_OUT_OF_BOUNDS);
            mr_memory_check(&memory);
            assert_no_marks(machines[w].worker);
            mr_memory_fini(&memory, machines[w].pool);
            mr_code_put(code);
        }
    }
}

static int set_up(void **state)
{
    (void)state;
    static const char *const compilers[] = {[TCC] = "tcc", [GCC] = "gcc"};
    (void)snprintf(folder, sizeof folder, "/tmp/millrace-tiers-XXXXXX");
    if (mkdtemp(folder) == NULL)
        return -1;
    for (uint32_t w = 0; w < WAYS; w++) {
        mr_error error = {0};
        const mr_native_options native = {.directory = folder, .compiler = compilers[w]};
        const mr_vm_options options = {.rules = &fixture_rules,
                                       .functions = fixture_functions,
                                       .tier = w == INTERP ? MR_TIER_INTERP : MR_TIER_NATIVE,
                                       .prices = &fixture_prices,
                                       .native = &native,
                                       .instance_bytes_max = 16 << 20,
                                       .live_bytes_max = UINT64_MAX};
        if (mr_vm_new(&options, &machines[w].vm, &error) != MR_OK ||
            mr_vm_worker_new(machines[w].vm, &machines[w].worker, &error) != MR_OK)
            fail_msg("%s", error.text);
        machines[w].pool = mr_vm_worker_pool(machines[w].worker);
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (uint32_t w = 0; w < WAYS; w++)
        fixture_free(&machines[w]);
    char command[128];
    (void)snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_store_that_shares_marks_with_one_out_of_bounds_is_undone),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
