// Convolution on sm_90: the implicit product of conv_product.cuh with wgmma, for 16-bit floats and many pixels.
// Asynchronous copies lay each slice out in shared memory as wgmma reads it (rows of 128 bytes, swizzled); tensor maps
// cannot, because taps of a tile's rows follow the image, not a box. Two warpgroups own 128 rows each. They start the
// products of a slice and, while these run, the copies of the slice after next, into the stage whose products every
// warpgroup has seen end.
#include "conv_choose.cuh"
#include "conv_group_tile.cuh"

namespace weft::cuda {
namespace {

/** The copies of one thread: always the same 16 bytes of its rows, 32 apart. */
template <class Tile, bool turned> struct GroupCopies {
  using T = typename Tile::T;
  static constexpr int row_step = Tile::threads / Tile::packs, copied_rows = Tile::rows / row_step;
  static constexpr int copied_weights = Tile::columns / row_step;

  const ConvProduct<T>& p;
  const Part& part;
  int first_column;
  SourceRow<T> source[copied_rows];

  __device__ __forceinline__ GroupCopies(const ConvProduct<T>& p, const Part& part, int first_row, int end_row, int first_column)
      : p(p), part(part), first_column(first_column) {
#pragma unroll
    for (int i = 0; i < copied_rows; i++) {
      const int row = first_row + int(threadIdx.x) / Tile::packs + i * row_step;
      source[i] = SourceRow<T>(p, part, row < end_row ? row : INT32_MAX);
    }
  }

  __device__ __forceinline__ void start(int first, unsigned char* stage) const {
    const int pack = int(threadIdx.x) % Tile::packs, line = int(threadIdx.x) / Tile::packs;
    const Depth at(p, part, first + pack * 8);
#pragma unroll
    for (int i = 0; i < copied_rows; i++) {
      const Element<T> element(p, part, source[i], at);
      async_copy<16>(stage + swizzled(line + i * row_step, pack), element.inside ? source[i].image + element.offset : p.source,
                     element.inside);
    }
    unsigned char* to = stage + Tile::rows_bytes;
#pragma unroll
    for (int i = 0; i < copied_weights; i++) {
      int64_t from;
      bool inside;
      if constexpr (turned) {  // a row for each column: 64 of the depth
        const int column = first_column + line + i * row_step;
        inside = at.inside && column < p.columns;
        from = (int64_t(at.tap) * p.columns + column) * p.source_channels + part.group * p.channels + at.channel;
      } else {  // tiles of 64 columns, with a row for each of the depth
        const int k = first + (line + i * row_step) % Tile::depth;
        const int column = first_column + (line + i * row_step) / Tile::depth * 64 + pack * 8;
        inside = k < part.depth && column < p.columns;
        from = int64_t(k) * p.out_channels + part.group * p.columns + column;
      }
      async_copy<16>(to + swizzled(line + i * row_step, pack), p.weights + (inside ? from : 0), inside);
    }
  }
};

template <class Tile, bool turned>
__global__ void __launch_bounds__(Tile::threads, 1) conv_group_tiles(const ConvProduct<typename Tile::T> p) {
  WEFT_DYNAMIC_SHARED(unsigned char, shared);
  const Part part = part_of<turned>(p, blockIdx.z);
  int column_tile = int(blockIdx.x);
  const int used = used_rows(p, Tile::rows), first_row = p.column_tiles.divide(column_tile) * used;
  const int first_column = column_tile * Tile::columns;
  if (first_row >= part.rows) return;
  const GroupCopies<Tile, turned> copies(p, part, first_row, first_row + used, first_column);
  const int count = (part.depth + Tile::depth - 1) / Tile::depth, group = int(threadIdx.x) / 128;
  constexpr int ahead = Tile::stages - 2;
  typename Tile::Sums low = {}, high = {};  // rows 0 to 63 and 64 to 127 of the warpgroup
#pragma unroll
  for (int i = 0; i < ahead; i++) {
    if (i < count) copies.start(i * Tile::depth, shared + i * Tile::stage);
    async_commit();
  }
  for (int i = 0; i < count; i++) {
    async_wait<ahead - 1>();
    fence_async_proxy();
    __syncthreads();
    const unsigned char *rows = shared + i % Tile::stages * Tile::stage, *weights = rows + Tile::rows_bytes;
    const uint64_t a = descriptor_128B(rows + group * 128 * 128), b = descriptor_128B(weights, 64 * 128);
    wgmma_fence();
#pragma unroll
    for (int k = 0; k < Tile::depth / 16; k++) {
      const uint64_t weight = b + k * (turned ? 2 : 128);
      Tile::template multiply<false, !turned>(low, a + k * 2, weight);
      Tile::template multiply<false, !turned>(high, a + 64 * 128 / 16 + k * 2, weight);
    }
    wgmma_commit();
    if (i + ahead < count) copies.start((i + ahead) * Tile::depth, shared + (i + ahead) % Tile::stages * Tile::stage);
    async_commit();
    wgmma_wait<1>();
  }
  wgmma_wait<0>();
  async_wait<0>();
  __syncthreads();
  float* tile = reinterpret_cast<float*>(shared);
  Tile::store(low, high, tile);
  __syncthreads();
  store_tile<Tile::rows, Tile::columns>(tile, p, part, first_row, first_column);
}

template <class Tile, bool turned> void run_group_tiles(const Frame& frame, ConvProduct<typename Tile::T> p) {
  const Shape shape = shape_of<Tile>(p, Tile::shared);
  launch(frame, shape, conv_group_tiles<Tile, turned>, p);
}

template <class T> RunProduct<T> choose(const Call& call, const ConvProduct<T>& p, int64_t depth) {
  const int columns = p.columns > 64 ? 128 : 64;
  const int64_t tiles = divide_up(p.most_rows(), 256 - 256 % p.area()) * divide_up(p.columns, columns) * p.parts();
  if (call.target.capability != 90 || depth < ConvGroupTile<T, 64>::depth || tiles < call.target.multiprocessors) return {};
  if (columns == 128) return p.turned ? run_group_tiles<ConvGroupTile<T, 128>, true> : run_group_tiles<ConvGroupTile<T, 128>, false>;
  return p.turned ? run_group_tiles<ConvGroupTile<T, 64>, true> : run_group_tiles<ConvGroupTile<T, 64>, false>;
}

}  // namespace

RunProduct<BFloat16> choose_group_tiles(const Call& call, const ConvProduct<BFloat16>& p, int64_t depth) { return choose(call, p, depth); }
RunProduct<Float16> choose_group_tiles(const Call& call, const ConvProduct<Float16>& p, int64_t depth) { return choose(call, p, depth); }

}  // namespace weft::cuda
