/* SPDX-License-Identifier: Apache-2.0 */
#include "base/status.h"

#include <stddef.h>

static const char *const names[] = {
#define MR_STATUS_NAME(name, text) #name,
    MR_STATUS_MAP(MR_STATUS_NAME)
#undef MR_STATUS_NAME
};

static const char *const texts[] = {
#define MR_STATUS_TEXT(name, text) text,
    MR_STATUS_MAP(MR_STATUS_TEXT)
#undef MR_STATUS_TEXT
};

static const size_t statuses_count = sizeof names / sizeof names[0];

const char *mr_status_name(mr_status status)
{
    return (size_t)status < statuses_count ? names[status] : "UNKNOWN";
}

const char *mr_status_text(mr_status status)
{
    return (size_t)status < statuses_count ? texts[status] : "unknown status";
}
