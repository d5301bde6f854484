// Activations and their gradients.
#include "pointwise/activation.h"

#include "pointwise.cuh"

#ifdef __CUDACC__
#pragma nv_diag_suppress 186  // signs of uint8 are compared with zero
#endif

namespace weft::cuda {
namespace {

WEFT_ACTIVATION(WEFT_CUDA_SLOPED)
WEFT_ACTIVATION_1(WEFT_CUDA_SLOPED_1)

}  // namespace
}  // namespace weft::cuda
