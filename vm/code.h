/* SPDX-License-Identifier: Apache-2.0 */
/* code: an uploaded module, checked against the rules of an ABI and rewritten once, for every tier.
 *
 * The rewritten module charges gas from a mutable global once per basic block, bounds the height of
 * the stack so that recursion ends at the same depth in every tier, and marks the unit of every
 * store in a second memory. All tiers run these very bytes, so they agree by construction. */
#ifndef MR_VM_CODE_H
#define MR_VM_CODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"
#include "vm/unit.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mr_code mr_code;

/* Goes up with every change after which some module comes out in other bytes: what a trap burns and
 * where a recursion ends depend on them, so they are part of the rules that all machines share. */
enum { MR_CODE_VERSION = 1 };

enum { MR_IMPORTS_MAX = 128, MR_ENTRIES_MAX = 16, MR_HOST_PARAMS_MAX = 8 };

/* Blocks within blocks of one function. Compilers need one for each case of a switch; a compiler
 * that reads the code later must not run out of stack on it. */
enum { MR_CODE_NESTING_MAX = 1024 };

/* A module may have this many times the bytes of an upload when rewritten. Compilers' code grows to
 * 1.2 to 1.4 times its size; code made to grow is refused. */
enum { MR_CODE_GROWTH_MAX = 2 };

/* The type of a host function: one letter a parameter, 'i' for i32 and 'l' for i64, then ':' and
 * the result letter if there is one. "il:i" takes (i32, i64) and returns i32; "" and ":" take and
 * return nothing. */
typedef struct mr_import_rule {
    const char *name;
    const char *type;
} mr_import_rule;

/* What an ABI demands of a module. Strings and arrays are static. */
typedef struct mr_module_rules {
    const char *import_module;     /* where functions and memory come from: "env" */
    const char *memory_name;       /* the mandatory imported memory: "memory" */
    const mr_import_rule *imports; /* functions that may be imported, each at most once */
    uint32_t imports_count;        /* .. MR_IMPORTS_MAX */
    const char *const *entries;    /* functions () -> () that may be exported */
    uint32_t entries_count;        /* .. MR_ENTRIES_MAX */
    uint32_t entries_required;     /* bit set of entries, one of which must be there */
    const char *stack_end_export;  /* immutable i32 global: end of the shadow stack */
    uint32_t code_bytes_max;       /* of the module as uploaded */
    uint32_t static_pages_max;     /* of the imported memory's minimum */
    uint32_t type_section_bytes_max;
    uint32_t data_segments_max;
    uint32_t params_max; /* of one function */
    uint32_t locals_max; /* of one function, parameters not counted */
    uint32_t globals_max;
    uint32_t table_elements_max;
    uint32_t br_table_targets_max;
} mr_module_rules;

/* Values that one call counts for on top of its own, so that depth is bounded, too. What rewriting
 * puts on the stack for a while is within them. */
enum { MR_CODE_FRAME_VALUES = 8 };

/* Prices of what the rewritten code charges by itself. Part of the gas schedule. */
typedef struct mr_code_prices {
    uint64_t instruction;      /* gas per WebAssembly instruction, .. MR_CODE_PRICE_MAX; block,
                                * loop, end, else, nop and drop are free */
    uint32_t stack_height_max; /* in values; what one call takes is its locals, parameters and
                                * greatest operand height, plus MR_CODE_FRAME_VALUES */
} mr_code_prices;

#define MR_CODE_PRICE_MAX ((uint64_t)1 << 32)

/* Bounds of what a call of an entry holds at any time, whatever the code: values (parameters,
 * locals and operands of all active functions) and functions active, host functions not counted.
 * A tier gives its stack this much. */
static inline uint32_t mr_code_values_max(const mr_code_prices *prices)
{
    return prices->stack_height_max;
}
static inline uint32_t mr_code_frames_max(const mr_code_prices *prices)
{
    return prices->stack_height_max / MR_CODE_FRAME_VALUES;
}

/* mr_code_new parses, validates (floats, SIMD, bulk memory, reference types, multi-value, start
 * sections, exported mutable globals and memory.grow are refused), checks the rules, rewrites,
 * and validates the result again.
 * Errors: MR_MODULE with a sentence for the module's author: what is wrong and where (function by
 *         name or number, import by name); MR_NO_MEMORY.
 * Owns:   `original` is copied as far as needed. The caller holds one reference to *out.
 * Threads: any. */
mr_status mr_code_new(const mr_module_rules *rules, const mr_code_prices *prices, mr_span original,
                      mr_code **out, mr_error *error);

/* Counted references. Threads: any. */
mr_code *mr_code_get(mr_code *code);
void mr_code_put(mr_code *code);

/* Facts of the module. Threads: any; all immutable. */
mr_span mr_code_rewritten(const mr_code *code); /* a valid module, as every tier runs it */
bool mr_code_has_entry(const mr_code *code, uint32_t entry); /* index into rules->entries */
uint32_t mr_code_static_pages(const mr_code *code);          /* minimum of the imported memory */
uint32_t mr_code_stack_end(const mr_code *code);    /* bytes, multiple of a page; 0 when none */
uint32_t mr_code_instructions(const mr_code *code); /* charged instructions in the whole code */
size_t mr_code_bytes(const mr_code *code);          /* memory this object holds */

/* mr_code_base_unit returns the initial content of memory unit `unit`, as the data segments make
 * it, or NULL when it is all zero. Borrowed for the life of the code. */
const uint8_t *mr_code_base_unit(const mr_code *code, uint32_t unit);

/* mr_code_base_units lists, ascending, the units for which mr_code_base_unit is not NULL. */
const uint32_t *mr_code_base_units(const mr_code *code, uint32_t *count);

/* mr_code_function_name returns the name of function `index` (imports counted) from the module's
 * name section, or NULL. */
const char *mr_code_function_name(const mr_code *code, uint32_t index);

/* mr_code_functions_count returns how many functions the uploaded module has, imports counted;
 * numbers of functions are below it. mr_code_import_name returns the name by which function `index`
 * is imported, NULL when it is the module's own. */
uint32_t mr_code_functions_count(const mr_code *code);
const char *mr_code_import_name(const mr_code *code, uint32_t index);

/* mr_code_entry_function returns the function exported as `entry`, which the code must have. */
uint32_t mr_code_entry_function(const mr_code *code, uint32_t entry);

/* mr_code_uploaded turns a function's number in the rewritten module into that of the uploaded one.
 * mr.break is not in the latter: it must not be asked for. */
uint32_t mr_code_uploaded(const mr_code *code, uint32_t rewritten);

/* mr_code_function_text writes what a person calls function `index`: the name it is imported by,
 * else that of the name section, a Rust one as written in the source, else "function 17". One
 * printable line, cut when too long. Returns `out`. */
enum { MR_FUNCTION_TEXT_BYTES = 256 };
const char *mr_code_function_text(const mr_code *code, uint32_t index,
                                  char out[MR_FUNCTION_TEXT_BYTES]);

#ifndef __cplusplus
/* mr_code_artifact returns the code's place for what the native tier keeps with it (vm/native.h).
 */
_Atomic(void *) *mr_code_artifact(mr_code *code);
#endif

/* Names by which the rewritten module's additions are found by tiers. */
#define MR_CODE_GAS_EXPORT    "mr_gas"    /* mutable i64 global: gas left; negative is out of gas */
#define MR_CODE_HEIGHT_EXPORT "mr_height" /* mutable i32 global: stack height in use */
#define MR_CODE_MARKS_MODULE  "mr"        /* the second memory is imported as mr.marks */
#define MR_CODE_MARKS_NAME    "marks"
#define MR_CODE_BREAK_NAME    "break" /* function mr.break (i32 reason): never returns */
enum { MR_BREAK_GAS = 0, MR_BREAK_STACK = 1 };

/* mr_code_pack makes a module built by an ordinary linker with its stack first
 * (wasm-ld --stack-first) ready for upload: adds the stack-end export from the initial value of
 * __stack_pointer, moves other mutable globals into a page of memory behind the static ones, since
 * globals do not outlive a message, and drops exports that are not entries, custom sections but
 * for names, and zeroes around data segments. What comes out keeps the rules.
 * Errors: MR_MODULE; MR_NO_MEMORY.  Owns: appends to *out. Threads: any. */
mr_status mr_code_pack(const mr_module_rules *rules, mr_span module, mr_buffer *out,
                       mr_error *error);

/* mr_code_from_text turns the WebAssembly text format into a binary module, names kept. It takes up
 * to 1 MiB of stack: WABT's parser recurses, parentheses and blocks are limited to
 * MR_CODE_NESTING_MAX within each other.
 * Errors: MR_MODULE with line and column. Owns: appends to *out. Threads: any. */
mr_status mr_code_from_text(mr_span text, const char *file_name, mr_buffer *out, mr_error *error);

#ifdef __cplusplus
}
#endif

#endif
