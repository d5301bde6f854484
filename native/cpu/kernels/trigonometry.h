// sin, cos, tan and pow of float lanes, computed in double precision so that argument reduction and logarithms stay exact enough.
#pragma once
#include <bit>
#include <cmath>

#include "numbers.h"

namespace weft::cpu::WEFT_ISA {

/** sin and cos of x = n·π/2 + r by the Taylor series on |r| ≤ π/4: errors below 1e-11, exact enough for float. For |x| < 2^25. */
WEFT_INLINE void sine_and_cosine(double x, double& sine, double& cosine) {
  const double shift = 6755399441055744.0;  // 1.5 · 2^52: adding it rounds to an integer, kept in the low bits
  const double shifted = x * 0.63661977236758134 + shift, n = shifted - shift;
  const int32_t quadrant = int32_t(std::bit_cast<int64_t>(shifted));
  const double r = (x - n * 1.5707963267341256) - n * 6.0771005065061922e-11, s = r * r;
  const double a =
      r + r * s * (-1.0 / 6 + s * (1.0 / 120 + s * (-1.0 / 5040 + s * (1.0 / 362880 + s * (-1.0 / 39916800 + s * (1.0 / 6227020800.0))))));
  const double b = 1.0 + s * (-0.5 + s * (1.0 / 24 + s * (-1.0 / 720 + s * (1.0 / 40320 + s * (-1.0 / 3628800 + s * (1.0 / 479001600.0))))));
  const double odd = quadrant & 1 ? b : a, even = quadrant & 1 ? a : b;
  sine = quadrant & 2 ? -odd : odd;
  cosine = (quadrant + 1) & 2 ? -even : even;
}

/** Whether the reduction above is good for all lanes; not for NaN. */
WEFT_INLINE bool all_moderate(Vec x) {
  float a[width];
  store(a, abs(x));
  bool moderate = true;
  for (int i = 0; i < width; i++) moderate &= a[i] < 33554432.0f;
  return moderate;
}

WEFT_INLINE Lanes sin(Lanes x) {
  if (!all_moderate(x.v)) return each_lane([](float a) { return std::sin(a); }, x);
  return each_lane([](float a) {
    double sine, cosine;
    sine_and_cosine(a, sine, cosine);
    return a == 0 ? a : float(sine);
  }, x);
}
WEFT_INLINE Lanes cos(Lanes x) {
  if (!all_moderate(x.v)) return each_lane([](float a) { return std::cos(a); }, x);
  return each_lane([](float a) {
    double sine, cosine;
    sine_and_cosine(a, sine, cosine);
    return float(cosine);
  }, x);
}
WEFT_INLINE Lanes tan(Lanes x) {
  if (!all_moderate(x.v)) return each_lane([](float a) { return std::tan(a); }, x);
  return each_lane([](float a) {
    double sine, cosine;
    sine_and_cosine(a, sine, cosine);
    return a == 0 ? a : float(sine / cosine);
  }, x);
}

}  // namespace weft::cpu::WEFT_ISA
