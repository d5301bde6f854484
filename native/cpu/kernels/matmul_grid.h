// Cuts one matrix product into chunks for the thread pool and runs them: shared by matMul, dense and 1x1 convolution.
#pragma once
#include "chunks.h"
#include "matmul_plan.h"

namespace weft::cpu::WEFT_ISA {

/** A product of one shape, cut, packed and run as its plan says. */
template <class T> class ProductGrid {
 public:
  ProductGrid() = default;
  /** `b_column` is the stride between b's columns, `a_row` that between a's rows. */
  WEFT_BINDER ProductGrid(Call& call, int64_t m, int64_t n, int64_t k, int64_t b_column, int64_t a_row)
      : m_(m), n_(n), k_(k), panels_((n + tile_columns<T> - 1) / tile_columns<T>), plan_({m, n, k, a_row == 1, b_column != 1}) {
    if (plan_.panels) b_panel_ = ThreadScratch(call, size_t(b_panel_size<T>(k)) * sizeof(T));
    if (plan_.pack_b) packed_b_ = call.scratch(size_t(packed_size<T>(k, n)) * sizeof(T));
    if (!plan_.pack_a) return;
    const int64_t row_tiles = (m + tile_rows - 1) / tile_rows, rows = (row_tiles + plan_.row_chunks - 1) / plan_.row_chunks * tile_rows;
    a_block_ = ThreadScratch(call, size_t(a_block_size<T>(rows, k, plan_.panels ? rows : block_rows)) * sizeof(T));
  }

  void run(const Frame& frame, Product<T> whole) const {
    if (m_ == 0 || n_ == 0) return;
    if (plan_.pack_b) {
      T* packed = frame.at<T>(packed_b_);
      const int64_t grain = std::max<int64_t>(1, (1 << 16) / std::max<int64_t>(1, k_ * tile_columns<T>));
      parallel_range(panels_, grain, [&](int64_t begin, int64_t end) { pack_panels<T>(whole.b, k_, n_, begin, end, packed); });
      whole.packed_b = packed;
    }
    const int64_t row_tiles = (m_ + tile_rows - 1) / tile_rows;
    parallel(plan_.row_chunks * plan_.column_chunks, [&](int64_t chunk, int thread) {
      // neighbouring chunks have the same columns, so a thread reads a part of b
      const int64_t row_chunk = chunk % plan_.row_chunks, column_chunk = chunk / plan_.row_chunks;
      const int64_t r0 = first_of(row_chunk, plan_.row_chunks, row_tiles) * tile_rows;
      const int64_t r1 = std::min(m_, first_of(row_chunk + 1, plan_.row_chunks, row_tiles) * tile_rows);
      const int64_t j0 = first_of(column_chunk, plan_.column_chunks, panels_) * tile_columns<T>;
      const int64_t j1 = std::min(n_, first_of(column_chunk + 1, plan_.column_chunks, panels_) * tile_columns<T>);
      Product<T> part = whole;
      part.m = r1 - r0;
      part.n = j1 - j0;
      part.k = k_;
      part.a.data += r0 * whole.a.row;
      part.b.data += j0 * whole.b.column;
      if (whole.packed_b) part.packed_b += j0 * k_;
      part.c += r0 * whole.c_row + j0;
      if (whole.bias) part.bias += j0;
      part.a_block = plan_.pack_a ? a_block_.template at<T>(frame, thread) : nullptr;
      part.together = plan_.together;
      part.b_panel = plan_.panels ? b_panel_.template at<T>(frame, thread) : nullptr;
      // a thread's chunks follow each other, so each can fetch what the next one reads
      part.b_behind = plan_.row_chunks == 1 ? n_ - j1 : 0;
      part.a_below = plan_.column_chunks == 1 ? m_ - r1 : 0;
      if (row_chunk > 0 && plan_.column_chunks == 1) {
        Product<T> before = part;
        before.a_below = m_ - r0;
        part.far_a = !fetches_rows_below(before, r0 - first_of(row_chunk - 1, plan_.row_chunks, row_tiles) * tile_rows);
      }
      multiply<T>(part);
    });
  }

 private:
  /**
   * The first of `count` units that a chunk has. The largest chunks come first, so that the last threads end together.
   */
  static int64_t first_of(int64_t chunk, int64_t chunks, int64_t count) { return (count * chunk + chunks - 1) / chunks; }

  int64_t m_ = 0, n_ = 0, k_ = 0, panels_ = 0;
  ProductPlan<T> plan_;
  View packed_b_;
  ThreadScratch a_block_, b_panel_;
};

}  // namespace weft::cpu::WEFT_ISA
