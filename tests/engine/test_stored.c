/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: blocks are stored so that they can be read back and run again with the same result. */
#include "tests/engine/fixture.h"
#include "tools/guest/embedded.h"

/* Runs the last block again, as stored, and returns what became of its i-th transaction. */
static mr_admission again(fixture *f, uint64_t i)
{
    mr_stored_block *stored;
    mr_error error = {0};
    const mr_block_info info = fixture_info(f);
    if (mr_engine_block(f->engine, info.height, &stored, &error) != MR_OK)
        fail_msg("%s", error.text);
    size_t count;
    const mr_transaction *transactions = mr_stored_block_transactions(stored, &count);
    assert_int_equal(count, info.transactions_count);
    mr_block *block = fixture_execute(f, transactions, count);
    mr_transaction_result result;
    assert_true(mr_block_transaction(block, i, &result));
    mr_block_discard(block);
    mr_stored_block_free(stored);
    return result.admission;
}

static void a_salt_that_refused_a_transaction_refuses_it_again(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, NULL);
    const mr_span module = mr_embedded_find("ping");
    const mr_transaction upload = fixture_upload_of(&f, module);
    fixture_run(&f, &upload, 1);
    const mr_id code = mr_id_of_code(module);
    const mr_id program = fixture_create(&f, &code, (mr_span){0});
    mr_transaction sends[] = {fixture_send_of(&f, &program, mr_span_text("ping")),
                              fixture_send_of(&f, &program, mr_span_text("ping"))};
    sends[0].salt = mr_span_text("sand");
    fixture_run(&f, sends, 2);
    assert_int_equal(fixture_result(&f, 0).admission, MR_ADMISSION_MALFORMED);
    assert_int_equal(again(&f, 0), MR_ADMISSION_MALFORMED);
    fixture_close(&f);
}

static void a_transaction_of_an_unknown_kind_does_not_make_its_block_unreadable(void **state)
{
    (void)state;
    static const unsigned kinds[] = {5, 15, 16, 0x21, 0x47, 255, 1000};
    fixture f;
    fixture_open(&f, NULL);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        const mr_transaction strange = {.kind = (mr_transaction_kind)kinds[i],
                                        .salt = mr_span_text("salt")};
        fixture_run(&f, &strange, 1);
        assert_int_equal(fixture_result(&f, 0).admission, MR_ADMISSION_MALFORMED);
        assert_int_equal(again(&f, 0), MR_ADMISSION_MALFORMED);
    }
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_salt_that_refused_a_transaction_refuses_it_again),
        cmocka_unit_test(a_transaction_of_an_unknown_kind_does_not_make_its_block_unreadable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
