/* SPDX-License-Identifier: Apache-2.0 */
/* mr-test: label=model timeout=120 */
/* Goal: the pool takes, refuses and lets go exactly what its rules in millrace.h say.
 * Method: random operations, compared one by one with a pool that is an array and walks it for
 * everything. MR_SEED repeats a run, MR_CASES asks for more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "engine/pool_internal.h"
#include "tests/model/random.h"

enum { PLACES = 400, PAYLOAD_MAX = 600, SENDERS_MAX = 12 };

/* ---- The naive pool: all there is, by age ---- */

typedef struct naive_entry {
    mr_transaction transaction;
    uint64_t ticket;
    bool taken, gives_way;
} naive_entry;

typedef struct naive {
    mr_pool_options options; /* none is 0 but gas_limit */
    mr_schedule schedule;
    naive_entry entries[PLACES];
    size_t count;
    uint64_t tickets, evicted;
    bool has_batch;
} naive;

static uint64_t bytes_of(const mr_transaction *t)
{
    return 128 + t->payload.size + t->salt.size;
}

static uint64_t weight_of(const naive *n, const mr_transaction *t)
{
    const uint64_t each =
        n->schedule.post_byte + (t->kind == MR_TRANSACTION_UPLOAD ? n->schedule.upload_byte : 0);
    const uint64_t weight = t->gas_limit + n->schedule.post + each * t->payload.size +
                            n->schedule.post_byte * t->salt.size;
    return weight > 0 ? weight : 1;
}

static mr_value tip_of(const naive *n, const mr_transaction *t)
{
    return n->options.accounts ? t->tip : 0;
}

/* a * b, in digits of 32 bits, the lowest first. */
typedef struct digits {
    uint32_t at[6];
} digits;

static digits multiply(mr_value a, uint64_t b)
{
    digits result = {0};
    for (unsigned i = 0; i < 4; i++) {
        uint64_t carry = 0;
        for (unsigned k = 0; k < 2; k++) {
            const uint64_t sum = (uint64_t)(uint32_t)(a >> 32 * i) * (uint32_t)(b >> 32 * k) +
                                 result.at[i + k] + carry;
            result.at[i + k] = (uint32_t)sum;
            carry = sum >> 32;
        }
        result.at[i + 2] = (uint32_t)carry;
    }
    return result;
}

/* Positive if tip / weight of `a` is higher. */
static int compare(const naive *n, const mr_transaction *a, const mr_transaction *b)
{
    const digits left = multiply(tip_of(n, a), weight_of(n, b));
    const digits right = multiply(tip_of(n, b), weight_of(n, a));
    for (unsigned i = 6; i-- > 0;)
        if (left.at[i] != right.at[i])
            return left.at[i] > right.at[i] ? 1 : -1;
    return 0;
}

/* floor(tip * weight / by), digit by digit of 1 bit. */
static mr_value scale(mr_value tip, uint64_t weight, uint64_t by)
{
    const digits product = multiply(tip, weight);
    mr_value rest = 0, quotient = 0;
    for (unsigned bit = 192; bit-- > 0;) {
        rest = rest << 1 | (product.at[bit / 32] >> bit % 32 & 1);
        quotient <<= 1;
        if (rest >= by) {
            rest -= by;
            quotient |= 1;
        }
    }
    return quotient;
}

static bool is_same_sender(const mr_transaction *a, const mr_transaction *b)
{
    return memcmp(&a->from, &b->from, sizeof a->from) == 0;
}

static bool is_twin(const mr_transaction *a, const mr_transaction *b)
{
    return is_same_sender(a, b) && a->kind == b->kind && memcmp(&a->to, &b->to, 32) == 0 &&
           a->value == b->value && a->gas_limit == b->gas_limit &&
           mr_span_equal(a->payload, b->payload) && mr_span_equal(a->salt, b->salt);
}

static naive_entry *naive_find(naive *n, uint64_t ticket)
{
    for (size_t i = 0; i < n->count; i++)
        if (n->entries[i].ticket == ticket)
            return &n->entries[i];
    return NULL;
}

static naive_entry *naive_twin(naive *n, const mr_transaction *t)
{
    for (size_t i = 0; i < n->count; i++)
        if (is_twin(&n->entries[i].transaction, t))
            return &n->entries[i];
    return NULL;
}

static void naive_drop(naive *n, size_t i)
{
    memmove(&n->entries[i], &n->entries[i + 1], (n->count - i - 1) * sizeof n->entries[0]);
    n->count--;
}

static mr_status naive_form(const naive *n, const mr_transaction *t)
{
    if (t->kind == MR_TRANSACTION_CLAIM && t->gas_limit != 0)
        return MR_INVALID;
    if (n->options.gas_limit != 0 && t->gas_limit > n->options.gas_limit)
        return MR_LIMIT;
    mr_value cost;
    if (n->options.accounts && !mr_transaction_cost(&n->schedule, t, &cost))
        return MR_INVALID;
    return bytes_of(t) > n->options.bytes_max ? MR_LIMIT : MR_OK;
}

/* Whether a sender's transactions, `without` one of them (or 0), and `t` cost too much together. */
static bool is_too_dear(naive *n, const mr_transaction *t, uint64_t without)
{
    mr_value sum = 0, cost;
    if (!n->options.accounts)
        return false;
    (void)mr_transaction_cost(&n->schedule, t, &sum);
    for (size_t i = 0; i < n->count; i++) {
        if (!is_same_sender(&n->entries[i].transaction, t) || n->entries[i].ticket == without)
            continue;
        (void)mr_transaction_cost(&n->schedule, &n->entries[i].transaction, &cost);
        if (sum + cost < sum)
            return true;
        sum += cost;
    }
    return false;
}

/* Marks those that give way to `t`, or returns false. */
static bool naive_room(naive *n, const mr_transaction *t)
{
    mr_value total = 0;
    for (;;) {
        uint64_t count = 0, bytes = 0;
        naive_entry *worst = NULL, *goes = NULL;
        for (size_t i = 0; i < n->count; i++) {
            naive_entry *at = &n->entries[i];
            if (at->gives_way)
                continue;
            count++;
            bytes += bytes_of(&at->transaction);
            if (!at->taken &&
                (worst == NULL || compare(n, &worst->transaction, &at->transaction) >= 0))
                worst = at;
        }
        if (count < n->options.transactions_max && bytes + bytes_of(t) <= n->options.bytes_max)
            return true;
        if (worst == NULL || compare(n, t, &worst->transaction) <= 0 ||
            is_same_sender(t, &worst->transaction))
            return false;
        for (size_t i = 0; i < n->count; i++)
            if (!n->entries[i].gives_way &&
                is_same_sender(&n->entries[i].transaction, &worst->transaction))
                goes = &n->entries[i];
        const mr_value worth =
            scale(tip_of(n, &worst->transaction), weight_of(n, &goes->transaction),
                  weight_of(n, &worst->transaction));
        if (total + worth < total || total + worth >= tip_of(n, t))
            return false;
        total += worth;
        goes->gives_way = true;
    }
}

static mr_status naive_add(naive *n, const mr_transaction *t, uint64_t *ticket)
{
    const mr_status status = naive_form(n, t);
    if (status != MR_OK)
        return status;
    if (!n->options.duplicates && naive_twin(n, t) != NULL)
        return MR_EXISTS;
    uint64_t same = 0;
    for (size_t i = 0; i < n->count; i++)
        same += is_same_sender(&n->entries[i].transaction, t);
    if (same >= n->options.sender_max)
        return MR_FULL;
    if (is_too_dear(n, t, 0))
        return MR_INVALID;
    const bool room = naive_room(n, t);
    for (size_t i = n->count; i-- > 0;) {
        if (room && n->entries[i].gives_way) {
            naive_drop(n, i);
            n->evicted++;
        } else {
            n->entries[i].gives_way = false;
        }
    }
    if (!room)
        return MR_FULL;
    assert_true(n->count < PLACES);
    *ticket = ++n->tickets;
    n->entries[n->count++] = (naive_entry){.transaction = *t, .ticket = *ticket};
    return MR_OK;
}

static mr_status naive_replace(naive *n, uint64_t ticket, const mr_transaction *t)
{
    mr_status status = naive_form(n, t);
    if (status != MR_OK)
        return status;
    naive_entry *old = naive_find(n, ticket);
    if (old == NULL)
        return MR_NOT_FOUND;
    if (old->taken)
        return MR_STATE;
    if (!is_same_sender(&old->transaction, t) || t->tip <= old->transaction.tip)
        return MR_INVALID;
    if (is_too_dear(n, t, ticket))
        return MR_INVALID;
    for (size_t i = 0; i < n->count && !n->options.duplicates; i++)
        if (&n->entries[i] != old && is_twin(&n->entries[i].transaction, t))
            return MR_EXISTS;
    uint64_t bytes = bytes_of(t);
    for (size_t i = 0; i < n->count; i++)
        bytes += &n->entries[i] == old ? 0 : bytes_of(&n->entries[i].transaction);
    if (bytes > n->options.bytes_max)
        return MR_FULL;
    old->transaction = *t;
    return MR_OK;
}

/* Takes the best head that fits, until none does; writes down the tickets. */
static size_t naive_take(naive *n, const mr_pool_wish *wish, uint64_t *tickets)
{
    mr_value gas = 0;
    uint64_t bytes = 0;
    size_t taken = 0;
    n->has_batch = true;
    while (wish->transactions_max == 0 || taken < wish->transactions_max) {
        naive_entry *best = NULL;
        for (size_t i = 0; i < n->count; i++) {
            naive_entry *at = &n->entries[i];
            bool head = !at->taken;
            for (size_t k = 0; k < i; k++)
                head = head && (n->entries[k].taken ||
                                !is_same_sender(&n->entries[k].transaction, &at->transaction));
            if (!head ||
                (wish->gas_limit != 0 && gas + at->transaction.gas_limit > wish->gas_limit) ||
                (wish->bytes_max != 0 && bytes + bytes_of(&at->transaction) > wish->bytes_max))
                continue;
            if (best == NULL || compare(n, &at->transaction, &best->transaction) > 0)
                best = at;
        }
        if (best == NULL)
            break;
        best->taken = true;
        gas += best->transaction.gas_limit;
        bytes += bytes_of(&best->transaction);
        tickets[taken++] = best->ticket;
    }
    return taken;
}

/* Ends the batch: what was taken is gone, or pending again. */
static void naive_end(naive *n, bool gone)
{
    n->has_batch = false;
    for (size_t i = n->count; i-- > 0;) {
        if (n->entries[i].taken && gone)
            naive_drop(n, i);
        else
            n->entries[i].taken = false;
    }
}

/* ---- Random operations on both ---- */

typedef struct play {
    naive naive;
    mr_pool *pool;
    mr_random random;
    uint64_t senders;
    unsigned shapes; /* how many different contents and tips there are */
} play;

static const uint8_t payload_bytes[PAYLOAD_MAX];

static mr_transaction any_transaction(play *p)
{
    static const mr_value tips[] = {0,
                                    1,
                                    2,
                                    1000,
                                    100000,
                                    1000000,
                                    10000000,
                                    (mr_value)1 << 64,
                                    (mr_value)1 << 120,
                                    (mr_value)1 << 127,
                                    ((mr_value)1 << 127) + 1,
                                    ~(mr_value)0};
    static const uint64_t gas[] = {0, 1, 100, 1000, 1001, 2000, 5000, 100000};
    mr_random *r = &p->random;
    mr_transaction t = {
        .kind = mr_random_chance(r, 80) ? MR_TRANSACTION_SEND : MR_TRANSACTION_CREATE,
        .to.bytes[0] = (uint8_t)mr_random_below(r, p->shapes),
        .from.bytes[0] = (uint8_t)mr_random_below(r, p->senders),
        .gas_limit = gas[mr_random_below(r, sizeof gas / sizeof gas[0])],
        .value = mr_random_below(r, 2),
        .tip = tips[mr_random_below(r, sizeof tips / sizeof tips[0])],
        .payload.data = payload_bytes,
    };
    if (mr_random_chance(r, 30))
        t.tip = mr_random_magnitude(r, 1, 1 << 24);
    if (mr_random_chance(r, 50))
        t.payload.size = mr_random_below(r, 1 + p->shapes * PAYLOAD_MAX / 100);
    if (t.payload.size >= PAYLOAD_MAX)
        t.payload.size = PAYLOAD_MAX;
    if (t.kind == MR_TRANSACTION_CREATE && mr_random_chance(r, 50))
        t.salt = mr_span_of(payload_bytes, mr_random_below(r, 100));
    if (mr_random_chance(r, 3))
        t.kind = MR_TRANSACTION_CLAIM, t.salt.size = 0, t.value = 0, t.payload.size = 0;
    return t;
}

/* Mostly one that is there. */
static uint64_t any_ticket(play *p)
{
    if (p->naive.count == 0 || mr_random_chance(&p->random, 5))
        return mr_random_below(&p->random, p->naive.tickets + 2);
    return p->naive.entries[mr_random_below(&p->random, p->naive.count)].ticket;
}

static void add_one(play *p)
{
    const mr_transaction t = any_transaction(p);
    uint64_t expected = 0, ticket = 0;
    const mr_status wanted = naive_add(&p->naive, &t, &expected);
    assert_int_equal(mr_pool_add(p->pool, &t, &ticket, NULL), wanted);
    assert_int_equal(ticket, expected);
}

static void replace_one(play *p)
{
    mr_transaction t = any_transaction(p);
    const uint64_t ticket = any_ticket(p);
    const naive_entry *old = naive_find(&p->naive, ticket);
    if (old != NULL && mr_random_chance(&p->random, 90))
        t.from = old->transaction.from;
    if (old != NULL && mr_random_chance(&p->random, 50)) {
        t = old->transaction;
        t.tip += mr_random_below(&p->random, 3);
    }
    const mr_status wanted = naive_replace(&p->naive, ticket, &t);
    assert_int_equal(mr_pool_replace(p->pool, ticket, &t, NULL), wanted);
}

static void remove_one(play *p)
{
    const uint64_t ticket = any_ticket(p);
    naive_entry *old = naive_find(&p->naive, ticket);
    const mr_status wanted = old == NULL ? MR_NOT_FOUND : old->taken ? MR_STATE : MR_OK;
    bool taken = false;
    assert_int_equal(mr_pool_get(p->pool, ticket, &taken), old == NULL ? MR_NOT_FOUND : MR_OK);
    assert_int_equal(taken, old != NULL && old->taken);
    assert_int_equal(mr_pool_remove(p->pool, ticket), wanted);
    if (wanted == MR_OK)
        naive_drop(&p->naive, (size_t)(old - p->naive.entries));
}

static void find_one(play *p)
{
    mr_transaction t = any_transaction(p);
    if (p->naive.count > 0 && mr_random_chance(&p->random, 70))
        t = p->naive.entries[mr_random_below(&p->random, p->naive.count)].transaction;
    const naive_entry *twin = naive_twin(&p->naive, &t);
    uint64_t ticket = 0;
    assert_int_equal(mr_pool_find(p->pool, &t, &ticket), twin == NULL ? MR_NOT_FOUND : MR_OK);
    assert_int_equal(ticket, twin == NULL ? 0 : twin->ticket);
}

static void take_some(play *p)
{
    mr_random *r = &p->random;
    const mr_pool_wish wish = {
        .transactions_max = mr_random_chance(r, 50) ? mr_random_below(r, 30) : 0,
        .bytes_max = mr_random_chance(r, 50) ? mr_random_below(r, 5000) : 0,
        .gas_limit = mr_random_chance(r, 50) ? mr_random_below(r, 50000) : 0,
    };
    mr_pool_batch batch;
    if (p->naive.has_batch) {
        assert_int_equal(mr_pool_take(p->pool, &wish, &batch), MR_STATE);
        return;
    }
    uint64_t tickets[PLACES], bytes = 0;
    mr_value gas = 0;
    const size_t count = naive_take(&p->naive, &wish, tickets);
    assert_int_equal(mr_pool_take(p->pool, &wish, &batch), MR_OK);
    assert_int_equal(batch.count, count);
    for (size_t i = 0; i < count; i++) {
        const naive_entry *at = naive_find(&p->naive, tickets[i]);
        assert_int_equal(batch.tickets[i], tickets[i]);
        assert_true(is_twin(&batch.transactions[i], &at->transaction));
        assert_true(batch.transactions[i].tip == at->transaction.tip);
        gas += at->transaction.gas_limit;
        bytes += bytes_of(&at->transaction);
    }
    assert_true(batch.gas == gas);
    assert_int_equal(batch.bytes, bytes);
}

static void end_some(play *p)
{
    const bool gone = mr_random_chance(&p->random, 50);
    if (gone)
        assert_int_equal(mr_pool_done(p->pool, NULL, 0, 0), p->naive.has_batch ? MR_OK : MR_STATE);
    else
        mr_pool_undo(p->pool);
    if (p->naive.has_batch)
        naive_end(&p->naive, gone);
}

static void compare_all(play *p)
{
    mr_pool_info info, wanted = {.evicted_count = p->naive.evicted};
    for (size_t i = 0; i < p->naive.count; i++) {
        const naive_entry *at = &p->naive.entries[i];
        wanted.transactions_count++;
        wanted.taken_count += at->taken;
        wanted.bytes += bytes_of(&at->transaction);
        bool first = true;
        for (size_t k = 0; k < i; k++)
            first &= !is_same_sender(&p->naive.entries[k].transaction, &at->transaction);
        wanted.senders_count += first;
    }
    mr_pool_info_get(p->pool, &info);
    assert_memory_equal(&info, &wanted, sizeof info);
    mr_pool_check(p->pool);
}

static void set_up(play *p, uint64_t seed)
{
    p->random = (mr_random){.state = seed};
    mr_random *r = &p->random;
    naive *n = &p->naive;
    memset(n, 0, sizeof *n);
    n->schedule = mr_schedule_default();
    if (mr_random_chance(r, 30))
        n->schedule.post = n->schedule.post_byte = 0; /* then some weigh nothing */
    else
        n->schedule.post = mr_random_magnitude(r, 1, 10000);
    n->schedule.value_per_gas = 1;
    n->options = (mr_pool_options){
        .schedule = &n->schedule,
        .accounts = mr_random_chance(r, 85),
        .gas_limit = mr_random_chance(r, 50) ? 5000 : 0,
        .duplicates = mr_random_chance(r, 50),
        .transactions_max = mr_random_range(r, 1, mr_random_chance(r, 50) ? 20 : PLACES - 1),
        .bytes_max = mr_random_range(r, 200, mr_random_chance(r, 50) ? 4000 : 100000),
        .sender_max = mr_random_range(r, 1, mr_random_chance(r, 30) ? 5 : 1000),
    };
    p->senders = mr_random_range(r, 1, SENDERS_MAX);
    p->shapes = (unsigned)mr_random_range(r, 1, 30);
    assert_int_equal(mr_pool_new(&n->options, &p->pool), MR_OK);
}

static void the_pool_does_what_a_naive_one_does(void **state)
{
    (void)state;
    const char *given = getenv("MR_SEED"), *cases = getenv("MR_CASES");
    const uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : 20260;
    const uint64_t count = cases != NULL ? strtoull(cases, NULL, 10) : 150;
    print_message("MR_SEED=%llu\n", (unsigned long long)seed);
    uint64_t evicted = 0;
    static play p;
    for (uint64_t i = 0; i < count; i++) {
        set_up(&p, mr_random_part(seed, i));
        for (unsigned step = 0; step < 600; step++) {
            const uint64_t dice = mr_random_below(&p.random, 100);
            if (dice < 60)
                add_one(&p);
            else if (dice < 72)
                replace_one(&p);
            else if (dice < 80)
                remove_one(&p);
            else if (dice < 86)
                find_one(&p);
            else if (dice < 93)
                take_some(&p);
            else
                end_some(&p);
            compare_all(&p);
        }
        evicted += p.naive.evicted;
        mr_pool_free(p.pool);
    }
    assert_true(evicted > count); /* the rules about giving way were in use */
}

/* Sums of what gives way need every unit of it; so extremes are likely here. */
static void worth_is_exact(void **state)
{
    (void)state;
    mr_random r = {.state = 7};
    for (unsigned i = 0; i < 20000; i++) {
        mr_ranked rank = {.weight = mr_random_magnitude(&r, 1, UINT64_MAX)};
        mr_ranked deciding = {.weight = mr_random_magnitude(&r, 1, UINT64_MAX)};
        deciding.tip = (mr_value)mr_random_magnitude(&r, 1, UINT64_MAX) << 64 | mr_random_next(&r);
        if (mr_random_chance(&r, 30))
            deciding.tip >>= 64;
        rank.tip = ~(mr_value)0;
        if (mr_ranked_compare(&deciding, &rank) > 0)
            continue; /* not asked */
        assert_true(mr_pool_worth(&rank, &deciding) ==
                    scale(deciding.tip, rank.weight, deciding.weight));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(worth_is_exact),
        cmocka_unit_test(the_pool_does_what_a_naive_one_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
