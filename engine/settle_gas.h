/* SPDX-License-Identifier: Apache-2.0 */
/* settle_gas: what happens to the gas of a dispatch.
 *
 * Linear gas. What a dispatch does not burn goes on, in this order: messages sent with an explicit
 * limit carry that; the rest is shared equally by the gasless messages to programs, among which
 * counts the program's own reply to a program without a limit; what cannot be shared rides home on
 * the reply to a program, the automatic one too, or is refunded to the user who paid. A dispatch
 * that waits keeps its rent and a 64th. A reply is handled on its own gas first and then on that of
 * the message it belongs to, in the same program, and gives what it has left to that. Nothing is
 * shared between two programs. docs/SEMANTICS.md has the rules.
 *
 * They are inline because every message is settled by them; who is paid back is in settle_gas.c. */
#ifndef MR_ENGINE_SETTLE_GAS_H
#define MR_ENGINE_SETTLE_GAS_H

#include "base/assert.h"
#include "engine/id.h"
#include "engine/settle.h"

/* mr_settle_deposit returns what the message brings for the reply to it. */
static inline uint64_t mr_settle_deposit(const mr_settling *at)
{
    return at->dispatch->extra != NULL ? at->dispatch->extra->deposit : 0;
}

/* mr_settle_system_gas returns what earlier runs of a message that has waited reserved for a
 * signal. */
static inline uint64_t mr_settle_system_gas(const mr_settling *at)
{
    return at->dispatch->extra != NULL ? at->dispatch->extra->context.system_gas : 0;
}

/* mr_settle_sponsored returns how much of the dispatch's gas somebody else than its payer sponsors.
 */
static inline uint64_t mr_settle_sponsored(const mr_settling *at)
{
    return at->sponsored > 0 && !mr_id_equal(at->dispatch->extra->sponsor, at->dispatch->payer)
               ? at->sponsored
               : 0;
}

/* mr_settle_foreign returns how much of what the dispatch may burn somebody else has paid for: that
 * must not end up with whom its payer pays. */
static inline uint64_t mr_settle_foreign(const mr_settling *at)
{
    const bool draws = at->waiter != NULL && !mr_id_equal(at->waiter->payer, at->dispatch->payer);
    return mr_settle_sponsored(at) + (draws ? at->dispatch->gas_drawn : 0);
}

/* mr_settle_unsponsor gives a sponsor what is left of `left`, of which the dispatch's own gas comes
 * first, and returns the rest of it; `floors` of `left` have been set aside already. */
static inline uint64_t mr_settle_unsponsor(mr_settling *at, uint64_t left, uint64_t floors)
{
    const uint64_t sponsored = mr_settle_sponsored(at);
    const uint64_t unused = left > floors ? left - floors : 0;
    const uint64_t back = sponsored < unused ? sponsored : unused;
    if (sponsored > 0)
        at->sponsored = 0;
    if (back > 0)
        mr_settle_refund(at->stream, at->dispatch->extra->sponsor, back);
    return left - back;
}

/* mr_settle_go_home disposes of gas that nobody takes along: a reply's is for the message it
 * belongs to. */
static inline void mr_settle_go_home(mr_settling *at, uint64_t gas)
{
    const mr_dispatch *dispatch = at->dispatch;
    if (at->waiter != NULL && mr_id_equal(at->waiter->payer, dispatch->payer)) {
        const uint64_t room =
            mr_block_gas_room(at->block, at->waiter->message.gas_limit - at->drawn);
        at->home += gas < room ? gas : room;
        gas -= gas < room ? gas : room;
    }
    mr_settle_give_back(at, gas);
}

/* mr_settle_take_used takes `used` from the dispatch's own gas and what that lacks from the message
 * it belongs to. Returns what is left of its own. */
static inline uint64_t mr_settle_take_used(mr_settling *at, uint64_t used)
{
    const uint64_t own = at->dispatch->message.gas_limit;
    if (used <= own)
        return own - used;
    at->drawn = used - own;
    MR_ASSERT(at->drawn <= at->dispatch->gas_drawn);
    return 0;
}

/* mr_settle_limit returns how much of `gas` a message of `payer` may be given; what is more is
 * refunded. */
static inline uint64_t mr_settle_limit(mr_settling *at, const mr_id *payer, uint64_t gas)
{
    const uint64_t most = mr_block_gas_max(at->block);
    if (gas <= most)
        return gas;
    mr_settle_refund(at->stream, payer, gas - most);
    return most;
}

/* mr_settle_give gives a message its gas. */
static inline void mr_settle_give(mr_settling *at, mr_outgoing *out, uint64_t gas)
{
    out->gas = mr_settle_limit(at, out->payer != NULL ? out->payer : at->dispatch->payer, gas);
}

/* What is left to share: to each sharer, and what remains. */
typedef struct mr_sharing {
    uint64_t share;
    uint64_t rest; /* or, when the message waits, what it keeps */
} mr_sharing;

/* mr_settle_divide divides what is `left` of the dispatch's own gas, the floors set aside for the
 * sharers included. A reply may be left with less than these: then they come from the message it
 * belongs to. */
static inline mr_sharing mr_settle_divide(mr_settling *at, uint64_t left, uint64_t sharers,
                                          uint64_t floors, bool waits)
{
    enum { KEPT_SHARE = 64 /* of the rest, one in this is kept by who waits */ };
    if (sharers == 0)
        return (mr_sharing){.rest = left};
    const uint64_t free_gas = left > floors ? left - floors : 0;
    const uint64_t kept = waits ? free_gas / KEPT_SHARE : 0;
    uint64_t pool = left - kept;
    if (pool < floors) {
        at->drawn += floors - pool;
        pool = floors;
    }
    return (mr_sharing){.share = pool / sharers, .rest = kept + pool % sharers};
}

#endif
