/* SPDX-License-Identifier: Apache-2.0 */
/* native_build: runs a C compiler on a hostile text, within bounds. Private to vm. */
#ifndef MR_VM_NATIVE_BUILD_H
#define MR_VM_NATIVE_BUILD_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"

typedef struct mr_build {
    const char *compiler;      /* path */
    const char *const *flags;  /* ended by NULL */
    uint32_t seconds_max;      /* of processor time; twice that by the clock */
    uint64_t memory_bytes_max; /* of address space */
    uint64_t file_bytes_max;
    bool is_urgent; /* as important as whoever asks for it; else it has what nobody wants */
} mr_build;

/* mr_build_run compiles `text` in `directory`, which is empty, into the shared object m.so there.
 * With -fstack-usage among the flags, what the compiler says of the stack is in a file whose name
 * ends in .su. The compiler's processes are in a group of their own, and gone afterwards.
 * Errors: MR_MODULE the compiler did not do it; the text says why. MR_BUSY *stop became true.
 * MR_IO; MR_NO_SPACE; MR_NO_MEMORY. Threads: any. */
mr_status mr_build_run(const mr_build *build, const char *directory, mr_span text,
                       const _Atomic bool *stop, mr_error *error);

#endif
