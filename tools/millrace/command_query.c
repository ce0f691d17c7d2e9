/* SPDX-License-Identifier: Apache-2.0 */
/* millrace query: asks a program of a database that nobody has open: what its state entry says,
 * what a message to it would do, or what that would need. Changes nothing. */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/millrace/command.h"
#include "tools/millrace/names.h"
#include "tools/millrace/number.h"

typedef enum what { ASK_STATE, ASK_METAHASH, TRY, ESTIMATE } what;

typedef struct arguments {
    const char *db, *program, *payload, *from;
    what what;
    uint64_t gas;
    mr_value value;
    uint64_t timestamp_ms;
} arguments;

enum { OPTION_METAHASH = 256, OPTION_TIMESTAMP };

static error_t parse(int key, char *argument, struct argp_state *state)
{
    arguments *a = state->input;
    switch (key) {
    case 'm':
        a->what = TRY;
        return 0;
    case 'e':
        a->what = ESTIMATE;
        return 0;
    case OPTION_METAHASH:
        a->what = ASK_METAHASH;
        return 0;
    case 'p':
        a->payload = argument;
        return 0;
    case 'f':
        a->from = argument;
        return 0;
    case 'g':
        a->gas = mr_argp_u64(state, "--gas", argument, 0, UINT64_MAX);
        return 0;
    case 'v':
        a->value = mr_argp_u64(state, "--value", argument, 0, UINT64_MAX);
        return 0;
    case OPTION_TIMESTAMP:
        a->timestamp_ms = mr_argp_u64(state, "--timestamp", argument, 0, UINT64_MAX);
        return 0;
    case ARGP_KEY_ARG:
        if (a->db == NULL)
            a->db = argument;
        else if (a->program == NULL)
            a->program = argument;
        else
            return ARGP_ERR_UNKNOWN;
        return 0;
    case ARGP_KEY_END:
        if (a->db == NULL || a->db[0] == '\0')
            argp_error(state, "which database?");
        if (a->program == NULL)
            argp_error(state, "which program? `millrace inspect %s programs' lists them", a->db);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)tolower((unsigned char)c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* A payload is text, or after 0x hexadecimal digits. */
static mr_status read_payload(const char *text, mr_buffer *out, mr_error *error)
{
    if (strncmp(text, "0x", 2) != 0)
        return mr_buffer_append(out, mr_span_text(text));
    const char *at = text + 2;
    for (; at[0] != '\0'; at += 2) {
        const int high = digit(at[0]), low = at[1] == '\0' ? -1 : digit(at[1]);
        if (high < 0 || low < 0)
            return MR_FAIL(error, MR_INVALID,
                           "the payload %.40s is not pairs of hexadecimal digits", text);
        const uint8_t byte = (uint8_t)(high << 4 | low);
        MR_TRY(mr_buffer_append(out, mr_span_of(&byte, 1)));
    }
    return MR_OK;
}

static bool is_text(mr_span bytes)
{
    for (size_t i = 0; i < bytes.size; i++)
        if (bytes.data[i] < ' ' || bytes.data[i] > '~')
            return false;
    return bytes.size > 0;
}

static void print_bytes(mr_span bytes)
{
    if (bytes.size == 0) {
        (void)printf("(empty)");
    } else if (is_text(bytes)) {
        (void)printf("\"%.*s\"", (int)bytes.size, (const char *)bytes.data);
    } else {
        (void)printf("0x");
        for (size_t i = 0; i < bytes.size; i++)
            (void)printf("%02x", bytes.data[i]);
    }
}

/* The program by its id, or by the beginning of it when no other begins so. */
typedef struct search {
    const char *digits;
    mr_id id;
    unsigned found;
} search;

static bool match(void *arg, const mr_program_info *program)
{
    search *s = arg;
    const mr_id_text text = mr_id_print(&program->id);
    if (strncasecmp(text.text + 2, s->digits, strlen(s->digits)) == 0) {
        s->id = program->id;
        s->found++;
    }
    return s->found < 2;
}

static mr_status find_program(mr_engine *engine, const char *text, mr_id *out, mr_error *error)
{
    if (mr_id_scan(text, out))
        return MR_OK;
    enum { DIGITS_MIN = 4 };
    search s = {.digits = strncmp(text, "0x", 2) == 0 ? text + 2 : text};
    if (strlen(s.digits) >= DIGITS_MIN)
        MR_TRY(mr_engine_programs(engine, match, &s));
    *out = s.id;
    if (s.found == 1)
        return MR_OK;
    if (strlen(s.digits) < DIGITS_MIN)
        return MR_FAIL(error, MR_INVALID,
                       "%.64s is too short for the beginning of an id: %d digits", text,
                       DIGITS_MIN);
    return MR_FAIL(error, MR_NOT_FOUND,
                   s.found > 1 ? "more than one program's id begins with %.64s"
                               : "no program has the id %.64s, or an id that begins with it",
                   text);
}

static mr_status ask(const arguments *a, mr_engine *engine, const mr_id *program, mr_span payload,
                     mr_error *error)
{
    const mr_reading reading = {
        .program = *program,
        .source = mr_id_of_name(a->from),
        .entry = a->what == ASK_METAHASH ? "metahash" : "state",
        .payload = payload,
        .gas_limit = a->gas,
        .timestamp_ms = a->timestamp_ms,
    };
    mr_answer answer;
    MR_TRY(mr_engine_read(engine, &reading, &answer, error));
    if (answer.outcome == MR_OUTCOME_UNAVAILABLE)
        return MR_FAIL(error, MR_STATE, "the program is not active, or has no entry %s",
                       reading.entry);
    if (answer.outcome != MR_OUTCOME_OK)
        return MR_FAIL(error, MR_STATE, "%s ended in %s: %.*s", reading.entry,
                       mr_outcome_name(answer.outcome), (int)answer.text.size,
                       answer.text.size > 0 ? (const char *)answer.text.data : "");
    print_bytes(answer.payload);
    (void)printf("\n");
    return MR_OK;
}

static mr_transaction message(const arguments *a, const mr_id *program, mr_span payload)
{
    return (mr_transaction){
        .kind = MR_TRANSACTION_SEND,
        .from = mr_id_of_name(a->from),
        .to = *program,
        .payload = payload,
        .gas_limit = a->gas,
        .value = a->value,
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
            print_bytes(receipt.text);
            (void)printf("\n");
        }
    }
    mr_user_message told;
    for (uint64_t i = 0; mr_block_user_message(block, i, &told); i++) {
        (void)printf("%s to %s: ", mr_id_print(&told.from).text, mr_id_print(&told.to).text);
        print_bytes(told.payload);
        if (told.is_reply)
            (void)printf(", reply %02x%02x%02x%02x", told.code[0], told.code[1], told.code[2],
                         told.code[3]);
        (void)printf("\n");
    }
}

static mr_status try_out(const arguments *a, mr_engine *view, const mr_id *program, mr_span payload,
                         mr_error *error)
{
    const mr_transaction send = message(a, program, payload);
    const mr_block_params params = {.timestamp_ms = a->timestamp_ms};
    mr_block *block;
    MR_TRY(mr_block_execute(view, &params, &send, 1, &block, error));
    mr_transaction_result result = {0};
    mr_status status = MR_OK;
    if (mr_block_transaction(block, 0, &result) && result.admission != MR_ADMISSION_ACCEPTED)
        status = MR_FAIL(error, MR_INVALID, "%s", mr_admission_text(result.admission));
    else
        print_block(block);
    mr_block_discard(block);
    return status;
}

static mr_status estimate(const arguments *a, mr_engine *view, const mr_id *program,
                          mr_span payload, mr_error *error)
{
    const mr_transaction send = message(a, program, payload);
    const mr_block_params params = {.timestamp_ms = a->timestamp_ms};
    mr_estimate found;
    MR_TRY(mr_view_estimate(view, &params, &send, a->gas, 0, &found, error));
    if (!found.succeeds)
        return MR_FAIL(error, MR_STATE, "with any gas it fails: %s in program %s: %.*s",
                       mr_outcome_name(found.outcome), mr_id_print(&found.failed).text,
                       (int)found.text.size,
                       found.text.size > 0 ? (const char *)found.text.data : "");
    (void)printf("gas limit %" PRIu64 ", of which %" PRIu64 " is burned, in %u block%s%s\n",
                 found.gas_limit, found.gas_burned, found.blocks, found.blocks == 1 ? "" : "s",
                 found.waits ? "; then something of it still waits" : "");
    return MR_OK;
}

static mr_status query_view(const arguments *a, mr_engine *view, mr_error *error)
{
    mr_id program;
    MR_TRY(find_program(view, a->program, &program, error));
    mr_buffer payload = {0};
    mr_status status = read_payload(a->payload, &payload, error);
    const mr_span bytes = mr_buffer_span(&payload);
    if (status == MR_OK && (a->what == ASK_STATE || a->what == ASK_METAHASH))
        status = ask(a, view, &program, bytes, error);
    else if (status == MR_OK && a->what == TRY)
        status = try_out(a, view, &program, bytes, error);
    else if (status == MR_OK)
        status = estimate(a, view, &program, bytes, error);
    mr_buffer_fini(&payload);
    return status;
}

static mr_status query(const arguments *a, mr_error *error)
{
    mr_engine_options options = {.path = a->db, .read_only = true, .streams = 1, .no_pin = true};
    mr_engine *engine, *view = NULL;
    MR_TRY(mr_engine_open(&options, &engine, error));
    mr_status status = mr_view_open(engine, MR_VIEW_ALONE, &view, error);
    if (status == MR_OK)
        status = query_view(a, view, error);
    (void)mr_engine_close(view, NULL);
    mr_status closed = mr_engine_close(engine, status == MR_OK ? error : NULL);
    MR_TRY(status);
    MR_TRY(closed);
    return mr_stdout_flush(error);
}

int mr_command_query(int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"payload", 'p', "TEXT", 0, "what to ask, as text or after 0x as hexadecimal digits", 0},
        {"message", 'm', NULL, 0, "show what a message with this payload would do", 0},
        {"estimate", 'e', NULL, 0, "tell the least gas limit with which that would succeed", 0},
        {"metahash", OPTION_METAHASH, NULL, 0, "ask metahash in place of state", 0},
        {"from", 'f', "NAME", 0, "as which account; default alice", 0},
        {"gas", 'g', "N", 0, "gas limit, or the most to try; default 100,000,000,000", 0},
        {"value", 'v', "N", 0, "value of the message", 0},
        {"timestamp", OPTION_TIMESTAMP, "MS", 0, "time that the program sees; default 0", 0},
        {0},
    };
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .args_doc = "DB PROGRAM",
        .doc =
            "Asks a program of a database, by its id or the beginning of it, and prints what its "
            "state entry replies. Nothing changes."};
    arguments a = {.from = "alice", .payload = "", .gas = 100000000000};
    (void)argp_parse(&argp, argc, argv, 0, NULL, &a);
    mr_error error = {0};
    return query(&a, &error) == MR_OK ? MR_EXIT_OK : mr_command_failed(&error);
}
