// What translated PTX computes with: registers are unsigned words, an instruction reads and writes them as its type.
// Memory, barriers, warps and tensor cores are those of the emulator, so that a translated kernel runs where the C++
// one does.
#pragma once
#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <type_traits>

#include "cuda.h"
#include "dtype.h"
#include "emulator.h"

namespace ptx {

using weft::BFloat16;
using weft::Float16;

/** Where offset 0 of the block's shared memory lies. */
inline char* shared_base() {
  char* dynamic = static_cast<char*>(emulator::dynamic_shared());
  return dynamic - emulator::shared_offset(dynamic);
}
/** Vector accesses must be aligned as a whole, as on a GPU. */
template <class T, int count = 1> T* at(char* address) {
  if (reinterpret_cast<uintptr_t>(address) % (sizeof(T) * count) != 0) emulator::fault("misaligned access of %zu bytes", sizeof(T) * count);
  return reinterpret_cast<T*>(address);
}
template <class T, int count = 1> T* at(uint64_t address) { return at<T, count>(reinterpret_cast<char*>(address)); }

inline unsigned thread_number() { return threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z); }

// integers
template <class T> T divide(T a, T b) {
  if (b == 0) return T(-1);
  if constexpr (std::is_signed_v<T>)
    if (b == -1) return T(std::make_unsigned_t<T>(0) - std::make_unsigned_t<T>(a));
  return a / b;
}
template <class T> T remainder(T a, T b) {
  if (b == 0) return a;
  if constexpr (std::is_signed_v<T>)
    if (b == -1) return 0;
  return a % b;
}
template <class T> T shift_left(T a, uint32_t n) { return n >= sizeof(T) * 8 ? T(0) : T(std::make_unsigned_t<T>(a) << n); }
template <class T> T shift_right(T a, uint32_t n) { return n >= sizeof(T) * 8 ? T(a < 0 ? -1 : 0) : T(a >> n); }
inline uint32_t funnel_left(uint32_t low, uint32_t high, uint32_t n) { return n == 0 ? high : n >= 32 ? low : high << n | low >> (32 - n); }
inline uint32_t funnel_right(uint32_t low, uint32_t high, uint32_t n) {
  return n == 0 ? low : n >= 32 ? high : low >> n | high << (32 - n);
}
template <class T> T high(T a, T b) {
  if constexpr (std::is_signed_v<T>) return T((__int128(a) * b) >> (8 * sizeof(T)));
  else return T((static_cast<unsigned __int128>(a) * b) >> (8 * sizeof(T)));
}
template <class T> T extract(T a, uint32_t position, uint32_t length) {
  constexpr uint32_t bits = sizeof(T) * 8;
  position &= 255, length &= 255;
  T result = 0;
  const uint32_t last = std::min(position + length - 1, bits - 1);
  const bool sign = std::is_signed_v<T> && length > 0 && (uint64_t(a) >> last & 1);
  for (uint32_t i = 0; i < bits; i++) {
    const bool bit = i < length && position + i < bits ? (uint64_t(a) >> (position + i) & 1) : sign;
    if (bit) result = T(uint64_t(result) | uint64_t(1) << i);
  }
  return result;
}
template <class T> T insert(T from, T into, uint32_t position, uint32_t length) {
  position &= 255, length &= 255;
  for (uint32_t i = 0; i < length && position + i < sizeof(T) * 8; i++) {
    const T mask = T(T(1) << (position + i));
    into = T((into & ~mask) | (from >> i & 1 ? mask : 0));
  }
  return into;
}
inline uint32_t permute(uint32_t a, uint32_t b, uint32_t selector) {
  const uint64_t bytes = uint64_t(b) << 32 | a;
  uint32_t result = 0;
  for (int i = 0; i < 4; i++) {
    const uint32_t pick = selector >> (4 * i) & 15;
    uint32_t byte = uint32_t(bytes >> (8 * (pick & 7))) & 255;
    if (pick & 8) byte = byte & 128 ? 255 : 0;
    result |= byte << (8 * i);
  }
  return result;
}
inline uint32_t lookup3(uint32_t a, uint32_t b, uint32_t c, uint32_t table) {
  uint32_t result = 0;
  for (int i = 0; i < 8; i++)
    if (table >> i & 1) result |= (i & 4 ? a : ~a) & (i & 2 ? b : ~b) & (i & 1 ? c : ~c);
  return result;
}
template <class T> T reverse(T a) {
  T result = 0;
  for (size_t i = 0; i < sizeof(T) * 8; i++) result = T(result << 1 | (a >> i & 1));
  return result;
}

// floats
/** The product and sum rounded down or up; rounding to nearest is the processor's. */
inline float toward(float nearest, double exact, bool up) {
  if (!std::isfinite(nearest)) return nearest;
  if (up) return double(nearest) < exact ? std::nextafter(nearest, INFINITY) : nearest;
  return double(nearest) > exact ? std::nextafter(nearest, -INFINITY) : nearest;
}
enum class Rounding { nearest, down, up, zero };
template <Rounding mode, class T> T fused(T a, T b, T c) {
  const T nearest = std::fma(a, b, c);
  if constexpr (mode == Rounding::nearest || !std::is_same_v<T, float>) return nearest;
  else return toward(nearest, std::fma(double(a), double(b), double(c)), mode == Rounding::up || (mode == Rounding::zero && nearest < 0));
}
template <class T> T clamp01(T x) { return !(x > 0) ? T(0) : x > 1 ? T(1) : x; }
template <class T> T larger(T a, T b) {
  if constexpr (std::is_floating_point_v<T>) return std::fmax(a, b);
  else return std::max(a, b);
}
template <class T> T smaller(T a, T b) {
  if constexpr (std::is_floating_point_v<T>) return std::fmin(a, b);
  else return std::min(a, b);
}
template <class T> T or_nan(T a, T b, T result) { return std::isnan(a) || std::isnan(b) ? std::numeric_limits<T>::quiet_NaN() : result; }

/** The number of a type that another one stands for: floats to integers saturate, and NaN becomes 0. */
template <class D, class S> D convert(S s) {
  constexpr bool from_half = std::is_same_v<S, Float16> || std::is_same_v<S, BFloat16>;
  constexpr bool to_half = std::is_same_v<D, Float16> || std::is_same_v<D, BFloat16>;
  if constexpr (from_half) return convert<D>(float(s));
  else if constexpr (to_half) return D(float(s));
  else if constexpr (std::is_floating_point_v<S> && std::is_integral_v<D>) {
    if (std::isnan(s)) return 0;
    if (double(s) <= double(std::numeric_limits<D>::min())) return std::numeric_limits<D>::min();
    if (double(s) >= double(std::numeric_limits<D>::max())) return std::numeric_limits<D>::max();
    return D(s);
  } else return D(s);
}

/**
 * Shuffle: bits 8 to 12 of `clamp_and_segments` tell the width. The predicate says whether the lane's source lies in
 * its segment.
 */
inline uint32_t shuffle(emulator::Shuffle mode, uint32_t value, uint32_t operand, uint32_t clamp_and_segments, uint32_t mask,
                        bool& inside) {
  const int width = 32 - int(clamp_and_segments >> 8 & 31), lane = int(thread_number() & 31), first = lane & ~(width - 1);
  const int source = mode == emulator::Shuffle::up     ? lane - int(operand)
                     : mode == emulator::Shuffle::down ? lane + int(operand)
                     : mode == emulator::Shuffle::from ? first + int(operand & unsigned(width - 1))
                                                       : lane ^ int(operand);
  inside = source >= first && source < first + width;
  return uint32_t(emulator::shuffle(mode, mask, value, int(operand), width));
}

/** Whether an asynchronous copy reads its source; the emulation knows no copies of a part. */
inline bool all_or_none(uint32_t read, uint32_t bytes) {
  if (read != 0 && read != bytes) emulator::fault("an asynchronous copy of %u bytes that reads %u", bytes, read);
  return read != 0;
}

[[noreturn]] inline void unknown(const char* instruction) {
  emulator::fault("PTX instruction that the translation does not know: %s", instruction);
}

}  // namespace ptx
