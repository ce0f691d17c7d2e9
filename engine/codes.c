/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/codes.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/assert.h"

enum { BUCKETS = 1024 };

struct mr_codes {
    struct mr_codes *first; /* may have what is missing here; or NULL */
    pthread_mutex_t mutex;  /* guards buckets */
    mr_module *buckets[BUCKETS];
    mr_store *store;
    uint32_t table;
    const mr_module_rules *rules;
    const mr_code_prices *prices;
};

mr_status mr_codes_new(mr_store *store, uint32_t table, const mr_module_rules *rules,
                       const mr_code_prices *prices, mr_codes **out)
{
    mr_codes *codes = calloc(1, sizeof *codes);
    if (codes == NULL)
        return MR_NO_MEMORY;
    codes->store = store;
    codes->table = table;
    codes->rules = rules;
    codes->prices = prices;
    (void)pthread_mutex_init(&codes->mutex, NULL);
    *out = codes;
    return MR_OK;
}

static void module_free(mr_module *module)
{
    mr_code_put(module->code);
    free(module);
}

void mr_codes_free(mr_codes *codes)
{
    if (codes == NULL)
        return;
    for (size_t i = 0; i < BUCKETS; i++) {
        while (codes->buckets[i] != NULL) {
            mr_module *module = codes->buckets[i];
            codes->buckets[i] = module->next;
            module_free(module);
        }
    }
    (void)pthread_mutex_destroy(&codes->mutex);
    free(codes);
}

static mr_module **bucket_of(mr_codes *codes, const mr_id *id)
{
    return &codes->buckets[(mr_id_bucket(id) >> 32) % BUCKETS];
}

static mr_module *find_loaded(mr_codes *codes, const mr_id *id)
{
    mr_module *module = *bucket_of(codes, id);
    while (module != NULL && !mr_id_equal(&module->id, id))
        module = module->next;
    return module;
}

void mr_codes_follow(mr_codes *codes, mr_codes *first)
{
    codes->first = first;
}

/* A reference to what the first one has, or NULL. Codes never change, so they can be shared. */
static mr_code *share(mr_codes *first, const mr_id *id)
{
    if (first == NULL)
        return NULL;
    (void)pthread_mutex_lock(&first->mutex);
    const mr_module *module = find_loaded(first, id);
    mr_code *code = module == NULL ? NULL : mr_code_get(module->code);
    (void)pthread_mutex_unlock(&first->mutex);
    return code;
}

/* Rewrites the bytes and enters the module. The mutex is held. */
static mr_status enter(mr_codes *codes, const mr_id *id, mr_span bytes, mr_module **out,
                       mr_error *error)
{
    mr_module *module = calloc(1, sizeof *module);
    if (module == NULL)
        return MR_NO_MEMORY;
    module->code = share(codes->first, id);
    mr_status status = MR_OK;
    if (module->code == NULL)
        status = mr_code_new(codes->rules, codes->prices, bytes, &module->code, error);
    if (status != MR_OK) {
        free(module);
        return status;
    }
    module->id = *id;
    mr_module **bucket = bucket_of(codes, id);
    module->next = *bucket;
    *bucket = module;
    *out = module;
    return MR_OK;
}

static mr_status load(mr_codes *codes, const mr_id *id, mr_module **out)
{
    mr_buffer bytes = {0};
    mr_status status = mr_store_get(codes->store, codes->table, mr_id_span(id), &bytes);
    if (status == MR_OK) {
        const mr_id found = mr_id_of_code(mr_buffer_span(&bytes));
        status = mr_id_equal(&found, id) ? enter(codes, id, mr_buffer_span(&bytes), out, NULL)
                                         : MR_CORRUPT;
    }
    mr_buffer_fini(&bytes);
    return status == MR_MODULE ? MR_CORRUPT : status; /* it was accepted once */
}

mr_status mr_codes_find(mr_codes *codes, const mr_id *id, mr_module **out)
{
    (void)pthread_mutex_lock(&codes->mutex);
    mr_module *module = find_loaded(codes, id);
    mr_status status = MR_OK;
    if (module == NULL)
        status = load(codes, id, &module);
    (void)pthread_mutex_unlock(&codes->mutex);
    if (status == MR_OK)
        *out = module;
    return status;
}

bool mr_codes_id(mr_codes *codes, const mr_code *code, mr_id *out)
{
    bool found = false;
    (void)pthread_mutex_lock(&codes->mutex);
    for (size_t i = 0; i < BUCKETS && !found; i++) {
        const mr_module *module = codes->buckets[i];
        while (module != NULL && module->code != code)
            module = module->next;
        found = module != NULL;
        if (found)
            *out = module->id;
    }
    (void)pthread_mutex_unlock(&codes->mutex);
    return found;
}

mr_status mr_codes_add(mr_codes *codes, mr_span bytes, mr_module **out, mr_error *error)
{
    const mr_id id = mr_id_of_code(bytes);
    mr_module *module;
    mr_status status = mr_codes_find(codes, &id, &module);
    if (status == MR_OK)
        return MR_EXISTS;
    if (status != MR_NOT_FOUND)
        return status;
    (void)pthread_mutex_lock(&codes->mutex);
    status = enter(codes, &id, bytes, out, error);
    (void)pthread_mutex_unlock(&codes->mutex);
    return status;
}

void mr_codes_remove(mr_codes *codes, mr_module *module)
{
    (void)pthread_mutex_lock(&codes->mutex);
    mr_module **link = bucket_of(codes, &module->id);
    while (*link != module) {
        MR_ASSERT(*link != NULL);
        link = &(*link)->next;
    }
    *link = module->next;
    (void)pthread_mutex_unlock(&codes->mutex);
    module_free(module);
}
