/* SPDX-License-Identifier: Apache-2.0 */
/* memory_heap: every allocation of memories, units and live bytes goes through here, so that tests
 * can make the n-th one fail. */
#ifndef MR_VM_MEMORY_HEAP_H
#define MR_VM_MEMORY_HEAP_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* When n > 0, the n-th allocation from now on this thread fails, and every later one until it is
 * set to 0 again. For tests; 0 in all other use. */
extern __thread int64_t mr_heap_fail_at;

/* mr_heap_alloc returns `size` bytes of unspecified content, mr_heap_zalloc zero bytes.
 * Errors: NULL when out of memory. */
void *mr_heap_alloc(size_t size);
void *mr_heap_zalloc(size_t size);
void mr_heap_free(void *memory);

/* mr_heap_map reserves zero pages that cost memory only once written; never huge pages, which
 * would make a whole 2 MiB resident for one byte. Errors: NULL. */
void *mr_heap_map(size_t size);
void mr_heap_unmap(void *memory, size_t size);

/* mr_heap_drop makes whole 4 KiB pages zero again and gives their memory back. */
void mr_heap_drop(void *memory, size_t size);

#ifdef __cplusplus
}
#endif

#endif
