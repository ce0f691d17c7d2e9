/* SPDX-License-Identifier: Apache-2.0 */
/* native_compiler: which compilers there are, how they are called, and what tells one from another.
 * Private to vm. */
#ifndef MR_VM_NATIVE_COMPILER_H
#define MR_VM_NATIVE_COMPILER_H

#include "vm/native.h"
#include "vm/native_build.h"
#include "vm/native_digest.h"

/* Two compilers: one whose code is fast, one that is fast itself. */
typedef enum mr_grade { MR_GRADE_GOOD, MR_GRADE_QUICK } mr_grade;
enum { MR_GRADES = 2 };

typedef struct mr_compiler {
    char *path; /* NULL: there is none */
    bool is_tcc;
    mr_build build;
    /* Of the compiler, its flags, the machine, this layer, and what `prices` and `frames` change in
     * what it is given. */
    uint8_t identity[MR_DIGEST_BYTES];
} mr_compiler;

/* mr_compilers_find fills out[grade]. Errors: MR_NOT_FOUND there is no good one; MR_NO_MEMORY.
 * Owns: mr_compilers_fini frees, whatever is returned; `out` is zeros before. */
mr_status mr_compilers_find(const mr_native_options *options, const mr_code_prices *prices,
                            mr_compiler out[MR_GRADES], mr_error *error);
void mr_compilers_fini(mr_compiler compilers[MR_GRADES]);

#endif
