/* SPDX-License-Identifier: Apache-2.0 */
/* millrace demo: the main job, shown. Messages of all kinds go through the example programs on all
 * cores into a database, then once more on another number of streams: the root is the same. */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "tools/millrace/bench.h"
#include "tools/millrace/file.h"
#include "tools/millrace/report.h"

typedef struct demo {
    mr_bench_options first_options, second_options;
    mr_bench_result first, second;
    char folder[PATH_MAX];
    char first_db[PATH_MAX + 16], second_db[PATH_MAX + 16];
    bool json;
} demo;

static mr_status print_json(const demo *d, bool same, mr_error *error)
{
    return mr_json_print(json_pack("{s:o, s:o, s:b}", "first", mr_bench_json(&d->first), "second",
                                   mr_bench_json(&d->second), "same_root", same),
                         error);
}

static mr_status conclude(const demo *d, mr_error *error)
{
    bool same = memcmp(&d->first.root, &d->second.root, sizeof d->first.root) == 0;
    if (d->json)
        MR_TRY(print_json(d, same, error));
    else if (same)
        (void)printf("\nThe root is the same on %u stream%s and on %u: %s\n", d->first.streams,
                     mr_plural(d->first.streams), d->second.streams,
                     mr_id_print(&d->first.root).text);
    MR_TRY(mr_stdout_flush(error));
    return same ? MR_OK
                : MR_FAIL(error, MR_CORRUPT, "the roots differ: %s on %u stream%s, %s on %u",
                          mr_id_print(&d->first.root).text, d->first.streams,
                          mr_plural(d->first.streams), mr_id_print(&d->second.root).text,
                          d->second.streams);
}

static mr_status run_one(const demo *d, const mr_bench_options *options, mr_bench_result *out,
                         mr_error *error)
{
    MR_TRY(mr_bench_run(options, out, error));
    if (!d->json) {
        mr_bench_print(out);
        MR_TRY(mr_stdout_flush(error));
    }
    return out->stopped ? MR_FAIL(error, MR_STATE, "stopped by a signal") : MR_OK;
}

static mr_status run_demo(demo *d, mr_error *error)
{
    (void)snprintf(d->first_db, sizeof d->first_db, "%s/first", d->folder);
    (void)snprintf(d->second_db, sizeof d->second_db, "%s/second", d->folder);
    d->first_options.db = d->first_db;
    MR_TRY(run_one(d, &d->first_options, &d->first, error));

    d->second_options = d->first_options;
    d->second_options.db = d->second_db;
    d->second_options.engine.streams = d->first.streams == 1 ? 2 : 1;
    if (!d->json)
        (void)printf("\nThe same once more on %u stream%s:\n\n", d->second_options.engine.streams,
                     mr_plural(d->second_options.engine.streams));
    MR_TRY(run_one(d, &d->second_options, &d->second, error));
    return conclude(d, error);
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
    demo *d = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &d->first_options.engine;
        return 0;
    case 'p':
        d->first_options.programs = mr_argp_u64(state, "--programs", argument, 20, 10000000);
        return 0;
    case 'm':
        d->first_options.messages =
            mr_argp_u64(state, "--messages", argument, 1, UINT64_C(1) << 50);
        return 0;
    case 'j':
        d->json = true;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

int mr_command_demo(int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"programs", 'p', "P", 0, "how many programs, about; default 1000", 0},
        {"messages", 'm', "M", 0, "how many messages, about; default 1000000", 0},
        {"json", 'j', NULL, 0, "print one JSON object", 0},
        {0},
    };
    static const struct argp_child children[] = {{&mr_engine_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .doc = "Deploys the example programs, drives messages through them on all cores into a "
               "database in a fresh temporary directory, and does it again on one stream. The "
               "directory is removed at the end.",
        .children = children};
    demo d = {.first_options = {
                  .workload = mr_workload_find("demo"), .messages = 1000000, .block = 50000}};
    (void)argp_parse(&argp, argc, argv, 0, NULL, &d);
    mr_error error = {0};
    mr_status status = mr_file_temporary_directory(d.folder, sizeof d.folder, &error);
    if (status != MR_OK)
        return mr_command_failed(&error);
    status = run_demo(&d, &error);
    mr_error remove_error = {0};
    mr_status removed = mr_file_remove_directory(d.folder, &remove_error);
    if (status != MR_OK)
        return mr_command_failed(&error);
    return removed == MR_OK ? MR_EXIT_OK : mr_command_failed(&remove_error);
}
