// Normal numbers by the Box-Muller transform in double precision. Every operation is rounded by itself, never fused
// with the next, so that the bits are equal on every device; the polynomials are those of native/cpu/kernels/normal.h.
#pragma once
#include "philox.cuh"

namespace weft::cuda {

/** Horner's rule, highest power first. */
template <class... Rest> __device__ __forceinline__ double series(double x, double first, Rest... rest) {
  double p = first;
  ((p = __dadd_rn(__dmul_rn(p, x), rest)), ...);
  return p;
}

/** A pair of normal numbers from two words: √(-2 ln(1 - u0)) times the cosine and the sine of 2π u1. */
__device__ inline void box_muller(uint32_t word0, uint32_t word1, double& first, double& second) {
  constexpr double shift = 6755399441055744.0;  // 1.5·2^52: a double around it holds a whole number in its low bits
  constexpr int64_t root = 0x3FE6A09E667F3BCD;  // the bits of √½
  const double u0 = double(int32_t(word0 >> 8)) * 0x1p-24, u1 = double(int32_t(word1 >> 8)) * 0x1p-24;
  // 1 - u0 = m·2^e with m in [√½, √2); log m = 2 artanh f
  const int64_t shifted = std::bit_cast<int64_t>(__dsub_rn(1.0, u0)) - root;
  const double e = __dsub_rn(std::bit_cast<double>((shifted >> 52) + std::bit_cast<int64_t>(shift)), shift);
  const double m = std::bit_cast<double>((shifted & 0xFFFFFFFFFFFFF) + root);
  const double f = __ddiv_rn(__dsub_rn(m, 1.0), __dadd_rn(m, 1.0)), s = __dmul_rn(f, f);
  const double artanh = series(s, 1.0 / 21, 1.0 / 19, 1.0 / 17, 1.0 / 15, 1.0 / 13, 1.0 / 11, 1.0 / 9, 1.0 / 7, 1.0 / 5, 1.0 / 3, 1.0);
  const double logarithm = __dadd_rn(__dmul_rn(e, 0.69314718055994531), __dmul_rn(__dmul_rn(f, 2.0), artanh));
  const double radius = ::sqrt(__dmul_rn(logarithm, -2.0));
  // 4 u1 = q + t with |t| <= 1/2; the angle in its quadrant is t π/2
  const double turns = __dmul_rn(u1, 4.0), whole = __dadd_rn(turns, shift), t = __dsub_rn(turns, __dsub_rn(whole, shift));
  const double x = __dmul_rn(t, 1.5707963267948966), z = __dmul_rn(x, x);
  const double sine = __dmul_rn(x, series(z, 1.0 / 355687428096000.0, -1.0 / 1307674368000.0, 1.0 / 6227020800.0, -1.0 / 39916800,
                                          1.0 / 362880, -1.0 / 5040, 1.0 / 120, -1.0 / 6, 1.0));
  const double cosine = series(z, 1.0 / 20922789888000.0, -1.0 / 87178291200.0, 1.0 / 479001600, -1.0 / 3628800, 1.0 / 40320, -1.0 / 720,
                               1.0 / 24, -0.5, 1.0);
  const uint64_t quadrant = std::bit_cast<uint64_t>(whole);
  const double by_cosine = quadrant & 1 ? sine : cosine, by_sine = quadrant & 1 ? cosine : sine;
  first = __dmul_rn(radius, (quadrant + 1) & 2 ? -by_cosine : by_cosine);
  second = __dmul_rn(radius, quadrant & 2 ? -by_sine : by_sine);
}

/** The normal numbers of a block's four words. */
__device__ inline void normals(const Words& words, double (&z)[4]) {
  box_muller(words.at[0], words.at[1], z[0], z[1]);
  box_muller(words.at[2], words.at[3], z[2], z[3]);
}

}  // namespace weft::cuda
