/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/settle_gas.h"

static void add_credit(mr_stream *stream, const mr_id *account, mr_value amount)
{
    if (stream->credits_count > 0) {
        mr_credit *last = &stream->credits[stream->credits_count - 1];
        if (mr_id_equal(&last->account, account)) {
            last->amount += amount;
            return;
        }
    }
    if (MR_GROW(stream->credits, stream->credits_capacity, stream->credits_count) != MR_OK) {
        mr_settle_fail(stream, MR_NO_MEMORY);
        return;
    }
    stream->credits[stream->credits_count++] = (mr_credit){.account = *account, .amount = amount};
}

void mr_settle_credit(mr_stream *stream, const mr_id *account, mr_value amount)
{
    if (amount != 0 && stream->engine->accounts_on)
        add_credit(stream, account, amount);
}

void mr_settle_refund(mr_stream *stream, const mr_id *payer, uint64_t gas)
{
    stream->tally.gas_refunded += gas;
    mr_settle_credit(stream, payer, (mr_value)gas * stream->engine->schedule.value_per_gas);
}

void mr_settle_give_back(mr_settling *at, uint64_t gas)
{
    if (at->sponsored > 0) {
        const uint64_t first = gas < at->sponsored ? gas : at->sponsored;
        mr_settle_refund(at->stream, at->dispatch->extra->sponsor, first);
        at->sponsored -= first;
        gas -= first;
    }
    mr_settle_refund(at->stream, at->dispatch->payer, gas);
}
