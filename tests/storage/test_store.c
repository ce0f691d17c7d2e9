/* SPDX-License-Identifier: Apache-2.0 */
/* mr-test: label=model timeout=120 */
/* Goal: a store holds what was submitted, shows it at once, in order, and keeps it.
 * Method: every body runs over both backends, and over one that holds each change back until the
 * next one comes, so that all is read from the layer; random sequences are compared with a flat
 * array. */
#include "held_backend.h"

#include <sys/stat.h>

#include <rocksdb/c.h>

typedef struct fixture {
    char *directory; /* NULL for the memory backend */
    bool held;       /* the backend gets a change when the next one is submitted */
    mr_store *store;
} fixture;

static int setup_memory(void **state)
{
    fixture *made = calloc(1, sizeof *made);
    made->store = test_store_open(NULL);
    *state = made;
    return 0;
}

static int setup_rocksdb(void **state)
{
    fixture *made = calloc(1, sizeof *made);
    made->directory = test_directory();
    made->store = test_store_open(made->directory);
    *state = made;
    return 0;
}

static int setup_held(void **state)
{
    fixture *made = calloc(1, sizeof *made);
    made->held = true;
    held_reset(&mr_backend_memory);
    assert_int_equal(held_store_open(NULL, &made->store, NULL), MR_OK);
    *state = made;
    return 0;
}

static int teardown(void **state)
{
    fixture *made = *state;
    held_set(false);
    mr_store_close(made->store);
    if (made->directory != NULL)
        test_directory_remove(made->directory);
    free(made);
    return 0;
}

/* Closes and opens the store; one in memory goes on as it is. */
static void reopen(fixture *at)
{
    if (at->directory == NULL)
        return;
    mr_store_close(at->store);
    at->store = test_store_open(at->directory);
}

static void wait_durable(fixture *at)
{
    if (at->held)
        held_set(false);
    assert_int_equal(mr_store_wait(at->store, NULL), MR_OK);
}

static void submit_many(fixture *at, mr_batch *const *batches, size_t count)
{
    if (at->held) {
        wait_durable(at);
        held_set(true);
    }
    assert_int_equal(mr_store_submit(at->store, batches, count, NULL), MR_OK);
}

static void submit(fixture *at, mr_batch *batch)
{
    submit_many(at, &batch, 1);
}

static void put(mr_batch *batch, uint32_t table, const char *key, const char *value)
{
    assert_int_equal(mr_batch_put(batch, table, mr_span_text(key), mr_span_text(value)), MR_OK);
}

static void assert_value(mr_store *store, uint32_t table, const char *key, const char *value)
{
    mr_buffer found = {0};
    mr_status status = mr_store_get(store, table, mr_span_text(key), &found);
    if (value == NULL) {
        assert_int_equal(status, MR_NOT_FOUND);
    } else {
        assert_int_equal(status, MR_OK);
        assert_true(mr_span_equal(mr_buffer_span(&found), mr_span_text(value)));
    }
    mr_buffer_fini(&found);
}

static void a_submitted_value_is_seen_at_once_and_after_reopening(void **state)
{
    fixture *at = *state;
    mr_batch *batch = mr_batch_new(at->store);
    put(batch, 0, "key", "value");
    assert_value(at->store, 0, "key", NULL);
    submit(at, batch);
    assert_value(at->store, 0, "key", "value");
    assert_value(at->store, 1, "key", NULL);
    wait_durable(at);
    assert_value(at->store, 0, "key", "value");
    mr_batch_free(batch);
    reopen(at);
    assert_value(at->store, 0, "key", "value");
}

static void the_last_change_of_a_key_wins_within_and_across_batches(void **state)
{
    fixture *at = *state;
    mr_batch *batches[2] = {mr_batch_new(at->store), mr_batch_new(at->store)};
    put(batches[0], 0, "a", "1");
    put(batches[0], 0, "a", "2");
    put(batches[0], 0, "b", "1");
    put(batches[0], 0, "c", "1");
    assert_int_equal(mr_batch_delete(batches[0], 0, mr_span_text("b")), MR_OK);
    assert_int_equal(mr_batch_delete(batches[1], 0, mr_span_text("c")), MR_OK);
    put(batches[1], 0, "b", "3");
    submit_many(at, batches, 2);
    assert_value(at->store, 0, "a", "2");
    assert_value(at->store, 0, "b", "3");
    assert_value(at->store, 0, "c", NULL);
    reopen(at);
    assert_value(at->store, 0, "a", "2");
    assert_value(at->store, 0, "b", "3");
    assert_value(at->store, 0, "c", NULL);
    mr_batch_free(batches[0]);
    mr_batch_free(batches[1]);
}

static void a_get_appends_and_a_failed_get_leaves_the_buffer(void **state)
{
    fixture *at = *state;
    mr_batch *batch = mr_batch_new(at->store);
    put(batch, 2, "", "empty key");
    put(batch, 2, "empty value", "");
    submit(at, batch);
    mr_batch_free(batch);
    mr_buffer found = {0};
    assert_int_equal(mr_buffer_append(&found, mr_span_text("<")), MR_OK);
    assert_int_equal(mr_store_get(at->store, 2, (mr_span){0}, &found), MR_OK);
    assert_int_equal(mr_store_get(at->store, 2, mr_span_text("empty value"), &found), MR_OK);
    assert_int_equal(mr_store_get(at->store, 2, mr_span_text("none"), &found), MR_NOT_FOUND);
    assert_true(mr_span_equal(mr_buffer_span(&found), mr_span_text("<empty key")));
    mr_buffer_fini(&found);
}

static void assert_walk(mr_store *store, uint32_t table, const char *prefix, const char *from,
                        const char *expected)
{
    mr_cursor *cursor = NULL;
    assert_int_equal(
        mr_cursor_open(store, table, mr_span_text(prefix), mr_span_text(from), &cursor), MR_OK);
    char text[256] = "";
    mr_span key, value;
    mr_status status;
    while ((status = mr_cursor_next(cursor, &key, &value)) == MR_OK) {
        (void)snprintf(text + strlen(text), sizeof text - strlen(text), "%.*s=%.*s ", (int)key.size,
                       (const char *)key.data, (int)value.size, (const char *)value.data);
    }
    assert_int_equal(status, MR_NOT_FOUND);
    assert_int_equal(mr_cursor_next(cursor, &key, &value), MR_NOT_FOUND);
    mr_cursor_close(cursor);
    assert_string_equal(text, expected);
}

static void a_cursor_walks_a_prefix_in_byte_order_from_a_key(void **state)
{
    fixture *at = *state;
    mr_batch *batch = mr_batch_new(at->store);
    put(batch, 0, "b2", "4");
    put(batch, 0, "a", "1");
    put(batch, 0, "c", "6");
    put(batch, 0, "b", "2");
    submit(at, batch);
    put(batch, 0, "b1", "3");
    put(batch, 0, "b\xff", "5");
    put(batch, 1, "b11", "other");
    submit(at, batch);
    mr_batch_free(batch);
    for (int round = 0; round < 2; round++) {
        assert_walk(at->store, 0, "", "", "a=1 b=2 b1=3 b2=4 b\xff=5 c=6 ");
        assert_walk(at->store, 0, "b", "", "b=2 b1=3 b2=4 b\xff=5 ");
        assert_walk(at->store, 0, "b", "b1", "b1=3 b2=4 b\xff=5 ");
        assert_walk(at->store, 0, "b", "b10", "b2=4 b\xff=5 ");
        assert_walk(at->store, 0, "b", "a", "b=2 b1=3 b2=4 b\xff=5 ");
        assert_walk(at->store, 0, "b", "c", "");
        assert_walk(at->store, 0, "d", "", "");
        assert_walk(at->store, 0, "", "b2", "b2=4 b\xff=5 c=6 ");
        assert_walk(at->store, 2, "", "", "");
        reopen(at);
    }
}

static void a_cursor_sees_the_store_as_it_was_when_opened(void **state)
{
    fixture *at = *state;
    mr_batch *batch = mr_batch_new(at->store);
    put(batch, 0, "a", "1");
    put(batch, 0, "b", "2");
    put(batch, 0, "c", "3");
    submit(at, batch);
    mr_cursor *cursor = NULL;
    assert_int_equal(mr_cursor_open(at->store, 0, (mr_span){0}, (mr_span){0}, &cursor), MR_OK);
    mr_span key, value;
    assert_int_equal(mr_cursor_next(cursor, &key, &value), MR_OK);
    put(batch, 0, "b", "changed");
    put(batch, 0, "bb", "new");
    assert_int_equal(mr_batch_delete(batch, 0, mr_span_text("c")), MR_OK);
    submit(at, batch);
    mr_batch_free(batch);
    wait_durable(at);
    assert_true(mr_span_equal(value, mr_span_text("1")));
    assert_int_equal(mr_cursor_next(cursor, &key, &value), MR_OK);
    assert_true(mr_span_equal(value, mr_span_text("2")));
    assert_int_equal(mr_cursor_next(cursor, &key, &value), MR_OK);
    assert_true(mr_span_equal(key, mr_span_text("c")));
    assert_true(mr_span_equal(value, mr_span_text("3")));
    assert_int_equal(mr_cursor_next(cursor, &key, &value), MR_NOT_FOUND);
    mr_cursor_close(cursor);
    assert_walk(at->store, 0, "", "", "a=1 b=changed bb=new ");
}

/* The obviously right store: index 0 .. KEYS - 1 is a key, 0 means absent. */
enum { KEYS = 300 };
typedef struct model {
    uint32_t values[TEST_TABLES][KEYS];
} model;

static mr_span key_of(uint32_t index, char *text)
{
    int size = snprintf(text, 16, "%s%03u", index % 3 == 0 ? "x" : "y/", index);
    return mr_span_of(text, (size_t)size);
}

/* A value's size and bytes follow from its number. */
static mr_span value_of(uint32_t number, uint8_t *bytes)
{
    size_t size = number % 7 == 0 ? number % 2000 : number % 40;
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(number >> (8 * (i % 4)));
    return mr_span_of(bytes, size);
}

static void assert_pair(const model *expected, uint32_t table, uint32_t index, mr_store *store)
{
    char key[16];
    uint8_t bytes[2000];
    mr_buffer found = {0};
    mr_status status = mr_store_get(store, table, key_of(index, key), &found);
    uint32_t number = expected->values[table][index];
    assert_int_equal(status, number == 0 ? MR_NOT_FOUND : MR_OK);
    assert_true(number == 0 || mr_span_equal(mr_buffer_span(&found), value_of(number, bytes)));
    mr_buffer_fini(&found);
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void assert_table(const model *expected, uint32_t table, mr_store *store)
{
    char keys[KEYS][16];
    for (uint32_t i = 0; i < KEYS; i++)
        (void)key_of(i, keys[i]);
    qsort(keys, KEYS, sizeof keys[0], by_bytes);
    mr_cursor *cursor = NULL;
    assert_int_equal(mr_cursor_open(store, table, (mr_span){0}, (mr_span){0}, &cursor), MR_OK);
    for (uint32_t i = 0; i < KEYS; i++) {
        uint32_t index = (uint32_t)strtoul(keys[i] + strcspn(keys[i], "0123456789"), NULL, 10);
        uint32_t number = expected->values[table][index];
        if (number == 0)
            continue;
        mr_span key, value;
        uint8_t bytes[2000];
        assert_int_equal(mr_cursor_next(cursor, &key, &value), MR_OK);
        assert_true(mr_span_equal(key, mr_span_text(keys[i])));
        assert_true(mr_span_equal(value, value_of(number, bytes)));
    }
    mr_span key, value;
    assert_int_equal(mr_cursor_next(cursor, &key, &value), MR_NOT_FOUND);
    mr_cursor_close(cursor);
}

static void change(model *expected, mr_batch *batch, uint64_t *random)
{
    uint32_t table = test_below(random, TEST_TABLES);
    uint32_t index = test_below(random, KEYS);
    char key[16];
    uint8_t bytes[2000];
    if (test_below(random, 4) == 0) {
        assert_int_equal(mr_batch_delete(batch, table, key_of(index, key)), MR_OK);
        expected->values[table][index] = 0;
    } else {
        uint32_t number = 1 + test_below(random, 1u << 30);
        assert_int_equal(mr_batch_put(batch, table, key_of(index, key), value_of(number, bytes)),
                         MR_OK);
        expected->values[table][index] = number;
    }
}

static void random_changes_give_what_a_flat_array_holds(void **state)
{
    fixture *at = *state;
    uint64_t random = test_seed();
    model expected = {0};
    mr_batch *batches[3];
    for (size_t i = 0; i < 3; i++)
        batches[i] = mr_batch_new(at->store);
    for (uint32_t step = 0; step < 300; step++) {
        for (size_t i = 0; i < 3; i++) {
            uint32_t changes = test_below(&random, 30);
            for (uint32_t j = 0; j < changes; j++)
                change(&expected, batches[i], &random);
        }
        submit_many(at, batches, 3);
        for (uint32_t i = 0; i < 10; i++)
            assert_pair(&expected, test_below(&random, TEST_TABLES), test_below(&random, KEYS),
                        at->store);
        if (step % 10 == 0)
            assert_table(&expected, test_below(&random, TEST_TABLES), at->store);
        if (at->directory != NULL && test_below(&random, 60) == 0) {
            for (size_t i = 0; i < 3; i++)
                mr_batch_free(batches[i]);
            reopen(at);
            for (size_t i = 0; i < 3; i++)
                batches[i] = mr_batch_new(at->store);
        }
    }
    for (uint32_t table = 0; table < TEST_TABLES; table++)
        assert_table(&expected, table, at->store);
    for (size_t i = 0; i < 3; i++)
        mr_batch_free(batches[i]);
}

static void bytes_written_counts_keys_and_values(void **state)
{
    fixture *at = *state;
    mr_batch *batch = mr_batch_new(at->store);
    put(batch, 0, "four", "sixsix");
    assert_int_equal(mr_batch_delete(batch, 0, mr_span_text("xyz")), MR_OK);
    assert_int_equal(mr_store_bytes_written(at->store), 0);
    submit(at, batch);
    assert_int_equal(mr_store_bytes_written(at->store), 13);
    put(batch, 0, "gone", "gone");
    mr_batch_reset(batch);
    submit(at, batch);
    assert_int_equal(mr_store_bytes_written(at->store), 13);
    assert_value(at->store, 0, "gone", NULL);
    mr_batch_free(batch);
}

static mr_status open_status(const char *path, bool create, bool read_only, mr_error *error)
{
    mr_store_options options = {.path = path,
                                .tables = test_tables(),
                                .tables_count = TEST_TABLES,
                                .create = create,
                                .read_only = read_only};
    mr_store *store = NULL;
    mr_status status = mr_store_open(&options, &store, error);
    mr_store_close(store);
    return status;
}

static void opening_what_is_not_there_says_so(void **state)
{
    (void)state;
    char *directory = test_directory();
    char path[256];
    mr_error error = {0};
    (void)snprintf(path, sizeof path, "%s/none", directory);
    assert_int_equal(open_status(path, false, false, &error), MR_NOT_FOUND);
    assert_non_null(strstr(error.text, path));
    assert_int_equal(open_status(path, true, true, &error), MR_NOT_FOUND);
    assert_int_equal(open_status(directory, false, false, &error), MR_NOT_FOUND);
    (void)snprintf(path, sizeof path, "%s/file", directory);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    (void)fclose(file);
    assert_int_equal(open_status(path, true, false, &error), MR_IO);
    assert_non_null(strstr(error.text, path));
    assert_non_null(strstr(error.text, "is not a directory"));
    test_directory_remove(directory);
}

/* Makes a RocksDB database that no program of ours has written to, with or without a key in it. */
static void make_foreign(const char *path, bool with_key)
{
    rocksdb_options_t *options = rocksdb_options_create();
    rocksdb_options_set_create_if_missing(options, 1);
    char *text = NULL;
    rocksdb_t *db = rocksdb_open(options, path, &text);
    assert_null(text);
    rocksdb_writeoptions_t *write_options = rocksdb_writeoptions_create();
    if (with_key)
        rocksdb_put(db, write_options, "their", 5, "data", 4, &text);
    assert_null(text);
    rocksdb_writeoptions_destroy(write_options);
    rocksdb_close(db);
    rocksdb_options_destroy(options);
}

static void somebody_elses_database_is_refused(void **state)
{
    (void)state;
    char *directory = test_directory();
    make_foreign(directory, true);
    mr_error error = {0};
    assert_int_equal(open_status(directory, true, false, &error), MR_VERSION);
    assert_non_null(strstr(error.text, directory));
    test_directory_remove(directory);
}

/* A process killed while it makes a database leaves one without a key, and without a version. */
static void a_database_killed_at_its_making_is_made_again(void **state)
{
    (void)state;
    char *directory = test_directory();
    make_foreign(directory, false);
    mr_error error = {0};
    assert_int_equal(open_status(directory, false, false, &error), MR_NOT_FOUND);
    assert_int_equal(open_status(directory, true, false, &error), MR_OK);
    assert_int_equal(open_status(directory, false, false, &error), MR_OK);
    test_directory_remove(directory);
}

static void a_database_in_use_is_busy(void **state)
{
    fixture *at = *state;
    mr_error error = {0};
    assert_int_equal(open_status(at->directory, true, false, &error), MR_BUSY);
    assert_non_null(strstr(error.text, at->directory));
}

static void a_read_only_store_reads_and_refuses_to_submit(void **state)
{
    fixture *at = *state;
    mr_batch *batch = mr_batch_new(at->store);
    put(batch, 0, "key", "value");
    submit(at, batch);
    mr_batch_free(batch);
    mr_store_close(at->store);
    mr_store_options options = {.path = at->directory,
                                .tables = test_tables(),
                                .tables_count = TEST_TABLES,
                                .read_only = true};
    mr_error error = {0};
    assert_int_equal(mr_store_open(&options, &at->store, &error), MR_OK);
    assert_value(at->store, 0, "key", "value");
    assert_walk(at->store, 0, "", "", "key=value ");
    batch = mr_batch_new(at->store);
    put(batch, 0, "key", "other");
    assert_int_equal(mr_store_submit(at->store, &batch, 1, &error), MR_STATE);
    assert_value(at->store, 0, "key", "value");
    mr_batch_free(batch);
}

#define over_all(test)                                                                             \
    {#test " (memory)", test, setup_memory, teardown, NULL},                                       \
        {#test " (held)", test, setup_held, teardown, NULL},                                       \
    {                                                                                              \
#test " (rocksdb)", test, setup_rocksdb, teardown, NULL                                    \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        over_all(a_submitted_value_is_seen_at_once_and_after_reopening),
        over_all(the_last_change_of_a_key_wins_within_and_across_batches),
        over_all(a_get_appends_and_a_failed_get_leaves_the_buffer),
        over_all(a_cursor_walks_a_prefix_in_byte_order_from_a_key),
        over_all(a_cursor_sees_the_store_as_it_was_when_opened),
        over_all(random_changes_give_what_a_flat_array_holds),
        over_all(bytes_written_counts_keys_and_values),
        cmocka_unit_test(opening_what_is_not_there_says_so),
        cmocka_unit_test(somebody_elses_database_is_refused),
        cmocka_unit_test(a_database_killed_at_its_making_is_made_again),
        cmocka_unit_test_setup_teardown(a_database_in_use_is_busy, setup_rocksdb, teardown),
        cmocka_unit_test_setup_teardown(a_read_only_store_reads_and_refuses_to_submit,
                                        setup_rocksdb, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
