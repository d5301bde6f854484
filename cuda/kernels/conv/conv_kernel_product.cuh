// The gradient of a convolution's kernel as a matrix product: a row per kernel tap and input channel, a column per
// output channel, summed over the pixels of all images. Both operands are depth-major as they lie in memory. Few rows
// and columns, very many pixels: the pixels are cut into pieces whose sums go to scratch and are added in order
// afterwards.
#pragma once
#include "conv_math.cuh"
#include "conv_tiles.cuh"

namespace weft::cuda {

template <class T> struct KernelProduct {
  const T *x = nullptr, *g = nullptr;
  float* parts = nullptr;  // [pieces, depth, o]; null where there is one piece, which goes to `out` at once
  T* out = nullptr;        // [depth, o]
  ConvShape s;
  int depth = 0, group_c = 0, group_o = 0, pixels = 0;
  bool x_packs = false, g_packs = false;
  int piece = 0;  // pixels of one
  int row_tiles = 0;
  FastDivide rows_y, rows_x, channel, taps_x;
};

template <class T> KernelProduct<T> kernel_product(const ConvShape& s, int pack) {
  KernelProduct<T> p;
  p.s = s, p.depth = s.depth(), p.group_c = s.group_c(), p.group_o = s.group_o(), p.pixels = int(s.pixels());
  p.x_packs = packs_fit(s.c, s.group_c(), pack), p.g_packs = packs_fit(s.o, s.group_o(), pack);
  p.rows_y = FastDivide(s.oh), p.rows_x = FastDivide(s.ow), p.channel = FastDivide(s.group_c()), p.taps_x = FastDivide(s.kw);
  return p;
}

/** A row of the product: what its tap adds to the place where a pixel's taps start, and its channel. */
struct KernelRow {
  int y, x, channel;
  bool inside;
  KernelRow() = default;
  template <class T> __device__ __forceinline__ KernelRow(const KernelProduct<T>& p, int row, int group) : channel(row) {
    inside = row < p.depth;
    int tap_x = p.channel.divide(channel);
    const int tap_y = p.taps_x.divide(tap_x);
    y = tap_y * p.s.dilation_h - p.s.top, x = tap_x * p.s.dilation_w - p.s.left;
    channel += group * p.group_c;
  }
};

/** A pixel of the output: where its taps start in x. */
struct OutputPixel {
  int image, y, x;
  bool inside;
  template <class T> __device__ __forceinline__ OutputPixel(const KernelProduct<T>& p, int pixel, int end) : inside(pixel < end) {
    int line = pixel;
    x = pixel - (line = p.rows_x.quotient(pixel)) * p.s.ow;
    image = p.rows_y.quotient(line);
    y = (line - image * p.s.oh) * p.s.stride_h, x *= p.s.stride_w;
  }
};

/** Where x meets a row at a pixel; false beyond the border. */
template <class T>
__device__ __forceinline__ bool find(const KernelProduct<T>& p, const OutputPixel& pixel, const KernelRow& row, int64_t& offset) {
  const int y = pixel.y + row.y, x = pixel.x + row.x;
  offset = ((int64_t(pixel.image) * p.s.h + y) * p.s.w + x) * p.s.c + row.channel;
  return pixel.inside && row.inside && unsigned(y) < unsigned(p.s.h) && unsigned(x) < unsigned(p.s.w);
}

/** The tile and the piece of a block: grid [row tiles x column tiles, pieces, groups]. */
struct KernelTile {
  int first_row, first_column, first_pixel, end_pixel, group;
  template <class T> __device__ __forceinline__ KernelTile(const KernelProduct<T>& p, int rows, int columns) {
    first_row = int(blockIdx.x) % p.row_tiles * rows, first_column = int(blockIdx.x) / p.row_tiles * columns;
    first_pixel = int(blockIdx.y) * p.piece;
    end_pixel = int(min(int64_t(first_pixel) + p.piece, int64_t(p.pixels)));
    group = int(blockIdx.z);
  }
};

/** Writes a finished tile, [rows][finished_pitch(columns)] in shared memory. */
template <int rows, int columns, class T>
__device__ __forceinline__ void store_kernel_tile(const float* tile, const KernelProduct<T>& p, const KernelTile& at) {
  for (int i = threadIdx.x; i < rows * columns; i += blockDim.x) {
    const int row = i / columns, column = i % columns;
    if (at.first_row + row >= p.depth || at.first_column + column >= p.group_o) continue;
    const int64_t to = int64_t(at.first_row + row) * p.s.o + at.group * p.group_o + at.first_column + column;
    const float sum = tile[row * finished_pitch(columns) + column];
    if (p.parts) p.parts[int64_t(blockIdx.y) * p.depth * p.s.o + to] = sum;
    else p.out[to] = narrow<T>(sum);
  }
}

/** On the float units, with the register tiles of conv_tiles.cuh; slices are fetched ahead. */
template <class T, class Tile> struct KernelSlices {
  static constexpr int row_quads = Tile::rows / 4, column_quads = Tile::columns / 4;
  static constexpr int row_step = Tile::threads / row_quads, column_step = Tile::threads / column_quads;
  static constexpr int fetched_rows = Tile::depth / row_step, fetched_columns = Tile::depth / column_step;
  static_assert(fetched_rows * row_step == Tile::depth && fetched_columns * column_step == Tile::depth);

  const KernelProduct<T>& p;
  const KernelTile& at;
  KernelRow row[4];
  Quad rows[fetched_rows], columns[fetched_columns];

  __device__ __forceinline__ KernelSlices(const KernelProduct<T>& p, const KernelTile& at) : p(p), at(at) {
#pragma unroll
    for (int e = 0; e < 4; e++) row[e] = KernelRow(p, at.first_row + int(threadIdx.x) % row_quads * 4 + e, at.group);
  }

  __device__ __forceinline__ void fetch(int first) {
#pragma unroll
    for (int i = 0; i < fetched_rows; i++) {
      const OutputPixel pixel(p, first + int(threadIdx.x) / row_quads + i * row_step, at.end_pixel);
      int64_t offset;
      rows[i] = Quad();
      if (p.x_packs) {
        if (find(p, pixel, row[0], offset)) rows[i] = widen_pack(p.x + offset);
      } else {
#pragma unroll
        for (int e = 0; e < 4; e++)
          if (find(p, pixel, row[e], offset)) rows[i].at[e] = widen(p.x[offset]);
      }
    }
    const int column = at.first_column + int(threadIdx.x) % column_quads * 4, used = p.group_o - column;
#pragma unroll
    for (int i = 0; i < fetched_columns; i++) {
      const int pixel = first + int(threadIdx.x) / column_quads + i * column_step;
      columns[i] = Quad();
      if (pixel >= at.end_pixel) continue;
      const T* from = p.g + int64_t(pixel) * p.s.o + at.group * p.group_o + column;
      if (p.g_packs) {
        if (used > 0) columns[i] = widen_pack(from);
      } else {
#pragma unroll
        for (int e = 0; e < 4; e++)
          if (e < used) columns[i].at[e] = widen(from[e]);
      }
    }
  }

  static __device__ __forceinline__ void store_quad(float* to, const Quad& quad) {
    store_pack(to, Pack<float, 4>{{quad.at[0], quad.at[1], quad.at[2], quad.at[3]}});
  }
  __device__ __forceinline__ void store(float* slice) const {
#pragma unroll
    for (int i = 0; i < fetched_rows; i++)
      store_quad(slice + (int(threadIdx.x) / row_quads + i * row_step) * Tile::row_pitch + int(threadIdx.x) % row_quads * 4, rows[i]);
    float* to = slice + Tile::depth * Tile::row_pitch;
#pragma unroll
    for (int i = 0; i < fetched_columns; i++)
      store_quad(to + (int(threadIdx.x) / column_quads + i * column_step) * Tile::column_pitch + int(threadIdx.x) % column_quads * 4,
                 columns[i]);
  }
};

template <class T, class Tile> __global__ void __launch_bounds__(Tile::threads) kernel_float_tiles(const KernelProduct<T> p) {
  WEFT_DYNAMIC_SHARED(float, shared);
  const KernelTile at(p, Tile::rows, Tile::columns);
  KernelSlices<T, Tile> slices(p, at);
  FloatSums<Tile> sums;
  const int count = (at.end_pixel - at.first_pixel + Tile::depth - 1) / Tile::depth;
  if (count > 0) {
    slices.fetch(at.first_pixel);
    slices.store(shared);
  }
  __syncthreads();
  for (int i = 0; i < count; i++) {
    if (i + 1 < count) slices.fetch(at.first_pixel + (i + 1) * Tile::depth);
    sums.add(shared + i % 2 * Tile::slice);
    if (i + 1 < count) slices.store(shared + (i + 1) % 2 * Tile::slice);
    __syncthreads();
  }
  sums.store(shared);
  __syncthreads();
  store_kernel_tile<Tile::rows, Tile::columns>(shared, p, at);
}

/**
 * On tensor cores: slices of pixels pass through a ring of stages, [pixels][rows] and [pixels][columns], by
 * asynchronous copies.
 */
template <class Tile> constexpr int kernel_stage = Tile::depth*(Tile::long_pitch(Tile::rows) + Tile::long_pitch(Tile::columns));

template <class Tile>
__global__ void __launch_bounds__(Tile::threads, resident_tiles) kernel_matrix_tiles(const KernelProduct<typename Tile::Element> p) {
  WEFT_DYNAMIC_SHARED(unsigned char, shared);
  constexpr int row_packs = Tile::rows / Tile::pack, column_packs = Tile::columns / Tile::pack;
  constexpr int row_step = Tile::threads / row_packs, column_step = Tile::threads / column_packs;
  constexpr int row_pitch = Tile::long_pitch(Tile::rows), column_pitch = Tile::long_pitch(Tile::columns);
  static_assert(Tile::depth % row_step == 0 && Tile::depth % column_step == 0);
  const KernelTile at(p, Tile::rows, Tile::columns);
  const int row_pack = int(threadIdx.x) % row_packs, column_pack = int(threadIdx.x) % column_packs;
  const KernelRow row(p, at.first_row + row_pack * Tile::pack, at.group);
  const int column = at.first_column + column_pack * Tile::pack;
  const auto start = [&](int slice) {
    const int first = at.first_pixel + slice * Tile::depth;
    unsigned char* to = shared + slice % Tile::stages * kernel_stage<Tile>;
#pragma unroll
    for (int k = int(threadIdx.x) / row_packs; k < Tile::depth; k += row_step) {
      int64_t offset;
      const bool inside = find(p, OutputPixel(p, first + k, at.end_pixel), row, offset);
      async_copy<16>(to + k * row_pitch + row_pack * 16, p.x + (inside ? offset : 0), inside);
    }
    to += Tile::depth * row_pitch;
#pragma unroll
    for (int k = int(threadIdx.x) / column_packs; k < Tile::depth; k += column_step) {
      const bool inside = first + k < at.end_pixel && column < p.group_o;
      const int64_t offset = int64_t(first + k) * p.s.o + at.group * p.group_o + column;
      async_copy<16>(to + k * column_pitch + column_pack * 16, p.g + (inside ? offset : 0), inside);
    }
  };
  typename Tile::Sums sums = {};
  const int count = (at.end_pixel - at.first_pixel + Tile::depth - 1) / Tile::depth;
#pragma unroll
  for (int i = 0; i < Tile::stages - 1; i++) {
    if (i < count) start(i);
    async_commit();
  }
  for (int i = 0; i < count; i++) {
    async_wait<Tile::stages - 2>();
    __syncthreads();
    if (i + Tile::stages - 1 < count) start(i + Tile::stages - 1);
    async_commit();
    const unsigned char* stage = shared + i % Tile::stages * kernel_stage<Tile>;
    Tile::Math::add(
        sums, [&](uint32_t(&a)[4], int i, int step) { Tile::load_row_across(a, stage, i, step); },
        [&](auto& b, int step) { Tile::load_columns_across(b, stage + Tile::depth * row_pitch, step); });
  }
  async_wait<0>();
  __syncthreads();
  float* tile = reinterpret_cast<float*>(shared);
  Tile::store(sums, tile);
  __syncthreads();
  store_kernel_tile<Tile::rows, Tile::columns>(tile, p, at);
}

}  // namespace weft::cuda
