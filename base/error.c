/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

mr_status mr_error_set(mr_error *error, mr_status status, const char *file, int line,
                       const char *format, ...)
{
    if (error == NULL)
        return status;
    error->status = status;
    error->file = file;
    error->line = line;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(error->text, sizeof error->text, format, args);
    va_end(args);
    return status;
}

mr_status mr_error_prefix(mr_error *error, mr_status status, const char *format, ...)
{
    if (error == NULL)
        return status;
    char text[MR_ERROR_TEXT_BYTES];
    memcpy(text, error->text, sizeof text);
    va_list args;
    va_start(args, format);
    int used = vsnprintf(error->text, sizeof error->text, format, args);
    va_end(args);
    if (used >= 0 && (size_t)used < sizeof error->text)
        (void)snprintf(error->text + used, sizeof error->text - (size_t)used, "%s", text);
    return status;
}
