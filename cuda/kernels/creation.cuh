// Constants: numbers of the host as elements of a dtype.
#pragma once
#include <limits>

#include "vocabulary.cuh"

namespace weft::cuda {

/** The element nearest to the value: integers saturate, NaN becomes 0 there. */
template <class T> __host__ __device__ inline T saturated(double value) {
  if constexpr (std::is_same_v<T, Bool>) {
    return Bool(value != 0);
  } else if constexpr (std::is_integral_v<T>) {
    if (!(value == value)) return 0;
    constexpr T low = std::numeric_limits<T>::min(), high = std::numeric_limits<T>::max();
    return value >= double(high) ? high : value <= double(low) ? low : T(value);
  } else {
    return T(Compute<T>(value));
  }
}

/** Writes the value as an element of the dtype. */
inline void write_element(DType dtype, double value, void* to) {
  dispatch<Bool, uint8_t, int8_t, int32_t, int64_t, Float16, BFloat16, float>(dtype, [&]<class T>() {
    const T element = saturated<T>(value);
    std::memcpy(to, &element, sizeof element);
    return true;
  });
}

/** Sets every element of a value in memory, in units of 16 bytes where they fit. */
void fill(const Frame& frame, DType dtype, void* to, int64_t n, double value);

}  // namespace weft::cuda
