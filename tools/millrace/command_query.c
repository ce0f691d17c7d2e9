/* SPDX-License-Identifier: Apache-2.0 */
/* millrace query: asks a program of a database that nobody has open: what its state entry says,
 * what a message to it would do, or what that would need. Changes nothing. */
#include <string.h>

#include "tools/millrace/command.h"
#include "tools/millrace/number.h"
#include "tools/millrace/query.h"

typedef struct arguments {
    mr_query query;
    bool metahash, message, estimate, value;
} arguments;

enum { OPTION_METAHASH = 256, OPTION_TIMESTAMP };

/* What is asked, or a usage error when the options do not go together. */
static void choose(arguments *a, struct argp_state *state)
{
    mr_query *q = &a->query;
    if (a->message && a->estimate)
        argp_error(state, "--message and --estimate exclude each other: the one shows what a "
                          "message does, the other what gas it needs");
    if (a->metahash && (a->message || a->estimate))
        argp_error(state, "--metahash asks the program's metahash entry, and takes no --message or "
                          "--estimate");
    if (a->value && !a->message && !a->estimate)
        argp_error(state, "--value is for messages: add --message or --estimate");
    q->what = a->message    ? MR_QUERY_MESSAGE
              : a->estimate ? MR_QUERY_ESTIMATE
              : a->metahash ? MR_QUERY_METAHASH
                            : MR_QUERY_STATE;
    if (q->db == NULL || q->db[0] == '\0')
        argp_error(state, "which database?");
    if (q->program == NULL || q->program[0] == '\0')
        argp_error(state, "which program? `millrace inspect %s programs' lists them", q->db);
}

static mr_value value_of(struct argp_state *state, const char *text)
{
    mr_number number;
    if (mr_number_scan(text, strlen(text), &number) == MR_OK && !number.negative)
        return number.magnitude;
    argp_error(state, "--value takes a number from 0 to 2^128 - 1, not '%.40s'", text);
    return 0;
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
    arguments *a = state->input;
    mr_query *q = &a->query;
    switch (key) {
    case 'm':
        a->message = true;
        return 0;
    case 'e':
        a->estimate = true;
        return 0;
    case OPTION_METAHASH:
        a->metahash = true;
        return 0;
    case 'j':
        q->json = true;
        return 0;
    case 'p':
        q->payload = argument;
        return 0;
    case 'f':
        q->from = argument;
        return 0;
    case 'g':
        q->gas = mr_argp_u64(state, "--gas", argument, 0, UINT64_MAX);
        return 0;
    case 'v':
        q->value = value_of(state, argument);
        a->value = true;
        return 0;
    case OPTION_TIMESTAMP:
        q->timestamp_ms = mr_argp_u64(state, "--timestamp", argument, 0, UINT64_MAX);
        return 0;
    case ARGP_KEY_ARG:
        if (q->db == NULL)
            q->db = argument;
        else if (q->program == NULL)
            q->program = argument;
        else
            return ARGP_ERR_UNKNOWN;
        return 0;
    case ARGP_KEY_END:
        choose(a, state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

int mr_command_query(int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"payload", 'p', "TEXT", 0, "what to ask, as text or after 0x as hexadecimal digits", 0},
        {"message", 'm', NULL, 0, "show what a message with this payload would do", 0},
        {"estimate", 'e', NULL, 0, "tell the least gas limit with which that would succeed", 0},
        {"metahash", OPTION_METAHASH, NULL, 0, "ask metahash in place of state", 0},
        {"from", 'f', "ACCOUNT", 0, "as whom, by name or id; default alice", 0},
        {"gas", 'g', "N", 0, "gas limit, or the most to try; default 100,000,000,000", 0},
        {"value", 'v', "N", 0, "value of the message, with --message or --estimate", 0},
        {"timestamp", OPTION_TIMESTAMP, "MS", 0, "time that the program sees; default 0", 0},
        {"json", 'j', NULL, 0, "print one JSON object", 0},
        {0},
    };
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .args_doc = "DB PROGRAM",
        .doc =
            "Asks a program of a database, by its id or the beginning of it, and prints what its "
            "state entry replies. Nothing changes."};
    arguments a = {.query = {.from = "alice", .payload = "", .gas = 100000000000}};
    (void)argp_parse(&argp, argc, argv, 0, NULL, &a);
    mr_error error = {0};
    return mr_query_run(&a.query, &error) == MR_OK ? MR_EXIT_OK : mr_command_failed(&error);
}
