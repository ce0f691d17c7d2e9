/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/store.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/assert.h"
#include "storage/batch.h"
#include "storage/store_backend.h"

struct mr_store {
    const mr_backend_ops *ops;
    mr_backend *backend;
    uint32_t tables_count;
    bool read_only;
    _Atomic uint64_t bytes_written;

    /* Shared by the submitter, waiters and the committer thread, guarded by `lock`. */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t committer;
    bool committer_started;
    bool stopping;
    bool in_flight;   /* a change is applied and not yet durable */
    mr_error failure; /* status MR_OK until a change could not be made durable */
};

struct mr_cursor {
    mr_store *store;
    mr_backend_cursor *cursor;
};

static void *committer_main(void *arg)
{
    mr_store *store = arg;
    pthread_mutex_lock(&store->lock);
    for (;;) {
        while (!store->in_flight && !store->stopping)
            pthread_cond_wait(&store->changed, &store->lock);
        if (!store->in_flight)
            break;
        pthread_mutex_unlock(&store->lock);
        mr_error error = {0};
        mr_status status = store->ops->sync(store->backend, &error);
        pthread_mutex_lock(&store->lock);
        if (status != MR_OK)
            store->failure = error;
        store->in_flight = false;
        pthread_cond_broadcast(&store->changed);
    }
    pthread_mutex_unlock(&store->lock);
    return NULL;
}

void mr_store_close(mr_store *store)
{
    if (store == NULL)
        return;
    if (store->committer_started) {
        pthread_mutex_lock(&store->lock);
        store->stopping = true;
        pthread_cond_broadcast(&store->changed);
        pthread_mutex_unlock(&store->lock);
        pthread_join(store->committer, NULL);
    }
    if (store->backend != NULL)
        store->ops->close(store->backend);
    pthread_cond_destroy(&store->changed);
    pthread_mutex_destroy(&store->lock);
    free(store);
}

static void close_store(mr_store **store)
{
    mr_store_close(*store);
}

mr_status mr_store_open(const mr_store_options *options, mr_store **out, mr_error *error)
{
    MR_ASSERT(options->tables_count >= 1);
    __attribute__((cleanup(close_store))) mr_store *store = calloc(1, sizeof *store);
    if (store == NULL)
        return MR_FAIL(error, MR_NO_MEMORY, "out of memory for a store");
    pthread_mutex_init(&store->lock, NULL);
    pthread_cond_init(&store->changed, NULL);
    store->ops = options->path == NULL ? &mr_backend_memory : &mr_backend_rocksdb;
    store->tables_count = options->tables_count;
    store->read_only = options->read_only;
    MR_TRY(store->ops->open(options, &store->backend, error));
    if (pthread_create(&store->committer, NULL, committer_main, store) != 0)
        return MR_FAIL(error, MR_IO, "the committer thread cannot be started");
    store->committer_started = true;
    *out = store;
    store = NULL;
    return MR_OK;
}

mr_status mr_store_get(mr_store *store, uint32_t table, mr_span key, mr_buffer *value)
{
    MR_ASSERT(table < store->tables_count);
    return store->ops->get(store->backend, table, key, value);
}

static mr_status failed(const mr_store *store, mr_error *error)
{
    if (error != NULL)
        *error = store->failure;
    return store->failure.status;
}

/* Waits until nothing is in flight, and returns with `lock` held. */
static void lock_idle(mr_store *store)
{
    pthread_mutex_lock(&store->lock);
    while (store->in_flight)
        pthread_cond_wait(&store->changed, &store->lock);
}

mr_status mr_store_submit(mr_store *store, mr_batch *const *batches, size_t batches_count,
                          mr_error *error)
{
    if (store->read_only)
        return MR_FAIL(error, MR_STATE, "the store is open for reading only");
    lock_idle(store);
    mr_status status = failed(store, error);
    pthread_mutex_unlock(&store->lock);
    if (status != MR_OK)
        return status;

    mr_batch_source changes = mr_batch_source_of(batches, batches_count);
    mr_error local = {0};
    status = store->ops->apply(store->backend, &changes.source, &local);
    uint64_t bytes = 0;
    for (size_t i = 0; i < batches_count; i++) {
        bytes += batches[i]->payload_bytes;
        mr_batch_reset(batches[i]);
    }
    pthread_mutex_lock(&store->lock);
    if (status == MR_OK) {
        atomic_fetch_add_explicit(&store->bytes_written, bytes, memory_order_relaxed);
        store->in_flight = true;
        pthread_cond_broadcast(&store->changed);
    } else {
        store->failure = local;
        status = failed(store, error);
    }
    pthread_mutex_unlock(&store->lock);
    return status;
}

mr_status mr_store_wait(mr_store *store, mr_error *error)
{
    lock_idle(store);
    mr_status status = failed(store, error);
    pthread_mutex_unlock(&store->lock);
    return status;
}

uint64_t mr_store_bytes_written(const mr_store *store)
{
    return atomic_load_explicit(&store->bytes_written, memory_order_relaxed);
}

mr_batch *mr_batch_new(mr_store *store)
{
    mr_batch *batch = calloc(1, sizeof *batch);
    if (batch != NULL)
        batch->tables_count = store->tables_count;
    return batch;
}

mr_status mr_cursor_open(mr_store *store, uint32_t table, mr_span prefix, mr_span from,
                         mr_cursor **out)
{
    MR_ASSERT(table < store->tables_count);
    mr_cursor *cursor = malloc(sizeof *cursor);
    if (cursor == NULL)
        return MR_NO_MEMORY;
    cursor->store = store;
    mr_status status =
        store->ops->cursor_open(store->backend, table, prefix, from, &cursor->cursor);
    if (status != MR_OK) {
        free(cursor);
        return status;
    }
    *out = cursor;
    return MR_OK;
}

mr_status mr_cursor_next(mr_cursor *cursor, mr_span *key, mr_span *value)
{
    return cursor->store->ops->cursor_next(cursor->cursor, key, value);
}

void mr_cursor_close(mr_cursor *cursor)
{
    if (cursor == NULL)
        return;
    cursor->store->ops->cursor_close(cursor->cursor);
    free(cursor);
}
