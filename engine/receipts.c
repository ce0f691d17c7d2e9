/* SPDX-License-Identifier: Apache-2.0 */
/* receipts: as stored, in chunks that all workers write side by side. Whatever can be computed is
 * not stored: a message to a user stands behind the receipt of the dispatch that sent it, which
 * gives its sender, what it replies to and, with the handle, its id. Ids that recur in a chunk are
 * written once and then named by number. docs/FORMATS.md has the layout. */
#include "engine/engine_internal.h"

#include <stdlib.h>

#include "base/assert.h"
#include "engine/codec.h"
#include "engine/id.h"

enum {
    FORMAT_VERSION = 1,
    CHUNK_RECEIPTS = 4096,
    CHUNK_KEY_BYTES = 12,
    DICTIONARY_SLOTS = 4 * CHUNK_RECEIPTS, /* a power of two */
    DICTIONARY_MAX = DICTIONARY_SLOTS / 2, /* ids remembered; later new ones are written out */
    USER_REPLY = 1,      /* flags of a message to a user */
    USER_AUTOMATIC = 2,  /* reply code all zero */
    USER_TO_SOURCE = 4,  /* destination is the dispatch's source */
};

static void chunk_key(uint64_t height, uint32_t chunk, uint8_t out[CHUNK_KEY_BYTES])
{
    mr_store_be64(out, height);
    mr_store_be32(out + 8, chunk);
}

/* ---- Writing ---- */

/* Ids already written in this chunk. */
typedef struct dictionary {
    const mr_id *ids[DICTIONARY_MAX];
    uint16_t slots[DICTIONARY_SLOTS]; /* number + 1; 0 is empty */
    uint32_t count;
} dictionary;

/* Writes an id: its number + 1, or 0 and the id itself. */
static void write_id(mr_writer *writer, dictionary *known, const mr_id *id)
{
    uint32_t slot = (uint32_t)(mr_id_bucket(id) >> 32) & (DICTIONARY_SLOTS - 1);
    for (; known->slots[slot] != 0; slot = (slot + 1) & (DICTIONARY_SLOTS - 1)) {
        const uint32_t number = known->slots[slot] - 1u;
        if (mr_id_equal(known->ids[number], id)) {
            mr_write_leb(writer, number + 1);
            return;
        }
    }
    mr_write_u8(writer, 0);
    mr_write_id(writer, id);
    if (known->count == DICTIONARY_MAX)
        return;
    known->ids[known->count++] = id;
    known->slots[slot] = (uint16_t)known->count;
}

static void write_user_message(mr_writer *writer, dictionary *known, const mr_dispatch *dispatch,
                               const mr_user_entry *entry)
{
    static const uint8_t automatic[4];
    const bool is_automatic = memcmp(entry->code, automatic, sizeof automatic) == 0;
    const bool to_source = mr_id_equal(&entry->to, dispatch->message.source);
    uint8_t flags = 0;
    if (entry->is_reply)
        flags = (uint8_t)(USER_REPLY | (is_automatic ? USER_AUTOMATIC : 0));
    mr_write_u8(writer, (uint8_t)(flags | (to_source ? USER_TO_SOURCE : 0)));
    if (!entry->is_reply)
        mr_write_leb(writer, entry->nonce);
    else if (!is_automatic)
        mr_write_bytes(writer, entry->code, sizeof entry->code);
    if (!to_source)
        write_id(writer, known, &entry->to);
    mr_write_leb(writer, (uint64_t)entry->value);
    mr_write_leb(writer, (uint64_t)(entry->value >> 64));
    mr_write_span(writer, entry->payload);
}

static void write_receipt(mr_writer *writer, dictionary *known, const mr_dispatch *dispatch)
{
    const mr_message *message = &dispatch->message;
    mr_write_u8(writer, (uint8_t)((uint8_t)message->kind | dispatch->outcome << 2));
    mr_write_id(writer, &message->id);
    write_id(writer, known, message->source);
    write_id(writer, known, dispatch->program_id);
    mr_write_leb(writer, message->gas_limit);
    mr_write_leb(writer, dispatch->gas_burned);
    mr_write_leb(writer, dispatch->sent);
    mr_write_span(writer, dispatch->notes != NULL ? dispatch->notes->text : (mr_span){0});
    mr_write_leb(writer, mr_user_count(dispatch));
    for (const mr_user_entry *user = dispatch->users; user != NULL; user = user->next)
        write_user_message(writer, known, dispatch, user);
    if (dispatch->automatic) {
        mr_write_u8(writer, USER_REPLY | USER_AUTOMATIC | USER_TO_SOURCE);
        mr_write_u8(writer, 0); /* value, and its upper half */
        mr_write_u8(writer, 0);
        mr_write_u8(writer, 0); /* payload */
    }
}

/* Fills `record` with the receipts from number `first` on. */
static mr_status encode_chunk(const mr_block *block, uint64_t first, dictionary *known,
                              mr_buffer *record)
{
    record->size = 0;
    memset(known->slots, 0, sizeof known->slots);
    known->count = 0;
    MR_TRY(mr_buffer_reserve(record, (size_t)CHUNK_RECEIPTS * 64));
    mr_writer writer = {.buffer = record};
    mr_write_u8(&writer, FORMAT_VERSION);
    uint64_t end = first + CHUNK_RECEIPTS;
    if (end > block->info.receipts_count)
        end = block->info.receipts_count;
    size_t r = 0;
    for (uint64_t i = first; i < end; i++) {
        while (i >= block->rounds[r].first + block->rounds[r].count)
            r++;
        const mr_dispatch **dispatch = &block->rounds[r].dispatches[i - block->rounds[r].first];
        enum { AHEAD = 8 /* receipts; together they are larger than any cache */ };
        if (i + AHEAD < block->rounds[r].first + block->rounds[r].count) {
            for (size_t line = 0; line < sizeof **dispatch; line += 64)
                __builtin_prefetch((const uint8_t *)dispatch[AHEAD] + line);
        }
        write_receipt(&writer, known, *dispatch);
    }
    return writer.failed ? MR_NO_MEMORY : MR_OK;
}

static void write_chunk(void *arg, size_t task, uint32_t worker)
{
    mr_block *block = arg;
    mr_stream *stream = &block->engine->streams[worker];
    mr_buffer *record = &stream->scratch;
    uint8_t key[CHUNK_KEY_BYTES];
    chunk_key(block->info.height, (uint32_t)task, key);
    dictionary *known = malloc(sizeof *known);
    mr_status status = known == NULL ? MR_NO_MEMORY
                                     : encode_chunk(block, task * CHUNK_RECEIPTS, known, record);
    if (status == MR_OK)
        status = mr_batch_put(stream->batch, MR_TABLE_RECEIPT, mr_span_of(key, sizeof key),
                              mr_buffer_span(record));
    free(known);
    if (status != MR_OK && stream->failure == MR_OK)
        stream->failure = status;
}

mr_status mr_receipts_write(mr_block *block)
{
    mr_engine *engine = block->engine;
    const uint64_t chunks = (block->info.receipts_count + CHUNK_RECEIPTS - 1) / CHUNK_RECEIPTS;
    mr_parallel_run(&engine->parallel, chunks, write_chunk, block);
    for (uint32_t s = 0; s < engine->streams_count; s++) {
        mr_status status = engine->streams[s].failure;
        engine->streams[s].failure = MR_OK;
        MR_TRY(status);
    }
    return MR_OK;
}

/* ---- Reading ---- */

struct mr_stored_receipts {
    mr_receipt *receipts;
    mr_user_message *user_messages;
    mr_buffer *chunks; /* what the spans point into */
    uint64_t receipts_count, user_messages_count, chunks_count;
    uint64_t receipts_read, user_messages_read;
};

typedef struct reading {
    mr_reader reader;
    mr_id known[DICTIONARY_MAX];
    uint32_t known_count;
} reading;

static mr_id read_id(reading *from)
{
    uint64_t number = mr_read_leb(&from->reader);
    if (number > from->known_count) {
        from->reader.failed = true;
        return (mr_id){0};
    }
    if (number > 0)
        return from->known[number - 1];
    const mr_id id = mr_read_id(&from->reader);
    if (from->known_count < DICTIONARY_MAX)
        from->known[from->known_count++] = id;
    return id;
}

static mr_user_message read_user_message(reading *from, const mr_receipt *receipt)
{
    mr_user_message message = {.from = receipt->program, .to = receipt->source};
    const uint8_t flags = mr_read_u8(&from->reader);
    message.is_reply = (flags & USER_REPLY) != 0;
    if (!message.is_reply) {
        message.id = mr_id_of_outgoing(&receipt->message, (uint32_t)mr_read_leb(&from->reader));
    } else {
        message.id = mr_id_of_reply(&receipt->message);
        message.reply_to = receipt->message;
        if ((flags & USER_AUTOMATIC) == 0)
            mr_read_bytes(&from->reader, message.code, sizeof message.code);
    }
    if ((flags & USER_TO_SOURCE) == 0)
        message.to = read_id(from);
    message.value = mr_read_leb(&from->reader);
    message.value |= (mr_value)mr_read_leb(&from->reader) << 64;
    message.payload = mr_read_span(&from->reader);
    return message;
}

static mr_status read_receipt(reading *from, mr_stored_receipts *to)
{
    if (to->receipts_read == to->receipts_count)
        return MR_CORRUPT;
    mr_receipt *receipt = &to->receipts[to->receipts_read++];
    const uint8_t head = mr_read_u8(&from->reader);
    receipt->kind = (mr_kind)(head & 3);
    receipt->outcome = (mr_outcome)(head >> 2);
    receipt->message = mr_read_id(&from->reader);
    receipt->source = read_id(from);
    receipt->program = read_id(from);
    receipt->gas_limit = mr_read_leb(&from->reader);
    receipt->gas_burned = mr_read_leb(&from->reader);
    receipt->sent = (uint32_t)mr_read_leb(&from->reader);
    receipt->text = mr_read_span(&from->reader);
    uint64_t users = mr_read_leb(&from->reader);
    for (; users > 0 && !from->reader.failed; users--) {
        if (to->user_messages_read == to->user_messages_count)
            return MR_CORRUPT;
        to->user_messages[to->user_messages_read++] = read_user_message(from, receipt);
    }
    return from->reader.failed ? MR_CORRUPT : MR_OK;
}

static mr_status read_chunk(mr_engine *engine, uint64_t height, uint32_t chunk, reading *from,
                            mr_stored_receipts *to)
{
    uint8_t key[CHUNK_KEY_BYTES];
    chunk_key(height, chunk, key);
    mr_buffer *bytes = &to->chunks[chunk];
    mr_status status =
        mr_store_get(engine->store, MR_TABLE_RECEIPT, mr_span_of(key, sizeof key), bytes);
    if (status != MR_OK)
        return status == MR_NOT_FOUND ? MR_CORRUPT : status;
    from->reader = mr_reader_of(mr_buffer_span(bytes));
    from->known_count = 0;
    if (mr_read_u8(&from->reader) != FORMAT_VERSION)
        return MR_CORRUPT;
    while (from->reader.at < from->reader.end)
        MR_TRY(read_receipt(from, to));
    return MR_OK;
}

static mr_status read_all(mr_engine *engine, uint64_t height, mr_stored_receipts *to)
{
    to->receipts = calloc(to->receipts_count + 1, sizeof *to->receipts);
    to->user_messages = calloc(to->user_messages_count + 1, sizeof *to->user_messages);
    to->chunks = calloc(to->chunks_count + 1, sizeof *to->chunks);
    reading *from = malloc(sizeof *from);
    mr_status status = MR_OK;
    if (to->receipts == NULL || to->user_messages == NULL || to->chunks == NULL || from == NULL)
        status = MR_NO_MEMORY;
    for (uint32_t chunk = 0; chunk < to->chunks_count && status == MR_OK; chunk++)
        status = read_chunk(engine, height, chunk, from, to);
    free(from);
    if (status == MR_OK && (to->receipts_read != to->receipts_count ||
                            to->user_messages_read != to->user_messages_count))
        status = MR_CORRUPT;
    return status;
}

mr_status mr_receipts_read(mr_engine *engine, uint64_t height, uint64_t receipts_count,
                           uint64_t user_messages_count, mr_stored_receipts **out)
{
    enum { COUNT_MAX = INT32_MAX };
    if (receipts_count > COUNT_MAX || user_messages_count > COUNT_MAX)
        return MR_CORRUPT;
    mr_stored_receipts *receipts = calloc(1, sizeof *receipts);
    if (receipts == NULL)
        return MR_NO_MEMORY;
    receipts->receipts_count = receipts_count;
    receipts->user_messages_count = user_messages_count;
    receipts->chunks_count = (receipts_count + CHUNK_RECEIPTS - 1) / CHUNK_RECEIPTS;
    mr_status status = read_all(engine, height, receipts);
    if (status != MR_OK) {
        mr_receipts_free(receipts);
        return status;
    }
    *out = receipts;
    return MR_OK;
}

void mr_receipts_free(mr_stored_receipts *receipts)
{
    if (receipts == NULL)
        return;
    for (uint64_t i = 0; receipts->chunks != NULL && i < receipts->chunks_count; i++)
        mr_buffer_fini(&receipts->chunks[i]);
    free(receipts->chunks);
    free(receipts->receipts);
    free(receipts->user_messages);
    free(receipts);
}

const mr_receipt *mr_receipts_at(const mr_stored_receipts *receipts, uint64_t i)
{
    MR_ASSERT(i < receipts->receipts_count);
    return &receipts->receipts[i];
}

const mr_user_message *mr_receipts_user_message(const mr_stored_receipts *receipts, uint64_t i)
{
    MR_ASSERT(i < receipts->user_messages_count);
    return &receipts->user_messages[i];
}
