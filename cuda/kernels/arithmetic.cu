// Binary pointwise kernels: arithmetic, minimum and maximum, division, powers.
#include "numbers.cuh"
#include "pointwise.cuh"

namespace weft::cuda {
namespace {

#define X(name, expression)             \
  WEFT_BINARY_FUNCTOR(name, expression) \
  KERNEL(cuda, name) { return pointwise_numbers<name##_of, 2, uint32_t>(call); }
WEFT_BINARY_WRAPPING(X)
#undef X

#define X(name, expression)             \
  WEFT_BINARY_FUNCTOR(name, expression) \
  KERNEL(cuda, name) { return pointwise_numbers<name##_of, 2>(call); }
WEFT_BINARY_NUMBER(X)
#undef X

#define X(name, expression)             \
  WEFT_BINARY_FUNCTOR(name, expression) \
  KERNEL(cuda, name) { return pointwise_floats<name##_of, 2>(call); }
WEFT_BINARY_FLOAT(X)
#undef X

}  // namespace
}  // namespace weft::cuda
