// The gradient of rmsNorm: norm_rows_grad.cuh without a mean.
#include "norm_rows_grad.cuh"

namespace weft::cuda {

KERNEL(cuda, rmsNormGrad) {
  return dispatch<float, BFloat16, Float16>(call.in[1].dtype, [&]<class T>() { return bind_norm_gradient<T, false>(call); });
}

}  // namespace weft::cuda
