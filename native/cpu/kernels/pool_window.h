// The maximum of a pooling window, for vectors of channels. maxPool2d and the fused convolution use it.
#pragma once
#include "lanes.h"

namespace weft::cpu::WEFT_ISA {

template <class T> struct WindowMaximum {
  Vector<T> value;
  Vector<T> place;  // position in the window, row by row; the first of equal maxima
};

/**
 * The maximum over rows x columns values from `from` on. Rows are `row_pitch` elements apart, columns `pitch`. The
 * value at (r, q) has the place first + r * window_columns + q. A NaN counts as the maximum. A template parameter above
 * 0 is the number of rows or columns, which the compiler then knows.
 */
template <class T, int fixed_rows = 0, int fixed_columns = 0>
WEFT_INLINE WindowMaximum<T> window_maximum(const T* from, int64_t row_pitch, int64_t pitch, int64_t rows, int64_t columns, int64_t first,
                                            int64_t window_columns, MaskOf<T> mask) {
  const int64_t height = fixed_rows ? fixed_rows : rows, width_ = fixed_columns ? fixed_columns : columns;
  Vector<T> best = load_masked(from, mask), place = splat<T>(T(first));
  for (int64_t r = 0; r < height; r++)
    for (int64_t q = r == 0 ? 1 : 0; q < width_; q++) {
      const Vector<T> v = load_masked(from + r * row_pitch + q * pitch, mask);
      const MaskOf<T> take = greater(v, best) | unordered(v, v);
      best = select(take, v, best);
      place = select(take, splat<T>(T(first + r * window_columns + q)), place);
    }
  return {best, place};
}

}  // namespace weft::cpu::WEFT_ISA
