// Products with one short side, as the last layer's gradients are: [batch, classes] with a large weight matrix. A tile
// of the general kernel would leave lanes empty or spend its time packing. Here the long side runs through the lanes,
// and what is short stays in registers, as many as tile_shapes says. Each element is summed over k in order, as in the
// general kernel.
#pragma once
#include <array>
#include <utility>

#include "matmul_blocks.h"
#include "transpose_square.h"

namespace weft::cpu::WEFT_ISA {

/** c[m, n] = a^T b for a short n: a is stored [k, m], b [k, n]. Long in m; k is one block of the general kernel. */
inline bool fits_short_columns(int64_t m, int64_t n, int64_t k, bool transpose_a, bool transpose_b) {
  return transpose_a && !transpose_b && n <= tile_shapes.short_columns && m >= 256 && k >= 1 && k <= longest_block;
}

/** c[m, n] = a b^T for a short k: a is stored [m, k], b [n, k]. Long in n. */
inline bool fits_short_sums(int64_t m, int64_t n, int64_t k, bool transpose_a, bool transpose_b) {
  return !transpose_a && transpose_b && k >= 1 && k <= tile_shapes.short_sums && n >= 256 && m >= 4;
}

/** Squares of width x width that hold n columns, and the columns of the one that begins at `first`. */
constexpr int squares_of(int n) { return (n + width - 1) / width; }
constexpr int columns_of_square(int n, int first) { return n - first < width ? n - first : width; }

/** Rows [begin, end) of c = a^T b; `columns` is n. Two vectors of rows at once where the sums leave room for them. */
template <int columns> void short_columns(const float* a, const float* b, float* c, int64_t m, int64_t k, int64_t begin, int64_t end) {
  constexpr int vectors = columns <= tile_shapes.short_columns_of_two ? 2 : 1;
  for (int64_t i = begin; i < end; i += vectors * width) {
    Vec sum[columns][vectors];
    Mask lanes[vectors];
#pragma GCC unroll 2
    for (int v = 0; v < vectors; v++) {
      lanes[v] = first_lanes(int(std::clamp<int64_t>(end - i - v * width, 0, width)));
#pragma GCC unroll 16
      for (int j = 0; j < columns; j++) sum[j][v] = zero();
    }
    for (int64_t p = 0; p < k; p++) {
      const float* from = a + p * m + i;
      // rows of a are pages apart: no prefetcher follows them
#pragma GCC unroll 2
      for (int v = 0; v < vectors; v++) __builtin_prefetch(from + (vectors + v) * width);
      Vec value[vectors];
#pragma GCC unroll 2
      for (int v = 0; v < vectors; v++) value[v] = load_masked(from + v * width, lanes[v]);
#pragma GCC unroll 16
      for (int j = 0; j < columns; j++) {
        const Vec factor = broadcast(b[p * columns + j]);
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++) sum[j][v] = fma(value[v], factor, sum[j][v]);
      }
    }
#pragma GCC unroll 2
    for (int v = 0; v < vectors; v++) {
      const int rows = int(std::clamp<int64_t>(end - i - v * width, 0, width));
#pragma GCC unroll 4
      for (int first = 0; first < columns; first += width) {
        Vec square[width];
#pragma GCC unroll 16
        for (int j = 0; j < width; j++) square[j] = first + j < columns ? sum[first + j < columns ? first + j : 0][v] : zero();
        transpose_square(square);
        const Mask row = first_lanes(columns_of_square(columns, first));
#pragma GCC unroll 16
        for (int r = 0; r < width; r++)
          if (r < rows) store_masked(c + (i + v * width + r) * columns + first, square[r], row);
      }
    }
  }
}

/** Columns [begin, end) of c = a b^T; `sums` is k. */
template <int sums> void short_sums(const float* a, const float* b, float* c, int64_t m, int64_t n, int64_t begin, int64_t end) {
  constexpr int vectors = sums <= tile_shapes.short_sums_of_two ? 2 : 1, rows_at_once = 4;
  for (int64_t j = begin; j < end; j += vectors * width) {
    Vec turned[vectors][squares_of(sums) * width];
    Mask lanes[vectors];
#pragma GCC unroll 2
    for (int v = 0; v < vectors; v++) {
      const int count = int(std::clamp<int64_t>(end - j - v * width, 0, width));
      lanes[v] = first_lanes(count);
#pragma GCC unroll 4
      for (int first = 0; first < sums; first += width) {
        const Mask column = first_lanes(columns_of_square(sums, first));
#pragma GCC unroll 16
        for (int r = 0; r < width; r++)
          turned[v][first + r] = r < count ? load_masked(b + (j + v * width + r) * sums + first, column) : zero();
        transpose_square(turned[v] + first);
      }
    }
    const auto multiply_rows = [&]<int rows, bool whole>(int64_t i) {
      Vec sum[rows][vectors] = {};
#pragma GCC unroll 16
      for (int p = 0; p < sums; p++)
        for (int r = 0; r < rows; r++) {
          const Vec factor = broadcast(a[(i + r) * sums + p]);
          for (int v = 0; v < vectors; v++) sum[r][v] = fma(factor, turned[v][p], sum[r][v]);
        }
      for (int r = 0; r < rows; r++)
        for (int v = 0; v < vectors; v++) {
          float* to = c + (i + r) * n + j + v * width;
          if constexpr (whole) store(to, sum[r][v]);
          else store_masked(to, sum[r][v], lanes[v]);
        }
    };
    int64_t i = 0;
    // a masked store costs more than the sums of a few terms
    if (end - j >= vectors * width)
      for (; i + rows_at_once <= m; i += rows_at_once) multiply_rows.template operator()<rows_at_once, true>(i);
    for (; i + rows_at_once <= m; i += rows_at_once) multiply_rows.template operator()<rows_at_once, false>(i);
    for (; i < m; i++) multiply_rows.template operator()<1, false>(i);
  }
}

using ShortProduct = void (*)(const float* a, const float* b, float* c, int64_t long_side, int64_t other, int64_t begin, int64_t end);

template <int... size> constexpr auto short_columns_table(std::integer_sequence<int, size...>) {
  return std::array<ShortProduct, sizeof...(size)>{short_columns<size + 1>...};
}
template <int... size> constexpr auto short_sums_table(std::integer_sequence<int, size...>) {
  return std::array<ShortProduct, sizeof...(size)>{short_sums<size + 1>...};
}

/** The product with `n` columns. */
inline ShortProduct product_of_short_columns(int64_t n) {
  static constexpr auto products = short_columns_table(std::make_integer_sequence<int, tile_shapes.short_columns>());
  return products[size_t(n - 1)];
}

/** The step of a product that fits one of the two forms. */
WEFT_BINDER inline Step bind_short(const View& a, const View& b, const View& c, int64_t m, int64_t n, int64_t k, bool columns_short) {
  static constexpr auto with_sums = short_sums_table(std::make_integer_sequence<int, tile_shapes.short_sums>());
  const ShortProduct product = columns_short ? product_of_short_columns(n) : with_sums[size_t(k - 1)];
  const int64_t length = columns_short ? m : n, blocks = (length + 31) / 32;
  const int64_t chunks = std::min(blocks, pieces_of_work(double(m) * double(n) * double(k), 8));
  return [=](const Frame& frame) {
    parallel(chunks, [&](int64_t chunk, int) {
      const int64_t begin = blocks * chunk / chunks * 32, end = std::min(length, blocks * (chunk + 1) / chunks * 32);
      if (columns_short) product(frame.at<const float>(a), frame.at<const float>(b), frame.at<float>(c), m, k, begin, end);
      else product(frame.at<const float>(a), frame.at<const float>(b), frame.at<float>(c), m, n, begin, end);
    });
  };
}

}  // namespace weft::cpu::WEFT_ISA
