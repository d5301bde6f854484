// The gradient of a convolution's kernel on sm_90: the product of conv_kernel_product.cuh with wgmma, for 16-bit
// floats. Slices are 64 pixels; both operands lie in shared memory as in memory, a row for each pixel, which wgmma
// reads across. Like conv_sm90.cu otherwise.
#include "conv_group_tile.cuh"
#include "conv_kernel_choose.cuh"

namespace weft::cuda {
namespace {

template <class Tile> __global__ void __launch_bounds__(Tile::threads, 1) kernel_group_tiles(const KernelProduct<typename Tile::T> p) {
  WEFT_DYNAMIC_SHARED(unsigned char, shared);
  constexpr int line_step = Tile::threads / Tile::packs, copied = Tile::depth / line_step;  // of the pixels of a slice
  constexpr int block = Tile::depth * 128;                                                  // bytes of 64 rows or columns
  const KernelTile at(p, Tile::rows, Tile::columns);
  const int pack = int(threadIdx.x) % Tile::packs, line = int(threadIdx.x) / Tile::packs;
  KernelRow row[Tile::rows / 64];
#pragma unroll
  for (int j = 0; j < Tile::rows / 64; j++) row[j] = KernelRow(p, at.first_row + j * 64 + pack * 8, at.group);
  const auto start = [&](int slice) {
    unsigned char* stage = shared + slice % Tile::stages * Tile::stage;
#pragma unroll
    for (int i = 0; i < copied; i++) {
      const int k = line + i * line_step, number = at.first_pixel + slice * Tile::depth + k;
      const OutputPixel pixel(p, number, at.end_pixel);
      unsigned char* to = stage + swizzled(k, pack);
#pragma unroll
      for (int j = 0; j < Tile::rows / 64; j++) {
        int64_t offset;
        const bool inside = find(p, pixel, row[j], offset);
        async_copy<16>(to + j * block, p.x + (inside ? offset : 0), inside);
      }
#pragma unroll
      for (int j = 0; j < Tile::columns / 64; j++) {
        const int column = at.first_column + j * 64 + pack * 8;
        const bool inside = pixel.inside && column < p.group_o;
        const int64_t offset = int64_t(number) * p.s.o + at.group * p.group_o + column;
        async_copy<16>(to + Tile::rows_bytes + j * block, p.g + (inside ? offset : 0), inside);
      }
    }
  };
  const int count = (at.end_pixel - at.first_pixel + Tile::depth - 1) / Tile::depth, group = int(threadIdx.x) / 128;
  constexpr int ahead = Tile::stages - 2;
  typename Tile::Sums low = {}, high = {};  // rows 0 to 63 and 64 to 127 of the warpgroup
#pragma unroll
  for (int i = 0; i < ahead; i++) {
    if (i < count) start(i);
    async_commit();
  }
  for (int i = 0; i < count; i++) {
    async_wait<ahead - 1>();
    fence_async_proxy();
    __syncthreads();
    const unsigned char* rows = shared + i % Tile::stages * Tile::stage;
    const uint64_t a = descriptor_128B(rows + group * 2 * block, block), b = descriptor_128B(rows + Tile::rows_bytes, block);
    wgmma_fence();
#pragma unroll
    for (int k = 0; k < Tile::depth / 16; k++) {
      Tile::template multiply<true, true>(low, a + k * 128, b + k * 128);
      Tile::template multiply<true, true>(high, a + block / 16 + k * 128, b + k * 128);
    }
    wgmma_commit();
    if (i + ahead < count) start(i + ahead);
    async_commit();
    wgmma_wait<1>();
  }
  wgmma_wait<0>();
  async_wait<0>();
  __syncthreads();
  float* tile = reinterpret_cast<float*>(shared);
  Tile::store(low, high, tile);
  __syncthreads();
  store_kernel_tile<Tile::rows, Tile::columns>(tile, p, at);
}

template <class Tile> KernelVariant<typename Tile::T> group_variant() {
  using T = typename Tile::T;
  return {[](const Frame& frame, KernelProduct<T> p, int64_t pieces) {
            run_kernel_product<Tile>(frame, p, pieces, Tile::shared, kernel_group_tiles<Tile>);
          },
          Tile::rows,
          Tile::columns,
          8,
          1024,
          132};
}

template <class T> KernelVariant<T> choose(const Call& call, const ConvShape& s) {
  const int64_t row_tiles = divide_up(s.depth(), ConvGroupTile<T, 64>::rows);
  const bool filled = s.depth() >= row_tiles * (ConvGroupTile<T, 64>::rows * 3 / 4);  // three quarters of the tiles' rows are in use
  const bool enough = s.pixels() * row_tiles * divide_up(s.group_o(), 128) * s.groups >= int64_t(1024) * call.target.multiprocessors;
  if (call.target.capability != 90 || !filled || !enough || s.group_o() < 64) return {};
  return s.group_o() > 64 ? group_variant<ConvGroupTile<T, 128>>() : group_variant<ConvGroupTile<T, 64>>();
}

}  // namespace

KernelVariant<BFloat16> choose_kernel_group(const Call& call, const ConvShape& s, BFloat16) { return choose<BFloat16>(call, s); }
KernelVariant<Float16> choose_kernel_group(const Call& call, const ConvShape& s, Float16) { return choose<Float16>(call, s); }

}  // namespace weft::cuda
