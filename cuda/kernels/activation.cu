// Gradients of the activations: (g, y) from the output, (g, x) from the input.
#include "numbers.cuh"
#include "pointwise.cuh"

namespace weft::cuda {
namespace {

#define X(name, expression)             \
  WEFT_BINARY_FUNCTOR(name, expression) \
  KERNEL(cuda, name) { return pointwise_floats<name##_of, 2>(call); }
WEFT_GRADIENT_FROM_OUTPUT(X)
WEFT_GRADIENT_FROM_INPUT(X)
#undef X

#define X(name, expression)             \
  WEFT_BINARY_FUNCTOR(name, expression) \
  KERNEL(cuda, name) { return pointwise_floats<name##_of, 2>(call, call.attrs.number("alpha")); }
WEFT_GRADIENT_ALPHA(X)
#undef X

struct clipGrad_of {
  template <class T> static __device__ __forceinline__ T at(T g, T x, T low, T high) {
    return select((x < low) | (x > high) | (x != x), T(0), g);
  }
};
KERNEL(cuda, clipGrad) { return pointwise_floats<clipGrad_of, 2>(call, call.attrs.number("min"), call.attrs.number("max")); }

}  // namespace
}  // namespace weft::cuda
