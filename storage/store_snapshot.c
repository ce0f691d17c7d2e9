/* SPDX-License-Identifier: Apache-2.0 */
/* Snapshots, and stores that read one. */
#include <stdlib.h>

#include "base/assert.h"
#include "storage/store_internal.h"

/* Both accept what is not open. */
static void close_sides(mr_snapshot *snapshot)
{
    mr_store *store = snapshot->store;
    if (snapshot->backend != NULL)
        store->ops->snapshot_close(store->backend, snapshot->backend);
    if (snapshot->layer != NULL)
        mr_store_layer_put(store, snapshot->layer);
    snapshot->backend = NULL;
    snapshot->layer = NULL;
}

static mr_status open_sides(mr_snapshot *snapshot)
{
    mr_store *store = snapshot->store;
    snapshot->layer = mr_store_look(store, &snapshot->number);
    return store->ops->snapshot_open(store->backend, &snapshot->backend);
}

/* The last access to the store is the one to the count, for which mr_store_close looks. */
static void free_snapshot(mr_snapshot *snapshot)
{
    mr_store *store = snapshot->store;
    close_sides(snapshot);
    free(snapshot);
    atomic_fetch_sub_explicit(&store->snapshots_count, 1, memory_order_release);
}

static void free_made(mr_snapshot **snapshot)
{
    if (*snapshot != NULL)
        free_snapshot(*snapshot);
}

static mr_snapshot *make(mr_store *store)
{
    mr_snapshot *snapshot = aligned_alloc(_Alignof(mr_snapshot), sizeof *snapshot);
    if (snapshot == NULL)
        return NULL;
    memset(snapshot, 0, sizeof *snapshot);
    snapshot->store = store;
    atomic_init(&snapshot->references, 1);
    atomic_fetch_add_explicit(&store->snapshots_count, 1, memory_order_relaxed);
    return snapshot;
}

/* Tries again when a change was submitted meanwhile, as mr_cursor_open does. */
mr_status mr_store_snapshot(mr_store *store, mr_snapshot **out)
{
    if (store->snapshot != NULL) {
        *out = mr_snapshot_get(store->snapshot);
        return MR_OK;
    }
    __attribute__((cleanup(free_made))) mr_snapshot *snapshot = make(store);
    if (snapshot == NULL)
        return MR_NO_MEMORY;
    MR_TRY(open_sides(snapshot));
    while (!mr_store_is_whole(store, snapshot->number)) {
        close_sides(snapshot);
        MR_TRY(open_sides(snapshot));
    }
    *out = snapshot;
    snapshot = NULL;
    return MR_OK;
}

mr_snapshot *mr_snapshot_get(mr_snapshot *snapshot)
{
    atomic_fetch_add_explicit(&snapshot->references, 1, memory_order_relaxed);
    return snapshot;
}

void mr_snapshot_put(mr_snapshot *snapshot)
{
    if (snapshot != NULL &&
        atomic_fetch_sub_explicit(&snapshot->references, 1, memory_order_acq_rel) == 1)
        free_snapshot(snapshot);
}

uint64_t mr_snapshot_sequence(const mr_snapshot *snapshot)
{
    return snapshot->number;
}

mr_status mr_store_open_view(mr_snapshot *snapshot, mr_store **out)
{
    const mr_store *store = snapshot->store;
    mr_store *view = mr_store_make(store->ops, store->tables_count, true);
    if (view == NULL)
        return MR_NO_MEMORY;
    view->snapshot = mr_snapshot_get(snapshot);
    *out = view;
    return MR_OK;
}

void mr_store_view_move(mr_store *view, mr_snapshot *snapshot)
{
    MR_ASSERT(view->snapshot != NULL && view->snapshot->store == snapshot->store);
    mr_snapshot *before = view->snapshot;
    view->snapshot = mr_snapshot_get(snapshot);
    mr_snapshot_put(before);
}
