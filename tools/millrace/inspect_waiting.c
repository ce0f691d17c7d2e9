/* SPDX-License-Identifier: Apache-2.0 */
/* inspect: what waits, lies in mailboxes, is due, is reserved. */
#include <inttypes.h>

#include "tools/millrace/inspect_internal.h"
#include "tools/millrace/lookup.h"
#include "tools/millrace/number.h"

/* A height as a person reads it. */
typedef struct height_text {
    char text[16];
} height_text;

static height_text print_height(uint32_t height)
{
    height_text out = {"never"};
    if (height != MR_HEIGHT_NEVER)
        (void)snprintf(out.text, sizeof out.text, "%" PRIu32, height);
    return out;
}

static json_t *height_json(uint32_t height)
{
    return height == MR_HEIGHT_NEVER ? json_null() : json_integer(height);
}

/* ---- Waiting messages ---- */

static bool visit_waiting(void *arg, const mr_waiting_message *message)
{
    mr_inspect *in = arg;
    if (in->json) {
        /* clang-format off */
        return mr_inspect_append(in, json_pack(
            "{s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
            "program", mr_id_print(&message->program).text,
            "id", mr_id_print(&message->id).text,
            "from", mr_id_print(&message->source).text,
            "payer", mr_id_print(&message->payer).text,
            "kind", mr_kind_name(message->kind),
            "since", height_json(message->since),
            "wish", height_json(message->wish),
            "until", height_json(message->until),
            "gas", mr_json_u64(message->gas),
            "system_gas", mr_json_u64(message->system_gas),
            "value", mr_json_value(message->value),
            "payload", mr_json_bytes(message->payload)));
        /* clang-format on */
    }
    if (!mr_inspect_next(in))
        return true;
    (void)printf("%s  %s %s -> %s, waits since %" PRIu32 ", %s at %s, gas %s",
                 mr_id_print(&message->id).text, mr_kind_name(message->kind),
                 mr_id_print(&message->source).text, mr_id_print(&message->program).text,
                 message->since, message->until == message->wish ? "woken" : "removed",
                 print_height(message->until).text, mr_count_print(message->gas).text);
    if (message->system_gas > 0)
        (void)printf(", for a signal %s", mr_count_print(message->system_gas).text);
    (void)printf(": %s\n", mr_bytes_print(message->payload).text);
    return true;
}

mr_status mr_inspect_waitlist(mr_inspect *in)
{
    mr_id id;
    if (in->argument != NULL)
        MR_TRY(mr_lookup_program(in->engine, in->argument, &id, in->error));
    MR_TRY(mr_inspect_begin(in));
    return mr_inspect_end(
        in, mr_engine_waiting(in->engine, in->argument != NULL ? &id : NULL, visit_waiting, in),
        "messages");
}

/* ---- Letters ---- */

static bool visit_letter(void *arg, const mr_letter_info *letter)
{
    mr_inspect *in = arg;
    if (in->json) {
        /* clang-format off */
        return mr_inspect_append(in, json_pack(
            "{s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o}",
            "user", mr_id_print(&letter->user).text,
            "id", mr_id_print(&letter->id).text,
            "from", mr_id_print(&letter->from).text,
            "payer", mr_id_print(&letter->payer).text,
            "since", height_json(letter->since),
            "until", height_json(letter->until),
            "gas", mr_json_u64(letter->gas),
            "deposit", mr_json_u64(letter->deposit),
            "value", mr_json_value(letter->value),
            "payload", mr_json_bytes(letter->payload)));
        /* clang-format on */
    }
    if (mr_inspect_next(in))
        (void)printf("%s  %s -> %s, since %" PRIu32 ", until %s, gas %s, value %s: %s\n",
                     mr_id_print(&letter->id).text, mr_id_print(&letter->from).text,
                     mr_id_print(&letter->user).text, letter->since,
                     print_height(letter->until).text, mr_count_print(letter->gas).text,
                     mr_value_print(letter->value).text, mr_bytes_print(letter->payload).text);
    return true;
}

mr_status mr_inspect_mailbox(mr_inspect *in)
{
    mr_id id;
    if (in->argument != NULL)
        MR_TRY(mr_lookup_account(in->engine, in->argument, &id, in->error));
    MR_TRY(mr_inspect_begin(in));
    return mr_inspect_end(
        in, mr_engine_letters(in->engine, in->argument != NULL ? &id : NULL, visit_letter, in),
        "letters");
}

/* ---- The agenda ---- */

static json_t *task_object(const mr_task_info *task)
{
    /* clang-format off */
    json_t *object = json_pack("{s:o, s:s, s:s, s:s}",
                               "height", height_json(task->height),
                               "task", mr_task_kind_name(task->task),
                               "of", mr_id_print(&task->owner).text,
                               "subject", mr_id_print(&task->subject).text);
    if (object == NULL || task->task != MR_TASK_SEND)
        return object;
    json_t *message = json_pack("{s:s, s:s, s:o, s:o, s:o}",
                                "from", mr_id_print(&task->source).text,
                                "kind", mr_kind_name(task->kind),
                                "gas_limit", mr_json_u64(task->gas_limit),
                                "value", mr_json_value(task->value),
                                "payload", mr_json_bytes(task->payload));
    /* clang-format on */
    if (json_object_set_new(object, "message", message) == 0)
        return object;
    json_decref(object);
    return NULL;
}

static bool visit_task(void *arg, const mr_task_info *task)
{
    mr_inspect *in = arg;
    if (in->json)
        return mr_inspect_append(in, task_object(task));
    if (!mr_inspect_next(in))
        return true;
    (void)printf("%8s  %-11s  %s of %s", print_height(task->height).text,
                 mr_task_kind_name(task->task), mr_id_print(&task->subject).text,
                 mr_id_print(&task->owner).text);
    if (task->task == MR_TASK_SEND)
        (void)printf(", %s from %s, gas %s, value %s: %s", mr_kind_name(task->kind),
                     mr_id_print(&task->source).text, mr_count_print(task->gas_limit).text,
                     mr_value_print(task->value).text, mr_bytes_print(task->payload).text);
    (void)fputc('\n', stdout);
    return true;
}

mr_status mr_inspect_agenda(mr_inspect *in)
{
    MR_TRY(mr_inspect_begin(in));
    return mr_inspect_end(in, mr_engine_tasks(in->engine, 0, visit_task, in), "tasks");
}

/* ---- Reservations ---- */

static bool visit_reservation(void *arg, const mr_reservation_info *reservation)
{
    mr_inspect *in = arg;
    if (in->json) {
        /* clang-format off */
        return mr_inspect_append(in, json_pack(
            "{s:s, s:s, s:s, s:o, s:o, s:o}",
            "program", mr_id_print(&reservation->program).text,
            "id", mr_id_print(&reservation->id).text,
            "payer", mr_id_print(&reservation->payer).text,
            "amount", mr_json_u64(reservation->amount),
            "start", height_json(reservation->start),
            "finish", height_json(reservation->finish)));
        /* clang-format on */
    }
    if (mr_inspect_next(in))
        (void)printf("%s  of %s, gas %s, from %" PRIu32 " to %s, paid by %s\n",
                     mr_id_print(&reservation->id).text, mr_id_print(&reservation->program).text,
                     mr_count_print(reservation->amount).text, reservation->start,
                     print_height(reservation->finish).text, mr_id_print(&reservation->payer).text);
    return true;
}

mr_status mr_inspect_reservations(mr_inspect *in)
{
    mr_id id;
    if (in->argument != NULL)
        MR_TRY(mr_lookup_program(in->engine, in->argument, &id, in->error));
    MR_TRY(mr_inspect_begin(in));
    return mr_inspect_end(in,
                          mr_engine_reservations(in->engine, in->argument != NULL ? &id : NULL,
                                                 visit_reservation, in),
                          "reservations");
}
