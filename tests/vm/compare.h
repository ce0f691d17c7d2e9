/* SPDX-License-Identifier: Apache-2.0 */
/* compare: a rewritten module against the same module as uploaded, instructions counted one by
 * one. */
#ifndef MR_TESTS_VM_COMPARE_H
#define MR_TESTS_VM_COMPARE_H

#include "tests/vm/bare.h"

/* compare_module runs `handle` of both twice, the second time on what the first left, and compares
 * how they end, every host call, memory, the gas burned, and that marks cover what changed. Returns
 * NULL when all agree, else a sentence; *end is how the first run ended. */
const char *compare_module(mr_span original, const mr_code *code, uint64_t count_max,
                           bare_end *end);

/* compare_marks returns a sentence when a byte that differs from `before` is not covered. */
const char *compare_marks(const uint8_t *before, const uint8_t *after, size_t size,
                          const uint8_t *marks);

#endif
