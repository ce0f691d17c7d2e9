/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>

void mr_assert_failed(const char *fact, const char *file, int line, const char *function)
{
    fprintf(stderr, "millrace: bug: %s does not hold in %s (%s:%d)\n", fact, function, file, line);
    abort();
}
