// flush_subnormals: floats too small for a normal exponent count as zero on the calling thread.
#pragma once

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace weft {

/**
 * Every thread that runs kernels calls it once. Moments of optimizers and vanishing gradients decay into subnormal
 * numbers, and arithmetic on those takes the processor a hundred times as long.
 */
inline void flush_subnormals() {
#if defined(__x86_64__)
  _mm_setcsr(_mm_getcsr() | 0x8040);  // FTZ, DAZ
#endif
}

/** Puts the calling thread's way of computing back at the end of the scope. */
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
