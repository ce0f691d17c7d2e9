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
    FORMAT_VERSION = 3,
    CHUNK_RECEIPTS = 4096,
    CHUNK_KEY_BYTES = 12,

    /* Bits of a receipt's first byte. */
    KIND_MASK = 3,
    OUTCOME_SHIFT = 2,
    OUTCOME_MASK = 15,
    FROM_TRANSACTION = 0x40, /* the message's id follows from the transaction's number */
    HAS_MORE = 0x80,         /* a text or messages to users follow */

    /* Bits below the number of messages sent. */
    SENT_AUTOMATIC = 1, /* the last was an automatic reply to a user */
    SENT_VALUE = 2,     /* the message brought value, which follows */
    SENT_SHIFT = 2,

    /* Flags of a message to a user. */
    USER_REPLY = 1,
    USER_CODE_ZERO = 2, /* reply code all zero */
    USER_TO_SOURCE = 4, /* destination is the dispatch's source */
    USER_LETTER = 8,    /* it stays in the user's mailbox */

    AGENDA_CHUNK = UINT32_MAX, /* in place of a number: what the agenda sent to users */
};

static void chunk_key(uint64_t height, uint32_t chunk, uint8_t out[CHUNK_KEY_BYTES])
{
    mr_store_be64(out, height);
    mr_store_be32(out + 8, chunk);
}

/* ---- Writing ---- */

/* A chunk being written. */
typedef struct writing {
    mr_writer writer;
    mr_dictionary *known;
    uint32_t transaction; /* the next receipt's, as a rule */
    uint32_t height;
} writing;

static void write_id(writing *to, const mr_id *id)
{
    uint8_t *at = mr_writer_room(&to->writer, MR_DICTIONARY_ID_BYTES_MAX);
    if (at != NULL)
        mr_writer_fill(&to->writer, mr_dictionary_put(to->known, at, id));
}

static void write_user_message(writing *to, const mr_dispatch *dispatch, const mr_user_entry *entry)
{
    mr_writer *writer = &to->writer;
    static const uint8_t zero[4];
    const bool code_zero = memcmp(entry->code, zero, sizeof zero) == 0;
    const bool to_source = mr_id_equal(&entry->to, dispatch->message.source);
    uint8_t flags = 0;
    if (entry->is_reply)
        flags = (uint8_t)(USER_REPLY | (code_zero ? USER_CODE_ZERO : 0));
    mr_write_u8(writer, (uint8_t)(flags | (to_source ? USER_TO_SOURCE : 0) |
                                  (entry->until != 0 ? USER_LETTER : 0)));
    if (!entry->is_reply)
        mr_write_leb(writer, entry->nonce);
    else if (!code_zero)
        mr_write_bytes(writer, entry->code, sizeof entry->code);
    if (!to_source)
        write_id(to, &entry->to);
    if (entry->until != 0)
        mr_write_leb(writer, entry->until - to->height);
    mr_write_leb(writer, (uint64_t)entry->value);
    mr_write_leb(writer, (uint64_t)(entry->value >> 64));
    mr_write_span(writer, entry->payload);
}

static void write_more(writing *to, const mr_dispatch *dispatch)
{
    mr_write_span(&to->writer, dispatch->notes != NULL ? dispatch->notes->text : (mr_span){0});
    uint64_t count = 0;
    for (const mr_user_entry *user = dispatch->users; user != NULL; user = user->next)
        count++;
    mr_write_leb(&to->writer, count);
    for (const mr_user_entry *user = dispatch->users; user != NULL; user = user->next)
        write_user_message(to, dispatch, user);
}

/* Whether the message's id can be computed from where the transaction stands in the block. */
static bool is_from_transaction(const mr_dispatch *dispatch)
{
    return !dispatch->from_program && !dispatch->elder &&
           (dispatch->message.kind == MR_KIND_INIT || dispatch->message.kind == MR_KIND_HANDLE);
}

static void write_receipt(writing *to, const mr_dispatch *dispatch)
{
    enum { BYTES_MAX = 1 + 3 * MR_DICTIONARY_ID_BYTES_MAX + 5 * MR_LEB_BYTES_MAX };
    const mr_message *message = &dispatch->message;
    const bool more =
        dispatch->users != NULL || (dispatch->notes != NULL && dispatch->notes->text.size > 0);
    const bool from_transaction = is_from_transaction(dispatch);
    const mr_value value = mr_dispatch_value(dispatch);
    uint8_t *at = mr_writer_room(&to->writer, BYTES_MAX);
    if (at == NULL)
        return;
    *at++ = (uint8_t)((unsigned)message->kind | (unsigned)dispatch->outcome << OUTCOME_SHIFT |
                      (from_transaction ? FROM_TRANSACTION : 0u) | (more ? HAS_MORE : 0u));
    if (from_transaction) {
        at = mr_put_leb(at, message->transaction - to->transaction);
        to->transaction = message->transaction + 1;
    } else {
        memcpy(at, message->id.bytes, sizeof message->id.bytes);
        at += sizeof message->id.bytes;
    }
    at = mr_dictionary_put(to->known, at, message->source);
    at = mr_dictionary_put(to->known, at, dispatch->program_id);
    at = mr_put_leb(at, dispatch->gas_limit);
    at = mr_put_leb(at, dispatch->gas_burned);
    at = mr_put_leb(at, (uint64_t)dispatch->sent << SENT_SHIFT | (value != 0 ? SENT_VALUE : 0) |
                            (dispatch->automatic ? SENT_AUTOMATIC : 0));
    if (value != 0) {
        at = mr_put_leb(at, (uint64_t)value);
        at = mr_put_leb(at, (uint64_t)(value >> 64));
    }
    mr_writer_fill(&to->writer, at);
    if (more)
        write_more(to, dispatch);
}

/* Fills `record` with the receipts from number `first` on. */
static mr_status encode_chunk(const mr_block *block, uint64_t first, mr_dictionary *known,
                              mr_buffer *record)
{
    record->size = 0;
    mr_dictionary_clear(known);
    writing to = {
        .writer = {.buffer = record}, .known = known, .height = (uint32_t)block->info.height};
    mr_write_u8(&to.writer, FORMAT_VERSION);
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
        write_receipt(&to, *dispatch);
    }
    return to.writer.failed ? MR_NO_MEMORY : MR_OK;
}

static void write_chunk(void *arg, size_t task, uint32_t worker)
{
    mr_block *block = arg;
    mr_stream *stream = &block->engine->streams[worker];
    mr_buffer *record = &stream->scratch;
    uint8_t key[CHUNK_KEY_BYTES];
    chunk_key(block->info.height, (uint32_t)task, key);
    mr_status status = encode_chunk(block, task * CHUNK_RECEIPTS, stream->dictionary, record);
    if (status == MR_OK)
        status = mr_batch_put(stream->batch, MR_TABLE_RECEIPT, mr_span_of(key, sizeof key),
                              mr_buffer_span(record));
    if (status != MR_OK && stream->failure == MR_OK)
        stream->failure = status;
}

static mr_status write_agenda(mr_block *block)
{
    mr_stream *stream = &block->engine->streams[0];
    mr_writer writer = {.buffer = &stream->scratch};
    stream->scratch.size = 0;
    mr_write_u8(&writer, FORMAT_VERSION);
    for (size_t i = 0; i < block->agenda_messages_count; i++) {
        const mr_user_message *message = &block->agenda_messages[i];
        mr_write_u8(&writer, message->until != 0 ? USER_LETTER : 0);
        mr_write_id(&writer, &message->id);
        mr_write_id(&writer, &message->from);
        mr_write_id(&writer, &message->to);
        if (message->until != 0)
            mr_write_leb(&writer, message->until - block->info.height);
        mr_write_value(&writer, message->value);
        mr_write_span(&writer, message->payload);
    }
    uint8_t key[CHUNK_KEY_BYTES];
    chunk_key(block->info.height, AGENDA_CHUNK, key);
    return writer.failed
               ? MR_NO_MEMORY
               : mr_batch_put(stream->batch, MR_TABLE_RECEIPT, mr_span_of(key, sizeof key),
                              mr_buffer_span(&stream->scratch));
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
    return block->agenda_messages_count > 0 ? write_agenda(block) : MR_OK;
}

/* ---- Reading ---- */

struct mr_stored_receipts {
    mr_receipt *receipts;
    mr_user_message *user_messages;
    mr_buffer *chunks; /* what the spans point into; the last one is the agenda's */
    uint64_t receipts_count, user_messages_count, agenda_messages_count, chunks_count;
    uint64_t receipts_read, user_messages_read;
};

typedef struct reading {
    mr_reader reader;
    uint64_t height;
    uint32_t transaction;
    mr_dictionary_reader known;
} reading;

static mr_id read_id(reading *from)
{
    return mr_dictionary_read(&from->known, &from->reader);
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
        if ((flags & USER_CODE_ZERO) == 0)
            mr_read_bytes(&from->reader, message.code, sizeof message.code);
    }
    if ((flags & USER_TO_SOURCE) == 0)
        message.to = read_id(from);
    if ((flags & USER_LETTER) != 0)
        message.until = (uint32_t)(from->height + mr_read_leb(&from->reader));
    message.value = mr_read_leb(&from->reader);
    message.value |= (mr_value)mr_read_leb(&from->reader) << 64;
    message.payload = mr_read_span(&from->reader);
    return message;
}

static mr_user_message automatic_reply(const mr_receipt *receipt)
{
    return (mr_user_message){
        .id = mr_id_of_reply(&receipt->message),
        .from = receipt->program,
        .to = receipt->source,
        .is_reply = true,
        .reply_to = receipt->message,
    };
}

/* Takes one that was sent by the last receipt read, or by the agenda when there is none. */
static mr_status take_user_message(mr_stored_receipts *to, const mr_user_message *message)
{
    if (to->user_messages_read == to->user_messages_count)
        return MR_CORRUPT;
    mr_user_message *kept = &to->user_messages[to->user_messages_read++];
    *kept = *message;
    kept->receipt = to->receipts_read > 0 ? to->receipts_read - 1 : MR_RECEIPT_NONE;
    return MR_OK;
}

/* The text and messages to users of a receipt. */
static mr_status read_more(reading *from, mr_receipt *receipt, mr_stored_receipts *to)
{
    receipt->text = mr_read_span(&from->reader);
    uint64_t users = mr_read_leb(&from->reader);
    for (; users > 0 && !from->reader.failed; users--) {
        const mr_user_message message = read_user_message(from, receipt);
        MR_TRY(take_user_message(to, &message));
    }
    return MR_OK;
}

static mr_status read_receipt(reading *from, mr_stored_receipts *to)
{
    if (to->receipts_read == to->receipts_count)
        return MR_CORRUPT;
    mr_receipt *receipt = &to->receipts[to->receipts_read++];
    const uint8_t head = mr_read_u8(&from->reader);
    receipt->kind = (mr_kind)(head & KIND_MASK);
    receipt->outcome = (mr_outcome)(head >> OUTCOME_SHIFT & OUTCOME_MASK);
    if (receipt->outcome > MR_OUTCOME_REMOVED)
        return MR_CORRUPT;
    const bool from_transaction = (head & FROM_TRANSACTION) != 0;
    if (from_transaction)
        from->transaction += (uint32_t)mr_read_leb(&from->reader);
    else
        receipt->message = mr_read_id(&from->reader);
    receipt->source = read_id(from);
    receipt->program = read_id(from);
    receipt->gas_limit = mr_read_leb(&from->reader);
    receipt->gas_burned = mr_read_leb(&from->reader);
    const uint64_t sent = mr_read_leb(&from->reader);
    receipt->sent = (uint32_t)(sent >> SENT_SHIFT);
    if ((sent & SENT_VALUE) != 0) {
        receipt->value = mr_read_leb(&from->reader);
        receipt->value |= (mr_value)mr_read_leb(&from->reader) << 64;
    }
    if (from_transaction)
        receipt->message =
            mr_id_of_user_message((uint32_t)from->height, &receipt->source, from->transaction++);
    if ((head & HAS_MORE) != 0)
        MR_TRY(read_more(from, receipt, to));
    if ((sent & SENT_AUTOMATIC) != 0) {
        const mr_user_message reply = automatic_reply(receipt);
        MR_TRY(take_user_message(to, &reply));
    }
    return from->reader.failed ? MR_CORRUPT : MR_OK;
}

/* What the agenda sent to users comes before all else. */
static mr_status read_agenda(uint64_t height, mr_stored_receipts *to)
{
    mr_reader reader = mr_reader_of(mr_buffer_span(&to->chunks[to->chunks_count]));
    if (mr_read_u8(&reader) != FORMAT_VERSION)
        return MR_CORRUPT;
    for (uint64_t i = 0; i < to->agenda_messages_count && !reader.failed; i++) {
        const uint8_t flags = mr_read_u8(&reader);
        mr_user_message message = {.id = mr_read_id(&reader)};
        message.from = mr_read_id(&reader);
        message.to = mr_read_id(&reader);
        if ((flags & USER_LETTER) != 0)
            message.until = (uint32_t)(height + mr_read_leb(&reader));
        message.value = mr_read_value(&reader);
        message.payload = mr_read_span(&reader);
        MR_TRY(take_user_message(to, &message));
    }
    return mr_reader_done(&reader) ? MR_OK : MR_CORRUPT;
}

static mr_status read_chunk(uint64_t height, uint32_t chunk, reading *from, mr_stored_receipts *to)
{
    from->reader = mr_reader_of(mr_buffer_span(&to->chunks[chunk]));
    from->height = height;
    from->transaction = 0;
    from->known.count = 0;
    if (mr_read_u8(&from->reader) != FORMAT_VERSION)
        return MR_CORRUPT;
    while (from->reader.at < from->reader.end)
        MR_TRY(read_receipt(from, to));
    return MR_OK;
}

/* Fetches the chunks; `bytes` is their size together. */
static mr_status fetch_chunks(mr_engine *engine, uint64_t height, mr_stored_receipts *to,
                              uint64_t *bytes)
{
    to->chunks = calloc(to->chunks_count + 1, sizeof *to->chunks);
    if (to->chunks == NULL)
        return MR_NO_MEMORY;
    *bytes = 0;
    for (uint32_t chunk = 0; chunk < to->chunks_count; chunk++) {
        uint8_t key[CHUNK_KEY_BYTES];
        chunk_key(height, chunk, key);
        mr_status status = mr_store_get(engine->store, MR_TABLE_RECEIPT,
                                        mr_span_of(key, sizeof key), &to->chunks[chunk]);
        if (status != MR_OK)
            return status == MR_NOT_FOUND ? MR_CORRUPT : status;
        *bytes += to->chunks[chunk].size;
    }
    if (to->agenda_messages_count == 0)
        return MR_OK;
    uint8_t key[CHUNK_KEY_BYTES];
    chunk_key(height, AGENDA_CHUNK, key);
    mr_buffer *agenda = &to->chunks[to->chunks_count];
    mr_status status =
        mr_store_get(engine->store, MR_TABLE_RECEIPT, mr_span_of(key, sizeof key), agenda);
    *bytes += agenda->size;
    return status == MR_NOT_FOUND ? MR_CORRUPT : status;
}

static mr_status read_all(mr_engine *engine, uint64_t height, mr_stored_receipts *to)
{
    uint64_t bytes;
    MR_TRY(fetch_chunks(engine, height, to, &bytes));
    /* Each has a byte at least, but for automatic replies: no count makes the engine allocate more
     * than the chunks can hold. */
    if (to->receipts_count > bytes || to->user_messages_count > to->receipts_count + bytes)
        return MR_CORRUPT;
    to->receipts = calloc(to->receipts_count + 1, sizeof *to->receipts);
    to->user_messages = calloc(to->user_messages_count + 1, sizeof *to->user_messages);
    reading *from = malloc(sizeof *from);
    mr_status status = MR_OK;
    if (to->receipts == NULL || to->user_messages == NULL || from == NULL)
        status = MR_NO_MEMORY;
    if (status == MR_OK && to->agenda_messages_count > 0)
        status = read_agenda(height, to);
    for (uint32_t chunk = 0; chunk < to->chunks_count && status == MR_OK; chunk++)
        status = read_chunk(height, chunk, from, to);
    free(from);
    if (status == MR_OK && (to->receipts_read != to->receipts_count ||
                            to->user_messages_read != to->user_messages_count))
        status = MR_CORRUPT;
    return status;
}

mr_status mr_receipts_read(mr_engine *engine, const mr_block_info *info, mr_stored_receipts **out)
{
    enum { COUNT_MAX = INT32_MAX };
    const uint64_t receipts_count = info->receipts_count;
    const uint64_t user_messages_count = info->user_messages_count;
    if (receipts_count > COUNT_MAX || user_messages_count > COUNT_MAX ||
        info->agenda_messages_count > user_messages_count)
        return MR_CORRUPT;
    mr_stored_receipts *receipts = calloc(1, sizeof *receipts);
    if (receipts == NULL)
        return MR_NO_MEMORY;
    receipts->receipts_count = receipts_count;
    receipts->user_messages_count = user_messages_count;
    receipts->agenda_messages_count = info->agenda_messages_count;
    receipts->chunks_count = (receipts_count + CHUNK_RECEIPTS - 1) / CHUNK_RECEIPTS;
    mr_status status = read_all(engine, info->height, receipts);
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
    for (uint64_t i = 0; receipts->chunks != NULL && i <= receipts->chunks_count; i++)
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
