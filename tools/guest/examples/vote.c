/* SPDX-License-Identifier: Apache-2.0 */
/* vote: counts votes, one for each account. The worked example of docs/PROGRAMS.md.
 *
 *   init    decimal text: how many may vote, 1 .. 100000
 *   handle  "yes" or "no": counts the sender's vote; replies "yes N, no M"
 *
 * Panics: "vote: how many voters?", "vote: yes or no?", "vote: you have voted", "vote: closed". */
#include "gear.h"

static uint32_t yes, no;
static uint32_t voters_max;
static gear_id *voters; /* who has voted; yes + no of them */

GEAR_INIT
{
    char text[6];
    uint64_t number;
    uint32_t size = gear_payload(text, sizeof text);
    gear_require(gear_parse_u64(text, size, &number) && number >= 1 && number <= 100000,
                 "vote: how many voters?");
    voters_max = (uint32_t)number;
    voters = gear_allocate(voters_max * (uint32_t)sizeof *voters);
}

static void reply_counts(void)
{
    char digits[GEAR_U64_DIGITS];
    gear_reply_add("yes ", 4);
    gear_reply_add(digits, gear_format_u64(yes, digits));
    gear_reply_add(", no ", 5);
    gear_reply_add(digits, gear_format_u64(no, digits));
    gear_reply_finish(0);
}

GEAR_HANDLE
{
    char text[8];
    uint32_t size = gear_payload(text, sizeof text);
    gear_id voter = gear_source();
    uint32_t count = yes + no;

    for (uint32_t i = 0; i < count; i++)
        gear_require(!gear_id_equal(&voters[i], &voter), "vote: you have voted");
    gear_require(count < voters_max, "vote: closed");
    voters[count] = voter;

    if (size == 3 && memcmp(text, "yes", 3) == 0)
        yes++;
    else if (size == 2 && memcmp(text, "no", 2) == 0)
        no++;
    else
        gear_panic("vote: yes or no?");
    reply_counts();
}
