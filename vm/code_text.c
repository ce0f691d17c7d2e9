/* SPDX-License-Identifier: Apache-2.0 */
/* The text format is WABT's to parse. As its parser recurses, nesting is counted first. */
#include "vm/code.h"
#include "vm/code_wabt.h"

/* A word is what may stand between parentheses, blanks, strings and comments. */
typedef struct scanner {
    const uint8_t *at;
    const uint8_t *end;
    uint32_t line;        /* from 1 */
    const uint8_t *start; /* of the line */
    uint32_t parentheses; /* open */
    uint32_t blocks;      /* open, of those written without parentheses */
    bool is_first;        /* a word here would follow a parenthesis */
} scanner;

static bool next_is(const scanner *s, const char *two)
{
    return s->end - s->at >= 2 && s->at[0] == (uint8_t)two[0] && s->at[1] == (uint8_t)two[1];
}

static void step(scanner *s)
{
    if (*s->at++ == '\n') {
        s->line++;
        s->start = s->at;
    }
}

static void skip_line_comment(scanner *s)
{
    while (s->at != s->end && *s->at != '\n')
        s->at++;
}

static void skip_block_comment(scanner *s)
{
    uint32_t depth = 0;
    do {
        bool opens = next_is(s, "(;"), closes = next_is(s, ";)");
        depth += opens;
        depth -= closes;
        if (opens || closes)
            step(s);
        step(s);
    } while (depth > 0 && s->at != s->end);
}

static void skip_string(scanner *s)
{
    step(s);
    while (s->at != s->end && *s->at != '"') {
        if (*s->at == '\\' && s->end - s->at >= 2)
            step(s);
        step(s);
    }
    if (s->at != s->end)
        step(s);
}

static bool is_word(uint8_t byte)
{
    return byte > ' ' && byte != '(' && byte != ')' && byte != ';' && byte != '"';
}

static void take_word(scanner *s)
{
    const uint8_t *start = s->at;
    while (s->at != s->end && is_word(*s->at))
        s->at++;
    mr_span word = mr_span_of(start, (size_t)(s->at - start));
    bool opens =
        mr_span_equal(word, mr_span_text("block")) || mr_span_equal(word, mr_span_text("loop")) ||
        mr_span_equal(word, mr_span_text("if")) || mr_span_equal(word, mr_span_text("try"));
    if (opens && !s->is_first)
        s->blocks++;
    else if (mr_span_equal(word, mr_span_text("end")) && s->blocks > 0)
        s->blocks--;
}

static void take(scanner *s)
{
    bool is_first = false;
    uint8_t byte = *s->at;
    if (next_is(s, ";;")) {
        skip_line_comment(s);
        return;
    }
    if (next_is(s, "(;")) {
        skip_block_comment(s);
        return;
    }
    if (byte == '"') {
        skip_string(s);
    } else if (is_word(byte)) {
        take_word(s);
    } else {
        is_first = byte == '(' || (s->is_first && byte <= ' ');
        s->parentheses += byte == '(';
        s->parentheses -= byte == ')' && s->parentheses > 0;
        step(s);
    }
    s->is_first = is_first;
}

static mr_status check_nesting(mr_span text, const char *file_name, mr_error *error)
{
    scanner s = {.at = text.data, .end = text.data + text.size, .line = 1, .start = text.data};
    while (s.at != s.end) {
        take(&s);
        if (s.parentheses + s.blocks > MR_CODE_NESTING_MAX)
            return MR_FAIL(error, MR_MODULE,
                           "%s:%u:%zu: parentheses and blocks are nested deeper than the limit of "
                           "%u",
                           file_name, s.line, (size_t)(s.at - s.start), MR_CODE_NESTING_MAX);
    }
    return MR_OK;
}

mr_status mr_code_from_text(mr_span text, const char *file_name, mr_buffer *out, mr_error *error)
{
    if (text.size == 0)
        text = mr_span_text(" ");
    MR_TRY(check_nesting(text, file_name, error));
    return mr_wabt_from_text(text, file_name, out, error);
}
