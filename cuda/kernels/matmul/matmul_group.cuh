// Matrix products on sm_90: wgmma on tiles that the copy engine (TMA) brings to shared memory.
// A block stays on its multiprocessor and takes every gridDim-th tile of c. One thread of its first warpgroup keeps a
// ring of stages full: it waits until a stage is empty, and lets the copy engine fill it. Two warpgroups compute 64
// rows of the tile each: they wait until a stage is full, start its products, and give the stage before back when its
// products are done; so copies, products and the next tile's copies during the stores of this one overlap. Two blocks
// whose tiles lie below each other are a cluster: each brings half of b's tile to both, which saves a quarter (tiles of
// 128 columns) or a third (256) of the reads of the second-level cache. wgmma reads 16-bit operands as they are stored,
// k-major or not. float32 operands come as planes of bfloat16 (matmul_planes.cu): as three, x = high + middle + low, of
// whose products the six largest give what float32 arithmetic does ("bf16x6"); tensor cores truncate when they add, so
// the sum of every TileK is added to the long sum in float32 arithmetic, its small products first. Or as they are,
// rounded to tf32 and k-major (matmul_k_major.cu).
#pragma once
#include "cluster.cuh"
#include "copy_engine.cuh"
#include "matmul.h"
#include "matmul_tile.cuh"
#include "mbarrier.cuh"
#include "tensor_map.h"
#include "warpgroup.cuh"

namespace weft::cuda {

template <class T_, class Result_, int planes_, int TileN_, bool a_k_major_, bool b_k_major_> struct GroupTile {
  using T = T_;
  using Result = Result_;
  static constexpr int planes = planes_, TileM = 128, TileN = TileN_, TileK = 128 / int(sizeof(T));
  static constexpr bool a_k_major = a_k_major_, b_k_major = b_k_major_;
  static constexpr int a_size = TileM * TileK, b_size = TileN * TileK;  // elements of a plane
  static constexpr int stage = planes * (a_size + b_size);
  static constexpr int stages = 192 * 1024 / (stage * int(sizeof(T)));
  static constexpr int threads = 384;
};

/** Starts d += a · b for 32 bytes of k. */
template <class Tile> __device__ __forceinline__ void start_product(float (&d)[Tile::TileN / 2], uint64_t a, uint64_t b, bool accumulate) {
  using T = typename Tile::T;
  constexpr int N = Tile::TileN;
  if constexpr (std::is_same_v<T, float>) {
    static_assert(Tile::a_k_major && Tile::b_k_major, "wgmma takes tf32 k-major only");
    wgmma_tf32<N>(d, a, b, accumulate);
  } else if constexpr (std::is_same_v<T, Float16>) wgmma_f16<N, !Tile::a_k_major, !Tile::b_k_major>(d, a, b, accumulate);
  else wgmma_bf16<N, !Tile::a_k_major, !Tile::b_k_major>(d, a, b, accumulate);
}

/** Starts d += a · b for one TileK of one plane of each. */
template <class Tile>
__device__ __forceinline__ void start_products(float (&d)[Tile::TileN / 2], const typename Tile::T* a, const typename Tile::T* b,
                                               bool accumulate) {
  constexpr unsigned part = 64 * 128;  // bytes of 64 rows or columns where k is not contiguous
  const uint64_t from_a = descriptor_128B(a, part), from_b = descriptor_128B(b, part);
#pragma unroll
  for (int i = 0; i < 4; i++)
    start_product<Tile>(d, from_a + i * (Tile::a_k_major ? 2 : 128), from_b + i * (Tile::b_k_major ? 2 : 128), accumulate || i > 0);
}

/** A position in the ring of stages. */
template <int stages> struct Ring {
  int stage = 0;
  unsigned parity = 0;
  __device__ __forceinline__ void next() {
    if (++stage == stages) {
      stage = 0;
      parity ^= 1;
    }
  }
};

/** What the two multiplying warpgroups do: all tiles of this block. */
template <class Tile>
__device__ __forceinline__ void multiply_tiles(const Extents& p, const Output<typename Tile::Result>& out, unsigned tiles,
                                               const typename Tile::T* shared, uint64_t* full, uint64_t* empty, unsigned cluster,
                                               unsigned rank) {
  using T = typename Tile::T;
  constexpr int stages = Tile::stages, TileN = Tile::TileN, TileK = Tile::TileK, a_planes = Tile::planes * Tile::a_size;
  const int group = int(threadIdx.x) / 128 - 1;
  const unsigned lane = threadIdx.x % 32;
  const auto give_back = [&](int stage) {  // one lane of a warp for each block of the cluster: warps may be a stage apart
    if (cluster == 1 && lane == 0) barrier_arrive(&empty[stage]);
    if (cluster > 1 && lane < cluster) barrier_arrive_at(&empty[stage], lane);
  };
  Ring<stages> ring;
  for (unsigned tile = blockIdx.x / cluster; tile < tiles; tile += gridDim.x / cluster) {
    const Place at = place_of(p, tile, Tile::TileM * int(cluster), TileN);
    float sum[TileN / 2];
    if constexpr (Tile::planes == 1) {
      int before = -1;  // the stage whose products may still be under way
      for (int k = at.k_begin; k < at.k_end; k += TileK, ring.next()) {
        const T* const a = shared + ring.stage * Tile::stage;
        barrier_wait(&full[ring.stage], ring.parity);
        wgmma_fence();
        start_products<Tile>(sum, a + group * 64 * TileK, a + a_planes, k > at.k_begin);
        wgmma_commit();
        wgmma_wait<1>();
        if (before >= 0) give_back(before);
        before = ring.stage;
      }
      wgmma_wait<0>();
      give_back(before);
    } else {
#pragma unroll
      for (float& x : sum) x = 0;
      for (int k = at.k_begin; k < at.k_end; k += TileK, ring.next()) {
        const T *const a = shared + ring.stage * Tile::stage + group * 64 * TileK, *const b = shared + ring.stage * Tile::stage + a_planes;
        const auto plane_a = [&](int plane) { return a + plane * Tile::a_size; };
        const auto plane_b = [&](int plane) { return b + plane * Tile::b_size; };
        float part[TileN / 2];
        barrier_wait(&full[ring.stage], ring.parity);
        wgmma_fence();
        start_products<Tile>(part, plane_a(2), plane_b(0), false);
        start_products<Tile>(part, plane_a(0), plane_b(2), true);
        start_products<Tile>(part, plane_a(1), plane_b(1), true);
        start_products<Tile>(part, plane_a(1), plane_b(0), true);
        start_products<Tile>(part, plane_a(0), plane_b(1), true);
        wgmma_commit();
        wgmma_wait<0>();
        // infinity leaves NaN in the smaller planes: then the product of the high ones is the result
#pragma unroll
        for (float& x : part) x = fabsf(x) < INFINITY ? x : 0;
        wgmma_fence();
        start_products<Tile>(part, plane_a(0), plane_b(0), true);
        wgmma_commit();
        wgmma_wait<0>();
        give_back(ring.stage);
#pragma unroll
        for (int i = 0; i < TileN / 2; i++) sum[i] += part[i];
      }
    }
    const int row = at.row + (int(rank) * 2 + group) * 64 + int(threadIdx.x) % 128 / 32 * 16 + int(threadIdx.x) % 32 / 4;
    visit_fours<TileN / 8>([&](int j, int e) { return sum[4 * j + e]; }, row, at.column,
                           [&](int r, int column, const float(&four)[4]) { out.store(p, at, r, column, four); });
  }
}

/** Asks for [extent, TileK] of an operand, for this block or for all of a cluster. */
template <class Tile, bool k_major>
__device__ __forceinline__ void load_operand(typename Tile::T* to, const CUtensorMap* map, uint64_t* barrier, int k, int first, int matrix,
                                             int extent, unsigned cluster) {
  const auto load = [&](typename Tile::T* part, int inner, int outer) {
    if (cluster > 1) tma_load_3d_multicast(part, map, barrier, inner, outer, matrix, uint16_t((1u << cluster) - 1));
    else tma_load_3d(part, map, barrier, inner, outer, matrix);
  };
  if constexpr (k_major) load(to, k, first);
  else
    for (int part = 0; part < extent; part += 64) load(to + part * Tile::TileK, first + part, k);
}

/**
 * a_map, b_map: [planes * matrices, rows, row]; `a_matrices`, `b_matrices`: matrices of a plane. The blocks of a
 * cluster compute tiles below each other: each loads its part of b's tile for all.
 */
template <class Tile>
__global__ void __launch_bounds__(Tile::threads, 1)
    group_product(Extents p, const __grid_constant__ CUtensorMap a_map, const __grid_constant__ CUtensorMap b_map,
                  Output<typename Tile::Result> out, unsigned tiles, int a_matrices, int b_matrices) {
  using T = typename Tile::T;
  constexpr int stages = Tile::stages, TileM = Tile::TileM, TileN = Tile::TileN, TileK = Tile::TileK,
                a_planes = Tile::planes * Tile::a_size;
  WEFT_DYNAMIC_SHARED(T, shared);  // [stages][planes of a, planes of b]
  WEFT_SHARED(uint64_t, full, [stages]);
  WEFT_SHARED(uint64_t, empty, [stages]);
  const unsigned cluster = cluster_size(), rank = cluster_rank();
  if (threadIdx.x == 0) {
    tma_prefetch(&a_map);
    tma_prefetch(&b_map);
    for (int s = 0; s < stages; s++) {
      barrier_init(&full[s], 1);
      barrier_init(&empty[s], 8 * cluster);  // the warps of all blocks that read what this one loads
    }
    fence_barrier_init();
  }
  if (cluster > 1) cluster_sync();
  else __syncthreads();

  Ring<stages> ring;
  if (threadIdx.x < 128) {
    fewer_registers<56>();
    if (threadIdx.x == 0) {
      const int share = TileN / int(cluster);
      for (unsigned tile = blockIdx.x / cluster; tile < tiles; tile += gridDim.x / cluster) {
        const Place at = place_of(p, tile, TileM * int(cluster), TileN);
        const int row = at.row + int(rank) * TileM, column = at.column + int(rank) * share;
        for (int k = at.k_begin; k < at.k_end; k += TileK, ring.next()) {
          uint64_t* const barrier = &full[ring.stage];
          barrier_wait(&empty[ring.stage], ring.parity ^ 1);
          barrier_expect(barrier, Tile::stage * sizeof(T));
          T *const to_a = shared + ring.stage * Tile::stage, *const to_b = to_a + a_planes + int(rank) * share * TileK;
          for (int plane = 0; plane < Tile::planes; plane++) {
            load_operand<Tile, Tile::a_k_major>(to_a + plane * Tile::a_size, &a_map, barrier, k, row, plane * a_matrices + int(at.a_matrix),
                                                TileM, 1);
            load_operand<Tile, Tile::b_k_major>(to_b + plane * Tile::b_size, &b_map, barrier, k, column,
                                                plane * b_matrices + int(at.b_matrix), share, cluster);
          }
        }
      }
    }
    __syncwarp();
  } else {
    more_registers<224>();
    multiply_tiles<Tile>(p, out, tiles, shared, full, empty, cluster, rank);
  }
  if (cluster > 1) cluster_sync();  // none may leave while another still loads or arrives here
}

/** Blocks per cluster: two share the loads of b, unless that would add a row of tiles to few. */
inline unsigned cluster_of(const Product& p, const Target& target) {
  const int64_t rows = divide_up(p.m, 128);
  return target.multiprocessors > 1 && (rows % 2 == 0 || rows > 8) ? 2 : 1;
}

template <class Tile> Step bind_group_tile(Call& call, const Product& p) {
  using T = typename Tile::T;
  const SplitSum sums(call, p);
  using Operand = std::conditional_t<std::is_same_v<T, float>, KMajor, Planes>;
  const Operand a(call, p.a_view, p.a_rows(), p.a_row, p.a_k_major, Tile::planes);
  const Operand b(call, p.b_view, p.b_rows(), p.b_row, p.b_k_major, Tile::planes);
  const int64_t a_outer = Tile::a_k_major ? p.m : p.k, b_outer = Tile::b_k_major ? p.n : p.k;
  const int64_t a_matrices = p.a_view.size() / (int64_t(p.m) * p.k), b_matrices = p.b_view.size() / (int64_t(p.k) * p.n);
  const unsigned cluster = cluster_of(p, call.target), tiles = unsigned(blocks_of(p, Tile::TileM * cluster, Tile::TileN));
  const Shape shape{.grid = dim3(std::min(tiles, unsigned(call.target.multiprocessors) / cluster) * cluster),
                    .block = dim3(Tile::threads),
                    .shared = Tile::stages * Tile::stage * sizeof(T),
                    .cluster = cluster};
  return [=](const Frame& frame) {
    a.make(frame);
    b.make(frame);
    constexpr DType dtype = DTypeOf<T>::value;
    const CUtensorMap a_map = tensor_map(dtype, a.template at<T>(frame), {a.row(), a_outer, Tile::planes * a_matrices},
                                         {128 / int64_t(sizeof(T)), Tile::a_k_major ? Tile::TileM : Tile::TileK, 1});
    const CUtensorMap b_map = tensor_map(dtype, b.template at<T>(frame), {b.row(), b_outer, Tile::planes * b_matrices},
                                         {128 / int64_t(sizeof(T)), Tile::b_k_major ? Tile::TileN / int(cluster) : Tile::TileK, 1});
    launch(frame, shape, group_product<Tile>, p, a_map, b_map, output_of<typename Tile::Result>(frame, p, sums), tiles, int(a_matrices),
           int(b_matrices));
    sums.finish(frame);
  };
}

template <class T, class Result, int planes, int TileN> Step bind_group_layouts(Call& call, const Product& p) {
  if (p.a_k_major && !p.b_k_major) return bind_group_tile<GroupTile<T, Result, planes, TileN, true, false>>(call, p);
  if (p.a_k_major) return bind_group_tile<GroupTile<T, Result, planes, TileN, true, true>>(call, p);
  if (!p.b_k_major) return bind_group_tile<GroupTile<T, Result, planes, TileN, false, false>>(call, p);
  return bind_group_tile<GroupTile<T, Result, planes, TileN, false, true>>(call, p);
}

/**
 * Tiles of 256 columns read less of the operands per product; those of 128 leave fewer multiprocessors idle at the end.
 */
inline bool wide_tiles(const Product& p, const Target& target) {
  const auto busy = [&](int tile_n) {
    const double tiles = double(blocks_of(p, 128, tile_n)), rounds = std::ceil(tiles / target.multiprocessors);
    return tiles / (rounds * target.multiprocessors);
  };
  constexpr double advantage = 1.15;
  return p.n > 128 && p.splits == 1 && busy(256) * advantage >= busy(128);
}

template <class T, class Result> Step bind_group_sizes(Call& call, const Product& p) {
  if (wide_tiles(p, call.target)) return bind_group_layouts<T, Result, 1, 256>(call, p);
  return bind_group_layouts<T, Result, 1, 128>(call, p);
}

/** The steps by type of operand: matmul_sm90.cu, matmul_float_sm90.cu. */
Step bind_group_float(Call& call, const Product& p);

}  // namespace weft::cuda
