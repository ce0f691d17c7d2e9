/* SPDX-License-Identifier: Apache-2.0 */
/* trace: what happened in a dispatch, for authors of programs, when traces are kept. */
#include "engine/settle.h"

#include "base/assert.h"

void mr_trace_begin(const mr_settling *at, mr_trace_start *out)
{
    at->stream->execution.has_backtrace = false; /* it may not come to run */
    at->stream->traced.size = 0;
    *out = (mr_trace_start){
        .gas = mr_dispatch_gas(at->dispatch),
        .refunded = at->stream->tally.gas_refunded,
        .rent = at->stream->tally.gas_rent,
    };
}

void mr_trace_sent(mr_stream *stream, const mr_id *message)
{
    if (stream->engine->keep_traces &&
        mr_buffer_append(&stream->traced, mr_id_span(message)) != MR_OK)
        mr_settle_fail(stream, MR_NO_MEMORY);
}

static mr_span print_backtrace(mr_settling *at)
{
    mr_stream *stream = at->stream;
    if (!stream->execution.has_backtrace)
        return (mr_span){0};
    stream->scratch.size = 0;
    mr_status status = mr_backtrace_print(&stream->execution.backtrace, at->program->module->code,
                                          &stream->scratch);
    if (status != MR_OK) {
        mr_settle_fail(stream, status);
        return (mr_span){0};
    }
    return mr_settle_keep(stream, stream->block_arena, mr_buffer_span(&stream->scratch));
}

static mr_span keep_payload(mr_settling *at)
{
    mr_span payload = at->dispatch->message.payload;
    if (payload.size > MR_TRACE_PAYLOAD_BYTES_MAX)
        payload.size = MR_TRACE_PAYLOAD_BYTES_MAX;
    return mr_settle_keep(at->stream, at->stream->block_arena, payload);
}

static void describe(const mr_message *message, mr_trace *out)
{
    if (message->kind != MR_KIND_REPLY && message->kind != MR_KIND_SIGNAL)
        return;
    out->reply_to = *message->reply_to;
    if (message->kind == MR_KIND_REPLY)
        memcpy(out->code, message->code, sizeof out->code);
    else
        out->signal = message->signal;
}

void mr_trace_end(mr_settling *at, const mr_trace_start *start)
{
    mr_stream *stream = at->stream;
    mr_dispatch *dispatch = at->dispatch;
    mr_notes *notes = mr_arena_alloc(stream->block_arena, sizeof *notes);
    mr_trace *trace = mr_arena_alloc(stream->block_arena, sizeof *trace);
    if (notes == NULL || trace == NULL)
        return mr_settle_fail(stream, MR_NO_MEMORY);
    const mr_span sent =
        mr_settle_keep(stream, stream->block_arena, mr_buffer_span(&stream->traced));
    *trace = (mr_trace){
        .payload = keep_payload(at),
        .payload_bytes = dispatch->message.payload.size,
        .value = dispatch->message.value,
        .payer = *dispatch->payer,
        .sent = (const mr_id *)(const void *)sent.data,
        .sent_count = (uint32_t)(sent.size / sizeof(mr_id)),
        .waited = dispatch->extra != NULL && dispatch->extra->waited,
        .until = at->until,
        .gas_in = start->gas,
        .gas_drawn = at->drawn,
        .gas_sent = at->gas_sent,
        .gas_home = at->home,
        .gas_refunded = stream->tally.gas_refunded - start->refunded,
        .gas_rent = stream->tally.gas_rent - start->rent - at->rent_of_woken,
        .backtrace = print_backtrace(at),
    };
    trace->gas_held =
        (int64_t)(trace->gas_in + trace->gas_drawn - dispatch->gas_burned - trace->gas_sent -
                  trace->gas_home - trace->gas_refunded - trace->gas_rent);
    describe(&dispatch->message, trace);
    *notes = dispatch->notes != NULL ? *dispatch->notes : (mr_notes){0};
    notes->trace = trace;
    dispatch->notes = notes;
}

bool mr_block_trace(const mr_block *block, uint64_t i, mr_trace *out)
{
    const mr_dispatch *dispatch = mr_block_dispatch(block, i);
    if (dispatch == NULL || dispatch->notes == NULL || dispatch->notes->trace == NULL)
        return false;
    *out = *dispatch->notes->trace;
    return true;
}
