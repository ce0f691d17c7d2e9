/* SPDX-License-Identifier: Apache-2.0 */
/* mr-test: label=race timeout=120 */
/* Goal: snapshots taken beside a running writer are whole, new enough, and stay as they are, from
 * any number of threads; a snapshot may be read by one and dropped by another.
 * Method: change n gives each key of each table the number n, and writes a key of its own that the
 * change after next removes. Readers take snapshots, move views, hand snapshots to each other and
 * look whether all keys have one and the same number. */
#include "race.h"

enum { KEYS = 60, SHELF = 6 };

static mr_snapshot *shelf[SHELF]; /* for anybody to take, under the lock of the race */
static mr_batch *batch;

static mr_span key_of(uint32_t number, char *text)
{
    return mr_span_of(text, (size_t)snprintf(text, 16, "key %03u", number));
}

static mr_span own_key_of(uint64_t n, char *text)
{
    return mr_span_of(text, (size_t)snprintf(text, 32, "own %020llu", (unsigned long long)n));
}

/* ---- Readers ---- */

static uint64_t number_at(race *r, mr_store *view, uint32_t table, mr_span key)
{
    mr_buffer value = {0};
    mr_status status = mr_store_get(view, table, key, &value);
    uint64_t found = status == MR_OK ? mr_load_le64(value.data) : 0;
    if (status != MR_OK && status != MR_NOT_FOUND)
        report(r, "get: %s", mr_status_name(status));
    mr_buffer_fini(&value);
    return found;
}

static void look_at_keys(race *r, mr_store *view, uint64_t *random)
{
    char text[32];
    uint64_t n = mr_store_sequence(view);
    for (int i = 0; i < 10; i++) {
        uint32_t table = test_below(random, TEST_TABLES), key = test_below(random, KEYS);
        uint64_t found = number_at(r, view, table, key_of(key, text));
        if (found != n)
            report(r, "after change %llu a key has %llu", (unsigned long long)n,
                   (unsigned long long)found);
    }
    for (uint64_t own = n < 3 ? 1 : n - 2; own <= n + 1; own++) {
        uint64_t found = number_at(r, view, 0, own_key_of(own, text));
        if (found != (own > n || own + 2 <= n ? 0 : own))
            report(r, "after change %llu the key of change %llu has %llu", (unsigned long long)n,
                   (unsigned long long)own, (unsigned long long)found);
    }
}

static void look_at_table(race *r, mr_store *view, uint32_t table)
{
    uint64_t n = mr_store_sequence(view);
    mr_cursor *cursor;
    if (mr_cursor_open(view, table, mr_span_text("key "), (mr_span){0}, &cursor) != MR_OK) {
        report(r, "a cursor cannot be opened");
        return;
    }
    mr_span key, value;
    uint32_t count = 0;
    mr_status status;
    for (; (status = mr_cursor_next(cursor, &key, &value)) == MR_OK; count++) {
        if (mr_load_le64(value.data) != n)
            report(r, "after change %llu a walk finds %llu", (unsigned long long)n,
                   (unsigned long long)mr_load_le64(value.data));
    }
    if (status != MR_NOT_FOUND || count != (n == 0 ? 0 : KEYS))
        report(r, "a walk ends after %u keys: %s", count, mr_status_name(status));
    mr_cursor_close(cursor);
}

/* Puts a snapshot on the shelf, and takes what was there. */
static mr_snapshot *swap(race *r, uint32_t place, mr_snapshot *snapshot)
{
    pthread_mutex_lock(&r->lock);
    mr_snapshot *other = shelf[place];
    shelf[place] = snapshot;
    pthread_mutex_unlock(&r->lock);
    return other;
}

/* The newest one; it has all that was submitted before. */
static mr_snapshot *take(race *r)
{
    uint64_t least = mr_store_sequence(r->store);
    mr_snapshot *snapshot = NULL;
    mr_store *view = NULL;
    if (mr_store_snapshot(r->store, &snapshot) != MR_OK ||
        mr_store_open_view(snapshot, &view) != MR_OK) {
        report(r, "a snapshot cannot be taken");
        return snapshot;
    }
    if (mr_store_sequence(view) < least)
        report(r, "a snapshot is of change %llu, and %llu were submitted before",
               (unsigned long long)mr_store_sequence(view), (unsigned long long)least);
    mr_store_close(view);
    return snapshot;
}

static void *reader(void *arg)
{
    race *r = arg;
    uint64_t random = 1 + atomic_fetch_add(&r->rounds, 1);
    mr_snapshot *snapshot = take(r);
    mr_store *view = NULL;
    if (mr_store_open_view(snapshot, &view) != MR_OK)
        abort();
    mr_snapshot_put(snapshot);
    while (!atomic_load(&r->stop)) {
        if (mr_store_sequence(view) != mr_store_sequence(r->store)) {
            snapshot = take(r);
            mr_store_view_move(view, snapshot);
            snapshot = swap(r, test_below(&random, SHELF), snapshot);
            if (snapshot != NULL && test_below(&random, 2) == 0)
                mr_store_view_move(view, snapshot);
            mr_snapshot_put(snapshot);
        }
        look_at_keys(r, view, &random);
        look_at_table(r, view, test_below(&random, TEST_TABLES));
        atomic_fetch_add(&r->rounds, 1);
    }
    mr_store_close(view);
    return NULL;
}

/* ---- The writer ---- */

static mr_status fill(uint64_t n)
{
    char text[32];
    const mr_span value = mr_span_of(&n, sizeof n);
    for (uint32_t i = 0; i < TEST_TABLES * KEYS; i++)
        MR_TRY(mr_batch_put(batch, i % TEST_TABLES, key_of(i / TEST_TABLES, text), value));
    MR_TRY(mr_batch_put(batch, 0, own_key_of(n, text), value));
    return n < 3 ? MR_OK : mr_batch_delete(batch, 0, own_key_of(n - 2, text));
}

static void write_change(race *r, uint64_t n)
{
    if (batch == NULL)
        batch = mr_batch_new(r->store);
    if (fill(n) != MR_OK || mr_store_submit(r->store, &batch, 1, NULL) != MR_OK)
        report(r, "submit");
}

static void end(race *r)
{
    (void)r;
    for (int i = 0; i < SHELF; i++) {
        mr_snapshot_put(shelf[i]);
        shelf[i] = NULL;
    }
    mr_batch_free(batch);
    batch = NULL;
}

static const race_plan plan = {
    .read = reader,
    .write = write_change,
    .fini = end,
    .readers = 4,
    .changes_min = 300,
    .rounds_min = 600,
    .wait_every = 16,
};

static void snapshots_in_memory_are_whole(void **state)
{
    (void)state;
    race_in_memory(&plan);
}

static void snapshots_over_a_slow_backend_are_whole(void **state)
{
    (void)state;
    race_over_a_slow_backend(&plan);
}

static void snapshots_in_rocksdb_are_whole(void **state)
{
    (void)state;
    race_in_rocksdb(&plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(snapshots_in_memory_are_whole),
        cmocka_unit_test(snapshots_over_a_slow_backend_are_whole),
        cmocka_unit_test(snapshots_in_rocksdb_are_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
