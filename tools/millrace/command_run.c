/* SPDX-License-Identifier: Apache-2.0 */
/* millrace run: executes a scenario block by block and checks what it expects. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tools/millrace/run.h"

static void profile_argument(mr_run_options *options, const char *argument,
                             struct argp_state *state)
{
    options->profile = true;
    if (strncmp(argument, "gas=", 4) == 0 && argument[4] != '\0')
        options->profile_file = argument + 4;
    else if (strcmp(argument, "gas") != 0)
        argp_error(state, "--profile takes gas or gas=FILE, not '%.40s'", argument);
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
    mr_run_options *options = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &options->engine;
        return 0;
    case 'd':
        options->db = mr_argp_db(state, argument);
        return 0;
    case 'j':
        options->json = true;
        return 0;
    case 'l':
        options->lines_max = mr_argp_u64(state, "--lines", argument, 0, UINT64_MAX);
        return 0;
    case 'c':
        options->check = true;
        return 0;
    case 'g':
        options->debug = true;
        return 0;
    case 'e':
        options->explain = true;
        return 0;
    case 'T':
        options->trace = true;
        if (argument != NULL)
            options->trace_only = mr_argp_u64(state, "--trace", argument, 1, UINT32_MAX);
        return 0;
    case 'p':
        profile_argument(options, argument, state);
        return 0;
    case 'E':
        options->estimate = true;
        return 0;
    case ARGP_KEY_ARG:
        if (options->scenario != NULL && options->trace && argument[0] >= '0' && argument[0] <= '9')
            argp_error(state,
                       "what is %.40s for? A number for --trace stands behind an equals sign: "
                       "--trace=%.40s",
                       argument, argument);
        if (options->scenario != NULL)
            return ARGP_ERR_UNKNOWN;
        options->scenario = argument;
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "which scenario?");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

int mr_command_run(int argc, char **argv)
{
    static const struct argp_option argp_options[] = {
        {"db", 'd', "DIR", 0, "keep the state in a new database there; else it is in memory", 0},
        {"json", 'j', NULL, 0, "print one JSON object", 0},
        {"lines", 'l', "N", 0, "print at most N receipts and N messages a block; default 50", 0},
        {"explain", 'e', NULL, 0, "explain failures that are expected, too", 0},
        {"trace", 'T', "N", OPTION_ARG_OPTIONAL,
         "print what came of what, with its gas: of everything, or of the N-th message of each "
         "block",
         0},
        {"profile", 'p', "gas[=FILE]", 0,
         "print gas by function of each program; FILE gets folded stacks for flame graphs", 0},
        {"estimate", 'E', NULL, 0, "print the least gas that each message needs", 0},
        {"check", 'c', NULL, 0, "check conservation and roots after every block; slow", 0},
        {"debug", 'g', NULL, 0, "print what programs say with gr_debug", 0},
        {0},
    };
    static const struct argp_child children[] = {{&mr_engine_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {
        .options = argp_options,
        .parser = parse,
        .args_doc = "SCENARIO.yaml",
        .doc = "Deploys the scenario's programs, feeds its messages block by block, prints "
               "receipts and checks what is expected. Failures that nobody expects are explained.",
        .children = children};
    mr_run_options options = {.lines_max = 50};
    (void)argp_parse(&argp, argc, argv, 0, NULL, &options);
    mr_error error = {0};
    uint64_t failures = 0;
    mr_status status = mr_run_scenario(&options, &failures, &error);
    if (status == MR_OK && failures > 0)
        status = MR_FAIL(&error, MR_INVALID, "%s: %" PRIu64 " expectation%s not met",
                         options.scenario, failures, failures == 1 ? " is" : "s are");
    return status == MR_OK ? MR_EXIT_OK : mr_command_failed(&error);
}
