// Rows of few columns, a vector of rows at a time: each lane has a row. What a row adds up, compares or takes the
// logarithm of takes one operation for all of them, where row by row the lanes of a vector would meet. A row has the
// same bits in every lane, whatever its neighbours are.
#pragma once
#include "log_sum.h"
#include "transpose_square.h"

namespace weft::cpu::WEFT_ISA {

/** Longer rows are quicker one by one. */
constexpr int64_t most_short_columns = 32;

/** Up to `width` rows of so few columns: a vector for each column. Lanes behind the last row repeat it. */
class TurnedRows {
 public:
  Vec columns[most_short_columns + width];  // whole squares: zeros behind the last column

  __attribute__((noinline)) TurnedRows(const float* x, int64_t n, int rows) : n_(n), rows_(rows) {
    for (int64_t j = 0; j < n; j += width) {
      const Mask used = lanes_from(j);
      Vec square[width];
#pragma GCC unroll 16
      for (int r = 0; r < width; r++) square[r] = load_masked(x + std::min(r, rows - 1) * n + j, used);
      transpose_square(square);
#pragma GCC unroll 16
      for (int r = 0; r < width; r++) columns[j + r] = square[r];
    }
  }
  __attribute__((noinline)) void store(float* y) const {
    for (int64_t j = 0; j < n_; j += width) {
      const Mask used = lanes_from(j);
      Vec square[width];
#pragma GCC unroll 16
      for (int r = 0; r < width; r++) square[r] = columns[j + r];
      transpose_square(square);
      // all of them when their number is known
      if (rows_ == width) {
#pragma GCC unroll 16
        for (int r = 0; r < width; r++) store_masked(y + r * n_ + j, square[r], used);
      } else {
        for (int r = 0; r < rows_; r++) store_masked(y + r * n_ + j, square[r], used);
      }
    }
  }
  /** Replaces x by exp(x - most), and returns the sums of these. */
  WEFT_INLINE Vec take_powers(Vec& most) {
    most = broadcast(-__builtin_inff());
    for (int64_t j = 0; j < n_; j++) most = max(columns[j], most);
    Vec total = zero();
    for (int64_t j = 0; j < n_; j++) total += columns[j] = exp(columns[j] - most);
    return total;
  }
  /** The sums of the columns without the values above ½. */
  WEFT_INLINE Vec sum_of_others() const {
    Vec total = zero();
    for (int64_t j = 0; j < n_; j++) total += below_half(columns[j]);
    return total;
  }
  WEFT_INLINE void scale(Vec by) {
    for (int64_t j = 0; j < n_; j++) columns[j] *= by;
  }

 private:
  Mask lanes_from(int64_t j) const { return first_lanes(int(std::min<int64_t>(width, n_ - j))); }
  int64_t n_;
  int rows_;
};

/** Calls f(first, count) for up to `width` rows at a time, in chunks of about `grain` elements. */
template <class F> void for_short_rows(int64_t rows, int64_t n, int64_t grain, F&& f) {
  parallel_range(rows, std::max<int64_t>(1, grain / n), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; r += width) f(r, int(std::min<int64_t>(width, end - r)));
  });
}

}  // namespace weft::cpu::WEFT_ISA
