/* SPDX-License-Identifier: Apache-2.0 */
/* foresee: ids that messages about to run will ask for, made before, eight at a time.
 *
 * A message's reply and what it sends have ids that follow from its own, and programs are told them
 * at once. One is a run of BLAKE2b; eight side by side cost as much as three alone. Which ones a
 * message will need nobody knows, but most do what the last one of their sort did to the same
 * program: that is its habit. A wrong guess costs time and nothing else, for what was not foreseen
 * is made when it is asked for. */
#ifndef MR_ENGINE_FORESEE_H
#define MR_ENGINE_FORESEE_H

#include "engine/id.h"

struct mr_dispatch;

/* What the last message of a sort asked for: twice the number sent, plus 1 with the reply's id. */
typedef struct mr_habits {
    uint8_t of[4]; /* of messages from users, from programs, of replies likewise */
} mr_habits;

/* The ids of one message, and what it asked for. */
typedef struct mr_foreseen {
    const mr_id *message; /* whose ids these are */
    mr_id reply;
    mr_id sent[MR_IDS_AT_ONCE]; /* sent_first, sent_first + 1 ... */
    uint32_t sent_first, sent_count;
    uint32_t sent_habit; /* how many it will send, by habit */
    uint32_t sent_asked;
    bool has_reply, reply_asked;
} mr_foreseen;

enum { MR_FORESEEN_AT_ONCE = 8 /* messages */ };

/* mr_foresee fills slots for `count` messages to one program, MR_FORESEEN_AT_ONCE at most. */
void mr_foresee(mr_foreseen slots[MR_FORESEEN_AT_ONCE], const struct mr_dispatch *const *dispatches,
                size_t count, const mr_habits *habits);

/* mr_foreseen_reply and mr_foreseen_sent return the ids of the reply to `message` and of the one it
 * sends as its nonce-th. `seen` is its slot, or any other or NULL: it has to be made then. */
mr_id mr_foreseen_reply(mr_foreseen *seen, const mr_id *message);
mr_id mr_foreseen_sent(mr_foreseen *seen, const mr_id *message, uint32_t nonce);

/* mr_foreseen_learn makes what the message asked for the habit of its sort. */
void mr_foreseen_learn(const mr_foreseen *seen, const struct mr_dispatch *dispatch,
                       mr_habits *habits);

#endif
