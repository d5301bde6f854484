// TensorTile: one block's tile of a matrix product on tensor cores (mma.sync), from operand tiles staged in shared
// memory. For every kernel that is a product at heart: matrix products, implicit convolution.
//
//   TensorTile<Math, TileM, TileN, TileK, WarpsM, WarpsN, a_k_major, b_k_major> tile;
//   tile.clear();
//   for (each TileK of k) { stage a and b; async_wait; __syncthreads(); tile.multiply(a, b); }
//   tile.visit([&](int row, int column, const float (&four)[4]) { ... });   // four neighbours of a row
//
// A staged operand is k-major (rows of k: [TileM][a_row]) or not (rows of m: [TileK][a_row]); rows are padded so that
// fragments are read without bank conflicts. Math says what an element is, how fragments are read and multiplied.
#pragma once
#include "tensor_core.cuh"

namespace weft::cuda {

/** 16-bit operands: fragments by ldmatrix, as stored or transposed. */
template <class T> struct HalfMath {
  using Element = T;
  static constexpr int k = 16, k_major_pad = 8, other_pad = 8;
  static constexpr bool exact = false;
  struct A {
    uint32_t r[4];
  };
  struct B {
    uint32_t r[4];
  };  // two neighbouring tiles of 8 columns

  template <bool k_major> static __device__ __forceinline__ void load_a(A& a, const T* at, int row, int lane) {
    if constexpr (k_major) load_matrix_x4(a.r, at + (lane & 15) * row + (lane >> 4) * 8);
    else load_matrix_x4_transposed(a.r, at + ((lane & 7) + (lane >> 4) * 8) * row + (lane >> 3 & 1) * 8);
  }
  template <bool k_major> static __device__ __forceinline__ void load_b(B& b, const T* at, int row, int lane) {
    if constexpr (k_major) load_matrix_x4(b.r, at + ((lane & 7) + (lane >> 4) * 8) * row + (lane >> 3 & 1) * 8);
    else load_matrix_x4_transposed(b.r, at + (lane & 15) * row + (lane >> 4) * 8);
  }
  static __device__ __forceinline__ void multiply(float (&d)[4], const A& a, const B& b, int half) {
    const uint32_t column[2] = {b.r[2 * half], b.r[2 * half + 1]};
    if constexpr (std::is_same_v<T, Float16>) mma_f16(d, a.r, column);
    else mma_bf16(d, a.r, column);
  }
};

/** float32 operands whose 8 x 4-word fragments are read word by word; `Round` makes an operand register of a value. */
template <class Round> struct WordMath {
  using Element = float;
  static constexpr int k = 8, k_major_pad = 4, other_pad = 8;
  static constexpr bool exact = false;
  struct A {
    uint32_t r[4];
  };
  struct B {
    uint32_t r[4];
  };

  template <bool k_major> static __device__ __forceinline__ void load_a(A& a, const float* at, int row, int lane) {
    const int group = lane >> 2, quad = lane & 3;
    const int m = k_major ? row : 1, k1 = k_major ? 1 : row;
    for (int i = 0; i < 4; i++) a.r[i] = Round()(at[(group + i % 2 * 8) * m + (quad + i / 2 * 4) * k1]);
  }
  template <bool k_major> static __device__ __forceinline__ void load_b(B& b, const float* at, int row, int lane) {
    const int group = lane >> 2, quad = lane & 3;
    const int n = k_major ? row : 1, k1 = k_major ? 1 : row;
    for (int i = 0; i < 4; i++) b.r[i] = Round()(at[(group + i / 2 * 8) * n + (quad + i % 2 * 4) * k1]);
  }
  static __device__ __forceinline__ void multiply(float (&d)[4], const A& a, const B& b, int half) {
    const uint32_t column[2] = {b.r[2 * half], b.r[2 * half + 1]};
    mma_tf32(d, a.r, column);
  }
};

struct Tf32Big {
  __device__ __forceinline__ uint32_t operator()(float x) const { return to_tf32(x); }
};

/** Where rounding would make infinity of a large number, it is cut instead. */
struct Tf32Finite {
  __device__ __forceinline__ uint32_t operator()(float x) const {
    const uint32_t rounded = to_tf32(x);
    return (rounded & 0x7fffffffu) == 0x7f800000u ? std::bit_cast<uint32_t>(x) & 0xffffe000u : rounded;
  }
};

/** float32 operands rounded to tf32. */
using Tf32Math = WordMath<Tf32Big>;

/**
 * float32 operands as sums of two tf32 numbers, x = big + small, whose product is big·big + (big·small + small·big): as
 * exact as float32 (the "3xTF32" of CUTLASS example 27). TensorTile adds the small products of a TileK first, then the
 * large ones, and adds the sum to what came before in float32 arithmetic: tensor cores truncate when they add, which
 * must not happen to the long sum.
 */
struct ExactMath : WordMath<Tf32Finite> {
  static constexpr bool exact = true;
  struct SplitA {
    A big, small;
  };
  struct SplitB {
    B big, small;
  };

  struct Keep {
    __device__ __forceinline__ uint32_t operator()(float x) const { return std::bit_cast<uint32_t>(x); }
  };
  static __device__ __forceinline__ void split(uint32_t word, uint32_t& big, uint32_t& small) {
    const float x = std::bit_cast<float>(word);
    big = Tf32Finite()(x);
    small = to_tf32(x - std::bit_cast<float>(big));
  }
  template <bool k_major> static __device__ __forceinline__ void load_split_a(SplitA& a, const float* at, int row, int lane) {
    WordMath<Keep>::A raw;
    WordMath<Keep>::load_a<k_major>(raw, at, row, lane);
    for (int i = 0; i < 4; i++) split(raw.r[i], a.big.r[i], a.small.r[i]);
  }
  template <bool k_major> static __device__ __forceinline__ void load_split_b(SplitB& b, const float* at, int row, int lane) {
    WordMath<Keep>::B raw;
    WordMath<Keep>::load_b<k_major>(raw, at, row, lane);
    for (int i = 0; i < 4; i++) split(raw.r[i], b.big.r[i], b.small.r[i]);
  }
};

/** float32 operands rounded to bfloat16. */
struct RoundedMath {
  using Element = float;
  static constexpr int k = 16, k_major_pad = 8, other_pad = 8;
  static constexpr bool exact = false;
  struct A {
    uint32_t r[4];
  };
  struct B {
    uint32_t r[4];
  };

  static __device__ __forceinline__ uint32_t pair(float low, float high) {
    return uint32_t(narrow<BFloat16>(low).bits) | uint32_t(narrow<BFloat16>(high).bits) << 16;
  }
  template <bool k_major> static __device__ __forceinline__ uint32_t load(const float* at, int row, int outer, int k0) {
    if constexpr (k_major) {
      const Pack<float, 2> two = load_pack<2>(at + outer * row + k0);
      return pair(two.at[0], two.at[1]);
    } else return pair(at[k0 * row + outer], at[(k0 + 1) * row + outer]);
  }
  template <bool k_major> static __device__ __forceinline__ void load_a(A& a, const float* at, int row, int lane) {
    for (int i = 0; i < 4; i++) a.r[i] = load<k_major>(at, row, (lane >> 2) + i % 2 * 8, (lane & 3) * 2 + i / 2 * 8);
  }
  template <bool k_major> static __device__ __forceinline__ void load_b(B& b, const float* at, int row, int lane) {
    for (int i = 0; i < 4; i++) b.r[i] = load<k_major>(at, row, (lane >> 2) + i / 2 * 8, (lane & 3) * 2 + i % 2 * 8);
  }
  static __device__ __forceinline__ void multiply(float (&d)[4], const A& a, const B& b, int half) {
    const uint32_t column[2] = {b.r[2 * half], b.r[2 * half + 1]};
    mma_bf16(d, a.r, column);
  }
};

/**
 * Calls visit(row, column, float[4]) for results laid out as mma and wgmma leave them: value(j, e) is element e of the
 * j-th tile of 8 columns. Of two such tiles even lanes take the left one, odd lanes the right one: each gives its
 * neighbour half of what it has, so that all store four neighbours of a row.
 */
template <int tiles, class Value, class Visit>
__device__ __forceinline__ void visit_fours(Value&& value, int row, int column, Visit&& visit) {
  const int quad = threadIdx.x & 3, odd = quad & 1;
#pragma unroll
  for (int j = 0; j < tiles; j += 2)
#pragma unroll
    for (int half = 0; half < 4; half += 2) {
      const float left[2] = {value(j, half), value(j, half + 1)}, right[2] = {value(j + 1, half), value(j + 1, half + 1)};
      const float first = __shfl_xor_sync(all_lanes, odd ? left[0] : right[0], 1);
      const float second = __shfl_xor_sync(all_lanes, odd ? left[1] : right[1], 1);
      const float four[4] = {odd ? first : left[0], odd ? second : left[1], odd ? right[0] : first, odd ? right[1] : second};
      visit(row + 4 * half, column + 8 * (j + odd) + (quad >> 1) * 4, four);
    }
}

template <class Math_, int TileM_, int TileN_, int TileK_, int WarpsM, int WarpsN, bool a_k_major_, bool b_k_major_> struct TensorTile {
  using Math = Math_;
  using Element = typename Math::Element;
  static constexpr int TileM = TileM_, TileN = TileN_, TileK = TileK_, threads = 32 * WarpsM * WarpsN;
  static constexpr bool a_k_major = a_k_major_, b_k_major = b_k_major_;
  /** Elements between rows of a staged tile, and of a whole one. */
  static constexpr int a_row = a_k_major ? TileK + Math::k_major_pad : TileM + Math::other_pad;
  static constexpr int b_row = b_k_major ? TileK + Math::k_major_pad : TileN + Math::other_pad;
  static constexpr int a_size = a_row * (a_k_major ? TileM : TileK), b_size = b_row * (b_k_major ? TileN : TileK);

  static constexpr int warp_m = TileM / WarpsM, warp_n = TileN / WarpsN, tiles_m = warp_m / 16, tiles_n = warp_n / 8;
  static_assert(warp_m % 16 == 0 && warp_n % 16 == 0 && TileK % Math::k == 0);

  float sum[tiles_m][tiles_n][4];

  __device__ __forceinline__ void clear() {
#pragma unroll
    for (int i = 0; i < tiles_m; i++)
#pragma unroll
      for (int j = 0; j < tiles_n; j++)
#pragma unroll
        for (int e = 0; e < 4; e++) sum[i][j][e] = 0;
  }

  /** sum += a · b over one staged TileK. Warps are numbered along m first. */
  __device__ __forceinline__ void multiply(const Element* a, const Element* b) {
    const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
    const Element* const from_a = a + warp % WarpsM * warp_m * (a_k_major ? a_row : 1);
    const Element* const from_b = b + warp / WarpsM * warp_n * (b_k_major ? b_row : 1);
    if constexpr (Math::exact) multiply_exactly(from_a, from_b, lane);
    else multiply_into(sum, from_a, from_b, lane);
  }

  /**
   * Calls visit(row, column, float[4]) for the thread's results: four neighbours of a row, positions within the tile.
   * Whole warps call it.
   */
  template <class Visit> __device__ __forceinline__ void visit(Visit&& visit) {
    const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
    const int row = warp % WarpsM * warp_m + (lane >> 2), column = warp / WarpsM * warp_n;
#pragma unroll
    for (int i = 0; i < tiles_m; i++) visit_fours<tiles_n>([&](int j, int e) { return sum[i][j][e]; }, row + 16 * i, column, visit);
  }

 private:
  static __device__ __forceinline__ const Element* a_at(const Element* a, int i, int k) {
    return a_k_major ? a + 16 * i * a_row + k : a + k * a_row + 16 * i;
  }
  static __device__ __forceinline__ const Element* b_at(const Element* b, int j, int k) {
    return b_k_major ? b + 8 * j * b_row + k : b + k * b_row + 8 * j;
  }

  __device__ __forceinline__ void multiply_into(float (&d)[tiles_m][tiles_n][4], const Element* a, const Element* b, int lane) {
#pragma unroll
    for (int k = 0; k < TileK; k += Math::k) {
      typename Math::A rows[tiles_m];
      typename Math::B columns[tiles_n / 2];
#pragma unroll
      for (int i = 0; i < tiles_m; i++) Math::template load_a<a_k_major>(rows[i], a_at(a, i, k), a_row, lane);
#pragma unroll
      for (int j = 0; j < tiles_n; j += 2) Math::template load_b<b_k_major>(columns[j / 2], b_at(b, j, k), b_row, lane);
#pragma unroll
      for (int i = 0; i < tiles_m; i++)
#pragma unroll
        for (int j = 0; j < tiles_n; j++) Math::multiply(d[i][j], rows[i], columns[j / 2], j & 1);
    }
  }

  __device__ __forceinline__ void multiply_exactly(const Element* a, const Element* b, int lane) {
    float part[tiles_m][tiles_n][4] = {};
#pragma unroll
    for (int k = 0; k < TileK; k += Math::k) {
      typename Math::SplitB columns[tiles_n / 2];
#pragma unroll
      for (int j = 0; j < tiles_n; j += 2) Math::template load_split_b<b_k_major>(columns[j / 2], b_at(b, j, k), b_row, lane);
#pragma unroll
      for (int i = 0; i < tiles_m; i++) {
        typename Math::SplitA rows;
        Math::template load_split_a<a_k_major>(rows, a_at(a, i, k), a_row, lane);
#pragma unroll
        for (int j = 0; j < tiles_n; j++) {
          Math::multiply(part[i][j], rows.small, columns[j / 2].big, j & 1);
          Math::multiply(part[i][j], rows.big, columns[j / 2].small, j & 1);
        }
      }
    }
    // infinity has no small part: the small products of such operands are NaN, and the large ones are the result
#pragma unroll
    for (int i = 0; i < tiles_m; i++)
#pragma unroll
      for (int j = 0; j < tiles_n; j++)
#pragma unroll
        for (int e = 0; e < 4; e++) part[i][j][e] = fabsf(part[i][j][e]) < INFINITY ? part[i][j][e] : 0;
    multiply_into(part, a, b, lane);
#pragma unroll
    for (int i = 0; i < tiles_m; i++)
#pragma unroll
      for (int j = 0; j < tiles_n; j++)
#pragma unroll
        for (int e = 0; e < 4; e++) sum[i][j][e] += part[i][j][e];
  }
};

/**
 * Starts copies of a [rows, columns] part of a matrix into shared memory, by all `threads` of a block; zeros outside
 * the matrix. In pieces of 16 bytes where `vectors` (rows of the matrix are multiples of 16 bytes), else element by
 * element (4-byte elements only).
 */
template <int rows, int columns, int shared_row, int threads, class Element>
__device__ __forceinline__ void stage(Element* tile, const Element* matrix, int64_t row_length, int row, int row_end, int column,
                                      int column_end, bool vectors) {
  if (sizeof(Element) != 4 || vectors) {
    constexpr int piece = 16 / int(sizeof(Element)), pieces = columns / piece;
    static_assert(columns % piece == 0 && shared_row % piece == 0 && rows * pieces % threads == 0);
#pragma unroll
    for (int step = 0; step < rows * pieces / threads; step++) {
      const int i = step * threads + threadIdx.x, r = i / pieces, c = i % pieces * piece;
      const bool valid = row + r < row_end && column + c < column_end;
      async_copy<16>(tile + r * shared_row + c, valid ? matrix + (row + r) * row_length + column + c : matrix, valid);
    }
  } else if constexpr (sizeof(Element) == 4) {
    static_assert(rows * columns % threads == 0);
#pragma unroll 4
    for (int step = 0; step < rows * columns / threads; step++) {
      const int i = step * threads + threadIdx.x, r = i / columns, c = i % columns;
      const bool valid = row + r < row_end && column + c < column_end;
      async_copy<4>(tile + r * shared_row + c, valid ? matrix + (row + r) * row_length + column + c : matrix, valid);
    }
  }
}

/** The same of the transposed matrix: element [r, c] of the tile is element [c, r] of the part. 4-byte elements. */
template <int rows, int columns, int shared_row, int threads, class Element>
__device__ __forceinline__ void stage_transposed(Element* tile, const Element* matrix, int64_t row_length, int row, int row_end, int column,
                                                 int column_end) {
  static_assert(rows * columns % threads == 0);
#pragma unroll 4
  for (int step = 0; step < rows * columns / threads; step++) {
    const int i = step * threads + threadIdx.x, r = i % rows, c = i / rows;  // neighbouring threads read neighbouring elements
    const bool valid = row + r < row_end && column + c < column_end;
    async_copy<sizeof(Element)>(tile + r * shared_row + c, valid ? matrix + (column + c) * row_length + row + r : matrix, valid);
  }
}

}  // namespace weft::cuda
