/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/millrace/number.h"
#include "tools/millrace/trace.h"

static json_t *number_or_null(uint32_t number)
{
    return number == MR_NODE_NONE ? json_null() : json_integer(number);
}

/* Takes both; NULL when either is. */
static json_t *append(json_t *array, json_t *entry)
{
    if (array == NULL) {
        json_decref(entry);
        return NULL;
    }
    if (json_array_append_new(array, entry) == 0)
        return array;
    json_decref(array);
    return NULL;
}

/* clang-format off */
static json_t *gas_object(const mr_node *node)
{
    const mr_trace *trace = &node->trace;
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:I}",
                     "in", mr_json_u64(trace->gas_in),
                     "drawn", mr_json_u64(trace->gas_drawn),
                     "burned", mr_json_u64(node->receipt.gas_burned),
                     "sent", mr_json_u64(trace->gas_sent),
                     "home", mr_json_u64(trace->gas_home),
                     "refunded", mr_json_u64(trace->gas_refunded),
                     "rent", mr_json_u64(trace->gas_rent),
                     "held", (json_int_t)trace->gas_held);
}

static json_t *user_object(const mr_names *names, uint64_t number, const mr_user_message *message)
{
    return json_pack("{s:o, s:o, s:s}",
                     "message", mr_json_u64(number),
                     "to", mr_json_id(names, &message->to),
                     "is", message->is_reply ? "reply" : message->until != 0 ? "letter" : "message");
}

static json_t *users_array(const mr_trace_view *trace, const mr_node *node)
{
    json_t *array = json_array();
    mr_user_message message;
    for (uint32_t i = 0; i < node->users_count && array != NULL; i++) {
        if (!mr_view_user_message(trace->view, node->users_first + i, &message))
            break;
        array = append(array, user_object(trace->view->names, node->users_first + i, &message));
    }
    return array;
}

static json_t *node_object(const mr_trace_view *trace, uint32_t i)
{
    const mr_node *node = &trace->forest->nodes[i];
    const mr_names *names = trace->view->names;
    return json_pack("{s:o, s:o, s:o, s:s, s:o, s:o, s:s, s:o, s:o, s:b, s:o, s:o, s:o, s:o, s:o, s:o}",
                     "receipt", json_integer(i),
                     "parent", number_or_null(node->parent),
                     "transaction", number_or_null(node->transaction),
                     "kind", mr_kind_name(node->receipt.kind),
                     "from", mr_json_id(names, &node->receipt.source),
                     "to", mr_json_id(names, &node->receipt.program),
                     "outcome", mr_outcome_name(node->receipt.outcome),
                     "message", mr_json_id(NULL, &node->receipt.message),
                     "earlier", number_or_null(node->earlier),
                     "waited", (int)node->trace.waited,
                     "until", node->trace.until != 0 ? mr_json_u64(node->trace.until) : json_null(),
                     "value", mr_json_value(node->trace.value),
                     "payload", mr_json_bytes(node->trace.payload),
                     "payload_bytes", mr_json_u64(node->trace.payload_bytes),
                     "gas", gas_object(node),
                     "users", users_array(trace, node));
}

static json_t *task_object(const mr_names *names, const mr_task_info *task)
{
    return json_pack("{s:s, s:o, s:o}",
                     "task", mr_task_kind_name(task->task),
                     "of", mr_json_id(names, &task->owner),
                     "subject", mr_json_id(NULL, &task->subject));
}

static json_t *transaction_object(const mr_trace_view *trace, uint64_t t)
{
    mr_transaction_result result = {0};
    (void)mr_block_transaction(trace->view->block, t, &result);
    return json_pack("{s:s, s:o}",
                     "admission", mr_admission_words[result.admission],
                     "receipt", number_or_null(trace->forest->of_transaction[t]));
}
/* clang-format on */

static bool is_shown(const mr_trace_view *trace, uint32_t i)
{
    const mr_node *nodes = trace->forest->nodes;
    return trace->only == 0 || nodes[nodes[i].root].transaction == trace->only - 1;
}

json_t *mr_trace_json(const mr_trace_view *trace)
{
    const mr_forest *forest = trace->forest;
    json_t *agenda = json_array(), *transactions = json_array(), *messages = json_array();
    for (size_t i = 0; i < trace->due_count && agenda != NULL; i++)
        agenda = append(agenda, task_object(trace->view->names, &trace->due[i]));
    for (uint64_t t = 0; t < forest->transactions_count && transactions != NULL; t++)
        transactions = append(transactions, transaction_object(trace, t));
    for (uint32_t i = 0; i < forest->count && messages != NULL; i++)
        if (is_shown(trace, i))
            messages = append(messages, node_object(trace, i));
    return json_pack("{s:o, s:o, s:o}", "agenda", agenda, "transactions", transactions, "messages",
                     messages);
}
