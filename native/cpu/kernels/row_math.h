// Sums, maxima, dot products and exponentials over one contiguous row, for kernels that work row by row. The order of
// the operations is fixed. So the result of a row depends on the elements of that row alone.
#pragma once
#include <cmath>
#include <limits>

#include "strided.h"

namespace weft::cpu::WEFT_ISA {

/** Adds vectors up in two levels, so that the rounding error grows at most as the square root of the row's length. */
class RowSum {
 public:
  WEFT_INLINE void add(Vec v) {
    near_ += v;
    if (++count_ == 64) settle();
  }
  WEFT_INLINE float total() {
    settle();
    return sum(far_);
  }

 private:
  WEFT_INLINE void settle() {
    far_ += near_;
    near_ = zero();
    count_ = 0;
  }
  Vec near_ = zero(), far_ = zero();
  int count_ = 0;
};

/** Calls f(i, width) for each full vector of a row of n, which begins at element i, and f(i, rest) for what is left. */
template <class F> WEFT_INLINE void for_lanes(int64_t n, F&& f) {
  int64_t i = 0;
  for (; i + width <= n; i += width) f(i, width);
  if (i < n) f(i, int(n - i));
}
WEFT_INLINE Vec load_lanes(const float* p, int n) { return n == width ? load(p) : load_partial(p, n); }
WEFT_INLINE void store_lanes(float* p, Vec v, int n) {
  if (n == width) store(p, v);
  else store_partial(p, v, n);
}
/** The first n lanes of v, and `other` in the lanes behind them. */
WEFT_INLINE Vec keep_lanes(Vec v, int n, Vec other) { return n == width ? v : select(first_lanes(n), v, other); }

/** The largest element. NaN may be passed over. -infinity where there is no element. */
inline float row_max(const float* x, int64_t n) {
  const Vec lowest = broadcast(-__builtin_inff());
  Vec a = lowest, b = lowest;
  int64_t i = 0;
  for (; i + 2 * width <= n; i += 2 * width) {
    a = max(load(x + i), a);
    b = max(load(x + i + width), b);
  }
  for (; i + width <= n; i += width) a = max(load(x + i), a);
  if (i < n) b = max(keep_lanes(load_partial(x + i, int(n - i)), int(n - i), lowest), b);
  return largest(max(a, b));
}
inline double row_max(const double* x, int64_t n) {
  double best = -std::numeric_limits<double>::infinity();
  for (int64_t i = 0; i < n; i++) best = x[i] > best ? x[i] : best;
  return best;
}

/** Returns the sum of exp(x - shift), and writes the exponentials to y where y is not null. */
inline float row_exp(const float* x, float shift, float* y, int64_t n) {
  RowSum total;
  for_lanes(
      n, [&](int64_t i, int m) __attribute__((always_inline)) {
        const Vec e = exp(load_lanes(x + i, m) - shift);
        if (y) store_lanes(y + i, e, m);
        total.add(keep_lanes(e, m, zero()));
      });
  return total.total();
}
inline double row_exp(const double* x, double shift, double* y, int64_t n) {
  double total = 0;
  for (int64_t i = 0; i < n; i++) {
    const double e = std::exp(x[i] - shift);
    if (y) y[i] = e;
    total += e;
  }
  return total;
}

inline float row_dot(const float* x, const float* y, int64_t n) {
  RowSum total;
  for_lanes(
      n, [&](int64_t i, int m) __attribute__((always_inline)) { total.add(load_lanes(x + i, m) * load_lanes(y + i, m)); });
  return total.total();
}
inline double row_dot(const double* x, const double* y, int64_t n) {
  double total = 0;
  for (int64_t i = 0; i < n; i++) total += x[i] * y[i];
  return total;
}

inline float row_sum(const float* x, int64_t n) {
  RowSum total;
  for_lanes(
      n, [&](int64_t i, int m) __attribute__((always_inline)) { total.add(load_lanes(x + i, m)); });
  return total.total();
}
inline double row_sum(const double* x, int64_t n) {
  double total = 0;
  for (int64_t i = 0; i < n; i++) total += x[i];
  return total;
}

inline float log_of(float x) { return log(broadcast(x))[0]; }
inline double log_of(double x) { return std::log(x); }

/** Calls row(r) for every row of n elements, in chunks of about `grain` elements. */
template <class F> void for_rows(int64_t rows, int64_t n, int64_t grain, F&& row) {
  parallel_range(rows, std::max<int64_t>(1, grain / std::max<int64_t>(1, n)), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; r++) row(r);
  });
}

}  // namespace weft::cpu::WEFT_ISA
