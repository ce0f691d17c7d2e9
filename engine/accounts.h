/* SPDX-License-Identifier: Apache-2.0 */
/* accounts: balances of users, by id. Changed by one thread at a time: at admission, and when a
 * block's credits are applied at its end. An account with balance 0 does not exist. */
#ifndef MR_ENGINE_ACCOUNTS_H
#define MR_ENGINE_ACCOUNTS_H

#include "engine/id.h"
#include "storage/store.h"

typedef struct mr_account {
    mr_id id;
    mr_value balance;
    mr_value before;         /* balance before the block, when dirty */
    struct mr_account *next; /* in its bucket */
    struct mr_account *dirty_next;
    bool dirty; /* touched by the block */
} mr_account;

typedef struct mr_accounts mr_accounts;

mr_status mr_accounts_new(mr_store *store, uint32_t table, mr_accounts **out);
void mr_accounts_free(mr_accounts *accounts);

/* mr_accounts_take yields the account of `id`, made with balance 0 if there is none, to be changed
 * by the block. Errors: MR_NO_MEMORY; MR_IO; MR_CORRUPT. */
mr_status mr_accounts_take(mr_accounts *accounts, const mr_id *id, mr_account **out);

/* mr_accounts_balance yields the balance of `id`, 0 when it does not exist. Errors: MR_IO;
 * MR_CORRUPT; MR_NO_MEMORY. */
mr_status mr_accounts_balance(mr_accounts *accounts, const mr_id *id, mr_value *out);

/* mr_accounts_dirty returns the accounts the block touched, linked by dirty_next. */
mr_account *mr_accounts_dirty(const mr_accounts *accounts);

/* mr_accounts_accept makes the block's changes final; mr_accounts_reject takes them back. */
void mr_accounts_accept(mr_accounts *accounts);
void mr_accounts_reject(mr_accounts *accounts);

/* mr_accounts_decode reads a stored balance. Errors: MR_CORRUPT. */
mr_status mr_accounts_decode(mr_span record, mr_value *out);

enum { MR_ACCOUNT_RECORD_BYTES = 17 };
/* mr_accounts_encode writes the record of a balance. */
void mr_accounts_encode(mr_value balance, uint8_t out[MR_ACCOUNT_RECORD_BYTES]);

#endif
