/* SPDX-License-Identifier: Apache-2.0 */
/* The memory backend: per table an ordered map that can be kept as it was at no cost.
 *
 * The map is a treap whose nodes are counted. Whoever holds a root sees that version for good: the
 * writer changes a node in place only when nobody else can reach it, and copies it otherwise. A
 * node's place in the heap order is drawn from a counter, so that no choice of keys makes the tree
 * deep. */
#include "storage/store_backend.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/assert.h"

typedef struct node node;
struct node {
    atomic_uint references;
    uint32_t key_bytes;
    uint64_t priority; /* distinct for every node made, kept by copies */
    node *left;
    node *right;
    uint8_t *value; /* own allocation, may be NULL when empty */
    uint32_t value_bytes;
    uint8_t key[];
};

struct mr_backend {
    uint64_t nodes_made;  /* the writer's */
    pthread_mutex_t lock; /* guards the pointers in `roots`, not the nodes */
    uint32_t tables_count;
    node *roots[];
};

enum { DEPTH_MAX = 256 }; /* of a treap with any number of keys memory can hold; see `push` */

struct mr_backend_cursor {
    node *root; /* counted */
    size_t path_count;
    node *path[DEPTH_MAX]; /* nodes still to visit, next one last */
    uint32_t prefix_bytes;
    uint8_t prefix[];
};

static int compare(mr_span key, const node *at)
{
    return mr_span_compare(key, mr_span_of(at->key, at->key_bytes));
}

/* Spreads a count over 64 bits. Source: Steele, Lea, Flood, "Fast splittable pseudorandom number
 * generators" (2014). */
static uint64_t mix(uint64_t count)
{
    uint64_t bits = count * 0x9e3779b97f4a7c15u;
    bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9u;
    bits = (bits ^ (bits >> 27)) * 0x94d049bb133111ebu;
    return bits ^ (bits >> 31);
}

static node *keep(node *at)
{
    if (at != NULL)
        atomic_fetch_add_explicit(&at->references, 1, memory_order_relaxed);
    return at;
}

static void drop(node *at)
{
    while (at != NULL && atomic_fetch_sub_explicit(&at->references, 1, memory_order_acq_rel) == 1) {
        node *right = at->right;
        drop(at->left);
        free(at->value);
        free(at);
        at = right;
    }
}

static bool set_value(node *at, mr_span value)
{
    uint8_t *copy = NULL;
    if (value.size > 0) {
        copy = malloc(value.size);
        if (copy == NULL)
            return false;
        memcpy(copy, value.data, value.size);
    }
    free(at->value);
    at->value = copy;
    at->value_bytes = (uint32_t)value.size;
    return true;
}

static node *node_new(mr_span key, mr_span value, uint64_t priority)
{
    node *made = calloc(1, sizeof *made + key.size);
    if (made == NULL)
        return NULL;
    atomic_init(&made->references, 1);
    made->priority = priority;
    made->key_bytes = (uint32_t)key.size;
    if (key.size > 0)
        memcpy(made->key, key.data, key.size);
    if (!set_value(made, value)) {
        free(made);
        return NULL;
    }
    return made;
}

/* Makes *slot a node that only this tree reaches. False when out of memory. */
static bool own(node **slot)
{
    node *at = *slot;
    if (atomic_load_explicit(&at->references, memory_order_acquire) == 1)
        return true;
    node *copy = node_new(mr_span_of(at->key, at->key_bytes),
                          mr_span_of(at->value, at->value_bytes), at->priority);
    if (copy == NULL)
        return false;
    copy->left = keep(at->left);
    copy->right = keep(at->right);
    drop(at);
    *slot = copy;
    return true;
}

static bool put(node **slot, mr_span key, mr_span value, uint64_t priority)
{
    if (*slot == NULL) {
        *slot = node_new(key, value, priority);
        return *slot != NULL;
    }
    if (!own(slot))
        return false;
    node *at = *slot;
    int order = compare(key, at);
    if (order == 0)
        return set_value(at, value);
    node **side = order < 0 ? &at->left : &at->right;
    if (!put(side, key, value, priority))
        return false;
    node *child = *side;
    if (child->priority > at->priority) {
        node **inner = order < 0 ? &child->right : &child->left;
        *side = *inner;
        *inner = at;
        *slot = child;
    }
    return true;
}

/* Joins two subtrees of which all keys of `left` are smaller. On failure both stay reachable from
 * *slot or have been dropped with it; the whole change is abandoned then. */
static bool join(node *left, node *right, node **slot)
{
    if (left == NULL || right == NULL) {
        *slot = left == NULL ? right : left;
        return true;
    }
    bool left_first = left->priority > right->priority;
    *slot = left_first ? left : right;
    if (!own(slot)) {
        drop(left_first ? right : left);
        return false;
    }
    if (left_first)
        return join((*slot)->right, right, &(*slot)->right);
    return join(left, (*slot)->left, &(*slot)->left);
}

static bool erase(node **slot, mr_span key)
{
    if (*slot == NULL)
        return true;
    if (!own(slot))
        return false;
    node *at = *slot;
    int order = compare(key, at);
    if (order < 0)
        return erase(&at->left, key);
    if (order > 0)
        return erase(&at->right, key);
    node *left = at->left;
    node *right = at->right;
    at->left = NULL;
    at->right = NULL;
    drop(at);
    return join(left, right, slot);
}

static const node *find(const node *at, mr_span key)
{
    while (at != NULL) {
        int order = compare(key, at);
        if (order == 0)
            return at;
        at = order < 0 ? at->left : at->right;
    }
    return NULL;
}

static node *root_keep(mr_backend *backend, uint32_t table)
{
    pthread_mutex_lock(&backend->lock);
    node *root = keep(backend->roots[table]);
    pthread_mutex_unlock(&backend->lock);
    return root;
}

static mr_status memory_open(const mr_store_options *options, mr_backend **out, mr_error *error)
{
    mr_backend *backend = calloc(1, sizeof *backend + options->tables_count * sizeof(node *));
    if (backend == NULL)
        return MR_FAIL(error, MR_NO_MEMORY, "out of memory for a store");
    pthread_mutex_init(&backend->lock, NULL);
    backend->tables_count = options->tables_count;
    *out = backend;
    return MR_OK;
}

static void memory_close(mr_backend *backend)
{
    for (uint32_t table = 0; table < backend->tables_count; table++)
        drop(backend->roots[table]);
    pthread_mutex_destroy(&backend->lock);
    free(backend);
}

static mr_status memory_get(mr_backend *backend, uint32_t table, mr_span key, mr_buffer *value)
{
    node *root = root_keep(backend, table);
    const node *found = find(root, key);
    mr_status status = MR_NOT_FOUND;
    if (found != NULL)
        status = mr_buffer_append(value, mr_span_of(found->value, found->value_bytes));
    drop(root);
    return status;
}

/* Works on versions of its own, which replace the current roots at the end: all or nothing, and
 * readers never wait for the work. */
static mr_status memory_apply(mr_backend *backend, mr_change_source *changes, mr_error *error)
{
    node **roots = calloc(backend->tables_count, sizeof(node *));
    if (roots == NULL)
        return MR_FAIL(error, MR_NO_MEMORY, "out of memory for a change of a store");
    for (uint32_t table = 0; table < backend->tables_count; table++)
        roots[table] = root_keep(backend, table);
    bool done = true;
    mr_change change;
    while (done && changes->next(changes, &change)) {
        node **root = &roots[change.table];
        done = change.present ? put(root, change.key, change.value, mix(++backend->nodes_made))
                              : erase(root, change.key);
    }
    pthread_mutex_lock(&backend->lock);
    for (uint32_t table = 0; done && table < backend->tables_count; table++) {
        node *old = backend->roots[table];
        backend->roots[table] = roots[table];
        roots[table] = old;
    }
    pthread_mutex_unlock(&backend->lock);
    for (uint32_t table = 0; table < backend->tables_count; table++)
        drop(roots[table]);
    free(roots);
    if (!done)
        return MR_FAIL(error, MR_NO_MEMORY, "out of memory for a change of a store");
    return MR_OK;
}

/* A treap of n keys is deeper than 5 log2 n with vanishing probability. */
static bool push(mr_backend_cursor *cursor, node *at)
{
    if (cursor->path_count == DEPTH_MAX)
        return false;
    cursor->path[cursor->path_count++] = at;
    return true;
}

static void memory_cursor_close(mr_backend_cursor *cursor)
{
    drop(cursor->root);
    free(cursor);
}

static mr_status memory_cursor_open(mr_backend *backend, uint32_t table, mr_span prefix,
                                    mr_span from, mr_backend_cursor **out)
{
    mr_backend_cursor *cursor = malloc(sizeof *cursor + prefix.size);
    if (cursor == NULL)
        return MR_NO_MEMORY;
    cursor->root = root_keep(backend, table);
    cursor->path_count = 0;
    cursor->prefix_bytes = (uint32_t)prefix.size;
    if (prefix.size > 0)
        memcpy(cursor->prefix, prefix.data, prefix.size);
    mr_span start = mr_span_compare(prefix, from) > 0 ? prefix : from;
    node *at = cursor->root;
    while (at != NULL) {
        bool after = compare(start, at) > 0;
        if (!after && !push(cursor, at)) {
            memory_cursor_close(cursor);
            return MR_LIMIT;
        }
        at = after ? at->right : at->left;
    }
    *out = cursor;
    return MR_OK;
}

static mr_status memory_cursor_next(mr_backend_cursor *cursor, mr_span *key, mr_span *value)
{
    if (cursor->path_count == 0)
        return MR_NOT_FOUND;
    node *next = cursor->path[--cursor->path_count];
    if (next->key_bytes < cursor->prefix_bytes ||
        memcmp(next->key, cursor->prefix, cursor->prefix_bytes) != 0) {
        cursor->path_count = 0;
        return MR_NOT_FOUND;
    }
    for (node *at = next->right; at != NULL; at = at->left) {
        if (!push(cursor, at))
            return MR_LIMIT;
    }
    *key = mr_span_of(next->key, next->key_bytes);
    *value = mr_span_of(next->value, next->value_bytes);
    return MR_OK;
}

const mr_backend_ops mr_backend_memory = {
    .direct = true,
    .open = memory_open,
    .close = memory_close,
    .get = memory_get,
    .apply = memory_apply,
    .cursor_open = memory_cursor_open,
    .cursor_next = memory_cursor_next,
    .cursor_close = memory_cursor_close,
};
