// What threads know of each other: vector clocks in two steps. A barrier of a whole block begins a new epoch, in which
// each of its threads knows all of the epochs before; other orders are clocks of single threads.
#pragma once
#include <algorithm>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

namespace emulator {

/** What is known of one block: all of its earlier epochs, and these threads up to these clocks (sorted by thread). */
struct Known {
  uint32_t epoch = 0;
  std::vector<std::pair<uint32_t, uint32_t>> clocks;

  uint32_t clock_of(uint32_t thread) const {
    const auto at = std::lower_bound(clocks.begin(), clocks.end(), std::pair(thread, 0u));
    return at != clocks.end() && at->first == thread ? at->second : 0;
  }
  void learn(uint32_t thread, uint32_t clock) {
    const auto at = std::lower_bound(clocks.begin(), clocks.end(), std::pair(thread, 0u));
    if (at != clocks.end() && at->first == thread) at->second = std::max(at->second, clock);
    else clocks.insert(at, {thread, clock});
  }
  void learn(const Known& other) {
    epoch = std::max(epoch, other.epoch);
    if (clocks.empty()) clocks = other.clocks;
    else
      for (const auto& [thread, clock] : other.clocks) learn(thread, clock);
  }
};
struct Clock {
  std::map<uint32_t, Known> of_block;  // by serial number
  void learn(const Clock& other) {
    for (const auto& [serial, known] : other.of_block) of_block[serial].learn(known);
  }
};

}  // namespace emulator
