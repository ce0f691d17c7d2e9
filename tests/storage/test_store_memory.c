/* SPDX-License-Identifier: Apache-2.0 */
/* mr-test: label=model timeout=60 */
/* Goal: a store in memory that runs out of memory is whole before and after: a change that failed
 * is seen until the store is closed, or never was; snapshots read on; nothing is lost or leaks.
 * Method: the same script for each allocation of it, with that one failing; the linker gives our
 * calls of the allocator to this file. */
#include "changes.h"

#include "tests/base/failing_memory.h"

enum { BEFORE = 3, EXTRA = 150 };

/* ---- The script ---- */

typedef struct fixture {
    mr_store *store;
    mr_batch *batches[2];
    mr_snapshot *snapshot; /* of change BEFORE */
    mr_store *view;
} fixture;

/* Change n of changes.h, and keys that each change replaces or, every second one, removes. */
static void prepare(fixture *at, uint64_t n)
{
    assert_int_equal(fill(at->batches, n, 30), MR_OK);
    for (uint32_t i = 0; i < EXTRA; i++) {
        char text[16];
        mr_span key = mr_span_of(text, (size_t)snprintf(text, sizeof text, "x%03u", i));
        mr_status status = (n + i) % 2 == 0 ? mr_batch_delete(at->batches[0], 1, key)
                                            : mr_batch_put(at->batches[0], 1, key, key);
        assert_int_equal(status, MR_OK);
    }
}

static void start(fixture *at)
{
    at->store = test_store_open(NULL);
    at->batches[0] = mr_batch_new(at->store);
    at->batches[1] = mr_batch_new(at->store);
    for (uint64_t n = 1; n <= BEFORE; n++) {
        prepare(at, n);
        assert_int_equal(mr_store_submit(at->store, at->batches, 2, NULL), MR_OK);
    }
    assert_int_equal(mr_store_wait(at->store, NULL), MR_OK);
    assert_int_equal(mr_store_snapshot(at->store, &at->snapshot), MR_OK);
    assert_int_equal(mr_store_open_view(at->snapshot, &at->view), MR_OK);
}

static void finish(fixture *at)
{
    mr_store_close(at->view);
    mr_snapshot_put(at->snapshot);
    mr_batch_free(at->batches[0]);
    mr_batch_free(at->batches[1]);
    mr_store_close(at->store);
}

static void assert_at(mr_store *store, uint64_t n)
{
    uint64_t found;
    assert_int_equal(find_change(store, n, &found), MR_OK);
    assert_int_equal(found, n);
}

/* A new snapshot is the store, and the old one what it was. */
static void assert_snapshots(fixture *at, uint64_t n)
{
    mr_snapshot *now = NULL;
    mr_store *view = NULL;
    assert_int_equal(mr_store_snapshot(at->store, &now), MR_OK);
    assert_int_equal(mr_store_open_view(now, &view), MR_OK);
    assert_at(view, n);
    assert_at(at->store, n);
    assert_at(at->view, BEFORE);
    mr_store_close(view);
    mr_snapshot_put(now);
}

/* Submits a change with an allocation failing; true when there were not as many. */
static bool change_with_failure(long n)
{
    fixture at;
    start(&at);
    prepare(&at, BEFORE + 1);
    atomic_store(&left, n);
    mr_error error = {0};
    mr_status submitted = mr_store_submit(at.store, at.batches, 2, &error);
    mr_status durable = mr_store_wait(at.store, &error);
    bool well = atomic_exchange(&left, 0) > 0;
    assert_true(submitted == MR_OK || submitted == MR_NO_MEMORY);
    assert_int_equal(durable, well ? MR_OK : MR_NO_MEMORY);
    assert_snapshots(&at, submitted == MR_OK ? BEFORE + 1 : BEFORE);
    prepare(&at, BEFORE + 2);
    assert_int_equal(mr_store_submit(at.store, at.batches, 2, &error), well ? MR_OK : MR_NO_MEMORY);
    assert_snapshots(&at, well ? BEFORE + 2 : submitted == MR_OK ? BEFORE + 1 : BEFORE);
    finish(&at);
    return well;
}

static void any_allocation_of_a_change_may_fail(void **state)
{
    (void)state;
    long n = 1;
    while (!change_with_failure(n) && n < 10000)
        n++;
    print_message("%ld allocations\n", n - 1);
    assert_in_range(n, 50, 9999);
}

/* Takes a snapshot and reads it. */
static mr_status look(fixture *at)
{
    mr_snapshot *snapshot = NULL;
    mr_store *view = NULL;
    uint64_t found = 0;
    mr_buffer value = {0};
    mr_status status = mr_store_snapshot(at->store, &snapshot);
    if (status == MR_OK)
        status = mr_store_open_view(snapshot, &view);
    mr_snapshot_put(snapshot);
    if (status == MR_OK)
        status = find_change(view, BEFORE, &found);
    assert_true(status != MR_OK || found == BEFORE);
    if (status == MR_OK)
        status = mr_store_get(view, 0, mr_span_text("g0/00"), &value);
    mr_buffer_fini(&value);
    mr_store_close(view);
    return status;
}

static void any_allocation_of_a_snapshot_may_fail(void **state)
{
    (void)state;
    fixture at;
    start(&at);
    mr_status status = MR_NO_MEMORY;
    long n = 1;
    for (; status != MR_OK && n < 1000; n++) {
        atomic_store(&left, n);
        status = look(&at);
        bool well = atomic_exchange(&left, 0) > 0;
        assert_int_equal(status, well ? MR_OK : MR_NO_MEMORY);
        assert_snapshots(&at, BEFORE);
    }
    print_message("%ld allocations\n", n - 2);
    assert_in_range(n, 10, 999);
    finish(&at);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_allocation_of_a_change_may_fail),
        cmocka_unit_test(any_allocation_of_a_snapshot_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
