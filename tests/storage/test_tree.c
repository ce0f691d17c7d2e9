/* SPDX-License-Identifier: Apache-2.0 */
/* mr-test: label=model timeout=300 */
/* Goal: the root depends on the set alone, survives reopening, and proofs hold for it only.
 * Method: random sequences against the recursive reference, over both backends. Keys come from a
 * small pool, some of which share long prefixes, so that splits at every depth happen. */
#include "support.h"

#include "reference_tree.h"
#include "storage/tree.h"

enum { POOL = 3000 };

typedef struct fixture {
    char *directory; /* NULL for the memory backend */
    mr_store *store;
    mr_batch *batch;
    mr_tree *tree;
    uint64_t random;
    mr_hash keys[POOL];
    mr_hash leaves[POOL];
    bool present[POOL];
} fixture;

static mr_hash random_hash(uint64_t *random)
{
    mr_hash hash;
    for (size_t i = 0; i < 4; i++)
        mr_store_le64(hash.bytes + 8 * i, test_random(random));
    return hash;
}

static void open_tree(fixture *at)
{
    mr_error error = {0};
    at->batch = mr_batch_new(at->store);
    if (mr_tree_open(at->store, 1, &at->tree, &error) != MR_OK)
        fail_msg("%s", error.text);
}

static void fill_pool(fixture *at)
{
    at->random = test_seed();
    for (size_t i = 0; i < POOL; i++) {
        at->keys[i] = random_hash(&at->random);
        if (i % 16 != 0 || i == 0)
            continue;
        /* A neighbour of an earlier key, differing first in a random bit. */
        uint32_t bit = test_below(&at->random, 256);
        mr_hash near = at->keys[test_below(&at->random, (uint32_t)i)];
        near.bytes[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
        bool taken = false;
        for (size_t j = 0; j < i; j++)
            taken |= mr_hash_equal(&at->keys[j], &near);
        if (!taken)
            at->keys[i] = near;
    }
}

static int setup(void **state, char *directory)
{
    fixture *made = calloc(1, sizeof *made);
    made->directory = directory;
    made->store = test_store_open(directory);
    open_tree(made);
    fill_pool(made);
    *state = made;
    return 0;
}

static int setup_memory(void **state)
{
    return setup(state, NULL);
}
static int setup_rocksdb(void **state)
{
    return setup(state, test_directory());
}

static int teardown(void **state)
{
    fixture *made = *state;
    mr_batch_free(made->batch);
    mr_tree_free(made->tree);
    mr_store_close(made->store);
    if (made->directory != NULL)
        test_directory_remove(made->directory);
    free(made);
    return 0;
}

static void reopen(fixture *at)
{
    mr_batch_free(at->batch);
    mr_tree_free(at->tree);
    if (at->directory != NULL) {
        mr_store_close(at->store);
        at->store = test_store_open(at->directory);
    }
    open_tree(at);
}

static mr_hash expected_root(const fixture *at)
{
    reference_leaf *leaves = malloc(POOL * sizeof *leaves);
    size_t count = 0;
    for (size_t i = 0; i < POOL; i++) {
        if (at->present[i])
            leaves[count++] = (reference_leaf){.key = at->keys[i], .leaf = at->leaves[i]};
    }
    mr_hash root = reference_root(leaves, count, 0);
    free(leaves);
    return root;
}

static void assert_root(const fixture *at)
{
    mr_hash expected = expected_root(at);
    mr_hash root = mr_tree_root(at->tree);
    assert_memory_equal(root.bytes, expected.bytes, 32);
}

static void update(fixture *at, mr_tree_change *changes, size_t count, const mr_parallel *parallel)
{
    mr_error error = {0};
    if (mr_tree_update(at->tree, changes, count, parallel, &error) != MR_OK)
        fail_msg("%s", error.text);
}

/* Changes `count` distinct keys of the pool, removing about `remove_percent` of them. */
static void change_some(fixture *at, size_t count, uint32_t remove_percent,
                        const mr_parallel *parallel)
{
    mr_tree_change *changes = malloc((count + 1) * sizeof *changes);
    uint32_t start = test_below(&at->random, POOL);
    uint32_t stride = 1;
    do
        stride = 1 + test_below(&at->random, POOL - 1);
    while (stride % 2 == 0 || stride % 3 == 0 || stride % 5 == 0);
    for (size_t i = 0; i < count; i++) {
        size_t index = (start + i * stride) % POOL;
        at->present[index] = test_below(&at->random, 100) >= remove_percent;
        at->leaves[index] = random_hash(&at->random);
        changes[i] = (mr_tree_change){
            .key = at->keys[index], .leaf = at->leaves[index], .present = at->present[index]};
    }
    update(at, changes, count, parallel);
    free(changes);
}

static void write_tree(fixture *at)
{
    assert_int_equal(mr_tree_write(at->tree, at->batch), MR_OK);
    test_submit(at->store, at->batch);
}

static void the_empty_tree_has_the_zero_root(void **state)
{
    fixture *at = *state;
    mr_hash root = mr_tree_root(at->tree);
    assert_memory_equal(root.bytes, (mr_hash){0}.bytes, 32);
    change_some(at, 10, 0, NULL);
    change_some(at, 10, 0, NULL);
    write_tree(at);
    mr_tree_change changes[POOL];
    for (size_t i = 0; i < POOL; i++)
        changes[i] = (mr_tree_change){.key = at->keys[i]};
    update(at, changes, POOL, NULL);
    root = mr_tree_root(at->tree);
    assert_memory_equal(root.bytes, (mr_hash){0}.bytes, 32);
    write_tree(at);
    reopen(at);
    root = mr_tree_root(at->tree);
    assert_memory_equal(root.bytes, (mr_hash){0}.bytes, 32);
}

static void random_changes_give_the_reference_root(void **state)
{
    fixture *at = *state;
    test_threads threads;
    test_threads_init(&threads, 3);
    for (uint32_t step = 0; step < 120; step++) {
        uint32_t size = test_below(&at->random, 10) == 0 ? POOL : 40;
        uint32_t remove_percent = step / 20 % 2 == 0 ? 10 : 80;
        const mr_parallel *parallel = test_below(&at->random, 2) == 0 ? NULL : &threads.parallel;
        change_some(at, test_below(&at->random, size), remove_percent, parallel);
        assert_root(at);
        if (test_below(&at->random, 3) != 0)
            write_tree(at);
        if (test_below(&at->random, 12) == 0) {
            write_tree(at);
            reopen(at);
            assert_root(at);
        }
    }
}

/* The same with a cache that holds nearly nothing: every write stores all tiles and forgets the
 * clean ones, so that updates, reverts and proofs read them back. */
static void random_changes_with_hardly_any_cache_give_the_reference_root(void **state)
{
    fixture *at = *state;
    test_threads threads;
    test_threads_init(&threads, 3);
    mr_tree_set_cache(at->tree, 20000);
    for (uint32_t step = 0; step < 150; step++) {
        uint32_t size = test_below(&at->random, 10) == 0 ? POOL : 40;
        uint32_t remove_percent = step / 20 % 2 == 0 ? 10 : 80;
        const mr_parallel *parallel = test_below(&at->random, 2) == 0 ? NULL : &threads.parallel;
        change_some(at, test_below(&at->random, size), remove_percent, parallel);
        assert_root(at);
        if (test_below(&at->random, 3) != 0) {
            write_tree(at);
            const mr_hash *key = &at->keys[test_below(&at->random, POOL)];
            mr_hash root = mr_tree_root(at->tree);
            mr_tree_proof proof;
            assert_int_equal(mr_tree_prove(at->tree, key, &proof, NULL), MR_OK);
            assert_true(mr_tree_verify(&proof, &root));
            mr_tree_change stray = {.key = random_hash(&at->random), .present = true};
            update(at, &stray, 1, NULL);
            assert_int_equal(mr_tree_prove(at->tree, key, &proof, NULL), MR_OK);
            assert_true(mr_tree_verify(&proof, &(mr_hash[]){mr_tree_root(at->tree)}[0]));
            mr_tree_revert(at->tree);
            assert_root(at);
        }
        if (test_below(&at->random, 30) == 0) {
            write_tree(at);
            reopen(at);
            mr_tree_set_cache(at->tree, 20000);
            assert_root(at);
        }
    }
}

/* Puts one bit of one stored value wrong; whatever it is, nobody may be told a wrong root. */
static void a_damaged_table_is_noticed(void **state)
{
    fixture *at = *state;
    mr_tree_set_cache(at->tree, 20000);
    change_some(at, 2000, 0, NULL);
    write_tree(at);
    mr_hash flushed = mr_tree_root(at->tree);
    mr_tree_set_cache(at->tree, 100 << 20);
    change_some(at, 50, 0, NULL);
    write_tree(at);
    mr_hash root = mr_tree_root(at->tree);
    assert_memory_not_equal(flushed.bytes, root.bytes, 32);
    uint32_t noticed = 0;
    for (uint32_t step = 0; step < 200; step++) {
        mr_cursor *cursor = NULL;
        mr_span key, value;
        mr_span from = mr_span_of("t\xff", test_below(&at->random, 3));
        assert_int_equal(mr_cursor_open(at->store, 1, (mr_span){0}, from, &cursor), MR_OK);
        for (uint32_t i = test_below(&at->random, step % 4 == 0 ? 3 : 200); true; i--) {
            mr_status status = mr_cursor_next(cursor, &key, &value);
            if (status != MR_OK)
                break;
            if (i > 0)
                continue;
            uint8_t *damaged = malloc(value.size);
            memcpy(damaged, value.data, value.size);
            damaged[test_below(&at->random, (uint32_t)value.size)] ^=
                (uint8_t)(1u << test_below(&at->random, 8));
            size_t size = value.size - (step % 5 == 0 ? test_below(&at->random, 9) : 0);
            mr_batch *good = mr_batch_new(at->store);
            assert_int_equal(mr_batch_put(good, 1, key, value), MR_OK);
            assert_int_equal(mr_batch_put(at->batch, 1, key, mr_span_of(damaged, size)), MR_OK);
            free(damaged);
            mr_cursor_close(cursor);
            cursor = NULL;
            test_submit(at->store, at->batch);
            mr_tree *tree = NULL;
            mr_error error = {0};
            mr_status opened = mr_tree_open(at->store, 1, &tree, &error);
            mr_status proved = MR_OK;
            for (size_t j = 0; opened == MR_OK && proved == MR_OK && j < POOL; j++) {
                mr_tree_proof proof;
                mr_hash now = mr_tree_root(tree);
                assert_memory_equal(now.bytes, root.bytes, 32);
                proved = mr_tree_prove(tree, &at->keys[j], &proof, &error);
                assert_true(proved != MR_OK || mr_tree_verify(&proof, &root));
            }
            mr_tree_free(tree);
            assert_true(opened == MR_OK || opened == MR_CORRUPT || opened == MR_VERSION);
            assert_true(proved == MR_OK || proved == MR_CORRUPT);
            noticed += opened != MR_OK || proved != MR_OK;
            test_submit(at->store, good);
            mr_batch_free(good);
            break;
        }
        mr_cursor_close(cursor);
    }
    assert_true(noticed > 100);
}

static void another_format_is_refused_with_both_versions_named(void **state)
{
    fixture *at = *state;
    change_some(at, 10, 0, NULL);
    write_tree(at);
    mr_buffer head = {0};
    assert_int_equal(mr_store_get(at->store, 1, mr_span_text("h"), &head), MR_OK);
    mr_store_le32(head.data, 7);
    assert_int_equal(mr_batch_put(at->batch, 1, mr_span_text("h"), mr_buffer_span(&head)), MR_OK);
    test_submit(at->store, at->batch);
    mr_buffer_fini(&head);
    mr_tree *tree = NULL;
    mr_error error = {0};
    assert_int_equal(mr_tree_open(at->store, 1, &tree, &error), MR_VERSION);
    assert_non_null(strstr(error.text, "format 7"));
    assert_non_null(strstr(error.text, "format 1"));
}

static void order_and_history_leave_no_trace_in_the_root(void **state)
{
    fixture *at = *state;
    change_some(at, 500, 0, NULL);
    mr_hash once = mr_tree_root(at->tree);
    /* Something else comes and goes, in several updates. */
    mr_tree_change changes[400];
    for (size_t i = 0; i < 400; i++)
        changes[i] = (mr_tree_change){
            .key = random_hash(&at->random), .leaf = random_hash(&at->random), .present = true};
    update(at, changes, 200, NULL);
    write_tree(at);
    update(at, changes + 200, 200, NULL);
    for (size_t i = 0; i < 400; i++)
        changes[i].present = false;
    update(at, changes + 100, 300, NULL);
    write_tree(at);
    update(at, changes, 100, NULL);
    mr_hash after = mr_tree_root(at->tree);
    assert_memory_equal(once.bytes, after.bytes, 32);
    assert_root(at);
}

static void revert_returns_to_the_last_write(void **state)
{
    fixture *at = *state;
    test_threads threads;
    test_threads_init(&threads, 4);
    bool *present = malloc(sizeof at->present);
    mr_hash *leaves = malloc(sizeof at->leaves);
    for (uint32_t step = 0; step < 30; step++) {
        change_some(at, test_below(&at->random, 600), 20, NULL);
        write_tree(at);
        mr_hash before = mr_tree_root(at->tree);
        memcpy(present, at->present, sizeof at->present);
        memcpy(leaves, at->leaves, sizeof at->leaves);
        uint32_t updates = test_below(&at->random, 3);
        for (uint32_t i = 0; i <= updates; i++)
            change_some(at, test_below(&at->random, 600), 60, &threads.parallel);
        mr_tree_revert(at->tree);
        memcpy(at->present, present, sizeof at->present);
        memcpy(at->leaves, leaves, sizeof at->leaves);
        mr_hash after = mr_tree_root(at->tree);
        assert_memory_equal(before.bytes, after.bytes, 32);
        if (step % 10 == 9)
            reopen(at);
        assert_root(at);
    }
    free(present);
    free(leaves);
}

static void changes_without_a_write_are_gone_after_reopening(void **state)
{
    fixture *at = *state;
    change_some(at, 300, 0, NULL);
    write_tree(at);
    mr_hash before = mr_tree_root(at->tree);
    mr_tree_change stray = {.key = random_hash(&at->random), .present = true};
    update(at, &stray, 1, NULL);
    reopen(at);
    mr_hash after = mr_tree_root(at->tree);
    assert_memory_equal(before.bytes, after.bytes, 32);
}

static void proofs_tell_what_is_in_the_tree_and_what_is_not(void **state)
{
    fixture *at = *state;
    mr_tree_proof proof;
    mr_error error;
    assert_int_equal(mr_tree_prove(at->tree, &at->keys[0], &proof, &error), MR_OK);
    mr_hash root = mr_tree_root(at->tree);
    assert_true(proof.empty && !proof.present && mr_tree_verify(&proof, &root));
    change_some(at, POOL / 2, 10, NULL);
    write_tree(at);
    reopen(at);
    root = mr_tree_root(at->tree);
    for (size_t i = 0; i < POOL; i++) {
        assert_int_equal(mr_tree_prove(at->tree, &at->keys[i], &proof, &error), MR_OK);
        assert_memory_equal(proof.key.bytes, at->keys[i].bytes, 32);
        assert_int_equal(proof.present, at->present[i]);
        if (proof.present)
            assert_memory_equal(proof.found_leaf.bytes, at->leaves[i].bytes, 32);
        assert_true(mr_tree_verify(&proof, &root));
    }
}

/* What a block that is not to be kept does: a tree of its own over a view. */
static void a_tree_over_a_snapshot_is_that_of_its_time(void **state)
{
    fixture *at = *state;
    change_some(at, 500, 10, NULL);
    write_tree(at);
    const mr_hash root = mr_tree_root(at->tree);
    mr_snapshot *snapshot = NULL;
    mr_store *view = NULL;
    assert_int_equal(mr_store_snapshot(at->store, &snapshot), MR_OK);
    assert_int_equal(mr_store_open_view(snapshot, &view), MR_OK);
    mr_snapshot_put(snapshot);
    bool *present = memcpy(malloc(sizeof at->present), at->present, sizeof at->present);
    for (int i = 0; i < 5; i++) {
        change_some(at, 300, 50, NULL);
        write_tree(at);
    }
    mr_tree *old = NULL;
    mr_error error = {0};
    assert_int_equal(mr_tree_open(view, 1, &old, &error), MR_OK);
    mr_hash found = mr_tree_root(old);
    assert_memory_equal(found.bytes, root.bytes, 32);
    for (size_t i = 0; i < POOL; i++) {
        mr_tree_proof proof;
        assert_int_equal(mr_tree_prove(old, &at->keys[i], &proof, &error), MR_OK);
        assert_int_equal(proof.present, present[i]);
        assert_true(mr_tree_verify(&proof, &root));
    }
    mr_tree_change change = {.key = at->keys[0], .leaf = random_hash(&at->random), .present = true};
    assert_int_equal(mr_tree_update(old, &change, 1, NULL, &error), MR_OK);
    found = mr_tree_root(old);
    assert_memory_not_equal(found.bytes, root.bytes, 32);
    mr_tree_revert(old);
    found = mr_tree_root(old);
    assert_memory_equal(found.bytes, root.bytes, 32);
    mr_tree_free(old);
    mr_store_close(view);
    free(present);
    assert_root(at);
}

static void a_proof_with_any_field_changed_is_refused(void **state)
{
    fixture *at = *state;
    change_some(at, POOL / 2, 0, NULL);
    mr_hash root = mr_tree_root(at->tree);
    for (uint32_t i = 0; i < 3000; i++) {
        mr_tree_proof proof;
        const mr_hash *key = &at->keys[test_below(&at->random, POOL)];
        assert_int_equal(mr_tree_prove(at->tree, key, &proof, NULL), MR_OK);
        assert_true(proof.steps_count > 0);
        uint32_t step = test_below(&at->random, proof.steps_count);
        uint8_t mask = (uint8_t)(1u << test_below(&at->random, 8));
        uint32_t byte = test_below(&at->random, 32);
        switch (test_below(&at->random, 8)) {
        case 0:
            proof.present = !proof.present;
            break;
        case 1:
            proof.found_key.bytes[byte] ^= mask;
            break;
        case 2:
            proof.found_leaf.bytes[byte] ^= mask;
            break;
        case 3:
            proof.step_sibling[step].bytes[byte] ^= mask;
            break;
        case 4:
            proof.step_depth[step] ^= mask;
            break;
        case 5:
            proof.steps_count--;
            break;
        case 6:
            proof.steps_count = 257 + test_below(&at->random, 100000);
            break;
        default:
            proof.empty = true;
            break;
        }
        assert_false(mr_tree_verify(&proof, &root));
    }
}

static void random_bytes_are_no_proof(void **state)
{
    fixture *at = *state;
    mr_tree_proof proof;
    for (uint32_t i = 0; i < 2000; i++) {
        for (size_t j = 0; j < sizeof proof; j++)
            ((uint8_t *)&proof)[j] = (uint8_t)test_random(&at->random);
        proof.present = i % 2 == 0;
        proof.empty = i % 5 == 0;
        proof.steps_count = test_below(&at->random, 300);
        mr_hash root = random_hash(&at->random);
        assert_false(mr_tree_verify(&proof, &root));
    }
}

#define over_both(test)                                                                            \
    {#test " (memory)", test, setup_memory, teardown, NULL},                                       \
    {                                                                                              \
#test " (rocksdb)", test, setup_rocksdb, teardown, NULL                                    \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        over_both(the_empty_tree_has_the_zero_root),
        over_both(random_changes_give_the_reference_root),
        over_both(random_changes_with_hardly_any_cache_give_the_reference_root),
        over_both(a_damaged_table_is_noticed),
        over_both(another_format_is_refused_with_both_versions_named),
        over_both(order_and_history_leave_no_trace_in_the_root),
        over_both(revert_returns_to_the_last_write),
        over_both(changes_without_a_write_are_gone_after_reopening),
        over_both(proofs_tell_what_is_in_the_tree_and_what_is_not),
        over_both(a_tree_over_a_snapshot_is_that_of_its_time),
        cmocka_unit_test_setup_teardown(a_proof_with_any_field_changed_is_refused, setup_memory,
                                        teardown),
        cmocka_unit_test_setup_teardown(random_bytes_are_no_proof, setup_memory, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
