/* SPDX-License-Identifier: Apache-2.0 */
/* module: a WebAssembly binary taken apart, before it is rewritten. Private to vm.
 *
 * The parser is ours and not WABT's IR for three reasons. What comes out of the rewriting is part
 * of consensus, so no byte of it may depend on the version of a library. Nothing here recurses, so
 * no nesting of blocks can overflow a stack. And an instruction takes 16 bytes, so what an upload
 * costs in memory is known before it is read. Types are left to WABT's validator, which sees the
 * same bytes before anything here is trusted to be well typed.
 *
 * Everything lives in the arena of the module or borrows from the bytes parsed. */
#ifndef MR_VM_MODULE_H
#define MR_VM_MODULE_H

#include "base/arena.h"
#include "vm/code.h"

enum { MR_TYPE_I32 = 0x7f, MR_TYPE_I64 = 0x7e, MR_TYPE_NONE = 0x40 };

enum mr_section {
    MR_SECTION_CUSTOM,
    MR_SECTION_TYPE,
    MR_SECTION_IMPORT,
    MR_SECTION_FUNCTION,
    MR_SECTION_TABLE,
    MR_SECTION_MEMORY,
    MR_SECTION_GLOBAL,
    MR_SECTION_EXPORT,
    MR_SECTION_START,
    MR_SECTION_ELEMENT,
    MR_SECTION_CODE,
    MR_SECTION_DATA,
    MR_SECTION_DATA_COUNT,
};

enum { MR_EXTERN_FUNCTION = 0, MR_EXTERN_TABLE = 1, MR_EXTERN_MEMORY = 2, MR_EXTERN_GLOBAL = 3 };

/* One instruction.
 *   block, loop    a: block type                  b: its end
 *   if             a: block type                  b: its end, and << 32 its else or 0
 *   else           -                              b: its end
 *   br, br_if      a: label depth
 *   br_table       a: first of its targets        b: targets without the default
 *   call           a: function    call_indirect   a: type
 *   local, global  a: number      load, store     a: offset, b: alignment
 *   const          b: value, i32 zero-extended
 * Ends and elses are positions in the same function. */
typedef struct mr_instr {
    uint8_t op;
    uint32_t a;
    uint64_t b;
} mr_instr;

typedef struct mr_func_type {
    const uint8_t *params; /* MR_TYPE_I32 or MR_TYPE_I64 each */
    uint32_t params_count;
    uint8_t result; /* type, or MR_TYPE_NONE */
} mr_func_type;

typedef struct mr_import {
    mr_span module;
    mr_span name;
    uint32_t type;
} mr_import;

typedef struct mr_local_run {
    uint32_t count;
    uint8_t type;
} mr_local_run;

typedef struct mr_function {
    uint32_t type;
    uint32_t locals_count; /* parameters not counted */
    const mr_local_run *runs;
    uint32_t runs_count;
    mr_instr *body; /* ends with its end */
    uint32_t body_count;
    size_t end; /* where in the module its bytes end */
} mr_function;

typedef struct mr_global {
    uint8_t type;
    bool is_mutable;
    uint64_t value; /* i32 zero-extended */
} mr_global;

typedef struct mr_export {
    mr_span name;
    uint8_t kind;
    uint32_t index;
} mr_export;

typedef struct mr_elem {
    uint32_t offset;
    const uint32_t *functions;
    uint32_t count;
} mr_elem;

typedef struct mr_data {
    uint32_t offset;
    mr_span bytes;
} mr_data;

/* An open block while a body is read. */
typedef struct mr_open_block {
    uint32_t begin; /* position of its block, loop or if */
    uint32_t other; /* position of its else, 0 without */
} mr_open_block;

typedef struct mr_module {
    mr_arena arena;
    mr_func_type *types;
    uint32_t types_count;
    mr_span types_bytes; /* entries of the type section */
    mr_import *imports;  /* functions only */
    uint32_t imports_count;
    bool has_memory;
    mr_span memory_module;
    mr_span memory_name;
    uint32_t memory_pages;
    bool memory_has_max;
    mr_function *functions; /* of the module itself */
    uint32_t functions_count;
    bool has_table;
    uint32_t table_min;
    uint32_t table_max;
    bool table_has_max;
    mr_global *globals;
    uint32_t globals_count;
    mr_span globals_bytes; /* entries of the global section */
    mr_export *exports;
    uint32_t exports_count;
    mr_elem *elems;
    uint32_t elems_count;
    mr_data *data;
    uint32_t data_count;
    uint32_t *targets; /* label depths of all br_table */
    uint32_t targets_count;
    size_t code_start;   /* where in the module the function bodies start, with their count */
    size_t custom_bytes; /* of custom sections before that */
    mr_span *names;      /* by function, imports counted; NULL without a name section */
    mr_open_block *open; /* MR_CODE_NESTING_MAX of them, while bodies are read */
} mr_module;

/* mr_module_parse takes `bytes` apart. What an ABI can never allow (floats, SIMD, passive segments,
 * imported tables, ...) is refused here, what its rules decide is not.
 * Errors: MR_MODULE; MR_NO_MEMORY.  Owns: `out` borrows `bytes`; mr_module_fini whatever came. */
mr_status mr_module_parse(mr_span bytes, const mr_module_rules *rules, mr_module *out,
                          mr_error *error);
void mr_module_fini(mr_module *module);

/* mr_module_strip appends a parsed module without its custom sections, for others to read: what is
 * in custom sections is nobody's business, and WABT would read some of them. */
mr_status mr_module_strip(mr_span bytes, mr_buffer *out, mr_error *error);

/* mr_module_check_rules applies `rules`. */
mr_status mr_module_check_rules(const mr_module *module, const mr_module_rules *rules,
                                mr_error *error);

/* mr_module_stack_end finds the exported stack end; 0 without one. The module passed the check. */
uint32_t mr_module_stack_end(const mr_module *module, const mr_module_rules *rules);

/* mr_module_at finds the function whose bytes are around `offset`, imports counted; UINT32_MAX when
 * there is none. */
uint32_t mr_module_at(const mr_module *module, size_t offset);

/* mr_module_type returns the type of function `index`, imports counted. */
const mr_func_type *mr_module_type(const mr_module *module, uint32_t index);

bool mr_func_type_equal(const mr_func_type *a, const mr_func_type *b);

/* mr_printable returns a byte of a name as it may stand in messages, files and profiles. */
static inline char mr_printable(uint8_t byte)
{
    return byte >= 0x20 && byte < 0x7f ? (char)byte : '?';
}

/* mr_text copies a name out of a module for a message: one line, printable, cut when too long. */
enum { MR_TEXT_BYTES = 64 };
const char *mr_text(mr_span bytes, char out[MR_TEXT_BYTES]);

/* mr_module_where writes "function 7 (handle)" for messages, and returns `out`. */
enum { MR_WHERE_BYTES = 96 };
const char *mr_module_where(const mr_module *module, uint32_t index, char out[MR_WHERE_BYTES]);

/* ---- Between the files of the parser ---- */

/* Where reading is. `end` bounds the current section or body. */
typedef struct mr_reader {
    const uint8_t *start; /* of the module, for offsets in messages */
    const uint8_t *at;
    const uint8_t *end;
    mr_error *error;
} mr_reader;

static inline size_t mr_reader_left(const mr_reader *reader)
{
    return (size_t)(reader->end - reader->at);
}

static inline size_t mr_reader_offset(const mr_reader *reader)
{
    return (size_t)(reader->at - reader->start);
}

mr_status mr_read_byte(mr_reader *reader, const char *what, uint8_t *out);
mr_status mr_read_u32(mr_reader *reader, const char *what, uint32_t *out);
mr_status mr_read_s32(mr_reader *reader, const char *what, uint32_t *out);
mr_status mr_read_s64(mr_reader *reader, const char *what, uint64_t *out);
mr_status mr_read_span(mr_reader *reader, const char *what, mr_span *out);

/* mr_read_count reads how many items follow, each taking at least `item_bytes`, so that nothing is
 * allocated for items that cannot be there. */
mr_status mr_read_count(mr_reader *reader, const char *what, size_t item_bytes, uint32_t *out);

/* mr_read_type reads a value type; floats, vectors and references are refused by name. */
mr_status mr_read_type(mr_reader *reader, const char *what, uint8_t *out);

/* mr_read_section reads the payload of a section that is not custom. */
mr_status mr_read_section(mr_reader *reader, mr_module *module, const mr_module_rules *rules,
                          uint8_t id);

/* mr_read_body reads function `number` of the module itself, its locals and instructions. */
mr_status mr_read_body(mr_reader *reader, mr_module *module, const mr_module_rules *rules,
                       uint32_t number);

/* mr_read_names reads function names; a malformed section is as good as none. */
void mr_read_names(mr_reader reader, mr_module *module);

/* mr_module_alloc returns zeroed memory for `count` items; never NULL for none. */
void *mr_module_alloc(mr_module *module, size_t count, size_t item_bytes);

#endif
