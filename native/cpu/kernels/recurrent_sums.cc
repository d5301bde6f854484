// The sums of recurrent_sums.h for each height and width of tile.
#include "recurrent_sums.h"

#include <algorithm>
#include <array>
#include <utility>

namespace weft::cpu::WEFT_ISA {
namespace {

template <class T>
using SumKernel = void (*)(const PanelProduct<T>* products, int count, int64_t panel_row, const T* start, const WantedLines<T>& wanted,
                           Vector<T>* sums);

/** `fetches`: lines are wanted. Loops without lines have a kernel without the question. */
template <class T, int rows, int vectors, bool fetches>
void sum_tile(const PanelProduct<T>* products, int count, int64_t panel_row, const T* start, const WantedLines<T>& wanted,
              Vector<T>* sums) {
  constexpr int lanes = lanes_of<T>;
  Vector<T> sum[rows][vectors];
  if (start) {
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 8
      for (int j = 0; j < vectors; j++) sum[i][j] = load(start + j * lanes);
  } else {
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 8
      for (int j = 0; j < vectors; j++) sum[i][j] = sums[i * most_sums + j];
  }
  for (const PanelProduct<T>* product = products; product < products + count; product++) {
    // two base pointers and multiples of one stride address up to 10 rows in few registers
    const int64_t s = product->a_row, s2 = 2 * s, s3 = 3 * s, s4 = 4 * s;
    const T *a0 = product->a, *a1 = a0 + 5 * s, *panel = product->panel;
    // one line after so many terms, in one loop: the end of a loop is foreseen seldom, and the multipliers wait for it
    [[maybe_unused]] const T* const* line = wanted.lines.data();
    [[maybe_unused]] const T* const* const lines_end = line + wanted.count;
    [[maybe_unused]] int64_t between = 7;
    if constexpr (fetches)
      while (between > 0 && wanted.count * (between + 1) > product->k) between >>= 1;
    for (int64_t left = product->k; left > 0; left--) {
      if constexpr (fetches)
        if ((left & between) == 0 && line < lines_end) __builtin_prefetch(*line++, 0, 2);
      Vector<T> b[vectors];
#pragma GCC unroll 8
      for (int j = 0; j < vectors; j++) b[j] = load(panel + j * lanes);
#pragma GCC unroll 16
      for (int i = 0; i < rows; i++) {
        const T* base = i < 5 ? a0 : a1;
        const Vector<T> value = splat<T>(base[i % 5 == 0 ? 0 : i % 5 == 1 ? s : i % 5 == 2 ? s2 : i % 5 == 3 ? s3 : s4]);
#pragma GCC unroll 8
        for (int j = 0; j < vectors; j++) sum[i][j] = fma(value, b[j], sum[i][j]);
      }
      a0++, a1++;
      panel += panel_row;
    }
    if constexpr (vectors == 3 && sizeof(T) == 4)
      if (product->inner) {
        const Vector<T> inner[3] = {product->inner[0], product->inner[1], product->inner[2]};
#pragma GCC unroll 16
        for (int i = 0; i < rows; i++) {
          sum[i][0] = inner[0] + sum[i][0];
          sum[i][1] = inner[1] + sum[i][1];
          sums[i * most_sums + 3] = sum[i][2];
          sum[i][2] = inner[2];
        }
      }
  }
#pragma GCC unroll 16
  for (int i = 0; i < rows; i++)
#pragma GCC unroll 8
    for (int j = 0; j < vectors; j++) sums[i * most_sums + j] = sum[i][j];
}

template <class T, int vectors, bool fetches = false, int... row> constexpr auto kernels_of(std::integer_sequence<int, row...>) {
  return std::array<SumKernel<T>, sizeof...(row)>{sum_tile<T, row + 1, vectors, fetches>...};
}

}  // namespace

void add_products(const PanelProduct<float>* products, int count, int rows, int vectors, int wide, const float* start,
                  const WantedLines<float>& wanted, Vec* sums) {
  static constexpr auto one = kernels_of<float, 1>(std::make_integer_sequence<int, step_rows<1>>());
  static constexpr auto two = kernels_of<float, 2>(std::make_integer_sequence<int, step_rows<2>>());
  static constexpr auto two_and_lines = kernels_of<float, 2, true>(std::make_integer_sequence<int, step_rows<2>>());
  static constexpr auto three = kernels_of<float, 3>(std::make_integer_sequence<int, step_rows<3>>());
  static constexpr auto four = kernels_of<float, 4>(std::make_integer_sequence<int, rows_of_four>());
  const size_t row = size_t(rows - 1);
  const SumKernel<float> kernel = vectors == 1   ? one[row]
                                  : vectors == 2 ? (wanted.count > 0 ? two_and_lines : two)[row]
                                  : vectors == 3 ? three[row]
                                                 : four[row];
  kernel(products, count, wide * width, start, wanted, sums);
}

void add_products(const PanelProduct<double>* products, int count, int rows, int vectors, int wide, const double* start,
                  const WantedLines<double>&, DoubleVec* sums) {
  constexpr int height = 4, lanes = lanes_of<double>;
  static constexpr std::array kernels = {kernels_of<double, 1>(std::make_integer_sequence<int, height>()),
                                         kernels_of<double, 2>(std::make_integer_sequence<int, height>())};
  std::array<PanelProduct<double>, 2> parts;
  for (int v = 0; v < vectors; v += 2)
    for (int i = 0; i < rows; i += height) {
      for (int p = 0; p < count; p++) {
        const PanelProduct<double>& whole = products[p];
        parts[size_t(p)] = {whole.a + i * whole.a_row, whole.a_row, whole.panel + v * lanes, whole.k};
      }
      kernels[size_t(std::min(2, vectors - v) - 1)][size_t(std::min(height, rows - i) - 1)](
          parts.data(), count, wide * lanes, start ? start + v * lanes : nullptr, no_lines<double>, sums + i * most_sums + v);
    }
}

}  // namespace weft::cpu::WEFT_ISA
