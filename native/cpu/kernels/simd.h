// Float vectors at one of three instruction sets. Each kernel file is compiled once per WEFT_LEVEL. Everything in a
// kernel file lives in the namespace weft::cpu::WEFT_ISA: the same inline function or template, compiled for two
// instruction sets, must have two names.
#pragma once
#include <cstdint>
#include <cstring>
#include <utility>

#include "dtype.h"

#ifndef WEFT_LEVEL
#define WEFT_LEVEL 0
#endif

#if WEFT_LEVEL == 0
#define WEFT_ISA portable
#elif WEFT_LEVEL == 1
#define WEFT_ISA avx2
#else
#define WEFT_ISA avx512
#endif
#if WEFT_LEVEL > 0
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"  // g++ 12 warns of its own AVX-512 header
#ifndef __clang__
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>
#pragma GCC diagnostic pop
#endif
#define WEFT_INLINE inline __attribute__((always_inline))

namespace weft::cpu::WEFT_ISA {

#if WEFT_LEVEL == 0
constexpr int width = 4;
#elif WEFT_LEVEL == 1
constexpr int width = 8;
#else
constexpr int width = 16;
#endif

/** `width` floats and as many 32-bit integers. The operators + - * / (and & | << >> of IVec) work lane by lane. */
typedef float Vec __attribute__((vector_size(4 * width)));
typedef int32_t IVec __attribute__((vector_size(4 * width)));
#if WEFT_LEVEL == 2
using Mask = __mmask16;
#else
using Mask = IVec;  // all ones or all zeros in each lane
#endif

WEFT_INLINE IVec bits_of(Vec v) { return (IVec)v; }
WEFT_INLINE Vec float_of(IVec bits) { return (Vec)bits; }
WEFT_INLINE Vec broadcast(float f) { return f - Vec{}; }  // f - 0 keeps -0, and the compiler drops it
WEFT_INLINE Vec zero() { return Vec{}; }
WEFT_INLINE IVec broadcast_integer(int32_t i) { return IVec{} + i; }
/** The number of each lane: 0, 1, 2, ... */
WEFT_INLINE Vec ramp() {
#if WEFT_LEVEL == 0
  return Vec{0, 1, 2, 3};
#elif WEFT_LEVEL == 1
  return Vec{0, 1, 2, 3, 4, 5, 6, 7};
#else
  return Vec{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
#endif
}

WEFT_INLINE Vec load(const float* p) {
  Vec v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
WEFT_INLINE void store(float* p, Vec v) { std::memcpy(p, &v, sizeof v); }

#if WEFT_LEVEL == 2

/** The first n lanes, 0 <= n <= width. */
WEFT_INLINE Mask first_lanes(int n) { return Mask((1u << n) - 1u); }
/** Reads the lanes of the mask from memory. The other lanes are zero, and their memory is not touched. */
WEFT_INLINE Vec load_masked(const float* p, Mask m) { return _mm512_maskz_loadu_ps(m, p); }
WEFT_INLINE void store_masked(float* p, Vec v, Mask m) { _mm512_mask_storeu_ps(p, m, v); }
/** Whether a mask of first lanes holds every lane. */
WEFT_INLINE bool all_lanes(Mask m) { return m == 0xffff; }
WEFT_INLINE Vec fma(Vec a, Vec b, Vec c) { return _mm512_fmadd_ps(a, b, c); }
/** a > b ? a : b. Where a or b is NaN, the result is b. */
WEFT_INLINE Vec max(Vec a, Vec b) { return _mm512_max_ps(a, b); }
/** a < b ? a : b. Where a or b is NaN, the result is b. */
WEFT_INLINE Vec min(Vec a, Vec b) { return _mm512_min_ps(a, b); }
WEFT_INLINE Vec sqrt(Vec a) { return _mm512_sqrt_ps(a); }
/** Rounds to the nearest integer, and halves to the even one. */
WEFT_INLINE Vec round(Vec a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
WEFT_INLINE Vec floor(Vec a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC); }
WEFT_INLINE Mask greater(Vec a, Vec b) { return _mm512_cmp_ps_mask(a, b, _CMP_GT_OQ); }
WEFT_INLINE Mask equal(Vec a, Vec b) { return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ); }
WEFT_INLINE Mask unordered(Vec a, Vec b) { return _mm512_cmp_ps_mask(a, b, _CMP_UNORD_Q); }
WEFT_INLINE Vec select(Mask m, Vec a, Vec b) { return _mm512_mask_blend_ps(m, b, a); }
/** Converts lanes that hold whole numbers to int32. */
WEFT_INLINE IVec to_integer(Vec v) { return (IVec)_mm512_cvtps_epi32(v); }
WEFT_INLINE Vec to_float(IVec v) { return _mm512_cvtepi32_ps((__m512i)v); }
/** Reads `width` bytes and converts them to floats. */
WEFT_INLINE Vec load_bytes(const uint8_t* p) {
  return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
}
WEFT_INLINE void store_bytes(uint8_t* p, Vec v) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(v)));
}

#else

WEFT_INLINE Mask first_lanes(int n) {
  return bits_of(ramp()) < bits_of(broadcast(float(n)));
}  // the bits of floats >= 0 have the order of the floats
WEFT_INLINE Mask greater(Vec a, Vec b) { return (Mask)(a > b); }
WEFT_INLINE Mask equal(Vec a, Vec b) { return (Mask)(a == b); }

#if WEFT_LEVEL == 1

WEFT_INLINE Vec load_masked(const float* p, Mask m) { return _mm256_maskload_ps(p, (__m256i)m); }
/**
 * Stores the lanes of m, a mask of first lanes. The masked store of AVX2 takes 11 to 24 cycles on AMD's processors. A
 * store of a whole vector, or of 4, 2 or 1 lanes, takes one or two cycles. So the lanes are stored by such stores.
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
WEFT_INLINE bool all_lanes(Mask m) { return _mm256_movemask_ps((__m256)m) == 255; }
WEFT_INLINE Mask unordered(Vec a, Vec b) { return (Mask)_mm256_cmp_ps(a, b, _CMP_UNORD_Q); }
WEFT_INLINE Vec select(Mask m, Vec a, Vec b) { return _mm256_blendv_ps(b, a, (__m256)m); }
WEFT_INLINE Vec fma(Vec a, Vec b, Vec c) { return _mm256_fmadd_ps(a, b, c); }
WEFT_INLINE Vec max(Vec a, Vec b) { return _mm256_max_ps(a, b); }
WEFT_INLINE Vec min(Vec a, Vec b) { return _mm256_min_ps(a, b); }
WEFT_INLINE Vec sqrt(Vec a) { return _mm256_sqrt_ps(a); }
WEFT_INLINE Vec round(Vec a) { return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
WEFT_INLINE Vec floor(Vec a) { return _mm256_round_ps(a, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC); }
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

#else

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
WEFT_INLINE Mask unordered(Vec a, Vec b) { return (Mask)(a != a) | (Mask)(b != b); }
WEFT_INLINE Vec select(Mask m, Vec a, Vec b) { return float_of((m & bits_of(a)) | (~m & bits_of(b))); }
WEFT_INLINE Vec fma(Vec a, Vec b, Vec c) { return a * b + c; }
WEFT_INLINE Vec max(Vec a, Vec b) { return select(greater(a, b), a, b); }
WEFT_INLINE Vec min(Vec a, Vec b) { return select(greater(b, a), a, b); }
WEFT_INLINE Vec sqrt(Vec a) {
  Vec r;
  for (int i = 0; i < width; i++) r[i] = __builtin_sqrtf(a[i]);
  return r;
}
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
WEFT_INLINE Vec to_float(IVec v) { return __builtin_convertvector(v, Vec); }
WEFT_INLINE Vec load_bytes(const uint8_t* p) { return Vec{float(p[0]), float(p[1]), float(p[2]), float(p[3])}; }
WEFT_INLINE void store_bytes(uint8_t* p, Vec v) {
  for (int i = 0; i < width; i++) p[i] = uint8_t(v[i]);
}

#endif
#endif

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
