/* SPDX-License-Identifier: Apache-2.0 */
/* visits: replies how many messages it has had, u64. */
#include "gear.h"

static uint64_t visits;

GEAR_HANDLE
{
    visits++;
    gear_reply(&visits, sizeof visits);
}
