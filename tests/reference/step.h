/* SPDX-License-Identifier: Apache-2.0 */
/* step: one dispatch while it lasts, as dispatch.c (how it ends), success.c (what a success sends)
 * and draw.c (gas of the message a reply belongs to) share it. */
#ifndef MR_TESTS_REFERENCE_STEP_H
#define MR_TESTS_REFERENCE_STEP_H

#include "tests/reference/reference_internal.h"

typedef struct mr_reference_step {
    mr_reference *r;
    mr_reference_message m; /* that is dispatched */
    mr_reference_actor *program;
    mr_receipt receipt;
    uint64_t draw;      /* gas of the message it belongs to that it may burn */
    uint64_t drawn;     /* of it, what it took */
    bool draws_foreign; /* somebody else has paid for it */
    uint64_t home;      /* gas that goes to the message it belongs to */
} mr_reference_step;

/* mr_reference_brings returns the value that the message brings. */
mr_value mr_reference_brings(const mr_reference_message *m);

/* mr_reference_is_answered tells whether the message gets a reply. */
bool mr_reference_is_answered(const mr_reference_step *s);

/* mr_reference_sponsored returns how much of the message's gas somebody else has paid for. */
uint64_t mr_reference_sponsored(const mr_reference_step *s);

/* mr_reference_draws_foreign tells whether somebody else has paid for what `m` may draw. */
bool mr_reference_draws_foreign(const mr_reference *r, const mr_reference_message *m);

/* mr_reference_give_back refunds gas of the dispatch to its payer, to its sponsor first. */
void mr_reference_give_back(mr_reference_step *s, uint64_t gas);

/* mr_reference_leave_rest lets gas that nobody needs go home, or refunds it. */
void mr_reference_leave_rest(mr_reference_step *s, uint64_t gas);

/* mr_reference_own_part divides gas that is left into what was drawn in vain, which stays where it
 * was, and what is the message's own, which it returns. */
uint64_t mr_reference_own_part(mr_reference_step *s, uint64_t left);

/* mr_reference_system_gas returns what the message's system reservation has, with what its run has
 * added: 2^62 at most, which is asserted. */
uint64_t mr_reference_system_gas(const mr_reference_step *s, uint64_t added);

/* mr_reference_child makes a message that the dispatch sends: from the program, paid for by the
 * message's payer, of the next generation. */
mr_reference_message mr_reference_child(const mr_reference_step *s, const mr_id *destination,
                                        const mr_message *message);

/* mr_reference_reply makes a reply to the dispatch's message. */
mr_reference_message mr_reference_reply(const mr_reference_step *s, const uint8_t code[4],
                                        mr_value value, mr_span payload, uint64_t gas);

/* mr_reference_close_program ends all that waits in a program that ended, and its reservations, and
 * sends what it owns to its heir. */
void mr_reference_close_program(mr_reference_step *s, const mr_id *heir, bool heir_is_program);

/* mr_reference_exists tells whether a program exists for the dispatch. */
bool mr_reference_exists(const mr_reference_step *s, const mr_id *id);

/* mr_reference_return_drawn takes what was drawn off the message that the reply belongs to, and
 * gives it what goes home, before anything is woken; mr_reference_find_end_again moves the end of
 * its waiting afterwards, if it waits still. */
void mr_reference_return_drawn(mr_reference_step *s);
void mr_reference_find_end_again(mr_reference_step *s);

/* mr_reference_succeed does what a dispatch that succeeded or waits asked for. */
void mr_reference_succeed(mr_reference_step *s, const mr_execution *e);

#endif
