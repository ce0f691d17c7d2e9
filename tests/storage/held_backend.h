/* SPDX-License-Identifier: Apache-2.0 */
/* A backend over another one that does what a disk may do: be slow for as long as a test wishes,
 * and fail. Its changes go through a layer, also over memory. */
#ifndef MR_TESTS_STORAGE_HELD_BACKEND_H
#define MR_TESTS_STORAGE_HELD_BACKEND_H

#include <sched.h>

#include "storage/store_backend.h"
#include "support.h"

/* Kinds of calls: the committer makes those of one, any thread those of the other. */
enum { HELD_WRITE = 0, HELD_READ = 1 };

/* The tests' own; one store at a time. */
typedef struct held_backend {
    const mr_backend_ops *inner;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool holding;        /* apply waits while this is set */
    unsigned yields;     /* how often a get or cursor steps aside before it looks */
    unsigned applying;   /* calls of apply that have begun */
    unsigned applied;    /* and ended well */
    uint64_t calls[2];   /* of functions that can fail, by kind */
    uint64_t fail_at[2]; /* the call that fails; 0 for none */
    bool fail_late;      /* a change that fails has been applied all the same */
    mr_status failure;
} held_backend;

static held_backend held = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static inline void held_set(bool holding)
{
    pthread_mutex_lock(&held.lock);
    held.holding = holding;
    pthread_cond_broadcast(&held.changed);
    pthread_mutex_unlock(&held.lock);
}

/* Returns when the committer is inside apply for the `count`th time. */
static inline void held_wait_applying(unsigned count)
{
    pthread_mutex_lock(&held.lock);
    while (held.applying < count)
        pthread_cond_wait(&held.changed, &held.lock);
    pthread_mutex_unlock(&held.lock);
}

static inline mr_status held_fails(unsigned kind, mr_error *error)
{
    pthread_mutex_lock(&held.lock);
    held.calls[kind]++;
    bool fails = held.calls[kind] == held.fail_at[kind];
    pthread_mutex_unlock(&held.lock);
    return fails ? MR_FAIL(error, held.failure, "a call fails") : MR_OK;
}

static inline unsigned held_applied(void)
{
    pthread_mutex_lock(&held.lock);
    unsigned applied = held.applied;
    pthread_mutex_unlock(&held.lock);
    return applied;
}

static inline void held_step_aside(void)
{
    for (unsigned i = 0; i < held.yields; i++)
        (void)sched_yield();
}

static inline mr_status held_open(const mr_store_options *options, mr_backend **out,
                                  mr_error *error)
{
    MR_TRY(held_fails(HELD_WRITE, error));
    return held.inner->open(options, out, error);
}

static inline mr_status held_get(mr_backend *backend, const mr_backend_snapshot *snapshot,
                                 uint32_t table, mr_span key, mr_buffer *value)
{
    MR_TRY(held_fails(HELD_READ, NULL));
    held_step_aside();
    return held.inner->get(backend, snapshot, table, key, value);
}

static inline mr_status held_apply(mr_backend *backend, mr_changes *changes, mr_error *error)
{
    pthread_mutex_lock(&held.lock);
    held.applying++;
    pthread_cond_broadcast(&held.changed);
    while (held.holding)
        pthread_cond_wait(&held.changed, &held.lock);
    pthread_mutex_unlock(&held.lock);
    mr_status status = held_fails(HELD_WRITE, error);
    if (status == MR_OK || held.fail_late) {
        mr_status applied = held.inner->apply(backend, changes, error);
        status = status == MR_OK ? applied : status;
    }
    MR_TRY(status);
    pthread_mutex_lock(&held.lock);
    held.applied++;
    pthread_mutex_unlock(&held.lock);
    return MR_OK;
}

static inline mr_status held_cursor_open(mr_backend *backend, const mr_backend_snapshot *snapshot,
                                         uint32_t table, mr_span prefix, mr_span from,
                                         mr_backend_cursor **out)
{
    MR_TRY(held_fails(HELD_READ, NULL));
    held_step_aside();
    return held.inner->cursor_open(backend, snapshot, table, prefix, from, out);
}

static inline mr_status held_cursor_next(mr_backend_cursor *cursor, mr_span *key, mr_span *value)
{
    MR_TRY(held_fails(HELD_READ, NULL));
    return held.inner->cursor_next(cursor, key, value);
}

static inline void held_close(mr_backend *backend)
{
    held.inner->close(backend);
}

static inline void held_cursor_close(mr_backend_cursor *cursor)
{
    held.inner->cursor_close(cursor);
}

static inline mr_status held_snapshot_open(mr_backend *backend, mr_backend_snapshot **out)
{
    MR_TRY(held_fails(HELD_READ, NULL));
    held_step_aside();
    return held.inner->snapshot_open(backend, out);
}

static inline void held_snapshot_close(mr_backend *backend, mr_backend_snapshot *snapshot)
{
    held.inner->snapshot_close(backend, snapshot);
}

static const mr_backend_ops held_ops = {
    .open = held_open,
    .close = held_close,
    .get = held_get,
    .apply = held_apply,
    .cursor_open = held_cursor_open,
    .cursor_next = held_cursor_next,
    .cursor_close = held_cursor_close,
    .snapshot_open = held_snapshot_open,
    .snapshot_close = held_snapshot_close,
};

static inline void held_reset(const mr_backend_ops *inner)
{
    pthread_mutex_lock(&held.lock);
    held.inner = inner;
    held.holding = held.fail_late = false;
    held.yields = held.applying = held.applied = 0;
    memset(held.calls, 0, sizeof held.calls);
    memset(held.fail_at, 0, sizeof held.fail_at);
    held.failure = MR_IO;
    pthread_mutex_unlock(&held.lock);
}

/* Opens a store over the held backend: over memory when `path` is NULL, else over RocksDB. */
static inline mr_status held_store_open(const char *path, mr_store **out, mr_error *error)
{
    mr_store_options options = {
        .path = path, .tables = test_tables(), .tables_count = TEST_TABLES, .create = true};
    return mr_store_open_over(&held_ops, &options, out, error);
}

#endif
