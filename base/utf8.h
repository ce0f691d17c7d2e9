/* SPDX-License-Identifier: Apache-2.0 */
/* utf8: text as code points. */
#ifndef MR_BASE_UTF8_H
#define MR_BASE_UTF8_H

#include "base/bytes.h"

/* mr_utf8_next reads the code point that `text` begins with, and returns how many bytes it takes; 0
 * when there is none: no overlong forms, no surrogates, nothing beyond U+10FFFF. */
size_t mr_utf8_next(mr_span text, uint32_t *point);

#endif
