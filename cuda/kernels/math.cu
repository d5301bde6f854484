// Unary pointwise kernels with tens of instructions per element: exponentials, activations, trigonometry.
#include "numbers.cuh"
#include "pointwise.cuh"

namespace weft::cuda {
namespace {

#define X(name, expression)            \
  WEFT_UNARY_FUNCTOR(name, expression) \
  KERNEL(cuda, name) { return pointwise_floats<name##_of, 1>(call); }
WEFT_UNARY_FUNCTION(X)
#undef X

#define X(name, expression)            \
  WEFT_UNARY_FUNCTOR(name, expression) \
  KERNEL(cuda, name) { return pointwise_floats<name##_of, 1>(call, call.attrs.number("alpha")); }
WEFT_UNARY_ALPHA(X)
#undef X

}  // namespace
}  // namespace weft::cuda
