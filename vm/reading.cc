/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/reading_desc.h"

#include <algorithm>
#include <array>
#include <mutex>

namespace
{

struct Kept {
    const mr_code *code = nullptr; /* nobody's */
    std::shared_ptr<const mr_reading> reading;
    size_t bytes = 0;
    uint64_t turn = 0; /* when it came */
};

struct Readings {
    std::mutex lock;
    std::array<Kept, MR_READINGS_MAX> kept;
    size_t bytes = 0;
    uint64_t turns = 0;
};

/* Never destroyed: threads may outlive main. */
union Storage {
    Readings readings;
    Storage() : readings() {}
    ~Storage() {}
} storage;
Readings &all = storage.readings;

Kept *find(const mr_code *code)
{
    return std::find_if(all.kept.begin(), all.kept.end(),
                        [code](const Kept &one) { return one.code == code; });
}

/* Empties a place and hands out what was there, to be destroyed without the lock. */
std::shared_ptr<const mr_reading> take(Kept *from)
{
    std::shared_ptr<const mr_reading> taken = std::move(from->reading);
    all.bytes -= from->bytes;
    *from = Kept();
    return taken;
}

/* Takes the oldest, unless there is a place and room for so many bytes. */
std::shared_ptr<const mr_reading> make_room(size_t bytes)
{
    if (find(nullptr) != all.kept.end() && all.bytes + bytes <= MR_READINGS_BYTES_MAX)
        return nullptr;
    Kept *oldest = nullptr;
    for (Kept &one : all.kept) {
        if (one.code != nullptr && (oldest == nullptr || one.turn < oldest->turn))
            oldest = &one;
    }
    return take(oldest);
}

} // namespace

void mr_reading_keep(const mr_code *code, mr_reading *reading)
{
    const size_t bytes = MR_READING_BYTES_PER_BYTE * mr_code_rewritten(code).size;
    std::shared_ptr<const mr_reading> shared, dropped;
    try {
        shared.reset(reading);
    } catch (...) {
        return; /* no memory: it is destroyed, and the module read again */
    }
    if (bytes > MR_READINGS_BYTES_MAX)
        return;
    do {
        dropped = nullptr;
        const std::lock_guard<std::mutex> guard(all.lock);
        dropped = make_room(bytes);
        if (dropped == nullptr) {
            *find(nullptr) = Kept{code, shared, bytes, all.turns++};
            all.bytes += bytes;
        }
    } while (dropped != nullptr);
}

void mr_reading_forget(const mr_code *code)
{
    std::shared_ptr<const mr_reading> dropped;
    const std::lock_guard<std::mutex> guard(all.lock);
    Kept *found = find(code);
    if (found != all.kept.end())
        dropped = take(found);
}

std::shared_ptr<const mr_reading> mr::reading_of(const mr_code *code)
{
    const std::lock_guard<std::mutex> guard(all.lock);
    const Kept *found = find(code);
    return found == all.kept.end() ? nullptr : found->reading;
}

bool mr_reading_is_kept(const mr_code *code)
{
    return mr::reading_of(code) != nullptr;
}
