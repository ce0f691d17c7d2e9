/* SPDX-License-Identifier: Apache-2.0 */
/* run: telling what happened in a block. */
#include <stdlib.h>

#include "tools/millrace/run_internal.h"

enum { EXPLAINED_MAX = 10 /* failures of one block */ };

/* Whether what came of what has to be known: for traces, failures, and what is still to come. */
static bool needs_forest(const mr_running *r, const mr_block_view *view)
{
    if (r->options->trace || view->info.failures_count > 0 || view->info.queue_count > 0 ||
        mr_routes_remember_any(&r->explainer.routes))
        return true;
    mr_engine_info info;
    mr_engine_info_get(r->engine, &info);
    return info.tasks_count > 0; /* something waits, is delayed, or lies in a mailbox */
}

static mr_trace_view trace_of(const mr_running *r, const mr_block_view *view,
                              const mr_forest *forest)
{
    return (mr_trace_view){.view = view,
                           .forest = forest,
                           .due = (const mr_task_info *)(void *)r->due.data,
                           .due_count = r->due.size / sizeof(mr_task_info),
                           .only = r->options->trace_only,
                           .lines_max = r->options->lines_max};
}

static void print_debug(const mr_block_view *view)
{
    mr_debug_line line;
    for (uint64_t i = 0; mr_block_debug(view->block, i, &line); i++)
        (void)printf("  %s says %s\n", mr_names_print(view->names, &line.program).text,
                     mr_bytes_print(line.text).text);
}

static bool is_explained(const mr_running *r, const mr_expect *expect, const mr_forest *forest,
                         const mr_node *node)
{
    const uint64_t only = r->options->trace_only;
    return mr_node_failed(node) && (r->options->explain || !mr_explain_is_expected(expect, node)) &&
           (only == 0 || forest->nodes[node->root].transaction == only - 1);
}

static mr_status explain(mr_running *r, const mr_forest *forest, uint64_t height,
                         const mr_expect *expect)
{
    uint64_t failures = 0;
    for (uint32_t i = 0; i < forest->count; i++) {
        if (!is_explained(r, expect, forest, &forest->nodes[i]) || ++failures > EXPLAINED_MAX)
            continue;
        if (mr_explain_print(stdout, &r->explainer, forest, i, height) != MR_OK)
            return mr_run_no_memory(r);
    }
    if (failures > EXPLAINED_MAX)
        (void)printf("  ... and %s more failure%s\n", mr_count_print(failures - EXPLAINED_MAX).text,
                     mr_plural(failures - EXPLAINED_MAX));
    return MR_OK;
}

static mr_status tell_people(mr_running *r, const mr_block_view *view, const char *note, bool brief,
                             const mr_expect *expect, const mr_forest *forest)
{
    mr_report_head(stdout, view, note);
    if (r->options->trace) {
        const mr_trace_view trace = trace_of(r, view, forest);
        mr_trace_print(stdout, &trace);
    } else {
        mr_report_lists(stdout, view, brief ? 0 : r->options->lines_max);
    }
    if (r->options->debug)
        print_debug(view);
    if (forest->count > 0)
        MR_TRY(explain(r, forest, view->info.height, expect));
    return mr_stdout_flush(r->error);
}

/* All failures, so that whoever reads it can choose. */
static bool add_failures(const mr_running *r, json_t *object, const mr_forest *forest,
                         uint64_t height)
{
    json_t *receipts = json_object_get(object, "receipts");
    for (uint32_t i = 0; i < forest->count; i++)
        if (mr_node_failed(&forest->nodes[i]) &&
            json_object_set_new(json_array_get(receipts, i), "failure",
                                mr_explain_json(&r->explainer, forest, i, height)) != 0)
            return false;
    return true;
}

/* One object for the whole run, printed block by block so that it need not fit in memory. */
static mr_status tell_machines(mr_running *r, const mr_block_view *view, const mr_forest *forest)
{
    json_t *object = mr_json_block(view);
    bool fine = object != NULL && add_failures(r, object, forest, view->info.height);
    if (fine && r->options->trace) {
        const mr_trace_view trace = trace_of(r, view, forest);
        fine = json_object_set_new(object, "trace", mr_trace_json(&trace)) == 0;
    }
    if (fine && r->estimates != NULL) {
        fine = json_object_set_new(object, "estimates", r->estimates) == 0;
        r->estimates = NULL;
    }
    if (!fine) {
        json_decref(object);
        return mr_run_no_memory(r);
    }
    (void)fputs(r->blocks_count > 1 ? ",\n" : "\n", stdout);
    int failed = json_dumpf(object, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
    json_decref(object);
    return failed == 0 || ferror(stdout) ? mr_stdout_flush(r->error) : mr_run_no_memory(r);
}

mr_status mr_run_tell(mr_running *r, const mr_block_view *view, const char *note, bool brief,
                      const mr_expect *expect)
{
    __attribute__((cleanup(mr_forest_fini))) mr_forest forest = {0};
    if (needs_forest(r, view)) {
        mr_status status = mr_forest_grow(
            view->block, (const mr_transaction *)(void *)r->transactions.data, &forest);
        if (status != MR_OK)
            return MR_FAIL(r->error, status, "cannot trace a block: %s", mr_status_text(status));
    }
    MR_TRY(r->options->json ? tell_machines(r, view, &forest)
                            : tell_people(r, view, note, brief, expect, &forest));
    if (mr_routes_take(&r->explainer.routes, &forest, view) != MR_OK)
        return mr_run_no_memory(r);
    return MR_OK;
}
