/* SPDX-License-Identifier: Apache-2.0 */
/* users: messages to users and printed lines, in the order of the receipts they belong to. */
#include "engine/engine_internal.h"

#include "base/assert.h"
#include "engine/id.h"

bool mr_user_next(mr_user_place *place, bool first)
{
    if (!first && place->entry == NULL)
        return false; /* that was the automatic reply */
    place->entry = first ? place->dispatch->users : place->entry->next;
    return place->entry != NULL || place->dispatch->automatic;
}

mr_user_message mr_user_message_of(const mr_user_place *place)
{
    const mr_dispatch *dispatch = place->dispatch;
    const mr_user_entry *entry = place->entry;
    const mr_id *answered = &dispatch->message.id;
    mr_user_message message = {.from = *dispatch->program_id, .receipt = place->receipt};
    if (entry == NULL) {
        message.to = *dispatch->message.source;
        message.is_reply = true;
    } else {
        message.to = entry->to;
        message.is_reply = entry->is_reply;
        message.value = entry->value;
        message.until = entry->until;
        message.payload = entry->payload;
        memcpy(message.code, entry->code, sizeof message.code);
    }
    if (message.is_reply) {
        message.id = mr_id_of_reply(answered);
        message.reply_to = *answered;
    } else {
        message.id = mr_id_of_outgoing(answered, entry->nonce);
    }
    return message;
}

/* Notes where each message to a user and each printed line is. There is room for all: see `execute`
 * in block.c. */
static void fill_places(mr_block *block)
{
    size_t users = 0, lines = 0; /* those of the agenda have no places */
    for (size_t r = 0; r < block->rounds_count; r++) {
        for (size_t i = 0; i < block->rounds[r].count; i++) {
            const mr_dispatch *dispatch = block->rounds[r].dispatches[i];
            mr_user_place place = {.dispatch = dispatch, .receipt = block->rounds[r].first + i};
            for (bool more = mr_user_next(&place, true); more; more = mr_user_next(&place, false))
                block->user_places[users++] = place;
            const mr_debug_text *line = dispatch->notes != NULL ? dispatch->notes->debug : NULL;
            for (; line != NULL; line = line->next)
                block->debug_places[lines++] = (mr_debug_place){dispatch, line};
        }
    }
    MR_ASSERT(users + block->agenda_messages_count == block->info.user_messages_count);
    MR_ASSERT(lines == block->debug_count);
}

/* Readers on several threads may be first at the same time. */
static void need_places(const mr_block *block)
{
    mr_block *filled = (mr_block *)block;
    if (atomic_load_explicit(&filled->places_filled, memory_order_acquire))
        return;
    pthread_mutex_lock(&block->engine->readers);
    if (!atomic_load_explicit(&filled->places_filled, memory_order_relaxed))
        fill_places(filled);
    atomic_store_explicit(&filled->places_filled, true, memory_order_release);
    pthread_mutex_unlock(&block->engine->readers);
}

bool mr_block_user_message(const mr_block *block, uint64_t i, mr_user_message *out)
{
    if (i >= block->info.user_messages_count)
        return false;
    if (i < block->agenda_messages_count) {
        *out = block->agenda_messages[i];
        return true;
    }
    need_places(block);
    *out = mr_user_message_of(&block->user_places[i - block->agenda_messages_count]);
    return true;
}

bool mr_block_debug(const mr_block *block, uint64_t i, mr_debug_line *out)
{
    if (i >= block->debug_count)
        return false;
    need_places(block);
    const mr_debug_place *place = &block->debug_places[i];
    *out = (mr_debug_line){
        .program = *place->dispatch->program_id,
        .message = place->dispatch->message.id,
        .text = place->line->text,
    };
    return true;
}
