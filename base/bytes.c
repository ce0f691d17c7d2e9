/* SPDX-License-Identifier: Apache-2.0 */
#include "base/bytes.h"

#include <stdlib.h>

mr_status mr_buffer_reserve(mr_buffer *buffer, size_t more)
{
    if (more <= buffer->capacity - buffer->size)
        return MR_OK;
    size_t needed;
    if (__builtin_add_overflow(buffer->size, more, &needed))
        return MR_NO_MEMORY;
    size_t capacity = buffer->capacity < 64 ? 64 : buffer->capacity;
    while (capacity < needed)
        capacity = capacity > SIZE_MAX / 2 ? needed : capacity * 2;
    uint8_t *data = realloc(buffer->data, capacity);
    if (data == NULL)
        return MR_NO_MEMORY;
    buffer->data = data;
    buffer->capacity = capacity;
    return MR_OK;
}

void mr_buffer_fini(mr_buffer *buffer)
{
    free(buffer->data);
    *buffer = (mr_buffer){0};
}
