// What kernels of quantized values share: how floats become steps of a scale, and ranges.
#pragma once
#include <cmath>
#include <limits>

#include "chunks.h"

namespace weft::cpu::WEFT_ISA {

/** v, which the compiler cannot fuse with what reads it: results are rounded alike on every level and device. */
WEFT_INLINE Vec rounded(Vec v) {
#if defined(__x86_64__)
  asm("" : "+x"(v));
#elif defined(__aarch64__)
  asm("" : "+w"(v));
#endif
  return v;
}

/** clamp(round_half_even(x / scale), low, high) as integers. NaN gives 0. */
WEFT_INLINE IVec steps_of(Vec x, Vec scale, Vec low, Vec high) {
  const Vec quotient = x / scale;
  return to_integer(min(max(round(select(unordered(quotient, quotient), zero(), quotient)), low), high));
}
/** Stores the low bytes of the lanes. */
WEFT_INLINE void store_low_bytes(uint8_t* to, IVec v) {
#if WEFT_LEVEL == 2
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm512_cvtepi32_epi8((__m512i)v));
#elif WEFT_LEVEL == 1
  const __m256i bytes = (__m256i)(v & broadcast_integer(255));
  const __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(bytes), _mm256_extracti128_si256(bytes, 1));
  _mm_storel_epi64(reinterpret_cast<__m128i*>(to), _mm_packus_epi16(words, words));
#else
  for (int i = 0; i < width; i++) to[i] = uint8_t(v[i]);
#endif
}
/** The same of the first n <= width lanes. */
WEFT_INLINE void store_low_bytes(uint8_t* to, IVec v, int n) {
  if (n == width) {
    store_low_bytes(to, v);
    return;
  }
  uint8_t bytes[width];
  store_low_bytes(bytes, v);
  for (int i = 0; i < n; i++) to[i] = bytes[i];
}

/** How uint8 values stand for floats: (q - zero) * scale. A scale of 0: they do not. */
struct QuantizedRange {
  float scale = 0;
  int32_t zero = 0;
  explicit operator bool() const { return scale != 0; }
};
WEFT_BINDER inline QuantizedRange range_attribute(const Call& call, const std::string& of) {
  return {float(call.attrs.number(of + "Scale")), int32_t(call.attrs.integer(of + "ZeroPoint"))};
}

/** Quantizes n floats to uint8. */
inline void quantize_row(const float* x, QuantizedRange range, uint8_t* q, int64_t n) {
  const Vec scale = broadcast(range.scale), low = broadcast(float(-range.zero)), high = broadcast(float(255 - range.zero));
  const IVec zeros = broadcast_integer(range.zero);
  for (int64_t i = 0; i < n; i += width) {
    const int used = int(std::min<int64_t>(width, n - i));
    const Vec v = used == width ? load(x + i) : load_partial(x + i, used);
    store_low_bytes(q + i, steps_of(v, scale, low, high) + zeros, used);
  }
}

/** The range from the smallest to the largest of n floats and 0. A scale of NaN where one of them is not finite. */
inline QuantizedRange range_of_row(const float* x, int64_t n) {
  Vec low = zero(), high = zero(), spread = zero();
  for (int64_t i = 0; i < n; i += width) {
    const int used = int(std::min<int64_t>(width, n - i));
    const Vec v = used == width ? load(x + i) : load_partial(x + i, used);
    low = min(v, low), high = max(v, high);
    spread = spread + (v - v);  // 0, or NaN
  }
  const float least = -largest(-low), most = largest(high), scale = (most - least) / 255.0f + sum(spread);
  if (scale == 0.0f) return {1.0f, 0};
  if (!(scale < std::numeric_limits<float>::infinity())) return {std::numeric_limits<float>::quiet_NaN(), 0};
  return {scale, int32_t(std::min(255.0f, std::max(0.0f, std::nearbyint(-least / scale))))};
}

}  // namespace weft::cpu::WEFT_ISA
