/* SPDX-License-Identifier: Apache-2.0 */
/* number: what the environment says of a random test: MR_SEED, MR_CASES; tests/README.md. */
#ifndef MR_TESTS_VM_NUMBER_H
#define MR_TESTS_VM_NUMBER_H

#include <stdint.h>
#include <stdlib.h>

static inline uint64_t number_from(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text != NULL ? strtoull(text, NULL, 0) : otherwise;
}

#endif
