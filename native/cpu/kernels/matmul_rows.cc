// Rows of a product of a transposed matrix, some at a time.
#include "matmul_rows.h"

#include "matmul_plan.h"
#include "matmul_short.h"

namespace weft::cpu::WEFT_ISA {
namespace {

/**
 * Elements of the rows that are computed at a time: they fit the first-level cache. Where b does not, each of its
 * panels is to meet more rows while it is there; these fit the second-level cache.
 */
constexpr int64_t near_elements = 4096, more_elements = 16384;
constexpr int64_t near_b = 4096;

bool has_short_columns(int64_t m, int64_t n, int64_t k) { return fits_short_columns(m, n, k, true, false); }

}  // namespace

bool RowsOfProduct::fits(int64_t m, int64_t n, int64_t k) {
  constexpr int64_t many = 4 * near_elements, few_terms = 256, most_b = 1 << 16;
  return k >= 1 && k <= few_terms && m * n >= many && k * n <= most_b && tile_rows * n <= 2 * near_elements;
}

WEFT_BINDER RowsOfProduct::RowsOfProduct(Call& call, int64_t m, int64_t n, int64_t k)
    : short_columns_(has_short_columns(m, n, k)), m_(m), n_(n), k_(k) {
  const int64_t multiple = short_columns_ ? 32 : tile_rows;
  const int64_t elements = short_columns_ || k * n <= near_b ? near_elements : more_elements;
  height_ = std::max(multiple, elements / n / multiple * multiple);
  if (short_columns_) return;
  packed_b_ = call.scratch(size_t(packed_size<float>(k, n)) * sizeof(float));
  // Panels meet the same rows again. Those that lie far apart would be evicted in between.
  const bool collide = rows_in_a_set(m * int64_t(sizeof(float))) >= tile_rows / 2;
  if (n > tile_columns<float> && (collide || k > 64))
    a_block_ = ThreadScratch(call, size_t(a_block_size<float>(height_, k)) * sizeof(float));
}

void RowsOfProduct::prepare(const Frame& frame, const float* b) const {
  if (short_columns_) return;
  pack_panels<float>({b, n_, 1}, k_, n_, 0, (n_ + tile_columns<float> - 1) / tile_columns<float>, frame.at<float>(packed_b_));
}

void RowsOfProduct::compute(const Frame& frame, int thread, const float* a, const float* b, int64_t begin, int64_t end, float* c) const {
  if (short_columns_) {
    product_of_short_columns(n_)(a + begin, b, c, m_, k_, 0, end - begin);
    return;
  }
  Product<float> p{};
  p.m = end - begin, p.n = n_, p.k = k_;
  p.a = {a + begin, 1, m_};
  p.b = {b, n_, 1};
  p.packed_b = frame.at<float>(packed_b_);
  p.c = c;
  p.c_row = n_;
  p.a_block = a_block_.at<float>(frame, thread);
  multiply<float>(p);
  // what follows takes c, and may need all of the second-level cache for it: the next rows of a come from behind it
  constexpr int64_t line = 16;
  const int64_t next = std::min(height_, m_ - end);
  for (int64_t term = 0; term < k_; term++)
    for (int64_t i = 0; i < next; i += line) __builtin_prefetch(a + end + term * m_ + i, 0, 2);
}

}  // namespace weft::cpu::WEFT_ISA
