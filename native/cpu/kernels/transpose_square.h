// Transposes a square of floats in registers. The packing of matrices and the products with a short side use it.
#pragma once
#include <utility>

#include "simd.h"

namespace weft::cpu::WEFT_ISA {

/** The lanes of two vectors in an order: of a 0, 1, ..., of b lanes, lanes + 1, ... */
template <int... order, class V> WEFT_INLINE V shuffle(V a, V b) { return __builtin_shufflevector(a, b, order...); }

/** Interleaves two vectors. `half` 0 gives a0 b0 a1 b1 ... of their lower halves, 1 the same of their upper halves. */
template <int half, class V, int... i> WEFT_INLINE V interleave(V a, V b, std::integer_sequence<int, i...>) {
  constexpr int lanes = sizeof...(i), first = half * lanes / 2;
  return shuffle<(first + i / 2 + (i % 2) * lanes)...>(a, b);
}

/** Transposes width x width floats in registers by interleaving the vectors log2(width) times. */
template <class V, int lanes> struct Transposition {
  static WEFT_INLINE void run(V* v) {
    constexpr auto order = std::make_integer_sequence<int, lanes>();
    V w[lanes];
#pragma GCC unroll 4
    for (int step = 1; step < lanes; step *= 2) {
#pragma GCC unroll 8
      for (int i = 0; i < lanes / 2; i++) {
        w[2 * i] = interleave<0>(v[i], v[i + lanes / 2], order);
        w[2 * i + 1] = interleave<1>(v[i], v[i + lanes / 2], order);
      }
#pragma GCC unroll 16
      for (int i = 0; i < lanes; i++) v[i] = w[i];
    }
  }
};

/**
 * Eight lanes are two halves, and an instruction that crosses them is slow: single lanes are interleaved first, then
 * pairs, within the halves; the halves last.
 */
template <class V> struct Transposition<V, 8> {
  static WEFT_INLINE void run(V* v) {
    V pair[8], four[8];
#pragma GCC unroll 4
    for (int i = 0; i < 8; i += 2) {
      pair[i] = shuffle<0, 8, 1, 9, 4, 12, 5, 13>(v[i], v[i + 1]);
      pair[i + 1] = shuffle<2, 10, 3, 11, 6, 14, 7, 15>(v[i], v[i + 1]);
    }
#pragma GCC unroll 2
    for (int i = 0; i < 8; i += 4) {
#pragma GCC unroll 2
      for (int j = 0; j < 2; j++) {
        four[i + 2 * j] = shuffle<0, 1, 8, 9, 4, 5, 12, 13>(pair[i + j], pair[i + j + 2]);
        four[i + 2 * j + 1] = shuffle<2, 3, 10, 11, 6, 7, 14, 15>(pair[i + j], pair[i + j + 2]);
      }
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
      v[i] = shuffle<0, 1, 2, 3, 8, 9, 10, 11>(four[i], four[i + 4]);
      v[i + 4] = shuffle<4, 5, 6, 7, 12, 13, 14, 15>(four[i], four[i + 4]);
    }
  }
};

WEFT_INLINE void transpose_square(Vec* v) { Transposition<Vec, width>::run(v); }

}  // namespace weft::cpu::WEFT_ISA
