/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/millrace/trace.h"

#include <inttypes.h>
#include <string.h>

#include "tools/millrace/number.h"

enum { DEPTH_SHOWN = 32 /* trees go deeper; from here on they are not indented any more */ };

/* What a line has room for: fewer bytes when each takes two digits. */
static mr_span cut(mr_span payload)
{
    enum { TEXT_SHOWN = 48, HEX_SHOWN = 20 };
    const mr_span text = mr_bytes_begin(payload, TEXT_SHOWN);
    if (text.size <= HEX_SHOWN || mr_bytes_print(text).text[0] == '"')
        return text;
    return mr_span_of(payload.data, HEX_SHOWN);
}

mr_node_text mr_node_print(const mr_names *names, const mr_node *node)
{
    const mr_receipt *receipt = &node->receipt;
    const mr_trace *trace = &node->trace;
    mr_node_text out;
    int used = snprintf(out.text, sizeof out.text, "%s %s -> %s", mr_kind_name(receipt->kind),
                        mr_names_brief(names, &receipt->source).text,
                        mr_names_brief(names, &receipt->program).text);
    size_t at = used > 0 ? (size_t)used : 0;
    if (receipt->kind == MR_KIND_SIGNAL)
        at += (size_t)snprintf(out.text + at, sizeof out.text - at, " %" PRIu32, trace->signal);
    if (receipt->kind == MR_KIND_REPLY && memcmp(trace->code, "\0\1\0\0", 4) != 0) {
        char code[9];
        mr_hex_print(mr_span_of(trace->code, sizeof trace->code), code);
        at += (size_t)snprintf(out.text + at, sizeof out.text - at, " %s", code);
    }
    if (trace->payload_bytes > 0) {
        const mr_span shown = cut(trace->payload);
        at += (size_t)snprintf(out.text + at, sizeof out.text - at, " %s",
                               mr_bytes_print(shown).text);
        if (shown.size < trace->payload_bytes)
            at += (size_t)snprintf(out.text + at, sizeof out.text - at, "... %" PRIu64 " bytes",
                                   trace->payload_bytes);
    }
    if (trace->value > 0 && !trace->waited)
        (void)snprintf(out.text + at, sizeof out.text - at, ", value %s",
                       mr_value_print(trace->value).text);
    return out;
}

/* ---- The agenda ---- */

typedef struct due_walk {
    mr_buffer *out;
    uint64_t height;
    bool failed;
} due_walk;

static bool visit_due(void *arg, const mr_task_info *task)
{
    due_walk *walk = arg;
    if (task->height != walk->height)
        return false;
    mr_task_info copy = *task;
    copy.payload = (mr_span){0};
    walk->failed = mr_buffer_append(walk->out, mr_span_of(&copy, sizeof copy)) != MR_OK;
    return !walk->failed;
}

mr_status mr_trace_due(mr_engine *engine, uint64_t height, mr_buffer *out)
{
    if (height >= MR_HEIGHT_NEVER)
        return MR_OK;
    due_walk walk = {.out = out, .height = height};
    MR_TRY(mr_engine_tasks(engine, (uint32_t)height, visit_due, &walk));
    return walk.failed ? MR_NO_MEMORY : MR_OK;
}

static bool same(const mr_id *a, const mr_id *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

static const char *what_is_due(const mr_task_info *task)
{
    switch (task->task) {
    case MR_TASK_END_WAIT:
        return "the waiting ends of";
    case MR_TASK_WAKE:
        return "wakes, if it waits,";
    case MR_TASK_SEND:
        return "sends";
    case MR_TASK_LETTER:
        return "a letter expires:";
    case MR_TASK_RESERVATION:
        return "a reservation ends:";
    }
    return "does something with";
}

static void print_due(FILE *out, const mr_trace_view *trace)
{
    const mr_names *names = trace->view->names;
    for (size_t i = 0; i < trace->due_count && i < trace->lines_max; i++) {
        const mr_task_info *task = &trace->due[i];
        (void)fprintf(out, "  agenda: %s %s", what_is_due(task),
                      mr_names_brief(NULL, &task->subject).text);
        if (task->task == MR_TASK_SEND)
            (void)fprintf(out, " %s -> %s, gas %s\n", mr_names_brief(names, &task->source).text,
                          mr_names_brief(names, &task->owner).text,
                          mr_count_print(task->gas_limit).text);
        else
            (void)fprintf(out, " of %s\n", mr_names_brief(names, &task->owner).text);
    }
    if (trace->due_count > trace->lines_max)
        (void)fprintf(out, "  ... and %s more of the agenda\n",
                      mr_count_print(trace->due_count - trace->lines_max).text);
}

/* Whether the agenda has a task of that kind for the subject. */
static bool is_due(const mr_trace_view *trace, mr_task_kind kind, const mr_id *subject)
{
    for (size_t i = 0; i < trace->due_count; i++)
        if (trace->due[i].task == kind && same(&trace->due[i].subject, subject))
            return true;
    return false;
}

/* Why a node is a root. `out` has room for 40 bytes. */
static const char *print_origin(const mr_trace_view *trace, const mr_node *node, char *out)
{
    if (node->transaction != MR_NODE_NONE)
        (void)snprintf(out, 40, "transaction %" PRIu32 ": ", node->transaction + 1);
    else
        (void)snprintf(out, 40, "%s",
                       node->trace.waited                                     ? "after waiting: "
                       : is_due(trace, MR_TASK_SEND, &node->receipt.message)  ? "delayed: "
                       : is_due(trace, MR_TASK_LETTER, &node->trace.reply_to) ? "for a letter: "
                                                                              : "from the queue: ");
    return out;
}

/* ---- Text ---- */

typedef struct printer {
    FILE *out;
    const mr_trace_view *trace;
    uint64_t shown;
    uint32_t depth;         /* of the node at hand; 0 is a root */
    bool last[DEPTH_SHOWN]; /* whether nothing follows the node of this level, from 1 */
} printer;

/* The lines of the levels above, and the branch to the entry itself. */
static void print_branch(const printer *p, uint32_t depth, bool is_last)
{
    (void)fputs("  ", p->out);
    for (uint32_t level = 1; level < depth && level < DEPTH_SHOWN; level++)
        (void)fputs(p->last[level] ? "   " : "│  ", p->out);
    if (depth > 0)
        (void)fputs(is_last ? "└─ " : "├─ ", p->out);
    if (depth >= DEPTH_SHOWN)
        (void)fprintf(p->out, "(%" PRIu32 " deep) ", depth);
}

static void print_part(FILE *out, bool *first, const char *what, uint64_t gas)
{
    if (gas == 0)
        return;
    (void)fprintf(out, "%s %s %s", *first ? ":" : ",", what, mr_count_print(gas).text);
    *first = false;
}

static void print_gas(FILE *out, const mr_node *node)
{
    const mr_trace *trace = &node->trace;
    bool first = true;
    (void)fprintf(out, "; gas %s", mr_count_print(trace->gas_in).text);
    if (trace->gas_drawn > 0)
        (void)fprintf(out, " and %s drawn", mr_count_print(trace->gas_drawn).text);
    print_part(out, &first, "burned", node->receipt.gas_burned);
    print_part(out, &first, "sent on", trace->gas_sent);
    if (trace->gas_held > 0)
        print_part(out, &first, "kept", (uint64_t)trace->gas_held);
    print_part(out, &first, "rent", trace->gas_rent);
    print_part(out, &first, "home", trace->gas_home);
    print_part(out, &first, "refunded", trace->gas_refunded);
    if (trace->gas_held < 0)
        print_part(out, &first, "taken out of what was kept", -(uint64_t)trace->gas_held);
}

static void print_node(const printer *p, const mr_node *node, bool is_last)
{
    char origin[40] = "";
    if (p->depth == 0)
        (void)print_origin(p->trace, node, origin);
    else if (node->trace.waited)
        (void)snprintf(origin, sizeof origin, "woken: ");
    print_branch(p, p->depth, is_last);
    (void)fprintf(p->out, "%s%s: %s", origin, mr_node_print(p->trace->view->names, node).text,
                  mr_outcome_name(node->receipt.outcome));
    if (node->trace.until == MR_HEIGHT_NEVER)
        (void)fprintf(p->out, " for as long as it takes");
    else if (node->trace.until != 0)
        (void)fprintf(p->out, " until block %" PRIu32, node->trace.until);
    if (node->receipt.text.size > 0)
        (void)fprintf(p->out, ", %s", mr_bytes_print(node->receipt.text).text);
    print_gas(p->out, node);
    (void)fputc('\n', p->out);
}

static void print_user_message(const printer *p, const mr_user_message *message)
{
    (void)fprintf(p->out, "%s to %s",
                  message->is_reply     ? "reply"
                  : message->until != 0 ? "letter"
                                        : "message",
                  mr_names_brief(p->trace->view->names, &message->to).text);
    if (message->payload.size > 0)
        (void)fprintf(p->out, " %s", mr_bytes_print(message->payload).text);
    if (message->is_reply) {
        char code[9];
        mr_hex_print(mr_span_of(message->code, sizeof message->code), code);
        (void)fprintf(p->out, ", code %s", code);
    }
    if (message->until == MR_HEIGHT_NEVER)
        (void)fprintf(p->out, ", kept for ever");
    else if (message->until != 0)
        (void)fprintf(p->out, ", kept until block %" PRIu32, message->until);
    if (message->value > 0)
        (void)fprintf(p->out, ", value %s", mr_value_print(message->value).text);
    (void)fputc('\n', p->out);
}

/* What is behind a node and is no node: messages to users, and those of later blocks. */
static void print_leaves(printer *p, const mr_node *node)
{
    mr_user_message message;
    if (p->depth > 0 && p->depth < DEPTH_SHOWN)
        p->last[p->depth] = node->next == MR_NODE_NONE; /* set by the caller, too */
    for (uint32_t i = 0; i < node->users_count; i++) {
        if (!mr_view_user_message(p->trace->view, node->users_first + i, &message))
            break;
        print_branch(p, p->depth + 1,
                     i + 1 == node->users_count && node->later == 0 &&
                         node->first_child == MR_NODE_NONE);
        print_user_message(p, &message);
    }
    if (node->later == 0)
        return;
    print_branch(p, p->depth + 1, node->first_child == MR_NODE_NONE);
    (void)fprintf(p->out, "%" PRIu32 " message%s for later block%s\n", node->later,
                  mr_plural(node->later), mr_plural(node->later));
}

static void print_tree(printer *p, uint32_t root)
{
    const mr_node *nodes = p->trace->forest->nodes;
    uint32_t at = root;
    p->depth = 0;
    for (;;) {
        const mr_node *node = &nodes[at];
        const bool is_last = node->next == MR_NODE_NONE;
        if (p->shown < p->trace->lines_max) {
            print_node(p, node, is_last);
            print_leaves(p, node);
        }
        p->shown++;
        if (node->first_child != MR_NODE_NONE) {
            at = node->first_child;
            p->depth++;
            continue;
        }
        while (at != root && nodes[at].next == MR_NODE_NONE) {
            at = nodes[at].parent;
            p->depth--;
        }
        if (at == root)
            return;
        at = nodes[at].next;
    }
}

static void print_agenda_messages(printer *p)
{
    mr_user_message message;
    const mr_block_view *view = p->trace->view;
    for (uint64_t i = 0; i < view->info.agenda_messages_count && i < p->trace->lines_max; i++) {
        if (!mr_view_user_message(view, i, &message))
            return;
        (void)fprintf(p->out, "  delayed: %s ", mr_names_brief(view->names, &message.from).text);
        print_user_message(p, &message);
    }
}

static void print_transaction(printer *p, uint64_t number)
{
    mr_transaction_result result;
    const uint32_t node = p->trace->forest->of_transaction[number];
    if (node != MR_NODE_NONE) {
        print_tree(p, node);
        return;
    }
    if (!mr_block_transaction(p->trace->view->block, number, &result))
        return;
    static const mr_id none;
    (void)fprintf(p->out, "  transaction %" PRIu64 ": %s%s%s", number + 1,
                  mr_admission_text(result.admission), result.text[0] != '\0' ? ": " : "",
                  result.text);
    if (!same(&result.message, &none))
        (void)fprintf(p->out, ", %s is left in the queue\n",
                      mr_names_brief(NULL, &result.message).text);
    else if (!same(&result.id, &none))
        (void)fprintf(p->out, ", code %s\n", mr_names_brief(NULL, &result.id).text);
    else
        (void)fputc('\n', p->out);
}

void mr_trace_print(FILE *out, const mr_trace_view *trace)
{
    const mr_forest *forest = trace->forest;
    printer p = {.out = out, .trace = trace};
    if (trace->only > 0) {
        if (trace->only <= forest->transactions_count)
            print_transaction(&p, trace->only - 1);
    } else {
        print_due(out, trace);
        print_agenda_messages(&p);
        for (uint32_t i = 0; i < forest->count; i++)
            if (forest->nodes[i].parent == MR_NODE_NONE &&
                forest->nodes[i].transaction == MR_NODE_NONE)
                print_tree(&p, i);
        for (uint64_t t = 0; t < forest->transactions_count && p.shown < trace->lines_max; t++)
            print_transaction(&p, t);
        p.shown = p.shown < trace->lines_max ? p.shown : forest->count;
    }
    if (p.shown > trace->lines_max)
        (void)fprintf(out, "  ... and %s more message%s\n",
                      mr_count_print(p.shown - trace->lines_max).text,
                      mr_plural(p.shown - trace->lines_max));
}
