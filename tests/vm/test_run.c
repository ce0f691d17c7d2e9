/* SPDX-License-Identifier: Apache-2.0 */
/* mr-test: timeout=180
 * Goal: a run changes exactly what it wrote, once, or nothing.
 * Method: a program that stores where a script says; every byte of the image is compared with a
 * plain array under random scripts, commits, rollbacks, accepted and rejected blocks. */
#include "fixture.h"

enum { PAGE = MR_PAGE_BYTES, UNIT = MR_UNIT_BYTES };

static uint64_t read64(const mr_memory *memory, uint64_t address)
{
    uint64_t value;
    assert_int_equal(mr_memory_read(memory, address, &value, sizeof value), MR_OK);
    return value;
}

static uint8_t read8(const mr_memory *memory, uint64_t address)
{
    uint8_t value;
    assert_int_equal(mr_memory_read(memory, address, &value, sizeof value), MR_OK);
    return value;
}

/* ---- Borders ---- */

static void stores_at_every_border_reach_the_image_and_roll_back(void **state)
{
    (void)state;
    fixture f = fixture_new(UINT64_MAX);
    mr_code *code = fixture_code(3, PAGE, "");
    static const uint32_t sizes[] = {1, 2, 4, 8};
    const uint32_t borders[] = {PAGE, PAGE + UNIT, PAGE + 16 * UNIT, 2 * PAGE, 3 * PAGE};
    for (size_t b = 0; b < 5; b++) {
        for (uint32_t s = 0; s < 4; s++) {
            for (uint32_t back = 0; back <= 9; back++) {
                mr_memory memory;
                mr_memory_init(&memory, code);
                uint32_t address = borders[b] - back;
                step steps[] = {{STEP_STORE8 + s, address, 0xa1a2a3a4a5a6a7a8u, 0}, {0}};
                bool fits = (uint64_t)address + sizes[s] <= 3 * PAGE;
                /* Kept as long as the script ends well. */
                step trapping[] = {steps[0], {STEP_UNREACHABLE, 0, 0, 0}};
                assert_int_equal(fixture_run(f.worker, &memory, trapping),
                                 fits ? MR_VM_UNREACHABLE : MR_VM_OUT_OF_BOUNDS);
                mr_memory_check(&memory);
                assert_int_equal(mr_memory_units_count(&memory), 0);
                assert_int_equal(fixture_run(f.worker, &memory, steps),
                                 fits ? MR_VM_DONE : MR_VM_OUT_OF_BOUNDS);
                mr_memory_check(&memory);
                for (uint32_t i = 0; i < 24; i++) {
                    uint32_t at = borders[b] - 12 + i;
                    if (at >= 3 * PAGE)
                        break;
                    bool in = fits && at >= address && at < address + sizes[s] && at >= PAGE;
                    assert_int_equal(read8(&memory, at),
                                     in ? (uint8_t)(0xa1a2a3a4a5a6a7a8u >> 8 * (at - address)) : 0);
                }
                mr_memory_fini(&memory, f.pool);
            }
        }
    }
    mr_code_put(code);
    fixture_free(&f);
}

static void a_host_write_is_bounds_checked_and_marked(void **state)
{
    (void)state;
    fixture f = fixture_new(UINT64_MAX);
    mr_code *code = fixture_code(2, 0, "");
    mr_memory memory;
    mr_memory_init(&memory, code);
    const struct {
        uint32_t address, size;
        bool inside;
    } cases[] = {
        {0, 0, true},           {2 * PAGE, 0, true},       {2 * PAGE + 1, 0, false},
        {UINT32_MAX, 0, false}, {2 * PAGE - 1, 1, true},   {2 * PAGE - 1, 2, false},
        {0, 2 * PAGE, true},    {0, 2 * PAGE + 1, false},  {PAGE - 3, 1000, true},
        {UNIT - 1, 2, true},    {UINT32_MAX, 1000, false}, {1, UNIT, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        step steps[] = {{STEP_WRITE, cases[i].address, i + 1, cases[i].size}, {0}};
        script s = {.steps = steps};
        mr_run *run = fixture_begin(f.worker, &memory);
        assert_int_equal(fixture_call(run, &s), MR_VM_DONE);
        assert_int_equal(s.write_done, cases[i].inside);
        assert_int_equal(mr_run_commit(run), MR_OK);
        mr_memory_check(&memory);
        if (cases[i].inside && cases[i].size > 0) {
            assert_int_equal(read8(&memory, cases[i].address), i + 1);
            assert_int_equal(read8(&memory, cases[i].address + cases[i].size - 1), i + 1);
        }
    }
    mr_memory_fini(&memory, f.pool);
    mr_code_put(code);
    fixture_free(&f);
}

static void borrowing_bytes_stops_at_the_end_of_memory(void **state)
{
    (void)state;
    fixture f = fixture_new(UINT64_MAX);
    mr_code *code = fixture_code(1, 0, "(data (i32.const 10) \"abc\")");
    mr_memory memory;
    mr_memory_init(&memory, code);
    mr_run *run = fixture_begin(f.worker, &memory);
    assert_memory_equal(mr_run_bytes(run, 10, 3), "abc", 3);
    assert_non_null(mr_run_bytes(run, PAGE, 0));
    assert_non_null(mr_run_bytes(run, PAGE - 1, 1));
    assert_null(mr_run_bytes(run, PAGE - 1, 2));
    assert_null(mr_run_bytes(run, PAGE + 1, 0));
    assert_null(mr_run_bytes(run, UINT32_MAX, UINT32_MAX));
    mr_run_rollback(run);
    mr_memory_fini(&memory, f.pool);
    mr_code_put(code);
    fixture_free(&f);
}

/* ---- Nothing is left for the next message ---- */

static void stack_and_globals_are_clean_in_the_next_run(void **state)
{
    (void)state;
    fixture f = fixture_new(UINT64_MAX);
    mr_code *code = fixture_code(2, PAGE, "");
    mr_memory memory;
    mr_memory_init(&memory, code);
    const step dirty[] = {{STEP_STORE64, PAGE - 8, UINT64_MAX, 0},
                          {STEP_STORE64, PAGE - 4, UINT64_MAX, 0},
                          {STEP_STORE64, PAGE / 2 - 3, UINT64_MAX, 0},
                          {STEP_STORE8, 0, 0xff, 0},
                          {STEP_WRITE, 100, 0xee, 5000},
                          {STEP_GLOBAL, 0, 77, 0},
                          {STEP_GLOBAL, 0, 78, 0},
                          {0}};
    const uint32_t places[] = {PAGE - 8, PAGE - 4, PAGE - 1, PAGE / 2 - 3, PAGE / 2 + 4, 0, 100};
    for (int rollback = 0; rollback < 2; rollback++) {
        script s = {.steps = dirty};
        mr_run *run = fixture_begin(f.worker, &memory);
        assert_int_equal(fixture_call(run, &s), MR_VM_DONE);
        assert_int_equal(s.reports[0], 42);
        assert_int_equal(s.reports[1], 77);
        if (rollback)
            mr_run_rollback(run);
        else
            assert_int_equal(mr_run_commit(run), MR_OK);
        step look[8] = {0};
        for (int i = 0; i < 7; i++)
            look[i] = (step){STEP_LOAD8, places[i], 0, 0};
        s = (script){.steps = look};
        run = fixture_begin(f.worker, &memory);
        assert_int_equal(fixture_call(run, &s), MR_VM_DONE);
        for (int i = 0; i < 7; i++)
            assert_int_equal(s.reports[i], 0);
        mr_run_rollback(run);
        mr_memory_check(&memory);
    }
    assert_int_equal(read64(&memory, PAGE), 0x00000000ffffffffu);
    assert_int_equal(mr_memory_units_count(&memory), 1);
    mr_memory_fini(&memory, f.pool);
    mr_code_put(code);
    fixture_free(&f);
}

static void a_run_settles_what_it_wrote_and_nothing_else(void **state)
{
    (void)state;
    fixture f = fixture_new(UINT64_MAX);
    mr_code *code = fixture_code(2, PAGE, "");
    mr_memory memory;
    mr_memory_init(&memory, code);
    const step writing[] = {{STEP_WRITE, PAGE + 100, 1, 5 * UNIT}, {0}};
    const step nothing[] = {{0}};
    mr_vm_counters counters;
    for (uint64_t i = 1; i <= 3; i++) {
        assert_int_equal(fixture_run(f.worker, &memory, writing), MR_VM_DONE);
        mr_vm_worker_counters(f.worker, &counters);
        assert_int_equal(counters.units_committed, i * 6);
        assert_int_equal(fixture_run(f.worker, &memory, nothing), MR_VM_DONE);
        mr_vm_worker_counters(f.worker, &counters);
        assert_int_equal(counters.units_committed, i * 6);
        assert_int_equal(counters.units_rolled_back, 0);
        assert_in_range(counters.instances_made, 1, 2); /* one a tier */
        assert_int_equal(counters.memories_made_live, 1);
        assert_int_equal(counters.calls, 2 * i);
        assert_int_equal(counters.call_ns, 0);
    }
    mr_vm_worker_set_timing(f.worker, true);
    assert_int_equal(fixture_run(f.worker, &memory, writing), MR_VM_DONE);
    mr_vm_worker_counters(f.worker, &counters);
    assert_true(counters.call_ns > 0);
    mr_memory_fini(&memory, f.pool);
    mr_code_put(code);
    fixture_free(&f);
}

/* ---- Outcomes ---- */

static void every_outcome_is_told_apart(void **state)
{
    (void)state;
    fixture f = fixture_new(UINT64_MAX);
    mr_code *code = fixture_code(2, PAGE, "");
    mr_memory memory;
    mr_memory_init(&memory, code);
    const struct {
        step step;
        mr_vm_outcome outcome;
    } cases[] = {
        {{STEP_END, 0, 0, 0}, MR_VM_DONE},
        {{STEP_STOP, 0, 0, 0}, MR_VM_STOPPED},
        {{STEP_CHARGE, 0, UINT64_MAX, 0}, MR_VM_OUT_OF_GAS},
        {{STEP_LOOP, 0, 0, 0}, MR_VM_OUT_OF_GAS},
        {{STEP_RECURSE, 0, 0, 0}, MR_VM_STACK_LIMIT},
        {{STEP_UNREACHABLE, 0, 0, 0}, MR_VM_UNREACHABLE},
        {{STEP_STORE8, 2 * PAGE, 0, 0}, MR_VM_OUT_OF_BOUNDS},
        {{STEP_STORE64, UINT32_MAX, 0, 0}, MR_VM_OUT_OF_BOUNDS},
        {{STEP_STORE64_8, UINT32_MAX - 500, 0, 0}, MR_VM_OUT_OF_BOUNDS},
        {{STEP_STORE64_8, 0x7fffffff, 0, 0}, MR_VM_OUT_OF_BOUNDS},
        {{STEP_LOAD8, 2 * PAGE, 0, 0}, MR_VM_OUT_OF_BOUNDS},
        {{STEP_DIVIDE, 0, 0, 0}, MR_VM_INTEGER},
        {{STEP_OVERFLOW, 0, UINT64_MAX, 0}, MR_VM_INTEGER},
        {{STEP_INDIRECT, 4, 0, 0}, MR_VM_INDIRECT},
        {{STEP_INDIRECT, 3, 0, 0}, MR_VM_INDIRECT},
        {{STEP_INDIRECT, 1, 0, 0}, MR_VM_INDIRECT},
        {{STEP_INDIRECT, 0, 0, 0}, MR_VM_DONE},
    };
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            const step steps[] = {{STEP_STORE64, PAGE + 100, 0xbad, 0}, cases[i].step, {0}};
            script s = {.steps = steps};
            mr_run *run = fixture_begin(f.worker, &memory);
            mr_vm_outcome outcome = fixture_call(run, &s);
            if (outcome != cases[i].outcome)
                fail_msg("case %zu: %s, not %s", i, mr_vm_outcome_text(outcome),
                         mr_vm_outcome_text(cases[i].outcome));
            mr_run_rollback(run);
            mr_memory_check(&memory);
        }
    }
    assert_int_equal(mr_memory_units_count(&memory), 0);
    mr_memory_fini(&memory, f.pool);
    mr_code_put(code);
    fixture_free(&f);
}

static uint64_t gas_for(fixture *f, mr_memory *memory, const step *steps, uint64_t gas,
                        mr_vm_outcome *outcome, size_t *host_calls)
{
    script s = {.steps = steps};
    uint64_t left;
    mr_run *run = fixture_begin(f->worker, memory);
    *outcome = mr_run_call(run, ENTRY_HANDLE, gas, &s, &left);
    *host_calls = s.host_calls;
    mr_run_rollback(run);
    return left;
}

static void gas_runs_out_exactly_where_it_is_spent(void **state)
{
    (void)state;
    fixture f = fixture_new(UINT64_MAX);
    mr_code *code = fixture_code(2, PAGE, "");
    mr_memory memory;
    mr_memory_init(&memory, code);
    const step steps[] = {{STEP_STORE8, PAGE, 1, 0}, {STEP_CHARGE, 0, 50, 0}, {0}};
    mr_vm_outcome outcome;
    size_t calls;
    uint64_t left = gas_for(&f, &memory, steps, 1000000, &outcome, &calls);
    assert_int_equal(outcome, MR_VM_DONE);
    uint64_t needed = 1000000 - left;
    assert_true(needed > 50);
    assert_int_equal(gas_for(&f, &memory, steps, needed, &outcome, &calls), 0);
    assert_int_equal(outcome, MR_VM_DONE);
    assert_int_equal(gas_for(&f, &memory, steps, needed + 1, &outcome, &calls), 1);
    for (uint64_t gas = 0; gas < needed; gas++) {
        assert_int_equal(gas_for(&f, &memory, steps, gas, &outcome, &calls), 0);
        assert_int_equal(outcome, MR_VM_OUT_OF_GAS);
    }
    /* Beyond what a signed global holds. */
    assert_int_equal(gas_for(&f, &memory, steps, UINT64_MAX, &outcome, &calls),
                     UINT64_MAX - needed);
    assert_int_equal(gas_for(&f, &memory, steps, (uint64_t)INT64_MAX + 1, &outcome, &calls),
                     (uint64_t)INT64_MAX + 1 - needed);
    const step greedy[] = {{STEP_CHARGE, 0, UINT64_MAX - 100000, 0}, {0}};
    left = gas_for(&f, &memory, greedy, UINT64_MAX, &outcome, &calls);
    assert_int_equal(outcome, MR_VM_DONE);
    assert_true(left < 100000 && left > 90000);
    mr_memory_fini(&memory, f.pool);
    mr_code_put(code);
    fixture_free(&f);
}

/* ---- Several runs ---- */

static void two_runs_of_one_code_may_be_open_at_once(void **state)
{
    (void)state;
    fixture f = fixture_new(UINT64_MAX);
    mr_code *code = fixture_code(2, PAGE, "");
    mr_memory a;
    mr_memory b;
    mr_memory_init(&a, code);
    mr_memory_init(&b, code);
    for (int round = 0; round < 4; round++) {
        const step steps_a[] = {{STEP_STORE64, PAGE + 8, 0xaa, 0}, {STEP_GLOBAL, 0, 1, 0}, {0}};
        const step steps_b[] = {{STEP_STORE64, PAGE + 8, 0xbb, 0}, {STEP_GLOBAL, 0, 2, 0}, {0}};
        script sa = {.steps = steps_a};
        script sb = {.steps = steps_b};
        mr_run *run_a = fixture_begin(f.worker, &a);
        mr_run *run_b = fixture_begin(f.worker, &b);
        assert_int_equal(fixture_call(run_b, &sb), MR_VM_DONE);
        assert_int_equal(fixture_call(run_a, &sa), MR_VM_DONE);
        assert_int_equal(sa.reports[0], 42);
        assert_int_equal(sb.reports[0], 42);
        assert_int_equal(mr_run_commit(run_a), MR_OK);
        if (round % 2 == 0)
            assert_int_equal(mr_run_commit(run_b), MR_OK);
        else
            mr_run_rollback(run_b);
        mr_memory_check(&a);
        mr_memory_check(&b);
    }
    assert_int_equal(read64(&a, PAGE + 8), 0xaa);
    assert_int_equal(read64(&b, PAGE + 8), 0xbb);
    mr_memory_fini(&a, f.pool);
    mr_memory_fini(&b, f.pool);
    mr_code_put(code);
    fixture_free(&f);
}

/* ---- Growth ---- */

static void growth_and_clearing_are_undone_by_a_rollback(void **state)
{
    (void)state;
    fixture f = fixture_new(UINT64_MAX);
    mr_code *code = fixture_code(2, PAGE, "(data (i32.const 70000) \"data\")");
    mr_memory memory;
    mr_memory_init(&memory, code);
    /* Past the size class, twice, with unsettled bytes to be moved along. */
    const step grow[] = {{STEP_STORE64, PAGE + 4 * UNIT - 3, 0x1122334455667788, 0},
                         {STEP_GROW, 0, 3, 0},
                         {STEP_SIZE, 0, 0, 0},
                         {STEP_STORE64, 5 * PAGE - 8, 5, 0},
                         {STEP_GROW, 0, 40, 0},
                         {STEP_SIZE, 0, 0, 0},
                         {STEP_STORE64, 45 * PAGE - 8, 6, 0},
                         {STEP_LOAD8, 70001, 0, 0},
                         {STEP_LOAD8, PAGE + 4 * UNIT - 3, 0, 0},
                         {0}};
    script s = {.steps = grow};
    mr_run *run = fixture_begin(f.worker, &memory);
    assert_int_equal(fixture_call(run, &s), MR_VM_DONE);
    assert_int_equal(s.reports[0], 5);
    assert_int_equal(s.reports[1], 45);
    assert_int_equal(s.reports[2], 'a');
    assert_int_equal(s.reports[3], 0x88);
    mr_run_rollback(run);
    mr_memory_check(&memory);
    assert_int_equal(mr_memory_pages(&memory), 2);
    assert_int_equal(fixture_run(f.worker, &memory, grow), MR_VM_DONE);
    mr_memory_check(&memory);
    assert_int_equal(mr_memory_pages(&memory), 45);
    assert_int_equal(read64(&memory, 45 * PAGE - 8), 6);
    mr_memory_accept(&memory, f.pool);
    const step clear[] = {{STEP_CLEAR, 1, 2, 0}, {STEP_CLEAR, 44, 1, 0}, {0}};
    assert_int_equal(fixture_run(f.worker, &memory, clear), MR_VM_DONE);
    mr_memory_check(&memory);
    assert_int_equal(read64(&memory, 45 * PAGE - 8), 0);
    assert_int_equal(read64(&memory, 5 * PAGE - 8), 5);
    assert_int_equal(read64(&memory, 70000), 0);
    mr_memory_reject(&memory, f.pool);
    mr_memory_check(&memory);
    assert_int_equal(read64(&memory, 45 * PAGE - 8), 6);
    assert_int_equal(read8(&memory, 70000), 'd');
    const step most[] = {{STEP_GROW, 0, MR_PAGES_MAX - 44, 0}, {0}};
    s = (script){.steps = most};
    run = fixture_begin(f.worker, &memory);
    assert_int_equal(fixture_call(run, &s), MR_VM_DONE);
    assert_int_equal(s.grow_status, MR_LIMIT);
    mr_run_rollback(run);
    mr_memory_fini(&memory, f.pool);
    mr_code_put(code);
    fixture_free(&f);
}

static void the_largest_memory_works_to_its_last_byte(void **state)
{
    (void)state;
    fixture f = fixture_new(UINT64_MAX);
    mr_code *code = fixture_code(1, 0, "");
    mr_memory memory;
    mr_memory_init(&memory, code);
    const step steps[] = {{STEP_GROW, 0, MR_PAGES_MAX - 1, 0},
                          {STEP_STORE64, 0x7ffffff8, 99, 0},
                          {STEP_STORE8, 5, 1, 0},
                          {0}};
    assert_int_equal(fixture_run(f.worker, &memory, steps), MR_VM_DONE);
    assert_int_equal(read64(&memory, 0x7ffffff8), 99);
    assert_int_equal(mr_memory_units_count(&memory), 2);
    const step beyond[] = {{STEP_STORE64, 0x7ffffff9, 99, 0}, {0}};
    assert_int_equal(fixture_run(f.worker, &memory, beyond), MR_VM_OUT_OF_BOUNDS);
    mr_memory_reject(&memory, f.pool);
    assert_int_equal(mr_memory_pages(&memory), 1);
    mr_memory_check(&memory);
    mr_memory_fini(&memory, f.pool);
    mr_code_put(code);
    fixture_free(&f);
}

/* ---- Against a model ---- */

/* Few units keep the image in its small forms, many in its hash table. */
typedef enum breadth { NARROW, BROAD } breadth;

enum { MODEL_PAGES_MAX = 12 };

typedef struct model {
    uint32_t pages;
    uint8_t bytes[MODEL_PAGES_MAX * PAGE];
} model;

static model model_now, model_before, model_run;
static const char model_data[] = "(data (i32.const 65600) \"some text\")"
                                 "(data (i32.const 131070) \"over a border\")";

static void model_init(model *m, breadth wide)
{
    memset(m, 0, sizeof *m);
    m->pages = 3;
    if (wide == NARROW)
        return;
    memcpy(m->bytes + 65600, "some text", 9);
    memcpy(m->bytes + 131070, "over a border", 13);
}

static uint32_t random_address(uint64_t *random, uint32_t pages, breadth wide)
{
    uint64_t r = fixture_random(random);
    if (wide == NARROW)
        return PAGE + (uint32_t)(r % 5) * UNIT - 10 + (uint32_t)(r / 8 % 20);
    uint32_t unit =
        (uint32_t)(r % 8 < 5 ? r / 8 % 40 + PAGE / UNIT - 4 : r / 8 % (pages * (PAGE / UNIT)));
    uint32_t near = (uint32_t)(fixture_random(random) % 20) - 10;
    return r % 3 == 0 ? unit * UNIT + (uint32_t)(fixture_random(random) % UNIT)
                      : unit * UNIT + near;
}

/* Adds one random step to a script and does the same to the model; false when the step traps. */
static bool random_step(uint64_t *random, step *to, model *m, breadth wide)
{
    static const uint32_t sizes[] = {0, 1, 2, 4, 8};
    uint32_t choice = (uint32_t)(fixture_random(random) % 100);
    uint32_t address = random_address(random, m->pages, wide);
    uint64_t value = fixture_random(random);
    uint64_t end = (uint64_t)m->pages * PAGE;
    if (choice < 80) {
        uint32_t s = choice % 4 + 1;
        bool zero = wide == NARROW ? choice % 2 == 0 : choice % 5 == 0;
        *to = (step){(step_kind)s, address, zero ? 0 : value, 0};
        if ((uint64_t)address + sizes[s] > end)
            return false;
        memcpy(m->bytes + address, &to->value, sizes[s]);
    } else if (choice < 90) {
        uint32_t size = (uint32_t)(value % (wide == NARROW ? 30 : 1000));
        *to = (step){STEP_WRITE, address, value >> 32 & 0xff, size};
        if ((uint64_t)address + size <= end)
            memset(m->bytes + address, (int)to->value, size);
    } else if (choice < 94) {
        uint32_t pages = (uint32_t)(value % 3);
        if (m->pages + pages > MODEL_PAGES_MAX)
            pages = 0;
        *to = (step){STEP_GROW, 0, pages, 0};
        m->pages += pages;
    } else if (choice < 97) {
        uint32_t first = (uint32_t)(value % m->pages);
        uint32_t count = (uint32_t)(value / 64 % (m->pages - first + 1));
        *to = (step){STEP_CLEAR, first, count, 0};
        memset(m->bytes + (size_t)first * PAGE, 0, (size_t)count * PAGE);
    } else {
        *to = (step){choice == 97 ? STEP_UNREACHABLE : STEP_LOAD8, PAGE, 0, 0};
        return choice != 97;
    }
    return true;
}

static void assert_same(const mr_memory *memory, const model *m)
{
    static uint8_t bytes[MODEL_PAGES_MAX * PAGE];
    assert_int_equal(mr_memory_pages(memory), m->pages);
    size_t size = (size_t)m->pages * PAGE;
    assert_int_equal(mr_memory_read(memory, 0, bytes, size), MR_OK);
    if (memcmp(bytes, m->bytes, size) != 0) {
        size_t at = 0;
        while (bytes[at] == m->bytes[at])
            at++;
        fail_msg("byte %zu is %u, should be %u", at, bytes[at], m->bytes[at]);
    }
}

/* Changes must be exactly the units in which the two models differ. */
static void assert_changes(fixture *f, mr_memory *memory, mr_code *code)
{
    const mr_unit_change *changes;
    size_t count;
    size_t found = 0;
    static const uint8_t zero[UNIT];
    assert_int_equal(mr_memory_changes(memory, f->pool, &changes, &count), MR_OK);
    for (uint32_t unit = 0; unit < MODEL_PAGES_MAX * MR_PAGE_UNITS; unit++) {
        const uint8_t *now = model_now.bytes + (size_t)unit * UNIT;
        if (memcmp(now, model_before.bytes + (size_t)unit * UNIT, UNIT) == 0)
            continue;
        assert_true(found < count);
        assert_int_equal(changes[found].unit, unit);
        const uint8_t *base = mr_code_base_unit(code, unit);
        assert_int_equal(changes[found].present,
                         memcmp(now, base != NULL ? base : zero, UNIT) != 0);
        if (changes[found].present)
            assert_memory_equal(changes[found].bytes, now, UNIT);
        found++;
    }
    assert_int_equal(found, count);
}

/* The image holds a version of exactly the units that differ from the code's content. */
static void assert_own_units(const mr_memory *memory, mr_code *code)
{
    static const uint8_t zero[UNIT];
    uint32_t own = 0;
    for (uint32_t unit = PAGE / UNIT; unit < MODEL_PAGES_MAX * MR_PAGE_UNITS; unit++) {
        const uint8_t *base = mr_code_base_unit(code, unit);
        own += memcmp(model_now.bytes + (size_t)unit * UNIT, base != NULL ? base : zero, UNIT) != 0;
    }
    assert_int_equal(mr_memory_units_count(memory), own);
}

static void random_run(fixture *f, mr_memory *memory, uint64_t *random, breadth wide)
{
    step steps[SCRIPT_STEPS_MAX] = {0};
    uint32_t count = (uint32_t)(fixture_random(random) % 12);
    bool well = true;
    model_run = model_now;
    for (uint32_t i = 0; i < count && well; i++)
        well = random_step(random, &steps[i], &model_run, wide);
    memset(model_run.bytes, 0, PAGE);
    script s = {.steps = steps};
    mr_run *run = fixture_begin(f->worker, memory);
    assert_int_equal(fixture_call(run, &s) == MR_VM_DONE, well);
    if (well && fixture_random(random) % 4 != 0) {
        assert_int_equal(mr_run_commit(run), MR_OK);
        model_now = model_run;
    } else {
        mr_run_rollback(run);
    }
}

static void end_block(fixture *f, mr_memory *memory, mr_code *code, uint64_t *random)
{
    uint64_t choice = fixture_random(random) % 4;
    if (choice < 2)
        assert_changes(f, memory, code);
    if (choice % 2 == 0) {
        mr_memory_accept(memory, f->pool);
        model_before = model_now;
        assert_own_units(memory, code);
    } else {
        mr_memory_reject(memory, f->pool);
        model_now = model_before;
    }
}

static void match_a_plain_array(breadth wide, int runs)
{
    uint64_t random = fixture_seed();
    fixture f = fixture_new(UINT64_MAX);
    mr_code *code = fixture_code(3, PAGE, wide == BROAD ? model_data : "");
    mr_memory memory;
    mr_memory_init(&memory, code);
    model_init(&model_now, wide);
    model_before = model_now;
    for (int i = 0; i < runs; i++) {
        random_run(&f, &memory, &random, wide);
        if (fixture_random(&random) % 8 == 0)
            end_block(&f, &memory, code, &random);
        if (fixture_random(&random) % 16 == 0)
            mr_memory_drop_live(&memory);
        if (i % 8 == 0) {
            mr_memory_check(&memory);
            assert_same(&memory, &model_now);
        }
        if (fixture_random(&random) % 500 == 0) {
            mr_memory_fini(&memory, f.pool);
            mr_memory_init(&memory, code);
            model_init(&model_now, wide);
            model_before = model_now;
        }
    }
    mr_memory_fini(&memory, f.pool);
    mr_code_put(code);
    fixture_free(&f);
}

static void random_runs_and_blocks_match_a_plain_array(void **state)
{
    (void)state;
    match_a_plain_array(BROAD, 4000);
}

static void random_runs_over_a_few_units_match_a_plain_array(void **state)
{
    (void)state;
    match_a_plain_array(NARROW, 8000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stores_at_every_border_reach_the_image_and_roll_back),
        cmocka_unit_test(a_host_write_is_bounds_checked_and_marked),
        cmocka_unit_test(borrowing_bytes_stops_at_the_end_of_memory),
        cmocka_unit_test(stack_and_globals_are_clean_in_the_next_run),
        cmocka_unit_test(a_run_settles_what_it_wrote_and_nothing_else),
        cmocka_unit_test(every_outcome_is_told_apart),
        cmocka_unit_test(gas_runs_out_exactly_where_it_is_spent),
        cmocka_unit_test(two_runs_of_one_code_may_be_open_at_once),
        cmocka_unit_test(growth_and_clearing_are_undone_by_a_rollback),
        cmocka_unit_test(the_largest_memory_works_to_its_last_byte),
        cmocka_unit_test(random_runs_and_blocks_match_a_plain_array),
        cmocka_unit_test(random_runs_over_a_few_units_match_a_plain_array),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
