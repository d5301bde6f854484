// Matrix products of float32 operands on tensor cores (mma.sync): as exactly as in float32, rounded to tf32, or rounded
// to bfloat16.
#include "matmul_tensor.cuh"

namespace weft::cuda {

Step bind_tensor_float(Call& call, const Product& p) {
  require(p.c.dtype == DType::float32, "ERR_DTYPE", call.op, " does not support ", name_of(p.c.dtype));
  if (p.precision == Precision::tf32) return bind_tensor_sizes<Tf32Math, 16, true, false>(call, p);
  if (p.precision == Precision::bfloat16) return bind_tensor_sizes<RoundedMath, 16, true, false>(call, p);
  return bind_tensor_sizes<ExactMath, 16, true, false>(call, p);
}

}  // namespace weft::cuda
