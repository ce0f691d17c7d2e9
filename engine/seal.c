/* SPDX-License-Identifier: Apache-2.0 */
/* seal: after the last round, credits reach their accounts, what changed is hashed by all workers,
 * and the state tree yields the root. */
#include "engine/engine_internal.h"

#include <stdlib.h>

#include "base/assert.h"
#include "engine/id.h"

static mr_status apply_credit(mr_engine *engine, const mr_id *id, mr_value amount)
{
    mr_account *account;
    MR_TRY(mr_accounts_take(engine->accounts, id, &account));
    account->balance += amount;
    return MR_OK;
}

/* Values that left to users, refunds, and the author's reward. */
static mr_status apply_credits(mr_block *block)
{
    mr_engine *engine = block->engine;
    for (uint32_t s = 0; s < engine->streams_count; s++) {
        mr_stream *stream = &engine->streams[s];
        if (!engine->accounts_on)
            block->counters.issued -= stream->value_left;
        for (size_t i = 0; i < stream->credits_count; i++)
            MR_TRY(apply_credit(engine, &stream->credits[i].account, stream->credits[i].amount));
    }
    if (!engine->accounts_on)
        return MR_OK;
    block->info.reward += (mr_value)block->info.gas_burned * engine->schedule.value_per_gas;
    if (!mr_id_is_zero(&block->params.author))
        return apply_credit(engine, &block->params.author, block->info.reward);
    block->counters.burned += block->info.reward;
    return MR_OK;
}

static mr_status gather_dirty(mr_block *block)
{
    const mr_engine *engine = block->engine;
    size_t count = block->created_count;
    for (uint32_t s = 0; s < engine->streams_count; s++)
        count += engine->streams[s].dirty_count;
    MR_TRY(MR_ROOM(block->dirty, block->dirty_capacity, count));
    size_t at = 0;
    for (size_t i = 0; i < block->created_count; i++)
        block->dirty[at++] = block->created[i];
    for (uint32_t s = 0; s < engine->streams_count; s++) {
        const mr_stream *stream = &engine->streams[s];
        for (size_t i = 0; i < stream->dirty_count; i++)
            block->dirty[at++] = stream->dirty[i];
    }
    MR_ASSERT(at == count);
    block->dirty_count = count;
    return MR_OK;
}

enum { PROGRAMS_PER_TASK = 16 };

static mr_status seal_program(mr_block *block, size_t i, mr_stream *stream, mr_buffer *record)
{
    mr_program *program = block->dirty[i];
    mr_sealed *sealed = &block->sealed[i];
    MR_TRY(mr_program_seal(program, stream->pool, &sealed->changes, &sealed->changes_count));
    record->size = 0;
    MR_TRY(mr_program_encode(program, record));
    uint8_t *copy = mr_arena_alloc(stream->block_arena, record->size);
    if (copy == NULL)
        return MR_NO_MEMORY;
    memcpy(copy, record->data, record->size);
    sealed->record = mr_span_of(copy, record->size);
    block->changes[i] = (mr_tree_change){
        .key = mr_state_key(MR_TABLE_PROGRAM, mr_id_span(&program->id)),
        .leaf = mr_hash_bytes(mr_buffer_span(record)),
        .present = true,
    };
    return MR_OK;
}

static void seal_programs(void *arg, size_t task, uint32_t worker)
{
    mr_block *block = arg;
    mr_stream *stream = &block->engine->streams[worker];
    mr_buffer *record = &stream->scratch;
    size_t end = (task + 1) * PROGRAMS_PER_TASK;
    if (end > block->dirty_count)
        end = block->dirty_count;
    for (size_t i = task * PROGRAMS_PER_TASK; i < end; i++) {
        mr_status status = seal_program(block, i, stream, record);
        if (status != MR_OK && stream->failure == MR_OK)
            stream->failure = status;
    }
}

static mr_status change(mr_block *block, mr_table table, mr_span key, const mr_hash *leaf)
{
    MR_TRY(MR_GROW(block->changes, block->changes_capacity, block->changes_count));
    mr_tree_change *made = &block->changes[block->changes_count++];
    *made = (mr_tree_change){.key = mr_state_key(table, key), .present = leaf != NULL};
    if (leaf != NULL)
        made->leaf = *leaf;
    return MR_OK;
}

static mr_status seal_accounts(mr_block *block)
{
    for (const mr_account *account = mr_accounts_dirty(block->engine->accounts); account != NULL;
         account = account->dirty_next) {
        if (account->balance == account->before)
            continue;
        block->counters.accounts_count += account->before == 0;
        block->counters.accounts_count -= account->balance == 0;
        uint8_t record[MR_ACCOUNT_RECORD_BYTES];
        mr_accounts_encode(account->balance, record);
        const mr_hash leaf = mr_hash_bytes(mr_span_of(record, sizeof record));
        MR_TRY(change(block, MR_TABLE_ACCOUNT, mr_id_span(&account->id),
                      account->balance == 0 ? NULL : &leaf));
    }
    return MR_OK;
}

static mr_status seal_codes(mr_block *block)
{
    for (size_t i = 0; i < block->uploaded_count; i++) {
        const mr_id *id = &block->uploaded[i]->id;
        const mr_hash leaf = mr_hash_bytes(mr_id_span(id));
        MR_TRY(change(block, MR_TABLE_CODE, mr_id_span(id), &leaf));
    }
    return MR_OK;
}

static mr_status add_letters(mr_block *block, const mr_dispatch *dispatch)
{
    mr_user_place place = {.dispatch = dispatch};
    for (place.entry = dispatch->users; place.entry != NULL; place.entry = place.entry->next) {
        if (!place.entry->replyable)
            continue;
        MR_TRY(MR_GROW(block->letters, block->letters_capacity, block->letters_count));
        const mr_user_message message = mr_user_message_of(&place);
        block->letters[block->letters_count++] = (mr_letter){
            .user = message.to,
            .message = message.id,
            .program = message.from,
        };
    }
    return MR_OK;
}

/* Messages to users that may be answered become letters. */
static mr_status seal_letters(mr_block *block)
{
    uint64_t added = 0;
    for (uint32_t s = 0; s < block->engine->streams_count; s++)
        added += block->engine->streams[s].letters;
    for (size_t r = 0; added > 0 && r < block->rounds_count; r++) {
        for (size_t i = 0; i < block->rounds[r].count; i++)
            MR_TRY(add_letters(block, block->rounds[r].dispatches[i]));
    }
    for (size_t i = 0; i < block->letters_count; i++) {
        const mr_letter *letter = &block->letters[i];
        uint8_t key[MR_LETTER_KEY_BYTES];
        mr_letter_key(letter, key);
        const mr_hash leaf = mr_hash_bytes(mr_id_span(&letter->program));
        MR_TRY(change(block, MR_TABLE_MAILBOX, mr_span_of(key, sizeof key),
                      letter->removed ? NULL : &leaf));
    }
    return MR_OK;
}

static mr_status change_queue(mr_block *block, uint64_t sequence, const mr_hash *leaf)
{
    uint8_t key[8];
    mr_store_be64(key, sequence);
    return change(block, MR_TABLE_QUEUE, mr_span_of(key, sizeof key), leaf);
}

/* What the block took out of the stored queue, and what it leaves there anew. */
static mr_status seal_queue(mr_block *block)
{
    const mr_engine *engine = block->engine;
    for (size_t i = 0; i < engine->queue_count; i++) {
        if (!engine->queue[i]->remains)
            MR_TRY(change_queue(block, engine->queue[i]->sequence, NULL));
    }
    mr_buffer record = {0};
    mr_status status = MR_OK;
    for (size_t i = 0; i < block->remainder_count && status == MR_OK; i++) {
        mr_queued *queued = block->remainder[i];
        if (queued->sequence != MR_SEQUENCE_NONE)
            continue;
        queued->sequence = block->counters.queue_tail++;
        record.size = 0;
        status = mr_queued_encode(queued, &record);
        const mr_hash leaf = mr_hash_bytes(mr_buffer_span(&record));
        if (status == MR_OK)
            status = change_queue(block, queued->sequence, &leaf);
    }
    mr_buffer_fini(&record);
    block->info.queue_count = block->remainder_count;
    return status;
}

static mr_status seal_all(mr_block *block)
{
    mr_engine *engine = block->engine;
    MR_TRY(apply_credits(block));
    MR_TRY(gather_dirty(block));
    MR_TRY(MR_ROOM(block->sealed, block->sealed_capacity, block->dirty_count));
    MR_TRY(MR_ROOM(block->changes, block->changes_capacity, block->dirty_count + 64));
    block->changes_count = block->dirty_count;
    mr_parallel_run(&engine->parallel,
                    (block->dirty_count + PROGRAMS_PER_TASK - 1) / PROGRAMS_PER_TASK, seal_programs,
                    block);
    for (uint32_t s = 0; s < engine->streams_count; s++)
        MR_TRY(engine->streams[s].failure);
    MR_TRY(seal_accounts(block));
    MR_TRY(seal_codes(block));
    MR_TRY(seal_letters(block));
    MR_TRY(seal_queue(block));
    mr_hash counters;
    MR_TRY(mr_state_counters_leaf(engine, &block->counters, &counters));
    return change(block, MR_TABLE_META, mr_span_text("counters"), &counters);
}

mr_status mr_block_seal(mr_block *block, mr_error *error)
{
    mr_engine *engine = block->engine;
    mr_status status = seal_all(block);
    if (status != MR_OK)
        return MR_FAIL(error, status, "the block's changes could not be hashed: %s",
                       mr_status_text(status));
    MR_TRY(mr_tree_update(engine->tree, block->changes, block->changes_count, &engine->parallel,
                          error));
    block->root = mr_tree_root(engine->tree);
    memcpy(block->info.root.bytes, block->root.bytes, sizeof block->info.root.bytes);
    return MR_OK;
}
