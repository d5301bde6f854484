// The kernels of products with few columns and long sums.
#include "matmul_narrow.h"

#include <array>
#include <utility>

#include "permute.h"
#include "transpose_square.h"

namespace weft::cpu::WEFT_ISA {
namespace {

/** Terms that a group of rows goes through before the next: what they read of a and of some columns of b stays near. */
constexpr int64_t block = 512;
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

/** The terms of one row and of b [length, n] where it lies; sums [width lanes][n]. */
struct FlatTerms {
  const float *a, *b;
  int64_t n, length;
  const IVec* lane_of;  // of each vector of sums: which of `width` terms each of its lanes adds
  float* sums;
};

/**
 * Adds the terms. Where b lies, `width` terms of all columns are n whole vectors, and so are their sums. The tile does
 * `vectors` of them, from `first` on.
 */
template <int vectors> void add_flat_tile(const FlatTerms& p, int64_t first) {
  Vec sum[vectors];
  IVec lanes[vectors];
#pragma GCC unroll 5
  for (int v = 0; v < vectors; v++) lanes[v] = p.lane_of[first + v], sum[v] = load(p.sums + (first + v) * width);
  const float* b = p.b + first * width;
  int64_t k = 0;
  for (; k + width <= p.length; k += width, b += p.n * width) {
    const Vec term = load(p.a + k);
#pragma GCC unroll 5
    for (int v = 0; v < vectors; v++) sum[v] = fma(permute(term, lanes[v]), load(b + v * width), sum[v]);
  }
  if (k < p.length) {
    const Vec term = load_partial(p.a + k, int(p.length - k));
    const int64_t left = (p.length - k) * p.n - first * width;
#pragma GCC unroll 5
    for (int v = 0; v < vectors; v++) {
      const Mask mask = first_lanes(int(std::clamp<int64_t>(left - v * width, 0, width)));
      sum[v] = fma(permute(term, lanes[v]), load_masked(b + v * width, mask), sum[v]);
    }
  }
#pragma GCC unroll 5
  for (int v = 0; v < vectors; v++) store(p.sums + (first + v) * width, sum[v]);
}

using FlatTile = void (*)(const FlatTerms& p, int64_t first);
template <int... vector> constexpr auto flat_tiles_table(std::integer_sequence<int, vector...>) {
  return std::array<FlatTile, sizeof...(vector)>{add_flat_tile<vector + 1>...};
}
constexpr auto flat_tiles = flat_tiles_table(std::make_integer_sequence<int, widest_narrow_tile>());

/** Rows [begin, end), fewer than worth_turning, against b where it lies. */
void few_rows(const NarrowProduct& p, int64_t begin, int64_t end) {
  IVec lane_of[most_narrow_columns];
  for (int64_t i = 0; i < p.n * width; i++) lane_of[i / width][i % width] = int32_t(i / p.n);
  float sums[worth_turning * width * most_narrow_columns];
  const int64_t row_sums = width * p.n;
  std::fill(sums, sums + (end - begin) * row_sums, 0.0f);
  for (int64_t k = 0; k < p.k; k += block)
    for (int64_t row = begin; row < end; row++) {
      const FlatTerms terms{p.a + row * p.k + k, p.b + k * p.n, p.n, length_at(p, k), lane_of, sums + (row - begin) * row_sums};
      for_tiles(p.n, widest_narrow_tile, [&](int64_t v0, int64_t v1) { flat_tiles[size_t(v1 - v0 - 1)](terms, v0); });
    }
  for (int64_t row = begin; row < end; row++) {
    float* const lanes = sums + (row - begin) * row_sums;
    for (int64_t half = row_sums / 2; half >= p.n; half /= 2)
      for (int64_t i = 0; i < half; i++) lanes[i] += lanes[i + half];
    float* c = p.c + row * p.n;
    for (int64_t j = 0; j < p.n; j++) c[j] = lanes[j] + (p.bias ? p.bias[j] : 0.0f);
    activate_row(p.activation, c, p.n);
  }
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
  // shorter pieces than elsewhere: a product of few columns is a layer that a run ends with, and JavaScript is told of
  // that end between two pieces
  chunks_ = std::min(groups_, pieces_of_work(2 * double(m) * double(n) * double(k), 8));
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
