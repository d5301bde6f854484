// Convolution on tensor cores: the implicit product of conv_product.cuh with mma.sync. Channels come in packs of 16
// bytes, which asynchronous copies bring from the image straight to shared memory, zeros where a tap lies beyond the
// border. Made for many channels; a ring of stages hides the way from memory.
#pragma once
#include "conv_math.cuh"
#include "conv_product.cuh"

namespace weft::cuda {

template <class Tile, bool turned> struct ConvStage {
  static constexpr int rows_bytes = Tile::rows * Tile::short_pitch;
  static constexpr int weights_bytes = turned ? Tile::columns * Tile::short_pitch : Tile::depth * Tile::long_pitch(Tile::columns);
  static constexpr int bytes = rows_bytes + weights_bytes;
};

/** The copies of one thread: always the same 16 bytes of the slices of its rows, and of the weights. */
template <class Tile, bool turned> struct ConvCopies {
  using T = typename Tile::Element;
  static constexpr int row_step = Tile::threads / 4, copied_rows = Tile::rows / row_step;
  static constexpr int column_packs = Tile::columns / Tile::pack;
  static constexpr int weight_step = turned ? row_step : Tile::threads / column_packs;
  static constexpr int copied_weights = (turned ? Tile::columns : Tile::depth) / weight_step;
  static_assert(copied_rows * row_step == Tile::rows && copied_weights * weight_step == (turned ? Tile::columns : Tile::depth));

  const ConvProduct<T>& p;
  const Part& part;
  int first_column;
  SourceRow<T> source[copied_rows];

  __device__ __forceinline__ ConvCopies(const ConvProduct<T>& p, const Part& part, int first_row, int end_row, int first_column)
      : p(p), part(part), first_column(first_column) {
#pragma unroll
    for (int i = 0; i < copied_rows; i++) {
      const int row = first_row + int(threadIdx.x) / 4 + i * row_step;
      source[i] = SourceRow<T>(p, part, row < end_row ? row : INT32_MAX);
    }
  }

  /** Starts the copies of the slice of the depth that begins at `first`. */
  __device__ __forceinline__ void start(int first, unsigned char* stage) const {
    const int pack = int(threadIdx.x) % 4, line = int(threadIdx.x) / 4;
    const Depth at(p, part, first + pack * Tile::pack);
#pragma unroll
    for (int i = 0; i < copied_rows; i++) {
      const Element<T> element(p, part, source[i], at);
      async_copy<16>(stage + (line + i * row_step) * Tile::short_pitch + pack * 16,
                     element.inside ? source[i].image + element.offset : p.source, element.inside);
    }
    unsigned char* to = stage + ConvStage<Tile, turned>::rows_bytes;
    if constexpr (turned) {
#pragma unroll
      for (int i = 0; i < copied_weights; i++) {
        const int column = first_column + line + i * weight_step;
        const bool inside = at.inside && column < p.columns;
        const int64_t from = (int64_t(at.tap) * p.columns + column) * p.source_channels + part.group * p.channels + at.channel;
        async_copy<16>(to + (line + i * weight_step) * Tile::short_pitch + pack * 16, p.weights + (inside ? from : 0), inside);
      }
    } else {
      const int column_pack = int(threadIdx.x) % column_packs, column = first_column + column_pack * Tile::pack;
#pragma unroll
      for (int i = 0; i < copied_weights; i++) {
        const int k = int(threadIdx.x) / column_packs + i * weight_step;
        const bool inside = first + k < part.depth && column < p.columns;
        const int64_t from = int64_t(first + k) * p.out_channels + part.group * p.columns + column;
        async_copy<16>(to + k * Tile::long_pitch(Tile::columns) + column_pack * 16, p.weights + (inside ? from : 0), inside);
      }
    }
  }
};

template <class Tile, bool turned>
__global__ void __launch_bounds__(Tile::threads, resident_tiles) conv_matrix_tiles(const ConvProduct<typename Tile::Element> p) {
  WEFT_DYNAMIC_SHARED(unsigned char, shared);
  using Stage = ConvStage<Tile, turned>;
  const Part part = part_of<turned>(p, blockIdx.z);
  int column_tile = int(blockIdx.x);
  const int used = used_rows(p, Tile::rows), first_row = p.column_tiles.divide(column_tile) * used;
  const int first_column = column_tile * Tile::columns;
  if (first_row >= part.rows) return;
  const ConvCopies<Tile, turned> copies(p, part, first_row, first_row + used, first_column);
  typename Tile::Sums sums = {};
  const int count = (part.depth + Tile::depth - 1) / Tile::depth;
#pragma unroll
  for (int i = 0; i < Tile::stages - 1; i++) {
    if (i < count) copies.start(i * Tile::depth, shared + i * Stage::bytes);
    async_commit();
  }
  for (int i = 0; i < count; i++) {
    async_wait<Tile::stages - 2>();
    __syncthreads();
    const int ahead = i + Tile::stages - 1;
    if (ahead < count) copies.start(ahead * Tile::depth, shared + ahead % Tile::stages * Stage::bytes);
    async_commit();
    const unsigned char *rows = shared + i % Tile::stages * Stage::bytes, *weights = rows + Stage::rows_bytes;
    Tile::Math::add(
        sums, [&](uint32_t(&a)[4], int i, int step) { Tile::load_row(a, rows, i, step); },
        [&](auto& b, int step) {
          if constexpr (turned) Tile::load_columns(b, weights, step);
          else Tile::load_columns_across(b, weights, step);
        });
  }
  async_wait<0>();
  __syncthreads();
  float* tile = reinterpret_cast<float*>(shared);
  Tile::store(sums, tile);
  __syncthreads();
  store_tile<Tile::rows, Tile::columns>(tile, p, part, first_row, first_column);
}

}  // namespace weft::cuda
