// Windows and patches of a first layer in vectors of 16 floats: a patch is one vector. first_windows.h says what each
// function does.
#pragma once
#include "simd.h"

namespace weft::cpu::WEFT_ISA {

constexpr bool has_patches = true, keeps_taps_near = true, holds_nine_taps = true;

template <int vectors>
WEFT_INLINE bool pool_ordered(const Vec (&a)[vectors], const Vec (&b)[vectors], const Vec (&c)[vectors], const Vec (&d)[vectors],
                              float* pooled, uint8_t* index) {
  __mmask16 nan = 0;
#pragma GCC unroll 2
  for (int v = 0; v < vectors; v++) nan |= _mm512_cmp_ps_mask(a[v] + b[v], c[v] + d[v], _CMP_UNORD_Q);
  if (__builtin_expect(nan != 0, 0)) return false;
#pragma GCC unroll 2
  for (int v = 0; v < vectors; v++) {
    const Vec upper = max(a[v], b[v]), lower = max(c[v], d[v]);
    store(pooled + v * width, max(zero(), max(upper, lower)));
    if (index == nullptr) continue;
    // the place from the outcomes as bits
    const __mmask16 down = greater(lower, upper), right = (down & greater(d[v], c[v])) | (~down & greater(b[v], a[v]));
    const __m128i places = _mm_or_si128(_mm_maskz_set1_epi8(down, 2), _mm_maskz_set1_epi8(right, 1));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(index + v * width), places);
  }
  return true;
}

struct PatchOf512 {
  __m512 values;
  WEFT_INLINE PatchOf512(const float* from, int64_t row) {
    values = _mm512_castps128_ps512(_mm_loadu_ps(from));
    values = _mm512_insertf32x4(values, _mm_loadu_ps(from + row), 1);
    values = _mm512_insertf32x4(values, _mm_loadu_ps(from + 2 * row), 2);
    values = _mm512_insertf32x4(values, _mm_loadu_ps(from + 3 * row), 3);
  }
  WEFT_INLINE Vec met(IVec lane, int r, int q) const {
    return _mm512_permutexvar_ps((__m512i)(lane + broadcast_integer(4 * r + q)), values);
  }
};
using Patch = PatchOf512;
WEFT_INLINE IVec window_places(const uint8_t* p) {
  return (IVec)_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}

}  // namespace weft::cpu::WEFT_ISA
