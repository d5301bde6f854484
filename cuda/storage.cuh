// Storage: four neighbouring elements between memory and the type they are computed in. Which of the 16-bit floats
// holds a float is found at run time, by a branch that all threads take alike, so that one kernel serves three dtypes
// at the speed of memory.
#pragma once
#include "vocabulary.cuh"

namespace weft::cuda {

/** How floats lie in memory; everything else lies as it is computed. */
enum class Kind : uint8_t { whole, float16, bfloat16 };

inline Kind kind_of(DType dtype) {
  return dtype == DType::float16 ? Kind::float16 : dtype == DType::bfloat16 ? Kind::bfloat16 : Kind::whole;
}
inline bool is_float(DType dtype) { return dtype == DType::float32 || dtype == DType::float16 || dtype == DType::bfloat16; }

/** Elements as they came from memory. Fetching leaves them unconverted, so that no load waits for the one before it. */
template <class C> struct Raw {
  Pack<C, 4> pack;

  __device__ __forceinline__ void fetch(const void* from, int64_t i, Kind) { pack = load_pack<4>(static_cast<const C*>(from) + i); }
  __device__ __forceinline__ void fetch_one(const void* from, int64_t i, Kind) { pack.at[0] = static_cast<const C*>(from)[i]; }
  __device__ __forceinline__ C one(Kind) const { return pack.at[0]; }
  __device__ __forceinline__ void four(C (&x)[4], Kind) const {
#pragma unroll
    for (int e = 0; e < 4; e++) x[e] = pack.at[e];
  }
};

__device__ __forceinline__ float half_of_word(uint32_t bits, Kind kind) {
  if (kind == Kind::bfloat16) {
    BFloat16 x;
    x.bits = uint16_t(bits);
    return widen(x);
  }
  Float16 x;
  x.bits = uint16_t(bits);
  return widen(x);
}

__device__ __forceinline__ uint32_t word_of_half(float x, Kind kind) {
  return kind == Kind::bfloat16 ? narrow<BFloat16>(x).bits : narrow<Float16>(x).bits;
}

template <> struct Raw<float> {
  uint32_t word[4];

  __device__ __forceinline__ void fetch(const void* from, int64_t i, Kind kind) {
    if (kind == Kind::whole) {
      const Pack<uint32_t, 4> p = load_pack<4>(static_cast<const uint32_t*>(from) + i);
#pragma unroll
      for (int e = 0; e < 4; e++) word[e] = p.at[e];
    } else {
      const Pack<uint32_t, 2> p = load_pack<2>(reinterpret_cast<const uint32_t*>(static_cast<const uint16_t*>(from) + i));
      word[0] = p.at[0];
      word[1] = p.at[1];
      word[2] = word[3] = 0;
    }
  }
  __device__ __forceinline__ void fetch_one(const void* from, int64_t i, Kind kind) {
    if (kind == Kind::whole) word[0] = static_cast<const uint32_t*>(from)[i];
    else word[0] = static_cast<const uint16_t*>(from)[i];
  }
  __device__ __forceinline__ float one(Kind kind) const {
    return kind == Kind::whole ? std::bit_cast<float>(word[0]) : half_of_word(word[0], kind);
  }
  __device__ __forceinline__ void four(float (&x)[4], Kind kind) const {
    if (kind == Kind::whole) {
#pragma unroll
      for (int e = 0; e < 4; e++) x[e] = std::bit_cast<float>(word[e]);
    } else {
#pragma unroll
      for (int e = 0; e < 4; e++) x[e] = half_of_word(word[e / 2] >> (16 * (e % 2)), kind);
    }
  }
};

template <class Out> __device__ __forceinline__ void put_one(void* to, int64_t i, Out y, Kind kind) {
  if constexpr (std::is_same_v<Out, float>) {
    if (kind != Kind::whole) {
      static_cast<uint16_t*>(to)[i] = uint16_t(word_of_half(y, kind));
      return;
    }
  }
  static_cast<Out*>(to)[i] = y;
}

template <class Out> __device__ __forceinline__ void put_four(void* to, int64_t i, const Out (&y)[4], Kind kind) {
  if constexpr (std::is_same_v<Out, float>) {
    if (kind != Kind::whole) {
      Pack<uint32_t, 2> p;
#pragma unroll
      for (int e = 0; e < 2; e++) p.at[e] = word_of_half(y[2 * e], kind) | word_of_half(y[2 * e + 1], kind) << 16;
      store_pack(reinterpret_cast<uint32_t*>(static_cast<uint16_t*>(to) + i), p);
      return;
    }
  }
  Pack<Out, 4> p;
#pragma unroll
  for (int e = 0; e < 4; e++) p.at[e] = y[e];
  store_pack(static_cast<Out*>(to) + i, p);
}

}  // namespace weft::cuda
