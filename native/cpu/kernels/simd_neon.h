// NEON: 4 floats or 2 doubles, the vectors that every 64-bit ARM processor has. simd.h says what each function does.
#pragma once
#include <arm_neon.h>

#include "simd_128.h"

namespace weft::cpu::WEFT_ISA {

constexpr bool fused_multiply_add = true;

WEFT_INLINE Vec fma(Vec a, Vec b, Vec c) { return vfmaq_f32(c, a, b); }
WEFT_INLINE DoubleVec fma(DoubleVec a, DoubleVec b, DoubleVec c) { return vfmaq_f64(c, a, b); }
WEFT_INLINE Vec sqrt(Vec a) { return vsqrtq_f32(a); }
WEFT_INLINE DoubleVec sqrt(DoubleVec a) { return vsqrtq_f64(a); }
WEFT_INLINE Vec multiplied_root(Vec a) { return sqrt(a); }
WEFT_INLINE Vec round(Vec a) { return vrndnq_f32(a); }
WEFT_INLINE Vec floor(Vec a) { return vrndmq_f32(a); }
WEFT_INLINE IVec to_integer(Vec v) { return vcvtnq_s32_f32(v); }

inline int64_t widen_halves(const Float16* x, float* y, int64_t n) {
  int64_t i = 0;
  for (; i + 4 <= n; i += 4) vst1q_f32(y + i, vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(reinterpret_cast<const uint16_t*>(x + i)))));
  return i;
}
inline int64_t narrow_halves(const float* x, Float16* y, int64_t n) {
  int64_t i = 0;
  for (; i + 4 <= n; i += 4) vst1_u16(reinterpret_cast<uint16_t*>(y + i), vreinterpret_u16_f16(vcvt_f16_f32(vld1q_f32(x + i))));
  return i;
}

WEFT_INLINE DoubleVec hidden(DoubleVec v) {
  asm("" : "+w"(v));
  return v;
}

}  // namespace weft::cpu::WEFT_ISA
