/* SPDX-License-Identifier: Apache-2.0 */
/* log: sentences for the operator. The library itself prints nothing unless a sink is set. */
#ifndef MR_BASE_LOG_H
#define MR_BASE_LOG_H

#ifdef __cplusplus
extern "C" {
#endif

typedef enum mr_log_level { MR_LOG_ERROR, MR_LOG_WARNING, MR_LOG_INFO, MR_LOG_DEBUG } mr_log_level;

/* A sink receives one finished sentence without newline. Called from any thread. */
typedef void mr_log_sink(void *arg, mr_log_level level, const char *text);

/* mr_log_set_sink replaces the sink; NULL silences the log, which is the default.
 * Threads: call before other threads of the library run. */
void mr_log_set_sink(mr_log_sink *sink, void *arg);

/* mr_log hands a printf-style sentence to the sink. Threads: any. */
void mr_log(mr_log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#ifdef __cplusplus
}
#endif

#endif
