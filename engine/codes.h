/* SPDX-License-Identifier: Apache-2.0 */
/* codes: uploaded modules by id, rewritten and ready to run. Loaded from the store on first use.
 *
 * Threads: find may be called by all workers; a mutex guards the table, taken once per program made
 * or loaded, never per message. */
#ifndef MR_ENGINE_CODES_H
#define MR_ENGINE_CODES_H

#include "engine/id.h"
#include "storage/store.h"
#include "vm/code.h"

typedef struct mr_module {
    mr_id id;
    mr_code *code;
    struct mr_module *next; /* in its bucket */
} mr_module;

typedef struct mr_codes mr_codes;

/* `store` and `table` are where modules not in memory are looked for; both outlive the object. */
mr_status mr_codes_new(mr_store *store, uint32_t table, const mr_module_rules *rules,
                       const mr_code_prices *prices, mr_codes **out);
void mr_codes_free(mr_codes *codes);

/* mr_codes_follow makes `codes` take modules that `first` has rewritten from there, instead of
 * rewriting them again. Before any other call; `first` outlives it. */
void mr_codes_follow(mr_codes *codes, mr_codes *first);

/* mr_codes_find yields the module of `id`. Errors: MR_NOT_FOUND; MR_IO; MR_CORRUPT; MR_MODULE a
 * stored module no longer passes; MR_NO_MEMORY. Threads: any. */
mr_status mr_codes_find(mr_codes *codes, const mr_id *id, mr_module **out);

/* mr_codes_id yields the id of a code. False when it is none of these any more. Threads: any. */
bool mr_codes_id(mr_codes *codes, const mr_code *code, mr_id *out);

/* mr_codes_add checks and rewrites `module` and keeps it under its id. Errors: MR_EXISTS; MR_MODULE
 * with a sentence; MR_NO_MEMORY; those of mr_codes_find. */
mr_status mr_codes_add(mr_codes *codes, mr_span module, mr_module **out, mr_error *error);

/* mr_codes_remove forgets a module that no program uses: the undo of mr_codes_add. */
void mr_codes_remove(mr_codes *codes, mr_module *module);

#endif
