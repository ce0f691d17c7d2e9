/* SPDX-License-Identifier: Apache-2.0 */
/* stored: committed blocks as the store has them: one record of parameters, results and
 * transactions. docs/FORMATS.md has the layout; receipts are in receipts.c. */
#include "engine/engine_internal.h"

#include <stdlib.h>

#include "engine/codec.h"
#include "engine/id.h"

enum {
    FORMAT_VERSION = 2,

    /* Bits of a transaction's first byte. */
    KIND_MASK = 0x0f,
    KIND_UNKNOWN = 0x0f, /* refused, whatever it was */
    HAS_VALUE = 0x10,
    HAS_SALT = 0x20,
    HAS_TIP = 0x40,
};

struct mr_stored_block {
    mr_block_info info;
    mr_block_params params;
    mr_transaction *transactions;
    size_t transactions_count;
    mr_stored_receipts *receipts;
    mr_buffer *buffers; /* what the spans point into */
    size_t buffers_count, buffers_capacity;
};

/* ---- Transactions ---- */

/* An accepted upload stands for its module by the code's id: the bytes are in their own table. */
static void write_transaction(mr_writer *writer, mr_dictionary *known,
                              const mr_transaction *transaction, const mr_id *to, mr_span payload)
{
    enum { BYTES_MAX = 1 + 2 * MR_DICTIONARY_ID_BYTES_MAX + 5 * MR_LEB_BYTES_MAX };
    /* Refused transactions are kept as they were, so that they are refused again. */
    const bool known_kind = transaction->kind <= MR_TRANSACTION_CLAIM;
    uint8_t *at = mr_writer_room(writer, BYTES_MAX);
    if (at == NULL)
        return;
    *at++ = (uint8_t)((known_kind ? (unsigned)transaction->kind : KIND_UNKNOWN) |
                      (transaction->value != 0 ? HAS_VALUE : 0u) |
                      (transaction->tip != 0 ? HAS_TIP : 0u) |
                      (transaction->salt.size > 0 ? HAS_SALT : 0u));
    at = mr_dictionary_put(known, at, &transaction->from);
    at = mr_dictionary_put(known, at, to);
    at = mr_put_leb(at, transaction->gas_limit);
    if (transaction->value != 0) {
        at = mr_put_leb(at, (uint64_t)transaction->value);
        at = mr_put_leb(at, (uint64_t)(transaction->value >> 64));
    }
    if (transaction->tip != 0) {
        at = mr_put_leb(at, (uint64_t)transaction->tip);
        at = mr_put_leb(at, (uint64_t)(transaction->tip >> 64));
    }
    mr_writer_fill(writer, at);
    mr_write_span(writer, payload);
    if (transaction->salt.size > 0)
        mr_write_span(writer, transaction->salt);
}

static void encode_chunk(void *arg, size_t task, uint32_t worker)
{
    mr_block *block = arg;
    mr_dictionary *known = block->engine->streams[worker].dictionary;
    mr_buffer record = block->chunks[task].record; /* whose neighbours other workers write */
    mr_writer writer = {.buffer = &record};
    record.size = 0;
    mr_dictionary_clear(known);
    mr_write_u8(&writer, FORMAT_VERSION);
    static const mr_id none;
    const size_t first = task * MR_CHUNK_TRANSACTIONS;
    size_t end = first + MR_CHUNK_TRANSACTIONS;
    if (end > block->info.transactions_count)
        end = block->info.transactions_count;
    for (size_t i = first; i < end; i++) {
        const mr_transaction *transaction = &block->transactions[i];
        const mr_id *to = &transaction->to;
        mr_span payload = transaction->payload;
        if (transaction->kind == MR_TRANSACTION_UPLOAD) {
            to = &none;
            if (block->admitted[i].admission == MR_ADMISSION_ACCEPTED) {
                to = block->admitted[i].id;
                payload = (mr_span){0};
            }
        }
        write_transaction(&writer, known, transaction, to, payload);
    }
    if (writer.failed)
        record.size = 0;
    block->chunks[task].record = record;
}

mr_status mr_stored_encode_transactions(mr_block *block)
{
    const size_t count =
        (block->info.transactions_count + MR_CHUNK_TRANSACTIONS - 1) / MR_CHUNK_TRANSACTIONS;
    if (count > block->chunks_capacity) {
        mr_transactions_chunk *chunks = realloc(block->chunks, count * sizeof *chunks);
        if (chunks == NULL)
            return MR_NO_MEMORY;
        memset(chunks + block->chunks_capacity, 0,
               (count - block->chunks_capacity) * sizeof *chunks);
        block->chunks = chunks;
        block->chunks_capacity = count;
    }
    block->chunks_count = count;
    mr_parallel_run(&block->engine->parallel, count, encode_chunk, block);
    for (size_t i = 0; i < count; i++) {
        if (block->chunks[i].record.size == 0)
            return MR_NO_MEMORY;
    }
    return MR_OK;
}

/* Key of a block's own record, or with a chunk's number that of a chunk of its transactions. */
static mr_span block_key(uint64_t height, const uint32_t *chunk, uint8_t out[12])
{
    mr_store_be64(out, height);
    if (chunk == NULL)
        return mr_span_of(out, 8);
    mr_store_be32(out + 8, *chunk);
    return mr_span_of(out, 12);
}

static mr_transaction read_transaction(mr_reader *reader, mr_dictionary_reader *known)
{
    mr_transaction transaction = {0};
    uint8_t head = mr_read_u8(reader);
    transaction.kind = (mr_transaction_kind)(head & KIND_MASK);
    if ((head & KIND_MASK) > MR_TRANSACTION_CLAIM && (head & KIND_MASK) != KIND_UNKNOWN) {
        reader->failed = true;
        return transaction;
    }
    transaction.from = mr_dictionary_read(known, reader);
    transaction.to = mr_dictionary_read(known, reader);
    transaction.gas_limit = mr_read_leb(reader);
    if ((head & HAS_VALUE) != 0) {
        transaction.value = mr_read_leb(reader);
        transaction.value |= (mr_value)mr_read_leb(reader) << 64;
    }
    if ((head & HAS_TIP) != 0) {
        transaction.tip = mr_read_leb(reader);
        transaction.tip |= (mr_value)mr_read_leb(reader) << 64;
    }
    transaction.payload = mr_read_span(reader);
    if ((head & HAS_SALT) != 0)
        transaction.salt = mr_read_span(reader);
    return transaction;
}

/* Reads a chunk's transactions into the block, from number *at on. */
static mr_status read_chunk(mr_span record, mr_stored_block *block, mr_dictionary_reader *known,
                            size_t *at)
{
    mr_reader reader = mr_reader_of(record);
    known->count = 0;
    if (mr_read_u8(&reader) != FORMAT_VERSION)
        return MR_CORRUPT;
    while (reader.at < reader.end && !reader.failed) {
        if (*at == block->transactions_count)
            return MR_CORRUPT;
        block->transactions[(*at)++] = read_transaction(&reader, known);
    }
    return reader.failed ? MR_CORRUPT : MR_OK;
}

/* ---- The block's record ---- */

static void write_info(mr_writer *writer, const mr_block_info *info, const mr_block_params *params)
{
    mr_write_u8(writer, FORMAT_VERSION);
    mr_write_u64(writer, info->height);
    mr_write_id(writer, &info->root);
    mr_write_u64(writer, params->timestamp_ms);
    mr_write_u64(writer, params->gas_limit);
    mr_write_id(writer, &params->author);
    mr_write_id(writer, &params->random);
    mr_write_u64(writer, info->gas_burned);
    mr_write_u64(writer, info->gas_rent);
    mr_write_u64(writer, info->rounds);
    mr_write_u64(writer, info->tasks_count);
    mr_write_u64(writer, info->receipts_count);
    mr_write_u64(writer, info->replies_count);
    mr_write_u64(writer, info->failures_count);
    mr_write_u64(writer, info->user_messages_count);
    mr_write_u64(writer, info->agenda_messages_count);
    mr_write_u64(writer, info->transactions_count);
    mr_write_u64(writer, info->transactions_accepted);
    mr_write_u64(writer, info->queue_count);
    mr_write_value(writer, info->reward);
}

static void read_info(mr_reader *reader, mr_block_info *info, mr_block_params *params)
{
    if (mr_read_u8(reader) != FORMAT_VERSION)
        reader->failed = true;
    info->height = mr_read_u64(reader);
    info->root = mr_read_id(reader);
    params->timestamp_ms = mr_read_u64(reader);
    params->gas_limit = mr_read_u64(reader);
    params->author = mr_read_id(reader);
    params->random = mr_read_id(reader);
    info->gas_burned = mr_read_u64(reader);
    info->gas_rent = mr_read_u64(reader);
    info->rounds = mr_read_u64(reader);
    info->tasks_count = mr_read_u64(reader);
    info->receipts_count = mr_read_u64(reader);
    info->replies_count = mr_read_u64(reader);
    info->failures_count = mr_read_u64(reader);
    info->user_messages_count = mr_read_u64(reader);
    info->agenda_messages_count = mr_read_u64(reader);
    info->transactions_count = mr_read_u64(reader);
    info->transactions_accepted = mr_read_u64(reader);
    info->queue_count = mr_read_u64(reader);
    info->reward = mr_read_value(reader);
}

mr_status mr_stored_write(mr_block *block, mr_batch *batch)
{
    mr_buffer record = {0};
    mr_writer writer = {.buffer = &record};
    write_info(&writer, &block->info, &block->params);
    uint8_t key[12];
    mr_status status = writer.failed ? MR_NO_MEMORY
                                     : mr_batch_put(batch, MR_TABLE_BLOCK,
                                                    block_key(block->info.height, NULL, key),
                                                    mr_buffer_span(&record));
    mr_buffer_fini(&record);
    for (uint32_t chunk = 0; chunk < block->chunks_count && status == MR_OK; chunk++)
        status = mr_batch_put(batch, MR_TABLE_BLOCK, block_key(block->info.height, &chunk, key),
                              mr_buffer_span(&block->chunks[chunk].record));
    return status == MR_OK ? mr_receipts_write(block) : status;
}

/* ---- Reading back ---- */

static mr_status take_buffer(mr_stored_block *block, mr_buffer **out)
{
    MR_TRY(MR_GROW(block->buffers, block->buffers_capacity, block->buffers_count));
    block->buffers[block->buffers_count] = (mr_buffer){0};
    *out = &block->buffers[block->buffers_count++];
    return MR_OK;
}

/* The bytes of uploaded modules stand in their own table. */
static mr_status read_modules(mr_engine *engine, mr_stored_block *block)
{
    for (size_t i = 0; i < block->transactions_count; i++) {
        mr_transaction *transaction = &block->transactions[i];
        if (transaction->kind != MR_TRANSACTION_UPLOAD || mr_id_is_zero(&transaction->to))
            continue;
        mr_buffer *buffer;
        MR_TRY(take_buffer(block, &buffer));
        mr_status status =
            mr_store_get(engine->store, MR_TABLE_CODE, mr_id_span(&transaction->to), buffer);
        if (status != MR_OK)
            return status == MR_NOT_FOUND ? MR_CORRUPT : status;
        transaction->payload = mr_buffer_span(buffer);
        transaction->to = (mr_id){0};
    }
    return MR_OK;
}

static mr_status read_chunks(mr_engine *engine, uint64_t height, mr_stored_block *block,
                             mr_dictionary_reader *known)
{
    size_t at = 0;
    for (uint32_t chunk = 0; at < block->transactions_count; chunk++) {
        uint8_t key[12];
        mr_buffer *record;
        MR_TRY(take_buffer(block, &record));
        mr_status status =
            mr_store_get(engine->store, MR_TABLE_BLOCK, block_key(height, &chunk, key), record);
        if (status != MR_OK)
            return status == MR_NOT_FOUND ? MR_CORRUPT : status;
        const size_t before = at;
        MR_TRY(read_chunk(mr_buffer_span(record), block, known, &at));
        if (at == before)
            return MR_CORRUPT;
    }
    return MR_OK;
}

/* A number of transactions is believed, and allocated for, when their last chunk is there. */
static mr_status check_last_chunk(mr_engine *engine, uint64_t height, uint64_t count)
{
    if (count == 0)
        return MR_OK;
    if (count > UINT32_MAX)
        return MR_CORRUPT;
    const uint32_t chunk = (uint32_t)((count - 1) / MR_CHUNK_TRANSACTIONS);
    uint8_t key[12];
    mr_buffer record = {0};
    mr_status status =
        mr_store_get(engine->store, MR_TABLE_BLOCK, block_key(height, &chunk, key), &record);
    mr_buffer_fini(&record);
    return status == MR_NOT_FOUND ? MR_CORRUPT : status;
}

static mr_status read_transactions(mr_engine *engine, uint64_t height, mr_stored_block *block)
{
    MR_TRY(check_last_chunk(engine, height, block->info.transactions_count));
    block->transactions_count = block->info.transactions_count;
    block->transactions = calloc(block->transactions_count + 1, sizeof *block->transactions);
    if (block->transactions == NULL)
        return MR_NO_MEMORY;
    mr_dictionary_reader *known = malloc(sizeof *known);
    if (known == NULL)
        return MR_NO_MEMORY;
    mr_status status = read_chunks(engine, height, block, known);
    free(known);
    return status;
}

static mr_status read_block(mr_engine *engine, uint64_t height, mr_stored_block *block)
{
    uint8_t key[12];
    mr_buffer *record;
    MR_TRY(take_buffer(block, &record));
    MR_TRY(mr_store_get(engine->store, MR_TABLE_BLOCK, block_key(height, NULL, key), record));
    mr_reader reader = mr_reader_of(mr_buffer_span(record));
    read_info(&reader, &block->info, &block->params);
    if (!mr_reader_done(&reader) || block->info.height != height)
        return MR_CORRUPT;
    MR_TRY(read_transactions(engine, height, block));
    MR_TRY(read_modules(engine, block));
    return mr_receipts_read(engine, &block->info, &block->receipts);
}

mr_status mr_stored_root(mr_engine *engine, uint64_t height, mr_hash *out)
{
    uint8_t key[12];
    mr_buffer record = {0};
    mr_status status =
        mr_store_get(engine->store, MR_TABLE_BLOCK, block_key(height, NULL, key), &record);
    if (status == MR_OK) {
        mr_block_info info;
        mr_block_params params;
        mr_reader reader = mr_reader_of(mr_buffer_span(&record));
        read_info(&reader, &info, &params);
        if (mr_reader_done(&reader) && info.height == height)
            memcpy(out->bytes, info.root.bytes, sizeof out->bytes);
        else
            status = MR_CORRUPT;
    }
    mr_buffer_fini(&record);
    return status;
}

mr_status mr_engine_block(mr_engine *engine, uint64_t height, mr_stored_block **out,
                          mr_error *error)
{
    mr_stored_block *block = calloc(1, sizeof *block);
    if (block == NULL)
        return MR_FAIL(error, MR_NO_MEMORY, "out of memory");
    mr_status status = read_block(engine, height, block);
    if (status != MR_OK) {
        mr_stored_block_free(block);
        if (status == MR_NOT_FOUND && height > 0 && height <= engine->height)
            status = MR_CORRUPT;
        if (status == MR_NOT_FOUND)
            return MR_FAIL(error, status, "there is no block %llu: the last one is %llu",
                           (unsigned long long)height, (unsigned long long)engine->height);
        return MR_FAIL(error, status, "block %llu cannot be read: %s", (unsigned long long)height,
                       mr_status_text(status));
    }
    *out = block;
    return MR_OK;
}

void mr_stored_block_free(mr_stored_block *block)
{
    if (block == NULL)
        return;
    for (size_t i = 0; i < block->buffers_count; i++)
        mr_buffer_fini(&block->buffers[i]);
    free(block->buffers);
    free(block->transactions);
    mr_receipts_free(block->receipts);
    free(block);
}

void mr_stored_block_info(const mr_stored_block *block, mr_block_info *info,
                          mr_block_params *params)
{
    if (info != NULL)
        *info = block->info;
    if (params != NULL)
        *params = block->params;
}

const mr_transaction *mr_stored_block_transactions(const mr_stored_block *block, size_t *count)
{
    *count = block->transactions_count;
    return block->transactions;
}

bool mr_stored_block_receipt(const mr_stored_block *block, uint64_t i, mr_receipt *out)
{
    if (i >= block->info.receipts_count)
        return false;
    *out = *mr_receipts_at(block->receipts, i);
    return true;
}

bool mr_stored_block_user_message(const mr_stored_block *block, uint64_t i, mr_user_message *out)
{
    if (i >= block->info.user_messages_count)
        return false;
    *out = *mr_receipts_user_message(block->receipts, i);
    return true;
}
