/* SPDX-License-Identifier: Apache-2.0 */
/* mr-test: label=race timeout=240
 * Goal: live memories come and go without anybody noticing: not what is in memory, not the worker
 * that lost one to another. The budget holds, and programs that stay hot stay live.
 * Method: many programs in little room, on one thread and on several, every value checked. */
#include "fixture.h"

#include <pthread.h>

#include "vm/live.h"
#include "vm/run.h"

enum { PAGE = MR_PAGE_BYTES, UNIT = MR_UNIT_BYTES, PROGRAMS = 600 };

#ifdef __SANITIZE_THREAD__
enum { ROUNDS = 12 };
#else
enum { ROUNDS = 40 };
#endif

/* Something for a live memory to hold before any program does. */
static const char counter_text[] = "(data (i32.const 65636) \"text\")";

typedef struct program {
    mr_memory memory;
    uint64_t expected;
} program;

static void bump(mr_vm_worker *worker, program *p, uint32_t id)
{
    uint32_t address = PAGE + (id * 40) % (PAGE - 8);
    const step steps[] = {{STEP_LOAD8, address, 0, 0},
                          {STEP_LOAD8, 2 * PAGE + address % PAGE, 0, 0},
                          {STEP_LOAD8, 65637, 0, 0},
                          {STEP_STORE64, address, p->expected + 1, 0},
                          {STEP_STORE8, 2 * PAGE + address % PAGE, p->expected + 1, 0},
                          {STEP_STORE8, 100, 1, 0},
                          {0}};
    script s = {.steps = steps};
    mr_run *run = fixture_begin(worker, &p->memory);
    assert_int_equal(fixture_call(run, &s), MR_VM_DONE);
    assert_int_equal(s.reports[0], (uint8_t)p->expected);
    assert_int_equal(s.reports[1], (uint8_t)p->expected);
    assert_int_equal(mr_run_commit(run), MR_OK);
    p->expected++;
}

static program *new_programs(mr_code *const *codes, uint32_t codes_count, uint32_t count)
{
    program *all = calloc(count, sizeof *all);
    for (uint32_t i = 0; i < count; i++)
        mr_memory_init(&all[i].memory, codes[i % codes_count]);
    return all;
}

static void free_programs(program *all, uint32_t count, mr_unit_pool *pool)
{
    for (uint32_t i = 0; i < count; i++)
        mr_memory_fini(&all[i].memory, pool);
    free(all);
}

static uint64_t live_bytes_of_one(mr_code *code)
{
    fixture f = fixture_new(UINT64_MAX);
    program p = {0};
    mr_memory_init(&p.memory, code);
    bump(f.worker, &p, 0);
    uint64_t bytes = mr_memory_live_bytes(&p.memory);
    mr_memory_fini(&p.memory, f.pool);
    fixture_free(&f);
    return bytes;
}

static uint64_t made_live(const fixture *f)
{
    mr_vm_counters counters;
    mr_vm_worker_counters(f->worker, &counters);
    return counters.memories_made_live;
}

static void programs_keep_their_content_in_any_budget(void **state)
{
    (void)state;
    mr_code *codes[3] = {fixture_code(3, PAGE, counter_text), fixture_code(3, PAGE, ""),
                         fixture_code(9, PAGE, "(data (i32.const 65637) \"other\")")};
    uint64_t each = live_bytes_of_one(codes[0]);
    const uint64_t budgets[] = {0, each * 10, each * PROGRAMS / 2, UINT64_MAX};
    uint64_t random = fixture_seed();
    for (size_t b = 0; b < 4; b++) {
        fixture f = fixture_new(budgets[b]);
        program *all = new_programs(codes, 3, PROGRAMS);
        for (uint32_t i = 0; i < PROGRAMS * 10; i++) {
            uint32_t id = (uint32_t)(fixture_random(&random) % PROGRAMS);
            bump(f.worker, &all[id], id);
            if (i % 16 == 0)
                mr_memory_check(&all[id].memory);
            if (fixture_random(&random) % 64 == 0)
                mr_memory_drop_live(&all[id].memory);
            if (fixture_random(&random) % 64 == 0)
                mr_memory_accept(&all[id].memory, f.pool);
            if (budgets[b] != UINT64_MAX)
                assert_true(mr_lives_bytes(f.vm->lives) <=
                            budgets[b] + budgets[b] / 8 + (1 << 20) + 2 * each);
        }
        for (uint32_t i = 0; i < PROGRAMS; i++)
            mr_memory_check(&all[i].memory);
        free_programs(all, PROGRAMS, f.pool);
        fixture_free(&f);
    }
    for (int i = 0; i < 3; i++)
        mr_code_put(codes[i]);
}

/* Memories of one and two pages, which are given back in pieces of the smallest sizes. */
static void small_memories_keep_their_content_in_any_budget(void **state)
{
    (void)state;
    mr_code *codes[3] = {fixture_code(1, 0, ""), fixture_code(2, 0, ""), fixture_code(4, 0, "")};
    const uint64_t budgets[] = {1, 100000, 1000000, UINT64_MAX};
    uint64_t random = fixture_seed();
    for (size_t b = 0; b < 4; b++) {
        fixture f = fixture_new(budgets[b]);
        program *all = new_programs(codes, 3, PROGRAMS);
        for (uint32_t i = 0; i < PROGRAMS * 10; i++) {
            uint32_t id = (uint32_t)(fixture_random(&random) % PROGRAMS);
            program *p = &all[id];
            uint32_t address = (id * 1000) % (PAGE - 8);
            const step steps[] = {
                {STEP_LOAD8, address, 0, 0}, {STEP_STORE64, address, p->expected + 1, 0}, {0}};
            script s = {.steps = steps};
            mr_run *run = fixture_begin(f.worker, &p->memory);
            assert_int_equal(fixture_call(run, &s), MR_VM_DONE);
            assert_int_equal(s.reports[0], (uint8_t)p->expected);
            assert_int_equal(mr_run_commit(run), MR_OK);
            p->expected++;
            mr_memory_check(&p->memory);
            if (fixture_random(&random) % 64 == 0)
                mr_memory_drop_live(&p->memory);
        }
        for (uint32_t i = 0; i < PROGRAMS; i++)
            mr_memory_check(&all[i].memory);
        free_programs(all, PROGRAMS, f.pool);
        fixture_free(&f);
    }
    for (int i = 0; i < 3; i++)
        mr_code_put(codes[i]);
}

static void hot_programs_stay_live_beside_many_cold_ones(void **state)
{
    (void)state;
    mr_code *code = fixture_code(3, PAGE, counter_text);
    uint64_t each = live_bytes_of_one(code);
    fixture f = fixture_new(each * 100);
    program *all = new_programs(&code, 1, PROGRAMS);
    enum { HOT = 20 };
    uint64_t hot_made = 0;
    uint64_t hot_runs = 0;
    for (uint32_t i = 0; i < 100000; i++) {
        if (i % 2 == 0) {
            bump(f.worker, &all[HOT + i / 2 % (PROGRAMS - HOT)], HOT + i / 2 % (PROGRAMS - HOT));
            continue;
        }
        uint32_t id = i / 2 % HOT;
        uint64_t before = made_live(&f);
        bump(f.worker, &all[id], id);
        hot_made += made_live(&f) - before;
        hot_runs++;
    }
    print_message("%d of %d runs of hot programs made them live\n", (int)hot_made, (int)hot_runs);
    assert_true(hot_made < hot_runs / 20);
    free_programs(all, PROGRAMS, f.pool);
    fixture_free(&f);
    mr_code_put(code);
}

static void a_recycled_live_memory_costs_what_differs_not_its_size(void **state)
{
    (void)state;
    /* 512 MiB each: if anything walked them, this would take hours. */
    mr_code *code = fixture_code(8192, PAGE, counter_text);
    fixture f = fixture_new(0);
    program *all = new_programs(&code, 1, 4);
    for (uint32_t i = 0; i < 400; i++)
        bump(f.worker, &all[i % 4], i % 4);
    assert_int_equal(made_live(&f), 400);
    free_programs(all, 4, f.pool);
    fixture_free(&f);
    mr_code_put(code);
}

static void an_open_run_never_loses_its_live_memory(void **state)
{
    (void)state;
    mr_code *code = fixture_code(3, PAGE, counter_text);
    fixture f = fixture_new(0);
    program *all = new_programs(&code, 1, 50);
    const step steps[] = {{STEP_STORE64, PAGE + 8, 77, 0}, {0}};
    script s = {.steps = steps};
    mr_run *run = fixture_begin(f.worker, &all[0].memory);
    assert_int_equal(fixture_call(run, &s), MR_VM_DONE);
    for (uint32_t i = 1; i < 50; i++)
        bump(f.worker, &all[i], i);
    assert_true(mr_memory_is_live(&all[0].memory));
    assert_int_equal(mr_load_le64(mr_run_bytes(run, PAGE + 8, 8)), 77);
    assert_int_equal(mr_run_commit(run), MR_OK);
    mr_memory_check(&all[0].memory);
    free_programs(all, 50, f.pool);
    fixture_free(&f);
    mr_code_put(code);
}

/* ---- Several workers ---- */

enum { WORKERS = 4 };

typedef struct shared {
    mr_vm *vm;
    program *programs;
    pthread_barrier_t barrier;
} shared;

typedef struct job {
    shared *shared;
    mr_vm_worker *worker;
    uint32_t number;
    uint64_t random;
} job;

/* Each round deals the programs anew; within a round only their worker touches them, but any
 * worker may take an idle live memory away. */
static void *work(void *arg)
{
    job *j = arg;
    for (uint32_t round = 0; round < ROUNDS; round++) {
        for (uint32_t id = 0; id < PROGRAMS; id++) {
            if ((id * 7 + round * (id % 3)) % WORKERS != j->number)
                continue;
            program *p = &j->shared->programs[id];
            for (uint32_t i = 0; i < id % 3 + 1; i++)
                bump(j->worker, p, id);
            uint64_t choice = fixture_random(&j->random) % 16;
            if (choice == 0)
                mr_memory_check(&p->memory);
            else if (choice == 1)
                mr_memory_drop_live(&p->memory);
            else if (choice < 6) /* else the block stays open */
                mr_memory_accept(&p->memory, mr_vm_worker_pool(j->worker));
        }
        pthread_barrier_wait(&j->shared->barrier);
    }
    return NULL;
}

static void workers_take_live_memories_from_each_other_unnoticed(void **state)
{
    (void)state;
    mr_code *codes[2] = {fixture_code(3, PAGE, counter_text), fixture_code(5, PAGE, "")};
    uint64_t seed = fixture_seed();
    uint64_t each = live_bytes_of_one(codes[0]);
    fixture f = fixture_new(each * PROGRAMS / 5);
    shared all = {.vm = f.vm, .programs = new_programs(codes, 2, PROGRAMS)};
    pthread_barrier_init(&all.barrier, NULL, WORKERS);
    job jobs[WORKERS];
    pthread_t threads[WORKERS];
    mr_error error;
    for (uint32_t w = 0; w < WORKERS; w++) {
        jobs[w] = (job){.shared = &all, .number = w, .random = seed + 2 * w};
        assert_int_equal(mr_vm_worker_new(f.vm, &jobs[w].worker, &error), MR_OK);
        assert_int_equal(pthread_create(&threads[w], NULL, work, &jobs[w]), 0);
    }
    for (uint32_t w = 0; w < WORKERS; w++)
        pthread_join(threads[w], NULL);
    for (uint32_t i = 0; i < PROGRAMS; i++) {
        uint64_t value;
        uint32_t address = PAGE + (i * 40) % (PAGE - 8);
        mr_memory_check(&all.programs[i].memory);
        assert_int_equal(mr_memory_read(&all.programs[i].memory, address, &value, 8), MR_OK);
        assert_int_equal(value, all.programs[i].expected);
        assert_int_equal(value, ROUNDS * (i % 3 + 1));
    }
    free_programs(all.programs, PROGRAMS, f.pool);
    for (uint32_t w = 0; w < WORKERS; w++)
        mr_vm_worker_free(jobs[w].worker);
    pthread_barrier_destroy(&all.barrier);
    fixture_free(&f);
    mr_code_put(codes[0]);
    mr_code_put(codes[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(programs_keep_their_content_in_any_budget),
        cmocka_unit_test(small_memories_keep_their_content_in_any_budget),
        cmocka_unit_test(hot_programs_stay_live_beside_many_cold_ones),
        cmocka_unit_test(a_recycled_live_memory_costs_what_differs_not_its_size),
        cmocka_unit_test(an_open_run_never_loses_its_live_memory),
        cmocka_unit_test(workers_take_live_memories_from_each_other_unnoticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
