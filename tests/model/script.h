/* SPDX-License-Identifier: Apache-2.0 */
/* script: random scripts for tests/programs/actor.c. */
#ifndef MR_TESTS_MODEL_SCRIPT_H
#define MR_TESTS_MODEL_SCRIPT_H

#include "base/bytes.h"
#include "tests/model/random.h"

/* What scripts may refer to, and how they behave. */
typedef struct mr_script_world {
    const mr_id *users;
    size_t users_count;
    const mr_id *strangers; /* ids of programs, present, future or never */
    size_t strangers_count;
    const mr_id *codes; /* for programs made by programs; those that nobody uploaded, too */
    size_t codes_count;
    uint64_t gas_least; /* a message may have */
    bool calm;          /* nothing that fails, sends, waits or takes long */
} mr_script_world;

/* mr_script_random appends a script. Messages it sends carry scripts, and so on, `depth` times. */
void mr_script_random(const mr_script_world *world, mr_random *random, unsigned depth,
                      mr_buffer *out);

/* mr_script_init appends an init message: the peers, the world's codes, then a script. */
void mr_script_init(const mr_script_world *world, mr_random *random, const mr_id *peers,
                    size_t peers_count, mr_buffer *out);

#endif
