// The micro-kernel on pairs of bfloat16, and the packing of pairs. Rounding is to the nearest, halves to the even one.
// The instructions take subnormal numbers for zero, as all kernels do (float_mode.h).
#include "bfloat16_kernel.h"

#if WEFT_LEVEL == 2

#include <array>
#include <utility>

#include "transpose_square.h"

namespace weft::cpu::WEFT_ISA {
namespace {

/** How far the tile that packs b fetches ahead of itself: no prefetcher follows rows that are pages apart. */
constexpr int64_t rows_ahead = 32;

template <int rows, int vectors, bool packed> WEFT_PAIRS __attribute__((noinline)) void run_tile(const PairTile& tile) {
  const Mask last = tile.last;
  Vec c[rows][vectors];
#pragma GCC unroll 8
  for (int j = 0; j < vectors; j++) {
    Vec start{};
    if (tile.bias) start = j == vectors - 1 ? load_masked(tile.bias + j * width, last) : load(tile.bias + j * width);
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++) c[i][j] = start;
  }
  const Pair *a = tile.a, *b = tile.packed_b;
  const float* from = tile.b;
  Pair* keep = tile.keep;
  for (int64_t p = 0; p < tile.pairs; p++) {
    __m512i bv[vectors];
    if constexpr (packed) {
#pragma GCC unroll 8
      for (int j = 0; j < vectors; j++) bv[j] = _mm512_loadu_si512(b + j * width);
      b += pair_columns;
    } else {
      const bool single = tile.odd && p == tile.pairs - 1;
      if (keep) {
        for (int row = 0; row < 2; row++) {
          __builtin_prefetch(from + (rows_ahead + row) * tile.b_row, 0, 3);
          __builtin_prefetch(from + (rows_ahead + row) * tile.b_row + pair_columns - 1, 0, 3);
        }
      }
#pragma GCC unroll 8
      for (int j = 0; j < vectors; j++) {
        const Mask columns = j == vectors - 1 ? last : Mask(0xffff), below = single ? Mask(0) : columns;
        bv[j] = pairs_of(load_masked(from + j * width, columns), load_masked(from + tile.b_row + j * width, below));
        if (keep) _mm512_storeu_si512(keep + j * width, bv[j]);
      }
      from += 2 * tile.b_row;
      if (keep) keep += pair_columns;
    }
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++) {
      const __m512i av = _mm512_set1_epi32(int(a[i]));
#pragma GCC unroll 8
      for (int j = 0; j < vectors; j++) c[i][j] = _mm512_dpbf16_ps(c[i][j], (__m512bh)av, (__m512bh)bv[j]);
    }
    a += rows;
  }
  float* to = tile.c;
#pragma GCC unroll 16
  for (int i = 0; i < rows; i++, to += tile.c_row) {
#pragma GCC unroll 8
    for (int j = 0; j < vectors; j++) {
      const Mask columns = j == vectors - 1 ? last : Mask(0xffff);
      Vec v = c[i][j];
      if (tile.accumulate) v = v + load_masked(to + j * width, columns);
      if (tile.relu) v = max(Vec{}, v);
      store_masked(to + j * width, v, columns);
    }
  }
}

using Kernel = void (*)(const PairTile&);
template <int vectors, bool packed, int... row> constexpr auto kernels(std::integer_sequence<int, row...>) {
  return std::array<Kernel, sizeof...(row)>{run_tile<row + 1, vectors, packed>...};
}

}  // namespace

void multiply_pairs(const PairTile& tile, int rows, int vectors) {
  constexpr auto heights = std::make_integer_sequence<int, tile_rows>();
  if (vectors == 8) return run_tile<1, 8, false>(tile);
  if (vectors == 4) {
    static constexpr auto wide = kernels<4, false>(std::make_integer_sequence<int, most_wide_rows>());
    return wide[size_t(rows - 1)](tile);
  }
  static constexpr std::array all = {kernels<1, false>(heights), kernels<1, true>(heights), kernels<2, false>(heights),
                                     kernels<2, true>(heights)};
  const int which = 2 * (vectors - 1) + (tile.packed_b ? 1 : 0);
  all[size_t(which)][size_t(rows - 1)](tile);
}

WEFT_PAIRS void pack_pairs_of_rows(const float* from, int64_t stride, int rows, int64_t length, Pair* to, int64_t pitch) {
  const Mask columns = first_lanes(rows);
  for (int64_t k = 0; k < length; k += 2 * width) {
    const int left = int(std::min<int64_t>(2 * width, length - k));
    Vec v[width];
    for (int i = 0; i < width; i++) v[i] = i < rows ? (Vec)pairs_at(from + i * stride + k, left) : zero();
    transpose_square(v);  // of words, which hold pairs
    for (int p = 0; p < (left + 1) / 2; p++) _mm512_mask_storeu_epi32(to + (k / 2 + p) * pitch, columns, (__m512i)v[p]);
  }
}

WEFT_PAIRS void pack_pairs_across(const float* from, int64_t stride, int columns, int64_t length, Pair* to, int64_t pitch) {
  const Mask mask = first_lanes(columns);
  for (int64_t k = 0; k < length; k += 2) {
    const Vec low = load_masked(from + k * stride, mask), high = load_masked(from + (k + 1) * stride, k + 1 < length ? mask : Mask(0));
    _mm512_mask_storeu_epi32(to + k / 2 * pitch, mask, pairs_of(low, high));
  }
}

}  // namespace weft::cpu::WEFT_ISA

#endif
