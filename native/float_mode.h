// flush_subnormals: from now on the calling thread takes subnormal floats, which are too small for a normal exponent,
// for zero.
#pragma once

#include <cstdint>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace weft {

/** The word of the processor that says how the calling thread rounds, and its bits for subnormal numbers. */
#if defined(__x86_64__)
using FloatControl = unsigned;
constexpr FloatControl flushing = 0x8040;  // of results (FTZ) and of operands (DAZ)
inline FloatControl float_control() { return _mm_getcsr(); }
inline void set_float_control(FloatControl control) { _mm_setcsr(control); }
#elif defined(__aarch64__)
using FloatControl = uint64_t;
constexpr FloatControl flushing = 1 << 24;  // FZ, of both
inline FloatControl float_control() {
  FloatControl control;
  asm volatile("mrs %0, fpcr" : "=r"(control));
  return control;
}
inline void set_float_control(FloatControl control) { asm volatile("msr fpcr, %0" : : "r"(control)); }
#else
using FloatControl = unsigned;
constexpr FloatControl flushing = 0;
inline FloatControl float_control() { return 0; }
inline void set_float_control(FloatControl) {}
#endif

/**
 * Every thread that runs kernels calls this once. Moments of optimizers and vanishing gradients decay into subnormal
 * numbers, and arithmetic on subnormal numbers takes the processor a hundred times as long.
 */
inline void flush_subnormals() { set_float_control(float_control() | flushing); }

/** At the end of its scope the calling thread computes as it did at the beginning. */
class FloatMode {
 public:
  FloatMode() = default;
  FloatMode(const FloatMode&) = delete;
  FloatMode& operator=(const FloatMode&) = delete;
  ~FloatMode() { set_float_control(before_); }

 private:
  FloatControl before_ = float_control();
};

}  // namespace weft
