/* SPDX-License-Identifier: Apache-2.0 */
/* names: the words under which the public enumerations appear in scenarios, JSON and reports. */
#include "engine/millrace.h"

#define WORD(name, text) text,

/* Defines a function that returns the word of a value, by the list that the enumeration is of. */
#define WORD_OF(function, enumeration, MAP)                                                        \
    const char *function(enumeration value)                                                        \
    {                                                                                              \
        static const char *const words[] = {MAP(WORD)};                                            \
        return (size_t)value < sizeof words / sizeof words[0] ? words[value] : "unknown";          \
    }

WORD_OF(mr_admission_text, mr_admission, MR_ADMISSION_MAP)
WORD_OF(mr_outcome_name, mr_outcome, MR_OUTCOME_MAP)
WORD_OF(mr_kind_name, mr_kind, MR_KIND_MAP)
WORD_OF(mr_task_kind_name, mr_task_kind, MR_TASK_MAP)
WORD_OF(mr_program_status_name, mr_program_status, MR_PROGRAM_STATUS_MAP)

mr_schedule mr_schedule_default(void)
{
    return (mr_schedule){
#define PRICE(field, value, text) .field = value,
        MR_SCHEDULE_MAP(PRICE)
#undef PRICE
    };
}
