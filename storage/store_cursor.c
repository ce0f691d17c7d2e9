/* SPDX-License-Identifier: Apache-2.0 */
/* Cursors: the backend's pairs and those of the layer in flight, merged. */
#include <stdlib.h>

#include "base/assert.h"
#include "storage/store_internal.h"

struct mr_cursor {
    mr_store *store;
    mr_backend_cursor *backend;
    mr_layer *layer; /* counted; NULL when it has no such key, or a snapshot holds it */
    const mr_record *next, *end;
    bool pending; /* key and value hold the backend's next pair */
    bool ended;   /* the backend has no more */
    mr_span key;
    mr_span value;
};

static void drop_layer(mr_cursor *cursor)
{
    if (cursor->layer != NULL)
        mr_store_layer_put(cursor->store, cursor->layer);
    cursor->layer = NULL;
}

static void drop_backend(mr_cursor *cursor)
{
    if (cursor->backend != NULL)
        cursor->store->ops->cursor_close(cursor->backend);
    cursor->backend = NULL;
}

/* What is to be walked. */
typedef struct range {
    uint32_t table;
    mr_span prefix;
    mr_span from;
} range;

/* Points the cursor at a layer's part of the range; false when the layer, or NULL, has none. */
static mr_status take_items(mr_cursor *cursor, mr_layer *layer, const range *r, bool *found)
{
    size_t count = 0;
    cursor->next = cursor->end = NULL;
    if (layer != NULL)
        MR_TRY(mr_layer_range(layer, r->table, r->prefix, r->from, &cursor->next, &count));
    *found = count > 0;
    if (*found)
        cursor->end = cursor->next + count;
    return MR_OK;
}

/* Opens both sides, and tells in *number after which change they are to be the store. A layer
 * without such a key is not needed. */
static mr_status open_sides(mr_cursor *cursor, const range *r, uint64_t *number)
{
    mr_store *store = cursor->store;
    bool needed;
    cursor->layer = mr_store_look(store, number);
    MR_TRY(take_items(cursor, cursor->layer, r, &needed));
    if (!needed)
        drop_layer(cursor);
    return store->ops->cursor_open(store->backend, NULL, r->table, r->prefix, r->from,
                                   &cursor->backend);
}

/* Tries again when a change was submitted meanwhile: lock-free, as the store has moved on. */
static mr_status open_now(mr_cursor *cursor, const range *r)
{
    uint64_t number;
    MR_TRY(open_sides(cursor, r, &number));
    while (!mr_store_is_whole(cursor->store, number)) {
        drop_layer(cursor);
        drop_backend(cursor);
        MR_TRY(open_sides(cursor, r, &number));
    }
    return MR_OK;
}

/* The snapshot has a reference to its layer, and outlives the cursor. */
static mr_status open_then(mr_cursor *cursor, const mr_snapshot *snapshot, const range *r)
{
    bool found;
    MR_TRY(take_items(cursor, snapshot->layer, r, &found));
    return cursor->store->ops->cursor_open(snapshot->store->backend, snapshot->backend, r->table,
                                           r->prefix, r->from, &cursor->backend);
}

void mr_cursor_close(mr_cursor *cursor)
{
    if (cursor == NULL)
        return;
    drop_layer(cursor);
    drop_backend(cursor);
    free(cursor);
}

static void close_cursor(mr_cursor **cursor)
{
    mr_cursor_close(*cursor);
}

mr_status mr_cursor_open(mr_store *store, uint32_t table, mr_span prefix, mr_span from,
                         mr_cursor **out)
{
    MR_ASSERT(table < store->tables_count);
    __attribute__((cleanup(close_cursor))) mr_cursor *cursor = calloc(1, sizeof *cursor);
    if (cursor == NULL)
        return MR_NO_MEMORY;
    cursor->store = store;
    const range r = {table, prefix, from};
    MR_TRY(store->snapshot != NULL ? open_then(cursor, store->snapshot, &r) : open_now(cursor, &r));
    *out = cursor;
    cursor = NULL;
    return MR_OK;
}

/* Makes `pending` true unless the backend has ended. */
static mr_status look_ahead(mr_cursor *cursor)
{
    if (cursor->pending || cursor->ended)
        return MR_OK;
    mr_status status =
        cursor->store->ops->cursor_next(cursor->backend, &cursor->key, &cursor->value);
    cursor->pending = status == MR_OK;
    cursor->ended = status == MR_NOT_FOUND;
    return cursor->ended ? MR_OK : status;
}

static mr_status take_pending(mr_cursor *cursor, mr_span *key, mr_span *value)
{
    if (!cursor->pending)
        return MR_NOT_FOUND;
    cursor->pending = false;
    *key = cursor->key;
    *value = cursor->value;
    return MR_OK;
}

mr_status mr_cursor_next(mr_cursor *cursor, mr_span *key, mr_span *value)
{
    for (;;) {
        MR_TRY(look_ahead(cursor));
        if (cursor->next == cursor->end)
            return take_pending(cursor, key, value);
        const mr_change change = mr_record_read(cursor->next->bytes);
        int order = cursor->pending ? mr_span_compare(change.key, cursor->key) : -1;
        if (order > 0)
            return take_pending(cursor, key, value);
        cursor->next++;
        if (order == 0)
            cursor->pending = false;
        if (change.present) {
            *key = change.key;
            *value = change.value;
            return MR_OK;
        }
    }
}
