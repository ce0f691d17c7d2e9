/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/guest/embedded.h"

mr_span mr_embedded_find(const char *name)
{
    for (size_t i = 0; i < mr_embedded_programs_count; i++) {
        if (strcmp(mr_embedded_programs[i].name, name) == 0)
            return mr_span_of(mr_embedded_programs[i].bytes, mr_embedded_programs[i].size);
    }
    return (mr_span){0};
}
