/* SPDX-License-Identifier: Apache-2.0 */
/* interp: the tier that interprets, over WABT. The C++ behind one door: mr_interp_tier in
 * vm/tier.h is all there is to see, no exception leaves it, and no text of WABT's does. */
#ifndef MR_VM_INTERP_H
#define MR_VM_INTERP_H

#include "vm/tier.h"

#endif
