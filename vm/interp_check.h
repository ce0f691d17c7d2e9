/* SPDX-License-Identifier: Apache-2.0 */
/* interp_check: does the WABT that is there do what the interpreter relies on? */
#ifndef MR_VM_INTERP_CHECK_H
#define MR_VM_INTERP_CHECK_H

#include "vm/interp.h"
#include "wabt/feature.h"

/* mr_interp_features returns what rewritten modules use. */
wabt::Features mr_interp_features();

/* mr_interp_prepare instantiates a module that is no code's; else as the tier's prepare. */
mr_status mr_interp_prepare(void *worker, mr_span module, mr_tier_instance **out, uint64_t *bytes,
                            mr_error *error);

/* mr_interp_check runs a module that does all of it, through mr_interp_tier. Errors:
 * MR_UNSUPPORTED; MR_NO_MEMORY. */
mr_status mr_interp_check(mr_error *error);

#endif
