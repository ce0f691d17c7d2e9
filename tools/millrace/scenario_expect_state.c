/* SPDX-License-Identifier: Apache-2.0 */
/* What a scenario expects of the state after a block: balances, memory, what waits and is due. */
#include <string.h>

#include "tools/millrace/reader.h"

#define ADDRESS_MAX 0xffffffffu

static const char *const tasks[] = {
#define TASK_WORD(code, word) word,
    MR_TASK_MAP(TASK_WORD)
#undef TASK_WORD
        NULL};

static unsigned has(const mr_tree *node, unsigned flag)
{
    return node != NULL ? flag : 0;
}

static mr_status need_map(mr_reader *reader, const mr_tree *node, const char *key, const char *what)
{
    if (node->kind == MR_TREE_MAP)
        return MR_OK;
    return MR_READER_FAIL(reader, node, "%s must be a map of names to %s, not %s", key, what,
                          mr_tree_quote(node).text);
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

static mr_status read_memories(mr_reader *reader, const mr_tree *list, mr_expect *expect)
{
    if (list == NULL)
        return MR_OK;
    mr_expect_memory *entries = NULL;
    MR_TRY(mr_reader_room(reader, list, "memory", sizeof *entries, &entries));
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
    MR_TRY(need_map(reader, map, "balances", "numbers"));
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

/* Programs and how much of something each has. */
static mr_status read_counts(mr_reader *reader, const mr_tree *map, const char *key,
                             const mr_expect_count **out, size_t *out_count)
{
    if (map == NULL)
        return MR_OK;
    MR_TRY(need_map(reader, map, key, "numbers"));
    const size_t count = map->items_count / 2;
    mr_expect_count *entries = mr_arena_alloc(&reader->scenario->arena, count * sizeof *entries);
    if (entries == NULL)
        return mr_reader_no_memory(reader);
    for (size_t i = 0; i < count; i++) {
        const mr_tree *name = map->items[2 * i];
        entries[i] = (mr_expect_count){.name = name->text, .line = name->line};
        MR_TRY(mr_reader_program(reader, name, key, &entries[i].program));
        MR_TRY(mr_reader_u64(reader, map->items[2 * i + 1], name->text, 0, UINT64_MAX,
                             &entries[i].count));
    }
    *out = entries;
    *out_count = count;
    return MR_OK;
}

static mr_status read_letter(mr_reader *reader, const mr_tree *map, mr_expect_letter *out)
{
    MR_TRY(
        mr_reader_keys(reader, map, "an expected letter", "from payload value gas since until as"));
    const mr_tree *from = mr_reader_field(map, "from"), *gas = mr_reader_field(map, "gas");
    const mr_tree *payload = mr_reader_field(map, "payload");
    const mr_tree *value = mr_reader_field(map, "value");
    const mr_tree *since = mr_reader_field(map, "since"), *until = mr_reader_field(map, "until");
    mr_expect_letter letter = {.letter = MR_LETTER_NONE, .line = map->line};
    if (from != NULL)
        MR_TRY(mr_reader_program(reader, from, "from", &letter.from));
    MR_TRY(mr_payload_read(reader, payload, &letter.payload));
    MR_TRY(mr_reader_value(reader, value, "value", &letter.value));
    MR_TRY(mr_reader_u64(reader, gas, "gas", 0, UINT64_MAX, &letter.gas));
    MR_TRY(mr_reader_u64(reader, since, "since", 0, UINT32_MAX, &letter.since));
    MR_TRY(mr_reader_u64(reader, until, "until", 0, UINT32_MAX, &letter.until));
    MR_TRY(mr_reader_name_letter(reader, mr_reader_field(map, "as"), &letter.letter));
    letter.has = has(from, MR_HAS_FROM) | has(payload, MR_HAS_PAYLOAD) | has(value, MR_HAS_VALUE) |
                 has(gas, MR_HAS_GAS) | has(since, MR_HAS_SINCE) | has(until, MR_HAS_UNTIL);
    *out = letter;
    return MR_OK;
}

static mr_status read_mailbox(mr_reader *reader, const mr_tree *name, const mr_tree *list,
                              mr_expect_mailbox *out)
{
    mr_expect_mailbox mailbox = {.name = name->text, .line = name->line};
    mr_expect_letter *letters = NULL;
    MR_TRY(mr_reader_any(reader, name, "mailbox", &mailbox.user));
    MR_TRY(mr_reader_room(reader, list, name->text, sizeof *letters, &letters));
    for (size_t i = 0; i < list->items_count; i++)
        MR_TRY(read_letter(reader, list->items[i], &letters[i]));
    mailbox.letter = letters;
    mailbox.letters_count = list->items_count;
    *out = mailbox;
    return MR_OK;
}

static mr_status read_mailboxes(mr_reader *reader, const mr_tree *map, mr_expect *expect)
{
    if (map == NULL)
        return MR_OK;
    MR_TRY(need_map(reader, map, "mailbox", "lists of letters"));
    const size_t count = map->items_count / 2;
    mr_expect_mailbox *entries = mr_arena_alloc(&reader->scenario->arena, count * sizeof *entries);
    if (entries == NULL)
        return mr_reader_no_memory(reader);
    for (size_t i = 0; i < count; i++)
        MR_TRY(read_mailbox(reader, map->items[2 * i], map->items[2 * i + 1], &entries[i]));
    expect->mailbox = entries;
    expect->mailboxes_count = count;
    reader->scenario->needs_inbox = true;
    return MR_OK;
}

static mr_status read_task(mr_reader *reader, const mr_tree *map, mr_expect_task *out)
{
    MR_TRY(mr_reader_keys(reader, map, "an expected task", "task of height"));
    const mr_tree *task = mr_reader_field(map, "task"), *of = mr_reader_field(map, "of");
    const mr_tree *height = mr_reader_field(map, "height");
    mr_expect_task entry = {.line = map->line};
    size_t word = 0;
    MR_TRY(mr_reader_word(reader, task, "task", tasks, &word));
    if (of != NULL)
        MR_TRY(mr_reader_any(reader, of, "of", &entry.of));
    MR_TRY(mr_reader_u64(reader, height, "height", 1, UINT32_MAX, &entry.height));
    entry.task = (mr_task_kind)word;
    entry.has = has(task, MR_HAS_TASK) | has(of, MR_HAS_TO) | has(height, MR_HAS_HEIGHT);
    *out = entry;
    return MR_OK;
}

/* Either how many, or which. */
static mr_status read_tasks(mr_reader *reader, const mr_tree *node, mr_expect *expect)
{
    if (node == NULL)
        return MR_OK;
    expect->tasks = true;
    expect->tasks_line = node->line;
    if (node->kind == MR_TREE_SCALAR)
        return mr_reader_u64(reader, node, "tasks", 0, UINT64_MAX, &expect->tasks_count);
    mr_expect_task *entries = NULL;
    MR_TRY(mr_reader_room(reader, node, "tasks", sizeof *entries, &entries));
    for (size_t i = 0; i < node->items_count; i++)
        MR_TRY(read_task(reader, node->items[i], &entries[i]));
    expect->tasks_listed = true;
    expect->task = entries;
    expect->tasks_count = node->items_count;
    return MR_OK;
}

mr_status mr_scenario_read_state(mr_reader *reader, const mr_tree *map, mr_expect *expect)
{
    MR_TRY(read_memories(reader, mr_reader_field(map, "memory"), expect));
    MR_TRY(read_balances(reader, mr_reader_field(map, "balances"), expect));
    MR_TRY(read_counts(reader, mr_reader_field(map, "waiting"), "waiting", &expect->waiting,
                       &expect->waiting_count));
    MR_TRY(read_counts(reader, mr_reader_field(map, "reservations"), "reservations",
                       &expect->reservations, &expect->reservations_count));
    MR_TRY(read_mailboxes(reader, mr_reader_field(map, "mailbox"), expect));
    return read_tasks(reader, mr_reader_field(map, "tasks"), expect);
}
