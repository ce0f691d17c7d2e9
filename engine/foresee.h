/* SPDX-License-Identifier: Apache-2.0 */
/* foresee: ids that messages about to run will ask for, made before, eight at a time: those of
 * several messages to a program or, where there are few, of those to the next programs, too.
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

enum {
    MR_FORESEEN_AT_ONCE = 8, /* messages */
    MR_FORESEEN_FEW = 2,     /* to a program, and those to the next ones are foreseen, too */
    MR_FORESEEN_NEXT = 3,    /* programs */
};

/* Messages to one program. */
typedef struct mr_foreseeable {
    const struct mr_dispatch *const *dispatches;
    size_t count;
    const mr_habits *habits;
} mr_foreseeable;

/* What one worker foresees; all zeros at first. */
typedef struct mr_foresight {
    mr_foreseen slots[MR_FORESEEN_AT_ONCE];
    uint32_t begin, end; /* slots of messages that are next, after those to the program that runs */
    mr_foreseeable next[MR_FORESEEN_NEXT];
    uint32_t next_count;
} mr_foresight;

/* mr_foresee_next announces the messages to the program that will run as number `distance` after
 * the one that mr_foresee is told next. For each such one again, from 1 on without a gap. */
static inline void mr_foresee_next(mr_foresight *foresight, uint32_t distance,
                                   const mr_foreseeable *messages)
{
    if (distance <= MR_FORESEEN_NEXT) {
        foresight->next[distance - 1] = *messages;
        foresight->next_count = distance;
    }
}

/* mr_foresee_nothing forgets all: messages that were announced may be gone. */
static inline void mr_foresee_nothing(mr_foresight *foresight)
{
    foresight->begin = foresight->end = foresight->next_count = 0;
}

/* mr_foresee returns slots for the messages that a program is about to handle, as many as there
 * are, but MR_FORESEEN_AT_ONCE at most. It takes back what was announced. */
mr_foreseen *mr_foresee(mr_foresight *foresight, const mr_foreseeable *messages);

/* mr_foreseen_reply and mr_foreseen_sent return the ids of the reply to `message` and of the one it
 * sends as its nonce-th. `seen` is its slot, or any other or NULL: it has to be made then. */
mr_id mr_foreseen_reply(mr_foreseen *seen, const mr_id *message);
mr_id mr_foreseen_sent(mr_foreseen *seen, const mr_id *message, uint32_t nonce);

/* mr_foreseen_learn makes what the message asked for the habit of its sort. */
void mr_foreseen_learn(const mr_foreseen *seen, const struct mr_dispatch *dispatch,
                       mr_habits *habits);

#endif
