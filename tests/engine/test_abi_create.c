/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: programs make programs: the new one exists for who made it at once, for others from their
 * next generation on; without its code the maker is told; once a message and salt.
 * Method: actors that make others and send to them, and guess their ids. */
#include "tests/engine/ledger.h"

#include "engine/id.h"

enum { RUNS = 0x2000 };

/* The id of what message `index` of the next block, sent by alice, makes. */
static mr_id child_of_next(const fixture *f, unsigned index, const mr_id *code, const char *salt)
{
    const mr_id alice = mr_id_of_name("alice");
    const mr_id message = mr_id_of_user_message(height_of(f) + 1, &alice, index);
    return mr_id_of_child(&message, code, mr_span_text(salt));
}

LEDGER_TEST(a_program_is_made_and_sent_to_in_one_dispatch)
{
    const mr_value before = account(f, "alice");
    const mr_id made = child_of_next(f, 0, &world.code, "salt");
    script init = script_new(), note = script_new(), s = script_new();
    STEP(&init, "store", OUT, 5);
    STEP(&note, "store", OUT + 8, 6);
    const uint32_t code = script_to(&s, &world.code, 7), salt = script_text(&s, "salt");
    const uint32_t payload = script_script(&s, &init), told = script_script(&s, &note);
    const uint32_t to = script_to(&s, &made, 2);
    STEP(&s, "gr_send_wgas", to, told, script_span(&note).size, 2500, 0, OUT + 0x100);
    STEP(&s, "gr_create_program_wgas", code, salt, 4, payload, script_span(&init).size, 4000, 0,
         OUT);
    STEP(&s, "gr_send", to, told, script_span(&note).size, 0, OUT + 0x140);
    f->value = 20;
    (void)ledger_send(f, &world.a, &s, 20000);
    assert_int_equal(fixture_u32(f, &world.a, OUT), 0);
    assert_id_equal(fixture_id(f, &world.a, OUT + 36), made);
    const uint64_t share = 20000 - RUN - 2500 - 4000;
    /* The first was sent before it was made, and arrives before its init. */
    assert_ran(f, 0, &world.a, HANDLE, OK, 20000, RUN);
    assert_ran(f, 1, &made, HANDLE, UNAVAILABLE, 2500, 0);
    assert_ran(f, 2, &made, INIT, OK, 4000, RUN);
    assert_id_equal(fixture_receipt(f, 2).message, fixture_id(f, &world.a, OUT + 4));
    assert_ran(f, 3, &made, HANDLE, OK, share, RUN);
    assert_ran(f, 4, &world.a, REPLY, OK, 2500, RUN);
    assert_ran(f, 5, &world.a, REPLY, OK, 3000, RUN);
    assert_ran(f, 6, &world.a, REPLY, OK, share - RUN, RUN);
    assert_int_equal(fixture_u64(f, &made, OUT), 5);
    assert_int_equal(fixture_u64(f, &made, OUT + 8), 6);
    assert_int_equal(fixture_program_info(f, &made).status, MR_PROGRAM_ACTIVE);
    assert_value_equal(fixture_program_info(f, &made).balance, 9);
    assert_value_equal(fixture_program_info(f, &world.a).balance, 11);
    assert_paid(f, before, 20 + 6 * RUN);
    blocks(f, 2);
    (void)ledger_send(f, &made, &note, 5000);
    assert_ran(f, 0, &made, HANDLE, OK, 5000, RUN);
}

/* Gasless it has a share, like any message to a program. */
LEDGER_TEST(an_init_without_a_limit_shares)
{
    script s = script_new();
    STEP(&s, "gr_create_program", script_to(&s, &world.code, 0), 0, 3, 0, 0, 0, OUT);
    STEP(&s, "gr_send", script_to(&s, &world.quiet, 0), 0, 0, 0, OUT + 0x100);
    STEP(&s, "gr_create_program", script_to(&s, &world.code, 0), 0, 4, 0, 0, 0, OUT + 0x200);
    (void)ledger_send(f, &world.a, &s, 10000);
    const mr_id first = fixture_id(f, &world.a, OUT + 36);
    const mr_id second = fixture_id(f, &world.a, OUT + 0x200 + 36);
    assert_ran(f, 1, &first, INIT, OK, 3000, RUN);
    assert_ran(f, 2, &world.quiet, HANDLE, OK, 3000, 0);
    assert_ran(f, 3, &second, INIT, OK, 3000, RUN);
}

LEDGER_TEST(without_its_code_the_maker_has_an_error_reply)
{
    const mr_value before = account(f, "alice");
    const mr_id nothing = mr_id_of_name("nothing");
    for (unsigned i = 0; i < 4; i++) {
        script s = script_new();
        const uint32_t code = script_to(&s, &nothing, 5);
        if (i % 2 == 0)
            STEP(&s, "gr_create_program_wgas", code, 0, 0, 0, 0, 3000, i < 2 ? 0 : 5, OUT);
        else
            STEP(&s, "gr_create_program", code, 0, 0, 0, 0, i < 2 ? 0 : 5, OUT);
        STEP(&s, "gr_reply_deposit", OUT + 4, 300, OUT + 0x100);
        f->value = 5;
        (void)ledger_send(f, &world.a, &s, 10000);
        f->value = 0;
        assert_int_equal(fixture_u32(f, &world.a, OUT), 0);
        const mr_id made = fixture_id(f, &world.a, OUT + 36),
                    init = fixture_id(f, &world.a, OUT + 4);
        const uint64_t rent = i < 2 ? 0 : 50, share = 10000 - RUN - 300 - rent;
        assert_block(f, 2, 1);
        assert_ran(f, 1, &world.a, REPLY, OK, (i % 2 == 0 ? 3000 : share) + 300, RUN);
        assert_id_equal(fixture_receipt(f, 1).source, made);
        assert_id_equal(fixture_receipt(f, 1).message, mr_id_of_reply(&init));
        assert_held(f, 0, 0, 0, 0);
        mr_program_info info;
        assert_int_equal(mr_engine_program(f->engine, &made, &info), MR_NOT_FOUND);
    }
    assert_value_equal(fixture_program_info(f, &world.a).balance, 20);
    assert_paid(f, before, 20 + 8 * RUN + 100);
    /* And it learns why. */
    f->gas = 20000;
    const mr_id asker = fixture_program_of(
        f, 1,
        "(func (export \"handle\") (call $gr_create_program (i32.const 0) (i32.const 0) (i32.const "
        "0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 100)))"
        "(func (export \"handle_reply\") (call $gr_reply_code (i32.const 256))"
        "(call $gr_reply_to (i32.const 264)) (call $gr_source (i32.const 300)))");
    (void)fixture_send(f, &asker, (mr_span){0});
    assert_int_equal(fixture_u32(f, &asker, 256), 0);
    assert_int_equal(fixture_u32(f, &asker, 260), 0x00030201); /* 01 02 03 00 */
    assert_id_equal(fixture_id(f, &asker, 268), fixture_id(f, &asker, 104));
    assert_id_equal(fixture_id(f, &asker, 300), fixture_id(f, &asker, 136));
}

/* Once a message, code and salt, in all its runs together. */
LEDGER_TEST(the_same_program_is_not_made_twice)
{
    script s = script_new();
    const uint32_t code = script_to(&s, &world.code, 0), salt = script_text(&s, "salt");
    const mr_id nothing = mr_id_of_name("nothing");
    const uint32_t none = script_to(&s, &nothing, 0);
    STEP(&s, "count", RUNS);
    STEP(&s, "unless", RUNS, 1, 6);
    STEP(&s, "gr_create_program_wgas", code, salt, 4, 0, 0, 2000, 0, OUT);
    STEP(&s, "gr_create_program_wgas", code, salt, 4, 0, 9, 2000, 0, OUT + 0x100); /* 306 */
    STEP(&s, "gr_create_program_wgas", code, salt, 3, 0, 0, 2000, 0, OUT + 0x200);
    STEP(&s, "gr_create_program_wgas", none, salt, 4, 0, 0, 2000, 0, OUT + 0x300);
    STEP(&s, "gr_create_program", none, salt, 4, 0, 0, 0, OUT + 0x400); /* 306 */
    STEP(&s, "gr_wait_for", 3);
    STEP(&s, "gr_create_program_wgas", code, salt, 4, 0, 0, 2000, 0, OUT + 0x500); /* 306 */
    STEP(&s, "gr_create_program_wgas", none, salt, 4, 0, 0, 2000, 0, OUT + 0x600); /* 306 */
    STEP(&s, "gr_create_program_wgas", code, salt, 2, 0, 0, 2000, 0, OUT + 0x700);
    STEP(&s, "gr_send_init", OUT + 0x800); /* a failed one takes no handle */
    (void)ledger_send(f, &world.a, &s, 60000);
    static const uint32_t first[] = {0, 306, 0, 0, 306};
    for (uint32_t i = 0; i < 5; i++)
        assert_int_equal(fixture_u32(f, &world.a, OUT + 0x100 * i), first[i]);
    blocks(f, 3);
    assert_int_equal(fixture_u32(f, &world.a, OUT + 0x500), 306);
    assert_int_equal(fixture_u32(f, &world.a, OUT + 0x600), 306);
    assert_int_equal(fixture_u32(f, &world.a, OUT + 0x700), 0);
    assert_int_equal(fixture_u32(f, &world.a, OUT + 0x804), 4);
    /* Another message makes others. */
    script again = script_new();
    STEP(&again, "gr_create_program_wgas", script_to(&again, &world.code, 0),
         script_text(&again, "salt"), 4, 0, 0, 2000, 0, OUT);
    (void)ledger_send(f, &world.a, &again, 60000);
    assert_int_equal(fixture_u32(f, &world.a, OUT), 0);
}

/* Who guesses its id in the same generation writes to a user; a generation later, to the program.
 */
LEDGER_TEST(a_guessed_id_is_a_user_until_the_next_generation)
{
    const mr_id made = child_of_next(f, 0, &world.code, "salt");
    script make = script_new(), guess = script_new(), later = script_new();
    STEP(&make, "gr_create_program_wgas", script_to(&make, &world.code, 0),
         script_text(&make, "salt"), 4, 0, 0, 2000, 0, OUT);
    STEP(&guess, "gr_send_wgas", script_to(&guess, &made, 1), 0, 0, 2000, 0, OUT);
    STEP(&later, "gr_send_wgas", script_to(&later, &world.c, 1), script_script(&later, &guess),
         script_span(&guess).size, 9000, 0, OUT);
    f->gas = 20000;
    f->value = 1;
    const mr_transaction sends[] = {fixture_send_of(f, &world.a, script_span(&make)),
                                    fixture_send_of(f, &world.b, script_span(&guess)),
                                    fixture_send_of(f, &world.b, script_span(&later))};
    fixture_run(f, sends, 3);
    fixture_accepted(f);
    /* Three, then init and what c was sent, then c's message; b's first is a letter. */
    assert_ran(f, 3, &made, INIT, OK, 2000, RUN);
    assert_ran(f, 4, &world.c, HANDLE, OK, 9000, RUN);
    uint64_t found = 0;
    for (uint64_t i = 5; i < fixture_info(f).receipts_count; i++) {
        const mr_receipt r = fixture_receipt(f, i);
        found += r.kind == MR_KIND_HANDLE && memcmp(&r.program, &made, 32) == 0;
    }
    assert_int_equal(found, 1);
    assert_int_equal(ledger_info(f).letters_count, 1);
    /* Nobody can answer for the program: the letter stays. */
    blocks(f, 1);
    assert_int_equal(ledger_info(f).letters_count, 1);
}

/* So it is where the block's gas cuts a generation, and the next one is pending behind it. */
LEDGER_TEST(a_made_program_exists_for_the_next_generation_in_any_round)
{
    const mr_id made = child_of_next(f, 1, &world.code, "salt");
    script make = script_new(), guess = script_new(), later = script_new();
    STEP(&make, "gr_create_program_wgas", script_to(&make, &world.code, 0),
         script_text(&make, "salt"), 4, 0, 0, 2000, 0, OUT);
    STEP(&guess, "gr_send_wgas", script_to(&guess, &made, 0), 0, 0, 2000, 0, OUT);
    STEP(&later, "gr_send_wgas", script_to(&later, &world.c, 0), script_script(&later, &guess),
         script_span(&guess).size, 9000, 0, OUT);
    f->gas = 20000;
    f->params.gas_limit = 35000; /* one of the two, then the other with what the first sent */
    const mr_transaction sends[] = {fixture_send_of(f, &world.b, script_span(&later)),
                                    fixture_send_of(f, &world.a, script_span(&make))};
    fixture_run(f, sends, 2);
    fixture_accepted(f);
    assert_ran(f, 2, &world.c, HANDLE, OK, 9000, RUN);
    assert_ran(f, 3, &made, INIT, OK, 2000, RUN);
    assert_int_equal(ledger_info(f).letters_count, 0);
}

LEDGER_TEST(an_init_that_fails_comes_back_to_the_maker)
{
    const mr_value before = account(f, "alice");
    script init = script_new(), s = script_new();
    STEP(&init, "unreachable");
    STEP(&s, "gr_create_program_wgas", script_to(&s, &world.code, 7), 0, 0,
         script_script(&s, &init), script_span(&init).size, 4000, 0, OUT);
    f->value = 7;
    (void)ledger_send(f, &world.a, &s, 20000);
    f->value = 0;
    const mr_id made = fixture_id(f, &world.a, OUT + 36);
    assert_ran(f, 1, &made, INIT, TRAP, 4000, RUN);
    assert_ran(f, 2, &world.a, REPLY, OK, 3000, RUN);
    assert_int_equal(fixture_program_info(f, &made).status, MR_PROGRAM_TERMINATED);
    assert_value_equal(fixture_program_info(f, &world.a).balance, 7);
    assert_paid(f, before, 7 + 3 * RUN);
}

LEDGER_TEST(a_failed_dispatch_makes_nothing)
{
    const mr_value before = account(f, "alice");
    const uint64_t programs = ledger_info(f).programs_count;
    script s = script_new();
    STEP(&s, "gr_create_program", script_to(&s, &world.code, 3), 0, 0, 0, 0, 0, OUT);
    STEP(&s, "unreachable");
    f->value = 5;
    (void)ledger_send(f, &world.a, &s, 20000);
    assert_block(f, 1, 1);
    assert_int_equal(ledger_info(f).programs_count, programs);
    assert_paid(f, before, RUN);
}

/* Many programs made by many in one round, and used in the next blocks. */
LEDGER_TEST(many_make_many)
{
    enum { MAKERS = 12, EACH = 5 };
    script s = script_new();
    const uint32_t code = script_to(&s, &world.code, 0);
    for (uint32_t i = 0; i < EACH; i++)
        STEP(&s, "gr_create_program_wgas", code, 0, i, 0, 0, 1500, 0, OUT + 0x80 * i);
    const uint64_t programs = ledger_info(f).programs_count;
    mr_transaction sends[MAKERS];
    f->gas = 30000;
    const mr_id makers[] = {world.a, world.b, world.c};
    for (unsigned i = 0; i < MAKERS; i++)
        sends[i] = fixture_send_of(f, &makers[i % 3], script_span(&s));
    fixture_run(f, sends, MAKERS);
    fixture_accepted(f);
    assert_int_equal(ledger_info(f).programs_count, programs + (uint64_t)MAKERS * EACH);
    const mr_id one = fixture_id(f, &world.c, OUT + 0x80 + 36);
    blocks(f, 1);
    (void)fixture_send(f, &one, (mr_span){0});
    assert_ran(f, 0, &one, HANDLE, OK, 30000, RUN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_program_is_made_and_sent_to_in_one_dispatch),
        cmocka_unit_test(an_init_without_a_limit_shares),
        cmocka_unit_test(without_its_code_the_maker_has_an_error_reply),
        cmocka_unit_test(the_same_program_is_not_made_twice),
        cmocka_unit_test(a_guessed_id_is_a_user_until_the_next_generation),
        cmocka_unit_test(a_made_program_exists_for_the_next_generation_in_any_round),
        cmocka_unit_test(an_init_that_fails_comes_back_to_the_maker),
        cmocka_unit_test(a_failed_dispatch_makes_nothing),
        cmocka_unit_test(many_make_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
