/* SPDX-License-Identifier: Apache-2.0 */
/* Question: what does a change of the state tree cost, and what a change of a program's units?
 *
 * Expected, on one core at 20 ns a digest: a changed key of a tree of n keys of which k change
 * takes 1 leaf digest and about log2(n / k) + 1.4 node digests, and about 150 ns of sorting and
 * copying tiles; a changed unit of a dense set likewise, and 30 ns. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "storage/tree.h"

static uint64_t random_state = 1;

static uint64_t next_random(void)
{
    uint64_t bits = random_state += 0x9e3779b97f4a7c15u;
    bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9u;
    bits = (bits ^ (bits >> 27)) * 0x94d049bb133111ebu;
    return bits ^ (bits >> 31);
}

static mr_hash random_hash(void)
{
    mr_hash hash;
    for (size_t i = 0; i < 4; i++)
        mr_store_le64(hash.bytes + 8 * i, next_random());
    return hash;
}

static int by_number(const void *a, const void *b)
{
    double left = *(const double *)a;
    double right = *(const double *)b;
    return (left > right) - (left < right);
}

/* Sorts the samples: the first is the best, which on a machine that does other things as well
 * tells more than the middle. */
static void sort(double *samples, size_t count)
{
    qsort(samples, count, sizeof *samples, by_number);
}

static void need(mr_status status)
{
    if (status == MR_OK)
        return;
    fprintf(stderr, "bench_tree: %s\n", mr_status_text(status));
    exit(1);
}

static void bench_tree(size_t keys_count, size_t changes_count)
{
    if (changes_count > keys_count)
        return;
    static const char *const tables[] = {"tree"};
    mr_store_options options = {.tables = tables, .tables_count = 1};
    mr_store *store;
    need(mr_store_open(&options, &store, NULL));
    mr_batch *batch = mr_batch_new(store);
    mr_tree *tree;
    need(mr_tree_open(store, 0, &tree, NULL));
    mr_hash *keys = malloc(keys_count * sizeof *keys);
    mr_tree_change *changes = malloc(keys_count * sizeof *changes);
    for (size_t i = 0; i < keys_count; i++) {
        keys[i] = random_hash();
        changes[i] = (mr_tree_change){.key = keys[i], .leaf = random_hash(), .present = true};
    }
    need(mr_tree_update(tree, changes, keys_count, NULL, NULL));
    need(mr_tree_write(tree, batch));
    need(mr_store_submit(store, &batch, 1, NULL));

    enum { ROUNDS = 15 };
    double update[ROUNDS], write[ROUNDS];
    uint64_t bytes = mr_store_bytes_written(store);
    for (size_t round = 0; round < ROUNDS; round++) {
        /* A random choice without repetition: a stride that shares no factor with the count. */
        size_t start = next_random() % keys_count;
        size_t stride = 7919;
        for (size_t i = 0; i < changes_count; i++)
            changes[i] = (mr_tree_change){.key = keys[(start + i * stride) % keys_count],
                                          .leaf = random_hash(),
                                          .present = true};
        uint64_t t0 = mr_clock_ns();
        need(mr_tree_update(tree, changes, changes_count, NULL, NULL));
        uint64_t t1 = mr_clock_ns();
        need(mr_tree_write(tree, batch));
        uint64_t t2 = mr_clock_ns();
        update[round] = (double)(t1 - t0) / (double)changes_count;
        write[round] = (double)(t2 - t1) / (double)changes_count;
        need(mr_store_submit(store, &batch, 1, NULL));
    }
    bytes = mr_store_bytes_written(store) - bytes;
    sort(update, ROUNDS);
    sort(write, ROUNDS);
    printf("{\"bench\": \"tree\", \"keys\": %zu, \"changes\": %zu, \"update_ns\": %.0f, "
           "\"update_ns_median\": %.0f, \"write_ns_median\": %.0f, \"bytes\": %.0f}\n",
           keys_count, changes_count, update[0], update[ROUNDS / 2], write[ROUNDS / 2],
           (double)bytes / (double)(changes_count * ROUNDS));
    free(keys);
    free(changes);
    mr_tree_free(tree);
    mr_batch_free(batch);
    mr_store_close(store);
}

/* Sets `changes` units out of `units` in each of many sets, and takes the roots, 16 at a time. */
static void bench_unit_tree(uint32_t units, uint32_t changes)
{
    enum { ROUNDS = 15 };
    uint32_t sets = 200000 / (units + 20) + 1;
    mr_unit_tree **trees = malloc(sets * sizeof *trees);
    size_t bytes = 0;
    for (uint32_t i = 0; i < sets; i++) {
        trees[i] = mr_unit_tree_new();
        for (uint32_t unit = 0; unit < units; unit++)
            need(mr_unit_tree_set(trees[i], unit, &(mr_hash){{(uint8_t)unit}}));
        (void)mr_unit_tree_root(trees[i]);
        bytes += mr_unit_tree_bytes(trees[i]);
    }
    double cost[ROUNDS];
    enum { TOGETHER = 16 };
    mr_hash roots[TOGETHER];
    for (uint32_t round = 0; round < ROUNDS; round++) {
        mr_hash leaf = random_hash();
        uint64_t t0 = mr_clock_ns();
        for (uint32_t first = 0; first < sets; first += TOGETHER) {
            uint32_t end = first + TOGETHER < sets ? first + TOGETHER : sets;
            for (uint32_t i = first; i < end; i++) {
                for (uint32_t j = 0; j < changes; j++)
                    need(mr_unit_tree_set(trees[i], (round * 37 + j * 7919u) % units, &leaf));
            }
            mr_unit_tree_roots(trees + first, end - first, roots);
        }
        cost[round] = (double)(mr_clock_ns() - t0) / ((double)sets * changes);
    }
    sort(cost, ROUNDS);
    printf("{\"bench\": \"unit_tree\", \"units\": %u, \"changes\": %u, \"unit_ns\": %.0f, "
           "\"unit_ns_median\": %.0f, \"bytes_per_unit\": %.0f}\n",
           units, changes, cost[0], cost[ROUNDS / 2], (double)bytes / ((double)sets * units));
    for (uint32_t i = 0; i < sets; i++)
        mr_unit_tree_free(trees[i]);
    free(trees);
}

int main(void)
{
    static const size_t sizes[] = {1000, 100000, 1000000};
    for (size_t i = 0; i < 3; i++) {
        bench_tree(sizes[i], 100);
        bench_tree(sizes[i], 100000);
    }
    bench_unit_tree(1, 1);
    bench_unit_tree(128, 100);
    bench_unit_tree(8192, 200);
    bench_unit_tree(8192, 8192);
    return 0;
}
