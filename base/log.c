/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

static mr_log_sink *log_sink;
static void *log_arg;

void mr_log_set_sink(mr_log_sink *sink, void *arg)
{
    log_sink = sink;
    log_arg = arg;
}

void mr_log(mr_log_level level, const char *format, ...)
{
    if (log_sink == NULL)
        return;
    char text[1024];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    log_sink(log_arg, level, text);
}
