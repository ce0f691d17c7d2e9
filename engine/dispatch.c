/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/dispatch.h"

#include <stdlib.h>

#include "engine/codec.h"

enum { RECORD_VERSION = 1, FLAG_FROM_PROGRAM = 1 };

mr_status mr_queued_new(const mr_dispatch *dispatch, mr_queued **out)
{
    static const mr_id none;
    const mr_message *message = &dispatch->message;
    mr_queued *queued = malloc(sizeof *queued + message->payload.size);
    if (queued == NULL)
        return MR_NO_MEMORY;
    *queued = (mr_queued){
        .dispatch = *dispatch,
        .sequence = MR_SEQUENCE_NONE,
        .source = *message->source,
        .payer = *dispatch->payer,
        .reply_to = message->reply_to != NULL ? *message->reply_to : none,
    };
    if (message->payload.size > 0)
        memcpy(queued->payload, message->payload.data, message->payload.size);
    queued->dispatch.queued = true;
    queued->dispatch.payer = &queued->payer;
    queued->dispatch.message.source = &queued->source;
    queued->dispatch.message.reply_to = message->reply_to != NULL ? &queued->reply_to : NULL;
    queued->dispatch.message.payload = mr_span_of(queued->payload, message->payload.size);
    *out = queued;
    return MR_OK;
}

void mr_queued_free(mr_queued *queued)
{
    free(queued);
}

mr_status mr_queued_encode(const mr_queued *queued, mr_buffer *out)
{
    const mr_dispatch *dispatch = &queued->dispatch;
    const mr_message *message = &dispatch->message;
    mr_writer writer = {.buffer = out};
    mr_write_u8(&writer, RECORD_VERSION);
    mr_write_u8(&writer, (uint8_t)message->kind);
    mr_write_u8(&writer, dispatch->sender != NULL ? FLAG_FROM_PROGRAM : 0);
    mr_write_id(&writer, &message->id);
    mr_write_id(&writer, &dispatch->program->id);
    mr_write_id(&writer, message->source);
    mr_write_id(&writer, dispatch->payer);
    mr_write_value(&writer, message->value);
    mr_write_u64(&writer, message->gas_limit);
    if (message->kind == MR_KIND_REPLY) {
        mr_write_id(&writer, message->reply_to);
        mr_write_bytes(&writer, message->code, sizeof message->code);
    }
    mr_write_span(&writer, message->payload);
    return writer.failed ? MR_NO_MEMORY : MR_OK;
}

mr_status mr_queued_decode(mr_span record, mr_queued **out, mr_id *destination, bool *from_program)
{
    mr_reader reader = mr_reader_of(record);
    if (mr_read_u8(&reader) != RECORD_VERSION)
        return MR_CORRUPT;
    mr_id source, payer, reply_to;
    mr_dispatch dispatch = {.payer = &payer, .message = {.source = &source}};
    mr_message *message = &dispatch.message;
    uint8_t kind = mr_read_u8(&reader);
    uint8_t flags = mr_read_u8(&reader);
    if (kind > MR_KIND_VALUE || flags > FLAG_FROM_PROGRAM)
        return MR_CORRUPT;
    message->kind = (mr_kind)kind;
    message->id = mr_read_id(&reader);
    *destination = mr_read_id(&reader);
    source = mr_read_id(&reader);
    payer = mr_read_id(&reader);
    message->value = mr_read_value(&reader);
    message->gas_limit = mr_read_u64(&reader);
    if (message->kind == MR_KIND_REPLY) {
        reply_to = mr_read_id(&reader);
        message->reply_to = &reply_to;
        mr_read_bytes(&reader, message->code, sizeof message->code);
    }
    message->payload = mr_read_span(&reader);
    if (!mr_reader_done(&reader))
        return MR_CORRUPT;
    *from_program = flags == FLAG_FROM_PROGRAM;
    return mr_queued_new(&dispatch, out);
}
