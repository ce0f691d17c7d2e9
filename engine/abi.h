/* SPDX-License-Identifier: Apache-2.0 */
/* abi: the Gear program ABI: the rules its modules obey and the host functions they import.
 *
 * Source: Gear's protocol (signatures, layouts, error codes, order of checks), restated. */
#ifndef MR_ENGINE_ABI_H
#define MR_ENGINE_ABI_H

#include "engine/execution.h"

enum {
    MR_ENTRY_INIT,
    MR_ENTRY_HANDLE,
    MR_ENTRY_REPLY,
    MR_ENTRY_SIGNAL,
    MR_ENTRY_STATE,
    MR_ENTRY_METAHASH,
    MR_ENTRIES_COUNT
};

/* mr_abi_rules fills the module rules; limits that decide results come from the schedule.
 * Threads: any. */
void mr_abi_rules(const mr_schedule *schedule, mr_module_rules *out);

/* mr_abi_prices fills what the rewritten code charges. Threads: any. */
void mr_abi_prices(const mr_schedule *schedule, mr_code_prices *out);

/* mr_abi_functions returns the host functions, in the order of the rules' imports. Their context is
 * an mr_execution. */
mr_host_fn *const *mr_abi_functions(void);

/* Codes that fallible host functions report. Source: Gear's protocol, errors. */
enum {
    MR_ABI_OK = 0,
    MR_ABI_NOT_ENOUGH_GAS = 100,
    MR_ABI_NOT_ENOUGH_VALUE = 101,
    MR_ABI_TOO_BIG_READ = 103,
    MR_ABI_WRONG_READ_RANGE = 104,
    MR_ABI_NO_REPLY_CONTEXT = 105,
    MR_ABI_NO_SIGNAL_CONTEXT = 106,
    MR_ABI_WRONG_ENTRY_FOR_REPLY = 108,
    MR_ABI_ACCESS_OUT_OF_BOUNDS = 201,
    MR_ABI_MESSAGE_TOO_LARGE = 300,
    MR_ABI_TOO_MANY_MESSAGES = 301,
    MR_ABI_DUPLICATE_REPLY = 302,
    MR_ABI_DUPLICATE_WAKING = 303,
    MR_ABI_LATE_ACCESS = 304,
    MR_ABI_BAD_HANDLE = 305,
    MR_ABI_DUPLICATE_INIT = 306,
    MR_ABI_GAS_LIMIT_TOO_LOW = 308,
    MR_ABI_DUPLICATE_DEPOSIT = 309,
    MR_ABI_NOT_SENT_HERE = 310,
    MR_ABI_OUTGOING_BYTES = 311,
    MR_ABI_INPUT_OFFSET = 312,
    MR_ABI_INPUT_LENGTH = 313,
    MR_ABI_NO_GAS_FOR_DELAY = 399,
    MR_ABI_BAD_RESERVATION = 500,
    MR_ABI_TOO_MANY_RESERVATIONS = 501,
    MR_ABI_RESERVATION_DURATION = 502,
    MR_ABI_RESERVATION_AMOUNT = 503,
    MR_ABI_RESERVATION_TOO_LOW = 504,
};

#endif
