/* SPDX-License-Identifier: Apache-2.0 */
/* inspect: what became of one message, over all blocks. */
#include <inttypes.h>
#include <string.h>

#include "tools/millrace/inspect_internal.h"
#include "tools/millrace/lookup.h"
#include "tools/millrace/number.h"

typedef struct story {
    mr_inspect *in;
    mr_id message, reply, signal;
    uint64_t height; /* of the block at hand */
    uint64_t runs;   /* dispatches of the message so far */
    uint64_t events;
    json_t *array, *now;
    bool failed;
} story;

static bool same(const mr_id *a, const mr_id *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

static void add(story *s, json_t *event)
{
    s->events++;
    if (json_array_append_new(s->array, event) != 0)
        s->failed = true;
}

/* A dispatch of the message, of the reply to it, or of the signal that it failed. */
static void add_receipt(story *s, const char *event, const mr_receipt *receipt)
{
    if (s->in->json) {
        /* clang-format off */
        add(s, json_pack("{s:o, s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:o}",
                         "block", mr_json_u64(s->height),
                         "event", event,
                         "kind", mr_kind_name(receipt->kind),
                         "from", mr_id_print(&receipt->source).text,
                         "to", mr_id_print(&receipt->program).text,
                         "outcome", mr_outcome_name(receipt->outcome),
                         "gas_limit", mr_json_u64(receipt->gas_limit),
                         "gas_burned", mr_json_u64(receipt->gas_burned),
                         "text", mr_json_text(receipt->text)));
        /* clang-format on */
        return;
    }
    s->events++;
    (void)printf("block %" PRIu64 ": %s, %s %s -> %s: %s, gas %s of %s", s->height, event,
                 mr_kind_name(receipt->kind), mr_id_print(&receipt->source).text,
                 mr_id_print(&receipt->program).text, mr_outcome_name(receipt->outcome),
                 mr_count_print(receipt->gas_burned).text, mr_count_print(receipt->gas_limit).text);
    if (receipt->text.size > 0)
        (void)printf(", %s", mr_bytes_print(receipt->text).text);
    (void)fputc('\n', stdout);
}

static void add_user_message(story *s, const char *event, const mr_user_message *message)
{
    char code[9] = "";
    if (message->is_reply)
        mr_hex_print(mr_span_of(message->code, sizeof message->code), code);
    if (s->in->json) {
        /* clang-format off */
        add(s, json_pack("{s:o, s:s, s:s, s:s, s:s, s:o, s:o}",
                         "block", mr_json_u64(s->height),
                         "event", event,
                         "from", mr_id_print(&message->from).text,
                         "to", mr_id_print(&message->to).text,
                         "code", code,
                         "value", mr_json_value(message->value),
                         "payload", mr_json_bytes(message->payload)));
        /* clang-format on */
        return;
    }
    s->events++;
    (void)printf("block %" PRIu64 ": %s, %s -> user %s%s%s, value %s: %s\n", s->height, event,
                 mr_id_print(&message->from).text, mr_id_print(&message->to).text,
                 message->is_reply ? ", code " : "", code, mr_value_print(message->value).text,
                 mr_bytes_print(message->payload).text);
}

static void free_stored(mr_stored_block **block)
{
    mr_stored_block_free(*block);
}

static mr_status add_block(story *s)
{
    __attribute__((cleanup(free_stored))) mr_stored_block *block = NULL;
    MR_TRY(mr_engine_block(s->in->engine, s->height, &block, s->in->error));
    mr_receipt receipt;
    for (uint64_t i = 0; mr_stored_block_receipt(block, i, &receipt); i++) {
        if (same(&receipt.message, &s->message))
            add_receipt(s,
                        s->runs++ == 0                          ? "handled"
                        : receipt.outcome == MR_OUTCOME_REMOVED ? "removed from the waitlist"
                                                                : "woken",
                        &receipt);
        else if (same(&receipt.message, &s->reply))
            add_receipt(s, "replied to", &receipt);
        else if (same(&receipt.message, &s->signal))
            add_receipt(s, "its failure signalled", &receipt);
    }
    mr_user_message message;
    for (uint64_t i = 0; mr_stored_block_user_message(block, i, &message); i++) {
        if (same(&message.id, &s->message))
            add_user_message(s,
                             message.is_reply     ? "a reply"
                             : message.until != 0 ? "a letter"
                                                  : "a message",
                             &message);
        else if (message.is_reply && same(&message.reply_to, &s->message))
            add_user_message(s, "replied to", &message);
    }
    return MR_OK;
}

/* ---- Where it is now ---- */

static void add_now(story *s, const char *where, const mr_id *at, uint32_t until)
{
    s->events++;
    if (!s->in->json) {
        (void)printf("now: %s %s", where, mr_id_print(at).text);
        if (until == MR_HEIGHT_NEVER)
            (void)printf(", without end");
        else if (until != 0)
            (void)printf(", until block %" PRIu32, until);
        (void)fputc('\n', stdout);
        return;
    }
    json_decref(s->now);
    s->now = json_pack("{s:s, s:s, s:o}", "is", where, "of", mr_id_print(at).text, "until",
                       until == 0 || until == MR_HEIGHT_NEVER ? json_null() : json_integer(until));
    s->failed = s->now == NULL;
}

static bool in_queue(void *arg, const mr_queued_message *message)
{
    story *s = arg;
    if (same(&message->id, &s->message))
        add_now(s, "in the queue of", &message->program, 0);
    return true;
}

static bool in_waitlist(void *arg, const mr_waiting_message *message)
{
    story *s = arg;
    if (same(&message->id, &s->message))
        add_now(s, "waits in", &message->program, message->until);
    return true;
}

static bool in_mailbox(void *arg, const mr_letter_info *letter)
{
    story *s = arg;
    if (same(&letter->id, &s->message))
        add_now(s, "in the mailbox of", &letter->user, letter->until);
    return true;
}

static bool in_agenda(void *arg, const mr_task_info *task)
{
    story *s = arg;
    if (task->task == MR_TASK_SEND && same(&task->subject, &s->message))
        add_now(s, "delayed, to be sent to", &task->owner, task->height);
    return true;
}

static mr_status find_now(story *s)
{
    mr_engine *engine = s->in->engine;
    MR_TRY(mr_engine_queue(engine, in_queue, s));
    MR_TRY(mr_engine_waiting(engine, NULL, in_waitlist, s));
    MR_TRY(mr_engine_letters(engine, NULL, in_mailbox, s));
    return mr_engine_tasks(engine, 0, in_agenda, s);
}

static mr_status tell(story *s)
{
    mr_inspect *in = s->in;
    mr_engine_info info;
    mr_engine_info_get(in->engine, &info);
    for (s->height = 1; s->height <= info.height; s->height++)
        MR_TRY(add_block(s));
    mr_status status = find_now(s);
    if (status != MR_OK)
        return mr_inspect_failed(in, status, "messages");
    if (s->failed)
        return MR_FAIL(in->error, MR_NO_MEMORY, "out of memory");
    if (s->events == 0)
        return MR_FAIL(in->error, MR_NOT_FOUND, "%s: nothing is known of a message %s", in->db,
                       mr_id_print(&s->message).text);
    if (!in->json)
        return MR_OK;
    return mr_json_print(json_pack("{s:s, s:O, s:O}", "id", mr_id_print(&s->message).text, "events",
                                   s->array, "now", s->now),
                         in->error);
}

mr_status mr_inspect_message(mr_inspect *in)
{
    story s = {.in = in};
    MR_TRY(mr_lookup_message(in->engine, in->argument, &s.message, in->error));
    s.reply = mr_id_of_reply(&s.message);
    s.signal = mr_id_of_signal(&s.message);
    s.array = json_array();
    s.now = json_null();
    mr_status status =
        s.array == NULL ? MR_FAIL(in->error, MR_NO_MEMORY, "out of memory") : tell(&s);
    json_decref(s.array);
    json_decref(s.now);
    return status;
}
