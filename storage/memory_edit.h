/* SPDX-License-Identifier: Apache-2.0 */
/* memory_edit: making the next version of some trees (storage/memory_tree.h). Private to storage/.
 *
 * The first change below a node copies it; the copy is changed from then on. The edit stays at the
 * leaf of the key before, so that keys that come in order are found without a way down from the
 * root, and a leaf with many changes is found once.
 *
 * A failed change leaves trees that are whole but not what the change was to make of them: the edit
 * is abandoned then. */
#ifndef MR_STORAGE_MEMORY_EDIT_H
#define MR_STORAGE_MEMORY_EDIT_H

#include "storage/memory_dead.h"
#include "storage/memory_finger.h"

typedef struct mr_memory_edit {
    uint64_t born;       /* number of the version that is made */
    mr_memory_dead dead; /* what the version before has and this one has not */
    size_t made;         /* objects that the version before has not */

    mr_memory_dead trash; /* what no version has any more; some is freed with each object made */
    size_t freed;         /* objects of it */

    mr_memory_finger here;  /* at the key before */
    int side;               /* where that is to the leaf's keys, see mr_memory_leaf_side */
    mr_memory_finger ahead; /* at a key to come, in the version before */
} mr_memory_edit;

/* mr_memory_edit_begin makes an edit for version `born`. */
void mr_memory_edit_begin(mr_memory_edit *edit, uint64_t born);

/* mr_memory_edit_expect has the leaf of a key fetched that is to be changed soon. `root` is that of
 * the version before. */
void mr_memory_edit_expect(mr_memory_edit *edit, mr_memory_node **root, mr_span key);

/* mr_memory_edit_put gives `key` a value in the tree at *root. The key's bytes stay where they are
 * until the edit ends. Errors: MR_NO_MEMORY. */
mr_status mr_memory_edit_put(mr_memory_edit *edit, mr_memory_node **root, mr_span key,
                             mr_span value);

/* mr_memory_edit_remove removes `key` if it is there; the rest as mr_memory_edit_put. */
mr_status mr_memory_edit_remove(mr_memory_edit *edit, mr_memory_node **root, mr_span key);

#endif
