// The tiles of convolution with wgmma, for *_sm90.cu files: 256 rows of which two warpgroups own 128 each, 64 or 128
// columns, 16-bit floats. A slice of 64 of the depth is one stage of a ring in shared memory: rows of 128 bytes,
// swizzled by 128 bytes.
#pragma once
#include "conv_product.cuh"
#include "warpgroup.cuh"

namespace weft::cuda {

template <class T_, int columns_> struct ConvGroupTile {
  using T = T_;
  using Sums = float[columns_ / 2];
  static constexpr int rows = 256, columns = columns_, depth = 64;
  static constexpr int threads = 256, stages = 4, packs = 8;  // packs: of 16 bytes in a row
  static constexpr int rows_bytes = rows * 128, stage = rows_bytes + columns * 128;
  static constexpr int finished = rows * finished_pitch(columns) * int(sizeof(float));
  static constexpr size_t shared = size_t(stages * stage > finished ? stages * stage : finished);

  /** Starts d += a b for 16 of the depth; an operand is `across` where its rows in shared memory run along m or n. */
  template <bool a_across, bool b_across> static __device__ __forceinline__ void multiply(Sums& d, uint64_t a, uint64_t b) {
    if constexpr (std::is_same_v<T, Float16>) wgmma_f16<columns, a_across, b_across>(d, a, b);
    else wgmma_bf16<columns, a_across, b_across>(d, a, b);
  }

  /**
   * Writes the sums of rows 0 to 63 and 64 to 127 of each warpgroup to shared memory, [rows][finished_pitch(columns)].
   */
  static __device__ __forceinline__ void store(const Sums& low, const Sums& high, float* tile) {
    const int lane = int(threadIdx.x) % 32, row = int(threadIdx.x) / 128 * 128 + int(threadIdx.x) % 128 / 32 * 16 + lane / 4;
#pragma unroll
    for (int j = 0; j < columns / 8; j++)
#pragma unroll
      for (int e = 0; e < 2; e++) {
        float* to = tile + (row + e * 8) * finished_pitch(columns) + j * 8 + lane % 4 * 2;
        store_pack(to, Pack<float, 2>{{low[4 * j + 2 * e], low[4 * j + 2 * e + 1]}});
        store_pack(to + 64 * finished_pitch(columns), Pack<float, 2>{{high[4 * j + 2 * e], high[4 * j + 2 * e + 1]}});
      }
  }
};

/** Where pack `pack` of row `row` lies among rows of 128 bytes swizzled by 128 bytes. */
__device__ __forceinline__ int swizzled(int row, int pack) { return row * 128 + (pack ^ (row & 7)) * 16; }

}  // namespace weft::cuda
