/* SPDX-License-Identifier: Apache-2.0 */
/* admission: a block takes its transactions, as the files admission*.c share it. All of it runs on
 * the main thread but the preparation, which all workers share. */
#ifndef MR_ENGINE_ADMISSION_H
#define MR_ENGINE_ADMISSION_H

#include "engine/engine_internal.h"

/* One transaction being admitted. */
typedef struct mr_admitting {
    mr_block *block;
    mr_engine *engine;
    const mr_transaction *transaction;
    mr_admitted *result;
    size_t index;
} mr_admitting;

/* mr_admission_refuse notes why the transaction is refused. */
static inline void mr_admission_refuse(const mr_admitting *at, mr_admission admission)
{
    at->result->admission = admission;
}

/* ---- admission.c ---- */

/* mr_admission_post puts the message of an accepted transaction at the queue's tail. Errors:
 * MR_NO_MEMORY. */
mr_status mr_admission_post(const mr_admitting *at, mr_program *program);

/* ---- admission_prepare.c ---- */

/* What the preparation found, of all transactions. */
typedef struct mr_prepared {
    uint64_t gas;    /* limits */
    uint64_t most;   /* likewise; UINT64_MAX when they are more */
    mr_value issued; /* by the state and by the transactions, if they are regular */
    bool regular;    /* all of them send, to programs that are in memory */
} mr_prepared;

/* mr_admission_prepare does what needs no order, with all workers: ids, copies, and looking up
 * destinations that are in memory. Each message is put where it stands in the queue if none before
 * it is refused. Errors: MR_NO_MEMORY. */
mr_status mr_admission_prepare(mr_block *block, mr_prepared *out);

/* mr_admission_dispatch makes the dispatch of transaction `index`, one that sends, its destination
 * not yet known to be there, and its id not yet computed unless it is a reply. NULL: no memory.
 * Threads: any, each with its own arena. */
mr_dispatch *mr_admission_dispatch(const mr_block *block, size_t index, mr_arena *arena);

/* ---- admission_pay.c ---- */

/* mr_admission_pay takes value, tip, gas and fee from the sender, or refuses the transaction: then
 * *paid is false. Errors: MR_CORRUPT; MR_IO; MR_NO_MEMORY. */
mr_status mr_admission_pay(const mr_admitting *at, bool *paid);

/* mr_admission_pay_back takes back what an upload paid. Errors: as above. */
mr_status mr_admission_pay_back(const mr_admitting *at);

/* ---- admission_create.c, admission_send.c: each kind of transaction. Errors: MR_CORRUPT; MR_IO;
 * MR_NO_MEMORY. ---- */

mr_status mr_admission_upload(const mr_admitting *at);
mr_status mr_admission_create(const mr_admitting *at);
mr_status mr_admission_send(const mr_admitting *at);
mr_status mr_admission_reply(const mr_admitting *at);
mr_status mr_admission_claim(const mr_admitting *at);
mr_status mr_admission_transfer(const mr_admitting *at);

#endif
