/* SPDX-License-Identifier: Apache-2.0 */
/* settle_exit: programs that are no more. */
#include "engine/settle.h"

#include <stdlib.h>

/* What a program that is no more owns goes to `heir`: by a message to a program, at once to a user,
 * when `to` is NULL. */
static void bequeath(mr_settling *at, const mr_id *heir, mr_program *to)
{
    mr_program *program = at->program;
    mr_outgoing out = {
        .to = *heir,
        .program = to,
        .kind = MR_KIND_VALUE,
        .value = program->balance,
    };
    program->balance = 0;
    if (out.value == 0)
        return;
    if (out.program != NULL) {
        mr_settle_send(at, &out);
    } else {
        at->stream->tally.value_left += out.value;
        mr_settle_credit(at->stream, heir, out.value);
    }
}

void mr_settle_terminate(mr_settling *at)
{
    const mr_id *source = at->dispatch->message.source;
    at->program->status = MR_PROGRAM_TERMINATED;
    mr_settle_end(at);
    bequeath(at, source, mr_settle_destination(at, source, 0));
}

void mr_settle_exit(mr_settling *at, const mr_execution *execution)
{
    mr_program *program = at->program;
    program->inheritor = malloc(sizeof *program->inheritor);
    if (program->inheritor == NULL)
        return mr_settle_fail(at->stream, MR_NO_MEMORY);
    *program->inheritor = execution->inheritor;
    program->status = MR_PROGRAM_EXITED;
    mr_settle_end(at);
    mr_status status = mr_program_clear(program, at->stream->pool);
    if (status != MR_OK)
        return mr_settle_fail(at->stream, status);
    bequeath(at, &execution->inheritor,
             mr_settle_destination(at, &execution->inheritor, execution->committed_count));
}
