/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/native_stack.h"

#include <elf.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vm/native_artifact.h"

/* Of a frame: what the compiler does not count, return address included. Of a call: for host
 * functions, and for functions that are none of the module's. */
enum { FRAME_SPARE_BYTES = 16, CALL_SPARE_BYTES = 256 << 10 };

typedef struct bound {
    const mr_stack_facts *facts;
    uint64_t *frames; /* of the module's functions, by number; 0 not seen */
    uint64_t once;    /* frames of others, each of which is there once */
} bound;

/* What the symbol `name` takes. gcc may make several of one function, of which a call then has
 * more than one frame: a part of the function, as w2c_f12.part.0, is called by the rest of it. */
static void add(bound *to, const char *name, uint64_t bytes)
{
    unsigned function;
    bytes += FRAME_SPARE_BYTES;
    if (sscanf(name, "w2c_f%u", &function) == 1 && function < to->facts->text->functions_count)
        to->frames[function] += bytes;
    else
        to->once += bytes;
}

/* What the module's functions take, whatever calls whatever. */
static uint64_t all_frames(const bound *of)
{
    const mr_native_text *text = of->facts->text;
    uint64_t most = 0;
    for (uint32_t i = 0; i < text->functions_count; i++) {
        const uint64_t values = text->values[i];
        const uint64_t all =
            (of->frames[i] * mr_code_values_max(of->facts->prices) + values - 1) / values;
        most = all > most ? all : most;
    }
    return most;
}

static uint32_t functions_seen(const bound *of)
{
    uint32_t seen = 0;
    for (uint32_t i = 0; i < of->facts->text->functions_count; i++)
        seen += of->frames[i] != 0;
    return seen;
}

/* ---- gcc and clang ---- */

/* Two compilers name the file in two ways. */
static FILE *open_list(const char *directory)
{
    static const char *const names[] = {"m.so-m.su", "m.su"};
    char path[PATH_MAX + 16];
    FILE *file = NULL;
    for (size_t i = 0; i < sizeof names / sizeof names[0] && file == NULL; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", directory, names[i]);
        file = mr_artifact_lines(path);
    }
    return file;
}

/* Lines are m.c:12:3:function, tab, bytes, tab, and what they are: all there ever is, or as much as
 * there may be while arguments are pushed. */
static mr_status read_list(bound *to)
{
    FILE *file = open_list(to->facts->directory);
    if (file == NULL)
        return MR_MODULE;
    char line[1024];
    mr_status status = MR_OK;
    while (status == MR_OK && fgets(line, sizeof line, file) != NULL) {
        unsigned long long bytes;
        char kind[32];
        char *tab = strchr(line, '\t');
        if (tab == NULL || sscanf(tab, "%llu %31s", &bytes, kind) != 2 ||
            (strcmp(kind, "static") != 0 && strcmp(kind, "dynamic,bounded") != 0)) {
            status = MR_MODULE;
            break;
        }
        *tab = 0;
        const char *name = strrchr(line, ':');
        add(to, name != NULL ? name + 1 : line, bytes);
    }
    (void)fclose(file);
    return status == MR_OK && all_frames(to) + to->once == 0 ? MR_MODULE : status;
}

/* ---- tcc ---- */

/* A section of the type, or false. */
static bool find_section(mr_span object, const Elf64_Ehdr *head, uint32_t type, Elf64_Shdr *out)
{
    for (uint32_t i = 0; i < head->e_shnum; i++) {
        const uint64_t at = head->e_shoff + (uint64_t)i * sizeof *out;
        if (at > object.size || object.size - at < sizeof *out)
            return false;
        memcpy(out, object.data + at, sizeof *out);
        if (out->sh_type == type)
            return out->sh_offset <= object.size && out->sh_size <= object.size - out->sh_offset;
    }
    return false;
}

/* Where in the file an address is loaded from. */
static bool find_bytes(mr_span object, const Elf64_Ehdr *head, uint64_t address, uint64_t size,
                       const uint8_t **out)
{
    for (uint32_t i = 0; i < head->e_phnum; i++) {
        Elf64_Phdr part;
        const uint64_t at = head->e_phoff + (uint64_t)i * sizeof part;
        if (at > object.size || object.size - at < sizeof part)
            return false;
        memcpy(&part, object.data + at, sizeof part);
        if (part.p_type != PT_LOAD || address < part.p_vaddr ||
            address - part.p_vaddr >= part.p_filesz)
            continue;
        const uint64_t place = part.p_offset + (address - part.p_vaddr);
        *out = object.data + place;
        return place <= object.size && object.size - place >= size;
    }
    return false;
}

/* tcc begins every function with push %rbp; mov %rsp,%rbp; sub $imm32,%rsp, and pushes arguments
 * beyond that. */
static mr_status add_frame(bound *to, const Elf64_Ehdr *head, const char *name, uint64_t address)
{
    static const uint8_t prologue[] = {0x55, 0x48, 0x89, 0xe5, 0x48, 0x81, 0xec};
    const uint8_t *code;
    if (!find_bytes(to->facts->object, head, address, sizeof prologue + 4, &code) ||
        memcmp(code, prologue, sizeof prologue) != 0)
        return MR_MODULE;
    const uint64_t pushed = 8 * ((uint64_t)to->facts->text->params_max + 4);
    add(to, name, mr_load_le32(code + sizeof prologue) + pushed);
    return MR_OK;
}

static mr_status read_code(bound *to)
{
    const mr_span object = to->facts->object;
    Elf64_Ehdr head;
    Elf64_Shdr symbols, names;
    if (object.size < sizeof head)
        return MR_MODULE;
    memcpy(&head, object.data, sizeof head);
    if (memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 || head.e_machine != EM_X86_64 ||
        !find_section(object, &head, SHT_DYNSYM, &symbols) ||
        !find_section(object, &head, SHT_STRTAB, &names) || names.sh_size == 0 ||
        object.data[names.sh_offset + names.sh_size - 1] != 0)
        return MR_MODULE;
    for (uint64_t at = 0; at + sizeof(Elf64_Sym) <= symbols.sh_size; at += sizeof(Elf64_Sym)) {
        Elf64_Sym symbol;
        memcpy(&symbol, object.data + symbols.sh_offset + at, sizeof symbol);
        if (ELF64_ST_TYPE(symbol.st_info) != STT_FUNC || symbol.st_value == 0)
            continue;
        if (symbol.st_name >= names.sh_size)
            return MR_MODULE;
        MR_TRY(add_frame(to, &head, (const char *)object.data + names.sh_offset + symbol.st_name,
                         symbol.st_value));
    }
    return functions_seen(to) == to->facts->text->functions_count - to->facts->text->imports_count
               ? MR_OK
               : MR_MODULE;
}

mr_status mr_native_stack(const mr_stack_facts *facts, uint64_t *out)
{
    bound to = {.facts = facts, .frames = calloc(facts->text->functions_count, sizeof *to.frames)};
    if (to.frames == NULL)
        return MR_NO_MEMORY;
    const mr_status status = facts->is_tcc ? read_code(&to) : read_list(&to);
    if (status == MR_OK)
        *out = all_frames(&to) + to.once + CALL_SPARE_BYTES;
    free(to.frames);
    return status;
}
