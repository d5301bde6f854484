// permute: the lanes of a vector in an order that is known at run time only.
#pragma once
#include "simd.h"

namespace weft::cpu::WEFT_ISA {

/** Lane lane[i] of v in each lane i. For some n >= 1 the lanes are j / n of neighbouring j. */
#if WEFT_LEVEL == 2
WEFT_INLINE Vec permute(Vec v, IVec lane) { return _mm512_permutexvar_ps((__m512i)lane, v); }
#elif WEFT_LEVEL == 1
WEFT_INLINE Vec permute(Vec v, IVec lane) { return _mm256_permutevar8x32_ps(v, (__m256i)lane); }
#else
// four lanes that do not fall are of two values, or are all four in order
WEFT_INLINE Vec permute(Vec v, IVec lane) {
  const IVec first = broadcast_integer(lane[0]), last = broadcast_integer(lane[width - 1]);
  return select((Mask)(lane == first), broadcast(v[lane[0]]), select((Mask)(lane == last), broadcast(v[lane[width - 1]]), v));
}
#endif

}  // namespace weft::cpu::WEFT_ISA
