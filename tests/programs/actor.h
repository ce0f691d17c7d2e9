/* SPDX-License-Identifier: Apache-2.0 */
/* actor: the language of the universal test program, for the program and for whoever writes its
 * scripts. A script is a sequence of instructions: one byte of operation, then operands, little
 * endian and without padding. What is cut short reads as zeros, and an unknown operation ends the
 * script, so that any bytes are a script.
 *
 * An address is an offset in the scribbling area, or with its highest bit set an address beyond any
 * memory. What programs check of themselves lies elsewhere.
 *
 * A destination is one byte: 0 .. 199 a peer (modulo their number), or one of those below.
 * "terms" are a byte of ACTOR_TERMS_ bits, then u64 gas if it says so, u64 value if it says so, u16
 * blocks of delay if it says so. "bytes" are a u16 size and as many bytes, taken where they stand
 * in the script. "wait" is a byte of ACTOR_WAIT_ and u32 blocks.
 *
 * A message that waits is remembered with the place in its script, and goes on there when it runs
 * again; but for raw waits (WAIT), after which it runs from the top. Replies may be expected by a
 * message and wake it; a lock may be held while waiting. */
#ifndef MR_TESTS_PROGRAMS_ACTOR_H
#define MR_TESTS_PROGRAMS_ACTOR_H

enum {
    ACTOR_PEERS_MAX = 24,
    ACTOR_SCRIPT_MAX = 8192, /* of a message: what follows is not read */
    ACTOR_STORED_MAX = 600,  /* of the script that runs on replies */
    ACTOR_CELLS = 40,
    ACTOR_CELL_BYTES = 300,        /* no multiple of a unit: cells straddle units and pages */
    ACTOR_SLOTS = 16,              /* of pages and of handles */
    ACTOR_SCRIBBLE_BYTES = 140000, /* for stores of any kind: three pages touched */
    ACTOR_CODES_MAX = 8,
    ACTOR_CHILDREN_MAX = 8, /* the last ones are remembered */
    ACTOR_RESERVATIONS = 8, /* slots */
    ACTOR_WAITERS = 12,     /* messages remembered; the oldest is forgotten */
    ACTOR_EXPECTED = 24,    /* replies expected; the oldest is forgotten */
    ACTOR_LOCK_QUEUE = 6,   /* messages that wait for the lock */
    ACTOR_LEVELS = 3,       /* of REPEAT; what is deeper is skipped */
    ACTOR_TRIES = 3,        /* waits for one thing, before the script goes on without */
    ACTOR_WAKE_LAST_SENT = 254,
    ACTOR_WAKE_SELF = 255,
    ACTOR_CODE_ID = 255,  /* 32 bytes follow */
    ACTOR_TO_CHILD = 240, /* .. 240 + ACTOR_CHILDREN_MAX - 1: modulo their number */
    ACTOR_TO_SELF = 253,
    ACTOR_TO_SOURCE = 254,
    ACTOR_TO_ID = 255, /* 32 bytes follow */
    ACTOR_TERMS_GAS = 1,
    ACTOR_TERMS_VALUE = 2,
    ACTOR_TERMS_INPUT = 4, /* u16 offset and u16 size of the input, in place of bytes */
    ACTOR_TERMS_DELAY = 8,
    ACTOR_WAIT_FOR_EVER = 0, /* gr_wait; its blocks mean nothing */
    ACTOR_WAIT_FOR = 1,
    ACTOR_WAIT_UP_TO = 2,
};

/* Everything that yields something folds it into the digest, which is state. X(name) */
#define ACTOR_MAP(X)                                                                               \
    X(END)                                                                                         \
    X(STORE)        /* u32 address, u16 count, u8 seed: byte by byte */                            \
    X(STORE8)       /* u32 address, u64 value: one store of 8 bytes */                             \
    X(COPY)         /* u32 to, u32 from, u16 size */                                               \
    X(LOAD)         /* u32 address, u16 size: reads */                                             \
    X(CELL)         /* u8 cell, u8 seed: fills it with a pattern */                                \
    X(CHECK)        /* u8 cell: panics with ACTOR_DAMAGE unless it has its pattern */              \
    X(ALLOC)        /* u8 slot, u8 pages: panics with ACTOR_DAMAGE unless they are clear */        \
    X(FREE)         /* u8 slot: its first page */                                                  \
    X(FREE_PAGE)    /* u16 page */                                                                 \
    X(FREE_RANGE)   /* u16 first, u16 last */                                                      \
    X(FILL)         /* u8 slot, u16 offset, u16 count, u8 seed: in the slot's first page, even     \
                     * when it has been freed */                                                   \
    X(SEND)         /* destination, terms, bytes */                                                \
    X(BEGIN)        /* u8 slot: a message in parts */                                              \
    X(PUSH)         /* u8 slot, terms (input only), bytes */                                       \
    X(COMMIT)       /* u8 slot, destination, terms */                                              \
    X(REPLY)        /* terms, bytes */                                                             \
    X(REPLY_PUSH)   /* terms (input only), bytes */                                                \
    X(REPLY_COMMIT) /* terms */                                                                    \
    X(REPLY_DIGEST) /* terms: replies the digest */                                                \
    X(BURN)         /* u32 iterations */                                                           \
    X(REPEAT)       /* u16 times, bytes: runs them */                                              \
    X(SKIP_IF)      /* u8 bit of the digest, u16 bytes to skip when it is 1 */                     \
    X(PANIC)        /* bytes */                                                                    \
    X(OOM_PANIC)                                                                                   \
    X(UNREACHABLE)                                                                                 \
    X(OUT_OF_BOUNDS)                                                                               \
    X(DIVIDE)                                                                                      \
    X(INDIRECT)                                                                                    \
    X(LOOP)                                                                                        \
    X(RECURSE) /* u32 depth; 0 has no end */                                                       \
    X(LEAVE)                                                                                       \
    X(EXIT)   /* destination */                                                                    \
    X(FACTS)  /* of message, program and block */                                                  \
    X(GAS)    /* what is left */                                                                   \
    X(RANDOM) /* u8 subject */                                                                     \
    X(REPLY_FACTS)                                                                                 \
    X(ON_REPLY)      /* bytes: the script that runs on replies from now on */                      \
    X(BUMP)          /* adds one to a counter that is state */                                     \
    X(DEBUG)         /* bytes */                                                                   \
    X(BAD_POINTER)   /* u8 which: a host function is given one */                                  \
    X(WAIT)          /* wait: runs again from the top */                                           \
    X(AWAIT)         /* wait: goes on behind it */                                                 \
    X(EXPECT)        /* the reply to the last message sent wakes this one, when it is the last */  \
    X(AWAIT_REPLIES) /* wait: until all that is expected has come, some times */                   \
    X(WAKE)          /* u8 which of those remembered, u16 blocks of delay */                       \
    X(LOCK)          /* wait: until it is this message's, some times */                            \
    X(UNLOCK)                                                                                      \
    X(CREATE)             /* u8 code of those given at init, u8 salt, terms, bytes: a program */   \
    X(RESERVE)            /* u8 slot, u64 gas, u32 blocks */                                       \
    X(UNRESERVE)          /* u8 slot */                                                            \
    X(RESERVATION_SEND)   /* u8 slot, destination, terms, bytes */                                 \
    X(RESERVATION_COMMIT) /* u8 slot, u8 slot of the message, destination, terms */                \
    X(RESERVATION_REPLY)  /* u8 slot, terms, bytes */                                              \
    X(RESERVATION_REPLY_COMMIT) /* u8 slot, terms */                                               \
    X(SYSTEM_RESERVE)           /* u64 gas */                                                      \
    X(DEPOSIT)                  /* u64 gas, for the reply to the last message sent */              \
    X(ON_SIGNAL)                /* bytes: the script that runs on signals from now on */           \
    X(SIGNAL_FACTS)

enum {
#define ACTOR_ENUM(name) ACTOR_##name,
    ACTOR_MAP(ACTOR_ENUM)
#undef ACTOR_ENUM
        ACTOR_OPERATIONS
};

#define ACTOR_DAMAGE "actor: memory is not what it was"

#endif
