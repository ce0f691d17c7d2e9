/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/dispatch.h"

#include <stdlib.h>

#include "base/assert.h"

enum {
    RECORD_VERSION = 2,

    /* Flags of a message. */
    FROM_PROGRAM = 1,
    REMOVED = 2,
    HAS_ORIGIN = 4,
    HAS_DEPOSIT = 8,
    HAS_SPONSOR = 16,
    WAITED = 32,
    FLAGS_ALL = 63,
};

/* Copies an id to where the copy of a dispatch keeps it, and returns that place; NULL for none. */
static const mr_id *keep(mr_id *at, const mr_id *id)
{
    if (id == NULL)
        return NULL;
    *at = *id;
    return at;
}

static void keep_extra(mr_queued *queued, const mr_extra *extra)
{
    if (extra == NULL)
        return;
    const size_t ids_bytes = extra->context.created_count * sizeof(mr_id);
    queued->extra = *extra;
    queued->dispatch.extra = &queued->extra;
    queued->extra.origin = keep(&queued->origin, extra->origin);
    queued->extra.sponsor = keep(&queued->sponsor, extra->sponsor);
    if (ids_bytes > 0)
        memcpy(queued->bytes, extra->context.created, ids_bytes);
    queued->extra.context.created = (const mr_id *)queued->bytes;
}

mr_status mr_queued_new(const mr_dispatch *dispatch, mr_queued **out)
{
    const mr_message *message = &dispatch->message;
    const mr_extra *extra = dispatch->extra;
    const size_t ids_bytes = extra != NULL ? extra->context.created_count * sizeof(mr_id) : 0;
    mr_queued *queued = malloc(sizeof *queued + ids_bytes + message->payload.size);
    if (queued == NULL)
        return MR_NO_MEMORY;
    queued->dispatch = *dispatch;
    queued->sequence = MR_SEQUENCE_NONE;
    queued->gas_before = message->gas_limit;
    queued->extra_gas = mr_dispatch_gas(dispatch) - message->gas_limit;
    queued->next_gone = NULL;
    queued->remains = false;
    uint8_t *payload = queued->bytes + ids_bytes;
    if (message->payload.size > 0)
        memcpy(payload, message->payload.data, message->payload.size);
    mr_dispatch *copy = &queued->dispatch;
    copy->queued = copy->elder = true;
    copy->parent = NULL;
    copy->generation = 0;
    copy->payer = keep(&queued->payer, dispatch->payer);
    copy->message.source = keep(&queued->source, message->source);
    copy->message.reply_to = keep(&queued->reply_to, message->reply_to);
    copy->message.payload = mr_span_of(payload, message->payload.size);
    keep_extra(queued, extra);
    *out = queued;
    return MR_OK;
}

void mr_queued_free(mr_queued *queued)
{
    free(queued);
}

static unsigned flags_of(const mr_dispatch *dispatch)
{
    const mr_extra *extra = dispatch->extra;
    unsigned flags = dispatch->from_program ? FROM_PROGRAM : 0;
    if (extra == NULL)
        return flags;
    flags |= extra->removed ? REMOVED : 0;
    flags |= extra->origin != NULL ? HAS_ORIGIN : 0;
    flags |= extra->deposit != 0 ? HAS_DEPOSIT : 0;
    flags |= extra->sponsor != NULL ? HAS_SPONSOR : 0;
    return flags | (extra->waited ? WAITED : 0);
}

static void write_context(mr_writer *writer, const mr_context *context)
{
    mr_write_leb(writer, context->handles);
    mr_write_leb(writer, context->reservations);
    mr_write_leb(writer, context->system_gas);
    mr_write_leb(writer, context->created_count);
    for (uint32_t i = 0; i < context->created_count; i++)
        mr_write_id(writer, &context->created[i]);
}

static bool answers(mr_kind kind)
{
    return kind == MR_KIND_REPLY || kind == MR_KIND_SIGNAL;
}

void mr_dispatch_write(mr_writer *writer, const mr_dispatch *dispatch, const mr_id *destination)
{
    const mr_message *message = &dispatch->message;
    const mr_extra *extra = dispatch->extra;
    const unsigned flags = flags_of(dispatch);
    mr_write_u8(writer, (uint8_t)message->kind);
    mr_write_u8(writer, (uint8_t)flags);
    mr_write_id(writer, &message->id);
    mr_write_id(writer, destination);
    mr_write_id(writer, message->source);
    mr_write_id(writer, dispatch->payer);
    mr_write_value(writer, message->value);
    mr_write_u64(writer, message->gas_limit);
    if (answers(message->kind)) {
        static_assert(sizeof message->code == sizeof message->signal, "either takes four bytes");
        mr_write_id(writer, message->reply_to);
        mr_write_bytes(writer, message->code, sizeof message->code);
    }
    mr_write_span(writer, message->payload);
    if ((flags & HAS_ORIGIN) != 0)
        mr_write_id(writer, extra->origin);
    if ((flags & HAS_DEPOSIT) != 0)
        mr_write_leb(writer, extra->deposit);
    if ((flags & HAS_SPONSOR) != 0) {
        mr_write_id(writer, extra->sponsor);
        mr_write_leb(writer, extra->sponsored);
    }
    if ((flags & WAITED) != 0)
        write_context(writer, &extra->context);
}

/* What no message has that an engine wrote: code that relies on it must not be misled. */
static bool makes_sense(const mr_dispatch *dispatch, unsigned flags)
{
    const mr_extra *extra = dispatch->extra;
    if (dispatch->message.gas_limit > MR_GAS_MAX)
        return false;
    if (extra == NULL)
        return true;
    return dispatch->message.kind != MR_KIND_VALUE &&
           ((flags & REMOVED) == 0 || (flags & WAITED) != 0) && extra->deposit <= MR_GAS_MAX &&
           extra->sponsored <= MR_GAS_MAX && extra->context.system_gas <= MR_GAS_MAX;
}

/* Ids of a record stand at any address; mr_id has no alignment. */
static void read_context(mr_reader *reader, mr_context *out)
{
    const uint64_t handles = mr_read_leb(reader);
    out->reservations = mr_read_leb(reader);
    out->system_gas = mr_read_leb(reader);
    const uint64_t count = mr_read_leb(reader);
    if (handles > UINT32_MAX || count > UINT32_MAX) {
        reader->failed = true;
        return;
    }
    out->handles = (uint32_t)handles;
    out->created_count = (uint32_t)count;
    out->created = (const mr_id *)mr_read_raw(reader, count * sizeof(mr_id)).data;
}

static void read_extra(mr_reader *reader, unsigned flags, mr_dispatch_record *to)
{
    mr_extra *extra = &to->extra;
    *extra = (mr_extra){.removed = (flags & REMOVED) != 0, .waited = (flags & WAITED) != 0};
    if ((flags & HAS_ORIGIN) != 0) {
        to->origin = mr_read_id(reader);
        extra->origin = &to->origin;
    }
    if ((flags & HAS_DEPOSIT) != 0)
        extra->deposit = mr_read_leb(reader);
    if ((flags & HAS_SPONSOR) != 0) {
        to->sponsor = mr_read_id(reader);
        extra->sponsor = &to->sponsor;
        extra->sponsored = mr_read_leb(reader);
    }
    if (extra->waited)
        read_context(reader, &extra->context);
    to->dispatch.extra = extra;
}

bool mr_dispatch_read(mr_reader *reader, mr_dispatch_record *to)
{
    static_assert(_Alignof(mr_id) == 1, "ids may stand anywhere in a record");
    to->dispatch = (mr_dispatch){.payer = &to->payer, .message = {.source = &to->source}};
    mr_message *message = &to->dispatch.message;
    const uint8_t kind = mr_read_u8(reader);
    const uint8_t flags = mr_read_u8(reader);
    if (kind > MR_KIND_VALUE || flags > FLAGS_ALL)
        return false;
    message->kind = (mr_kind)kind;
    to->dispatch.from_program = (flags & FROM_PROGRAM) != 0;
    to->dispatch.elder = true;
    message->id = mr_read_id(reader);
    to->destination = mr_read_id(reader);
    to->source = mr_read_id(reader);
    to->payer = mr_read_id(reader);
    message->value = mr_read_value(reader);
    message->gas_limit = mr_read_u64(reader);
    if (answers(message->kind)) {
        to->reply_to = mr_read_id(reader);
        message->reply_to = &to->reply_to;
        mr_read_bytes(reader, message->code, sizeof message->code);
    }
    message->payload = mr_read_span(reader);
    if ((flags & ~(unsigned)FROM_PROGRAM) != 0)
        read_extra(reader, flags, to);
    return !reader->failed && makes_sense(&to->dispatch, flags);
}

mr_status mr_queued_encode(const mr_queued *queued, mr_buffer *out)
{
    mr_writer writer = {.buffer = out};
    mr_write_u8(&writer, RECORD_VERSION);
    mr_dispatch_write(&writer, &queued->dispatch, &queued->dispatch.program->id);
    return writer.failed ? MR_NO_MEMORY : MR_OK;
}

mr_status mr_queued_decode(mr_span record, mr_queued **out, mr_id *destination)
{
    mr_reader reader = mr_reader_of(record);
    mr_dispatch_record read;
    if (mr_read_u8(&reader) != RECORD_VERSION || !mr_dispatch_read(&reader, &read) ||
        !mr_reader_done(&reader))
        return MR_CORRUPT;
    *destination = read.destination;
    return mr_queued_new(&read.dispatch, out);
}
