/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/millrace/route.h"

#include <inttypes.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "tools/millrace/trace.h"
#include "tools/millrace/way.h"

enum { SWEEP_BLOCKS = 64 /* how often letters that nobody will answer are looked for */ };

/* ---- What is remembered ---- */

/* A message that has not ended yet. */
typedef struct pending {
    mr_id message;
    mr_way *way; /* to the dispatch that sent it, or to the one in which it waits; or NULL */
    uint32_t transaction; /* the one that sent it, or MR_NODE_NONE; */
    uint64_t height;      /* that is of the block of this height, */
    bool claims;          /* and may be a claim */
    bool letter;          /* it is in a mailbox: not it, but a reply to it will run */
    uint32_t until;       /* height at which a letter expires */
} pending;

static int compare(const void *a, const void *b)
{
    return memcmp(&((const pending *)a)->message, &((const pending *)b)->message, sizeof(mr_id));
}

static void free_pending(void *of)
{
    pending *p = of;
    mr_way_put(p->way);
    free(p);
}

static pending *find(void *const *tree, const mr_id *message)
{
    const pending key = {.message = *message};
    void *found = tfind(&key, tree, compare);
    return found == NULL ? NULL : *(pending *const *)found;
}

static void forget(void **tree, pending *p)
{
    if (p == NULL)
        return;
    (void)tdelete(p, tree, compare);
    free_pending(p);
}

/* One that is there already is left as it is. */
static mr_status remember(void **tree, const pending *what)
{
    if (find(tree, &what->message) != NULL)
        return MR_OK;
    pending *made = malloc(sizeof *made);
    if (made == NULL)
        return MR_NO_MEMORY;
    *made = *what;
    if (tsearch(made, tree, compare) == NULL) {
        free(made);
        return MR_NO_MEMORY;
    }
    if (made->way != NULL)
        made->way->users++;
    return MR_OK;
}

void mr_routes_fini(mr_routes *routes)
{
    tdestroy(routes->waiting, free_pending);
    tdestroy(routes->coming, free_pending);
    routes->waiting = routes->coming = NULL;
}

bool mr_routes_remember_any(const mr_routes *routes)
{
    return routes->waiting != NULL || routes->coming != NULL;
}

static pending *letter_of(const mr_routes *routes, const mr_node *node)
{
    if (node->receipt.kind != MR_KIND_REPLY || node->parent != MR_NODE_NONE)
        return NULL;
    pending *p = find(&routes->coming, &node->trace.reply_to);
    return p != NULL && p->letter ? p : NULL;
}

mr_gas_giver mr_routes_giver(const mr_routes *routes, const mr_node *node)
{
    const pending *p = find(&routes->coming, &node->receipt.message);
    if (node->parent != MR_NODE_NONE)
        return MR_GIVER_MESSAGE;
    if (node->transaction != MR_NODE_NONE)
        return node->claims ? MR_GIVER_LETTER : MR_GIVER_USER;
    if (p != NULL && p->transaction != MR_NODE_NONE)
        return p->claims ? MR_GIVER_LETTER : MR_GIVER_USER;
    return letter_of(routes, node) != NULL ? MR_GIVER_LETTER : MR_GIVER_MESSAGE;
}

/* ---- Making a way ---- */

/* `out` has room for `size` bytes. */
static void print_transaction(uint32_t number, uint64_t height, bool claims, char *out, size_t size)
{
    (void)snprintf(out, size, ", transaction %" PRIu32 " of block %" PRIu64 "%s", number + 1,
                   height, claims ? ", which claims the letter" : "");
}

/* What caused a dispatch of this block that no other one of it did. */
static void print_cause(const mr_routes *routes, const mr_node *node, uint64_t height, char *out,
                        size_t size)
{
    const pending *p = find(&routes->coming, &node->receipt.message);
    if (node->transaction != MR_NODE_NONE) {
        print_transaction(node->transaction, height, node->claims, out, size);
        return;
    }
    out[0] = '\0';
    if (p != NULL && p->transaction != MR_NODE_NONE)
        print_transaction(p->transaction, p->height, p->claims, out, size);
    else if (p == NULL && letter_of(routes, node) != NULL)
        (void)snprintf(out, size, ", as the letter expired");
    else if (p == NULL)
        (void)snprintf(out, size, ", sent in an earlier block that is not on record");
    const size_t at = strlen(out);
    (void)snprintf(out + at, size - at, ", run in block %" PRIu64, height);
}

/* The step of node `i` on the way that ends with node `end`. */
static mr_status add_step(const mr_routes *routes, const mr_forest *forest, uint32_t i,
                          uint32_t end, uint64_t height, mr_way *out)
{
    const mr_node *node = &forest->nodes[i];
    char cause[128] = "", line[640];
    if (node->trace.waited)
        (void)snprintf(cause, sizeof cause, ", %s in block %" PRIu64,
                       node->receipt.outcome == MR_OUTCOME_REMOVED ? "removed"
                       : node->parent != MR_NODE_NONE              ? "woken"
                                                                   : "goes on",
                       height);
    else if (node->parent == MR_NODE_NONE)
        print_cause(routes, node, height, cause, sizeof cause);
    const bool told = i == end && mr_node_failed(node); /* how it failed stands above the path */
    (void)snprintf(line, sizeof line, "%s%s%s%s\n", mr_node_print(routes->names, node).text, cause,
                   told ? "" : ": ", told ? "" : mr_outcome_name(node->receipt.outcome));
    return mr_way_add_line(out, mr_span_text(line));
}

static const mr_way *way_of_waiting(const mr_routes *routes, const mr_node *node)
{
    const pending *p = node->trace.waited ? find(&routes->waiting, &node->receipt.message) : NULL;
    return p == NULL ? NULL : p->way;
}

/* What came before this block. */
static mr_status add_earlier(const mr_routes *routes, const mr_node *root, mr_way *out)
{
    if (root->trace.waited)
        return mr_way_add(out, way_of_waiting(routes, root));
    const pending *letter = letter_of(routes, root);
    if (letter == NULL) {
        const pending *p = find(&routes->coming, &root->receipt.message);
        return mr_way_add(out, p == NULL ? NULL : p->way);
    }
    char line[160];
    (void)snprintf(line, sizeof line, "letter %s -> %s\n",
                   mr_names_brief(routes->names, &root->receipt.program).text,
                   mr_names_brief(routes->names, &root->receipt.source).text);
    MR_TRY(mr_way_add(out, letter->way));
    return mr_way_add_line(out, mr_span_text(line));
}

static mr_status make_way(const mr_routes *routes, const mr_forest *forest, uint32_t end,
                          uint64_t height, mr_way *out)
{
    const mr_node *nodes = forest->nodes;
    const mr_node *root = &nodes[nodes[end].root];
    MR_TRY(add_earlier(routes, root, out));
    if (root != &nodes[end] && nodes[end].earlier == MR_NODE_NONE)
        MR_TRY(mr_way_add(out, way_of_waiting(routes, &nodes[end])));
    /* The first and last steps of this block, the last of all first. */
    uint32_t steps[2 * MR_WAY_HALF], kept = 0;
    uint64_t count = 0, at = 0;
    for (uint32_t i = end; i != MR_NODE_NONE; i = nodes[i].parent)
        count++;
    for (uint32_t i = end; i != MR_NODE_NONE; i = nodes[i].parent, at++)
        if (count <= 2 * MR_WAY_HALF || at < MR_WAY_HALF || count - at <= MR_WAY_HALF)
            steps[kept++] = i;
    for (uint32_t i = kept; i > 0; i--) {
        MR_TRY(add_step(routes, forest, steps[i - 1], end, height, out));
        if (count > 2 * MR_WAY_HALF && i - 1 == MR_WAY_HALF)
            out->left_out += count - 2 * MR_WAY_HALF;
    }
    return MR_OK;
}

mr_status mr_routes_make(const mr_routes *routes, const mr_forest *forest, uint32_t end,
                         uint64_t height, mr_buffer *out)
{
    __attribute__((cleanup(mr_way_fini))) mr_way made = {0};
    MR_TRY(make_way(routes, forest, end, height, &made));
    return mr_way_print(&made, out);
}

/* ---- Taking a block ---- */

static mr_status remember_letters(mr_routes *routes, const mr_node *node, const mr_block_view *view,
                                  pending *what)
{
    mr_user_message message;
    for (uint32_t i = 0; node->letters > 0 && i < node->users_count; i++) {
        if (!mr_view_user_message(view, node->users_first + i, &message))
            break;
        if (message.until == 0)
            continue;
        what->message = message.id;
        what->letter = true;
        what->until = message.until;
        MR_TRY(remember(&routes->coming, what));
    }
    return MR_OK;
}

static mr_status remember_sent(mr_routes *routes, const mr_forest *forest, const mr_node *node,
                               pending *what)
{
    for (uint32_t i = 0; node->later > 0 && i < node->trace.sent_count; i++) {
        what->message = node->trace.sent[i];
        if (mr_forest_find(forest, &what->message) == MR_NODE_NONE)
            MR_TRY(remember(&routes->coming, what));
    }
    return MR_OK;
}

/* What a dispatch leaves for later blocks. */
static mr_status remember_of(mr_routes *routes, const mr_forest *forest, uint32_t i,
                             const mr_block_view *view)
{
    const mr_node *node = &forest->nodes[i];
    const bool waits = node->receipt.outcome == MR_OUTCOME_WAITING;
    if (!waits && node->later == 0 && node->letters == 0)
        return MR_OK;
    mr_way *made = calloc(1, sizeof *made);
    if (made == NULL)
        return MR_NO_MEMORY;
    made->users = 1;
    mr_status status = make_way(routes, forest, i, view->info.height, made);
    pending what = {.message = node->receipt.message, .way = made, .transaction = MR_NODE_NONE};
    if (status == MR_OK && waits) /* however often it goes on, as it came to wait at first */
        status = remember(&routes->waiting, &what);
    if (status == MR_OK)
        status = remember_sent(routes, forest, node, &what);
    if (status == MR_OK)
        status = remember_letters(routes, node, view, &what);
    mr_way_put(made);
    return status;
}

/* Messages of transactions that are left in the queue. */
static mr_status remember_queued(mr_routes *routes, const mr_forest *forest,
                                 const mr_block_view *view)
{
    pending what = {.height = view->info.height};
    for (uint64_t t = 0; view->info.queue_count > 0 && t < forest->transactions_count; t++) {
        if (forest->of_transaction[t] != MR_NODE_NONE ||
            !mr_forest_message(view->block, forest->transactions, t, &what.message))
            continue;
        what.transaction = (uint32_t)t;
        what.claims = forest->transactions[t].kind == MR_TRANSACTION_CLAIM;
        MR_TRY(remember(&routes->coming, &what));
    }
    return MR_OK;
}

/* Delayed messages that have reached a user are letters now, or are over. */
static void follow_to_users(mr_routes *routes, const mr_block_view *view)
{
    mr_user_message message;
    for (uint64_t i = 0; i < view->info.agenda_messages_count; i++) {
        pending *p =
            mr_view_user_message(view, i, &message) ? find(&routes->coming, &message.id) : NULL;
        if (p != NULL && message.until != 0) {
            p->letter = true;
            p->until = message.until;
        } else {
            forget(&routes->coming, p);
        }
    }
}

static void forget_done(mr_routes *routes, const mr_node *node)
{
    forget(&routes->coming, letter_of(routes, node));
    forget(&routes->coming, find(&routes->coming, &node->receipt.message));
    if (node->trace.waited && node->receipt.outcome != MR_OUTCOME_WAITING)
        forget(&routes->waiting, find(&routes->waiting, &node->receipt.message));
}

typedef struct sweep {
    uint64_t height;
    mr_buffer found;
    mr_status status;
} sweep;

static void look_for_dead(const void *at, VISIT visit, void *arg)
{
    sweep *s = arg;
    pending *p = *(pending *const *)at;
    if ((visit != postorder && visit != leaf) || s->status != MR_OK)
        return;
    if (p->letter ? p->until <= s->height : p->transaction != MR_NODE_NONE)
        s->status = mr_buffer_append(&s->found, mr_span_of(&p, sizeof p));
}

/* With an empty queue, nothing will answer a letter whose time is over, and nothing of transactions
 * is to come. */
static mr_status forget_dead(mr_routes *routes, uint64_t height)
{
    sweep s = {.height = height};
    twalk_r(routes->coming, look_for_dead, &s);
    for (size_t at = 0; at < s.found.size; at += sizeof(pending *)) {
        pending *dead;
        memcpy(&dead, s.found.data + at, sizeof dead);
        forget(&routes->coming, dead);
    }
    mr_buffer_fini(&s.found);
    return s.status;
}

mr_status mr_routes_take(mr_routes *routes, const mr_forest *forest, const mr_block_view *view)
{
    for (uint32_t i = 0; i < forest->count; i++)
        MR_TRY(remember_of(routes, forest, i, view));
    MR_TRY(remember_queued(routes, forest, view));
    for (uint32_t i = 0; mr_routes_remember_any(routes) && i < forest->count; i++)
        forget_done(routes, &forest->nodes[i]);
    follow_to_users(routes, view);
    if (view->info.height % SWEEP_BLOCKS == 0 && view->info.queue_count == 0)
        return forget_dead(routes, view->info.height);
    return MR_OK;
}
