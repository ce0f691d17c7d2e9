/* SPDX-License-Identifier: Apache-2.0 */
/* run: what gas messages need. */
#include <inttypes.h>
#include <string.h>

#include "tools/millrace/estimate.h"
#include "tools/millrace/run_internal.h"

static bool can_be_estimated(const mr_transaction *transaction)
{
    return transaction->kind == MR_TRANSACTION_SEND || transaction->kind == MR_TRANSACTION_REPLY;
}

/* The most gas to try, so that what never ends is told soon; what the message has if more. */
static uint64_t most_gas(const mr_transaction *transaction)
{
    return transaction->gas_limit > MR_ESTIMATE_GAS ? transaction->gas_limit : MR_ESTIMATE_GAS;
}

/* `refused` is why there is no estimate, or "". */
static void print(const mr_running *r, uint64_t number, const mr_estimate *e, const char *refused)
{
    (void)printf("estimate for message %" PRIu64 " of block %" PRIu64 ": ", number + 1,
                 r->blocks_count + 1);
    if (refused[0] != '\0')
        (void)printf("%s\n", refused);
    else if (e->succeeds)
        (void)printf("gas %s, of which %s burn, in %" PRIu32 " block%s%s\n",
                     mr_count_print(e->gas_limit).text, mr_count_print(e->gas_burned).text,
                     e->blocks, mr_plural(e->blocks), mr_estimate_print_open(e).text);
    else
        (void)printf("no gas suffices: %s in %s%s%s\n", mr_outcome_name(e->outcome),
                     mr_names_brief(&r->scenario.names, &e->failed).text,
                     e->text.size > 0 ? ", " : "",
                     e->text.size > 0 ? mr_bytes_print(e->text).text : "");
}

static json_t *object(const mr_running *r, uint64_t number, const mr_estimate *e,
                      const char *refused)
{
    json_t *object = refused[0] != '\0' ? json_pack("{s:s}", "refused", refused)
                                        : mr_estimate_json(&r->scenario.names, e);
    if (object == NULL || json_object_set_new(object, "message", mr_json_u64(number)) == 0)
        return object;
    json_decref(object);
    return NULL;
}

static mr_status tell(mr_running *r, uint64_t number, const mr_estimate *e, const char *refused)
{
    if (!r->options->json) {
        print(r, number, e, refused);
        return MR_OK;
    }
    if (r->estimates == NULL)
        r->estimates = json_array();
    return r->estimates != NULL &&
                   json_array_append_new(r->estimates, object(r, number, e, refused)) == 0
               ? MR_OK
               : mr_run_no_memory(r);
}

mr_status mr_run_estimate(mr_running *r, const mr_block_params *params)
{
    if (r->view == NULL)
        MR_TRY(mr_view_open(r->engine, MR_VIEW_ALONE, &r->view, r->error));
    else
        MR_TRY(mr_view_refresh(r->view, r->error));
    const mr_transaction *transactions = (const mr_transaction *)(void *)r->transactions.data;
    for (uint64_t i = 0; i < r->transactions.size / sizeof *transactions; i++) {
        if (!can_be_estimated(&transactions[i]))
            continue;
        mr_estimate estimate = {0};
        mr_error refused = {0};
        mr_status status = mr_view_estimate(r->view, params, &transactions[i],
                                            most_gas(&transactions[i]), 0, &estimate, &refused);
        if (status != MR_OK && status != MR_INVALID) {
            *r->error = refused;
            return status;
        }
        MR_TRY(tell(r, i, &estimate, status == MR_INVALID ? refused.text : ""));
    }
    return MR_OK;
}
