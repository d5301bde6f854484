// Matrix products on tensor cores (mma.sync): 16-bit operands, and which products are worth it.
#include "architectures.h"
#include "matmul_tensor.cuh"

namespace weft::cuda {
namespace {

template <class T> Step bind_half(Call& call, const Product& p) {
  if (p.a_k_major && !p.b_k_major) return bind_tensor_sizes<HalfMath<T>, 32, true, false>(call, p);
  if (p.a_k_major) return bind_tensor_sizes<HalfMath<T>, 32, true, true>(call, p);
  if (!p.b_k_major) return bind_tensor_sizes<HalfMath<T>, 32, false, false>(call, p);
  return bind_tensor_sizes<HalfMath<T>, 32, false, true>(call, p);
}

/** Whether three tf32 products on tensor cores are faster than one float32 product: they are on data-centre GPUs. */
bool exact_pays(int capability) { return capability == 80 || capability == 90 || (capability >= 100 && capability < 110); }

}  // namespace

bool can_tensor(const Product& p, const Target& target) {
  return p.k > 0 && blocks_of(p, 64, 64) <= largest_extent / 32 && (code_for(target.capability) >= 80 || p.c.dtype == DType::float16);
}

bool tensor_pays(const Product& p, const Target& target) {
  if (p.c.dtype == DType::float32) return std::min({p.m, p.n, p.k}) >= 32 && (!p.exact() || exact_pays(target.capability));
  // a few rows fill little of a tile, but then reading the other operand takes longer than multiplying
  if (std::max(p.m, p.n) < 64 && std::min(p.m, p.n) < 32) return false;
  const bool ragged = p.a_row % 8 != 0 || p.b_row % 8 != 0;
  return p.k >= 32 && (!ragged || multiplications(p) >= 1 << 26);  // copying the operands first takes longer than a small product
}

Step bind_tensor(Call& call, Product p) {
  if (p.c.dtype == DType::bfloat16) return bind_half<BFloat16>(call, p);
  if (p.c.dtype == DType::float16) return bind_half<Float16>(call, p);
  return bind_tensor_float(call, p);
}

}  // namespace weft::cuda
