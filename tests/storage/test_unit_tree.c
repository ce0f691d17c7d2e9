/* SPDX-License-Identifier: Apache-2.0 */
/* mr-test: label=model timeout=120 */
/* Goal: the root of a set of units is that of the tree over their widened keys, whatever the
 * history. Method: random sequences over dense, sparse and clustered indices against the recursive
 * reference. */
#include "support.h"

#include "reference_tree.h"
#include "storage/tree.h"

enum { POOL = 2000 };

typedef struct fixture {
    mr_unit_tree *tree;
    uint64_t random;
    uint32_t indices[POOL];
    mr_hash leaves[POOL];
    bool present[POOL];
} fixture;

static int setup(void **state)
{
    fixture *made = calloc(1, sizeof *made);
    made->tree = mr_unit_tree_new();
    made->random = test_seed();
    *state = made;
    return 0;
}

static int teardown(void **state)
{
    fixture *made = *state;
    mr_unit_tree_free(made->tree);
    free(made);
    return 0;
}

static mr_hash random_hash(uint64_t *random)
{
    mr_hash hash;
    for (size_t i = 0; i < 4; i++)
        mr_store_le64(hash.bytes + 8 * i, test_random(random));
    return hash;
}

static void assert_root(fixture *at)
{
    reference_leaf *leaves = calloc(POOL, sizeof *leaves);
    size_t count = 0;
    for (size_t i = 0; i < POOL; i++) {
        if (!at->present[i])
            continue;
        mr_store_be32(leaves[count].key.bytes, at->indices[i]);
        leaves[count++].leaf = at->leaves[i];
    }
    mr_hash expected = reference_root(leaves, count, 0);
    free(leaves);
    mr_hash root = mr_unit_tree_root(at->tree);
    assert_memory_equal(root.bytes, expected.bytes, 32);
}

static void set(fixture *at, size_t place, bool present)
{
    at->present[place] = present;
    at->leaves[place] = random_hash(&at->random);
    assert_int_equal(
        mr_unit_tree_set(at->tree, at->indices[place], present ? &at->leaves[place] : NULL), MR_OK);
}

/* Grows, changes, shrinks to nothing, grows again and is cleared, comparing roots on the way. */
static void live(fixture *at)
{
    for (uint32_t step = 0; step < 160; step++) {
        uint32_t changes = 1 + test_below(&at->random, step % 7 == 0 ? 800 : 12);
        uint32_t remove_percent = step / 40 % 2 == 0 ? 10 : 85;
        for (uint32_t i = 0; i < changes; i++)
            set(at, test_below(&at->random, POOL), test_below(&at->random, 100) >= remove_percent);
        assert_root(at);
    }
    for (size_t i = 0; i < POOL; i++)
        set(at, i, false);
    assert_root(at);
    set(at, 7, true);
    assert_root(at);
    for (uint32_t i = 0; i < POOL; i += 3)
        set(at, i, true);
    mr_unit_tree_clear(at->tree);
    memset(at->present, 0, sizeof at->present);
    assert_root(at);
    for (uint32_t i = 0; i < POOL; i += 5)
        set(at, i, true);
    assert_root(at);
}

static void dense_units_give_the_reference_root(void **state)
{
    fixture *at = *state;
    for (uint32_t i = 0; i < POOL; i++)
        at->indices[i] = i;
    live(at);
}

static void scattered_units_give_the_reference_root(void **state)
{
    fixture *at = *state;
    for (uint32_t i = 0; i < POOL; i++)
        at->indices[i] = i * 2654435761u; /* odd: distinct, all over the range */
    live(at);
}

static void clustered_units_give_the_reference_root(void **state)
{
    fixture *at = *state;
    for (uint32_t i = 0; i < POOL; i++)
        at->indices[i] = (i / 20) * 0x01010101u * 2 + i % 20;
    at->indices[0] = UINT32_MAX;
    live(at);
}

/* Here and there one change at a time, with roots in between, so that most of the tree is clean. */
static void single_changes_between_roots_give_the_reference_root(void **state)
{
    fixture *at = *state;
    for (uint32_t i = 0; i < POOL; i++)
        at->indices[i] = i % 3 == 0 ? i : i * 2654435761u;
    for (uint32_t step = 0; step < 6000; step++) {
        /* The pool in use swells and shrinks, so that every size from none to some is met often. */
        uint32_t pool = 2 + step / 100 % 12;
        set(at, test_below(&at->random, pool), test_below(&at->random, 2) == 0);
        assert_root(at);
    }
    for (uint32_t step = 0; step < 200; step++) {
        set(at, test_below(&at->random, POOL), test_below(&at->random, 5) != 0);
        assert_root(at);
    }
}

static void removing_all_but_an_unchanged_cluster_gives_its_root(void **state)
{
    fixture *at = *state;
    for (uint32_t i = 0; i < 3; i++)
        at->indices[i] = i;
    at->indices[3] = 1000;
    for (uint32_t i = 0; i < 4; i++)
        set(at, i, true);
    assert_root(at);
    set(at, 3, false);
    assert_root(at);
}

static void a_set_of_one_is_its_leaf(void **state)
{
    fixture *at = *state;
    assert_root(at);
    assert_int_equal(mr_unit_tree_set(at->tree, 12, NULL), MR_OK);
    assert_root(at);
    at->indices[5] = 12345;
    set(at, 5, true);
    assert_root(at);
    assert_root(at);
    set(at, 5, true);
    assert_root(at);
    size_t bytes = mr_unit_tree_bytes(at->tree);
    assert_true(bytes <= 64);
    set(at, 5, false);
    assert_root(at);
}

static void roots_of_many_sets_are_those_of_each(void **state)
{
    fixture *at = *state;
    enum { SETS = 150 };
    mr_unit_tree *trees[2][SETS];
    for (uint32_t i = 0; i < SETS; i++) {
        trees[0][i] = mr_unit_tree_new();
        trees[1][i] = mr_unit_tree_new();
    }
    for (uint32_t step = 0; step < 50; step++) {
        for (uint32_t i = 0; i < SETS; i++) {
            uint32_t changes = test_below(&at->random, i % 10 == 0 ? 30 : 2);
            for (uint32_t j = 0; j < changes; j++) {
                uint32_t unit = test_below(&at->random, i % 10 == 0 ? 100 : 1);
                mr_hash leaf = random_hash(&at->random);
                const mr_hash *given = test_below(&at->random, 4) == 0 ? NULL : &leaf;
                assert_int_equal(mr_unit_tree_set(trees[0][i], unit, given), MR_OK);
                assert_int_equal(mr_unit_tree_set(trees[1][i], unit, given), MR_OK);
            }
        }
        mr_hash roots[SETS];
        mr_unit_tree_roots(trees[0], SETS, roots);
        for (uint32_t i = 0; i < SETS; i++) {
            mr_hash root = mr_unit_tree_root(trees[1][i]);
            assert_memory_equal(root.bytes, roots[i].bytes, 32);
        }
    }
    for (uint32_t i = 0; i < SETS; i++) {
        mr_unit_tree_free(trees[0][i]);
        mr_unit_tree_free(trees[1][i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_set_of_one_is_its_leaf, setup, teardown),
        cmocka_unit_test_setup_teardown(single_changes_between_roots_give_the_reference_root, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(removing_all_but_an_unchanged_cluster_gives_its_root, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(roots_of_many_sets_are_those_of_each, setup, teardown),
        cmocka_unit_test_setup_teardown(dense_units_give_the_reference_root, setup, teardown),
        cmocka_unit_test_setup_teardown(scattered_units_give_the_reference_root, setup, teardown),
        cmocka_unit_test_setup_teardown(clustered_units_give_the_reference_root, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
