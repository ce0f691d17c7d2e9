/* SPDX-License-Identifier: Apache-2.0 */
/* empty: does nothing, so that what is measured is the engine.
 *
 *   handle         any bytes: nothing
 *   handle_reply   nothing */
#include "gear.h"

GEAR_HANDLE {}

GEAR_REPLY {}
