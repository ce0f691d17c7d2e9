/* SPDX-License-Identifier: Apache-2.0 */
/* The overlay backend: what a store says that reads a snapshot and keeps changes of its own above
 * it, in memory, until it is rewound. A change is kept under its key with a first byte that tells a
 * value from a removal. Tables may be hidden: of them only the changes are seen. */
#include <stdlib.h>

#include "base/arena.h"
#include "base/assert.h"
#include "storage/store_internal.h"

enum { REMOVED, PRESENT };

struct mr_backend {
    mr_store *base;      /* a view */
    mr_backend *changes; /* a memory backend */
    uint64_t hidden;     /* bit t: of table t nothing of the base is seen */
    uint32_t tables_count;
};

struct mr_backend_cursor {
    mr_cursor *base; /* NULL when its table is hidden */
    mr_backend_cursor *changes;
    mr_span key[2], value[2]; /* the next pair of base and changes */
    bool pending[2], ended[2];
};

enum { BASE, CHANGES };

static bool hides(const mr_backend *backend, uint32_t table)
{
    return table < 64 && (backend->hidden >> table & 1) != 0;
}

static mr_status make_changes(mr_backend *backend)
{
    const mr_store_options options = {.tables_count = backend->tables_count, .create = true};
    return mr_backend_memory.open(&options, &backend->changes, NULL);
}

static void overlay_close(mr_backend *backend)
{
    if (backend->changes != NULL)
        mr_backend_memory.close(backend->changes);
    mr_store_close(backend->base);
    free(backend);
}

static mr_status overlay_get(mr_backend *backend, const mr_backend_snapshot *snapshot,
                             uint32_t table, mr_span key, mr_buffer *value)
{
    MR_ASSERT(snapshot == NULL);
    mr_buffer found = {0};
    mr_status status = mr_backend_memory.get(backend->changes, NULL, table, key, &found);
    if (status == MR_NOT_FOUND)
        return hides(backend, table) ? MR_NOT_FOUND
                                     : mr_store_get(backend->base, table, key, value);
    if (status == MR_OK && found.data[0] == REMOVED)
        status = MR_NOT_FOUND;
    if (status == MR_OK)
        status = mr_buffer_append(value, mr_span_of(found.data + 1, found.size - 1));
    mr_buffer_fini(&found);
    return status;
}

/* Changes, each with its first byte. One thread asks for them, each table once. */
typedef struct marked_changes {
    mr_changes changes;
    mr_changes *from;
    mr_arena arena;
} marked_changes;

static size_t count_marked(const mr_changes *changes, uint32_t table)
{
    const marked_changes *marked = (const marked_changes *)changes;
    return marked->from->count(marked->from, table);
}

static const uint8_t *mark(mr_arena *arena, const mr_change *change)
{
    const size_t value_bytes = 1 + change->value.size;
    const size_t head_bytes = MR_RECORD_HEAD_BYTES + change->key.size;
    if (value_bytes >= MR_RECORD_REMOVED)
        return NULL;
    uint8_t *record = mr_arena_alloc(arena, head_bytes + value_bytes);
    if (record == NULL)
        return NULL;
    mr_record_write(record, change->table, change->key, (mr_span){0}, true);
    mr_store_le32(record + 8, (uint32_t)value_bytes);
    record[head_bytes] = change->present ? PRESENT : REMOVED;
    if (change->value.size > 0)
        memcpy(record + head_bytes + 1, change->value.data, change->value.size);
    return record;
}

static mr_status list_marked(mr_changes *changes, uint32_t table, uint32_t first, uint32_t end,
                             const mr_record **out, size_t *count)
{
    marked_changes *marked = (marked_changes *)changes;
    const mr_record *records;
    MR_TRY(marked->from->list(marked->from, table, first, end, &records, count));
    mr_record *made = mr_arena_alloc(&marked->arena, *count * sizeof *made);
    if (made == NULL)
        return MR_NO_MEMORY;
    for (size_t i = 0; i < *count; i++) {
        const mr_change change = mr_record_read(records[i].bytes);
        made[i] = (mr_record){records[i].head, mark(&marked->arena, &change)};
        if (made[i].bytes == NULL)
            return MR_NO_MEMORY;
    }
    *out = made;
    return MR_OK;
}

static mr_status overlay_apply(mr_backend *backend, mr_changes *changes, mr_error *error)
{
    marked_changes marked = {.changes = {.tables_count = changes->tables_count,
                                         .count = count_marked,
                                         .list = list_marked},
                             .from = changes};
    mr_status status = mr_backend_memory.apply(backend->changes, &marked.changes, error);
    mr_arena_fini(&marked.arena);
    return status;
}

static void overlay_cursor_close(mr_backend_cursor *cursor)
{
    mr_cursor_close(cursor->base);
    if (cursor->changes != NULL)
        mr_backend_memory.cursor_close(cursor->changes);
    free(cursor);
}

static mr_status overlay_cursor_open(mr_backend *backend, const mr_backend_snapshot *snapshot,
                                     uint32_t table, mr_span prefix, mr_span from,
                                     mr_backend_cursor **out)
{
    MR_ASSERT(snapshot == NULL);
    mr_backend_cursor *cursor = calloc(1, sizeof *cursor);
    if (cursor == NULL)
        return MR_NO_MEMORY;
    mr_status status = MR_OK;
    cursor->ended[BASE] = hides(backend, table);
    if (!cursor->ended[BASE])
        status = mr_cursor_open(backend->base, table, prefix, from, &cursor->base);
    if (status == MR_OK)
        status = mr_backend_memory.cursor_open(backend->changes, NULL, table, prefix, from,
                                               &cursor->changes);
    if (status != MR_OK) {
        overlay_cursor_close(cursor);
        return status;
    }
    *out = cursor;
    return MR_OK;
}

/* Makes the side's next pair known, unless it has ended. */
static mr_status look_ahead(mr_backend_cursor *cursor, int side)
{
    if (cursor->pending[side] || cursor->ended[side])
        return MR_OK;
    mr_status status = side == BASE
                           ? mr_cursor_next(cursor->base, &cursor->key[side], &cursor->value[side])
                           : mr_backend_memory.cursor_next(cursor->changes, &cursor->key[side],
                                                           &cursor->value[side]);
    cursor->pending[side] = status == MR_OK;
    cursor->ended[side] = status == MR_NOT_FOUND;
    return cursor->ended[side] ? MR_OK : status;
}

/* Of two pairs with one key that of the changes counts. */
static mr_status overlay_cursor_next(mr_backend_cursor *cursor, mr_span *key, mr_span *value)
{
    for (;;) {
        MR_TRY(look_ahead(cursor, BASE));
        MR_TRY(look_ahead(cursor, CHANGES));
        if (!cursor->pending[BASE] && !cursor->pending[CHANGES])
            return MR_NOT_FOUND;
        int order = 1;
        if (!cursor->pending[CHANGES])
            order = -1;
        else if (cursor->pending[BASE])
            order = mr_span_compare(cursor->key[BASE], cursor->key[CHANGES]);
        const int side = order < 0 ? BASE : CHANGES;
        cursor->pending[side] = false;
        if (order == 0)
            cursor->pending[BASE] = false;
        *key = cursor->key[side];
        *value = cursor->value[side];
        if (side == BASE)
            return MR_OK;
        if (value->data[0] == REMOVED)
            continue;
        *value = mr_span_of(value->data + 1, value->size - 1);
        return MR_OK;
    }
}

/* An overlay is for one reader, who needs no snapshot of it. */
static mr_status overlay_snapshot_open(mr_backend *backend, mr_backend_snapshot **out)
{
    (void)backend;
    (void)out;
    return MR_UNSUPPORTED;
}

static void overlay_snapshot_close(mr_backend *backend, mr_backend_snapshot *snapshot)
{
    (void)backend;
    (void)snapshot;
}

static const mr_backend_ops overlay = {
    .close = overlay_close,
    .get = overlay_get,
    .apply = overlay_apply,
    .cursor_open = overlay_cursor_open,
    .cursor_next = overlay_cursor_next,
    .cursor_close = overlay_cursor_close,
    .snapshot_open = overlay_snapshot_open,
    .snapshot_close = overlay_snapshot_close,
};

mr_status mr_store_open_overlay(mr_snapshot *snapshot, uint64_t hidden, mr_store **out,
                                mr_error *error)
{
    mr_backend *backend = calloc(1, sizeof *backend);
    mr_status status = MR_NO_MEMORY;
    if (backend != NULL) {
        backend->hidden = hidden;
        backend->tables_count = snapshot->store->tables_count;
        status = make_changes(backend);
        if (status == MR_OK)
            status = mr_store_open_view(snapshot, &backend->base);
        if (status == MR_OK)
            status = mr_store_start(&overlay, backend, backend->tables_count, out, error);
        if (status != MR_OK)
            overlay_close(backend);
    }
    if (status == MR_NO_MEMORY)
        return MR_FAIL(error, status, "out of memory for a view of a store");
    return status;
}

mr_status mr_store_overlay_move(mr_store *store, mr_snapshot *snapshot)
{
    MR_ASSERT(store->ops == &overlay);
    mr_store_forgive(store); /* the committer is done with the changes, too */
    mr_backend *backend = store->backend;
    mr_backend *before = backend->changes;
    mr_status status = make_changes(backend);
    if (status != MR_OK) {
        backend->changes = before;
        return status;
    }
    mr_backend_memory.close(before);
    if (snapshot != NULL)
        mr_store_view_move(backend->base, snapshot);
    return MR_OK;
}
