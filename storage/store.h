/* SPDX-License-Identifier: Apache-2.0 */
/* store: named tables of bytes with atomic, durable batches. Two backends: RocksDB, and memory for
 * tests and volatile engines. A store knows nothing of what the bytes mean.
 *
 *             get   cursor  snapshot  submit  wait
 *   get        -      -        -        -      -     (- : may run side by side, from any threads)
 *   submit     -      -        -        X      -     (X : the caller orders them; one thread
 * submits)
 *
 * A get or cursor sees every batch submitted before it, durable or not, and none in part. A change
 * that failed to become durable is seen until the store is closed. */
#ifndef MR_STORAGE_STORE_H
#define MR_STORAGE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"

typedef struct mr_store mr_store;
typedef struct mr_snapshot mr_snapshot;
typedef struct mr_batch mr_batch;
typedef struct mr_cursor mr_cursor;

typedef struct mr_store_options {
    const char *path;          /* directory of the database; NULL keeps everything in memory */
    const char *const *tables; /* names; a table's number is its index here */
    uint32_t tables_count;     /* 1 or more */
    bool create;               /* make the database when there is none */
    bool read_only;            /* submit is refused; needs an existing database */
    uint32_t helpers_count;    /* threads that help to apply large changes in memory, 0 to 31 */
} mr_store_options;

/* mr_store_open opens or makes a database.
 * Errors:  MR_NOT_FOUND no database there and !create; MR_IO cannot be read or written, the text
 *          names the path; MR_NO_SPACE; MR_BUSY another process has it; MR_CORRUPT; MR_VERSION
 *          laid out by another version of this layer.
 * Owns:    the caller closes *out. */
mr_status mr_store_open(const mr_store_options *options, mr_store **out, mr_error *error);

/* mr_store_close waits for submitted batches and closes. Accepts NULL. The caller has closed all
 * cursors and views of the store, and has put all its snapshots. */
void mr_store_close(mr_store *store);

/* mr_store_get appends the value of `key` to `value`.
 * Errors: MR_NOT_FOUND; MR_IO; MR_CORRUPT; MR_NO_MEMORY.  `value` is unchanged by a failure.
 * Threads: any. */
mr_status mr_store_get(mr_store *store, uint32_t table, mr_span key, mr_buffer *value);

/* mr_store_submit applies the batches one after the other as one atomic change, and empties them,
 * also when it fails. It returns when the change is visible; durability follows. The batches' bytes
 * are taken over, not copied, and the database is told of them on the store's own thread; at most
 * one change is in flight, so a second submit waits for it.
 *
 * Errors:  those of an earlier change that failed to become durable: MR_NO_SPACE, MR_IO; its own:
 *          MR_NO_MEMORY, MR_STATE when read only. After one (but MR_STATE) the store refuses
 * further changes, with the same status, until it is opened again at the last durable change.
 * Threads: one at a time. */
mr_status mr_store_submit(mr_store *store, mr_batch *const *batches, size_t batches_count,
                          mr_error *error);

/* mr_store_wait returns when everything submitted is durable (synced to the disk).
 * Errors: as mr_store_submit. Threads: any. */
mr_status mr_store_wait(mr_store *store, mr_error *error);

/* mr_store_sequence returns the number of changes submitted since the store was opened; of a view,
 * how many of them its snapshot has. So a view is out of date when the two differ.
 * Threads: any. Wait-free, one load.
 * Order:   a get, cursor or snapshot that begins later sees these changes, or more. */
uint64_t mr_store_sequence(const mr_store *store);

/* mr_store_bytes_written returns how many bytes of keys and values were submitted since open. */
uint64_t mr_store_bytes_written(const mr_store *store);

/* mr_batch_new makes an empty batch. Batches of one store may be filled by different threads at
 * the same time, one thread a batch. Errors: NULL when out of memory. */
mr_batch *mr_batch_new(mr_store *store);
void mr_batch_free(mr_batch *batch);

/* mr_batch_put and mr_batch_delete add one change; the last change of a key wins.
 * Errors: MR_NO_MEMORY, MR_LIMIT a key or value of 4 GiB; the batch unchanged.
 * Owns: copies key and value. */
mr_status mr_batch_put(mr_batch *batch, uint32_t table, mr_span key, mr_span value);
mr_status mr_batch_delete(mr_batch *batch, uint32_t table, mr_span key);

/* mr_batch_reset forgets all changes of the batch. */
void mr_batch_reset(mr_batch *batch);

/* mr_cursor_open walks the keys of a table that start with `prefix` (may be empty), in ascending
 * byte order, starting at the first key >= `from` (may be empty). It sees the store as it was when
 * opened. Owns: the caller closes it; `prefix` is copied. Errors: MR_NO_MEMORY; MR_IO. */
mr_status mr_cursor_open(mr_store *store, uint32_t table, mr_span prefix, mr_span from,
                         mr_cursor **out);
void mr_cursor_close(mr_cursor *cursor);

/* mr_cursor_next yields the next pair, borrowed until the next call on the cursor.
 * Errors: MR_NOT_FOUND at the end; MR_IO; MR_CORRUPT. */
mr_status mr_cursor_next(mr_cursor *cursor, mr_span *key, mr_span *value);

/* ---- Snapshots ---- */

/* mr_store_snapshot yields the store as it is now: after the change submitted last, durable or not,
 * and never changed again. It copies nothing, whatever the store holds; a snapshot keeps alive what
 * later changes replace or remove, and the records of the change that was in flight. Of a view it
 * yields the view's own snapshot.
 *
 * Errors:  MR_NO_MEMORY.  Owns: the caller gets a counted reference; all are put before the store
 *          is closed.
 * Threads: any. Waits for no change, and no change waits for it. Lock-free but for short locks of
 *          the backend's. */
mr_status mr_store_snapshot(mr_store *store, mr_snapshot **out);

/* mr_snapshot_get counts a reference, which mr_snapshot_put gives back. After the last one the
 * store frees what only this snapshot kept alive, on threads of its own: in memory with the next
 * change, on the disk when RocksDB merges files. Put accepts NULL. Threads: any. */
mr_snapshot *mr_snapshot_get(mr_snapshot *snapshot);
void mr_snapshot_put(mr_snapshot *snapshot);

/* mr_snapshot_sequence returns the number of the last change that it contains. Threads: any. */
uint64_t mr_snapshot_sequence(const mr_snapshot *snapshot);

/* mr_store_open_view makes a store that reads a snapshot, for code that takes a store: gets and
 * cursors see the snapshot, submit is refused with MR_STATE.
 * Errors: MR_NO_MEMORY.  Owns: the caller closes *out; it has a reference of its own. */
mr_status mr_store_open_view(mr_snapshot *snapshot, mr_store **out);

/* mr_store_view_move makes a view read another snapshot of the same store. The caller sees to it
 * that nobody reads the view meanwhile, and that no cursor of it is open. */
void mr_store_view_move(mr_store *view, mr_snapshot *snapshot);

/* mr_store_open_overlay makes a store that reads a snapshot and takes changes of its own, which are
 * kept in memory above it and are gone when it is moved or closed. `hidden` has bit t set for
 * tables of which the snapshot's pairs are not to be seen. It has no snapshots itself. Errors:
 * MR_NO_MEMORY; MR_IO a thread cannot be started.  Owns: the caller closes *out; it has a reference
 * of its own to the snapshot. */
mr_status mr_store_open_overlay(mr_snapshot *snapshot, uint64_t hidden, mr_store **out,
                                mr_error *error);

/* mr_store_overlay_move drops an overlay's own changes, and makes it read another snapshot of the
 * same store unless that is NULL; a change that failed is forgotten, too. The caller sees to it
 * that nobody reads the overlay meanwhile. Errors: MR_NO_MEMORY: the changes that did not fail are
 * there. */
mr_status mr_store_overlay_move(mr_store *overlay, mr_snapshot *snapshot);

#endif
