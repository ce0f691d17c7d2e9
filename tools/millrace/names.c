/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/millrace/names.h"

#include <search.h>
#include <string.h>

#include "tools/millrace/number.h"

const char *const mr_admission_words[] = {
    [MR_ADMISSION_ACCEPTED] = "accepted",       [MR_ADMISSION_BALANCE] = "balance",
    [MR_ADMISSION_NO_PROGRAM] = "no_program",   [MR_ADMISSION_NO_CODE] = "no_code",
    [MR_ADMISSION_NO_MESSAGE] = "no_message",   [MR_ADMISSION_PROGRAM_EXISTS] = "program_exists",
    [MR_ADMISSION_CODE_EXISTS] = "code_exists", [MR_ADMISSION_MODULE] = "module",
    [MR_ADMISSION_PAYLOAD] = "payload",         [MR_ADMISSION_MALFORMED] = "malformed",
    [MR_ADMISSION_GAS_LIMIT] = "gas_limit",     NULL,
};

#define ADMISSION_ONE(name, text) +1
static_assert(sizeof mr_admission_words / sizeof mr_admission_words[0] ==
                  1 MR_ADMISSION_MAP(ADMISSION_ONE),
              "every admission has a word");

static int compare_text(const void *a, const void *b)
{
    return strcmp(((const mr_name *)a)->text, ((const mr_name *)b)->text);
}

static int compare_id(const void *a, const void *b)
{
    return memcmp(&((const mr_name *)a)->id, &((const mr_name *)b)->id, sizeof(mr_id));
}

static const mr_name *found(void *node)
{
    return node == NULL ? NULL : *(mr_name *const *)node;
}

mr_status mr_names_add(mr_names *names, const mr_name *name, const mr_name **there)
{
    const mr_name *old = mr_names_find(names, name->text);
    if (old != NULL) {
        *there = old;
        return MR_OK;
    }
    size_t size = strlen(name->text) + 1;
    mr_name *copy = mr_arena_alloc(names->arena, sizeof *copy);
    char *text = mr_arena_alloc(names->arena, size);
    if (copy == NULL || text == NULL)
        return MR_NO_MEMORY;
    *copy = *name;
    copy->text = memcpy(text, name->text, size);
    if (tsearch(copy, &names->by_text, compare_text) == NULL)
        return MR_NO_MEMORY;
    if (tsearch(copy, &names->by_id, compare_id) == NULL)
        return MR_NO_MEMORY;
    *there = copy;
    return MR_OK;
}

const mr_name *mr_names_find(const mr_names *names, const char *text)
{
    mr_name key = {.text = text};
    return found(tfind(&key, &names->by_text, compare_text));
}

const mr_name *mr_names_find_id(const mr_names *names, const mr_id *id)
{
    mr_name key = {.id = *id};
    return found(tfind(&key, &names->by_id, compare_id));
}

/* The entries belong to the arena. */
static void leave(void *entry)
{
    (void)entry;
}

void mr_names_fini(mr_names *names)
{
    tdestroy(names->by_text, leave);
    tdestroy(names->by_id, leave);
    names->by_text = names->by_id = NULL;
}

mr_id_text mr_id_print(const mr_id *id)
{
    mr_id_text out = {"0x"};
    mr_hex_print(mr_span_of(id->bytes, sizeof id->bytes), out.text + 2);
    return out;
}

mr_id_text mr_names_print(const mr_names *names, const mr_id *id)
{
    const mr_name *name = names == NULL ? NULL : mr_names_find_id(names, id);
    if (name == NULL)
        return mr_id_print(id);
    mr_id_text out = {""};
    strncat(out.text, name->text, sizeof out.text - 1);
    return out;
}

mr_id_text mr_names_brief(const mr_names *names, const mr_id *id)
{
    static const char system[] = "geargeargeargeargeargeargeargear";
    static_assert(sizeof system == sizeof id->bytes + 1, "the letters gear eight times");
    if (memcmp(id->bytes, system, sizeof id->bytes) == 0)
        return (mr_id_text){"system"};
    mr_id_text out = mr_names_print(names, id);
    if (names == NULL || mr_names_find_id(names, id) == NULL)
        memcpy(out.text + 2 + 8, "..", sizeof "..");
    return out;
}

bool mr_id_scan(const char *text, mr_id *out)
{
    if (text[0] == '0' && text[1] == 'x')
        text += 2;
    return strlen(text) == 2 * sizeof out->bytes && mr_hex_scan(text, out->bytes);
}
