/* SPDX-License-Identifier: Apache-2.0 */
/* check: the candidate against the state walked from end to end: the root must be that of a tree
 * built from nothing, every memory root that of the memory's content, all value and all gas that is
 * held accounted for, and the counters those of what is there. Costs the whole state; for tests and
 * for finding a fault. */
#include "engine/engine_internal.h"

#include <stdlib.h>

#include "engine/codec.h"
#include "engine/id.h"

typedef struct walk {
    mr_block *block;
    mr_engine *engine;
    mr_tree_change *leaves;
    size_t count, capacity;
    mr_value value; /* of everybody together */
    mr_value held;  /* gas: more than the counter has room for, which wraps around */
    uint64_t waiting, letters, tasks;
} walk;

/* Counts what a record holds. */
static mr_status count(walk *at, mr_table table, mr_span record)
{
    static const mr_id any;
    mr_reader reader = mr_reader_of(record);
    mr_dispatch_record message;
    mr_letter letter;
    if (table == MR_TABLE_WAITLIST) {
        (void)mr_read_raw(&reader, 1 + 3 * 4 + 8);
        if (!mr_dispatch_read(&reader, &message))
            return MR_CORRUPT;
        at->held += mr_dispatch_gas(&message.dispatch);
        at->waiting++;
    } else if (table == MR_TABLE_MAILBOX) {
        MR_TRY(mr_letter_decode(&any, &any, record, &letter));
        at->held += letter.gas + letter.deposit;
        at->value += letter.value;
        at->letters++;
    } else if (table == MR_TABLE_TASK) {
        at->tasks++;
        (void)mr_read_u8(&reader);
        if (mr_read_u8(&reader) != MR_TASK_SEND)
            return MR_OK;
        if (!mr_dispatch_read(&reader, &message))
            return MR_CORRUPT;
        at->held += mr_dispatch_gas(&message.dispatch);
        at->value += message.dispatch.message.value;
    }
    return MR_OK;
}

static void count_reservations(walk *at, const mr_program *program)
{
    for (uint32_t i = 0; i < program->reservations_count; i++) {
        const mr_reservation *reservation = &program->reservations[i];
        at->held +=
            (mr_value)reservation->amount +
            (mr_value)(reservation->finish - reservation->start) * at->engine->schedule.rent;
    }
}

static mr_status add(walk *at, mr_table table, mr_span key, mr_span record)
{
    MR_TRY(MR_GROW(at->leaves, at->capacity, at->count));
    at->leaves[at->count++] = (mr_tree_change){
        .key = mr_state_key(table, key),
        .leaf = mr_hash_bytes(record),
        .present = true,
    };
    return count(at, table, record);
}

/* Calls `visit` for every pair of a table as stored, the candidate's changes not included. */
static mr_status each_stored(walk *at, mr_table table,
                             mr_status (*visit)(walk *at, mr_span key, mr_span value))
{
    mr_cursor *cursor;
    MR_TRY(mr_cursor_open(at->engine->store, table, (mr_span){0}, (mr_span){0}, &cursor));
    mr_status status;
    do {
        mr_span key, value;
        status = mr_cursor_next(cursor, &key, &value);
        if (status == MR_OK)
            status = visit(at, key, value);
    } while (status == MR_OK);
    mr_cursor_close(cursor);
    return status == MR_NOT_FOUND ? MR_OK : status;
}

static mr_id id_of(mr_span key)
{
    mr_id id = {0};
    memcpy(id.bytes, key.data, key.size < 32 ? key.size : 32);
    return id;
}

static mr_status visit_program(walk *at, mr_span key, mr_span value)
{
    const mr_id id = id_of(key);
    if (mr_index_find(&at->engine->index, &id) != NULL)
        return MR_OK; /* in memory, and newer there */
    mr_program *program;
    MR_TRY(mr_program_decode(&id, value, at->engine->schedule.reservations_max, at->engine->codes,
                             &program));
    at->value += program->balance;
    count_reservations(at, program);
    mr_program_free(program, at->engine->pool);
    return add(at, MR_TABLE_PROGRAM, key, value);
}

/* The root of a memory, from its content alone. */
static mr_status memory_root(const mr_program *program, mr_hash *out)
{
    mr_unit_tree *tree = mr_unit_tree_new();
    if (tree == NULL)
        return MR_NO_MEMORY;
    static const uint8_t zero[MR_UNIT_BYTES];
    const uint32_t units = mr_memory_pages(&program->memory) * MR_PAGE_UNITS;
    mr_status status = MR_OK;
    for (uint32_t u = 0; u < units && status == MR_OK; u++) {
        const uint8_t *content = mr_memory_unit(&program->memory, u);
        const uint8_t *base = mr_code_base_unit(program->module->code, u);
        if (content == NULL)
            content = zero;
        if (memcmp(content, base != NULL ? base : zero, MR_UNIT_BYTES) == 0)
            continue;
        const mr_hash hash = mr_unit_hash(content);
        status = mr_unit_tree_set(tree, u, &hash);
    }
    if (status == MR_OK)
        *out = mr_unit_tree_root(tree);
    mr_unit_tree_free(tree);
    return status;
}

static mr_status add_loaded_programs(walk *at, mr_error *error)
{
    mr_buffer record = {0};
    mr_status status = MR_OK;
    for (size_t i = 0; i < at->engine->index.capacity && status == MR_OK; i++) {
        const mr_program *program = mr_index_at(&at->engine->index, i);
        if (program == NULL)
            continue;
        at->value += program->balance;
        count_reservations(at, program);
        record.size = 0;
        status = mr_program_encode(program, &record);
        if (status == MR_OK)
            status = add(at, MR_TABLE_PROGRAM, mr_id_span(&program->id), mr_buffer_span(&record));
        if (status != MR_OK || !program->memory_loaded)
            continue;
        mr_memory_check(&program->memory);
        mr_hash root;
        status = memory_root(program, &root);
        if (status == MR_OK && !mr_hash_equal(&root, &program->memory_root))
            status =
                MR_FAIL(error, MR_CORRUPT, "a program's memory root is not that of its memory");
    }
    mr_buffer_fini(&record);
    return status;
}

static mr_status add_account(walk *at, const mr_id *id, mr_value balance)
{
    at->value += balance;
    if (balance == 0)
        return MR_OK;
    uint8_t record[MR_ACCOUNT_RECORD_BYTES];
    mr_accounts_encode(balance, record);
    return add(at, MR_TABLE_ACCOUNT, mr_id_span(id), mr_span_of(record, sizeof record));
}

static mr_status visit_account(walk *at, mr_span key, mr_span value)
{
    (void)value;
    const mr_id id = id_of(key);
    mr_value balance;
    MR_TRY(mr_accounts_balance(at->engine->accounts, &id, &balance));
    return add_account(at, &id, balance);
}

static mr_status add_new_accounts(walk *at)
{
    for (const mr_account *account = mr_accounts_dirty(at->engine->accounts); account != NULL;
         account = account->dirty_next) {
        if (account->before == 0)
            MR_TRY(add_account(at, &account->id, account->balance));
    }
    return MR_OK;
}

static mr_status visit_code(walk *at, mr_span key, mr_span value)
{
    (void)value;
    return add(at, MR_TABLE_CODE, key, key);
}

/* A record of the tables that streams note changes of, unless the block changed it. */
static mr_status visit_noted(walk *at, mr_table table, mr_span key, mr_span value)
{
    for (uint32_t s = 0; s < at->engine->streams_count; s++) {
        const mr_stream *stream = &at->engine->streams[s];
        for (size_t i = 0; i < stream->records_count; i++) {
            const mr_record *record = &stream->records[i];
            if (record->table == table &&
                mr_span_equal(mr_span_of(record->key, record->key_bytes), key))
                return MR_OK;
        }
    }
    return add(at, table, key, value);
}

static mr_status visit_letter(walk *at, mr_span key, mr_span value)
{
    return visit_noted(at, MR_TABLE_MAILBOX, key, value);
}

static mr_status visit_waiting(walk *at, mr_span key, mr_span value)
{
    return visit_noted(at, MR_TABLE_WAITLIST, key, value);
}

static mr_status visit_task(walk *at, mr_span key, mr_span value)
{
    return visit_noted(at, MR_TABLE_TASK, key, value);
}

static mr_status add_new(walk *at)
{
    const mr_block *block = at->block;
    for (size_t i = 0; i < block->uploaded_count; i++)
        MR_TRY(add(at, MR_TABLE_CODE, mr_id_span(&block->uploaded[i]->id),
                   mr_id_span(&block->uploaded[i]->id)));
    for (uint32_t s = 0; s < at->engine->streams_count; s++) {
        const mr_stream *stream = &at->engine->streams[s];
        for (size_t i = 0; i < stream->records_count; i++) {
            const mr_record *record = &stream->records[i];
            if (record->tree.present && record->table != MR_TABLE_QUEUE)
                MR_TRY(add(at, record->table, mr_span_of(record->key, record->key_bytes),
                           record->record));
        }
    }
    return MR_OK;
}

static mr_status add_queue(walk *at)
{
    mr_buffer record = {0};
    mr_status status = MR_OK;
    for (size_t i = 0; i < at->block->remainder_count && status == MR_OK; i++) {
        const mr_queued *queued = at->block->remainder[i];
        const mr_dispatch *dispatch = &queued->dispatch;
        at->value += mr_dispatch_value(dispatch);
        if (at->engine->accounts_on)
            at->value += (mr_value)mr_dispatch_gas(dispatch) * at->engine->schedule.value_per_gas;
        uint8_t key[8];
        mr_store_be64(key, queued->sequence);
        record.size = 0;
        status = mr_queued_encode(queued, &record);
        if (status == MR_OK)
            status = add(at, MR_TABLE_QUEUE, mr_span_of(key, sizeof key), mr_buffer_span(&record));
    }
    mr_buffer_fini(&record);
    return status;
}

static mr_status gather(walk *at, mr_error *error)
{
    MR_TRY(each_stored(at, MR_TABLE_PROGRAM, visit_program));
    MR_TRY(add_loaded_programs(at, error));
    MR_TRY(each_stored(at, MR_TABLE_ACCOUNT, visit_account));
    MR_TRY(add_new_accounts(at));
    MR_TRY(each_stored(at, MR_TABLE_CODE, visit_code));
    MR_TRY(each_stored(at, MR_TABLE_MAILBOX, visit_letter));
    MR_TRY(each_stored(at, MR_TABLE_WAITLIST, visit_waiting));
    MR_TRY(each_stored(at, MR_TABLE_TASK, visit_task));
    MR_TRY(add_new(at));
    MR_TRY(add_queue(at));
    MR_TRY(MR_GROW(at->leaves, at->capacity, at->count));
    mr_tree_change *counters = &at->leaves[at->count++];
    counters->key = mr_state_key(MR_TABLE_META, mr_span_text("counters"));
    counters->present = true;
    return mr_state_counters_leaf(at->engine, &at->block->counters, &counters->leaf);
}

/* The root of a tree built from the leaves alone. */
static mr_status rebuild(const walk *at, mr_hash *out, mr_error *error)
{
    static const char *const tables[] = {"tree"};
    const mr_store_options options = {.tables = tables, .tables_count = 1, .create = true};
    mr_store *store;
    MR_TRY(mr_store_open(&options, &store, error));
    mr_tree *tree = NULL;
    mr_status status = mr_tree_open(store, 0, &tree, error);
    if (status == MR_OK)
        status = mr_tree_update(tree, at->leaves, at->count, NULL, error);
    if (status == MR_OK)
        *out = mr_tree_root(tree);
    mr_tree_free(tree);
    mr_store_close(store);
    return status;
}

static mr_status compare(walk *at, mr_error *error)
{
    MR_TRY(gather(at, error));
    mr_hash root;
    MR_TRY(rebuild(at, &root, error));
    if (!mr_hash_equal(&root, &at->block->root))
        return MR_FAIL(error, MR_CORRUPT,
                       "block %llu: the root is not that of the state rebuilt from nothing",
                       (unsigned long long)at->block->info.height);
    const mr_counters *counters = &at->block->counters;
    if ((uint64_t)at->held != counters->gas_held || at->waiting != counters->waiting_count ||
        at->letters != counters->letters_count || at->tasks != counters->tasks_count)
        return MR_FAIL(
            error, MR_CORRUPT,
            "block %llu: %llu gas is held by %llu waiting messages, %llu letters and %llu "
            "tasks, and the counters say otherwise",
            (unsigned long long)at->block->info.height, (unsigned long long)at->held,
            (unsigned long long)at->waiting, (unsigned long long)at->letters,
            (unsigned long long)at->tasks);
    if (at->engine->accounts_on)
        at->value += counters->burned + at->held * at->engine->schedule.value_per_gas;
    if (at->value != at->block->counters.issued)
        return MR_FAIL(error, MR_CORRUPT, "block %llu: value was made or lost",
                       (unsigned long long)at->block->info.height);
    return MR_OK;
}

mr_status mr_block_check(mr_block *block, mr_error *error)
{
    walk at = {.block = block, .engine = block->engine};
    mr_error why = {0};
    mr_status status = compare(&at, &why);
    free(at.leaves);
    if (status == MR_OK)
        return MR_OK;
    if (error != NULL && why.text[0] != '\0')
        *error = why;
    else
        (void)MR_FAIL(error, status, "the state could not be checked: %s", mr_status_text(status));
    return status;
}
