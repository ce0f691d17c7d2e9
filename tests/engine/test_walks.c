/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: walks show what waits, lies in mailboxes, is due and is reserved, all of it and with the
 * right numbers, before and after it has gone. Method: a program that leaves each behind; the
 * counts of mr_engine_info are what the walks are compared with. */
#include "tests/engine/keeper.h"

typedef struct found {
    uint64_t waiting, letters, tasks, reservations;
    uint64_t limit; /* of entries; the walk ends there */
    uint64_t gas;   /* of all, as they hold it */
    mr_waiting_message waiter;
    mr_letter_info letter;
    mr_task_info task[8];
    mr_reservation_info reservation;
} found;

static bool see_waiting(void *arg, const mr_waiting_message *message)
{
    found *f = arg;
    f->waiter = *message;
    f->gas += message->gas + message->system_gas;
    return ++f->waiting != f->limit;
}

static bool see_letter(void *arg, const mr_letter_info *letter)
{
    found *f = arg;
    f->letter = *letter;
    f->gas += letter->gas + letter->deposit;
    return ++f->letters != f->limit;
}

static bool see_task(void *arg, const mr_task_info *task)
{
    found *f = arg;
    if (f->tasks < 8)
        f->task[f->tasks] = *task;
    f->gas += task->task == MR_TASK_SEND ? task->gas_limit : 0;
    return ++f->tasks != f->limit;
}

static bool see_reservation(void *arg, const mr_reservation_info *reservation)
{
    found *f = arg;
    f->reservation = *reservation;
    f->gas += reservation->amount;
    return ++f->reservations != f->limit;
}

static found walk_all(fixture *f)
{
    found seen = {0};
    assert_int_equal(mr_engine_waiting(f->engine, NULL, see_waiting, &seen), MR_OK);
    assert_int_equal(mr_engine_letters(f->engine, NULL, see_letter, &seen), MR_OK);
    assert_int_equal(mr_engine_tasks(f->engine, 0, see_task, &seen), MR_OK);
    assert_int_equal(mr_engine_reservations(f->engine, NULL, see_reservation, &seen), MR_OK);
    mr_engine_info info;
    mr_engine_info_get(f->engine, &info);
    assert_int_equal(seen.waiting, info.waiting_count);
    assert_int_equal(seen.letters, info.letters_count);
    assert_int_equal(seen.tasks, info.tasks_count);
    /* What is held beside is the rent that reservations have paid ahead. */
    const uint64_t ahead = seen.reservations * KEEPER_BLOCKS * f->schedule.rent;
    assert_int_equal(seen.gas + ahead, info.gas_held);
    return seen;
}

static void everything_left_behind_is_seen_and_nothing_once_it_has_gone(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, NULL);
    const mr_id keeper = fixture_program(&f, keeper_text);
    const found nothing = walk_all(&f);
    assert_int_equal(nothing.waiting + nothing.letters + nothing.tasks + nothing.reservations, 0);
    for (unsigned what = KEEPER_RESERVE; what <= KEEPER_DELAY; what++)
        (void)fixture_send(&f, &keeper, keeper_payload(what));
    f.value = 7;
    (void)fixture_send(&f, &keeper, keeper_payload(KEEPER_WAIT));
    const uint32_t height = (uint32_t)fixture_info(&f).height;
    const found seen = walk_all(&f);
    assert_int_equal(seen.waiting, 1);
    assert_int_equal(seen.letters, 1);
    assert_int_equal(seen.reservations, 1);
    assert_int_equal(seen.tasks, 4);
    /* In the order of what ends first: reservation, delayed message, waiting; then the letter. */
    assert_int_equal(seen.task[0].task, MR_TASK_RESERVATION);
    assert_int_equal(seen.task[0].height, height - 3 + KEEPER_BLOCKS);
    assert_memory_equal(&seen.task[0].subject, &seen.reservation.id, sizeof(mr_id));
    assert_int_equal(seen.task[1].task, MR_TASK_SEND);
    assert_int_equal(seen.task[1].height, height - 1 + KEEPER_BLOCKS);
    assert_memory_equal(&seen.task[1].owner, &f.from, sizeof(mr_id));
    assert_memory_equal(&seen.task[1].source, &keeper, sizeof(mr_id));
    assert_int_equal(seen.task[2].task, MR_TASK_END_WAIT);
    assert_memory_equal(&seen.task[2].subject, &seen.waiter.id, sizeof(mr_id));
    assert_int_equal(seen.task[3].task, MR_TASK_LETTER);
    assert_int_equal(seen.task[3].height, seen.letter.until);
    assert_int_equal(seen.letter.since, height - 2);
    assert_int_equal(seen.letter.until, height - 2 + KEEPER_GAS / f.schedule.rent);
    assert_memory_equal(&seen.letter.user, &f.from, sizeof(mr_id));
    assert_int_equal(seen.reservation.amount, KEEPER_GAS);
    assert_int_equal(seen.waiter.since, height);
    assert_int_equal(seen.waiter.wish, height + KEEPER_BLOCKS);
    assert_int_equal(seen.waiter.until, height + KEEPER_BLOCKS);
    assert_value_equal(seen.waiter.value, 7);
    assert_memory_equal(&seen.waiter.payer, &f.from, sizeof(mr_id));
    for (unsigned i = 0; i < KEEPER_BLOCKS; i++)
        fixture_run(&f, NULL, 0);
    const found later = walk_all(&f);
    assert_int_equal(later.waiting, 0);
    assert_int_equal(later.reservations, 0);
    assert_int_equal(later.letters, 2); /* the delayed message became one */
    fixture_close(&f);
}

static void a_walk_is_of_one_program_or_user_when_one_is_named(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, NULL);
    const mr_id one = fixture_program(&f, keeper_text);
    const mr_id code = fixture_program_info(&f, &one).code;
    const mr_id other = fixture_create(&f, &code, (mr_span){0});
    (void)fixture_send(&f, &one, keeper_payload(KEEPER_WAIT));
    (void)fixture_send(&f, &one, keeper_payload(KEEPER_RESERVE));
    (void)fixture_send(&f, &one, keeper_payload(KEEPER_RESERVE));
    (void)fixture_send(&f, &one, keeper_payload(KEEPER_LETTER));
    const mr_id nobody = mr_id_of_name("nobody");
    const struct {
        const mr_id *program, *user;
        uint64_t waiting, reservations, letters;
    } cases[] = {
        {&one, &f.from, 1, 2, 1},
        {&other, &nobody, 0, 0, 0},
    };
    for (size_t i = 0; i < 2; i++) {
        found seen = {0};
        assert_int_equal(mr_engine_waiting(f.engine, cases[i].program, see_waiting, &seen), MR_OK);
        assert_int_equal(mr_engine_reservations(f.engine, cases[i].program, see_reservation, &seen),
                         MR_OK);
        assert_int_equal(mr_engine_letters(f.engine, cases[i].user, see_letter, &seen), MR_OK);
        assert_int_equal(seen.waiting, cases[i].waiting);
        assert_int_equal(seen.reservations, cases[i].reservations);
        assert_int_equal(seen.letters, cases[i].letters);
    }
    found seen = {0};
    assert_int_equal(mr_engine_reservations(f.engine, &nobody, see_reservation, &seen),
                     MR_NOT_FOUND);
    fixture_close(&f);
}

static void a_walk_ends_when_it_is_told_to_and_begins_at_a_height(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, NULL);
    const mr_id keeper = fixture_program(&f, keeper_text);
    for (unsigned i = 0; i < 3; i++)
        (void)fixture_send(&f, &keeper, keeper_payload(KEEPER_RESERVE));
    found seen = {.limit = 2};
    assert_int_equal(mr_engine_tasks(f.engine, 0, see_task, &seen), MR_OK);
    assert_int_equal(seen.tasks, 2);
    assert_int_equal(mr_engine_reservations(f.engine, NULL, see_reservation, &seen), MR_OK);
    assert_int_equal(seen.reservations, 2);
    const uint32_t last = (uint32_t)fixture_info(&f).height + KEEPER_BLOCKS;
    for (uint32_t before = 0; before < 4; before++) {
        found some = {0};
        assert_int_equal(mr_engine_tasks(f.engine, last + 1 - before, see_task, &some), MR_OK);
        assert_int_equal(some.tasks, before < 3 ? before : 3);
    }
    fixture_close(&f);
}

static bool see_program(void *arg, const mr_program_info *program)
{
    *(uint64_t *)arg += program->reservations;
    return true;
}

static uint64_t programs_loaded(const fixture *f)
{
    mr_statistics statistics;
    mr_engine_statistics(f->engine, &statistics);
    return statistics.programs_loaded;
}

/* Whoever looks at everything there is does not fill memory with it. */
static void a_walk_over_all_programs_loads_none(void **state)
{
    (void)state;
    enum { PROGRAMS = 40 };
    fixture f;
    fixture_open(&f, &(mr_engine_options){.loaded_bytes_max = 1, .streams = 1});
    const mr_id one = fixture_program(&f, keeper_text);
    const mr_id code = fixture_program_info(&f, &one).code;
    (void)fixture_send(&f, &one, keeper_payload(KEEPER_RESERVE));
    for (unsigned i = 1; i < PROGRAMS; i++) {
        const mr_id other = fixture_create(&f, &code, (mr_span){0});
        if (i % 4 == 0)
            (void)fixture_send(&f, &other, keeper_payload(KEEPER_RESERVE));
        if (i % 8 == 0)
            (void)fixture_send(&f, &other, keeper_payload(KEEPER_RESERVE));
    }
    const uint64_t before = programs_loaded(&f);
    assert_true(before < PROGRAMS / 4);
    mr_engine_info info;
    mr_engine_info_get(f.engine, &info);
    assert_int_equal(info.programs_count, PROGRAMS);
    found seen = {0};
    uint64_t counted = 0;
    assert_int_equal(mr_engine_reservations(f.engine, NULL, see_reservation, &seen), MR_OK);
    assert_int_equal(programs_loaded(&f), before);
    assert_int_equal(mr_engine_programs(f.engine, see_program, &counted), MR_OK);
    assert_int_equal(programs_loaded(&f), before);
    assert_true(seen.reservations > 0);
    assert_int_equal(seen.reservations, info.tasks_count);
    assert_int_equal(seen.reservations, counted);
    fixture_run(&f, NULL, 0);
    fixture_close(&f);
}

static void there_is_no_walk_while_a_candidate_exists(void **state)
{
    (void)state;
    fixture f;
    found seen = {0};
    fixture_open(&f, NULL);
    const mr_id keeper = fixture_program(&f, keeper_text);
    mr_block *candidate = fixture_execute(&f, NULL, 0);
    assert_int_equal(mr_engine_waiting(f.engine, NULL, see_waiting, &seen), MR_STATE);
    assert_int_equal(mr_engine_letters(f.engine, NULL, see_letter, &seen), MR_STATE);
    assert_int_equal(mr_engine_tasks(f.engine, 0, see_task, &seen), MR_STATE);
    assert_int_equal(mr_engine_reservations(f.engine, NULL, see_reservation, &seen), MR_STATE);
    assert_int_equal(mr_engine_reservations(f.engine, &keeper, see_reservation, &seen), MR_STATE);
    mr_block_discard(candidate);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_left_behind_is_seen_and_nothing_once_it_has_gone),
        cmocka_unit_test(a_walk_is_of_one_program_or_user_when_one_is_named),
        cmocka_unit_test(a_walk_ends_when_it_is_told_to_and_begins_at_a_height),
        cmocka_unit_test(a_walk_over_all_programs_loads_none),
        cmocka_unit_test(there_is_no_walk_while_a_candidate_exists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
