/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: gas by function is that of the receipts, whatever the number of streams, and costs no
 * result. Method: programs of two codes; the sums are compared with what receipts say was burned.
 */
#include "tests/engine/keeper.h"

enum { MESSAGES = 40 };

static const char twice_text[] = "(module (import \"env\" \"memory\" (memory 1))\n"
                                 "(import \"env\" \"gr_size\" (func $gr_size (param i32)))\n"
                                 "(func $leaf (call $gr_size (i32.const 0)))\n"
                                 "(func (export \"init\"))\n"
                                 "(func $handle (export \"handle\") (call $leaf) (call $leaf)))\n";

typedef struct seen {
    uint64_t codes, gas, calls, sum, leaf_calls, leaf_total, handle_host, host_self;
    mr_id last;
    char lines[1024];
    uint64_t folded;
} seen;

static bool see(void *arg, const mr_gas_profile *profile)
{
    seen *s = arg;
    s->codes++;
    s->gas = profile->gas;
    s->calls = profile->calls;
    s->last = profile->code;
    s->sum = 0;
    for (size_t i = 0; i < profile->rows_count; i++) {
        const mr_gas_row *row = &profile->rows[i];
        s->sum += row->self_gas;
        assert_true(i == 0 || profile->rows[i - 1].self_gas >= row->self_gas);
        if (strcmp(row->function, "leaf") == 0) {
            s->leaf_calls = row->calls;
            s->leaf_total = row->total_gas;
            s->handle_host = row->host_gas;
        }
        if (strcmp(row->function, "gr_size") == 0) {
            assert_true(row->is_host);
            s->host_self = row->self_gas;
        }
    }
    return true;
}

static bool fold(void *arg, mr_span line)
{
    seen *s = arg;
    const size_t used = strlen(s->lines);
    (void)snprintf(s->lines + used, sizeof s->lines - used, "%.*s\n", (int)line.size,
                   (const char *)line.data);
    const char *gas = memrchr(line.data, ' ', line.size);
    assert_non_null(gas);
    s->folded += strtoull(gas, NULL, 10);
    return true;
}

/* What the receipts of MESSAGES messages say was burned, less what it costs to begin. */
static uint64_t send_many(fixture *f, const mr_id *programs)
{
    mr_transaction sends[MESSAGES];
    uint64_t burned = 0;
    for (unsigned i = 0; i < MESSAGES; i++)
        sends[i] = fixture_send_of(f, &programs[i % 2], (mr_span){0});
    fixture_run(f, sends, MESSAGES);
    for (uint64_t i = 0; i < MESSAGES; i++)
        burned += fixture_receipt(f, i).gas_burned - f->schedule.dispatch - f->schedule.page_load;
    return burned;
}

static void the_sum_is_what_was_burned_on_any_number_of_streams(void **state)
{
    (void)state;
    seen first = {0};
    mr_id roots[2];
    for (uint32_t streams = 1; streams <= 2; streams++) {
        fixture f;
        fixture_open(&f, &(mr_engine_options){.streams = streams});
        mr_id programs[2];
        const mr_id code = fixture_upload(&f, twice_text);
        for (unsigned i = 0; i < 2; i++)
            programs[i] = fixture_create(&f, &code, (mr_span){0});
        assert_int_equal(mr_engine_set_gas_profile(f.engine, true), MR_OK);
        const uint64_t burned = send_many(&f, programs);
        seen s = {0};
        assert_int_equal(mr_engine_gas_profiles(f.engine, see, &s), MR_OK);
        assert_int_equal(s.codes, 1);
        assert_memory_equal(&s.last, &code, sizeof code);
        assert_int_equal(s.gas, burned);
        assert_int_equal(s.sum, burned);
        assert_int_equal(s.calls, MESSAGES);
        assert_int_equal(s.leaf_calls, 2 * MESSAGES);
        assert_int_equal(s.handle_host, s.host_self);
        assert_true(s.leaf_total > s.host_self);
        assert_int_equal(mr_engine_gas_stacks(f.engine, &code, "twice", fold, &s), MR_OK);
        assert_int_equal(s.folded, burned);
        assert_non_null(strstr(s.lines, "twice;handle;leaf;gr_size "));
        if (streams == 1)
            first = s;
        else
            assert_memory_equal(&first, &s, sizeof s);
        roots[streams - 1] = fixture_info(&f).root;
        fixture_close(&f);
    }
    assert_memory_equal(&roots[0], &roots[1], sizeof roots[0]);
}

static void it_counts_from_when_it_is_begun_to_when_it_is_ended(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, NULL);
    const mr_id program = fixture_program(&f, twice_text);
    const mr_id programs[2] = {program, program};
    seen s = {0};
    assert_int_equal(mr_engine_gas_profiles(f.engine, see, &s), MR_OK);
    assert_int_equal(s.codes, 0); /* it never began */
    assert_int_equal(mr_engine_set_gas_profile(f.engine, true), MR_OK);
    const uint64_t burned = send_many(&f, programs);
    assert_int_equal(mr_engine_set_gas_profile(f.engine, false), MR_OK);
    (void)send_many(&f, programs);
    assert_int_equal(mr_engine_gas_profiles(f.engine, see, &s), MR_OK);
    assert_int_equal(s.gas, burned);
    assert_int_equal(mr_engine_set_gas_profile(f.engine, true), MR_OK);
    s = (seen){0};
    assert_int_equal(mr_engine_gas_profiles(f.engine, see, &s), MR_OK);
    assert_int_equal(s.codes, 0);
    const mr_id nobody = mr_id_of_name("nobody");
    assert_int_equal(mr_engine_gas_stacks(f.engine, &nobody, "x", fold, &s), MR_NOT_FOUND);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_sum_is_what_was_burned_on_any_number_of_streams),
        cmocka_unit_test(it_counts_from_when_it_is_begun_to_when_it_is_ended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
