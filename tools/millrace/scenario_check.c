/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/millrace/scenario_check.h"

#include <string.h>

#include "tools/millrace/number.h"
#include "tools/millrace/scenario_check_internal.h"

void mr_check_differs(mr_check *c, uint32_t line, const char *what, const char *expected,
                      const char *got)
{
    c->failures++;
    (void)fprintf(c->out, "%s:%u: block %llu, %s\n  expected %s\n  got      %s\n",
                  c->scenario->file_name, line, (unsigned long long)c->view->info.height, what,
                  expected, got);
}

void mr_check_differs_at(mr_check *c, mr_check_place at, const char *expected, const char *got)
{
    char what[64];
    (void)snprintf(what, sizeof what, "%s %zu: %s", at.kind, at.i + 1, at.key);
    mr_check_differs(c, at.line, what, expected, got);
}

void mr_check_ids(mr_check *c, mr_check_place at, const mr_id *expected, const mr_id *got)
{
    if (memcmp(expected, got, sizeof *got) != 0)
        mr_check_differs_at(c, at, mr_names_print(c->view->names, expected).text,
                            mr_names_print(c->view->names, got).text);
}

void mr_check_words(mr_check *c, mr_check_place at, const char *expected, const char *got)
{
    if (strcmp(expected, got) != 0)
        mr_check_differs_at(c, at, expected, got);
}

void mr_check_values(mr_check *c, mr_check_place at, mr_value expected, mr_value got)
{
    if (expected != got)
        mr_check_differs_at(c, at, mr_value_print(expected).text, mr_value_print(got).text);
}

/* Long runs of bytes that differ late are shown from 16 bytes before the difference. */
void mr_check_bytes(mr_check *c, mr_check_place at, mr_span expected, mr_span got)
{
    if (mr_span_equal(expected, got))
        return;
    size_t same = 0, common = expected.size < got.size ? expected.size : got.size;
    while (same < common && expected.data[same] == got.data[same])
        same++;
    size_t skip = same > 48 ? same - 16 : 0;
    char text[2][240];
    mr_span bytes[2] = {expected, got};
    for (int side = 0; side < 2; side++) {
        mr_span shown = mr_span_of(bytes[side].data + skip, bytes[side].size - skip);
        if (skip > 0)
            (void)snprintf(text[side], sizeof text[side], "from byte %zu %s", skip,
                           mr_bytes_print(shown).text);
        else
            (void)snprintf(text[side], sizeof text[side], "%s", mr_bytes_print(shown).text);
    }
    mr_check_differs_at(c, at, text[0], text[1]);
}

void mr_check_count(mr_check *c, uint32_t line, const char *what, uint64_t expected, uint64_t got)
{
    if (expected == got)
        return;
    char texts[2][24];
    (void)snprintf(texts[0], sizeof texts[0], "%llu", (unsigned long long)expected);
    (void)snprintf(texts[1], sizeof texts[1], "%llu", (unsigned long long)got);
    mr_check_differs(c, line, what, texts[0], texts[1]);
}

static mr_status check_message(mr_check *c, size_t i, const mr_expect_message *e,
                               const mr_user_message *got)
{
#define PLACE(name)                                                                                \
    (mr_check_place)                                                                               \
    {                                                                                              \
        "message to users", i, name, e->line                                                       \
    }
    if (e->has & MR_HAS_FROM)
        mr_check_ids(c, PLACE("from"), &e->from, &got->from);
    if (e->has & MR_HAS_TO)
        mr_check_ids(c, PLACE("to"), &e->to, &got->to);
    if (e->has & MR_HAS_KIND)
        mr_check_words(c, PLACE("kind"), e->is_reply ? "reply" : "send",
                       got->is_reply ? "reply" : "send");
    if (e->has & MR_HAS_PAYLOAD)
        mr_check_bytes(c, PLACE("payload"), e->payload, got->payload);
    if (e->has & MR_HAS_CODE) {
        char expected[9], is[9] = "no reply";
        mr_hex_print(mr_span_of(e->code, sizeof e->code), expected);
        if (got->is_reply)
            mr_hex_print(mr_span_of(got->code, sizeof got->code), is);
        mr_check_words(c, PLACE("code"), expected, is);
    }
    if (e->has & MR_HAS_VALUE)
        mr_check_values(c, PLACE("value"), e->value, got->value);
#undef PLACE
    if (e->letter == MR_LETTER_NONE || got->is_reply)
        return MR_OK;
    const mr_inbox_entry letter = {.from = got->from, .to = got->to, .message = got->id};
    return mr_inbox_name(c->inbox, e->letter, &letter);
}

/* An automatic reply to a user says only that the message was handled. */
static bool is_automatic(const mr_user_message *message)
{
    static const uint8_t code[4] = {0};
    return message->is_reply && memcmp(message->code, code, sizeof code) == 0 &&
           message->payload.size == 0 && message->value == 0;
}

/* A scenario lists all messages, or all but the automatic replies: their number tells which. */
static mr_status check_messages(mr_check *c, const mr_expect *expect)
{
    uint64_t all = c->view->info.user_messages_count, automatic = 0;
    mr_user_message got;
    for (uint64_t j = 0; mr_view_user_message(c->view, j, &got); j++)
        automatic += is_automatic(&got);
    bool without = expect->messages_count != all && expect->messages_count == all - automatic;
    if (!without)
        mr_check_count(c, expect->messages_line, "number of messages to users",
                       expect->messages_count, all);
    size_t i = 0;
    for (uint64_t j = 0; i < expect->messages_count && mr_view_user_message(c->view, j, &got); j++)
        if (!without || !is_automatic(&got)) {
            MR_TRY(check_message(c, i, &expect->message[i], &got));
            i++;
        }
    return MR_OK;
}

static void check_receipt(mr_check *c, size_t i, const mr_expect_receipt *e, const mr_receipt *got)
{
#define PLACE(name)                                                                                \
    (mr_check_place)                                                                               \
    {                                                                                              \
        "receipt", i, name, e->line                                                                \
    }
    if (e->has & MR_HAS_FROM)
        mr_check_ids(c, PLACE("from"), &e->from, &got->source);
    if (e->has & MR_HAS_TO)
        mr_check_ids(c, PLACE("to"), &e->to, &got->program);
    if (e->has & MR_HAS_KIND)
        mr_check_words(c, PLACE("kind"), mr_kind_name(e->kind), mr_kind_name(got->kind));
    if (e->has & MR_HAS_OUTCOME)
        mr_check_words(c, PLACE("outcome"), mr_outcome_name(e->outcome),
                       mr_outcome_name(got->outcome));
    if (e->has & MR_HAS_GAS_BURNED)
        mr_check_values(c, PLACE("gas_burned"), e->gas_burned, got->gas_burned);
    if (e->has & MR_HAS_SENT)
        mr_check_values(c, PLACE("sent"), e->sent, got->sent);
    if (e->has & MR_HAS_TEXT)
        mr_check_bytes(c, PLACE("text"), e->text, got->text);
#undef PLACE
}

/* A reply to a program that does not handle replies runs no code and burns nothing. */
static bool is_idle(const mr_receipt *receipt)
{
    return receipt->kind == MR_KIND_REPLY && receipt->outcome == MR_OUTCOME_OK &&
           receipt->gas_burned == 0;
}

/* Likewise: all receipts, or all but those of replies that nobody handles. */
static void check_receipts(mr_check *c, const mr_expect *expect)
{
    uint64_t all = c->view->info.receipts_count, idle = 0;
    mr_receipt got;
    for (uint64_t j = 0; mr_view_receipt(c->view, j, &got); j++)
        idle += is_idle(&got);
    bool without = expect->receipts_count != all && expect->receipts_count == all - idle;
    if (!without)
        mr_check_count(c, expect->receipts_line, "number of receipts", expect->receipts_count, all);
    size_t i = 0;
    for (uint64_t j = 0; i < expect->receipts_count && mr_view_receipt(c->view, j, &got); j++)
        if (!without || !is_idle(&got)) {
            check_receipt(c, i, &expect->receipt[i], &got);
            i++;
        }
}

/* A refused message is a failure unless the block says what is expected of it. */
static void check_admissions(mr_check *c, const mr_scenario_block *block)
{
    const mr_expect *expect = block->expect;
    mr_transaction_result got;
    for (size_t i = 0; i < block->messages_count && mr_block_transaction(c->view->block, i, &got);
         i++) {
        uint32_t line = block->message[i].line;
        if (expect != NULL && expect->admissions) {
            mr_check_words(c, (mr_check_place){"message", i, "admission", line},
                           mr_admission_words[expect->admission[i]],
                           mr_admission_words[got.admission]);
            continue;
        }
        if (got.admission == MR_ADMISSION_ACCEPTED)
            continue;
        (void)fprintf(c->out, "%s:%u: block %llu, message %zu is refused: %s%s%s\n",
                      c->scenario->file_name, line, (unsigned long long)c->view->info.height, i + 1,
                      mr_admission_text(got.admission), got.text[0] != '\0' ? ": " : "", got.text);
        c->failures += expect == NULL;
    }
}

mr_status mr_scenario_check(const mr_scenario *scenario, const mr_scenario_block *block,
                            const mr_block_view *view, mr_engine *engine, mr_inbox *inbox,
                            FILE *out, uint64_t *failures, mr_error *error)
{
    mr_check c = {.scenario = scenario,
                  .view = view,
                  .engine = engine,
                  .inbox = inbox,
                  .out = out,
                  .error = error};
    const mr_expect *expect = block->expect;
    mr_status status = MR_OK;
    check_admissions(&c, block);
    if (expect != NULL && expect->messages)
        status = check_messages(&c, expect);
    if (status != MR_OK)
        return MR_FAIL(error, status, "out of memory checking %s", scenario->file_name);
    if (expect != NULL && expect->receipts)
        check_receipts(&c, expect);
    if (expect != NULL && expect->queue)
        mr_check_count(&c, expect->queue_line, "messages left in the queue", expect->queue_count,
                       view->info.queue_count);
    if (expect != NULL && expect->gas_rent)
        mr_check_count(&c, expect->gas_rent_line, "gas burned as rent", expect->gas_rent_burned,
                       view->info.gas_rent);
    if (expect != NULL)
        status = mr_check_state(&c, expect);
    *failures += c.failures;
    return status;
}
