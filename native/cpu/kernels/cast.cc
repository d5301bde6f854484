// cast and identity, and the conversions between all dtypes. A float becomes an integer by truncation toward zero. What
// the integer type cannot hold becomes its nearest limit, and NaN becomes 0.
#include <cstring>
#include <limits>
#include <type_traits>

#include "pointwise.h"

namespace weft::cpu::WEFT_ISA {
namespace {

template <class To, class From> WEFT_INLINE To converted(From from) {
  const Compute<From> x = from;
  if constexpr (std::is_same_v<To, Bool>) {
    return Bool(x != Compute<From>(0));
  } else if constexpr (std::is_same_v<To, Float16> || std::is_same_v<To, BFloat16>) {
    return To(float(x));
  } else if constexpr (std::is_integral_v<To> && std::is_floating_point_v<Compute<From>>) {
    // the limits of To as floats; the upper one may be rounded up to a value that To cannot hold, hence >= below
    constexpr auto low = Compute<From>(std::numeric_limits<To>::min()), high = Compute<From>(std::numeric_limits<To>::max());
    if constexpr (sizeof(To) < 4) {                                   // by way of int32, which the compiler vectorizes
      const Compute<From> y = x > low ? (x < high ? x : high) : low;  // low for NaN
      return To(int32_t(x == x ? y : Compute<From>(0)));
    } else {
      return x >= high ? std::numeric_limits<To>::max() : x > low ? To(x) : x <= low ? std::numeric_limits<To>::min() : To(0);
    }
  } else {
    return To(x);
  }
}

/** Converts n elements. An integer that becomes a narrower integer keeps its low bits, as in C. */
template <class From, class To> void convert(const void* source, void* target, int64_t n) {
  const From* x = static_cast<const From*>(source);
  To* y = static_cast<To*>(target);
  int64_t i = 0;
  if constexpr (std::is_same_v<From, Float16> && std::is_same_v<To, float>) i = widen_halves(x, y, n);
  if constexpr (std::is_same_v<From, float> && std::is_same_v<To, Float16>) i = narrow_halves(x, y, n);
  WEFT_INDEPENDENT
  for (; i < n; i++) y[i] = converted<To>(x[i]);
}

template <class T> void copy(const void* const* in, unsigned fixed, void* out, int64_t n, const double*) {
  if (fixed) *static_cast<T*>(out) = *static_cast<const T*>(in[0]);
  else if (in[0] != out) std::memcpy(out, in[0], size_t(n) * sizeof(T));
}

RunFunction copy_function(size_t bytes) {
  return bytes == 1 ? copy<uint8_t> : bytes == 2 ? copy<uint16_t> : bytes == 4 ? copy<uint32_t> : copy<uint64_t>;
}

template <class From> ConvertFunction convert_from(DType to) {
  return dispatch<Bool, uint8_t, int8_t, int32_t, int64_t, Float16, BFloat16, float, double>(
      to, []<class To>() -> ConvertFunction { return convert<From, To>; });
}

}  // namespace

ConvertFunction convert_function(DType from, DType to) {
  return dispatch<Bool, uint8_t, int8_t, int32_t, int64_t, Float16, BFloat16, float, double>(
      from, [to]<class From>() { return convert_from<From>(to); });
}

KERNEL(cpu, identity) { return pointwise(call, copy_function(size_of(call.in[0].dtype)), cheap_grain); }

KERNEL(cpu, cast) {
  const View x = call.in[0], out = call.out[0];
  if (x.dtype == out.dtype) return pointwise(call, copy_function(size_of(x.dtype)), cheap_grain);
  if (size_of(x.dtype) == size_of(out.dtype)) call.in_place(0, 0);
  const ConvertFunction function = convert_function(x.dtype, out.dtype);
  const size_t from_bytes = size_of(x.dtype), to_bytes = size_of(out.dtype);
  return [=](const Frame& frame) {
    const char* from = frame.at<char>(x);
    char* to = frame.at<char>(out);
    parallel_range(out.size(), cheap_grain, [&](int64_t begin, int64_t end) {
      function(from + size_t(begin) * from_bytes, to + size_t(begin) * to_bytes, end - begin);
    });
  };
}

}  // namespace weft::cpu::WEFT_ISA
