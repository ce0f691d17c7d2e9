/* SPDX-License-Identifier: Apache-2.0 */
/* native_file: the directory of artifacts: what they are called there, and how they come to be
 * there. Private to vm. */
#ifndef MR_VM_NATIVE_FILE_H
#define MR_VM_NATIVE_FILE_H

#include "vm/native_compiler.h"

typedef struct mr_native_files mr_native_files;

/* Errors: MR_NOT_FOUND there is no good compiler; MR_IO the directory cannot be used; MR_NO_MEMORY.
 */
mr_status mr_native_files_new(const mr_native_options *options, const mr_module_rules *rules,
                              const mr_code_prices *prices, mr_native_files **out, mr_error *error);
void mr_native_files_free(mr_native_files *files);

/* mr_native_files_has tells whether there is a compiler of that grade. */
bool mr_native_files_has(const mr_native_files *files, mr_grade grade);

/* mr_native_files_find loads the artifact of a code if it was made before. Owns: as below. */
bool mr_native_files_find(const mr_native_files *files, mr_grade grade, mr_code *code,
                          mr_artifact **out);

/* mr_native_files_get loads the artifact of a code, made anew when there is no file or it is not as
 * it was written: as a matter of urgency, or when the machine has nothing else to do, unless the
 * compiler is always urgent. *stop makes it give up, when it becomes true.
 * Errors: MR_MODULE it cannot be compiled; MR_IO; MR_NO_SPACE; MR_NO_MEMORY; MR_BUSY it was
 * stopped. Owns: the caller frees *out. Threads: any; for one code and grade one at a time. */
mr_status mr_native_files_get(const mr_native_files *files, mr_grade grade, bool is_urgent,
                              mr_code *code, const _Atomic bool *stop, mr_artifact **out,
                              mr_error *error);

#endif
