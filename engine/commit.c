/* SPDX-License-Identifier: Apache-2.0 */
/* commit: what a sealed block changed, written into batches by all workers. */
#include "engine/engine_internal.h"

#include "engine/id.h"

enum { PROGRAMS_PER_TASK = 16 };

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
    size_t end = (task + 1) * PROGRAMS_PER_TASK;
    if (end > block->dirty_count)
        end = block->dirty_count;
    for (size_t i = task * PROGRAMS_PER_TASK; i < end; i++) {
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

static mr_status write_letters(const mr_block *block, mr_batch *batch)
{
    for (size_t i = 0; i < block->letters_count; i++) {
        const mr_letter *letter = &block->letters[i];
        uint8_t key[MR_LETTER_KEY_BYTES];
        mr_letter_key(letter, key);
        const mr_span key_span = mr_span_of(key, sizeof key);
        if (letter->removed)
            MR_TRY(mr_batch_delete(batch, MR_TABLE_MAILBOX, key_span));
        else
            MR_TRY(mr_batch_put(batch, MR_TABLE_MAILBOX, key_span, mr_id_span(&letter->program)));
    }
    return MR_OK;
}

static mr_status write_queue(const mr_block *block, mr_batch *batch)
{
    const mr_engine *engine = block->engine;
    uint8_t key[8];
    for (size_t i = 0; i < engine->queue_count; i++) {
        if (engine->queue[i]->remains)
            continue;
        mr_store_be64(key, engine->queue[i]->sequence);
        MR_TRY(mr_batch_delete(batch, MR_TABLE_QUEUE, mr_span_of(key, sizeof key)));
    }
    mr_buffer record = {0};
    mr_status status = MR_OK;
    for (size_t i = 0; i < block->remainder_count && status == MR_OK; i++) {
        const mr_queued *queued = block->remainder[i];
        if (queued->sequence < engine->counters.queue_tail)
            continue; /* stored by an earlier block */
        mr_store_be64(key, queued->sequence);
        record.size = 0;
        status = mr_queued_encode(queued, &record);
        if (status == MR_OK)
            status = mr_batch_put(batch, MR_TABLE_QUEUE, mr_span_of(key, sizeof key),
                                  mr_buffer_span(&record));
    }
    mr_buffer_fini(&record);
    return status;
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
    mr_parallel_run(&engine->parallel,
                    (block->dirty_count + PROGRAMS_PER_TASK - 1) / PROGRAMS_PER_TASK,
                    write_programs, block);
    for (uint32_t s = 0; s < engine->streams_count; s++) {
        mr_status status = engine->streams[s].failure;
        engine->streams[s].failure = MR_OK;
        MR_TRY(status);
    }
    MR_TRY(write_accounts(block, batch));
    MR_TRY(write_letters(block, batch));
    MR_TRY(write_queue(block, batch));
    MR_TRY(write_codes(block, batch));
    MR_TRY(mr_stored_write(block, batch));
    MR_TRY(mr_state_write_head(batch, block->info.height, &block->root, &block->counters));
    return mr_tree_write(engine->tree, batch);
}
