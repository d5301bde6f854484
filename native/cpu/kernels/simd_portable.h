// 4 floats or 2 doubles without intrinsics, for processors that no other file knows. simd.h says what each function
// does.
#pragma once
#include <cmath>

#include "simd_128.h"

namespace weft::cpu::WEFT_ISA {

constexpr bool fused_multiply_add = false;

WEFT_INLINE Vec fma(Vec a, Vec b, Vec c) { return a * b + c; }
WEFT_INLINE DoubleVec fma(DoubleVec a, DoubleVec b, DoubleVec c) { return a * b + c; }
WEFT_INLINE Vec sqrt(Vec a) {
  Vec r;
  for (int i = 0; i < width; i++) r[i] = __builtin_sqrtf(a[i]);
  return r;
}
WEFT_INLINE DoubleVec sqrt(DoubleVec a) {
  for (int i = 0; i < width / 2; i++) a[i] = std::sqrt(a[i]);
  return a;
}
WEFT_INLINE Vec multiplied_root(Vec a) { return sqrt(a); }
WEFT_INLINE Vec round(Vec a) {  // floats from 2^23 on have no fraction: adding 2^23 rounds, halves to even
  const IVec sign = bits_of(a) & broadcast_integer(INT32_MIN);
  const Vec size = float_of(bits_of(a) & broadcast_integer(INT32_MAX)), big = broadcast(8388608.0f);
  const Vec rounded = float_of(bits_of((size + big) - big) | sign);
  return select(greater(big, size), rounded, a);
}
WEFT_INLINE Vec floor(Vec a) {
  const Vec r = round(a);
  return select(greater(r, a), r - 1.0f, r);
}
WEFT_INLINE IVec to_integer(Vec v) { return __builtin_convertvector(v, IVec); }

inline int64_t widen_halves(const Float16*, float*, int64_t) { return 0; }
inline int64_t narrow_halves(const float*, Float16*, int64_t) { return 0; }

WEFT_INLINE DoubleVec hidden(DoubleVec v) {
#ifdef __x86_64__
  asm("" : "+x"(v));
#else
  asm("" : "+m"(v));
#endif
  return v;
}

}  // namespace weft::cpu::WEFT_ISA
