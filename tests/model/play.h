/* SPDX-License-Identifier: Apache-2.0 */
/* play: an engine lives through a history, compared with the reference after every block. */
#ifndef MR_TESTS_MODEL_PLAY_H
#define MR_TESTS_MODEL_PLAY_H

#include "engine/perturb.h"
#include "tests/model/compare.h"

typedef struct mr_play {
    uint32_t streams;
    const char *path;        /* of a database that does not exist yet; NULL: in memory */
    uint64_t live_bytes_max; /* of the engine's */
    mr_perturb perturb;
    bool discards; /* other candidates are executed and discarded before each block */
    bool reopens;  /* the database is closed and opened after each block */
    bool replays;  /* in the end the stored blocks are run again on a new engine */
} mr_play;

/* mr_play_history runs the history. False when the engine does anything else than the reference:
 * then `difference` says what first, and *block where. */
bool mr_play_history(const mr_history *history, const mr_play *play, size_t *block,
                     mr_difference *difference);

/* mr_play_perturb makes workers meet in some way, from the seed. */
mr_perturb mr_play_perturb(uint64_t seed);

/* mr_play_shrink looks for a part of the history with which the engine still differs, prints it,
 * and says how it differs. */
void mr_play_shrink(const mr_history *history, const mr_play *play, size_t block);

/* mr_play_replay reads all blocks of the engine back and runs them on another, new one.
 * False when a root differs. */
bool mr_play_replay(const mr_history *history, mr_engine *engine, mr_difference *difference);

/* mr_play_directory makes an empty directory for databases below `path`, of 64 bytes or more, and
 * mr_play_remove removes a directory and all that is in it. */
void mr_play_directory(char *path, size_t size);
void mr_play_remove(const char *path);

/* A seed from MR_SEED, else one of the clock's; a number from `name`, else `otherwise`. */
uint64_t mr_play_seed(void);
uint64_t mr_play_number(const char *name, uint64_t otherwise);

#endif
