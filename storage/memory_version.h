/* SPDX-License-Identifier: Apache-2.0 */
/* memory_version: the versions of some trees in memory: the newest one and those that somebody
 * holds. Private to storage/.
 *
 *      edit --publish--> newest --next one published--> held --last reference put--> gone
 *      writer            writer                                with the next edit
 *
 * Each version has a list of what it has and the next one has not. When a version goes, what is in
 * its list and was born after the version before is reached by none any more, and is freed; the
 * rest goes to the list of the version before. So what a version keeps alive is what it reaches,
 * and no more, in whatever order versions go.
 *
 * The writer alone frees: whoever puts a version only counts, and what it kept alive is there until
 * the next edit.
 *
 *             enter/leave  take  put  edit, publish, abandon
 *   each           -         -    -             -             (- : side by side, from any threads)
 *   publish        -         -    -             X             (X : one writer) */
#ifndef MR_STORAGE_MEMORY_VERSION_H
#define MR_STORAGE_MEMORY_VERSION_H

#include <pthread.h>
#include <stdatomic.h>

#include "storage/memory_edit.h"

enum { MR_MEMORY_EDITS_MAX = 32 }; /* of one version */

typedef struct mr_memory_version {
    uint64_t number; /* 1 or more */
    atomic_uint references;
    struct mr_memory_version *before, *after; /* the writer's, as all of the list of versions */
    mr_memory_dead dead;                      /* the writer's */
    mr_memory_node *roots[];                  /* one a tree */
} mr_memory_version;

typedef struct mr_memory_versions {
    pthread_rwlock_t newest_lock;
    mr_memory_version *newest; /* under `newest_lock`; with a reference of its own */
    mr_memory_version *oldest; /* the writer's, as what follows */
    uint32_t trees_count;
    size_t objects; /* entries and nodes that are not freed yet */
} mr_memory_versions;

/* mr_memory_versions_init makes a first version, with empty trees. Errors: MR_NO_MEMORY. */
mr_status mr_memory_versions_init(mr_memory_versions *versions, uint32_t trees_count);

/* mr_memory_versions_fini frees everything. Nobody holds a version any more. */
void mr_memory_versions_fini(mr_memory_versions *versions);

/* mr_memory_versions_enter returns the newest version, which stays until mr_memory_versions_leave.
 * Between the two the writer cannot publish: for the time of one get. */
const mr_memory_version *mr_memory_versions_enter(mr_memory_versions *versions);
void mr_memory_versions_leave(mr_memory_versions *versions);

/* mr_memory_versions_take returns the newest version with a reference for the caller, which
 * mr_memory_version_put gives back. Put accepts NULL, and is wait-free. */
mr_memory_version *mr_memory_versions_take(mr_memory_versions *versions);
void mr_memory_version_put(mr_memory_version *version);

/* mr_memory_versions_edit begins the next version, a copy of the newest: the writer changes
 * (*out)->roots by some edits, each root by one of them, which may run at the same time; and then
 * publishes or abandons it. What no version has any more goes. Errors: MR_NO_MEMORY. */
mr_status mr_memory_versions_edit(mr_memory_versions *versions, mr_memory_edit *edits,
                                  uint32_t edits_count, mr_memory_version **out);
void mr_memory_versions_publish(mr_memory_versions *versions, mr_memory_edit *edits,
                                uint32_t edits_count, mr_memory_version *made);
void mr_memory_versions_abandon(mr_memory_versions *versions, mr_memory_edit *edits,
                                uint32_t edits_count, mr_memory_version *made);

#endif
