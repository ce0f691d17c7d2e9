/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/dispatch.h"

#include <stdlib.h>

#include "engine/codec.h"

enum { RECORD_VERSION = 1, FLAG_FROM_PROGRAM = 1 };

static mr_status allocate(const mr_dispatch *from, mr_span payload, mr_dispatch **out)
{
    mr_dispatch *dispatch = malloc(sizeof *dispatch + payload.size);
    if (dispatch == NULL)
        return MR_NO_MEMORY;
    *dispatch = *from;
    dispatch->held = true;
    uint8_t *bytes = (uint8_t *)(dispatch + 1);
    if (payload.size > 0)
        memcpy(bytes, payload.data, payload.size);
    dispatch->message.payload = mr_span_of(bytes, payload.size);
    *out = dispatch;
    return MR_OK;
}

mr_status mr_dispatch_hold(const mr_dispatch *dispatch, mr_dispatch **out)
{
    return allocate(dispatch, dispatch->message.payload, out);
}

void mr_dispatch_release(mr_dispatch *dispatch)
{
    free(dispatch);
}

mr_status mr_dispatch_encode(const mr_dispatch *dispatch, mr_buffer *out)
{
    const mr_message *message = &dispatch->message;
    mr_writer writer = {.buffer = out};
    mr_write_u8(&writer, RECORD_VERSION);
    mr_write_u8(&writer, (uint8_t)message->kind);
    mr_write_u8(&writer, dispatch->sender != NULL ? FLAG_FROM_PROGRAM : 0);
    mr_write_id(&writer, &message->id);
    mr_write_id(&writer, &dispatch->program->id);
    mr_write_id(&writer, &message->source);
    mr_write_id(&writer, &dispatch->payer);
    mr_write_value(&writer, message->value);
    mr_write_u64(&writer, message->gas_limit);
    if (message->kind == MR_KIND_REPLY) {
        mr_write_id(&writer, &message->reply_to);
        mr_write_bytes(&writer, message->code, sizeof message->code);
    }
    mr_write_span(&writer, message->payload);
    return writer.failed ? MR_NO_MEMORY : MR_OK;
}

mr_status mr_dispatch_decode(mr_span record, mr_dispatch **out, mr_id *destination,
                             bool *from_program)
{
    mr_reader reader = mr_reader_of(record);
    if (mr_read_u8(&reader) != RECORD_VERSION)
        return MR_CORRUPT;
    mr_dispatch dispatch = {.sequence = MR_SEQUENCE_NONE};
    mr_message *message = &dispatch.message;
    uint8_t kind = mr_read_u8(&reader);
    uint8_t flags = mr_read_u8(&reader);
    if (kind > MR_KIND_VALUE || flags > FLAG_FROM_PROGRAM)
        return MR_CORRUPT;
    message->kind = (mr_kind)kind;
    message->id = mr_read_id(&reader);
    *destination = mr_read_id(&reader);
    message->source = mr_read_id(&reader);
    dispatch.payer = mr_read_id(&reader);
    message->value = mr_read_value(&reader);
    message->gas_limit = mr_read_u64(&reader);
    if (message->kind == MR_KIND_REPLY) {
        message->reply_to = mr_read_id(&reader);
        mr_read_bytes(&reader, message->code, sizeof message->code);
    }
    mr_span payload = mr_read_span(&reader);
    if (!mr_reader_done(&reader))
        return MR_CORRUPT;
    *from_program = flags == FLAG_FROM_PROGRAM;
    return allocate(&dispatch, payload, out);
}
