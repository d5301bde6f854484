// What kernels of quantized values share: how floats become steps of a scale, and ranges.
#pragma once
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

/** The nearest integers, halves to the even one, of lanes that int32 holds. */
WEFT_INLINE IVec nearest_integer(Vec v) {
#if WEFT_LEVEL == 0
  return to_integer(round(v));
#else
  return to_integer(v);  // which rounds
#endif
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

/** How 8-bit values stand for floats: (q - zero) * scale. A scale of 0: they do not. */
struct QuantizedRange {
  float scale = 0;
  int32_t zero = 0;
  explicit operator bool() const { return scale != 0; }
};
WEFT_BINDER QuantizedRange range_attribute(const Call& call, const char* of);

/**
 * Quantizes n floats: clamp(round_half_even(x / scale) + zero) from `least` to least + 255. NaN becomes the zero point.
 * Scales and zero points are one for all, or one for each where `step` is 1.
 */
void quantize_run(const float* x, const float* scale, const int32_t* zero, int64_t step, int32_t least, uint8_t* q, int64_t n);

/** The same to uint8 with one range, into values of value_bytes() or of a byte. */
void quantize_row(const float* x, const QuantizedRange& range, uint8_t* q, int64_t n);

/** The range from the smallest to the largest of n floats and 0. A scale of NaN where one of them is not finite. */
QuantizedRange range_of_row(const float* x, int64_t n);

/** Makes n values of value_bytes() each of floats, by a range, or of bytes, where x is null. */
void make_values(const float* x, const uint8_t* bytes, const QuantizedRange& range, uint8_t* to, int64_t n);

/** Fills n values of value_bytes() each. */
void fill_values(uint8_t* to, int64_t n, int32_t value);

}  // namespace weft::cpu::WEFT_ISA
