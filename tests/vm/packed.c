/* SPDX-License-Identifier: Apache-2.0 */
/* A program as an ordinary linker leaves it, for test_code_pack.c: with a stack in use, variables
 * that are zero, and exports that are no entries. */
#include <stdint.h>

__attribute__((import_module("env"), import_name("note"))) void note(uint32_t value);

static uint32_t zeroes[20000];
static uint32_t numbers[] = {3, 1, 4, 1, 5, 9, 2, 6};
const char *const words[] = {"sum", "product"};

static uint32_t sum(volatile const uint32_t *values, uint32_t count)
{
    uint32_t total = 0;
    for (uint32_t i = 0; i < count; i++)
        total += values[i];
    return total;
}

__attribute__((export_name("handle"))) void handle(void)
{
    volatile uint32_t copy[8];
    for (uint32_t i = 0; i < 8; i++)
        copy[i] = numbers[i] + zeroes[i];
    note(sum(copy, 8));
    note((uint32_t)words[copy[0] & 1][0]);
    zeroes[0]++;
}

__attribute__((export_name("helper"))) uint32_t helper(uint32_t x)
{
    return x + 1;
}
