/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/accounts.h"

#include <stdlib.h>

#include "engine/codec.h"

enum { RECORD_VERSION = 1, BUCKETS_MIN = 1024, CLEAN_MAX = 1 << 20 };

struct mr_accounts {
    mr_account **buckets;
    size_t buckets_count; /* a power of two */
    size_t count;         /* accounts in memory */
    mr_account *dirty;
    mr_store *store;
    uint32_t table;
};

mr_status mr_accounts_new(mr_store *store, uint32_t table, mr_accounts **out)
{
    mr_accounts *accounts = calloc(1, sizeof *accounts);
    if (accounts == NULL)
        return MR_NO_MEMORY;
    accounts->buckets_count = BUCKETS_MIN;
    accounts->buckets = calloc(accounts->buckets_count, sizeof(mr_account *));
    if (accounts->buckets == NULL) {
        free(accounts);
        return MR_NO_MEMORY;
    }
    accounts->store = store;
    accounts->table = table;
    *out = accounts;
    return MR_OK;
}

static void forget_all(mr_accounts *accounts)
{
    for (size_t i = 0; i < accounts->buckets_count; i++) {
        while (accounts->buckets[i] != NULL) {
            mr_account *account = accounts->buckets[i];
            accounts->buckets[i] = account->next;
            free(account);
        }
    }
    accounts->count = 0;
}

void mr_accounts_free(mr_accounts *accounts)
{
    if (accounts == NULL)
        return;
    forget_all(accounts);
    free(accounts->buckets);
    free(accounts);
}

static size_t bucket_of(const mr_accounts *accounts, const mr_id *id)
{
    return (size_t)(mr_id_bucket(id) >> 20) & (accounts->buckets_count - 1);
}

static mr_account *find_loaded(const mr_accounts *accounts, const mr_id *id)
{
    mr_account *account = accounts->buckets[bucket_of(accounts, id)];
    while (account != NULL && !mr_id_equal(&account->id, id))
        account = account->next;
    return account;
}

/* Doubles the table when it is full; stays as it is when there is no memory for that. */
static void grow(mr_accounts *accounts)
{
    if (accounts->count < accounts->buckets_count)
        return;
    size_t count = accounts->buckets_count * 2;
    mr_account **buckets = calloc(count, sizeof *buckets);
    if (buckets == NULL)
        return;
    mr_account **old = accounts->buckets;
    size_t old_count = accounts->buckets_count;
    accounts->buckets = buckets;
    accounts->buckets_count = count;
    for (size_t i = 0; i < old_count; i++) {
        while (old[i] != NULL) {
            mr_account *account = old[i];
            old[i] = account->next;
            mr_account **bucket = &buckets[bucket_of(accounts, &account->id)];
            account->next = *bucket;
            *bucket = account;
        }
    }
    free(old);
}

mr_status mr_accounts_decode(mr_span record, mr_value *out)
{
    mr_reader reader = mr_reader_of(record);
    if (mr_read_u8(&reader) != RECORD_VERSION)
        return MR_CORRUPT;
    *out = mr_read_value(&reader);
    return mr_reader_done(&reader) ? MR_OK : MR_CORRUPT;
}

void mr_accounts_encode(mr_value balance, uint8_t out[MR_ACCOUNT_RECORD_BYTES])
{
    out[0] = RECORD_VERSION;
    mr_store_le64(out + 1, (uint64_t)balance);
    mr_store_le64(out + 9, (uint64_t)(balance >> 64));
}

static mr_status read_stored(mr_accounts *accounts, const mr_id *id, mr_value *out)
{
    mr_buffer record = {0};
    mr_status status = mr_store_get(accounts->store, accounts->table, mr_id_span(id), &record);
    *out = 0;
    if (status == MR_OK)
        status = mr_accounts_decode(mr_buffer_span(&record), out);
    else if (status == MR_NOT_FOUND)
        status = MR_OK;
    mr_buffer_fini(&record);
    return status;
}

static mr_status load(mr_accounts *accounts, const mr_id *id, mr_account **out)
{
    mr_value balance;
    MR_TRY(read_stored(accounts, id, &balance));
    mr_account *account = calloc(1, sizeof *account);
    if (account == NULL)
        return MR_NO_MEMORY;
    grow(accounts);
    account->id = *id;
    account->balance = balance;
    mr_account **bucket = &accounts->buckets[bucket_of(accounts, id)];
    account->next = *bucket;
    *bucket = account;
    accounts->count++;
    *out = account;
    return MR_OK;
}

mr_status mr_accounts_take(mr_accounts *accounts, const mr_id *id, mr_account **out)
{
    mr_account *account = find_loaded(accounts, id);
    if (account == NULL)
        MR_TRY(load(accounts, id, &account));
    if (!account->dirty) {
        account->dirty = true;
        account->before = account->balance;
        account->dirty_next = accounts->dirty;
        accounts->dirty = account;
    }
    *out = account;
    return MR_OK;
}

mr_status mr_accounts_balance(mr_accounts *accounts, const mr_id *id, mr_value *out)
{
    const mr_account *account = find_loaded(accounts, id);
    if (account == NULL)
        return read_stored(accounts, id, out);
    *out = account->balance;
    return MR_OK;
}

mr_account *mr_accounts_dirty(const mr_accounts *accounts)
{
    return accounts->dirty;
}

static void clean(mr_accounts *accounts)
{
    while (accounts->dirty != NULL) {
        mr_account *account = accounts->dirty;
        accounts->dirty = account->dirty_next;
        account->dirty = false;
    }
    if (accounts->count > CLEAN_MAX)
        forget_all(accounts);
}

void mr_accounts_accept(mr_accounts *accounts)
{
    clean(accounts);
}

void mr_accounts_reject(mr_accounts *accounts)
{
    for (mr_account *account = accounts->dirty; account != NULL; account = account->dirty_next)
        account->balance = account->before;
    clean(accounts);
}
