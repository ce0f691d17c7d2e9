/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/millrace/query.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/millrace/bytes.h"
#include "tools/millrace/command.h"
#include "tools/millrace/estimate.h"
#include "tools/millrace/lookup.h"
#include "tools/millrace/number.h"

/* A payload is text, or after 0x hexadecimal digits. */
static mr_status read_payload(const char *text, mr_buffer *out, mr_error *error)
{
    if (strncmp(text, "0x", 2) != 0)
        return mr_buffer_append(out, mr_span_text(text));
    const size_t digits = strlen(text + 2);
    uint8_t *bytes = malloc(digits / 2 + 1);
    if (bytes == NULL)
        return MR_NO_MEMORY;
    const bool good = mr_hex_scan(text + 2, bytes);
    mr_status status = good ? mr_buffer_append(out, mr_span_of(bytes, digits / 2))
                            : MR_FAIL(error, MR_INVALID,
                                      "the payload %.40s is not pairs of hexadecimal digits", text);
    free(bytes);
    return status;
}

/* `text` is what the program said, if anything. */
static mr_status failed(mr_error *error, const char *how, mr_span text)
{
    return MR_FAIL(error, MR_STATE, "%s%s%s", how, text.size > 0 ? ": " : "",
                   text.size > 0 ? mr_bytes_print(text).text : "");
}

/* What is asked of whom, ids and payload read. */
typedef struct asked {
    const mr_query *query;
    mr_engine *view;
    mr_id program, from;
    mr_span payload;
} asked;

static json_t *answer_object(const asked *a, const char *entry, const mr_answer *answer)
{
    /* clang-format off */
    return json_pack("{s:s, s:s, s:s, s:o, s:o, s:o}",
                     "program", mr_id_print(&a->program).text,
                     "entry", entry,
                     "outcome", mr_outcome_name(answer->outcome),
                     "gas_burned", mr_json_u64(answer->gas_burned),
                     "payload", mr_json_bytes(answer->payload),
                     "text", mr_json_text(answer->outcome == MR_OUTCOME_OK ? answer->payload
                                                                           : answer->text));
    /* clang-format on */
}

static mr_status unavailable(const asked *a, const char *entry, mr_error *error)
{
    mr_program_info info;
    MR_TRY(mr_engine_program(a->view, &a->program, &info));
    if (info.status != MR_PROGRAM_ACTIVE)
        return MR_FAIL(error, MR_STATE, "the program answers nothing: it is %s",
                       mr_program_status_name(info.status));
    return MR_FAIL(error, MR_STATE, "the program answers nothing: it has no entry %s", entry);
}

static mr_status ask(const asked *a, mr_error *error)
{
    const mr_reading reading = {
        .program = a->program,
        .source = a->from,
        .entry = a->query->what == MR_QUERY_METAHASH ? "metahash" : "state",
        .payload = a->payload,
        .gas_limit = a->query->gas,
        .timestamp_ms = a->query->timestamp_ms,
    };
    mr_answer answer;
    MR_TRY(mr_engine_read(a->view, &reading, &answer, error));
    if (a->query->json)
        MR_TRY(mr_json_print(answer_object(a, reading.entry, &answer), error));
    if (answer.outcome == MR_OUTCOME_UNAVAILABLE)
        return unavailable(a, reading.entry, error);
    if (answer.outcome != MR_OUTCOME_OK) {
        char how[64];
        (void)snprintf(how, sizeof how, "%s ended in %s", reading.entry,
                       mr_outcome_name(answer.outcome));
        return failed(error, how, answer.text);
    }
    if (a->query->json)
        return MR_OK;
    mr_bytes_write(stdout, answer.payload, SIZE_MAX);
    (void)printf("\n");
    return MR_OK;
}

static mr_transaction message(const asked *a)
{
    return (mr_transaction){
        .kind = MR_TRANSACTION_SEND,
        .from = a->from,
        .to = a->program,
        .payload = a->payload,
        .gas_limit = a->query->gas,
        .value = a->query->value,
    };
}

static void print_block(const mr_block *block)
{
    mr_receipt receipt;
    for (uint64_t i = 0; mr_block_receipt(block, i, &receipt); i++) {
        (void)printf("%s %s -> %s: %s, gas %" PRIu64 " of %" PRIu64 "\n",
                     mr_kind_name(receipt.kind), mr_id_print(&receipt.source).text,
                     mr_id_print(&receipt.program).text, mr_outcome_name(receipt.outcome),
                     receipt.gas_burned, receipt.gas_limit);
        if (receipt.text.size > 0) {
            (void)printf("  ");
            mr_bytes_write(stdout, receipt.text, SIZE_MAX);
            (void)printf("\n");
        }
    }
    mr_user_message told;
    for (uint64_t i = 0; mr_block_user_message(block, i, &told); i++) {
        (void)printf("%s to %s: ", mr_id_print(&told.from).text, mr_id_print(&told.to).text);
        mr_bytes_write(stdout, told.payload, SIZE_MAX);
        if (told.is_reply)
            (void)printf(", reply %02x%02x%02x%02x", told.code[0], told.code[1], told.code[2],
                         told.code[3]);
        (void)printf("\n");
    }
}

/* As run's blocks, but for the root: one that is tried out has none. */
static mr_status print_json(const mr_block *block, mr_error *error)
{
    mr_block_view view = {.block = block};
    mr_block_info_get(block, &view.info);
    json_t *object = mr_json_block(&view);
    if (object != NULL)
        (void)json_object_del(object, "root");
    return mr_json_print(object, error);
}

static mr_status try_out(const asked *a, mr_error *error)
{
    const mr_transaction send = message(a);
    const mr_block_params params = {.timestamp_ms = a->query->timestamp_ms};
    mr_block *block;
    MR_TRY(mr_block_execute(a->view, &params, &send, 1, &block, error));
    mr_transaction_result result = {0};
    mr_status status = MR_OK;
    if (mr_block_transaction(block, 0, &result) && result.admission != MR_ADMISSION_ACCEPTED)
        status = MR_FAIL(error, MR_INVALID, "%s%s%s", mr_admission_text(result.admission),
                         result.text[0] != '\0' ? ": " : "", result.text);
    else if (a->query->json)
        status = print_json(block, error);
    else
        print_block(block);
    mr_block_discard(block);
    return status;
}

static mr_status estimate(const asked *a, mr_error *error)
{
    const mr_transaction send = message(a);
    const mr_block_params params = {.timestamp_ms = a->query->timestamp_ms};
    mr_estimate found;
    MR_TRY(mr_view_estimate(a->view, &params, &send, a->query->gas, 0, &found, error));
    if (a->query->json)
        MR_TRY(mr_json_print(mr_estimate_json(NULL, &found), error));
    if (!found.succeeds) {
        char how[160];
        (void)snprintf(how, sizeof how, "with any gas it fails: %s in program %s",
                       mr_outcome_name(found.outcome), mr_id_print(&found.failed).text);
        return failed(error, how, found.text);
    }
    if (!a->query->json)
        (void)printf("gas limit %" PRIu64 ", of which %" PRIu64 " is burned, in %u block%s%s\n",
                     found.gas_limit, found.gas_burned, found.blocks, mr_plural(found.blocks),
                     mr_estimate_print_open(&found).text);
    return MR_OK;
}

static mr_status query_view(const mr_query *query, mr_engine *view, mr_error *error)
{
    __attribute__((cleanup(mr_buffer_fini))) mr_buffer payload = {0};
    asked a = {.query = query, .view = view};
    MR_TRY(mr_lookup_program(view, query->program, &a.program, error));
    MR_TRY(mr_lookup_account(view, query->from, &a.from, error));
    MR_TRY(read_payload(query->payload, &payload, error));
    a.payload = mr_buffer_span(&payload);
    switch (query->what) {
    case MR_QUERY_STATE:
    case MR_QUERY_METAHASH:
        return ask(&a, error);
    case MR_QUERY_MESSAGE:
        return try_out(&a, error);
    case MR_QUERY_ESTIMATE:
        return estimate(&a, error);
    }
    return MR_INVALID;
}

mr_status mr_query_run(const mr_query *query, mr_error *error)
{
    mr_engine_options options = {
        .path = query->db, .read_only = true, .streams = 1, .no_pin = true};
    mr_engine *engine, *view = NULL;
    MR_TRY(mr_engine_open(&options, &engine, error));
    mr_status status = mr_view_open(engine, MR_VIEW_ALONE, &view, error);
    if (status == MR_OK)
        status = query_view(query, view, error);
    (void)mr_engine_close(view, NULL);
    mr_status closed = mr_engine_close(engine, status == MR_OK ? error : NULL);
    MR_TRY(status);
    MR_TRY(closed);
    return mr_stdout_flush(error);
}
