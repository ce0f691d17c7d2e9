/* SPDX-License-Identifier: Apache-2.0 */
/* gear_async: send a request and go on with the answer, in one handler, in C.
 *
 *     #include "gear_async.h"            brings gear.h
 *
 *     GEAR_ASYNC                         defines handle_reply and handle_signal
 *
 *     struct purchase {                  what the handler keeps while it waits
 *         gear_id buyer;
 *         gear_answer *price;
 *     };
 *
 *     GEAR_ASYNC_HANDLE(struct purchase, my)
 *     {
 *         GEAR_BEGIN;
 *         my->buyer = gear_source();
 *         my->price = gear_ask_gas(&shop, "price", 5, 1000000000, 0);
 *         GEAR_AWAIT(my->price, 100);
 *         gear_require(gear_answered(my->price), "the shop does not answer");
 *         gear_reply(my->price->bytes, my->price->size);
 *         GEAR_END;
 *     }
 *
 * How it works. At an await whose answer is not there the message waits: its dispatch ends, what
 * it has done stands, what it sent leaves. The reply is stored by handle_reply, which wakes the
 * message. The handler then runs again from the top, and GEAR_BEGIN jumps to the await it waited
 * at: code before is not run twice, nothing is sent twice.
 *
 * So what a handler needs behind an await it keeps in its structure (`my`, zeros at first, one for
 * each message that waits), not in local variables: those are lost at every await. Any number of
 * messages may wait at once, each with awaits in any number, in loops, too. An await stands between
 * GEAR_BEGIN and GEAR_END in the handler itself, not in a function it calls and not inside a
 * `switch` (it panics there), and there is one on a line.
 *
 * Between two awaits other messages are handled, and what was done before an await is not undone by
 * a failure behind it: state that must hold together is looked at again, or changed behind the
 * last await.
 *
 * Gas. An await pays the rent of its blocks at once, or the handler is out of gas. When it goes on
 * it has what is left of that and, if the request had a gas limit of its own (gear_ask_gas), the
 * rest of its gas; after gear_ask, which gives the request a share, a 64th of the rest. What the
 * other program does not burn comes back with its reply. handle_reply burns of the gas of the reply
 * first, then of that of the message that waits.
 *
 * Ends. A handler that ends, by `return` or by reaching GEAR_END, gives back all it held; not so by
 * gr_leave. One that fails behind an await is cleaned up by handle_signal, for which its first wait
 * puts GEAR_ASYNC_SIGNAL_GAS aside. */
#ifndef GEAR_ASYNC_H
#define GEAR_ASYNC_H

#include "gear.h"

/* Gas kept for handle_signal to clean up after a message that fails behind an await. With 0 none
 * is, and what such a message held is lost to the program. */
#ifndef GEAR_ASYNC_SIGNAL_GAS
#define GEAR_ASYNC_SIGNAL_GAS 2000000
#endif

enum { GEAR_ANSWER_SHORT_BYTES_ = sizeof(void *) == 4 ? 48 : 64 };

/* What stands in the table: a task or an answer, by the id of a message. */
typedef struct gear_item_ {
    gear_id id;
    bool is_task;
} gear_item_;

/* The answer to a message that was sent. Lives until the handler that sent it ends. */
typedef struct gear_answer {
    gear_item_ item_;     /* by the message that was sent */
    bool arrived;         /* the reply is here; else all below is 0 */
    uint32_t code;        /* GEAR_CODE_... */
    gear_value value;     /* that came with the reply */
    const uint8_t *bytes; /* of its payload */
    uint32_t size;
    struct gear_task_ *task_;
    struct gear_answer *next_;                /* of the same task */
    uint8_t short_[GEAR_ANSWER_SHORT_BYTES_]; /* a payload that fits */
} gear_answer;

enum { GEAR_AWAITS_ONE_, GEAR_AWAITS_ALL_, GEAR_AWAITS_TIME_ };

/* A message whose handler has begun and not ended. */
typedef struct gear_task_ {
    gear_item_ item;
    bool is_kept;         /* in the table: it has waited */
    bool waits;           /* and nobody has woken it */
    uint8_t awaits;       /* GEAR_AWAITS_..._ */
    gear_answer *awaited; /* when it awaits one */
    gear_answer *answers; /* all it has asked for, the last one first */
    uint32_t missing;     /* of these, not arrived */
    uint32_t step;        /* the line of the await it is at; 0 before the first */
    uint32_t until;       /* height at which it has waited for long enough */
    uint32_t bytes;       /* of this block */
    _Alignas(16) uint8_t frame[];
} gear_task_;

enum { GEAR_CLASSES_ = 32, GEAR_CLASS_LEAST_ = 6 };

typedef struct gear_async_state_ {
    gear_task_ *current; /* whose handler runs */
    gear_item_ **slots;  /* all tasks that wait and all answers, by id; open addressing */
    uint32_t capacity;   /* 0, or a power of two, at most half of it used */
    uint32_t count;
    void *free[GEAR_CLASSES_]; /* blocks of 2^i bytes given back, each pointing to the next */
} gear_async_state_;

__attribute__((weak, visibility("hidden"))) gear_async_state_ gear_async_;

/* ---- Blocks of memory that can be given back ---- */

static inline uint32_t gear_block_class_(uint32_t bytes)
{
    const uint32_t bits = bytes <= 1 ? 0 : 32 - (uint32_t)__builtin_clz(bytes - 1);
    return bits < GEAR_CLASS_LEAST_ ? GEAR_CLASS_LEAST_ : bits;
}

GEAR_SHARED void *gear_block_take_(uint32_t bytes)
{
    const uint32_t class = gear_block_class_(bytes);
    void *block = gear_async_.free[class];
    if (block == NULL)
        return gear_allocate_aligned(UINT32_C(1) << class, class < 8 ? UINT32_C(1) << class : 256);
    memcpy(&gear_async_.free[class], block, sizeof block);
    return block;
}

GEAR_SHARED void gear_block_give_(void *block, uint32_t bytes)
{
    const uint32_t class = gear_block_class_(bytes);
    memcpy(block, &gear_async_.free[class], sizeof block);
    gear_async_.free[class] = block;
}

/* ---- The table ---- */

/* Where a search begins. Ids are hashes. */
static inline uint32_t gear_item_home_(const gear_id *id)
{
    uint32_t word;
    memcpy(&word, id, sizeof word);
    return word & (gear_async_.capacity - 1);
}

/* gear_item_find_ returns the task, or the answer, of a message; NULL when there is none. */
GEAR_SHARED gear_item_ *gear_item_find_(const gear_id *id, bool is_task)
{
    const uint32_t mask = gear_async_.capacity - 1;
    if (gear_async_.count == 0)
        return NULL;
    for (uint32_t i = gear_item_home_(id);; i = (i + 1) & mask) {
        gear_item_ *item = gear_async_.slots[i & mask];
        if (item == NULL || (item->is_task == is_task && gear_id_equal(&item->id, id)))
            return item;
    }
}

static inline void gear_item_put_(gear_item_ *item)
{
    uint32_t i = gear_item_home_(&item->id);
    while (gear_async_.slots[i] != NULL)
        i = (i + 1) & (gear_async_.capacity - 1);
    gear_async_.slots[i] = item;
}

GEAR_SHARED void gear_item_add_(gear_item_ *item)
{
    enum { CAPACITY_LEAST = 16, SLOT_BYTES = sizeof(gear_item_ *) };
    const uint32_t before = gear_async_.capacity;
    if (++gear_async_.count * 2 > before) {
        gear_item_ **old = gear_async_.slots;
        gear_async_.capacity = before == 0 ? CAPACITY_LEAST : before * 2;
        gear_async_.slots = (gear_item_ **)gear_block_take_(gear_async_.capacity * SLOT_BYTES);
        memset(gear_async_.slots, 0, (size_t)gear_async_.capacity * SLOT_BYTES);
        for (uint32_t i = 0; i < before; i++) {
            if (old[i] != NULL)
                gear_item_put_(old[i]);
        }
        if (before > 0)
            gear_block_give_(old, before * SLOT_BYTES);
    }
    gear_item_put_(item);
}

/* Closes the gap behind it, so that no search ends too early. */
GEAR_SHARED void gear_item_remove_(const gear_item_ *item)
{
    gear_item_ **slots = gear_async_.slots;
    const uint32_t mask = gear_async_.capacity - 1;
    uint32_t gap = gear_item_home_(&item->id);
    while (slots[gap] != item)
        gap = (gap + 1) & mask;
    for (uint32_t i = (gap + 1) & mask; slots[i] != NULL; i = (i + 1) & mask) {
        if (((i - gear_item_home_(&slots[i]->id)) & mask) >= ((i - gap) & mask)) {
            slots[gap] = slots[i];
            gap = i;
        }
    }
    slots[gap] = NULL;
    gear_async_.count--;
}

/* ---- Asking ---- */

/* gear_expect makes the reply to a message that was just sent one that can be awaited. Call it in
 * the run that sent the message: a reply nobody expects is dropped. In an async handler and what it
 * calls; elsewhere it panics. Costs about a hundred instructions. */
GEAR_SHARED gear_answer *gear_expect(gear_id message)
{
    gear_task_ *task = gear_async_.current;
    gear_require(task != NULL, "nothing to answer to");
    gear_answer *answer = (gear_answer *)gear_block_take_(sizeof *answer);
    memset(answer, 0, offsetof(gear_answer, short_));
    answer->item_.id = message;
    answer->task_ = task;
    answer->next_ = task->answers;
    task->answers = answer;
    task->missing++;
    gear_item_add_(&answer->item_);
    return answer;
}

/* gear_ask sends `size` bytes and expects an answer, gear_ask_gas does so with a gas limit of the
 * message's own. Panic when the message cannot be sent. */
static inline gear_answer *gear_ask(const gear_id *to, const void *bytes, uint32_t size,
                                    gear_value value)
{
    return gear_expect(gear_send(to, bytes, size, value));
}

static inline gear_answer *gear_ask_gas(const gear_id *to, const void *bytes, uint32_t size,
                                        uint64_t gas, gear_value value)
{
    return gear_expect(gear_send_gas(to, bytes, size, gas, value));
}

/* gear_answered tells whether the answer is here and says that the message was handled. If not,
 * `arrived` tells failures, which have a code, from silence. */
static inline bool gear_answered(const gear_answer *answer)
{
    return answer->arrived && gear_code_succeeded(answer->code);
}

/* ---- Awaiting ---- */

/* GEAR_AWAIT(answer, blocks) goes on when the answer has arrived, or after so many blocks; then
 * answer->arrived is false, and it may be awaited again. With 0 blocks it does not wait.
 * GEAR_AWAIT_ALL(blocks) likewise, for all that the handler has asked for.
 * GEAR_SLEEP(blocks) goes on after so many blocks.
 * Each costs some tens of instructions and, when it waits, the price of waiting, rent for all the
 * blocks, and beginning again. */
#define GEAR_AWAIT(answer, blocks)                                                                 \
    GEAR_AWAIT_(gear_await_begin_(gear_task_here_, GEAR_AWAITS_ONE_, answer, blocks))
#define GEAR_AWAIT_ALL(blocks)                                                                     \
    GEAR_AWAIT_(gear_await_begin_(gear_task_here_, GEAR_AWAITS_ALL_, NULL, blocks))
#define GEAR_SLEEP(blocks)                                                                         \
    GEAR_AWAIT_(gear_await_begin_(gear_task_here_, GEAR_AWAITS_TIME_, NULL, blocks))

#define GEAR_AWAIT_(begin)                                                                         \
    do {                                                                                           \
        begin;                                                                                     \
        gear_task_here_->step = __LINE__;                                                          \
        __attribute__((fallthrough));                                                              \
    case __LINE__:                                                                                 \
        gear_await_(gear_task_here_);                                                              \
    } while (0)

GEAR_SHARED void gear_await_begin_(gear_task_ *task, uint8_t awaits, gear_answer *awaited,
                                   uint32_t blocks)
{
    const uint32_t height = gear_block_height();
    task->awaits = awaits;
    task->awaited = awaited;
    task->until = blocks > UINT32_MAX - height ? UINT32_MAX : height + blocks;
}

static inline bool gear_await_is_over_(const gear_task_ *task)
{
    switch (task->awaits) {
    case GEAR_AWAITS_ONE_:
        return task->awaited->arrived;
    case GEAR_AWAITS_ALL_:
        return task->missing == 0;
    default:
        return false;
    }
}

/* Returns when the await is over; else the dispatch ends. */
GEAR_SHARED void gear_await_(gear_task_ *task)
{
    if (gear_await_is_over_(task))
        return;
    const uint32_t height = gear_block_height();
    if (height >= task->until)
        return;
    if (!task->is_kept) {
        task->is_kept = true;
        gear_item_add_(&task->item);
        if (GEAR_ASYNC_SIGNAL_GAS > 0)
            gear_signal_reserve(GEAR_ASYNC_SIGNAL_GAS);
    }
    task->waits = true;
    gear_async_.current = NULL;
    gr_wait_for(task->until - height);
}

/* ---- Handlers ---- */

/* The task of the message at hand: one that goes on, or a new one. */
GEAR_SHARED gear_task_ *gear_task_begin_(uint32_t frame_bytes)
{
    const gear_id message = gear_message_id();
    gear_task_ *task = (gear_task_ *)(void *)gear_item_find_(&message, true);
    if (task == NULL) {
        const uint32_t bytes = (uint32_t)sizeof *task + frame_bytes;
        task = (gear_task_ *)gear_block_take_(bytes);
        memset(task, 0, bytes);
        task->item.id = message;
        task->item.is_task = true;
        task->bytes = bytes;
    }
    task->waits = false;
    gear_async_.current = task;
    return task;
}

GEAR_SHARED void gear_task_end_(gear_task_ *task)
{
    for (gear_answer *answer = task->answers, *next; answer != NULL; answer = next) {
        next = answer->next_;
        gear_item_remove_(&answer->item_);
        if (answer->size > sizeof answer->short_)
            gear_block_give_((void *)(uintptr_t)answer->bytes, answer->size);
        gear_block_give_(answer, sizeof *answer);
    }
    if (task->is_kept)
        gear_item_remove_(&task->item);
    gear_block_give_(task, task->bytes);
    gear_async_.current = NULL;
}

/* GEAR_ASYNC_HANDLE(type, my) { ... } is a GEAR_HANDLE that can wait; `my` points to a `type` that
 * is the message's own. GEAR_ASYNC_INIT likewise: until it ends other messages are refused. */
#define GEAR_ASYNC_HANDLE(type, my) GEAR_ASYNC_ENTRY_(GEAR_HANDLE, gear_handle_, type, my)
#define GEAR_ASYNC_INIT(type, my)   GEAR_ASYNC_ENTRY_(GEAR_INIT, gear_init_, type, my)

#define GEAR_ASYNC_ENTRY_(entry, steps, type, my)                                                  \
    static void steps(gear_task_ *gear_task_here_, type *my);                                      \
    entry                                                                                          \
    {                                                                                              \
        gear_task_ *task = gear_task_begin_(sizeof(type));                                         \
        steps(task, (type *)(void *)task->frame);                                                  \
        gear_task_end_(task);                                                                      \
    }                                                                                              \
    static void steps(gear_task_ *gear_task_here_, __attribute__((unused)) type *my)

/* The first and the last thing in such a handler. What stands before GEAR_BEGIN runs in every run.
 */
#define GEAR_BEGIN                                                                                 \
    switch (gear_task_here_->step) {                                                               \
    case 0:
#define GEAR_END                                                                                   \
    break;                                                                                         \
    default:                                                                                       \
        gear_panic("an await inside a switch");                                                    \
        }

/* ---- Replies and signals ---- */

/* gear_async_reply stores the reply at hand, if a message of this program awaits it, and wakes that
 * message when it has all it waits for. False: nobody does. In handle_reply. */
GEAR_SHARED bool gear_async_reply(void)
{
    const gear_id message = gear_reply_to();
    gear_answer *answer = (gear_answer *)(void *)gear_item_find_(&message, false);
    if (answer == NULL || answer->arrived)
        return false;
    const uint32_t size = gear_size();
    uint8_t *bytes = answer->short_;
    if (size > sizeof answer->short_)
        bytes = (uint8_t *)gear_block_take_(size);
    if (size > 0)
        gear_read(0, bytes, size);
    answer->bytes = bytes;
    answer->size = size;
    answer->value = gear_value_received();
    answer->code = gear_reply_code();
    answer->arrived = true;
    gear_task_ *task = answer->task_;
    task->missing--;
    if (task->waits && gear_await_is_over_(task)) {
        task->waits = false;
        gear_wake(&task->item.id);
    }
    return true;
}

/* gear_async_find returns the structure (`my`) of a message that waits, NULL when it does not: for
 * a handle_signal that has to undo what the message did before it failed. */
static inline void *gear_async_find(const gear_id *message)
{
    gear_task_ *task = (gear_task_ *)(void *)gear_item_find_(message, true);
    return task == NULL ? NULL : task->frame;
}

/* gear_async_signal gives back what the message held that has failed. False: nothing. In
 * handle_signal. */
GEAR_SHARED bool gear_async_signal(void)
{
    const gear_id message = gear_signal_from();
    gear_task_ *task = (gear_task_ *)(void *)gear_item_find_(&message, true);
    if (task == NULL)
        return false;
    gear_task_end_(task);
    return true;
}

/* GEAR_ASYNC defines handle_reply and handle_signal, in one file of the program. A program that
 * wants more of them writes its own GEAR_REPLY and GEAR_SIGNAL, which call the functions above. */
#define GEAR_ASYNC                                                                                 \
    GEAR_REPLY                                                                                     \
    {                                                                                              \
        (void)gear_async_reply();                                                                  \
    }                                                                                              \
    GEAR_SIGNAL                                                                                    \
    {                                                                                              \
        (void)gear_async_signal();                                                                 \
    }

#endif
