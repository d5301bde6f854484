// Matrix products by wgmma: 16-bit operands, and which products are worth it.
#include "matmul_group.cuh"

namespace weft::cuda {
namespace {

/** The sum over k is split where tiles of 128 do not fill the GPU. */
void split(Product& p, const Target& target) {
  p.splits = 1;
  split_sum(p, blocks_of(p, 128, 128), target.multiprocessors, 256, 64);
}

}  // namespace

bool can_sm90(const Product& p, const Target& target) {
  if (target.capability != 90 || p.k == 0 || blocks_of(p, 128, 128) > largest_extent / 32) return false;
  const int planes = p.exact() ? 3 : 1;
  constexpr int64_t most_scratch = int64_t(1) << 30;
  return Planes::bytes(p.a_view, p.a_row, planes) + Planes::bytes(p.b_view, p.b_row, planes) <= most_scratch;
}

/** float32 and ragged operands are copied first: the product must read them often. */
bool sm90_pays(const Product& product, const Target& target) {
  Product p = product;
  split(p, target);
  const bool copied = Planes::bytes(p.a_view, p.a_row, 1) + Planes::bytes(p.b_view, p.b_row, 1) > 0;
  const int least = copied ? 512 : 96;
  return p.m >= least && p.n >= least && p.k >= (copied ? 256 : 64) && 2 * blocks_of(p, 128, 128) >= target.multiprocessors;
}

Step bind_sm90(Call& call, Product p) {
  split(p, call.target);
  if (p.c.dtype == DType::bfloat16) return bind_group_sizes<BFloat16, BFloat16>(call, p);
  if (p.c.dtype == DType::float16) return bind_group_sizes<Float16, Float16>(call, p);
  return bind_group_float(call, p);
}

}  // namespace weft::cuda
