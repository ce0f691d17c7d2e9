/* SPDX-License-Identifier: Apache-2.0 */
/* embedded: the example programs as bytes in this binary, so that the bench and tests need no
 * files. Their sources in examples/ say which messages they take. */
#ifndef MR_TOOLS_GUEST_EMBEDDED_H
#define MR_TOOLS_GUEST_EMBEDDED_H

#include "base/bytes.h"

typedef struct mr_embedded_program {
    const char *name; /* of the source file without ending: "capacitor" */
    const uint8_t *bytes;
    size_t size;
} mr_embedded_program;

/* Sorted by name. Static. */
extern const mr_embedded_program mr_embedded_programs[];
extern const size_t mr_embedded_programs_count;

/* mr_embedded_find returns the module of that name, or an empty span. Threads: any. */
mr_span mr_embedded_find(const char *name);

#endif
