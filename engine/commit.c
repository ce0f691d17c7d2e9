/* SPDX-License-Identifier: Apache-2.0 */
/* commit: what a sealed block changed, written into batches by all workers. */
#include "engine/engine_internal.h"

#include "engine/id.h"

static mr_status write_program(const mr_program *program, const mr_sealed *sealed, mr_batch *batch)
{
    MR_TRY(mr_batch_put(batch, MR_TABLE_PROGRAM, mr_id_span(&program->id), sealed->record));
    uint8_t key[MR_UNIT_KEY_BYTES];
    const mr_span key_span = mr_span_of(key, sizeof key);
    memcpy(key, program->id.bytes, sizeof(mr_id));
    for (size_t i = 0; i < sealed->changes_count; i++) {
        const mr_unit_change *change = &sealed->changes[i];
        mr_store_be32(key + sizeof(mr_id), change->unit);
        if (change->present)
            MR_TRY(mr_batch_put(batch, MR_TABLE_UNIT, key_span,
                                mr_span_of(change->bytes, MR_UNIT_BYTES)));
        else
            MR_TRY(mr_batch_delete(batch, MR_TABLE_UNIT, key_span));
    }
    return MR_OK;
}

static void write_programs(void *arg, size_t task, uint32_t worker)
{
    const mr_block *block = arg;
    mr_stream *stream = &block->engine->streams[worker];
    const size_t end = mr_block_task_end(block, task);
    for (size_t i = task * block->programs_per_task; i < end; i++) {
        mr_status status = write_program(block->dirty[i], &block->sealed[i], stream->batch);
        if (status != MR_OK && stream->failure == MR_OK)
            stream->failure = status;
    }
}

static mr_status write_accounts(const mr_block *block, mr_batch *batch)
{
    for (const mr_account *account = mr_accounts_dirty(block->engine->accounts); account != NULL;
         account = account->dirty_next) {
        if (account->balance == account->before)
            continue;
        uint8_t record[MR_ACCOUNT_RECORD_BYTES];
        mr_accounts_encode(account->balance, record);
        if (account->balance == 0)
            MR_TRY(mr_batch_delete(batch, MR_TABLE_ACCOUNT, mr_id_span(&account->id)));
        else
            MR_TRY(mr_batch_put(batch, MR_TABLE_ACCOUNT, mr_id_span(&account->id),
                                mr_span_of(record, sizeof record)));
    }
    return MR_OK;
}

static mr_status write_record(const mr_record *record, mr_batch *batch)
{
    const mr_span key = mr_span_of(record->key, record->key_bytes);
    return record->tree.present ? mr_batch_put(batch, record->table, key, record->record)
                                : mr_batch_delete(batch, record->table, key);
}

/* Each stream's records by one worker. */
static void write_records(void *arg, size_t task, uint32_t worker)
{
    const mr_block *block = arg;
    const mr_stream *of = &block->engine->streams[task];
    mr_stream *stream = &block->engine->streams[worker];
    for (size_t i = 0; i < of->records_count; i++) {
        mr_status status = write_record(&of->records[i], stream->batch);
        if (status != MR_OK && stream->failure == MR_OK)
            stream->failure = status;
    }
}

/* Modules are kept as uploaded: their bytes stand in the accepted transactions. */
static mr_status write_codes(const mr_block *block, mr_batch *batch)
{
    for (size_t i = 0; i < block->uploaded_count; i++) {
        const mr_module *module = block->uploaded[i];
        MR_TRY(
            mr_batch_put(batch, MR_TABLE_CODE, mr_id_span(&module->id), block->uploaded_bytes[i]));
    }
    return MR_OK;
}

mr_status mr_block_write(mr_block *block)
{
    mr_engine *engine = block->engine;
    mr_batch *batch = engine->batch;
    mr_batch_reset(batch);
    for (uint32_t s = 0; s < engine->streams_count; s++)
        mr_batch_reset(engine->streams[s].batch);
    mr_parallel_run(&engine->parallel, mr_block_tasks(block), write_programs, block);
    mr_parallel_run(&engine->parallel, engine->streams_count, write_records, block);
    for (uint32_t s = 0; s < engine->streams_count; s++) {
        mr_status status = engine->streams[s].failure;
        engine->streams[s].failure = MR_OK;
        MR_TRY(status);
    }
    MR_TRY(write_accounts(block, batch));
    MR_TRY(write_codes(block, batch));
    MR_TRY(mr_stored_write(block, batch));
    MR_TRY(mr_state_write_head(batch, block->info.height, &block->root, &block->counters));
    return engine->tree == NULL ? MR_OK : mr_tree_write(engine->tree, batch);
}
