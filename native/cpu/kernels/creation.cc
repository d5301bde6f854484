// fill, arange and eye.
#include <algorithm>
#include <limits>
#include <type_traits>

#include "strided.h"

namespace weft::cpu::WEFT_ISA {

template <class T> static T saturated(double value) {
  if constexpr (std::is_same_v<T, Bool>) {
    return Bool(value != 0);
  } else if constexpr (std::is_integral_v<T>) {
    if (!(value == value)) return 0;
    if (value >= double(std::numeric_limits<T>::max())) return std::numeric_limits<T>::max();
    if (value <= double(std::numeric_limits<T>::min())) return std::numeric_limits<T>::min();
    return T(value);
  } else {
    return T(Compute<T>(value));
  }
}

void fill(DType dtype, void* target, int64_t n, double value) {
  dispatch<Bool, uint8_t, int8_t, int32_t, int64_t, Float16, BFloat16, float, double>(dtype, [&]<class T>() {
    const T element = saturated<T>(value);
    parallel_range(n, cheap_grain,
                   [&](int64_t begin, int64_t end) { std::fill(static_cast<T*>(target) + begin, static_cast<T*>(target) + end, element); });
    return true;
  });
}

KERNEL(cpu, fill) {
  const View out = call.out[0];
  const double value = call.attrs.number("value");
  return [=](const Frame& frame) { fill(out.dtype, frame.at<void>(out), out.size(), value); };
}

KERNEL(cpu, arange) {
  const View out = call.out[0];
  const double start = call.attrs.number("start"), step = call.attrs.number("step");
  return dispatch<uint8_t, int32_t, Float16, BFloat16, float, double>(out.dtype, [&]<class T>() -> Step {
    return [=](const Frame& frame) {
      T* y = frame.at<T>(out);
      for (int64_t i = 0; i < out.size(); i++) y[i] = saturated<T>(start + double(i) * step);
    };
  });
}

KERNEL(cpu, eye) {
  const View out = call.out[0];
  const int64_t offset = call.attrs.integer("offset"), rows = out.dim(0), columns = out.dim(1);
  return dispatch<uint8_t, int32_t, Float16, BFloat16, float, double>(out.dtype, [&]<class T>() -> Step {
    return [=](const Frame& frame) {
      T* y = frame.at<T>(out);
      fill(out.dtype, y, rows * columns, 0);
      for (int64_t i = std::max<int64_t>(0, -offset); i < rows && i + offset < columns; i++) y[i * columns + i + offset] = saturated<T>(1);
    };
  });
}

}  // namespace weft::cpu::WEFT_ISA
