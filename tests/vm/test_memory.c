/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: a memory is a function of its content; versions are neither lost nor kept too long.
 * Method: loads, blocks with known changes, pools counted slot by slot, every allocation failing
 * once. */
#include "fixture.h"

#include "vm/memory_heap.h"
#include "vm/memory_pool.h"

enum { PAGE = MR_PAGE_BYTES, UNIT = MR_UNIT_BYTES };

static const char data[] = "(data (i32.const 65636) \"text\")";

static void set(fixture *f, mr_memory *memory, uint32_t address, uint64_t value)
{
    const step steps[] = {{STEP_STORE64, address, value, 0}, {0}};
    assert_int_equal(fixture_run(f->worker, memory, steps), MR_VM_DONE);
}

static uint64_t get(const mr_memory *memory, uint64_t address)
{
    uint64_t value;
    assert_int_equal(mr_memory_read(memory, address, &value, sizeof value), MR_OK);
    return value;
}

static size_t changes_count(fixture *f, mr_memory *memory)
{
    const mr_unit_change *changes;
    size_t count;
    assert_int_equal(mr_memory_changes(memory, f->pool, &changes, &count), MR_OK);
    return count;
}

/* ---- Content ---- */

static void a_new_memory_has_the_data_segments_and_nothing_of_its_own(void **state)
{
    (void)state;
    mr_code *code = fixture_code(2, PAGE, data);
    mr_memory memory;
    mr_memory_init(&memory, code);
    char text[8];
    assert_int_equal(mr_memory_read(&memory, 65636, text, 6), MR_OK);
    assert_memory_equal(text, "text\0\0", 6);
    assert_int_equal(mr_memory_pages(&memory), 2);
    assert_int_equal(mr_memory_units_count(&memory), 0);
    assert_int_equal(mr_memory_image_bytes(&memory), 0);
    assert_false(mr_memory_is_live(&memory));
    assert_int_equal(mr_memory_live_bytes(&memory), 0);
    assert_int_equal(mr_memory_read(&memory, 2 * PAGE, text, 0), MR_OK);
    assert_int_equal(mr_memory_read(&memory, 2 * PAGE - 1, text, 1), MR_OK);
    assert_int_equal(mr_memory_read(&memory, 2 * PAGE - 1, text, 2), MR_LIMIT);
    assert_int_equal(mr_memory_read(&memory, 2 * PAGE + 1, text, 0), MR_LIMIT);
    assert_int_equal(mr_memory_read(&memory, UINT64_MAX, text, 8), MR_LIMIT);
    mr_memory_check(&memory);
    mr_memory_fini(&memory, NULL);
    mr_memory_fini(&memory, NULL);
    mr_code_put(code);
}

static void what_is_loaded_is_what_was_saved(void **state)
{
    (void)state;
    fixture f = fixture_new(UINT64_MAX);
    mr_code *code = fixture_code(2, PAGE, data);
    mr_memory saved;
    mr_memory loaded;
    mr_memory_init(&saved, code);
    mr_memory_init(&loaded, code);
    const step steps[] = {{STEP_GROW, 0, 2, 0},
                          {STEP_WRITE, PAGE + 10, 7, 5000},
                          {STEP_STORE64, 4 * PAGE - 8, 1, 0},
                          {0}};
    assert_int_equal(fixture_run(f.worker, &saved, steps), MR_VM_DONE);
    const mr_unit_change *changes;
    size_t count;
    assert_int_equal(mr_memory_changes(&saved, f.pool, &changes, &count), MR_OK);
    assert_int_equal(mr_memory_load_pages(&loaded, mr_memory_pages(&saved)), MR_OK);
    for (size_t i = count; i-- > 0;) {
        assert_true(changes[i].present);
        assert_int_equal(mr_memory_load_unit(&loaded, f.pool, changes[i].unit, changes[i].bytes),
                         MR_OK);
    }
    for (uint32_t unit = 0; unit < 4 * MR_PAGE_UNITS; unit++) {
        const uint8_t *a = mr_memory_unit(&saved, unit);
        const uint8_t *b = mr_memory_unit(&loaded, unit);
        assert_int_equal(a == NULL, b == NULL);
        if (a != NULL)
            assert_memory_equal(a, b, UNIT);
    }
    assert_int_equal(mr_memory_units_count(&saved), mr_memory_units_count(&loaded));
    set(&f, &loaded, PAGE + 5, 3);
    mr_memory_check(&loaded);
    assert_int_equal(changes_count(&f, &loaded), 1);
    mr_memory_fini(&saved, f.pool);
    mr_memory_fini(&loaded, f.pool);
    mr_code_put(code);
    fixture_free(&f);
}

static void loading_refuses_what_no_memory_can_have(void **state)
{
    (void)state;
    mr_unit_pool *pool = mr_unit_pool_new();
    mr_code *code = fixture_code(2, PAGE, data);
    mr_memory memory;
    uint8_t bytes[UNIT];
    memset(bytes, 9, sizeof bytes);
    mr_memory_init(&memory, code);
    assert_int_equal(mr_memory_load_pages(&memory, 1), MR_CORRUPT);
    assert_int_equal(mr_memory_load_pages(&memory, MR_PAGES_MAX + 1), MR_CORRUPT);
    assert_int_equal(mr_memory_load_unit(&memory, pool, 2 * MR_PAGE_UNITS, bytes), MR_CORRUPT);
    assert_int_equal(mr_memory_load_unit(&memory, pool, UINT32_MAX, bytes), MR_CORRUPT);
    assert_int_equal(mr_memory_load_unit(&memory, pool, MR_PAGE_UNITS - 1, bytes), MR_CORRUPT);
    assert_int_equal(mr_memory_load_unit(&memory, pool, MR_PAGE_UNITS + 3, bytes), MR_OK);
    assert_int_equal(mr_memory_units_count(&memory), 1);
    /* Loaded back to zero: it is not kept. */
    memset(bytes, 0, sizeof bytes);
    assert_int_equal(mr_memory_load_unit(&memory, pool, MR_PAGE_UNITS + 3, bytes), MR_OK);
    assert_int_equal(mr_memory_units_count(&memory), 0);
    assert_int_equal(mr_memory_load_pages(&memory, 3), MR_OK);
    assert_int_equal(mr_memory_load_unit(&memory, pool, 2 * MR_PAGE_UNITS, bytes), MR_OK);
    mr_memory_check(&memory);
    mr_memory_fini(&memory, pool);
    mr_code_put(code);
    mr_unit_pool_free(pool);
}

/* ---- Blocks ---- */

static void a_unit_that_is_again_what_it_was_has_not_changed(void **state)
{
    (void)state;
    fixture f = fixture_new(UINT64_MAX);
    mr_code *code = fixture_code(2, PAGE, data);
    mr_memory memory;
    mr_memory_init(&memory, code);
    set(&f, &memory, PAGE, 5);
    set(&f, &memory, PAGE + UNIT, 6);
    assert_int_equal(changes_count(&f, &memory), 2);
    mr_memory_accept(&memory, f.pool);
    /* There and back, in one block. */
    set(&f, &memory, PAGE, 50);
    set(&f, &memory, PAGE + 4 * UNIT, 51);
    assert_int_equal(changes_count(&f, &memory), 2);
    set(&f, &memory, PAGE, 5);
    set(&f, &memory, PAGE + 4 * UNIT, 0);
    assert_int_equal(changes_count(&f, &memory), 0);
    assert_int_equal(mr_memory_units_count(&memory), 2);
    mr_memory_check(&memory);
    /* Back to the code's content: the version goes. */
    set(&f, &memory, PAGE + UNIT, 0);
    const mr_unit_change *changes;
    size_t count;
    assert_int_equal(mr_memory_changes(&memory, f.pool, &changes, &count), MR_OK);
    assert_int_equal(count, 1);
    assert_int_equal(changes[0].unit, MR_PAGE_UNITS + 1);
    assert_false(changes[0].present);
    assert_int_equal(mr_memory_units_count(&memory), 1);
    mr_memory_check(&memory);
    mr_memory_reject(&memory, f.pool);
    assert_int_equal(get(&memory, PAGE + UNIT), 6);
    mr_memory_check(&memory);
    set(&f, &memory, PAGE + UNIT, 0);
    set(&f, &memory, PAGE, 0);
    mr_memory_accept(&memory, f.pool);
    assert_int_equal(mr_memory_units_count(&memory), 0);
    mr_memory_check(&memory);
    mr_memory_fini(&memory, f.pool);
    mr_code_put(code);
    fixture_free(&f);
}

static void a_data_segment_written_over_and_restored_is_not_a_change(void **state)
{
    (void)state;
    fixture f = fixture_new(UINT64_MAX);
    mr_code *code = fixture_code(2, PAGE, data);
    mr_memory memory;
    mr_memory_init(&memory, code);
    uint64_t text = get(&memory, 65636);
    set(&f, &memory, 65636, 0);
    mr_memory_accept(&memory, f.pool);
    assert_int_equal(mr_memory_units_count(&memory), 1);
    set(&f, &memory, 65636, text);
    const mr_unit_change *changes;
    size_t count;
    assert_int_equal(mr_memory_changes(&memory, f.pool, &changes, &count), MR_OK);
    assert_int_equal(count, 1);
    assert_false(changes[0].present);
    mr_memory_accept(&memory, f.pool);
    assert_int_equal(mr_memory_units_count(&memory), 0);
    mr_memory_check(&memory);
    mr_memory_fini(&memory, f.pool);
    mr_code_put(code);
    fixture_free(&f);
}

static void memory_trimmed_in_a_block_comes_back_when_it_is_rejected(void **state)
{
    (void)state;
    fixture f = fixture_new(UINT64_MAX);
    mr_code *code = fixture_code(2, PAGE, data);
    mr_memory memory;
    mr_memory_init(&memory, code);
    const step grow[] = {{STEP_GROW, 0, 3, 0}, {STEP_WRITE, 4 * PAGE, 8, 9000}, {0}};
    assert_int_equal(fixture_run(f.worker, &memory, grow), MR_VM_DONE);
    mr_memory_accept(&memory, f.pool);
    const step clear[] = {{STEP_CLEAR, 4, 1, 0}, {0}};
    for (int round = 0; round < 2; round++) {
        script s = {.steps = clear};
        mr_run *run = fixture_begin(f.worker, &memory);
        assert_int_equal(fixture_call(run, &s), MR_VM_DONE);
        mr_run_trim(run, 3);
        assert_int_equal(mr_run_commit(run), MR_OK);
        assert_int_equal(mr_memory_pages(&memory), 3);
        mr_memory_check(&memory);
        if (round == 0) {
            mr_memory_reject(&memory, f.pool);
            assert_int_equal(mr_memory_pages(&memory), 5);
            assert_int_equal(get(&memory, 4 * PAGE), 0x0808080808080808u);
        } else {
            mr_memory_accept(&memory, f.pool);
            assert_int_equal(mr_memory_units_count(&memory), 0);
        }
        mr_memory_check(&memory);
    }
    /* What grows again is zero. */
    const step again[] = {{STEP_GROW, 0, 2, 0}, {STEP_LOAD8, 4 * PAGE + 1, 0, 0}, {0}};
    script s = {.steps = again};
    mr_run *run = fixture_begin(f.worker, &memory);
    assert_int_equal(fixture_call(run, &s), MR_VM_DONE);
    assert_int_equal(s.reports[0], 0);
    mr_run_rollback(run);
    mr_memory_fini(&memory, f.pool);
    mr_code_put(code);
    fixture_free(&f);
}

/* ---- Who holds what ---- */

static void an_idle_program_with_one_unit_holds_nothing_but_its_struct(void **state)
{
    (void)state;
    fixture f = fixture_new(UINT64_MAX);
    mr_code *code = fixture_code(2, PAGE, data);
    mr_memory memory;
    mr_memory_init(&memory, code);
    set(&f, &memory, PAGE, 5);
    mr_memory_accept(&memory, f.pool);
    set(&f, &memory, PAGE, 6);
    mr_memory_accept(&memory, f.pool);
    assert_int_equal(mr_memory_units_count(&memory), 1);
    assert_int_equal(mr_memory_image_bytes(&memory), 0);
    assert_int_equal(sizeof memory, 96);
    mr_memory_fini(&memory, f.pool);
    mr_code_put(code);
    fixture_free(&f);
}

typedef struct retired {
    uint8_t *bytes[64];
    size_t count;
} retired;

static void keep(void *self, mr_unit_pool *pool, uint8_t *bytes)
{
    (void)pool;
    retired *r = self;
    assert_true(r->count < 64);
    r->bytes[r->count++] = bytes;
}

static void versions_of_accepted_blocks_are_retired_and_no_others(void **state)
{
    (void)state;
    fixture f = fixture_new(UINT64_MAX);
    mr_code *code = fixture_code(2, PAGE, data);
    retired r = {0};
    const mr_unit_retire retire = {.retire = keep, .self = &r};
    mr_unit_pool_set_retire(f.pool, &retire);
    mr_memory memory;
    mr_memory_init(&memory, code);
    set(&f, &memory, PAGE, 1);
    set(&f, &memory, PAGE, 2);
    mr_memory_accept(&memory, f.pool);
    assert_int_equal(r.count, 0);
    const uint8_t *old = mr_memory_unit(&memory, MR_PAGE_UNITS);
    set(&f, &memory, PAGE, 3);
    mr_memory_reject(&memory, f.pool);
    assert_int_equal(r.count, 0);
    assert_ptr_equal(mr_memory_unit(&memory, MR_PAGE_UNITS), old);
    set(&f, &memory, PAGE, 4);
    mr_memory_accept(&memory, f.pool);
    assert_int_equal(r.count, 1);
    assert_ptr_equal(r.bytes[0], old);
    assert_int_equal(mr_load_le64(old), 2); /* a reader still sees it */
    set(&f, &memory, PAGE, 0);
    mr_memory_accept(&memory, f.pool);
    assert_int_equal(r.count, 2);
    set(&f, &memory, PAGE, 5);
    mr_memory_accept(&memory, f.pool);
    set(&f, &memory, PAGE, 6);
    mr_memory_fini(&memory, f.pool);
    assert_int_equal(r.count, 3);
    for (size_t i = 0; i < r.count; i++)
        mr_unit_pool_give(f.pool, r.bytes[i]);
    mr_unit_pool_set_retire(f.pool, NULL);
    mr_code_put(code);
    fixture_free(&f);
}

static void slots_freed_in_one_pool_are_used_by_another(void **state)
{
    (void)state;
    mr_unit_pool *from = mr_unit_pool_new();
    mr_unit_pool *to = mr_unit_pool_new();
    const size_t slots = 10 * MR_MAGAZINE_SLOTS;
    uint8_t **all = malloc(slots * sizeof *all);
    for (int round = 0; round < 5; round++) {
        for (size_t i = 0; i < slots; i++) {
            assert_int_equal(mr_unit_pool_reserve(from, 1), MR_OK);
            all[i] = mr_unit_pool_take(from);
            memset(all[i], round, UNIT);
        }
        for (size_t i = 0; i < slots; i++) {
            assert_int_equal(all[i][UNIT - 1], round);
            mr_unit_pool_give(to, all[i]);
        }
        /* What one pool frees and never needs does not stay with it. */
        assert_true(mr_unit_pool_ready(to) < 2 * MR_MAGAZINE_SLOTS + MR_CHUNK_BYTES / UNIT);
    }
    /* Ten magazines and a chunk or two were enough for all rounds: the depot gave them back. */
    for (size_t i = 0; i < slots; i++) {
        assert_int_equal(mr_unit_pool_reserve(from, 1), MR_OK);
        all[i] = mr_unit_pool_take(from);
    }
    for (size_t i = 1; i < slots; i++)
        assert_ptr_not_equal(all[i], all[i - 1]);
    for (size_t i = 0; i < slots; i++)
        mr_unit_pool_give(from, all[i]);
    free(all);
    mr_unit_pool_free(from);
    mr_unit_pool_free(to);
}

static void reserved_slots_can_all_be_taken(void **state)
{
    (void)state;
    mr_unit_pool *pool = mr_unit_pool_new();
    static uint8_t *all[20000];
    size_t held = 0;
    uint64_t random = fixture_seed();
    for (int round = 0; round < 300; round++) {
        size_t count = fixture_random(&random) % 3000;
        if (held + count <= 20000) {
            assert_int_equal(mr_unit_pool_reserve(pool, count), MR_OK);
            assert_true(mr_unit_pool_ready(pool) >= count);
            for (size_t i = 0; i < count; i++) {
                all[held] = mr_unit_pool_take(pool);
                memset(all[held], 0xcc, UNIT);
                held++;
            }
        }
        size_t back = fixture_random(&random) % (held + 1);
        while (back-- > 0)
            mr_unit_pool_give(pool, all[--held]);
    }
    while (held > 0)
        mr_unit_pool_give(pool, all[--held]);
    mr_unit_pool_free(pool);
}

/* ---- Failures ---- */

/* Runs, blocks and loads with the n-th allocation failing, for every n: an error, and the memory as
 * it was before. */
static bool one_life(fixture *f, mr_code *code)
{
    mr_memory memory;
    mr_memory_init(&memory, code);
    const step steps[] = {{STEP_GROW, 0, 40, 0},
                          {STEP_WRITE, PAGE, 7, 40000},
                          {STEP_STORE64, 42 * PAGE - 8, 1, 0},
                          {0}};
    script s = {.steps = steps};
    mr_run *run = NULL;
    bool well = mr_run_begin(f->worker, &memory, &run, NULL) == MR_OK;
    if (well) {
        mr_vm_outcome outcome = fixture_call(run, &s);
        if (s.grow_status != MR_OK)
            assert_int_equal(s.grow_status, MR_NO_MEMORY);
        well = outcome == MR_VM_DONE && s.grow_status == MR_OK;
        if (outcome != MR_VM_DONE)
            mr_run_rollback(run);
        else
            well = mr_run_commit(run) == MR_OK && well;
    }
    const mr_unit_change *changes;
    size_t count;
    if (mr_memory_changes(&memory, f->pool, &changes, &count) != MR_OK)
        well = false;
    int64_t fail_at = mr_heap_fail_at;
    mr_heap_fail_at = 0;
    mr_memory_check(&memory);
    if (well) {
        assert_int_equal(get(&memory, 42 * PAGE - 8), 1);
        assert_int_equal(mr_memory_pages(&memory), 42);
    }
    mr_heap_fail_at = fail_at;
    uint8_t bytes[UNIT];
    memset(bytes, 1, UNIT);
    mr_memory_accept(&memory, f->pool);
    mr_memory_drop_live(&memory);
    for (uint32_t unit = MR_PAGE_UNITS; well && unit < 2 * MR_PAGE_UNITS; unit++)
        well = mr_memory_load_unit(&memory, f->pool, unit, bytes) == MR_OK;
    mr_memory_fini(&memory, f->pool);
    return well;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    mr_code *code = fixture_code(2, PAGE, data);
    bool well = false;
    int64_t n = 1;
    for (; !well && n < 1000; n++) {
        mr_heap_fail_at = n;
        fixture f = {0};
        mr_vm_options options = {.rules = &fixture_rules,
                                 .functions = fixture_functions,
                                 .tier = MR_TIER_INTERP,
                                 .prices = &fixture_prices,
                                 .instance_bytes_max = 16 << 20,
                                 .live_bytes_max = UINT64_MAX};
        well = mr_vm_new(&options, &f.vm, NULL) == MR_OK &&
               mr_vm_worker_new(f.vm, &f.worker, NULL) == MR_OK;
        if (well) {
            f.pool = mr_vm_worker_pool(f.worker);
            well = one_life(&f, code);
            mr_heap_fail_at = 0;
            assert_true(one_life(&f, code)); /* it works again once there is memory */
        }
        mr_heap_fail_at = 0;
        fixture_free(&f);
    }
    print_message("%d allocations\n", (int)n - 2);
    assert_true(well && n > 15);
    mr_code_put(code);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_memory_has_the_data_segments_and_nothing_of_its_own),
        cmocka_unit_test(what_is_loaded_is_what_was_saved),
        cmocka_unit_test(loading_refuses_what_no_memory_can_have),
        cmocka_unit_test(a_unit_that_is_again_what_it_was_has_not_changed),
        cmocka_unit_test(a_data_segment_written_over_and_restored_is_not_a_change),
        cmocka_unit_test(memory_trimmed_in_a_block_comes_back_when_it_is_rejected),
        cmocka_unit_test(an_idle_program_with_one_unit_holds_nothing_but_its_struct),
        cmocka_unit_test(versions_of_accepted_blocks_are_retired_and_no_others),
        cmocka_unit_test(slots_freed_in_one_pool_are_used_by_another),
        cmocka_unit_test(reserved_slots_can_all_be_taken),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
