/* SPDX-License-Identifier: Apache-2.0 */
/* names: the words under which the public enumerations appear in scenarios, JSON and reports. */
#include "engine/millrace.h"

#define NAME_AT(array, index)                                                                      \
    ((size_t)(index) < sizeof(array) / sizeof(array)[0] ? (array)[index] : "unknown")

const char *mr_admission_text(mr_admission admission)
{
    static const char *const texts[] = {
#define TEXT(name, text) text,
        MR_ADMISSION_MAP(TEXT)
#undef TEXT
    };
    return NAME_AT(texts, admission);
}

const char *mr_outcome_name(mr_outcome outcome)
{
    static const char *const names[] = {
#define NAME(name, text) text,
        MR_OUTCOME_MAP(NAME)
#undef NAME
    };
    return NAME_AT(names, outcome);
}

const char *mr_kind_name(mr_kind kind)
{
    static const char *const names[] = {
#define NAME(name, text) text,
        MR_KIND_MAP(NAME)
#undef NAME
    };
    return NAME_AT(names, kind);
}

const char *mr_task_kind_name(mr_task_kind kind)
{
    static const char *const names[] = {
#define NAME(name, text) text,
        MR_TASK_MAP(NAME)
#undef NAME
    };
    return NAME_AT(names, kind);
}

const char *mr_program_status_name(mr_program_status status)
{
    static const char *const names[] = {"uninitialized", "active", "exited", "terminated"};
    return NAME_AT(names, status);
}

mr_schedule mr_schedule_default(void)
{
    return (mr_schedule){
#define PRICE(field, value, text) .field = value,
        MR_SCHEDULE_MAP(PRICE)
#undef PRICE
    };
}
