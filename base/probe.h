/* SPDX-License-Identifier: Apache-2.0 */
/* probe: static probes (USDT), at which perf, bpftrace and SystemTap can look. One that nobody
 * looks at is an instruction that does nothing. docs/PROFILING.md lists them.
 *
 *     MR_PROBE(commit__begin, height)     0 to 3 numbers or pointers, evaluated in any case */
#ifndef MR_BASE_PROBE_H
#define MR_BASE_PROBE_H

#if defined(__has_include) && __has_include(<sys/sdt.h>)
#include <sys/sdt.h>
#define MR_PROBE_OF_(name, a, b, c, which, ...) which
#define MR_PROBE(name, ...)                                                                        \
    MR_PROBE_OF_(name, ##__VA_ARGS__, DTRACE_PROBE3, DTRACE_PROBE2, DTRACE_PROBE1, DTRACE_PROBE)   \
    (millrace, name, ##__VA_ARGS__)
#else
#define MR_PROBE(name, ...) ((void)0)
#endif

#endif
