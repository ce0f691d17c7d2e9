/* SPDX-License-Identifier: Apache-2.0 */
/* settle_failure: what follows from a dispatch that failed. */
#include "engine/settle_gas.h"

static uint32_t signal_code(const mr_failure *why)
{
    enum { REMOVED = 200 };
    static const uint32_t codes[] = {
        [MR_OUTCOME_PANIC] = 100, [MR_OUTCOME_OUT_OF_GAS] = 101,  [MR_OUTCOME_MEMORY] = 103,
        [MR_OUTCOME_STACK] = 105, [MR_OUTCOME_REMOVED] = REMOVED,
    };
    enum { REASON_BACKEND = 2, BACKEND = 102, UNREACHABLE = 104 };
    if (why->outcome == MR_OUTCOME_TRAP)
        return why->code[2] == REASON_BACKEND ? BACKEND : UNREACHABLE;
    return codes[why->outcome];
}

static bool sends_signal(const mr_settling *at, const mr_failure *why)
{
    const mr_message *message = &at->dispatch->message;
    if (!why->signals || why->system_gas == 0)
        return false;
    return message->kind == MR_KIND_HANDLE ||
           (message->kind == MR_KIND_REPLY && message->code[0] == 0);
}

static void send_signal(mr_settling *at, const mr_failure *why)
{
    mr_outgoing out = {
        .id = mr_id_of_signal(&at->dispatch->message.id),
        .to = *at->dispatch->program_id,
        .program = at->program,
        .kind = MR_KIND_SIGNAL,
        .signal = signal_code(why),
    };
    mr_settle_give(at, &out, why->system_gas);
    mr_settle_send(at, &out);
}

void mr_settle_failure(mr_settling *at, const mr_failure *why)
{
    mr_dispatch *dispatch = at->dispatch;
    const mr_value value = mr_dispatch_value(dispatch);
    dispatch->outcome = (uint8_t)why->outcome;
    dispatch->gas_burned =
        dispatch->gas_limit + mr_settle_system_gas(at) - why->left - why->system_gas;
    uint64_t left =
        mr_settle_take_used(at, dispatch->gas_burned + why->system_gas - mr_settle_system_gas(at));
    if (dispatch->message.kind == MR_KIND_INIT && at->program->status == MR_PROGRAM_UNINITIALIZED)
        mr_settle_terminate(at);
    if (sends_signal(at, why))
        send_signal(at, why);
    else
        left += why->system_gas;
    if (mr_settle_wants_reply(at)) {
        mr_outgoing out = mr_settle_reply(at, why->code, value, why->payload);
        if (out.program != NULL)
            mr_settle_give(at, &out, left + mr_settle_deposit(at));
        else
            mr_settle_refund(at->stream, dispatch->payer, left + mr_settle_deposit(at));
        mr_settle_send(at, &out);
    } else {
        /* A failed reply or signal is answered by nobody: its value stays with the program. */
        at->program->balance += value;
        mr_settle_go_home(at, left);
    }
    mr_settle_waiter_gas(at);
    mr_settle_waiter_until(at);
}
