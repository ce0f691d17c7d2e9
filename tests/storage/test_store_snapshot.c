/* SPDX-License-Identifier: Apache-2.0 */
/* mr-test: label=model timeout=120 */
/* Goal: a snapshot is the store after a whole number of changes, and stays that whatever is
 * submitted, made durable or dropped later.
 * Method: every body runs over both backends, and over ones that hold each change back until the
 * next one comes, so that snapshots are taken and read on both sides of the moment at which the
 * backend is told; the history of changes.h, and random changes compared with copies of a flat
 * array. */
#include "changes.h"
#include "held_backend.h"

typedef struct fixture {
    char *directory; /* NULL over memory */
    bool held;       /* the backend gets a change when the next one is submitted */
    mr_store *store;
    mr_batch *batches[2];
    uint64_t changes; /* of changes.h, submitted */
} fixture;

static int setup(void **state, bool held_back, bool on_disk)
{
    fixture *made = calloc(1, sizeof *made);
    made->held = held_back;
    made->directory = on_disk ? test_directory() : NULL;
    held_reset(on_disk ? &mr_backend_rocksdb : &mr_backend_memory);
    if (held_back)
        assert_int_equal(held_store_open(made->directory, &made->store, NULL), MR_OK);
    else
        made->store = test_store_open(made->directory);
    made->batches[0] = mr_batch_new(made->store);
    made->batches[1] = mr_batch_new(made->store);
    *state = made;
    return 0;
}

static int setup_memory(void **state)
{
    return setup(state, false, false);
}

static int setup_held_memory(void **state)
{
    return setup(state, true, false);
}

static int setup_rocksdb(void **state)
{
    return setup(state, false, true);
}

static int setup_held_rocksdb(void **state)
{
    return setup(state, true, true);
}

static int teardown(void **state)
{
    fixture *made = *state;
    held_set(false);
    mr_batch_free(made->batches[0]);
    mr_batch_free(made->batches[1]);
    mr_store_close(made->store);
    if (made->directory != NULL)
        test_directory_remove(made->directory);
    free(made);
    return 0;
}

static void wait_durable(fixture *at)
{
    held_set(false);
    assert_int_equal(mr_store_wait(at->store, NULL), MR_OK);
}

static void submit(fixture *at)
{
    if (at->held) {
        wait_durable(at);
        held_set(true);
    }
    assert_int_equal(mr_store_submit(at->store, at->batches, 2, NULL), MR_OK);
}

/* Submits the next change of changes.h. */
static void change(fixture *at)
{
    at->changes++;
    assert_int_equal(fill(at->batches, at->changes, 8 + at->changes % 40), MR_OK);
    submit(at);
}

static mr_snapshot *snapshot_of(mr_store *store)
{
    mr_snapshot *snapshot = NULL;
    assert_int_equal(mr_store_snapshot(store, &snapshot), MR_OK);
    return snapshot;
}

static mr_store *view_of(mr_snapshot *snapshot)
{
    mr_store *view = NULL;
    assert_int_equal(mr_store_open_view(snapshot, &view), MR_OK);
    return view;
}

/* What the store held after n changes, by cursors and by gets. */
static void assert_holds(mr_store *view, uint64_t n)
{
    uint64_t found;
    assert_int_equal(mr_store_sequence(view), n);
    assert_int_equal(find_change(view, n, &found), MR_OK);
    assert_int_equal(found, n);
    mr_buffer value = {0};
    for (uint32_t i = 0; i < TEST_TABLES * GROUPS * KEYS; i++) {
        char text[KEY_TEXT_BYTES];
        uint32_t table = i % TEST_TABLES, group = i / TEST_TABLES % GROUPS;
        uint32_t key = i / TEST_TABLES / GROUPS;
        uint64_t expected = value_after(n, table, group, key);
        value.size = 0;
        mr_status status = mr_store_get(view, table, key_text(group, key, text), &value);
        assert_int_equal(status, expected == 0 ? MR_NOT_FOUND : MR_OK);
        assert_true(expected == 0 || mr_load_le64(value.data) == expected);
    }
    mr_buffer_fini(&value);
}

static void an_empty_store_has_a_snapshot(void **state)
{
    fixture *at = *state;
    mr_snapshot *snapshot = snapshot_of(at->store);
    mr_store *view = view_of(snapshot);
    mr_snapshot_put(snapshot);
    for (int i = 0; i < 3; i++)
        change(at);
    assert_holds(view, 0);
    mr_store_close(view);
    mr_snapshot_put(NULL);
    assert_holds(at->store, 3);
}

static void a_snapshot_shows_what_was_in_flight_before_and_after_it_is_durable(void **state)
{
    fixture *at = *state;
    for (int i = 0; i < 5; i++)
        change(at);
    mr_snapshot *in_flight = snapshot_of(at->store);
    mr_store *view = view_of(in_flight);
    assert_holds(view, 5);
    wait_durable(at);
    assert_holds(view, 5);
    mr_snapshot *durable = snapshot_of(at->store);
    mr_store *same = view_of(durable);
    change(at);
    assert_holds(same, 5);
    assert_holds(view, 5);
    change(at);
    wait_durable(at);
    change(at);
    assert_holds(same, 5);
    assert_holds(view, 5);
    assert_holds(at->store, 8);
    mr_store_close(view);
    mr_store_close(same);
    mr_snapshot_put(in_flight);
    mr_snapshot_put(durable);
}

/* Each of some holders takes a snapshot, keeps it for a time of its own and takes another one. */
static void snapshots_are_taken_and_dropped_in_any_order(void **state)
{
    enum { HOLDERS = 12, STEPS = 240 };
    fixture *at = *state;
    uint64_t random = test_seed();
    mr_store *views[HOLDERS] = {0};
    for (uint32_t step = 0; step < STEPS; step++) {
        uint32_t i = test_below(&random, HOLDERS);
        if (test_below(&random, 3) != 0)
            change(at);
        if (test_below(&random, 4) == 0)
            wait_durable(at);
        mr_store_close(views[i]);
        mr_snapshot *snapshot = snapshot_of(at->store);
        views[i] = view_of(snapshot);
        mr_snapshot_put(snapshot);
        i = test_below(&random, HOLDERS);
        if (views[i] != NULL)
            assert_holds(views[i], mr_store_sequence(views[i]));
        assert_int_equal(mr_store_sequence(at->store), at->changes);
    }
    for (uint32_t i = 0; i < HOLDERS; i++) {
        if (views[i] != NULL)
            assert_holds(views[i], mr_store_sequence(views[i]));
        mr_store_close(views[i]);
    }
    assert_holds(at->store, at->changes);
}

static void a_view_refuses_changes(void **state)
{
    fixture *at = *state;
    change(at);
    mr_snapshot *snapshot = snapshot_of(at->store);
    mr_store *view = view_of(snapshot);
    mr_batch *batch = mr_batch_new(view);
    mr_error error = {0};
    assert_int_equal(mr_batch_put(batch, 0, mr_span_text("g0/00"), mr_span_text("new value")),
                     MR_OK);
    assert_int_equal(mr_store_submit(view, &batch, 1, &error), MR_STATE);
    assert_int_equal(error.status, MR_STATE);
    assert_int_equal(mr_store_wait(view, &error), MR_OK);
    assert_int_equal(mr_store_bytes_written(view), 0);
    mr_batch_free(batch);
    assert_holds(view, 1);
    mr_store_close(view);
    mr_snapshot_put(snapshot);
    assert_holds(at->store, 1);
}

static void a_view_moves_and_has_its_own_snapshot(void **state)
{
    fixture *at = *state;
    mr_snapshot *first = snapshot_of(at->store);
    mr_store *view = view_of(first);
    mr_snapshot_put(first);
    for (uint64_t n = 1; n <= 6; n++) {
        change(at);
        assert_int_equal(mr_store_sequence(at->store), n);
        assert_int_equal(mr_store_sequence(view), n - 1);
        mr_snapshot *own = snapshot_of(view);
        mr_snapshot *next = snapshot_of(at->store);
        mr_store_view_move(view, next);
        assert_holds(view, n);
        mr_store_view_move(view, own);
        mr_snapshot_put(own);
        assert_holds(view, n - 1);
        mr_store_view_move(view, next);
        mr_snapshot_put(next);
    }
    mr_store_close(view);
}

static void assert_walk(mr_store *store, const char *prefix, const char *from, const char *expected)
{
    mr_cursor *cursor = NULL;
    assert_int_equal(mr_cursor_open(store, 0, mr_span_text(prefix), mr_span_text(from), &cursor),
                     MR_OK);
    char text[256] = "";
    mr_span key, value;
    while (mr_cursor_next(cursor, &key, &value) == MR_OK)
        (void)snprintf(text + strlen(text), sizeof text - strlen(text), "%.*s=%.*s ", (int)key.size,
                       (const char *)key.data, (int)value.size, (const char *)value.data);
    assert_int_equal(mr_cursor_next(cursor, &key, &value), MR_NOT_FOUND);
    mr_cursor_close(cursor);
    assert_string_equal(text, expected);
}

static void put(fixture *at, const char *key, const char *value)
{
    assert_int_equal(mr_batch_put(at->batches[0], 0, mr_span_text(key), mr_span_text(value)),
                     MR_OK);
}

static void a_cursor_of_a_view_walks_a_prefix_from_a_key(void **state)
{
    fixture *at = *state;
    put(at, "b2", "4");
    put(at, "a", "1");
    put(at, "c", "6");
    put(at, "b", "x");
    put(at, "b9", "x");
    submit(at);
    put(at, "b1", "3");
    put(at, "b\xff", "5");
    put(at, "b", "2");
    assert_int_equal(mr_batch_delete(at->batches[0], 0, mr_span_text("b9")), MR_OK);
    submit(at);
    mr_snapshot *snapshot = snapshot_of(at->store);
    mr_store *view = view_of(snapshot);
    mr_snapshot_put(snapshot);
    for (int round = 0; round < 3; round++) {
        assert_walk(view, "", "", "a=1 b=2 b1=3 b2=4 b\xff=5 c=6 ");
        assert_walk(view, "b", "", "b=2 b1=3 b2=4 b\xff=5 ");
        assert_walk(view, "b", "b10", "b2=4 b\xff=5 ");
        assert_walk(view, "b", "a", "b=2 b1=3 b2=4 b\xff=5 ");
        assert_walk(view, "b", "c", "");
        assert_walk(view, "d", "", "");
        assert_walk(view, "", "b2", "b2=4 b\xff=5 c=6 ");
        put(at, "b11", "later");
        put(at, "b", "later");
        assert_int_equal(mr_batch_delete(at->batches[0], 0, mr_span_text("c")), MR_OK);
        submit(at);
    }
    mr_store_close(view);
}

static void a_store_open_for_reading_only_has_snapshots(void **state)
{
    fixture *at = *state;
    for (int i = 0; i < 3; i++)
        change(at);
    mr_store_close(at->store);
    const mr_store_options options = {.path = at->directory,
                                      .tables = test_tables(),
                                      .tables_count = TEST_TABLES,
                                      .read_only = true};
    assert_int_equal(mr_store_open(&options, &at->store, NULL), MR_OK);
    mr_snapshot *snapshot = snapshot_of(at->store);
    mr_store *view = view_of(snapshot);
    mr_snapshot_put(snapshot);
    uint64_t found;
    assert_int_equal(find_change(view, 3, &found), MR_OK);
    assert_int_equal(found, 3);
    assert_int_equal(mr_store_sequence(view), 0);
    mr_store_close(view);
}

/* ---- Against copies of a flat array ---- */

enum { MODEL_KEYS = 500, HOLDERS = 6 };

typedef struct model {
    uint32_t values[TEST_TABLES][MODEL_KEYS]; /* 0: not there */
} model;

static mr_span model_key(uint32_t index, char *text)
{
    int size = snprintf(text, 16, "%s%03u", index % 3 == 0 ? "key-" : "y/", index);
    return mr_span_of(text, (size_t)size);
}

static void change_randomly(fixture *at, model *now, uint64_t *random)
{
    uint32_t count = test_below(random, 2) == 0 ? test_below(random, 8) : test_below(random, 400);
    uint32_t removed_in_100 = test_below(random, 100);
    for (uint32_t i = 0; i < count; i++) {
        char text[16];
        uint32_t table = test_below(random, TEST_TABLES), index = test_below(random, MODEL_KEYS);
        uint32_t value =
            test_below(random, 100) < removed_in_100 ? 0 : 1 + (*random >> 40 & 0xffff);
        mr_span key = model_key(index, text);
        mr_status status =
            value == 0 ? mr_batch_delete(at->batches[1], table, key)
                       : mr_batch_put(at->batches[1], table, key, mr_span_of(&value, sizeof value));
        assert_int_equal(status, MR_OK);
        now->values[table][index] = value;
    }
    submit(at);
}

static void assert_model(mr_store *view, const model *expected, uint64_t *random)
{
    char text[16];
    uint32_t table = test_below(random, TEST_TABLES), left = 0;
    mr_buffer found = {0};
    for (uint32_t i = 0; i < MODEL_KEYS; i++) {
        uint32_t value = expected->values[table][i];
        left += value != 0;
        found.size = 0;
        mr_status status = mr_store_get(view, table, model_key(i, text), &found);
        assert_int_equal(status, value == 0 ? MR_NOT_FOUND : MR_OK);
        assert_true(value == 0 || (found.size == 4 && mr_load_le32(found.data) == value));
    }
    mr_buffer_fini(&found);
    mr_cursor *cursor = NULL;
    assert_int_equal(mr_cursor_open(view, table, (mr_span){0}, (mr_span){0}, &cursor), MR_OK);
    mr_span key, value;
    char before[16] = "";
    while (mr_cursor_next(cursor, &key, &value) == MR_OK) {
        char here[16] = "";
        memcpy(here, key.data, key.size);
        assert_true(strcmp(before, here) < 0);
        memcpy(before, here, sizeof before);
        uint32_t index = (uint32_t)strtoul(here + strcspn(here, "0123456789"), NULL, 10);
        assert_int_equal(mr_load_le32(value.data), expected->values[table][index]);
        left--;
    }
    assert_int_equal(left, 0);
    mr_cursor_close(cursor);
}

static void random_changes_leave_each_snapshot_as_its_copy_of_a_flat_array(void **state)
{
    fixture *at = *state;
    uint64_t random = test_seed();
    model *now = calloc(1 + HOLDERS, sizeof *now), *then = now + 1;
    mr_store *views[HOLDERS] = {0};
    for (uint32_t step = 0; step < 250; step++) {
        change_randomly(at, now, &random);
        uint32_t i = test_below(&random, HOLDERS);
        if (test_below(&random, 3) == 0) {
            mr_store_close(views[i]);
            mr_snapshot *snapshot = snapshot_of(at->store);
            views[i] = view_of(snapshot);
            mr_snapshot_put(snapshot);
            then[i] = *now;
        }
        if (views[i] != NULL)
            assert_model(views[i], &then[i], &random);
        assert_model(at->store, now, &random);
    }
    for (uint32_t i = 0; i < HOLDERS; i++)
        mr_store_close(views[i]);
    free(now);
}

#define over(test, kind)                                                                           \
    {                                                                                              \
#test " (" #kind ")", test, setup_##kind, teardown, NULL                                   \
    }
#define over_all(test)                                                                             \
    over(test, memory), over(test, held_memory), over(test, rocksdb), over(test, held_rocksdb)

int main(void)
{
    const struct CMUnitTest tests[] = {
        over_all(an_empty_store_has_a_snapshot),
        over_all(a_snapshot_shows_what_was_in_flight_before_and_after_it_is_durable),
        over_all(snapshots_are_taken_and_dropped_in_any_order),
        over_all(a_view_refuses_changes),
        over_all(a_view_moves_and_has_its_own_snapshot),
        over_all(a_cursor_of_a_view_walks_a_prefix_from_a_key),
        over_all(random_changes_leave_each_snapshot_as_its_copy_of_a_flat_array),
        over(a_store_open_for_reading_only_has_snapshots, rocksdb),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
