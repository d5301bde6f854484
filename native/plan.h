// The planner gives each memory block an offset in one arena. It knows the lifetimes and sizes of all blocks.
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
  std::vector<size_t> offsets;  // one for each block; multiples of 64
  size_t bytes = 0;             // of the whole arena
};

/**
 * Places the largest block first, and each block into the smallest gap that holds it. Blocks whose lifetimes overlap
 * never share memory.
 */
Plan plan(const std::vector<Block>& blocks);

}  // namespace weft
