/* SPDX-License-Identifier: Apache-2.0 */
/* Cursors: the backend's pairs and those of the layer in flight, merged. */
#include <stdlib.h>

#include "base/assert.h"
#include "storage/store_internal.h"

struct mr_cursor {
    mr_store *store;
    mr_backend_cursor *backend;
    mr_layer *layer; /* counted; NULL when it has no such key */
    const mr_layer_item *next, *end;
    bool pending; /* key and value hold the backend's next pair */
    bool ended;   /* the backend has no more */
    mr_span key;
    mr_span value;
};

/* Returns the layer in flight with a reference for the caller, or NULL. */
static mr_layer *get_layer(mr_store *store)
{
    mr_layer *layer = mr_store_layer_enter(store);
    if (layer == NULL)
        return NULL;
    atomic_fetch_add_explicit(&layer->references, 1, memory_order_relaxed);
    mr_store_layer_leave(store);
    return layer;
}

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

/* Opens both sides, and tells in *number after which change they are to be the store. A layer
 * without such a key is not needed. */
static mr_status open_sides(mr_cursor *cursor, uint32_t table, mr_span prefix, mr_span from,
                            uint64_t *number)
{
    mr_store *store = cursor->store;
    size_t count = 0;
    cursor->next = NULL;
    *number = atomic_load(&store->published);
    cursor->layer = get_layer(store);
    if (cursor->layer != NULL) {
        *number = cursor->layer->number;
        MR_TRY(mr_layer_range(cursor->layer, table, prefix, from, &cursor->next, &count));
    }
    if (count == 0)
        drop_layer(cursor);
    cursor->end = count == 0 ? cursor->next : cursor->next + count;
    return store->ops->cursor_open(store->backend, table, prefix, from, &cursor->backend);
}

/* Whether both sides together are the store at one moment: the backend has seen nothing, not even a
 * part, of a change after `number`. A change is in `layer`, then counted in `published`, and only
 * then told to the backend; so a reader that saw it there finds it counted here. */
static bool is_whole(const mr_cursor *cursor, uint64_t number)
{
    return atomic_load(&cursor->store->published) == number;
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

/* Tries again when a change was submitted meanwhile: lock-free, as the store has moved on. */
mr_status mr_cursor_open(mr_store *store, uint32_t table, mr_span prefix, mr_span from,
                         mr_cursor **out)
{
    MR_ASSERT(table < store->tables_count);
    __attribute__((cleanup(close_cursor))) mr_cursor *cursor = calloc(1, sizeof *cursor);
    if (cursor == NULL)
        return MR_NO_MEMORY;
    cursor->store = store;
    uint64_t number;
    MR_TRY(open_sides(cursor, table, prefix, from, &number));
    while (!is_whole(cursor, number)) {
        drop_layer(cursor);
        drop_backend(cursor);
        MR_TRY(open_sides(cursor, table, prefix, from, &number));
    }
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
        const mr_change change = mr_record_read(cursor->next->record);
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
