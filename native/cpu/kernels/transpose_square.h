// Transposes a square of floats in registers. The packing of matrices and the products with a short side use it.
#pragma once
#include "simd.h"

namespace weft::cpu::WEFT_ISA {

/** Interleaves two vectors. `half` 0 gives a0 b0 a1 b1 ... of their lower halves, 1 the same of their upper halves. */
template <int half> WEFT_INLINE Vec interleave(Vec a, Vec b) {
#if WEFT_LEVEL == 2
  const IVec order = half == 0 ? IVec{0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23}
                               : IVec{8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
  return _mm512_permutex2var_ps(a, (__m512i)order, b);
#elif WEFT_LEVEL == 1
  const __m256 low = _mm256_unpacklo_ps(a, b), high = _mm256_unpackhi_ps(a, b);
  return half == 0 ? _mm256_permute2f128_ps(low, high, 0x20) : _mm256_permute2f128_ps(low, high, 0x31);
#else
  return half == 0 ? Vec{a[0], b[0], a[1], b[1]} : Vec{a[2], b[2], a[3], b[3]};
#endif
}

#if WEFT_LEVEL == 1

/** Transposes 8 x 8 floats in registers. Single lanes are interleaved first, then pairs, then halves of vectors. */
WEFT_INLINE void transpose_square(Vec* v) {
  Vec pair[width], four[width];
#pragma GCC unroll 4
  for (int i = 0; i < width; i += 2) {
    pair[i] = _mm256_unpacklo_ps(v[i], v[i + 1]);
    pair[i + 1] = _mm256_unpackhi_ps(v[i], v[i + 1]);
  }
#pragma GCC unroll 2
  for (int i = 0; i < width; i += 4) {
    four[i] = _mm256_shuffle_ps(pair[i], pair[i + 2], 0x44);
    four[i + 1] = _mm256_shuffle_ps(pair[i], pair[i + 2], 0xee);
    four[i + 2] = _mm256_shuffle_ps(pair[i + 1], pair[i + 3], 0x44);
    four[i + 3] = _mm256_shuffle_ps(pair[i + 1], pair[i + 3], 0xee);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; i++) {
    v[i] = _mm256_permute2f128_ps(four[i], four[i + 4], 0x20);
    v[i + 4] = _mm256_permute2f128_ps(four[i], four[i + 4], 0x31);
  }
}

#else

/** Transposes width x width floats in registers by interleaving the vectors log2(width) times. */
WEFT_INLINE void transpose_square(Vec* v) {
  Vec w[width];
#pragma GCC unroll 4
  for (int step = 1; step < width; step *= 2) {
#pragma GCC unroll 8
    for (int i = 0; i < width / 2; i++) {
      w[2 * i] = interleave<0>(v[i], v[i + width / 2]);
      w[2 * i + 1] = interleave<1>(v[i], v[i + width / 2]);
    }
#pragma GCC unroll 16
    for (int i = 0; i < width; i++) v[i] = w[i];
  }
}

#endif

}  // namespace weft::cpu::WEFT_ISA
