/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/millrace/lookup.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "tools/millrace/names.h"

enum { DIGITS_MIN = 4, CANDIDATES_MAX = 4 /* told of those that begin alike */ };

typedef struct lookup {
    const char *what;   /* it is looked for: "program" */
    const char *text;   /* as it was typed */
    const char *digits; /* of that */
    mr_id found[CANDIDATES_MAX];
    unsigned found_count;
    bool more; /* than there is room for */
    mr_error *error;
} lookup;

static bool has_prefix(const char *text)
{
    return strncmp(text, "0x", 2) == 0;
}

/* Whether there is something to look for. */
static mr_status begin(const char *what, const char *text, mr_error *error, lookup *out)
{
    *out = (lookup){
        .what = what, .text = text, .digits = has_prefix(text) ? text + 2 : text, .error = error};
    size_t size = 0;
    while (isxdigit((unsigned char)out->digits[size]))
        size++;
    if (size == 0 || out->digits[size] != '\0' || size > 2 * sizeof(mr_id))
        return MR_FAIL(error, MR_INVALID, "'%.70s' is no id: 64 hex digits, or the first of them",
                       text);
    if (size < DIGITS_MIN)
        return MR_FAIL(error, MR_INVALID,
                       "%.64s is too short for the beginning of an id: %d digits or more", text,
                       DIGITS_MIN);
    return MR_OK;
}

/* An id that may come more than once. */
static void offer(lookup *l, const mr_id *id)
{
    if (strncasecmp(mr_id_print(id).text + 2, l->digits, strlen(l->digits)) != 0)
        return;
    for (unsigned i = 0; i < l->found_count; i++)
        if (memcmp(&l->found[i], id, sizeof *id) == 0)
            return;
    if (l->found_count < CANDIDATES_MAX)
        l->found[l->found_count++] = *id;
    else
        l->more = true;
}

static mr_status end(lookup *l, mr_status status, mr_id *out)
{
    if (status != MR_OK)
        return MR_FAIL(l->error, status, "cannot look for the %s %.64s: %s", l->what, l->text,
                       mr_status_text(status));
    if (l->found_count == 0)
        return MR_FAIL(l->error, MR_NOT_FOUND,
                       "no %s has the id %.64s, or an id that begins with it", l->what, l->text);
    if (l->found_count == 1) {
        *out = l->found[0];
        return MR_OK;
    }
    char list[CANDIDATES_MAX * (MR_ID_TEXT_BYTES + 2) + 16] = "";
    size_t at = 0;
    for (unsigned i = 0; i < l->found_count; i++)
        at +=
            (size_t)snprintf(list + at, sizeof list - at, "\n  %s", mr_id_print(&l->found[i]).text);
    if (l->more)
        (void)snprintf(list + at, sizeof list - at, "\n  ...");
    return MR_FAIL(l->error, MR_NOT_FOUND, "more than one %s's id begins with %.64s:%s", l->what,
                   l->text, list);
}

/* ---- Programs ---- */

static bool offer_program(void *arg, const mr_program_info *program)
{
    offer(arg, &program->id);
    return true;
}

mr_status mr_lookup_program(mr_engine *engine, const char *text, mr_id *out, mr_error *error)
{
    lookup l;
    if (mr_id_scan(text, out))
        return MR_OK;
    MR_TRY(begin("program", text, error, &l));
    return end(&l, mr_engine_programs(engine, offer_program, &l), out);
}

/* ---- Accounts ---- */

static bool offer_account(void *arg, const mr_id *account, mr_value balance)
{
    (void)balance;
    offer(arg, account);
    return true;
}

static bool offer_user(void *arg, const mr_letter_info *letter)
{
    offer(arg, &letter->user);
    return true;
}

mr_status mr_lookup_account(mr_engine *engine, const char *text, mr_id *out, mr_error *error)
{
    lookup l;
    if (mr_id_scan(text, out))
        return MR_OK;
    if (text[0] == '\0')
        return MR_FAIL(error, MR_INVALID, "an account has a name, or an id: 64 hex digits");
    if (!has_prefix(text)) {
        *out = mr_id_of_name(text);
        return MR_OK;
    }
    MR_TRY(begin("account", text, error, &l));
    mr_status status = mr_engine_accounts(engine, offer_account, &l);
    if (status == MR_OK)
        status = mr_engine_letters(engine, NULL, offer_user, &l);
    return end(&l, status, out);
}

/* ---- Messages ---- */

static bool offer_queued(void *arg, const mr_queued_message *message)
{
    offer(arg, &message->id);
    return true;
}

static bool offer_task(void *arg, const mr_task_info *task)
{
    if (task->task == MR_TASK_SEND)
        offer(arg, &task->subject);
    return true;
}

static mr_status offer_block(lookup *l, mr_engine *engine, uint64_t height)
{
    mr_stored_block *block;
    mr_receipt receipt;
    mr_user_message message;
    MR_TRY(mr_engine_block(engine, height, &block, l->error));
    for (uint64_t i = 0; mr_stored_block_receipt(block, i, &receipt); i++)
        offer(l, &receipt.message);
    for (uint64_t i = 0; mr_stored_block_user_message(block, i, &message); i++)
        offer(l, &message.id);
    mr_stored_block_free(block);
    return MR_OK;
}

/* What waits has been run, and what lies in a mailbox sent, in some block. */
mr_status mr_lookup_message(mr_engine *engine, const char *text, mr_id *out, mr_error *error)
{
    lookup l;
    mr_engine_info info;
    if (mr_id_scan(text, out))
        return MR_OK;
    MR_TRY(begin("message", text, error, &l));
    mr_engine_info_get(engine, &info);
    for (uint64_t height = 1; height <= info.height; height++)
        MR_TRY(offer_block(&l, engine, height));
    mr_status status = mr_engine_queue(engine, offer_queued, &l);
    if (status == MR_OK)
        status = mr_engine_tasks(engine, 0, offer_task, &l);
    return end(&l, status, out);
}
