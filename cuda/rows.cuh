// Rows: how kernels that work along the last axis divide rows among threads. A row belongs to a group of threads: to some lanes of a warp
// when it is short, so that a warp handles several; to whole warps, a block, when it is long. The group keeps the row in registers, as
// 16-byte packs, so that it is read from memory once. Rows too long for that are cut into chunks, which are handled like rows: by the blocks of a
// cluster, which tell each other their sums, where the device has clusters and 8 blocks are enough; else in two launches, of which one
// leaves the chunks' sums in scratch memory, and the other combines them in order and writes. Tensors begin at multiples of 16 bytes, as the
// pool and the arena place them; their rows need not.
#pragma once
#include <algorithm>

#include "hopper.cuh"

namespace weft::cuda {

constexpr float infinity = __builtin_huge_valf();

/** Elements of a 16-byte access. */
template <class T> constexpr int pack_size = 16 / int(sizeof(T));

/** What a launch does with its pieces of rows: everything, alone or in a cluster; only their sums; the rest, given the sums of all chunks. */
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
  /** Gives a row at least so many threads, or `most`: lanes of a warp, or whole warps. Short rows share a block of up to 128 threads. */
  void divide(int64_t lanes, int64_t most) {
    if (lanes > 32) {
      rows.lanes = int(std::min(most, divide_up(lanes, 32) * 32));
      return;
    }
    rows.lanes = power_of_two_from(lanes);
    const int64_t threads = divide_up(std::min<int64_t>(128, rows.count * rows.lanes), 32) * 32;
    groups = int(std::max<int64_t>(1, threads / rows.lanes));
  }
  Shape shape() const {
    return {.grid = dim3(unsigned(divide_up(rows.count, groups))), .block = dim3(unsigned(rows.lanes * groups)), .cluster = cluster};
  }
};

/**
 * Divides `count` rows of n elements of `size` bytes among at most `most_lanes` threads each that keep 1, 4 or `most_items` packs. Long rows
 * get clusters if `clusters`.
 */
inline RowPlan plan_rows(int64_t count, int64_t n, size_t size, int most_items, bool clusters, int most_lanes = 1024) {
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

/**
 * Divides rows that are read in a loop, `unroll` packs of a thread at a time, instead of being kept: where rows are few, those of more than
 * `most_packs` are cut into chunks, so that they fill the device.
 */
inline RowPlan plan_row_loops(int64_t count, int64_t n, size_t size, int unroll, int64_t most_packs = 4096) {
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

/** Calls f.template operator()<items>() for the number of packs of a plan: 1, 4 or, where not 4, `most`. */
template <int most, class F> auto with_items(int items, F&& f) {
  if (items == 1) return f.template operator()<1>();
  if constexpr (most > 4) {
    if (items != 4) return f.template operator()<most>();
  }
  return f.template operator()<(most < 4 ? most : 4)>();
}

/** 16 bytes of elements in four registers, seen as what they are computed in. */
template <class T> struct alignas(16) Words {
  static constexpr int size = pack_size<T>, bits = 8 * int(sizeof(T));
  uint32_t at[4];

  __device__ __forceinline__ Compute<T> get(int e) const {
    if constexpr (sizeof(T) == 4) return std::bit_cast<T>(at[e]);
    else return widen(as_element(at[e * bits / 32] >> (e * bits % 32)));
  }
  /** Elements are set in order: the first one of a register clears the rest of it. */
  __device__ __forceinline__ void set(int e, Compute<T> value) {
    const uint32_t raw = bits_of(narrow<T>(value));
    if (e * bits % 32 == 0) at[e * bits / 32] = raw;
    else at[e * bits / 32] |= raw << (e * bits % 32);
  }

  static __device__ __forceinline__ uint32_t bits_of(T x) {
    if constexpr (sizeof(T) == 4) return std::bit_cast<uint32_t>(x);
    else if constexpr (sizeof(T) == 2) return std::bit_cast<uint16_t>(x);
    else return std::bit_cast<uint8_t>(x);
  }
  static __device__ __forceinline__ T as_element(uint32_t raw) {
    if constexpr (sizeof(T) == 4) return std::bit_cast<T>(raw);
    else if constexpr (sizeof(T) == 2) return std::bit_cast<T>(uint16_t(raw));
    else return std::bit_cast<T>(uint8_t(raw));
  }

  /** The elements x[i], ... of those from `begin` to `end`; `fill` for the others. A loop, since only the ends of rows need it. */
  static __device__ __forceinline__ Words gather(const T* x, int i, int begin, int end, T fill) {
    uint64_t low = 0, high = 0;
#pragma unroll 1
    for (int e = size - 1; e >= 0; e--) {
      const uint32_t raw = bits_of(i + e >= begin && i + e < end ? x[i + e] : fill);
      high = high << bits | low >> (64 - bits);
      low = low << bits | raw;
    }
    return {{uint32_t(low), uint32_t(low >> 32), uint32_t(high), uint32_t(high >> 32)}};
  }
  __device__ __forceinline__ void scatter(T* y, int i, int begin, int end) const {
    uint64_t low = at[0] | uint64_t(at[1]) << 32, high = at[2] | uint64_t(at[3]) << 32;
#pragma unroll 1
    for (int e = 0; e < size; e++) {
      if (i + e >= begin && i + e < end) y[i + e] = as_element(uint32_t(low));
      low = low >> bits | high << (64 - bits);
      high >>= bits;
    }
  }
};
template <class T> __device__ __forceinline__ Words<T> load_words(const T* from) { return *reinterpret_cast<const Words<T>*>(from); }
template <class T> __device__ __forceinline__ void store_words(T* to, const Words<T>& value) { *reinterpret_cast<Words<T>*>(to) = value; }

/** The row or chunk that a thread works on, and its packs; the thread has those number lane, lane + lanes, ... */
template <class T> struct Piece {
  static constexpr int size = pack_size<T>;
  int64_t id;     // among all pieces
  int64_t row;    // the row it is of
  int64_t start;  // where it begins in the tensor, in elements
  int length;     // 0 where there is no piece for the group
  int shift;      // elements of the first pack that lie before the piece
  int lane, lanes;

  __device__ __forceinline__ explicit Piece(const Rows& rows) : lanes(rows.lanes) {
    const int group = int(threadIdx.x) / lanes;
    lane = int(threadIdx.x) - group * lanes;
    id = int64_t(blockIdx.x) * (int(blockDim.x) / lanes) + group;
    row = rows.chunks == 1 ? id : id / rows.chunks;
    const int64_t begin = (id - row * rows.chunks) * rows.chunk;
    start = row * rows.n + begin;
    const int64_t left = rows.n - begin;
    length = id >= rows.count ? 0 : int(left < rows.chunk ? left : rows.chunk);
    shift = int(start & (size - 1));
  }
  __device__ __forceinline__ bool exists(const Rows& rows) const { return id < rows.count; }
  /** Where in the piece the thread's pack begins; negative in front of it. */
  __device__ __forceinline__ int place(int item) const { return (item * lanes + lane) * size - shift; }

  /** The thread's pack of a tensor, with `fill` outside of the piece. */
  __device__ __forceinline__ Words<T> load(const T* x, int item, Compute<T> fill) const {
    const int i = place(item);
    if (i >= 0 && i + size <= length) return load_words(x + start + i);
    return Words<T>::gather(x + start, i, 0, length, narrow<T>(fill));
  }
  __device__ __forceinline__ void store(T* y, int item, const Words<T>& pack) const {
    const int i = place(item);
    if (i >= 0 && i + size <= length) return store_words(y + start + i, pack);
    pack.scatter(y + start, i, 0, length);
  }
  __device__ __forceinline__ bool inside(int item, int e) const { return unsigned(place(item) + e) < unsigned(length); }
  /** What the columns of the thread's pack have in a vector [n], with 0 outside of the piece. */
  __device__ __forceinline__ void load_columns(const Rows& rows, const T* x, int item, Compute<T> (&value)[size]) const {
    const T* from = x + (start - row * rows.n);
    const int i = place(item);
    if (rows.n % size == 0 && i + size <= length) {  // rows begin with a pack, so the vector's packs are aligned too
      const Words<T> pack = load_words(from + i);
#pragma unroll
      for (int e = 0; e < size; e++) value[e] = pack.get(e);
    } else {
#pragma unroll
      for (int e = 0; e < size; e++) value[e] = inside(item, e) ? widen(from[i + e]) : Compute<T>(0);
    }
  }
};

/**
 * Combines N values over the threads of a group, in a fixed order; every thread gets the results. `scratch`: 32 · N elements of shared
 * memory. All threads of the block take part.
 */
template <int N, class T, class Op> __device__ __forceinline__ void group_reduce(T (&value)[N], int lanes, T neutral, T* scratch, Op op) {
#pragma unroll
  for (int offset = 16; offset > 0; offset >>= 1) {
    if (offset >= lanes) continue;
#pragma unroll
    for (int k = 0; k < N; k++) value[k] = op(value[k], __shfl_xor_sync(all_lanes, value[k], offset));
  }
  if (lanes <= 32) return;
  const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, warps = lanes >> 5;
  if (lane == 0) {
#pragma unroll
    for (int k = 0; k < N; k++) scratch[k * 32 + warp] = value[k];
  }
  __syncthreads();
#pragma unroll
  for (int k = 0; k < N; k++) value[k] = warp_reduce(lane < warps ? scratch[k * 32 + lane] : neutral, op);
  __syncthreads();
}

/** The sums of a row's chunks, as its cluster's blocks tell each other. */
template <class Sums> struct ClusterSums {
  Sums* slot;  // in shared memory
  int count;

  /** Called by all threads of the cluster; the sums of thread 0 count. */
  __device__ __forceinline__ void give(const Sums& mine) const {
#if defined(WEFT_EMULATED) || __CUDA_ARCH__ >= 900
    if (threadIdx.x == 0) *slot = mine;
    cluster_sync();
#endif
  }
  __device__ __forceinline__ Sums operator()(int chunk) const {
#if defined(WEFT_EMULATED) || __CUDA_ARCH__ >= 900
    return *cluster_map(slot, unsigned(chunk));
#else
    return *slot;
#endif
  }
  /** After the last look at the others' sums. */
  __device__ __forceinline__ void leave() const {
#if defined(WEFT_EMULATED) || __CUDA_ARCH__ >= 900
    cluster_arrive();
#endif
  }
  /** At the kernel's end: shared memory lasts until all have left. */
  __device__ __forceinline__ void end() const {
#if defined(WEFT_EMULATED) || __CUDA_ARCH__ >= 900
    cluster_wait();
#endif
  }
};
/** The sums of a row's chunks from scratch memory. */
template <class Sums> struct ScratchSums {
  const Sums* sums;
  int count;
  __device__ __forceinline__ Sums operator()(int chunk) const { return sums[chunk]; }
};

struct Larger {
  __device__ __forceinline__ float operator()(float a, float b) const { return fmaxf(a, b); }
};

}  // namespace weft::cuda
