/* SPDX-License-Identifier: Apache-2.0 */
/* code_globals: mutable globals of a module, moved into its memory. Private to vm.
 *
 * Globals are as at the start of every message, so a module that keeps state in one would lose it.
 * Packing gives each mutable global, the stack pointer excepted, 8 bytes in a page of its own
 * behind the static ones, and makes the code load and store there. */
#ifndef MR_VM_CODE_GLOBALS_H
#define MR_VM_CODE_GLOBALS_H

#include "vm/module.h"
#include "vm/module_write.h"

typedef struct mr_moved_globals {
    const uint32_t *addresses; /* by global; UINT32_MAX is one that stays */
    uint32_t count;            /* of those that move */
    mr_data initial;           /* their page's beginning */
} mr_moved_globals;

/* mr_globals_move decides which globals of `module` move: none if it has no memory to move to,
 * which its author will hear from the rules.
 * Errors: MR_NO_MEMORY; MR_MODULE when there is no page behind the static ones.  Owns: `out`
 * borrows from the module. */
mr_status mr_globals_move(mr_module *module, const mr_module_rules *rules, uint32_t stack_pointer,
                          mr_moved_globals *out, mr_error *error);

/* What differs when globals move: the payloads of three sections. Moved globals stay in theirs, so
 * that numbers of others hold, but immutable: nothing sets them any more. */
void mr_globals_write_imports(mr_writer *writer, const mr_module *module);
void mr_globals_write_globals(mr_writer *writer, const mr_module *module,
                              const mr_moved_globals *moved);
void mr_globals_write_code(mr_writer *writer, const mr_module *module,
                           const mr_moved_globals *moved);

#endif
