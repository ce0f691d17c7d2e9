/* SPDX-License-Identifier: Apache-2.0 */
/* store_internal: a store as its own files see it.
 *
 * The way of a change: the submitter fills a layer and publishes it; readers look there first; the
 * committer tells the backend and, when the change is durable there, takes the layer away. A key
 * is at every moment in the layer, or in the backend, or in both with the same value.
 *
 *      spare --fill--> published --durable--> draining --nobody holds it--> spare
 *      submitter       submitter              committer   committer or the last holder
 *
 * A layer whose change failed stays published, so that what was seen once is seen until the store
 * is closed. A layer that a snapshot or cursor holds stays as it is until they let go of it. */
#ifndef MR_STORAGE_STORE_INTERNAL_H
#define MR_STORAGE_STORE_INTERNAL_H

#include "storage/store_layer.h"

enum { MR_READER_SLOTS = 64, MR_CACHE_LINE = 64 };

/* How many readers of some threads are looking at the layer. Threads are spread over slots, so that
 * readers do not write to a common cache line. */
typedef struct mr_reader_slot {
    _Alignas(MR_CACHE_LINE) atomic_uint inside;
} mr_reader_slot;

/* The layer in flight at one moment and the backend at that moment: together they are the store
 * after change `number`, also when the backend has been told of the layer since. */
struct mr_snapshot {
    mr_store *store; /* never a view */
    mr_layer *layer; /* counted, NULL when nothing was in flight */
    mr_backend_snapshot *backend;
    uint64_t number; /* of the last change in it */
    _Alignas(MR_CACHE_LINE) atomic_uint references;
};

struct mr_store {
    const mr_backend_ops *ops;
    mr_snapshot *snapshot; /* counted; of a view, which reads it and nothing else. Else NULL */
    mr_backend *backend;   /* NULL in a view */
    uint64_t seed;         /* of the hashes of keys; random */
    uint32_t tables_count;
    bool read_only;
    _Atomic uint64_t bytes_written;

    /* Shared by the submitter, waiters and the committer thread, guarded by `lock`. */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t committer;
    bool committer_started;
    bool stopping;
    mr_layer *in_flight; /* the change that is not yet durable; NULL */
    mr_layer *spares;    /* to be filled again, linked by `next` */
    uint32_t spares_count;
    mr_error failure; /* status MR_OK until a change could not be made durable */

    /* Written by the submitter (published, then layer) and the committer (layer), read by all who
     * read. Every access is sequentially consistent; see store.c. */
    _Alignas(MR_CACHE_LINE) _Atomic(mr_layer *) layer; /* NULL when the backend has everything */
    _Atomic uint64_t published;                        /* changes submitted so far */
    mr_reader_slot readers[MR_READER_SLOTS];

    /* Not yet put; written by who takes and puts them. */
    _Alignas(MR_CACHE_LINE) _Atomic uint64_t snapshots_count;
};

/* mr_store_layer_enter returns the layer in flight, which stays as it is until
 * mr_store_layer_leave; or NULL when there is none, and nothing is to be left. Between the two a
 * reader does not wait for anything. Threads: any. Lock-free. */
mr_layer *mr_store_layer_enter(mr_store *store);
void mr_store_layer_leave(mr_store *store);

/* mr_store_look yields what a consistent look at layer and backend begins with: the layer in flight
 * with a reference for the caller, or NULL, and the number of the last change that it and the
 * backend had been told of. Then the backend's side is opened; and the two are the store after that
 * change if mr_store_is_whole. Else a change was submitted meanwhile, and the caller looks again.
 * Threads: any. Lock-free. */
mr_layer *mr_store_look(mr_store *store, uint64_t *number);
bool mr_store_is_whole(const mr_store *store, uint64_t number);

/* mr_layer_read appends the value that a layer has for a key, or makes *status MR_NOT_FOUND when
 * the change removes it. False when the change does not touch the key. Threads: any. */
bool mr_layer_read(const mr_layer *layer, uint64_t seed, uint32_t table, mr_span key,
                   mr_buffer *value, mr_status *status);

/* mr_store_make makes a store without backend and committer, for `ops`. NULL when out of memory. */
mr_store *mr_store_make(const mr_backend_ops *ops, uint32_t tables_count, bool read_only);

/* mr_store_start makes a store over a backend that is open, and starts its committer.
 * Errors: MR_NO_MEMORY; MR_IO.  Owns: takes `backend`, but not when it fails. */
mr_status mr_store_start(const mr_backend_ops *ops, mr_backend *backend, uint32_t tables_count,
                         mr_store **out, mr_error *error);

/* mr_store_layer_put gives back a counted reference; the last one makes the layer a spare one. */
void mr_store_layer_put(mr_store *store, mr_layer *layer);

/* mr_store_forgive waits until nothing is in flight, and forgets that a change failed, and what it
 * was: of a store whose changes are about to be dropped. */
void mr_store_forgive(mr_store *store);

#endif
