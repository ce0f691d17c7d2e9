/* SPDX-License-Identifier: Apache-2.0 */
/* workload: which programs a benchmark deploys and which messages it sends them.
 *
 * A workload is a mix of parts; a part is a number of programs of one example and the messages to
 * them. Everything is a function of the plan's numbers, so two runs with the same numbers give the
 * same state roots, on any number of streams. */
#ifndef MR_TOOLS_WORKLOAD_H
#define MR_TOOLS_WORKLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "engine/millrace.h"

typedef struct mr_plan mr_plan;
typedef struct mr_part mr_part;

/* How the programs of one example take part. */
typedef struct mr_part_kind {
    const char *module; /* name of the embedded example */
    /* Writes the payload of program j's init message; NULL: it is empty. */
    mr_span (*init)(mr_plan *plan, const mr_part *part, uint64_t j);
    /* How many messages each program gets before the measurement begins, and their payloads;
     * NULL: they are empty. */
    uint64_t setup_count;
    mr_span (*setup)(mr_plan *plan, const mr_part *part, uint64_t turn);
    /* Writes the payload of a message; `random` is its own. NULL: it is empty. */
    mr_span (*message)(mr_plan *plan, const mr_part *part, uint64_t random);
    uint64_t gas;                      /* limit of a message */
    uint64_t messages_per_transaction; /* that programs handle because of one of them */
    bool zipf; /* the k-th program, counted from 1, gets a share of 1/k; else all the same */
} mr_part_kind;

struct mr_part {
    const mr_part_kind *kind;
    uint64_t first, count; /* its programs */
    uint64_t peers;        /* first program of those that its programs send to; of what makes
                            * programs, the part with their code */
    uint64_t share;        /* of 100 transactions; 0: only other programs send to it */
    mr_span module;
    mr_id code;
    uint64_t *weights; /* zipf: sums of the shares up to each program; else NULL */
};

enum { MR_PARTS_MAX = 12 };

typedef struct mr_workload {
    const char *name;
    const char *text;
    uint64_t programs_default;
    /* Lays out the parts for `programs` programs. */
    void (*lay_out)(mr_plan *plan, uint64_t programs);
} mr_workload;

struct mr_plan {
    const mr_workload *workload;
    mr_part part[MR_PARTS_MAX];
    size_t parts_count;
    mr_id *program; /* ids of all programs, part after part */
    uint64_t programs_count;
    mr_id user;
    mr_arena arena; /* payloads of the block at hand */
    bool no_memory; /* some payload could not be made: use none of those handed out */
};

extern const mr_workload mr_workloads[];
extern const size_t mr_workloads_count;

/* mr_workload_find returns NULL when there is none of that name. */
const mr_workload *mr_workload_find(const char *name);

/* mr_plan_init lays out `programs` programs, or the workload's default when it is 0. It finds the
 * modules among the embedded ones. Errors: MR_NO_MEMORY; MR_NOT_FOUND a module is missing. */
mr_status mr_plan_init(mr_plan *plan, const mr_workload *workload, uint64_t programs,
                       mr_error *error);
void mr_plan_fini(mr_plan *plan);

/* The transactions, each function the i-th of its kind; false beyond the last. Payloads live until
 * mr_plan_forget. */
bool mr_plan_upload(mr_plan *plan, uint64_t i, mr_transaction *out);
bool mr_plan_create(mr_plan *plan, uint64_t i, mr_transaction *out);
bool mr_plan_setup(mr_plan *plan, uint64_t i, mr_transaction *out);
/* mr_plan_message returns the number of the program that message i goes to. */
uint64_t mr_plan_message(mr_plan *plan, uint64_t i, mr_transaction *out);

/* mr_plan_bytes copies a payload; empty, and plan->no_memory, when there is no memory. */
mr_span mr_plan_bytes(mr_plan *plan, const void *data, size_t size);

/* mr_plan_forget drops the payloads handed out so far. */
void mr_plan_forget(mr_plan *plan);

/* mr_plan_transactions returns how many transactions make about `messages` messages
 * that programs handle, in whole rings and fans. */
uint64_t mr_plan_transactions(const mr_plan *plan, uint64_t messages);

#endif
