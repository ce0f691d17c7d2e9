/* SPDX-License-Identifier: Apache-2.0 */
/* bare: a module run by WABT's interpreter and nothing else of ours, to compare with.
 *
 * A reference is the module as uploaded, in which WABT's IR put a call of env.count in front of
 * every instruction that costs gas: an independent and slow way to count them. Modules for it
 * import env.count first. A rewritten module runs with gas, and its marks can be looked at. Both
 * see the same host functions: each notes its name and arguments, and what it returns depends on
 * everything noted before. They may be let act on memory and gas, too. */
#ifndef MR_TESTS_VM_BARE_H
#define MR_TESTS_VM_BARE_H

#include "vm/code.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum bare_end {
    BARE_DONE,
    BARE_OUT_OF_GAS, /* mr.break, or gas is negative at the end */
    BARE_STACK,      /* mr.break */
    BARE_COUNT,      /* env.count was called too often */
    BARE_STOPPED,    /* by env.stop */
    BARE_UNREACHABLE,
    BARE_BOUNDS,
    BARE_INTEGER,
    BARE_INDIRECT,
    BARE_DEPTH, /* WABT's own limit of frames */
    BARE_OTHER,
} bare_end;

typedef struct bare bare;

/* NULL, and `error` filled, when the module cannot be instantiated. */
bare *bare_new_reference(mr_span original, mr_error *error);
bare *bare_new_rewritten(const mr_code *code, mr_error *error);
void bare_free(bare *b);

/* Runs an entry with fresh counters, on memory and globals as the last run left them. */
bare_end bare_run(bare *b, const char *entry, int64_t gas, uint64_t count_max);

uint64_t bare_count(const bare *b);   /* calls of env.count */
int64_t bare_gas_left(const bare *b); /* of the gas global */
int32_t bare_height(const bare *b);   /* of the height global */
uint64_t bare_notes(const bare *b);   /* digest of all host calls */
uint64_t bare_results(const bare *b); /* of env.result calls: the last value */
/* Has host functions act from now on, as bare_act_of says, on what is not a rewritten module. */
void bare_let_act(bare *b);

enum { BARE_PAGES_MAX = 5, BARE_READ_BYTES = 16, BARE_NOTE_GAS = 3 };

/* What is noted, one number after the other. */
static inline uint64_t bare_mix(uint64_t notes, uint64_t value)
{
    notes = (notes ^ value) * 0x9e3779b97f4a7c15u;
    return notes ^ notes >> 29;
}

/* What env.ask and env.pick do to memory besides, once they have noted their arguments: it may grow
 * by a page, to no more than BARE_PAGES_MAX, then BARE_READ_BYTES at `at` are noted, and
 * `write_bytes` bytes written there; `at` and what follows are within memory's first two pages.
 * env.note costs BARE_NOTE_GAS. */
typedef struct bare_act {
    bool grows;
    uint32_t at;
    uint32_t write_bytes;
    uint8_t value;
} bare_act;
static inline bare_act bare_act_of(uint64_t notes)
{
    const uint32_t place = (uint32_t)(notes >> 20) % 131072;
    return (bare_act){.grows = notes >> 61 == 0,
                      .at = place < 131072 - 300 ? place : 131072 - 300,
                      .write_bytes = (notes >> 58 & 7) == 0 ? (uint32_t)(notes % 300) : 0,
                      .value = (uint8_t)(notes >> 40)};
}

const uint8_t *bare_memory(const bare *b, size_t *size);
uint8_t *bare_marks(const bare *b, size_t *size); /* may be cleared by the caller */

/* Rules of the test modules: env.count, note (i32), ask (i32, i64) -> i64, pick () -> i32, stop,
 * result (i64); entries init and handle, one of which must be there. */
extern const mr_module_rules bare_rules;

#ifdef __cplusplus
}
#endif

#endif
