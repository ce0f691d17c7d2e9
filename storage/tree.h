/* SPDX-License-Identifier: Apache-2.0 */
/* tree: the state tree. A set of (key, leaf) pairs, both 32-byte digests, committed to by one root
 * that depends on the set alone: not on the order of changes, not on history, not on threads.
 *
 * Shape: a binary Merkle trie over the bits of the keys, most significant first, in which a node
 * with a single occupied side does not exist. Hence leaf = P(MR_HASH_LEAF, key, leaf), inner node =
 * P(depth, left, right), with depth the index of the bit it branches on and P as in
 * storage/hash.h; the empty tree has the root of 32 zero bytes. Callers hash their own keys first,
 * so that the trie stays balanced.
 *
 * The tree lives in one table of a store and is read lazily: what is not near a change is not in
 * memory beyond a bounded cache. */
#ifndef MR_STORAGE_TREE_H
#define MR_STORAGE_TREE_H

#include "base/parallel.h"
#include "storage/hash.h"
#include "storage/store.h"

typedef struct mr_tree mr_tree;

typedef struct mr_tree_change {
    mr_hash key;
    mr_hash leaf; /* ignored when `present` is false */
    bool present; /* false removes the key; removing an absent key changes nothing */
} mr_tree_change;

/* mr_tree_open takes up the tree kept in `table` of `store`, empty if the table is.
 * Errors: MR_CORRUPT; MR_IO; MR_NO_MEMORY. Owns: the caller frees *out; `store` must outlive it. */
mr_status mr_tree_open(mr_store *store, uint32_t table, mr_tree **out, mr_error *error);
void mr_tree_free(mr_tree *tree);

/* mr_tree_set_cache bounds the memory of the tree's nodes to about `bytes`, 256 MiB unless set; a
 * single update may exceed it until it is written. */
void mr_tree_set_cache(mr_tree *tree, size_t bytes);

/* mr_tree_root returns the current root, pending changes included. */
mr_hash mr_tree_root(const mr_tree *tree);

/* mr_tree_update applies the changes, whose keys are distinct and in any order, spreading the
 * hashing over `parallel` (may be NULL). May reorder the array. The changes are pending until
 * mr_tree_write or mr_tree_revert. Costs O(changes * log(size)).
 * Errors: MR_IO; MR_CORRUPT; MR_NO_MEMORY; then the tree is as before. */
mr_status mr_tree_update(mr_tree *tree, mr_tree_change *changes, size_t changes_count,
                         const mr_parallel *parallel, mr_error *error);

/* mr_tree_write adds what changed since the last write to `batch` and makes it final.
 * Errors: MR_NO_MEMORY; the changes stay pending. */
mr_status mr_tree_write(mr_tree *tree, mr_batch *batch);

/* mr_tree_revert forgets everything since the last write: same root as then. */
void mr_tree_revert(mr_tree *tree);

/* A proof that a key has a leaf, or that it has none. */
typedef struct mr_tree_proof {
    mr_hash key; /* the key asked for */
    bool present;
    bool empty;        /* the tree is empty; nothing below counts */
    mr_hash found_key; /* leaf at the end of the path; equals `key` when present */
    mr_hash found_leaf;
    uint32_t steps_count;      /* 0 .. 256, from the leaf upwards */
    uint8_t step_depth[256];   /* bit index of each inner node on the path */
    mr_hash step_sibling[256]; /* the other side of each */
} mr_tree_proof;

/* mr_tree_prove fills a proof for `key` against mr_tree_root. Errors: MR_IO; MR_CORRUPT. */
mr_status mr_tree_prove(mr_tree *tree, const mr_hash *key, mr_tree_proof *out, mr_error *error);

/* mr_tree_verify tells whether `proof` holds against `root`. Any bytes are accepted. */
bool mr_tree_verify(const mr_tree_proof *proof, const mr_hash *root);

/* ---- The same trie over 32-bit keys, kept whole in memory: one program's memory units. ---- */

/* The root of a set is that of a tree whose keys are the index as 4 big-endian bytes and 28 zero
 * bytes. A set of one costs no allocation beyond this struct. */
typedef struct mr_unit_tree mr_unit_tree;

mr_unit_tree *mr_unit_tree_new(void);
void mr_unit_tree_free(mr_unit_tree *tree);
void mr_unit_tree_clear(mr_unit_tree *tree); /* makes it that of no unit */

/* mr_unit_tree_set gives `index` the content hash `leaf`, NULL removes it. O(log size) amortised;
 * inner hashes are left stale until mr_unit_tree_root. Errors: MR_NO_MEMORY, tree unchanged. */
mr_status mr_unit_tree_set(mr_unit_tree *tree, uint32_t index, const mr_hash *leaf);

/* mr_unit_tree_root brings stale hashes up to date, each once, and returns the root. */
mr_hash mr_unit_tree_root(mr_unit_tree *tree);

/* mr_unit_tree_roots puts the root of each of `count` different sets into roots[i]. Faster than one
 * by one when many sets have one unit, whose digests are then computed side by side. */
void mr_unit_tree_roots(mr_unit_tree *const *trees, size_t count, mr_hash *roots);

/* mr_unit_tree_bytes returns the memory the tree holds, itself included. */
size_t mr_unit_tree_bytes(const mr_unit_tree *tree);

#endif
