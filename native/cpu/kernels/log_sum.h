// The logarithm of a row's sum of exponentials, for softmax and the cross-entropies.
#pragma once
#include "numbers.h"
#include "row_math.h"

namespace weft::cpu::WEFT_ISA {

/**
 * A sum of exponentials in two parts: those that are 1, which are those of the largest element, and the others. So the
 * logarithm keeps its digits where the others are next to nothing.
 */
template <class T> struct SplitSum {
  T ones, others;
  T total() const { return ones + others; }
};

/** As row_exp, where `most` is the largest element of the row. */
inline SplitSum<float> row_split_exp(const float* x, float most, float* y, int64_t n) {
  RowSum others;
  Vec ones = zero();
  const Vec one = broadcast(1.0f);
  for_lanes(
      n, [&](int64_t i, int m) __attribute__((always_inline)) {
        const Vec e = exp(load_lanes(x + i, m) - most);
        if (y) store_lanes(y + i, e, m);
        const Vec kept = keep_lanes(e, m, zero());
        const Mask top = equal(kept, one);
        ones += select(top, one, zero());
        others.add(select(top, zero(), kept));
      });
  return {sum(ones), others.total()};
}
inline SplitSum<double> row_split_exp(const double* x, double most, double* y, int64_t n) {
  SplitSum<double> split{0, 0};
  for (int64_t i = 0; i < n; i++) {
    const double e = std::exp(x[i] - most);
    if (y) y[i] = e;
    (e == 1 ? split.ones : split.others) += e;
  }
  return split;
}

inline float log_of(const SplitSum<float>& s) { return log1p(Lanes(broadcast(s.others + (s.ones - 1.0f)))).v[0]; }
inline double log_of(const SplitSum<double>& s) { return std::log1p(s.others + (s.ones - 1)); }

}  // namespace weft::cpu::WEFT_ISA
