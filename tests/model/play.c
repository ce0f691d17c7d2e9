/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/model/play.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/clock.h"
#include "tests/model/audit.h"
#include "tests/model/random.h"

static mr_status open_engine(const mr_history *history, const mr_play *play, bool create,
                             mr_engine **out, mr_error *error)
{
    const mr_engine_options options = {
        .path = play->path,
        .create = create,
        .streams = play->streams,
        .no_pin = true,
        .keep_debug = true,
        .check = true,
        .live_bytes_max = play->live_bytes_max,
        .schedule = &history->options.schedule,
        .accounts = history->options.accounts,
        .genesis = history->options.genesis,
        .genesis_count = history->options.genesis_count,
    };
    mr_status status = mr_engine_open(&options, out, error);
    if (status == MR_OK)
        mr_engine_perturb(*out, &play->perturb);
    return status;
}

mr_perturb mr_play_perturb(uint64_t seed)
{
    mr_random random = {.state = seed};
    mr_perturb perturb = {
        .seed = seed,
        .size = (mr_perturb_size)mr_random_below(&random, MR_PERTURB_SIZE_RANDOM + 1),
        .phases = (mr_perturb_phases)mr_random_below(&random, MR_PERTURB_PHASES_SERIAL + 1),
        .deal = (mr_perturb_deal)mr_random_below(&random, MR_PERTURB_DEAL_RANDOM + 1),
        .steal = (mr_perturb_steal)mr_random_below(&random, MR_PERTURB_STEAL_EAGER + 1),
    };
    /* One worker alone needs no test; most histories are small and would be run by one. */
    if (perturb.size == MR_PERTURB_SIZE_ONE)
        perturb.size = MR_PERTURB_SIZE_RANDOM;
    if (mr_random_chance(&random, 40))
        perturb.yield_one_in = (uint32_t)mr_random_range(&random, 1, 20);
    return perturb;
}

/* One engine on its way through a history. */
typedef struct player {
    const mr_history *history;
    const mr_play *play;
    mr_engine *engine;
    mr_difference *difference;
    mr_error error;
    uint64_t gas_before; /* in the queue, and held */
    mr_block *before;    /* the last block, committed: it stays readable */
} player;

static bool failed(player *p, const char *what, mr_status status)
{
    (void)snprintf(p->difference->text, sizeof p->difference->text, "%s: %s: %s", what,
                   mr_status_name(status), p->error.text);
    return false;
}

/* Another candidate at this height: the transactions of block `other`, under other parameters. */
static bool discard_another(player *p, size_t b, size_t other)
{
    const mr_history_block *block = &p->history->blocks[other];
    mr_block_params params = p->history->blocks[b].params;
    params.random.bytes[0] ^= 1;
    params.gas_limit = params.gas_limit == 0 ? 50000000 : params.gas_limit / 2;
    mr_block *made;
    mr_status status = mr_block_execute(p->engine, &params, block->transactions,
                                        block->transactions_count, &made, &p->error);
    if (status != MR_OK)
        return failed(p, "another candidate", status);
    mr_block_discard(made);
    return true;
}

/* A root says little: when the last block differs in nothing else that it shows, its state may. */
static void explain(player *p, mr_block *made)
{
    const mr_reference_block *expected = p->history->blocks[p->history->blocks_count - 1].expected;
    if (strstr(p->difference->text, ": root is ") == NULL ||
        mr_block_commit(made, MR_COMMIT_WAIT, &p->error) != MR_OK) {
        mr_block_discard(made);
        return;
    }
    mr_block_free(made);
    const mr_difference root = *p->difference;
    mr_difference *d = p->difference;
    if (!mr_compare_queue(expected, p->engine, d) ||
        !mr_compare_state(p->history->reference, p->engine, d)) {
        const mr_difference state = *d;
        (void)snprintf(d->text, sizeof d->text, "%.400s; %.600s", root.text, state.text);
    } else {
        *d = root;
    }
}

static bool execute(player *p, size_t b, mr_block **out)
{
    const mr_history_block *block = &p->history->blocks[b];
    mr_status status = mr_block_execute(p->engine, &block->params, block->transactions,
                                        block->transactions_count, out, &p->error);
    if (status != MR_OK)
        return failed(p, "execute", status);
    if (mr_compare_block(block->expected, *out, p->difference))
        return true;
    if (b + 1 == p->history->blocks_count)
        explain(p, *out);
    else
        mr_block_discard(*out);
    return false;
}

/* The block itself twice, and others before, in between and after. */
static bool discard_some(player *p, size_t b)
{
    mr_block *made;
    if (!discard_another(p, b, (b + 1) % p->history->blocks_count) || !execute(p, b, &made))
        return false;
    mr_block_discard(made);
    return discard_another(p, b, b) && discard_another(p, b, b * 7 % p->history->blocks_count);
}

static bool reopen(player *p)
{
    mr_status status = MR_OK;
    if (p->play->discards) { /* a candidate left to itself is gone */
        mr_block *left;
        const mr_history_block *block = &p->history->blocks[0];
        status = mr_block_execute(p->engine, &block->params, block->transactions,
                                  block->transactions_count, &left, &p->error);
    }
    if (status == MR_OK)
        status = mr_engine_close(p->engine, &p->error);
    p->engine = NULL;
    if (status == MR_OK)
        status = open_engine(p->history, p->play, false, &p->engine, &p->error);
    return status == MR_OK || failed(p, "reopen", status);
}

static bool play_block(player *p, size_t b)
{
    const mr_history_block *block = &p->history->blocks[b];
    if (p->play->discards && !discard_some(p, b))
        return false;
    mr_block *made;
    if (!execute(p, b, &made))
        return false;
    if (!mr_audit_gas(block, made, p->gas_before, p->difference)) {
        mr_block_discard(made);
        return false;
    }
    const mr_durability durability = b % 3 == 0 ? MR_COMMIT_WAIT : MR_COMMIT_PIPELINED;
    mr_status status = mr_block_commit(made, durability, &p->error);
    if (status != MR_OK) {
        mr_block_discard(made);
        return failed(p, "commit", status);
    }
    /* What a committed block shows stays, even when the next one has been. */
    bool same = mr_compare_block(block->expected, made, p->difference);
    if (same && p->before != NULL)
        same = mr_compare_block(p->history->blocks[b - 1].expected, p->before, p->difference);
    mr_block_free(p->before);
    p->before = made;
    p->gas_before = block->expected->gas_queued + block->expected->gas_held;
    if (same && p->play->reopens) {
        mr_block_free(p->before);
        p->before = NULL;
        same = reopen(p);
    }
    return same && mr_audit_value(block->expected, p->engine, p->difference) &&
           mr_compare_queue(block->expected, p->engine, p->difference) &&
           mr_compare_stored(block, p->engine, p->difference);
}

bool mr_play_replay(const mr_history *history, mr_engine *engine, mr_difference *difference)
{
    const mr_play play = {.streams = 2};
    player p = {.history = history, .play = &play, .difference = difference};
    mr_status status = open_engine(history, &play, true, &p.engine, &p.error);
    if (status != MR_OK)
        return failed(&p, "replay", status);
    bool same = true;
    for (size_t b = 0; b < history->blocks_count && same; b++) {
        mr_stored_block *stored;
        status = mr_engine_block(engine, b + 1, &stored, &p.error);
        if (status != MR_OK) {
            same = failed(&p, "a stored block", status);
            break;
        }
        mr_block_info info;
        mr_block_params params;
        mr_stored_block_info(stored, &info, &params);
        size_t count;
        const mr_transaction *transactions = mr_stored_block_transactions(stored, &count);
        mr_block *made;
        status = mr_block_execute(p.engine, &params, transactions, count, &made, &p.error);
        if (status != MR_OK) {
            same = failed(&p, "replay", status);
        } else {
            same = mr_compare_block(history->blocks[b].expected, made, difference);
            if (same && mr_block_commit(made, MR_COMMIT_PIPELINED, &p.error) == MR_OK)
                mr_block_free(made);
            else
                mr_block_discard(made);
        }
        mr_stored_block_free(stored);
    }
    (void)mr_engine_close(p.engine, NULL);
    return same;
}

bool mr_play_history(const mr_history *history, const mr_play *play, size_t *block,
                     mr_difference *difference)
{
    player p = {.history = history, .play = play, .difference = difference};
    difference->text[0] = '\0';
    *block = 0;
    mr_status status = open_engine(history, play, true, &p.engine, &p.error);
    if (status != MR_OK)
        return failed(&p, "open", status);
    bool same = true;
    for (size_t b = 0; b < history->blocks_count && same; b++) {
        *block = b;
        same = play_block(&p, b);
    }
    same = same && mr_compare_state(history->reference, p.engine, difference);
    if (same && play->replays)
        same = mr_play_replay(history, p.engine, difference);
    mr_block_free(p.before);
    status = mr_engine_close(p.engine, &p.error);
    if (same && status != MR_OK)
        return failed(&p, "close", status);
    return same;
}

/* ---- Shrinking ---- */

enum { TRIES_MAX = 300 };

static bool still_differs(const mr_history *part, const mr_play *play, size_t *block,
                          mr_difference *difference)
{
    if (play->path == NULL)
        return !mr_play_history(part, play, block, difference);
    /* A database of its own for each try. */
    static unsigned tries;
    char path[512];
    (void)snprintf(path, sizeof path, "%s-shrink-%u", play->path, tries++);
    mr_play moved = *play;
    moved.path = path;
    return !mr_play_history(part, &moved, block, difference);
}

/* Leaves out ever smaller runs of transactions as long as a difference remains. */
void mr_play_shrink(const mr_history *history, const mr_play *play, size_t block)
{
    size_t blocks = block + 1;
    const size_t count = mr_history_count(history, blocks);
    bool *keep = malloc(count + 1);
    MR_ASSERT(keep != NULL);
    memset(keep, true, count + 1);
    unsigned tries = 0;
    mr_difference difference;
    for (size_t run = count; run > 0; run /= 2) {
        for (size_t from = 0; from < count && tries < TRIES_MAX; from += run) {
            bool before[count + 1];
            memcpy(before, keep, count + 1);
            for (size_t i = from; i < from + run && i < count; i++)
                keep[i] = false;
            if (memcmp(before, keep, count + 1) == 0)
                continue;
            tries++;
            mr_history *part = mr_history_part(history, blocks, keep);
            size_t at;
            if (still_differs(part, play, &at, &difference))
                blocks = at + 1;
            else
                memcpy(keep, before, count + 1);
            mr_history_free(part);
        }
    }
    mr_history *part = mr_history_part(history, blocks, keep);
    size_t at;
    bool differs = still_differs(part, play, &at, &difference);
    printf("after %u tries to shrink: %s\n", tries,
           differs ? difference.text : "the difference does not always show");
    mr_history_print(part);
    mr_history_free(part);
    free(keep);
}

/* ---- Databases ---- */

void mr_play_directory(char *path, size_t size)
{
    const char *where = getenv("TMPDIR");
    (void)snprintf(path, size, "%s/millrace-XXXXXX", where != NULL ? where : "/tmp");
    char *made = mkdtemp(path);
    MR_ASSERT(made != NULL);
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *at)
{
    (void)status;
    (void)kind;
    (void)at;
    return remove(path);
}

void mr_play_remove(const char *path)
{
    (void)nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* ---- Seeds ---- */

uint64_t mr_play_number(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text == NULL ? otherwise : strtoull(text, NULL, 0);
}

uint64_t mr_play_seed(void)
{
    mr_random random = {.state = mr_clock_ns()};
    return mr_play_number("MR_SEED", mr_random_next(&random) >> 16);
}
