/* SPDX-License-Identifier: Apache-2.0 */
/* failing_memory: an allocator that fails, once or from then on. For one file of a test whose
 * target is linked with --wrap for malloc, calloc, realloc and aligned_alloc: our calls come here,
 * those of libraries do not. Threads: any. */
#ifndef MR_TESTS_FAILING_MEMORY_H
#define MR_TESTS_FAILING_MEMORY_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static atomic_long left;         /* allocations until one fails; 0: none does */
static atomic_bool for_good;     /* then all after it fail, too, until `left` is set */
static atomic_uintptr_t refused; /* the thread to which one failed last */

static bool fails(void)
{
    long before = atomic_load(&left);
    while (before > (atomic_load(&for_good) ? 1 : 0) &&
           !atomic_compare_exchange_weak(&left, &before, before - 1))
        continue;
    if (before == 1)
        atomic_store(&refused, (uintptr_t)pthread_self());
    return before == 1;
}

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

void *__real_realloc(void *old, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_realloc(void *old, size_t size)
{
    return fails() ? NULL : __real_realloc(old, size);
}

void *__real_aligned_alloc(size_t alignment, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    return fails() ? NULL : __real_aligned_alloc(alignment, size);
}

#endif
