/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/foresee.h"

#include "engine/dispatch.h"

enum { SENT_MAX = 127 };

static size_t sort_of(const mr_dispatch *dispatch)
{
    return (dispatch->message.kind == MR_KIND_REPLY ? 2u : 0u) + dispatch->from_program;
}

void mr_foresee(mr_foreseen slots[MR_FORESEEN_AT_ONCE], const mr_dispatch *const *dispatches,
                size_t count, const mr_habits *habits)
{
    mr_id_wish wishes[2 * MR_FORESEEN_AT_ONCE];
    size_t wishes_count = 0;
    for (size_t i = 0; i < count; i++) {
        const mr_dispatch *dispatch = dispatches[i];
        mr_foreseen *slot = &slots[i];
        const uint8_t habit = habits->of[sort_of(dispatch)];
        slot->message = &dispatch->message.id;
        slot->sent_first = slot->sent_count = slot->sent_asked = 0;
        slot->sent_habit = habit / 2;
        slot->has_reply = habit % 2 != 0;
        slot->reply_asked = false;
        if (slot->has_reply)
            wishes[wishes_count++] =
                (mr_id_wish){.kind = MR_ID_REPLY, .message = slot->message, .out = &slot->reply};
        if (slot->sent_habit > 0) {
            slot->sent_count = 1;
            wishes[wishes_count++] = (mr_id_wish){
                .kind = MR_ID_OUTGOING, .message = slot->message, .out = &slot->sent[0]};
        }
    }
    if (wishes_count > 0)
        mr_id_make(wishes, wishes_count);
}

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
