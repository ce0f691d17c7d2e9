/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/millrace/inbox.h"

#include <inttypes.h>
#include <string.h>

void mr_inbox_fini(mr_inbox *inbox)
{
    mr_buffer_fini(&inbox->entries);
    mr_buffer_fini(&inbox->named);
}

mr_status mr_inbox_take(mr_inbox *inbox, const mr_block_view *view)
{
    mr_user_message message;
    for (uint64_t i = 0; mr_view_user_message(view, i, &message); i++) {
        if (message.is_reply)
            continue;
        const mr_inbox_entry entry = {
            .from = message.from, .to = message.to, .message = message.id};
        MR_TRY(mr_buffer_append(&inbox->entries, mr_span_of(&entry, sizeof entry)));
    }
    return MR_OK;
}

mr_status mr_inbox_name(mr_inbox *inbox, uint32_t letter, const mr_inbox_entry *entry)
{
    static const mr_inbox_entry none;
    while (inbox->named.size / sizeof none <= letter)
        MR_TRY(mr_buffer_append(&inbox->named, mr_span_of(&none, sizeof none)));
    memcpy(inbox->named.data + letter * sizeof *entry, entry, sizeof *entry);
    return MR_OK;
}

static bool same(const mr_id *a, const mr_id *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

static const char *what_is_done(const mr_scenario_message *message)
{
    return message->kind == MR_TRANSACTION_CLAIM ? "claim" : "reply to";
}

/* A name may stand for nothing, or for somebody else's letter: what named it was not met, then. */
static mr_status find_named(const mr_inbox *inbox, const mr_scenario *scenario,
                            const mr_scenario_message *message, mr_id *out, mr_error *error)
{
    static const mr_inbox_entry none;
    mr_inbox_entry entry = none;
    if (message->letter < inbox->named.size / sizeof entry)
        memcpy(&entry, inbox->named.data + message->letter * sizeof entry, sizeof entry);
    if (memcmp(&entry, &none, sizeof none) == 0)
        return MR_FAIL(error, MR_INVALID, "%s:%u: the letter to %s has not come",
                       scenario->file_name, message->line, what_is_done(message));
    if (message->has_to && !same(&entry.from, &message->to))
        return MR_FAIL(error, MR_INVALID, "%s:%u: the letter to %s is from %s, not from %s",
                       scenario->file_name, message->line, what_is_done(message),
                       mr_names_print(&scenario->names, &entry.from).text,
                       mr_names_print(&scenario->names, &message->to).text);
    *out = entry.message;
    return MR_OK;
}

mr_status mr_inbox_find(const mr_inbox *inbox, const mr_scenario *scenario,
                        const mr_scenario_message *message, mr_id *out, mr_error *error)
{
    if (message->letter != MR_LETTER_NONE)
        return find_named(inbox, scenario, message, out, error);
    const mr_inbox_entry *entries = (const mr_inbox_entry *)(void *)inbox->entries.data;
    uint64_t seen = 0;
    for (size_t i = 0; i < inbox->entries.size / sizeof *entries; i++) {
        if (!same(&entries[i].from, &message->to) || !same(&entries[i].to, &message->from))
            continue;
        if (seen++ == message->answer) {
            *out = entries[i].message;
            return MR_OK;
        }
    }
    return MR_FAIL(error, MR_INVALID,
                   "%s:%u: there is no message %" PRIu64 " to %s: %s has had %" PRIu64
                   " from %s so far, counted from 0",
                   scenario->file_name, message->line, message->answer, what_is_done(message),
                   mr_names_print(&scenario->names, &message->from).text, seen,
                   mr_names_print(&scenario->names, &message->to).text);
}
