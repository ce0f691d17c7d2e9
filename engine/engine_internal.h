/* SPDX-License-Identifier: Apache-2.0 */
/* engine_internal: the engine and its candidate block, as the files of this folder share them.
 *
 * Who changes what:
 *   main thread     everything outside mr_scheduler_run and the parallel parts of seal and commit
 *   next()          the block's queue, rounds and receipts' places; all workers wait meanwhile
 *   worker s        streams[s], the programs of the lanes it runs, and the receipts at their
 *                   positions; nothing else */
#ifndef MR_ENGINE_ENGINE_INTERNAL_H
#define MR_ENGINE_ENGINE_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/array.h"
#include "engine/abi.h"
#include "engine/accounts.h"
#include "engine/codes.h"
#include "engine/dictionary.h"
#include "engine/dispatch.h"
#include "engine/index.h"
#include "engine/mailbox.h"
#include "engine/waitlist.h"

/* Tables of the store; the number is the table's place in its list and its tag in state keys. */
#define MR_TABLE_MAP(X)                                                                            \
    X(META, "meta")         /* one record a key: "config", "head", genesis balances */             \
    X(CODE, "code")         /* code id -> module as uploaded */                                    \
    X(PROGRAM, "program")   /* program id -> record */                                             \
    X(UNIT, "unit")         /* program id, unit number (big endian u32) -> 256 bytes */            \
    X(QUEUE, "queue")       /* sequence (big endian u64) -> dispatch */                            \
    X(MAILBOX, "mailbox")   /* user id, message id -> letter */                                    \
    X(ACCOUNT, "account")   /* user id -> balance */                                               \
    X(BLOCK, "block")       /* height (big endian u64) -> parameters, results, transactions */     \
    X(RECEIPT, "receipt")   /* height, chunk number -> receipts and messages to users */           \
    X(TREE, "tree")         /* the state tree's own */                                             \
    X(WAITLIST, "waitlist") /* program id, message id -> message that waits */                     \
    X(TASK, "task")         /* height (big endian u32), number (u64) -> what is to be done */

typedef enum mr_table {
#define MR_TABLE_ENUM(name, text) MR_TABLE_##name,
    MR_TABLE_MAP(MR_TABLE_ENUM)
#undef MR_TABLE_ENUM
        MR_TABLES_COUNT
} mr_table;

/* Outputs of a round: messages for the next one, and tasks. */
enum { MR_CHANNEL_QUEUE, MR_CHANNEL_TASKS, MR_CHANNELS_COUNT };

/* Value to be added to a user's balance when the block ends. */
typedef struct mr_credit {
    mr_id account;
    mr_value amount;
} mr_credit;

/* A record of the state that the block changes: beside programs, units, accounts and codes. */
typedef struct mr_record {
    mr_tree_change tree;
    mr_span record; /* in the block's memory; empty when it is removed */
    mr_table table;
    uint8_t key_bytes;
    uint8_t key[64];
} mr_record;

/* Numbers that dispatches count up, taken up by the block from time to time. */
typedef struct mr_tally {
    uint64_t gas_burned;
    uint64_t gas_refunded;
    uint64_t gas_rent;
    uint64_t gas_held;    /* added less taken; wraps around */
    uint64_t values;      /* dispatches of kind VALUE, which have no receipt */
    uint64_t replies;     /* dispatches of replies */
    uint64_t failures;    /* dispatches that failed or were never run */
    uint64_t users;       /* messages to users */
    uint64_t letters;     /* made */
    uint64_t waiting;     /* messages that began to wait less those that ended it; wraps around */
    uint64_t debug_lines; /* what programs printed, when it is kept */
    uint64_t unsteady; /* replies that may draw, and messages in the queue whose gas has grown: what
                        * the round's cost does not say */
    mr_value value_left; /* value that left to users */
} mr_tally;

enum { MR_STRANGERS = 256 /* slots of ids known not to be programs, a power of two */ };

/* What one worker owns. */
typedef struct mr_stream {
    _Alignas(128) mr_vm_worker *vm;
    mr_unit_pool *pool;
    mr_execution execution;
    mr_foresight foresight;
    mr_arena scratch_arena;  /* what a dispatch composes; gone with the next one */
    mr_arena round_arena[2]; /* payloads sent; by parity of the round that made them */
    mr_arena *payloads;      /* of these, the current round's */
    mr_arena *block_arena;   /* dispatches, messages to users, undo records */
    mr_program **dirty;      /* programs this stream was the first to touch in the block */
    size_t dirty_count, dirty_capacity;
    mr_credit *credits;
    size_t credits_count, credits_capacity;
    mr_id strangers[MR_STRANGERS]; /* until a program makes one; all zero is empty */
    mr_tally tally;                /* of the block */
    uint64_t dispatches;           /* since the engine was opened */
    mr_program **created;          /* by programs, in the round */
    size_t created_count, created_capacity;
    mr_letter *letters; /* made in the block, newest first */
    mr_record *records; /* of the block, once sealed */
    size_t records_count, records_capacity;
    mr_batch *batch;
    mr_buffer scratch;         /* records being encoded */
    mr_buffer traced;          /* ids that the dispatch has sent, when traces are kept */
    mr_dictionary *dictionary; /* of the chunk being encoded */
    mr_status failure;         /* of the machine: the block cannot go on */
    mr_profile *profile;       /* of gas; or NULL */
    struct mr_engine *engine;
    uint32_t number;
} mr_stream;

/* What the state holds beside the tables: one leaf of its own. */
typedef struct mr_counters {
    mr_value issued; /* see mr_engine_info */
    mr_value burned;
    uint64_t queue_tail; /* next sequence */
    uint64_t task_tail;  /* likewise, of tasks */
    uint64_t programs_count;
    uint64_t codes_count;
    uint64_t accounts_count;
    uint64_t waiting_count;
    uint64_t letters_count;
    uint64_t tasks_count;
    uint64_t gas_held;
} mr_counters;

struct mr_engine {
    mr_schedule schedule;
    mr_module_rules rules;
    mr_code_prices prices;
    bool accounts_on, read_only, keep_debug, keep_traces, check;
    mr_status broken; /* why a block did not become durable: no more blocks then */
    mr_store *store;
    mr_tree *tree;
    mr_codes *codes;
    mr_accounts *accounts;
    mr_index index;
    mr_vm *vm;
    mr_scheduler *scheduler;
    mr_parallel parallel;
    mr_stream *streams;
    uint32_t streams_count;
    mr_unit_pool *pool; /* of the main thread */
    mr_batch *batch;    /* of the main thread */
    mr_queued **queue;  /* what earlier blocks left, in order */
    size_t queue_count, queue_capacity;
    mr_counters counters;
    _Atomic uint64_t loaded_bytes; /* of programs in the index; workers add what they load */
    uint64_t loaded_bytes_max;
    _Atomic bool damage_found; /* set by whoever first finds a program damaged, who then writes */
    mr_id damaged;             /* which; the main thread reads it when no worker runs */
    size_t sweep_at;           /* where in the index the next eviction looks first */
    uint64_t height;
    mr_hash root;
    uint32_t next_due; /* no task is due before */

    /* Of a view; see view.c. */
    struct mr_engine *of; /* the engine it looks at; NULL: it is none */
    bool alone;
    bool trying;       /* blocks go into the store's overlay for a while */
    mr_buffer told;    /* text of the last estimate */
    mr_buffer made;    /* ids of the programs that blocks tried out have made */
    uint64_t sequence; /* of the store's change that it sees */
    uint64_t epoch;    /* goes up when it sees another; programs read before are looked at again */
    uint64_t executions; /* blocks executed since open, discarded ones too */
    mr_block *candidate;
    pthread_mutex_t readers; /* guards the filling of a block's places */
    mr_block *spare;         /* the last freed handle, for its memory; or NULL */
    mr_statistics statistics;
};

/* A round's receipts, in order: the dispatches it ran, those of kind VALUE left out once it has
 * ended. */
typedef struct mr_round_receipts {
    const mr_dispatch **dispatches;
    size_t count;
    uint64_t first; /* number of receipts before this round's */
} mr_round_receipts;

/* Where a message to a user is found. */
typedef struct mr_user_place {
    const mr_dispatch *dispatch; /* that sent it */
    const mr_user_entry *entry;  /* NULL: its automatic reply */
    uint64_t receipt;            /* number of the dispatch's */
} mr_user_place;

/* A line that a program printed. */
typedef struct mr_debug_place {
    const mr_dispatch *dispatch;
    const mr_debug_text *line;
} mr_debug_place;

/* What became of a transaction. */
typedef struct mr_admitted {
    mr_dispatch *dispatch; /* the message it sends, made in parallel; NULL: none yet */
    mr_id *id;             /* UPLOAD and CREATE: of the code or program, when accepted */
    const char *text;      /* more about a refusal, or "" */
    mr_admission admission;
} mr_admitted;

/* A touched program as sealed, until the commit: nothing changes it in between. */
typedef struct mr_sealed {
    mr_span record;                /* in a stream's block arena */
    const mr_unit_change *changes; /* of mr_memory_changes */
    size_t changes_count;
} mr_sealed;

enum { MR_CHUNK_TRANSACTIONS = 4096 };

/* Stored form of MR_CHUNK_TRANSACTIONS transactions. */
typedef struct mr_transactions_chunk {
    mr_buffer record;
} mr_transactions_chunk;

struct mr_block {
    mr_engine *engine; /* that executed it; never NULL, and open longer than the handle is used */
    bool committed;
    uint64_t execution; /* engine->executions when this one ran: never 0 */
    mr_block_params params;
    mr_environment environment;
    mr_block_info info;
    mr_counters counters; /* of the state after the block */
    mr_hash root;

    const mr_transaction *transactions; /* the caller's; only while executing */
    mr_transactions_chunk *chunks;      /* their stored form */
    size_t chunks_count, chunks_capacity;
    mr_admitted *admitted; /* of each transaction, what became of it */
    size_t admitted_capacity;

    mr_arena *arenas; /* streams_count + 1; the last is the main thread's */
    mr_arena *arena;  /* the main thread's */

    /* The queue while running. */
    mr_item *pending; /* to be admitted, in order, beginning at pending_at */
    size_t pending_count, pending_at, pending_capacity;
    uint64_t pending_most; /* that all of these may burn, in any order, when `pending_plain` */
    bool pending_plain;    /* no round has been chosen yet, and nothing in them is special */
    mr_item *chosen;       /* the current round's input when it is not an output as it stands */
    size_t chosen_capacity;
    unsigned clean_rounds; /* rounds since something was left pending */
    mr_queued **remainder; /* queue after the block, in order; once it is committed, what of the
                            * queue before it has gone, kept for receipts */
    size_t remainder_count, remainder_capacity;
    uint64_t gas_left;   /* of the block's limit */
    uint64_t gas_bought; /* by accepted transactions */
    mr_tally seen;       /* of all streams, as of the last next() */
    mr_task **tasks;     /* made by the block, in order */
    size_t tasks_count, tasks_capacity;
    uint64_t tasks_stored; /* of these, not cancelled; numbered when the block is sealed */
    mr_user_message *agenda_messages; /* to users */
    size_t agenda_messages_count, agenda_messages_capacity;
    mr_queued *_Atomic gone; /* what waited before the block and no longer does, once it is
                              * committed: kept for receipts. Workers push */

    mr_round_receipts *rounds;
    size_t rounds_count, rounds_capacity;
    /* For readers, filled when one first asks. */
    mr_user_place *user_places;
    size_t user_places_capacity;
    mr_debug_place *debug_places;
    size_t debug_places_capacity;
    uint64_t debug_count;
    _Atomic bool places_filled; /* written under the engine's `readers` */

    /* What to take back, and what to store. */
    mr_program **created;
    size_t created_count, created_capacity;
    mr_module **uploaded;
    mr_span *uploaded_bytes; /* as uploaded, of each; in the arena */
    size_t uploaded_count, uploaded_capacity, uploaded_bytes_capacity;
    mr_letter **letters; /* taken from the store, and made by the agenda */
    size_t letters_count, letters_capacity;
    uint32_t *letter_slots;    /* their numbers + 1, by message; 0 is empty */
    size_t letter_slots_count; /* a power of two, or 0 */
    mr_program **dirty;        /* all programs the block touched, created ones too */
    size_t dirty_count, dirty_capacity;
    size_t programs_per_task; /* of these, when all workers go through them */
    mr_sealed *sealed;        /* of each of these */
    size_t sealed_capacity;
    mr_tree_change *changes; /* of the state tree */
    size_t changes_count, changes_capacity;
    mr_status failure;
};

/* Going through all programs the block touched: how many tasks that is, and where one ends; task i
 * begins at i * programs_per_task. */
static inline size_t mr_block_tasks(const mr_block *block)
{
    return (block->dirty_count + block->programs_per_task - 1) / block->programs_per_task;
}

static inline size_t mr_block_task_end(const mr_block *block, size_t task)
{
    const size_t end = (task + 1) * block->programs_per_task;
    return end < block->dirty_count ? end : block->dirty_count;
}

/* mr_tally_add adds the numbers of `more`. */
void mr_tally_add(mr_tally *to, const mr_tally *more);

/* engine.c: prices and limits are bounded, so that no sum of what one call or transaction costs
 * overflows. Errors: MR_INVALID, with the name of what is too large. */
mr_status mr_schedule_check(const mr_schedule *schedule, mr_error *error);

/* admission.c: takes the transactions and appends their messages to the block's queue. */
mr_status mr_block_admit(mr_block *block, mr_error *error);

/* users.c: messages to users, as the receipts' dispatches have them. */

/* mr_user_next steps to the next message to a user that `place->dispatch` sent, beginning with an
 * entry of NULL and `first` true. False at the end. */
bool mr_user_next(mr_user_place *place, bool first);
/* mr_user_message_of computes the message in full. */
mr_user_message mr_user_message_of(const mr_user_place *place);

/* rounds.c: runs the queue to its end or the block's limit. */
mr_status mr_block_run(mr_block *block, mr_error *error);

/* mr_wait_source_of returns what finding waiting messages in this block needs. */
static inline mr_wait_source mr_wait_source_of(const mr_block *block, const mr_stream *stream)
{
    return (mr_wait_source){
        .store = block->engine->store,
        .arena = stream->block_arena,
        .rent = block->engine->schedule.rent,
        .height = (uint32_t)block->info.height,
        .alone = block->engine->alone,
    };
}

/* settle.c: what a dispatch costs before its first instruction. */
uint64_t mr_entry_charge(const mr_schedule *schedule, const mr_program *program);

/* mr_block_gas_max returns the most gas that a message is given in this block: what is more fits no
 * block like it. */
static inline uint64_t mr_block_gas_max(const mr_block *block)
{
    const uint64_t limit = block->params.gas_limit;
    return limit != 0 && limit < MR_GAS_MAX ? limit : MR_GAS_MAX;
}

/* mr_block_gas_room returns how much more a message may be given that has `gas`. */
static inline uint64_t mr_block_gas_room(const mr_block *block, uint64_t gas)
{
    const uint64_t most = mr_block_gas_max(block);
    return gas < most ? most - gas : 0;
}

/* mr_stream_touch notes that the block touches a program, before it is changed. */
mr_status mr_stream_touch(mr_stream *stream, mr_program *program);

/* settle.c: runs one dispatch on `stream` and emits what follows from it. */
void mr_stream_dispatch(mr_stream *stream, mr_block *block, mr_round *round, mr_program *program,
                        mr_dispatch *dispatch, uint32_t position);

/* seal.c: mr_stream_put and mr_stream_remove note a record of the state that changes; `record` and
 * what it leads to is copied. Errors: MR_NO_MEMORY. */
mr_status mr_stream_put(mr_stream *stream, mr_table table, mr_span key, mr_span record);
mr_status mr_stream_remove(mr_stream *stream, mr_table table, mr_span key);

/* seal.c: applies credits, hashes what changed, yields the root. */
mr_status mr_block_seal(mr_block *block, mr_error *error);

/* commit.c: what the block changed, as batches of the store. */
mr_status mr_block_write(mr_block *block);

/* stored.c: blocks, receipts and messages to users as stored. */
mr_status mr_stored_encode_transactions(mr_block *block);
mr_status mr_stored_write(mr_block *block, mr_batch *batch);
/* Errors: MR_NOT_FOUND there is no such block; MR_CORRUPT; MR_IO; MR_NO_MEMORY. */
mr_status mr_stored_root(mr_engine *engine, uint64_t height, mr_hash *out);

/* receipts.c: receipts and messages to users as stored, written by all workers. */
mr_status mr_receipts_write(mr_block *block);
typedef struct mr_stored_receipts mr_stored_receipts;
mr_status mr_receipts_read(mr_engine *engine, const mr_block_info *info, mr_stored_receipts **out);
void mr_receipts_free(mr_stored_receipts *receipts);
const mr_receipt *mr_receipts_at(const mr_stored_receipts *receipts, uint64_t i);
const mr_user_message *mr_receipts_user_message(const mr_stored_receipts *receipts, uint64_t i);

/* state.c: what is in the store beside programs and blocks. */
enum { MR_META_VERSION = 2 /* of the records of META */ };
mr_hash mr_state_key(mr_table table, mr_span key);
mr_status mr_state_counters_leaf(const mr_engine *engine, const mr_counters *counters,
                                 mr_hash *out);
mr_status mr_engine_find_program(mr_engine *engine, const mr_id *id, mr_program **out);
/* mr_engine_tell_damage makes `error` name the program that was found damaged, if `status` is
 * MR_CORRUPT and there is one. Returns `status`. Threads: main. */
mr_status mr_engine_tell_damage(const mr_engine *engine, mr_status status, mr_error *error);
mr_status mr_state_load(mr_engine *engine, const mr_engine_options *options, mr_error *error);
mr_status mr_state_create(mr_engine *engine, const mr_engine_options *options, mr_error *error);
mr_status mr_state_write_head(mr_batch *batch, uint64_t height, const mr_hash *root,
                              const mr_counters *counters);

/* block.c: the dispatch of receipt `i`, or NULL. */
const mr_dispatch *mr_block_dispatch(const mr_block *block, uint64_t i);

/* block.c: frees a handle and its memory for good. Accepts NULL. */
void mr_block_destroy(mr_block *block, uint32_t streams_count);

/* engine.c: what a view shares with an engine of its own store. Errors: as mr_engine_open. */
mr_status mr_engine_start(mr_engine *engine, const mr_engine_options *options, mr_error *error);

/* state.c: reads head and queue of the store anew, for a view. Errors: MR_CORRUPT; MR_IO;
 * MR_NO_MEMORY. */
mr_status mr_state_reload(mr_engine *engine, mr_error *error);

/* engine.c: forgets all programs and the queue. */
void mr_engine_forget(mr_engine *engine);

/* walks.c: calls `visit` for the pairs of a table whose keys begin with `prefix` and are not below
 * `from`, in the order of keys, until it returns MR_NOT_FOUND, which ends the walk well, or fails.
 * Errors: MR_STATE there is a candidate; why a view could not move; MR_IO; MR_NO_MEMORY; those of
 * `visit`. */
typedef mr_status mr_visit_pair(mr_engine *engine, void *arg, mr_span key, mr_span value);
mr_status mr_engine_walk(mr_engine *engine, mr_table table, mr_span prefix, mr_span from, void *arg,
                         mr_visit_pair *visit);

/* mr_engine_peek returns the program of `id` if it is in memory and as the store has it. */
static inline mr_program *mr_engine_peek(const mr_engine *engine, const mr_id *id)
{
    mr_program *program = mr_index_find(&engine->index, id);
    return program != NULL && program->epoch == engine->epoch ? program : NULL;
}

/* evict.c: after a block, drops programs not used for longest while there are too many. */
void mr_engine_evict(mr_engine *engine);
/* mr_engine_drop drops one that no block has touched. While no worker runs. */
void mr_engine_drop(mr_engine *engine, mr_program *program);

/* check.c: compares what the block says with the state walked from end to end. Errors: MR_CORRUPT
 * with a sentence, which is a bug of ours or damage. */
mr_status mr_block_check(mr_block *block, mr_error *error);

#endif
