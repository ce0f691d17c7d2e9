/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/store.h"

#include <sched.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/assert.h"
#include "base/clock.h"
#include "storage/store_internal.h"

/* One is in flight while the next is filled; a third is there while a cursor holds one of them. */
enum { SPARES_MAX = 2 };

/* ---- Readers of the layer ---- */

static atomic_uint threads_seen;

static mr_reader_slot *my_slot(mr_store *store)
{
    static _Thread_local unsigned number; /* 0: not yet given */
    if (number == 0)
        number = 1 + atomic_fetch_add_explicit(&threads_seen, 1, memory_order_relaxed);
    return &store->readers[number % MR_READER_SLOTS];
}

/* The reader first counts itself and then looks at `layer`; drain first clears `layer` and then
 * looks at the counts. All four are in one order, so either the reader finds no layer or drain
 * finds the reader. Threads that come after do not count themselves: drain ends. */
mr_layer *mr_store_layer_enter(mr_store *store)
{
    if (atomic_load(&store->layer) == NULL)
        return NULL;
    atomic_fetch_add(&my_slot(store)->inside, 1);
    mr_layer *layer = atomic_load(&store->layer);
    if (layer == NULL)
        mr_store_layer_leave(store);
    return layer;
}

/* The release pairs with the load in drain: the reader's looks at the layer come before its end. */
void mr_store_layer_leave(mr_store *store)
{
    atomic_fetch_sub_explicit(&my_slot(store)->inside, 1, memory_order_release);
}

mr_layer *mr_store_look(mr_store *store, uint64_t *number)
{
    *number = atomic_load(&store->published);
    mr_layer *layer = mr_store_layer_enter(store);
    if (layer == NULL)
        return NULL;
    atomic_fetch_add_explicit(&layer->references, 1, memory_order_relaxed);
    mr_store_layer_leave(store);
    *number = layer->number;
    return layer;
}

/* A change is in `layer`, then counted in `published`, and only then told to the backend. So when
 * no later one is counted now, the backend had seen nothing, not even a part, of a later one. */
bool mr_store_is_whole(const mr_store *store, uint64_t number)
{
    return atomic_load(&store->published) <= number;
}

static void drain(mr_store *store)
{
    for (size_t i = 0; i < MR_READER_SLOTS; i++) {
        while (atomic_load(&store->readers[i].inside) != 0)
            (void)sched_yield();
    }
}

void mr_store_layer_put(mr_store *store, mr_layer *layer)
{
    if (atomic_fetch_sub_explicit(&layer->references, 1, memory_order_acq_rel) != 1)
        return;
    mr_layer_clear(layer);
    pthread_mutex_lock(&store->lock);
    bool keep = store->spares_count < SPARES_MAX;
    if (keep) {
        layer->next = store->spares;
        store->spares = layer;
        store->spares_count++;
    }
    pthread_mutex_unlock(&store->lock);
    if (!keep)
        mr_layer_free(layer);
}

/* ---- The committer ---- */

static mr_status commit(mr_store *store, mr_layer *layer, mr_error *error)
{
    mr_layer_changes changes = mr_layer_changes_of(layer);
    MR_TRY(store->ops->apply(store->backend, &changes.changes, error));
    atomic_store(&store->layer, NULL);
    drain(store);
    mr_store_layer_put(store, layer);
    return MR_OK;
}

static void *committer_main(void *arg)
{
    mr_store *store = arg;
    pthread_mutex_lock(&store->lock);
    for (;;) {
        while (store->in_flight == NULL && !store->stopping)
            pthread_cond_wait(&store->changed, &store->lock);
        mr_layer *layer = store->in_flight;
        if (layer == NULL)
            break;
        pthread_mutex_unlock(&store->lock);
        mr_error error = {0};
        mr_status status = commit(store, layer, &error);
        pthread_mutex_lock(&store->lock);
        if (status != MR_OK)
            store->failure = error;
        store->in_flight = NULL;
        pthread_cond_broadcast(&store->changed);
    }
    pthread_mutex_unlock(&store->lock);
    return NULL;
}

/* ---- Opening and closing ---- */

static void free_layers(mr_store *store)
{
    mr_layer_free(atomic_load(&store->layer)); /* of a change that failed */
    while (store->spares != NULL) {
        mr_layer *layer = store->spares;
        store->spares = layer->next;
        mr_layer_free(layer);
    }
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
    mr_snapshot_put(store->snapshot);
    MR_ASSERT(atomic_load(&store->snapshots_count) == 0);
    free_layers(store);
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

mr_store *mr_store_make(const mr_backend_ops *ops, uint32_t tables_count, bool read_only)
{
    mr_store *store = aligned_alloc(_Alignof(mr_store), sizeof *store);
    if (store == NULL)
        return NULL;
    memset(store, 0, sizeof *store);
    pthread_mutex_init(&store->lock, NULL);
    pthread_cond_init(&store->changed, NULL);
    store->ops = ops;
    store->tables_count = tables_count;
    store->read_only = read_only;
    return store;
}

static uint64_t choose_seed(void)
{
    uint64_t seed;
    if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) != sizeof seed)
        seed = mr_clock_ns();
    return seed;
}

static mr_status start_committer(mr_store *store, mr_error *error)
{
    if (pthread_create(&store->committer, NULL, committer_main, store) != 0)
        return MR_FAIL(error, MR_IO, "the committer thread cannot be started");
    store->committer_started = true;
    return MR_OK;
}

mr_status mr_store_start(const mr_backend_ops *ops, mr_backend *backend, uint32_t tables_count,
                         mr_store **out, mr_error *error)
{
    mr_store *store = mr_store_make(ops, tables_count, false);
    if (store == NULL)
        return MR_FAIL(error, MR_NO_MEMORY, "out of memory for a store");
    store->seed = choose_seed();
    mr_status status = start_committer(store, error);
    if (status != MR_OK) {
        mr_store_close(store);
        return status;
    }
    store->backend = backend; /* the committer looks at it when it has something to tell it */
    *out = store;
    return MR_OK;
}

mr_status mr_store_open_over(const mr_backend_ops *ops, const mr_store_options *options,
                             mr_store **out, mr_error *error)
{
    MR_ASSERT(options->tables_count >= 1);
    __attribute__((cleanup(close_store))) mr_store *store =
        mr_store_make(ops, options->tables_count, options->read_only);
    if (store == NULL)
        return MR_FAIL(error, MR_NO_MEMORY, "out of memory for a store");
    store->seed = choose_seed();
    MR_TRY(ops->open(options, &store->backend, error));
    if (!store->read_only)
        MR_TRY(start_committer(store, error));
    *out = store;
    store = NULL;
    return MR_OK;
}

mr_status mr_store_open(const mr_store_options *options, mr_store **out, mr_error *error)
{
    return mr_store_open_over(options->path == NULL ? &mr_backend_memory : &mr_backend_rocksdb,
                              options, out, error);
}

/* ---- Reading ---- */

bool mr_layer_read(const mr_layer *layer, uint64_t seed, uint32_t table, mr_span key,
                   mr_buffer *value, mr_status *status)
{
    const uint8_t *record = mr_layer_find(layer, mr_record_hash(seed, table, key), table, key);
    if (record == NULL)
        return false;
    const mr_change change = mr_record_read(record);
    *status = change.present ? mr_buffer_append(value, change.value) : MR_NOT_FOUND;
    return true;
}

/* What is not in the layer is looked for in the backend, which has it when the layer went away in
 * between. */
static mr_status get_now(mr_store *store, uint32_t table, mr_span key, mr_buffer *value)
{
    mr_status status;
    const mr_layer *layer = mr_store_layer_enter(store);
    bool there = layer != NULL && mr_layer_read(layer, store->seed, table, key, value, &status);
    if (layer != NULL)
        mr_store_layer_leave(store);
    return there ? status : store->ops->get(store->backend, NULL, table, key, value);
}

/* The same in a snapshot. When its layer says nothing of the key, the backend's side has it, before
 * or after it was told of the layer. */
static mr_status get_then(const mr_snapshot *snapshot, uint32_t table, mr_span key,
                          mr_buffer *value)
{
    mr_status status;
    const mr_store *store = snapshot->store;
    if (snapshot->layer != NULL &&
        mr_layer_read(snapshot->layer, store->seed, table, key, value, &status))
        return status;
    return store->ops->get(store->backend, snapshot->backend, table, key, value);
}

mr_status mr_store_get(mr_store *store, uint32_t table, mr_span key, mr_buffer *value)
{
    MR_ASSERT(table < store->tables_count);
    if (store->snapshot != NULL)
        return get_then(store->snapshot, table, key, value);
    return get_now(store, table, key, value);
}

uint64_t mr_store_sequence(const mr_store *store)
{
    return store->snapshot != NULL ? store->snapshot->number : atomic_load(&store->published);
}

/* ---- Submitting ---- */

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
    while (store->in_flight != NULL)
        pthread_cond_wait(&store->changed, &store->lock);
}

static mr_layer *take_spare(mr_store *store)
{
    pthread_mutex_lock(&store->lock);
    mr_layer *layer = store->spares;
    if (layer != NULL) {
        store->spares = layer->next;
        store->spares_count--;
    }
    pthread_mutex_unlock(&store->lock);
    return layer != NULL ? layer : mr_layer_new(store->tables_count);
}

/* Makes the layer visible and hands it to the committer. `lock` is held and nothing in flight. */
static void publish(mr_store *store, mr_layer *layer)
{
    atomic_fetch_add_explicit(&store->bytes_written, layer->payload_bytes, memory_order_relaxed);
    atomic_store_explicit(&layer->references, 1, memory_order_relaxed);
    layer->number = atomic_load(&store->published) + 1;
    atomic_store(&store->layer, layer);
    atomic_store(&store->published, layer->number); /* in this order, see mr_store_is_whole */
    store->in_flight = layer;
}

static void free_layer(mr_layer **layer)
{
    mr_layer_free(*layer);
}

/* The layer is filled while the change before it is still being written. */
static mr_status submit_layer(mr_store *store, mr_batch *const *batches, size_t batches_count,
                              mr_error *error)
{
    __attribute__((cleanup(free_layer))) mr_layer *layer = take_spare(store);
    if (layer == NULL || mr_layer_fill(layer, batches, batches_count) != MR_OK)
        return MR_FAIL(error, MR_NO_MEMORY, "out of memory for a change of a store");
    lock_idle(store);
    mr_status status = failed(store, error);
    if (status == MR_OK) {
        publish(store, layer);
        layer = NULL;
    }
    pthread_mutex_unlock(&store->lock);
    pthread_cond_broadcast(&store->changed);
    return status;
}

mr_status mr_store_submit(mr_store *store, mr_batch *const *batches, size_t batches_count,
                          mr_error *error)
{
    if (store->read_only)
        return MR_FAIL(error, MR_STATE, "the store is open for reading only");
    pthread_mutex_lock(&store->lock);
    mr_error local = store->failure;
    pthread_mutex_unlock(&store->lock);
    mr_status status = local.status;
    if (status == MR_OK)
        status = submit_layer(store, batches, batches_count, &local);
    for (size_t i = 0; i < batches_count; i++)
        mr_batch_reset(batches[i]);
    if (status == MR_OK)
        return MR_OK;
    pthread_mutex_lock(&store->lock);
    if (store->failure.status == MR_OK)
        store->failure = local;
    status = failed(store, error);
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

void mr_store_forgive(mr_store *store)
{
    lock_idle(store);
    store->failure = (mr_error){0};
    pthread_mutex_unlock(&store->lock);
    mr_layer *layer = atomic_load(&store->layer); /* of a change that failed */
    if (layer == NULL)
        return;
    atomic_store(&store->layer, NULL);
    drain(store);
    mr_store_layer_put(store, layer);
}

uint64_t mr_store_bytes_written(const mr_store *store)
{
    return atomic_load_explicit(&store->bytes_written, memory_order_relaxed);
}

mr_batch *mr_batch_new(mr_store *store)
{
    mr_batch *batch = mr_batch_make();
    if (batch != NULL) {
        batch->seed = store->seed;
        batch->tables_count = store->tables_count;
    }
    return batch;
}
