// What NEON and the portable level share: 4 floats or 2 doubles without masked instructions. simd.h says what each
// function does.
#pragma once
#include "simd_masks.h"

namespace weft::cpu::WEFT_ISA {

// A mask of first lanes that holds the last lane is whole. In any other mask the last lane is never set, so the loops
// below end before it.
WEFT_INLINE bool all_lanes(Mask m) { return m[width - 1] != 0; }
inline __attribute__((noinline)) Vec load_first(const float* p, Mask m) {
  Vec v{};
  for (int i = 0; i < width - 1 && m[i]; i++) v[i] = p[i];
  return v;
}
inline __attribute__((noinline)) void store_first(float* p, Vec v, Mask m) {
  for (int i = 0; i < width - 1 && m[i]; i++) p[i] = v[i];
}
WEFT_INLINE Vec load_masked(const float* p, Mask m) { return all_lanes(m) ? load(p) : load_first(p, m); }
WEFT_INLINE void store_masked(float* p, Vec v, Mask m) {
  if (all_lanes(m)) store(p, v);
  else store_first(p, v, m);
}
WEFT_INLINE DoubleVec load_masked(const double* p, DoubleMask m) { return m[1] ? load(p) : m[0] ? DoubleVec{*p} : DoubleVec{}; }
WEFT_INLINE void store_masked(double* p, DoubleVec v, DoubleMask m) {
  if (m[1]) store(p, v);
  else if (m[0]) *p = v[0];
}

WEFT_INLINE Mask unordered(Vec a, Vec b) { return (Mask)(a != a) | (Mask)(b != b); }
WEFT_INLINE Vec select(Mask m, Vec a, Vec b) { return float_of((m & bits_of(a)) | (~m & bits_of(b))); }
WEFT_INLINE Vec max(Vec a, Vec b) { return select(greater(a, b), a, b); }
WEFT_INLINE Vec min(Vec a, Vec b) { return select(greater(b, a), a, b); }

WEFT_INLINE Vec to_float(IVec v) { return __builtin_convertvector(v, Vec); }
WEFT_INLINE Vec load_bytes(const uint8_t* p) { return Vec{float(p[0]), float(p[1]), float(p[2]), float(p[3])}; }
WEFT_INLINE void store_bytes(uint8_t* p, Vec v) {
  for (int i = 0; i < width; i++) p[i] = uint8_t(v[i]);
}

}  // namespace weft::cpu::WEFT_ISA
