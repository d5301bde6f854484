// Normal numbers by the Box-Muller transform in double precision. Each operation is rounded by itself and never fused
// with the next. So the bits are equal at every instruction set and on every device.
#pragma once
#include <cstring>

#include "simd.h"

namespace weft::cpu::WEFT_ISA {

using Doubles = DoubleVec;
constexpr int double_lanes = width / 2;

/** The value, hidden from the compiler, which therefore cannot fuse the operation that made it with the next one. */
WEFT_INLINE Doubles rounded(Doubles v) { return hidden(v); }
WEFT_INLINE Doubles times(Doubles a, Doubles b) { return rounded(a * b); }
WEFT_INLINE Doubles times(Doubles a, double b) { return rounded(a * b); }

/** A polynomial by Horner's rule. The coefficient of the highest power comes first. */
template <class... Rest> WEFT_INLINE Doubles series(Doubles x, double first, Rest... rest) {
  Doubles p = Doubles{} + first;
  ((p = times(p, x) + rest), ...);
  return p;
}

/**
 * Two normal numbers from two uniform numbers of the form k·2^-24. With the radius √(-2 ln(1 - u0)) and the angle 2π u1
 * they are radius·cos(angle) and radius·sin(angle).
 */
WEFT_INLINE void box_muller(Doubles u0, Doubles u1, Doubles& first, Doubles& second) {
  using Integers = LongVec;
  const double shift = 6755399441055744.0;  // 1.5·2^52: doubles near it hold a whole number in their low bits
  // the logarithm: 1 - u0 = m·2^e with m in [√½, √2), and log m = 2 artanh f with f = (m - 1) / (m + 1)
  const Integers root = Integers{} + 0x3FE6A09E667F3BCD;  // the bits of √½
  const Integers shifted = (Integers)(1.0 - u0) - root, bits_of_shift = (Integers)(Doubles{} + shift);
  const Doubles e = (Doubles)((shifted >> 52) + bits_of_shift) - shift;
  const Doubles m = (Doubles)((shifted & 0xFFFFFFFFFFFFF) + root);
  const Doubles f = (m - 1.0) / (m + 1.0), s = times(f, f);
  const Doubles artanh = series(s, 1.0 / 21, 1.0 / 19, 1.0 / 17, 1.0 / 15, 1.0 / 13, 1.0 / 11, 1.0 / 9, 1.0 / 7, 1.0 / 5, 1.0 / 3, 1.0);
  const Doubles logarithm = times(e, 0.69314718055994531) + times(times(f, 2.0), artanh);
  const Doubles radius = sqrt(times(logarithm, -2.0));
  // the angle: 4 u1 = quadrant + t with |t| <= 1/2, and within its quadrant the angle is t·π/2
  const Doubles turns = u1 * 4.0, whole = rounded(turns + shift), t = turns - rounded(whole - shift);
  const Doubles x = times(t, 1.5707963267948966), z = times(x, x);
  const Doubles sine = times(x, series(z, 1.0 / 355687428096000.0, -1.0 / 1307674368000.0, 1.0 / 6227020800.0, -1.0 / 39916800,
                                       1.0 / 362880, -1.0 / 5040, 1.0 / 120, -1.0 / 6, 1.0));
  const Doubles cosine = series(z, 1.0 / 20922789888000.0, -1.0 / 87178291200.0, 1.0 / 479001600, -1.0 / 3628800, 1.0 / 40320, -1.0 / 720,
                                1.0 / 24, -0.5, 1.0);
  const Integers quadrant = (Integers)whole, odd = Integers{} - (quadrant & 1);  // all ones where the quadrant is odd
  const Integers sign_of_sine = (quadrant & 2) << 62, sign_of_cosine = ((quadrant + 1) & 2) << 62;
  const Integers by_sine = ((Integers)cosine & odd) | ((Integers)sine & ~odd),
                 by_cosine = ((Integers)sine & odd) | ((Integers)cosine & ~odd);
  first = times(radius, (Doubles)(by_cosine ^ sign_of_cosine));
  second = times(radius, (Doubles)(by_sine ^ sign_of_sine));
}

/** n normal numbers from n words. Each pair of words gives a pair of numbers. n is a multiple of 4, at most 128. */
inline void normals(const uint32_t* words, int n, double* out) {
  alignas(64) double u0[64] = {}, u1[64] = {};
  for (int i = 0; i < n / 2; i++) {
    u0[i] = double(int32_t(words[2 * i] >> 8)) * 0x1p-24;
    u1[i] = double(int32_t(words[2 * i + 1] >> 8)) * 0x1p-24;
  }
  for (int i = 0; i < n / 2; i += double_lanes) {
    Doubles a, b, first, second;
    std::memcpy(&a, u0 + i, sizeof a);
    std::memcpy(&b, u1 + i, sizeof b);
    box_muller(a, b, first, second);
    std::memcpy(u0 + i, &first, sizeof a);
    std::memcpy(u1 + i, &second, sizeof b);
  }
  for (int i = 0; i < n / 2; i++) {
    out[2 * i] = u0[i];
    out[2 * i + 1] = u1[i];
  }
}

}  // namespace weft::cpu::WEFT_ISA
