/* SPDX-License-Identifier: Apache-2.0 */
/* relay: asks another program on behalf of whoever asks it, and brings the answer back. Shows how
 * a program handles replies.
 *
 *   init          id: the program to ask
 *   handle        any bytes: sent to that program with the value that came with them
 *   handle_reply  who asked gets a message: u8 1 if all went well, 0 if not, then the bytes of the
 *                 reply, which for a panic are its text; and the value of the reply
 *
 * The reply may come rounds or blocks later, when other questions have been asked meanwhile: so the
 * id of each question is kept with its asker until the reply names it. At most 64 questions may be
 * open at a time.
 *
 * Panics: "relay: expected an id", "relay: too many open questions". */
#include "gear.h"

enum { QUESTIONS_MAX = 64 };

typedef struct question {
    gear_id message;
    gear_id asker;
} question;

static gear_id answerer;
static question questions[QUESTIONS_MAX]; /* the first questions_count are open, in no order */
static uint32_t questions_count;

GEAR_INIT
{
    gear_require(gear_size() == sizeof answerer, "relay: expected an id");
    gear_read(0, &answerer, sizeof answerer);
}

GEAR_HANDLE
{
    gear_require(questions_count < QUESTIONS_MAX, "relay: too many open questions");
    question *asked = &questions[questions_count++];
    asked->asker = gear_source();
    asked->message = gear_forward(&answerer, 0, gear_value_received());
}

GEAR_REPLY
{
    gear_id message = gear_reply_to();
    uint32_t i = 0;
    while (i < questions_count && !gear_id_equal(&questions[i].message, &message))
        i++;
    if (i == questions_count)
        return; /* an automatic reply to an answer: the asker was a program */
    gear_id asker = questions[i].asker;
    questions[i] = questions[--questions_count];

    uint8_t went_well = gear_reply_succeeded();
    uint32_t size = gear_size();
    uint32_t answer = gear_send_begin();
    gear_send_add(answer, &went_well, sizeof went_well);
    if (size > 0)
        gear_send_add_input(answer, 0, size);
    gear_send_finish(answer, &asker, gear_value_received());
}
