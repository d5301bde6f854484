// Element types, their storage, and dispatch from a run-time dtype to a compile-time type.
#pragma once
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

#include "error.h"

#if defined(__CUDACC__)
#define WEFT_HD __host__ __device__
#else
#define WEFT_HD
#endif

namespace weft {

enum class DType : uint8_t { boolean, uint8, int8, int32, int64, float16, bfloat16, float32, float64 };

/** A bool in memory: one byte, 0 or 1. It is a type of its own, so that kernels tell it from uint8. */
struct Bool {
  uint8_t value;
  Bool() = default;
  WEFT_HD constexpr Bool(bool b) : value(b) {}
  WEFT_HD constexpr operator bool() const { return value != 0; }
};

/** A bfloat16 in memory: the upper half of a float32, rounded to nearest even. Kernels compute in float32. */
struct BFloat16 {
  uint16_t bits;
  BFloat16() = default;
  WEFT_HD explicit BFloat16(float f) {
    uint32_t u = std::bit_cast<uint32_t>(f);
    bits = (u & 0x7fffffffu) > 0x7f800000u ? uint16_t((u >> 16) | 0x40u) : uint16_t((u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
  }
  WEFT_HD operator float() const { return std::bit_cast<float>(uint32_t(bits) << 16); }
};

/** An IEEE binary16 in memory, rounded to nearest even. Kernels compute in float32. */
struct Float16 {
  uint16_t bits;
  Float16() = default;
  WEFT_HD explicit Float16(float f) {
    const uint32_t u = std::bit_cast<uint32_t>(f), sign = (u >> 16) & 0x8000u, a = u & 0x7fffffffu;
    if (a >= 0x7f800000u) bits = uint16_t(sign | 0x7c00u | (a > 0x7f800000u ? 0x200u : 0u));
    else if (a >= 0x477ff000u) bits = uint16_t(sign | 0x7c00u);
    else if (a < 0x38800000u) {  // a subnormal number: the addition of floats rounds it
      const float magic = 0.5f, shifted = std::bit_cast<float>(a) + magic;
      bits = uint16_t(sign | (std::bit_cast<uint32_t>(shifted) - std::bit_cast<uint32_t>(magic)));
    } else bits = uint16_t(sign | ((a + 0xc8000fffu + ((a >> 13) & 1u)) >> 13));
  }
  WEFT_HD operator float() const {
    const uint32_t sign = uint32_t(bits & 0x8000u) << 16, exponent = (bits >> 10) & 0x1fu, fraction = bits & 0x3ffu;
    if (exponent == 0) {
      const float f = float(fraction) * 5.9604644775390625e-8f;
      return sign ? -f : f;
    }
    return std::bit_cast<float>(sign | (exponent == 31 ? 0x7f800000u : (exponent + 112u) << 23) | fraction << 13);
  }
};

template <class T> struct DTypeOf;
template <> struct DTypeOf<Bool> { static constexpr DType value = DType::boolean; };
template <> struct DTypeOf<uint8_t> { static constexpr DType value = DType::uint8; };
template <> struct DTypeOf<int8_t> { static constexpr DType value = DType::int8; };
template <> struct DTypeOf<int32_t> { static constexpr DType value = DType::int32; };
template <> struct DTypeOf<int64_t> { static constexpr DType value = DType::int64; };
template <> struct DTypeOf<Float16> { static constexpr DType value = DType::float16; };
template <> struct DTypeOf<BFloat16> { static constexpr DType value = DType::bfloat16; };
template <> struct DTypeOf<float> { static constexpr DType value = DType::float32; };
template <> struct DTypeOf<double> { static constexpr DType value = DType::float64; };

/** The type that T is computed in: float for the 16-bit floats, T itself otherwise. */
template <class T> struct ComputeOf { using type = T; };
template <> struct ComputeOf<Float16> { using type = float; };
template <> struct ComputeOf<BFloat16> { using type = float; };
template <class T> using Compute = typename ComputeOf<T>::type;

size_t size_of(DType);
const char* name_of(DType);
DType dtype_of(std::string_view name);

/** Calls f.template operator()<T>() with the type of the list that is the dtype. ERR_DTYPE where the list has none. */
template <class... T, class F> auto dispatch(DType dtype, F&& f) {
  using First = std::tuple_element_t<0, std::tuple<T...>>;
  decltype(f.template operator()<First>()) result{};
  const bool found = ((DTypeOf<T>::value == dtype && (result = f.template operator()<T>(), true)) || ...);
  require(found, "ERR_DTYPE", "this operation does not support ", name_of(dtype));
  return result;
}

}  // namespace weft
