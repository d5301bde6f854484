// orthonormalRows: the rows of a matrix made orthonormal one after the other, by block Gram-Schmidt. The first half of
// the rows, then what the second half has beyond it, and so on down to a few rows. All of it lies in the result: the
// products read it and add to it where it is.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "chunks.h"
#include "matmul_blocks.h"
#include "widened.h"

namespace weft::cpu::WEFT_ISA {
namespace {

constexpr int64_t panel_rows = 64;             // orthonormal at once, by the factor of their products
constexpr int64_t strip_rows = 6 * tile_rows;  // rows that a chunk multiplies with those before them
constexpr int64_t strip_columns = 256;         // columns that a chunk changes
constexpr int64_t columns_together = 128;      // turned at once, in double
constexpr int64_t most_pieces = 16;            // of the columns, whose products are summed apart
constexpr int64_t square = panel_rows * panel_rows;

/** From this many columns for each row on, random rows are so far from dependent that one pass loses no digit. */
constexpr int64_t far_apart = 3;

/**
 * The inverse of the lower Cholesky factor of a symmetric matrix [n, n], of which the lower half is read. Finite also
 * where the matrix has no inverse.
 */
void invert_factor(const double* matrix, int64_t n, double* factor, double* inverse) {
  for (int64_t i = 0; i < n; i++) {
    double *row = factor + i * n, *inverse_row = inverse + i * n;
    for (int64_t j = 0; j < i; j++) {
      double left = matrix[i * n + j];
      for (int64_t k = 0; k < j; k++) left -= row[k] * factor[j * n + k];
      row[j] = left / factor[j * n + j];
    }
    const double squares = matrix[i * n + i];
    double left = squares;
    for (int64_t k = 0; k < i; k++) left -= row[k] * row[k];
    row[i] = std::sqrt(std::max(left, std::numeric_limits<double>::epsilon() * squares));
    if (!(row[i] > 0)) row[i] = 1;
    const double scale = 1 / row[i];
    std::fill_n(inverse_row, n, 0.0);
    for (int64_t k = 0; k < i; k++) {
      const double along = row[k] * scale;
      for (int64_t j = 0; j <= k; j++) inverse_row[j] -= along * inverse[k * n + j];
    }
    inverse_row[i] = scale;
  }
}

template <class T> class Orthonormal {
 public:
  WEFT_BINDER explicit Orthonormal(Call& call)
      : a_(call.in[0]), q_(call.out[0]), rows_(q_.dim(0)), columns_(q_.dim(1)), half_(half_of(rows_)) {
    pieces_ = std::clamp(columns_ / (4 * columns_together), int64_t(1), most_pieces);
    sums_ = call.scratch(size_t((pieces_ + 3) * square) * sizeof(double));
    turned_ = ThreadScratch(call, size_t(columns_together * panel_rows) * sizeof(double));
    packed_panel_ = ThreadScratch(call, size_t(packed_size<T>(panel_rows, strip_columns)) * sizeof(T));
    if (rows_ <= panel_rows) return;
    along_ = call.scratch(size_t(half_ * half_) * sizeof(T));
    packed_ = call.scratch(size_t(packed_size<T>(block_length(columns_), half_)) * sizeof(T));
    a_block_ = ThreadScratch(call, size_t(a_block_size<T>(strip_rows, columns_)) * sizeof(T));
    b_panel_ = ThreadScratch(call, size_t(b_panel_size<T>(half_)) * sizeof(T));
  }

  void operator()(const Frame& frame) const {
    const T* a = frame.at<const T>(a_);
    T* q = frame.at<T>(q_);
    if (a != q)
      parallel_range(rows_, strip_rows, [&](int64_t begin, int64_t end) {
        std::memcpy(q + begin * columns_, a + begin * columns_, size_t((end - begin) * columns_) * sizeof(T));
      });
    pass(frame, q, rows_);
    // few rows vary more than many
    if (rows_ <= panel_rows || columns_ < far_apart * rows_) pass(frame, q, rows_);
  }

 private:
  static int64_t half_of(int64_t rows) { return panel_rows * ((rows + 2 * panel_rows - 1) / (2 * panel_rows)); }

  void pass(const Frame& frame, T* q, int64_t rows) const {
    if (rows <= panel_rows) return panel(frame, q, rows);
    const int64_t half = half_of(rows);
    T* rest = q + half * columns_;
    pass(frame, q, half);
    take_away(frame, q, half, rest, rows - half);
    pass(frame, rest, rows - half);
  }

  /** rest -= (rest firstᵀ) first. */
  void take_away(const Frame& frame, const T* first, int64_t half, T* rest, int64_t rows) const {
    T *along = frame.at<T>(along_), *packed = frame.at<T>(packed_);
    const int64_t length = block_length(columns_), panels = (half + tile_columns<T> - 1) / tile_columns<T>;
    for (int64_t k0 = 0; k0 < columns_; k0 += length) {
      const int64_t kc = std::min(length, columns_ - k0);
      parallel_range(panels, 2, [&](int64_t begin, int64_t end) {
        pack_panels<T>({first + k0, 1, columns_}, kc, half, begin, end, packed);
      });
      parallel(tiles_in(rows, strip_rows), [&](int64_t strip, int thread) {
        const int64_t r0 = strip * strip_rows;
        Product<T> p{};
        p.m = std::min(strip_rows, rows - r0), p.n = half, p.k = kc;
        p.a = {rest + r0 * columns_ + k0, columns_, 1};
        p.packed_b = packed;
        p.a_block = a_block_.at<T>(frame, thread);
        p.c = along + r0 * half;
        p.c_row = half;
        p.accumulate = k0 > 0;
        multiply<T>(p);
        if (k0 + kc == columns_)
          for (int64_t i = 0; i < p.m * half; i++) p.c[i] = -p.c[i];
      });
    }
    for_strips([&](int64_t j0, int64_t width, int thread) {
      Product<T> p{};
      p.m = rows, p.n = width, p.k = half;
      p.a = {along, half, 1};
      p.b = {first + j0, columns_, 1};
      p.b_panel = b_panel_.at<T>(frame, thread);
      p.c = rest + j0;
      p.c_row = columns_;
      p.accumulate = true;
      multiply<T>(p);
    });
  }

  /** A few rows by the Cholesky factor of their products, L Lᵀ = q qᵀ: they become L⁻¹ q. */
  void panel(const Frame& frame, T* q, int64_t rows) const {
    double* sums = frame.at<double>(sums_);
    parallel(pieces_, [&](int64_t piece, int thread) {
      sum_products(q, rows, columns_ * piece / pieces_, columns_ * (piece + 1) / pieces_, turned_.at<double>(frame, thread),
                   sums + piece * square);
    });
    for (int64_t piece = 1; piece < pieces_; piece++)
      for (int64_t i = 0; i < rows * rows; i++) sums[i] += sums[piece * square + i];
    double *factor = sums + pieces_ * square, *inverse = factor + square;
    invert_factor(sums, rows, factor, inverse);
    T* rounded = reinterpret_cast<T*>(inverse + square);
    for (int64_t i = 0; i < rows * rows; i++) rounded[i] = T(inverse[i]);
    for_strips([&](int64_t j0, int64_t width, int thread) {
      Product<T> p{};
      p.m = rows, p.n = width, p.k = rows;
      p.a = {rounded, rows, 1};
      T* packed = packed_panel_.at<T>(frame, thread);
      pack_panels<T>({q + j0, columns_, 1}, rows, width, 0, tiles_in(width, int(tile_columns<T>)), packed);
      p.packed_b = packed;
      p.c = q + j0;
      p.c_row = columns_;
      multiply<T>(p);
    });
  }

  /** The lower half of q qᵀ, of the columns from `begin` to `end`, in double. */
  void sum_products(const T* q, int64_t rows, int64_t begin, int64_t end, double* turned, double* sums) const {
    std::fill_n(sums, rows * rows, 0.0);
    for (int64_t k0 = begin; k0 < end; k0 += columns_together) {
      const int64_t kc = std::min(columns_together, end - k0);
      for (int64_t i = 0; i < rows; i++)
        for (int64_t k = 0; k < kc; k++) turned[k * panel_rows + i] = double(q[i * columns_ + k0 + k]);
      for (int64_t j = 0; j < rows; j += tile_columns<double>) {
        const int64_t width = std::min(tile_columns<double>, rows - j);
        for_tiles(rows - j, tile_rows, [&](int64_t r0, int64_t r1) {
          MicroTile<double> tile;
          tile.a = turned + j + r0;
          tile.a_row = 1;
          tile.b = turned + j;
          tile.a_step = tile.b_step = panel_rows;
          tile.k = kc;
          tile.c = sums + (j + r0) * rows + j;
          tile.c_row = rows;
          tile.last = last_mask<double>(width);
          tile.accumulate = true;
          multiply_tile(tile, int(r1 - r0), vectors_for<double>(width));
        });
      }
    }
  }

  /** Calls f(first column, columns, thread) for each strip of columns. */
  template <class F> void for_strips(F&& f) const {
    parallel(tiles_in(columns_, int(strip_columns)), [&](int64_t strip, int thread) {
      f(strip * strip_columns, std::min(strip_columns, columns_ - strip * strip_columns), thread);
    });
  }

  View a_, q_, sums_, along_, packed_;
  int64_t rows_, columns_, half_, pieces_;
  ThreadScratch turned_, packed_panel_, a_block_, b_panel_;
};

struct BindOrthonormal {
  template <class T> WEFT_BINDER Step operator()(Call& call) const {
    const View out = call.out[0];
    require(out.rank() == 2 && out.dim(0) <= out.dim(1), "ERR_SHAPE", "orthonormalRows: more rows than columns");
    call.flops = 4.0 * double(out.size()) * double(out.dim(0));
    call.in_place(0, 0);
    if (out.size() == 0) return [](const Frame&) {};
    return Orthonormal<T>(call);
  }
};

}  // namespace

KERNEL(cpu, orthonormalRows) { return bind_float(call, call.out[0].dtype, BindOrthonormal()); }

}  // namespace weft::cpu::WEFT_ISA
