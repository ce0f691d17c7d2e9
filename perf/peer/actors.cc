// SPDX-License-Identifier: Apache-2.0
// actors: ring, pingpong and fanout of `millrace bench` in actors of CAF, with the same numbers of
// programs and messages, and as many messages under way as a block of 50,000 has.
//
// actors WORKLOAD MESSAGES THREADS    prints: messages seconds
#include <caf/all.hpp>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

namespace
{

constexpr uint32_t block = 50000, hops = 99, programs = 1000, fans = 16, width = 64;

// What messages mean follows from their type: uint32_t hops to go, bool to a counter (false: the
// last one of a block), uint8_t to the driver.
struct ring_state {
    uint64_t visits = 0;
    caf::actor next;
};

caf::behavior ring(caf::stateful_actor<ring_state> *self, caf::actor driver)
{
    return {[=](const caf::actor &next) { self->state.next = next; },
            [=](uint32_t n) {
                self->state.visits++;
                if (n == 0)
                    self->send(driver, uint8_t{1});
                else
                    self->send(self->state.next, n - 1);
            }};
}

struct counter_state {
    uint64_t sum = 0;
};

caf::behavior counter(caf::stateful_actor<counter_state> *self, caf::actor driver)
{
    return {[=](bool add) {
        if (add)
            self->state.sum++;
        else
            self->send(driver, uint8_t{1});
    }};
}

caf::behavior fan(caf::event_based_actor *self, std::vector<caf::actor> counters)
{
    return {[=](bool add) {
        for (const auto &destination : counters)
            self->send(destination, add);
    }};
}

void await(caf::scoped_actor &driver, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        driver->receive([](uint8_t) {});
}

// Runs one block; returns how many messages were handled in it.
using run = std::function<uint64_t(uint64_t turn)>;

run prepare_hops(caf::actor_system &system, caf::scoped_actor &driver, bool pairs)
{
    auto all = std::make_shared<std::vector<caf::actor>>();
    for (uint32_t i = 0; i < programs; i++)
        all->push_back(system.spawn(ring, caf::actor{driver}));
    for (uint32_t i = 0; i < programs; i++)
        driver->send((*all)[i], (*all)[pairs ? i ^ 1 : (i + 1) % programs]);
    return [all, &driver](uint64_t turn) -> uint64_t {
        const uint32_t messages = block / (hops + 1);
        for (uint32_t i = 0; i < messages; i++)
            driver->send((*all)[(turn * 7919 + i * uint64_t{104729}) % programs], uint32_t{hops});
        await(driver, messages);
        return uint64_t{messages} * (hops + 1);
    };
}

// A block ends when every counter has answered a last message, which came behind all others; those
// are counted as messages handled, too.
run prepare_fans(caf::actor_system &system, caf::scoped_actor &driver)
{
    auto all = std::make_shared<std::vector<caf::actor>>();
    for (uint32_t i = 0; i < fans; i++) {
        std::vector<caf::actor> counters;
        for (uint32_t j = 0; j < width; j++)
            counters.push_back(system.spawn(counter, caf::actor{driver}));
        all->push_back(system.spawn(fan, counters));
    }
    return [all, &driver](uint64_t turn) -> uint64_t {
        const uint32_t messages = block / (width + 1);
        for (uint32_t i = 0; i < messages; i++)
            driver->send((*all)[(turn * 7 + i) % fans], true);
        for (const auto &destination : *all)
            driver->send(destination, false);
        await(driver, fans * width);
        return (uint64_t{messages} + fans) * (width + 1);
    };
}

} // namespace

int main(int argc, char **argv)
{
    if (argc != 4) {
        std::fprintf(stderr, "usage: actors WORKLOAD MESSAGES THREADS\n");
        return 2;
    }
    const std::string workload = argv[1];
    const uint64_t wanted = std::strtoull(argv[2], nullptr, 10);
    caf::actor_system_config config;
    config.set("scheduler.max-threads", std::strtoull(argv[3], nullptr, 10));
    caf::actor_system system{config};
    caf::scoped_actor driver{system};
    const run one = workload == "fanout" ? prepare_fans(system, driver)
                                         : prepare_hops(system, driver, workload == "pingpong");
    one(0); // warm-up
    const auto begin = std::chrono::steady_clock::now();
    uint64_t done = 0;
    for (uint64_t turn = 1; done < wanted; turn++)
        done += one(turn);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
    std::printf("%llu %.6f\n", static_cast<unsigned long long>(done), seconds.count());
    std::fflush(stdout);
    std::_Exit(0); // the actors of a ring know each other, and would never end
}
