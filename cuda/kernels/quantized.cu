// quantize and dequantize: a thread owns an element. Bound by memory.
#include "quantized.cuh"

namespace weft::cuda {
namespace {

/**
 * Where the scale and the zero point of an element are: at place (i / inner) % places of each, or at 0 of a single one.
 */
struct Places {
  int64_t places, inner;
  bool one_scale, one_zero;

  explicit Places(const Call& call) {
    const View& x = call.in[0];
    const int64_t axis = call.attrs.integer("axis");
    one_scale = call.in[1].size() == 1, one_zero = call.in[2].size() == 1;
    const bool single = one_scale && one_zero;
    places = single ? 1 : x.dim(axis);
    inner = single ? 1 : product(x.dims, size_t(axis) + 1);
  }
  __device__ __forceinline__ int64_t of(int64_t i) const { return i / inner % places; }
};

__global__ void __launch_bounds__(256)
    quantize_elements(const float* x, const float* scale, const int32_t* zero, uint8_t* q, int64_t n, Places places, int32_t least) {
  const int64_t i = own_element();
  if (i >= n) return;
  const int64_t place = places.of(i);
  q[i] = uint8_t(quantized(x[i], scale[places.one_scale ? 0 : place], zero[places.one_zero ? 0 : place], least));
}

template <class T>
__global__ void __launch_bounds__(256)
    dequantize_elements(const T* q, const float* scale, const int32_t* zero, float* y, int64_t n, Places places) {
  const int64_t i = own_element();
  if (i >= n) return;
  const int64_t place = places.of(i);
  y[i] = float(int32_t(q[i]) - zero[places.one_zero ? 0 : place]) * scale[places.one_scale ? 0 : place];
}

KERNEL(cuda, quantize) {
  const View x = call.in[0], scale = call.in[1], zero = call.in[2], q = call.out[0];
  const Places places(call);
  const int32_t least = q.dtype == DType::uint8 ? 0 : -128;
  return [=](const Frame& frame) {
    launch(frame, shape_for(x.size()), quantize_elements, frame.at<const float>(x), frame.at<const float>(scale),
           frame.at<const int32_t>(zero), frame.at<uint8_t>(q), x.size(), places, least);
  };
}

KERNEL(cuda, dequantize) {
  const View q = call.in[0], scale = call.in[1], zero = call.in[2], y = call.out[0];
  const Places places(call);
  return dispatch<uint8_t, int8_t, int32_t>(q.dtype, [&]<class T>() -> Step {
    return [=](const Frame& frame) {
      launch(frame, shape_for(q.size()), dequantize_elements<T>, frame.at<const T>(q), frame.at<const float>(scale),
             frame.at<const int32_t>(zero), frame.at<float>(y), q.size(), places);
    };
  });
}

}  // namespace
}  // namespace weft::cuda
