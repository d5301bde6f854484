// Planner: lifetimes and sizes of memory blocks to offsets in one arena.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

namespace weft {

/** A block that is needed from step `first` to step `last`, both included. */
struct Block {
  size_t bytes;
  int32_t first, last;
};

struct Plan {
  std::vector<size_t> offsets;  // one per block, multiples of 64
  size_t bytes = 0;             // of the whole arena
};

/** Greedy best fit, largest block first: blocks whose lifetimes overlap never share memory. */
Plan plan(const std::vector<Block>& blocks);

}  // namespace weft
