/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/millrace/number.h"

#include <string.h>

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return 16;
}

/* Underscores may stand between two digits. */
static mr_status digits(const char *text, size_t size, unsigned base, mr_value *out)
{
    mr_value value = 0;
    bool digit_before = false;
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '_' && digit_before && i + 1 < size) {
            digit_before = false;
            continue;
        }
        unsigned digit = (unsigned)digit_of(text[i]);
        if (digit >= base)
            return MR_INVALID;
        if (__builtin_mul_overflow(value, base, &value) ||
            __builtin_add_overflow(value, digit, &value))
            return MR_LIMIT;
        digit_before = true;
    }
    if (!digit_before)
        return MR_INVALID;
    *out = value;
    return MR_OK;
}

mr_status mr_number_scan(const char *text, size_t text_bytes, mr_number *out)
{
    mr_number number = {0};
    if (text_bytes > 0 && text[0] == '-') {
        number.negative = true;
        text++;
        text_bytes--;
    }
    bool hex = text_bytes > 2 && text[0] == '0' && text[1] == 'x';
    MR_TRY(hex ? digits(text + 2, text_bytes - 2, 16, &number.magnitude)
               : digits(text, text_bytes, 10, &number.magnitude));
    if (number.magnitude == 0)
        number.negative = false;
    *out = number;
    return MR_OK;
}

bool mr_number_scan_u64(const char *text, uint64_t min, uint64_t max, uint64_t *out)
{
    mr_number number;
    if (mr_number_scan(text, strlen(text), &number) != MR_OK || number.negative ||
        number.magnitude < min || number.magnitude > max)
        return false;
    *out = (uint64_t)number.magnitude;
    return true;
}

mr_value_text mr_value_print(mr_value value)
{
    char reversed[40];
    size_t digits_count = 0;
    do {
        reversed[digits_count++] = (char)('0' + (int)(value % 10));
        value /= 10;
    } while (value != 0);
    mr_value_text out;
    for (size_t i = 0; i < digits_count; i++)
        out.text[i] = reversed[digits_count - 1 - i];
    out.text[digits_count] = '\0';
    return out;
}

void mr_hex_print(mr_span bytes, char *out)
{
    static const char letters[] = "0123456789abcdef";
    for (size_t i = 0; i < bytes.size; i++) {
        *out++ = letters[bytes.data[i] >> 4];
        *out++ = letters[bytes.data[i] & 15];
    }
    *out = '\0';
}

bool mr_hex_scan(const char *text, uint8_t *out)
{
    for (; text[0] != '\0'; text += 2) {
        int high = digit_of(text[0]);
        int low = high < 16 && text[1] != '\0' ? digit_of(text[1]) : 16;
        if (low == 16)
            return false;
        *out++ = (uint8_t)(high * 16 + low);
    }
    return true;
}
