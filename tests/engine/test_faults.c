/* SPDX-License-Identifier: Apache-2.0 */
/* mr-test: label=model timeout=240
 * Goal: an engine that runs out of memory, or whose disk fails, in a block full of waiting
 * messages, letters, tasks, reservations and new programs says so, is as before, and makes the same
 * block when it is asked again. Method: one such block, executed once for each allocation it makes,
 * and for each time it reads from the store, with that one failing; the linker gives our calls to
 * this file. */
#include "tests/engine/ledger.h"

#include "storage/store.h"
#include "tests/base/failing_memory.h"

/* ---- A store that cannot be read ---- */

static atomic_long reads; /* until one fails; 0: none does */

static bool cannot_read(void)
{
    long before = atomic_load(&reads);
    while (before > 0 && !atomic_compare_exchange_weak(&reads, &before, before - 1))
        continue;
    return before == 1;
}

mr_status __real_mr_store_get(mr_store *store, uint32_t table, mr_span key, mr_buffer *out);
mr_status __wrap_mr_store_get(mr_store *store, uint32_t table, mr_span key, mr_buffer *out);
mr_status __wrap_mr_store_get(mr_store *store, uint32_t table, mr_span key, mr_buffer *out)
{
    return cannot_read() ? MR_IO : __real_mr_store_get(store, table, key, out);
}

mr_status __real_mr_cursor_open(mr_store *store, uint32_t table, mr_span prefix, mr_span from,
                                mr_cursor **out);
mr_status __wrap_mr_cursor_open(mr_store *store, uint32_t table, mr_span prefix, mr_span from,
                                mr_cursor **out);
mr_status __wrap_mr_cursor_open(mr_store *store, uint32_t table, mr_span prefix, mr_span from,
                                mr_cursor **out)
{
    return cannot_read() ? MR_IO : __real_mr_cursor_open(store, table, prefix, from, out);
}

mr_status __real_mr_cursor_next(mr_cursor *cursor, mr_span *key, mr_span *value);
mr_status __wrap_mr_cursor_next(mr_cursor *cursor, mr_span *key, mr_span *value);
mr_status __wrap_mr_cursor_next(mr_cursor *cursor, mr_span *key, mr_span *value)
{
    return cannot_read() ? MR_IO : __real_mr_cursor_next(cursor, key, value);
}

/* ---- The block ---- */

enum { RUNS = 0x2000, MANY = 5, SENDS = 8 };

typedef struct full {
    fixture f;
    mr_id waits[MANY], letters[4], reservation;
    mr_id grows; /* in the queue, with gas that has grown there */
    uint64_t grown;
    script use, exit, make, wait;
    mr_transaction transactions[SENDS];
} full;

static script waiting(const char *how, uint64_t blocks_count)
{
    script s = script_new();
    STEP(&s, "gr_system_reserve_gas", 2000, OUT);
    STEP(&s, "gr_send_wgas", script_to(&s, &world.bob, 1), 0, 5, 900, 0, OUT);
    STEP(&s, "gr_create_program_wgas", script_to(&s, &world.code, 0), 0, 0, 0, 0, 1200, 0, OUT);
    STEP(&s, how, blocks_count);
    return s;
}

/* Things that wait, some of them in a queue that a block's limit has left. */
static void fill(full *w)
{
    fixture *f = &w->f;
    f->value = 3;
    const script wait = waiting("gr_wait_for", 40), ends = waiting("gr_wait_for", MANY + 5);
    for (unsigned i = 0; i < MANY; i++) {
        w->waits[i] = ledger_send(f, &world.a, i == 0 ? &ends : &wait, 30000);
        if (i < 4)
            w->letters[i] = fixture_message(f, 0).id;
    }
    script reserve = script_new(), flushed = script_new();
    STEP(&reserve, "gr_reserve_gas", 3000, 40, OUT);
    (void)ledger_send(f, &world.a, &reserve, 30000);
    w->reservation = fixture_id(f, &world.a, OUT + 4);
    STEP(&flushed, "gr_reserve_gas", 3000, 40, OUT);
    STEP(&flushed, "gr_wait_for", 40);
    f->gas = 20000;
    mr_transaction sends[MANY];
    for (unsigned i = 0; i < MANY; i++)
        sends[i] = fixture_send_of(f, &world.c, script_span(&flushed));
    fixture_run(f, sends, MANY);
    /* The gas of a message in the queue grows: what a reply has left goes home to it. */
    const mr_id alice = mr_id_of_name("alice");
    script home = script_new(), wake = script_new(), later = script_new();
    STEP(&home, "gr_send_wgas", script_to(&home, &alice, 0), 0, 0, 900, 0, OUT);
    STEP(&home, "gr_wait_for", 40);
    const mr_id grows = w->grows = ledger_send(f, &world.a, &home, 10000);
    w->grown = 10000 - RUN - 900 - RENT + 5000 - RUN;
    const mr_id letter = fixture_message(f, 0).id;
    STEP(&wake, "gr_wake", script_data(&wake, &w->waits[1], 32), 0, OUT);
    STEP(&wake, "gr_wake", script_data(&wake, &grows, 32), 0, OUT);
    STEP(&wake, "gr_wake", script_data(&wake, &w->waits[2], 32), 2, OUT);
    STEP(&later, "gr_send_wgas", script_to(&later, &world.quiet, 1), 0, 4, 2500, 1, OUT);
    STEP(&later, "gr_send_wgas", script_to(&later, &world.bob, 1), 0, 4, 600, 1, OUT);
    /* What is woken stays in the queue, behind what does not fit and a reply ... */
    f->params.gas_limit = 21000;
    f->gas = 20000;
    mr_transaction first[] = {
        fixture_send_of(f, &world.a, script_span(&wake)),
        fixture_send_of(f, &world.a, (mr_span){0}),
        {.kind = MR_TRANSACTION_REPLY, .from = alice, .to = letter, .gas_limit = 5000},
        fixture_send_of(f, &world.a, (mr_span){0}),
    };
    first[1].gas_limit = 20001;
    first[3].gas_limit = 21000;
    fixture_run(f, first, 4);
    fixture_accepted(f);
    assert_int_equal(fixture_info(f).queue_count, 5);
    /* ... which runs in the next block, when it stays once more. */
    f->params.gas_limit = 21001;
    f->gas = 8000;
    const mr_transaction last = fixture_send_of(f, &world.b, script_span(&later));
    fixture_run(f, &last, 1);
    fixture_accepted(f);
    assert_int_equal(fixture_info(f).queue_count, 3);
    f->params.gas_limit = 0;
}

static void open_full(full *w, mr_engine_options options)
{
    const mr_schedule schedule = ledger_schedule();
    options.streams = options.streams == 0 ? 1 : options.streams;
    ledger_make(&w->f, &schedule, options);
    fill(w);
    fixture *f = &w->f;
    w->use = script_new();
    w->exit = script_new();
    w->make = script_new();
    STEP(&w->use, "gr_wake", script_data(&w->use, &w->waits[3], 32), 0, OUT);
    const uint32_t from = script_data(&w->use, &w->reservation, 32);
    (void)script_to(&w->use, &world.quiet, 0);
    STEP(&w->use, "gr_reservation_send", from, 0, 0, 0, OUT);
    STEP(&w->use, "gr_send", script_to(&w->use, &world.bob, 0), 0, 9, 0, OUT);
    STEP(&w->use, "gr_send", script_to(&w->use, &world.b, 0), 0, 9, 7, OUT);
    STEP(&w->use, "gr_reply_deposit", OUT + 4, 50, OUT + 64);
    STEP_FOR(&w->use, OUT, "alloc", 2);
    STEP(&w->use, "count", RUNS); /* it shows in the root when this has not been taken back */
    STEP(&w->exit, "gr_exit", script_data(&w->exit, &world.bob, 32));
    STEP(&w->make, "gr_create_program", script_to(&w->make, &world.code, 0), 0, 0, 0, 0, 0, OUT);
    STEP(&w->make, "gr_create_program", script_to(&w->make, &world.bob, 0), 0, 0, 0, 0, 0, OUT);
    STEP(&w->make, "gr_reserve_gas", 500, 9, OUT);
    STEP(&w->make, "count", RUNS);
    w->wait = waiting("gr_wait", 0);
    f->gas = 30000;
    const mr_transaction transactions[SENDS] = {
        fixture_send_of(f, &world.a, script_span(&w->use)),
        fixture_send_of(f, &world.c, script_span(&w->exit)),
        fixture_send_of(f, &world.b, script_span(&w->make)),
        fixture_send_of(f, &world.b, script_span(&w->wait)),
        {.kind = MR_TRANSACTION_CLAIM, .from = world.bob, .to = w->letters[0]},
        {.kind = MR_TRANSACTION_REPLY, .from = world.bob, .to = w->letters[2], .gas_limit = 9000},
        {.kind = MR_TRANSACTION_CREATE,
         .from = f->from,
         .to = world.code,
         .payload = script_span(&w->wait),
         .salt = mr_span_text("faults"),
         .gas_limit = 20000},
        fixture_send_of(f, &world.quiet, (mr_span){0}),
    };
    memcpy(w->transactions, transactions, sizeof transactions);
    mr_block_free(f->block);
    f->block = NULL;
}

static mr_status execute(full *w, mr_block **block)
{
    mr_error error = {0};
    return mr_block_execute(w->f.engine, &w->f.params, w->transactions, SENDS, block, &error);
}

/* What the block is when nothing fails. */
static mr_block_info whole(full *w)
{
    mr_block *block;
    mr_block_info info;
    assert_int_equal(execute(w, &block), MR_OK);
    mr_block_info_get(block, &info);
    mr_block_discard(block);
    return info;
}

static void assert_same(const mr_block_info *a, const mr_block_info *b, long n)
{
    if (memcmp(a, b, sizeof *a) != 0)
        fail_msg("after allocation %ld has failed the block is another", n);
}

static void any_allocation_of_a_block_may_fail(void **state)
{
    (void)state;
    static full w;
    open_full(&w, (mr_engine_options){0});
    const mr_block_info expected = whole(&w);
    print_message("%llu tasks, %llu receipts, %llu rounds\n",
                  (unsigned long long)expected.tasks_count,
                  (unsigned long long)expected.receipts_count, (unsigned long long)expected.rounds);
    assert_true(expected.tasks_count >= 4 && expected.receipts_count >= 25);
    long n = 1;
    unsigned failed = 0;
    for (;; n++) {
        mr_block *block = NULL;
        atomic_store(&left, n);
        const mr_status status = execute(&w, &block);
        const bool ended = atomic_exchange(&left, 0) > 0;
        if (status != MR_OK) {
            assert_int_equal(status, MR_NO_MEMORY);
            failed++;
        } else {
            mr_block_info info;
            mr_block_info_get(block, &info);
            assert_same(&info, &expected, n);
            mr_block_discard(block);
        }
        if (ended)
            break;
        if (n % 7 == 0) {
            const mr_block_info again = whole(&w);
            assert_same(&again, &expected, n);
        }
    }
    print_message("%ld allocations, %u failures\n", n - 1, failed);
    assert_true(failed > 20);
    const mr_block_info again = whole(&w);
    assert_same(&again, &expected, n);
    fixture_close(&w.f);
}

/* Discards the block when the n-th allocation, or all from there on, fail. False when it needed
 * fewer. */
static bool discard_short_of_memory(mr_block *block, long n, bool all)
{
    atomic_store(&for_good, all);
    atomic_store(&left, n);
    mr_block_discard(block);
    const bool failed = atomic_exchange(&left, 0) <= (all ? 1 : 0);
    atomic_store(&for_good, false);
    return failed;
}

/* A block is discarded above all when there is no memory to go on with it. */
static void any_allocation_of_a_discard_may_fail(void **state)
{
    (void)state;
    static full w;
    open_full(&w, (mr_engine_options){.check = true});
    const mr_block_info expected = whole(&w);
    long n = 1;
    for (bool failed = true; failed; n++) {
        for (unsigned all = 0; all < 2; all++) {
            mr_block *block;
            assert_int_equal(execute(&w, &block), MR_OK);
            failed = discard_short_of_memory(block, n, all != 0);
            const mr_block_info again = whole(&w);
            assert_same(&again, &expected, n);
        }
    }
    print_message("%ld allocations\n", n - 2);
    assert_true(n - 2 >= MANY);
    fixture_close(&w.f);
}

/* An execution that has found no memory finds none to take itself back with either. */
static void a_block_that_runs_out_of_memory_takes_itself_back(void **state)
{
    (void)state;
    static full w;
    open_full(&w, (mr_engine_options){.check = true});
    const mr_block_info expected = whole(&w);
    mr_status status = MR_NO_MEMORY;
    unsigned failed = 0;
    for (long n = 1; status != MR_OK; n += 1 + n / 64) {
        mr_block *block = NULL;
        atomic_store(&for_good, true);
        atomic_store(&left, n);
        status = execute(&w, &block);
        atomic_store(&left, 0);
        atomic_store(&for_good, false);
        failed += status != MR_OK;
        if (status == MR_OK)
            mr_block_discard(block);
        else
            assert_int_equal(status, MR_NO_MEMORY);
        const mr_block_info again = whole(&w);
        assert_same(&again, &expected, n);
    }
    print_message("%u failures\n", failed);
    assert_true(failed > 20);
    fixture_close(&w.f);
}

/* A block so large that it fails before it has looked at the queue, whose gas has grown before. */
static void a_block_that_never_began_leaves_the_queue(void **state)
{
    (void)state;
    enum { LARGE = 4000 };
    static full w;
    static mr_transaction many[LARGE];
    open_full(&w, (mr_engine_options){0});
    for (unsigned i = 0; i < LARGE; i++)
        many[i] = fixture_send_of(&w.f, &world.quiet, (mr_span){0});
    for (long n = 1; n < 8; n++) {
        mr_block *block = NULL;
        mr_error error = {0};
        atomic_store(&left, n);
        const mr_status status = mr_block_execute(w.f.engine, &w.f.params, many,
                                                  LARGE - 100 * (8 - (unsigned)n), &block, &error);
        atomic_store(&left, 0);
        if (status == MR_OK)
            mr_block_discard(block);
    }
    mr_block *block;
    assert_int_equal(execute(&w, &block), MR_OK);
    mr_receipt receipt;
    uint64_t most = 0;
    for (uint64_t i = 0; mr_block_receipt(block, i, &receipt); i++) {
        if (memcmp(&receipt.message, &w.grows, 32) == 0)
            most = receipt.gas_limit;
    }
    assert_int_equal(most, w.grown);
    mr_block_discard(block);
    fixture_close(&w.f);
}

/* A commit that failed leaves the candidate, which may be discarded; or, when the store is no
 * longer known to be whole, an engine that refuses further blocks. */
static void any_allocation_of_a_commit_may_fail(void **state)
{
    (void)state;
    static full w;
    unsigned refusing = 0;
    mr_status status = MR_NO_MEMORY;
    long n = 1;
    for (; status != MR_OK; n++) {
        open_full(&w, (mr_engine_options){0});
        const mr_block_info expected = whole(&w);
        mr_block *block = NULL, *again = NULL;
        mr_error error = {0};
        assert_int_equal(execute(&w, &block), MR_OK);
        atomic_store(&left, n);
        status = mr_block_commit(block, MR_COMMIT_WAIT, &error);
        atomic_store(&left, 0);
        if (status == MR_OK) {
            mr_block_free(block);
            mr_engine_info info;
            mr_engine_info_get(w.f.engine, &info);
            assert_id_equal(info.root, expected.root);
            fixture_run(&w.f, NULL, 0);
        } else {
            assert_int_equal(status, MR_NO_MEMORY);
            mr_block_discard(block);
            if (execute(&w, &again) == MR_OK) {
                mr_block_info info;
                mr_block_info_get(again, &info);
                assert_same(&info, &expected, n);
                mr_block_discard(again);
            } else {
                refusing++;
            }
        }
        mr_block_free(w.f.block);
        w.f.block = NULL;
        (void)mr_engine_close(w.f.engine, NULL);
    }
    print_message("%ld failures, %u engines refused further blocks\n", n - 2, refusing);
    assert_true(n > 10);
}

/* The first block after opening reads all of it from the store: `which` fails at the n-th time. */
static void fail_in_the_first_block(atomic_long *which, mr_status expected_status)
{
    static full w;
    (void)snprintf(ledger_path, sizeof ledger_path, "%s/millrace-ledger-XXXXXX",
                   access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(ledger_path));
    open_full(&w, (mr_engine_options){.path = ledger_path, .create = true});
    const mr_block_info expected = whole(&w);
    const mr_schedule schedule = ledger_schedule();
    const mr_engine_options stored = {.path = ledger_path, .streams = 1, .schedule = &schedule};
    w.f.reopens = &stored;
    long n = 1;
    unsigned failed = 0;
    for (bool ended = false; !ended; n += n < 120 ? 1 : 1 + n / 60) {
        fixture_reopen(&w.f);
        mr_block *block = NULL;
        atomic_store(which, n);
        const mr_status status = execute(&w, &block);
        ended = atomic_exchange(which, 0) > 0;
        if (status == MR_OK)
            mr_block_discard(block);
        else
            assert_int_equal(status, expected_status);
        failed += status != MR_OK;
        const mr_block_info again = whole(&w);
        assert_same(&again, &expected, n);
    }
    print_message("about %ld calls, %u failures\n", n, failed);
    assert_true(failed > 20);
    fixture_close(&w.f);
    ledger_remove();
}

static void any_allocation_of_the_first_block_may_fail(void **state)
{
    (void)state;
    fail_in_the_first_block(&left, MR_NO_MEMORY);
}

static void any_reading_of_the_first_block_may_fail(void **state)
{
    (void)state;
    fail_in_the_first_block(&reads, MR_IO);
}

static mr_status estimate(mr_engine *view, const full *w, mr_estimate *out)
{
    mr_error error = {0};
    return mr_view_estimate(view, &w->f.params, &w->transactions[2], 30000, 30, out, &error);
}

/* A view that could not be opened is none; one that could not estimate can when there is memory. */
static void any_allocation_of_a_view_may_fail(void **state)
{
    (void)state;
    static full w;
    open_full(&w, (mr_engine_options){0});
    mr_engine *view = NULL;
    mr_error error = {0};
    mr_status status = MR_NO_MEMORY;
    for (long n = 1; status != MR_OK; n++) {
        atomic_store(&left, n);
        status = mr_view_open(w.f.engine, MR_VIEW_ALONE, &view, &error);
        atomic_store(&left, 0);
        assert_true(status == MR_OK || status == MR_NO_MEMORY);
    }
    mr_estimate expected, found;
    assert_int_equal(estimate(view, &w, &expected), MR_OK);
    assert_true(expected.succeeds);
    unsigned failed = 0;
    for (long n = 1;; n += 1 + n / 64) {
        atomic_store(&left, n);
        status = estimate(view, &w, &found);
        const bool ended = atomic_exchange(&left, 0) > 0;
        assert_true(status == MR_OK || status == MR_NO_MEMORY);
        failed += status != MR_OK;
        if (ended)
            break;
        assert_int_equal(estimate(view, &w, &found), MR_OK);
        assert_true(found.succeeds && found.gas_limit == expected.gas_limit &&
                    found.gas_burned == expected.gas_burned);
    }
    print_message("%u failures\n", failed);
    assert_true(failed > 20);
    assert_int_equal(mr_engine_close(view, NULL), MR_OK);
    fixture_close(&w.f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_allocation_of_a_block_may_fail),
        cmocka_unit_test(any_allocation_of_a_discard_may_fail),
        cmocka_unit_test(a_block_that_runs_out_of_memory_takes_itself_back),
        cmocka_unit_test(a_block_that_never_began_leaves_the_queue),
        cmocka_unit_test(any_allocation_of_a_view_may_fail),
        cmocka_unit_test(any_allocation_of_a_commit_may_fail),
        cmocka_unit_test(any_allocation_of_the_first_block_may_fail),
        cmocka_unit_test(any_reading_of_the_first_block_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
