// The blocked matrix product over the micro-kernel.
#include "matmul_blocks.h"

#include <algorithm>
#include <cmath>

namespace weft::cpu::WEFT_ISA {

template <> void activate_row<float>(Activation activation, float* row, int64_t n) {
  auto apply = [&](auto f) {
    int64_t j = 0;
    for (; j + width <= n; j += width) store(row + j, f(load(row + j)));
    if (j < n) store_partial(row + j, f(load_partial(row + j, int(n - j))), int(n - j));
  };
  switch (activation) {
    case Activation::linear: break;
    case Activation::relu: apply([](Vec v) { return max(zero(), v); }); break;
    case Activation::sigmoid: apply([](Vec v) { return sigmoid(v); }); break;
    case Activation::tanh: apply([](Vec v) { return tanh(v); }); break;
  }
}
template <> void activate_row<double>(Activation activation, double* row, int64_t n) {
  for (int64_t j = 0; j < n; j++) {
    double& v = row[j];
    switch (activation) {
      case Activation::linear: break;
      case Activation::relu: v = 0 > v ? 0 : v; break;
      case Activation::sigmoid: v = 1 / (1 + std::exp(-v)); break;
      case Activation::tanh: v = std::tanh(v); break;
    }
  }
}

/**
 * Bytes of a packed b that stay in the second-level cache. Fetching what is there only holds up the sums, by 2 to 9 %.
 */
constexpr int64_t near_b = 1 << 19;
template <class T> bool is_far_b(const Product<T>& p) { return p.packed_b && p.n * p.k * int64_t(sizeof(T)) > near_b; }

constexpr int64_t narrow = std::min(16, 2 * width);  // columns

/**
 * One row and a few columns: one sum for each column would wait for itself at every term. Several blocks of k are
 * summed at a time, and added in the order in which the general kernel adds them.
 */
template <int vectors> void multiply_narrow_row(const Product<float>& p, int64_t length, int64_t blocks) {
  constexpr int chains = vectors == 1 ? 6 : 4;
  const Mask last = last_mask<float>(p.n);
  const auto columns = [&](const float* from, int v) __attribute__((always_inline)) {
    return v == vectors - 1 ? load_masked(from + v * width, last) : load(from + v * width);
  };
  Vec total[vectors] = {};
  for (int64_t first = 0; first < blocks; first += chains) {
    const int count = int(std::min<int64_t>(chains, blocks - first));
    const float *a[chains], *b[chains];
    Vec sum[chains][vectors];
#pragma GCC unroll 6
    for (int c = 0; c < chains; c++) {
      const int64_t k = (first + (c < count ? c : 0)) * length;  // the others repeat the first, and are not added
      a[c] = p.a.data + k * p.a.column, b[c] = p.b.data + k * p.b.row;
#pragma GCC unroll 2
      for (int v = 0; v < vectors; v++) sum[c][v] = first + c == 0 && p.bias ? columns(p.bias, v) : zero();
    }
    const int64_t shortest = std::min(length, p.k - (first + count - 1) * length);
    int64_t k = 0;
    for (; k < shortest; k++) {
#pragma GCC unroll 6
      for (int c = 0; c < chains; c++) {
        const Vec factor = broadcast(a[c][k * p.a.column]);
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++) sum[c][v] = fma(factor, columns(b[c] + k * p.b.row, v), sum[c][v]);
      }
    }
    for (; k < length; k++) {  // the last block of all is shorter
#pragma GCC unroll 6
      for (int c = 0; c < chains - 1; c++) {
        if (c >= count - 1) continue;
        const Vec factor = broadcast(a[c][k * p.a.column]);
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++) sum[c][v] = fma(factor, columns(b[c] + k * p.b.row, v), sum[c][v]);
      }
    }
#pragma GCC unroll 6
    for (int c = 0; c < chains; c++) {
      if (c >= count) continue;
#pragma GCC unroll 2
      for (int v = 0; v < vectors; v++) {
        if (first + c > 0) total[v] = sum[c][v] + total[v];
        else total[v] = p.accumulate ? sum[c][v] + columns(p.c, v) : sum[c][v];
      }
    }
  }
#pragma GCC unroll 2
  for (int v = 0; v < vectors; v++) {
    const Vec result = p.activation == Activation::relu ? max(zero(), total[v]) : total[v];
    if (v == vectors - 1) store_masked(p.c + v * width, result, last);
    else store(p.c + v * width, result);
  }
  activate_row(p.activation == Activation::relu ? Activation::linear : p.activation, p.c, p.n);
}

/**
 * Rows of b, or of a transposed b, that are read behind the columns before `j` of the block [k0, k0 + kc): those of the
 * next block, or of the product that the thread computes next.
 */
template <class T> Ahead panels_behind(const Product<T>& p, int64_t k0, int64_t kc, int64_t j, int64_t calls) {
  int64_t end = p.n;
  if (j >= end) {
    j = 0, k0 += kc;
    kc = std::min(kc, p.k - k0);
  }
  if (kc <= 0) {
    j = p.n, end += std::min(p.b_behind, p.n);
    k0 = 0, kc = block_length(p.k);
  }
  const int64_t columns = std::min(p.together * tile_columns<T>, end - j);
  if (columns <= 0 || kc <= 0 || calls <= 0) return {};
  const T* from = p.b.data + k0 * p.b.row + j * p.b.column;
  return p.b.column == 1 ? Ahead(from, kc, columns, p.b.row, calls) : Ahead(from, columns, kc, p.b.column, calls);
}

/**
 * Of a transposed a that is packed: the lines of the block behind [k0, k0 + kc), or those of the rows below in the
 * first block.
 */
template <class T> Ahead lines_behind(const Product<T>& p, int64_t k0, int64_t kc, int64_t calls) {
  const bool last = k0 + kc >= p.k;
  const int64_t from = last ? 0 : k0 + kc, lines = std::min(block_length(p.k), p.k - from);
  const int64_t rows = last ? std::min(p.a_below, p.m) : p.m;
  if (rows <= 0 || lines <= 0 || calls <= 0) return {};
  return Ahead(p.a.data + from * p.a.column + (last ? p.m : 0), lines, rows, p.a.column, calls);
}

template <class T> bool fetches_rows_below(const Product<T>& p, int64_t m) {
  if (p.a_below <= 0 || p.a_block || p.a.column != 1 || p.a.row != p.k || p.k > longest_block || p.n <= tile_columns<T>) return false;
  return p.b_panel ? p.together == 0 : m <= block_rows && !is_far_b(p);
}

template <class T> void multiply(const Product<T>& p) {
  constexpr int lanes = lanes_of<T>;
  constexpr int64_t columns = tile_columns<T>;
  const int64_t length = std::max<int64_t>(1, block_length(p.k));
  const int64_t blocks = p.k == 0 ? 1 : (p.k + length - 1) / length;  // k = 0 still writes zeros
  if constexpr (sizeof(T) == 4)
    if (p.m == 1 && blocks > 1 && p.n <= narrow && p.b.column == 1 && !p.packed_b)
      return p.n <= lanes ? multiply_narrow_row<1>(p, length, blocks) : multiply_narrow_row<2>(p, length, blocks);
  // few rows: wider tiles keep the multipliers busy
  const int64_t wide = p.packed_b || p.b_panel ? columns : p.m == 1 ? 8 * lanes : p.m <= 3 ? 4 * lanes : columns;
  const int64_t rows_of_block = p.b_panel ? p.m : block_rows;
  const bool far_b = is_far_b(p), rows_below = fetches_rows_below(p, p.m);
  for (int64_t m0 = 0; m0 < p.m; m0 += rows_of_block) {
    const int64_t mc = std::min(rows_of_block, p.m - m0);
    for (int64_t block = 0; block < blocks; block++) {
      const int64_t k0 = block * length, kc = std::min(length, p.k - k0);
      const Matrix<T> a{p.a.data + m0 * p.a.row + k0 * p.a.column, p.a.row, p.a.column};
      const bool packs_turned = p.a_block && a.row == 1 && a.column != 1;
      const bool keeps_a = tiles_keep<T> && packs_turned && p.b_panel && mc > tile_rows;
      if (p.a_block && !keeps_a) pack_a_block(a, mc, kc, p.a_block);
      Ahead next;  // what is read next of b, else of a: it moves to the second-level cache while a tile is summed
      const int64_t row_tiles = tiles_in(mc, tile_rows), panels = tiles_in(p.n, columns);
      const int64_t calls = row_tiles * panels - (p.b_panel ? panels : 0);  // tiles that keep a panel fetch for themselves
      if (packs_turned && mc == p.m) next = lines_behind(p, k0, kc, calls);
      if (rows_below) next = Ahead(a.data + p.m * p.k, std::min(p.a_below, p.m) * p.k, calls - (p.far_a ? row_tiles : 0));
      int64_t near_to = 0;
      for (int64_t j = 0; j < p.n;) {
        int64_t w = std::min(wide, p.n - j);
        if (w > columns && w != 4 * lanes && w != 8 * lanes) w = w > 4 * lanes ? 4 * lanes : w > 3 * lanes ? w : columns;
        const int vectors = vectors_for<T>(w);
        MicroTile<T> tile;
        tile.k = kc;
        const Matrix<T> b{p.b.data + k0 * p.b.row + j * p.b.column, p.b.row, p.b.column};
        T* b_panel = p.b_panel && vectors == 2 ? p.b_panel : nullptr;
        if (p.packed_b) {
          tile.b = p.packed_b + j * p.k + k0 * columns;
          tile.b_step = columns;
        } else if (p.b_panel && (b.column != 1 || !tiles_keep<T>)) {
          pack_panels<T>(b, kc, w, 0, 1, p.b_panel);
          tile.b = p.b_panel;
          tile.b_step = columns;
          b_panel = nullptr;
        } else {
          tile.b = b.data;
          tile.b_step = b.row;
          if (mc <= tile_rows) b_panel = nullptr;
        }
        tile.c_row = p.c_row;
        tile.last = last_mask<T>(w);
        tile.accumulate = p.accumulate || block > 0;
        tile.bias = p.bias && block == 0 ? p.bias + j : nullptr;
        tile.relu = p.activation == Activation::relu && block == blocks - 1;
        if (far_b && j + w < p.n) next = Ahead(tile.b + columns * p.k, kc * columns, tiles_in(mc, tile_rows));
        if (p.b_panel && p.together > 0 && j >= near_to) {
          near_to = std::min(p.n, j + p.together * columns);
          const int64_t panels = (near_to - j + columns - 1) / columns;
          next = panels_behind<T>(p, k0, kc, near_to, tiles_in(mc, tile_rows) * panels - (b_panel ? panels : 0));
        }
        // the first panel meets rows of a that are not near yet: while a tile is summed, those of the next move
        const bool next_rows = j == 0 && p.far_a && !p.a_block && a.column == 1 && a.row == kc;
        for_tiles(mc, tile_rows, [&](int64_t r0, int64_t r1) {
          const int rows = int(r1 - r0);
          tile.keep_b = b_panel && r0 == 0 ? b_panel : nullptr;
          if (next_rows) Ahead(a.data + r1 * kc, std::min<int64_t>(rows, mc - r1) * kc, 1).give(tile);
          else if (tile.keep_b) tile.ahead_lines = 0;  // the tile waits for memory itself
          else next.give(tile);
          if (b_panel && r0 > 0) {
            tile.b = b_panel;
            tile.b_step = columns;
          }
          const bool keep_a = keeps_a && j == 0;
          tile.keep_a = keep_a ? p.a_block + r0 * kc : nullptr;
          if (p.a_block && !keep_a) {
            tile.a = p.a_block + r0 * kc;
            tile.a_row = 1;
            tile.a_step = rows;
          } else {
            tile.a = a.data + r0 * a.row;
            tile.a_row = a.row;
            tile.a_step = a.column;
          }
          tile.c = p.c + (m0 + r0) * p.c_row + j;
          multiply_tile(tile, rows, vectors);
        });
        j += w;
      }
    }
    if (p.activation == Activation::sigmoid || p.activation == Activation::tanh)
      for (int64_t i = 0; i < mc; i++) activate_row(p.activation, p.c + (m0 + i) * p.c_row, p.n);
  }
}

Activation activation_named(const std::string& name) {
  if (name == "linear") return Activation::linear;
  if (name == "relu") return Activation::relu;
  if (name == "sigmoid") return Activation::sigmoid;
  require(name == "tanh", "ERR_ARGUMENT", "unknown activation '", name, "'");
  return Activation::tanh;
}

template bool fetches_rows_below(const Product<float>&, int64_t);
template bool fetches_rows_below(const Product<double>&, int64_t);
template void multiply<float>(const Product<float>&);
template void multiply<double>(const Product<double>&);

}  // namespace weft::cpu::WEFT_ISA
