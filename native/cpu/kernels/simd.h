// Float vectors at one of several instruction sets. Each kernel file is compiled once per WEFT_LEVEL. Everything in a
// kernel file lives in the namespace weft::cpu::WEFT_ISA: the same inline function or template, compiled for two
// instruction sets, must have two names. What differs between instruction sets stands in simd_avx512.h, simd_avx2.h,
// simd_neon.h and simd_portable.h, and is chosen here.
#pragma once
#include <cstdint>
#include <cstring>
#include <utility>

#include "dtype.h"

#ifndef WEFT_LEVEL
#define WEFT_LEVEL 0
#endif

#if WEFT_LEVEL == 2
#define WEFT_ISA avx512
#define WEFT_VECTORS "simd_avx512.h"
#elif WEFT_LEVEL == 1
#define WEFT_ISA avx2
#define WEFT_VECTORS "simd_avx2.h"
#else
#define WEFT_ISA portable
#ifdef __aarch64__
#define WEFT_VECTORS "simd_neon.h"
#else
#define WEFT_VECTORS "simd_portable.h"
#endif
#endif
#define WEFT_INLINE inline __attribute__((always_inline))

namespace weft::cpu::WEFT_ISA {

constexpr int width_of_levels[] = {4, 8, 16};
constexpr int width = width_of_levels[WEFT_LEVEL];

/** `width` floats and as many 32-bit integers. The operators + - * / (and & | << >> of IVec) work lane by lane. */
typedef float Vec __attribute__((vector_size(4 * width)));
typedef int32_t IVec __attribute__((vector_size(4 * width)));
/** Half as many doubles and 64-bit integers. */
typedef double DoubleVec __attribute__((vector_size(4 * width)));
typedef int64_t LongVec __attribute__((vector_size(4 * width)));

WEFT_INLINE IVec bits_of(Vec v) { return (IVec)v; }
WEFT_INLINE Vec float_of(IVec bits) { return (Vec)bits; }
WEFT_INLINE Vec broadcast(float f) { return f - Vec{}; }  // f - 0 keeps -0, and the compiler drops it
WEFT_INLINE Vec zero() { return Vec{}; }
WEFT_INLINE IVec broadcast_integer(int32_t i) { return IVec{} + i; }
template <int... lane> WEFT_INLINE Vec ramp(std::integer_sequence<int, lane...>) { return Vec{float(lane)...}; }
/** The number of each lane: 0, 1, 2, ... */
WEFT_INLINE Vec ramp() { return ramp(std::make_integer_sequence<int, width>()); }

WEFT_INLINE Vec load(const float* p) {
  Vec v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
WEFT_INLINE void store(float* p, Vec v) { std::memcpy(p, &v, sizeof v); }
WEFT_INLINE DoubleVec load(const double* p) {
  DoubleVec v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
WEFT_INLINE void store(double* p, DoubleVec v) { std::memcpy(p, &v, sizeof v); }

}  // namespace weft::cpu::WEFT_ISA

// Each of these files defines, for float and double lanes where both make sense:
//   Mask, DoubleMask                  which lanes a masked access touches, or for which lanes a comparison holds
//   first_lanes(n)                    the mask of the first n lanes of floats, 0 <= n <= width
//   first_double_lanes(n)             the same for doubles
//   all_lanes(m)                      whether a mask of first lanes holds every lane
//   load_masked(p, m) the lanes of m from memory; the other lanes are zero, and their memory is untouched
//   store_masked(p, v, m)             stores the lanes of m, a mask of first lanes
//   fma(a, b, c)                      a * b + c; with one rounding where fused_multiply_add is true
//   max(a, b), min(a, b)              a > b ? a : b and a < b ? a : b; where a or b is NaN, the result is b
//   sqrt(a)                           correctly rounded
//   multiplied_root(a)                the same of floats from 2^-100 on, 0 and infinity; quicker beside divisions
//   round(a), floor(a)                to the nearest integer, halves to the even one; to the next lower integer
//   greater, equal, unordered(a, b)   comparisons; `unordered` holds where a or b is NaN
//   every(m)                          whether a comparison holds for all lanes
//   select(m, a, b)                   a where m holds, b elsewhere
//   to_integer(v), to_float(v)        lanes that hold whole numbers to int32, and int32 to float
//   load_bytes(p), store_bytes(p, v)  `width` bytes as floats, and back
//   scale(v, n) v * 2^n for whole n in [-252, 254]: large results become infinity, small subnormal
//   reciprocal(v)                     1 / v for v from 2^-100 to 2^100, within 1 unit in the last place
//   hidden(v)                         v; the compiler does not see that it is v, and cannot fuse across it
//   widen_halves(x, y, n)             converts the first elements of n from float16; returns how many it did
//   narrow_halves(x, y, n)            the same to float16
#include WEFT_VECTORS

namespace weft::cpu::WEFT_ISA {

WEFT_INLINE Vec abs(Vec a) { return float_of(bits_of(a) & broadcast_integer(INT32_MAX)); }
WEFT_INLINE Vec negate(Vec a) { return float_of(bits_of(a) ^ broadcast_integer(INT32_MIN)); }
/** The absolute value of a with the sign of b. */
WEFT_INLINE Vec with_sign(Vec a, Vec b) { return float_of(bits_of(abs(a)) | (bits_of(b) & broadcast_integer(INT32_MIN))); }
WEFT_INLINE Mask less(Vec a, Vec b) { return greater(b, a); }

/** Reads the first n lanes, 0 <= n < width. The other lanes are zero. */
WEFT_INLINE Vec load_partial(const float* p, int n) { return load_masked(p, first_lanes(n)); }
WEFT_INLINE void store_partial(float* p, Vec v, int n) { store_masked(p, v, first_lanes(n)); }
WEFT_INLINE Vec load_bytes_partial(const uint8_t* p, int n) {
  uint8_t bytes[width] = {};
  for (int i = 0; i < n; i++) bytes[i] = p[i];
  return load_bytes(bytes);
}
WEFT_INLINE void store_bytes_partial(uint8_t* p, Vec v, int n) {
  uint8_t bytes[width];
  store_bytes(bytes, v);
  for (int i = 0; i < n; i++) p[i] = bytes[i];
}

/** Moves each lane `distance` places towards the front. Lanes that leave the front come in at the end. */
template <int distance, int... lane> WEFT_INLINE Vec rotate(Vec v, std::integer_sequence<int, lane...>) {
  return __builtin_shufflevector(v, v, ((lane + distance) % width)...);
}
template <int distance> WEFT_INLINE Vec rotate(Vec v) { return rotate<distance>(v, std::make_integer_sequence<int, width>()); }

/** The sum of all lanes. The two halves of the vector are added, then the two halves of that, and so on. */
WEFT_INLINE float sum(Vec v) {
  if constexpr (width > 8) v += rotate<8>(v);
  if constexpr (width > 4) v += rotate<4>(v);
  v += rotate<2>(v);
  v += rotate<1>(v);
  return v[0];
}
/** The largest lane. A NaN may be passed over. */
WEFT_INLINE float largest(Vec v) {
  if constexpr (width > 8) v = max(v, rotate<8>(v));
  if constexpr (width > 4) v = max(v, rotate<4>(v));
  v = max(v, rotate<2>(v));
  v = max(v, rotate<1>(v));
  return v[0];
}

}  // namespace weft::cpu::WEFT_ISA

#include "simd_math.h"
