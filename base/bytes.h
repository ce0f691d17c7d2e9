/* SPDX-License-Identifier: Apache-2.0 */
/* bytes: borrowed spans, owned buffers, and integers as bytes. */
#ifndef MR_BASE_BYTES_H
#define MR_BASE_BYTES_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A borrowed run of bytes. `data` may be NULL only when `size` is 0. */
typedef struct mr_span {
    const uint8_t *data;
    size_t size; /* bytes */
} mr_span;

/* An owned, growable run of bytes. All zero is an empty buffer. */
typedef struct mr_buffer {
    uint8_t *data;
    size_t size;     /* bytes used */
    size_t capacity; /* bytes allocated, >= size */
} mr_buffer;

static inline mr_span mr_span_of(const void *data, size_t size)
{
    mr_span span = {(const uint8_t *)data, size};
    return span;
}

static inline mr_span mr_span_text(const char *text)
{
    return mr_span_of(text, strlen(text));
}

static inline bool mr_span_equal(mr_span a, mr_span b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static inline mr_span mr_buffer_span(const mr_buffer *buffer)
{
    return mr_span_of(buffer->data, buffer->size);
}

/* mr_buffer_reserve makes room for `more` bytes beyond `size`.
 * Errors: MR_NO_MEMORY, the buffer unchanged. */
mr_status mr_buffer_reserve(mr_buffer *buffer, size_t more);

/* mr_buffer_append adds a copy of `bytes` at the end.
 * Errors: MR_NO_MEMORY, the buffer unchanged. */
static inline mr_status mr_buffer_append(mr_buffer *buffer, mr_span bytes)
{
    if (__builtin_expect(bytes.size > buffer->capacity - buffer->size, 0))
        MR_TRY(mr_buffer_reserve(buffer, bytes.size));
    if (bytes.size > 0)
        memcpy(buffer->data + buffer->size, bytes.data, bytes.size);
    buffer->size += bytes.size;
    return MR_OK;
}

/* mr_buffer_fini frees what the buffer holds and leaves it empty. */
void mr_buffer_fini(mr_buffer *buffer);

/* Unaligned little-endian loads and stores, as WebAssembly memory has them. */
static inline uint16_t mr_load_le16(const void *at)
{
    uint16_t value;
    memcpy(&value, at, sizeof value);
    return value;
}
static inline uint32_t mr_load_le32(const void *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return value;
}
static inline uint64_t mr_load_le64(const void *at)
{
    uint64_t value;
    memcpy(&value, at, sizeof value);
    return value;
}
static inline void mr_store_le16(void *at, uint16_t value)
{
    memcpy(at, &value, sizeof value);
}
static inline void mr_store_le32(void *at, uint32_t value)
{
    memcpy(at, &value, sizeof value);
}
static inline void mr_store_le64(void *at, uint64_t value)
{
    memcpy(at, &value, sizeof value);
}

/* Big-endian forms, for keys that sort as their numbers do. */
static inline uint32_t mr_load_be32(const void *at)
{
    return __builtin_bswap32(mr_load_le32(at));
}
static inline uint64_t mr_load_be64(const void *at)
{
    return __builtin_bswap64(mr_load_le64(at));
}
static inline void mr_store_be32(void *at, uint32_t v)
{
    mr_store_le32(at, __builtin_bswap32(v));
}
static inline void mr_store_be64(void *at, uint64_t v)
{
    mr_store_le64(at, __builtin_bswap64(v));
}

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
              "memory images and formats are little endian; a big-endian port needs swaps here");

#ifdef __cplusplus
}
#endif

#endif
