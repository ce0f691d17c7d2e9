/* SPDX-License-Identifier: Apache-2.0 */
/* What a scenario expects of a block. */
#include <string.h>

#include "tools/millrace/number.h"
#include "tools/millrace/reader.h"

#define ADDRESS_MAX 0xffffffffu

static const char *const outcomes[] = {
#define OUTCOME_WORD(code, word) word,
    MR_OUTCOME_MAP(OUTCOME_WORD)
#undef OUTCOME_WORD
        NULL};

static const char *const kinds[] = {"init", "handle", "reply", "signal", NULL};
static const char *const message_kinds[] = {"send", "reply", NULL};

static unsigned has(const mr_tree *node, unsigned flag)
{
    return node != NULL ? flag : 0;
}

static mr_status read_program(mr_reader *reader, const mr_tree *node, const char *key, mr_id *out)
{
    return node == NULL ? MR_OK : mr_reader_program(reader, node, key, out);
}

static mr_status read_any(mr_reader *reader, const mr_tree *node, const char *key, mr_id *out)
{
    return node == NULL ? MR_OK : mr_reader_any(reader, node, key, out);
}

/* A reply code: 8 hex digits. */
static mr_status read_code(mr_reader *reader, const mr_tree *node, uint8_t *out)
{
    if (node == NULL)
        return MR_OK;
    const char *text = node->kind == MR_TREE_SCALAR ? node->text : "";
    size_t skip = strncmp(text, "0x", 2) == 0 ? 2 : 0;
    if (strlen(text) != 8 + skip || node->text_bytes != 8 + skip || !mr_hex_scan(text + skip, out))
        return MR_READER_FAIL(reader, node, "code must be the 8 hex digits of a reply code, not %s",
                              mr_tree_quote(node).text);
    return MR_OK;
}

static mr_status read_message(mr_reader *reader, const mr_tree *map, mr_expect_message *out)
{
    MR_TRY(mr_reader_keys(reader, map, "an expected message", "from to kind payload code value"));
    const mr_tree *from = mr_reader_field(map, "from"), *to = mr_reader_field(map, "to");
    const mr_tree *kind = mr_reader_field(map, "kind"), *code = mr_reader_field(map, "code");
    const mr_tree *payload = mr_reader_field(map, "payload");
    const mr_tree *value = mr_reader_field(map, "value");
    mr_expect_message message = {.line = map->line};
    size_t word = 0;
    MR_TRY(read_program(reader, from, "from", &message.from));
    MR_TRY(read_any(reader, to, "to", &message.to));
    MR_TRY(mr_reader_word(reader, kind, "kind", message_kinds, &word));
    MR_TRY(mr_payload_read(reader, payload, &message.payload));
    MR_TRY(read_code(reader, code, message.code));
    MR_TRY(mr_reader_value(reader, value, "value", &message.value));
    if (code != NULL && kind != NULL && word == 0)
        return MR_READER_FAIL(reader, code, "only a message of kind reply has a code");
    message.is_reply = word == 1;
    message.has = has(from, MR_HAS_FROM) | has(to, MR_HAS_TO) | has(kind, MR_HAS_KIND) |
                  has(payload, MR_HAS_PAYLOAD) | has(code, MR_HAS_CODE) | has(value, MR_HAS_VALUE);
    *out = message;
    return MR_OK;
}

static mr_status read_receipt(mr_reader *reader, const mr_tree *map, mr_expect_receipt *out)
{
    MR_TRY(mr_reader_keys(reader, map, "an expected receipt",
                          "from to kind outcome gas_burned sent text"));
    const mr_tree *from = mr_reader_field(map, "from"), *to = mr_reader_field(map, "to");
    const mr_tree *kind = mr_reader_field(map, "kind");
    const mr_tree *outcome = mr_reader_field(map, "outcome");
    const mr_tree *gas_burned = mr_reader_field(map, "gas_burned");
    const mr_tree *sent = mr_reader_field(map, "sent"), *text = mr_reader_field(map, "text");
    mr_expect_receipt receipt = {.line = map->line};
    size_t kind_word = 0, outcome_word = 0;
    MR_TRY(read_any(reader, from, "from", &receipt.from));
    MR_TRY(read_program(reader, to, "to", &receipt.to));
    MR_TRY(mr_reader_word(reader, kind, "kind", kinds, &kind_word));
    MR_TRY(mr_reader_word(reader, outcome, "outcome", outcomes, &outcome_word));
    MR_TRY(mr_reader_u64(reader, gas_burned, "gas_burned", 0, UINT64_MAX, &receipt.gas_burned));
    MR_TRY(mr_reader_u64(reader, sent, "sent", 0, UINT32_MAX, &receipt.sent));
    if (text != NULL && text->kind != MR_TREE_SCALAR)
        return MR_READER_FAIL(reader, text, "text must be a text, not %s",
                              mr_tree_kind_name(text->kind));
    if (text != NULL)
        receipt.text = mr_span_of(text->text, text->text_bytes);
    receipt.kind = (mr_kind)kind_word;
    receipt.outcome = (mr_outcome)outcome_word;
    receipt.has = has(from, MR_HAS_FROM) | has(to, MR_HAS_TO) | has(kind, MR_HAS_KIND) |
                  has(outcome, MR_HAS_OUTCOME) | has(gas_burned, MR_HAS_GAS_BURNED) |
                  has(sent, MR_HAS_SENT) | has(text, MR_HAS_TEXT);
    *out = receipt;
    return MR_OK;
}

static mr_status read_balance(mr_reader *reader, const mr_tree *name, const mr_tree *value,
                              mr_expect_balance *out)
{
    mr_expect_balance balance = {.line = name->line};
    MR_TRY(mr_reader_any(reader, name, "balances", &balance.id));
    const mr_name *known = mr_names_find_id(&reader->scenario->names, &balance.id);
    balance.program = known != NULL && known->kind == MR_NAME_PROGRAM;
    balance.name = name->text;
    if (!balance.program && !reader->scenario->accounts)
        return MR_READER_FAIL(reader, name,
                              "balances of accounts are only kept when the scenario "
                              "has accounts");
    MR_TRY(mr_reader_value(reader, value, name->text, &balance.balance));
    *out = balance;
    return MR_OK;
}

static mr_status read_memory(mr_reader *reader, const mr_tree *map, mr_expect_memory *out)
{
    static const char what[] = "an expected memory";
    const mr_tree *program, *address, *hex;
    MR_TRY(mr_reader_keys(reader, map, what, "program address hex"));
    MR_TRY(mr_reader_need(reader, map, what, "program", &program));
    MR_TRY(mr_reader_need(reader, map, what, "address", &address));
    MR_TRY(mr_reader_need(reader, map, what, "hex", &hex));
    mr_expect_memory memory = {.line = map->line};
    MR_TRY(mr_reader_program(reader, program, "program", &memory.program));
    MR_TRY(mr_reader_u64(reader, address, "address", 0, ADDRESS_MAX, &memory.address));
    /* A payload of the one form "hex" is what is written here without braces. */
    static const mr_tree key = {.text = "hex", .text_bytes = 3};
    const mr_tree *items[2] = {&key, hex};
    mr_tree form = {.kind = MR_TREE_MAP, .line = hex->line, .items = items, .items_count = 2};
    MR_TRY(mr_payload_read(reader, &form, &memory.bytes));
    memory.name = program->text;
    *out = memory;
    return MR_OK;
}

static mr_status read_admission(mr_reader *reader, const mr_tree *node, mr_admission *out)
{
    size_t word = 0;
    MR_TRY(mr_reader_word(reader, node, "admissions", mr_admission_words, &word));
    *out = (mr_admission)word;
    return MR_OK;
}

/* Room for the entries of a list. */
static mr_status make_room(mr_reader *reader, const mr_tree *list, const char *key,
                           size_t entry_bytes, void *out_pointer)
{
    MR_TRY(mr_reader_list(reader, list, key));
    void *room = mr_arena_alloc(&reader->scenario->arena, list->items_count * entry_bytes);
    if (room == NULL)
        return mr_reader_no_memory(reader);
    memcpy(out_pointer, &room, sizeof room);
    return MR_OK;
}

static mr_status read_messages(mr_reader *reader, const mr_tree *list, mr_expect *expect)
{
    if (list == NULL)
        return MR_OK;
    mr_expect_message *entries = NULL;
    MR_TRY(make_room(reader, list, "messages", sizeof *entries, &entries));
    for (size_t i = 0; i < list->items_count; i++)
        MR_TRY(read_message(reader, list->items[i], &entries[i]));
    expect->messages = true;
    expect->message = entries;
    expect->messages_count = list->items_count;
    expect->messages_line = list->line;
    return MR_OK;
}

static mr_status read_receipts(mr_reader *reader, const mr_tree *list, mr_expect *expect)
{
    if (list == NULL)
        return MR_OK;
    mr_expect_receipt *entries = NULL;
    MR_TRY(make_room(reader, list, "receipts", sizeof *entries, &entries));
    for (size_t i = 0; i < list->items_count; i++)
        MR_TRY(read_receipt(reader, list->items[i], &entries[i]));
    expect->receipts = true;
    expect->receipt = entries;
    expect->receipts_count = list->items_count;
    expect->receipts_line = list->line;
    return MR_OK;
}

static mr_status read_memories(mr_reader *reader, const mr_tree *list, mr_expect *expect)
{
    if (list == NULL)
        return MR_OK;
    mr_expect_memory *entries = NULL;
    MR_TRY(make_room(reader, list, "memory", sizeof *entries, &entries));
    for (size_t i = 0; i < list->items_count; i++)
        MR_TRY(read_memory(reader, list->items[i], &entries[i]));
    expect->memory = entries;
    expect->memory_count = list->items_count;
    return MR_OK;
}

static mr_status read_balances(mr_reader *reader, const mr_tree *map, mr_expect *expect)
{
    if (map == NULL)
        return MR_OK;
    if (map->kind != MR_TREE_MAP)
        return MR_READER_FAIL(reader, map, "balances must be a map of names to numbers, not %s",
                              mr_tree_quote(map).text);
    size_t count = map->items_count / 2;
    mr_expect_balance *entries = mr_arena_alloc(&reader->scenario->arena, count * sizeof *entries);
    if (entries == NULL)
        return mr_reader_no_memory(reader);
    for (size_t i = 0; i < count; i++)
        MR_TRY(read_balance(reader, map->items[2 * i], map->items[2 * i + 1], &entries[i]));
    expect->balance = entries;
    expect->balances_count = count;
    return MR_OK;
}

static mr_status read_admissions(mr_reader *reader, const mr_tree *list,
                                 const mr_scenario_block *block, mr_expect *expect)
{
    if (list == NULL)
        return MR_OK;
    mr_admission *entries = NULL;
    MR_TRY(make_room(reader, list, "admissions", sizeof *entries, &entries));
    if (list->items_count != block->messages_count)
        return MR_READER_FAIL(reader, list,
                              "admissions has %zu entries for the %zu messages of "
                              "the block",
                              list->items_count, block->messages_count);
    for (size_t i = 0; i < list->items_count; i++)
        MR_TRY(read_admission(reader, list->items[i], &entries[i]));
    expect->admissions = true;
    expect->admission = entries;
    expect->admissions_line = list->line;
    return MR_OK;
}

mr_status mr_scenario_read_expect(mr_reader *reader, const mr_tree *map,
                                  const mr_scenario_block *block, const mr_expect **out)
{
    if (map == NULL)
        return MR_OK;
    MR_TRY(mr_reader_keys(reader, map, "expect",
                          "messages receipts balances memory queue admissions"));
    mr_expect *expect = mr_arena_alloc(&reader->scenario->arena, sizeof *expect);
    if (expect == NULL)
        return mr_reader_no_memory(reader);
    *expect = (mr_expect){.line = map->line};
    const mr_tree *queue = mr_reader_field(map, "queue");
    MR_TRY(mr_reader_u64(reader, queue, "queue", 0, UINT64_MAX, &expect->queue_count));
    expect->queue = queue != NULL;
    expect->queue_line = queue != NULL ? queue->line : 0;
    MR_TRY(read_messages(reader, mr_reader_field(map, "messages"), expect));
    MR_TRY(read_receipts(reader, mr_reader_field(map, "receipts"), expect));
    MR_TRY(read_memories(reader, mr_reader_field(map, "memory"), expect));
    MR_TRY(read_balances(reader, mr_reader_field(map, "balances"), expect));
    MR_TRY(read_admissions(reader, mr_reader_field(map, "admissions"), block, expect));
    *out = expect;
    return MR_OK;
}
