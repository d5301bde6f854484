// Whether two tensors of one dtype agree: integers exactly, floats within so many roundings of their type. CPU and CUDA
// kernels add in different orders.
#pragma once
#include <algorithm>
#include <cmath>
#include <sstream>
#include <string>

#include "program_file.h"

namespace weft::replay {

/** The distance of 1 to the next number; 0 for integers. */
inline double precision_of(DType dtype) {
  switch (dtype) {
    case DType::bfloat16: return 0x1p-7;
    case DType::float16: return 0x1p-10;
    case DType::float32: return 0x1p-23;
    case DType::float64: return 0x1p-52;
    default: return 0;
  }
}

inline double element(DType dtype, const Bytes& bytes, size_t i) {
  const auto at = [&]<class T>() {
    T value;
    std::memcpy(&value, bytes.data() + i * sizeof(T), sizeof(T));
    return double(Compute<T>(value));
  };
  switch (dtype) {
    case DType::int8: return at.operator()<int8_t>();
    case DType::int32: return at.operator()<int32_t>();
    case DType::int64: return at.operator()<int64_t>();
    case DType::float16: return at.operator()<Float16>();
    case DType::bfloat16: return at.operator()<BFloat16>();
    case DType::float32: return at.operator()<float>();
    case DType::float64: return at.operator()<double>();
    default: return at.operator()<uint8_t>();
  }
}

/** The largest finite absolute value. */
inline double largest(DType dtype, const Bytes& bytes) {
  double most = 0;
  if (precision_of(dtype) == 0) return most;
  for (size_t i = 0; i < bytes.size() / size_of(dtype); i++) {
    const double value = std::abs(element(dtype, bytes, i));
    if (std::isfinite(value)) most = std::max(most, value);
  }
  return most;
}

/** The largest difference of two finite elements. */
inline double farthest(DType dtype, const Bytes& a, const Bytes& b) {
  double most = 0;
  for (size_t i = 0; i < std::min(a.size(), b.size()) / size_of(dtype); i++) {
    const double between = std::abs(element(dtype, a, i) - element(dtype, b, i));
    if (std::isfinite(between)) most = std::max(most, between);
  }
  return most;
}

/**
 * Empty, or how they differ. `precision`: that of the coarsest float type the program computes in; `scale`: the size of
 * what went in, of which differences may be left over; `allowed`: beyond that.
 */
inline std::string difference(DType dtype, const Bytes& actual, const Bytes& expected, double precision, double scale, double allowed) {
  if (actual == expected) return {};
  const size_t n = expected.size() / size_of(dtype);
  const double roundings = precision > 0x1p-20 ? 12 : 96, most = largest(dtype, expected);
  size_t wrong = 0, first = 0;
  for (size_t i = 0; i < n; i++) {
    const double a = element(dtype, actual, i), b = element(dtype, expected, i);
    if (a == b || (std::isnan(a) && std::isnan(b))) continue;
    const bool is_float = precision_of(dtype) > 0 && std::isfinite(b);
    const double rounding = std::max(precision, precision_of(dtype)) * (roundings * (std::abs(b) + 0.25 * most) + 4 * scale);
    if (is_float && std::abs(a - b) <= rounding + allowed) continue;
    if (wrong++ == 0) first = i;
  }
  if (wrong == 0) return {};
  std::ostringstream text;
  text << wrong << " of " << n << " wrong, the first at " << first << ": " << element(dtype, actual, first) << ", should be "
       << element(dtype, expected, first) << " (" << name_of(dtype) << ")";
  return text.str();
}

}  // namespace weft::replay
