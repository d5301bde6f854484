// Matrix products on one thread. Callers cut the work into chunks and give each the memory it packs into.
#pragma once
#include "matmul_pack.h"

namespace weft::cpu::WEFT_ISA {

enum class Activation { linear, relu, sigmoid, tanh };

/** Rows of c in one block of packed a. About 36 tiles of a then use a panel of b while it is in the nearest cache. */
constexpr int64_t block_rows = tile_rows * 18;
constexpr int64_t longest_block = 512;

/** Length of the blocks that k is summed in. It depends on k alone, so that a row's bits do not depend on the batch. */
inline int64_t block_length(int64_t k) {
  const int64_t blocks = (k + longest_block - 1) / longest_block;
  return blocks <= 1 ? k : (k + blocks - 1) / blocks;
}

/** The size of the memory that multiply() packs a into, in elements. */
template <class T> int64_t a_block_size(int64_t m, int64_t k, int64_t most_rows = block_rows) {
  return std::min(m, most_rows) * block_length(k) + lanes_of<T>;
}

/** The size of the memory that multiply() packs a panel of b into, in elements. */
template <class T> int64_t b_panel_size(int64_t k) { return block_length(k) * tile_columns<T>; }

/** c[m, n] = a[m, k] * b[k, n] (+ bias[n]) (+ c if accumulate), then an activation. */
template <class T> struct Product {
  int64_t m, n, k;
  Matrix<T> a, b;               // b is read in rows (column stride 1) unless packed_b is given
  const T* packed_b = nullptr;  // panels of the whole of b: packed_b holds the panel of the product's first column
  T* c;
  int64_t c_row;
  const T* bias = nullptr;
  bool accumulate = false;
  Activation activation = Activation::linear;
  T* a_block = nullptr;               // a_block_size elements, or null: a is read where it lies
  T* b_panel = nullptr;               // b_panel_size elements: without packed_b, a panel of b is packed as the first tile reads it. All
                                      // rows are then one block
  int64_t together = 1;               // with b_panel: panels that are fetched together while those before them are used; 0: none
  int64_t b_behind = 0, a_below = 0;  // columns of b and rows of a that the thread reads next
  bool far_a = true;                  // tiles of the first panel fetch rows of a, one tile ahead
};
template <class T> void multiply(const Product<T>& p);
/** Whether a product like this, of m rows, fetches the rows of a below its own. */
template <class T> bool fetches_rows_below(const Product<T>& p, int64_t m);

/** Whether packing a saves more time than it costs, for one of many products of this size. */
template <class T> bool should_pack_a(int64_t m, int64_t n, int64_t k) { return n > 128 && m > 4 && k > 64; }

template <class T> void activate_row(Activation activation, T* row, int64_t n);

Activation activation_named(const std::string& name);

}  // namespace weft::cpu::WEFT_ISA
