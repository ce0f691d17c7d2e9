/* SPDX-License-Identifier: Apache-2.0 */
/* node: how a node embeds Millrace. It deploys the program of a file and sends it messages.
 * Transactions go into a pool, as if the network had brought them; blocks are made of what the pool
 * has, executed as candidates first, looked at, and then committed or discarded, as after a vote.
 * Usage: node PROGRAM.wasm [DATABASE] */
#include <inttypes.h>
#include <millrace/millrace.h>
#include <stdio.h>
#include <stdlib.h>

/* A status is a failure of the world; mr_error has the sentence. */
static void check(mr_status status, const mr_error *error)
{
    if (status == MR_OK)
        return;
    fprintf(stderr, "node: %s: %s\n", mr_status_name(status), error->text);
    exit(1);
}

static mr_buffer read_file(const char *path)
{
    mr_buffer out = {0};
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        perror(path);
        exit(1);
    }
    uint8_t part[4096];
    size_t size;
    while ((size = fread(part, 1, sizeof part, file)) > 0)
        if (mr_buffer_append(&out, mr_span_of(part, size)) != MR_OK)
            exit(1);
    fclose(file);
    return out;
}

enum { BLOCK_TRANSACTIONS = 1000, BLOCK_BYTES = 1 << 20 };
static const uint64_t block_gas = 10000000000;

static void add(mr_pool *pool, const mr_transaction *transaction)
{
    mr_error error = {0};
    uint64_t ticket;
    check(mr_pool_add(pool, transaction, &ticket, &error), &error);
}

/* Makes a candidate of the best of what the pool has. The pool's lock is free while it runs: others
 * may add meanwhile. */
static mr_block *execute(mr_engine *engine, mr_pool *pool)
{
    const mr_pool_wish wish = {
        .transactions_max = BLOCK_TRANSACTIONS,
        .bytes_max = BLOCK_BYTES,
        .gas_limit = block_gas,
    };
    mr_pool_batch batch;
    mr_error error = {0};
    check(mr_pool_take(pool, &wish, &batch), &error);
    mr_engine_info state;
    mr_engine_info_get(engine, &state);
    mr_block_params params = {.timestamp_ms = 1000 * (state.height + 1), .gas_limit = block_gas};
    mr_block *block;
    check(mr_block_execute(engine, &params, batch.transactions, batch.count, &block, &error),
          &error);
    return block;
}

/* The block is voted for. Who could not pay yet may be able to later. */
static void commit(mr_block *block, mr_pool *pool)
{
    mr_error error = {0};
    check(mr_block_commit(block, MR_COMMIT_WAIT, &error), &error);
    check(mr_pool_done(pool, block, 0, 1u << MR_ADMISSION_BALANCE), &error);
    mr_block_free(block);
}

/* The block is voted down: it is as if it had never been. */
static void discard(mr_block *block, mr_pool *pool)
{
    mr_block_discard(block);
    mr_pool_undo(pool);
}

/* What came of a block: transactions refused, dispatches run, messages to users. */
static void print(const mr_block *block)
{
    mr_block_info info;
    mr_block_info_get(block, &info);
    printf("block %" PRIu64 ": %" PRIu64 " of %" PRIu64 " transactions taken, gas %" PRIu64 "\n",
           info.height, info.transactions_accepted, info.transactions_count, info.gas_burned);
    mr_transaction_result result;
    for (uint64_t i = 0; mr_block_transaction(block, i, &result); i++)
        if (result.admission != MR_ADMISSION_ACCEPTED)
            printf("  transaction %" PRIu64 " is not taken: %s\n", i,
                   mr_admission_text(result.admission));
    mr_receipt receipt;
    for (uint64_t i = 0; mr_block_receipt(block, i, &receipt); i++)
        printf("  %s: %s\n", mr_kind_name(receipt.kind), mr_outcome_name(receipt.outcome));
    mr_user_message message;
    for (uint64_t i = 0; mr_block_user_message(block, i, &message); i++)
        if (message.payload.size == 8)
            printf("  the answer is %" PRIu64 "\n", mr_load_le64(message.payload.data));
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: node PROGRAM.wasm [DATABASE]\n");
        return 2;
    }
    mr_buffer module = read_file(argv[1]);
    mr_error error = {0};
    mr_engine_options options = {.path = argc > 2 ? argv[2] : NULL, .create = true};
    mr_engine *engine;
    check(mr_engine_open(&options, &engine, &error), &error);
    mr_engine_info state;
    mr_engine_info_get(engine, &state);
    const mr_pool_options limits = {
        .schedule = &state.schedule, .accounts = state.accounts, .gas_limit = block_gas};
    mr_pool *pool;
    check(mr_pool_new(&limits, &pool), &error);

    mr_id alice = mr_id_of_name("alice");
    mr_id code = mr_id_of_code(mr_buffer_span(&module));
    mr_id program = mr_id_of_program(&code, mr_span_text("1"));
    const mr_transaction deploy[] = {
        {.kind = MR_TRANSACTION_UPLOAD, .from = alice, .payload = mr_buffer_span(&module)},
        {.kind = MR_TRANSACTION_CREATE,
         .from = alice,
         .to = code,
         .salt = mr_span_text("1"),
         .gas_limit = 1000000000},
    };
    for (size_t i = 0; i < sizeof deploy / sizeof deploy[0]; i++)
        add(pool, &deploy[i]); /* in one block or in two, but in this order */
    mr_block *block = execute(engine, pool);
    print(block);
    commit(block, pool);

    const mr_transaction visit = {
        .kind = MR_TRANSACTION_SEND, .from = alice, .to = program, .gas_limit = 1000000000};
    add(pool, &visit);
    block = execute(engine, pool);
    print(block);
    printf("  and is voted down\n");
    discard(block, pool);

    block = execute(engine, pool); /* the visit is in the pool still */
    print(block);
    commit(block, pool);

    mr_program_info info;
    if (mr_engine_program(engine, &program, &info) != MR_OK)
        return 1;
    printf("the program is %s and has %" PRIu32 " pages\n", mr_program_status_name(info.status),
           info.pages);
    mr_pool_free(pool);
    check(mr_engine_close(engine, &error), &error);
    mr_buffer_fini(&module);
    return 0;
}
