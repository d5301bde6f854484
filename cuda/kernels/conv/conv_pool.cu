// conv2dReluPool and its gradient. Forward: the convolution's tiles hold whole pooling windows, which are pooled as a
// tile is stored, so that the convolution never reaches memory; windows too large for that are pooled in a second pass.
// Gradient: g is spread over the windows into scratch (and summed for the bias on the way), then the gradients of
// kernel and input are those of a convolution.
#include "conv_steps.cuh"

namespace weft::cuda {
namespace {

/** Pooling windows without overlap over a convolution's output [n, pooled_h * pool_h, pooled_w * pool_w, o]. */
struct Windows {
  int pooled_h, pooled_w, pool_h, pool_w, o;
  int count;  // n * pooled_h * pooled_w
  FastDivide rows, columns;

  Windows(const ConvShape& s, int pool_h, int pool_w)
      : pooled_h(s.oh / pool_h),
        pooled_w(s.ow / pool_w),
        pool_h(pool_h),
        pool_w(pool_w),
        o(s.o),
        count(s.n * pooled_h * pooled_w),
        rows(pooled_h),
        columns(pooled_w) {}

  /** The first element of a window, at channel 0. */
  __device__ __forceinline__ int64_t corner(int window) const {
    int line = window;
    const int row = columns.divide(line);  // of all images
    return (int64_t(row) * pool_h * pooled_w + line) * pool_w * o;
  }
  __device__ __forceinline__ int64_t next_row() const { return int64_t(pooled_w) * pool_w * o; }
};

/** Block: [channels][windows]. */
template <class T> __global__ void __launch_bounds__(128) relu_of_maxima(const Windows w, const T* conv, T* pooled, uint8_t* index) {
  const int channel = int(blockIdx.y * blockDim.x + threadIdx.x), window = int(blockIdx.x * blockDim.y + threadIdx.y);
  if (channel >= w.o || window >= w.count) return;
  const T* from = conv + w.corner(window) + channel;
  float best = widen(*from);
  int place = 0;
  for (int r = 0; r < w.pool_h; r++)
    for (int q = 0; q < w.pool_w; q++) {
      const float value = widen(from[r * w.next_row() + int64_t(q) * w.o]);
      if (value > best || value != value) best = value, place = r * w.pool_w + q;
    }
  const int64_t to = int64_t(window) * w.o + channel;
  pooled[to] = narrow<T>(activate(Activation::relu, best));
  if (index) index[to] = uint8_t(place);
}

/**
 * The gradient before pooling: g where the window's maximum was and above 0, else 0. Block: [packs of
 * channels][windows], grid: [pieces of the windows, blocks of packs]. `spread` may be null; parts [pieces, o], the sums
 * for the bias, too.
 */
template <class T, int width>
__global__ void __launch_bounds__(128)
    spread_to_windows(const Windows w, const T* pooled, const uint8_t* index, const T* g, T* spread, float* parts, int piece) {
  WEFT_SHARED(float, sums, [128 * width]);
  const int channel = int(blockIdx.y * blockDim.x + threadIdx.x) * width;
  const int first = int(blockIdx.x) * piece, end = min(first + piece, w.count);
  float sum[width] = {};
  if (channel < w.o)
    for (int window = first + int(threadIdx.y); window < end; window += int(blockDim.y)) {
      const int64_t at = int64_t(window) * w.o + channel;
      const Pack<T, width> value = load_pack<width>(pooled + at), gradient = load_pack<width>(g + at);
      const Pack<uint8_t, width> places = load_pack<width>(index + at);
      Pack<T, width> flow;
#pragma unroll
      for (int e = 0; e < width; e++) {
        flow.at[e] = widen(value.at[e]) > 0 ? gradient.at[e] : T(0.0f);
        sum[e] += widen(flow.at[e]);
      }
      if (!spread) continue;
      T* to = spread + w.corner(window) + channel;
      for (int place = 0, r = 0; r < w.pool_h; r++)
        for (int q = 0; q < w.pool_w; q++, place++) {
          Pack<T, width> here;
#pragma unroll
          for (int e = 0; e < width; e++) here.at[e] = places.at[e] == place ? flow.at[e] : T(0.0f);
          store_pack(to + r * w.next_row() + int64_t(q) * w.o, here);
        }
    }
  if (!parts) return;
  const int line = int(blockDim.x) * width;
#pragma unroll
  for (int e = 0; e < width; e++) sums[int(threadIdx.y) * line + int(threadIdx.x) * width + e] = sum[e];
  __syncthreads();
  for (int e = int(threadIdx.y); e < width && channel < w.o; e += int(blockDim.y)) {
    float total = 0;
    for (unsigned k = 0; k < blockDim.y; k++) total += sums[int(k) * line + int(threadIdx.x) * width + e];
    parts[int64_t(blockIdx.x) * w.o + channel + e] = total;
  }
}

/** The part of a convolution that pooling windows cover. */
ConvShape covered_shape(const Call& call, const Dims& x, const Dims& kernel, const Dims& pooled, const Dims& pool) {
  return conv_shape(call, x, kernel, pooled[1] * pool[0], pooled[2] * pool[1]);
}

/** Convolves into scratch, then pools. */
Step bind_in_two(Call& call, const ConvShape& s, int pool_h, int pool_w) {
  const View x = call.in[0], pooled = call.out[0], index = call.out[1];
  View conv = call.scratch(size_t(s.pixels() * s.o) * size_of(x.dtype));
  conv.dims = {s.n, s.oh, s.ow, s.o}, conv.dtype = x.dtype;
  const Step convolve = conv_forward(call, s, x, call.in[1], call.in[2], Activation::linear, {conv, View()});
  const Windows w(s, pool_h, pool_w);
  const int64_t across = std::min(32, s.o), down = std::min<int64_t>(128 / across, w.count);
  const Shape shape{.grid = dim3(unsigned(divide_up(w.count, down)), unsigned(divide_up(s.o, across))),
                    .block = dim3(unsigned(across), unsigned(down))};
  return dispatch<float, BFloat16, Float16>(x.dtype, [&]<class T>() -> Step {
    return [=](const Frame& frame) {
      convolve(frame);
      launch(frame, shape, relu_of_maxima<T>, w, frame.at<const T>(conv), frame.at<T>(pooled),
             index.used() ? frame.at<uint8_t>(index) : nullptr);
    };
  });
}

/**
 * Spreads g over the windows into `spread`, and sums it for db into parts that are added to `sums`; either may be
 * unused.
 */
Step bind_spread(Call& call, const ConvShape& s, int pool_h, int pool_w, View spread, View db, std::vector<PartSum>& sums) {
  const View pooled = call.in[2], index = call.in[3], g = call.in[4];
  const Windows w(s, pool_h, pool_w);
  return dispatch<float, BFloat16, Float16>(g.dtype, [&]<class T>() -> Step {
    const auto bind = [&]<int width>() -> Step {
      const int64_t packs = s.o / width, across = std::min<int64_t>(32, packs), down = std::min<int64_t>(128 / across, w.count);
      const int64_t blocks = divide_up(packs, across);
      const int piece = int(divide_up(w.count, pieces_of_sum(w.count, blocks, 2 * down)));
      const int64_t pieces = divide_up(w.count, piece);
      const View parts = db.used() ? call.scratch(size_t(pieces * s.o) * sizeof(float)) : View();
      if (db.used()) sums.push_back({parts, db, pieces, s.o});
      const Shape shape{.grid = dim3(unsigned(pieces), unsigned(blocks)), .block = dim3(unsigned(across), unsigned(down))};
      return [=](const Frame& frame) {
        launch(frame, shape, spread_to_windows<T, width>, w, frame.at<const T>(pooled), frame.at<const uint8_t>(index),
               frame.at<const T>(g), spread.used() ? frame.at<T>(spread) : nullptr, parts.used() ? frame.at<float>(parts) : nullptr, piece);
      };
    };
    if (s.o % 4 == 0) return bind.template operator()<4>();
    return bind.template operator()<1>();
  });
}

}  // namespace

KERNEL(cuda, conv2dReluPool) {
  const View x = call.in[0], kernel = call.in[1], pooled = call.out[0], index = call.out[1];
  const Dims pool = call.attrs.integers("poolSize");
  const ConvShape s = covered_shape(call, x.dims, kernel.dims, pooled.dims, pool);
  const int pool_h = int(pool[0]), pool_w = int(pool[1]);
  if (s.empty()) return [](const Frame&) {};
  if (!pools_as_it_goes(s, pool_h * pool_w)) return bind_in_two(call, s, pool_h, pool_w);
  return conv_forward(call, s, x, kernel, call.in[2], Activation::relu, {pooled, index, pool_h, pool_w});
}

KERNEL(cuda, conv2dReluPoolGrad) {
  const View x = call.in[0], kernel = call.in[1], pooled = call.in[2], dx = call.out[0], dk = call.out[1], db = call.out[2];
  const Dims pool = call.attrs.integers("poolSize");
  const ConvShape s = covered_shape(call, x.dims, kernel.dims, pooled.dims, pool);
  if (s.empty()) return clear_outputs(call);
  View spread;
  if (dx.used() || dk.used()) {
    spread = call.scratch(size_t(s.pixels() * s.o) * size_of(x.dtype));
    spread.dims = {s.n, s.oh, s.ow, s.o}, spread.dtype = x.dtype;
  }
  std::vector<PartSum> sums;
  std::vector<Step> steps{bind_spread(call, s, int(pool[0]), int(pool[1]), spread, db, sums)};
  if (dk.used()) steps.push_back(conv_kernel_parts(call, s, x, spread, dk, sums));
  if (dx.used()) steps.push_back(conv_input_grad(call, s, spread, kernel, dx));
  steps.push_back(add_parts(sums));
  return in_order(std::move(steps));
}

}  // namespace weft::cuda
