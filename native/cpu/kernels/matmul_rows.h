// Rows of c = a^T b, as the gradient of a dense layer's weights is, some at a time: for what takes them while they are
// in the first-level cache, so that c as a whole never lies in memory. Bits are those of matMul.
#pragma once
#include "chunks.h"
#include "matmul_blocks.h"

namespace weft::cpu::WEFT_ISA {

class RowsOfProduct {
 public:
  /** Whether few terms make many results: c is then as much work to store as to compute. */
  static bool fits(int64_t m, int64_t n, int64_t k);

  RowsOfProduct() = default;
  /** a is [k, m], b is [k, n]. */
  WEFT_BINDER RowsOfProduct(Call& call, int64_t m, int64_t n, int64_t k);
  /** How many are computed at a time. */
  int64_t height() const { return height_; }
  /** Once for each run, before the rows. */
  void prepare(const Frame& frame, const float* b) const;
  /** Rows [begin, end) of c, one after the other. */
  void compute(const Frame& frame, int thread, const float* a, const float* b, int64_t begin, int64_t end, float* c) const;

 private:
  bool short_columns_ = false;
  int64_t m_ = 0, n_ = 0, k_ = 0, height_ = 0;
  View packed_b_;
  ThreadScratch a_block_;
};

}  // namespace weft::cpu::WEFT_ISA
