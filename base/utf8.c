/* SPDX-License-Identifier: Apache-2.0 */
#include "base/utf8.h"

size_t mr_utf8_next(mr_span text, uint32_t *point)
{
    static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
    if (text.size == 0)
        return 0;
    const uint8_t lead = text.data[0];
    const uint32_t more = lead < 0x80 ? 0 : lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
    if ((lead >= 0x80 && lead < 0xc2) || lead > 0xf4 || more >= text.size)
        return 0;
    uint32_t found = more == 0 ? lead : lead & (0x3fu >> more);
    for (uint32_t i = 1; i <= more; i++) {
        if ((text.data[i] & 0xc0) != 0x80)
            return 0;
        found = found << 6 | (text.data[i] & 0x3fu);
    }
    if (found < least[more] || (found >= 0xd800 && found < 0xe000) || found > 0x10ffff)
        return 0;
    *point = found;
    return 1 + more;
}
