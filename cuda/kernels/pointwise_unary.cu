// Unary pointwise kernels: arithmetic, rounding and tests. One or two instructions per element: they run at the speed of memory.
#include "numbers.cuh"
#include "pointwise.cuh"

#ifdef __CUDACC__
#pragma nv_diag_suppress 186  // sign and relu of uint8 compare with zero
#endif

namespace weft::cuda {
namespace {

#define X(name, expression)            \
  WEFT_UNARY_FUNCTOR(name, expression) \
  KERNEL(cuda, name) { return pointwise_numbers<name##_of, 1, uint32_t>(call); }
WEFT_UNARY_WRAPPING(X)
#undef X

#define X(name, expression)            \
  WEFT_UNARY_FUNCTOR(name, expression) \
  KERNEL(cuda, name) { return pointwise_numbers<name##_of, 1>(call); }
WEFT_UNARY_NUMBER(X)
#undef X

#define X(name, expression)            \
  WEFT_UNARY_FUNCTOR(name, expression) \
  KERNEL(cuda, name) { return pointwise_floats<name##_of, 1>(call); }
WEFT_UNARY_FLOAT(X)
#undef X

#define X(name, expression)            \
  WEFT_UNARY_FUNCTOR(name, expression) \
  KERNEL(cuda, name) { return pointwise_floats<name##_of, 1, Bool>(call); }
WEFT_UNARY_TEST(X)
#undef X

struct logicalNot_of {
  static __device__ __forceinline__ uint8_t at(uint8_t x, uint8_t, uint8_t) { return x == 0; }
};
KERNEL(cuda, logicalNot) {
  if (call.in[0].dtype != DType::boolean) no_dtype(call, call.in[0].dtype);
  return pointwise_as<logicalNot_of, 1, uint8_t>(call);
}

struct clip_of {
  template <class T> static __device__ __forceinline__ T at(T x, T low, T high) { return clamp(x, low, high); }
};
KERNEL(cuda, clip) {
  double low = call.attrs.number("min"), high = call.attrs.number("max");
  const DType dtype = call.in[0].dtype;
  if (!is_float(dtype)) {  // the whole numbers of the dtype between the limits
    const double lowest = dtype == DType::int32 ? INT32_MIN : 0, highest = dtype == DType::int32 ? INT32_MAX : UINT8_MAX;
    low = std::clamp(std::ceil(low), lowest, highest);
    high = std::clamp(std::floor(high), lowest, highest);
  }
  return pointwise_numbers<clip_of, 1>(call, low, high);
}

}  // namespace
}  // namespace weft::cuda
