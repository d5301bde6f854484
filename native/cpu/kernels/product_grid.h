// Cuts one matrix product into chunks for the thread pool and runs them: shared by matMul, dense and 1x1 convolution.
#pragma once
#include "gemm.h"
#include "widen.h"

namespace weft::cpu::WEFT_ISA {

/** How a product of one shape is cut and packed. All of it follows from the shape. */
template <class T> class ProductGrid {
 public:
  ProductGrid() = default;
  /** `b_column` is b's column stride: b is packed when it is not 1, or when the product is large enough. */
  ProductGrid(Call& call, int64_t m, int64_t n, int64_t k, int64_t b_column) : m_(m), n_(n), k_(k) {
    pack_b_ = should_pack_b<T>(m, n, b_column);
    const int64_t pieces = pieces_of_work(double(m) * double(n) * double(k), 8);
    const int64_t row_tiles = (m + tile_rows - 1) / tile_rows;
    panels_ = (n + tile_columns<T> - 1) / tile_columns<T>;
    if (pack_b_ && m <= block_rows && n >= 2 * long_columns && k > longest_block && k * n * int64_t(sizeof(T)) > second_level_cache) {
      // a small result of a long sum, as gradients of weights are
      long_sum_ = true;
      column_chunks_ = (n + long_columns - 1) / long_columns;
    } else if (m >= 2 * block_rows && n >= 2 * block_rows) {
      // large: blocks of c that stay in the second-level cache while k runs
      column_chunks_ = (n + widest_chunk - 1) / widest_chunk;
      row_chunks_ = (m + block_rows - 1) / block_rows;
    } else if (row_tiles >= pieces || row_tiles >= panels_) {
      row_chunks_ = std::min(pieces, row_tiles);
    } else {
      column_chunks_ = std::min(pieces, panels_);
    }
    pack_a_ = should_pack_a<T>(m, n / column_chunks_, k);
    if (long_sum_) block_of_b_ = LaneScratch(call, size_t(packed_size<T>(block_length(k), long_columns + tile_columns<T>)) * sizeof(T));
    else if (pack_b_) packed_b_ = call.scratch(size_t(packed_size<T>(k, n)) * sizeof(T));
    if (pack_a_) a_block_ = LaneScratch(call, size_t(a_block_size<T>(m, k)) * sizeof(T));
  }

  void run(const Frame& frame, Product<T> whole) const {
    if (m_ == 0 || n_ == 0) return;
    if (long_sum_) return run_long_sum(frame, whole);
    if (pack_b_) {
      T* packed = frame.at<T>(packed_b_);
      const int64_t grain = std::max<int64_t>(1, (1 << 16) / std::max<int64_t>(1, k_ * tile_columns<T>));
      parallel_range(panels_, grain, [&](int64_t begin, int64_t end) { pack_panels<T>(whole.b, k_, n_, begin, end, packed); });
      whole.packed_b = packed;
    }
    const int64_t row_tiles = (m_ + tile_rows - 1) / tile_rows;
    parallel(row_chunks_ * column_chunks_, [&](int64_t chunk, int lane) {
      const int64_t row_chunk = chunk / column_chunks_, column_chunk = chunk % column_chunks_;
      const int64_t r0 = row_tiles * row_chunk / row_chunks_ * tile_rows;
      const int64_t r1 = std::min(m_, row_tiles * (row_chunk + 1) / row_chunks_ * tile_rows);
      const int64_t j0 = panels_ * column_chunk / column_chunks_ * tile_columns<T>;
      const int64_t j1 = std::min(n_, panels_ * (column_chunk + 1) / column_chunks_ * tile_columns<T>);
      Product<T> part = whole;
      part.m = r1 - r0;
      part.n = j1 - j0;
      part.k = k_;
      part.a.data += r0 * whole.a.row;
      part.b.data += j0 * whole.b.column;
      if (whole.packed_b) part.packed_b += j0 * k_;
      part.c += r0 * whole.c_row + j0;
      if (whole.bias) part.bias += j0;
      part.a_block = pack_a_ ? a_block_.template at<T>(frame, lane) : nullptr;
      multiply<T>(part);
    });
  }

 private:
  /** Blocks of k one after the other, so that their part of b is packed and used while it is near; in the order in which multiply() adds blocks. */
  void run_long_sum(const Frame& frame, const Product<T>& whole) const {
    parallel(column_chunks_, [&](int64_t chunk, int lane) {
      const int64_t j0 = panels_ * chunk / column_chunks_ * tile_columns<T>;
      const int64_t j1 = std::min(n_, panels_ * (chunk + 1) / column_chunks_ * tile_columns<T>);
      T* packed = block_of_b_.template at<T>(frame, lane);
      const int64_t length = block_length(k_);
      for (int64_t k0 = 0; k0 < k_; k0 += length) {
        Product<T> part = whole;
        part.m = m_, part.n = j1 - j0, part.k = std::min(length, k_ - k0);
        part.a.data += k0 * whole.a.column;
        part.b.data += k0 * whole.b.row + j0 * whole.b.column;
        pack_panels<T>(part.b, part.k, part.n, 0, (part.n + tile_columns<T> - 1) / tile_columns<T>, packed);
        part.packed_b = packed;
        part.c += j0;
        part.bias = whole.bias && k0 == 0 ? whole.bias + j0 : nullptr;
        part.accumulate = whole.accumulate || k0 > 0;
        if (k0 + length < k_) part.activation = Activation::linear;
        part.a_block = pack_a_ ? a_block_.template at<T>(frame, lane) : nullptr;
        multiply<T>(part);
      }
    });
  }

  static constexpr int64_t widest_chunk = 1024;
  static constexpr int64_t long_columns = 256;
  static constexpr int64_t second_level_cache = 1 << 20;
  int64_t m_ = 0, n_ = 0, k_ = 0, panels_ = 0, row_chunks_ = 1, column_chunks_ = 1;
  bool pack_b_ = false, pack_a_ = false, long_sum_ = false;
  View packed_b_;
  LaneScratch a_block_, block_of_b_;
};

}  // namespace weft::cpu::WEFT_ISA
