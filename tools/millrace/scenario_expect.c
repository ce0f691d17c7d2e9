/* SPDX-License-Identifier: Apache-2.0 */
/* What a scenario expects of a block. */
#include <string.h>

#include "tools/millrace/number.h"
#include "tools/millrace/reader.h"

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
    MR_TRY(
        mr_reader_keys(reader, map, "an expected message", "from to kind payload code value as"));
    const mr_tree *from = mr_reader_field(map, "from"), *to = mr_reader_field(map, "to");
    const mr_tree *kind = mr_reader_field(map, "kind"), *code = mr_reader_field(map, "code");
    const mr_tree *payload = mr_reader_field(map, "payload");
    const mr_tree *value = mr_reader_field(map, "value");
    const mr_tree *as = mr_reader_field(map, "as");
    mr_expect_message message = {.letter = MR_LETTER_NONE, .line = map->line};
    size_t word = 0;
    MR_TRY(read_program(reader, from, "from", &message.from));
    MR_TRY(read_any(reader, to, "to", &message.to));
    MR_TRY(mr_reader_word(reader, kind, "kind", message_kinds, &word));
    MR_TRY(mr_payload_read(reader, payload, &message.payload));
    MR_TRY(read_code(reader, code, message.code));
    MR_TRY(mr_reader_value(reader, value, "value", &message.value));
    if (code != NULL && kind != NULL && word == 0)
        return MR_READER_FAIL(reader, code, "only a message of kind reply has a code");
    if (as != NULL && kind != NULL && word == 1)
        return MR_READER_FAIL(reader, as, "a reply cannot be answered, so it needs no name");
    MR_TRY(mr_reader_name_letter(reader, as, &message.letter));
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

static mr_status read_admission(mr_reader *reader, const mr_tree *node, mr_admission *out)
{
    size_t word = 0;
    MR_TRY(mr_reader_word(reader, node, "admissions", mr_admission_words, &word));
    *out = (mr_admission)word;
    return MR_OK;
}

static mr_status read_messages(mr_reader *reader, const mr_tree *list, mr_expect *expect)
{
    if (list == NULL)
        return MR_OK;
    mr_expect_message *entries = NULL;
    MR_TRY(mr_reader_room(reader, list, "messages", sizeof *entries, &entries));
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
    MR_TRY(mr_reader_room(reader, list, "receipts", sizeof *entries, &entries));
    for (size_t i = 0; i < list->items_count; i++)
        MR_TRY(read_receipt(reader, list->items[i], &entries[i]));
    expect->receipts = true;
    expect->receipt = entries;
    expect->receipts_count = list->items_count;
    expect->receipts_line = list->line;
    return MR_OK;
}

static mr_status read_admissions(mr_reader *reader, const mr_tree *list,
                                 const mr_scenario_block *block, mr_expect *expect)
{
    if (list == NULL)
        return MR_OK;
    mr_admission *entries = NULL;
    MR_TRY(mr_reader_room(reader, list, "admissions", sizeof *entries, &entries));
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
                          "messages receipts queue gas_rent admissions " MR_SCENARIO_STATE_KEYS));
    mr_expect *expect = mr_arena_alloc(&reader->scenario->arena, sizeof *expect);
    if (expect == NULL)
        return mr_reader_no_memory(reader);
    *expect = (mr_expect){.line = map->line};
    const mr_tree *queue = mr_reader_field(map, "queue");
    MR_TRY(mr_reader_u64(reader, queue, "queue", 0, UINT64_MAX, &expect->queue_count));
    expect->queue = queue != NULL;
    expect->queue_line = queue != NULL ? queue->line : 0;
    const mr_tree *gas_rent = mr_reader_field(map, "gas_rent");
    MR_TRY(mr_reader_u64(reader, gas_rent, "gas_rent", 0, UINT64_MAX, &expect->gas_rent_burned));
    expect->gas_rent = gas_rent != NULL;
    expect->gas_rent_line = gas_rent != NULL ? gas_rent->line : 0;
    MR_TRY(read_messages(reader, mr_reader_field(map, "messages"), expect));
    MR_TRY(read_receipts(reader, mr_reader_field(map, "receipts"), expect));
    MR_TRY(mr_scenario_read_state(reader, map, expect));
    MR_TRY(read_admissions(reader, mr_reader_field(map, "admissions"), block, expect));
    *out = expect;
    return MR_OK;
}
