/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/model/compare.h"

#include <stdarg.h>
#include <stdio.h>

__attribute__((format(printf, 2, 3))) static bool differ(mr_difference *d, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(d->text, sizeof d->text, format, args);
    va_end(args);
    return false;
}

/* Texts of values, several of which may stand in one sentence. */
enum { TEXTS = 8, TEXT_BYTES = 200 };

static char *text_room(void)
{
    static _Thread_local char texts[TEXTS][TEXT_BYTES];
    static _Thread_local unsigned at;
    return texts[at++ % TEXTS];
}

static const char *hex(const void *bytes, size_t size)
{
    char *text = text_room();
    size_t shown = size < 48 ? size : 48, n = 0;
    for (size_t i = 0; i < shown; i++)
        n += (size_t)snprintf(text + n, TEXT_BYTES - n, "%02x", ((const uint8_t *)bytes)[i]);
    (void)snprintf(text + n, TEXT_BYTES - n, "%s (%zu bytes)", shown < size ? "..." : "", size);
    return text;
}

static const char *decimal(mr_value value)
{
    char *text = text_room();
    char *at = text + TEXT_BYTES - 1;
    *at = '\0';
    do {
        *--at = (char)('0' + (unsigned)(value % 10));
        value /= 10;
    } while (value != 0);
    return at;
}

/* One named field of one thing. */
typedef struct place {
    mr_difference *difference;
    const char *thing; /* "receipt" */
    uint64_t index;
} place;

static bool number(const place *p, const char *field, mr_value expected, mr_value found)
{
    if (expected == found)
        return true;
    return differ(p->difference, "%s %llu: %s is %s, expected %s", p->thing,
                  (unsigned long long)p->index, field, decimal(found), decimal(expected));
}

static bool bytes(const place *p, const char *field, mr_span expected, mr_span found)
{
    if (mr_span_equal(expected, found))
        return true;
    return differ(p->difference, "%s %llu: %s is %s, expected %s", p->thing,
                  (unsigned long long)p->index, field, hex(found.data, found.size),
                  hex(expected.data, expected.size));
}

static bool id(const place *p, const char *field, const mr_id *expected, const mr_id *found)
{
    return bytes(p, field, mr_span_of(expected, sizeof *expected),
                 mr_span_of(found, sizeof *found));
}

#define NUMBER(field) number(&p, #field, expected->field, found->field)
#define ID(field)     id(&p, #field, &expected->field, &found->field)
#define BYTES(field)  bytes(&p, #field, expected->field, found->field)

static bool same_receipt(mr_difference *d, uint64_t index, const mr_receipt *expected,
                         const mr_receipt *found)
{
    const place p = {d, "receipt", index};
    return ID(message) && ID(source) && ID(program) && NUMBER(kind) && NUMBER(outcome) &&
           NUMBER(gas_limit) && NUMBER(gas_burned) && NUMBER(sent) && BYTES(text);
}

static bool same_user_message(mr_difference *d, uint64_t index, const mr_user_message *expected,
                              const mr_user_message *found)
{
    const place p = {d, "message to a user", index};
    return ID(from) && ID(to) && NUMBER(is_reply) && ID(reply_to) && ID(id) &&
           bytes(&p, "code", mr_span_of(expected->code, 4), mr_span_of(found->code, 4)) &&
           NUMBER(value) && NUMBER(until) && BYTES(payload);
}

static bool same_transaction(mr_difference *d, uint64_t index,
                             const mr_transaction_result *expected,
                             const mr_transaction_result *found)
{
    const place p = {d, "transaction", index};
    return NUMBER(admission) && ID(id) && ID(message);
}

static bool same_queued(mr_difference *d, uint64_t index, const mr_queued_message *expected,
                        const mr_queued_message *found)
{
    const place p = {d, "queued message", index};
    return NUMBER(sequence) && ID(id) && ID(source) && ID(program) && NUMBER(kind) &&
           NUMBER(gas_limit) && NUMBER(value) && BYTES(payload);
}

static bool same_debug(mr_difference *d, uint64_t index, const mr_debug_line *expected,
                       const mr_debug_line *found)
{
    const place p = {d, "debug line", index};
    return ID(program) && ID(message) && BYTES(text);
}

/* All of the info but the root, which says least about what went wrong and comes last. */
static bool same_info(mr_difference *d, const mr_block_info *expected, const mr_block_info *found)
{
    const place p = {d, "block", expected->height};
    return NUMBER(height) && NUMBER(transactions_count) && NUMBER(transactions_accepted) &&
           NUMBER(receipts_count) && NUMBER(replies_count) && NUMBER(failures_count) &&
           NUMBER(user_messages_count) && NUMBER(agenda_messages_count) && NUMBER(tasks_count) &&
           NUMBER(gas_burned) && NUMBER(gas_rent) && NUMBER(reward) && NUMBER(queue_count);
}

static bool same_lists(const mr_reference_block *expected, const mr_block *block, mr_difference *d)
{
    for (uint64_t i = 0; i < expected->info.transactions_count; i++) {
        mr_transaction_result found;
        if (!mr_block_transaction(block, i, &found))
            return differ(d, "transaction %llu is missing", (unsigned long long)i);
        if (!same_transaction(d, i, &expected->transactions[i], &found))
            return false;
    }
    mr_receipt receipt;
    mr_user_message message;
    for (uint64_t i = 0; i < expected->info.receipts_count; i++) {
        if (!mr_block_receipt(block, i, &receipt))
            return differ(d, "receipt %llu is missing", (unsigned long long)i);
        const place p = {d, "receipt", i};
        if (!same_receipt(d, i, &expected->receipts[i], &receipt) ||
            !id(&p, "parent", &expected->receipts[i].parent, &receipt.parent))
            return false;
    }
    for (uint64_t i = 0; i < expected->info.user_messages_count; i++) {
        if (!mr_block_user_message(block, i, &message))
            return differ(d, "message %llu to a user is missing", (unsigned long long)i);
        if (!same_user_message(d, i, &expected->user_messages[i], &message))
            return false;
    }
    if (mr_block_receipt(block, expected->info.receipts_count, &receipt))
        return differ(d, "there are more receipts than %llu",
                      (unsigned long long)expected->info.receipts_count);
    if (mr_block_user_message(block, expected->info.user_messages_count, &message))
        return differ(d, "there are more messages to users than %llu",
                      (unsigned long long)expected->info.user_messages_count);
    return true;
}

static bool same_debug_lines(const mr_reference_block *expected, const mr_block *block,
                             mr_difference *d)
{
    mr_debug_line line;
    for (size_t i = 0; i < expected->debug_count; i++) {
        if (!mr_block_debug(block, i, &line))
            return differ(d, "debug line %zu is missing", i);
        if (!same_debug(d, i, &expected->debug[i], &line))
            return false;
    }
    if (mr_block_debug(block, expected->debug_count, &line))
        return differ(d, "there are more debug lines than %zu", expected->debug_count);
    return true;
}

static bool same_root(mr_difference *d, const mr_block_info *expected, const mr_block_info *found)
{
    const place p = {d, "block", expected->height};
    return ID(root);
}

bool mr_compare_block(const mr_reference_block *expected, const mr_block *block, mr_difference *d)
{
    mr_block_info found;
    mr_block_info_get(block, &found);
    d->text[0] = '\0';
    return same_lists(expected, block, d) && same_debug_lines(expected, block, d) &&
           same_info(d, &expected->info, &found) && same_root(d, &expected->info, &found);
}

/* ---- State ---- */

typedef struct queue_walk {
    const mr_reference_block *expected;
    mr_difference *difference;
    uint64_t at;
    bool same;
} queue_walk;

static bool visit_queued(void *arg, const mr_queued_message *message)
{
    queue_walk *walk = arg;
    walk->same = walk->at < walk->expected->info.queue_count;
    if (!walk->same)
        (void)differ(walk->difference, "there are more messages in the queue than %llu",
                     (unsigned long long)walk->at);
    else
        walk->same =
            same_queued(walk->difference, walk->at, &walk->expected->queue[walk->at], message);
    walk->at++;
    return walk->same;
}

bool mr_compare_queue(const mr_reference_block *expected, mr_engine *engine, mr_difference *d)
{
    queue_walk walk = {.expected = expected, .difference = d, .same = true};
    d->text[0] = '\0';
    mr_status status = mr_engine_queue(engine, visit_queued, &walk);
    if (status != MR_OK)
        return differ(d, "the queue cannot be read: %s", mr_status_text(status));
    if (!walk.same)
        return false;
    if (walk.at != expected->info.queue_count)
        return differ(d, "%llu messages are in the queue, expected %llu",
                      (unsigned long long)walk.at, (unsigned long long)expected->info.queue_count);
    return true;
}

static bool same_program(const mr_reference *reference, size_t index,
                         const mr_program_info *expected, mr_engine *engine, mr_difference *d)
{
    const place p = {d, "program", index};
    mr_program_info info, *found = &info;
    mr_status status = mr_engine_program(engine, &expected->id, found);
    if (status != MR_OK)
        return differ(d, "program %zu: %s", index, mr_status_text(status));
    if (!(ID(id) && ID(code) && NUMBER(status) && ID(inheritor) && NUMBER(balance) &&
          NUMBER(pages) && NUMBER(reservations) && NUMBER(waiting)))
        return false;
    const uint8_t *memory = mr_reference_memory(reference, index);
    for (uint64_t at = 0; at < (uint64_t)expected->pages * 65536; at += 64) {
        uint8_t part[64];
        status = mr_engine_memory(engine, &expected->id, at, part, sizeof part);
        if (status != MR_OK)
            return differ(d, "program %zu: memory at %llu: %s", index, (unsigned long long)at,
                          mr_status_text(status));
        if (memcmp(part, memory + at, sizeof part) != 0)
            return differ(d, "program %zu: memory at %llu is %s, expected %s", index,
                          (unsigned long long)at, hex(part, 32), hex(memory + at, 32));
    }
    return NUMBER(units) && ID(memory_root);
}

typedef struct account_walk {
    const mr_reference *expected;
    mr_difference *difference;
    bool same;
} account_walk;

static bool visit_account(void *arg, const mr_id *account, mr_value balance)
{
    account_walk *walk = arg;
    const mr_value expected = mr_reference_balance(walk->expected, account);
    walk->same = expected == balance;
    if (!walk->same)
        (void)differ(walk->difference, "account %s has %s, expected %s",
                     hex(account, sizeof *account), decimal(balance), decimal(expected));
    return walk->same;
}

/* How much there is of what no walk shows. */
static bool same_counts(const mr_reference *reference, const mr_engine_info *info, mr_difference *d)
{
    const place p = {d, "state", info->height};
    mr_reference_wait wait;
    mr_reference_due due;
    size_t waiting = 0, letters = 0, tasks = 0;
    while (mr_reference_waiting(reference, waiting, &wait))
        waiting++;
    while (mr_reference_task(reference, tasks, &due))
        tasks++;
    (void)mr_reference_letters(reference, &letters);
    return number(&p, "waiting messages", waiting, info->waiting_count) &&
           number(&p, "letters", letters, info->letters_count) &&
           number(&p, "tasks", tasks, info->tasks_count) &&
           number(&p, "gas held", mr_reference_gas_held(reference), info->gas_held);
}

bool mr_compare_state(const mr_reference *reference, mr_engine *engine, mr_difference *d)
{
    d->text[0] = '\0';
    mr_program_info program;
    size_t programs = 0;
    for (; mr_reference_program(reference, programs, &program); programs++) {
        if (!same_program(reference, programs, &program, engine, d))
            return false;
    }
    account_walk walk = {.expected = reference, .difference = d, .same = true};
    mr_status status = mr_engine_accounts(engine, visit_account, &walk);
    if (status != MR_OK)
        return differ(d, "accounts cannot be walked: %s", mr_status_text(status));
    if (!walk.same)
        return false;
    mr_engine_info info;
    mr_engine_info_get(engine, &info);
    mr_value issued, burned;
    mr_reference_totals(reference, &issued, &burned);
    const place p = {d, "state", info.height};
    const mr_id root = mr_reference_root(reference);
    return number(&p, "height", mr_reference_height(reference), info.height) &&
           number(&p, "programs", programs, info.programs_count) &&
           number(&p, "issued", issued, info.issued) && number(&p, "burned", burned, info.burned) &&
           same_counts(reference, &info, d) && id(&p, "root", &root, &info.root);
}

/* ---- Blocks read back ---- */

static bool same_stored_lists(const mr_reference_block *expected, const mr_stored_block *stored,
                              mr_difference *d)
{
    for (uint64_t i = 0; i < expected->info.receipts_count; i++) {
        mr_receipt found;
        if (!mr_stored_block_receipt(stored, i, &found))
            return differ(d, "stored receipt %llu is missing", (unsigned long long)i);
        if (!same_receipt(d, i, &expected->receipts[i], &found))
            return false;
    }
    for (uint64_t i = 0; i < expected->info.user_messages_count; i++) {
        mr_user_message found;
        if (!mr_stored_block_user_message(stored, i, &found))
            return differ(d, "stored message %llu to a user is missing", (unsigned long long)i);
        if (!same_user_message(d, i, &expected->user_messages[i], &found))
            return false;
    }
    return true;
}

static bool same_stored(const mr_history_block *block, const mr_stored_block *stored,
                        mr_difference *d)
{
    mr_block_info info;
    mr_block_params params;
    mr_stored_block_info(stored, &info, &params);
    size_t count;
    const mr_transaction *transactions = mr_stored_block_transactions(stored, &count);
    if (count != block->transactions_count)
        return differ(d, "%zu transactions are stored, expected %zu", count,
                      block->transactions_count);
    for (size_t i = 0; i < count; i++) {
        const mr_transaction *expected = &block->transactions[i], *found = &transactions[i];
        const place p = {d, "stored transaction", i};
        /* What an unknown kind was is not kept. */
        if (expected->kind > MR_TRANSACTION_CLAIM && found->kind > MR_TRANSACTION_CLAIM)
            continue;
        if (!(NUMBER(kind) && ID(from) && NUMBER(gas_limit) && NUMBER(value) && NUMBER(tip) &&
              BYTES(payload) && BYTES(salt)))
            return false;
        if (expected->kind != MR_TRANSACTION_UPLOAD && !ID(to))
            return false;
    }
    const mr_block_params *expected = &block->params, *found = &params;
    const place p = {d, "stored block", block->expected->info.height};
    return NUMBER(timestamp_ms) && NUMBER(gas_limit) && ID(author) && ID(random) &&
           same_info(d, &block->expected->info, &info) &&
           same_stored_lists(block->expected, stored, d) &&
           same_root(d, &block->expected->info, &info);
}

bool mr_compare_stored(const mr_history_block *block, mr_engine *engine, mr_difference *d)
{
    mr_stored_block *stored;
    mr_error error = {0};
    d->text[0] = '\0';
    if (mr_engine_block(engine, block->expected->info.height, &stored, &error) != MR_OK)
        return differ(d, "block %llu cannot be read back: %s",
                      (unsigned long long)block->expected->info.height, error.text);
    bool same = same_stored(block, stored, d);
    mr_stored_block_free(stored);
    return same;
}
