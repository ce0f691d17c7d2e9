/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/millrace/explain.h"

#include <inttypes.h>
#include <string.h>

#include "tools/millrace/number.h"

void mr_explainer_init(mr_explainer *explainer, const mr_names *names, mr_engine *engine)
{
    mr_engine_info info;
    mr_engine_info_get(engine, &info);
    *explainer = (mr_explainer){
        .names = names,
        .engine = engine,
        .schedule = info.schedule,
        .routes = {.names = names},
    };
}

void mr_explainer_fini(mr_explainer *explainer)
{
    mr_routes_fini(&explainer->routes);
}

/* ---- What to do ---- */

static mr_program_status status_of(const mr_explainer *explainer, const mr_id *program)
{
    mr_program_info info;
    return mr_engine_program(explainer->engine, program, &info) == MR_OK ? info.status
                                                                         : MR_PROGRAM_ACTIVE;
}

static void hint_gas(const mr_explainer *explainer, const mr_node *node, char *out, size_t size)
{
    const bool began = node->trace.backtrace.size > 0;
    if (!began)
        (void)snprintf(out, size,
                       "%s gas do not cover what it costs to begin: %s, and %s for each page of "
                       "memory; ",
                       mr_count_print(node->receipt.gas_limit).text,
                       mr_count_print(explainer->schedule.dispatch).text,
                       mr_count_print(explainer->schedule.page_load).text);
    else
        out[0] = '\0';
    const size_t at = strlen(out);
    switch (mr_routes_giver(&explainer->routes, node)) {
    case MR_GIVER_USER:
        (void)snprintf(out + at, size - at,
                       "give the message more than gas: %" PRIu64
                       "; millrace run --estimate finds the least that suffices, and --profile gas "
                       "what burns it",
                       node->receipt.gas_limit);
        return;
    case MR_GIVER_LETTER:
        (void)snprintf(out + at, size - at,
                       "its gas is what rent has left of the letter's, and the deposit for the "
                       "reply, both paid by %s: send the letter with more gas, or make a deposit",
                       mr_names_brief(explainer->names, &node->trace.payer).text);
        return;
    case MR_GIVER_MESSAGE:
        (void)snprintf(out + at, size - at,
                       "its gas is what %s gave it; without a limit of its own a message gets a "
                       "share of what is left. millrace run --trace shows where the gas of the "
                       "transaction went, --estimate what it needs as a whole",
                       mr_names_brief(explainer->names, &node->receipt.source).text);
        return;
    }
}

static void hint_unavailable(const mr_explainer *explainer, const mr_node *node, char *out,
                             size_t size)
{
    const char *why = "it was not active when the message came";
    switch (status_of(explainer, &node->receipt.program)) {
    case MR_PROGRAM_UNINITIALIZED:
        why = "its init message has not ended yet: it waits, or has not been run; send later";
        break;
    case MR_PROGRAM_TERMINATED:
        why = "its init failed, so there will never be a program of this id; the same code with "
              "another salt makes another";
        break;
    case MR_PROGRAM_EXITED:
        why =
            node->receipt.kind == MR_KIND_INIT || node->receipt.kind == MR_KIND_HANDLE
                ? "it has ended itself with gr_exit; its heir is in the payload of the error reply"
                : "it has ended itself with gr_exit";
        break;
    case MR_PROGRAM_ACTIVE:
        break;
    }
    (void)snprintf(out, size, "%s: %s",
                   mr_names_brief(explainer->names, &node->receipt.program).text, why);
}

static const char *hint_of_trap(mr_span backtrace)
{
    static const struct {
        const char *first_line, *hint;
    } hints[] = {
        {"executed unreachable",
         "the program gave up without a panic's text: a failed assertion of "
         "the compiler's, abort(), or a panic without a handler"},
        {"access outside memory", "a pointer leads outside the program's memory: beyond its last "
                                  "page, or below 0; a stack that overflows ends so, too"},
        {"integer division by zero", "check the divisor before dividing"},
        {"integer overflow in a division", "the least integer was divided by -1"},
        {"indirect call", "a function pointer is wrong, or of another type than it is called with"},
    };
    for (size_t i = 0; i < sizeof hints / sizeof hints[0]; i++) {
        const size_t bytes = strlen(hints[i].first_line);
        if (backtrace.size >= bytes && memcmp(backtrace.data, hints[i].first_line, bytes) == 0)
            return hints[i].hint;
    }
    return "the first function of the list was called with what it does not take; docs/ABI.md says "
           "what each takes";
}

/* `out` is "" when there is nothing to advise. */
static void make_hint(const mr_explainer *explainer, const mr_node *node, char *out, size_t size)
{
    out[0] = '\0';
    switch (node->receipt.outcome) {
    case MR_OUTCOME_OUT_OF_GAS:
        return hint_gas(explainer, node, out, size);
    case MR_OUTCOME_UNAVAILABLE:
        return hint_unavailable(explainer, node, out, size);
    case MR_OUTCOME_TRAP:
        (void)snprintf(out, size, "%s", hint_of_trap(node->trace.backtrace));
        return;
    case MR_OUTCOME_STACK:
        (void)snprintf(out, size,
                       "calls are nested too deeply: at most %s values are on the stack of a call. "
                       "Look for recursion without an end in the functions listed",
                       mr_count_print(explainer->schedule.stack_height_max).text);
        return;
    case MR_OUTCOME_MEMORY:
        (void)snprintf(out, size,
                       "the allocator found no room; a program has at most %s pages of 64 KiB",
                       mr_count_print(explainer->schedule.pages_max).text);
        return;
    case MR_OUTCOME_REMOVED:
        (void)snprintf(out, size,
                       "the gas of the message paid for no more waiting: each block costs %s. Send "
                       "it with more gas, or wait for fewer blocks",
                       mr_count_print(explainer->schedule.rent).text);
        return;
    case MR_OUTCOME_OK:
    case MR_OUTCOME_PANIC:
    case MR_OUTCOME_WAITING:
    case MR_OUTCOME_EXITED:
        return;
    }
}

/* ---- Expected or not ---- */

static bool same(const mr_id *a, const mr_id *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

bool mr_explain_is_expected(const mr_expect *expect, const mr_node *node)
{
    const mr_receipt *receipt = &node->receipt;
    for (size_t i = 0; expect != NULL && i < expect->receipts_count; i++) {
        const mr_expect_receipt *e = &expect->receipt[i];
        if ((e->has & MR_HAS_OUTCOME) != 0 && e->outcome == receipt->outcome &&
            ((e->has & MR_HAS_TO) == 0 || same(&e->to, &receipt->program)) &&
            ((e->has & MR_HAS_FROM) == 0 || same(&e->from, &receipt->source)))
            return true;
    }
    for (size_t i = 0; expect != NULL && i < expect->messages_count; i++) {
        const mr_expect_message *e = &expect->message[i];
        if ((e->has & MR_HAS_CODE) != 0 && e->code[0] == 1 &&
            ((e->has & MR_HAS_FROM) == 0 || same(&e->from, &receipt->program)))
            return true;
    }
    return false;
}

/* ---- Printing ---- */

/* Each line of `text` on its own, the first behind `label`. */
static void print_lines(FILE *out, const char *label, mr_span text)
{
    const char *at = (const char *)text.data, *end = at + text.size;
    while (at < end) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        if (line_end == NULL)
            line_end = end;
        while (at < line_end && *at == ' ')
            at++;
        (void)fprintf(out, "    %-8s %.*s\n", label, (int)(line_end - at), at);
        label = "";
        at = line_end + 1;
    }
}

static const char host_line[] = "stopped by a host function\n";

static bool is_of_host(mr_span backtrace)
{
    return backtrace.size >= sizeof host_line - 1 &&
           memcmp(backtrace.data, host_line, sizeof host_line - 1) == 0;
}

/* That a host function ended the call goes without saying: it is the first one listed. */
static mr_span without_host(mr_span backtrace)
{
    if (!is_of_host(backtrace))
        return backtrace;
    return mr_span_of(backtrace.data + sizeof host_line - 1,
                      backtrace.size - (sizeof host_line - 1));
}

/* What a program says of its failure may be long: it is what its author looks for. */
static void print_text(FILE *out, mr_span text)
{
    enum { ROOM = 2000 };
    (void)fputs("    text     ", out);
    mr_bytes_write(out, text, ROOM);
    (void)fputc('\n', out);
}

static void print_message(FILE *out, const mr_explainer *explainer, const mr_node *node)
{
    const mr_receipt *receipt = &node->receipt;
    (void)fprintf(out, "  %s of %s failed: %s\n", mr_kind_name(receipt->kind),
                  mr_names_print(explainer->names, &receipt->program).text,
                  mr_outcome_name(receipt->outcome));
    (void)fprintf(out, "    message  %s\n", mr_id_print(&receipt->message).text);
    (void)fprintf(out, "    from     %s, payload %s",
                  mr_names_print(explainer->names, &receipt->source).text,
                  mr_bytes_print(node->trace.payload).text);
    if (node->trace.payload_bytes > node->trace.payload.size)
        (void)fprintf(out, ", of %s", mr_count_print(node->trace.payload_bytes).text);
    (void)fprintf(out, ", value %s\n", mr_value_print(node->trace.value).text);
    /* That of a trap is the first line of where it was. */
    if (receipt->text.size > 0 &&
        (node->trace.backtrace.size == 0 || is_of_host(node->trace.backtrace)))
        print_text(out, receipt->text);
}

static void print_gas(FILE *out, const mr_node *node)
{
    (void)fprintf(out, "    gas      limit %s, burned %s",
                  mr_count_print(node->receipt.gas_limit).text,
                  mr_count_print(node->receipt.gas_burned).text);
    if (node->trace.gas_drawn > 0)
        (void)fprintf(out, ", %s of the message it belongs to",
                      mr_count_print(node->trace.gas_drawn).text);
    if (node->trace.gas_refunded > 0)
        (void)fprintf(out, ", refunded %s", mr_count_print(node->trace.gas_refunded).text);
    (void)fputc('\n', out);
}

mr_status mr_explain_print(FILE *out, const mr_explainer *explainer, const mr_forest *forest,
                           uint32_t i, uint64_t height)
{
    __attribute__((cleanup(mr_buffer_fini))) mr_buffer path = {0};
    const mr_node *node = &forest->nodes[i];
    char hint[512];
    MR_TRY(mr_routes_make(&explainer->routes, forest, i, height, &path));
    make_hint(explainer, node, hint, sizeof hint);
    print_message(out, explainer, node);
    print_lines(out, "where", without_host(node->trace.backtrace));
    print_gas(out, node);
    print_lines(out, "path", mr_buffer_span(&path));
    if (hint[0] != '\0')
        (void)fprintf(out, "    hint     %s\n", hint);
    return MR_OK;
}

static json_t *lines_array(mr_span text)
{
    json_t *array = json_array();
    const char *at = (const char *)text.data, *end = at + text.size;
    while (array != NULL && at < end) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        if (line_end == NULL)
            line_end = end;
        while (at < line_end && *at == ' ')
            at++;
        if (json_array_append_new(array, json_stringn_nocheck(at, (size_t)(line_end - at))) != 0) {
            json_decref(array);
            return NULL;
        }
        at = line_end + 1;
    }
    return array;
}

json_t *mr_explain_json(const mr_explainer *explainer, const mr_forest *forest, uint32_t i,
                        uint64_t height)
{
    __attribute__((cleanup(mr_buffer_fini))) mr_buffer path = {0};
    const mr_node *node = &forest->nodes[i];
    char hint[512];
    if (mr_routes_make(&explainer->routes, forest, i, height, &path) != MR_OK)
        return NULL;
    make_hint(explainer, node, hint, sizeof hint);
    /* clang-format off */
    return json_pack("{s:o, s:o, s:o, s:o, s:s}",
                     "path", lines_array(mr_buffer_span(&path)),
                     "backtrace", lines_array(node->trace.backtrace),
                     "payload", mr_json_bytes(node->trace.payload),
                     "payload_bytes", mr_json_u64(node->trace.payload_bytes),
                     "hint", hint);
    /* clang-format on */
}
