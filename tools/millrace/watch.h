/* SPDX-License-Identifier: Apache-2.0 */
/* watch: a progress bar and Ctrl-C beside long work, on a thread of their own.
 *
 *     the work: mr_watch_add / mr_watch_stopped         the thread: a libuv loop with a timer for
 *               (relaxed atomics, no system call)       the bar and signal handlers
 *
 * The bar is drawn on standard error, only when that is a terminal, and only after one second. */
#ifndef MR_TOOLS_WATCH_H
#define MR_TOOLS_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

typedef struct mr_watch mr_watch;

/* mr_watch_start shows `what` and done/total; `unit` is "messages", "blocks" or "programs".
 * From here to mr_watch_stop the first SIGINT, SIGTERM or SIGHUP only sets mr_watch_stopped; a
 * second SIGINT or SIGTERM ends the process as it would have without, a second SIGHUP does nothing.
 * A SIGHUP that is ignored, as under nohup, stays so. */
mr_status mr_watch_start(const char *what, const char *unit, uint64_t total, mr_watch **out,
                         mr_error *error);

/* Both threads: any. */
void mr_watch_add(mr_watch *watch, uint64_t done);
bool mr_watch_stopped(const mr_watch *watch);

/* mr_watch_stop takes the bar away and frees. Accepts NULL. */
void mr_watch_stop(mr_watch *watch);

#endif
