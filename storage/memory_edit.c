/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/memory_edit.h"

#include <stdlib.h>

#include "base/assert.h"

/* A change takes at most a path out of the tree, with a separator for each node, and an entry. */
enum { FANOUT = MR_MEMORY_FANOUT, DEAD_MAX = 3 * MR_MEMORY_LEVELS_MAX + 1 };

typedef mr_memory_node node;
typedef mr_memory_edit edit;

void mr_memory_edit_begin(mr_memory_edit *e, uint64_t born)
{
    e->born = born;
    e->dead = (mr_memory_dead){0};
    e->made = 0;
    e->trash = (mr_memory_dead){0};
    e->freed = 0;
    e->here.root = e->ahead.root = NULL;
    e->here.key = (mr_span){0};
    e->side = 0;
}

/* ---- Objects ---- */

/* Takes out what no version after this one has. Nobody else has seen what was made for this one. */
static void retire(edit *e, mr_memory_object *object)
{
    if (object->born != e->born) {
        mr_memory_dead_add(&e->dead, object);
    } else {
        free(object);
        e->made--;
    }
}

static void retire_entry(edit *e, mr_entry *entry)
{
    if (entry != NULL)
        retire(e, &entry->object);
}

/* Memory that is freed now is taken again at once, most often: an allocator is far slower when a
 * hundred thousand objects are made first and as many freed then. */
static void *make_object(edit *e, size_t size)
{
    mr_memory_object *old = mr_memory_dead_take(&e->trash);
    if (old != NULL) {
        free(old);
        e->freed++;
    }
    mr_memory_object *made = malloc(size);
    if (made == NULL)
        return NULL;
    e->made++;
    made->born = e->born;
    return made;
}

static mr_entry *new_entry(edit *e, mr_span key, mr_span value)
{
    mr_entry *made = make_object(e, sizeof *made + key.size + value.size);
    if (made == NULL)
        return NULL;
    made->key_bytes = (uint32_t)key.size;
    made->value_bytes = (uint32_t)value.size;
    if (key.size > 0)
        memcpy(made->bytes, key.data, key.size);
    if (value.size > 0)
        memcpy(made->bytes + key.size, value.data, value.size);
    return made;
}

static node *new_node(edit *e, uint32_t level)
{
    node *made =
        make_object(e, sizeof *made + (level == 0 ? 0 : FANOUT * sizeof made->children[0]));
    if (made == NULL)
        return NULL;
    made->count = 0;
    made->level = level;
    made->skip = 0;
    made->key_bytes = MR_MEMORY_MIXED;
    return made;
}

/* Appends items from `from` on to a node that is empty; the other one has them, too. */
static void copy_items(node *to, const node *at, uint32_t from)
{
    const uint32_t count = at->count - from;
    to->skip = at->skip;
    to->key_bytes = at->key_bytes;
    memcpy(to->heads + to->count, at->heads + from, count * sizeof to->heads[0]);
    memcpy(to->entries + to->count, at->entries + from, count * sizeof to->entries[0]);
    if (at->level > 0)
        memcpy(to->children + to->count, at->children + from, count * sizeof to->children[0]);
    to->count += count;
}

/* Makes place i of a node that is not full free; its owner fills it. */
static void open_place(node *at, uint32_t i)
{
    uint32_t after = at->count - i;
    memmove(at->heads + i + 1, at->heads + i, after * sizeof at->heads[0]);
    memmove(at->entries + i + 1, at->entries + i, after * sizeof at->entries[0]);
    if (at->level > 0)
        memmove(at->children + i + 1, at->children + i, after * sizeof at->children[0]);
    at->count++;
}

static void close_place(node *at, uint32_t i)
{
    uint32_t after = at->count - i - 1;
    memmove(at->heads + i, at->heads + i + 1, after * sizeof at->heads[0]);
    memmove(at->entries + i, at->entries + i + 1, after * sizeof at->entries[0]);
    if (at->level > 0)
        memmove(at->children + i, at->children + i + 1, after * sizeof at->children[0]);
    at->count--;
}

/* ---- Finding a place ---- */

void mr_memory_edit_expect(mr_memory_edit *e, mr_memory_node **root, mr_span key)
{
    mr_memory_finger_fetch(&e->ahead, root, key);
}

/* The place of a key in a leaf, most often not far from `low`. */
static uint32_t place_near(const node *leaf, uint32_t low, uint64_t head, mr_span key)
{
    uint32_t high = low;
    for (uint32_t step = 1; high < leaf->count; high += step, step *= 2) {
        if (!mr_memory_is_less(leaf->heads[high], mr_entry_key(leaf->entries[high]), head, key))
            break;
        low = high + 1;
    }
    return mr_memory_node_place(leaf, low, high < leaf->count ? high : leaf->count, head, key,
                                false);
}

/* Whether two keys have the first `size` bytes in common. */
static bool begin_alike(mr_span a, mr_span b, size_t size)
{
    return a.size >= size && b.size >= size && (size == 0 || memcmp(a.data, b.data, size) == 0);
}

/* Goes to the place of a key in a tree that is not empty; true when it has the key. What the key
 * before began with is in the nearest cache, and an entry of the leaf is not. */
static bool seek(edit *e, node **root, mr_span key)
{
    mr_memory_finger *f = &e->here;
    const mr_span before = f->key;
    const bool fresh = mr_memory_finger_point(f, root, mr_span_head(key), key);
    const node *leaf = f->path[0].at;
    if (fresh || e->side != 0 || !begin_alike(key, before, leaf->skip))
        e->side = mr_memory_leaf_side(leaf, key);
    if (e->side != 0) {
        f->path[0].place = e->side < 0 ? 0 : leaf->count;
        return false;
    }
    const uint64_t head = mr_memory_leaf_head(leaf, key);
    f->path[0].place = fresh ? mr_memory_node_place(leaf, 0, leaf->count, head, key, false)
                             : place_near(leaf, f->path[0].place, head, key);
    return mr_memory_leaf_is_at(leaf, f->path[0].place, head, key);
}

/* Where the tree points to the path's node of a level. */
static node **link_to(edit *e, uint32_t level)
{
    return level == (*e->here.root)->level
               ? e->here.root
               : &e->here.path[level + 1].at->children[e->here.path[level + 1].place];
}

/* Copies the nodes of the path that are of earlier versions. They are the lower ones: what is above
 * a node of this version is of this version, too. */
static mr_status own_path(edit *e)
{
    if (e->here.path[0].at->object.born == e->born)
        return MR_OK;
    for (uint32_t level = (*e->here.root)->level + 1; level-- > 0;) {
        node *at = e->here.path[level].at;
        if (at->object.born == e->born)
            continue;
        node *copy = new_node(e, level);
        if (copy == NULL)
            return MR_NO_MEMORY;
        copy_items(copy, at, 0);
        *link_to(e, level) = copy;
        e->here.path[level].at = copy;
        retire(e, &at->object);
    }
    return MR_OK;
}

/* ---- Adding ---- */

/* Makes a leaf skip so many bytes, which its keys have in common. */
static void set_skip(node *leaf, size_t skip)
{
    leaf->skip = (uint32_t)skip;
    for (uint32_t i = 0; i < leaf->count; i++)
        leaf->heads[i] = mr_memory_leaf_head(leaf, mr_entry_key(leaf->entries[i]));
}

static size_t common_bytes(mr_span a, mr_span b, size_t most)
{
    size_t common = 0;
    while (common < most && a.data[common] == b.data[common])
        common++;
    return common;
}

/* Makes half a leaf skip what its keys have in common, but no more than lets the heads say it all.
 */
static void skip_most(node *leaf)
{
    const mr_span first = mr_entry_key(leaf->entries[0]);
    const mr_span last = mr_entry_key(leaf->entries[leaf->count - 1]);
    size_t most = first.size < last.size ? first.size : last.size;
    if (leaf->key_bytes != MR_MEMORY_MIXED)
        most = most > sizeof leaf->heads[0] ? most - sizeof leaf->heads[0] : 0;
    const size_t skip = common_bytes(first, last, most);
    if (skip > leaf->skip)
        set_skip(leaf, skip);
}

/* Makes a leaf one that may have a key. */
static void admit(node *leaf, mr_span key)
{
    if (leaf->count == 0) {
        leaf->key_bytes = (uint32_t)key.size;
        leaf->skip =
            key.size > sizeof leaf->heads[0] ? (uint32_t)(key.size - sizeof leaf->heads[0]) : 0;
        return;
    }
    const size_t most = key.size < leaf->skip ? key.size : leaf->skip;
    const size_t common = common_bytes(mr_entry_key(leaf->entries[0]), key, most);
    if (common < leaf->skip)
        set_skip(leaf, common);
    if (leaf->key_bytes != key.size)
        leaf->key_bytes = MR_MEMORY_MIXED;
}

/* The shortest key that is greater than `left` and not greater than `right`, which comes after. */
static mr_span separator(mr_span left, mr_span right)
{
    size_t common = 0;
    while (common < left.size && left.data[common] == right.data[common])
        common++;
    return mr_span_of(right.data, common + 1);
}

/* What separates two halves: of leaves a new entry, of inner nodes the one that the right one does
 * not need for its first child. NULL when out of memory. */
static mr_entry *separate(edit *e, const node *left, node *right)
{
    if (right->level == 0)
        return new_entry(e,
                         separator(mr_entry_key(left->entries[left->count - 1]),
                                   mr_entry_key(right->entries[0])),
                         (mr_span){0});
    mr_entry *first = right->entries[0];
    right->entries[0] = NULL;
    return first;
}

/* Whether the place of the path is in the right half. At the border the key itself tells. */
static bool goes_right(const edit *e, uint32_t level, const node *left, const mr_entry *border)
{
    const uint32_t place = e->here.path[level].place;
    if (level > 0 || place != left->count)
        return place >= left->count;
    return mr_span_compare(e->here.key, mr_entry_key(border)) >= 0;
}

/* Divides the path's node of a level, whose parent is not full: in the middle or, when the place is
 * the last one, at the end, so that keys that come in order fill their leaves. */
static mr_status split(edit *e, uint32_t level)
{
    node *left = e->here.path[level].at, *parent = e->here.path[level + 1].at;
    const uint32_t i = e->here.path[level + 1].place + 1;
    node *right = new_node(e, level);
    if (right == NULL)
        return MR_NO_MEMORY;
    bool last = e->here.path[level].place + (level > 0) == left->count;
    const uint32_t from = last ? FANOUT - 1 : FANOUT / 2;
    copy_items(right, left, from);
    left->count = from;
    mr_entry *border = separate(e, left, right);
    if (border == NULL) {
        left->count = FANOUT;
        free(right);
        e->made--;
        return MR_NO_MEMORY;
    }
    if (level == 0) {
        skip_most(left);
        skip_most(right);
    }
    open_place(parent, i);
    parent->heads[i] = mr_span_head(mr_entry_key(border));
    parent->entries[i] = border;
    parent->children[i] = right;
    if (goes_right(e, level, left, border)) {
        e->here.path[level].at = right;
        e->here.path[level].place -= from;
        e->here.path[level + 1].place = i;
    }
    return MR_OK;
}

/* Puts a root above the old one, which is its only child. */
static mr_status grow(edit *e)
{
    const uint32_t level = (*e->here.root)->level + 1;
    MR_ASSERT(level < MR_MEMORY_LEVELS_MAX);
    node *root = new_node(e, level);
    if (root == NULL)
        return MR_NO_MEMORY;
    root->count = 1;
    root->heads[0] = 0;
    root->entries[0] = NULL;
    root->children[0] = *e->here.root;
    *e->here.root = root;
    e->here.path[level].at = root;
    e->here.path[level].place = 0;
    return MR_OK;
}

/* Makes sure that the path's leaf is not full: splits the full nodes above it first, and it. */
static mr_status make_room(edit *e)
{
    uint32_t full = 0;
    while (full <= (*e->here.root)->level && e->here.path[full].at->count == FANOUT)
        full++;
    if (full > (*e->here.root)->level)
        MR_TRY(grow(e));
    while (full-- > 0)
        MR_TRY(split(e, full));
    return MR_OK;
}

static mr_status put(edit *e, node **root, mr_span key, mr_entry *entry)
{
    if (*root == NULL)
        *root = new_node(e, 0);
    if (*root == NULL)
        return MR_NO_MEMORY;
    const bool there = seek(e, root, key);
    MR_TRY(own_path(e));
    const uint32_t *place = &e->here.path[0].place;
    if (there) {
        retire_entry(e, e->here.path[0].at->entries[*place]);
        e->here.path[0].at->entries[*place] = entry;
        return MR_OK;
    }
    MR_TRY(make_room(e));
    node *leaf = e->here.path[0].at;
    admit(leaf, key);
    open_place(leaf, *place);
    leaf->heads[*place] = mr_memory_leaf_head(leaf, key);
    leaf->entries[*place] = entry;
    e->side = 0;
    return MR_OK;
}

mr_status mr_memory_edit_put(mr_memory_edit *e, mr_memory_node **root, mr_span key, mr_span value)
{
    MR_TRY(mr_memory_dead_reserve(&e->dead, DEAD_MAX));
    mr_entry *entry = new_entry(e, key, value);
    if (entry == NULL)
        return MR_NO_MEMORY;
    mr_status status = put(e, root, key, entry);
    if (status != MR_OK)
        retire_entry(e, entry);
    return status;
}

/* ---- Removing ---- */

/* Takes child i out of a node, and what separates it from the one before. */
static void remove_child(edit *e, node *at, uint32_t i)
{
    retire_entry(e, at->entries[i]);
    close_place(at, i);
    if (i == 0 && at->count > 0) {
        retire_entry(e, at->entries[0]);
        at->entries[0] = NULL;
    }
}

/* Nodes without items go, and roots with one child. Others are not filled up from their neighbours:
 * what shrinks here grows again, or goes away whole as a queue does. */
static void remove_empty(edit *e)
{
    uint32_t level = 0;
    const uint32_t top = (*e->here.root)->level;
    for (; e->here.path[level].at->count == 0 && level < top; level++) {
        retire(e, &e->here.path[level].at->object);
        remove_child(e, e->here.path[level + 1].at, e->here.path[level + 1].place);
    }
    node *root = *e->here.root;
    while (root->count == 0 || (root->count == 1 && root->level > 0)) {
        *e->here.root = root->count == 0 ? NULL : root->children[0];
        retire(e, &root->object);
        root = *e->here.root;
        if (root == NULL)
            break;
    }
    e->here.root = NULL;
}

mr_status mr_memory_edit_remove(mr_memory_edit *e, mr_memory_node **root, mr_span key)
{
    if (*root == NULL)
        return MR_OK;
    MR_TRY(mr_memory_dead_reserve(&e->dead, DEAD_MAX));
    if (!seek(e, root, key))
        return MR_OK;
    MR_TRY(own_path(e));
    retire_entry(e, e->here.path[0].at->entries[e->here.path[0].place]);
    close_place(e->here.path[0].at, e->here.path[0].place);
    if (e->here.path[0].at->count == 0)
        remove_empty(e);
    return MR_OK;
}
