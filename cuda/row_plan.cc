// How rows are divided among threads, blocks and clusters: by shape alone.
#include "row_plan.h"

#include <algorithm>

namespace weft::cuda {

void RowPlan::divide(int64_t lanes, int64_t most) {
  if (lanes > 32) {
    rows.lanes = int(std::min(most, divide_up(lanes, 32) * 32));
    return;
  }
  rows.lanes = power_of_two_from(lanes);
  const int64_t threads = divide_up(std::min<int64_t>(128, rows.count * rows.lanes), 32) * 32;
  groups = int(std::max<int64_t>(1, threads / rows.lanes));
}

Shape RowPlan::shape() const {
  return {.grid = dim3(unsigned(divide_up(rows.count, groups))), .block = dim3(unsigned(rows.lanes * groups)), .cluster = cluster};
}

RowPlan plan_rows(int64_t count, int64_t n, size_t size, int most_items, bool clusters, int most_lanes) {
  const int64_t pack = int64_t(16 / size);
  // where n is no multiple of a pack, rows begin inside of one
  const int64_t packs = n % pack == 0 ? n / pack : divide_up(n + pack - 1, pack);
  RowPlan plan{{count, n, n, 1, 1}, 1, 1};
  if (packs > 16) plan.items = packs <= 4 * most_lanes && most_items > 4 ? 4 : most_items;
  int64_t lanes = divide_up(packs, plan.items);
  if (clusters && lanes > most_lanes && lanes <= 8 * (most_lanes - 1)) {
    plan.cluster = 2;  // with blocks of about 512 threads if possible, so that some load while others reduce
    while (plan.cluster < 8 && lanes > int64_t(plan.cluster) * 500) plan.cluster *= 2;
    plan.rows.chunks = int(plan.cluster);
    plan.rows.count = count * plan.rows.chunks;
    plan.rows.chunk = divide_up(divide_up(n, plan.rows.chunks), pack) * pack;
    lanes = divide_up(plan.rows.chunk / pack + 1, plan.items);
  } else if (lanes > most_lanes) {
    plan.rows.chunk = (256 * plan.items - 1) * pack;
    plan.rows.chunks = int(divide_up(n, plan.rows.chunk));
    plan.rows.count = count * plan.rows.chunks;
    lanes = 256;
  }
  plan.divide(lanes, most_lanes);
  return plan;
}

RowPlan plan_row_loops(int64_t count, int64_t n, size_t size, int unroll, int64_t most_packs) {
  const int64_t pack = int64_t(16 / size), packs = divide_up(n, pack) + (n % pack != 0);
  RowPlan plan{{count, n, n, 1, 1}, 1, 1};
  if (packs > most_packs && count > 0 && count < 512) {
    plan.rows.chunk = divide_up(divide_up(n, std::min(divide_up(packs, 1024), 4096 / count)), pack) * pack;
    plan.rows.chunks = int(divide_up(n, plan.rows.chunk));
    plan.rows.count = count * plan.rows.chunks;
  }
  plan.divide(plan.whole() ? divide_up(packs, unroll) : 256, 256);
  return plan;
}

}  // namespace weft::cuda
