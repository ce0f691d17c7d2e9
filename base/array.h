/* SPDX-License-Identifier: Apache-2.0 */
/* array: arrays on the heap that grow. *capacity counts elements; the caller frees the array. Each
 * array by one thread at a time. */
#ifndef MR_BASE_ARRAY_H
#define MR_BASE_ARRAY_H

#include <stddef.h>

#include "base/status.h"

/* mr_grow makes room for one more element behind `count`. Errors: MR_NO_MEMORY, unchanged. */
mr_status mr_grow(void **array, size_t *capacity, size_t count, size_t element_bytes);
#define MR_GROW(array, capacity, count)                                                            \
    mr_grow((void **)&(array), &(capacity), (count), sizeof *(array))

/* mr_room makes room for `count` elements in all, contents not kept. Errors: MR_NO_MEMORY; then the
 * array is empty. */
mr_status mr_room(void **array, size_t *capacity, size_t count, size_t element_bytes);
#define MR_ROOM(array, capacity, count)                                                            \
    mr_room((void **)&(array), &(capacity), (count), sizeof *(array))

#endif
