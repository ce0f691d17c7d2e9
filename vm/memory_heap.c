/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/memory_heap.h"

#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/assert.h"

__thread int64_t mr_heap_fail_at;

/* Counts down to 1 and stays there. */
static bool fails(void)
{
    if (__builtin_expect(mr_heap_fail_at == 0, 1))
        return false;
    if (mr_heap_fail_at == 1)
        return true;
    mr_heap_fail_at--;
    return false;
}

void *mr_heap_alloc(size_t size)
{
    return fails() ? NULL : malloc(size);
}

void *mr_heap_zalloc(size_t size)
{
    return fails() ? NULL : calloc(1, size);
}

void mr_heap_free(void *memory)
{
    free(memory);
}

void *mr_heap_map(size_t size)
{
    if (fails())
        return NULL;
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        return NULL;
    /* Refused where the kernel has no huge pages, and then not needed. */
    (void)madvise(memory, size, MADV_NOHUGEPAGE);
    return memory;
}

void mr_heap_unmap(void *memory, size_t size)
{
    if (memory != NULL)
        MR_ASSERT(munmap(memory, size) == 0);
}

void mr_heap_drop(void *memory, size_t size)
{
    MR_ASSERT(madvise(memory, size, MADV_DONTNEED) == 0);
}
