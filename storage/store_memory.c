/* SPDX-License-Identifier: Apache-2.0 */
/* The memory backend: per table a tree that is changed in place. A change takes the lock for a few
 * records at a time; a cursor keeps the entries of its range as they are when it is opened. */
#include <pthread.h>
#include <stdlib.h>

#include "storage/memory_table.h"

struct mr_backend {
    pthread_rwlock_t lock; /* guards what follows */
    bool broken;           /* memory ran out in the middle of a change; the committer writes it */
    uint32_t tables_count;
    mr_memory_table tables[];
};

struct mr_backend_cursor {
    mr_span prefix; /* the caller's; while the cursor is opened */
    bool failed;
    size_t next;
    size_t count;
    size_t capacity;
    mr_entry **entries; /* counted */
};

static mr_status memory_open(const mr_store_options *options, mr_backend **out, mr_error *error)
{
    mr_backend *backend =
        calloc(1, sizeof *backend + options->tables_count * sizeof backend->tables[0]);
    if (backend == NULL)
        return MR_FAIL(error, MR_NO_MEMORY, "out of memory for a store");
    /* Readers that come all the time do not keep a change waiting. */
    pthread_rwlockattr_t attributes;
    pthread_rwlockattr_init(&attributes);
    pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&backend->lock, &attributes);
    pthread_rwlockattr_destroy(&attributes);
    backend->tables_count = options->tables_count;
    *out = backend;
    return MR_OK;
}

static void memory_close(mr_backend *backend)
{
    for (uint32_t table = 0; table < backend->tables_count; table++)
        mr_memory_table_fini(&backend->tables[table]);
    pthread_rwlock_destroy(&backend->lock);
    free(backend);
}

static mr_status memory_get(mr_backend *backend, const mr_backend_snapshot *snapshot,
                            uint32_t table, mr_span key, mr_buffer *value)
{
    (void)snapshot;
    pthread_rwlock_rdlock(&backend->lock);
    mr_status status = backend->broken ? MR_NO_MEMORY : MR_NOT_FOUND;
    const mr_entry *found = mr_memory_table_find(&backend->tables[table], key);
    if (found != NULL && !backend->broken)
        status = mr_buffer_append(value, mr_entry_value(found));
    pthread_rwlock_unlock(&backend->lock);
    return status;
}

/* Applies up to SLICE changes; false when there are no more. Readers come in between. */
static bool apply_slice(mr_backend *backend, mr_change_source *changes)
{
    enum { SLICE = 128 };
    mr_change change;
    bool more = true;
    pthread_rwlock_wrlock(&backend->lock);
    for (int i = 0; i < SLICE && more; i++) {
        more = changes->next(changes, &change);
        if (!more)
            break;
        mr_memory_table *table = &backend->tables[change.table];
        if (!change.present)
            mr_memory_table_remove(table, change.key);
        else if (mr_memory_table_put(table, change.key, change.value) != MR_OK)
            backend->broken = true;
        more = !backend->broken;
    }
    pthread_rwlock_unlock(&backend->lock);
    return more;
}

/* Without memory in the middle of a change the store is lost, as it would be with the process: it
 * is not read any more, so that nobody sees the part. */
static mr_status memory_apply(mr_backend *backend, mr_change_source *changes, mr_error *error)
{
    while (apply_slice(backend, changes))
        continue;
    if (backend->broken)
        return MR_FAIL(error, MR_NO_MEMORY, "out of memory for a change of a store");
    return MR_OK;
}

static void memory_cursor_close(mr_backend_cursor *cursor)
{
    for (size_t i = 0; i < cursor->count; i++)
        mr_entry_put(cursor->entries[i]);
    free(cursor->entries);
    free(cursor);
}

static bool keep(void *arg, mr_entry *entry)
{
    mr_backend_cursor *cursor = arg;
    if (entry->key_bytes < cursor->prefix.size ||
        (cursor->prefix.size > 0 &&
         memcmp(entry->bytes, cursor->prefix.data, cursor->prefix.size) != 0))
        return false;
    if (cursor->count == cursor->capacity) {
        size_t capacity = cursor->capacity == 0 ? 16 : 2 * cursor->capacity;
        mr_entry **grown = reallocarray(cursor->entries, capacity, sizeof(mr_entry *));
        cursor->failed = grown == NULL;
        if (grown == NULL)
            return false;
        cursor->entries = grown;
        cursor->capacity = capacity;
    }
    cursor->entries[cursor->count++] = mr_entry_get(entry);
    return true;
}

static mr_status memory_cursor_open(mr_backend *backend, const mr_backend_snapshot *snapshot,
                                    uint32_t table, mr_span prefix, mr_span from,
                                    mr_backend_cursor **out)
{
    (void)snapshot;
    mr_backend_cursor *cursor = calloc(1, sizeof *cursor);
    if (cursor == NULL)
        return MR_NO_MEMORY;
    cursor->prefix = prefix;
    pthread_rwlock_rdlock(&backend->lock);
    cursor->failed = backend->broken;
    if (!cursor->failed)
        mr_memory_table_walk(&backend->tables[table],
                             mr_span_compare(prefix, from) > 0 ? prefix : from, keep, cursor);
    pthread_rwlock_unlock(&backend->lock);
    if (cursor->failed) {
        memory_cursor_close(cursor);
        return MR_NO_MEMORY;
    }
    *out = cursor;
    return MR_OK;
}

static mr_status memory_cursor_next(mr_backend_cursor *cursor, mr_span *key, mr_span *value)
{
    if (cursor->next == cursor->count)
        return MR_NOT_FOUND;
    const mr_entry *entry = cursor->entries[cursor->next++];
    *key = mr_entry_key(entry);
    *value = mr_entry_value(entry);
    return MR_OK;
}

static mr_status memory_snapshot_open(mr_backend *backend, mr_backend_snapshot **out)
{
    (void)backend;
    (void)out;
    return MR_STATE;
}

static void memory_snapshot_close(mr_backend *backend, mr_backend_snapshot *snapshot)
{
    (void)backend;
    (void)snapshot;
}

const mr_backend_ops mr_backend_memory = {
    .open = memory_open,
    .close = memory_close,
    .get = memory_get,
    .apply = memory_apply,
    .cursor_open = memory_cursor_open,
    .cursor_next = memory_cursor_next,
    .cursor_close = memory_cursor_close,
    .snapshot_open = memory_snapshot_open,
    .snapshot_close = memory_snapshot_close,
};
