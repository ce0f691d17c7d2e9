/* SPDX-License-Identifier: Apache-2.0 */
/* millrace inspect: looks into a database that nobody has open, and changes nothing. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tools/millrace/command.h"
#include "tools/millrace/inspect.h"
#include "tools/millrace/number.h"

typedef enum argument_use { NONE, ONE, MAYBE } argument_use;

typedef struct subject {
    const char *name;
    argument_use argument;
    mr_status (*show)(mr_inspect *inspect);
    const char *text;
} subject;

static const subject subjects[] = {
    {"summary", NONE, mr_inspect_summary, "height, root and counts; the default"},
    {"programs", NONE, mr_inspect_programs, "all programs"},
    {"program", ONE, mr_inspect_program, "one, by its id"},
    {"accounts", NONE, mr_inspect_accounts, "all accounts"},
    {"account", ONE, mr_inspect_account, "one, by its id or name"},
    {"queue", NONE, mr_inspect_queue, "messages left for the next block"},
    {"waitlist", MAYBE, mr_inspect_waitlist, "messages that wait, in all programs or one"},
    {"mailbox", MAYBE, mr_inspect_mailbox, "letters, of all users or one, by id or name"},
    {"agenda", NONE, mr_inspect_agenda, "what is to be done at which height"},
    {"reservations", MAYBE, mr_inspect_reservations, "reserved gas, of all programs or one"},
    {"message", ONE, mr_inspect_message, "what became of one, over all blocks, by its id"},
    {"blocks", NONE, mr_inspect_blocks, "height, root and gas of every block"},
    {"block", ONE, mr_inspect_block, "one with its receipts and messages, by its height"},
    {"graph", ONE, mr_inspect_graph, "who messaged whom in a block, by its height"},
    {"codes", NONE, mr_inspect_codes, "all uploaded modules"},
};

enum { SUBJECTS_COUNT = sizeof subjects / sizeof subjects[0] };

typedef struct arguments {
    const char *db;
    const subject *subject;
    mr_inspect inspect;
} arguments;

static void subject_argument(arguments *a, const char *name, struct argp_state *state)
{
    for (size_t i = 0; i < SUBJECTS_COUNT; i++)
        if (strcmp(subjects[i].name, name) == 0)
            a->subject = &subjects[i];
    if (a->subject == NULL)
        argp_error(state, "there is nothing called '%.40s' to look at; --help lists what there is",
                   name);
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
    arguments *a = state->input;
    switch (key) {
    case 'j':
        a->inspect.json = true;
        return 0;
    case 'd':
        a->inspect.dot = true;
        return 0;
    case 'l':
        a->inspect.lines_max = mr_argp_u64(state, "--lines", argument, 0, UINT64_MAX);
        return 0;
    case ARGP_KEY_ARG:
        if (a->db == NULL)
            a->db = argument;
        else if (a->subject == NULL)
            subject_argument(a, argument, state);
        else if (a->subject->argument != NONE && a->inspect.argument == NULL)
            a->inspect.argument = argument;
        else
            return ARGP_ERR_UNKNOWN;
        return 0;
    case ARGP_KEY_END:
        if (a->db == NULL || a->db[0] == '\0')
            argp_error(state, "which database?");
        if (a->subject == NULL)
            a->subject = &subjects[0];
        if (a->subject->argument == ONE && a->inspect.argument == NULL)
            argp_error(state, "which %s?",
                       a->subject->show == mr_inspect_graph ? "block" : a->subject->name);
        if (a->inspect.dot && (a->subject->show != mr_inspect_graph || a->inspect.json))
            argp_error(state, "--dot is for graphs, and excludes --json");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static char *help(int key, const char *text, void *input)
{
    (void)input;
    if (key != ARGP_KEY_HELP_POST_DOC)
        return (char *)(uintptr_t)text;
    mr_buffer out = {0};
    mr_status status = mr_buffer_append(&out, mr_span_text("What there is to look at:\n"));
    for (size_t i = 0; i < SUBJECTS_COUNT && status == MR_OK; i++) {
        char line[120];
        static const char *const uses[] = {[NONE] = "", [ONE] = "X", [MAYBE] = "[X]"};
        (void)snprintf(line, sizeof line, "  %-12s %-3s  %s\n", subjects[i].name,
                       uses[subjects[i].argument], subjects[i].text);
        status = mr_buffer_append(&out, mr_span_text(line));
    }
    if (status == MR_OK)
        status = mr_buffer_append(
            &out, mr_span_text(
                      "The first digits of an id, at least four, do where no other begins so.\n"));
    if (status == MR_OK)
        status = mr_buffer_append(&out, mr_span_of("", 1));
    if (status == MR_OK)
        return (char *)out.data;
    mr_buffer_fini(&out);
    return NULL;
}

static mr_status inspect(arguments *a, mr_error *error)
{
    mr_engine_options options = {.path = a->db, .read_only = true, .streams = 1, .no_pin = true};
    MR_TRY(mr_engine_open(&options, &a->inspect.engine, error));
    a->inspect.db = a->db;
    a->inspect.error = error;
    mr_status status = a->subject->show(&a->inspect);
    mr_error *close_error = status == MR_OK ? error : NULL;
    mr_status closed = mr_engine_close(a->inspect.engine, close_error);
    MR_TRY(status);
    MR_TRY(closed);
    return mr_stdout_flush(error);
}

int mr_command_inspect(int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"json", 'j', NULL, 0, "print one JSON object", 0},
        {"dot", 'd', NULL, 0, "print a graph for Graphviz", 0},
        {"lines", 'l', "N", 0, "print at most N entries of a list; default 1000. JSON has all", 0},
        {0},
    };
    static const struct argp argp = {.options = options,
                                     .parser = parse,
                                     .args_doc = "DB [WHAT [X]]",
                                     .doc = "Looks into a database.\vWhat:",
                                     .help_filter = help};
    arguments a = {.inspect = {.lines_max = 1000}};
    (void)argp_parse(&argp, argc, argv, 0, NULL, &a);
    mr_error error = {0};
    return inspect(&a, &error) == MR_OK ? MR_EXIT_OK : mr_command_failed(&error);
}
