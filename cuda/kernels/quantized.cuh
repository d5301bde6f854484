// What kernels of quantized values share: steps of a scale, products of bytes, and how exact sums become results. Each
// operation is rounded as on the CPU, so results are equal.
#pragma once
#include "strided.cuh"

namespace weft::cuda {

/** How 8-bit values stand for floats: (q - zero) * scale. A scale of 0: they do not. */
struct QuantizedRange {
  float scale;
  int32_t zero;
};
inline QuantizedRange range_attribute(const Call& call, const std::string& of) {
  return {float(call.attrs.number(of + "Scale")), int32_t(call.attrs.integer(of + "ZeroPoint"))};
}

/** clamp(round_half_even(x / scale) + zero) from `least` to least + 255. NaN becomes the zero point. */
__device__ __forceinline__ int32_t quantized(float x, float scale, int32_t zero, int32_t least) {
  const float steps = x / scale;
  if (steps != steps) return zero;
  return __float2int_rn(fminf(fmaxf(steps, float(least - zero)), float(least + 255 - zero))) + zero;
}

/** sum + the products of four uint8 and four int8. */
__device__ __forceinline__ int32_t add_products(uint32_t a, uint32_t b, int32_t sum) {
#ifdef WEFT_EMULATED
  for (int i = 0; i < 4; i++) sum += int32_t(a >> (8 * i) & 255u) * int32_t(int8_t(b >> (8 * i) & 255u));
  return sum;
#else
  int32_t result;
  asm("dp4a.u32.s32 %0, %1, %2, %3;" : "=r"(result) : "r"(a), "r"(b), "r"(sum));
  return result;
#endif
}

enum class ByteActivation { linear, relu, sigmoid, tanh };

/** What a product's attributes, scales and bias say. */
struct ByteFinish {
  QuantizedRange input, output;
  ByteActivation activation;
  bool one_scale;
  const float *scale, *bias;  // bias may be null

  explicit ByteFinish(const Call& call) : input(range_attribute(call, "input")), output(range_attribute(call, "output")) {
    const std::string& name = call.attrs.text("activation");
    activation = name == "relu"      ? ByteActivation::relu
                 : name == "sigmoid" ? ByteActivation::sigmoid
                 : name == "tanh"    ? ByteActivation::tanh
                                     : ByteActivation::linear;
    one_scale = call.in[2].size() == 1;
    scale = bias = nullptr;
  }
  /** With the addresses of a run. */
  ByteFinish at(const Frame& frame, const View& scales, const View& biases) const {
    ByteFinish own = *this;
    own.scale = frame.at<const float>(scales);
    own.bias = biases.used() ? frame.at<const float>(biases) : nullptr;
    return own;
  }

  /** The result of column j of a row with this input range goes to place i of `to`. */
  __device__ __forceinline__ void store(int32_t sum, float input_scale, int64_t j, void* to, int64_t i) const {
    float factor = __fmul_rn(input_scale, scale[one_scale ? 0 : j]), offset = bias ? bias[j] : 0.0f;
    const bool curved = activation == ByteActivation::sigmoid || activation == ByteActivation::tanh;
    const bool folded = output.scale != 0 && !curved;
    if (folded) factor = factor / output.scale, offset = offset / output.scale;
    float y = __fadd_rn(__fmul_rn(float(sum), factor), offset);
    if (activation == ByteActivation::relu && y < 0) y = 0;
    if (activation == ByteActivation::sigmoid) y = 1.0f / (1.0f + expf(-y));
    if (activation == ByteActivation::tanh) y = tanhf(y);
    if (output.scale == 0) static_cast<float*>(to)[i] = y;
    else if (folded)
      static_cast<uint8_t*>(to)[i] = uint8_t(__float2int_rn(fminf(fmaxf(y, float(-output.zero)), float(255 - output.zero))) + output.zero);
    else static_cast<uint8_t*>(to)[i] = uint8_t(quantized(y, output.scale, output.zero, 0));
  }
};

/** A thread for each of n elements. */
inline Shape shape_for(int64_t n) {
  const unsigned block = block_for(n);
  return {.grid = dim3(unsigned(divide_up(n, block))), .block = dim3(block)};
}
/** The element of this thread. */
__device__ __forceinline__ int64_t own_element() { return int64_t(blockIdx.x) * blockDim.x + threadIdx.x; }

}  // namespace weft::cuda
