// The micro-kernel, instantiated for every height and width of tile.
#include "tile.h"

#include <array>
#include <utility>

namespace weft::cpu::WEFT_ISA {
namespace {

enum class Rows { strided, adjacent, gathered };

template <class T, int rows, int vectors, Rows kind>
__attribute__((noinline)) void run_tile(const Tile<T>& tile) {
  using V = Vector<T>;
  constexpr int lanes = lanes_of<T>;
  const MaskOf<T> last = tile.last;
  V c[rows][vectors];
#pragma GCC unroll 8
  for (int j = 0; j < vectors; j++) {
    V start{};
    if (tile.bias) start = j == vectors - 1 ? load_masked(tile.bias + j * lanes, last) : load(tile.bias + j * lanes);
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++) c[i][j] = start;
  }
  // three base pointers and multiples of one stride address up to 15 rows in few registers
  const int64_t s = tile.a_row, s2 = 2 * s, s3 = 3 * s, s4 = 4 * s, a_step = tile.a_step, b_step = tile.b_step;
  for (int64_t p = 0; p < tile.outer; p++) {
    for (int64_t q = 0; q < tile.inner; q++) {
      const T* a0 = tile.a + p * tile.a_outer + q * tile.a_inner;
      const T* a1 = a0 + 5 * s;
      const T* a2 = a0 + 10 * s;
      const T* row[kind == Rows::gathered ? rows : 1];
      if constexpr (kind == Rows::gathered)
        for (int i = 0; i < rows; i++) row[i] = a0 + tile.rows_at[i];
      const T* b = tile.b + p * tile.b_outer + q * tile.b_inner;
      int64_t at = 0;
      for (int64_t k = tile.k; k > 0; k--) {
        V bv[vectors];
#pragma GCC unroll 8
        for (int j = 0; j < vectors; j++) bv[j] = j == vectors - 1 ? load_masked(b + j * lanes, last) : load(b + j * lanes);
#pragma GCC unroll 16
        for (int i = 0; i < rows; i++) {
          const T* from;
          if constexpr (kind == Rows::adjacent) {
            from = a0 + i;
          } else if constexpr (kind == Rows::gathered) {
            from = row[i] + at;
          } else {
            const T* base = i < 5 ? a0 : i < 10 ? a1 : a2;
            from = base + (i % 5 == 0 ? 0 : i % 5 == 1 ? s : i % 5 == 2 ? s2 : i % 5 == 3 ? s3 : s4);
          }
          const V av = splat<T>(*from);
#pragma GCC unroll 8
          for (int j = 0; j < vectors; j++) c[i][j] = fma(av, bv[j], c[i][j]);
        }
        if constexpr (kind == Rows::gathered) {
          at += a_step;
        } else {
          a0 += a_step;
          if constexpr (kind == Rows::strided) a1 += a_step, a2 += a_step;
        }
        b += b_step;
      }
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < rows; i++) {
    T* to = tile.c + i * tile.c_row;
#pragma GCC unroll 8
    for (int j = 0; j < vectors; j++) {
      V v = c[i][j];
      if (j == vectors - 1) {
        if (tile.accumulate) v = v + load_masked(to + j * lanes, last);
        if (tile.relu) v = max(V{}, v);
        store_masked(to + j * lanes, v, last);
      } else {
        if (tile.accumulate) v = v + load(to + j * lanes);
        if (tile.relu) v = max(V{}, v);
        store(to + j * lanes, v);
      }
    }
  }
}

template <class T, int rows, int vectors> void run_rows(const Tile<T>& tile) {
  if (tile.a_row == 1) run_tile<T, rows, vectors, Rows::adjacent>(tile);
  else run_tile<T, rows, vectors, Rows::strided>(tile);
}

template <class T, int vectors, int... row> constexpr auto strided_kernels(std::integer_sequence<int, row...>) {
  return std::array<TileKernel<T>, sizeof...(row)>{run_rows<T, row + 1, vectors>...};
}
template <class T, int vectors, int... row> constexpr auto gathered_kernels(std::integer_sequence<int, row...>) {
  return std::array<TileKernel<T>, sizeof...(row)>{run_tile<T, row + 1, vectors, Rows::gathered>...};
}

}  // namespace

template <class T> TileKernel<T> tile_kernel(int rows, int vectors) {
  static constexpr auto one = strided_kernels<T, 1>(std::make_integer_sequence<int, tile_rows>());
  static constexpr auto two = strided_kernels<T, 2>(std::make_integer_sequence<int, tile_rows>());
  static constexpr auto four = strided_kernels<T, 4>(std::make_integer_sequence<int, 3>());
  static constexpr auto eight = strided_kernels<T, 8>(std::make_integer_sequence<int, 1>());
  const size_t row = size_t(rows - 1);
  return vectors == 1 ? one[row] : vectors == 2 ? two[row] : vectors == 4 ? four[row] : eight[row];
}

template <class T> TileKernel<T> gathered_kernel(int rows, int vectors) {
  static constexpr auto one = gathered_kernels<T, 1>(std::make_integer_sequence<int, gathered_rows>());
  static constexpr auto two = gathered_kernels<T, 2>(std::make_integer_sequence<int, gathered_rows>());
  const size_t row = size_t(rows - 1);
  return vectors == 1 ? one[row] : two[row];
}

template TileKernel<float> tile_kernel<float>(int, int);
template TileKernel<double> tile_kernel<double>(int, int);
template TileKernel<float> gathered_kernel<float>(int, int);
template TileKernel<double> gathered_kernel<double>(int, int);

}  // namespace weft::cpu::WEFT_ISA
