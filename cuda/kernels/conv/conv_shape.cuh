// The geometry of a 2-d convolution (NHWC, kernels HWIO), and how convolutions become matrix products.
// A product has a row per pixel, a column per output channel and, summed over, a depth of taps x channels. Its left
// operand is never stored: each element is found in an image through an Axis for y and one for x. The same form holds
// for the forward pass and for the gradient of the input: with stride s the input pixels of each remainder modulo s
// meet taps of their own, s apart, and that part is a plain convolution over g with the kernel turned around. Nothing
// is scattered, no zeros are multiplied.
#pragma once
#include <numeric>

#include "activation.cuh"
#include "vocabulary.cuh"

namespace weft::cuda {

/** n / divisor for 0 <= n < 2^31 by one multiplication (Granlund and Montgomery 1994). */
struct FastDivide {
  uint32_t divisor = 1, multiplier = 0, shift = 0;

  FastDivide() = default;
  WEFT_HD explicit FastDivide(int d) : divisor(d < 1 ? 1u : uint32_t(d)) {
    uint32_t log = 0;
    while ((1ull << log) < divisor) log++;
    if (divisor > 1) multiplier = uint32_t(((1ull << (31 + log)) + divisor - 1) / divisor), shift = log - 1;
  }
  __device__ __forceinline__ int quotient(int n) const { return divisor == 1 ? n : int(__umulhi(uint32_t(n), multiplier) >> shift); }
  /** The quotient; n becomes the remainder. */
  __device__ __forceinline__ int divide(int& n) const {
    const int q = quotient(n);
    n -= q * int(divisor);
    return q;
  }
};

struct ConvShape {
  int n = 0, h = 0, w = 0, c = 0;  // input
  int kh = 0, kw = 0;              // kernel [kh, kw, c / groups, o]
  int oh = 0, ow = 0, o = 0;       // output
  int stride_h = 1, stride_w = 1, top = 0, left = 0, dilation_h = 1, dilation_w = 1, groups = 1;

  int group_c() const { return c / groups; }
  int group_o() const { return o / groups; }
  int taps() const { return kh * kw; }
  /** Rows of the kernel as a matrix [kh * kw * c / groups, o]. */
  int depth() const { return taps() * group_c(); }
  int64_t pixels() const { return int64_t(n) * oh * ow; }
  bool depthwise() const { return groups == c && groups > 1; }
  bool empty() const { return pixels() * o == 0; }
  double flops() const { return 2.0 * double(pixels()) * depth() * o; }
};

/** Reads the attributes that all convolutions share. */
inline ConvShape conv_shape(const Call& call, const Dims& x, const Dims& kernel, int64_t oh, int64_t ow) {
  const Dims strides = call.attrs.integers("strides"), padding = call.attrs.integers("padding");
  const Dims dilations = call.attrs.integers("dilations");
  const int64_t groups = call.attrs.integer("groups");
  require(groups > 0 && x[3] == kernel[2] * groups && kernel[3] % groups == 0, "ERR_SHAPE", call.op, ": ", x[3], " channels do not fit ",
          groups, " groups of kernels with ", kernel[2], " channels");
  const int64_t most = (int64_t(1) << 31) - (1 << 16);  // room to count past the end
  require(x[1] * x[2] * x[3] < most && oh * ow * kernel[3] < most && x[0] * x[1] * x[2] < most && x[0] * oh * ow < most &&
              product(kernel) < most,
          "ERR_SHAPE", call.op,
          ": the GPU convolves fewer than 2^31 elements per image, pixels per batch and elements per kernel; "
          "images [",
          x[0], ", ", x[1], ", ", x[2], ", ", x[3], "] with ", kernel[3], " kernels need a smaller batch or crop");
  return {int(x[0]),       int(x[1]),         int(x[2]),         int(x[3]),       int(kernel[0]),  int(kernel[1]),
          int(oh),         int(ow),           int(kernel[3]),    int(strides[0]), int(strides[1]), int(padding[0]),
          int(padding[2]), int(dilations[0]), int(dilations[1]), int(groups)};
}

/**
 * One spatial axis of a product: where its rows' taps lie in the source image, and where its rows lie in the result.
 */
struct Axis {
  int size;                 // extent of the source
  int step, start, tap;     // source position of tap t for row r: r * step + start + t * tap
  int taps;                 // that take part
  int first_tap, tap_step;  // tap t is tap first_tap + t * tap_step of the kernel
  int out_first, out_step;  // row r is row out_first + r * out_step of the result
  int count;                // rows
};

/** One spatial axis of a convolution. */
struct ConvAxis {
  int input = 0, output = 0, kernel = 0, stride = 1, before = 0, dilation = 1;
  int tap_step = 1;  // taps that meet the same remainder of positions modulo the stride are so far apart

  ConvAxis() = default;
  ConvAxis(int input, int output, int kernel, int stride, int before, int dilation)
      : input(input),
        output(output),
        kernel(kernel),
        stride(stride),
        before(before),
        dilation(dilation),
        tap_step(stride / std::gcd(stride, dilation)) {}

  __device__ Axis forward() const { return {input, stride, -before, dilation, kernel, 0, 1, 0, 1, output}; }
  /** The gradient of the input at positions `remainder`, remainder + stride, ... */
  __device__ Axis turned(int remainder) const {
    int first = 0;
    while (first < tap_step && (remainder + before - first * dilation) % stride != 0) first++;
    const int taps = first < tap_step && first < kernel ? (kernel - 1 - first) / tap_step + 1 : 0;
    const int start = (remainder + before - first * dilation) / stride;
    const int count = remainder < input ? (input - 1 - remainder) / stride + 1 : 0;
    return {output, 1, start, -(tap_step * dilation / stride), taps, first, tap_step, remainder, stride, count};
  }
};

inline ConvAxis axis_y(const ConvShape& s) { return {s.h, s.oh, s.kh, s.stride_h, s.top, s.dilation_h}; }
inline ConvAxis axis_x(const ConvShape& s) { return {s.w, s.ow, s.kw, s.stride_w, s.left, s.dilation_w}; }

/**
 * Whether packs of n elements along channels can be moved as one access: `channels` of a pixel in groups of `group`.
 */
inline bool packs_fit(int channels, int group, int n) { return channels % n == 0 && group % n == 0; }

/** Runs one Step after the other. */
inline Step in_order(std::vector<Step> steps) {
  return [steps = std::move(steps)](const Frame& frame) {
    for (const Step& step : steps) step(frame);
  };
}

inline unsigned grid_of(int64_t blocks) { return unsigned(blocks); }

/** Sets the outputs that are read to zero: the gradients of a convolution without output. */
inline Step clear_outputs(const Call& call) {
  return [out = call.out](const Frame& frame) {
    for (const View& view : out)
      if (view.used()) clear(frame, frame.at<void>(view), view.bytes());
  };
}

}  // namespace weft::cuda
