/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/memory_version.h"

#include <stdlib.h>

#include "base/assert.h"

typedef mr_memory_version version;
typedef mr_memory_versions versions;

static version *new_version(uint32_t trees_count, uint64_t number)
{
    version *made = calloc(1, sizeof *made + trees_count * sizeof made->roots[0]);
    if (made == NULL)
        return NULL;
    made->number = number;
    atomic_init(&made->references, 1);
    return made;
}

mr_status mr_memory_versions_init(mr_memory_versions *all, uint32_t trees_count)
{
    all->newest = new_version(trees_count, 1);
    if (all->newest == NULL)
        return MR_NO_MEMORY;
    /* Readers that come all the time do not keep the writer waiting. */
    pthread_rwlockattr_t attributes;
    pthread_rwlockattr_init(&attributes);
    pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&all->newest_lock, &attributes);
    pthread_rwlockattr_destroy(&attributes);
    all->oldest = all->newest;
    all->trees_count = trees_count;
    all->objects = 0;
    return MR_OK;
}

/* ---- References ---- */

const mr_memory_version *mr_memory_versions_enter(mr_memory_versions *all)
{
    pthread_rwlock_rdlock(&all->newest_lock);
    return all->newest;
}

void mr_memory_versions_leave(mr_memory_versions *all)
{
    pthread_rwlock_unlock(&all->newest_lock);
}

mr_memory_version *mr_memory_versions_take(mr_memory_versions *all)
{
    pthread_rwlock_rdlock(&all->newest_lock);
    version *newest = all->newest;
    atomic_fetch_add_explicit(&newest->references, 1, memory_order_relaxed);
    pthread_rwlock_unlock(&all->newest_lock);
    return newest;
}

/* The release pairs with the load in collect: the holder has read before the version goes. */
void mr_memory_version_put(mr_memory_version *v)
{
    if (v != NULL)
        (void)atomic_fetch_sub_explicit(&v->references, 1, memory_order_release);
}

/* ---- The writer ---- */

/* Takes a version that nobody holds out of the list. What only it had goes to `trash`, or is freed
 * here where the version before has some of it. */
static void drop(versions *all, version *v, mr_memory_dead *trash)
{
    v->after->before = v->before;
    if (v->before == NULL) {
        all->oldest = v->after;
        mr_memory_dead_move(trash, &v->dead);
    } else {
        v->before->after = v->after;
        all->objects -= mr_memory_dead_free(&v->dead, v->before->number);
        mr_memory_dead_move(&v->before->dead, &v->dead);
    }
    free(v);
}

/* From the oldest on, so that the one before is one that stays. Nobody takes a version that is not
 * the newest: one without references stays so. */
static void collect(versions *all, mr_memory_dead *trash)
{
    version *after;
    for (version *v = all->oldest; v != all->newest; v = after) {
        after = v->after;
        if (atomic_load_explicit(&v->references, memory_order_acquire) == 0)
            drop(all, v, trash);
    }
}

/* Only the writer changes `newest`, so it looks there without the lock. */
mr_status mr_memory_versions_edit(mr_memory_versions *all, mr_memory_edit *edits,
                                  uint32_t edits_count, mr_memory_version **out)
{
    version *newest = all->newest;
    version *made = new_version(all->trees_count, newest->number + 1);
    if (made == NULL)
        return MR_NO_MEMORY;
    made->before = newest;
    memcpy(made->roots, newest->roots, all->trees_count * sizeof made->roots[0]);
    mr_memory_dead trash = {0};
    mr_memory_dead *lists[MR_MEMORY_EDITS_MAX];
    MR_ASSERT(edits_count >= 1 && edits_count <= MR_MEMORY_EDITS_MAX);
    for (uint32_t i = 0; i < edits_count; i++) {
        mr_memory_edit_begin(&edits[i], made->number);
        lists[i] = &edits[i].trash;
    }
    collect(all, &trash);
    mr_memory_dead_deal(&trash, lists, edits_count);
    *out = made;
    return MR_OK;
}

static void end(versions *all, mr_memory_edit *edits, uint32_t edits_count)
{
    for (uint32_t i = 0; i < edits_count; i++) {
        all->objects -= edits[i].freed + mr_memory_dead_free(&edits[i].trash, 0);
        mr_memory_edit_fini(&edits[i]);
    }
}

void mr_memory_versions_publish(mr_memory_versions *all, mr_memory_edit *edits,
                                uint32_t edits_count, mr_memory_version *made)
{
    version *before = all->newest;
    before->after = made;
    for (uint32_t i = 0; i < edits_count; i++) {
        mr_memory_dead_move(&before->dead, &edits[i].dead);
        all->objects += edits[i].made;
    }
    pthread_rwlock_wrlock(&all->newest_lock);
    all->newest = made;
    pthread_rwlock_unlock(&all->newest_lock);
    mr_memory_version_put(before);
    end(all, edits, edits_count);
}

/* What the edits made is reached from the roots, through nodes that they made. */
void mr_memory_versions_abandon(mr_memory_versions *all, mr_memory_edit *edits,
                                uint32_t edits_count, mr_memory_version *made)
{
    size_t freed = 0;
    for (uint32_t i = 0; i < all->trees_count; i++)
        freed += mr_memory_tree_free(made->roots[i], made->number);
    for (uint32_t i = 0; i < edits_count; i++) {
        MR_ASSERT(freed >= edits[i].made);
        freed -= edits[i].made;
        mr_memory_dead_fini(&edits[i].dead);
    }
    MR_ASSERT(freed == 0);
    free(made);
    end(all, edits, edits_count);
}

void mr_memory_versions_fini(mr_memory_versions *all)
{
    mr_memory_dead trash = {0};
    collect(all, &trash);
    version *last = all->newest;
    MR_ASSERT(all->oldest == last && atomic_load(&last->references) == 1);
    size_t freed = mr_memory_dead_free(&trash, 0);
    for (uint32_t i = 0; i < all->trees_count; i++)
        freed += mr_memory_tree_free(last->roots[i], 0);
    MR_ASSERT(freed == all->objects);
    free(last);
    pthread_rwlock_destroy(&all->newest_lock);
}
