/* SPDX-License-Identifier: Apache-2.0 */
/* cores: which cores this process may use, and binding a thread to one. The only home of hwloc. */
#ifndef MR_SCHEDULER_CORES_H
#define MR_SCHEDULER_CORES_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

typedef struct mr_cores mr_cores;

/* mr_cores_new looks at the machine. A machine that does not show its topology still has the
 * processors the kernel counts; threads cannot be bound there.
 * Errors: MR_NO_MEMORY. */
mr_status mr_cores_new(mr_cores **out);

/* mr_cores_free accepts NULL. */
void mr_cores_free(mr_cores *cores);

/* mr_cores_count returns the cores this process may use, 1 or more: those it may run on, or as many
 * as its control group grants time for, if that is less. */
uint32_t mr_cores_count(const mr_cores *cores);

/* mr_cores_threads returns their hardware threads, at least one a core. */
uint32_t mr_cores_threads(const mr_cores *cores);

/* mr_cores_quota returns how many cores' worth of time a control group's `cpu.max` grants, rounded
 * up; 0 when it sets no limit or cannot be read. */
uint32_t mr_cores_quota(const char *cpu_max);

/* mr_cores_bind binds the calling thread to the index-th hardware thread: the first of every core
 * before the second of any. Returns 0 or the errno of the refusal. Threads: any. */
int mr_cores_bind(const mr_cores *cores, uint32_t index);

#endif
