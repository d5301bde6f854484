// Normal numbers by the Box-Muller transform in double precision. Every operation is rounded by itself, never fused with the next, so that
// the bits are equal at every instruction set and on every device.
#pragma once
#include <cmath>
#include <cstring>

#include "simd.h"

namespace weft::cpu::WEFT_ISA {

typedef double Doubles __attribute__((vector_size(4 * width)));
constexpr int double_lanes = width / 2;

/** The value, rounded: the compiler cannot look through. */
WEFT_INLINE Doubles rounded(Doubles v) {
#if WEFT_LEVEL == 2
  asm("" : "+v"(v));
#elif defined(__x86_64__)
  asm("" : "+x"(v));
#elif defined(__aarch64__)
  asm("" : "+w"(v));
#else
  asm("" : "+m"(v));
#endif
  return v;
}
WEFT_INLINE Doubles times(Doubles a, Doubles b) { return rounded(a * b); }
WEFT_INLINE Doubles times(Doubles a, double b) { return rounded(a * b); }

/** Horner's rule, highest power first. */
template <class... Rest>
WEFT_INLINE Doubles series(Doubles x, double first, Rest... rest) {
  Doubles p = Doubles{} + first;
  ((p = times(p, x) + rest), ...);
  return p;
}

/** Pairs of normal numbers from pairs of uniform numbers k·2^-24: √(-2 ln(1 - u0)) times the cosine and the sine of 2π u1. */
WEFT_INLINE void box_muller(const double* u0, const double* u1, double* first, double* second) {
  Doubles a, b;
  std::memcpy(&a, u0, sizeof a);
  std::memcpy(&b, u1, sizeof b);
  // 1 - u0 = m·2^e with m in [√½, √2); log m = 2 artanh f
  double value[double_lanes], exponent[double_lanes];
  const Doubles rest = 1.0 - a;
  std::memcpy(value, &rest, sizeof value);
  for (int i = 0; i < double_lanes; i++) {
    int64_t bits;
    std::memcpy(&bits, &value[i], sizeof bits);
    const int64_t shifted = bits - 0x3FE6A09E667F3BCD;  // the bits of √½
    const int64_t m = (shifted & 0xFFFFFFFFFFFFF) + 0x3FE6A09E667F3BCD;
    exponent[i] = double(int32_t(shifted >> 52));
    std::memcpy(&value[i], &m, sizeof m);
  }
  Doubles m, e;
  std::memcpy(&m, value, sizeof m);
  std::memcpy(&e, exponent, sizeof e);
  const Doubles f = (m - 1.0) / (m + 1.0), s = times(f, f);
  const Doubles artanh = series(s, 1.0 / 21, 1.0 / 19, 1.0 / 17, 1.0 / 15, 1.0 / 13, 1.0 / 11, 1.0 / 9, 1.0 / 7, 1.0 / 5, 1.0 / 3, 1.0);
  const Doubles logarithm = times(e, 0.69314718055994531) + times(times(f, 2.0), artanh);
  const Doubles squared = times(logarithm, -2.0);
  std::memcpy(value, &squared, sizeof value);
  for (int i = 0; i < double_lanes; i++) value[i] = std::sqrt(value[i]);
  Doubles radius;
  std::memcpy(&radius, value, sizeof radius);
  // 4 u1 = q + t with |t| <= 1/2; the angle in its quadrant is t π/2
  const double shift = 6755399441055744.0;  // 1.5·2^52: adding it rounds to an integer, kept in the low bits
  const Doubles turns = b * 4.0, shifted = rounded(turns + shift), t = turns - rounded(shifted - shift);
  const Doubles x = times(t, 1.5707963267948966), z = times(x, x);
  const Doubles sine = times(x, series(z, 1.0 / 355687428096000.0, -1.0 / 1307674368000.0, 1.0 / 6227020800.0, -1.0 / 39916800, 1.0 / 362880,
                                       -1.0 / 5040, 1.0 / 120, -1.0 / 6, 1.0));
  const Doubles cosine = series(z, 1.0 / 20922789888000.0, -1.0 / 87178291200.0, 1.0 / 479001600, -1.0 / 3628800, 1.0 / 40320, -1.0 / 720, 1.0 / 24,
                                -0.5, 1.0);
  typedef int64_t Integers __attribute__((vector_size(4 * width)));
  const Integers quadrant = (Integers)shifted;
  const Integers odd = (quadrant & 1) != 0;
  const Integers sign_of_sine = (quadrant & 2) << 62, sign_of_cosine = ((quadrant + 1) & 2) << 62;
  const Integers by_sine = ((Integers)cosine & odd) | ((Integers)sine & ~odd), by_cosine = ((Integers)sine & odd) | ((Integers)cosine & ~odd);
  const Doubles y0 = times(radius, (Doubles)(by_cosine ^ sign_of_cosine)), y1 = times(radius, (Doubles)(by_sine ^ sign_of_sine));
  std::memcpy(first, &y0, sizeof y0);
  std::memcpy(second, &y1, sizeof y1);
}

/** n normal numbers (n a multiple of 4) from as many words, in pairs. */
inline void normals(const uint32_t* words, int n, double* out) {
  for (int i = 0; i < n; i += 2 * double_lanes) {
    double u0[double_lanes] = {}, u1[double_lanes] = {}, first[double_lanes], second[double_lanes];
    const int pairs = n - i < 2 * double_lanes ? (n - i) / 2 : double_lanes;
    for (int k = 0; k < pairs; k++) {
      u0[k] = double(int32_t(words[i + 2 * k] >> 8)) * 0x1p-24;
      u1[k] = double(int32_t(words[i + 2 * k + 1] >> 8)) * 0x1p-24;
    }
    box_muller(u0, u1, first, second);
    for (int k = 0; k < pairs; k++) {
      out[i + 2 * k] = first[k];
      out[i + 2 * k + 1] = second[k];
    }
  }
}

}  // namespace weft::cpu::WEFT_ISA
