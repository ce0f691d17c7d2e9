/* SPDX-License-Identifier: Apache-2.0 */
/* assert: a bug of ours ends the process with its state. Never used on bytes from a program, a
 * socket or a disk: those are data, and give an error or a failed receipt. */
#ifndef MR_BASE_ASSERT_H
#define MR_BASE_ASSERT_H

#ifdef __cplusplus
extern "C" {
#endif

/* MR_ASSERT holds in every build; for facts checked in constant time. */
#define MR_ASSERT(fact)                                                                            \
    do {                                                                                           \
        if (__builtin_expect(!(fact), 0))                                                          \
            mr_assert_failed(#fact, __FILE__, __LINE__, __func__);                                 \
    } while (0)

/* MR_DCHECK holds in debug and sanitizer builds; for walks over whole structures. */
#ifdef MR_DEBUG
#define MR_DCHECK(fact) MR_ASSERT(fact)
#else
#define MR_DCHECK(fact) ((void)sizeof(!(fact)))
#endif

__attribute__((noreturn)) void mr_assert_failed(const char *fact, const char *file, int line,
                                                const char *function);

#ifdef __cplusplus
}
#endif

#endif
