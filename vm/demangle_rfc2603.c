/* SPDX-License-Identifier: Apache-2.0 */
/* The scheme of RFC 2603, read by recursive descent: one function a rule of its grammar. */
#include "vm/demangle_internal.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* Back references make names that print much, or walk much and print nothing. */
enum { DEPTH_MAX = 100, STEPS_MAX = 5000 };

typedef struct demangler {
    const char *start; /* behind the prefix; back references count from here */
    const char *at;
    const char *end;
    mr_demangled *out;
    uint64_t lifetimes; /* bound by the binders around */
    int depth;
    int steps;
    bool is_silent; /* what is read is not written */
    bool is_valid;
} demangler;

static void put(demangler *d, const char *text, size_t size)
{
    if (!d->is_silent && d->is_valid)
        mr_demangled_put(d->out, text, size);
}

static void put_text(demangler *d, const char *text)
{
    put(d, text, strlen(text));
}

__attribute__((format(printf, 2, 3))) static void print(demangler *d, const char *format, ...)
{
    char text[48];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    put_text(d, text);
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* ---- Numbers and identifiers ---- */

static char peek(const demangler *d)
{
    return d->at < d->end ? *d->at : '\0';
}

static bool accept(demangler *d, char c)
{
    if (peek(d) != c || d->at == d->end)
        return false;
    d->at++;
    return true;
}

static char next(demangler *d)
{
    if (d->at < d->end)
        return *d->at++;
    d->is_valid = false;
    return '\0';
}

static uint64_t fail(demangler *d)
{
    d->is_valid = false;
    return 0;
}

/* "_" is 0, "0_" is 1, and so on to the base of 62. */
static uint64_t base_62(demangler *d)
{
    uint64_t value = 0;
    if (accept(d, '_'))
        return 0;
    while (d->is_valid && !accept(d, '_')) {
        char c = next(d);
        uint64_t digit;
        if (is_digit(c))
            digit = (uint64_t)(c - '0');
        else if (c >= 'a' && c <= 'z')
            digit = (uint64_t)(c - 'a') + 10;
        else if (c >= 'A' && c <= 'Z')
            digit = (uint64_t)(c - 'A') + 36;
        else
            return fail(d);
        if (__builtin_mul_overflow(value, (uint64_t)62, &value) ||
            __builtin_add_overflow(value, digit, &value))
            return fail(d);
    }
    return __builtin_add_overflow(value, (uint64_t)1, &value) ? fail(d) : value;
}

/* What a tag introduces, plus 1; 0 without it. */
static uint64_t optional_62(demangler *d, char tag)
{
    uint64_t value;
    if (!accept(d, tag))
        return 0;
    value = base_62(d);
    return __builtin_add_overflow(value, (uint64_t)1, &value) ? fail(d) : value;
}

typedef struct identifier {
    const char *text;
    size_t size;
    bool is_punycode;
} identifier;

static identifier bare_identifier(demangler *d)
{
    identifier id = {.is_punycode = accept(d, 'u')};
    size_t size = 0;
    if (!is_digit(peek(d)))
        d->is_valid = false;
    if (!accept(d, '0')) {
        while (is_digit(peek(d)) && size <= (size_t)(d->end - d->at))
            size = size * 10 + (size_t)(next(d) - '0');
    }
    (void)accept(d, '_');
    if (size > (size_t)(d->end - d->at))
        d->is_valid = false;
    if (!d->is_valid)
        return (identifier){.text = ""};
    id.text = d->at;
    id.size = size;
    d->at += size;
    return id;
}

static void put_identifier(demangler *d, identifier id)
{
    put_text(d, id.is_punycode ? "punycode{" : "");
    put(d, id.text, id.size);
    put_text(d, id.is_punycode ? "}" : "");
}

/* ---- Paths, types and constants ---- */

static void path(demangler *d, bool in_value);
static void type(demangler *d);
static void constant(demangler *d);

/* Every rule that can lead to itself begins with this and ends with leave(). */
static bool enter(demangler *d)
{
    if (++d->depth > DEPTH_MAX || ++d->steps > STEPS_MAX)
        d->is_valid = false;
    return d->is_valid && !d->out->is_full;
}

static void leave(demangler *d)
{
    d->depth--;
}

/* Reads again from an earlier place. What is not written need not be read twice. */
static void back(demangler *d, void (*rule)(demangler *d))
{
    const char *tag = d->at - 1;
    uint64_t offset = base_62(d);
    if (!d->is_valid || offset >= (uint64_t)(tag - d->start)) {
        d->is_valid = false;
        return;
    }
    if (d->is_silent)
        return;
    const char *kept = d->at;
    d->at = d->start + offset;
    rule(d);
    d->at = kept;
}

static void path_in_type(demangler *d)
{
    path(d, false);
}

static void path_in_value(demangler *d)
{
    path(d, true);
}

/* Items up to an E, separated; returns how many. */
static size_t list(demangler *d, void (*item)(demangler *d), const char *separator)
{
    size_t count = 0;
    while (d->is_valid && !d->out->is_full && !accept(d, 'E')) {
        put_text(d, count++ > 0 ? separator : "");
        item(d);
    }
    return count;
}

/* 0 is the erased one, 1 the innermost that is bound. */
static void put_lifetime(demangler *d, uint64_t number)
{
    if (number == 0) {
        put_text(d, "'_");
        return;
    }
    if (number > d->lifetimes) {
        d->is_valid = false;
        return;
    }
    uint64_t from_outside = d->lifetimes - number;
    if (from_outside < 26)
        print(d, "'%c", (char)('a' + from_outside));
    else
        print(d, "'_%" PRIu64, from_outside);
}

static void generic_argument(demangler *d)
{
    if (accept(d, 'L'))
        put_lifetime(d, base_62(d));
    else if (accept(d, 'K'))
        constant(d);
    else
        type(d);
}

/* Names the lifetimes it binds; the caller forgets them. */
static void binder(demangler *d)
{
    uint64_t count = optional_62(d, 'G');
    if (count == 0)
        return;
    if (count > DEPTH_MAX) {
        d->is_valid = false;
        return;
    }
    put_text(d, "for<");
    for (uint64_t i = 0; i < count; i++) {
        d->lifetimes++;
        put_text(d, i > 0 ? ", " : "");
        put_lifetime(d, 1);
    }
    put_text(d, "> ");
}

/* The path of the block an implementation is in says less than the type that follows. */
static void skip_implementation(demangler *d)
{
    bool was_silent = d->is_silent;
    d->is_silent = true;
    (void)optional_62(d, 's');
    path(d, false);
    d->is_silent = was_silent;
}

static void implementation(demangler *d, bool of_trait)
{
    put_text(d, "<");
    type(d);
    if (of_trait) {
        put_text(d, " as ");
        path(d, false);
    }
    put_text(d, ">");
}

/* Lower-case namespaces are those of types and values; the others are no one's but the compiler's,
 * and numbered. */
static void nested(demangler *d, bool in_value)
{
    char space = next(d);
    path(d, in_value);
    uint64_t number = optional_62(d, 's');
    identifier id = bare_identifier(d);
    if (space >= 'a' && space <= 'z') {
        put_text(d, id.size > 0 ? "::" : "");
        put_identifier(d, id);
        return;
    }
    if (space < 'A' || space > 'Z') {
        d->is_valid = false;
        return;
    }
    put_text(d, "::{");
    if (space == 'C')
        put_text(d, "closure");
    else if (space == 'S')
        put_text(d, "shim");
    else
        put(d, &space, 1);
    put_text(d, id.size > 0 ? ":" : "");
    put_identifier(d, id);
    print(d, "#%" PRIu64 "}", number);
}

static void generic(demangler *d, bool in_value)
{
    path(d, in_value);
    put_text(d, in_value ? "::<" : "<");
    (void)list(d, generic_argument, ", ");
    put_text(d, ">");
}

static void path(demangler *d, bool in_value)
{
    if (enter(d)) {
        switch (next(d)) {
        case 'C':
            (void)optional_62(d, 's');
            put_identifier(d, bare_identifier(d));
            break;
        case 'M':
            skip_implementation(d);
            implementation(d, false);
            break;
        case 'X':
            skip_implementation(d);
            implementation(d, true);
            break;
        case 'Y':
            implementation(d, true);
            break;
        case 'N':
            nested(d, in_value);
            break;
        case 'I':
            generic(d, in_value);
            break;
        case 'B':
            back(d, in_value ? path_in_value : path_in_type);
            break;
        default:
            d->is_valid = false;
        }
    }
    leave(d);
}

static const char *basic_type(char tag)
{
    static const char *const names[26] = {"i8",   "bool",  "char",  "f64", "str", "f32", NULL,
                                          "u8",   "isize", "usize", NULL,  "i32", "u32", "i128",
                                          "u128", "_",     NULL,    NULL,  "i16", "u16", "()",
                                          "...",  NULL,    "i64",   "u64", "!"};
    return tag >= 'a' && tag <= 'z' ? names[tag - 'a'] : NULL;
}

static void function_type(demangler *d)
{
    uint64_t lifetimes = d->lifetimes;
    binder(d);
    put_text(d, accept(d, 'U') ? "unsafe " : "");
    if (accept(d, 'K')) {
        identifier abi = {.text = "C", .size = 1};
        if (!accept(d, 'C'))
            abi = bare_identifier(d);
        put_text(d, "extern \"");
        for (size_t i = 0; i < abi.size; i++)
            put(d, abi.text[i] == '_' ? "-" : abi.text + i, 1);
        put_text(d, "\" ");
    }
    put_text(d, "fn(");
    (void)list(d, type, ", ");
    put_text(d, ")");
    if (!accept(d, 'u')) {
        put_text(d, " -> ");
        type(d);
    }
    d->lifetimes = lifetimes;
}

/* Writes a trait's path, and tells whether its generic arguments are still open. */
static bool open_trait(demangler *d)
{
    bool is_open = false;
    if (enter(d)) {
        if (accept(d, 'B')) {
            const char *tag = d->at - 1;
            uint64_t offset = base_62(d);
            const char *kept = d->at;
            if (!d->is_valid || offset >= (uint64_t)(tag - d->start)) {
                d->is_valid = false;
            } else if (!d->is_silent) {
                d->at = d->start + offset;
                is_open = open_trait(d);
                d->at = kept;
            }
        } else if (accept(d, 'I')) {
            path(d, false);
            put_text(d, "<");
            (void)list(d, generic_argument, ", ");
            is_open = true;
        } else {
            path(d, false);
        }
    }
    leave(d);
    return is_open;
}

static void dyn_trait(demangler *d)
{
    bool is_open = open_trait(d);
    while (d->is_valid && !d->out->is_full && accept(d, 'p')) {
        put_text(d, is_open ? ", " : "<");
        is_open = true;
        put_identifier(d, bare_identifier(d));
        put_text(d, " = ");
        type(d);
    }
    put_text(d, is_open ? ">" : "");
}

static void dyn_type(demangler *d)
{
    uint64_t lifetimes = d->lifetimes;
    put_text(d, "dyn ");
    binder(d);
    (void)list(d, dyn_trait, " + ");
    d->lifetimes = lifetimes;
    if (!accept(d, 'L')) {
        d->is_valid = d->out->is_full;
        return;
    }
    uint64_t lifetime = base_62(d);
    if (lifetime != 0) {
        put_text(d, " + ");
        put_lifetime(d, lifetime);
    }
}

static void reference_type(demangler *d, const char *mutable)
{
    put_text(d, "&");
    if (accept(d, 'L')) {
        uint64_t lifetime = base_62(d);
        if (lifetime != 0) {
            put_lifetime(d, lifetime);
            put_text(d, " ");
        }
    }
    put_text(d, mutable);
    type(d);
}

static void array_type(demangler *d)
{
    put_text(d, "[");
    type(d);
    put_text(d, "; ");
    constant(d);
    put_text(d, "]");
}

static void slice_type(demangler *d)
{
    put_text(d, "[");
    type(d);
    put_text(d, "]");
}

static void tuple_type(demangler *d)
{
    put_text(d, "(");
    size_t count = list(d, type, ", ");
    put_text(d, count == 1 ? ",)" : ")");
}

static void type_of(demangler *d, char tag)
{
    if (basic_type(tag) != NULL) {
        put_text(d, basic_type(tag));
        return;
    }
    switch (tag) {
    case 'R':
        reference_type(d, "");
        break;
    case 'Q':
        reference_type(d, "mut ");
        break;
    case 'P':
        put_text(d, "*const ");
        type(d);
        break;
    case 'O':
        put_text(d, "*mut ");
        type(d);
        break;
    case 'A':
        array_type(d);
        break;
    case 'S':
        slice_type(d);
        break;
    case 'T':
        tuple_type(d);
        break;
    case 'F':
        function_type(d);
        break;
    case 'D':
        dyn_type(d);
        break;
    case 'B':
        back(d, type);
        break;
    default:
        d->at--;
        path(d, false);
    }
}

static void type(demangler *d)
{
    if (enter(d)) {
        char tag = next(d);
        if (d->is_valid)
            type_of(d, tag);
    }
    leave(d);
}

/* Hexadecimal digits up to an underscore; decimal when they are few. */
static void number(demangler *d)
{
    const char *digits = d->at;
    uint64_t value = 0;
    while (mr_demangle_hex(peek(d)) >= 0)
        value = value * 16 + (uint64_t)mr_demangle_hex(next(d));
    size_t size = (size_t)(d->at - digits);
    if (!accept(d, '_') || size == 0) {
        d->is_valid = false;
    } else if (size <= 16) {
        print(d, "%" PRIu64, value);
    } else {
        put_text(d, "0x");
        put(d, digits, size);
    }
}

static void character(demangler *d)
{
    const char *digits = d->at;
    uint32_t code = 0;
    while (mr_demangle_hex(peek(d)) >= 0 && d->at - digits < 6)
        code = code * 16 + (uint32_t)mr_demangle_hex(next(d));
    if (d->at == digits || !accept(d, '_'))
        d->is_valid = false;
    else if (code == '\'' || code == '\\')
        print(d, "'\\%c'", (char)code);
    else if (code >= 0x20 && code < 0x7f)
        print(d, "'%c'", (char)code);
    else
        print(d, "'\\u{%x}'", code);
}

static void boolean(demangler *d)
{
    if (!accept(d, '0') && !accept(d, '1')) {
        d->is_valid = false;
        return;
    }
    put_text(d, d->at[-1] == '1' ? "true" : "false");
    d->is_valid = accept(d, '_');
}

static void constant(demangler *d)
{
    if (enter(d)) {
        char tag = next(d);
        if (tag == 'B') {
            back(d, constant);
        } else if (tag == 'p') {
            put_text(d, "_");
        } else if (tag == 'b') {
            boolean(d);
        } else if (tag == 'c') {
            character(d);
        } else if (tag != '\0' && strchr("aslxni", tag) != NULL) {
            put_text(d, accept(d, 'n') ? "-" : "");
            number(d);
        } else if (tag != '\0' && strchr("htmyoj", tag) != NULL) {
            number(d);
        } else {
            d->is_valid = false;
        }
    }
    leave(d);
}

bool mr_demangle_rfc2603(const char *name, mr_demangled *out)
{
    demangler d = {.out = out, .is_valid = true};
    const char *at = name + strspn(name, "_");
    if (*at != 'R' || at - name > 2)
        return false;
    d.start = d.at = at + 1;
    d.end = d.at + strcspn(d.at, ".$"); /* what follows is added by compilers */
    if (!(peek(&d) >= 'A' && peek(&d) <= 'Z'))
        return false; /* another version of the scheme, or no Rust */
    path(&d, true);
    if (out->is_full)
        return true;                  /* it was right so far, and nobody asks for the rest */
    if (d.is_valid && d.at < d.end) { /* the crate that instantiates it */
        d.is_silent = true;
        path(&d, false);
    }
    return d.is_valid && d.at == d.end;
}
