// exp, log, sigmoid, tanh and erf for the vectors of simd.h, within about 2 units in the last place. The polynomials
// are fits of our own, near minimax: weighted least squares with Lawson's iteration. The error of each is noted beside
// it.
#pragma once
#include "simd.h"

namespace weft::cpu::WEFT_ISA {

/** A polynomial by Horner's rule. The coefficient of the highest power comes first. */
template <class... Coefficients> WEFT_INLINE Vec polynomial(Vec x, float first, Coefficients... rest) {
  Vec p = broadcast(first);
  ((p = fma(p, x, broadcast(float(rest)))), ...);
  return p;
}

/** exp for x from -104 to 89, or NaN. */
WEFT_INLINE Vec exp_within(Vec x) {
  const Vec n = round(x * 1.44269504f);
  // x - n ln 2, with ln 2 in two parts: the product of n and 0.693359375 is exact
  const Vec r = fma(n, broadcast(2.12194440e-4f), fma(n, broadcast(-0.693359375f), x));
  const Vec q = polynomial(r, 0.00139505998f, 0.00836895406f, 0.041666206f, 0.166665182f, 0.5f);  // relative error 4.3e-9
  return scale(fma(q, r * r, r) + 1.0f, n);
}
WEFT_INLINE Vec exp(Vec x) {
  // with the operands in this order NaN stays NaN
  return exp_within(min(broadcast(89.0f), max(broadcast(-104.0f), x)));
}

/**
 * exp for x up to 88, or NaN, with fewer instructions than exp(): what is below the smallest normal number becomes 0.
 * Scores less their row's maximum, or less the logarithm of their sum, are such x, and so is what is never above 0.
 */
WEFT_INLINE Vec exp_below_88(Vec x) {
  constexpr float shift = 12582912.0f + 127;  // adding 1.5 * 2^23 leaves the nearest integer in the lowest bits
  x = max(broadcast(-88.0f), x);              // there 2^n becomes 0. In this order NaN stays NaN
  const Vec shifted = fma(x, broadcast(1.44269504f), broadcast(shift)), n = shifted - shift;
  const Vec r = fma(n, broadcast(2.12194440e-4f), fma(n, broadcast(-0.693359375f), x));
  const Vec e = polynomial(r, 0.00139505998f, 0.00836895406f, 0.041666206f, 0.166665182f, 0.5f, 1.0f, 1.0f);  // as in exp()
  return e * float_of(bits_of(shifted) << 23);
}

WEFT_INLINE Vec log(Vec x) {
  const Vec smallest = broadcast(1.17549435e-38f);
  const Mask subnormal = less(x, smallest);
  const Vec normal = select(subnormal, x * 8388608.0f, x);
  // x = m 2^e with m in [sqrt(1/2), sqrt(2))
  const IVec shifted = bits_of(normal) - broadcast_integer(0x3f3504f3);
  const Vec e = to_float(shifted >> 23) - select(subnormal, broadcast(23.0f), zero());
  const Vec f = float_of((shifted & broadcast_integer(0x7fffff)) + broadcast_integer(0x3f3504f3)) - 1.0f;
  const Vec q = polynomial(f, 0.0674660131f, -0.116756409f, 0.118881747f, -0.124055915f, 0.142195508f, -0.166679963f, 0.200021192f,
                           -0.250000089f, 0.333333135f);  // relative error 3.2e-9
  const Vec square = f * f;
  Vec y = fma(e, broadcast(-2.12194440e-4f), q * (square * f));
  y = fma(square, broadcast(-0.5f), y);
  y = fma(e, broadcast(0.693359375f), f + y);
  const Vec infinity = broadcast(__builtin_inff());
  y = select(equal(x, zero()), negate(infinity), y);
  y = select(less(x, zero()), broadcast(__builtin_nanf("")), y);
  return select(equal(x, infinity), x, select(unordered(x, x), x, y));
}

WEFT_INLINE Vec sigmoid(Vec x) { return broadcast(1.0f) / (exp(negate(x)) + 1.0f); }

WEFT_INLINE Vec tanh(Vec x) {
  const Vec size = abs(x), s = x * x;
  const Vec q = polynomial(s, 0.00214753696f, -0.00818267372f, 0.0217029676f, -0.0539472029f, 0.133332103f, -0.333333313f);
  const Vec small = fma(x * s, q, x);         // relative error 8.9e-10 below 0.625
  const Vec t = min(broadcast(10.0f), size);  // tanh(10) rounds to 1. In this order NaN stays NaN
  const Vec large = fma(reciprocal(exp(t + t) + 1.0f), broadcast(-2.0f), broadcast(1.0f));
  return select(less(size, broadcast(0.625f)), small, with_sign(large, x));
}

WEFT_INLINE Vec erf(Vec x) {
  const Vec size = abs(x), s = x * x;
  const Vec q = polynomial(s, 7.85385782e-05f, -0.000801019254f, 0.00518832775f, -0.026853811f, 0.112835854f, -0.37612626f, 0.128379107f);
  const Vec small = fma(x, q, x);            // relative error 1.2e-9 below 1
  const Vec t = min(broadcast(4.0f), size);  // erf(4) rounds to 1
  const Vec p = polynomial(t, -2.1686812e-05f, 0.000441335898f, -0.00420455914f, 0.0252082478f, -0.108418562f, -0.633219898f, -1.12957847f,
                           0.000188038175f);  // log of 1 - erf: absolute error of erf 7.3e-9
  const Vec large = broadcast(1.0f) - exp(p);
  return select(less(size, broadcast(1.0f)), small, with_sign(large, x));
}

}  // namespace weft::cpu::WEFT_ISA
