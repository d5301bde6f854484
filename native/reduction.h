// Reductions over any axes as passes over [outer, reduced, inner]. The binders of all backends see reductions so.
#pragma once
#include <algorithm>
#include <utility>
#include <vector>

#include "view.h"

namespace weft {

struct Pass {
  int64_t outer = 1, reduced = 1, inner = 1;
};

/**
 * Merges neighbouring axes and makes a pass of each group of reduced axes, the last group first. The first pass reads
 * the input, the last one writes the output.
 */
inline std::vector<Pass> passes(const Dims& dims, const Dims& axes) {
  std::vector<std::pair<bool, int64_t>> groups;  // (reduced?, extent)
  for (size_t i = 0; i < dims.size(); i++) {
    if (dims[i] == 1) continue;
    const bool reduced = std::find(axes.begin(), axes.end(), int64_t(i)) != axes.end();
    if (!groups.empty() && groups.back().first == reduced) groups.back().second *= dims[i];
    else groups.emplace_back(reduced, dims[i]);
  }
  std::vector<Pass> list;
  for (size_t g = groups.size(); g-- > 0;) {
    if (!groups[g].first) continue;
    Pass pass;
    pass.reduced = groups[g].second;
    for (size_t k = 0; k < g; k++) pass.outer *= groups[k].second;
    for (size_t k = g + 1; k < groups.size(); k++) pass.inner *= groups[k].first ? 1 : groups[k].second;
    list.push_back(pass);
  }
  if (list.empty()) list.push_back({1, 1, product(dims)});
  return list;
}

}  // namespace weft
