// Elementary functions, rounding and tests.
#include "pointwise/math.h"

#include "pointwise.cuh"

namespace weft::cuda {
namespace {

WEFT_MATH(WEFT_CUDA_UNARY)

}  // namespace
}  // namespace weft::cuda
