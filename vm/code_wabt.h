/* SPDX-License-Identifier: Apache-2.0 */
/* code_wabt: what uploading asks of WABT, without policy. Private to vm. */
#ifndef MR_VM_CODE_WABT_H
#define MR_VM_CODE_WABT_H

#include "base/bytes.h"
#include "base/error.h"
#include "vm/reading.h"

#ifdef __cplusplus
extern "C" {
#endif

/* An original has the features of uploads: WebAssembly 1.0, sign extension, exports of mutable
 * globals (which ones is up to the rules). A rewritten module may also have several memories. */
typedef enum mr_wabt_form { MR_WABT_ORIGINAL, MR_WABT_REWRITTEN } mr_wabt_form;

/* mr_wabt_validate checks types and whatever else the specification demands. What it read is in
 * *out, unless `out` is NULL. Errors: MR_MODULE, and where in *offset; MR_NO_MEMORY. Owns: the
 * caller gives *out to mr_reading_keep. Threads: any. */
mr_status mr_wabt_validate(mr_span module, mr_wabt_form form, mr_reading **out, size_t *offset,
                           mr_error *error);

/* mr_wabt_from_text appends to *out. Errors: MR_MODULE with line and column; MR_NO_MEMORY.
 * Threads: any. */
mr_status mr_wabt_from_text(mr_span text, const char *file_name, mr_buffer *out, mr_error *error);

#ifdef __cplusplus
}
#endif

#endif
