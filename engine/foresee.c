/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/foresee.h"

#include "engine/dispatch.h"

enum { SENT_MAX = 127 };

static size_t sort_of(const mr_dispatch *dispatch)
{
    return (dispatch->message.kind == MR_KIND_REPLY ? 2u : 0u) + dispatch->from_program;
}

typedef struct wish_list {
    mr_id_wish of[2 * MR_FORESEEN_AT_ONCE];
    size_t count;
} wish_list;

/* Fills slots for the messages, and adds what these will ask for by habit. */
static inline void wish(mr_foreseen *slots, const mr_foreseeable *messages, wish_list *to)
{
    for (size_t i = 0; i < messages->count; i++) {
        const mr_dispatch *dispatch = messages->dispatches[i];
        mr_foreseen *slot = &slots[i];
        const uint8_t habit = messages->habits->of[sort_of(dispatch)];
        slot->message = &dispatch->message.id;
        slot->sent_first = slot->sent_count = slot->sent_asked = 0;
        slot->sent_habit = habit / 2;
        slot->has_reply = habit % 2 != 0;
        slot->reply_asked = false;
        if (slot->has_reply)
            to->of[to->count++] =
                (mr_id_wish){.kind = MR_ID_REPLY, .message = slot->message, .out = &slot->reply};
        if (slot->sent_habit > 0) {
            slot->sent_count = 1;
            to->of[to->count++] = (mr_id_wish){
                .kind = MR_ID_OUTGOING, .message = slot->message, .out = &slot->sent[0]};
        }
    }
}

/* Those that were foreseen with messages before them come up in the order in which these were
 * announced. */
static mr_foreseen *take(mr_foresight *foresight, const mr_foreseeable *messages)
{
    mr_foreseen *slots = &foresight->slots[foresight->begin];
    if (foresight->begin >= foresight->end ||
        slots->message != &messages->dispatches[0]->message.id)
        return NULL;
    foresight->begin += (uint32_t)messages->count;
    return slots;
}

mr_foreseen *mr_foresee(mr_foresight *foresight, const mr_foreseeable *messages)
{
    mr_foreseeable now = *messages;
    if (now.count > MR_FORESEEN_AT_ONCE)
        now.count = MR_FORESEEN_AT_ONCE;
    const uint32_t next_count = now.count <= MR_FORESEEN_FEW ? foresight->next_count : 0;
    foresight->next_count = 0;
    mr_foreseen *slots = take(foresight, &now);
    if (slots != NULL)
        return slots;
    wish_list made;
    made.count = 0;
    wish(foresight->slots, &now, &made);
    foresight->begin = foresight->end = (uint32_t)now.count;
    for (uint32_t i = 0; i < next_count; i++) {
        const mr_foreseeable *next = &foresight->next[i];
        if (next->count > MR_FORESEEN_FEW)
            break;
        wish(&foresight->slots[foresight->end], next, &made);
        foresight->end += (uint32_t)next->count;
    }
    if (made.count > 0)
        mr_id_make(made.of, made.count);
    return foresight->slots;
}
static_assert((1 + MR_FORESEEN_NEXT) * MR_FORESEEN_FEW <= MR_FORESEEN_AT_ONCE,
              "there is a slot for each");

mr_id mr_foreseen_reply(mr_foreseen *seen, const mr_id *message)
{
    if (seen == NULL || seen->message != message)
        return mr_id_of_reply(message);
    seen->reply_asked = true;
    return seen->has_reply ? seen->reply : mr_id_of_reply(message);
}

/* Makes ids of as many as will be sent by habit, from `first` on. */
static void make_sent(mr_foreseen *seen, uint32_t first)
{
    mr_id_wish wishes[MR_IDS_AT_ONCE];
    const uint32_t left = seen->sent_habit - first;
    seen->sent_first = first;
    seen->sent_count = left < MR_IDS_AT_ONCE ? left : MR_IDS_AT_ONCE;
    for (uint32_t i = 0; i < seen->sent_count; i++)
        wishes[i] = (mr_id_wish){.kind = MR_ID_OUTGOING,
                                 .message = seen->message,
                                 .nonce = first + i,
                                 .out = &seen->sent[i]};
    mr_id_make(wishes, seen->sent_count);
}

mr_id mr_foreseen_sent(mr_foreseen *seen, const mr_id *message, uint32_t nonce)
{
    if (seen == NULL || seen->message != message)
        return mr_id_of_outgoing(message, nonce);
    seen->sent_asked++;
    if (nonce - seen->sent_first >= seen->sent_count && nonce < seen->sent_habit &&
        seen->sent_habit - nonce >= MR_IDS_WORTH_LANES)
        make_sent(seen, nonce);
    return nonce - seen->sent_first < seen->sent_count ? seen->sent[nonce - seen->sent_first]
                                                       : mr_id_of_outgoing(message, nonce);
}

void mr_foreseen_learn(const mr_foreseen *seen, const mr_dispatch *dispatch, mr_habits *habits)
{
    if (dispatch->message.kind == MR_KIND_VALUE)
        return; /* it does not run */
    const uint32_t sent = seen->sent_asked < SENT_MAX ? seen->sent_asked : SENT_MAX;
    const uint8_t now = (uint8_t)(2 * sent + seen->reply_asked);
    uint8_t *habit = &habits->of[sort_of(dispatch)];
    if (*habit != now)
        *habit = now;
}
