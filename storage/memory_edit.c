/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/memory_edit.h"

#include <stdlib.h>

#include "base/assert.h"

enum {
    FANOUT = MR_MEMORY_FANOUT,
    CACHE_LINE = 64,
    GROUPS = 4,        /* children known ahead, a power of two */
    FETCH_RECORDS = 32 /* records fetched ahead */
};

typedef mr_memory_node node;
typedef mr_memory_edit edit;
typedef mr_memory_row row;

void mr_memory_edit_begin(mr_memory_edit *e, uint64_t born)
{
    *e = (edit){.born = born};
}

void mr_memory_edit_fini(mr_memory_edit *e)
{
    for (size_t i = 0; i < MR_MEMORY_LEVELS_MAX; i++) {
        free(e->rows[i].pieces);
        e->rows[i] = (row){0};
    }
    free(e->entries);
    free(e->heads);
    e->entries = NULL;
    e->heads = NULL;
    e->capacity = 0;
}

/* ---- Objects ---- */

/* Takes out what the version before has and this one has not. The object itself is not read. */
static mr_status retire(edit *e, mr_memory_object *object)
{
    MR_TRY(mr_memory_dead_reserve(&e->dead, 1));
    mr_memory_dead_add(&e->dead, object);
    return MR_OK;
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

static mr_status add_piece(row *to, node *at, mr_entry *border, uint64_t head)
{
    if (to->count == to->capacity) {
        const size_t capacity = to->capacity == 0 ? 2 * FANOUT : 2 * to->capacity;
        mr_memory_piece *grown = realloc(to->pieces, capacity * sizeof *grown);
        if (grown == NULL)
            return MR_NO_MEMORY;
        to->pieces = grown;
        to->capacity = capacity;
    }
    to->pieces[to->count++] = (mr_memory_piece){at, border, head};
    return MR_OK;
}

/* Frees what an edit has made that failed. */
static void forget_entry(edit *e, mr_entry *entry)
{
    if (entry != NULL && entry->object.born == e->born) {
        free(entry);
        e->made--;
    }
}

static void forget_node(edit *e, node *at)
{
    free(at);
    e->made--;
}

static void forget_row(edit *e, row *of)
{
    for (size_t i = 0; i < of->count; i++) {
        forget_entry(e, of->pieces[i].border);
        e->made -= mr_memory_tree_free(of->pieces[i].at, e->born);
    }
    of->count = 0;
}

/* How many of `left` items go into the next of the nodes that are to hold them: all nodes get as
 * many, or, where what is last is new, as much as there is room for, so that keys that come in
 * order fill their leaves. */
static uint32_t share(size_t left, bool fill)
{
    const size_t nodes = (left + FANOUT - 1) / FANOUT;
    if (fill)
        return (uint32_t)(left < FANOUT ? left : FANOUT);
    return (uint32_t)((left + nodes - 1) / nodes);
}

/* ---- Leaves ---- */

static size_t common_bytes(mr_span a, mr_span b, size_t most)
{
    size_t common = 0;
    while (common < most && a.data[common] == b.data[common])
        common++;
    return common;
}

/* The shortest key that is greater than `left` and not greater than `right`, which comes after. */
static mr_span separator(mr_span left, mr_span right)
{
    return mr_span_of(right.data, common_bytes(left, right, left.size) + 1);
}

/* Makes the heads of a leaf from its entries. It skips what all keys have in common, but no more
 * than lets the heads say it all. */
static void make_heads(node *leaf)
{
    uint32_t key_bytes = leaf->entries[0]->key_bytes;
    for (uint32_t i = 1; i < leaf->count; i++) {
        if (leaf->entries[i]->key_bytes != key_bytes)
            key_bytes = MR_MEMORY_MIXED;
    }
    const mr_span first = mr_entry_key(leaf->entries[0]);
    const mr_span last = mr_entry_key(leaf->entries[leaf->count - 1]);
    size_t most = first.size < last.size ? first.size : last.size;
    if (key_bytes != MR_MEMORY_MIXED)
        most = most > sizeof leaf->heads[0] ? most - sizeof leaf->heads[0] : 0;
    leaf->key_bytes = key_bytes;
    leaf->skip = (uint32_t)common_bytes(first, last, most);
    for (uint32_t i = 0; i < leaf->count; i++)
        leaf->heads[i] = mr_memory_leaf_head(leaf, mr_entry_key(leaf->entries[i]));
}

/* A leaf's entries and changes as they are merged into e->entries and e->heads. */
typedef struct merge {
    const node *leaf; /* NULL: there is none yet */
    uint32_t place;   /* in it: what is before is done with */
    size_t count;     /* of entries that came of it */
    int side;         /* where the key before is to the leaf's, see mr_memory_leaf_side */
    mr_span key;      /* that key; empty at first */
    bool changed;
    bool anew;   /* its heads are to be made anew */
    bool inside; /* some entry is new that is not behind all others */
    uint32_t key_bytes;
} merge;

static mr_status reserve_entries(edit *e, size_t count)
{
    if (count <= e->capacity)
        return MR_OK;
    const size_t capacity = count < 4 * FANOUT ? 4 * FANOUT : 2 * count;
    mr_entry **entries = realloc(e->entries, capacity * sizeof(mr_entry *));
    if (entries == NULL)
        return MR_NO_MEMORY;
    e->entries = entries;
    uint64_t *heads = realloc(e->heads, capacity * sizeof *heads);
    if (heads == NULL)
        return MR_NO_MEMORY;
    e->heads = heads;
    e->capacity = capacity;
    return MR_OK;
}

/* Takes over the entries before a place. */
static void take_until(edit *e, merge *m, uint32_t place)
{
    const uint32_t count = place - m->place;
    memcpy(e->entries + m->count, m->leaf->entries + m->place, count * sizeof e->entries[0]);
    memcpy(e->heads + m->count, m->leaf->heads + m->place, count * sizeof e->heads[0]);
    m->count += count;
    m->place = place;
}

/* The first place from `low` on whose head is not less than `head`, most often not far. */
static uint32_t place_of_head(const node *leaf, uint32_t low, uint64_t head)
{
    uint32_t high = low;
    for (uint32_t step = 1; high < leaf->count && leaf->heads[high] < head; step *= 2) {
        low = high + 1;
        high += step;
    }
    high = high < leaf->count ? high : leaf->count;
    while (low < high) {
        const uint32_t middle = (low + high) / 2;
        if (leaf->heads[middle] < head)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The place of a key that begins as the leaf's do. Entries are read only where heads are alike and
 * do not say it all: these are asked for at once, not one after the other as they are compared. */
static uint32_t place_of(const node *leaf, uint32_t low, uint64_t head, mr_span key)
{
    low = place_of_head(leaf, low, head);
    if (mr_memory_leaf_says_all(leaf, key))
        return low;
    uint32_t high = low;
    for (; high < leaf->count && leaf->heads[high] == head; high++)
        __builtin_prefetch(leaf->entries[high]->bytes);
    return mr_memory_node_place(leaf, low, high, head, key, false);
}

/* Goes to the place of a key in the leaf; true when it has the key. What the key before began with
 * is in the nearest cache, and an entry of the leaf is not. */
static bool go_to(edit *e, merge *m, mr_span key, uint64_t *head)
{
    const node *leaf = m->leaf;
    const bool alike = m->key.size >= leaf->skip && m->key.size > 0 && key.size >= leaf->skip &&
                       memcmp(key.data, m->key.data, leaf->skip) == 0;
    if (m->key.size == 0 || m->side < 0 || (m->side == 0 && !alike))
        m->side = mr_memory_leaf_side(leaf, key);
    if (m->side != 0) {
        if (m->side > 0)
            take_until(e, m, leaf->count);
        return false;
    }
    *head = mr_memory_leaf_head(leaf, key);
    take_until(e, m, place_of(leaf, m->place, *head, key));
    return mr_memory_leaf_is_at(leaf, m->place, *head, key);
}

/* Notes that the key before is to be added. */
static void expect_new(merge *m)
{
    m->anew |= m->leaf == NULL || m->side != 0;
    m->inside |= m->leaf != NULL && m->place < m->leaf->count;
    if (m->key_bytes != m->key.size)
        m->key_bytes = MR_MEMORY_MIXED;
}

static mr_status merge_change(edit *e, merge *m, const mr_change *change)
{
    uint64_t head = 0;
    const bool there = m->leaf != NULL && go_to(e, m, change->key, &head);
    if (there)
        MR_TRY(retire(e, &m->leaf->entries[m->place++]->object));
    m->key = change->key;
    m->changed |= there || change->present;
    if (!change->present)
        return MR_OK;
    if (!there)
        expect_new(m);
    mr_entry *made = new_entry(e, change->key, change->value);
    if (made == NULL)
        return MR_NO_MEMORY;
    e->entries[m->count] = made;
    e->heads[m->count++] = head;
    return MR_OK;
}

static mr_status merge_all(edit *e, merge *m, const mr_record *changes, size_t count)
{
    MR_TRY(reserve_entries(e, count + (m->leaf == NULL ? 0 : m->leaf->count)));
    for (size_t i = 0; i < count; i++) {
        const mr_change change = mr_record_read(changes[i].bytes);
        MR_TRY(merge_change(e, m, &change));
    }
    if (m->leaf != NULL)
        take_until(e, m, m->leaf->count);
    return MR_OK;
}

/* Makes one leaf of some of the merged entries, and what separates it from the one before. */
static mr_status make_leaf(edit *e, const merge *m, size_t from, uint32_t count)
{
    mr_entry *border = NULL;
    if (from > 0)
        border = new_entry(
            e, separator(mr_entry_key(e->entries[from - 1]), mr_entry_key(e->entries[from])),
            (mr_span){0});
    node *leaf = new_node(e, 0);
    if (leaf == NULL || (from > 0 && border == NULL) ||
        add_piece(&e->rows[0], leaf, border,
                  border == NULL ? 0 : mr_span_head(mr_entry_key(border))) != MR_OK) {
        free(leaf);
        free(border);
        e->made -= (size_t)(leaf != NULL) + (size_t)(border != NULL);
        return MR_NO_MEMORY;
    }
    memcpy(leaf->entries, e->entries + from, count * sizeof leaf->entries[0]);
    leaf->count = count;
    if (m->anew || count != m->count) {
        make_heads(leaf);
        return MR_OK;
    }
    memcpy(leaf->heads, e->heads, count * sizeof leaf->heads[0]);
    leaf->skip = m->leaf->skip;
    leaf->key_bytes = m->key_bytes;
    return MR_OK;
}

static mr_status make_leaves(edit *e, const merge *m, size_t *done)
{
    while (*done < m->count) {
        const uint32_t count = share(m->count - *done, !m->inside);
        MR_TRY(make_leaf(e, m, *done, count));
        *done += count;
    }
    return MR_OK;
}

/* Adds to the row of leaves what comes of one. */
static mr_status apply_to_leaf(edit *e, node *leaf, const mr_record *changes, size_t count)
{
    merge m = {.leaf = leaf, .key_bytes = leaf == NULL ? MR_MEMORY_MIXED : leaf->key_bytes};
    size_t done = 0;
    mr_status status = merge_all(e, &m, changes, count);
    if (status == MR_OK && !m.changed)
        return add_piece(&e->rows[0], leaf, NULL, 0);
    if (status == MR_OK)
        status = make_leaves(e, &m, &done);
    if (status == MR_OK && leaf != NULL)
        status = retire(e, &leaf->object);
    for (size_t i = done; status != MR_OK && i < m.count; i++)
        forget_entry(e, e->entries[i]);
    return status;
}

/* ---- Inner nodes ---- */

/* The changes of one child. */
typedef struct group {
    uint32_t child;
    size_t first, end;
} group;

static bool is_below(const mr_record *change, const node *at, uint32_t border)
{
    return mr_memory_is_less(change->head, mr_record_read(change->bytes).key, at->heads[border],
                             mr_entry_key(at->entries[border]));
}

/* The first change from `first` on that is not below a border. */
static size_t end_of(const node *at, uint32_t border, const mr_record *changes, size_t first,
                     size_t end)
{
    size_t low = first, high = first;
    for (size_t step = 1; high < end && is_below(&changes[high], at, border); step *= 2) {
        low = high + 1;
        high += step;
    }
    if (high > end)
        high = end;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (is_below(&changes[middle], at, border))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The child of a change, at `child` or after it and most often not far. */
static uint32_t child_of(const node *at, uint32_t child, const mr_record *change)
{
    uint32_t low = child + 1, high = low;
    for (uint32_t step = 1; high < at->count && !is_below(change, at, high); step *= 2) {
        low = high + 1;
        high += step;
    }
    return mr_memory_node_place(at, low, high < at->count ? high : at->count, change->head,
                                mr_record_read(change->bytes).key, true) -
           1;
}

static group group_after(const node *at, const group *before, const mr_record *changes, size_t end)
{
    group next = {.first = before->end};
    next.child = child_of(at, before->child, &changes[next.first]);
    next.end =
        next.child + 1 == at->count ? end : end_of(at, next.child + 1, changes, next.first, end);
    return next;
}

static void fetch_node(const node *at)
{
    for (size_t i = 0; i < sizeof *at; i += CACHE_LINE)
        __builtin_prefetch((const char *)at + i);
}

static void fetch_records(edit *e, const mr_record *until)
{
    for (; e->fetch < e->fetch_end && e->fetch < until; e->fetch++) {
        __builtin_prefetch(e->fetch->bytes);
        __builtin_prefetch(e->fetch->bytes + CACHE_LINE);
    }
}

static mr_status apply_to(edit *e, node *at, const mr_record *changes, size_t count);

/* Adds to the row of children what comes of one: nothing, it itself, or other nodes. What separated
 * it from the one before does the same for what comes first. */
static mr_status replace_child(edit *e, node *at, uint32_t i, const mr_record *changes,
                               size_t count)
{
    row *children = &e->rows[at->level - 1];
    const size_t before = children->count;
    MR_TRY(count == 0 ? add_piece(children, at->children[i], NULL, 0)
                      : apply_to(e, at->children[i], changes, count));
    mr_entry *border = at->entries[i];
    if (border == NULL)
        return MR_OK;
    if (before == 0 || children->count == before)
        return retire(e, &border->object);
    children->pieces[before].border = border;
    children->pieces[before].head = at->heads[i];
    return MR_OK;
}

/* Makes one node of some pieces of the row below it. */
static mr_status make_inner(edit *e, uint32_t level, size_t from, uint32_t count)
{
    row *below = &e->rows[level - 1];
    node *made = new_node(e, level);
    if (made == NULL)
        return MR_NO_MEMORY;
    mr_memory_piece *first = &below->pieces[from];
    if (add_piece(&e->rows[level], made, first->border, first->head) != MR_OK) {
        forget_node(e, made);
        return MR_NO_MEMORY;
    }
    first->border = NULL;
    first->head = 0;
    for (uint32_t i = 0; i < count; i++) {
        const mr_memory_piece *piece = &below->pieces[from + i];
        made->children[i] = piece->at;
        made->entries[i] = piece->border;
        made->heads[i] = piece->head;
    }
    made->count = count;
    return MR_OK;
}

/* Empties a row into nodes above it. */
static mr_status make_parents(edit *e, uint32_t level, bool fill)
{
    row *below = &e->rows[level - 1];
    size_t done = 0;
    mr_status status = MR_OK;
    while (status == MR_OK && done < below->count) {
        const uint32_t count = share(below->count - done, fill);
        status = make_inner(e, level, done, count);
        done += status == MR_OK ? count : 0;
    }
    below->count -= done;
    if (below->count > 0)
        memmove(below->pieces, below->pieces + done, below->count * sizeof below->pieces[0]);
    return status;
}

/* Adds to the row of children what comes of all. Some are known ahead and on their way from memory.
 */
static mr_status replace_children(edit *e, node *at, const mr_record *changes, size_t count)
{
    group groups[GROUPS];
    group last = {0};
    uint32_t known = 0, done = 0, child = 0;
    while (last.end < count || done < known) {
        while (last.end < count && known - done < GROUPS) {
            last = groups[known++ % GROUPS] = group_after(at, &last, changes, count);
            fetch_node(at->children[last.child]);
            if (at->level == 1)
                fetch_records(e, changes + last.end + FETCH_RECORDS);
        }
        const group now = groups[done++ % GROUPS];
        if (at->level == 1 && done < known)
            __builtin_prefetch(at->children[groups[done % GROUPS].child]->entries[0]->bytes);
        for (; child < now.child; child++)
            MR_TRY(replace_child(e, at, child, NULL, 0));
        MR_TRY(replace_child(e, at, child++, changes + now.first, now.end - now.first));
    }
    for (; child < at->count; child++)
        MR_TRY(replace_child(e, at, child, NULL, 0));
    return MR_OK;
}

/* How many of the first pieces of a row are the children that the node has. */
static uint32_t same_children(const node *at, const row *children)
{
    uint32_t same = 0;
    while (same < at->count && same < children->count &&
           children->pieces[same].at == at->children[same])
        same++;
    return same;
}

/* Adds to the row of a level what comes of an inner node there. */
static mr_status apply_to_inner(edit *e, node *at, const mr_record *changes, size_t count)
{
    row *children = &e->rows[at->level - 1];
    MR_ASSERT(children->count == 0);
    MR_TRY(replace_children(e, at, changes, count));
    const uint32_t same = same_children(at, children);
    if (same == at->count && same == children->count) {
        children->count = 0;
        return add_piece(&e->rows[at->level], at, NULL, 0);
    }
    MR_TRY(make_parents(e, at->level, same + 1 >= at->count));
    return retire(e, &at->object);
}

static mr_status apply_to(edit *e, node *at, const mr_record *changes, size_t count)
{
    MR_ASSERT(at->object.born != e->born);
    return at->level == 0 ? apply_to_leaf(e, at, changes, count)
                          : apply_to_inner(e, at, changes, count);
}

/* ---- Trees ---- */

/* Puts roots above what came of one, until there is one node; takes away roots with one child. */
static mr_status make_root(edit *e, uint32_t level, node **root)
{
    while (e->rows[level].count > 1) {
        level++;
        MR_ASSERT(level < MR_MEMORY_LEVELS_MAX);
        MR_TRY(make_parents(e, level, false));
    }
    node *made = e->rows[level].count == 0 ? NULL : e->rows[level].pieces[0].at;
    while (made != NULL && made->level > 0 && made->count == 1) {
        node *child = made->children[0];
        if (made->object.born != e->born)
            MR_TRY(retire(e, &made->object));
        else
            forget_node(e, made);
        e->rows[level].pieces[0].at = made = child;
    }
    e->rows[level].count = 0;
    *root = made;
    return MR_OK;
}

mr_status mr_memory_edit_apply(mr_memory_edit *e, mr_memory_node **root, const mr_record *changes,
                               size_t count)
{
    if (count == 0)
        return MR_OK;
    const uint32_t level = *root == NULL ? 0 : (*root)->level;
    e->fetch = changes;
    e->fetch_end = changes + count;
    mr_status status =
        *root == NULL ? apply_to_leaf(e, NULL, changes, count) : apply_to(e, *root, changes, count);
    if (status == MR_OK)
        status = make_root(e, level, root);
    for (uint32_t i = 0; i < MR_MEMORY_LEVELS_MAX; i++)
        forget_row(e, &e->rows[i]);
    return status;
}
