// Depthwise convolution (a group per input channel, kernels [kh, kw, 1, c * multiplier]) and its gradients. Bound by
// memory: a thread moves packs of 16 bytes along channels where the multiplier is 1, and works on 4 neighboring pixels,
// so that a weight is read once for four.
// Blocks: [packs of channels][groups of pixels]. The gradient of the kernel sums pieces of the pixels, in registers for
// 9 taps at a time.
#include "conv_steps.cuh"

namespace weft::cuda {
namespace {

constexpr int columns_at_once = 4, taps_at_once = 9;

struct Depthwise {
  ConvShape s;
  int multiplier, packs;
  FastDivide by_multiplier, column_groups, rows, stride_y, stride_x;
  Activation activation;

  /** `rows` x `columns` pixels of each image, in groups of so many columns. */
  Depthwise(const ConvShape& s, int channels, int width, int rows, int columns, int group)
      : s(s),
        multiplier(s.o / s.c),
        packs(channels / width),
        by_multiplier(multiplier),
        column_groups(int(divide_up(columns, group))),
        rows(rows),
        stride_y(s.stride_h),
        stride_x(s.stride_w),
        activation(Activation::linear) {}
  /** The channel that a thread begins with; past the last for threads left over. */
  template <int width> __device__ __forceinline__ int first_channel() const { return int(blockIdx.y * blockDim.x + threadIdx.x) * width; }
};

/** A group of pixels of a thread. */
struct PixelGroup {
  int image, y, x;
  __device__ __forceinline__ PixelGroup(const Depthwise& d, int number, int group) : x(number) {
    y = d.column_groups.divide(x);
    image = d.rows.divide(y);
    x *= group;
  }
};

template <int width, class T> __device__ __forceinline__ void add_product(float (&sum)[width], const T* a, const float (&b)[width]) {
  const Pack<T, width> pack = load_pack<width>(a);
#pragma unroll
  for (int e = 0; e < width; e++) sum[e] = fmaf(widen(pack.at[e]), b[e], sum[e]);
}
template <int width, class T> __device__ __forceinline__ void widen_to(float (&to)[width], const T* from) {
  const Pack<T, width> pack = load_pack<width>(from);
#pragma unroll
  for (int e = 0; e < width; e++) to[e] = widen(pack.at[e]);
}

template <class T, int width>
__global__ void __launch_bounds__(128) depthwise_pixels(const Depthwise d, const T* x, const T* kernel, const T* bias, T* y, int groups) {
  const ConvShape& s = d.s;
  const int channel = d.first_channel<width>(), number = int(blockIdx.x * blockDim.y + threadIdx.y);
  if (channel >= s.o || number >= groups) return;
  const PixelGroup at(d, number, columns_at_once);
  const int source_channel = d.by_multiplier.quotient(channel);
  float sum[columns_at_once][width] = {};
  if (bias) {
#pragma unroll
    for (int i = 0; i < columns_at_once; i++) widen_to(sum[i], bias + channel);
  }
  for (int r = 0; r < s.kh; r++) {
    const int row = at.y * s.stride_h + r * s.dilation_h - s.top;
    if (unsigned(row) >= unsigned(s.h)) continue;
    const T* line = x + (int64_t(at.image) * s.h + row) * s.w * s.c + source_channel;
    for (int q = 0; q < s.kw; q++) {
      float weight[width];
      widen_to(weight, kernel + (r * s.kw + q) * s.o + channel);
#pragma unroll
      for (int i = 0; i < columns_at_once; i++) {
        const int column = (at.x + i) * s.stride_w + q * s.dilation_w - s.left;
        if (unsigned(column) < unsigned(s.w)) add_product(sum[i], line + column * s.c, weight);
      }
    }
  }
#pragma unroll
  for (int i = 0; i < columns_at_once; i++) {
    if (at.x + i >= s.ow) break;
    Pack<T, width> out;
#pragma unroll
    for (int e = 0; e < width; e++) out.at[e] = narrow<T>(activate(d.activation, sum[i][e]));
    store_pack(y + ((int64_t(at.image) * s.oh + at.y) * s.ow + at.x + i) * s.o + channel, out);
  }
}

/** Gathers: each input pixel sums over the taps that reached it. */
template <class T, int width>
__global__ void __launch_bounds__(128, 5) depthwise_turned_pixels(const Depthwise d, const T* g, const T* kernel, T* dx, int groups) {
  const ConvShape& s = d.s;
  const int channel = d.first_channel<width>(), number = int(blockIdx.x * blockDim.y + threadIdx.y);
  if (channel >= s.c || number >= groups) return;
  const PixelGroup at(d, number, columns_at_once);
  float sum[columns_at_once][width] = {};
  for (int r = 0; r < s.kh; r++) {
    int over_y = at.y + s.top - r * s.dilation_h;
    if (over_y < 0) continue;
    const int row = d.stride_y.divide(over_y);
    if (over_y != 0 || row >= s.oh) continue;
    const T* line = g + (int64_t(at.image) * s.oh + row) * s.ow * s.o + channel * d.multiplier;
    for (int q = 0; q < s.kw; q++)
      for (int m = 0; m < d.multiplier; m++) {
        float weight[width];
        widen_to(weight, kernel + (r * s.kw + q) * s.o + channel * d.multiplier + m);
#pragma unroll
        for (int i = 0; i < columns_at_once; i++) {
          int over_x = at.x + i + s.left - q * s.dilation_w;
          if (over_x < 0) continue;
          const int column = d.stride_x.divide(over_x);
          if (over_x == 0 && column < s.ow) add_product(sum[i], line + column * s.o + m, weight);
        }
      }
  }
#pragma unroll
  for (int i = 0; i < columns_at_once; i++) {
    if (at.x + i >= s.w) break;
    Pack<T, width> out;
#pragma unroll
    for (int e = 0; e < width; e++) out.at[e] = narrow<T>(sum[i][e]);
    store_pack(dx + ((int64_t(at.image) * s.h + at.y) * s.w + at.x + i) * s.c + channel, out);
  }
}

/** Grid: [pieces of the pixels, packs of channels, groups of taps]. parts: [pieces, kh * kw, o]. */
template <class T, int width>
__global__ void __launch_bounds__(128) depthwise_taps(const Depthwise d, const T* x, const T* g, float* parts, int piece) {
  WEFT_SHARED(float, rows, [128 * width]);
  const ConvShape& s = d.s;
  const int channel = d.first_channel<width>(), source_channel = d.by_multiplier.quotient(channel),
            first_tap = int(blockIdx.z) * taps_at_once;
  const int end = int(min(int64_t(blockIdx.x + 1) * piece, int64_t(s.n) * s.oh * s.ow));
  float sum[taps_at_once][width] = {};
  if (channel < s.o)
    for (int pixel = int(blockIdx.x) * piece + int(threadIdx.y); pixel < end; pixel += int(blockDim.y)) {
      const PixelGroup at(d, pixel, 1);
      float gradient[width];
      widen_to(gradient, g + int64_t(pixel) * s.o + channel);
      const T* image = x + int64_t(at.image) * s.h * s.w * s.c + source_channel;
      int r = first_tap / s.kw, q = first_tap - r * s.kw;
#pragma unroll
      for (int i = 0; i < taps_at_once; i++) {
        const int row = at.y * s.stride_h + r * s.dilation_h - s.top, column = at.x * s.stride_w + q * s.dilation_w - s.left;
        if (r < s.kh && unsigned(row) < unsigned(s.h) && unsigned(column) < unsigned(s.w))
          add_product(sum[i], image + (row * s.w + column) * s.c, gradient);
        if (++q == s.kw) q = 0, r++;
      }
    }
  const int line = int(blockDim.x) * width;
#pragma unroll
  for (int i = 0; i < taps_at_once; i++) {
#pragma unroll
    for (int e = 0; e < width; e++) rows[int(threadIdx.y) * line + int(threadIdx.x) * width + e] = sum[i][e];
    __syncthreads();
    const int tap = first_tap + i;
    for (int e = int(threadIdx.y); e < width; e += int(blockDim.y)) {
      if (channel >= s.o || tap >= s.kh * s.kw) continue;
      float total = 0;
      for (unsigned k = 0; k < blockDim.y; k++) total += rows[int(k) * line + int(threadIdx.x) * width + e];
      parts[(int64_t(blockIdx.x) * s.kh * s.kw + tap) * s.o + channel + e] = total;
    }
    __syncthreads();
  }
}

/** Threads along packs of channels, as many as there are up to 32, and the rest of 128 along pixels. */
dim3 block_of(int packs, int64_t groups) {
  const int64_t x = std::clamp(packs, 1, 32);
  return dim3(unsigned(x), unsigned(std::clamp<int64_t>(groups, 1, 128 / x)));
}
Shape shape_of(int packs, int64_t groups) {
  const dim3 block = block_of(packs, groups);
  return {.grid = dim3(unsigned(divide_up(groups, block.y)), unsigned(divide_up(packs, block.x))), .block = block};
}

/** Calls f with the elements of a pack as a constant: 16 bytes, at most `most`, or 1 where channels do not come so. */
template <class T, int most = 8, class F> Step with_packs(const ConvShape& s, const F& f) {
  constexpr int width = std::min(most, 16 / int(sizeof(T)));
  if (s.o == s.c && s.o % width == 0) return f.template operator()<width>();
  return f.template operator()<1>();
}

}  // namespace

Step depthwise_forward(Call&, const ConvShape& s, View x, View kernel, View bias, Activation activation, View y) {
  return dispatch<float, BFloat16, Float16>(x.dtype, [&]<class T>() {
    return with_packs<T>(s, [&]<int width>() -> Step {
      Depthwise d(s, s.o, width, s.oh, s.ow, columns_at_once);
      d.activation = activation;
      const int groups = int(int64_t(s.n) * s.oh * d.column_groups.divisor);
      return [=](const Frame& frame) {
        launch(frame, shape_of(d.packs, groups), depthwise_pixels<T, width>, d, frame.at<const T>(x), frame.at<const T>(kernel),
               bias.used() ? frame.at<const T>(bias) : nullptr, frame.at<T>(y), groups);
      };
    });
  });
}

Step depthwise_input_grad(Call&, const ConvShape& s, View g, View kernel, View dx) {
  return dispatch<float, BFloat16, Float16>(g.dtype, [&]<class T>() {
    return with_packs<T>(s, [&]<int width>() -> Step {
      const Depthwise d(s, s.c, width, s.h, s.w, columns_at_once);
      const int groups = int(int64_t(s.n) * s.h * d.column_groups.divisor);
      return [=](const Frame& frame) {
        launch(frame, shape_of(d.packs, groups), depthwise_turned_pixels<T, width>, d, frame.at<const T>(g), frame.at<const T>(kernel),
               frame.at<T>(dx), groups);
      };
    });
  });
}

Step depthwise_kernel_parts(Call& call, const ConvShape& s, View x, View g, View dk, std::vector<PartSum>& sums) {
  return dispatch<float, BFloat16, Float16>(x.dtype, [&]<class T>() {
    return with_packs<T, 4>(s, [&]<int width>() -> Step {
      const Depthwise d(s, s.o, width, s.oh, s.ow, 1);
      const int64_t tap_groups = divide_up(s.taps(), taps_at_once), elements = int64_t(s.taps()) * s.o;
      const dim3 block = block_of(d.packs, s.pixels());
      const int64_t pack_blocks = divide_up(d.packs, block.x);
      const int piece = int(divide_up(s.pixels(), pieces_of_sum(s.pixels(), tap_groups * pack_blocks, 32 * block.y)));
      const int64_t pieces = divide_up(s.pixels(), piece);
      const View parts = call.scratch(size_t(pieces * elements) * sizeof(float));
      sums.push_back({parts, dk, pieces, elements});
      return [=](const Frame& frame) {
        launch(frame, {.grid = dim3(unsigned(pieces), unsigned(pack_blocks), unsigned(tap_groups)), .block = block},
               depthwise_taps<T, width>, d, frame.at<const T>(x), frame.at<const T>(g), frame.at<float>(parts), piece);
      };
    });
  });
}

}  // namespace weft::cuda
