// Convolution on the float units (no tensor cores): an implicit product in register tiles. Each block owns a tile of
// rows (pixels) x columns (output channels); each thread a smaller tile in registers. Slices of the depth are fetched
// to registers while the slice before is multiplied from shared memory, where both operands lie depth-major, so that a
// thread reads its rows and columns as vectors.
#pragma once
#include "conv_product.cuh"

namespace weft::cuda {

template <int rows_, int columns_, int thread_rows_, int thread_columns_> struct FloatTile {
  static constexpr int rows = rows_, columns = columns_, thread_rows = thread_rows_, thread_columns = thread_columns_;
  static constexpr int depth = 16;
  static constexpr int threads = rows / thread_rows * (columns / thread_columns);
  static constexpr int row_pitch = rows + 4, column_pitch = columns + 4;
  static constexpr int slice = depth * (row_pitch + column_pitch);
  static constexpr size_t shared = sizeof(float) * size_t(2 * slice > rows * column_pitch ? 2 * slice : rows * column_pitch);
};

/** Four neighbors in the depth, as floats. */
struct Quad {
  float at[4] = {0, 0, 0, 0};
};
template <class T> __device__ __forceinline__ Quad widen_pack(const T* from) {
  const Pack<T, 4> pack = load_pack<4>(from);
  Quad quad;
#pragma unroll
  for (int e = 0; e < 4; e++) quad.at[e] = widen(pack.at[e]);
  return quad;
}

template <class T, class Tile, bool turned> struct ConvSlices {
  static constexpr int depth_quads = Tile::depth / 4, column_quads = Tile::columns / 4;
  static constexpr int row_step = Tile::threads / depth_quads, fetched_rows = Tile::rows / row_step;
  static constexpr int weight_step = turned ? row_step : Tile::threads / column_quads;
  static constexpr int fetched_weights = Tile::columns * depth_quads / Tile::threads;
  static_assert(fetched_rows * row_step == Tile::rows && fetched_weights * Tile::threads == Tile::columns * depth_quads);

  const ConvProduct<T>& p;
  const Part& part;
  int first_column;
  SourceRow<T> source[fetched_rows];
  Quad rows[fetched_rows], weights[fetched_weights];

  __device__ __forceinline__ ConvSlices(const ConvProduct<T>& p, const Part& part, int first_row, int end_row, int first_column)
      : p(p), part(part), first_column(first_column) {
#pragma unroll
    for (int i = 0; i < fetched_rows; i++) {
      const int row = first_row + int(threadIdx.x) / depth_quads + i * row_step;
      source[i] = SourceRow<T>(p, part, row < end_row ? row : INT32_MAX);
    }
  }

  static __device__ __forceinline__ int depth_quad() { return threadIdx.x % depth_quads * 4; }
  __device__ __forceinline__ void fetch(int first) {
    const int k = first + depth_quad();
    if (p.source_packs) {
      const Depth at(p, part, k);
#pragma unroll
      for (int i = 0; i < fetched_rows; i++) {
        const Element<T> element(p, part, source[i], at);
        rows[i] = element.inside ? widen_pack(source[i].image + element.offset) : Quad();
      }
    } else {
#pragma unroll
      for (int e = 0; e < 4; e++) {
        const Depth at(p, part, k + e);
#pragma unroll
        for (int i = 0; i < fetched_rows; i++) {
          const Element<T> element(p, part, source[i], at);
          rows[i].at[e] = element.inside ? widen(source[i].image[element.offset]) : 0;
        }
      }
    }
    if constexpr (turned) fetch_turned_weights(k);
    else fetch_weights(first);
  }

  /** The kernel as stored: [depth, columns]. */
  __device__ __forceinline__ void fetch_weights(int first) {
    const int column = first_column + int(threadIdx.x) % column_quads * 4, used = p.columns - column;
#pragma unroll
    for (int i = 0; i < fetched_weights; i++) {
      const int k = first + int(threadIdx.x) / column_quads + i * weight_step;
      weights[i] = Quad();
      if (k >= part.depth) continue;
      const T* from = p.weights + int64_t(k) * p.out_channels + part.group * p.columns + column;
      if (p.out_packs) {
        if (used > 0) weights[i] = widen_pack(from);
      } else {
#pragma unroll
        for (int e = 0; e < 4; e++)
          if (e < used) weights[i].at[e] = widen(from[e]);
      }
    }
  }

  /** The kernel's depth is the other way around: [taps, columns, channels]. */
  __device__ __forceinline__ void fetch_turned_weights(int k) {
#pragma unroll
    for (int i = 0; i < fetched_weights; i++) {
      const int column = first_column + int(threadIdx.x) / depth_quads + i * weight_step;
      weights[i] = Quad();
      if (column >= p.columns) continue;
      const T* kernel = p.weights + part.group * p.channels;
      if (p.source_packs) {
        const Depth at(p, part, k);
        if (at.inside) weights[i] = widen_pack(kernel + (int64_t(at.tap) * p.columns + column) * p.source_channels + at.channel);
      } else {
#pragma unroll
        for (int e = 0; e < 4; e++) {
          const Depth at(p, part, k + e);
          if (at.inside) weights[i].at[e] = widen(kernel[(int64_t(at.tap) * p.columns + column) * p.source_channels + at.channel]);
        }
      }
    }
  }

  /** Lays the slice out in shared memory: rows [depth][row_pitch], then weights [depth][column_pitch]. */
  __device__ __forceinline__ void store(float* slice) const {
#pragma unroll
    for (int i = 0; i < fetched_rows; i++)
#pragma unroll
      for (int e = 0; e < 4; e++)
        slice[(depth_quad() + e) * Tile::row_pitch + int(threadIdx.x) / depth_quads + i * row_step] = rows[i].at[e];
    float* to = slice + Tile::depth * Tile::row_pitch;
#pragma unroll
    for (int i = 0; i < fetched_weights; i++) {
      if constexpr (turned) {
#pragma unroll
        for (int e = 0; e < 4; e++)
          to[(depth_quad() + e) * Tile::column_pitch + int(threadIdx.x) / depth_quads + i * weight_step] = weights[i].at[e];
      } else {
        const Pack<float, 4> pack{{weights[i].at[0], weights[i].at[1], weights[i].at[2], weights[i].at[3]}};
        store_pack(to + (int(threadIdx.x) / column_quads + i * weight_step) * Tile::column_pitch + int(threadIdx.x) % column_quads * 4,
                   pack);
      }
    }
  }
};

/**
 * The sums of one thread: its rows are neighbors; its columns come in fours, so far apart that a warp reads each four
 * without bank conflicts.
 */
template <class Tile> struct FloatSums {
  static constexpr int across = Tile::columns / Tile::thread_columns;
  float at[Tile::thread_rows][Tile::thread_columns] = {};

  static __device__ __forceinline__ int row(int i) { return int(threadIdx.x) / across * Tile::thread_rows + i; }
  static __device__ __forceinline__ int column(int j) { return (j / 4 * across + int(threadIdx.x) % across) * 4 + j % 4; }

  /** Adds the product of a slice: rows [depth][row_pitch] by columns [depth][column_pitch]. */
  __device__ __forceinline__ void add(const float* slice) {
    const float *a = slice, *b = slice + Tile::depth * Tile::row_pitch;
#pragma unroll
    for (int k = 0; k < Tile::depth; k++, a += Tile::row_pitch, b += Tile::column_pitch) {
      Pack<float, 4> left[Tile::thread_rows / 4], right[Tile::thread_columns / 4];
#pragma unroll
      for (int i = 0; i < Tile::thread_rows; i += 4) left[i / 4] = load_pack<4>(a + row(i));
#pragma unroll
      for (int j = 0; j < Tile::thread_columns; j += 4) right[j / 4] = load_pack<4>(b + column(j));
#pragma unroll
      for (int i = 0; i < Tile::thread_rows; i++)
#pragma unroll
        for (int j = 0; j < Tile::thread_columns; j++) at[i][j] = fmaf(left[i / 4].at[i % 4], right[j / 4].at[j % 4], at[i][j]);
    }
  }

  /** Writes them to shared memory, [rows][column_pitch]. */
  __device__ __forceinline__ void store(float* tile) const {
#pragma unroll
    for (int i = 0; i < Tile::thread_rows; i++)
#pragma unroll
      for (int j = 0; j < Tile::thread_columns; j += 4)
        store_pack(tile + row(i) * Tile::column_pitch + column(j), Pack<float, 4>{{at[i][j], at[i][j + 1], at[i][j + 2], at[i][j + 3]}});
  }
};

template <class T, class Tile, bool turned> __global__ void __launch_bounds__(Tile::threads, 2) conv_float_tiles(const ConvProduct<T> p) {
  WEFT_DYNAMIC_SHARED(float, shared);
  const Part part = part_of<turned>(p, blockIdx.z);
  int column_tile = int(blockIdx.x);
  const int used = used_rows(p, Tile::rows), first_row = p.column_tiles.divide(column_tile) * used;
  const int first_column = column_tile * Tile::columns;
  if (first_row >= part.rows) return;
  ConvSlices<T, Tile, turned> slices(p, part, first_row, first_row + used, first_column);
  FloatSums<Tile> sums;
  const int count = (part.depth + Tile::depth - 1) / Tile::depth;
  if (count > 0) {
    slices.fetch(0);
    slices.store(shared);
  }
  __syncthreads();
  for (int i = 0; i < count; i++) {
    if (i + 1 < count) slices.fetch((i + 1) * Tile::depth);
    sums.add(shared + i % 2 * Tile::slice);
    if (i + 1 < count) slices.store(shared + (i + 1) % 2 * Tile::slice);
    __syncthreads();
  }
  static_assert(Tile::column_pitch == finished_pitch(Tile::columns));
  sums.store(shared);
  __syncthreads();
  store_tile<Tile::rows, Tile::columns>(shared, p, part, first_row, first_column);
}

}  // namespace weft::cuda
