// The planner. Its time grows with the square of the number of blocks, and is short compared with a step.
#include "plan.h"

#include <algorithm>
#include <numeric>

namespace weft {

Plan plan(const std::vector<Block>& blocks) {
  constexpr size_t alignment = 64;
  Plan result;
  result.offsets.assign(blocks.size(), 0);
  std::vector<size_t> order(blocks.size());
  std::iota(order.begin(), order.end(), size_t(0));
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return blocks[a].bytes > blocks[b].bytes; });

  std::vector<size_t> placed;  // by offset
  for (size_t i : order) {
    const Block& block = blocks[i];
    const size_t bytes = (std::max(block.bytes, size_t(1)) + alignment - 1) / alignment * alignment;
    size_t best = SIZE_MAX, best_gap = SIZE_MAX, end = 0;
    for (size_t p : placed) {
      const Block& other = blocks[p];
      if (other.last < block.first || block.last < other.first) continue;
      const size_t begin = result.offsets[p];
      if (begin > end && begin - end >= bytes && begin - end < best_gap) {
        best = end;
        best_gap = begin - end;
      }
      end = std::max(end, begin + (std::max(other.bytes, size_t(1)) + alignment - 1) / alignment * alignment);
    }
    const size_t offset = best != SIZE_MAX ? best : end;
    result.offsets[i] = offset;
    result.bytes = std::max(result.bytes, offset + bytes);
    placed.insert(std::upper_bound(placed.begin(), placed.end(), offset, [&](size_t value, size_t p) { return value < result.offsets[p]; }),
                  i);
  }
  return result;
}

}  // namespace weft
