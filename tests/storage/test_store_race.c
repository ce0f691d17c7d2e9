/* SPDX-License-Identifier: Apache-2.0 */
/* mr-test: label=race timeout=120 */
/* Goal: whoever reads while changes are submitted sees the store as it was after a whole number of
 * them: never a part of one, never less than was submitted before the read began, and a cursor all
 * the time the same.
 * Method: the history of changes.h; readers get keys and walk prefixes all the time. */
#include "changes.h"
#include "race.h"

enum { VALUE_BYTES = 400 };

static _Atomic uint64_t begun, ended; /* changes whose submit has begun, ended */
static mr_batch *batches[2];

/* ---- Readers ---- */

static void read_one(race *r, uint64_t *random)
{
    char text[KEY_TEXT_BYTES];
    uint32_t table = test_below(random, TEST_TABLES), group = test_below(random, GROUPS);
    uint32_t key = test_below(random, KEYS);
    mr_buffer value = {0};
    uint64_t least = atomic_load(&ended);
    mr_status status = mr_store_get(r->store, table, key_text(group, key, text), &value);
    uint64_t most = atomic_load(&begun);
    uint64_t found = status == MR_OK && value.size >= 8 ? mr_load_le64(value.data) : 0;
    if (status != MR_OK && status != MR_NOT_FOUND)
        report(r, "get: %s", mr_status_name(status));
    while (least <= most && value_after(least, table, group, key) != found)
        least++;
    if (least > most)
        report(r, "get of %s in table %u: %llu, at %llu changes", text, table,
               (unsigned long long)found, (unsigned long long)most);
    mr_buffer_fini(&value);
}

/* Walks one group. Its key 0 tells the number of changes at which it must be whole. */
static void walk_group(race *r, uint64_t *random, bool slowly)
{
    char text[KEY_TEXT_BYTES];
    uint32_t table = test_below(random, TEST_TABLES), group = test_below(random, GROUPS);
    uint64_t least = atomic_load(&ended);
    mr_cursor *cursor;
    mr_span prefix = key_text(group, 0, text);
    prefix.size = 3;
    if (mr_cursor_open(r->store, table, prefix, (mr_span){0}, &cursor) != MR_OK) {
        report(r, "a cursor cannot be opened");
        return;
    }
    uint64_t most = atomic_load(&begun);
    uint64_t found[KEYS + 1] = {0};
    mr_span key, value;
    mr_status status;
    while ((status = mr_cursor_next(cursor, &key, &value)) == MR_OK) {
        found[key_number(key)] = mr_load_le64(value.data);
        for (int i = 0; slowly && i < 20; i++)
            (void)sched_yield();
    }
    mr_cursor_close(cursor);
    if (status != MR_NOT_FOUND)
        report(r, "walk: %s", mr_status_name(status));
    uint64_t at = found[0];
    if (at < value_after(least, table, group, 0) || at > most)
        report(r, "a walk of table %u sees change %llu, between %llu and %llu", table,
               (unsigned long long)at, (unsigned long long)least, (unsigned long long)most);
    if (found[KEYS] != 0)
        report(r, "a walk of table %u finds a key that is not of its prefix", table);
    for (uint32_t i = 0; i < KEYS; i++) {
        if (found[i] != value_after(at, table, group, i))
            report(r, "a walk of table %u at change %llu finds key %u of change %llu, not %llu",
                   table, (unsigned long long)at, i, (unsigned long long)found[i],
                   (unsigned long long)value_after(at, table, group, i));
    }
}

static void *reader(void *arg)
{
    race *r = arg;
    uint64_t random = atomic_fetch_add(&r->rounds, 1) + (uint64_t)(uintptr_t)arg;
    while (!atomic_load(&r->stop)) {
        for (int i = 0; i < 4; i++)
            read_one(r, &random);
        walk_group(r, &random, test_below(&random, 4) == 0);
        atomic_fetch_add(&r->rounds, 1);
    }
    return NULL;
}

/* ---- The writer ---- */

static void write_change(race *r, uint64_t n)
{
    for (int i = 0; i < 2 && batches[i] == NULL; i++)
        batches[i] = mr_batch_new(r->store);
    if (fill(batches, n, VALUE_BYTES) != MR_OK)
        report(r, "fill");
    atomic_store(&begun, n);
    if (mr_store_submit(r->store, batches, 2, NULL) != MR_OK)
        report(r, "submit");
    atomic_store(&ended, n);
}

static void end(race *r)
{
    (void)r;
    for (int i = 0; i < 2; i++) {
        mr_batch_free(batches[i]);
        batches[i] = NULL;
    }
    atomic_store(&begun, 0);
    atomic_store(&ended, 0);
}

static const race_plan plan = {
    .read = reader,
    .write = write_change,
    .fini = end,
    .readers = 3,
    .changes_min = 400,
    .rounds_min = 2000,
    .wait_every = 64,
};

static void readers_see_whole_changes_in_memory(void **state)
{
    (void)state;
    race_in_memory(&plan);
}

static void readers_see_whole_changes_in_layers_over_memory(void **state)
{
    (void)state;
    race_over_a_slow_backend(&plan);
}

static void readers_see_whole_changes_in_rocksdb(void **state)
{
    (void)state;
    race_in_rocksdb(&plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(readers_see_whole_changes_in_memory),
        cmocka_unit_test(readers_see_whole_changes_in_layers_over_memory),
        cmocka_unit_test(readers_see_whole_changes_in_rocksdb),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
