/* SPDX-License-Identifier: Apache-2.0 */
/* piggy: keeps value, and is smashed to get it out. Shows value, and how a program ends.
 *
 *   init    value may come with it; who sends it owns the bank
 *   handle  empty: keeps the value that came with the message.
 *           "balance": replies the decimal text of what the bank holds.
 *           "withdraw N": sends N (decimal text, below 2^64) back to the owner with the reply.
 *           "smash": the program ends, and all value in it goes to the owner.
 *
 * Panics: "piggy: not yours" when another than the owner withdraws or smashes, "piggy: what?" for
 * other payloads, "piggy: not enough"; the value that came with a message goes back then. */
#include "gear.h"

static gear_id owner;

static void require_owner(void)
{
    gear_id source = gear_source();
    gear_require(gear_id_equal(&source, &owner), "piggy: not yours");
}

GEAR_INIT
{
    owner = gear_source();
}

GEAR_HANDLE
{
    char text[64];
    uint32_t size = gear_payload(text, sizeof text);
    uint64_t amount;
    if (size == 0)
        return;
    if (size == 7 && memcmp(text, "balance", 7) == 0) {
        char digits[GEAR_VALUE_DIGITS];
        gear_reply(digits, gear_format_value(gear_value_available(), digits));
    } else if (size > 9 && memcmp(text, "withdraw ", 9) == 0 &&
               gear_parse_u64(text + 9, size - 9, &amount)) {
        require_owner();
        gear_require(amount <= gear_value_available(), "piggy: not enough");
        gear_reply_value("", 0, amount);
    } else if (size == 5 && memcmp(text, "smash", 5) == 0) {
        require_owner();
        gr_exit(&owner);
    } else {
        gear_panic("piggy: what?");
    }
}
