/* SPDX-License-Identifier: Apache-2.0 */
/* millrace bench: one workload, measured, as often as asked. */
#include <stdio.h>
#include <string.h>

#include "tools/millrace/bench.h"
#include "tools/millrace/number.h"
#include "tools/millrace/report.h"

typedef struct arguments {
    mr_bench_options bench;
    uint64_t repeat;
    bool json, memory;
} arguments;

static int run_one(const arguments *a, const char *db)
{
    mr_bench_options options = a->bench;
    options.db = db;
    mr_bench_result result;
    mr_error error = {0};
    if (mr_bench_run(&options, &result, &error) != MR_OK)
        return mr_command_failed(&error);
    mr_status status = MR_OK;
    if (a->json)
        status = mr_json_print(mr_bench_json(&result), &error);
    else
        mr_bench_print(&result);
    if (status == MR_OK)
        status = mr_stdout_flush(&error);
    if (status == MR_OK && result.stopped)
        status = MR_FAIL(&error, MR_STATE,
                         "stopped by a signal; the figures are of the blocks "
                         "that were finished");
    return status == MR_OK ? MR_EXIT_OK : mr_command_failed(&error);
}

/* Every repetition begins with nothing, so each has a database of its own. */
static int run_all(const arguments *a)
{
    int exit_code = MR_EXIT_OK;
    for (uint64_t turn = 0; turn < a->repeat && exit_code == MR_EXIT_OK; turn++) {
        char db[4096];
        int used = a->bench.db == NULL ? 0
                   : a->repeat == 1    ? snprintf(db, sizeof db, "%s", a->bench.db)
                                       : snprintf(db, sizeof db, "%s-%llu", a->bench.db,
                                                  (unsigned long long)turn + 1);
        mr_error error = {0};
        if (used < 0 || (size_t)used >= sizeof db) {
            (void)MR_FAIL(&error, MR_INVALID, "the path given to --db is too long");
            return mr_command_failed(&error);
        }
        if (turn > 0 && !a->json)
            (void)printf("\n");
        exit_code = run_one(a, a->bench.db != NULL ? db : NULL);
    }
    return exit_code;
}

static void workload_argument(arguments *a, const char *name, struct argp_state *state)
{
    if (a->bench.workload != NULL)
        argp_error(state, "one workload at a time");
    a->bench.workload = mr_workload_find(name);
    if (a->bench.workload == NULL)
        argp_error(state, "there is no workload '%.40s'; --help lists them", name);
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
    arguments *a = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &a->bench.engine;
        return 0;
    case 'd':
        a->bench.db = mr_argp_db(state, argument);
        return 0;
    case 'M':
        a->memory = true;
        return 0;
    case 'p':
        a->bench.programs = mr_argp_u64(state, "--programs", argument, 1, 10000000);
        return 0;
    case 'm':
        a->bench.messages = mr_argp_u64(state, "--messages", argument, 1, UINT64_C(1) << 50);
        return 0;
    case 'b':
        a->bench.block = mr_argp_u64(state, "--block", argument, 1, 10000000);
        return 0;
    case 'r':
        a->repeat = mr_argp_u64(state, "--repeat", argument, 1, 1000);
        return 0;
    case 'w':
        a->bench.warm_up_blocks =
            argument == NULL ? 1 : mr_argp_u64(state, "--warm-up", argument, 0, 1000000);
        return 0;
    case 'c':
        a->bench.timing = true;
        return 0;
    case 'j':
        a->json = true;
        return 0;
    case ARGP_KEY_ARG:
        workload_argument(a, argument, state);
        return 0;
    case ARGP_KEY_END:
        if (a->bench.workload == NULL)
            argp_error(state, "which workload? --help lists them");
        if (a->memory && a->bench.db != NULL)
            argp_error(state, "--db and --memory exclude each other");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* The list of workloads comes from their table. argp frees what a help filter returns. */
static char *help(int key, const char *text, void *input)
{
    (void)input;
    if (key != ARGP_KEY_HELP_POST_DOC)
        return (char *)(uintptr_t)text;
    mr_buffer out = {0};
    mr_status status =
        mr_buffer_append(&out, mr_span_text("Workloads, and how many programs they have:\n"));
    for (size_t i = 0; i < mr_workloads_count && status == MR_OK; i++) {
        char line[160];
        (void)snprintf(line, sizeof line, "  %-8s %6llu  %s\n", mr_workloads[i].name,
                       (unsigned long long)mr_workloads[i].programs_default, mr_workloads[i].text);
        status = mr_buffer_append(&out, mr_span_text(line));
    }
    if (status == MR_OK)
        status = mr_buffer_append(&out, mr_span_of("", 1));
    if (status == MR_OK)
        return (char *)out.data;
    mr_buffer_fini(&out);
    return NULL;
}

int mr_command_bench(int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"db", 'd', "DIR", 0, "keep the state in a new database there; pipelined commits", 0},
        {"memory", 'M', NULL, 0, "keep the state in memory (the default)", 0},
        {"programs", 'p', "P", 0, "how many programs", 0},
        {"messages", 'm', "M", 0, "how many messages, about; default 1000000", 0},
        {"block", 'b', "B", 0, "how many of them a block, about; default 50000", 0},
        {"repeat", 'r', "R", 0, "measure R times, each from nothing; DIR-1, DIR-2... with --db", 0},
        {"warm-up", 'w', "BLOCKS", OPTION_ARG_OPTIONAL,
         "blocks that are run before the measurement; 1 when no number is given", 0},
        {"calls", 'c', NULL, 0, "measure the time inside programs, too; costs some itself", 0},
        {"json", 'j', NULL, 0, "print a JSON object for each run", 0},
        {0},
    };
    static const struct argp_child children[] = {{&mr_engine_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .args_doc = "WORKLOAD",
        .doc = "Deploys a workload's programs, sends them messages at full speed and prints what "
               "was measured. Deploying, making the messages and checking the receipts is not "
               "measured.\vWorkloads:",
        .children = children,
        .help_filter = help};
    arguments a = {.bench = {.messages = 1000000, .block = 50000}, .repeat = 1};
    (void)argp_parse(&argp, argc, argv, 0, NULL, &a);
    return run_all(&a);
}
