/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/millrace/bytes.h"

#include <string.h>

#include "base/utf8.h"
#include "tools/millrace/number.h"

/* The letter behind the backslash that stands for the code point, or 0. */
static char escape_of(uint32_t point)
{
    switch (point) {
    case '\t':
        return 't';
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\\':
        return '\\';
    default:
        return 0;
    }
}

/* Neither controls nor what turns the line around or cannot be seen in it. */
static bool is_visible(uint32_t point)
{
    static const uint32_t hidden[][2] = {
        {0, 0x1f},        {0x7f, 0x9f},     {0xad, 0xad},       {0x61c, 0x61c},   {0x180e, 0x180e},
        {0x200b, 0x200f}, {0x2028, 0x202e}, {0x2060, 0x206f},   {0xe000, 0xf8ff}, {0xfeff, 0xfeff},
        {0xfff0, 0xfffb}, {0xfffe, 0xffff}, {0xe0000, 0x10ffff}};
    for (size_t i = 0; i < sizeof hidden / sizeof *hidden; i++)
        if (point >= hidden[i][0] && point <= hidden[i][1])
            return false;
    return true;
}

/* A break is none at the beginning: there it is more likely a number. */
static bool is_text(mr_span bytes)
{
    for (size_t at = 0, step; at < bytes.size; at += step) {
        uint32_t point;
        step = mr_utf8_next(mr_span_of(bytes.data + at, bytes.size - at), &point);
        if (step == 0 || (!is_visible(point) && (at == 0 || escape_of(point) == 0)))
            return false;
    }
    return bytes.size > 0;
}

/* Where it goes: a file, or a text that has room. */
typedef struct sink {
    FILE *file; /* or NULL */
    char *text;
    size_t used;
} sink;

static void put(sink *to, const void *bytes, size_t size)
{
    if (to->file != NULL)
        (void)fwrite(bytes, 1, size, to->file);
    else
        memcpy(to->text + to->used, bytes, size);
    to->used += size;
}

/* Puts characters of a text that take at most `room` together; returns how many of its bytes. */
static size_t put_text(sink *to, mr_span text, size_t room)
{
    size_t at = 0, step;
    for (; at < text.size; at += step) {
        uint32_t point;
        step = mr_utf8_next(mr_span_of(text.data + at, text.size - at), &point);
        const char escape[2] = {'\\', escape_of(point)};
        const size_t takes = escape[1] != 0 ? sizeof escape : step;
        if (takes > room)
            break;
        room -= takes;
        put(to, escape[1] != 0 ? (const void *)escape : text.data + at, takes);
    }
    return at;
}

static size_t put_hex(sink *to, mr_span bytes, size_t room)
{
    size_t at = 0;
    for (; at < bytes.size && 2 * (at + 1) <= room; at++) {
        char digits[3];
        mr_hex_print(mr_span_of(bytes.data + at, 1), digits);
        put(to, digits, 2);
    }
    return at;
}

static void put_bytes(sink *to, mr_span bytes, size_t room)
{
    if (bytes.size == 0)
        return put(to, "(empty)", 7);
    const bool text = is_text(bytes);
    put(to, text ? "\"" : "0x", text ? 1 : 2);
    const size_t shown = text ? put_text(to, bytes, room) : put_hex(to, bytes, room);
    if (text)
        put(to, "\"", 1);
    if (shown == bytes.size)
        return;
    char rest[32];
    const int size = snprintf(rest, sizeof rest, "... %zu bytes", bytes.size);
    put(to, rest, (size_t)size);
}

mr_bytes_text mr_bytes_print(mr_span bytes)
{
    enum { ROOM = 128 /* what is left is for quotes and "... N bytes" */ };
    mr_bytes_text out = {0};
    put_bytes(&(sink){.text = out.text}, bytes, ROOM);
    return out;
}

void mr_bytes_write(FILE *out, mr_span bytes, size_t room)
{
    put_bytes(&(sink){.file = out}, bytes, room);
}

mr_span mr_bytes_begin(mr_span bytes, size_t size)
{
    if (size >= bytes.size)
        return bytes;
    size_t whole = size;
    for (size_t i = 0; i < 3 && whole > 0 && (bytes.data[whole] & 0xc0) == 0x80; i++)
        whole--;
    /* What is no text is cut where it is to be cut. */
    return mr_span_of(bytes.data, (bytes.data[whole] & 0xc0) == 0x80 ? size : whole);
}
