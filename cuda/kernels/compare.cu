// Comparisons, bool logic and where.
#include "pointwise/compare.h"

#include "pointwise.cuh"

namespace weft::cuda {
namespace {

WEFT_COMPARE(WEFT_CUDA_BINARY)
WEFT_LOGIC(WEFT_CUDA_BINARY)

struct logicalNot_of {
  static __device__ __forceinline__ uint8_t at(uint8_t x, uint8_t, uint8_t) { return x == 0; }
};
KERNEL(cuda, logicalNot) {
  if (call.in[0].dtype != DType::boolean) no_dtype(call, call.in[0].dtype);
  return pointwise_as<logicalNot_of, 1, uint8_t>(call);
}

struct where_of {
  template <class T> static __device__ __forceinline__ T at(uint8_t condition, T x, T y) { return condition ? x : y; }
};
/** T is any dtype of its size. */
KERNEL(cuda, where) {
  return by_size(call.out[0].dtype, [&]<class T>() { return pointwise_step<where_of, uint8_t, T, T, 3>(call); });
}

}  // namespace
}  // namespace weft::cuda
