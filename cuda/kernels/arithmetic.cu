// Arithmetic kernels: sums, products, division, powers, extremes and limits.
#include "pointwise/arithmetic.h"

#include "pointwise.cuh"

#ifdef __CUDACC__
#pragma nv_diag_suppress 186  // signs of uint8 are compared with zero
#endif

namespace weft::cuda {
namespace {

WEFT_ARITHMETIC_UNARY(WEFT_CUDA_UNARY)
WEFT_ARITHMETIC_BINARY(WEFT_CUDA_BINARY)
WEFT_ARITHMETIC_SLOPED_2(WEFT_CUDA_SLOPED_2)

}  // namespace
}  // namespace weft::cuda
