/* SPDX-License-Identifier: Apache-2.0 */
/* scenario_check: the state after a block: balances, memory, what waits, lies in mailboxes, is due.
 */
#include <stdlib.h>
#include <string.h>

#include "tools/millrace/number.h"
#include "tools/millrace/scenario_check_internal.h"

/* An account that has never had anything has 0. */
static mr_status check_balance(mr_check *c, const mr_expect_balance *e)
{
    mr_value balance = 0;
    mr_status status;
    if (e->program) {
        mr_program_info info;
        status = mr_engine_program(c->engine, &e->id, &info);
        balance = status == MR_OK ? info.balance : 0;
    } else {
        status = mr_engine_account(c->engine, &e->id, &balance);
    }
    if (status != MR_OK && status != MR_NOT_FOUND)
        return MR_FAIL(c->error, status, "cannot look up the balance of %s: %s", e->name,
                       mr_status_text(status));
    char what[MR_ID_TEXT_BYTES + 16];
    (void)snprintf(what, sizeof what, "balance of %s", e->name);
    if (balance != e->balance)
        mr_check_differs(c, e->line, what, mr_value_print(e->balance).text,
                         mr_value_print(balance).text);
    return MR_OK;
}

static mr_status check_memory(mr_check *c, size_t i, const mr_expect_memory *e)
{
    static const uint8_t nothing;
    const mr_check_place at = {"memory", i, e->name, e->line};
    uint8_t *bytes = malloc(e->bytes.size + 1);
    if (bytes == NULL)
        return MR_FAIL(c->error, MR_NO_MEMORY, "out of memory looking at the memory of %s",
                       e->name);
    mr_status status = mr_engine_memory(c->engine, &e->program, e->address, bytes, e->bytes.size);
    const char *got = NULL;
    if (status == MR_OK)
        mr_check_bytes(c, at, e->bytes.size > 0 ? e->bytes : mr_span_of(&nothing, 0),
                       mr_span_of(bytes, e->bytes.size));
    else if (status == MR_LIMIT)
        got = "nothing: the program has not that much memory";
    else if (status == MR_NOT_FOUND)
        got = "nothing: there is no such program";
    free(bytes);
    if (got != NULL) {
        mr_check_differs_at(c, at, mr_bytes_print(e->bytes).text, got);
        return MR_OK;
    }
    return status == MR_OK ? MR_OK
                           : MR_FAIL(c->error, status, "cannot look at the memory of %s: %s",
                                     e->name, mr_status_text(status));
}

/* ---- What programs have ---- */

static mr_status check_count(mr_check *c, const mr_expect_count *e, const char *what,
                             bool reservations)
{
    mr_program_info info = {0};
    mr_status status = mr_engine_program(c->engine, &e->program, &info);
    if (status != MR_OK && status != MR_NOT_FOUND)
        return MR_FAIL(c->error, status, "cannot look up %s: %s", e->name, mr_status_text(status));
    char text[MR_ID_TEXT_BYTES + 24];
    (void)snprintf(text, sizeof text, "%s %s", what, e->name);
    mr_check_count(c, e->line, text, e->count, reservations ? info.reservations : info.waiting);
    return MR_OK;
}

/* ---- Mailboxes ---- */

/* The letters of a user, as the walk has them: ascending by id. Payloads lie in `bytes`. */
typedef struct letters {
    mr_buffer list; /* mr_letter_info; of its payload only the size is right until the walk ends */
    mr_buffer bytes;
    bool failed;
} letters;

static bool keep_letter(void *arg, const mr_letter_info *letter)
{
    letters *to = arg;
    to->failed = mr_buffer_append(&to->list, mr_span_of(letter, sizeof *letter)) != MR_OK ||
                 mr_buffer_append(&to->bytes, letter->payload) != MR_OK;
    return !to->failed;
}

static void letters_fini(letters *of)
{
    mr_buffer_fini(&of->list);
    mr_buffer_fini(&of->bytes);
}

static mr_status read_letters(mr_check *c, const mr_expect_mailbox *e, letters *out)
{
    mr_status status = mr_engine_letters(c->engine, &e->user, keep_letter, out);
    if (status == MR_OK && out->failed)
        status = MR_NO_MEMORY;
    if (status != MR_OK)
        return MR_FAIL(c->error, status, "cannot look into the mailbox of %s: %s", e->name,
                       mr_status_text(status));
    mr_letter_info *letter = (mr_letter_info *)(void *)out->list.data;
    size_t at = 0;
    for (size_t i = 0; i < out->list.size / sizeof *letter; i++) {
        letter[i].payload = mr_span_of(out->bytes.data + at, letter[i].payload.size);
        at += letter[i].payload.size;
    }
    return MR_OK;
}

static int compare_letter(const void *id, const void *letter)
{
    return memcmp(id, &((const mr_letter_info *)letter)->id, sizeof(mr_id));
}

static mr_status check_letter(mr_check *c, size_t i, const mr_expect_letter *e,
                              const mr_letter_info *got)
{
#define PLACE(name)                                                                                \
    (mr_check_place)                                                                               \
    {                                                                                              \
        "letter", i, name, e->line                                                                 \
    }
    if (e->has & MR_HAS_FROM)
        mr_check_ids(c, PLACE("from"), &e->from, &got->from);
    if (e->has & MR_HAS_PAYLOAD)
        mr_check_bytes(c, PLACE("payload"), e->payload, got->payload);
    if (e->has & MR_HAS_VALUE)
        mr_check_values(c, PLACE("value"), e->value, got->value);
    if (e->has & MR_HAS_GAS)
        mr_check_values(c, PLACE("gas"), e->gas, got->gas);
    if (e->has & MR_HAS_SINCE)
        mr_check_values(c, PLACE("since"), e->since, got->since);
    if (e->has & MR_HAS_UNTIL)
        mr_check_values(c, PLACE("until"), e->until, got->until);
#undef PLACE
    if (e->letter == MR_LETTER_NONE)
        return MR_OK;
    const mr_inbox_entry entry = {.from = got->from, .to = got->user, .message = got->id};
    return mr_inbox_name(c->inbox, e->letter, &entry);
}

/* They are compared in the order in which they came, which the inbox knows. */
static mr_status check_mailbox(mr_check *c, const mr_expect_mailbox *e)
{
    __attribute__((cleanup(letters_fini))) letters has = {0};
    MR_TRY(read_letters(c, e, &has));
    const size_t count = has.list.size / sizeof(mr_letter_info);
    char what[MR_ID_TEXT_BYTES + 16];
    (void)snprintf(what, sizeof what, "letters of %s", e->name);
    mr_check_count(c, e->line, what, e->letters_count, count);
    const mr_inbox_entry *entries = (const mr_inbox_entry *)(void *)c->inbox->entries.data;
    size_t i = 0;
    for (size_t at = 0; count > 0 && at < c->inbox->entries.size / sizeof *entries; at++) {
        if (i == e->letters_count)
            break;
        const mr_letter_info *letter = bsearch(&entries[at].message, has.list.data, count,
                                               sizeof(mr_letter_info), compare_letter);
        if (letter == NULL)
            continue;
        if (check_letter(c, i, &e->letter[i], letter) != MR_OK)
            return MR_FAIL(c->error, MR_NO_MEMORY, "out of memory checking a mailbox");
        i++;
    }
    return MR_OK;
}

/* ---- The agenda ---- */

typedef struct task_check {
    mr_check *c;
    const mr_expect *expect;
    uint64_t seen;
} task_check;

static bool check_task(void *arg, const mr_task_info *got)
{
    task_check *at = arg;
    if (at->seen == at->expect->tasks_count)
        return false;
    const size_t i = at->seen++;
    const mr_expect_task *e = &at->expect->task[i];
#define PLACE(name)                                                                                \
    (mr_check_place)                                                                               \
    {                                                                                              \
        "task", i, name, e->line                                                                   \
    }
    if (e->has & MR_HAS_TASK)
        mr_check_words(at->c, PLACE("task"), mr_task_kind_name(e->task),
                       mr_task_kind_name(got->task));
    if (e->has & MR_HAS_TO)
        mr_check_ids(at->c, PLACE("of"), &e->of, &got->owner);
    if (e->has & MR_HAS_HEIGHT)
        mr_check_values(at->c, PLACE("height"), e->height, got->height);
#undef PLACE
    return true;
}

static mr_status check_tasks(mr_check *c, const mr_expect *expect)
{
    mr_engine_info info;
    mr_engine_info_get(c->engine, &info);
    mr_check_count(c, expect->tasks_line, "tasks on the agenda", expect->tasks_count,
                   info.tasks_count);
    if (!expect->tasks_listed)
        return MR_OK;
    task_check at = {.c = c, .expect = expect};
    mr_status status = mr_engine_tasks(c->engine, 0, check_task, &at);
    return status == MR_OK
               ? MR_OK
               : MR_FAIL(c->error, status, "cannot look at the agenda: %s", mr_status_text(status));
}

mr_status mr_check_state(mr_check *c, const mr_expect *expect)
{
    for (size_t i = 0; i < expect->balances_count; i++)
        MR_TRY(check_balance(c, &expect->balance[i]));
    for (size_t i = 0; i < expect->memory_count; i++)
        MR_TRY(check_memory(c, i, &expect->memory[i]));
    for (size_t i = 0; i < expect->waiting_count; i++)
        MR_TRY(check_count(c, &expect->waiting[i], "messages that wait in", false));
    for (size_t i = 0; i < expect->reservations_count; i++)
        MR_TRY(check_count(c, &expect->reservations[i], "reservations of", true));
    for (size_t i = 0; i < expect->mailboxes_count; i++)
        MR_TRY(check_mailbox(c, &expect->mailbox[i]));
    return expect->tasks ? check_tasks(c, expect) : MR_OK;
}
