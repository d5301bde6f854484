// Tiles of attention in float32 arithmetic, for every GPU and every dtype: rows of up to D features in shared memory,
// as floats, and the two products made of them. 8 threads share a row of scores; they lie in one warp, so that a row's
// maximum and sum need no barrier.
#pragma once
#include "attention.cuh"

namespace weft::cuda {

/**
 * Rows by columns of scores, a thread having every depth-th row and every 8th column; D: features of a row, at most.
 */
template <int D_, int depth_, int row_items_, int column_items_> struct ScoreTile {
  static constexpr int D = D_, width = 8, depth = depth_, row_items = row_items_, column_items = column_items_;
  static constexpr int rows = depth * row_items, columns = width * column_items, threads = width * depth;
  static constexpr int stride = D + 4,
                       score_stride = columns + 4;  // floats between rows: no two of a warp's accesses in one bank
  static constexpr int chunks = D / (4 * width);    // packs of a row that a thread accumulates
  using Scores = float[row_items][column_items];
  using Sums = float[row_items][chunks][4];
  static_assert(D % (4 * width) == 0);

  static __device__ __forceinline__ int x() { return int(threadIdx.x) % width; }
  static __device__ __forceinline__ int row(int i) { return int(threadIdx.x) / width + depth * i; }
  /** Columns lie in shared memory so that a thread's are neighbours in the tensor, which shares the work of dropout: */
  static __device__ __forceinline__ int column(int j) { return x() * column_items + j; }
  static __device__ __forceinline__ int stored(int j) { return x() + width * j; }
  static __device__ __forceinline__ int column_of_stored(int s) { return s % width * column_items + s / width; }

  /**
   * Copies rows of `length` elements to shared memory; place(r): where in memory row r begins, negative where there is
   * none.
   */
  template <int count, class Place>
  static __device__ __forceinline__ void stage(float* tile, const void* x, Kind kind, int length, Place&& place) {
#pragma unroll 2
    for (int i = int(threadIdx.x); i < count * (D / 4); i += threads) {
      const int r = i / (D / 4), c = i % (D / 4) * 4;
      const int64_t from = c < length ? place(r) : -1;
      float four[4] = {};
      if (from >= 0) {
        Raw<float> raw;
        if (length % 4 == 0) {
          raw.fetch(x, from + c, kind);
          raw.four(four, kind);
        } else {
#pragma unroll
          for (int e = 0; e < 4; e++) {
            if (c + e >= length) break;
            raw.fetch_one(x, from + c + e, kind);
            four[e] = raw.one(kind);
          }
        }
      }
      store_pack(tile + r * stride + c, Pack<float, 4>{four[0], four[1], four[2], four[3]});
    }
  }

  /** scores = a bᵀ over `length` features. */
  static __device__ __forceinline__ void multiply(Scores& scores, const float* a, const float* b, int length) {
#pragma unroll
    for (int i = 0; i < row_items; i++)
#pragma unroll
      for (int j = 0; j < column_items; j++) scores[i][j] = 0;
#pragma unroll 2
    for (int c = 0; c < length; c += 4) {
      Pack<float, 4> left[row_items], right[column_items];
#pragma unroll
      for (int i = 0; i < row_items; i++) left[i] = load_pack<4>(a + row(i) * stride + c);
#pragma unroll
      for (int j = 0; j < column_items; j++) right[j] = load_pack<4>(b + stored(j) * stride + c);
#pragma unroll
      for (int i = 0; i < row_items; i++)
#pragma unroll
        for (int j = 0; j < column_items; j++)
#pragma unroll
          for (int e = 0; e < 4; e++) scores[i][j] += left[i].at[e] * right[j].at[e];
    }
  }

  /** sums += p b, with p [rows, columns] and b [columns, length]. Rows of p are read by the threads that wrote them. */
  static __device__ __forceinline__ void accumulate(Sums& sums, const float* p, const float* b, int length) {
#pragma unroll 1
    for (int s = 0; s < columns; s += 4) {
      Pack<float, 4> weight[row_items];
#pragma unroll
      for (int i = 0; i < row_items; i++) weight[i] = load_pack<4>(p + row(i) * score_stride + s);
#pragma unroll
      for (int e = 0; e < 4; e++)
#pragma unroll
        for (int c = 0; c < chunks; c++) {
          if (c * 4 * width >= length) break;
          const Pack<float, 4> value = load_pack<4>(b + (s + e) * stride + (x() + width * c) * 4);
#pragma unroll
          for (int i = 0; i < row_items; i++)
#pragma unroll
            for (int f = 0; f < 4; f++) sums[i][c][f] += weight[i].at[e] * value.at[f];
        }
    }
  }

  /** Writes a row of sums, times a factor. */
  static __device__ __forceinline__ void write(const Sums& sums, int i, void* to, int64_t begin, int length, Kind kind, float factor) {
#pragma unroll
    for (int c = 0; c < chunks; c++) {
      const int at = (x() + width * c) * 4;
      if (at >= length) break;
      float four[4];
#pragma unroll
      for (int e = 0; e < 4; e++) four[e] = sums[i][c][e] * factor;
      if (length % 4 == 0) {
        put_four(to, begin + at, four, kind);
      } else {
#pragma unroll
        for (int e = 0; e < 4; e++)
          if (at + e < length) put_one(to, begin + at + e, four[e], kind);
      }
    }
  }

  /** Combines what the threads of a row have. */
  template <class Op> static __device__ __forceinline__ float across(float value, Op op) {
#pragma unroll
    for (int offset = width / 2; offset > 0; offset /= 2) value = op(value, __shfl_xor_sync(all_lanes, value, offset));
    return value;
  }
};

/** Calls f.template operator()<D>() for the least D of 32, 64, 128 and 256 that holds so many features. */
template <class F> Step with_features(int features, F&& f) {
  if (features <= 32) return f.template operator()<32>();
  if (features <= 64) return f.template operator()<64>();
  if (features <= 128) return f.template operator()<128>();
  return f.template operator()<256>();
}

}  // namespace weft::cuda
