// AVX2 with FMA and F16C: 8 floats or 4 doubles. simd.h says what each function does.
#pragma once
#include "simd_x86.h"
// in this order
#include "simd_masks.h"

namespace weft::cpu::WEFT_ISA {

constexpr bool fused_multiply_add = true;

WEFT_INLINE bool all_lanes(Mask m) { return _mm256_movemask_ps((__m256)m) == 255; }

WEFT_INLINE Vec load_masked(const float* p, Mask m) { return _mm256_maskload_ps(p, (__m256i)m); }
/**
 * The masked store of AVX2 takes 11 to 24 cycles on AMD's processors. A store of a whole vector, or of 4, 2 or 1 lanes,
 * takes one or two cycles. So the lanes are stored by such stores.
 */
WEFT_INLINE void store_masked(float* p, Vec v, Mask m) {
  int lanes = _mm256_movemask_ps((__m256)m);
  if (lanes == 255) {
    store(p, v);
    return;
  }
  __m128 rest = _mm256_castps256_ps128(v);
  if (lanes & 8) {
    _mm_storeu_ps(p, rest);
    rest = _mm256_extractf128_ps(v, 1);
    p += 4, lanes >>= 4;
  }
  if (lanes & 2) {
    _mm_storel_pi(reinterpret_cast<__m64*>(p), rest);
    rest = _mm_movehl_ps(rest, rest);
    p += 2, lanes >>= 2;
  }
  if (lanes & 1) _mm_store_ss(p, rest);
}
WEFT_INLINE DoubleVec load_masked(const double* p, DoubleMask m) { return _mm256_maskload_pd(p, (__m256i)m); }
WEFT_INLINE void store_masked(double* p, DoubleVec v, DoubleMask m) { _mm256_maskstore_pd(p, (__m256i)m, v); }

WEFT_INLINE Vec fma(Vec a, Vec b, Vec c) { return _mm256_fmadd_ps(a, b, c); }
WEFT_INLINE DoubleVec fma(DoubleVec a, DoubleVec b, DoubleVec c) { return _mm256_fmadd_pd(a, b, c); }
WEFT_INLINE Vec max(Vec a, Vec b) { return _mm256_max_ps(a, b); }
WEFT_INLINE Vec min(Vec a, Vec b) { return _mm256_min_ps(a, b); }
WEFT_INLINE Vec sqrt(Vec a) { return _mm256_sqrt_ps(a); }
WEFT_INLINE DoubleVec sqrt(DoubleVec a) { return _mm256_sqrt_pd(a); }
WEFT_INLINE Vec round(Vec a) { return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
WEFT_INLINE Vec floor(Vec a) { return _mm256_round_ps(a, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC); }

WEFT_INLINE Vec multiplied_root(Vec v) { return sqrt(v); }

WEFT_INLINE Mask unordered(Vec a, Vec b) { return (Mask)_mm256_cmp_ps(a, b, _CMP_UNORD_Q); }
WEFT_INLINE Vec select(Mask m, Vec a, Vec b) { return _mm256_blendv_ps(b, a, (__m256)m); }

WEFT_INLINE IVec to_integer(Vec v) { return (IVec)_mm256_cvtps_epi32(v); }
WEFT_INLINE Vec to_float(IVec v) { return _mm256_cvtepi32_ps((__m256i)v); }
WEFT_INLINE Vec load_bytes(const uint8_t* p) {
  return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))));
}
WEFT_INLINE void store_bytes(uint8_t* p, Vec v) {
  const __m256i i = _mm256_cvtps_epi32(v);
  const __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(i), _mm256_extracti128_si256(i, 1));
  _mm_storel_epi64(reinterpret_cast<__m128i*>(p), _mm_packus_epi16(words, words));
}
inline int64_t widen_halves(const Float16* x, float* y, int64_t n) {
  int64_t i = 0;
  for (; i + 8 <= n; i += 8) _mm256_storeu_ps(y + i, _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(x + i))));
  return i;
}
inline int64_t narrow_halves(const float* x, Float16* y, int64_t n) {
  int64_t i = 0;
  for (; i + 8 <= n; i += 8)
    _mm_storeu_si128(reinterpret_cast<__m128i*>(y + i), _mm256_cvtps_ph(_mm256_loadu_ps(x + i), _MM_FROUND_TO_NEAREST_INT));
  return i;
}

WEFT_INLINE DoubleVec hidden(DoubleVec v) {
  asm("" : "+x"(v));
  return v;
}

}  // namespace weft::cpu::WEFT_ISA
