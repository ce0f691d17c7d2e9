/* SPDX-License-Identifier: Apache-2.0 */
/* millrace compile: fills the directory of compiled programs ahead of time. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "tools/millrace/command.h"
#include "tools/millrace/names.h"
#include "tools/millrace/report.h"
#include "tools/millrace/watch.h"

typedef struct arguments {
    mr_engine_flags engine;
    char **inputs; /* files and databases */
    size_t count;
} arguments;

static error_t parse(int key, char *argument, struct argp_state *state)
{
    arguments *a = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &a->engine;
        return 0;
    case ARGP_KEY_ARGS:
        a->inputs = state->argv + state->next;
        a->count = (size_t)(state->argc - state->next);
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "which programs? Name module files or databases");
        return 0;
    default:
        (void)argument;
        return ARGP_ERR_UNKNOWN;
    }
}

/* Code that tells which functions are active when it fails, as `run' wants it, and code that does
 * not, as the others do, are two. */
typedef struct compiling {
    const arguments *a;
    mr_watch *watch;
    mr_engine *engine;
    const char *input;
    bool traces;
    unsigned failed;
} compiling;

static void compile(compiling *c, const mr_id *code)
{
    mr_error error = {0};
    mr_status status;
    do
        status = mr_engine_compile(c->engine, code, &error);
    while (status == MR_BUSY && !mr_watch_stopped(c->watch));
    mr_watch_add(c->watch, 1);
    if (status == MR_OK) {
        if (!c->traces)
            (void)printf("%s: code %s\n", c->input, mr_id_print(code).text);
    } else if (status != MR_BUSY) {
        (void)fprintf(stderr, "%s: code %s: %s\n", c->input, mr_id_print(code).text, error.text);
        c->failed++;
    }
}

static bool visit(void *arg, const mr_id *code, mr_span module)
{
    (void)module;
    compiling *c = arg;
    compile(c, code);
    return !mr_watch_stopped(c->watch);
}

static mr_status open_engine(compiling *c, const char *db, mr_error *error)
{
    const mr_engine_flags *flags = &c->a->engine;
    const mr_engine_options options = {
        .path = db,
        .read_only = db != NULL,
        .streams = 1,
        .no_pin = true,
        .tier = MR_ENGINE_NATIVE,
        .native_directory = flags->native_directory,
        .compiler = flags->compiler,
        .keep_traces = c->traces,
    };
    return mr_engine_open(&options, &c->engine, error);
}

static mr_status compile_database(compiling *c, mr_error *error)
{
    MR_TRY(open_engine(c, c->input, error));
    mr_status status = mr_engine_codes(c->engine, visit, c);
    if (status != MR_OK)
        return MR_FAIL(error, status, "%s: cannot read the programs: %s", c->input,
                       mr_status_text(status));
    return MR_OK;
}

/* Uploads the module to an engine that is gone again afterwards. */
static mr_status compile_file(compiling *c, mr_error *error)
{
    __attribute__((cleanup(mr_buffer_fini))) mr_buffer module = {0};
    MR_TRY(mr_module_file_read(c->input, &module, error));
    const mr_schedule schedule = mr_schedule_default();
    mr_status status = mr_module_check(&schedule, mr_buffer_span(&module), error);
    if (status != MR_OK)
        return mr_error_prefix(error, status, "%s: ", c->input);
    MR_TRY(open_engine(c, NULL, error));
    const mr_transaction upload = {.kind = MR_TRANSACTION_UPLOAD,
                                   .payload = mr_buffer_span(&module)};
    const mr_block_params params = {0};
    mr_block *block;
    MR_TRY(mr_block_execute(c->engine, &params, &upload, 1, &block, error));
    const mr_id code = mr_id_of_code(mr_buffer_span(&module));
    compile(c, &code);
    mr_block_discard(block);
    return MR_OK;
}

static mr_status compile_input(compiling *c, mr_error *error)
{
    struct stat facts;
    const bool is_database = stat(c->input, &facts) == 0 && S_ISDIR(facts.st_mode);
    mr_status status = is_database ? compile_database(c, error) : compile_file(c, error);
    mr_error closing = {0};
    mr_status closed = mr_engine_close(c->engine, &closing);
    c->engine = NULL;
    if (status == MR_OK && closed != MR_OK) {
        *error = closing;
        status = closed;
    }
    return status;
}

/* False when something failed, or a signal came. */
static bool compile_all(compiling *c)
{
    bool well = true;
    for (size_t i = 0; i < 2 * c->a->count && !mr_watch_stopped(c->watch); i++) {
        mr_error error = {0};
        c->input = c->a->inputs[i / 2];
        c->traces = i % 2 == 0;
        const unsigned failed = c->failed;
        if (compile_input(c, &error) != MR_OK) {
            (void)mr_command_failed(&error);
            well = false;
            i |= 1; /* the other would fail likewise */
        } else if (c->failed > failed) {
            i |= 1;
        }
    }
    if (mr_watch_stopped(c->watch))
        (void)fprintf(stderr, "stopped by a signal; what was compiled till then is kept\n");
    return well && c->failed == 0 && !mr_watch_stopped(c->watch);
}

int mr_command_compile(int argc, char **argv)
{
    static const struct argp_child children[] = {{&mr_native_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {
        .parser = parse,
        .args_doc = "FILE.wasm|FILE.wat|DIR...",
        .doc =
            "Compiles programs, of modules or of whole databases, with the machine's C compiler, "
            "and keeps them for `run', `bench' and `replay' with --tier native or auto.",
        .children = children};
    arguments a = {0};
    (void)argp_parse(&argp, argc, argv, 0, NULL, &a);
    compiling c = {.a = &a};
    mr_error error = {0};
    if (mr_watch_start("compile", "programs", 2 * a.count, &c.watch, &error) != MR_OK)
        return mr_command_failed(&error);
    const bool well = compile_all(&c);
    mr_watch_stop(c.watch);
    if (mr_stdout_flush(&error) != MR_OK)
        return mr_command_failed(&error);
    return well ? MR_EXIT_OK : MR_EXIT_FAILED;
}
