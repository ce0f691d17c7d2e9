/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/reference/reference.h"

#include <stdlib.h>

#include "base/assert.h"
#include "tests/reference/reference_internal.h"

static const mr_id nobody;

/* ---- Sums over the state ---- */

static uint64_t gas_of(const mr_reference_message *m)
{
    return m->message.gas_limit + m->deposit + m->context.system_gas;
}

/* A message that has waited has given its value to the program. */
static mr_value value_of(const mr_reference_message *m)
{
    return m->has_waited ? 0 : m->message.value;
}

uint64_t mr_reference_gas_queued(const mr_reference *r)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < r->queue_count; i++)
        sum += gas_of(&r->queue[i]);
    return sum;
}

uint64_t mr_reference_gas_held(const mr_reference *r)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < r->waitlist_count; i++)
        sum += gas_of(&r->waitlist[i].message);
    for (size_t i = 0; i < r->letters_count; i++)
        sum += r->letters[i].gas + r->letters[i].deposit;
    for (size_t i = 0; i < r->tasks_count; i++)
        sum += gas_of(&r->tasks[i].message); /* 0 but of those that send */
    for (size_t i = 0; i < r->programs_count; i++) {
        for (size_t k = 0; k < r->programs[i]->reservations_count; k++) {
            const mr_reservation *held = &r->programs[i]->reservations[k];
            sum += held->amount + (held->finish - held->start) * r->schedule.rent;
        }
    }
    return sum;
}

static mr_value value_queued(const mr_reference *r)
{
    mr_value sum = 0;
    for (size_t i = 0; i < r->queue_count; i++)
        sum += value_of(&r->queue[i]);
    return sum;
}

static mr_value value_held(const mr_reference *r)
{
    mr_value sum = 0;
    for (size_t i = 0; i < r->letters_count; i++)
        sum += r->letters[i].value;
    for (size_t i = 0; i < r->tasks_count; i++)
        sum += r->tasks[i].message.message.value; /* 0 but of those that send */
    return sum;
}

/* All value there is: what was issued, if none is made or lost. */
static mr_value value_everywhere(const mr_reference *r)
{
    mr_value sum = value_queued(r) + value_held(r);
    for (size_t i = 0; i < r->accounts_count; i++)
        sum += r->accounts[i].balance;
    for (size_t i = 0; i < r->programs_count; i++)
        sum += r->programs[i]->balance;
    if (r->accounts_on)
        sum += r->burned + (mr_value)(mr_reference_gas_queued(r) + mr_reference_gas_held(r)) *
                               r->schedule.value_per_gas;
    return sum;
}

uint64_t mr_reference_accounts_count(const mr_reference *r)
{
    uint64_t count = 0;
    for (size_t i = 0; i < r->accounts_count; i++)
        count += r->accounts[i].balance != 0;
    return count;
}

/* ---- A block ---- */

static mr_reference_block *new_block(mr_reference *r, const mr_block_params *params,
                                     uint64_t transactions_count)
{
    mr_reference_block *block = calloc(1, sizeof *block);
    MR_ASSERT(block != NULL);
    block->info.height = ++r->height;
    block->info.transactions_count = transactions_count;
    block->transactions = calloc(transactions_count + 1, sizeof *block->transactions);
    MR_ASSERT(block->transactions != NULL);
    MR_REFERENCE_ADD(r->blocks, r->blocks_count, block);
    r->block = block;
    r->reward = 0;
    r->leaving = 0;
    r->block_limit = params->gas_limit;
    r->environment = (mr_environment){
        .height = (uint32_t)r->height,
        .timestamp_ms = params->timestamp_ms,
        .random = params->random,
        .schedule = &r->schedule,
        .keep_debug = true,
    };
    r->queue_at = 0;
    for (size_t i = 0; i < r->queue_count; i++) {
        r->queue[i].generation = 0;
        r->queue[i].parent = nobody;
    }
    for (size_t i = 0; i < r->programs_count; i++) {
        r->programs[i]->closed = false;
        r->programs[i]->is_new = false;
    }
    return block;
}

/* Looks at every message of the queue, in order, those appended meanwhile included. */
static void run_queue(mr_reference *r)
{
    mr_reference_message *staying = NULL;
    size_t staying_count = 0;
    while (r->queue_at < r->queue_count) {
        const mr_reference_message head = r->queue[r->queue_at++];
        mr_reference_actor *p = mr_reference_find_program(r, &head.destination);
        const uint64_t left = r->block_limit - r->block->info.gas_burned;
        const uint64_t may_burn = head.message.gas_limit + mr_reference_may_draw(r, &head);
        if (r->block_limit != 0 && !p->closed && may_burn > left)
            p->closed = r->block->closed = true;
        if (p->closed)
            MR_REFERENCE_ADD(staying, staying_count, head);
        else
            mr_reference_dispatch(r, &head);
    }
    free(r->queue);
    r->queue = staying;
    r->queue_count = staying_count;
    r->queue_at = 0;
}

/* Value reaches users, and the reward the author. */
static void pay_users(mr_reference *r, const mr_id *author)
{
    r->issued -= r->leaving;
    if (r->accounts_on) {
        const mr_block_info *info = &r->block->info;
        r->reward += (mr_value)(info->gas_burned + info->gas_rent) * r->schedule.value_per_gas;
        if (mr_reference_same(author, &nobody))
            r->burned += r->reward;
        else
            mr_reference_account_of(r, author)->coming += r->reward;
    }
    for (size_t i = 0; i < r->accounts_count; i++) {
        r->accounts[i].balance += r->accounts[i].coming;
        r->accounts[i].coming = 0;
    }
    r->block->info.reward = r->reward;
}

/* What stays, and what was made and is still there, gets its sequence number. */
static void number(mr_reference *r)
{
    for (size_t i = 0; i < r->queue_count; i++) {
        if (!r->queue[i].numbered)
            r->queue[i].sequence = r->queue_sequences++;
        r->queue[i].numbered = true;
    }
    for (size_t i = 0; i < r->tasks_count; i++) {
        if (!r->tasks[i].numbered)
            r->tasks[i].sequence = r->task_sequences++;
        r->tasks[i].numbered = true;
    }
}

static void list_queue(mr_reference *r)
{
    mr_reference_block *block = r->block;
    block->info.queue_count = r->queue_count;
    block->queue = calloc(r->queue_count + 1, sizeof *block->queue);
    MR_ASSERT(block->queue != NULL);
    for (size_t i = 0; i < r->queue_count; i++) {
        const mr_reference_message *q = &r->queue[i];
        block->queue[i] = (mr_queued_message){
            .sequence = q->sequence,
            .id = q->message.id,
            .source = *q->message.source,
            .program = q->destination,
            .kind = q->message.kind,
            .gas_limit = q->message.gas_limit,
            .value = q->message.value,
            .payload = q->message.payload,
        };
    }
}

const mr_reference_block *mr_reference_execute(mr_reference *r, const mr_block_params *params,
                                               const mr_transaction *transactions,
                                               size_t transactions_count)
{
    const uint64_t gas_before = mr_reference_gas_queued(r) + mr_reference_gas_held(r);
    mr_reference_block *block = new_block(r, params, transactions_count);
    mr_reference_agenda(r);
    for (size_t i = 0; i < transactions_count; i++)
        mr_reference_admit(r, &transactions[i], i, &block->transactions[i]);
    run_queue(r);
    pay_users(r, &params->author);
    number(r);
    list_queue(r);
    block->gas_queued = mr_reference_gas_queued(r);
    block->gas_held = mr_reference_gas_held(r);
    block->value_queued = value_queued(r);
    block->info.root = mr_reference_root(r);
    MR_ASSERT(gas_before + block->gas_bought == block->gas_queued + block->gas_held +
                                                    block->info.gas_burned + block->info.gas_rent +
                                                    block->gas_refunded);
    MR_ASSERT(value_everywhere(r) == r->issued);
    return block;
}

/* ---- Life ---- */

mr_reference *mr_reference_new(const mr_reference_options *options)
{
    mr_reference *r = calloc(1, sizeof *r);
    MR_ASSERT(r != NULL);
    r->schedule = options->schedule;
    r->accounts_on = options->accounts;
    mr_abi_rules(&r->schedule, &r->rules);
    mr_abi_prices(&r->schedule, &r->prices);
    const mr_vm_options vm_options = {
        .rules = &r->rules,
        .functions = mr_abi_functions(),
        .tier = MR_TIER_INTERP,
        .instance_bytes_max = (uint64_t)64 << 20,
        .live_bytes_max = (uint64_t)64 << 20,
    };
    mr_status status = mr_vm_new(&vm_options, &r->vm, NULL);
    MR_ASSERT(status == MR_OK);
    status = mr_vm_worker_new(r->vm, &r->worker, NULL);
    MR_ASSERT(status == MR_OK);
    for (size_t i = 0; i < options->genesis_count; i++) {
        mr_reference_account_of(r, &options->genesis[i].account)->balance +=
            options->genesis[i].balance;
        r->issued += options->genesis[i].balance;
    }
    return r;
}

static void free_block(mr_reference_block *block)
{
    free(block->receipts);
    free(block->user_messages);
    free(block->transactions);
    free(block->debug);
    free(block->queue);
    free(block);
}

void mr_reference_free(mr_reference *r)
{
    if (r == NULL)
        return;
    for (size_t i = 0; i < r->programs_count; i++) {
        free(r->programs[i]->memory);
        free(r->programs[i]->reservations);
        mr_pages_fini(&r->programs[i]->heap);
        free(r->programs[i]);
    }
    for (size_t i = 0; i < r->codes_count; i++)
        mr_code_put(r->codes[i].code);
    for (size_t i = 0; i < r->blocks_count; i++)
        free_block(r->blocks[i]);
    free(r->blocks);
    free(r->programs);
    free(r->codes);
    free(r->accounts);
    free(r->letters);
    free(r->waitlist);
    free(r->tasks);
    free(r->queue);
    mr_execution_fini(&r->execution);
    mr_vm_worker_free(r->worker);
    mr_vm_free(r->vm);
    mr_arena_fini(&r->kept);
    free(r);
}

/* ---- Looking ---- */

uint64_t mr_reference_height(const mr_reference *r)
{
    return r->height;
}

const mr_reference_letter *mr_reference_letters(const mr_reference *r, size_t *count)
{
    *count = r->letters_count;
    return r->letters;
}

bool mr_reference_waiting(const mr_reference *r, size_t i, mr_reference_wait *out)
{
    if (i >= r->waitlist_count)
        return false;
    const mr_reference_waiting_message *w = &r->waitlist[i];
    *out = (mr_reference_wait){
        .program = w->message.destination,
        .message = w->message.message.id,
        .since = w->since,
        .wish = w->wish,
        .until = w->until,
        .gas = w->message.message.gas_limit,
        .system_gas = w->message.context.system_gas,
    };
    return true;
}

bool mr_reference_task(const mr_reference *r, size_t i, mr_reference_due *out)
{
    if (i >= r->tasks_count)
        return false;
    const mr_reference_task_entry *task = &r->tasks[i];
    *out = (mr_reference_due){
        .what = task->what,
        .height = task->height,
        .sequence = task->sequence,
        .owner = task->owner,
        .object = task->object,
        .gas = task->message.message.gas_limit,
    };
    return true;
}

bool mr_reference_reservation(const mr_reference *r, const mr_id *program, size_t i,
                              mr_reservation *out)
{
    const mr_reference_actor *p = mr_reference_find_program(r, program);
    if (p == NULL || i >= p->reservations_count)
        return false;
    *out = p->reservations[i];
    return true;
}

const uint8_t *mr_reference_memory(const mr_reference *r, size_t i)
{
    return r->programs[i]->memory;
}

mr_value mr_reference_balance(const mr_reference *r, const mr_id *account)
{
    for (size_t i = 0; i < r->accounts_count; i++) {
        if (mr_reference_same(&r->accounts[i].id, account))
            return r->accounts[i].balance;
    }
    return 0;
}

void mr_reference_totals(const mr_reference *r, mr_value *issued, mr_value *burned)
{
    *issued = r->issued;
    *burned = r->burned;
}
