/* SPDX-License-Identifier: Apache-2.0 */
/* millrace: finds the sub-command and hands over. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "tools/millrace/command.h"
#include "tools/millrace/version.h"

typedef struct command {
    const char *name;
    const char *full_name; /* what argp calls the program in its messages */
    int (*main)(int argc, char **argv);
    const char *text;
} command;

static const command commands[] = {
    {"run", "millrace run", mr_command_run, "run a scenario file and check what it expects"},
    {"demo", "millrace demo", mr_command_demo,
     "a million messages through the example programs, on all cores and on one"},
    {"bench", "millrace bench", mr_command_bench, "measure a workload"},
    {"inspect", "millrace inspect", mr_command_inspect, "look into a database"},
    {"query", "millrace query", mr_command_query, "ask a program of a database, or try a message"},
    {"replay", "millrace replay", mr_command_replay,
     "run the blocks of a database again and compare the roots"},
    {"check", "millrace check", mr_command_check, "tell whether a module would be accepted"},
    {"pack", "millrace pack", mr_command_pack, "turn a linked module into a program"},
    {"compile", "millrace compile", mr_command_compile,
     "compile programs ahead of time, for --tier native and auto"},
    {"schedule", "millrace schedule", mr_command_schedule, "print the gas schedule"},
};

enum { COMMANDS_COUNT = sizeof commands / sizeof commands[0] };

static void help(FILE *out)
{
    (void)fprintf(out, "Usage: millrace COMMAND [ARGUMENT...]\n"
                       "Millrace runs WebAssembly actors: a block of messages in, on every core, "
                       "one state root out.\n\n");
    for (size_t i = 0; i < COMMANDS_COUNT; i++)
        (void)fprintf(out, "  %-10s %s\n", commands[i].name, commands[i].text);
    (void)fprintf(out, "\n  millrace COMMAND --help   tells what a command takes\n"
                       "  millrace --version        prints the version\n\n"
                       "Exit status: 0 done, 1 the work failed, 2 the command line is wrong.\n");
}

static int printed(void)
{
    mr_error error = {0};
    return mr_stdout_flush(&error) == MR_OK ? MR_EXIT_OK : mr_command_failed(&error);
}

/* Hands over to the command that argv[1] names. */
static int run(int argc, char **argv)
{
    for (size_t i = 0; i < COMMANDS_COUNT; i++) {
        if (strcmp(argv[1], commands[i].name) != 0)
            continue;
        char name[32];
        (void)snprintf(name, sizeof name, "%s", commands[i].full_name);
        argv[1] = name;
        return commands[i].main(argc - 1, argv + 1);
    }
    (void)fprintf(stderr, "millrace: there is no command '%.40s'; `millrace --help' lists them\n",
                  argv[1]);
    return MR_EXIT_USAGE;
}

/* What the library has to say beside the results of its calls. */
static void note(void *arg, mr_log_level level, const char *text)
{
    (void)arg;
    if (level <= MR_LOG_WARNING)
        (void)fprintf(stderr, "millrace: %s\n", text);
}

int main(int argc, char **argv)
{
    mr_log_set_sink(note, NULL);
    argp_err_exit_status = MR_EXIT_USAGE;
    (void)signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is told like a full disk */
    (void)signal(SIGPIPE, SIG_IGN); /* and a reader that has gone away, so that all is cleaned up */
    if (argc < 2) {
        help(stderr);
        return MR_EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        (strcmp(argv[1], "help") == 0 && argc == 2)) {
        help(stdout);
        return printed();
    }
    if (strcmp(argv[1], "--version") == 0) {
        (void)printf("millrace %s\n", MR_VERSION_TEXT);
        return printed();
    }
    if (strcmp(argv[1], "help") == 0) {
        char option[] = "--help", *arguments[] = {argv[0], argv[2], option, NULL};
        return run(3, arguments);
    }
    return run(argc, argv);
}
