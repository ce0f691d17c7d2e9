/* SPDX-License-Identifier: Apache-2.0 */
/* gas_report: which functions of which programs burned the gas. */
#ifndef MR_TOOLS_GAS_REPORT_H
#define MR_TOOLS_GAS_REPORT_H

#include "tools/millrace/report.h"

/* Each reads the gas profile of `engine`, which has no candidate. Programs are called by their
 * names. Errors: those of mr_engine_gas_profiles and of queries. */

/* mr_gas_report_print prints a table for each code: its programs, and the functions that burned
 * most. */
mr_status mr_gas_report_print(FILE *out, mr_engine *engine, const mr_names *names, mr_error *error);

/* mr_gas_report_json yields an array of codes, with all functions. */
mr_status mr_gas_report_json(mr_engine *engine, const mr_names *names, json_t **out,
                             mr_error *error);

/* mr_gas_report_fold writes folded stacks of all codes, as tools for flame graphs read them.
 * Errors: also MR_IO, MR_NO_SPACE. */
mr_status mr_gas_report_fold(const char *path, mr_engine *engine, const mr_names *names,
                             mr_error *error);

#endif
