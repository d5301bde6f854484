// Windows and patches of a first layer in vectors of 8 floats: two rows of a patch are one vector. first_windows.h says
// what each function does.
#pragma once
#include "simd.h"

namespace weft::cpu::WEFT_ISA {

constexpr bool has_patches = true, keeps_taps_near = true, holds_nine_taps = false;

template <int vectors>
WEFT_INLINE bool pool_ordered(const Vec (&a)[vectors], const Vec (&b)[vectors], const Vec (&c)[vectors], const Vec (&d)[vectors],
                              float* pooled, uint8_t* index) {
  if constexpr (vectors == 2) {
    const Vec sums = (a[0] + b[0]) + (c[0] + d[0]), more = (a[1] + b[1]) + (c[1] + d[1]);
    if (__builtin_expect(_mm256_movemask_ps((__m256)unordered(sums, more)) != 0, 0)) return false;
    IVec place[2];
#pragma GCC unroll 2
    for (int v = 0; v < 2; v++) {
      const Vec upper = max(a[v], b[v]), lower = max(c[v], d[v]);
      store(pooled + v * width, max(zero(), max(upper, lower)));
      const IVec down = greater(lower, upper);
      place[v] = down + down + ((down & greater(d[v], c[v])) | (~down & greater(b[v], a[v])));  // 0 to -3
    }
    if (index == nullptr) return true;
    const __m256i words = _mm256_packs_epi32((__m256i)place[0], (__m256i)place[1]);  // halves of both
    const __m128i bytes = _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(index), _mm_abs_epi8(_mm_shuffle_epi32(bytes, 0xd8)));
    return true;
  } else {
    return false;
  }
}

struct PatchOf256 {
  __m256 pairs[3];  // of rows
  WEFT_INLINE PatchOf256(const float* from, int64_t row) {
#pragma GCC unroll 3
    for (int r = 0; r < 3; r++)
      pairs[r] = _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(from + r * row)), _mm_loadu_ps(from + (r + 1) * row), 1);
  }
  WEFT_INLINE Vec met(IVec lane, int r, int q) const { return _mm256_permutevar8x32_ps(pairs[r], (__m256i)(lane + broadcast_integer(q))); }
};
using Patch = PatchOf256;
WEFT_INLINE IVec window_places(const uint8_t* p) {
  return (IVec)_mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
}

}  // namespace weft::cpu::WEFT_ISA
