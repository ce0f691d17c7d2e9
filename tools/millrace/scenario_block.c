/* SPDX-License-Identifier: Apache-2.0 */
/* The blocks of a scenario and their messages. */
#include <string.h>

#include "tools/millrace/number.h"
#include "tools/millrace/reader.h"

#define REPEAT_MAX 1000000000u
#define TIMESTAMP_MAX                                                                              \
    (1ull << 53) /* exact in JSON; far from overflowing when repeats add to it                     \
                  */

/* `to` names a program or, for a plain transfer of value, an account. */
static mr_status read_to(mr_reader *reader, const mr_tree *node, mr_scenario_message *message)
{
    if (node->kind == MR_TREE_SCALAR && strlen(node->text) == node->text_bytes) {
        const mr_name *name = mr_names_find(&reader->scenario->names, node->text);
        if (name != NULL && name->kind == MR_NAME_ACCOUNT && reader->scenario->accounts) {
            message->kind = MR_TRANSACTION_TRANSFER;
            message->to = name->id;
            return MR_OK;
        }
    }
    message->kind = MR_TRANSACTION_SEND;
    return mr_reader_program(reader, node, "to", &message->to);
}

/* Complains about the first of `others` that the message has. */
static mr_status check_lacks(mr_reader *reader, const mr_tree *map, const char *what,
                             const char *const *others)
{
    for (size_t i = 0; others[i] != NULL; i++) {
        const mr_tree *other = mr_reader_field(map, others[i]);
        if (other != NULL)
            return MR_READER_FAIL(reader, other, "%s has no %s", what, others[i]);
    }
    return MR_OK;
}

static bool is_number(const mr_tree *node)
{
    mr_number number;
    return node->kind == MR_TREE_SCALAR &&
           mr_number_scan(node->text, node->text_bytes, &number) != MR_INVALID;
}

/* What is answered or claimed: a letter that has a name, or the n-th message of the program `to`.
 */
static mr_status read_letter(mr_reader *reader, const mr_tree *map, const mr_tree *letter,
                             const char *key, mr_scenario_message *message)
{
    reader->scenario->needs_inbox = true;
    if (letter->kind == MR_TREE_SCALAR && !is_number(letter))
        return mr_reader_letter(reader, letter, &message->letter);
    MR_TRY(mr_reader_u64(reader, letter, key, 0, UINT32_MAX, &message->answer));
    const mr_tree *to;
    return mr_reader_need(reader, map, "a message that is found by its number", "to", &to);
}

static mr_status read_answer(mr_reader *reader, const mr_tree *map, mr_scenario_message *message)
{
    static const char *const not_of_claim[] = {"payload", "gas", "value", "reply", NULL};
    const mr_tree *to = mr_reader_field(map, "to");
    const mr_tree *claim = mr_reader_field(map, "claim");
    message->kind = claim != NULL ? MR_TRANSACTION_CLAIM : MR_TRANSACTION_REPLY;
    message->has_to = to != NULL;
    if (to != NULL)
        MR_TRY(mr_reader_program(reader, to, "to", &message->to));
    if (claim == NULL)
        return read_letter(reader, map, mr_reader_field(map, "reply"), "reply", message);
    message->gas = 0;
    MR_TRY(check_lacks(reader, map, "a claim", not_of_claim));
    return read_letter(reader, map, claim, "claim", message);
}

static mr_status read_sending(mr_reader *reader, const mr_tree *map, mr_scenario_message *message)
{
    static const char *const not_of_transfer[] = {"payload", "gas", NULL};
    const mr_tree *to;
    MR_TRY(mr_reader_need(reader, map, "a message", "to", &to));
    MR_TRY(read_to(reader, to, message));
    message->has_to = true;
    if (message->kind != MR_TRANSACTION_TRANSFER)
        return MR_OK;
    message->gas = 0;
    return check_lacks(reader, map, "a transfer to an account", not_of_transfer);
}

static mr_status read_message(mr_reader *reader, const mr_tree *map, mr_scenario_message *out)
{
    const mr_tree *from;
    MR_TRY(mr_reader_keys(reader, map, "a message", "from to payload gas value tip reply claim"));
    MR_TRY(mr_reader_need(reader, map, "a message", "from", &from));
    mr_scenario_message message = {
        .gas = MR_SCENARIO_GAS, .letter = MR_LETTER_NONE, .line = map->line};
    MR_TRY(mr_reader_account(reader, from, "from", &message.from));
    if (mr_reader_field(map, "reply") != NULL || mr_reader_field(map, "claim") != NULL)
        MR_TRY(read_answer(reader, map, &message));
    else
        MR_TRY(read_sending(reader, map, &message));
    MR_TRY(mr_payload_read(reader, mr_reader_field(map, "payload"), &message.payload));
    MR_TRY(mr_reader_u64(reader, mr_reader_field(map, "gas"), "gas", 0, UINT64_MAX, &message.gas));
    MR_TRY(mr_reader_value(reader, mr_reader_field(map, "value"), "value", &message.value));
    const mr_tree *tip = mr_reader_field(map, "tip");
    MR_TRY(mr_reader_value(reader, tip, "tip", &message.tip));
    if (tip != NULL && !reader->scenario->accounts)
        return MR_READER_FAIL(reader, tip, "a tip is only paid when the scenario has accounts");
    *out = message;
    return MR_OK;
}

static mr_status read_messages(mr_reader *reader, const mr_tree *list, mr_scenario_block *block)
{
    if (list == NULL)
        return MR_OK;
    MR_TRY(mr_reader_list(reader, list, "messages"));
    mr_scenario_message *messages =
        mr_arena_alloc(&reader->scenario->arena, list->items_count * sizeof *messages);
    if (messages == NULL)
        return mr_reader_no_memory(reader);
    for (size_t i = 0; i < list->items_count; i++)
        MR_TRY(read_message(reader, list->items[i], &messages[i]));
    block->message = messages;
    block->messages_count = list->items_count;
    return MR_OK;
}

static mr_status read_random(mr_reader *reader, const mr_tree *node, mr_id *out)
{
    if (node == NULL)
        return MR_OK;
    if (node->kind != MR_TREE_SCALAR || strlen(node->text) != node->text_bytes ||
        !mr_id_scan(node->text, out))
        return MR_READER_FAIL(reader, node, "random must be 64 hex digits, not %s",
                              mr_tree_quote(node).text);
    return MR_OK;
}

/* Without a timestamp of its own a block takes `next_ms`; time does not go back. */
static mr_status read_timestamp(mr_reader *reader, const mr_tree *node, uint64_t next_ms,
                                uint64_t *out)
{
    *out = next_ms;
    MR_TRY(mr_reader_u64(reader, node, "timestamp", 0, TIMESTAMP_MAX, out));
    if (*out + MR_SCENARIO_BLOCK_MS <= next_ms)
        return MR_READER_FAIL(reader, node,
                              "timestamp %llu lies before that of the block before, "
                              "%llu",
                              (unsigned long long)*out,
                              (unsigned long long)(next_ms - MR_SCENARIO_BLOCK_MS));
    return MR_OK;
}

static mr_status read_block(mr_reader *reader, const mr_tree *map, uint64_t next_ms,
                            mr_scenario_block *out)
{
    MR_TRY(mr_reader_keys(reader, map, "a block",
                          "gas_limit repeat timestamp random messages expect"));
    mr_scenario_block block = {.repeat = 1, .line = map->line};
    MR_TRY(mr_reader_u64(reader, mr_reader_field(map, "gas_limit"), "gas_limit", 1, UINT64_MAX,
                         &block.gas_limit));
    MR_TRY(mr_reader_u64(reader, mr_reader_field(map, "repeat"), "repeat", 1, REPEAT_MAX,
                         &block.repeat));
    MR_TRY(read_timestamp(reader, mr_reader_field(map, "timestamp"), next_ms, &block.timestamp_ms));
    MR_TRY(read_random(reader, mr_reader_field(map, "random"), &block.random));
    MR_TRY(read_messages(reader, mr_reader_field(map, "messages"), &block));
    MR_TRY(mr_scenario_read_expect(reader, mr_reader_field(map, "expect"), &block, &block.expect));
    *out = block;
    return MR_OK;
}

mr_status mr_scenario_read_blocks(mr_reader *reader, const mr_tree *list)
{
    if (list == NULL)
        return MR_OK;
    MR_TRY(mr_reader_list(reader, list, "blocks"));
    mr_scenario *scenario = reader->scenario;
    scenario->block = mr_arena_alloc(&scenario->arena, list->items_count * sizeof *scenario->block);
    if (scenario->block == NULL)
        return mr_reader_no_memory(reader);
    /* The programs' init messages take the first timestamp when there are any. */
    uint64_t next_ms = MR_SCENARIO_BLOCK_MS * (scenario->codes_count > 0 ? 2 : 1);
    for (size_t i = 0; i < list->items_count; i++) {
        mr_scenario_block *block = &scenario->block[i];
        MR_TRY(read_block(reader, list->items[i], next_ms, block));
        next_ms = block->timestamp_ms + block->repeat * MR_SCENARIO_BLOCK_MS;
    }
    scenario->blocks_count = list->items_count;
    return MR_OK;
}
