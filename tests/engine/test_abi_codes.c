/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: every fallible host function gives every error code that docs/ABI.md lists for it, and a
 * call that failed has changed nothing but its answer and, where the page says so, used up a
 * handle.
 * Method: one table of function, code and what brings it about. Each script is run with and without
 * the failing call; what the block sent and what the program owns must be the same. */
#include "tests/engine/actor.h"

enum {
    PAYLOAD_MAX = 6000, /* of a message */
    BYTES_MAX = 10000,  /* of all messages of a dispatch */
    HANDLES_MAX = 6,
    RESERVATIONS_MAX = 4,
    THRESHOLD = 1000000000, /* so high that a dispatch can be too poor to send */
    POOR_GAS = 900000000,
    ANSWER = 0x800,
    ANSWER_ROOM = 72, /* of the longest answer, and more */
    VALUE_BEFORE = 0x900,
    VALUE_AFTER = 0x910,
    SPARE = 0xa00, /* answers of what prepares the call */
    FAR = 1u << 20,
};

#define RICH_GAS ((uint64_t)20 * THRESHOLD)
#define BAD      ((uint64_t)0xfffffff0)

/* Arguments that are addresses in the script. */
#define TO         ((uint64_t)1 << 40)  /* bob and no value */
#define DEAR       ((uint64_t)2 << 40)  /* bob and more value than there is */
#define DEAR_VALUE ((uint64_t)3 << 40)  /* that value alone */
#define ONE        ((uint64_t)4 << 40)  /* value 1 alone */
#define NOTHING    ((uint64_t)5 << 40)  /* id of a reservation that is not there, bob and value 0 */
#define DEAR_FROM  ((uint64_t)6 << 40)  /* likewise, of a value that is not there */
#define RESERVED   ((uint64_t)7 << 40)  /* id of one that is there, bob and value 0 */
#define ANSWER_BY  ((uint64_t)8 << 40)  /* likewise, and value 0: for a reply */
#define DEAR_BY    ((uint64_t)9 << 40)  /* likewise, and a value that is not there */
#define NOTHING_BY ((uint64_t)10 << 40) /* id of a reservation that is not there, and value 0 */
#define SENT       ((uint64_t)11 << 40) /* id of the message of handle 0 */

typedef enum situation {
    FRESH,        /* nothing was done before in this dispatch */
    POOR,         /* it has less gas than the mailbox threshold */
    BEGUN,        /* handle 0 is there, empty */
    LARGE,        /* handle 0 is there, as large as a message may be */
    FULL,         /* handles 0 and 1 together have all the bytes a dispatch may send */
    COMMITTED,    /* handle 0 has been committed */
    NO_HANDLES,   /* as many handles as there may be */
    REPLIED,      /* the reply has been committed */
    REPLY_LARGE,  /* the reply is as large as a message may be, not committed */
    RESERVING,    /* a reservation has been made */
    RESERVED_ALL, /* as many as there may be */
    WOKEN,        /* a message that does not wait has been woken */
    DEPOSITED,    /* handle 0 has been committed, and has its deposit */
    MADE,         /* a program has been made */
    BEGUN_FROM,   /* handle 0, and a reservation */
    LARGE_FROM,   /* likewise, as large as a message may be */
    FULL_FROM,    /* likewise, and all the bytes there may be */
    COMMITTED_FROM,
    NO_HANDLES_FROM,
    REPLIED_FROM,
    REPLY_LARGE_FROM,
    IN_REPLY_FROM, /* the entry is handle_reply, and a reservation is there */
    IN_REPLY,      /* the entry is handle_reply */
} situation;

typedef struct failing {
    const char *name;
    uint32_t code;
    uint64_t args[8];
    situation when;
    uint32_t answer_bytes;
} failing;

static const failing cases[] = {
    {"gr_read", 103, {UINT32_MAX, 2, SPARE, ANSWER}, FRESH, 4},
    {"gr_read", 104, {FAR, 16, SPARE, ANSWER}, FRESH, 4},
    {"gr_read", 201, {0, 16, BAD, ANSWER}, FRESH, 4},
    {"gr_reply_to", 105, {ANSWER}, FRESH, 36},
    {"gr_reply_code", 105, {ANSWER}, FRESH, 8},

    {"gr_signal_from", 106, {ANSWER}, FRESH, 36},
    {"gr_signal_code", 106, {ANSWER}, FRESH, 8},

    {"gr_send", 100, {TO, 0, 5, 0, ANSWER}, POOR, 36},
    {"gr_send", 101, {DEAR, 0, 5, 0, ANSWER}, FRESH, 36},
    {"gr_send", 201, {BAD, 0, 5, 0, ANSWER}, FRESH, 36},
    {"gr_send", 201, {TO, BAD, 50, 0, ANSWER}, FRESH, 36},
    {"gr_send", 300, {TO, 0, PAYLOAD_MAX + 1, 0, ANSWER}, FRESH, 36},
    {"gr_send", 301, {TO, 0, 5, 0, ANSWER}, NO_HANDLES, 36},
    {"gr_send", 311, {TO, 0, 1, 0, ANSWER}, FULL, 36},
    {"gr_send", 399, {TO, 0, 5, UINT32_MAX, ANSWER}, FRESH, 36},

    {"gr_send_wgas", 100, {TO, 0, 5, UINT64_MAX, 0, ANSWER}, FRESH, 36},
    {"gr_send_wgas", 101, {DEAR, 0, 5, THRESHOLD, 0, ANSWER}, FRESH, 36},
    {"gr_send_wgas", 201, {BAD, 0, 5, THRESHOLD, 0, ANSWER}, FRESH, 36},
    {"gr_send_wgas", 201, {TO, BAD, 50, THRESHOLD, 0, ANSWER}, FRESH, 36},
    {"gr_send_wgas", 300, {TO, 0, PAYLOAD_MAX + 1, THRESHOLD, 0, ANSWER}, FRESH, 36},
    {"gr_send_wgas", 301, {TO, 0, 5, THRESHOLD, 0, ANSWER}, NO_HANDLES, 36},
    {"gr_send_wgas", 308, {TO, 0, 5, THRESHOLD - 1, 0, ANSWER}, FRESH, 36},
    {"gr_send_wgas", 311, {TO, 0, 1, THRESHOLD, 0, ANSWER}, FULL, 36},
    {"gr_send_wgas", 399, {TO, 0, 5, THRESHOLD, UINT32_MAX, ANSWER}, FRESH, 36},

    {"gr_send_init", 301, {ANSWER}, NO_HANDLES, 8},

    {"gr_send_push", 201, {0, BAD, 50, ANSWER}, BEGUN, 4},
    {"gr_send_push", 300, {0, 0, 1, ANSWER}, LARGE, 4},
    {"gr_send_push", 304, {0, 0, 1, ANSWER}, COMMITTED, 4},
    {"gr_send_push", 305, {0, 0, 1, ANSWER}, FRESH, 4},
    {"gr_send_push", 311, {1, 0, 1, ANSWER}, FULL, 4},

    {"gr_send_push_input", 300, {0, 0, 1, ANSWER}, LARGE, 4},
    {"gr_send_push_input", 304, {0, 0, 1, ANSWER}, COMMITTED, 4},
    {"gr_send_push_input", 305, {0, 0, 1, ANSWER}, FRESH, 4},
    {"gr_send_push_input", 311, {1, 0, 1, ANSWER}, FULL, 4},
    {"gr_send_push_input", 312, {0, FAR, 1, ANSWER}, BEGUN, 4},
    {"gr_send_push_input", 313, {0, 0, FAR, ANSWER}, BEGUN, 4},

    {"gr_send_commit", 100, {0, TO, 0, ANSWER}, POOR, 36},
    {"gr_send_commit", 101, {0, DEAR, 0, ANSWER}, BEGUN, 36},
    {"gr_send_commit", 201, {0, BAD, 0, ANSWER}, BEGUN, 36},
    {"gr_send_commit", 304, {0, TO, 0, ANSWER}, COMMITTED, 36},
    {"gr_send_commit", 305, {0, TO, 0, ANSWER}, FRESH, 36},
    {"gr_send_commit", 399, {0, TO, UINT32_MAX, ANSWER}, BEGUN, 36},

    {"gr_send_commit_wgas", 100, {0, TO, UINT64_MAX, 0, ANSWER}, BEGUN, 36},
    {"gr_send_commit_wgas", 101, {0, DEAR, THRESHOLD, 0, ANSWER}, BEGUN, 36},
    {"gr_send_commit_wgas", 201, {0, BAD, THRESHOLD, 0, ANSWER}, BEGUN, 36},
    {"gr_send_commit_wgas", 304, {0, TO, THRESHOLD, 0, ANSWER}, COMMITTED, 36},
    {"gr_send_commit_wgas", 305, {0, TO, THRESHOLD, 0, ANSWER}, FRESH, 36},
    {"gr_send_commit_wgas", 308, {0, TO, 1, 0, ANSWER}, BEGUN, 36},
    {"gr_send_commit_wgas", 399, {0, TO, THRESHOLD, UINT32_MAX, ANSWER}, BEGUN, 36},

    {"gr_send_input", 100, {TO, 0, 5, 0, ANSWER}, POOR, 36},
    {"gr_send_input", 101, {DEAR, 0, 5, 0, ANSWER}, FRESH, 36},
    {"gr_send_input", 201, {BAD, 0, 5, 0, ANSWER}, FRESH, 36},
    {"gr_send_input", 301, {TO, 0, 5, 0, ANSWER}, NO_HANDLES, 36},
    {"gr_send_input", 311, {TO, 0, 1, 0, ANSWER}, FULL, 36},
    {"gr_send_input", 312, {TO, FAR, 1, 0, ANSWER}, FRESH, 36},
    {"gr_send_input", 313, {TO, 0, FAR, 0, ANSWER}, FRESH, 36},
    {"gr_send_input", 399, {TO, 0, 5, UINT32_MAX, ANSWER}, FRESH, 36},

    {"gr_send_input_wgas", 100, {TO, 0, 5, UINT64_MAX, 0, ANSWER}, FRESH, 36},
    {"gr_send_input_wgas", 101, {DEAR, 0, 5, THRESHOLD, 0, ANSWER}, FRESH, 36},
    {"gr_send_input_wgas", 201, {BAD, 0, 5, THRESHOLD, 0, ANSWER}, FRESH, 36},
    {"gr_send_input_wgas", 301, {TO, 0, 5, THRESHOLD, 0, ANSWER}, NO_HANDLES, 36},
    {"gr_send_input_wgas", 308, {TO, 0, 5, 1, 0, ANSWER}, FRESH, 36},
    {"gr_send_input_wgas", 311, {TO, 0, 1, THRESHOLD, 0, ANSWER}, FULL, 36},
    {"gr_send_input_wgas", 312, {TO, FAR, 1, THRESHOLD, 0, ANSWER}, FRESH, 36},
    {"gr_send_input_wgas", 313, {TO, 0, FAR, THRESHOLD, 0, ANSWER}, FRESH, 36},
    {"gr_send_input_wgas", 399, {TO, 0, 5, THRESHOLD, UINT32_MAX, ANSWER}, FRESH, 36},

    {"gr_reservation_send", 101, {DEAR_FROM, 0, 5, 0, ANSWER}, FRESH, 36},
    {"gr_reservation_send", 201, {BAD - 48, 0, 5, 0, ANSWER}, FRESH, 36},
    {"gr_reservation_send", 201, {RESERVED, BAD, 50, 0, ANSWER}, RESERVING, 36},
    {"gr_reservation_send", 300, {RESERVED, 0, PAYLOAD_MAX + 1, 0, ANSWER}, RESERVING, 36},
    {"gr_reservation_send", 301, {RESERVED, 0, 5, 0, ANSWER}, NO_HANDLES_FROM, 36},
    {"gr_reservation_send", 311, {RESERVED, 0, 1, 0, ANSWER}, FULL_FROM, 36},
    {"gr_reservation_send", 399, {RESERVED, 0, 5, UINT32_MAX, ANSWER}, RESERVING, 36},
    {"gr_reservation_send", 500, {NOTHING, 0, 5, 0, ANSWER}, FRESH, 36},
    {"gr_reservation_send", 500, {NOTHING, 0, 5, 0, ANSWER}, RESERVING, 36},

    {"gr_reservation_send_commit", 101, {0, DEAR_FROM, 0, ANSWER}, BEGUN, 36},
    {"gr_reservation_send_commit", 201, {0, BAD - 48, 0, ANSWER}, BEGUN, 36},
    {"gr_reservation_send_commit", 304, {0, RESERVED, 0, ANSWER}, COMMITTED_FROM, 36},
    {"gr_reservation_send_commit", 305, {0, RESERVED, 0, ANSWER}, RESERVING, 36},
    {"gr_reservation_send_commit", 399, {0, RESERVED, UINT32_MAX, ANSWER}, BEGUN_FROM, 36},
    {"gr_reservation_send_commit", 500, {0, NOTHING, 0, ANSWER}, BEGUN, 36},

    {"gr_create_program", 100, {TO, 0, 4, 0, 5, 0, ANSWER}, POOR, 68},
    {"gr_create_program", 101, {DEAR, 0, 4, 0, 5, 0, ANSWER}, FRESH, 68},
    {"gr_create_program", 201, {BAD, 0, 4, 0, 5, 0, ANSWER}, FRESH, 68},
    {"gr_create_program", 201, {TO, BAD, 40, 0, 5, 0, ANSWER}, FRESH, 68},
    {"gr_create_program", 201, {TO, 0, 4, BAD, 50, 0, ANSWER}, FRESH, 68},
    {"gr_create_program", 300, {TO, 0, PAYLOAD_MAX + 1, 0, 5, 0, ANSWER}, FRESH, 68},
    {"gr_create_program", 300, {TO, 0, 4, 0, PAYLOAD_MAX + 1, 0, ANSWER}, FRESH, 68},
    {"gr_create_program", 301, {TO, 0, 4, 0, 5, 0, ANSWER}, NO_HANDLES, 68},
    {"gr_create_program", 306, {TO, 0, 4, 0, 5, 0, ANSWER}, MADE, 68},
    {"gr_create_program", 311, {TO, 0, 4, 0, 5, 0, ANSWER}, FULL, 68},
    {"gr_create_program", 399, {TO, 0, 4, 0, 5, UINT32_MAX, ANSWER}, FRESH, 68},

    {"gr_create_program_wgas", 100, {TO, 0, 4, 0, 5, UINT64_MAX, 0, ANSWER}, FRESH, 68},
    {"gr_create_program_wgas", 101, {DEAR, 0, 4, 0, 5, 1, 0, ANSWER}, FRESH, 68},
    {"gr_create_program_wgas", 201, {BAD, 0, 4, 0, 5, 1, 0, ANSWER}, FRESH, 68},
    {"gr_create_program_wgas", 201, {TO, BAD, 40, 0, 5, 1, 0, ANSWER}, FRESH, 68},
    {"gr_create_program_wgas", 201, {TO, 0, 4, BAD, 50, 1, 0, ANSWER}, FRESH, 68},
    {"gr_create_program_wgas", 300, {TO, 0, PAYLOAD_MAX + 1, 0, 5, 1, 0, ANSWER}, FRESH, 68},
    {"gr_create_program_wgas", 300, {TO, 0, 4, 0, PAYLOAD_MAX + 1, 1, 0, ANSWER}, FRESH, 68},
    {"gr_create_program_wgas", 301, {TO, 0, 4, 0, 5, 1, 0, ANSWER}, NO_HANDLES, 68},
    {"gr_create_program_wgas", 306, {TO, 0, 4, 0, 5, 1, 0, ANSWER}, MADE, 68},
    {"gr_create_program_wgas", 311, {TO, 0, 4, 0, 5, 1, 0, ANSWER}, FULL, 68},
    {"gr_create_program_wgas", 399, {TO, 0, 4, 0, 5, 1, UINT32_MAX, ANSWER}, FRESH, 68},

    {"gr_reply", 101, {0, 5, DEAR_VALUE, ANSWER}, FRESH, 36},
    {"gr_reply", 108, {0, 5, ONE, ANSWER}, IN_REPLY, 36},
    {"gr_reply", 201, {BAD, 50, ONE, ANSWER}, FRESH, 36},
    {"gr_reply", 201, {0, 5, BAD + 1, ANSWER}, FRESH, 36},
    {"gr_reply", 300, {0, PAYLOAD_MAX + 1, ONE, ANSWER}, FRESH, 36},
    {"gr_reply", 300, {0, 1, ONE, ANSWER}, REPLY_LARGE, 36},
    {"gr_reply", 302, {0, 5, ONE, ANSWER}, REPLIED, 36},

    {"gr_reply_wgas", 100, {0, 5, UINT64_MAX, ONE, ANSWER}, FRESH, 36},
    {"gr_reply_wgas", 101, {0, 5, THRESHOLD, DEAR_VALUE, ANSWER}, FRESH, 36},
    {"gr_reply_wgas", 108, {0, 5, THRESHOLD, ONE, ANSWER}, IN_REPLY, 36},
    {"gr_reply_wgas", 201, {BAD, 50, THRESHOLD, ONE, ANSWER}, FRESH, 36},
    {"gr_reply_wgas", 201, {0, 5, THRESHOLD, BAD + 1, ANSWER}, FRESH, 36},
    {"gr_reply_wgas", 300, {0, PAYLOAD_MAX + 1, THRESHOLD, ONE, ANSWER}, FRESH, 36},
    {"gr_reply_wgas", 300, {0, 1, THRESHOLD, ONE, ANSWER}, REPLY_LARGE, 36},
    {"gr_reply_wgas", 302, {0, 5, THRESHOLD, ONE, ANSWER}, REPLIED, 36},

    {"gr_reply_push", 108, {0, 1, ANSWER}, IN_REPLY, 4},
    {"gr_reply_push", 201, {BAD, 50, ANSWER}, FRESH, 4},
    {"gr_reply_push", 300, {0, 1, ANSWER}, REPLY_LARGE, 4},
    {"gr_reply_push", 304, {0, 1, ANSWER}, REPLIED, 4},

    {"gr_reply_push_input", 108, {0, 1, ANSWER}, IN_REPLY, 4},
    {"gr_reply_push_input", 300, {0, 1, ANSWER}, REPLY_LARGE, 4},
    {"gr_reply_push_input", 304, {0, 1, ANSWER}, REPLIED, 4},
    {"gr_reply_push_input", 312, {FAR, 1, ANSWER}, FRESH, 4},
    {"gr_reply_push_input", 313, {0, FAR, ANSWER}, FRESH, 4},

    {"gr_reply_commit", 101, {DEAR_VALUE, ANSWER}, FRESH, 36},
    {"gr_reply_commit", 108, {ONE, ANSWER}, IN_REPLY, 36},
    {"gr_reply_commit", 201, {BAD + 1, ANSWER}, FRESH, 36},
    {"gr_reply_commit", 302, {ONE, ANSWER}, REPLIED, 36},

    {"gr_reply_commit_wgas", 100, {UINT64_MAX, ONE, ANSWER}, FRESH, 36},
    {"gr_reply_commit_wgas", 101, {THRESHOLD, DEAR_VALUE, ANSWER}, FRESH, 36},
    {"gr_reply_commit_wgas", 108, {THRESHOLD, ONE, ANSWER}, IN_REPLY, 36},
    {"gr_reply_commit_wgas", 201, {THRESHOLD, BAD + 1, ANSWER}, FRESH, 36},
    {"gr_reply_commit_wgas", 302, {THRESHOLD, ONE, ANSWER}, REPLIED, 36},

    {"gr_reply_input", 101, {0, 5, DEAR_VALUE, ANSWER}, FRESH, 36},
    {"gr_reply_input", 108, {0, 5, ONE, ANSWER}, IN_REPLY, 36},
    {"gr_reply_input", 201, {0, 5, BAD + 1, ANSWER}, FRESH, 36},
    {"gr_reply_input", 300, {0, 1, ONE, ANSWER}, REPLY_LARGE, 36},
    {"gr_reply_input", 304, {0, 5, ONE, ANSWER}, REPLIED, 36},
    {"gr_reply_input", 312, {FAR, 1, ONE, ANSWER}, FRESH, 36},
    {"gr_reply_input", 313, {0, FAR, ONE, ANSWER}, FRESH, 36},

    {"gr_reply_input_wgas", 100, {0, 5, UINT64_MAX, ONE, ANSWER}, FRESH, 36},
    {"gr_reply_input_wgas", 101, {0, 5, THRESHOLD, DEAR_VALUE, ANSWER}, FRESH, 36},
    {"gr_reply_input_wgas", 108, {0, 5, THRESHOLD, ONE, ANSWER}, IN_REPLY, 36},
    {"gr_reply_input_wgas", 201, {0, 5, THRESHOLD, BAD + 1, ANSWER}, FRESH, 36},
    {"gr_reply_input_wgas", 300, {0, 1, THRESHOLD, ONE, ANSWER}, REPLY_LARGE, 36},
    {"gr_reply_input_wgas", 304, {0, 5, THRESHOLD, ONE, ANSWER}, REPLIED, 36},
    {"gr_reply_input_wgas", 312, {FAR, 1, THRESHOLD, ONE, ANSWER}, FRESH, 36},
    {"gr_reply_input_wgas", 313, {0, FAR, THRESHOLD, ONE, ANSWER}, FRESH, 36},

    {"gr_reservation_reply", 101, {DEAR_BY, 0, 5, ANSWER}, FRESH, 36},
    {"gr_reservation_reply", 108, {ANSWER_BY, 0, 5, ANSWER}, IN_REPLY_FROM, 36},
    {"gr_reservation_reply", 201, {BAD - 16, 0, 5, ANSWER}, FRESH, 36},
    {"gr_reservation_reply", 201, {ANSWER_BY, BAD, 50, ANSWER}, RESERVING, 36},
    {"gr_reservation_reply", 300, {ANSWER_BY, 0, PAYLOAD_MAX + 1, ANSWER}, RESERVING, 36},
    {"gr_reservation_reply", 300, {ANSWER_BY, 0, 1, ANSWER}, REPLY_LARGE_FROM, 36},
    {"gr_reservation_reply", 302, {ANSWER_BY, 0, 5, ANSWER}, REPLIED_FROM, 36},
    {"gr_reservation_reply", 500, {NOTHING_BY, 0, 5, ANSWER}, FRESH, 36},

    {"gr_reservation_reply_commit", 101, {DEAR_BY, ANSWER}, FRESH, 36},
    {"gr_reservation_reply_commit", 108, {ANSWER_BY, ANSWER}, IN_REPLY_FROM, 36},
    {"gr_reservation_reply_commit", 201, {BAD - 16, ANSWER}, FRESH, 36},
    {"gr_reservation_reply_commit", 302, {ANSWER_BY, ANSWER}, REPLIED_FROM, 36},
    {"gr_reservation_reply_commit", 500, {NOTHING_BY, ANSWER}, FRESH, 36},

    {"gr_reply_deposit", 100, {SENT, UINT64_MAX, ANSWER}, COMMITTED, 4},
    {"gr_reply_deposit", 201, {BAD, 1, ANSWER}, FRESH, 4},
    {"gr_reply_deposit", 309, {SENT, 1, ANSWER}, DEPOSITED, 4},
    {"gr_reply_deposit", 310, {TO, 1, ANSWER}, COMMITTED, 4},

    {"gr_wake", 100, {TO, UINT32_MAX, ANSWER}, FRESH, 4},
    {"gr_wake", 201, {BAD, 0, ANSWER}, FRESH, 4},
    {"gr_wake", 303, {TO, 0, ANSWER}, WOKEN, 4},

    {"gr_reserve_gas", 100, {UINT64_MAX, 1, ANSWER}, FRESH, 36},
    {"gr_reserve_gas", 501, {THRESHOLD, 1, ANSWER}, RESERVED_ALL, 36},
    {"gr_reserve_gas", 502, {THRESHOLD, 0, ANSWER}, FRESH, 36},
    {"gr_reserve_gas", 504, {THRESHOLD - 1, 1, ANSWER}, FRESH, 36},

    {"gr_unreserve_gas", 201, {BAD, ANSWER}, FRESH, 12},
    {"gr_unreserve_gas", 500, {NOTHING, ANSWER}, FRESH, 12},
    {"gr_unreserve_gas", 500, {NOTHING, ANSWER}, RESERVING, 12},

    {"gr_system_reserve_gas", 100, {UINT64_MAX, ANSWER}, FRESH, 4},
    {"gr_system_reserve_gas", 503, {0, ANSWER}, FRESH, 4},
};

/* Where data stands, behind bob and value 1. */
enum {
    DEAR_AT = 48,
    NOTHING_AT = DEAR_AT + 48,
    DEAR_FROM_AT = NOTHING_AT + 80 + 48,
    RESERVED_AT = DEAR_FROM_AT + 80, /* answer of gr_reserve_gas: the id begins 4 bytes later */
    ANSWER_BY_AT = RESERVED_AT + 4 + 80,
    DEAR_BY_AT = ANSWER_BY_AT + 4 + 48,
};

static uint64_t place_of(uint64_t arg, uint32_t to)
{
    return arg == TO           ? to
           : arg == DEAR       ? to + DEAR_AT
           : arg == DEAR_VALUE ? to + DEAR_AT + 32
           : arg == ONE        ? to + 32
           : arg == NOTHING    ? to + NOTHING_AT
           : arg == DEAR_FROM  ? to + DEAR_FROM_AT
           : arg == RESERVED   ? to + RESERVED_AT + 4
           : arg == ANSWER_BY  ? to + ANSWER_BY_AT + 4
           : arg == DEAR_BY    ? to + DEAR_BY_AT
           : arg == NOTHING_BY ? to + NOTHING_AT + 80
           : arg == SENT       ? SPARE + 4
                               : arg;
}

static uint32_t add_data(script *s)
{
    static const uint8_t empty[36];
    const mr_id bob = mr_id_of_name("bob");
    const mr_value dear = (mr_value)1 << 100;
    const uint32_t to = script_to(s, &bob, 1);
    (void)script_to(s, &bob, dear);
    (void)script_data(s, &bob, sizeof bob);
    (void)script_to(s, &bob, 0);
    (void)script_to(s, &bob, 0);
    (void)script_data(s, &bob, sizeof bob);
    (void)script_to(s, &bob, dear);
    (void)script_data(s, empty, 36);
    (void)script_to(s, &bob, 0);
    (void)script_data(s, empty, 36);
    (void)script_value(s, 0);
    (void)script_data(s, &bob, sizeof bob);
    (void)script_value(s, dear);
    return to;
}

static void prepare(script *s, situation when, uint32_t to);

/* Those with a reservation: it is made first, for what is sent and, once more, for the reply. */
static void prepare_reserved(script *s, situation when, uint32_t to)
{
    static const situation besides[] = {
        [RESERVING] = FRESH,          [BEGUN_FROM] = BEGUN,
        [LARGE_FROM] = LARGE,         [FULL_FROM] = FULL,
        [COMMITTED_FROM] = COMMITTED, [NO_HANDLES_FROM] = NO_HANDLES,
        [REPLIED_FROM] = REPLIED,     [REPLY_LARGE_FROM] = REPLY_LARGE,
        [IN_REPLY_FROM] = IN_REPLY,
    };
    STEP(s, "gr_reserve_gas", THRESHOLD, 1, to + RESERVED_AT);
    STEP(s, "gr_reserve_gas", THRESHOLD, 1, to + ANSWER_BY_AT);
    prepare(s, besides[when], to);
}

static void prepare(script *s, situation when, uint32_t to)
{
    switch (when) {
    case RESERVING:
    case BEGUN_FROM:
    case LARGE_FROM:
    case FULL_FROM:
    case COMMITTED_FROM:
    case NO_HANDLES_FROM:
    case REPLIED_FROM:
    case REPLY_LARGE_FROM:
    case IN_REPLY_FROM:
        prepare_reserved(s, when, to);
        return;
    case RESERVED_ALL:
        for (unsigned i = 0; i < RESERVATIONS_MAX; i++)
            STEP(s, "gr_reserve_gas", THRESHOLD, 1, SPARE);
        return;
    case WOKEN:
        STEP(s, "gr_wake", to, 0, SPARE);
        return;
    case DEPOSITED:
        STEP(s, "gr_send_wgas", to, 0, 0, THRESHOLD, 0, SPARE);
        STEP(s, "gr_reply_deposit", SPARE + 4, 1000, SPARE + 64);
        return;
    case MADE:
        STEP(s, "gr_create_program_wgas", to, 0, 4, 0, 0, 0, 0, SPARE);
        return;
    case FRESH:
    case IN_REPLY:
        return;
    case POOR:
    case BEGUN:
        STEP(s, "gr_send_init", SPARE);
        return;
    case LARGE:
        STEP(s, "gr_send_init", SPARE);
        STEP(s, "gr_send_push", 0, 0, PAYLOAD_MAX, SPARE);
        return;
    case FULL:
        STEP(s, "gr_send_init", SPARE);
        STEP(s, "gr_send_push", 0, 0, PAYLOAD_MAX, SPARE);
        STEP(s, "gr_send_init", SPARE);
        STEP(s, "gr_send_push", 1, 0, BYTES_MAX - PAYLOAD_MAX, SPARE);
        return;
    case COMMITTED:
        STEP(s, "gr_send_init", SPARE);
        STEP(s, "gr_send_commit", 0, to, 0, SPARE);
        return;
    case NO_HANDLES:
        for (unsigned i = 0; i < HANDLES_MAX; i++)
            STEP(s, "gr_send_init", SPARE);
        return;
    case REPLIED:
        STEP(s, "gr_reply", 0, 3, NO_VALUE, SPARE);
        return;
    case REPLY_LARGE:
        STEP(s, "gr_reply_push", 0, PAYLOAD_MAX, SPARE);
        return;
    }
}

/* The script of a case; its data first, so that addresses do not depend on the call. */
static script script_of(const failing *of, bool with_call)
{
    script s = script_new();
    const uint32_t to = add_data(&s);
    prepare(&s, of->when, to);
    for (uint32_t i = 0; i < ANSWER_ROOM; i += 8)
        STEP(&s, "store", ANSWER + i, UINT64_MAX);
    STEP(&s, "gr_value_available", VALUE_BEFORE);
    if (with_call) {
        uint64_t args[8];
        for (size_t i = 0; i < 8; i++)
            args[i] = place_of(of->args[i], to);
        script_step(&s, of->name, args, 8);
    }
    STEP(&s, "gr_value_available", VALUE_AFTER);
    return s;
}

/* Makes bob answer the actor with `payload`. */
static void answer_by_bob(fixture *f, const mr_id *actor, mr_span payload)
{
    const mr_id bob = mr_id_of_name("bob");
    script letter = script_new();
    STEP(&letter, "gr_send_wgas", script_to(&letter, &bob, 0), 0, 0, THRESHOLD, 0, SPARE);
    script_run_ok(f, actor, &letter);
    const mr_transaction reply = {
        .kind = MR_TRANSACTION_REPLY,
        .from = bob,
        .to = fixture_message(f, 0).id,
        .payload = payload,
        .gas_limit = f->gas,
        .value = f->value,
    };
    fixture_run(f, &reply, 1);
    fixture_accepted(f);
}

/* What a block did that a failed call may not have a part in. */
typedef struct effects {
    mr_value balance_gained;
    uint64_t user_messages, payload_bytes, gas_burned;
    uint32_t sent;
} effects;

static effects run(fixture *f, const mr_id *actor, const failing *of, bool with_call)
{
    const script s = script_of(of, with_call);
    f->gas = of->when == POOR ? POOR_GAS : RICH_GAS;
    f->value = 10;
    if (of->when == IN_REPLY || of->when == IN_REPLY_FROM)
        answer_by_bob(f, actor, script_span(&s));
    else
        fixture_send(f, actor, script_span(&s));
    const mr_receipt receipt = fixture_receipt(f, 0);
    if (receipt.outcome != MR_OUTCOME_OK)
        fail_msg("%s %u: %s: %.*s", of->name, of->code, mr_outcome_name(receipt.outcome),
                 (int)receipt.text.size, (const char *)receipt.text.data);
    assert_value_equal(fixture_u128(f, actor, VALUE_BEFORE), fixture_u128(f, actor, VALUE_AFTER));
    effects seen = {.sent = receipt.sent,
                    .gas_burned = receipt.gas_burned,
                    .user_messages = fixture_info(f).user_messages_count,
                    .balance_gained = fixture_program_info(f, actor).balance};
    for (uint64_t i = 0; i < seen.user_messages; i++)
        seen.payload_bytes += fixture_message(f, i).payload.size;
    return seen;
}

static void assert_answer(const fixture *f, const mr_id *actor, const failing *of)
{
    uint8_t answer[ANSWER_ROOM], expected[ANSWER_ROOM];
    fixture_memory(f, actor, ANSWER, answer, sizeof answer);
    memset(expected, 0xff, sizeof expected);
    memset(expected, 0, of->answer_bytes);
    memcpy(expected, &of->code, 4);
    uint32_t code;
    memcpy(&code, answer, 4);
    if (code != of->code)
        fail_msg("%s gives %u, not %u", of->name, code, of->code);
    assert_memory_equal(answer, expected, sizeof answer);
}

static void each_function_gives_each_of_its_codes(void **state)
{
    (void)state;
    mr_schedule schedule = mr_schedule_default();
    schedule.payload_bytes_max = PAYLOAD_MAX;
    schedule.outgoing_bytes_max = BYTES_MAX;
    schedule.outgoing_max = HANDLES_MAX;
    schedule.mailbox_threshold = THRESHOLD;
    schedule.reservations_max = RESERVATIONS_MAX;
    fixture f;
    fixture_open(&f, &(mr_engine_options){.schedule = &schedule});
    f.gas = RICH_GAS;
    const mr_id actor = actor_new(&f);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const failing *of = &cases[i];
        const mr_value before = fixture_program_info(&f, &actor).balance;
        effects without = run(&f, &actor, of, false);
        const mr_value middle = without.balance_gained;
        effects with = run(&f, &actor, of, true);
        assert_answer(&f, &actor, of);
        without.balance_gained -= before;
        with.balance_gained -= middle;
        assert_value_equal(with.balance_gained, without.balance_gained);
        assert_int_equal(with.user_messages, without.user_messages);
        assert_int_equal(with.payload_bytes, without.payload_bytes);
        assert_int_equal(with.sent, without.sent);
        assert_true(with.gas_burned - without.gas_burned < THRESHOLD / 100); /* the call's price */
    }
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_function_gives_each_of_its_codes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
