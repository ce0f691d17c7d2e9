/* SPDX-License-Identifier: Apache-2.0 */
/* interp_bind: the one place that reaches into WABT's interpreter.
 *
 * WABT's Memory keeps its bytes in a private std::vector, and its Thread keeps private stacks. An
 * explicit template instantiation may name private members (the access check is waived there), and
 * a friend function defined by it hands out the pointer to member. What is then done with the
 * members is ordinary C++, except for one thing: a vector is made to look at bytes it does not own,
 * by setting its three pointers. That holds for the duration of one call, in which the vector is
 * neither resized nor destroyed (code has no memory.grow). mr_interp_tier.check tries all of this
 * out before anything relies on it. */
#ifndef MR_VM_INTERP_BIND_H
#define MR_VM_INTERP_BIND_H

#include <cstring>
#include <utility>
#include <vector>

#include "wabt/interp/interp.h"

namespace mr
{

using wabt::interp::DefinedFunc;
using wabt::interp::Frame;
using wabt::interp::FreeList;
using wabt::interp::Global;
using wabt::interp::Memory;
using wabt::interp::MemoryType;
using wabt::interp::Object;
using wabt::interp::Ref;
using wabt::interp::RunResult;
using wabt::interp::Store;
using wabt::interp::Thread;
using wabt::interp::Trap;
using wabt::interp::Value;
using wabt::interp::Values;

/* Each tag names one private member and declares the function that returns the pointer to it. */
template <typename Tag, typename Tag::Type member> struct Rob {
    friend typename Tag::Type rob(Tag) { return member; }
};

struct MemoryBytes {
    using Type = std::vector<uint8_t> Memory::*;
    friend Type rob(MemoryBytes);
};
template struct Rob<MemoryBytes, &Memory::data_>;

struct MemoryPages {
    using Type = uint64_t Memory::*;
    friend Type rob(MemoryPages);
};
template struct Rob<MemoryPages, &Memory::pages_>;

struct MemoryLimits {
    using Type = MemoryType Memory::*;
    friend Type rob(MemoryLimits);
};
template struct Rob<MemoryLimits, &Memory::type_>;

struct GlobalValue {
    using Type = Value Global::*;
    friend Type rob(GlobalValue);
};
template struct Rob<GlobalValue, &Global::value_>;

struct ThreadFrames {
    using Type = std::vector<Frame> Thread::*;
    friend Type rob(ThreadFrames);
};
template struct Rob<ThreadFrames, &Thread::frames_>;

struct ThreadValues {
    using Type = Values Thread::*;
    friend Type rob(ThreadValues);
};
template struct Rob<ThreadValues, &Thread::values_>;

struct ThreadPushCall {
    using Type = RunResult (Thread::*)(const DefinedFunc &, Trap::Ptr *);
    friend Type rob(ThreadPushCall);
};
template struct Rob<ThreadPushCall, &Thread::PushCall>;

struct ThreadStep {
    using Type = RunResult (Thread::*)(Trap::Ptr *);
    friend Type rob(ThreadStep);
};
template struct Rob<ThreadStep, &Thread::StepInternal>;

struct StoreObjects {
    using Type = Store::ObjectList Store::*;
    friend Type rob(StoreObjects);
};
template struct Rob<StoreObjects, &Store::objects_>;

inline std::vector<uint8_t> &bytes_of(Memory &memory)
{
    return memory.*rob(MemoryBytes());
}
inline uint64_t &pages_of(Memory &memory)
{
    return memory.*rob(MemoryPages());
}
inline MemoryType &type_of(Memory &memory)
{
    return memory.*rob(MemoryLimits());
}
inline Value &value_of(Global &global)
{
    return global.*rob(GlobalValue());
}
inline std::vector<Frame> &frames_of(Thread &thread)
{
    return thread.*rob(ThreadFrames());
}
inline Values &values_of(Thread &thread)
{
    return thread.*rob(ThreadValues());
}
inline RunResult push_call(Thread &thread, const DefinedFunc &func, Trap::Ptr *trap)
{
    return (thread.*rob(ThreadPushCall()))(func, trap);
}

/* One instruction. Thread::Step is the same with a reference of its own each time. */
inline RunResult step(Thread &thread, Trap::Ptr *trap)
{
    return (thread.*rob(ThreadStep()))(trap);
}

/* Frees an object to which no root and no other object refers: a trap that has been read. Without
 * this it would stay until a walk over the whole store. */
inline void delete_object(Store &store, Ref ref)
{
    (store.*rob(StoreObjects())).Delete(ref.index);
}

/* Lets the vector look at bytes[0 .. size - 1]. */
inline void lend(std::vector<uint8_t> &vector, uint8_t *bytes, size_t size)
{
    static_assert(sizeof vector == 3 * sizeof(uint8_t *), "begin, end and end of storage");
    uint8_t *pointers[3] = {bytes, bytes + size, bytes + size};
    std::memcpy(static_cast<void *>(&vector), pointers, sizeof pointers);
}

/* Makes a lent vector empty and owner of nothing again. */
inline void unlend(std::vector<uint8_t> &vector)
{
    std::memset(static_cast<void *>(&vector), 0, sizeof vector);
}

} // namespace mr

#endif
