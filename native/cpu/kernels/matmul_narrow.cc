// The kernels of products with few columns and long sums.
#include "matmul_narrow.h"

#include <array>
#include <utility>

#include "transpose_square.h"

namespace weft::cpu::WEFT_ISA {
namespace {

/** Terms that a group of rows goes through before the next: what they read of a and of some columns of b stays near. */
constexpr int64_t block = 256;
constexpr int64_t group_rows = 16, worth_turning = 5;

int64_t length_at(const NarrowProduct& p, int64_t k) { return std::min(block, p.k - k); }
/** How far the rows of turned b are apart in the block that begins at `k`. */
int64_t pitch_at(const NarrowProduct& p, int64_t k) { return (length_at(p, k) + width - 1) / width * width; }

/** `turned` [columns][pitch] = b [length, n] transposed; zeros fill the last vector of each row. */
void turn_narrow(const float* b, int64_t n, int64_t length, float* turned, int64_t pitch) {
  for (int64_t j = 0; j < n; j += width) {
    const int columns = int(std::min<int64_t>(width, n - j));
    if (columns <= width / 4) {  // the rest of a square would cost more than single values
      for (int i = 0; i < columns; i++) {
        for (int64_t k = 0; k < length; k++) turned[(j + i) * pitch + k] = b[k * n + j + i];
        std::fill(turned + (j + i) * pitch + length, turned + (j + i + 1) * pitch, 0.0f);
      }
      continue;
    }
    const Mask mask = first_lanes(columns);
    for (int64_t k = 0; k < length; k += width) {
      Vec square[width];
#pragma GCC unroll 16
      for (int i = 0; i < width; i++) square[i] = k + i < length ? load_masked(b + (k + i) * n + j, mask) : zero();
      transpose_square(square);
#pragma GCC unroll 16
      for (int i = 0; i < width; i++)
        if (i < columns) store(turned + (j + i) * pitch + k, square[i]);
    }
  }
}

/**
 * Adds `length` terms of `rows` rows and `columns` columns to sums [rows][row_sums], where each sum is a vector of
 * lanes.
 */
template <int rows, int columns>
void add_narrow_tile(const float* a, int64_t a_row, const float* turned, int64_t pitch, int64_t length, float* sums, int64_t row_sums) {
  Vec sum[rows][columns];
#pragma GCC unroll 4
  for (int r = 0; r < rows; r++)
#pragma GCC unroll 5
    for (int j = 0; j < columns; j++) sum[r][j] = load(sums + r * row_sums + j * width);
  const auto add = [&](int64_t k, auto&& load_terms) __attribute__((always_inline)) {
    Vec term[rows];
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++) term[r] = load_terms(a + r * a_row + k);
#pragma GCC unroll 5
    for (int j = 0; j < columns; j++) {
      const Vec factor = (Vec)hidden((DoubleVec)load(turned + j * pitch + k));  // loaded once, not for each row
#pragma GCC unroll 4
      for (int r = 0; r < rows; r++) sum[r][j] = fma(term[r], factor, sum[r][j]);
    }
  };
  int64_t k = 0;
  for (; k + width <= length; k += width)
    add(
        k, [](const float* from) __attribute__((always_inline)) { return load(from); });
  if (k < length) {
    const Mask rest = first_lanes(int(length - k));
    add(
        k, [&](const float* from) __attribute__((always_inline)) { return load_masked(from, rest); });
  }
#pragma GCC unroll 4
  for (int r = 0; r < rows; r++)
#pragma GCC unroll 5
    for (int j = 0; j < columns; j++) store(sums + r * row_sums + j * width, sum[r][j]);
}

using NarrowTile = void (*)(const float* a, int64_t a_row, const float* turned, int64_t pitch, int64_t length, float* sums,
                            int64_t row_sums);
constexpr int widest_narrow_tile = 5;
template <int... column> constexpr auto narrow_tiles_table(std::integer_sequence<int, column...>) {
  return std::array<std::pair<NarrowTile, NarrowTile>, sizeof...(column)>{
      std::pair<NarrowTile, NarrowTile>{add_narrow_tile<tile_shapes.narrow_rows, column + 1>, add_narrow_tile<1, column + 1>}...};
}
/** By the number of columns: for several rows, and for one. */
constexpr auto narrow_tiles = narrow_tiles_table(std::make_integer_sequence<int, widest_narrow_tile>());

/**
 * Adds `length` terms of `rows` rows to sums [rows][width lanes][n], for the `vectors` vectors of columns from j on,
 * with b where it lies. As many lanes as registers hold are summed in one go over the terms.
 */
template <int rows, int vectors>
void add_narrow_rows(const float* a, int64_t a_row, const float* b, int64_t n, int64_t j, int64_t length, float* sums) {
  constexpr int lanes = std::min(width, tile_shapes.narrow_sums / (rows * vectors));
  const Mask last = last_mask<float>(std::min<int64_t>(n - j, vectors * width));
  const auto columns = [&](const float* from, int v) __attribute__((always_inline)) {
    return v == vectors - 1 ? load_masked(from + v * width, last) : load(from + v * width);
  };
  for (int first = 0; first < width; first += lanes) {
    Vec sum[rows][lanes][vectors];
    float* const at = sums + first * n + j;
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 16
      for (int i = 0; i < lanes; i++)
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++) sum[r][i][v] = columns(at + (r * width + i) * n, v);
    const float *terms = a + first, *factors = b + first * n + j;
    const auto add = [&](int64_t k, int i) __attribute__((always_inline)) {
      Vec factor[vectors];
#pragma GCC unroll 2
      for (int v = 0; v < vectors; v++) factor[v] = columns(factors + (k + i) * n, v);
#pragma GCC unroll 4
      for (int r = 0; r < rows; r++) {
        const Vec term = broadcast(terms[r * a_row + k + i]);
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++) sum[r][i][v] = fma(term, factor[v], sum[r][i][v]);
      }
    };
    int64_t k = 0;
    for (; k + width <= length; k += width) {
#pragma GCC unroll 16
      for (int i = 0; i < lanes; i++) add(k, i);
    }
#pragma GCC unroll 16
    for (int i = 0; i < lanes; i++)
      if (k + first + i < length) add(k, i);
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 16
      for (int i = 0; i < lanes; i++)
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++) {
          float* const to = at + (r * width + i) * n + v * width;
          if (v == vectors - 1) store_masked(to, sum[r][i][v], last);
          else store(to, sum[r][i][v]);
        }
  }
}

/** `rows` rows against b where it lies. */
template <int rows> void multiply_narrow_rows(const NarrowProduct& p, int64_t row) {
  float sums[rows * width * most_narrow_columns];
  std::fill(sums, sums + rows * width * p.n, 0.0f);
  const float* a = p.a + row * p.k;
  for (int64_t k = 0; k < p.k; k += block) {
    const int64_t length = std::min(block, p.k - k);
    int64_t j = 0;
    if constexpr (width < most_narrow_columns)
      for (; j + width < p.n; j += 2 * width) add_narrow_rows<rows, 2>(a + k, p.k, p.b + k * p.n, p.n, j, length, sums);
    if (j < p.n) add_narrow_rows<rows, 1>(a + k, p.k, p.b + k * p.n, p.n, j, length, sums);
  }
  for (int r = 0; r < rows; r++) {
    float* const lanes = sums + r * width * p.n;
    for (int64_t half = width / 2 * p.n; half >= p.n; half /= 2)
      for (int64_t i = 0; i < half; i++) lanes[i] += lanes[i + half];
    float* c = p.c + (row + r) * p.n;
    for (int64_t j = 0; j < p.n; j++) c[j] = lanes[j] + (p.bias ? p.bias[j] : 0.0f);
    activate_row(p.activation, c, p.n);
  }
}

void few_rows(const NarrowProduct& p, int64_t begin, int64_t end) {
  int64_t i = begin;
  for (; i + 4 <= end; i += 4) multiply_narrow_rows<4>(p, i);
  for (; i + 2 <= end; i += 2) multiply_narrow_rows<2>(p, i);
  if (i < end) multiply_narrow_rows<1>(p, i);
}

void multiply_group(const NarrowProduct& p, const float* turned, int64_t first, int rows, float* sums) {
  const int64_t row_sums = p.n * width;
  std::fill(sums, sums + rows * row_sums, 0.0f);
  for (int64_t k = 0; k < p.k; k += block) {
    const int64_t length = length_at(p, k), pitch = pitch_at(p, k);
    const float *a = p.a + first * p.k + k, *b = turned + k * p.n;
    for_tiles(p.n, widest_narrow_tile, [&](int64_t j0, int64_t j1) {
      const auto& [tall, single] = narrow_tiles[size_t(j1 - j0 - 1)];
      const auto add = [&](NarrowTile tile, int r) {
        tile(a + r * p.k, p.k, b + j0 * pitch, pitch, length, sums + r * row_sums + j0 * width, row_sums);
      };
      int r = 0;
      for (; r + tile_shapes.narrow_rows <= rows; r += tile_shapes.narrow_rows) add(tall, r);
      for (; r < rows; r++) add(single, r);
    });
  }
  for (int r = 0; r < rows; r++) {
    float* c = p.c + (first + r) * p.n;
    for (int64_t j = 0; j < p.n; j++) c[j] = sum(load(sums + r * row_sums + j * width)) + (p.bias ? p.bias[j] : 0.0f);
    activate_row(p.activation, c, p.n);
  }
}

}  // namespace

WEFT_BINDER NarrowGrid::NarrowGrid(Call& call, int64_t m, int64_t n, int64_t k) : groups_((m + group_rows - 1) / group_rows) {
  chunks_ = std::min(groups_, pieces_of_work(double(m) * double(n) * double(k), 8));
  if (m < worth_turning) return;
  turned_ = call.scratch(size_t((k + width) * n) * sizeof(float));
  sums_ = ThreadScratch(call, size_t(group_rows * n * width) * sizeof(float));
}

void NarrowGrid::run(const Frame& frame, const NarrowProduct& p) const {
  const bool turns = p.m >= worth_turning;
  float* turned = turns ? frame.at<float>(turned_) : nullptr;
  if (turns)  // block by block, so that what a tile reads lies together
    parallel_range((p.k + block - 1) / block, 16, [&](int64_t begin, int64_t end) {
      for (int64_t k = begin * block; k < std::min(p.k, end * block); k += block)
        turn_narrow(p.b + k * p.n, p.n, length_at(p, k), turned + k * p.n, pitch_at(p, k));
    });
  parallel(chunks_, [&](int64_t chunk, int thread) {
    for (int64_t group = groups_ * chunk / chunks_; group < groups_ * (chunk + 1) / chunks_; group++) {
      const int64_t begin = group * group_rows, end = std::min(p.m, begin + group_rows);
      if (turns) multiply_group(p, turned, begin, int(end - begin), sums_.at<float>(frame, thread));
      else few_rows(p, begin, end);
    }
  });
}

}  // namespace weft::cpu::WEFT_ISA
