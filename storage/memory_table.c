/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/memory_table.h"

#include <stdlib.h>

#include "base/assert.h"

/* A node's heads are 8 cache lines, of which a search reads 3. A path is that long only after more
 * keys than memory holds: a root splits when it is full. */
enum { FANOUT = 64, DEPTH_MAX = 16 };

struct mr_memory_node {
    uint32_t count; /* of entries in a leaf, of children in an inner node; not 0 */
    bool leaf;
    uint64_t heads[FANOUT];
    mr_entry *entries[FANOUT];  /* counted; NULL for the first child */
    mr_memory_node *children[]; /* FANOUT of them in an inner node */
};

typedef mr_memory_node node;

/* ---- Entries ---- */

mr_entry *mr_entry_get(mr_entry *entry)
{
    atomic_fetch_add_explicit(&entry->references, 1, memory_order_relaxed);
    return entry;
}

void mr_entry_put(mr_entry *entry)
{
    if (entry == NULL)
        return;
    if (atomic_fetch_sub_explicit(&entry->references, 1, memory_order_acq_rel) == 1)
        free(entry);
}

static mr_entry *entry_new(mr_span key, mr_span value)
{
    mr_entry *entry = malloc(sizeof *entry + key.size + value.size);
    if (entry == NULL)
        return NULL;
    atomic_init(&entry->references, 1);
    entry->key_bytes = (uint32_t)key.size;
    entry->value_bytes = (uint32_t)value.size;
    if (key.size > 0)
        memcpy(entry->bytes, key.data, key.size);
    if (value.size > 0)
        memcpy(entry->bytes + key.size, value.data, value.size);
    return entry;
}

/* ---- Nodes ---- */

static node *node_new(bool leaf)
{
    node *made = malloc(sizeof *made + (leaf ? 0 : FANOUT * sizeof made->children[0]));
    if (made == NULL)
        return NULL;
    made->count = 0;
    made->leaf = leaf;
    return made;
}

static void node_free(node *at)
{
    for (uint32_t i = 0; i < at->count; i++) {
        mr_entry_put(at->entries[i]);
        if (!at->leaf)
            node_free(at->children[i]);
    }
    free(at);
}

void mr_memory_table_fini(mr_memory_table *table)
{
    if (table->root != NULL)
        node_free(table->root);
    table->root = NULL;
}

/* The first place from `low` on whose key is not less than `key`, or (after) greater. */
static uint32_t position(const node *at, uint32_t low, uint64_t head, mr_span key, bool after)
{
    uint32_t high = at->count;
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

static uint32_t child_of(const node *at, uint64_t head, mr_span key)
{
    return position(at, 1, head, key, true) - 1;
}

static bool is_at(const node *leaf, uint32_t i, uint64_t head, mr_span key)
{
    return i < leaf->count && leaf->heads[i] == head &&
           mr_span_equal(mr_entry_key(leaf->entries[i]), key);
}

const mr_entry *mr_memory_table_find(const mr_memory_table *table, mr_span key)
{
    const uint64_t head = mr_span_head(key);
    const node *at = table->root;
    if (at == NULL)
        return NULL;
    while (!at->leaf)
        at = at->children[child_of(at, head, key)];
    uint32_t i = position(at, 0, head, key, false);
    return is_at(at, i, head, key) ? at->entries[i] : NULL;
}

/* Moves items from `from` on to the empty node `to`. */
static void move_items(node *at, uint32_t from, node *to)
{
    to->count = at->count - from;
    memcpy(to->heads, at->heads + from, to->count * sizeof to->heads[0]);
    memcpy(to->entries, at->entries + from, to->count * sizeof to->entries[0]);
    if (!at->leaf)
        memcpy(to->children, at->children + from, to->count * sizeof to->children[0]);
    at->count = from;
}

/* Makes place i of a node that is not full free; its owner fills it. */
static void open_place(node *at, uint32_t i)
{
    uint32_t after = at->count - i;
    memmove(at->heads + i + 1, at->heads + i, after * sizeof at->heads[0]);
    memmove(at->entries + i + 1, at->entries + i, after * sizeof at->entries[0]);
    if (!at->leaf)
        memmove(at->children + i + 1, at->children + i, after * sizeof at->children[0]);
    at->count++;
}

static void close_place(node *at, uint32_t i)
{
    uint32_t after = at->count - i - 1;
    memmove(at->heads + i, at->heads + i + 1, after * sizeof at->heads[0]);
    memmove(at->entries + i, at->entries + i + 1, after * sizeof at->entries[0]);
    if (!at->leaf)
        memmove(at->children + i, at->children + i + 1, after * sizeof at->children[0]);
    at->count--;
}

/* ---- Changes ---- */

/* Divides child i of a node that is not full, in the middle or, when `key` comes last, at the end:
 * keys that come in order fill their leaves. */
static bool split(node *parent, uint32_t i, uint64_t head, mr_span key)
{
    node *left = parent->children[i];
    node *right = node_new(left->leaf);
    if (right == NULL)
        return false;
    bool last = position(left, left->leaf ? 0 : 1, head, key, true) == left->count;
    move_items(left, last ? FANOUT - 1 : FANOUT / 2, right);
    open_place(parent, i + 1);
    parent->heads[i + 1] = right->heads[0];
    parent->entries[i + 1] = right->entries[0];
    parent->children[i + 1] = right;
    if (right->leaf)
        (void)mr_entry_get(right->entries[0]);
    else
        right->entries[0] = NULL;
    return true;
}

/* A full root gets one above it, with the old one as its only child. */
static bool grow_root(mr_memory_table *table)
{
    bool first = table->root == NULL;
    if (!first && table->root->count < FANOUT)
        return true;
    node *root = node_new(first);
    if (root == NULL)
        return false;
    if (!first) {
        root->count = 1;
        root->heads[0] = 0;
        root->entries[0] = NULL;
        root->children[0] = table->root;
    }
    table->root = root;
    return true;
}

/* Splits full nodes on the way down, so that there is room for what a split below adds. */
static node *find_room(mr_memory_table *table, uint64_t head, mr_span key)
{
    if (!grow_root(table))
        return NULL;
    node *at = table->root;
    while (!at->leaf) {
        uint32_t i = child_of(at, head, key);
        if (at->children[i]->count == FANOUT) {
            if (!split(at, i, head, key))
                return NULL;
            i = child_of(at, head, key);
        }
        at = at->children[i];
    }
    return at;
}

mr_status mr_memory_table_put(mr_memory_table *table, mr_span key, mr_span value)
{
    const uint64_t head = mr_span_head(key);
    mr_entry *entry = entry_new(key, value);
    if (entry == NULL)
        return MR_NO_MEMORY;
    node *leaf = find_room(table, head, key);
    if (leaf == NULL) {
        mr_entry_put(entry);
        return MR_NO_MEMORY;
    }
    uint32_t i = position(leaf, 0, head, key, false);
    if (is_at(leaf, i, head, key))
        mr_entry_put(leaf->entries[i]);
    else
        open_place(leaf, i);
    leaf->heads[i] = head;
    leaf->entries[i] = entry;
    return MR_OK;
}

/* Takes child i out of a node, and what separates it from the one before. */
static void remove_child(node *at, uint32_t i)
{
    free(at->children[i]);
    mr_entry_put(at->entries[i]);
    close_place(at, i);
    if (i == 0 && at->count > 0) {
        mr_entry_put(at->entries[0]);
        at->entries[0] = NULL;
    }
}

/* Nodes without items go, and roots with one child. Others are not filled up from their neighbours:
 * what shrinks here grows again, or goes away whole as a queue does. */
void mr_memory_table_remove(mr_memory_table *table, mr_span key)
{
    const uint64_t head = mr_span_head(key);
    struct {
        node *at;
        uint32_t child;
    } path[DEPTH_MAX];
    uint32_t depth = 0;
    node *at = table->root;
    if (at == NULL)
        return;
    while (!at->leaf) {
        MR_ASSERT(depth < DEPTH_MAX);
        path[depth].at = at;
        path[depth].child = child_of(at, head, key);
        at = at->children[path[depth++].child];
    }
    uint32_t i = position(at, 0, head, key, false);
    if (!is_at(at, i, head, key))
        return;
    mr_entry_put(at->entries[i]);
    close_place(at, i);
    while (at->count == 0 && depth > 0) {
        at = path[--depth].at;
        remove_child(at, path[depth].child);
    }
    while (!table->root->leaf && table->root->count == 1) {
        node *root = table->root;
        table->root = root->children[0];
        free(root);
    }
    if (table->root->count == 0) {
        free(table->root);
        table->root = NULL;
    }
}

/* ---- Walking ---- */

static bool walk(const node *at, uint64_t head, mr_span from, mr_memory_visit *visit, void *arg)
{
    if (at->leaf) {
        for (uint32_t i = position(at, 0, head, from, false); i < at->count; i++) {
            if (!visit(arg, at->entries[i]))
                return false;
        }
        return true;
    }
    for (uint32_t i = child_of(at, head, from); i < at->count; i++) {
        if (!walk(at->children[i], head, from, visit, arg))
            return false;
    }
    return true;
}

void mr_memory_table_walk(const mr_memory_table *table, mr_span from, mr_memory_visit *visit,
                          void *arg)
{
    if (table->root != NULL)
        (void)walk(table->root, mr_span_head(from), from, visit, arg);
}
