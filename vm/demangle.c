/* SPDX-License-Identifier: Apache-2.0 */
/* The scheme before RFC 2603: names of C++'s form, with characters it lacks between dollars, and a
 * hash at the end. */
#include "vm/demangle.h"

#include <stdio.h>
#include <string.h>

#include "vm/demangle_internal.h"

enum {
    HASH_DIGITS = 16,
    NAME_BYTES_MAX = 8192, /* longer ones stay as they are: reading them could take long */
};

void mr_demangled_put(mr_demangled *out, const char *text, size_t size)
{
    if (out->is_full)
        return;
    if (size > out->size - out->used) {
        size = out->size - out->used;
        out->is_full = true;
    }
    memcpy(out->text + out->used, text, size);
    out->used += size;
}

static void put_text(mr_demangled *out, const char *text)
{
    mr_demangled_put(out, text, strlen(text));
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* "h" and 16 digits, which tell Rust's names from those of C++. */
static bool is_hash(const char *text, size_t size)
{
    if (size != HASH_DIGITS + 1 || text[0] != 'h')
        return false;
    for (size_t i = 1; i < size; i++)
        if (mr_demangle_hex(text[i]) < 0)
            return false;
    return true;
}

/* What is between two dollars: a name of a character, or u and its hexadecimal number. */
static char escaped(const char *text, size_t size)
{
    static const char names[][3] = {"SP", "BP", "RF", "LT", "GT", "LP", "RP", "C"};
    static const char characters[] = "@*&<>(),";
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (size == strlen(names[i]) && memcmp(text, names[i], size) == 0)
            return characters[i];
    int code = 0;
    if (size < 2 || size > 3 || text[0] != 'u')
        return '\0';
    for (size_t i = 1; i < size; i++) {
        if (mr_demangle_hex(text[i]) < 0)
            return '\0';
        code = code * 16 + mr_demangle_hex(text[i]);
    }
    return code >= 0x20 && code < 0x7f ? (char)code : '\0';
}

static void legacy_element(mr_demangled *out, const char *text, size_t size)
{
    size_t i = size >= 2 && text[0] == '_' && text[1] == '$';
    while (i < size) {
        const char *dollar = text[i] == '$' ? memchr(text + i + 1, '$', size - i - 1) : NULL;
        char c = dollar != NULL ? escaped(text + i + 1, (size_t)(dollar - text) - i - 1) : '\0';
        if (c != '\0') {
            mr_demangled_put(out, &c, 1);
            i = (size_t)(dollar - text) + 1;
        } else if (text[i] == '.' && i + 1 < size && text[i + 1] == '.') {
            put_text(out, "::");
            i += 2;
        } else {
            mr_demangled_put(out, text + i++, 1);
        }
    }
}

/* Reads a length and that many characters; false at anything else. */
static bool legacy_next(const char **at, const char **text, size_t *size)
{
    const char *p = *at;
    if (!is_digit(*p) || *p == '0')
        return false;
    size_t length = 0;
    for (; is_digit(*p); p++) {
        length = length * 10 + (size_t)(*p - '0');
        if (length > strlen(p))
            return false;
    }
    if (length > strlen(p))
        return false;
    *text = p;
    *size = length;
    *at = p + length;
    return true;
}

/* "_ZN", elements each with its length, the last of them the hash, "E". */
static bool legacy(const char *name, mr_demangled *out)
{
    const char *at = name + strspn(name, "_"), *text = NULL;
    size_t size = 0, count = 0;
    if (strncmp(at, "ZN", 2) != 0 || at - name > 2)
        return false;
    at += 2;
    const char *first = at;
    while (legacy_next(&at, &text, &size))
        count++;
    if (*at != 'E' || (at[1] != '\0' && at[1] != '.') || count < 2 || !is_hash(text, size))
        return false;
    at = first;
    for (size_t i = 0; i + 1 < count; i++) {
        (void)legacy_next(&at, &text, &size);
        put_text(out, i > 0 ? "::" : "");
        legacy_element(out, text, size);
    }
    return true;
}

/* As demanglers of C++ leave such names. */
static bool legacy_demangled(const char *name, mr_demangled *out)
{
    size_t size = strlen(name);
    const size_t tail = 2 + 1 + HASH_DIGITS;
    if (size <= tail || memcmp(name + size - tail, "::", 2) != 0 ||
        !is_hash(name + size - tail + 2, HASH_DIGITS + 1))
        return false;
    const char *end = name + size - tail;
    for (const char *at = name; at <= end;) {
        const char *next = strstr(at, "::");
        legacy_element(out, at, (size_t)(next - at));
        at = next + 2;
        put_text(out, at <= end ? "::" : "");
    }
    return true;
}

bool mr_demangle(const char *name, char *out, size_t size)
{
    bool (*const schemes[])(const char *name, mr_demangled *out) = {mr_demangle_rfc2603, legacy,
                                                                    legacy_demangled};
    bool is_long = strnlen(name, NAME_BYTES_MAX + 1) > NAME_BYTES_MAX;
    for (size_t i = 0; !is_long && i < sizeof schemes / sizeof *schemes; i++) {
        mr_demangled demangled = {.text = out, .size = size - 1};
        if (schemes[i](name, &demangled)) {
            out[demangled.used] = '\0';
            return true;
        }
    }
    (void)snprintf(out, size, "%s", name);
    return false;
}
