/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/millrace/inspect_internal.h"

#include <inttypes.h>

#include "tools/millrace/lookup.h"
#include "tools/millrace/number.h"

mr_status mr_inspect_failed(mr_inspect *in, mr_status status, const char *what)
{
    return MR_FAIL(in->error, status, "%s: cannot read the %s: %s", in->db, what,
                   mr_status_text(status));
}

bool mr_inspect_next(mr_inspect *in)
{
    return ++in->seen <= in->lines_max;
}

bool mr_inspect_append(mr_inspect *in, json_t *entry)
{
    if (json_array_append_new(in->array, entry) == 0)
        return true;
    json_decref(in->array);
    in->array = NULL;
    return false;
}

mr_status mr_inspect_begin(mr_inspect *in)
{
    in->seen = 0;
    in->array = json_array();
    return in->array == NULL ? MR_FAIL(in->error, MR_NO_MEMORY, "out of memory") : MR_OK;
}

mr_status mr_inspect_end(mr_inspect *in, mr_status status, const char *what)
{
    if (status != MR_OK) {
        json_decref(in->array);
        return mr_inspect_failed(in, status, what);
    }
    if (in->array == NULL)
        return MR_FAIL(in->error, MR_NO_MEMORY, "out of memory listing the %s", what);
    if (in->json)
        return mr_json_print(json_pack("{s:o}", what, in->array), in->error);
    json_decref(in->array);
    if (in->seen > in->lines_max)
        (void)printf("... and %s more\n", mr_count_print(in->seen - in->lines_max).text);
    else if (in->seen == 0)
        (void)printf("no %s\n", what);
    return MR_OK;
}

/* clang-format off */
static json_t *summary_object(const mr_engine_info *info)
{
    return json_pack("{s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:o, s:o, s:o}",
                     "height", mr_json_u64(info->height),
                     "root", mr_id_print(&info->root).text,
                     "queue", mr_json_u64(info->queue_count),
                     "waiting", mr_json_u64(info->waiting_count),
                     "letters", mr_json_u64(info->letters_count),
                     "tasks", mr_json_u64(info->tasks_count),
                     "gas_held", mr_json_u64(info->gas_held),
                     "programs", mr_json_u64(info->programs_count),
                     "codes", mr_json_u64(info->codes_count),
                     "balances", info->accounts,
                     "accounts", mr_json_u64(info->accounts_count),
                     "issued", mr_json_value(info->issued),
                     "burned", mr_json_value(info->burned));
}

static json_t *message_object(const mr_queued_message *message)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:o}",
                     "id", mr_id_print(&message->id).text,
                     "from", mr_id_print(&message->source).text,
                     "to", mr_id_print(&message->program).text,
                     "kind", mr_kind_name(message->kind),
                     "gas_limit", mr_json_u64(message->gas_limit),
                     "value", mr_json_value(message->value),
                     "payload", mr_json_bytes(message->payload));
}

static json_t *block_object(const mr_block_info *info, const mr_block_params *params)
{
    return json_pack("{s:o, s:s, s:o, s:o, s:o, s:o, s:o}",
                     "height", mr_json_u64(info->height),
                     "root", mr_id_print(&info->root).text,
                     "timestamp", mr_json_u64(params->timestamp_ms),
                     "gas_limit", mr_json_u64(params->gas_limit),
                     "gas_burned", mr_json_u64(info->gas_burned),
                     "receipts", mr_json_u64(info->receipts_count),
                     "transactions", mr_json_u64(info->transactions_count));
}

static json_t *program_object(const mr_program_info *info)
{
    json_t *object = json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:s}",
                               "id", mr_id_print(&info->id).text,
                               "code", mr_id_print(&info->code).text,
                               "status", mr_program_status_name(info->status),
                               "balance", mr_json_value(info->balance),
                               "pages", mr_json_u64(info->pages),
                               "units", mr_json_u64(info->units),
                               "waiting", mr_json_u64(info->waiting),
                               "reservations", mr_json_u64(info->reservations),
                               "memory_root", mr_id_print(&info->memory_root).text);
    if (object != NULL && info->status == MR_PROGRAM_EXITED)
        (void)json_object_set_new(object, "inheritor", mr_json_id(NULL, &info->inheritor));
    return object;
}
/* clang-format on */

mr_status mr_inspect_summary(mr_inspect *in)
{
    mr_engine_info info;
    mr_engine_info_get(in->engine, &info);
    if (in->json)
        return mr_json_print(summary_object(&info), in->error);
    (void)printf("height    %" PRIu64 "\nroot      %s\n", info.height,
                 mr_id_print(&info.root).text);
    (void)printf("queue     %s\n", mr_count_print(info.queue_count).text);
    (void)printf("waiting   %s\n", mr_count_print(info.waiting_count).text);
    (void)printf("letters   %s\n", mr_count_print(info.letters_count).text);
    (void)printf("agenda    %s\n", mr_count_print(info.tasks_count).text);
    (void)printf("gas held  %s\n", mr_count_print(info.gas_held).text);
    (void)printf("programs  %s\n", mr_count_print(info.programs_count).text);
    (void)printf("codes     %s\n", mr_count_print(info.codes_count).text);
    if (info.accounts)
        (void)printf("accounts  %s\n", mr_count_print(info.accounts_count).text);
    else
        (void)printf("accounts  not kept: everybody can pay everything\n");
    (void)printf("issued    %s\n", mr_value_print(info.issued).text);
    (void)printf("burned    %s\n", mr_value_print(info.burned).text);
    return MR_OK;
}

static bool visit_program(void *arg, const mr_program_info *info)
{
    mr_inspect *in = arg;
    if (in->json)
        return mr_inspect_append(in, program_object(info));
    if (mr_inspect_next(in))
        (void)printf("%s  %s, %u page%s, %u unit%s, value %s\n", mr_id_print(&info->id).text,
                     mr_program_status_name(info->status), info->pages, mr_plural(info->pages),
                     info->units, mr_plural(info->units), mr_value_print(info->balance).text);
    return true;
}

mr_status mr_inspect_programs(mr_inspect *in)
{
    MR_TRY(mr_inspect_begin(in));
    return mr_inspect_end(in, mr_engine_programs(in->engine, visit_program, in), "programs");
}

mr_status mr_inspect_program(mr_inspect *in)
{
    mr_id id;
    MR_TRY(mr_lookup_program(in->engine, in->argument, &id, in->error));
    mr_program_info info;
    mr_status status = mr_engine_program(in->engine, &id, &info);
    if (status == MR_NOT_FOUND)
        return MR_FAIL(in->error, status, "%s: there is no program %s", in->db,
                       mr_id_print(&id).text);
    if (status != MR_OK)
        return mr_inspect_failed(in, status, "program");
    if (in->json)
        return mr_json_print(program_object(&info), in->error);
    (void)printf("program      %s\ncode         %s\nstatus       %s\n", mr_id_print(&id).text,
                 mr_id_print(&info.code).text, mr_program_status_name(info.status));
    if (info.status == MR_PROGRAM_EXITED)
        (void)printf("inheritor    %s\n", mr_id_print(&info.inheritor).text);
    (void)printf("value        %s\nwaiting      %s message%s\n", mr_value_print(info.balance).text,
                 mr_count_print(info.waiting).text, mr_plural(info.waiting));
    (void)printf("reservations %u\npages        %u of 64 KiB\nunits        %u of 256 bytes differ "
                 "from the code's\nmemory root  %s\n",
                 info.reservations, info.pages, info.units, mr_id_print(&info.memory_root).text);
    return MR_OK;
}

static bool visit_account(void *arg, const mr_id *account, mr_value balance)
{
    mr_inspect *in = arg;
    if (in->json)
        return mr_inspect_append(in, json_pack("{s:s, s:o}", "id", mr_id_print(account).text,
                                               "balance", mr_json_value(balance)));
    if (mr_inspect_next(in))
        (void)printf("%s  %s\n", mr_id_print(account).text, mr_value_print(balance).text);
    return true;
}

mr_status mr_inspect_accounts(mr_inspect *in)
{
    MR_TRY(mr_inspect_begin(in));
    return mr_inspect_end(in, mr_engine_accounts(in->engine, visit_account, in), "accounts");
}

mr_status mr_inspect_account(mr_inspect *in)
{
    mr_id id;
    MR_TRY(mr_lookup_account(in->engine, in->argument, &id, in->error));
    mr_value balance;
    mr_status status = mr_engine_account(in->engine, &id, &balance);
    mr_engine_info info;
    mr_engine_info_get(in->engine, &info);
    if (status == MR_NOT_FOUND)
        return MR_FAIL(in->error, status, "%s: there is no account %.70s (%s)%s", in->db,
                       in->argument, mr_id_print(&id).text,
                       info.accounts ? "" : ": accounts are not kept there");
    if (status != MR_OK)
        return mr_inspect_failed(in, status, "account");
    if (in->json)
        return mr_json_print(
            json_pack("{s:s, s:o}", "id", mr_id_print(&id).text, "balance", mr_json_value(balance)),
            in->error);
    (void)printf("account  %s\nbalance  %s\n", mr_id_print(&id).text, mr_value_print(balance).text);
    return MR_OK;
}

static bool visit_message(void *arg, const mr_queued_message *message)
{
    mr_inspect *in = arg;
    if (in->json)
        return mr_inspect_append(in, message_object(message));
    if (mr_inspect_next(in))
        (void)printf("%s  %s %s -> %s, gas %s, value %s: %s\n", mr_id_print(&message->id).text,
                     mr_kind_name(message->kind), mr_id_print(&message->source).text,
                     mr_id_print(&message->program).text, mr_count_print(message->gas_limit).text,
                     mr_value_print(message->value).text, mr_bytes_print(message->payload).text);
    return true;
}

mr_status mr_inspect_queue(mr_inspect *in)
{
    MR_TRY(mr_inspect_begin(in));
    return mr_inspect_end(in, mr_engine_queue(in->engine, visit_message, in), "messages");
}

static bool visit_code(void *arg, const mr_id *code, mr_span module)
{
    mr_inspect *in = arg;
    if (in->json)
        return mr_inspect_append(in, json_pack("{s:s, s:o}", "id", mr_id_print(code).text, "bytes",
                                               mr_json_u64(module.size)));
    if (mr_inspect_next(in))
        (void)printf("%s  %s bytes\n", mr_id_print(code).text, mr_count_print(module.size).text);
    return true;
}

mr_status mr_inspect_codes(mr_inspect *in)
{
    MR_TRY(mr_inspect_begin(in));
    return mr_inspect_end(in, mr_engine_codes(in->engine, visit_code, in), "codes");
}

static void free_stored(mr_stored_block **block)
{
    mr_stored_block_free(*block);
}

static mr_status add_block(mr_inspect *in, uint64_t height)
{
    __attribute__((cleanup(free_stored))) mr_stored_block *block = NULL;
    MR_TRY(mr_engine_block(in->engine, height, &block, in->error));
    mr_block_info info;
    mr_block_params params;
    mr_stored_block_info(block, &info, &params);
    if (in->json)
        return mr_inspect_append(in, block_object(&info, &params))
                   ? MR_OK
                   : MR_FAIL(in->error, MR_NO_MEMORY, "out of memory listing blocks");
    if (mr_inspect_next(in))
        (void)printf("%8" PRIu64 "  %s  %s transaction%s, %s receipt%s, gas %s\n", height,
                     mr_id_print(&info.root).text, mr_count_print(info.transactions_count).text,
                     mr_plural(info.transactions_count), mr_count_print(info.receipts_count).text,
                     mr_plural(info.receipts_count), mr_count_print(info.gas_burned).text);
    return MR_OK;
}

mr_status mr_inspect_blocks(mr_inspect *in)
{
    mr_engine_info info;
    mr_engine_info_get(in->engine, &info);
    MR_TRY(mr_inspect_begin(in));
    for (uint64_t height = 1; height <= info.height; height++) {
        mr_status status = add_block(in, height);
        if (status != MR_OK) {
            json_decref(in->array);
            return status;
        }
    }
    return mr_inspect_end(in, MR_OK, "blocks");
}

mr_status mr_inspect_height(mr_inspect *in, uint64_t *out)
{
    if (mr_number_scan_u64(in->argument, 1, UINT64_MAX, out))
        return MR_OK;
    return MR_FAIL(in->error, MR_INVALID, "'%.40s' is no height of a block: a number from 1",
                   in->argument);
}

mr_status mr_inspect_block(mr_inspect *in)
{
    uint64_t height;
    MR_TRY(mr_inspect_height(in, &height));
    __attribute__((cleanup(free_stored))) mr_stored_block *block = NULL;
    MR_TRY(mr_engine_block(in->engine, height, &block, in->error));
    mr_block_view view = {.stored = block};
    mr_block_params params;
    mr_stored_block_info(block, &view.info, &params);
    if (in->json)
        return mr_json_print(mr_json_block(&view), in->error);
    char note[80];
    int used = snprintf(note, sizeof note, "time %" PRIu64 " ms", params.timestamp_ms);
    if (params.gas_limit > 0)
        (void)snprintf(note + used, sizeof note - (size_t)used, ", gas limit %s",
                       mr_count_print(params.gas_limit).text);
    mr_report_head(stdout, &view, note);
    mr_report_lists(stdout, &view, in->lines_max);
    return MR_OK;
}
