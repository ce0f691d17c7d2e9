/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/millrace/reader.h"

#include <stdio.h>
#include <string.h>

#include "tools/millrace/number.h"

mr_status mr_reader_no_memory(mr_reader *reader)
{
    return MR_FAIL(reader->error, MR_NO_MEMORY, "out of memory reading %s",
                   reader->scenario->file_name);
}

mr_status mr_reader_count(mr_reader *reader, const mr_tree *node, size_t bytes)
{
    reader->bytes_used += bytes;
    if (reader->bytes_used > MR_SCENARIO_BYTES_MAX)
        return MR_READER_FAIL(reader, node, "modules and payloads take more than %d MiB",
                              MR_SCENARIO_BYTES_MAX >> 20);
    return MR_OK;
}

mr_status mr_reader_keep(mr_reader *reader, const mr_buffer *items, void *out_pointer)
{
    void *copy = NULL;
    if (items->size > 0) {
        copy = mr_arena_alloc(&reader->scenario->arena, items->size);
        if (copy == NULL)
            return mr_reader_no_memory(reader);
        memcpy(copy, items->data, items->size);
    }
    memcpy(out_pointer, &copy, sizeof copy);
    return MR_OK;
}

static bool is_one_of(const mr_tree *key, const char *keys)
{
    while (keys[0] != '\0') {
        size_t size = strcspn(keys, " ");
        if (size == key->text_bytes && memcmp(keys, key->text, size) == 0)
            return true;
        keys += size + (keys[size] == ' ');
    }
    return false;
}

mr_status mr_reader_keys(mr_reader *reader, const mr_tree *map, const char *what, const char *keys)
{
    if (map->kind != MR_TREE_MAP)
        return MR_READER_FAIL(reader, map, "%s must be a map with some of the keys %s, not %s",
                              what, keys, mr_tree_quote(map).text);
    for (size_t i = 0; i < map->items_count; i += 2)
        if (!is_one_of(map->items[i], keys))
            return MR_READER_FAIL(reader, map->items[i], "unknown key %s; %s takes %s",
                                  mr_tree_quote(map->items[i]).text, what, keys);
    return MR_OK;
}

const mr_tree *mr_reader_field(const mr_tree *map, const char *key)
{
    for (size_t i = 0; i < map->items_count; i += 2)
        if (map->items[i]->text_bytes == strlen(key) &&
            memcmp(map->items[i]->text, key, strlen(key)) == 0)
            return map->items[i + 1];
    return NULL;
}

mr_status mr_reader_need(mr_reader *reader, const mr_tree *map, const char *what, const char *key,
                         const mr_tree **out)
{
    const mr_tree *found = mr_reader_field(map, key);
    if (found == NULL)
        return MR_READER_FAIL(reader, map, "%s needs the key %s", what, key);
    *out = found;
    return MR_OK;
}

mr_status mr_reader_list(mr_reader *reader, const mr_tree *node, const char *key)
{
    if (node->kind != MR_TREE_LIST)
        return MR_READER_FAIL(reader, node, "%s must be a list, not %s", key,
                              mr_tree_quote(node).text);
    return MR_OK;
}

mr_status mr_reader_value(mr_reader *reader, const mr_tree *node, const char *key, mr_value *out)
{
    if (node == NULL)
        return MR_OK;
    mr_number number;
    if (node->kind != MR_TREE_SCALAR ||
        mr_number_scan(node->text, node->text_bytes, &number) == MR_INVALID)
        return MR_READER_FAIL(reader, node, "%s must be a whole number, not %s", key,
                              mr_tree_quote(node).text);
    if (mr_number_scan(node->text, node->text_bytes, &number) != MR_OK || number.negative)
        return MR_READER_FAIL(reader, node, "%s must lie between 0 and 2^128 - 1; it is %s", key,
                              mr_tree_quote(node).text);
    *out = number.magnitude;
    return MR_OK;
}

mr_status mr_reader_u64(mr_reader *reader, const mr_tree *node, const char *key, uint64_t min,
                        uint64_t max, uint64_t *out)
{
    if (node == NULL)
        return MR_OK;
    mr_number number = {0};
    mr_status status = MR_INVALID;
    if (node->kind == MR_TREE_SCALAR)
        status = mr_number_scan(node->text, node->text_bytes, &number);
    if (status == MR_INVALID)
        return MR_READER_FAIL(reader, node, "%s must be a whole number, not %s", key,
                              mr_tree_quote(node).text);
    if (status != MR_OK || number.negative || number.magnitude < min || number.magnitude > max)
        return MR_READER_FAIL(reader, node, "%s must lie between %llu and %llu; it is %s", key,
                              (unsigned long long)min, (unsigned long long)max,
                              mr_tree_quote(node).text);
    *out = (uint64_t)number.magnitude;
    return MR_OK;
}

mr_status mr_reader_text(mr_reader *reader, const mr_tree *node, const char *key, size_t bytes_max,
                         const char **out)
{
    if (node == NULL)
        return MR_OK;
    if (node->kind != MR_TREE_SCALAR)
        return MR_READER_FAIL(reader, node, "%s must be a text, not %s", key,
                              mr_tree_kind_name(node->kind));
    if (node->text_bytes == 0)
        return MR_READER_FAIL(reader, node, "%s is empty", key);
    if (node->text_bytes > bytes_max)
        return MR_READER_FAIL(reader, node, "%s has %zu bytes, at most %zu are allowed", key,
                              node->text_bytes, bytes_max);
    if (strlen(node->text) != node->text_bytes)
        return MR_READER_FAIL(reader, node, "%s holds a zero byte", key);
    *out = node->text;
    return MR_OK;
}

mr_status mr_reader_word(mr_reader *reader, const mr_tree *node, const char *key,
                         const char *const *words, size_t *out)
{
    if (node == NULL)
        return MR_OK;
    char all[256] = "";
    for (size_t i = 0; words[i] != NULL; i++) {
        if (node->kind == MR_TREE_SCALAR && node->text_bytes == strlen(words[i]) &&
            memcmp(node->text, words[i], node->text_bytes) == 0) {
            *out = i;
            return MR_OK;
        }
        size_t used = strlen(all);
        (void)snprintf(all + used, sizeof all - used, "%s%s", i > 0 ? ", " : "", words[i]);
    }
    return MR_READER_FAIL(reader, node, "%s must be one of %s; it is %s", key, all,
                          mr_tree_quote(node).text);
}

/* A name, or an id written out: then *id holds it and *written is true. */
static mr_status name_of(mr_reader *reader, const mr_tree *node, const char *key, const char **name,
                         mr_id *id, bool *written)
{
    MR_TRY(mr_reader_text(reader, node, key, MR_ID_TEXT_BYTES - 1, name));
    *written = strncmp(*name, "0x", 2) == 0;
    if (*written) {
        if (!mr_id_scan(*name, id))
            return MR_READER_FAIL(reader, node, "%s is no id: \"0x\" and 64 hex digits, not %s",
                                  key, mr_tree_quote(node).text);
        return MR_OK;
    }
    if (node->text_bytes > MR_NAME_BYTES_MAX)
        return MR_READER_FAIL(reader, node, "%s: a name has at most %d bytes", key,
                              MR_NAME_BYTES_MAX);
    for (const char *c = *name; *c != '\0'; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            return MR_READER_FAIL(reader, node, "%s: a name holds no control characters", key);
    return MR_OK;
}

mr_status mr_reader_declare(mr_reader *reader, const mr_tree *node, const char *key,
                            mr_name_kind kind, const mr_id *id, const mr_name **out)
{
    mr_name name = {.kind = kind, .line = node->line};
    bool written;
    MR_TRY(name_of(reader, node, key, &name.text, &name.id, &written));
    if (written && kind != MR_NAME_ACCOUNT)
        return MR_READER_FAIL(reader, node, "%s must be a name, not an id", key);
    if (id != NULL)
        name.id = *id;
    else if (!written)
        name.id = mr_id_of_name(name.text);
    const mr_name *there = mr_names_find(&reader->scenario->names, name.text);
    if (there != NULL)
        return MR_READER_FAIL(reader, node, "the name %s is taken already, in line %u",
                              mr_tree_quote(node).text, there->line);
    if (mr_names_add(&reader->scenario->names, &name, out) != MR_OK)
        return mr_reader_no_memory(reader);
    return MR_OK;
}

mr_status mr_reader_account(mr_reader *reader, const mr_tree *node, const char *key, mr_id *out)
{
    const char *name;
    bool written;
    MR_TRY(name_of(reader, node, key, &name, out, &written));
    if (written)
        return MR_OK;
    const mr_name *there = mr_names_find(&reader->scenario->names, name);
    if (there != NULL && there->kind != MR_NAME_ACCOUNT)
        return MR_READER_FAIL(reader, node,
                              "%s must be an account; %s is the program or code of line %u", key,
                              mr_tree_quote(node).text, there->line);
    if (there == NULL && reader->scenario->accounts)
        return MR_READER_FAIL(reader, node, "there is no account %s; add it to accounts",
                              mr_tree_quote(node).text);
    if (there == NULL)
        MR_TRY(mr_reader_declare(reader, node, key, MR_NAME_ACCOUNT, NULL, &there));
    *out = there->id;
    return MR_OK;
}

mr_status mr_reader_program(mr_reader *reader, const mr_tree *node, const char *key, mr_id *out)
{
    const char *name;
    bool written;
    MR_TRY(name_of(reader, node, key, &name, out, &written));
    if (written)
        return MR_OK;
    const mr_name *there = mr_names_find(&reader->scenario->names, name);
    if (there == NULL || there->kind != MR_NAME_PROGRAM)
        return MR_READER_FAIL(reader, node, "there is no program %s", mr_tree_quote(node).text);
    *out = there->id;
    return MR_OK;
}

mr_status mr_reader_any(mr_reader *reader, const mr_tree *node, const char *key, mr_id *out)
{
    const char *name;
    bool written;
    MR_TRY(name_of(reader, node, key, &name, out, &written));
    if (written)
        return MR_OK;
    const mr_name *there = mr_names_find(&reader->scenario->names, name);
    if (there == NULL)
        MR_TRY(mr_reader_declare(reader, node, key, MR_NAME_ACCOUNT, NULL, &there));
    *out = there->id;
    return MR_OK;
}

static uint32_t letter_number(const mr_name *name)
{
    return mr_load_le32(name->id.bytes);
}

mr_status mr_reader_name_letter(mr_reader *reader, const mr_tree *node, uint32_t *out)
{
    if (node == NULL)
        return MR_OK;
    mr_scenario *scenario = reader->scenario;
    mr_name name = {.kind = MR_NAME_ACCOUNT, .line = node->line};
    mr_number number;
    MR_TRY(mr_reader_text(reader, node, "as", MR_NAME_BYTES_MAX, &name.text));
    if (mr_number_scan(node->text, node->text_bytes, &number) != MR_INVALID)
        return MR_READER_FAIL(reader, node, "a letter's name is no number, as %s is",
                              mr_tree_quote(node).text);
    const mr_name *there = mr_names_find(&scenario->letters, name.text);
    if (there != NULL)
        return MR_READER_FAIL(reader, node, "there is a letter %s already, in line %u",
                              mr_tree_quote(node).text, there->line);
    mr_store_le32(name.id.bytes, scenario->letters_count);
    if (mr_names_add(&scenario->letters, &name, &there) != MR_OK)
        return mr_reader_no_memory(reader);
    *out = scenario->letters_count++;
    scenario->needs_inbox = true;
    return MR_OK;
}

mr_status mr_reader_letter(mr_reader *reader, const mr_tree *node, uint32_t *out)
{
    const char *text;
    MR_TRY(mr_reader_text(reader, node, "a letter", MR_NAME_BYTES_MAX, &text));
    const mr_name *name = mr_names_find(&reader->scenario->letters, text);
    if (name == NULL)
        return MR_READER_FAIL(reader, node,
                              "no letter was named %s before; what is expected of a block before "
                              "this one names it, with the key as",
                              mr_tree_quote(node).text);
    *out = letter_number(name);
    return MR_OK;
}

mr_status mr_reader_room(mr_reader *reader, const mr_tree *list, const char *key,
                         size_t entry_bytes, void *out_pointer)
{
    MR_TRY(mr_reader_list(reader, list, key));
    void *room = mr_arena_alloc(&reader->scenario->arena, list->items_count * entry_bytes);
    if (room == NULL)
        return mr_reader_no_memory(reader);
    memcpy(out_pointer, &room, sizeof room);
    return MR_OK;
}
