// AVX-512 (F, BW, CD, DQ, VL): 16 floats or 8 doubles, and masks of one bit per lane. simd.h says what each function
// does.
#pragma once
#include "simd_x86.h"

namespace weft::cpu::WEFT_ISA {

constexpr bool fused_multiply_add = true;
/**
 * Whether there is a micro-kernel on pairs of bfloat16 (bfloat16_kernel.h). Not every processor of the level runs it.
 */
constexpr bool has_pairs = true;

using Mask = __mmask16;
using DoubleMask = __mmask8;
WEFT_INLINE Mask first_lanes(int n) { return Mask((1u << n) - 1u); }
WEFT_INLINE DoubleMask first_double_lanes(int n) { return DoubleMask((1u << n) - 1u); }
WEFT_INLINE bool all_lanes(Mask m) { return m == 0xffff; }
WEFT_INLINE bool all_lanes(DoubleMask m) { return m == 0xff; }
WEFT_INLINE bool every(Mask m) { return m == 0xffff; }

WEFT_INLINE Vec load_masked(const float* p, Mask m) { return _mm512_maskz_loadu_ps(m, p); }
WEFT_INLINE void store_masked(float* p, Vec v, Mask m) { _mm512_mask_storeu_ps(p, m, v); }
WEFT_INLINE DoubleVec load_masked(const double* p, DoubleMask m) { return _mm512_maskz_loadu_pd(m, p); }
WEFT_INLINE void store_masked(double* p, DoubleVec v, DoubleMask m) { _mm512_mask_storeu_pd(p, m, v); }

WEFT_INLINE Vec fma(Vec a, Vec b, Vec c) { return _mm512_fmadd_ps(a, b, c); }
WEFT_INLINE DoubleVec fma(DoubleVec a, DoubleVec b, DoubleVec c) { return _mm512_fmadd_pd(a, b, c); }
WEFT_INLINE Vec max(Vec a, Vec b) { return _mm512_max_ps(a, b); }
WEFT_INLINE Vec min(Vec a, Vec b) { return _mm512_min_ps(a, b); }
WEFT_INLINE Vec sqrt(Vec a) { return _mm512_sqrt_ps(a); }
WEFT_INLINE DoubleVec sqrt(DoubleVec a) { return _mm512_sqrt_pd(a); }
WEFT_INLINE Vec round(Vec a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
WEFT_INLINE Vec floor(Vec a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC); }
WEFT_INLINE Vec scale(Vec v, Vec n) { return _mm512_scalef_ps(v, n); }
/** Faster than a division: the processor has a good estimate. */
WEFT_INLINE Vec reciprocal(Vec v) {
  const Vec estimate = _mm512_rcp14_ps(v);
  return fma(estimate, fma(-v, estimate, broadcast(1.0f)), estimate);
}

/**
 * Goldschmidt's iteration for the root and half of its reciprocal, and a last step by what the square still lacks.
 * Zeros and infinity have no estimate: they are their own roots.
 */
WEFT_INLINE Vec multiplied_root(Vec v) {
  const Vec estimate = _mm512_rsqrt14_ps(v);
  Vec root = v * estimate, half = estimate * 0.5f;
  const Vec lacking = fma(-root, half, broadcast(0.5f));
  root = fma(root, lacking, root);
  half = fma(half, lacking, half);
  root = fma(fma(-root, root, v), half, root);
  constexpr int zeros_and_infinity = 0x02 | 0x04 | 0x08;
  return _mm512_mask_mov_ps(root, _mm512_fpclass_ps_mask(v, zeros_and_infinity), v);
}

WEFT_INLINE Mask greater(Vec a, Vec b) { return _mm512_cmp_ps_mask(a, b, _CMP_GT_OQ); }
WEFT_INLINE Mask equal(Vec a, Vec b) { return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ); }
WEFT_INLINE Mask unordered(Vec a, Vec b) { return _mm512_cmp_ps_mask(a, b, _CMP_UNORD_Q); }
WEFT_INLINE Vec select(Mask m, Vec a, Vec b) { return _mm512_mask_blend_ps(m, b, a); }
WEFT_INLINE DoubleMask greater(DoubleVec a, DoubleVec b) { return _mm512_cmp_pd_mask(a, b, _CMP_GT_OQ); }
WEFT_INLINE DoubleMask equal(DoubleVec a, DoubleVec b) { return _mm512_cmp_pd_mask(a, b, _CMP_EQ_OQ); }
WEFT_INLINE DoubleMask unordered(DoubleVec a, DoubleVec b) { return _mm512_cmp_pd_mask(a, b, _CMP_UNORD_Q); }
WEFT_INLINE DoubleVec select(DoubleMask m, DoubleVec a, DoubleVec b) { return _mm512_mask_blend_pd(m, b, a); }

WEFT_INLINE IVec to_integer(Vec v) { return (IVec)_mm512_cvtps_epi32(v); }
WEFT_INLINE Vec to_float(IVec v) { return _mm512_cvtepi32_ps((__m512i)v); }
WEFT_INLINE Vec load_bytes(const uint8_t* p) {
  return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
}
WEFT_INLINE void store_bytes(uint8_t* p, Vec v) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(v)));
}
inline int64_t widen_halves(const Float16* x, float* y, int64_t n) {
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) _mm512_storeu_ps(y + i, _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(x + i))));
  return i;
}
inline int64_t narrow_halves(const float* x, Float16* y, int64_t n) {
  int64_t i = 0;
  for (; i + 16 <= n; i += 16)
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(y + i), _mm512_cvtps_ph(_mm512_loadu_ps(x + i), _MM_FROUND_TO_NEAREST_INT));
  return i;
}

WEFT_INLINE DoubleVec hidden(DoubleVec v) {
  asm("" : "+v"(v));
  return v;
}

}  // namespace weft::cpu::WEFT_ISA
