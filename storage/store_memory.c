/* SPDX-License-Identifier: Apache-2.0 */
/* The memory backend: a change makes the next version of its tables, and publishes it as a whole.
 * A snapshot or cursor holds a version.
 *
 * A table is MR_PARTS trees, one for each value of the first bits of a key, so that a large change
 * is sorted and made by several threads: each takes part after part, and has an edit of its own.
 * Their order does not show in what comes of it. */
#include <stdlib.h>

#include "base/assert.h"
#include "storage/crew.h"
#include "storage/memory_version.h"

/* From so many records on a change pays for waking helpers up, and a table for being divided. */
enum { PARALLEL_MIN = 4096, DIVIDED_MIN = 1024 };

static_assert(MR_CREW_HELPERS_MAX + 1 == MR_MEMORY_EDITS_MAX, "an edit for each worker");

/* Some parts of a table. */
typedef struct task {
    uint32_t table;
    uint32_t first, end;
} task;

struct mr_backend {
    mr_memory_versions versions;
    uint32_t tables_count;
    mr_crew *crew;         /* NULL: the writer does all itself */
    mr_memory_edit *edits; /* one a worker */
    task *tasks;           /* MR_PARTS a table */
};

struct mr_backend_snapshot {
    mr_memory_version *version; /* counted */
};

struct mr_backend_cursor {
    mr_memory_version *version;   /* counted; NULL when a snapshot holds it */
    mr_memory_node *const *roots; /* of the table */
    uint32_t part, last;          /* where the walk is, and where it ends */
    mr_memory_walk walk;
    size_t prefix_bytes;
    uint8_t prefix[];
};

static void memory_close(mr_backend *backend)
{
    mr_crew_free(backend->crew);
    mr_memory_versions_fini(&backend->versions);
    free(backend->edits);
    free(backend->tasks);
    free(backend);
}

static mr_status memory_open(const mr_store_options *options, mr_backend **out, mr_error *error)
{
    mr_backend *backend = calloc(1, sizeof *backend);
    if (backend == NULL ||
        mr_memory_versions_init(&backend->versions, options->tables_count * MR_PARTS) != MR_OK) {
        free(backend);
        return MR_FAIL(error, MR_NO_MEMORY, "out of memory for a store");
    }
    backend->tables_count = options->tables_count;
    mr_status status = mr_crew_new(options->helpers_count, &backend->crew, error);
    if (status == MR_OK) {
        backend->edits = calloc(mr_crew_workers(backend->crew), sizeof *backend->edits);
        backend->tasks = calloc(options->tables_count * MR_PARTS, sizeof *backend->tasks);
        if (backend->edits == NULL || backend->tasks == NULL)
            status = MR_FAIL(error, MR_NO_MEMORY, "out of memory for a store");
    }
    if (status != MR_OK) {
        memory_close(backend);
        return status;
    }
    *out = backend;
    return MR_OK;
}

static mr_memory_node *const *roots_of(const mr_memory_version *version, uint32_t table)
{
    return version->roots + (size_t)table * MR_PARTS;
}

static mr_status find(const mr_memory_version *version, uint32_t table, mr_span key,
                      mr_buffer *value)
{
    const uint32_t part = mr_part_of(mr_span_head(key));
    const mr_entry *found = mr_memory_tree_find(roots_of(version, table)[part], key);
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

/* ---- Changes ---- */

typedef struct job {
    mr_backend *backend;
    mr_memory_version *made;
    mr_changes *changes;
    _Atomic mr_status failure; /* MR_OK until a task fails */
} job;

static mr_status run_task(const job *j, const task *of, mr_memory_edit *edit)
{
    const mr_record *changes;
    size_t count;
    MR_TRY(j->changes->list(j->changes, of->table, of->first, of->end, &changes, &count));
    for (size_t first = 0, end; first < count; first = end) {
        const uint32_t part = mr_part_of(changes[first].head);
        for (end = first + 1; end < count && mr_part_of(changes[end].head) == part; end++)
            continue;
        MR_TRY(mr_memory_edit_apply(edit, &j->made->roots[of->table * MR_PARTS + part],
                                    changes + first, end - first));
    }
    return MR_OK;
}

/* After a failure what is left is not done. Relaxed: the end of the job orders it. */
static void run_task_of(void *arg, size_t number, uint32_t worker)
{
    job *j = arg;
    if (atomic_load_explicit(&j->failure, memory_order_relaxed) != MR_OK)
        return;
    mr_status status = run_task(j, &j->backend->tasks[number], &j->backend->edits[worker]);
    if (status != MR_OK)
        atomic_store_explicit(&j->failure, status, memory_order_relaxed);
}

/* Large tables part by part, all others as a whole. */
static size_t make_tasks(mr_backend *backend, const mr_changes *changes, bool parallel)
{
    size_t made = 0;
    for (uint32_t table = 0; table < backend->tables_count; table++) {
        const size_t records = changes->count(changes, table);
        const uint32_t parts = parallel && records >= DIVIDED_MIN ? 1 : MR_PARTS;
        for (uint32_t first = 0; records > 0 && first < MR_PARTS; first += parts)
            backend->tasks[made++] = (task){table, first, first + parts};
    }
    return made;
}

static size_t count_all(const mr_changes *changes)
{
    size_t count = 0;
    for (uint32_t table = 0; table < changes->tables_count; table++)
        count += changes->count(changes, table);
    return count;
}

static mr_status memory_apply(mr_backend *backend, mr_changes *changes, mr_error *error)
{
    const bool parallel = backend->crew != NULL && count_all(changes) >= PARALLEL_MIN;
    mr_crew *crew = parallel ? backend->crew : NULL;
    const uint32_t workers = mr_crew_workers(crew);
    job j = {.backend = backend, .changes = changes};
    mr_status status =
        mr_memory_versions_edit(&backend->versions, backend->edits, workers, &j.made);
    if (status == MR_OK) {
        mr_crew_run(crew, make_tasks(backend, changes, parallel), run_task_of, &j);
        status = atomic_load_explicit(&j.failure, memory_order_relaxed);
        if (status == MR_OK)
            mr_memory_versions_publish(&backend->versions, backend->edits, workers, j.made);
        else
            mr_memory_versions_abandon(&backend->versions, backend->edits, workers, j.made);
    }
    if (status != MR_OK)
        return MR_FAIL(error, status, "out of memory for a change of a store");
    return MR_OK;
}

/* ---- Cursors and snapshots ---- */

static mr_status memory_cursor_open(mr_backend *backend, const mr_backend_snapshot *snapshot,
                                    uint32_t table, mr_span prefix, mr_span from,
                                    mr_backend_cursor **out)
{
    mr_backend_cursor *cursor = malloc(sizeof *cursor + prefix.size);
    if (cursor == NULL)
        return MR_NO_MEMORY;
    cursor->version = snapshot == NULL ? mr_memory_versions_take(&backend->versions) : NULL;
    const mr_memory_version *version = snapshot == NULL ? cursor->version : snapshot->version;
    const mr_span first = mr_span_compare(prefix, from) > 0 ? prefix : from;
    cursor->roots = roots_of(version, table);
    cursor->part = mr_part_of(mr_span_head(first));
    cursor->last = mr_part_of(mr_prefix_last(prefix));
    mr_memory_walk_from(&cursor->walk, cursor->roots[cursor->part], first);
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

static const mr_entry *next_entry(mr_backend_cursor *cursor)
{
    const mr_entry *entry = mr_memory_walk_next(&cursor->walk);
    while (entry == NULL && cursor->part < cursor->last) {
        mr_memory_walk_from(&cursor->walk, cursor->roots[++cursor->part], (mr_span){0});
        entry = mr_memory_walk_next(&cursor->walk);
    }
    return entry;
}

/* After the last key that starts with the prefix it stays at the end. */
static mr_status memory_cursor_next(mr_backend_cursor *cursor, mr_span *key, mr_span *value)
{
    const mr_entry *entry = next_entry(cursor);
    if (entry == NULL)
        return MR_NOT_FOUND;
    if (entry->key_bytes < cursor->prefix_bytes ||
        memcmp(entry->bytes, cursor->prefix, cursor->prefix_bytes) != 0) {
        cursor->walk.levels = 0;
        cursor->part = cursor->last;
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
