/* SPDX-License-Identifier: Apache-2.0 */
#include "base/array.h"

#include <stdlib.h>

mr_status mr_grow(void **array, size_t *capacity, size_t count, size_t element_bytes)
{
    if (count < *capacity)
        return MR_OK;
    size_t grown = *capacity < 64 ? 64 : *capacity * 2;
    void *moved = realloc(*array, grown * element_bytes);
    if (moved == NULL)
        return MR_NO_MEMORY;
    *array = moved;
    *capacity = grown;
    return MR_OK;
}

mr_status mr_room(void **array, size_t *capacity, size_t count, size_t element_bytes)
{
    if (count <= *capacity)
        return MR_OK;
    free(*array);
    *capacity = 0;
    *array = malloc((count + count / 4) * element_bytes);
    if (*array == NULL)
        return MR_NO_MEMORY;
    *capacity = count + count / 4;
    return MR_OK;
}
