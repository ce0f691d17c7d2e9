/* SPDX-License-Identifier: Apache-2.0 */
/* A history of changes of which any number tells the whole store: change n gives some keys the
 * value n and removes some others, by a function of n. */
#ifndef MR_TESTS_STORAGE_CHANGES_H
#define MR_TESTS_STORAGE_CHANGES_H

#include "support.h"

enum { GROUPS = 4, KEYS = 12, KEY_TEXT_BYTES = 16 };

static inline bool touches_table(uint64_t n, uint32_t table)
{
    return n % (1 + 2 * table) == 0;
}

static inline uint64_t draw(uint64_t n, uint32_t table, uint32_t group, uint32_t key)
{
    uint64_t state = (n << 24) + (table << 16) + (group << 8) + key;
    return test_random(&state);
}

/* Key 0 of a group is set by each change of the table. */
static inline bool touches(uint64_t n, uint32_t table, uint32_t group, uint32_t key)
{
    return touches_table(n, table) && (key == 0 || draw(n, table, group, key) % 4 == 0);
}

static inline bool removes(uint64_t n, uint32_t table, uint32_t group, uint32_t key)
{
    return key != 0 && draw(n, table, group, key) % 12 == 0;
}

/* The value of a key after n changes, 0 when it is not there. */
static inline uint64_t value_after(uint64_t n, uint32_t table, uint32_t group, uint32_t key)
{
    while (n > 0 && !touches(n, table, group, key))
        n--;
    return n == 0 || removes(n, table, group, key) ? 0 : n;
}

static inline mr_span key_text(uint32_t group, uint32_t key, char *text)
{
    int size = snprintf(text, KEY_TEXT_BYTES, "g%u/%02u", group, key);
    return mr_span_of(text, (size_t)size);
}

/* The key of a text that key_text made; KEYS for any other. */
static inline uint32_t key_number(mr_span text)
{
    if (text.size != 5)
        return KEYS;
    uint32_t number = (uint32_t)(text.data[3] - '0') * 10 + (uint32_t)(text.data[4] - '0');
    return number < KEYS ? number : KEYS;
}

/* Adds change n to two batches. A value of `value_bytes`, at least 8, begins with its number. */
static inline mr_status fill(mr_batch *const *batches, uint64_t n, size_t value_bytes)
{
    mr_buffer value = {0};
    MR_TRY(mr_buffer_reserve(&value, value_bytes));
    memset(value.data, (int)n, value_bytes);
    mr_store_le64(value.data, n);
    mr_status status = MR_OK;
    for (uint32_t i = 0; status == MR_OK && i < TEST_TABLES * GROUPS * KEYS; i++) {
        char text[KEY_TEXT_BYTES];
        uint32_t table = i % TEST_TABLES, group = i / TEST_TABLES % GROUPS;
        uint32_t key = i / TEST_TABLES / GROUPS;
        if (!touches(n, table, group, key))
            continue;
        mr_span name = key_text(group, key, text);
        status = removes(n, table, group, key) ? mr_batch_delete(batches[i % 2], table, name)
                                               : mr_batch_put(batches[i % 2], table, name,
                                                              mr_span_of(value.data, value_bytes));
    }
    mr_buffer_fini(&value);
    return status;
}

/* Reads one group of a table into `found`. */
static inline mr_status walk_keys(mr_store *store, uint32_t table, uint32_t group,
                                  uint64_t found[KEYS + 1])
{
    char text[KEY_TEXT_BYTES];
    mr_span prefix = key_text(group, 0, text);
    prefix.size = 3;
    mr_cursor *cursor;
    MR_TRY(mr_cursor_open(store, table, prefix, (mr_span){0}, &cursor));
    memset(found, 0, (KEYS + 1) * sizeof found[0]);
    mr_span key, value;
    mr_status status;
    while ((status = mr_cursor_next(cursor, &key, &value)) == MR_OK)
        found[key_number(key)] = value.size < 8 ? UINT64_MAX : mr_load_le64(value.data);
    mr_cursor_close(cursor);
    return status == MR_NOT_FOUND ? MR_OK : status;
}

/* Finds after how many changes, up to `most`, a store is; table 0 tells, which every change
 * touches. Returns what a read said that failed; MR_INVALID when the store is not whole. */
static inline mr_status find_change(mr_store *store, uint64_t most, uint64_t *n)
{
    *n = UINT64_MAX;
    for (uint32_t i = 0; i < TEST_TABLES * GROUPS; i++) {
        uint64_t found[KEYS + 1];
        uint32_t table = i / GROUPS, group = i % GROUPS;
        MR_TRY(walk_keys(store, table, group, found));
        if (i == 0)
            *n = found[0];
        if (*n > most || found[KEYS] != 0)
            return MR_INVALID;
        for (uint32_t key = 0; key < KEYS; key++) {
            if (found[key] != value_after(*n, table, group, key))
                return MR_INVALID;
        }
    }
    return MR_OK;
}

#endif
