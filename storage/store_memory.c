/* SPDX-License-Identifier: Apache-2.0 */
/* The memory backend: a change makes the next version of its tables, and publishes it as a whole.
 * A snapshot or cursor holds a version. */
#include <stdlib.h>

#include "storage/memory_version.h"

struct mr_backend {
    mr_memory_versions versions;
};

struct mr_backend_snapshot {
    mr_memory_version *version; /* counted */
};

struct mr_backend_cursor {
    mr_memory_version *version; /* counted; NULL when a snapshot holds it */
    mr_memory_walk walk;
    size_t prefix_bytes;
    uint8_t prefix[];
};

static mr_status memory_open(const mr_store_options *options, mr_backend **out, mr_error *error)
{
    mr_backend *backend = malloc(sizeof *backend);
    if (backend == NULL ||
        mr_memory_versions_init(&backend->versions, options->tables_count) != MR_OK) {
        free(backend);
        return MR_FAIL(error, MR_NO_MEMORY, "out of memory for a store");
    }
    *out = backend;
    return MR_OK;
}

static void memory_close(mr_backend *backend)
{
    mr_memory_versions_fini(&backend->versions);
    free(backend);
}

static mr_status find(const mr_memory_version *version, uint32_t table, mr_span key,
                      mr_buffer *value)
{
    const mr_entry *found = mr_memory_tree_find(version->roots[table], key);
    return found == NULL ? MR_NOT_FOUND : mr_buffer_append(value, mr_entry_value(found));
}

static mr_status memory_get(mr_backend *backend, const mr_backend_snapshot *snapshot,
                            uint32_t table, mr_span key, mr_buffer *value)
{
    if (snapshot != NULL)
        return find(snapshot->version, table, key, value);
    mr_status status = find(mr_memory_versions_enter(&backend->versions), table, key, value);
    mr_memory_versions_leave(&backend->versions);
    return status;
}

static mr_status make_change(mr_memory_edit *edit, mr_memory_version *made, const mr_change *change)
{
    mr_memory_node **root = &made->roots[change->table];
    return change->present ? mr_memory_edit_put(edit, root, change->key, change->value)
                           : mr_memory_edit_remove(edit, root, change->key);
}

/* Some changes are known before they are made, so that leaves come from memory meanwhile. */
static mr_status make_changes(mr_memory_edit *edit, mr_memory_version *made,
                              mr_change_source *changes)
{
    enum { AHEAD = 8 };
    mr_change known[AHEAD];
    size_t first = 0, end = 0;
    bool more = true;
    for (;;) {
        while (more && end - first < AHEAD) {
            mr_change *change = &known[end % AHEAD];
            more = changes->next(changes, change);
            if (!more)
                break;
            mr_memory_edit_expect(edit, &made->before->roots[change->table], change->key);
            end++;
        }
        if (first == end)
            return MR_OK;
        MR_TRY(make_change(edit, made, &known[first++ % AHEAD]));
    }
}

static mr_status memory_apply(mr_backend *backend, mr_change_source *changes, mr_error *error)
{
    mr_memory_edit edit;
    mr_memory_version *made;
    mr_status status = mr_memory_versions_edit(&backend->versions, &edit, &made);
    if (status == MR_OK) {
        status = make_changes(&edit, made, changes);
        if (status == MR_OK)
            mr_memory_versions_publish(&backend->versions, &edit, made);
        else
            mr_memory_versions_abandon(&backend->versions, &edit, made);
    }
    if (status != MR_OK)
        return MR_FAIL(error, status, "out of memory for a change of a store");
    return MR_OK;
}

static mr_status memory_cursor_open(mr_backend *backend, const mr_backend_snapshot *snapshot,
                                    uint32_t table, mr_span prefix, mr_span from,
                                    mr_backend_cursor **out)
{
    mr_backend_cursor *cursor = malloc(sizeof *cursor + prefix.size);
    if (cursor == NULL)
        return MR_NO_MEMORY;
    cursor->version = snapshot == NULL ? mr_memory_versions_take(&backend->versions) : NULL;
    const mr_memory_version *version = snapshot == NULL ? cursor->version : snapshot->version;
    mr_memory_walk_from(&cursor->walk, version->roots[table],
                        mr_span_compare(prefix, from) > 0 ? prefix : from);
    cursor->prefix_bytes = prefix.size;
    if (prefix.size > 0)
        memcpy(cursor->prefix, prefix.data, prefix.size);
    *out = cursor;
    return MR_OK;
}

static void memory_cursor_close(mr_backend_cursor *cursor)
{
    mr_memory_version_put(cursor->version);
    free(cursor);
}

/* After the last key that starts with the prefix it stays at the end. */
static mr_status memory_cursor_next(mr_backend_cursor *cursor, mr_span *key, mr_span *value)
{
    const mr_entry *entry = mr_memory_walk_next(&cursor->walk);
    if (entry == NULL)
        return MR_NOT_FOUND;
    if (entry->key_bytes < cursor->prefix_bytes ||
        memcmp(entry->bytes, cursor->prefix, cursor->prefix_bytes) != 0) {
        cursor->walk.levels = 0;
        return MR_NOT_FOUND;
    }
    *key = mr_entry_key(entry);
    *value = mr_entry_value(entry);
    return MR_OK;
}

static mr_status memory_snapshot_open(mr_backend *backend, mr_backend_snapshot **out)
{
    mr_backend_snapshot *made = malloc(sizeof *made);
    if (made == NULL)
        return MR_NO_MEMORY;
    made->version = mr_memory_versions_take(&backend->versions);
    *out = made;
    return MR_OK;
}

static void memory_snapshot_close(mr_backend *backend, mr_backend_snapshot *snapshot)
{
    (void)backend;
    mr_memory_version_put(snapshot->version);
    free(snapshot);
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
