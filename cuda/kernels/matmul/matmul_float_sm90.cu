// Matrix products of float32 operands by wgmma: as exactly as in float32 (three planes), as tf32, or rounded to
// bfloat16 (one plane).
#include "matmul_group.cuh"

namespace weft::cuda {

Step bind_group_float(Call& call, const Product& p) {
  require(p.c.dtype == DType::float32, "ERR_DTYPE", call.op, " does not support ", name_of(p.c.dtype));
  if (p.exact()) return bind_group_layouts<BFloat16, float, 3, 128>(call, p);
  if (p.precision == Precision::tf32) {
    if (wide_tiles(p, call.target)) return bind_group_tile<GroupTile<float, float, 1, 256, true, true>>(call, p);
    return bind_group_tile<GroupTile<float, float, 1, 128, true, true>>(call, p);
  }
  return bind_group_sizes<BFloat16, float>(call, p);
}

}  // namespace weft::cuda
