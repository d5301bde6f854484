// Pairs of bfloat16: what the instructions that multiply bfloat16 read. Only AVX-512 has more than the name.
#pragma once
#include <algorithm>

#include "simd.h"

namespace weft::cpu::WEFT_ISA {

/**
 * Two bfloat16 in one word: elements 2p (in the low half) and 2p + 1 of a row of a, or of a column of b. Where there is
 * no element 2p + 1, the half is zero.
 */
using Pair = uint32_t;

}  // namespace weft::cpu::WEFT_ISA

#if WEFT_LEVEL == 2

// No other function may have these instructions: the level of AVX-512 runs on processors without them.
#define WEFT_PAIRS __attribute__((target("avx512bf16")))

namespace weft::cpu::WEFT_ISA {

/** The pairs of two vectors of floats: word i is of low[i] and high[i]. */
WEFT_PAIRS inline __attribute__((always_inline)) __m512i pairs_of(Vec low, Vec high) {
  const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21, 5, 20, 4, 19, 3,
                                         18, 2, 17, 1, 16, 0);
  return _mm512_permutexvar_epi16(order, (__m512i)_mm512_cvtne2ps_pbh(high, low));
}

/** The pairs of 32 floats that lie beside each other, or of as many as there are: the others are zero. */
WEFT_PAIRS inline __attribute__((always_inline)) __m512i pairs_at(const float* from, int64_t left) {
  const Mask low = first_lanes(int(std::min<int64_t>(left, width))), high = first_lanes(int(std::clamp<int64_t>(left - width, 0, width)));
  return (__m512i)_mm512_cvtne2ps_pbh(load_masked(from + width, high), load_masked(from, low));
}

/** to[p * pitch + i] = pair p of row i: of rows <= width rows that lie `stride` apart, `length` elements each. */
void pack_pairs_of_rows(const float* from, int64_t stride, int rows, int64_t length, Pair* to, int64_t pitch);

/** to[p * pitch + i] = the elements i of the rows 2p and 2p + 1: of `length` rows that lie `stride` apart. */
void pack_pairs_across(const float* from, int64_t stride, int columns, int64_t length, Pair* to, int64_t pitch);

}  // namespace weft::cpu::WEFT_ISA

#endif
