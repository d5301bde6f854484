// Masks that are vectors of integers: all ones or all zeros in each lane. AVX2, NEON and the portable level have them.
// simd.h says what each function does.
#pragma once

namespace weft::cpu::WEFT_ISA {

constexpr bool has_pairs = false;

using Mask = IVec;
using DoubleMask = LongVec;
// the bits of floats >= 0 have the order of the floats
WEFT_INLINE Mask first_lanes(int n) { return bits_of(ramp()) < bits_of(broadcast(float(n))); }
WEFT_INLINE DoubleMask first_double_lanes(int n) {
  DoubleMask m{};
  for (int i = 0; i < n; i++) m[i] = -1;
  return m;
}
WEFT_INLINE bool all_lanes(DoubleMask m) { return m[width / 2 - 1] != 0; }

WEFT_INLINE Mask greater(Vec a, Vec b) { return (Mask)(a > b); }
WEFT_INLINE Mask equal(Vec a, Vec b) { return (Mask)(a == b); }
WEFT_INLINE DoubleMask greater(DoubleVec a, DoubleVec b) { return (DoubleMask)(a > b); }
WEFT_INLINE DoubleMask equal(DoubleVec a, DoubleVec b) { return (DoubleMask)(a == b); }
WEFT_INLINE DoubleMask unordered(DoubleVec a, DoubleVec b) { return (DoubleMask)(a != a) | (DoubleMask)(b != b); }
WEFT_INLINE DoubleVec select(DoubleMask m, DoubleVec a, DoubleVec b) { return (DoubleVec)((m & (LongVec)a) | (~m & (LongVec)b)); }
WEFT_INLINE bool every(Mask m) {
  int32_t all = -1;
  for (int i = 0; i < width; i++) all &= m[i];
  return all != 0;
}

WEFT_INLINE IVec to_integer(Vec v);
/** 2^n as a product of two powers that floats can hold. */
WEFT_INLINE Vec scale(Vec v, Vec n) {
  const IVec i = to_integer(n), half = i >> 1, rest = i - half, bias = broadcast_integer(127);
  return v * float_of((half + bias) << 23) * float_of((rest + bias) << 23);
}
WEFT_INLINE Vec reciprocal(Vec v) { return broadcast(1.0f) / v; }

}  // namespace weft::cpu::WEFT_ISA
