// Comparisons, bool logic and where.
#include "numbers.cuh"
#include "pointwise.cuh"

namespace weft::cuda {
namespace {

#define X(name, expression)                                                        \
  WEFT_BINARY_FUNCTOR(name, expression)                                            \
  KERNEL(cuda, name) {                                                             \
    switch (call.in[1].dtype) {                                                    \
      case DType::int32: return pointwise_as<name##_of, 2, int32_t, Bool>(call);   \
      case DType::uint8:                                                           \
      case DType::boolean: return pointwise_as<name##_of, 2, uint8_t, Bool>(call); \
      default: return pointwise_floats<name##_of, 2, Bool>(call);                  \
    }                                                                              \
  }
WEFT_BINARY_COMPARE(X)
#undef X

#define X(name, expression)                                                   \
  WEFT_BINARY_FUNCTOR(name, expression)                                       \
  KERNEL(cuda, name) {                                                        \
    if (call.in[1].dtype != DType::boolean) no_dtype(call, call.in[1].dtype); \
    return pointwise_as<name##_of, 2, uint8_t>(call);                         \
  }
WEFT_BINARY_LOGIC(X)
#undef X

struct where_of {
  template <class T> static __device__ __forceinline__ T at(uint8_t condition, T x, T y) { return condition ? x : y; }
};
/** T stands for any dtype of its size. */
KERNEL(cuda, where) {
  return by_size(call.out[0].dtype, [&]<class T>() { return pointwise_step<where_of, uint8_t, T, T, 3>(call); });
}

}  // namespace
}  // namespace weft::cuda
