/* SPDX-License-Identifier: Apache-2.0 */
/* Which functions must count their height, and how much.
 *
 * The call graph has a node for every function of the module and one for every type that is called
 * indirectly, which calls all functions of that type in the table. A function is dynamic if it lies
 * on a cycle. The height of the stack is then at most
 *
 *     above  the deepest chain of static functions from an entry to a dynamic one
 *   + push   for every dynamic function running: its own frame and the deepest chain of static
 *            functions that leads from it to the next dynamic one
 *   + below  at the last of them: the deepest chain of static functions from there
 *
 * `above` is taken off the limit once; a function checks on entry that its own frame and the
 * deepest chain of any kind below it still fit. Chains that do not lead on are so counted once and
 * not at every level of a recursion. */
#include "vm/rewrite.h"

#include <stdlib.h>

#include "vm/module_ops.h"

enum { NONE = UINT32_MAX };

typedef struct node {
    uint32_t first_edge; /* into edges, to the next node's first */
    uint32_t order;      /* of the depth-first search, from 1; 0 not visited */
    uint32_t low;        /* lowest order reached */
    uint32_t component;  /* from 0, callees first; NONE while open */
    uint32_t next_edge;  /* of the search */
    bool is_cyclic;      /* on a cycle */
    bool leads_on;       /* some static chain below reaches a dynamic function */
    uint64_t own;        /* values */
    uint64_t leaf;       /* deepest static chain below */
    uint64_t link;       /* deepest static chain below that reaches a dynamic function */
} node;

typedef struct graph {
    const mr_module *module;
    mr_arena arena;
    node *nodes; /* functions, then types, then one more to end the edges */
    uint32_t functions_count;
    uint32_t nodes_count;
    uint32_t *edges;
    uint32_t edges_count;
    uint32_t *classes;  /* of types: the first type that equals each */
    uint32_t *finished; /* nodes, callees first */
    uint32_t finished_count;
} graph;

static int compare_types(const void *a, const void *b, void *arg)
{
    const mr_func_type *types = arg;
    const mr_func_type *left = &types[*(const uint32_t *)a], *right = &types[*(const uint32_t *)b];
    if (left->params_count != right->params_count)
        return left->params_count < right->params_count ? -1 : 1;
    if (left->result != right->result)
        return left->result < right->result ? -1 : 1;
    int order = memcmp(left->params, right->params, left->params_count);
    if (order != 0)
        return order;
    return left < right ? -1 : left > right;
}

/* Types that look alike are one type to call_indirect. */
static bool find_classes(graph *g)
{
    uint32_t count = g->module->types_count;
    uint32_t *sorted = mr_scratch(&g->arena, count, sizeof *sorted);
    g->classes = mr_scratch(&g->arena, count, sizeof *g->classes);
    if (sorted == NULL || g->classes == NULL)
        return false;
    for (uint32_t i = 0; i < count; i++)
        sorted[i] = i;
    qsort_r(sorted, count, sizeof *sorted, compare_types, g->module->types);
    for (uint32_t i = 0; i < count; i++) {
        bool is_same = i > 0 && mr_func_type_equal(&g->module->types[sorted[i - 1]],
                                                   &g->module->types[sorted[i]]);
        g->classes[sorted[i]] = is_same ? g->classes[sorted[i - 1]] : sorted[i];
    }
    return true;
}

/* Calls `each` for every edge from `from`; an edge may come more than once. */
static void function_edges(const graph *g, uint32_t from,
                           void (*each)(void *arg, uint32_t from, uint32_t to), void *arg)
{
    const mr_module *module = g->module;
    const mr_function *function = &module->functions[from];
    for (uint32_t i = 0; i < function->body_count; i++) {
        const mr_instr *instr = &function->body[i];
        if (instr->op == MR_OP_CALL && instr->a >= module->imports_count)
            each(arg, from, instr->a - module->imports_count);
        else if (instr->op == MR_OP_CALL_INDIRECT)
            each(arg, from, g->functions_count + g->classes[instr->a]);
    }
}

static void each_edge(const graph *g, void (*each)(void *arg, uint32_t from, uint32_t to),
                      void *arg)
{
    const mr_module *module = g->module;
    for (uint32_t i = 0; i < g->functions_count; i++)
        function_edges(g, i, each, arg);
    for (uint32_t i = 0; i < module->elems_count; i++) {
        for (uint32_t k = 0; k < module->elems[i].count; k++) {
            uint32_t callee = module->elems[i].functions[k];
            if (callee < module->imports_count)
                continue;
            callee -= module->imports_count;
            uint32_t type = module->functions[callee].type;
            each(arg, g->functions_count + g->classes[type], callee);
        }
    }
}

static void count_edge(void *arg, uint32_t from, uint32_t to)
{
    graph *g = arg;
    (void)to;
    g->nodes[from].next_edge++;
    g->edges_count++;
}

static void put_edge(void *arg, uint32_t from, uint32_t to)
{
    graph *g = arg;
    g->edges[g->nodes[from].next_edge++] = to;
}

static bool build(graph *g, const uint32_t *frames)
{
    g->functions_count = g->module->functions_count;
    g->nodes_count = g->functions_count + g->module->types_count;
    g->nodes = mr_scratch(&g->arena, (size_t)g->nodes_count + 1, sizeof *g->nodes);
    g->finished = mr_scratch(&g->arena, g->nodes_count, sizeof *g->finished);
    if (g->nodes == NULL || g->finished == NULL || !find_classes(g))
        return false;
    each_edge(g, count_edge, g);
    g->edges = mr_scratch(&g->arena, g->edges_count, sizeof *g->edges);
    if (g->edges == NULL)
        return false;
    uint32_t at = 0;
    for (uint32_t i = 0; i <= g->nodes_count; i++) {
        node *n = &g->nodes[i];
        uint32_t count = n->next_edge;
        n->first_edge = at;
        n->next_edge = at;
        n->component = NONE;
        n->own = i < g->functions_count ? frames[i] : 0;
        at += count;
    }
    each_edge(g, put_edge, g);
    for (uint32_t i = 0; i < g->nodes_count; i++)
        g->nodes[i].next_edge = g->nodes[i].first_edge;
    return true;
}

/* Everything on `open` from `root` on is one strongly connected component. */
static void close_component(graph *g, uint32_t *open, uint32_t *open_count, uint32_t root,
                            uint32_t component)
{
    uint32_t size = 0, member;
    do {
        member = open[--*open_count];
        g->nodes[member].component = component;
        g->finished[g->finished_count++] = member;
        size++;
    } while (member != root);
    for (uint32_t i = g->finished_count - size; i < g->finished_count; i++) {
        node *n = &g->nodes[g->finished[i]];
        n->is_cyclic = size > 1;
        for (uint32_t e = n->first_edge; e < n[1].first_edge; e++)
            n->is_cyclic |= g->edges[e] == g->finished[i];
    }
}

/* Tarjan's strongly connected components, with a path in place of recursion. */
static bool find_components(graph *g)
{
    uint32_t *path = mr_scratch(&g->arena, g->nodes_count, sizeof *path);
    uint32_t *open = mr_scratch(&g->arena, g->nodes_count, sizeof *open);
    if (path == NULL || open == NULL)
        return false;
    uint32_t order = 0, component = 0, open_count = 0;
    for (uint32_t start = 0; start < g->nodes_count; start++) {
        if (g->nodes[start].order != 0)
            continue;
        uint32_t depth = 0;
        path[depth++] = start;
        while (depth > 0) {
            uint32_t at = path[depth - 1];
            node *n = &g->nodes[at];
            if (n->order == 0) {
                n->order = n->low = ++order;
                open[open_count++] = at;
            }
            if (n->next_edge < n[1].first_edge) {
                uint32_t to = g->edges[n->next_edge++];
                if (g->nodes[to].order == 0)
                    path[depth++] = to;
                else if (g->nodes[to].component == NONE && g->nodes[to].order < n->low)
                    n->low = g->nodes[to].order;
                continue;
            }
            if (n->low == n->order)
                close_component(g, open, &open_count, at, component++);
            depth--;
            if (depth > 0 && n->low < g->nodes[path[depth - 1]].low)
                g->nodes[path[depth - 1]].low = n->low;
        }
    }
    return true;
}

static bool is_function(const graph *g, uint32_t at)
{
    return at < g->functions_count;
}

/* Takes the chains of what `at` calls; those are known, or dynamic functions, which end chains. */
static void measure(graph *g, uint32_t at)
{
    node *n = &g->nodes[at];
    for (uint32_t e = n->first_edge; e < n[1].first_edge; e++) {
        const node *to = &g->nodes[g->edges[e]];
        if (is_function(g, g->edges[e]) && to->is_cyclic) {
            n->leads_on = true;
            continue;
        }
        uint64_t leaf = to->own + to->leaf;
        if (leaf > n->leaf)
            n->leaf = leaf;
        if (to->leads_on) {
            n->leads_on = true;
            if (to->own + to->link > n->link)
                n->link = to->own + to->link;
        }
    }
}

static void measure_all(graph *g)
{
    for (uint32_t i = 0; i < g->finished_count;) {
        uint32_t component = g->nodes[g->finished[i]].component;
        uint32_t end = i;
        while (end < g->finished_count && g->nodes[g->finished[end]].component == component)
            end++;
        /* Types first: within a cycle they call dynamic functions only, and those call them. */
        for (uint32_t k = i; k < end; k++) {
            if (!is_function(g, g->finished[k]))
                measure(g, g->finished[k]);
        }
        for (uint32_t k = i; k < end; k++) {
            if (is_function(g, g->finished[k]))
                measure(g, g->finished[k]);
        }
        i = end;
    }
}

static mr_status too_high(const graph *g, uint32_t function, uint64_t height,
                          const mr_code_prices *prices, mr_error *error)
{
    char where[MR_WHERE_BYTES];
    return MR_FAIL(
        error, MR_MODULE,
        "%s and what it calls take %llu values of stack without any recursion, more than "
        "the limit of %u",
        mr_module_where(g->module, g->module->imports_count + function, where),
        (unsigned long long)height, prices->stack_height_max);
}

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static bool is_entry(const mr_module_rules *rules, const mr_export *export)
{
    for (uint32_t i = 0; i < rules->entries_count; i++) {
        if (export->kind == MR_EXTERN_FUNCTION &&
            mr_span_equal(export->name, mr_span_text(rules->entries[i])))
            return true;
    }
    return false;
}

/* The deepest static chain from an entry to a dynamic function, 0 when no entry leads to one. */
static mr_status measure_entries(const graph *g, const mr_module_rules *rules,
                                 const mr_code_prices *prices, uint64_t *above, mr_error *error)
{
    const mr_module *module = g->module;
    *above = 0;
    for (uint32_t i = 0; i < module->exports_count; i++) {
        if (!is_entry(rules, &module->exports[i]))
            continue;
        uint32_t function = module->exports[i].index - module->imports_count;
        const node *n = &g->nodes[function];
        if (n->is_cyclic)
            continue;
        uint64_t deepest = n->own + larger(n->leaf, n->link);
        if (deepest > prices->stack_height_max)
            return too_high(g, function, deepest, prices, error);
        if (n->leads_on)
            *above = larger(*above, n->own + n->link);
    }
    return MR_OK;
}

static mr_status set_costs(const graph *g, const mr_code_prices *prices, uint64_t above,
                           mr_stack_cost *costs, mr_error *error)
{
    for (uint32_t i = 0; i < g->functions_count; i++) {
        const node *n = &g->nodes[i];
        costs[i] = (mr_stack_cost){.is_dynamic = n->is_cyclic};
        if (!n->is_cyclic)
            continue;
        uint64_t needed = n->own + larger(n->leaf, n->link);
        if (needed + above > prices->stack_height_max)
            return too_high(g, i, needed + above, prices, error);
        costs[i].push = (uint32_t)(n->own + n->link);
        costs[i].highest = (uint32_t)(prices->stack_height_max - above - needed);
    }
    return MR_OK;
}

static mr_status plan(graph *g, const mr_module_rules *rules, const mr_code_prices *prices,
                      const uint32_t *frames, mr_stack_cost *costs, mr_error *error)
{
    if (!build(g, frames) || !find_components(g))
        return MR_FAIL(error, MR_NO_MEMORY, "out of memory for a module");
    measure_all(g);
    uint64_t above = 0;
    MR_TRY(measure_entries(g, rules, prices, &above, error));
    return set_costs(g, prices, above, costs, error);
}

mr_status mr_plan_stack(const mr_module *module, const mr_module_rules *rules,
                        const mr_code_prices *prices, const uint32_t *frames, mr_stack_cost *costs,
                        mr_error *error)
{
    graph g = {.module = module};
    mr_status status = plan(&g, rules, prices, frames, costs, error);
    mr_arena_fini(&g.arena);
    return status;
}
