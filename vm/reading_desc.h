/* SPDX-License-Identifier: Apache-2.0 */
/* reading_desc: the C++ side of vm/reading.h. */
#ifndef MR_VM_READING_DESC_H
#define MR_VM_READING_DESC_H

#include <memory>

#include "vm/reading.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wshadow"
#include "wabt/interp/interp.h"
#pragma GCC diagnostic pop

struct mr_reading {
    wabt::interp::ModuleDesc desc;
};

namespace mr
{

/* reading_of returns what is kept of a code, or nullptr. Threads: any; it does not change. */
std::shared_ptr<const mr_reading> reading_of(const mr_code *code);

} // namespace mr

#endif
