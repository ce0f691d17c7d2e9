/* SPDX-License-Identifier: Apache-2.0 */
/* error: a status with the sentence a person needs: what happened, in which file or program, what
 * to do. Control-plane calls fill one; hot paths return the status alone. */
#ifndef MR_BASE_ERROR_H
#define MR_BASE_ERROR_H

#include "base/status.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { MR_ERROR_TEXT_BYTES = 512 };

typedef struct mr_error {
    mr_status status;
    int line;         /* where in our source it was raised; 0 when nothing was raised */
    const char *file; /* static string, or NULL */
    char text[MR_ERROR_TEXT_BYTES]; /* NUL-terminated, cut when too long */
} mr_error;

/* MR_FAIL fills `error` (which may be NULL) with a printf-style sentence and yields `status`:
 *     return MR_FAIL(error, MR_INVALID, "block gas limit is 0"); */
#define MR_FAIL(error, status, ...) mr_error_set((error), (status), __FILE__, __LINE__, __VA_ARGS__)

/* mr_error_set fills `error` unless it is NULL, and returns `status`. */
mr_status mr_error_set(mr_error *error, mr_status status, const char *file, int line,
                       const char *format, ...) __attribute__((format(printf, 5, 6)));

/* mr_error_prefix puts a printf-style context in front of the text already there ("scenario.yaml
 * line 7: "), and returns the status it holds. Does nothing to a NULL error. */
mr_status mr_error_prefix(mr_error *error, mr_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#ifdef __cplusplus
}
#endif

#endif
