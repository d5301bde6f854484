// Words: 16 bytes of elements of any dtype, moved as one access and kept in four registers.
#pragma once
#include "vocabulary.cuh"

namespace weft::cuda {

/** Elements of a 16-byte access. */
template <class T> constexpr int pack_size = 16 / int(sizeof(T));

/** 16 bytes of elements in four registers; get() and set() convert to the type that is computed in. */
template <class T> struct alignas(16) Words {
  static constexpr int size = pack_size<T>, bits = 8 * int(sizeof(T));
  uint32_t at[4];

  __device__ __forceinline__ Compute<T> get(int e) const {
    if constexpr (sizeof(T) == 4) return std::bit_cast<T>(at[e]);
    else return widen(as_element(at[e * bits / 32] >> (e * bits % 32)));
  }
  /** Elements are set in order: the first one of a register clears the rest of it. */
  __device__ __forceinline__ void set(int e, Compute<T> value) {
    const uint32_t raw = bits_of(narrow<T>(value));
    if (e * bits % 32 == 0) at[e * bits / 32] = raw;
    else at[e * bits / 32] |= raw << (e * bits % 32);
  }

  static __device__ __forceinline__ uint32_t bits_of(T x) {
    if constexpr (sizeof(T) == 4) return std::bit_cast<uint32_t>(x);
    else if constexpr (sizeof(T) == 2) return std::bit_cast<uint16_t>(x);
    else return std::bit_cast<uint8_t>(x);
  }
  static __device__ __forceinline__ T as_element(uint32_t raw) {
    if constexpr (sizeof(T) == 4) return std::bit_cast<T>(raw);
    else if constexpr (sizeof(T) == 2) return std::bit_cast<T>(uint16_t(raw));
    else return std::bit_cast<T>(uint8_t(raw));
  }

  /**
   * The elements x[i], ... of those from `begin` to `end`; `fill` for the others. A loop, since only the ends of rows
   * need it.
   */
  static __device__ __forceinline__ Words gather(const T* x, int i, int begin, int end, T fill) {
    uint64_t low = 0, high = 0;
#pragma unroll 1
    for (int e = size - 1; e >= 0; e--) {
      const uint32_t raw = bits_of(i + e >= begin && i + e < end ? x[i + e] : fill);
      high = high << bits | low >> (64 - bits);
      low = low << bits | raw;
    }
    return {{uint32_t(low), uint32_t(low >> 32), uint32_t(high), uint32_t(high >> 32)}};
  }
  __device__ __forceinline__ void scatter(T* y, int i, int begin, int end) const {
    uint64_t low = at[0] | uint64_t(at[1]) << 32, high = at[2] | uint64_t(at[3]) << 32;
#pragma unroll 1
    for (int e = 0; e < size; e++) {
      if (i + e >= begin && i + e < end) y[i + e] = as_element(uint32_t(low));
      low = low >> bits | high << (64 - bits);
      high >>= bits;
    }
  }
};
template <class T> __device__ __forceinline__ Words<T> load_words(const T* from) { return *reinterpret_cast<const Words<T>*>(from); }
template <class T> __device__ __forceinline__ void store_words(T* to, const Words<T>& value) { *reinterpret_cast<Words<T>*>(to) = value; }

}  // namespace weft::cuda
