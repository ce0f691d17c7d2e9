/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: the relay gives every answer to who asked, in whatever order answers come. */
#include "tools/guest/examples/relay.c"

#include "tests/guest/programs.h"

static int setup(void **state_)
{
    (void)state_;
    host_reset();
    HOST_STATE(answerer);
    HOST_STATE(questions);
    HOST_STATE(questions_count);
    const gear_id id = host_id(99);
    assert_runs(init, host_id(0), &id, sizeof id);
    return 0;
}

static gear_id ask(uint32_t asker)
{
    assert_runs(handle, host_id(asker), "how?", 4);
    assert_int_equal(host_outbox_count, 1);
    assert_bytes(host_outbox[0].payload, "how?", 4);
    assert_true(gear_id_equal(&host_outbox[0].to, &(gear_id[]){host_id(99)}[0]));
    return host_outbox[0].id;
}

static host_outcome answer(gear_id asked, const char *text, uint8_t error, gear_value value)
{
    const host_message reply = {.source = host_id(99),
                                .payload = text,
                                .size = (uint32_t)strlen(text),
                                .value = value,
                                .is_reply = true,
                                .reply_to = asked,
                                .code = {error}};
    return host_run(handle_reply, &reply);
}

static void answers_go_to_who_asked_in_any_order(void **state_)
{
    (void)state_;
    gear_id open[QUESTIONS_MAX];
    for (uint32_t i = 0; i < QUESTIONS_MAX; i++)
        open[i] = ask(i);
    assert_panics(handle, host_id(1), "how?", 4, "relay: too many open questions");
    for (uint32_t i = 0; i < QUESTIONS_MAX; i++) {
        const uint32_t asker = i * 37 % QUESTIONS_MAX;
        assert_int_equal(answer(open[asker], "so", 0, asker), HOST_OK);
        assert_int_equal(host_outbox_count, 1);
        assert_true(gear_id_equal(&host_outbox[0].to, &(gear_id[]){host_id(asker)}[0]));
        assert_bytes(host_outbox[0].payload, "\1so", 3);
        assert_true(host_outbox[0].value == asker);
    }
    assert_int_equal(questions_count, 0);
    ask(5);
}

static void failures_are_told_apart_and_empty_answers_pass(void **state_)
{
    (void)state_;
    gear_id asked = ask(3);
    assert_int_equal(answer(asked, "broken", 1, 0), HOST_OK);
    assert_bytes(host_outbox[0].payload, "\0broken", 7);
    asked = ask(3);
    assert_int_equal(answer(asked, "", 0, 0), HOST_OK);
    assert_bytes(host_outbox[0].payload, "\1", 1);
}

static void replies_to_nothing_open_are_ignored(void **state_)
{
    (void)state_;
    gear_id asked = ask(3);
    assert_int_equal(answer(host_id(4), "what", 0, 0), HOST_OK);
    assert_int_equal(host_outbox_count, 0);
    assert_int_equal(answer(asked, "so", 0, 0), HOST_OK);
    assert_int_equal(host_outbox_count, 1);
    assert_int_equal(answer(asked, "so", 0, 0), HOST_OK);
    assert_int_equal(host_outbox_count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(answers_go_to_who_asked_in_any_order, setup),
        cmocka_unit_test_setup(failures_are_told_apart_and_empty_answers_pass, setup),
        cmocka_unit_test_setup(replies_to_nothing_open_are_ignored, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
