/* SPDX-License-Identifier: Apache-2.0 */
/* millrace: the whole public face of the engine.
 *
 *     open --> execute a block --> commit  --> execute the next ...
 *                             `--> discard --> execute another candidate at the same height
 *
 * A block takes transactions, runs the queue to its end or to the block's gas limit, and yields a
 * state root, receipts and messages to users. Executing changes nothing durable; the caller looks
 * at the candidate and commits or discards it. The result is a function of the state before, the
 * block's parameters and its transactions: not of streams, cores, tier or timing.
 *
 * Conventions: out parameters are untouched by a failure. Not safe from two threads at once on the
 * same engine unless a prototype says so; safe on different engines. Every id is 32 bytes. */
#ifndef MILLRACE_H
#define MILLRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"

#ifdef __cplusplus
extern "C" {
#endif

#define MR_API __attribute__((visibility("default")))

typedef struct mr_engine mr_engine;
typedef struct mr_block mr_block;

typedef struct mr_id {
    uint8_t bytes[32];
} mr_id;

__extension__ typedef unsigned __int128 mr_value; /* value and balances, in the smallest unit */

/* ---- Gas schedule: every price, and the limits that decide results. Part of the database and of
 * the state root: X(field, default, what it pays for). Gas unless said otherwise. ---- */
#define MR_SCHEDULE_MAP(X)                                                                         \
    X(instruction, 1000, "one WebAssembly instruction")                                            \
    X(page_alloc, 64000, "one 64 KiB page allocated")                                              \
    X(page_load, 1000, "one page of the program's memory, each dispatch that runs")                \
    X(dispatch, 10000, "a dispatch that runs: lookup, binding, settling")                          \
    X(host_call, 2000, "any host function")                                                        \
    X(host_byte, 10, "each byte a host function copies into or out of the program")                \
    X(send, 20000, "a message sent, beside host_call")                                             \
    X(send_byte, 20, "each byte of payload of a message sent, or of one that waits")               \
    X(reply, 20000, "a reply, beside host_call")                                                   \
    X(create, 100000, "a program created by a program, beside send")                               \
    X(wait, 40000, "a message that waits: leaving the queue and coming back")                      \
    X(wake, 10000, "a message woken, or not found, beside host_call")                              \
    X(reserve, 10000, "a reservation of gas made or ended, beside host_call")                      \
    X(rent, 100, "a waiting message, letter, delayed message, wake or reservation, each block")    \
    X(hash, 5000, "a host function that hashes (gr_random)")                                       \
    X(page_free, 16000, "one page freed, beside host_call: it is cleared")                         \
    X(mailbox_threshold, 3000, "least explicit gas limit other than 0 of a message sent")          \
    X(post, 10000, "a transaction: posting fee, paid beside the gas limit")                        \
    X(post_byte, 20, "each byte of a transaction's payload")                                       \
    X(upload_byte, 2000, "each byte of an uploaded module, beside post")                           \
    X(value_per_gas, 100, "price of one gas, in value")                                            \
    X(existential_deposit, 0, "least balance, in value, that programs are told of; not enforced")  \
    X(stack_height_max, 36743, "values on a call's stack")                                         \
    X(outgoing_max, 1024, "messages sent by one dispatch")                                         \
    X(outgoing_bytes_max, 67108864, "payload bytes sent by one dispatch, all together")            \
    X(payload_bytes_max, 8388608, "payload bytes of one message")                                  \
    X(code_bytes_max, 524288, "bytes of a module, as uploaded and as rewritten")                   \
    X(pages_max, 32768, "pages of 64 KiB of one program")                                          \
    X(reservations_max, 256, "reservations of gas of one program")

typedef struct mr_schedule {
#define MR_SCHEDULE_FIELD(field, value, text) uint64_t field;
    MR_SCHEDULE_MAP(MR_SCHEDULE_FIELD)
#undef MR_SCHEDULE_FIELD
} mr_schedule;

/* mr_schedule_default returns the prices above. */
MR_API mr_schedule mr_schedule_default(void);

/* ---- Opening ---- */

typedef struct mr_balance {
    mr_id account;
    mr_value balance;
} mr_balance;

enum { MR_ENGINE_STREAMS_MAX = 1024 /* more are refused: MR_LIMIT */ };

/* How programs run. Results, gas, receipts and roots do not depend on it. */
typedef enum mr_engine_tier {
    MR_ENGINE_INTERP, /* interpreted */
    MR_ENGINE_NATIVE, /* compiled by the machine's C compiler, before the first message; interpreted
                       * where that cannot be done, of which the log is told */
    MR_ENGINE_AUTO,   /* interpreted at once, and compiled in the background */
} mr_engine_tier;

typedef struct mr_engine_options {
    const char *path; /* directory of the database; NULL keeps the state in memory */
    bool create;      /* make the database when there is none */
    bool read_only;   /* queries only */
    uint32_t streams; /* worker threads, to MR_ENGINE_STREAMS_MAX; 0 is one per core */
    bool no_pin;      /* leave the workers where the system puts them */
    mr_engine_tier tier;
    const char *native_directory; /* where compiled programs are kept for other times; NULL:
                                   * millrace in $XDG_CACHE_HOME, or in ~/.cache */
    const char *compiler;         /* of C, taking gcc's options; NULL: gcc, clang, cc or tcc */
    bool keep_debug;              /* keep what programs print with gr_debug, see mr_block_debug */
    bool keep_traces;             /* keep what happened in every dispatch, see mr_block_trace */
    bool check;                   /* after every block, check conservation of gas and value and that
                                   * the root equals that of the state rebuilt from nothing: slow, for tests */
    uint64_t live_bytes_max; /* memory that warm programs run on; 0 is a quarter of the machine's */
    uint64_t loaded_bytes_max; /* programs kept loaded; 0 is a quarter of the machine's. Those not
                                * used for longest are read from the database when next needed */
    /* Only for a new database; of an existing one they must match or be left zero. */
    const mr_schedule *schedule; /* NULL: the default */
    bool accounts;               /* balances are kept and checked */
    const mr_balance *genesis;   /* initial balances; needs `accounts` */
    size_t genesis_count;
} mr_engine_options;

/* mr_engine_open opens or makes a database and starts the workers.
 * Errors:  MR_NOT_FOUND; MR_IO; MR_NO_SPACE; MR_BUSY; MR_CORRUPT; MR_VERSION; MR_SCHEDULE the
 *          database was made with other prices; MR_INVALID; MR_NO_MEMORY. The text says which
 *          file and what to do.
 * Owns:    the caller closes *out. Strings and arrays of `options` are not kept. */
MR_API mr_status mr_engine_open(const mr_engine_options *options, mr_engine **out, mr_error *error);

/* mr_engine_close waits for committed blocks to be durable, stops the workers and frees. Accepts
 * NULL. A block neither committed nor discarded is discarded.
 * Errors: those of the disk, for blocks whose commit had not yet been confirmed by
 *         mr_engine_sync; everything is freed all the same. */
MR_API mr_status mr_engine_close(mr_engine *engine, mr_error *error);

/* ---- Transactions ---- */

typedef enum mr_transaction_kind {
    MR_TRANSACTION_UPLOAD, /* payload: a module; its code id is the result */
    MR_TRANSACTION_CREATE, /* to: a code id; salt; payload, gas_limit, value of the init message */
    MR_TRANSACTION_SEND,   /* to: a program */
    MR_TRANSACTION_REPLY,  /* to: id of a message that `from` received and may reply to */
    MR_TRANSACTION_TRANSFER, /* to: an account; value */
    MR_TRANSACTION_CLAIM, /* to: id of a message in the mailbox of `from`, whose value is taken */
} mr_transaction_kind;

typedef struct mr_transaction {
    mr_transaction_kind kind;
    mr_id from; /* who pays: value + tip + gas_limit * value_per_gas + posting fee */
    mr_id to;
    mr_span payload;
    mr_span salt;       /* CREATE only */
    uint64_t gas_limit; /* CREATE, SEND and REPLY */
    mr_value value;     /* all but UPLOAD and CLAIM */
    mr_value tip;       /* for the author, beside the fee; with accounts only */
} mr_transaction;

/* What became of a transaction: in order of X(code, text). A refused one changes nothing. */
#define MR_ADMISSION_MAP(X)                                                                        \
    X(ACCEPTED, "accepted")                                                                        \
    X(BALANCE, "the account cannot pay value, gas limit and fee")                                  \
    X(NO_PROGRAM, "there is no such program")                                                      \
    X(NO_CODE, "there is no such code")                                                            \
    X(NO_MESSAGE, "there is no such message to reply to")                                          \
    X(PROGRAM_EXISTS, "a program of this code and salt exists already")                            \
    X(CODE_EXISTS, "this code is uploaded already")                                                \
    X(MODULE, "the module is refused")                                                             \
    X(PAYLOAD, "the payload is too large")                                                         \
    X(MALFORMED, "the transaction is malformed")                                                   \
    X(GAS_LIMIT, "the gas limit is too large")

typedef enum mr_admission {
#define MR_ADMISSION_ENUM(name, text) MR_ADMISSION_##name,
    MR_ADMISSION_MAP(MR_ADMISSION_ENUM)
#undef MR_ADMISSION_ENUM
} mr_admission;

MR_API const char *mr_admission_text(mr_admission admission);

typedef struct mr_transaction_result {
    mr_admission admission;
    mr_id id;         /* UPLOAD: the code; CREATE: the program; SEND, REPLY: the message */
    mr_id message;    /* CREATE: its init message; SEND, REPLY: as id */
    const char *text; /* more about a refusal, or ""; lives as long as the block */
} mr_transaction_result;

/* ---- Blocks ---- */

typedef struct mr_block_params {
    uint64_t
        timestamp_ms;   /* what programs see as time; not below the parent's is the caller's care */
    uint64_t gas_limit; /* gas that may be burned; 0 is no limit */
    mr_id author;       /* receives the reward; all zero: nobody, the reward is burned */
    mr_id random;       /* the randomness programs draw from */
} mr_block_params;

/* How a dispatch ended. X(code, name in scenarios and JSON) */
#define MR_OUTCOME_MAP(X)                                                                          \
    X(OK, "ok")                                                                                    \
    X(PANIC, "panic")                                                                              \
    X(TRAP, "trap")                                                                                \
    X(OUT_OF_GAS, "out_of_gas")                                                                    \
    X(STACK, "stack")                                                                              \
    X(MEMORY, "memory")                                                                            \
    X(UNAVAILABLE, "unavailable")                                                                  \
    X(WAITING, "waiting")                                                                          \
    X(EXITED, "exited")                                                                            \
    X(REMOVED, "removed")

typedef enum mr_outcome {
#define MR_OUTCOME_ENUM(name, text) MR_OUTCOME_##name,
    MR_OUTCOME_MAP(MR_OUTCOME_ENUM)
#undef MR_OUTCOME_ENUM
} mr_outcome;

MR_API const char *mr_outcome_name(mr_outcome outcome);

/* What a message does at its destination. SIGNAL tells a program that one of its messages failed.
 * VALUE brings what an exited program leaves to a program: it runs no code, burns no gas and has no
 * receipt. X(code, name in scenarios and JSON) */
#define MR_KIND_MAP(X)                                                                             \
    X(INIT, "init")                                                                                \
    X(HANDLE, "handle")                                                                            \
    X(REPLY, "reply")                                                                              \
    X(SIGNAL, "signal")                                                                            \
    X(VALUE, "value")

typedef enum mr_kind {
#define MR_KIND_ENUM(name, text) MR_KIND_##name,
    MR_KIND_MAP(MR_KIND_ENUM)
#undef MR_KIND_ENUM
} mr_kind;

MR_API const char *mr_kind_name(mr_kind kind);

/* One dispatch that was run. Spans live as long as the block. */
typedef struct mr_receipt {
    mr_id message;
    mr_id source;
    mr_id program; /* the destination */
    mr_kind kind;
    mr_outcome outcome;
    uint64_t gas_limit;  /* what it could burn: for a reply, also what it might draw */
    uint64_t gas_burned; /* 0 .. gas_limit */
    uint32_t sent;       /* messages it sent, replies and signals included */
    mr_value value;      /* that the message brought: 0 when it has waited, and brought it before */
    mr_id parent;        /* the message whose dispatch in this block sent or woke it; zero: none
                          * did, or the receipt was read back from the store */
    mr_span text;        /* panic payload, or a sentence about the trap; may be empty */
} mr_receipt;

/* A message that left the engine for a user. Spans live as long as the block. */
typedef struct mr_user_message {
    mr_id id;
    mr_id from; /* program */
    mr_id to;   /* user */
    bool is_reply;
    mr_id reply_to;   /* when a reply */
    uint8_t code[4];  /* reply code, when a reply */
    mr_value value;   /* already credited, but for a letter */
    uint32_t until;   /* a letter: in the mailbox until the block of this height. Else 0 */
    uint64_t receipt; /* number of that of the dispatch that sent it; MR_RECEIPT_NONE: the agenda */
    mr_span payload;
} mr_user_message;

#define MR_RECEIPT_NONE UINT64_MAX

/* mr_block_execute runs the block after the engine's last committed one as a candidate. The engine
 * holds at most one candidate.
 * Errors:  MR_STATE there is a candidate already, or the engine is read-only; MR_INVALID;
 *          MR_NO_MEMORY, MR_IO, MR_CORRUPT reading state. After a failure the engine is as before.
 * Owns:    the caller ends *out by mr_block_commit or mr_block_discard. Payloads are copied. */
MR_API mr_status mr_block_execute(mr_engine *engine, const mr_block_params *params,
                                  const mr_transaction *transactions, size_t transactions_count,
                                  mr_block **out, mr_error *error);

typedef struct mr_block_info {
    uint64_t height;     /* 1 for the first block */
    mr_id root;          /* of the state after it */
    uint64_t gas_burned; /* by dispatches */
    uint64_t gas_rent;   /* burned as rent */
    uint64_t rounds;
    uint64_t tasks_count; /* carried out by the agenda */
    uint64_t receipts_count;
    uint64_t replies_count;  /* of these, of replies */
    uint64_t failures_count; /* of these, of dispatches that failed or were never run */
    uint64_t user_messages_count;
    uint64_t agenda_messages_count; /* of these, the first, sent by the agenda */
    uint64_t transactions_count;
    uint64_t transactions_accepted;
    uint64_t queue_count; /* messages left for later blocks */
    mr_value reward;      /* of the author: gas burned, rent, posting fees and tips, in value */
} mr_block_info;

MR_API void mr_block_info_get(const mr_block *block, mr_block_info *out);

/* mr_block_receipt, _user_message and _transaction yield the i-th, in the order of the serial
 * queue. False when there is none. Threads: any, until the block is ended. */
MR_API bool mr_block_receipt(const mr_block *block, uint64_t i, mr_receipt *out);
MR_API bool mr_block_user_message(const mr_block *block, uint64_t i, mr_user_message *out);
MR_API bool mr_block_transaction(const mr_block *block, uint64_t i, mr_transaction_result *out);

/* One line a program printed with gr_debug, kept when options.keep_debug is set. */
typedef struct mr_debug_line {
    mr_id program;
    mr_id message;
    mr_span text; /* UTF-8 */
} mr_debug_line;
MR_API bool mr_block_debug(const mr_block *block, uint64_t i, mr_debug_line *out);

enum { MR_TRACE_PAYLOAD_BYTES_MAX = 256 };

/* What happened in a dispatch beside its receipt, kept when options.keep_traces is set: no part of
 * any result. Its gas is accounted for to the last:
 *
 *     gas_in + gas_drawn = burned + gas_sent + gas_home + gas_refunded + gas_rent + gas_held */
typedef struct mr_trace {
    mr_span payload;        /* of the message, its first MR_TRACE_PAYLOAD_BYTES_MAX bytes */
    uint64_t payload_bytes; /* all of them */
    mr_value value;
    mr_id reply_to;    /* REPLY: the message it answers; SIGNAL: the message that failed */
    uint8_t code[4];   /* REPLY: its code */
    uint32_t signal;   /* SIGNAL: its code */
    mr_id payer;       /* who bought its gas, and is refunded what is left */
    const mr_id *sent; /* what it sent to programs, replies and signals included, and what it
                        * sent with a delay to anybody */
    uint32_t sent_count;
    bool waited;           /* it goes on after having waited: this is not its first dispatch */
    uint32_t until;        /* it waits: until the block of this height at the latest; else 0 */
    uint64_t gas_in;       /* the message's own, with its deposit and system reservation */
    uint64_t gas_drawn;    /* taken from the message that a reply belongs to */
    uint64_t gas_sent;     /* of messages, replies and signals to programs that left at once */
    uint64_t gas_home;     /* given to the message that a reply belongs to */
    uint64_t gas_refunded; /* to who paid */
    uint64_t gas_rent;     /* burned as rent */
    int64_t gas_held;      /* kept for its waiting, for letters, delayed messages and reservations,
                            * less what it took out of reservations */
    mr_span backtrace;     /* of one that failed while it ran: a line that says why, then one for
                            * each function, innermost first. Else empty */
} mr_trace;

/* mr_block_trace yields that of the i-th receipt. False when there is none. Spans live as long as
 * the block. Threads: any, until the block is ended. */
MR_API bool mr_block_trace(const mr_block *block, uint64_t i, mr_trace *out);

/* mr_block_commit makes the candidate the engine's last block. With wait it returns when the block
 * is durable; without, the disk works while the next block runs, and mr_engine_sync confirms.
 * Errors:  MR_NO_SPACE, MR_IO of this or an earlier block: the block is not durable, nothing
 *          committed before is lost, the engine refuses further blocks until reopened (queries may
 *          show the block that was lost);
 *          MR_NO_MEMORY: the candidate is still there, try again or discard it.
 * Owns:    on MR_OK the block handle stays readable until mr_block_free, which comes before
 *          mr_engine_close; after a failure end it by mr_block_discard. */
typedef enum mr_durability { MR_COMMIT_WAIT, MR_COMMIT_PIPELINED } mr_durability;
MR_API mr_status mr_block_commit(mr_block *block, mr_durability durability, mr_error *error);

/* mr_block_discard puts the engine back to its last committed block and frees the handle: also when
 * there is no memory, of which it needs none. Also frees a block whose commit failed. Accepts
 * NULL. */
MR_API void mr_block_discard(mr_block *block);

/* mr_block_free frees the handle of a committed block. Accepts NULL. */
MR_API void mr_block_free(mr_block *block);

/* mr_engine_sync returns when every committed block is durable. Errors: as mr_block_commit. */
MR_API mr_status mr_engine_sync(mr_engine *engine, mr_error *error);

/* mr_transaction_cost computes what the sender of a transaction pays at admission when accounts are
 * kept: value + tip + (gas_limit + fee) * value_per_gas. False, *out untouched: that exceeds 128
 * bits, and nobody can pay it. `schedule` is one that an engine takes. Threads: any. */
MR_API bool mr_transaction_cost(const mr_schedule *schedule, const mr_transaction *transaction,
                                mr_value *out);

/* ---- Pool: transactions on their way into a block ----
 *
 *     add --> pending --> take --> taken --> done --> gone
 *             |  ^ ^                |  `-- refused, to be kept --> pending
 *             |  | `---- undo ------'
 *    remove,  |  `-- replace
 *    giving way
 *
 * A transaction's rank is its tip divided by the gas it pays for: gas_limit and posting fee, by
 * which the schedule sells a block's bytes (a salt's, too, for the rank). Equal ranks go by age. A
 * block is taken head by head, always of the highest rank among those that fit, the head of a
 * sender being the first of its transactions not yet taken: so each sender's are taken in the order
 * in which they were added. A head that does not fit holds back its sender's others only.
 *
 * When the pool is full, the pending transaction of the lowest rank decides who gives way: its
 * sender's last one, since no sender's order may get a gap. A sender's last one thus counts for as
 * much as the lowest it stands behind, and a high tip there protects nothing. A newcomer gets in if
 * it ranks higher than each transaction that so decides, is of another sender, and its tip is more
 * than what gives way is worth together, each at the rank that decided. Else it is refused; equal
 * ones are, too, so nobody is driven out for nothing.
 *
 * The pool knows no balances. Who adds a transaction first sees to it that the sender can pay
 * (mr_transaction_cost, mr_pool_sender_get): tips that nobody can pay would go first, and drive out
 * those that can be paid.
 *
 * Threads: any, for all functions but mr_pool_new and mr_pool_free: one lock. Nothing is locked
 * while a block runs, so others may add meanwhile. */
typedef struct mr_pool mr_pool;

enum {
    MR_POOL_TRANSACTION_BYTES = 128,    /* counted for each transaction, beside payload and salt */
    MR_POOL_TRANSACTIONS_MAX = 1 << 26, /* of any pool */
};

typedef struct mr_pool_options {
    const mr_schedule *schedule; /* as of the engine; NULL: the default */
    bool accounts;      /* as of the engine. Without them tips are not paid, and count as 0 */
    uint64_t gas_limit; /* of the largest block; 0 is no limit. More is refused */
    bool duplicates;    /* take what a sender has in the pool already once more */
    uint64_t transactions_max; /* 1 to MR_POOL_TRANSACTIONS_MAX; 0 is 100,000 */
    uint64_t bytes_max;        /* of all; 0 is 256 MiB. Memory used is up to 600 bytes more for
                                * each transaction, and 320 for each that is taken */
    uint64_t sender_max;       /* transactions of one sender; 0 is 1,000 */
    uint64_t tries_max;        /* blocks that may refuse one before it is not kept; 0 is 3 */
} mr_pool_options;

/* mr_pool_new makes an empty pool.
 * Errors: MR_INVALID a schedule that an engine refuses, or too many transactions; MR_NO_MEMORY.
 * Owns:   the caller frees *out by mr_pool_free. `schedule` is copied. */
MR_API mr_status mr_pool_new(const mr_pool_options *options, mr_pool **out);

/* mr_pool_free frees the pool and all that is in it. Accepts NULL. */
MR_API void mr_pool_free(mr_pool *pool);

/* mr_pool_add puts a copy at the end of its sender's. Tickets grow with age, and are not used
 * again. O(log of the number of transactions), and of as many more as give way.
 * Errors: MR_INVALID malformed, or, accounts on, it and the sender's others cost more than 128 bits
 *         hold; MR_LIMIT payload, gas limit or the whole is too large for any block or the pool;
 *         MR_EXISTS a duplicate: but for its tip it is equal to one in the pool; MR_FULL there is
 *         no room, and it pays too little for others to give way, or the sender has as many as one
 *         may; MR_NO_MEMORY. The pool is unchanged. `error` may be NULL. */
MR_API mr_status mr_pool_add(mr_pool *pool, const mr_transaction *transaction, uint64_t *ticket,
                             mr_error *error);

/* mr_pool_replace puts a copy of `transaction`, of the same sender and with a higher tip, in the
 * place of a pending one. Ticket, age and place in the sender's order stay. Nothing gives way for
 * it.
 * Errors: as mr_pool_add; MR_NOT_FOUND no such ticket; MR_STATE it is taken; MR_INVALID also: the
 *         sender is another or the tip no higher. The pool is unchanged. `error` may be NULL. */
MR_API mr_status mr_pool_replace(mr_pool *pool, uint64_t ticket, const mr_transaction *transaction,
                                 mr_error *error);

/* mr_pool_remove drops a pending transaction. Errors: MR_NOT_FOUND; MR_STATE it is taken. */
MR_API mr_status mr_pool_remove(mr_pool *pool, uint64_t ticket);

/* mr_pool_find yields the ticket of the oldest transaction in the pool that equals `transaction`
 * but for the tip. Errors: MR_NOT_FOUND. */
MR_API mr_status mr_pool_find(mr_pool *pool, const mr_transaction *transaction, uint64_t *ticket);

/* mr_pool_get tells whether a transaction is taken. Errors: MR_NOT_FOUND it is not there any more,
 * or never was. */
MR_API mr_status mr_pool_get(mr_pool *pool, uint64_t ticket, bool *taken);

typedef struct mr_pool_info {
    uint64_t transactions_count; /* taken ones included */
    uint64_t taken_count;
    uint64_t senders_count;
    uint64_t bytes;         /* payloads, salts and MR_POOL_TRANSACTION_BYTES each */
    uint64_t evicted_count; /* that gave way, since the pool was made */
} mr_pool_info;
MR_API void mr_pool_info_get(mr_pool *pool, mr_pool_info *out);

typedef struct mr_pool_sender_info {
    uint64_t transactions_count; /* taken ones included */
    mr_value cost;               /* of these together, see mr_transaction_cost; accounts off: 0 */
} mr_pool_sender_info;
/* mr_pool_sender_get tells what the pool has of one sender: all zero if nothing. */
MR_API void mr_pool_sender_get(mr_pool *pool, const mr_id *sender, mr_pool_sender_info *out);

/* What a block is to have: for no limit, 0. */
typedef struct mr_pool_wish {
    uint64_t transactions_max;
    uint64_t bytes_max; /* of payloads, salts and MR_POOL_TRANSACTION_BYTES each */
    uint64_t gas_limit; /* of all gas limits together */
} mr_pool_wish;

/* What was taken, in the order in which the block is to have it. Borrowed from the pool until
 * mr_pool_done or mr_pool_undo. */
typedef struct mr_pool_batch {
    const mr_transaction *transactions;
    const uint64_t *tickets; /* of each */
    size_t count;
    uint64_t bytes;
    mr_value gas; /* of all gas limits */
} mr_pool_batch;

/* mr_pool_take takes transactions for a block. What it takes depends on what was added and in which
 * order, not on time or memory. What is taken stays in the pool, but cannot be replaced or removed
 * and does not give way. At most one batch is taken at a time, as an engine has one candidate.
 * O(log of the number of transactions) for each that is taken, and for each head that was looked at
 * and set aside: one that fits by gas or by bytes and not by both. The lock is held meanwhile.
 * Errors: MR_STATE a batch is taken already; MR_NO_MEMORY. The pool is unchanged. */
MR_API mr_status mr_pool_take(mr_pool *pool, const mr_pool_wish *wish, mr_pool_batch *out);

/* mr_pool_done ends the batch whose block was committed: transactions first, first + 1 ... of
 * `block` are those of the batch. The accepted ones are gone. Refused ones are gone unless `keep`
 * has 1 << their mr_admission: these are pending again, at their place, and come before later ones
 * of their sender, but not before what the same block took of it. NULL for `block`: all are gone.
 * Errors: MR_STATE nothing is taken; MR_INVALID the block has fewer transactions. Unchanged then.
 */
MR_API mr_status mr_pool_done(mr_pool *pool, const mr_block *block, uint64_t first, uint32_t keep);

/* mr_pool_undo ends the batch as if it had not been taken: of a block that was discarded. Does
 * nothing when nothing is taken. */
MR_API void mr_pool_undo(mr_pool *pool);

/* ---- Queries of the last committed block; not while a candidate exists ---- */

typedef struct mr_engine_info {
    uint64_t height; /* 0 before the first block */
    mr_id root;
    uint64_t queue_count;
    uint64_t programs_count;
    uint64_t codes_count;
    uint64_t accounts_count;
    uint64_t waiting_count;
    uint64_t letters_count;
    uint64_t tasks_count;
    uint64_t gas_held; /* of waiting messages, letters, delayed messages and reservations; modulo
                        * 2^64 */
    uint32_t streams;
    bool accounts;
    mr_schedule schedule;
    mr_value issued; /* value that entered from users and has not left to them, accounts off; the
                      * total supply, accounts on */
    mr_value burned; /* value of gas and fees of blocks without an author */
} mr_engine_info;
MR_API void mr_engine_info_get(const mr_engine *engine, mr_engine_info *out);

/* mr_engine_describe writes one sentence about streams, cores and pinning. */
MR_API void mr_engine_describe(const mr_engine *engine, char *text, size_t text_bytes);

/* X(code, name in scenarios and JSON) */
#define MR_PROGRAM_STATUS_MAP(X)                                                                   \
    X(UNINITIALIZED, "uninitialized")                                                              \
    X(ACTIVE, "active")                                                                            \
    X(EXITED, "exited")                                                                            \
    X(TERMINATED, "terminated")

typedef enum mr_program_status {
#define MR_PROGRAM_STATUS_ENUM(name, text) MR_PROGRAM_##name,
    MR_PROGRAM_STATUS_MAP(MR_PROGRAM_STATUS_ENUM)
#undef MR_PROGRAM_STATUS_ENUM
} mr_program_status;

MR_API const char *mr_program_status_name(mr_program_status status);

typedef struct mr_program_info {
    mr_id id;
    mr_id code;
    mr_program_status status;
    mr_id inheritor; /* when exited */
    mr_value balance;
    uint32_t pages; /* of 64 KiB, static ones included */
    uint32_t units; /* 256-byte units that differ from the code's initial memory */
    uint32_t reservations;
    uint64_t waiting;  /* messages that wait in it */
    mr_id memory_root; /* commitment to these units */
} mr_program_info;

/* Errors of queries: MR_NOT_FOUND; MR_STATE a candidate exists; MR_IO; MR_CORRUPT; MR_NO_MEMORY. */
MR_API mr_status mr_engine_program(mr_engine *engine, const mr_id *id, mr_program_info *out);
MR_API mr_status mr_engine_account(mr_engine *engine, const mr_id *id, mr_value *balance);
/* Errors: also MR_LIMIT, the range ends beyond the program's memory. */
MR_API mr_status mr_engine_memory(mr_engine *engine, const mr_id *program, uint64_t address,
                                  void *out, size_t size);

/* A message waiting in the queue. */
typedef struct mr_queued_message {
    uint64_t sequence;
    mr_id id;
    mr_id source;
    mr_id program;
    mr_kind kind;
    uint64_t gas_limit;
    mr_value value;
    mr_span payload;
} mr_queued_message;

/* A message that waits in a program. */
typedef struct mr_waiting_message {
    mr_id program;
    mr_id id;
    mr_id source;
    mr_id payer;
    mr_kind kind;
    uint32_t since;      /* heights: at which it began to wait, */
    uint32_t wish;       /* at which it wants to be woken, MR_HEIGHT_NEVER: it named none, */
    uint32_t until;      /* and at which it is woken, or removed when that is before its wish */
    uint64_t gas;        /* rent for the blocks since then included */
    uint64_t system_gas; /* of its system reservation */
    mr_value value;
    mr_span payload;
} mr_waiting_message;

#define MR_HEIGHT_NEVER UINT32_MAX

/* A letter: a message in a user's mailbox. */
typedef struct mr_letter_info {
    mr_id user;
    mr_id id;
    mr_id from; /* program */
    mr_id payer;
    mr_value value;   /* goes to the user when the letter is answered, claimed or expires */
    uint64_t gas;     /* rent for the blocks since then included */
    uint64_t deposit; /* gas for the reply to it */
    uint32_t since;   /* heights: at which it was made, */
    uint32_t until;   /* and at which it expires */
    mr_span payload;
} mr_letter_info;

/* What the agenda does at a height. X(code, name in JSON) */
#define MR_TASK_MAP(X)                                                                             \
    X(END_WAIT, "end_wait")       /* subject: a message that waits in the program `owner` */       \
    X(WAKE, "wake")               /* likewise, if it still waits then */                           \
    X(SEND, "send")               /* subject: a message to `owner` */                              \
    X(LETTER, "letter")           /* subject: a letter of the user `owner`, which expires */       \
    X(RESERVATION, "reservation") /* subject: one of the program `owner`, which ends */

typedef enum mr_task_kind {
#define MR_TASK_ENUM(name, text) MR_TASK_##name,
    MR_TASK_MAP(MR_TASK_ENUM)
#undef MR_TASK_ENUM
} mr_task_kind;

MR_API const char *mr_task_kind_name(mr_task_kind kind);

typedef struct mr_task_info {
    uint32_t height; /* MR_HEIGHT_NEVER: never */
    uint64_t sequence;
    mr_task_kind task;
    mr_id owner;
    mr_id subject;
    /* Of SEND, the message. */
    mr_id source;
    mr_kind kind;
    uint64_t gas_limit;
    mr_value value;
    mr_span payload;
} mr_task_info;

/* Gas that a program has reserved. */
typedef struct mr_reservation_info {
    mr_id program;
    mr_id id;
    mr_id payer;
    uint64_t amount;
    uint32_t start;  /* heights: at which it was made, */
    uint32_t finish; /* and at which it ends */
} mr_reservation_info;

/* Walks call `visit` in key order (queue: in queue order) until it returns false. */
typedef bool mr_visit_program(void *arg, const mr_program_info *program);
typedef bool mr_visit_account(void *arg, const mr_id *account, mr_value balance);
typedef bool mr_visit_message(void *arg, const mr_queued_message *message);
typedef bool mr_visit_code(void *arg, const mr_id *code, mr_span module);
typedef bool mr_visit_waiting(void *arg, const mr_waiting_message *message);
typedef bool mr_visit_letter(void *arg, const mr_letter_info *letter);
typedef bool mr_visit_task(void *arg, const mr_task_info *task);
typedef bool mr_visit_reservation(void *arg, const mr_reservation_info *reservation);
MR_API mr_status mr_engine_programs(mr_engine *engine, mr_visit_program *visit, void *arg);
MR_API mr_status mr_engine_accounts(mr_engine *engine, mr_visit_account *visit, void *arg);
MR_API mr_status mr_engine_queue(mr_engine *engine, mr_visit_message *visit, void *arg);
MR_API mr_status mr_engine_codes(mr_engine *engine, mr_visit_code *visit, void *arg);

/* mr_engine_compile compiles an uploaded code now, so that it is found compiled later, by this
 * engine and others. The engine's tier is MR_ENGINE_NATIVE or MR_ENGINE_AUTO. Errors: MR_NOT_FOUND
 * there is no such code; MR_STATE the tier is another; MR_BUSY it takes longer than a tenth of a
 * second, and goes on: ask again; MR_UNSUPPORTED it cannot be compiled here, and the log says why;
 * those of reading it. Threads: any. */
MR_API mr_status mr_engine_compile(mr_engine *engine, const mr_id *code, mr_error *error);

/* Of one program or user, or with NULL of all. */
MR_API mr_status mr_engine_waiting(mr_engine *engine, const mr_id *program, mr_visit_waiting *visit,
                                   void *arg);
MR_API mr_status mr_engine_letters(mr_engine *engine, const mr_id *user, mr_visit_letter *visit,
                                   void *arg);
MR_API mr_status mr_engine_reservations(mr_engine *engine, const mr_id *program,
                                        mr_visit_reservation *visit, void *arg);
/* The tasks due at the height `from` and later, as they will be carried out. */
MR_API mr_status mr_engine_tasks(mr_engine *engine, uint32_t from, mr_visit_task *visit, void *arg);

/* A committed block as stored: what it ran on, enough to run it again. */
typedef struct mr_stored_block mr_stored_block;
MR_API mr_status mr_engine_block(mr_engine *engine, uint64_t height, mr_stored_block **out,
                                 mr_error *error);
MR_API void mr_stored_block_free(mr_stored_block *block);
MR_API void mr_stored_block_info(const mr_stored_block *block, mr_block_info *info,
                                 mr_block_params *params);
MR_API const mr_transaction *mr_stored_block_transactions(const mr_stored_block *block,
                                                          size_t *count);
MR_API bool mr_stored_block_receipt(const mr_stored_block *block, uint64_t i, mr_receipt *out);
MR_API bool mr_stored_block_user_message(const mr_stored_block *block, uint64_t i,
                                         mr_user_message *out);

/* mr_engine_genesis returns the initial balances, so that all blocks can be run again elsewhere.
 * Owns: the caller frees *out with free(). */
MR_API mr_status mr_engine_genesis(mr_engine *engine, mr_balance **out, size_t *count);

/* ---- Views: reading beside blocks, and trying out ----
 *
 * A view is the state after a committed block as one thread sees it: an engine of its own, with one
 * stream, which shares nothing but the database and rewritten modules with the engine it is of, and
 * waits for it as little as that waits for it. All queries work on a view. Blocks may be executed
 * on it, and discarded; they cannot be committed. It stays at its block until mr_view_refresh. */

typedef enum mr_view_kind {
    MR_VIEW_WHOLE, /* with the queue and the tasks of the state: a block on it has the result it
                    * would have on the engine */
    MR_VIEW_ALONE, /* without them: a block on it shows what its transactions do by themselves. It
                    * yields no root. Everybody can pay */
} mr_view_kind;

/* mr_view_open makes a view of the last committed block.
 * Errors:  MR_NO_MEMORY; MR_IO, MR_CORRUPT reading the state.
 * Owns:    the caller ends *out by mr_engine_close, before `engine` is closed.
 * Threads: any, also while a block is executed or committed. One view by one thread at a time. */
MR_API mr_status mr_view_open(mr_engine *engine, mr_view_kind kind, mr_engine **out,
                              mr_error *error);

/* mr_view_refresh moves the view to the last committed block; what it has in memory and has not
 * changed stays. Errors: as mr_view_open; MR_STATE a candidate exists. Threads: as a view. */
MR_API mr_status mr_view_refresh(mr_engine *view, mr_error *error);

/* What to read from a program by an entry that only reads. */
typedef struct mr_reading {
    mr_id program;
    mr_id source;      /* as whom */
    const char *entry; /* "state" or "metahash" */
    mr_span payload;
    uint64_t gas_limit;
    uint64_t timestamp_ms; /* that the program sees; the height is that of the last block */
} mr_reading;

typedef struct mr_answer {
    mr_outcome outcome; /* UNAVAILABLE: the program is not active, or lacks the entry */
    uint64_t gas_burned;
    mr_span payload; /* of the reply; until the next call on the engine */
    mr_span text;    /* panic payload, or a sentence about the trap; likewise */
} mr_answer;

/* mr_engine_read runs an entry of a program that reads, over its state after the last committed
 * block. Nothing changes. Errors: MR_NOT_FOUND no such program; MR_INVALID no such entry; MR_STATE
 * a candidate exists; MR_IO; MR_CORRUPT; MR_NO_MEMORY. */
MR_API mr_status mr_engine_read(mr_engine *engine, const mr_reading *reading, mr_answer *out,
                                mr_error *error);

/* How an estimate came out. */
typedef struct mr_estimate {
    bool succeeds;       /* with enough gas; else the rest says how it fails with gas_max */
    uint64_t gas_limit;  /* the least with which the message and all it causes succeed */
    uint64_t gas_burned; /* then: by all dispatches, and as rent, until nothing of it waits */
    uint32_t blocks;     /* that it takes, those in between included */
    bool waits;          /* something of it is due only after blocks_max blocks, or never: that has
                          * not been run, and what it will need is not in gas_limit */
    bool cut;            /* it waits, and gas_limit holds the rent of all these blocks and no more:
                          * it depends on blocks_max */
    mr_outcome outcome;  /* of the first dispatch that failed, when it does not succeed */
    mr_id failed;        /* the program of that */
    mr_span text;        /* about that; until the next call on the view */
} mr_estimate;

/* mr_view_estimate finds the least gas limit with which `transaction` (CREATE, SEND or REPLY) and
 * all that it causes succeed: no dispatch fails, in this or later blocks in which nothing else
 * happens. The view is ALONE, and is left as it was. gas_max bounds the search, and with it how
 * long a program that loops is run for; 0 is MR_ESTIMATE_GAS. blocks_max bounds the blocks that are
 * gone on for, 0 is MR_ESTIMATE_BLOCKS. The answer is exact for programs that do not look at the
 * gas they have; such that do may need more, or less, than the least found. Errors:  MR_INVALID the
 * transaction is refused, with the reason; MR_STATE; MR_NO_MEMORY; MR_IO; MR_CORRUPT. */
#define MR_ESTIMATE_GAS    ((uint64_t)20000000000) /* some seconds of the interpreter */
#define MR_ESTIMATE_BLOCKS 1000
MR_API mr_status mr_view_estimate(mr_engine *view, const mr_block_params *params,
                                  const mr_transaction *transaction, uint64_t gas_max,
                                  uint32_t blocks_max, mr_estimate *out, mr_error *error);

/* ---- Identifiers. Source: Gear's protocol; BLAKE2b-256. Threads: any. ---- */
MR_API mr_id mr_id_of_code(mr_span module);
MR_API mr_id mr_id_of_program(const mr_id *code, mr_span salt);
MR_API mr_id mr_id_of_reply(const mr_id *message);  /* to a message */
MR_API mr_id mr_id_of_signal(const mr_id *message); /* that it failed */
/* The id under which a name stands in scenarios: BLAKE2b-256("millrace account" name). */
MR_API mr_id mr_id_of_name(const char *name);

/* ---- Modules, for tools. Errors: MR_MODULE with a sentence for the author; MR_NO_MEMORY.
 * Owns: append to *out. Threads: any. ---- */
MR_API mr_status mr_module_from_text(mr_span text, const char *file_name, mr_buffer *out,
                                     mr_error *error);
MR_API mr_status mr_module_pack(mr_span module, mr_buffer *out, mr_error *error);
/* mr_module_check tells whether an upload would be accepted under `schedule`. */
MR_API mr_status mr_module_check(const mr_schedule *schedule, mr_span module, mr_error *error);

/* ---- Counters, summed over all blocks since open ---- */
typedef struct mr_statistics {
    uint64_t admit_ns, partition_ns, run_ns, merge_ns, commit_ns; /* wall time of the phases */
    uint64_t seal_ns;   /* part of commit_ns: hashing what changed, up to the root */
    uint64_t wait_ns;   /* part of commit_ns: handing the block to the store, and waiting for
                         * the one before to become durable */
    uint64_t serial_ns; /* part of the rounds in which one worker works alone */
    uint64_t rounds_ns; /* wall time of the rounds */
    uint64_t call_ns;   /* inside programs, host functions included, all workers; 0 unless
                         * mr_engine_set_timing */
    uint64_t rounds;
    uint64_t dispatches;
    uint64_t bytes_written; /* keys and values handed to the database */
    uint64_t units_committed, units_rolled_back;
    uint64_t lanes_stolen;
    uint64_t memories_live;   /* programs made live (image copied in) */
    uint64_t programs_loaded; /* programs in memory now */
    uint64_t loaded_bytes;    /* what they hold, units and index included, live memory not */
} mr_statistics;
MR_API void mr_engine_statistics(const mr_engine *engine, mr_statistics *out);
/* mr_engine_set_timing switches the clock around every call on; it costs about 20 ns a message. */
MR_API void mr_engine_set_timing(mr_engine *engine, bool on);

/* ---- Gas by function, for authors of programs: exact, whatever the number of streams. Programs
 * run several times slower meanwhile, with the same results ---- */

typedef struct mr_gas_row {
    const char *function;
    bool is_host; /* a function of the engine */
    uint64_t calls;
    uint64_t self_gas;  /* by its own instructions; of a function of the engine, what it charged */
    uint64_t host_gas;  /* charged by functions of the engine that it called itself */
    uint64_t total_gas; /* self_gas and that of all it called, a recursion counted once */
} mr_gas_row;

/* One code, all programs of it together. Gas of a dispatch's beginning is not of a function, nor
 * what a dispatch gives away. gas = sum of self_gas. */
typedef struct mr_gas_profile {
    mr_id code;
    uint64_t calls; /* of entries */
    uint64_t gas;
    const mr_gas_row *rows; /* most self_gas first */
    size_t rows_count;
} mr_gas_profile;

/* mr_engine_set_gas_profile begins a new profile, or ends it; what was counted can still be read.
 * Not while a block is executed. Errors: MR_NO_MEMORY; it is off then. */
MR_API mr_status mr_engine_set_gas_profile(mr_engine *engine, bool on);

/* mr_engine_gas_profiles calls `visit` for each code that ran, most gas first, until it returns
 * false. Errors: MR_NO_MEMORY, also when memory did not suffice to watch every call. */
typedef bool mr_visit_gas_profile(void *arg, const mr_gas_profile *profile);
MR_API mr_status mr_engine_gas_profiles(mr_engine *engine, mr_visit_gas_profile *visit, void *arg);

/* mr_engine_gas_stacks calls `visit` for each path of calls in `code` that burned gas, with a line
 * as tools for flame graphs read it, `root` first: "root;handle;app::transfer;gr_send 12000".
 * Errors: MR_NOT_FOUND it did not run; as mr_engine_gas_profiles. */
typedef bool mr_visit_line(void *arg, mr_span line);
MR_API mr_status mr_engine_gas_stacks(mr_engine *engine, const mr_id *code, const char *root,
                                      mr_visit_line *visit, void *arg);

#ifdef __cplusplus
}
#endif

#endif
