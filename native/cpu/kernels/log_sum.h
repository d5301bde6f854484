// The logarithm of a row's sum of exponentials, for log-softmax and the cross-entropies.
#pragma once
#include "row_math.h"

namespace weft::cpu::WEFT_ISA {

/**
 * Σ p without the values above ½. Where the sum is next to 1, there is at most one such value. The sum minus that value
 * would be the same, but would lose its digits.
 */
inline double sum_of_others(const double* p, int64_t n) {
  double total = 0;
  for (int64_t i = 0; i < n; i++) total += p[i] > 0.5 ? 0 : p[i];
  return total;
}
/** The lanes of v, zero where they are above ½. */
WEFT_INLINE Vec below_half(Vec v) { return select(greater(v, broadcast(0.5f)), zero(), v); }
inline float sum_of_others(const float* p, int64_t n) {
  RowSum total;
  for_lanes(
      n, [&](int64_t i, int m) __attribute__((always_inline)) { total.add(below_half(load_lanes(p + i, m))); });
  return total.total();
}

/** Σ exp(x - most) without the values above ½. */
inline double sum_of_other_powers(const double* x, double most, int64_t n) {
  double total = 0;
  for (int64_t i = 0; i < n; i++) {
    const double e = std::exp(x[i] - most);
    total += e > 0.5 ? 0 : e;
  }
  return total;
}
inline float sum_of_other_powers(const float* x, float most, int64_t n) {
  RowSum total;
  for_lanes(
      n, [&](int64_t i, int m) __attribute__((always_inline)) {
        const Vec e = keep_lanes(exp(load_lanes(x + i, m) - most), m, zero());
        total.add(below_half(e));
      });
  return total.total();
}

constexpr float end_of_near_one = 1.0625f;
/** Whether the logarithm of a sum of exponentials is to be taken from all but the largest of them. */
template <class T> bool next_to_one(T total) { return total >= T(1) && total < T(end_of_near_one); }

/**
 * log(total), where total = Σ exp(x - most). The largest element adds 1 to the total. Where the total is next to 1, the
 * logarithm is taken from the sum of the others, so that it keeps its digits. `powers` is exp(x - most), or null.
 */
template <class T> T log_total(T total, const T* x, T most, const T* powers, int64_t n) {
  if (!next_to_one(total)) return log_of(total);
  return std::log1p(powers ? sum_of_others(powers, n) : sum_of_other_powers(x, most, n));
}

}  // namespace weft::cpu::WEFT_ISA
