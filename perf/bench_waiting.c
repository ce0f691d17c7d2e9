/* SPDX-License-Identifier: Apache-2.0 */
/* Question: what does it cost to wait, to be waited for, to fall due, and to be asked meanwhile?
 *
 *   wake     a message that waits and is woken, against one that is sent: at most 3 times. Sketch:
 *            a send is an emission and a dispatch, 300 ns; waiting is that, a copy of the
 *            message, a place in a table and a task, and taking both away again
 *   waiting  a block that touches none of 1,000,000 waiting messages: as with none, within 5%. The
 *            trees of the root and of the store are deeper by them
 *   due      tasks due in one block: linear, under 1 us each beside the runs themselves
 *   query    a block beside a thread that asks all the time: within 10% of its fair share
 *
 * Usage: bench_waiting [WAITING [MESSAGES]]; 1,000,000 waiting and blocks of 100,000 messages, at
 * least 10.
 * Prints one JSON line for each answer. The database is in memory. Engine times are those of whole
 * blocks less what passed inside calls. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "engine/millrace.h"

enum { MESSAGES_MIN = 10 }; /* a tenth of a block is a block, too */
enum { PROGRAMS = 1000, ROUNDS = 9, SEEN_MAX = 2000, PAYLOAD_BYTES = 40 };
static const uint64_t gas = 100000000;

/* Operations, the first byte of a message. Then come a u16 index, a u32 number of blocks, and an
 * id. */
enum { NOTHING, SEND, WAIT, WAKE };

/* Memory: at 64 the message, from 1024 a byte for each index seen, from 4096 ids of what waits. */
static const char sleeper[] =
    "(module (import \"env\" \"memory\" (memory 2))\n"
    "(import \"env\" \"gr_read\" (func $read (param i32 i32 i32 i32)))\n"
    "(import \"env\" \"gr_send\" (func $send (param i32 i32 i32 i32 i32)))\n"
    "(import \"env\" \"gr_message_id\" (func $id (param i32)))\n"
    "(import \"env\" \"gr_wait_up_to\" (func $wait (param i32)))\n"
    "(import \"env\" \"gr_wake\" (func $wake (param i32 i32 i32)))\n"
    "(import \"env\" \"gr_reply\" (func $reply (param i32 i32 i32 i32)))\n"
    "(func (export \"handle\") (local $op i32) (local $i i32) (local $seen i32)\n"
    "(call $read (i32.const 0) (i32.const 40) (i32.const 64) (i32.const 0))\n"
    "(local.set $op (i32.load8_u (i32.const 64)))\n"
    "(local.set $i (i32.load16_u (i32.const 65)))\n"
    "(local.set $seen (i32.add (i32.const 1024) (local.get $i)))\n"
    "(if (i32.eq (local.get $op) (i32.const 1)) (then\n"
    "(i64.store (i32.const 200) (i64.const 0))\n"
    "(i64.store (i32.const 208) (i64.const 0))\n"
    "(i64.store (i32.const 168) (i64.load (i32.const 71)))\n"
    "(i64.store (i32.const 176) (i64.load (i32.const 79)))\n"
    "(i64.store (i32.const 184) (i64.load (i32.const 87)))\n"
    "(i64.store (i32.const 192) (i64.load (i32.const 95)))\n"
    "(call $send (i32.const 168) (i32.const 255) (i32.const 40) (i32.const 0) (i32.const 0))))\n"
    "(if (i32.eq (local.get $op) (i32.const 2)) (then\n"
    "(if (i32.eqz (i32.load8_u (local.get $seen))) (then\n"
    "(i32.store8 (local.get $seen) (i32.const 1))\n"
    "(call $id (i32.add (i32.const 4096) (i32.mul (local.get $i) (i32.const 32))))\n"
    "(call $wait (i32.load (i32.const 67)))))\n"
    "(i32.store8 (local.get $seen) (i32.const 0))))\n"
    "(if (i32.eq (local.get $op) (i32.const 3)) (then\n"
    "(call $wake (i32.add (i32.const 4096) (i32.mul (local.get $i) (i32.const 32)))\n"
    "(i32.const 0) (i32.const 0))))\n"
    ")\n"
    "(func (export \"state\") (call $reply (i32.const 1024) (i32.const 64) (i32.const -1)\n"
    "(i32.const 0))))\n";

typedef struct bench {
    mr_engine *engine;
    mr_id programs[PROGRAMS];
    mr_transaction *transactions;
    uint8_t (*payloads)[PAYLOAD_BYTES];
    size_t messages;
} bench;

static void check(mr_status status, const mr_error *error)
{
    if (status == MR_OK)
        return;
    fprintf(stderr, "bench_waiting: %s: %s\n", mr_status_name(status), error->text);
    exit(1);
}

/* What a block took. */
typedef struct taken {
    double whole_ns;
    double engine_ns; /* less what passed inside calls */
    double agenda_ns;
    uint64_t failures, tasks;
} taken;

static taken run(bench *b, size_t count)
{
    const mr_block_params params = {0};
    mr_error error = {0};
    mr_block *block;
    mr_statistics before, after;
    mr_engine_statistics(b->engine, &before);
    const uint64_t start = mr_clock_ns();
    check(mr_block_execute(b->engine, &params, b->transactions, count, &block, &error), &error);
    check(mr_block_commit(block, MR_COMMIT_WAIT, &error), &error);
    const uint64_t took = mr_clock_ns() - start;
    mr_engine_statistics(b->engine, &after);
    mr_block_info info;
    mr_block_info_get(block, &info);
    if (info.transactions_accepted != count) {
        fprintf(stderr, "bench_waiting: only %llu of %zu transactions were accepted\n",
                (unsigned long long)info.transactions_accepted, count);
        exit(1);
    }
    mr_block_free(block);
    return (taken){
        .whole_ns = (double)took,
        .engine_ns = (double)took - (double)(after.call_ns - before.call_ns),
        .agenda_ns = count == 0 ? (double)(after.admit_ns - before.admit_ns) : 0,
        .failures = info.failures_count,
        .tasks = info.tasks_count,
    };
}

static void begin(bench *b, uint32_t streams, size_t messages)
{
    const mr_engine_options options = {
        .streams = streams,
        .loaded_bytes_max = UINT64_MAX / 2,
    };
    mr_error error = {0};
    *b = (bench){.messages = messages};
    check(mr_engine_open(&options, &b->engine, &error), &error);
    mr_engine_set_timing(b->engine, true);
    b->transactions = calloc(messages < PROGRAMS ? PROGRAMS : messages, sizeof *b->transactions);
    b->payloads = calloc(messages, sizeof *b->payloads);
    mr_buffer module = {0};
    check(mr_module_from_text(mr_span_text(sleeper), "sleeper", &module, &error), &error);
    const mr_id code = mr_id_of_code(mr_buffer_span(&module));
    b->transactions[0] =
        (mr_transaction){.kind = MR_TRANSACTION_UPLOAD, .payload = mr_buffer_span(&module)};
    (void)run(b, 1);
    mr_buffer_fini(&module);
    uint32_t salts[PROGRAMS];
    for (uint32_t i = 0; i < PROGRAMS; i++) {
        salts[i] = i;
        const mr_span salt = mr_span_of(&salts[i], sizeof salts[i]);
        b->programs[i] = mr_id_of_program(&code, salt);
        b->transactions[i] = (mr_transaction){
            .kind = MR_TRANSACTION_CREATE, .to = code, .salt = salt, .gas_limit = gas};
    }
    (void)run(b, PROGRAMS);
}

static void end(bench *b)
{
    check(mr_engine_close(b->engine, NULL), NULL);
    free(b->transactions);
    free(b->payloads);
}

/* Message i goes to program i modulo their number, or of the first `programs` of them. */
static void compose(bench *b, size_t i, size_t programs, unsigned operation, size_t index,
                    uint32_t blocks)
{
    uint8_t *payload = b->payloads[i];
    payload[0] = (uint8_t)operation;
    payload[1] = (uint8_t)index;
    payload[2] = (uint8_t)(index >> 8);
    mr_store_le32(payload + 3, blocks);
    memcpy(payload + 7, b->programs[(i * 7 + 1) % PROGRAMS].bytes, sizeof(mr_id));
    b->transactions[i] = (mr_transaction){
        .kind = MR_TRANSACTION_SEND,
        .to = b->programs[i % programs],
        .payload = mr_span_of(payload, PAYLOAD_BYTES),
        .gas_limit = gas,
    };
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double median(double *values, size_t count)
{
    qsort(values, count, sizeof *values, compare);
    return values[count / 2];
}

/* Blocks of messages that do nothing, that send one each, and of which half wait and half wake. */
static void answer_wake(size_t messages)
{
    bench b;
    begin(&b, 1, messages);
    double sends[ROUNDS], wakes[ROUNDS], ratios[ROUNDS];
    /* Each program has one that waits and one that wakes it, or several. */
    const size_t programs = messages / 2 < PROGRAMS ? messages / 2 : PROGRAMS;
    const size_t waiting = messages / programs / 2;
    const size_t paired = 2 * waiting * programs;
    for (size_t r = 0; r < ROUNDS; r++) {
        for (size_t i = 0; i < messages; i++)
            compose(&b, i, PROGRAMS, NOTHING, i / PROGRAMS, 0);
        const double nothing = run(&b, messages).engine_ns / (double)messages;
        for (size_t i = 0; i < messages; i++)
            compose(&b, i, PROGRAMS, SEND, i / PROGRAMS, 0);
        sends[r] = run(&b, messages).engine_ns / (double)messages - nothing;
        for (size_t i = 0; i < messages; i++)
            compose(&b, i, programs, i / programs < waiting ? WAIT : WAKE, i / programs % waiting,
                    1000);
        const taken pairs = run(&b, paired);
        wakes[r] = (pairs.engine_ns - nothing * (double)paired) / ((double)paired / 2);
        if (pairs.failures > 0)
            fprintf(stderr, "bench_waiting: %llu failed\n", (unsigned long long)pairs.failures);
        ratios[r] = wakes[r] / sends[r];
    }
    printf("{\"question\": \"wake\", \"messages\": %zu, \"send_ns\": %.0f, \"wake_ns\": %.0f, "
           "\"ratio\": %.2f}\n",
           messages, median(sends, ROUNDS), median(wakes, ROUNDS), median(ratios, ROUNDS));
    end(&b);
}

/* Fills the last half of the programs with messages that wait. */
static void fill(bench *b, size_t waiting)
{
    for (size_t done = 0; done < waiting;) {
        size_t n = waiting - done < b->messages ? waiting - done : b->messages;
        for (size_t i = 0; i < n; i++) {
            compose(b, i, PROGRAMS, WAIT, (done + i) / (PROGRAMS / 2) % SEEN_MAX, 500000);
            b->transactions[i].to = b->programs[PROGRAMS / 2 + (done + i) % (PROGRAMS / 2)];
        }
        (void)run(b, n);
        done += n;
        if (done >= (size_t)SEEN_MAX * PROGRAMS / 2 && done < waiting) {
            fprintf(stderr, "bench_waiting: at most %d may wait\n", SEEN_MAX * PROGRAMS / 2);
            break;
        }
    }
}

static void answer_waiting(size_t waiting, size_t messages)
{
    bench b[2];
    double ns[2][ROUNDS], wholes[ROUNDS], ratios[ROUNDS];
    begin(&b[0], 1, messages);
    begin(&b[1], 1, messages);
    fill(&b[1], waiting);
    mr_engine_info info;
    mr_engine_info_get(b[1].engine, &info);
    for (size_t r = 0; r < ROUNDS; r++) {
        for (size_t e = 0; e < 2; e++) {
            for (size_t i = 0; i < messages; i++)
                compose(&b[e], i, 100, NOTHING, i / PROGRAMS, 0);
            const taken block = run(&b[e], messages);
            ns[e][r] = block.engine_ns;
            wholes[r] = e == 0 ? block.whole_ns : block.whole_ns / wholes[r];
        }
        ratios[r] = ns[1][r] / ns[0][r];
    }
    printf("{\"question\": \"waiting\", \"waiting\": %llu, \"messages\": %zu, \"block_ns\": [%.0f, "
           "%.0f], \"engine_ratio\": %.3f, \"ratio\": %.3f}\n",
           (unsigned long long)info.waiting_count, messages, median(ns[0], ROUNDS),
           median(ns[1], ROUNDS), median(ratios, ROUNDS), median(wholes, ROUNDS));
    end(&b[0]);
    end(&b[1]);
}

/* As many messages wait until one height; then nothing else happens in that block. */
static void answer_due(size_t messages)
{
    bench b;
    begin(&b, 1, messages);
    const size_t counts[] = {messages / 10, messages / 2, messages};
    for (size_t c = 0; c < 3; c++) {
        double agenda[ROUNDS], runs[ROUNDS];
        for (size_t r = 0; r < ROUNDS; r++) {
            for (size_t i = 0; i < counts[c]; i++)
                compose(&b, i, PROGRAMS, WAIT, i / PROGRAMS, 1);
            (void)run(&b, counts[c]);
            const taken due = run(&b, 0);
            if (due.tasks != counts[c] || due.failures > 0)
                fprintf(stderr, "bench_waiting: %llu tasks\n", (unsigned long long)due.tasks);
            agenda[r] = due.agenda_ns / (double)counts[c];
            runs[r] = (due.engine_ns - due.agenda_ns) / (double)counts[c];
        }
        printf("{\"question\": \"due\", \"tasks\": %zu, \"agenda_ns\": %.0f, \"rest_ns\": %.0f}\n",
               counts[c], median(agenda, ROUNDS), median(runs, ROUNDS));
    }
    end(&b);
}

typedef struct asker {
    bench *b;
    _Atomic bool stop;
    _Atomic uint64_t asked;
} asker;

/* Asks one program after another, of the newest block it can get. */
static void *ask(void *arg)
{
    asker *a = arg;
    mr_error error = {0};
    mr_engine *view;
    check(mr_view_open(a->b->engine, MR_VIEW_ALONE, &view, &error), &error);
    for (size_t i = 0; !atomic_load_explicit(&a->stop, memory_order_relaxed); i++) {
        check(mr_view_refresh(view, &error), &error);
        const mr_reading reading = {
            .program = a->b->programs[i % PROGRAMS], .entry = "state", .gas_limit = gas};
        mr_answer answer;
        check(mr_engine_read(view, &reading, &answer, &error), &error);
        if (answer.outcome != MR_OUTCOME_OK) {
            fprintf(stderr, "bench_waiting: a query ended in %s\n",
                    mr_outcome_name(answer.outcome));
            exit(1);
        }
        atomic_fetch_add_explicit(&a->asked, 1, memory_order_relaxed);
    }
    check(mr_engine_close(view, NULL), NULL);
    return NULL;
}

/* Blocks in turn with and without one asking thread. */
static void answer_query(uint32_t streams, size_t messages)
{
    bench b;
    begin(&b, streams, messages);
    double ratios[ROUNDS], rates[ROUNDS];
    for (size_t r = 0; r < ROUNDS; r++) {
        double ns[2];
        for (size_t asks = 0; asks < 2; asks++) {
            asker a = {.b = &b};
            pthread_t thread;
            if (asks == 1 && pthread_create(&thread, NULL, ask, &a) != 0)
                exit(1);
            while (asks == 1 && atomic_load(&a.asked) < 100)
                usleep(1000);
            const uint64_t before = atomic_load(&a.asked), start = mr_clock_ns();
            for (unsigned turn = 0; turn < 3; turn++) {
                for (size_t i = 0; i < messages; i++)
                    compose(&b, i, PROGRAMS, NOTHING, i / PROGRAMS, 0);
                (void)run(&b, messages);
            }
            ns[asks] = (double)(mr_clock_ns() - start);
            rates[r] = (double)(atomic_load(&a.asked) - before) / ns[asks] * 1e9;
            atomic_store(&a.stop, true);
            if (asks == 1)
                (void)pthread_join(thread, NULL);
        }
        ratios[r] = ns[1] / ns[0];
    }
    printf("{\"question\": \"query\", \"streams\": %u, \"ratio\": %.2f, \"queries_per_second\": "
           "%.0f}\n",
           streams, median(ratios, ROUNDS), median(rates, ROUNDS));
    end(&b);
}

int main(int argc, char **argv)
{
    const size_t waiting = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;
    const size_t messages = argc > 2 ? strtoull(argv[2], NULL, 10) : 100000;
    if (messages < MESSAGES_MIN) {
        fprintf(stderr, "bench_waiting: blocks have at least %d messages\n", MESSAGES_MIN);
        return 2;
    }
    answer_wake(messages);
    answer_waiting(waiting, messages / 10);
    answer_due(messages);
    answer_query(1, messages);
    answer_query(2, messages);
    return 0;
}
