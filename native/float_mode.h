// flush_subnormals: from now on the calling thread takes subnormal floats, which are too small for a normal exponent,
// for zero.
#pragma once

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace weft {

/**
 * Every thread that runs kernels calls this once. Moments of optimizers and vanishing gradients decay into subnormal
 * numbers, and arithmetic on subnormal numbers takes the processor a hundred times as long.
 */
inline void flush_subnormals() {
#if defined(__x86_64__)
  _mm_setcsr(_mm_getcsr() | 0x8040);  // results (FTZ) and operands (DAZ)
#endif
}

/** At the end of its scope the calling thread computes as it did at the beginning. */
class FloatMode {
 public:
  FloatMode() = default;
  FloatMode(const FloatMode&) = delete;
  FloatMode& operator=(const FloatMode&) = delete;
#if defined(__x86_64__)
  ~FloatMode() { _mm_setcsr(before_); }

 private:
  unsigned before_ = _mm_getcsr();
#else
  ~FloatMode() {}
#endif
};

}  // namespace weft
