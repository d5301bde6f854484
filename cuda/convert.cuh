// Conversions between all dtypes. Floats truncate toward zero into integers and saturate there, NaN becomes 0; integers
// into narrower ones keep the low bits. The dtypes are found at run time by branches that all threads take alike; what
// is instantiated is the type in between.
#pragma once
#include "vocabulary.cuh"

namespace weft::cuda {

/** The type that values pass through on their way from one dtype to another: float, int32 or int64. */
template <class F> Step by_passage(DType from, F&& f) {
  switch (from) {
    case DType::float32:
    case DType::float16:
    case DType::bfloat16: return f.template operator()<float>();
    case DType::int64: return f.template operator()<int64_t>();
    case DType::float64: throw Error("ERR_DTYPE", "this operation does not support float64");
    default: return f.template operator()<int32_t>();
  }
}

/** Calls f with the element type of a dtype that passes through P. */
template <class P, class F> __device__ __forceinline__ void with_source(DType dtype, F&& f) {
  if constexpr (std::is_same_v<P, float>) {
    if (dtype == DType::float32) f(float());
    else if (dtype == DType::float16) f(Float16());
    else f(BFloat16());
  } else if constexpr (std::is_same_v<P, int64_t>) {
    f(int64_t());
  } else {
    if (dtype == DType::int32) f(int32_t());
    else if (dtype == DType::int8) f(int8_t());
    else f(uint8_t());  // and bool
  }
}

template <class P, class F> __device__ __forceinline__ void with_target(DType dtype, F&& f) {
  switch (dtype) {
    case DType::boolean: return f(Bool());
    case DType::uint8: return f(uint8_t());
    case DType::int8: return f(int8_t());
    case DType::int32: return f(int32_t());
    case DType::int64: return f(int64_t());
    case DType::float16: return f(Float16());
    case DType::bfloat16: return f(BFloat16());
    default: return f(float());
  }
}

template <class To, class P> __device__ __forceinline__ To converted(P x) {
  if constexpr (std::is_same_v<To, Bool>) {
    return Bool(x != P(0));
  } else if constexpr (std::is_same_v<To, Float16> || std::is_same_v<To, BFloat16>) {
    return narrow<To>(float(x));
  } else if constexpr (std::is_same_v<P, float> && sizeof(To) == 8) {
    return x != x ? To(0) : To(__float2ll_rz(x));  // saturates
  } else if constexpr (std::is_same_v<P, float> && std::is_integral_v<To>) {
    constexpr int32_t low = sizeof(To) == 4 ? INT32_MIN : std::is_signed_v<To> ? INT8_MIN : 0;
    constexpr int32_t high = sizeof(To) == 4 ? INT32_MAX : std::is_signed_v<To> ? INT8_MAX : UINT8_MAX;
    const int32_t y = __float2int_rz(x);  // saturates; NaN becomes 0
    return To(y < low ? low : y > high ? high : y);
  } else {
    return To(x);
  }
}

/**
 * Converts `n` (1 to 4) neighbouring elements; as whole packs where n is 4 and `packed` says that the addresses allow
 * it.
 */
template <class P>
__device__ __forceinline__ void convert_four(const void* from, int64_t i, DType source, void* to, int64_t j, DType target, int n,
                                             bool packed) {
  P x[4];
  with_source<P>(source, [&]<class From>(From) {
    const From* p = static_cast<const From*>(from) + i;
    if (packed && n == 4) {
      const Pack<From, 4> pack = load_pack<4>(p);
#pragma unroll
      for (int e = 0; e < 4; e++) x[e] = P(widen(pack.at[e]));
    } else {
#pragma unroll
      for (int e = 0; e < 4; e++) x[e] = e < n ? P(widen(p[e])) : P(0);
    }
  });
  with_target<P>(target, [&]<class To>(To) {
    To* p = static_cast<To*>(to) + j;
    if (packed && n == 4) {
      Pack<To, 4> pack;
#pragma unroll
      for (int e = 0; e < 4; e++) pack.at[e] = converted<To>(x[e]);
      store_pack(p, pack);
    } else {
#pragma unroll
      for (int e = 0; e < 4; e++)
        if (e < n) p[e] = converted<To>(x[e]);
    }
  });
}

}  // namespace weft::cuda
