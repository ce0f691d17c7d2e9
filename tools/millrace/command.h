/* SPDX-License-Identifier: Apache-2.0 */
/* command: what the sub-commands of millrace share. Each is an ordinary main function that is
 * handed its own arguments; argv[0] is "millrace NAME". */
#ifndef MR_TOOLS_COMMAND_H
#define MR_TOOLS_COMMAND_H

#include <argp.h>

#include "engine/millrace.h"

enum {
    MR_EXIT_OK = 0,
    MR_EXIT_FAILED = 1, /* the work failed; standard error says why */
    MR_EXIT_USAGE = 2,  /* the command line is wrong */
};

int mr_command_run(int argc, char **argv);
int mr_command_bench(int argc, char **argv);
int mr_command_demo(int argc, char **argv);
int mr_command_inspect(int argc, char **argv);
int mr_command_query(int argc, char **argv);
int mr_command_replay(int argc, char **argv);
int mr_command_check(int argc, char **argv);
int mr_command_pack(int argc, char **argv);
int mr_command_compile(int argc, char **argv);
int mr_command_schedule(int argc, char **argv);

/* mr_command_failed prints the error as a sentence and returns MR_EXIT_FAILED. */
int mr_command_failed(const mr_error *error);

/* Options about the engine that several commands take, as a child parser:
 * --streams, --tier, --native-dir, --compiler, --no-pin. */
typedef struct mr_engine_flags {
    uint32_t streams; /* 0: one per core */
    bool no_pin;
    mr_engine_tier tier;
    const char *native_directory; /* NULL: the default */
    const char *compiler;         /* NULL: the default */
} mr_engine_flags;
extern const struct argp mr_engine_argp;
extern const struct argp mr_native_argp; /* only --native-dir and --compiler */

/* mr_tier_name returns what --tier calls it. */
const char *mr_tier_name(mr_engine_tier tier);

/* mr_argp_u64 reads an argument or ends the program with a usage error naming `option`. */
uint64_t mr_argp_u64(struct argp_state *state, const char *option, const char *text, uint64_t min,
                     uint64_t max);

/* mr_argp_db returns the argument of --db or ends the program with a usage error. */
const char *mr_argp_db(struct argp_state *state, const char *text);

/* mr_module_file_read reads a module, or the text of one from a file *.wat. */
mr_status mr_module_file_read(const char *path, mr_buffer *out, mr_error *error);

/* mr_stdout_flush tells whether everything printed has reached standard output. */
mr_status mr_stdout_flush(mr_error *error);

#endif
