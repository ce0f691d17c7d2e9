/* SPDX-License-Identifier: Apache-2.0 */
/* native_text: a rewritten module as C, by WABT's writer. The C++ of the native tier, behind this
 * one function; no policy is here. Private to vm. */
#ifndef MR_VM_NATIVE_TEXT_H
#define MR_VM_NATIVE_TEXT_H

#include "vm/code.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The text of vm/native_runtime.h. */
extern const char mr_native_runtime_text[], mr_native_runtime_end[];

typedef struct mr_native_text {
    mr_buffer c;
    uint32_t *values; /* by function of the rewritten module: those it counts for at least */
    uint32_t functions_count; /* imports counted */
    uint32_t imports_count;
    uint32_t params_max; /* of one function */
} mr_native_text;

/* mr_native_write writes a code's rewritten module as C, whole: vm/native_runtime.h, what WABT
 * writes, and the table mr_module that leads to it. Function 12 is called w2c_f12, its name in the
 * name section following as far as C allows.
 * Errors: MR_MODULE; MR_NO_MEMORY. Owns: the caller finishes *out, whatever is returned. Threads:
 * any. It recurses as deep as blocks are nested. */
mr_status mr_native_write(const mr_module_rules *rules, const mr_code *code, bool frames,
                          mr_native_text *out, mr_error *error);
void mr_native_text_fini(mr_native_text *text);

#ifdef __cplusplus
}
#endif

#endif
