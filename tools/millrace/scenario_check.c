/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/millrace/scenario_check.h"

#include <stdlib.h>
#include <string.h>

#include "tools/millrace/number.h"

typedef struct check {
    const mr_scenario *scenario;
    const mr_block_view *view;
    mr_engine *engine;
    FILE *out;
    uint64_t failures;
    mr_error *error;
} check;

static void differs(check *c, uint32_t line, const char *what, const char *expected,
                    const char *got)
{
    c->failures++;
    (void)fprintf(c->out, "%s:%u: block %llu, %s\n  expected %s\n  got      %s\n",
                  c->scenario->file_name, line, (unsigned long long)c->view->info.height, what,
                  expected, got);
}

static void differs_in(check *c, uint32_t line, const char *kind, size_t i, const char *key,
                       const char *expected, const char *got)
{
    char what[64];
    (void)snprintf(what, sizeof what, "%s %zu: %s", kind, i + 1, key);
    differs(c, line, what, expected, got);
}

static void compare_ids(check *c, uint32_t line, const char *kind, size_t i, const char *key,
                        const mr_id *expected, const mr_id *got)
{
    if (memcmp(expected, got, sizeof *got) != 0)
        differs_in(c, line, kind, i, key, mr_names_print(c->view->names, expected).text,
                   mr_names_print(c->view->names, got).text);
}

static void compare_words(check *c, uint32_t line, const char *kind, size_t i, const char *key,
                          const char *expected, const char *got)
{
    if (strcmp(expected, got) != 0)
        differs_in(c, line, kind, i, key, expected, got);
}

static void compare_values(check *c, uint32_t line, const char *kind, size_t i, const char *key,
                           mr_value expected, mr_value got)
{
    if (expected != got)
        differs_in(c, line, kind, i, key, mr_value_print(expected).text, mr_value_print(got).text);
}

/* Long runs of bytes that differ late are shown from 16 bytes before the difference. */
static void compare_bytes(check *c, uint32_t line, const char *kind, size_t i, const char *key,
                          mr_span expected, mr_span got)
{
    if (mr_span_equal(expected, got))
        return;
    size_t at = 0, common = expected.size < got.size ? expected.size : got.size;
    while (at < common && expected.data[at] == got.data[at])
        at++;
    size_t skip = at > 48 ? at - 16 : 0;
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
    differs_in(c, line, kind, i, key, text[0], text[1]);
}

static void compare_count(check *c, uint32_t line, const char *what, uint64_t expected,
                          uint64_t got)
{
    if (expected == got)
        return;
    char texts[2][24];
    (void)snprintf(texts[0], sizeof texts[0], "%llu", (unsigned long long)expected);
    (void)snprintf(texts[1], sizeof texts[1], "%llu", (unsigned long long)got);
    differs(c, line, what, texts[0], texts[1]);
}

static void check_message(check *c, size_t i, const mr_expect_message *e,
                          const mr_user_message *got)
{
    static const char kind[] = "message to users";
    if (e->has & MR_HAS_FROM)
        compare_ids(c, e->line, kind, i, "from", &e->from, &got->from);
    if (e->has & MR_HAS_TO)
        compare_ids(c, e->line, kind, i, "to", &e->to, &got->to);
    if (e->has & MR_HAS_KIND)
        compare_words(c, e->line, kind, i, "kind", e->is_reply ? "reply" : "send",
                      got->is_reply ? "reply" : "send");
    if (e->has & MR_HAS_PAYLOAD)
        compare_bytes(c, e->line, kind, i, "payload", e->payload, got->payload);
    if (e->has & MR_HAS_CODE) {
        char expected[9], is[9] = "no reply";
        mr_hex_print(mr_span_of(e->code, sizeof e->code), expected);
        if (got->is_reply)
            mr_hex_print(mr_span_of(got->code, sizeof got->code), is);
        compare_words(c, e->line, kind, i, "code", expected, is);
    }
    if (e->has & MR_HAS_VALUE)
        compare_values(c, e->line, kind, i, "value", e->value, got->value);
}

/* An automatic reply to a user says only that the message was handled. */
static bool is_automatic(const mr_user_message *message)
{
    static const uint8_t code[4] = {0};
    return message->is_reply && memcmp(message->code, code, sizeof code) == 0 &&
           message->payload.size == 0 && message->value == 0;
}

/* A scenario lists all messages, or all but the automatic replies: their number tells which. */
static void check_messages(check *c, const mr_expect *expect)
{
    uint64_t all = c->view->info.user_messages_count, automatic = 0;
    mr_user_message got;
    for (uint64_t j = 0; mr_view_user_message(c->view, j, &got); j++)
        automatic += is_automatic(&got);
    bool without = expect->messages_count != all && expect->messages_count == all - automatic;
    if (!without)
        compare_count(c, expect->messages_line, "number of messages to users",
                      expect->messages_count, all);
    size_t i = 0;
    for (uint64_t j = 0; i < expect->messages_count && mr_view_user_message(c->view, j, &got); j++)
        if (!without || !is_automatic(&got)) {
            check_message(c, i, &expect->message[i], &got);
            i++;
        }
}

static void check_receipt(check *c, size_t i, const mr_expect_receipt *e, const mr_receipt *got)
{
    static const char kind[] = "receipt";
    if (e->has & MR_HAS_FROM)
        compare_ids(c, e->line, kind, i, "from", &e->from, &got->source);
    if (e->has & MR_HAS_TO)
        compare_ids(c, e->line, kind, i, "to", &e->to, &got->program);
    if (e->has & MR_HAS_KIND)
        compare_words(c, e->line, kind, i, "kind", mr_kind_name(e->kind), mr_kind_name(got->kind));
    if (e->has & MR_HAS_OUTCOME)
        compare_words(c, e->line, kind, i, "outcome", mr_outcome_name(e->outcome),
                      mr_outcome_name(got->outcome));
    if (e->has & MR_HAS_GAS_BURNED)
        compare_values(c, e->line, kind, i, "gas_burned", e->gas_burned, got->gas_burned);
    if (e->has & MR_HAS_SENT)
        compare_values(c, e->line, kind, i, "sent", e->sent, got->sent);
    if (e->has & MR_HAS_TEXT)
        compare_bytes(c, e->line, kind, i, "text", e->text, got->text);
}

/* A reply to a program that does not handle replies runs no code and burns nothing. */
static bool is_idle(const mr_receipt *receipt)
{
    return receipt->kind == MR_KIND_REPLY && receipt->outcome == MR_OUTCOME_OK &&
           receipt->gas_burned == 0;
}

/* Likewise: all receipts, or all but those of replies that nobody handles. */
static void check_receipts(check *c, const mr_expect *expect)
{
    uint64_t all = c->view->info.receipts_count, idle = 0;
    mr_receipt got;
    for (uint64_t j = 0; mr_view_receipt(c->view, j, &got); j++)
        idle += is_idle(&got);
    bool without = expect->receipts_count != all && expect->receipts_count == all - idle;
    if (!without)
        compare_count(c, expect->receipts_line, "number of receipts", expect->receipts_count, all);
    size_t i = 0;
    for (uint64_t j = 0; i < expect->receipts_count && mr_view_receipt(c->view, j, &got); j++)
        if (!without || !is_idle(&got)) {
            check_receipt(c, i, &expect->receipt[i], &got);
            i++;
        }
}

/* An account that has never had anything has 0. */
static mr_status check_balance(check *c, const mr_expect_balance *e)
{
    mr_value balance = 0;
    mr_status status;
    if (e->program) {
        mr_program_info info;
        status = mr_engine_program(c->engine, &e->id, &info);
        balance = status == MR_OK ? info.balance : 0;
    } else {
        status = mr_engine_account(c->engine, &e->id, &balance);
    }
    if (status != MR_OK && status != MR_NOT_FOUND)
        return MR_FAIL(c->error, status, "cannot look up the balance of %s: %s", e->name,
                       mr_status_text(status));
    char what[MR_ID_TEXT_BYTES + 16];
    (void)snprintf(what, sizeof what, "balance of %s", e->name);
    if (balance != e->balance)
        differs(c, e->line, what, mr_value_print(e->balance).text, mr_value_print(balance).text);
    return MR_OK;
}

static mr_status check_memory(check *c, size_t i, const mr_expect_memory *e)
{
    static const uint8_t nothing;
    uint8_t *bytes = malloc(e->bytes.size + 1);
    if (bytes == NULL)
        return MR_FAIL(c->error, MR_NO_MEMORY, "out of memory looking at the memory of %s",
                       e->name);
    mr_status status = mr_engine_memory(c->engine, &e->program, e->address, bytes, e->bytes.size);
    const char *got = NULL;
    if (status == MR_OK)
        compare_bytes(c, e->line, "memory", i, e->name,
                      e->bytes.size > 0 ? e->bytes : mr_span_of(&nothing, 0),
                      mr_span_of(bytes, e->bytes.size));
    else if (status == MR_LIMIT)
        got = "nothing: the program has not that much memory";
    else if (status == MR_NOT_FOUND)
        got = "nothing: there is no such program";
    free(bytes);
    if (got != NULL) {
        differs_in(c, e->line, "memory", i, e->name, mr_bytes_print(e->bytes).text, got);
        return MR_OK;
    }
    return status == MR_OK ? MR_OK
                           : MR_FAIL(c->error, status, "cannot look at the memory of %s: %s",
                                     e->name, mr_status_text(status));
}

/* A refused message is a failure unless the block says what is expected of it. */
static void check_admissions(check *c, const mr_scenario_block *block)
{
    const mr_expect *expect = block->expect;
    mr_transaction_result got;
    for (size_t i = 0; i < block->messages_count && mr_block_transaction(c->view->block, i, &got);
         i++) {
        uint32_t line = block->message[i].line;
        if (expect != NULL && expect->admissions) {
            compare_words(c, line, "message", i, "admission",
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
                            const mr_block_view *view, mr_engine *engine, FILE *out,
                            uint64_t *failures, mr_error *error)
{
    check c = {.scenario = scenario, .view = view, .engine = engine, .out = out, .error = error};
    const mr_expect *expect = block->expect;
    mr_status status = MR_OK;
    check_admissions(&c, block);
    if (expect != NULL && expect->messages)
        check_messages(&c, expect);
    if (expect != NULL && expect->receipts)
        check_receipts(&c, expect);
    if (expect != NULL && expect->queue)
        compare_count(&c, expect->queue_line, "messages left in the queue", expect->queue_count,
                      view->info.queue_count);
    for (size_t i = 0; expect != NULL && i < expect->balances_count && status == MR_OK; i++)
        status = check_balance(&c, &expect->balance[i]);
    for (size_t i = 0; expect != NULL && i < expect->memory_count && status == MR_OK; i++)
        status = check_memory(&c, i, &expect->memory[i]);
    *failures += c.failures;
    return status;
}
