/* SPDX-License-Identifier: Apache-2.0 */
/* inspect: who messaged whom in a block. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tools/millrace/inspect_internal.h"
#include "tools/millrace/number.h"

/* Messages of one kind from one to another. */
typedef struct edge {
    mr_id from, to;
    const char *kind;
    bool to_user;
    uint64_t count; /* of messages */
    uint64_t gas;   /* burned by their dispatches */
    mr_value value;
} edge;

typedef struct graph {
    mr_inspect *in;
    uint64_t height;
    mr_buffer edges;
} graph;

static void graph_fini(graph *g)
{
    mr_buffer_fini(&g->edges);
}

static void free_stored(mr_stored_block **block)
{
    mr_stored_block_free(*block);
}

static int compare(const void *a, const void *b)
{
    const edge *left = a, *right = b;
    int order = memcmp(&left->from, &right->from, sizeof left->from);
    if (order == 0)
        order = memcmp(&left->to, &right->to, sizeof left->to);
    return order != 0 ? order : strcmp(left->kind, right->kind);
}

static mr_status add(graph *g, const edge *added)
{
    return mr_buffer_append(&g->edges, mr_span_of(added, sizeof *added));
}

/* A dispatch by its message: one that waits and is woken has several in a block. */
typedef struct run {
    mr_id message;
    uint64_t number;
} run;

static int compare_run(const void *a, const void *b)
{
    const run *left = a, *right = b;
    const int order = memcmp(&left->message, &right->message, sizeof left->message);
    return order != 0 ? order : (left->number > right->number) - (left->number < right->number);
}

/* One byte a receipt of the block: is it the first of its message? */
static mr_status find_first(const mr_stored_block *block, mr_buffer *out)
{
    __attribute__((cleanup(mr_buffer_fini))) mr_buffer list = {0};
    mr_receipt receipt;
    uint64_t count = 0;
    for (; mr_stored_block_receipt(block, count, &receipt); count++) {
        const run one = {receipt.message, count};
        MR_TRY(mr_buffer_append(&list, mr_span_of(&one, sizeof one)));
        MR_TRY(mr_buffer_append(out, mr_span_of("", 1)));
    }
    run *runs = (run *)(void *)list.data;
    if (count > 0)
        qsort(runs, count, sizeof *runs, compare_run);
    for (uint64_t i = 0; i < count; i++) {
        const bool first =
            i == 0 || memcmp(&runs[i - 1].message, &runs[i].message, sizeof(mr_id)) != 0;
        out->data[runs[i].number] = first;
    }
    return MR_OK;
}

static mr_status collect(graph *g, const mr_stored_block *block)
{
    __attribute__((cleanup(mr_buffer_fini))) mr_buffer first = {0};
    MR_TRY(find_first(block, &first));
    mr_receipt receipt;
    for (uint64_t i = 0; mr_stored_block_receipt(block, i, &receipt); i++)
        MR_TRY(add(g, &(edge){.from = receipt.source,
                              .to = receipt.program,
                              .kind = mr_kind_name(receipt.kind),
                              .count = first.data[i],
                              .gas = receipt.gas_burned,
                              .value = first.data[i] ? receipt.value : 0}));
    mr_user_message message;
    for (uint64_t i = 0; mr_stored_block_user_message(block, i, &message); i++)
        MR_TRY(add(g, &(edge){.from = message.from,
                              .to = message.to,
                              .kind = message.is_reply     ? "reply"
                                      : message.until != 0 ? "letter"
                                                           : "message",
                              .to_user = true,
                              .count = 1,
                              .value = message.value}));
    return MR_OK;
}

/* Puts edges of the same ends and kind together. */
static void merge(graph *g)
{
    edge *edges = (edge *)(void *)g->edges.data;
    const size_t count = g->edges.size / sizeof *edges;
    size_t kept = 0;
    if (count == 0)
        return;
    qsort(edges, count, sizeof *edges, compare);
    for (size_t i = 1; i < count; i++) {
        if (compare(&edges[kept], &edges[i]) != 0) {
            edges[++kept] = edges[i];
            continue;
        }
        edges[kept].count += edges[i].count;
        edges[kept].gas += edges[i].gas;
        edges[kept].value += edges[i].value;
    }
    g->edges.size = (kept + 1) * sizeof *edges;
}

/* ---- Nodes ---- */

static int compare_id(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(mr_id));
}

/* Both ends of all edges, each once, ascending. */
static mr_status list_nodes(const graph *g, mr_buffer *out)
{
    const edge *edges = (const edge *)(void *)g->edges.data;
    for (size_t i = 0; i < g->edges.size / sizeof *edges; i++) {
        MR_TRY(mr_buffer_append(out, mr_span_of(&edges[i].from, sizeof edges[i].from)));
        MR_TRY(mr_buffer_append(out, mr_span_of(&edges[i].to, sizeof edges[i].to)));
    }
    mr_id *ids = (mr_id *)(void *)out->data;
    const size_t count = out->size / sizeof *ids;
    size_t kept = 0;
    if (count == 0)
        return MR_OK;
    qsort(ids, count, sizeof *ids, compare_id);
    for (size_t i = 1; i < count; i++)
        if (compare_id(&ids[kept], &ids[i]) != 0)
            ids[++kept] = ids[i];
    out->size = (kept + 1) * sizeof *ids;
    return MR_OK;
}

static const char *kind_of(const graph *g, const mr_id *id)
{
    mr_program_info info;
    if (mr_engine_program(g->in->engine, id, &info) == MR_OK)
        return "program";
    return strcmp(mr_names_brief(NULL, id).text, "system") == 0 ? "system" : "user";
}

/* ---- Printing ---- */

static void print_dot(const graph *g, const mr_buffer *nodes)
{
    (void)printf("digraph \"block %" PRIu64 "\" {\n  rankdir=LR;\n", g->height);
    const mr_id *ids = (const mr_id *)(void *)nodes->data;
    for (size_t i = 0; i < nodes->size / sizeof *ids; i++)
        (void)printf("  \"%s\" [label=\"%s\", shape=%s];\n", mr_id_print(&ids[i]).text,
                     mr_names_brief(NULL, &ids[i]).text,
                     strcmp(kind_of(g, &ids[i]), "program") == 0 ? "box" : "ellipse");
    const edge *edges = (const edge *)(void *)g->edges.data;
    for (size_t i = 0; i < g->edges.size / sizeof *edges; i++) {
        const edge *e = &edges[i];
        (void)printf("  \"%s\" -> \"%s\" [label=\"%" PRIu64 " %s", mr_id_print(&e->from).text,
                     mr_id_print(&e->to).text, e->count, e->kind);
        if (!e->to_user)
            (void)printf("\\ngas %s", mr_count_print(e->gas).text);
        if (e->value > 0)
            (void)printf("\\nvalue %s", mr_value_print(e->value).text);
        (void)printf("\"%s];\n", e->to_user ? ", style=dashed" : "");
    }
    (void)printf("}\n");
}

static void print_text(const graph *g, const mr_buffer *nodes)
{
    mr_inspect *in = g->in;
    const mr_id *ids = (const mr_id *)(void *)nodes->data;
    for (size_t i = 0; i < nodes->size / sizeof *ids; i++)
        if (mr_inspect_next(in))
            (void)printf("%-7s  %s\n", kind_of(g, &ids[i]), mr_id_print(&ids[i]).text);
    const edge *edges = (const edge *)(void *)g->edges.data;
    for (size_t i = 0; i < g->edges.size / sizeof *edges; i++) {
        const edge *e = &edges[i];
        if (!mr_inspect_next(in))
            continue;
        (void)printf("%s -> %s  %s %s", mr_id_print(&e->from).text, mr_id_print(&e->to).text,
                     mr_count_print(e->count).text, e->kind);
        if (!e->to_user)
            (void)printf(", gas %s", mr_count_print(e->gas).text);
        if (e->value > 0)
            (void)printf(", value %s", mr_value_print(e->value).text);
        (void)fputc('\n', stdout);
    }
    if (in->seen > in->lines_max)
        (void)printf("... and %s more\n", mr_count_print(in->seen - in->lines_max).text);
    else if (in->seen == 0)
        (void)printf("no messages\n");
}

static mr_status print_json(const graph *g, const mr_buffer *nodes)
{
    json_t *list = json_array(), *arrows = json_array();
    bool fine = list != NULL && arrows != NULL;
    const mr_id *ids = (const mr_id *)(void *)nodes->data;
    for (size_t i = 0; fine && i < nodes->size / sizeof *ids; i++)
        fine = json_array_append_new(list, json_pack("{s:s, s:s}", "id", mr_id_print(&ids[i]).text,
                                                     "is", kind_of(g, &ids[i]))) == 0;
    const edge *edges = (const edge *)(void *)g->edges.data;
    for (size_t i = 0; fine && i < g->edges.size / sizeof *edges; i++) {
        const edge *e = &edges[i];
        /* clang-format off */
        fine = json_array_append_new(arrows, json_pack(
            "{s:s, s:s, s:s, s:b, s:o, s:o, s:o}",
            "from", mr_id_print(&e->from).text,
            "to", mr_id_print(&e->to).text,
            "kind", e->kind,
            "to_user", (int)e->to_user,
            "count", mr_json_u64(e->count),
            "gas", mr_json_u64(e->gas),
            "value", mr_json_value(e->value))) == 0;
        /* clang-format on */
    }
    if (!fine) {
        json_decref(list);
        json_decref(arrows);
        return mr_json_print(NULL, g->in->error);
    }
    return mr_json_print(json_pack("{s:o, s:o, s:o}", "block", mr_json_u64(g->height), "nodes",
                                   list, "edges", arrows),
                         g->in->error);
}

mr_status mr_inspect_graph(mr_inspect *in)
{
    __attribute__((cleanup(graph_fini))) graph g = {.in = in};
    __attribute__((cleanup(free_stored))) mr_stored_block *block = NULL;
    __attribute__((cleanup(mr_buffer_fini))) mr_buffer nodes = {0};
    MR_TRY(mr_inspect_height(in, &g.height));
    MR_TRY(mr_engine_block(in->engine, g.height, &block, in->error));
    mr_status status = collect(&g, block);
    merge(&g);
    if (status == MR_OK)
        status = list_nodes(&g, &nodes);
    if (status != MR_OK)
        return MR_FAIL(in->error, status, "out of memory");
    if (in->json)
        return print_json(&g, &nodes);
    if (in->dot)
        print_dot(&g, &nodes);
    else
        print_text(&g, &nodes);
    return MR_OK;
}
