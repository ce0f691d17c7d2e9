/* SPDX-License-Identifier: Apache-2.0 */
/* profile: a machine for the functions that random modules import, which is asked for profiles. */
#ifndef MR_TESTS_VM_PROFILE_H
#define MR_TESTS_VM_PROFILE_H

#include "fixture.h"

#include "tests/vm/bare.h"
#include "tests/vm/random_module.h"

/* ---- A machine for the functions that random modules import ---- */

typedef struct context {
    uint64_t notes; /* of all that host functions saw */
    uint64_t aside; /* gas set aside */
    mr_vm_worker *worker;
    mr_memory *inner; /* "pick" runs it, unless NULL */
} context;

static inline void note(context *c, uint64_t value)
{
    c->notes = (c->notes ^ value) * 0x9e3779b97f4a7c15u;
    c->notes ^= c->notes >> 29;
}

static inline mr_host_action host_note(void *ctx, mr_run *run, const uint64_t *args,
                                       uint64_t *result)
{
    (void)result;
    note(ctx, args[0]);
    return mr_run_charge(run, args[0] % 100) ? MR_HOST_CONTINUE : MR_HOST_STOP;
}

enum { ASK_CHARGE = 0x7fffffff };

/* Charges what is asked for, or sets something aside, or charges that. */
static inline mr_host_action host_ask(void *ctx, mr_run *run, const uint64_t *args,
                                      uint64_t *result)
{
    context *c = ctx;
    note(c, args[0]);
    note(c, args[1]);
    *result = c->notes;
    uint64_t amount = c->notes % 40;
    if (args[0] == ASK_CHARGE)
        return mr_run_charge(run, args[1]) ? MR_HOST_CONTINUE : MR_HOST_STOP;
    if (amount >= 20)
        return mr_run_charge(run, amount) ? MR_HOST_CONTINUE : MR_HOST_STOP;
    if (!mr_run_set_aside(run, amount))
        return MR_HOST_STOP;
    c->aside += amount;
    return MR_HOST_CONTINUE;
}

static inline mr_host_action host_pick(void *ctx, mr_run *run, const uint64_t *args,
                                       uint64_t *result)
{
    (void)args;
    context *c = ctx;
    *result = (c->notes >> 7) & 0xffffffff;
    if (c->inner != NULL) {
        context other = {.worker = c->worker};
        uint64_t left;
        mr_run *inner = fixture_begin(c->worker, c->inner);
        (void)mr_run_call(inner, ENTRY_HANDLE, 1000, &other, &left);
        mr_run_rollback(inner);
    }
    return mr_run_charge(run, 3) ? MR_HOST_CONTINUE : MR_HOST_STOP;
}

static inline mr_host_action host_stop(void *ctx, mr_run *run, const uint64_t *args,
                                       uint64_t *result)
{
    (void)run;
    (void)args;
    (void)result;
    note(ctx, 77);
    return MR_HOST_STOP;
}

static inline mr_host_action host_result(void *ctx, mr_run *run, const uint64_t *args,
                                         uint64_t *result)
{
    (void)run;
    (void)result;
    note(ctx, args[0]);
    return MR_HOST_CONTINUE;
}

/* As bare_rules has them: count, note, ask, pick, stop, result. */
static mr_host_fn *const functions[] = {host_stop, host_note, host_ask,
                                        host_pick, host_stop, host_result};
enum { OWN = sizeof functions / sizeof *functions /* first function of a random module's own */ };

typedef struct machine {
    mr_vm *vm;
    mr_vm_worker *worker;
    mr_profile *profile;
} machine;

static inline machine machine_new(void)
{
    machine m = {.profile = mr_profile_new()};
    mr_error error = {0};
    mr_vm_options options = {.rules = &bare_rules,
                             .functions = functions,
                             .instance_bytes_max = 1 << 20,
                             .live_bytes_max = 1 << 20};
    if (m.profile == NULL || mr_vm_new(&options, &m.vm, &error) != MR_OK ||
        mr_vm_worker_new(m.vm, &m.worker, &error) != MR_OK)
        fail_msg("%s", error.text);
    mr_vm_worker_set_profile(m.worker, m.profile);
    return m;
}

static inline void machine_free(machine *m)
{
    mr_vm_worker_free(m->worker);
    mr_vm_free(m->vm);
    mr_profile_free(m->profile);
}

static inline mr_code *code_of_module(mr_span module)
{
    mr_code_prices prices = {.instruction = 1, .stack_height_max = 20000};
    mr_error error = {0};
    mr_code *code = NULL;
    if (mr_code_new(&bare_rules, &prices, module, &code, &error) != MR_OK)
        fail_msg("%s", error.text);
    return code;
}

#endif
