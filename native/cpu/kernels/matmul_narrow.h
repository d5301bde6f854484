// Products of few columns and long sums, as a network's last layer is: [batch, features] with [features, classes]. A
// tile of the general kernel has columns in its lanes, and leaves lanes empty. Here the terms of a sum run through the
// lanes: lane l adds terms l, l + width, l + 2 * width, ... in order, and the lanes are added at the end, as sum()
// does. Many rows read b transposed, a few rows read it where it lies. Both add the same terms in the same order, so a
// row's bits do not depend on the batch.
#pragma once
#include "chunks.h"
#include "matmul_blocks.h"

namespace weft::cpu::WEFT_ISA {

constexpr int most_narrow_columns = 12;  // with more, the general kernel leaves few lanes empty
inline bool fits_narrow(int64_t n, int64_t k) { return n <= most_narrow_columns && k > longest_block; }

/** c[m, n] = a[m, k] * b[k, n] + bias, then an activation; bias may be null. */
struct NarrowProduct {
  const float *a, *b, *bias;
  float* c;
  int64_t m, n, k;
  Activation activation;
};

/** How a product that fits is cut: whole rows, in groups whose sums stay in the nearest cache. */
class NarrowGrid {
 public:
  NarrowGrid() = default;
  WEFT_BINDER NarrowGrid(Call& call, int64_t m, int64_t n, int64_t k);
  void run(const Frame& frame, const NarrowProduct& p) const;

 private:
  int64_t groups_ = 0, chunks_ = 1;
  View turned_;
  ThreadScratch sums_;
};

}  // namespace weft::cpu::WEFT_ISA
