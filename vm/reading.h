/* SPDX-License-Identifier: Apache-2.0 */
/* reading: what WABT read of the modules that were rewritten last. Checking a rewritten module is
 * reading it into the interpreter's form, and that is most of instantiating it: whoever does so
 * soon after copies what is here, on any thread. It has 24 times the bytes of the module; kept are
 * the latest MR_READINGS_MAX, with MR_READINGS_BYTES_MAX together; others are read again. Private
 * to vm.
 */
#ifndef MR_VM_READING_H
#define MR_VM_READING_H

#include "vm/code.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    MR_READINGS_MAX = 64,
    MR_READINGS_BYTES_MAX = 16 << 20,
    MR_READING_BYTES_PER_BYTE = 24, /* of the module */
};

typedef struct mr_reading mr_reading; /* vm/reading_desc.h */

/* mr_reading_keep keeps the reading of a code until later ones need its room. Owns: takes the
 * reading. Threads: any. */
void mr_reading_keep(const mr_code *code, mr_reading *reading);

/* mr_reading_forget drops that of a code, which is going to die. Threads: any. */
void mr_reading_forget(const mr_code *code);

/* mr_reading_is_kept is for tests. */
bool mr_reading_is_kept(const mr_code *code);

#ifdef __cplusplus
}
#endif

#endif
