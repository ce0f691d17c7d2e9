/* SPDX-License-Identifier: Apache-2.0 */
/* memory_tree: an ordered map from keys to values in memory, of which old versions stay as they
 * were. Private to storage/.
 *
 * A B+ tree. Its leaves hold entries in ascending order; an inner node holds, for each child but
 * the first, a separator: an entry without a value, no greater than any key there and greater than
 * any key before. Beside each entry stand 8 bytes of its key, so that a search reads entries only
 * where these are alike: of a separator the first 8, of a key in a leaf those after `skip` bytes
 * which all keys of the leaf have in common. So keys that begin with one identifier of 32 bytes are
 * told apart by what follows it.
 *
 * Whatever a version can reach is never changed again: an edit (storage/memory_edit.h) copies the
 * nodes that it changes, once each. Which version something was made for stands in it, and what
 * is reached in several versions is reached in all from the first to the last of them; so nothing
 * has to be counted, and reading writes to nothing. */
#ifndef MR_STORAGE_MEMORY_TREE_H
#define MR_STORAGE_MEMORY_TREE_H

#include "storage/store_backend.h"

/* A leaf is 760 bytes, and copied whole by the first change of it. Its heads are 6 cache lines, of
 * which a search reads 3. A path is longer than the most levels only after more changes than a
 * store ever sees: a node splits when full. */
enum { MR_MEMORY_FANOUT = 46, MR_MEMORY_LEVELS_MAX = 16 };

/* In a node's `key_bytes`: its keys are not all of one size. */
#define MR_MEMORY_MIXED UINT32_MAX

/* What entries and nodes begin with; both are freed with free(). */
typedef struct mr_memory_object {
    uint64_t born; /* number of the first version that has it */
} mr_memory_object;

typedef struct mr_entry {
    mr_memory_object object;
    uint32_t key_bytes;
    uint32_t value_bytes;
    uint8_t bytes[]; /* the key, then the value */
} mr_entry;

typedef struct mr_memory_node {
    mr_memory_object object;
    uint32_t count;     /* of entries in a leaf, of children in an inner node; not 0 */
    uint32_t level;     /* 0 is a leaf */
    uint32_t skip;      /* of a leaf: its keys have so many first bytes in common; else 0 */
    uint32_t key_bytes; /* of a leaf: the size of each of its keys, or MR_MEMORY_MIXED */
    uint64_t heads[MR_MEMORY_FANOUT];
    mr_entry *entries[MR_MEMORY_FANOUT]; /* in an inner node NULL for the first child */
    struct mr_memory_node *children[];   /* FANOUT of them in an inner node */
} mr_memory_node;

static_assert(sizeof(mr_memory_node) <= 768, "a leaf fits its size class");

static inline mr_span mr_entry_key(const mr_entry *entry)
{
    return mr_span_of(entry->bytes, entry->key_bytes);
}

static inline mr_span mr_entry_value(const mr_entry *entry)
{
    return mr_span_of(entry->bytes + entry->key_bytes, entry->value_bytes);
}

/* mr_memory_is_less compares keys by their heads, and by themselves where these are alike. */
static inline bool mr_memory_is_less(uint64_t head, mr_span key, uint64_t than_head, mr_span than)
{
    return head != than_head ? head < than_head : mr_span_compare(key, than) < 0;
}

/* mr_memory_node_place returns the first place from `low` on whose key is not less than `key`, or
 * (after) greater; `high` if there is none before. `head` is that of the key, after the bytes that
 * the node skips, which the key has in common with the node's. */
static inline uint32_t mr_memory_node_place(const mr_memory_node *at, uint32_t low, uint32_t high,
                                            uint64_t head, mr_span key, bool after)
{
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        int order = (at->heads[middle] > head) - (at->heads[middle] < head);
        if (order == 0)
            order = mr_span_compare(mr_entry_key(at->entries[middle]), key);
        if (order < 0 || (after && order == 0))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* mr_memory_leaf_side tells where a key is to those of a leaf: before all of them (-1), after all
 * (1), or it begins as they do (0). */
static inline int mr_memory_leaf_side(const mr_memory_node *leaf, mr_span key)
{
    const size_t common = key.size < leaf->skip ? key.size : leaf->skip;
    int order = common == 0 ? 0 : memcmp(key.data, leaf->entries[0]->bytes, common);
    if (order == 0)
        return key.size < leaf->skip ? -1 : 0;
    return order < 0 ? -1 : 1;
}

/* mr_memory_leaf_head returns the head of a key that begins as those of the leaf do. */
static inline uint64_t mr_memory_leaf_head(const mr_memory_node *leaf, mr_span key)
{
    return mr_span_head(mr_span_of(key.data + leaf->skip, key.size - leaf->skip));
}

/* mr_memory_leaf_says_all tells whether a key that begins as those of the leaf do is in it if its
 * head is: so no entry has to be read to find it. */
static inline bool mr_memory_leaf_says_all(const mr_memory_node *leaf, mr_span key)
{
    return leaf->key_bytes == key.size && key.size <= leaf->skip + sizeof leaf->heads[0];
}

/* mr_memory_leaf_is_at tells whether place i of a leaf has this key, which begins as its keys do.
 */
static inline bool mr_memory_leaf_is_at(const mr_memory_node *leaf, uint32_t i, uint64_t head,
                                        mr_span key)
{
    return i < leaf->count && leaf->heads[i] == head &&
           (mr_memory_leaf_says_all(leaf, key) ||
            mr_span_equal(mr_entry_key(leaf->entries[i]), key));
}

/* mr_memory_tree_find returns the entry of `key`, NULL when there is none. `root` is NULL for an
 * empty tree, here and below. */
const mr_entry *mr_memory_tree_find(const mr_memory_node *root, mr_span key);

/* mr_memory_tree_free frees what a tree reaches and what was born in version `born` or later, and
 * returns how many objects that were. */
size_t mr_memory_tree_free(mr_memory_node *root, uint64_t born);

/* A way through the entries of a tree, in ascending order. */
typedef struct mr_memory_walk {
    uint32_t levels; /* 0: at the end */
    struct {
        const mr_memory_node *at;
        uint32_t place; /* of the next entry, or of the child that the way is in */
    } path[MR_MEMORY_LEVELS_MAX];
} mr_memory_walk;

/* mr_memory_walk_from begins at the first key that is not less than `from`. */
void mr_memory_walk_from(mr_memory_walk *walk, const mr_memory_node *root, mr_span from);

/* mr_memory_walk_next returns the next entry, NULL at the end. */
const mr_entry *mr_memory_walk_next(mr_memory_walk *walk);

#endif
