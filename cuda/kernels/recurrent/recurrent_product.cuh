// Products of states or slopes and recurrent weights inside kernels that also apply the cell: the order of the weights'
// columns, their place in shared memory, and what a warp multiplies.
//
// Columns are ordered in groups of `per` units: unit by unit, its gates side by side, then zeros up to `width`. The
// same matrix [units, columns] serves both directions: forward, the product sums over its rows; backward, over its
// columns.
#pragma once
#include "matmul_tile.cuh"
#include "recurrent.h"

namespace weft::cuda {

struct GateColumns {
  int gates, per, width, groups;

  WEFT_HD int of(int unit, int gate) const { return unit / per * width + unit % per * gates + gate; }
  WEFT_HD int all() const { return groups * width; }
};

/** How a run's dtype and precision multiply. `exact`: float32 operands in two parts, else rounded to tf32. */
template <class T, bool exact>
using MathOf = std::conditional_t<std::is_same_v<T, float>, std::conditional_t<exact, ExactMath, Tf32Math>, HalfMath<T>>;

/** T, and whether float32 is multiplied exactly. */
template <class F> Step dispatch_math(const Recurrence& run, F&& f) {
  return dispatch<float, BFloat16, Float16>(run.dtype, [&]<class T>() -> Step {
    if constexpr (std::is_same_v<T, float>)
      if (run.precision == Precision::float32) return f.template operator()<T, true>();
    return f.template operator()<T, false>();
  });
}

/**
 * Elements from row to row of shared memory, so that fragments are read without bank conflicts: rows of k, and others.
 */
template <class E> WEFT_HD constexpr int k_major_stride(int k) { return sizeof(E) == 4 ? (k + 31) / 32 * 32 + 4 : (k + 63) / 64 * 64 + 8; }
template <class E> WEFT_HD constexpr int other_stride(int n) {
  return (n + (sizeof(E) == 4 ? 31 : 63)) / (sizeof(E) == 4 ? 32 : 64) * (sizeof(E) == 4 ? 32 : 64) + 8;
}

/**
 * sum [16 · rows, 16] += a · b over k, a multiple of 32, by one warp: a is k-major. Of each 32 the exact product adds
 * the small parts first, then the large ones, and that sum to what came before in float32 arithmetic, as TensorTile
 * does.
 */
template <class Math, int rows, bool b_k_major, class E>
__device__ __forceinline__ void warp_multiply(float (&sum)[rows][2][4], const E* a, int a_row, const E* b, int b_row, int k_end) {
  constexpr int count = 32 / Math::k;
  const int lane = threadIdx.x & 31;
  for (int k = 0; k < k_end; k += 32) {
    if constexpr (Math::exact) {
      typename Math::SplitB column[count];
#pragma unroll
      for (int i = 0; i < count; i++)
        Math::template load_split_b<b_k_major>(column[i], b + int64_t(k + i * Math::k) * (b_k_major ? 1 : b_row), b_row, lane);
#pragma unroll
      for (int m = 0; m < rows; m++) {
        float part[2][4] = {};
        typename Math::SplitA row[count];
#pragma unroll
        for (int i = 0; i < count; i++) {
          Math::template load_split_a<true>(row[i], a + 16 * m * a_row + k + i * Math::k, a_row, lane);
#pragma unroll
          for (int half = 0; half < 2; half++) {
            Math::multiply(part[half], row[i].small, column[i].big, half);
            Math::multiply(part[half], row[i].big, column[i].small, half);
          }
        }
        // infinity has no small part: the small products of such operands are NaN, and the large ones are the result
#pragma unroll
        for (int half = 0; half < 2; half++) {
#pragma unroll
          for (int e = 0; e < 4; e++) part[half][e] = fabsf(part[half][e]) < INFINITY ? part[half][e] : 0;
#pragma unroll
          for (int i = 0; i < count; i++) Math::multiply(part[half], row[i].big, column[i].big, half);
#pragma unroll
          for (int e = 0; e < 4; e++) sum[m][half][e] += part[half][e];
        }
      }
    } else {
#pragma unroll
      for (int i = 0; i < count; i++) {
        typename Math::B column;
        Math::template load_b<b_k_major>(column, b + int64_t(k + i * Math::k) * (b_k_major ? 1 : b_row), b_row, lane);
#pragma unroll
        for (int m = 0; m < rows; m++) {
          typename Math::A row;
          Math::template load_a<true>(row, a + 16 * m * a_row + k + i * Math::k, a_row, lane);
          Math::multiply(sum[m][0], row, column, 0);
          Math::multiply(sum[m][1], row, column, 1);
        }
      }
    }
  }
}

/** Stores a warp's results as rows of `stride` float32; whole warps call it. */
template <int rows> __device__ __forceinline__ void store_sums(const float (&sum)[rows][2][4], float* to, int stride) {
#pragma unroll
  for (int m = 0; m < rows; m++)
    visit_fours<2>([&](int j, int e) { return sum[m][j][e]; }, int(threadIdx.x & 31) >> 2, 0,
                   [&](int row, int column, const float(&four)[4]) {
                     store_pack(to + (16 * m + row) * stride + column, Pack<float, 4>{{four[0], four[1], four[2], four[3]}});
                   });
}

/** packed [units, columns] of recurrent [units, gates · units], the columns in their order, zeros between them. */
template <class T> __global__ void __launch_bounds__(256) pack_columns(const T* recurrent, T* packed, GateColumns columns, int units) {
  const int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  const int64_t k = i / columns.all();
  if (k >= units) return;
  const int column = int(i - k * columns.all()), local = column % columns.width,
            unit = column / columns.width * columns.per + local / columns.gates;
  const bool there = local < columns.per * columns.gates && unit < units;
  packed[i] = there ? recurrent[k * columns.gates * units + int64_t(local % columns.gates) * units + unit] : narrow<T>(0);
}

}  // namespace weft::cuda
