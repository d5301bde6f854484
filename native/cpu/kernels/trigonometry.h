// sin, cos and tan of float lanes. Where multiply-add is fused, arguments below 10,000 are reduced in float. All others
// are reduced in double precision.
#pragma once
#include <bit>
#include <cmath>

#include "numbers.h"

namespace weft::cpu::WEFT_ISA {

/**
 * sin and cos of x = n·π/2 + r by their Taylor series for |r| ≤ π/4. The errors are below 1e-11, which is exact enough
 * for float. For |x| < 2^25.
 */
WEFT_INLINE void sine_and_cosine(double x, double& sine, double& cosine) {
  const double shift = 6755399441055744.0;  // 1.5 · 2^52: adding it rounds to an integer, which the low bits hold
  const double shifted = x * 0.63661977236758134 + shift, n = shifted - shift;
  const int32_t quadrant = int32_t(std::bit_cast<int64_t>(shifted));
  const double r = (x - n * 1.5707963267341256) - n * 6.0771005065061922e-11, s = r * r;
  const double a =
      r + r * s * (-1.0 / 6 + s * (1.0 / 120 + s * (-1.0 / 5040 + s * (1.0 / 362880 + s * (-1.0 / 39916800 + s * (1.0 / 6227020800.0))))));
  const double b =
      1.0 + s * (-0.5 + s * (1.0 / 24 + s * (-1.0 / 720 + s * (1.0 / 40320 + s * (-1.0 / 3628800 + s * (1.0 / 479001600.0))))));
  const double odd = quadrant & 1 ? b : a, even = quadrant & 1 ? a : b;
  sine = quadrant & 2 ? -odd : odd;
  cosine = (quadrant + 1) & 2 ? -even : even;
}

/** Whether the absolute values of all lanes are below the limit. A NaN is not. */
WEFT_INLINE bool all_below(Vec x, float limit) { return every(less(abs(x), broadcast(limit))); }

/**
 * sin and cos as above, in float. π/2 is taken in three parts. Multiply-add is fused, so that their products with n are
 * not rounded. Within 2 units in the last place for |x| < 10,000.
 */
WEFT_INLINE void sine_and_cosine(Vec x, Vec& sine, Vec& cosine) {
  const Vec n = round(x * 0.636619772f);
  Vec r = fma(n, broadcast(-1.57079637f), x);
  r = fma(n, broadcast(4.37113883e-8f), r);
  r = fma(n, broadcast(1.71512451e-15f), r);
  const Vec s = r * r;
  const Vec a = fma(r * s, polynomial(s, 2.71757093e-6f, -1.98392573e-4f, 8.33332915e-3f, -0.166666666f), r);
  const Vec b = fma(s, polynomial(s, 2.44312734e-05f, -0.00138873066f, 0.0416666457f, -0.5f), broadcast(1.0f));
  const IVec quadrant = to_integer(n), one = broadcast_integer(1), two = broadcast_integer(2);
  const IVec odd = broadcast_integer(0) - (quadrant & one);  // all ones where the quadrant is odd
  const IVec by_sine = (bits_of(b) & odd) | (bits_of(a) & ~odd), by_cosine = (bits_of(a) & odd) | (bits_of(b) & ~odd);
  sine = float_of(by_sine ^ ((quadrant & two) << 30));
  cosine = float_of(by_cosine ^ (((quadrant + one) & two) << 30));
}
constexpr float float_limit = fused_multiply_add ? 10000.0f : 0.0f, double_limit = 33554432.0f;

WEFT_INLINE Lanes sin(Lanes x) {
  if (all_below(x.v, float_limit)) {
    Vec sine, cosine;
    sine_and_cosine(x.v, sine, cosine);
    return Lanes(select(equal(x.v, zero()), x.v, sine));
  }
  if (!all_below(x.v, double_limit)) return each_lane([](float a) { return std::sin(a); }, x);
  return each_lane(
      [](float a) {
        double sine, cosine;
        sine_and_cosine(a, sine, cosine);
        return a == 0 ? a : float(sine);
      },
      x);
}
WEFT_INLINE Lanes cos(Lanes x) {
  if (all_below(x.v, float_limit)) {
    Vec sine, cosine;
    sine_and_cosine(x.v, sine, cosine);
    return Lanes(cosine);
  }
  if (!all_below(x.v, double_limit)) return each_lane([](float a) { return std::cos(a); }, x);
  return each_lane(
      [](float a) {
        double sine, cosine;
        sine_and_cosine(a, sine, cosine);
        return float(cosine);
      },
      x);
}
WEFT_INLINE Lanes tan(Lanes x) {
  if (all_below(x.v, float_limit)) {
    Vec sine, cosine;
    sine_and_cosine(x.v, sine, cosine);
    return Lanes(select(equal(x.v, zero()), x.v, sine / cosine));
  }
  if (!all_below(x.v, double_limit)) return each_lane([](float a) { return std::tan(a); }, x);
  return each_lane(
      [](float a) {
        double sine, cosine;
        sine_and_cosine(a, sine, cosine);
        return a == 0 ? a : float(sine / cosine);
      },
      x);
}

}  // namespace weft::cpu::WEFT_ISA
