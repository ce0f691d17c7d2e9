/* SPDX-License-Identifier: Apache-2.0 */
#include "perf/harness.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "tools/guest/embedded.h"

enum { CREATED_PER_BLOCK = 50000 };

static void *need(void *memory)
{
    if (memory == NULL)
        mr_harness_check(MR_NO_MEMORY, NULL);
    return memory;
}

void mr_harness_check(mr_status status, const mr_error *error)
{
    if (status == MR_OK)
        return;
    (void)fprintf(stderr, "%s: %s%s%s\n", program_invocation_short_name, mr_status_name(status),
                  error != NULL ? ": " : "", error != NULL ? error->text : "");
    exit(1);
}

mr_engine_tier mr_harness_tier(const char *name)
{
    if (strcmp(name, "native") == 0)
        return MR_ENGINE_NATIVE;
    if (strcmp(name, "auto") == 0)
        return MR_ENGINE_AUTO;
    if (strcmp(name, "interp") == 0)
        return MR_ENGINE_INTERP;
    (void)fprintf(stderr, "%s: there is no tier '%s'; there are interp, native and auto\n",
                  program_invocation_short_name, name);
    exit(2);
}

uint64_t mr_harness_run(mr_engine *engine, const mr_transaction *transactions, size_t count,
                        mr_durability durability)
{
    const mr_block_params params = {0};
    mr_error error = {0};
    mr_block *block;
    const uint64_t begin_ns = mr_clock_ns();
    mr_harness_check(mr_block_execute(engine, &params, transactions, count, &block, &error),
                     &error);
    mr_harness_check(mr_block_commit(block, durability, &error), &error);
    const uint64_t took_ns = mr_clock_ns() - begin_ns;
    mr_block_info info;
    mr_block_info_get(block, &info);
    if (info.transactions_accepted != count || info.failures_count > 0) {
        (void)fprintf(stderr, "%s: of %zu transactions %llu were accepted and %llu failed\n",
                      program_invocation_short_name, count,
                      (unsigned long long)info.transactions_accepted,
                      (unsigned long long)info.failures_count);
        exit(1);
    }
    mr_block_free(block);
    return took_ns;
}

mr_id mr_harness_program(const mr_id *code, uint64_t number)
{
    return mr_id_of_program(code, mr_span_of(&number, sizeof number));
}

void mr_harness_deploy(mr_engine *engine, const char *module, size_t count)
{
    const mr_transaction upload = {.kind = MR_TRANSACTION_UPLOAD,
                                   .payload = mr_embedded_find(module)};
    (void)mr_harness_run(engine, &upload, 1, MR_COMMIT_PIPELINED);
    const mr_id code = mr_id_of_code(upload.payload);
    mr_transaction *transactions = need(calloc(CREATED_PER_BLOCK, sizeof *transactions));
    uint64_t *numbers = need(calloc(CREATED_PER_BLOCK, sizeof *numbers));
    for (size_t first = 0; first < count; first += CREATED_PER_BLOCK) {
        const size_t size = count - first < CREATED_PER_BLOCK ? count - first : CREATED_PER_BLOCK;
        for (size_t i = 0; i < size; i++) {
            numbers[i] = first + i;
            transactions[i] = (mr_transaction){.kind = MR_TRANSACTION_CREATE,
                                               .to = code,
                                               .salt = mr_span_of(&numbers[i], sizeof numbers[i]),
                                               .gas_limit = MR_HARNESS_GAS};
        }
        (void)mr_harness_run(engine, transactions, size, MR_COMMIT_PIPELINED);
    }
    free(numbers);
    free(transactions);
}

mr_transaction *mr_harness_messages(const char *module, size_t programs, size_t count)
{
    const mr_id code = mr_id_of_code(mr_embedded_find(module));
    mr_transaction *transactions = need(calloc(count + 1, sizeof *transactions));
    for (size_t i = 0; i < count; i++)
        transactions[i] = (mr_transaction){.kind = MR_TRANSACTION_SEND,
                                           .to = i < programs ? mr_harness_program(&code, i)
                                                              : transactions[i - programs].to,
                                           .gas_limit = MR_HARNESS_GAS};
    return transactions;
}

static int by_size(const void *a, const void *b)
{
    const double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

double mr_harness_percentile(double *values, size_t count, double at)
{
    qsort(values, count, sizeof *values, by_size);
    return values[(size_t)(at * (double)(count - 1) + 0.5)];
}
