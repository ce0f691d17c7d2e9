/* SPDX-License-Identifier: Apache-2.0 */
/* A radix tree of 16 ways per node over the index, without nodes that have one entry (except at
 * the bottom). A node of level 0 holds units, a node of level n nodes of lower levels; either holds
 * the digests of its entries and of the binary trie over them, 16 ways being four bits:
 *
 *    entries, by their number in the node      0   1       5       12
 *    digests of the trie between neighbours      0     1       2
 *
 * The digest in gap i belongs to the trie's node that separates entries i and i + 1. In a node with
 * room for all ways an entry's number is its way; a smaller one holds only what is occupied. What
 * has become stale is a set of ways, occupied or not; a digest is out of date if there is a stale
 * way below it. */
#include <stdlib.h>

#include "base/assert.h"
#include "storage/hash.h"
#include "storage/tree.h"

enum {
    WAYS = 16,
    WAY_BITS = 4,
    JOBS_MAX = 64,
    LEVEL_MAX = 7,
};

typedef struct node {
    uint32_t first;   /* index of the first unit it could hold */
    uint8_t level;    /* 0 .. LEVEL_MAX: a way is 16 to the power of `level` units wide */
    uint8_t capacity; /* of the arrays behind: 1, 2, 4, 8 or 16 */
    uint16_t present; /* bit w: way w is occupied */
    uint16_t stale;
    uint16_t raw;                  /* level 0: the entry's digest is still the caller's leaf */
    _Alignas(8) mr_hash digests[]; /* as pointers follow */
    /* then capacity - 1 digests of gaps and, above level 0, capacity pointers to nodes */
} node;

typedef enum tree_state { EMPTY, ONE, MANY } tree_state;

struct mr_unit_tree {
    mr_hash digest; /* ONE: of the unit, or its leaf while `raw`; MANY: the root, while no way of
                       the top is stale */
    node *top;      /* MANY */
    uint64_t nodes_bytes;
    uint32_t index; /* ONE: of the unit */
    uint8_t state;  /* tree_state */
    bool raw;       /* ONE */
};

static_assert(sizeof(struct mr_unit_tree) <= 64, "most programs have one unit: keep this small");

/* ---- Nodes ---- */

static size_t node_bytes(uint32_t level, uint32_t capacity)
{
    return sizeof(node) + (2 * (size_t)capacity - 1) * sizeof(mr_hash) +
           (level > 0 ? capacity * sizeof(node *) : 0);
}

static mr_hash *gaps_of(node *at)
{
    return at->digests + at->capacity;
}
static node **children_of(node *at)
{
    return (node **)(gaps_of(at) + at->capacity - 1);
}

static uint32_t way_of(const node *at, uint32_t index)
{
    return index >> (WAY_BITS * at->level) & (WAYS - 1);
}

static bool covers(const node *at, uint32_t index)
{
    uint64_t bits = (uint64_t)WAY_BITS * (at->level + 1u);
    return ((uint64_t)(index ^ at->first) >> bits) == 0;
}

static bool has(const node *at, uint32_t way)
{
    return (at->present >> way & 1) != 0;
}

/* The number of bits set. Without a table this is a library call on the x86-64 we build for. */
static uint32_t bits_set(uint32_t ways)
{
#define TWO(n)  (n), (n) + 1, (n) + 1, (n) + 2
#define FOUR(n) TWO(n), TWO((n) + 1), TWO((n) + 1), TWO((n) + 2)
#define SIX(n)  FOUR(n), FOUR((n) + 1), FOUR((n) + 1), FOUR((n) + 2)
    static const uint8_t table[256] = {SIX(0), SIX(1), SIX(1), SIX(2)};
    return (uint32_t)table[ways & 255] + table[ways >> 8];
}

/* Number of a way's entry, present or not. */
static uint32_t entry_of(const node *at, uint32_t way)
{
    return at->capacity == WAYS ? way : bits_set(at->present & ((1u << way) - 1));
}

/* Number of the gap between the ways before `way` and those from there on. */
static uint32_t gap_before(const node *at, uint32_t way)
{
    return entry_of(at, way) - 1;
}

static uint32_t entries_count(const node *at)
{
    return bits_set(at->present);
}

static node *node_new(mr_unit_tree *tree, uint32_t level, uint32_t index, uint32_t capacity)
{
    node *made = malloc(node_bytes(level, capacity));
    if (made == NULL)
        return NULL;
    uint32_t bits = WAY_BITS * (level + 1);
    uint32_t first = bits >= 32 ? 0 : index >> bits << bits;
    *made = (node){.first = first, .level = (uint8_t)level, .capacity = (uint8_t)capacity};
    tree->nodes_bytes += node_bytes(level, capacity);
    return made;
}

static void node_free(mr_unit_tree *tree, node *at)
{
    tree->nodes_bytes -= node_bytes(at->level, at->capacity);
    free(at);
}

/* Moves a node to one of another capacity, where everything is stale if that changes the numbers
 * of entries. Returns NULL, and leaves it, when out of memory. */
static node *resize(mr_unit_tree *tree, node *at, uint32_t capacity)
{
    node *made = node_new(tree, at->level, at->first, capacity);
    if (made == NULL)
        return NULL;
    made->present = at->present;
    made->stale = at->stale;
    made->raw = at->raw;
    uint32_t count = 0;
    for (uint32_t left = at->present; left != 0; left &= left - 1, count++) {
        uint32_t way = (uint32_t)__builtin_ctz(left);
        made->digests[entry_of(made, way)] = at->digests[entry_of(at, way)];
        if (at->level > 0)
            children_of(made)[entry_of(made, way)] = children_of(at)[entry_of(at, way)];
    }
    if (capacity == WAYS || at->capacity == WAYS)
        made->stale = UINT16_MAX;
    else if (count > 1)
        memcpy(gaps_of(made), gaps_of(at), (count - 1) * sizeof(mr_hash));
    node_free(tree, at);
    return made;
}

/* Makes room for an entry at `way` and marks it stale. Gaps beside a new entry belong to nodes of
 * the trie above it, which are all stale; those further on keep their digests. The node must have
 * a free place. Returns the entry's number. */
static uint32_t insert(node *at, uint32_t way)
{
    uint32_t entry = entry_of(at, way);
    MR_ASSERT(!has(at, way));
    if (at->capacity < WAYS) {
        uint32_t after = entries_count(at) - entry;
        MR_ASSERT(entry + after < at->capacity);
        memmove(at->digests + entry + 1, at->digests + entry, after * sizeof(mr_hash));
        if (after > 1)
            memmove(gaps_of(at) + entry + 1, gaps_of(at) + entry, (after - 1) * sizeof(mr_hash));
        if (at->level > 0)
            memmove(children_of(at) + entry + 1, children_of(at) + entry, after * sizeof(node *));
    }
    at->present |= (uint16_t)(1u << way);
    at->stale |= (uint16_t)(1u << way);
    return entry;
}

static void erase(node *at, uint32_t way)
{
    if (at->capacity < WAYS) {
        uint32_t entry = entry_of(at, way);
        uint32_t after = entries_count(at) - entry - 1;
        memmove(at->digests + entry, at->digests + entry + 1, after * sizeof(mr_hash));
        if (after > 1)
            memmove(gaps_of(at) + entry, gaps_of(at) + entry + 1, (after - 1) * sizeof(mr_hash));
        if (at->level > 0)
            memmove(children_of(at) + entry, children_of(at) + entry + 1, after * sizeof(node *));
    }
    at->present &= (uint16_t) ~(1u << way);
    at->raw &= (uint16_t) ~(1u << way);
    at->stale |= (uint16_t)(1u << way);
}

/* ---- Setting ---- */

static node *unit_node_new(mr_unit_tree *tree, uint32_t index, const mr_hash *leaf, bool raw)
{
    node *made = node_new(tree, 0, index, 1);
    if (made == NULL)
        return NULL;
    made->digests[insert(made, way_of(made, index))] = *leaf;
    made->raw = raw ? made->present : 0;
    return made;
}

/* Puts a node above *slot that has room for the unit beside it. */
static mr_status fork_at(mr_unit_tree *tree, node **slot, uint32_t index, const mr_hash *leaf)
{
    node *old = *slot;
    uint32_t level = (31 - (uint32_t)__builtin_clz(index ^ old->first)) / WAY_BITS;
    node *fork = node_new(tree, level, index, 2);
    node *unit = unit_node_new(tree, index, leaf, true);
    if (fork == NULL || unit == NULL) {
        if (fork != NULL)
            node_free(tree, fork);
        if (unit != NULL)
            node_free(tree, unit);
        return MR_NO_MEMORY;
    }
    children_of(fork)[insert(fork, way_of(fork, old->first))] = old;
    children_of(fork)[insert(fork, way_of(fork, index))] = unit;
    *slot = fork;
    return MR_OK;
}

/* Makes sure that a node has room for one more entry. */
static mr_status make_room(mr_unit_tree *tree, node **slot)
{
    node *at = *slot;
    if (at->capacity == WAYS || entries_count(at) < at->capacity)
        return MR_OK;
    node *grown = resize(tree, at, 2u * at->capacity);
    if (grown == NULL)
        return MR_NO_MEMORY;
    *slot = grown;
    return MR_OK;
}

static mr_status set_in(mr_unit_tree *tree, node **slot, uint32_t index, const mr_hash *leaf)
{
    for (;;) {
        if (!covers(*slot, index))
            return fork_at(tree, slot, index, leaf);
        uint32_t way = way_of(*slot, index);
        bool found = has(*slot, way);
        if (!found)
            MR_TRY(make_room(tree, slot));
        node *at = *slot;
        if (at->level == 0) {
            uint32_t entry = found ? entry_of(at, way) : insert(at, way);
            at->digests[entry] = *leaf;
            at->raw |= (uint16_t)(1u << way);
            at->stale |= (uint16_t)(1u << way);
            return MR_OK;
        }
        if (!found) {
            node *unit = unit_node_new(tree, index, leaf, true);
            if (unit == NULL)
                return MR_NO_MEMORY;
            children_of(at)[insert(at, way)] = unit;
            return MR_OK;
        }
        at->stale |= (uint16_t)(1u << way);
        slot = &children_of(at)[entry_of(at, way)];
    }
}

/* Gives back half of a node's room when a quarter is enough. Failing to is no harm. */
static void shrink(mr_unit_tree *tree, node **slot)
{
    node *at = *slot;
    if (entries_count(at) > at->capacity / 4u)
        return;
    node *made = resize(tree, at, at->capacity / 2u);
    if (made != NULL)
        *slot = made;
}

/* Removes the unit; nodes on the way that are left with one child are replaced by it. */
static void remove_in(mr_unit_tree *tree, node **slot, uint32_t index)
{
    node *at = *slot;
    if (!covers(at, index) || !has(at, way_of(at, index)))
        return;
    uint32_t way = way_of(at, index);
    if (at->level == 0) {
        erase(at, way);
        if (at->present == 0) {
            node_free(tree, at);
            *slot = NULL;
        } else {
            shrink(tree, slot);
        }
        return;
    }
    at->stale |= (uint16_t)(1u << way);
    node **child = &children_of(at)[entry_of(at, way)];
    remove_in(tree, child, index);
    if (*child != NULL)
        return;
    erase(at, way);
    if (entries_count(at) == 1) {
        node *only = children_of(at)[entry_of(at, (uint32_t)__builtin_ctz(at->present))];
        /* Something has changed here, even though `only` has not; if it is the top now, it is the
         * place where the root's staleness is looked up. */
        only->stale |= (uint16_t)(only->present & -only->present);
        node_free(tree, at);
        *slot = only;
    } else {
        shrink(tree, slot);
    }
}

/* Back to the form without nodes when one unit is left. */
static void settle(mr_unit_tree *tree)
{
    node *top = tree->top;
    if (top == NULL) {
        tree->state = EMPTY;
        return;
    }
    if (top->level > 0 || entries_count(top) > 1)
        return;
    uint32_t way = (uint32_t)__builtin_ctz(top->present);
    tree->state = ONE;
    tree->index = top->first + way;
    tree->digest = top->digests[entry_of(top, way)];
    tree->raw = top->raw != 0;
    node_free(tree, top);
    tree->top = NULL;
}

static mr_status set_second(mr_unit_tree *tree, uint32_t index, const mr_hash *leaf)
{
    node *top = unit_node_new(tree, tree->index, &tree->digest, tree->raw);
    if (top == NULL)
        return MR_NO_MEMORY;
    mr_status status = set_in(tree, &top, index, leaf);
    if (status != MR_OK) {
        node_free(tree, top);
        return status;
    }
    tree->top = top;
    tree->state = MANY;
    return MR_OK;
}

mr_status mr_unit_tree_set(mr_unit_tree *tree, uint32_t index, const mr_hash *leaf)
{
    if (tree->state == MANY) {
        if (leaf != NULL)
            return set_in(tree, &tree->top, index, leaf);
        remove_in(tree, &tree->top, index);
        settle(tree);
        return MR_OK;
    }
    bool found = tree->state == ONE && tree->index == index;
    if (leaf == NULL) {
        tree->state = (uint8_t)(found ? EMPTY : tree->state);
        return MR_OK;
    }
    if (tree->state == ONE && !found)
        return set_second(tree, index, leaf);
    tree->state = ONE;
    tree->index = index;
    tree->digest = *leaf;
    tree->raw = true;
    return MR_OK;
}

/* ---- Digests ---- */

/* Jobs that do not depend on each other, run when there are enough. */
typedef struct jobs {
    size_t count;
    mr_hash_pair_job at[JOBS_MAX];
    mr_hash keys[JOBS_MAX]; /* of leaves */
} jobs;

static void jobs_run(jobs *todo)
{
    if (todo->count > 0)
        mr_hash_pairs(todo->at, todo->count);
    todo->count = 0;
}

static void jobs_add(jobs *todo, uint32_t kind, const mr_hash *left, const mr_hash *right,
                     mr_hash *out)
{
    if (todo->count == JOBS_MAX)
        jobs_run(todo);
    todo->at[todo->count++] =
        (mr_hash_pair_job){.left = left, .right = right, .out = out, .kind = kind};
}

static void key_of(uint32_t index, mr_hash *key)
{
    *key = (mr_hash){0};
    mr_store_be32(key->bytes, index);
}

/* Turns raw leaves of a node of level 0 into digests. */
static void add_leaves(jobs *todo, node *at)
{
    for (uint32_t raw = at->raw; raw != 0; raw &= raw - 1) {
        uint32_t way = (uint32_t)__builtin_ctz(raw);
        mr_hash *digest = &at->digests[entry_of(at, way)];
        if (todo->count == JOBS_MAX)
            jobs_run(todo);
        mr_hash *key = &todo->keys[todo->count];
        key_of(at->first + way, key);
        jobs_add(todo, MR_HASH_LEAF, key, digest, digest);
    }
    at->raw = 0;
}

static uint32_t ways(uint32_t first, uint32_t count)
{
    return ((1u << count) - 1) << first;
}

/* The digest over ways first .. first + count - 1, at least one of which is occupied. */
static mr_hash *digest_over(node *at, uint32_t first, uint32_t count)
{
    for (;;) {
        uint32_t occupied = at->present & ways(first, count);
        if ((occupied & (occupied - 1)) == 0)
            return &at->digests[entry_of(at, (uint32_t)__builtin_ctz(occupied))];
        count /= 2;
        uint32_t left = occupied & ways(first, count);
        if (left != 0 && left != occupied)
            return &gaps_of(at)[gap_before(at, first + count)];
        first += left == 0 ? count : 0;
    }
}

/* Plans the stale digests of the trie's nodes that are over 2 << bit ways. */
static void add_gaps(jobs *todo, node *at, uint32_t bit)
{
    uint32_t half = 1u << bit;
    for (uint32_t first = 0; first < WAYS; first += 2 * half) {
        uint32_t left = at->present & ways(first, half);
        uint32_t right = at->present & ways(first + half, half);
        if (left == 0 || right == 0 || (at->stale & ways(first, 2 * half)) == 0)
            continue;
        jobs_add(todo, 31 - (WAY_BITS * at->level + bit), digest_over(at, first, half),
                 digest_over(at, first + half, half), &gaps_of(at)[gap_before(at, first + half)]);
    }
}

/* Brings `count` nodes up to date whose children are, round by round over all of them. */
static void update_nodes(node *const *nodes, uint32_t count)
{
    jobs todo;
    todo.count = 0;
    if (nodes[0]->level == 0) {
        for (uint32_t i = 0; i < count; i++)
            add_leaves(&todo, nodes[i]);
        jobs_run(&todo);
    }
    for (uint32_t bit = 0; bit < WAY_BITS; bit++) {
        for (uint32_t i = 0; i < count; i++)
            add_gaps(&todo, nodes[i], bit);
        jobs_run(&todo);
    }
    for (uint32_t i = 0; i < count; i++)
        nodes[i]->stale = 0;
}

/* Brings everything below a node up to date and fetches its children's digests. */
static void update_below(node *at)
{
    if (at->level == 0)
        return;
    node *stale[2][WAYS]; /* level 0, and above */
    uint32_t counts[2] = {0, 0};
    uint32_t changed = at->stale & at->present;
    for (uint32_t left = changed; left != 0; left &= left - 1) {
        node *child = children_of(at)[entry_of(at, (uint32_t)__builtin_ctz(left))];
        if (child->stale == 0)
            continue;
        update_below(child);
        uint32_t above = child->level > 0;
        stale[above][counts[above]++] = child;
    }
    for (uint32_t above = 0; above < 2; above++) {
        if (counts[above] > 0)
            update_nodes(stale[above], counts[above]);
    }
    for (uint32_t left = changed; left != 0; left &= left - 1) {
        uint32_t entry = entry_of(at, (uint32_t)__builtin_ctz(left));
        at->digests[entry] = *digest_over(children_of(at)[entry], 0, WAYS);
    }
}

/* Adds the digest of the only unit, unless it is known. */
static void add_only(jobs *todo, mr_unit_tree *tree)
{
    if (!tree->raw)
        return;
    if (todo->count == JOBS_MAX)
        jobs_run(todo);
    mr_hash *key = &todo->keys[todo->count];
    key_of(tree->index, key);
    jobs_add(todo, MR_HASH_LEAF, key, &tree->digest, &tree->digest);
    tree->raw = false;
}

static void update_many(mr_unit_tree *tree)
{
    if (tree->top->stale == 0)
        return;
    update_below(tree->top);
    update_nodes(&tree->top, 1);
    tree->digest = *digest_over(tree->top, 0, WAYS);
}

void mr_unit_tree_roots(mr_unit_tree *const *trees, size_t count, mr_hash *roots)
{
    jobs todo;
    todo.count = 0;
    for (size_t i = 0; i < count; i++) {
        if (trees[i]->state == ONE)
            add_only(&todo, trees[i]);
        else if (trees[i]->state == MANY)
            update_many(trees[i]);
    }
    jobs_run(&todo);
    for (size_t i = 0; i < count; i++)
        roots[i] = trees[i]->state == EMPTY ? (mr_hash){0} : trees[i]->digest;
}

mr_hash mr_unit_tree_root(mr_unit_tree *tree)
{
    mr_hash root;
    mr_unit_tree_roots(&tree, 1, &root);
    return root;
}

/* ---- Life ---- */

mr_unit_tree *mr_unit_tree_new(void)
{
    return calloc(1, sizeof(mr_unit_tree));
}

static void free_below(node *at)
{
    for (uint32_t left = at->level > 0 ? at->present : 0; left != 0; left &= left - 1)
        free_below(children_of(at)[entry_of(at, (uint32_t)__builtin_ctz(left))]);
    free(at);
}

void mr_unit_tree_clear(mr_unit_tree *tree)
{
    if (tree->top != NULL)
        free_below(tree->top);
    *tree = (mr_unit_tree){.state = EMPTY};
}

void mr_unit_tree_free(mr_unit_tree *tree)
{
    if (tree == NULL)
        return;
    mr_unit_tree_clear(tree);
    free(tree);
}

size_t mr_unit_tree_bytes(const mr_unit_tree *tree)
{
    return sizeof *tree + tree->nodes_bytes;
}
