// Tiles of attention on tensor cores (mma.sync). A warp has 16 rows of scores, in the layout in which products leave
// them (tensor_core.cuh): of a row, four neighbouring lanes have two columns of every eight. The weights of the second
// product are taken from there as they are. Tiles lie in shared memory in rows of D features and a pad that keeps the
// accesses of a warp in different banks; both products read them as they lie, one along the features, one across.
#pragma once
#include "architectures.h"
#include "attention.cuh"
#include "matmul_tile.cuh"

namespace weft::cuda {

/** 16-bit operands. */
template <class T> struct HalfProducts {
  using Element = T;
  static constexpr int pad = 8, step = 16;  // elements; features of a product

  /** scores [16, 8 tiles] += a [16, length] bᵀ, from the warp's rows of a. */
  template <int D, int tiles> static __device__ __forceinline__ void scores(float (&scores)[tiles][4], const T* a, const T* b, int length) {
    constexpr int stride = D + pad;
    const int lane = threadIdx.x & 31;
#pragma unroll
    for (int k = 0; k < D; k += step) {
      if (k >= length) break;
      typename HalfMath<T>::A rows;
      HalfMath<T>::template load_a<true>(rows, a + k, stride, lane);
#pragma unroll
      for (int j = 0; j < tiles; j += 2) {
        typename HalfMath<T>::B columns;
        HalfMath<T>::template load_b<true>(columns, b + 8 * j * stride + k, stride, lane);
        HalfMath<T>::multiply(scores[j], rows, columns, 0);
        HalfMath<T>::multiply(scores[j + 1], rows, columns, 1);
      }
    }
  }
  /** sums [16, D] += weights [16, 8 tiles] b. */
  template <int D, int tiles>
  static __device__ __forceinline__ void accumulate(float (&sums)[D / 8][4], const float (&weights)[tiles][4], const T* b, int length) {
    constexpr int stride = D + pad;
    const int lane = threadIdx.x & 31;
#pragma unroll
    for (int j = 0; j < tiles; j += 2) {
      typename HalfMath<T>::A rows;
#pragma unroll
      for (int i = 0; i < 4; i++) rows.r[i] = pair(weights[j + i / 2][i % 2 * 2], weights[j + i / 2][i % 2 * 2 + 1]);
#pragma unroll
      for (int c = 0; c < D; c += 16) {
        if (c >= length) break;
        typename HalfMath<T>::B columns;
        HalfMath<T>::template load_b<false>(columns, b + 8 * j * stride + c, stride, lane);
        HalfMath<T>::multiply(sums[c / 8], rows, columns, 0);
        HalfMath<T>::multiply(sums[c / 8 + 1], rows, columns, 1);
      }
    }
  }
  static __device__ __forceinline__ uint32_t pair(float low, float high) {
    return uint32_t(narrow<T>(low).bits) | uint32_t(narrow<T>(high).bits) << 16;
  }
};

/**
 * float32 operands, rounded to tf32, or exact: each the sum of two tf32 numbers (matmul_tile.cuh, ExactMath), products
 * of 32 in a row added to the rest in float32 arithmetic. A tile of weights has k in another order than mma: k = quad
 * is column 2 · quad, k = quad + 4 the one after.
 */
template <bool exact> struct FloatProducts {
  using Element = float;
  static constexpr int pad = 4, step = 8;

  /** An operand register, or two. */
  struct Word {
    uint32_t big, small;
    Word() = default;
    __device__ __forceinline__ explicit Word(float x) {
      if constexpr (exact) ExactMath::split(std::bit_cast<uint32_t>(x), big, small);
      else big = to_tf32(x);
    }
  };
  /** Fragments of 32 along k. */
  struct A {
    Word at[4][4];
  };
  struct B {
    Word at[4][2];
  };

  /** d += a b, over the first `steps` of four. */
  static __device__ __forceinline__ void multiply(float (&d)[4], const A& a, const B& b, int steps) {
    float part[4] = {0, 0, 0, 0};
    if constexpr (exact) {
#pragma unroll
      for (int k = 0; k < 4; k++) {
        if (k >= steps) break;
        const uint32_t rows[4] = {a.at[k][0].big, a.at[k][1].big, a.at[k][2].big, a.at[k][3].big};
        const uint32_t small_rows[4] = {a.at[k][0].small, a.at[k][1].small, a.at[k][2].small, a.at[k][3].small};
        const uint32_t columns[2] = {b.at[k][0].big, b.at[k][1].big}, small_columns[2] = {b.at[k][0].small, b.at[k][1].small};
        mma_tf32(part, small_rows, columns);
        mma_tf32(part, rows, small_columns);
      }
#pragma unroll
      for (int e = 0; e < 4; e++) part[e] = fabsf(part[e]) < INFINITY ? part[e] : 0;  // infinity has no small part
    }
#pragma unroll
    for (int k = 0; k < 4; k++) {
      if (k >= steps) break;
      const uint32_t rows[4] = {a.at[k][0].big, a.at[k][1].big, a.at[k][2].big, a.at[k][3].big};
      const uint32_t columns[2] = {b.at[k][0].big, b.at[k][1].big};
      mma_tf32(part, rows, columns);
    }
#pragma unroll
    for (int e = 0; e < 4; e++) d[e] += part[e];
  }

  template <int D, int tiles>
  static __device__ __forceinline__ void scores(float (&scores)[tiles][4], const float* a, const float* b, int length) {
    constexpr int stride = D + pad;
    const int lane = threadIdx.x & 31, group = lane >> 2, quad = lane & 3;
#pragma unroll 1
    for (int first = 0; first < length; first += 32) {
      const int steps = (length - first + 7) / 8;
      A rows;
#pragma unroll
      for (int k = 0; k < 4; k++)
#pragma unroll
        for (int i = 0; i < 4; i++) rows.at[k][i] = Word(a[(group + i % 2 * 8) * stride + first + 8 * k + quad + i / 2 * 4]);
#pragma unroll
      for (int j = 0; j < tiles; j++) {
        B columns;
#pragma unroll
        for (int k = 0; k < 4; k++)
#pragma unroll
          for (int i = 0; i < 2; i++) columns.at[k][i] = Word(b[(8 * j + group) * stride + first + 8 * k + quad + 4 * i]);
        multiply(scores[j], rows, columns, steps);
      }
    }
  }
  template <int D, int tiles>
  static __device__ __forceinline__ void accumulate(float (&sums)[D / 8][4], const float (&weights)[tiles][4], const float* b, int length) {
    constexpr int stride = D + pad;
    const int lane = threadIdx.x & 31, group = lane >> 2, quad = lane & 3;
#pragma unroll
    for (int j = 0; j < tiles; j += 4) {
      A rows;
#pragma unroll
      for (int k = 0; k < 4; k++)
#pragma unroll
        for (int i = 0; i < 4; i++) rows.at[k][i] = Word(weights[j + k][i % 2 * 2 + i / 2]);
#pragma unroll
      for (int c = 0; c < D; c += 8) {
        if (c >= length) break;
        B columns;
#pragma unroll
        for (int k = 0; k < 4; k++)
#pragma unroll
          for (int i = 0; i < 2; i++) columns.at[k][i] = Word(b[(8 * (j + k) + 2 * quad + i) * stride + c + group]);
        multiply(sums[c / 8], rows, columns, 4);
      }
    }
  }
};

/** A block of four warps and its tiles: 64 rows of its own and `columns` that pass, of up to D features. */
template <class Products_, int D_, int columns_> struct TensorTiles {
  using Products = Products_;
  using Element = typename Products::Element;
  static constexpr int D = D_, columns = columns_, rows = 64, threads = 128, tiles = columns / 8;
  static constexpr int stride = D + Products::pad, own_size = rows * stride, passing_size = columns * stride;
  using Scores = float[tiles][4];
  using Sums = float[D / 8][4];

  /** The thread's rows are row() and row() + 8; its columns column(j) and the next, j < tiles. */
  static __device__ __forceinline__ int warp_row() { return int(threadIdx.x) / 32 * 16; }
  static __device__ __forceinline__ int row() { return warp_row() + int(threadIdx.x) % 32 / 4; }
  static __device__ __forceinline__ int column(int j) { return 8 * j + int(threadIdx.x) % 4 * 2; }

  /**
   * Starts copies of rows of `length` elements to shared memory; place(r): where in memory row r begins, negative where
   * there is none.
   */
  template <int count, class Place> static __device__ __forceinline__ void stage(Element* tile, const void* x, int length, Place&& place) {
    constexpr int piece = 16 / int(sizeof(Element)), pieces = D / piece;
    static_assert(count * pieces % threads == 0);
#pragma unroll 4
    for (int i = int(threadIdx.x); i < count * pieces; i += threads) {
      const int r = i / pieces, c = i % pieces * piece;
      const int64_t from = c < length ? place(r) : -1;
      async_copy<16>(tile + r * stride + c, from < 0 ? x : static_cast<const Element*>(x) + from + c, from >= 0);
    }
  }

  static __device__ __forceinline__ void multiply(Scores& scores, const Element* own, const Element* passing, int length) {
#pragma unroll
    for (int j = 0; j < tiles; j++)
#pragma unroll
      for (int e = 0; e < 4; e++) scores[j][e] = 0;
    Products::template scores<D>(scores, own + warp_row() * stride, passing, length);
  }
  static __device__ __forceinline__ void accumulate(Sums& sums, const Scores& weights, const Element* passing, int length) {
    Products::template accumulate<D>(sums, weights, passing, length);
  }

  /** Combines what the four lanes of a row have. */
  template <class Op> static __device__ __forceinline__ float across(float value, Op op) {
    value = op(value, __shfl_xor_sync(all_lanes, value, 1));
    return op(value, __shfl_xor_sync(all_lanes, value, 2));
  }
  /** Writes two neighbours; positions are even, `length` is a multiple of four. */
  static __device__ __forceinline__ void put_pair(void* to, int64_t at, float left, float right, Kind kind) {
    if (kind == Kind::whole) store_pack(static_cast<float*>(to) + at, Pack<float, 2>{left, right});
    else *reinterpret_cast<uint32_t*>(static_cast<uint16_t*>(to) + at) = word_of_half(left, kind) | word_of_half(right, kind) << 16;
  }
  /** Writes the thread's part of a row of sums, `half` 0 or 1, times a factor. */
  static __device__ __forceinline__ void write(const Sums& sums, int half, void* to, int64_t begin, int length, Kind kind, float factor) {
#pragma unroll
    for (int c = 0; c < D / 8; c++) {
      if (column(c) >= length) break;
      put_pair(to, begin + column(c), sums[c][2 * half] * factor, sums[c][2 * half + 1] * factor, kind);
    }
  }
};

/** Whether the kernels on tensor cores can take operands of a dtype. */
inline bool suits_tensor_cores(const Call& call, const Attention& shape, DType dtype) {
  const int multiple = dtype == DType::float32 ? 4 : 8, least = dtype == DType::float16 ? 75 : 80;
  return code_for(call.target.capability) >= least && shape.d % multiple == 0 && shape.dv % multiple == 0 && shape.d <= 128 &&
         shape.dv <= 128;
}
/** Whether operands are to be copied in bfloat16 first: they are read often, and its products are the fastest. */
inline bool rounds(const Call& call, const Bound& bound) {
  return call.precision == Precision::bfloat16 && bound.q.dtype == DType::float32 && suits_tensor_cores(call, bound.shape, DType::bfloat16);
}

/** Calls f.template operator()<Products, D>() for the operands and the precision of a call. */
template <class F> Step with_products(const Call& call, const Bound& bound, F&& f) {
  const auto features = [&]<class Products>() -> Step {
    const bool few = bound.shape.d <= 64 && bound.shape.dv <= 64;
    return few ? f.template operator()<Products, 64>() : f.template operator()<Products, 128>();
  };
  if (bound.q.dtype == DType::bfloat16) return features.template operator()<HalfProducts<BFloat16>>();
  if (bound.q.dtype == DType::float16) return features.template operator()<HalfProducts<Float16>>();
  if (call.precision == Precision::float32) return features.template operator()<FloatProducts<true>>();
  return features.template operator()<FloatProducts<false>>();
}

}  // namespace weft::cuda
