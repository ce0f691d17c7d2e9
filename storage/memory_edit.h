/* SPDX-License-Identifier: Apache-2.0 */
/* memory_edit: making the next version of some trees (storage/memory_tree.h). Private to storage/.
 *
 * A tree is changed by all its changes at once, in one pass from left to right: the changes of an
 * inner node are divided among its children, those of a leaf merged with its entries, and what
 * comes of it takes the place of the node, as one node, as several or as none. So each node on the
 * way is looked for and copied once, however many changes are below it, and those that come next
 * are fetched meanwhile.
 *
 * Edits of different trees may run at the same time, each with an mr_memory_edit of its own. */
#ifndef MR_STORAGE_MEMORY_EDIT_H
#define MR_STORAGE_MEMORY_EDIT_H

#include "storage/batch.h"
#include "storage/memory_dead.h"

/* A node that takes the place of another one or a part of it, and what separates it from the one
 * before; of the first one that is NULL. */
typedef struct mr_memory_piece {
    mr_memory_node *at;
    mr_entry *border;
    uint64_t head; /* of the border */
} mr_memory_piece;

typedef struct mr_memory_row {
    mr_memory_piece *pieces;
    size_t count, capacity;
} mr_memory_row;

typedef struct mr_memory_edit {
    uint64_t born;       /* number of the version that is made */
    mr_memory_dead dead; /* what the version before has and this one has not */
    size_t made;         /* objects that the version before has not */

    mr_memory_dead trash; /* what no version has any more; some is freed with each object made */
    size_t freed;         /* objects of it */

    mr_memory_row rows[MR_MEMORY_LEVELS_MAX]; /* by level: what comes of one parent's children */
    mr_entry **entries;                       /* what comes of a leaf's */
    uint64_t *heads;
    size_t capacity; /* of these two */

    const mr_record *fetch, *fetch_end; /* changes whose records were not yet asked for */
} mr_memory_edit;

/* mr_memory_edit_begin makes an edit for version `born`; mr_memory_edit_fini frees what it needed
 * for itself: neither `dead` nor `trash`. */
void mr_memory_edit_begin(mr_memory_edit *edit, uint64_t born);
void mr_memory_edit_fini(mr_memory_edit *edit);

/* mr_memory_edit_apply makes changes to the tree at *root, which this edit has not changed before:
 * `count` records of different keys in ascending order. Errors: MR_NO_MEMORY, the tree is what it
 * was, and the edit is to be abandoned. */
mr_status mr_memory_edit_apply(mr_memory_edit *edit, mr_memory_node **root,
                               const mr_record *changes, size_t count);

#endif
