// The micro-kernel: for float32 one function for every height and width of tile, for float64 tiles are put together
// from a few.
#include "micro_kernel.h"

#include <algorithm>
#include <array>
#include <bit>
#include <type_traits>
#include <utility>

namespace weft::cpu::WEFT_ISA {
namespace {

enum class Rows { strided, adjacent, gathered };

/**
 * What a tile does in addition to its sums. `fetch`: the lines of c and the memory wanted next are fetched a little at
 * a time while the sums run; a burst at the end would hold up the next tile's loads. Stopping for it costs the
 * processor some 80 cycles, so that a few lines are fetched at the beginning instead. `keep`: the tile is the first to
 * read its part of a or b, leaves packed copies of it, and fetches ahead of itself, since no prefetcher follows rows
 * that are pages apart.
 */
enum class Beside { nothing, fetch, keep };
/**
 * Rows that a tile fetches ahead of itself, where they lie `stride` bytes apart. Rows of 512, 1024, ... columns meet in
 * few sets of the nearest cache: too many of them evict each other before they are read.
 */
inline int64_t rows_ahead(int64_t stride) {
  constexpr uint64_t four_ways = 4 * 4096;  // of all sets
  return std::clamp<int64_t>(int64_t(four_ways >> std::countr_zero(uint64_t(stride) | four_ways)), 8, 32);
}
constexpr int64_t long_enough = 64;  // sums of fewer terms are over before a fetch could help
constexpr int64_t few_lines = 8;
constexpr int64_t lines_at_a_stop = 8;  // at most: of many short runs, several are fetched at once
/**
 * Terms go two at a time: the end of a loop of few rounds is predicted, and one that is not costs some 50 cycles, while
 * the multipliers run dry. Tiles that keep what they read wait for memory anyway, and at the portable level of x86, for
 * processors of before 2013, size counts.
 */
constexpr bool two_at_once = fused_multiply_add;
/**
 * `whole`: the last vector has all its lanes, so that no mask is needed. With AVX-512 too a load with a mask is two
 * operations on Intel's processors, one of them on a unit that should multiply: tiles of 14 rows lose 3 % to it.
 */
template <class T, int rows, int vectors, Rows kind, Beside beside, bool whole>
__attribute__((noinline)) void run_tile(const MicroTile<T>& tile) {
  using V = Vector<T>;
  constexpr int lanes = lanes_of<T>;
  constexpr bool fetching = beside != Beside::nothing;
  const MaskOf<T> last = tile.last;
  const auto load_columns = [&](const T* from, int j) __attribute__((always_inline)) {
    return !whole && j == vectors - 1 ? load_masked(from + j * lanes, last) : load(from + j * lanes);
  };
  const bool in_runs = tile.ahead_runs > 0;
  constexpr int at_once = tile_shapes.rows_at_a_stop, stops = (rows + at_once - 1) / at_once;
  int64_t runs = in_runs ? tile.ahead_runs : stops;
  const int64_t most_at_a_stop = in_runs ? std::max(1u, unsigned(lines_at_a_stop) / std::max(1u, unsigned(tile.ahead_lines))) : 1;
  const int64_t fetches = std::max<int64_t>(stops, (runs + most_at_a_stop - 1) / most_at_a_stop);
  const int64_t runs_at_a_stop = (unsigned(runs) + unsigned(fetches) - 1) / unsigned(fetches);
  const int64_t pace = fetching ? (std::max(1u, unsigned(tile.k * tile.inner * tile.outer) / unsigned(fetches + 1)) + 1) & ~1u : 0;
  const int64_t ahead_lines = in_runs ? tile.ahead_lines : (tile.ahead_lines + stops - 1) / stops;
  const int64_t ahead_stride = in_runs ? tile.ahead_stride : ahead_lines * 64;
  const char* ahead = tile.ahead;
  const T* c_next = tile.c;
  int64_t until_fetch = pace;
  int64_t left_to_fetch = fetches;
  T *keep_a = tile.keep_a, *keep_b = tile.keep_b;
  const int64_t a_ahead = beside == Beside::keep ? rows_ahead(tile.a_step * int64_t(sizeof(T))) * tile.a_step : 0;
  const int64_t b_ahead = beside == Beside::keep ? rows_ahead(tile.b_step * int64_t(sizeof(T))) * tile.b_step : 0;
  V c[rows][vectors];
#pragma GCC unroll 8
  for (int j = 0; j < vectors; j++) {
    V start{};
    if (tile.bias) start = load_columns(tile.bias, j);
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++) c[i][j] = start;
  }
  if constexpr (beside == Beside::nothing && vectors == 2 && tiles_keep<T>)
    if (tile.k * tile.inner * tile.outer >= long_enough) {
      for (int i = 0; i < rows; i++)
        for (int j = 0; j < vectors; j++) __builtin_prefetch(tile.c + i * tile.c_row + j * lanes, 1, 3);
      for (int64_t i = 0; i < tile.ahead_lines; i++) __builtin_prefetch(tile.ahead + 64 * i, 0, 2);
    }
  // three base pointers and multiples of one stride address up to 15 rows in few registers
  const int64_t s = tile.a_row, s2 = 2 * s, s3 = 3 * s, s4 = 4 * s, a_step = tile.a_step, b_step = tile.b_step;
  // addresses are stepped from run to run: multiplied out, they would hold up runs of few terms by a fifth
  const T *outer_a = tile.a, *outer_b = tile.b;
  for (int64_t p = 0; p < tile.outer; p++, outer_a += tile.a_outer, outer_b += tile.b_outer) {
    const T *inner_a = outer_a, *inner_b = outer_b;
    for (int64_t q = 0; q < tile.inner; q++, inner_a += tile.a_inner, inner_b += tile.b_inner) {
      const T* a0 = inner_a;
      const T* a1 = a0 + 5 * s;
      const T* a2 = a0 + 10 * s;
      const T* row[kind == Rows::gathered ? rows : 1];
      if constexpr (kind == Rows::gathered)
        for (int i = 0; i < rows; i++) row[i] = a0 + tile.rows_at[i];
      const T* b = inner_b;
      int64_t at = 0;
      for (int64_t left = tile.k; left > 0;) {
        const int64_t count = fetching ? std::min(left, until_fetch) : left;
        left -= count;
        const auto term = [&]() __attribute__((always_inline)) {
          V bv[vectors];
#pragma GCC unroll 8
          for (int j = 0; j < vectors; j++) bv[j] = load_columns(b, j);
          if constexpr (beside == Beside::keep) {
            if (keep_b) {
              __builtin_prefetch(b + b_ahead, 0, 3);
              __builtin_prefetch(b + b_ahead + tile_columns<T> - 1, 0, 3);
              for (int j = 0; j < vectors; j++) store(keep_b + j * lanes, bv[j]);
              keep_b += tile_columns<T>;
            }
            if (kind == Rows::adjacent && keep_a) {
              __builtin_prefetch(a0 + a_ahead, 0, 3);
              __builtin_prefetch(a0 + a_ahead + rows - 1, 0, 3);
              std::memcpy(keep_a, a0, rows * sizeof(T));
              keep_a += rows;
            }
          }
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
        };
        if constexpr (two_at_once && beside != Beside::keep) {
          for (int64_t twice = count / 2; twice > 0; twice--) {
            term();
            asm("" : "+r"(b));  // else the compiler keeps two pointers in place of one
            term();
          }
          if (count % 2) term();
        } else {
          for (int64_t k = count; k > 0; k--) term();
        }
        if constexpr (fetching) {
          until_fetch -= count;
          if (until_fetch > 0) continue;
          until_fetch = pace;
          if (left_to_fetch-- <= 0) continue;
          if (left_to_fetch >= fetches - stops)
            for (int i = 0; i < at_once; i++, c_next += tile.c_row)
              for (int j = 0; j < vectors; j++) __builtin_prefetch(c_next + j * lanes, 1, 3);
          for (int64_t run = std::min(runs_at_a_stop, runs); run > 0; run--, runs--, ahead += ahead_stride)
            for (int64_t i = 0; i < ahead_lines; i++) __builtin_prefetch(ahead + 64 * i, 0, 2);
        }
      }
    }
  }
  const int64_t c_row = tile.c_row;
  const bool accumulate = tile.accumulate, relu = tile.relu;
  T* to = tile.c;
#pragma GCC unroll 16
  for (int i = 0; i < rows; i++, to += c_row) {
#pragma GCC unroll 8
    for (int j = 0; j < vectors; j++) {
      V v = c[i][j];
      if (accumulate) v = v + load_columns(to, j);
      if (relu) v = max(V{}, v);
      if (!whole && j == vectors - 1) store_masked(to + j * lanes, v, last);
      else store(to + j * lanes, v);
    }
  }
}

template <class T> using Kernel = void (*)(const MicroTile<T>&);

/**
 * Adjacent rows are strided ones with stride 1, but addressed at less cost. With 4 vectors and more the multipliers
 * hide that, and a single vector is rare.
 */
template <int rows, int vectors, Beside beside, bool whole> void run_rows(const MicroTile<float>& tile) {
  if constexpr (vectors == 2)
    if (tile.a_row == 1) return run_tile<float, rows, vectors, Rows::adjacent, beside, whole>(tile);
  run_tile<float, rows, vectors, Rows::strided, beside, whole>(tile);
}

/** Tiles of whole vectors have kernels without masks. */
template <int rows, int vectors, Beside beside> void run_beside(const MicroTile<float>& tile) {
  if constexpr (vectors == 2)
    if (all_lanes(tile.last)) return run_rows<rows, vectors, beside, true>(tile);
  run_rows<rows, vectors, beside, false>(tile);
}

template <int rows, int vectors> void run_any(const MicroTile<float>& tile) {
  if constexpr (vectors == 2) {
    if constexpr (tiles_keep<float> && rows >= least_keeping_rows)
      if (tile.keep_a || tile.keep_b) return run_beside<rows, vectors, Beside::keep>(tile);
    if constexpr (tiles_keep<float>)
      if ((tile.ahead_runs > 0 || tile.ahead_lines > few_lines) && tile.k * tile.inner * tile.outer >= long_enough)
        return run_beside<rows, vectors, Beside::fetch>(tile);
  }
  run_beside<rows, vectors, Beside::nothing>(tile);
}

template <int vectors, int... row> constexpr auto strided_kernels(std::integer_sequence<int, row...>) {
  return std::array<Kernel<float>, sizeof...(row)>{run_any<row + 1, vectors>...};
}
template <class T, int vectors, bool whole, int... row> constexpr auto gathered_kernels(std::integer_sequence<int, row...>) {
  return std::array<Kernel<T>, sizeof...(row)>{run_tile<T, row + 1, vectors, Rows::gathered, Beside::nothing, whole>...};
}

/** A float64 tile in parts of up to 4 rows and 2 vectors, whose rows are all found through rows_at. */
void run_parts(const MicroTile<double>& tile, const int64_t* rows_at, int rows, int vectors) {
  constexpr int height = 4, lanes = lanes_of<double>;
  constexpr auto heights = std::make_integer_sequence<int, height>();
  static constexpr std::array kernels = {gathered_kernels<double, 1, false>(heights), gathered_kernels<double, 2, false>(heights)};
  for (int v = 0; v < vectors; v += 2) {
    MicroTile<double> part = tile;
    part.b += v * lanes;
    if (part.bias) part.bias += v * lanes;
    if (v + 2 < vectors) part.last = lanes_below<double>(lanes);
    for (int i = 0; i < rows; i += height) {
      part.rows_at = rows_at + i;
      part.c = tile.c + i * tile.c_row + v * lanes;
      kernels[size_t(std::min(2, vectors - v) - 1)][size_t(std::min(height, rows - i) - 1)](part);
    }
  }
}

}  // namespace

void multiply_tile(const MicroTile<float>& tile, int rows, int vectors) {
  static constexpr auto one = strided_kernels<1>(std::make_integer_sequence<int, tile_rows>());
  static constexpr auto two = strided_kernels<2>(std::make_integer_sequence<int, tile_rows>());
  static constexpr auto four = strided_kernels<4>(std::make_integer_sequence<int, 3>());
  const size_t row = size_t(rows - 1);
  if (vectors <= 2) (vectors == 1 ? one : two)[row](tile);
  else if (vectors == 4) four[row](tile);
  else run_any<1, 8>(tile);
}
void multiply_tile(const MicroTile<double>& tile, int rows, int vectors) {
  int64_t rows_at[tile_rows];
  for (int i = 0; i < rows; i++) rows_at[i] = i * tile.a_row;
  run_parts(tile, rows_at, rows, vectors);
}

void multiply_gathered_tile(const MicroTile<float>& tile, int rows, int vectors) {
  constexpr auto heights = std::make_integer_sequence<int, gathered_rows>();
  static constexpr std::array kernels = {gathered_kernels<float, 1, false>(heights), gathered_kernels<float, 2, false>(heights)};
  static constexpr auto whole = gathered_kernels<float, 2, true>(heights);
  if (vectors == 2 && all_lanes(tile.last)) return whole[size_t(rows - 1)](tile);
  kernels[size_t(vectors - 1)][size_t(rows - 1)](tile);
}
void multiply_gathered_tile(const MicroTile<double>& tile, int rows, int vectors) { run_parts(tile, tile.rows_at, rows, vectors); }

}  // namespace weft::cpu::WEFT_ISA
