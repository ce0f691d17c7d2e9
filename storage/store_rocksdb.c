/* SPDX-License-Identifier: Apache-2.0 */
/* The RocksDB backend: one column family per table, and the default one for the format version. */
#include "storage/store_backend.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <rocksdb/c.h>

#include "base/assert.h"
#include "storage/batch.h"
#include "storage/store_rocksdb_options.h"

enum { FORMAT_VERSION = 1 };
static const char FORMAT_KEY[] = "format";
static const char DEFAULT_FAMILY[] = "default";

struct mr_backend {
    rocksdb_t *db;
    rocksdb_options_t *options;
    rocksdb_readoptions_t *read_options;
    rocksdb_writeoptions_t *write_options;
    rocksdb_writebatch_t *batch; /* the writer's, empty between two changes */
    char *path;
    uint32_t tables_count;
    rocksdb_column_family_handle_t **families; /* one a table, then the default one */
};

struct mr_backend_snapshot {
    const rocksdb_snapshot_t *snapshot;
    rocksdb_readoptions_t *read_options; /* of gets */
};

struct mr_backend_cursor {
    mr_backend *backend;
    rocksdb_readoptions_t *read_options;
    rocksdb_iterator_t *iterator; /* sees the table as it was when this was made */
    bool started;
    char bound[]; /* the first key after all that start with the prefix; read by the iterator */
};

/* The one place where RocksDB's sentences become statuses of ours. Its codes are the first words
 * of the text; causes that came from the operating system are only in the middle of it. */
static mr_status status_of(const char *text)
{
    if (strstr(text, "No space left") != NULL)
        return MR_NO_SPACE;
    if (strncmp(text, "Corruption", 10) == 0)
        return MR_CORRUPT;
    if (strstr(text, "lock hold by current process") != NULL ||
        strstr(text, "While lock file") != NULL)
        return MR_BUSY;
    if (strncmp(text, "NotFound", 8) == 0)
        return MR_NOT_FOUND;
    return MR_IO;
}

/* Takes over `text` (NULL when RocksDB succeeded) and says what was being done to which path. */
static mr_status translate(char *text, const char *doing, const char *path, mr_error *error)
{
    if (text == NULL)
        return MR_OK;
    mr_status status = status_of(text);
    status = MR_FAIL(error, status, "%s the database %s: %s (RocksDB says: %s)", doing, path,
                     mr_status_text(status), text);
    rocksdb_free(text);
    return status;
}

static void rocksdb_close_backend(mr_backend *backend)
{
    if (backend == NULL)
        return;
    for (uint32_t i = 0; backend->families != NULL && i <= backend->tables_count; i++) {
        if (backend->families[i] != NULL)
            rocksdb_column_family_handle_destroy(backend->families[i]);
    }
    if (backend->db != NULL)
        rocksdb_close(backend->db);
    if (backend->batch != NULL)
        rocksdb_writebatch_destroy(backend->batch);
    if (backend->write_options != NULL)
        rocksdb_writeoptions_destroy(backend->write_options);
    if (backend->read_options != NULL)
        rocksdb_readoptions_destroy(backend->read_options);
    if (backend->options != NULL)
        rocksdb_options_destroy(backend->options);
    free(backend->families);
    free(backend->path);
    free(backend);
}

static void close_backend(mr_backend **backend)
{
    rocksdb_close_backend(*backend);
}

/* What lies at a path. */
typedef struct traces {
    bool database; /* CURRENT, the name of RocksDB's current state */
    bool tables;   /* files with data, which a database gets long after its first key */
    bool logs;     /* files with data, which it gets after CURRENT */
} traces;

static bool ends_in(const char *name, const char *end)
{
    size_t size = strlen(name), end_bytes = strlen(end);
    return size >= end_bytes && strcmp(name + size - end_bytes, end) == 0;
}

/* Tells a database from a place where there is none, and from one that has lost its CURRENT, which
 * RocksDB would take for a place to make a new one. */
static mr_status look_for_database(const char *path, traces *found, mr_error *error)
{
    *found = (traces){0};
    DIR *folder = opendir(path);
    if (folder == NULL && errno == ENOENT)
        return MR_OK;
    struct stat info;
    if (folder == NULL && errno == ENOTDIR && stat(path, &info) == 0)
        return MR_FAIL(error, MR_IO, "%s is not a directory", path);
    if (folder == NULL)
        return MR_FAIL(error, MR_IO, "%s: %s", path, strerror(errno));
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        found->database |= strcmp(entry->d_name, "CURRENT") == 0;
        found->tables |= ends_in(entry->d_name, ".sst");
        found->logs |= ends_in(entry->d_name, ".log");
    }
    (void)closedir(folder);
    if (!found->database && (found->tables || found->logs))
        return MR_FAIL(error, MR_CORRUPT, "%s: the database has lost its file CURRENT", path);
    return MR_OK;
}

static mr_status format_check(mr_backend *backend, const char *value, size_t value_bytes,
                              mr_error *error)
{
    if (value_bytes != 4)
        return MR_FAIL(error, MR_CORRUPT, "%s: the format version of the database has %zu bytes",
                       backend->path, value_bytes);
    uint32_t version = mr_load_le32(value);
    if (version != FORMAT_VERSION)
        return MR_FAIL(error, MR_VERSION,
                       "%s: the database is laid out in format %u, this program knows format %d",
                       backend->path, version, FORMAT_VERSION);
    return MR_OK;
}

/* Whether there is no key in any family: killed while it was made, a database is left like that. */
static mr_status is_empty(mr_backend *backend, bool *empty, mr_error *error)
{
    *empty = true;
    for (uint32_t i = 0; i <= backend->tables_count && *empty; i++) {
        rocksdb_iterator_t *iterator =
            rocksdb_create_iterator_cf(backend->db, backend->read_options, backend->families[i]);
        rocksdb_iter_seek_to_first(iterator);
        *empty = !rocksdb_iter_valid(iterator);
        char *text = NULL;
        rocksdb_iter_get_error(iterator, &text);
        rocksdb_iter_destroy(iterator);
        MR_TRY(translate(text, "reading", backend->path, error));
    }
    return MR_OK;
}

/* Reads the format version; the first opening of a new database writes it. One that had data files
 * (`tables`) before it was opened is not new. */
static mr_status format_take(mr_backend *backend, bool may_create, bool tables, mr_error *error)
{
    rocksdb_column_family_handle_t *family = backend->families[backend->tables_count];
    size_t value_bytes = 0;
    char *text = NULL;
    char *value = rocksdb_get_cf(backend->db, backend->read_options, family, FORMAT_KEY,
                                 sizeof FORMAT_KEY - 1, &value_bytes, &text);
    MR_TRY(translate(text, "reading", backend->path, error));
    if (value != NULL) {
        mr_status status = format_check(backend, value, value_bytes, error);
        rocksdb_free(value);
        return status;
    }
    bool empty;
    MR_TRY(is_empty(backend, &empty, error));
    if (!empty)
        return MR_FAIL(error, MR_VERSION,
                       "%s: a RocksDB database, but not one that this program (format %d) made",
                       backend->path, FORMAT_VERSION);
    if (tables)
        return MR_FAIL(error, MR_CORRUPT, "%s: the database has lost its data", backend->path);
    if (!may_create)
        return MR_FAIL(error, MR_NOT_FOUND, "%s: no database there", backend->path);
    uint8_t version[4];
    mr_store_le32(version, FORMAT_VERSION);
    rocksdb_put_cf(backend->db, backend->write_options, family, FORMAT_KEY, sizeof FORMAT_KEY - 1,
                   (const char *)version, sizeof version, &text);
    return translate(text, "writing", backend->path, error);
}

static mr_status open_families(mr_backend *backend, const mr_store_options *options,
                               mr_error *error)
{
    uint32_t count = options->tables_count + 1;
    backend->families = calloc(count, sizeof(rocksdb_column_family_handle_t *));
    const char **names = calloc(count, sizeof *names);
    const rocksdb_options_t **family_options = calloc(count, sizeof *family_options);
    if (backend->families == NULL || names == NULL || family_options == NULL) {
        free(names);
        free(family_options);
        return MR_FAIL(error, MR_NO_MEMORY, "out of memory for a store");
    }
    for (uint32_t i = 0; i < count; i++) {
        names[i] = i < options->tables_count ? options->tables[i] : DEFAULT_FAMILY;
        family_options[i] = backend->options;
    }
    char *text = NULL;
    backend->db =
        options->read_only
            ? rocksdb_open_for_read_only_column_families(backend->options, backend->path,
                                                         (int)count, names, family_options,
                                                         backend->families, 0, &text)
            : rocksdb_open_column_families(backend->options, backend->path, (int)count, names,
                                           family_options, backend->families, &text);
    free(names);
    free(family_options);
    return translate(text, "opening", backend->path, error);
}

static mr_status rocksdb_open_backend(const mr_store_options *options, mr_backend **out,
                                      mr_error *error)
{
    traces found;
    MR_TRY(look_for_database(options->path, &found, error));
    if (!found.database && (!options->create || options->read_only))
        return MR_FAIL(error, MR_NOT_FOUND, "%s: no database there", options->path);
    __attribute__((cleanup(close_backend))) mr_backend *backend = calloc(1, sizeof *backend);
    if (backend == NULL || (backend->path = strdup(options->path)) == NULL)
        return MR_FAIL(error, MR_NO_MEMORY, "out of memory for a store");
    backend->tables_count = options->tables_count;
    char *text = NULL;
    backend->options = mr_rocksdb_options_new(&text);
    MR_TRY(translate(text, "setting up", backend->path, error));
    backend->read_options = rocksdb_readoptions_create();
    rocksdb_readoptions_set_total_order_seek(backend->read_options, 1);
    backend->write_options = rocksdb_writeoptions_create();
    backend->batch = rocksdb_writebatch_create();
    rocksdb_writeoptions_set_sync(backend->write_options, 1);
    rocksdb_options_set_create_if_missing(backend->options, !found.database);
    rocksdb_options_set_create_missing_column_families(backend->options, !options->read_only);
    MR_TRY(open_families(backend, options, error));
    MR_TRY(format_take(backend, options->create && !options->read_only, found.tables, error));
    *out = backend;
    backend = NULL;
    return MR_OK;
}

static mr_status rocksdb_get_value(mr_backend *backend, const mr_backend_snapshot *snapshot,
                                   uint32_t table, mr_span key, mr_buffer *value)
{
    char *text = NULL;
    rocksdb_pinnableslice_t *slice = rocksdb_get_pinned_cf(
        backend->db, snapshot == NULL ? backend->read_options : snapshot->read_options,
        backend->families[table], (const char *)key.data, key.size, &text);
    MR_TRY(translate(text, "reading", backend->path, NULL));
    if (slice == NULL)
        return MR_NOT_FOUND;
    size_t size = 0;
    const char *data = rocksdb_pinnableslice_value(slice, &size);
    mr_status status = mr_buffer_append(value, mr_span_of(data, size));
    rocksdb_pinnableslice_destroy(slice);
    return status;
}

static void add_to_batch(mr_backend *backend, uint32_t table, const mr_change *change)
{
    rocksdb_column_family_handle_t *family = backend->families[table];
    const char *key = (const char *)change->key.data;
    if (change->present)
        rocksdb_writebatch_put_cf(backend->batch, family, key, change->key.size,
                                  (const char *)change->value.data, change->value.size);
    else
        rocksdb_writebatch_delete_cf(backend->batch, family, key, change->key.size);
}

static mr_status fill_batch(mr_backend *backend, mr_changes *changes)
{
    enum { AHEAD = 16 };
    for (uint32_t table = 0; table < changes->tables_count; table++) {
        const mr_record *records;
        size_t count;
        MR_TRY(changes->list(changes, table, 0, MR_PARTS, &records, &count));
        for (size_t i = 0; i < count; i++) {
            if (i + AHEAD < count)
                __builtin_prefetch(records[i + AHEAD].bytes);
            const mr_change change = mr_record_read(records[i].bytes);
            add_to_batch(backend, table, &change);
        }
    }
    return MR_OK;
}

static mr_status rocksdb_apply(mr_backend *backend, mr_changes *changes, mr_error *error)
{
    char *text = NULL;
    const mr_status status = fill_batch(backend, changes);
    if (status == MR_OK)
        rocksdb_write(backend->db, backend->write_options, backend->batch, &text);
    rocksdb_writebatch_clear(backend->batch);
    if (status != MR_OK)
        return MR_FAIL(error, status, "out of memory for a change of a store");
    return translate(text, "writing to", backend->path, error);
}

static void rocksdb_cursor_close(mr_backend_cursor *cursor)
{
    if (cursor->iterator != NULL)
        rocksdb_iter_destroy(cursor->iterator);
    rocksdb_readoptions_destroy(cursor->read_options);
    free(cursor);
}

/* Writes the first key after all that start with `prefix`, and returns its size: 0 when there is no
 * such key. */
static size_t bound_after(mr_span prefix, char *out)
{
    size_t size = prefix.size;
    while (size > 0 && prefix.data[size - 1] == UINT8_MAX)
        size--;
    if (size == 0)
        return 0;
    memcpy(out, prefix.data, size);
    out[size - 1] = (char)(prefix.data[size - 1] + 1);
    return size;
}

/* With a bound the iterator leaves out files and blocks beyond the prefix, and does not look
 * through removed keys there. */
static mr_status rocksdb_cursor_open(mr_backend *backend, const mr_backend_snapshot *snapshot,
                                     uint32_t table, mr_span prefix, mr_span from,
                                     mr_backend_cursor **out)
{
    mr_backend_cursor *cursor = calloc(1, sizeof *cursor + prefix.size);
    if (cursor == NULL)
        return MR_NO_MEMORY;
    cursor->backend = backend;
    cursor->read_options = rocksdb_readoptions_create();
    rocksdb_readoptions_set_total_order_seek(cursor->read_options,
                                             prefix.size < MR_ROCKSDB_PREFIX_BYTES);
    if (snapshot != NULL)
        rocksdb_readoptions_set_snapshot(cursor->read_options, snapshot->snapshot);
    size_t bound_bytes = bound_after(prefix, cursor->bound);
    if (bound_bytes > 0)
        rocksdb_readoptions_set_iterate_upper_bound(cursor->read_options, cursor->bound,
                                                    bound_bytes);
    cursor->iterator =
        rocksdb_create_iterator_cf(backend->db, cursor->read_options, backend->families[table]);
    mr_span start = mr_span_compare(prefix, from) > 0 ? prefix : from;
    if (start.size == 0)
        rocksdb_iter_seek_to_first(cursor->iterator);
    else
        rocksdb_iter_seek(cursor->iterator, (const char *)start.data, start.size);
    *out = cursor;
    return MR_OK;
}

static mr_status rocksdb_cursor_next(mr_backend_cursor *cursor, mr_span *key, mr_span *value)
{
    if (cursor->started && rocksdb_iter_valid(cursor->iterator))
        rocksdb_iter_next(cursor->iterator);
    cursor->started = true;
    if (!rocksdb_iter_valid(cursor->iterator)) {
        char *text = NULL;
        rocksdb_iter_get_error(cursor->iterator, &text);
        mr_status status = translate(text, "reading", cursor->backend->path, NULL);
        return status == MR_OK ? MR_NOT_FOUND : status;
    }
    const char *data = rocksdb_iter_key(cursor->iterator, &key->size);
    key->data = (const uint8_t *)data;
    data = rocksdb_iter_value(cursor->iterator, &value->size);
    value->data = (const uint8_t *)data;
    return MR_OK;
}

/* A number of RocksDB's, from which on merging keeps what is replaced. It takes the database's lock
 * for some instructions; no write holds that while it waits for the disk. */
static mr_status rocksdb_snapshot_open(mr_backend *backend, mr_backend_snapshot **out)
{
    mr_backend_snapshot *made = calloc(1, sizeof *made);
    if (made == NULL)
        return MR_NO_MEMORY;
    made->snapshot = rocksdb_create_snapshot(backend->db);
    made->read_options = rocksdb_readoptions_create();
    rocksdb_readoptions_set_total_order_seek(made->read_options, 1);
    rocksdb_readoptions_set_snapshot(made->read_options, made->snapshot);
    *out = made;
    return MR_OK;
}

static void rocksdb_snapshot_close(mr_backend *backend, mr_backend_snapshot *snapshot)
{
    rocksdb_readoptions_destroy(snapshot->read_options);
    rocksdb_release_snapshot(backend->db, snapshot->snapshot);
    free(snapshot);
}

const mr_backend_ops mr_backend_rocksdb = {
    .open = rocksdb_open_backend,
    .close = rocksdb_close_backend,
    .get = rocksdb_get_value,
    .apply = rocksdb_apply,
    .cursor_open = rocksdb_cursor_open,
    .cursor_next = rocksdb_cursor_next,
    .cursor_close = rocksdb_cursor_close,
    .snapshot_open = rocksdb_snapshot_open,
    .snapshot_close = rocksdb_snapshot_close,
};
