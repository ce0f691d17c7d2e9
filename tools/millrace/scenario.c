/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/millrace/scenario.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "tools/millrace/file.h"
#include "tools/millrace/reader.h"

/* A module named by a scenario lies relative to it. */
static mr_status module_path(mr_reader *reader, const mr_tree *node, const char *path, char *out,
                             size_t out_bytes)
{
    const char *file_name = reader->scenario->file_name;
    const char *slash = strrchr(file_name, '/');
    int folder_bytes = path[0] == '/' || slash == NULL ? 0 : (int)(slash - file_name) + 1;
    int used = snprintf(out, out_bytes, "%.*s%s", folder_bytes, file_name, path);
    if (used < 0 || (size_t)used >= out_bytes)
        return MR_READER_FAIL(reader, node, "the path %s is too long", mr_tree_quote(node).text);
    return MR_OK;
}

static mr_status load_module(mr_reader *reader, const mr_tree *node, const char *path,
                             mr_buffer *out)
{
    char full[PATH_MAX];
    MR_TRY(module_path(reader, node, path, full, sizeof full));
    __attribute__((cleanup(mr_buffer_fini))) mr_buffer bytes = {0};
    mr_status status = mr_file_read(full, MR_FILE_BYTES_MAX, &bytes, reader->error);
    if (status == MR_OK && mr_file_is_wat(path)) {
        status = mr_module_from_text(mr_buffer_span(&bytes), full, out, reader->error);
    } else if (status == MR_OK) {
        *out = bytes;
        bytes = (mr_buffer){0};
    }
    if (status != MR_OK)
        return mr_error_prefix(reader->error, status, "%s:%u: ", reader->scenario->file_name,
                               node->line);
    return mr_reader_count(reader, node, out->size);
}

/* Reads a module at its first mention, and notes its code once however many files hold it. */
static mr_status code_of(mr_reader *reader, const mr_tree *node, const mr_id *from,
                         mr_buffer *codes, mr_id *out)
{
    const char *path;
    MR_TRY(mr_reader_text(reader, node, "path", PATH_MAX - 1, &path));
    const mr_name *known = mr_names_find(&reader->paths, path);
    if (known != NULL) {
        *out = known->id;
        return MR_OK;
    }
    __attribute__((cleanup(mr_buffer_fini))) mr_buffer module = {0};
    MR_TRY(load_module(reader, node, path, &module));
    mr_scenario_code code = {
        .from = *from, .id = mr_id_of_code(mr_buffer_span(&module)), .line = node->line};
    bool new_code = mr_names_find_id(&reader->paths, &code.id) == NULL;
    mr_name name = {.text = path, .kind = MR_NAME_CODE, .id = code.id, .line = node->line};
    if (mr_names_add(&reader->paths, &name, &known) != MR_OK)
        return mr_reader_no_memory(reader);
    *out = code.id;
    if (!new_code)
        return MR_OK;
    const uint8_t *copy;
    MR_TRY(mr_reader_keep(reader, &module, &copy));
    code.module = mr_span_of(copy, module.size);
    if (mr_buffer_append(codes, mr_span_of(&code, sizeof code)) != MR_OK)
        return mr_reader_no_memory(reader);
    return MR_OK;
}

/* A salt is text, or anything that a payload can be. */
static mr_status read_salt(mr_reader *reader, const mr_tree *node, mr_span *out)
{
    if (node == NULL || node->kind != MR_TREE_SCALAR)
        return mr_payload_read(reader, node, out);
    MR_TRY(mr_reader_count(reader, node, node->text_bytes));
    *out = mr_span_of(node->text, node->text_bytes);
    return MR_OK;
}

static mr_status read_code(mr_reader *reader, const mr_tree *map, mr_buffer *codes)
{
    const mr_tree *name, *path, *from;
    MR_TRY(mr_reader_keys(reader, map, "a code", "name path from"));
    MR_TRY(mr_reader_need(reader, map, "a code", "name", &name));
    MR_TRY(mr_reader_need(reader, map, "a code", "path", &path));
    MR_TRY(mr_reader_need(reader, map, "a code", "from", &from));
    mr_id payer, id;
    const mr_name *declared;
    MR_TRY(mr_reader_account(reader, from, "from", &payer));
    MR_TRY(code_of(reader, path, &payer, codes, &id));
    return mr_reader_declare(reader, name, "name", MR_NAME_CODE, &id, &declared);
}

/* First pass: everything that a program's id depends on. */
static mr_status declare_program(mr_reader *reader, const mr_tree *map, mr_buffer *codes,
                                 mr_scenario_program *out)
{
    const mr_tree *name, *path, *from;
    MR_TRY(mr_reader_keys(reader, map, "a program", "name path from salt init gas value"));
    MR_TRY(mr_reader_need(reader, map, "a program", "name", &name));
    MR_TRY(mr_reader_need(reader, map, "a program", "path", &path));
    MR_TRY(mr_reader_need(reader, map, "a program", "from", &from));
    mr_scenario_program program = {.gas = MR_SCENARIO_GAS, .line = map->line};
    MR_TRY(mr_reader_account(reader, from, "from", &program.from));
    MR_TRY(code_of(reader, path, &program.from, codes, &program.code));
    MR_TRY(read_salt(reader, mr_reader_field(map, "salt"), &program.salt));
    program.id = mr_id_of_program(&program.code, program.salt);
    const mr_name *twin = mr_names_find_id(&reader->scenario->names, &program.id);
    if (twin != NULL)
        return MR_READER_FAIL(reader, map,
                              "this program has the module and salt of %s in line %u; "
                              "give it another salt",
                              mr_quote(twin->text, strlen(twin->text)).text, twin->line);
    const mr_name *declared;
    MR_TRY(mr_reader_declare(reader, name, "name", MR_NAME_PROGRAM, &program.id, &declared));
    program.name = declared->text;
    MR_TRY(mr_reader_u64(reader, mr_reader_field(map, "gas"), "gas", 0, UINT64_MAX, &program.gas));
    MR_TRY(mr_reader_value(reader, mr_reader_field(map, "value"), "value", &program.value));
    *out = program;
    return MR_OK;
}

static mr_status read_codes(mr_reader *reader, const mr_tree *list, mr_buffer *codes)
{
    if (list == NULL)
        return MR_OK;
    MR_TRY(mr_reader_list(reader, list, "codes"));
    for (size_t i = 0; i < list->items_count; i++)
        MR_TRY(read_code(reader, list->items[i], codes));
    return MR_OK;
}

static mr_status read_programs(mr_reader *reader, const mr_tree *list, mr_buffer *codes)
{
    mr_scenario *scenario = reader->scenario;
    if (list == NULL)
        return MR_OK;
    MR_TRY(mr_reader_list(reader, list, "programs"));
    scenario->program =
        mr_arena_alloc(&scenario->arena, list->items_count * sizeof *scenario->program);
    if (scenario->program == NULL)
        return mr_reader_no_memory(reader);
    for (size_t i = 0; i < list->items_count; i++)
        MR_TRY(declare_program(reader, list->items[i], codes, &scenario->program[i]));
    scenario->programs_count = list->items_count;
    /* Second pass: by now every program's name stands for its id. */
    for (size_t i = 0; i < list->items_count; i++)
        MR_TRY(mr_payload_read(reader, mr_reader_field(list->items[i], "init"),
                               &scenario->program[i].init));
    return MR_OK;
}

mr_status mr_scenario_read_programs(mr_reader *reader, const mr_tree *codes_list,
                                    const mr_tree *programs)
{
    __attribute__((cleanup(mr_buffer_fini))) mr_buffer codes = {0};
    MR_TRY(read_codes(reader, codes_list, &codes));
    MR_TRY(read_programs(reader, programs, &codes));
    MR_TRY(mr_reader_keep(reader, &codes, &reader->scenario->code));
    reader->scenario->codes_count = codes.size / sizeof *reader->scenario->code;
    return MR_OK;
}

static mr_status read_accounts(mr_reader *reader, const mr_tree *map)
{
    mr_scenario *scenario = reader->scenario;
    if (map == NULL)
        return MR_OK;
    if (map->kind != MR_TREE_MAP)
        return MR_READER_FAIL(reader, map, "accounts must be a map of names to balances, not %s",
                              mr_tree_quote(map).text);
    size_t count = map->items_count / 2;
    scenario->accounts = true;
    scenario->genesis = mr_arena_alloc(&scenario->arena, count * sizeof *scenario->genesis);
    if (scenario->genesis == NULL)
        return mr_reader_no_memory(reader);
    mr_value total = 0;
    for (size_t i = 0; i < count; i++) {
        const mr_name *name;
        mr_balance balance = {0};
        MR_TRY(mr_reader_declare(reader, map->items[2 * i], "an account", MR_NAME_ACCOUNT, NULL,
                                 &name));
        MR_TRY(mr_reader_value(reader, map->items[2 * i + 1], name->text, &balance.balance));
        if (__builtin_add_overflow(total, balance.balance, &total))
            return MR_READER_FAIL(reader, map->items[2 * i],
                                  "the balances add up to 2^128 or more");
        balance.account = name->id;
        scenario->genesis[i] = balance;
    }
    scenario->genesis_count = count;
    return MR_OK;
}

static mr_status read_root(mr_reader *reader, const mr_tree *root)
{
    MR_TRY(mr_reader_keys(reader, root, "a scenario", "title accounts codes programs blocks"));
    MR_TRY(mr_reader_text(reader, mr_reader_field(root, "title"), "title", 1000,
                          &reader->scenario->title));
    MR_TRY(read_accounts(reader, mr_reader_field(root, "accounts")));
    MR_TRY(mr_scenario_read_programs(reader, mr_reader_field(root, "codes"),
                                     mr_reader_field(root, "programs")));
    return mr_scenario_read_blocks(reader, mr_reader_field(root, "blocks"));
}

static void reader_fini(mr_reader *reader)
{
    mr_names_fini(&reader->paths);
}

static mr_status read_file(mr_scenario *scenario, const char *path, mr_error *error)
{
    __attribute__((cleanup(mr_buffer_fini))) mr_buffer text = {0};
    MR_TRY(mr_file_read(path, MR_FILE_BYTES_MAX, &text, error));
    if (text.size >= 4 && memcmp(text.data, "\0asm", 4) == 0)
        return MR_FAIL(error, MR_INVALID,
                       "%s is a WebAssembly module, and no scenario; a scenario names the modules "
                       "to run",
                       path);
    __attribute__((cleanup(reader_fini)))
    mr_reader reader = {.scenario = scenario, .paths = {.arena = &scenario->arena}, .error = error};
    const mr_tree *root;
    MR_TRY(mr_tree_parse(mr_buffer_span(&text), path, &scenario->arena, &root, error));
    return read_root(&reader, root);
}

mr_status mr_scenario_open(const char *path, mr_scenario *out, mr_error *error)
{
    *out = (mr_scenario){.file_name = path, .title = ""};
    out->names.arena = out->letters.arena = &out->arena;
    mr_status status = read_file(out, path, error);
    if (status != MR_OK)
        mr_scenario_close(out);
    return status;
}

void mr_scenario_close(mr_scenario *scenario)
{
    mr_names_fini(&scenario->names);
    mr_names_fini(&scenario->letters);
    mr_arena_fini(&scenario->arena);
}
