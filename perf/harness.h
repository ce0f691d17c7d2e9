/* SPDX-License-Identifier: Apache-2.0 */
/* harness: what benches of the whole engine share. Failures end the process: figures of a run in
 * which something failed mean nothing. */
#ifndef MR_PERF_HARNESS_H
#define MR_PERF_HARNESS_H

#include "engine/millrace.h"

enum { MR_HARNESS_GAS = 1000000000 }; /* limit of a message; more than any load burns */

/* mr_harness_check ends the process with a sentence unless `status` is MR_OK. */
void mr_harness_check(mr_status status, const mr_error *error);

/* mr_harness_tier reads "interp", "native" or "auto". */
mr_engine_tier mr_harness_tier(const char *name);

/* mr_harness_run executes and commits a block; all of its transactions must be accepted and all of
 * its messages succeed. Returns the nanoseconds that took. */
uint64_t mr_harness_run(mr_engine *engine, const mr_transaction *transactions, size_t count,
                        mr_durability durability);

/* mr_harness_deploy uploads the embedded module of that name and makes programs 0 .. count - 1 of
 * it, their init messages empty; mr_harness_program is the id of one. */
void mr_harness_deploy(mr_engine *engine, const char *module, size_t count);
mr_id mr_harness_program(const mr_id *code, uint64_t number);

/* mr_harness_messages makes `count` empty messages to programs 0 .. programs - 1 in turn.
 * Owns: the caller frees them. */
mr_transaction *mr_harness_messages(const char *module, size_t programs, size_t count);

/* mr_harness_percentile sorts the values and returns the one at `at`, 0 .. 1; 0.5 is the median. */
double mr_harness_percentile(double *values, size_t count, double at);

#endif
