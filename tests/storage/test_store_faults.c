/* SPDX-License-Identifier: Apache-2.0 */
/* mr-test: label=model timeout=120 */
/* Goal: whatever call to the backend fails, the store says so, refuses further changes when one has
 * been lost, goes on showing what it showed, and is found at a durable change when opened again.
 * Method: a script of changes and reads over RocksDB, run once for each call it makes, with that
 * call failing: before the backend was told, or after. Disks without room and without permission
 * are real ones, as far as this process may make them. */
#include "changes.h"
#include "held_backend.h"

#include <errno.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <rocksdb/c.h>

enum { CHANGES = 6, VALUE_BYTES = 300 }; /* every third, so also the last, is waited for */

/* What the store has promised so far. */
typedef struct promise {
    uint64_t submitted; /* changes whose submit succeeded */
    uint64_t durable;   /* of these, how many a wait has confirmed */
    uint64_t offered;   /* changes that submit was called for */
    bool failed;        /* a submit or wait has failed */
} promise;

/* A failure is that of the call that was made to fail, and stays. */
static void assert_failed(mr_store *store, mr_status status, const mr_error *error)
{
    assert_int_equal(status, held.failure);
    assert_int_equal(error->status, held.failure);
    assert_non_null(strstr(error->text, "fails"));
    mr_error again = {0};
    assert_int_equal(mr_store_wait(store, &again), held.failure);
    assert_string_equal(again.text, error->text);
    mr_batch *batch = mr_batch_new(store);
    assert_int_equal(mr_batch_put(batch, 0, mr_span_text("late"), mr_span_text("")), MR_OK);
    assert_int_equal(mr_store_submit(store, &batch, 1, &again), held.failure);
    assert_string_equal(again.text, error->text);
    mr_buffer none = {0};
    assert_int_equal(mr_store_get(store, 0, mr_span_text("late"), &none), MR_NOT_FOUND);
    mr_buffer_fini(&none);
    mr_batch_free(batch);
}

/* Reads fail by themselves, and show all that was submitted otherwise. */
static void look(mr_store *store, const promise *made)
{
    uint64_t calls = held.calls[HELD_READ], fail_at = held.fail_at[HELD_READ];
    uint64_t n;
    mr_status status = find_change(store, made->offered, &n);
    if (fail_at > calls && fail_at <= held.calls[HELD_READ]) {
        assert_int_equal(status, held.failure);
        return;
    }
    assert_int_equal(status, MR_OK);
    assert_int_equal(n, made->submitted);
}

static void script(mr_store *store, promise *made)
{
    mr_batch *batches[2] = {mr_batch_new(store), mr_batch_new(store)};
    while (!made->failed && made->offered < CHANGES) {
        mr_error error = {0};
        assert_int_equal(fill(batches, made->offered + 1, VALUE_BYTES), MR_OK);
        made->offered++;
        mr_status status = mr_store_submit(store, batches, 2, &error);
        if (status == MR_OK) {
            made->submitted = made->offered;
            look(store, made);
            if (made->offered % 3 == 0)
                status = mr_store_wait(store, &error);
            if (status == MR_OK && made->offered % 3 == 0)
                made->durable = made->offered;
        }
        made->failed = status != MR_OK;
        if (made->failed)
            assert_failed(store, status, &error);
        look(store, made);
    }
    mr_batch_free(batches[0]);
    mr_batch_free(batches[1]);
}

/* Runs the script with change `fail_at` failing (opening is the first), and opens the database
 * again. Returns the number of changes that were tried. */
static uint64_t run_over_rocksdb(uint64_t fail_at, bool late, mr_status failure)
{
    char *directory = test_directory();
    held_reset(&mr_backend_rocksdb);
    held.fail_at[HELD_WRITE] = fail_at;
    held.fail_late = late;
    held.failure = failure;
    mr_store *store;
    mr_error error = {0};
    promise made = {0};
    mr_status status = held_store_open(directory, &store, &error);
    assert_int_equal(status, fail_at == 1 ? failure : MR_OK);
    if (status == MR_OK) {
        script(store, &made);
        mr_store_close(store);
    }
    assert_int_equal(made.failed, fail_at > 1 && fail_at <= held.calls[HELD_WRITE]);
    uint64_t calls = held.calls[HELD_WRITE];
    store = test_store_open(directory);
    uint64_t found;
    assert_int_equal(find_change(store, made.submitted, &found), MR_OK);
    assert_true(found >= made.durable);
    assert_true(made.failed || found == made.submitted);
    mr_store_close(store);
    test_directory_remove(directory);
    return calls;
}

static void any_change_may_fail(void **state)
{
    (void)state;
    uint64_t changes = run_over_rocksdb(0, false, MR_IO);
    assert_int_equal(changes, 1 + CHANGES);
    for (uint64_t n = 1; n <= changes; n++) {
        (void)run_over_rocksdb(n, false, n % 2 == 0 ? MR_NO_SPACE : MR_IO);
        (void)run_over_rocksdb(n, true, n % 2 == 0 ? MR_IO : MR_CORRUPT);
    }
}

/* A read that fails has no consequence but its own status. */
static void any_read_may_fail(void **state)
{
    (void)state;
    uint64_t reads = 1;
    for (uint64_t n = 0; n <= reads; n++) {
        held_reset(&mr_backend_memory);
        held.fail_at[HELD_READ] = n;
        held.failure = n % 2 == 0 ? MR_IO : MR_CORRUPT;
        mr_store *store;
        promise made = {0};
        assert_int_equal(held_store_open(NULL, &store, NULL), MR_OK);
        script(store, &made);
        assert_false(made.failed);
        assert_int_equal(made.submitted, CHANGES);
        mr_store_close(store);
        if (n == 0)
            reads = held.calls[HELD_READ];
    }
    assert_true(reads > 500);
}

/* While a change is in flight and after it has failed, everything is read as if it had not. */
static void a_change_that_failed_is_seen_until_the_store_is_closed(void **state)
{
    (void)state;
    mr_store *store;
    held_reset(&mr_backend_memory);
    assert_int_equal(held_store_open(NULL, &store, NULL), MR_OK);
    mr_batch *batches[2] = {mr_batch_new(store), mr_batch_new(store)};
    uint64_t n;
    for (uint64_t i = 1; i <= 5; i++) {
        assert_int_equal(fill(batches, i, VALUE_BYTES), MR_OK);
        assert_int_equal(mr_store_wait(store, NULL), MR_OK);
        held_set(i == 5);
        assert_int_equal(mr_store_submit(store, batches, 2, NULL), MR_OK);
    }
    held_wait_applying(5);
    assert_int_equal(find_change(store, 5, &n), MR_OK);
    assert_int_equal(n, 5);
    held.fail_at[HELD_WRITE] = held.calls[HELD_WRITE] + 1;
    held_set(false);
    mr_error error = {0};
    assert_int_equal(mr_store_wait(store, &error), MR_IO);
    assert_failed(store, MR_IO, &error);
    assert_int_equal(find_change(store, 5, &n), MR_OK);
    assert_int_equal(n, 5);
    mr_batch_free(batches[0]);
    mr_batch_free(batches[1]);
    mr_store_close(store);
}

/* Takes a snapshot and reads all of it. */
static mr_status look_at_snapshot(mr_store *store, uint64_t most, uint64_t *found)
{
    mr_snapshot *snapshot;
    mr_store *view;
    MR_TRY(mr_store_snapshot(store, &snapshot));
    assert_int_equal(mr_store_open_view(snapshot, &view), MR_OK);
    mr_snapshot_put(snapshot);
    mr_status status = find_change(view, most, found);
    mr_store_close(view);
    return status;
}

/* With a change in flight, so that both sides are read. */
static void any_read_of_a_snapshot_may_fail(void **state)
{
    (void)state;
    mr_store *store;
    held_reset(&mr_backend_memory);
    assert_int_equal(held_store_open(NULL, &store, NULL), MR_OK);
    mr_batch *batches[2] = {mr_batch_new(store), mr_batch_new(store)};
    for (uint64_t i = 1; i <= 4; i++) {
        assert_int_equal(fill(batches, i, VALUE_BYTES), MR_OK);
        assert_int_equal(mr_store_wait(store, NULL), MR_OK);
        held_set(i == 4);
        assert_int_equal(mr_store_submit(store, batches, 2, NULL), MR_OK);
    }
    uint64_t first = held.calls[HELD_READ], n = 0;
    mr_status status = MR_IO;
    for (uint64_t i = 1; status != MR_OK && i < 1000; i++) {
        held.fail_at[HELD_READ] = first + i;
        status = look_at_snapshot(store, 4, &n);
        assert_int_equal(status, held.calls[HELD_READ] < first + i ? MR_OK : MR_IO);
        if (status != MR_OK)
            first = held.calls[HELD_READ];
    }
    assert_int_equal(status, MR_OK);
    assert_int_equal(n, 4);
    assert_true(held.calls[HELD_READ] - first > 50);
    held_set(false);
    mr_batch_free(batches[0]);
    mr_batch_free(batches[1]);
    mr_store_close(store);
}

/* The change may have reached the backend, a part of it, or nothing: a snapshot has it whole. */
static void a_snapshot_of_a_change_that_failed_has_it(bool late)
{
    mr_store *store, *view;
    mr_snapshot *before;
    uint64_t n;
    char *directory = test_directory();
    held_reset(&mr_backend_rocksdb);
    assert_int_equal(held_store_open(directory, &store, NULL), MR_OK);
    mr_batch *batches[2] = {mr_batch_new(store), mr_batch_new(store)};
    for (uint64_t i = 1; i <= 5; i++) {
        assert_int_equal(fill(batches, i, VALUE_BYTES), MR_OK);
        assert_int_equal(mr_store_wait(store, NULL), MR_OK);
        if (i == 5) {
            assert_int_equal(mr_store_snapshot(store, &before), MR_OK);
            held.fail_at[HELD_WRITE] = held.calls[HELD_WRITE] + 1;
            held.fail_late = late;
        }
        assert_int_equal(mr_store_submit(store, batches, 2, NULL), MR_OK);
    }
    for (int i = 0; i < 2; i++) {
        assert_int_equal(look_at_snapshot(store, 5, &n), MR_OK);
        assert_int_equal(n, 5);
        assert_int_equal(mr_store_sequence(store), 5);
        assert_int_equal(mr_store_wait(store, NULL), MR_IO);
    }
    assert_int_equal(mr_store_open_view(before, &view), MR_OK);
    assert_int_equal(find_change(view, 5, &n), MR_OK);
    assert_int_equal(n, 4);
    mr_store_close(view);
    mr_snapshot_put(before);
    mr_batch_free(batches[0]);
    mr_batch_free(batches[1]);
    mr_store_close(store);
    test_directory_remove(directory);
}

static void snapshots_have_a_change_that_failed(void **state)
{
    (void)state;
    a_snapshot_of_a_change_that_failed_has_it(false);
    a_snapshot_of_a_change_that_failed_has_it(true);
}

/* A submit does not wait for its own change, and waits for the one before. */
static void one_change_is_in_flight_at_most(void **state)
{
    (void)state;
    mr_store *store;
    held_reset(&mr_backend_memory);
    assert_int_equal(held_store_open(NULL, &store, NULL), MR_OK);
    mr_batch *batches[2] = {mr_batch_new(store), mr_batch_new(store)};
    for (unsigned i = 1; i <= 200; i++) {
        assert_int_equal(fill(batches, i, VALUE_BYTES), MR_OK);
        bool hold = i % 2 != 0;
        if (hold) {
            assert_int_equal(mr_store_wait(store, NULL), MR_OK);
            held_set(true);
        }
        assert_int_equal(mr_store_submit(store, batches, 2, NULL), MR_OK);
        assert_true(hold ? held_applied() == i - 1 : held_applied() >= i - 1);
        held_set(false);
    }
    mr_batch_free(batches[0]);
    mr_batch_free(batches[1]);
    mr_store_close(store);
    assert_int_equal(held_applied(), 200);
}

/* ---- Real disks ---- */

static mr_status open_status(const char *path, bool read_only, mr_error *error)
{
    mr_store_options options = {.path = path,
                                .tables = test_tables(),
                                .tables_count = TEST_TABLES,
                                .create = !read_only,
                                .read_only = read_only};
    mr_store *store = NULL;
    mr_status status = mr_store_open(&options, &store, error);
    mr_store_close(store);
    return status;
}

static void assert_refused(const char *path, mr_status expected)
{
    mr_error error = {0};
    assert_int_equal(open_status(path, false, &error), expected);
    assert_non_null(strstr(error.text, path));
}

static void a_path_that_cannot_be_made_is_named(void **state)
{
    (void)state;
    char *directory = test_directory();
    char path[300];
    (void)snprintf(path, sizeof path, "%s/file", directory);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    (void)fclose(file);
    (void)snprintf(path, sizeof path, "%s/file/below", directory);
    assert_refused(path, MR_IO);
    assert_refused("/proc/none/here", MR_IO);
    test_directory_remove(directory);
}

/* Stands before the C library's for all of this process, RocksDB included. */
static atomic_uint syncs;
static atomic_bool syncs_fail;
__attribute__((visibility("default"))) int fdatasync(int file)
{
    atomic_fetch_add(&syncs, 1);
    if (atomic_load(&syncs_fail)) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_fdatasync, file);
}

/* Killing a process does not show whether the disk was told to keep what it wrote. */
static void a_durable_change_has_been_synced(void **state)
{
    (void)state;
    char *directory = test_directory();
    mr_store *store = test_store_open(directory);
    mr_batch *batches[2] = {mr_batch_new(store), mr_batch_new(store)};
    for (uint64_t n = 1; n <= 5; n++) {
        assert_int_equal(fill(batches, n, VALUE_BYTES), MR_OK);
        unsigned before = atomic_load(&syncs);
        assert_int_equal(mr_store_submit(store, batches, 2, NULL), MR_OK);
        assert_int_equal(mr_store_wait(store, NULL), MR_OK);
        assert_true(atomic_load(&syncs) > before);
    }
    assert_int_equal(fill(batches, 6, VALUE_BYTES), MR_OK);
    atomic_store(&syncs_fail, true);
    mr_error error = {0};
    mr_status status = mr_store_submit(store, batches, 2, &error);
    assert_int_equal(status, MR_OK);
    assert_int_equal(mr_store_wait(store, &error), MR_IO);
    atomic_store(&syncs_fail, false);
    assert_non_null(strstr(error.text, directory));
    assert_int_equal(fill(batches, 7, VALUE_BYTES), MR_OK);
    assert_int_equal(mr_store_submit(store, batches, 2, &error), MR_IO);
    uint64_t found;
    assert_int_equal(find_change(store, 6, &found), MR_OK);
    assert_int_equal(found, 6);
    mr_batch_free(batches[0]);
    mr_batch_free(batches[1]);
    mr_store_close(store);
    store = test_store_open(directory);
    assert_int_equal(find_change(store, 6, &found), MR_OK);
    assert_in_range(found, 5, 6);
    mr_store_close(store);
    test_directory_remove(directory);
}

/* Submits changes of 100 KB until one fails. */
static void fill_disk(mr_store *store, promise *made, mr_status *status, mr_error *error)
{
    mr_batch *batches[2] = {mr_batch_new(store), mr_batch_new(store)};
    *status = MR_OK;
    while (*status == MR_OK && made->offered < 10000) {
        assert_int_equal(fill(batches, ++made->offered, 4000), MR_OK);
        *status = mr_store_submit(store, batches, 2, error);
        if (*status == MR_OK)
            made->submitted = made->offered;
        if (*status == MR_OK && made->offered % 8 == 0)
            *status = mr_store_wait(store, error);
        if (*status == MR_OK && made->offered % 8 == 0)
            made->durable = made->offered;
    }
    mr_batch_free(batches[0]);
    mr_batch_free(batches[1]);
}

static void a_full_disk_is_reported_and_loses_nothing_durable(void **state)
{
    (void)state;
    char *directory = test_directory();
    if (mount("tmpfs", directory, "tmpfs", 0, "size=12m") != 0) {
        test_directory_remove(directory);
        skip();
    }
    char path[300];
    (void)snprintf(path, sizeof path, "%s/db", directory);
    mr_store *store = test_store_open(path);
    promise made = {0};
    mr_status status;
    mr_error error = {0}, again = {0};
    fill_disk(store, &made, &status, &error);
    uint64_t seen = 0, found = 0;
    mr_status looked = find_change(store, made.submitted, &seen);
    mr_status waited = mr_store_wait(store, &again);
    mr_store_close(store);
    int grown = mount("tmpfs", directory, "tmpfs", MS_REMOUNT, "size=80m");
    store = test_store_open(path);
    mr_status reopened = find_change(store, made.submitted, &found);
    mr_store_close(store);
    int protected = mount("tmpfs", directory, "tmpfs", MS_REMOUNT | MS_RDONLY, "size=80m");
    mr_error refusal = {0};
    mr_status refused = open_status(path, false, &refusal);
    mr_status read_only = open_status(path, true, NULL);
    (void)umount2(directory, MNT_DETACH);
    test_directory_remove(directory);
    assert_int_equal(status, MR_NO_SPACE);
    assert_non_null(strstr(error.text, path));
    assert_int_equal(waited, MR_NO_SPACE);
    assert_string_equal(again.text, error.text);
    assert_int_equal(looked, MR_OK);
    assert_int_equal(seen, made.submitted);
    assert_int_equal(grown, 0);
    assert_int_equal(reopened, MR_OK);
    assert_in_range(found, made.durable, made.submitted);
    assert_int_equal(protected, 0);
    assert_int_equal(refused, MR_IO);
    assert_non_null(strstr(refusal.text, path));
    assert_int_equal(read_only, MR_OK);
}

/* The same without a file system of one's own: no file may grow beyond 1 MiB. */
static void a_file_that_may_not_grow_is_reported(void **state)
{
    (void)state;
    char *directory = test_directory();
    (void)fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        (void)signal(SIGXFSZ, SIG_IGN);
        const struct rlimit limit = {1 << 20, 1 << 20};
        (void)setrlimit(RLIMIT_FSIZE, &limit);
        mr_store *store = test_store_open(directory);
        promise made = {0};
        mr_status status;
        mr_error error = {0};
        fill_disk(store, &made, &status, &error);
        mr_store_close(store);
        bool right = (status == MR_IO || status == MR_NO_SPACE) && made.durable > 0 &&
                     strstr(error.text, directory) != NULL;
        _exit(right ? (int)made.durable : 0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_not_equal(WEXITSTATUS(status), 0);
    mr_store *store = test_store_open(directory);
    uint64_t found;
    assert_int_equal(find_change(store, 10000, &found), MR_OK);
    assert_true(found >= (uint64_t)WEXITSTATUS(status));
    mr_store_close(store);
    test_directory_remove(directory);
}

/* Writes another format version behind the store's back. */
static void write_format(const char *path, const char *value, size_t size)
{
    const char *const names[] = {"default", "first", "second", "third"};
    rocksdb_options_t *options = rocksdb_options_create();
    const rocksdb_options_t *all[4] = {options, options, options, options};
    rocksdb_column_family_handle_t *families[4];
    char *text = NULL;
    rocksdb_t *db = rocksdb_open_column_families(options, path, 4, names, all, families, &text);
    assert_null(text);
    rocksdb_writeoptions_t *write_options = rocksdb_writeoptions_create();
    rocksdb_put_cf(db, write_options, families[0], "format", 6, value, size, &text);
    assert_null(text);
    for (int i = 0; i < 4; i++)
        rocksdb_column_family_handle_destroy(families[i]);
    rocksdb_writeoptions_destroy(write_options);
    rocksdb_close(db);
    rocksdb_options_destroy(options);
}

static void another_format_is_refused(void **state)
{
    (void)state;
    char *directory = test_directory();
    mr_store_close(test_store_open(directory));
    write_format(directory, "\2\0\0\0", 4);
    assert_refused(directory, MR_VERSION);
    mr_error error = {0};
    assert_int_equal(open_status(directory, true, &error), MR_VERSION);
    write_format(directory, "\1\0\0", 3);
    assert_refused(directory, MR_CORRUPT);
    write_format(directory, "\1\0\0\0", 4);
    assert_int_equal(open_status(directory, true, &error), MR_OK);
    test_directory_remove(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        /* Forks, so it comes before RocksDB has threads. */
        cmocka_unit_test(a_file_that_may_not_grow_is_reported),
        cmocka_unit_test(any_change_may_fail),
        cmocka_unit_test(any_read_may_fail),
        cmocka_unit_test(a_change_that_failed_is_seen_until_the_store_is_closed),
        cmocka_unit_test(any_read_of_a_snapshot_may_fail),
        cmocka_unit_test(snapshots_have_a_change_that_failed),
        cmocka_unit_test(one_change_is_in_flight_at_most),
        cmocka_unit_test(a_durable_change_has_been_synced),
        cmocka_unit_test(a_path_that_cannot_be_made_is_named),
        cmocka_unit_test(a_full_disk_is_reported_and_loses_nothing_durable),
        cmocka_unit_test(another_format_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
