/* SPDX-License-Identifier: Apache-2.0 */
/* mr-test: label=race timeout=120 */
/* Goal: a table in memory, which is kept in parts and changed by several threads, is one table to
 * who reads it: in the order of its keys over the borders of parts, whole in each snapshot while
 * changes are made, and after a failure of any thread what it was.
 * Method: keys at the borders of parts, and digests, in large changes, compared with an array;
 * readers who take snapshots beside a writer, whose changes give each key one number; and an
 * allocator that fails in a helper, which is made sure of. */
#include "race.h"

#include "storage/store_internal.h"
#include "tests/base/failing_memory.h"

enum { HELPERS = 3, KEYS = 6007 /* a prime */, KEY_BYTES_MAX = 36, PROGRAM_UNITS = 40 };

static mr_store *open_with_helpers(void)
{
    const mr_store_options options = {.tables = test_tables(),
                                      .tables_count = TEST_TABLES,
                                      .create = true,
                                      .helpers_count = HELPERS};
    mr_store *store = NULL;
    assert_int_equal(mr_store_open(&options, &store, NULL), MR_OK);
    return store;
}

/* ---- Keys ---- */

typedef struct key {
    uint8_t bytes[KEY_BYTES_MAX];
    size_t size;
    uint64_t value; /* 0: not there */
} key;

static mr_span span_of(const key *k)
{
    return mr_span_of(k->bytes, k->size);
}

static int by_key(const void *a, const void *b)
{
    return mr_span_compare(span_of(a), span_of(b));
}

/* The last key of a part and the first of the next one, with and without more bytes. */
static size_t add_borders(key *keys)
{
    size_t count = 0;
    keys[count++] = (key){.size = 0};
    for (uint32_t part = 0; part < MR_PARTS; part++) {
        const uint8_t first = (uint8_t)(part << (8 - MR_PARTS_LOG2));
        const uint8_t last = (uint8_t)(first | (0xff >> MR_PARTS_LOG2));
        for (size_t size = 1; size <= 12; size += size < 8 ? 7 : 2) {
            keys[count] = (key){.bytes = {first}, .size = size};
            count++;
            memset(keys[count].bytes, 0xff, size);
            keys[count].bytes[0] = last;
            keys[count].size = size;
            count++;
        }
    }
    return count;
}

/* Units of programs, which are alike in 32 bytes, and borders; all different, in order. */
static key *make_keys(uint64_t *random)
{
    key *keys = calloc(KEYS, sizeof *keys);
    assert_non_null(keys);
    for (size_t i = add_borders(keys), unit = 0; i < KEYS; i++, unit++) {
        if (unit % PROGRAM_UNITS == 0) {
            for (size_t at = 0; at < 32; at += 8)
                mr_store_le64(keys[i].bytes + at, test_random(random));
        } else {
            memcpy(keys[i].bytes, keys[i - 1].bytes, 32);
        }
        mr_store_be32(keys[i].bytes + 32, (uint32_t)unit);
        keys[i].size = KEY_BYTES_MAX;
    }
    qsort(keys, KEYS, sizeof *keys, by_key);
    for (size_t i = 1; i < KEYS; i++)
        assert_true(by_key(&keys[i - 1], &keys[i]) < 0);
    return keys;
}

/* Adds changes of many keys, in any order, to two batches; now and then of one key twice. */
static void add_changes(mr_batch *const *batches, key *keys, uint64_t *random)
{
    const size_t start = test_below(random, KEYS), stride = 1 + 2 * (size_t)test_below(random, 3);
    for (size_t i = 0; i < KEYS; i++) {
        key *k = &keys[(start + i * stride) % KEYS];
        mr_batch *batch = batches[2 * i / KEYS];
        if (test_below(random, 20) == 0)
            assert_int_equal(mr_batch_put(batch, 1, span_of(k), span_of(k)), MR_OK);
        k->value = test_below(random, 4) == 0 ? 0 : 1 + test_random(random) / 2;
        mr_status status = k->value == 0 ? mr_batch_delete(batch, 1, span_of(k))
                                         : mr_batch_put(batch, 1, span_of(k),
                                                        mr_span_of(&k->value, sizeof k->value));
        assert_int_equal(status, MR_OK);
    }
}

/* ---- Order ---- */

static bool starts_with(const key *k, mr_span prefix)
{
    return k->size >= prefix.size &&
           (prefix.size == 0 || memcmp(k->bytes, prefix.data, prefix.size) == 0);
}

static void assert_walk(mr_store *store, const key *keys, mr_span prefix, mr_span from)
{
    mr_cursor *cursor = NULL;
    mr_span found, value;
    assert_int_equal(mr_cursor_open(store, 1, prefix, from, &cursor), MR_OK);
    for (size_t i = 0; i < KEYS; i++) {
        if (keys[i].value == 0 || !starts_with(&keys[i], prefix) ||
            mr_span_compare(span_of(&keys[i]), from) < 0)
            continue;
        assert_int_equal(mr_cursor_next(cursor, &found, &value), MR_OK);
        assert_true(mr_span_equal(found, span_of(&keys[i])));
        assert_int_equal(mr_load_le64(value.data), keys[i].value);
    }
    assert_int_equal(mr_cursor_next(cursor, &found, &value), MR_NOT_FOUND);
    assert_int_equal(mr_cursor_next(cursor, &found, &value), MR_NOT_FOUND);
    mr_cursor_close(cursor);
}

static void assert_table(mr_store *store, const key *keys, uint64_t *random)
{
    assert_walk(store, keys, (mr_span){0}, (mr_span){0});
    for (int i = 0; i < 60; i++) {
        const key *some = &keys[test_below(random, KEYS)], *other = &keys[test_below(random, KEYS)];
        mr_span prefix = span_of(some);
        const size_t sizes[] = {0, 1, 2, 8, 32, KEY_BYTES_MAX};
        const size_t size = sizes[test_below(random, 6)];
        prefix.size = prefix.size < size ? prefix.size : size;
        assert_walk(store, keys, prefix,
                    test_below(random, 2) == 0 ? span_of(other) : (mr_span){0});
        mr_buffer value = {0};
        mr_status status = mr_store_get(store, 1, span_of(some), &value);
        assert_int_equal(status, some->value == 0 ? MR_NOT_FOUND : MR_OK);
        assert_true(some->value == 0 || mr_load_le64(value.data) == some->value);
        mr_buffer_fini(&value);
    }
}

/* The store as it is, and a copy of what is in it; the caller frees all three. */
static key *keep_now(mr_store *store, const key *keys, mr_snapshot **before, mr_store **view)
{
    key *then = malloc(KEYS * sizeof *then);
    memcpy(then, keys, KEYS * sizeof *then);
    assert_int_equal(mr_store_snapshot(store, before), MR_OK);
    assert_int_equal(mr_store_open_view(*before, view), MR_OK);
    return then;
}

static void a_table_in_parts_is_one_in_order(void **state)
{
    (void)state;
    uint64_t random = test_seed();
    mr_store *store = open_with_helpers();
    mr_batch *batches[2] = {mr_batch_new(store), mr_batch_new(store)};
    key *keys = make_keys(&random);
    for (int n = 0; n < 8; n++) {
        mr_snapshot *before;
        mr_store *view;
        key *then = keep_now(store, keys, &before, &view);
        add_changes(batches, keys, &random);
        assert_int_equal(mr_store_submit(store, batches, 2, NULL), MR_OK);
        assert_table(store, keys, &random);
        assert_int_equal(mr_store_wait(store, NULL), MR_OK);
        assert_table(store, keys, &random);
        assert_table(view, then, &random);
        mr_store_close(view);
        mr_snapshot_put(before);
        free(then);
    }
    free(keys);
    mr_batch_free(batches[0]);
    mr_batch_free(batches[1]);
    mr_store_close(store);
}

/* ---- Snapshots beside changes ---- */

static key *race_keys;
static mr_batch *race_batch;

static void *reader(void *arg)
{
    race *r = arg;
    while (!atomic_load(&r->stop)) {
        mr_snapshot *snapshot = NULL;
        mr_store *view = NULL;
        mr_cursor *cursor = NULL;
        if (mr_store_snapshot(r->store, &snapshot) != MR_OK ||
            mr_store_open_view(snapshot, &view) != MR_OK ||
            mr_cursor_open(view, 0, (mr_span){0}, (mr_span){0}, &cursor) != MR_OK)
            abort();
        const uint64_t n = mr_store_sequence(view);
        uint64_t count = 0, wrong = 0;
        mr_span found, value;
        while (mr_cursor_next(cursor, &found, &value) == MR_OK) {
            wrong += mr_load_le64(value.data) != n ||
                     (count < KEYS && !mr_span_equal(found, span_of(&race_keys[count])));
            count++;
        }
        if (wrong != 0 || count != (n == 0 ? 0 : KEYS))
            report(r, "after change %llu a walk finds %llu keys, %llu wrong", (unsigned long long)n,
                   (unsigned long long)count, (unsigned long long)wrong);
        mr_cursor_close(cursor);
        mr_store_close(view);
        mr_snapshot_put(snapshot);
        atomic_fetch_add(&r->rounds, 1);
    }
    return NULL;
}

static void write_change(race *r, uint64_t n)
{
    if (race_batch == NULL)
        race_batch = mr_batch_new(r->store);
    for (size_t i = 0; i < KEYS; i++) {
        if (mr_batch_put(race_batch, 0, span_of(&race_keys[i * 7 % KEYS]),
                         mr_span_of(&n, sizeof n)) != MR_OK)
            report(r, "put");
    }
    if (mr_store_submit(r->store, &race_batch, 1, NULL) != MR_OK)
        report(r, "submit");
}

static void end(race *r)
{
    (void)r;
    mr_batch_free(race_batch);
    race_batch = NULL;
}

static void snapshots_are_whole_while_threads_apply(void **state)
{
    (void)state;
    static const race_plan plan = {
        .read = reader,
        .write = write_change,
        .fini = end,
        .readers = 3,
        .changes_min = 40,
        .rounds_min = 150,
        .wait_every = 8,
    };
    uint64_t random = test_seed();
    race_keys = make_keys(&random);
    race_run(open_with_helpers(), &plan);
    free(race_keys);
}

/* ---- A helper without memory ---- */

/* Submits a change with an allocation failing, and returns who was refused; 0 for nobody. */
static uintptr_t change_with_failure(key *keys, long n, uint64_t *random, pthread_t *committer)
{
    mr_store *store = open_with_helpers();
    mr_batch *batches[2] = {mr_batch_new(store), mr_batch_new(store)};
    add_changes(batches, keys, random);
    assert_int_equal(mr_store_submit(store, batches, 2, NULL), MR_OK);
    assert_int_equal(mr_store_wait(store, NULL), MR_OK);
    mr_snapshot *before;
    mr_store *view;
    key *then = keep_now(store, keys, &before, &view);
    add_changes(batches, keys, random);
    *committer = store->committer;
    atomic_store(&left, n);
    atomic_store(&refused, 0);
    const mr_status submitted = mr_store_submit(store, batches, 2, NULL);
    const mr_status durable = mr_store_wait(store, NULL);
    atomic_store(&left, 0);
    const uintptr_t who = atomic_load(&refused);
    assert_true(submitted == MR_OK || submitted == MR_NO_MEMORY);
    assert_int_equal(durable, who == 0 ? MR_OK : MR_NO_MEMORY);
    assert_table(store, submitted == MR_OK ? keys : then, random);
    assert_table(view, then, random);
    mr_store_close(view);
    mr_snapshot_put(before);
    mr_batch_free(batches[0]);
    mr_batch_free(batches[1]);
    mr_store_close(store);
    free(then);
    return who;
}

static void a_helper_may_run_out_of_memory(void **state)
{
    (void)state;
    uint64_t random = test_seed();
    key *keys = make_keys(&random);
    int helpers = 0, others = 0;
    for (long n = 1; (helpers < 5 || others < 5) && n < 2000; n++) {
        pthread_t committer;
        const uintptr_t who = change_with_failure(keys, 1 + n * 37 % 5000, &random, &committer);
        const bool helper =
            who != 0 && who != (uintptr_t)committer && who != (uintptr_t)pthread_self();
        helpers += helper;
        others += who != 0 && !helper;
    }
    print_message("%d refused to helpers, %d to others\n", helpers, others);
    assert_true(helpers >= 5 && others >= 5);
    free(keys);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_table_in_parts_is_one_in_order),
        cmocka_unit_test(snapshots_are_whole_while_threads_apply),
        cmocka_unit_test(a_helper_may_run_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
