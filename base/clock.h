/* SPDX-License-Identifier: Apache-2.0 */
/* clock: the one place where time is read. Never part of a result: only of reports. */
#ifndef MR_BASE_CLOCK_H
#define MR_BASE_CLOCK_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* mr_clock_ns returns a monotonic time in nanoseconds. Threads: any. */
uint64_t mr_clock_ns(void);

/* mr_clock_wall_ms returns milliseconds since 1970-01-01 UTC. Threads: any. */
uint64_t mr_clock_wall_ms(void);

#ifdef __cplusplus
}
#endif

#endif
