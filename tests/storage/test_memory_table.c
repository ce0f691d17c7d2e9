/* SPDX-License-Identifier: Apache-2.0 */
/* mr-test: label=model timeout=60 */
/* Goal: a table in memory is the ordered map it says, while it grows, shrinks and is used as a
 * queue. Method: random changes, of keys that are alike in their first bytes, compared with an
 * array that tells for each key what it has; walks from random places. */
#include "storage/memory_table.h"
#include "support.h"

enum { KEYS = 40000, KEY_BYTES = 24 };

typedef struct fixture {
    mr_memory_table table;
    uint64_t random;
    uint32_t values[KEYS]; /* 0: not there */
} fixture;

/* In the order of their numbers; groups of 64 have the same first 8 bytes, and a key may be the
 * beginning of the next one. */
static mr_span key_of(uint32_t number, char *text)
{
    int size = snprintf(text, KEY_BYTES, "%08u/%02u", number / 64, number % 64 / 2);
    if (number % 2 != 0)
        text[size++] = '\0';
    return mr_span_of(text, (size_t)size);
}

static void set(fixture *at, uint32_t number, uint32_t value)
{
    char text[KEY_BYTES];
    mr_span key = key_of(number, text);
    at->values[number] = value;
    if (value == 0)
        mr_memory_table_remove(&at->table, key);
    else
        assert_int_equal(mr_memory_table_put(&at->table, key, mr_span_of(&value, sizeof value)),
                         MR_OK);
}

typedef struct walk {
    const fixture *at;
    uint32_t next;
    uint32_t left; /* entries to visit */
    bool wrong;
} walk;

static bool visit(void *arg, mr_entry *entry)
{
    walk *w = arg;
    while (w->next < KEYS && w->at->values[w->next] == 0)
        w->next++;
    char text[KEY_BYTES];
    w->wrong |= w->next == KEYS || !mr_span_equal(mr_entry_key(entry), key_of(w->next, text)) ||
                mr_load_le32(mr_entry_value(entry).data) != w->at->values[w->next];
    w->next++;
    return !w->wrong && --w->left > 0;
}

static void assert_walk(const fixture *at, uint32_t from, uint32_t count)
{
    char text[KEY_BYTES];
    walk w = {.at = at, .next = from, .left = count};
    mr_memory_table_walk(&at->table, key_of(from, text), visit, &w);
    assert_false(w.wrong);
    while (w.left > 0 && w.next < KEYS && at->values[w.next] == 0)
        w.next++;
    assert_true(w.left == 0 || w.next == KEYS);
}

static void assert_same(fixture *at)
{
    char text[KEY_BYTES];
    assert_walk(at, 0, UINT32_MAX);
    for (uint32_t i = 0; i < 1000; i++) {
        uint32_t number = test_below(&at->random, KEYS);
        const mr_entry *found = mr_memory_table_find(&at->table, key_of(number, text));
        assert_true((found != NULL) == (at->values[number] != 0));
        assert_walk(at, number, 1 + test_below(&at->random, 100));
    }
}

static void random_changes_give_what_an_array_holds(void **state)
{
    (void)state;
    fixture *at = calloc(1, sizeof *at);
    at->random = test_seed();
    for (uint32_t phase = 0; phase < 12; phase++) {
        /* In turn it grows to nearly all keys, is half full, and shrinks to nearly none. */
        static const uint32_t shares[] = {95, 50, 2};
        uint32_t span = phase % 2 == 0 ? KEYS : KEYS / 16;
        uint32_t start = test_below(&at->random, KEYS - span + 1);
        for (uint32_t i = 0; i < 60000; i++) {
            bool there = test_below(&at->random, 100) < shares[phase % 3];
            set(at, start + test_below(&at->random, span), there ? i + 1 : 0);
        }
        assert_same(at);
    }
    for (uint32_t number = 0; number < KEYS; number++)
        set(at, number, 0);
    assert_null(at->table.root);
    free(at);
}

static void a_queue_leaves_nothing_behind(void **state)
{
    (void)state;
    fixture *at = calloc(1, sizeof *at);
    at->random = test_seed();
    for (uint32_t number = 0; number < KEYS; number++) {
        set(at, number, number + 1);
        if (number >= 3000)
            set(at, number - 3000, 0);
        if (number % 5000 == 0)
            assert_same(at);
    }
    assert_same(at);
    mr_memory_table_fini(&at->table);
    free(at);
}

static void an_entry_that_is_kept_outlives_its_table(void **state)
{
    (void)state;
    mr_memory_table table = {0};
    assert_int_equal(mr_memory_table_put(&table, mr_span_text("key"), mr_span_text("one")), MR_OK);
    mr_entry *kept = mr_entry_get((mr_entry *)mr_memory_table_find(&table, mr_span_text("key")));
    assert_int_equal(mr_memory_table_put(&table, mr_span_text("key"), mr_span_text("two")), MR_OK);
    mr_memory_table_remove(&table, mr_span_text("none"));
    mr_memory_table_fini(&table);
    assert_true(mr_span_equal(mr_entry_value(kept), mr_span_text("one")));
    mr_entry_put(kept);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_changes_give_what_an_array_holds),
        cmocka_unit_test(a_queue_leaves_nothing_behind),
        cmocka_unit_test(an_entry_that_is_kept_outlives_its_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
