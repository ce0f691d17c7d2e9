/* SPDX-License-Identifier: Apache-2.0 */
/* damage: an engine's database whose records are changed behind its back, one at a time, and put
 * back; and what was found of it. */
#ifndef MR_TESTS_ENGINE_DAMAGE_H
#define MR_TESTS_ENGINE_DAMAGE_H

#include "tests/engine/actor.h"

#include "storage/store.h"

#include <dirent.h>
#include <limits.h>
#include <unistd.h>

static const char *const tables[] = {"meta",    "code",  "program", "unit", "queue",    "mailbox",
                                     "account", "block", "receipt", "tree", "waitlist", "task"};
enum {
    META,
    CODE,
    PROGRAM,
    UNIT,
    QUEUE,
    MAILBOX,
    ACCOUNT,
    BLOCK,
    RECEIPT,
    TREE,
    WAITLIST,
    TASK,
    TABLES = sizeof tables / sizeof tables[0],
    RECORDS_MAX = 400,
};

typedef struct record {
    uint32_t table;
    uint8_t key[100];
    size_t key_bytes;
    uint8_t *value;
    size_t value_bytes;
} record;

static char path[64]; /* in memory where there is such a folder: every change is synced */
static record records[RECORDS_MAX];
static size_t records_count;

/* ---- The store behind the engine's back ---- */

static inline mr_store *open_store(void)
{
    const mr_store_options options = {.path = path, .tables = tables, .tables_count = TABLES};
    mr_store *store;
    mr_error error = {0};
    if (mr_store_open(&options, &store, &error) != MR_OK)
        fail_msg("%s", error.text);
    return store;
}

static inline void gather(mr_store *store, uint32_t table)
{
    mr_cursor *cursor;
    mr_span key, value;
    assert_int_equal(mr_cursor_open(store, table, (mr_span){0}, (mr_span){0}, &cursor), MR_OK);
    while (mr_cursor_next(cursor, &key, &value) == MR_OK) {
        assert_true(records_count < RECORDS_MAX && key.size <= sizeof records[0].key);
        record *to = &records[records_count++];
        *to = (record){.table = table, .key_bytes = key.size, .value_bytes = value.size};
        memcpy(to->key, key.data, key.size);
        to->value = malloc(value.size + 1);
        assert_non_null(to->value);
        memcpy(to->value, value.data, value.size);
    }
    mr_cursor_close(cursor);
}

static const record *damaged; /* to be put back first of all */

static inline void put(mr_batch *batch, const record *of, const uint8_t *bytes, size_t size)
{
    const mr_span key = mr_span_of(of->key, of->key_bytes);
    if (bytes != NULL)
        assert_int_equal(mr_batch_put(batch, of->table, key, mr_span_of(bytes, size)), MR_OK);
    else
        assert_int_equal(mr_batch_delete(batch, of->table, key), MR_OK);
}

/* Puts `size` bytes in place of a record, NULL takes it away, after the last one replaced has been
 * put back. Without a record that is all. */
static inline void replace(const record *of, const uint8_t *bytes, size_t size)
{
    mr_store *store = open_store();
    mr_batch *batch = mr_batch_new(store);
    assert_non_null(batch);
    if (damaged != NULL)
        put(batch, damaged, damaged->value, damaged->value_bytes);
    damaged = of;
    if (of != NULL)
        put(batch, of, bytes, size);
    mr_error error = {0};
    assert_int_equal(mr_store_submit(store, &batch, 1, &error), MR_OK);
    assert_int_equal(mr_store_wait(store, &error), MR_OK);
    mr_batch_free(batch);
    mr_store_close(store);
}

static inline void make_path(void)
{
    (void)snprintf(path, sizeof path, "%s/millrace-damage-XXXXXX",
                   access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(path));
}

/* Remembers all records. */
static inline void gather_all(void)
{
    mr_store *store = open_store();
    for (uint32_t table = 0; table < TABLES; table++)
        gather(store, table);
    mr_store_close(store);
}

static inline int remove_database(void **state)
{
    (void)state;
    for (size_t i = 0; i < records_count; i++)
        free(records[i].value);
    DIR *folder = opendir(path);
    assert_non_null(folder);
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        char name[PATH_MAX];
        (void)snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        (void)unlink(name);
    }
    (void)closedir(folder);
    return rmdir(path);
}

/* What a trial has found; the worst of it. */
typedef struct finding {
    mr_status status;
    char text[512];
} finding;

static inline void note(finding *to, mr_status status, const char *text)
{
    if (status == MR_OK || to->status != MR_OK)
        return;
    to->status = status;
    (void)snprintf(to->text, sizeof to->text, "%s", text);
}

#endif
