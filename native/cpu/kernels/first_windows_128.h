// Windows and patches of a first layer in vectors of 4 floats, which no permutation serves. first_windows.h says what
// each function does.
#pragma once
#include "simd.h"

namespace weft::cpu::WEFT_ISA {

constexpr bool has_patches = false, keeps_taps_near = false, holds_nine_taps = false;

template <int vectors>
WEFT_INLINE bool pool_ordered(const Vec (&)[vectors], const Vec (&)[vectors], const Vec (&)[vectors], const Vec (&)[vectors], float*,
                              uint8_t*) {
  return false;
}

struct PatchOf128 {
  float values[16];
  WEFT_INLINE PatchOf128(const float* from, int64_t row) {
    for (int r = 0; r < 4; r++) std::memcpy(values + 4 * r, from + r * row, 4 * sizeof(float));
  }
  WEFT_INLINE Vec met(IVec lane, int r, int q) const {
    Vec v{};
    for (int i = 0; i < width; i++) v[i] = values[lane[i] + 4 * r + q];
    return v;
  }
};
using Patch = PatchOf128;
WEFT_INLINE IVec window_places(const uint8_t* p) { return IVec{p[0], p[1], p[2], p[3]}; }

}  // namespace weft::cpu::WEFT_ISA
