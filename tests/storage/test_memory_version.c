/* SPDX-License-Identifier: Apache-2.0 */
/* mr-test: label=model timeout=60 */
/* Goal: trees in memory are the ordered maps they say, while they grow, shrink and are used as a
 * queue; each version stays as it was; and what no version has is gone.
 * Method: random changes of keys that are alike in their first bytes, compared
 * with an array that tells for each key what it has; a walk over all nodes that checks what they
 * promise; and what all held versions reach, counted and compared with what is there. */
#include "storage/memory_version.h"
#include "support.h"

enum { KEYS = 40000, KEY_BYTES = 24, EDIT_MAX = 4000 };

typedef struct model {
    uint32_t values[KEYS]; /* 0: not there */
} model;

typedef struct fixture {
    mr_memory_versions versions;
    uint64_t random;
    model now;
    mr_memory_edit edit;
    mr_memory_version *made;
    uint32_t pending[KEYS]; /* what the edit is to make of a key */
    bool touched[KEYS];
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

static fixture *start(void)
{
    fixture *at = calloc(1, sizeof *at);
    at->random = test_seed();
    assert_int_equal(mr_memory_versions_init(&at->versions, 1), MR_OK);
    return at;
}

static void finish(fixture *at)
{
    mr_memory_versions_fini(&at->versions);
    free(at);
}

static void begin(fixture *at)
{
    assert_int_equal(mr_memory_versions_edit(&at->versions, &at->edit, 1, &at->made), MR_OK);
    memset(at->touched, 0, sizeof at->touched);
}

/* What was let go of is freed with the next edit. */
static void tidy(mr_memory_versions *all)
{
    mr_memory_edit edit;
    mr_memory_version *made;
    assert_int_equal(mr_memory_versions_edit(all, &edit, 1, &made), MR_OK);
    mr_memory_versions_publish(all, &edit, 1, made);
}

static void change(fixture *at, uint32_t number, uint32_t value)
{
    at->touched[number] = true;
    at->pending[number] = value;
}

/* Makes all changes of the edit, in the order of their keys. */
static void apply(fixture *at)
{
    enum { RECORD_BYTES = MR_RECORD_HEAD_BYTES + KEY_BYTES + 4 };
    static uint8_t bytes[KEYS][RECORD_BYTES];
    static mr_record changes[KEYS];
    size_t count = 0;
    for (uint32_t number = 0; number < KEYS; number++) {
        char text[KEY_BYTES];
        if (!at->touched[number])
            continue;
        const mr_span key = key_of(number, text);
        const mr_span value = mr_span_of(&at->pending[number], 4);
        const bool there = at->pending[number] != 0;
        mr_record_write(bytes[count], 0, key, there ? value : (mr_span){0}, there);
        changes[count] = (mr_record){mr_span_head(key), bytes[count]};
        count++;
    }
    assert_int_equal(mr_memory_edit_apply(&at->edit, &at->made->roots[0], changes, count), MR_OK);
}

static void publish(fixture *at)
{
    apply(at);
    mr_memory_versions_publish(&at->versions, &at->edit, 1, at->made);
}

static void set(fixture *at, uint32_t number, uint32_t value)
{
    at->now.values[number] = value;
    change(at, number, value);
}

/* ---- Looking ---- */

static void assert_walk(const mr_memory_version *version, const model *expected, uint32_t from,
                        uint32_t count)
{
    char text[KEY_BYTES];
    mr_memory_walk walk;
    mr_memory_walk_from(&walk, version->roots[0], key_of(from, text));
    for (uint32_t number = from; number < KEYS && count > 0; number++) {
        if (expected->values[number] == 0)
            continue;
        const mr_entry *entry = mr_memory_walk_next(&walk);
        assert_non_null(entry);
        assert_true(mr_span_equal(mr_entry_key(entry), key_of(number, text)));
        assert_int_equal(mr_load_le32(mr_entry_value(entry).data), expected->values[number]);
        count--;
    }
    if (count == 0)
        return;
    assert_null(mr_memory_walk_next(&walk));
    assert_null(mr_memory_walk_next(&walk));
}

static void assert_finds(const mr_memory_version *version, const model *expected, uint64_t *random)
{
    char text[KEY_BYTES];
    uint32_t number = test_below(random, KEYS), value = expected->values[number];
    const mr_entry *found = mr_memory_tree_find(version->roots[0], key_of(number, text));
    assert_true((found != NULL) == (value != 0));
    assert_true(found == NULL || mr_load_le32(mr_entry_value(found).data) == value);
}

static void assert_same(const mr_memory_version *version, const model *expected, uint64_t *random)
{
    assert_walk(version, expected, 0, UINT32_MAX);
    for (uint32_t i = 0; i < 300; i++) {
        assert_finds(version, expected, random);
        assert_walk(version, expected, test_below(random, KEYS), 1 + test_below(random, 100));
    }
}

/* A set of objects, by address. */
typedef struct objects {
    size_t count, capacity;
    const mr_memory_object **all;
} objects;

static void note(objects *seen, const mr_memory_object *object)
{
    if (seen->count == seen->capacity) {
        seen->capacity = seen->capacity == 0 ? 4096 : 2 * seen->capacity;
        seen->all = realloc(seen->all, seen->capacity * sizeof(mr_memory_object *));
        assert_non_null(seen->all);
    }
    seen->all[seen->count++] = object;
}

static int by_address(const void *a, const void *b)
{
    const void *left = *(void *const *)a, *right = *(void *const *)b;
    return (left > right) - (left < right);
}

static size_t distinct(objects *seen)
{
    if (seen->count == 0)
        return 0;
    qsort(seen->all, seen->count, sizeof seen->all[0], by_address);
    size_t count = 1;
    for (size_t i = 1; i < seen->count; i++)
        count += seen->all[i] != seen->all[i - 1];
    return count;
}

/* Goes through all nodes, whose keys are to be in low <= key < high (NULL: any), and notes them. */
static void check_node(const mr_memory_node *at, uint64_t born_max, const mr_entry *low,
                       const mr_entry *high, objects *seen)
{
    assert_true(at->count >= 1 && at->count <= MR_MEMORY_FANOUT);
    assert_true(at->object.born <= born_max);
    note(seen, &at->object);
    for (uint32_t i = 0; i < at->count; i++) {
        const mr_entry *entry = at->entries[i];
        if (at->level > 0 && i == 0) {
            assert_null(entry);
        } else {
            note(seen, &entry->object);
            assert_true(entry->object.born <= at->object.born);
            mr_span key = mr_entry_key(entry);
            assert_true(key.size >= at->skip);
            assert_int_equal(at->heads[i],
                             mr_span_head(mr_span_of(key.data + at->skip, key.size - at->skip)));
            assert_true(at->level > 0 || memcmp(key.data, at->entries[0]->bytes, at->skip) == 0);
            assert_true(at->level == 0 || at->skip == 0);
            assert_true(at->key_bytes == MR_MEMORY_MIXED || at->key_bytes == key.size);
            assert_true(low == NULL || mr_span_compare(mr_entry_key(low), key) <= 0);
            assert_true(high == NULL || mr_span_compare(key, mr_entry_key(high)) < 0);
            assert_true(i == 0 || at->entries[i - 1] == NULL ||
                        mr_span_compare(mr_entry_key(at->entries[i - 1]), key) < 0);
        }
        if (at->level == 0)
            continue;
        assert_int_equal(at->children[i]->level, at->level - 1);
        check_node(at->children[i], at->object.born, i == 0 ? low : entry,
                   i + 1 < at->count ? at->entries[i + 1] : high, seen);
    }
}

/* What the newest and some other versions reach is all there is. */
static void assert_exact(mr_memory_versions *all, mr_memory_version *const *others, size_t count)
{
    objects seen = {0};
    tidy(all);
    mr_memory_version *newest = mr_memory_versions_take(all);
    if (newest->roots[0] != NULL)
        check_node(newest->roots[0], newest->number, NULL, NULL, &seen);
    for (size_t i = 0; i < count; i++) {
        if (others[i] != NULL && others[i]->roots[0] != NULL)
            check_node(others[i]->roots[0], others[i]->number, NULL, NULL, &seen);
    }
    mr_memory_version_put(newest);
    assert_int_equal(distinct(&seen), all->objects);
    free(seen.all);
}

/* ---- One version at a time ---- */

static void assert_newest(fixture *at)
{
    const mr_memory_version *newest = mr_memory_versions_enter(&at->versions);
    assert_same(newest, &at->now, &at->random);
    mr_memory_versions_leave(&at->versions);
    assert_exact(&at->versions, NULL, 0);
}

/* An edit of some random keys between two numbers. */
static void edit_randomly(fixture *at, uint32_t first, uint32_t span, uint32_t there_in_100)
{
    static uint32_t numbers[EDIT_MAX];
    uint32_t count = 1 + test_below(&at->random, EDIT_MAX - 1);
    for (uint32_t i = 0; i < count; i++)
        numbers[i] = first + test_below(&at->random, span);
    begin(at);
    for (uint32_t i = 0; i < count; i++) {
        bool there = test_below(&at->random, 100) < there_in_100;
        set(at, numbers[i], there ? 1 + (uint32_t)(at->random >> 33) : 0);
    }
    publish(at);
}

static void random_changes_give_what_an_array_holds(void **state)
{
    (void)state;
    fixture *at = start();
    for (uint32_t phase = 0; phase < 12; phase++) {
        /* In turn it grows to nearly all keys, is half full, and shrinks to nearly none. */
        static const uint32_t shares[] = {95, 50, 2};
        uint32_t span = phase % 2 == 0 ? KEYS : KEYS / 16;
        uint32_t first = test_below(&at->random, KEYS - span + 1);
        for (uint32_t i = 0; i < 30; i++)
            edit_randomly(at, first, span, shares[phase % 3]);
        assert_newest(at);
    }
    for (uint32_t number = 0; number < KEYS; number += EDIT_MAX) {
        begin(at);
        for (uint32_t i = 0; i < EDIT_MAX; i++)
            set(at, number + i, 0);
        publish(at);
    }
    assert_null(at->versions.newest->roots[0]);
    tidy(&at->versions);
    assert_int_equal(at->versions.objects, 0);
    finish(at);
}

static void a_queue_leaves_nothing_behind(void **state)
{
    (void)state;
    fixture *at = start();
    for (uint32_t number = 0; number < KEYS; number++) {
        begin(at);
        set(at, number, number + 1);
        if (number >= 3000)
            set(at, number - 3000, 0);
        publish(at);
        if (number % 5000 == 0)
            assert_newest(at);
    }
    assert_newest(at);
    assert_in_range(at->versions.objects, 3000, 3200);
    finish(at);
}

/* Keys that come in order, one in an edit or many, fill their leaves. */
static void keys_in_order_fill_their_leaves(void **state)
{
    (void)state;
    for (uint32_t many = 1; many <= 500; many += 499) {
        fixture *at = start();
        for (uint32_t number = 0; number < KEYS; number++) {
            if (number % many == 0)
                begin(at);
            set(at, number, 1);
            if (number % many == many - 1 || number + 1 == KEYS)
                publish(at);
        }
        assert_newest(at);
        assert_true(at->versions.objects < KEYS + KEYS / 20);
        finish(at);
    }
}

static void an_abandoned_edit_leaves_no_trace(void **state)
{
    (void)state;
    fixture *at = start();
    for (uint32_t round = 0; round < 30; round++) {
        begin(at);
        for (uint32_t i = 0; i < EDIT_MAX; i++)
            change(at, test_below(&at->random, KEYS), test_below(&at->random, 3));
        apply(at);
        mr_memory_versions_abandon(&at->versions, &at->edit, 1, at->made);
        assert_exact(&at->versions, NULL, 0);
        edit_randomly(at, 0, round % 2 == 0 ? KEYS : 100, 70);
    }
    assert_newest(at);
    finish(at);
}

/* ---- Many versions ---- */

enum { HOLDERS = 7 };

typedef struct holder {
    mr_memory_version *versions[HOLDERS];
    model then[HOLDERS];
} holder;

static void hold(fixture *at, holder *held, uint32_t i)
{
    mr_memory_version_put(held->versions[i]);
    held->versions[i] = mr_memory_versions_take(&at->versions);
    held->then[i] = at->now;
}

static void let_go(holder *held, uint32_t i)
{
    mr_memory_version_put(held->versions[i]);
    held->versions[i] = NULL;
}

static void held_versions_stay_and_what_only_dropped_ones_had_is_gone(void **state)
{
    (void)state;
    fixture *at = start();
    holder *held = calloc(1, sizeof *held);
    for (uint32_t step = 0; step < 160; step++) {
        static const uint32_t shares[] = {95, 50, 2};
        if (test_below(&at->random, 3) == 0)
            edit_randomly(at, 0, KEYS, shares[step / 20 % 3]);
        else
            edit_randomly(at, test_below(&at->random, KEYS - 500), 500, shares[step / 20 % 3]);
        uint32_t i = test_below(&at->random, HOLDERS);
        if (test_below(&at->random, 2) == 0)
            hold(at, held, i);
        i = test_below(&at->random, HOLDERS);
        if (test_below(&at->random, 4) == 0)
            let_go(held, i);
        if (step % 8 == 0 && held->versions[i] != NULL)
            assert_same(held->versions[i], &held->then[i], &at->random);
        if (step % 4 == 0)
            assert_exact(&at->versions, held->versions, HOLDERS);
    }
    for (uint32_t i = 0; i < HOLDERS; i++) {
        if (held->versions[i] != NULL)
            assert_same(held->versions[i], &held->then[i], &at->random);
        let_go(held, i);
        assert_exact(&at->versions, held->versions, HOLDERS);
    }
    assert_newest(at);
    free(held);
    finish(at);
}

/* What is put and replaced while one old version is held costs nothing beside it. */
static void a_version_held_for_long_keeps_no_more_than_it_has(void **state)
{
    (void)state;
    fixture *at = start();
    edit_randomly(at, 0, KEYS, 100);
    mr_memory_version *old = mr_memory_versions_take(&at->versions);
    for (uint32_t step = 0; step < 150; step++)
        edit_randomly(at, 0, KEYS, 60);
    assert_exact(&at->versions, &old, 1);
    begin(at);
    publish(at);
    mr_memory_version_put(old);
    assert_exact(&at->versions, NULL, 0);
    finish(at);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_changes_give_what_an_array_holds),
        cmocka_unit_test(a_queue_leaves_nothing_behind),
        cmocka_unit_test(keys_in_order_fill_their_leaves),
        cmocka_unit_test(an_abandoned_edit_leaves_no_trace),
        cmocka_unit_test(held_versions_stay_and_what_only_dropped_ones_had_is_gone),
        cmocka_unit_test(a_version_held_for_long_keeps_no_more_than_it_has),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
