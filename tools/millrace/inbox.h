/* SPDX-License-Identifier: Apache-2.0 */
/* inbox: the messages that users had in a run of a scenario, in order, so that later ones can
 * answer or claim them: by their number among those of one sender, or by a name. */
#ifndef MR_TOOLS_INBOX_H
#define MR_TOOLS_INBOX_H

#include "tools/millrace/report.h"
#include "tools/millrace/scenario.h"

/* Replies are left out: nobody answers them. */
typedef struct mr_inbox_entry {
    mr_id from, to, message;
} mr_inbox_entry;

/* All zero is an empty one. */
typedef struct mr_inbox {
    mr_buffer entries; /* mr_inbox_entry, in the order they came */
    mr_buffer named;   /* by number of the name: mr_inbox_entry, all zero where there is none */
} mr_inbox;

void mr_inbox_fini(mr_inbox *inbox);

/* mr_inbox_take adds the messages of a block. Errors: MR_NO_MEMORY. */
mr_status mr_inbox_take(mr_inbox *inbox, const mr_block_view *view);

/* mr_inbox_name lets the name of number `letter` stand for a message from now on.
 * Errors: MR_NO_MEMORY. */
mr_status mr_inbox_name(mr_inbox *inbox, uint32_t letter, const mr_inbox_entry *entry);

/* mr_inbox_find yields the message that `message` answers or claims.
 * Errors: MR_INVALID with "FILE:LINE: sentence": it has not come. */
mr_status mr_inbox_find(const mr_inbox *inbox, const mr_scenario *scenario,
                        const mr_scenario_message *message, mr_id *out, mr_error *error);

#endif
