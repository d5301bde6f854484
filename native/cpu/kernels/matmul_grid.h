// Cuts one matrix product into chunks for the thread pool and runs them: shared by matMul, dense and 1x1 convolution.
#pragma once
#include "chunks.h"
#include "matmul_blocks.h"

namespace weft::cpu::WEFT_ISA {

/** How a product of one shape is cut and packed. All of it follows from the shape. */
template <class T> class ProductGrid {
 public:
  ProductGrid() = default;
  /** `b_column` is b's column stride: b is packed when it is not 1, or when the product is large enough. */
  WEFT_BINDER ProductGrid(Call& call, int64_t m, int64_t n, int64_t k, int64_t b_column, int64_t a_row) : m_(m), n_(n), k_(k) {
    far_ = b_column == 1 && is_far<T>(m, n, k);
    pack_b_ = far_ || should_pack_b<T>(m, n, b_column);
    const int64_t pieces = std::clamp(int64_t(double(m) * double(n) * double(k) / least_piece), int64_t(1), int64_t(8));
    const int64_t row_tiles = (m + tile_rows - 1) / tile_rows;
    panels_ = (n + tile_columns<T> - 1) / tile_columns<T>;
    const bool large = m >= 2 * block_rows && n >= 2 * block_rows;
    const bool transposed = a_row == 1 && k > 1;
    if (large) {
      // blocks of c that stay in the second-level cache while k runs
      column_chunks_ = (n + widest_chunk - 1) / widest_chunk;
      row_chunks_ = (m + block_rows - 1) / block_rows;
      row_chunks_ += row_chunks_ * column_chunks_ % 2;  // two threads share an even number
    } else if (m > n || (m == n && !transposed)) {
      row_chunks_ = std::min(pieces, row_tiles);
    } else if (n >= 2 * long_columns && m * k * int64_t(sizeof(T)) > second_level_cache) {
      column_chunks_ = (n + long_columns - 1) / long_columns;  // each reads all of a, which does not stay near: they are few
    } else {
      // each chunk packs the rows of a transposed a anew, unless its tiles do so by the way
      const int64_t fewest = transposed && !tile_shapes.keep_a ? 128 / tile_columns<T> : 1;
      column_chunks_ = std::clamp<int64_t>(panels_ / fewest, 1, pieces);
      row_chunks_ = std::max<int64_t>(1, std::min(pieces / column_chunks_, row_tiles));
    }
    pack_a_ = transposed ? n / column_chunks_ > tile_columns<T> && m > 4 && k > 16 : should_pack_a<T>(m, n / column_chunks_, k);
    // a panel of b is packed as it is first used, unless several blocks of rows use it
    panel_ = pack_b_ && (b_column == 1 ? !large && m <= row_chunks_ * block_rows : m <= block_rows && row_chunks_ == 1);
    if (panel_) b_panel_ = ThreadScratch(call, size_t(b_panel_size<T>(k) * (far_ ? panels_together : 1)) * sizeof(T));
    else if (pack_b_) packed_b_ = call.scratch(size_t(packed_size<T>(k, n)) * sizeof(T));
    if (pack_a_) a_block_ = ThreadScratch(call, size_t(a_block_size<T>(m, k)) * sizeof(T));
  }

  void run(const Frame& frame, Product<T> whole) const {
    if (m_ == 0 || n_ == 0) return;
    if (pack_b_ && !panel_) {
      T* packed = frame.at<T>(packed_b_);
      const int64_t grain = std::max<int64_t>(1, (1 << 16) / std::max<int64_t>(1, k_ * tile_columns<T>));
      parallel_range(panels_, grain, [&](int64_t begin, int64_t end) { pack_panels<T>(whole.b, k_, n_, begin, end, packed); });
      whole.packed_b = packed;
    }
    const int64_t row_tiles = (m_ + tile_rows - 1) / tile_rows;
    parallel(row_chunks_ * column_chunks_, [&](int64_t chunk, int thread) {
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
      part.a_block = pack_a_ ? a_block_.template at<T>(frame, thread) : nullptr;
      part.far = far_;
      part.b_panel = panel_ ? b_panel_.template at<T>(frame, thread) : nullptr;
      multiply<T>(part);
    });
  }

 private:
  static constexpr double least_piece = 1e6;  // multiply-adds, 20 µs: products hand over little but addresses
  static constexpr int64_t widest_chunk = 1024;
  static constexpr int64_t long_columns = 256;
  static constexpr int64_t second_level_cache = 1 << 20;
  int64_t m_ = 0, n_ = 0, k_ = 0, panels_ = 0, row_chunks_ = 1, column_chunks_ = 1;
  bool pack_b_ = false, pack_a_ = false, panel_ = false, far_ = false;
  View packed_b_;
  ThreadScratch a_block_, b_panel_;
};

}  // namespace weft::cpu::WEFT_ISA
