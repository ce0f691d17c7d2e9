/* SPDX-License-Identifier: Apache-2.0 */
/* walks: the tables of the state from end to end, as of the last committed block: programs,
 * accounts and codes; what waits, lies in mailboxes, is due and is reserved. */
#include <stdlib.h>

#include "engine/agenda.h"
#include "engine/engine_internal.h"
#include "engine/mailbox.h"

mr_status mr_engine_walk(mr_engine *engine, mr_table table, mr_span prefix, mr_span from, void *arg,
                         mr_visit_pair *visit)
{
    if (engine->candidate != NULL)
        return MR_STATE;
    if (engine->of != NULL && engine->broken != MR_OK)
        return engine->broken; /* a view that could not move */
    mr_cursor *cursor;
    MR_TRY(mr_cursor_open(engine->store, table, prefix, from, &cursor));
    mr_status status;
    do {
        mr_span key, value;
        status = mr_cursor_next(cursor, &key, &value);
        if (status == MR_OK)
            status = visit(engine, arg, key, value);
    } while (status == MR_OK);
    mr_cursor_close(cursor);
    return status == MR_NOT_FOUND ? MR_OK : status;
}

static mr_span prefix_of(const mr_id *id)
{
    return id != NULL ? mr_id_span(id) : (mr_span){0};
}

static mr_status to_id(mr_span key, mr_id *out)
{
    if (key.size != sizeof out->bytes)
        return MR_CORRUPT;
    memcpy(out->bytes, key.data, sizeof out->bytes);
    return MR_OK;
}

/* ---- Programs ---- */

typedef struct program_walk {
    mr_visit_program *visit;
    void *arg;
} program_walk;

static mr_status visit_program(mr_engine *engine, void *arg, mr_span key, mr_span value)
{
    (void)value;
    const program_walk *walk = arg;
    mr_id id;
    MR_TRY(to_id(key, &id));
    const bool was_loaded = mr_engine_peek(engine, &id) != NULL;
    mr_program_info info;
    mr_status status = mr_engine_program(engine, &id, &info);
    mr_program *program = mr_engine_peek(engine, &id);
    if (program != NULL && !was_loaded)
        mr_engine_drop(engine, program); /* a walk over all is not to keep them loaded */
    if (status != MR_OK)
        return status == MR_NOT_FOUND ? MR_CORRUPT : status;
    return walk->visit(walk->arg, &info) ? MR_OK : MR_NOT_FOUND;
}

mr_status mr_engine_programs(mr_engine *engine, mr_visit_program *visit, void *arg)
{
    program_walk walk = {.visit = visit, .arg = arg};
    return mr_engine_walk(engine, MR_TABLE_PROGRAM, (mr_span){0}, (mr_span){0}, &walk,
                          visit_program);
}

/* ---- Accounts ---- */

typedef struct account_walk {
    mr_visit_account *visit;
    void *arg;
} account_walk;

static mr_status visit_account(mr_engine *engine, void *arg, mr_span key, mr_span value)
{
    (void)engine;
    const account_walk *walk = arg;
    mr_id id;
    mr_value balance;
    MR_TRY(to_id(key, &id));
    MR_TRY(mr_accounts_decode(value, &balance));
    return walk->visit(walk->arg, &id, balance) ? MR_OK : MR_NOT_FOUND;
}

mr_status mr_engine_accounts(mr_engine *engine, mr_visit_account *visit, void *arg)
{
    account_walk walk = {.visit = visit, .arg = arg};
    return mr_engine_walk(engine, MR_TABLE_ACCOUNT, (mr_span){0}, (mr_span){0}, &walk,
                          visit_account);
}

/* ---- Codes ---- */

typedef struct code_walk {
    mr_visit_code *visit;
    void *arg;
} code_walk;

static mr_status visit_code(mr_engine *engine, void *arg, mr_span key, mr_span value)
{
    (void)engine;
    const code_walk *walk = arg;
    mr_id id;
    MR_TRY(to_id(key, &id));
    return walk->visit(walk->arg, &id, value) ? MR_OK : MR_NOT_FOUND;
}

mr_status mr_engine_codes(mr_engine *engine, mr_visit_code *visit, void *arg)
{
    code_walk walk = {.visit = visit, .arg = arg};
    return mr_engine_walk(engine, MR_TABLE_CODE, (mr_span){0}, (mr_span){0}, &walk, visit_code);
}

/* ---- Waiting messages ---- */

typedef struct waiting_walk {
    mr_visit_waiting *visit;
    void *arg;
} waiting_walk;

static mr_status visit_waiting(mr_engine *engine, void *arg, mr_span key, mr_span value)
{
    (void)engine;
    const waiting_walk *to = arg;
    mr_dispatch_record read;
    if (key.size != MR_WAIT_KEY_BYTES || !mr_waitlist_read(value, &read))
        return MR_CORRUPT;
    const mr_message *message = &read.dispatch.message;
    const mr_waiting_message waiting = {
        .program = read.destination,
        .id = message->id,
        .source = read.source,
        .payer = read.payer,
        .kind = message->kind,
        .since = read.extra.since,
        .wish = read.extra.wish,
        .until = read.extra.until,
        .gas = message->gas_limit,
        .system_gas = read.extra.context.system_gas,
        .value = message->value,
        .payload = message->payload,
    };
    return to->visit(to->arg, &waiting) ? MR_OK : MR_NOT_FOUND;
}

mr_status mr_engine_waiting(mr_engine *engine, const mr_id *program, mr_visit_waiting *visit,
                            void *arg)
{
    waiting_walk to = {.visit = visit, .arg = arg};
    return mr_engine_walk(engine, MR_TABLE_WAITLIST, prefix_of(program), (mr_span){0}, &to,
                          visit_waiting);
}

/* ---- Letters ---- */

typedef struct letter_walk {
    mr_visit_letter *visit;
    void *arg;
} letter_walk;

static mr_status visit_letter(mr_engine *engine, void *arg, mr_span key, mr_span value)
{
    (void)engine;
    const letter_walk *to = arg;
    if (key.size != MR_LETTER_KEY_BYTES)
        return MR_CORRUPT;
    mr_letter_info info;
    mr_letter letter;
    memcpy(info.user.bytes, key.data, sizeof info.user.bytes);
    memcpy(info.id.bytes, key.data + sizeof info.user.bytes, sizeof info.id.bytes);
    MR_TRY(mr_letter_decode(&info.user, &info.id, value, &letter));
    info.from = letter.program;
    info.payer = letter.payer;
    info.value = letter.value;
    info.gas = letter.gas;
    info.deposit = letter.deposit;
    info.since = letter.since;
    info.until = letter.until;
    info.payload = letter.payload;
    return to->visit(to->arg, &info) ? MR_OK : MR_NOT_FOUND;
}

mr_status mr_engine_letters(mr_engine *engine, const mr_id *user, mr_visit_letter *visit, void *arg)
{
    letter_walk to = {.visit = visit, .arg = arg};
    return mr_engine_walk(engine, MR_TABLE_MAILBOX, prefix_of(user), (mr_span){0}, &to,
                          visit_letter);
}

/* ---- Tasks ---- */

typedef struct task_walk {
    mr_visit_task *visit;
    void *arg;
} task_walk;

static mr_status visit_task(mr_engine *engine, void *arg, mr_span key, mr_span value)
{
    (void)engine;
    const task_walk *to = arg;
    mr_task_record read;
    if (key.size != MR_TASK_KEY_BYTES || !mr_task_read(value, &read))
        return MR_CORRUPT;
    mr_task_info info = {
        .height = mr_load_be32(key.data),
        .sequence = mr_load_be64(key.data + 4),
        .task = read.kind,
        .owner = read.owner,
        .subject = read.subject,
    };
    if (read.kind == MR_TASK_SEND) {
        const mr_message *message = &read.message.dispatch.message;
        info.owner = read.message.destination;
        info.subject = message->id;
        info.source = read.message.source;
        info.kind = message->kind;
        info.gas_limit = message->gas_limit;
        info.value = message->value;
        info.payload = message->payload;
    }
    return to->visit(to->arg, &info) ? MR_OK : MR_NOT_FOUND;
}

mr_status mr_engine_tasks(mr_engine *engine, uint32_t from, mr_visit_task *visit, void *arg)
{
    task_walk to = {.visit = visit, .arg = arg};
    uint8_t key[MR_TASK_KEY_BYTES];
    mr_task_key(from, 0, key);
    return mr_engine_walk(engine, MR_TABLE_TASK, (mr_span){0}, mr_span_of(key, sizeof key), &to,
                          visit_task);
}

/* ---- Reservations ---- */

typedef struct reservation_walk {
    mr_visit_reservation *visit;
    void *arg;
    bool found; /* a program */
} reservation_walk;

static mr_status visit_all(const reservation_walk *to, const mr_id *program,
                           const mr_reservation *reservations, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const mr_reservation *reservation = &reservations[i];
        const mr_reservation_info info = {
            .program = *program,
            .id = reservation->id,
            .payer = reservation->payer,
            .amount = reservation->amount,
            .start = reservation->start,
            .finish = reservation->finish,
        };
        if (!to->visit(to->arg, &info))
            return MR_NOT_FOUND;
    }
    return MR_OK;
}

/* Looks at the record only: a walk over all programs is not to load them. */
static mr_status visit_reservations(mr_engine *engine, void *arg, mr_span key, mr_span value)
{
    reservation_walk *to = arg;
    mr_id id;
    MR_TRY(to_id(key, &id));
    to->found = true;
    mr_reservation *reservations;
    uint32_t count;
    MR_TRY(mr_program_decode_reservations(value, engine->schedule.reservations_max, &reservations,
                                          &count));
    mr_status status = visit_all(to, &id, reservations, count);
    free(reservations);
    return status;
}

mr_status mr_engine_reservations(mr_engine *engine, const mr_id *program,
                                 mr_visit_reservation *visit, void *arg)
{
    reservation_walk to = {.visit = visit, .arg = arg};
    MR_TRY(mr_engine_walk(engine, MR_TABLE_PROGRAM, prefix_of(program), (mr_span){0}, &to,
                          visit_reservations));
    return program != NULL && !to.found ? MR_NOT_FOUND : MR_OK;
}
