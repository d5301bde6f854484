// The gradient of layerNorm: norm_rows_grad.cuh with the mean that was subtracted.
#include "norm_rows_grad.cuh"

namespace weft::cuda {

KERNEL(cuda, layerNormGrad) {
  return dispatch<float, BFloat16, Float16>(call.in[1].dtype, [&]<class T>() { return bind_norm_gradient<T, true>(call); });
}

}  // namespace weft::cuda
