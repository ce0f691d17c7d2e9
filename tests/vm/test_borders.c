/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: what a program stores and what the host writes, across borders of units, pages, the stack
 * and memory, is committed to the byte and rolled back to the byte.
 * Method: every place around every border, every size, each path alone and both in one run, on
 * memory that has versions of its own there and on memory that has none; the whole image is
 * compared with a plain array after each run. */
#include "fixture.h"

enum { PAGE = MR_PAGE_BYTES, UNIT = MR_UNIT_BYTES, PAGES = 4, BYTES = PAGES * PAGE };

/* The stack ends at PAGE. The last but one is the end of memory, the last lies beyond it. */
static const uint32_t borders[] = {PAGE,     PAGE + UNIT, PAGE + 64 * UNIT, 2 * PAGE - UNIT,
                                   2 * PAGE, BYTES};
enum { BORDERS = sizeof borders / sizeof borders[0] };

static uint8_t expected[BYTES], now[BYTES];

static void assert_image(const mr_memory *memory, const char *what, uint32_t at, uint32_t size)
{
    mr_memory_check(memory);
    assert_int_equal(mr_memory_pages(memory), PAGES);
    assert_int_equal(mr_memory_read(memory, 0, now, BYTES), MR_OK);
    for (uint32_t i = 0; i < BYTES; i++) {
        if (now[i] != expected[i])
            fail_msg("%s of %u bytes at %u: byte %u is %u, not %u", what, size, at, i, now[i],
                     expected[i]);
    }
}

/* A range of bytes as state has it: what lies on the stack is no state. */
static void expect(uint32_t at, uint32_t size, const uint8_t *bytes)
{
    for (uint32_t i = 0; i < size; i++) {
        if (at + i >= PAGE)
            expected[at + i] = bytes[i];
    }
}

static mr_code *code;

/* Memory whose every byte is 0, or whose units all have versions of their own. */
static void begin_memory(fixture *f, mr_memory *memory, bool own)
{
    mr_memory_init(memory, code);
    memset(expected, 0, sizeof expected);
    if (!own)
        return;
    const step fill[] = {{STEP_WRITE, PAGE, 0x3c, BYTES - PAGE}, {0}};
    assert_int_equal(fixture_run(f->worker, memory, fill), MR_VM_DONE);
    mr_memory_accept(memory, f->pool);
    memset(expected + PAGE, 0x3c, BYTES - PAGE);
}

/* Runs the steps, which end the script with a trap, then without. */
static void try_both(fixture *f, mr_memory *memory, const step *steps, size_t count,
                     mr_vm_outcome good)
{
    step failing[SCRIPT_STEPS_MAX] = {0}, ending[SCRIPT_STEPS_MAX] = {0};
    memcpy(failing, steps, count * sizeof *steps);
    memcpy(ending, steps, count * sizeof *steps);
    failing[count].kind = STEP_UNREACHABLE;
    assert_int_equal(fixture_run(f->worker, memory, failing),
                     good == MR_VM_DONE ? MR_VM_UNREACHABLE : good);
    assert_image(memory, "rollback", steps[0].address, steps[0].size);
    assert_int_equal(fixture_run(f->worker, memory, ending), good);
}

static void a_host_write_is_committed_or_undone_to_the_byte(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {1, 4, 8, 16, 32, 36, 52, 255, 256, 257, 600};
    fixture f = fixture_new(UINT64_MAX);
    code = fixture_code(PAGES, PAGE, "");
    mr_memory memory;
    for (unsigned own = 0; own < 2; own++) {
        begin_memory(&f, &memory, own == 1);
        for (size_t b = 0; b < BORDERS; b++) {
            for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
                const uint32_t size = sizes[s];
                const uint32_t places[] = {borders[b] - size, borders[b] - size + 1,
                                           borders[b] - size / 2, borders[b] - 1, borders[b]};
                for (size_t p = 0; p < 5; p++) {
                    const step steps[] = {{STEP_WRITE, places[p], 0x81 + p, size}};
                    const bool fits = places[p] + size <= BYTES;
                    try_both(&f, &memory, steps, 1, MR_VM_DONE);
                    uint8_t bytes[600];
                    memset(bytes, (int)(0x81 + p), sizeof bytes);
                    if (fits)
                        expect(places[p], size, bytes);
                    assert_image(&memory, "commit", places[p], size);
                }
            }
            mr_memory_accept(&memory, f.pool);
        }
        mr_memory_fini(&memory, f.pool);
    }
    mr_code_put(code);
    fixture_free(&f);
}

static void a_store_is_committed_or_undone_to_the_byte(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {1, 2, 4, 8};
    fixture f = fixture_new(UINT64_MAX);
    code = fixture_code(PAGES, PAGE, "");
    mr_memory memory;
    uint64_t value = 0x0102030405060708u;
    for (unsigned own = 0; own < 2; own++) {
        begin_memory(&f, &memory, own == 1);
        for (size_t b = 0; b < BORDERS; b++) {
            for (uint32_t s = 0; s < 4; s++) {
                for (uint32_t back = 0; back <= 8; back++) {
                    const uint32_t at = borders[b] - back;
                    value = value * 0x9e3779b97f4a7c15u + 1;
                    const step steps[] = {{STEP_STORE8 + s, at, value, 0}};
                    const bool fits = at + sizes[s] <= BYTES;
                    try_both(&f, &memory, steps, 1, fits ? MR_VM_DONE : MR_VM_OUT_OF_BOUNDS);
                    if (fits)
                        expect(at, sizes[s], (const uint8_t *)&value);
                    assert_image(&memory, "store", at, sizes[s]);
                }
            }
            mr_memory_accept(&memory, f.pool);
        }
        mr_memory_fini(&memory, f.pool);
    }
    mr_code_put(code);
    fixture_free(&f);
}

/* The two paths meet in one unit, in neighbours, and in either order. */
static void both_paths_in_one_run_are_committed_or_undone_to_the_byte(void **state)
{
    (void)state;
    fixture f = fixture_new(UINT64_MAX);
    code = fixture_code(PAGES, PAGE, "");
    mr_memory memory;
    begin_memory(&f, &memory, true);
    for (size_t b = 0; b < BORDERS - 1; b++) {
        for (uint32_t back = 0; back <= 12; back++) {
            for (uint32_t shift = 0; shift < 4; shift++) {
                for (unsigned order = 0; order < 2; order++) {
                    const uint32_t host_at = borders[b] - back, store_at = host_at - 6 + 4 * shift;
                    const uint64_t value = 0x1111111111111111u * (1 + shift) + back;
                    const step host = {STEP_WRITE, host_at, 0x90 + back, 10};
                    const step store = {STEP_STORE64, store_at, value, 0};
                    const step steps[] = {order == 0 ? host : store, order == 0 ? store : host};
                    try_both(&f, &memory, steps, 2, MR_VM_DONE);
                    uint8_t bytes[10];
                    memset(bytes, (int)(0x90 + back), sizeof bytes);
                    for (unsigned i = 0; i < 2; i++) {
                        if ((order == 0) == (i == 0))
                            expect(host_at, 10, bytes);
                        else
                            expect(store_at, 8, (const uint8_t *)&value);
                    }
                    assert_image(&memory, "both", host_at, 10);
                }
            }
        }
    }
    mr_memory_fini(&memory, f.pool);
    mr_code_put(code);
    fixture_free(&f);
}

/* What was the end of memory is a border inside it once it has grown. */
static void the_old_end_of_memory_is_no_border_once_it_has_grown(void **state)
{
    (void)state;
    fixture f = fixture_new(UINT64_MAX);
    code = fixture_code(PAGES - 1, PAGE, "");
    for (uint32_t back = 0; back <= 9; back++) {
        for (unsigned by_host = 0; by_host < 2; by_host++) {
            mr_memory memory;
            mr_memory_init(&memory, code);
            memset(expected, 0, sizeof expected);
            const uint64_t value = 0xabababababababab;
            const uint32_t at = BYTES - PAGE - back;
            const step write =
                by_host ? (step){STEP_WRITE, at, 0xab, 8} : (step){STEP_STORE64, at, value, 0};
            const step failing[] = {{STEP_GROW, 0, 1, 0}, write, {STEP_UNREACHABLE, 0, 0, 0}};
            assert_int_equal(fixture_run(f.worker, &memory, failing), MR_VM_UNREACHABLE);
            assert_int_equal(mr_memory_pages(&memory), PAGES - 1);
            assert_int_equal(mr_memory_units_count(&memory), 0);
            mr_memory_check(&memory);
            const step steps[] = {{STEP_GROW, 0, 1, 0}, write, {0}};
            assert_int_equal(fixture_run(f.worker, &memory, steps), MR_VM_DONE);
            expect(at, 8, (const uint8_t *)&value);
            assert_image(&memory, "growth", at, 8);
            mr_memory_fini(&memory, f.pool);
        }
    }
    mr_code_put(code);
    fixture_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_host_write_is_committed_or_undone_to_the_byte),
        cmocka_unit_test(a_store_is_committed_or_undone_to_the_byte),
        cmocka_unit_test(both_paths_in_one_run_are_committed_or_undone_to_the_byte),
        cmocka_unit_test(the_old_end_of_memory_is_no_border_once_it_has_grown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
