/* SPDX-License-Identifier: Apache-2.0 */
/* millrace replay: runs the blocks of a database again, from the first, in an engine that keeps its
 * state in memory, and compares what comes out with what was stored. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tools/millrace/command.h"
#include "tools/millrace/report.h"
#include "tools/millrace/watch.h"

typedef struct replay_options {
    mr_engine_flags engine;
    const char *db;
    uint64_t from, to; /* to 0: the last */
    bool json, check;
} replay_options;

typedef struct replay {
    const replay_options *options;
    mr_engine *stored;
    mr_engine *again;
    mr_watch *watch;
    uint64_t to, compared;
    mr_error *error;
} replay;

static mr_status diverged(replay *r, uint64_t height, const char *what, const char *stored,
                          const char *again)
{
    return MR_FAIL(r->error, MR_CORRUPT,
                   "%s: block %" PRIu64 " comes out differently: its %s is stored as %s, and was "
                   "%s when run again",
                   r->options->db, height, what, stored, again);
}

static mr_status compare(replay *r, const mr_block_info *stored, const mr_block_info *again)
{
    if (stored->height < r->options->from)
        return MR_OK;
    r->compared++;
    if (memcmp(&stored->root, &again->root, sizeof stored->root) != 0)
        return diverged(r, stored->height, "root", mr_id_print(&stored->root).text,
                        mr_id_print(&again->root).text);
    if (stored->gas_burned != again->gas_burned)
        return diverged(r, stored->height, "gas", mr_count_print(stored->gas_burned).text,
                        mr_count_print(again->gas_burned).text);
    if (stored->receipts_count != again->receipts_count)
        return diverged(r, stored->height, "number of receipts",
                        mr_count_print(stored->receipts_count).text,
                        mr_count_print(again->receipts_count).text);
    return MR_OK;
}

static void free_stored(mr_stored_block **block)
{
    mr_stored_block_free(*block);
}

static mr_status replay_one(replay *r, uint64_t height)
{
    __attribute__((cleanup(free_stored))) mr_stored_block *stored = NULL;
    MR_TRY(mr_engine_block(r->stored, height, &stored, r->error));
    mr_block_info stored_info, again_info;
    mr_block_params params;
    mr_stored_block_info(stored, &stored_info, &params);
    size_t count;
    const mr_transaction *transactions = mr_stored_block_transactions(stored, &count);
    mr_block *block;
    MR_TRY(mr_block_execute(r->again, &params, transactions, count, &block, r->error));
    mr_block_info_get(block, &again_info);
    mr_status status = compare(r, &stored_info, &again_info);
    if (status == MR_OK)
        status = mr_block_commit(block, MR_COMMIT_WAIT, r->error);
    if (status != MR_OK) {
        mr_block_discard(block);
        return status;
    }
    mr_block_free(block);
    return MR_OK;
}

static mr_status open_again(replay *r, const mr_engine_info *info)
{
    mr_balance *genesis = NULL;
    size_t count = 0;
    mr_status status = MR_OK;
    if (info->accounts)
        status = mr_engine_genesis(r->stored, &genesis, &count);
    if (status != MR_OK)
        return MR_FAIL(r->error, status, "%s: cannot read the initial balances: %s", r->options->db,
                       mr_status_text(status));
    mr_engine_options again = {.streams = r->options->engine.streams,
                               .no_pin = r->options->engine.no_pin,
                               .tier = r->options->engine.tier,
                               .native_directory = r->options->engine.native_directory,
                               .compiler = r->options->engine.compiler,
                               .check = r->options->check,
                               .schedule = &info->schedule,
                               .accounts = info->accounts,
                               .genesis = genesis,
                               .genesis_count = count};
    status = mr_engine_open(&again, &r->again, r->error);
    free(genesis);
    return status;
}

static mr_status run_replay(replay *r)
{
    mr_engine_options stored = {
        .path = r->options->db, .read_only = true, .streams = 1, .no_pin = true};
    MR_TRY(mr_engine_open(&stored, &r->stored, r->error));
    mr_engine_info info;
    mr_engine_info_get(r->stored, &info);
    r->to = r->options->to > 0 ? r->options->to : info.height;
    if (r->to > info.height || r->options->from > r->to)
        return MR_FAIL(r->error, MR_NOT_FOUND,
                       "%s has blocks 1 to %" PRIu64 "; there is no range from %" PRIu64
                       " to %" PRIu64,
                       r->options->db, info.height, r->options->from, r->to);
    MR_TRY(open_again(r, &info));
    MR_TRY(mr_watch_start("replay", "blocks", r->to, &r->watch, r->error));
    for (uint64_t height = 1; height <= r->to; height++) {
        if (mr_watch_stopped(r->watch))
            return MR_FAIL(r->error, MR_STATE, "stopped before block %" PRIu64, height);
        MR_TRY(replay_one(r, height));
        mr_watch_add(r->watch, 1);
    }
    return MR_OK;
}

static mr_status print(const replay *r)
{
    if (!r->options->json) {
        (void)printf("%s: blocks %" PRIu64 " to %" PRIu64 " came out as they are stored\n",
                     r->options->db, r->options->from, r->to);
        return mr_stdout_flush(r->error);
    }
    return mr_json_print(json_pack("{s:s, s:o, s:o, s:o, s:b}", "database", r->options->db, "from",
                                   mr_json_u64(r->options->from), "to", mr_json_u64(r->to),
                                   "blocks", mr_json_u64(r->compared), "same", true),
                         r->error);
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
    replay_options *options = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &options->engine;
        return 0;
    case 'f':
        options->from = mr_argp_u64(state, "--from", argument, 1, UINT64_MAX);
        return 0;
    case 'e':
        options->to = mr_argp_u64(state, "--to", argument, 1, UINT64_MAX);
        return 0;
    case 'c':
        options->check = true;
        return 0;
    case 'j':
        options->json = true;
        return 0;
    case ARGP_KEY_ARG:
        if (options->db != NULL)
            return ARGP_ERR_UNKNOWN;
        options->db = argument;
        return 0;
    case ARGP_KEY_END:
        if (options->db == NULL || options->db[0] == '\0')
            argp_error(state, "which database?");
        if (options->to != 0 && options->from > options->to)
            argp_error(state, "--from lies behind --to");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

int mr_command_replay(int argc, char **argv)
{
    static const struct argp_option argp_options[] = {
        {"from", 'f', "H", 0, "compare from block H on; default 1. Those before run all the same",
         0},
        {"to", 'e', "H", 0, "end with block H; default is the last", 0},
        {"check", 'c', NULL, 0, "check conservation and roots after every block; slow", 0},
        {"json", 'j', NULL, 0, "print one JSON object", 0},
        {0},
    };
    static const struct argp_child children[] = {{&mr_engine_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {
        .options = argp_options,
        .parser = parse,
        .args_doc = "DB",
        .doc = "Runs the committed blocks of a database again from the first and compares every "
               "root, gas and number of receipts. The database is only read.",
        .children = children};
    replay_options options = {.from = 1};
    (void)argp_parse(&argp, argc, argv, 0, NULL, &options);
    mr_error error = {0}, close_error = {0};
    replay r = {.options = &options, .error = &error};
    mr_status status = run_replay(&r);
    mr_watch_stop(r.watch);
    mr_status closed = mr_engine_close(r.again, &close_error);
    if (mr_engine_close(r.stored, closed == MR_OK ? &close_error : NULL) != MR_OK &&
        closed == MR_OK)
        closed = close_error.status;
    if (status == MR_OK)
        status = print(&r);
    if (status != MR_OK)
        return mr_command_failed(&error);
    return closed == MR_OK ? MR_EXIT_OK : mr_command_failed(&close_error);
}
