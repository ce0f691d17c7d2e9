/* SPDX-License-Identifier: Apache-2.0 */
/* native_file: artifacts as files: what they are called, how they are made, checked and loaded. The
 * layout is in docs/FORMATS.md. Private to vm. */
#ifndef MR_VM_NATIVE_FILE_H
#define MR_VM_NATIVE_FILE_H

#include "vm/native.h"

typedef struct mr_native_files mr_native_files;

/* Errors: MR_NOT_FOUND there is no compiler; MR_IO the directory cannot be used; MR_NO_MEMORY. */
mr_status mr_native_files_new(const mr_native_options *options, const mr_module_rules *rules,
                              const mr_code_prices *prices, mr_native_files **out, mr_error *error);
void mr_native_files_free(mr_native_files *files);

/* mr_native_files_get loads the artifact of a code, made anew when there is no file or it is not as
 * it was written. Errors: MR_MODULE it cannot be compiled; MR_IO; MR_NO_SPACE; MR_NO_MEMORY.
 * Owns: the caller frees *out. Threads: any; for one code one at a time. */
mr_status mr_native_files_get(const mr_native_files *files, mr_code *code, mr_artifact **out,
                              mr_error *error);

#endif
