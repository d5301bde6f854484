// How kernels that work along the last axis divide rows among threads. A row belongs to a group of threads: to some
// lanes of a warp when it is short, so that a warp handles several; to whole warps, a block, when it is long. The group
// keeps the row in registers, as 16-byte packs, so that it is read from memory once. Rows too long for that are cut
// into chunks, which are handled like rows: by the blocks of a cluster, which tell each other their sums, where the
// kernels have code for clusters and 8 blocks are enough; else in two launches. The first leaves the chunks' sums in
// scratch memory; the second combines them in order and writes. Tensors begin at multiples of 16 bytes, as the pool and
// the arena place them; their rows need not.
#pragma once
#include "architectures.h"
#include "launch.h"

namespace weft::cuda {

/**
 * What a launch does with its pieces of rows: everything, alone or in a cluster; only their sums; the rest, given the
 * sums of all chunks.
 */
enum class Stage { whole, cluster, sums, rest };
/** The most threads of a block in a stage. */
constexpr int most_threads(Stage stage, int most = 1024) { return stage == Stage::whole || stage == Stage::cluster ? most : 256; }

/** Rows, or their chunks, as kernels see them. */
struct Rows {
  int64_t count;  // rows × chunks
  int64_t n;      // elements of a row
  int64_t chunk;  // elements of a chunk, the last one aside
  int chunks;     // chunks of a row
  int lanes;      // threads that share a chunk
};

inline int power_of_two_from(int64_t n) {
  int power = 1;
  while (power < n) power *= 2;
  return power;
}

/** Rows, and the launch that serves them. */
struct RowPlan {
  Rows rows;
  int items;             // packs that a thread keeps
  int groups;            // chunks side by side in a block
  unsigned cluster = 1;  // blocks that share a row

  bool whole() const { return rows.chunks == 1; }
  /** Whether sums of chunks go through scratch memory. */
  bool twice() const { return !whole() && cluster == 1; }
  /**
   * Gives a row at least so many threads, or `most`: lanes of a warp, or whole warps. Short rows share a block of up to
   * 128 threads.
   */
  void divide(int64_t lanes, int64_t most);
  Shape shape() const;
};

/** Whether kernels have code for clusters: what was compiled counts, not what the GPU can do. */
inline bool has_clusters(const Target& target) { return code_for(target.capability) >= 90; }

/**
 * Divides `count` rows of n elements of `size` bytes among at most `most_lanes` threads each that keep 1, 4 or
 * `most_items` packs. Long rows get clusters if `clusters`.
 */
RowPlan plan_rows(int64_t count, int64_t n, size_t size, int most_items, bool clusters, int most_lanes = 1024);

/**
 * Divides rows that are read in a loop, `unroll` packs of a thread at a time, instead of being kept: where rows are
 * few, those of more than `most_packs` are cut into chunks, so that they fill the device.
 */
RowPlan plan_row_loops(int64_t count, int64_t n, size_t size, int unroll, int64_t most_packs = 4096);

/** Calls f.template operator()<items>() for the number of packs of a plan: 1, 4 or, where not 4, `most`. */
template <int most, class F> auto with_items(int items, F&& f) {
  if (items == 1) return f.template operator()<1>();
  if constexpr (most > 4) {
    if (items != 4) return f.template operator()<most>();
  }
  return f.template operator()<(most < 4 ? most : 4)>();
}

}  // namespace weft::cuda
