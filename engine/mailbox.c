/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/mailbox.h"

#include <stdlib.h>

#include "base/assert.h"
#include "engine/engine_internal.h"
#include "engine/id.h"

enum { RECORD_VERSION = 2, HAS_ORIGIN = 1, HAS_DEPOSIT = 2, FLAGS_ALL = 3 };

mr_status mr_letter_encode(const mr_letter *letter, mr_buffer *out)
{
    mr_writer writer = {.buffer = out};
    mr_write_u8(&writer, RECORD_VERSION);
    mr_write_u8(&writer, (uint8_t)((letter->has_origin ? HAS_ORIGIN : 0) |
                                   (letter->deposit != 0 ? HAS_DEPOSIT : 0)));
    mr_write_id(&writer, &letter->program);
    mr_write_id(&writer, &letter->payer);
    mr_write_value(&writer, letter->value);
    mr_write_u64(&writer, letter->gas);
    mr_write_u32(&writer, letter->since);
    mr_write_u32(&writer, letter->until);
    mr_write_u64(&writer, letter->sequence);
    mr_write_span(&writer, letter->payload);
    if (letter->has_origin)
        mr_write_id(&writer, &letter->origin_id);
    if (letter->deposit != 0)
        mr_write_leb(&writer, letter->deposit);
    return writer.failed ? MR_NO_MEMORY : MR_OK;
}

mr_status mr_letter_decode(const mr_id *user, const mr_id *message, mr_span record, mr_letter *out)
{
    mr_reader reader = mr_reader_of(record);
    if (mr_read_u8(&reader) != RECORD_VERSION)
        return MR_CORRUPT;
    const uint8_t flags = mr_read_u8(&reader);
    if (flags > FLAGS_ALL)
        return MR_CORRUPT;
    *out = (mr_letter){.user = *user, .message = *message, .stored = true};
    out->program = mr_read_id(&reader);
    out->payer = mr_read_id(&reader);
    out->value = mr_read_value(&reader);
    out->gas = mr_read_u64(&reader);
    out->since = mr_read_u32(&reader);
    out->until = mr_read_u32(&reader);
    out->sequence = mr_read_u64(&reader);
    out->payload = mr_read_span(&reader);
    out->has_origin = (flags & HAS_ORIGIN) != 0;
    if (out->has_origin)
        out->origin_id = mr_read_id(&reader);
    if ((flags & HAS_DEPOSIT) != 0)
        out->deposit = mr_read_leb(&reader);
    if (!mr_reader_done(&reader) || out->since > out->until || out->gas > MR_GAS_MAX ||
        out->deposit > MR_GAS_MAX)
        return MR_CORRUPT;
    return MR_OK;
}

/* The slot of the letter, or where it would be. There is a table. */
static uint32_t *slot_of(const mr_block *block, const mr_id *user, const mr_id *message)
{
    const size_t mask = block->letter_slots_count - 1;
    for (size_t at = mr_id_bucket(message);; at++) {
        uint32_t *slot = &block->letter_slots[at & mask];
        if (*slot == 0)
            return slot;
        const mr_letter *there = block->letters[*slot - 1];
        if (mr_id_equal(&there->message, message) && mr_id_equal(&there->user, user))
            return slot;
    }
}

/* Makes room for one more letter, in the table at most half full. */
static mr_status reserve(mr_block *block)
{
    enum { SLOTS_MIN = 64 };
    MR_TRY(MR_GROW(block->letters, block->letters_capacity, block->letters_count));
    if ((block->letters_count + 1) * 2 <= block->letter_slots_count)
        return MR_OK;
    const size_t count = block->letter_slots_count == 0 ? SLOTS_MIN : 2 * block->letter_slots_count;
    uint32_t *slots = calloc(count, sizeof *slots);
    if (slots == NULL)
        return MR_NO_MEMORY;
    free(block->letter_slots);
    block->letter_slots = slots;
    block->letter_slots_count = count;
    for (size_t i = 0; i < block->letters_count; i++)
        *slot_of(block, &block->letters[i]->user, &block->letters[i]->message) = (uint32_t)i + 1;
    return MR_OK;
}

mr_status mr_mailbox_add(mr_block *block, mr_letter *letter)
{
    MR_TRY(reserve(block));
    uint32_t *slot = slot_of(block, &letter->user, &letter->message);
    if (*slot != 0)
        return MR_CORRUPT;
    block->letters[block->letters_count++] = letter;
    *slot = (uint32_t)block->letters_count;
    return MR_OK;
}

/* What lives as long as the block: the record behind the letter, for its payload. */
static mr_status read_stored(mr_block *block, const mr_id *user, const mr_id *message,
                             mr_letter **out)
{
    mr_engine *engine = block->engine;
    uint8_t key[MR_LETTER_KEY_BYTES];
    mr_letter_key(user, message, key);
    mr_buffer record = {0};
    mr_status status =
        mr_store_get(engine->store, MR_TABLE_MAILBOX, mr_span_of(key, sizeof key), &record);
    mr_letter *letter = NULL;
    if (status == MR_OK) {
        letter = mr_arena_alloc(block->arena, sizeof *letter);
        status = letter == NULL ? MR_NO_MEMORY
                                : mr_letter_decode(user, message, mr_buffer_span(&record), letter);
    }
    if (status == MR_OK) {
        const uint32_t height = (uint32_t)block->info.height;
        /* Nobody is asked for it any more: see docs/SEMANTICS.md, the reply says nothing of it. */
        letter->payload = (mr_span){0};
        if (letter->since > height || letter->until < height ||
            letter->until != mr_height_paid(letter->since, letter->gas, engine->schedule.rent))
            status = MR_CORRUPT;
    }
    mr_buffer_fini(&record);
    MR_TRY(status);
    *out = letter;
    return MR_OK;
}

mr_status mr_mailbox_find(mr_block *block, const mr_id *user, const mr_id *message, mr_letter **out)
{
    if (block->letter_slots_count > 0) {
        const uint32_t at = *slot_of(block, user, message);
        if (at != 0) {
            mr_letter *letter = block->letters[at - 1];
            if (letter->taken)
                return MR_NOT_FOUND;
            *out = letter;
            return MR_OK;
        }
    }
    mr_letter *letter;
    MR_TRY(read_stored(block, user, message, &letter));
    MR_TRY(mr_mailbox_add(block, letter));
    *out = letter;
    return MR_OK;
}

uint64_t mr_mailbox_take(mr_block *block, mr_letter *letter)
{
    mr_engine *engine = block->engine;
    mr_stream *stream = &engine->streams[0];
    const uint64_t rent =
        (block->info.height - letter->since) * engine->schedule.rent; /* .. its gas */
    MR_ASSERT(!letter->taken && rent <= letter->gas);
    letter->taken = true;
    if (letter->task != NULL)
        letter->task->cancelled = true;
    stream->tally.gas_held -= letter->gas + letter->deposit;
    stream->tally.gas_rent += rent;
    block->counters.letters_count--;
    return letter->gas - rent;
}

static mr_status put(mr_stream *stream, mr_letter *letter)
{
    letter->sequence = letter->task->sequence;
    stream->scratch.size = 0;
    MR_TRY(mr_letter_encode(letter, &stream->scratch));
    uint8_t key[MR_LETTER_KEY_BYTES];
    mr_letter_key(&letter->user, &letter->message, key);
    return mr_stream_put(stream, MR_TABLE_MAILBOX, mr_span_of(key, sizeof key),
                         mr_buffer_span(&stream->scratch));
}

/* One that the store has is removed, and its task, unless that was due now and is gone already. */
static mr_status remove_stored(const mr_block *block, mr_stream *stream, const mr_letter *letter)
{
    uint8_t key[MR_LETTER_KEY_BYTES];
    mr_letter_key(&letter->user, &letter->message, key);
    MR_TRY(mr_stream_remove(stream, MR_TABLE_MAILBOX, mr_span_of(key, sizeof key)));
    if (letter->until == block->info.height)
        return MR_OK;
    uint8_t task[MR_TASK_KEY_BYTES];
    mr_task_key(letter->until, letter->sequence, task);
    return mr_stream_remove(stream, MR_TABLE_TASK, mr_span_of(task, sizeof task));
}

mr_status mr_mailbox_seal_main(mr_block *block)
{
    mr_stream *stream = &block->engine->streams[0];
    for (size_t i = 0; i < block->letters_count; i++) {
        mr_letter *letter = block->letters[i];
        if (letter->stored && letter->taken) {
            MR_TRY(remove_stored(block, stream, letter));
        } else if (!letter->stored && !letter->taken) {
            MR_TRY(put(stream, letter));
        }
    }
    return MR_OK;
}

mr_status mr_mailbox_seal_stream(mr_stream *of, mr_stream *by)
{
    for (mr_letter *letter = of->letters; letter != NULL; letter = letter->next)
        MR_TRY(put(by, letter));
    return MR_OK;
}
