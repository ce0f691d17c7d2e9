/* SPDX-License-Identifier: Apache-2.0 */
/* users: messages to users, in the order of the receipts whose dispatches sent them. */
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
    mr_user_message message = {.from = *dispatch->program_id};
    if (entry == NULL) {
        message.to = *dispatch->message.source;
        message.is_reply = true;
    } else {
        message.to = entry->to;
        message.is_reply = entry->is_reply;
        message.value = entry->value;
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

/* Notes where each message to a user is. There is room for all: see `execute` in block.c. */
static void fill_places(const mr_block *block)
{
    size_t count = 0;
    for (size_t r = 0; r < block->rounds_count; r++) {
        for (size_t i = 0; i < block->rounds[r].count; i++) {
            mr_user_place place = {.dispatch = block->rounds[r].dispatches[i]};
            for (bool more = mr_user_next(&place, true); more; more = mr_user_next(&place, false))
                block->user_places[count++] = place;
        }
    }
    MR_ASSERT(count == block->info.user_messages_count);
}

bool mr_block_user_message(const mr_block *block, uint64_t i, mr_user_message *out)
{
    if (i >= block->info.user_messages_count)
        return false;
    /* Readers on several threads may be first at the same time. */
    mr_block *filled = (mr_block *)block;
    if (!atomic_load_explicit(&filled->user_places_filled, memory_order_acquire)) {
        pthread_mutex_lock(&block->engine->readers);
        if (!atomic_load_explicit(&filled->user_places_filled, memory_order_relaxed))
            fill_places(block);
        atomic_store_explicit(&filled->user_places_filled, true, memory_order_release);
        pthread_mutex_unlock(&block->engine->readers);
    }
    *out = mr_user_message_of(&block->user_places[i]);
    return true;
}
