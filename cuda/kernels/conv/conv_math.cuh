// The tensor-core arithmetics of convolution: what becomes of the operands of a slice, and tiles of which warps own a
// part each.
#pragma once
#include "tensor_core.cuh"

namespace weft::cuda {

/**
 * Blocks that a multiprocessor must have room for: two hide each other's waits; sm_75 has no asynchronous copies and
 * wants the registers.
 */
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 800
constexpr int resident_tiles = 1;
#else
constexpr int resident_tiles = 2;
#endif

/** Operands as they are, one instruction for each pair of fragments. */
template <class Rule> struct PlainMath {
  template <int rows, int columns, class LoadRow, class LoadColumns>
  static __device__ __forceinline__ void add(float (&sums)[rows][columns][4], const LoadRow& load_row, const LoadColumns& load_columns) {
#pragma unroll
    for (int step = 0; step < 2; step++) {
      uint32_t a[rows][4], b[columns][2];
#pragma unroll
      for (int i = 0; i < rows; i++) load_row(a[i], i, step);
      load_columns(b, step);
      Rule::prepare(a, b);
#pragma unroll
      for (int i = 0; i < rows; i++)
#pragma unroll
        for (int j = 0; j < columns; j++) Rule::multiply(sums[i][j], a[i], b[j]);
    }
  }
};

/** Operands are bfloat16; sm_80 and later. */
struct BFloat16Math : PlainMath<BFloat16Math> {
  using Element = BFloat16;
  template <class A, class B> static __device__ __forceinline__ void prepare(A&, B&) {}
  static __device__ __forceinline__ void multiply(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) { mma_bf16(d, a, b); }
};

/** Operands are float16; every GPU. */
struct Float16Math : PlainMath<Float16Math> {
  using Element = Float16;
  template <class A, class B> static __device__ __forceinline__ void prepare(A&, B&) {}
  static __device__ __forceinline__ void multiply(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) { mma_f16(d, a, b); }
};

/** Operands are float32, rounded to tf32; sm_80 and later. */
struct Tf32Math : PlainMath<Tf32Math> {
  using Element = float;
  template <int n, int size> static __device__ __forceinline__ void round(uint32_t (&fragments)[n][size]) {
#pragma unroll
    for (int i = 0; i < n; i++)
#pragma unroll
      for (int e = 0; e < size; e++) fragments[i][e] = to_tf32(std::bit_cast<float>(fragments[i][e]));
  }
  template <int rows, int columns> static __device__ __forceinline__ void prepare(uint32_t (&a)[rows][4], uint32_t (&b)[columns][2]) {
    round(a);
    round(b);
  }
  static __device__ __forceinline__ void multiply(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) { mma_tf32(d, a, b); }
};

/**
 * Operands are float32 as they are: each is the sum of two tf32 numbers, and all products but small x small are added,
 * the small ones first (CUTLASS, example 27). Tensor cores truncate when they add, so the sum of each slice is added to
 * the long sum in float32 arithmetic. As exact as float32 arithmetic where the depth is large enough for its own
 * rounding to dominate; sm_80 and later.
 */
struct Float32Math {
  using Element = float;

  template <int size> static __device__ __forceinline__ void split(uint32_t (&large)[size], uint32_t (&small)[size]) {
#pragma unroll
    for (int e = 0; e < size; e++) {
      const float x = std::bit_cast<float>(large[e]);
      large[e] = to_tf32(x);
      small[e] = to_tf32(x - std::bit_cast<float>(large[e]));
    }
  }

  template <int rows, int columns, class LoadRow, class LoadColumns>
  static __device__ __forceinline__ void add(float (&sums)[rows][columns][4], const LoadRow& load_row, const LoadColumns& load_columns) {
    uint32_t b[2][columns][2], small_b[2][columns][2];
#pragma unroll
    for (int step = 0; step < 2; step++) {
      load_columns(b[step], step);
#pragma unroll
      for (int j = 0; j < columns; j++) split(b[step][j], small_b[step][j]);
    }
#pragma unroll
    for (int i = 0; i < rows; i++) {
      uint32_t a[2][4], small_a[2][4];
      float part[columns][4] = {};
#pragma unroll
      for (int step = 0; step < 2; step++) {
        load_row(a[step], i, step);
        split(a[step], small_a[step]);
#pragma unroll
        for (int j = 0; j < columns; j++) mma_tf32(part[j], small_a[step], b[step][j]);
#pragma unroll
        for (int j = 0; j < columns; j++) mma_tf32(part[j], a[step], small_b[step][j]);
      }
#pragma unroll
      for (int j = 0; j < columns; j++)  // infinity leaves NaN in the small parts: then the product of the large ones is the result
#pragma unroll
        for (int e = 0; e < 4; e++) part[j][e] = fabsf(part[j][e]) < INFINITY ? part[j][e] : 0;
#pragma unroll
      for (int step = 0; step < 2; step++)
#pragma unroll
        for (int j = 0; j < columns; j++) mma_tf32(part[j], a[step], b[step][j]);
#pragma unroll
      for (int j = 0; j < columns; j++)
#pragma unroll
        for (int e = 0; e < 4; e++) sums[i][j][e] += part[j][e];
    }
  }
};

/**
 * A tile of sums, shared among warps; slices of the depth are 64 bytes long and pass through a ring of `stages` in
 * shared memory. Rows of 64 bytes are 80 apart, longer ones 16 bytes (float: 32) further apart than they are long: no
 * bank conflicts.
 */
template <class Math_, int rows_, int columns_, int warp_rows_, int warp_columns_> struct MatrixTile {
  using Math = Math_;
  using Element = typename Math::Element;
  static constexpr int rows = rows_, columns = columns_, warp_rows = warp_rows_, warp_columns = warp_columns_;
  static constexpr int stages = 4;
  static constexpr int pack = 16 / int(sizeof(Element));  // elements of a copy
  static constexpr int depth = 64 / int(sizeof(Element));
  static constexpr int warps_across = columns / warp_columns;
  static constexpr int threads = rows / warp_rows * warps_across * 32;
  static constexpr int fragments_down = warp_rows / 16, fragments_across = warp_columns / 8;
  static constexpr int short_pitch = 80;  // bytes
  static constexpr int long_pitch(int length) { return length * int(sizeof(Element)) + (sizeof(Element) == 4 ? 32 : 16); }
  static constexpr int finished = rows * (columns + 4) * int(sizeof(float));
  /** Bytes of shared memory with stages of so many bytes; the finished tile of sums lies there later. */
  static constexpr size_t shared(int stage) { return size_t(stages * stage > finished ? stages * stage : finished); }

  static __device__ __forceinline__ int lane() { return int(threadIdx.x) & 31; }
  static __device__ __forceinline__ int first_row() { return int(threadIdx.x) / 32 / warps_across * warp_rows; }
  static __device__ __forceinline__ int first_column() { return int(threadIdx.x) / 32 % warps_across * warp_columns; }

  /** Fragment i of the rows, 16 x 32 bytes, from rows of 64 bytes; `step`: which half of the slice. */
  static __device__ __forceinline__ void load_row(uint32_t (&a)[4], const unsigned char* from, int i, int step) {
    load_matrix_x4(a, from + (first_row() + i * 16 + lane() % 16) * short_pitch + step * 32 + lane() / 16 * 16);
  }
  /** The fragments of the columns, from columns of 64 bytes. */
  static __device__ __forceinline__ void load_columns(uint32_t (&b)[fragments_across][2], const unsigned char* from, int step) {
#pragma unroll
    for (int j = 0; j < fragments_across; j += 2) {
      uint32_t four[4];
      load_matrix_x4(four, from + (first_column() + j * 8 + lane() % 8 + lane() / 16 * 8) * short_pitch + step * 32 + lane() / 8 % 2 * 16);
      b[j][0] = four[0], b[j][1] = four[1], b[j + 1][0] = four[2], b[j + 1][1] = four[3];
    }
  }
  /** The same, stored depth-major: [depth][columns]. */
  static __device__ __forceinline__ void load_columns_across(uint32_t (&b)[fragments_across][2], const unsigned char* from, int step) {
    constexpr int pitch = long_pitch(columns);
    if constexpr (sizeof(Element) == 2) {
#pragma unroll
      for (int j = 0; j < fragments_across; j += 2) {
        uint32_t four[4];
        load_matrix_x4_transposed(four, from + (step * 16 + lane() % 16) * pitch + (first_column() + j * 8 + lane() / 16 * 8) * 2);
        b[j][0] = four[0], b[j][1] = four[1], b[j + 1][0] = four[2], b[j + 1][1] = four[3];
      }
    } else {
#pragma unroll
      for (int j = 0; j < fragments_across; j++)
#pragma unroll
        for (int e = 0; e < 2; e++)
          b[j][e] = *reinterpret_cast<const uint32_t*>(from + (step * 8 + e * 4 + lane() % 4) * pitch +
                                                       (first_column() + j * 8 + lane() / 4) * 4);
    }
  }
  /** A fragment of the rows, stored depth-major: [depth][rows]. */
  static __device__ __forceinline__ void load_row_across(uint32_t (&a)[4], const unsigned char* from, int i, int step) {
    constexpr int pitch = long_pitch(rows);
    if constexpr (sizeof(Element) == 2) {
      load_matrix_x4_transposed(
          a, from + (step * 16 + lane() % 8 + lane() / 16 * 8) * pitch + (first_row() + i * 16 + lane() / 8 % 2 * 8) * 2);
    } else {
#pragma unroll
      for (int e = 0; e < 4; e++)
        a[e] = *reinterpret_cast<const uint32_t*>(from + (step * 8 + e / 2 * 4 + lane() % 4) * pitch +
                                                  (first_row() + i * 16 + e % 2 * 8 + lane() / 4) * 4);
    }
  }

  using Sums = float[fragments_down][fragments_across][4];
  /** Writes the sums to shared memory, [rows][columns + 4]. */
  static __device__ __forceinline__ void store(const Sums& sums, float* tile) {
#pragma unroll
    for (int i = 0; i < fragments_down; i++)
#pragma unroll
      for (int j = 0; j < fragments_across; j++)
#pragma unroll
        for (int e = 0; e < 2; e++) {
          const int row = first_row() + i * 16 + e * 8 + lane() / 4, column = first_column() + j * 8 + lane() % 4 * 2;
          store_pack(tile + row * (columns + 4) + column, Pack<float, 2>{{sums[i][j][2 * e], sums[i][j][2 * e + 1]}});
        }
  }
};

}  // namespace weft::cuda
