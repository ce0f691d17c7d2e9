/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/admission.h"

#include "engine/id.h"
#include "engine/transaction.h"

/* The message a transaction sends. Only replies have their id yet. */
static mr_message message_of(const mr_transaction *transaction)
{
    mr_message message = {
        .value = transaction->value,
        .gas_limit = transaction->gas_limit,
        .kind = MR_KIND_HANDLE,
    };
    if (transaction->kind == MR_TRANSACTION_REPLY) {
        message.kind = MR_KIND_REPLY;
        message.id = mr_id_of_reply(&transaction->to);
        message.code[1] = 1; /* success, manual */
        return message;
    }
    if (transaction->kind == MR_TRANSACTION_CREATE)
        message.kind = MR_KIND_INIT;
    return message;
}

mr_dispatch *mr_admission_dispatch(const mr_block *block, size_t index, mr_arena *arena)
{
    const mr_transaction *transaction = &block->transactions[index];
    const mr_span payload = transaction->payload;
    const bool answers = transaction->kind == MR_TRANSACTION_REPLY;
    const size_t ids_count = answers ? 2 : 1;
    mr_dispatch *dispatch =
        mr_arena_alloc(arena, sizeof *dispatch + ids_count * sizeof(mr_id) + payload.size);
    if (dispatch == NULL)
        return NULL;
    mr_id *ids = (mr_id *)(dispatch + 1);
    ids[0] = transaction->from;
    if (answers)
        ids[1] = transaction->to;
    uint8_t *bytes = (uint8_t *)(ids + ids_count);
    if (payload.size > 0)
        memcpy(bytes, payload.data, payload.size);
    *dispatch = (mr_dispatch){.message = message_of(transaction), .payer = &ids[0]};
    if (!answers)
        dispatch->message.transaction = (uint32_t)index;
    dispatch->message.source = &ids[0];
    dispatch->message.reply_to = answers ? &ids[1] : NULL;
    dispatch->message.payload = mr_span_of(bytes, payload.size);
    return dispatch;
}

enum { TRANSACTIONS_PER_TASK = 512 };

/* What one task of the parallel part found. */
typedef struct found {
    uint64_t gas;  /* limits of all its transactions */
    uint64_t most; /* likewise; UINT64_MAX when they are more */
    mr_value value;
    bool regular; /* all of them send to programs that are in memory */
} found;

typedef struct preparation {
    mr_block *block;
    found *tasks;
} preparation;

/* Computes the ids of transactions first .. end - 1, as many at a time as there are lanes. */
static void compute_ids(const mr_block *block, size_t first, size_t end)
{
    mr_id unused;
    for (size_t i = first; i < end; i += MR_IDS_AT_ONCE) {
        const mr_id *users[MR_IDS_AT_ONCE];
        mr_id *ids[MR_IDS_AT_ONCE];
        for (size_t k = 0; k < MR_IDS_AT_ONCE; k++) {
            mr_dispatch *dispatch = i + k < end ? block->admitted[i + k].dispatch : NULL;
            users[k] = &block->transactions[i + k < end ? i + k : i].from;
            ids[k] = dispatch != NULL ? &dispatch->message.id : &unused;
        }
        mr_id_of_user_messages((uint32_t)block->info.height, users, i, ids);
    }
}

/* Asks the caches for the destinations of later transactions; `count` are left. */
static void look_ahead(const mr_engine *engine, const mr_transaction *transaction, size_t count)
{
    enum { SLOT_AHEAD = 16, PROGRAM_AHEAD = 8 };
    if (count > SLOT_AHEAD)
        mr_index_ahead(&engine->index, &transaction[SLOT_AHEAD].to, 2);
    if (count > PROGRAM_AHEAD)
        mr_index_ahead(&engine->index, &transaction[PROGRAM_AHEAD].to, 1);
}

static uint64_t add_limit(uint64_t sum, uint64_t limit)
{
    return limit > UINT64_MAX - sum ? UINT64_MAX : sum + limit;
}

/* One task of it. A destination found here was there before the block. */
static void prepare_sends(void *arg, size_t task, uint32_t worker)
{
    const preparation *work = arg;
    mr_block *block = work->block;
    mr_engine *engine = block->engine;
    found here = {.regular = true}; /* its own line of the cache until it is done */
    mr_item *places = block->pending + block->pending_count;
    size_t end = (task + 1) * TRANSACTIONS_PER_TASK;
    if (end > block->info.transactions_count)
        end = block->info.transactions_count;
    for (size_t i = task * TRANSACTIONS_PER_TASK; i < end; i++) {
        look_ahead(engine, &block->transactions[i], end - i);
        const mr_transaction *transaction = &block->transactions[i];
        mr_admitted *admitted = &block->admitted[i];
        *admitted = (mr_admitted){.admission = MR_ADMISSION_ACCEPTED, .text = ""};
        const char *why;
        if (transaction->kind == MR_TRANSACTION_SEND &&
            mr_transaction_check(&engine->schedule, block->params.gas_limit, transaction, &why) ==
                MR_ADMISSION_ACCEPTED)
            admitted->dispatch =
                mr_admission_dispatch(block, i, engine->streams[worker].block_arena);
        if (admitted->dispatch == NULL) {
            here.regular = false;
            continue;
        }
        mr_program *program = mr_engine_peek(engine, &transaction->to);
        admitted->dispatch->program = program;
        if (program == NULL) {
            here.regular = false;
            continue;
        }
        here.gas += transaction->gas_limit;
        here.most = add_limit(here.most, transaction->gas_limit);
        if (__builtin_add_overflow(here.value, transaction->value, &here.value))
            here.regular = false;
        places[i] = (mr_item){
            .object = admitted->dispatch,
            .lane = &program->lane,
            .cost = transaction->gas_limit,
        };
    }
    work->tasks[task] = here;
    compute_ids(block, task * TRANSACTIONS_PER_TASK, end);
}

mr_status mr_admission_prepare(mr_block *block, mr_prepared *out)
{
    const size_t tasks_count =
        (block->info.transactions_count + TRANSACTIONS_PER_TASK - 1) / TRANSACTIONS_PER_TASK;
    found *tasks = mr_arena_alloc(block->arena, tasks_count * sizeof *tasks);
    if (tasks == NULL)
        return MR_NO_MEMORY;
    preparation work = {.block = block, .tasks = tasks};
    mr_parallel_run(&block->engine->parallel, tasks_count, prepare_sends, &work);
    *out = (mr_prepared){.issued = block->counters.issued, .regular = true};
    for (size_t i = 0; i < tasks_count; i++) {
        out->gas += tasks[i].gas;
        out->most = add_limit(out->most, tasks[i].most);
        out->regular = out->regular && tasks[i].regular &&
                       !__builtin_add_overflow(out->issued, tasks[i].value, &out->issued);
    }
    return MR_OK;
}
