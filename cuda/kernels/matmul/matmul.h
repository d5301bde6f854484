// Products of matrices: what one product is, where a block finds its part of it, and the kernels that can compute it.
#pragma once
#include <algorithm>

#include "activation.cuh"
#include "vocabulary.cuh"

namespace weft::cuda {

/**
 * The matrices of a batch: for each axis its extent, and how many matrices of a and of b lie to the next (0 where one
 * is shared).
 */
struct Batch {
  static constexpr int most_axes = 6;
  int64_t count = 1;
  int axes = 0;
  unsigned extent[most_axes] = {}, a[most_axes] = {}, b[most_axes] = {};
};

/** Positions within an operand's axis, and a tile beyond it, fit 32 bits. */
constexpr int64_t largest_extent = INT32_MAX - 65535;

/**
 * What kernels are told of a product: c[m, n] = a · b, one per matrix of the batch. An operand is "k-major" where k is
 * its contiguous axis.
 */
struct Extents {
  int m = 0, n = 0, k = 0;
  bool a_k_major = true, b_k_major = false;  // a is stored [m, k], else [k, m]; b is stored [n, k], else [k, n]
  int a_row = 0, b_row = 0;                  // elements from one row of an operand to the next
  int splits = 1;                            // blocks that share the sum over k of one tile
  int k_per_split = 0;
  Batch batch;

  WEFT_HD int a_rows() const { return a_k_major ? m : k; }
  WEFT_HD int b_rows() const { return b_k_major ? n : k; }
};

/** The whole of a product, as binders see it. */
struct Product : Extents {
  View a_view, b_view, bias, c;  // bias: [n], or slot -1
  Activation activation = Activation::linear;
  Precision precision = Precision::float32;

  void set_extents(const char* op, int64_t m, int64_t n, int64_t k);
  bool exact() const { return c.dtype == DType::float32 && precision == Precision::float32; }
};

/** The part of the product that a block computes. */
struct Place {
  int row, column;     // first of the tile
  int k_begin, k_end;  // its share of the sum
  unsigned a_matrix, b_matrix;
  int64_t a, b, c, partial;  // offsets of its matrices in elements
};

/**
 * Where results go: to c, after bias and activation; or unfinished to `partial` [splits, batch, m, n], where a second
 * kernel does the rest.
 */
template <class T> struct Output {
  T* c;
  const T* bias;
  float* partial;
  Activation activation;

  /**
   * With bias and the activation that is a comparison; the curved ones are left to finish(), whose code a large tile
   * can't afford.
   */
  __device__ __forceinline__ float finish_simply(float x, int column) const {
    if (bias) x += widen(bias[column]);
    return activation == Activation::relu && x < 0 ? 0 : x;
  }
  __device__ __forceinline__ float finish(float x, int column) const {
    if (bias) x += widen(bias[column]);
    return activate(activation, x);
  }

  /** Stores four neighbours of a row; `column` is a multiple of 4. What lies outside the matrix is left out. */
  __device__ __forceinline__ void store(const Extents& p, const Place& at, int row, int column, const float (&four)[4]) const {
    if (row >= p.m || column >= p.n) return;
    const int64_t position = int64_t(row) * p.n + column;
    if (partial) {
      float* const to = partial + at.partial + position;
      if (p.n % 4 == 0) store_pack(to, Pack<float, 4>{{four[0], four[1], four[2], four[3]}});
      else
        for (int e = 0; e < 4; e++)
          if (column + e < p.n) to[e] = four[e];
      return;
    }
    T* const to = c + at.c + position;
    if (p.n % 4 == 0) {
      Pack<T, 4> result;
      for (int e = 0; e < 4; e++) result.at[e] = narrow<T>(finish_simply(four[e], column + e));
      store_pack(to, result);
    } else
      for (int e = 0; e < 4; e++)
        if (column + e < p.n) to[e] = narrow<T>(finish_simply(four[e], column + e));
  }
};

/**
 * Tiles are numbered in bands of 8 rows of tiles, down the band first: blocks that run at one time share rows of a and
 * columns of b. There are fewer than 2^31 tiles, splits and matrices included (blocks_of): 32-bit divisions.
 */
__device__ __forceinline__ Place place_of(const Extents& p, unsigned index, int tile_m, int tile_n) {
  const unsigned tiles_m = unsigned(p.m + tile_m - 1) / unsigned(tile_m), tiles_n = unsigned(p.n + tile_n - 1) / unsigned(tile_n);
  const unsigned tile = index % (tiles_m * tiles_n), rest = index / (tiles_m * tiles_n);
  const int split = int(rest % unsigned(p.splits));
  unsigned matrix = rest / unsigned(p.splits);
  const unsigned band = tiles_m < 8 ? tiles_m : 8;
  const unsigned first = tile / (band * tiles_n) * band, in_band = tile % (band * tiles_n);
  const unsigned height = tiles_m - first < band ? tiles_m - first : band;

  Place at;
  at.row = int(first + in_band % height) * tile_m;
  at.column = int(in_band / height) * tile_n;
  at.k_begin = split * p.k_per_split;
  at.k_end = at.k_begin + p.k_per_split < p.k ? at.k_begin + p.k_per_split : p.k;
  at.c = int64_t(matrix) * p.m * p.n;
  at.partial = (split * p.batch.count + matrix) * p.m * p.n;
  at.a_matrix = at.b_matrix = 0;
#pragma unroll  // with constant indices the axes stay where kernels find their arguments
  for (int axis = Batch::most_axes - 1; axis >= 0; axis--) {
    if (axis >= p.batch.axes) continue;
    const unsigned i = matrix % p.batch.extent[axis];
    matrix /= p.batch.extent[axis];
    at.a_matrix += i * p.batch.a[axis];
    at.b_matrix += i * p.batch.b[axis];
  }
  at.a = int64_t(at.a_matrix) * p.a_rows() * p.a_row;
  at.b = int64_t(at.b_matrix) * p.b_rows() * p.b_row;
  return at;
}

/** Blocks of a product cut into tiles of this size. */
inline int64_t blocks_of(const Extents& p, int64_t tile_m, int64_t tile_n) {
  return divide_up(p.m, tile_m) * divide_up(p.n, tile_n) * p.splits * p.batch.count;
}
inline double multiplications(const Product& p) { return double(p.batch.count) * p.m * p.n * p.k; }

/**
 * Cuts the sum over k so that about `blocks` blocks have work, each with no less than `least` of k; shares are
 * multiples of `grain`.
 */
void split_sum(Extents& p, int64_t tiles, int64_t blocks, int64_t least, int64_t grain);

/**
 * Scratch for unfinished results, where the sum is split or the activation is curved, and the step that adds and
 * finishes them.
 */
struct SplitSum {
  SplitSum() = default;
  /** `finishes`: the kernel applies every activation itself, where the sum is not split. */
  SplitSum(Call& call, const Product& product, bool finishes = false);
  float* at(const Frame& frame) const { return scratch.used() ? frame.at<float>(scratch) : nullptr; }
  void finish(const Frame& frame) const;

 private:
  View scratch;
  Product product;
};

template <class T> Output<T> output_of(const Frame& frame, const Product& p, const SplitSum& sums) {
  return {frame.at<T>(p.c), p.bias.used() ? frame.at<const T>(p.bias) : nullptr, sums.at(frame), p.activation};
}

/**
 * An operand of 16-bit floats with rows that are multiples of 16 bytes, as asynchronous copies want them: padded with
 * zeros in scratch, or the operand itself where nothing needs to change. float32 operands become `planes` matrices of
 * bfloat16 whose sum they are: with 3 exactly, with 1 rounded.
 */
class Planes {
 public:
  Planes() = default;
  Planes(Call& call, const View& operand, int rows, int row_length, bool k_major, int planes);
  void make(const Frame& frame) const;
  template <class T> const T* at(const Frame& frame) const { return frame.at<const T>(copied.used() ? copied : operand); }
  int row() const { return padded; }
  /** Bytes of scratch that these planes need. */
  static int64_t bytes(const View& operand, int row_length, int planes);

 private:
  View operand, copied;
  int row_length = 0, planes = 0, padded = 0;
};

/** A float32 operand as wgmma takes tf32: rounded, k-major, rows multiples of 16 bytes. */
class KMajor {
 public:
  KMajor(Call& call, const View& operand, int rows, int row_length, bool k_major, int planes);
  void make(const Frame& frame) const;
  template <class T> const T* at(const Frame& frame) const { return frame.at<const T>(copied); }
  int row() const { return padded; }

 private:
  View operand;
  int outer = 0, k = 0, padded = 0;
  bool k_major = true;
  View copied;
};

/** The step of a product by the kernel that suits it. */
Step bind_product(Call& call, const Product& product);

// The variants: whether each can compute a product at all, whether it is worth it, and its step.
Step bind_simt(Call& call, Product product);
bool can_skinny(const Product& product);
Step bind_skinny(Call& call, Product product);
bool can_tensor(const Product& product, const Target& target);
bool tensor_pays(const Product& product, const Target& target);
Step bind_tensor(Call& call, Product product);
bool can_sm90(const Product& product, const Target& target);
bool sm90_pays(const Product& product, const Target& target);
Step bind_sm90(Call& call, Product product);

}  // namespace weft::cuda
