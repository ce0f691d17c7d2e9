/* SPDX-License-Identifier: Apache-2.0 */
/* store_backend: what a place that keeps tables has to offer to store.c. Private to storage/.
 *
 * A backend is used by any number of readers and one writer (apply) at a time. */
#ifndef MR_STORAGE_STORE_BACKEND_H
#define MR_STORAGE_STORE_BACKEND_H

#include "storage/store.h"

/* One change of one key. */
typedef struct mr_change {
    uint32_t table;
    bool present; /* false removes the key, `value` is empty */
    mr_span key;
    mr_span value;
} mr_change;

/* The order of keys: bytes, then length. */
static inline int mr_span_compare(mr_span a, mr_span b)
{
    size_t common = a.size < b.size ? a.size : b.size;
    int order = common == 0 ? 0 : memcmp(a.data, b.data, common);
    return order != 0 ? order : (a.size > b.size) - (a.size < b.size);
}

/* The first 8 bytes of a key as a number. Keys whose heads differ sort as these do. */
static inline uint64_t mr_span_head(mr_span key)
{
    if (key.size >= 8)
        return mr_load_be64(key.data);
    uint64_t head = 0;
    for (size_t i = 0; i < key.size; i++)
        head |= (uint64_t)key.data[i] << (56 - 8 * i);
    return head;
}

/* A record of storage/batch.h, and the head of its key. */
typedef struct mr_record {
    uint64_t head;
    const uint8_t *bytes;
} mr_record;

/* Each table can be had in parts: that of a key is told by its first bits. Keys that begin with
 * identifiers fall into them evenly. */
enum { MR_PARTS_LOG2 = 6, MR_PARTS = 1 << MR_PARTS_LOG2 };

static inline uint32_t mr_part_of(uint64_t head)
{
    return (uint32_t)(head >> (64 - MR_PARTS_LOG2));
}

/* The head of the last key that starts with a prefix, at least as far as 8 bytes tell. */
static inline uint64_t mr_prefix_last(mr_span prefix)
{
    const uint64_t rest = prefix.size >= 8 ? 0 : UINT64_MAX >> (8 * prefix.size);
    return mr_span_head(prefix) | rest;
}

/* All changes of different keys that are one change of the store. */
typedef struct mr_changes {
    uint32_t tables_count;
    /* How many a table has. Any thread. */
    size_t (*count)(const struct mr_changes *changes, uint32_t table);
    /* Points *out at those of the parts from `first` to before `end` of a table, in the order of
     * their keys: what is in several parts is in one piece. They stay as long as the changes do.
     * Of different tables or parts from different threads. Errors: MR_NO_MEMORY. */
    mr_status (*list)(struct mr_changes *changes, uint32_t table, uint32_t first, uint32_t end,
                      const mr_record **out, size_t *count);
} mr_changes;

typedef struct mr_backend mr_backend;
typedef struct mr_backend_cursor mr_backend_cursor;
typedef struct mr_backend_snapshot mr_backend_snapshot;

/* Every function that fails without an mr_error has been asked for one key or one step. Where a
 * snapshot is NULL, what is there now is meant. */
typedef struct mr_backend_ops {
    mr_status (*open)(const mr_store_options *options, mr_backend **out, mr_error *error);
    void (*close)(mr_backend *backend);

    /* Appends the value of `key` to `value`; MR_NOT_FOUND. Any thread. */
    mr_status (*get)(mr_backend *backend, const mr_backend_snapshot *snapshot, uint32_t table,
                     mr_span key, mr_buffer *value);

    /* Applies all changes, visible and durable on return. After a crash there are all of them or
     * none. Readers of the store find them in a layer meanwhile, so a part may be seen here. */
    mr_status (*apply)(mr_backend *backend, mr_changes *changes, mr_error *error);

    /* Pairs of `table` whose keys start with `prefix`, from the first key >= `from`. It is closed
     * before its snapshot is. */
    mr_status (*cursor_open)(mr_backend *backend, const mr_backend_snapshot *snapshot,
                             uint32_t table, mr_span prefix, mr_span from, mr_backend_cursor **out);
    mr_status (*cursor_next)(mr_backend_cursor *cursor, mr_span *key, mr_span *value);
    void (*cursor_close)(mr_backend_cursor *cursor);

    /* What is there now, for ever the same; during an apply it may be a part, as for readers. The
     * time it takes does not depend on what is there. Any thread. MR_NO_MEMORY. */
    mr_status (*snapshot_open)(mr_backend *backend, mr_backend_snapshot **out);
    void (*snapshot_close)(mr_backend *backend, mr_backend_snapshot *snapshot);
} mr_backend_ops;

extern const mr_backend_ops mr_backend_rocksdb;
extern const mr_backend_ops mr_backend_memory;

/* mr_store_open_over is mr_store_open over a given backend. */
mr_status mr_store_open_over(const mr_backend_ops *ops, const mr_store_options *options,
                             mr_store **out, mr_error *error);

#endif
